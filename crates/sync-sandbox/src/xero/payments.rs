//! Writing payments.
//! Source: <https://developer.xero.com/documentation/api/accounting/payments>.

use rust_decimal::Decimal;
use serde_json::Value;

use super::{
    World,
    bulk::Refused,
    chart::Account,
    company::Company,
    dates,
    document::{Document, Kind as Of, Status},
    hooks::Category,
    id::Id,
    input::{Element, Kind, Member, text},
    money,
    payment::Payment,
    writing::is_open,
};

const DOCUMENT: &[Member] = &[
    ("InvoiceID", Kind::Id),
    ("InvoiceNumber", Kind::Text(255)),
    ("CreditNoteID", Kind::Id),
    ("CreditNoteNumber", Kind::Text(255)),
    ("Type", Kind::ReadOnly),
];

const ACCOUNT: &[Member] = &[("AccountID", Kind::Id), ("Code", Kind::Text(10)), ("Name", Kind::ReadOnly)];

/// Members of a payment in a body.
pub(super) const MEMBERS: &[Member] = &[
    ("PaymentID", Kind::ReadOnly),
    ("Invoice", Kind::Object(DOCUMENT)),
    ("CreditNote", Kind::Object(DOCUMENT)),
    ("InvoiceNumber", Kind::Text(255)),
    ("CreditNoteNumber", Kind::Text(255)),
    ("Account", Kind::Object(ACCOUNT)),
    ("Code", Kind::Text(10)),
    ("Date", Kind::Day),
    ("CurrencyRate", Kind::Amount),
    ("Amount", Kind::Amount),
    ("BankAmount", Kind::Amount),
    ("Reference", Kind::Text(255)),
    ("IsReconciled", Kind::Flag),
    ("Status", Kind::Word(&["AUTHORISED"])),
    ("PaymentType", Kind::ReadOnly),
    ("UpdatedDateUTC", Kind::ReadOnly),
    ("UpdatedDateUTCString", Kind::ReadOnly),
    ("HasAccount", Kind::ReadOnly),
    ("HasValidationErrors", Kind::ReadOnly),
    ("ValidationErrors", Kind::ReadOnly),
    ("Prepayment", Kind::NotModelled),
    ("Overpayment", Kind::NotModelled),
    ("BatchPayment", Kind::NotModelled),
    ("BankAccountNumber", Kind::NotModelled),
    ("Particulars", Kind::NotModelled),
    ("Details", Kind::NotModelled),
];

/// The document that an element pays.
fn meant(company: &Company, element: &Element) -> Option<Id> {
    let inside = |name: &str| element.get(name).and_then(Value::as_object);
    for (object, id, number, is_credit) in [
        (inside("Invoice"), "InvoiceID", "InvoiceNumber", false),
        (inside("CreditNote"), "CreditNoteID", "CreditNoteNumber", true),
    ] {
        let by_id = object.and_then(|object| Id::read(object.get(id)));
        if let Some(id) = by_id {
            return company.documents.get(&id).filter(|one| one.kind.is_credit() == is_credit).map(|one| one.id);
        }
        let number = object.and_then(|object| text(object, number)).or_else(|| text(element, number));
        if let Some(number) = number {
            let kind = if is_credit { Of::SaleCredit } else { Of::Sale };
            return company.document_by_number(kind, number);
        }
    }
    None
}

fn account<'c>(company: &'c Company, element: &Element) -> Option<&'c Account> {
    let object = element.get("Account").and_then(Value::as_object);
    if let Some(id) = object.and_then(|object| Id::read(object.get("AccountID"))) {
        return company.accounts.get(&id);
    }
    let code = object.and_then(|object| text(object, "Code")).or_else(|| text(element, "Code"))?;
    company.account_by_code(code)
}

/// Pays a document.
pub(super) fn create(company: &mut Company, world: &mut World, element: &Element) -> Result<Id, Refused> {
    let mut wrong = Vec::new();
    let document = meant(company, element).and_then(|id| company.documents.get(&id)).cloned();
    let Some(document) = document else {
        return Err("The document to be paid could not be found".into());
    };
    let amount = element.get("Amount").and_then(money::read).map(money::cents).unwrap_or_default();
    let date = text(element, "Date").and_then(dates::read_day).unwrap_or_else(|| company.today(world.now));
    if amount <= Decimal::ZERO {
        wrong.push("Payment amount must be greater than 0".to_owned());
    }
    if document.status != Status::Authorised {
        wrong.push("Payments can only be made against Authorised documents".into());
    }
    // Source: the example of PUT /Payments in Xero's API description.
    if amount > document.due_amount() {
        wrong.push("Payment amount exceeds the amount outstanding on this document".into());
    }
    wrong.extend(company.locked(date));
    let account = match account(company, element) {
        None => {
            wrong.push("The account could not be found".into());
            None
        }
        Some(account) => {
            if account.is_archived {
                wrong.push(format!("Account code '{}' has been archived, or has been deleted.", account.code));
            }
            // Source: the field `Account`: "of type BANK" or with payments enabled.
            if !account.is_bank() && !account.takes_payments {
                wrong.push("Account is not of type BANK and payments to it are not enabled".into());
            }
            Some(account)
        }
    };
    let (Some(account), true) = (account, wrong.is_empty()) else { return Err(Refused::Words(wrong)) };
    let rate = element.get("CurrencyRate").and_then(money::read).unwrap_or(document.rate);
    let bank_amount = match (element.get("BankAmount").and_then(money::read), account.currency.as_deref()) {
        (Some(given), _) => given,
        (None, Some(currency)) if currency == document.currency => amount,
        (None, _) if rate.is_zero() => amount,
        (None, _) => money::cents(amount / rate),
    };
    let payment = Payment {
        id: world.fresh_id("payment"),
        document: document.id,
        kind: document.kind,
        account: account.id,
        date,
        amount,
        bank_amount,
        rate,
        reference: text(element, "Reference").unwrap_or_default().to_owned(),
        is_reconciled: element.get("IsReconciled").and_then(Value::as_bool).unwrap_or_default(),
        is_deleted: false,
        batch: None,
        updated: world.now,
    };
    let id = payment.id;
    apply(company, world, payment, document.as_ref().clone());
    Ok(id)
}

/// Books a payment on its document.
pub(super) fn apply(company: &mut Company, world: &mut World, payment: Payment, mut document: Document) {
    document.paid += payment.amount;
    document.payments.push(payment.id);
    document.settle(payment.date);
    touch(company, world, document);
    company.payments.insert(payment.id, payment.into());
}

fn touch(company: &mut Company, world: &mut World, mut document: Document) {
    document.updated = world.now;
    let (id, kind) = (document.id, document.kind);
    company.put_document(document, world.quirks.void_frees_number);
    world.tell(company.id, Category::of(kind), id, false);
}

/// Takes a payment back: the only change there is.
/// Source: the schema `PaymentDelete`; GitHub XeroAPI/xero-node issue 178.
pub(super) fn delete(company: &mut Company, world: &mut World, id: Id, element: &Element) -> Result<Id, Refused> {
    if element.keys().any(|name| name != "Status") || text(element, "Status") != Some("DELETED") {
        return Err("Only Status accepted for updates.".into());
    }
    let Some(payment) = company.payments.get(&id) else { return Err("The payment could not be found".into()) };
    if payment.is_deleted {
        return Err("The payment has already been deleted".into());
    }
    // Source: <https://developer.xero.com/documentation/api/accounting/batchpayments>.
    if payment.batch.is_some() {
        return Err("This payment is part of a batch payment and cannot be deleted on its own".into());
    }
    if payment.is_reconciled {
        return Err("This payment is reconciled and cannot be deleted".into());
    }
    is_open(company, payment.date)?;
    unapply(company, world, id);
    Ok(id)
}

/// Takes a payment off its document.
pub(super) fn unapply(company: &mut Company, world: &mut World, id: Id) {
    let Some(mut payment) = company.payments.get(&id).map(|payment| payment.as_ref().clone()) else { return };
    payment.is_deleted = true;
    payment.updated = world.now;
    if let Some(mut document) = company.documents.get(&payment.document).map(|one| one.as_ref().clone()) {
        document.paid -= payment.amount;
        document.payments.retain(|other| *other != id);
        document.settle(payment.date);
        touch(company, world, document);
    }
    company.payments.insert(id, payment.into());
}
