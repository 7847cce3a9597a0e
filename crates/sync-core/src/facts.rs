//! What a provider learned for one run, and what a person allowed for it.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::SideEffect;

/// Opaque things that a provider learned and that its pure `prepare` needs: field definitions, segment ids, lock dates.
/// They live for one run; clones share them. Merging is by top-level member, and inside members that are objects.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(Arc<serde_json::Map<String, serde_json::Value>>);

impl Facts {
    /// No facts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Facts with one member.
    pub fn of(name: &str, value: serde_json::Value) -> Self {
        Self(Arc::new([(name.to_owned(), value)].into_iter().collect()))
    }

    /// A member.
    pub fn value(&self, name: &str) -> Option<&serde_json::Value> {
        self.0.get(name)
    }

    /// Adds what was learned.
    pub fn learn(&mut self, news: Facts) {
        let known = Arc::make_mut(&mut self.0);
        for (name, value) in Arc::unwrap_or_clone(news.0) {
            match (known.get_mut(&name), value) {
                (Some(serde_json::Value::Object(old)), serde_json::Value::Object(new)) => old.extend(new),
                (_, value) => {
                    known.insert(name, value);
                }
            }
        }
    }
}

/// Prints the names alone.
impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Side effects that a person allowed for this run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(BTreeSet<String>);

impl Grants {
    /// No side effect is allowed.
    pub fn none() -> Self {
        Self::default()
    }

    /// These are.
    pub fn of<S: Into<String>>(effects: impl IntoIterator<Item = S>) -> Self {
        Self(effects.into_iter().map(Into::into).collect())
    }

    /// True when the effect is allowed.
    pub fn allow(&self, effect: SideEffect) -> bool {
        self.0.contains(effect.name)
    }

    /// True when an effect of this name is allowed.
    pub fn allow_named(&self, effect: &str) -> bool {
        self.0.contains(effect)
    }

    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_merge_inside_objects_and_replace_the_rest() {
        let mut facts = Facts::of("tags", json!({"a": 1}));
        facts.learn(Facts::of("tags", json!({"b": 2})));
        facts.learn(Facts::of("name", json!("x")));
        assert_eq!(facts.value("tags"), Some(&json!({"a": 1, "b": 2})));
        assert_eq!(facts.value("name"), Some(&json!("x")));
    }
}
