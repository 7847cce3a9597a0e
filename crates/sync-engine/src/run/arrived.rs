//! What a call did there although nobody answered it: it is ours, and no change that somebody made there. Both sides agreed on
//! it, whatever either says by now.

use std::collections::BTreeMap;

use sync_core::{
    ContainerId, FieldKind, Find, FindBy, Found, KeysOf, Marker, Matching, NaturalKey, Operation, Reason, Receipt, Record,
    Remote, RemoteId, RemoteState, Verb, Verdict,
};

use super::{
    ask::ResourceAsk,
    call,
    halt::Halt,
    observe::links_at,
    refs, remote,
    session::{Session, Settled},
};
use crate::{Base, Change, Link, LinkState, ReadyPart, plan};

/// Looks at what became of parts whose call is given back to planning. What is there as it was to be is agreed on; what is
/// there otherwise is left to planning, which compares it.
pub(crate) async fn agree(s: &Session<'_>, ask: &ResourceAsk, parts: &[&ReadyPart]) -> Result<(), Halt> {
    let (mut changes, replaced) = updated(s, ask, parts).await?;
    changes.extend(made(s, ask, parts, replaced).await?);
    s.commit(changes).await
}

/// Writes over a change there that did not meet what they were decided on: an attempt before may have carried them out without an
/// answer. What is there as it was to be is done, so that what it wrote over is told.
pub(crate) async fn after_all(
    s: &Session<'_>,
    ask: &ResourceAsk,
    parts: &[ReadyPart],
    receipts: &mut [Receipt],
) -> Result<(), Halt> {
    let of_part = |(idx, (part, receipt)): (usize, (&ReadyPart, &Receipt))| {
        let is_unsure = matches!(receipt, Receipt::Moved) && part.operation.reason == Reason::Settled;
        Some((idx, part.operation.before.as_ref().filter(|_| is_unsure)?.id.clone()))
    };
    let unsure: Vec<(usize, RemoteId)> = parts.iter().zip(receipts.iter()).enumerate().filter_map(of_part).collect();
    for chunk in unsure.chunks(ask.resource.find_max.max(1)) {
        let ids: Vec<RemoteId> = chunk.iter().map(|(_, id)| id.clone()).collect();
        let mut found = remote::look_up(s, ask, &ids).await?;
        refs::localize(s, found.iter_mut().flatten().map(|remote| &mut remote.fields)).await?;
        for ((idx, _), found) in chunk.iter().zip(found) {
            if let (Some(part), Some(receipt), Some(found)) = (parts.get(*idx), receipts.get_mut(*idx), found)
                && found.state == RemoteState::Live
                && is_as_sent(ask, &part.operation, &found)
            {
                let (id, version) = (found.id.clone(), found.version.clone());
                *receipt = Receipt::Done { id, version, after: Some(Box::new(found)), facts: None };
            }
        }
    }
    Ok(())
}

/// What is agreed on of updates, and those whose record was voided: another may have taken its place.
async fn updated<'p>(
    s: &Session<'_>,
    ask: &ResourceAsk,
    parts: &[&'p ReadyPart],
) -> Result<(Vec<Change>, Vec<&'p ReadyPart>), Halt> {
    let mut open: Vec<(&ReadyPart, Link)> = Vec::new();
    for part in parts.iter().filter(|part| part.operation.verb == Verb::Update) {
        let link = link_of(s, &part.operation).await?;
        open.extend(link.filter(|link| link.base.is_some() && link.remote.is_some()).map(|link| (*part, link)));
    }
    let (mut changes, mut replaced) = (Vec::new(), Vec::new());
    for chunk in open.chunks(ask.resource.find_max.max(1)) {
        let ids: Vec<RemoteId> = chunk.iter().filter_map(|(_, link)| link.remote.clone()).collect();
        let mut found = remote::look_up(s, ask, &ids).await?;
        refs::localize(s, found.iter_mut().flatten().map(|remote| &mut remote.fields)).await?;
        for ((part, link), found) in chunk.iter().zip(&found) {
            let (operation, mut link) = (&part.operation, link.clone());
            let (Some(found), Some(base)) = (found, link.base.as_mut()) else { continue };
            if found.state == RemoteState::Voided {
                replaced.push(*part);
                continue;
            }
            let arrived = as_sent(ask, operation, found);
            if arrived.iter().next().is_none() {
                continue;
            }
            let mut face = base.face().clone();
            for (field, shown) in arrived.iter() {
                face.set(field.clone(), shown.clone());
                if let Some(sent) = operation.fields.value(field.as_str()) {
                    base.local.set(field.clone(), sent.clone());
                }
            }
            base.remote = Some(face).filter(|face| *face != base.local);
            // A record that was changed back meanwhile differs from what is there now.
            link.hash = None;
            changes.push(Change::PutLink(link));
            if is_as_sent(ask, operation, found) {
                changes.extend(told(s, ask, operation, &found.id));
            }
        }
    }
    Ok((changes, replaced))
}

/// Creates that left a record there, found by our mark, or by what says that it is the same. Those of several parts go on
/// by planning, but for amendments: one that is there makes up for its change, whatever of it is still to be done.
/// `replaced`: updates that may have left one in the place of another.
async fn made(
    s: &Session<'_>,
    ask: &ResourceAsk,
    parts: &[&ReadyPart],
    replaced: Vec<&ReadyPart>,
) -> Result<Vec<Change>, Halt> {
    let is_whole = |part: &ReadyPart| {
        let operation = &part.operation;
        operation.verb == Verb::Create && operation.here.is_none() && (part.n_parts == 1 || operation.amends.is_some())
    };
    let mains = call::main_links(s, ask, parts.iter().map(|part| &part.operation)).await?;
    let mut by_container: BTreeMap<Option<ContainerId>, Vec<&ReadyPart>> = BTreeMap::new();
    let mut changes = Vec::new();
    for part in parts.iter().filter(|part| is_whole(part)) {
        let link = link_of(s, &part.operation).await?;
        match link.as_ref().and_then(|link| link.remote.clone()) {
            None => by_container.entry(part.operation.container.clone()).or_default().push(part),
            // Its first part was answered.
            Some(id) if link.is_some_and(|link| link.base.is_none()) => {
                let made = Remote::live(part.operation.resource.clone(), id, Record::new());
                changes.extend(call::main_after(ask, part, &mains));
                changes.push(Change::PutLink(link_made(s, ask, part, made)));
            }
            Some(_) => {}
        }
    }
    for part in replaced {
        by_container.entry(part.operation.container.clone()).or_default().push(part);
    }
    for (container, parts) in by_container {
        for chunk in parts.chunks(ask.resource.find_max.max(1)) {
            let mut found = find(s, ask, container.as_ref(), chunk).await?;
            refs::localize(s, found.iter_mut().flatten().map(|remote| &mut remote.fields)).await?;
            let ids: Vec<RemoteId> = found.iter().flatten().map(|remote| remote.id.clone()).collect();
            let mut holders = links_at(s, ask, None, &ids).await?.into_iter();
            for (part, found) in chunk.iter().zip(found) {
                let Some(found) = found else { continue };
                let is_made = part.operation.verb == Verb::Create || is_as_sent(ask, &part.operation, &found);
                if holders.next().flatten().is_none() && is_made {
                    changes.extend(told(s, ask, &part.operation, &found.id));
                    changes.extend(call::main_after(ask, part, &mains));
                    changes.push(Change::PutLink(link_made(s, ask, part, found)));
                }
            }
        }
    }
    Ok(changes)
}

async fn find(
    s: &Session<'_>,
    ask: &ResourceAsk,
    container: Option<&ContainerId>,
    parts: &[&ReadyPart],
) -> Result<Vec<Option<Remote>>, Halt> {
    let look = async |by: FindBy<'_>| {
        s.keep_lease().await?;
        let request = Find::new(&ask.resource.name, container, by);
        s.input.handler.find(&s.context(), request).await.map_err(|error| s.halt(error))
    };
    let one = |found: Found, part: &ReadyPart| match found {
        Found::One(remote) => {
            let is_ours = remote.marker.as_ref().is_none_or(|marker| *marker == part.operation.marker);
            // Voided or put away there since, it is what was made all the same, and planning hears of it as news.
            Some(*remote).filter(|remote| is_ours && !matches!(remote.state, RemoteState::MergedInto(_)))
        }
        _ => None,
    };
    let mut all: Vec<Option<Remote>> = parts.iter().map(|_| None).collect();
    if ask.resource.matching == Matching::Find || ask.rules.match_on.is_empty() {
        let markers: Vec<Marker> = parts.iter().map(|part| part.operation.marker.clone()).collect();
        for ((slot, found), part) in all.iter_mut().zip(look(FindBy::Markers(&markers)).await?).zip(parts) {
            *slot = one(found, part);
        }
    }
    let wanted = parts.iter().flat_map(|part| refs::locals(&part.operation.fields)).collect();
    let known = refs::linked(s, wanted).await?;
    let is_proof = |key: &NaturalKey| {
        let is_it = |evidence: &&sync_core::Evidence| evidence.keys.as_slice() == std::slice::from_ref(key.field());
        ask.rules.evidence.iter().filter(is_it).any(|evidence| evidence.verdict == Verdict::Same && evidence.near.is_none())
    };
    let mut keys: Vec<(usize, NaturalKey)> = Vec::new();
    for (idx, part) in parts.iter().enumerate().filter(|(idx, _)| all.get(*idx).is_some_and(Option::is_none)) {
        let of_it = s.input.handler.keys(KeysOf::new(&ask.resource.name, &part.operation.fields, &known));
        keys.extend(of_it.into_iter().find(is_proof).map(|key| (idx, key)));
    }
    if !keys.is_empty() {
        let asked: Vec<NaturalKey> = keys.iter().map(|(_, key)| key.clone()).collect();
        for ((idx, _), found) in keys.into_iter().zip(look(FindBy::Keys(&asked)).await?) {
            if let (Some(slot), Some(part)) = (all.get_mut(idx), parts.get(idx)) {
                *slot = one(found, part);
            }
        }
    }
    Ok(all)
}

fn link_made(s: &Session<'_>, ask: &ResourceAsk, part: &ReadyPart, found: Remote) -> Link {
    let operation = &part.operation;
    let local = operation.fields.clone();
    let mut face = local.clone();
    for (field, shown) in as_sent(ask, operation, &found).iter() {
        face.set(field.clone(), shown.clone());
    }
    let base = Base {
        remote: Some(face).filter(|face| *face != local),
        local,
        version: found.version,
        state: found.state,
        native: found.native,
        mapping: if ask.is_whole { ask.rules.mapping.clone() } else { Default::default() },
    };
    Link {
        account: s.account.clone(),
        resource: operation.resource.clone(),
        local: operation.local.clone(),
        role: operation.role.clone(),
        container: found.container.or_else(|| operation.container.clone()),
        remote: Some(found.id),
        state: LinkState::Live,
        key: part.key.clone(),
        hash: None,
        base: Some(base),
        call: None,
    }
}

/// It was done, and what was written over is told.
fn told(s: &Session<'_>, ask: &ResourceAsk, operation: &Operation, id: &RemoteId) -> Vec<Change> {
    let outcome = call::told(operation);
    let settled = Settled::new(&operation.resource, &operation.local, outcome);
    s.settle_item(Settled { remote: Some(id), keep_standing: !ask.is_whole, ..settled })
}

/// The fields of an operation that are there as they were to be, as they are shown there. Sets and consent merge by rules of
/// their own.
fn as_sent(ask: &ResourceAsk, operation: &Operation, found: &Remote) -> Record {
    let mut arrived = Record::new();
    for field in &operation.changed {
        let kind = ask.resource.field(field.as_str()).kind;
        let (sent, shown) = (operation.fields.value(field.as_str()), found.fields.value(field.as_str()));
        if let (false, Some(shown)) = (matches!(kind, FieldKind::OwnedSet | FieldKind::Consent), shown)
            && sent.is_some()
            && plan::same_as(kind, sent, Some(shown))
        {
            arrived.set(field.clone(), shown.clone());
        }
    }
    arrived
}

/// True when all of an operation is there as it was to be.
fn is_as_sent(ask: &ResourceAsk, operation: &Operation, found: &Remote) -> bool {
    let arrived = as_sent(ask, operation, found);
    operation.changed.iter().all(|field| arrived.value(field.as_str()).is_some())
}

async fn link_of(s: &Session<'_>, operation: &Operation) -> Result<Option<Link>, Halt> {
    let id = std::slice::from_ref(&operation.local);
    let links = s.engine.store.links_by_local(&s.scope, &s.account, &operation.resource, &operation.role, id).await;
    Ok(links.map_err(|error| s.halt(error))?.pop().flatten())
}
