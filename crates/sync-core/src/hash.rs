//! Hashes of values by their meaning.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Ref, Value};

/// The first 128 bits of a SHA-256, shown as hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 16]);

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = crate::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Hash {
    /// Starts a hash to which length-prefixed parts are added.
    pub fn start() -> Hasher {
        Hasher(Sha256::new())
    }

    /// The hash of one text.
    pub fn of_text(text: &str) -> Self {
        let mut hash = Self::start();
        hash.text(text);
        hash.finish()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0_u8; 32];
        for (i, byte) in self.0.iter().enumerate() {
            text[2 * i] = DIGITS[usize::from(byte >> 4)];
            text[2 * i + 1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl std::str::FromStr for Hash {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || crate::Error::new(crate::ErrorKind::Corrupt, "a hash is 32 hexadecimal characters");
        if text.len() != 32 || !text.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 16];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

/// Collects the parts of a [`struct@Hash`]. Each part is length-prefixed, so that two lists of parts never run together.
#[derive(Debug, Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds a value by its meaning: 1.0 and 1.00 are the same decimal, and the zone an instant was said in is no change.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.bytes(b"n"),
            Value::Bool(yes) => self.bytes(if *yes { b"b1" } else { b"b0" }),
            Value::Text(text) => {
                self.bytes(b"t");
                self.text(text);
            }
            Value::Decimal(number) => {
                self.bytes(b"d");
                self.text(&number.normalize().to_string());
            }
            Value::Date(date) => {
                self.bytes(b"y");
                self.text(&date.to_string());
            }
            Value::Time { at, .. } => {
                self.bytes(b"i");
                self.bytes(&at.as_nanosecond().to_le_bytes());
            }
            Value::Set(set) => {
                self.bytes(b"s");
                self.bytes(&(set.len() as u64).to_le_bytes());
                set.iter().for_each(|element| self.text(element));
            }
            Value::Ref(Ref::Local { collection, id }) => {
                self.bytes(b"rl");
                self.text(collection.as_str());
                self.text(id.as_str());
            }
            Value::Ref(Ref::Foreign { resource, id }) => {
                self.bytes(b"rf");
                self.text(resource.as_str());
                self.text(id.as_str());
            }
            Value::List(list) => {
                self.bytes(b"l");
                self.bytes(&(list.len() as u64).to_le_bytes());
                list.iter().for_each(|record| self.bytes(&record.hash().0));
            }
            Value::Consent(consent) => {
                self.bytes(b"c");
                self.text(consent.state.as_str());
                self.text(&consent.at.map(|at| at.to_string()).unwrap_or_default());
            }
            // serde_json orders object keys (its `preserve_order` feature is off), so equal structures print alike.
            Value::Json(json) => {
                self.bytes(b"j");
                self.text(&json.to_string());
            }
        }
    }

    /// The hash of what was added.
    pub fn finish(self) -> Hash {
        let digest = self.0.finalize();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        Hash(short)
    }
}
