//! Webhooks: verified, deduplicated, and turned into marks that a feed has news.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use sync_core::{AccountId, Descriptor, ErrorKind, Inbound, Integration, IntegrationId, Result, Scope, Signal, WebhookKeys};
use sync_engine::{ConnectionRow, ConnectionStatus};

use crate::{Dispatcher, connect::PAGE};

/// Longest name of a key that is looked up in the store, in characters: a channel's has 32.
const MAX_KEY_NAME: usize = 64;

/// How often a webhook is verified again with keys that it asked for.
const MAX_ASKS: usize = 3;

/// The keys of the host, and those of push channels as far as they were asked for.
struct Keys<'a> {
    hosts: Option<&'a dyn WebhookKeys>,
    channels: BTreeMap<String, Option<Bytes>>,
    asked: Mutex<BTreeSet<String>>,
}

impl WebhookKeys for Keys<'_> {
    fn keys(&self, scope: &str) -> Vec<Bytes> {
        if scope.len() <= MAX_KEY_NAME {
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.to_owned());
        }
        let mut keys = self.hosts.map(|hosts| hosts.keys(scope)).unwrap_or_default();
        keys.extend(self.channels.get(scope).cloned().flatten());
        keys
    }
}

impl Keys<'_> {
    /// Names that were asked for and not looked up yet.
    fn missing(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|name| !self.channels.contains_key(*name)).cloned().collect()
    }
}

impl Dispatcher {
    /// Takes a webhook: verifies it, marks the feeds that it is about, and returns the reply to give. With push channels
    /// ([`DispatcherBuilder::webhooks`](crate::DispatcherBuilder::webhooks)) the host hands over what comes to
    /// `{url}/{integration}`.
    ///
    /// A hint is never applied, only looked at with the next run that time asks for; hints about one feed are one until
    /// then. So a delivery that comes twice costs at most a run that finds nothing; this process drops the copies among the
    /// last 10,000 that it remembers, in memory.
    ///
    /// The reply is 404 for an unknown integration, 401 for a signature that doesn't fit, 400 for what can't be read, and
    /// 503 when the store fails, so that the provider sends it again.
    pub async fn inbound(&self, integration: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let id = integration.into();
        let Ok(built) = self.0.registry.built(&id) else { return empty(StatusCode::NOT_FOUND) };
        let inbound = match self.verified(&id, built, request).await {
            Ok(Ok(inbound)) => inbound,
            Ok(Err(error)) => {
                tracing::warn!(integration, %error, "a webhook was refused");
                return empty(match error.kind() {
                    ErrorKind::Forbidden => StatusCode::UNAUTHORIZED,
                    ErrorKind::Unsupported | ErrorKind::NotFound => StatusCode::NOT_FOUND,
                    _ => StatusCode::BAD_REQUEST,
                });
            }
            Err(error) => {
                tracing::error!(integration, %error, "a webhook could not be verified");
                return empty(StatusCode::SERVICE_UNAVAILABLE);
            }
        };
        if self.0.memory.has_seen(integration, &inbound.dedupe) {
            return inbound.reply;
        }
        match self.queue(built.descriptor(), &id, &inbound.signals).await {
            Ok(n_queued) => {
                tracing::debug!(integration, n_queued, "a webhook was taken");
                self.0.memory.saw(integration, inbound.dedupe);
                inbound.reply
            }
            Err(error) => {
                tracing::error!(integration, %error, "a webhook could not be queued");
                empty(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    /// What the integration makes of a webhook; the outer error is the store's. A provider asks for keys while it verifies,
    /// and the store can't answer at once: what it asked for is looked up, and it verifies again.
    async fn verified(
        &self,
        id: &IntegrationId,
        integration: &Arc<dyn Integration>,
        request: &Request<Bytes>,
    ) -> Result<Result<Inbound>> {
        let mut keys = Keys { hosts: self.0.keys.as_deref(), channels: BTreeMap::new(), asked: Mutex::new(BTreeSet::new()) };
        for _ in 1..MAX_ASKS {
            let inbound = integration.inbound(&keys, request);
            let missing = keys.missing();
            if inbound.is_ok() || missing.is_empty() {
                return Ok(inbound);
            }
            for name in missing {
                let channel = self.0.store.channel(id, &name).await?;
                let secret = channel.map(|row| Bytes::from(row.secret.expose_secret().to_owned()));
                keys.channels.insert(name, secret);
            }
        }
        Ok(integration.inbound(&keys, request))
    }

    /// Marks what the signals are about; returns how many connections that are.
    async fn queue(
        &self,
        descriptor: &'static Descriptor,
        integration: &IntegrationId,
        signals: &[(AccountId, Signal)],
    ) -> Result<usize> {
        let mut n_queued = 0;
        let mut of_accounts = Vec::new();
        for signal in signals {
            let (_, Signal::Channel { channel }) = signal else {
                of_accounts.push(signal);
                continue;
            };
            // It may have been stopped since it was verified.
            if let Some(row) = self.0.store.channel(integration, channel).await? {
                n_queued += usize::from(self.mark(&row.scope, [row.feed.as_str()]).await?);
            }
        }
        if of_accounts.is_empty() {
            return Ok(n_queued);
        }
        let mut after: Option<Scope> = None;
        loop {
            let page = self.0.store.connections(None, after.as_ref(), PAGE).await?;
            for row in page.iter().filter(|row| row.scope.integration == *integration) {
                n_queued += usize::from(self.queue_for(descriptor, row, &of_accounts).await?);
            }
            let n_rows = page.len();
            after = page.into_iter().next_back().map(|row| row.scope);
            if n_rows < PAGE {
                return Ok(n_queued);
            }
        }
    }

    /// Marks what the signals say of one connection's account.
    async fn queue_for(
        &self,
        descriptor: &'static Descriptor,
        row: &ConnectionRow,
        signals: &[&(AccountId, Signal)],
    ) -> Result<bool> {
        let mine = signals.iter().filter(|(account, _)| row.account.as_ref() == Some(account));
        let (revoked, news): (Vec<_>, Vec<_>) = mine.map(|(_, signal)| signal).partition(|it| **it == Signal::Revoked);
        if !revoked.is_empty() {
            // Anybody who knows an account can't end its connection: the provider is asked.
            self.update_connection(&row.scope, |row| row.checked_at = Some(Timestamp::UNIX_EPOCH)).await?;
        }
        let feeds: BTreeSet<&str> = news.into_iter().flat_map(|signal| feeds_of(descriptor, signal)).collect();
        let is_marked = !feeds.is_empty() && self.mark(&row.scope, feeds).await?;
        Ok(is_marked || !revoked.is_empty())
    }

    /// Marks feeds of a connection that is in use, or will be once somebody connects again.
    async fn mark<'f>(&self, scope: &Scope, feeds: impl IntoIterator<Item = &'f str>) -> Result<bool> {
        let row = self.0.store.connection(scope).await?;
        let is_in_use = |row: &ConnectionRow| {
            matches!(row.status, ConnectionStatus::Active | ConnectionStatus::Reconnect { .. }) && !row.approved.is_empty()
        };
        if !row.is_some_and(|row| is_in_use(&row)) {
            return Ok(false);
        }
        for feed in feeds {
            self.0.store.mark_moved(scope, feed, self.0.clock.now()).await?;
        }
        Ok(true)
    }
}

/// The feeds in which a signal's news come. Where none covers them, a run looks at everything.
fn feeds_of(descriptor: &'static Descriptor, signal: &Signal) -> Vec<&'static str> {
    let feeds: Vec<&str> = match signal {
        Signal::Changed { resource, .. } => {
            descriptor.feeds.iter().filter(|feed| feed.covers.contains(resource)).map(|feed| feed.name).collect()
        }
        Signal::FeedMoved(feed) => descriptor.feed(feed).map(|feed| feed.name).into_iter().collect(),
        _ => Vec::new(),
    };
    if feeds.is_empty() { vec![EVERYTHING] } else { feeds }
}

/// The mark of news that no feed is known to bring.
pub(crate) const EVERYTHING: &str = "*";

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = status;
    reply
}
