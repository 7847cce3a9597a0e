//! What became of an item, in words that a person can use.

use std::{borrow::Cow, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Owner, Skip, Verb,
    zoo::{self, Defect},
};

/// Stable codes of outcomes that the engine itself gives. Providers add their own.
pub mod code {
    /// The provider's record was made or changed.
    pub const DONE: &str = "done";
    /// Both sides agreed already.
    pub const UNCHANGED: &str = "unchanged";
    /// A call's answer was lost; it is looked at again later.
    pub const UNSETTLED: &str = "unsettled";
    /// Something it refers to isn't there yet.
    pub const BLOCKED: &str = "blocked";
    /// Several local records share one address or name.
    pub const SHARED_KEY: &str = "shared-key";
    /// More than one remote record could be the counterpart.
    pub const AMBIGUOUS: &str = "ambiguous-match";
    /// It waits for a side effect to be granted.
    pub const NEEDS_GRANT: &str = "needs-grant";
    /// It is outside the filter.
    pub const OUT_OF_SCOPE: &str = "out-of-scope";
    /// It was deleted there.
    pub const GONE_THERE: &str = "gone-there";
    /// The id is unknown to the host.
    pub const UNKNOWN_ITEM: &str = "unknown-item";
    /// The run stopped before its turn came.
    pub const NOT_REACHED: &str = "not-reached";
    /// It changed there between reading and writing, twice.
    pub const KEEPS_MOVING: &str = "keeps-moving";
    /// The address is on the suppression list.
    pub const SUPPRESSED: &str = "suppressed";
    /// Changed there, and written here.
    pub const DONE_HERE: &str = "done-here";
    /// Changed on both sides in the same field; a policy settled it, and the value that lost is kept with the plan.
    pub const CONFLICT_SETTLED: &str = "conflict-settled";
    /// Changed on both sides in the same field: a person decides.
    pub const CONFLICT: &str = "conflict";
    /// A change there that a person must agree to before it is written here.
    pub const GUARDED: &str = "guarded";
    /// It is new there.
    pub const NEW_THERE: &str = "new-there";
    /// The host's own rule said no.
    pub const REFUSED_HERE: &str = "refused-here";
    /// Deleted on one side and changed on the other: the change counts.
    pub const EDIT_BEATS_DELETE: &str = "edit-beats-delete";
    /// Deleted here while the call that makes it there had no answer.
    pub const LEFT_THERE: &str = "left-there";
    /// It was put away there.
    pub const ARCHIVED_THERE: &str = "archived-there";
    /// The record there does not take a change any more: a person is asked whether a further record makes up for it.
    pub const AMEND: &str = "amend";
    /// What made up for a change was taken away there.
    pub const AMENDMENT_GONE: &str = "amendment-gone";
    /// What a run did stays, although it was asked to be taken back.
    pub const STAYS: &str = "stays";
    /// The plan does not hold any more: it changed since it was approved.
    pub const PLAN_MOVED: &str = "plan-moved";
}

/// What became of an item.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The kind.
    pub kind: OutcomeKind,
    /// A stable code.
    pub code: Cow<'static, str>,
    /// What was or wasn't done, and why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Who must do what where, and what happens then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Who must act.
    pub owner: Owner,
    /// The provider's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_code: Option<String>,
    /// The provider's own words: erasable, never logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_message: Option<String>,
    /// When it is looked at again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The kinds of outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OutcomeKind {
    /// Made there.
    Created,
    /// Changed there.
    Updated,
    /// Taken away there.
    Removed,
    /// Linked to what was there already.
    Linked,
    /// Nothing to do.
    Unchanged,
    /// Left out, for the reason given.
    Skipped,
    /// A person is asked.
    Question,
    /// Waits for another item.
    Blocked,
    /// Looked at again later.
    Pending,
    /// Failed.
    Failed,
}

impl OutcomeKind {
    /// The name in stores and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Removed => "removed",
            Self::Linked => "linked",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Question => "question",
            Self::Blocked => "blocked",
            Self::Pending => "pending",
            Self::Failed => "failed",
        }
    }

    /// The kind of a name that [`OutcomeKind::as_str`] gave.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// True when the item is in order on both sides: nothing stands.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Removed | Self::Linked | Self::Unchanged)
    }

    /// True when something was written there.
    pub fn is_synced(self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Removed | Self::Linked)
    }

    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Created,
        Self::Updated,
        Self::Removed,
        Self::Linked,
        Self::Unchanged,
        Self::Skipped,
        Self::Question,
        Self::Blocked,
        Self::Pending,
        Self::Failed,
    ];
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Outcome {
    /// An outcome of this kind and code.
    pub fn new(kind: OutcomeKind, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            remedy: None,
            owner: Owner::Nobody,
            provider_code: None,
            provider_message: None,
            until: None,
        }
    }

    /// The outcome of an operation that was carried out.
    pub fn done(verb: Verb) -> Self {
        let kind = match verb {
            Verb::Create => OutcomeKind::Created,
            Verb::Update => OutcomeKind::Updated,
            Verb::Remove => OutcomeKind::Removed,
        };
        Self::new(kind, code::DONE, "")
    }

    /// With who must do what.
    #[must_use]
    pub fn remedy(mut self, owner: Owner, remedy: impl Into<String>) -> Self {
        self.owner = owner;
        self.remedy = Some(remedy.into());
        self
    }

    /// With when it is looked at again.
    #[must_use]
    pub fn until(mut self, at: Timestamp) -> Self {
        self.until = Some(at);
        self
    }

    /// The outcome of an item whose call failed.
    pub fn failed(error: &Error) -> Self {
        let mut outcome = Self::new(OutcomeKind::Failed, error.kind().as_str(), error.message().to_owned());
        outcome.owner = error.owner();
        outcome.remedy = error.remedy().filter(|_| !zoo::is(Defect::NamesNoRemedy)).map(str::to_owned);
        outcome.provider_code = error.provider_code().map(str::to_owned);
        outcome.provider_message = error.provider_message().map(str::to_owned);
        outcome
    }
}

impl std::convert::From<&Skip> for Outcome {
    fn from(skip: &Skip) -> Self {
        let mut outcome = Self::new(OutcomeKind::Skipped, skip.code.clone(), skip.message.clone());
        outcome.owner = skip.owner;
        outcome.remedy = skip.remedy.clone();
        outcome.until = skip.until;
        outcome
    }
}

/// Prints neither message nor the provider's words: they may hold record content.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("kind", &self.kind)
            .field("code", &self.code)
            .field("owner", &self.owner)
            .field("provider_code", &self.provider_code)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
