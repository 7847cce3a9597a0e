//! The host's tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Mutex,
};

use async_trait::async_trait;
use sync_core::{
    Collection, Error, ErrorKind, FieldSet, Local, LocalFrom, LocalId, LocalNext, LocalPage, LocalState, OrganizationId,
    PageToken, Record, Records, Result, Value,
};

/// Records by organization, collection and id. No change feed: each run scans.
#[derive(Default)]
pub struct Shop(Mutex<Tables>, Mutex<BTreeSet<String>>);

type Tables = BTreeMap<(String, String), BTreeMap<String, Record>>;

impl Shop {
    pub fn put(&self, of: &str, id: &str, name: &str) {
        self.put_record(of, id, Record::new().with("name", Value::text(name)));
    }

    pub fn put_record(&self, of: &str, id: &str, record: Record) {
        let key = (super::ORG.to_owned(), of.to_owned());
        self.0.lock().unwrap().entry(key).or_default().insert(id.to_owned(), record);
    }

    /// Makes a table unreadable.
    pub fn break_table(&self, of: &str) {
        self.1.lock().unwrap().insert(of.to_owned());
    }

    fn table(&self, organization: &OrganizationId, of: &Collection) -> BTreeMap<String, Record> {
        let key = (organization.to_string(), of.to_string());
        self.0.lock().unwrap().get(&key).cloned().unwrap_or_default()
    }
}

fn mapped(record: &Record, fields: &FieldSet) -> Record {
    let mut record = record.clone();
    record.retain(|field| fields.contains(field));
    record
}

#[async_trait]
impl Records for Shop {
    async fn changes(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        if self.1.lock().unwrap().contains(of.as_str()) {
            return Err(Error::new(ErrorKind::Internal, "the table is locked").with_remedy("Unlock it."));
        }
        let after = match from {
            LocalFrom::Page(token) => Bound::Excluded(token.as_str().to_owned()),
            _ => Bound::Unbounded,
        };
        let items: Vec<Local> = self
            .table(organization, of)
            .range((after, Bound::Unbounded))
            .take(limit)
            .map(|(id, record)| Local {
                id: LocalId::new(id),
                version: None,
                state: LocalState::Live(mapped(record, fields)),
            })
            .collect();
        let next = match items.last() {
            Some(last) if items.len() == limit => LocalNext::More(PageToken::new(last.id.as_str())),
            _ => LocalNext::Done(None),
        };
        Ok(LocalPage { items, next })
    }

    async fn read(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        ids: &[LocalId],
    ) -> Result<Vec<Local>> {
        let table = self.table(organization, of);
        let local = |id: &LocalId| Local {
            id: id.clone(),
            version: None,
            state: table.get(id.as_str()).map_or(LocalState::Deleted, |record| LocalState::Live(mapped(record, fields))),
        };
        Ok(ids.iter().map(local).collect())
    }

    async fn labels(&self, organization: &OrganizationId, of: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        let table = self.table(organization, of);
        let label = |id: &LocalId| Some(format!("{} ({id})", table.get(id.as_str())?.text("name")?));
        Ok(ids.iter().map(label).collect())
    }
}
