//! Parts and operations: changes of a commit, gathered into few statements.

use std::collections::{BTreeMap, HashSet};

use sqlx::SqliteConnection;
use sync_core::{Result, RunId, Scope};
use sync_engine::{PartRow, PartState};

use super::{
    plan::state_number,
    sql::{run_id, to_int, to_json},
};
use crate::error::database;

/// Changes of parts, none of which concerns the same part as another.
#[derive(Default)]
pub(super) struct Parts {
    touched: HashSet<(RunId, u64, Option<u32>)>,
    sequences: HashSet<(RunId, u64)>,
    rows: BTreeMap<(RunId, Option<u32>, i64), Vec<i64>>,
    // An operation that is dropped takes its parts along, whatever else is said of them.
    dropped: BTreeMap<RunId, Vec<i64>>,
}

impl Parts {
    pub(super) async fn mark(&mut self, conn: &mut SqliteConnection, scope: &Scope, row: PartRow) -> Result<()> {
        let (whole, one) = ((row.run.clone(), row.seq, None), (row.run.clone(), row.seq, row.part_idx));
        let sequence = (row.run.clone(), row.seq);
        let meets = self.touched.contains(&whole)
            || self.touched.contains(&one)
            || (row.part_idx.is_none() && self.sequences.contains(&sequence));
        if meets {
            self.flush(conn, scope).await?;
        }
        self.touched.insert(one);
        self.sequences.insert(sequence);
        self.rows.entry((row.run, row.part_idx, state_number(row.state))).or_default().push(to_int(row.seq));
        Ok(())
    }

    pub(super) fn drop_operation(&mut self, run: RunId, seq: u64) {
        self.dropped.entry(run).or_default().push(to_int(seq));
    }

    pub(super) async fn flush(&mut self, conn: &mut SqliteConnection, scope: &Scope) -> Result<()> {
        const ONE: &str = concat!(
            "update plan_part set state = $4 where run_id = ",
            run_id!(),
            " and seq in (select value from json_each($5)) and part_idx = $6"
        );
        const ALL: &str = concat!(
            "update plan_part set state = $4 where run_id = ",
            run_id!(),
            " and seq in (select value from json_each($5)) and state = $6"
        );
        const DROP: [&str; 2] = [
            concat!("delete from plan_part where run_id = ", run_id!(), " and seq in (select value from json_each($4))"),
            concat!("delete from plan_op where run_id = ", run_id!(), " and seq in (select value from json_each($4))"),
        ];
        let batch = std::mem::take(self);
        for ((run, part_idx, state), seqs) in batch.rows {
            let query = sqlx::query(if part_idx.is_some() { ONE } else { ALL })
                .bind(scope.organization.as_str())
                .bind(scope.integration.as_str())
                .bind(run.as_str())
                .bind(state)
                .bind(to_json(&seqs)?)
                .bind(part_idx.map_or_else(|| state_number(PartState::Ready), i64::from));
            query.execute(&mut *conn).await.map_err(database)?;
        }
        for (run, seqs) in batch.dropped {
            for sql in DROP {
                let query = sqlx::query(sql)
                    .bind(scope.organization.as_str())
                    .bind(scope.integration.as_str())
                    .bind(run.as_str())
                    .bind(to_json(&seqs)?);
                query.execute(&mut *conn).await.map_err(database)?;
            }
        }
        Ok(())
    }
}
