//! The writing side.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sync_core::{
    Collection, FieldSet, Hash, LocalFrom, LocalId, LocalNext, LocalReceipt, LocalState, LocalVerb, LocalWrite, NaturalKey,
    OrganizationId, Record, Records, Result, Value, Version, WritableRecords,
};

use super::{EmbeddedRecords, Writer};
use crate::db::{Conn, query};
use crate::{
    error::database,
    store::sql::{from_json, to_json},
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
        let mut receipts = Vec::with_capacity(writes.len());
        for write in writes {
            receipts.push(writer.write(&mut tx, write).await?);
        }
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

impl Writer<'_> {
    async fn write(&mut self, conn: &mut Conn, write: &LocalWrite) -> Result<LocalReceipt> {
        const KNOWN: &str = "select receipt from record_write where org = $1 and collection = $2 and operation = $3";
        const REMEMBER: &str = "insert into record_write (org, collection, operation, receipt) values ($1, $2, $3, $4)";
        let keyed = |sql: &'static str| {
            query(sql)
                .bind(self.organization.to_string())
                .bind(self.collection.to_string())
                .bind(write.operation.to_string())
        };
        if let Some(row) = keyed(KNOWN).fetch_optional(&mut *conn).await.map_err(database)? {
            let Written { id, version } = from_json("receipt", row.text(0)?)?;
            return Ok(LocalReceipt::Done { id, version: Some(version) });
        }
        let remember = keyed(REMEMBER);
        let id = match (&write.id, write.verb) {
            (Some(id), _) => id.clone(),
            (None, LocalVerb::Create) => LocalId::new(Hash::of_text(write.operation.as_str()).to_string()),
            (None, _) => return Ok(refused("A record is changed by its id, and none was given.")),
        };
        let stored = self.stored(conn, &[id.as_str()]).await?.remove(&id);
        let old_version = stored.as_ref().map_or(0, |stored| stored.version);
        let there = stored.filter(|stored| !stored.deleted);
        let is_expected = write.expect.as_ref().is_none_or(|expect| expect.as_str() == old_version.to_string());
        let record = match (write.verb, &there) {
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
            let row = self.row(id.clone(), old_version, write.verb == LocalVerb::Delete, &record)?;
            version = row.version;
            self.put(conn, &[row]).await?;
        }
        let version = Version::new(version.to_string());
        let receipt = to_json(&Written { id: id.clone(), version: version.clone() })?;
        remember.bind(receipt).execute(conn).await.map_err(database)?;
        Ok(LocalReceipt::Done { id, version: Some(version) })
    }
}

fn refused(reason: &str) -> LocalReceipt {
    LocalReceipt::Refused { reason: reason.to_owned(), remedy: "Nothing was written; report this to the developer.".into() }
}
