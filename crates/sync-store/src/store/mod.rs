//! The store, whichever database it lies in.

mod as_agreed;
mod channels;
mod commit;
mod connections;
mod grants;
mod history;
mod items;
mod lease;
mod links;
mod links_batch;
mod packed;
mod parts_batch;
mod plan;
mod plan_parts;
mod plan_spec;
mod plan_write;
mod port;
mod questions;
mod seen;
mod sign_ins;
pub(crate) mod sql;
mod upkeep;

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use sync_core::{InstallationId, Result, RunId, Scope};

use self::sql::{now_ms, timestamp};
use crate::{
    EmbeddedRecords, StoreKey,
    db::{Conn, Db, Session, query},
    error::database,
    migrate,
};

/// A [`sync_engine::Store`] in a SQL database, with all the ports that belong to it. Clones share their connections.
#[derive(Clone)]
pub struct SqlStore {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    /// What the database is called in messages: no secrets.
    name: String,
    key: StoreKey,
    installation: InstallationId,
}

impl SqlStore {
    /// A store in a database that is open: brings it up to date and checks the key.
    pub(crate) async fn opened(db: Db, name: String, key: StoreKey) -> Result<Self> {
        migrate::migrate(&db).await?;
        let mut tx = db.begin().await?;
        upkeep::check_key(&mut tx, &key).await?;
        let installation = upkeep::installation(&mut tx).await?;
        tx.commit().await?;
        Ok(Self { inner: Arc::new(Inner { db, name, key, installation }) })
    }

    /// Closes all connections, but for those of a host's own pool.
    pub async fn close(&self) {
        self.inner.db.close().await;
    }

    /// Records of a host without tables of its own, in the same database.
    pub fn records(&self) -> EmbeddedRecords {
        EmbeddedRecords::in_store(self.clone())
    }

    /// What the database is called: its file's path, or its schema, host and name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The schema of the database.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn schema_version(&self) -> Result<u32> {
        let mut conn = self.readers().acquire().await?;
        migrate::version(&mut conn).await
    }

    /// The database's own clock, by which leases go.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn database_clock(&self) -> Result<Timestamp> {
        let row = query(concat!("select ", now_ms!())).fetch_one(self.readers()).await.map_err(database)?;
        timestamp(row.int(0)?)
    }

    /// The number that a PostgreSQL server was given when it was made: a backup that is restored on another one is told by it.
    /// `None` on SQLite.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn server_id(&self) -> Result<Option<String>> {
        match self.readers() {
            #[cfg(feature = "sqlite")]
            Db::Sqlite(_) => Ok(None),
            #[cfg(feature = "postgres")]
            db @ Db::Postgres(_) => {
                let id = query("select system_identifier::text from pg_control_system()").fetch_one(db).await;
                Ok(Some(id.map_err(database)?.text(0)?.to_owned()))
            }
        }
    }

    /// Seals all credentials anew with the newest key; returns how many were sealed with an older one.
    ///
    /// # Errors
    /// [`ErrorKind::WrongKey`](sync_core::ErrorKind::WrongKey) when one can't be unsealed: nothing is changed then.
    pub async fn reseal(&self) -> Result<u64> {
        let mut tx = self.begin().await?;
        let mut n_sealed = grants::reseal(&mut tx, self.key()).await?;
        n_sealed += sign_ins::reseal(&mut tx, self.key()).await?;
        n_sealed += channels::reseal(&mut tx, self.key()).await?;
        tx.commit().await?;
        Ok(n_sealed)
    }

    pub(crate) fn key(&self) -> &StoreKey {
        &self.inner.key
    }

    pub(crate) fn readers(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) async fn begin(&self) -> Result<Session> {
        self.inner.db.begin().await
    }
}

/// Names the database and no more.
impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

/// The number of a run, which is given where it has none yet.
async fn number_run(conn: &mut Conn, scope: &Scope, run: &RunId) -> Result<i64> {
    const INSERT: &str = concat!(
        "insert into run_number (org, integration, run, created_ms) values ($1, $2, $3, ",
        now_ms!(),
        ") returning id"
    );
    // A look first: nearly always it is there, and a look writes nothing.
    if let Some(number) = plan::run_number(&mut *conn, scope, run).await? {
        return Ok(number);
    }
    plan::of_run(INSERT, scope, run).fetch_one(conn).await.map_err(database)?.int(0)
}

/// Rows of a plan are numbered by run and sequence: this many bits are the sequence's.
const SEQ_BITS: u32 = 40;

/// The number of an operation's rows.
fn plan_id(run: i64, seq: u64) -> i64 {
    (run << SEQ_BITS) + sql::to_int(seq)
}

/// The sequence number of a plan's row.
fn plan_seq(run: i64, id: i64) -> Result<u64> {
    sql::from_int("plan", id - (run << SEQ_BITS))
}

/// The largest sequence number that has its place.
const MAX_SEQ: u64 = (1 << SEQ_BITS) - 1;

/// Statements of every page of a run, each with the index that must answer it on SQLite.
#[cfg(all(test, feature = "sqlite"))]
pub(crate) fn hot() -> impl Iterator<Item = (&'static str, &'static str)> {
    links::HOT.into_iter().chain(seen::HOT).chain(items::HOT).chain(as_agreed::HOT)
}
