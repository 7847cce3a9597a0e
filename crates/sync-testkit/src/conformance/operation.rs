//! Operations as the engine would plan them.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    Consent, ConsentState, FieldKind, FieldName, LocalId, Marker, Operation, Reason, Record, Remote, Resource, SetChange,
    Value, Verb,
};

use super::bench::Bench;

impl Bench<'_> {
    /// Makes a record.
    pub(crate) fn create(&self, resource: &Resource, n: usize) -> Operation {
        self.create_of(resource, n, self.harness.record(resource, n))
    }

    pub(crate) fn create_of(&self, resource: &Resource, n: usize, record: Record) -> Operation {
        let changed = record.iter().map(|(field, _)| field.clone()).collect();
        self.operation(resource, n, Verb::Create, record, changed, None)
    }

    /// Changes a record to `record`, of which these fields differ from what both sides agreed on.
    pub(crate) fn update(
        &self,
        resource: &Resource,
        n: usize,
        before: &Remote,
        record: Record,
        changed: &[FieldName],
    ) -> Operation {
        self.operation(resource, n, Verb::Update, record, changed.iter().cloned().collect(), Some(before.clone()))
    }

    /// Takes a record away.
    pub(crate) fn remove(&self, resource: &Resource, n: usize, before: &Remote) -> Operation {
        let record = self.harness.record(resource, n);
        self.operation(resource, n, Verb::Remove, record, BTreeSet::new(), Some(before.clone()))
    }

    fn operation(
        &self,
        resource: &Resource,
        n: usize,
        verb: Verb,
        fields: Record,
        changed: BTreeSet<FieldName>,
        before: Option<Remote>,
    ) -> Operation {
        let target = self.handler.target(&resource.name, &fields);
        let sets = changed
            .iter()
            .filter(|field| resource.field(field.as_str()).kind == FieldKind::OwnedSet)
            .map(|field| (field.clone(), set_change(field, &fields, before.as_ref())))
            .collect::<BTreeMap<_, _>>();
        let local = LocalId::new(format!("local-{n:04}"));
        Operation {
            id: format!("operation-{n:04}-{}", verb.as_str()).into(),
            resource: resource.name.clone(),
            marker: Marker::of(&"bench".into(), &"conformance".into(), &resource.collection, &local),
            local,
            role: target.role,
            container: target.container,
            verb,
            fields,
            changed,
            sets,
            before: before.map(Box::new),
            open: Default::default(),
            here: None,
            agreed: Default::default(),
            amends: None,
            taken: Vec::new(),
            is_final: false,
            linked_as: None,
            reason: match verb {
                Verb::Create => Reason::NewHere,
                Verb::Update => Reason::ChangedHere,
                Verb::Remove => Reason::DeletedHere,
            },
        }
    }
}

fn set_change(field: &FieldName, fields: &Record, before: Option<&Remote>) -> SetChange {
    let set = |record: &Record| record.value(field.as_str()).and_then(Value::as_set).cloned().unwrap_or_default();
    let (wanted, there) = (set(fields), before.map(|before| set(&before.fields)).unwrap_or_default());
    SetChange { add: wanted.difference(&there).cloned().collect(), remove: there.difference(&wanted).cloned().collect() }
}

/// The record with another consent.
pub(crate) fn with_consent(resource: &Resource, record: &Record, consent: Consent) -> Option<(Record, FieldName)> {
    let (_, field, _) = resource.consent?;
    Some((record.clone().with(field, Value::Consent(consent)), FieldName::from_static(field)))
}

/// How far consent goes in a remote record.
pub(crate) fn consent_there(resource: &Resource, remote: &Remote) -> Option<ConsentState> {
    let (_, field, _) = resource.consent?;
    remote.fields.value(field).and_then(Value::as_consent).map(|consent| consent.state)
}
