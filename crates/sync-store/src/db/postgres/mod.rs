//! PostgreSQL: a schema of its own, many writers.

mod words;

use std::sync::Arc;

use sqlx::{
    Arguments, AssertSqlSafe, Column as _, Executor, PgConnection, PgPool, Row as _, TypeInfo, ValueRef,
    postgres::{PgArguments, PgRow},
};

use super::{Insert, Row, Value};

pub(crate) use self::words::Words;

#[derive(Clone)]
pub(crate) struct Postgres {
    pub(crate) pool: PgPool,
    pub(crate) words: Arc<Words>,
    /// Whether the pool is the host's, which closes it itself.
    pub(crate) is_hosts: bool,
}

impl Postgres {
    pub(super) async fn close(&self) {
        if !self.is_hosts {
            self.pool.close().await;
        }
    }
}

/// A write. Its locks are waited for as SQLite's are, and a process that is frozen in the middle of it keeps others waiting
/// for no longer than a minute: the server ends its connection.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '30s'; \
    SET LOCAL idle_in_transaction_session_timeout = '60s'";

pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A decoded value.
pub(crate) enum Cell {
    Null,
    Text(String),
    Int(i64),
    Bytes(Vec<u8>),
}

/// PostgreSQL's texts can't hold the character NUL (<https://www.postgresql.org/docs/current/datatype-character.html>), but
/// what a provider sends can. It is stored as this one, which is none and reserved for use within a program
/// (<https://www.unicode.org/faq/private_use.html#noncharacters>).
const NUL: &str = "\u{10FFFF}";

fn stored(text: String) -> String {
    if text.contains('\0') { text.replace('\0', NUL) } else { text }
}

fn read(text: &str) -> String {
    if text.contains(NUL) { text.replace(NUL, "\0") } else { text.to_owned() }
}

pub(super) async fn rows<'c>(
    on: impl Executor<'c, Database = sqlx::Postgres>,
    sql: Arc<str>,
    values: Vec<Value>,
) -> Result<Vec<Row>, sqlx::Error> {
    // Safe: the text is one of the program's own, with the schema's quoted name in it.
    let rows = sqlx::query_with(AssertSqlSafe(sql), arguments(values)?).fetch_all(on).await?;
    rows.iter().map(decoded).collect()
}

pub(super) async fn execute(conn: &mut PgConnection, sql: Arc<str>, values: Vec<Value>) -> Result<u64, sqlx::Error> {
    // Safe: as above.
    let done = sqlx::query_with(AssertSqlSafe(sql), arguments(values)?).execute(conn).await?;
    Ok(done.rows_affected())
}

fn decoded(row: &PgRow) -> Result<Row, sqlx::Error> {
    let cell = |i: usize| -> Result<Cell, sqlx::Error> {
        if row.try_get_raw(i)?.is_null() {
            return Ok(Cell::Null);
        }
        Ok(match row.column(i).type_info().name() {
            "INT8" => Cell::Int(row.try_get(i)?),
            "INT4" => Cell::Int(row.try_get::<i32, _>(i)?.into()),
            "BYTEA" => Cell::Bytes(row.try_get(i)?),
            _ => Cell::Text(read(row.try_get(i)?)),
        })
    };
    Ok(Row::Postgres((0..row.len()).map(cell).collect::<Result<_, _>>()?))
}

fn arguments(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text.map(stored)),
            Value::Int(number) => arguments.add(number),
            Value::Bytes(bytes) => arguments.add(bytes),
            Value::Texts(texts) => arguments.add(texts.map(|texts| texts.into_iter().map(stored).collect::<Vec<_>>())),
            Value::Ints(numbers) => arguments.add(numbers),
            Value::Pairs(pairs) => {
                let pairs = Value::Pairs(pairs.into_iter().map(|pair| pair.map(stored)).collect());
                arguments.add(pairs.json().map_err(|error| sqlx::Error::Encode(error.into()))?)
            }
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// Most rows of one statement: their values go as one array for each column, in any number; memory is the bound.
pub(super) const MAX_ROWS: usize = 1_000;

/// A column of rows.
enum Column {
    Texts(Vec<Option<String>>),
    Ints(Vec<Option<i64>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    words: &Words,
    insert: &Insert,
    values: Vec<Value>,
) -> Result<u64, sqlx::Error> {
    let mut columns: Vec<Column> = Vec::with_capacity(insert.n_values);
    for (i, value) in values.into_iter().enumerate() {
        if i < insert.n_values {
            columns.push(match &value {
                Value::Int(_) => Column::Ints(Vec::new()),
                Value::Bytes(_) => Column::Bytes(Vec::new()),
                _ => Column::Texts(Vec::new()),
            });
        }
        match (columns.get_mut(i % insert.n_values), value) {
            (Some(Column::Texts(column)), Value::Text(text)) => column.push(text.map(stored)),
            (Some(Column::Ints(column)), Value::Int(number)) => column.push(number),
            (Some(Column::Bytes(column)), Value::Bytes(bytes)) => column.push(bytes),
            _ => return Err(sqlx::Error::Encode("a column's values are of different types".into())),
        }
    }
    let mut arguments = PgArguments::default();
    for column in columns {
        match column {
            Column::Texts(column) => arguments.add(column),
            Column::Ints(column) => arguments.add(column),
            Column::Bytes(column) => arguments.add(column),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    // Safe: the text is the program's own, with the schema's quoted name in it.
    let sql = AssertSqlSafe(words.insert(insert));
    Ok(sqlx::query_with(sql, arguments).execute(conn).await?.rows_affected())
}

/// Two processes that start at once migrate once: the lock is the transaction's, and is the schema's own.
pub(super) async fn begin_migration(conn: &mut PgConnection, words: &Words) -> Result<(), sqlx::Error> {
    let schema = words.schema();
    let lock = "select pg_advisory_xact_lock(hashtextextended('integration-sync ' || $1, 0))";
    sqlx::query(lock).bind(schema).execute(&mut *conn).await?;
    // Asked first: making it needs a right that a host may have kept for whoever sets the database up.
    let is_there = "select 1 from pg_namespace where quote_ident(nspname) = $1 or '\"' || nspname || '\"' = $1";
    if sqlx::query(is_there).bind(schema).fetch_optional(&mut *conn).await?.is_none() {
        // Safe: the name is quoted.
        sqlx::raw_sql(AssertSqlSafe(format!("create schema {schema}"))).execute(&mut *conn).await?;
    }
    sqlx::raw_sql(AssertSqlSafe(format!("set local search_path to {schema}"))).execute(conn).await?;
    Ok(())
}
