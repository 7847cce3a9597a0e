//! Which parts an operation has, and who is left out.

use std::time::Duration;

use serde_json::json;
use sync_core::{ConsentState as C, ErrorKind, Facts, Reason, Record, RemoteState, Retry, Safety, Serial, Value};

use crate::support::{ADA, ADA_ID, audience_facts, connected, consent, create, customer, remote, remove, tagging, update};

const LOOK_UP: Safety = Safety::LookUp { settle: Duration::from_secs(120) };
const JORG: &str = "jörg@example.com";
const JORG_ID: &str = "1020b8f7b35fa04503bbb1a6c0182ca9";

#[tokio::test]
async fn new_people_go_together_and_their_tags_follow_one_by_one_without_automations() {
    let shop = connected(json!({})).await;
    let parts = shop.parts(&tagging(create(customer(ADA)), &["diver", "vip"], &[]));
    let groups: Vec<_> = parts.iter().map(|part| (part.stage, &*part.group, part.max)).collect();
    assert_eq!(groups, [(0, "members:new", 500), (2, &*format!("tags:{ADA_ID}"), 1)]);
    assert_eq!(parts[0].safety, Safety::ClientId);
    assert!(parts.iter().all(|part| part.effects.is_empty()));
}

#[tokio::test]
async fn with_the_grant_tags_go_by_tag() {
    let shop = connected(json!({})).await.granting(&["automation"]);
    let parts = shop.parts(&tagging(create(customer(ADA)), &["VIP"], &["old"]));
    let groups: Vec<_> = parts.iter().map(|part| (part.stage, &*part.group, part.max, part.serial)).collect();
    assert_eq!(
        groups,
        [(0, "members:new", 500, Serial::No), (2, "tag:+vip", 500, Serial::First), (2, "tag:-old", 500, Serial::First),]
    );
    assert!(parts[1..].iter().all(|part| part.effects[0].name == "automation"));
}

#[tokio::test]
async fn who_is_taken_away_is_erased_only_with_the_grant() {
    let shop = connected(json!({})).await;
    let op = remove(remote(ADA, ADA_ID, C::Granted));
    assert_eq!(shop.groups(&op), [format!("member:archive:{ADA_ID}")]);
    let shop = shop.granting(&["permanent-deletion"]);
    assert_eq!(shop.groups(&op), [format!("member:erase:{ADA_ID}")]);
    assert_eq!(shop.parts(&op)[0].effects[0].name, "permanent-deletion");
}

#[tokio::test]
async fn who_did_not_agree_is_left_out_with_a_reason() {
    let shop = connected(json!({})).await.granting(&["confirmation-mail", "automation"]);
    let code = |record: Record| shop.skip(&create(record)).code.into_owned();
    let with = |state| customer(ADA).with("consent.email", consent(state, None));
    assert_eq!(code(with(C::Unknown)), "no-consent");
    assert_eq!(code(with(C::Denied)), "unsubscribed");
    assert_eq!(code(with(C::Undeliverable)), "undeliverable");
    assert_eq!(code(customer(" ")), "no-address");
    let mut never_asked = customer(ADA);
    never_asked.remove("consent.email");
    assert_eq!(code(never_asked), "no-consent");
}

#[tokio::test]
async fn a_broken_address_is_the_items_error_and_is_not_quoted() {
    let shop = connected(json!({})).await;
    for address in ["ada(at)example.com", "12ab@forgotten.mailchimp.com"] {
        let error = shop.prepare(&create(customer(address))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!format!("{error} {error:?}").contains("@") && error.remedy().is_some());
    }
}

#[tokio::test]
async fn a_confirmation_mail_needs_a_grant() {
    let double = || async { connected(json!({})).await.knowing(audience_facts(true, false)) };
    let skip = double().await.skip(&create(customer(ADA)));
    assert_eq!((&*skip.code, skip.needs_grant.as_deref()), ("needs-confirmation-mail", Some("confirmation-mail")));
    let granted = double().await.granting(&["confirmation-mail"]);
    let parts = granted.parts(&create(customer(ADA)));
    assert_eq!(parts[0].effects[0].name, "confirmation-mail");
    let always = connected(json!({"double_optin": "always"})).await;
    assert_eq!(always.skip(&create(customer(ADA))).code, "needs-confirmation-mail");
}

#[tokio::test]
async fn a_welcome_automation_needs_a_grant() {
    let shop = connected(json!({})).await.knowing(audience_facts(false, true));
    let skip = shop.skip(&create(customer(ADA)));
    assert_eq!((&*skip.code, skip.needs_grant.as_deref()), ("needs-automation", Some("automation")));
    let shop = shop.granting(&["automation"]);
    assert_eq!(shop.parts(&create(customer(ADA)))[0].effects[0].name, "automation");
}

#[tokio::test]
async fn a_changed_name_is_one_part_and_an_unmapped_change_is_none() {
    let shop = connected(json!({})).await;
    let op = |changed: &[&str]| update(remote(ADA, ADA_ID, C::Granted), customer(ADA), changed);
    assert_eq!(shop.groups(&op(&["first_name"])), ["members:known"]);
    assert_eq!(shop.groups(&op(&["extra.unmapped"])), [""; 0]);
    let single = connected(json!({"known_members": "single"})).await;
    assert_eq!(single.groups(&op(&["first_name"])), [format!("member:profile:{ADA_ID}")]);
}

#[tokio::test]
async fn a_new_address_renames_the_member() {
    let shop = connected(json!({})).await;
    let op = update(remote(JORG, JORG_ID, C::Granted), customer(ADA), &["email", "first_name"]);
    let op = tagging(op, &["x"], &[]);
    assert_eq!(shop.groups(&op), [format!("member:rename:{JORG_ID}"), format!("tags:{ADA_ID}")]);
    let case = update(remote(ADA, ADA_ID, C::Granted), customer("Ada.Lovelace@Example.com"), &["email"]);
    assert_eq!(shop.groups(&case), ["members:known"], "another spelling is the same member");
}

#[tokio::test]
async fn a_withdrawal_goes_before_all_else_even_without_an_address() {
    let shop = connected(json!({})).await;
    let denied = customer(ADA).with("consent.email", consent(C::Denied, None));
    let op = update(remote(JORG, JORG_ID, C::Granted), denied, &["email", "consent.email"]);
    let parts = shop.parts(&op);
    let groups: Vec<_> = parts.iter().map(|part| (part.stage, part.group.to_string())).collect();
    assert_eq!(groups, [(0, format!("member:lower:{JORG_ID}")), (1, format!("member:rename:{JORG_ID}"))]);
    // History 2572: whatever else goes is a later stage, so that an interrupted operation is finished as a whole.
    let denied = customer(JORG).with("consent.email", consent(C::Denied, None));
    let parts = shop.parts(&update(remote(JORG, JORG_ID, C::Granted), denied, &["first_name", "consent.email"]));
    let groups: Vec<_> = parts.iter().map(|part| (part.stage, part.group.to_string())).collect();
    assert_eq!(groups, [(0, format!("member:lower:{JORG_ID}")), (1, "members:known".to_owned())]);
    let gone = customer("").with("consent.email", consent(C::Denied, None));
    let op = update(remote(JORG, JORG_ID, C::Granted), gone, &["email", "consent.email"]);
    assert_eq!(shop.groups(&op), [format!("member:lower:{JORG_ID}")]);
    let op = update(remote(JORG, JORG_ID, C::Granted), customer(""), &["email"]);
    assert_eq!(shop.skip(&op).code, "no-address");
}

#[tokio::test]
async fn who_unsubscribed_comes_back_only_by_confirming() {
    let shop = connected(json!({})).await;
    let old = update(remote(ADA, ADA_ID, C::Denied), customer(ADA), &["consent.email", "first_name"]);
    assert_eq!(shop.groups(&old), ["members:known"], "an older opt-in changes nothing");
    let lifted = customer(ADA).with("consent.email", consent(C::Pending, None));
    let lifted = update(remote(ADA, ADA_ID, C::Denied), lifted, &["consent.email"]);
    assert_eq!(shop.skip(&lifted).code, "needs-confirmation-mail");
    let shop = shop.granting(&["confirmation-mail"]);
    let parts = shop.parts(&lifted);
    assert_eq!(parts[0].group, format!("member:raise:{ADA_ID}"));
    assert_eq!(parts[0].effects[0].name, "confirmation-mail");
    assert_eq!(parts[0].safety, LOOK_UP, "an unsubscribe after a lost answer is seen before anything is asked for again");
}

#[tokio::test]
async fn the_archive_is_left_alone_unless_somebody_agreed() {
    let shop = connected(json!({})).await;
    let archived = || {
        let mut remote = remote(ADA, ADA_ID, C::Unknown);
        remote.state = RemoteState::Archived;
        remote
    };
    assert_eq!(shop.skip(&update(archived(), customer(ADA), &["first_name"])).code, "archived");
    let newer = customer(ADA).with("consent.email", consent(C::Granted, Some("2026-02-02T00:00:00Z")));
    assert_eq!(shop.groups(&update(archived(), newer, &["consent.email"])), [format!("member:revive:{ADA_ID}")]);
    let newer = customer(ADA).with("consent.email", consent(C::Granted, Some("2026-02-02T00:00:00Z")));
    assert_eq!(shop.parts(&update(archived(), newer, &["consent.email"]))[0].safety, LOOK_UP);
    let older = update(archived(), customer(ADA), &["consent.email"]);
    assert_eq!(shop.skip(&older).code, "needs-confirmation-mail");
}

#[tokio::test]
async fn removing_archives_once() {
    let shop = connected(json!({})).await;
    assert_eq!(shop.groups(&remove(remote(ADA, ADA_ID, C::Granted))), [format!("member:archive:{ADA_ID}")]);
    let mut archived = remote(ADA, ADA_ID, C::Granted);
    archived.state = RemoteState::Archived;
    assert_eq!(shop.groups(&remove(archived)), [""; 0]);
}

#[tokio::test]
async fn an_operation_in_another_audience_has_groups_of_its_own() {
    let shop = connected(json!({})).await;
    let mut op = update(remote(ADA, ADA_ID, C::Granted), customer(ADA), &["first_name"]);
    op.container = Some("old1".into());
    assert_eq!(shop.groups(&op), ["old1/members:known"]);
}

#[tokio::test]
async fn only_tags_asked_for_need_no_fields() {
    let shop = connected(json!({})).await;
    let op = tagging(update(remote(ADA, ADA_ID, C::Granted), Record::new(), &["tags"]), &["x"], &[]);
    assert_eq!(shop.groups(&op), [format!("tags:{ADA_ID}")]);
}

#[tokio::test]
async fn a_required_merge_field_without_a_value_is_the_items_error() {
    let facts = Facts::of(
        "merge_fields",
        json!({
            "FNAME": {"tag": "FNAME", "name": "First", "type": "text", "required": true},
            "LNAME": {"tag": "LNAME", "name": "Last", "type": "text", "required": false},
        }),
    );
    let shop = connected(json!({})).await.knowing(facts.clone());
    let nameless = customer(ADA).with("first_name", Value::text(""));
    let error = shop.prepare(&create(nameless.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("FNAME") && error.message().contains("first_name"));
    let update = update(remote(ADA, ADA_ID, C::Granted), nameless.clone(), &["first_name", "last_name"]);
    assert_eq!(shop.groups(&update), ["members:known"], "a blank never overwrites, and is not required again");
    let lenient = connected(json!({"skip_merge_validation": true})).await.knowing(facts);
    assert_eq!(lenient.groups(&create(nameless)), ["members:new"]);
}

#[tokio::test]
async fn a_match_is_written_like_a_change_and_never_with_a_status() {
    let shop = connected(json!({})).await;
    let mut op = update(remote(ADA, ADA_ID, C::Denied), customer(ADA), &["consent.email", "last_name"]);
    op.reason = Reason::Matched;
    assert_eq!(shop.groups(&op), ["members:known"]);
}

#[tokio::test]
async fn what_only_a_change_in_mailchimp_mends_is_looked_at_again_or_says_that_it_must_be_retried() {
    let shop = connected(json!({})).await.knowing(audience_facts(false, true));
    let mut archived = remote(ADA, ADA_ID, C::Unknown);
    archived.state = RemoteState::Archived;
    let skips = [shop.skip(&create(customer(ADA))), shop.skip(&update(archived, customer(ADA), &["first_name"]))];
    for skip in skips {
        let remedy = skip.remedy.unwrap();
        assert!(remedy.contains("in Mailchimp") && remedy.contains("retry"), "{remedy}");
    }
    let required = json!({"FNAME": {"tag": "FNAME", "name": "First", "type": "dropdown", "required": true,
        "options": {"choices": ["Bob"]}}});
    let shop = connected(json!({})).await.knowing(Facts::of("merge_fields", required));
    for name in ["", "Ada"] {
        let error = shop.prepare(&create(customer(ADA).with("first_name", Value::text(name)))).unwrap_err();
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(24 * 60 * 60)));
        assert!(error.remedy().unwrap().contains("in Mailchimp"));
    }
}
