//! Which path calls what.

use http::Method;

use crate::routes::{Found, Row, find};

/// Operations below `/api.xro/2.0/`.
pub(super) const ROUTES: &[Row] = &[
    ("GET", &["Organisation"], "organisation.get"),
    ("GET", &["Organisation", "Actions"], "organisation.actions"),
    ("GET", &["Accounts"], "accounts.list"),
    ("PUT", &["Accounts"], "accounts.create"),
    ("GET", &["Accounts", "*"], "accounts.get"),
    ("POST", &["Accounts", "*"], "accounts.update"),
    ("GET", &["TaxRates"], "taxRates.list"),
    ("GET", &["TaxRates", "*"], "taxRates.get"),
    ("GET", &["Currencies"], "currencies.list"),
    ("PUT", &["Currencies"], "currencies.create"),
    ("GET", &["TrackingCategories"], "trackingCategories.list"),
    ("GET", &["TrackingCategories", "*"], "trackingCategories.get"),
    ("GET", &["BrandingThemes"], "brandingThemes.list"),
    ("GET", &["BrandingThemes", "*"], "brandingThemes.get"),
    ("GET", &["Users"], "users.list"),
    ("GET", &["Users", "*"], "users.get"),
    ("GET", &["Contacts"], "contacts.list"),
    ("PUT", &["Contacts"], "contacts.create"),
    ("POST", &["Contacts"], "contacts.upsert"),
    ("GET", &["Contacts", "*"], "contacts.get"),
    ("POST", &["Contacts", "*"], "contacts.update"),
    ("GET", &["Invoices"], "invoices.list"),
    ("PUT", &["Invoices"], "invoices.create"),
    ("POST", &["Invoices"], "invoices.upsert"),
    ("GET", &["Invoices", "*"], "invoices.get"),
    ("POST", &["Invoices", "*"], "invoices.update"),
    ("POST", &["Invoices", "*", "Email"], "invoices.email"),
    ("GET", &["CreditNotes"], "creditNotes.list"),
    ("PUT", &["CreditNotes"], "creditNotes.create"),
    ("POST", &["CreditNotes"], "creditNotes.upsert"),
    ("GET", &["CreditNotes", "*"], "creditNotes.get"),
    ("POST", &["CreditNotes", "*"], "creditNotes.update"),
    ("PUT", &["CreditNotes", "*", "Allocations"], "creditNotes.allocate"),
    ("DELETE", &["CreditNotes", "*", "Allocations", "*"], "creditNotes.unallocate"),
    ("GET", &["BatchPayments"], "batchPayments.list"),
    ("PUT", &["BatchPayments"], "batchPayments.create"),
    ("GET", &["BatchPayments", "*"], "batchPayments.get"),
    ("POST", &["BatchPayments", "*"], "batchPayments.delete"),
    ("GET", &["ContactGroups"], "contactGroups.list"),
    ("PUT", &["ContactGroups"], "contactGroups.create"),
    ("GET", &["ContactGroups", "*"], "contactGroups.get"),
    ("POST", &["ContactGroups", "*"], "contactGroups.update"),
    ("PUT", &["ContactGroups", "*", "Contacts"], "contactGroups.join"),
    ("DELETE", &["ContactGroups", "*", "Contacts"], "contactGroups.empty"),
    ("DELETE", &["ContactGroups", "*", "Contacts", "*"], "contactGroups.leave"),
    ("GET", &["Payments"], "payments.list"),
    ("PUT", &["Payments"], "payments.create"),
    ("POST", &["Payments"], "payments.createOne"),
    ("GET", &["Payments", "*"], "payments.get"),
    ("POST", &["Payments", "*"], "payments.delete"),
];

/// What a path calls.
pub(super) enum Route {
    /// A call of one tenant.
    Api {
        name: &'static str,
        ids: Vec<String>,
    },
    /// A call of the identity service, with the id of a connection.
    Connections {
        name: &'static str,
        id: Option<String>,
    },
    SignIn(&'static str),
    OtherMethod,
    Unknown,
}

pub(super) fn route(method: &Method, path: &str) -> Route {
    match (method.as_str(), path) {
        ("GET", "/identity/connect/authorize") => return Route::SignIn("oauth.authorize"),
        ("POST", "/identity/connect/authorize") => return Route::SignIn("oauth.decide"),
        ("POST", "/connect/token") => return Route::SignIn("oauth.token"),
        ("POST", "/connect/revocation") => return Route::SignIn("oauth.revoke"),
        _ => {}
    }
    let lower = path.to_ascii_lowercase();
    if lower == "/connections" || lower.starts_with("/connections/") {
        let id = path.splitn(3, '/').nth(2).map(str::to_owned);
        return match (method.as_str(), id) {
            ("GET", None) => Route::Connections { name: "connections.list", id: None },
            ("DELETE", Some(id)) => Route::Connections { name: "connections.delete", id: Some(id) },
            _ => Route::OtherMethod,
        };
    }
    let Some(below) = path.strip_prefix("/api.xro/2.0/") else { return Route::Unknown };
    match find(ROUTES, method, below.split('/')) {
        Found::Operation { name, ids } => Route::Api { name, ids },
        Found::OtherMethod => Route::OtherMethod,
        Found::Unknown => Route::Unknown,
    }
}
