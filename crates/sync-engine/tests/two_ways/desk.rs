//! A desk whose records can be written.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use sync_core::{
    Collection, Cursor, Error, ErrorKind, FieldSet, Local, LocalFrom, LocalId, LocalNext, LocalPage, LocalReceipt,
    LocalState, LocalVerb, LocalWrite, NaturalKey, OperationId, OrganizationId, Record, Records, Result, Value, Version,
    WritableRecords,
};

/// The host's table.
#[derive(Debug, Default)]
pub struct Desk {
    rows: Mutex<BTreeMap<LocalId, (Record, u64)>>,
    log: Mutex<Vec<LocalId>>,
    done: Mutex<BTreeMap<OperationId, LocalReceipt>>,
    pub writes: Mutex<Vec<LocalWrite>>,
    pub refuses: AtomicBool,
    pub fails: AtomicU64,
    /// After how many more answers of `read` somebody changes this record.
    pub edits: Mutex<Vec<(String, &'static str, String)>>,
    pub has_feed: bool,
}

impl Desk {
    pub fn new(has_feed: bool) -> Self {
        Self { has_feed, ..Self::default() }
    }

    pub fn put(&self, id: &str, fields: &[(&str, &str)]) {
        let record = fields.iter().map(|(name, value)| ((*name).into(), Value::text(*value))).collect();
        self.rows.lock().unwrap().insert(id.into(), (record, 1));
        self.log.lock().unwrap().push(id.into());
    }

    pub fn edit(&self, id: &str, field: &str, value: &str) {
        self.set(id, field, Value::text(value));
    }

    pub fn set(&self, id: &str, field: &str, value: Value) {
        let mut rows = self.rows.lock().unwrap();
        let (record, version) = rows.get_mut(&LocalId::new(id)).unwrap();
        record.set(field, value);
        *version += 1;
        self.log.lock().unwrap().push(id.into());
    }

    pub fn delete(&self, id: &str) {
        self.rows.lock().unwrap().remove(&LocalId::new(id));
        self.log.lock().unwrap().push(id.into());
    }

    pub fn text(&self, id: &str, field: &str) -> Option<String> {
        self.rows.lock().unwrap().get(&LocalId::new(id))?.0.text(field).map(str::to_owned)
    }

    pub fn value(&self, id: &str, field: &str) -> Option<Value> {
        self.rows.lock().unwrap().get(&LocalId::new(id))?.0.value(field).cloned()
    }

    pub fn ids(&self) -> Vec<String> {
        self.rows.lock().unwrap().keys().map(ToString::to_string).collect()
    }

    fn local(&self, id: &LocalId, fields: &FieldSet) -> Local {
        match self.rows.lock().unwrap().get(id) {
            Some((record, version)) => {
                let mut record = record.clone();
                record.retain(|field| fields.contains(field));
                let version = Some(Version::new(version.to_string()));
                Local { id: id.clone(), version, state: LocalState::Live(record) }
            }
            None => Local { id: id.clone(), version: None, state: LocalState::Deleted },
        }
    }

    fn write_one(&self, write: &LocalWrite) -> LocalReceipt {
        let mut rows = self.rows.lock().unwrap();
        let id = match &write.id {
            Some(id) => id.clone(),
            None => LocalId::new(format!("made-{}", rows.len() + 1)),
        };
        let version = rows.get(&id).map(|(_, version)| Version::new(version.to_string()));
        if write.id.is_some() && write.expect != version {
            return LocalReceipt::Moved;
        }
        if self.refuses.load(Ordering::Relaxed) {
            return LocalReceipt::Refused {
                reason: "boat Manta is out that day".to_owned(),
                remedy: "Choose another boat.".to_owned(),
            };
        }
        if write.verb == LocalVerb::Delete {
            rows.remove(&id);
            self.log.lock().unwrap().push(id.clone());
            return LocalReceipt::Done { id, version: None };
        }
        let (record, version) = rows.entry(id.clone()).or_default();
        for (field, value) in write.fields.iter() {
            record.set(field.clone(), value.clone());
        }
        if write.verb == LocalVerb::Cancel {
            record.set("status", Value::text("cancelled"));
        }
        *version += 1;
        self.log.lock().unwrap().push(id.clone());
        LocalReceipt::Done { id, version: Some(Version::new(version.to_string())) }
    }
}

#[async_trait]
impl Records for Desk {
    async fn changes(
        &self,
        _: &OrganizationId,
        _: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        let end = self.log.lock().unwrap().len();
        let done = LocalNext::Done(self.has_feed.then(|| Cursor::new(end.to_string())));
        if let LocalFrom::Cursor(cursor) = from {
            let at: usize = cursor.as_str().parse().unwrap();
            let ids: BTreeSet<LocalId> = self.log.lock().unwrap()[at..].iter().cloned().collect();
            return Ok(LocalPage { items: ids.iter().map(|id| self.local(id, fields)).collect(), next: done });
        }
        let after = if let LocalFrom::Page(token) = from { Some(LocalId::new(token.as_str())) } else { None };
        let ids: Vec<LocalId> = self
            .rows
            .lock()
            .unwrap()
            .keys()
            .filter(|id| after.as_ref().is_none_or(|after| *id > after))
            .take(limit)
            .cloned()
            .collect();
        let next = if ids.len() == limit { LocalNext::More(ids.last().unwrap().as_str().into()) } else { done };
        Ok(LocalPage { items: ids.iter().map(|id| self.local(id, fields)).collect(), next })
    }

    async fn read(&self, _: &OrganizationId, _: &Collection, fields: &FieldSet, ids: &[LocalId]) -> Result<Vec<Local>> {
        let read = ids.iter().map(|id| self.local(id, fields)).collect();
        for (id, field, value) in std::mem::take(&mut *self.edits.lock().unwrap()) {
            self.edit(&id, field, &value);
        }
        Ok(read)
    }

    async fn labels(&self, _: &OrganizationId, _: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        Ok(ids.iter().map(|id| Some(format!("Trip {id}"))).collect())
    }
}

#[async_trait]
impl WritableRecords for Desk {
    async fn write(&self, _: &OrganizationId, _: &Collection, writes: &[LocalWrite]) -> Result<Vec<LocalReceipt>> {
        let mut receipts = Vec::new();
        for write in writes {
            self.writes.lock().unwrap().push(write.clone());
            let known = self.done.lock().unwrap().get(&write.operation).cloned();
            let receipt = known.unwrap_or_else(|| self.write_one(write));
            self.done.lock().unwrap().insert(write.operation.clone(), receipt.clone());
            receipts.push(receipt);
        }
        if self.fails.load(Ordering::Relaxed) > 0 {
            self.fails.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::new(ErrorKind::Unavailable, "the host's database went away"));
        }
        Ok(receipts)
    }

    fn can(&self, _: &Collection, _: LocalVerb) -> bool {
        true
    }

    async fn find(&self, _: &OrganizationId, _: &Collection, keys: &[NaturalKey]) -> Result<Vec<Vec<LocalId>>> {
        let rows = self.rows.lock().unwrap();
        let of = |key: &NaturalKey| {
            rows.iter()
                .filter(|(_, (record, _))| {
                    record.text(key.field().as_str()).and_then(|text| NaturalKey::of(key.field().clone(), text)).as_ref()
                        == Some(key)
                })
                .map(|(id, _)| id.clone())
                .collect()
        };
        Ok(keys.iter().map(of).collect())
    }
}
