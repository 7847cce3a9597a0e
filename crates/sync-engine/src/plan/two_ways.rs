//! The rows of the decision table in which either side may be written.

use sync_core::{
    FieldName, FieldOwner, Here, LocalId, LocalVerb, OnRemoteDelete, Operation, Reason, Record, Remote, RemoteState, Value,
    Verb,
};

use super::{
    Merge,
    decide::{Asked, Decision, LocalSide, Policy, RemoteSide, Sides, before, is_elsewhere, local_hash, place, wanted},
    diff::{agreed_lines, same_as},
    merge, operation_id,
};
use crate::{Base, Link, LinkState};

/// Decides where both sides count. `None`: the row is the same as for a connection that only pushes.
pub(super) fn two_ways(policy: Policy<'_>, sides: Sides<'_>) -> Option<Decision> {
    let link = sides.link.filter(|link| link.remote.is_some() && link.state != LinkState::Open);
    if link.is_some_and(|link| link.state == LinkState::Detached) {
        return Some(Decision::Nothing);
    }
    match (sides.local, sides.remote, link) {
        // New here, and nothing there: made there, where this run may.
        (LocalSide::Live(_), RemoteSide::Unread | RemoteSide::Gone, None) => {
            (!policy.writes_there()).then_some(Decision::Nothing)
        }
        (LocalSide::Live(record), RemoteSide::Seen(seen), None) => Some(both(policy, sides, record, None, Some(seen))),
        (LocalSide::Live(record), RemoteSide::Gone, Some(link)) => Some(gone_there(policy, sides, record, link)),
        // It was flagged before, and came back there.
        (LocalSide::Live(record), RemoteSide::Seen(seen), Some(link)) => {
            Some(both(policy, sides, record, Some(link), Some(seen)))
        }
        (LocalSide::Live(_), RemoteSide::Unread, Some(link)) if link.state != LinkState::Live => {
            // Not written while it is not known to be there.
            (link.state == LinkState::Gone && policy.rules.on_remote_delete == OnRemoteDelete::Detach)
                .then_some(Decision::Nothing)
        }
        (LocalSide::Live(record), RemoteSide::Unread, Some(link)) => Some(both(policy, sides, record, Some(link), None)),
        (LocalSide::Deleted, RemoteSide::Gone, Some(_)) => Some(Decision::Drop),
        (LocalSide::Deleted, RemoteSide::Seen(seen), Some(link)) if link.state == LinkState::Live => {
            Some(deleted_here(policy, sides, link, seen))
        }
        (LocalSide::Deleted | LocalSide::OutOfScope(_), _, Some(link))
            if link.state == LinkState::Live && !policy.writes_there() =>
        {
            Some(Decision::Nothing)
        }
        _ => None,
    }
}

/// Both records are there: merged, field by field.
fn both(policy: Policy<'_>, sides: Sides<'_>, record: &Record, link: Option<&Link>, seen: Option<&Remote>) -> Decision {
    let base = link.and_then(|link| link.base.as_ref());
    let face = base.map(|base| base.face());
    let local = wanted(policy, record, base, seen, sides.suppression);
    let merge = merge(policy, sides.settle, &local, base, seen);
    if !merge.conflicts.is_empty() || !merge.guarded.is_empty() {
        let is_guarded = merge.conflicts.is_empty();
        let fields = if is_guarded { merge.guarded } else { merge.conflicts };
        let of = |record: Option<&Record>| {
            let value = |field: &FieldName| Some((field.clone(), record?.value(field.as_str())?.clone()));
            fields.iter().filter_map(value).collect::<Record>()
        };
        let theirs = of(seen.map(|seen| &seen.fields).or(face));
        return Decision::Ask(Asked { is_guarded, ours: of(Some(&local)), theirs, fields });
    }
    let is_mapped_anew = policy.writes_there()
        && link.is_some()
        && (base.is_some_and(|base| base.mapping != policy.rules.mapping) || is_elsewhere(sides));
    let mut merge = merge;
    if is_mapped_anew {
        let is_ours = |field: &&FieldName| {
            local.value(field.as_str()).is_some_and(|value| !value.is_blank()) && merge.here.value(field.as_str()).is_none()
        };
        let all: Vec<FieldName> = policy.fields.iter().filter(is_ours).cloned().collect();
        merge.there.changed.extend(all);
    }
    let fields = agreed(&merge, &local, base);
    if merge.is_empty() {
        let Some(link) = link else {
            return write(policy, sides, Verb::Update, Reason::Matched, fields, merge, before_of(link, seen));
        };
        let is_as_agreed = link.hash == Some(local_hash(record, policy.rules)) && link.state == LinkState::Live;
        let is_same_there = seen.is_none_or(|seen| base.is_some_and(|base| is_as_in_base(policy, base, seen)));
        return if is_as_agreed && is_same_there && base.is_some() {
            Decision::Nothing
        } else {
            Decision::Heal { fields, open: merge.open }
        };
    }
    let reason = match (link, merge.there.is_empty(), merge.here.is_empty()) {
        (None, ..) => Reason::Matched,
        _ if sides.settle == Some(super::Settle::PutBack) => Reason::PutBack,
        _ if !merge.settled.is_empty() => Reason::Settled,
        (_, false, false) => Reason::Merged,
        (_, true, _) => Reason::ChangedThere,
        _ => Reason::ChangedHere,
    };
    write(policy, sides, Verb::Update, reason, fields, merge, before_of(link, seen))
}

/// True when a remote record is as it was last agreed on, to the version.
pub fn is_as_in_base(policy: Policy<'_>, base: &Base, seen: &Remote) -> bool {
    base.version == seen.version && says_the_same(policy, base, seen)
}

/// True when a remote record says what was last agreed on: an echo of what we wrote, or a change of what we don't sync.
pub fn says_the_same(policy: Policy<'_>, base: &Base, seen: &Remote) -> bool {
    let face = base.face();
    let is_same = |field: &FieldName| {
        let theirs = seen.fields.value(field.as_str());
        let kind = policy.resource.field(field.as_str()).kind;
        theirs.is_none_or(Value::is_blank) || same_as(kind, theirs, face.value(field.as_str()))
    };
    base.state == seen.state && policy.fields.iter().all(is_same)
}

/// It was deleted there.
fn gone_there(policy: Policy<'_>, sides: Sides<'_>, record: &Record, link: &Link) -> Decision {
    let base = link.base.as_ref();
    let local = wanted(policy, record, base, None, sides.suppression);
    let merged = merge(policy, None, &local, base, None);
    let recreate = |reason| {
        let mut merge = Merge::default();
        merge.there.changed.extend(
            policy.fields.iter().filter(|field| local.value(field.as_str()).is_some_and(|value| !value.is_blank())).cloned(),
        );
        write(policy, sides, Verb::Create, reason, local.clone(), merge, None)
    };
    // An edit beats a delete, if it is news; what was flagged before waits for its answer.
    if merged.is_changed_here && base.is_some() && link.state == LinkState::Live && policy.writes_there() {
        return recreate(Reason::EditBeatsDelete);
    }
    let here = |verb| {
        let operation = Operation {
            here: Some(Box::new(Here {
                verb,
                fields: Record::new(),
                before: local.clone(),
                expect: sides.version.cloned(),
            })),
            ..operation(
                policy,
                sides,
                Verb::Remove,
                Reason::DeletedThere,
                Record::new(),
                Merge::default(),
                before(link, sides.remote),
            )
        };
        Decision::Write(Box::new(operation))
    };
    match policy.rules.on_remote_delete {
        OnRemoteDelete::Recreate if policy.writes_there() => recreate(Reason::NewHere),
        OnRemoteDelete::Cancel if policy.writes_here() => here(LocalVerb::Cancel),
        OnRemoteDelete::Delete if policy.writes_here() => here(LocalVerb::Delete),
        OnRemoteDelete::Detach => Decision::Detach,
        _ => Decision::GoneThere,
    }
}

/// It was deleted here: taken away there, unless it was changed there since.
fn deleted_here(policy: Policy<'_>, sides: Sides<'_>, link: &Link, seen: &Remote) -> Decision {
    let is_edited = link.base.as_ref().is_some_and(|base| {
        let face = base.face();
        let edited = |field: &FieldName| {
            let theirs = seen.fields.value(field.as_str()).filter(|value| !value.is_blank());
            let kind = policy.resource.field(field.as_str()).kind;
            // What the provider alone decides, such as a balance, is nobody's edit.
            let is_theirs = policy.owner(field) == FieldOwner::Remote;
            !is_theirs && theirs.is_some() && !same_as(kind, theirs, face.value(field.as_str()))
        };
        policy.fields.iter().any(edited)
    });
    if !is_edited {
        if !policy.writes_there() {
            return Decision::Nothing;
        }
        let merge = Merge::default();
        return write(policy, sides, Verb::Remove, Reason::DeletedHere, Record::new(), merge, before(link, sides.remote));
    }
    if policy.writes_here() && policy.can_create_here && seen.state == RemoteState::Live {
        return make_here(policy, sides, seen, Reason::EditBeatsDelete);
    }
    Decision::LeftThere
}

/// A record that is only there is made here.
pub fn make_here(policy: Policy<'_>, sides: Sides<'_>, seen: &Remote, reason: Reason) -> Decision {
    let id = LocalId::of_remote(&seen.id);
    let sides = Sides { id: &id, ..sides };
    let mut fields = Record::new();
    for field in policy.fields.iter().filter(|field| !policy.rules.is_aside(field)) {
        if let Some(value) = seen.fields.value(field.as_str()).filter(|value| !value.is_blank()) {
            fields.set(field.clone(), value.clone());
        }
    }
    let merge = Merge { here: fields.clone(), ..Merge::default() };
    let mut operation = operation(policy, sides, Verb::Create, reason, fields, merge, Some(Box::new(seen.clone())));
    if let Some(here) = &mut operation.here {
        here.verb = LocalVerb::Create;
        here.expect = None;
    }
    // The same record there is made here once, whatever it says by then.
    operation.id = operation_id(&operation.resource, &id, &operation.role, Verb::Create, &Record::new());
    Decision::Write(Box::new(operation))
}

/// What both sides agree on once the merge was written: of fields left as they are, what was agreed before.
fn agreed(merge: &Merge, local: &Record, base: Option<&Base>) -> Record {
    let mut fields = local.clone();
    for (field, value) in merge.here.iter() {
        fields.set(field.clone(), value.clone());
    }
    for field in &merge.open {
        match base.and_then(|base| base.local.value(field.as_str())) {
            Some(value) => fields.set(field.clone(), value.clone()),
            None => {
                fields.remove(field.as_str());
                &mut fields
            }
        };
    }
    fields
}

fn before_of(link: Option<&Link>, seen: Option<&Remote>) -> Option<Box<Remote>> {
    match (link, seen) {
        (Some(link), Some(seen)) => before(link, &RemoteSide::Seen(Box::new(seen.clone()))),
        (Some(link), None) => before(link, &RemoteSide::Unread),
        (None, seen) => seen.map(|seen| Box::new(seen.clone())),
    }
}

fn write(
    policy: Policy<'_>,
    sides: Sides<'_>,
    verb: Verb,
    reason: Reason,
    fields: Record,
    merge: Merge,
    before: Option<Box<Remote>>,
) -> Decision {
    Decision::Write(Box::new(operation(policy, sides, verb, reason, fields, merge, before)))
}

fn operation(
    policy: Policy<'_>,
    sides: Sides<'_>,
    verb: Verb,
    reason: Reason,
    fields: Record,
    merge: Merge,
    before: Option<Box<Remote>>,
) -> Operation {
    // Where nothing goes there, it stays where it lies.
    let is_here_alone = merge.there.is_empty() && !merge.here.is_empty();
    let lies_in = || sides.link.and_then(|link| link.container.clone());
    let container = if is_here_alone { lies_in() } else { place(sides, verb) };
    let here = (!merge.here.is_empty()).then(|| {
        Box::new(Here { verb: LocalVerb::Update, fields: merge.here, before: merge.before, expect: sides.version.cloned() })
    });
    Operation {
        id: operation_id(&policy.resource.name, sides.id, &sides.target.role, verb, &fields),
        resource: policy.resource.name.clone(),
        local: sides.id.clone(),
        role: sides.target.role.clone(),
        container: container
            .or_else(|| before.as_ref().and_then(|before| before.container.clone()))
            .or_else(|| sides.target.container.clone()),
        verb,
        fields,
        changed: merge.there.changed,
        sets: merge.there.sets,
        before,
        marker: sides.marker.clone(),
        open: merge.open,
        here,
        agreed: agreed_lines(policy.resource, policy.fields, sides.link.and_then(|link| link.base.as_ref())),
        amends: None,
        taken: Vec::new(),
        is_final: false,
        linked_as: None,
        reason,
    }
}
