//! Signing in with Google: who agreed to what, and with which tokens.
//! Source: <https://developers.google.com/identity/protocols/oauth2/web-server>.

mod consent;
mod tokens;
mod userinfo;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    access::{Access, SCOPE, SCOPES},
    seed::{ConsentSeed, GoogleClientSeed, GoogleSeed, GoogleUserSeed},
    token,
};

/// Life of an access token. Source: the page's example answers have 3,920; real ones 3,599, as in GitHub
/// spatie/laravel-google-calendar issue 229.
const ACCESS_LIFE: SignedDuration = SignedDuration::from_secs(3_599);

/// Life of a code. Source: <https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2>, 10 minutes recommended.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Life of a refresh token of an app in testing. Source: <https://developers.google.com/identity/protocols/oauth2#expiration>.
const TESTING_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A refresh token that nobody uses for six months dies. Source: the same page.
const IDLE_LIFE: SignedDuration = SignedDuration::from_hours(183 * 24);

/// Live refresh tokens of a user and an app; the oldest makes way. Source: the same page.
const MAX_REFRESH_TOKENS: usize = 100;

/// A code on its way back to the app.
#[derive(Debug)]
struct Code {
    client: String,
    redirect: String,
    user: String,
    scopes: BTreeSet<String>,
    /// `code_challenge` and whether it is a hash.
    challenge: Option<(String, bool)>,
    is_offline: bool,
    expires: Timestamp,
}

#[derive(Debug)]
struct Refresh {
    client: String,
    user: String,
    scopes: BTreeSet<String>,
    given: Timestamp,
    used: Timestamp,
    /// In the order of giving.
    number: u64,
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

/// Answers that a policy of the person's organization gives to each refresh.
#[derive(Debug, Clone)]
pub(super) struct Denial {
    pub(super) error: String,
    pub(super) subtype: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct OAuth {
    clients: Vec<GoogleClientSeed>,
    users: Vec<GoogleUserSeed>,
    pub(super) consent: Option<ConsentSeed>,
    codes: BTreeMap<String, Code>,
    pub(super) access: BTreeMap<String, Access>,
    refresh: BTreeMap<String, Refresh>,
    /// What each user allowed each app.
    allowed: BTreeMap<(String, String), BTreeSet<String>>,
    pub(super) denial: Option<Denial>,
    pub(super) counts: Counts,
    n_given: u64,
}

impl OAuth {
    pub(super) fn new(seed: &GoogleSeed) -> Self {
        let mut this = Self {
            clients: seed.oauth_clients.clone(),
            users: seed.users.clone(),
            consent: seed.consent.clone(),
            ..Self::default()
        };
        let first = seed.oauth_clients.first().map(|client| client.id.clone()).unwrap_or_else(|| "seed".into());
        for token in &seed.tokens {
            let mut scopes: BTreeSet<String> = token.scopes.iter().cloned().collect();
            if scopes.is_empty() {
                scopes.extend(SCOPES.iter().map(|(scope, _)| format!("{SCOPE}{scope}")));
            }
            let client = token.client.clone().unwrap_or_else(|| first.clone());
            let access = Access { user: token.user.clone(), client, scopes, expires: None };
            this.access.insert(token.token.clone(), access);
        }
        this
    }

    /// A token that nobody can tell from a real one by its form; a code holds characters that a URL must escape.
    fn fresh(&mut self, what: &str) -> String {
        self.n_given += 1;
        let hash = token::hash(&format!("{what} {}", self.n_given));
        match what {
            "code" => format!("4/0A+{hash}"),
            "refresh" => format!("1//0g{hash}"),
            _ => format!("ya29.a0{hash}"),
        }
    }

    fn client(&self, id: &str) -> Option<&GoogleClientSeed> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// Takes everything back that a user gave an app (or all apps).
    /// Source: <https://developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke>: revoking one token
    /// revokes what was granted to the project.
    pub(super) fn forget(&mut self, user: &str, client: Option<&str>) {
        let is_meant = |of_user: &str, of_client: &str| of_user == user && client.is_none_or(|client| of_client == client);
        self.access.retain(|_, access| !is_meant(&access.user, &access.client));
        self.refresh.retain(|_, refresh| !is_meant(&refresh.user, &refresh.client));
        self.codes.retain(|_, code| !is_meant(&code.user, &code.client));
        self.allowed.retain(|(of_user, of_client), _| !is_meant(of_user, of_client));
    }

    /// Ends all access tokens; refresh tokens live on.
    pub(super) fn expire_access(&mut self) {
        self.access.clear();
    }

    pub(super) fn n_refresh_tokens(&self) -> usize {
        self.refresh.len()
    }

    /// What each user allows each app, for people who look.
    pub(super) fn allowed(&self) -> impl Iterator<Item = (&str, &str, &BTreeSet<String>)> {
        self.allowed.iter().map(|((user, client), scopes)| (user.as_str(), client.as_str(), scopes))
    }
}
