//! A way out to a mock server, and short forms for records and operations.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use provider_mailchimp::REGISTRATION;
use serde_json::{Value as Json, json};
use sync_core::{
    Call, CallKey, CallSet, Cancel, Check, Checked, Choice, Choices, Connection, Consent, ConsentState, Context,
    EffectGrants, Error, ErrorKind, Exchange, Facts, Find, FindBy, Found, From, Lane, Marker, Opened, Operation, Page, Part,
    PartRef, Prepare, Prepared, Pull, Push, Reason, Receipt, Record, Remote, RemoteId, ResourceName, Result, Role,
    SetChange, Skip, SyncHandler, Value, Verb, Within,
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

pub(crate) const AUDIENCE: &str = "a1b2c3d4e5";
pub(crate) const CONTACTS: ResourceName = ResourceName::from_static("contacts");
pub(crate) const ADA: &str = "ada.lovelace@example.com";
pub(crate) const ADA_ID: &str = "2b9150605ac374d671a306b5fcee60a0";

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
        let url = format!("{}/3.0{}", self.base, call.path_and_query());
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
    pub(crate) grants: EffectGrants,
    pub(crate) now: Timestamp,
    exchange: ToServer,
}

impl Shop {
    /// With these settings beside the audience.
    pub(crate) async fn new(settings: Json) -> Self {
        Self::configured(Json::Null, settings).await
    }

    /// With this configuration, too.
    pub(crate) async fn configured(config: Json, mut settings: Json) -> Self {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Unexpected).with_priority(u8::MAX).mount(&server).await;
        if settings.get("audience").is_none() {
            settings["audience"] = json!(AUDIENCE);
        }
        let exchange = ToServer { client: reqwest::Client::new(), base: server.uri() };
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        Self {
            server,
            handler: open(config, settings).unwrap(),
            facts: Facts::new(),
            grants: EffectGrants::none(),
            now,
            exchange,
        }
    }

    /// With these side effects allowed.
    pub(crate) fn granting(mut self, effects: &[&str]) -> Self {
        self.grants = EffectGrants::of(effects.iter().copied());
        self
    }

    /// With these facts.
    pub(crate) fn knowing(mut self, facts: Facts) -> Self {
        self.facts.learn(facts);
        self
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

    pub(crate) async fn pull(&self, from: From<'_>) -> Result<Page> {
        let cancel = Cancel::new();
        let feed = REGISTRATION.descriptor.feed("members").unwrap();
        let audience = AUDIENCE.into();
        self.handler.pull(&self.context(&cancel), Pull::new(feed, Some(&audience), from)).await
    }

    pub(crate) async fn find(&self, by: FindBy<'_>) -> Result<Vec<Found>> {
        let cancel = Cancel::new();
        self.handler.find(&self.context(&cancel), Find::new(&CONTACTS, Some(&AUDIENCE.into()), by)).await
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

    pub(crate) fn groups(&self, op: &Operation) -> Vec<String> {
        self.parts(op).into_iter().map(|part| part.group.into_owned()).collect()
    }

    pub(crate) async fn push(&self, group: &str, ops: &[Operation]) -> Result<Vec<Receipt>> {
        let (cancel, refs, key) = (Cancel::new(), BTreeMap::new(), CallKey::from_static("key"));
        let parts: Vec<PartRef<'_>> = ops
            .iter()
            .map(|op| PartRef { op, part_idx: 0, remote: op.before.as_ref().map(|it| &it.id), version: None, refs: &refs })
            .collect();
        let push = Push::new(CallSet { group, parts: &parts }, &key, &self.facts);
        self.handler.push(&self.context(&cancel), push).await
    }

    /// Sends all parts of an operation, one after another.
    pub(crate) async fn send(&self, op: &Operation) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for group in self.groups(op) {
            receipts.append(&mut self.push(&group, std::slice::from_ref(op)).await.unwrap());
        }
        receipts
    }

    /// The bodies of the calls so far, as (method, path and query, body).
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
        let deadline = "2026-03-01T13:00:00Z".parse().unwrap();
        Context::new(&self.exchange, self.now, deadline, cancel, Lane::Interactive, &self.grants)
    }
}

/// Opens a connection.
pub(crate) fn open(config: Json, settings: Json) -> Result<Box<dyn SyncHandler>> {
    let connection = Connection::new("shop".into(), settings);
    match (REGISTRATION.build)(config)?.open(connection)? {
        Opened::Sync(handler) => Ok(handler),
        other => panic!("not a sync: {other:?}"),
    }
}

/// A customer who agreed.
pub(crate) fn customer(email: &str) -> Record {
    Record::new()
        .with("email", Value::text(email))
        .with("first_name", Value::text("Ada"))
        .with("last_name", Value::text("Lovelace"))
        .with("consent.email", consent(ConsentState::Granted, Some("2026-01-01T00:00:00Z")))
}

pub(crate) fn consent(state: ConsentState, at: Option<&str>) -> Value {
    Value::Consent(Consent { state, source: None, at: at.map(|at| at.parse().unwrap()) })
}

/// A record as Mailchimp has it.
pub(crate) fn remote(email: &str, id: &str, state: ConsentState) -> Remote {
    let fields = customer(email).with("consent.email", consent(state, Some("2026-02-01T00:00:00Z")));
    let mut remote = Remote::live(CONTACTS, RemoteId::new(id), fields);
    remote.changed_at = Some("2026-02-01T00:00:00Z".parse().unwrap());
    remote
}

/// Adds a customer.
pub(crate) fn create(fields: Record) -> Operation {
    let changed = fields.iter().map(|(field, _)| field.clone()).collect();
    Operation {
        id: "op".into(),
        resource: CONTACTS,
        local: "1".into(),
        role: Role::new(AUDIENCE),
        container: Some(AUDIENCE.into()),
        verb: Verb::Create,
        fields,
        changed,
        sets: BTreeMap::new(),
        before: None,
        marker: Marker::new("m"),
        open: Default::default(),
        here: None,
        reason: Reason::NewHere,
    }
}

/// Changes these fields of a customer.
pub(crate) fn update(before: Remote, fields: Record, changed: &[&str]) -> Operation {
    Operation {
        verb: Verb::Update,
        changed: changed.iter().map(|field| (*field).into()).collect(),
        before: Some(Box::new(before)),
        open: Default::default(),
        here: None,
        reason: Reason::ChangedHere,
        ..create(fields)
    }
}

/// Takes a customer away.
pub(crate) fn remove(before: Remote) -> Operation {
    Operation {
        verb: Verb::Remove,
        changed: Default::default(),
        fields: Record::new(),
        before: Some(Box::new(before)),
        open: Default::default(),
        here: None,
        reason: Reason::DeletedHere,
        ..create(Record::new())
    }
}

/// With these tags added and removed.
pub(crate) fn tagging(mut op: Operation, add: &[&str], remove: &[&str]) -> Operation {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    op.sets.insert("tags".into(), SetChange { add: texts(add), remove: texts(remove) });
    op
}

/// A member as Mailchimp shows it.
pub(crate) fn member(email: &str, status: &str) -> Json {
    let id = provider_id(email);
    json!({
        "id": id, "email_address": email, "status": status, "merge_fields": {"FNAME": "Ada", "LNAME": "Lovelace"},
        "timestamp_signup": "", "timestamp_opt": "2026-01-01T00:00:00+00:00", "last_changed": "2026-02-01T00:00:00+00:00",
        "tags": [], "_links": [],
    })
}

/// The two ids that the tests need; anybody else's is made up.
fn provider_id(email: &str) -> String {
    match email.to_lowercase().as_str() {
        ADA => ADA_ID.to_owned(),
        "jörg@example.com" => "1020b8f7b35fa04503bbb1a6c0182ca9".to_owned(),
        other => format!("id-{other}"),
    }
}

/// The audience's facts, as `check` learns them.
pub(crate) fn audience_facts(double_optin: bool, has_welcome: bool) -> Facts {
    let audience = json!({"name": "Newsletter", "members": 9204, "double_optin": double_optin, "has_welcome": has_welcome});
    Facts::of("audience", audience)
}

/// The ids of the audience's tags, as they are known once all of them were read.
pub(crate) fn tag_facts(ids: Json) -> Facts {
    let mut facts = Facts::of("tags", ids);
    facts.learn(Facts::of("tags_read", json!({AUDIENCE: true})));
    facts
}

pub(crate) fn problem(status: u16, title: &str, detail: &str) -> ResponseTemplate {
    let body = json!({"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": title, "status": status,
        "detail": detail, "instance": "3b4dcb40-0000-4000-8000-000000000000"});
    ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/problem+json; charset=utf-8")
}

pub(crate) fn ok(body: Json) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// `POST /lists/{id}`'s answer.
pub(crate) fn written(new: &[Json], updated: &[Json], errors: &[Json]) -> ResponseTemplate {
    ok(json!({"new_members": new, "updated_members": updated, "errors": errors,
        "total_created": new.len(), "total_updated": updated.len(), "error_count": errors.len()}))
}
