//! One run's hold on the world: lease, context, commits, report.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use sync_core::{
    AccountId, Context, EffectGrants, Error, ErrorKind, Facts, Hash, InstallationId, LocalId, Marker, Outcome, OutcomeKind,
    RemoteId, ResourceName, RunId, Scope, Stop, code,
    zoo::{self, Defect},
};

use super::{ask::Ask, halt::Halt, notes::Notes, report::Report};
use crate::{Change, ConnectionStatus, Item, Lease, OutcomeRow, ProgressEvent, RunInput, engine::Inner};

/// One run under way.
pub(crate) struct Session<'a> {
    pub(crate) engine: &'a Inner,
    pub(crate) input: RunInput<'a>,
    pub(crate) ask: &'a Ask,
    pub(crate) scope: Scope,
    pub(crate) account: AccountId,
    pub(crate) run: RunId,
    pub(crate) installation: InstallationId,
    pub(crate) grants: EffectGrants,
    pub(crate) report: Mutex<Report>,
    lease: Mutex<Held>,
    facts: Mutex<Option<Facts>>,
    pub(super) notes: Notes,
}

#[derive(Debug, Clone)]
struct Held {
    lease: Lease,
    /// The lease's end by the engine's clock, reckoned from before it was asked for: never later than the store's own.
    until: Timestamp,
}

impl<'a> Session<'a> {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        engine: &'a Inner,
        input: RunInput<'a>,
        ask: &'a Ask,
        account: AccountId,
        run: RunId,
        installation: InstallationId,
        lease: Lease,
        asked_at: Timestamp,
    ) -> Self {
        let until = later(asked_at, lease_length(engine, &input));
        let mut grants: Vec<String> = input.options.grants.iter().map(str::to_owned).collect();
        // Standing grants never apply to first syncs.
        if input.connection.status == ConnectionStatus::Active && !super::gate::needs_approval(&input) {
            grants.extend(input.connection.standing_grants.iter().map(|grant| grant.effect.clone()));
        }
        Self {
            engine,
            input,
            ask,
            scope: input.request.scope(),
            account,
            run,
            installation,
            grants: EffectGrants::of(grants),
            report: Mutex::default(),
            lease: Mutex::new(Held { lease, until }),
            facts: Mutex::new(None),
            notes: Notes::default(),
        }
    }

    /// True where a plan goes in slices: where records refer to each other, so that no stop leaves half of what belongs
    /// together.
    pub(crate) fn has_slices(&self) -> bool {
        self.input.options.undo.is_none() && self.may_have_slices()
    }

    /// True where plans of this provider go in slices.
    pub(crate) fn may_have_slices(&self) -> bool {
        self.input.descriptor.resources.iter().any(|resource| !resource.depends_on.is_empty())
    }

    /// What marks one of a record's counterparts as ours.
    pub(crate) fn marker_of(&self, collection: &sync_core::Collection, local: &LocalId, role: &sync_core::Role) -> Marker {
        match role.amendment_number() {
            None => self.marker(collection, local),
            Some(_) => self.marker(collection, &LocalId::new(format!("{local}/{role}"))),
        }
    }

    pub(crate) fn is_dry(&self) -> bool {
        self.input.request.dry_run || self.is_audit()
    }

    /// True when both sides are read in full, to be compared.
    pub(crate) fn is_audit(&self) -> bool {
        self.input.options.audit
    }

    /// The host's writing side. [`super::ask::Ask`] was checked against it.
    pub(crate) fn writing(&self) -> Result<&dyn sync_core::WritableRecords, Halt> {
        self.engine.records.writing().ok_or_else(|| {
            Halt::new(
                Stop::Request,
                Error::new(ErrorKind::Unsupported, "the host's records are read-only: nothing can be written here")
                    .with_owner(sync_core::Owner::HostDeveloper)
                    .with_remedy("Give the dispatcher writable records, or set the connection's direction to \"push\"."),
            )
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    pub(crate) fn lease(&self) -> Lease {
        lock(&self.lease).lease.clone()
    }

    pub(crate) fn report(&self) -> MutexGuard<'_, Report> {
        lock(&self.report)
    }

    /// What handlers work with: nothing is started that could outlast the lease.
    pub(crate) fn context(&self) -> Context<'_> {
        let deadline = lock(&self.lease).until;
        Context::new(
            self.input.exchange,
            self.now(),
            deadline,
            &self.input.options.cancel,
            self.input.options.lane,
            &self.grants,
        )
    }

    pub(crate) fn call_timeout(&self) -> Duration {
        call_timeout(self.engine, &self.input)
    }

    pub(crate) fn settle(&self, of_safety: Option<Duration>) -> Duration {
        self.engine.config.settle.unwrap_or_else(|| of_safety.unwrap_or(self.input.descriptor.settle))
    }

    /// Makes sure that a call may take its longest time within the lease.
    pub(crate) async fn keep_lease(&self) -> Result<(), Halt> {
        let held = lock(&self.lease).clone();
        let asked_at = self.now();
        let left = held.until.duration_since(asked_at);
        if left > SignedDuration::try_from(self.call_timeout()).unwrap_or(SignedDuration::MAX) {
            return Ok(());
        }
        let length = lease_length(self.engine, &self.input);
        let mut lease = held.lease;
        self.engine.store.renew(&mut lease, millis(length)).await.map_err(|error| self.halt(error))?;
        *lock(&self.lease) = Held { lease, until: later(asked_at, length) };
        Ok(())
    }

    pub(crate) fn check_cancel(&self) -> Result<(), Halt> {
        if self.input.options.cancel.is_cancelled() {
            return Err(Halt::new(
                Stop::Cancelled,
                Error::new(ErrorKind::Cancelled, "the run was cancelled")
                    .with_remedy("What was done is kept; sync again for the rest."),
            ));
        }
        Ok(())
    }

    pub(crate) fn halt(&self, error: Error) -> Halt {
        Halt::of(error, self.now())
    }

    /// Applies changes, all or none.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), Halt> {
        if changes.is_empty() {
            return Ok(());
        }
        self.engine.store.commit(&self.lease(), changes).await.map_err(|error| self.halt(error))
    }

    pub(crate) fn marker(&self, collection: &sync_core::Collection, local: &LocalId) -> Marker {
        Marker::of(&self.installation, &self.scope.organization, collection, local)
    }

    /// What `prepare` needs; read on the first call of the run, together with a check of the settings.
    pub(crate) async fn facts(&self) -> Result<Facts, Halt> {
        if let Some(facts) = lock(&self.facts).clone() {
            return Ok(facts);
        }
        self.keep_lease().await?;
        let checked =
            self.input.handler.check(&self.context(), sync_core::Check::Settings).await.map_err(|error| self.halt(error))?;
        if let Some(problem) = checked.problems.first() {
            let more = match checked.problems.len() {
                1 => String::new(),
                n => format!(" (and {} more)", n - 1),
            };
            return Err(Halt::new(
                Stop::Settings,
                Error::new(ErrorKind::Config, format!("setting \"{}\": {}{more}", problem.setting, problem.message))
                    .with_owner(sync_core::Owner::EndUserData)
                    .with_remedy(problem.remedy.clone()),
            ));
        }
        *lock(&self.facts) = Some(checked.facts.clone());
        Ok(checked.facts)
    }

    pub(crate) fn known_facts(&self) -> Facts {
        lock(&self.facts).clone().unwrap_or_default()
    }

    pub(crate) fn learn(&self, news: Facts) {
        lock(&self.facts).get_or_insert_default().learn(news);
    }

    pub(crate) fn progress(&self, event: ProgressEvent<'_>) {
        if let Some(progress) = &self.input.options.progress {
            progress.event(event);
        }
    }

    /// The change that keeps a record in mind, whatever becomes of this run: it is due at once.
    pub(crate) fn look_again(&self, resource: &ResourceName, local: &LocalId, why: &'static str) -> Change {
        let now = self.now();
        Change::PutItem(Item {
            resource: resource.clone(),
            local: local.clone(),
            outcome: Outcome::new(OutcomeKind::Pending, code::UNSETTLED, why).until(now),
            key: None,
            hash: None,
            run: self.run.clone(),
            since: now,
            attempts: 0,
            due: Some(now),
            needs_grant: None,
            question: None,
        })
    }

    /// Records what became of an item: counts it, and returns the changes that make it history, and standing or not.
    pub(crate) fn settle_item(&self, settled: Settled<'_>) -> Vec<Change> {
        let Settled {
            resource,
            local,
            remote,
            outcome,
            key,
            hash,
            standing,
            needs_grant,
            question,
            look_again,
            keep_standing,
            is_looked_up,
        } = settled;
        let is_news = !standing.is_some_and(|item| item.outcome.code == outcome.code && item.outcome.kind == outcome.kind);
        {
            let mut report = self.report();
            report.add(resource, Some(local), &outcome);
            if is_news
                && matches!(
                    outcome.kind,
                    OutcomeKind::Skipped | OutcomeKind::Question | OutcomeKind::Blocked | OutcomeKind::Pending
                )
            {
                report.newly_waiting += 1;
            }
        }
        self.progress(ProgressEvent::Settled { resource, kind: outcome.kind, items: 1 });
        if self.is_dry() && !zoo::is(Defect::DryRunRemembers) {
            return Vec::new();
        }
        let now = self.now();
        let mut changes = Vec::with_capacity(2);
        if keep_standing && (standing.is_some() || outcome.kind.is_settled()) {
            // A partial sync says nothing about what stands of the whole.
        } else if outcome.kind.is_settled() && look_again {
            changes.push(self.look_again(resource, local, "it may have changed while its call was open"));
        } else if outcome.kind.is_settled() && is_looked_up && standing.is_none() {
            // Nothing stands that could be dropped.
        } else if outcome.kind.is_settled() {
            changes.push(Change::DropItem { resource: resource.clone(), local: local.clone() });
        } else {
            let attempts = match outcome.kind {
                OutcomeKind::Failed => standing.map_or(0, |item| item.attempts).saturating_add(1),
                _ => 0,
            };
            changes.push(Change::PutItem(Item {
                resource: resource.clone(),
                local: local.clone(),
                key,
                hash,
                run: self.run.clone(),
                since: standing.filter(|_| !is_news).map_or(now, |item| item.since),
                attempts,
                due: outcome.until,
                needs_grant,
                question,
                outcome: outcome.clone(),
            }));
        }
        // What stands as before is no history.
        if is_news || outcome.kind == OutcomeKind::Failed {
            changes.push(Change::Outcome {
                run: self.run.clone(),
                row: OutcomeRow {
                    resource: resource.clone(),
                    local: Some(local.clone()),
                    remote: remote.cloned(),
                    outcome,
                    at: now,
                },
            });
        }
        changes
    }

    /// When a failed item is tried again by itself.
    pub(crate) fn next_try(&self, error: &Error, attempts: u32) -> Option<Timestamp> {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let delay = match error.retry() {
            sync_core::Retry::Never => return None,
            sync_core::Retry::After(delay) => delay,
            sync_core::Retry::Backoff => self.engine.config.retry_after.saturating_mul(1 << attempts.min(10)).min(DAY),
        };
        Some(later(self.now(), delay))
    }
}

/// What became of an item, for [`Session::settle_item`].
pub(crate) struct Settled<'a> {
    pub(crate) resource: &'a ResourceName,
    pub(crate) local: &'a LocalId,
    pub(crate) remote: Option<&'a RemoteId>,
    pub(crate) outcome: Outcome,
    pub(crate) key: Option<String>,
    pub(crate) hash: Option<Hash>,
    pub(crate) standing: Option<&'a Item>,
    pub(crate) needs_grant: Option<String>,
    pub(crate) question: Option<sync_core::QuestionId>,
    /// True when the record must be compared once more, although this is in order.
    pub(crate) look_again: bool,
    /// True when only a part of the record was synced.
    pub(crate) keep_standing: bool,
    /// True when `standing` was read: without one, nothing stands.
    pub(crate) is_looked_up: bool,
}

impl<'a> Settled<'a> {
    pub(crate) fn new(resource: &'a ResourceName, local: &'a LocalId, outcome: Outcome) -> Self {
        Self {
            resource,
            local,
            remote: None,
            outcome,
            key: None,
            hash: None,
            standing: None,
            needs_grant: None,
            question: None,
            look_again: false,
            keep_standing: false,
            is_looked_up: false,
        }
    }
}

pub(crate) fn call_timeout(engine: &Inner, input: &RunInput<'_>) -> Duration {
    engine.config.call_timeout.unwrap_or(input.descriptor.call_timeout)
}

pub(crate) fn lease_length(engine: &Inner, input: &RunInput<'_>) -> Duration {
    call_timeout(engine, input) + engine.config.lease_margin
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// A poisoned lock only means that another task panicked: the values in here are whole after each statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
