//! Runs, outcomes, calls and cursors: reads.

use jiff::Timestamp;
use sync_core::{LocalId, RemoteId, Result, RunId, Scope};
use sync_engine::{CallRow, OutcomeRow, RunRow, StoredCursor};

use super::{
    SqlStore,
    plan::of_run,
    sql::{from_int, from_json, run_id, timestamp, to_int},
};
use crate::db::{Row, query};
use crate::error::database;

/// An outcome of the columns `resource, local_id, remote_id, body, at_ms`, from a place on.
fn outcome(row: &Row, i: usize) -> Result<OutcomeRow> {
    Ok(OutcomeRow {
        resource: row.text(i)?.into(),
        local: row.opt_text(i + 1)?.map(LocalId::from),
        remote: row.opt_text(i + 2)?.map(RemoteId::from),
        outcome: from_json("outcome", row.text(i + 3)?)?,
        at: timestamp(row.int(i + 4)?)?,
    })
}

impl SqlStore {
    pub(super) async fn unanswered_calls(&self, scope: &Scope) -> Result<Vec<CallRow>> {
        const OPEN: &str = "select body from open_call where org = $1 and integration = $2 order by opened_ms, call_key";
        let query = query(OPEN).bind(scope.organization.as_str()).bind(scope.integration.as_str());
        let rows = query.fetch_all(self.readers()).await.map_err(database)?;
        rows.iter().map(|row| from_json("call", row.text(0)?)).collect()
    }

    pub(super) async fn one_cursor(&self, scope: &Scope, stream: &str) -> Result<Option<StoredCursor>> {
        const CURSOR: &str =
            "select position, filter, at_ms from stream_cursor where org = $1 and integration = $2 and stream = $3";
        let query = query(CURSOR).bind(scope.organization.as_str()).bind(scope.integration.as_str()).bind(stream);
        let row = query.fetch_optional(self.readers()).await.map_err(database)?;
        let cursor = |row: Row| {
            let (cursor, filter) = (row.text(0)?.into(), row.text(1)?.to_owned());
            Ok(StoredCursor { cursor, filter, at: timestamp(row.int(2)?)? })
        };
        row.map(cursor).transpose()
    }

    pub(super) async fn one_run(&self, scope: &Scope, run: &RunId) -> Result<Option<RunRow>> {
        const RUN: &str = "select body from run where org = $1 and integration = $2 and run = $3";
        let row = of_run(RUN, scope, run).fetch_optional(self.readers()).await.map_err(database)?;
        row.map(|row| from_json("run", row.text(0)?)).transpose()
    }

    pub(super) async fn page_of_runs(&self, scope: &Scope, before: Option<Timestamp>, limit: usize) -> Result<Vec<RunRow>> {
        const PAGE: &str = "select body from run where org = $1 and integration = $2 and ($3 is null or started_ms < $3) \
            order by started_ms desc, run desc limit $4";
        let query = query(PAGE)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(before.map(Timestamp::as_millisecond))
            .bind(to_int(limit));
        let rows = query.fetch_all(self.readers()).await.map_err(database)?;
        rows.iter().map(|row| from_json("run", row.text(0)?)).collect()
    }

    pub(super) async fn page_of_outcomes(
        &self,
        scope: &Scope,
        run: &RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, OutcomeRow)>> {
        const PAGE: &str = concat!(
            "select id, resource, local_id, remote_id, body, at_ms from outcome where run_id = ",
            run_id!(),
            " and id > $4 order by id limit $5"
        );
        let query = of_run(PAGE, scope, run).bind(to_int(after)).bind(to_int(limit));
        let rows = query.fetch_all(self.readers()).await.map_err(database)?;
        rows.iter().map(|row| Ok((from_int("outcome", row.int(0)?)?, outcome(row, 1)?))).collect()
    }

    pub(super) async fn trail_of(&self, scope: &Scope, id: &str, limit: usize) -> Result<Vec<(RunId, OutcomeRow)>> {
        // By local id there is an index; by remote id the scope's outcomes are read through. People ask this, not runs.
        const TRAIL: &str = "select r.run, o.resource, o.local_id, o.remote_id, o.body, o.at_ms from outcome o \
            join run_number r on r.id = o.run_id where r.org = $1 and r.integration = $2 \
            and o.id in (select id from outcome where local_id = $3 union select o.id from run_number r \
            join outcome o on o.run_id = r.id where r.org = $1 and r.integration = $2 and o.remote_id = $3) \
            order by o.id desc limit $4";
        let query =
            query(TRAIL).bind(scope.organization.as_str()).bind(scope.integration.as_str()).bind(id).bind(to_int(limit));
        let rows = query.fetch_all(self.readers()).await.map_err(database)?;
        rows.iter().map(|row| Ok((row.text(0)?.into(), outcome(row, 1)?))).collect()
    }
}
