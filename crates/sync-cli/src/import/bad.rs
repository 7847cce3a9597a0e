//! Lines that can't be imported: where, why, and the file they are kept in.

use std::{
    fmt,
    fs::File,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use serde::Serialize;
use sync_core::{Error, ErrorKind, Owner};

/// A place in a file; both count from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The character in the line.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A line that can't be imported.
#[derive(Clone, PartialEq)]
pub struct BadLine {
    /// Where.
    pub place: Place,
    /// The header of the cell at fault, where it is one cell's fault.
    pub header: Option<String>,
    /// Why.
    pub reason: BadReason,
    /// The line as it stands in the file, cut after [`MAX_KEPT_BYTES`]. Record content.
    pub text: String,
}

/// Most bytes of a bad line that are kept: 64 KiB, enough for any line that a person can repair by hand.
pub const MAX_KEPT_BYTES: usize = 64 << 10;

/// Prints no content.
impl fmt::Debug for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BadLine")
            .field("place", &self.place)
            .field("header", &self.header)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// Why a line can't be imported. Holds no record content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadReason {
    /// A quote opens and never closes.
    OpenQuote,
    /// Text follows a closing quote: the quote before it was probably meant for somewhere else.
    TextAfterQuote {
        /// Where the text stands.
        at: Place,
    },
    /// More or fewer cells than the header has.
    CellCount {
        /// Cells of the header.
        expected: usize,
        /// Cells of the line.
        found: usize,
    },
    /// A cell is larger than allowed.
    CellTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A line is larger than allowed.
    LineTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// More cells than any sheet has.
    TooManyCells {
        /// The limit.
        limit: usize,
    },
    /// Bytes that aren't text in the file's encoding.
    NotText {
        /// The encoding's name.
        encoding: &'static str,
    },
    /// No id.
    NoId,
    /// An id that stood before.
    DuplicateId {
        /// In which line.
        first_line: u64,
    },
    /// Not a date.
    NotADate,
    /// A consent from the future.
    InTheFuture,
    /// Not JSON.
    NotJson {
        /// What the parser says.
        problem: String,
    },
    /// JSON, but no object.
    NotAnObject,
    /// A member of another type than its field has.
    WrongType {
        /// What is wanted.
        wanted: &'static str,
    },
    /// A value that its field does not take.
    Refused {
        /// What is wrong, with the field's name.
        problem: String,
    },
}

impl BadReason {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OpenQuote => "open-quote",
            Self::TextAfterQuote { .. } => "text-after-quote",
            Self::CellCount { .. } => "cell-count",
            Self::CellTooLarge { .. } => "cell-too-large",
            Self::LineTooLarge { .. } => "line-too-large",
            Self::TooManyCells { .. } => "too-many-cells",
            Self::NotText { .. } => "not-text",
            Self::NoId => "no-id",
            Self::DuplicateId { .. } => "duplicate-id",
            Self::NotADate => "not-a-date",
            Self::InTheFuture => "in-the-future",
            Self::NotJson { .. } => "not-json",
            Self::NotAnObject => "not-an-object",
            Self::WrongType { .. } => "wrong-type",
            Self::Refused { .. } => "refused",
        }
    }
}

impl fmt::Display for BadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenQuote => f.write_str("a quote opens here and never closes"),
            Self::TextAfterQuote { at } => {
                write!(f, "the quote that opens here closes before {at}, and text follows it")
            }
            Self::CellCount { expected, found } => write!(f, "{found} cells, but the header has {expected}"),
            Self::CellTooLarge { limit } => write!(f, "a cell of more than {} KiB", limit >> 10),
            Self::LineTooLarge { limit } => write!(f, "a line of more than {} KiB", limit >> 10),
            Self::TooManyCells { limit } => write!(f, "more than {limit} cells"),
            Self::NotText { encoding } => write!(f, "bytes that are not {encoding} text"),
            Self::NoId => f.write_str("no id"),
            Self::DuplicateId { first_line } => write!(f, "the id stands in line {first_line} already"),
            Self::NotADate => f.write_str("not a date such as 2026-05-17 or 17.05.2026"),
            Self::InTheFuture => f.write_str("a consent that lies in the future"),
            Self::NotJson { problem } => write!(f, "not JSON: {problem}"),
            Self::NotAnObject => f.write_str("not a JSON object"),
            Self::WrongType { wanted } => write!(f, "not {wanted}"),
            Self::Refused { problem } => f.write_str(problem),
        }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if let Some(header) = &self.header {
            write!(f, " ({header})")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl BadLine {
    /// The error that stops an import.
    pub fn into_error(self, path: &Path) -> Error {
        let remedy = match &self.reason {
            BadReason::NotText { .. } => {
                "Nothing was imported. Save the file as UTF-8, name its encoding with --encoding, or import the rest with --skip-bad."
            }
            BadReason::NotADate => {
                "Nothing was imported. Correct the date, say how dates are written with --date-format, or import the rest with --skip-bad."
            }
            _ => "Nothing was imported. Correct the line, or import the rest with --skip-bad.",
        };
        Error::new(ErrorKind::Invalid, format!("{}, {self}", path.display()))
            .with_owner(Owner::EndUserData)
            .with_remedy(remedy)
    }
}

/// The file of bad lines beside the imported one; made with the first of them.
#[derive(Debug)]
pub struct BadFile {
    path: PathBuf,
    writer: Option<csv::Writer<BufWriter<File>>>,
    /// How many lines it has.
    pub n_lines: u64,
}

impl BadFile {
    /// The file for `imported`: `customers.csv` has `customers.bad.csv`.
    pub fn beside(imported: &Path) -> Self {
        Self { path: imported.with_extension("bad.csv"), writer: None, n_lines: 0 }
    }

    /// Where it is, once it has a line.
    pub fn path(&self) -> Option<&Path> {
        self.writer.is_some().then_some(self.path.as_path())
    }

    /// Adds a line: where, why, and its text.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(&mut self, bad: &BadLine) -> io::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let mut writer = csv::Writer::from_writer(BufWriter::new(File::create(&self.path)?));
                writer.write_record(["line", "column", "code", "reason", "text"])?;
                self.writer.insert(writer)
            }
        };
        let Place { line, column } = bad.place;
        let reason = match &bad.header {
            Some(header) => format!("{header}: {}", bad.reason),
            None => bad.reason.to_string(),
        };
        writer.write_record([&line.to_string(), &column.to_string(), bad.reason.code(), &reason, &bad.text])?;
        self.n_lines += 1;
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), |writer| writer.flush())
    }
}
