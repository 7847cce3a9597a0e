//! Parts and operations: changes of a commit, gathered by run.

use std::collections::BTreeMap;

use sync_core::{Result, RunId, Scope};
use sync_engine::{PartRow, PartState};

use super::{number_run, packed::States, plan_id, plan_seq, sql::ints};
use crate::db::{Conn, Insert, Values, query};
use crate::error::database;

/// Changes of parts in the order in which they were asked for.
#[derive(Default)]
pub(super) struct Parts(BTreeMap<RunId, Vec<(u64, Mark)>>);

enum Mark {
    Part(Option<u32>, PartState),
    Drop,
}

impl Parts {
    pub(super) fn mark(&mut self, row: PartRow) {
        self.0.entry(row.run).or_default().push((row.seq, Mark::Part(row.part_idx, row.state)));
    }

    pub(super) fn drop_operation(&mut self, run: RunId, seq: u64) {
        self.0.entry(run).or_default().push((seq, Mark::Drop));
    }

    pub(super) async fn write(self, conn: &mut Conn, scope: &Scope) -> Result<()> {
        for (run, marks) in self.0 {
            let run = number_run(conn, scope, &run).await?;
            let seqs: Vec<u64> = marks.iter().map(|(seq, _)| *seq).collect();
            let mut rows = load(conn, run, &seqs).await?;
            let mut dropped = Vec::new();
            for (seq, mark) in marks {
                let Some((_, states)) = rows.range_mut(..=seq).next_back() else { continue };
                match mark {
                    Mark::Drop => {
                        states.retain(|own, _| own != seq);
                        dropped.push(seq);
                    }
                    Mark::Part(Some(part_idx), state) => {
                        let parts = states.parts_mut(seq).and_then(|parts| parts.get_mut(part_idx as usize));
                        if let Some(part) = parts {
                            part.state = state;
                        }
                    }
                    Mark::Part(None, state) => {
                        let parts = states.parts_mut(seq).into_iter().flatten();
                        parts.filter(|part| part.state == PartState::Ready).for_each(|part| part.state = state);
                    }
                }
            }
            store(conn, run, rows).await?;
            delete_operations(conn, run, &dropped).await?;
        }
        Ok(())
    }
}

/// The rows that hold these operations, by the number that each starts with.
pub(super) async fn load(conn: &mut Conn, run: i64, seqs: &[u64]) -> Result<BTreeMap<u64, States>> {
    /// Operations that lie this close together, at most, are read with all between them.
    const NEAR: u64 = 16 * super::packed::MAX_OPERATIONS as u64;
    const ALL: &str = "select id, body from plan_states where id between \
        coalesce((select max(id) from plan_states where id between $1 and $2), $2) and $3";
    const SOME: &str = "select id, body from plan_states where id in (select (select max(id) from plan_states \
        where id between $1 and $1 + e.value) from json_each($2) e)";
    let (Some(first), Some(last)) = (seqs.iter().min(), seqs.iter().max()) else { return Ok(BTreeMap::new()) };
    let start = plan_id(run, 0);
    let query = if last - first <= NEAR {
        query(ALL).bind(start).bind(plan_id(run, *first)).bind(plan_id(run, *last))
    } else {
        query(SOME).bind(start).bind(ints(seqs.iter().copied()))
    };
    let mut rows = BTreeMap::new();
    for row in query.fetch_all(conn).await.map_err(database)? {
        let first_seq = plan_seq(run, row.int(0)?)?;
        rows.insert(first_seq, States::unpack(first_seq, row.bytes(1)?)?);
    }
    Ok(rows)
}

/// Writes rows back, by the number that each starts with; those without operations go.
pub(super) async fn store(conn: &mut Conn, run: i64, rows: impl IntoIterator<Item = (u64, States)>) -> Result<()> {
    const UPDATE: Insert = Insert {
        head: "update plan_states set body = v.column2 from (",
        n_values: 2,
        tail: ") v where plan_states.id = v.column1",
    };
    let (empty, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, states)| states.is_empty());
    let bind = |(first_seq, states): &(u64, States), values: &mut Values| {
        values.int(plan_id(run, *first_seq)).bytes(states.pack(*first_seq)?);
        Ok(())
    };
    UPDATE.rows(&mut *conn, &rows, bind).await?;
    for (first_seq, _) in empty {
        let query = query("delete from plan_states where id = $1").bind(plan_id(run, first_seq));
        query.execute(&mut *conn).await.map_err(database)?;
    }
    Ok(())
}

/// Deletes operations whose states are gone already.
pub(super) async fn delete_operations(conn: &mut Conn, run: i64, seqs: &[u64]) -> Result<u64> {
    const DELETE: [&str; 2] = [
        "delete from plan_body where id in (select $1 + value from json_each($2))",
        "delete from plan_op where id in (select $1 + value from json_each($2))",
    ];
    let mut n_operations = 0;
    for sql in DELETE.into_iter().filter(|_| !seqs.is_empty()) {
        let query = query(sql).bind(plan_id(run, 0)).bind(ints(seqs.iter().copied()));
        n_operations = query.execute(&mut *conn).await.map_err(database)?;
    }
    Ok(n_operations)
}
