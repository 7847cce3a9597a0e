//! The store suite asks SQLite, on a file that is opened again between the steps.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use sync_engine::Store;
use sync_store::{SqliteStore, StoreKey};
use sync_testkit::{StoreHarness, store_suite};
use tempfile::TempDir;
use tokio::sync::Mutex;

struct Sqlite {
    directory: TempDir,
    key: StoreKey,
    open: Mutex<Option<SqliteStore>>,
}

impl Sqlite {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), key: StoreKey::generate().unwrap(), open: Mutex::default() }
    }
}

#[async_trait]
impl StoreHarness for Sqlite {
    async fn open(&self) -> Arc<dyn Store> {
        let mut open = self.open.lock().await;
        if let Some(store) = open.take() {
            store.close().await;
        }
        let store = SqliteStore::open(self.directory.path().join("sync.db"), self.key.clone()).await.unwrap();
        *open = Some(store.clone());
        Arc::new(store)
    }
}

#[tokio::test]
async fn sqlite_keeps_the_ports_promises_and_answers_as_the_store_in_memory_does() {
    store_suite(Sqlite::new, 12).await;
}
