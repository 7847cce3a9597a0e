//! Ordered migrations, under a lock.

use sync_core::{Error, ErrorKind, Result};

use crate::{
    db::{Conn, Db, query},
    error::database,
    store::sql::{from_int, now_ms},
};

/// One step of the schema.
pub(crate) enum Migration {
    /// In SQLite's words, of which PostgreSQL's are made.
    Both(&'static str),
    /// Of what only PostgreSQL has.
    Postgres(&'static str),
}

impl Migration {
    #[cfg(feature = "postgres")]
    pub(crate) fn text(&self) -> &'static str {
        let (Self::Both(text) | Self::Postgres(text)) = self;
        text
    }
}

/// All migrations in order; the version of a database is how many of them it has seen. Never edit one that was released.
pub(crate) const MIGRATIONS: [Migration; 8] = [
    Migration::Both(include_str!("migrations/0001_store.sql")),
    Migration::Both(include_str!("migrations/0002_records.sql")),
    Migration::Both(include_str!("migrations/0003_seen.sql")),
    Migration::Both(include_str!("migrations/0004_plan.sql")),
    Migration::Both(include_str!("migrations/0005_sign_ins.sql")),
    Migration::Both(include_str!("migrations/0006_as_agreed.sql")),
    Migration::Postgres(include_str!("migrations/0007_outbox.sql")),
    Migration::Both(include_str!("migrations/0008_as_agreed.sql")),
];

/// The schema that this build writes.
pub(crate) const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// Brings a database up to date, or refuses one that is newer than this build.
pub(crate) async fn migrate(db: &Db) -> Result<()> {
    // The lock is held from the first look on: two processes that start at once migrate once.
    let mut tx = db.begin().await?;
    tx.begin_migration().await?;
    tx.run_migration(
        "create table if not exists schema_version (version bigint not null primary key, at_ms bigint not null)",
    )
    .await?;
    let found = version(&mut tx).await?;
    if found > SCHEMA_VERSION {
        return Err(Error::new(ErrorKind::Config, "the database was written by a newer version of this program")
            .with_context("schema", found)
            .with_context("known", SCHEMA_VERSION)
            .with_remedy("Install that version, or restore a backup from before the upgrade."));
    }
    for (migration, number) in MIGRATIONS.iter().zip(1_u32..).skip(found as usize) {
        match migration {
            Migration::Both(sql) => tx.run_migration(sql).await?,
            Migration::Postgres(sql) => tx.run_postgres_migration(sql).await?,
        }
        query(concat!("insert into schema_version (version, at_ms) values ($1, ", now_ms!(), ")"))
            .bind(number)
            .execute(&mut tx)
            .await
            .map_err(database)?;
    }
    tx.commit().await
}

/// How many migrations a database has seen.
pub(crate) async fn version(conn: &mut Conn) -> Result<u32> {
    let row = query("select coalesce(max(version), 0) from schema_version").fetch_one(conn).await.map_err(database)?;
    from_int("schema", row.int(0)?)
}
