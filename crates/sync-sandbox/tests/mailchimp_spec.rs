//! Every modelled operation against Mailchimp's own description of its API: parameters and bodies that the double takes,
//! answers that it gives. What is not in the description, and what of it the double leaves out, stands in a named list.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::{collections::BTreeSet, fs};

use http::Method;
use serde_json::{Value, json};
use support::{KEY, LIST, Lab, at, audience, hash, member_path};
use sync_sandbox::{MailchimpSeed, MergeFieldSeed, SandboxOptions};

/// In our calls, not in the description.
const UNDOCUMENTED: &[(&str, &str)] = &[(
    "POST /lists/{list_id} body members[].tags",
    "the reference lists no tags in a batch's members, yet clients send them together with sync_tags",
)];

/// In the description, not in our answers: end of the path, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("_links[].targetSchema", "nobody follows the schema links"),
    ("_links[].schema", "nobody follows the schema links"),
    (".unsubscribe_reason", "shown for unsubscribed members only"),
    (".sms_phone_number", "SMS is not modelled"),
    (".sms_subscription_status", "SMS is not modelled"),
    (".sms_subscription_last_updated", "SMS is not modelled"),
    (".stats.ecommerce_data", "shown only where a store is connected"),
    (".location.region", "not shown without a known location"),
    (".marketing_permissions[]", "shown only where the audience has them enabled"),
    (".marketing_permissions", "shown only where the audience has them enabled"),
    (".last_note", "shown only where there is a note"),
    (".stats.total_contacts", "shown only with include_total_contacts"),
    (".options.default_country", "each type of merge field has its own options"),
    (".options.phone_format", "each type of merge field has its own options"),
    (".options.date_format", "each type of merge field has its own options"),
    (".options.choices", "each type of merge field has its own options"),
    (".options.size", "each type of merge field has its own options"),
];

struct Spec(Value);

struct Findings {
    wrong: BTreeSet<String>,
    undocumented: BTreeSet<String>,
}

impl Spec {
    fn read() -> Option<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs/mailchimp-marketing.json");
        match fs::read(path) {
            Ok(text) => Some(Self(serde_json::from_slice(&text).expect("the description is JSON"))),
            Err(_) => {
                println!("skipped: mailchimp-marketing.json is not here");
                None
            }
        }
    }

    fn operation(&self, method: &Method, template: &str) -> &Value {
        let operation = &self.0["paths"][template][method.as_str().to_lowercase()];
        assert!(operation.is_object(), "{method} {template} is not described");
        operation
    }
}

impl Findings {
    /// Compares a value with its schema; `is_answer` also asks for members that are missing.
    fn compare(&mut self, schema: &Value, value: &Value, at: &str, is_answer: bool) {
        let fits = match schema["type"].as_str() {
            None => true,
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            Some(other) => panic!("{at}: type {other}"),
        };
        if !fits {
            self.wrong.insert(format!("{at}: {} is no {}", value, schema["type"]));
            return;
        }
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            self.wrong.insert(format!("{at}: {value} is not one of {values:?}"));
        }
        if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
            for item in items {
                self.compare(schema, item, &format!("{at}[]"), is_answer);
            }
        }
        let (Some(members), Some(known)) = (value.as_object(), schema["properties"].as_object()) else { return };
        for (name, member) in members {
            match known.get(name) {
                Some(schema) => self.compare(schema, member, &format!("{at}.{name}"), is_answer),
                None => drop(self.undocumented.insert(format!("{at}.{name}"))),
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                self.wrong.insert(format!("{at}.{name} is required"));
            }
        }
        for name in known.keys().filter(|name| is_answer && !members.contains_key(*name)) {
            let missing = format!("{at}.{name}");
            if !LEFT_OUT.iter().any(|(end, _)| missing.ends_with(end)) {
                self.wrong.insert(format!("{missing} is described and missing"));
            }
        }
    }
}

/// One call of each modelled operation, richly.
fn calls() -> Vec<(Method, &'static str, String, Option<Value>)> {
    let (get, post, put, patch, delete) = (Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    let rich = json!({
        "email_address": "rich@example.com", "email_type": "html", "status": "subscribed",
        "merge_fields": {"FNAME": "Rich", "ADDRESS": {"addr1": "a", "city": "b", "state": "c", "zip": "d"}},
        "language": "es", "vip": true, "location": {"latitude": 36.5, "longitude": -6.3}, "ip_signup": "203.0.113.1",
        "timestamp_signup": "2026-01-01T00:00:00+00:00", "ip_opt": "203.0.113.1",
        "timestamp_opt": "2026-01-01T00:00:00+00:00", "interests": {},
    });
    let with = |name: &str, value: Value| {
        let mut body = rich.clone();
        body[name] = value;
        body
    };
    let mut upsert = with("status_if_new", json!("pending"));
    upsert["email_address"] = json!("put@example.com");
    let mut batch_member = with("tags", json!(["x"]));
    batch_member["email_address"] = json!("batch@example.com");
    let ada = member_path("ada@example.com");
    let common = "fields=total_items,members,lists,segments,tags,merge_fields&count=50&offset=0";
    vec![
        (get.clone(), "/", "/3.0/".into(), None),
        (get.clone(), "/ping", "/3.0/ping".into(), None),
        (get.clone(), "/lists", "/3.0/lists?count=10&include_total_contacts=true".into(), None),
        (get.clone(), "/lists", format!("/3.0/lists?{common}&email=ada@example.com"), None),
        (get.clone(), "/lists/{list_id}", at("?include_total_contacts=true"), None),
        (
            get.clone(),
            "/lists/{list_id}/merge-fields",
            at("/merge-fields?count=100&offset=0&required=false&type=text"),
            None,
        ),
        (get.clone(), "/lists/{list_id}/merge-fields", at("/merge-fields?count=100"), None),
        (
            post.clone(),
            "/lists/{list_id}/merge-fields",
            at("/merge-fields"),
            Some(json!({"tag": "LEVEL", "name": "Level", "type": "dropdown", "required": false, "default_value": "",
                        "public": false, "display_order": 9, "help_text": "", "options": {"choices": ["OWD"]}})),
        ),
        (
            post.clone(),
            "/lists/{list_id}/members",
            at("/members?skip_merge_validation=true"),
            Some(with("tags", json!(["x"]))),
        ),
        (
            put,
            "/lists/{list_id}/members/{subscriber_hash}",
            member_path("put@example.com") + "?skip_merge_validation=false",
            Some(upsert),
        ),
        (patch.clone(), "/lists/{list_id}/members/{subscriber_hash}", member_path("rich@example.com"), Some(rich)),
        (
            post.clone(),
            "/lists/{list_id}",
            at("?skip_merge_validation=false&skip_duplicate_check=true"),
            Some(json!({"sync_tags": true, "update_existing": true, "members": [
                batch_member, {"email_address": "ada@example.com"}, {"email_address": "bob@example.com", "status": "subscribed"},
            ]})),
        ),
        (
            get.clone(),
            "/lists/{list_id}/members",
            at("/members?count=1000&offset=0&status=subscribed&since_last_changed=2020-01-01T00:00:00Z\
                &before_last_changed=2030-01-01T00:00:00Z&sort_field=last_changed&sort_dir=ASC&vip_only=false&email_type=html\
                &since_timestamp_opt=2020-01-01T00:00:00Z&before_timestamp_opt=2030-01-01T00:00:00Z"),
            None,
        ),
        (get.clone(), "/lists/{list_id}/members", at("/members?count=1000"), None),
        (get.clone(), "/lists/{list_id}/members", at("/members?status=archived&exclude_fields=members._links"), None),
        (get.clone(), "/lists/{list_id}/members/{subscriber_hash}", ada.clone(), None),
        (get.clone(), "/lists/{list_id}/members/{subscriber_hash}", member_path("bob@example.com"), None),
        (get.clone(), "/lists/{list_id}/members/{subscriber_hash}/tags", format!("{ada}/tags?count=1000&offset=0"), None),
        (
            post.clone(),
            "/lists/{list_id}/members/{subscriber_hash}/tags",
            format!("{ada}/tags"),
            Some(
                json!({"tags": [{"name": "a", "status": "active"}, {"name": "b", "status": "inactive"}], "is_syncing": true}),
            ),
        ),
        (
            post.clone(),
            "/lists/{list_id}/segments",
            at("/segments"),
            Some(json!({"name": "s", "static_segment": ["ada@example.com"]})),
        ),
        (get.clone(), "/lists/{list_id}/segments", at("/segments?count=1000&offset=0&type=static"), None),
        (get.clone(), "/lists/{list_id}/segments/{segment_id}", at("/segments/SEGMENT"), None),
        (
            patch,
            "/lists/{list_id}/segments/{segment_id}",
            at("/segments/SEGMENT"),
            Some(json!({"name": "t", "static_segment": []})),
        ),
        (
            post.clone(),
            "/lists/{list_id}/segments/{segment_id}",
            at("/segments/SEGMENT"),
            Some(
                json!({"members_to_add": ["ada@example.com", "nobody@example.com"], "members_to_remove": ["bob@example.com"]}),
            ),
        ),
        (
            get.clone(),
            "/lists/{list_id}/segments/{segment_id}/members",
            at(
                "/segments/SEGMENT/members?count=9&offset=0&include_cleaned=true&include_transactional=true&include_unsubscribed=true",
            ),
            None,
        ),
        (get.clone(), "/lists/{list_id}/tag-search", at("/tag-search?name=a"), None),
        (
            post.clone(),
            "/lists/{list_id}/webhooks",
            at("/webhooks"),
            Some(json!({"url": "https://example.com/hook/s", "events": {"unsubscribe": true, "cleaned": true},
                        "sources": {"user": true, "admin": true, "api": true}})),
        ),
        (get, "/lists/{list_id}/webhooks", at("/webhooks"), None),
        (delete.clone(), "/lists/{list_id}/webhooks/{webhook_id}", at("/webhooks/WEBHOOK"), None),
        (delete.clone(), "/lists/{list_id}/segments/{segment_id}", at("/segments/SEGMENT"), None),
        (delete, "/lists/{list_id}/members/{subscriber_hash}", member_path("put@example.com"), None),
        (
            post,
            "/lists/{list_id}/members/{subscriber_hash}/actions/delete-permanent",
            format!("{ada}/actions/delete-permanent"),
            None,
        ),
    ]
}

#[test]
fn every_operation_agrees_with_the_description_both_ways() {
    let Some(spec) = Spec::read() else { return };
    let audience = audience().with_merge_field(MergeFieldSeed::new("BORN", "Born", "birthday"));
    let lab = Lab::with(MailchimpSeed::new(KEY).with_audience(audience), SandboxOptions::default());
    let mut findings = Findings { wrong: BTreeSet::new(), undocumented: BTreeSet::new() };
    let (mut segment, mut webhook) = (String::new(), String::new());
    for (method, template, path, body) in calls() {
        let path = path.replace("SEGMENT", &segment).replace("WEBHOOK", &webhook);
        let operation = spec.operation(&method, template);
        let place = format!("{method} {template}");
        let query = path.split_once('?').map(|(_, query)| query).unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let known = operation["parameters"].as_array().into_iter().flatten();
            match known.into_iter().find(|known| known["in"] == "query" && known["name"] == *name) {
                Some(known) => {
                    let values = known["enum"].as_array();
                    assert!(values.is_none_or(|values| values.contains(&json!(value))), "{place}: {name}={value}");
                }
                None => drop(findings.undocumented.insert(format!("{place} query {name}"))),
            }
        }
        if let Some(body) = &body {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            assert!(schema.is_object(), "{place} takes no body");
            let mut own = Findings { wrong: BTreeSet::new(), undocumented: BTreeSet::new() };
            own.compare(schema, body, "", false);
            findings.wrong.extend(own.wrong.into_iter().map(|wrong| format!("{place} body {wrong}")));
            let clean = |at: String| format!("{place} body {}", at.trim_start_matches('.'));
            findings.undocumented.extend(own.undocumented.into_iter().map(clean));
        }
        let (status, answer) = lab.send(method.clone(), &path, body);
        let responses = operation["responses"].as_object().expect("responses");
        assert!(status < 300 && responses.contains_key(&status.to_string()), "{place}: {status} {answer}");
        let is_partial = query.contains("fields=");
        findings.compare(&responses[&status.to_string()]["schema"], &answer, &place, !is_partial && !answer.is_null());
        if template == "/lists/{list_id}/segments" && method == Method::POST {
            segment = answer["id"].to_string();
        }
        if template == "/lists/{list_id}/webhooks" && method == Method::POST {
            webhook = answer["id"].as_str().expect("an id").to_owned();
        }
    }
    assert_eq!(findings.wrong, BTreeSet::new());
    let expected: BTreeSet<String> = UNDOCUMENTED.iter().map(|(what, _)| (*what).to_owned()).collect();
    assert_eq!(findings.undocumented, expected);
    assert_eq!(lab.refused(), Vec::<String>::new());
}

#[test]
fn errors_agree_with_the_description() {
    let Some(spec) = Spec::read() else { return };
    let lab = Lab::new();
    let schema = &spec.operation(&Method::GET, "/lists/{list_id}")["responses"]["default"]["schema"];
    let mut findings = Findings { wrong: BTreeSet::new(), undocumented: BTreeSet::new() };
    let (status, error) = lab.patch(&member_path("ada@example.com"), json!({"status": 1}));
    assert_eq!(status, 400);
    findings.compare(schema, &error, "", true);
    assert_eq!(findings.wrong, BTreeSet::new());
    // Documented in words: <https://mailchimp.com/developer/marketing/docs/errors/>.
    assert_eq!(findings.undocumented, BTreeSet::from([".errors".to_owned()]));
}

/// The statuses that can be written and read are those of the description.
#[test]
fn statuses_agree_with_the_description() {
    let Some(spec) = Spec::read() else { return };
    let statuses = |method: Method, template: &str, name: &str| -> Vec<String> {
        let body = &spec.operation(&method, template)["requestBody"]["content"]["application/json"]["schema"];
        serde_json::from_value(body["properties"][name]["enum"].clone()).expect("texts")
    };
    let member = "/lists/{list_id}/members/{subscriber_hash}";
    for (n, status) in statuses(Method::PUT, member, "status_if_new").iter().enumerate() {
        let lab = Lab::new();
        let email = format!("n{n}@example.com");
        let path = at(&format!("/members/{}", hash(&email)));
        let (code, body) = lab.put(&path, json!({"email_address": email, "status_if_new": status}));
        assert_eq!((code, body["status"].as_str()), (200, Some(status.as_str())));
        assert_eq!(lab.sandbox.summary()["lists"][LIST]["counts"][status].as_u64().map(|n| n > 0), Some(true));
    }
    let patched = statuses(Method::PATCH, member, "status");
    for status in ["subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived"] {
        let lab = Lab::new();
        let (code, _) = lab.patch(&member_path("ada@example.com"), json!({"status": status}));
        assert_eq!(code == 200, patched.iter().any(|known| known == status), "{status}");
    }
}
