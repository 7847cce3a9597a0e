//! Links, and what feeds showed.

use serde::{Deserialize, Serialize};
use sync_core::{
    AccountId, CallKey, ContainerId, Hash, LocalId, Record, Remote, RemoteId, RemoteState, ResourceName, Role, Version,
    zoo::{self, Defect},
};

/// Local id ↔ remote id, with what both sides last agreed on.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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

debug_hiding!(Link shows { account, resource, local, role, container, remote, state, hash, base, call } hides { key });

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
    /// A person or a policy let go of it: both records stay as they are, and nothing is planned for them.
    Detached,
}

/// What both sides last agreed on.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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

debug_hiding!(Base shows { local, remote, version, state, mapping } hides { native });

impl Base {
    /// The fields as the remote side had them.
    pub fn face(&self) -> &Record {
        self.remote.as_ref().filter(|_| !zoo::is(Defect::ComparesOneFace)).unwrap_or(&self.local)
    }
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

/// What a feed tells of a remote record of which nothing need be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It is gone.
    Gone,
    /// It is there, and says what its link's base says.
    AsAgreed,
}

/// One remote record that a feed showed in this run.
#[derive(Clone, PartialEq)]
pub struct Seen {
    /// The value of the natural key that matching goes by first.
    pub key: Option<String>,
    /// The record.
    pub remote: Remote,
}

debug_hiding!(Seen shows { remote } hides { key });
