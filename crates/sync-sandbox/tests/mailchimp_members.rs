//! Members, one at a time. Each test names the public source of its rule; D stands for
//! <https://mailchimp.com/developer/marketing>.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{LIST, Lab, at, audience, hash, member_path};
use sync_sandbox::{AudienceSeed, MailchimpSeed, MemberSeed, MergeFieldSeed, RefusalSeed, SandboxOptions};

// D/api/list-members/get-member-info: "This endpoint also accepts a list member's email address or contact_id."
#[test]
fn a_member_is_found_by_hash_address_and_contact_id() {
    let lab = Lab::new();
    let contact = lab.member("ada@example.com")["contact_id"].as_str().expect("an id").to_owned();
    for name in [&hash("ada@example.com"), "Ada@Example.com", "ada%40example.com", &contact] {
        let (status, body) = lab.get(&at(&format!("/members/{name}")));
        assert_eq!((status, body["email_address"].as_str()), (200, Some("ada@example.com")), "{name}");
    }
    assert_eq!(lab.get(&member_path("nobody@example.com")).0, 404);
}

// GitHub amro/gibbon issue 239, VingtCinq/python-mailchimp issue 182.
#[test]
fn a_put_to_the_hash_of_mixed_case_says_that_the_member_exists() {
    let lab = Lab::new();
    use md5::{Digest, Md5};
    let wrong: String = Md5::digest(b"Ada@Example.com").iter().map(|byte| format!("{byte:02x}")).collect();
    let body = json!({"email_address": "Ada@Example.com", "status_if_new": "subscribed"});
    let (status, body) = lab.put(&at(&format!("/members/{wrong}")), body);
    assert_eq!((status, body["title"].as_str()), (400, Some("Member Exists")));
}

// D/api/list-members/add-or-update-list-member and the documentation's page "Set consent correctly": `status_if_new`
// applies only when the contact does not exist yet.
#[test]
fn status_if_new_acts_on_creation_only() {
    let lab = Lab::new();
    for (email, then) in [
        ("new@example.com", "pending"),
        ("ada@example.com", "subscribed"),
        ("bob@example.com", "unsubscribed"),
        ("dan@example.com", "archived"),
        ("fay@example.com", "transactional"),
    ] {
        let (status, body) = lab.put(&member_path(email), json!({"email_address": email, "status_if_new": "pending"}));
        assert_eq!((status, body["status"].as_str()), (200, Some(then)), "{email}");
    }
    assert_eq!(lab.mails(), 1, "for the new one");
}

// The same page: "`status` overwrites unconditionally". GitHub brandonseydel/MailChimp.Net issue 526 and
// tbar0970/jethro-pmm issue 708: an archived member comes back by `status` only.
#[test]
fn status_overwrites_and_brings_an_archived_member_back() {
    let lab = Lab::new();
    for (email, to) in
        [("ada@example.com", "unsubscribed"), ("dan@example.com", "subscribed"), ("gus@example.com", "subscribed")]
    {
        let body = json!({"email_address": email, "status_if_new": "pending", "status": to});
        assert_eq!(lab.put(&member_path(email), body).0, 200, "{email}");
        assert_eq!(lab.status(email), to);
    }
}

// GitHub ibericode/mailchimp-for-wordpress issue 798, Automattic/jetpack issue 21153; `pending` as the way out:
// forem/forem pull request 6256.
#[test]
fn nobody_is_resubscribed_against_their_will() {
    let lab = Lab::new();
    for email in ["bob@example.com", "cleo@example.com"] {
        let (status, body) = lab.patch(&member_path(email), json!({"status": "subscribed"}));
        assert_eq!((status, body["title"].as_str()), (400, Some("Member In Compliance State")), "{email}");
        assert!(body["detail"].as_str().is_some_and(|detail| detail.ends_with("cannot be subscribed.")));
    }
    assert_eq!(lab.patch(&member_path("cleo@example.com"), json!({"status": "pending"})).0, 400);
    assert_eq!(lab.patch(&member_path("bob@example.com"), json!({"status": "pending"})).0, 200);
    assert_eq!((lab.status("bob@example.com").as_str(), lab.mails()), ("pending", 1));
    lab.person("confirm", "bob@example.com");
    assert_eq!(lab.status("bob@example.com"), "subscribed");
}

// GitHub brandonseydel/MailChimp.Net issue 529: an archived member hides the former state; it does not heal it.
#[test]
fn archiving_does_not_launder_an_unsubscribe() {
    let lab = Lab::new();
    assert_eq!(lab.delete(&member_path("bob@example.com")).0, 204);
    assert_eq!(lab.status("bob@example.com"), "archived");
    let (status, body) = lab.patch(&member_path("bob@example.com"), json!({"status": "subscribed"}));
    assert_eq!((status, body["title"].as_str()), (400, Some("Member In Compliance State")));
}

// D/release-notes, 2020-08-19: "Preventing multiple confirmation emails on PATCH or PUT".
#[test]
fn a_second_pending_sends_no_second_mail() {
    let lab = Lab::new();
    let path = member_path("fay@example.com");
    for _ in 0..3 {
        assert_eq!(lab.patch(&path, json!({"status": "pending"})).0, 200);
    }
    assert_eq!(lab.mails(), 1);
}

// D/api/list-members/add-member-to-list; "Member Exists": GitHub amro/gibbon issue 239.
#[test]
fn a_post_creates_and_refuses_who_is_there_already() {
    let lab = Lab::new();
    let (status, body) = lab.post(
        &at("/members"),
        json!({"email_address": "New@Example.com", "status": "subscribed", "tags": ["course: nitrox", "VIP LIST"],
               "merge_fields": {"FNAME": "Nia"}, "language": "es", "vip": true}),
    );
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        (body["email_address"].as_str(), body["id"].as_str()),
        (Some("New@Example.com"), Some(&*hash("new@example.com")))
    );
    assert_eq!((body["tags_count"].as_u64(), body["full_name"].as_str()), (Some(2), Some("Nia")));
    assert_eq!(lab.member("new@example.com")["tags"], json!(["course: nitrox", "VIP list"]), "names compare without case");
    for email in ["new@example.com", "dan@example.com"] {
        let (status, body) = lab.post(&at("/members"), json!({"email_address": email, "status": "subscribed"}));
        assert_eq!((status, body["title"].as_str()), (400, Some("Member Exists")), "{email}");
    }
}

// GitHub amro/gibbon issue 274, drewm/mailchimp-api issue 312: tags of a PUT or PATCH do nothing. The reference lists no
// such field, so the double refuses it in sight of all.
#[test]
fn tags_belong_to_the_creating_post_only() {
    let lab = Lab::new();
    let body = json!({"email_address": "ada@example.com", "status_if_new": "subscribed", "tags": ["x"]});
    assert_eq!(lab.put(&member_path("ada@example.com"), body).0, 400);
    assert_eq!(lab.patch(&member_path("ada@example.com"), json!({"tags": ["x"]})).0, 400);
    assert_eq!(lab.refused(), ["unknown body field `tags`", "unknown body field `tags`"]);
}

// GitHub brandonseydel/MailChimp.Net issue 135, Ecwid/maleorang issue 10.
#[test]
fn a_changed_address_changes_the_hash_and_keeps_the_contact_id() {
    let lab = Lab::new();
    let before = lab.member("ada@example.com");
    let (status, body) = lab.patch(&member_path("ada@example.com"), json!({"email_address": "countess@example.com"}));
    assert_eq!((status, body["id"].as_str()), (200, Some(&*hash("countess@example.com"))));
    assert_eq!(body["contact_id"], before["contact_id"]);
    assert_eq!(body["merge_fields"]["FNAME"], "Ada");
    assert_eq!(lab.get(&member_path("ada@example.com")).0, 404);
    let (status, body) = lab.patch(&member_path("countess@example.com"), json!({"email_address": "bob@example.com"}));
    assert_eq!((status, body["title"].as_str()), (400, Some("Member Exists")));
}

// D/api/list-members/archive-list-member; the 405: a recorded answer in GitHub grouparoo/grouparoo.
#[test]
fn a_delete_archives_once() {
    let lab = Lab::new();
    assert_eq!(lab.delete(&member_path("ada@example.com")).0, 204);
    assert_eq!(lab.get(&member_path("ada@example.com")).1["status"], "archived");
    assert_eq!(lab.delete(&member_path("ada@example.com")).0, 405);
    assert_eq!(lab.delete(&member_path("nobody@example.com")).0, 404);
}

// D/api/list-members/delete-list-member: "This will make it impossible to re-import the list member." GitHub
// ibericode/mailchimp-for-wordpress issues 666 and 673: not even as pending; nztim/mailchimp issue 31: reads 404.
#[test]
fn an_erased_member_is_gone_for_ever_unless_the_person_returns() {
    let lab = Lab::new();
    let path = member_path("ada@example.com");
    assert_eq!(lab.post(&format!("{path}/actions/delete-permanent"), json!({})).0, 204);
    assert_eq!(lab.get(&path).0, 404);
    for status in ["subscribed", "pending", "transactional"] {
        let (code, body) = lab.put(&path, json!({"email_address": "ada@example.com", "status_if_new": status}));
        assert_eq!((code, body["title"].as_str()), (400, Some("Forgotten Email Not Subscribed")), "{status}");
    }
    let body = json!({"email_address": "ada@example.com"});
    assert_eq!(lab.patch(&member_path("bob@example.com"), body).1["title"], "Forgotten Email Not Subscribed");
    lab.person("subscribe", "ada@example.com");
    assert_eq!(lab.status("ada@example.com"), "subscribed");
}

// D/docs/merge-fields: the answer for a required field that is missing, and `skip_merge_validation`.
#[test]
fn a_required_merge_field_is_required_unless_skipped() {
    let lab = Lab::of(audience().with_merge_field(MergeFieldSeed::new("CERT", "Certificate", "text").required()));
    let body = json!({"email_address": "new@example.com", "status": "subscribed", "merge_fields": {"FNAME": "N"}});
    let (status, answer) = lab.post(&at("/members"), body.clone());
    assert_eq!((status, answer["detail"].as_str()), (400, Some("Your merge fields were invalid.")));
    assert_eq!(answer["errors"], json!([{"field": "CERT", "message": "Please enter a value"}]));
    // Also for members that were there before the field became required.
    assert_eq!(lab.patch(&member_path("ada@example.com"), json!({"language": "es"})).0, 400);
    assert_eq!(lab.post(&at("/members?skip_merge_validation=true"), body).0, 200);
}

// GitHub ibericode/mailchimp-for-wordpress issue 545, mailchimp/mc-magento issue 497.
#[test]
fn a_null_merge_value_fits_no_schema() {
    let lab = Lab::new();
    let (status, body) = lab.patch(&member_path("ada@example.com"), json!({"merge_fields": {"FNAME": null}}));
    assert_eq!(status, 400);
    assert_eq!(body["errors"][0]["message"], "Data did not match any of the schemas described in anyOf.");
}

// D/docs/merge-fields: "you can't set a value on a contact for a field the audience doesn't define".
#[test]
fn an_undefined_merge_field_is_dropped_and_noted() {
    let lab = Lab::new();
    assert_eq!(lab.patch(&member_path("ada@example.com"), json!({"merge_fields": {"NOPE": "x"}})).0, 200);
    assert_eq!(lab.member("ada@example.com")["merge_fields"], json!({"FNAME": "Ada"}));
    assert_eq!(lab.refused(), ["merge field `NOPE` is not defined"]);
}

// GitHub drewm/mailchimp-api issue 93 shows an answer with such texts.
#[test]
fn what_is_not_known_is_an_empty_text() {
    let lab = Lab::new();
    let (_, body) = lab.get(&member_path("bob@example.com"));
    for name in ["ip_signup", "timestamp_signup", "language", "email_client"] {
        assert_eq!(body[name], "", "{name}");
    }
    assert_eq!(body["merge_fields"], json!({"FNAME": "", "LNAME": "", "ADDRESS": "", "PHONE": ""}));
    assert!(body["_links"].as_array().is_some_and(|links| links.iter().any(|link| link["rel"] == "self")));
}

// D/docs/errors: "looks fake or invalid"; GitHub ibericode/mailchimp-for-wordpress issue 506: "a lot of lists".
#[test]
fn some_addresses_are_refused() {
    let seed = MailchimpSeed::new(support::KEY)
        .with_audience(audience())
        .with_refusal("@fake.example.com", RefusalSeed::LooksFake)
        .with_refusal("busy@example.com", RefusalSeed::TooManySignups);
    let lab = Lab::with(seed, SandboxOptions::default());
    for (email, words) in [
        ("x@fake.example.com", "looks fake or invalid"),
        ("Busy@example.com", "signed up to a lot of lists"),
        ("nonsense", "Please provide a valid email address."),
        ("a b@example.com", "Please provide a valid email address."),
    ] {
        let (status, body) = lab.post(&at("/members"), json!({"email_address": email, "status": "subscribed"}));
        let is_right = body["title"] == "Invalid Resource" && body["detail"].as_str().is_some_and(|d| d.contains(words));
        assert!(status == 400 && is_right, "{email}: {body}");
    }
}

// D/api/list-members/list-members-info: `count` default 10 and at most 1000, `offset`, `total_items` "regardless of
// pagination", `fields` with dots.
#[test]
fn a_listing_is_paged_and_partial() {
    let mut many = AudienceSeed::new(LIST, "Newsletter");
    for n in 0..25 {
        many = many.with_member(MemberSeed::new(format!("m{n:02}@example.com"), "subscribed"));
    }
    let lab = Lab::of(many);
    assert_eq!(lab.get(&at("/members")).1["members"].as_array().map(Vec::len), Some(10));
    let (_, page) = lab.get(&at("/members?count=10&offset=20&fields=members.email_address,total_items"));
    assert_eq!(page["total_items"], 25);
    assert_eq!(page["members"][0], json!({"email_address": "m20@example.com"}));
    assert_eq!(page["members"].as_array().map(Vec::len), Some(5));
    assert!(page.get("_links").is_none() && page.get("list_id").is_none());
    let (_, page) = lab.get(&at("/members?exclude_fields=members._links,members.merge_fields.FNAME,_links"));
    assert!(page["members"][0].get("_links").is_none() && page["members"][0]["merge_fields"].get("FNAME").is_none());
    assert!(page["members"][0]["merge_fields"].get("LNAME").is_some());
    assert_eq!(lab.get(&at("/members?count=1001")).0, 400);
    assert_eq!(lab.get(&at("/members?fields=members.id&exclude_fields=_links")).0, 400);
}

// The same reference: `status`. GitHub brandonseydel/MailChimp.Net issue 529: archived members only when asked for.
#[test]
fn a_listing_leaves_out_archived_members_unless_asked() {
    let lab = Lab::new();
    let emails = |tail: &str| -> Vec<String> {
        let (status, body) = lab.get(&at(&format!("/members?count=100{tail}")));
        assert_eq!(status, 200, "{tail}: {body}");
        let list = body["members"].as_array().cloned().unwrap_or_default();
        assert_eq!(body["total_items"].as_u64(), Some(list.len() as u64));
        list.iter().map(|member| member["email_address"].as_str().unwrap_or_default().replace("@example.com", "")).collect()
    };
    assert_eq!(emails(""), ["ada", "bob", "cleo", "eve", "fay", "gus"]);
    assert_eq!(emails("&status=archived"), ["dan"]);
    assert_eq!(emails("&status=unsubscribed"), ["bob", "gus"]);
    assert_eq!(lab.get(&at("/members?status=gone")).0, 400);
}

// The same reference: `since_last_changed` "after", `before_last_changed` "before", `sort_field`, `sort_dir`.
#[test]
fn a_change_feed_is_sorted_and_bounded() {
    let lab = Lab::new();
    for (n, email) in ["gus@example.com", "ada@example.com", "eve@example.com"].into_iter().enumerate() {
        lab.clock.advance(Duration::from_secs(60));
        assert_eq!(lab.patch(&member_path(email), json!({"language": format!("x{n}")})).0, 200);
    }
    let names = |query: &str| -> Vec<String> {
        let (_, body) = lab.get(&at(&format!("/members?sort_field=last_changed&{query}")));
        let list = body["members"].as_array().cloned().unwrap_or_default();
        list.iter().map(|member| member["email_address"].as_str().unwrap_or_default().replace("@example.com", "")).collect()
    };
    assert_eq!(names("since_last_changed=2026-03-01T12:00:00%2B00:00"), ["gus", "ada", "eve"]);
    assert_eq!(names("since_last_changed=2026-03-01T12:01:00%2B00:00&sort_dir=ASC"), ["ada", "eve"]);
    assert_eq!(names("since_last_changed=2026-03-01T12:00:00Z&sort_dir=DESC"), ["eve", "ada", "gus"]);
    assert_eq!(
        names("since_last_changed=2026-03-01T12:00:00Z&before_last_changed=2026-03-01T12:03:00Z&status=subscribed"),
        ["ada"]
    );
    assert_eq!(names("since_last_changed=2026-03-01T12:00:00Z&count=1&offset=1"), ["ada"]);
    assert!(lab.refused().is_empty());
}

// The same reference: `sort_field`. Who has no such time comes first.
#[test]
fn a_listing_is_sorted_by_the_time_of_signup_or_optin() {
    let lab = Lab::new();
    for (email, at) in [("gus@example.com", "2026-02-01T00:00:00Z"), ("ada@example.com", "2026-01-01T00:00:00Z")] {
        let body = json!({"timestamp_signup": at, "timestamp_opt": at});
        assert_eq!(lab.patch(&member_path(email), body).0, 200);
    }
    let names = |query: &str| -> Vec<String> {
        let (_, body) = lab.get(&at(&format!("/members?{query}")));
        let list = body["members"].as_array().cloned().unwrap_or_default();
        list.iter().map(|member| member["email_address"].as_str().unwrap_or_default().replace("@example.com", "")).collect()
    };
    for field in ["timestamp_signup", "timestamp_opt"] {
        assert_eq!(names(&format!("sort_field={field}")), ["bob", "cleo", "eve", "fay", "ada", "gus"]);
        assert_eq!(names(&format!("sort_field={field}&sort_dir=DESC&count=2")), ["gus", "ada"]);
        assert_eq!(names(&format!("sort_field={field}&count=2&offset=4")), ["ada", "gus"]);
    }
}

// GitHub brandonseydel/MailChimp.Net issues 478 and 525: with a time that it cannot read, the filter is ignored.
#[test]
fn an_unreadable_time_returns_everybody_and_is_noted() {
    let lab = Lab::new();
    let (status, body) = lab.get(&at("/members?since_last_changed=2099-01-01T00:00:00.1234567Z"));
    assert_eq!((status, body["total_items"].as_u64()), (200, Some(6)));
    assert_eq!(lab.refused().len(), 1);
}

// D/docs/methods-parameters; what this double does not know must show.
#[test]
fn unknown_parameters_fields_paths_and_methods_are_refused_and_recorded() {
    let lab = Lab::new();
    for (status, body) in [
        lab.get(&at("/members?page=2")),
        lab.patch(&member_path("ada@example.com"), json!({"nickname": "Countess"})),
        lab.get(&at("/locations")),
        lab.put(&at("/members"), json!({})),
        lab.patch(&member_path("ada@example.com"), json!({"interests": {"abc": true}})),
    ] {
        assert!((400..=405).contains(&status), "{body}");
    }
    assert_eq!(lab.refused().len(), 5, "{:?}", lab.refused());
    assert_eq!(lab.sandbox.calls("unknown"), 2);
}

// GitHub mailchimp/mc-magento issue 497 and D/docs/errors show the shape.
#[test]
fn a_wrong_type_names_its_field() {
    let lab = Lab::new();
    let (status, body) = lab.patch(&member_path("ada@example.com"), json!({"language": null}));
    assert_eq!((status, body["title"].as_str()), (400, Some("Invalid Resource")));
    assert_eq!(body["errors"], json!([{"field": "language", "message": "Schema describes string, NULL found instead"}]));
    let (_, body) = lab.patch(&member_path("ada@example.com"), json!({"status": "archived"}));
    assert_eq!(body["errors"][0]["field"], "status");
    assert!(lab.refused().is_empty(), "the real one refuses these too");
}
