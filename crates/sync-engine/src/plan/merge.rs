//! Three sides of one record: what changed here and what changed there since both last agreed, field by field, and who
//! counts where both changed the same.

use std::collections::BTreeSet;

use sync_core::{ConflictPolicy, Direction, FieldKind, FieldName, FieldOwner, Filter, Record, Remote, SetChange, Value};

use super::{
    Difference, Policy,
    diff::{consent_differs, same_as},
};
use crate::Base;

/// What a person said about a record that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// Where both sides changed the same, the host's value counts.
    LocalWins,
    /// Where both sides changed the same, the provider's value counts.
    RemoteWins,
    /// What was changed there may be written here.
    Accept,
    /// What was changed there is put back as the host has it.
    PutBack,
    /// Nobody said anything: an audit shows what drifted, as a change that would bring it back.
    Audit,
}

/// What becomes of the fields of one record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Merge {
    /// To write there.
    pub there: Difference,
    /// To write here.
    pub here: Record,
    /// What these fields are here now.
    pub before: Record,
    /// Changed on both sides, and nobody has decided yet.
    pub conflicts: BTreeSet<FieldName>,
    /// Changed on both sides, and settled by a policy or a person.
    pub settled: BTreeSet<FieldName>,
    /// Changes there that a person must agree to first.
    pub guarded: BTreeSet<FieldName>,
    /// Fields that differ and are left as they are.
    pub open: BTreeSet<FieldName>,
    /// True when anything changed there since both last agreed.
    pub is_changed_there: bool,
    /// True when anything changed here since both last agreed.
    pub is_changed_here: bool,
}

impl Merge {
    /// True when neither side has to be written.
    pub fn is_empty(&self) -> bool {
        self.there.is_empty() && self.here.is_empty()
    }
}

/// Fields that go together: one, or a group of the descriptor.
struct Unit<'a> {
    fields: Vec<&'a FieldName>,
}

/// How one field stands.
struct FieldState<'a> {
    field: &'a FieldName,
    kind: FieldKind,
    ours: Option<&'a Value>,
    theirs: Option<&'a Value>,
    changed_here: bool,
    changed_there: bool,
    /// Changed there, although the host's value counts.
    drifted: bool,
}

impl FieldState<'_> {
    fn differs(&self) -> bool {
        !same_as(self.kind, self.ours, self.theirs)
    }
}

/// Merges a record. `local` is the host's record as the provider shall see it, `base` what both sides last agreed on
/// (`None`: nothing, they were just brought together), `seen` the remote record (`None`: as in the base).
pub fn merge(
    policy: Policy<'_>,
    settle: Option<Settle>,
    local: &Record,
    base: Option<&Base>,
    seen: Option<&Remote>,
) -> Merge {
    let mut merge = Merge::default();
    let face = base.map(Base::face);
    for unit in units(policy) {
        let states: Vec<FieldState<'_>> =
            unit.fields.iter().filter_map(|field| state(policy, field, local, base, face, seen, &mut merge)).collect();
        settle_unit(policy, settle, local, base, seen, &states, &mut merge);
    }
    let is_let_through = matches!(settle, Some(Settle::RemoteWins | Settle::Accept));
    if !is_let_through {
        let guarded: Vec<FieldName> = merge.here.iter().map(|(field, _)| field.clone()).collect();
        merge.guarded.extend(guarded.into_iter().filter(|field| policy.is_guarded(field, local, seen)));
    }
    for (field, _) in merge.here.iter() {
        if let Some(value) = local.value(field.as_str()) {
            merge.before.set(field.clone(), value.clone());
        }
    }
    merge
}

fn units(policy: Policy<'_>) -> Vec<Unit<'_>> {
    let mut units: Vec<Unit<'_>> = Vec::new();
    let mut grouped: Vec<(usize, usize)> = Vec::new();
    for field in policy.fields {
        if policy.rules.is_aside(field) {
            continue;
        }
        let group = policy.resource.groups.iter().position(|group| group.contains(&field.as_str()));
        let place = group.and_then(|group| grouped.iter().find(|(of, _)| *of == group).map(|(_, idx)| *idx));
        match place.and_then(|idx| units.get_mut(idx)) {
            Some(unit) => unit.fields.push(field),
            None => {
                grouped.extend(group.map(|group| (group, units.len())));
                units.push(Unit { fields: vec![field] });
            }
        }
    }
    units
}

/// How a field stands; sets and consent, which merge by their own rules, are dealt with on the way.
fn state<'a>(
    policy: Policy<'_>,
    field: &'a FieldName,
    local: &'a Record,
    base: Option<&'a Base>,
    face: Option<&'a Record>,
    seen: Option<&'a Remote>,
    merge: &mut Merge,
) -> Option<FieldState<'a>> {
    let name = field.as_str();
    let spec = policy.resource.field(name);
    let owner = policy.owner(field);
    let ours = local.value(name);
    let agreed_here = base.and_then(|base| base.local.value(name));
    let agreed_there = face.and_then(|face| face.value(name));
    let theirs = match seen {
        Some(seen) => seen.fields.value(name),
        None => agreed_there,
    };
    match spec.kind {
        FieldKind::OwnedSet => {
            sets(policy, owner, field, [ours, agreed_here, theirs, agreed_there], seen.is_some(), merge);
            None
        }
        FieldKind::Consent => {
            let consent = |value: Option<&Value>| value.and_then(Value::as_consent).cloned();
            let agreed = (consent(agreed_here), consent(agreed_there));
            if consent_differs(consent(ours).as_ref(), &agreed, consent(theirs).as_ref()) {
                merge.is_changed_here = true;
                if policy.writes_there() {
                    merge.there.changed.insert(field.clone());
                } else {
                    merge.open.insert(field.clone());
                }
            }
            None
        }
        _ => {
            // A blank never overwrites a value.
            let is_set = |value: Option<&Value>| value.is_some_and(|value| !value.is_blank());
            let changed_here = is_set(ours) && !same_as(spec.kind, ours, agreed_here);
            let changed_there = is_set(theirs) && !same_as(spec.kind, theirs, agreed_there);
            // The host's own, and yet not to be passed over.
            let is_asked = owner == FieldOwner::Local
                && changed_there
                && base.is_some()
                && ((changed_here && policy.rules.contested.contains(field)) || policy.is_guarded(field, local, seen));
            // Where the host says nothing there is nothing to put back.
            let drifted = changed_there && owner == FieldOwner::Local && !is_asked && is_set(ours);
            Some(FieldState {
                field,
                kind: spec.kind,
                ours,
                theirs,
                changed_here: changed_here && (owner != FieldOwner::Remote || (base.is_none() && !is_set(theirs))),
                changed_there: changed_there && (owner != FieldOwner::Local || is_asked),
                drifted,
            })
        }
    }
}

/// Each side owns the elements that it added: additions and removals of both sides count.
fn sets(
    policy: Policy<'_>,
    owner: FieldOwner,
    field: &FieldName,
    [ours, agreed_here, theirs, agreed_there]: [Option<&Value>; 4],
    is_seen: bool,
    merge: &mut Merge,
) {
    let none = BTreeSet::new();
    let set = |value: Option<&Value>| value.and_then(Value::as_set).cloned().unwrap_or_else(|| none.clone());
    let (ours, agreed_here, theirs, agreed_there) = (set(ours), set(agreed_here), set(theirs), set(agreed_there));
    let there = SetChange {
        add: ours
            .iter()
            .filter(|one| !agreed_here.contains(*one) && (!is_seen || !theirs.contains(*one)))
            .cloned()
            .collect(),
        remove: agreed_here.difference(&ours).filter(|one| !is_seen || theirs.contains(*one)).cloned().collect(),
    };
    if !there.add.is_empty() || !there.remove.is_empty() {
        merge.is_changed_here = true;
        if policy.writes_there() {
            merge.there.changed.insert(field.clone());
            merge.there.sets.insert(field.clone(), there);
        } else {
            merge.open.insert(field.clone());
        }
    }
    if owner == FieldOwner::Local || !is_seen {
        return;
    }
    let added: BTreeSet<&String> = theirs.iter().filter(|one| !agreed_there.contains(*one)).collect();
    let removed: BTreeSet<&String> = agreed_there.difference(&theirs).collect();
    let merged: BTreeSet<String> =
        ours.iter().filter(|one| !removed.contains(*one)).chain(added.iter().copied()).cloned().collect();
    if merged != ours {
        merge.is_changed_there = true;
        if policy.writes_here() {
            merge.here.set(field.clone(), Value::Set(merged));
        } else {
            merge.open.insert(field.clone());
        }
    }
}

fn settle_unit(
    policy: Policy<'_>,
    settle: Option<Settle>,
    local: &Record,
    base: Option<&Base>,
    seen: Option<&Remote>,
    states: &[FieldState<'_>],
    merge: &mut Merge,
) {
    let changed_here = states.iter().any(|state| state.changed_here && state.differs());
    let changed_there = states.iter().any(|state| state.changed_there && state.differs());
    merge.is_changed_here |= states.iter().any(|state| state.changed_here);
    merge.is_changed_there |= states.iter().any(|state| state.changed_there);
    for state in states.iter().filter(|state| state.drifted && state.differs()) {
        if matches!(settle, Some(Settle::PutBack | Settle::Audit)) && policy.writes_there() {
            merge.there.changed.insert(state.field.clone());
        } else if !state.changed_here {
            merge.open.insert(state.field.clone());
        }
    }
    let winner = match (changed_here, changed_there) {
        (false, false) => return,
        (true, false) => Winner::Here,
        (false, true) if settle == Some(Settle::PutBack) => Winner::Here,
        (false, true) => Winner::There,
        (true, true) => match conflict(policy, settle, local, base, seen, states) {
            Some(winner) => {
                merge.settled.extend(states.iter().filter(|state| state.differs()).map(|state| state.field.clone()));
                winner
            }
            None => {
                let is_news = |state: &&FieldState<'_>| state.differs() && (state.changed_here || state.changed_there);
                merge.conflicts.extend(states.iter().filter(is_news).map(|state| state.field.clone()));
                return;
            }
        },
    };
    let is_contested = changed_there;
    for state in states.iter().filter(|state| state.differs()) {
        let set = |value: Option<&Value>| value.filter(|value| !value.is_blank()).cloned();
        match winner {
            Winner::Here if state.changed_here || is_contested => {
                if set(state.ours).is_none() {
                    continue;
                }
                if policy.writes_there() {
                    merge.there.changed.insert(state.field.clone());
                } else {
                    merge.open.insert(state.field.clone());
                }
            }
            Winner::There if state.changed_there || changed_here => {
                let Some(value) = set(state.theirs) else { continue };
                if policy.writes_here() {
                    merge.here.set(state.field.clone(), value);
                } else {
                    merge.open.insert(state.field.clone());
                }
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Winner {
    Here,
    There,
}

/// Who wins where both sides changed the same.
fn conflict(
    policy: Policy<'_>,
    settle: Option<Settle>,
    local: &Record,
    base: Option<&Base>,
    seen: Option<&Remote>,
    states: &[FieldState<'_>],
) -> Option<Winner> {
    match settle {
        Some(Settle::LocalWins | Settle::PutBack) => return Some(Winner::Here),
        Some(Settle::RemoteWins) => return Some(Winner::There),
        Some(Settle::Accept | Settle::Audit) | None => {}
    }
    let rule = match base {
        None => policy.rules.on_match,
        Some(_) => states
            .iter()
            .find_map(|state| policy.rules.conflicts.iter().find(|(field, _)| field == state.field))
            .map_or(ConflictPolicy::Ask, |(_, rule)| *rule),
    };
    match rule {
        ConflictPolicy::LocalWins => Some(Winner::Here),
        ConflictPolicy::RemoteWins => Some(Winner::There),
        ConflictPolicy::Newest => {
            let here = policy.rules.changed_at.as_ref().and_then(|field| match local.value(field.as_str()) {
                Some(Value::Time { at, .. }) => Some(*at),
                _ => None,
            })?;
            let there = seen?.changed_at?;
            Some(if there > here { Winner::There } else { Winner::Here })
        }
        ConflictPolicy::Ask => None,
    }
}

impl Policy<'_> {
    /// Whose value counts for a field, as the connection's settings narrow it.
    pub(super) fn owner(&self, field: &FieldName) -> FieldOwner {
        let narrowed = self.rules.owners.iter().find(|(name, _)| name == field).map(|(_, owner)| *owner);
        let owner = narrowed.unwrap_or_else(|| self.resource.field(field.as_str()).owner);
        // A connection that only pushes takes nothing from there, one that only pulls sends nothing.
        match (self.rules.direction, owner) {
            (Direction::Push, FieldOwner::Both) => FieldOwner::Local,
            (Direction::Pull, FieldOwner::Both) => FieldOwner::Remote,
            _ => owner,
        }
    }

    /// True when a person is asked about a change of a field there.
    fn is_guarded(&self, field: &FieldName, local: &Record, seen: Option<&Remote>) -> bool {
        let admits = |when: &Filter| when.admits(local) || seen.is_some_and(|seen| when.admits(&seen.fields));
        let counts = |guard: &&sync_core::Guard| guard.when.as_ref().is_none_or(admits);
        self.rules.guards.iter().filter(counts).any(|guard| guard.fields.contains(field))
    }

    /// True when this run may write the provider's side.
    pub fn writes_there(&self) -> bool {
        self.direction != Direction::Pull
    }

    /// True when this run may write the host's side.
    pub fn writes_here(&self) -> bool {
        self.direction != Direction::Push
    }
}
