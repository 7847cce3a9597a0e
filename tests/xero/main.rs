//! The shop and its books in Xero, end to end.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod bad_input;
mod contract;
mod documents;
mod faults;
mod payments;
mod people;
