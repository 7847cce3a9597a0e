//! SQLite: one file, one writer.

use sqlx::{
    Arguments, AssertSqlSafe, Executor, SqlSafeStr, SqliteConnection, SqlitePool,
    sqlite::{SqliteArguments, SqliteQueryResult},
};

use super::{Insert, Row, Value};

#[derive(Clone)]
pub(crate) struct Sqlite {
    // SQLite takes one writer at a time. With one connection for it, writers of this process queue here, without polling.
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl Sqlite {
    /// Closes all connections, which also folds the write-ahead log into the file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

pub(super) async fn rows<'c>(
    on: impl Executor<'c, Database = sqlx::Sqlite>,
    sql: impl SqlSafeStr,
    values: Vec<Value>,
) -> Result<Vec<Row>, sqlx::Error> {
    let rows = sqlx::query_with(sql, arguments(values)?).fetch_all(on).await?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

pub(super) async fn execute(
    conn: &mut SqliteConnection,
    sql: impl SqlSafeStr,
    values: Vec<Value>,
) -> Result<u64, sqlx::Error> {
    let done: SqliteQueryResult = sqlx::query_with(sql, arguments(values)?).execute(conn).await?;
    Ok(done.rows_affected())
}

fn arguments(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Int(number) => arguments.add(number),
            Value::Bytes(bytes) => arguments.add(bytes),
            list => arguments.add(list.json().map_err(|error| sqlx::Error::Encode(error.into()))?),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// Most rows of one statement: few enough variables for any SQLite (32,766. Source: <https://www.sqlite.org/limits.html>).
const MAX_ROWS: usize = 256;

/// Fewer rows go by powers of two, so that any number is few statements, and few shapes that all stay prepared.
pub(super) fn n_rows(n_left: usize) -> usize {
    (1 << n_left.ilog2()).min(MAX_ROWS)
}

pub(super) async fn insert(
    conn: &mut SqliteConnection,
    insert: &Insert,
    n_rows: usize,
    values: Vec<Value>,
) -> Result<u64, sqlx::Error> {
    let row = format!("({})", vec!["?"; insert.n_values].join(","));
    // Safe: the text varies in the number of its rows alone.
    let sql = AssertSqlSafe(format!("{} values {} {}", insert.head, vec![row; n_rows].join(","), insert.tail));
    execute(conn, sql, values).await
}
