//! A way out to a mock server, and short forms for records and operations.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use provider_google_calendar::REGISTRATION;
use serde_json::{Value as Json, json};
use sync_core::{
    Call, CallKey, CallSet, Cancel, Check, Checked, Choice, Choices, Connection, ContainerId, Context, EffectGrants, Error,
    ErrorKind, Exchange, Facts, Find, FindBy, Found, From, Lane, Marker, Opened, Operation, Page, Part, PartRef, Prepare,
    Prepared, Pull, Push, Reason, Receipt, Record, Remote, ResourceName, Result, Role, Skip, SyncHandler, Value, Verb,
    Watch, Watching, Within,
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

pub(crate) const CALENDAR: &str = "trips@group.calendar.google.com";
pub(crate) const TRIPS: ResourceName = ResourceName::from_static("trips");
pub(crate) const MARK: &str = "0123456789abcdef0123456789abcdef";
/// Where the calendar's events lie.
pub(crate) const EVENTS: &str = "/calendar/v3/calendars/trips%40group.calendar.google.com/events";

/// One request to the mock server: no retries, no sign-in.
struct ToServer {
    client: reqwest::Client,
    base: String,
}

#[async_trait]
impl Exchange for ToServer {
    async fn send(&self, call: Call, _: Within<'_>) -> Result<http::Response<Bytes>> {
        assert_eq!(call.endpoint, "api");
        let lost = |_| Error::new(ErrorKind::Unavailable, "the mock server can't be reached");
        let url = format!("{}{}", self.base, call.path_and_query());
        let mut request = self.client.request(call.method.clone(), url).body(call.body.clone());
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(lost)?;
        let mut response = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        let answer = response.body(answer.bytes().await.map_err(lost)?).expect("a copied answer is one");
        (call.classify)(&answer)?;
        Ok(answer)
    }
}

/// Shows the request that no other mock took.
struct Unexpected;

impl Respond for Unexpected {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        eprintln!("unexpected: {} {} {}", request.method, request.url, String::from_utf8_lossy(&request.body));
        ResponseTemplate::new(501)
    }
}

/// A connection to a mock server.
pub(crate) struct Shop {
    pub(crate) server: MockServer,
    pub(crate) handler: Box<dyn SyncHandler>,
    pub(crate) facts: Facts,
    pub(crate) now: Timestamp,
    grants: EffectGrants,
    exchange: ToServer,
}

impl Shop {
    /// With these settings beside the calendar.
    pub(crate) async fn new(settings: Json) -> Self {
        Self::configured(Json::Null, settings).await
    }

    /// With this configuration, too.
    pub(crate) async fn configured(config: Json, mut settings: Json) -> Self {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Unexpected).with_priority(u8::MAX).mount(&server).await;
        if settings.get("calendar").is_none() {
            settings["calendar"] = json!(CALENDAR);
        }
        let exchange = ToServer { client: reqwest::Client::new(), base: server.uri() };
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let handler = open(config, settings).unwrap();
        Self { server, handler, facts: facts(), now, grants: EffectGrants::none(), exchange }
    }

    pub(crate) async fn mount(&self, mock: Mock) {
        mock.mount(&self.server).await;
    }

    pub(crate) async fn check(&self, check: Check) -> Result<Checked> {
        let cancel = Cancel::new();
        self.handler.check(&self.context(&cancel), check).await
    }

    pub(crate) async fn choices(&self, of: &str, query: Option<&str>) -> Result<Vec<Choice>> {
        let cancel = Cancel::new();
        self.handler.choices(&self.context(&cancel), Choices::new(of, query)).await
    }

    pub(crate) async fn create_calendar(&self, name: &str, zone: Option<&str>) -> Result<Choice> {
        let cancel = Cancel::new();
        provider_google_calendar::create_calendar(&self.context(&cancel), name, zone).await
    }

    pub(crate) async fn pull(&self, from: From<'_>) -> Result<Page> {
        let cancel = Cancel::new();
        let feed = REGISTRATION.descriptor.feed("events").unwrap();
        let calendar = CALENDAR.into();
        self.handler.pull(&self.context(&cancel), Pull::new(feed, Some(&calendar), from)).await
    }

    pub(crate) async fn find(&self, by: FindBy<'_>) -> Result<Vec<Found>> {
        let cancel = Cancel::new();
        self.handler.find(&self.context(&cancel), Find::new(&TRIPS, Some(&CALENDAR.into()), by)).await
    }

    pub(crate) async fn watch(&self, secret: &str) -> Result<Watching> {
        let cancel = Cancel::new();
        let feed = REGISTRATION.descriptor.feed("events").unwrap();
        let container: ContainerId = CALENDAR.into();
        let start = Watch::Start { feed, container: Some(&container), url: "https://hooks.example.org/g", secret };
        self.handler.watch(&self.context(&cancel), start).await
    }

    pub(crate) async fn stop(&self, watching: &Watching) -> Result<Watching> {
        let cancel = Cancel::new();
        self.handler.watch(&self.context(&cancel), Watch::Stop(watching)).await
    }

    pub(crate) fn prepare(&self, op: &Operation) -> Result<Prepared> {
        self.handler.prepare(Prepare::new(&self.facts, &self.grants, op))
    }

    pub(crate) fn parts(&self, op: &Operation) -> Vec<Part> {
        match self.prepare(op).unwrap() {
            Prepared::Parts(parts) => parts,
            other => panic!("no parts: {other:?}"),
        }
    }

    pub(crate) fn skip(&self, op: &Operation) -> Skip {
        match self.prepare(op).unwrap() {
            Prepared::Skip(skip) => skip,
            other => panic!("not skipped: {other:?}"),
        }
    }

    pub(crate) async fn push(&self, group: &str, ops: &[Operation]) -> Result<Vec<Receipt>> {
        let (cancel, refs, key) = (Cancel::new(), BTreeMap::new(), CallKey::from_static("key"));
        let before = |op: &'_ Operation| op.before.clone();
        let befores: Vec<_> = ops.iter().map(before).collect();
        let parts: Vec<PartRef<'_>> = ops
            .iter()
            .zip(&befores)
            .map(|(op, before)| PartRef {
                op,
                part_idx: 0,
                remote: before.as_ref().map(|before| &before.id),
                version: before.as_ref().and_then(|before| before.version.as_ref()),
                refs: &refs,
            })
            .collect();
        let push = Push::new(CallSet { group, parts: &parts }, &key, &self.facts);
        self.handler.push(&self.context(&cancel), push).await
    }

    /// Sends an operation's only part.
    pub(crate) async fn send(&self, op: &Operation) -> Result<Receipt> {
        let parts = self.parts(op);
        assert_eq!(parts.len(), 1);
        let receipts = self.push(&parts[0].group, std::slice::from_ref(op)).await?;
        assert_eq!(receipts.len(), 1);
        Ok(receipts.into_iter().next().unwrap())
    }

    /// The calls so far, as (method, path and query, body).
    pub(crate) async fn sent(&self) -> Vec<(String, String, Json)> {
        let requests = self.server.received_requests().await.unwrap();
        requests
            .iter()
            .map(|request| {
                let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
                let body = serde_json::from_slice(&request.body).unwrap_or(Json::Null);
                (request.method.to_string(), format!("{}{query}", request.url.path()), body)
            })
            .collect()
    }

    fn context<'a>(&'a self, cancel: &'a Cancel) -> Context<'a> {
        let deadline = "2026-11-22T13:00:00Z".parse().unwrap();
        Context::new(&self.exchange, self.now, deadline, cancel, Lane::Interactive, &self.grants)
    }
}

/// What a look at the connection tells.
pub(crate) fn facts() -> Facts {
    let mut facts = Facts::of("zones", json!({CALENDAR: "Europe/Madrid"}));
    facts.learn(Facts::of("names", json!({CALENDAR: "Trips"})));
    facts.learn(Facts::of("window", json!({"from": "2026-10-23", "until": "2028-05-22"})));
    facts
}

/// Opens a connection.
pub(crate) fn open(config: Json, settings: Json) -> Result<Box<dyn SyncHandler>> {
    let connection = Connection::new("shop".into(), settings).with_account(Some("ada@example.com".into()));
    match (REGISTRATION.build)(config)?.open(connection)? {
        Opened::Sync(handler) => Ok(handler),
        other => panic!("not a sync: {other:?}"),
    }
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
    let changed = fields.iter().map(|(field, _)| field.clone()).collect();
    Operation {
        id: "op".into(),
        resource: TRIPS,
        local: "1".into(),
        role: Role::MAIN,
        container: Some(CALENDAR.into()),
        verb: Verb::Create,
        fields,
        changed,
        sets: BTreeMap::new(),
        before: None,
        marker: Marker::new(marker),
        open: Default::default(),
        here: None,
        reason: Reason::NewHere,
    }
}

/// Changes these fields of a trip.
pub(crate) fn update(before: Remote, fields: Record, changed: &[&str]) -> Operation {
    Operation {
        verb: Verb::Update,
        changed: changed.iter().map(|field| (*field).into()).collect(),
        before: Some(Box::new(before)),
        reason: Reason::ChangedHere,
        ..create(MARK, fields)
    }
}

/// Takes a trip away.
pub(crate) fn remove(before: Remote) -> Operation {
    Operation {
        verb: Verb::Remove,
        changed: Default::default(),
        before: Some(Box::new(before)),
        reason: Reason::DeletedHere,
        ..create(MARK, Record::new())
    }
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
