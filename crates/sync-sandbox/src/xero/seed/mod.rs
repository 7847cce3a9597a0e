//! What a world of Xero organisations starts with.

mod app;

use std::fmt;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use app::{XeroClientSeed, XeroConsentSeed, XeroScopes, XeroTier, XeroTokenSeed, XeroWebhookSeed};

use super::quirks::{XeroLimits, XeroQuirks};

/// Xero as a document: people, their organisations, and the apps that they may connect.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct XeroSeed {
    /// Addresses of the people with a login; each sees all organisations. The first one is meant where nobody is named.
    pub users: Vec<String>,
    /// The organisations.
    pub tenants: Vec<XeroTenantSeed>,
    /// Apps that people can connect.
    #[serde(default)]
    pub oauth_clients: Vec<XeroClientSeed>,
    /// Access tokens that are valid from the start and do not expire. Their organisations are connected.
    #[serde(default)]
    pub tokens: Vec<XeroTokenSeed>,
    /// What the person on the consent page does by himself; nothing: a page is shown.
    #[serde(default)]
    pub consent: Option<XeroConsentSeed>,
    /// Where the service tells of changes.
    #[serde(default)]
    pub webhook: Option<XeroWebhookSeed>,
    /// How much is allowed, where limits are enforced.
    #[serde(default)]
    pub limits: XeroLimits,
    /// What the documentation leaves open.
    #[serde(default)]
    pub quirks: XeroQuirks,
    /// When everything without a date was made.
    #[serde(default = "default_created")]
    pub created: Timestamp,
}

/// 2025-01-01, before any test's clock.
fn default_created() -> Timestamp {
    Timestamp::from_second(1_735_689_600).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// An organisation. Records are written as the API takes them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct XeroTenantSeed {
    /// Its name, from which its id follows.
    pub name: String,
    /// Its own currency.
    #[serde(default = "default_currency")]
    pub base_currency: String,
    /// Others that it is subscribed to, and how many of them its own one buys.
    #[serde(default)]
    pub currencies: Vec<CurrencySeed>,
    /// Its zone, by its IANA name.
    #[serde(default = "default_zone")]
    pub zone: String,
    /// `Tax Inclusive` or `Tax Exclusive`, for sales.
    #[serde(default = "default_sales_tax")]
    pub default_sales_tax: String,
    /// Nothing may be dated on this day or before.
    #[serde(default)]
    pub period_lock_date: Option<Date>,
    /// The same for everybody, advisers included.
    #[serde(default)]
    pub end_of_year_lock_date: Option<Date>,
    /// True when whoever connects is an adviser, whom the period's lock does not stop.
    #[serde(default)]
    pub is_adviser: bool,
    /// When the day of the limits begins, in seconds after midnight UTC.
    #[serde(default)]
    pub day_begins_s: u32,
    /// Its chart of accounts: `Code`, `Name`, `Type`, `TaxType`, …; `SystemAccount` marks the service's own.
    #[serde(default = "default_accounts")]
    pub accounts: Vec<Map<String, Value>>,
    /// Its tax rates: `TaxType`, `Name`, `EffectiveRate`, `Status`, `CanApplyToRevenue`, `CanApplyToExpenses`.
    #[serde(default = "default_tax_rates")]
    pub tax_rates: Vec<Map<String, Value>>,
    /// Its tracking categories: `Name` and `Options`, a list of names.
    #[serde(default)]
    pub tracking: Vec<TrackingSeed>,
    /// Names of its branding themes.
    #[serde(default = "default_themes")]
    pub branding_themes: Vec<String>,
    /// Its contacts.
    #[serde(default)]
    pub contacts: Vec<Map<String, Value>>,
    /// Its invoices and bills, in the order of writing.
    #[serde(default)]
    pub invoices: Vec<Map<String, Value>>,
    /// Its credit notes.
    #[serde(default)]
    pub credit_notes: Vec<Map<String, Value>>,
    /// Its payments.
    #[serde(default)]
    pub payments: Vec<Map<String, Value>>,
    /// What people did since, as actions of the control interface.
    #[serde(default)]
    pub acts: Vec<Value>,
}

/// A currency that an organisation is subscribed to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrencySeed {
    /// Its code, such as `USD`.
    pub code: String,
    /// Units of it for one of the organisation's own.
    pub rate: f64,
}

/// A tracking category.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackingSeed {
    /// Its name.
    pub name: String,
    /// Names of its options.
    pub options: Vec<String>,
}

fn default_currency() -> String {
    "EUR".into()
}

fn default_zone() -> String {
    "Europe/Madrid".into()
}

fn default_sales_tax() -> String {
    "Tax Inclusive".into()
}

fn default_themes() -> Vec<String> {
    vec!["Standard".into()]
}

fn objects(values: Value) -> Vec<Map<String, Value>> {
    serde_json::from_value(values).unwrap_or_default()
}

/// A small chart, with the accounts that every organisation has.
fn default_accounts() -> Vec<Map<String, Value>> {
    objects(json!([
        {"Code": "090", "Name": "Business Bank Account", "Type": "BANK", "TaxType": "NONE", "CurrencyCode": "EUR"},
        {"Code": "091", "Name": "Card Terminal", "Type": "BANK", "TaxType": "NONE", "CurrencyCode": "EUR"},
        {"Code": "092", "Name": "Dollar Account", "Type": "BANK", "TaxType": "NONE", "CurrencyCode": "USD"},
        {"Code": "200", "Name": "Sales", "Type": "REVENUE", "TaxType": "OUTPUT"},
        {"Code": "210", "Name": "Courses", "Type": "REVENUE", "TaxType": "OUTPUT"},
        {"Code": "220", "Name": "Gear", "Type": "REVENUE", "TaxType": "OUTPUT"},
        {"Code": "260", "Name": "Other Revenue", "Type": "REVENUE", "TaxType": "OUTPUT"},
        {"Code": "310", "Name": "Cost of Goods Sold", "Type": "DIRECTCOSTS", "TaxType": "INPUT"},
        {"Code": "420", "Name": "Fuel", "Type": "EXPENSE", "TaxType": "INPUT"},
        {"Code": "610", "Name": "Accounts Receivable", "Type": "CURRENT", "TaxType": "NONE", "SystemAccount": "DEBTORS"},
        {"Code": "800", "Name": "Accounts Payable", "Type": "CURRLIAB", "TaxType": "NONE", "SystemAccount": "CREDITORS"},
        {"Code": "820", "Name": "VAT", "Type": "CURRLIAB", "TaxType": "NONE", "SystemAccount": "GST"},
        {"Code": "860", "Name": "Rounding", "Type": "EXPENSE", "TaxType": "NONE", "SystemAccount": "ROUNDING"},
        {"Code": "880", "Name": "Till", "Type": "CURRENT", "TaxType": "NONE", "EnablePaymentsToAccount": true},
    ]))
}

/// The rates of an organisation with one tax of 21 %.
fn default_tax_rates() -> Vec<Map<String, Value>> {
    objects(json!([
        {"TaxType": "OUTPUT", "Name": "Tax on Sales", "EffectiveRate": 21, "CanApplyToRevenue": true},
        {"TaxType": "INPUT", "Name": "Tax on Purchases", "EffectiveRate": 21, "CanApplyToExpenses": true},
        {"TaxType": "TAX001", "Name": "Reduced on Sales", "EffectiveRate": 10, "CanApplyToRevenue": true},
        {"TaxType": "NONE", "Name": "Tax Exempt", "EffectiveRate": 0, "CanApplyToRevenue": true, "CanApplyToExpenses": true},
    ]))
}

impl XeroTenantSeed {
    /// An organisation in Madrid with a small chart of accounts.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_currency: default_currency(),
            currencies: vec![CurrencySeed { code: "USD".into(), rate: 1.1 }],
            zone: default_zone(),
            default_sales_tax: default_sales_tax(),
            period_lock_date: None,
            end_of_year_lock_date: None,
            is_adviser: false,
            day_begins_s: 0,
            accounts: default_accounts(),
            tax_rates: default_tax_rates(),
            tracking: Vec::new(),
            branding_themes: default_themes(),
            contacts: Vec::new(),
            invoices: Vec::new(),
            credit_notes: Vec::new(),
            payments: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Its id.
    pub fn id(&self) -> String {
        crate::xero::tenant_id(&self.name).to_string()
    }

    /// With one more contact, a JSON object; anything else is left out.
    #[must_use]
    pub fn with_contact(mut self, contact: Value) -> Self {
        self.contacts.extend(contact.as_object().cloned());
        self
    }

    /// With one more invoice or bill, a JSON object; anything else is left out.
    #[must_use]
    pub fn with_invoice(mut self, invoice: Value) -> Self {
        self.invoices.extend(invoice.as_object().cloned());
        self
    }

    /// With one more credit note, a JSON object; anything else is left out.
    #[must_use]
    pub fn with_credit_note(mut self, credit_note: Value) -> Self {
        self.credit_notes.extend(credit_note.as_object().cloned());
        self
    }

    /// With one more payment, a JSON object; anything else is left out.
    #[must_use]
    pub fn with_payment(mut self, payment: Value) -> Self {
        self.payments.extend(payment.as_object().cloned());
        self
    }

    /// With one more tracking category.
    #[must_use]
    pub fn with_tracking(mut self, name: impl Into<String>, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        self.tracking.push(TrackingSeed { name: name.into(), options });
        self
    }

    /// Locked up to this day.
    #[must_use]
    pub fn locked_to(mut self, day: Date) -> Self {
        self.period_lock_date = Some(day);
        self
    }

    /// With one more thing that somebody did.
    #[must_use]
    pub fn with_act(mut self, act: Value) -> Self {
        self.acts.push(act);
        self
    }
}

impl fmt::Debug for XeroTenantSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XeroTenantSeed").field("name", &self.name).finish_non_exhaustive()
    }
}

impl XeroSeed {
    /// One person and one organisation.
    pub fn new(user: impl Into<String>, tenant: XeroTenantSeed) -> Self {
        Self {
            users: vec![user.into()],
            tenants: vec![tenant],
            oauth_clients: Vec::new(),
            tokens: Vec::new(),
            consent: None,
            webhook: None,
            limits: XeroLimits::default(),
            quirks: XeroQuirks::default(),
            created: default_created(),
        }
    }

    /// Reads a seed document.
    ///
    /// # Errors
    /// It is no JSON, or has a member that is not known.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// With one more organisation.
    #[must_use]
    pub fn with_tenant(mut self, tenant: XeroTenantSeed) -> Self {
        self.tenants.push(tenant);
        self
    }

    /// With an app that people can connect.
    #[must_use]
    pub fn with_oauth_client(mut self, client: XeroClientSeed) -> Self {
        self.oauth_clients.push(client);
        self
    }

    /// With an access token that does not expire.
    #[must_use]
    pub fn with_token(mut self, token: XeroTokenSeed) -> Self {
        self.tokens.push(token);
        self
    }

    /// With a person who decides on the consent page by himself.
    #[must_use]
    pub fn with_consent(mut self, consent: XeroConsentSeed) -> Self {
        self.consent = Some(consent);
        self
    }

    /// With a webhook that has been accepted.
    #[must_use]
    pub fn with_webhook(mut self, webhook: XeroWebhookSeed) -> Self {
        self.webhook = Some(webhook);
        self
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: XeroLimits) -> Self {
        self.limits = limits;
        self
    }

    /// With other answers to what the documentation leaves open.
    #[must_use]
    pub fn with_quirks(mut self, quirks: XeroQuirks) -> Self {
        self.quirks = quirks;
        self
    }
}

impl fmt::Debug for XeroSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XeroSeed").field("n_tenants", &self.tenants.len()).finish_non_exhaustive()
    }
}
