//! Everything that is sent, held against Google's own description of its API, where that is at hand.

use provider_google_calendar::create_calendar;
use serde_json::{Map, Value as Json, json};
use sync_core::{Check, Cursor, FindBy, From, Marker, Next, RemoteId, RemoteState, Value};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path_regex},
};

use crate::support::{CALENDAR, HOOK, MARK, connected, create, event, ok, remote, remove, trip, update};

/// Google's description of its API, which is no part of this repository.
const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs/calendar-v3.json");

fn spec() -> Option<Json> {
    let text = std::fs::read_to_string(SPEC).ok();
    if text.is_none() {
        eprintln!("skipped: no description of the API at {SPEC}");
    }
    Some(serde_json::from_str(&text?).expect("the description is JSON"))
}

/// Makes every call that we ever make.
async fn all_calls() -> Vec<(String, String, Json)> {
    let settings = json!({"text": "{description}", "reminders": [60], "foreign": true});
    let shop = connected(settings).await;
    let listed = json!({"items": [event(MARK)], "nextSyncToken": "s", "accessRole": "owner", "timeZone": "Europe/Madrid"});
    let answers: [(&str, &str, ResponseTemplate); 9] = [
        ("GET", "/calendars/[^/]+$", ok(json!({"id": "ada@example.com"}))),
        ("GET", "/calendarList$", ok(json!({"items": []}))),
        ("GET", "/events$", ok(listed)),
        ("GET", "/events/[^/]+$", ok(event(MARK))),
        ("POST", "/calendars$", ok(json!({"id": "new"}))),
        ("POST", "/events$", ok(event(MARK))),
        ("POST", "/watch$", ok(json!({"resourceId": "r", "expiration": "1795953600000"}))),
        ("POST", "/stop$", ResponseTemplate::new(204)),
        ("DELETE", "/events/[^/]+$", ResponseTemplate::new(204)),
    ];
    for (verb, tail, answer) in answers {
        shop.mount(Mock::given(method(verb)).and(path_regex(tail)).respond_with(answer)).await;
    }
    shop.mount(Mock::given(method("PATCH")).respond_with(ok(event(MARK)))).await;

    shop.check(Check::Account).await.unwrap();
    shop.check(Check::Settings).await.unwrap();
    shop.choices("calendars", None).await.unwrap();
    create_calendar(&shop.context(), "Trips", Some("Europe/Madrid")).await.unwrap();
    let page = shop.pull(From::Start).await.unwrap();
    let cursor: Cursor = match page.next {
        Next::Done(cursor) => cursor,
        Next::More(token) => panic!("more: {token}"),
    };
    shop.pull(From::Cursor(&cursor)).await.unwrap();
    shop.find(FindBy::Ids(&[RemoteId::from(MARK)])).await.unwrap();
    shop.find(FindBy::Markers(&[Marker::new(MARK)])).await.unwrap();
    let watching = shop.watch(HOOK, "s3cret").await.unwrap();
    shop.stop(&watching).await.unwrap();
    let full = || trip().with("description", Value::text("Bring a towel")).with("status", Value::text("cancelled"));
    let all = ["title", "date", "start_time", "location", "description", "status"];
    let mut gone = remote(MARK, trip());
    gone.state = RemoteState::Archived;
    let mut elsewhere = remote(MARK, trip());
    elsewhere.container = Some("old".into());
    let mut days = full();
    days.remove("start_time");
    for op in [
        create(MARK, full()),
        create(MARK, days.clone()),
        update(remote(MARK, trip()), full(), &all),
        update(remote(MARK, trip()), days, &all),
        update(gone, full(), &all),
        update(elsewhere, full(), &all),
        remove(remote(MARK, trip())),
    ] {
        shop.send_one(&op).await.unwrap();
    }
    shop.sent().await
}

/// The method of the description that a call is.
fn described<'a>(spec: &'a Json, verb: &str, path: &str) -> Option<(String, &'a Json)> {
    let wanted: Vec<&str> = path.strip_prefix("/calendar/v3/")?.split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == wanted.len() && parts.iter().zip(&wanted).all(|(part, it)| part.starts_with('{') || part == it)
    };
    spec["resources"].as_object()?.iter().find_map(|(resource, body)| {
        body["methods"].as_object()?.iter().find_map(|(name, method)| {
            let is_it = method["httpMethod"] == verb && fits(method["path"].as_str()?);
            is_it.then(|| (format!("{resource}.{name}"), method))
        })
    })
}

fn body_faults(spec: &Json, schema: &Json, value: &Json, at: &str, faults: &mut Vec<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &spec["schemas"][name],
        None => schema,
    };
    match (value, schema["type"].as_str()) {
        (Json::Null, _) | (Json::Bool(_), Some("boolean")) | (Json::Number(_), Some("integer")) => {}
        (Json::String(text), Some("string")) => {
            if let Some(allowed) = schema["enum"].as_array()
                && !allowed.contains(&json!(text))
            {
                faults.push(format!("{at} is {text}"));
            }
        }
        (Json::Object(members), Some("object")) => {
            let none = Map::new();
            let known = schema["properties"].as_object().unwrap_or(&none);
            for (name, value) in members {
                let place = format!("{at}.{name}");
                match known.get(name).or_else(|| schema.get("additionalProperties")) {
                    Some(schema) => body_faults(spec, schema, value, &place, faults),
                    None => faults.push(format!("{place} is not described")),
                }
            }
        }
        (Json::Array(items), Some("array")) => {
            items.iter().for_each(|item| body_faults(spec, &schema["items"], item, at, faults));
        }
        (_, wanted) => faults.push(format!("{at} should be {wanted:?}")),
    }
}

/// What a partial answer's selection names that the answer doesn't have.
fn field_faults(spec: &Json, answer: &Json, fields: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut depth, mut path, mut name): (Vec<String>, Vec<String>, String) = (Vec::new(), Vec::new(), String::new());
    let mut names = Vec::new();
    for c in fields.chars().chain([',']) {
        match c {
            '(' => depth.push(std::mem::take(&mut name)),
            ',' | ')' => {
                if !name.is_empty() {
                    path.extend(depth.iter().cloned());
                    path.extend(name.split('/').map(str::to_owned));
                    names.push(std::mem::take(&mut path));
                    name.clear();
                }
                if c == ')' {
                    depth.pop();
                }
            }
            c => name.push(c),
        }
    }
    for path in names {
        let has = path.iter().try_fold(answer, |schema, name| {
            let schema = schema["$ref"].as_str().map_or(schema, |of| &spec["schemas"][of]);
            let schema = if schema["type"] == "array" { &schema["items"] } else { schema };
            let schema = schema["$ref"].as_str().map_or(schema, |of| &spec["schemas"][of]);
            schema["properties"].get(name)
        });
        if has.is_none() {
            faults.push(path.join("/"));
        }
    }
    faults
}

#[tokio::test]
async fn every_path_parameter_and_body_member_is_described() {
    let Some(spec) = spec() else { return };
    let mut faults = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (verb, target, body) in all_calls().await {
        let url = url::Url::parse("http://localhost").unwrap().join(&target).unwrap();
        let Some((name, method)) = described(&spec, &verb, url.path()) else {
            faults.push(format!("{verb} {} is not described", url.path()));
            continue;
        };
        seen.insert(name.clone());
        for (key, value) in url.query_pairs() {
            let parameter = method["parameters"].get(&*key).or_else(|| spec["parameters"].get(&*key));
            let Some(parameter) = parameter.filter(|parameter| parameter["location"] == "query") else {
                faults.push(format!("{name}: the parameter {key} is not described"));
                continue;
            };
            if let Some(allowed) = parameter["enum"].as_array()
                && !allowed.contains(&json!(value))
            {
                faults.push(format!("{name}: {key} is {value}"));
            }
            if key == "fields" {
                let missing = field_faults(&spec, &method["response"], &value);
                faults.extend(missing.into_iter().map(|field| format!("{name}: answers have no {field}")));
            }
        }
        match (&body, method.get("request")) {
            (Json::Null, _) => {}
            (_, None) => faults.push(format!("{name} takes no body")),
            (_, Some(schema)) => {
                let mut found = Vec::new();
                body_faults(&spec, schema, &body, "", &mut found);
                faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
            }
        }
    }
    assert_eq!(faults, [""; 0]);
    let expected = [
        "calendarList.list",
        "calendars.get",
        "calendars.insert",
        "channels.stop",
        "events.delete",
        "events.get",
        "events.insert",
        "events.list",
        "events.patch",
        "events.watch",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn every_call_is_open_to_the_narrowest_scope_but_the_list_of_calendars() {
    let Some(spec) = spec() else { return };
    let narrow = json!("https://www.googleapis.com/auth/calendar.app.created");
    for (verb, target, _) in all_calls().await {
        let path = target.split('?').next().unwrap();
        let (name, method) = described(&spec, &verb, path).unwrap();
        let is_open = method["scopes"].as_array().unwrap().contains(&narrow);
        assert_eq!(is_open, name != "calendarList.list", "{name}");
    }
}

#[tokio::test]
async fn nobody_is_invited_or_told_by_any_call() {
    for (verb, target, body) in all_calls().await {
        let is_event_write = verb != "GET" && target.contains("/events") && !target.contains("/watch");
        assert!(!is_event_write || target.contains("sendUpdates=none"), "{verb} {target}");
        assert!(body.get("attendees").is_none() && body.get("conferenceData").is_none(), "{verb} {target}");
        let private = body["extendedProperties"]["private"].as_object().cloned().unwrap_or_default();
        // Longer ones are dropped and cut without a word.
        assert!(private.iter().all(|(name, value)| name.len() <= 44 && value.as_str().unwrap().len() <= 1024));
    }
    assert!(CALENDAR.contains('@'), "an id that must be escaped was used");
}
