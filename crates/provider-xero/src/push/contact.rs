//! Contacts: a name or number that is taken is looked at before it is told.

use std::collections::HashMap;

use rust_decimal::Decimal;
use sync_core::{CallKey, Effect, Error, Owner, PartRef, Receipt, RemoteState, Result, Skip};

use super::{Pushing, Receipts, id_of, paired, version_of};
use crate::{
    client,
    error::{Cause, copy, parse_written, refused},
    find,
    mapping::{contact, version},
    model::{Contact, ContactWrite, Contacts, Element},
    text,
};

/// A contact on its way.
struct Going {
    part: usize,
    write: ContactWrite,
}

/// New contacts, in one call. Where a name or number is taken, a look tells whether the contact is ours.
pub(super) async fn create(pushing: &Pushing<'_>, parts: &[PartRef<'_>]) -> Result<Vec<Receipt>> {
    let mut receipts = Receipts::of(parts);
    let mut going = Vec::with_capacity(parts.len());
    for (part, one) in parts.iter().enumerate() {
        match contact::create(one.op) {
            Ok(write) => going.push(Going { part, write }),
            Err(error) => receipts.set(part, Receipt::Refused(error)),
        }
    }
    if going.is_empty() {
        return Ok(receipts.all());
    }
    let clashed = send(pushing, pushing.key.clone(), &going, true, &mut receipts).await?;
    if !clashed.is_empty() {
        let clashed: Vec<Going> = going.into_iter().filter(|one| clashed.contains(&one.part)).collect();
        settle_clashes(pushing, clashed, &mut receipts).await;
    }
    Ok(receipts.all())
}

/// Sends contacts, and returns the parts whose name or number is taken.
async fn send(
    pushing: &Pushing<'_>,
    key: CallKey,
    going: &[Going],
    is_new: bool,
    receipts: &mut Receipts,
) -> Result<Vec<usize>> {
    let writes: Vec<&ContactWrite> = going.iter().map(|one| &one.write).collect();
    let tenant = pushing.handler.tenant()?;
    let call =
        if is_new { client::create_contacts(tenant, key, &writes)? } else { client::update_contacts(tenant, key, &writes)? };
    let answer = pushing.cx.send(call).await?;
    let read: Contacts = parse_written(&answer, "contacts.write")?;
    let is_it = |element: &Contact, idx: usize| going.get(idx).is_some_and(|one| is_about(element, &one.write));
    let mut clashed = Vec::new();
    for (one, element) in going.iter().zip(paired(&read.contacts, going.len(), is_it)) {
        let Some(element) = element else { continue };
        if element.has_failed() {
            match Cause::of(element.complaints()) {
                Cause::NameTaken | Cause::NumberTaken => clashed.push(one.part),
                _ => receipts.set(one.part, Receipt::Refused(refused(element.complaints()))),
            }
        } else if let Some(receipt) = done(pushing, element) {
            receipts.set(one.part, receipt);
        }
    }
    Ok(clashed)
}

/// True when an answer's element is about this contact. A refused one may come without the id.
fn is_about(element: &Contact, write: &ContactWrite) -> bool {
    match (&write.contact_id, &write.contact_number) {
        (Some(id), _) => element.contact_id.eq_ignore_ascii_case(id),
        (None, Some(number)) if !element.contact_number.is_empty() => element.contact_number == *number,
        _ => write.name.as_deref().is_none_or(|name| element.name.is_empty() || element.name == name),
    }
}

fn done(pushing: &Pushing<'_>, contact: &Contact) -> Option<Receipt> {
    let after = contact::remote(&pushing.handler.settings, contact)?;
    Some(Receipt::Done {
        id: after.id.clone(),
        version: version(&contact.updated),
        after: Some(Box::new(after)),
        facts: None,
    })
}

/// What became of contacts whose name or number is taken: ours already, or somebody else's.
async fn settle_clashes(pushing: &Pushing<'_>, clashed: Vec<Going>, receipts: &mut Receipts) {
    let numbers: Vec<&str> = clashed.iter().filter_map(|one| one.write.contact_number.as_deref()).collect();
    let ours: HashMap<String, Contact> = match find::contacts_by_number(pushing.handler, pushing.cx, &numbers).await {
        Ok(found) => found.into_iter().map(|contact| (contact.contact_number.clone(), contact)).collect(),
        // Nothing was made: the engine looks, and decides again.
        Err(_) => {
            clashed.iter().for_each(|one| receipts.set(one.part, Receipt::Taken(None)));
            return;
        }
    };
    for one in clashed {
        let number = one.write.contact_number.as_deref().unwrap_or_default();
        match ours.get(number) {
            // Made by an attempt whose answer was lost.
            Some(contact) if contact::is_as_written(contact, &one.write) => {
                if let Some(receipt) = done(pushing, contact) {
                    receipts.set(one.part, receipt);
                }
            }
            Some(contact) => receipts.set(one.part, Receipt::Taken(Some(contact.contact_id.as_str().into()))),
            // The engine weighs what is there: somebody else's name goes into the next plan as taken.
            None => receipts.set(one.part, Receipt::Taken(None)),
        }
    }
}

/// With the customer's id behind the name.
fn told_apart(parts: &[PartRef<'_>], going: Going) -> Going {
    let local = parts.get(going.part).map(|part| &part.op.local);
    let name = going.write.name.as_deref().zip(local).map(|(name, local)| text::told_apart(name, local));
    Going { write: ContactWrite { name, ..going.write }, ..going }
}

/// Sends contacts once more, under names that tell them apart.
async fn again(pushing: &Pushing<'_>, going: Vec<Going>, receipts: &mut Receipts) {
    if going.is_empty() {
        return;
    }
    match send(pushing, pushing.second_key(), &going, false, receipts).await {
        Ok(clashed) => clashed.into_iter().for_each(|part| receipts.set(part, Receipt::Refused(name_taken()))),
        Err(error) => going.iter().for_each(|one| receipts.set(one.part, in_between(&error))),
    }
}

fn name_taken() -> Error {
    let words = crate::model::Complaint {
        message: "the contact name is already assigned, with the customer's id behind it too".into(),
    };
    refused(&[words])
}

/// Trouble that struck a second call, when the first was answered.
fn in_between(error: &Error) -> Receipt {
    if error.effect() == Effect::Unknown { Receipt::Uncertain(copy(error)) } else { Receipt::Refused(copy(error)) }
}

/// Known contacts: read just before, since Xero writes over what changed in the meantime.
pub(super) async fn update(pushing: &Pushing<'_>, parts: &[PartRef<'_>]) -> Result<Vec<Receipt>> {
    let mut receipts = Receipts::of(parts);
    let mut going = Vec::with_capacity(parts.len());
    for (part, fresh) in fresh(pushing, parts, &mut receipts).await? {
        let Some(one) = parts.get(part) else { continue };
        match contact::update(one.op, &fresh.contact_id.as_str().into()) {
            Ok(write) => going.push(Going { part, write }),
            Err(error) => receipts.set(part, Receipt::Refused(error)),
        }
    }
    if going.is_empty() {
        return Ok(receipts.all());
    }
    let clashed = send(pushing, pushing.key.clone(), &going, false, &mut receipts).await?;
    let apart = going.into_iter().filter(|one| clashed.contains(&one.part)).map(|one| told_apart(parts, one)).collect();
    again(pushing, apart, &mut receipts).await;
    Ok(receipts.all())
}

/// Contacts put away. One with an open balance stays.
pub(super) async fn archive(pushing: &Pushing<'_>, parts: &[PartRef<'_>]) -> Result<Vec<Receipt>> {
    let mut receipts = Receipts::of(parts);
    let mut going = Vec::new();
    for (part, one) in parts.iter().enumerate().zip(seen(pushing, parts).await?) {
        let (part, id) = (part.0, id_of(one.0));
        match (id, one.1) {
            (_, Some(fresh))
                if contact::remote(&pushing.handler.settings, &fresh)
                    .is_none_or(|there| there.state != RemoteState::Live) =>
            {
                if let Some(receipt) = done(pushing, &fresh) {
                    receipts.set(part, receipt);
                }
            }
            (_, Some(fresh)) if owes(&fresh) => receipts.set(part, Receipt::Skipped(open_balance())),
            (Some(id), Some(_)) => {
                let write = ContactWrite {
                    contact_id: Some(id.as_str().to_owned()),
                    contact_status: Some("ARCHIVED"),
                    ..ContactWrite::default()
                };
                going.push(Going { part, write });
            }
            // What isn't there is gone, which is what was wanted.
            (Some(id), None) => receipts.set(part, Receipt::Done { id, version: None, after: None, facts: None }),
            (None, _) => receipts.set(part, Receipt::Moved),
        }
    }
    if !going.is_empty() {
        send(pushing, pushing.key.clone(), &going, false, &mut receipts).await?;
    }
    Ok(receipts.all())
}

/// The contacts as they are now, where they are as they were decided on; others are told as moved.
async fn fresh(pushing: &Pushing<'_>, parts: &[PartRef<'_>], receipts: &mut Receipts) -> Result<Vec<(usize, Contact)>> {
    let mut all = Vec::with_capacity(parts.len());
    for (idx, (part, contact)) in seen(pushing, parts).await?.into_iter().enumerate() {
        let is_same =
            |contact: &Contact| version_of(part).is_none_or(|known| version(&contact.updated).as_ref() == Some(known));
        match contact {
            Some(contact) if is_same(&contact) => all.push((idx, contact)),
            _ => receipts.set(idx, Receipt::Moved),
        }
    }
    Ok(all)
}

/// Each part with its contact, read in one call.
async fn seen<'p, 'o>(pushing: &Pushing<'_>, parts: &'p [PartRef<'o>]) -> Result<Vec<(&'p PartRef<'o>, Option<Contact>)>> {
    let ids: Vec<_> = parts.iter().filter_map(id_of).collect();
    let mut seen = find::contacts_by_id(pushing.handler, pushing.cx, &ids).await?;
    Ok(parts.iter().map(|part| (part, id_of(part).and_then(|id| seen.remove(id.as_str())))).collect())
}

fn owes(contact: &Contact) -> bool {
    let balances = &contact.balances;
    balances.accounts_receivable.outstanding != Decimal::ZERO || balances.accounts_payable.outstanding != Decimal::ZERO
}

fn open_balance() -> Skip {
    Skip::new("open-balance", "the contact has an open balance in Xero, and is not archived").remedy(
        Owner::EndUserData,
        "Settle or write off what is open in Xero, then retry: it is archived with the sync after that.",
    )
}
