//! Connecting by signing in at the provider: out to the consent page, and back.

use sync_core::{Result, Scope};
use sync_http::PendingConnect;
use url::Url;

use super::{ConnectOptions, Connected};
use crate::Dispatcher;

impl Dispatcher {
    /// Begins a connect by OAuth: the consent page's URL, and what the host keeps (sealed, under the browser's session)
    /// until the person comes back to `redirect_uri`. `browser_nonce` is a secret of the person's browser, such as a
    /// cookie: the way back counts in that browser alone.
    ///
    /// # Errors
    /// [`sync_core::ErrorKind::Unsupported`] where there is no sign-in, [`sync_core::ErrorKind::Config`] without an OAuth
    /// client.
    pub fn begin_connect(&self, scope: &Scope, redirect_uri: &Url, browser_nonce: &str) -> Result<(Url, PendingConnect)> {
        let integration = self.0.registry.built(&scope.integration)?;
        self.0.outbound.client().authorize(scope, integration.descriptor(), redirect_uri, browser_nonce)
    }

    /// Ends a connect by OAuth with the query of the way back. A pending connect is good once: the host deletes it first.
    ///
    /// # Errors
    /// [`sync_core::ErrorKind::Forbidden`] when the way back isn't this browser's or consent was refused; the rest as
    /// [`Dispatcher::connect_with_key`].
    pub async fn finish_connect(
        &self,
        pending: PendingConnect,
        redirect_query: &str,
        browser_nonce: &str,
        options: ConnectOptions,
    ) -> Result<Connected> {
        let scope = pending.scope().clone();
        let integration = self.0.registry.built(&scope.integration)?;
        let grant =
            self.0.outbound.client().finish(integration.descriptor(), pending, redirect_query, browser_nonce).await?;
        self.adopt(&scope, integration, grant, options).await
    }
}
