//! The application level: one client per process.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use sync_core::{
    AccountId, Clock, Counters, Descriptor, Error, ErrorKind, Grant, Grants, IntegrationId, Random, Result, Scope, SignIns,
    Swapped, Transport,
};
use url::Url;

use crate::{
    AuthorizedExchange, Limits, OAuthClient, ReqwestTransport, RetryPolicy, TransportConfig,
    budget::Ledger,
    endpoint::{self, is_loopback},
    retry::RetryBudget,
    system_clock, system_random,
};

/// The way out of a process: what all connections share. Cheap to clone.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) grants: Arc<dyn Grants>,
    pub(crate) sign_ins: Option<Arc<dyn SignIns>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) retry: RetryPolicy,
    counters: Arc<dyn Counters>,
    limits: Limits,
    base_urls: BTreeMap<(String, String), Url>,
    oauth_clients: BTreeMap<String, OAuthClient>,
    shared: Mutex<HashMap<&'static str, Arc<Shared>>>,
    flights: Mutex<HashMap<Scope, Arc<tokio::sync::Mutex<()>>>>,
}

/// What all connections to one provider share.
pub(crate) struct Shared {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) retries: RetryBudget,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("transport", &self.0.transport).finish_non_exhaustive()
    }
}

impl Client {
    /// Begins a client. All but these two have defaults: reqwest, the system's clock and randomness, published limits,
    /// the descriptors' own URLs.
    pub fn builder(grants: Arc<dyn Grants>, counters: Arc<dyn Counters>) -> ClientBuilder {
        ClientBuilder {
            grants,
            counters,
            sign_ins: None,
            transport: None,
            clock: None,
            random: None,
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            base_urls: BTreeMap::new(),
            oauth_clients: BTreeMap::new(),
            allow_plain_http: false,
        }
    }

    /// One connection's way out.
    pub fn exchange(&self, scope: &Scope, descriptor: &'static Descriptor) -> AuthorizedExchange {
        AuthorizedExchange::new(Arc::clone(&self.0), scope.clone(), descriptor)
    }

    /// Stores a grant that a person just gave ([`Client::finish`], [`crate::grant_from_key`]); whatever grant was there is
    /// replaced. Returns it with its generation; its account still waits to be verified.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn connect(&self, scope: &Scope, mut grant: Grant) -> Result<Grant> {
        let mut stored = self.0.grants.load(scope).await?.map(|stored| stored.generation);
        grant.vars.insert(CONNECT.to_owned(), self.0.random.id());
        loop {
            grant.generation = stored.unwrap_or(0) + 1;
            match self.0.grants.swap(scope, stored, Some(grant.clone())).await? {
                Swapped::Stored => return Ok(grant),
                Swapped::Lost(other) => stored = other.map(|other| other.generation),
            }
        }
    }

    /// Records which account was reached with the grant `seen`, or with one that was refreshed from it since. Returns the
    /// grant as it is then; its generation is what [`AuthorizedExchange::expect_generation`] takes.
    ///
    /// # Errors
    /// [`ErrorKind::NotConnected`] when somebody reconnected or disconnected meanwhile.
    pub async fn verified(&self, scope: &Scope, seen: &Grant, account: AccountId) -> Result<Grant> {
        loop {
            let stored = self.0.grants.load(scope).await?.filter(|stored| is_refreshed_from(stored, seen));
            let mut grant = stored.ok_or_else(|| {
                Error::new(ErrorKind::NotConnected, "the connection was made anew while its account was being verified")
                    .with_remedy("Sync again.")
            })?;
            if grant.account.as_ref() == Some(&account) {
                return Ok(grant);
            }
            let expected = grant.generation;
            grant.account = Some(account.clone());
            grant.generation += 1;
            if let Swapped::Stored = self.0.grants.swap(scope, Some(expected), Some(grant.clone())).await? {
                return Ok(grant);
            }
        }
    }
}

/// The grant's variable that names the connect it came from: refreshes keep it, a reconnect makes a new one.
const CONNECT: &str = "sync-http.connect";

fn is_refreshed_from(stored: &Grant, seen: &Grant) -> bool {
    match (stored.vars.get(CONNECT), seen.vars.get(CONNECT)) {
        (Some(stored), Some(seen)) => stored == seen,
        _ => stored.generation == seen.generation,
    }
}

impl Inner {
    pub(crate) fn shared(&self, descriptor: &'static Descriptor) -> Arc<Shared> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shared.entry(descriptor.id).or_insert_with(|| {
            let (clock, counters) = (Arc::clone(&self.clock), Arc::clone(&self.counters));
            Arc::new(Shared {
                ledger: Arc::new(Ledger::new(descriptor, &self.limits, clock, counters)),
                retries: RetryBudget::new(self.retry.budget),
            })
        }))
    }

    /// The lock under which a scope's token is refreshed in this process.
    pub(crate) fn flight(&self, scope: &Scope) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.len() > 1024 {
            flights.retain(|_, flight| Arc::strong_count(flight) > 1);
        }
        Arc::clone(flights.entry(scope.clone()).or_default())
    }

    pub(crate) fn base(&self, descriptor: &'static Descriptor, name: &str, vars: &BTreeMap<String, String>) -> Result<Url> {
        let over = self.base_urls.get(&(descriptor.id.to_owned(), name.to_owned()));
        endpoint::base(descriptor, name, over, vars)
    }

    pub(crate) fn oauth_client(&self, descriptor: &Descriptor) -> Option<&OAuthClient> {
        self.oauth_clients.get(descriptor.id)
    }
}

/// Builds a [`Client`].
#[must_use]
pub struct ClientBuilder {
    grants: Arc<dyn Grants>,
    counters: Arc<dyn Counters>,
    sign_ins: Option<Arc<dyn SignIns>>,
    transport: Option<Arc<dyn Transport>>,
    clock: Option<Arc<dyn Clock>>,
    random: Option<Arc<dyn Random>>,
    limits: Limits,
    retry: RetryPolicy,
    base_urls: BTreeMap<(String, String), Url>,
    oauth_clients: BTreeMap<String, OAuthClient>,
    allow_plain_http: bool,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("base_urls", &self.base_urls).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// With a place for sign-ins that wait for a person, and for OAuth clients of organizations' own. Without one nobody
    /// can sign in.
    pub fn with_sign_ins(mut self, sign_ins: Arc<dyn SignIns>) -> Self {
        self.sign_ins = Some(sign_ins);
        self
    }

    /// With another way to move bytes.
    pub fn with_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// With another clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// With other randomness.
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = Some(random);
        self
    }

    /// With other limits than the published ones.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With another way to try again.
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// With another URL for an endpoint of an integration, such as a sandbox's.
    pub fn with_base_url(mut self, integration: &IntegrationId, endpoint: &str, url: Url) -> Self {
        self.base_urls.insert((integration.as_str().to_owned(), endpoint.to_owned()), url);
        self
    }

    /// With the OAuth client by which the application is known to an integration's provider, unless an organization brought
    /// its own.
    pub fn with_oauth_client(mut self, integration: &IntegrationId, client: OAuthClient) -> Self {
        self.oauth_clients.insert(integration.as_str().to_owned(), client);
        self
    }

    /// Allows base URLs of plain HTTP on other machines, where secrets can be read on the way.
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.allow_plain_http = allow;
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names the part at fault.
    pub fn build(self) -> Result<Client> {
        for ((integration, endpoint), url) in &self.base_urls {
            let readable = url.scheme() == "http" && !self.allow_plain_http && !is_loopback(url);
            let fault = if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
                "is no HTTP URL"
            } else if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
                "must have neither user, query nor fragment"
            } else if readable {
                "is plain HTTP to another machine, where secrets can be read on the way"
            } else {
                continue;
            };
            return Err(Error::new(
                ErrorKind::Config,
                format!("the base URL of {integration}, endpoint {endpoint}, {fault}"),
            )
            .with_remedy("Correct this URL in the configuration."));
        }
        let transport = match self.transport {
            Some(transport) => transport,
            None => Arc::new(ReqwestTransport::new(&TransportConfig {
                allow_plain_http: self.allow_plain_http,
                ..TransportConfig::default()
            })?),
        };
        Ok(Client(Arc::new(Inner {
            transport,
            grants: self.grants,
            sign_ins: self.sign_ins,
            counters: self.counters,
            clock: self.clock.unwrap_or_else(|| Arc::new(system_clock())),
            random: self.random.unwrap_or_else(|| Arc::new(system_random())),
            limits: self.limits,
            retry: self.retry,
            base_urls: self.base_urls,
            oauth_clients: self.oauth_clients,
            shared: Mutex::default(),
            flights: Mutex::default(),
        })))
    }
}
