//! Signing in with Xero: who agreed to what, with which tokens, for which organisations.
//! Source: <https://developer.xero.com/documentation/guides/oauth2/auth-flow/>.

mod connections;
mod consent;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, civil::date, tz::TimeZone};

use super::{
    access::{Access, SCOPES},
    id::Id,
    seed::{XeroClientSeed, XeroConsentSeed, XeroScopes, XeroSeed, XeroTier},
    tenant_id,
};

/// Life of an access token.
const ACCESS_LIFE: SignedDuration = SignedDuration::from_mins(30);

/// Life of a code.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(5);

/// Life of a refresh token that nobody uses.
const REFRESH_LIFE: SignedDuration = SignedDuration::from_hours(60 * 24);

/// How long the refresh token before may be tried again.
const GRACE: SignedDuration = SignedDuration::from_mins(30);

/// A code on its way back to the app.
#[derive(Debug)]
struct Code {
    client: String,
    redirect: String,
    user: String,
    scopes: BTreeSet<String>,
    challenge: Option<String>,
    event: Id,
    expires: Timestamp,
}

/// What a consent gave, and the refresh tokens that stand for it.
#[derive(Debug)]
struct Grant {
    client: String,
    user: String,
    scopes: BTreeSet<String>,
    event: Id,
    current: String,
    /// The token before, and until when it may be tried again.
    before: Option<(String, Timestamp)>,
    used: Timestamp,
}

/// An organisation that somebody connected to an app.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) id: Id,
    pub(super) client: String,
    pub(super) user: String,
    pub(super) tenant: Id,
    pub(super) event: Id,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
}

/// What was asked of the authorization server.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) pages: u64,
    pub(super) codes: u64,
    pub(super) exchanges: u64,
    pub(super) refreshes: u64,
    pub(super) failed_refreshes: u64,
    pub(super) revocations: u64,
}

#[derive(Debug, Default)]
pub(super) struct OAuth {
    pub(super) clients: Vec<XeroClientSeed>,
    users: Vec<String>,
    /// Organisations by name, in the order of the seed.
    tenants: Vec<(String, Id)>,
    pub(super) consent: Option<XeroConsentSeed>,
    codes: BTreeMap<String, Code>,
    pub(super) access: BTreeMap<String, Access>,
    grants: Vec<Grant>,
    pub(super) connections: Vec<Connection>,
    /// The error that each refresh gets, for tests of lost grants.
    pub(super) denial: Option<String>,
    pub(super) counts: Counts,
    n_given: u64,
}

impl OAuth {
    pub(super) fn new(seed: &XeroSeed) -> Self {
        let mut this = Self {
            clients: seed.oauth_clients.clone(),
            users: seed.users.clone(),
            tenants: seed.tenants.iter().map(|tenant| (tenant.name.clone(), tenant_id(&tenant.name))).collect(),
            consent: seed.consent.clone(),
            ..Self::default()
        };
        let user = seed.users.first().cloned().unwrap_or_default();
        for token in &seed.tokens {
            let first = seed.oauth_clients.first().map_or("seed", |client| &client.id);
            let client = token.client.clone().unwrap_or_else(|| first.to_owned());
            let mut scopes: BTreeSet<String> = token.scopes.iter().cloned().collect();
            if scopes.is_empty() {
                scopes.extend(SCOPES.iter().map(|(scope, ..)| (*scope).to_owned()));
            }
            let event = Id::of(&format!("event of {}", token.token));
            for (name, tenant) in this.tenants.clone() {
                if token.tenants.is_empty() || token.tenants.contains(&name) {
                    this.connect(&client, &user, tenant, event, seed.created);
                }
            }
            this.access.insert(token.token.clone(), Access { user: user.clone(), client, scopes, expires: None });
        }
        this
    }

    /// A token that nobody can tell from a real one by its form.
    fn fresh(&mut self, what: &str) -> String {
        self.n_given += 1;
        Id::of(&format!("{what} {}", self.n_given)).to_string().replace('-', "")
    }

    pub(super) fn client(&self, id: &str) -> Option<&XeroClientSeed> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// Whether a token reaches an organisation.
    pub(super) fn is_connected(&self, access: &Access, tenant: Id) -> bool {
        self.connections.iter().any(|one| one.client == access.client && one.user == access.user && one.tenant == tenant)
    }

    /// Connects an organisation, or again.
    fn connect(&mut self, client: &str, user: &str, tenant: Id, event: Id, now: Timestamp) {
        let known = self.connections.iter_mut().find(|one| one.client == client && one.user == user && one.tenant == tenant);
        if let Some(known) = known {
            known.event = event;
            known.updated = now;
            return;
        }
        let id = Id::of(&format!("connection {client} {user} {tenant}"));
        let (client, user) = (client.to_owned(), user.to_owned());
        self.connections.push(Connection { id, client, user, tenant, event, created: now, updated: now });
    }

    /// Somebody removes an app from an organisation.
    pub(super) fn disconnect(&mut self, tenant: Id, client: Option<&str>) -> usize {
        let before = self.connections.len();
        self.connections.retain(|one| one.tenant != tenant || client.is_some_and(|client| one.client != client));
        before - self.connections.len()
    }

    /// Ends all access tokens; refresh tokens live on.
    pub(super) fn expire_access(&mut self) {
        self.access.clear();
    }

    pub(super) fn n_grants(&self) -> usize {
        self.grants.len()
    }

    pub(super) fn tenant_named(&self, name: &str) -> Option<Id> {
        self.tenants.iter().find(|(known, id)| known == name || id.to_string() == name).map(|(_, id)| *id)
    }
}

/// Whether an app may ask for a scope.
fn may_ask(scope: &str, of: XeroScopes, now: Timestamp) -> bool {
    let Some((_, kind, _)) = SCOPES.iter().find(|(known, ..)| *known == scope) else { return false };
    match kind {
        XeroScopes::Both => true,
        XeroScopes::Granular => of != XeroScopes::Broad,
        XeroScopes::Broad => of != XeroScopes::Granular && has_broad(now),
    }
}

/// Broad scopes stop on 2027-09-13. Source: <https://developer.xero.com/changelog>, 2026-08-06.
fn has_broad(now: Timestamp) -> bool {
    now.to_zoned(TimeZone::UTC).date() < date(2027, 9, 13)
}

/// Organisations that an app may be connected to. Source: <https://developer.xero.com/pricing>.
fn max_connections(tier: XeroTier) -> usize {
    match tier {
        XeroTier::Starter => 5,
        XeroTier::Core => 50,
        XeroTier::Plus => 1_000,
    }
}
