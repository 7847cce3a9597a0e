//! Connections and leases.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::{AccountId, Scope};

/// One organization's authorised link to one remote account, without its secrets (they are in [`sync_core::Grants`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// Whose, with which provider.
    pub scope: Scope,
    /// Rises by one with each change.
    pub revision: u64,
    /// Health.
    pub status: ConnectionStatus,
    /// The remote account; `None` until it is known.
    pub account: Option<AccountId>,
    /// What people call the account.
    pub account_name: Option<String>,
    /// The provider's settings.
    pub settings: serde_json::Value,
    /// Containers (the empty text where there are none) whose first plan a person approved.
    pub approved: BTreeSet<String>,
    /// Side effects that a person allowed once and for all. They never apply to first syncs.
    pub standing_grants: Vec<StandingGrant>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the provider was last asked about it.
    pub checked_at: Option<Timestamp>,
    /// When it shall run by itself next, where it is scheduled.
    pub next_run_at: Option<Timestamp>,
}

/// The health of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConnectionStatus {
    /// Connected; the first plan waits for approval.
    Setup,
    /// In use.
    Active,
    /// The grant is dead: somebody must connect again.
    Reconnect {
        /// Since when.
        since: Timestamp,
        /// Why, in a sentence.
        reason: String,
    },
    /// Disconnected; links stay, so that a reconnect adopts them.
    Disconnected {
        /// Since when.
        since: Timestamp,
    },
}

/// A side effect that a person allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingGrant {
    /// Its name.
    pub effect: String,
    /// Who allowed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The right to run for a scope, until its time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// For what.
    pub scope: Scope,
    /// Rises with each holder, and never repeats.
    pub epoch: u64,
    /// Who holds it.
    pub owner: String,
    /// When it ends, by the store's clock.
    pub expires_at: Timestamp,
}

/// What came of [`crate::Store::acquire`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// It is ours.
    Lease(Lease),
    /// Somebody else has it.
    Held(LeaseInfo),
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseInfo {
    /// For what.
    pub scope: Scope,
    /// The epoch.
    pub epoch: u64,
    /// Who.
    pub owner: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; in the past when it is free.
    pub expires_at: Timestamp,
    /// The store's clock when it was asked.
    pub now: Timestamp,
}
