//! The shop's own rules: what it lets a calendar do to its trips.

use async_trait::async_trait;
use jiff::civil::Date;
use sync_core::{
    Collection, FieldSet, Local, LocalFrom, LocalId, LocalPage, LocalReceipt, LocalVerb, LocalWrite, NaturalKey,
    OrganizationId, Records, Result, Value, WritableRecords,
};
use sync_store::EmbeddedRecords;

/// The shop's records, with a rule: nobody sails on a boat that is in the yard.
#[derive(Debug, Clone)]
pub struct ShopRecords {
    records: EmbeddedRecords,
    boat: String,
    day: Date,
}

impl ShopRecords {
    /// These records, with this boat in the yard on this day.
    pub fn new(records: EmbeddedRecords, boat: &str, day: Date) -> Self {
        Self { records, boat: boat.to_owned(), day }
    }

    async fn sails(&self, organization: &OrganizationId, of: &Collection, write: &LocalWrite) -> Result<bool> {
        if write.fields.value("date") != Some(&Value::Date(self.day)) {
            return Ok(true);
        }
        let boat = match (write.fields.text("boat"), &write.id) {
            (Some(boat), _) => Some(boat.to_owned()),
            (None, Some(id)) => {
                let read = self.records.read(organization, of, &["boat".into()].into(), std::slice::from_ref(id)).await?;
                read.first().and_then(|local| Some(local.state.record()?.text("boat")?.to_owned()))
            }
            (None, None) => None,
        };
        Ok(boat.as_deref() != Some(&self.boat))
    }
}

#[async_trait]
impl Records for ShopRecords {
    async fn changes(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        self.records.changes(organization, of, fields, from, limit).await
    }

    async fn read(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        ids: &[LocalId],
    ) -> Result<Vec<Local>> {
        self.records.read(organization, of, fields, ids).await
    }

    async fn labels(&self, organization: &OrganizationId, of: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        self.records.labels(organization, of, ids).await
    }
}

#[async_trait]
impl WritableRecords for ShopRecords {
    async fn write(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        writes: &[LocalWrite],
    ) -> Result<Vec<LocalReceipt>> {
        let mut receipts = Vec::with_capacity(writes.len());
        for write in writes {
            if self.sails(organization, of, write).await? {
                receipts.extend(self.records.write(organization, of, std::slice::from_ref(write)).await?);
            } else {
                receipts.push(LocalReceipt::Refused {
                    reason: format!("boat {} is in the yard that day", self.boat),
                    remedy: "Choose another day, or the other boat.".to_owned(),
                });
            }
        }
        Ok(receipts)
    }

    fn can(&self, of: &Collection, verb: LocalVerb) -> bool {
        self.records.can(of, verb)
    }

    async fn find(&self, organization: &OrganizationId, of: &Collection, keys: &[NaturalKey]) -> Result<Vec<Vec<LocalId>>> {
        self.records.find(organization, of, keys).await
    }
}
