//! What the store holds, row by row.

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
