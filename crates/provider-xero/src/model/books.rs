//! The organisation and its books.

use rust_decimal::Decimal;
use serde::Deserialize;

use super::read::{decimal, maybe_truth, or_default, truth};

/// `GET /Organisation`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Organisations {
    pub(crate) organisations: Vec<Organisation>,
}

/// The company behind a tenant.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Organisation {
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) base_currency: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) period_lock_date: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) end_of_year_lock_date: String,
}

/// `GET /Accounts`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Accounts {
    pub(crate) accounts: Vec<Account>,
}

/// One account of the chart.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Account {
    #[serde(rename = "AccountID", deserialize_with = "or_default")]
    pub(crate) account_id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) code: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(rename = "Type", deserialize_with = "or_default")]
    pub(crate) kind: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) class: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) status: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) tax_type: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) currency_code: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) system_account: String,
    #[serde(deserialize_with = "truth")]
    pub(crate) enable_payments_to_account: bool,
}

/// `GET /TaxRates`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TaxRates {
    pub(crate) tax_rates: Vec<TaxRate>,
}

/// One tax rate.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct TaxRate {
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) tax_type: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) status: String,
    #[serde(deserialize_with = "decimal")]
    pub(crate) effective_rate: Decimal,
    #[serde(deserialize_with = "maybe_truth")]
    pub(crate) can_apply_to_revenue: Option<bool>,
}

/// `GET /Currencies`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Currencies {
    pub(crate) currencies: Vec<Currency>,
}

/// A currency that the organisation has switched on.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Currency {
    pub(crate) code: String,
}

/// `GET /BrandingThemes`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BrandingThemes {
    pub(crate) branding_themes: Vec<BrandingTheme>,
}

/// How documents look.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BrandingTheme {
    #[serde(rename = "BrandingThemeID")]
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) sort_order: i64,
}

/// `GET /TrackingCategories`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TrackingCategories {
    pub(crate) tracking_categories: Vec<TrackingCategory>,
}

/// What lines can be told apart by in reports.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TrackingCategory {
    #[serde(rename = "TrackingCategoryID")]
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) options: Vec<TrackingOption>,
}

/// One value of a [`TrackingCategory`].
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TrackingOption {
    #[serde(rename = "TrackingOptionID")]
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) status: String,
}
