//! Events that move to another calendar, and what people do to them meanwhile.

use serde_json::{Value as Json, json};
use sync_core::{ErrorKind, Operation, Receipt, Remote, RemoteState, Value, Version};
use sync_sandbox::CalendarSeed;

use crate::{
    story::{ADA, Story},
    support::{CALENDAR, MARK, TRIPS, create, on, remove, update},
};

const MANTA: &str = "manta@group.calendar.google.com";

/// An event, and the operation that moves it to the calendar of its boat.
async fn to_manta() -> (Story, Operation) {
    to_manta_with("push").await
}

async fn to_manta_with(direction: &str) -> (Story, Operation) {
    let settings = json!({"calendars_by": {"field": "boat", "calendars": {"Manta": MANTA}}, "direction": direction});
    let story = Story::of(settings, |seed| seed.with_calendar(CalendarSeed::new(MANTA, "Manta", ADA))).await;
    let made = story.done(&create(MARK, on("2026-03-28"))).await;
    let op = moved(&story, made);
    (story, op)
}

fn moved(story: &Story, before: Remote) -> Operation {
    let on_manta = on("2026-03-28").with("boat", Value::text("Manta"));
    let container = story.handler.target(&TRIPS, &on_manta).container;
    Operation { container, ..update(before, on_manta, &["boat"]) }
}

fn event(story: &Story, calendar: &str) -> Json {
    story.sandbox.state()["calendars"][calendar]["events"][MARK].clone()
}

fn edit(story: &Story, calendar: &str, body: Json) -> Version {
    story.there(json!({"do": "edit", "calendar": calendar, "event": MARK, "body": body}));
    Version::new(event(story, calendar)["etag"].as_str().unwrap())
}

/// The event is made in its new calendar, and nobody hears of it; the old one is still there.
async fn half_moved(story: &Story, op: &Operation) {
    story.sandbox.set_faults(vec!["cut:op=events.delete:nth=1".parse().unwrap()]);
    let error = story.push(std::slice::from_ref(op)).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, sync_core::Effect::Unknown), "{error:?}");
    assert_eq!(
        (&event(story, CALENDAR)["status"], &event(story, MANTA)["status"]),
        (&json!("confirmed"), &json!("confirmed"))
    );
}

#[tokio::test]
async fn a_move_keeps_the_id_and_what_people_added_and_is_repeated_safely() {
    let (story, mut op) = to_manta().await;
    let version = edit(&story, CALENDAR, json!({"colorId": "5"}));
    op.before.as_mut().unwrap().version = Some(version);
    for _ in 0..2 {
        let moved = story.done(&op).await;
        assert_eq!((moved.id.as_str(), &moved.container), (MARK, &op.container));
    }
    let there = event(&story, MANTA);
    assert_eq!((&there["colorId"], &there["summary"]), (&json!("5"), &json!("Reef trip")));
    assert_eq!(event(&story, CALENDAR)["status"], json!("cancelled"));
}

/// History 548.
#[tokio::test]
async fn what_people_change_after_a_move_without_an_answer_is_news() {
    let (story, op) = to_manta().await;
    story.done(&op).await;
    edit(&story, MANTA, json!({"location": "Pier 9"}));
    let agreed = story.done(&op).await;
    assert_eq!(agreed.fields.text("location"), Some("Harbour"), "what was sent is agreed on, and no more");
    assert_eq!(event(&story, MANTA)["location"], json!("Pier 9"));
}

/// History 387.
#[tokio::test]
async fn what_people_change_where_an_event_was_calls_its_move_off() {
    let (story, op) = to_manta().await;
    half_moved(&story, &op).await;
    let version = edit(&story, CALENDAR, json!({"location": "Pier 9"}));
    assert!(matches!(story.push(std::slice::from_ref(&op)).await.unwrap()[0], Receipt::Moved));
    let (old, new) = (event(&story, CALENDAR), event(&story, MANTA));
    assert_eq!((&old["location"], &new["status"]), (&json!("Pier 9"), &json!("cancelled")));
    // Decided on again, it goes.
    let mut again = op;
    again.before.as_mut().unwrap().version = Some(version);
    assert_eq!(story.done(&again).await.container.unwrap().as_str(), MANTA);
    assert_eq!(
        (&event(&story, CALENDAR)["status"], &event(&story, MANTA)["status"]),
        (&json!("cancelled"), &json!("confirmed"))
    );
}

/// Of unknown fate as a whole: told as one item's, the copy was taken for the event, and the old one stayed. Histories 3856 and
/// 12684.
#[tokio::test]
async fn a_move_whose_first_half_cannot_be_read_is_repeated_as_a_whole() {
    let (story, op) = to_manta().await;
    story.sandbox.set_faults(vec!["garbage:op=events.insert:nth=1".parse().unwrap()]);
    let error = story.push(std::slice::from_ref(&op)).await.unwrap_err();
    assert_eq!(error.effect(), sync_core::Effect::Unknown, "{error:?}");
    assert_eq!(story.done(&op).await.container.unwrap().as_str(), MANTA);
    assert_eq!(event(&story, CALENDAR)["status"], json!("cancelled"));
}

/// History 10053.
#[tokio::test]
async fn what_was_brought_back_already_is_not_written_over() {
    let (story, op) = to_manta().await;
    let made = *op.before.unwrap();
    assert!(matches!(story.push(&[remove(made.clone())]).await.unwrap()[0], Receipt::Done { .. }));
    let removed = Remote { version: None, state: RemoteState::Archived, ..made };
    let back = update(removed, on("2026-03-28"), &["title", "date", "start_time", "end_time", "location"]);
    story.done(&back).await;
    edit(&story, CALENDAR, json!({"location": "Pier 9"}));
    let agreed = story.done(&back).await;
    assert_eq!(agreed.fields.text("location"), Some("Harbour"), "what was sent is agreed on, and no more");
    assert_eq!(event(&story, CALENDAR)["location"], json!("Pier 9"));
}

#[tokio::test]
async fn what_people_change_in_both_calendars_is_theirs_to_settle_where_both_sides_count() {
    let (story, op) = to_manta_with("both").await;
    half_moved(&story, &op).await;
    edit(&story, CALENDAR, json!({"location": "Pier 9"}));
    edit(&story, MANTA, json!({"summary": "Wreck"}));
    let receipts = story.push(std::slice::from_ref(&op)).await.unwrap();
    assert!(matches!(&receipts[0], Receipt::Refused(error) if error.remedy().is_some()), "{receipts:?}");
    assert_eq!(
        (&event(&story, CALENDAR)["location"], &event(&story, MANTA)["summary"]),
        (&json!("Pier 9"), &json!("Wreck"))
    );
}

/// History 9620.
#[tokio::test]
async fn where_the_host_alone_counts_the_copy_of_an_interrupted_move_goes_whatever_people_made_of_it() {
    let (story, op) = to_manta().await;
    half_moved(&story, &op).await;
    edit(&story, CALENDAR, json!({"location": "Pier 9"}));
    edit(&story, MANTA, json!({"summary": "Wreck"}));
    let receipts = story.push(std::slice::from_ref(&op)).await.unwrap();
    assert!(matches!(receipts[0], Receipt::Moved), "{receipts:?}");
    assert_eq!(event(&story, MANTA)["status"], json!("cancelled"));
}
