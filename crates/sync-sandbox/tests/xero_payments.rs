//! Payments, credit notes, batch payments. P stands for <https://developer.xero.com/documentation/api/accounting/payments>,
//! N for <https://developer.xero.com/documentation/api/accounting/creditnotes>, B for
//! <https://developer.xero.com/documentation/api/accounting/batchpayments>, spec for Xero's API description
//! (<https://github.com/XeroAPI/Xero-OpenAPI>).

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use support::xero::{Lab, ZERO, errors, sale, seed_of, shop};
use sync_sandbox::{SandboxOptions, XeroQuirks};

fn id<'v>(of: &'v Value, name: &str) -> &'v str {
    of[name].as_str().expect("an id")
}

/// A payment that was made.
fn paid(lab: &Lab, invoice: &Value, amount: f64) -> Value {
    let (status, answer) = lab.pay(invoice, amount);
    assert_eq!(status, 200, "{answer}");
    answer["Payments"][0].clone()
}

fn standing(lab: &Lab, number: &str) -> (String, Value, Value) {
    let invoice = lab.invoice_named(number);
    (id(&invoice, "Status").to_owned(), invoice["AmountPaid"].clone(), invoice["AmountDue"].clone())
}

// P, "PUT Payments"; T: PAID is set by Xero when nothing is due.
#[test]
fn balances_follow_payments_and_paid_is_set_by_the_service() {
    let lab = Lab::new();
    let invoice = lab.invoice(&sale("A-1"));
    let payment = paid(&lab, &invoice, 21.0);
    assert_eq!((payment["PaymentType"].as_str(), payment["Status"].as_str()), (Some("ACCRECPAYMENT"), Some("AUTHORISED")));
    assert_eq!(
        (&payment["Amount"], &payment["BankAmount"], &payment["Account"]["Code"]),
        (&json!(21.0), &json!(21.0), &json!("090"))
    );
    assert_eq!(standing(&lab, "A-1"), ("AUTHORISED".into(), json!(21.0), json!(100.0)));
    paid(&lab, &invoice, 100.0);
    assert_eq!(standing(&lab, "A-1"), ("PAID".into(), json!(121.0), json!(0.0)));
    let invoice = lab.invoice_named("A-1");
    assert_eq!(invoice["FullyPaidOnDate"], "/Date(1772323200000+0000)/", "the day of the last payment, today");
    assert_eq!(invoice["Payments"].as_array().map(Vec::len), Some(2));
    let (_, read) = lab.get(&format!("Payments/{}", id(&payment, "PaymentID")));
    assert_eq!(read["Payments"][0]["Invoice"]["InvoiceNumber"], "A-1");
}

// spec, example of PUT /Payments: "Payment amount exceeds the amount outstanding on this document".
#[test]
fn payments_that_make_no_sense_are_refused() {
    let lab = Lab::new();
    let invoice = lab.invoice(&sale("A-1"));
    let mut draft = sale("A-2");
    draft["Status"] = json!("DRAFT");
    lab.invoice(&draft);
    lab.act(json!({"do": "archive-account", "account": "091"}));
    let body = |changes: &Value| {
        let mut body =
            json!({"Invoice": {"InvoiceNumber": "A-1"}, "Account": {"Code": "090"}, "Amount": 1, "Date": "2026-03-01"});
        for (name, value) in changes.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    };
    for (changes, words) in [
        (json!({"Amount": 121.01}), "Payment amount exceeds the amount outstanding on this document"),
        (json!({"Amount": 0}), "Payment amount must be greater than 0"),
        (json!({"Amount": -5}), "Payment amount must be greater than 0"),
        (json!({"Invoice": {"InvoiceNumber": "A-2"}}), "Payments can only be made against Authorised documents"),
        (json!({"Invoice": {"InvoiceNumber": "A-9"}}), "The document to be paid could not be found"),
        (json!({"Invoice": null}), "The document to be paid could not be found"),
        (json!({"Account": {"Code": "999"}}), "The account could not be found"),
        (json!({"Account": null}), "The account could not be found"),
        (json!({"Account": {"Code": "200"}}), "Account is not of type BANK and payments to it are not enabled"),
        (json!({"Account": {"Code": "091"}}), "Account code '091' has been archived, or has been deleted."),
    ] {
        let (status, answer) = lab.put("Payments", &body(&changes));
        assert_eq!((status, errors(&answer)), (400, vec![words]), "{changes}");
        assert_eq!(answer["Elements"][0]["PaymentID"], ZERO);
    }
    // Payments may go to an account of another type where that is enabled.
    assert_eq!(lab.put("Payments", &body(&json!({"Account": {"Code": "880"}}))).0, 200);
    paid(&lab, &invoice, 120.0);
    let (_, answer) = lab.put("Payments", &body(&json!({})));
    assert_eq!(errors(&answer).len(), 2, "paid, and too much: {answer}");
    lab.act(json!({"do": "lock", "date": "2026-02-28"}));
    let (_, answer) = lab.put("Payments", &body(&json!({"Date": "2026-02-28"})));
    assert!(errors(&answer).iter().any(|one| one.contains("period lock date")), "{answer}");
    assert_eq!(lab.counts("payments"), 2);
    assert_eq!(lab.refused(), Vec::<String>::new());
}

// spec, example of PUT /Payments: errors without StatusAttributeString inside a 200.
#[test]
fn several_payments_go_each_for_itself_when_errors_are_not_summarized() {
    let body = json!({"Payments": [
        {"Invoice": {"InvoiceNumber": "A-1"}, "Account": {"Code": "090"}, "Amount": 21},
        {"Invoice": {"InvoiceNumber": "A-1"}, "Account": {"Code": "090"}, "Amount": 500},
    ]});
    for (is_bare, expected) in [(false, json!("ERROR")), (true, Value::Null)] {
        let quirks: XeroQuirks = serde_json::from_value(json!({"bare_payment_errors": is_bare})).expect("quirks");
        let lab = Lab::with(seed_of(shop()).with_quirks(quirks), SandboxOptions::default());
        lab.invoice(&sale("A-1"));
        assert_eq!(lab.put("Payments", &body).0, 400);
        assert_eq!(lab.counts("payments"), 0);
        let (status, answer) = lab.put("Payments?summarizeErrors=false", &body);
        let refused = &answer["Payments"][1];
        assert_eq!((status, &refused["StatusAttributeString"], errors(refused).len()), (200, &expected, 1));
        assert_eq!((&refused["HasValidationErrors"], &refused["PaymentID"]), (&json!(true), &json!(ZERO)));
        assert_eq!(lab.counts("payments"), 1);
    }
    let lab = Lab::new();
    assert_eq!(lab.post("Payments", &body).0, 400, "POST takes one");
    assert_eq!(lab.refused().len(), 1);
}

// spec, PaymentDelete; GitHub XeroAPI/xero-node issue 178: "Only Status accepted for updates."
#[test]
fn a_payment_is_deleted_and_nothing_else() {
    let lab = Lab::new();
    let invoice = lab.invoice(&sale("A-1"));
    let payment = paid(&lab, &invoice, 121.0);
    let path = format!("Payments/{}", id(&payment, "PaymentID"));
    for body in [json!({"Status": "DELETED", "Amount": 1}), json!({"Amount": 1}), json!({"Status": "AUTHORISED"}), json!({})]
    {
        let (status, answer) = lab.post(&path, &body);
        assert_eq!((status, errors(&answer)), (400, vec!["Only Status accepted for updates."]), "{body}");
    }
    let (status, answer) = lab.post(&path, &json!({"Status": "DELETED"}));
    assert_eq!((status, &answer["Payments"][0]["Status"]), (200, &json!("DELETED")));
    assert_eq!(standing(&lab, "A-1"), ("AUTHORISED".into(), json!(0.0), json!(121.0)), "it is due again");
    assert_eq!(lab.post(&path, &json!({"Status": "DELETED"})).0, 400, "once");
    assert_eq!(lab.get(&path).1["Payments"][0]["Status"], "DELETED", "it can still be read");
    assert_eq!(lab.post(&format!("Payments/{ZERO}"), &json!({"Status": "DELETED"})).0, 404);
    let payment = paid(&lab, &invoice, 5.0);
    lab.act(json!({"do": "reconcile-payment", "payment": payment["PaymentID"]}));
    assert_eq!(lab.post(&format!("Payments/{}", id(&payment, "PaymentID")), &json!({"Status": "DELETED"})).0, 400);
}

// I, "Updating an invoice"; GitHub XeroAPI/Xero-NetStandard issue 84; requests page: some edits do not touch UpdatedDateUTC.
#[test]
fn a_paid_invoice_takes_few_changes() {
    let lab = Lab::new();
    let invoice = lab.invoice(&sale("A-1"));
    let path = format!("Invoices/{}", id(&invoice, "InvoiceID"));
    let payment = paid(&lab, &invoice, 21.0);
    lab.clock.advance(Duration::from_secs(60));
    let words = "This document cannot be edited as it has a payment or credit note allocated to it.";
    for change in
        [json!({"Reference": "x"}), json!({"LineItems": []}), json!({"Status": "VOIDED"}), json!({"Date": "2026-03-02"})]
    {
        let (status, answer) = lab.post(&path, &change);
        assert!(status == 400 && errors(&answer).contains(&words), "{change}: {answer}");
    }
    let before = lab.invoice_named("A-1")["UpdatedDateUTC"].clone();
    let (status, answer) = lab.post(&path, &json!({"DueDate": "2026-05-01", "SentToContact": false}));
    let after = &answer["Invoices"][0];
    assert_eq!((status, &after["DueDateString"], &after["UpdatedDateUTC"]), (200, &json!("2026-05-01T00:00:00"), &before));
    paid(&lab, &invoice, 100.0);
    let (_, answer) = lab.post(&path, &json!({"DueDate": "2026-06-01"}));
    assert_eq!(errors(&answer).first(), Some(&"Invoice not of valid status for modification"));
    // Without payments it is open again.
    lab.act(json!({"do": "delete-payment", "payment": payment["PaymentID"]}));
    assert_eq!(standing(&lab, "A-1").0, "AUTHORISED");
}

// P, "BankAmount", "CurrencyRate": the amount is in the document's currency.
#[test]
fn a_payment_in_another_currency_has_a_bank_amount() {
    let lab = Lab::new();
    let mut foreign = sale("A-1");
    foreign["CurrencyCode"] = json!("USD");
    let invoice = lab.invoice(&foreign);
    let payment = paid(&lab, &invoice, 110.0);
    assert_eq!(
        (&payment["Amount"], &payment["BankAmount"], &payment["CurrencyRate"]),
        (&json!(110.0), &json!(100.0), &json!(1.1))
    );
    let body = json!({"Invoice": {"InvoiceNumber": "A-1"}, "Account": {"Code": "092"}, "Amount": 11});
    assert_eq!(lab.put("Payments", &body).1["Payments"][0]["BankAmount"], json!(11.0));
}

#[test]
fn the_bookkeeper_records_payments_by_hand() {
    let lab = Lab::new();
    lab.invoice(&sale("A-1"));
    lab.clock.advance(Duration::from_secs(3600));
    let since = "2026-03-01T12:30:00";
    lab.act(json!({"do": "record-payment", "invoice": "A-1", "date": "2026-02-27", "reference": "cash"}));
    let (_, answer) = lab.send_with(Method::GET, "Payments", &[("if-modified-since", since)], None);
    let payment = &answer["Payments"][0];
    assert_eq!(
        (&payment["Amount"], &payment["Reference"], &payment["Date"]),
        (&json!(121.0), &json!("cash"), &json!("/Date(1772150400000+0000)/"))
    );
    let (_, answer) = lab.send_with(Method::GET, "Invoices", &[("if-modified-since", since)], None);
    assert_eq!(answer["Invoices"][0]["Status"], "PAID");
}

fn credit(number: &str, status: &str) -> Value {
    json!({
        "Type": "ACCRECCREDIT", "CreditNoteNumber": number, "Contact": {"ContactNumber": "C-1"}, "Date": "2026-03-01", "Status": status,
        "LineItems": [{"Description": "Refund", "Quantity": 1, "UnitAmount": 100, "AccountCode": "200"}],
    })
}

fn credited(lab: &Lab, number: &str) -> Value {
    let (status, answer) = lab.put("CreditNotes", &credit(number, "AUTHORISED"));
    assert_eq!(status, 200, "{answer}");
    answer["CreditNotes"][0].clone()
}

// N, "PUT CreditNotes", "Allocations"; spec, examples of both.
#[test]
fn a_credit_note_pays_an_invoice_or_is_refunded() {
    let lab = Lab::new();
    let invoice = lab.invoice(&sale("A-1"));
    let note = credited(&lab, "CN-1");
    assert_eq!(
        (&note["Total"], &note["RemainingCredit"], &note["Status"]),
        (&json!(121.0), &json!(121.0), &json!("AUTHORISED"))
    );
    assert_eq!(note["ID"], note["CreditNoteID"]);
    let path = format!("CreditNotes/{}/Allocations", id(&note, "CreditNoteID"));
    let allocation = json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": 100, "Date": "2026-03-01"});
    let (status, answer) = lab.put(&path, &json!({"Allocations": [allocation]}));
    let made = &answer["Allocations"][0];
    assert_eq!(
        (status, &made["Amount"], &made["Invoice"]["InvoiceID"]),
        (200, &json!(100.0), &invoice["InvoiceID"]),
        "{answer}"
    );
    let after = lab.invoice_named("A-1");
    assert_eq!(
        (&after["AmountCredited"], &after["AmountDue"], &after["AmountPaid"]),
        (&json!(100.0), &json!(21.0), &json!(0.0))
    );
    assert_eq!(after["CreditNotes"][0]["AppliedAmount"], json!(100.0));
    let (_, answer) = lab.put(&path, &allocation);
    assert_eq!(errors(&answer).len(), 2, "more than is left on either side: {answer}");
    // The rest goes back to the customer.
    let refund = json!({"CreditNote": {"CreditNoteID": note["CreditNoteID"]}, "Account": {"Code": "090"}, "Amount": 21});
    let (status, answer) = lab.put("Payments", &refund);
    let refund = &answer["Payments"][0];
    assert_eq!((status, refund["PaymentType"].as_str()), (200, Some("ARCREDITPAYMENT")), "{answer}");
    assert_eq!((&refund["Invoice"]["Type"], &refund["Invoice"]["InvoiceNumber"]), (&json!("ACCRECCREDIT"), &json!("CN-1")));
    let (_, read) = lab.get(&format!("CreditNotes/{}", id(&note, "CreditNoteID")));
    assert_eq!(
        (&read["CreditNotes"][0]["Status"], &read["CreditNotes"][0]["RemainingCredit"]),
        (&json!("PAID"), &json!(0.0))
    );
    // What was allocated can be taken back.
    let (status, gone) = lab.send_with(Method::DELETE, &format!("{path}/{}", id(made, "AllocationID")), &[], None);
    assert_eq!((status, &gone["IsDeleted"]), (200, &json!(true)), "{gone}");
    assert_eq!(standing(&lab, "A-1"), ("AUTHORISED".into(), json!(0.0), json!(121.0)));
    assert_eq!(lab.get(&format!("CreditNotes/{}", id(&note, "CreditNoteID"))).1["CreditNotes"][0]["Status"], "AUTHORISED");
    assert_eq!(lab.refused(), Vec::<String>::new());
}

#[test]
fn credit_notes_and_allocations_that_make_no_sense_are_refused() {
    let lab = Lab::of(shop().with_contact(json!({"Name": "Ben", "ContactNumber": "C-2"})));
    let note = credited(&lab, "CN-1");
    assert_eq!(lab.put("CreditNotes", &credit("CN-1", "AUTHORISED")).0, 400, "the number is taken");
    let mut discounted = credit("CN-2", "DRAFT");
    discounted["LineItems"][0]["DiscountRate"] = json!(10);
    assert_eq!(
        errors(&lab.put("CreditNotes", &discounted).1),
        ["Discounts can only be applied to ACCREC invoices and quotes"]
    );
    let path = format!("CreditNotes/{}/Allocations", id(&note, "CreditNoteID"));
    let mut theirs = sale("A-1");
    theirs["Contact"] = json!({"ContactNumber": "C-2"});
    let mut foreign = sale("A-2");
    foreign["CurrencyCode"] = json!("USD");
    let mut draft = sale("A-3");
    draft["Status"] = json!("DRAFT");
    for (body, words) in [
        (theirs, "The credit note and the invoice must be of the same contact"),
        (foreign, "The credit note and the invoice must have the same currency"),
        (draft, "Allocations can only be made against Authorised documents"),
    ] {
        let invoice = lab.invoice(&body);
        let (status, answer) =
            lab.put(&path, &json!({"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": 1, "Date": "2026-03-01"}));
        assert_eq!((status, errors(&answer)), (400, vec![words]));
    }
    let unknown = json!({"Invoice": {"InvoiceID": ZERO}, "Amount": 1, "Date": "2026-03-01"});
    assert_eq!(lab.put(&path, &unknown).0, 400);
    assert_eq!(lab.put(&format!("CreditNotes/{ZERO}/Allocations"), &unknown).0, 404);
    let path = format!("CreditNotes/{}", id(&note, "CreditNoteID"));
    assert_eq!(lab.post(&path, &json!({"Status": "VOIDED"})).1["CreditNotes"][0]["Status"], "VOIDED");
    let (status, listed) = lab.get("CreditNotes?page=1&pageSize=10&order=UpdatedDateUTC%20ASC");
    assert_eq!((status, listed["CreditNotes"].as_array().map(Vec::len)), (200, Some(1)));
    assert_eq!(lab.get("Invoices?page=1").1["Invoices"].as_array().map(Vec::len), Some(3), "credit notes are no invoices");
}

// B: several invoices with one entry of the bank; its payments stand or fall together.
#[test]
fn payments_of_a_batch_are_deleted_with_it() {
    let lab = Lab::new();
    let invoices = [lab.invoice(&sale("A-1")), lab.invoice(&sale("A-2"))];
    let payments: Vec<Value> =
        invoices.iter().map(|one| json!({"Invoice": {"InvoiceID": one["InvoiceID"]}, "Amount": 121})).collect();
    let bank = lab.get("Accounts/090");
    assert_eq!(bank.0, 404, "accounts are read by id");
    let (_, accounts) = lab.get(&format!("Accounts?where={}", support::xero::escaped("Code==\"090\"")));
    let account = json!({"AccountID": accounts["Accounts"][0]["AccountID"]});
    let body = json!({"Account": account, "Date": "2026-03-01", "Reference": "till", "Payments": payments});
    let (status, answer) = lab.put("BatchPayments", &body);
    let batch = &answer["BatchPayments"][0];
    assert_eq!((status, batch["Type"].as_str(), &batch["TotalAmount"]), (200, Some("RECBATCH"), &json!(242.0)), "{answer}");
    assert_eq!(standing(&lab, "A-1").0, "PAID");
    let (_, listed) = lab.get("Payments");
    let payment = &listed["Payments"][0];
    assert_eq!(payment["BatchPaymentID"], batch["BatchPaymentID"]);
    assert_eq!(lab.post(&format!("Payments/{}", id(payment, "PaymentID")), &json!({"Status": "DELETED"})).0, 400);
    let path = format!("BatchPayments/{}", id(batch, "BatchPaymentID"));
    let (status, answer) = lab.post(&path, &json!({"Status": "DELETED"}));
    assert_eq!((status, &answer["BatchPayments"][0]["Status"]), (200, &json!("DELETED")), "{answer}");
    assert_eq!((standing(&lab, "A-1").0.as_str(), standing(&lab, "A-2").0.as_str()), ("AUTHORISED", "AUTHORISED"));
    let (_, listed) = lab.get("BatchPayments");
    assert_eq!(listed["BatchPayments"].as_array().map(Vec::len), Some(1));
    assert_eq!(lab.refused(), Vec::<String>::new());
}
