//! Conformance suite, store suite, records suite, fault injection.
//!
//! For providers and hosts as much as for our own tests:
//!
//! - [`conformance`] asks a provider's integration everything that the contract promises; [`conformance_suite!`] makes one
//!   test of each case. A provider writes a [`conformance::Harness`], and nothing else.
//! - [`FaultTransport`] breaks, delays and loses messages by rule and seed.
//! - [`crash`] kills a process at every point at which it changes anything, starts it again, and checks the laws.
//! - [`store_suite`] and [`records_suite`] ask a store and a host's records what their ports promise.
//! - `sim` (the feature and module of this name) puts engine, `sync-http`, a store, a host and a double together under
//!   virtual time.
//! - `wire` (feature) puts a provider's connection before a mock server; [`settings`] holds its schema against what it takes.
//! - [`PostgresServer`] is a real server for a test's time.
//! - [`SimClock`], [`SeededRandom`] and [`Shop`] stand for time, chance and the host's tables.

mod clock;
pub mod conformance;
pub mod crash;
mod fault;
mod postgres;
mod random;
mod records_suite;
pub mod settings;
mod shop;
#[cfg(feature = "sim")]
pub mod sim;
mod store_suite;
#[cfg(feature = "wire")]
pub mod wire;

pub use clock::SimClock;
pub use fault::{Fault, FaultRule, FaultTransport, On, Sent};
pub use postgres::PostgresServer;
pub use random::SeededRandom;
pub use records_suite::{RecordsHarness, records_suite};
pub use shop::{Shop, ShopRule};
pub use store_suite::{MemoryHarness, StoreHarness, store_suite};
