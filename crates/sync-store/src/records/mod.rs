//! Records of hosts without tables of their own, in the store's database.

mod consent;
mod read;
mod subset;
mod write;

use std::collections::HashMap;

use sync_core::{Collection, Consent, LocalId, OrganizationId, Record, Result, Value};

use crate::{
    SqlStore,
    db::{Conn, Insert, Values, query},
    error::database,
    store::sql::{from_int, from_json, list, to_json},
};

/// Records in the store's own database: [`sync_core::Records`] with a change feed, [`sync_core::WritableRecords`] and
/// [`sync_core::ConsentSink`].
///
/// The change feed goes by a sequence that is given out inside the writing transaction, and an organization's writes go one
/// after another: numbers become visible in their order, and no reader can pass one that is still to come. (With several
/// writers at once that is not so: see the documentation of [`sync_core::Records::changes`].)
#[derive(Debug, Clone)]
pub struct EmbeddedRecords {
    store: SqlStore,
    consenting: Collection,
}

/// What [`EmbeddedRecords::upsert`] came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upserted {
    /// Records that were not there.
    pub added: u64,
    /// Records that differ from what was there.
    pub changed: u64,
    /// Records that do not.
    pub unchanged: u64,
}

/// How many records are compared at once.
const CHUNK: usize = 1_000;

impl EmbeddedRecords {
    pub(crate) fn in_store(store: SqlStore) -> Self {
        Self { store, consenting: Collection::CUSTOMERS }
    }

    /// With another collection than `customers` to which facts about consent are applied.
    #[must_use]
    pub fn consenting(mut self, collection: Collection) -> Self {
        self.consenting = collection;
        self
    }

    /// Stores whole records, all or none; of several with one id the last counts. A consent that was withdrawn at a known
    /// time stays withdrawn unless the new record says yes at a later one: importing an old list again subscribes nobody.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn upsert(
        &self,
        organization: &OrganizationId,
        collection: &Collection,
        records: Vec<(LocalId, Record)>,
    ) -> Result<Upserted> {
        let mut tx = self.store.begin().await?;
        let mut writer = Writer::begin(&mut tx, organization, collection).await?;
        let mut upserted = Upserted::default();
        let mut records = records.into_iter();
        loop {
            let chunk: HashMap<LocalId, Record> = records.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            let ids: Vec<&str> = chunk.keys().map(LocalId::as_str).collect();
            let mut stored = writer.stored(&mut tx, &ids).await?;
            let mut changed = Vec::new();
            for (id, mut record) in chunk {
                let old = stored.remove(&id);
                let old_version = old.as_ref().map_or(0, |old| old.version);
                match old.filter(|old| !old.deleted) {
                    None => upserted.added += 1,
                    Some(old) => {
                        if to_json(&record)? == old.fields {
                            upserted.unchanged += 1;
                            continue;
                        }
                        keep_withdrawn(&from_json("record", &old.fields)?, &mut record);
                        if to_json(&record)? == old.fields {
                            upserted.unchanged += 1;
                            continue;
                        }
                        upserted.changed += 1;
                    }
                }
                changed.push(writer.row(id, old_version, false, &record)?);
            }
            // In the order of their ids the table grows at its end.
            changed.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            writer.put(&mut tx, &changed).await?;
        }
        writer.end(&mut tx).await?;
        tx.commit().await?;
        Ok(upserted)
    }

    /// Deletes records, content and all; the change feed tells of it. Returns how many were there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, organization: &OrganizationId, collection: &Collection, ids: &[LocalId]) -> Result<u64> {
        let mut tx = self.store.begin().await?;
        let mut writer = Writer::begin(&mut tx, organization, collection).await?;
        let stored = writer.stored(&mut tx, &ids.iter().map(LocalId::as_str).collect::<Vec<_>>()).await?;
        let there = stored.into_iter().filter(|(_, old)| !old.deleted);
        let rows = there.map(|(id, old)| writer.row(id, old.version, true, &Record::new())).collect::<Result<Vec<_>>>()?;
        writer.put(&mut tx, &rows).await?;
        writer.end(&mut tx).await?;
        tx.commit().await?;
        Ok(rows.len() as u64)
    }

    /// How many records there are.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count(&self, organization: &OrganizationId, collection: &Collection) -> Result<u64> {
        let query = query("select count(*) from record where org = $1 and collection = $2 and deleted = 0")
            .bind(organization.as_str())
            .bind(collection.as_str());
        from_int("count", query.fetch_one(self.store.readers()).await.map_err(database)?.int(0)?)
    }
}

/// Keeps what was withdrawn at a known time, unless the new record is newer.
fn keep_withdrawn(old: &Record, new: &mut Record) {
    for (field, value) in old.iter() {
        let (Some(old), Some(said)) = (value.as_consent(), new.value(field.as_str()).and_then(Value::as_consent)) else {
            continue;
        };
        let is_raise_without_newer_word =
            said.state > old.state && old.at.is_some_and(|withdrawn| said.at.is_none_or(|at| at <= withdrawn));
        if is_raise_without_newer_word {
            let kept: Consent = old.clone();
            new.set(field.clone(), Value::Consent(kept));
        }
    }
}

/// A record as it is stored.
struct Stored {
    version: i64,
    deleted: bool,
    fields: String,
}

struct Row {
    id: LocalId,
    seq: i64,
    version: i64,
    deleted: bool,
    fields: String,
}

/// Writes records of one collection inside a transaction, and gives out the sequence.
struct Writer<'a> {
    organization: &'a OrganizationId,
    collection: &'a Collection,
    last: i64,
}

impl<'a> Writer<'a> {
    async fn begin(conn: &mut Conn, organization: &'a OrganizationId, collection: &'a Collection) -> Result<Self> {
        // Writes to keep the row locked until the write ends: numbers become visible in their order, and no reader can pass
        // one that is still to come.
        const LOCK: &str = "insert into record_seq (org, last) values ($1, 0) \
            on conflict (org) do update set last = record_seq.last returning last";
        let row = query(LOCK).bind(organization.as_str()).fetch_one(conn).await.map_err(database)?;
        Ok(Self { organization, collection, last: row.int(0)? })
    }

    async fn stored(&self, conn: &mut Conn, ids: &[&str]) -> Result<HashMap<LocalId, Stored>> {
        const STORED: &str = "select id, version, deleted, fields from record where org = $1 and collection = $2 \
            and id in (select value from json_each($3))";
        let query = query(STORED).bind(self.organization.as_str()).bind(self.collection.as_str()).bind(list(ids));
        let mut found = HashMap::new();
        for row in query.fetch_all(conn).await.map_err(database)? {
            let stored = Stored { version: row.int(1)?, deleted: row.int(2)? != 0, fields: row.text(3)?.to_owned() };
            found.insert(LocalId::from(row.text(0)?), stored);
        }
        Ok(found)
    }

    fn row(&mut self, id: LocalId, old_version: i64, deleted: bool, record: &Record) -> Result<Row> {
        self.last += 1;
        Ok(Row { id, seq: self.last, version: old_version + 1, deleted, fields: to_json(record)? })
    }

    async fn put(&self, conn: &mut Conn, rows: &[Row]) -> Result<()> {
        const PUT: Insert = Insert {
            head: "insert into record (org, collection, id, seq, version, deleted, fields)",
            n_values: 7,
            tail: "on conflict (org, collection, id) do update set seq = excluded.seq, version = excluded.version, \
                deleted = excluded.deleted, fields = excluded.fields",
        };
        let bind = |row: &Row, values: &mut Values| {
            values
                .text(self.organization.as_str())
                .text(self.collection.as_str())
                .text(row.id.as_str())
                .int(row.seq)
                .int(row.version)
                .int(i64::from(row.deleted))
                .text(row.fields.as_str());
            Ok(())
        };
        PUT.rows(conn, rows, bind).await?;
        Ok(())
    }

    async fn end(self, conn: &mut Conn) -> Result<()> {
        const PUT: &str = "update record_seq set last = $2 where org = $1";
        query(PUT).bind(self.organization.as_str()).bind(self.last).execute(conn).await.map_err(database)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sync_core::ConsentState;

    use super::*;

    fn consent(state: ConsentState, at: Option<&str>) -> Record {
        let at = at.map(|at| at.parse().unwrap());
        Record::new().with("consent.email", Value::Consent(Consent { state, source: None, at }))
    }

    #[test]
    fn an_old_yes_does_not_undo_a_withdrawal_and_a_newer_one_does() {
        let withdrawn = consent(ConsentState::Denied, Some("2025-05-01T00:00:00Z"));
        let after = |new: Record| {
            let mut new = new;
            keep_withdrawn(&withdrawn, &mut new);
            new.value("consent.email").and_then(Value::as_consent).map(|consent| consent.state)
        };
        assert_eq!(after(consent(ConsentState::Granted, None)), Some(ConsentState::Denied));
        assert_eq!(after(consent(ConsentState::Granted, Some("2025-04-30T00:00:00Z"))), Some(ConsentState::Denied));
        assert_eq!(after(consent(ConsentState::Granted, Some("2025-05-02T00:00:00Z"))), Some(ConsentState::Granted));
        assert_eq!(after(consent(ConsentState::Undeliverable, None)), Some(ConsentState::Undeliverable));
    }
}
