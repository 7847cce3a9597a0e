//! What a caller can choose for one run, and what an engine is configured with.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use sync_core::{Cancel, EffectGrants, Lane, OutcomeKind, PlanHash, ResourceName, RunId};

/// What a caller can choose for one run, beyond the request.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RunOptions {
    /// How urgent it is.
    pub lane: Lane,
    /// Side effects that a person allows for this run.
    pub grants: EffectGrants,
    /// The plan that a person approves: only a plan with this hash passes first-plan approval and breaker.
    pub approve: Option<PlanHash>,
    /// Where progress is told.
    pub progress: Option<Arc<dyn Progress>>,
    /// The wish to stop.
    pub cancel: Cancel,
    /// Who runs, for the lease ("syncctl, pid 4711").
    pub owner: Option<String>,
    /// Only operations of this plan go, and those are approved: first-plan approval and breaker let them through. Others
    /// come out as moved items.
    pub only: Option<Arc<PlanFilter>>,
    /// A run that is taken back: what it did there is planned in reverse, and nothing else.
    pub undo: Option<RunId>,
    /// True for an audit: both sides are read in full, cursors or not, and what differs is planned but never written.
    pub audit: bool,
}

/// The operations of a plan that a person looked at, by their digests.
#[derive(Debug, Clone, Default)]
pub struct PlanFilter {
    /// Digests of operations, as a plan lists them.
    pub digests: std::collections::BTreeSet<String>,
    /// True when nothing goes unless everything is as it was planned.
    pub strict: bool,
}

impl RunOptions {
    /// An interactive run without grants.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this urgency.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// With these side effects allowed.
    #[must_use]
    pub fn grants(mut self, grants: EffectGrants) -> Self {
        self.grants = grants;
        self
    }

    /// With this plan approved.
    #[must_use]
    pub fn approve(mut self, plan: Option<PlanHash>) -> Self {
        self.approve = plan;
        self
    }

    /// With progress told there.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// With this wish to stop.
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// With only these operations.
    #[must_use]
    pub fn only(mut self, only: PlanFilter) -> Self {
        self.only = Some(Arc::new(only));
        self
    }

    /// As an audit.
    #[must_use]
    pub fn audit(mut self) -> Self {
        self.audit = true;
        self
    }

    /// As what takes a run back.
    #[must_use]
    pub fn undo(mut self, run: RunId) -> Self {
        self.undo = Some(run);
        self
    }

    /// With who runs.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }
}

impl fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunOptions")
            .field("lane", &self.lane)
            .field("grants", &self.grants)
            .field("approve", &self.approve)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// Hears how a run goes on. Called often; must be quick and must not block.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: ProgressEvent<'_>);
}

/// How a run goes on.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ProgressEvent<'a> {
    /// The run began.
    Started {
        /// Its id.
        run: &'a RunId,
    },
    /// So many remote records were read.
    Observed {
        /// Since the run began.
        records: u64,
    },
    /// So many local records were compared.
    Compared {
        /// Since the run began.
        records: u64,
    },
    /// The plan stands.
    Planned {
        /// How many operations it has.
        operations: u64,
    },
    /// Items came to an outcome.
    Settled {
        /// The kind of record.
        resource: &'a ResourceName,
        /// The kind of outcome.
        kind: OutcomeKind,
        /// How many.
        items: u64,
    },
}

/// What an engine is configured with. The defaults suit production; tests shorten the times.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EngineConfig {
    /// How many local records are read at once.
    pub page: usize,
    /// How many parts of operations are read at once while a plan is applied; what is under way is held beside them.
    pub window: usize,
    /// What a lease lasts beyond the longest call.
    pub lease_margin: Duration,
    /// Replaces the descriptors' longest call time.
    pub call_timeout: Option<Duration>,
    /// Replaces the descriptors' and safeties' settle time.
    pub settle: Option<Duration>,
    /// The breaker.
    pub breaker: Breaker,
    /// Breakers of single resources.
    pub breakers: BTreeMap<ResourceName, Breaker>,
    /// How many records that refer to nothing in the plan start a slice: they, and what refers to them, are written before
    /// the next slice begins.
    pub slice: u64,
    /// A failed item is tried again by itself after this time, doubled with each failure in a row, at most a day.
    pub retry_after: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            page: 500,
            window: 1_000,
            lease_margin: Duration::from_secs(30),
            call_timeout: None,
            settle: None,
            breaker: Breaker::default(),
            breakers: BTreeMap::new(),
            slice: 1_000,
            retry_after: Duration::from_secs(15 * 60),
        }
    }
}

/// Stops a run before its first write when it would change more than this share *and* more than this count of what is
/// linked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breaker {
    /// Share of the linked records of the resource, in percent.
    pub share_percent: u32,
    /// Number of records.
    pub count: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { share_percent: 25, count: 50 }
    }
}

impl Breaker {
    /// True when so many of so many trip it.
    pub fn trips(&self, changed: u64, linked: u64) -> bool {
        changed > self.count && changed.saturating_mul(100) > linked.saturating_mul(u64::from(self.share_percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_needs_share_and_count() {
        let breaker = Breaker::default();
        assert!(!breaker.trips(50, 60), "count not exceeded");
        assert!(!breaker.trips(51, 1_000), "share not exceeded");
        assert!(breaker.trips(51, 60));
        assert!(breaker.trips(51, 0));
    }
}
