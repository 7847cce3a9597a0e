//! Push channels: started for connections that read feeds, renewed before they end, stopped when they are not needed any
//! more. And the slow poll behind them, since no provider promises that a channel tells everything.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sync_core::{ContainerId, Effect, ErrorKind, Feed, Random, Result, Retry, Scope, Watch, Watching, channel_id};
use sync_engine::{ChannelRow, ConnectionRow, ConnectionStatus};

use super::{later, pull::is_read};
use crate::{Dispatcher, session::Session};

/// How long nobody knows whether a channel was started before another one is: longer than any call.
const STARTING: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// How long a channel that can't be stopped is remembered beyond its end.
const FORGOTTEN: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

/// How often a connection's channels are looked at when nothing happens: other processes change them too.
const LOOK_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// How often a connection that reads feeds runs although nobody told of news: a poll of four times a day finds what a
/// channel missed, for a handful of calls.
pub(crate) const POLL_EVERY: Duration = Duration::from_secs(6 * 60 * 60);

/// A feed to watch, and the container in which it is read.
type Place = (&'static Feed, Option<ContainerId>);

impl Dispatcher {
    /// Brings a connection's push channels and its poll in order, and notes when to look again.
    pub(super) async fn keep_watch(&self, scope: &Scope, now: Timestamp) -> Result<()> {
        let Some(row) = self.0.store.connection(scope).await?.filter(|row| row.status == ConnectionStatus::Active) else {
            return Ok(());
        };
        let integration = self.0.registry.built(&scope.integration)?;
        let session = self.session(integration, &row).await?;
        let read: Vec<&'static Feed> =
            integration.descriptor().feeds.iter().filter(|feed| is_read(&*session.handler, feed)).collect();
        let row = self.keep_poll(row, !read.is_empty(), now).await?;
        let look_at = match self.address(scope) {
            None => later(now, LOOK_AGAIN),
            Some(url) => self.keep_channels(scope, &session, &read, &url, now).await?,
        };
        self.0.memory.watch_rests(scope, row.revision, look_at);
        Ok(())
    }

    /// A connection that reads feeds runs from time to time, unless the host schedules it itself.
    async fn keep_poll(&self, row: ConnectionRow, reads: bool, now: Timestamp) -> Result<ConnectionRow> {
        let Some(every) = self.0.poll_every.filter(|_| reads && row.next_run_at.is_none()) else { return Ok(row) };
        let next = now.saturating_add(every).unwrap_or(Timestamp::MAX);
        self.update_connection(&row.scope, |row| row.next_run_at = row.next_run_at.or(Some(next))).await
    }

    /// Where providers reach the host for this integration.
    fn address(&self, scope: &Scope) -> Option<String> {
        let base = self.0.webhooks.as_ref()?;
        Some(format!("{}/{}", base.as_str().trim_end_matches('/'), scope.integration))
    }

    /// Starts what is missing or about to end, then stops what is not needed any more; returns when to look again. One that
    /// fails doesn't keep the others from their turn.
    async fn keep_channels(
        &self,
        scope: &Scope,
        session: &Session,
        read: &[&'static Feed],
        url: &str,
        now: Timestamp,
    ) -> Result<Timestamp> {
        let is_watchable = |feed: &&&'static Feed| !self.0.memory.is_unwatchable(&scope.integration, feed.name);
        let wanted: Vec<Place> = read
            .iter()
            .filter(is_watchable)
            .flat_map(|feed| session.handler.containers(feed).into_iter().map(|container| (*feed, container)))
            .collect();
        let mut look_at = later(now, LOOK_AGAIN);
        let mut failed = None;
        let rows = self.0.store.channels(scope).await?;
        for place in &wanted {
            let newest = rows.iter().rev().find(|row| is_at(row, place));
            let good_until = newest.and_then(|row| good_until(row, url, now));
            match good_until {
                Some(until) => look_at = look_at.min(until),
                None => {
                    let generation = newest.map_or(0, |row| row.generation) + 1;
                    failed = failed.or(self.start(scope, session, place, generation, url, now).await.err());
                }
            }
        }
        let rows = self.0.store.channels(scope).await?;
        for (idx, row) in rows.iter().enumerate() {
            let place = wanted.iter().find(|place| is_at(row, place));
            let successor = |place| rows.iter().skip(idx + 1).any(|next| is_at(next, place) && next.watching.is_some());
            if place.is_some_and(|place| !successor(place)) {
                continue;
            }
            failed = failed.or(self.stop(session, row, now).await.err());
        }
        failed.map_or(Ok(look_at), Err)
    }

    /// Starts one channel. It is written down first, so that two processes don't both start one, and so that what it tells
    /// before the answer arrives is known.
    async fn start(
        &self,
        scope: &Scope,
        session: &Session,
        (feed, container): &Place,
        generation: u64,
        url: &str,
        now: Timestamp,
    ) -> Result<()> {
        let secret = secret(&*self.0.random);
        let mut row = ChannelRow {
            id: channel_id(&secret),
            scope: scope.clone(),
            feed: feed.name.to_owned(),
            container: container.clone(),
            generation,
            url: url.to_owned(),
            secret: SecretString::from(secret),
            watching: None,
            since: now,
        };
        if !self.0.store.put_channel(&row).await? {
            return Ok(());
        }
        let request = Watch::Start { feed, container: container.as_ref(), url, secret: row.secret.expose_secret() };
        match session.handler.watch(&session.background(now), request).await {
            Ok(watching) => {
                tracing::info!(%scope, feed = feed.name, generation, "a push channel was started");
                row.watching = Some(watching);
                self.0.store.put_channel(&row).await.map(drop)
            }
            Err(error) => {
                // What may have been started is not forgotten: it may call.
                if error.effect() == Effect::None {
                    self.0.store.drop_channel(scope, &row.id).await?;
                }
                if error.kind() == ErrorKind::Unsupported {
                    self.0.memory.unwatchable(&scope.integration, feed.name);
                    return Ok(());
                }
                Err(error)
            }
        }
    }

    /// Stops one channel and forgets it.
    async fn stop(&self, session: &Session, row: &ChannelRow, now: Timestamp) -> Result<()> {
        if let Some(watching) = &row.watching
            && let Err(error) = session.handler.watch(&session.background(now), Watch::Stop(watching)).await
        {
            // One that the provider doesn't know any more, or won't stop, calls in vain until it ends.
            let has_ended = watching.renew_at.is_some_and(|at| later(at, FORGOTTEN) < now);
            if error.retry() != Retry::Never && !has_ended {
                return Err(error);
            }
        }
        tracing::info!(scope = %row.scope, feed = row.feed, generation = row.generation, "a push channel was stopped");
        self.0.store.drop_channel(&row.scope, &row.id).await
    }

    /// Stops all channels of a connection that ends, as far as the provider can be told.
    pub(crate) async fn stop_watching(&self, row: &ConnectionRow, now: Timestamp) -> Result<()> {
        let channels = self.0.store.channels(&row.scope).await?;
        if channels.is_empty() {
            return Ok(());
        }
        let session = match self.0.registry.built(&row.scope.integration) {
            Ok(integration) => self.session(integration, row).await,
            Err(error) => Err(error),
        };
        for channel in channels {
            if let Ok(session) = &session
                && let Err(error) = self.stop(session, &channel, now).await
            {
                tracing::warn!(scope = %row.scope, %error, "a push channel could not be stopped: it ends by itself");
            }
            self.0.store.drop_channel(&row.scope, &channel.id).await?;
        }
        Ok(())
    }

    /// After a new sign-in: channels of the same account are started anew, since the old sign-in's may have ended with it;
    /// those of another account are forgotten.
    pub(crate) async fn watch_anew(&self, scope: &Scope, same_account: bool) -> Result<()> {
        for row in self.0.store.channels(scope).await? {
            match row.watching.clone().filter(|_| same_account) {
                Some(watching) => {
                    let watching = Watching { renew_at: Some(Timestamp::UNIX_EPOCH), ..watching };
                    self.0.store.put_channel(&ChannelRow { watching: Some(watching), ..row }).await?;
                }
                None => self.0.store.drop_channel(scope, &row.id).await?,
            }
        }
        self.0.memory.watch_now(scope);
        Ok(())
    }
}

fn is_at(row: &ChannelRow, (feed, container): &Place) -> bool {
    row.feed == feed.name && row.container == *container
}

/// Until when a channel needs nothing; `None` where another one must be started.
fn good_until(row: &ChannelRow, url: &str, now: Timestamp) -> Option<Timestamp> {
    let until = match &row.watching {
        // Somebody is starting it.
        None => later(row.since, STARTING),
        Some(watching) => watching.renew_at.unwrap_or(Timestamp::MAX),
    };
    (row.url == url && until > now).then_some(until)
}

/// 256 random bits, hexadecimal: fits a header and a URL.
fn secret(random: &dyn Random) -> String {
    format!("{}{}", random.id(), random.id())
}
