//! The base after something was agreed on: both faces, and of a partial sync only the part.

use std::collections::BTreeSet;

use sync_core::{FieldName, FieldOwner, Record, RemoteState, Value, Version};

use super::ask::ResourceAsk;
use crate::Base;

/// What was agreed on.
pub(crate) struct Agreed<'a> {
    /// The local record, in full.
    pub(crate) fields: &'a Record,
    /// What the provider shows of its record, where it showed anything.
    pub(crate) shown: Option<&'a Record>,
    /// The remote face where there is no base: the record that was matched.
    pub(crate) matched: Option<&'a Record>,
    /// What was written there, where the answer of a write shows the record. What it shows beyond that is news of the
    /// provider's, which the feed tells of, and nothing that was agreed on.
    pub(crate) written: Option<&'a BTreeSet<FieldName>>,
    /// Fields that differ and are left as they are: what was agreed on about them before stays.
    pub(crate) open: &'a BTreeSet<FieldName>,
    pub(crate) version: Option<Version>,
    pub(crate) state: RemoteState,
    pub(crate) native: Option<serde_json::Value>,
}

/// The base that follows from it. Fields that were not asked for stay as they were last agreed on: a sync of tags alone
/// must not swallow a new name.
pub(crate) fn next_base(ask: &ResourceAsk, before: Option<&Base>, agreed: Agreed<'_>) -> Base {
    let face = before.map(|base| base.face()).or(agreed.matched);
    let (mut local, mut remote) = if ask.is_whole {
        let local = merged(before.map(|base| &base.local), agreed.fields);
        (local.clone(), local)
    } else {
        (part(ask, before.map(|base| &base.local), agreed.fields), part(ask, face, agreed.fields))
    };
    // What the provider shows replaces what we sent; what it doesn't show is as we sent it.
    if let Some(shown) = agreed.shown {
        remote = merged(Some(&remote), shown);
    }
    if let (Some(written), Some(face)) = (agreed.written, face) {
        let mut known = face.clone();
        written.iter().for_each(|field| keep(&mut known, Some(&remote), field));
        // What is the provider's alone and followed from the write is not known any more: it may come to be as it was before,
        // and be news all the same.
        let is_theirs = |field: &FieldName| ask.resource.field(field.as_str()).owner == FieldOwner::Remote;
        let follows = |(field, value): &(&FieldName, &Value)| {
            !written.contains(*field) && is_theirs(field) && known.value(field.as_str()) != Some(*value)
        };
        let followed: Vec<FieldName> = remote.iter().filter(follows).map(|(field, _)| field.clone()).collect();
        followed.iter().for_each(|field| drop(known.remove(field.as_str())));
        remote = known;
    }
    for field in agreed.open {
        keep(&mut local, before.map(|base| &base.local), field);
        keep(&mut remote, before.map(|base| base.face()), field);
    }
    let mapping =
        if ask.is_whole { ask.rules.mapping.clone() } else { before.map(|base| base.mapping.clone()).unwrap_or_default() };
    Base {
        remote: Some(remote).filter(|remote| *remote != local),
        local,
        version: agreed.version,
        state: agreed.state,
        native: agreed.native,
        mapping,
    }
}

/// The base of a record whose change was made up for by a further record: the host's face is the new one, the provider's
/// stays.
pub(crate) fn amended_base(ask: &ResourceAsk, before: &Base, fields: &Record) -> Base {
    let face = before.face().clone();
    let local = if ask.is_whole { merged(Some(&before.local), fields) } else { part(ask, Some(&before.local), fields) };
    let mapping = if ask.is_whole { ask.rules.mapping.clone() } else { before.mapping.clone() };
    Base { remote: Some(face).filter(|face| *face != local), local, mapping, ..before.clone() }
}

/// The base of a record of which a change was taken back there: the host's face stays, so that nothing is planned again
/// until it changes.
pub(crate) fn undone_base(before: &Base, written: &Record, version: Option<Version>) -> Base {
    let face = before.face();
    let face = merged(Some(face), written);
    Base { remote: Some(face).filter(|face| *face != before.local), version, ..before.clone() }
}

fn keep(record: &mut Record, before: Option<&Record>, field: &FieldName) {
    match before.and_then(|before| before.value(field.as_str())) {
        Some(value) => {
            record.set(field.clone(), value.clone());
        }
        None => {
            record.remove(field.as_str());
        }
    }
}

fn part(ask: &ResourceAsk, base: Option<&Record>, over: &Record) -> Record {
    let mut record = base.cloned().unwrap_or_default();
    for field in &ask.fields {
        match over.value(field.as_str()) {
            Some(value) => record.set(field.clone(), value.clone()),
            None => {
                record.remove(field.as_str());
                &mut record
            }
        };
    }
    record
}

fn merged(base: Option<&Record>, over: &Record) -> Record {
    let mut record = base.cloned().unwrap_or_default();
    for (field, value) in over.iter() {
        record.set(field.clone(), value.clone());
    }
    record
}
