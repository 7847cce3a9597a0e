//! A plan as a file: one JSON document a line. The head comes first, then the operations, then a line that closes it with
//! the number of operations, the plan's hash, and a hash over all lines before it.
//!
//! A file that was cut off or edited is refused. One that was forged so well that its hashes fit can still write nothing of
//! its own: applying it plans again, and the file only names, by their digests, operations of that new plan.

use std::{
    collections::HashSet,
    fmt,
    io::{BufRead, Read as _, Write},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use sync_core::{Error, ErrorKind, Hash, Owner, PlanHash, Result};
use sync_engine::PlanFilter;

use super::{FORMAT, PlanHead, PlanLine, VERSION};

/// Longest line that is read, in bytes: far above a record with long texts on both sides.
const MAX_LINE: u64 = 16 << 20;

/// Writes a plan, line by line.
pub struct PlanWriter<W> {
    to: W,
    sum: sync_core::Hasher,
    hash: PlanHash,
    n_operations: u64,
}

impl<W> fmt::Debug for PlanWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanWriter").field("n_operations", &self.n_operations).finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    end: End,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    operations: u64,
    hash: PlanHash,
    sum: String,
}

impl<W: Write> PlanWriter<W> {
    /// Writes the head.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(to: W, head: &PlanHead) -> Result<Self> {
        let mut writer = Self { to, sum: Hash::start(), hash: head.hash.clone(), n_operations: 0 };
        writer.write(head)?;
        Ok(writer)
    }

    /// Writes an operation.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn line(&mut self, line: &PlanLine) -> Result<()> {
        self.n_operations += 1;
        self.write(line)
    }

    /// Closes the file, and gives the writer back.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn end(mut self) -> Result<W> {
        let sum = self.sum.clone().finish().to_string();
        let last = Last { end: End { operations: self.n_operations, hash: self.hash.clone(), sum } };
        self.write(&last)?;
        self.to.flush().map_err(not_written)?;
        Ok(self.to)
    }

    fn write(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value)
            .map_err(|error| Error::new(ErrorKind::Internal, "a line of the plan can't be written").with_source(error))?;
        self.sum.text(&text);
        self.to.write_all(text.as_bytes()).and_then(|()| self.to.write_all(b"\n")).map_err(not_written)
    }
}

fn not_written(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Config, format!("the plan can't be written: {error}"))
        .with_source(error)
        .with_remedy("Write it where there is room and you may write.")
}

/// A plan that was read from a file, whole and unchanged: its head, and which operations it names.
#[derive(Clone)]
#[non_exhaustive]
pub struct PlanFile {
    /// What it is of.
    pub head: PlanHead,
    /// The digests of its operations.
    pub(super) filter: Arc<PlanFilter>,
    /// Fingerprints of its records.
    pub(super) records: HashSet<u64>,
}

impl fmt::Debug for PlanFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanFile").field("head", &self.head).field("n_operations", &self.operations()).finish()
    }
}

/// What is needed of an operation's line.
#[derive(Deserialize)]
struct Named {
    resource: String,
    id: String,
    digest: String,
}

impl PlanFile {
    /// Reads a plan. Of its operations, digests alone are kept.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is no plan, is of another version of the format, was cut off, or was changed.
    pub fn read(mut from: impl BufRead) -> Result<Self> {
        let mut line = Vec::new();
        let mut sum = Hash::start();
        if !next(&mut from, &mut line)? {
            return Err(not_a_plan("it is empty"));
        }
        let head = head(&line)?;
        sum.bytes(&line);
        let mut digests: Vec<String> = Vec::new();
        let mut records = HashSet::new();
        let mut n_lines = 1_u64;
        let end = loop {
            if !next(&mut from, &mut line)? {
                return Err(cut_off(format!("it ends after {} of {} operations", n_lines - 1, head.operations)));
            }
            n_lines += 1;
            if let Ok(last) = serde_json::from_slice::<Last>(&line) {
                break last.end;
            }
            let Ok(named) = serde_json::from_slice::<Named>(&line) else {
                // The last bytes of a file that was cut off in the middle of a line.
                let is_last = !next(&mut from, &mut Vec::new())?;
                return Err(match is_last {
                    true => cut_off(format!("line {n_lines} is not whole")),
                    false => changed(format!("line {n_lines} is no operation")),
                });
            };
            sum.bytes(&line);
            records.insert(fingerprint(&named.resource, &named.id));
            digests.push(named.digest);
        };
        if next(&mut from, &mut line)? {
            return Err(changed("something follows its last line"));
        }
        digests.sort_unstable();
        let mut hash = Hash::start();
        digests.iter().for_each(|digest| hash.text(digest));
        let hash = PlanHash::new(hash.finish().to_string());
        if hash != head.hash
            || hash != end.hash
            || digests.len() as u64 != end.operations
            || head.operations != end.operations
        {
            return Err(changed("its operations are not those that its hash is of"));
        }
        if sum.finish().to_string() != end.sum {
            return Err(changed("its lines are not those that were written"));
        }
        let filter = PlanFilter { digests: digests.into_iter().collect(), strict: false };
        Ok(Self { head, filter: Arc::new(filter), records })
    }

    /// How many operations it names.
    pub fn operations(&self) -> u64 {
        self.filter.digests.len() as u64
    }
}

/// 64 bits that tell one record from another, well enough to sort words by.
pub(super) fn fingerprint(resource: &str, id: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (resource, id).hash(&mut hasher);
    hasher.finish()
}

/// Reads a line without its end; false at the end of the file.
fn next(from: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    let read = from.by_ref().take(MAX_LINE).read_until(b'\n', line).map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("the plan can't be read: {error}"))
            .with_owner(Owner::EndUserData)
            .with_source(error)
    })?;
    if read as u64 == MAX_LINE && !line.ends_with(b"\n") {
        return Err(not_a_plan("it has a line that is too long"));
    }
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(read > 0)
}

fn head(line: &[u8]) -> Result<PlanHead> {
    #[derive(Deserialize)]
    struct Format {
        format: String,
        version: u32,
    }
    let format: Format = serde_json::from_slice(line).map_err(|_| {
        let begins_as_one = line.starts_with(format!("{{\"format\":\"{FORMAT}\"").as_bytes());
        if begins_as_one { cut_off("its first line is not whole") } else { not_a_plan("its first line is no plan's") }
    })?;
    if format.format != FORMAT {
        return Err(not_a_plan("its first line is no plan's"));
    }
    if format.version != VERSION {
        return Err(refused(
            format!("the plan is written in version {} of the format; this program reads version {VERSION}", format.version),
            "Plan again with this program.",
        ));
    }
    serde_json::from_slice(line).map_err(|_| changed("its first line is not as it was written"))
}

fn refused(message: String, remedy: &str) -> Error {
    Error::new(ErrorKind::Invalid, message).with_owner(Owner::EndUserData).with_remedy(remedy.to_owned())
}

fn not_a_plan(why: &str) -> Error {
    refused(format!("this is no plan: {why}"), "Name a file that `syncctl plan` wrote.")
}

fn cut_off(why: impl fmt::Display) -> Error {
    refused(format!("the plan is not whole: {why}"), "Write it again, and apply it when that is done.")
}

fn changed(why: impl fmt::Display) -> Error {
    refused(
        format!("the plan was changed after it was written: {why}"),
        "Plan again; to leave records out, plan the others with --item.",
    )
}
