//! One wire call: the intent is written down, the bytes leave, the answer is recorded in one commit.

mod assemble;
mod record;

use sync_core::{
    CallKey, CallSet, Effect, Error, ErrorKind, LocalId, PartRef, Push, Receipt, Refs, Remote, RemoteId, RunId, Safety,
    Verb, Version,
    zoo::{self, Defect},
};

pub(crate) use self::{
    assemble::main_links,
    record::{main_after, overwritten, told},
};
use self::{
    assemble::{assemble, digest, links, open_link, refs_of, remote_of},
    record::{pending, record},
};
use super::{
    arrived,
    ask::ResourceAsk,
    halt::Halt,
    here, refs,
    session::{Session, Settled},
    slices,
};
use crate::{CallRow, Change, Item, Link, LinkState, PartRow, PartState, ReadyPart};

/// What a call left to do.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Records to plan again.
    pub(crate) again: Vec<(LocalId, Again)>,
    /// The same parts in smaller calls, since the call was refused as a whole.
    pub(crate) split: Vec<Vec<ReadyPart>>,
}

/// Why a record is planned again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It changed there since it was read.
    Moved,
    /// Its id, name or address is taken there.
    Taken,
    /// The host refused it: by policy it is put back there.
    Refused,
}

/// Parts of one call, with what they need.
struct Batch<'a> {
    ask: &'a ResourceAsk,
    run: &'a RunId,
    parts: Vec<ReadyPart>,
    links: Vec<Option<Link>>,
    fresh: Vec<Option<Box<Remote>>>,
    refs: Vec<Refs>,
    /// True when the call was open before this run: its records may have changed since.
    is_resend: bool,
}

/// Sends parts of one group in one call.
pub(crate) async fn send(s: &Session<'_>, resource_idx: usize, run: &RunId, parts: Vec<ReadyPart>) -> Result<Sent, Halt> {
    let Some(ask) = s.ask.resources.get(resource_idx) else { return Ok(Sent::default()) };
    if parts.first().is_some_and(here::is_here) {
        return here::send(s, ask, run, parts).await;
    }
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
        account: s.account.clone(),
        opened_at: now,
        // The exchange may wait for a budget or try again until then.
        not_after: s.context().deadline,
    };
    let mut changes: Vec<Change> = Vec::with_capacity(batch.parts.len() + 1);
    changes.push(Change::OpenCall(row.clone()));
    changes.extend(replaced(s, ask, &batch.parts).await?);
    for (part, link) in batch.parts.iter().zip(&batch.links) {
        if part.operation.verb == Verb::Create && link.as_ref().is_none_or(|link| link.remote.is_none()) {
            changes.push(Change::OpenLink(open_link(s, part, &key)));
        }
    }
    if zoo::is(Defect::WritesNoIntent) {
        changes.clear();
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

/// What says of links that their counterpart is gone, where a new one is about to be made.
async fn replaced(s: &Session<'_>, ask: &ResourceAsk, parts: &[ReadyPart]) -> Result<Vec<Change>, Halt> {
    let is_replaced = |part: &&ReadyPart| {
        part.operation.verb == Verb::Create && s.is_replaced(&part.operation.resource, &part.operation.local)
    };
    let parts: Vec<ReadyPart> = parts.iter().filter(is_replaced).cloned().collect();
    let ids: Vec<LocalId> = parts.iter().map(|part| part.operation.local.clone()).collect();
    let known = links(s, ask, &parts, &ids).await?.into_iter().flatten();
    let live = known.filter(|link| link.state == LinkState::Live);
    Ok(live.map(|link| Change::PutLink(Link { state: LinkState::Gone, ..link })).collect())
}

/// Sends an open call again, whole and under its own key.
pub(crate) async fn resend(
    s: &Session<'_>,
    resource_idx: usize,
    row: CallRow,
    mut parts: Vec<ReadyPart>,
) -> Result<Sent, Halt> {
    if zoo::is(Defect::RegroupsAnOpenCall) {
        parts.reverse();
    }
    let Some(ask) = s.ask.resources.get(resource_idx) else { return Ok(Sent::default()) };
    if parts.first().is_some_and(here::is_here) {
        return here::write(s, ask, row, parts).await;
    }
    let run = row.run.clone();
    let ids: Vec<LocalId> = parts.iter().map(|part| part.operation.local.clone()).collect();
    let links = links(s, ask, &parts, &ids).await?;
    let fresh = parts.iter().map(|_| None).collect();
    let wanted = parts.iter().flat_map(|part| refs::locals(&part.operation.fields)).collect();
    let known = refs::linked(s, wanted).await?;
    let refs = parts.iter().map(|part| refs_of(&known, part)).collect();
    let row = CallRow { not_after: s.context().deadline, ..row };
    s.commit(vec![Change::OpenCall(row.clone())]).await?;
    transmit(s, Batch { ask, run: &run, parts, links, fresh, refs, is_resend: true }, row, Sent::default()).await
}

/// The part, answered or never sent, and all others of its operation that did not go yet.
pub(crate) fn hold(part: &ReadyPart, run: &RunId) -> [Change; 2] {
    let row = |part_idx| PartRow { run: run.clone(), seq: part.seq, part_idx, state: PartState::Held };
    [Change::Part(row(Some(part.part_idx))), Change::Part(row(None))]
}

/// The call could not even be written down: its records are planned again.
async fn not_sent(s: &Session<'_>, batch: &Batch<'_>, mut sent: Sent) -> Result<Sent, Halt> {
    s.commit(batch.parts.iter().flat_map(|part| hold(part, batch.run)).collect()).await?;
    sent.again.extend(batch.parts.iter().map(|part| (part.operation.local.clone(), Again::Moved)));
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
            // What it was decided on; once a part of it was done, what that left there.
            let known = if part.is_begun() { base.or(before) } else { before.or(base) };
            fresh.as_ref().and_then(|fresh| fresh.version.clone()).or(known)
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
    let group = slices::bare(s.may_have_slices(), batch.group());
    let push = Push::new(CallSet { group, parts: &refs }, &row.key, &facts);
    let answer = s.input.handler.push(&s.context(), push).await;
    let mut receipts = match answer {
        Ok(receipts) if receipts.len() == batch.parts.len() => receipts,
        Ok(_) => batch
            .parts
            .iter()
            .map(|_| {
                Receipt::Uncertain(Error::new(ErrorKind::BadAnswer, "the provider's answer did not tell about every item"))
            })
            .collect(),
        Err(error) if error.effect() == Effect::Unknown && !zoo::is(Defect::TakesSilenceForNo) => {
            return unanswered(s, &batch, &row, error).await;
        }
        Err(error) => return refused(s, batch, &row, error, sent).await,
    };
    arrived::after_all(s, batch.ask, &batch.parts, &mut receipts).await?;
    // An item stands or falls with the last part of its operation, or with one that was not done.
    let settles = |idx: usize| {
        !matches!(receipts.get(idx), Some(Receipt::Done { .. })) || batch.parts.get(idx).is_none_or(ReadyPart::is_last)
    };
    let standing = standing_of(s, &batch, settles).await?;
    let mains = main_links(s, batch.ask, batch.parts.iter().map(|part| &part.operation)).await?;
    let mut changes = vec![Change::CloseCall(row.key.clone())];
    let mut uncertain = Vec::new();
    for (idx, receipt) in receipts.into_iter().enumerate() {
        let (Some(part), Some(link), Some(standing)) = (batch.parts.get(idx), batch.links.get(idx), standing.get(idx))
        else {
            continue;
        };
        let mut receipt = receipt;
        if let (Receipt::Done { after: Some(after), .. }, Some(refs)) = (&mut receipt, batch.refs.get(idx)) {
            refs::localize_by(s, refs, &mut after.fields);
        }
        if matches!(receipt, Receipt::Done { .. }) && part.is_last() {
            changes.extend(main_after(batch.ask, part, &mains));
        }
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
    standing_of(s, batch, |_| true).await
}

/// The standing items of those parts that a test admits, in the order of all.
async fn standing_of(s: &Session<'_>, batch: &Batch<'_>, of: impl Fn(usize) -> bool) -> Result<Vec<Option<Item>>, Halt> {
    let (idxs, ids): (Vec<usize>, Vec<LocalId>) =
        (0..).zip(&batch.parts).filter(|(idx, _)| of(*idx)).map(|(idx, part)| (idx, part.operation.local.clone())).unzip();
    let mut standing: Vec<Option<Item>> = batch.parts.iter().map(|_| None).collect();
    if ids.is_empty() {
        return Ok(standing);
    }
    let items =
        s.engine.store.items_by_local(&s.scope, &batch.ask.resource.name, &ids).await.map_err(|error| s.halt(error))?;
    for (idx, item) in idxs.into_iter().zip(items) {
        if let Some(slot) = standing.get_mut(idx) {
            *slot = item;
        }
    }
    Ok(standing)
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
        // What was linked before its counterpart went is known by nothing else once the link of this create is dropped.
        for (part, standing) in batch.parts.iter().zip(standing(s, &batch).await?) {
            let operation = &part.operation;
            if operation.verb == Verb::Create && standing.is_none() {
                changes.push(s.look_again(&operation.resource, &operation.local, "it could not be made yet"));
            }
        }
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
    let mut receipts = [match error.kind() {
        ErrorKind::Moved => Receipt::Moved,
        ErrorKind::Taken => Receipt::Taken(None),
        _ => Receipt::Refused(error),
    }];
    arrived::after_all(s, batch.ask, &batch.parts, &mut receipts).await?;
    let [receipt] = receipts;
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
