//! Small tools for writing and reading rows.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

use serde::{Serialize, de::DeserializeOwned};
use sync_core::{Error, ErrorKind, Result};

use crate::{db::Value, error::corrupt};

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
pub(crate) fn list<T: AsRef<str>>(texts: &[T]) -> Value {
    Value::Texts(Some(texts.iter().map(|text| text.as_ref().to_owned()).collect()))
}

/// Numbers as one parameter.
pub(crate) fn ints<T: Copy + TryInto<i64>>(numbers: impl IntoIterator<Item = T>) -> Value {
    Value::Ints(numbers.into_iter().map(to_int).collect())
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
pub(crate) fn short_hashes<T: AsRef<str>>(texts: &[T]) -> Value {
    ints(texts.iter().map(|text| short_hash(text.as_ref())))
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
