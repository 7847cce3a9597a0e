//! Calendars, who sees them, and with which scope. G and R as in `google_events.rs`.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use http::Method;
use serde_json::{Value, json};
use support::google::{CAPTAIN, CLIENT, ID, Lab, TOKEN, TRIPS, escaped, event, events, of, reason, seed, trip};
use sync_sandbox::{CalendarSeed, GoogleQuirks, GoogleTokenSeed, GoogleUserSeed, SandboxOptions};

const CREW: &str = "crew@example.com";

fn scope(short: &str) -> String {
    format!("https://www.googleapis.com/auth/{short}")
}

fn calendar(id: &str) -> String {
    format!("/calendar/v3/calendars/{}", escaped(id))
}

/// The captain with a token of one scope beside his own, and a second person.
fn lab(short: &str) -> Lab {
    let token = GoogleTokenSeed::new("narrow", CAPTAIN).with_scopes(&[&scope(short)]).of_client(CLIENT);
    let shared = CalendarSeed::new("shared@group.calendar.google.com", "Crew's", CREW).shared_with(CAPTAIN, "writer");
    let seed = of(&[trip(ID)])
        .with_user(GoogleUserSeed::new(CREW).with_zone("Asia/Tokyo"))
        .with_token(GoogleTokenSeed::new("crew", CREW))
        .with_token(token)
        .with_calendar(shared);
    Lab::with(seed, SandboxOptions::default())
}

// R/calendars and R/calendarList.
#[test]
fn calendars_are_made_listed_changed_and_deleted() {
    let lab = Lab::new();
    let (status, made) = lab.post("/calendar/v3/calendars", json!({"summary": "Courses", "timeZone": "Atlantic/Canary"}));
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        (status, made["dataOwner"].as_str(), made["timeZone"].as_str()),
        (200, Some(CAPTAIN), Some("Atlantic/Canary"))
    );
    assert!(id.ends_with("@group.calendar.google.com"));
    assert_eq!(lab.get(&calendar(&id)), (200, made));
    let (_, list) = lab.get("/calendar/v3/users/me/calendarList");
    let names: Vec<&str> =
        list["items"].as_array().expect("items").iter().filter_map(|item| item["summary"].as_str()).collect();
    assert_eq!((names.len(), names.contains(&"Courses"), names.contains(&CAPTAIN)), (3, true, true));
    assert_eq!(lab.patch(&calendar(&id), json!({"summary": "Lessons"})).1["summary"], "Lessons");
    assert_eq!(lab.delete(&calendar(&id)).0, 204);
    assert_eq!(lab.get(&calendar(&id)).0, 404);
    assert_eq!(lab.delete(&calendar("primary")).0, 403, "not the primary one");
    let (status, body) = lab.post("/calendar/v3/calendars", json!({"description": "x"}));
    assert_eq!((status, reason(&body)), (400, "required"));
}

#[test]
fn the_calendar_list_is_paged() {
    let mut quirks = GoogleQuirks::default();
    quirks.page_cap = Some(1);
    let lab = Lab::with(seed().with_quirks(quirks), SandboxOptions::default());
    let (_, first) = lab.get("/calendar/v3/users/me/calendarList");
    let page = escaped(first["nextPageToken"].as_str().expect("a token"));
    let (_, last) = lab.get(&format!("/calendar/v3/users/me/calendarList?pageToken={page}"));
    assert_ne!(first["items"][0]["id"], last["items"][0]["id"]);
    assert!(last["nextSyncToken"].is_string());
}

// G/../auth: `calendar.app.created` reaches "secondary Google calendars" that the app made; R/calendarList/list does not
// list it among its scopes.
#[test]
fn the_narrowest_scope_reaches_only_what_the_app_made() {
    let lab = lab("calendar.app.created");
    let ask = |method: Method, path: &str, body: Option<Value>| lab.send_as("narrow", method, path, body);
    let (status, made) = ask(Method::POST, "/calendar/v3/calendars", Some(json!({"summary": "Trips by the shop"})));
    assert_eq!(status, 200);
    let own = calendar(made["id"].as_str().expect("an id"));
    assert_eq!(ask(Method::POST, &format!("{own}/events"), Some(trip("trip0001"))).0, 200);
    assert_eq!(ask(Method::GET, &own, None).0, 200);
    let (status, body) = ask(Method::GET, "/calendar/v3/users/me/calendarList", None);
    assert_eq!((status, reason(&body)), (403, "insufficientPermissions"));
    assert_eq!(body["error"]["details"][0]["reason"], "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
    for path in [events(""), calendar("primary")] {
        assert_eq!(ask(Method::GET, &path, None).0, 404, "{path}");
    }
    let (status, _) = ask(Method::POST, &format!("{own}/events/trip0001/move?destination=primary"), None);
    assert_eq!(status, 403, "moving needs more");
}

// G/../auth: `calendar.events.owned`, `calendar.events`, `calendar.calendarlist.readonly`.
#[test]
fn other_scopes_reach_owned_or_all_calendars() {
    let shared = "/calendar/v3/calendars/shared%40group.calendar.google.com/events";
    let list = "/calendar/v3/users/me/calendarList";
    for (short, on_own, on_shared, on_list) in [
        ("calendar.events.owned", 200, 403, 403),
        ("calendar.events", 200, 200, 403),
        ("calendar.calendarlist.readonly", 403, 403, 200),
        ("calendar", 200, 200, 200),
        ("calendar.readonly", 403, 403, 200),
    ] {
        let lab = lab(short);
        let post = |path: &str| lab.send_as("narrow", Method::POST, path, Some(trip("trip0001"))).0;
        assert_eq!((post(&events("")), post(shared)), (on_own, on_shared), "{short}");
        assert_eq!(lab.send_as("narrow", Method::GET, list, None).0, on_list, "{short}");
    }
}

// R/calendarList, `accessRole`; G/errors, 403 `requiredAccessLevel` and 404 `notFound`.
#[test]
fn who_may_only_read_does_not_write_and_who_may_not_read_sees_nothing() {
    let lab = lab("calendar");
    let crew = |method: Method, path: &str, body| lab.send_as("crew", method, path, body);
    assert_eq!(crew(Method::GET, &events(""), None).0, 404);
    lab.act(json!({"do": "share", "calendar": TRIPS, "user": CREW, "role": "reader"}));
    assert_eq!(crew(Method::GET, &events(""), None).1["accessRole"], "reader");
    let (status, body) = crew(Method::PATCH, &event(ID), Some(json!({"summary": "x"})));
    assert_eq!((status, reason(&body)), (403, "requiredAccessLevel"));
    lab.act(json!({"do": "share", "calendar": TRIPS, "user": CREW, "role": "writer"}));
    assert_eq!(crew(Method::PATCH, &event(ID), Some(json!({"summary": "x"}))).0, 200);
    assert_eq!(crew(Method::DELETE, &calendar(TRIPS), None).0, 403);
    lab.act(json!({"do": "unshare", "calendar": TRIPS, "user": CREW}));
    assert_eq!(crew(Method::GET, &event(ID), None).0, 404, "between two runs it was unshared");
}

#[test]
fn a_calendar_deleted_between_two_runs_is_not_found() {
    let lab = Lab::new();
    lab.act(json!({"do": "delete-calendar", "calendar": TRIPS}));
    let (status, body) = lab.get(&events(""));
    assert_eq!((status, reason(&body)), (404, "notFound"));
}

// GitHub webhookdb/webhookdb issue 624.
#[test]
fn an_account_without_a_calendar_is_told_so() {
    let mut user = GoogleUserSeed::new(CREW);
    user.has_calendar = false;
    let lab = Lab::with(seed().with_user(user).with_token(GoogleTokenSeed::new("crew", CREW)), SandboxOptions::default());
    let (status, body) = lab.send_as("crew", Method::GET, &calendar("primary"), None);
    assert_eq!((status, reason(&body)), (403, "notACalendarUser"));
}

// G/errors, 401 `authError`.
#[test]
fn a_token_that_is_not_one_is_refused() {
    let lab = Lab::new();
    for token in ["", "nobody's"] {
        let (status, body) = lab.send_as(token, Method::GET, &events(""), None);
        assert_eq!((status, reason(&body), body["error"]["status"].as_str()), (401, "authError", Some("UNAUTHENTICATED")));
    }
    assert_eq!(lab.send_as(TOKEN, Method::GET, &events(""), None).0, 200);
}

// <https://support.google.com/a/answer/2905486>: 60 calendars in a short period.
#[test]
fn nobody_makes_calendars_without_end() {
    let lab = Lab::new();
    let statuses: Vec<u16> =
        (0..61).map(|n| lab.post("/calendar/v3/calendars", json!({"summary": format!("C{n}")})).0).collect();
    assert_eq!((statuses[58], statuses[60]), (200, 403));
}
