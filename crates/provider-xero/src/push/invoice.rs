//! Invoices and credit notes. A number that is taken is looked at before it is told; a document is read just before it is
//! changed.

use rust_decimal::Decimal;
use sync_core::{Effect, Error, ErrorKind, Owner, PartRef, Receipt, RemoteId, RemoteState, Result, Retry, Skip};

use super::{Pushing, Receipts, id_of, paired, version_of};
use crate::{
    client,
    draft::Draft,
    error::{Cause, copy, parse_written, refused},
    find,
    mapping::{
        invoice::{document_id, own_id, remote},
        version,
    },
    model::{AllocationWrite, AllocationsWrite, Document, DocumentWrite, Documents, Element, IdWrite},
    prepare,
};

/// A document on its way.
struct Going {
    part: usize,
    write: DocumentWrite,
    /// What it shall come to.
    total: Option<Decimal>,
}

/// New documents, in one call.
pub(super) async fn create(pushing: &Pushing<'_>, parts: &[PartRef<'_>], is_credit: bool) -> Result<Vec<Receipt>> {
    let mut receipts = Receipts::of(parts);
    let mut going = Vec::with_capacity(parts.len());
    for (part, one) in parts.iter().enumerate() {
        match created(pushing, one) {
            Ok((write, total)) => going.push(Going { part, write, total }),
            Err(error) => receipts.set(part, Receipt::Refused(error)),
        }
    }
    if going.is_empty() {
        return Ok(receipts.all());
    }
    let writes: Vec<&DocumentWrite> = going.iter().map(|one| &one.write).collect();
    let call = client::create_documents(pushing.handler.tenant()?, pushing.key.clone(), is_credit, &writes)?;
    let read: Documents = parse_written(&pushing.cx.send(call).await?, "documents.create")?;
    let is_it = |element: &Document, idx: usize| {
        let number = going.get(idx).and_then(|one| number(&one.write));
        element.number.is_empty() || number == Some(element.number.as_str())
    };
    let mut clashed = Vec::new();
    for (one, element) in going.iter().zip(paired(&read.documents, going.len(), is_it)) {
        let Some(element) = element else { continue };
        if element.has_failed() {
            match Cause::of(element.complaints()) {
                Cause::DocumentNumberTaken => clashed.push(one),
                _ => receipts.set(one.part, Receipt::Refused(refused(element.complaints()))),
            }
        } else if one.total.zip(element.total).is_some_and(|(wanted, made)| wanted != made) {
            receipts.set(one.part, Receipt::Refused(other_total()));
        } else if let Some(receipt) = done(pushing, element) {
            receipts.set(one.part, receipt);
        }
    }
    settle_clashes(pushing, &clashed, is_credit, &mut receipts).await;
    Ok(receipts.all())
}

fn created(pushing: &Pushing<'_>, part: &PartRef<'_>) -> Result<(DocumentWrite, Option<Decimal>)> {
    let draft = Draft::of(pushing.handler, pushing.facts, part.op)?;
    let contact = draft.contact(part.refs).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "the document's customer is not in Xero")
            .with_remedy("Sync the customer first. The document goes with the next sync.")
    })?;
    Ok((DocumentWrite { contact: Some(contact), ..draft.create()? }, draft.fields.total))
}

fn number(write: &DocumentWrite) -> Option<&str> {
    write.invoice_number.as_deref().or(write.credit_note_number.as_deref())
}

fn done(pushing: &Pushing<'_>, document: &Document) -> Option<Receipt> {
    let after = remote(&pushing.handler.settings, document)?;
    Some(Receipt::Done {
        id: after.id.clone(),
        version: version(&document.updated),
        after: Some(Box::new(after)),
        facts: None,
    })
}

/// What is there under a number of ours: made by an attempt whose answer was lost, or somebody else's.
async fn settle_clashes(pushing: &Pushing<'_>, clashed: &[&Going], is_credit: bool, receipts: &mut Receipts) {
    let numbers: Vec<&str> = clashed.iter().filter_map(|one| number(&one.write)).collect();
    if numbers.is_empty() {
        return;
    }
    let Ok(found) = find::documents_by_number(pushing.handler, pushing.cx, is_credit, &numbers).await else {
        clashed.iter().for_each(|one| receipts.set(one.part, Receipt::Taken(None)));
        return;
    };
    for one in clashed {
        let is_it =
            |document: &&Document| number(&one.write).is_some_and(|number| document.number.eq_ignore_ascii_case(number));
        let same: Vec<&Document> = found.iter().filter(is_it).collect();
        let ours = same.iter().find(|document| is_as_written(document, one));
        let receipt = match (ours, &same[..]) {
            (Some(document), _) => done(pushing, document),
            (None, [only]) => Some(Receipt::Taken(Some(document_id(is_credit, &only.id)))),
            (None, _) => Some(Receipt::Taken(None)),
        };
        if let Some(receipt) = receipt {
            receipts.set(one.part, receipt);
        }
    }
}

/// True when a document that is there is what this call would have made.
fn is_as_written(document: &Document, one: &Going) -> bool {
    let write = &one.write;
    let contact = write.contact.as_ref().and_then(|contact| contact.contact_id.as_deref()).unwrap_or_default();
    let is_dated = crate::date::day(&document.date).map(|day| day.to_string()) == write.date;
    let is_total = one.total.zip(document.total).is_none_or(|(wanted, made)| wanted == made);
    let says = |line: &crate::model::Line| {
        (
            line.description.clone(),
            line.quantity.map(|number| number.normalize()),
            line.unit_amount.map(|number| number.normalize()),
        )
    };
    document.contact.id.eq_ignore_ascii_case(contact)
        && is_dated
        && is_total
        && write.currency_code.as_deref() == Some(document.currency_code.as_str())
        && !matches!(document.status.as_str(), "VOIDED" | "DELETED")
        && document.line_items.iter().map(says).eq(write.line_items.iter().map(says))
}

/// Known documents. What was paid, voided or changed meanwhile is decided on again.
pub(super) async fn update(pushing: &Pushing<'_>, parts: &[PartRef<'_>], is_credit: bool) -> Result<Vec<Receipt>> {
    let mut receipts = Receipts::of(parts);
    let mut going = Vec::with_capacity(parts.len());
    for (part, (one, fresh)) in parts.iter().zip(seen(pushing, parts).await?).enumerate() {
        let Some(fresh) = fresh.filter(|fresh| is_as_known(one, fresh)) else {
            receipts.set(part, Receipt::Moved);
            continue;
        };
        match changed(pushing, one, &fresh) {
            Ok(write) => going.push(Going { part, write, total: None }),
            Err(error) => receipts.set(part, Receipt::Refused(error)),
        }
    }
    send(pushing, going, is_credit, &mut receipts).await?;
    Ok(receipts.all())
}

fn changed(pushing: &Pushing<'_>, part: &PartRef<'_>, fresh: &Document) -> Result<DocumentWrite> {
    let draft = Draft::of(pushing.handler, pushing.facts, part.op)?;
    let mut write = draft.update(&fresh.id, &fresh.line_items)?;
    if part.op.is_changed("customer") {
        write.contact = draft.contact(part.refs);
    }
    Ok(write)
}

/// True when a document is as it was when the change was decided on.
fn is_as_known(part: &PartRef<'_>, fresh: &Document) -> bool {
    version_of(part).is_none_or(|known| version(&fresh.updated).as_ref() == Some(known))
}

async fn send(pushing: &Pushing<'_>, going: Vec<Going>, is_credit: bool, receipts: &mut Receipts) -> Result<()> {
    if going.is_empty() {
        return Ok(());
    }
    let writes: Vec<&DocumentWrite> = going.iter().map(|one| &one.write).collect();
    let call = client::update_documents(pushing.handler.tenant()?, pushing.key.clone(), is_credit, &writes)?;
    let read: Documents = parse_written(&pushing.cx.send(call).await?, "documents.update")?;
    let id = |one: &Going| one.write.invoice_id.clone().or_else(|| one.write.credit_note_id.clone()).unwrap_or_default();
    let is_it = |element: &Document, idx: usize| going.get(idx).is_some_and(|one| element.id.eq_ignore_ascii_case(&id(one)));
    for (one, element) in going.iter().zip(paired(&read.documents, going.len(), is_it)) {
        let Some(element) = element else { continue };
        if element.has_failed() {
            let receipt = match Cause::of(element.complaints()) {
                // Paid or voided between the look and the write: it is decided on again.
                Cause::Status => Receipt::Moved,
                _ => Receipt::Refused(refused(element.complaints())),
            };
            receipts.set(one.part, receipt);
        } else if let Some(receipt) = done(pushing, element) {
            receipts.set(one.part, receipt);
        }
    }
    Ok(())
}

/// Documents taken away, as their status lets it.
pub(super) async fn void(pushing: &Pushing<'_>, parts: &[PartRef<'_>], is_credit: bool) -> Result<Vec<Receipt>> {
    let mut receipts = Receipts::of(parts);
    let mut going = Vec::new();
    for (part, (one, fresh)) in parts.iter().zip(seen(pushing, parts).await?).enumerate() {
        let Some(id) = id_of(one) else {
            receipts.set(part, Receipt::Moved);
            continue;
        };
        let there = fresh.as_ref().and_then(|fresh| Some((fresh, remote(&pushing.handler.settings, fresh)?)));
        match there {
            // What isn't there is gone, which is what was wanted.
            None => receipts.set(part, Receipt::Done { id, version: None, after: None, facts: None }),
            Some((fresh, there)) if there.state == RemoteState::Voided => {
                if let Some(receipt) = done(pushing, fresh) {
                    receipts.set(part, receipt);
                }
            }
            Some((_, there)) if !prepare::invoice::is_open(&there) => receipts.set(part, Receipt::Skipped(has_payments())),
            Some((fresh, _)) => {
                let status = if fresh.status == "AUTHORISED" { "VOIDED" } else { "DELETED" };
                let own = own_id(&id).1.to_owned();
                let write = DocumentWrite {
                    invoice_id: (!is_credit).then(|| own.clone()),
                    credit_note_id: is_credit.then_some(own),
                    status: Some(status),
                    ..DocumentWrite::default()
                };
                going.push(Going { part, write, total: None });
            }
        }
    }
    send(pushing, going, is_credit, &mut receipts).await?;
    Ok(receipts.all())
}

/// A credit note set against the invoice that it credits, as far as that is open.
pub(super) async fn allocate(pushing: &Pushing<'_>, parts: &[PartRef<'_>]) -> Result<Vec<Receipt>> {
    let mut receipts = Receipts::of(parts);
    for (part, one) in parts.iter().enumerate() {
        let receipt = allocated(pushing, one).await?;
        receipts.set(part, receipt);
    }
    Ok(receipts.all())
}

async fn allocated(pushing: &Pushing<'_>, part: &PartRef<'_>) -> Result<Receipt> {
    let Some(note) = id_of(part) else { return Ok(Receipt::Moved) };
    let draft = Draft::of(pushing.handler, pushing.facts, part.op)?;
    let Some(invoice) = draft.fields.credits.as_ref().and_then(|to| part.refs.of(to)).cloned() else {
        return Ok(Receipt::done(note));
    };
    let seen = find::documents_by_id(pushing.handler, pushing.cx, &[note.clone(), invoice.clone()]).await?;
    let (Some(there), Some(open)) = (seen.get(note.as_str()), seen.get(invoice.as_str())) else { return Ok(Receipt::Moved) };
    let amount = there.remaining_credit.unwrap_or_default().min(open.amount_due.unwrap_or_default());
    // Set against it already, or nothing is open on it: what is left of the note is paid out as a refund.
    if amount <= Decimal::ZERO || open.status != "AUTHORISED" {
        return Ok(done(pushing, there).unwrap_or_else(|| Receipt::Uncertain(crate::error::unanswered())));
    }
    let date = crate::date::day(&there.date).map(|day| day.to_string()).unwrap_or_default();
    let to = IdWrite { invoice: Some(own_id(&invoice).1.to_owned()), ..IdWrite::default() };
    let body = AllocationsWrite { allocations: vec![AllocationWrite { invoice: to, amount, date }] };
    let call = client::allocate(pushing.handler.tenant()?, pushing.key.clone(), own_id(&note).1, &body)?;
    match pushing.cx.send(call).await {
        // The note itself changed by it: what it is now is read with the next look.
        Ok(_) => Ok(Receipt::Done { id: note, version: None, after: None, facts: None }),
        Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Invalid) => Ok(Receipt::Refused(copy(&error))),
        Err(error) => Err(error),
    }
}

/// Each part with its document, read in one call.
async fn seen(pushing: &Pushing<'_>, parts: &[PartRef<'_>]) -> Result<Vec<Option<Document>>> {
    let ids: Vec<RemoteId> = parts.iter().filter_map(id_of).collect();
    let mut seen = find::documents_by_id(pushing.handler, pushing.cx, &ids).await?;
    Ok(parts.iter().map(|part| id_of(part).and_then(|id| seen.remove(id.as_str()))).collect())
}

fn has_payments() -> Skip {
    Skip::new("has-payments", "it has payments or credits in Xero, and stays").remedy(
        Owner::EndUserData,
        "What is paid back goes as a credit and a refund. To void it, remove its payments in Xero first, then retry.",
    )
}

/// It was computed beforehand, and came out otherwise.
fn other_total() -> Error {
    Error::new(ErrorKind::Refused, "Xero made the document with another total than it has here")
        .with_retry(Retry::Never)
        .with_effect(Effect::None)
        .with_remedy(
            "Void the document of this number in Xero, and correct tax rates or lines. It is looked at again with the next \
             change.",
        )
}
