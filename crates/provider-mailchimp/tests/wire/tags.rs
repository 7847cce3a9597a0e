//! Writes about tags.

use serde_json::json;
use sync_core::{ConsentState as C, ErrorKind, Facts, Receipt, Record};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{body_json, method, path, query_param},
};

use crate::support::{ADA, ADA_ID, AUDIENCE, Shop, create, customer, member, ok, problem, remote, tagging, update, written};

fn segment(id: &str) -> wiremock::MockBuilder {
    Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}/segments/{id}")))
}

fn segments() -> wiremock::MockBuilder {
    Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}/segments")))
}

fn changed(errors: serde_json::Value) -> ResponseTemplate {
    ok(json!({"members_added": [], "members_removed": [], "errors": errors, "total_added": 1, "total_removed": 0}))
}

fn ada(add: &[&str], remove: &[&str]) -> sync_core::Operation {
    tagging(update(remote(ADA, ADA_ID, C::Granted), customer(ADA), &["tags"]), add, remove)
}

#[tokio::test]
async fn without_the_grant_tags_go_by_member_and_start_nothing() {
    let shop = Shop::new(json!({"tag_prefix": "shop:"})).await;
    let body = json!({"is_syncing": true, "tags": [
        {"name": "shop:VIP", "status": "active"}, {"name": "shop:old", "status": "inactive"}]});
    let call = Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}/members/{ADA_ID}/tags")));
    shop.mount(call.and(body_json(body)).respond_with(ResponseTemplate::new(204)).expect(1)).await;
    let receipts = shop.send(&ada(&["VIP"], &["old"])).await;
    assert!(matches!(&receipts[..], [Receipt::Done { id, .. }] if id.as_str() == ADA_ID), "{receipts:?}");
}

#[tokio::test]
async fn a_known_tag_takes_many_members_in_one_call() {
    let shop = Shop::new(json!({})).await.granting(&["automation"]).knowing(Facts::of("tags", json!({"vip": 7})));
    let body = json!({"members_to_add": [ADA, "b@example.com"]});
    let refused = changed(json!([{"email_addresses": ["B@example.com"], "error": "no"}]));
    shop.mount(segment("7").and(body_json(body)).respond_with(refused).expect(1)).await;
    let other = tagging(create(customer("b@example.com")), &["vip"], &[]);
    let receipts = shop.push("tag:+vip", &[ada(&["VIP"], &[]), other]).await.unwrap();
    assert!(matches!(&receipts[..], [Receipt::Done { .. }, Receipt::Refused(_)]), "{receipts:?}");
}

#[tokio::test]
async fn a_missing_tag_is_made_with_its_first_members_and_its_id_is_learned() {
    let shop = Shop::new(json!({})).await.granting(&["automation"]);
    let body = json!({"name": "VIP", "static_segment": [ADA]});
    shop.mount(
        segments().and(body_json(body)).respond_with(ok(json!({"id": 9, "name": "VIP", "type": "static"}))).expect(1),
    )
    .await;
    let receipts = shop.push("tag:+vip", &[ada(&["VIP"], &[])]).await.unwrap();
    let [Receipt::Done { facts: Some(facts), .. }] = &receipts[..] else { panic!("{receipts:?}") };
    assert_eq!(facts.value("tags"), Some(&json!({"vip": 9})));
}

#[tokio::test]
async fn a_tag_that_somebody_made_meanwhile_is_used() {
    let shop = Shop::new(json!({})).await.granting(&["automation"]);
    shop.mount(segments().respond_with(problem(400, "Bad Request", "Sorry, that tag already exists.")).expect(1)).await;
    let search = Mock::given(method("GET")).and(path(format!("/3.0/lists/{AUDIENCE}/tag-search")));
    let found = json!({"tags": [{"id": 4, "name": "vip gold"}, {"id": 5, "name": "Vip"}], "total_items": 2});
    shop.mount(search.and(query_param("name", "VIP")).respond_with(ok(found)).expect(1)).await;
    shop.mount(segment("5").and(body_json(json!({"members_to_add": [ADA]}))).respond_with(changed(json!([]))).expect(1))
        .await;
    let receipts = shop.push("tag:+vip", &[ada(&["VIP"], &[])]).await.unwrap();
    let [Receipt::Done { facts: Some(facts), .. }] = &receipts[..] else { panic!("{receipts:?}") };
    assert_eq!(facts.value("tags"), Some(&json!({"vip": 5})));
}

#[tokio::test]
async fn a_tag_deleted_meanwhile_is_made_again_and_its_removal_is_done() {
    let knowing = || Facts::of("tags", json!({"vip": 7}));
    let shop = Shop::new(json!({})).await.granting(&["automation"]).knowing(knowing());
    shop.mount(segment("7").respond_with(problem(404, "Resource Not Found", "x")).expect(2)).await;
    shop.mount(segments().respond_with(ok(json!({"id": 8, "name": "VIP"}))).expect(1)).await;
    assert!(matches!(
        &shop.push("tag:+vip", &[ada(&["VIP"], &[])]).await.unwrap()[..],
        [Receipt::Done { facts: Some(_), .. }]
    ));
    assert!(matches!(&shop.push("tag:-vip", &[ada(&[], &["VIP"])]).await.unwrap()[..], [Receipt::Done { facts: None, .. }]));
}

#[tokio::test]
async fn removing_a_tag_that_never_was_makes_no_call() {
    let shop = Shop::new(json!({})).await.granting(&["automation"]);
    assert!(matches!(&shop.push("tag:-vip", &[ada(&[], &["VIP"])]).await.unwrap()[..], [Receipt::Done { .. }]));
    assert!(shop.sent().await.is_empty());
}

#[tokio::test]
async fn tags_ride_in_the_create_only_by_the_setting_and_the_grant() {
    let shop = Shop::new(json!({"tags_in_create": true})).await.granting(&["automation"]);
    let call = Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}")));
    shop.mount(call.respond_with(written(&[member(ADA, "subscribed")], &[], &[])).expect(1)).await;
    let op = tagging(create(customer(ADA)), &["VIP"], &[]);
    assert_eq!(shop.groups(&op), ["members:new"]);
    shop.send(&op).await;
    let body = &shop.sent().await[0].2;
    assert_eq!(body["members"][0]["tags"], json!(["VIP"]));
    assert_eq!((&body["sync_tags"], &body["update_existing"]), (&json!(true), &json!(false)));
    let ungranted = Shop::new(json!({"tags_in_create": true})).await;
    assert_eq!(ungranted.groups(&op), ["members:new".to_owned(), format!("tags:{ADA_ID}")]);
}

#[tokio::test]
async fn only_tags_asked_for_use_the_address_that_mailchimp_has() {
    let shop = Shop::new(json!({})).await.granting(&["automation"]).knowing(Facts::of("tags", json!({"vip": 7})));
    shop.mount(segment("7").and(body_json(json!({"members_to_add": [ADA]}))).respond_with(changed(json!([]))).expect(1))
        .await;
    let op = tagging(update(remote(ADA, ADA_ID, C::Granted), Record::new(), &["tags"]), &["vip"], &[]);
    assert!(matches!(&shop.send(&op).await[..], [Receipt::Done { .. }]));
}

#[tokio::test]
async fn a_throttled_tag_call_is_an_error_of_the_call() {
    let shop = Shop::new(json!({})).await.granting(&["automation"]).knowing(Facts::of("tags", json!({"vip": 7})));
    shop.mount(segment("7").respond_with(ResponseTemplate::new(429)).expect(1)).await;
    let error = shop.push("tag:+vip", &[ada(&["VIP"], &[])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
}
