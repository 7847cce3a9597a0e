//! The rows of a file, one at a time.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
};

use serde_json::Value as Json;
use sync_core::{Hash, LocalId, Record, Result};

use super::{
    Format, LOOK_AHEAD_LINES, Source,
    bad::{BadLine, BadReason, MAX_KEPT_BYTES, Place},
    column::Field,
    customer::{Draft, Fault},
    encoding::{Utf8Reader, decode},
    table::{Cells, MAX_CELL_BYTES, MAX_LINE_BYTES, TableReader},
    unreadable,
};

type Input = BufReader<Utf8Reader<File>>;

/// The rows of a [`Source`]: records, and lines that aren't ones. An error ends them.
pub struct Rows {
    source: Source,
    lines: Lines,
    /// Ids that stood before, and in which line.
    ids: HashMap<Hash, u64>,
    ended: bool,
}

enum Lines {
    Table { reader: TableReader<Input>, cells: Cells },
    JsonLines { reader: Input, n_line: u64 },
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("source", &self.source.path).finish_non_exhaustive()
    }
}

impl Rows {
    pub(super) fn new(source: &Source) -> Result<Self> {
        let lines = match source.format {
            Format::JsonLines => Lines::JsonLines { reader: source.reader()?, n_line: 0 },
            Format::Table { delimiter } => {
                let mut reader = source.table(delimiter)?;
                let mut cells = Cells::default();
                // The header, which `Source::open` has read already.
                let _ = reader.next(&mut cells).map_err(|error| unreadable(&source.path, error))?;
                Lines::Table { reader, cells }
            }
        };
        Ok(Self { source: source.clone(), lines, ids: HashMap::new(), ended: false })
    }

    fn row(&mut self) -> io::Result<Option<Result<(LocalId, Record), BadLine>>> {
        let (row, start) = match &mut self.lines {
            Lines::Table { reader, cells } => match reader.next(cells)? {
                None => return Ok(None),
                Some(Err(bad)) => return Ok(Some(Err(bad))),
                Some(Ok(())) => (
                    of_cells(&self.source, cells).map_err(|fault| fault.into_bad(reader.text())),
                    cells.start.unwrap_or(NOWHERE),
                ),
            },
            Lines::JsonLines { reader, n_line } => match json_row(&self.source, reader, n_line)? {
                None => return Ok(None),
                Some(row) => (row, Place { line: *n_line, column: 1 }),
            },
        };
        let (id, record) = match row {
            Ok(row) => row,
            Err(bad) => return Ok(Some(Err(bad))),
        };
        let first_line = *self.ids.entry(Hash::of_text(id.as_str())).or_insert(start.line);
        if first_line == start.line {
            return Ok(Some(Ok((id, record))));
        }
        let header = self.source.columns.iter().find(|column| column.field == Field::Id);
        let text = match &self.lines {
            Lines::Table { reader, .. } => reader.text(),
            // A line that was read well can be written again; its members come in order of their names then.
            Lines::JsonLines { .. } => serde_json::to_string(&record).unwrap_or_default(),
        };
        let header = header.map(|column| column.header.clone());
        Ok(Some(Err(BadLine { place: start, header, reason: BadReason::DuplicateId { first_line }, text })))
    }
}

impl Iterator for Rows {
    type Item = Result<Result<(LocalId, Record), BadLine>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.row() {
            Ok(Some(row)) => Some(Ok(row)),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(unreadable(&self.source.path, error)))
            }
        }
    }
}

/// Where something is of which no place is known.
const NOWHERE: Place = Place { line: 0, column: 1 };

/// A line that is no record, without its text.
struct Faulty {
    place: Place,
    header: Option<String>,
    reason: BadReason,
}

impl Faulty {
    fn into_bad(self, text: String) -> BadLine {
        BadLine { place: self.place, header: self.header, reason: self.reason, text }
    }
}

fn of_cells(source: &Source, cells: &Cells) -> Result<(LocalId, Record), Faulty> {
    let columns = &source.columns;
    if cells.len() != columns.len() {
        let reason = BadReason::CellCount { expected: columns.len(), found: cells.len() };
        // Where the first cell too many begins, or where the line ends too early.
        let place = cells.place(columns.len()).or(cells.end).unwrap_or(NOWHERE);
        return Err(Faulty { place, header: None, reason });
    }
    let header = |idx: usize| columns.get(idx).map(|column| column.header.clone());
    let texts = cells.texts(source.encoding).map_err(|(place, idx)| Faulty {
        place,
        header: header(idx),
        reason: BadReason::NotText { encoding: source.encoding.name() },
    })?;
    if let Some(schema) = source.options.columns.schema {
        let names: Vec<String> = columns.iter().map(|column| column.field.to_string()).collect();
        let known = names.iter().zip(&texts).filter(|(name, _)| *name != "-");
        return schema.read_cells(known.map(|(name, text)| (name.as_str(), text.as_ref()))).map_err(|(field, reason)| {
            let idx = field.and_then(|field| names.iter().position(|name| *name == field));
            let place = idx.and_then(|idx| cells.place(idx)).or(cells.start).unwrap_or(NOWHERE);
            Faulty { place, header: idx.and_then(header), reason }
        });
    }
    let mut draft = Draft::default();
    for (column, text) in columns.iter().zip(texts) {
        draft.put(&column.field, text);
    }
    draft.finish(source.options.consent.as_ref()).map_err(|(field, reason)| {
        let idx = field.and_then(|field| columns.iter().position(|column| column.field == field));
        let place = idx.and_then(|idx| cells.place(idx)).or(cells.start).unwrap_or(NOWHERE);
        Faulty { place, header: idx.and_then(header), reason }
    })
}

/// The next line that isn't blank, without its end; `Err` when it is too large, and skipped.
fn json_line(reader: &mut Input, n_line: &mut u64) -> io::Result<Option<Result<Vec<u8>, Vec<u8>>>> {
    loop {
        let mut line = Vec::new();
        let n_read = reader.by_ref().take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut line)?;
        if n_read == 0 {
            return Ok(None);
        }
        *n_line += 1;
        if n_read > MAX_LINE_BYTES && line.last() != Some(&b'\n') {
            line.truncate(MAX_KEPT_BYTES);
            reader.skip_until(b'\n')?;
            return Ok(Some(Err(line)));
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Some(Ok(line)));
        }
    }
}

fn json_row(
    source: &Source,
    reader: &mut Input,
    n_line: &mut u64,
) -> io::Result<Option<Result<(LocalId, Record), BadLine>>> {
    let Some(line) = json_line(reader, n_line)? else { return Ok(None) };
    let at = |column: u64| Place { line: *n_line, column };
    let kept = |line: &[u8]| {
        let kept = line.get(..line.len().min(MAX_KEPT_BYTES)).unwrap_or_default();
        String::from_utf8_lossy(kept).trim_end().to_owned()
    };
    let line = match line {
        Ok(line) => line,
        Err(line) => {
            let reason = BadReason::LineTooLarge { limit: MAX_LINE_BYTES };
            return Ok(Some(Err(BadLine { place: at(1), header: None, reason, text: kept(&line) })));
        }
    };
    let row = match decode(source.encoding, &line) {
        Ok(text) => object_of(source, &text, at),
        Err(broken) => {
            let before = String::from_utf8_lossy(line.get(..broken).unwrap_or_default()).chars().count() as u64;
            let reason = BadReason::NotText { encoding: source.encoding.name() };
            Err(Faulty { place: at(before + 1), header: None, reason })
        }
    };
    Ok(Some(row.map_err(|fault| fault.into_bad(kept(&line)))))
}

fn object_of(source: &Source, text: &str, at: impl Fn(u64) -> Place) -> Result<(LocalId, Record), Faulty> {
    let fault = |header: Option<String>, reason: BadReason| Faulty { place: at(1), header, reason };
    if let Some(schema) = source.options.columns.schema {
        return schema.read(text).map_err(|(field, reason)| fault(field, reason));
    }
    let json: Json = serde_json::from_str(text).map_err(|error| {
        // The parser's words end in " at line 1 column 17", which is said already.
        let problem = error.to_string();
        let problem = problem.split(" at line ").next().unwrap_or_default().to_owned();
        Faulty { place: at(error.column().max(1) as u64), header: None, reason: BadReason::NotJson { problem } }
    })?;
    let Json::Object(members) = json else { return Err(fault(None, BadReason::NotAnObject)) };
    let mut draft = Draft::default();
    let mut names: Vec<(&str, Cow<'_, Field>)> = Vec::with_capacity(members.len());
    for (name, value) in &members {
        let field = match source.columns.iter().find(|column| column.header == name.trim()) {
            Some(column) => Cow::Borrowed(&column.field),
            None => Cow::Owned(source.options.columns.field_of(name)),
        };
        if value.as_str().map_or(0, str::len) > MAX_CELL_BYTES {
            return Err(fault(Some(name.clone()), BadReason::CellTooLarge { limit: MAX_CELL_BYTES }));
        }
        draft.put_json(&field, value).map_err(|(_, reason)| fault(Some(name.clone()), reason))?;
        names.push((name, field));
    }
    draft.finish(source.options.consent.as_ref()).map_err(|(field, reason): Fault| {
        let name = field.and_then(|field| names.iter().find(|(_, of)| **of == field)).map(|(name, _)| (*name).to_owned());
        fault(name, reason)
    })
}

/// The members of the first objects, in the order in which they come.
pub(super) fn members(source: &Source) -> Result<Vec<String>> {
    let mut reader = source.reader()?;
    let (mut n_line, mut n_seen) = (0, 0);
    let mut names: Vec<String> = Vec::new();
    while n_seen < LOOK_AHEAD_LINES
        && let Some(line) = json_line(&mut reader, &mut n_line).map_err(|error| unreadable(&source.path, error))?
    {
        n_seen += 1;
        let Ok(line) = line else { continue };
        let Ok(Json::Object(object)) = serde_json::from_slice(&line) else { continue };
        for name in object.keys().map(|name| name.trim()) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    Ok(names)
}
