//! What the store holds, row by row.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::{
    AccountId, CallKey, Channel, ConsentFact, ContainerId, Cursor, Hash, LocalId, Operation, Outcome, OutcomeKind, Part,
    PlanHash, QuestionId, Record, Remote, RemoteId, RemoteState, ResourceName, Role, RunId, Safety, Scope, SyncRequest,
    SyncResult, Version,
};

/// One organization's authorised link to one remote account, without its secrets (they are in [`sync_core::Grants`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// Whose, with which provider.
    pub scope: Scope,
    /// Rises by one with each change.
    pub revision: u64,
    /// Health.
    pub status: ConnectionStatus,
    /// The remote account; `None` until it is known.
    pub account: Option<AccountId>,
    /// What people call the account.
    pub account_name: Option<String>,
    /// The provider's settings.
    pub settings: serde_json::Value,
    /// Containers (the empty text where there are none) whose first plan a person approved.
    pub approved: BTreeSet<String>,
    /// Side effects that a person allowed once and for all. They never apply to first syncs.
    pub standing_grants: Vec<StandingGrant>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the provider was last asked about it.
    pub checked_at: Option<Timestamp>,
    /// When it shall run by itself next, where it is scheduled.
    pub next_run_at: Option<Timestamp>,
}

/// The health of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConnectionStatus {
    /// Connected; the first plan waits for approval.
    Setup,
    /// In use.
    Active,
    /// The grant is dead: somebody must connect again.
    Reconnect {
        /// Since when.
        since: Timestamp,
        /// Why, in a sentence.
        reason: String,
    },
    /// Disconnected; links stay, so that a reconnect adopts them.
    Disconnected {
        /// Since when.
        since: Timestamp,
    },
}

/// A side effect that a person allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingGrant {
    /// Its name.
    pub effect: String,
    /// Who allowed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The right to run for a scope, until its time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// For what.
    pub scope: Scope,
    /// Rises with each holder, and never repeats.
    pub epoch: u64,
    /// Who holds it.
    pub owner: String,
    /// When it ends, by the store's clock.
    pub expires_at: Timestamp,
}

/// What came of [`super::Store::acquire`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// It is ours.
    Lease(Lease),
    /// Somebody else has it.
    Held(LeaseInfo),
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseInfo {
    /// For what.
    pub scope: Scope,
    /// The epoch.
    pub epoch: u64,
    /// Who.
    pub owner: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; in the past when it is free.
    pub expires_at: Timestamp,
    /// The store's clock when it was asked.
    pub now: Timestamp,
}

/// Local id ↔ remote id, with what both sides last agreed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The account.
    pub account: AccountId,
    /// The kind of record.
    pub resource: ResourceName,
    /// The host's record.
    pub local: LocalId,
    /// Which of its counterparts. Unique with account, resource and local id.
    pub role: Role,
    /// Where in the account.
    pub container: Option<ContainerId>,
    /// The remote record; `None` while the call that creates it has no answer.
    pub remote: Option<RemoteId>,
    /// Where it stands.
    pub state: LinkState,
    /// The value of the natural key that twins are found by.
    pub key: Option<String>,
    /// The hash of the local record as it was last agreed on.
    pub hash: Option<Hash>,
    /// What both sides last agreed on; `None` while open, and after it was erased.
    pub base: Option<Base>,
    /// The call that has no answer yet.
    pub call: Option<CallKey>,
}

/// Where a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    /// A create was sent, or is about to be, and has no answer: the intent.
    Open,
    /// Both records are there.
    Live,
    /// The remote record was deleted there.
    Gone,
    /// We took the remote record away (archived, voided); the link stays, so that it is found again.
    Removed,
}

/// What both sides last agreed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Base {
    /// The fields as the local side had them.
    pub local: Record,
    /// The fields as the remote side had them, where they differ from `local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Record>,
    /// The remote version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The remote state.
    pub state: RemoteState,
    /// The provider's own data, without which an update would destroy what we don't know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<serde_json::Value>,
    /// The digest of the mapping that it was written with ([`sync_core::Rules::mapping`]).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mapping: String,
}

/// The part of a link that a full scan compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkHead {
    /// The host's record.
    pub local: LocalId,
    /// The remote record.
    pub remote: Option<RemoteId>,
    /// Where it stands.
    pub state: LinkState,
    /// The hash of the local record as it was last agreed on.
    pub hash: Option<Hash>,
}

/// How many links there are of a sort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkCount {
    /// The kind of record.
    pub resource: ResourceName,
    /// The role.
    pub role: Role,
    /// The container.
    pub container: Option<ContainerId>,
    /// The state.
    pub state: LinkState,
    /// How many.
    pub count: u64,
}

/// One remote record that a feed showed in this run.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The value of the natural key that matching goes by first.
    pub key: Option<String>,
    /// The record.
    pub remote: Remote,
}

/// One operation of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedOp {
    /// Its place in the plan; from 1.
    pub seq: u64,
    /// The operation.
    pub operation: Operation,
    /// The hash over all that it would write.
    pub digest: String,
    /// The natural key of a create, by which twins in the plan are found.
    pub key: Option<String>,
    /// The hash of the local record as it will be agreed on.
    pub hash: Option<Hash>,
    /// What it is made of.
    pub parts: Vec<PlannedPart>,
}

/// One part of an operation of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedPart {
    /// The stage.
    pub stage: u8,
    /// The group.
    pub group: String,
    /// Most parts in one call.
    pub max: u32,
    /// Whether the group's calls go one after another.
    pub serial: bool,
    /// The budget.
    pub budget: String,
    /// What a call costs.
    pub cost: u32,
    /// What makes it safe.
    pub safety: Safety,
}

impl PlannedPart {
    /// A provider's part, as it is stored.
    pub fn of(part: &Part) -> Self {
        Self {
            stage: part.stage,
            group: part.group.clone().into_owned(),
            max: u32::try_from(part.max).unwrap_or(u32::MAX),
            serial: part.serial,
            budget: part.budget.to_owned(),
            cost: part.cost,
            safety: part.safety,
        }
    }
}

/// An operation as a plan is read back.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedRow {
    /// The operation.
    pub planned: PlannedOp,
    /// The states of its parts, in order.
    pub states: Vec<PartState>,
}

/// Where a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    /// It can go, once earlier stages of its operation are done.
    Ready,
    /// It is in a call that has no answer yet.
    Sent,
    /// Done.
    Done,
    /// It does not go: its operation failed, was skipped, or waits.
    Held,
}

/// A change of one part's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// The run.
    pub run: RunId,
    /// The operation's place in the plan.
    pub seq: u64,
    /// Which of its parts; `None` means all that are [`PartState::Ready`].
    pub part_idx: Option<u32>,
    /// The state.
    pub state: PartState,
}

/// A part with its operation.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadyPart {
    /// The operation's place in the plan.
    pub seq: u64,
    /// Which of its parts.
    pub part_idx: u32,
    /// How many parts of the operation are not done, this one among them.
    pub n_open: u32,
    /// How many parts the operation has.
    pub n_parts: u32,
    /// The part.
    pub part: PlannedPart,
    /// The operation.
    pub operation: Operation,
    /// The natural key.
    pub key: Option<String>,
    /// The hash of the local record as it will be agreed on.
    pub hash: Option<Hash>,
}

/// A wire call whose answer is not recorded yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRow {
    /// Its key.
    pub key: CallKey,
    /// The run that opened it.
    pub run: RunId,
    /// The kind of record.
    pub resource: ResourceName,
    /// The group.
    pub group: String,
    /// The parts in order, as operation sequence and part index.
    pub parts: Vec<(u64, u32)>,
    /// The hash over the operations' digests and part indexes: what the body is made from.
    pub digest: String,
    /// What makes it safe.
    pub safety: Safety,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The last moment at which the provider may have received it.
    pub not_after: Timestamp,
}

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// One change of [`super::Store::commit`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Change {
    /// Inserts a link that must not be there yet as [`LinkState::Open`] or [`LinkState::Live`]. The whole commit fails with
    /// `Taken` if it is: two creates for one record cannot even be written down. One that is [`LinkState::Gone`] or
    /// [`LinkState::Removed`] is replaced: the record is made there again.
    OpenLink(Link),
    /// Inserts or replaces a link.
    PutLink(Link),
    /// Removes a link.
    DropLink {
        /// The account.
        account: AccountId,
        /// The kind of record.
        resource: ResourceName,
        /// The host's record.
        local: LocalId,
        /// The role.
        role: Role,
    },
    /// Records that a call is about to go out, and marks its parts [`PartState::Sent`].
    OpenCall(CallRow),
    /// Removes a call: its answer is in the same commit.
    CloseCall(CallKey),
    /// Changes parts' states.
    Part(PartRow),
    /// Inserts or replaces a standing item. `since` and `attempts` are the caller's.
    PutItem(Item),
    /// Removes a standing item.
    DropItem {
        /// The kind of record.
        resource: ResourceName,
        /// The host's record.
        local: LocalId,
    },
    /// Adds to the history of a run.
    Outcome {
        /// The run.
        run: RunId,
        /// What became of the item.
        row: OutcomeRow,
    },
    /// Moves a cursor; `None` forgets it.
    Cursor {
        /// The stream.
        stream: String,
        /// The position.
        cursor: Option<StoredCursor>,
    },
    /// Asks a question. One that was asked before keeps its answer and the time it was asked.
    Ask(Question),
    /// Queues a fact for the host; one with the same id is there once.
    Fact(ConsentFact),
    /// Puts an address on the suppression list, or moves it to a later time; never to an earlier one.
    Suppress {
        /// The channel.
        channel: Channel,
        /// The address; hashed inside.
        address: String,
        /// Since when, and why.
        suppression: Suppression,
    },
    /// Takes an address off the list.
    Lift {
        /// The channel.
        channel: Channel,
        /// The address; hashed inside.
        address: String,
    },
    /// Inserts or replaces a run.
    Run(Box<RunRow>),
    /// Stores a connection as it is, whatever its revision was, with the next revision. Its scope must be the lease's.
    Connection(Box<ConnectionRow>),
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

/// How many rows [`super::Store::prune`] removed.
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

/// What [`super::Store::forget`] erased.
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
