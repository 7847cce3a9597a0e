//! Customers and other records from a CSV or JSON Lines file.
//!
//! ```no_run
//! use sync_cli::import::{ImportOptions, Source};
//!
//! # fn main() -> sync_core::Result<()> {
//! let source = Source::open("customers.csv".as_ref(), ImportOptions::default())?;
//! for row in source.rows()? {
//!     match row? {
//!         Ok((id, record)) => println!("{id}: {} fields", record.iter().count()),
//!         Err(bad) => eprintln!("{bad}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The file is read line by line and never held as a whole; what is kept is a 16-byte hash per id, by which a second line
//! with the same id is found.

mod bad;
mod column;
mod customer;
mod encoding;
mod rows;
mod schema;
mod table;

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use sync_core::{Error, ErrorKind, Owner, Result};

pub use bad::{BadFile, BadLine, BadReason, MAX_KEPT_BYTES, Place};
pub use column::{Column, ColumnRules, Field, look_like_consent};
pub use customer::ConsentRules;
pub use encoding::Encoding;
pub use rows::Rows;
pub use schema::{SCHEMAS, Schema, Shape};
pub use table::{MAX_CELL_BYTES, MAX_CELLS, MAX_LINE_BYTES};

use encoding::Utf8Reader;
use table::{Cells, TableReader};

/// The forms that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A header line, then lines of cells.
    Table {
        /// What stands between cells.
        delimiter: char,
    },
    /// One JSON object a line.
    JsonLines,
}

/// What a person said about the file; everything has a default.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The columns.
    pub columns: ColumnRules,
    /// How consent is read; without it nobody is treated as consenting.
    pub consent: Option<ConsentRules>,
    /// What stands between cells.
    pub delimiter: Option<char>,
    /// The encoding.
    pub encoding: Option<Encoding>,
}

/// A file that was looked at: its form, encoding and columns are known.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    /// The form.
    pub format: Format,
    /// The encoding.
    pub encoding: Encoding,
    /// The columns. Of JSON Lines: the members of the first [`LOOK_AHEAD_LINES`] objects.
    pub columns: Vec<Column>,
    options: ImportOptions,
}

/// How many JSON objects are looked at for their members.
pub const LOOK_AHEAD_LINES: usize = 100;

impl Source {
    /// Looks at a file: `.jsonl`, `.ndjson` and files that begin with `{` are JSON Lines, all others tables.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it can't be read, [`ErrorKind::Invalid`] when it has no header or begins with a bad
    /// line, [`ErrorKind::Config`] when the columns don't fit the options.
    pub fn open(path: &Path, options: ImportOptions) -> Result<Self> {
        let encoding = match options.encoding {
            Some(encoding) => encoding,
            None => encoding::detect(open(path)?).map_err(|error| unreadable(path, error))?,
        };
        let mut source = Self { path: path.to_owned(), format: Format::JsonLines, encoding, columns: Vec::new(), options };
        if !source.is_json_lines()? {
            if let Some(schema) = source.options.columns.schema.filter(|schema| !schema.fits_cells()) {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("{} have lines, for which a table has no room", schema.nouns.1),
                )
                .with_owner(Owner::EndUserData)
                .with_remedy("Give them as JSON Lines, one object a line, in a .jsonl file."));
            }
            source.format = Format::Table { delimiter: source.delimiter()? };
        }
        let headers = match source.format {
            Format::JsonLines => rows::members(&source)?,
            Format::Table { delimiter } => source.header(delimiter)?,
        };
        source.columns = source.options.columns.columns(headers.iter().map(String::as_str))?;
        Ok(source)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds; `None` for customers.
    pub fn schema(&self) -> Option<&'static Schema> {
        self.options.columns.schema
    }

    /// Its rows, from the first.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the file can't be read any more.
    pub fn rows(&self) -> Result<Rows> {
        Rows::new(self)
    }

    fn reader(&self) -> Result<BufReader<Utf8Reader<File>>> {
        Ok(BufReader::with_capacity(64 << 10, Utf8Reader::new(open(&self.path)?, self.encoding)))
    }

    fn is_json_lines(&self) -> Result<bool> {
        let extension = self.path.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
        if matches!(extension.as_deref(), Some("jsonl" | "ndjson")) {
            return Ok(true);
        }
        let mut reader = self.reader()?;
        let start = reader.fill_buf().map_err(|error| unreadable(&self.path, error))?;
        Ok(start.trim_ascii_start().starts_with(b"{"))
    }

    /// The first `sep=;` line where there is one (Excel's own hint), else what stands most often in the header.
    fn delimiter(&self) -> Result<char> {
        if let Some(delimiter) = self.options.delimiter {
            return Ok(delimiter);
        }
        let mut line = Vec::new();
        let limit = MAX_LINE_BYTES as u64;
        let mut reader = self.reader()?.take(limit);
        while line.trim_ascii().is_empty() {
            line.clear();
            if reader.read_until(b'\n', &mut line).map_err(|error| unreadable(&self.path, error))? == 0 {
                return Err(self.no_header());
            }
        }
        if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] = line.trim_ascii() {
            return Ok(char::from(*delimiter));
        }
        let mut quoted = false;
        let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0)];
        for byte in line {
            quoted ^= byte == b'"';
            if let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| *delimiter == byte && !quoted) {
                *count += 1;
            }
        }
        // `max_by_key` takes the last of equals, so the comma comes last.
        Ok(counts.iter().rev().max_by_key(|(_, count)| *count).map_or(',', |(delimiter, _)| char::from(*delimiter)))
    }

    /// The table's reader behind Excel's hint, where there is one.
    fn table(&self, delimiter: char) -> Result<TableReader<BufReader<Utf8Reader<File>>>> {
        let delimiter = u8::try_from(delimiter).ok().filter(u8::is_ascii).ok_or_else(|| {
            Error::new(ErrorKind::Config, "a delimiter is one ASCII character")
                .with_remedy("Use --delimiter with a comma, a semicolon or tab.")
        })?;
        let mut reader = self.reader()?;
        let start = reader.fill_buf().map_err(|error| unreadable(&self.path, error))?;
        let hinted = matches!(start, [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', _, b'\n' | b'\r', ..]);
        let mut table = TableReader::new(reader, delimiter, self.encoding);
        if hinted {
            let mut cells = Cells::default();
            table.next(&mut cells).map_err(|error| unreadable(&self.path, error))?;
        }
        Ok(table)
    }

    fn header(&self, delimiter: char) -> Result<Vec<String>> {
        let mut cells = Cells::default();
        match self.table(delimiter)?.next(&mut cells).map_err(|error| unreadable(&self.path, error))? {
            None => return Err(self.no_header()),
            Some(Err(bad)) => return Err(bad.into_error(&self.path)),
            Some(Ok(())) => {}
        }
        let headers = cells.texts(self.encoding).map_err(|(place, _)| {
            let reason = BadReason::NotText { encoding: self.encoding.name() };
            BadLine { place, header: None, reason, text: String::new() }.into_error(&self.path)
        })?;
        let headers: Vec<String> = headers.into_iter().map(|text| text.trim().to_owned()).collect();
        if headers.iter().any(|header| header.contains('@')) {
            return Err(self.no_header());
        }
        Ok(headers)
    }

    fn no_header(&self) -> Error {
        Error::new(ErrorKind::Invalid, format!("{} has no line of headers", self.path.display()))
            .with_remedy("Put a first line above the data that names the columns, such as: id,email,first name,last name")
    }
}

fn open(path: &Path) -> Result<File> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(unreadable(path, io::Error::from(io::ErrorKind::IsADirectory)));
    }
    Ok(file)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::NotFound, format!("{} can't be read: {error}", path.display()))
        .with_owner(Owner::EndUserData)
        .with_remedy("Check the name and your right to read the file.")
        .with_source(error)
}

#[cfg(test)]
mod tests;
