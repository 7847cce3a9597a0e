//! The decision table, for one record.

use std::collections::BTreeSet;

use sync_core::{
    Direction, FieldName, FieldSet, Hash, LocalId, Marker, Operation, Reason, Record, Remote, Resource, Rules, Target,
    Value, Verb, Version,
    zoo::{self, Defect},
};

use super::{
    Difference, Settle, diff,
    diff::{agreed_lines, consent_differs},
    operation_id, ratchet,
    two_ways::two_ways,
};
use crate::{Base, Link, LinkState, Suppression};

/// What the host has.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalSide {
    /// The record, with its mapped fields.
    Live(Record),
    /// The record does not go; with its fields, where the connection's filter says so and not the host.
    OutOfScope(Option<Record>),
    /// No record.
    Deleted,
}

/// What the provider has, as far as this run looked.
#[derive(Debug, Clone, PartialEq)]
pub enum RemoteSide {
    /// Not read: the base stands for it.
    Unread,
    /// Read.
    Seen(Box<Remote>),
    /// Read, and it is not there any more.
    Gone,
    /// Several could be it: a person is asked before anything is decided.
    Many(Vec<Remote>),
}

/// What is decided by.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// The kind of record.
    pub resource: &'static Resource,
    /// What the settings chose.
    pub rules: &'a Rules,
    /// The fields that this run may write.
    pub fields: &'a FieldSet,
    /// The sides that this run may write.
    pub direction: Direction,
    /// True where the host takes new records of this kind.
    pub can_create_here: bool,
}

/// The two sides of one record and what is known about them.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// The host's id.
    pub id: &'a LocalId,
    /// Where it goes.
    pub target: &'a Target,
    /// What marks a record there as ours.
    pub marker: &'a Marker,
    /// What the host has.
    pub local: &'a LocalSide,
    /// The host's version of it, where it tells one.
    pub version: Option<&'a Version>,
    /// What the provider has.
    pub remote: &'a RemoteSide,
    /// What the store knows.
    pub link: Option<&'a Link>,
    /// The organization's memory for the record's address.
    pub suppression: Option<&'a Suppression>,
    /// What a person said, where one was asked.
    pub settle: Option<Settle>,
}

/// What to do with one record.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Nothing: both sides agree, and the base says so.
    Nothing,
    /// Nothing to write, but the base must be brought up to date: changed on both sides to the same value, or changed in
    /// a way that does not reach the provider.
    Heal {
        /// The local face from now on.
        fields: Record,
        /// Fields that differ and are left as they are.
        open: BTreeSet<FieldName>,
    },
    /// Write either side, or both. Without a difference (`changed` empty, verb update, nothing here): only link the two.
    Write(Box<Operation>),
    /// It is outside the filter, and its counterpart stays.
    OutOfScope,
    /// It was deleted there: by policy it waits for a person.
    GoneThere,
    /// It was deleted there, and by policy the host's record lives on without a counterpart.
    Detach,
    /// Deleted on both sides: nothing is left to link.
    Drop,
    /// Deleted here and changed there since, and the host can't take it back: the provider's record is left alone.
    LeftThere,
    /// A person is asked.
    Ask(Asked),
}

/// What a person is asked about one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// True for a change there that needs consent, false for a conflict.
    pub is_guarded: bool,
    /// The fields that it is about.
    pub fields: BTreeSet<FieldName>,
    /// The host's values of them.
    pub ours: Record,
    /// The provider's values of them.
    pub theirs: Record,
}

/// Decides about one record. A remote record without a link is a match.
pub fn decide(policy: Policy<'_>, sides: Sides<'_>) -> Decision {
    if (policy.rules.direction != Direction::Push || sides.settle == Some(Settle::Audit))
        && let Some(decision) = two_ways(policy, sides)
    {
        return decision;
    }
    let Sides { id, target, marker, local, remote, link, suppression, .. } = sides;
    let operation = |verb, reason, fields: Record, difference: Difference, before: Option<Box<Remote>>| {
        Decision::Write(Box::new(Operation {
            id: operation_id(&policy.resource.name, id, &target.role, verb, &fields),
            resource: policy.resource.name.clone(),
            local: id.clone(),
            role: target.role.clone(),
            container: place(sides, verb),
            verb,
            fields,
            changed: difference.changed,
            sets: difference.sets,
            before,
            marker: marker.clone(),
            open: Default::default(),
            here: None,
            agreed: agreed_lines(policy.resource, policy.fields, link.and_then(|link| link.base.as_ref())),
            amends: None,
            taken: Vec::new(),
            is_final: false,
            linked_as: None,
            reason,
        }))
    };
    let linked = link.filter(|link| link.remote.is_some() && link.state != LinkState::Open);
    let record = match (local, linked) {
        (LocalSide::Live(record), _) => record,
        // Deleted here: taken away there, unless that was done or happened already.
        (LocalSide::Deleted, Some(link)) if link.state == LinkState::Live && *remote != RemoteSide::Gone => {
            return operation(Verb::Remove, Reason::DeletedHere, Record::new(), Difference::default(), before(link, remote));
        }
        (LocalSide::OutOfScope(_), Some(link))
            if link.state == LinkState::Live
                && *remote != RemoteSide::Gone
                && policy.rules.out_of_scope == sync_core::OutOfScope::Archive =>
        {
            return operation(Verb::Remove, Reason::OutOfScope, Record::new(), Difference::default(), before(link, remote));
        }
        // It stays there as it is, but who withdraws their consent here is not left subscribed there.
        (LocalSide::OutOfScope(Some(record)), Some(link)) if link.state == LinkState::Live => {
            return match withdrawal(policy, record, link, suppression) {
                Some((fields, difference)) => {
                    operation(Verb::Update, Reason::ChangedHere, fields, difference, before(link, remote))
                }
                None => Decision::OutOfScope,
            };
        }
        (LocalSide::OutOfScope(_), _) => return Decision::OutOfScope,
        (LocalSide::Deleted, _) => return Decision::Nothing,
    };

    let base = linked.and_then(|link| link.base.as_ref());
    let seen = match remote {
        RemoteSide::Seen(remote) => Some(&**remote),
        RemoteSide::Unread | RemoteSide::Gone | RemoteSide::Many(_) => None,
    };
    let fields = wanted(policy, record, base, seen, suppression);

    match linked {
        None => match seen {
            // New here and found there: linked, and what differs is written.
            Some(found) => {
                let difference =
                    diff(policy.resource, &policy.rules.owners, policy.fields, &fields, None, Some(&found.fields));
                operation(Verb::Update, Reason::Matched, fields, difference, Some(Box::new(found.clone())))
            }
            None => {
                let difference = diff(policy.resource, &policy.rules.owners, policy.fields, &fields, None, None);
                operation(Verb::Create, Reason::NewHere, fields, difference, None)
            }
        },
        Some(link) if link.state == LinkState::Gone || *remote == RemoteSide::Gone => {
            let difference = || diff(policy.resource, &policy.rules.owners, policy.fields, &fields, None, None);
            match policy.rules.on_remote_delete {
                sync_core::OnRemoteDelete::Recreate => {
                    operation(Verb::Create, Reason::NewHere, fields.clone(), difference(), None)
                }
                _ => Decision::GoneThere,
            }
        }
        // A run that made it was taken back: not again until it changes here.
        Some(link) if link.state == LinkState::Removed && link.hash == Some(local_hash(record, policy.rules)) => {
            Decision::Nothing
        }
        // Taken away by us where it no longer belongs, and back here: made anew where it does.
        Some(link)
            if link.state == LinkState::Removed
                && sides.target.container.is_some()
                && link.container != sides.target.container =>
        {
            let difference = diff(policy.resource, &policy.rules.owners, policy.fields, &fields, None, None);
            operation(Verb::Create, Reason::NewHere, fields, difference, None)
        }
        // Taken away by us, and back here: written in full, so that it comes back there.
        Some(link) if link.state == LinkState::Removed => {
            let in_full = |base| diff(policy.resource, &policy.rules.owners, policy.fields, &fields, base, None);
            let mut difference = in_full(None);
            difference.changed.extend(present(policy.fields, &fields));
            // What it had when it was taken away may be there still.
            for (field, change) in in_full(base).sets.into_iter().filter(|(_, change)| !change.remove.is_empty()) {
                difference.sets.entry(field.clone()).or_default().remove.extend(change.remove);
                difference.changed.insert(field);
            }
            operation(Verb::Update, Reason::ChangedHere, fields, difference, before(link, remote))
        }
        Some(link) => {
            // Push looks at what changed here against the base. What the provider shows now counts only for consent,
            // which `wanted` has held down already, and for a base that was erased.
            let now = if base.is_none() { seen.map(|remote| &remote.fields) } else { None };
            let mut difference = diff(policy.resource, &policy.rules.owners, policy.fields, &fields, base, now);
            consent_against_seen(policy, &fields, base, seen, &mut difference);
            let is_mapped_otherwise = base.is_some_and(|base| base.mapping != policy.rules.mapping);
            if is_mapped_otherwise || is_elsewhere(sides) || zoo::is(Defect::WritesWhatIsTheSame) {
                difference.changed.extend(present(policy.fields, &fields));
            }
            if !difference.is_empty() {
                return operation(Verb::Update, Reason::ChangedHere, fields, difference, before(link, remote));
            }
            let hash = local_hash(record, policy.rules);
            if link.hash == Some(hash) && base.is_some() {
                Decision::Nothing
            } else {
                Decision::Heal { fields, open: BTreeSet::new() }
            }
        }
    }
}

/// Where in the account an operation goes: a record that belongs elsewhere by now is moved when it is written.
pub(super) fn place(sides: Sides<'_>, verb: Verb) -> Option<sync_core::ContainerId> {
    let lies_in = sides.link.and_then(|link| link.container.clone());
    let is_anew = verb == Verb::Create && sides.target.container.is_some();
    if verb != Verb::Remove && (is_anew || is_elsewhere(sides)) {
        return sides.target.container.clone();
    }
    lies_in.or_else(|| sides.target.container.clone())
}

/// True when the settings put a linked record into another container than the one it lies in.
pub(super) fn is_elsewhere(sides: Sides<'_>) -> bool {
    let Some(link) = sides.link.filter(|link| link.state == LinkState::Live && link.remote.is_some()) else { return false };
    matches!((&link.container, &sides.target.container), (Some(lies_in), Some(target)) if lies_in != target)
}

/// The hash by which an unchanged record is recognised: of its fields, and of the mapping that they are written with.
pub fn local_hash(record: &Record, rules: &Rules) -> Hash {
    if rules.mapping.is_empty() {
        return record.hash();
    }
    let mut hash = Hash::start();
    hash.text(&record.hash().to_string());
    hash.text(&rules.mapping);
    hash.finish()
}

/// The record as the provider shall have it: the host's fields, with consent held down.
pub(super) fn wanted(
    policy: Policy<'_>,
    record: &Record,
    base: Option<&Base>,
    seen: Option<&Remote>,
    suppression: Option<&Suppression>,
) -> Record {
    let mut fields = record.clone();
    if let Some((_, consent_field, _)) = policy.resource.consent
        && policy.rules.fields.contains(consent_field)
    {
        let of = |record: &Record| record.value(consent_field).and_then(Value::as_consent).cloned();
        let mut theirs = seen.map(|remote| &remote.fields).or(base.map(Base::face)).and_then(of);
        // A refusal that we wrote there is the host's: it is as old as that, and not as the provider dates it.
        if let (Some(theirs), Some(agreed)) = (&mut theirs, base.and_then(|base| of(&base.local)))
            && theirs.state <= sync_core::ConsentState::Denied
            && theirs.state == agreed.state
        {
            theirs.at = agreed.at.or(theirs.at);
        }
        let consent = ratchet(of(record).as_ref(), suppression, theirs.as_ref());
        fields.set(FieldName::from_static(consent_field), Value::Consent(consent));
    }
    fields
}

/// A consent that the provider shows now differs from what it shall be: written, or no longer written, on that ground.
fn consent_against_seen(
    policy: Policy<'_>,
    fields: &Record,
    base: Option<&Base>,
    seen: Option<&Remote>,
    difference: &mut Difference,
) {
    let (Some((_, field, _)), Some(seen)) = (policy.resource.consent, seen) else { return };
    if !policy.fields.contains(field) {
        return;
    }
    let consent = |record: &Record| record.value(field).and_then(Value::as_consent).cloned();
    let (ours, theirs) = (consent(fields), consent(&seen.fields));
    if ours.is_some() && theirs.is_some() {
        let shown = base.and_then(|base| consent(base.remote.as_ref().unwrap_or(&base.local)));
        let agreed = (base.and_then(|base| consent(&base.local)), shown);
        if consent_differs(ours.as_ref(), &agreed, theirs.as_ref()) {
            difference.changed.insert(FieldName::from_static(field));
        } else {
            difference.changed.remove(field);
        }
    }
}

/// The lowering of consent alone, where the record asks for it.
fn withdrawal(
    policy: Policy<'_>,
    record: &Record,
    link: &Link,
    suppression: Option<&Suppression>,
) -> Option<(Record, Difference)> {
    let (_, field, _) = policy.resource.consent?;
    let base = link.base.as_ref()?;
    let fields = wanted(policy, record, Some(base), None, suppression);
    let of = |record: &Record| record.value(field).and_then(Value::as_consent).cloned();
    let (ours, theirs) = (of(&fields), of(base.face()));
    let lowers = ours.as_ref()?.state <= sync_core::ConsentState::Denied
        && consent_differs(ours.as_ref(), &(of(&base.local), theirs.clone()), theirs.as_ref())
        && policy.fields.contains(field);
    let difference = Difference { changed: [FieldName::from_static(field)].into(), ..Difference::default() };
    lowers.then_some((fields, difference))
}

fn present(fields: &FieldSet, record: &Record) -> Vec<FieldName> {
    let is_there = |field: &&FieldName| record.value(field.as_str()).is_some_and(|value| !value.is_blank());
    fields.iter().filter(is_there).cloned().collect()
}

/// The remote record of a link as it was last agreed on.
pub(crate) fn known_there(link: &Link) -> Option<Box<Remote>> {
    before(link, &RemoteSide::Unread)
}

/// The remote record as it is known: read now, else the base.
pub(super) fn before(link: &Link, remote: &RemoteSide) -> Option<Box<Remote>> {
    if let RemoteSide::Seen(remote) = remote {
        // A listing doesn't know what we remember beside it.
        let mut remote = remote.clone();
        remote.native = remote.native.or_else(|| link.base.as_ref().and_then(|base| base.native.clone()));
        return Some(remote);
    }
    let id = link.remote.clone()?;
    let mut known = Remote::live(link.resource.clone(), id, Record::new());
    known.container = link.container.clone();
    if link.state == LinkState::Removed {
        known.state = sync_core::RemoteState::Archived;
    }
    if let Some(base) = &link.base {
        known.version = base.version.clone();
        if link.state != LinkState::Removed {
            known.state = base.state.clone();
        }
        known.fields = base.face().clone();
        known.native = base.native.clone();
    }
    Some(Box::new(known))
}
