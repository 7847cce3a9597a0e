//! Short ways to call a Google.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use sync_sandbox::{CalendarSeed, Google, GoogleClientSeed, GoogleSeed, GoogleTokenSeed, Sandbox, SandboxOptions};

use super::{TestClock, whole};

pub(crate) const CAPTAIN: &str = "captain@example.com";
pub(crate) const TOKEN: &str = "captains-token";
pub(crate) const CLIENT: &str = "dive-shop.apps.example.com";
pub(crate) const TRIPS: &str = "trips@group.calendar.google.com";
pub(crate) const ID: &str = "3f2504e04f8941d39a0c0305e82c3301";

/// A sandboxed Google with its clock.
pub(crate) struct Lab {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: TestClock,
}

pub(crate) fn seed() -> GoogleSeed {
    GoogleSeed::new(CAPTAIN)
        .with_token(GoogleTokenSeed::new(TOKEN, CAPTAIN))
        .with_oauth_client(GoogleClientSeed::new(CLIENT, "secret"))
        .with_calendar(CalendarSeed::new(TRIPS, "Trips", CAPTAIN))
}

pub(crate) fn of(events: &[Value]) -> GoogleSeed {
    let mut seed = seed();
    seed.calendars.clear();
    let calendar = CalendarSeed::new(TRIPS, "Trips", CAPTAIN);
    seed.with_calendar(events.iter().cloned().fold(calendar, CalendarSeed::with_event))
}

/// A timed event from 9 to 12 in Madrid.
pub(crate) fn trip(id: &str) -> Value {
    json!({
        "id": id, "summary": "Wreck dive", "location": "Harbour",
        "start": {"dateTime": "2026-04-03T09:00:00+02:00", "timeZone": "Europe/Madrid"},
        "end": {"dateTime": "2026-04-03T12:00:00+02:00", "timeZone": "Europe/Madrid"},
    })
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(seed(), SandboxOptions::default())
    }

    pub(crate) fn with(seed: GoogleSeed, options: SandboxOptions) -> Self {
        let clock = TestClock::new();
        let sandbox = Sandbox::new(Google::new(seed), options, Arc::new(clock.clone()));
        Self { sandbox, clock }
    }

    pub(crate) fn reply(&self, request: Request<Bytes>) -> Response<Bytes> {
        whole(self.clock.run(self.sandbox.handle(request)))
    }

    /// Sends with more headers.
    pub(crate) fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut request = request(method, path, TOKEN, body);
        for (name, value) in headers {
            request.headers_mut().insert(
                http::HeaderName::try_from(*name).expect("a name"),
                http::HeaderValue::from_str(value).expect("a value"),
            );
        }
        read(self.reply(request))
    }

    pub(crate) fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        self.send_with(method, path, &[], body)
    }

    /// Sends with another token.
    pub(crate) fn send_as(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        read(self.reply(request(method, path, token, body)))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, None)
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::POST, path, Some(body))
    }

    pub(crate) fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::PUT, path, Some(body))
    }

    pub(crate) fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::PATCH, path, Some(body))
    }

    pub(crate) fn delete(&self, path: &str) -> (u16, Value) {
        self.send(Method::DELETE, path, None)
    }

    pub(crate) fn act(&self, action: Value) -> Value {
        self.sandbox.act(&action).expect("an action that can be done")
    }

    /// Acts on an event of the trips calendar.
    pub(crate) fn person(&self, what: &str, event: &str) {
        self.act(json!({"do": what, "calendar": TRIPS, "event": event}));
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.sandbox.summary()[name].as_u64().expect("a number")
    }

    pub(crate) fn refused(&self) -> Vec<String> {
        serde_json::from_value(self.sandbox.summary()["refused"].clone()).expect("texts")
    }

    /// All pages of a listing of the trips calendar: its items and its sync token.
    pub(crate) fn pages(&self, query: &str) -> (Vec<Value>, Option<String>, usize) {
        let mut items = Vec::new();
        let mut page: Option<String> = None;
        for n_pages in 1.. {
            let token = page.map(|page| format!("&pageToken={}", escaped(&page))).unwrap_or_default();
            let (status, body) = self.get(&events(&format!("?{query}{token}")));
            assert_eq!(status, 200, "{body}");
            items.extend(body["items"].as_array().expect("items").iter().cloned());
            match body["nextPageToken"].as_str() {
                Some(next) => page = Some(next.to_owned()),
                None => return (items, body["nextSyncToken"].as_str().map(str::to_owned), n_pages),
            }
        }
        unreachable!("a listing ends")
    }

    /// What changed since this sync token, and the next one.
    pub(crate) fn since(&self, token: &str) -> (Vec<Value>, String) {
        let (items, next, _) = self.pages(&format!("syncToken={}", escaped(token)));
        (items, next.expect("a sync token"))
    }
}

pub(crate) fn read(response: Response<Bytes>) -> (u16, Value) {
    let (parts, body) = response.into_parts();
    let json = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") };
    (parts.status.as_u16(), json)
}

pub(crate) fn request(method: Method, path: &str, token: &str, body: Option<Value>) -> Request<Bytes> {
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    Request::builder()
        .method(method)
        .uri(format!("https://www.googleapis.com{path}"))
        .header("authorization", format!("Bearer {token}"))
        .body(body)
        .expect("a request")
}

pub(crate) fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A path below the events of the trips calendar.
pub(crate) fn events(tail: &str) -> String {
    format!("/calendar/v3/calendars/{}/events{tail}", escaped(TRIPS))
}

/// The path of one event.
pub(crate) fn event(id: &str) -> String {
    events(&format!("/{id}"))
}

pub(crate) fn reason(body: &Value) -> &str {
    body["error"]["errors"][0]["reason"].as_str().unwrap_or("none")
}

/// Ids of items, in order.
pub(crate) fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().expect("an id")).collect()
}
