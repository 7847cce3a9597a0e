//! Which wire calls an operation is made of. Pure: a part is decided on again when it goes, from the same operation and
//! facts.

pub(crate) mod contact;
pub(crate) mod invoice;
pub(crate) mod payment;

use sync_core::{Error, ErrorKind, Facts, Operation, Prepare, Prepared, Result, Tally, Verb};

use crate::{
    descriptor::{CONTACTS, INVOICES, PAYMENTS},
    handler::Handler,
};

/// Prepares an operation.
pub(crate) fn prepare(handler: &Handler, request: Prepare<'_>) -> Result<Prepared> {
    match &request.op.resource {
        name if *name == CONTACTS => contact::prepare(handler, request.op),
        name if *name == INVOICES => invoice::prepare(handler, request),
        name if *name == PAYMENTS => payment::prepare(handler, request),
        name => Err(Error::new(ErrorKind::Unsupported, format!("Xero has no {name}"))),
    }
}

/// What an operation adds to an accountant's totals.
pub(crate) fn tally(handler: &Handler, facts: &Facts, op: &Operation) -> Vec<Tally> {
    match (&op.resource, op.verb) {
        (name, Verb::Create) if *name == INVOICES => invoice::tally(handler, facts, op),
        (name, Verb::Create) if *name == PAYMENTS => payment::tally(handler, facts, op),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
