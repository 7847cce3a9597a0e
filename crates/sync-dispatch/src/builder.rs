//! Building a dispatcher: what a host gives, and what it lacks.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use sync_core::{
    Clock, ConsentSink, Counters, Error, ErrorKind, Grants, HostRecords, Integration, IntegrationId, Notifier, Random,
    Registration, Result, SignIns, Transport, WebhookKeys,
};
use sync_engine::{Engine, EngineConfig, Retention, Store};
use sync_http::{Limits, OAuthClient, RetryPolicy, system_clock, system_random};
use url::Url;

use crate::{
    Dispatcher,
    dispatcher::Inner,
    due::{Memory, POLL_EVERY},
    outbound::{Outbound, Parts},
    registry::{ENABLED, Registry},
};

/// Builds a [`Dispatcher`]. Everything but store and records has a default.
#[must_use]
pub struct DispatcherBuilder {
    store: Arc<dyn Store>,
    records: HostRecords,
    consent: Option<Arc<dyn ConsentSink>>,
    without_consent_sink: bool,
    notifier: Option<Arc<dyn Notifier>>,
    keys: Option<Arc<dyn WebhookKeys>>,
    webhooks: Option<Url>,
    poll_every: Option<Duration>,
    clock: Option<Arc<dyn Clock>>,
    random: Option<Arc<dyn Random>>,
    transport: Option<Arc<dyn Transport>>,
    registrations: Vec<(Registration, serde_json::Value)>,
    own: Vec<Arc<dyn Integration>>,
    configs: BTreeMap<String, serde_json::Value>,
    base_urls: Vec<(IntegrationId, String, Url)>,
    oauth_clients: Vec<(IntegrationId, OAuthClient)>,
    engine: EngineConfig,
    limits: Limits,
    retry: RetryPolicy,
    retention: Retention,
    allow_plain_http: bool,
}

impl fmt::Debug for DispatcherBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DispatcherBuilder").field("base_urls", &self.base_urls).finish_non_exhaustive()
    }
}

impl DispatcherBuilder {
    pub(crate) fn new(store: Arc<dyn Store>, records: HostRecords) -> Self {
        Self {
            store,
            records,
            consent: None,
            without_consent_sink: false,
            notifier: None,
            keys: None,
            webhooks: None,
            poll_every: Some(POLL_EVERY),
            clock: None,
            random: None,
            transport: None,
            registrations: Vec::new(),
            own: Vec::new(),
            configs: BTreeMap::new(),
            base_urls: Vec::new(),
            oauth_clients: Vec::new(),
            engine: EngineConfig::default(),
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            retention: Retention::default(),
            allow_plain_http: false,
        }
    }

    /// Takes what integrations learn about consent.
    pub fn consent(mut self, sink: Arc<dyn ConsentSink>) -> Self {
        self.consent = Some(sink);
        self
    }

    /// Does without a consent sink although an integration reports consent: facts then wait in the store, and the
    /// suppression list is kept all the same.
    pub fn without_consent_sink(mut self) -> Self {
        self.without_consent_sink = true;
        self
    }

    /// Tells people what waits for them. Without one there are no digests.
    pub fn notifier(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = Some(notifier);
        self
    }

    /// Gives the secrets against which webhooks are verified. Without them all are refused.
    pub fn webhook_keys(mut self, keys: Arc<dyn WebhookKeys>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The public URL under which providers reach this host. With it, push channels are started for connections that read
    /// feeds; what comes to `{url}/{integration}` goes to [`Dispatcher::inbound`]. [`Dispatcher::run_due`] starts, renews
    /// and stops them.
    pub fn webhooks(mut self, url: Url) -> Self {
        self.webhooks = Some(url);
        self
    }

    /// How often a connection that reads feeds runs by itself although nobody told of news: no push channel tells
    /// everything. Every 6 hours unless said otherwise; never with `None`. A connection that the host schedules itself is
    /// left alone.
    pub fn poll_every(mut self, every: Option<Duration>) -> Self {
        self.poll_every = every;
        self
    }

    /// Another clock than the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Other randomness than the operating system's.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = Some(random);
        self
    }

    /// Another way to move bytes than reqwest.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Adds an integration of the host's own, built from its configuration.
    pub fn integration(mut self, registration: Registration, config: serde_json::Value) -> Self {
        self.registrations.push((registration, config));
        self
    }

    /// Adds an integration of the host's own that is built already.
    pub fn built_integration(mut self, integration: Arc<dyn Integration>) -> Self {
        self.own.push(integration);
        self
    }

    /// The application-level configuration of an integration that is compiled in.
    pub fn config(mut self, integration: impl Into<String>, config: serde_json::Value) -> Self {
        self.configs.insert(integration.into(), config);
        self
    }

    /// Another URL for an endpoint of an integration, such as a sandbox's.
    pub fn base_url(mut self, integration: impl Into<IntegrationId>, endpoint: impl Into<String>, url: Url) -> Self {
        self.base_urls.push((integration.into(), endpoint.into(), url));
        self
    }

    /// The OAuth client by which the host is known to a provider, unless an organization brought its own
    /// ([`Dispatcher::set_oauth_client`]).
    pub fn oauth_client(mut self, integration: impl Into<IntegrationId>, client: OAuthClient) -> Self {
        self.oauth_clients.push((integration.into(), client));
        self
    }

    /// How runs are carried out.
    pub fn engine(mut self, config: EngineConfig) -> Self {
        self.engine = config;
        self
    }

    /// Other limits than the published ones.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Another way to send again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How long what is kept.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Allows base URLs of plain HTTP on other machines, where secrets can be read on the way.
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.allow_plain_http = allow;
        self
    }

    /// Builds the dispatcher.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names what an integration lacks or which entry of a configuration is wrong.
    pub fn build(self) -> Result<Dispatcher> {
        let mut own = self.own;
        for (registration, config) in &self.registrations {
            own.push((registration.build)(config.clone())?);
        }
        let mut registry = Registry::build(ENABLED, self.configs, own)?;
        self.registrations.iter().for_each(|(registration, _)| registry.speak(registration));
        for integration in registry.iter() {
            let descriptor = integration.descriptor();
            let reports_consent = descriptor.feeds.iter().any(|feed| feed.carries_consent);
            if reports_consent && self.consent.is_none() && !self.without_consent_sink {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("{} reports who withdrew consent, and there is no consent sink", descriptor.id),
                )
                .with_remedy("Give one with `consent`, or say `without_consent_sink`."));
            }
        }
        for id in self.base_urls.iter().map(|(id, _, _)| id).chain(self.oauth_clients.iter().map(|(id, _)| id)) {
            registry.built(id)?;
        }
        for (id, endpoint, _) in &self.base_urls {
            let endpoints = registry.built(id)?.descriptor().endpoints;
            if !endpoints.iter().any(|known| known.name == endpoint) {
                let names: Vec<_> = endpoints.iter().map(|endpoint| endpoint.name).collect();
                return Err(Error::new(ErrorKind::Config, format!("{id} has no endpoint {endpoint:?}"))
                    .with_remedy(format!("Use one of: {}.", names.join(", "))));
            }
        }
        if let Some(url) = &self.webhooks {
            let has_more = url.cannot_be_a_base() || url.query().is_some() || url.fragment().is_some();
            let is_local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
            let is_safe = url.scheme() == "https" || (url.scheme() == "http" && (is_local || self.allow_plain_http));
            if has_more || !is_safe {
                return Err(Error::new(ErrorKind::Config, "providers can't be given this URL for webhooks")
                    .with_remedy("Give an https URL without query and fragment, under which this host can be reached."));
            }
        }
        let clock = self.clock.unwrap_or_else(|| Arc::new(system_clock()));
        let random = self.random.unwrap_or_else(|| Arc::new(system_random()));
        let grants: Arc<dyn Grants> = Arc::clone(&self.store) as _;
        let counters: Arc<dyn Counters> = Arc::clone(&self.store) as _;
        let sign_ins: Arc<dyn SignIns> = Arc::clone(&self.store) as _;
        let parts = Parts {
            counters,
            sign_ins,
            transport: self.transport,
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            limits: self.limits,
            retry: self.retry,
            base_urls: self.base_urls,
            oauth_clients: self.oauth_clients,
            allow_plain_http: self.allow_plain_http,
        };
        let engine = Engine::new(
            Arc::clone(&self.store),
            self.records.clone(),
            self.consent,
            Arc::clone(&clock),
            Arc::clone(&random),
            self.engine.clone(),
        );
        Ok(Dispatcher(Arc::new(Inner {
            registry,
            store: self.store,
            records: self.records,
            notifier: self.notifier,
            keys: self.keys,
            webhooks: self.webhooks,
            poll_every: self.poll_every,
            random,
            clock,
            engine,
            config: self.engine,
            retention: self.retention,
            outbound: Outbound::new(grants, parts)?,
            memory: Memory::default(),
        })))
    }
}
