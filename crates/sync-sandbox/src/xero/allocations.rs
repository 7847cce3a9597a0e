//! Credit notes that pay invoices.
//! Source: <https://developer.xero.com/documentation/api/accounting/creditnotes>, "Allocations".

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    World,
    bulk::Refused,
    company::Company,
    dates,
    document::{Allocation, Document, Status},
    hooks::Category,
    id::Id,
    input::{Element, Kind, Member, text},
    money,
    writing::is_open,
};

const INVOICE: &[Member] = &[("InvoiceID", Kind::Id), ("InvoiceNumber", Kind::ReadOnly)];

/// Members of an allocation in a body.
pub(super) const MEMBERS: &[Member] = &[
    ("AllocationID", Kind::ReadOnly),
    ("Invoice", Kind::Object(INVOICE)),
    ("Amount", Kind::Amount),
    ("Date", Kind::Day),
    ("IsDeleted", Kind::ReadOnly),
    ("StatusAttributeString", Kind::ReadOnly),
    ("ValidationErrors", Kind::ReadOnly),
    ("CreditNote", Kind::NotModelled),
    ("Overpayment", Kind::NotModelled),
    ("Prepayment", Kind::NotModelled),
];

/// Pays an invoice out of a credit note.
pub(super) fn create(company: &mut Company, world: &mut World, credit: Id, element: &Element) -> Result<Id, Refused> {
    let note = company.documents.get(&credit).cloned();
    let invoice = element.get("Invoice").and_then(Value::as_object).and_then(|one| Id::read(one.get("InvoiceID")));
    let invoice = invoice.and_then(|id| company.documents.get(&id)).filter(|one| !one.kind.is_credit()).cloned();
    let (Some(note), Some(invoice)) = (note, invoice) else { return Err("The Invoice could not be found".into()) };
    // Source: the schema `Allocation`: amount, invoice and date are required.
    let Some(amount) = element.get("Amount").and_then(money::read).map(money::cents) else {
        return Err("Amount must be specified".into());
    };
    let date = text(element, "Date").and_then(dates::read_day).unwrap_or_else(|| company.today(world.now));
    let mut wrong = Vec::new();
    if note.status != Status::Authorised || invoice.status != Status::Authorised {
        wrong.push("Allocations can only be made against Authorised documents".to_owned());
    }
    if note.contact != invoice.contact || note.kind.is_sale() != invoice.kind.is_sale() {
        wrong.push("The credit note and the invoice must be of the same contact".into());
    }
    if note.currency != invoice.currency {
        wrong.push("The credit note and the invoice must have the same currency".into());
    }
    if amount <= Decimal::ZERO {
        wrong.push("The amount must be greater than 0".into());
    }
    if amount > note.due_amount() {
        wrong.push("The amount exceeds the remaining credit".into());
    }
    if amount > invoice.due_amount() {
        wrong.push("The amount exceeds the amount outstanding on this document".into());
    }
    wrong.extend(company.locked(date));
    if !wrong.is_empty() {
        return Err(Refused::Words(wrong));
    }
    let one = Allocation { id: world.fresh_id("allocation"), credit, invoice: invoice.id, amount, date };
    let id = one.id;
    for document in [note, invoice] {
        let mut document = document.as_ref().clone();
        document.credited += amount;
        document.allocations.push(one.clone());
        document.settle(date);
        put(company, world, document);
    }
    Ok(id)
}

/// Takes an allocation back.
pub(super) fn delete(company: &mut Company, world: &mut World, credit: Id, id: Id) -> Result<Option<Value>, Refused> {
    let Some(note) = company.documents.get(&credit).filter(|one| one.kind.is_credit()).cloned() else { return Ok(None) };
    let Some(one) = note.allocations.iter().find(|one| one.id == id).cloned() else { return Ok(None) };
    is_open(company, one.date)?;
    for document in [one.credit, one.invoice] {
        let Some(mut document) = company.documents.get(&document).map(|one| one.as_ref().clone()) else { continue };
        document.credited -= one.amount;
        document.allocations.retain(|other| other.id != id);
        document.settle(one.date);
        put(company, world, document);
    }
    Ok(Some(json!({
        "AllocationID": id.json(), "Amount": money::json(one.amount), "Date": dates::day(one.date),
        "Invoice": {"InvoiceID": one.invoice.json()}, "IsDeleted": true,
    })))
}

fn put(company: &mut Company, world: &mut World, mut document: Document) {
    document.updated = world.now;
    let (id, kind) = (document.id, document.kind);
    company.put_document(document, world.quirks.void_frees_number);
    world.tell(company.id, Category::of(kind), id, false);
}
