//! A service whose trips go both ways with its organization's Google Calendar, over its own tables.
//!
//! Connect once with `syncctl connect google-calendar`, then run this beside the same `sync.db` and key:
//! `STORE_KEY=… GOOGLE_CLIENT_ID=… GOOGLE_CLIENT_SECRET=… cargo run -p sync-dispatch --example two_ways --features
//! google-calendar,sqlite`. With `GOOGLE_URL=http://127.0.0.1:PORT` it talks to a sandbox.

use std::{env::var, sync::Arc};

use async_trait::async_trait;
use sqlx::{Row as _, SqlitePool, query, sqlite::SqliteRow};
use sync_dispatch::{Dispatcher, RunOptions, core::*, store};

/// The host's tables. Triggers write each change into `changes` inside its own transaction: with one writer, as SQLite has,
/// numbers become visible in their order, and no reader passes one that is still to come.
pub const TABLES: &str = "
create table if not exists trips (org text, id text, title text, boat text, date text, start_time text, end_time text,
    status text, version integer not null default 0, primary key (org, id));
create table if not exists changes (seq integer primary key autoincrement, org text, id text);
create table if not exists done (operation text primary key, id text, version text);
create trigger if not exists a after insert on trips begin insert into changes (org, id) values (new.org, new.id); end;
create trigger if not exists b after update on trips begin insert into changes (org, id) values (new.org, new.id); end;
create trigger if not exists c after delete on trips begin insert into changes (org, id) values (old.org, old.id); end";

/// Only the fields that come with the write are set.
const UPSERT: &str = "insert into trips values ($1, $2, $3 ->> '$.title.text', $3 ->> '$.boat.text', $3 ->> '$.date.date',
    $3 ->> '$.start_time.text', $3 ->> '$.end_time.text', coalesce(nullif($4, ''), $3 ->> '$.status.text'), 1)
on conflict do update set version = version + 1, title = coalesce(excluded.title, title), boat = coalesce(excluded.boat, boat),
    date = coalesce(excluded.date, date), start_time = coalesce(excluded.start_time, start_time),
    end_time = coalesce(excluded.end_time, end_time), status = coalesce(excluded.status, status) returning version";

/// The trips in these tables.
pub struct Trips(pub SqlitePool);

fn fault(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Store, "the host's own database failed").with_source(error)
}

async fn rows<'e>(db: impl sqlx::SqliteExecutor<'e>, sql: &'static str, binds: &[&str]) -> Result<Vec<SqliteRow>> {
    binds.iter().fold(query(sql), |query, text| query.bind((*text).to_owned())).fetch_all(db).await.map_err(fault)
}

fn live(row: &SqliteRow, fields: &FieldSet) -> Local {
    let value = |field: &FieldName| match row.try_get::<Option<String>, _>(field.as_str()).ok().flatten() {
        Some(text) if field.as_str() == "date" => text.parse().map_or(Value::Null, Value::Date),
        Some(text) => Value::Text(text),
        None => Value::Null,
    };
    let record = fields.iter().map(|field| (field.clone(), value(field))).collect();
    let version = Some(Version::new(row.get::<i64, _>("version").to_string()));
    Local { id: LocalId::new(row.get::<String, _>("id")), version, state: LocalState::Live(record) }
}

#[async_trait]
impl Records for Trips {
    async fn changes(
        &self,
        org: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        // `SEQ|ID` is a place in a full listing, `SEQ` one among the changes; the listing ends where it began.
        let newest = rows(&self.0, "select coalesce(max(seq), 0) as seq from changes", &[]).await?;
        let place = match from {
            LocalFrom::Start => format!("{}|", newest.first().map_or(0, |row| row.get::<i64, _>("seq"))),
            LocalFrom::Page(token) => token.to_string(),
            LocalFrom::Cursor(cursor) => cursor.to_string(),
        };
        let (seq, after) = place.split_once('|').map_or((place.as_str(), None), |(seq, id)| (seq, Some(id)));
        seq.parse::<i64>().map_err(|_| Error::new(ErrorKind::CursorExpired, "this place was never given"))?;
        let n = limit.to_string();
        let sql = match after {
            Some(_) => "select id from trips where $4 = 'trips' and org = $1 and id > $2 order by id limit $3 + 0",
            None => "select * from changes where $4 = 'trips' and org = $1 and seq > $2 + 0 order by seq limit $3 + 0",
        };
        let found = rows(&self.0, sql, &[org.as_str(), after.unwrap_or(seq), &n, of.as_str()]).await?;
        let ids: Vec<LocalId> = found.iter().map(|row| LocalId::new(row.get::<String, _>("id"))).collect();
        let seq =
            found.last().filter(|_| after.is_none()).map_or(seq.to_owned(), |row| row.get::<i64, _>("seq").to_string());
        let next = match ids.last() {
            Some(last) if ids.len() == limit && after.is_some() => LocalNext::More(PageToken::new(format!("{seq}|{last}"))),
            Some(_) if ids.len() == limit => LocalNext::More(PageToken::new(seq)),
            _ => LocalNext::Done(Some(Cursor::new(seq))),
        };
        Ok(LocalPage { items: self.read(org, of, fields, &ids).await?, next })
    }

    async fn read(&self, org: &OrganizationId, of: &Collection, fields: &FieldSet, ids: &[LocalId]) -> Result<Vec<Local>> {
        let mut locals = Vec::new();
        for id in ids {
            let sql = "select * from trips where org = $1 and id = $2 and $3 = 'trips'";
            let row = rows(&self.0, sql, &[org.as_str(), id.as_str(), of.as_str()]).await?;
            let gone = || Local { id: id.clone(), version: None, state: LocalState::Deleted };
            locals.push(row.first().map_or_else(gone, |row| live(row, fields)));
        }
        Ok(locals)
    }

    async fn labels(&self, org: &OrganizationId, of: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        let trips = self.read(org, of, &["title".into()].into(), ids).await?;
        Ok(trips.iter().map(|trip| Some(trip.state.record()?.text("title")?.to_owned())).collect())
    }
}

#[async_trait]
impl WritableRecords for Trips {
    async fn write(&self, org: &OrganizationId, _: &Collection, writes: &[LocalWrite]) -> Result<Vec<LocalReceipt>> {
        let mut tx = self.0.begin_with("begin immediate").await.map_err(fault)?;
        let mut receipts = Vec::new();
        for write in writes {
            let done = |id: &str, version: &str| LocalReceipt::Done { id: id.into(), version: Some(version.into()) };
            let known =
                rows(&mut *tx, "select id, version from done where operation = $1", &[write.operation.as_str()]).await?;
            if let Some(row) = known.first() {
                receipts.push(done(row.get("id"), row.get("version")));
                continue;
            }
            // The host's own rule.
            if write.fields.text("start_time").is_some_and(|time| time < "05:00") {
                receipts.push(LocalReceipt::Refused { reason: "too early to sail".into(), remedy: "Start later.".into() });
                continue;
            }
            let id = write.id.clone().unwrap_or_else(|| LocalId::new(format!("from-calendar-{}", write.operation)));
            let key = [org.as_str(), id.as_str()];
            let now = rows(&mut *tx, "select version from trips where org = $1 and id = $2", &key).await?;
            let now = now.first().map(|row| Version::new(row.get::<i64, _>("version").to_string()));
            if (write.id.is_some() && now.is_none()) || (write.expect.is_some() && write.expect != now) {
                receipts.push(LocalReceipt::Moved);
                continue;
            }
            let fields = serde_json::to_string(&write.fields).unwrap_or_default();
            let status = if write.verb == LocalVerb::Cancel { "cancelled" } else { "" };
            let version = rows(&mut *tx, UPSERT, &[key[0], key[1], &fields, status]).await?;
            let version = version.first().map_or(0, |row| row.get::<i64, _>("version")).to_string();
            rows(&mut *tx, "insert into done values ($1, $2, $3)", &[write.operation.as_str(), id.as_str(), &version])
                .await?;
            receipts.push(done(id.as_str(), &version));
        }
        tx.commit().await.map_err(fault)?;
        Ok(receipts)
    }

    fn can(&self, _: &Collection, verb: LocalVerb) -> bool {
        verb != LocalVerb::Delete
    }

    async fn find(&self, org: &OrganizationId, _: &Collection, keys: &[NaturalKey]) -> Result<Vec<Vec<LocalId>>> {
        let mut found = Vec::new();
        for key in keys {
            let sql = "select id from trips where org = $1 and lower(trim(title)) = $2 and $3 = 'title' order by id";
            let ids = rows(&self.0, sql, &[org.as_str(), key.value(), key.field().as_str()]).await?;
            found.push(ids.iter().map(|row| LocalId::new(row.get::<String, _>("id"))).collect());
        }
        Ok(found)
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePool::connect("sqlite:host.db?mode=rwc").await?;
    sqlx::raw_sql(TABLES).execute(&pool).await?;
    let trips = Arc::new(Trips(pool));
    let store = store::SqlStore::open("sync.db", store::StoreKey::from_env("STORE_KEY")?).await?;
    let mut builder = Dispatcher::builder(Arc::new(store), HostRecords::Writable(trips));
    for endpoint in ["api", "accounts", "token"] {
        if let Ok(url) = var("GOOGLE_URL") {
            builder = builder.base_url("google-calendar", endpoint, url.parse()?);
        }
    }
    let dispatcher = builder.build()?;
    let request = SyncRequest::new("blue-manta", "google-calendar").types(["trips"]);
    let options = RunOptions::new().approve(var("APPROVE").ok().map(PlanHash::from));
    println!("{}", serde_json::to_string_pretty(&dispatcher.dispatch_with(request, options).await)?);
    Ok(())
}
