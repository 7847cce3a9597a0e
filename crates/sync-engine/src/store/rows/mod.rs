//! What the store holds, row by row.

/// `Debug` that shows of some members only that they are there: record content stays out of logs.
macro_rules! debug_hiding {
    ($type:ident shows { $($shown:ident),+ } hides { $($hidden:ident),+ }) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut shown = f.debug_struct(stringify!($type));
                $(shown.field(stringify!($shown), &self.$shown);)+
                $(shown.field(stringify!($hidden), &self.$hidden.as_ref().map(|_| format_args!("…")));)+
                shown.finish()
            }
        }
    };
}

mod change;
mod connection;
mod history;
mod link;
mod plan;

pub use change::Change;
pub use connection::{Acquired, ConnectionRow, ConnectionStatus, Lease, LeaseInfo, StandingGrant};
pub use history::{
    Answer, AnswerOption, Due, Erased, Item, ItemCount, OutcomeRow, Pruned, Question, Retention, RunRow, RunState,
    StoredCursor, Suppression,
};
pub use link::{Base, Link, LinkCount, LinkHead, LinkState, Mark, Seen};
pub use plan::{CallRow, PartRow, PartState, PlannedOp, PlannedPart, PlannedRow, ReadyPart};

#[cfg(test)]
mod tests {
    use sync_core::{LocalId, Record, Remote, Value};

    use super::*;

    #[test]
    fn rows_print_no_record_content() {
        let fields = Record::new().with("email", Value::text("ada@example.com"));
        let seen = Seen { key: Some("ada@example.com".to_owned()), remote: Remote::live("contacts".into(), "1", fields) };
        let question = Question {
            id: "1".into(),
            resource: "contacts".into(),
            locals: vec![LocalId::new("c1")],
            code: "conflict".to_owned(),
            prompt: "ada@example.com or nobody@example.com?".to_owned(),
            evidence: serde_json::json!(["ada@example.com"]),
            options: Vec::new(),
            asked_at: jiff::Timestamp::UNIX_EPOCH,
            answer: None,
        };
        let shown = format!("{seen:?} {question:?}");
        assert!(shown.contains("key: Some(…)") && !shown.contains('@'), "{shown}");
    }
}
