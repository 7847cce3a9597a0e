//! Operations and the parts of which wire calls are made.

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ContainerId, Error, ErrorKind, Facts, FieldName, LocalId, LocalVerb, Marker, NaturalKey, OperationId, Owner, Record,
    Refs, Remote, RemoteId, ResourceName, Result, Role, SideEffect, Version,
};

/// One thing to do, there, here or on both sides, with its reason. Speaks local ids only; a record that is new there goes
/// by [`LocalId::of_remote`] until it was made here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Stable when the same change is planned again.
    pub id: OperationId,
    /// The kind of record.
    pub resource: ResourceName,
    /// The host's record.
    pub local: LocalId,
    /// Which of its counterparts.
    pub role: Role,
    /// Where in the account it goes or lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerId>,
    /// What to do.
    pub verb: Verb,
    /// The fields as they shall be: all mapped ones, whatever changed.
    pub fields: Record,
    /// Which of them differ from the base. For a create: all.
    pub changed: BTreeSet<FieldName>,
    /// What changes in sets with owned elements, by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sets: BTreeMap<FieldName, SetChange>,
    /// The remote record as it is known: the base, or read freshly where the resource asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Remote>>,
    /// What marks a record as ours.
    pub marker: Marker,
    /// Fields that differ and are left as they are for now: what was last agreed on about them stays.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub open: BTreeSet<FieldName>,
    /// Lists of lines as both sides last agreed on them, by field: which of ours is which of theirs, and what was added
    /// there since, follows from it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agreed: BTreeMap<FieldName, AgreedLines>,
    /// Where it makes up for a change of the main record that could not be made: what that change was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amends: Option<Box<Amends>>,
    /// What identifies records by content and is known to belong to others there, such as the name of somebody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<NaturalKey>,
    /// True when it cannot be taken back there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
    /// The code of the outcome, where its counterpart was there before us: linked, and left as it is on both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_as: Option<Cow<'static, str>>,
    /// What to write here. Not the provider's concern: it prepares what `changed` says, which is empty where only this
    /// side is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub here: Option<Box<Here>>,
    /// Why.
    pub reason: Reason,
}

/// An operation's share on the host's side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Here {
    /// What to do.
    pub verb: LocalVerb,
    /// The fields to set; others stay.
    pub fields: Record,
    /// What these fields were: kept with the plan, so that nothing is lost.
    pub before: Record,
    /// The version that it was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Version>,
}

/// A list of lines as both sides last agreed on it, as each side had it. Where the provider shows as many lines as it was
/// sent, they are in the same order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AgreedLines {
    /// The host's lines.
    pub here: Vec<Record>,
    /// The provider's lines.
    pub there: Vec<Record>,
}

/// The change that an amendment makes up for.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Amends {
    /// Both, the change and what makes up for it, as one decision in people's words.
    pub words: String,
    /// The host's record as it is agreed on once the amendment is there.
    pub fields: Record,
    /// The host's record as it was agreed on before.
    pub before: Record,
}

/// Prints no content.
impl fmt::Debug for Amends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amends").finish_non_exhaustive()
    }
}

impl Operation {
    /// True when the field differs from the base.
    pub fn is_changed(&self, field: &str) -> bool {
        self.changed.contains(field)
    }

    /// The fields that differ from the base, as texts, for a provider that takes nothing else; `None` for a blank.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with the name of one that is no text.
    pub fn changed_texts<'s>(&'s self) -> Result<BTreeMap<&'s str, Option<&'s str>>> {
        let text = |field: &'s FieldName| match self.fields.value(field.as_str()) {
            Some(value) if value.as_text().is_none() && !value.is_blank() => {
                Err(Error::new(ErrorKind::Invalid, format!("{field} is no text, and nothing else can be expressed there"))
                    .with_remedy("Correct the record here. It goes with the next sync."))
            }
            _ => Ok((field.as_str(), self.fields.text(field.as_str()))),
        };
        self.changed.iter().map(text).collect()
    }
}

/// What to do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Make it.
    Create,
    /// Change it.
    Update,
    /// Take it away, as the resource does it: delete, archive, void.
    Remove,
}

impl Verb {
    /// The name in plans and stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Remove => "remove",
        }
    }
}

/// Why an operation is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// New here, and nothing there matches.
    NewHere,
    /// Changed here.
    ChangedHere,
    /// New here and found there: linked, and what differs is written.
    Matched,
    /// Deleted here.
    DeletedHere,
    /// No longer in the filter.
    OutOfScope,
    /// A person answered a question.
    Answered,
    /// Changed on both sides in different fields.
    Merged,
    /// Changed there.
    ChangedThere,
    /// New there.
    NewThere,
    /// Deleted there.
    DeletedThere,
    /// Changed on both sides in the same field; a policy or a person settled it.
    Settled,
    /// Deleted on one side and changed on the other: the change counts.
    EditBeatsDelete,
    /// The host refused a change, and the other side is put back.
    PutBack,
    /// New here, and something that was asked for refers to it.
    Needed,
    /// Changed here, and the record there can't be changed any more: a further record makes up for it.
    Amended,
    /// What an earlier run did is taken back.
    Undone,
}

impl Reason {
    /// The name in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewHere => "new-here",
            Self::ChangedHere => "changed-here",
            Self::Matched => "matched",
            Self::DeletedHere => "deleted-here",
            Self::OutOfScope => "out-of-scope",
            Self::Answered => "answered",
            Self::Merged => "merged",
            Self::ChangedThere => "changed-there",
            Self::NewThere => "new-there",
            Self::DeletedThere => "deleted-there",
            Self::Settled => "settled",
            Self::EditBeatsDelete => "edit-beats-delete",
            Self::PutBack => "put-back",
            Self::Needed => "needed",
            Self::Amended => "amended",
            Self::Undone => "undone",
        }
    }
}

/// What changes in a set of which we own some elements.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SetChange {
    /// Elements to add.
    pub add: BTreeSet<String>,
    /// Elements of ours to remove.
    pub remove: BTreeSet<String>,
}

/// Prints numbers alone: elements are record content.
impl fmt::Debug for SetChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetChange").field("n_add", &self.add.len()).field("n_remove", &self.remove.len()).finish()
    }
}

/// One operation's share of one wire call: the unit of batching, cost, safety and receipt.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Parts of later stages go after those of earlier stages are done; within a stage the order is free. From 0.
    pub stage: u8,
    /// Parts of one stage with equal groups share a call.
    pub group: Cow<'static, str>,
    /// Most parts in one call.
    pub max: usize,
    /// Which calls of the group wait for another one of it.
    pub serial: Serial,
    /// The budget that pays.
    pub budget: &'static str,
    /// What one call costs there.
    pub cost: u32,
    /// What makes an unanswered call safe.
    pub safety: Safety,
    /// What it sets off beyond the record.
    pub effects: &'static [SideEffect],
    /// True when what it does cannot be taken back there: a plan marks it.
    pub is_final: bool,
}

impl Part {
    /// A part with a call of its own, that costs 1 of the budget `""` and sets nothing off.
    pub fn new(stage: u8, group: impl Into<Cow<'static, str>>, max: usize, safety: Safety) -> Self {
        Self {
            stage,
            group: group.into(),
            max,
            serial: Serial::No,
            budget: "",
            cost: 1,
            safety,
            effects: &[],
            is_final: false,
        }
    }

    /// With the budget that pays, and the cost of a call.
    #[must_use]
    pub fn budget(mut self, budget: &'static str, cost: u32) -> Self {
        self.budget = budget;
        self.cost = cost;
        self
    }

    /// With calls of the group one after another.
    #[must_use]
    pub fn serial(mut self) -> Self {
        self.serial = Serial::Always;
        self
    }

    /// With the group's first call ahead of the others, which then go side by side.
    #[must_use]
    pub fn first_alone(mut self) -> Self {
        self.serial = Serial::First;
        self
    }

    /// As one that cannot be taken back there.
    #[must_use]
    pub fn final_there(mut self) -> Self {
        self.is_final = true;
        self
    }

    /// With what it sets off.
    #[must_use]
    pub fn effects(mut self, effects: &'static [SideEffect]) -> Self {
        self.effects = effects;
        self
    }
}

/// Which calls of a group wait for another one of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Serial {
    /// None: they go side by side.
    No,
    /// All wait for the first, since it makes what the others need; then they go side by side.
    First,
    /// Each waits for the one before.
    Always,
}

/// What makes a call safe when its answer is lost. In every case nothing is done before the descriptor's `settle` (or
/// the safety's own) has passed since the call's last possible moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Safety {
    /// We choose the id: the call is repeated, and what exists already comes back as taken, is looked at and adopted.
    ClientId,
    /// The provider honours a key: the call is repeated whole under it while the key lives, looked up afterwards.
    Key {
        /// How long the provider remembers a key.
        lives: Duration,
        /// How long a call may still be carried out after we gave up on it.
        settle: Duration,
    },
    /// Neither: it is looked up by marker and natural keys, and sent as a new call only when absent.
    LookUp {
        /// How long a call may still be carried out after we gave up on it.
        settle: Duration,
    },
    /// Doing it twice is doing it once.
    Repeatable,
    /// May be done twice; the receiver deduplicates.
    AtLeastOnce,
    /// Not provable: a person is asked.
    None,
}

/// Several parts of one group that go out in one call.
#[derive(Debug, Clone)]
pub struct CallSet<'a> {
    /// The group.
    pub group: &'a str,
    /// The parts, in order; one receipt each.
    pub parts: &'a [PartRef<'a>],
}

/// One part when it is sent.
#[derive(Debug, Clone)]
pub struct PartRef<'a> {
    /// Its operation.
    pub op: &'a Operation,
    /// Which of the operation's parts it is, as `prepare` ordered them.
    pub part_idx: usize,
    /// The remote record it is about, where one is known by now.
    pub remote: Option<&'a RemoteId>,
    /// Its version, where one is known by now.
    pub version: Option<&'a Version>,
    /// References of the operation's fields and of the lists in them, translated.
    pub refs: &'a Refs,
}

/// What became of one part.
#[derive(Debug)]
#[non_exhaustive]
pub enum Receipt {
    /// Done.
    Done {
        /// The remote record.
        id: RemoteId,
        /// Its version now, where the answer tells.
        version: Option<Version>,
        /// The record as it is now, where the answer tells.
        after: Option<Box<Remote>>,
        /// What was learned for the run.
        facts: Option<Facts>,
    },
    /// It changed there since it was read (412, 5010): the engine reads and plans it again, once.
    Moved,
    /// Its id, name or address is taken there (409, 6240). No proof that it is ours: the engine looks, compares, adopts
    /// or asks.
    Taken(Option<RemoteId>),
    /// Refused for what it contains.
    Refused(Error),
    /// Not written by the provider's or the settings' rules, and nobody's fault.
    Skipped(Skip),
    /// It may have happened.
    Uncertain(Error),
}

impl Receipt {
    /// Done, and nothing is known of the record but its id.
    pub fn done(id: RemoteId) -> Self {
        Self::Done { id, version: None, after: None, facts: None }
    }

    /// The receipt of a part with a call of its own, about a record whose id is known before it is made: the record as it is
    /// now, where the answer tells, or what an error says of it. Removing what isn't there is done.
    ///
    /// # Errors
    /// An error that is about the call, and not about the record.
    pub fn of(op: &Operation, id: RemoteId, sent: Result<Option<Remote>>) -> Result<Self> {
        let error = match sent {
            Ok(after) => {
                let version = after.as_ref().and_then(|after| after.version.clone());
                return Ok(Self::Done { id, version, after: after.map(Box::new), facts: None });
            }
            Err(error) => error,
        };
        Ok(match (error.kind(), op.verb) {
            (ErrorKind::NotFound, Verb::Remove) => Self::done(id),
            // What nobody has read can't have changed since: it is there.
            (ErrorKind::Taken | ErrorKind::Moved, Verb::Create) => Self::Taken(Some(id)),
            // By another record.
            (ErrorKind::Taken, _) => Self::Taken(None),
            (ErrorKind::NotFound, Verb::Update) | (ErrorKind::Moved, _) => Self::Moved,
            (ErrorKind::Refused, _) => Self::Refused(error),
            _ => return Err(error),
        })
    }
}

/// Why an item is left out, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// A stable code, such as `no-consent`.
    pub code: Cow<'static, str>,
    /// What wasn't done and why.
    pub message: String,
    /// Who must do what, and what happens then. `None` when nothing needs to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Who must act.
    pub owner: Owner,
    /// The side effect whose grant would let it go, where that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_grant: Option<Cow<'static, str>>,
    /// When it is looked at again by itself, where time alone changes that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Skip {
    /// A skip that nobody needs to act on.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            message: message.into(),
            remedy: None,
            owner: Owner::Nobody,
            needs_grant: None,
            until: None,
        }
    }

    /// With what to do, and by whom.
    #[must_use]
    pub fn remedy(mut self, owner: Owner, remedy: impl Into<String>) -> Self {
        self.owner = owner;
        self.remedy = Some(remedy.into());
        self
    }

    /// With the side effect whose grant would let it go.
    #[must_use]
    pub fn needs_grant(mut self, effect: SideEffect) -> Self {
        self.needs_grant = Some(Cow::Borrowed(effect.name));
        self
    }

    /// With when it is looked at again by itself.
    #[must_use]
    pub fn until(mut self, at: Timestamp) -> Self {
        self.until = Some(at);
        self
    }
}
