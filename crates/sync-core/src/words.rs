//! Numbers as people read them.

use std::collections::BTreeMap;

use crate::{Descriptor, ResourceName};

/// `1234567` as `1,234,567`.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 item`, `2,000 items`.
#[must_use]
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// `40 trips, 2 guides and 1 training session`, in the descriptor's order and nouns; `None` where there is nothing.
#[must_use]
pub fn counted(descriptor: &Descriptor, counts: &BTreeMap<ResourceName, u64>) -> Option<String> {
    let resources = descriptor.resources.iter();
    let mut parts: Vec<String> = resources
        .filter_map(|resource| {
            let n = counts.get(resource.name.as_str()).copied().filter(|n| *n > 0)?;
            Some(count(n, resource.nouns.0, resource.nouns.1))
        })
        .collect();
    let last = parts.pop()?;
    Some(if parts.is_empty() { last } else { format!("{} and {last}", parts.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(n), text);
        }
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(count(1, "item", "items"), "1 item");
        assert_eq!(count(2_000, "item", "items"), "2,000 items");
        assert_eq!(count(0, "item", "items"), "0 items");
    }
}
