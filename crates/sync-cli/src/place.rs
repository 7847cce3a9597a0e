//! Where the database was made: a copy of it must not write as if it were the original.

use serde::{Deserialize, Serialize};
use sync_core::{Collection, FieldName, LocalId, LocalState, OrganizationId, Record, Records as _, Result, Value};
use sync_dispatch::store::{EmbeddedRecords, SqlStore};

use crate::config::Database;

/// The program's own records. No organization of a host has an empty name.
const OWN: OrganizationId = OrganizationId::from_static("");
const COLLECTION: Collection = Collection::from_static("syncctl");
const ID: LocalId = LocalId::from_static("place");
const FIELD: FieldName = FieldName::from_static("place");

/// A place: machine and path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The machine; the server's own number, where the database is on one.
    pub(crate) machine: String,
    /// The database's path in full, or its name on the server.
    pub(crate) path: String,
}

impl Place {
    /// Where this database is.
    ///
    /// # Errors
    /// When the server doesn't answer.
    pub(crate) async fn here(database: &Database, store: &SqlStore) -> Result<Self> {
        let database = match database {
            Database::File(database) => database,
            // Any machine may use it; a backup that was restored on another server is a copy.
            Database::Postgres { .. } => {
                let machine = format!("PostgreSQL {}", store.server_id().await?.unwrap_or_default());
                return Ok(Self { machine, path: store.name().to_owned() });
            }
        };
        let path = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
        // The machine's own id outlives a change of its name.
        // Source: <https://www.freedesktop.org/software/systemd/man/latest/machine-id.html>.
        let id = std::fs::read_to_string("/etc/machine-id").ok().map(|id| id.trim().to_owned());
        let machine = id.filter(|id| !id.is_empty()).unwrap_or_else(crate::command::host);
        Ok(Self { machine, path: path.display().to_string() })
    }

    /// Where the database was made, or last said to have been moved to.
    pub(crate) async fn remembered(records: &EmbeddedRecords) -> Result<Option<Self>> {
        let fields = [FIELD].into_iter().collect();
        let found = records.read(&OWN, &COLLECTION, &fields, &[ID]).await?;
        let Some(LocalState::Live(record)) = found.into_iter().next().map(|local| local.state) else { return Ok(None) };
        Ok(match record.value(FIELD.as_str()) {
            Some(Value::Json(json)) => serde_json::from_value(json.clone()).ok(),
            _ => None,
        })
    }

    /// Remembers this place.
    pub(crate) async fn remember(&self, records: &EmbeddedRecords) -> Result<()> {
        let record = Record::new().with(FIELD, Value::Json(serde_json::json!(self)));
        records.upsert(&OWN, &COLLECTION, vec![(ID, record)]).await.map(drop)
    }
}
