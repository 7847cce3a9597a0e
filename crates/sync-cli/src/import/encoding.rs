//! Which encoding a file has, and how its bytes become text.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE, WINDOWS_1252};
use serde::Serialize;

/// The encodings that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[value(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[value(name = "utf-8")]
    #[serde(rename = "utf-8")]
    Utf8,
    /// What Excel writes as "CSV" on a western Windows.
    #[value(name = "windows-1252")]
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// What Excel writes as "Unicode text".
    #[value(name = "utf-16le")]
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// The same in the other byte order.
    #[value(name = "utf-16be")]
    #[serde(rename = "utf-16be")]
    Utf16Be,
}

impl Encoding {
    /// The name that people read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Windows1252 => "Windows-1252",
            Self::Utf16Le => "UTF-16 (little endian)",
            Self::Utf16Be => "UTF-16 (big endian)",
        }
    }

    /// True when bytes above 127 come in sequences.
    pub(crate) fn is_utf8(self) -> bool {
        !matches!(self, Self::Windows1252)
    }
}

const UTF8_BOM: &[u8] = &[0xEF, 0xBB, 0xBF];

/// Tells the encoding of a file by all of its bytes.
///
/// A byte order mark decides. Without one, a file is Windows-1252 when it has more bytes that can't be UTF-8 than it has
/// UTF-8 sequences; a few broken bytes in a UTF-8 file stay errors of their lines.
///
/// # Errors
/// When the file can't be read.
pub(super) fn detect(mut file: impl Read) -> io::Result<Encoding> {
    let mut buffer = vec![0_u8; 64 << 10];
    let mut carry: Vec<u8> = Vec::new();
    let (mut n_sequences, mut n_broken) = (0_u64, 0_u64);
    let mut first = true;
    loop {
        let n_read = file.read(&mut buffer)?;
        if n_read == 0 {
            n_broken += carry.len() as u64;
            break;
        }
        carry.extend_from_slice(buffer.get(..n_read).unwrap_or_default());
        if first && carry.len() >= 3 {
            first = false;
            match carry.as_slice() {
                [0xEF, 0xBB, 0xBF, ..] => return Ok(Encoding::Utf8),
                [0xFF, 0xFE, ..] => return Ok(Encoding::Utf16Le),
                [0xFE, 0xFF, ..] => return Ok(Encoding::Utf16Be),
                _ => {}
            }
        }
        let mut rest = carry.as_slice();
        let leftover = loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    n_sequences += sequences(text);
                    break &[][..];
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    n_sequences += std::str::from_utf8(good).map(sequences).unwrap_or(0);
                    match error.error_len() {
                        None => break bad,
                        Some(len) => {
                            n_broken += 1;
                            rest = bad.get(len..).unwrap_or_default();
                        }
                    }
                }
            }
        };
        carry = leftover.to_vec();
    }
    Ok(if n_broken > n_sequences { Encoding::Windows1252 } else { Encoding::Utf8 })
}

fn sequences(text: &str) -> u64 {
    if text.is_ascii() { 0 } else { text.chars().filter(|c| !c.is_ascii()).count() as u64 }
}

/// Text of bytes; `Err` is the offset of the first byte that isn't text.
pub(crate) fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Cow<'_, str>, usize> {
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(at);
    }
    match encoding {
        Encoding::Windows1252 => {
            // Five bytes stand for nothing in Windows-1252; a file that has them isn't one.
            // Source: WHATWG Encoding, index windows-1252 (<https://encoding.spec.whatwg.org/index-windows-1252.txt>)
            // maps them to C1 controls.
            match bytes.iter().position(|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D)) {
                Some(at) => Err(at),
                None => Ok(WINDOWS_1252.decode_without_bom_handling(bytes).0),
            }
        }
        // UTF-16 was turned into UTF-8 by `Utf8Reader`.
        _ => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| error.valid_up_to()),
    }
}

/// Reads a file without its byte order mark, UTF-16 turned into UTF-8.
pub(crate) struct Utf8Reader<R> {
    inner: R,
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    raw_at: usize,
    out: Vec<u8>,
    out_at: usize,
    started: bool,
    ended: bool,
}

impl<R: Read> Utf8Reader<R> {
    pub(crate) fn new(inner: R, encoding: Encoding) -> Self {
        let decoder = match encoding {
            Encoding::Utf16Le => Some(UTF_16LE.new_decoder_with_bom_removal()),
            Encoding::Utf16Be => Some(UTF_16BE.new_decoder_with_bom_removal()),
            Encoding::Utf8 | Encoding::Windows1252 => None,
        };
        Self { inner, decoder, raw: Vec::new(), raw_at: 0, out: Vec::new(), out_at: 0, started: false, ended: false }
    }

    /// Fills `out` with the next bytes; leaves it empty at the end.
    fn refill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.out_at = 0;
        while self.out.is_empty() && !self.ended {
            if self.raw_at == self.raw.len() {
                self.raw.resize(64 << 10, 0);
                let n_read = self.inner.read(&mut self.raw)?;
                self.raw.truncate(n_read);
                self.raw_at = 0;
            }
            let last = self.raw.is_empty();
            match &mut self.decoder {
                None => {
                    std::mem::swap(&mut self.out, &mut self.raw);
                    self.raw.clear();
                    self.raw_at = 0;
                    self.ended = last;
                    if !self.started && self.out.starts_with(UTF8_BOM) {
                        self.out_at = UTF8_BOM.len();
                    }
                    self.started = true;
                }
                Some(decoder) => {
                    // Broken pairs become replacement characters; they are rare enough not to be told apart.
                    let source = self.raw.get(self.raw_at..).unwrap_or_default();
                    let room = decoder.max_utf8_buffer_length(source.len()).unwrap_or(256 << 10);
                    self.out.resize(room, 0);
                    let (result, n_read, n_written, _) = decoder.decode_to_utf8(source, &mut self.out, last);
                    self.out.truncate(n_written);
                    self.raw_at += n_read;
                    self.ended = last && result == CoderResult::InputEmpty;
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf8Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.out_at == self.out.len() {
            if self.ended {
                return Ok(0);
            }
            self.refill()?;
        }
        let ready = self.out.get(self.out_at..).unwrap_or_default();
        let n = ready.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(ready) {
            *to = *from;
        }
        self.out_at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Encoding {
        detect(bytes).unwrap()
    }

    fn read(bytes: &[u8], encoding: Encoding) -> String {
        let mut out = Vec::new();
        Utf8Reader::new(bytes, encoding).read_to_end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_and_accented_utf8_is_utf8() {
        assert_eq!(of(b"id;name\n1;Ada\n"), Encoding::Utf8);
        assert_eq!(of("id;name\n1;José\n".as_bytes()), Encoding::Utf8);
        assert_eq!(of(b""), Encoding::Utf8);
    }

    #[test]
    fn lone_high_bytes_are_windows_1252() {
        assert_eq!(of(b"id;name\n1;Jos\xe9\n2;M\xfcller\n"), Encoding::Windows1252);
        assert_eq!(decode(Encoding::Windows1252, b"\x80 Jos\xe9").unwrap(), "€ José");
    }

    #[test]
    fn one_broken_byte_does_not_turn_a_utf8_file_into_windows_1252() {
        let mut bytes = "id;name\n1;José\n2;Müller\n".as_bytes().to_vec();
        bytes.extend_from_slice(b"3;Jos\xe9\n");
        assert_eq!(of(&bytes), Encoding::Utf8);
        assert_eq!(decode(Encoding::Utf8, b"Jos\xe9"), Err(3));
    }

    #[test]
    fn a_sequence_across_two_reads_is_counted_once() {
        struct Slowly<'a>(&'a [u8]);
        impl Read for Slowly<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                buffer[0] = *first;
                self.0 = rest;
                Ok(1)
            }
        }
        assert_eq!(detect(Slowly("é日本".as_bytes())).unwrap(), Encoding::Utf8);
    }

    #[test]
    fn byte_order_marks_decide_and_are_not_part_of_the_text() {
        assert_eq!(of(b"\xef\xbb\xbfid"), Encoding::Utf8);
        assert_eq!(read(b"\xef\xbb\xbfid", Encoding::Utf8), "id");
        let utf16: Vec<u8> = "\u{feff}id\n日".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(of(&utf16), Encoding::Utf16Le);
        assert_eq!(read(&utf16, Encoding::Utf16Le), "id\n日");
    }

    #[test]
    fn bytes_that_mean_nothing_are_found() {
        assert_eq!(decode(Encoding::Windows1252, b"ab\x81"), Err(2));
        assert_eq!(decode(Encoding::Utf8, b"a\0b"), Err(1));
    }
}
