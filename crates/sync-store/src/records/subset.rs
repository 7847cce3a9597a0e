//! Reads the fields that are asked for out of a stored record, and builds nothing of the others.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use sync_core::{FieldName, FieldSet, Record, Result, Value};

use crate::error::corrupt;

/// The asked fields of a stored record.
pub(super) fn fields_of(stored: &str, asked: &FieldSet) -> Result<Record> {
    let mut json = serde_json::Deserializer::from_str(stored);
    Subset(asked).deserialize(&mut json).map_err(|_| corrupt("record"))
}

struct Subset<'a>(&'a FieldSet);

impl<'de> DeserializeSeed<'de> for Subset<'_> {
    type Value = Record;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Record, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Subset<'_> {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Record, A::Error> {
        let mut record = Record::new();
        while let Some(asked) = map.next_key_seed(Asked(self.0))? {
            match asked {
                Some(field) => {
                    record.set(field, map.next_value::<Value>()?);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(record)
    }
}

/// A field's name, where it is asked for.
struct Asked<'a>(&'a FieldSet);

impl<'de> DeserializeSeed<'de> for Asked<'_> {
    type Value = Option<FieldName>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Asked<'_> {
    type Value = Option<FieldName>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> std::result::Result<Self::Value, E> {
        Ok(self.0.get(name).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::to_json;

    #[test]
    fn only_the_asked_fields_are_read() {
        let record = Record::new()
            .with("email", Value::text("ada@example.com"))
            .with("extra.notes", Value::text("secret"))
            .with("tags", Value::Set(["diver".to_owned()].into()));
        let asked: FieldSet = ["email".into(), "tags".into(), "phone".into()].into();
        let read = fields_of(&to_json(&record).unwrap(), &asked).unwrap();
        assert_eq!(read.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), ["email", "tags"]);
        assert_eq!(read.text("email"), Some("ada@example.com"));
    }

    #[test]
    fn what_is_no_record_is_corrupt_and_not_quoted() {
        let error = fields_of(r#"{"email":{"text":5}}"#, &["email".into()].into()).unwrap_err();
        assert_eq!(error.kind(), sync_core::ErrorKind::Corrupt);
    }
}
