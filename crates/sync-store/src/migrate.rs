//! Ordered migrations, under a lock.

use sqlx::{Connection, Row, SqliteConnection};
use sync_core::{Error, ErrorKind, Result};

use crate::{error::database, sqlite::sql::now_ms};

/// All migrations in order; the version of a database is how many of them it has seen. Never edit one that was released.
const MIGRATIONS: [&str; 6] = [
    include_str!("migrations/0001_store.sql"),
    include_str!("migrations/0002_records.sql"),
    include_str!("migrations/0003_seen.sql"),
    include_str!("migrations/0004_plan.sql"),
    include_str!("migrations/0005_sign_ins.sql"),
    include_str!("migrations/0006_as_agreed.sql"),
];

/// The schema that this build writes.
pub(crate) const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// Brings a database up to date, or refuses one that is newer than this build.
pub(crate) async fn migrate(conn: &mut SqliteConnection) -> Result<()> {
    // The write lock is held from the first look on: two processes that start at once migrate once.
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(database)?;
    sqlx::raw_sql("create table if not exists schema_version (version bigint not null primary key, at_ms bigint not null)")
        .execute(&mut *tx)
        .await
        .map_err(database)?;
    let found = version(&mut tx).await?;
    if found > SCHEMA_VERSION {
        return Err(Error::new(ErrorKind::Config, "the database was written by a newer version of this program")
            .with_context("schema", found)
            .with_context("known", SCHEMA_VERSION)
            .with_remedy("Install that version, or restore a backup from before the upgrade."));
    }
    for (migration, number) in MIGRATIONS.into_iter().zip(1_u32..).skip(found as usize) {
        sqlx::raw_sql(migration).execute(&mut *tx).await.map_err(database)?;
        sqlx::query(concat!("insert into schema_version (version, at_ms) values ($1, ", now_ms!(), ")"))
            .bind(number)
            .execute(&mut *tx)
            .await
            .map_err(database)?;
    }
    tx.commit().await.map_err(database)
}

/// How many migrations a database has seen.
pub(crate) async fn version(conn: &mut SqliteConnection) -> Result<u32> {
    let row = sqlx::query("select coalesce(max(version), 0) from schema_version").fetch_one(conn).await.map_err(database)?;
    row.try_get(0).map_err(database)
}
