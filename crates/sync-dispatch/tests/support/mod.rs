//! A host and a provider of its own, in memory: `ledger`, with a web service behind a scripted transport.
#![allow(clippy::expect_used, clippy::unwrap_used, dead_code, missing_docs, unreachable_pub, unused_imports)]

mod agenda;
mod integration;
mod service;
mod shop;

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use sync_core::{
    Clock, Error, ErrorKind, HostRecords, Notice, Notifier, OrganizationId, Random, Result, Scope, SyncRequest, WebhookKeys,
};
use sync_dispatch::{ConnectOptions, Connected, Dispatcher, DispatcherBuilder, MemoryStore, RunOptions};
use sync_http::OAuthClient;

pub use agenda::{AGENDA, Agenda};
pub use integration::{CONSENTING, Fake, LEDGER, OAUTH_ONLY, OPEN, OUTBOX, PAGER, REGISTRATION};
pub use service::Service;
pub use shop::Shop;

pub const ORG: &str = "blue-manta";

/// A clock that stands still until it is moved; waiting moves it.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<Mutex<Timestamp>>);

impl TestClock {
    pub fn at(text: &str) -> Self {
        Self(Arc::new(Mutex::new(text.parse().unwrap())))
    }

    pub fn forward(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.saturating_add(by).unwrap();
    }

    pub fn forward_days(&self, days: u64) {
        self.forward(Duration::from_secs(days * 24 * 60 * 60));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.forward(duration);
        Box::pin(ready(()))
    }
}

/// Counts instead of rolling dice.
#[derive(Debug, Default)]
pub struct Counting(Mutex<u64>);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let mut n = self.0.lock().unwrap();
        *n += 1;
        let bytes = n.to_be_bytes();
        buffer.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from);
    }
}

/// Remembers what it was told; can be made to fail.
#[derive(Debug, Default)]
pub struct Inbox {
    pub told: Mutex<Vec<(OrganizationId, Vec<Notice>)>>,
    pub fails: Mutex<bool>,
}

#[async_trait]
impl Notifier for Inbox {
    async fn notify(&self, organization: &OrganizationId, notices: &[Notice]) -> Result<()> {
        if *self.fails.lock().unwrap() {
            return Err(Error::new(ErrorKind::Unavailable, "the mail server is down"));
        }
        self.told.lock().unwrap().push((organization.clone(), notices.to_vec()));
        Ok(())
    }
}

/// The one key of the fake's webhooks.
pub struct Keys;

impl WebhookKeys for Keys {
    fn keys(&self, scope: &str) -> Vec<Bytes> {
        if scope == "app" { vec![Bytes::from_static(b"hook-secret")] } else { Vec::new() }
    }
}

/// Everything around one dispatcher.
pub struct World {
    pub clock: TestClock,
    pub store: MemoryStore,
    pub shop: Arc<Shop>,
    pub service: Arc<Service>,
    pub inbox: Arc<Inbox>,
    pub dispatcher: Dispatcher,
}

fn builder(
    clock: &TestClock,
    store: &MemoryStore,
    shop: &Arc<Shop>,
    service: &Arc<Service>,
    inbox: &Arc<Inbox>,
) -> DispatcherBuilder {
    Dispatcher::builder(Arc::new(store.clone()), HostRecords::ReadOnly(Arc::clone(shop) as _))
        .clock(Arc::new(clock.clone()))
        .random(Arc::new(Counting::default()))
        .transport(Arc::clone(service) as _)
        .notifier(Arc::clone(inbox) as _)
        .webhook_keys(Arc::new(Keys))
        .without_consent_sink()
        .oauth_client("ledger", OAuthClient::new("client-1", "client-secret".to_owned()))
        .integration(REGISTRATION, serde_json::Value::Null)
}

impl World {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(change: impl FnOnce(DispatcherBuilder) -> DispatcherBuilder) -> Self {
        let clock = TestClock::at("2026-11-22T10:00:00Z");
        let store = MemoryStore::new(Arc::new(clock.clone()));
        let shop = Arc::new(Shop::default());
        let service = Arc::new(Service::default());
        let inbox = Arc::new(Inbox::default());
        let dispatcher = change(builder(&clock, &store, &shop, &service, &inbox)).build().unwrap();
        Self { clock, store, shop, service, inbox, dispatcher }
    }

    /// Another process over the same store.
    pub fn again(&self, change: impl FnOnce(DispatcherBuilder) -> DispatcherBuilder) -> Dispatcher {
        change(builder(&self.clock, &self.store, &self.shop, &self.service, &self.inbox)).build().unwrap()
    }

    pub fn scope(&self) -> Scope {
        Scope::new(ORG, "ledger")
    }

    pub fn request(&self) -> SyncRequest {
        SyncRequest::new(ORG, "ledger")
    }

    pub async fn connect(&self) -> Connected {
        self.try_connect("good-key", ConnectOptions::new()).await.unwrap()
    }

    pub async fn try_connect(&self, key: &str, options: ConnectOptions) -> Result<Connected> {
        self.dispatcher.connect_with_key(&self.scope(), key.to_owned().into(), options).await
    }

    /// Connects, syncs, and approves the first plan.
    pub async fn activate(&self) {
        self.connect().await;
        let first = self.dispatcher.dispatch(self.request()).await;
        if let Some(plan) = first.details.as_ref().and_then(|details| details.plan_hash.clone()) {
            let options = RunOptions::new().approve(Some(plan));
            let applied = self.dispatcher.dispatch_with(self.request(), options).await;
            assert!(applied.success, "{applied:?}");
        } else {
            // Nothing to approve: with an empty first plan it stays in setup.
            assert!(first.success, "{first:?}");
            self.mark_active().await;
        }
    }

    pub async fn row(&self) -> sync_dispatch::ConnectionRow {
        self.dispatcher.store().connection(&self.scope()).await.unwrap().unwrap()
    }

    /// Marks the connection as active without a run.
    pub async fn mark_active(&self) {
        let mut row = self.row().await;
        row.status = sync_dispatch::ConnectionStatus::Active;
        row.approved.insert(String::new());
        self.put(row).await;
    }

    pub async fn put(&self, row: sync_dispatch::ConnectionRow) {
        let expected = Some(row.revision);
        assert!(self.dispatcher.store().put_connection(&row, expected).await.unwrap());
    }
}
