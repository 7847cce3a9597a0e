//! A first push within a provider's quotas, in virtual time: engine, `sync-http`, provider and sandbox in this process.

use std::time::Duration;

use jiff::Timestamp;
use sync_core::{Clock as _, EffectGrants, SyncResult};
use sync_engine::RunOptions;
use sync_sandbox::Sandbox;
use sync_testkit::{SimClock, sim::Rig};

use super::site::ORGANIZATION;
use crate::Result;

/// So often a run comes back at most: longer than any quota makes it.
const MAX_RUNS: usize = 1_000;

/// What a push took.
pub(super) struct Pushed {
    /// When the approved plan began to go.
    pub(super) began: Timestamp,
    pub(super) n_runs: usize,
    pub(super) result: SyncResult,
}

impl Pushed {
    /// From its begin to the last answer to one of these operations.
    pub(super) fn took(&self, sandbox: &Sandbox, operations: &[&str]) -> Result<Duration> {
        let log = sandbox.log(false);
        let last_of = |operation: &&str| log["by_operation"][operation]["last_at"].as_str()?.parse::<Timestamp>().ok();
        let last = operations.iter().filter_map(last_of).max().ok_or("nothing was written")?;
        Duration::try_from(last.duration_since(self.began)).map_err(|error| error.to_string())
    }
}

/// Plans, lets a person look at the plan for longer than any window of a minute, so that the push has all of it, and runs
/// until the plan is through. `before` is called in between.
pub(super) fn push(clock: &SimClock, rig: &Rig, before: impl FnOnce()) -> Result<Pushed> {
    let mut result = clock.block_on(rig.sync(ORGANIZATION));
    let hash = result.details.as_ref().and_then(|details| details.plan_hash.clone());
    let hash = hash.ok_or_else(|| format!("there is no plan: {result:?}"))?;
    clock.advance(Duration::from_secs(120));
    before();
    let began = clock.now();
    result = clock.block_on(rig.run(&rig.request(ORGANIZATION), &RunOptions::new().approve(Some(hash))));
    let mut n_runs = 1;
    while let Some(at) = resume_at(&result).filter(|_| n_runs < MAX_RUNS) {
        clock.advance(Duration::try_from(at.duration_since(clock.now())).unwrap_or_default());
        result = clock.block_on(rig.agree(ORGANIZATION, &EffectGrants::none()));
        n_runs += 1;
    }
    Ok(Pushed { began, n_runs, result })
}

fn resume_at(result: &SyncResult) -> Option<Timestamp> {
    result.details.as_ref()?.resume_at
}
