//! The host's side of an operation: one more part of it, written in the same way as a wire call. The intent is stored, the
//! host is asked, the answer is recorded in one commit; what has no answer is written again, since writes are idempotent.

use std::collections::{BTreeMap, HashMap};

use sync_core::{
    CallKey, Error, ErrorKind, Hash, LocalId, LocalReceipt, LocalVerb, LocalWrite, Operation, OperationId, Origin, Outcome,
    OutcomeKind, Part, Reason, Remote, RemoteId, Role, RunId, Safety, Serial, Verb, code,
};

use super::{
    ask::ResourceAsk,
    base::{Agreed, next_base},
    call::{Again, Sent, hold},
    halt::Halt,
    questions, refs,
    session::{Session, Settled},
};
use crate::{CallRow, Change, Item, Link, LinkState, PartRow, PartState, PlannedPart, ReadyPart};

/// Most writes that the host is asked for at once: one transaction of its, and one of the store's. Ours.
const MAX_WRITES: u32 = 250;

/// The group of writes to the host.
pub(crate) fn group(ask: &ResourceAsk) -> String {
    format!("here:{}", ask.collection)
}

/// The parts of an operation as they are stored: the provider's, and then the host's.
pub(crate) fn planned_parts(parts: &[Part], operation: &Operation, ask: &ResourceAsk) -> Vec<PlannedPart> {
    let mut planned: Vec<PlannedPart> = parts.iter().map(PlannedPart::of).collect();
    if operation.here.is_some() {
        planned.push(PlannedPart {
            stage: parts.iter().map(|part| part.stage.saturating_add(1)).max().unwrap_or(0),
            group: group(ask),
            max: MAX_WRITES,
            serial: Serial::Always,
            budget: String::new(),
            cost: 0,
            safety: Safety::Repeatable,
            effects: Vec::new(),
        });
    }
    planned
}

/// True for the host's part of an operation.
pub(crate) fn is_here(part: &ReadyPart) -> bool {
    part.operation.here.is_some() && part.part_idx + 1 == part.n_parts
}

/// True for the provider's last part of an operation that the host has a part in too.
pub(crate) fn is_last_there(part: &ReadyPart) -> bool {
    part.operation.here.is_some() && part.n_open == 2 && !is_here(part)
}

/// Writes parts of one collection.
pub(crate) async fn send(s: &Session<'_>, ask: &ResourceAsk, run: &RunId, parts: Vec<ReadyPart>) -> Result<Sent, Halt> {
    let now = s.now();
    let row = CallRow {
        key: CallKey::new(s.engine.random.id()),
        run: run.clone(),
        resource: ask.resource.name.clone(),
        group: group(ask),
        parts: parts.iter().map(|part| (part.seq, part.part_idx)).collect(),
        digest: String::new(),
        safety: Safety::Repeatable,
        account: s.account.clone(),
        opened_at: now,
        not_after: now,
    };
    s.commit(vec![Change::OpenCall(row.clone())]).await?;
    write(s, ask, row, parts).await
}

/// Writes, and records the answer. Also what an earlier run left without an answer.
pub(crate) async fn write(s: &Session<'_>, ask: &ResourceAsk, row: CallRow, parts: Vec<ReadyPart>) -> Result<Sent, Halt> {
    let (parts, blocked) = with_local_refs(s, ask, &row.run, parts).await?;
    let writes: Vec<LocalWrite> = parts.iter().filter_map(|part| local_write(s, part, &row.run)).collect();
    let receipts =
        s.writing()?.write(&s.scope.organization, &ask.collection, &writes).await.map_err(|error| s.halt(error))?;
    if receipts.len() != parts.len() {
        return Err(s.halt(
            Error::new(ErrorKind::Internal, format!("`write` of {} did not answer every write", ask.collection))
                .with_owner(sync_core::Owner::HostDeveloper)
                .with_remedy("Answer one receipt per write, in order."),
        ));
    }
    let mut sent = Sent::default();
    let mut changes = vec![Change::CloseCall(row.key.clone())];
    changes.extend(blocked);
    let made = parts.iter().zip(&receipts).filter_map(|(part, receipt)| match receipt {
        LocalReceipt::Done { id, .. } => Some((&part.operation, id)),
        _ => None,
    });
    let known = Known::of(s, ask, made.collect()).await?;
    for (part, receipt) in parts.iter().zip(receipts) {
        let operation = &part.operation;
        match receipt {
            LocalReceipt::Done { id, .. } => {
                let state = PartState::Done;
                let place = PartRow { run: row.run.clone(), seq: part.seq, part_idx: Some(part.part_idx), state };
                changes.push(Change::Part(place));
                changes.extend(done(s, ask, part, id, &known));
            }
            LocalReceipt::Refused { reason, remedy } => {
                changes.extend(hold(part, &row.run));
                let is_put_back =
                    ask.rules.on_refusal == sync_core::OnRefusal::PutBack && operation.reason != Reason::NewThere;
                if is_put_back && operation.local.as_remote().is_none() {
                    sent.again.push((operation.local.clone(), Again::Refused));
                } else {
                    changes.extend(questions::refused(s, ask, part, &reason, &remedy).await?);
                }
            }
            // It changed here since it was planned, or the answer is of a later version of the contract.
            _ => {
                changes.extend(hold(part, &row.run));
                sent.again.push((operation.local.clone(), Again::Moved));
            }
        }
    }
    s.commit(changes).await?;
    Ok(sent)
}

/// Parts with the host's own records where they referred to counterparts of these; what refers to nothing here waits.
async fn with_local_refs(
    s: &Session<'_>,
    ask: &ResourceAsk,
    run: &RunId,
    mut parts: Vec<ReadyPart>,
) -> Result<(Vec<ReadyPart>, Vec<Change>), Halt> {
    let mut records = Vec::new();
    for part in &mut parts {
        let operation = &mut part.operation;
        records.push(&mut operation.fields);
        records.extend(operation.here.as_mut().map(|here| &mut here.fields));
        records.extend(operation.before.as_mut().map(|before| &mut before.fields));
    }
    refs::localize(s, records).await?;
    let mut changes = Vec::new();
    let mut free = Vec::new();
    for part in parts {
        let waits = part.operation.here.as_ref().and_then(|here| refs::foreign(&here.fields).into_iter().next());
        match waits {
            None => free.push(part),
            Some((resource, id)) => {
                changes.extend(hold(&part, run));
                let outcome = refs::blocked(s, &format!("remote:{resource}"), id.as_str());
                changes.extend(s.settle_item(Settled::new(&ask.resource.name, &part.operation.local, outcome)));
            }
        }
    }
    Ok((free, changes))
}

fn local_write(s: &Session<'_>, part: &ReadyPart, run: &RunId) -> Option<LocalWrite> {
    let operation = &part.operation;
    let here = operation.here.as_ref()?;
    Some(LocalWrite {
        operation: write_id(operation, run),
        id: (here.verb != LocalVerb::Create).then(|| operation.local.clone()),
        expect: here.expect.clone(),
        verb: here.verb,
        fields: here.fields.clone(),
        origin: Origin { integration: s.scope.integration.clone(), run: s.run.clone() },
    })
}

/// The same whenever this write is repeated, and another for the same change in a later run: what was changed there, undone
/// here and changed there again is no repetition. A record that is only there is made here once, whichever run does it.
fn write_id(operation: &Operation, run: &RunId) -> OperationId {
    if operation.reason == Reason::NewThere {
        return operation.id.clone();
    }
    let mut hash = Hash::start();
    hash.text(operation.id.as_str());
    hash.text(run.as_str());
    OperationId::new(hash.finish().to_string())
}

/// What the store knows of records that were written here, read once for all of them.
#[derive(Default)]
struct Known {
    links: HashMap<(Role, LocalId), Link>,
    /// By their counterparts.
    holders: HashMap<RemoteId, Link>,
    items: HashMap<LocalId, Item>,
}

impl Known {
    async fn of(s: &Session<'_>, ask: &ResourceAsk, made: Vec<(&Operation, &LocalId)>) -> Result<Self, Halt> {
        let (store, name) = (&s.engine.store, &ask.resource.name);
        let mut known = Self::default();
        let mut by_role: BTreeMap<&Role, Vec<LocalId>> = BTreeMap::new();
        let (mut standing, mut counterparts) = (Vec::new(), Vec::new());
        for (operation, id) in made {
            by_role.entry(&operation.role).or_default().push(id.clone());
            standing.extend([operation.local.clone(), id.clone()]);
            counterparts.extend(operation.before.as_ref().map(|before| before.id.clone()));
        }
        for (role, ids) in by_role {
            let links = store.links_by_local(&s.scope, &s.account, name, role, &ids).await;
            let links = links.map_err(|error| s.halt(error))?.into_iter().flatten();
            known.links.extend(links.map(|link| ((role.clone(), link.local.clone()), link)));
        }
        standing.sort_unstable();
        standing.dedup();
        let items = store.items_by_local(&s.scope, name, &standing).await.map_err(|error| s.halt(error))?;
        known.items.extend(items.into_iter().flatten().map(|item| (item.local.clone(), item)));
        let holders = store.links_by_remote(&s.scope, &s.account, name, &counterparts).await;
        let holders = counterparts.iter().cloned().zip(holders.map_err(|error| s.halt(error))?);
        known.holders.extend(holders.filter_map(|(id, link)| Some((id, link?))));
        Ok(known)
    }
}

fn done(s: &Session<'_>, ask: &ResourceAsk, part: &ReadyPart, id: LocalId, known: &Known) -> Vec<Change> {
    let operation = &part.operation;
    let Some(here) = &operation.here else { return Vec::new() };
    let name = &operation.resource;
    let link = known.links.get(&(operation.role.clone(), id.clone())).cloned();
    let mut changes = Vec::new();
    if matches!(here.verb, LocalVerb::Delete | LocalVerb::Cancel) && operation.verb == Verb::Remove {
        // Gone on both sides, or cancelled here because it is gone there: nothing is planned for it any more.
        changes.extend(link.map(|link| match here.verb {
            LocalVerb::Delete => drop_link(&link),
            _ => Change::PutLink(Link { state: LinkState::Detached, ..link }),
        }));
    } else if let Some(before) = &operation.before {
        changes.extend(known.holders.get(&before.id).filter(|other| other.local != id).map(drop_link));
        changes.push(Change::PutLink(agreed_link(s, ask, part, link, before, id.clone())));
    }
    let kind = match here.verb {
        LocalVerb::Create => OutcomeKind::Created,
        LocalVerb::Delete | LocalVerb::Cancel => OutcomeKind::Removed,
        _ => OutcomeKind::Updated,
    };
    let outcome = match operation.reason {
        Reason::Settled => {
            let fields: Vec<&str> = here.fields.iter().map(|(field, _)| field.as_str()).collect();
            let message = format!("changed on both sides; {} was taken from there", fields.join(", "));
            Outcome::new(kind, code::CONFLICT_SETTLED, message)
        }
        Reason::EditBeatsDelete => {
            Outcome::new(kind, code::EDIT_BEATS_DELETE, "deleted here and changed there: it is here again")
        }
        _ => Outcome::new(kind, code::DONE_HERE, ""),
    };
    let remote = operation.before.as_ref().map(|before| &before.id);
    let settled = Settled { remote, standing: known.items.get(&id), ..Settled::new(name, &id, outcome) };
    changes.extend(s.settle_item(settled));
    // The name that it stood under while it was only there.
    if operation.local != id && known.items.contains_key(&operation.local) {
        changes.push(Change::DropItem { resource: name.clone(), local: operation.local.clone() });
    }
    changes
}

fn drop_link(link: &Link) -> Change {
    Change::DropLink {
        account: link.account.clone(),
        resource: link.resource.clone(),
        local: link.local.clone(),
        role: link.role.clone(),
    }
}

/// The link after both sides were brought to the same.
fn agreed_link(
    s: &Session<'_>,
    ask: &ResourceAsk,
    part: &ReadyPart,
    link: Option<Link>,
    before: &Remote,
    id: LocalId,
) -> Link {
    let operation = &part.operation;
    let base = link.as_ref().and_then(|link| link.base.as_ref());
    // What is there now: as it was read, and where we wrote as the provider answered.
    let mut shown = before.fields.clone();
    if let Some(base) = base {
        let face = base.face();
        for field in &operation.changed {
            if let Some(value) = face.value(field.as_str()) {
                shown.set(field.clone(), value.clone());
            }
        }
    }
    let wrote_there = !operation.changed.is_empty();
    let native = base.and_then(|base| base.native.clone()).filter(|_| wrote_there);
    let version = base.and_then(|base| base.version.clone()).filter(|_| wrote_there);
    let agreed = Agreed {
        fields: &operation.fields,
        shown: Some(&shown),
        matched: None,
        written: None,
        open: &operation.open,
        version: version.or_else(|| before.version.clone()),
        state: before.state.clone(),
        native: native.or_else(|| before.native.clone()),
    };
    // Written there first, it may lie elsewhere than where it was read.
    let written = link.as_ref().filter(|_| wrote_there);
    let moved_to = written.and_then(|link| link.container.clone());
    Link {
        account: s.account.clone(),
        resource: operation.resource.clone(),
        local: id,
        role: operation.role.clone(),
        container: moved_to.clone().or_else(|| before.container.clone()).or_else(|| operation.container.clone()),
        remote: written.and_then(|link| link.remote.clone()).or_else(|| Some(before.id.clone())),
        state: LinkState::Live,
        key: part.key.clone().or_else(|| link.as_ref().and_then(|link| link.key.clone())),
        hash: part.hash,
        base: Some(next_base(ask, base, agreed)),
        call: None,
    }
}
