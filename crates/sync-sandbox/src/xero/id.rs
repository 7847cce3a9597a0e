//! Ids as Xero writes them: UUIDs in lower case.

use std::fmt;

use md5::{Digest, Md5};
use serde_json::Value;

/// The id of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Id(u128);

impl Id {
    /// The id of what was not made.
    pub(super) const ZERO: Self = Self(0);

    /// An id that follows from a text: the same seed gives the same ids.
    pub(super) fn of(text: &str) -> Self {
        let digest: [u8; 16] = Md5::digest(text.as_bytes()).into();
        // Version 4, variant 1, as real ones have.
        let bits = u128::from_be_bytes(digest) & !(0xf << 76) & !(0x3 << 62);
        Self(bits | (0x4 << 76) | (0x2 << 62))
    }

    /// Reads an id, in either case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let groups: Vec<&str> = text.trim_matches(['{', '}']).split('-').collect();
        let lengths = [8, 4, 4, 4, 12];
        if groups.len() != lengths.len() || groups.iter().zip(lengths).any(|(group, length)| group.len() != length) {
            return None;
        }
        u128::from_str_radix(&groups.concat(), 16).ok().map(Self)
    }

    pub(super) fn read(value: Option<&Value>) -> Option<Self> {
        value.and_then(Value::as_str).and_then(Self::parse)
    }

    /// True for the id of something.
    pub(super) fn is_some(self) -> bool {
        self != Self::ZERO
    }

    pub(super) fn json(self) -> Value {
        Value::String(self.to_string())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = Id::of("a contact");
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        assert_eq!(Id::parse(&id.to_string().to_uppercase()), Some(id));
        assert_eq!(&id.to_string()[14..15], "4");
        assert_eq!(Id::ZERO.to_string(), "00000000-0000-0000-0000-000000000000");
        for wrong in ["", "A-1", "00000000000000000000000000000000"] {
            assert_eq!(Id::parse(wrong), None, "{wrong}");
        }
    }
}
