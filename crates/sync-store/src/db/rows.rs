//! Many rows in few statements.

use sync_core::Result;

use super::{Conn, Values};
use crate::error::database;

/// One statement that writes any number of rows.
pub(crate) struct Insert {
    /// Up to the values: `insert into t (a, b)`, or `update t set a = v.column2 from (`.
    pub(crate) head: &'static str,
    /// How many values a row has.
    pub(crate) n_values: usize,
    /// What comes after them: `on conflict …`, or `) v where t.id = v.column1`.
    pub(crate) tail: &'static str,
}

impl Insert {
    /// Writes the rows; returns how many were inserted or changed.
    pub(crate) async fn rows<R: Sync>(
        &self,
        conn: &mut Conn,
        mut rows: &[R],
        bind: impl Fn(&R, &mut Values) -> Result<()> + Send,
    ) -> Result<u64> {
        let mut n_written = 0;
        while !rows.is_empty() {
            let n_rows = match conn {
                #[cfg(feature = "sqlite")]
                Conn::Sqlite(_) => super::sqlite::n_rows(rows.len()),
                #[cfg(feature = "postgres")]
                Conn::Postgres(..) => rows.len().min(super::postgres::MAX_ROWS),
            };
            let (chunk, rest) = rows.split_at(n_rows);
            rows = rest;
            let mut values = Values(Vec::with_capacity(n_rows * self.n_values));
            for row in chunk {
                bind(row, &mut values)?;
            }
            n_written += match conn {
                #[cfg(feature = "sqlite")]
                Conn::Sqlite(held) => super::sqlite::insert(held.conn(), self, n_rows, values.0).await,
                #[cfg(feature = "postgres")]
                Conn::Postgres(held, words) => super::postgres::insert(held.conn(), words, self, values.0).await,
            }
            .map_err(database)?;
        }
        Ok(n_written)
    }
}
