//! What an operation comes to.

use serde_json::json;
use sync_core::{ErrorKind, Facts, Operation, RemoteState, Safety, Serial, Value, Verb};

use crate::support::{CALENDAR, MARK, configured, connected, create, on, remote, remove, trip, update};

#[tokio::test]
async fn all_that_is_done_in_a_calendar_shares_serial_calls() {
    let shop = connected(json!({})).await;
    let ops = [create(MARK, trip()), update(remote(MARK, trip()), trip(), &["title"]), remove(remote(MARK, trip()))];
    let parts: Vec<_> = ops.iter().flat_map(|op| shop.parts(op)).collect();
    assert_eq!(parts.iter().map(|part| part.cost).collect::<Vec<_>>(), [1, 3, 1]);
    for part in parts {
        assert_eq!(part.group, format!("events:{CALENDAR}"));
        assert_eq!((part.max, part.serial, part.safety), (50, Serial::Always, Safety::ClientId));
        assert!(part.effects.is_empty());
    }
}

#[tokio::test]
async fn a_batch_is_as_large_as_configured_and_never_dearer_than_a_minute() {
    for (batch_size, expected) in [(1, 1), (180, 180), (1000, 180)] {
        let shop = configured(json!({"batch_size": batch_size}), json!({})).await;
        assert_eq!(shop.parts(&create(MARK, trip()))[0].max, expected);
    }
}

#[tokio::test]
async fn past_events_are_neither_written_nor_deleted() {
    let shop = connected(json!({})).await;
    let over = || on("2026-10-20");
    for op in [
        create(MARK, over()),
        update(remote(MARK, over()), over(), &["title"]),
        update(remote(MARK, over()), trip(), &["date"]),
        remove(remote(MARK, over())),
    ] {
        let skip = shop.skip(&op);
        assert_eq!((skip.code.as_ref(), skip.until), ("past", None), "{:?}", op.verb);
    }
    // The edge itself still counts, and a trip that was moved back is shown where it is now.
    shop.parts(&create(MARK, on("2026-10-23")));
    shop.parts(&update(remote(MARK, trip()), over(), &["date"]));
}

#[tokio::test]
async fn what_is_far_ahead_waits_and_what_is_there_already_is_kept_up() {
    let shop = connected(json!({})).await;
    let skip = shop.skip(&create(MARK, on("2028-06-01")));
    assert_eq!((skip.code.as_ref(), skip.until), ("far-ahead", Some("2026-12-01T00:00:00Z".parse().unwrap())));
    shop.parts(&update(remote(MARK, trip()), on("2028-06-01"), &["date"]));
    shop.parts(&remove(remote(MARK, on("2028-06-01"))));
}

#[tokio::test]
async fn what_does_not_show_there_is_not_written() {
    let shop = connected(json!({})).await;
    assert!(shop.parts(&update(remote(MARK, trip()), trip(), &[])).is_empty());
    let unseen = trip().with("instructor", Value::text("I-7"));
    assert!(shop.parts(&update(remote(MARK, trip()), unseen, &["instructor", "changed_at"])).is_empty());
}

#[tokio::test]
async fn what_was_deleted_is_revived_and_what_goes_elsewhere_moves() {
    let shop = connected(json!({})).await;
    let mut gone = remote(MARK, trip());
    gone.state = RemoteState::Archived;
    let back = update(gone, trip(), &["title"]);
    assert_eq!(shop.parts(&back)[0].group, format!("events:{CALENDAR}"));
    let mut elsewhere = remote(MARK, trip());
    elsewhere.container = Some("old".into());
    let part = &shop.parts(&update(elsewhere, trip(), &["boat"]))[0];
    assert_eq!((part.group.as_ref(), part.max), (format!("move:{CALENDAR}").as_str(), 1));
}

#[tokio::test]
async fn a_record_that_no_event_can_say_is_refused_with_a_remedy() {
    let shop = connected(json!({})).await;
    let mut without_date = trip();
    without_date.remove("date");
    for fields in [
        without_date,
        trip().with("title", Value::text("")),
        trip().with("title", Value::text("x".repeat(2000))),
        trip().with("zone", Value::text("Mars/Olympus")),
        trip().with("end_date", Value::Date("2026-12-02".parse().unwrap())),
        trip().with("start_time", Value::text("soon")),
        trip().with("date", Value::text("tomorrow")),
    ] {
        let error = shop.prepare(&create(MARK, fields)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.remedy().is_some(), "{error}");
    }
}

#[tokio::test]
async fn without_a_look_at_the_calendar_no_zone_is_guessed() {
    let mut shop = connected(json!({})).await;
    shop.facts = Facts::new();
    let error = shop.prepare(&create(MARK, trip())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let mut shop = connected(json!({"zone": "Europe/Madrid"})).await;
    shop.facts = Facts::new();
    shop.parts(&create(MARK, trip()));
}

#[tokio::test]
async fn a_marker_that_is_no_id_is_a_defect_and_not_sent() {
    let shop = connected(json!({})).await;
    for verb in [Verb::Create, Verb::Update] {
        let op = Operation { verb, ..create("NOT-AN-ID", trip()) };
        assert_eq!(shop.prepare(&op).unwrap_err().kind(), ErrorKind::Internal);
    }
}
