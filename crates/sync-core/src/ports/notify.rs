//! Notices to people: one digest per organization and day.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{IntegrationId, OrganizationId, Owner, Result};

/// Tells people what waits for them.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Hands over one organization's notices of the day.
    ///
    /// # Errors
    /// They are handed over again when time next asks.
    async fn notify(&self, organization: &OrganizationId, notices: &[Notice]) -> Result<()>;
}

/// One thing that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// What it is.
    pub kind: NoticeKind,
    /// Which integration.
    pub integration: IntegrationId,
    /// Who must act.
    pub owner: Owner,
    /// What happened and what to do, in a sentence; no record content.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NoticeKind {
    /// The connection is dead and must be made again.
    Reconnect,
    /// The breaker stopped a run.
    Breaker,
    /// Three runs in a row failed.
    FailingRuns,
    /// Questions wait for answers.
    Questions,
}
