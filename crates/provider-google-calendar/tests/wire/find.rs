//! Look-ups.

use serde_json::{Value as Json, json};
use sync_core::{ErrorKind, FindBy, Found, Marker, NaturalKey, RemoteId};
use wiremock::{
    Mock,
    matchers::{body_string_contains, method, path},
};

use crate::support::{EVENTS, MARK, batched, connected, deleted, event, ok, problem, problem_body};

const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn get(id: &str) -> wiremock::MockBuilder {
    Mock::given(method("GET")).and(path(format!("{EVENTS}/{id}")))
}

fn batch() -> wiremock::MockBuilder {
    Mock::given(method("POST")).and(path("/batch/calendar/v3"))
}

fn kinds(found: &[Found]) -> Vec<&str> {
    let kind = |found: &Found| match found {
        Found::One(_) => "one",
        Found::Gone => "gone",
        Found::Absent => "absent",
        Found::Many(_) => "many",
    };
    found.iter().map(kind).collect()
}

#[tokio::test]
async fn several_are_looked_up_in_one_call_and_answered_in_order() {
    let shop = connected(json!({})).await;
    let answers = batched(&[(2, 404, problem_body(404, "notFound")), (0, 200, event(MARK)), (1, 200, deleted(OTHER))]);
    shop.mount(batch().and(body_string_contains(format!("GET {EVENTS}/{OTHER}"))).respond_with(answers).expect(1)).await;
    let ids: Vec<RemoteId> = [MARK, OTHER, "abcde"].into_iter().map(RemoteId::from).collect();
    assert_eq!(kinds(&shop.find(FindBy::Ids(&ids)).await.unwrap()), ["one", "gone", "absent"]);
}

#[tokio::test]
async fn an_absent_event_counts_only_in_a_calendar_that_is_there() {
    let shop = connected(json!({})).await;
    shop.mount(get(MARK).respond_with(problem(404, "notFound")).expect(2)).await;
    let look = || Mock::given(method("GET")).and(path(EVENTS));
    shop.mount(look().respond_with(ok(json!({"accessRole": "owner"}))).up_to_n_times(1).expect(1)).await;
    let ids = [RemoteId::from(MARK)];
    assert_eq!(kinds(&shop.find(FindBy::Ids(&ids)).await.unwrap()), ["absent"]);
    shop.mount(look().respond_with(problem(404, "notFound")).expect(1)).await;
    assert_eq!(shop.find(FindBy::Ids(&ids)).await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_marker_is_followed_to_its_newest_generation() {
    let shop = connected(json!({})).await;
    let second = format!("{MARK}g1");
    let first = batched(&[(0, 200, deleted(MARK)), (1, 200, event(OTHER))]);
    shop.mount(batch().respond_with(first).expect(1)).await;
    shop.mount(get(&second).respond_with(ok(event(&second))).expect(1)).await;
    let found = shop.find(FindBy::Markers(&[Marker::new(MARK), Marker::new(OTHER)])).await.unwrap();
    let ids: Vec<String> = found
        .iter()
        .map(|found| match found {
            Found::One(remote) => remote.id.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [second, OTHER.to_owned()]);
}

#[tokio::test]
async fn a_deleted_event_without_successor_is_gone() {
    let shop = connected(json!({})).await;
    shop.mount(get(MARK).respond_with(ok(deleted(MARK))).expect(1)).await;
    shop.mount(get(&format!("{MARK}g1")).respond_with(problem(404, "notFound")).expect(1)).await;
    assert_eq!(kinds(&shop.find(FindBy::Markers(&[Marker::new(MARK)])).await.unwrap()), ["gone"]);
}

#[tokio::test]
async fn an_event_that_counts_as_another_kind_is_not_found() {
    let shop = connected(json!({})).await;
    let mut session = event(MARK);
    session["extendedProperties"]["private"]["sync-kind"] = json!("training-sessions");
    shop.mount(get(MARK).respond_with(ok(session)).expect(1)).await;
    assert_eq!(kinds(&shop.find(FindBy::Ids(&[MARK.into()])).await.unwrap()), ["absent"]);
}

#[tokio::test]
async fn what_is_not_told_is_an_error_and_no_absence() {
    let shop = connected(json!({})).await;
    let ids: Vec<RemoteId> = [MARK, OTHER].into_iter().map(RemoteId::from).collect();
    for (answer, kind) in [
        (batched(&[(0, 200, event(MARK))]), ErrorKind::BadAnswer),
        (batched(&[(0, 200, event(MARK)), (1, 200, json!({}))]), ErrorKind::BadAnswer),
        (batched(&[(0, 200, event(MARK)), (1, 503, Json::Null)]), ErrorKind::Unavailable),
        (batched(&[(0, 200, event(MARK)), (1, 403, problem_body(403, "forbidden"))]), ErrorKind::Forbidden),
        (ok(json!({})), ErrorKind::BadAnswer),
    ] {
        shop.mount(batch().respond_with(answer).up_to_n_times(1).expect(1)).await;
        assert_eq!(shop.find(FindBy::Ids(&ids)).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_said() {
    let shop = connected(json!({})).await;
    let key = NaturalKey::of("title", "Reef trip").unwrap();
    assert_eq!(shop.find(FindBy::Keys(&[key])).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let many: Vec<RemoteId> = (0..51).map(|n| RemoteId::new(format!("id{n:03}"))).collect();
    assert_eq!(shop.find(FindBy::Ids(&many)).await.unwrap_err().kind(), ErrorKind::Internal);
    assert!(shop.sent().await.is_empty());
}
