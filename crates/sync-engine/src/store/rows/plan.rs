//! Plans, their parts, and the calls made of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::{AccountId, CallKey, Hash, Operation, Part, ResourceName, RunId, Safety, Serial};

/// One operation of a plan.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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

debug_hiding!(PlannedOp shows { seq, operation, digest, hash, parts } hides { key });

/// One part of an operation of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedPart {
    /// The stage.
    pub stage: u8,
    /// The group.
    pub group: String,
    /// Most parts in one call.
    pub max: u32,
    /// Which calls of the group wait for another one of it.
    pub serial: Serial,
    /// The budget.
    pub budget: String,
    /// What a call costs.
    pub cost: u32,
    /// What makes it safe.
    pub safety: Safety,
    /// The names of what it sets off beyond the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<String>,
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
            effects: part.effects.iter().map(|effect| effect.name.to_owned()).collect(),
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
    /// Which of its parts; `None` means all that are [`crate::PartState::Ready`].
    pub part_idx: Option<u32>,
    /// The state.
    pub state: PartState,
}

/// A part with its operation.
#[derive(Clone, PartialEq)]
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

debug_hiding!(ReadyPart shows { seq, part_idx, n_open, n_parts, part, operation, hash } hides { key });

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
    /// The account that it went to: another one's calls sleep.
    pub account: AccountId,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The last moment at which the provider may have received it.
    pub not_after: Timestamp,
}
