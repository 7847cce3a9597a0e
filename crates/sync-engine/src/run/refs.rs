//! References between records, translated both ways by the links, and what waits for what.

use std::collections::{BTreeMap, HashMap};

use sync_core::{
    Collection, LocalId, Outcome, OutcomeKind, Owner, Record, Ref, Refs, RemoteId, Resource, ResourceName, code,
};

use super::{
    halt::Halt,
    session::{Session, later},
};
use crate::LinkState;

/// The records of the host that a record refers to.
pub(crate) fn locals(record: &Record) -> Vec<(Collection, LocalId)> {
    let mut found = Vec::new();
    record.each_ref(&mut |to| {
        if let Ref::Local { collection, id } = to {
            found.push((collection.clone(), id.clone()));
        }
    });
    found
}

/// The records there that a record refers to, and that have no counterpart here as far as it knows.
pub(crate) fn foreign(record: &Record) -> Vec<(ResourceName, RemoteId)> {
    let mut found = Vec::new();
    record.each_ref(&mut |to| {
        if let Ref::Foreign { resource, id } = to {
            found.push((resource.clone(), id.clone()));
        }
    });
    found
}

/// The kind that a host's table goes to.
pub(crate) fn resource_of(s: &Session<'_>, collection: &Collection) -> Option<&'static Resource> {
    s.input.descriptor.resources.iter().find(|resource| resource.collection == *collection)
}

/// The counterparts of records, as far as they have any.
pub(crate) async fn linked(s: &Session<'_>, wanted: Vec<(Collection, LocalId)>) -> Result<Refs, Halt> {
    let mut by_collection: BTreeMap<Collection, Vec<LocalId>> = BTreeMap::new();
    for (collection, id) in wanted {
        by_collection.entry(collection).or_default().push(id);
    }
    let mut refs = Refs::new();
    for (collection, mut ids) in by_collection {
        ids.sort();
        ids.dedup();
        let Some(resource) = resource_of(s, &collection) else { continue };
        let role = s.input.handler.target(&resource.name, &Record::new()).role;
        for ids in ids.chunks(s.engine.config.page) {
            let links = s.engine.store.links_by_local(&s.scope, &s.account, &resource.name, &role, ids).await;
            for (id, link) in ids.iter().zip(links.map_err(|error| s.halt(error))?) {
                let live = link.filter(|link| link.state == LinkState::Live).and_then(|link| link.remote);
                if let Some(remote) = live {
                    refs.insert(collection.clone(), id.clone(), remote);
                }
            }
        }
    }
    Ok(refs)
}

/// Makes references to records there references to the host's records, where these are linked.
pub(crate) async fn localize<'r>(s: &Session<'_>, records: impl IntoIterator<Item = &'r mut Record>) -> Result<(), Halt> {
    let mut records: Vec<&mut Record> = records.into_iter().collect();
    let mut wanted: BTreeMap<ResourceName, Vec<RemoteId>> = BTreeMap::new();
    for record in &records {
        for (resource, id) in foreign(record) {
            wanted.entry(resource).or_default().push(id);
        }
    }
    let mut known: HashMap<(ResourceName, RemoteId), LocalId> = HashMap::new();
    for (resource, mut ids) in wanted {
        ids.sort();
        ids.dedup();
        for ids in ids.chunks(s.engine.config.page) {
            let links = s.engine.store.links_by_remote(&s.scope, &s.account, &resource, ids).await;
            for (id, link) in ids.iter().zip(links.map_err(|error| s.halt(error))?) {
                if let Some(link) = link {
                    known.insert((resource.clone(), id.clone()), link.local);
                }
            }
        }
    }
    if known.is_empty() {
        return Ok(());
    }
    for record in &mut records {
        record.each_ref_mut(&mut |to| {
            let Ref::Foreign { resource, id } = &*to else { return };
            let Some(local) = known.get(&(resource.clone(), id.clone())) else { return };
            if let Some(resource) = s.input.descriptor.resource(resource.as_str()) {
                *to = Ref::Local { collection: resource.collection.clone(), id: local.clone() };
            }
        });
    }
    Ok(())
}

/// The same for the record of an answer, whose references are the ones that were sent.
pub(crate) fn localize_by(s: &Session<'_>, refs: &Refs, record: &mut Record) {
    record.each_ref_mut(&mut |to| {
        let Ref::Foreign { resource, id } = &*to else { return };
        let Some(resource) = s.input.descriptor.resource(resource.as_str()) else { return };
        let sent = refs.iter().find(|(collection, _, remote)| **collection == resource.collection && *remote == id);
        if let Some((collection, local, _)) = sent {
            *to = Ref::Local { collection: collection.clone(), id: local.clone() };
        }
    });
}

/// The first record of the host that a record refers to and that has no counterpart.
pub(crate) fn missing(refs: &Refs, record: &Record) -> Option<(Collection, LocalId)> {
    locals(record).into_iter().find(|(collection, id)| refs.remote(collection, id).is_none())
}

/// What becomes of a record that refers to one that isn't there: it says which, as `itemIds` would name it.
pub(crate) fn blocked(s: &Session<'_>, of: &str, id: &str) -> Outcome {
    Outcome::new(OutcomeKind::Blocked, code::BLOCKED, format!("it refers to {of}:{id}, which is not there yet"))
        .remedy(Owner::Nobody, format!("It goes once {of}:{id} is there; why that waits is said of it."))
        .until(later(s.now(), s.engine.config.retry_after))
}
