//! What goes wrong between shop and calendar.

use std::time::Duration;

use serde_json::json;
use sync_core::{Stop, Value};
use sync_testkit::{Fault, FaultRule, On};
use sync_tests::{
    Harbour,
    harbour::{CALENDAR, CAPTAIN, SECOND, SHARED},
};

#[test]
fn lost_answers_make_no_twins() {
    for seed in 0..5 {
        let harbour = Harbour::new(json!({}), seed);
        for i in 0..140 {
            harbour.put(&format!("t{i:03}"), harbour.trip(&format!("Trip {i}"), 1 + i));
        }
        harbour.wire.add(FaultRule::always(Fault::CutAfter).on(On::Writes).chance(0.4));
        harbour.agree();
        for _ in 0..6 {
            harbour.sync_through();
        }
        harbour.wire.heal();
        let result = harbour.sync_through();
        assert!(result.success, "seed {seed}: {result:?}");
        assert_eq!(harbour.events(CALENDAR).len(), 140, "seed {seed}");
        harbour.settle();
    }
}

#[test]
fn an_expired_sync_token_costs_a_full_pass_and_finds_what_was_deleted() {
    for with_400 in [false, true] {
        let harbour = Harbour::new(json!({}), 7);
        for i in 0..60 {
            harbour.put(&format!("t{i:03}"), harbour.trip(&format!("Trip {i}"), 1 + i));
        }
        assert!(harbour.agree().success);
        harbour.settle();
        harbour.delete("Trip 7");
        harbour.shift("Trip 8", 30);
        harbour.act(json!({"do": "expire-sync-tokens", "calendar": CALENDAR, "with_400": with_400}));
        let result = harbour.sync();
        assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
        assert_eq!(harbour.questions().len(), 1);
        assert_eq!(harbour.text("t008", "start_time").as_deref(), Some("09:30"));
        harbour.settle();
    }
}

#[test]
fn a_calendar_that_was_deleted_is_one_problem_and_harms_nothing() {
    let harbour = Harbour::new(json!({}), 7);
    for i in 0..60 {
        harbour.put(&format!("t{i:03}"), harbour.trip(&format!("Trip {i}"), 1 + i));
    }
    assert!(harbour.agree().success);
    harbour.act(json!({"do": "delete-calendar", "calendar": CALENDAR}));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced, result.errors.as_ref().map(Vec::len)), (false, 0, Some(1)), "{result:?}");
    assert!(harbour.questions().is_empty(), "no trip is asked about");
    assert_eq!(harbour.text("t001", "title").as_deref(), Some("Trip 1"));
}

#[test]
fn a_calendar_that_is_shared_no_more_is_one_problem_and_comes_back_unharmed() {
    let harbour = Harbour::new(json!({}), 7);
    harbour.act(json!({"do": "share", "calendar": SHARED, "user": CAPTAIN, "role": "writer"}));
    harbour.clock.block_on(harbour.rig.set(sync_tests::ORG, |settings| settings["calendar"] = json!(SHARED))).unwrap();
    for i in 0..20 {
        harbour.put(&format!("t{i:03}"), harbour.trip(&format!("Trip {i}"), 1 + i));
    }
    assert!(harbour.agree().success);
    harbour.settle();
    harbour.act(json!({"do": "unshare", "calendar": SHARED, "user": CAPTAIN}));
    harbour.edit("t001", "title", Value::text("Renamed"));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced, result.errors.as_ref().map(Vec::len)), (false, 0, Some(1)), "{result:?}");
    assert!(harbour.questions().is_empty(), "no trip is asked about");
    harbour.act(json!({"do": "share", "calendar": SHARED, "user": CAPTAIN, "role": "writer"}));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    harbour.settle();
}

#[test]
fn a_revoked_grant_needs_a_person() {
    let harbour = Harbour::new(json!({}), 7);
    harbour.put("reef", harbour.trip("Reef", 5));
    assert!(harbour.agree().success);
    harbour.act(json!({"do": "revoke", "user": sync_tests::harbour::CAPTAIN}));
    harbour.edit("reef", "title", Value::text("Deep reef"));
    let result = harbour.sync();
    assert_eq!(result.details.unwrap().stopped, Some(Stop::Reconnect));
}

#[test]
fn an_event_that_changes_while_it_is_written_is_read_again_and_merged() {
    let harbour = Harbour::new(json!({}), 7);
    harbour.put("reef", harbour.trip("Reef", 5));
    assert!(harbour.agree().success);
    harbour.settle();
    // Seen by nobody: the connection pushes alone, so that its version is stale.
    harbour.clock.block_on(harbour.rig.set(sync_tests::ORG, |settings| settings["direction"] = json!("push"))).unwrap();
    harbour.act(json!({"do": "touch", "calendar": CALENDAR, "event": harbour.id_of("Reef")}));
    harbour.edit("reef", "title", Value::text("Deep reef"));
    let result = harbour.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    harbour.event("Deep reef");
}

#[test]
fn a_clock_that_is_an_hour_off_harms_nothing() {
    for minutes in [-60, 60] {
        let harbour = Harbour::skewed(json!({}), 7, jiff::SignedDuration::from_mins(minutes));
        for i in 0..20 {
            harbour.put(&format!("t{i:03}"), harbour.trip(&format!("Trip {i}"), 1 + i));
        }
        let result = harbour.agree();
        assert_eq!((result.success, result.synced), (true, 20), "{minutes}: {result:?}");
        harbour.settle();
        harbour.shift("Trip 3", 30);
        harbour.edit("t004", "title", Value::text("Renamed"));
        let result = harbour.sync();
        assert_eq!((result.success, result.synced), (true, 2), "{minutes}: {result:?}");
        assert_eq!(harbour.text("t003", "start_time").as_deref(), Some("09:30"), "{minutes}");
        harbour.event("Renamed");
        harbour.settle();
    }
}

#[test]
fn outages_and_noise_lose_nothing() {
    for (n, fault) in [
        Fault::status(http::StatusCode::SERVICE_UNAVAILABLE),
        Fault::too_fast(5),
        Fault::html(http::StatusCode::BAD_GATEWAY),
        Fault::TimedOutThenDone(Duration::from_secs(100)),
    ]
    .into_iter()
    .enumerate()
    {
        let harbour = Harbour::new(json!({}), n as u64);
        for i in 0..60 {
            harbour.put(&format!("t{i:03}"), harbour.trip(&format!("Trip {i}"), 1 + i));
        }
        assert!(harbour.agree().success);
        harbour.settle();
        harbour.wire.add(FaultRule::always(fault).chance(0.3));
        for i in 0..20 {
            harbour.edit(&format!("t{i:03}"), "title", Value::text(format!("Renamed {i}")));
            harbour.shift(&format!("Trip {}", 30 + i), 15);
        }
        for _ in 0..8 {
            harbour.sync_through();
            harbour.clock.advance(Duration::from_secs(3600));
        }
        harbour.wire.heal();
        harbour.clock.advance(Duration::from_secs(24 * 3600));
        let result = harbour.sync_through();
        assert!(result.success, "{n}: {result:?}");
        for i in 0..20 {
            harbour.event(&format!("Renamed {i}"));
            assert_eq!(harbour.text(&format!("t{:03}", 30 + i), "start_time").as_deref(), Some("09:15"), "{n}");
        }
        assert_eq!(harbour.events(CALENDAR).len(), 60, "{n}");
        harbour.settle();
    }
}

/// Random histories, seed 9620: it lay in both calendars, and people were told to delete one.
#[test]
fn a_move_that_was_cut_off_is_done_again_whatever_people_made_of_both_where_the_host_alone_counts() {
    let settings = json!({"direction": "push", "calendars_by": {"field": "boat", "calendars": {"Dory": SECOND}}});
    let harbour = Harbour::new(settings, 7);
    harbour.put("reef", harbour.trip("Reef", 5));
    assert!(harbour.agree().success);
    let event = harbour.id_of("Reef");
    harbour.edit("reef", "boat", Value::text("Dory"));
    // Made where it goes, and not deleted where it was.
    harbour.wire.add(FaultRule::once(Fault::CutAfter).on(On::Writes));
    harbour.sync();
    assert_eq!((harbour.events(CALENDAR).len(), harbour.events(SECOND).len()), (1, 1));
    for calendar in [CALENDAR, SECOND] {
        harbour.act(json!({"do": "shift", "calendar": calendar, "event": event, "minutes": 30}));
    }
    harbour.clock.advance(Duration::from_secs(600));
    let result = harbour.sync_through();
    assert!(result.success, "{result:?}");
    assert_eq!((harbour.events(CALENDAR).len(), harbour.events(SECOND).len()), (0, 1));
    let events = harbour.events(SECOND);
    assert!(events.values().next().unwrap()["start"]["dateTime"].as_str().unwrap().contains("T09:00:00"));
    harbour.settle();
}
