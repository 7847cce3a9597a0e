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
    /// The host's field that says which records are of one series: where several of them were changed there in the same
    /// way, a person is asked once. It is asked for, never written.
    pub series: Option<FieldName>,
    /// Changes there that a person is asked about before they are written here.
    pub guards: Vec<Guard>,
    /// What happens when the host refuses a change that was made there.
    pub on_refusal: OnRefusal,
    /// Fields of the host's that are not overwritten unasked where they were changed there too.
    pub contested: Vec<FieldName>,
    /// What becomes of a change that the record there does not take any more.
    pub amend: Amend,
    /// By what a record without a link is recognised, the strongest first. Counts instead of `match_on` where there is any.
    pub evidence: Vec<Evidence>,
    /// What is no evidence, whoever has it.
    pub no_evidence: NoEvidence,
}

/// Changes there that a person is asked about: before they are written here, and, of fields that are the host's, as soon as
/// they are seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// A change of one of these fields.
    pub fields: Vec<FieldName>,
    /// Of records that this admits as they are here, or as they are there; of all when `None`.
    pub when: Option<Filter>,
}

/// Keys that together say that two records are the same, or may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The names of the keys; all must be equal.
    pub keys: Vec<FieldName>,
    /// A day that must be near, too.
    pub near: Option<Near>,
    /// What it means.
    pub verdict: Verdict,
}

/// Two days that are not far from each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// The field of the day.
    pub field: FieldName,
    /// How far they may lie apart.
    pub days: u32,
}

/// What evidence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is the same record, if only one has it.
    Same,
    /// It is the same record, and was there before us: linked under this code of an outcome, and left as it is.
    There(&'static str),
    /// It may be: a person is asked.
    Ask,
}

/// Keys that say nothing, since many have them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NoEvidence {
    /// Values of keys, with `*` for any text: `walkin@*`, `*@example.com`.
    pub values: Vec<(FieldName, String)>,
    /// Keys of which more records than this are found; unlimited when `None`.
    pub more_than: Option<usize>,
}

impl NoEvidence {
    /// True when the value of a key says nothing.
    pub fn covers(&self, field: &str, value: &str) -> bool {
        self.values.iter().any(|(name, pattern)| name.as_str() == field && fits(&pattern.to_lowercase(), value))
    }
}

/// True when a text is what a pattern says, in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return text.ends_with(piece);
        }
        match text.find(piece) {
            Some(at) => text = text.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// What becomes of a change that the record there does not take any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amend {
    /// A further record makes up for it.
    #[default]
    Adjust,
    /// A person is asked first.
    Ask,
}

impl Rules {
    /// True for a field that only this side has: it is asked for to decide by, and written nowhere.
    pub fn is_aside(&self, field: &FieldName) -> bool {
        self.changed_at.as_ref() == Some(field) || self.series.as_ref() == Some(field)
    }

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
            series: None,
            guards: Vec::new(),
            on_refusal: OnRefusal::Ask,
            contested: Vec::new(),
            amend: Amend::Adjust,
            evidence: Vec::new(),
            no_evidence: NoEvidence::default(),
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
    fn what_many_have_is_no_evidence() {
        let none = NoEvidence {
            values: vec![("email".into(), "walkin@*".into()), ("email".into(), "*@Blue-Manta.example".into())],
            more_than: None,
        };
        assert!(none.covers("email", "walkin@example.com") && none.covers("email", "desk@blue-manta.example"));
        assert!(!none.covers("email", "ada@example.com") && !none.covers("name", "walkin@example.com"));
        assert!(fits("a*b*c", "axxbyyc") && !fits("a*b*c", "axxc") && fits("*", "") && !fits("ab*ba", "aba"));
    }

    #[test]
    fn a_filter_reads_as_one_short_table() {
        let filter: Filter = serde_json::from_str(r#"{"field":"tags","any-of":["diver"]}"#).unwrap();
        assert_eq!(filter.test, FilterTest::AnyOf(vec!["diver".into()]));
    }
}
