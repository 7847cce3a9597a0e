//! Payments: made in batches, taken back one by one.

use std::collections::HashMap;

use sync_core::{ErrorKind, Found, Marker, Owner, PartRef, Receipt, RemoteId, RemoteState, Result, Skip, Value, Verb};

use super::{Pushing, Receipts, id_of, paired};
use crate::{
    client,
    descriptor::FIND_MAX,
    error::{Cause, copy, parse_written, refused, unanswered},
    find,
    ledger::Ledger,
    mapping::{invoice::own_id, payment, version},
    model::{Document, Element, IdWrite, Payment, PaymentWrite, Payments},
    prepare::payment::{Going as Planned, Plan, plan, untouchable},
};

/// A payment on its way.
struct Going {
    part: usize,
    document: RemoteId,
    write: PaymentWrite,
    /// Where it isn't the currency of the books.
    foreign: Option<String>,
}

/// New payments, in one call.
pub(super) async fn create(pushing: &Pushing<'_>, parts: &[PartRef<'_>]) -> Result<Vec<Receipt>> {
    let mut receipts = Receipts::of(parts);
    let mut going = Vec::with_capacity(parts.len());
    for (part, one) in parts.iter().enumerate() {
        match made(pushing, one, part) {
            Ok(Ok(one)) => going.push(one),
            Ok(Err(receipt)) => receipts.set(part, receipt),
            Err(error) => receipts.set(part, Receipt::Refused(error)),
        }
    }
    adopt_corrections(pushing, parts, &mut going, &mut receipts).await?;
    hold_other_currencies(pushing, &mut going, &mut receipts).await?;
    if going.is_empty() {
        return Ok(receipts.all());
    }
    let writes: Vec<&PaymentWrite> = going.iter().map(|one| &one.write).collect();
    let call = client::create_payments(pushing.handler.tenant()?, pushing.key.clone(), &writes)?;
    let read: Payments = parse_written(&pushing.cx.send(call).await?, "payments.create")?;
    let is_it = |element: &Payment, idx: usize| {
        let reference = going.get(idx).map(|one| one.write.reference.as_str());
        element.reference.is_empty() || reference == Some(element.reference.as_str())
    };
    for (one, element) in going.iter().zip(paired(&read.payments, going.len(), is_it)) {
        let Some(element) = element else { continue };
        if element.has_failed() {
            let receipt = match Cause::of(element.complaints()) {
                Cause::Status => Receipt::Skipped(waits(pushing)),
                _ => Receipt::Refused(refused(element.complaints())),
            };
            receipts.set(one.part, receipt);
        } else if let Some(after) = read_back(pushing, element, &one.document) {
            receipts.set(one.part, after);
        }
    }
    Ok(receipts.all())
}

fn made(pushing: &Pushing<'_>, part: &PartRef<'_>, idx: usize) -> Result<std::result::Result<Going, Receipt>> {
    let planned = match plan(pushing.handler, pushing.facts, part.op)? {
        Plan::Go(planned) => *planned,
        Plan::Skip(skip) => return Ok(Err(Receipt::Skipped(skip))),
    };
    let Planned { fields, account, date, amount, currency } = planned;
    let to = fields.allocations.first().and_then(|only| only.invoice.as_ref());
    // Its invoice was there when this was planned: it is decided on again.
    let Some(document) = to.and_then(|to| part.refs.of(to)).cloned() else { return Ok(Err(Receipt::Moved)) };
    let (is_credit, own) = own_id(&document);
    let named = Some(own.to_owned());
    let write = PaymentWrite {
        invoice: (!is_credit).then(|| IdWrite { invoice: named.clone(), ..IdWrite::default() }),
        credit_note: is_credit.then(|| IdWrite { credit_note: named, ..IdWrite::default() }),
        account: IdWrite { account: Some(account.id), ..IdWrite::default() },
        date: date.to_string(),
        amount,
        reference: payment::reference(fields.reference.as_deref(), &part.op.marker),
    };
    let base = Ledger(pushing.facts).currency();
    let foreign = Some(currency.as_str()).filter(|code| base != Some(code)).map(str::to_owned);
    Ok(Ok(Going { part: idx, document, write, foreign }))
}

/// A corrected payment is linked with the one that was taken back, so nothing else tells whether its new one was recorded by
/// a call that nobody answered and whose key is forgotten: it is looked for first.
async fn adopt_corrections(
    pushing: &Pushing<'_>,
    parts: &[PartRef<'_>],
    going: &mut Vec<Going>,
    receipts: &mut Receipts,
) -> Result<()> {
    let op = |one: &Going| parts.get(one.part).map(|part| part.op).filter(|op| op.verb == Verb::Update);
    let corrected: Vec<(usize, Marker)> = going.iter().filter_map(|one| Some((one.part, op(one)?.marker.clone()))).collect();
    let mut known: HashMap<usize, Receipt> = HashMap::new();
    for chunk in corrected.chunks(FIND_MAX) {
        let markers: Vec<Marker> = chunk.iter().map(|(_, marker)| marker.clone()).collect();
        let found = find::by_reference(pushing.handler, pushing.cx, &markers).await?;
        for ((part, _), found) in chunk.iter().zip(found) {
            match found {
                Found::One(there) if there.state == RemoteState::Live => {
                    known.insert(*part, Receipt::Taken(Some(there.id.clone())));
                    let is_it = going.iter().find(|one| one.part == *part).is_some_and(|one| {
                        there.fields.value("amount") == Some(&Value::Decimal(one.write.amount))
                            && matches!(there.fields.value("date"), Some(Value::Date(day)) if day.to_string() == one.write.date)
                    });
                    if is_it {
                        let (id, version) = (there.id.clone(), there.version.clone());
                        known.insert(*part, Receipt::Done { id, version, after: Some(there), facts: None });
                    }
                }
                Found::Many(_) => {
                    known.insert(*part, Receipt::Taken(None));
                }
                _ => {}
            }
        }
    }
    going.retain(|one| match known.remove(&one.part) {
        Some(receipt) => {
            receipts.set(one.part, receipt);
            false
        }
        None => true,
    });
    Ok(())
}

/// A payment takes its invoice's currency in Xero, whatever was meant: one in another currency is held.
async fn hold_other_currencies(pushing: &Pushing<'_>, going: &mut Vec<Going>, receipts: &mut Receipts) -> Result<()> {
    let asked: Vec<RemoteId> = going.iter().filter(|one| one.foreign.is_some()).map(|one| one.document.clone()).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let seen: HashMap<String, Document> = find::documents_by_id(pushing.handler, pushing.cx, &asked).await?;
    going.retain(|one| {
        let there = seen.get(one.document.as_str()).map(|document| document.currency_code.as_str());
        let is_same = one.foreign.as_deref().is_none_or(|code| there.is_none_or(|there| there == code));
        if !is_same {
            let skip = Skip::new("other-currency", "the payment has another currency than its invoice").remedy(
                Owner::EndUserData,
                "Record the payment in Xero with the rate that the bank used; the invoice's state comes back by itself.",
            );
            receipts.set(one.part, Receipt::Skipped(skip));
        }
        is_same
    });
    Ok(())
}

fn read_back(pushing: &Pushing<'_>, payment: &Payment, document: &RemoteId) -> Option<Receipt> {
    let is_credit = own_id(document).0;
    let after = payment::remote(&pushing.handler.settings, payment, Some((document, is_credit)))?;
    Some(Receipt::Done {
        id: after.id.clone(),
        version: version(&payment.updated),
        after: Some(Box::new(after)),
        facts: None,
    })
}

/// Payments taken back: read just before, since what is reconciled, part of a batch or in a locked period stays.
pub(super) async fn delete(pushing: &Pushing<'_>, parts: &[PartRef<'_>]) -> Result<Vec<Receipt>> {
    let mut receipts = Receipts::of(parts);
    // The engine sends groups of one; should it ever send more, the others are not dropped silently.
    for (part, one) in parts.iter().enumerate() {
        let receipt = if part == 0 { deleted(pushing, one).await? } else { Receipt::Moved };
        receipts.set(part, receipt);
    }
    Ok(receipts.all())
}

async fn deleted(pushing: &Pushing<'_>, part: &PartRef<'_>) -> Result<Receipt> {
    let Some(id) = part.op.before.as_ref().map(|before| before.id.clone()).or_else(|| id_of(part)) else {
        return Ok(Receipt::Moved);
    };
    let seen = find::payments_by_id(pushing.handler, pushing.cx, std::slice::from_ref(&id)).await?;
    let Some(there) = seen.get(id.as_str()) else { return Ok(Receipt::done(id)) };
    if let Some(remote) = payment::remote(&pushing.handler.settings, there, None) {
        if remote.state == RemoteState::Voided {
            return Ok(Receipt::done(id));
        }
        // Decided on again, with what is known now.
        if untouchable(pushing.handler, pushing.facts, Some(&remote)).is_some() {
            return Ok(Receipt::Moved);
        }
    }
    let call = client::delete_payment(pushing.handler.tenant()?, pushing.key.clone(), id.as_str())?;
    match pushing.cx.send(call).await {
        Ok(answer) => {
            let read: Payments = parse_written(&answer, "payments.delete")?;
            match read.payments.first() {
                Some(element) if element.has_failed() => Ok(Receipt::Refused(refused(element.complaints()))),
                Some(element) if element.id().is_some() => Ok(Receipt::done(id)),
                _ => Ok(Receipt::Uncertain(unanswered())),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Receipt::done(id)),
        Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Invalid) => Ok(Receipt::Refused(copy(&error))),
        Err(error) => Err(error),
    }
}

/// A draft takes no payments: they wait until a person approves it.
fn waits(pushing: &Pushing<'_>) -> Skip {
    let again = pushing.cx.now.checked_add(jiff::SignedDuration::from_hours(24)).unwrap_or(pushing.cx.now);
    Skip::new("waits-for-invoice", "its invoice takes no payments in Xero yet: it is a draft, or it is paid or voided")
        .remedy(
            Owner::EndUserData,
            "Approve the invoice in Xero. The payment is tried again after a day, and when it is retried.",
        )
        .until(again)
}
