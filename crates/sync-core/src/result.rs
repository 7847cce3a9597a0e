//! The one result: `{success, synced, failed, errors?, details?}`, and the capabilities.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{PlanHash, RunId, Total};

/// What one sync came to. These names are public and stable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SyncResult {
    /// False when anything failed, or when a person or time is needed before it can go on. Skipped and waiting items
    /// never make it false.
    pub success: bool,
    /// Items written.
    pub synced: u64,
    /// Items failed.
    pub failed: u64,
    /// At most 20 lines, grouped by cause with a count and an example; "… and N more (run R)" after them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<String>>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

impl SyncResult {
    /// Nothing to do, and a message.
    pub fn nothing(message: impl Into<String>) -> Self {
        Self {
            success: true,
            synced: 0,
            failed: 0,
            errors: None,
            details: Some(Details { message: Some(message.into()), ..Details::default() }),
        }
    }

    /// Nothing could be done, for one reason.
    pub fn refused(error: impl Into<String>) -> Self {
        Self { success: false, synced: 0, failed: 0, errors: Some(vec![error.into()]), details: None }
    }

    /// With why it ended early.
    #[must_use]
    pub fn stopped(mut self, stop: Stop) -> Self {
        self.details.get_or_insert_default().stopped = Some(stop);
        self
    }

    /// A result with these counts.
    pub fn counted(success: bool, synced: u64, failed: u64, errors: Vec<String>, details: Details) -> Self {
        Self { success, synced, failed, errors: (!errors.is_empty()).then_some(errors), details: Some(details) }
    }
}

/// More about a sync.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Details {
    /// A sentence, where one says it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why it ended early, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stop>,
    /// The run, for `runs`, `why` and `retry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// What was done, by kind of outcome.
    #[serde(default, skip_serializing_if = "Counts::is_empty")]
    pub outcomes: Counts,
    /// Why items were skipped, by code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
    /// What would be done, by verb: of a dry run, or of a plan that waits for approval.
    #[serde(default, skip_serializing_if = "Counts::is_empty")]
    pub planned: Counts,
    /// The plan's hash: approving it lets this plan through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<PlanHash>,
    /// What the plan costs, in calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// What it means at the provider, in an owner's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the plan comes to in money, by what, month, account, tax code and currency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub totals: Vec<Total>,
    /// How many of the plan's operations cannot be taken back there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub irreversible: u64,
    /// Consent facts handed to the host.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub consent_facts: u64,
    /// Call again then: what is left goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Timestamp>,
    /// Webhooks that were triggered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_triggered: Option<u64>,
    /// Waiting or skipped items that the run before did not report.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub newly_waiting: u64,
}

/// Why a sync ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stop {
    /// The request can't be carried out as it is: unknown integration, direction, type or item.
    Request,
    /// There is no active connection, or it must be made again.
    Reconnect,
    /// The connection's settings need a person.
    Settings,
    /// The first plan of a connection or container waits for approval.
    Approval,
    /// The plan changes more than the breaker lets through without a person.
    Breaker,
    /// Somebody else holds the lease.
    LeaseHeld,
    /// It goes on later: a quota is used up, a call must settle, or the provider is out of order.
    Later,
    /// The caller cancelled.
    Cancelled,
    /// The store or the host failed.
    Fault,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<Cow<'static, str>, u64>);

impl Counts {
    /// Adds to a count.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, n: u64) {
        if n > 0 {
            *self.0.entry(name.into()).or_default() += n;
        }
    }

    /// A count.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The sum of all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// True when nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What an integration can do. These names are public and stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// True when a sync has anything to do.
    pub can_sync: bool,
    /// The sync types.
    pub sync_types: Vec<Cow<'static, str>>,
    /// True when a request may choose the direction.
    pub supports_direction: bool,
    /// What it does, for people.
    pub description: Cow<'static, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_result_has_no_empty_members() {
        let result = SyncResult::counted(true, 3, 0, vec![], Details::default());
        assert_eq!(serde_json::to_string(&result).unwrap(), r#"{"success":true,"synced":3,"failed":0,"details":{}}"#);
    }

    #[test]
    fn capabilities_have_the_public_names() {
        let capabilities = Capabilities {
            can_sync: true,
            sync_types: vec!["contacts".into()],
            supports_direction: false,
            description: "x".into(),
        };
        assert_eq!(
            serde_json::to_value(capabilities).unwrap(),
            serde_json::json!({"canSync": true, "syncTypes": ["contacts"], "supportsDirection": false, "description": "x"})
        );
    }
}
