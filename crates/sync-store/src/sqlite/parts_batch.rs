//! Parts and operations: changes of a commit, gathered by run.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;
use sync_core::{Result, RunId, Scope};
use sync_engine::{PartRow, PartState};

use super::{
    number_run,
    packed::States,
    sql::{Columns, from_int, to_int, to_json},
};
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

    pub(super) async fn write(self, conn: &mut SqliteConnection, scope: &Scope) -> Result<()> {
        for (run, marks) in self.0 {
            let run = number_run(conn, scope, &run).await?;
            let seqs: Vec<u64> = marks.iter().map(|(seq, _)| *seq).collect();
            let mut rows = load(conn, run, &seqs).await?;
            let mut dropped = Vec::new();
            for (seq, mark) in marks {
                let Some((_, states)) = rows.range_mut(..=seq).next_back() else { continue };
                match mark {
                    Mark::Drop => {
                        states.0.retain(|(own, _)| *own != seq);
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
            for (first_seq, states) in &rows {
                store(conn, run, *first_seq, states).await?;
            }
            delete_operations(conn, run, &dropped).await?;
        }
        Ok(())
    }
}

/// The rows that hold these operations, by the number that each starts with.
pub(super) async fn load(conn: &mut SqliteConnection, run: i64, seqs: &[u64]) -> Result<BTreeMap<u64, States>> {
    const ROWS: &str = "select first_seq, body from plan_states where run_id = $1 and first_seq in \
        (select (select max(first_seq) from plan_states where run_id = $1 and first_seq <= e.value) from json_each($2) e)";
    let query = sqlx::query(ROWS).bind(run).bind(to_json(&seqs)?);
    let mut rows = BTreeMap::new();
    for row in query.fetch_all(conn).await.map_err(database)? {
        let first_seq = from_int("plan", row.int(0)?)?;
        rows.insert(first_seq, States::unpack(first_seq, row.bytes(1)?)?);
    }
    Ok(rows)
}

/// Writes a row back; one without operations goes.
pub(super) async fn store(conn: &mut SqliteConnection, run: i64, first_seq: u64, states: &States) -> Result<()> {
    const UPDATE: &str = "update plan_states set body = $3 where run_id = $1 and first_seq = $2";
    const DELETE: &str = "delete from plan_states where run_id = $1 and first_seq = $2";
    let query = if states.0.is_empty() {
        sqlx::query(DELETE).bind(run).bind(to_int(first_seq))
    } else {
        sqlx::query(UPDATE).bind(run).bind(to_int(first_seq)).bind(states.pack(first_seq)?)
    };
    query.execute(conn).await.map_err(database)?;
    Ok(())
}

/// Deletes operations whose states are gone already.
pub(super) async fn delete_operations(conn: &mut SqliteConnection, run: i64, seqs: &[u64]) -> Result<u64> {
    const DELETE: [&str; 2] = [
        "delete from plan_body where run_id = $1 and seq in (select value from json_each($2))",
        "delete from plan_op where run_id = $1 and seq in (select value from json_each($2))",
    ];
    let mut n_operations = 0;
    for sql in DELETE.into_iter().filter(|_| !seqs.is_empty()) {
        let query = sqlx::query(sql).bind(run).bind(to_json(&seqs)?);
        n_operations = query.execute(&mut *conn).await.map_err(database)?.rows_affected();
    }
    Ok(n_operations)
}
