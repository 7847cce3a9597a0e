//! Xero: contacts, invoices, credit notes and payments, both ways.
//!
//! Creates are `PUT` and never change what is there; updates name Xero's own ids, so that no number or name is ever
//! written over. Contacts carry our marker as their contact number, payments carry it in their reference, and an invoice
//! is known by its number and by being what we would have made. Every call takes up to 50 records and asks for an answer
//! about each. Nothing is ever sent to a customer: no call that mails is written down here, and no document is marked as
//! sent.
//!
//! What a bookkeeper does in Xero stays: account, tax and tracking of a line, lines of their own, due dates. A document
//! that Xero does not let us change is not forced.
//!
//! Reference: <https://developer.xero.com/documentation/api/accounting/overview>.

mod check;
mod choices;
mod client;
mod config;
mod date;
mod descriptor;
mod draft;
mod error;
mod find;
mod handler;
mod ledger;
mod mapping;
mod model;
mod prepare;
mod pull;
mod push;
mod schema;
mod settings;
mod summary;
mod text;
mod totals;
mod webhook;

pub use config::XeroConfig;
pub use descriptor::BROAD_SCOPES;
pub use settings::{Amend, InvoiceStatus, Locked, Part, Ways, XeroSettings};

use sync_core::Registration;

/// Xero, for the dispatcher's table.
pub const REGISTRATION: Registration = Registration::of::<XeroConfig>();
