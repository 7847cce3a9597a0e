//! Refreshing: one exchange per expiry, across tasks and processes, and nothing used before it is stored.
//!
//! In a process, tasks queue at one lock per connection. Among processes the grant itself is claimed first: the claim is
//! stored by compare-and-swap, so one process alone goes to the token endpoint and the others wait for what it stores. A
//! claim whose owner died, or got no answer, lapses; the old refresh token is then tried again by whoever comes next, though
//! the access token be good for longer (Xero keeps the old refresh token valid for 30 minutes for this case: <https://developer.xero.com/documentation/guides/oauth2/token-types>).

use std::time::Duration;

use jiff::Timestamp;
use oauth2::{RefreshToken, TokenResponse as _};
use secrecy::{ExposeSecret as _, SecretString};
use sync_core::{
    Credentials, Descriptor, Effect, Error, ErrorKind, Grant, Result, Scope, Swapped, Within,
    zoo::{self, Defect},
};
use tracing::Instrument as _;

use super::{
    client_id, history,
    token::{TOKEN_TIMEOUT, left, server},
};
use crate::{
    OAuthClient,
    budget::cancelled,
    client::Inner,
    session::{has_secret, revoked},
    telemetry,
    time::{later, until},
};

/// How long before its expiry a token is refreshed: longer than a call may wait for its budgets.
const MARGIN: Duration = Duration::from_secs(120);

/// The grant's variable that holds a claim: when it lapses.
const CLAIM: &str = "sync-http.refreshing-until";

/// How often a token exchange is tried.
const ATTEMPTS: u32 = 2;

/// How long after we gave up on it an exchange may still be carried out. Ours: it would rotate the token once more, and a
/// server that knows one current token would forget the one that a second exchange gave.
const SETTLE: Duration = Duration::from_secs(30);

/// How long a claim holds: all attempts, the pause between them, and time to store what came of them.
const CLAIM_LIVES: Duration = Duration::from_secs(ATTEMPTS as u64 * TOKEN_TIMEOUT.as_secs() + SETTLE.as_secs() + 10);

/// How long nobody tries again after a refresh that failed.
const REST: Duration = Duration::from_secs(10);

/// How often a process looks whether another one is done.
const LOOK: Duration = Duration::from_millis(200);

/// How often storing a rotated token is tried: it exists nowhere else.
const STORE_ATTEMPTS: u32 = 5;

impl Inner {
    /// The grant with a token that can be used now. `refused` is a token that the provider has just refused.
    pub(crate) async fn fresh_grant(
        &self,
        scope: &Scope,
        descriptor: &'static Descriptor,
        refused: Option<&SecretString>,
        within: &Within<'_>,
    ) -> Result<Grant> {
        let grant = self.live_grant(scope, descriptor).await?;
        if !is_due(&grant, self.clock.now(), refused) {
            return Ok(grant);
        }
        let flight = self.flight(scope);
        let _first = flight.lock().await;
        loop {
            let grant = self.live_grant(scope, descriptor).await?;
            let now = self.clock.now();
            if !is_due(&grant, now, refused) {
                return Ok(grant);
            }
            let Credentials::Token { refresh: Some(refresh), .. } = &grant.credentials else {
                return Err(revoked(descriptor, format!("the token of {} has run out", descriptor.name)));
            };
            let is_good_still = left(&grant.credentials, now).is_none_or(|left| !left.is_zero())
                && !refused.is_some_and(|refused| has_secret(&grant, refused));
            if claim(&grant).is_some_and(|until| until > now) && !zoo::is(Defect::RefreshesWithoutClaim) {
                if is_good_still {
                    return Ok(grant);
                }
                if within.cancel.is_cancelled() {
                    return Err(cancelled());
                }
                if now >= within.deadline {
                    return Err(Error::new(ErrorKind::Unavailable, "another process is refreshing the token still"));
                }
                self.clock.sleep(LOOK.min(until(now, within.deadline)).max(Duration::from_millis(1))).await;
                continue;
            }
            // Before the claim: what can't be asked for need not be claimed.
            let client = self.client_for(scope, descriptor, client_id(&grant)).await;
            let client = match client {
                Err(_) if is_good_still => return Ok(grant),
                client => client?,
            };
            let mut claimed = Grant { generation: grant.generation + 1, ..grant.clone() };
            claimed.vars.insert(CLAIM.to_owned(), later(now, CLAIM_LIVES).to_string());
            match self.grants.swap(scope, Some(grant.generation), Some(claimed.clone())).await? {
                Swapped::Stored => {}
                Swapped::Lost(Some(won)) if zoo::is(Defect::LoserDropsTheGrant) => {
                    self.grants.swap(scope, Some(won.generation), None).await?;
                }
                Swapped::Lost(_) => continue,
            }
            let refresh = refresh.clone();
            match self.refresh(scope, descriptor, &client, claimed, &refresh).await {
                Ok(fresh) => return Ok(fresh),
                // The old token still works: the run goes on with it, and a later call tries again.
                Err(error) if is_good_still && error.kind() != ErrorKind::AuthRevoked => {
                    tracing::warn!(
                        integration = descriptor.id,
                        kind = error.kind().as_str(),
                        "a token could not be refreshed yet"
                    );
                    return Ok(grant);
                }
                Err(error) => return Err(error.with_effect(Effect::None)),
            }
        }
    }

    /// Exchanges the refresh token of a claimed grant and stores what comes back. Not bound by a deadline: cutting it off
    /// would lose a rotated token.
    async fn refresh(
        &self,
        scope: &Scope,
        descriptor: &'static Descriptor,
        client: &OAuthClient,
        claimed: Grant,
        refresh: &SecretString,
    ) -> Result<Grant> {
        let span = telemetry::token_span(descriptor, "refresh_token");
        let exchanged = self.exchange_refresh(descriptor, client, refresh).instrument(span.clone()).await;
        let mut next = Grant { generation: claimed.generation + 1, ..claimed.clone() };
        next.vars.remove(CLAIM);
        let failed = match exchanged {
            Ok((credentials, scopes)) => {
                next.credentials = credentials;
                history::refreshed(&mut next, client.id(), self.clock.now());
                next.scopes = scopes.unwrap_or(next.scopes);
                None
            }
            Err(error) => {
                let now = self.clock.now();
                if error.kind() == ErrorKind::AuthRevoked {
                    next.dead_since = Some(now);
                    history::ended(&mut next, &error);
                } else {
                    // The token may be used up by now: the claim stays and lapses, and whoever comes next tries again.
                    let rest = if error.kind() == ErrorKind::Timeout { SETTLE } else { REST };
                    next.vars.insert(CLAIM.to_owned(), later(now, rest).to_string());
                }
                Some(error)
            }
        };
        let mut swapped = self.store(scope, claimed.generation, &next).await?;
        // Our claim lapsed while we waited, and another process tried the token that we had used up: it found the grant
        // dead, which it is not.
        while failed.is_none()
            && let Swapped::Lost(Some(stored)) = &swapped
            && is_same_token(stored, &claimed)
            && (stored.dead_since.is_some() || claim(stored).is_some())
        {
            let expected = stored.generation;
            next.generation = expected + 1;
            swapped = self.store(scope, expected, &next).await?;
        }
        let outcome = match (&swapped, &failed) {
            (Swapped::Lost(_), _) => "lost",
            (_, Some(error)) => error.kind().as_str(),
            _ => "ok",
        };
        span.record("outcome", outcome);
        telemetry::refreshed(descriptor, outcome);
        match (swapped, failed) {
            (Swapped::Stored, None) => Ok(next),
            (Swapped::Stored, Some(error)) => Err(error),
            // Somebody reconnected, or our claim lapsed and another process was faster: what is stored counts, also
            // against an `invalid_grant` of ours.
            (Swapped::Lost(_), _) => {
                let stored = self.live_grant(scope, descriptor).await?;
                let is_usable = left(&stored.credentials, self.clock.now()).is_none_or(|left| !left.is_zero());
                if is_usable && !is_same_token(&stored, &claimed) {
                    return Ok(stored);
                }
                Err(Error::new(ErrorKind::Unavailable, "the token was refreshed by another process at the same time"))
            }
        }
    }

    /// Stores what a refresh brought, and doesn't give up at the first failure of the store.
    async fn store(&self, scope: &Scope, expected: u64, next: &Grant) -> Result<Swapped> {
        if zoo::is(Defect::UsesBeforeStoring) {
            return Ok(Swapped::Stored);
        }
        let mut attempt = 1;
        loop {
            match self.grants.swap(scope, Some(expected), Some(next.clone())).await {
                Err(error) if attempt < STORE_ATTEMPTS => {
                    tracing::warn!(attempt, kind = error.kind().as_str(), "a refreshed token could not be stored yet");
                    attempt += 1;
                    self.clock.sleep(LOOK).await;
                }
                // An attempt that failed may have stored it all the same.
                Ok(Swapped::Lost(Some(stored))) if stored.generation == next.generation && is_same_token(&stored, next) => {
                    return Ok(Swapped::Stored);
                }
                other => return other,
            }
        }
    }

    async fn exchange_refresh(
        &self,
        descriptor: &'static Descriptor,
        client: &OAuthClient,
        refresh: &SecretString,
    ) -> Result<(Credentials, Option<Vec<String>>)> {
        let server = server(descriptor)?;
        let flow = self.oauth_flow(descriptor, client)?;
        let token = RefreshToken::new(refresh.expose_secret().to_owned());
        let mut attempt = 1;
        loop {
            let wire = self.wire();
            let result = flow.exchange_refresh_token(&token).request_async(&wire).await;
            match self.token_result(descriptor, &wire, result) {
                Ok(answer) => {
                    let scopes = answer.scopes().map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect());
                    return Ok((self.credentials(server, &answer, Some(refresh.clone())), scopes));
                }
                Err(error)
                    if attempt < ATTEMPTS
                        && matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::BadAnswer) =>
                {
                    attempt += 1;
                    let may_run = error.kind() == ErrorKind::Timeout;
                    self.clock.sleep(if may_run { SETTLE } else { LOOK }).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// True when the token must be refreshed before it is used.
fn is_due(grant: &Grant, now: Timestamp, refused: Option<&SecretString>) -> bool {
    match &grant.credentials {
        Credentials::Token { refresh, .. } => {
            let was_refused = refresh.is_some() && refused.is_some_and(|refused| has_secret(grant, refused));
            let margin = if refresh.is_some() { MARGIN } else { Duration::ZERO };
            // Whoever claimed it and never said what came of it may have used the refresh token up: the old one is good for
            // a while only, however long the access token is.
            let is_lapsed = refresh.is_some() && claim(grant).is_some_and(|until| until <= now);
            was_refused || is_lapsed || left(&grant.credentials, now).is_some_and(|left| left <= margin)
        }
        _ => false,
    }
}

fn claim(grant: &Grant) -> Option<Timestamp> {
    grant.vars.get(CLAIM)?.parse().ok()
}

fn is_same_token(one: &Grant, other: &Grant) -> bool {
    crate::session::secret(other).is_some_and(|secret| has_secret(one, secret))
}
