use jiff::civil::{Date, date};
use serde_json::{Value as Json, json};
use sync_core::{
    AgreedLines, EffectGrants, Error, ErrorKind, Facts, FieldName, LocalId, Marker, Operation, Part, Prepare, Prepared,
    Reason, Record, Ref, Remote, RemoteState, Result, Role, Value, Verb,
    model::{Invoice, InvoiceKind, InvoiceLine, InvoiceStatus, Model, Payment, PaymentStatus, TaxMode},
};

use super::*;
use crate::{handler::tests::handler, ledger};

const ID: &str = "bd2270c3-8706-4c11-9cfb-000b551c3f51";

/// Books in euros, with one tax of 21 %, locked up to the end of 2025.
fn facts() -> Facts {
    let account = |code: &str, kind: &str, tax: &str| crate::model::Account {
        account_id: format!("id-{code}"),
        code: code.into(),
        name: format!("Account {code}"),
        kind: kind.into(),
        tax_type: tax.into(),
        currency_code: if kind == "BANK" { "EUR".into() } else { String::new() },
        ..Default::default()
    };
    let rate = |name: &str, percent: i64| crate::model::TaxRate {
        tax_type: name.into(),
        effective_rate: percent.into(),
        ..Default::default()
    };
    let organisation = crate::model::Organisation {
        base_currency: "EUR".into(),
        period_lock_date: "2025-12-31".into(),
        ..Default::default()
    };
    ledger::facts(
        &organisation,
        &[
            account("200", "REVENUE", "OUTPUT"),
            account("260", "REVENUE", "OUTPUT"),
            account("860", "EXPENSE", "NONE"),
            account("091", "BANK", "NONE"),
        ],
        &[rate("OUTPUT", 21), rate("TAX001", 10), rate("NONE", 0)],
        &[crate::model::Currency { code: "EUR".into() }, crate::model::Currency { code: "USD".into() }],
        date(2026, 11, 22),
    )
}

fn settings(more: Json) -> Json {
    let mut all = json!({"account": "200", "accounts": {"gear": "260"}, "tax_rates": {"reduced": "TAX001"},
        "payment_accounts": {"card": "091", "voucher": "dont-send"}});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

fn line(key: &str, description: &str, amount: i64) -> InvoiceLine {
    InvoiceLine {
        key: Some(key.into()),
        description: Some(description.into()),
        quantity: Some(1.into()),
        unit_amount: Some(amount.into()),
        ..InvoiceLine::default()
    }
}

fn dive() -> Invoice {
    Invoice {
        number: Some("D-1042".into()),
        customer: Some(Ref::Foreign { resource: CONTACTS, id: "c1".into() }),
        date: Some(date(2026, 11, 1)),
        currency: Some("EUR".into()),
        amounts: Some(TaxMode::Inclusive),
        lines: vec![line("a", "Dive", 90), line("b", "Gear", 30)],
        total: Some(120.into()),
        ..Invoice::default()
    }
}

/// The invoice as Xero has it.
fn there(status: &str, due: i64, day: Date) -> Remote {
    let mut fields = dive().into_record();
    fields.set("status_word", Value::text(status));
    fields.set("amount_due", Value::Decimal(due.into()));
    fields.set("date", Value::Date(day));
    fields.set("lines", Value::List(lines_there()));
    Remote {
        state: if status == "VOIDED" { RemoteState::Voided } else { RemoteState::Live },
        ..Remote::live(INVOICES, ID, fields)
    }
}

fn lines_there() -> Vec<Record> {
    let line = |id: &str, description: &str, amount: i64| {
        Record::new()
            .with("key", Value::text(id))
            .with("description", Value::text(description))
            .with("quantity", Value::Decimal(1.into()))
            .with("unit_amount", Value::Decimal(amount.into()))
    };
    // In another order than they were sent.
    vec![line("l2", "Gear", 30), line("l1", "Dive", 90)]
}

fn op(resource: sync_core::ResourceName, verb: Verb, fields: Record, changed: &[&str], before: Option<Remote>) -> Operation {
    let mut op = Operation {
        id: "op".into(),
        resource,
        local: LocalId::from_static("1042"),
        role: Role::MAIN,
        container: None,
        verb,
        fields,
        changed: changed.iter().map(|field| FieldName::new(*field)).collect(),
        sets: Default::default(),
        before: before.map(Box::new),
        marker: Marker::from_static("0123456789abcdef0123456789abcdef"),
        open: Default::default(),
        here: None,
        agreed: Default::default(),
        amends: None,
        taken: Vec::new(),
        is_final: false,
        linked_as: None,
        reason: Reason::ChangedHere,
    };
    if op.before.is_some() {
        let here = dive().lines.into_iter().map(|line| Invoice { lines: vec![line], ..Invoice::default() }.into_record());
        let here = here.filter_map(|record| record.value("lines").and_then(Value::as_list)?.first().cloned()).collect();
        op.agreed.insert("lines".into(), AgreedLines { here, there: lines_there() });
    }
    op
}

fn prepared(with: Json, op: &Operation) -> Result<Prepared> {
    let (handler, facts) = (handler(settings(with)), facts());
    prepare(&handler, Prepare::new(&facts, &EffectGrants::none(), op))
}

fn create(with: Json, invoice: Invoice) -> Result<Prepared> {
    prepared(with, &op(INVOICES, Verb::Create, invoice.into_record(), &[], None))
}

fn update(with: Json, invoice: Invoice, changed: &[&str], before: Remote) -> Result<Prepared> {
    prepared(with, &op(INVOICES, Verb::Update, invoice.into_record(), changed, Some(before)))
}

fn groups(prepared: Result<Prepared>) -> Vec<String> {
    match prepared {
        Ok(Prepared::Parts(parts)) => parts.iter().map(|part: &Part| part.group.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

fn code(prepared: Result<Prepared>) -> String {
    match prepared {
        Ok(Prepared::Skip(skip)) => skip.code.into_owned(),
        other => panic!("{other:?}"),
    }
}

fn refusal(prepared: Result<Prepared>) -> Error {
    match prepared {
        Err(error) => {
            assert!(
                matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Refused) && error.remedy().is_some(),
                "{error:?}"
            );
            error
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn new_documents_share_calls_by_kind() {
    assert_eq!(groups(create(json!({}), dive())), ["invoices:create"]);
    let credit = Invoice { kind: Some(InvoiceKind::Credit), ..dive() };
    assert_eq!(groups(create(json!({}), credit.clone())), ["credit-notes:create"]);
    let of = Invoice { credits: Some(Ref::Foreign { resource: INVOICES, id: ID.into() }), ..credit };
    assert_eq!(groups(create(json!({}), of.clone())), ["credit-notes:create", "credit-notes:allocate"]);
    assert_eq!(
        groups(create(json!({"invoice_status": "draft"}), of)),
        ["credit-notes:create"],
        "a draft can't be set against anything"
    );
}

#[test]
fn what_is_no_document_yet_or_no_more_is_left_out_with_its_reason() {
    let cancelled = Invoice { cancelled_at: Some("2026-11-02T00:00:00Z".parse().unwrap()), ..dive() };
    assert_eq!(code(create(json!({}), cancelled)), "cancelled");
    assert_eq!(code(create(json!({}), Invoice { status: Some(InvoiceStatus::Void), ..dive() })), "cancelled");
    assert_eq!(code(create(json!({}), Invoice { status: Some(InvoiceStatus::Draft), ..dive() })), "not-issued");
    assert_eq!(code(create(json!({"start": "2026-11-02"}), dive())), "before-start");
    assert_eq!(code(create(json!({}), Invoice { customer: None, ..dive() })), "no-customer");
    assert_eq!(groups(create(json!({"walk_in_contact": ID}), Invoice { customer: None, ..dive() })), ["invoices:create"]);
}

#[test]
fn lines_that_do_not_add_up_an_unknown_currency_and_a_missing_account_are_one_items_matter() {
    assert!(refusal(create(json!({}), Invoice { total: Some(121.into()), ..dive() })).message().contains("add up"));
    assert!(refusal(create(json!({}), Invoice { currency: Some("GBP".into()), ..dive() })).message().contains("currency"));
    let none = handler(json!({}));
    let op = op(INVOICES, Verb::Create, dive().into_record(), &[], None);
    let facts = facts();
    assert!(refusal(prepare(&none, Prepare::new(&facts, &EffectGrants::none(), &op))).message().contains("account"));
    let taxed = Invoice { lines: vec![InvoiceLine { tax: Some("exotic".into()), ..line("a", "x", 120) }], ..dive() };
    assert!(refusal(create(json!({}), taxed)).message().contains("tax"));
    let five = Invoice {
        lines: vec![InvoiceLine { unit_amount: "1.00001".parse().ok(), ..line("a", "x", 1) }],
        total: None,
        ..dive()
    };
    assert!(refusal(create(json!({}), five)).message().contains("decimals"));
    for gone in
        [Invoice { number: None, ..dive() }, Invoice { date: None, ..dive() }, Invoice { lines: Vec::new(), ..dive() }]
    {
        refusal(create(json!({}), gone));
    }
}

#[test]
fn a_locked_period_holds_or_moves_the_day() {
    let old = Invoice { date: Some(date(2025, 12, 31)), ..dive() };
    assert_eq!(code(create(json!({}), old.clone())), "locked-period");
    let moved = handler(settings(json!({"locked": "date-first-open-day"})));
    let (facts, op) = (facts(), op(INVOICES, Verb::Create, old.into_record(), &[], None));
    let write = crate::draft::Draft::of(&moved, &facts, &op).unwrap().create().unwrap();
    assert_eq!((write.date.as_deref(), write.due_date.as_deref()), (Some("2026-01-01"), Some("2026-01-01")));
}

#[test]
fn a_document_goes_with_its_coding_and_is_never_marked_as_sent() {
    let with = json!({"number_prefix": "BM-", "due_days": 14, "tracking": {"cat": "opt"}, "branding_theme": ID});
    let invoice = Invoice {
        lines: vec![
            InvoiceLine {
                line_type: Some("gear".into()),
                tax: Some("reduced".into()),
                discount_percent: Some(10.into()),
                ..line("a", "Mask", 100)
            },
            InvoiceLine {
                description: None,
                quantity: "1.5".parse().ok(),
                unit_amount: "20.0001".parse().ok(),
                ..line("b", "", 0)
            },
        ],
        total: Some("120.00".parse().unwrap()),
        reference: Some(" Booking  7 ".into()),
        sent: Some(true),
        ..dive()
    };
    let (handler, facts) = (handler(settings(with)), facts());
    let op = op(INVOICES, Verb::Create, invoice.into_record(), &[], None);
    let draft = crate::draft::Draft::of(&handler, &facts, &op).unwrap();
    let write = serde_json::to_value(draft.create().unwrap()).unwrap();
    let tracking = json!([{"TrackingCategoryID": "cat", "TrackingOptionID": "opt"}]);
    assert_eq!(
        write,
        json!({"Type": "ACCREC", "InvoiceNumber": "BM-D-1042", "Date": "2026-11-01", "DueDate": "2026-11-15",
            "LineAmountTypes": "Inclusive", "Reference": "Booking 7", "BrandingThemeID": ID, "CurrencyCode": "EUR",
            "Status": "AUTHORISED", "LineItems": [
                {"Description": "Mask", "Quantity": 1, "UnitAmount": 100, "DiscountRate": 10, "AccountCode": "260",
                    "TaxType": "TAX001", "Tracking": tracking},
                {"Description": "Item", "Quantity": 1.5, "UnitAmount": 20.0001, "AccountCode": "200", "Tracking": tracking}]})
    );
    assert!(!write.to_string().contains("Sent"));
}

#[test]
fn an_open_document_is_changed_and_drafts_too() {
    let changed = Invoice { reference: Some("x".into()), ..dive() };
    for (status, due) in [("DRAFT", 120), ("SUBMITTED", 120), ("AUTHORISED", 120)] {
        let parts = update(json!({}), changed.clone(), &["reference"], there(status, due, date(2026, 11, 1)));
        assert_eq!(groups(parts), ["invoices:update"], "{status}");
    }
    assert!(
        groups(update(json!({}), dive(), &["due_date", "amount_due"], there("AUTHORISED", 120, date(2026, 11, 1))))
            .is_empty()
    );
}

#[test]
fn a_paid_or_locked_document_is_made_up_for_by_a_further_one() {
    let more = Invoice {
        lines: vec![line("a", "Dive", 90), line("b", "Gear", 45), line("c", "Photo", 5)],
        total: Some(140.into()),
        ..dive()
    };
    for (status, due, day) in
        [("PAID", 0, date(2026, 11, 1)), ("AUTHORISED", 60, date(2026, 11, 1)), ("AUTHORISED", 120, date(2025, 6, 1))]
    {
        let Ok(Prepared::Amend(amendment)) = update(json!({}), more.clone(), &["lines", "total"], there(status, due, day))
        else {
            panic!("{status}");
        };
        assert_eq!(amendment.role, Role::amendment(2));
        let further = Invoice::from_record(&amendment.fields).unwrap();
        assert_eq!((further.number.as_deref(), further.kind.clone()), (Some("D-1042/2"), Some(InvoiceKind::Sale)));
        assert_eq!((further.total, further.date), (Some(20.into()), Some(date(2026, 11, 22))));
        let lines: Vec<_> =
            further.lines.iter().map(|line| (line.description.clone().unwrap(), line.unit_amount.unwrap())).collect();
        assert_eq!(lines, [("Gear".to_owned(), 15.into()), ("Photo".to_owned(), 5.into())]);
        // The engine prepares it as a document of its own.
        let mut op = op(INVOICES, Verb::Create, amendment.fields.clone(), &[], None);
        op.role = amendment.role.clone();
        assert_eq!(groups(prepared(json!({}), &op)), ["invoices:create"]);
    }
}

#[test]
fn less_than_was_paid_is_a_credit_note_against_the_document() {
    let less = Invoice { lines: vec![line("a", "Dive", 80), line("b", "Gear", 35)], total: Some(115.into()), ..dive() };
    let Ok(Prepared::Amend(amendment)) = update(json!({}), less, &["lines", "total"], there("PAID", 0, date(2026, 11, 1)))
    else {
        panic!()
    };
    let credit = Invoice::from_record(&amendment.fields).unwrap();
    assert_eq!((credit.kind, credit.total), (Some(InvoiceKind::Credit), Some(5.into())));
    assert_eq!(credit.credits, Some(Ref::Foreign { resource: INVOICES, id: ID.into() }));
    let lines: Vec<_> = credit.lines.iter().map(|line| line.unit_amount.unwrap()).collect();
    assert_eq!(lines, [10.into(), (-5).into()]);
}

#[test]
fn words_of_a_paid_document_and_voided_ones_can_not_be_changed() {
    let changed = Invoice { reference: Some("x".into()), ..dive() };
    assert_eq!(
        code(update(json!({}), changed.clone(), &["reference"], there("PAID", 0, date(2026, 11, 1)))),
        "cannot-change"
    );
    assert_eq!(code(update(json!({}), changed, &["reference"], there("VOIDED", 0, date(2026, 11, 1)))), "voided");
}

#[test]
fn cancelled_unpaid_is_voided_and_paid_stays() {
    let cancelled = Invoice { cancelled_at: Some("2026-11-02T00:00:00Z".parse().unwrap()), ..dive() };
    let of =
        |status: &str, due| update(json!({}), cancelled.clone(), &["cancelled_at"], there(status, due, date(2026, 11, 1)));
    let Ok(Prepared::Parts(parts)) = of("AUTHORISED", 120) else { panic!() };
    assert_eq!((parts[0].group.as_ref(), parts[0].is_final), ("invoices:void", true));
    assert_eq!(groups(of("DRAFT", 120)), ["invoices:void"]);
    assert_eq!(code(of("PAID", 0)), "has-payments");
    assert!(groups(of("VOIDED", 0)).is_empty());
    let old = update(json!({}), cancelled, &["cancelled_at"], there("AUTHORISED", 120, date(2025, 6, 1)));
    assert_eq!(code(old), "locked-period");
}

#[test]
fn the_bookkeepers_coding_and_own_lines_survive_a_change_of_ours() {
    let more =
        Invoice { lines: vec![line("b", "Gear, large", 30), line("c", "Photo", 5)], total: Some(35.into()), ..dive() };
    let fresh: Vec<crate::model::Line> = serde_json::from_value(json!([
        {"LineItemID": "l2", "Description": "Gear", "Quantity": 1, "UnitAmount": 30, "AccountCode": "270", "TaxType": "TAX001",
            "TaxAmount": 2.73, "Tracking": [{"TrackingCategoryID": "t", "TrackingOptionID": "o"}]},
        {"LineItemID": "l1", "Description": "Dive", "Quantity": 1, "UnitAmount": 90, "AccountCode": "200"},
        {"LineItemID": "l9", "Description": "Late fee", "Quantity": 1, "UnitAmount": 7, "AccountCode": "400", "TaxType": "NONE"}]))
    .unwrap();
    let (handler, facts) = (handler(settings(json!({}))), facts());
    let op = op(
        INVOICES,
        Verb::Update,
        more.into_record(),
        &["lines", "total"],
        Some(there("AUTHORISED", 120, date(2026, 11, 1))),
    );
    let draft = crate::draft::Draft::of(&handler, &facts, &op).unwrap();
    let write = serde_json::to_value(draft.update(ID, &fresh).unwrap()).unwrap();
    assert_eq!(
        write["LineItems"],
        json!([
            {"LineItemID": "l2", "Description": "Gear, large", "Quantity": 1, "UnitAmount": 30, "AccountCode": "270", "TaxType": "TAX001",
                "Tracking": [{"TrackingCategoryID": "t", "TrackingOptionID": "o"}]},
            {"Description": "Photo", "Quantity": 1, "UnitAmount": 5, "AccountCode": "200"},
            {"LineItemID": "l9", "Description": "Late fee", "Quantity": 1, "UnitAmount": 7, "AccountCode": "400", "TaxType": "NONE"}])
    );
}

fn paid() -> Payment {
    Payment {
        date: Some(date(2026, 11, 2)),
        currency: Some("EUR".into()),
        amount: Some(40.into()),
        allocations: vec![sync_core::model::Allocation {
            invoice: Some(Ref::Foreign { resource: INVOICES, id: ID.into() }),
            ..Default::default()
        }],
        method: Some("card".into()),
        reference: Some("ch_9".into()),
        ..Payment::default()
    }
}

fn payment(with: Json, verb: Verb, fields: Payment, changed: &[&str], before: Option<Remote>) -> Result<Prepared> {
    prepared(with, &op(PAYMENTS, verb, fields.into_record(), changed, before))
}

fn booked(native: Option<Json>) -> Remote {
    Remote { native, ..Remote::live(PAYMENTS, ID, paid().into_record()) }
}

#[test]
fn a_payment_goes_to_the_account_of_its_method_and_others_are_left_out() {
    let new = |fields| payment(json!({}), Verb::Create, fields, &[], None);
    assert_eq!(groups(new(paid())), ["payments:create"]);
    assert_eq!(code(new(Payment { method: Some("voucher".into()), ..paid() })), "not-sent");
    assert_eq!(code(new(Payment { method: Some("cash".into()), ..paid() })), "no-payment-account");
    assert_eq!(code(new(Payment { method: None, ..paid() })), "no-payment-account");
    assert_eq!(code(new(Payment { status: Some(PaymentStatus::Pending), ..paid() })), "pending");
    assert_eq!(code(new(Payment { status: Some(PaymentStatus::Void), ..paid() })), "void");
    assert_eq!(code(new(Payment { allocations: Vec::new(), ..paid() })), "no-invoice");
    assert_eq!(code(new(Payment { currency: Some("USD".into()), ..paid() })), "other-currency");
    assert_eq!(code(new(Payment { date: Some(date(2025, 12, 31)), ..paid() })), "locked-period");
    let several = Payment { allocations: [paid().allocations, paid().allocations].concat(), ..paid() };
    assert_eq!(code(new(several)), "several-invoices");
    refusal(new(Payment { amount: Some(0.into()), ..paid() }));
    refusal(new(Payment { amount: "1.001".parse().ok(), ..paid() }));
}

#[test]
fn a_correction_is_taking_back_and_recording_anew() {
    let corrected = Payment { amount: Some(45.into()), ..paid() };
    let parts = payment(json!({}), Verb::Update, corrected, &["amount"], Some(booked(None)));
    let Ok(Prepared::Parts(parts)) = parts else { panic!("{parts:?}") };
    let of: Vec<_> = parts.iter().map(|part| (part.stage, part.group.to_string(), part.max)).collect();
    assert_eq!(of, [(0, format!("payments:delete:{ID}"), 1), (1, "payments:create".to_owned(), 50)]);
    assert!(groups(payment(json!({}), Verb::Update, paid(), &["reference"], Some(booked(None)))).is_empty());
    let void = Payment { status: Some(PaymentStatus::Void), ..paid() };
    assert_eq!(
        groups(payment(json!({}), Verb::Update, void, &["status"], Some(booked(None)))),
        [format!("payments:delete:{ID}")]
    );
}

#[test]
fn reconciled_and_batch_payments_are_never_touched() {
    for (native, expected) in [(json!({"reconciled": true}), "reconciled"), (json!({"batch": true}), "batch-payment")] {
        let before = Some(booked(Some(native)));
        let corrected = Payment { amount: Some(45.into()), ..paid() };
        assert_eq!(code(payment(json!({}), Verb::Update, corrected, &["amount"], before.clone())), expected);
        assert_eq!(code(payment(json!({}), Verb::Remove, paid(), &[], before)), expected);
    }
    let gone = Remote { state: RemoteState::Voided, ..booked(None) };
    assert!(groups(payment(json!({}), Verb::Remove, paid(), &[], Some(gone))).is_empty());
}

#[test]
fn totals_for_an_accountant_are_by_month_account_tax_and_currency() {
    let (handler, facts) = (handler(settings(json!({}))), facts());
    let of = |op: &Operation| {
        tally(&handler, &facts, op)
            .into_iter()
            .map(|tally| {
                format!(
                    "{} {} {} {} {} {}",
                    tally.key.what, tally.key.month, tally.key.account, tally.key.tax, tally.key.currency, tally.amount
                )
            })
            .collect::<Vec<_>>()
    };
    let invoice = Invoice {
        lines: vec![line("a", "Dive", 90), InvoiceLine { line_type: Some("gear".into()), ..line("b", "Gear", 30) }],
        ..dive()
    };
    assert_eq!(
        of(&op(INVOICES, Verb::Create, invoice.into_record(), &[], None)),
        ["invoice 2026-11 200 Account 200 OUTPUT EUR 90", "invoice 2026-11 260 Account 260 OUTPUT EUR 30"]
    );
    assert_eq!(
        of(&op(PAYMENTS, Verb::Create, paid().into_record(), &[], None)),
        ["payment 2026-11 091 Account 091  EUR 40"]
    );
}
