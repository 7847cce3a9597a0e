//! The way out, as this crate uses it: one client for the stored grants, another for a grant that is being tried out.

use std::{fmt, sync::Arc};

use sync_core::{
    AuthScheme, Clock, Counters, Credentials, Descriptor, Grant, Grants, IntegrationId, Random, Result, Scope, SignIns,
    Transport,
};
use sync_http::{AuthorizedExchange, Client, Limits, OAuthClient, RetryPolicy};
use url::Url;

/// What clients are made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) counters: Arc<dyn Counters>,
    pub(crate) sign_ins: Arc<dyn SignIns>,
    pub(crate) transport: Option<Arc<dyn Transport>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) limits: Limits,
    pub(crate) retry: RetryPolicy,
    pub(crate) base_urls: Vec<(IntegrationId, String, Url)>,
    pub(crate) oauth_clients: Vec<(IntegrationId, OAuthClient)>,
    pub(crate) allow_plain_http: bool,
}

impl Parts {
    fn client(&self, grants: Arc<dyn Grants>) -> Result<Client> {
        let mut builder = Client::builder(grants, Arc::clone(&self.counters))
            .with_sign_ins(Arc::clone(&self.sign_ins))
            .with_clock(Arc::clone(&self.clock))
            .with_random(Arc::clone(&self.random))
            .with_limits(self.limits.clone())
            .with_retry(self.retry.clone())
            .allow_plain_http(self.allow_plain_http);
        if let Some(transport) = &self.transport {
            builder = builder.with_transport(Arc::clone(transport));
        }
        for (integration, endpoint, url) in &self.base_urls {
            builder = builder.with_base_url(integration, endpoint, url.clone());
        }
        for (integration, client) in &self.oauth_clients {
            builder = builder.with_oauth_client(integration, client.clone());
        }
        builder.build()
    }
}

/// The way out of all connections.
pub(crate) struct Outbound {
    client: Client,
    parts: Parts,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Outbound {
    pub(crate) fn new(grants: Arc<dyn Grants>, parts: Parts) -> Result<Self> {
        Ok(Self { client: parts.client(grants)?, parts })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The id of the host's OAuth client for an integration.
    pub(crate) fn hosts_client(&self, integration: &IntegrationId) -> Option<&str> {
        let mut clients = self.parts.oauth_clients.iter();
        clients.find(|(id, _)| id == integration).map(|(_, client)| client.id())
    }

    /// A client whose only grant is one that is being tried out. It has budgets of its own: it makes two or three calls.
    pub(crate) fn staged(&self, grants: Arc<dyn Grants>) -> Result<Client> {
        self.parts.client(grants)
    }

    /// A connection's way out, which writes only to the account that its grant was verified for.
    pub(crate) fn exchange(
        &self,
        scope: &Scope,
        descriptor: &'static Descriptor,
        grant: Option<&Grant>,
    ) -> AuthorizedExchange {
        let exchange = self.client.exchange(scope, descriptor);
        match grant.and_then(|grant| Some((grant.generation, grant.account.clone()?))) {
            Some((generation, account)) => exchange.expect_generation(generation, account),
            None => exchange,
        }
    }

    /// Tells the provider to forget a sign-in; true when it was told. It need not hear it for us to forget.
    pub(crate) async fn revoke(&self, scope: &Scope, descriptor: &'static Descriptor, grant: &Grant) -> bool {
        let can_be_told =
            descriptor.auth.iter().any(|auth| matches!(auth, AuthScheme::OAuth(server) if server.revoke_path.is_some()));
        if !can_be_told || !matches!(grant.credentials, Credentials::Token { .. }) {
            return false;
        }
        match self.client.revoke(scope, descriptor, grant).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(integration = descriptor.id, %error, "the provider could not be told to forget a sign-in");
                false
            }
        }
    }
}
