//! Connections.

use sync_core::{OrganizationId, Result, Scope};
use sync_engine::ConnectionRow;

use super::{
    SqlStore,
    sql::{from_int, from_json, to_int, to_json},
};
use crate::db::{Conn, Row, query};
use crate::error::database;

impl SqlStore {
    pub(super) async fn one_connection(&self, scope: &Scope) -> Result<Option<ConnectionRow>> {
        let query = query("select body, revision from connection where org = $1 and integration = $2")
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str());
        query.fetch_optional(self.readers()).await.map_err(database)?.as_ref().map(connection).transpose()
    }

    pub(super) async fn page_of_connections(
        &self,
        organization: Option<&OrganizationId>,
        after: Option<&Scope>,
        limit: usize,
    ) -> Result<Vec<ConnectionRow>> {
        const PAGE: &str = "select body, revision from connection where ($1 is null or org = $1) \
            and ($2 is null or (org, integration) > ($2, $3)) order by org, integration limit $4";
        let query = query(PAGE)
            .bind(organization.map(OrganizationId::as_str))
            .bind(after.map(|after| after.organization.as_str()))
            .bind(after.map(|after| after.integration.as_str()))
            .bind(to_int(limit));
        query.fetch_all(self.readers()).await.map_err(database)?.iter().map(connection).collect()
    }

    pub(super) async fn put_one_connection(&self, row: &ConnectionRow, expected: Option<u64>) -> Result<bool> {
        const INSERT: &str = "insert into connection (org, integration, revision, body) values ($1, $2, $3, $4) \
            on conflict (org, integration) do nothing";
        const UPDATE: &str =
            "update connection set revision = $3, body = $4 where org = $1 and integration = $2 and revision = $3 - 1";
        let revision = expected.unwrap_or(0) + 1;
        let mut tx = self.begin().await?;
        let query = query(if expected.is_some() { UPDATE } else { INSERT })
            .bind(row.scope.organization.as_str())
            .bind(row.scope.integration.as_str())
            .bind(to_int(revision))
            .bind(to_json(row)?);
        let n_rows = query.execute(&mut tx).await.map_err(database)?;
        tx.commit().await?;
        Ok(n_rows == 1)
    }
}

/// Stores a connection whatever its revision, with the next one.
pub(super) async fn put(conn: &mut Conn, row: &ConnectionRow) -> Result<()> {
    const PUT: &str = "insert into connection (org, integration, revision, body) values ($1, $2, 1, $3) \
        on conflict (org, integration) do update set revision = connection.revision + 1, body = excluded.body";
    let query = query(PUT).bind(row.scope.organization.as_str()).bind(row.scope.integration.as_str());
    query.bind(to_json(row)?).execute(conn).await.map_err(database)?;
    Ok(())
}

fn connection(row: &Row) -> Result<ConnectionRow> {
    let stored: ConnectionRow = from_json("connection", row.text(0)?)?;
    Ok(ConnectionRow { revision: from_int("connection", row.int(1)?)?, ..stored })
}
