//! What time asks for: scheduled runs, runs for which a webhook asked, push channels, weekly checks, digests, retention.
//!
//! Nothing here spawns or waits: the host calls [`Dispatcher::run_due`] from its own timer, once a minute say, in as many
//! processes as it likes.

mod digest;
mod memory;
mod pull;
mod watch;

use std::{collections::BTreeMap, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sync_core::{Error, ErrorKind, Lane, OrganizationId, Result, Scope, Stop, SyncRequest, SyncResult};
use sync_engine::{ConnectionRow, ConnectionStatus, Pruned, RunOptions};

use crate::{Dispatcher, connect::PAGE};
pub(crate) use memory::Memory;
pub(crate) use watch::POLL_EVERY;

/// How often a connection is looked at. Google's testing-mode sign-ins die after 7 days without use
/// (<https://developers.google.com/identity/protocols/oauth2#expiration>), Xero's after 60 and QuickBooks' after 100.
const CHECK_EVERY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long rests what could not be done.
const REST: SignedDuration = SignedDuration::from_hours(1);

/// How often what has outlived its retention is removed.
const PRUNE_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// Rows that are removed at once, and how many times in one go.
const PRUNE_ROWS: usize = 1_000;
const PRUNE_BATCHES: usize = 100;

/// A run that was taken over and not ended within this time is taken over by somebody else.
const TAKEN_FOR: SignedDuration = SignedDuration::from_mins(15);

/// One thing that time asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
#[non_exhaustive]
pub enum Due {
    /// A run: it was scheduled, waited for a quota, or nobody told of news for long.
    Run {
        /// The connection.
        scope: Scope,
        /// Since when it is due.
        since: Timestamp,
    },
    /// A run for which a webhook asked.
    Pull {
        /// The connection.
        scope: Scope,
        /// Since when there are news.
        since: Timestamp,
    },
    /// A look at a connection's push channels, and at its poll.
    Watch {
        /// The connection.
        scope: Scope,
        /// Since when it is due.
        since: Timestamp,
    },
    /// The weekly look at a connection.
    Check {
        /// The connection.
        scope: Scope,
        /// Since when it is due.
        since: Timestamp,
    },
    /// An organization's digest of the day, if anything waits for a person.
    Digest {
        /// The organization.
        organization: OrganizationId,
        /// Since when it is due.
        since: Timestamp,
    },
    /// Removing what has outlived its retention.
    Retention {
        /// Since when it is due.
        since: Timestamp,
    },
}

impl Due {
    /// Since when it is due.
    pub fn since(&self) -> Timestamp {
        match self {
            Self::Run { since, .. }
            | Self::Pull { since, .. }
            | Self::Watch { since, .. }
            | Self::Check { since, .. }
            | Self::Digest { since, .. }
            | Self::Retention { since } => *since,
        }
    }
}

/// What became of one thing that was due.
#[derive(Debug)]
#[non_exhaustive]
pub struct Did {
    /// What was due.
    pub due: Due,
    /// The result, where it was a run.
    pub result: Option<SyncResult>,
    /// Why it could not be done. It is due again later.
    pub error: Option<Error>,
}

/// What became of it, inside.
enum Outcome {
    TakenOver,
    Ran(Box<SyncResult>),
    Done,
}

impl Dispatcher {
    /// What time asks for, the longest due first; at most `limit`. Changes nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        let mut due = Vec::new();
        if let Some(since) = self.0.memory.prune_due(now, PRUNE_EVERY) {
            due.push(Due::Retention { since });
        }
        let mut moved: BTreeMap<Scope, Timestamp> = BTreeMap::new();
        self.marks(|mark| {
            let since = moved.entry(mark.scope).or_insert(mark.since);
            *since = mark.since.min(*since);
        })
        .await?;
        let mut after: Option<Scope> = None;
        loop {
            let page = self.0.store.connections(None, after.as_ref(), PAGE).await?;
            for row in page.iter().filter(|row| self.0.registry.built(&row.scope.integration).is_ok()) {
                self.due_of(row, moved.get(&row.scope).copied(), now, &mut due);
            }
            due.sort_by_key(Due::since);
            due.truncate(limit);
            let n_rows = page.len();
            after = page.into_iter().next_back().map(|row| row.scope);
            if n_rows < PAGE {
                return Ok(due);
            }
        }
    }

    fn due_of(&self, row: &ConnectionRow, moved: Option<Timestamp>, now: Timestamp, due: &mut Vec<Due>) {
        if matches!(row.status, ConnectionStatus::Disconnected { .. }) {
            return;
        }
        let scope = || row.scope.clone();
        // Schedules are off until the first plan is approved.
        if row.status == ConnectionStatus::Active
            && let Some(since) = row.next_run_at.filter(|at| *at <= now)
        {
            due.push(Due::Run { scope: scope(), since });
        }
        if row.status == ConnectionStatus::Active {
            if let Some(since) = moved.filter(|_| self.0.memory.may_pull(&row.scope, now)) {
                due.push(Due::Pull { scope: scope(), since });
            }
            if self.may_watch(row)
                && let Some(since) = self.0.memory.watch_due(&row.scope, row.revision, now)
            {
                due.push(Due::Watch { scope: scope(), since });
            }
        }
        if !matches!(row.status, ConnectionStatus::Reconnect { .. }) {
            let since = later(row.checked_at.unwrap_or(row.created_at), CHECK_EVERY);
            if since <= now && self.0.memory.may_check(&row.scope, now) {
                due.push(Due::Check { scope: scope(), since });
            }
        }
        if self.0.notifier.is_some()
            && let Some(since) = self.0.memory.digest_due(&row.scope.organization, now)
        {
            let organization = row.scope.organization.clone();
            let known = |due: &Due| matches!(due, Due::Digest { organization: other, .. } if *other == organization);
            if !due.iter().any(known) {
                due.push(Due::Digest { organization, since });
            }
        }
    }

    /// True when a connection may have feeds to read without being asked to.
    fn may_watch(&self, row: &ConnectionRow) -> bool {
        let is_asked_for = self.0.webhooks.is_some() || self.0.poll_every.is_some();
        let descriptor = self.0.registry.built(&row.scope.integration).map(|integration| integration.descriptor());
        is_asked_for && descriptor.is_ok_and(|descriptor| descriptor.supports_direction && !descriptor.feeds.is_empty())
    }

    /// Does what time asks for, one thing after another. What another process took over first is left out.
    ///
    /// # Errors
    /// When the store can't tell what is due; single failures are in the answers.
    pub async fn run_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Did>> {
        let mut done = Vec::new();
        for due in self.due(now, limit).await? {
            // What panics is due first the next time, too: it must not keep the others from their turn.
            let did = match AssertUnwindSafe(self.do_one(&due, now)).catch_unwind().await {
                Ok(did) => did,
                Err(_) => Err(Error::new(ErrorKind::Internal, "what was due panicked").with_remedy("Report it.")),
            };
            match did {
                Ok(Outcome::TakenOver) => {}
                Ok(Outcome::Ran(result)) => done.push(Did { due, result: Some(*result), error: None }),
                Ok(Outcome::Done) => done.push(Did { due, result: None, error: None }),
                Err(error) => {
                    tracing::warn!(?due, %error, "what was due could not be done");
                    self.put_off(&due, now);
                    done.push(Did { due, result: None, error: Some(error) });
                }
            }
        }
        Ok(done)
    }

    async fn do_one(&self, due: &Due, now: Timestamp) -> Result<Outcome> {
        match due {
            Due::Run { scope, since } => return self.scheduled(scope, *since).await,
            Due::Pull { scope, .. } => return self.pull_moved(scope, now).await,
            Due::Watch { scope, .. } => self.keep_watch(scope, now).await?,
            Due::Check { scope, .. } => self.check(scope).await.map(drop)?,
            Due::Digest { organization, .. } => self.digest(organization, now).await?,
            Due::Retention { .. } => self.prune(now).await.map(drop)?,
        }
        Ok(Outcome::Done)
    }

    /// What failed rests, so that the others get their turn. A run was put off when it was taken over.
    fn put_off(&self, due: &Due, now: Timestamp) {
        let rested = later(now, REST);
        match due {
            Due::Run { .. } => {}
            Due::Pull { scope, .. } => self.0.memory.pull_rests(scope, rested),
            Due::Watch { scope, .. } => self.0.memory.watch_failed(scope, rested),
            Due::Check { scope, .. } => self.0.memory.check_failed(scope, rested),
            Due::Digest { organization, .. } => self.0.memory.digest_rests(organization, now, rested),
            Due::Retention { .. } => self.0.memory.prune_failed(rested),
        }
    }

    /// Sets when a connection shall run by itself next; `None` takes the schedule away. In setup nothing runs by itself.
    ///
    /// # Errors
    /// When there is no connection, or the store fails.
    pub async fn schedule(&self, scope: &Scope, at: Option<Timestamp>) -> Result<()> {
        self.update_connection(scope, |row| row.next_run_at = at).await.map(drop)
    }

    /// Removes what has outlived its retention, in batches; what is left goes next time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn prune(&self, now: Timestamp) -> Result<Pruned> {
        let mut sum = Pruned::default();
        for _ in 0..PRUNE_BATCHES {
            let pruned = self.0.store.prune(now, &self.0.retention, PRUNE_ROWS).await?;
            sum.operations += pruned.operations;
            sum.outcomes += pruned.outcomes;
            sum.runs += pruned.runs;
            sum.facts += pruned.facts;
            if pruned == Pruned::default() {
                self.0.memory.pruned(now);
                break;
            }
        }
        Ok(sum)
    }

    /// A run that was due at `since`, unless somebody else took it over. Taking it over moves it a quarter of an hour on,
    /// so that it is not lost when this process is killed.
    async fn scheduled(&self, scope: &Scope, since: Timestamp) -> Result<Outcome> {
        let Some(mut row) = self.0.store.connection(scope).await?.filter(|row| row.next_run_at == Some(since)) else {
            return Ok(Outcome::TakenOver);
        };
        let taken_until = later(self.0.clock.now(), TAKEN_FOR);
        let expected = row.revision;
        row.next_run_at = Some(taken_until);
        if !self.put_connection(&mut row, Some(expected)).await? {
            return Ok(Outcome::TakenOver);
        }
        let request = SyncRequest::new(scope.organization.clone(), scope.integration.clone());
        let result = self.dispatch_with(request, RunOptions::new().lane(Lane::Scheduled).owner("schedule")).await;
        let details = result.details.as_ref();
        let next = match details.and_then(|details| details.stopped) {
            // The store or the host gets its time.
            Some(Stop::Fault) => Some(taken_until),
            _ => details.and_then(|details| details.resume_at),
        };
        // News that came during the run moved it to an earlier time, and stay.
        self.update_connection(scope, |row| {
            if row.next_run_at == Some(taken_until) {
                row.next_run_at = next;
            }
        })
        .await?;
        Ok(Outcome::Ran(Box::new(result)))
    }
}

fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}
