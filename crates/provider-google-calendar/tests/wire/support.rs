//! A connection before a mock server, and short forms for records and operations.

use provider_google_calendar::REGISTRATION;
use serde_json::{Value as Json, json};
use sync_core::{Facts, Operation, Record, Remote, ResourceName, Value};
use sync_testkit::wire::{self, Wire};
use wiremock::ResponseTemplate;

pub(crate) const CALENDAR: &str = "trips@group.calendar.google.com";
pub(crate) const TRIPS: ResourceName = ResourceName::from_static("trips");
pub(crate) const MARK: &str = "0123456789abcdef0123456789abcdef";
/// Where the calendar's events lie.
pub(crate) const EVENTS: &str = "/calendar/v3/calendars/trips%40group.calendar.google.com/events";
pub(crate) const HOOK: &str = "https://hooks.example.org/g";

/// A connection with these settings beside the calendar.
pub(crate) async fn connected(settings: Json) -> Wire {
    configured(Json::Null, settings).await
}

/// With this configuration, too.
pub(crate) async fn configured(config: Json, mut settings: Json) -> Wire {
    if settings.get("calendar").is_none() {
        settings["calendar"] = json!(CALENDAR);
    }
    let shop = Wire::builder(&REGISTRATION).config(config).account("ada@example.com").container(CALENDAR).resource(TRIPS);
    shop.at("2026-11-22T12:00:00Z").open(settings).await.knowing(facts())
}

/// What a look at the connection tells.
pub(crate) fn facts() -> Facts {
    let mut facts = Facts::of("zones", json!({CALENDAR: "Europe/Madrid"}));
    facts.learn(Facts::of("names", json!({CALENDAR: "Trips"})));
    facts.learn(Facts::of("window", json!({"from": "2026-10-23", "until": "2028-05-22"})));
    facts
}

/// A trip to the reef.
pub(crate) fn trip() -> Record {
    Record::new()
        .with("title", Value::text("Reef trip"))
        .with("date", Value::Date("2026-12-03".parse().unwrap()))
        .with("start_time", Value::text("09:00"))
        .with("end_time", Value::text("12:00"))
        .with("location", Value::text("Harbour"))
}

/// On another day.
pub(crate) fn on(date: &str) -> Record {
    trip().with("date", Value::Date(date.parse().unwrap()))
}

/// The event of a trip as it was last seen.
pub(crate) fn remote(id: &str, fields: Record) -> Remote {
    let mut remote = Remote::live(TRIPS, id, fields);
    remote.version = Some("\"7\"".into());
    remote.container = Some(CALENDAR.into());
    remote
}

/// Adds a trip.
pub(crate) fn create(marker: &str, fields: Record) -> Operation {
    Operation { container: Some(CALENDAR.into()), ..wire::create(TRIPS, marker, fields) }
}

/// Changes these fields of a trip.
pub(crate) fn update(before: Remote, fields: Record, changed: &[&str]) -> Operation {
    wire::update(create(MARK, fields), before, changed)
}

/// Takes a trip away.
pub(crate) fn remove(before: Remote) -> Operation {
    wire::remove(create(MARK, Record::new()), before)
}

/// An event of ours as Google shows it.
pub(crate) fn event(id: &str) -> Json {
    let marker = &id[..id.len().min(32)];
    json!({
        "id": id, "etag": "\"8\"", "status": "confirmed", "summary": "Reef trip", "location": "Harbour",
        "updated": "2026-11-22T12:00:00.000Z",
        "start": {"dateTime": "2026-12-03T09:00:00+01:00", "timeZone": "Europe/Madrid"},
        "end": {"dateTime": "2026-12-03T12:00:00+01:00", "timeZone": "Europe/Madrid"},
        "extendedProperties": {"private":
            {"sync-marker": marker, "sync-kind": "trips", "sync-zone": "Europe/Madrid"}},
    })
}

/// A deleted event as Google shows it.
pub(crate) fn deleted(id: &str) -> Json {
    json!({"id": id, "etag": "\"9\"", "status": "cancelled"})
}

pub(crate) fn ok(body: Json) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// Google's words for a refused call.
pub(crate) fn problem_body(status: u16, reason: &str) -> Json {
    json!({"error": {"code": status, "message": "Words of Google",
        "errors": [{"domain": "global", "reason": reason, "message": "Words of Google"}]}})
}

pub(crate) fn problem(status: u16, reason: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(problem_body(status, reason))
}

/// The answer to a batch: status and body of each part, by its number.
pub(crate) fn batched(parts: &[(usize, u16, Json)]) -> ResponseTemplate {
    let mut body = String::new();
    for (idx, status, json) in parts {
        let content = if json.is_null() { String::new() } else { json.to_string() };
        body += &format!("--b_1\r\nContent-Type: application/http\r\nContent-ID: <response-part-{idx}>\r\n\r\n");
        body += &format!("HTTP/1.1 {status} X\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{content}\r\n");
    }
    ResponseTemplate::new(200).set_body_raw(format!("{body}--b_1--\r\n"), "multipart/mixed; boundary=b_1")
}
