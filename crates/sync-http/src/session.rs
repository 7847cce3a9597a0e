//! The grant of one connection: circuit, sign-in, death.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use sync_core::{AuthScheme, Credentials, Descriptor, Error, ErrorKind, Grant, Result, Scope, Swapped};

use crate::{client::Inner, telemetry};

/// The secret that goes with each call.
pub(crate) fn secret(grant: &Grant) -> Option<&SecretString> {
    match &grant.credentials {
        Credentials::ApiKey(key) => Some(key),
        Credentials::Token { access, .. } => Some(access),
        _ => None,
    }
}

/// True when the grant's secret is this one. Generations can't tell: they also rise when nothing but the account or a
/// refresh's claim is noted down.
pub(crate) fn has_secret(grant: &Grant, refused: &SecretString) -> bool {
    secret(grant).is_some_and(|secret| secret.expose_secret() == refused.expose_secret())
}

pub(crate) fn not_connected(descriptor: &Descriptor) -> Error {
    Error::new(ErrorKind::NotConnected, format!("{} is not connected", descriptor.name))
        .with_remedy(format!("Connect {}, then sync again.", descriptor.name))
}

pub(crate) fn revoked(descriptor: &Descriptor, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::AuthRevoked, message.into())
        .with_remedy(format!("Connect {} again: until then nothing is sent.", descriptor.name))
}

/// The `Authorization` header, by the descriptor's way to sign in with such credentials.
pub(crate) fn sign(descriptor: &Descriptor, grant: &Grant) -> Result<HeaderValue> {
    let text = match &grant.credentials {
        Credentials::ApiKey(key) => {
            let user = descriptor.auth.iter().find_map(|scheme| match scheme {
                AuthScheme::ApiKey { basic_user, .. } => Some(*basic_user),
                _ => None,
            });
            match user {
                Some(Some(user)) => format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", key.expose_secret()))),
                Some(None) => format!("Bearer {}", key.expose_secret()),
                None => return Err(not_connected(descriptor)),
            }
        }
        Credentials::Token { access, .. } => format!("Bearer {}", access.expose_secret()),
        _ => return Err(Error::new(ErrorKind::Unsupported, "these credentials are of a kind that isn't known here")),
    };
    // The header's own error would hold no value, but nothing is gained by carrying it.
    let mut header = HeaderValue::try_from(text).map_err(|_| {
        Error::new(
            ErrorKind::Invalid,
            format!("the stored key or token of {} has characters that none has", descriptor.name),
        )
        .with_remedy(format!("Connect {} again.", descriptor.name))
    })?;
    header.set_sensitive(true);
    Ok(header)
}

impl Inner {
    /// The stored grant, if it is alive: a dead one opens the circuit.
    pub(crate) async fn live_grant(&self, scope: &Scope, descriptor: &'static Descriptor) -> Result<Grant> {
        let grant = self.grants.load(scope).await?.ok_or_else(|| not_connected(descriptor))?;
        match grant.dead_since {
            None => Ok(grant),
            Some(since) => {
                telemetry::circuit_open(descriptor);
                Err(revoked(descriptor, format!("the connection to {} has been dead since {since:.0}", descriptor.name)))
            }
        }
    }

    /// Notes down that this secret was refused for good, unless another one is stored by now.
    pub(crate) async fn bury(&self, scope: &Scope, refused: &SecretString) -> Result<()> {
        while let Some(stored) = self.grants.load(scope).await? {
            if stored.dead_since.is_some() || !has_secret(&stored, refused) {
                return Ok(());
            }
            let expected = stored.generation;
            let dead = Grant { generation: expected + 1, dead_since: Some(self.clock.now()), ..stored };
            if let Swapped::Stored = self.grants.swap(scope, Some(expected), Some(dead)).await? {
                tracing::warn!(integration = %scope.integration, organization = %scope.organization, "a grant was found dead");
                return Ok(());
            }
        }
        Ok(())
    }
}
