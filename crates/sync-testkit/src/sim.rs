//! Engine, `sync-http`, a store, a host and a provider, put together under virtual time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;
use serde_json::Value;
use sync_core::{
    AccountId, Clock as _, Connection, ConsentSink, Credentials, EffectGrants, Error, ErrorKind, Exchange, Grant,
    HostRecords, IntegrationId, Opened, Registration, Result, Scope, Stop, SyncRequest, SyncResult, Transport,
};
use sync_engine::{ConnectionRow, ConnectionStatus, Engine, EngineConfig, RunInput, RunOptions, Store};
use sync_http::{Client, RetryPolicy};

use crate::{SeededRandom, Shop, SimClock};

/// A way out over this transport, signed in by key and verified, as conformance harnesses need it.
///
/// # Errors
/// When the key is none of the provider's.
pub async fn exchange(
    registration: &Registration,
    key: &str,
    account: AccountId,
    clock: &SimClock,
    transport: Arc<dyn Transport>,
) -> Result<Arc<dyn Exchange>> {
    let grant = sync_http::grant_from_key(registration.descriptor, &SecretString::from(key))?;
    signed_in(registration, grant, account, clock, transport).await
}

/// A way out over this transport, signed in by an access token that does not expire and verified, as conformance
/// harnesses need it where people sign in at the provider.
///
/// # Errors
/// When the client can't be built.
pub async fn exchange_by_token(
    registration: &Registration,
    token: &str,
    account: AccountId,
    clock: &SimClock,
    transport: Arc<dyn Transport>,
) -> Result<Arc<dyn Exchange>> {
    signed_in(registration, token_grant(token), account, clock, transport).await
}

fn token_grant(token: &str) -> Grant {
    Grant {
        generation: 0,
        credentials: Credentials::Token { access: SecretString::from(token), refresh: None, expires_at: None },
        vars: BTreeMap::new(),
        scopes: Vec::new(),
        account: None,
        dead_since: None,
    }
}

async fn signed_in(
    registration: &Registration,
    grant: Grant,
    account: AccountId,
    clock: &SimClock,
    transport: Arc<dyn Transport>,
) -> Result<Arc<dyn Exchange>> {
    let store = Arc::new(sync_engine::MemoryStore::new(Arc::new(clock.clone())));
    let client = Client::builder(store.clone(), store)
        .with_transport(transport)
        .with_clock(Arc::new(clock.clone()))
        .with_random(Arc::new(SeededRandom::new(7)))
        .build()?;
    let scope = Scope::new("conformance", registration.descriptor.id);
    let grant = client.connect(&scope, grant).await?;
    client.verified(&scope, &grant, account).await?;
    Ok(Arc::new(client.exchange(&scope, registration.descriptor)))
}

/// One integration in one world. What it is made of outlives its processes; each run is a process of its own, with a
/// client and an engine of its own.
#[derive(Clone)]
pub struct Rig {
    registration: Registration,
    config: Value,
    clock: SimClock,
    store: Arc<dyn Store>,
    shop: Arc<Shop>,
    sink: Arc<dyn ConsentSink>,
    transport: Arc<dyn Transport>,
    random: Arc<SeededRandom>,
    engine: EngineConfig,
    retry: RetryPolicy,
}

impl fmt::Debug for Rig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rig")
            .field("integration", &self.registration.descriptor.id)
            .field("store", &self.store)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

impl Rig {
    /// A world of these parts.
    pub fn new(
        registration: Registration,
        clock: SimClock,
        store: Arc<dyn Store>,
        shop: Arc<Shop>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self {
            registration,
            config: Value::Null,
            clock,
            store,
            sink: shop.clone(),
            shop,
            transport,
            random: Arc::new(SeededRandom::new(1)),
            engine: EngineConfig::default(),
            retry: RetryPolicy::default(),
        }
    }

    /// With another configuration of the provider.
    #[must_use]
    pub fn with_config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// With another configuration of the engine.
    #[must_use]
    pub fn with_engine(mut self, engine: EngineConfig) -> Self {
        self.engine = engine;
        self
    }

    /// With another way to try again.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// With another way to the host for consent facts.
    #[must_use]
    pub fn with_sink(mut self, sink: Arc<dyn ConsentSink>) -> Self {
        self.sink = sink;
        self
    }

    /// With another seed of ids and pauses.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.random = Arc::new(SeededRandom::new(seed));
        self
    }

    /// The scope of an organization.
    pub fn scope(&self, organization: &str) -> Scope {
        Scope::new(organization, self.registration.descriptor.id)
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The host.
    pub fn shop(&self) -> &Arc<Shop> {
        &self.shop
    }

    fn client(&self) -> Result<Client> {
        Client::builder(self.store.clone(), self.store.clone())
            .with_transport(self.transport.clone())
            .with_clock(Arc::new(self.clock.clone()))
            .with_random(self.random.clone())
            .with_retry(self.retry.clone())
            .build()
    }

    /// Connects an organization by key, with these settings. What is connected already stays as it is.
    ///
    /// # Errors
    /// When the key or the settings can't be taken.
    pub async fn connect(&self, organization: &str, key: &str, settings: Value) -> Result<()> {
        let grant = sync_http::grant_from_key(self.registration.descriptor, &SecretString::from(key))?;
        self.connect_with(organization, grant, settings).await
    }

    /// Connects an organization by an access token that does not expire, with these settings.
    ///
    /// # Errors
    /// When the settings can't be taken.
    pub async fn connect_by_token(&self, organization: &str, token: &str, settings: Value) -> Result<()> {
        self.connect_with(organization, token_grant(token), settings).await
    }

    async fn connect_with(&self, organization: &str, grant: Grant, settings: Value) -> Result<()> {
        let scope = self.scope(organization);
        if self.store.load(&scope).await?.is_none() {
            self.client()?.connect(&scope, grant).await?;
        }
        if self.store.connection(&scope).await?.is_some() {
            return Ok(());
        }
        let row = ConnectionRow {
            scope,
            revision: 0,
            status: ConnectionStatus::Setup,
            account: None,
            account_name: None,
            settings,
            approved: BTreeSet::new(),
            standing_grants: Vec::new(),
            created_at: self.clock.now(),
            checked_at: None,
            next_run_at: None,
        };
        self.store.put_connection(&row, None).await.map(|_| ())
    }

    /// What a person does where a sign-in reaches several accounts.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn choose(&self, organization: &str, account: &str) -> Result<()> {
        let mut row = self.row(&self.scope(organization)).await?;
        row.account = Some(account.into());
        let revision = row.revision;
        self.store.put_connection(&row, Some(revision)).await.map(|_| ())
    }

    /// Changes an organization's settings.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn set(&self, organization: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut row = self.row(&self.scope(organization)).await?;
        change(&mut row.settings);
        let revision = row.revision;
        self.store.put_connection(&row, Some(revision)).await.map(|_| ())
    }

    async fn row(&self, scope: &Scope) -> Result<ConnectionRow> {
        let row = self.store.connection(scope).await?;
        row.ok_or_else(|| Error::new(ErrorKind::NotConnected, "this organization was never connected"))
    }

    /// A request for everything.
    pub fn request(&self, organization: &str) -> SyncRequest {
        SyncRequest::new(organization, IntegrationId::from_static(self.registration.descriptor.id))
    }

    /// Runs once, without grants and without approving anything.
    pub async fn sync(&self, organization: &str) -> SyncResult {
        self.run(&self.request(organization), &RunOptions::new()).await
    }

    /// Runs once.
    pub async fn run(&self, request: &SyncRequest, options: &RunOptions) -> SyncResult {
        match self.process(request, options).await {
            Ok(result) => result,
            Err(error) => SyncResult::refused(error.to_string()).stopped(Stop::Fault),
        }
    }

    async fn process(&self, request: &SyncRequest, options: &RunOptions) -> Result<SyncResult> {
        let scope = request.scope();
        let row = self.row(&scope).await?;
        let grant = self.store.load(&scope).await?;
        let connection = Connection::new(scope.organization.clone(), row.settings.clone())
            .with_account(row.account.clone())
            .with_vars(grant.map(|grant| grant.vars).unwrap_or_default());
        let integration = (self.registration.build)(self.config.clone())?;
        let Opened::Sync(handler) = integration.open(connection)? else {
            return Err(Error::new(ErrorKind::Unsupported, "this integration does not sync records"));
        };
        let exchange = self.client()?.exchange(&scope, self.registration.descriptor);
        let engine = Engine::new(
            self.store.clone(),
            HostRecords::Writable(self.shop.clone()),
            Some(self.sink.clone()),
            Arc::new(self.clock.clone()),
            self.random.clone(),
            self.engine.clone(),
        );
        let input = RunInput {
            descriptor: self.registration.descriptor,
            handler: &*handler,
            exchange: &exchange,
            connection: &row,
            request,
            options,
        };
        Ok(engine.run(input).await)
    }

    /// Runs, and approves a plan that waits for it: what a person does who looks at the plan and agrees.
    pub async fn agree(&self, organization: &str, grants: &EffectGrants) -> SyncResult {
        let options = RunOptions::new().grants(grants.clone());
        let request = self.request(organization);
        let mut result = self.run(&request, &options).await;
        for _ in 0..3 {
            let Some(details) = &result.details else { break };
            let waits = matches!(details.stopped, Some(Stop::Approval | Stop::Breaker));
            let Some(hash) = details.plan_hash.clone().filter(|_| waits) else { break };
            // Nobody answers in the same moment.
            self.clock.advance(Duration::from_secs(1));
            result = self.run(&request, &options.clone().approve(Some(hash))).await;
        }
        result
    }
}
