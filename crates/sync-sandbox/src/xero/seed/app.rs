//! The apps that people connect, and how they do it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which kind of scopes an app may ask for.
/// Source: <https://developer.xero.com/documentation/guides/oauth2/scopes/>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XeroScopes {
    /// Those of apps made since 2026-03-02.
    #[default]
    Granular,
    /// Those of older apps, until 2027-09-13.
    Broad,
    /// Both, of an app that is moving.
    Both,
}

/// What an app pays for. Source: <https://developer.xero.com/pricing>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XeroTier {
    /// 5 connections, 1,000 calls a day.
    Starter,
    /// 50 connections, 5,000 calls a day.
    #[default]
    Core,
    /// 1,000 connections, 5,000 calls a day, none counted in the first 30 minutes of a connection.
    Plus,
}

/// An app registered with Xero.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct XeroClientSeed {
    /// `client_id`.
    pub id: String,
    /// `client_secret`; none for an app with PKCE only.
    #[serde(default)]
    pub secret: Option<String>,
    /// Its name, which answers repeat.
    #[serde(default = "default_app")]
    pub name: String,
    /// Where people may be sent back to; any `https` address or one of `http://localhost` when empty.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Which kind of scopes it may ask for.
    #[serde(default)]
    pub scopes: XeroScopes,
    /// What it pays for.
    #[serde(default)]
    pub tier: XeroTier,
}

fn default_app() -> String {
    "Dive Shop".into()
}

impl XeroClientSeed {
    /// A web app with granular scopes.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: Some(secret.into()),
            name: default_app(),
            redirect_uris: Vec::new(),
            scopes: XeroScopes::default(),
            tier: XeroTier::default(),
        }
    }

    /// With this kind of scopes.
    #[must_use]
    pub fn with_scopes(mut self, scopes: XeroScopes) -> Self {
        self.scopes = scopes;
        self
    }

    /// In this tier.
    #[must_use]
    pub fn with_tier(mut self, tier: XeroTier) -> Self {
        self.tier = tier;
        self
    }

    /// With one more address that people may be sent back to.
    #[must_use]
    pub fn with_redirect(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }
}

impl fmt::Debug for XeroClientSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XeroClientSeed").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An access token that is valid from the start.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct XeroTokenSeed {
    /// The token.
    pub token: String,
    /// What it is for; everything when empty.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The app that has it; else the first one of the seed.
    #[serde(default)]
    pub client: Option<String>,
    /// Names of the organisations that it reaches; all when empty.
    #[serde(default)]
    pub tenants: Vec<String>,
}

impl XeroTokenSeed {
    /// A token for everything, of the first user and the first app.
    pub fn new(token: impl Into<String>) -> Self {
        Self { token: token.into(), scopes: Vec::new(), client: None, tenants: Vec::new() }
    }

    /// The same for these scopes only.
    #[must_use]
    pub fn with_scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self
    }

    /// The same for this organisation only, by its name.
    #[must_use]
    pub fn of_tenant(mut self, name: impl Into<String>) -> Self {
        self.tenants.push(name.into());
        self
    }
}

impl fmt::Debug for XeroTokenSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XeroTokenSeed").field("tenants", &self.tenants).finish_non_exhaustive()
    }
}

/// What a person does on the consent page.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct XeroConsentSeed {
    /// Who signs in; else the first user.
    pub user: Option<String>,
    /// Names of the organisations that he chooses; the first one when empty.
    pub tenants: Vec<String>,
    /// He cancels.
    pub denies: bool,
}

impl XeroConsentSeed {
    /// Chooses this organisation, too.
    #[must_use]
    pub fn choosing(mut self, tenant: impl Into<String>) -> Self {
        self.tenants.push(tenant.into());
        self
    }
}

/// Where the service tells of changes, set up in the developer portal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct XeroWebhookSeed {
    /// The address.
    pub url: String,
    /// What bodies are signed with.
    pub key: String,
    /// `CONTACT`, `INVOICE`, `CREDITNOTE`; all when empty.
    #[serde(default)]
    pub categories: Vec<String>,
}

impl XeroWebhookSeed {
    /// A webhook for all categories.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Self {
        Self { url: url.into(), key: key.into(), categories: Vec::new() }
    }
}

impl fmt::Debug for XeroWebhookSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XeroWebhookSeed").field("url", &self.url).finish_non_exhaustive()
    }
}
