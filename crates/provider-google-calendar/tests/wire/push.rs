//! One event at a time.

use serde_json::{Value as Json, json};
use sync_core::{Effect, ErrorKind, Receipt, RemoteState, Value, Version};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{header, method, path, query_param},
};

use crate::support::{CALENDAR, EVENTS, MARK, connected, create, deleted, event, ok, problem, remote, remove, trip, update};

fn on(verb: &str, id: &str) -> wiremock::MockBuilder {
    Mock::given(method(verb)).and(path(format!("{EVENTS}/{id}")))
}

fn post() -> wiremock::MockBuilder {
    Mock::given(method("POST")).and(path(EVENTS)).and(query_param("sendUpdates", "none"))
}

fn done(receipt: &Receipt) -> &str {
    match receipt {
        Receipt::Done { id, .. } => id.as_str(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_new_trip_goes_under_its_marker_and_comes_back_as_it_is() {
    let shop = connected(json!({})).await;
    shop.mount(post().respond_with(ok(event(MARK))).expect(1)).await;
    let receipt = shop.send_one(&create(MARK, trip())).await.unwrap();
    let Receipt::Done { id, version, after: Some(after), .. } = receipt else { panic!("{receipt:?}") };
    assert_eq!((id.as_str(), version), (MARK, Some("\"8\"".into())));
    assert_eq!(after.fields.value("end_date"), Some(&Value::Date("2026-12-03".parse().unwrap())));
    let (_, _, body) = &shop.sent().await[0];
    assert_eq!((&body["id"], &body["extendedProperties"]["private"]["sync-marker"]), (&json!(MARK), &json!(MARK)));
    assert!(body.get("attendees").is_none());
}

#[tokio::test]
async fn a_change_names_what_changed_and_the_version_it_was_decided_on() {
    let shop = connected(json!({})).await;
    let patch = on("PATCH", MARK).and(header("if-match", "\"7\"")).and(query_param("sendUpdates", "none"));
    shop.mount(patch.respond_with(ok(event(MARK))).expect(1)).await;
    let receipt = shop.send_one(&update(remote(MARK, trip()), trip(), &["title"])).await.unwrap();
    assert_eq!(done(&receipt), MARK);
    assert_eq!(shop.sent().await[0].2, json!({"summary": "Reef trip"}));
}

#[tokio::test]
async fn what_moved_or_went_meanwhile_is_decided_again() {
    let shop = connected(json!({})).await;
    let op = update(remote(MARK, trip()), trip(), &["title"]);
    for answer in [problem(412, "conditionNotMet"), problem(404, "notFound"), problem(410, "deleted"), ok(deleted(MARK))] {
        shop.mount(on("PATCH", MARK).respond_with(answer).up_to_n_times(1).expect(1)).await;
        assert!(matches!(shop.send_one(&op).await.unwrap(), Receipt::Moved));
    }
}

#[tokio::test]
async fn an_event_of_somebody_else_is_one_items_matter() {
    let shop = connected(json!({})).await;
    for reason in ["forbidden", "forbiddenForNonOrganizer", "cannotChangeOrganizer"] {
        shop.mount(on("PATCH", MARK).respond_with(problem(403, reason)).up_to_n_times(1).expect(1)).await;
        let receipt = shop.send_one(&update(remote(MARK, trip()), trip(), &["title"])).await.unwrap();
        let Receipt::Refused(error) = receipt else { panic!("{receipt:?}") };
        assert!(error.remedy().is_some());
    }
    // What holds for the whole calendar stops the run.
    for reason in ["requiredAccessLevel", "insufficientPermissions"] {
        shop.mount(on("PATCH", MARK).respond_with(problem(403, reason)).up_to_n_times(1).expect(1)).await;
        let error = shop.send_one(&update(remote(MARK, trip()), trip(), &["title"])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
    }
}

#[tokio::test]
async fn a_calendar_that_is_gone_stops_the_run_and_deletes_nothing() {
    let shop = connected(json!({})).await;
    shop.mount(post().respond_with(problem(404, "notFound")).expect(1)).await;
    let error = shop.send_one(&create(MARK, trip())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Config, Effect::None));
}

#[tokio::test]
async fn what_is_gone_already_is_removed() {
    let shop = connected(json!({})).await;
    for answer in [ResponseTemplate::new(204), problem(404, "notFound"), problem(410, "deleted")] {
        let delete = on("DELETE", MARK).and(header("if-match", "\"7\"")).and(query_param("sendUpdates", "none"));
        shop.mount(delete.respond_with(answer).up_to_n_times(1).expect(1)).await;
        assert_eq!(done(&shop.send_one(&remove(remote(MARK, trip()))).await.unwrap()), MARK);
    }
}

#[tokio::test]
async fn what_was_edited_before_we_delete_it_is_decided_again_and_what_was_deleted_is_done() {
    let shop = connected(json!({})).await;
    shop.mount(on("DELETE", MARK).respond_with(problem(412, "conditionNotMet")).expect(2)).await;
    shop.mount(on("GET", MARK).respond_with(ok(event(MARK))).up_to_n_times(1).expect(1)).await;
    assert!(matches!(shop.send_one(&remove(remote(MARK, trip()))).await.unwrap(), Receipt::Moved));
    shop.mount(on("GET", MARK).respond_with(ok(deleted(MARK))).expect(1)).await;
    assert_eq!(done(&shop.send_one(&remove(remote(MARK, trip()))).await.unwrap()), MARK);
}

#[tokio::test]
async fn an_id_that_is_taken_by_a_living_event_is_told() {
    let shop = connected(json!({})).await;
    shop.mount(post().respond_with(problem(409, "duplicate")).expect(2)).await;
    let mut edited = event(MARK);
    edited["location"] = json!("Beach");
    shop.mount(on("GET", MARK).respond_with(ok(edited)).up_to_n_times(1).expect(1)).await;
    let receipt = shop.send_one(&create(MARK, trip())).await.unwrap();
    assert!(matches!(&receipt, Receipt::Taken(Some(id)) if id.as_str() == MARK), "{receipt:?}");
    let mut strange = event(MARK);
    strange["extendedProperties"]["private"]["sync-marker"] = Json::Null;
    shop.mount(on("GET", MARK).respond_with(ok(strange)).expect(1)).await;
    assert!(matches!(shop.send_one(&create(MARK, trip())).await.unwrap(), Receipt::Taken(Some(_))));
}

#[tokio::test]
async fn what_an_earlier_attempt_made_is_done() {
    let shop = connected(json!({})).await;
    shop.mount(post().respond_with(problem(409, "duplicate")).expect(1)).await;
    shop.mount(on("GET", MARK).respond_with(ok(event(MARK))).expect(1)).await;
    let receipt = shop.send_one(&create(MARK, trip())).await.unwrap();
    assert!(matches!(&receipt, Receipt::Done { version: Some(version), .. } if version.as_str() == "\"8\""), "{receipt:?}");
}

#[tokio::test]
async fn a_deleted_id_is_revived_with_everything_that_the_record_says() {
    let shop = connected(json!({})).await;
    shop.mount(post().respond_with(problem(409, "duplicate")).expect(1)).await;
    shop.mount(on("GET", MARK).respond_with(ok(deleted(MARK))).expect(1)).await;
    shop.mount(on("PATCH", MARK).respond_with(ok(event(MARK))).expect(1)).await;
    assert_eq!(done(&shop.send_one(&create(MARK, trip())).await.unwrap()), MARK);
    let (_, _, body) = &shop.sent().await[2];
    assert_eq!((&body["status"], &body["summary"]), (&json!("confirmed"), &json!("Reef trip")));
    assert_eq!(body["start"]["date"], Json::Null);
}

#[tokio::test]
async fn an_id_that_stays_dead_is_followed_by_the_next_generation() {
    for answer in [problem(403, "forbidden"), problem(404, "notFound"), ok(deleted(MARK))] {
        let shop = connected(json!({})).await;
        let second = format!("{MARK}g1");
        shop.mount(post().respond_with(problem(409, "duplicate")).up_to_n_times(1).expect(1)).await;
        shop.mount(on("GET", MARK).respond_with(ok(deleted(MARK))).expect(1)).await;
        shop.mount(on("PATCH", MARK).respond_with(answer).expect(1)).await;
        shop.mount(post().respond_with(ok(event(&second))).expect(1)).await;
        assert_eq!(done(&shop.send_one(&create(MARK, trip())).await.unwrap()), second);
        let (_, _, body) = &shop.sent().await[3];
        assert_eq!((&body["id"], &body["extendedProperties"]["private"]["sync-marker"]), (&json!(second), &json!(MARK)));
    }
}

#[tokio::test]
async fn what_we_took_away_ourselves_comes_back_under_its_own_id() {
    let shop = connected(json!({})).await;
    let second = format!("{MARK}g1");
    let mut gone = remote(&second, trip());
    gone.state = RemoteState::Archived;
    shop.mount(on("GET", &second).respond_with(ok(deleted(&second))).expect(1)).await;
    shop.mount(on("PATCH", &second).respond_with(ok(event(&second))).expect(1)).await;
    assert_eq!(done(&shop.send_one(&update(gone, trip(), &["title"])).await.unwrap()), second);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_of_unknown_fate() {
    let shop = connected(json!({})).await;
    for answer in [ok(json!({})), ok(json!([])), ResponseTemplate::new(200)] {
        shop.mount(post().respond_with(answer).up_to_n_times(1).expect(1)).await;
        let receipt = shop.send_one(&create(MARK, trip())).await.unwrap();
        assert!(matches!(&receipt, Receipt::Uncertain(error) if error.effect() == Effect::Unknown), "{receipt:?}");
    }
}

#[tokio::test]
async fn a_move_makes_the_event_there_with_what_people_added_and_deletes_it_here() {
    let shop = connected(json!({})).await;
    let mut before = remote(MARK, trip());
    before.container = Some("old".into());
    let mut whole = event(MARK);
    before.version = whole["etag"].as_str().map(Version::new);
    whole["colorId"] = json!("5");
    whole["organizer"] = json!({"email": "ada@example.com"});
    whole["extendedProperties"]["private"]["other-app"] = json!("x");
    let old = format!("/calendar/v3/calendars/old/events/{MARK}");
    shop.mount(Mock::given(method("GET")).and(path(&*old)).respond_with(ok(whole)).expect(1)).await;
    shop.mount(post().respond_with(ok(event(MARK))).expect(1)).await;
    shop.mount(Mock::given(method("DELETE")).and(path(&*old)).respond_with(ResponseTemplate::new(204)).expect(1)).await;
    let receipt = shop.send_one(&update(before, trip(), &["boat"])).await.unwrap();
    let Receipt::Done { id, after: Some(after), .. } = receipt else { panic!("{receipt:?}") };
    assert_eq!((id.as_str(), after.container), (MARK, Some(CALENDAR.into())));
    let (_, _, body) = &shop.sent().await[1];
    assert_eq!((&body["colorId"], &body["extendedProperties"]["private"]["other-app"]), (&json!("5"), &json!("x")));
    assert!(body.get("organizer").is_none() && body.get("etag").is_none());
}

#[tokio::test]
async fn a_move_would_lose_guests_and_is_left_to_people() {
    let shop = connected(json!({})).await;
    let mut before = remote(MARK, trip());
    before.container = Some("old".into());
    let mut whole = event(MARK);
    before.version = whole["etag"].as_str().map(Version::new);
    whole["attendees"] = json!([{"email": "guest@example.com"}]);
    shop.mount(Mock::given(method("GET")).respond_with(ok(whole)).expect(1)).await;
    let receipt = shop.send_one(&update(before, trip(), &["boat"])).await.unwrap();
    assert!(matches!(&receipt, Receipt::Refused(error) if error.remedy().is_some()), "{receipt:?}");
}
