//! What a plan comes to in an accountant's figures.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What one operation adds to one of the plan's totals. Equal keys are added up.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// To which total.
    #[serde(flatten)]
    pub key: TallyKey,
    /// How much, in the key's currency; what is taken back is negative.
    pub amount: Decimal,
}

/// What totals are kept by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TallyKey {
    /// What it is: `invoice`, `credit`, `payment`, `refund`, or a provider's further word.
    pub what: Cow<'static, str>,
    /// The month of the document, as in `2026-11`; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub month: String,
    /// The account that it is booked to, as the ledger shows it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// The tax code, as the ledger shows it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tax: String,
    /// The currency.
    pub currency: String,
}

/// Prints no amount.
impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tally").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What several operations of a plan come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    /// Which total, and how much.
    #[serde(flatten)]
    pub tally: Tally,
    /// Of how many operations.
    pub operations: u64,
}
