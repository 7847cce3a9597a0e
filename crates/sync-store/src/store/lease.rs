//! Leases, by the database's own clock.

use sync_core::{Error, ErrorKind, Result, Scope};
use sync_engine::{Acquired, Lease, LeaseInfo};

use super::{
    SqlStore,
    sql::{from_int, now_ms, timestamp, to_int},
};
use crate::db::{Conn, On, Query, Session, query};
use crate::error::database;

impl SqlStore {
    pub(super) async fn acquire_lease(&self, scope: &Scope, owner: &str, length_ms: i64) -> Result<Acquired> {
        const TAKE: &str = concat!(
            "insert into run_lease (org, integration, epoch, owner, since_ms, expires_ms) values ($1, $2, 1, $3, ",
            now_ms!(),
            ", ",
            now_ms!(),
            " + $4) on conflict (org, integration) do update set epoch = run_lease.epoch + 1, owner = excluded.owner, ",
            "since_ms = excluded.since_ms, expires_ms = excluded.expires_ms where run_lease.expires_ms <= ",
            now_ms!(),
            " returning epoch, expires_ms"
        );
        let mut tx = self.begin().await?;
        let take = query(TAKE).bind(scope.organization.as_str()).bind(scope.integration.as_str());
        let row = take.bind(owner).bind(length_ms).fetch_optional(&mut *tx).await.map_err(database)?;
        let acquired = match row {
            Some(row) => Acquired::Lease(Lease {
                scope: scope.clone(),
                epoch: from_int("lease", row.int(0)?)?,
                owner: owner.to_owned(),
                expires_at: timestamp(row.int(1)?)?,
            }),
            None => Acquired::Held(info(&mut *tx, scope).await?.ok_or_else(lost)?),
        };
        tx.commit().await?;
        Ok(acquired)
    }

    pub(super) async fn renew_lease(&self, lease: &mut Lease, length_ms: i64) -> Result<()> {
        const RENEW: &str = concat!(
            "update run_lease set expires_ms = ",
            now_ms!(),
            " + $4 where org = $1 and integration = $2 and epoch = $3 and expires_ms > ",
            now_ms!(),
            " returning expires_ms"
        );
        let mut tx = self.begin().await?;
        let row = keyed(RENEW, lease).bind(length_ms).fetch_optional(&mut *tx).await.map_err(database)?;
        let expires_ms = row.ok_or_else(lost)?.int(0)?;
        tx.commit().await?;
        lease.expires_at = timestamp(expires_ms)?;
        Ok(())
    }

    pub(super) async fn release_lease(&self, lease: &Lease) -> Result<()> {
        const RELEASE: &str = "update run_lease set expires_ms = 0 where org = $1 and integration = $2 and epoch = $3";
        let mut tx = self.begin().await?;
        keyed(RELEASE, lease).execute(&mut tx).await.map_err(database)?;
        tx.commit().await
    }

    pub(super) async fn lease_info(&self, scope: &Scope) -> Result<Option<LeaseInfo>> {
        info(self.readers(), scope).await
    }

    /// Begins a write that only the holder of the lease may make. With its row locked, nobody can take the lease over before
    /// the commit, and writes under it go one after another.
    pub(super) async fn begin_leased(&self, lease: &Lease) -> Result<Session> {
        const CHECK: &str = concat!(
            "select 1 from run_lease where org = $1 and integration = $2 and epoch = $3 and expires_ms > ",
            now_ms!()
        );
        let mut tx = self.begin().await?;
        let held = keyed(CHECK, lease).for_update().fetch_optional(&mut *tx).await.map_err(database)?;
        held.map(|_| tx).ok_or_else(lost)
    }
}

/// Keeps writes under the scope's lease away until this one ends.
pub(super) async fn lock_scope(conn: &mut Conn, scope: &Scope) -> Result<()> {
    const LOCK: &str = "select 1 from run_lease where org = $1 and integration = $2";
    let lock = query(LOCK).bind(scope.organization.as_str()).bind(scope.integration.as_str()).for_update();
    lock.fetch_optional(conn).await.map_err(database).map(drop)
}

fn keyed(sql: &'static str, lease: &Lease) -> Query {
    let scope = &lease.scope;
    query(sql).bind(scope.organization.to_string()).bind(scope.integration.to_string()).bind(to_int(lease.epoch))
}

async fn info<'c>(from: impl Into<On<'c>> + Send, scope: &Scope) -> Result<Option<LeaseInfo>> {
    const INFO: &str = concat!(
        "select epoch, owner, since_ms, expires_ms, ",
        now_ms!(),
        " from run_lease where org = $1 and integration = $2"
    );
    let query = query(INFO).bind(scope.organization.as_str()).bind(scope.integration.as_str());
    let Some(row) = query.fetch_optional(from).await.map_err(database)? else { return Ok(None) };
    Ok(Some(LeaseInfo {
        scope: scope.clone(),
        epoch: from_int("lease", row.int(0)?)?,
        owner: row.text(1)?.to_owned(),
        since: timestamp(row.int(2)?)?,
        expires_at: timestamp(row.int(3)?)?,
        now: timestamp(row.int(4)?)?,
    }))
}

fn lost() -> Error {
    Error::new(ErrorKind::LeaseLost, "the lease of this run is over: nothing more is written")
        .with_remedy("Nothing to do: whoever holds the lease goes on, and so does the next run.")
}
