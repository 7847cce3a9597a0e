//! The captain edits his calendar while the shop edits its trips.

use serde_json::json;
use sync_core::Value;
use sync_testkit::Shop;
use sync_tests::{
    Harbour,
    harbour::{CALENDAR, SECOND},
};

fn open(settings: serde_json::Value) -> Harbour {
    let harbour = Harbour::new(settings, 3);
    harbour.put("reef", harbour.trip("Reef", 5));
    harbour.put("wreck", harbour.trip("Wreck", 6));
    let result = harbour.agree();
    assert_eq!((result.success, result.synced), (true, 2), "{result:?}");
    harbour.settle();
    harbour
}

#[test]
fn the_captain_moves_a_trip_while_the_shop_renames_it_and_both_count() {
    let harbour = open(json!({}));
    harbour.shift("Reef", 60);
    harbour.edit("reef", "title", Value::text("Deep reef"));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(harbour.text("reef", "start_time").as_deref(), Some("10:00"));
    assert_eq!(harbour.text("reef", "end_time").as_deref(), Some("14:00"));
    let event = harbour.event("Deep reef");
    assert!(event["start"]["dateTime"].as_str().unwrap().contains("T10:00:00"), "{event}");
    harbour.settle();
    assert!(harbour.refused().is_empty(), "{:?}", harbour.refused());
}

#[test]
fn both_move_one_and_a_person_decides() {
    let harbour = open(json!({}));
    harbour.shift("Reef", 60);
    harbour.edit("reef", "start_time", Value::text("08:00"));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 0), "{result:?}");
    assert_eq!(harbour.questions()[0].code, "conflict");
    harbour.answer("theirs");
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(harbour.text("reef", "start_time").as_deref(), Some("10:00"));
    harbour.settle();
}

#[test]
fn a_trip_that_people_have_booked_is_not_moved_without_asking() {
    let harbour = open(json!({}));
    harbour.edit("reef", "booked", Value::Decimal(7.into()));
    harbour.sync();
    harbour.settle();
    harbour.shift("Reef", 60);
    harbour.sync();
    assert_eq!(harbour.questions()[0].code, "guarded");
    assert_eq!(harbour.text("reef", "start_time").as_deref(), Some("09:00"));
    harbour.answer("put-back");
    let result = harbour.sync();
    assert!(result.success, "{result:?}");
    assert!(harbour.event("Reef")["start"]["dateTime"].as_str().unwrap().contains("T09:00:00"));
    harbour.settle();
}

#[test]
fn this_and_all_following_moved_in_the_calendar_is_one_question() {
    let harbour = Harbour::new(json!({"direction": "both"}), 3);
    for week in 0..4 {
        let trip = harbour.trip(&format!("Sunday {week}"), 3 + 7 * week);
        let booked = Value::Decimal(5.into());
        harbour.put(&format!("s{week}"), trip.with("series", Value::text("sundays")).with("booked", booked));
    }
    assert!(harbour.agree().success);
    harbour.settle();
    for week in 1..4 {
        harbour.shift(&format!("Sunday {week}"), 90);
    }
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 0), "{result:?}");
    let questions = harbour.questions();
    assert_eq!((questions.len(), questions[0].locals.len()), (1, 3), "{questions:?}");
    harbour.answer("accept");
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 3), "{result:?}");
    let starts = ["s0", "s1", "s2", "s3"].map(|id| harbour.text(id, "start_time").unwrap());
    assert_eq!(starts, ["09:00", "10:30", "10:30", "10:30"]);
    harbour.settle();
}

#[test]
fn a_series_of_somebody_else_passes_through_when_it_is_split() {
    let harbour = open(json!({"on_remote_new": "create"}));
    let at = |hour: u32| json!({"dateTime": format!("{}T{hour:02}:00:00", harbour.day(3)), "timeZone": "Europe/Madrid"});
    let body = json!({"summary": "Yoga", "start": at(7), "end": at(8), "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=8"]});
    let made = harbour.act(json!({"do": "create", "calendar": CALENDAR, "body": body}));
    let series = made["event"].as_str().unwrap().to_owned();
    assert_eq!(harbour.sync().synced, 0);
    let third = harbour.day(17).strftime("%Y%m%d").to_string();
    let instance = harbour.events(CALENDAR).keys().find(|id| id.starts_with(&format!("{series}_{third}"))).cloned();
    let event = instance.unwrap_or_else(|| format!("{series}_{third}T060000Z"));
    harbour.act(json!({"do": "split-series", "calendar": CALENDAR, "event": event, "body": {"summary": "Yoga, later"}}));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 0), "{result:?}");
    assert!(harbour.questions().is_empty());
    let shown = serde_json::Value::Object(harbour.events(CALENDAR)).to_string();
    assert!(shown.contains("Yoga, later") && shown.contains("RRULE"), "{shown}");
    harbour.settle();
}

#[test]
fn an_event_that_he_deletes_is_flagged_and_the_trip_lives_on() {
    let harbour = open(json!({}));
    harbour.delete("Reef");
    let result = harbour.sync();
    assert!(result.success, "{result:?}");
    assert_eq!(harbour.questions()[0].code, "gone-there");
    assert_eq!(harbour.text("reef", "title").as_deref(), Some("Reef"));
    // Answered, it is there again: a deleted id is revived, never doubled.
    harbour.answer("create");
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(harbour.events(CALENDAR).len(), 2);
    harbour.settle();
}

#[test]
fn the_host_refuses_a_move_in_its_own_words() {
    let harbour = open(json!({}));
    harbour.shop.rule(Some(Box::new(|write| {
        let moves = write.fields.value("start_time").is_some();
        moves.then(|| ("boat Manta is out that day".to_owned(), "Choose another day.".to_owned()))
    })));
    harbour.shift("Reef", 60);
    let result = harbour.sync();
    assert!(result.success, "{result:?}");
    assert!(harbour.questions()[0].prompt.contains("boat Manta is out that day"));
    harbour.answer("put-back");
    let result = harbour.sync();
    assert!(result.success, "{result:?}");
    assert!(harbour.event("Reef")["start"]["dateTime"].as_str().unwrap().contains("T09:00:00"));
    harbour.settle();
}

#[test]
fn another_zone_for_the_same_moment_is_no_change() {
    let harbour = open(json!({}));
    let event = harbour.event("Reef");
    let at = |side: &str| {
        let instant: jiff::Timestamp = event[side]["dateTime"].as_str().unwrap().parse().unwrap();
        json!({"dateTime": instant.to_string(), "timeZone": "UTC"})
    };
    let body = json!({"start": at("start"), "end": at("end")});
    harbour.act(json!({"do": "edit", "calendar": CALENDAR, "event": event["id"], "body": body}));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 0), "{result:?}");
    assert_eq!(harbour.text("reef", "start_time").as_deref(), Some("09:00"));
    harbour.settle();
}

#[test]
fn what_people_add_to_an_event_survives_our_changes() {
    let harbour = open(json!({}));
    let id = harbour.id_of("Reef");
    let body = json!({"colorId": "5", "attendees": [{"email": "guest@example.com"}]});
    harbour.act(json!({"do": "edit", "calendar": CALENDAR, "event": id, "body": body}));
    harbour.edit("reef", "title", Value::text("Deep reef"));
    let result = harbour.sync();
    assert!(result.success, "{result:?}");
    let event = harbour.event("Deep reef");
    assert_eq!((event["colorId"].as_str(), event["attendees"][0]["email"].as_str()), (Some("5"), Some("guest@example.com")));
    harbour.settle();
}

#[test]
fn a_boat_with_a_calendar_of_its_own_gets_its_trips_there_and_a_move_keeps_the_link() {
    let harbour = open(json!({"calendars_by": {"field": "boat", "calendars": {"Dory": SECOND}}}));
    harbour.edit("reef", "boat", Value::text("Dory"));
    let result = harbour.agree();
    assert!(result.success, "{result:?}");
    assert_eq!((harbour.events(CALENDAR).len(), harbour.events(SECOND).len()), (1, 1));
    harbour.sync();
    harbour.settle();
    harbour.edit("reef", "title", Value::text("Deep reef"));
    harbour.sync();
    assert_eq!(harbour.events(SECOND).values().next().unwrap()["summary"], "Deep reef");
    harbour.settle();
}

#[test]
fn another_calendar_in_the_settings_takes_all_events_along() {
    let harbour = open(json!({}));
    harbour.clock.block_on(harbour.rig.set(sync_tests::ORG, |settings| settings["calendar"] = json!(SECOND))).unwrap();
    let plan = harbour.sync();
    assert!(!plan.success && plan.synced == 0, "a first plan for the new calendar waits: {plan:?}");
    let result = harbour.agree();
    assert!(result.success, "{result:?}");
    assert_eq!((harbour.events(CALENDAR).len(), harbour.events(SECOND).len()), (0, 2));
    harbour.settle();
    let id = harbour.events(SECOND).iter().find(|(_, event)| event["summary"] == "Reef").unwrap().0.clone();
    harbour.act(json!({"do": "shift", "calendar": SECOND, "event": id, "minutes": 60}));
    harbour.sync();
    assert_eq!(harbour.text("reef", "start_time").as_deref(), Some("10:00"));
    harbour.settle();
}

#[test]
fn other_peoples_events_and_copies_pass_through_unharmed() {
    let harbour = open(json!({"on_remote_new": "create"}));
    let body = json!({"summary": "Dentist", "start": {"date": harbour.day(3).to_string()}, "end": {"date": harbour.day(4).to_string()}});
    harbour.act(json!({"do": "create", "calendar": CALENDAR, "body": body}));
    harbour.act(json!({"do": "copy", "calendar": CALENDAR, "event": harbour.id_of("Reef")}));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 0), "{result:?}");
    assert_eq!(harbour.events(CALENDAR).len(), 4);
    let _: &Shop = &harbour.shop;
    assert_eq!(harbour.text("reef", "title").as_deref(), Some("Reef"));
    harbour.settle();
}

#[test]
fn foreign_events_become_trips_where_the_settings_say_so() {
    let harbour = open(json!({"on_remote_new": "create", "foreign": true}));
    let body = json!({"summary": "Charter", "start": {"dateTime": format!("{}T10:00:00+02:00", harbour.day(3)), "timeZone": "Europe/Madrid"},
        "end": {"dateTime": format!("{}T12:00:00+02:00", harbour.day(3)), "timeZone": "Europe/Madrid"}});
    let made = harbour.act(json!({"do": "create", "calendar": CALENDAR, "body": body}));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{made}: {result:?}");
    let rows = harbour.shop.rows(sync_tests::ORG, &sync_tests::harbour::TRIPS);
    assert_eq!(rows.len(), 3);
    assert!(rows.values().any(|record| record.text("title") == Some("Charter")));
    harbour.settle();
}

/// The codes of what became of a trip, run by run.
fn codes(harbour: &Harbour, id: &str) -> Vec<String> {
    let scope = harbour.rig.scope(sync_tests::ORG);
    let trail = harbour.clock.block_on(harbour.rig.store().trail(&scope, id, 100)).unwrap();
    trail.into_iter().map(|(_, row)| row.outcome.code.to_string()).collect()
}

#[test]
fn a_conflict_that_the_policy_settles_for_the_shop_is_told_too() {
    let harbour = open(json!({"conflicts": {"location": "local-wins"}}));
    let body = json!({"location": "Pier 9"});
    harbour.act(json!({"do": "edit", "calendar": CALENDAR, "event": harbour.id_of("Reef"), "body": body}));
    harbour.edit("reef", "location", Value::text("Pier 4"));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(harbour.event("Reef")["location"], "Pier 4");
    assert!(codes(&harbour, "reef").contains(&"conflict-settled".to_owned()), "{:?}", codes(&harbour, "reef"));
    harbour.settle();
}

#[test]
fn an_event_that_comes_back_since_the_shop_changed_its_trip_is_told() {
    let harbour = open(json!({}));
    harbour.delete("Reef");
    harbour.edit("reef", "location", Value::text("Pier 4"));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(harbour.event("Reef")["location"], "Pier 4");
    assert!(codes(&harbour, "reef").contains(&"edit-beats-delete".to_owned()), "{:?}", codes(&harbour, "reef"));
    harbour.settle();
}

#[test]
fn where_the_shop_alone_counts_a_deleted_trip_goes_although_its_event_was_moved() {
    let harbour = open(json!({"direction": "push"}));
    harbour.shift("Reef", 60);
    harbour.shop.delete(sync_tests::ORG, &sync_tests::harbour::TRIPS, "reef");
    let result = harbour.sync();
    assert_eq!((result.success, result.failed), (true, 0), "{result:?}");
    assert_eq!(harbour.events(CALENDAR).len(), 1);
}
