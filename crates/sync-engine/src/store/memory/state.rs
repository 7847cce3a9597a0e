//! What the store in memory holds.

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use sync_core::{
    AccountId, CallKey, Channel, ConsentFact, ContainerId, Error, ErrorKind, Grant, InstallationId, LocalId, NaturalKey,
    OrganizationId, QuestionId, RemoteId, ResourceName, Result, Role, RunId, Scope,
};

use super::super::{
    CallRow, ConnectionRow, Item, LeaseInfo, Link, Mark, OutcomeRow, PartState, PlannedOp, Question, ReadyPart, RunRow,
    Seen, StoredCursor, Suppression,
};
use super::channels::Doors;

/// What a feed shows, in the order in which it is read.
pub(super) type SeenKey = (ResourceName, RemoteId, Option<ContainerId>);

/// Links in the order in which a full scan reads them.
pub(super) type LinkKey = (AccountId, ResourceName, Role, LocalId);

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) scopes: BTreeMap<Scope, Data>,
    pub(super) counters: BTreeMap<(String, i64), u32>,
    pub(super) suppressions: BTreeMap<(OrganizationId, Channel, [u8; 32]), Suppression>,
    pub(super) digests: BTreeSet<(OrganizationId, String)>,
    pub(super) n_outcomes: u64,
    pub(super) doors: Doors,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    pub(super) connection: Option<ConnectionRow>,
    pub(super) grant: Option<Grant>,
    pub(super) lease: Option<LeaseRow>,
    pub(super) links: BTreeMap<LinkKey, Link>,
    pub(super) plans: BTreeMap<RunId, Plan>,
    pub(super) calls: BTreeMap<CallKey, CallRow>,
    pub(super) cursors: BTreeMap<String, StoredCursor>,
    pub(super) items: BTreeMap<(ResourceName, LocalId), Item>,
    pub(super) runs: BTreeMap<RunId, RunRow>,
    pub(super) outcomes: BTreeMap<u64, (RunId, OutcomeRow)>,
    pub(super) questions: BTreeMap<QuestionId, Question>,
    pub(super) facts: Vec<FactRow>,
}

#[derive(Debug, Clone)]
pub(super) struct LeaseRow {
    pub(super) epoch: u64,
    pub(super) owner: String,
    pub(super) since_ms: i64,
    pub(super) expires_ms: i64,
}

impl LeaseRow {
    pub(super) fn info(&self, scope: &Scope, now_ms: i64) -> Result<LeaseInfo> {
        Ok(LeaseInfo {
            scope: scope.clone(),
            epoch: self.epoch,
            owner: self.owner.clone(),
            since: timestamp(self.since_ms)?,
            expires_at: timestamp(self.expires_ms)?,
            now: timestamp(now_ms)?,
        })
    }
}

/// What a feed showed of a record.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    Record(Box<Seen>),
    Mark(Mark),
}

impl Shown {
    pub(super) fn record(&self) -> Option<&Seen> {
        match self {
            Self::Record(seen) => Some(seen),
            Self::Mark(_) => None,
        }
    }
}

/// A run's plan and scratch.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) created_ms: i64,
    pub(super) operations: BTreeMap<u64, Planned>,
    pub(super) seen: BTreeMap<SeenKey, Shown>,
}

impl Plan {
    pub(super) fn new(created_ms: i64) -> Self {
        Self { created_ms, operations: BTreeMap::new(), seen: BTreeMap::new() }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) op: PlannedOp,
    pub(super) states: Vec<PartState>,
}

impl Planned {
    /// One of its parts, with all that is needed to send it.
    pub(super) fn part(&self, part_idx: usize) -> Option<ReadyPart> {
        let n_open = self.states.iter().filter(|state| **state != PartState::Done).count();
        Some(ReadyPart {
            seq: self.op.seq,
            part_idx: u32::try_from(part_idx).ok()?,
            n_open: u32::try_from(n_open).ok()?,
            n_parts: u32::try_from(self.states.len()).ok()?,
            part: self.op.parts.get(part_idx)?.clone(),
            operation: self.op.operation.clone(),
            key: self.op.key.clone(),
            hash: self.op.hash,
        })
    }

    pub(super) fn is_sent(&self) -> bool {
        self.states.contains(&PartState::Sent)
    }
}

#[derive(Debug, Clone)]
pub(super) struct FactRow {
    pub(super) fact: ConsentFact,
    pub(super) taken_ms: Option<i64>,
}

pub(super) fn timestamp(ms: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(ms)
        .map_err(|error| Error::new(ErrorKind::Internal, "a time is out of range").with_source(error))
}

/// What an address is kept as: nothing that can be read back. `None` for a blank one.
pub(super) fn address_hash(
    installation: &InstallationId,
    organization: &OrganizationId,
    channel: Channel,
    address: &str,
) -> Option<[u8; 32]> {
    let address = NaturalKey::of(channel.as_str(), address)?;
    let organization_key = mac(installation.as_str().as_bytes(), organization.as_str())?;
    mac(&organization_key, &format!("{channel}:{}", address.value()))
}

fn mac(key: &[u8], text: &str) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac.finalize().into_bytes().into())
}
