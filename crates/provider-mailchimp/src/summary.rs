//! What a plan means at Mailchimp, in an owner's words: the bill and the mails.

use sync_core::{
    Facts, PlanDigest, Verb,
    words::{count, thousands},
};

use crate::{
    check::{audience_name, has_welcome, member_count},
    descriptor::{AUTOMATION, CONFIRMATION_MAIL, CONTACTS, PERMANENT_DELETION},
};

/// One line for each thing that an owner wants to know before saying yes.
pub(crate) fn summary(facts: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
    let of = |verb: Verb| {
        let counts = match verb {
            Verb::Create => plan.creates,
            Verb::Update => plan.updates,
            Verb::Remove => plan.removes,
        };
        counts.get(CONTACTS.as_str()).copied().unwrap_or(0)
    };
    let (creates, updates, removes) = (of(Verb::Create), of(Verb::Update), of(Verb::Remove));
    let effect = |name: &str| plan.effects.get(name).copied().unwrap_or(0);
    let audience = audience_name(facts).map_or_else(|| "the audience".to_owned(), |name| format!("audience {name}"));
    let now = member_count(facts).map(|n| format!(" ({} now)", thousands(n))).unwrap_or_default();
    let mut lines = Vec::new();
    if creates > 0 {
        lines.push(format!("adds {} to {audience}{now}", contacts(creates)));
    }
    if updates > 0 {
        lines.push(format!("updates {} in {audience}", contacts(updates)));
    }
    let erased = effect(PERMANENT_DELETION.name);
    if erased > 0 {
        lines.push(format!("erases {} from {audience} for good", contacts(erased)));
    }
    let removes = removes.saturating_sub(erased);
    if removes > 0 {
        lines.push(format!("archives {} in {audience}{}", contacts(removes), if creates > 0 { "" } else { &now }));
    }
    if removes > 0 {
        lines.push("who is archived can be brought back there; the grant permanent-deletion erases for good".to_owned());
    }
    match effect(CONFIRMATION_MAIL.name) {
        0 => lines.push("sends 0 confirmation mails".to_owned()),
        1 => lines.push("asks 1 person to confirm by e-mail".to_owned()),
        mails => lines.push(format!("asks {} people to confirm by e-mail", thousands(mails))),
    }
    match effect(AUTOMATION.name) {
        0 if creates > 0 && !has_welcome(facts) => {
            // Not proven, so not promised: whether adding by the API starts an automation is not documented.
            lines
                .push("automations that wait for new contacts may start; the audience has no welcome automation".to_owned());
        }
        0 => {}
        1 => lines.push("1 change may start automations, and these may send".to_owned()),
        starts => lines.push(format!("{} changes may start automations, and these may send", thousands(starts))),
    }
    for (container, left) in plan.left_behind {
        lines.push(format!("{} behind in audience {container}", count(*left, "contact stays", "contacts stay")));
    }
    lines
}

fn contacts(n: u64) -> String {
    count(n, "contact", "contacts")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use sync_core::{ContainerId, ResourceName};

    use super::*;

    fn lines(creates: u64, removes: u64, effects: &[(&str, u64)], left: u64, welcome: bool) -> Vec<String> {
        let facts = Facts::of("audience", json!({"name": "Newsletter", "members": 9204, "has_welcome": welcome}));
        let count = |number| BTreeMap::from([(CONTACTS, number)]);
        let effects = effects.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        let left: BTreeMap<ContainerId, u64> =
            (left > 0).then(|| (ContainerId::from_static("old1"), left)).into_iter().collect();
        let updates: BTreeMap<ResourceName, u64> = BTreeMap::new();
        summary(&facts, &PlanDigest::new(&count(creates), &updates, &count(removes), &effects, &left))
    }

    #[test]
    fn the_bill_and_the_mails_are_told() {
        let lines = lines(312, 0, &[("confirmation-mail", 12), ("automation", 4)], 0, false);
        assert_eq!(
            lines,
            [
                "adds 312 contacts to audience Newsletter (9,204 now)",
                "asks 12 people to confirm by e-mail",
                "4 changes may start automations, and these may send",
            ]
        );
    }

    #[test]
    fn what_is_not_proven_is_not_promised() {
        assert!(lines(1, 0, &[], 0, false).iter().any(|line| line.contains("may start")));
        assert!(!lines(0, 1, &[], 0, false).iter().any(|line| line.contains("may start")));
        assert!(lines(0, 1, &[], 0, false).contains(&"sends 0 confirmation mails".to_owned()));
    }

    #[test]
    fn who_is_erased_is_not_counted_as_archived() {
        let lines = lines(0, 3, &[("permanent-deletion", 2)], 0, false);
        assert_eq!(
            lines[..2],
            ["erases 2 contacts from audience Newsletter for good", "archives 1 contact in audience Newsletter (9,204 now)"]
        );
    }

    #[test]
    fn who_stays_behind_is_counted() {
        assert_eq!(lines(0, 1, &[], 3100, false).last().unwrap(), "3,100 contacts stay behind in audience old1");
    }
}
