//! Batch payments: several invoices, one entry of the bank.
//! Source: <https://developer.xero.com/documentation/api/accounting/batchpayments>.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    World,
    bulk::Refused,
    company::Company,
    dates,
    id::Id,
    input::{Element, Kind, Member, text},
    money, payments,
    writing::is_open,
};

const ACCOUNT: &[Member] = &[("AccountID", Kind::Id), ("Code", Kind::Text(10))];

const INVOICE: &[Member] = &[("InvoiceID", Kind::Id), ("InvoiceNumber", Kind::Text(255))];

const PAYMENT: &[Member] = &[
    ("Invoice", Kind::Object(INVOICE)),
    ("Amount", Kind::Amount),
    ("BankAmount", Kind::Amount),
    ("Reference", Kind::Text(255)),
    ("PaymentID", Kind::ReadOnly),
];

/// Members of a batch payment in a body.
pub(super) const MEMBERS: &[Member] = &[
    ("BatchPaymentID", Kind::Id),
    ("Account", Kind::Object(ACCOUNT)),
    ("Date", Kind::Day),
    ("DateString", Kind::ReadOnly),
    ("Reference", Kind::Text(255)),
    ("Payments", Kind::List(PAYMENT)),
    ("Status", Kind::Word(&["AUTHORISED", "DELETED"])),
    ("Type", Kind::ReadOnly),
    ("TotalAmount", Kind::ReadOnly),
    ("UpdatedDateUTC", Kind::ReadOnly),
    ("IsReconciled", Kind::ReadOnly),
    ("Amount", Kind::NotModelled),
    ("Particulars", Kind::NotModelled),
    ("Code", Kind::NotModelled),
    ("Details", Kind::NotModelled),
    ("Narrative", Kind::NotModelled),
];

/// A batch.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) id: Id,
    account: Id,
    date: Date,
    reference: String,
    payments: Vec<Id>,
    is_sale: bool,
    is_deleted: bool,
    pub(super) updated: Timestamp,
}

impl Batch {
    pub(super) fn show(&self, company: &Company) -> Value {
        let payments = self.payments.iter().filter_map(|id| company.payments.get(id));
        let total: Decimal = payments.clone().map(|one| one.amount).sum();
        let shown: Vec<Value> = payments
            .filter(|_| !self.is_deleted)
            .map(|one| {
                json!({
                    "PaymentID": one.id.json(), "Amount": money::json(one.amount), "BankAmount": money::json(one.bank_amount),
                    "Invoice": {"InvoiceID": one.document.json(), "Payments": [], "CreditNotes": [], "Prepayments": [],
                                "Overpayments": [], "HasErrors": false, "IsDiscounted": false, "LineItems": []},
                })
            })
            .collect();
        json!({
            "BatchPaymentID": self.id.json(), "Account": {"AccountID": self.account.json()}, "Reference": self.reference,
            "Date": dates::day(self.date), "DateString": dates::day_text(self.date), "Payments": shown,
            "Type": if self.is_sale { "RECBATCH" } else { "PAYBATCH" },
            "Status": if self.is_deleted { "DELETED" } else { "AUTHORISED" }, "TotalAmount": money::json(total),
            "UpdatedDateUTC": dates::stamp(self.updated), "IsReconciled": false,
        })
    }
}

/// Pays several invoices at once: all or none.
pub(super) fn create(company: &mut Company, world: &mut World, element: &Element) -> Result<Id, Refused> {
    let parts = element.get("Payments").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(account) = element.get("Account").filter(|account| account.is_object()) else {
        return Err("Account must be specified".into());
    };
    if parts.is_empty() {
        return Err("Payments must be specified".into());
    }
    let before = company.clone();
    let batch = world.fresh_id("batch");
    let mut made = Vec::new();
    for part in &parts {
        let mut one = part.as_object().cloned().unwrap_or_default();
        one.insert("Account".into(), account.clone());
        if let Some(date) = element.get("Date") {
            one.insert("Date".into(), date.clone());
        }
        match payments::create(company, world, &one) {
            Ok(id) => {
                if let Some(mut payment) = company.payments.get(&id).map(|one| one.as_ref().clone()) {
                    payment.batch = Some(batch);
                    company.payments.insert(id, payment.into());
                }
                made.push(id);
            }
            Err(refused) => {
                *company = before;
                return Err(refused);
            }
        }
    }
    let first = made.first().and_then(|id| company.payments.get(id)).cloned();
    let Some(first) = first else { return Err("Payments must be specified".into()) };
    company.batches.insert(
        batch,
        Batch {
            id: batch,
            account: first.account,
            date: first.date,
            reference: text(element, "Reference").unwrap_or_default().to_owned(),
            payments: made,
            is_sale: first.kind.is_sale(),
            is_deleted: false,
            updated: world.now,
        },
    );
    Ok(batch)
}

/// Takes a batch back, with all its payments.
/// Source: the schema `BatchPaymentDelete`: the status, and in a body without path the id.
pub(super) fn delete(company: &mut Company, world: &mut World, id: Id, element: &Element) -> Result<Id, Refused> {
    let is_only = element.keys().all(|name| name == "Status" || name == "BatchPaymentID");
    if !is_only || text(element, "Status") != Some("DELETED") {
        return Err("Only Status accepted for updates.".into());
    }
    let Some(mut batch) = company.batches.get(&id).cloned() else {
        return Err("The batch payment could not be found".into());
    };
    if batch.is_deleted {
        return Err("The batch payment has already been deleted".into());
    }
    is_open(company, batch.date)?;
    for payment in &batch.payments {
        payments::unapply(company, world, *payment);
    }
    batch.is_deleted = true;
    batch.updated = world.now;
    company.batches.insert(id, batch);
    Ok(id)
}
