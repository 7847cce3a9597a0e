//! Plans: what is added to them.

use std::collections::BTreeMap;

use sync_core::{Error, ErrorKind, ResourceName, Result, RunId};
use sync_engine::{Lease, PartState, PlannedOp};

use super::{
    MAX_SEQ, SqlStore, number_run,
    packed::{MAX_OPERATIONS, Packed, States, pack_members},
    plan_id, plan_seq,
    plan_spec::Numbers,
    sql::{to_int, to_json},
};
use crate::db::{Conn, Insert, Values, query};
use crate::error::{corrupt, database};

/// A group of parts among the added operations.
type Group<'a> = (&'a ResourceName, u8, &'a str);

impl SqlStore {
    pub(super) async fn add_to_plan(&self, lease: &Lease, run: &RunId, operations: &[PlannedOp]) -> Result<()> {
        const LAST: &str = "select coalesce(max(id), $1) from plan_op where id between $1 and $2";
        let mut tx = self.begin_leased(lease).await?;
        let number = number_run(&mut tx, &lease.scope, run).await?;
        let last = query(LAST).bind(plan_id(number, 0)).bind(plan_id(number, MAX_SEQ));
        let last = plan_seq(number, last.fetch_one(&mut *tx).await.map_err(database)?.int(0)?)?;
        let mut seqs = std::iter::once(last).chain(operations.iter().map(|op| op.seq));
        if !seqs.by_ref().is_sorted_by(|a, b| a < b) || operations.iter().any(|op| op.seq > MAX_SEQ) {
            return Err(Error::new(ErrorKind::Internal, "numbers of a plan's operations must rise").with_context("run", run));
        }
        let own_groups = add_parts(&mut tx, number, operations).await?;
        add_operations(&mut tx, number, operations, &own_groups).await?;
        tx.commit().await
    }
}

async fn add_operations(conn: &mut Conn, run: i64, operations: &[PlannedOp], own_groups: &[Option<String>]) -> Result<()> {
    const OPERATIONS: Insert = Insert {
        head: "insert into plan_op (id, resource, local_id, role, digest, natural_key, hash)",
        n_values: 7,
        tail: "",
    };
    const BODIES: Insert = Insert { head: "insert into plan_body (id, operation, call_groups)", n_values: 3, tail: "" };
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
    let bodies: Vec<(&PlannedOp, &Option<String>)> = operations.iter().zip(own_groups).collect();
    let bind = |(op, own): &(&PlannedOp, &Option<String>), values: &mut Values| {
        values.int(plan_id(run, op.seq)).text(to_json(&op.operation)?).opt_text(own.as_deref());
        Ok(())
    };
    BODIES.rows(conn, &bodies, bind).await?;
    Ok(())
}

/// Returns the groups that are the operations' own.
async fn add_parts(conn: &mut Conn, run: i64, operations: &[PlannedOp]) -> Result<Vec<Option<String>>> {
    const STATES: Insert = Insert { head: "insert into plan_states (id, last_id, body)", n_values: 3, tail: "" };
    const GROUPS: Insert = Insert {
        head: "insert into plan_group (run_id, resource, stage, call_group, first_seq, last_seq, body)",
        n_values: 7,
        tail: "",
    };
    let mut numbers = Numbers::load(conn, run).await?;
    let (mut rows, mut own_groups) = (Vec::new(), Vec::with_capacity(operations.len()));
    let mut groups: BTreeMap<Group<'_>, Vec<(u64, u32)>> = BTreeMap::new();
    for chunk in operations.chunks(MAX_OPERATIONS) {
        let mut states = States::default();
        for op in chunk {
            let (specs, own) = numbers.of(op)?;
            own_groups.push(own);
            states.push(op.seq, specs.into_iter().map(|spec| Packed { spec, state: PartState::Ready }));
            for (part, part_idx) in op.parts.iter().zip(0..) {
                groups.entry((&op.operation.resource, part.stage, &part.group)).or_default().push((op.seq, part_idx));
            }
        }
        let (first, last) = (states.first_seq(), states.last_seq());
        rows.push((plan_id(run, first), plan_id(run, last), states.pack(first)?));
    }
    numbers.write(conn, run).await?;
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
    Ok(own_groups)
}
