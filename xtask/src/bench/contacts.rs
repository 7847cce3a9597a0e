//! The shop that is measured with: consenting contacts with tags, the same in every run.

use std::{collections::BTreeMap, fmt::Write as _};

/// So many different tags there are, of which each contact has [`TAGS_EACH`].
pub(super) const N_TAGS: usize = 12;
const TAGS_EACH: usize = 3;

/// One contact in so many changes its name in the second list; three in ten of these change a tag too.
const CHANGED_ONE_IN: usize = 100;

/// Members in a call, as Mailchimp allows.
/// Source: <https://mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe/>: up to 500 members.
pub(super) const PER_CALL: usize = 500;

/// A list of contacts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contacts {
    pub(super) n: usize,
    /// True for the list after some contacts changed.
    pub(super) changed: bool,
}

/// One contact.
#[derive(Debug, PartialEq)]
pub(super) struct Contact {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) tags: Vec<String>,
}

impl Contacts {
    pub(super) fn new(n: usize) -> Self {
        Self { n, changed: false }
    }

    pub(super) fn changed(self) -> Self {
        Self { changed: true, ..self }
    }

    /// How many contacts of the changed list differ.
    pub(super) fn n_changed(self) -> usize {
        self.n.div_ceil(CHANGED_ONE_IN)
    }

    pub(super) fn contact(self, i: usize) -> Contact {
        let is_changed = self.changed && i.is_multiple_of(CHANGED_ONE_IN);
        let mut tags: Vec<usize> = (0..TAGS_EACH).map(|k| (7 * i + 5 * k + i / N_TAGS) % N_TAGS).collect();
        if is_changed && (i / CHANGED_ONE_IN) % 10 < 3 {
            let other = (0..N_TAGS).find(|tag| !tags.contains(tag)).unwrap_or_default();
            tags[0] = other;
        }
        Contact {
            id: format!("c{i:07}"),
            email: format!("customer{i}@example.com"),
            first_name: format!("First{}", i % 977),
            last_name: format!("{}{}", if is_changed { "Other" } else { "Last" }, i % 3931),
            tags: tags.into_iter().map(|tag| format!("tag-{tag}")).collect(),
        }
    }

    /// The list as a file to import.
    pub(super) fn csv(self) -> String {
        let mut text = String::from("id,email,first_name,last_name,tags,newsletter,agreed\n");
        for i in 0..self.n {
            let Contact { id, email, first_name, last_name, tags } = self.contact(i);
            // Writing to a text can't fail.
            let _ = writeln!(text, "{id},{email},{first_name},{last_name},{},yes,2025-05-01", tags.join(";"));
        }
        text
    }

    /// How many calls the tags need at least, from nothing: for each tag, its contacts by [`PER_CALL`], rounded up.
    pub(super) fn tag_calls(self) -> usize {
        calls((0..self.n).flat_map(|i| self.contact(i).tags))
    }

    /// How many calls the changed tags need at least, added and removed ones apart.
    pub(super) fn changed_tag_calls(self) -> usize {
        let pairs = (0..self.n).step_by(CHANGED_ONE_IN).flat_map(|i| {
            let (before, after) = (Self { changed: false, ..self }.contact(i).tags, self.changed().contact(i).tags);
            let only = |a: &[String], b: &[String], word: &str| -> Vec<String> {
                a.iter().filter(|tag| !b.contains(tag)).map(|tag| format!("{word}{tag}")).collect()
            };
            [only(&after, &before, "+"), only(&before, &after, "-")].concat()
        });
        calls(pairs)
    }
}

/// Pairs of a contact and a tag, by tag, in calls.
fn calls(tags: impl Iterator<Item = String>) -> usize {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for tag in tags {
        *counts.entry(tag).or_default() += 1;
    }
    counts.values().map(|n| n.div_ceil(PER_CALL)).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_contact_has_three_different_tags() {
        let contacts = Contacts::new(5_000);
        for list in [contacts, contacts.changed()] {
            assert!((0..list.n).all(|i| BTreeSet::from_iter(list.contact(i).tags).len() == TAGS_EACH));
        }
    }

    #[test]
    fn one_in_a_hundred_changes_its_name_and_three_of_a_thousand_a_tag() {
        let before = Contacts::new(100_000);
        let (mut names, mut tags) = (0, 0);
        for i in 0..before.n {
            let (old, new) = (before.contact(i), before.changed().contact(i));
            names += usize::from(old.last_name != new.last_name);
            tags += usize::from(old.tags != new.tags);
            assert!(old.last_name != new.last_name || old.tags == new.tags, "a tag changed without a name");
        }
        assert_eq!((names, tags), (1_000, 300));
        assert_eq!(before.n_changed(), names);
    }

    #[test]
    fn calls_are_counted_tag_by_tag_and_rounded_up() {
        let tags = |n| std::iter::repeat_n("a".to_owned(), n);
        assert_eq!(calls(tags(500).chain(["b".to_owned()])), 2);
        assert_eq!(calls(tags(501)), 2);
        // 300,000 pairs by 500 are 600, and a little for what is left over of 12 tags.
        assert!((600..=612).contains(&Contacts::new(100_000).tag_calls()));
    }
}
