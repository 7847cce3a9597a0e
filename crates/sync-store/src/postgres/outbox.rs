//! Changes of a host's own records, told in the host's own transactions.
//!
//! A host on PostgreSQL writes its record and calls [`emit`] in one transaction, and answers
//! [`Records::changes`](sync_core::Records::changes) from [`Outbox::changes`]: whatever was committed is shown, in whichever
//! order transactions ended. (A time stamp or a sequence is given out before the commit, so a reader that goes by it passes
//! rows that are still to come.)
//!
//! Rows are read in the order of their transactions' numbers, and only below the oldest number that is still under way: all
//! below it have ended, so nothing can appear there any more. One long transaction holds the feed back, and loses nothing.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};
use sync_core::{Collection, Cursor, Error, ErrorKind, LocalId, OrganizationId, Result};

use crate::{
    SqlStore,
    db::{Db, postgres::Words, query},
    error::database,
};

/// Tells that these records changed, in the transaction of `conn` (`&mut tx`): with its commit, or not at all. `schema` is
/// the store's. A deleted record is told of as a changed one.
///
/// # Errors
/// When the database fails, or the schema has no store of this version.
pub async fn emit(
    conn: &mut PgConnection,
    schema: &str,
    organization: &OrganizationId,
    collection: &Collection,
    records: &[LocalId],
) -> Result<()> {
    let sql = format!(
        "insert into {}.outbox (org, collection, record, at_ms) select $1, $2, record, \
         floor(extract(epoch from clock_timestamp()) * 1000)::bigint from unnest($3) record",
        Words::new(schema).schema()
    );
    // Safe: the schema's name is quoted.
    sqlx::query(AssertSqlSafe(sql))
        .bind(organization.as_str())
        .bind(collection.as_str())
        .bind(records.iter().map(LocalId::as_str).collect::<Vec<_>>())
        .execute(conn)
        .await
        .map_err(database)?;
    Ok(())
}

/// What was told with [`emit`], read.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: SqlStore,
}

/// A page of changes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Changes {
    /// Records that changed, each once.
    pub records: Vec<LocalId>,
    /// Where the next page begins.
    pub next: Cursor,
    /// Whether there are more now.
    pub more: bool,
}

/// A place: rows of earlier transactions, and this one's up to a row, were read.
#[derive(Clone, Copy)]
struct Place {
    xid: i64,
    id: i64,
}

impl Place {
    fn cursor(self) -> Cursor {
        Cursor::new(format!("{}:{}", self.xid, self.id))
    }

    fn of(cursor: &Cursor) -> Option<Self> {
        let (xid, id) = cursor.as_str().split_once(':')?;
        Some(Self { xid: xid.parse().ok()?, id: id.parse().ok()? })
    }
}

impl SqlStore {
    /// What a host tells of its own records. `None` where the store is on SQLite, whose host has [`SqlStore::records`].
    pub fn outbox(&self) -> Option<Outbox> {
        match self.readers() {
            Db::Postgres(_) => Some(Outbox { store: self.clone() }),
            #[cfg(feature = "sqlite")]
            Db::Sqlite(_) => None,
        }
    }
}

impl Outbox {
    /// Where changes begin that a reading of all records, begun after this, may miss.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start(&self) -> Result<Cursor> {
        Ok(Place { xid: self.horizon().await?.0, id: 0 }.cursor())
    }

    /// Changes after a place, oldest first, at most `limit` of them.
    ///
    /// # Errors
    /// [`ErrorKind::CursorExpired`] when the cursor is none of this outbox's, or what came after it was pruned or is of
    /// another server: read all records, and go on from [`Outbox::start`].
    pub async fn changes(
        &self,
        organization: &OrganizationId,
        collection: &Collection,
        after: &Cursor,
        limit: usize,
    ) -> Result<Changes> {
        const PAGE: &str = "select record, xid, id from outbox where org = $1 and collection = $2 and (xid, id) > ($3, $4) \
            and xid < $5 order by xid, id limit $6";
        let expired = || Error::new(ErrorKind::CursorExpired, "this cursor is not one of this outbox's, or too old");
        let place = Place::of(after).ok_or_else(expired)?;
        // The horizon first: what it covers is visible to every later statement.
        let (horizon, newest) = self.horizon().await?;
        // Numbers start anew on another server, such as one that a backup was restored on.
        if place.xid > newest || place.xid < self.pruned().await? {
            return Err(expired());
        }
        let limit = limit.max(1);
        let page = query(PAGE)
            .bind(organization.as_str())
            .bind(collection.as_str())
            .bind(place.xid)
            .bind(place.id)
            .bind(horizon)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = page.fetch_all(self.store.readers()).await.map_err(database)?;
        let more = rows.len() == limit;
        let next = match rows.last().filter(|_| more) {
            Some(last) => Place { xid: last.int(1)?, id: last.int(2)? },
            // All below the horizon was read; never back, where this reader was further.
            None => Place { xid: horizon.max(place.xid), id: if horizon > place.xid { 0 } else { place.id } },
        };
        let mut records: Vec<LocalId> = Vec::with_capacity(rows.len());
        let mut known = std::collections::HashSet::with_capacity(rows.len());
        for row in &rows {
            let record = LocalId::from(row.text(0)?);
            if known.insert(record.clone()) {
                records.push(record);
            }
        }
        Ok(Changes { records, next: next.cursor(), more })
    }

    /// Deletes what was told before a time; returns how many rows. Cursors from before are over then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune(&self, before: Timestamp) -> Result<u64> {
        const PRUNE: &str = "with gone as (delete from outbox where at_ms < $1 and xid < $2 returning xid) \
            select coalesce(max(xid), 0), count(*) from gone";
        const MARK: &str = "insert into meta (name, value) values ('outbox_pruned', $1) on conflict (name) \
            do update set value = excluded.value where excluded.value::bigint > meta.value::bigint";
        let (horizon, _) = self.horizon().await?;
        let mut tx = self.store.begin().await?;
        let prune = query(PRUNE).bind(before.as_millisecond()).bind(horizon);
        let gone = prune.fetch_one(&mut tx).await.map_err(database)?;
        let (last, n_gone) = (gone.int(0)?, gone.int(1)?);
        if n_gone > 0 {
            query(MARK).bind((last + 1).to_string()).execute(&mut tx).await.map_err(database)?;
        }
        tx.commit().await?;
        Ok(n_gone.unsigned_abs())
    }

    /// The oldest transaction that is under way, and the next one.
    async fn horizon(&self) -> Result<(i64, i64)> {
        const HORIZON: &str = "select pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint \
            from (select pg_current_snapshot() s) now";
        let row = query(HORIZON).fetch_one(self.store.readers()).await.map_err(database)?;
        Ok((row.int(0)?, row.int(1)?))
    }

    async fn pruned(&self) -> Result<i64> {
        const PRUNED: &str = "select value::bigint from meta where name = 'outbox_pruned'";
        let row = query(PRUNED).fetch_optional(self.store.readers()).await.map_err(database)?;
        Ok(row.map(|row| row.int(0)).transpose()?.unwrap_or(0))
    }
}
