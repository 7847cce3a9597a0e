//! Everything that is sent, held against Mailchimp's own description of its API, where that is at hand.

use serde_json::{Value as Json, json};
use sync_core::{Check, ConsentState as C, Facts, FindBy, From, RemoteState};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path_regex},
};

use crate::support::{
    ADA, ADA_ID, AUDIENCE, connected, consent, create, customer, member, ok, problem, remote, remove, tagging, update,
    written,
};

/// What we may send although the description does not have it: operation, place, reason.
const UNDOCUMENTED: &[(&str, &str, &str)] =
    &[("postListsId", "members.tags", "only by the setting tags_in_create, which is off by default")];

/// Mailchimp's description of its API, which is no part of this repository.
const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs/mailchimp-marketing.json");

fn spec() -> Option<Json> {
    let text = std::fs::read_to_string(SPEC).ok();
    if text.is_none() {
        eprintln!("skipped: no description of the API at {SPEC}");
    }
    Some(serde_json::from_str(&text?).expect("the description is JSON"))
}

/// Makes every call that we ever make.
async fn all_calls() -> Vec<(String, String, Json)> {
    let settings = json!({"tags_in_create": true, "skip_merge_validation": true});
    let shop = connected(settings).await.granting(&["automation", "confirmation-mail"]);
    let answers: [(&str, &str, ResponseTemplate); 12] = [
        ("GET", "/3.0/$", ok(json!({"account_id": "x"}))),
        ("GET", "/lists$", ok(json!({"lists": [], "total_items": 0}))),
        ("GET", "/lists/[^/]+$", ok(json!({"id": AUDIENCE, "name": "N"}))),
        ("GET", "/merge-fields$", ok(json!({"merge_fields": [], "total_items": 0}))),
        ("GET", "/segments$", ok(json!({"segments": [], "total_items": 0}))),
        ("GET", "/tag-search$", ok(json!({"tags": [{"id": 5, "name": "vip"}]}))),
        ("GET", "/members$", ok(json!({"members": [], "total_items": 0}))),
        ("GET", "/members/[^/]+$", ok(member(ADA, "subscribed"))),
        ("POST", "/lists/[^/]+$", written(&[member(ADA, "subscribed")], &[], &[])),
        ("POST", "/segments$", problem(400, "Bad Request", "Sorry, that tag already exists.")),
        ("POST", "/segments/[^/]+$", ok(json!({"errors": []}))),
        ("POST", "/tags$", ResponseTemplate::new(204)),
    ];
    for (verb, tail, answer) in answers {
        shop.mount(Mock::given(method(verb)).and(path_regex(tail)).respond_with(answer)).await;
    }
    for verb in ["PUT", "PATCH"] {
        shop.mount(Mock::given(method(verb)).respond_with(ok(member(ADA, "subscribed")))).await;
    }
    shop.mount(Mock::given(method("DELETE")).respond_with(ResponseTemplate::new(204))).await;

    shop.check(Check::Account).await.unwrap();
    shop.check(Check::Settings).await.unwrap();
    shop.choices("audiences", None).await.unwrap();
    shop.pull(From::Start).await.unwrap();
    let half = shop.pull(From::Cursor(&"100.40.0".into())).await.unwrap();
    if let sync_core::Next::More(token) = &half.next {
        shop.pull(From::Page(token)).await.unwrap();
    }
    shop.find(FindBy::Ids(&[ADA_ID.into()])).await.unwrap();
    let known = || remote(ADA, ADA_ID, C::Granted);
    let with = |state, at| customer(ADA).with("consent.email", consent(state, at));
    let mut archived = remote(ADA, ADA_ID, C::Unknown);
    archived.state = RemoteState::Archived;
    for op in [
        tagging(create(customer(ADA)), &["vip"], &[]),
        tagging(update(known(), customer(ADA), &["first_name"]), &["vip"], &["old"]),
        update(known(), customer("new@example.com"), &["email"]),
        update(known(), with(C::Denied, None), &["consent.email"]),
        update(remote(ADA, ADA_ID, C::Denied), with(C::Pending, None), &["consent.email"]),
        update(archived, with(C::Granted, Some("2026-02-02T00:00:00Z")), &["consent.email"]),
        remove(known()),
    ] {
        shop.send(&op).await.unwrap();
    }
    let shop = shop.knowing(Facts::of("tags", json!({"old": 6})));
    let tagged = tagging(update(known(), customer(ADA), &["tags"]), &["vip"], &["old"]);
    shop.send(&tagged).await.unwrap();
    shop.push(&format!("tags:{ADA_ID}"), &[tagged]).await.unwrap();
    shop.sent().await
}

/// The path's template in the description, with the operation.
fn operation<'a>(spec: &'a Json, verb: &str, path: &str) -> Option<(&'a str, &'a Json)> {
    let wanted: Vec<&str> = path.trim_start_matches("/3.0").split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == wanted.len() && parts.iter().zip(&wanted).all(|(part, it)| part.starts_with('{') || part == it)
    };
    let (template, methods) = spec["paths"].as_object()?.iter().find(|(template, _)| fits(template))?;
    Some((template, methods.get(verb.to_lowercase())?))
}

/// The schema of the answer, in either form that the description uses.
fn schema_of<'a>(holder: &'a Json, otherwise: &'a Json) -> &'a Json {
    holder["content"]["application/json"].get("schema").or_else(|| holder.get("schema")).unwrap_or(otherwise)
}

fn body_faults(operation: &str, schema: &Json, value: &Json, at: &str, faults: &mut Vec<String>) {
    match value {
        Json::Object(members) => {
            let Some(known) = schema["properties"].as_object() else { return };
            for required in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
                if !members.contains_key(required) {
                    faults.push(format!("{operation}: {at}{required} is required"));
                }
            }
            for (name, value) in members {
                let place = format!("{at}{name}");
                let named = UNDOCUMENTED.iter().any(|(of, listed, _)| *of == operation && *listed == place);
                match known.get(name) {
                    Some(schema) => body_faults(operation, schema, value, &format!("{place}."), faults),
                    None if named => {}
                    None => faults.push(format!("{operation}: {place} is not described")),
                }
            }
        }
        Json::Array(items) => {
            for item in items {
                body_faults(operation, &schema["items"], item, at, faults);
            }
        }
        Json::String(text) => {
            if let Some(allowed) = schema["enum"].as_array()
                && !allowed.contains(&json!(text))
            {
                faults.push(format!("{operation}: {at} is {text}"));
            }
        }
        _ => {}
    }
}

/// True when the answer's schema has what `fields` asks for.
fn has_field(schema: &Json, field: &str) -> bool {
    field
        .split('.')
        .try_fold(schema, |schema, name| {
            let schema = if schema["type"] == "array" { &schema["items"] } else { schema };
            schema["properties"].get(name)
        })
        .is_some()
}

#[tokio::test]
async fn every_path_parameter_and_body_field_is_described() {
    let Some(spec) = spec() else { return };
    let calls = all_calls().await;
    let mut faults = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (verb, target, body) in &calls {
        let url = url::Url::parse("http://localhost").unwrap().join(target).unwrap();
        let Some((template, operation)) = operation(&spec, verb, url.path()) else {
            faults.push(format!("{verb} {} is not described", url.path()));
            continue;
        };
        let name = operation["operationId"].as_str().unwrap_or(template);
        seen.insert(name.to_owned());
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for (key, value) in url.query_pairs() {
            let Some(parameter) = parameters.iter().find(|it| it["in"] == "query" && it["name"] == *key) else {
                faults.push(format!("{name}: the parameter {key} is not described"));
                continue;
            };
            if let Some(allowed) = parameter["enum"].as_array()
                && !allowed.contains(&json!(value))
            {
                faults.push(format!("{name}: {key} is {value}"));
            }
            if key == "fields" {
                let answer = schema_of(&operation["responses"]["200"], &Json::Null);
                let missing = value.split(',').filter(|field| !has_field(answer, field));
                faults.extend(missing.map(|field| format!("{name}: answers have no {field}")));
            }
        }
        if !body.is_null() {
            let schema = schema_of(&operation["requestBody"], &Json::Null);
            body_faults(name, schema, body, "", &mut faults);
        }
    }
    assert_eq!(faults, [""; 0]);
    assert_eq!(seen.len(), 15, "not all calls were made: {seen:?}");
}

#[tokio::test]
async fn nobody_else_can_be_harmed_by_any_call() {
    for (verb, target, body) in all_calls().await {
        if body.get("sync_tags") == Some(&json!(true)) {
            assert_eq!(body["update_existing"], json!(false), "{verb} {target}");
        }
        if body.get("update_existing") == Some(&json!(true)) {
            let members = body["members"].as_array().unwrap();
            assert!(members.iter().all(|member| member.get("status").is_none()), "{verb} {target}");
        }
        if let Some(syncing) = body.get("is_syncing") {
            assert_eq!(syncing, &json!(true));
        }
        assert!(!target.contains("delete-permanent"), "{verb} {target}");
    }
}
