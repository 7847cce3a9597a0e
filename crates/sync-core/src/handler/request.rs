//! What a [`super::SyncHandler`] is asked, and what it answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, CallKey, CallSet, Change, Complete, ContainerId, Cursor, EffectGrants, Error, ErrorKind, Facts, Feed, Marker,
    NaturalKey, Operation, PageToken, Part, Record, Refs, RemoteId, ResourceName, Result, Role, Skip,
};

/// How deep [`crate::SyncHandler::check`] looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Only which account it is: once per grant generation.
    Account,
    /// Settings and facts too: before the first operation of a run is planned.
    Settings,
}

/// What [`crate::SyncHandler::check`] saw.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Checked {
    /// Accounts in reach, as id and name. The connection's own comes first, where it is known.
    pub accounts: Vec<(AccountId, String)>,
    /// What is wrong with the settings. Any problem stops a run before its first write.
    pub problems: Vec<Problem>,
    /// What `prepare` needs.
    pub facts: Facts,
}

impl Checked {
    /// One account in reach, and nothing to complain about.
    pub fn account(id: impl Into<AccountId>, name: impl Into<String>) -> Self {
        Self { accounts: vec![(id.into(), name.into())], ..Self::default() }
    }
}

/// Something wrong with a connection's settings: one problem of the connection, not one failure per item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The setting.
    pub setting: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Asks for what a setting may name.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Choices<'a> {
    /// The word of the schema's `x-choices`, such as `audiences`.
    pub of: &'a str,
    /// Only those whose label has this text, ignoring case.
    pub query: Option<&'a str>,
}

impl<'a> Choices<'a> {
    /// All choices of a word.
    pub fn new(of: &'a str, query: Option<&'a str>) -> Self {
        Self { of, query }
    }
}

/// One thing that a setting may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// What goes into the setting.
    pub value: String,
    /// What people read.
    pub label: String,
    /// A heading above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Why it can't be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// True for the sensible default.
    #[serde(default)]
    pub default: bool,
}

/// Asks for one page of one feed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Pull<'a> {
    /// The feed.
    pub feed: &'static Feed,
    /// The container, where the provider has them.
    pub container: Option<&'a ContainerId>,
    /// From where.
    pub from: From<'a>,
}

impl<'a> Pull<'a> {
    /// One page.
    pub fn new(feed: &'static Feed, container: Option<&'a ContainerId>, from: From<'a>) -> Self {
        Self { feed, container, from }
    }
}

/// From where a feed is read.
#[derive(Debug, Clone, Copy)]
pub enum From<'a> {
    /// From the start: everything there is.
    Start,
    /// What changed since.
    Cursor(&'a Cursor),
    /// The next page of a listing that is under way.
    Page(&'a PageToken),
}

/// One page of one feed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page {
    /// What is on it. May repeat, must not omit.
    pub changes: Vec<Change>,
    /// The next page, or the cursor: one value, so that nobody keeps one and forgets the other.
    pub next: Next,
    /// What the listing covers.
    pub complete: Complete,
}

impl Page {
    /// A page.
    pub fn new(changes: Vec<Change>, next: Next, complete: Complete) -> Self {
        Self { changes, next, complete }
    }
}

/// What comes after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Another page.
    More(PageToken),
    /// Nothing; the feed goes on from here.
    Done(Cursor),
}

/// Asks for records.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Find<'a> {
    /// Their kind.
    pub resource: &'a ResourceName,
    /// The container, where the provider has them.
    pub container: Option<&'a ContainerId>,
    /// By what.
    pub by: FindBy<'a>,
}

impl<'a> Find<'a> {
    /// A look-up.
    pub fn new(resource: &'a ResourceName, container: Option<&'a ContainerId>, by: FindBy<'a>) -> Self {
        Self { resource, container, by }
    }

    /// The ids asked for, of a kind of records that are made under our marker as their id and are found by nothing else.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where records of another kind are asked for, or what identifies them by content.
    pub fn chosen_ids(&self, of: &ResourceName) -> Result<Vec<&'a str>> {
        match self.by {
            _ if self.resource != of => Err(Error::new(ErrorKind::Unsupported, format!("there are no {}", self.resource))),
            FindBy::Ids(ids) => Ok(ids.iter().map(RemoteId::as_str).collect()),
            FindBy::Markers(markers) => Ok(markers.iter().map(Marker::as_str).collect()),
            FindBy::Keys(_) => Err(Error::new(ErrorKind::Unsupported, format!("{of} are found by id alone"))),
        }
    }
}

/// By what records are looked up.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum FindBy<'a> {
    /// By their ids.
    Ids(&'a [RemoteId]),
    /// By our markers.
    Markers(&'a [Marker]),
    /// By what identifies them.
    Keys(&'a [NaturalKey]),
}

impl FindBy<'_> {
    /// How many answers are expected.
    pub fn len(&self) -> usize {
        match self {
            Self::Ids(ids) => ids.len(),
            Self::Markers(markers) => markers.len(),
            Self::Keys(keys) => keys.len(),
        }
    }

    /// True when nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Asks which wire calls an operation is made of.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Prepare<'a> {
    /// What was learned in this run.
    pub facts: &'a Facts,
    /// Side effects that a person allowed.
    pub grants: &'a EffectGrants,
    /// The operation.
    pub op: &'a Operation,
    /// The number that the next amendment of this record has: 2 for the first.
    pub amendment: u32,
    /// True where amendments make up for earlier changes: the record there alone does not come to what the host's does.
    pub is_amended: bool,
}

impl<'a> Prepare<'a> {
    /// A request.
    pub fn new(facts: &'a Facts, grants: &'a EffectGrants, op: &'a Operation) -> Self {
        Self { facts, grants, op, amendment: 2, is_amended: false }
    }

    /// With the number that the next amendment has, of a record with or without amendments that count.
    #[must_use]
    pub fn amendment(mut self, number: u32, is_amended: bool) -> Self {
        self.amendment = number;
        self.is_amended = is_amended;
        self
    }
}

/// Asks what a record of the host would be found by.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct KeysOf<'a> {
    /// Its kind.
    pub resource: &'a ResourceName,
    /// Its mapped fields.
    pub fields: &'a Record,
    /// Its references, as far as they have counterparts.
    pub refs: &'a Refs,
}

impl<'a> KeysOf<'a> {
    /// A request.
    pub fn new(resource: &'a ResourceName, fields: &'a Record, refs: &'a Refs) -> Self {
        Self { resource, fields, refs }
    }
}

/// What `prepare` made of an operation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Prepared {
    /// These parts, ordered by stage.
    Parts(Vec<Part>),
    /// It stays undone.
    Skip(Skip),
    /// The record there does not take the change any more; this makes up for it. Only ever the answer to an update of the
    /// main record.
    Amend(Box<Amendment>),
}

/// A further record at the provider that makes up for a change of one that can't be changed any more: a supplementary
/// document or a credit for the difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Amendment {
    /// [`Role::amendment`] with the number that was given.
    pub role: Role,
    /// The further record in full, with a number of its own.
    pub fields: Record,
    /// What is done instead of the change and why, in people's words: shown as one decision.
    pub words: String,
}

/// One wire call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Push<'a> {
    /// The parts.
    pub set: CallSet<'a>,
    /// The call's key, fixed before its first attempt and the same when it is repeated.
    pub key: &'a CallKey,
    /// What was learned in this run.
    pub facts: &'a Facts,
}

impl<'a> Push<'a> {
    /// A wire call.
    pub fn new(set: CallSet<'a>, key: &'a CallKey, facts: &'a Facts) -> Self {
        Self { set, key, facts }
    }
}

/// Asks to start or stop a push channel.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Watch<'a> {
    /// Start one for a feed.
    Start {
        /// The feed.
        feed: &'static Feed,
        /// The container.
        container: Option<&'a ContainerId>,
        /// Where it shall call.
        url: &'a str,
        /// What it shall show there. Where a channel's id is ours to choose, it is [`crate::channel_id`] of this.
        secret: &'a str,
    },
    /// Stop one.
    Stop(&'a Watching),
}

/// A push channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watching {
    /// The provider's own state of it, opaque.
    pub state: String,
    /// When it must be renewed.
    pub renew_at: Option<Timestamp>,
}

/// Numbers of a plan, for [`crate::SyncHandler::summary`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PlanDigest<'a> {
    /// Operations to create, by resource.
    pub creates: &'a BTreeMap<ResourceName, u64>,
    /// Operations to update.
    pub updates: &'a BTreeMap<ResourceName, u64>,
    /// Operations to remove.
    pub removes: &'a BTreeMap<ResourceName, u64>,
    /// Parts that set a side effect off, by its name.
    pub effects: &'a BTreeMap<String, u64>,
    /// Links that stay behind in containers no longer synced to.
    pub left_behind: &'a BTreeMap<ContainerId, u64>,
}

impl<'a> PlanDigest<'a> {
    /// The numbers of a plan.
    pub fn new(
        creates: &'a BTreeMap<ResourceName, u64>,
        updates: &'a BTreeMap<ResourceName, u64>,
        removes: &'a BTreeMap<ResourceName, u64>,
        effects: &'a BTreeMap<String, u64>,
        left_behind: &'a BTreeMap<ContainerId, u64>,
    ) -> Self {
        Self { creates, updates, removes, effects, left_behind }
    }
}
