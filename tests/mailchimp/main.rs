//! The shop and its Mailchimp account, end to end.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod crash;
mod faults;
mod first_sync;
mod flows;
mod many;
mod stores;
mod tenants;
