//! References of a record, translated to what the provider calls their targets.

use std::collections::BTreeMap;

use crate::{Collection, LocalId, Ref, RemoteId};

/// Records of the host that others refer to, with their counterparts. Two tables may use the same ids, so a record goes by
/// both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refs(BTreeMap<Collection, BTreeMap<LocalId, RemoteId>>);

impl Refs {
    /// No references.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record's counterpart.
    pub fn insert(&mut self, collection: Collection, id: LocalId, remote: RemoteId) {
        self.0.entry(collection).or_default().insert(id, remote);
    }

    /// A record's counterpart.
    pub fn remote(&self, collection: &Collection, id: &LocalId) -> Option<&RemoteId> {
        self.0.get(collection)?.get(id)
    }

    /// What a reference refers to there: the counterpart of a record of the host, or the provider's record itself.
    pub fn of<'a>(&'a self, to: &'a Ref) -> Option<&'a RemoteId> {
        match to {
            Ref::Local { collection, id } => self.remote(collection, id),
            Ref::Foreign { id, .. } => Some(id),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Collection, &LocalId, &RemoteId)> {
        self.0.iter().flat_map(|(collection, ids)| ids.iter().map(move |(id, remote)| (collection, id, remote)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_in_two_tables_is_two_records() {
        let mut refs = Refs::new();
        refs.insert(Collection::CUSTOMERS, "7".into(), "c".into());
        refs.insert(Collection::INVOICES, "7".into(), "i".into());
        let local = |collection| Ref::Local { collection, id: "7".into() };
        assert_eq!(refs.of(&local(Collection::CUSTOMERS)), Some(&"c".into()));
        assert_eq!(refs.of(&local(Collection::INVOICES)), Some(&"i".into()));
        assert_eq!(refs.of(&local(Collection::PAYMENTS)), None);
        assert_eq!(refs.of(&Ref::Foreign { resource: "invoices".into(), id: "x".into() }), Some(&"x".into()));
        assert_eq!(refs.iter().count(), 2);
    }
}
