//! Operations on one record, as short as a test can say them.

use std::collections::BTreeMap;

use sync_core::{Marker, Operation, Reason, Record, Remote, ResourceName, Role, Verb};

/// Makes a record there. All its fields are new; local id `1`, role `main`, no container: set what must differ.
#[must_use]
pub fn create(resource: ResourceName, marker: &str, fields: Record) -> Operation {
    let changed = fields.iter().map(|(field, _)| field.clone()).collect();
    Operation {
        id: "op".into(),
        resource,
        local: "1".into(),
        role: Role::MAIN,
        container: None,
        verb: Verb::Create,
        fields,
        changed,
        sets: BTreeMap::new(),
        before: None,
        marker: Marker::new(marker),
        open: Default::default(),
        here: None,
        agreed: Default::default(),
        amends: None,
        taken: Vec::new(),
        is_final: false,
        linked_as: None,
        reason: Reason::NewHere,
    }
}

/// The same record, there already as `before`, of which these fields change.
#[must_use]
pub fn update(create: Operation, before: Remote, changed: &[&str]) -> Operation {
    Operation {
        verb: Verb::Update,
        changed: changed.iter().map(|field| (*field).into()).collect(),
        before: Some(Box::new(before)),
        reason: Reason::ChangedHere,
        ..create
    }
}

/// The same record, there already as `before`, is taken away.
#[must_use]
pub fn remove(create: Operation, before: Remote) -> Operation {
    Operation {
        verb: Verb::Remove,
        changed: Default::default(),
        fields: Record::new(),
        before: Some(Box::new(before)),
        reason: Reason::DeletedHere,
        ..create
    }
}
