//! The databases: how a statement reaches each of them, and how its rows come back.
//!
//! Statements are written once, as SQLite reads them, with `$n`, `bigint` milliseconds and JSON as `text`. What PostgreSQL
//! says otherwise is data: [`postgres::words`].

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod query;
mod row;
mod rows;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
mod value;

use std::ops::{Deref, DerefMut};

use sqlx::{Database, Transaction, pool::PoolConnection};
use sync_core::Result;

pub(crate) use self::{
    query::{Query, query},
    row::Row,
    rows::Insert,
    value::{Value, Values},
};
use crate::error::database;

/// A database and its connections. Clones share them.
#[derive(Clone)]
pub(crate) enum Db {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Postgres),
}

impl Db {
    /// Begins a write.
    ///
    /// On SQLite the one lock there is is taken at once, so that nothing that is read in it can change. On PostgreSQL others
    /// write at the same time: whoever decides by what it read takes the row's lock with [`Query::for_update`] first. With
    /// `read committed` each statement after that sees all that was committed before the lock was given, and nothing can
    /// fail to serialize; what locks several rows takes the lease's row first, or goes in the order of its keys.
    pub(crate) async fn begin(&self) -> Result<Session> {
        Ok(Session(match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(db) => Conn::Sqlite(Held::Tx(db.writer.begin_with("BEGIN IMMEDIATE").await.map_err(database)?)),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => {
                let tx = db.pool.begin_with(postgres::BEGIN);
                Conn::Postgres(Held::Tx(tx.await.map_err(database)?), db.words.clone())
            }
        }))
    }

    /// Begins a read of several statements that all see the same.
    pub(crate) async fn snapshot(&self) -> Result<Session> {
        Ok(Session(match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(db) => Conn::Sqlite(Held::Tx(db.readers.begin().await.map_err(database)?)),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => {
                let tx = db.pool.begin_with(postgres::SNAPSHOT);
                Conn::Postgres(Held::Tx(tx.await.map_err(database)?), db.words.clone())
            }
        }))
    }

    /// A connection for a few reads, each of which sees what is there.
    pub(crate) async fn acquire(&self) -> Result<Session> {
        Ok(Session(match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(db) => Conn::Sqlite(Held::Pooled(db.readers.acquire().await.map_err(database)?)),
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => Conn::Postgres(Held::Pooled(db.pool.acquire().await.map_err(database)?), db.words.clone()),
        }))
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(db) => db.close().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(db) => db.close().await,
        }
    }
}

/// A connection that is held for some statements, mostly in a transaction, which is rolled back unless it is committed.
pub(crate) struct Session(Conn);

impl Session {
    pub(crate) async fn commit(self) -> Result<()> {
        match self.0 {
            #[cfg(feature = "sqlite")]
            Conn::Sqlite(Held::Tx(tx)) => tx.commit().await.map_err(database),
            #[cfg(feature = "postgres")]
            Conn::Postgres(Held::Tx(tx), _) => tx.commit().await.map_err(database),
            _ => Ok(()),
        }
    }
}

impl Deref for Session {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

/// A connection to either database.
pub(crate) enum Conn {
    #[cfg(feature = "sqlite")]
    Sqlite(Held<sqlx::Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(Held<sqlx::Postgres>, std::sync::Arc<postgres::Words>),
}

pub(crate) enum Held<DB: Database> {
    Pooled(PoolConnection<DB>),
    Tx(Transaction<'static, DB>),
}

impl<DB: Database> Held<DB> {
    pub(crate) fn conn(&mut self) -> &mut DB::Connection {
        match self {
            Self::Pooled(conn) => conn,
            Self::Tx(tx) => tx,
        }
    }
}

impl Conn {
    /// Takes the migrations' lock for this transaction, and makes the place for the tables.
    pub(crate) async fn begin_migration(&mut self) -> Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Postgres(held, words) => postgres::begin_migration(held.conn(), words).await.map_err(database),
        }
    }

    /// Runs statements of a migration that both databases make.
    pub(crate) async fn run_migration(&mut self, sql: &'static str) -> Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(held) => {
                sqlx::raw_sql(sql).execute(held.conn()).await.map_err(database)?;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(..) => self.run_postgres_migration(sql).await,
        }
    }

    /// Runs statements of a migration that only PostgreSQL makes.
    pub(crate) async fn run_postgres_migration(
        &mut self,
        #[cfg_attr(not(feature = "postgres"), expect(unused_variables))] sql: &'static str,
    ) -> Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => {}
            #[cfg(feature = "postgres")]
            Self::Postgres(held, words) => {
                let sql = sqlx::AssertSqlSafe(words.migration(sql));
                sqlx::raw_sql(sql).execute(held.conn()).await.map_err(database)?;
            }
        }
        Ok(())
    }

    /// Numbers for new rows of the table `link`, which nobody else has or is given.
    pub(crate) async fn new_link_ids(&mut self, n_rows: usize) -> Result<Vec<i64>> {
        let n_rows = i64::try_from(n_rows).unwrap_or(i64::MAX);
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => {
                let last = query("select coalesce(max(id), 0) from link").fetch_one(&mut *self).await.map_err(database)?;
                let first = last.int(0)? + 1;
                Ok((first..first + n_rows).collect())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(..) => {
                const NEXT: &str = "select nextval(pg_get_serial_sequence({link}, 'id')) from generate_series(1, $1)";
                let rows = query(NEXT).bind(n_rows).fetch_all(&mut *self).await.map_err(database)?;
                rows.iter().map(|row| row.int(0)).collect()
            }
        }
    }
}

/// Where a statement is run: on any connection that reads, or on this one.
pub(crate) enum On<'c> {
    Pool(&'c Db),
    Conn(&'c mut Conn),
}

impl<'c> From<&'c Db> for On<'c> {
    fn from(db: &'c Db) -> Self {
        Self::Pool(db)
    }
}

impl<'c> From<&'c mut Conn> for On<'c> {
    fn from(conn: &'c mut Conn) -> Self {
        Self::Conn(conn)
    }
}

impl<'c> From<&'c mut Session> for On<'c> {
    fn from(session: &'c mut Session) -> Self {
        Self::Conn(&mut session.0)
    }
}
