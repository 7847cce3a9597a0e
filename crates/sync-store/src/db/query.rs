//! A statement with its values.

use std::future::Future;

use super::{Conn, Db, On, Row, Value};

/// A statement that is ready to be run.
#[must_use]
pub(crate) struct Query {
    sql: &'static str,
    values: Vec<Value>,
    locks: bool,
}

/// A statement, in SQLite's words.
pub(crate) fn query(sql: &'static str) -> Query {
    Query { sql, values: Vec::new(), locks: false }
}

type Answer<T> = Result<T, sqlx::Error>;

impl Query {
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Locks the rows that are read until the write ends, where a write doesn't lock everything.
    pub(crate) fn for_update(mut self) -> Self {
        self.locks = true;
        self
    }

    pub(crate) fn fetch_all<'c>(self, on: impl Into<On<'c>>) -> impl Future<Output = Answer<Vec<Row>>> + Send {
        let on = on.into();
        async move {
            match on {
                #[cfg(feature = "sqlite")]
                On::Pool(Db::Sqlite(db)) => super::sqlite::rows(&db.readers, self.sql, self.values).await,
                #[cfg(feature = "sqlite")]
                On::Conn(Conn::Sqlite(held)) => super::sqlite::rows(held.conn(), self.sql, self.values).await,
                #[cfg(feature = "postgres")]
                On::Pool(Db::Postgres(db)) => {
                    super::postgres::rows(&db.pool, db.words.statement(self.sql, self.locks), self.values).await
                }
                #[cfg(feature = "postgres")]
                On::Conn(Conn::Postgres(held, words)) => {
                    super::postgres::rows(held.conn(), words.statement(self.sql, self.locks), self.values).await
                }
            }
        }
    }

    pub(crate) async fn fetch_optional<'c>(self, on: impl Into<On<'c>> + Send) -> Answer<Option<Row>> {
        Ok(self.fetch_all(on).await?.into_iter().next())
    }

    pub(crate) async fn fetch_one<'c>(self, on: impl Into<On<'c>> + Send) -> Answer<Row> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// Runs it; returns how many rows it wrote.
    pub(crate) async fn execute(self, on: &mut Conn) -> Answer<u64> {
        match on {
            #[cfg(feature = "sqlite")]
            Conn::Sqlite(held) => super::sqlite::execute(held.conn(), self.sql, self.values).await,
            #[cfg(feature = "postgres")]
            Conn::Postgres(held, words) => {
                super::postgres::execute(held.conn(), words.statement(self.sql, self.locks), self.values).await
            }
        }
    }
}
