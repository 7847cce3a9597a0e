//! The shop and its captain's Google calendar, end to end.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod both_ways;
mod faults;
mod first_sync;
