//! What a commit is made of.

use sync_core::{AccountId, CallKey, Channel, ConsentFact, LocalId, ResourceName, Role, RunId};

use super::{CallRow, ConnectionRow, Item, Link, OutcomeRow, PartRow, Question, RunRow, StoredCursor, Suppression};

/// One change of [`crate::Store::commit`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Change {
    /// Inserts a link that must not be there yet as [`crate::LinkState::Open`], [`crate::LinkState::Live`] or
    /// [`crate::LinkState::Detached`]. The whole commit fails with `Taken` if it is: two creates for one record cannot even
    /// be written down. One that is [`crate::LinkState::Gone`] or [`crate::LinkState::Removed`] is replaced: the record is
    /// made there again. One that is detached must be dropped before.
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
    /// Records that a call is about to go out, and marks its parts [`crate::PartState::Sent`].
    OpenCall(CallRow),
    /// Removes a call: its answer is in the same commit.
    CloseCall(CallKey),
    /// Changes parts' states.
    Part(PartRow),
    /// Takes an operation with its parts out of a plan that is still being made.
    DropOperation {
        /// The run.
        run: RunId,
        /// The operation's place in the plan.
        seq: u64,
    },
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
