//! Natural keys: what identifies a record by content.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::FieldName;

/// A field and its normalised value, such as e-mail `ada@example.com`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NaturalKey {
    field: FieldName,
    value: String,
}

impl NaturalKey {
    /// A key of a field: trimmed, lower case, inner white space folded. `None` when nothing is left.
    pub fn of(field: impl Into<FieldName>, value: &str) -> Option<Self> {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        (!value.is_empty()).then(|| Self { field: field.into(), value })
    }

    /// The field.
    pub fn field(&self) -> &FieldName {
        &self.field
    }

    /// The normalised value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Prints no content.
impl fmt::Debug for NaturalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NaturalKey({}: …)", self.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ignore_case_and_outer_and_doubled_white_space() {
        assert_eq!(NaturalKey::of("email", " Ada@Example.COM "), NaturalKey::of("email", "ada@example.com"));
        assert_eq!(NaturalKey::of("name", "Maria  Garcia"), NaturalKey::of("name", "maria garcia"));
        assert_eq!(NaturalKey::of("email", "  "), None);
    }
}
