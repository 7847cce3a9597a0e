//! One wire call: the intent is written down, the bytes leave, the answer is recorded in one commit.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use sync_core::{
    CallKey, CallSet, Effect, Error, ErrorKind, Find, FindBy, Found, Hash, LocalId, Outcome, OutcomeKind, Owner, PartRef,
    Push, Receipt, Record, Ref, Remote, RemoteId, RemoteState, RunId, Safety, UpdateNeeds, Value, Verb, Version, code,
};

use super::{
    ask::ResourceAsk,
    halt::Halt,
    session::{Session, Settled, later},
};
use crate::{Base, CallRow, Change, Item, Link, LinkState, PartRow, PartState, ReadyPart};

/// What a call left to do.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Records to plan again.
    pub(crate) again: Vec<LocalId>,
    /// The same parts in smaller calls, since the call was refused as a whole.
    pub(crate) split: Vec<Vec<ReadyPart>>,
}

/// Parts of one call, with what they need.
struct Batch<'a> {
    ask: &'a ResourceAsk,
    run: &'a RunId,
    parts: Vec<ReadyPart>,
    links: Vec<Option<Link>>,
    fresh: Vec<Option<Box<Remote>>>,
    refs: Vec<BTreeMap<LocalId, RemoteId>>,
    /// True when the call was open before this run: its records may have changed since.
    is_resend: bool,
}

/// Sends parts of one group in one call.
pub(crate) async fn send(s: &Session<'_>, resource_idx: usize, run: &RunId, parts: Vec<ReadyPart>) -> Result<Sent, Halt> {
    let Some(ask) = s.ask.resources.get(resource_idx) else { return Ok(Sent::default()) };
    let mut sent = Sent::default();
    let Some(batch) = assemble(s, ask, run, parts, &mut sent).await? else { return Ok(sent) };
    let now = s.now();
    let key = CallKey::new(s.engine.random.id());
    let row = CallRow {
        key: key.clone(),
        run: run.clone(),
        resource: ask.resource.name.clone(),
        group: batch.group().to_owned(),
        parts: batch.parts.iter().map(|part| (part.seq, part.part_idx)).collect(),
        digest: digest(&batch.parts),
        safety: batch.safety(),
        opened_at: now,
        not_after: later(now, s.call_timeout()),
    };
    let mut changes: Vec<Change> = Vec::with_capacity(batch.parts.len() + 1);
    changes.push(Change::OpenCall(row.clone()));
    for (part, link) in batch.parts.iter().zip(&batch.links) {
        if part.operation.verb == Verb::Create && link.as_ref().is_none_or(|link| link.remote.is_none()) {
            changes.push(Change::OpenLink(open_link(s, part, &key)));
        }
    }
    if let Err(error) = s.engine.store.commit(&s.lease(), changes).await {
        if error.kind() == ErrorKind::Taken {
            // A link is there that the plan didn't know: nothing was sent, and the records are planned again.
            return not_sent(s, &batch, sent).await;
        }
        return Err(s.halt(error));
    }
    transmit(s, batch, row, sent).await
}

/// Sends an open call again, whole and under its own key.
pub(crate) async fn resend(s: &Session<'_>, resource_idx: usize, row: CallRow, parts: Vec<ReadyPart>) -> Result<Sent, Halt> {
    let Some(ask) = s.ask.resources.get(resource_idx) else { return Ok(Sent::default()) };
    let run = row.run.clone();
    let ids: Vec<LocalId> = parts.iter().map(|part| part.operation.local.clone()).collect();
    let links = links(s, ask, &parts, &ids).await?;
    let fresh = parts.iter().map(|_| None).collect();
    let mut refs = Vec::with_capacity(parts.len());
    for part in &parts {
        refs.push(references(s, &part.operation.fields).await?.unwrap_or_default());
    }
    let not_after = later(s.now(), s.call_timeout());
    let row = CallRow { not_after, ..row };
    s.commit(vec![Change::OpenCall(row.clone())]).await?;
    transmit(s, Batch { ask, run: &run, parts, links, fresh, refs, is_resend: true }, row, Sent::default()).await
}

/// Reads what the parts need just before writing: links, fresh versions, references.
async fn assemble<'a>(
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
        let remote: Vec<RemoteId> = parts
            .iter()
            .zip(&links)
            .filter(|(part, _)| part.operation.verb != Verb::Create && part.part_idx == 0)
            .filter_map(|(part, link)| remote_of(part, link.as_ref()))
            .collect();
        for chunk in remote.chunks(ask.resource.find_max.max(1)) {
            s.keep_lease().await?;
            let container = parts.first().and_then(|part| part.operation.container.as_ref());
            let request = Find::new(&ask.resource.name, container, FindBy::Ids(chunk));
            let found = s.input.handler.find(&s.context(), request).await.map_err(|error| s.halt(error))?;
            fresh.extend(chunk.iter().cloned().zip(found));
        }
    }
    let mut held = Vec::new();
    for (part, link) in parts.into_iter().zip(links) {
        let found = remote_of(&part, link.as_ref()).and_then(|id| fresh.remove(&id));
        let read = match found {
            Some(Found::One(remote)) => {
                let known = part.operation.before.as_ref().and_then(|before| before.version.as_ref());
                if known.is_some() && remote.version.as_ref() != known {
                    // It changed there since it was planned.
                    held.extend(hold(&part, run));
                    sent.again.push(part.operation.local.clone());
                    continue;
                }
                Some(remote)
            }
            Some(Found::Absent | Found::Gone) if part.operation.verb != Verb::Remove => {
                held.extend(hold(&part, run));
                sent.again.push(part.operation.local.clone());
                continue;
            }
            _ => None,
        };
        match references(s, &part.operation.fields).await? {
            Some(refs) => {
                batch.parts.push(part);
                batch.links.push(link);
                batch.fresh.push(read);
                batch.refs.push(refs);
            }
            None => {
                let outcome =
                    Outcome::new(OutcomeKind::Blocked, code::BLOCKED, "a record that it refers to isn't there yet")
                        .remedy(Owner::Nobody, "It goes once that record is there.");
                held.extend(hold(&part, run));
                held.extend(s.settle_item(Settled {
                    hash: part.hash,
                    ..Settled::new(&ask.resource.name, &part.operation.local, outcome)
                }));
            }
        }
    }
    s.commit(held).await?;
    Ok((!batch.parts.is_empty()).then_some(batch))
}

/// Parts of operations with several open parts, as they stand now: others may have been done since the page was read.
async fn with_fresh_counts(s: &Session<'_>, run: &RunId, mut parts: Vec<ReadyPart>) -> Result<Vec<ReadyPart>, Halt> {
    let several: Vec<(u64, u32)> =
        parts.iter().filter(|part| part.n_open > 1).map(|part| (part.seq, part.part_idx)).collect();
    if several.is_empty() {
        return Ok(parts);
    }
    let fresh = s.engine.store.parts(&s.scope, run, &several).await.map_err(|error| s.halt(error))?;
    let counts: HashMap<(u64, u32), u32> = fresh.into_iter().map(|part| ((part.seq, part.part_idx), part.n_open)).collect();
    for part in &mut parts {
        if let Some(n_open) = counts.get(&(part.seq, part.part_idx)) {
            part.n_open = *n_open;
        }
    }
    Ok(parts)
}

async fn links(s: &Session<'_>, ask: &ResourceAsk, parts: &[ReadyPart], ids: &[LocalId]) -> Result<Vec<Option<Link>>, Halt> {
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
fn remote_of(part: &ReadyPart, link: Option<&Link>) -> Option<RemoteId> {
    link.and_then(|link| link.remote.clone()).or_else(|| part.operation.before.as_ref().map(|before| before.id.clone()))
}

/// References of a record to others of the host, as remote ids; `None` when one has no counterpart yet.
async fn references(s: &Session<'_>, fields: &Record) -> Result<Option<BTreeMap<LocalId, RemoteId>>, Halt> {
    let mut refs = BTreeMap::new();
    for (_, value) in fields.iter() {
        let Value::Ref(Ref::Local { collection, id }) = value else { continue };
        let Some(resource) = s.input.descriptor.resources.iter().find(|resource| resource.collection == *collection) else {
            return Ok(None);
        };
        let target = s.input.handler.target(&resource.name, &Record::new());
        let link = s
            .engine
            .store
            .links_by_local(&s.scope, &s.account, &resource.name, &target.role, std::slice::from_ref(id))
            .await
            .map_err(|error| s.halt(error))?
            .pop()
            .flatten();
        match link.filter(|link| link.state == LinkState::Live).and_then(|link| link.remote) {
            Some(remote) => refs.insert(id.clone(), remote),
            None => return Ok(None),
        };
    }
    Ok(Some(refs))
}

fn open_link(s: &Session<'_>, part: &ReadyPart, key: &CallKey) -> Link {
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

fn digest(parts: &[ReadyPart]) -> String {
    let mut hash = Hash::start();
    for part in parts {
        hash.text(part.operation.id.as_str());
        hash.text(&part.part_idx.to_string());
    }
    hash.finish().to_string()
}

fn hold(part: &ReadyPart, run: &RunId) -> [Change; 1] {
    [Change::Part(PartRow { run: run.clone(), seq: part.seq, part_idx: None, state: PartState::Held })]
}

/// The call could not even be written down: its records are planned again.
async fn not_sent(s: &Session<'_>, batch: &Batch<'_>, mut sent: Sent) -> Result<Sent, Halt> {
    s.commit(batch.parts.iter().flat_map(|part| hold(part, batch.run)).collect()).await?;
    sent.again.extend(batch.parts.iter().map(|part| part.operation.local.clone()));
    Ok(sent)
}

async fn transmit(s: &Session<'_>, batch: Batch<'_>, row: CallRow, mut sent: Sent) -> Result<Sent, Halt> {
    let remotes: Vec<Option<RemoteId>> =
        batch.parts.iter().zip(&batch.links).map(|(part, link)| remote_of(part, link.as_ref())).collect();
    let versions: Vec<Option<Version>> = batch
        .parts
        .iter()
        .zip(&batch.links)
        .zip(&batch.fresh)
        .map(|((part, link), fresh)| {
            let base = link.as_ref().and_then(|link| link.base.as_ref()).and_then(|base| base.version.clone());
            let before = part.operation.before.as_ref().and_then(|before| before.version.clone());
            fresh.as_ref().and_then(|fresh| fresh.version.clone()).or(base).or(before)
        })
        .collect();
    let refs: Vec<PartRef<'_>> = batch
        .parts
        .iter()
        .enumerate()
        .zip(&batch.refs)
        .map(|((idx, part), refs)| PartRef {
            op: &part.operation,
            part_idx: part.part_idx as usize,
            remote: remotes.get(idx).and_then(Option::as_ref),
            version: versions.get(idx).and_then(Option::as_ref),
            refs,
        })
        .collect();
    let facts = s.known_facts();
    let push = Push::new(CallSet { group: batch.group(), parts: &refs }, &row.key, &facts);
    let answer = s.input.handler.push(&s.context(), push).await;
    let receipts = match answer {
        Ok(receipts) if receipts.len() == batch.parts.len() => receipts,
        Ok(_) => batch
            .parts
            .iter()
            .map(|_| {
                Receipt::Uncertain(Error::new(ErrorKind::BadAnswer, "the provider's answer did not tell about every item"))
            })
            .collect(),
        Err(error) if error.effect() == Effect::Unknown => return unanswered(s, &batch, &row, error).await,
        Err(error) => return refused(s, batch, &row, error, sent).await,
    };
    let standing = standing(s, &batch).await?;
    let mut changes = vec![Change::CloseCall(row.key.clone())];
    let mut uncertain = Vec::new();
    for (idx, receipt) in receipts.into_iter().enumerate() {
        let (Some(part), Some(link), Some(standing)) = (batch.parts.get(idx), batch.links.get(idx), standing.get(idx))
        else {
            continue;
        };
        record(s, &batch, part, link.as_ref(), standing.as_ref(), receipt, &row, &mut changes, &mut sent, &mut uncertain);
    }
    if !uncertain.is_empty() {
        // The answer came, but not about these: they are looked up, never sent again on hope.
        let settle = s.settle(None);
        changes.push(Change::OpenCall(CallRow { parts: uncertain, safety: Safety::LookUp { settle }, ..row }));
    }
    s.commit(changes).await?;
    Ok(sent)
}

async fn standing(s: &Session<'_>, batch: &Batch<'_>) -> Result<Vec<Option<Item>>, Halt> {
    let ids: Vec<LocalId> = batch.parts.iter().map(|part| part.operation.local.clone()).collect();
    s.engine.store.items_by_local(&s.scope, &batch.ask.resource.name, &ids).await.map_err(|error| s.halt(error))
}

/// One receipt becomes changes of the store.
#[allow(clippy::too_many_arguments)]
fn record(
    s: &Session<'_>,
    batch: &Batch<'_>,
    part: &ReadyPart,
    link: Option<&Link>,
    standing: Option<&Item>,
    receipt: Receipt,
    row: &CallRow,
    changes: &mut Vec<Change>,
    sent: &mut Sent,
    uncertain: &mut Vec<(u64, u32)>,
) {
    let operation = &part.operation;
    let name = &operation.resource;
    let settled = |outcome, remote: Option<&RemoteId>, needs_grant| {
        s.settle_item(Settled {
            remote,
            hash: part.hash,
            standing,
            needs_grant,
            look_again: batch.is_resend,
            ..Settled::new(name, &operation.local, outcome)
        })
    };
    let undo_open = |changes: &mut Vec<Change>| {
        if operation.verb == Verb::Create && link.is_none_or(|link| link.remote.is_none()) {
            changes.push(Change::DropLink {
                account: s.account.clone(),
                resource: name.clone(),
                local: operation.local.clone(),
                role: operation.role.clone(),
            });
        }
    };
    match receipt {
        Receipt::Done { id, version, after, facts } => {
            if let Some(facts) = facts {
                s.learn(facts);
            }
            changes.push(Change::Part(PartRow {
                run: batch.run.clone(),
                seq: part.seq,
                part_idx: Some(part.part_idx),
                state: PartState::Done,
            }));
            let is_last = part.n_open <= 1;
            let link = done_link(s, batch, part, link, id.clone(), version, after, is_last);
            changes.push(Change::PutLink(link));
            if is_last {
                let outcome = if super::apply::is_match(operation.reason) {
                    Outcome::new(OutcomeKind::Updated, code::DONE, "")
                } else {
                    Outcome::done(operation.verb)
                };
                changes.extend(settled(outcome, Some(&id), None));
                lift(batch, operation, changes);
            }
        }
        Receipt::Moved => {
            changes.extend(hold(part, batch.run));
            sent.again.push(operation.local.clone());
        }
        Receipt::Taken(_) => {
            undo_open(changes);
            changes.extend(hold(part, batch.run));
            sent.again.push(operation.local.clone());
        }
        Receipt::Refused(error) => {
            undo_open(changes);
            changes.extend(hold(part, batch.run));
            let mut outcome = Outcome::failed(&error);
            outcome.until = s.next_try(&error, standing.map_or(0, |item| item.attempts));
            changes.extend(settled(outcome, None, None));
        }
        Receipt::Skipped(skip) => {
            undo_open(changes);
            changes.extend(hold(part, batch.run));
            let needs_grant = skip.needs_grant.as_deref().map(str::to_owned);
            changes.extend(settled(Outcome::from(&skip), None, needs_grant));
        }
        Receipt::Uncertain(_) => {
            uncertain.push((part.seq, part.part_idx));
            changes.extend(settled(pending(s, row, None), None, None));
        }
        // A receipt of a later version of the contract: nothing is known about it.
        _ => uncertain.push((part.seq, part.part_idx)),
    }
}

/// The link after a part was done. Only the last part makes the base: until then the record counts as not agreed on, so
/// that whatever is left is planned again.
#[allow(clippy::too_many_arguments)]
fn done_link(
    s: &Session<'_>,
    batch: &Batch<'_>,
    part: &ReadyPart,
    link: Option<&Link>,
    id: RemoteId,
    version: Option<Version>,
    after: Option<Box<Remote>>,
    is_last: bool,
) -> Link {
    let operation = &part.operation;
    let before = link.and_then(|link| link.base.as_ref());
    let mut native = after.as_ref().and_then(|after| after.native.clone());
    let mut state = after.as_ref().map_or(RemoteState::Live, |after| after.state.clone());
    if operation.verb == Verb::Remove && after.is_none() {
        state = RemoteState::Archived;
    }
    if native.is_none() {
        native = before
            .and_then(|base| base.native.clone())
            .or_else(|| operation.before.as_ref().and_then(|before| before.native.clone()));
    }
    let version = version
        .or_else(|| after.as_ref().and_then(|after| after.version.clone()))
        .or_else(|| before.and_then(|base| base.version.clone()));
    let is_removed = operation.verb == Verb::Remove;
    let (base, hash) = if is_last && !is_removed {
        let local = merged(before.map(|base| &base.local), &operation.fields);
        let shown = after.map(|after| after.fields).filter(|fields| !fields.is_empty());
        // What the answer shows replaces what we sent; what it doesn't show is as we sent it.
        let remote = shown.map(|shown| merged(Some(&local), &shown)).filter(|remote| *remote != local);
        (Some(Base { local, remote, version, state, native, mapping: batch.ask.rules.mapping.clone() }), part.hash)
    } else {
        (before.cloned().map(|base| Base { version, ..base }), None)
    };
    Link {
        account: s.account.clone(),
        resource: operation.resource.clone(),
        local: operation.local.clone(),
        role: operation.role.clone(),
        container: operation.container.clone().or_else(|| link.and_then(|link| link.container.clone())),
        remote: Some(id),
        state: if is_removed { LinkState::Removed } else { LinkState::Live },
        key: part.key.clone().or_else(|| link.and_then(|link| link.key.clone())),
        hash,
        base,
        call: None,
    }
}

fn merged(base: Option<&Record>, over: &Record) -> Record {
    let mut record = base.cloned().unwrap_or_default();
    for (field, value) in over.iter() {
        record.set(field.clone(), value.clone());
    }
    record
}

/// A newer opt-in was carried out, so the refusal before it counts no more: the person is asked to confirm.
fn lift(batch: &Batch<'_>, operation: &sync_core::Operation, changes: &mut Vec<Change>) {
    let Some((channel, field, address)) = batch.ask.resource.consent else { return };
    let asked = operation
        .fields
        .value(field)
        .and_then(Value::as_consent)
        .is_some_and(|consent| consent.state == sync_core::ConsentState::Pending);
    if asked
        && operation.is_changed(field)
        && let Some(address) = operation.fields.text(address)
    {
        changes.push(Change::Lift { channel, address: address.to_owned() });
    }
}

fn pending(s: &Session<'_>, row: &CallRow, error: Option<&Error>) -> Outcome {
    let until = later(row.not_after, s.settle(settle_of(row.safety)));
    let why = error.map_or("the answer did not tell about it", |_| "the answer was lost");
    Outcome::new(
        OutcomeKind::Pending,
        code::UNSETTLED,
        format!("{why}; it is looked at again when the provider must be done with it"),
    )
    .until(until)
}

fn settle_of(safety: Safety) -> Option<Duration> {
    match safety {
        Safety::Key { settle, .. } | Safety::LookUp { settle } => Some(settle),
        _ => None,
    }
}

/// No answer, and it may have happened: the call stays open, its items are pending.
async fn unanswered(s: &Session<'_>, batch: &Batch<'_>, row: &CallRow, error: Error) -> Result<Sent, Halt> {
    let outcome = pending(s, row, Some(&error));
    let until = outcome.until;
    let standing = standing(s, batch).await?;
    let mut changes = Vec::new();
    for (part, standing) in batch.parts.iter().zip(&standing) {
        changes.extend(s.settle_item(Settled {
            hash: part.hash,
            standing: standing.as_ref(),
            ..Settled::new(&batch.ask.resource.name, &part.operation.local, outcome.clone())
        }));
    }
    s.commit(changes).await?;
    // One lost answer may be an accident; the provider that loses it is asked for nothing more in this run.
    let mut halt = s.halt(error);
    halt.stop = sync_core::Stop::Later;
    halt.resume_at = until;
    Err(halt)
}

/// Refused as a whole, certainly without effect: a fault of all stops the run, a fault of one is found by halving.
async fn refused(s: &Session<'_>, batch: Batch<'_>, row: &CallRow, error: Error, mut sent: Sent) -> Result<Sent, Halt> {
    let mut changes = vec![Change::CloseCall(row.key.clone())];
    let again = |changes: &mut Vec<Change>, state| {
        for (part, link) in batch.parts.iter().zip(&batch.links) {
            if part.operation.verb == Verb::Create && link.as_ref().is_none_or(|link| link.remote.is_none()) {
                changes.push(Change::DropLink {
                    account: s.account.clone(),
                    resource: part.operation.resource.clone(),
                    local: part.operation.local.clone(),
                    role: part.operation.role.clone(),
                });
            }
            changes.push(Change::Part(PartRow {
                run: batch.run.clone(),
                seq: part.seq,
                part_idx: Some(part.part_idx),
                state,
            }));
        }
    };
    if error.kind().is_systemic() || error.kind() == ErrorKind::Timeout {
        again(&mut changes, PartState::Ready);
        s.commit(changes).await?;
        return Err(s.halt(error));
    }
    if batch.parts.len() > 1 {
        again(&mut changes, PartState::Ready);
        s.commit(changes).await?;
        let mut parts = batch.parts;
        let rest = parts.split_off(parts.len() / 2);
        sent.split.extend([parts, rest]);
        return Ok(sent);
    }
    let standing = standing(s, &batch).await?;
    let receipt = match error.kind() {
        ErrorKind::Moved => Receipt::Moved,
        ErrorKind::Taken => Receipt::Taken(None),
        _ => Receipt::Refused(error),
    };
    if let (Some(part), Some(link)) = (batch.parts.first(), batch.links.first()) {
        let standing = standing.first().and_then(Option::as_ref);
        record(s, &batch, part, link.as_ref(), standing, receipt, row, &mut changes, &mut sent, &mut Vec::new());
    }
    s.commit(changes).await?;
    Ok(sent)
}

impl Batch<'_> {
    fn group(&self) -> &str {
        self.parts.first().map_or("", |part| part.part.group.as_str())
    }

    fn safety(&self) -> Safety {
        self.parts.first().map_or(Safety::None, |part| part.part.safety)
    }
}
