//! Records in the engine: field name to value, erased; typed views live in [`crate::model`].

use std::{collections::BTreeSet, fmt};

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use crate::{
    Collection, Consent, FieldName, Hash, LocalId, RemoteId, ResourceName,
    zoo::{self, Defect},
};

/// One field's value.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Value {
    /// Known to be empty.
    Null,
    /// Yes or no.
    Bool(bool),
    /// Any text.
    Text(String),
    /// An exact number. Money is never a float.
    Decimal(Decimal),
    /// A calendar day, without a zone.
    Date(Date),
    /// An instant, with the IANA zone it was said in where one is known.
    Time {
        /// The instant.
        at: Timestamp,
        /// The IANA zone, such as `Europe/Madrid`.
        zone: Option<String>,
    },
    /// Unordered texts, such as tags.
    Set(BTreeSet<String>),
    /// Another record.
    Ref(Ref),
    /// What a person has agreed to on one channel.
    Consent(Consent),
    /// Records inside a record, in order, such as the lines of an invoice.
    List(Vec<Record>),
    /// Anything structured.
    Json(serde_json::Value),
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// True for null and for empty text, set and structure: a blank never overwrites a value.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Json(json) => match json {
                serde_json::Value::Null => true,
                serde_json::Value::Array(list) => list.is_empty(),
                serde_json::Value::Object(map) => map.is_empty(),
                serde_json::Value::String(text) => text.trim().is_empty(),
                _ => false,
            },
            _ => false,
        }
    }

    /// The text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The set, where it is one.
    pub fn as_set(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Set(set) => Some(set),
            _ => None,
        }
    }

    /// The records inside, where it is a list.
    pub fn as_list(&self) -> Option<&[Record]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The number, where it is one.
    pub fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Self::Decimal(number) => Some(*number),
            _ => None,
        }
    }

    /// Shows every reference in it, however deep it lies.
    pub fn each_ref<'a>(&'a self, show: &mut impl FnMut(&'a Ref)) {
        match self {
            Self::Ref(to) => show(to),
            Self::List(list) => list.iter().flat_map(|record| record.iter()).for_each(|(_, value)| value.each_ref(show)),
            _ => {}
        }
    }

    /// Lets every reference in it be replaced, however deep it lies.
    pub fn each_ref_mut(&mut self, replace: &mut impl FnMut(&mut Ref)) {
        match self {
            Self::Ref(to) => replace(to),
            Self::List(list) => list.iter_mut().for_each(|record| record.each_ref_mut(replace)),
            _ => {}
        }
    }

    /// The consent, where it is one.
    pub fn as_consent(&self) -> Option<&Consent> {
        match self {
            Self::Consent(consent) => Some(consent),
            _ => None,
        }
    }
}

/// Prints the variant alone: record content stays out of logs.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(text) if zoo::is(Defect::PrintsRecords) => text,
            Self::Null => "Null",
            Self::Bool(_) => "Bool(…)",
            Self::Text(_) => "Text(…)",
            Self::Decimal(_) => "Decimal(…)",
            Self::Date(_) => "Date(…)",
            Self::Time { .. } => "Time(…)",
            Self::Set(_) => "Set(…)",
            Self::Ref(_) => "Ref(…)",
            Self::Consent(_) => "Consent(…)",
            Self::List(_) => "List(…)",
            Self::Json(_) => "Json(…)",
        })
    }
}

/// A reference from one record to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ref {
    /// To a record of the host; translated to a remote id when the part is sent.
    Local {
        /// The host's table.
        collection: Collection,
        /// Its id there.
        id: LocalId,
    },
    /// To a record at the provider: what a provider tells. The engine makes it [`Ref::Local`] where the record has a
    /// counterpart here.
    Foreign {
        /// Its kind there.
        resource: ResourceName,
        /// Its id there.
        id: RemoteId,
    },
}

/// How a field's two sides are compared and merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// One value; the sides conflict as a whole.
    Scalar,
    /// One value with an inside that is never merged.
    Atomic,
    /// A list of records of which these members are compared, and whose other members are the provider's own, such as the
    /// lines of an invoice with the account that each is booked to. The list is one value, as an atomic one; the operation
    /// says what it was on either side ([`crate::Operation::agreed`]).
    Lines(&'static [&'static str]),
    /// A set in which each side owns the elements it added, such as tags.
    OwnedSet,
    /// A reference to another record.
    Reference,
    /// Consent: either side may lower it, only a newer local opt-in raises it.
    Consent,
}

/// Whose value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldOwner {
    /// The host's.
    Local,
    /// The provider's.
    Remote,
    /// Either's; a conflict policy settles it when both changed.
    Both,
}

/// A record without a type: field name to value.
#[derive(Clone, PartialEq, Default)]
// In the order of the names. Records are small and there are many: one piece of memory each, and quick to copy.
pub struct Record(Vec<(FieldName, Value)>);

impl Record {
    /// A record without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field.
    pub fn set(&mut self, field: impl Into<FieldName>, value: Value) -> &mut Self {
        let field = field.into();
        match self.place(field.as_str()) {
            Ok(idx) => self.0[idx].1 = value,
            Err(idx) => self.0.insert(idx, (field, value)),
        }
        self
    }

    /// Sets a field, by value.
    #[must_use]
    pub fn with(mut self, field: impl Into<FieldName>, value: Value) -> Self {
        self.set(field, value);
        self
    }

    /// Where a field is, or where it belongs.
    fn place(&self, field: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| name.as_str().cmp(field))
    }

    /// A field's value; `None` when the field isn't there (which is not the same as blank).
    pub fn value(&self, field: &str) -> Option<&Value> {
        self.place(field).ok().map(|idx| &self.0[idx].1)
    }

    /// A field's text, trimmed; `None` when absent, blank or not a text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.value(field).and_then(Value::as_text).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Takes a field out.
    pub fn remove(&mut self, field: &str) -> Option<Value> {
        self.place(field).ok().map(|idx| self.0.remove(idx).1)
    }

    /// All fields, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&FieldName, &Value)> {
        self.0.iter().map(|(field, value)| (field, value))
    }

    /// Shows every reference in it, also those in lists.
    pub fn each_ref<'a>(&'a self, show: &mut impl FnMut(&'a Ref)) {
        self.0.iter().for_each(|(_, value)| value.each_ref(show));
    }

    /// Lets every reference in it be replaced, also those in lists.
    pub fn each_ref_mut(&mut self, replace: &mut impl FnMut(&mut Ref)) {
        self.0.iter_mut().for_each(|(_, value)| value.each_ref_mut(replace));
    }

    /// Keeps the fields for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&FieldName) -> bool) {
        self.0.retain(|(field, _)| keep(field));
    }

    /// True when there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hash of all fields in the order of their names. Blank values count as absent, so that a host that starts to
    /// send empty texts does not look changed.
    pub fn hash(&self) -> Hash {
        let mut hash = Hash::start();
        for (field, value) in self.iter().filter(|(_, value)| !value.is_blank()) {
            hash.text(field.as_str());
            hash.value(value);
        }
        hash.finish()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Of a field that comes twice the last one counts.
impl FromIterator<(FieldName, Value)> for Record {
    fn from_iter<I: IntoIterator<Item = (FieldName, Value)>>(fields: I) -> Self {
        let mut record = Self::new();
        for (field, value) in fields {
            // They mostly come in order.
            if record.0.last().is_none_or(|(last, _)| *last < field) {
                record.0.push((field, value));
            } else {
                record.set(field, value);
            }
        }
        // Thousands are held at once, and few are added to afterwards.
        record.0.shrink_to_fit();
        record
    }
}

/// As a map.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                std::iter::from_fn(|| map.next_entry().transpose()).collect()
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

impl IntoIterator for Record {
    type Item = (FieldName, Value);
    type IntoIter = std::vec::IntoIter<(FieldName, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_fields_do_not_change_the_hash_and_values_do() {
        let full = Record::new().with("email", Value::text("ada@example.com"));
        let with_blank = full.clone().with("phone", Value::text(" "));
        assert_eq!(full.hash(), with_blank.hash());
        assert_ne!(full.hash(), full.clone().with("phone", Value::text("1")).hash());
    }

    #[test]
    fn parts_of_a_hash_do_not_run_together() {
        let of = |parts: [&str; 2]| {
            let mut hash = Hash::start();
            parts.iter().for_each(|part| hash.text(part));
            hash.finish()
        };
        assert_ne!(of(["ab", "c"]), of(["a", "bc"]));
    }

    #[test]
    fn a_hash_reads_back_what_it_prints() {
        let hash = Hash::of_text("x");
        assert_eq!(hash.to_string().parse::<Hash>().ok(), Some(hash));
        assert!("zz".parse::<Hash>().is_err());
    }

    #[test]
    fn a_list_is_equal_by_meaning_and_order_and_its_references_are_found() {
        let to = |id: &str| Value::Ref(Ref::Local { collection: Collection::INVOICES, id: LocalId::new(id) });
        let line = |id: &str, amount: &str| {
            Record::new().with("invoice", to(id)).with("amount", Value::Decimal(amount.parse().unwrap_or_default()))
        };
        let list = |lines: Vec<Record>| Record::new().with("allocations", Value::List(lines)).with("customer", to("c"));
        let record = list(vec![line("1", "2.50"), line("2", "1")]);
        assert_eq!(record.hash(), list(vec![line("1", "2.5"), line("2", "1.00")]).hash());
        assert_ne!(record.hash(), list(vec![line("2", "1"), line("1", "2.5")]).hash());
        let mut found = Vec::new();
        record.each_ref(&mut |to| found.push(to.clone()));
        assert_eq!(found.len(), 3);
        let mut replaced = record.clone();
        replaced.each_ref_mut(&mut |to| *to = Ref::Foreign { resource: "invoices".into(), id: "r".into() });
        assert_ne!(replaced.hash(), record.hash());
        assert_eq!(serde_json::from_str::<Record>(&serde_json::to_string(&record).unwrap()).unwrap(), record);
        assert!(!format!("{record:?}").contains("2.5") && Value::List(Vec::new()).is_blank());
    }

    #[test]
    fn debug_shows_no_content() {
        let record = Record::new().with("email", Value::text("ada@example.com"));
        assert!(!format!("{record:?}").contains("ada@"));
    }

    #[test]
    fn a_record_is_a_map_in_the_order_of_its_names_and_the_last_word_counts() {
        let record: Record = serde_json::from_str(r#"{"b":{"text":"1"},"a":{"text":"2"},"b":{"text":"3"}}"#).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), r#"{"a":{"text":"2"},"b":{"text":"3"}}"#);
        let mut other = Record::new().with("b", Value::text("3")).with("c", Value::Null).with("a", Value::text("2"));
        assert_eq!((other.remove("c"), other.remove("d")), (Some(Value::Null), None));
        assert_eq!(other, record);
        assert_eq!(other.into_iter().map(|(field, _)| field.to_string()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn equal_decimals_hash_alike_whatever_their_scale() {
        let hash = |text: &str| Record::new().with("a", Value::Decimal(text.parse().unwrap_or_default())).hash();
        assert_eq!(hash("1.0"), hash("1.00"));
    }
}
