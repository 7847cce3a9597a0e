//! The store suite asks SQLite and PostgreSQL, on a database that is opened again between the steps.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sync_engine::Store;
use sync_store::{SqlStore, StoreKey};
use sync_testkit::{StoreHarness, store_suite};
use tokio::sync::Mutex;

/// How many random histories are compared with what the store in memory answers.
const SEEDS: u64 = 12;

/// A database that is opened again and again.
struct Reopened {
    open: Box<dyn Fn() -> BoxFuture<'static, SqlStore> + Send + Sync>,
    store: Mutex<Option<SqlStore>>,
}

#[async_trait]
impl StoreHarness for Reopened {
    async fn open(&self) -> Arc<dyn Store> {
        let mut open = self.store.lock().await;
        if let Some(store) = open.take() {
            store.close().await;
        }
        Arc::new(open.insert((self.open)().await).clone())
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_keeps_the_ports_promises_and_answers_as_the_store_in_memory_does() {
    let fresh = || {
        let (directory, key) = (Arc::new(tempfile::TempDir::new().unwrap()), StoreKey::generate().unwrap());
        let open = move || -> BoxFuture<'static, SqlStore> {
            let (directory, key) = (directory.clone(), key.clone());
            Box::pin(async move { SqlStore::open(directory.path().join("sync.db"), key).await.unwrap() })
        };
        Reopened { open: Box::new(open), store: Mutex::default() }
    };
    store_suite(fresh, SEEDS).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgresql_keeps_the_ports_promises_and_answers_as_the_store_in_memory_does() {
    use sync_store::PostgresOptions;
    let Some(server) = sync_testkit::PostgresServer::shared() else { return };
    let fresh = || {
        let (schema, key) = (server.schema(), StoreKey::generate().unwrap());
        let open = move || -> BoxFuture<'static, SqlStore> {
            let (options, key) = (PostgresOptions::url(server.url()).schema(&schema), key.clone());
            Box::pin(async move { SqlStore::connect(options, key).await.unwrap() })
        };
        Reopened { open: Box::new(open), store: Mutex::default() }
    };
    store_suite(fresh, SEEDS).await;
}
