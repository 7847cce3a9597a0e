//! Plans: reads.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::{Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};
use sync_core::{Hash, LocalId, ResourceName, Result, RunId, Scope};
use sync_engine::{PartState, PlannedOp, PlannedPart, PlannedRow};

use super::{
    MAX_SEQ, SqliteStore,
    packed::{MAX_OPERATIONS, States},
    plan_id, plan_seq,
    sql::{Columns, from_int, from_json, to_int, to_json},
};
use crate::error::{corrupt, database};

/// A part's state as it is stored.
pub(super) fn state_number(state: PartState) -> u8 {
    match state {
        PartState::Ready => 0,
        PartState::Sent => 1,
        PartState::Done => 2,
        PartState::Held => 3,
    }
}

pub(super) fn state(number: u8) -> Result<PartState> {
    let states = [PartState::Ready, PartState::Sent, PartState::Done, PartState::Held];
    states.into_iter().find(|state| state_number(*state) == number).ok_or_else(|| corrupt("part"))
}

/// A run: the first three parameters.
pub(super) fn of_run<'a>(sql: &'static str, scope: &Scope, run: &RunId) -> Query<'a, Sqlite, SqliteArguments> {
    sqlx::query(sql).bind(scope.organization.to_string()).bind(scope.integration.to_string()).bind(run.to_string())
}

/// A run's number, where it has one.
pub(super) async fn run_number(conn: &mut SqliteConnection, scope: &Scope, run: &RunId) -> Result<Option<i64>> {
    const NUMBER: &str = "select id from run_number where org = $1 and integration = $2 and run = $3";
    let row = of_run(NUMBER, scope, run).fetch_optional(conn).await.map_err(database)?;
    row.map(|row| row.int(0)).transpose()
}

/// What the parts of a run are made of, by number.
pub(super) async fn specs(conn: &mut SqliteConnection, run: i64) -> Result<HashMap<u16, (ResourceName, PlannedPart)>> {
    let query = sqlx::query("select id, resource, body from plan_spec where run_id = $1").bind(run);
    let mut specs = HashMap::new();
    for row in query.fetch_all(conn).await.map_err(database)? {
        specs.insert(from_int("part", row.int(0)?)?, (row.text(1)?.into(), from_json("part", row.text(2)?)?));
    }
    Ok(specs)
}

/// Operations with all that is stored of them, by number.
pub(super) async fn operations(conn: &mut SqliteConnection, run: i64, seqs: &[u64]) -> Result<HashMap<u64, PlannedOp>> {
    const OPERATIONS: &str = "select o.id, o.digest, o.natural_key, o.hash, b.operation from json_each($2) e \
        cross join plan_op o cross join plan_body b where o.id = $1 + e.value and b.id = o.id";
    let query = sqlx::query(OPERATIONS).bind(plan_id(run, 0)).bind(to_json(&seqs)?);
    let mut operations = HashMap::with_capacity(seqs.len());
    for row in query.fetch_all(conn).await.map_err(database)? {
        let seq = plan_seq(run, row.int(0)?)?;
        let hash = row.opt_text(3)?.map(str::parse::<Hash>).transpose().map_err(|_| corrupt("hash"))?;
        let op = PlannedOp {
            seq,
            operation: from_json("operation", row.text(4)?)?,
            digest: row.text(1)?.to_owned(),
            key: row.opt_text(2)?.map(str::to_owned),
            hash,
            parts: Vec::new(),
        };
        operations.insert(seq, op);
    }
    Ok(operations)
}

/// A few rows of states of a run in order, each with the number that it starts with; and the place after them, by the
/// numbers that they were made with: operations may have been dropped since. `None` when there are no more.
pub(super) async fn states_after(
    conn: &mut SqliteConnection,
    run: i64,
    place: Option<u64>,
    n_rows: i64,
) -> Result<Option<(Vec<(u64, States)>, Option<u64>)>> {
    const PAGE: &str = "select id, last_id, body from plan_states where id between \
        coalesce((select max(id) from plan_states where id between $1 and $2), $2) and $3 and last_id > $2 \
        order by id limit $4";
    let place = place.map_or(plan_id(run, 0) - 1, |place| plan_id(run, place));
    let query = sqlx::query(PAGE).bind(plan_id(run, 0)).bind(place).bind(plan_id(run, MAX_SEQ)).bind(n_rows);
    let rows = query.fetch_all(conn).await.map_err(database)?;
    let Some(last) = rows.last() else { return Ok(None) };
    let states = |row: &sqlx::sqlite::SqliteRow| {
        let first_seq = plan_seq(run, row.int(0)?)?;
        Ok((first_seq, States::unpack(first_seq, row.bytes(2)?)?))
    };
    Ok(Some((rows.iter().map(states).collect::<Result<_>>()?, Some(plan_seq(run, last.int(1)?)?))))
}

impl SqliteStore {
    pub(super) async fn page_of_plan(
        &self,
        scope: &Scope,
        run: &RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<PlannedRow>> {
        // One snapshot for all.
        let mut tx = self.readers().begin().await.map_err(database)?;
        let Some(run) = run_number(&mut tx, scope, run).await? else { return Ok(Vec::new()) };
        let specs = specs(&mut tx, run).await?;
        let mut page: Vec<(u64, Vec<super::packed::Packed>)> = Vec::new();
        let (mut place, n_rows) = (Some(after), to_int(limit / MAX_OPERATIONS + 2));
        while page.len() < limit {
            let Some((rows, next)) = states_after(&mut tx, run, place, n_rows).await? else { break };
            place = next;
            page.extend(rows.into_iter().flat_map(|(_, states)| states.0).filter(|(seq, _)| *seq > after));
        }
        page.truncate(limit);
        let seqs: Vec<u64> = page.iter().map(|(seq, _)| *seq).collect();
        let mut operations = operations(&mut tx, run, &seqs).await?;
        let row = |(seq, parts): (u64, Vec<super::packed::Packed>)| {
            let mut planned = operations.remove(&seq).ok_or_else(|| corrupt("plan"))?;
            for part in &parts {
                let (_, spec) = specs.get(&part.spec).ok_or_else(|| corrupt("part"))?;
                planned.parts.push(spec.clone());
            }
            Ok(PlannedRow { planned, states: parts.into_iter().map(|part| part.state).collect() })
        };
        page.into_iter().map(row).collect()
    }

    pub(super) async fn page_of_digests(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&str, u64)>,
        limit: usize,
    ) -> Result<Vec<(String, u64)>> {
        // No index: it would cost more with each operation than the few pages that the plan's hash is computed from.
        const DIGESTS: &str = "select digest, id from plan_op where id between $1 and $2 and (digest, id) > ($3, $4) \
            order by digest, id limit $5";
        let mut conn = self.readers().acquire().await.map_err(database)?;
        let Some(run) = run_number(&mut conn, scope, run).await? else { return Ok(Vec::new()) };
        let (digest, id) = after.map_or(("", -1), |(digest, seq)| (digest, plan_id(run, seq)));
        let query = sqlx::query(DIGESTS).bind(plan_id(run, 0)).bind(plan_id(run, MAX_SEQ)).bind(digest).bind(id);
        let query = query.bind(to_int(limit));
        let rows = query.fetch_all(&mut *conn).await.map_err(database)?;
        rows.iter().map(|row| Ok((row.text(0)?.to_owned(), plan_seq(run, row.int(1)?)?))).collect()
    }

    pub(super) async fn twins_in_plan(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u64>)>> {
        const TWINS: &str = "select natural_key, id from plan_op where id between $1 and $2 and resource = $3 \
            and natural_key in (select natural_key from plan_op where id between $1 and $2 and resource = $3 \
            and natural_key is not null and ($4 is null or natural_key > $4) group by natural_key having count(*) > 1 \
            order by natural_key limit $5) order by natural_key, id";
        let mut conn = self.readers().acquire().await.map_err(database)?;
        let Some(run) = run_number(&mut conn, scope, run).await? else { return Ok(Vec::new()) };
        let query = sqlx::query(TWINS).bind(plan_id(run, 0)).bind(plan_id(run, MAX_SEQ)).bind(resource.as_str());
        let query = query.bind(after).bind(to_int(limit));
        let mut twins: Vec<(String, Vec<u64>)> = Vec::new();
        for row in query.fetch_all(&mut *conn).await.map_err(database)? {
            let (key, seq) = (row.text(0)?, plan_seq(run, row.int(1)?)?);
            match twins.last_mut().filter(|(last, _)| last == key) {
                Some((_, seqs)) => seqs.push(seq),
                None => twins.push((key.to_owned(), vec![seq])),
            }
        }
        Ok(twins)
    }

    pub(super) async fn repeats_in_plan(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        limit: usize,
    ) -> Result<Vec<(LocalId, Vec<u64>)>> {
        const REPEATS: &str = "with repeated as (select local_id, role from plan_op where id between $1 and $2 \
            and resource = $3 group by local_id, role having count(*) > 1 order by local_id, role limit $4) \
            select local_id, role, id from plan_op where id between $1 and $2 and resource = $3 \
            and (local_id, role) in (select local_id, role from repeated) order by local_id, role, id";
        let mut conn = self.readers().acquire().await.map_err(database)?;
        let Some(run) = run_number(&mut conn, scope, run).await? else { return Ok(Vec::new()) };
        let query = sqlx::query(REPEATS).bind(plan_id(run, 0)).bind(plan_id(run, MAX_SEQ)).bind(resource.as_str());
        let query = query.bind(to_int(limit));
        let mut repeats: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
        for row in query.fetch_all(&mut *conn).await.map_err(database)? {
            let record = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
            repeats.entry(record).or_default().push(plan_seq(run, row.int(2)?)?);
        }
        Ok(repeats.into_iter().map(|((local, _), seqs)| (local.into(), seqs)).collect())
    }

    pub(super) async fn stages_with_ready_parts(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
    ) -> Result<Vec<u8>> {
        let mut tx = self.readers().begin().await.map_err(database)?;
        let Some(run) = run_number(&mut tx, scope, run).await? else { return Ok(Vec::new()) };
        let stages: HashMap<u16, u8> = specs(&mut tx, run)
            .await?
            .into_iter()
            .filter(|(_, (of, _))| of == resource)
            .map(|(number, (_, part))| (number, part.stage))
            .collect();
        let all: HashSet<u8> = stages.values().copied().collect();
        let (mut found, mut place) = (HashSet::new(), None);
        while found.len() < all.len() {
            let Some((rows, next)) = states_after(&mut tx, run, place, 50).await? else { break };
            place = next;
            let parts = rows.iter().flat_map(|(_, states)| &states.0).flat_map(|(_, parts)| parts);
            let ready = parts.filter(|part| part.state == PartState::Ready);
            found.extend(ready.filter_map(|part| stages.get(&part.spec)));
        }
        let mut found: Vec<u8> = found.into_iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    pub(super) async fn calls_of_plan(&self, scope: &Scope, run: &RunId) -> Result<u64> {
        let mut tx = self.readers().begin().await.map_err(database)?;
        let Some(run) = run_number(&mut tx, scope, run).await? else { return Ok(0) };
        let specs = specs(&mut tx, run).await?;
        let (mut n_parts, mut place): (HashMap<u16, u64>, _) = (HashMap::new(), None);
        loop {
            let Some((rows, next)) = states_after(&mut tx, run, place, 50).await? else { break };
            place = next;
            for part in rows.iter().flat_map(|(_, states)| &states.0).flat_map(|(_, parts)| parts) {
                *n_parts.entry(part.spec).or_default() += 1;
            }
        }
        let mut groups: HashMap<(&ResourceName, u8, &str), (u64, u32)> = HashMap::new();
        for (spec, n_parts) in n_parts {
            let (resource, part) = specs.get(&spec).ok_or_else(|| corrupt("part"))?;
            let group = groups.entry((resource, part.stage, &part.group)).or_insert((0, part.max));
            *group = (group.0 + n_parts, group.1.min(part.max));
        }
        Ok(groups.into_values().map(|(n_parts, max)| n_parts.div_ceil(u64::from(max.max(1)))).sum())
    }
}
