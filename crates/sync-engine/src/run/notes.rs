//! What a run remembers between its steps: fingerprints of records, and never the records (law 6).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use sync_core::{LocalId, Operation, RemoteId, ResourceName, Verb};

use super::{
    ask::ResourceAsk,
    refs,
    session::{Session, lock},
};

/// Of one run.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Records of calls that may still be carried out, and until when: nothing is decided about them before. As many as the
    /// calls that stand open.
    unsettled: Mutex<HashMap<(ResourceName, LocalId), Timestamp>>,
    /// What this run plans of kinds that others refer to, and its slice. 16 bytes each.
    planned: Mutex<HashMap<ResourceName, HashMap<u64, u32>>>,
    /// The last slice of the plan.
    last_slice: Mutex<u32>,
    /// What this run found there and linked, of kinds that others refer to.
    adopted: Mutex<HashSet<u64>>,
    /// What was held since it was planned before that, and is weighed once more.
    weighed_again: Mutex<HashSet<u64>>,
    /// Records whose counterpart is proven to be gone and is to be made anew.
    replaced: Mutex<HashSet<u64>>,
    /// Keys that a feed showed which was read from its start. 8 bytes each.
    pub(super) seen_keys: Mutex<HashMap<ResourceName, Arc<HashSet<u64>>>>,
}

impl Session<'_> {
    /// Remembers that a record's counterpart is gone and is to be made anew. Its link says so in the commit that the new one
    /// is announced in: a run that ends before leaves it as it was, to be decided on again.
    pub(crate) fn note_replaced(&self, resource: &ResourceName, local: &LocalId) {
        lock(&self.notes.replaced).insert(fingerprint(&(resource, local)));
    }

    /// True, once, for a record whose counterpart is to be made anew.
    pub(crate) fn is_replaced(&self, resource: &ResourceName, local: &LocalId) -> bool {
        let mut replaced = lock(&self.notes.replaced);
        !replaced.is_empty() && replaced.remove(&fingerprint(&(resource, local)))
    }

    /// Remembers that a record is in the plan, and in which slice.
    pub(crate) fn note_planned(&self, resource: &ResourceName, local: &LocalId, slice: u32) {
        let mut last = lock(&self.notes.last_slice);
        *last = slice.max(*last);
        if self.is_referred_to(resource) {
            lock(&self.notes.planned).entry(resource.clone()).or_default().insert(fingerprint(local), slice);
        }
    }

    /// Forgets that a record is in the plan.
    pub(crate) fn forget_planned(&self, resource: &ResourceName, local: &LocalId) {
        if let Some(planned) = lock(&self.notes.planned).get_mut(resource) {
            planned.remove(&fingerprint(local));
        }
    }

    /// The slice that a record is planned in, if it is.
    pub(crate) fn slice_of(&self, resource: &ResourceName, local: &LocalId) -> Option<u32> {
        lock(&self.notes.planned).get(resource)?.get(&fingerprint(local)).copied()
    }

    /// True when a record that is only there is to be made here.
    pub(crate) fn is_planned_there(&self, resource: &ResourceName, id: &RemoteId) -> bool {
        self.slice_of(resource, &LocalId::of_remote(id)).is_some()
    }

    /// The last slice of the plan.
    pub(crate) fn last_slice(&self) -> u32 {
        *lock(&self.notes.last_slice)
    }

    /// Remembers that a record was there already, and is linked now.
    pub(crate) fn note_adopted(&self, resource: &ResourceName, local: &LocalId) {
        if self.is_referred_to(resource) {
            lock(&self.notes.adopted).insert(fingerprint(&(resource, local)));
        }
    }

    /// True, once, for a record that is to be made and refers to one that was adopted after it was planned: what hangs on
    /// that there was not weighed against it.
    pub(crate) fn is_to_be_weighed_again(&self, ask: &ResourceAsk, operation: &Operation) -> bool {
        if operation.verb != Verb::Create || ask.rules.evidence.is_empty() {
            return false;
        }
        let is_adopted = {
            let adopted = lock(&self.notes.adopted);
            !adopted.is_empty()
                && refs::locals(&operation.fields).into_iter().any(|(collection, id)| {
                    let resource = refs::resource_of(self, &collection);
                    resource.is_some_and(|resource| adopted.contains(&fingerprint(&(&resource.name, &id))))
                })
        };
        is_adopted && self.note_weighed_again(&ask.resource.name, &operation.local)
    }

    /// Remembers that a record is planned once more; false where it was before.
    pub(crate) fn note_weighed_again(&self, resource: &ResourceName, local: &LocalId) -> bool {
        lock(&self.notes.weighed_again).insert(fingerprint(&(resource, local)))
    }

    /// Notes that nothing may be decided about a record before this time.
    pub(crate) fn leave_until(&self, resource: &ResourceName, local: &LocalId, until: Timestamp) {
        lock(&self.notes.unsettled).insert((resource.clone(), local.clone()), until);
    }

    /// Until when nothing may be decided about a record.
    pub(crate) fn left_until(&self, resource: &ResourceName, local: &LocalId) -> Option<Timestamp> {
        let unsettled = lock(&self.notes.unsettled);
        if unsettled.is_empty() {
            return None;
        }
        unsettled.get(&(resource.clone(), local.clone())).copied()
    }

    /// True for kinds that others refer to.
    fn is_referred_to(&self, resource: &ResourceName) -> bool {
        self.input.descriptor.resources.iter().any(|other| other.depends_on.contains(resource))
    }
}

/// 64 bits of a hash of an id: a hit is compared in full, or costs a look-up.
pub(crate) fn fingerprint<T: std::hash::Hash + ?Sized>(id: &T) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
