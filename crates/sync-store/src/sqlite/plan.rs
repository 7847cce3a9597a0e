//! Plans.

use std::collections::HashMap;

use sqlx::{Sqlite, query::Query, sqlite::SqliteArguments, sqlite::SqliteRow};
use sync_core::{Error, ErrorKind, Hash, LocalId, ResourceName, Result, RunId, Scope};
use sync_engine::{Lease, PartState, PlannedOp, PlannedPart, PlannedRow, ReadyPart};

use super::{
    SqliteStore, number_run,
    sql::{Columns, Insert, Values, from_int, from_json, run_id, to_int, to_json},
};
use crate::error::{corrupt, database};

/// A part's state as it is stored.
pub(super) fn state_number(state: PartState) -> i64 {
    match state {
        PartState::Ready => 0,
        PartState::Sent => 1,
        PartState::Done => 2,
        PartState::Held => 3,
    }
}

fn state(number: i64) -> Result<PartState> {
    let states = [PartState::Ready, PartState::Sent, PartState::Done, PartState::Held];
    states.into_iter().find(|state| state_number(*state) == number).ok_or_else(|| corrupt("part"))
}

fn hash(text: Option<&str>) -> Result<Option<Hash>> {
    text.map(str::parse).transpose().map_err(|_| corrupt("hash"))
}

/// A run: the first three parameters.
pub(super) fn of_run<'a>(sql: &'static str, scope: &Scope, run: &RunId) -> Query<'a, Sqlite, SqliteArguments> {
    sqlx::query(sql).bind(scope.organization.to_string()).bind(scope.integration.to_string()).bind(run.to_string())
}

/// What a part is made of, by a number that is the same for the same.
struct Spec {
    id: i64,
    max: u32,
    body: String,
}

fn spec(part: &PlannedPart) -> Result<Spec> {
    let body = to_json(part)?;
    // 60 bits of a hash: for two of a plan's few specifications to share them is out of the question.
    let id = Hash::of_text(&body).to_string();
    let id = id.get(..15).and_then(|digits| i64::from_str_radix(digits, 16).ok()).unwrap_or_default();
    Ok(Spec { id, max: part.max, body })
}

macro_rules! ready_columns {
    () => {
        "p.seq, p.part_idx, (select count(*) from plan_part q where q.run_id = p.run_id and q.seq = p.seq and q.state <> 2), \
         o.n_parts, p.spec, s.body, o.operation, o.natural_key, o.hash"
    };
}

/// Reads parts with their operations; specifications are parsed once.
fn ready_parts(rows: &[SqliteRow]) -> Result<Vec<ReadyPart>> {
    let mut specs: HashMap<i64, PlannedPart> = HashMap::new();
    let part = |row: &SqliteRow| {
        let part = match specs.entry(row.int(4)?) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(from_json("part", row.text(5)?)?),
        };
        Ok(ReadyPart {
            seq: from_int("plan", row.int(0)?)?,
            part_idx: from_int("plan", row.int(1)?)?,
            n_open: from_int("plan", row.int(2)?)?,
            n_parts: from_int("plan", row.int(3)?)?,
            part: part.clone(),
            operation: from_json("operation", row.text(6)?)?,
            key: row.opt_text(7)?.map(str::to_owned),
            hash: hash(row.opt_text(8)?)?,
        })
    };
    rows.iter().map(part).collect()
}

impl SqliteStore {
    pub(super) async fn add_to_plan(&self, lease: &Lease, run: &RunId, operations: &[PlannedOp]) -> Result<()> {
        const LAST: &str = "select coalesce(max(seq), 0) from plan_op where run_id = $1";
        const OPERATIONS: Insert = Insert {
            head: "insert into plan_op (run_id, seq, n_parts, resource, local_id, role, digest, natural_key, hash, operation)",
            n_values: 10,
            tail: "",
        };
        const SPECS: Insert = Insert {
            head: "insert into plan_spec (run_id, id, max_parts, body)",
            n_values: 4,
            tail: "on conflict (run_id, id) do nothing",
        };
        const PARTS: Insert = Insert {
            head: "insert into plan_part (run_id, seq, part_idx, resource, stage, call_group, spec, state)",
            n_values: 8,
            tail: "",
        };
        let mut tx = self.begin_leased(lease).await?;
        let number = number_run(&mut tx, &lease.scope, run).await?;
        let last = sqlx::query(LAST).bind(number).fetch_one(&mut *tx).await.map_err(database)?;
        let last = from_int("plan", last.int(0)?)?;
        let mut seqs = std::iter::once(last).chain(operations.iter().map(|op| op.seq));
        if !seqs.by_ref().is_sorted_by(|a, b| a < b) {
            return Err(Error::new(ErrorKind::Internal, "numbers of a plan's operations must rise").with_context("run", run));
        }
        let bind = |op: &PlannedOp, values: &mut Values| {
            let operation = &op.operation;
            values
                .int(number)
                .int(to_int(op.seq))
                .int(to_int(op.parts.len()))
                .text(operation.resource.as_str())
                .text(operation.local.as_str())
                .text(operation.role.as_str())
                .text(op.digest.as_str())
                .opt_text(op.key.as_deref())
                .opt_text(op.hash.map(|hash| hash.to_string()))
                .text(to_json(operation)?);
            Ok(())
        };
        OPERATIONS.rows(&mut tx, operations, bind).await?;

        let mut known: HashMap<(u8, &str), (&PlannedPart, i64)> = HashMap::new();
        let mut specs = Vec::new();
        let mut parts = Vec::new();
        for op in operations {
            for (part, part_idx) in op.parts.iter().zip(0_i64..) {
                let id = match known.get(&(part.stage, part.group.as_str())).filter(|(known, _)| *known == part) {
                    Some((_, id)) => *id,
                    None => {
                        let spec = spec(part)?;
                        let id = spec.id;
                        known.insert((part.stage, part.group.as_str()), (part, id));
                        specs.push(spec);
                        id
                    }
                };
                parts.push((op, part, part_idx, id));
            }
        }
        let bind = |spec: &Spec, values: &mut Values| {
            values.int(number).int(spec.id).int(i64::from(spec.max)).text(spec.body.as_str());
            Ok(())
        };
        SPECS.rows(&mut tx, &specs, bind).await?;
        let bind = |(op, part, part_idx, spec): &(&PlannedOp, &PlannedPart, i64, i64), values: &mut Values| {
            values
                .int(number)
                .int(to_int(op.seq))
                .int(*part_idx)
                .text(op.operation.resource.as_str())
                .int(i64::from(part.stage))
                .text(part.group.as_str())
                .int(*spec)
                .int(state_number(PartState::Ready));
            Ok(())
        };
        PARTS.rows(&mut tx, &parts, bind).await?;
        tx.commit().await.map_err(database)
    }

    pub(super) async fn page_of_plan(
        &self,
        scope: &Scope,
        run: &RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<PlannedRow>> {
        const OPERATIONS: &str = concat!(
            "select seq, digest, natural_key, hash, operation from plan_op where run_id = ",
            run_id!(),
            " and seq > $4 order by seq limit $5"
        );
        const PARTS: &str = concat!(
            "select p.seq, p.state, s.body from plan_part p cross join plan_spec s where p.run_id = ",
            run_id!(),
            " and p.seq between $4 and $5 and s.run_id = p.run_id and s.id = p.spec order by p.seq, p.part_idx"
        );
        // One snapshot for both.
        let mut tx = self.readers().begin().await.map_err(database)?;
        let query = of_run(OPERATIONS, scope, run).bind(to_int(after)).bind(to_int(limit));
        let rows = query.fetch_all(&mut *tx).await.map_err(database)?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let parts = of_run(PARTS, scope, run).bind(first.int(0)?).bind(last.int(0)?);
        let mut parts_of: HashMap<i64, (Vec<PlannedPart>, Vec<PartState>)> = HashMap::new();
        for row in parts.fetch_all(&mut *tx).await.map_err(database)? {
            let (parts, states) = parts_of.entry(row.int(0)?).or_default();
            states.push(state(row.int(1)?)?);
            parts.push(from_json("part", row.text(2)?)?);
        }
        let row = |row: &SqliteRow| {
            let (parts, states) = parts_of.remove(&row.int(0)?).unwrap_or_default();
            let planned = PlannedOp {
                seq: from_int("plan", row.int(0)?)?,
                operation: from_json("operation", row.text(4)?)?,
                digest: row.text(1)?.to_owned(),
                key: row.opt_text(2)?.map(str::to_owned),
                hash: hash(row.opt_text(3)?)?,
                parts,
            };
            Ok(PlannedRow { planned, states })
        };
        rows.iter().map(row).collect()
    }

    pub(super) async fn page_of_digests(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&str, u64)>,
        limit: usize,
    ) -> Result<Vec<(String, u64)>> {
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
            "select o.local_id, o.role, o.seq from repeated r cross join plan_op o where o.run_id = ",
            run_id!(),
            " and o.resource = $4 and o.local_id = r.local_id and o.role = r.role order by o.local_id, o.role, o.seq"
        );
        let query = of_run(REPEATS, scope, run).bind(resource.as_str()).bind(to_int(limit));
        let mut repeats: Vec<(LocalId, Vec<u64>)> = Vec::new();
        let mut last: Option<(String, String)> = None;
        for row in query.fetch_all(self.readers()).await.map_err(database)? {
            let (record, seq) = ((row.text(0)?.to_owned(), row.text(1)?.to_owned()), from_int("plan", row.int(2)?)?);
            match repeats.last_mut().filter(|_| last.as_ref() == Some(&record)) {
                Some((_, seqs)) => seqs.push(seq),
                None => repeats.push((record.0.as_str().into(), vec![seq])),
            }
            last = Some(record);
        }
        Ok(repeats)
    }

    pub(super) async fn page_of_ready_parts(
        &self,
        (scope, run): (&Scope, &RunId),
        (resource, stage): (&ResourceName, u8),
        after: Option<(&str, u64, u32)>,
        limit: usize,
    ) -> Result<Vec<ReadyPart>> {
        // `cross join` keeps SQLite from starting anywhere but at the ordered index of what is ready.
        const READY: &str = concat!(
            "select ",
            ready_columns!(),
            " from plan_part p cross join plan_spec s cross join plan_op o where p.run_id = ",
            run_id!(),
            " and p.resource = $4 and p.stage = $5 and p.state = 0 and (p.call_group, p.seq, p.part_idx) > ($6, $7, $8) ",
            "and s.run_id = p.run_id and s.id = p.spec and o.run_id = p.run_id and o.seq = p.seq ",
            "order by p.call_group, p.seq, p.part_idx limit $9"
        );
        let (group, seq, part_idx) = after.map_or(("", -1, -1), |(group, seq, idx)| (group, to_int(seq), i64::from(idx)));
        let query = of_run(READY, scope, run)
            .bind(resource.as_str())
            .bind(stage)
            .bind(group)
            .bind(seq)
            .bind(part_idx)
            .bind(to_int(limit));
        ready_parts(&query.fetch_all(self.readers()).await.map_err(database)?)
    }

    pub(super) async fn some_parts(&self, scope: &Scope, run: &RunId, parts: &[(u64, u32)]) -> Result<Vec<ReadyPart>> {
        const PARTS: &str = concat!(
            "select ",
            ready_columns!(),
            " from json_each($4) e cross join plan_part p cross join plan_spec s cross join plan_op o where p.run_id = ",
            run_id!(),
            " and p.seq = e.value ->> 0 and p.part_idx = e.value ->> 1 ",
            "and s.run_id = p.run_id and s.id = p.spec and o.run_id = p.run_id and o.seq = p.seq"
        );
        let query = of_run(PARTS, scope, run).bind(to_json(&parts)?);
        ready_parts(&query.fetch_all(self.readers()).await.map_err(database)?)
    }

    pub(super) async fn stages_with_ready_parts(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
    ) -> Result<Vec<u8>> {
        const STAGES: &str = concat!(
            "select distinct stage from plan_part where run_id = ",
            run_id!(),
            " and resource = $4 and state = 0 order by stage"
        );
        let query = of_run(STAGES, scope, run).bind(resource.as_str());
        let rows = query.fetch_all(self.readers()).await.map_err(database)?;
        rows.iter().map(|row| from_int("part", row.int(0)?)).collect()
    }

    pub(super) async fn calls_of_plan(&self, scope: &Scope, run: &RunId) -> Result<u64> {
        const GROUPS: &str = concat!(
            "select count(*), min(s.max_parts) from plan_part p cross join plan_spec s where p.run_id = ",
            run_id!(),
            " and s.run_id = p.run_id and s.id = p.spec group by p.resource, p.stage, p.call_group"
        );
        let rows = of_run(GROUPS, scope, run).fetch_all(self.readers()).await.map_err(database)?;
        let calls = |row: &SqliteRow| {
            let (n_parts, max): (u64, u64) = (from_int("part", row.int(0)?)?, from_int("part", row.int(1)?)?);
            Ok(n_parts.div_ceil(max.max(1)))
        };
        rows.iter().map(calls).sum()
    }
}
