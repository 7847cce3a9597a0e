//! What a plan means in Xero, in an owner's words.

use std::collections::BTreeMap;

use sync_core::{Facts, PlanDigest, ResourceName};

use crate::{descriptor::DESCRIPTOR, ledger::Ledger};

/// One line for each thing that an owner wants to know before saying yes.
pub(crate) fn summary(facts: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
    let place = Ledger(facts).name().map_or_else(|| "Xero".to_owned(), |name| format!("{name} in Xero"));
    let mut lines = Vec::new();
    for (verb, link, counts) in
        [("adds", "to", plan.creates), ("changes", "in", plan.updates), ("archives, voids or deletes", "in", plan.removes)]
    {
        if let Some(what) = counted(counts) {
            lines.push(format!("{verb} {what} {link} {place}"));
        }
    }
    // No call that mails is written down in this crate.
    lines.push("sends 0 invoices and 0 reminders to customers".to_owned());
    lines
}

/// `40 invoices and 1 payment`; `None` where there is nothing.
fn counted(counts: &BTreeMap<ResourceName, u64>) -> Option<String> {
    let one = |resource: &sync_core::Resource| {
        let count = counts.get(resource.name.as_str()).copied().filter(|count| *count > 0)?;
        let noun = if count == 1 { resource.nouns.0 } else { resource.nouns.1 };
        Some(format!("{} {noun}", grouped(count)))
    };
    let mut parts: Vec<String> = DESCRIPTOR.resources.iter().filter_map(one).collect();
    let last = parts.pop()?;
    Some(if parts.is_empty() { last } else { format!("{} and {last}", parts.join(", ")) })
}

/// `9,204`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::descriptor::CONTACTS;

    #[test]
    fn an_owner_reads_what_happens_where_and_that_nobody_is_mailed() {
        let facts = Facts::of("organisation", json!({"name": "Blue Manta Diving"}));
        let creates = BTreeMap::from([(CONTACTS, 1_400)]);
        let none = BTreeMap::new();
        let lines = summary(&facts, &PlanDigest::new(&creates, &none, &none, &BTreeMap::new(), &BTreeMap::new()));
        assert_eq!(
            lines,
            ["adds 1,400 contacts to Blue Manta Diving in Xero", "sends 0 invoices and 0 reminders to customers"]
        );
    }
}
