//! Invoices and credit notes: made, changed where Xero lets it, made up for where it doesn't, voided.

use rust_decimal::Decimal;
use sync_core::{
    Amendment, Facts, Operation, Owner, Part, Prepare, Prepared, Ref, Remote, RemoteState, Result, Role, Skip, Value, Verb,
    model::{Invoice as Fields, InvoiceKind, InvoiceLine, InvoiceStatus, Model},
};

use crate::{
    descriptor::{INVOICES, KEYED},
    draft::{Draft, before_text, is_credit},
    handler::Handler,
    ledger::Ledger,
    mapping::invoice::dated,
    push::Step,
    totals,
};

/// Prepares an operation on a document.
pub(crate) fn prepare(handler: &Handler, request: Prepare<'_>) -> Result<Prepared> {
    let Prepare { facts, op, .. } = request;
    let draft = Draft::of(handler, facts, op)?;
    match op.verb {
        Verb::Create => create(&draft),
        Verb::Remove => Ok(void(op, Ledger(facts))),
        Verb::Update => update(&draft, request.amendment, request.is_amended),
    }
}

fn one(handler: &Handler, step: Step) -> Prepared {
    Prepared::Parts(vec![Part::new(0, step.group(), handler.config.batch_size, KEYED)])
}

fn create(draft: &Draft<'_>) -> Result<Prepared> {
    let (fields, settings) = (&draft.fields, &draft.handler.settings);
    let skip = |code, message: &str| Ok(Prepared::Skip(Skip::new(code, message)));
    if draft.is_cancelled() {
        return skip("cancelled", "it was called off before it was sent");
    }
    if fields.status == Some(InvoiceStatus::Draft) {
        return skip("not-issued", "it is not issued yet; it goes once it is");
    }
    let is_early = fields.date.zip(settings.start).is_some_and(|(day, start)| day < start);
    if is_early && draft.op.amends.is_none() {
        return skip("before-start", "it is older than the first day of this connection, and Xero has no such document");
    }
    if fields.customer.is_none() && settings.walk_in_contact.is_none() {
        return Ok(Prepared::Skip(Skip::new("no-customer", "it has no customer").remedy(
            Owner::EndUserData,
            "Give it a customer, or choose a contact for such sales under Settings > Xero > Contact of sales without a \
             customer. It goes with the sync after that.",
        )));
    }
    if !draft.ledger.has_currency(draft.currency.as_str()) {
        let words = crate::model::Complaint { message: "the currency is not among the organisation's".to_owned() };
        return Err(crate::error::refused(&[words]));
    }
    if draft.is_held() {
        return Ok(Prepared::Skip(locked(draft.ledger)));
    }
    draft.create()?;
    let step = if draft.is_credit() { Step::CreateCreditNotes } else { Step::CreateInvoices };
    let Prepared::Parts(mut parts) = one(draft.handler, step) else { return skip("nothing", "") };
    if draft.is_credit() && fields.credits.is_some() && settings.invoice_status.word() == "AUTHORISED" {
        parts.push(Part::new(1, Step::Allocate.group(), 1, KEYED));
    }
    Ok(Prepared::Parts(parts))
}

fn update(draft: &Draft<'_>, amendment: u32, is_amended: bool) -> Result<Prepared> {
    let op = draft.op;
    let Some(before) = op.before.as_deref() else { return Ok(Prepared::Parts(Vec::new())) };
    if draft.is_cancelled() {
        return Ok(void(op, draft.ledger));
    }
    if !draft.is_changed() {
        return Ok(Prepared::Parts(Vec::new()));
    }
    if before.state == RemoteState::Voided {
        return Ok(Prepared::Skip(
            Skip::new("voided", "it was voided in Xero, and voided documents can't be changed")
                .remedy(Owner::EndUserData, "Make a new document here, or leave it: nothing is changed in Xero."),
        ));
    }
    let day = before.fields.value("date").and_then(|value| match value {
        Value::Date(day) => Some(*day),
        _ => None,
    });
    let is_locked = day.is_some_and(|day| draft.ledger.is_locked(day));
    // What amendments made up for stays with them, also where the document could be changed again.
    let adds = is_amended && draft.is_money_changed();
    if is_open(before) && !is_locked && !adds {
        if draft.is_held() {
            return Ok(Prepared::Skip(locked(draft.ledger)));
        }
        // Refused while it can still be said which field is wrong.
        draft.update(before.id.as_str(), &[])?;
        let step = if draft.is_credit() { Step::UpdateCreditNotes } else { Step::UpdateInvoices };
        return Ok(one(draft.handler, step));
    }
    if draft.is_money_changed()
        && let Some(amendment) = amend(draft, before, amendment, is_locked, adds)?
    {
        return Ok(Prepared::Amend(Box::new(amendment)));
    }
    let why = if is_locked { "lies in a locked period" } else { "has payments, credits or amendments" };
    Ok(Prepared::Skip(Skip::new("cannot-change", format!("Xero does not let it be changed: it {why}")).remedy(
        Owner::EndUserData,
        "Change it in Xero, where that can be done. What it comes to is the same on both sides.",
    )))
}

/// True when Xero lets a document be changed: a draft, or one on which nothing was paid or credited.
pub(crate) fn is_open(before: &Remote) -> bool {
    let number = |field: &str| before.fields.value(field).and_then(Value::as_decimal);
    match before.fields.text("status_word") {
        Some("DRAFT" | "SUBMITTED") => true,
        Some("AUTHORISED") => number("amount_due").zip(number("total")).is_none_or(|(due, total)| due == total),
        // Nobody has read it yet: the call does, and says so.
        None => true,
        _ => false,
    }
}

/// A further invoice, or a credit note, that makes up for the difference.
fn amend(draft: &Draft<'_>, before: &Remote, number: u32, is_locked: bool, adds: bool) -> Result<Option<Amendment>> {
    let (Some(wanted), Some(was)) = (draft.fields.total, draft.agreed_total()) else { return Ok(None) };
    let was = was?;
    let off = wanted - was;
    if off.is_zero() || draft.is_credit() {
        return Ok(None);
    }
    let is_credit = off.is_sign_negative();
    let sign = if is_credit { Decimal::NEGATIVE_ONE } else { Decimal::ONE };
    let lines = differences(draft, sign)?;
    let fields = &draft.fields;
    // As it will be dated there: by its day too it is known again when its answer is lost.
    let day = draft.ledger.today().or(fields.date).map(|day| dated(day, draft.open_from()));
    let further = Fields {
        number: fields.number.as_ref().map(|known| format!("{known}/{number}")),
        kind: Some(if is_credit { InvoiceKind::Credit } else { InvoiceKind::Sale }),
        customer: fields.customer.clone(),
        date: day,
        due_date: fields.due_date.filter(|_| !is_credit).map(|due| day.map_or(due, |day| due.max(day))),
        currency: Some(draft.currency.as_str().to_owned()),
        amounts: Some(draft.mode().word()),
        lines,
        total: Some(off.abs()),
        reference: fields.reference.clone(),
        credits: is_credit.then(|| Ref::Foreign { resource: INVOICES, id: before.id.clone() }),
        ..Fields::default()
    };
    let (what, why) = (
        if is_credit { "a credit note" } else { "a further invoice" },
        match (is_locked, adds) {
            (true, _) => "its period is locked",
            (false, true) => "other documents make up for earlier changes",
            (false, false) => "it has payments or credits",
        },
    );
    Ok(Some(Amendment {
        role: Role::amendment(number),
        fields: further.into_record(),
        words: format!("the invoice is not changed in Xero, since {why}: {what} for the difference is made instead"),
    }))
}

/// One line for each line of the host's that comes to something else than before.
fn differences(draft: &Draft<'_>, sign: Decimal) -> Result<Vec<InvoiceLine>> {
    let empty = Vec::new();
    let before: Vec<InvoiceLine> = draft
        .op
        .agreed
        .get("lines")
        .map_or(&empty, |agreed| &agreed.here)
        .iter()
        .map(InvoiceLine::from_record)
        .collect::<Result<_>>()?;
    let amount = |line: &InvoiceLine| line.amount(draft.currency).unwrap_or_default();
    let is_same = |one: &InvoiceLine, other: &InvoiceLine| match (&one.key, &other.key) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.description == other.description && one.line_type == other.line_type,
        _ => false,
    };
    let mut lines = Vec::new();
    let mut push = |line: &InvoiceLine, off: Decimal| {
        if !off.is_zero() {
            lines.push(InvoiceLine {
                quantity: Some(Decimal::ONE),
                unit_amount: Some(off * sign),
                discount_percent: None,
                tax_amount: None,
                ..line.clone()
            });
        }
    };
    let mut used = vec![false; before.len()];
    for line in &draft.fields.lines {
        let was = before.iter().enumerate().position(|(idx, known)| !used[idx] && is_same(known, line));
        let known = was.and_then(|idx| {
            used[idx] = true;
            before.get(idx)
        });
        push(line, amount(line) - known.map(amount).unwrap_or_default());
    }
    for (line, _) in before.iter().zip(&used).filter(|(_, used)| !**used) {
        push(line, -amount(line));
    }
    Ok(lines)
}

/// Takes a document away: a draft is deleted, an open one voided, and one with payments stays.
fn void(op: &Operation, ledger: Ledger<'_>) -> Prepared {
    let Some(before) = op.before.as_deref() else { return Prepared::Parts(Vec::new()) };
    if before.state == RemoteState::Voided {
        return Prepared::Parts(Vec::new());
    }
    if !is_open(before) {
        return Prepared::Skip(Skip::new("has-payments", "it has payments or credits in Xero, and stays").remedy(
            Owner::EndUserData,
            "What is paid back goes as a credit and a refund. To void it, remove its payments in Xero first, then retry.",
        ));
    }
    let is_locked = matches!(before.fields.value("date"), Some(Value::Date(day)) if ledger.is_locked(*day));
    if is_locked && before_text(op, "status_word") == Some("AUTHORISED") {
        return Prepared::Skip(locked(ledger));
    }
    let step = if is_credit(op) { Step::VoidCreditNotes } else { Step::VoidInvoices };
    Prepared::Parts(vec![Part::new(0, step.group(), crate::config::MAX_BATCH_SIZE, KEYED).final_there()])
}

fn locked(ledger: Ledger<'_>) -> Skip {
    let until = ledger.locked_until().map(|day| format!(" up to {day}")).unwrap_or_default();
    Skip::new("locked-period", format!("its date lies in a period that is locked in Xero{until}")).remedy(
        Owner::EndUserData,
        "Move the lock date in Xero, or choose Settings > Xero > Locked periods > date on the first open day. Then retry it.",
    )
}

/// What a new document adds to an accountant's totals: each line, by month, account, tax and currency.
pub(crate) fn tally(handler: &Handler, facts: &Facts, op: &Operation) -> Vec<sync_core::Tally> {
    let Ok(draft) = Draft::of(handler, facts, op) else { return Vec::new() };
    let Ok(write) = draft.create() else { return Vec::new() };
    let (what, sign) = if draft.is_credit() { ("credit", Decimal::NEGATIVE_ONE) } else { ("invoice", Decimal::ONE) };
    let month = write.date.as_deref().and_then(|day| day.get(..7)).unwrap_or_default().to_owned();
    let of = |line: &crate::model::Line| {
        let account = draft.ledger.account(&line.account_code);
        let amount = totals::line_amount(line, draft.currency).unwrap_or_default();
        sync_core::Tally {
            key: sync_core::TallyKey {
                what: what.into(),
                month: month.clone(),
                account: account
                    .as_ref()
                    .map_or_else(|| line.account_code.clone(), |account| format!("{} {}", account.code, account.name)),
                tax: if line.tax_type.is_empty() {
                    account.map(|account| account.tax).unwrap_or_default()
                } else {
                    line.tax_type.clone()
                },
                currency: draft.currency.as_str().to_owned(),
            },
            amount: amount * sign,
        }
    };
    write.line_items.iter().map(of).collect()
}
