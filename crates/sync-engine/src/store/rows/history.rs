//! Cursors, standing items, outcomes, questions, runs.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::{
    Cursor, Hash, LocalId, Outcome, OutcomeKind, PlanHash, QuestionId, RemoteId, ResourceName, RunId, SyncRequest,
    SyncResult,
};

/// A cursor as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCursor {
    /// The position.
    pub cursor: Cursor,
    /// The digest of the settings it was made with: under others it means nothing.
    pub filter: String,
    /// When it was stored.
    pub at: Timestamp,
}

/// An item that is not in order: it was left out, waits, or failed. Gone once it is.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The kind of record.
    pub resource: ResourceName,
    /// The host's record.
    pub local: LocalId,
    /// What became of it.
    pub outcome: Outcome,
    /// The value of the natural key that it would go by.
    pub key: Option<String>,
    /// The hash of the local record when that was decided: unchanged and not due, it is not decided again.
    pub hash: Option<Hash>,
    /// The run that put it there.
    pub run: RunId,
    /// Since when it stands with this code.
    pub since: Timestamp,
    /// How often it failed in a row.
    pub attempts: u32,
    /// When it is decided again by itself.
    pub due: Option<Timestamp>,
    /// The side effect whose grant makes it due.
    pub needs_grant: Option<String>,
    /// The question whose answer makes it due.
    pub question: Option<QuestionId>,
}

debug_hiding!(Item shows { resource, local, outcome, hash, run, since, attempts, due, needs_grant, question } hides { key });

/// How many items stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemCount {
    /// The kind of outcome.
    pub kind: OutcomeKind,
    /// The code.
    pub code: String,
    /// How many.
    pub count: u64,
}

/// What became of an item in one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// The kind of record.
    pub resource: ResourceName,
    /// The host's record, where there is one.
    pub local: Option<LocalId>,
    /// The remote record, where there is one.
    pub remote: Option<RemoteId>,
    /// What became of it.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
}

/// A question to a person: asked once, remembered.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The same for the same question: a hash of what it is about.
    pub id: QuestionId,
    /// The kind of record.
    pub resource: ResourceName,
    /// The host's records that it is about.
    pub locals: Vec<LocalId>,
    /// A stable code, such as `shared-key`.
    pub code: String,
    /// The question.
    pub prompt: String,
    /// What is known on both sides: record content, erased with the record.
    pub evidence: serde_json::Value,
    /// What can be answered.
    pub options: Vec<AnswerOption>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// Prints neither the question's words nor what is known on both sides: they hold record content.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("id", &self.id)
            .field("resource", &self.resource)
            .field("locals", &self.locals)
            .field("code", &self.code)
            .field("asked_at", &self.asked_at)
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

/// One possible answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerOption {
    /// What is stored.
    pub key: String,
    /// What people read.
    pub label: String,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The chosen option.
    pub key: String,
    /// Who answered.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// An address to which nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Since when. Only a local opt-in that is newer lifts it.
    pub at: Timestamp,
    /// Why: the consent state that put it there.
    pub state: sync_core::ConsentState,
}

/// What makes a standing item due: its time, or something that came.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Due<'a> {
    /// The run that asks: what its feeds showed makes items of the same natural key due. What it put there is not due.
    pub run: &'a RunId,
    /// Items whose time has come by then.
    pub now: Timestamp,
    /// Side effects that items may wait for and that are granted.
    pub grants: &'a [&'a str],
    /// True where the records that blocked items wait for may be there by now.
    pub blocked: bool,
}

impl<'a> Due<'a> {
    /// By time alone, and by what the run's feeds showed.
    pub fn at(run: &'a RunId, now: Timestamp) -> Self {
        Self { run, now, grants: &[], blocked: false }
    }

    /// Those too that wait for these side effects.
    #[must_use]
    pub fn granting(self, grants: &'a [&'a str]) -> Self {
        Self { grants, ..self }
    }

    /// Those too that wait for other records.
    #[must_use]
    pub fn blocked(self, blocked: bool) -> Self {
        Self { blocked, ..self }
    }
}

/// One execution of one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// The request.
    pub request: SyncRequest,
    /// Where it stands.
    pub state: RunState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The result.
    pub result: Option<SyncResult>,
    /// The plan's hash, where there was a plan.
    pub plan_hash: Option<PlanHash>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Under way, or killed.
    Running,
    /// Ended with everything done that could be.
    Done,
    /// Ended early: for approval, time, a person, or a fault.
    Stopped,
}

/// How long what is kept, in days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Plans and before-images.
    pub plans_days: u32,
    /// Outcomes and runs.
    pub outcomes_days: u32,
    /// Consent facts that were taken.
    pub facts_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { plans_days: 90, outcomes_days: 400, facts_days: 30 }
    }
}

/// How many rows [`crate::Store::prune`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Operations of plans.
    pub operations: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// Runs.
    pub runs: u64,
    /// Facts.
    pub facts: u64,
}

/// What [`crate::Store::forget`] erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Bases of links.
    pub bases: u64,
    /// Operations of plans, with their before-images.
    pub operations: u64,
    /// Outcomes whose words were blanked.
    pub outcomes: u64,
    /// Questions.
    pub questions: u64,
}
