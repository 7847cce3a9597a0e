//! The writing side.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sync_core::{
    Collection, FieldSet, Hash, LocalFrom, LocalId, LocalNext, LocalReceipt, LocalState, LocalVerb, LocalWrite, NaturalKey,
    OrganizationId, Record, Records, Result, Value, Version, WritableRecords,
};

use super::{EmbeddedRecords, Row, Stored, Writer};
use crate::{
    db::{Conn, Insert, Values, query},
    error::database,
    store::sql::{from_json, list, to_json},
};

/// A receipt that is given again when the same operation comes again. `Moved` is none: the write may still be made.
#[derive(Serialize, Deserialize)]
struct Written {
    id: LocalId,
    version: Version,
}

#[async_trait]
impl WritableRecords for EmbeddedRecords {
    async fn write(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        writes: &[LocalWrite],
    ) -> Result<Vec<LocalReceipt>> {
        let mut tx = self.store.begin().await?;
        let mut writer = Writer::begin(&mut tx, organization, of).await?;
        let mut batch = Batch::of(&writer, &mut tx, writes).await?;
        let receipts = writes.iter().map(|write| batch.write(&mut writer, write)).collect::<Result<Vec<_>>>()?;
        batch.put(&writer, &mut tx).await?;
        writer.end(&mut tx).await?;
        tx.commit().await?;
        Ok(receipts)
    }

    /// Whatever a policy asks for: a record that is cancelled has the status `cancelled` from then on.
    fn can(&self, _: &Collection, _: LocalVerb) -> bool {
        true
    }

    /// Reads the collection once for each call.
    async fn find(&self, organization: &OrganizationId, of: &Collection, keys: &[NaturalKey]) -> Result<Vec<Vec<LocalId>>> {
        const PAGE: usize = 1_000;
        let fields: FieldSet = keys.iter().map(|key| key.field().clone()).collect();
        let mut found: HashMap<&NaturalKey, Vec<LocalId>> = keys.iter().map(|key| (key, Vec::new())).collect();
        let mut token = None;
        loop {
            let from = token.as_ref().map_or(LocalFrom::Start, LocalFrom::Page);
            let page = self.changes(organization, of, &fields, from, PAGE).await?;
            for local in page.items {
                let LocalState::Live(record) = local.state else { continue };
                let own = record.iter().filter_map(|(field, value)| NaturalKey::of(field.clone(), value.as_text()?));
                for key in own {
                    if let Some(ids) = found.get_mut(&key) {
                        ids.push(local.id.clone());
                    }
                }
            }
            match page.next {
                LocalNext::More(next) => token = Some(next),
                LocalNext::Done(_) => {
                    return Ok(keys.iter().map(|key| found.get(key).cloned().unwrap_or_default()).collect());
                }
            }
        }
    }
}

/// Several writes of one collection: what is known of them is read once, and what comes of them is written once.
struct Batch {
    /// What writes were answered that were made before, by operation.
    known: HashMap<String, Written>,
    /// The records as they are after the writes so far.
    stored: HashMap<LocalId, Stored>,
    /// What is to be stored; of several writes of one record the last one.
    rows: BTreeMap<LocalId, Row>,
    /// Operations, and what they are answered.
    written: Vec<(String, String)>,
}

/// The record that a write is about; `None` where it names none and should.
fn id_of(write: &LocalWrite) -> Option<LocalId> {
    let made =
        || (write.verb == LocalVerb::Create).then(|| LocalId::new(Hash::of_text(write.operation.as_str()).to_string()));
    write.id.clone().or_else(made)
}

impl Batch {
    async fn of(writer: &Writer<'_>, conn: &mut Conn, writes: &[LocalWrite]) -> Result<Self> {
        const KNOWN: &str = "select operation, receipt from record_write where org = $1 and collection = $2 \
            and operation in (select value from json_each($3))";
        let operations: Vec<&str> = writes.iter().map(|write| write.operation.as_str()).collect();
        let query = query(KNOWN).bind(writer.organization.as_str()).bind(writer.collection.as_str()).bind(list(&operations));
        let mut known = HashMap::new();
        for row in query.fetch_all(&mut *conn).await.map_err(database)? {
            known.insert(row.text(0)?.to_owned(), from_json("receipt", row.text(1)?)?);
        }
        let ids: Vec<LocalId> = writes.iter().filter_map(id_of).collect();
        let ids: Vec<&str> = ids.iter().map(LocalId::as_str).collect();
        Ok(Self { known, stored: writer.stored(conn, &ids).await?, rows: BTreeMap::new(), written: Vec::new() })
    }

    fn write(&mut self, writer: &mut Writer<'_>, write: &LocalWrite) -> Result<LocalReceipt> {
        if let Some(Written { id, version }) = self.known.get(write.operation.as_str()) {
            return Ok(LocalReceipt::Done { id: id.clone(), version: Some(version.clone()) });
        }
        let Some(id) = id_of(write) else {
            return Ok(refused("A record is changed by its id, and none was given."));
        };
        let stored = self.stored.get(&id);
        let old_version = stored.map_or(0, |stored| stored.version);
        let there = stored.filter(|stored| !stored.deleted);
        let is_expected = write.expect.as_ref().is_none_or(|expect| expect.as_str() == old_version.to_string());
        let record = match (write.verb, there) {
            (LocalVerb::Delete, None) => None,
            (LocalVerb::Create, Some(_)) | (LocalVerb::Update | LocalVerb::Cancel, None) => return Ok(LocalReceipt::Moved),
            (LocalVerb::Update | LocalVerb::Cancel | LocalVerb::Delete, Some(_)) if !is_expected => {
                return Ok(LocalReceipt::Moved);
            }
            (LocalVerb::Create, None) => Some(write.fields.clone()),
            (LocalVerb::Delete, Some(_)) => Some(Record::new()),
            (LocalVerb::Update | LocalVerb::Cancel, Some(stored)) => {
                let mut record: Record = from_json("record", &stored.fields)?;
                for (field, value) in write.fields.iter() {
                    record.set(field.clone(), value.clone());
                }
                if write.verb == LocalVerb::Cancel {
                    record.set("status", Value::text("cancelled"));
                }
                Some(record)
            }
            _ => return Ok(refused("These records can't do that.")),
        };
        let mut version = old_version;
        if let Some(record) = record {
            let row = writer.row(id.clone(), old_version, write.verb == LocalVerb::Delete, &record)?;
            version = row.version;
            let after = Stored { version, deleted: row.deleted, fields: row.fields.clone() };
            self.stored.insert(id.clone(), after);
            self.rows.insert(id.clone(), row);
        }
        let written = Written { id: id.clone(), version: Version::new(version.to_string()) };
        self.written.push((write.operation.to_string(), to_json(&written)?));
        let version = Some(written.version.clone());
        self.known.insert(write.operation.to_string(), written);
        Ok(LocalReceipt::Done { id, version })
    }

    async fn put(self, writer: &Writer<'_>, conn: &mut Conn) -> Result<()> {
        const REMEMBER: Insert =
            Insert { head: "insert into record_write (org, collection, operation, receipt)", n_values: 4, tail: "" };
        let rows: Vec<Row> = self.rows.into_values().collect();
        writer.put(conn, &rows).await?;
        let bind = |(operation, receipt): &(String, String), values: &mut Values| {
            values
                .text(writer.organization.as_str())
                .text(writer.collection.as_str())
                .text(operation.as_str())
                .text(receipt.as_str());
            Ok(())
        };
        REMEMBER.rows(conn, &self.written, bind).await.map(|_| ())
    }
}

fn refused(reason: &str) -> LocalReceipt {
    LocalReceipt::Refused { reason: reason.to_owned(), remedy: "Nothing was written; report this to the developer.".into() }
}
