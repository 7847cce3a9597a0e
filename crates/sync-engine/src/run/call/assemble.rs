//! What parts need just before they are written: links, fresh versions, references.

use std::collections::{BTreeMap, HashMap};

use sync_core::{
    CallKey, ContainerId, Find, FindBy, Found, Hash, LocalId, Operation, Refs, RemoteId, Role, RunId, UpdateNeeds, Verb,
};

use super::super::{
    ask::ResourceAsk,
    halt::Halt,
    refs,
    session::{Session, Settled},
};
use super::{Again, Batch, Sent, hold};
use crate::{Link, LinkState, ReadyPart};

/// Reads what the parts need just before writing: links, fresh versions, references.
pub(super) async fn assemble<'a>(
    s: &Session<'_>,
    ask: &'a ResourceAsk,
    run: &'a RunId,
    parts: Vec<ReadyPart>,
    sent: &mut Sent,
) -> Result<Option<Batch<'a>>, Halt> {
    let mut batch =
        Batch { ask, run, links: Vec::new(), fresh: Vec::new(), refs: Vec::new(), parts: Vec::new(), is_resend: false };
    let parts = with_fresh_counts(s, run, parts).await?;
    let ids: Vec<LocalId> = parts.iter().map(|part| part.operation.local.clone()).collect();
    let is_first_create = |part: &ReadyPart| part.operation.verb == Verb::Create && part.part_idx == 0;
    let links = if parts.iter().all(is_first_create) {
        parts.iter().map(|_| None).collect()
    } else {
        links(s, ask, &parts, &ids).await?
    };
    let mut fresh: HashMap<RemoteId, Found> = HashMap::new();
    if ask.resource.update_needs != UpdateNeeds::Nothing {
        let mut remote: BTreeMap<Option<ContainerId>, Vec<RemoteId>> = BTreeMap::new();
        for (part, link) in parts.iter().zip(&links) {
            if part.operation.verb != Verb::Create
                && part.part_idx == 0
                && let Some(id) = remote_of(part, link.as_ref())
            {
                let lies_in = part.operation.before.as_ref().and_then(|before| before.container.clone());
                remote.entry(lies_in.or_else(|| part.operation.container.clone())).or_default().push(id);
            }
        }
        for (container, ids) in remote {
            for chunk in ids.chunks(ask.resource.find_max.max(1)) {
                s.keep_lease().await?;
                let request = Find::new(&ask.resource.name, container.as_ref(), FindBy::Ids(chunk));
                let found = s.input.handler.find(&s.context(), request).await.map_err(|error| s.halt(error))?;
                fresh.extend(chunk.iter().cloned().zip(found));
            }
        }
    }
    let wanted = parts.iter().flat_map(|part| refs::locals(&part.operation.fields)).collect();
    let known = refs::linked(s, wanted).await?;
    let mut held = Vec::new();
    for (part, link) in parts.into_iter().zip(links) {
        let found = remote_of(&part, link.as_ref()).and_then(|id| fresh.remove(&id));
        let read = match found {
            Some(Found::One(remote)) => {
                let known = part.operation.before.as_ref().and_then(|before| before.version.as_ref());
                if known.is_some() && remote.version.as_ref() != known {
                    // It changed there since it was planned.
                    held.extend(hold(&part, run));
                    sent.again.push((part.operation.local.clone(), Again::Moved));
                    continue;
                }
                Some(remote)
            }
            Some(Found::Absent | Found::Gone) if part.operation.verb != Verb::Remove => {
                held.extend(hold(&part, run));
                sent.again.push((part.operation.local.clone(), Again::Moved));
                continue;
            }
            _ => None,
        };
        if part.part_idx == 0 && s.is_to_be_weighed_again(ask, &part.operation) {
            held.extend(hold(&part, run));
            sent.again.push((part.operation.local.clone(), Again::Moved));
            continue;
        }
        match refs::missing(&known, &part.operation.fields).filter(|_| part.operation.verb != Verb::Remove) {
            None => {
                batch.refs.push(refs_of(&known, &part));
                batch.parts.push(part);
                batch.links.push(link);
                batch.fresh.push(read);
            }
            Some((collection, id)) => {
                let outcome = refs::blocked(s, collection.as_str(), id.as_str());
                held.extend(hold(&part, run));
                held.extend(s.settle_item(Settled::new(&ask.resource.name, &part.operation.local, outcome)));
            }
        }
    }
    s.commit(held).await?;
    Ok((!batch.parts.is_empty()).then_some(batch))
}

/// Parts of operations with several open parts, as they stand now: others may have been done since the page was read.
pub(super) async fn with_fresh_counts(
    s: &Session<'_>,
    run: &RunId,
    mut parts: Vec<ReadyPart>,
) -> Result<Vec<ReadyPart>, Halt> {
    let several: Vec<u64> = parts.iter().filter(|part| part.n_open > 1).map(|part| part.seq).collect();
    if several.is_empty() {
        return Ok(parts);
    }
    let counts = s.engine.store.open_parts(&s.scope, run, &several).await.map_err(|error| s.halt(error))?;
    for (part, n_open) in parts.iter_mut().filter(|part| part.n_open > 1).zip(counts) {
        // None for an operation that was dropped meanwhile: it goes by what was read.
        if n_open > 0 {
            part.n_open = n_open;
        }
    }
    Ok(parts)
}

pub(super) async fn links(
    s: &Session<'_>,
    ask: &ResourceAsk,
    parts: &[ReadyPart],
    ids: &[LocalId],
) -> Result<Vec<Option<Link>>, Halt> {
    let mut links: Vec<Option<Link>> = parts.iter().map(|_| None).collect();
    let mut roles: Vec<_> = parts.iter().map(|part| part.operation.role.clone()).collect();
    roles.sort();
    roles.dedup();
    for role in roles {
        let found = s
            .engine
            .store
            .links_by_local(&s.scope, &s.account, &ask.resource.name, &role, ids)
            .await
            .map_err(|error| s.halt(error))?;
        for ((slot, part), link) in links.iter_mut().zip(parts).zip(found) {
            if part.operation.role == role {
                *slot = link;
            }
        }
    }
    Ok(links)
}

/// The remote record of a part: of its link, or, before there is one, the match that was planned.
pub(super) fn remote_of(part: &ReadyPart, link: Option<&Link>) -> Option<RemoteId> {
    link.and_then(|link| link.remote.clone()).or_else(|| part.operation.before.as_ref().map(|before| before.id.clone()))
}

/// A part's references, of all that are known.
pub(super) fn refs_of(known: &Refs, part: &ReadyPart) -> Refs {
    let mut refs = Refs::new();
    for (collection, id) in refs::locals(&part.operation.fields) {
        if let Some(remote) = known.remote(&collection, &id) {
            let remote = remote.clone();
            refs.insert(collection, id, remote);
        }
    }
    refs
}

/// The main links of records for whose changes parts make up.
pub(crate) async fn main_links(
    s: &Session<'_>,
    ask: &ResourceAsk,
    operations: impl Iterator<Item = &Operation>,
) -> Result<Vec<Link>, Halt> {
    let ids: Vec<LocalId> =
        operations.filter(|operation| operation.amends.is_some()).map(|operation| operation.local.clone()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let links = s.engine.store.links_by_local(&s.scope, &s.account, &ask.resource.name, &Role::MAIN, &ids).await;
    Ok(links.map_err(|error| s.halt(error))?.into_iter().flatten().collect())
}

pub(super) fn open_link(s: &Session<'_>, part: &ReadyPart, key: &CallKey) -> Link {
    Link {
        account: s.account.clone(),
        resource: part.operation.resource.clone(),
        local: part.operation.local.clone(),
        role: part.operation.role.clone(),
        container: part.operation.container.clone(),
        remote: None,
        state: LinkState::Open,
        key: part.key.clone(),
        hash: None,
        base: None,
        call: Some(key.clone()),
    }
}

pub(super) fn digest(parts: &[ReadyPart]) -> String {
    let mut hash = Hash::start();
    for part in parts {
        hash.text(part.operation.id.as_str());
        hash.text(&part.part_idx.to_string());
    }
    hash.finish().to_string()
}
