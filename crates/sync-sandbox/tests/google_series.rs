//! Recurring events. R as in `google_events.rs`.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use http::Method;
use serde_json::{Value, json};
use support::google::{Lab, TRIPS, event, events, ids, of, reason, trip};
use sync_sandbox::SandboxOptions;

const SERIES: &str = "series01";
const SECOND: &str = "series01_20260404T070000Z";

/// Each day from 3 April 2026, four times.
fn series() -> Value {
    let mut series = trip(SERIES);
    series["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=4"]);
    series
}

fn lab() -> Lab {
    Lab::with(of(&[series()]), SandboxOptions::default())
}

// R/events, `recurringEventId` and `originalStartTime`; R/events/instances.
#[test]
fn occurrences_have_ids_of_their_own_and_share_the_ical_uid() {
    let lab = lab();
    let (status, body) = lab.get(&(event(SERIES) + "/instances"));
    let items = body["items"].as_array().expect("items");
    assert_eq!((status, items.len(), ids(items)[1]), (200, 4, SECOND));
    assert!(items.iter().all(|one| one["iCalUID"] == items[0]["iCalUID"] && one["recurringEventId"] == SERIES));
    assert_eq!(items[1]["originalStartTime"]["dateTime"], "2026-04-04T09:00:00+02:00");
    let (status, one) = lab.get(&event(SECOND));
    assert_eq!((status, one.get("recurrence"), &one["end"]["dateTime"]), (200, None, &json!("2026-04-04T12:00:00+02:00")));
    assert_eq!(lab.get(&event("series01_20260410T070000Z")).0, 404, "no such occurrence");
    assert_eq!(lab.get(&events("")).1["items"].as_array().map(Vec::len), Some(1), "the series alone is listed");
    let (expanded, ..) = lab.pages("singleEvents=true&maxResults=3");
    assert_eq!(expanded.len(), 4);
}

// R/events/list, `singleEvents`; R/events, `status`: cancelled occurrences are listed beside their series.
#[test]
fn an_occurrence_is_moved_and_another_one_cancelled() {
    let lab = lab();
    let token = lab.pages("").1.expect("a token");
    let times =
        json!({"start": {"dateTime": "2026-04-04T15:00:00+02:00"}, "end": {"dateTime": "2026-04-04T18:00:00+02:00"}});
    let (status, moved) = lab.patch(&event(SECOND), times);
    assert_eq!((status, &moved["originalStartTime"]["dateTime"]), (200, &json!("2026-04-04T09:00:00+02:00")));
    let third = "series01_20260405T070000Z";
    assert_eq!(lab.delete(&event(third)).0, 204);
    let (items, ..) = lab.pages("");
    assert_eq!(ids(&items), [SERIES, SECOND, third]);
    assert_eq!((&items[2]["status"], items[2].get("start")), (&json!("cancelled"), None), "only what is sure");
    assert_eq!(items[2]["originalStartTime"]["dateTime"], "2026-04-05T09:00:00+02:00");
    assert_eq!(ids(&lab.since(&token).0), [SECOND, third]);
    let (expanded, ..) = lab.pages("singleEvents=true&orderBy=startTime");
    assert_eq!(expanded.len(), 3);
    assert_eq!(expanded[1]["start"]["dateTime"], "2026-04-04T15:00:00+02:00");
    let (status, back) = lab.patch(&event(third), json!({"status": "confirmed"}));
    assert_eq!((status, &back["start"]["dateTime"]), (200, &json!("2026-04-05T09:00:00+02:00")));
}

#[test]
fn a_deleted_series_takes_its_occurrences_along() {
    let lab = lab();
    lab.patch(&event(SECOND), json!({"summary": "Special"}));
    let token = lab.pages("").1.expect("a token");
    lab.person("delete", SERIES);
    let (items, _) = lab.since(&token);
    assert!(items.iter().all(|item| item["status"] == "cancelled"), "{items:?}");
    assert_eq!(ids(&items), [SECOND, SERIES]);
    assert_eq!(lab.get(&event("series01_20260405T070000Z")).0, 404);
}

#[test]
fn this_and_all_following_makes_two_series() {
    let lab = lab();
    let action = json!({"do": "split-series", "calendar": TRIPS, "event": SECOND, "body": {"summary": "Later"}});
    let new = lab.act(action)["event"].as_str().expect("an id").to_owned();
    let (_, old) = lab.get(&event(SERIES));
    assert_eq!(old["recurrence"], json!(["RRULE:FREQ=DAILY;UNTIL=20260404T065959Z"]));
    let (_, body) = lab.get(&(event(SERIES) + "/instances"));
    assert_eq!(body["items"].as_array().map(Vec::len), Some(1));
    let (_, rest) = lab.get(&event(&new));
    assert_eq!((&rest["summary"], &rest["start"]["dateTime"]), (&json!("Later"), &json!("2026-04-04T09:00:00+02:00")));
}

// R/events, `start.timeZone`: "For recurring events this field is required"; GitHub derekantrican/GAS-ICS-Sync issue 466.
#[test]
fn rules_and_zones_of_a_series_are_checked() {
    let lab = lab();
    let mut no_zone = series();
    no_zone["id"] = json!("nozone01");
    no_zone["start"] = json!({"dateTime": "2026-04-03T09:00:00+02:00"});
    let mut both = series();
    both["id"] = json!("both01");
    both["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=3;UNTIL=20260501T000000Z"]);
    for (body, why) in [(no_zone, "required"), (both, "invalid")] {
        let mut body = body;
        body["id"] = json!("other01");
        let (status, body) = lab.post(&events(""), body);
        assert_eq!((status, reason(&body)), (400, why));
    }
    assert_eq!(lab.refused(), Vec::<String>::new());
}

#[test]
fn rules_that_are_not_modelled_pass_through_unharmed() {
    let mut odd = series();
    odd["recurrence"] = json!(["RRULE:FREQ=MONTHLY;BYDAY=1SA", "RDATE;TZID=Europe/Madrid:20260501T090000"]);
    let lab = Lab::with(of(&[odd.clone()]), SandboxOptions::default());
    assert_eq!(lab.get(&event(SERIES)).1["recurrence"], odd["recurrence"]);
    assert_eq!(lab.patch(&event(SERIES), json!({"summary": "x"})).1["recurrence"], odd["recurrence"]);
    assert_eq!(lab.pages("timeMin=2030-01-01T00:00:00Z").0.len(), 1, "it may still go on");
    assert_eq!(lab.send(Method::GET, &(event(SERIES) + "/instances"), None).0, 400);
    assert_eq!(lab.refused().len(), 1);
}
