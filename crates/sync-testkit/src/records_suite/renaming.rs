//! The suite speaks of customers with an e-mail address; a host has its own words.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sync_core::{
    Collection, ConsentSink, FieldName, FieldSet, Local, LocalFrom, LocalId, LocalPage, LocalReceipt, LocalState,
    LocalWrite, NaturalKey, OrganizationId, Record, Records, Result, WritableRecords,
};

use super::RecordsHarness;

/// The suite's own words.
const FIELDS: [&str; 2] = ["email", "first_name"];

#[derive(Clone)]
struct Words {
    collection: Collection,
    fields: [FieldName; 2],
}

impl Words {
    fn collection(&self, of: &Collection) -> Collection {
        if *of == Collection::CUSTOMERS { self.collection.clone() } else { of.clone() }
    }

    fn theirs(&self, field: &FieldName) -> FieldName {
        let known = FIELDS.iter().position(|name| *name == field.as_str());
        known.and_then(|idx| self.fields.get(idx)).unwrap_or(field).clone()
    }

    fn ours(&self, field: &FieldName) -> FieldName {
        let known = self.fields.iter().position(|name| name == field);
        known.and_then(|idx| FIELDS.get(idx)).map_or_else(|| field.clone(), |name| FieldName::new(*name))
    }

    fn record(&self, record: Record) -> Record {
        record.into_iter().map(|(field, value)| (self.theirs(&field), value)).collect()
    }

    fn local(&self, local: Local) -> Local {
        let state = match local.state {
            LocalState::Live(record) => {
                LocalState::Live(record.into_iter().map(|(field, value)| (self.ours(&field), value)).collect())
            }
            other => other,
        };
        Local { state, ..local }
    }

    fn fields(&self, fields: &FieldSet) -> FieldSet {
        fields.iter().map(|field| self.theirs(field)).collect()
    }
}

/// A host's harness in the suite's words.
pub(super) struct Renaming<H>(pub(super) H);

impl<H: RecordsHarness> Renaming<H> {
    fn words(&self) -> Words {
        Words { collection: self.0.collection(), fields: self.0.fields() }
    }
}

#[async_trait]
impl<H: RecordsHarness> RecordsHarness for Renaming<H> {
    fn records(&self) -> Arc<dyn Records> {
        Arc::new(Reading { inner: self.0.records(), words: self.words() })
    }

    fn writable(&self) -> Option<Arc<dyn WritableRecords>> {
        let inner = self.0.writable()?;
        let words = self.words();
        Some(Arc::new(Writing { inner, words }))
    }

    fn consent(&self) -> Option<Arc<dyn ConsentSink>> {
        self.0.consent()
    }

    async fn put(&self, organization: &OrganizationId, id: &LocalId, record: Record) {
        self.0.put(organization, id, self.words().record(record)).await;
    }

    async fn put_around(&self, organization: &OrganizationId, id: &LocalId, record: Record, meanwhile: BoxFuture<'_, ()>) {
        self.0.put_around(organization, id, self.words().record(record), meanwhile).await;
    }

    async fn delete(&self, organization: &OrganizationId, id: &LocalId) {
        self.0.delete(organization, id).await;
    }
}

struct Reading {
    inner: Arc<dyn Records>,
    words: Words,
}

async fn changes(
    inner: &(impl Records + ?Sized),
    words: &Words,
    organization: &OrganizationId,
    of: &Collection,
    fields: &FieldSet,
    from: LocalFrom<'_>,
    limit: usize,
) -> Result<LocalPage> {
    let page = inner.changes(organization, &words.collection(of), &words.fields(fields), from, limit).await?;
    Ok(LocalPage { items: page.items.into_iter().map(|local| words.local(local)).collect(), next: page.next })
}

async fn read(
    inner: &(impl Records + ?Sized),
    words: &Words,
    organization: &OrganizationId,
    of: &Collection,
    fields: &FieldSet,
    ids: &[LocalId],
) -> Result<Vec<Local>> {
    let locals = inner.read(organization, &words.collection(of), &words.fields(fields), ids).await?;
    Ok(locals.into_iter().map(|local| words.local(local)).collect())
}

macro_rules! reading {
    ($name:ident) => {
        #[async_trait]
        impl Records for $name {
            async fn changes(
                &self,
                organization: &OrganizationId,
                of: &Collection,
                fields: &FieldSet,
                from: LocalFrom<'_>,
                limit: usize,
            ) -> Result<LocalPage> {
                changes(&*self.inner, &self.words, organization, of, fields, from, limit).await
            }

            async fn read(
                &self,
                organization: &OrganizationId,
                of: &Collection,
                fields: &FieldSet,
                ids: &[LocalId],
            ) -> Result<Vec<Local>> {
                read(&*self.inner, &self.words, organization, of, fields, ids).await
            }

            async fn labels(
                &self,
                organization: &OrganizationId,
                of: &Collection,
                ids: &[LocalId],
            ) -> Result<Vec<Option<String>>> {
                self.inner.labels(organization, &self.words.collection(of), ids).await
            }
        }
    };
}

struct Writing {
    inner: Arc<dyn WritableRecords>,
    words: Words,
}

reading!(Reading);
reading!(Writing);

#[async_trait]
impl WritableRecords for Writing {
    async fn write(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        writes: &[LocalWrite],
    ) -> Result<Vec<LocalReceipt>> {
        let rename = |write: &LocalWrite| LocalWrite { fields: self.words.record(write.fields.clone()), ..write.clone() };
        let writes: Vec<LocalWrite> = writes.iter().map(rename).collect();
        self.inner.write(organization, &self.words.collection(of), &writes).await
    }

    async fn find(&self, organization: &OrganizationId, of: &Collection, keys: &[NaturalKey]) -> Result<Vec<Vec<LocalId>>> {
        let rename = |key: &NaturalKey| NaturalKey::of(self.words.theirs(key.field()), key.value());
        let renamed: Vec<NaturalKey> = keys.iter().filter_map(rename).collect();
        self.inner.find(organization, &self.words.collection(of), &renamed).await
    }
}
