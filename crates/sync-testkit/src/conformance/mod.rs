//! The suite that every provider passes.
//!
//! It runs by `descriptor()` and `prepare`, never by name: a case that does not apply to a provider says so and is spared.
//! An exception for one provider is a new capability, not an `if`; a bug found in one provider becomes a case for all.
//!
//! ```ignore
//! // provider-xero/tests/conformance.rs, besides the harness:
//! sync_testkit::conformance_suite!(Bench::new().await);
//! // The same over a wire on which things go wrong:
//! sync_testkit::conformance_suite!(Bench::new().await, Profile::Broken);
//! ```
//!
//! Every case is failed by some connector that is broken on purpose: see [`zoo`].

// A suite: what does not hold ends the test.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::missing_panics_doc)]

mod bench;
mod cases;
mod harness;
mod operation;
mod profile;
pub mod zoo;

use std::future::Future;

pub use cases::{CASES, Case, CaseFn};
pub use harness::{Act, Harness, Webhook};
pub use profile::Profile;

/// How a case ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// What was promised holds.
    Held,
    /// The provider does not have what the case is about.
    Spared(&'static str),
}

/// Runs one case on a runtime of its own. For [`conformance_suite!`](crate::conformance_suite).
///
/// # Panics
/// When the case fails.
pub fn run(case: impl Future<Output = Verdict>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let Verdict::Spared(why) = runtime.block_on(case) {
        println!("spared: {why}");
    }
}

/// Runs a case by its name over a wire of this kind. For [`conformance_suite!`](crate::conformance_suite).
///
/// # Panics
/// When the case fails, or there is none of this name.
pub async fn run_case_under(profile: Profile, group: &str, name: &str, harness: &dyn Harness) -> Verdict {
    if profile.spares(group) {
        return Verdict::Spared("what a wire does is its own subject");
    }
    run_case(group, name, &zoo::Dressed { inner: harness, broken: None, profile }).await
}

/// Runs a case by its name.
///
/// # Panics
/// When the case fails, or there is none of this name.
pub async fn run_case(group: &str, name: &str, harness: &dyn Harness) -> Verdict {
    let case = CASES.iter().find(|case| case.group == group && case.name == name).expect("a case of this name");
    (case.run)(harness).await
}
