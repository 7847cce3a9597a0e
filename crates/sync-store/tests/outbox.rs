//! The records suite asks a host on PostgreSQL that has a table of its own, and tells its changes in its own transactions.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used)]

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use futures_util::future::{BoxFuture, join_all};
use sqlx::{PgConnection, PgPool, Row};
use sync_core::{
    Collection, ConsentSink, Cursor, Error, ErrorKind, FieldSet, Local, LocalFrom, LocalId, LocalNext, LocalPage,
    LocalState, OrganizationId, PageToken, Record, Records, Result, Value, Version, WritableRecords,
};
use sync_store::{
    PostgresOptions, SqlStore, StoreKey,
    outbox::{Outbox, emit},
};
use sync_testkit::{PostgresServer, RecordsHarness, records_suite};

const FIELDS: [&str; 2] = ["email", "first_name"];
const CUSTOMERS: Collection = Collection::CUSTOMERS;

fn database(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Store, "the host's database failed").with_source(error)
}

/// A host: its customers, and what it tells of them.
#[derive(Clone)]
struct Host {
    pool: PgPool,
    schema: String,
    outbox: Outbox,
}

impl Host {
    async fn new(server: &PostgresServer) -> Self {
        let (schema, pool) = (server.schema(), PgPool::connect(&server.url()).await.unwrap());
        let options = PostgresOptions::pool(pool.clone()).schema(&schema);
        let store = SqlStore::connect(options, StoreKey::generate().unwrap()).await.unwrap();
        let table = format!(
            "create table \"{schema}\".customer (org text, collection text, id text collate \"C\", version bigint, \
             email text, first_name text, primary key (org, collection, id))"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(table)).execute(&pool).await.unwrap();
        Self { pool, schema, outbox: store.outbox().unwrap() }
    }

    fn sql(&self, text: &str) -> sqlx::AssertSqlSafe<String> {
        sqlx::AssertSqlSafe(text.replace("customer", &format!("\"{}\".customer", self.schema)))
    }

    /// What the host's own program does: the record and the word of it, in one transaction.
    async fn write(&self, tx: &mut PgConnection, organization: &OrganizationId, id: &LocalId, record: Option<&Record>) {
        let sql = self.sql(match record {
            Some(_) => {
                "insert into customer as c values ($1, $2, $3, 1, $4, $5) on conflict (org, collection, id) \
                 do update set version = c.version + 1, email = $4, first_name = $5"
            }
            None => "delete from customer where org = $1 and collection = $2 and id = $3",
        });
        let query = sqlx::query(sql).bind(organization.as_str()).bind(CUSTOMERS.as_str()).bind(id.as_str());
        let query = match record {
            Some(record) => FIELDS.into_iter().fold(query, |query, field| query.bind(record.text(field).map(str::to_owned))),
            None => query,
        };
        query.execute(&mut *tx).await.unwrap();
        emit(tx, &self.schema, organization, &CUSTOMERS, std::slice::from_ref(id)).await.unwrap();
    }

    async fn write_alone(&self, organization: &OrganizationId, id: &LocalId, record: Option<&Record>) {
        let mut tx = self.pool.begin().await.unwrap();
        self.write(&mut tx, organization, id, record).await;
        tx.commit().await.unwrap();
    }

    async fn rows(
        &self,
        (organization, of): (&OrganizationId, &Collection),
        fields: &FieldSet,
        choice: &str,
        ids: Vec<String>,
        limit: usize,
    ) -> Result<Vec<Local>> {
        let sql = format!(
            "select id, version, email, first_name from customer where org = $1 and collection = $2 and {choice} \
             order by id limit $4"
        );
        let rows = sqlx::query(self.sql(&sql)).bind(organization.as_str()).bind(of.as_str()).bind(ids);
        let rows = rows.bind(limit as i64).fetch_all(&self.pool).await.map_err(database)?;
        let local = |row: &sqlx::postgres::PgRow| {
            let mut record = Record::new();
            for (i, field) in FIELDS.into_iter().enumerate().filter(|(_, field)| fields.contains(*field)) {
                if let Some(text) = row.get::<Option<String>, _>(i + 2) {
                    record.set(field, Value::text(text));
                }
            }
            let version = Some(Version::new(row.get::<i64, _>(1).to_string()));
            Local { id: row.get::<String, _>(0).into(), version, state: LocalState::Live(record) }
        };
        Ok(rows.iter().map(local).collect())
    }
}

#[async_trait]
impl Records for Host {
    async fn changes(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        let changed = async |cursor: &Cursor| {
            let changes = self.outbox.changes(organization, of, cursor, limit).await?;
            let items = self.read(organization, of, fields, &changes.records).await?;
            let next = match changes.more {
                true => LocalNext::More(PageToken::new(format!("changes|{}", changes.next.as_str()))),
                false => LocalNext::Done(Some(changes.next)),
            };
            Ok(LocalPage { items, next })
        };
        let (since, after) = match from {
            LocalFrom::Cursor(cursor) => return changed(cursor).await,
            LocalFrom::Start => (self.outbox.start().await?, String::new()),
            LocalFrom::Page(token) => match token.as_str().split_once('|') {
                Some(("changes", cursor)) => return changed(&Cursor::new(cursor)).await,
                Some((since, after)) => (Cursor::new(since), after.to_owned()),
                None => return Err(Error::new(ErrorKind::Invalid, "this page token is not one of these records'")),
            },
        };
        let items = self.rows((organization, of), fields, "id > all ($3)", vec![after], limit).await?;
        let next = match items.last().filter(|_| items.len() == limit) {
            Some(last) => LocalNext::More(PageToken::new(format!("{}|{}", since.as_str(), last.id))),
            None => LocalNext::Done(Some(since)),
        };
        Ok(LocalPage { items, next })
    }

    async fn read(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        ids: &[LocalId],
    ) -> Result<Vec<Local>> {
        let wanted = ids.iter().map(|id| id.to_string()).collect();
        let rows = self.rows((organization, of), fields, "id = any ($3)", wanted, usize::MAX >> 1).await?;
        let found: HashMap<LocalId, Local> = rows.into_iter().map(|local| (local.id.clone(), local)).collect();
        let missing = |id: &LocalId| Local { id: id.clone(), version: None, state: LocalState::Deleted };
        Ok(ids.iter().map(|id| found.get(id).cloned().unwrap_or_else(|| missing(id))).collect())
    }

    async fn labels(&self, organization: &OrganizationId, of: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        let locals = self.read(organization, of, &FIELDS.into_iter().map(Into::into).collect(), ids).await?;
        let label = |local: Local| match local.state {
            LocalState::Live(record) => record.text("first_name").map(|name| format!("{name} ({})", local.id)),
            _ => None,
        };
        Ok(locals.into_iter().map(label).collect())
    }
}

#[async_trait]
impl RecordsHarness for Host {
    fn records(&self) -> Arc<dyn Records> {
        Arc::new(self.clone())
    }

    fn writable(&self) -> Option<Arc<dyn WritableRecords>> {
        None
    }

    fn consent(&self) -> Option<Arc<dyn ConsentSink>> {
        None
    }

    async fn put(&self, organization: &OrganizationId, id: &LocalId, record: Record) {
        self.write_alone(organization, id, Some(&record)).await;
    }

    async fn put_around(&self, organization: &OrganizationId, id: &LocalId, record: Record, meanwhile: BoxFuture<'_, ()>) {
        let mut tx = self.pool.begin().await.unwrap();
        self.write(&mut tx, organization, id, Some(&record)).await;
        meanwhile.await;
        tx.commit().await.unwrap();
    }

    async fn delete(&self, organization: &OrganizationId, id: &LocalId) {
        self.write_alone(organization, id, None).await;
    }
}

#[tokio::test]
async fn a_host_that_tells_its_changes_in_its_own_transactions_omits_none() {
    let Some(server) = PostgresServer::shared() else { return };
    records_suite(async || Host::new(server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_misses_nothing_while_many_transactions_end_in_any_order() {
    const WRITERS: u32 = 8;
    const EACH: u32 = 25;
    let Some(server) = PostgresServer::shared() else { return };
    let (host, organization) = (Host::new(server).await, OrganizationId::from("blue-manta"));
    let mut cursor = host.outbox.start().await.unwrap();
    let person = Record::new().with("email", Value::text("a@example.com"));
    let writers = join_all((0..WRITERS).map(|writer| {
        let (host, organization, person) = (host.clone(), organization.clone(), person.clone());
        tokio::spawn(async move {
            for i in 0..EACH {
                let mut tx = host.pool.begin().await.unwrap();
                host.write(&mut tx, &organization, &format!("{writer}-{i}").into(), Some(&person)).await;
                // Each at another pace, so that numbers and ends are in different orders.
                for _ in 0..(writer * 7 + i) % 11 {
                    sqlx::query("select pg_sleep(0.001)").execute(&mut *tx).await.unwrap();
                }
                if i % 5 == 4 { tx.rollback().await.unwrap() } else { tx.commit().await.unwrap() }
            }
        })
    }));
    let mut seen = std::collections::HashSet::new();
    let mut read = async |cursor: &mut Cursor| {
        let page = host.outbox.changes(&organization, &CUSTOMERS, cursor, 3).await.unwrap();
        seen.extend(page.records);
        *cursor = page.next;
        page.more
    };
    let mut writers = std::pin::pin!(writers);
    loop {
        tokio::select! {
            ended = &mut writers => {
                ended.into_iter().for_each(|ended| ended.unwrap());
                break;
            }
            () = async { read(&mut cursor).await; } => {}
        }
    }
    while read(&mut cursor).await {}
    let committed = (0..WRITERS).flat_map(|writer| (0..EACH).filter(|i| i % 5 != 4).map(move |i| (writer, i)));
    let missed: Vec<_> = committed.filter(|(writer, i)| !seen.contains(&LocalId::from(format!("{writer}-{i}")))).collect();
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!(seen.len() as u32, WRITERS * EACH * 4 / 5, "what was rolled back was told");
}

#[tokio::test]
async fn a_cursor_from_before_what_was_pruned_or_of_another_server_is_over() {
    let Some(server) = PostgresServer::shared() else { return };
    let (host, organization) = (Host::new(server).await, OrganizationId::from("blue-manta"));
    let old = host.outbox.start().await.unwrap();
    host.write_alone(&organization, &"a".into(), Some(&Record::new())).await;
    let changes = host.outbox.changes(&organization, &CUSTOMERS, &old, 10).await.unwrap();
    assert_eq!((changes.records, changes.more), (vec!["a".into()], false));
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60);
    assert_eq!(host.outbox.prune(later).await.unwrap(), 1);
    let over = async |cursor: &Cursor| {
        let error = host.outbox.changes(&organization, &CUSTOMERS, cursor, 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CursorExpired, "{error}");
    };
    over(&old).await;
    over(&Cursor::new("9000000000000000:1")).await;
    over(&Cursor::new("from a backup")).await;
    let after = host.outbox.changes(&organization, &CUSTOMERS, &changes.next, 10).await.unwrap();
    assert!(after.records.is_empty(), "a reader that was through goes on");
}
