//! Checks, facts and choices.

use bytes::Bytes;
use provider_mailchimp::REGISTRATION;
use serde_json::{Value as Json, json};
use sync_core::{Check, Collection, ErrorKind, Feed, Record, Role, WebhookKeys};
use sync_testkit::wire::Wire;
use wiremock::{
    Mock,
    matchers::{method, path, query_param},
};

use crate::support::{AUDIENCE, CONTACTS, configured, connected, ok, open, problem};

fn get(tail: &str) -> wiremock::MockBuilder {
    Mock::given(method("GET")).and(path(format!("/3.0{tail}")))
}

fn field(tag: &str, kind: &str, required: bool) -> Json {
    json!({"merge_id": 1, "tag": tag, "name": tag, "type": kind, "required": required, "options": {"choices": ["A"]}})
}

async fn audience(shop: &Wire, fields: &[Json]) {
    let list = json!({"id": AUDIENCE, "name": "Newsletter", "double_optin": true, "has_welcome": false,
        "stats": {"member_count": 9204}});
    shop.mount(get("/").respond_with(ok(json!({"account_id": "8d3a3db4d9", "account_name": "Blue Manta"})))).await;
    shop.mount(get(&format!("/lists/{AUDIENCE}")).respond_with(ok(list)).expect(1)).await;
    let fields = json!({"merge_fields": fields, "total_items": fields.len()});
    shop.mount(get(&format!("/lists/{AUDIENCE}/merge-fields")).respond_with(ok(fields)).expect(1)).await;
}

async fn problems(settings: Json, fields: &[Json]) -> Vec<String> {
    let shop = connected(settings).await;
    audience(&shop, fields).await;
    let checked = shop.check(Check::Settings).await.unwrap();
    checked.problems.into_iter().map(|problem| problem.setting).collect()
}

#[tokio::test]
async fn the_account_is_told_by_one_call_and_needs_no_audience() {
    let shop = connected(json!({"audience": null})).await;
    shop.mount(get("/").respond_with(ok(json!({"account_id": "8d3a3db4d9", "account_name": "Blue Manta"}))).expect(1)).await;
    let checked = shop.check(Check::Account).await.unwrap();
    assert_eq!(checked.accounts, [("8d3a3db4d9".into(), "Blue Manta".to_owned())]);
    assert_eq!(shop.sent().await.len(), 1);
}

#[tokio::test]
async fn a_check_learns_the_audience_and_its_merge_fields() {
    let shop = connected(json!({})).await;
    audience(&shop, &[field("FNAME", "text", true), field("LNAME", "text", false)]).await;
    let checked = shop.check(Check::Settings).await.unwrap();
    assert!(checked.problems.is_empty(), "{:?}", checked.problems);
    let audience = checked.facts.value("audience").unwrap();
    assert_eq!((&audience["members"], &audience["double_optin"]), (&json!(9204), &json!(true)));
    assert_eq!(checked.facts.value("merge_fields").unwrap()["FNAME"]["required"], json!(true));
    assert!(checked.facts.value("tags").is_none(), "ids of tags are needed with the grant alone");
}

#[tokio::test]
async fn with_the_grant_the_ids_of_tags_are_learned_page_by_page() {
    let shop = configured(json!({"page_size": 1}), json!({})).await.granting(&["automation"]);
    audience(&shop, &[]).await;
    for (offset, id, name) in [("0", 7, "VIP"), ("1", 8, "Diver ")] {
        let page = json!({"segments": [{"id": id, "name": name}], "total_items": 2});
        let call = get(&format!("/lists/{AUDIENCE}/segments")).and(query_param("type", "static"));
        shop.mount(call.and(query_param("offset", offset)).respond_with(ok(page)).expect(1)).await;
    }
    let checked = shop.check(Check::Settings).await.unwrap();
    assert_eq!(checked.facts.value("tags"), Some(&json!({"vip": 7, "diver": 8})));
}

#[tokio::test]
async fn an_audience_that_is_missing_or_gone_is_a_problem_and_no_error() {
    let shop = connected(json!({"audience": null})).await;
    shop.mount(get("/").respond_with(ok(json!({"account_id": "x"})))).await;
    assert_eq!(shop.check(Check::Settings).await.unwrap().problems[0].setting, "audience");
    let shop = connected(json!({})).await;
    shop.mount(get("/").respond_with(ok(json!({"account_id": "x"})))).await;
    shop.mount(get(&format!("/lists/{AUDIENCE}")).respond_with(problem(404, "Resource Not Found", "x")).expect(1)).await;
    let problems = shop.check(Check::Settings).await.unwrap().problems;
    assert_eq!(problems[0].setting, "audience");
    assert!(problems[0].message.contains(AUDIENCE));
}

#[tokio::test]
async fn the_mapping_is_held_against_the_audience() {
    let fields = [field("FNAME", "text", false), field("PHONE", "phone", false)];
    assert_eq!(problems(json!({"merge_fields": {"LEVEL": "extra.level"}}), &fields).await, ["merge_fields.LEVEL"]);
    assert_eq!(problems(json!({"merge_fields": {"PHONE": "addresses"}}), &fields).await, ["merge_fields.PHONE"]);
    assert_eq!(problems(json!({}), &fields).await, [""; 0], "a default that the audience lost is left out");
    let required = [field("COURSE", "text", true)];
    assert_eq!(problems(json!({}), &required).await, ["merge_fields.COURSE"]);
    assert_eq!(problems(json!({"skip_merge_validation": true}), &required).await, [""; 0]);
}

#[tokio::test]
async fn audiences_are_chosen_from_a_live_list() {
    let shop = configured(json!({"page_size": 2}), json!({"audience": null})).await;
    let list = |id: &str, name: &str, count| json!({"id": id, "name": name, "stats": {"member_count": count}});
    let first = json!({"lists": [list("a1", "Newsletter", 9204), list("b2", "Staff", 3)], "total_items": 3});
    shop.mount(get("/lists").and(query_param("offset", "0")).respond_with(ok(first)).expect(2)).await;
    let second = json!({"lists": [list("c3", "Old news", 0)], "total_items": 3});
    shop.mount(get("/lists").and(query_param("offset", "2")).respond_with(ok(second)).expect(2)).await;
    let all = shop.choices("audiences", None).await.unwrap();
    assert_eq!((all.len(), all[0].label.as_str()), (3, "Newsletter (9,204 contacts)"));
    let news: Vec<String> = shop.choices("audiences", Some("NEWS")).await.unwrap().into_iter().map(|it| it.value).collect();
    assert_eq!(news, ["a1", "c3"]);
}

#[tokio::test]
async fn merge_fields_and_tags_are_chosen_from_the_audience() {
    let shop = connected(json!({})).await;
    let fields = json!({"merge_fields": [field("FNAME", "text", true)], "total_items": 1});
    shop.mount(get(&format!("/lists/{AUDIENCE}/merge-fields")).respond_with(ok(fields)).expect(1)).await;
    let tags = json!({"segments": [{"id": 1, "name": "VIP"}], "total_items": 1});
    shop.mount(get(&format!("/lists/{AUDIENCE}/segments")).respond_with(ok(tags)).expect(1)).await;
    assert_eq!(shop.choices("merge-fields", None).await.unwrap()[0].label, "FNAME (text, required)");
    assert_eq!(shop.choices("tags", None).await.unwrap()[0].value, "VIP");
    let error = shop.choices("calendars", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.remedy().unwrap().contains("audiences"));
}

#[tokio::test]
async fn choices_of_an_audience_need_one() {
    let shop = connected(json!({"audience": null})).await;
    assert_eq!(shop.choices("tags", None).await.unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn each_audience_is_a_role_and_a_container_of_its_own() {
    let handler = open(Json::Null, json!({"audience": AUDIENCE})).unwrap();
    let target = handler.target(&CONTACTS, &Record::new());
    assert_eq!((target.role, target.container), (Role::new(AUDIENCE), Some(AUDIENCE.into())));
    let feed: &Feed = &REGISTRATION.descriptor.feeds[0];
    assert_eq!(handler.containers(feed), [Some(AUDIENCE.into())]);
    assert_eq!(open(Json::Null, json!({})).unwrap().containers(feed), []);
    assert_eq!(REGISTRATION.descriptor.resources[0].collection, Collection::CUSTOMERS);
}

#[test]
fn a_wrong_setting_is_named_when_the_connection_is_opened() {
    let error = open(Json::Null, json!({"audience": "a/b"})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("audience") && error.remedy().is_some());
}

#[test]
fn webhooks_are_refused_whatever_they_carry() {
    struct NoKeys;
    impl WebhookKeys for NoKeys {
        fn keys(&self, _: &str) -> Vec<Bytes> {
            Vec::new()
        }
    }
    let integration = (REGISTRATION.build)(Json::Null).unwrap();
    let request = http::Request::builder().uri("/webhooks/mailchimp").body(Bytes::from_static(b"type=profile")).unwrap();
    assert_eq!(integration.inbound(&NoKeys, &request).unwrap_err().kind(), ErrorKind::Unsupported);
}
