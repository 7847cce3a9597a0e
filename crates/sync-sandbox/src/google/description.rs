//! Tables of this double against Google's own description of the API, where it is present.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::{access, calendars, channels, event, filter, input::Kind, list, routes::ROUTES};

fn description() -> Option<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs/calendar-v3.json");
    match fs::read(path) {
        Ok(text) => Some(serde_json::from_slice(&text).expect("the description is JSON")),
        Err(_) => {
            println!("skipped: calendar-v3.json is not here");
            None
        }
    }
}

fn method<'d>(description: &'d Value, name: &str) -> &'d Value {
    let (resource, method) = name.split_once('.').expect("resource.method");
    let found = &description["resources"][resource]["methods"][method];
    assert!(found.is_object(), "{name} is not described");
    found
}

#[test]
fn every_operation_has_the_described_method_and_path() {
    let Some(description) = description() else { return };
    assert_eq!(description["servicePath"], "calendar/v3/");
    assert_eq!(description["batchPath"], "batch/calendar/v3");
    for (verb, pattern, name) in ROUTES {
        let described = method(&description, name);
        let path = described["path"].as_str().expect("a path");
        let segments: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "*" } else { part }).collect();
        assert_eq!((described["httpMethod"].as_str(), segments.as_slice()), (Some(*verb), *pattern), "{name}");
    }
}

#[test]
fn every_operation_is_opened_by_the_described_scopes() {
    let Some(description) = description() else { return };
    // Not asked for by anybody who writes: seeing free and busy times only, public calendars, access rules, settings.
    let is_left_out = |scope: &str| ["freebusy", "public", "acls", "settings"].iter().any(|part| scope.contains(part));
    for (_, _, name) in ROUTES {
        let described: BTreeSet<&str> = method(&description, name)["scopes"]
            .as_array()
            .expect("scopes")
            .iter()
            .filter_map(|scope| scope.as_str()?.strip_prefix(access::SCOPE))
            .filter(|scope| !is_left_out(scope))
            .collect();
        let known: BTreeSet<&str> = access::scopes_for(name).iter().copied().collect();
        assert_eq!(known, described, "{name}");
    }
    let all = description["auth"]["oauth2"]["scopes"].as_object().expect("scopes");
    for (scope, words) in access::SCOPES {
        let described = &all[&format!("{}{scope}", access::SCOPE)]["description"];
        assert!(described.is_string(), "{scope} ({words}) is not described");
    }
}

#[test]
fn bodies_have_the_described_members_of_the_described_kinds() {
    let Some(description) = description() else { return };
    for (schema, members) in [("Event", event::MEMBERS), ("Calendar", calendars::MEMBERS), ("Channel", channels::MEMBERS)] {
        compare(&description, &description["schemas"][schema]["properties"], members, schema);
    }
}

fn compare(description: &Value, properties: &Value, members: &[(&str, Kind)], at: &str) {
    let described: BTreeSet<&str> = properties.as_object().expect("properties").keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = members.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, described, "{at}");
    for (name, kind) in members {
        compare_kind(description, &properties[name], kind, &format!("{at}.{name}"));
    }
}

fn compare_kind(description: &Value, property: &Value, kind: &Kind, at: &str) {
    let schema = match property["$ref"].as_str() {
        Some(name) => &description["schemas"][name],
        None => property,
    };
    let expected = match kind {
        Kind::Text => "string",
        Kind::Flag => "boolean",
        Kind::Whole => "integer",
        Kind::Object(_) | Kind::Texts => "object",
        Kind::List(_) => "array",
        Kind::ReadOnly | Kind::NotModelled => return,
    };
    assert_eq!(schema["type"], expected, "{at}");
    match kind {
        // An open map is modelled as far as it is used.
        Kind::Object(members) if schema["properties"].is_object() => {
            compare(description, &schema["properties"], members, at);
        }
        Kind::List(inner) => compare_kind(description, &schema["items"], inner, &format!("{at}[]")),
        Kind::Texts => assert_eq!(schema["additionalProperties"]["type"], "string", "{at}"),
        _ => {}
    }
}

#[test]
fn listings_take_the_described_parameters() {
    let Some(description) = description() else { return };
    let described = method(&description, "events.list")["parameters"].as_object().expect("parameters");
    let known: BTreeSet<&str> = list::PARAMETERS.iter().copied().collect();
    let left_out: Vec<&str> = described.keys().map(String::as_str).filter(|name| !known.contains(name)).collect();
    assert!(known.iter().all(|name| described.contains_key(*name)));
    assert_eq!(left_out, ["alwaysIncludeEmail", "calendarId", "maxAttendees"], "those that are refused, and the path's own");
    let forbidden = described["syncToken"]["description"].as_str().expect("words");
    for name in filter::NOT_INCREMENTAL {
        assert!(forbidden.contains(name), "{name} is said not to stand beside syncToken");
    }
}
