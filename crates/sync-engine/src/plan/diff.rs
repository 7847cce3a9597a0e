//! What differs between a record as it shall be and what both sides last agreed on, field by field, by the field's kind.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{Consent, FieldKind, FieldName, FieldOwner, FieldSet, Record, Resource, SetChange, Value};

use crate::Base;

/// What differs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// Fields to write.
    pub changed: BTreeSet<FieldName>,
    /// Elements to add to and remove from sets with owned elements.
    pub sets: BTreeMap<FieldName, SetChange>,
}

impl Difference {
    /// True when there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }
}

/// What must be written so that the remote side has `wanted`, given what both sides last agreed on (`None`: nothing).
///
/// A blank never overwrites a value. Fields that the provider owns are written on creation only. A set loses only
/// elements that we put there. `remote` is what the provider shows now, where it was read.
pub fn diff(
    resource: &Resource,
    owners: &[(FieldName, FieldOwner)],
    fields: &FieldSet,
    wanted: &Record,
    base: Option<&Base>,
    remote: Option<&Record>,
) -> Difference {
    let mut difference = Difference::default();
    for field in fields {
        let spec = resource.field(field.as_str());
        let owner = owners.iter().find(|(name, _)| name == field).map_or(spec.owner, |(_, owner)| *owner);
        let ours = wanted.value(field.as_str());
        let agreed = base.and_then(|base| base.local.value(field.as_str()));
        // The remote face: read now, else as it was agreed on.
        let theirs = match remote {
            Some(remote) => remote.value(field.as_str()),
            None => base.and_then(|base| base.face().value(field.as_str())),
        };
        let is_known = base.is_some() || remote.is_some();
        match spec.kind {
            FieldKind::OwnedSet => {
                let change = set_change(ours, agreed, remote.is_some().then_some(theirs).flatten());
                if !change.add.is_empty() || !change.remove.is_empty() {
                    difference.changed.insert(field.clone());
                    difference.sets.insert(field.clone(), change);
                }
            }
            FieldKind::Consent => {
                let consent = |value: Option<&'_ Value>| value.and_then(Value::as_consent).cloned();
                let shown = base.and_then(|base| base.remote.as_ref().unwrap_or(&base.local).value(field.as_str()));
                let agreed = (consent(agreed), consent(shown));
                if consent_differs(consent(ours).as_ref(), &agreed, consent(theirs).as_ref()) {
                    difference.changed.insert(field.clone());
                }
            }
            _ if owner == FieldOwner::Remote && is_known => {}
            _ => {
                let Some(ours) = ours.filter(|value| !value.is_blank()) else { continue };
                if !same_as(spec.kind, Some(ours), if remote.is_some() { theirs } else { agreed }) {
                    difference.changed.insert(field.clone());
                }
            }
        }
    }
    difference
}

/// Consent as it was last agreed on: as the host had it, and as the provider showed it.
pub(super) type AgreedConsent = (Option<Consent>, Option<Consent>);

/// True when the consent that the provider shows must be written: it differs from ours, and it isn't the person who raised
/// it there since (what only they did is reported, never undone).
pub(super) fn consent_differs(ours: Option<&Consent>, agreed: &AgreedConsent, theirs: Option<&Consent>) -> bool {
    let Some(ours) = ours else { return false };
    let Some(theirs) = theirs else { return true };
    if ours.state == theirs.state {
        return false;
    }
    if ours.state > theirs.state {
        return true;
    }
    let (here, there) = agreed;
    let is_unchanged_here = here.as_ref().is_some_and(|here| (here.state, here.at) == (ours.state, ours.at));
    // Nobody raised it there since: that the provider's clock dates it later than the withdrawal here says nothing.
    let is_as_agreed = here.as_ref().is_some_and(|here| here.state == theirs.state) && there.as_ref() == Some(theirs);
    let is_newer_there = matches!((ours.at, theirs.at), (Some(ours), Some(theirs)) if theirs > ours);
    !is_unchanged_here && (is_as_agreed || !is_newer_there)
}

/// Elements that we add, and those of ours that go. What the other side holds already is not added again.
fn set_change(ours: Option<&Value>, agreed: Option<&Value>, theirs: Option<&Value>) -> SetChange {
    let none = BTreeSet::new();
    let set = |value: Option<&'_ Value>| value.and_then(Value::as_set).cloned().unwrap_or_else(|| none.clone());
    let (ours, agreed, theirs) = (set(ours), set(agreed), set(theirs));
    SetChange {
        add: ours.iter().filter(|element| !agreed.contains(*element) && !theirs.contains(*element)).cloned().collect(),
        remove: agreed.difference(&ours).cloned().collect(),
    }
}

/// Equal by meaning: blank equals absent, 1.0 equals 1.00, texts are compared without outer white space.
pub(crate) fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a.filter(|v| !v.is_blank()), b.filter(|v| !v.is_blank())) {
        (None, None) => true,
        (Some(Value::Text(a)), Some(Value::Text(b))) => a.trim() == b.trim(),
        (Some(Value::Time { at: a, .. }), Some(Value::Time { at: b, .. })) => a == b,
        (Some(Value::List(a)), Some(Value::List(b))) => {
            let of = |records: [&Record; 2]| {
                records.into_iter().flat_map(|record| record.iter()).map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
            };
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_in(&of([a, b]), a, b))
        }
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Equal by the field's kind: of lines, in the members that are compared.
pub(crate) fn same_as(kind: FieldKind, a: Option<&Value>, b: Option<&Value>) -> bool {
    match (kind, a, b) {
        (FieldKind::Lines(members), Some(Value::List(a)), Some(Value::List(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_in(members, a, b))
        }
        _ => same(a, b),
    }
}

fn same_in<'n, N: AsRef<str> + 'n>(names: impl IntoIterator<Item = &'n N>, a: &Record, b: &Record) -> bool {
    names.into_iter().all(|name| same(a.value(name.as_ref()), b.value(name.as_ref())))
}

/// Lists of lines as they were last agreed on.
pub(super) fn agreed_lines(
    resource: &Resource,
    fields: &FieldSet,
    base: Option<&Base>,
) -> BTreeMap<FieldName, sync_core::AgreedLines> {
    let Some(base) = base else { return BTreeMap::new() };
    let lines = |record: &Record, field: &str| record.value(field).and_then(Value::as_list).unwrap_or_default().to_vec();
    let is_lines = |field: &&FieldName| matches!(resource.field(field.as_str()).kind, FieldKind::Lines(_));
    let of = |field: &FieldName| sync_core::AgreedLines {
        here: lines(&base.local, field.as_str()),
        there: lines(base.face(), field.as_str()),
    };
    fields.iter().filter(is_lines).map(|field| (field.clone(), of(field))).collect()
}
