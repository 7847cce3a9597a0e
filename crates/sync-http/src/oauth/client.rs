//! By which OAuth client a connection is known: the organization's own, else the host's.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use sync_core::{Descriptor, Error, ErrorKind, Owner, Result, Scope, SignIns};

use super::token::OAuthFlow;
use crate::{OAuthClient, client::Inner};

impl Inner {
    /// Where sign-ins are kept.
    pub(crate) fn sign_ins(&self) -> Result<&Arc<dyn SignIns>> {
        self.sign_ins.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Config, "there is no place to keep sign-ins in")
                .with_remedy("Give the client one with `with_sign_ins`.")
        })
    }

    /// The client of a connection: of the id that its grant was made with, or, for a new sign-in, the organization's own
    /// before the host's. Tokens of one client are worth nothing with another.
    pub(crate) async fn client_for(
        &self,
        scope: &Scope,
        descriptor: &'static Descriptor,
        made_with: Option<&str>,
    ) -> Result<OAuthClient> {
        super::token::server(descriptor)?;
        let own = match &self.sign_ins {
            Some(sign_ins) => sign_ins.own_client(scope).await?,
            None => None,
        };
        let own = own.map(|own| OAuthClient::new(own.id, own.secret));
        let hosts = self.oauth_client(descriptor).cloned();
        let name = descriptor.name;
        let mut known = [own, hosts].into_iter().flatten().peekable();
        if known.peek().is_none() {
            return Err(Error::new(ErrorKind::Config, format!("there is no OAuth client for {name}")).with_remedy(format!(
                "Register the application with {name} and put its client id and secret into the configuration, or store \
                 the organization's own."
            )));
        }
        known.find(|client| made_with.is_none_or(|id| client.id() == id)).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("the OAuth client that {name} was connected with is not there any more"))
                .with_owner(Owner::HostDeveloper)
                .with_remedy(format!("Configure the OAuth client again, or connect {name} again with the present one."))
                .with_context("client", made_with.unwrap_or_default())
        })
    }

    /// The flow of a descriptor's server with a client.
    pub(crate) fn oauth_flow(&self, descriptor: &'static Descriptor, client: &OAuthClient) -> Result<OAuthFlow> {
        super::token::flow(descriptor, (client.id(), client.secret.expose_secret()), |endpoint, path| {
            self.oauth_url(descriptor, endpoint, path)
        })
    }
}
