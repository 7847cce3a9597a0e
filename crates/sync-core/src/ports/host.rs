//! What a host implements over its own tables.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Collection, ConsentFact, Cursor, FieldName, LocalId, NaturalKey, OperationId, OrganizationId, PageToken, Record, Result,
    RunId, Version,
};

/// The host's fields that are asked for: the mapped ones and no other.
pub type FieldSet = BTreeSet<FieldName>;

/// The host's records, to be read. Enough to push.
///
/// Every method sees one organization only, and must never return another's records.
#[async_trait]
pub trait Records: Send + Sync {
    /// One page of records: from the start all there are, in bytewise order of their ids; from a cursor those that
    /// changed since, in any order. May repeat, must never omit (see the documentation on time stamps and sequences that
    /// are handed out before commit). At most `limit` items.
    ///
    /// # Errors
    /// [`crate::ErrorKind::CursorExpired`] asks for a full pass; any other error ends the run.
    async fn changes(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage>;

    /// Records by id, one answer per id, in order; a missing one is [`LocalState::Deleted`].
    ///
    /// # Errors
    /// Any error ends the run.
    async fn read(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        ids: &[LocalId],
    ) -> Result<Vec<Local>>;

    /// What people call these records ("Booking D-1042 (Maria Garcia)"), for display only; one answer per id, in order.
    ///
    /// # Errors
    /// Labels are left out then.
    async fn labels(&self, organization: &OrganizationId, of: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>>;
}

/// The host's records, to be written too.
#[async_trait]
pub trait WritableRecords: Records {
    /// Writes, one receipt per write, in order. Optimistic (`expect`) and idempotent by `operation`: the same operation
    /// again answers what it answered first, and writes nothing.
    ///
    /// # Errors
    /// Any error ends the run; what was written by then may be written again.
    async fn write(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        writes: &[LocalWrite],
    ) -> Result<Vec<LocalReceipt>>;

    /// Whether records of this collection may be treated so. Making and changing them is taken for granted.
    fn can(&self, of: &Collection, verb: LocalVerb) -> bool {
        let _ = of;
        matches!(verb, LocalVerb::Create | LocalVerb::Update)
    }

    /// Records by natural key, one answer per key, in order.
    ///
    /// # Errors
    /// Any error ends the run.
    async fn find(&self, organization: &OrganizationId, of: &Collection, keys: &[NaturalKey]) -> Result<Vec<Vec<LocalId>>>;
}

/// From where local records are read.
#[derive(Debug, Clone, Copy)]
pub enum LocalFrom<'a> {
    /// From the start.
    Start,
    /// The next page of a listing that is under way.
    Page(&'a PageToken),
    /// What changed since.
    Cursor(&'a Cursor),
}

/// One page of local records.
#[derive(Debug)]
pub struct LocalPage {
    /// What is on it.
    pub items: Vec<Local>,
    /// What comes after it.
    pub next: LocalNext,
}

/// What comes after a page of local records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalNext {
    /// Another page.
    More(PageToken),
    /// Nothing. With a cursor, the next run reads what changed since; without one it reads everything and compares.
    Done(Option<Cursor>),
}

/// One local record.
#[derive(Debug, Clone, PartialEq)]
pub struct Local {
    /// Its id.
    pub id: LocalId,
    /// Its version, where the host has one.
    pub version: Option<Version>,
    /// What it is now.
    pub state: LocalState,
}

/// What a local record is now.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalState {
    /// There, with its mapped fields.
    Live(Record),
    /// There, and the host says that it doesn't go.
    OutOfScope,
    /// Not there.
    Deleted,
}

impl LocalState {
    /// The record, where it is there and goes.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Live(record) => Some(record),
            Self::OutOfScope | Self::Deleted => None,
        }
    }
}

/// One write to the host.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalWrite {
    /// The same for the same write.
    pub operation: OperationId,
    /// The record; `None` makes one.
    pub id: Option<LocalId>,
    /// The version that it was decided on; the write is [`LocalReceipt::Moved`] if it has another by now.
    pub expect: Option<Version>,
    /// What to do.
    pub verb: LocalVerb,
    /// The fields to set; others stay.
    pub fields: Record,
    /// Where it comes from, so that the host can keep its own mails quiet.
    pub origin: Origin,
}

/// What to do with a local record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LocalVerb {
    /// Make it.
    Create,
    /// Change it.
    Update,
    /// Delete it. Asked only of hosts that declare it.
    Delete,
    /// Cancel it, as the host understands that.
    Cancel,
}

impl LocalVerb {
    /// The name in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Cancel => "cancel",
        }
    }
}

/// Where a local write comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The integration.
    pub integration: crate::IntegrationId,
    /// The run.
    pub run: RunId,
}

/// What became of a local write.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum LocalReceipt {
    /// Done.
    Done {
        /// The record.
        id: LocalId,
        /// Its version now.
        version: Option<Version>,
    },
    /// It has another version by now.
    Moved,
    /// The host's own rule says no: a normal outcome, shown in the host's words and never retried.
    Refused {
        /// Why.
        reason: String,
        /// What to do.
        remedy: String,
    },
}

/// Takes what integrations learn about consent.
#[async_trait]
pub trait ConsentSink: Send + Sync {
    /// Records facts, idempotent by their ids. They are handed over again until this is `Ok`.
    ///
    /// # Errors
    /// They are handed over again with the next run.
    async fn record(&self, organization: &OrganizationId, facts: &[ConsentFact]) -> Result<()>;
}

/// The host's records, as far as it opens them.
#[derive(Clone)]
#[non_exhaustive]
pub enum HostRecords {
    /// To be read.
    ReadOnly(Arc<dyn Records>),
    /// To be written too.
    Writable(Arc<dyn WritableRecords>),
}

impl HostRecords {
    /// The reading side.
    pub fn reading(&self) -> &dyn Records {
        match self {
            Self::ReadOnly(records) => &**records,
            Self::Writable(records) => &**records,
        }
    }

    /// The writing side, where there is one.
    pub fn writing(&self) -> Option<&dyn WritableRecords> {
        match self {
            Self::ReadOnly(_) => None,
            Self::Writable(records) => Some(&**records),
        }
    }
}

impl std::fmt::Debug for HostRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ReadOnly(_) => "ReadOnly(…)",
            Self::Writable(_) => "Writable(…)",
        })
    }
}
