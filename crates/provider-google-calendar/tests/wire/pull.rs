//! The feed.

use serde_json::{Value as Json, json};
use sync_core::{Change, Complete, Cursor, ErrorKind, From, Next, Page, PageToken};
use wiremock::{
    Mock,
    matchers::{method, path, query_param, query_param_is_missing},
};

use crate::support::{EVENTS, MARK, configured, connected, deleted, event, ok, problem};

fn listing() -> wiremock::MockBuilder {
    Mock::given(method("GET")).and(path(EVENTS))
}

fn last(items: &[Json]) -> wiremock::ResponseTemplate {
    ok(json!({"timeZone": "Europe/Madrid", "items": items, "nextSyncToken": "sync&1"}))
}

fn more(page: &Page) -> PageToken {
    match &page.next {
        Next::More(token) => token.clone(),
        Next::Done(cursor) => panic!("done: {cursor}"),
    }
}

fn done(page: &Page) -> Cursor {
    match &page.next {
        Next::Done(cursor) => cursor.clone(),
        Next::More(token) => panic!("more: {token}"),
    }
}

/// Ids, with a dash before those that are gone.
fn shown(page: &Page) -> Vec<String> {
    page.changes
        .iter()
        .map(|change| match change {
            Change::Upsert(remote) => remote.id.to_string(),
            Change::Gone { id, .. } => format!("-{id}"),
        })
        .collect()
}

fn foreign(id: &str) -> Json {
    let mut foreign = event(id);
    foreign["extendedProperties"] = Json::Null;
    foreign
}

#[tokio::test]
async fn a_full_pass_is_bounded_by_the_window_and_pages_to_its_end() {
    let shop = configured(json!({"page_size": 2}), json!({})).await;
    let all = || listing().and(query_param("timeMin", "2026-10-23T00:00:00Z")).and(query_param_is_missing("syncToken"));
    let all = || all().and(query_param("maxResults", "2")).and(query_param("singleEvents", "false"));
    let first = ok(json!({"items": [event(MARK)], "nextPageToken": "p 2"}));
    shop.mount(all().and(query_param_is_missing("pageToken")).respond_with(first).expect(1)).await;
    let empty = ok(json!({"items": [], "nextPageToken": "p/3"}));
    shop.mount(all().and(query_param("pageToken", "p 2")).respond_with(empty).expect(1)).await;
    shop.mount(all().and(query_param("pageToken", "p/3")).respond_with(last(&[])).expect(1)).await;

    let first = shop.pull(From::Start).await.unwrap();
    assert_eq!((shown(&first), first.complete), (vec![MARK.to_owned()], Complete::Full));
    let second = shop.pull(From::Page(&more(&first))).await.unwrap();
    assert!(second.changes.is_empty());
    let third = shop.pull(From::Page(&more(&second))).await.unwrap();
    assert_eq!(third.complete, Complete::Full);
    done(&third);
    let sent = shop.sent().await;
    assert!(sent.iter().all(|(_, path, _)| !path.contains("description") && !path.contains("attendees")), "{sent:?}");
}

#[tokio::test]
async fn a_delta_carries_the_token_and_nothing_that_is_forbidden_with_it() {
    let shop = connected(json!({})).await;
    shop.mount(listing().and(query_param_is_missing("syncToken")).respond_with(last(&[])).expect(1)).await;
    let cursor = done(&shop.pull(From::Start).await.unwrap());
    let delta = || listing().and(query_param("syncToken", "sync&1")).and(query_param_is_missing("timeMin"));
    let first = ok(json!({"items": [event(MARK)], "nextPageToken": "p"}));
    shop.mount(delta().and(query_param_is_missing("pageToken")).respond_with(first).expect(1)).await;
    let second = ok(json!({"items": [deleted("fedcba9876543210fedcba9876543210")], "nextSyncToken": "sync2"}));
    shop.mount(delta().and(query_param("pageToken", "p")).respond_with(second).expect(1)).await;
    let page = shop.pull(From::Cursor(&cursor)).await.unwrap();
    assert_eq!((shown(&page), page.complete), (vec![MARK.to_owned()], Complete::Delta));
    let page = shop.pull(From::Page(&more(&page))).await.unwrap();
    assert_eq!(shown(&page), ["-fedcba9876543210fedcba9876543210"]);
    assert_ne!(done(&page), cursor);
}

#[tokio::test]
async fn a_token_that_is_too_old_or_wrong_asks_for_a_full_pass() {
    let shop = connected(json!({})).await;
    shop.mount(listing().and(query_param_is_missing("syncToken")).respond_with(last(&[]))).await;
    let cursor = done(&shop.pull(From::Start).await.unwrap());
    let mut wrong = crate::support::problem_body(400, "invalid");
    wrong["error"]["errors"][0]["location"] = json!("syncToken");
    let answers = [
        problem(410, "fullSyncRequired"),
        problem(410, "updatedMinTooLongAgo"),
        wiremock::ResponseTemplate::new(400).set_body_json(wrong),
        problem(400, "badRequest"),
    ];
    for answer in answers {
        let refused = listing().and(query_param("syncToken", "sync&1")).respond_with(answer);
        shop.mount(refused.up_to_n_times(1).with_priority(1).expect(1)).await;
        assert_eq!(shop.pull(From::Cursor(&cursor)).await.unwrap_err().kind(), ErrorKind::CursorExpired);
    }
}

#[tokio::test]
async fn a_wrong_parameter_of_a_full_pass_is_no_reason_for_another_one() {
    let shop = connected(json!({})).await;
    shop.mount(listing().respond_with(problem(400, "invalid")).expect(1)).await;
    assert_eq!(shop.pull(From::Start).await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_cursor_of_other_settings_asks_for_a_full_pass() {
    let shop = connected(json!({})).await;
    shop.mount(listing().respond_with(last(&[])).expect(1)).await;
    let cursor = done(&shop.pull(From::Start).await.unwrap());
    let other = connected(json!({"foreign": true})).await;
    assert_eq!(other.pull(From::Cursor(&cursor)).await.unwrap_err().kind(), ErrorKind::CursorExpired);
    assert!(other.sent().await.is_empty());
}

#[tokio::test]
async fn foreign_events_and_series_pass_through_unless_they_are_asked_for() {
    let mut series = foreign("aa11bb22cc33");
    series["recurrence"] = json!(["RRULE:FREQ=WEEKLY"]);
    let mut exception = foreign("aa11bb22cc33_20261203T080000Z");
    exception["recurringEventId"] = json!("aa11bb22cc33");
    let mut skipped = deleted("aa11bb22cc33_20261210T080000Z");
    skipped["recurringEventId"] = json!("aa11bb22cc33");
    // A person copied ours: the copy carries the marker under another id.
    let mut copy = event(MARK);
    copy["id"] = json!("c0ffee00c0ffee00c0ffee00c0ffee00");
    let items = [event(MARK), series, exception, skipped, copy];
    for (settings, expected) in [
        (json!({}), vec![MARK]),
        (
            json!({"foreign": true}),
            vec![MARK, "aa11bb22cc33", "aa11bb22cc33_20261203T080000Z", "c0ffee00c0ffee00c0ffee00c0ffee00"],
        ),
    ] {
        let shop = connected(settings).await;
        shop.mount(listing().respond_with(last(&items))).await;
        let page = shop.pull(From::Start).await.unwrap();
        assert_eq!(shown(&page), expected);
        let ours = page.changes.iter().filter(|change| matches!(change, Change::Upsert(remote) if remote.marker.is_some()));
        assert_eq!(ours.count(), 1);
    }
}

#[tokio::test]
async fn training_sessions_come_in_the_same_feed() {
    let shop = connected(json!({"foreign": true, "foreign_as": "training-sessions"})).await;
    let mut session = event("fedcba9876543210fedcba9876543210");
    session["extendedProperties"]["private"]["sync-kind"] = json!("training-sessions");
    shop.mount(listing().respond_with(last(&[event(MARK), session, foreign("aa11bb22cc33")]))).await;
    let page = shop.pull(From::Start).await.unwrap();
    let kinds: Vec<&str> = page
        .changes
        .iter()
        .map(|change| match change {
            Change::Upsert(remote) => remote.resource.as_str(),
            Change::Gone { .. } => panic!("gone"),
        })
        .collect();
    assert_eq!(kinds, ["trips", "training-sessions", "training-sessions"]);
}

#[tokio::test]
async fn what_was_over_before_the_window_is_not_handed_over_and_a_full_pass_shows_no_deletions() {
    let mut past = event("fedcba9876543210fedcba9876543210");
    past["start"]["dateTime"] = json!("2026-10-20T09:00:00+02:00");
    past["end"]["dateTime"] = json!("2026-10-20T12:00:00+02:00");
    let mut gone_past = past.clone();
    gone_past["status"] = json!("cancelled");
    let shop = connected(json!({})).await;
    let items = [past.clone(), gone_past, deleted(MARK)];
    shop.mount(listing().respond_with(last(&items))).await;
    let full = shop.pull(From::Start).await.unwrap();
    assert_eq!(shown(&full), [""; 0]);
    let delta = shop.pull(From::Cursor(&done(&full))).await.unwrap();
    assert_eq!(shown(&delta), [format!("-{MARK}")]);
}

#[tokio::test]
async fn a_calendar_that_is_gone_is_a_setting_to_correct() {
    let shop = connected(json!({})).await;
    shop.mount(listing().respond_with(problem(404, "notFound")).expect(1)).await;
    let error = shop.pull(From::Start).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.remedy().unwrap().contains("Nothing was taken for deleted"));
}

#[tokio::test]
async fn a_page_without_a_way_on_is_no_end() {
    let shop = connected(json!({})).await;
    shop.mount(listing().respond_with(ok(json!({"items": [event(MARK)]}))).expect(1)).await;
    assert_eq!(shop.pull(From::Start).await.unwrap_err().kind(), ErrorKind::BadAnswer);
}

#[tokio::test]
async fn one_event_that_makes_no_sense_does_not_hide_the_others() {
    let shop = connected(json!({})).await;
    let mut odd = event("fedcba9876543210fedcba9876543210");
    odd["start"] = json!({"dateTime": "soon"});
    shop.mount(listing().respond_with(last(&[odd, json!({"id": null}), event(MARK)]))).await;
    assert_eq!(shown(&shop.pull(From::Start).await.unwrap()), [MARK]);
}
