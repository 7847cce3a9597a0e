//! Writes about members.

use serde_json::{Value as Json, json};
use sync_core::{ConsentState as C, Effect, ErrorKind, Operation, Receipt, RemoteState, Retry, Value};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{body_json, body_partial_json, method, path, query_param},
};

use crate::support::{
    ADA, ADA_ID, AUDIENCE, audience_facts, connected, consent, create, customer, member, problem, remote, remove, update,
    written,
};

const JORG: &str = "jörg@example.com";
const JORG_ID: &str = "1020b8f7b35fa04503bbb1a6c0182ca9";

fn batch() -> wiremock::MockBuilder {
    Mock::given(method("POST")).and(path(format!("/3.0/lists/{AUDIENCE}")))
}

fn one(verb: &str, id: &str) -> wiremock::MockBuilder {
    Mock::given(method(verb)).and(path(format!("/3.0/lists/{AUDIENCE}/members/{id}")))
}

#[tokio::test]
async fn new_members_go_in_one_call_that_cannot_change_anybody() {
    let shop = connected(json!({})).await;
    let body = json!({"update_existing": false, "members": [
        {"email_address": ADA, "status": "subscribed", "merge_fields": {"FNAME": "Ada", "LNAME": "Lovelace"}},
        {"email_address": JORG, "status": "pending", "merge_fields": {"FNAME": "Ada", "LNAME": "Lovelace"}},
    ]});
    let answer = written(&[member(JORG, "pending"), member(ADA, "subscribed")], &[], &[]);
    shop.mount(batch().and(body_json(body)).respond_with(answer).expect(1)).await;
    let pending = customer(JORG).with("consent.email", consent(C::Pending, None));
    let receipts = shop.push("members:new", &[create(customer(ADA)), create(pending)]).await.unwrap();
    let [Receipt::Done { id: ada, after, .. }, Receipt::Done { id: jorg, .. }] = &receipts[..] else {
        panic!("{receipts:?}");
    };
    assert_eq!((ada.as_str(), jorg.as_str()), (ADA_ID, JORG_ID));
    let after = after.as_ref().unwrap();
    assert_eq!(after.fields.text("first_name"), Some("Ada"));
    assert!(after.fields.value("tags").is_none(), "tags follow in calls of their own");
    assert_eq!(after.fields.value("consent.email").and_then(Value::as_consent).unwrap().state, C::Granted);
    assert!(shop.sent().await[0].1.ends_with(AUDIENCE), "no parameters");
}

#[tokio::test]
async fn each_member_of_a_call_has_a_receipt_of_its_own() {
    let shop = connected(json!({})).await;
    let error = |address: &str, code: &str, words: &str| json!({"email_address": address, "error": words, "error_code": code, "field": "", "field_message": ""});
    let answer = written(
        &[member("new@example.com", "subscribed")],
        &[],
        &[
            error("ADA.lovelace@example.com", "ERROR_CONTACT_EXISTS", "exists"),
            error("fake@example.com", "ERROR_GENERIC", "fake@example.com looks fake or invalid"),
            error("late@example.com", "ERROR_GENERIC", "late has signed up to a lot of lists very recently"),
        ],
    );
    shop.mount(batch().respond_with(answer).expect(1)).await;
    let ops: Vec<Operation> = ["new@example.com", ADA, "fake@example.com", "late@example.com", "lost@example.com"]
        .map(|address| create(customer(address)))
        .into();
    let receipts = shop.push("members:new", &ops).await.unwrap();
    let [
        Receipt::Done { .. },
        Receipt::Taken(Some(taken)),
        Receipt::Refused(fake),
        Receipt::Refused(late),
        Receipt::Uncertain(lost),
    ] = &receipts[..]
    else {
        panic!("{receipts:?}");
    };
    assert_eq!(taken.as_str(), ADA_ID);
    assert_eq!((fake.kind(), fake.retry()), (ErrorKind::Refused, Retry::Never));
    assert!(matches!(late.retry(), Retry::After(_)));
    assert_eq!(lost.effect(), Effect::Unknown);
}

#[tokio::test]
async fn two_customers_with_one_address_never_share_a_call() {
    let shop = connected(json!({})).await;
    shop.mount(batch().respond_with(written(&[member(ADA, "subscribed")], &[], &[])).expect(1)).await;
    let ops = [create(customer(ADA)), create(customer("ADA.Lovelace@example.com "))];
    let receipts = shop.push("members:new", &ops).await.unwrap();
    assert!(matches!(&receipts[..], [Receipt::Done { .. }, Receipt::Refused(_)]), "{receipts:?}");
    assert_eq!(shop.sent().await[0].2["members"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_malformed_member_does_not_hold_up_the_others() {
    let shop = connected(json!({})).await;
    let refused = ResponseTemplate::new(400).set_body_raw(
        json!({"title": "Invalid Resource", "status": 400, "detail": "schema", "errors": [
            {"field": "members.item:0.merge_fields.X", "message": "Schema describes string"}]})
        .to_string(),
        "application/problem+json",
    );
    shop.mount(batch().respond_with(refused).up_to_n_times(1).with_priority(1).expect(1)).await;
    shop.mount(batch().respond_with(written(&[member(ADA, "subscribed")], &[], &[])).expect(1)).await;
    let receipts = shop.push("members:new", &[create(customer(JORG)), create(customer(ADA))]).await.unwrap();
    assert!(matches!(&receipts[..], [Receipt::Refused(_), Receipt::Done { .. }]), "{receipts:?}");
    assert_eq!(shop.sent().await[1].2["members"][0]["email_address"], ADA);
}

#[tokio::test]
async fn known_members_are_written_without_a_status_and_only_what_changed() {
    let shop = connected(json!({})).await;
    let body = json!({"update_existing": true, "members": [{"email_address": ADA, "merge_fields": {"FNAME": "Ada"}}]});
    let answer = written(&[], &[member(ADA, "unsubscribed")], &[]);
    let call = batch().and(body_json(body)).and(query_param("skip_merge_validation", "true"));
    shop.mount(call.respond_with(answer).expect(1)).await;
    let op = update(remote(ADA, ADA_ID, C::Granted), customer(ADA), &["first_name"]);
    let receipts = shop.send(&op).await.unwrap();
    let [Receipt::Done { after: Some(after), .. }] = &receipts[..] else { panic!("{receipts:?}") };
    let told = after.fields.value("consent.email").and_then(Value::as_consent).unwrap();
    assert_eq!(told.state, C::Denied, "an unsubscribe in between is seen, and stands");
}

#[tokio::test]
async fn a_rename_keeps_the_member_and_gives_it_a_new_id() {
    let shop = connected(json!({})).await;
    let body = json!({"email_address": ADA, "merge_fields": {"FNAME": "Ada"}});
    shop.mount(
        one("PATCH", JORG_ID).and(body_json(body)).respond_with(crate::support::ok(member(ADA, "subscribed"))).expect(1),
    )
    .await;
    let op = update(remote(JORG, JORG_ID, C::Granted), customer(ADA), &["email", "first_name"]);
    let receipts = shop.send(&op).await.unwrap();
    assert!(matches!(&receipts[..], [Receipt::Done { id, .. }] if id.as_str() == ADA_ID), "{receipts:?}");
}

#[tokio::test]
async fn a_rename_onto_somebody_else_is_taken_and_of_somebody_gone_is_moved() {
    let op = update(remote(JORG, JORG_ID, C::Granted), customer(ADA), &["email"]);
    let shop = connected(json!({})).await;
    shop.mount(one("PATCH", JORG_ID).respond_with(problem(400, "Member Exists", "x is already a list member")).expect(1))
        .await;
    assert!(matches!(&shop.send(&op).await.unwrap()[..], [Receipt::Taken(Some(id))] if id.as_str() == ADA_ID));
    let shop = connected(json!({})).await;
    shop.mount(one("PATCH", JORG_ID).respond_with(problem(404, "Resource Not Found", "x")).expect(1)).await;
    shop.mount(one("PATCH", ADA_ID).respond_with(problem(404, "Resource Not Found", "x")).expect(1)).await;
    assert!(matches!(&shop.send(&op).await.unwrap()[..], [Receipt::Moved]));
}

#[tokio::test]
async fn a_rename_that_was_carried_out_already_is_done() {
    let op = update(remote(JORG, JORG_ID, C::Granted), customer(ADA), &["email"]);
    let shop = connected(json!({})).await;
    shop.mount(one("PATCH", JORG_ID).respond_with(problem(404, "Resource Not Found", "x")).expect(1)).await;
    let renamed = one("PATCH", ADA_ID).and(body_json(json!({"email_address": ADA})));
    shop.mount(renamed.respond_with(crate::support::ok(member(ADA, "subscribed"))).expect(1)).await;
    assert!(matches!(&shop.send(&op).await.unwrap()[..], [Receipt::Done { id, .. }] if id.as_str() == ADA_ID));
}

#[tokio::test]
async fn a_withdrawal_sends_the_status_alone() {
    let shop = connected(json!({})).await;
    let call = one("PATCH", ADA_ID).and(body_json(json!({"status": "unsubscribed"})));
    shop.mount(call.respond_with(crate::support::ok(member(ADA, "unsubscribed"))).expect(1)).await;
    let denied = customer(ADA).with("consent.email", consent(C::Denied, None));
    let receipts = shop.send(&update(remote(ADA, ADA_ID, C::Granted), denied, &["consent.email"])).await.unwrap();
    assert!(matches!(&receipts[..], [Receipt::Done { .. }]), "{receipts:?}");
}

#[tokio::test]
async fn a_way_back_asks_to_confirm_and_mailchimp_has_the_last_word() {
    let shop = connected(json!({})).await.granting(&["confirmation-mail"]);
    let call = one("PATCH", ADA_ID).and(body_json(json!({"status": "pending"})));
    shop.mount(call.respond_with(problem(400, "Member In Compliance State", "x")).expect(1)).await;
    let lifted = customer(ADA).with("consent.email", consent(C::Pending, None));
    let receipts = shop.send(&update(remote(ADA, ADA_ID, C::Denied), lifted, &["consent.email"])).await.unwrap();
    // Histories 2191 and 2629: who stays out is named, and no failure of each run from then on.
    assert!(matches!(&receipts[..], [Receipt::Skipped(skip)] if skip.remedy.is_some()), "{receipts:?}");
}

#[tokio::test]
async fn the_way_back_from_the_archive_is_a_put_with_status() {
    let shop = connected(json!({})).await;
    let mut archived = remote(ADA, ADA_ID, C::Unknown);
    archived.state = RemoteState::Archived;
    let body = json!({"email_address": ADA, "status_if_new": "subscribed", "status": "subscribed",
        "merge_fields": {"FNAME": "Ada", "LNAME": "Lovelace"}});
    let call = one("PUT", ADA_ID).and(body_json(body));
    shop.mount(call.respond_with(crate::support::ok(member(ADA, "subscribed"))).expect(1)).await;
    let newer = customer(ADA).with("consent.email", consent(C::Granted, Some("2026-02-02T00:00:00Z")));
    let receipts = shop.send(&update(archived, newer, &["consent.email"])).await.unwrap();
    assert!(matches!(&receipts[..], [Receipt::Done { .. }]), "{receipts:?}");
}

#[tokio::test]
async fn archiving_what_is_not_there_is_done() {
    for answer in [ResponseTemplate::new(204), problem(404, "Resource Not Found", "x")] {
        let shop = connected(json!({})).await;
        shop.mount(one("DELETE", ADA_ID).respond_with(answer).expect(1)).await;
        let receipts = shop.send(&remove(remote(ADA, ADA_ID, C::Granted))).await.unwrap();
        assert!(matches!(&receipts[..], [Receipt::Done { id, .. }] if id.as_str() == ADA_ID), "{receipts:?}");
    }
}

#[tokio::test]
async fn an_audience_that_is_gone_is_a_setting_to_correct() {
    let shop = connected(json!({})).await;
    shop.mount(batch().respond_with(problem(404, "Resource Not Found", "x")).expect(1)).await;
    let error = shop.push("members:new", &[create(customer(ADA))]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.remedy().unwrap().contains("Audience"));
}

#[tokio::test]
async fn an_outage_and_garbage_leave_the_effect_open() {
    for answer in [ResponseTemplate::new(503), ResponseTemplate::new(200).set_body_raw("{\"new_mem", "application/json")] {
        let shop = connected(json!({})).await;
        shop.mount(batch().respond_with(answer).expect(1)).await;
        let error = shop.push("members:new", &[create(customer(ADA))]).await.unwrap_err();
        assert_eq!(error.effect(), Effect::Unknown);
    }
}

#[tokio::test]
async fn single_upserts_replace_the_batch_where_the_setting_says_so() {
    let shop = connected(json!({"known_members": "single"})).await;
    let body = json!({"email_address": ADA, "merge_fields": {"LNAME": "Lovelace"}});
    shop.mount(one("PATCH", ADA_ID).and(body_json(body)).respond_with(crate::support::ok(member(ADA, "cleaned"))).expect(1))
        .await;
    let receipts = shop.send(&update(remote(ADA, ADA_ID, C::Undeliverable), customer(ADA), &["last_name"])).await.unwrap();
    assert!(matches!(&receipts[..], [Receipt::Done { .. }]), "{receipts:?}");
}

#[tokio::test]
async fn double_opt_in_makes_new_members_pending() {
    let shop = connected(json!({})).await.granting(&["confirmation-mail"]).knowing(audience_facts(true, false));
    let call = batch().and(body_partial_json(json!({"members": [{"status": "pending"}]})));
    shop.mount(call.respond_with(written(&[member(ADA, "pending")], &[], &[])).expect(1)).await;
    assert!(matches!(&shop.send(&create(customer(ADA))).await.unwrap()[..], [Receipt::Done { .. }]));
}

#[tokio::test]
async fn a_repeated_call_has_the_same_body() {
    let shop = connected(json!({})).await;
    shop.mount(batch().respond_with(ResponseTemplate::new(503)).expect(2)).await;
    let ops = [create(customer(ADA)), create(customer(JORG))];
    for _ in 0..2 {
        shop.push("members:new", &ops).await.unwrap_err();
    }
    let bodies: Vec<Json> = shop.sent().await.into_iter().map(|sent| sent.2).collect();
    assert_eq!(bodies[0], bodies[1]);
}
