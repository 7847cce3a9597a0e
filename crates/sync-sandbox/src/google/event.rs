//! What an event may be: its members, checked and brought into shape.
//! Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events>.

use serde_json::{Map, Value, json};

use super::{
    calendar::{Calendar, Document},
    input::Kind,
    problem::Problem,
    series::Series,
    times::{self, When},
};

const TIME: &[(&str, Kind)] = &[("date", Kind::Text), ("dateTime", Kind::Text), ("timeZone", Kind::Text)];

const ATTENDEE: &[(&str, Kind)] = &[
    ("email", Kind::Text),
    ("displayName", Kind::Text),
    ("optional", Kind::Flag),
    ("resource", Kind::Flag),
    ("responseStatus", Kind::Text),
    ("comment", Kind::Text),
    ("additionalGuests", Kind::Whole),
    ("id", Kind::ReadOnly),
    ("organizer", Kind::ReadOnly),
    ("self", Kind::ReadOnly),
    ("asyncOperation", Kind::NotModelled),
];

const REMINDERS: &[(&str, Kind)] = &[
    ("useDefault", Kind::Flag),
    ("overrides", Kind::List(&Kind::Object(&[("method", Kind::Text), ("minutes", Kind::Whole)]))),
];

/// Members of an event's body.
pub(super) const MEMBERS: &[(&str, Kind)] = &[
    ("id", Kind::Text),
    ("iCalUID", Kind::Text),
    ("summary", Kind::Text),
    ("description", Kind::Text),
    ("location", Kind::Text),
    ("status", Kind::Text),
    ("start", Kind::Object(TIME)),
    ("end", Kind::Object(TIME)),
    ("recurrence", Kind::List(&Kind::Text)),
    ("transparency", Kind::Text),
    ("visibility", Kind::Text),
    ("colorId", Kind::Text),
    ("sequence", Kind::Whole),
    ("attendees", Kind::List(&Kind::Object(ATTENDEE))),
    ("reminders", Kind::Object(REMINDERS)),
    ("extendedProperties", Kind::Object(&[("private", Kind::Texts), ("shared", Kind::Texts)])),
    ("source", Kind::Object(&[("title", Kind::Text), ("url", Kind::Text)])),
    ("guestsCanInviteOthers", Kind::Flag),
    ("guestsCanModify", Kind::Flag),
    ("guestsCanSeeOtherGuests", Kind::Flag),
    ("anyoneCanAddSelf", Kind::Flag),
    ("eventType", Kind::Text),
    ("kind", Kind::ReadOnly),
    ("etag", Kind::ReadOnly),
    ("htmlLink", Kind::ReadOnly),
    ("created", Kind::ReadOnly),
    ("updated", Kind::ReadOnly),
    ("creator", Kind::ReadOnly),
    ("organizer", Kind::ReadOnly),
    ("recurringEventId", Kind::ReadOnly),
    ("originalStartTime", Kind::ReadOnly),
    ("endTimeUnspecified", Kind::ReadOnly),
    ("attendeesOmitted", Kind::ReadOnly),
    ("hangoutLink", Kind::ReadOnly),
    ("locked", Kind::ReadOnly),
    ("privateCopy", Kind::ReadOnly),
    ("attachments", Kind::NotModelled),
    ("birthdayProperties", Kind::NotModelled),
    ("conferenceData", Kind::NotModelled),
    ("eventLabelId", Kind::NotModelled),
    ("focusTimeProperties", Kind::NotModelled),
    ("gadget", Kind::NotModelled),
    ("outOfOfficeProperties", Kind::NotModelled),
    ("workingLocationProperties", Kind::NotModelled),
];

/// What the service sets. A write neither changes nor loses it.
pub(super) const OWN: &[&str] = &[
    "kind",
    "id",
    "etag",
    "htmlLink",
    "created",
    "updated",
    "creator",
    "organizer",
    "iCalUID",
    "recurringEventId",
    "originalStartTime",
    "eventType",
    "sequence",
];

/// What a guest may set on his own copy.
/// Source: <https://developers.google.com/workspace/calendar/api/concepts/sharing>, and the errors page on
/// `forbiddenForNonOrganizer`.
const PERSONAL: &[&str] =
    &["reminders", "colorId", "transparency", "visibility", "attendees", "updated", "etag", "sequence"];

/// Longest names and values, in characters; what is longer is dropped or cut without a word.
/// Source: <https://developers.google.com/workspace/calendar/api/guides/extended-properties>.
const MAX_PROPERTY_NAME: usize = 44;
const MAX_PROPERTY_VALUE: usize = 1024;

/// Most properties of an event, and their total size in bytes. Source: the same page.
const MAX_PROPERTIES: usize = 300;
const MAX_PROPERTY_BYTES: usize = 32 << 10;

/// Shortest and longest id. Source: the reference's `id`.
const ID_LENGTH: std::ops::RangeInclusive<usize> = 5..=1024;

/// Whether an id is lowercase base32hex.
pub(super) fn check_id(id: &str) -> Result<(), Problem> {
    let is_legal = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v')) && ID_LENGTH.contains(&id.len());
    if is_legal { Ok(()) } else { Err(Problem::invalid("Invalid resource id value.").at("parameter", "resource.id")) }
}

/// Drops members that are null, at any depth of objects.
pub(super) fn without_nulls(members: &mut Map<String, Value>) {
    members.retain(|_, value| !value.is_null());
    for value in members.values_mut() {
        if let Value::Object(inner) = value {
            without_nulls(inner);
        }
    }
}

/// Lays a patch over a document: objects are merged, arrays replaced, nulls delete.
/// Source: <https://developers.google.com/workspace/calendar/api/guides/performance#patch-semantics>.
pub(super) fn merge(into: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match (into.get_mut(name), value) {
            (_, Value::Null) => drop(into.remove(name)),
            (Some(Value::Object(known)), Value::Object(patch)) => merge(known, patch),
            (None, Value::Object(patch)) => {
                let mut fresh = Map::new();
                merge(&mut fresh, patch);
                into.insert(name.clone(), Value::Object(fresh));
            }
            _ => drop(into.insert(name.clone(), value.clone())),
        }
    }
}

fn text<'d>(document: &'d Document, name: &str) -> Option<&'d str> {
    document.get(name).and_then(Value::as_str)
}

/// Checks a whole event and brings its times and properties into shape.
pub(super) fn settle(calendar: &Calendar, document: &mut Document) -> Result<(), Problem> {
    let is_series = document.get("recurrence").is_some_and(|lines| lines.as_array().is_some_and(|lines| !lines.is_empty()));
    let (start, end) = times::range(document, &calendar.zone_name, is_series)?;
    if is_series {
        let lines = document.get("recurrence").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        Series::read(lines, matches!(start, When::Day(_)))?;
    } else {
        document.remove("recurrence");
    }
    document.insert("start".into(), start.show(&calendar.zone));
    document.insert("end".into(), end.show(&calendar.zone));
    for (name, values) in [
        ("status", ["confirmed", "tentative", "cancelled", ""].as_slice()),
        ("transparency", &["opaque", "transparent"]),
        ("visibility", &["default", "public", "private", "confidential"]),
    ] {
        if text(document, name).is_some_and(|value| value.is_empty() || !values.contains(&value)) {
            return Err(Problem::invalid(format!("Invalid {name} value.")));
        }
    }
    if text(document, "eventType").is_some_and(|kind| kind != "default") {
        return Err(Problem::ours(400, "only events of the type `default` are modelled"));
    }
    // Source: <https://developers.google.com/workspace/calendar/api/v3/reference/colors/get>: events have 1 to 11.
    if text(document, "colorId").is_some_and(|id| !id.parse::<u8>().is_ok_and(|id| (1..=11).contains(&id))) {
        return Err(Problem::invalid("Invalid color id value."));
    }
    reminders(document)?;
    properties(document)?;
    attendees(calendar, document)
}

/// Source: the reference's `reminders`: at most 5 overrides, of 0 to 40,320 minutes, by `email` or `popup`.
fn reminders(document: &mut Document) -> Result<(), Problem> {
    let Some(reminders) = document.get("reminders").and_then(Value::as_object) else {
        document.insert("reminders".into(), json!({"useDefault": true}));
        return Ok(());
    };
    let overrides = reminders.get("overrides").and_then(Value::as_array).cloned().unwrap_or_default();
    if reminders.get("useDefault") == Some(&Value::Bool(true)) && !overrides.is_empty() {
        return Err(Problem::new(
            400,
            "cannotUseDefaultRemindersAndSpecifyOverride",
            "Cannot specify both default reminders and overrides at the same time.",
        ));
    }
    let fits = |one: &Value| {
        matches!(one["method"].as_str(), Some("email" | "popup"))
            && one["minutes"].as_i64().is_some_and(|minutes| (0..=40_320).contains(&minutes))
    };
    if overrides.len() > 5 || !overrides.iter().all(fits) {
        return Err(Problem::invalid("Invalid reminder overrides."));
    }
    if let Some(Value::Object(reminders)) = document.get_mut("reminders") {
        reminders.entry("useDefault").or_insert(Value::Bool(false));
    }
    Ok(())
}

fn properties(document: &mut Document) -> Result<(), Problem> {
    let Some(Value::Object(kinds)) = document.get_mut("extendedProperties") else { return Ok(()) };
    let (mut n_properties, mut n_bytes) = (0, 0);
    for kind in kinds.values_mut() {
        let Value::Object(members) = kind else { continue };
        members.retain(|name, _| name.chars().count() <= MAX_PROPERTY_NAME);
        for (name, value) in members.iter_mut() {
            if let Value::String(text) = value
                && let Some((cut, _)) = text.char_indices().nth(MAX_PROPERTY_VALUE)
            {
                text.truncate(cut);
            }
            n_properties += 1;
            n_bytes += name.len() + value.as_str().map_or(0, str::len);
        }
    }
    kinds.retain(|_, members| members.as_object().is_some_and(|members| !members.is_empty()));
    let is_empty = kinds.is_empty();
    if n_properties > MAX_PROPERTIES || n_bytes > MAX_PROPERTY_BYTES {
        return Err(Problem::invalid("The extended properties of the event are too large."));
    }
    if is_empty {
        document.remove("extendedProperties");
    }
    Ok(())
}

fn attendees(calendar: &Calendar, document: &mut Document) -> Result<(), Problem> {
    let organizer =
        document.get("organizer").and_then(|organizer| organizer["email"].as_str()).unwrap_or_default().to_owned();
    let Some(Value::Array(attendees)) = document.get_mut("attendees") else { return Ok(()) };
    for attendee in attendees.iter_mut() {
        let Some(members) = attendee.as_object_mut() else { continue };
        let email = members.get("email").and_then(Value::as_str).unwrap_or_default().to_owned();
        if email.is_empty() {
            return Err(Problem::required("Missing attendee email."));
        }
        if !email.contains('@') {
            return Err(Problem::invalid("Invalid attendee email."));
        }
        members.entry("responseStatus").or_insert_with(|| json!("needsAction"));
        members.remove("self");
        members.remove("organizer");
        if email == calendar.id {
            members.insert("self".into(), json!(true));
        }
        if email == organizer {
            members.insert("organizer".into(), json!(true));
        }
    }
    if attendees.is_empty() {
        document.remove("attendees");
    }
    Ok(())
}

/// Names of the members in which two documents differ.
pub(super) fn difference<'d>(before: &'d Document, after: &'d Document) -> Vec<&'d str> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let other = after.iter().filter(|(name, value)| before.get(*name) != Some(value)).map(|(name, _)| name);
    gone.chain(other).map(String::as_str).collect()
}

/// Whether somebody else's event is changed in what all its guests see.
pub(super) fn is_foreign_change(before: &Document, after: &Document) -> bool {
    let is_organizer = before.get("organizer").is_some_and(|organizer| organizer["self"] == json!(true));
    let may_modify = before.get("guestsCanModify") == Some(&json!(true));
    if is_organizer || may_modify {
        return false;
    }
    let shared = |document: &Document| document.get("extendedProperties").and_then(|kinds| kinds.get("shared")).cloned();
    difference(before, after).into_iter().any(|name| match name {
        "extendedProperties" => shared(before) != shared(after),
        name => !PERSONAL.contains(&name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Document {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_patch_merges_objects_replaces_arrays_and_deletes_by_null() {
        let mut document = object(json!({"a": {"x": 1, "y": 2}, "list": [1, 2], "gone": 1}));
        let patch = object(json!({"a": {"y": null, "z": 3}, "list": [3], "gone": null, "new": {"n": null, "m": 1}}));
        merge(&mut document, &patch);
        assert_eq!(Value::Object(document), json!({"a": {"x": 1, "z": 3}, "list": [3], "new": {"m": 1}}));
    }

    #[test]
    fn ids_are_lowercase_base32hex_of_5_to_1024_characters() {
        for id in ["abcde", "0123456789abcdefghijklmnopqrstuv", &"a".repeat(1024)] {
            assert!(check_id(id).is_ok(), "{id}");
        }
        for id in ["abcd", "abcdw", "ABCDE", "abc_de", "abc-de", &"a".repeat(1025)] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }

    #[test]
    fn long_property_names_are_dropped_and_long_values_cut() {
        let long = "k".repeat(MAX_PROPERTY_NAME + 1);
        let mut document = object(json!({"extendedProperties": {"private": {"a": "ü".repeat(2000), long: "x"}}}));
        properties(&mut document).expect("within the limits");
        let kept = &document["extendedProperties"]["private"];
        assert_eq!(kept.as_object().map(Map::len), Some(1));
        assert_eq!(kept["a"].as_str().map(|text| text.chars().count()), Some(MAX_PROPERTY_VALUE));
    }
}
