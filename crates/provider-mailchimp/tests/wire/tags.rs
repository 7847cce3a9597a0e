//! Writes about tags.

use serde_json::json;
use sync_core::{ConsentState as C, ErrorKind, Facts, Receipt, Record, Value};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{body_json, method, path, query_param},
};

use crate::support::{
    ADA, ADA_ID, AUDIENCE, connected, create, customer, member, ok, problem, remote, tag_facts, tagging, update, written,
};

fn segment(id: &str) -> wiremock::MockBuilder {
    Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}/segments/{id}")))
}

fn segments() -> wiremock::MockBuilder {
    Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}/segments")))
}

fn listing() -> wiremock::MockBuilder {
    Mock::given(method("GET")).and(path(format!("/3.0/lists/{AUDIENCE}/segments")))
}

fn listed(segments: serde_json::Value) -> ResponseTemplate {
    let n = segments.as_array().map_or(0, Vec::len);
    ok(json!({"segments": segments, "total_items": n}))
}

fn changed(errors: serde_json::Value) -> ResponseTemplate {
    ok(json!({"members_added": [], "members_removed": [], "errors": errors, "total_added": 1, "total_removed": 0}))
}

fn ada(add: &[&str], remove: &[&str]) -> sync_core::Operation {
    tagging(update(remote(ADA, ADA_ID, C::Granted), customer(ADA), &["tags"]), add, remove)
}

#[tokio::test]
async fn without_the_grant_tags_go_by_member_and_start_nothing() {
    let shop = connected(json!({"tag_prefix": "shop:"})).await;
    let body = json!({"is_syncing": true, "tags": [
        {"name": "shop:VIP", "status": "active"}, {"name": "shop:old", "status": "inactive"}]});
    let call = Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}/members/{ADA_ID}/tags")));
    shop.mount(call.and(body_json(body)).respond_with(ResponseTemplate::new(204)).expect(1)).await;
    let receipts = shop.send(&ada(&["VIP"], &["old"])).await.unwrap();
    assert!(matches!(&receipts[..], [Receipt::Done { id, .. }] if id.as_str() == ADA_ID), "{receipts:?}");
}

#[tokio::test]
async fn a_known_tag_takes_many_members_in_one_call() {
    let shop = connected(json!({})).await.granting(&["automation"]).knowing(Facts::of("tags", json!({"vip": 7})));
    let body = json!({"members_to_add": [ADA, "b@example.com"]});
    let refused = changed(json!([{"email_addresses": ["B@example.com"], "error": "no"}]));
    shop.mount(segment("7").and(body_json(body)).respond_with(refused).expect(1)).await;
    let other = tagging(create(customer("b@example.com")), &["vip"], &[]);
    let receipts = shop.push("tag:+vip", &[ada(&["VIP"], &[]), other]).await.unwrap();
    assert!(matches!(&receipts[..], [Receipt::Done { .. }, Receipt::Refused(_)]), "{receipts:?}");
}

#[tokio::test]
async fn a_missing_tag_is_made_with_its_first_members_and_its_id_is_learned() {
    let shop = connected(json!({})).await.granting(&["automation"]).knowing(tag_facts(json!({})));
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
    let shop = connected(json!({})).await.granting(&["automation"]).knowing(tag_facts(json!({})));
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
    let shop = connected(json!({})).await.granting(&["automation"]).knowing(tag_facts(json!({"vip": 7})));
    shop.mount(segment("7").respond_with(problem(404, "Resource Not Found", "x")).expect(2)).await;
    shop.mount(segments().respond_with(ok(json!({"id": 8, "name": "VIP"}))).expect(1)).await;
    shop.mount(listing().respond_with(listed(json!([]))).expect(1)).await;
    assert!(matches!(
        &shop.push("tag:+vip", &[ada(&["VIP"], &[])]).await.unwrap()[..],
        [Receipt::Done { facts: Some(_), .. }]
    ));
    assert!(matches!(&shop.push("tag:-vip", &[ada(&[], &["VIP"])]).await.unwrap()[..], [Receipt::Done { .. }]));
}

#[tokio::test]
async fn a_tag_that_came_back_under_another_id_is_taken_off_there() {
    let shop = connected(json!({})).await.granting(&["automation"]).knowing(tag_facts(json!({"vip": 7})));
    shop.mount(segment("7").respond_with(problem(404, "Resource Not Found", "x")).expect(1)).await;
    shop.mount(listing().respond_with(listed(json!([{"id": 8, "name": "VIP"}]))).expect(1)).await;
    let body = json!({"members_to_remove": [ADA]});
    shop.mount(segment("8").and(body_json(body)).respond_with(changed(json!([]))).expect(1)).await;
    assert!(matches!(&shop.push("tag:-vip", &[ada(&[], &["VIP"])]).await.unwrap()[..], [Receipt::Done { .. }]));
}

#[tokio::test]
async fn removing_a_tag_that_the_read_list_does_not_have_makes_no_call() {
    let shop = connected(json!({})).await.granting(&["automation"]).knowing(tag_facts(json!({"other": 1})));
    assert!(matches!(&shop.push("tag:-vip", &[ada(&[], &["VIP"])]).await.unwrap()[..], [Receipt::Done { .. }]));
    assert!(shop.sent().await.is_empty());
}

#[tokio::test]
async fn a_removal_in_a_run_that_did_not_read_the_tags_reads_them_and_removes() {
    // One id is known, since its tag was made in this run: that says nothing about the others.
    let shop = connected(json!({})).await.knowing(Facts::of("tags", json!({"other": 1})));
    shop.mount(listing().respond_with(listed(json!([{"id": 7, "name": "Vip"}]))).expect(1)).await;
    let body = json!({"members_to_remove": [ADA]});
    shop.mount(segment("7").and(body_json(body)).respond_with(changed(json!([]))).expect(1)).await;
    let receipts = shop.push("tag:-vip", &[ada(&[], &["VIP"])]).await.unwrap();
    let [Receipt::Done { facts: Some(facts), .. }] = &receipts[..] else { panic!("{receipts:?}") };
    assert_eq!(facts.value("tags"), Some(&json!({"vip": 7})));
    assert_eq!(facts.value("tags_read"), Some(&json!({AUDIENCE: true})));
}

#[tokio::test]
async fn a_removal_whose_tags_can_not_be_read_is_not_done() {
    let shop = connected(json!({})).await;
    shop.mount(listing().respond_with(ResponseTemplate::new(503)).expect(1)).await;
    assert_eq!(shop.push("tag:-vip", &[ada(&[], &["VIP"])]).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn ids_of_one_audience_are_not_used_in_another() {
    let shop = connected(json!({})).await.granting(&["automation"]).knowing(tag_facts(json!({"vip": 7})));
    let there = Mock::given(method("GET")).and(path("/3.0/lists/old1/segments"));
    shop.mount(there.respond_with(listed(json!([{"id": 70, "name": "VIP"}]))).expect(1)).await;
    let removed = Mock::given(method("POST")).and(path("/3.0/lists/old1/segments/70"));
    shop.mount(removed.respond_with(changed(json!([]))).expect(1)).await;
    let mut op = ada(&[], &["VIP"]);
    op.container = Some("old1".into());
    assert_eq!(shop.groups(&op), ["old1/tag:-vip"]);
    let receipts = shop.send(&op).await.unwrap();
    let [Receipt::Done { facts: Some(facts), .. }] = &receipts[..] else { panic!("{receipts:?}") };
    assert_eq!(facts.value("tags"), None);
}

#[tokio::test]
async fn a_call_for_a_tag_that_the_settings_do_not_make_any_more_is_decided_again() {
    let shop =
        connected(json!({"tag_prefix": "new:"})).await.granting(&["automation"]).knowing(tag_facts(json!({"vip": 7})));
    for group in ["tag:+vip", "tag:-vip"] {
        assert!(matches!(&shop.push(group, &[ada(&["VIP"], &["VIP"])]).await.unwrap()[..], [Receipt::Moved]));
    }
    let nothing = update(remote(ADA, ADA_ID, C::Granted), customer(ADA), &["first_name"]);
    assert!(matches!(&shop.push(&format!("tags:{ADA_ID}"), &[nothing]).await.unwrap()[..], [Receipt::Moved]));
    assert!(shop.sent().await.is_empty());
}

#[tokio::test]
async fn a_new_prefix_takes_the_old_names_off_and_the_receipts_keep_the_new_ones() {
    for grants in [&[][..], &["automation"]] {
        let shop = connected(json!({"tag_prefix": "new:"})).await.granting(grants).knowing(tag_facts(json!({"old:vip": 7})));
        let tags = Value::Set(["VIP".to_owned()].into());
        let mut before = remote(ADA, ADA_ID, C::Granted);
        before.native = Some(json!({"tags": {"tags": ["old:VIP"]}}));
        // Nothing but the prefix changed, so there is no difference of elements.
        let op = update(before, customer(ADA).with("tags", tags), &["tags"]);
        let single = Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}/members/{ADA_ID}/tags")));
        let body = json!({"is_syncing": true, "tags": [
            {"name": "new:VIP", "status": "active"}, {"name": "old:VIP", "status": "inactive"}]});
        shop.mount(single.and(body_json(body)).respond_with(ResponseTemplate::new(204))).await;
        let made = json!({"name": "new:VIP", "static_segment": [ADA]});
        shop.mount(segments().and(body_json(made)).respond_with(ok(json!({"id": 9, "name": "new:VIP"})))).await;
        let removed = json!({"members_to_remove": [ADA]});
        shop.mount(segment("7").and(body_json(removed)).respond_with(changed(json!([])))).await;
        let receipts = shop.send(&op).await.unwrap();
        assert_eq!(receipts.len(), 1 + grants.len());
        for receipt in &receipts {
            let Receipt::Done { after: Some(after), .. } = receipt else { panic!("{receipt:?}") };
            assert_eq!(after.native, Some(json!({"tags": {"tags": ["new:VIP"]}})));
            assert!(after.fields.is_empty(), "a call about tags shows nothing of the record");
            assert!(!format!("{receipt:?}").contains("VIP"));
        }
    }
}

#[tokio::test]
async fn tags_ride_in_the_create_only_by_the_setting_and_the_grant() {
    let shop = connected(json!({"tags_in_create": true})).await.granting(&["automation"]);
    let call = Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}")));
    shop.mount(call.respond_with(written(&[member(ADA, "subscribed")], &[], &[])).expect(1)).await;
    let op = tagging(create(customer(ADA)), &["VIP"], &[]);
    let parts = shop.parts(&op);
    assert_eq!((parts.len(), &*parts[0].group, parts[0].effects[0].name), (1, "members:new+tags", "automation"));
    let receipts = shop.send(&op).await.unwrap();
    let [Receipt::Done { after: Some(after), .. }] = &receipts[..] else { panic!("{receipts:?}") };
    assert_eq!(after.native, Some(json!({"tags": {"tags": ["VIP"]}})));
    let body = &shop.sent().await[0].2;
    assert_eq!(body["members"][0]["tags"], json!(["VIP"]));
    assert_eq!((&body["sync_tags"], &body["update_existing"]), (&json!(true), &json!(false)));
    let ungranted = connected(json!({"tags_in_create": true})).await;
    assert_eq!(ungranted.groups(&op), ["members:new".to_owned(), format!("tags:{ADA_ID}")]);
    assert_eq!(shop.groups(&create(customer(ADA))), ["members:new"], "without tags there is nothing to ride");
}

#[tokio::test]
async fn a_create_that_is_made_again_has_the_same_body_whatever_is_granted_by_then() {
    let op = tagging(create(customer(ADA)), &["VIP"], &[]);
    for group in ["members:new", "members:new+tags"] {
        let mut bodies = Vec::new();
        for (settings, grants) in [(true, &["automation"][..]), (true, &[]), (false, &[])] {
            let shop = connected(json!({"tags_in_create": settings})).await.granting(grants);
            let call = Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}")));
            shop.mount(call.respond_with(ResponseTemplate::new(503)).expect(1)).await;
            shop.push(group, std::slice::from_ref(&op)).await.unwrap_err();
            bodies.push(shop.sent().await.pop().unwrap().2);
        }
        assert_eq!(bodies[0], bodies[1], "{group}");
        assert_eq!(bodies[0], bodies[2], "{group}");
        assert_eq!(bodies[0]["members"][0].get("tags").is_some(), group.ends_with("+tags"));
    }
}

#[tokio::test]
async fn only_tags_asked_for_use_the_address_that_mailchimp_has() {
    let shop = connected(json!({})).await.granting(&["automation"]).knowing(Facts::of("tags", json!({"vip": 7})));
    shop.mount(segment("7").and(body_json(json!({"members_to_add": [ADA]}))).respond_with(changed(json!([]))).expect(1))
        .await;
    let op = tagging(update(remote(ADA, ADA_ID, C::Granted), Record::new(), &["tags"]), &["vip"], &[]);
    assert!(matches!(&shop.send(&op).await.unwrap()[..], [Receipt::Done { .. }]));
}

#[tokio::test]
async fn a_throttled_tag_call_is_an_error_of_the_call() {
    let shop = connected(json!({})).await.granting(&["automation"]).knowing(Facts::of("tags", json!({"vip": 7})));
    shop.mount(segment("7").respond_with(ResponseTemplate::new(429)).expect(1)).await;
    let error = shop.push("tag:+vip", &[ada(&["VIP"], &[])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
}
