//! Records of hosts without tables of their own.

use crate::SqliteStore;

/// x
#[derive(Debug, Clone)]
pub struct EmbeddedRecords {
    store: SqliteStore,
}
/// x
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upserted;
impl EmbeddedRecords {
    pub(crate) fn in_store(store: SqliteStore) -> Self {
        Self { store }
    }
}
