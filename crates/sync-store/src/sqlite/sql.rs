//! Small tools for writing and reading rows.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Arguments, AssertSqlSafe, Row, SqliteConnection, sqlite::SqliteArguments, sqlite::SqliteRow};
use sync_core::{Error, ErrorKind, Result};

use crate::error::{corrupt, database};

/// The database's own clock, in milliseconds.
macro_rules! now_ms {
    () => {
        "cast(round(unixepoch('subsec') * 1000) as integer)"
    };
}
/// The number of the run that the first three parameters name.
macro_rules! run_id {
    () => {
        "(select id from run_number where org = $1 and integration = $2 and run = $3)"
    };
}
/// Many rows as one text: of each a head, which is a JSON array, and a body, which is JSON too. A row for each would take
/// longer to hand over than to find. Read with [`unpack_rows`].
macro_rules! packed_rows {
    ($head:literal, $body:literal) => {
        concat!("group_concat(", $head, " || char(10) || ", $body, ", char(10))")
    };
}
pub(crate) use {now_ms, packed_rows, run_id};

/// Heads and bodies; nothing where there was no row. JSON as we write it has no line breaks.
pub(crate) fn unpack_rows(text: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let mut lines = text.into_iter().flat_map(|text| text.split('\n'));
    std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
}

/// Most rows of one statement: few enough variables for any SQLite (32,766. Source: <https://www.sqlite.org/limits.html>).
/// Fewer rows go by powers of two, so that any number is few statements, and few shapes that all stay prepared.
const MAX_ROWS: usize = 256;

/// One statement that writes any number of rows.
pub(crate) struct Insert {
    /// Up to the values: `insert into t (a, b)`.
    pub(crate) head: &'static str,
    /// How many values a row has.
    pub(crate) n_values: usize,
    /// What comes after them: `on conflict …`.
    pub(crate) tail: &'static str,
}

impl Insert {
    /// Writes the rows; returns how many were inserted or changed.
    pub(crate) async fn rows<R>(
        &self,
        conn: &mut SqliteConnection,
        mut rows: &[R],
        bind: impl Fn(&R, &mut Values) -> Result<()>,
    ) -> Result<u64> {
        let mut n_written = 0;
        while !rows.is_empty() {
            let n_rows = (1 << rows.len().ilog2()).min(MAX_ROWS);
            let (chunk, rest) = rows.split_at(n_rows);
            rows = rest;
            let mut values = Values::default();
            values.args.reserve(n_rows * self.n_values, 0);
            for row in chunk {
                bind(row, &mut values)?;
            }
            // Safe: the text varies in the number of its rows alone.
            let query = sqlx::query_with(AssertSqlSafe(self.text(n_rows)), values.finish()?);
            n_written += query.execute(&mut *conn).await.map_err(database)?.rows_affected();
        }
        Ok(n_written)
    }

    fn text(&self, n_rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.n_values].join(","));
        format!("{} values {} {}", self.head, vec![row; n_rows].join(","), self.tail)
    }
}

/// Collects the values of a statement in order.
#[derive(Default)]
pub(crate) struct Values {
    args: SqliteArguments,
    failed: Option<sqlx::error::BoxDynError>,
}

impl Values {
    pub(crate) fn text(&mut self, text: impl Into<String>) -> &mut Self {
        let added = self.args.add(text.into());
        self.note(added)
    }

    pub(crate) fn opt_text(&mut self, text: Option<impl Into<String>>) -> &mut Self {
        let added = self.args.add(text.map(Into::into));
        self.note(added)
    }

    pub(crate) fn int(&mut self, number: i64) -> &mut Self {
        let added = self.args.add(number);
        self.note(added)
    }

    pub(crate) fn opt_int(&mut self, number: Option<i64>) -> &mut Self {
        let added = self.args.add(number);
        self.note(added)
    }

    pub(crate) fn bytes(&mut self, bytes: Vec<u8>) -> &mut Self {
        let added = self.args.add(bytes);
        self.note(added)
    }

    fn note(&mut self, added: Result<(), sqlx::error::BoxDynError>) -> &mut Self {
        self.failed = self.failed.take().or(added.err());
        self
    }

    fn finish(self) -> Result<SqliteArguments> {
        match self.failed {
            None => Ok(self.args),
            Some(error) => Err(Error::new(ErrorKind::Internal, "a value could not be bound").with_source(error)),
        }
    }
}

/// Reads columns by their place.
pub(crate) trait Columns {
    fn text(&self, i: usize) -> Result<&str>;
    fn opt_text(&self, i: usize) -> Result<Option<&str>>;
    fn int(&self, i: usize) -> Result<i64>;
    fn opt_int(&self, i: usize) -> Result<Option<i64>>;
    fn bytes(&self, i: usize) -> Result<&[u8]>;
    fn opt_bytes(&self, i: usize) -> Result<Option<Vec<u8>>>;
}

impl Columns for SqliteRow {
    fn text(&self, i: usize) -> Result<&str> {
        self.try_get(i).map_err(database)
    }

    fn opt_text(&self, i: usize) -> Result<Option<&str>> {
        self.try_get(i).map_err(database)
    }

    fn int(&self, i: usize) -> Result<i64> {
        self.try_get(i).map_err(database)
    }

    fn opt_int(&self, i: usize) -> Result<Option<i64>> {
        self.try_get(i).map_err(database)
    }

    fn bytes(&self, i: usize) -> Result<&[u8]> {
        self.try_get(i).map_err(database)
    }

    fn opt_bytes(&self, i: usize) -> Result<Option<Vec<u8>>> {
        self.try_get(i).map_err(database)
    }
}

/// A structure as it is stored.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "a row could not be written as JSON").with_source(error))
}

/// A structure as it was stored. The cause is left out: it may quote content.
pub(crate) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| corrupt(what))
}

/// Texts as one parameter.
pub(crate) fn list<T: AsRef<str>>(texts: &[T]) -> Result<String> {
    to_json(&texts.iter().map(AsRef::as_ref).collect::<Vec<&str>>())
}

pub(crate) fn to_int(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

pub(crate) fn from_int<T: TryFrom<i64>>(what: &'static str, number: i64) -> Result<T> {
    T::try_from(number).map_err(|_| corrupt(what))
}

pub(crate) fn timestamp(ms: i64) -> Result<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(ms).map_err(|_| corrupt("time"))
}

/// What a text is found by where its own place in an index would be too large: 64 bits of FNV-1a
/// (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>). The text itself is compared afterwards.
pub(crate) fn short_hash(text: &str) -> i64 {
    let hash =
        text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    i64::from_ne_bytes(hash.to_ne_bytes())
}

/// Short hashes as one parameter.
pub(crate) fn short_hashes<T: AsRef<str>>(texts: &[T]) -> Result<String> {
    to_json(&texts.iter().map(|text| short_hash(text.as_ref())).collect::<Vec<i64>>())
}

/// The answers in the order of the questions. What is asked for twice is copied.
pub(crate) fn in_order<'a, K: Hash + Eq + ?Sized + 'a, V: Clone>(
    ids: impl Iterator<Item = &'a K>,
    mut found: HashMap<impl Borrow<K> + Hash + Eq, V>,
) -> Vec<Option<V>> {
    let mut answers: Vec<Option<V>> = Vec::new();
    let mut given: HashMap<&K, usize> = HashMap::with_capacity(found.len());
    for id in ids {
        let answer = match found.remove(id) {
            Some(answer) => {
                given.insert(id, answers.len());
                Some(answer)
            }
            None => given.get(id).and_then(|place| answers.get(*place)).cloned().flatten(),
        };
        answers.push(answer);
    }
    answers
}
