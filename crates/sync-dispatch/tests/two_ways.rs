//! The example of a host whose trips go both ways keeps the promises of its ports.
#![cfg(all(feature = "google-calendar", feature = "sqlite"))]
#![allow(clippy::unwrap_used)]

#[path = "../examples/two_ways.rs"]
#[allow(dead_code, missing_docs, unreachable_pub)]
mod example;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};
use sync_dispatch::core::{Collection, ConsentSink, FieldName, LocalId, OrganizationId, Record, Records, WritableRecords};
use sync_testkit::{RecordsHarness, records_suite};

struct Host(SqlitePool);

impl Host {
    async fn new() -> Self {
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(example::TABLES).execute(&pool).await.unwrap();
        Self(pool)
    }
}

#[async_trait]
impl RecordsHarness for Host {
    fn collection(&self) -> Collection {
        Collection::from_static("trips")
    }

    fn fields(&self) -> [FieldName; 2] {
        ["title".into(), "boat".into()]
    }

    fn records(&self) -> Arc<dyn Records> {
        Arc::new(example::Trips(self.0.clone()))
    }

    fn writable(&self) -> Option<Arc<dyn WritableRecords>> {
        Some(Arc::new(example::Trips(self.0.clone())))
    }

    fn consent(&self) -> Option<Arc<dyn ConsentSink>> {
        None
    }

    async fn put(&self, organization: &OrganizationId, id: &LocalId, record: Record) {
        let sql = "insert into trips (org, id, title, boat, version) values ($1, $2, $3, $4, 1)
            on conflict do update set title = excluded.title, boat = excluded.boat, version = version + 1";
        let query = sqlx::query(sql).bind(organization.to_string()).bind(id.to_string());
        let text = |field| record.text(field).map(str::to_owned);
        query.bind(text("title")).bind(text("boat")).execute(&self.0).await.unwrap();
    }

    async fn put_around(
        &self,
        organization: &OrganizationId,
        id: &LocalId,
        record: Record,
        meanwhile: futures_util::future::BoxFuture<'_, ()>,
    ) {
        // SQLite has one writer: the other write could only have come before.
        meanwhile.await;
        self.put(organization, id, record).await;
    }

    async fn delete(&self, organization: &OrganizationId, id: &LocalId) {
        let query = sqlx::query("delete from trips where org = $1 and id = $2").bind(organization.to_string());
        query.bind(id.to_string()).execute(&self.0).await.unwrap();
    }
}

#[tokio::test]
async fn the_hosts_records_keep_the_ports_promises() {
    records_suite(Host::new).await;
}
