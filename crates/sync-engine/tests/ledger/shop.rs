//! A shop with several tables that can be written.
#![allow(dead_code)]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use sync_core::{
    Collection, FieldSet, Local, LocalFrom, LocalId, LocalNext, LocalPage, LocalReceipt, LocalState, LocalVerb, LocalWrite,
    NaturalKey, OrganizationId, Record, Records, Result, Version, WritableRecords,
};

type Rows = BTreeMap<LocalId, (Record, u64)>;

/// The host's tables.
#[derive(Debug, Default)]
pub(crate) struct Shop {
    rows: Mutex<BTreeMap<Collection, Rows>>,
    made: AtomicU64,
}

impl Shop {
    pub(crate) fn put(&self, of: Collection, id: &str, record: Record) {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry(of).or_default().entry(id.into()).or_default();
        *row = (record, row.1 + 1);
    }

    pub(crate) fn edit(&self, of: Collection, id: &str, edit: impl FnOnce(&mut Record)) {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.get_mut(&of).unwrap().get_mut(&LocalId::new(id)).unwrap();
        edit(&mut row.0);
        row.1 += 1;
    }

    pub(crate) fn delete(&self, of: Collection, id: &str) {
        self.rows.lock().unwrap().get_mut(&of).unwrap().remove(&LocalId::new(id));
    }

    pub(crate) fn record(&self, of: &Collection, id: &str) -> Option<Record> {
        Some(self.rows.lock().unwrap().get(of)?.get(&LocalId::new(id))?.0.clone())
    }

    pub(crate) fn ids(&self, of: &Collection) -> Vec<String> {
        self.rows.lock().unwrap().get(of).map(|rows| rows.keys().map(ToString::to_string).collect()).unwrap_or_default()
    }

    fn local(&self, of: &Collection, id: &LocalId, fields: &FieldSet) -> Local {
        match self.rows.lock().unwrap().get(of).and_then(|rows| rows.get(id)) {
            Some((record, version)) => {
                let mut record = record.clone();
                record.retain(|field| fields.contains(field));
                let version = Some(Version::new(version.to_string()));
                Local { id: id.clone(), version, state: LocalState::Live(record) }
            }
            None => Local { id: id.clone(), version: None, state: LocalState::Deleted },
        }
    }
}

#[async_trait]
impl Records for Shop {
    async fn changes(
        &self,
        _: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        let after = if let LocalFrom::Page(token) = from { token.as_str().to_owned() } else { String::new() };
        let ids: Vec<LocalId> = self.ids(of).into_iter().filter(|id| **id > *after).take(limit).map(LocalId::new).collect();
        let next =
            if ids.len() == limit { LocalNext::More(ids.last().unwrap().as_str().into()) } else { LocalNext::Done(None) };
        Ok(LocalPage { items: ids.iter().map(|id| self.local(of, id, fields)).collect(), next })
    }

    async fn read(&self, _: &OrganizationId, of: &Collection, fields: &FieldSet, ids: &[LocalId]) -> Result<Vec<Local>> {
        Ok(ids.iter().map(|id| self.local(of, id, fields)).collect())
    }

    async fn labels(&self, _: &OrganizationId, of: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        Ok(ids.iter().map(|id| Some(format!("{of} {id}"))).collect())
    }
}

#[async_trait]
impl WritableRecords for Shop {
    async fn write(&self, _: &OrganizationId, of: &Collection, writes: &[LocalWrite]) -> Result<Vec<LocalReceipt>> {
        let mut rows = self.rows.lock().unwrap();
        let rows = rows.entry(of.clone()).or_default();
        let one = |write: &LocalWrite| {
            let id = write
                .id
                .clone()
                .unwrap_or_else(|| LocalId::new(format!("made-{}", self.made.fetch_add(1, Ordering::Relaxed) + 1)));
            let (record, version) = rows.entry(id.clone()).or_default();
            for (field, value) in write.fields.iter() {
                record.set(field.clone(), value.clone());
            }
            *version += 1;
            LocalReceipt::Done { id, version: Some(Version::new(version.to_string())) }
        };
        Ok(writes.iter().map(one).collect())
    }

    fn can(&self, _: &Collection, _: LocalVerb) -> bool {
        true
    }

    async fn find(&self, _: &OrganizationId, _: &Collection, keys: &[NaturalKey]) -> Result<Vec<Vec<LocalId>>> {
        Ok(keys.iter().map(|_| Vec::new()).collect())
    }
}
