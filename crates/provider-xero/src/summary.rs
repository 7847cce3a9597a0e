//! What a plan means in Xero, in an owner's words.

use sync_core::{Facts, PlanDigest, words::counted};

use crate::{descriptor::DESCRIPTOR, ledger::Ledger};

/// One line for each thing that an owner wants to know before saying yes.
pub(crate) fn summary(facts: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
    let place = Ledger(facts).name().map_or_else(|| "Xero".to_owned(), |name| format!("{name} in Xero"));
    let mut lines = Vec::new();
    for (verb, link, counts) in
        [("adds", "to", plan.creates), ("changes", "in", plan.updates), ("archives, voids or deletes", "in", plan.removes)]
    {
        if let Some(what) = counted(&DESCRIPTOR, counts) {
            lines.push(format!("{verb} {what} {link} {place}"));
        }
    }
    // No call that mails is written down in this crate.
    lines.push("sends 0 invoices and 0 reminders to customers".to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
