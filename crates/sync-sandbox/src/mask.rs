//! Partial answers: `fields` and `exclude_fields` with dots for members of members.

use std::collections::BTreeMap;

use serde_json::Value;

/// Which members of an answer are wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mask {
    All,
    Only(BTreeMap<String, Mask>),
    Except(BTreeMap<String, Mask>),
}

static ALL: Mask = Mask::All;

impl Mask {
    /// Only these, comma-separated.
    pub(crate) fn only(paths: &str) -> Self {
        Self::Only(tree(paths, Self::Only))
    }

    /// All but these, comma-separated.
    pub(crate) fn except(paths: &str) -> Self {
        Self::Except(tree(paths, Self::Except))
    }

    /// What is wanted of a member; `None` when it is not wanted at all.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        match self {
            Self::All => Some(&ALL),
            Self::Only(wanted) => wanted.get(name),
            Self::Except(unwanted) => match unwanted.get(name) {
                Some(Self::All) => None,
                Some(inner) => Some(inner),
                None => Some(&ALL),
            },
        }
    }

    /// Leaves out what is not wanted.
    pub(crate) fn apply(&self, value: Value) -> Value {
        match (self, value) {
            (Self::All, value) => value,
            (_, Value::Array(items)) => Value::Array(items.into_iter().map(|item| self.apply(item)).collect()),
            (_, Value::Object(members)) => Value::Object(
                members
                    .into_iter()
                    .filter_map(|(name, member)| self.child(&name).map(|inner| (name, inner.apply(member))))
                    .collect(),
            ),
            (_, value) => value,
        }
    }
}

fn tree(paths: &str, branch: fn(BTreeMap<String, Mask>) -> Mask) -> BTreeMap<String, Mask> {
    let mut root = BTreeMap::new();
    for path in paths.split(',').map(str::trim).filter(|path| !path.is_empty()) {
        insert(&mut root, path, branch);
    }
    root
}

fn insert(tree: &mut BTreeMap<String, Mask>, path: &str, branch: fn(BTreeMap<String, Mask>) -> Mask) {
    let Some((head, rest)) = path.split_once('.') else {
        tree.insert(path.to_owned(), Mask::All);
        return;
    };
    match tree.entry(head.to_owned()).or_insert_with(|| branch(BTreeMap::new())) {
        // The whole was named already.
        Mask::All => {}
        Mask::Only(inner) | Mask::Except(inner) => insert(inner, rest, branch),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_keeps_named_members_of_members() {
        let answer =
            json!({"members": [{"id": "a", "status": "x", "stats": {"n": 1, "m": 2}}], "total_items": 1, "list_id": "l"});
        assert_eq!(
            Mask::only("members.id, members.stats.n,total_items").apply(answer),
            json!({"members": [{"id": "a", "stats": {"n": 1}}], "total_items": 1})
        );
    }

    #[test]
    fn except_drops_named_members_of_members() {
        let answer = json!({"members": [{"id": "a", "_links": []}], "_links": [], "total_items": 1});
        assert_eq!(Mask::except("members._links,_links").apply(answer), json!({"members": [{"id": "a"}], "total_items": 1}));
    }

    #[test]
    fn a_whole_named_beside_its_part_is_whole() {
        assert_eq!(Mask::only("a,a.b"), Mask::only("a"));
        assert_eq!(Mask::only("a.b,a"), Mask::only("a"));
    }
}
