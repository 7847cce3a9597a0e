//! How much is allowed, and what the documentation leaves open.

use serde::{Deserialize, Serialize};

/// How much is allowed.
/// Source: <https://developer.xero.com/documentation/guides/oauth2/limits/>, the calls a day by tier.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct XeroLimits {
    /// Calls of a tenant at once.
    pub in_flight: usize,
    /// Calls of a tenant in 60 seconds.
    pub per_minute: u64,
    /// Calls of a tenant in a day; none: what the app's tier has.
    pub per_day: Option<u64>,
    /// Calls of an app in 60 seconds, all tenants together.
    pub app_per_minute: u64,
}

impl Default for XeroLimits {
    fn default() -> Self {
        Self { in_flight: 5, per_minute: 60, per_day: None, app_per_minute: 10_000 }
    }
}

/// What the documentation leaves open, and what this double does about it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct XeroQuirks {
    /// True when the minute of the limits begins with the clock's; else it is the last 60 seconds.
    pub minute_is_fixed: bool,
    /// True when a voided invoice gives its number back. A deleted one does.
    pub void_frees_number: bool,
    /// True when an archived contact comes back by `ContactStatus: ACTIVE`.
    pub unarchives: bool,
    /// True when a refused invoice is echoed with an id of nothing, as an example of the description has it.
    pub echoes_an_id: bool,
    /// True when refused payments of a call that is not summarized lack `StatusAttributeString`, as the description's
    /// examples do.
    pub bare_payment_errors: bool,
    /// True when new lines of an update stand before those that were kept.
    /// Source: GitHub XeroAPI/Xero-NetStandard issue 374.
    pub new_lines_first: bool,
}

impl Default for XeroQuirks {
    fn default() -> Self {
        Self {
            minute_is_fixed: false,
            void_frees_number: false,
            unarchives: true,
            echoes_an_id: true,
            bare_payment_errors: false,
            new_lines_first: true,
        }
    }
}
