//! A service that pushes its own customers, from its own table, to its organization's Mailchimp audience.
//!
//! `MAILCHIMP_KEY=… AUDIENCE=… cargo run -p sync-dispatch --example embed --features mailchimp,sqlite`. The first run
//! prints its plan and stops; with `APPROVE=HASH` it is applied. `STORE_KEY` seals the credentials in `sync.db`; with
//! `MAILCHIMP_URL=http://127.0.0.1:PORT/3.0` it talks to a sandbox.

use std::{env::var, sync::Arc};

use async_trait::async_trait;
use sqlx::{Row as _, SqlitePool, query, sqlite::SqliteRow};
use sync_dispatch::{ConnectOptions, Dispatcher, RunOptions, core::*, store};

/// The host's table: `customers (id text primary key, organization text, email text, first_name text, agreed_at text)`.
struct Shop(SqlitePool);

fn fault(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Store, "the shop's own database failed").with_source(error)
}

fn live(row: &SqliteRow, fields: &FieldSet) -> Local {
    let text = |column: &str| row.get::<Option<String>, _>(column);
    let mut record = Record::new();
    for field in ["email", "first_name"] {
        record.set(field, text(field).map_or(Value::Null, Value::Text));
    }
    if let Some(at) = text("agreed_at").and_then(|at| at.parse().ok()) {
        record.set("consent.email", Value::Consent(Consent::new(ConsentState::Granted).at(at)));
    }
    record.retain(|field| fields.contains(field));
    Local { id: LocalId::new(row.get::<String, _>("id")), version: None, state: LocalState::Live(record) }
}

#[async_trait]
impl Records for Shop {
    async fn changes(
        &self,
        org: &OrganizationId,
        _: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        // No change feed: each run scans in order of the id, and what is as it was costs no call.
        let after = if let LocalFrom::Page(token) = from { token.as_str() } else { "" };
        let page = query("select * from customers where organization = $1 and id > $2 order by id limit $3");
        let page = page.bind(org.as_str()).bind(after).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let items: Vec<_> = page.fetch_all(&self.0).await.map_err(fault)?.iter().map(|row| live(row, fields)).collect();
        let next = match items.last() {
            Some(last) if items.len() == limit => LocalNext::More(PageToken::new(last.id.as_str())),
            _ => LocalNext::Done(None),
        };
        Ok(LocalPage { items, next })
    }

    async fn read(&self, org: &OrganizationId, _: &Collection, fields: &FieldSet, ids: &[LocalId]) -> Result<Vec<Local>> {
        let mut locals = Vec::new();
        for id in ids {
            let row = query("select * from customers where organization = $1 and id = $2").bind(org.as_str());
            let row = row.bind(id.as_str()).fetch_optional(&self.0).await.map_err(fault)?;
            let gone = || Local { id: id.clone(), version: None, state: LocalState::Deleted };
            locals.push(row.map_or_else(gone, |row| live(&row, fields)));
        }
        Ok(locals)
    }

    async fn labels(&self, _: &OrganizationId, _: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        Ok(ids.iter().map(|id| Some(format!("Customer {id}"))).collect())
    }
}

/// Whoever unsubscribes at Mailchimp is unsubscribed here.
#[async_trait]
impl ConsentSink for Shop {
    async fn record(&self, org: &OrganizationId, facts: &[ConsentFact]) -> Result<()> {
        for fact in facts.iter().filter(|fact| fact.state < ConsentState::Unknown) {
            let lower = query("update customers set agreed_at = null where organization = $1 and email = $2 collate nocase");
            lower.bind(org.as_str()).bind(&fact.address).execute(&self.0).await.map_err(fault)?;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePool::connect("sqlite:shop.db?mode=rwc").await?;
    for sql in [
        "create table if not exists customers (id text primary key, organization text, email text, first_name text, agreed_at text)",
        "insert or ignore into customers values ('1', 'blue-manta', 'ada@example.com', 'Ada', '2026-01-31T10:00:00Z')",
    ] {
        query(sql).execute(&pool).await?;
    }
    let shop = Arc::new(Shop(pool));
    let store = store::SqlStore::open("sync.db", store::StoreKey::from_env("STORE_KEY")?).await?;
    let mut builder = Dispatcher::builder(Arc::new(store), HostRecords::ReadOnly(shop.clone())).consent(shop);
    if let Ok(url) = var("MAILCHIMP_URL") {
        builder = builder.base_url("mailchimp", "api", url.parse()?);
    }
    let dispatcher = builder.build()?;

    let scope = Scope::new("blue-manta", "mailchimp");
    if dispatcher.connections(&scope.organization).await?.is_empty() {
        let settings = serde_json::json!({"audience": var("AUDIENCE")?, "merge_fields": {"FNAME": "first_name"}});
        let options = ConnectOptions::new().settings(settings);
        dispatcher.connect_with_key(&scope, var("MAILCHIMP_KEY")?.into(), options).await?;
    }
    let options = RunOptions::new().approve(var("APPROVE").ok().map(PlanHash::from));
    let result = dispatcher.dispatch_with(SyncRequest::new("blue-manta", "mailchimp"), options).await;
    println!("{}", serde_json::to_string_pretty(&result)?);
    Ok(())
}
