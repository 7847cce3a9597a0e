//! Secrets and counted quotas: ports of their own, used by `sync-http` without a lease.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::{AccountId, Result, Scope};

/// One connection's right to act: what was agreed, and the secrets that prove it.
#[derive(Clone)]
pub struct Grant {
    /// Rises by one with each change. Writes assert that their token is of the generation that was verified.
    pub generation: u64,
    /// The secrets.
    pub credentials: Credentials,
    /// What the provider told with it (`dc`, `realmId`); not secret.
    pub vars: BTreeMap<String, String>,
    /// Scopes that were granted.
    pub scopes: Vec<String>,
    /// The account that this generation was verified to reach; `None` until it was.
    pub account: Option<AccountId>,
    /// When it was found dead, which opens the circuit: nothing is sent until somebody reconnects.
    pub dead_since: Option<Timestamp>,
}

/// Prints no secret.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("generation", &self.generation)
            .field("credentials", &self.credentials)
            .field("scopes", &self.scopes)
            .field("account", &self.account)
            .field("dead_since", &self.dead_since)
            .finish_non_exhaustive()
    }
}

/// The secrets of a grant.
#[derive(Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// A key that the user copied.
    ApiKey(SecretString),
    /// OAuth tokens.
    Token {
        /// The access token.
        access: SecretString,
        /// The refresh token, where tokens expire.
        refresh: Option<SecretString>,
        /// When the access token expires; never when `None`.
        expires_at: Option<Timestamp>,
    },
}

/// Prints the variant alone.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiKey(_) => "ApiKey(…)",
            Self::Token { .. } => "Token(…)",
        })
    }
}

/// What came of [`Grants::swap`].
#[derive(Debug)]
pub enum Swapped {
    /// The new grant is stored.
    Stored,
    /// Somebody else was first: this is the grant now, or none.
    Lost(Option<Box<Grant>>),
}

/// Where grants are kept, sealed.
#[async_trait]
pub trait Grants: Send + Sync {
    /// The grant of a connection.
    ///
    /// # Errors
    /// [`crate::ErrorKind::WrongKey`] when it can't be unsealed.
    async fn load(&self, scope: &Scope) -> Result<Option<Grant>>;

    /// Stores `grant` if the stored generation is still `expected` (`None`: there is no grant). A `grant` of `None`
    /// deletes.
    ///
    /// # Errors
    /// When the store fails.
    async fn swap(&self, scope: &Scope, expected: Option<u64>, grant: Option<Grant>) -> Result<Swapped>;
}

/// One durable counter: a limit among those who share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterKey(pub String);

/// Counts that survive a restart: day quotas.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Adds `amount` to the counter's window if the sum stays within `limit`; returns the sum, and whether it was added.
    ///
    /// # Errors
    /// When the store fails.
    async fn take(&self, key: &CounterKey, window: Timestamp, amount: u32, limit: u32) -> Result<(u32, bool)>;

    /// Raises the counter's window to what the provider said is used.
    ///
    /// # Errors
    /// When the store fails.
    async fn correct(&self, key: &CounterKey, window: Timestamp, used: u32) -> Result<()>;
}
