//! Receipts become changes of the store.

use std::time::Duration;

use sync_core::{
    Error, Operation, Outcome, OutcomeKind, Reason, Receipt, Record, Remote, RemoteId, RemoteState, Safety, Value, Verb,
    Version, code,
    zoo::{self, Defect},
};

use super::super::{
    ask::ResourceAsk,
    base::{Agreed, amended_base, next_base, undone_base},
    session::{Session, Settled, later},
};
use super::{Again, Batch, Sent, hold};
use crate::{Base, CallRow, Change, Item, Link, LinkState, OutcomeRow, PartRow, PartState, ReadyPart};

/// One receipt becomes changes of the store.
#[allow(clippy::too_many_arguments)]
pub(super) fn record(
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
            is_looked_up: true,
            needs_grant,
            // What an earlier run began goes on as it was decided then.
            look_again: batch.is_resend || *batch.run != s.run,
            keep_standing: !batch.ask.is_whole,
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
    let receipt = match receipt {
        Receipt::Taken(Some(id)) if zoo::is(Defect::AdoptsOnTaken) => {
            Receipt::Done { id, version: None, after: None, facts: None }
        }
        receipt => receipt,
    };
    // Where nothing but our marker leads to a record, nobody else makes one under its id.
    let is_repeated_create = batch.is_resend
        && operation.verb == Verb::Create
        && part.part.safety == Safety::ClientId
        && batch.ask.rules.match_on.is_empty();
    let receipt = match receipt {
        // The id that we chose, by a call of ours that had no answer: what that call made is agreed on, and what became of it
        // since is news.
        Receipt::Taken(Some(id)) if is_repeated_create => Receipt::Done { id, version: None, after: None, facts: None },
        receipt => receipt,
    };
    match receipt {
        Receipt::Done { id, version, after, facts } => {
            if let Some(facts) = facts {
                s.learn(facts);
            }
            if crate::run::apply::is_match(operation.reason) {
                s.note_adopted(name, &operation.local);
            }
            changes.push(Change::Part(PartRow {
                run: batch.run.clone(),
                seq: part.seq,
                part_idx: Some(part.part_idx),
                state: PartState::Done,
            }));
            let is_last = part.is_last();
            if is_last || !link.is_some_and(|link| says_so_already(part, link, &id, version.as_ref())) {
                let link = done_link(s, batch, part, link, id.clone(), version, after, is_last);
                changes.push(Change::PutLink(link));
            }
            if is_last {
                changes.extend(settled(told(operation), Some(&id), None));
                lift(batch, operation, changes);
            } else if super::super::here::is_last_there(part) {
                // Whatever becomes of the host's part.
                changes.extend(overwritten(s, operation));
            }
        }
        Receipt::Moved => {
            changes.extend(hold(part, batch.run));
            sent.again.push((operation.local.clone(), Again::Moved));
        }
        Receipt::Taken(_) => {
            undo_open(changes);
            // Nothing else may remember it where the run ends before it is planned again.
            if standing.is_none() {
                changes.push(s.look_again(name, &operation.local, "what it was to be made as is taken there"));
            }
            changes.extend(hold(part, batch.run));
            sent.again.push((operation.local.clone(), Again::Taken));
        }
        Receipt::Refused(error) => {
            undo_open(changes);
            changes.extend(hold(part, batch.run));
            let mut outcome = Outcome::failed(&error);
            outcome.until = s.next_try(&error, standing.map_or(0, |item| item.attempts));
            if !zoo::is(Defect::ForgetsWhatFailed) {
                changes.extend(settled(outcome, None, None));
            }
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

/// The main link once a further record makes up for its change, or does no more.
pub(crate) fn main_after(ask: &ResourceAsk, part: &ReadyPart, mains: &[Link]) -> Option<Change> {
    let operation = &part.operation;
    let amends = operation.amends.as_ref()?;
    let main = mains.iter().find(|main| main.local == operation.local)?;
    let base = amended_base(ask, main.base.as_ref()?, &amends.fields);
    // Taken back, it is not made again until the host's record changes.
    let hash = if operation.reason == Reason::Undone { main.hash } else { part.hash };
    Some(Change::PutLink(Link { hash, base: Some(base), ..main.clone() }))
}

/// What is told of an operation that writes over a change there, apart from what becomes of the operation.
pub(crate) fn overwritten(s: &Session<'_>, operation: &Operation) -> Option<Change> {
    let row = OutcomeRow {
        resource: operation.resource.clone(),
        local: Some(operation.local.clone()),
        remote: operation.before.as_ref().map(|before| before.id.clone()),
        outcome: told(operation),
        at: s.now(),
    };
    let is_told = operation.reason == Reason::Settled && !operation.changed.is_empty();
    is_told.then(|| Change::Outcome { run: s.run.clone(), row })
}

/// What became of an operation whose last part was done there. What was written over is told.
pub(crate) fn told(operation: &Operation) -> Outcome {
    let done = if crate::run::apply::is_match(operation.reason) {
        Outcome::new(OutcomeKind::Updated, code::DONE, "")
    } else {
        Outcome::done(operation.verb)
    };
    match operation.reason {
        Reason::Settled if !zoo::is(Defect::SettlesInSilence) => {
            let fields: Vec<&str> = operation.changed.iter().map(|field| field.as_str()).collect();
            let message = format!("changed on both sides; {} was taken from here", fields.join(", "));
            Outcome::new(done.kind, code::CONFLICT_SETTLED, message)
        }
        Reason::EditBeatsDelete => {
            Outcome::new(done.kind, code::EDIT_BEATS_DELETE, "deleted there and changed here: it is there again")
        }
        _ => done,
    }
}

/// True when a link would be the same after a part that isn't its operation's last.
fn says_so_already(part: &ReadyPart, link: &Link, id: &RemoteId, version: Option<&Version>) -> bool {
    link.remote.as_ref() == Some(id)
        && link.state == LinkState::Live
        && link.hash.is_none()
        && link.call.is_none()
        && link.base.is_none()
        && version.is_none()
        && (part.key.is_none() || part.key == link.key)
        && (part.operation.container.is_none() || part.operation.container == link.container)
}

/// The link after a part was done. Only the last part makes the base: until then the record counts as not agreed on, so
/// that whatever is left is planned again.
#[allow(clippy::too_many_arguments)]
pub(super) fn done_link(
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
    // Of a record of which an earlier run synced only a part, no more is agreed on by finishing that: the rest is looked at.
    let is_partial = *batch.run != s.run && part.hash.is_none() && operation.here.is_none();
    let (base, hash) = if operation.reason == Reason::Undone && is_last {
        let hash = link.and_then(|link| link.hash);
        match before {
            Some(before) if !is_removed => {
                let is_written = |field: &sync_core::FieldName| operation.changed.contains(field);
                let sent = operation.fields.iter().filter(|(field, _)| is_written(field));
                let mut written: sync_core::Record = sent.map(|(field, value)| (field.clone(), value.clone())).collect();
                for (field, value) in after.iter().flat_map(|after| after.fields.iter()) {
                    written.set(field.clone(), value.clone());
                }
                (Some(undone_base(before, &written, version)), hash)
            }
            _ => (before.cloned(), hash),
        }
    } else if is_last && !is_removed && !is_partial {
        let shown = shown_after(batch.ask, operation, after.as_deref());
        let shown = Some(&shown).filter(|fields| !fields.is_empty());
        let matched = operation.before.as_ref().map(|before| &before.fields);
        let open = &operation.open;
        // Only a feed that is read tells of the rest.
        let written = batch.ask.is_two_way().then_some(&operation.changed);
        let agreed = Agreed { fields: &operation.fields, shown, matched, written, open, version, state, native };
        (Some(next_base(batch.ask, before, agreed)), part.hash)
    } else if super::super::here::is_last_there(part) || (is_last && is_partial && !is_removed) {
        // Where the host's part comes next, what was written there is agreed on already.
        (Some(agreed_there(operation, before, after.as_deref(), version, state, native)), None)
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

/// What the provider shows of its record after a part. Consent that was not written is as it was there: its date is the
/// person's, by which a refusal counts or does not.
fn shown_after(ask: &ResourceAsk, operation: &Operation, after: Option<&Remote>) -> Record {
    let mut shown = after.map(|after| after.fields.clone()).unwrap_or_default();
    if let (Some((_, field, _)), Some(before)) = (ask.resource.consent, &operation.before)
        && !operation.is_changed(field)
        && shown.value(field).is_none()
        && let Some(consent) = before.fields.value(field)
    {
        shown.set(field, consent.clone());
    }
    shown
}

/// The base with the fields that were written there, and what was agreed on before about the rest.
fn agreed_there(
    operation: &Operation,
    before: Option<&Base>,
    after: Option<&Remote>,
    version: Option<Version>,
    state: RemoteState,
    native: Option<serde_json::Value>,
) -> Base {
    let mut local = before.map(|base| base.local.clone()).unwrap_or_default();
    let mut remote = before.map(|base| base.face().clone()).unwrap_or_default();
    for field in &operation.changed {
        let sent = operation.fields.value(field.as_str());
        let shown = after.and_then(|after| after.fields.value(field.as_str())).or(sent);
        if let Some(value) = sent {
            local.set(field.clone(), value.clone());
        }
        if let Some(value) = shown {
            remote.set(field.clone(), value.clone());
        }
    }
    let mapping = before.map(|base| base.mapping.clone()).unwrap_or_default();
    Base { remote: Some(remote).filter(|remote| *remote != local), local, version, state, native, mapping }
}

/// A newer opt-in was carried out, so the refusal before it counts no more: the person is asked to confirm.
pub(super) fn lift(batch: &Batch<'_>, operation: &sync_core::Operation, changes: &mut Vec<Change>) {
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

pub(super) fn pending(s: &Session<'_>, row: &CallRow, error: Option<&Error>) -> Outcome {
    let until = later(row.not_after, s.settle(settle_of(row.safety)));
    let why = error.map_or("the answer did not tell about it", |_| "the answer was lost");
    Outcome::new(
        OutcomeKind::Pending,
        code::UNSETTLED,
        format!("{why}; it is looked at again when the provider must be done with it"),
    )
    .until(until)
}

pub(super) fn settle_of(safety: Safety) -> Option<Duration> {
    match safety {
        Safety::Key { settle, .. } | Safety::LookUp { settle } => Some(settle),
        _ => None,
    }
}
