//! Who calls, for which organisation, and what he may do.
//! Source: <https://developer.xero.com/documentation/guides/oauth2/scopes/>.

use std::collections::BTreeSet;

use http::HeaderMap;
use jiff::Timestamp;

use super::{Xero, id::Id, problem::Problem, seed::XeroScopes};
use crate::web;

/// Scopes that an app can ask for here, and what the page says of them.
pub(super) const SCOPES: &[(&str, XeroScopes, &str)] = &[
    ("openid", XeroScopes::Both, "know who you are"),
    ("profile", XeroScopes::Both, "see your name"),
    ("email", XeroScopes::Both, "see your address"),
    ("offline_access", XeroScopes::Both, "stay connected while you are away"),
    ("accounting.contacts", XeroScopes::Both, "view and manage your contacts"),
    ("accounting.contacts.read", XeroScopes::Both, "view your contacts"),
    ("accounting.settings", XeroScopes::Both, "view and manage your organisation settings"),
    ("accounting.settings.read", XeroScopes::Both, "view your organisation settings"),
    ("accounting.invoices", XeroScopes::Granular, "view and manage your invoices and credit notes"),
    ("accounting.invoices.read", XeroScopes::Granular, "view your invoices and credit notes"),
    ("accounting.payments", XeroScopes::Granular, "view and manage your payments"),
    ("accounting.payments.read", XeroScopes::Granular, "view your payments"),
    ("accounting.banktransactions", XeroScopes::Granular, "view and manage your bank transactions"),
    ("accounting.banktransactions.read", XeroScopes::Granular, "view your bank transactions"),
    ("accounting.manualjournals", XeroScopes::Granular, "view and manage your manual journals"),
    ("accounting.manualjournals.read", XeroScopes::Granular, "view your manual journals"),
    ("accounting.transactions", XeroScopes::Broad, "view and manage your business transactions"),
    ("accounting.transactions.read", XeroScopes::Broad, "view your business transactions"),
];

/// An access token's reach.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) user: String,
    pub(super) client: String,
    pub(super) scopes: BTreeSet<String>,
    /// Never, of a token from the seed.
    pub(super) expires: Option<Timestamp>,
}

/// A call that is let in.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) client: String,
    pub(super) tenant: Id,
}

/// Scopes that each open an operation.
pub(super) fn scopes_for(operation: &str) -> Vec<String> {
    let (resource, action) = operation.split_once('.').unwrap_or((operation, ""));
    let names: &[&str] = match resource {
        "contacts" | "contactGroups" => &["accounting.contacts"],
        "invoices" | "creditNotes" => &["accounting.invoices", "accounting.transactions"],
        "payments" | "batchPayments" => &["accounting.payments", "accounting.transactions"],
        _ => &["accounting.settings"],
    };
    let is_read = matches!(action, "list" | "get" | "actions");
    let read = names.iter().filter(|_| is_read).map(|name| format!("{name}.read"));
    names.iter().map(|name| (*name).to_owned()).chain(read).collect()
}

/// The organisation that a call names.
pub(super) fn tenant(headers: &HeaderMap) -> Option<Id> {
    headers.get("xero-tenant-id").and_then(|value| value.to_str().ok()).and_then(Id::parse)
}

impl Xero {
    /// Whose token it is.
    pub(super) fn signed_in(&self, headers: &HeaderMap) -> Result<&Access, Problem> {
        let access = web::bearer(headers).and_then(|token| self.oauth.access.get(token));
        let access = access.ok_or_else(|| Problem::unauthorized("AuthenticationUnsuccessful"))?;
        match access.expires.filter(|expires| *expires <= self.world.now) {
            Some(expires) => {
                let at = expires.strftime("%m/%d/%Y %H:%M:%S");
                Err(Problem::unauthorized(format!("TokenExpired: token expired at {at}")))
            }
            None => Ok(access),
        }
    }

    /// Whose token it is, if it is good for this operation and this organisation.
    pub(super) fn caller(&self, headers: &HeaderMap, operation: &str) -> Result<Caller, Problem> {
        let access = self.signed_in(headers)?;
        if !scopes_for(operation).iter().any(|scope| access.scopes.contains(scope)) {
            return Err(Problem::unauthorized("AuthorizationUnsuccessful"));
        }
        let tenant = tenant(headers).ok_or_else(Problem::forbidden)?;
        if !self.oauth.is_connected(access, tenant) || !self.companies.contains_key(&tenant) {
            return Err(Problem::forbidden());
        }
        Ok(Caller { client: access.client.clone(), tenant })
    }
}
