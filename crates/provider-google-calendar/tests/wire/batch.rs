//! Several events at a time.

use serde_json::{Value as Json, json};
use sync_core::{Effect, ErrorKind, Operation, Receipt};
use wiremock::{
    Mock,
    matchers::{method, path},
};

use crate::support::{
    CALENDAR, EVENTS, batched, connected, create, deleted, event, ok, problem, problem_body, remote, remove, trip, update,
};

/// The n-th marker.
fn mark(n: usize) -> String {
    format!("{n:032x}")
}

fn group() -> String {
    format!("events:{CALENDAR}")
}

fn batch() -> wiremock::MockBuilder {
    Mock::given(method("POST")).and(path("/batch/calendar/v3"))
}

fn creates(n: usize) -> Vec<Operation> {
    (0..n).map(|n| create(&mark(n), trip())).collect()
}

fn kinds(receipts: &[Receipt]) -> Vec<&'static str> {
    let kind = |receipt: &Receipt| match receipt {
        Receipt::Done { .. } => "done",
        Receipt::Moved => "moved",
        Receipt::Taken(_) => "taken",
        Receipt::Refused(_) => "refused",
        Receipt::Skipped(_) => "skipped",
        Receipt::Uncertain(_) => "uncertain",
        _ => "unknown",
    };
    receipts.iter().map(kind).collect()
}

#[tokio::test]
async fn inserts_changes_and_deletions_go_in_one_call_with_a_receipt_each() {
    let shop = connected(json!({})).await;
    let ops =
        [create(&mark(0), trip()), update(remote(&mark(1), trip()), trip(), &["title"]), remove(remote(&mark(2), trip()))];
    let answer = batched(&[(2, 204, Json::Null), (0, 200, event(&mark(0))), (1, 412, problem_body(412, "conditionNotMet"))]);
    shop.mount(batch().respond_with(answer).expect(1)).await;
    let receipts = shop.push(&group(), &ops).await.unwrap();
    assert_eq!(kinds(&receipts), ["done", "moved", "done"]);
    let requests = shop.server.received_requests().await.unwrap();
    let body = String::from_utf8_lossy(&requests[0].body).into_owned();
    for line in [
        format!("POST {EVENTS}?sendUpdates=none"),
        format!("PATCH {EVENTS}/{}?sendUpdates=none", mark(1)),
        format!("DELETE {EVENTS}/{}?sendUpdates=none\r\nif-match: \"7\"", mark(2)),
        "Content-ID: <part-2>".to_owned(),
    ] {
        assert!(body.contains(&line), "{line} is not in {body}");
    }
}

#[tokio::test]
async fn one_bad_item_stays_one_bad_item() {
    let shop = connected(json!({})).await;
    let answer = batched(&[
        (0, 200, event(&mark(0))),
        (1, 400, problem_body(400, "timeRangeEmpty")),
        (2, 403, problem_body(403, "userRateLimitExceeded")),
        (3, 409, problem_body(409, "conflict")),
        (4, 503, Json::Null),
    ]);
    shop.mount(batch().respond_with(answer).expect(1)).await;
    let receipts = shop.push(&group(), &creates(6)).await.unwrap();
    assert_eq!(kinds(&receipts), ["done", "refused", "uncertain", "uncertain", "uncertain", "uncertain"]);
}

#[tokio::test]
async fn ids_that_are_taken_are_looked_at_in_one_call_and_told_apart() {
    let shop = connected(json!({})).await;
    let taken = |n: usize| (n, 409, problem_body(409, "duplicate"));
    let answer = batched(&[(0, 200, event(&mark(0))), taken(1), taken(2)]);
    shop.mount(batch().respond_with(answer).up_to_n_times(1).expect(1)).await;
    let mut edited = event(&mark(1));
    edited["summary"] = json!("Night dive");
    let looked = batched(&[(0, 200, edited), (1, 200, deleted(&mark(2)))]);
    shop.mount(batch().respond_with(looked).expect(1)).await;
    let revived = Mock::given(method("PATCH")).and(path(format!("{EVENTS}/{}", mark(2))));
    shop.mount(revived.respond_with(ok(event(&mark(2)))).expect(1)).await;
    let receipts = shop.push(&group(), &creates(3)).await.unwrap();
    assert_eq!(kinds(&receipts), ["done", "taken", "done"]);
}

#[tokio::test]
async fn a_look_that_fails_swallows_no_receipt() {
    let shop = connected(json!({})).await;
    let answer = batched(&[(0, 200, event(&mark(0))), (1, 409, problem_body(409, "duplicate"))]);
    shop.mount(batch().respond_with(answer).expect(1)).await;
    shop.mount(Mock::given(method("GET")).respond_with(problem(503, "backendError")).expect(1)).await;
    let receipts = shop.push(&group(), &creates(2)).await.unwrap();
    assert_eq!(kinds(&receipts), ["done", "taken"]);
}

#[tokio::test]
async fn trouble_that_all_met_is_the_calls() {
    for (status, reason, kind, effect) in [
        (401, "authError", ErrorKind::AuthRevoked, Effect::None),
        (403, "rateLimitExceeded", ErrorKind::RateLimited, Effect::None),
        (403, "quotaExceeded", ErrorKind::QuotaExhausted, Effect::None),
        (500, "backendError", ErrorKind::Unavailable, Effect::Unknown),
        (404, "notFound", ErrorKind::Config, Effect::None),
        (403, "requiredAccessLevel", ErrorKind::Forbidden, Effect::None),
    ] {
        let shop = connected(json!({})).await;
        let part = |n: usize| (n, status, problem_body(status, reason));
        shop.mount(batch().respond_with(batched(&[part(0), part(1)])).expect(1)).await;
        let error = shop.push(&group(), &creates(2)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{status} {reason}");
    }
}

#[tokio::test]
async fn a_batch_that_was_not_understood_is_of_unknown_fate() {
    let shop = connected(json!({})).await;
    for answer in [ok(json!({})), batched(&[])] {
        shop.mount(batch().respond_with(answer).up_to_n_times(1).expect(1)).await;
        let error = shop.push(&group(), &creates(2)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::BadAnswer, Effect::Unknown));
    }
}

#[tokio::test]
async fn a_record_that_broke_on_the_way_does_not_hold_the_others_up() {
    let shop = connected(json!({})).await;
    let mut ops = creates(3);
    ops[1].fields.set("zone", sync_core::Value::text("Mars/Olympus"));
    let answer = batched(&[(0, 200, event(&mark(0))), (1, 200, event(&mark(2)))]);
    shop.mount(batch().respond_with(answer).expect(1)).await;
    let receipts = shop.push(&group(), &ops).await.unwrap();
    assert_eq!(kinds(&receipts), ["done", "refused", "done"]);
    let Receipt::Done { id, .. } = &receipts[2] else { panic!("done") };
    assert_eq!(id.as_str(), mark(2));
}

#[tokio::test]
async fn a_group_of_another_calendar_is_refused() {
    let shop = connected(json!({})).await;
    let error = shop.push("events:other", &creates(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(shop.sent().await.is_empty());
}
