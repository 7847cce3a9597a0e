//! Observe, plan, gate, apply, recover: one run, end to end.
//!
//! [`plan`] decides and is pure; the run orders effects; [`Store`] remembers.

mod engine;
mod options;
pub mod plan;
mod run;
mod store;

pub use engine::{Engine, RunInput};
pub use options::{Breaker, EngineConfig, PlanFilter, Progress, ProgressEvent, RunOptions};
pub use store::{
    Acquired, Answer, AnswerOption, Base, CallRow, Change, ChannelRow, ConnectionRow, ConnectionStatus, Due, Erased, Item,
    ItemCount, Lease, LeaseInfo, Link, LinkCount, LinkHead, LinkState, Mark, MemoryStore, Moved, OutcomeRow, PartRow,
    PartState, PlannedOp, PlannedPart, PlannedRow, Pruned, PushChannels, Question, ReadyPart, Retention, RunRow, RunState,
    Seen, StandingGrant, Store, StoredCursor, Suppression, plan_hash,
};
