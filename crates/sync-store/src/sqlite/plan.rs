//! Plans: reads.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::{Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};
use sync_core::{Hash, LocalId, ResourceName, Result, RunId, Scope};
use sync_engine::{PartState, PlannedOp, PlannedPart, PlannedRow};

use super::{
    SqliteStore,
    packed::States,
    sql::{Columns, from_int, from_json, run_id, to_int, to_json},
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
    const OPERATIONS: &str = "select o.seq, o.digest, o.natural_key, o.hash, b.operation from json_each($2) e \
        cross join plan_op o cross join plan_body b where o.run_id = $1 and o.seq = e.value \
        and b.run_id = o.run_id and b.seq = o.seq";
    let query = sqlx::query(OPERATIONS).bind(run).bind(to_json(&seqs)?);
    let mut operations = HashMap::with_capacity(seqs.len());
    for row in query.fetch_all(conn).await.map_err(database)? {
        let seq = from_int("plan", row.int(0)?)?;
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
    place: i64,
) -> Result<Option<(Vec<(u64, States)>, i64)>> {
    const PAGE: &str = "select first_seq, last_seq, body from plan_states where run_id = $1 and last_seq > $2 \
        order by first_seq limit 50";
    let rows = sqlx::query(PAGE).bind(run).bind(place).fetch_all(conn).await.map_err(database)?;
    let Some(last) = rows.last() else { return Ok(None) };
    let states = |row: &sqlx::sqlite::SqliteRow| {
        let first_seq = from_int("plan", row.int(0)?)?;
        Ok((first_seq, States::unpack(first_seq, row.bytes(2)?)?))
    };
    Ok(Some((rows.iter().map(states).collect::<Result<_>>()?, last.int(1)?)))
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
        let mut place = to_int(after);
        while page.len() < limit {
            let Some((rows, next)) = states_after(&mut tx, run, place).await? else { break };
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
        const DIGESTS: &str = concat!(
            "select digest, seq from plan_op where run_id = ",
            run_id!(),
            " and (digest, seq) > ($4, $5) order by digest, seq limit $6"
        );
        let (digest, seq) = after.map_or(("", -1), |(digest, seq)| (digest, to_int(seq)));
        let query = of_run(DIGESTS, scope, run).bind(digest).bind(seq).bind(to_int(limit));
        let rows = query.fetch_all(self.readers()).await.map_err(database)?;
        rows.iter().map(|row| Ok((row.text(0)?.to_owned(), from_int("plan", row.int(1)?)?))).collect()
    }

    pub(super) async fn twins_in_plan(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u64>)>> {
        const TWINS: &str = concat!(
            "select natural_key, seq from plan_op where run_id = ",
            run_id!(),
            " and resource = $4 and natural_key in (select natural_key from plan_op where run_id = ",
            run_id!(),
            " and resource = $4 and natural_key is not null and ($5 is null or natural_key > $5) group by natural_key ",
            "having count(*) > 1 order by natural_key limit $6) order by natural_key, seq"
        );
        let query = of_run(TWINS, scope, run).bind(resource.as_str()).bind(after).bind(to_int(limit));
        let mut twins: Vec<(String, Vec<u64>)> = Vec::new();
        for row in query.fetch_all(self.readers()).await.map_err(database)? {
            let (key, seq) = (row.text(0)?, from_int("plan", row.int(1)?)?);
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
        const REPEATS: &str = concat!(
            "with repeated as (select local_id, role from plan_op where run_id = ",
            run_id!(),
            " and resource = $4 group by local_id, role having count(*) > 1 order by local_id, role limit $5) ",
            "select local_id, role, seq from plan_op where run_id = ",
            run_id!(),
            " and resource = $4 and (local_id, role) in (select local_id, role from repeated) order by local_id, role, seq"
        );
        let query = of_run(REPEATS, scope, run).bind(resource.as_str()).bind(to_int(limit));
        let mut repeats: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
        for row in query.fetch_all(self.readers()).await.map_err(database)? {
            let record = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
            repeats.entry(record).or_default().push(from_int("plan", row.int(2)?)?);
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
        let (mut found, mut place) = (HashSet::new(), -1);
        while found.len() < all.len() {
            let Some((rows, next)) = states_after(&mut tx, run, place).await? else { break };
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
        let (mut n_parts, mut place): (HashMap<u16, u64>, _) = (HashMap::new(), -1);
        loop {
            let Some((rows, next)) = states_after(&mut tx, run, place).await? else { break };
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
