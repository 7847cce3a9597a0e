//! Events to a calendar, both ways.

pub(super) mod audit;
mod harbour;
pub(super) mod latency;
pub(super) mod push;
pub(super) mod quota;
mod trips;

/// Calls in a batch unless the configuration says otherwise.
/// Source: <https://developers.google.com/workspace/calendar/api/guides/batch> said 50 for years; see the provider.
const PER_BATCH: usize = 50;

/// The operation of the double's log that carries several calls.
const BATCH: &str = "batch";
/// The operation that asks for changes.
const LISTING: &str = "events.list";
