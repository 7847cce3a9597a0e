//! One connection of a provider before a mock server: for tests that say what goes over the wire.
//!
//! ```ignore
//! // provider-xero/tests/wire/support.rs
//! pub(crate) async fn connected(settings: Json) -> Wire {
//!     Wire::builder(&REGISTRATION).account("tenant").at("2026-03-01T12:00:00Z").open(settings).await
//! }
//! ```

// For tests: what does not hold ends the test.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::missing_panics_doc)]

#[cfg(feature = "sim")]
mod double;
mod operation;
mod server;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::Value as Json;
use sync_core::{
    AccountId, CallKey, CallSet, Cancel, Check, Checked, Choice, Choices, Connection, ContainerId, Context, EffectGrants,
    Facts, Feed, Find, FindBy, Found, From, Lane, Opened, Operation, Page, Part, PartRef, Prepare, Prepared, Pull, Push,
    Receipt, Registration, ResourceName, Result, Skip, SyncHandler, Watch, Watching,
};
use wiremock::{Mock, MockServer};

use self::server::ToServer;
use crate::clock::later;
#[cfg(feature = "sim")]
pub use double::over_http;
pub use operation::{create, remove, update};

/// Opens a connection without anything that it could be sent to.
///
/// # Errors
/// When configuration or settings are refused.
pub fn open(
    registration: &Registration,
    config: Json,
    account: Option<AccountId>,
    settings: Json,
) -> Result<Box<dyn SyncHandler>> {
    let connection = Connection::new("shop".into(), settings).with_account(account);
    match (registration.build)(config)?.open(connection)? {
        Opened::Sync(handler) => Ok(handler),
        other => panic!("not a sync: {other:?}"),
    }
}

/// What a [`Wire`] is made of.
#[derive(Debug)]
pub struct WireBuilder {
    registration: Registration,
    config: Json,
    account: Option<AccountId>,
    now: Timestamp,
    paths: BTreeMap<String, String>,
    feed: Option<&'static Feed>,
    container: Option<ContainerId>,
    resource: Option<ResourceName>,
}

impl WireBuilder {
    /// With this configuration of the provider.
    #[must_use]
    pub fn config(mut self, config: Json) -> Self {
        self.config = config;
        self
    }

    /// Connected to this account.
    #[must_use]
    pub fn account(mut self, account: impl Into<AccountId>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// At this time.
    #[must_use]
    pub fn at(mut self, now: &str) -> Self {
        self.now = now.parse().expect("a time");
        self
    }

    /// With this path before those of an endpoint's calls, such as `/3.0`. Without it, none.
    #[must_use]
    pub fn endpoint(mut self, endpoint: &str, path: &str) -> Self {
        self.paths.insert(endpoint.to_owned(), path.to_owned());
        self
    }

    /// [`Wire::pull`] and [`Wire::watch`] are of this feed. Without it, of the first.
    #[must_use]
    pub fn feed(mut self, feed: &str) -> Self {
        self.feed = Some(self.registration.descriptor.feed(feed).expect("a feed of this name"));
        self
    }

    /// [`Wire::pull`], [`Wire::find`] and [`Wire::watch`] are of this container. Without it, of none.
    #[must_use]
    pub fn container(mut self, container: impl Into<ContainerId>) -> Self {
        self.container = Some(container.into());
        self
    }

    /// [`Wire::find`] is of this resource. Without it, of the first.
    #[must_use]
    pub fn resource(mut self, resource: ResourceName) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Starts the server and opens the connection with these settings.
    pub async fn open(self, settings: Json) -> Wire {
        let descriptor = self.registration.descriptor;
        let server = server::start().await;
        let path = |name: &str| self.paths.get(name).cloned().unwrap_or_default();
        let endpoints = descriptor.endpoints.iter().map(|endpoint| (endpoint.name, path(endpoint.name))).collect();
        let handler = open(&self.registration, self.config, self.account, settings).expect("the settings are taken");
        let resource = self.resource.or_else(|| descriptor.resources.first().map(|first| first.name.clone()));
        Wire {
            exchange: ToServer::new(&server, endpoints),
            server,
            handler,
            facts: Facts::new(),
            grants: EffectGrants::none(),
            now: self.now,
            cancel: Cancel::new(),
            feed: self.feed.or(descriptor.feeds.first()),
            container: self.container,
            resource: resource.expect("the provider has a resource"),
        }
    }
}

/// A connection before a mock server.
pub struct Wire {
    /// The server. What no mock takes is refused and shown.
    pub server: MockServer,
    /// The connection's handler.
    pub handler: Box<dyn SyncHandler>,
    /// What `prepare` and `push` are told.
    pub facts: Facts,
    /// Which side effects are allowed. None, at first.
    pub grants: EffectGrants,
    /// Now.
    pub now: Timestamp,
    exchange: ToServer,
    cancel: Cancel,
    feed: Option<&'static Feed>,
    container: Option<ContainerId>,
    resource: ResourceName,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("handler", &self.handler).finish_non_exhaustive()
    }
}

impl Wire {
    /// A connection of this provider.
    pub fn builder(registration: &Registration) -> WireBuilder {
        WireBuilder {
            registration: *registration,
            config: Json::Null,
            account: None,
            now: Timestamp::UNIX_EPOCH,
            paths: BTreeMap::new(),
            feed: None,
            container: None,
            resource: None,
        }
    }

    /// With these side effects allowed.
    #[must_use]
    pub fn granting(mut self, effects: &[&str]) -> Self {
        self.grants = EffectGrants::of(effects.iter().copied());
        self
    }

    /// Knowing this, too.
    #[must_use]
    pub fn knowing(mut self, facts: Facts) -> Self {
        self.facts.learn(facts);
        self
    }

    /// Adds a mock.
    pub async fn mount(&self, mock: Mock) {
        mock.mount(&self.server).await;
    }

    /// For calls that have no short form here.
    pub fn context(&self) -> Context<'_> {
        /// Longer than any test.
        const PATIENCE: Duration = Duration::from_secs(60 * 60);
        Context::new(&self.exchange, self.now, later(self.now, PATIENCE), &self.cancel, Lane::Interactive, &self.grants)
    }

    /// See [`SyncHandler::check`].
    ///
    /// # Errors
    /// The handler's.
    pub async fn check(&self, check: Check) -> Result<Checked> {
        self.handler.check(&self.context(), check).await
    }

    /// See [`SyncHandler::choices`].
    ///
    /// # Errors
    /// The handler's.
    pub async fn choices(&self, of: &str, query: Option<&str>) -> Result<Vec<Choice>> {
        self.handler.choices(&self.context(), Choices::new(of, query)).await
    }

    /// A page of the feed.
    ///
    /// # Errors
    /// The handler's.
    pub async fn pull(&self, from: From<'_>) -> Result<Page> {
        let feed = self.feed.expect("the provider has a feed");
        self.handler.pull(&self.context(), Pull::new(feed, self.container.as_ref(), from)).await
    }

    /// A page of another feed.
    ///
    /// # Errors
    /// The handler's.
    pub async fn pull_of(&self, feed: &'static Feed, from: From<'_>) -> Result<Page> {
        self.handler.pull(&self.context(), Pull::new(feed, self.container.as_ref(), from)).await
    }

    /// Looks records up.
    ///
    /// # Errors
    /// The handler's.
    pub async fn find(&self, by: FindBy<'_>) -> Result<Vec<Found>> {
        self.find_of(&self.resource, by).await
    }

    /// Looks records of another resource up.
    ///
    /// # Errors
    /// The handler's.
    pub async fn find_of(&self, resource: &ResourceName, by: FindBy<'_>) -> Result<Vec<Found>> {
        self.handler.find(&self.context(), Find::new(resource, self.container.as_ref(), by)).await
    }

    /// Starts a push channel to `url`.
    ///
    /// # Errors
    /// The handler's.
    pub async fn watch(&self, url: &str, secret: &str) -> Result<Watching> {
        let feed = self.feed.expect("the provider has a feed");
        let start = Watch::Start { feed, container: self.container.as_ref(), url, secret };
        self.handler.watch(&self.context(), start).await
    }

    /// Stops a push channel.
    ///
    /// # Errors
    /// The handler's.
    pub async fn stop(&self, watching: &Watching) -> Result<Watching> {
        self.handler.watch(&self.context(), Watch::Stop(watching)).await
    }

    /// See [`SyncHandler::prepare`].
    ///
    /// # Errors
    /// The handler's.
    pub fn prepare(&self, op: &Operation) -> Result<Prepared> {
        self.handler.prepare(Prepare::new(&self.facts, &self.grants, op))
    }

    /// The parts of an operation that has some.
    pub fn parts(&self, op: &Operation) -> Vec<Part> {
        match self.prepare(op).unwrap() {
            Prepared::Parts(parts) => parts,
            other => panic!("no parts: {other:?}"),
        }
    }

    /// The groups of its parts.
    pub fn groups(&self, op: &Operation) -> Vec<String> {
        self.parts(op).into_iter().map(|part| part.group.into_owned()).collect()
    }

    /// Why an operation is left out.
    pub fn skip(&self, op: &Operation) -> Skip {
        match self.prepare(op).unwrap() {
            Prepared::Skip(skip) => skip,
            other => panic!("not skipped: {other:?}"),
        }
    }

    /// One call with the first part of each of these.
    ///
    /// # Errors
    /// The handler's.
    pub async fn push(&self, group: &str, ops: &[Operation]) -> Result<Vec<Receipt>> {
        let (refs, key) = (Default::default(), CallKey::from_static("key"));
        let mut parts = Vec::new();
        for op in ops {
            let before = op.before.as_ref();
            let version = before.and_then(|before| before.version.as_ref());
            parts.push(PartRef { op, part_idx: 0, remote: before.map(|before| &before.id), version, refs: &refs });
        }
        let push = Push::new(CallSet { group, parts: &parts }, &key, &self.facts);
        self.handler.push(&self.context(), push).await
    }

    /// Sends all parts of an operation, one after another.
    ///
    /// # Errors
    /// The handler's.
    pub async fn send(&self, op: &Operation) -> Result<Vec<Receipt>> {
        let mut receipts = Vec::new();
        for group in self.groups(op) {
            receipts.append(&mut self.push(&group, std::slice::from_ref(op)).await?);
        }
        Ok(receipts)
    }

    /// Sends the only part of an operation.
    ///
    /// # Errors
    /// The handler's.
    pub async fn send_one(&self, op: &Operation) -> Result<Receipt> {
        let mut receipts = self.send(op).await?;
        assert_eq!(receipts.len(), 1, "one part, one receipt");
        Ok(receipts.remove(0))
    }

    /// The calls so far, as (method, path and query, body).
    pub async fn sent(&self) -> Vec<(String, String, Json)> {
        let requests = self.server.received_requests().await.unwrap();
        let shown = requests.iter().map(|request| {
            let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
            let body = serde_json::from_slice(&request.body).unwrap_or(Json::Null);
            (request.method.to_string(), format!("{}{query}", request.url.path()), body)
        });
        shown.collect()
    }
}
