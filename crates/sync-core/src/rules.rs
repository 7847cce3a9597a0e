//! What a connection's settings decide about one resource: policies as data, so that the engine needs no provider.

use rust_decimal::Decimal;

use crate::{ContainerId, Direction, FieldName, FieldOwner, FieldSet, Record, Role, Value};

/// How one resource of one connection is synced.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rules {
    /// The host's fields that are mapped. No other field is asked for.
    pub fields: FieldSet,
    /// A digest of the settings that decide how the same fields look there. When it changes, linked records are written
    /// again; empty when there are none such.
    pub mapping: String,
    /// Fields that identify a record by content, the strongest first. The first is the one that twins are found by.
    pub match_on: Vec<FieldName>,
    /// True when a match by the first of `match_on` alone is proof: the provider knows at most one record by it.
    pub match_is_proof: bool,
    /// Which records go at all; all when `None`.
    pub filter: Option<Filter>,
    /// What happens to the counterpart of a record that leaves the filter.
    pub out_of_scope: OutOfScope,
    /// What happens when several local records share a key that the provider knows once.
    pub shared_key: SharedKey,
    /// Owners that settings narrowed.
    pub owners: Vec<(FieldName, FieldOwner)>,
    /// Conflict policies per field; [`ConflictPolicy::Ask`] for the rest.
    pub conflicts: Vec<(FieldName, ConflictPolicy)>,
    /// What happens to records that are new there.
    pub on_remote_new: OnRemoteNew,
    /// What happens when a linked record was deleted there.
    pub on_remote_delete: OnRemoteDelete,
    /// Which sides the connection lets a sync write. A request can only narrow it.
    pub direction: Direction,
    /// Who wins when a record that was new here was found there and a field that either side owns differs. Counts where
    /// both sides may be written; a sync that only pushes takes the host's.
    pub on_match: ConflictPolicy,
    /// The host's field that tells when a record changed, for [`ConflictPolicy::Newest`]. It is asked for, never written.
    pub changed_at: Option<FieldName>,
    /// Changes there that a person is asked about before they are written here.
    pub guards: Vec<Guard>,
    /// What happens when the host refuses a change that was made there.
    pub on_refusal: OnRefusal,
}

/// Changes there that a person is asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// A change of one of these fields.
    pub fields: Vec<FieldName>,
    /// Of records that this admits; of all when `None`.
    pub when: Option<Filter>,
}

impl Rules {
    /// The defaults, for these fields.
    pub fn new(fields: FieldSet) -> Self {
        Self {
            fields,
            mapping: String::new(),
            match_on: Vec::new(),
            match_is_proof: false,
            filter: None,
            out_of_scope: OutOfScope::Keep,
            shared_key: SharedKey::Ask,
            owners: Vec::new(),
            conflicts: Vec::new(),
            on_remote_new: OnRemoteNew::Ignore,
            on_remote_delete: OnRemoteDelete::Flag,
            direction: Direction::Push,
            on_match: ConflictPolicy::Ask,
            changed_at: None,
            guards: Vec::new(),
            on_refusal: OnRefusal::Ask,
        }
    }
}

/// Where one record goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which of its counterparts.
    pub role: Role,
    /// Where in the account.
    pub container: Option<ContainerId>,
}

/// A test on one field.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Filter {
    /// The field.
    pub field: FieldName,
    /// The test.
    #[serde(flatten)]
    pub test: FilterTest,
}

/// What a [`Filter`] tests.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FilterTest {
    /// The set has at least one of these, or the text is one of these.
    AnyOf(Vec<String>),
    /// The set has none of these, and the text is none of these.
    NoneOf(Vec<String>),
    /// There is a value.
    Present(bool),
    /// The number is larger.
    MoreThan(Decimal),
}

impl Filter {
    /// True when the record goes.
    pub fn admits(&self, record: &Record) -> bool {
        let value = record.value(self.field.as_str());
        let has = |wanted: &String| match value {
            Some(Value::Set(set)) => set.contains(wanted),
            Some(Value::Text(text)) => text == wanted,
            Some(Value::Bool(yes)) => wanted == if *yes { "true" } else { "false" },
            Some(Value::Decimal(number)) => number.to_string() == *wanted,
            _ => false,
        };
        match &self.test {
            FilterTest::AnyOf(wanted) => wanted.iter().any(has),
            FilterTest::NoneOf(unwanted) => !unwanted.iter().any(has),
            FilterTest::Present(present) => value.is_some_and(|value| !value.is_blank()) == *present,
            FilterTest::MoreThan(least) => matches!(value, Some(Value::Decimal(number)) if number > least),
        }
    }
}

/// What happens to the counterpart of a record that leaves the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfScope {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is archived.
    Archive,
}

/// What happens when several local records share a key that the provider knows once (families with one address).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SharedKey {
    /// A person is asked, once for each group.
    #[default]
    Ask,
    /// The record with the smallest local id goes, the others are left out.
    Oldest,
    /// The record with the smallest local id goes with everybody's tags and the lowest consent.
    UnionOfTags,
}

/// Who wins when both sides changed a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictPolicy {
    /// The host.
    LocalWins,
    /// The provider.
    RemoteWins,
    /// The newer, where both sides tell times.
    Newest,
    /// A person is asked.
    #[default]
    Ask,
}

/// What happens to records that are new there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRemoteNew {
    /// Nothing.
    #[default]
    Ignore,
    /// A person is asked.
    Ask,
    /// They are made here.
    Create,
}

/// What happens when a linked record was deleted there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRemoteDelete {
    /// The link is marked "gone there" and the item waits as a question.
    #[default]
    Flag,
    /// The link is dropped.
    Detach,
    /// The record is cancelled here.
    Cancel,
    /// It is made there again.
    Recreate,
    /// It is deleted here, where the host's records declare that.
    Delete,
}

/// What happens when the host refuses a change that was made there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRefusal {
    /// A person is asked, in the host's words.
    #[default]
    Ask,
    /// The other side is put back as the host has it.
    PutBack,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_tests_sets_texts_and_presence() {
        let record = Record::new().with("tags", Value::Set(["diver".to_owned()].into())).with("country", Value::text("ES"));
        let any = |field: &str, wanted: &str| Filter { field: field.into(), test: FilterTest::AnyOf(vec![wanted.into()]) };
        assert!(any("tags", "diver").admits(&record));
        assert!(!any("tags", "guest").admits(&record));
        assert!(any("country", "ES").admits(&record));
        assert!(Filter { field: "email".into(), test: FilterTest::Present(false) }.admits(&record));
        assert!(!Filter { field: "tags".into(), test: FilterTest::NoneOf(vec!["diver".into()]) }.admits(&record));
        let booked = Filter { field: "booked".into(), test: FilterTest::MoreThan(Decimal::ZERO) };
        assert!(!booked.admits(&record));
        assert!(booked.admits(&record.with("booked", Value::Decimal(Decimal::ONE))));
    }

    #[test]
    fn a_filter_reads_as_one_short_table() {
        let filter: Filter = serde_json::from_str(r#"{"field":"tags","any-of":["diver"]}"#).unwrap();
        assert_eq!(filter.test, FilterTest::AnyOf(vec!["diver".into()]));
    }
}
