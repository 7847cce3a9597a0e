//! What people wrote, and what they saw when they wrote it: the model of what may be shown at rest.
//!
//! It knows nothing of the engine. Each value that anybody writes is unique in its world; who changes a field sees what
//! stands there and replaces it. So a value *covers* those it came after, and at rest a value that nothing shown covers
//! was lost, unless somebody was told of it.

use std::collections::{BTreeMap, BTreeSet};

/// Which side people work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The host.
    Here,
    /// The provider.
    There,
}

/// One change of one field by people.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The record, by the name that it has on both sides.
    pub record: String,
    /// The field.
    pub field: &'static str,
    /// Where.
    pub side: Side,
    /// What they wrote.
    pub value: String,
}

/// All changes of a world, and what each replaced.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    edits: Vec<Edit>,
    replaced: BTreeMap<(String, &'static str, String), BTreeSet<String>>,
    excused: BTreeSet<(String, &'static str, String)>,
}

impl Lineage {
    /// Somebody writes a value where they saw another one, or nothing.
    pub fn edit(&mut self, side: Side, record: &str, field: &'static str, value: &str, saw: Option<&str>) {
        self.edits.push(Edit { record: record.to_owned(), field, side, value: value.to_owned() });
        if let Some(saw) = saw.filter(|saw| *saw != value) {
            self.chose(record, field, value, saw);
        }
    }

    /// Somebody saw two values and chose one.
    pub fn chose(&mut self, record: &str, field: &'static str, winner: &str, loser: &str) {
        if winner != loser {
            self.replaced.entry((record.to_owned(), field, winner.to_owned())).or_default().insert(loser.to_owned());
        }
    }

    /// Somebody threw away what stood there, with the record or knowingly.
    pub fn excuse(&mut self, record: &str, field: &'static str, value: &str) {
        self.excused.insert((record.to_owned(), field, value.to_owned()));
    }

    /// True when a value is another, or was written by somebody who knew it.
    pub fn covers(&self, record: &str, field: &'static str, value: &str, other: &str) -> bool {
        let (mut open, mut known) = (vec![value.to_owned()], BTreeSet::new());
        while let Some(value) = open.pop() {
            if value == other {
                return true;
            }
            if known.insert(value.clone()) {
                let replaced = self.replaced.get(&(record.to_owned(), field, value));
                open.extend(replaced.into_iter().flatten().cloned());
            }
        }
        false
    }

    /// What people wrote and nothing that is shown covers.
    pub fn lost(&self, record: &str, field: &'static str, shown: &[&str]) -> Vec<&Edit> {
        let is_lost = |edit: &&Edit| {
            let is_covered = |value: &&str| {
                let excused = self.excused.iter().filter(|(of, name, _)| of == record && *name == field);
                self.covers(record, field, value, &edit.value)
                    || excused.into_iter().any(|(.., gone)| self.covers(record, field, gone, &edit.value))
            };
            edit.record == record && edit.field == field && !shown.iter().any(is_covered)
        };
        self.edits.iter().filter(is_lost).collect()
    }

    /// True when people of this side wrote this value.
    pub fn is_by(&self, side: Side, record: &str, field: &'static str, value: &str) -> bool {
        let is_it = |edit: &Edit| edit.side == side && edit.record == record && edit.field == field && edit.value == value;
        self.edits.iter().any(is_it)
    }

    /// True when people wrote this value.
    pub fn knows(&self, record: &str, field: &'static str, value: &str) -> bool {
        self.edits.iter().any(|edit| edit.record == record && edit.field == field && edit.value == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_nobody_saw_and_nothing_shows_was_lost() {
        let mut lineage = Lineage::default();
        lineage.edit(Side::Here, "T1", "title", "a", None);
        lineage.edit(Side::There, "T1", "title", "b", Some("a"));
        lineage.edit(Side::Here, "T1", "title", "c", Some("a"));
        assert_eq!(lineage.lost("T1", "title", &["c"])[0].value, "b");
        assert!(lineage.lost("T1", "title", &["c", "b"]).is_empty(), "both are shown");
        lineage.chose("T1", "title", "c", "b");
        assert!(lineage.lost("T1", "title", &["c"]).is_empty(), "a person chose");
        assert_eq!(lineage.lost("T1", "title", &["a"]).len(), 2, "an older value came back");
    }
}
