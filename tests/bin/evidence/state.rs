//! What was gathered so far.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use sync_tests::sim::{Failure, Tally, creates::Creates};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// The commit that it was gathered from, last.
    pub(crate) commit: String,
    pub(crate) histories: BTreeMap<String, Histories>,
    pub(crate) sweeps: BTreeMap<String, Swept>,
    /// The same over database files.
    pub(crate) files: BTreeMap<String, Swept>,
    pub(crate) creates: BTreeMap<String, Creates>,
    pub(crate) conformance: BTreeMap<String, Conformance>,
    pub(crate) kills: Option<Kills>,
    /// Over how many random records the laws of merging held.
    pub(crate) merged: Option<u64>,
    /// True when one refresh for each expiry was seen among processes.
    pub(crate) refreshes: Option<bool>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Histories {
    /// The first seed that was not played yet.
    pub(crate) next: u64,
    pub(crate) tally: Tally,
    /// Seeds that broke a law, with the first line about it.
    pub(crate) failed: BTreeMap<u64, String>,
    /// Seconds of one core.
    pub(crate) core_seconds: f64,
}

impl Histories {
    pub(crate) fn took(&mut self, tally: Tally, failures: &[Failure], end: u64, seconds: f64, threads: u64) {
        self.next = end;
        self.tally.add(tally);
        self.tally.histories += failures.len() as u64;
        let first = |failure: &Failure| (failure.seed, failure.broken.first().cloned().unwrap_or_default());
        self.failed.extend(failures.iter().map(first));
        self.core_seconds += seconds * threads as f64;
    }
}

/// A provider's conformance suite.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Conformance {
    pub(crate) held: u64,
    pub(crate) failed: u64,
    /// Why cases do not concern it, and how many each.
    pub(crate) spared: BTreeMap<String, u64>,
}

/// A sweep over crash points.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Swept {
    pub(crate) by_name: BTreeMap<String, u64>,
    pub(crate) broken: u64,
    pub(crate) seconds: f64,
}

/// Processes that were killed by the operating system.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kills {
    pub(crate) n: u64,
    pub(crate) rounds: u64,
    pub(crate) held: bool,
}

impl State {
    /// What is kept; nothing when there is none.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }
}
