//! What the endpoint `POST /organizations/{org}/integrations/{integration}/sync` answers: a pure function.

use serde::Serialize;
use sync_core::{Capabilities, Counts, Details, OutcomeKind, SyncResult};

/// The endpoint's JSON. These names and texts are public and stable.
///
/// `success` is there (and true) when the sync succeeded, `error` when it didn't; a sync that did something before it
/// failed has `message` and `syncDetails` beside `error`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EndpointAnswer {
    /// True when the sync succeeded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub success: bool,
    /// What happened, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What went wrong: the grouped lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Counts and details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_details: Option<SyncDetails>,
}

/// The result behind an [`EndpointAnswer`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SyncDetails {
    /// Items written.
    pub synced: u64,
    /// Items failed.
    pub failed: u64,
    /// The grouped lines, one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<String>>,
    /// The rest.
    #[serde(flatten)]
    pub details: Details,
}

/// What the endpoint answers to a sync.
pub fn endpoint_answer(capabilities: &Capabilities, result: &SyncResult) -> EndpointAnswer {
    if !capabilities.can_sync {
        let message = Some(capabilities.description.clone().into_owned());
        return EndpointAnswer { success: true, message, error: None, sync_details: None };
    }
    let sync_details = Some(SyncDetails {
        synced: result.synced,
        failed: result.failed,
        errors: result.errors.clone(),
        details: result.details.clone().unwrap_or_default(),
    });
    if result.success {
        return EndpointAnswer { success: true, message: Some(sentence(result)), error: None, sync_details };
    }
    let error = match result.errors.as_deref() {
        None | Some([]) => "The sync failed and gave no reason".to_owned(),
        Some(lines) => lines.join("\n"),
    };
    let (message, sync_details) = if result.synced > 0 { (Some(sentence(result)), sync_details) } else { (None, None) };
    EndpointAnswer { success: false, message, error: Some(error), sync_details }
}

fn sentence(result: &SyncResult) -> String {
    if result.synced > 0 || result.failed > 0 {
        let failed = if result.failed > 0 { format!(", {} failed", result.failed) } else { String::new() };
        return format!("Successfully synced {} items{failed}", result.synced);
    }
    let Some(details) = &result.details else { return EVERYTHING_SYNCED.to_owned() };
    if !details.planned.is_empty() {
        return format!("Dry run, nothing sent: would {}", words(&details.planned));
    }
    if let Some(message) = &details.message {
        return message.clone();
    }
    let waiting = waiting(&details.outcomes);
    if details.newly_waiting > 0 && !waiting.is_empty() {
        return format!("Nothing sent: {}", waiting.join(", "));
    }
    EVERYTHING_SYNCED.to_owned()
}

const EVERYTHING_SYNCED: &str = "Everything is already synced!";

fn words(planned: &Counts) -> String {
    planned.0.iter().map(|(verb, n)| format!("{verb} {n}")).collect::<Vec<_>>().join(", ")
}

fn waiting(outcomes: &Counts) -> Vec<String> {
    let count = |kind: OutcomeKind| outcomes.of(kind.as_str());
    let rows = [
        (count(OutcomeKind::Question), "wait for an answer"),
        (count(OutcomeKind::Pending), "looked at again later"),
        (count(OutcomeKind::Blocked), "wait for another item"),
        (count(OutcomeKind::Skipped), "skipped"),
    ];
    rows.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn syncing() -> Capabilities {
        Capabilities { can_sync: true, sync_types: vec![], supports_direction: false, description: "Push things".into() }
    }

    fn answer(result: &SyncResult) -> serde_json::Value {
        serde_json::to_value(endpoint_answer(&syncing(), result)).unwrap()
    }

    fn details(change: impl FnOnce(&mut Details)) -> Details {
        let mut details = Details::default();
        change(&mut details);
        details
    }

    #[test]
    fn an_integration_that_cannot_sync_answers_its_description() {
        let capabilities = Capabilities { can_sync: false, ..syncing() };
        let answer = endpoint_answer(&capabilities, &SyncResult::refused("x"));
        assert_eq!(serde_json::to_value(answer).unwrap(), json!({"success": true, "message": "Push things"}));
    }

    #[test]
    fn nothing_to_do_says_that_everything_is_synced() {
        let result = SyncResult::counted(true, 0, 0, vec![], Details::default());
        assert_eq!(
            answer(&result),
            json!({"success": true, "message": "Everything is already synced!", "syncDetails": {"synced": 0, "failed": 0}})
        );
    }

    #[test]
    fn what_stood_before_does_not_count_as_news() {
        let standing = details(|details| details.outcomes.add("skipped", 40));
        let answer = answer(&SyncResult::counted(true, 0, 0, vec![], standing));
        assert_eq!(answer["message"], "Everything is already synced!");
        assert_eq!(answer["syncDetails"]["outcomes"]["skipped"], 40);
    }

    #[test]
    fn new_items_that_wait_are_told_when_nothing_was_sent() {
        let waiting = details(|details| {
            details.outcomes.add("question", 12);
            details.outcomes.add("skipped", 40);
            details.newly_waiting = 52;
        });
        let answer = answer(&SyncResult::counted(true, 0, 0, vec![], waiting));
        assert_eq!(answer["message"], "Nothing sent: 12 wait for an answer, 40 skipped");
    }

    #[test]
    fn done_items_are_counted() {
        let answer = answer(&SyncResult::counted(true, 7, 0, vec![], Details::default()));
        assert_eq!(answer["message"], "Successfully synced 7 items");
        assert_eq!(answer["syncDetails"]["synced"], 7);
        assert_eq!(answer.get("error"), None);
    }

    #[test]
    fn a_partial_failure_tells_error_message_and_details() {
        let errors = vec!["2 contacts were refused, such as 4711".to_owned(), "… and 1 more (run r)".to_owned()];
        let answer = answer(&SyncResult::counted(false, 7, 3, errors, Details::default()));
        assert_eq!(answer["error"], "2 contacts were refused, such as 4711\n… and 1 more (run r)");
        assert_eq!(answer["message"], "Successfully synced 7 items, 3 failed");
        assert_eq!(answer["syncDetails"]["failed"], 3);
        assert_eq!(answer.get("success"), None);
    }

    #[test]
    fn a_failure_without_anything_done_is_an_error_alone() {
        assert_eq!(
            answer(&SyncResult::refused("Xero integration not active")),
            json!({"error": "Xero integration not active"})
        );
    }

    #[test]
    fn a_message_of_the_result_stands_for_itself() {
        let answer = answer(&SyncResult::nothing("No Zap is connected yet"));
        assert_eq!(answer["message"], "No Zap is connected yet");
    }

    #[test]
    fn a_dry_run_says_what_it_would_do() {
        let planned = details(|details| {
            details.planned.add("create", 3);
            details.planned.add("update", 2);
        });
        let answer = answer(&SyncResult::counted(true, 0, 0, vec![], planned));
        assert_eq!(answer["message"], "Dry run, nothing sent: would create 3, update 2");
    }
}
