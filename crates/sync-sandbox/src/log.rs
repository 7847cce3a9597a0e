//! What was asked of a sandbox: for tests and benchmarks.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;

/// How many requests are kept one by one; counts go on.
const MAX_ENTRIES: usize = 10_000;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Log {
    pub(crate) calls: u64,
    pub(crate) peak_in_flight: usize,
    pub(crate) over_quota: u64,
    /// What the provider sent by itself, and what of it nobody took.
    pub(crate) delivered: u64,
    pub(crate) undelivered: u64,
    pub(crate) by_operation: BTreeMap<&'static str, Tally>,
    pub(crate) entries: VecDeque<Entry>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) request_bytes: u64,
    pub(crate) answer_bytes: u64,
    /// When the first call came.
    pub(crate) first_at: Option<Timestamp>,
    /// When the last answer went.
    pub(crate) last_at: Option<Timestamp>,
}

/// One request. The query of a sign-in is left out: it carries codes.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    pub(crate) operation: &'static str,
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) query: String,
    /// The status that was sent; none when the connection broke first.
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
}

impl Log {
    pub(crate) fn add(&mut self, entry: Entry, until: Timestamp, request_bytes: usize, answer_bytes: usize) {
        self.calls += 1;
        let tally = self.by_operation.entry(entry.operation).or_default();
        tally.calls += 1;
        if let Some(status) = entry.status {
            *tally.statuses.entry(status).or_default() += 1;
        }
        if let Some(fault) = &entry.fault {
            *tally.faults.entry(fault.clone()).or_default() += 1;
        }
        tally.request_bytes += request_bytes as u64;
        tally.answer_bytes += answer_bytes as u64;
        tally.first_at.get_or_insert(entry.at);
        tally.last_at = tally.last_at.max(Some(until));
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }
}
