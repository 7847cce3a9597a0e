//! Payments: made and taken back. Xero does not let one be changed, so a correction is both, one after the other.

use sync_core::{
    Error, ErrorKind, Facts, Operation, Owner, Part, Prepare, Prepared, Reason, Remote, RemoteState, Result, Skip, Value,
    Verb,
    model::{Currency, Model, Payment as Fields, PaymentKind, PaymentStatus},
};

use crate::{
    descriptor::KEYED,
    handler::Handler,
    ledger::{AccountFact, Ledger},
    mapping::{
        invoice::dated,
        payment::{BATCH, RECONCILED},
    },
    push::Step,
    settings::{DONT_SEND, Locked},
    text::at_most,
};

/// Longest word of a processor that is written, in characters. Ours: the marker follows it, and people read it in lists.
const MAX_REFERENCE: usize = 200;

/// Prepares an operation on a payment.
pub(crate) fn prepare(handler: &Handler, request: Prepare<'_>) -> Result<Prepared> {
    let Prepare { facts, op, .. } = request;
    let state = op.before.as_ref().map(|before| &before.state);
    let is_gone = state == Some(&RemoteState::Voided);
    // After all that are taken back: what one pays no more may be what another pays now.
    let put = Part::new(1, Step::CreatePayments.group(), handler.config.batch_size, KEYED);
    let parts = match op.verb {
        Verb::Create => match plan(handler, facts, op)? {
            Plan::Skip(skip) => return Ok(Prepared::Skip(skip)),
            Plan::Go(_) => vec![put],
        },
        Verb::Remove if is_gone => Vec::new(),
        Verb::Remove => match untouchable(handler, facts, op.before.as_deref()) {
            Some(skip) => return Ok(Prepared::Skip(skip)),
            None => vec![delete(op)],
        },
        // What was there already stays as somebody entered it, wherever the money arrived and on which day.
        Verb::Update if op.reason == Reason::Matched || !is_corrected(op) => Vec::new(),
        Verb::Update => match (plan(handler, facts, op)?, untouchable(handler, facts, op.before.as_deref())) {
            // What counts no more here is taken back there.
            (Plan::Skip(skip), None) if skip.code == VOID && !is_gone => vec![delete(op)],
            (Plan::Skip(skip), _) => return Ok(Prepared::Skip(skip)),
            (Plan::Go(_), _) if is_gone => vec![put],
            (Plan::Go(_), Some(skip)) => return Ok(Prepared::Skip(skip)),
            (Plan::Go(_), None) => vec![delete(op), put],
        },
    };
    Ok(Prepared::Parts(parts))
}

/// The code of payments that count no more.
const VOID: &str = "void";

fn delete(op: &Operation) -> Part {
    let id = op.before.as_ref().map_or("", |before| before.id.as_str());
    Part::new(0, format!("{}:{id}", Step::DeletePayment.group()), 1, KEYED).final_there()
}

/// True when something changed that the payment there would have to say.
fn is_corrected(op: &Operation) -> bool {
    ["kind", "date", "currency", "amount", "allocations", "method", "status"].iter().any(|field| op.is_changed(field))
        || op.before.as_ref().is_some_and(|before| before.state == RemoteState::Voided)
}

/// Why a payment there may not be taken back.
pub(crate) fn untouchable(handler: &Handler, facts: &Facts, before: Option<&Remote>) -> Option<Skip> {
    let before = before?;
    let is = |name: &str| before.native.as_ref().and_then(|native| native.get(name)?.as_bool()).unwrap_or(false);
    let skip = |code, message: &str, remedy: &str| Some(Skip::new(code, message).remedy(Owner::EndUserData, remedy));
    if is(RECONCILED) {
        return skip(
            "reconciled",
            "the payment is reconciled with the bank in Xero, and stays",
            "Take the reconciliation back in Xero first, then retry it.",
        );
    }
    if is(BATCH) {
        return skip(
            "batch-payment",
            "the payment is part of a batch payment in Xero, and stays",
            "Change the batch payment in Xero.",
        );
    }
    match before.fields.value("date") {
        Some(Value::Date(day)) if Ledger(facts).is_locked(*day) => Some(locked(handler, Ledger(facts))),
        _ => None,
    }
}

/// A payment as it goes.
pub(crate) struct Going {
    pub(crate) fields: Fields,
    pub(crate) account: AccountFact,
    pub(crate) date: jiff::civil::Date,
    pub(crate) amount: rust_decimal::Decimal,
    pub(crate) currency: Currency,
}

/// What becomes of a payment.
pub(crate) enum Plan {
    Go(Box<Going>),
    Skip(Skip),
}

/// Decides whether a payment goes.
///
/// # Errors
/// [`ErrorKind::Invalid`] names the field and the remedy.
pub(crate) fn plan(handler: &Handler, facts: &Facts, op: &Operation) -> Result<Plan> {
    let ledger = Ledger(facts);
    let fields = Fields::from_record(&op.fields)?;
    let skip = |code, message: &str| Ok(Plan::Skip(Skip::new(code, message)));
    match &fields.status {
        Some(PaymentStatus::Pending) => {
            return skip("pending", "the money is announced and not there yet; it goes once it is");
        }
        Some(PaymentStatus::Void) => return skip(VOID, "the payment counts no more"),
        _ => {}
    }
    let missing = |field: &str| {
        Error::new(ErrorKind::Invalid, format!("the payment has no {field}"))
            .with_remedy(format!("Give the payment's {field}. It goes with the next sync."))
    };
    let date = fields.date.ok_or_else(|| missing("date"))?;
    let amount = fields.amount.ok_or_else(|| missing("amount"))?;
    if handler.settings.start.is_some_and(|start| date < start) {
        return skip("before-start", "it is older than the first day of this connection, and Xero has no such payment");
    }
    match &fields.allocations[..] {
        [] => {
            return Ok(Plan::Skip(Skip::new("no-invoice", "the payment is on no invoice").remedy(
                Owner::EndUserData,
                "Say which invoice it pays, the booking's for a deposit. It goes with the sync after that.",
            )));
        }
        [only] => {
            only.invoice.as_ref().ok_or_else(|| missing("invoice"))?;
        }
        _ => {
            return Ok(Plan::Skip(
                Skip::new("several-invoices", "the payment pays several documents at once")
                    .remedy(Owner::EndUserData, "Record one payment for each document. They go with the sync after that."),
            ));
        }
    }
    let amount = fields.allocations.first().and_then(|only| only.amount).unwrap_or(amount);
    let currency = Currency::parse(fields.currency.as_deref().or(ledger.currency()).unwrap_or("EUR"))?;
    if amount <= rust_decimal::Decimal::ZERO || !currency.is_exact(amount) {
        return Err(Error::new(ErrorKind::Invalid, "the payment's amount is none, or has more decimals than its currency")
            .with_remedy("Correct the amount; money paid back is a refund. It goes with the next sync."));
    }
    at_most(fields.reference.as_deref().unwrap_or_default(), MAX_REFERENCE, "reference")?;
    let settings = Owner::EndUserData;
    let method = fields.method.as_deref().unwrap_or_default();
    let account = match handler.settings.payment_accounts.get(method) {
        Some(account) if account == DONT_SEND => {
            return skip("not-sent", "payments by this method are not sent to Xero, as the settings say");
        }
        Some(account) => account,
        None => {
            return Ok(Plan::Skip(Skip::new("no-payment-account", "no account is chosen for its payment method").remedy(
                settings,
                "Choose where such money arrives, or dont-send, under Settings > Xero > Payment accounts. It goes with the \
                 sync after that.",
            )));
        }
    };
    let Some(account) = ledger.account(account) else {
        return Ok(Plan::Skip(Skip::new("no-payment-account", "the account of its payment method is gone in Xero").remedy(
            settings,
            "Choose another under Settings > Xero > Payment accounts. It goes with the sync after that.",
        )));
    };
    if !account.currency.is_empty() && account.currency != currency.as_str() {
        return Ok(Plan::Skip(
            Skip::new("other-currency", "the account of its payment method has another currency").remedy(
                settings,
                "Record the payment in Xero with the rate that the bank used; the invoice's state comes back by itself.",
            ),
        ));
    }
    if ledger.is_locked(date) && handler.settings.locked == Locked::Hold {
        return Ok(Plan::Skip(locked(handler, ledger)));
    }
    let open_from = Some(()).filter(|()| handler.settings.locked == Locked::DateFirstOpenDay).and(ledger.first_open_day());
    Ok(Plan::Go(Box::new(Going { account, date: dated(date, open_from), amount, currency, fields })))
}

fn locked(_: &Handler, ledger: Ledger<'_>) -> Skip {
    let until = ledger.locked_until().map(|day| format!(" up to {day}")).unwrap_or_default();
    Skip::new("locked-period", format!("its date lies in a period that is locked in Xero{until}")).remedy(
        Owner::EndUserData,
        "Move the lock date in Xero, or choose Settings > Xero > Locked periods > date on the first open day. Then retry it.",
    )
}

/// What a new payment adds to an accountant's totals.
pub(crate) fn tally(handler: &Handler, facts: &Facts, op: &Operation) -> Vec<sync_core::Tally> {
    let Ok(Plan::Go(going)) = plan(handler, facts, op) else { return Vec::new() };
    let is_refund = going.fields.kind == Some(PaymentKind::Refund);
    let key = sync_core::TallyKey {
        what: if is_refund { "refund" } else { "payment" }.into(),
        month: going.date.strftime("%Y-%m").to_string(),
        account: format!("{} {}", going.account.code, going.account.name).trim().to_owned(),
        tax: String::new(),
        currency: going.currency.as_str().to_owned(),
    };
    vec![sync_core::Tally { key, amount: if is_refund { -going.amount } else { going.amount } }]
}
