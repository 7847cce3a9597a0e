//! Google Calendar in the suite that all providers pass: over the sandbox in process, and over HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use jiff::ToSpan as _;
use provider_google_calendar::REGISTRATION;
use serde_json::{Value as Json, json};
use sync_core::{
    AccountId, Clock as _, Exchange, FieldName, Integration, LocalId, Marker, Record, RemoteId, Resource, Transport, Value,
    WebhookKeys,
};
use sync_sandbox::{CalendarSeed, Google, GoogleSeed, GoogleTokenSeed, InProcess, Sandbox, SandboxOptions};
use sync_testkit::{
    SimClock,
    conformance::{Act, Harness, Profile, Webhook, zoo},
    wire::over_http,
};

const TOKEN: &str = "ya29.c0nf0rmance-token-0123456789";
const ADA: &str = "ada@shop.example.com";
const CALENDAR: &str = "trips@group.calendar.google.com";
/// A zone with a short name, which no log is searched for, and with daylight saving.
const ZONE: &str = "Cuba";

mod in_process {
    use super::*;

    sync_testkit::conformance_suite!(Bench::in_process());
}

mod over_http {
    use super::*;

    sync_testkit::conformance_suite!(Bench::over_http().await);
}

mod slow_and_limited {
    use super::*;

    sync_testkit::conformance_suite!(Bench::in_process(), Profile::SlowAndLimited);
}

mod broken_wire {
    use super::*;

    sync_testkit::conformance_suite!(Bench::in_process(), Profile::Broken);
}

#[test]
fn every_connector_that_is_broken_on_purpose_is_caught() {
    zoo::all_are_caught("google-calendar", Bench::in_process);
}

struct Bench {
    clock: SimClock,
    sandbox: Sandbox,
    transport: Arc<dyn Transport>,
}

impl Bench {
    fn in_process() -> Self {
        let clock = SimClock::skipping();
        let seed = GoogleSeed::new(ADA)
            .with_calendar(CalendarSeed::new(CALENDAR, "Trips", ADA).with_zone("Europe/Madrid"))
            .with_token(GoogleTokenSeed::new(TOKEN, ADA));
        let sandbox = Sandbox::new(Google::new(seed), SandboxOptions::default(), Arc::new(clock.clone()));
        let transport = Arc::new(InProcess(sandbox.clone()));
        Self { clock, sandbox, transport }
    }

    async fn over_http() -> Self {
        let bench = Self::in_process();
        let transport = over_http(&bench.sandbox).await;
        Self { transport, ..bench }
    }

    fn there(&self, action: Json) -> Json {
        self.sandbox.act(&action).unwrap_or_else(|why| panic!("{action}: {why}"))
    }

    fn events(&self) -> serde_json::Map<String, Json> {
        self.sandbox.state()["calendars"][CALENDAR]["events"].as_object().cloned().unwrap_or_default()
    }
}

/// The number of a record, which its title ends with.
fn number(record: &Record) -> usize {
    record.text("title").unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

#[async_trait]
impl Harness for Bench {
    fn integration(&self) -> Arc<dyn Integration> {
        (REGISTRATION.build)(json!({"page_size": self.page_size(), "batch_size": 4})).unwrap()
    }

    fn page_size(&self) -> usize {
        3
    }

    fn settings(&self) -> Json {
        json!({"calendar": CALENDAR, "text": "{description}", "booked_moves": "write", "direction": "both"})
    }

    fn account(&self) -> AccountId {
        ADA.into()
    }

    fn vars(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn clock(&self) -> SimClock {
        self.clock.clone()
    }

    fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    async fn exchange(&self, transport: Arc<dyn Transport>) -> Arc<dyn Exchange> {
        sync_testkit::sim::exchange_by_token(&REGISTRATION, TOKEN, self.account(), &self.clock, transport).await.unwrap()
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }

    fn failure(&self, status: StatusCode) -> Response<Bytes> {
        // The documented reasons: <https://developers.google.com/workspace/calendar/api/guides/errors>.
        let reason = match status.as_u16() {
            401 => "authError",
            403 => "forbidden",
            404 => "notFound",
            409 => "duplicate",
            410 => "deleted",
            412 => "conditionNotMet",
            429 => "rateLimitExceeded",
            400..=499 => "invalid",
            _ => "backendError",
        };
        let message = "Reef adventure number 0 at Harbour, pier 0 can't be written";
        let body = json!({"error": {"code": status.as_u16(), "message": message,
            "errors": [{"domain": "global", "reason": reason, "message": message}]}});
        let mut answer = Response::new(Bytes::from(body.to_string()));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
        answer
    }

    fn record(&self, _: &Resource, n: usize) -> Record {
        let day = jiff::civil::date(2026, 3, 2).saturating_add(i64::try_from(n).unwrap().days());
        Record::new()
            .with("title", Value::text(format!("Reef adventure number {n}")))
            .with("date", Value::Date(day))
            .with("start_time", Value::text("20:30"))
            .with("all_day", Value::Bool(false))
            .with("end_date", Value::Date(day.saturating_add(1.day())))
            .with("end_time", Value::text("01:15"))
            .with("zone", Value::text(ZONE))
            .with("location", Value::text(format!("Harbour, pier {n}")))
            .with("description", Value::text(format!("Bring towel number {n}")))
    }

    fn edit(&self, _: &Resource, record: &Record) -> (Record, Vec<FieldName>) {
        let title = format!("Night adventure number {}", number(record));
        (record.clone().with("title", Value::text(title)), vec!["title".into()])
    }

    /// As we would have made them: what people make is foreign, and not handed over.
    async fn plant(&self, resource: &Resource, records: &[Record]) -> Vec<RemoteId> {
        let zone = jiff::tz::TimeZone::get(ZONE).unwrap();
        let mut ids = Vec::new();
        for record in records {
            let local = LocalId::new(format!("local-{:04}", number(record)));
            let marker = Marker::of(&"bench".into(), &"conformance".into(), &resource.collection, &local);
            let at = |date: &str, time: &str| {
                let Some(Value::Date(date)) = record.value(date) else { panic!("no date") };
                let time: jiff::civil::Time = record.text(time).unwrap().parse().unwrap();
                let at = date.to_datetime(time).to_zoned(zone.clone()).unwrap();
                json!({"dateTime": at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(), "timeZone": ZONE})
            };
            let body = json!({
                "id": marker, "summary": record.text("title"), "location": record.text("location"),
                "description": record.text("description"),
                "start": at("date", "start_time"), "end": at("end_date", "end_time"),
                "extendedProperties": {"private":
                    {"sync-marker": marker, "sync-kind": resource.name, "sync-zone": ZONE}},
            });
            if !self.events().contains_key(marker.as_str()) {
                self.there(json!({"do": "create", "calendar": CALENDAR, "body": body}));
            }
            ids.push(marker.as_str().into());
        }
        ids
    }

    async fn act(&self, _: &Resource, id: &RemoteId, act: Act) -> bool {
        match act {
            Act::Edit => {
                let place = format!("Changed there at {}", self.clock.now().as_nanosecond());
                let body = json!({"location": place});
                self.there(json!({"do": "edit", "calendar": CALENDAR, "event": id, "body": body}));
                true
            }
            Act::Delete => {
                self.there(json!({"do": "delete", "calendar": CALENDAR, "event": id}));
                true
            }
            _ => false,
        }
    }

    async fn withdraw_choice(&self) -> bool {
        self.there(json!({"do": "delete-calendar", "calendar": CALENDAR}));
        true
    }

    async fn count(&self, resource: &Resource) -> usize {
        let kind = |event: &Json| event["extendedProperties"]["private"]["sync-kind"] == resource.name.as_str();
        self.events().values().filter(|event| kind(event) || kind(&event["document"])).count()
    }

    async fn n_surprises(&self) -> u64 {
        let state = self.sandbox.summary();
        state["mails_sent"].as_u64().unwrap() + state["invitations"].as_u64().unwrap()
    }

    fn webhook(&self) -> Option<Webhook> {
        let message = |number: u32| {
            let request = Request::post("https://hooks.shop.example.com/google-calendar")
                .header("X-Goog-Channel-ID", "channel-1")
                .header("X-Goog-Channel-Token", "s3cret-of-the-channel")
                .header("X-Goog-Resource-ID", "resource-1")
                .header("X-Goog-Resource-State", "exists")
                .header("X-Goog-Message-Number", number);
            request.body(Bytes::new()).unwrap()
        };
        Some(Webhook { keys: Arc::new(Keys), request: message(7), other: message(8) })
    }
}

struct Keys;

impl WebhookKeys for Keys {
    fn keys(&self, scope: &str) -> Vec<Bytes> {
        if scope == "channel-1" { vec!["s3cret-of-the-channel".into()] } else { Vec::new() }
    }
}
