//! Plans: what is added to them.

use std::collections::{BTreeMap, HashMap};

use sqlx::SqliteConnection;
use sync_core::{Error, ErrorKind, ResourceName, Result, RunId};
use sync_engine::{Lease, PartState, PlannedOp, PlannedPart};

use super::{
    MAX_SEQ, SqliteStore, number_run,
    packed::{MAX_OPERATIONS, Packed, States, pack_members},
    plan_id, plan_seq,
    sql::{Columns, Insert, Values, from_int, from_json, to_int, to_json},
};
use crate::error::{corrupt, database};

/// A group of parts among the added operations.
type Group<'a> = (&'a ResourceName, u8, &'a str);

impl SqliteStore {
    pub(super) async fn add_to_plan(&self, lease: &Lease, run: &RunId, operations: &[PlannedOp]) -> Result<()> {
        const LAST: &str = "select coalesce(max(id), $1) from plan_op where id between $1 and $2";
        let mut tx = self.begin_leased(lease).await?;
        let number = number_run(&mut tx, &lease.scope, run).await?;
        let last = sqlx::query(LAST).bind(plan_id(number, 0)).bind(plan_id(number, MAX_SEQ));
        let last = plan_seq(number, last.fetch_one(&mut *tx).await.map_err(database)?.int(0)?)?;
        let mut seqs = std::iter::once(last).chain(operations.iter().map(|op| op.seq));
        if !seqs.by_ref().is_sorted_by(|a, b| a < b) || operations.iter().any(|op| op.seq > MAX_SEQ) {
            return Err(Error::new(ErrorKind::Internal, "numbers of a plan's operations must rise").with_context("run", run));
        }
        add_operations(&mut tx, number, operations).await?;
        add_parts(&mut tx, number, operations).await?;
        tx.commit().await.map_err(database)
    }
}

async fn add_operations(conn: &mut SqliteConnection, run: i64, operations: &[PlannedOp]) -> Result<()> {
    const OPERATIONS: Insert = Insert {
        head: "insert into plan_op (id, resource, local_id, role, digest, natural_key, hash)",
        n_values: 7,
        tail: "",
    };
    const BODIES: Insert = Insert { head: "insert into plan_body (id, operation)", n_values: 2, tail: "" };
    let bind = |op: &PlannedOp, values: &mut Values| {
        values
            .int(plan_id(run, op.seq))
            .text(op.operation.resource.as_str())
            .text(op.operation.local.as_str())
            .text(op.operation.role.as_str())
            .text(op.digest.as_str())
            .opt_text(op.key.as_deref())
            .opt_text(op.hash.map(|hash| hash.to_string()));
        Ok(())
    };
    OPERATIONS.rows(&mut *conn, operations, bind).await?;
    let bind = |op: &PlannedOp, values: &mut Values| {
        values.int(plan_id(run, op.seq)).text(to_json(&op.operation)?);
        Ok(())
    };
    BODIES.rows(conn, operations, bind).await?;
    Ok(())
}

async fn add_parts(conn: &mut SqliteConnection, run: i64, operations: &[PlannedOp]) -> Result<()> {
    const STATES: Insert = Insert { head: "insert into plan_states (id, last_id, body)", n_values: 3, tail: "" };
    const GROUPS: Insert = Insert {
        head: "insert into plan_group (run_id, resource, stage, call_group, first_seq, last_seq, body)",
        n_values: 7,
        tail: "",
    };
    let mut specs = Specs::load(conn, run).await?;
    let mut rows = Vec::new();
    let mut groups: BTreeMap<Group<'_>, Vec<(u64, u32)>> = BTreeMap::new();
    for chunk in operations.chunks(MAX_OPERATIONS) {
        let mut states = States::default();
        for op in chunk {
            let mut parts = Vec::with_capacity(op.parts.len());
            for (part, part_idx) in op.parts.iter().zip(0..) {
                parts.push(Packed { spec: specs.number(&op.operation.resource, part)?, state: PartState::Ready });
                groups.entry((&op.operation.resource, part.stage, &part.group)).or_default().push((op.seq, part_idx));
            }
            states.0.push((op.seq, parts));
        }
        let (first, last) = (states.first_seq(), states.last_seq());
        rows.push((plan_id(run, first), plan_id(run, last), states.pack(first)?));
    }
    specs.write(conn, run).await?;
    let bind = |(id, last_id, body): &(i64, i64, Vec<u8>), values: &mut Values| {
        values.int(*id).int(*last_id).bytes(body.clone());
        Ok(())
    };
    STATES.rows(&mut *conn, &rows, bind).await?;
    let groups: Vec<(Group<'_>, Vec<(u64, u32)>)> = groups.into_iter().collect();
    let bind = |((resource, stage, group), members): &(Group<'_>, Vec<(u64, u32)>), values: &mut Values| {
        let (first, last) = members.first().zip(members.last()).ok_or_else(|| corrupt("plan"))?;
        values
            .int(run)
            .text(resource.as_str())
            .int(i64::from(*stage))
            .text(*group)
            .int(to_int(first.0))
            .int(to_int(last.0))
            .bytes(pack_members(first.0, members)?);
        Ok(())
    };
    GROUPS.rows(conn, &groups, bind).await?;
    Ok(())
}

/// What parts are made of, by number.
struct Specs {
    known: HashMap<(ResourceName, u8, String), Vec<(PlannedPart, u16)>>,
    new: Vec<(u16, ResourceName, PlannedPart)>,
    n_known: usize,
}

impl Specs {
    async fn load(conn: &mut SqliteConnection, run: i64) -> Result<Self> {
        let mut specs = Self { known: HashMap::new(), new: Vec::new(), n_known: 0 };
        let query = sqlx::query("select id, resource, body from plan_spec where run_id = $1").bind(run);
        for row in query.fetch_all(conn).await.map_err(database)? {
            let part: PlannedPart = from_json("part", row.text(2)?)?;
            let key = (row.text(1)?.into(), part.stage, part.group.clone());
            specs.known.entry(key).or_default().push((part, from_int("part", row.int(0)?)?));
            specs.n_known += 1;
        }
        Ok(specs)
    }

    fn number(&mut self, resource: &ResourceName, part: &PlannedPart) -> Result<u16> {
        let key = (resource.clone(), part.stage, part.group.clone());
        let alike = self.known.entry(key).or_default();
        if let Some((_, number)) = alike.iter().find(|(known, _)| known == part) {
            return Ok(*number);
        }
        let number = u16::try_from(self.n_known)
            .map_err(|_| Error::new(ErrorKind::Unsupported, "a plan has more than 65,536 sorts of calls"))?;
        alike.push((part.clone(), number));
        self.new.push((number, resource.clone(), part.clone()));
        self.n_known += 1;
        Ok(number)
    }

    async fn write(&self, conn: &mut SqliteConnection, run: i64) -> Result<()> {
        const ADD: Insert =
            Insert { head: "insert into plan_spec (run_id, id, resource, stage, body)", n_values: 5, tail: "" };
        let bind = |(number, resource, part): &(u16, ResourceName, PlannedPart), values: &mut Values| {
            let stage = i64::from(part.stage);
            values.int(run).int(i64::from(*number)).text(resource.as_str()).int(stage).text(to_json(part)?);
            Ok(())
        };
        ADD.rows(conn, &self.new, bind).await?;
        Ok(())
    }
}
