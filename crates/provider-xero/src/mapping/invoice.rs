//! Invoices and credit notes.

use jiff::civil::Date;
use rust_decimal::Decimal;
use sync_core::{
    FieldName, NaturalKey, Ref, Remote, RemoteId, RemoteState,
    model::{Invoice as Fields, InvoiceKind, InvoiceLine, InvoiceStatus, Model, TaxMode},
};

use super::{present, version};
use crate::{
    date,
    descriptor::{CONTACTS, INVOICES},
    model::{Document, Line, real_id},
    settings::XeroSettings,
    text,
};

/// What ids of credit notes start with among those of documents.
const CREDIT: &str = "credit-note:";

/// Names of the keys of documents.
pub(crate) const NUMBER: &str = "number";
pub(crate) const DOCUMENT: &str = "document";

/// What keeps the parts of a key apart.
pub(crate) const APART: char = '|';

/// Types of documents that are ours: to customers.
const SALE_TYPE: &str = "ACCREC";
const CREDIT_TYPE: &str = "ACCRECCREDIT";

/// Members of a line that are the ledger's, by which the bookkeeper's own coding is told in plans.
pub(crate) const ACCOUNT: &str = "account";
pub(crate) const TAX_TYPE: &str = "tax_type";

/// A document's id, as this crate names it.
pub(crate) fn document_id(is_credit: bool, id: &str) -> RemoteId {
    if is_credit { RemoteId::new(format!("{CREDIT}{id}")) } else { RemoteId::new(id) }
}

/// True for a credit note, and Xero's own id.
pub(crate) fn own_id(id: &RemoteId) -> (bool, &str) {
    match id.as_str().strip_prefix(CREDIT) {
        Some(id) => (true, id),
        None => (false, id.as_str()),
    }
}

/// The document as a record; `None` for what has no id, and for suppliers' documents.
pub(crate) fn remote(settings: &XeroSettings, document: &Document) -> Option<Remote> {
    let is_credit = match document.kind.as_str() {
        SALE_TYPE => false,
        CREDIT_TYPE => true,
        _ => return None,
    };
    let id = document_id(is_credit, real_id(&document.id)?);
    let foreign = |resource, id: &str| real_id(id).map(|id| Ref::Foreign { resource, id: RemoteId::new(id) });
    let open = document.allocations.iter().filter(|allocation| allocation.is_deleted != Some(true));
    let credited: Vec<&str> = open.map(|allocation| allocation.invoice.id.as_str()).collect();
    let due = if is_credit { document.remaining_credit.or(document.amount_due) } else { document.amount_due };
    let fields = Fields {
        number: present(&document.number)
            .map(|number| number.strip_prefix(settings.number_prefix.trim()).map_or_else(|| number.clone(), str::to_owned)),
        kind: Some(if is_credit { InvoiceKind::Credit } else { InvoiceKind::Sale }),
        customer: foreign(CONTACTS, &document.contact.id),
        date: date::day(&document.date),
        due_date: date::day(&document.due_date),
        currency: present(&document.currency_code),
        amounts: match document.line_amount_types.to_ascii_lowercase().as_str() {
            "inclusive" => Some(TaxMode::Inclusive),
            "exclusive" => Some(TaxMode::Exclusive),
            "notax" => Some(TaxMode::NoTax),
            _ => None,
        },
        lines: document.line_items.iter().map(|line| shown_line(settings, line)).collect(),
        total: document.total,
        reference: present(&document.reference),
        credits: match &credited[..] {
            [only] => foreign(INVOICES, only),
            _ => None,
        },
        status: status(document, due),
        status_word: present(&document.status),
        amount_due: due,
        sent: document.sent_to_contact,
        ..Fields::default()
    };
    let keys = keys(&fields, foreign_id(fields.customer.as_ref()));
    let mut record = fields.into_record();
    let mapped = settings.rules(&INVOICES).fields;
    record.retain(|field| mapped.contains(field));
    let mut remote = Remote::live(INVOICES, id, record);
    remote.version = version(&document.updated);
    remote.changed_at = date::moment(&document.updated);
    remote.keys = keys;
    remote.state = match document.status.as_str() {
        "VOIDED" | "DELETED" => RemoteState::Voided,
        _ => RemoteState::Live,
    };
    Some(remote)
}

/// What a document is found by: its number, and, as proof, that together with who it is for, its day and what it comes to.
pub(crate) fn keys(fields: &Fields, customer: Option<&RemoteId>) -> Vec<NaturalKey> {
    let number = fields.number.as_deref().map(text::folded).filter(|number| !number.is_empty());
    let whole = || {
        let total = fields.total?.normalize();
        Some(format!("{}{APART}{}{APART}{}{APART}{total}", number.as_ref()?, customer?, fields.date?))
    };
    let of = |name: &'static str, value: Option<String>| NaturalKey::of(FieldName::from_static(name), &value?);
    [of(NUMBER, number.clone()), of(DOCUMENT, whole())].into_iter().flatten().collect()
}

fn foreign_id(to: Option<&Ref>) -> Option<&RemoteId> {
    match to {
        Some(Ref::Foreign { id, .. }) => Some(id),
        _ => None,
    }
}

/// Where a document stands. An unknown word is told as it is, and no status is guessed from it.
fn status(document: &Document, due: Option<Decimal>) -> Option<InvoiceStatus> {
    let is_touched = document.amount_paid > Decimal::ZERO || document.amount_credited > Decimal::ZERO;
    let is_part = is_touched || due.zip(document.total).is_some_and(|(due, total)| due != total);
    match document.status.as_str() {
        "DRAFT" | "SUBMITTED" => Some(InvoiceStatus::Draft),
        "AUTHORISED" if is_part => Some(InvoiceStatus::PartPaid),
        "AUTHORISED" => Some(InvoiceStatus::Open),
        "PAID" => Some(InvoiceStatus::Paid),
        "VOIDED" | "DELETED" => Some(InvoiceStatus::Void),
        _ => None,
    }
}

/// A line as it is shown. Its key is Xero's id; account and tax type are the ledger's.
fn shown_line(settings: &XeroSettings, line: &Line) -> InvoiceLine {
    let only = |map: &std::collections::BTreeMap<String, String>, wanted: &str| {
        let mut words = map.iter().filter(|(_, value)| *value == wanted).map(|(word, _)| word.clone());
        words.next().filter(|_| words.next().is_none())
    };
    let mut extra = std::collections::BTreeMap::new();
    for (name, value) in [(ACCOUNT, &line.account_code), (TAX_TYPE, &line.tax_type)] {
        if let Some(value) = present(value) {
            extra.insert(name.to_owned(), sync_core::Value::Text(value));
        }
    }
    InvoiceLine {
        key: present(&line.id),
        description: present(&line.description),
        quantity: line.quantity,
        unit_amount: line.unit_amount.or(line.line_amount),
        line_type: only(&settings.accounts, &line.account_code),
        item: None,
        discount_percent: line.discount_rate.filter(|rate| !rate.is_zero()),
        tax: only(&settings.tax_rates, &line.tax_type),
        tax_amount: None,
        extra,
    }
}

/// The day of a document, or where its period is locked and the settings say so, the first day that is open.
pub(crate) fn dated(day: Date, open_from: Option<Date>) -> Date {
    open_from.map_or(day, |open| day.max(open))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::handler::tests::handler;

    const ID: &str = "bd2270c3-8706-4c11-9cfb-000b551c3f51";

    fn read(json: serde_json::Value) -> Option<Remote> {
        let settings = handler(json!({"number_prefix": "BM-", "accounts": {"gear": "260"}})).settings;
        remote(&settings, &serde_json::from_value::<Document>(json).unwrap())
    }

    #[test]
    fn an_invoice_is_read_with_its_own_day_its_lines_and_the_ledgers_own_balance() {
        let remote = read(json!({"InvoiceID": ID, "Type": "ACCREC", "InvoiceNumber": "BM-D-1042", "Status": "AUTHORISED",
            "Contact": {"ContactID": "c1", "Name": "x"}, "Date": "/Date(1539993600000+0000)/", "DueDate": "/Date(1541203200000)/",
            "LineAmountTypes": "Inclusive", "CurrencyCode": "EUR", "Total": 180.0, "AmountDue": 80, "AmountPaid": 100,
            "SentToContact": true, "UpdatedDateUTC": "/Date(1573755038314)/",
            "LineItems": [{"LineItemID": "l1", "Description": "Dive", "Quantity": 2, "UnitAmount": 90.0, "AccountCode": "260", "TaxType": "OUTPUT", "DiscountRate": 0}]}))
        .unwrap();
        assert_eq!(remote.id.as_str(), ID);
        let fields = Fields::from_record(&remote.fields).unwrap();
        assert_eq!((fields.number.as_deref(), fields.status), (Some("D-1042"), Some(InvoiceStatus::PartPaid)));
        assert_eq!((fields.date, fields.amount_due), (Some(jiff::civil::date(2018, 10, 20)), Some(80.into())));
        assert_eq!((fields.status_word.as_deref(), fields.sent), (Some("AUTHORISED"), Some(true)));
        let line = &fields.lines[0];
        assert_eq!(
            (line.key.as_deref(), line.line_type.as_deref(), line.discount_percent),
            (Some("l1"), Some("gear"), None)
        );
        assert_eq!(remote.version.unwrap().as_str(), "1573755038314");
    }

    #[test]
    fn a_credit_note_is_told_by_its_id_and_by_what_it_credits() {
        let note = json!({"CreditNoteID": ID, "Type": "ACCRECCREDIT", "CreditNoteNumber": "C-1", "Status": "PAID", "Total": 10,
            "RemainingCredit": 0, "Allocations": [{"Amount": 10, "Invoice": {"InvoiceID": "i1"}}]});
        let remote = read(note).unwrap();
        assert_eq!(own_id(&remote.id), (true, ID));
        let fields = Fields::from_record(&remote.fields).unwrap();
        assert_eq!((fields.kind, fields.amount_due), (Some(InvoiceKind::Credit), Some(Decimal::ZERO)));
        assert_eq!(fields.credits, Some(Ref::Foreign { resource: INVOICES, id: "i1".into() }));
    }

    #[test]
    fn statuses_are_told_as_they_are_and_suppliers_documents_are_none_of_ours() {
        let of = |status: &str, due: i64| {
            let remote =
                read(json!({"InvoiceID": ID, "Type": "ACCREC", "Status": status, "Total": 10, "AmountDue": due})).unwrap();
            (Fields::from_record(&remote.fields).unwrap().status, remote.state)
        };
        use InvoiceStatus as S;
        assert_eq!(of("DRAFT", 10), (Some(S::Draft), RemoteState::Live));
        assert_eq!(of("SUBMITTED", 10), (Some(S::Draft), RemoteState::Live));
        assert_eq!(of("AUTHORISED", 10), (Some(S::Open), RemoteState::Live));
        assert_eq!(of("AUTHORISED", 4), (Some(S::PartPaid), RemoteState::Live));
        assert_eq!(of("PAID", 0), (Some(S::Paid), RemoteState::Live));
        assert_eq!(of("VOIDED", 0), (Some(S::Void), RemoteState::Voided));
        assert_eq!(of("DELETED", 0), (Some(S::Void), RemoteState::Voided));
        assert_eq!(of("SOMETHING", 10), (None, RemoteState::Live));
        for kind in ["ACCPAY", "ACCPAYCREDIT", "APOVERPAYMENT"] {
            assert!(read(json!({"InvoiceID": ID, "Type": kind})).is_none());
        }
    }
}
