//! Payments and refunds.

use rust_decimal::Decimal;
use sync_core::{
    FieldName, Marker, NaturalKey, Ref, Remote, RemoteId, RemoteState,
    model::{Allocation, Model, Payment as Fields, PaymentKind, PaymentStatus},
};

use super::{invoice::document_id, present, version};
use crate::{
    date,
    descriptor::{CONTACTS, INVOICES, PAYMENTS},
    model::{Payment, real_id},
    settings::{DONT_SEND, XeroSettings},
};

/// Types of payments that are ours: of customers' documents.
const RECEIVED: &str = "ACCRECPAYMENT";
const REFUNDED: &str = "ARCREDITPAYMENT";

/// What stands before our marker in a payment's reference.
const SIGN: char = '#';

/// Members of what is remembered beside a payment: why it may not be touched.
pub(crate) const RECONCILED: &str = "reconciled";
pub(crate) const BATCH: &str = "batch";

/// A payment's reference as it is written: the processor's word, then our marker.
pub(crate) fn reference(word: Option<&str>, marker: &Marker) -> String {
    match word.map(str::trim).filter(|word| !word.is_empty()) {
        Some(word) => format!("{word} {SIGN}{marker}"),
        None => format!("{SIGN}{marker}"),
    }
}

/// The processor's word and our marker in a payment's reference.
pub(crate) fn read_reference(text: &str) -> (Option<String>, Option<Marker>) {
    let text = text.trim();
    if let Some((word, marker)) = text.rsplit_once(SIGN)
        && marker.len() == Marker::LEN
        && marker.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    {
        return (present(word), Some(Marker::new(marker)));
    }
    (present(text), None)
}

/// Names of the keys of payments: what a payment settles, and that it has settled all of it.
pub(crate) const SETTLES: &str = "settles";
pub(crate) const SETTLED: &str = "settled";

/// What a payment is found by: the document that it pays, and how much of it.
pub(crate) fn key(name: &'static str, document: &RemoteId, amount: Decimal) -> Option<NaturalKey> {
    NaturalKey::of(FieldName::from_static(name), &format!("{document}:{}", amount.normalize()))
}

/// The document that a key names.
pub(crate) fn document_of(key: &NaturalKey) -> Option<RemoteId> {
    key.value().rsplit_once(':').map(|(document, _)| RemoteId::new(document))
}

/// The payment as a record. `on` names the document where the payment itself doesn't; `None` for payments to suppliers.
pub(crate) fn remote(settings: &XeroSettings, payment: &Payment, on: Option<(&RemoteId, bool)>) -> Option<Remote> {
    let id = real_id(&payment.id)?;
    // A refund's credit note stands under `Invoice`: the example of GET Payments in Xero's OpenAPI document
    // (<https://github.com/XeroAPI/Xero-OpenAPI>, read 2026-11-22).
    let is_refund = payment.payment_type == REFUNDED;
    let own = match (real_id(&payment.credit_note.id), real_id(&payment.invoice.id)) {
        (Some(id), _) => Some((document_id(true, id), true)),
        (None, Some(id)) => Some((document_id(is_refund, id), is_refund)),
        (None, None) => None,
    };
    let (document, is_credit) = own.or_else(|| on.map(|(id, is_credit)| (id.clone(), is_credit)))?;
    let is_ours = match payment.payment_type.as_str() {
        RECEIVED => !is_credit,
        REFUNDED => is_credit,
        // Inside a document its payments don't say their type.
        "" => true,
        _ => false,
    };
    if !is_ours {
        return None;
    }
    let paid = if real_id(&payment.credit_note.id).is_some() { &payment.credit_note } else { &payment.invoice };
    let (word, marker) = read_reference(&payment.reference);
    let is_void = payment.status == "DELETED";
    let fields = Fields {
        kind: Some(if is_credit { PaymentKind::Refund } else { PaymentKind::Received }),
        customer: real_id(&paid.contact.id).map(|id| Ref::Foreign { resource: CONTACTS, id: RemoteId::new(id) }),
        date: date::day(&payment.date),
        currency: present(&paid.currency_code),
        amount: payment.amount,
        allocations: vec![Allocation {
            invoice: Some(Ref::Foreign { resource: INVOICES, id: document.clone() }),
            amount: payment.amount,
            ..Allocation::default()
        }],
        method: method(settings, payment),
        reference: word,
        status: Some(if is_void { PaymentStatus::Void } else { PaymentStatus::Settled }),
        status_word: present(&payment.status),
        ..Fields::default()
    };
    let mut record = fields.into_record();
    let mapped = settings.rules(&PAYMENTS).fields;
    record.retain(|field| mapped.contains(field));
    let mut remote = Remote::live(PAYMENTS, id, record);
    remote.version = version(&payment.updated);
    remote.changed_at = date::moment(&payment.updated);
    remote.marker = marker;
    if is_void {
        remote.state = RemoteState::Voided;
    } else {
        remote.keys = payment.amount.and_then(|amount| key(SETTLES, &document, amount)).into_iter().collect();
    }
    let is_batch = real_id(&payment.batch_payment_id).is_some() || real_id(&payment.batch_payment.id).is_some();
    if payment.is_reconciled || is_batch {
        remote.native = Some(serde_json::json!({RECONCILED: payment.is_reconciled, BATCH: is_batch}));
    }
    Some(remote)
}

/// The host's word for how it was paid, where only one goes to that account.
fn method(settings: &XeroSettings, payment: &Payment) -> Option<String> {
    let is_it = |account: &String| {
        account != DONT_SEND && (*account == payment.account.code || account.eq_ignore_ascii_case(&payment.account.id))
    };
    let mut methods = settings.payment_accounts.iter().filter(|(_, account)| is_it(account)).map(|(method, _)| method);
    methods.next().filter(|_| methods.next().is_none()).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::handler::tests::handler;

    const ID: &str = "bd2270c3-8706-4c11-9cfb-000b551c3f51";
    const MARKER: &str = "0123456789abcdef0123456789abcdef";

    fn read(json: serde_json::Value) -> Option<Remote> {
        let settings = handler(json!({"payment_accounts": {"card": "091", "cash": "880", "till": "880"}})).settings;
        remote(&settings, &serde_json::from_value::<Payment>(json).unwrap(), None)
    }

    #[test]
    fn a_reference_keeps_the_processors_word_and_our_marker_apart() {
        let marker = Marker::new(MARKER);
        assert_eq!(read_reference(&reference(Some(" ch_9 "), &marker)), (Some("ch_9".into()), Some(marker.clone())));
        assert_eq!(read_reference(&reference(None, &marker)), (None, Some(marker)));
        assert_eq!(read_reference("Booking #12"), (Some("Booking #12".into()), None));
        assert_eq!(read_reference(""), (None, None));
    }

    #[test]
    fn a_payment_is_read_with_its_document_its_method_and_whether_it_may_be_touched() {
        let payment = json!({"PaymentID": ID, "Date": "/Date(1539993600000)/", "Amount": 40.5, "Reference": format!("R-9 #{MARKER}"),
            "PaymentType": "ACCRECPAYMENT", "Status": "AUTHORISED", "IsReconciled": "true", "Account": {"AccountID": "a", "Code": "091"},
            "Invoice": {"InvoiceID": ID, "CurrencyCode": "EUR", "Contact": {"ContactID": ID}}, "BatchPayment": []});
        let remote = read(payment).unwrap();
        let fields = Fields::from_record(&remote.fields).unwrap();
        assert_eq!((fields.method.as_deref(), fields.reference.as_deref()), (Some("card"), Some("R-9")));
        assert_eq!(fields.allocations[0].invoice, Some(Ref::Foreign { resource: INVOICES, id: ID.into() }));
        assert_eq!(remote.marker.unwrap().as_str(), MARKER);
        assert_eq!(remote.native, Some(json!({"reconciled": true, "batch": false})));
        assert_eq!(remote.keys, [key(SETTLES, &ID.into(), "40.50".parse().unwrap()).unwrap()]);
        assert_eq!(document_of(&remote.keys[0]), Some(ID.into()));
    }

    #[test]
    fn refunds_are_of_credit_notes_and_payments_to_suppliers_are_none_of_ours() {
        let refund = json!({"PaymentID": ID, "Amount": 1, "PaymentType": "ARCREDITPAYMENT", "Status": "DELETED",
            "Invoice": [], "CreditNote": {"CreditNoteID": ID}, "Account": {"Code": "880"}});
        let remote = read(refund).unwrap();
        let fields = Fields::from_record(&remote.fields).unwrap();
        assert_eq!((fields.kind, fields.method), (Some(PaymentKind::Refund), None));
        assert_eq!((remote.state, remote.keys.len()), (RemoteState::Voided, 0));
        let refund = json!({"PaymentID": ID, "Amount": 1, "PaymentType": "ARCREDITPAYMENT", "Status": "AUTHORISED",
            "Invoice": {"Type": "ACCRECCREDIT", "InvoiceID": ID, "CurrencyCode": "EUR"}, "Account": {"Code": "880"}});
        let remote = read(refund).unwrap();
        let fields = Fields::from_record(&remote.fields).unwrap();
        assert_eq!((fields.kind, fields.currency.as_deref()), (Some(PaymentKind::Refund), Some("EUR")));
        assert_eq!(
            fields.allocations[0].invoice,
            Some(Ref::Foreign { resource: INVOICES, id: document_id(true, ID) }),
            "the credit note under the name of an invoice"
        );
        for kind in ["ACCPAYPAYMENT", "APCREDITPAYMENT", "ARPREPAYMENTPAYMENT"] {
            assert!(read(json!({"PaymentID": ID, "PaymentType": kind, "Invoice": {"InvoiceID": ID}})).is_none(), "{kind}");
        }
    }
}
