//! Connecting by signing in at the provider: out to the consent page, and back.

use secrecy::SecretString;
use sync_core::{Descriptor, Error, ErrorKind, Grant, OwnClient, Owner, Result, Scope, SignInWords};
use sync_http::{SignIn, missing_scopes};
use url::Url;

use super::{ConnectOptions, Connected};
use crate::Dispatcher;

impl Dispatcher {
    /// Begins a connect by OAuth: the consent page's URL, to which the host sends the person's browser. The person comes
    /// back to `redirect_uri`, within ten minutes and once; what is needed then waits in the store, sealed.
    ///
    /// `browser` is a secret of the person's browser, such as a cookie that the host has just set: the way back counts in
    /// that browser alone. Scopes are the provider's unless `scopes` names others.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where there is no sign-in, [`ErrorKind::Config`] without an OAuth client,
    /// [`ErrorKind::Invalid`] for an address or a scope that can't be one.
    pub async fn begin_connect(&self, scope: &Scope, redirect_uri: &Url, browser: &str, scopes: &[String]) -> Result<Url> {
        let integration = self.0.registry.built(&scope.integration)?;
        let sign_in = SignIn::new(scope, redirect_uri, browser).scopes(scopes);
        self.0.outbound.client().authorize(integration.descriptor(), &sign_in).await
    }

    /// Ends a connect by OAuth with the query of the way back. Whose connection it is, the sign-in knows; the answer says.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the way back belongs to no sign-in that was begun here;
    /// [`ErrorKind::Forbidden`] when it belongs to another browser's, comes late or a second time, when
    /// access was not allowed, or when less was allowed than was asked for; the rest as [`Dispatcher::connect_with_key`].
    pub async fn finish_connect(&self, redirect_query: &str, browser: &str, options: ConnectOptions) -> Result<Connected> {
        let client = self.0.outbound.client();
        let back = client.way_back(redirect_query, browser).await?;
        let (scope, asked) = (back.scope().clone(), back.asked().to_vec());
        let integration = self.0.registry.built(&scope.integration)?;
        let descriptor = integration.descriptor();
        let grant = client.finish(descriptor, back).await?;
        // Not revoked: at some providers that would end the person's other connections too.
        all_granted(descriptor, self.0.registry.words(descriptor.id), &asked, &grant)?;
        self.adopt(&scope, integration, grant, options).await
    }

    /// Stores an OAuth client of the organization's own, by which its connections are made from now on; `None` goes back to
    /// the host's. A connection that was made with another client needs that client until it is made anew.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where there is no sign-in, [`ErrorKind::Invalid`] for a blank id or secret.
    pub async fn set_oauth_client(&self, scope: &Scope, client: Option<(String, SecretString)>) -> Result<()> {
        use secrecy::ExposeSecret as _;
        let descriptor = self.0.registry.built(&scope.integration)?.descriptor();
        if !descriptor.auth.iter().any(|auth| matches!(auth, sync_core::AuthScheme::OAuth(_))) {
            return Err(Error::new(ErrorKind::Unsupported, format!("{} is not signed in to by OAuth", descriptor.name)));
        }
        let client = client.map(|(id, secret)| OwnClient {
            id: id.trim().to_owned(),
            secret: SecretString::from(secret.expose_secret().trim()),
        });
        if client.as_ref().is_some_and(|client| client.id.is_empty() || client.secret.expose_secret().is_empty()) {
            return Err(Error::new(ErrorKind::Invalid, "an OAuth client has an id and a secret")
                .with_remedy(format!("Copy both from the application's page at {}.", descriptor.name)));
        }
        self.0.store.put_own_client(scope, client.as_ref()).await
    }

    /// The id of the OAuth client by which a connection would be made now; `None` where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn oauth_client_id(&self, scope: &Scope) -> Result<Option<String>> {
        let own = self.0.store.own_client(scope).await?.map(|client| client.id);
        Ok(own.or_else(|| self.0.outbound.hosts_client(&scope.integration).map(str::to_owned)))
    }
}

/// Refuses a grant that lacks what was asked for: a person may untick it on the consent page.
fn all_granted(descriptor: &Descriptor, words: &SignInWords, asked: &[String], grant: &Grant) -> Result<()> {
    let missing = missing_scopes(asked, &grant.scopes);
    if missing.is_empty() {
        return Ok(());
    }
    let name = descriptor.name;
    let missing: Vec<&str> = missing.into_iter().map(|scope| words.scope(scope)).collect();
    Err(Error::new(ErrorKind::Forbidden, format!("{name} was not allowed to be used for: {}", missing.join("; ")))
        .with_owner(Owner::EndUserReconnect)
        .with_remedy(format!("Connect {name} again, and leave all boxes on its page ticked.")))
}
