//! Plans: reads.

use std::collections::{BTreeMap, HashMap, HashSet};

use sync_core::{Hash, LocalId, ResourceName, Result, RunId, Scope};
use sync_engine::{PartState, PlannedOp, PlannedRow};

use super::{
    MAX_SEQ, SqlStore,
    packed::{MAX_OPERATIONS, Packed, States},
    plan_id, plan_seq,
    plan_spec::{self, OwnGroups, is_own},
    sql::{from_json, ints, packed_rows, to_int, unpack_rows},
};
use crate::db::{Conn, Query, Row, query};
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
pub(super) fn of_run(sql: &'static str, scope: &Scope, run: &RunId) -> Query {
    query(sql).bind(scope.organization.to_string()).bind(scope.integration.to_string()).bind(run.to_string())
}

/// A run's number, where it has one.
pub(super) async fn run_number(conn: &mut Conn, scope: &Scope, run: &RunId) -> Result<Option<i64>> {
    const NUMBER: &str = "select id from run_number where org = $1 and integration = $2 and run = $3";
    let row = of_run(NUMBER, scope, run).fetch_optional(conn).await.map_err(database)?;
    row.map(|row| row.int(0)).transpose()
}

/// An operation with what is stored of it, but for its parts.
pub(super) struct Stored {
    pub(super) op: PlannedOp,
    pub(super) own: OwnGroups,
}

/// Operations by number.
pub(super) async fn operations(conn: &mut Conn, run: i64, seqs: &[u64]) -> Result<HashMap<u64, Stored>> {
    const OPERATIONS: &str = concat!(
        "select ",
        packed_rows!("json_array(o.id, o.digest, o.natural_key, o.hash, json(b.call_groups))", "b.operation"),
        " from json_each($2) e cross join plan_op o cross join plan_body b where o.id = $1 + e.value and b.id = o.id"
    );
    type Head = (i64, String, Option<String>, Option<String>, OwnGroups);
    let query = query(OPERATIONS).bind(plan_id(run, 0)).bind(ints(seqs.iter().copied()));
    let row = query.fetch_one(conn).await.map_err(database)?;
    let mut operations = HashMap::with_capacity(seqs.len());
    for (head, operation) in unpack_rows(row.packed(0)?.as_deref()) {
        let (id, digest, key, hash, own): Head = from_json("operation", head)?;
        let seq = plan_seq(run, id)?;
        let hash = hash.as_deref().map(str::parse::<Hash>).transpose().map_err(|_| corrupt("hash"))?;
        let operation = from_json("operation", operation)?;
        operations.insert(seq, Stored { op: PlannedOp { seq, operation, digest, key, hash, parts: Vec::new() }, own });
    }
    Ok(operations)
}

/// A few rows of states of a run in order, each with the number that it starts with; and the place after them, by the
/// numbers that they were made with: operations may have been dropped since. `None` when there are no more.
pub(super) async fn states_after(
    conn: &mut Conn,
    run: i64,
    place: Option<u64>,
    n_rows: i64,
) -> Result<Option<(Vec<(u64, States)>, Option<u64>)>> {
    const PAGE: &str = "select id, last_id, body from plan_states where id between \
        coalesce((select max(id) from plan_states where id between $1 and $2), $2) and $3 and last_id > $2 \
        order by id limit $4";
    let place = place.map_or(plan_id(run, 0) - 1, |place| plan_id(run, place));
    let query = query(PAGE).bind(plan_id(run, 0)).bind(place).bind(plan_id(run, MAX_SEQ)).bind(n_rows);
    let rows = query.fetch_all(conn).await.map_err(database)?;
    let Some(last) = rows.last() else { return Ok(None) };
    let states = |row: &Row| {
        let first_seq = plan_seq(run, row.int(0)?)?;
        Ok((first_seq, States::unpack(first_seq, row.bytes(2)?)?))
    };
    Ok(Some((rows.iter().map(states).collect::<Result<_>>()?, Some(plan_seq(run, last.int(1)?)?))))
}

impl SqlStore {
    pub(super) async fn page_of_plan(
        &self,
        scope: &Scope,
        run: &RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<PlannedRow>> {
        // One snapshot for all.
        let mut tx = self.readers().snapshot().await?;
        let Some(run) = run_number(&mut tx, scope, run).await? else { return Ok(Vec::new()) };
        let mut page: Vec<(u64, Vec<Packed>)> = Vec::new();
        let (mut place, n_rows) = (Some(after), to_int(limit / MAX_OPERATIONS + 2));
        while page.len() < limit {
            let Some((rows, next)) = states_after(&mut tx, run, place, n_rows).await? else { break };
            place = next;
            let later = rows.iter().flat_map(|(_, states)| states.iter()).filter(|(seq, _)| *seq > after);
            page.extend(later.map(|(seq, parts)| (seq, parts.to_vec())));
        }
        page.truncate(limit);
        let seqs: Vec<u64> = page.iter().map(|(seq, _)| *seq).collect();
        let mut operations = operations(&mut tx, run, &seqs).await?;
        let used = page.iter().flat_map(|(_, parts)| parts).map(|part| part.spec).collect();
        let specs = plan_spec::some(&mut tx, run, &used).await?;
        let row = |(seq, parts): (u64, Vec<Packed>)| {
            let Stored { op: mut planned, own } = operations.remove(&seq).ok_or_else(|| corrupt("plan"))?;
            let planned_parts = parts.iter().enumerate().map(|(part_idx, part)| own.part(&specs, *part, part_idx));
            planned.parts = planned_parts.collect::<Result<_>>()?;
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
        // No index: it would cost more with each operation than the few pages that the plan's hash is computed from. In one
        // row: a row for each would take ten times its bytes.
        const DIGESTS: &str = "select group_concat(digest || ' ' || id, char(10)) from (select digest, id from plan_op \
            where id between $1 and $2 and (digest, id) > ($3, $4) order by digest, id limit $5) d";
        let mut conn = self.readers().acquire().await?;
        let Some(run) = run_number(&mut conn, scope, run).await? else { return Ok(Vec::new()) };
        let (digest, id) = after.map_or(("", -1), |(digest, seq)| (digest, plan_id(run, seq)));
        let query = query(DIGESTS).bind(plan_id(run, 0)).bind(plan_id(run, MAX_SEQ)).bind(digest).bind(id);
        let query = query.bind(to_int(limit));
        let page = query.fetch_one(&mut *conn).await.map_err(database)?;
        let lines = page.opt_text(0)?.into_iter().flat_map(|text| text.split('\n'));
        let digest = |line: &str| {
            let (digest, id) = line.rsplit_once(' ')?;
            Some((digest.to_owned(), plan_seq(run, id.parse().ok()?).ok()?))
        };
        lines.map(|line| digest(line).ok_or_else(|| corrupt("digest"))).collect()
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
        let mut conn = self.readers().acquire().await?;
        let Some(run) = run_number(&mut conn, scope, run).await? else { return Ok(Vec::new()) };
        let query = query(TWINS).bind(plan_id(run, 0)).bind(plan_id(run, MAX_SEQ)).bind(resource.as_str());
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
        let mut conn = self.readers().acquire().await?;
        let Some(run) = run_number(&mut conn, scope, run).await? else { return Ok(Vec::new()) };
        let query = query(REPEATS).bind(plan_id(run, 0)).bind(plan_id(run, MAX_SEQ)).bind(resource.as_str());
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
        let mut tx = self.readers().snapshot().await?;
        let Some(run) = run_number(&mut tx, scope, run).await? else { return Ok(Vec::new()) };
        let stages: HashMap<u16, u8> = plan_spec::all(&mut tx, run)
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
            let parts = rows.iter().flat_map(|(_, states)| states.iter()).flat_map(|(_, parts)| parts);
            let ready = parts.filter(|part| part.state == PartState::Ready);
            found.extend(ready.filter_map(|part| stages.get(&part.spec)));
        }
        let mut found: Vec<u8> = found.into_iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    pub(super) async fn calls_of_plan(&self, scope: &Scope, run: &RunId) -> Result<u64> {
        let mut tx = self.readers().snapshot().await?;
        let Some(run) = run_number(&mut tx, scope, run).await? else { return Ok(0) };
        let specs = plan_spec::all(&mut tx, run).await?;
        let (mut n_parts, mut place): (HashMap<u16, u64>, _) = (HashMap::new(), None);
        // Groups that were too many to have numbers, with their specs.
        let mut others: HashMap<(u16, String), u64> = HashMap::new();
        let is_other = |part: &Packed| specs.get(&part.spec).is_some_and(|(_, spec)| is_own(spec) && spec.max > 1);
        loop {
            let Some((rows, next)) = states_after(&mut tx, run, place, 50).await? else { break };
            place = next;
            let operations = || rows.iter().flat_map(|(_, states)| states.iter());
            for part in operations().flat_map(|(_, parts)| parts).filter(|part| !is_other(part)) {
                *n_parts.entry(part.spec).or_default() += 1;
            }
            let seqs: Vec<u64> = operations().filter(|(_, parts)| parts.iter().any(is_other)).map(|(seq, _)| seq).collect();
            let own = own_groups(&mut tx, run, &seqs).await?;
            for (seq, parts) in operations() {
                let Some(own) = own.get(&seq) else { continue };
                for (part_idx, part) in parts.iter().enumerate().filter(|(_, part)| is_other(part)) {
                    *others.entry((part.spec, own.part(&specs, *part, part_idx)?.group)).or_default() += 1;
                }
            }
        }
        let n_parts = n_parts.iter().map(|(spec, n_parts)| (*spec, None, *n_parts));
        let others = others.iter().map(|((spec, group), n_parts)| (*spec, Some(group), *n_parts));
        let mut groups: HashMap<(&ResourceName, u8, &str, u32), u64> = HashMap::new();
        for (spec, group, n_parts) in n_parts.chain(others) {
            let (resource, part) = specs.get(&spec).ok_or_else(|| corrupt("part"))?;
            *groups.entry((resource, part.stage, group.unwrap_or(&part.group), part.max)).or_default() += n_parts;
        }
        Ok(groups.into_iter().map(|((.., max), n_parts)| n_parts.div_ceil(u64::from(max.max(1)))).sum())
    }
}

/// The groups that are operations' own.
async fn own_groups(conn: &mut Conn, run: i64, seqs: &[u64]) -> Result<HashMap<u64, OwnGroups>> {
    const OWN: &str = "select b.id, b.call_groups from json_each($2) e cross join plan_body b where b.id = $1 + e.value";
    if seqs.is_empty() {
        return Ok(HashMap::new());
    }
    let query = query(OWN).bind(plan_id(run, 0)).bind(ints(seqs.iter().copied()));
    let own = |row: &Row| Ok((plan_seq(run, row.int(0)?)?, OwnGroups::parse(row.opt_text(1)?)?));
    query.fetch_all(conn).await.map_err(database)?.iter().map(own).collect()
}
