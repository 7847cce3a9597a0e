//! What the double holds, and what became of it in an owner's words.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sync_core::SyncResult;
use sync_sandbox::Sandbox;

use crate::{
    output::{count, thousands},
    shop::Shop,
};

/// The audience as the double has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen {
    pub(super) subscribed: u64,
    pub(super) unsubscribed: u64,
    pub(super) cleaned: u64,
    pub(super) archived: u64,
    pub(super) pending: u64,
    pub(super) transactional: u64,
    /// Members with each of the marketer's tags.
    pub(super) marketer_tags: BTreeMap<String, u64>,
    /// Mails that asked somebody to confirm.
    pub(super) mails_sent: u64,
    pub(super) automations_started: u64,
}

impl Seen {
    pub(super) fn of(sandbox: &Sandbox, shop: &Shop) -> Self {
        let state = sandbox.summary();
        let list = state.pointer(&format!("/lists/{}", shop.audience_id())).unwrap_or(&Value::Null);
        let number = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        let tags = shop.marketer_tags().iter().map(|tag| {
            let members = list.get("tags").and_then(|tags| tags.get(tag)).map_or(0, |tag| number(tag, "/members"));
            (tag.clone(), members)
        });
        Self {
            subscribed: number(list, "/counts/subscribed"),
            unsubscribed: number(list, "/counts/unsubscribed"),
            cleaned: number(list, "/counts/cleaned"),
            archived: number(list, "/counts/archived"),
            pending: number(list, "/counts/pending"),
            transactional: number(list, "/counts/transactional"),
            marketer_tags: tags.collect(),
            mails_sent: number(&state, "/mails_sent"),
            automations_started: number(&state, "/automations_started"),
        }
    }

    /// Contacts that cost money: all but archived and cleaned ones.
    /// Source: <https://mailchimp.com/help/about-your-contacts/>.
    fn billed(&self) -> u64 {
        self.subscribed + self.unsubscribed + self.pending + self.transactional
    }
}

/// What became of the other side. Every figure is counted there, not promised here.
pub(super) fn story(before: &Seen, after: &Seen, first: &SyncResult) -> Vec<String> {
    let mut story = Vec::new();
    story.push(if after.unsubscribed == before.unsubscribed {
        format!("{} people who unsubscribed stayed unsubscribed.", thousands(after.unsubscribed))
    } else {
        format!("Unsubscribed people: {} before, {} now.", thousands(before.unsubscribed), thousands(after.unsubscribed))
    });
    story.push(format!(
        "{} sent, {} started.",
        count(after.mails_sent - before.mails_sent.min(after.mails_sent), "mail", "mails"),
        count(
            after.automations_started - before.automations_started.min(after.automations_started),
            "automation",
            "automations"
        )
    ));
    if let Some(details) = &first.details {
        for (code, n) in &details.skipped {
            story.push(match code.as_str() {
                "no-consent" => format!("{} without consent left out.", thousands(*n)),
                "no-address" => format!("{} without an e-mail address left out.", thousands(*n)),
                code => format!("{} left out: {}.", thousands(*n), code.replace('-', " ")),
            });
        }
        let n_questions = details.outcomes.of("question");
        if n_questions > 0 {
            story.push(format!(
                "{} wait for an answer, such as families who share an address.",
                count(n_questions, "customer", "customers")
            ));
        }
    }
    let n_tags = before.marketer_tags.len() as u64;
    story.push(if before.marketer_tags == after.marketer_tags {
        format!("The marketer's {} untouched.", count(n_tags, "tag", "tags"))
    } else {
        format!("Some of the marketer's {} changed.", count(n_tags, "tag", "tags"))
    });
    story.push(if after.billed() >= before.billed() {
        format!("Your bill: +{} contacts.", thousands(after.billed() - before.billed()))
    } else {
        format!("Your bill: -{} contacts.", thousands(before.billed() - after.billed()))
    });
    story
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(unsubscribed: u64, subscribed: u64, tagged: u64) -> Seen {
        Seen { unsubscribed, subscribed, marketer_tags: [("VIP".to_owned(), tagged)].into(), ..Seen::default() }
    }

    #[test]
    fn the_story_says_what_was_counted_and_not_what_was_hoped() {
        let result = SyncResult::nothing("x");
        let good = story(&seen(412, 3_100, 9), &seen(412, 4_340, 9), &result);
        assert!(good.contains(&"412 people who unsubscribed stayed unsubscribed.".to_owned()));
        assert!(good.contains(&"Your bill: +1,240 contacts.".to_owned()));
        assert!(good.contains(&"The marketer's 1 tag untouched.".to_owned()));
        assert!(good.contains(&"0 mails sent, 0 automations started.".to_owned()));
        let bad = story(&seen(412, 3_100, 9), &seen(400, 3_000, 8), &result);
        assert!(bad.contains(&"Unsubscribed people: 412 before, 400 now.".to_owned()));
        assert!(bad.iter().any(|line| line.starts_with("Some of the marketer's")));
        assert!(bad.contains(&"Your bill: -112 contacts.".to_owned()));
    }
}
