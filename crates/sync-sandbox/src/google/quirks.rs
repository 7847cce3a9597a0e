//! How much is allowed, and what the documentation leaves open.

use serde::{Deserialize, Serialize};

/// How much is allowed in any 60 seconds.
/// Source: <https://developers.google.com/workspace/calendar/api/guides/quota>.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GoogleQuotas {
    /// Units a minute of an app, all users together.
    pub project_per_minute: u64,
    /// Units a minute of an app for one user.
    pub user_per_minute: u64,
    /// Invitations to people outside before 403 `quotaExceeded`; none: without limit.
    /// Source: <https://support.google.com/a/answer/2905486>, 10,000 "in a short period".
    pub invitations: Option<u64>,
}

impl Default for GoogleQuotas {
    fn default() -> Self {
        Self { project_per_minute: 10_000, user_per_minute: 600, invitations: Some(10_000) }
    }
}

/// What the documentation leaves open, and what this double does about it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GoogleQuirks {
    /// How a deleted event answers to a write that would bring it back.
    pub revival: Revival,
    /// The status over quota: 403 or 429, of which the documentation names both.
    pub quota_status: u16,
    /// Days until a sync token is too old.
    pub sync_token_days: u32,
    /// True when a sync token that is too old is refused as a wrong one, with 400.
    pub old_sync_token_is_400: bool,
    /// Most events in a page, whatever was asked for.
    pub page_cap: Option<usize>,
    /// Each so many-th page of a listing is empty and has a next page.
    pub empty_page_every: Option<usize>,
    /// True when a batch answers in the order in which it was asked.
    pub batch_in_order: bool,
    /// Most calls in a batch.
    pub max_batch: usize,
    /// Longest life of a channel, in seconds.
    pub max_channel_s: u64,
}

/// How a deleted event answers to a write that would bring it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revival {
    /// It comes back.
    Works,
    /// 403 `forbidden`, as users report.
    /// Source: GitHub googleapis/google-api-ruby-client issue 1811.
    Forbidden,
    /// 404 `notFound`.
    NotFound,
}

impl Default for GoogleQuirks {
    fn default() -> Self {
        Self {
            revival: Revival::Works,
            quota_status: 403,
            sync_token_days: 28,
            old_sync_token_is_400: false,
            page_cap: None,
            empty_page_every: None,
            batch_in_order: false,
            // Source: <https://developers.google.com/workspace/calendar/api/guides/batch>.
            max_batch: 1000,
            max_channel_s: 30 * 24 * 3600,
        }
    }
}
