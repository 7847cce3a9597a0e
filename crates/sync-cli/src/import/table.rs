//! Reads lines of cells, strictly.
//!
//! The `csv` crate writes our files, but reads too kindly: a quote that never closes swallows the rest of the file, and a
//! cell may have any size. This reader says where each fault begins and goes on with the line after it.

use std::{
    borrow::Cow,
    io::{self, BufRead},
};

use super::{
    bad::{BadLine, BadReason, MAX_KEPT_BYTES, Place},
    encoding::{Encoding, decode},
};

/// Largest cell, in bytes: 1 MiB. No provider takes a longer text.
pub const MAX_CELL_BYTES: usize = 1 << 20;
/// Largest line, in bytes: 16 MiB.
pub const MAX_LINE_BYTES: usize = 16 << 20;
/// Most cells in a line: 16,384, as many columns as a sheet of Excel has.
/// Source: <https://support.microsoft.com/en-us/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3>.
pub const MAX_CELLS: usize = 16_384;

/// Reads lines of cells.
pub(crate) struct TableReader<R> {
    input: R,
    delimiter: u8,
    encoding: Encoding,
    /// Bytes to be read again, in order, and how far that has come.
    again: (Vec<u8>, usize),
    here: Place,
    /// The bytes of the line as read so far.
    raw: Vec<u8>,
}

/// One line.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    data: Vec<u8>,
    /// Where each cell ends in `data`, and where it begins in the file.
    ends: Vec<(usize, Place)>,
    /// Where the line begins.
    pub(crate) start: Option<Place>,
    /// Where the line ends.
    pub(crate) end: Option<Place>,
}

impl Cells {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cells' bytes and where they begin.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Place)> {
        self.ends.iter().scan(0, |from, (to, place)| {
            let cell = self.data.get(*from..*to).unwrap_or_default();
            *from = *to;
            Some((cell, *place))
        })
    }

    /// Where a cell begins.
    pub(crate) fn place(&self, idx: usize) -> Option<Place> {
        self.ends.get(idx).map(|(_, place)| *place)
    }

    /// The cells as texts; else where the first byte stands that isn't text, and in which cell.
    pub(crate) fn texts(&self, encoding: Encoding) -> Result<Vec<Cow<'_, str>>, (Place, usize)> {
        self.iter()
            .enumerate()
            .map(|(idx, (cell, place))| match decode(encoding, cell) {
                Ok(text) => Ok(text),
                // The column is exact while the cell has no line break and no doubled quote before the fault.
                Err(at) => {
                    let before = String::from_utf8_lossy(cell.get(..at).unwrap_or_default()).chars().count() as u64;
                    Err((Place { column: place.column + before, ..place }, idx))
                }
            })
            .collect()
    }

    fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
        self.start = None;
        self.end = None;
    }

    fn close(&mut self, place: Place) {
        self.ends.push((self.data.len(), place));
    }

    fn cell_len(&self) -> usize {
        self.data.len() - self.ends.last().map_or(0, |(end, _)| *end)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    AfterQuote,
}

impl<R: BufRead> TableReader<R> {
    pub(crate) fn new(input: R, delimiter: u8, encoding: Encoding) -> Self {
        Self { input, delimiter, encoding, again: (Vec::new(), 0), here: Place { line: 1, column: 1 }, raw: Vec::new() }
    }

    /// The line just read, as it stands in the file, cut.
    pub(crate) fn text(&self) -> String {
        let end = self.raw.len().min(MAX_KEPT_BYTES);
        let kept = self.raw.get(..end).unwrap_or_default();
        decode(self.encoding, kept)
            .unwrap_or_else(|_| String::from_utf8_lossy(kept))
            .trim_end_matches(['\r', '\n'])
            .to_owned()
    }

    /// The next line that isn't blank: `Ok(None)` at the end, `Ok(Some(Err(_)))` for a bad one, after which it goes on.
    pub(crate) fn next(&mut self, cells: &mut Cells) -> io::Result<Option<Result<(), BadLine>>> {
        loop {
            match self.line(cells)? {
                Some(Ok(())) if cells.len() == 1 && cells.data.is_empty() => {}
                line => return Ok(line),
            }
        }
    }

    fn line(&mut self, cells: &mut Cells) -> io::Result<Option<Result<(), BadLine>>> {
        cells.clear();
        self.raw.clear();
        let start = self.here;
        let mut state = State::CellStart;
        let mut cell_start = start;
        // Where the line goes on in `raw` should the cell turn out to be bad: behind the first line break after its start.
        let mut resume: Option<(usize, Place)> = None;
        loop {
            let place = self.here;
            let Some(byte) = self.byte()? else {
                return Ok(match state {
                    State::Quoted => Some(Err(self.give_up(cell_start, BadReason::OpenQuote, resume)?)),
                    State::CellStart if cells.len() == 0 && self.raw.is_empty() => None,
                    _ => {
                        cells.close(cell_start);
                        cells.start = Some(start);
                        cells.end = Some(place);
                        Some(Ok(()))
                    }
                });
            };
            if byte == b'\n' && resume.is_none() {
                resume = Some((self.raw.len(), self.here));
            }
            match state {
                State::CellStart | State::Plain | State::AfterQuote if byte == self.delimiter => {
                    cells.close(cell_start);
                    cell_start = self.here;
                    resume = None;
                    state = State::CellStart;
                }
                State::CellStart | State::Plain | State::AfterQuote if byte == b'\n' || byte == b'\r' => {
                    if byte == b'\r' && self.peek()? == Some(b'\n') {
                        self.byte()?;
                    } else if byte == b'\r' {
                        self.here = Place { line: place.line + 1, column: 1 };
                    }
                    cells.close(cell_start);
                    cells.start = Some(start);
                    cells.end = Some(place);
                    return Ok(Some(Ok(())));
                }
                State::CellStart if byte == b'"' => state = State::Quoted,
                State::CellStart | State::Plain => {
                    cells.data.push(byte);
                    state = State::Plain;
                }
                State::Quoted if byte == b'"' => state = State::AfterQuote,
                State::Quoted => cells.data.push(byte),
                State::AfterQuote if byte == b'"' => {
                    cells.data.push(byte);
                    state = State::Quoted;
                }
                // Spaces between a closing quote and the delimiter are harmless and common in hand-made files.
                State::AfterQuote if byte == b' ' => {}
                State::AfterQuote => {
                    let bad = self.give_up(cell_start, BadReason::TextAfterQuote { at: place }, resume)?;
                    return Ok(Some(Err(bad)));
                }
            }
            let too_large = if cells.cell_len() > MAX_CELL_BYTES {
                Some(BadReason::CellTooLarge { limit: MAX_CELL_BYTES })
            } else if self.raw.len() > MAX_LINE_BYTES {
                Some(BadReason::LineTooLarge { limit: MAX_LINE_BYTES })
            } else if cells.len() > MAX_CELLS {
                Some(BadReason::TooManyCells { limit: MAX_CELLS })
            } else {
                None
            };
            if let Some(reason) = too_large {
                return Ok(Some(Err(self.give_up(cell_start, reason, resume)?)));
            }
        }
    }

    /// Makes the bad line, and goes on behind the line break after the bad cell's start.
    fn give_up(&mut self, place: Place, reason: BadReason, resume: Option<(usize, Place)>) -> io::Result<BadLine> {
        match resume {
            Some((at, here)) => {
                let mut again = self.raw.split_off(at);
                again.extend_from_slice(self.again.0.get(self.again.1..).unwrap_or_default());
                self.again = (again, 0);
                self.here = here;
            }
            None => self.skip_line()?,
        }
        Ok(BadLine { place, header: None, reason, text: self.text() })
    }

    /// Reads to the end of the line, keeping no more of it than is shown.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if self.raw.len() > MAX_KEPT_BYTES {
                self.raw.truncate(MAX_KEPT_BYTES);
            }
            match self.byte()? {
                Some(b'\n') | None => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        if let Some(byte) = self.again.0.get(self.again.1) {
            return Ok(Some(*byte));
        }
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        let Some(byte) = self.peek()? else { return Ok(None) };
        if self.again.1 < self.again.0.len() {
            self.again.1 += 1;
            if self.again.1 == self.again.0.len() {
                self.again = (Vec::new(), 0);
            }
        } else {
            self.input.consume(1);
        }
        self.raw.push(byte);
        if byte == b'\n' {
            self.here = Place { line: self.here.line + 1, column: 1 };
        } else if !(self.encoding.is_utf8() && byte & 0xC0 == 0x80) {
            self.here.column += 1;
        }
        Ok(Some(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line = Result<Vec<String>, (Place, BadReason)>;

    fn read(text: &[u8]) -> Vec<Line> {
        let mut reader = TableReader::new(text, b',', Encoding::Utf8);
        let mut cells = Cells::default();
        let mut lines = Vec::new();
        while let Some(line) = reader.next(&mut cells).unwrap() {
            lines.push(match line {
                Ok(()) => Ok(cells.texts(Encoding::Utf8).unwrap().into_iter().map(Cow::into_owned).collect()),
                Err(bad) => Err((bad.place, bad.reason)),
            });
        }
        lines
    }

    fn ok(cells: &[&str]) -> Line {
        Ok(cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn quotes_hold_delimiters_line_breaks_and_doubled_quotes() {
        assert_eq!(read(b"a,\"b,\"\"c\"\"\nd\",e\r\nf,,\n"), [ok(&["a", "b,\"c\"\nd", "e"]), ok(&["f", "", ""])]);
    }

    #[test]
    fn blank_lines_are_no_lines_and_the_last_needs_no_end() {
        assert_eq!(read(b"a,b\n\n\r\nc,d"), [ok(&["a", "b"]), ok(&["c", "d"])]);
        assert_eq!(read(b"a\rb\r"), [ok(&["a"]), ok(&["b"])]);
    }

    #[test]
    fn a_quote_inside_a_plain_cell_is_text() {
        assert_eq!(read(b"a,5\" hose,c\n"), [ok(&["a", "5\" hose", "c"])]);
    }

    #[test]
    fn a_quote_that_never_closes_spoils_its_line_alone() {
        let lines = read("a,b\n1,é\"x,\"open\n2,y\n3,z".as_bytes());
        assert_eq!(
            lines,
            [ok(&["a", "b"]), Err((Place { line: 2, column: 7 }, BadReason::OpenQuote)), ok(&["2", "y"]), ok(&["3", "z"])]
        );
    }

    #[test]
    fn a_quote_closed_by_the_next_lines_quote_is_blamed_on_its_own_line() {
        let lines = read(b"1,\"Ada,x\n2,\"Bob\",y\n3,z\n");
        assert_eq!(
            lines[0],
            Err((Place { line: 1, column: 3 }, BadReason::TextAfterQuote { at: Place { line: 2, column: 4 } }))
        );
        assert_eq!(lines[1..], [ok(&["2", "Bob", "y"]), ok(&["3", "z"])]);
    }

    #[test]
    fn ten_megabytes_in_one_cell_are_refused_and_the_rest_goes_on() {
        for quote in ["", "\""] {
            let mut text = format!("a,b\n1,{quote}").into_bytes();
            text.extend(std::iter::repeat_n(b'x', 10 << 20));
            text.extend_from_slice(format!("{quote}\n2,y\n").as_bytes());
            let lines = read(&text);
            assert_eq!(
                lines,
                [
                    ok(&["a", "b"]),
                    Err((Place { line: 2, column: 3 }, BadReason::CellTooLarge { limit: MAX_CELL_BYTES })),
                    ok(&["2", "y"])
                ]
            );
        }
    }

    #[test]
    fn a_line_of_endless_cells_is_refused() {
        let mut text = b",".repeat(MAX_CELLS + 2);
        text.extend_from_slice(b"\nb,c\n");
        let lines = read(&text);
        assert!(matches!(&lines[0], Err((_, BadReason::TooManyCells { .. }))));
        assert_eq!(lines[1], ok(&["b", "c"]));
    }

    #[test]
    fn places_count_characters_and_lines_inside_quotes() {
        let mut reader = TableReader::new("\"a\nb\",é,c\nd\n".as_bytes(), b',', Encoding::Utf8);
        let mut cells = Cells::default();
        reader.next(&mut cells).unwrap().unwrap().unwrap();
        let places: Vec<Place> = cells.iter().map(|(_, place)| place).collect();
        assert_eq!(places, [Place { line: 1, column: 1 }, Place { line: 2, column: 4 }, Place { line: 2, column: 6 }]);
        reader.next(&mut cells).unwrap().unwrap().unwrap();
        assert_eq!(cells.place(0), Some(Place { line: 3, column: 1 }));
    }
}
