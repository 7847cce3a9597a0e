//! Calls and answers against Google's own description of the API: parameters and bodies that the double takes, answers that
//! it gives. What the description has and our answers lack stands in a named list.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::{collections::BTreeSet, fs};

use http::Method;
use serde_json::{Value, json};
use support::google::{ID, Lab, TRIPS, escaped, event, events, seed, trip};
use sync_sandbox::{GoogleUserSeed, SandboxOptions};

/// In the description, not in our answers: end of the path, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("anyoneCanAddSelf", "shown only where it is set"),
    ("attachments", "not modelled"),
    ("attendeesOmitted", "maxAttendees is refused"),
    ("birthdayProperties", "events of the default type only"),
    ("focusTimeProperties", "events of the default type only"),
    ("outOfOfficeProperties", "events of the default type only"),
    ("workingLocationProperties", "events of the default type only"),
    ("conferenceData", "not modelled"),
    ("hangoutLink", "no conferences"),
    ("endTimeUnspecified", "every event has an end"),
    ("eventLabelId", "not modelled"),
    ("gadget", "deprecated"),
    ("locked", "shown only where it is true"),
    ("privateCopy", "shown only where it is true"),
    ("recurringEventId", "shown for occurrences only"),
    ("originalStartTime", "shown for occurrences only"),
    ("recurrence", "shown for series only"),
    ("creator.displayName", "people have addresses here"),
    ("creator.id", "no profiles"),
    ("creator.self", "shown where it is true"),
    ("organizer.id", "no profiles"),
    ("start.date", "a day or a time"),
    ("end.date", "a day or a time"),
    ("attendees[].id", "no profiles"),
    ("attendees[].additionalGuests", "shown where there are any"),
    ("attendees[].asyncOperation", "groups are not modelled"),
    ("attendees[].comment", "shown where there is one"),
    ("attendees[].displayName", "shown where there is one"),
    ("attendees[].optional", "shown where it is true"),
    ("attendees[].organizer", "shown where it is true"),
    ("attendees[].resource", "shown where it is true"),
    ("attendees[].self", "shown where it is true"),
    ("nextPageToken", "shown before the last page"),
    ("nextSyncToken", "shown on the last page"),
    ("autoAcceptInvitations", "for group calendars of an organization"),
    ("labelProperties", "not modelled"),
    ("workingHours", "not modelled"),
    ("deleted", "shown where it is true"),
    ("hidden", "shown where it is true"),
    ("primary", "shown where it is true"),
    ("dataOwner", "shown for secondary calendars"),
    ("calendarList.get.description", "shown where there is one"),
    ("calendarList.get.location", "shown where there is one"),
    ("originalStartTime.date", "a day or a time"),
    ("items[].description", "shown where there is one"),
    ("items[].location", "shown where there is one"),
    ("notificationSettings", "a person's own mails are not modelled"),
    ("summaryOverride", "nobody renames a calendar for himself"),
    ("payload", "notifications have no body"),
    ("params", "told by `expiration`"),
    ("address", "not told back"),
    (".type", "not told back"),
];

struct Spec(Value);

impl Spec {
    fn read() -> Option<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs/calendar-v3.json");
        match fs::read(path) {
            Ok(text) => Some(Self(serde_json::from_slice(&text).expect("the description is JSON"))),
            Err(_) => {
                println!("skipped: calendar-v3.json is not here");
                None
            }
        }
    }

    fn method(&self, name: &str) -> &Value {
        let (resource, method) = name.split_once('.').expect("resource.method");
        let found = &self.0["resources"][resource]["methods"][method];
        assert!(found.is_object(), "{name} is not described");
        found
    }

    /// Compares a value with its schema; `is_answer` also asks for members that are missing.
    fn compare(&self, schema: &Value, value: &Value, at: &str, is_answer: bool, wrong: &mut BTreeSet<String>) {
        let schema = match schema["$ref"].as_str() {
            Some(name) => &self.0["schemas"][name],
            None => schema,
        };
        let fits = match schema["type"].as_str() {
            Some("string") => value.is_string() && has_format(schema, value.as_str().unwrap_or_default()),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            other => panic!("{at}: type {other:?}"),
        };
        if !fits {
            wrong.insert(format!("{at}: {value} is no {} {}", schema["type"], schema["format"]));
            return;
        }
        for item in value.as_array().into_iter().flatten() {
            self.compare(&schema["items"], item, &format!("{at}[]"), is_answer, wrong);
        }
        let Some(members) = value.as_object() else { return };
        if let Some(of_all) = schema.get("additionalProperties") {
            for (name, member) in members {
                self.compare(of_all, member, &format!("{at}.{name}"), is_answer, wrong);
            }
            return;
        }
        let known = schema["properties"].as_object().expect("properties");
        for (name, member) in members {
            match known.get(name) {
                Some(schema) => self.compare(schema, member, &format!("{at}.{name}"), is_answer, wrong),
                None => drop(wrong.insert(format!("{at}.{name} is not described"))),
            }
        }
        for name in known.keys().filter(|name| is_answer && !members.contains_key(*name)) {
            let missing = format!("{at}.{name}");
            if !LEFT_OUT.iter().any(|(end, _)| missing.ends_with(end)) {
                wrong.insert(format!("{missing} is described and missing"));
            }
        }
    }
}

fn has_format(schema: &Value, text: &str) -> bool {
    match schema["format"].as_str() {
        Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
        Some("date") => text.parse::<jiff::civil::Date>().is_ok(),
        Some("int64") => text.parse::<i64>().is_ok(),
        _ => true,
    }
}

/// Every modelled operation with all parameters and members that it takes: name, method, path below the service, body.
fn calls() -> Vec<(&'static str, Method, String, Option<Value>)> {
    let (get, post, put, patch, delete) = (Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    let at = |tail: &str| events(tail).trim_start_matches("/calendar/v3").to_owned();
    let rich = json!({
        "summary": "Wreck", "description": "d", "location": "l", "status": "confirmed", "transparency": "transparent",
        "visibility": "private", "colorId": "7", "sequence": 0, "eventType": "default", "guestsCanModify": true,
        "guestsCanInviteOthers": true, "guestsCanSeeOtherGuests": true,
        "start": {"dateTime": "2026-04-03T09:00:00+02:00", "timeZone": "Europe/Madrid"},
        "end": {"dateTime": "2026-04-03T12:00:00+02:00", "timeZone": "Europe/Madrid"},
        "attendees": [{"email": "ada@example.org", "responseStatus": "accepted"}],
        "reminders": {"useDefault": false, "overrides": [{"method": "popup", "minutes": 60}]},
        "extendedProperties": {"private": {"a": "1"}, "shared": {"b": "2"}},
        "source": {"title": "Shop", "url": "https://shop.example.com/"},
    });
    let with = |name: &str, value: Value| {
        let mut body = rich.clone();
        body[name] = value;
        body
    };
    let send = "sendUpdates=none&conferenceDataVersion=0&supportsAttachments=false&sendNotifications=false";
    vec![
        (
            "calendars.insert",
            post.clone(),
            "/calendars".into(),
            Some(json!({"summary": "C", "description": "d", "location": "l",
            "timeZone": "Europe/Madrid"})),
        ),
        ("calendars.get", get.clone(), "/calendars/CALENDAR".into(), None),
        ("calendars.patch", patch.clone(), "/calendars/CALENDAR".into(), Some(json!({"summary": "D"}))),
        (
            "calendarList.list",
            get.clone(),
            "/users/me/calendarList?maxResults=250&minAccessRole=reader&showDeleted=false&showHidden=true".into(),
            None,
        ),
        ("calendarList.get", get.clone(), "/users/me/calendarList/primary".into(), None),
        ("events.insert", post.clone(), at(&format!("?{send}")), Some(with("id", json!(ID)))),
        ("events.insert", post.clone(), at(""), Some(with("recurrence", json!(["RRULE:FREQ=DAILY;COUNT=3"])))),
        ("events.insert", post.clone(), at(""), Some(with("iCalUID", json!("x@example.com")))),
        ("events.get", get.clone(), at(&format!("/{ID}?timeZone=UTC")), None),
        ("events.patch", patch, at(&format!("/{ID}?{send}")), Some(rich.clone())),
        ("events.update", put, at(&format!("/{ID}?{send}")), Some(rich.clone())),
        (
            "events.list",
            get.clone(),
            at(
                "?maxResults=2500&showDeleted=true&singleEvents=false&timeMin=2020-01-01T00:00:00Z&timeMax=2030-01-01T00:00:00Z\
             &updatedMin=2026-02-28T00:00:00Z&timeZone=UTC&orderBy=updated&q=wreck&eventTypes=default\
             &privateExtendedProperty=a%3D1&sharedExtendedProperty=b%3D2&showHiddenInvitations=false",
            ),
            None,
        ),
        ("events.list", get.clone(), at("?iCalUID=x%40example.com"), None),
        ("events.list", get.clone(), at("?syncToken=SYNC"), None),
        (
            "events.instances",
            get,
            at(
                "/SERIES/instances?maxResults=9&showDeleted=true&timeMin=2020-01-01T00:00:00Z&timeMax=2030-01-01T00:00:00Z&timeZone=UTC\
             &originalStart=2026-04-04T09:00:00%2B02:00",
            ),
            None,
        ),
        (
            "events.watch",
            post.clone(),
            at("/watch"),
            Some(json!({"id": "c1", "type": "web_hook", "token": "t",
            "address": "https://hooks.example.org/", "params": {"ttl": "3600"}})),
        ),
        ("channels.stop", post.clone(), "/channels/stop".into(), Some(json!({"id": "c1", "resourceId": "RESOURCE"}))),
        ("events.move", post, at(&format!("/{ID}/move?destination=primary&sendUpdates=none&sendNotifications=false")), None),
        ("events.delete", delete.clone(), at("/SERIES?sendUpdates=none&sendNotifications=false"), None),
        ("calendars.delete", delete, "/calendars/CALENDAR".into(), None),
    ]
}

#[test]
fn every_operation_agrees_with_the_description_both_ways() {
    let Some(spec) = Spec::read() else { return };
    let lab = Lab::with(seed().with_user(GoogleUserSeed::new("crew@example.com")), SandboxOptions::default());
    let mut wrong = BTreeSet::new();
    let (mut calendar, mut series, mut resource) = (String::new(), String::new(), String::new());
    let mut names = BTreeSet::new();
    for (name, verb, path, body) in calls() {
        names.insert(name);
        let sync = lab.get(&events("")).1["nextSyncToken"].as_str().map(escaped).unwrap_or_default();
        let path = path.replace("CALENDAR", &calendar).replace("SERIES", &series).replace("SYNC", &sync);
        let body = body.map(|body| {
            let text = body.to_string().replace("RESOURCE", &resource);
            serde_json::from_str::<Value>(&text).expect("JSON")
        });
        let method = spec.method(name);
        assert_eq!(method["httpMethod"].as_str(), Some(verb.as_str()), "{name}");
        let query = path.split_once('?').map(|(_, query)| query).unwrap_or_default();
        for (parameter, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let known = &method["parameters"][&*parameter];
            assert!(known["location"] == "query", "{name} has no parameter {parameter}");
            assert!(
                known["enum"].as_array().is_none_or(|values| values.contains(&json!(value))),
                "{name}: {parameter}={value}"
            );
        }
        if let Some(body) = &body {
            spec.compare(&method["request"], body, &format!("{name} body"), false, &mut wrong);
        }
        let (status, answer) = lab.send(verb, &format!("/calendar/v3{path}"), body);
        assert!(status < 300, "{name}: {status} {answer}");
        match method.get("response") {
            Some(schema) => spec.compare(schema, &answer, name, true, &mut wrong),
            None => assert_eq!((status, answer.clone()), (204, Value::Null), "{name}"),
        }
        match name {
            "calendars.insert" => calendar = escaped(answer["id"].as_str().expect("an id")),
            "events.insert" if answer.get("recurrence").is_some() => {
                series = answer["id"].as_str().expect("an id").to_owned()
            }
            "events.watch" => resource = answer["resourceId"].as_str().expect("an id").to_owned(),
            _ => {}
        }
    }
    assert_eq!(wrong, BTreeSet::new());
    assert_eq!(names.len(), 16, "every modelled operation is here");
    assert_eq!(lab.refused(), Vec::<String>::new());
}

#[test]
fn deleted_events_and_occurrences_agree_with_the_description() {
    let Some(spec) = Spec::read() else { return };
    let mut series = trip("series01");
    series["recurrence"] = json!(["RRULE:FREQ=DAILY;COUNT=3"]);
    let lab = Lab::with(support::google::of(&[series, trip(ID)]), SandboxOptions::default());
    let token = lab.pages("").1.expect("a token");
    lab.delete(&event("series01_20260404T070000Z"));
    lab.person("delete", ID);
    let mut wrong = BTreeSet::new();
    let (items, _) = lab.since(&token);
    assert_eq!(items.len(), 2);
    for item in &items {
        spec.compare(&json!({"$ref": "Event"}), item, "Event", false, &mut wrong);
    }
    let (_, page) = lab.get(&format!("/calendar/v3/calendars/{}/events?maxResults=1", escaped(TRIPS)));
    spec.compare(&json!({"$ref": "Events"}), &page, "Events", false, &mut wrong);
    assert_eq!(wrong, BTreeSet::new());
}
