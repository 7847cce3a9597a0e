//! The records suite asks the embedded records.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sync_core::{Collection, ConsentSink, LocalId, OrganizationId, Record, Records, WritableRecords};
use sync_store::{EmbeddedRecords, SqlStore, StoreKey};
use sync_testkit::{RecordsHarness, records_suite};
use tempfile::TempDir;

struct Embedded {
    records: EmbeddedRecords,
    _directory: Option<TempDir>,
}

#[async_trait]
impl RecordsHarness for Embedded {
    fn records(&self) -> Arc<dyn Records> {
        Arc::new(self.records.clone())
    }

    fn writable(&self) -> Option<Arc<dyn WritableRecords>> {
        Some(Arc::new(self.records.clone()))
    }

    fn consent(&self) -> Option<Arc<dyn ConsentSink>> {
        Some(Arc::new(self.records.clone()))
    }

    async fn put(&self, organization: &OrganizationId, id: &LocalId, record: Record) {
        self.records.upsert(organization, &Collection::CUSTOMERS, vec![(id.clone(), record)]).await.unwrap();
    }

    async fn put_around(&self, organization: &OrganizationId, id: &LocalId, record: Record, meanwhile: BoxFuture<'_, ()>) {
        // An organization has one writer at a time: the other write could only have come before.
        meanwhile.await;
        self.put(organization, id, record).await;
    }

    async fn delete(&self, organization: &OrganizationId, id: &LocalId) {
        self.records.delete(organization, &Collection::CUSTOMERS, std::slice::from_ref(id)).await.unwrap();
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn embedded_records_keep_the_ports_promises() {
    let fresh = async || {
        let directory = TempDir::new().unwrap();
        let store = SqlStore::open(directory.path().join("sync.db"), StoreKey::generate().unwrap()).await.unwrap();
        Embedded { records: store.records(), _directory: Some(directory) }
    };
    records_suite(fresh).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn embedded_records_on_postgresql_keep_the_ports_promises() {
    let Some(server) = sync_testkit::PostgresServer::shared() else { return };
    let fresh = async || {
        let options = sync_store::PostgresOptions::url(server.url()).schema(server.schema());
        let store = SqlStore::connect(options, StoreKey::generate().unwrap()).await.unwrap();
        Embedded { records: store.records(), _directory: None }
    };
    records_suite(fresh).await;
}
