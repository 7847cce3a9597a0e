//! Wire types and records, pure.

pub(crate) mod contact;
pub(crate) mod invoice;
pub(crate) mod payment;

use sync_core::{
    KeysOf, NaturalKey, Version,
    model::{Contact, Invoice, Model, Payment},
};

use crate::{
    date,
    descriptor::{CONTACTS, INVOICES, PAYMENTS},
};

/// What a record of the host's is found by. A payment whose document is not there yet can't be there either.
pub(crate) fn keys(request: &KeysOf<'_>) -> Vec<NaturalKey> {
    let KeysOf { resource, fields, refs, .. } = request;
    match resource {
        name if **name == CONTACTS => {
            Contact::from_record(fields).map(|fields| contact::keys_of(&fields)).unwrap_or_default()
        }
        name if **name == INVOICES => {
            let Ok(fields) = Invoice::from_record(fields) else { return Vec::new() };
            let customer = fields.customer.as_ref().and_then(|to| refs.of(to)).cloned();
            invoice::keys(&fields, customer.as_ref())
        }
        name if **name == PAYMENTS => {
            let Ok(fields) = Payment::from_record(fields) else { return Vec::new() };
            let [only] = &fields.allocations[..] else { return Vec::new() };
            let Some(document) = only.invoice.as_ref().and_then(|to| refs.of(to)) else { return Vec::new() };
            let Some(amount) = only.amount.or(fields.amount) else { return Vec::new() };
            let of = |name| payment::key(name, document, amount);
            [of(payment::SETTLED), of(payment::SETTLES)].into_iter().flatten().collect()
        }
        _ => Vec::new(),
    }
}

/// Xero keeps no versions: when a record changed last, to the millisecond, stands for one.
pub(crate) fn version(updated: &str) -> Option<Version> {
    date::moment(updated).map(|at| Version::new(at.as_millisecond().to_string()))
}

/// A text that is there.
pub(crate) fn present(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
