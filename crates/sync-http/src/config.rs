//! What the application knows about itself at a provider.

use std::fmt;

use secrecy::SecretString;

/// An OAuth client: how an application shows a provider who it is.
#[derive(Clone)]
pub struct OAuthClient {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
}

impl OAuthClient {
    /// The client as the provider registered it.
    pub fn new(id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        Self { id: id.into(), secret: secret.into() }
    }

    /// Its id. Budgets of an application are kept by it.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Prints no secret.
impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient").field("id", &self.id).finish_non_exhaustive()
    }
}
