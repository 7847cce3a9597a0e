//! Trips and sessions go out.

use serde_json::json;
use sync_core::Value;
use sync_tests::{CANARY, Harbour, ORG, SESSIONS, harbour::CALENDAR};

#[test]
fn trips_and_sessions_go_out_in_batches_and_a_second_run_only_asks() {
    let harbour = Harbour::new(json!({}), 1);
    for i in 0..120 {
        harbour.put(&format!("t{i:03}"), harbour.trip(&format!("Trip {i}"), 1 + i));
    }
    for i in 0..30 {
        harbour.shop.put(ORG, &SESSIONS, &format!("s{i:02}"), harbour.trip(&format!("Session {i}"), 2 + i));
    }
    let plan = harbour.sync();
    assert!(!plan.success && plan.synced == 0, "the first plan waits: {plan:?}");
    assert!(harbour.events(CALENDAR).is_empty());
    harbour.wire.take_log();
    let result = harbour.agree();
    assert_eq!((result.success, result.synced), (true, 150), "{result:?}");
    let writes = harbour.wire.take_log().iter().filter(|sent| sent.is_write()).count();
    assert_eq!(writes, 3 + 1, "50 in a batch");
    assert_eq!(harbour.events(CALENDAR).len(), 150);
    harbour.settle();
    assert!(harbour.refused().is_empty(), "{:?}", harbour.refused());
    let state = harbour.sandbox.summary();
    assert_eq!((state["mails_sent"].as_u64(), state["invitations"].as_u64()), (Some(0), Some(0)));
    assert!(!harbour.sandbox.state().to_string().contains(CANARY));
}

#[test]
fn night_dives_whole_days_and_both_changes_of_the_clocks_keep_their_local_time() {
    let harbour = Harbour::new(json!({}), 1);
    let night = harbour.trip("Night", 3).with("start_time", Value::text("22:00")).with("end_time", Value::text("00:30"));
    harbour.put("night", night);
    let mut whole = harbour.trip("Whole day", 4);
    whole.remove("start_time");
    whole.remove("end_time");
    harbour.put("whole", whole.with("end_date", Value::Date(harbour.day(5))));
    let result = harbour.agree();
    assert!(result.success, "{result:?}");
    let night = harbour.event("Night");
    let at = |event: &serde_json::Value, side: &str| event[side]["dateTime"].as_str().unwrap().to_owned();
    assert!(at(&night, "start").contains("T22:00:00"), "{night}");
    assert!(at(&night, "end").starts_with(&harbour.day(4).to_string()), "{night}");
    let whole = harbour.event("Whole day");
    assert_eq!(whole["start"]["date"], harbour.day(4).to_string());
    assert_eq!(whole["end"]["date"], harbour.day(6).to_string(), "the end is the day after");
    harbour.settle();
    // A year of days, among them both on which the clocks change.
    for i in 0..365 {
        harbour.put(&format!("d{i:03}"), harbour.trip(&format!("Day {i}"), 1 + i));
    }
    let result = harbour.agree();
    assert_eq!((result.success, result.synced), (true, 365), "{result:?}");
    for event in harbour.events(CALENDAR).values().filter(|event| event["summary"].as_str().unwrap().starts_with("Day")) {
        assert!(at(event, "start").contains("T09:00:00"), "{event}");
    }
    harbour.settle();
}

#[test]
fn bad_trips_are_named_and_the_others_go() {
    let harbour = Harbour::new(json!({}), 1);
    harbour.put("good", harbour.trip("Good", 3));
    harbour.put("zone", harbour.trip("Zone", 3).with("zone", Value::text("Atlantis/Deep")));
    let ends = harbour.trip("Ends before it starts", 3).with("end_date", Value::Date(harbour.day(1)));
    harbour.put("ends", ends);
    harbour.put("time", harbour.trip("Time", 3).with("start_time", Value::text("quarter past nine")));
    harbour.put("long", harbour.trip(&"x".repeat(2_000), 3));
    harbour.put("odd/ ?#%ü", harbour.trip("Odd id", 4));
    let result = harbour.agree();
    assert_eq!((result.success, result.failed >= 3), (false, true), "{result:?}");
    let lines = result.errors.unwrap().join("\n");
    assert!(lines.contains("zone"), "{lines}");
    for title in ["Good", "Odd id"] {
        harbour.event(title);
    }
    // Corrected, they go.
    harbour.edit("zone", "zone", Value::text("Europe/Madrid"));
    let result = harbour.sync();
    harbour.event("Zone");
    assert_eq!(result.synced, 1, "{result:?}");
}

#[test]
fn what_is_past_or_far_ahead_is_left_out_and_a_cancelled_trip_stays_marked() {
    let harbour = Harbour::new(json!({}), 1);
    harbour.put("past", harbour.trip("Past", -40));
    harbour.put("far", harbour.trip("Far", 800));
    harbour.put("storm", harbour.trip("Storm", 5));
    let result = harbour.agree();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    harbour.edit("storm", "status", Value::text("cancelled"));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    let event = harbour.event("Cancelled: Storm");
    assert_eq!(event["transparency"], "transparent", "{event}");
    harbour.settle();
    harbour.edit("storm", "status", Value::text("scheduled"));
    harbour.sync();
    harbour.event("Storm");
    harbour.settle();
}
