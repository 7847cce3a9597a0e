//! Reading single fields of a record into typed views. The words of an error name the field and never its content.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;

use crate::{Error, ErrorKind, FieldName, Record, Ref, Result, Value};

/// What the fields of further host data start with.
pub(super) const EXTRA: &str = "extra.";

pub(super) fn text(field: &FieldName, value: &Value) -> Result<Option<String>> {
    match value {
        Value::Text(text) => Ok(Some(text.clone())),
        Value::Null => Ok(None),
        _ => Err(wrong(field, "a text")),
    }
}

pub(super) fn date(field: &FieldName, value: &Value) -> Result<Option<Date>> {
    match value {
        Value::Date(date) => Ok(Some(*date)),
        value if value.is_blank() => Ok(None),
        _ => Err(wrong(field, "a date")),
    }
}

pub(super) fn flag(field: &FieldName, value: &Value) -> Result<Option<bool>> {
    match value {
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::Null => Ok(None),
        _ => Err(wrong(field, "yes or no")),
    }
}

pub(super) fn number(field: &FieldName, value: &Value) -> Result<Option<Decimal>> {
    match value {
        Value::Decimal(number) => Ok(Some(*number)),
        Value::Null => Ok(None),
        _ => Err(wrong(field, "a number")),
    }
}

pub(super) fn instant(field: &FieldName, value: &Value) -> Result<Option<Timestamp>> {
    match value {
        Value::Time { at, .. } => Ok(Some(*at)),
        Value::Null => Ok(None),
        _ => Err(wrong(field, "a time")),
    }
}

pub(super) fn reference(field: &FieldName, value: &Value) -> Result<Option<Ref>> {
    match value {
        Value::Ref(to) => Ok(Some(to.clone())),
        value if value.is_blank() => Ok(None),
        _ => Err(wrong(field, "a reference to another record")),
    }
}

pub(super) fn list<'a>(field: &FieldName, value: &'a Value) -> Result<&'a [Record]> {
    match value {
        Value::List(list) => Ok(list),
        value if value.is_blank() => Ok(&[]),
        _ => Err(wrong(field, "a list of records")),
    }
}

pub(super) fn wrong(field: &FieldName, wanted: &str) -> Error {
    invalid(format!("the field {field} must be {wanted}"), "Correct this field of the record, or its mapping.")
}

/// What is wrong with one record. The words hold no content.
pub(super) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>, remedy: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, message).with_remedy(remedy)
}

/// A word from a short list of which providers and hosts know more than we do: what isn't in the list is kept as it came.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$of])* $variant,)*
            /// A word that we do not know, as it came.
            Other(String),
        }

        impl $name {
            /// The word in records.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }

            /// What a word means.
            pub fn of_word(word: &str) -> Self {
                match word.trim() {
                    $($word => Self::$variant,)*
                    _ => Self::Other(word.to_owned()),
                }
            }

            fn read(field: &crate::FieldName, value: &crate::Value) -> crate::Result<Option<Self>> {
                Ok(super::field::text(field, value)?.filter(|word| !word.trim().is_empty()).map(|word| Self::of_word(&word)))
            }
        }
    };
}

pub(super) use words;
