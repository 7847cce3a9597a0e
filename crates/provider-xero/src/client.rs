//! The calls that the sync needs: method, path, query, body. No call that mails anybody is among them.

use http::{HeaderName, HeaderValue, Method, header::ACCEPT};
use serde::Serialize;
use sync_core::{AccountId, Call, CallKey, Error, ErrorKind, Repeat, Result};

use crate::{
    descriptor::API,
    error::{classify, classify_gone},
    model,
};

/// Names the organisation that a call is about.
const TENANT: HeaderName = HeaderName::from_static("xero-tenant-id");

/// Names a write, so that Xero does it once however often it comes.
/// <https://developer.xero.com/documentation/guides/idempotent-requests/idempotency>
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Only what changed since. Any other form than this one is ignored without a word.
/// <https://developer.xero.com/documentation/api/accounting/requests-and-responses#if-modified-since>
const MODIFIED_SINCE: HeaderName = HeaderName::from_static("if-modified-since");

/// What a page of a listing is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Listing<'a> {
    /// From 1.
    pub(crate) page: u64,
    pub(crate) size: u32,
    /// As [`crate::date::modified_since`] writes it.
    pub(crate) since: Option<&'a str>,
}

/// The organisations that the sign-in reaches. <https://developer.xero.com/documentation/guides/oauth2/tenants>
pub(crate) fn connections() -> Call {
    Call::get("connections.list", API, classify)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .segments(["connections"])
}

/// One organisation taken off what the sign-in reaches. What isn't connected is so already.
/// <https://developer.xero.com/documentation/guides/oauth2/tenants>
pub(crate) fn disconnect(connection: &str) -> Call {
    let call = Call::new("connections.delete", API, Method::DELETE, classify_gone).repeat(Repeat::Answered);
    call.header(ACCEPT, HeaderValue::from_static("application/json")).segments(["connections", connection])
}

/// The organisation. <https://developer.xero.com/documentation/api/accounting/organisation>
pub(crate) fn organisation(tenant: &AccountId) -> Result<Call> {
    read("organisation.get", tenant, &["Organisation"])
}

/// The chart of accounts. <https://developer.xero.com/documentation/api/accounting/accounts>
pub(crate) fn accounts(tenant: &AccountId) -> Result<Call> {
    read("accounts.list", tenant, &["Accounts"])
}

/// The tax rates. <https://developer.xero.com/documentation/api/accounting/taxrates>
pub(crate) fn tax_rates(tenant: &AccountId) -> Result<Call> {
    read("tax_rates.list", tenant, &["TaxRates"])
}

/// The currencies in use. <https://developer.xero.com/documentation/api/accounting/currencies>
pub(crate) fn currencies(tenant: &AccountId) -> Result<Call> {
    read("currencies.list", tenant, &["Currencies"])
}

/// Tracking categories with their options.
/// <https://developer.xero.com/documentation/api/accounting/trackingcategories>
pub(crate) fn tracking_categories(tenant: &AccountId) -> Result<Call> {
    read("tracking_categories.list", tenant, &["TrackingCategories"])
}

/// Branding themes. <https://developer.xero.com/documentation/api/accounting/brandingthemes>
pub(crate) fn branding_themes(tenant: &AccountId) -> Result<Call> {
    read("branding_themes.list", tenant, &["BrandingThemes"])
}

/// A page of contacts, archived ones among them, the oldest change first.
/// <https://developer.xero.com/documentation/api/accounting/contacts#get-contacts>
pub(crate) fn contacts(tenant: &AccountId, listing: &Listing<'_>) -> Result<Call> {
    Ok(page(read("contacts.list", tenant, &["Contacts"])?, listing)?.param("includeArchived", "true"))
}

/// Contacts that have a text in their name, address or number.
pub(crate) fn contacts_called(tenant: &AccountId, text: &str, most: u32) -> Result<Call> {
    let call = read("contacts.search", tenant, &["Contacts"])?.param("searchTerm", text);
    Ok(call.param("page", 1).param("pageSize", most))
}

/// Contacts by Xero's ids. With a page, since only then all their members are told.
pub(crate) fn contacts_by_id(tenant: &AccountId, ids: &[&str]) -> Result<Call> {
    let call = read("contacts.find", tenant, &["Contacts"])?.param("IDs", ids.join(","));
    Ok(call.param("includeArchived", "true").param("page", 1).param("pageSize", ids.len()))
}

/// Contacts that a filter admits.
pub(crate) fn contacts_where(tenant: &AccountId, filter: &str, most: usize) -> Result<Call> {
    let call = read("contacts.find", tenant, &["Contacts"])?.param("where", filter);
    Ok(call.param("includeArchived", "true").param("page", 1).param("pageSize", most))
}

/// New contacts. What is there already, by number or name, is refused and left alone.
/// <https://developer.xero.com/documentation/api/accounting/contacts#put-contacts>
pub(crate) fn create_contacts(tenant: &AccountId, key: CallKey, contacts: &[&model::ContactWrite]) -> Result<Call> {
    let body = model::ContactsWrite { contacts: contacts.to_vec() };
    write("contacts.create", Method::PUT, tenant, key, &["Contacts"], &body)
}

/// Contacts by their ids.
/// <https://developer.xero.com/documentation/api/accounting/contacts#post-contacts>
pub(crate) fn update_contacts(tenant: &AccountId, key: CallKey, contacts: &[&model::ContactWrite]) -> Result<Call> {
    // Without an id the same call would make contacts, or change others of the same name.
    if contacts.iter().any(|contact| contact.contact_id.as_deref().is_none_or(str::is_empty)) {
        return Err(Error::new(ErrorKind::Internal, "a contact without an id can't be updated"));
    }
    let body = model::ContactsWrite { contacts: contacts.to_vec() };
    write("contacts.update", Method::POST, tenant, key, &["Contacts"], &body)
}

/// A page of sales invoices, the oldest change first. Suppliers' bills are kept out by the filter, and numbers keep four
/// places. <https://developer.xero.com/documentation/api/accounting/invoices#get-invoices>
pub(crate) fn invoices(tenant: &AccountId, listing: &Listing<'_>) -> Result<Call> {
    let call = read("invoices.list", tenant, &["Invoices"])?.param("where", "Type==\"ACCREC\"");
    Ok(places(page(call, listing)?))
}

/// A page of credit notes to customers.
/// <https://developer.xero.com/documentation/api/accounting/creditnotes#get-creditnotes>
pub(crate) fn credit_notes(tenant: &AccountId, listing: &Listing<'_>) -> Result<Call> {
    let call = read("credit_notes.list", tenant, &["CreditNotes"])?.param("where", "Type==\"ACCRECCREDIT\"");
    Ok(places(page(call, listing)?))
}

/// Invoices by Xero's ids. With a page, since only then their lines are told.
pub(crate) fn invoices_by_id(tenant: &AccountId, ids: &[&str]) -> Result<Call> {
    let call = read("invoices.find", tenant, &["Invoices"])?.param("IDs", ids.join(","));
    Ok(places(call.param("page", 1).param("pageSize", ids.len())))
}

/// Invoices or credit notes that a filter admits.
pub(crate) fn documents_where(tenant: &AccountId, is_credit: bool, filter: &str, most: usize) -> Result<Call> {
    let (operation, path) = if is_credit { ("credit_notes.find", "CreditNotes") } else { ("invoices.find", "Invoices") };
    let call = read(operation, tenant, &[path])?.param("where", filter);
    Ok(places(call.param("page", 1).param("pageSize", most)))
}

/// New documents. One whose number is there already is refused, and what is there is left alone: no call of ours ever
/// names a document by its number in order to change it.
/// <https://developer.xero.com/documentation/api/accounting/invoices#put-invoices>,
/// <https://developer.xero.com/documentation/api/accounting/creditnotes#put-creditnotes>
pub(crate) fn create_documents(
    tenant: &AccountId,
    key: CallKey,
    is_credit: bool,
    documents: &[&model::DocumentWrite],
) -> Result<Call> {
    let operation = if is_credit { "credit_notes.create" } else { "invoices.create" };
    documents_write(operation, Method::PUT, tenant, key, is_credit, documents)
}

/// Documents by their ids.
/// <https://developer.xero.com/documentation/api/accounting/invoices#post-invoices>
pub(crate) fn update_documents(
    tenant: &AccountId,
    key: CallKey,
    is_credit: bool,
    documents: &[&model::DocumentWrite],
) -> Result<Call> {
    // Without an id the same call would change whatever has the number, or make a document.
    let has_id = |document: &&model::DocumentWrite| {
        let id = if is_credit { &document.credit_note_id } else { &document.invoice_id };
        id.as_deref().is_some_and(|id| !id.is_empty())
    };
    if !documents.iter().all(has_id) {
        return Err(Error::new(ErrorKind::Internal, "a document without an id can't be updated"));
    }
    let operation = if is_credit { "credit_notes.update" } else { "invoices.update" };
    documents_write(operation, Method::POST, tenant, key, is_credit, documents)
}

fn documents_write(
    operation: &'static str,
    method: Method,
    tenant: &AccountId,
    key: CallKey,
    is_credit: bool,
    documents: &[&model::DocumentWrite],
) -> Result<Call> {
    let body = if is_credit {
        model::DocumentsWrite { credit_notes: documents.to_vec(), ..Default::default() }
    } else {
        model::DocumentsWrite { invoices: documents.to_vec(), ..Default::default() }
    };
    let path = if is_credit { "CreditNotes" } else { "Invoices" };
    Ok(places(write(operation, method, tenant, key, &[path], &body)?))
}

/// A credit note set against an invoice.
/// <https://developer.xero.com/documentation/api/accounting/creditnotes#put-allocations>
pub(crate) fn allocate(tenant: &AccountId, key: CallKey, credit_note: &str, body: &model::AllocationsWrite) -> Result<Call> {
    write("credit_notes.allocate", Method::PUT, tenant, key, &["CreditNotes", credit_note, "Allocations"], body)
}

/// A page of payments, the oldest change first.
/// <https://developer.xero.com/documentation/api/accounting/payments#get-payments>
pub(crate) fn payments(tenant: &AccountId, listing: &Listing<'_>) -> Result<Call> {
    page(read("payments.list", tenant, &["Payments"])?, listing)
}

/// Payments that a filter admits.
pub(crate) fn payments_where(tenant: &AccountId, filter: &str, most: usize) -> Result<Call> {
    Ok(read("payments.find", tenant, &["Payments"])?.param("where", filter).param("page", 1).param("pageSize", most))
}

/// New payments.
/// <https://developer.xero.com/documentation/api/accounting/payments#put-payments>
pub(crate) fn create_payments(tenant: &AccountId, key: CallKey, payments: &[&model::PaymentWrite]) -> Result<Call> {
    let body = model::PaymentsWrite { payments: payments.to_vec() };
    write("payments.create", Method::PUT, tenant, key, &["Payments"], &body)
}

/// A payment taken back. Payments can't be changed, and any other member of the body is refused.
/// <https://developer.xero.com/documentation/api/accounting/payments#post-payments>
pub(crate) fn delete_payment(tenant: &AccountId, key: CallKey, payment: &str) -> Result<Call> {
    let call = Call::new("payments.delete", API, Method::POST, classify).repeat(Repeat::Answered).key(IDEMPOTENCY_KEY, key);
    about(call, tenant, &["Payments", payment])?.json(&model::PaymentDelete { status: "DELETED" })
}

/// Unit amounts keep four places, in answers as in what is sent.
/// <https://developer.xero.com/documentation/api/accounting/invoices#unitdp>
fn places(call: Call) -> Call {
    call.param("unitdp", 4)
}

fn page(call: Call, listing: &Listing<'_>) -> Result<Call> {
    let call = call.param("page", listing.page).param("pageSize", listing.size).param("order", "UpdatedDateUTC ASC");
    let Some(since) = listing.since else { return Ok(call) };
    let since = HeaderValue::from_str(since)
        .map_err(|error| Error::new(ErrorKind::Internal, "a time can't be a header").with_source(error))?;
    Ok(call.header(MODIFIED_SINCE, since))
}

fn read(operation: &'static str, tenant: &AccountId, path: &[&str]) -> Result<Call> {
    about(Call::get(operation, API, classify), tenant, path)
}

/// A write of several records, answered one by one. Without the parameter one bad record refuses all.
/// <https://developer.xero.com/documentation/api/accounting/requests-and-responses#summarizeerrors>
fn write(
    operation: &'static str,
    method: Method,
    tenant: &AccountId,
    key: CallKey,
    path: &[&str],
    body: &impl Serialize,
) -> Result<Call> {
    let call = Call::new(operation, API, method, classify).repeat(Repeat::Answered).key(IDEMPOTENCY_KEY, key);
    about(call, tenant, path)?.param("summarizeErrors", "false").json(body)
}

fn about(call: Call, tenant: &AccountId, path: &[&str]) -> Result<Call> {
    let tenant = HeaderValue::from_str(tenant.as_str())
        .map_err(|error| Error::new(ErrorKind::Config, "the organisation's id can't be one of Xero's").with_source(error))?;
    // The default output is XML.
    let call = call.header(ACCEPT, HeaderValue::from_static("application/json")).header(TENANT, tenant);
    Ok(call.segments(["api.xro", "2.0"]).segments(path.iter().copied()))
}
