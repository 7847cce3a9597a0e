//! What signing in leaves behind beside the grant: OAuth clients of organizations' own, and sign-ins that wait for a
//! person.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::{Result, Scope};

/// An OAuth client that an organization registered itself.
#[derive(Clone)]
pub struct OwnClient {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// Prints no secret.
impl fmt::Debug for OwnClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A sign-in that waits for a person to come back from the consent page.
#[derive(Clone)]
pub struct PendingSignIn {
    /// A hash of its state: who reads the store can't forge the way back.
    pub id: String,
    /// Whose connection it will be.
    pub scope: Scope,
    /// When it lapses.
    pub expires_at: Timestamp,
    /// What is needed to end it, sealed at rest: it holds the PKCE verifier.
    pub body: SecretString,
    /// True once somebody came back with it.
    pub is_used: bool,
}

/// Prints no secret.
impl fmt::Debug for PendingSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingSignIn")
            .field("scope", &self.scope)
            .field("expires_at", &self.expires_at)
            .field("is_used", &self.is_used)
            .finish_non_exhaustive()
    }
}

/// Where OAuth clients and pending sign-ins are kept, their secrets sealed.
#[async_trait]
pub trait SignIns: Send + Sync {
    /// The OAuth client of the organization's own, where it brought one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::WrongKey`] when it can't be unsealed.
    async fn own_client(&self, scope: &Scope) -> Result<Option<OwnClient>>;

    /// Stores the organization's own OAuth client over another one; `None` takes it away.
    ///
    /// # Errors
    /// When the store fails.
    async fn put_own_client(&self, scope: &Scope, client: Option<&OwnClient>) -> Result<()>;

    /// Stores a sign-in that begins, and forgets those that lapsed before `forget_before`.
    ///
    /// # Errors
    /// When the store fails.
    async fn put_sign_in(&self, pending: &PendingSignIn, forget_before: Timestamp) -> Result<()>;

    /// The sign-in of this id, used or not. The one look-up that names no organization: the way back from a consent page
    /// brings the state alone.
    ///
    /// # Errors
    /// [`crate::ErrorKind::WrongKey`] when it can't be unsealed.
    async fn sign_in(&self, id: &str) -> Result<Option<PendingSignIn>>;

    /// Marks a sign-in as used; `true` for the first caller alone.
    ///
    /// # Errors
    /// When the store fails.
    async fn use_sign_in(&self, scope: &Scope, id: &str) -> Result<bool>;
}
