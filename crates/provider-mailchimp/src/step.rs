//! The kinds of wire calls, and the names under which the engine groups them.

use std::borrow::Cow;

use sync_core::{ContainerId, RemoteId};

/// One kind of wire call. Its group's name says all that `push` needs beside the operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// New members, up to 500.
    New,
    /// New members with their tags, up to 500.
    NewTagged,
    /// The profile of known members, up to 500.
    Known,
    /// The profile of one known member.
    Profile(RemoteId),
    /// A new address for one member; its profile goes along.
    Rename(RemoteId),
    /// No more marketing for one member.
    Lower(RemoteId),
    /// More marketing for one member.
    Raise(RemoteId),
    /// One member back from the archive; its profile goes along.
    Revive(RemoteId),
    /// One member into the archive.
    Archive(RemoteId),
    /// One member erased for good.
    Erase(RemoteId),
    /// One tag onto members, up to 500, by its lower-case name.
    TagAdd(String),
    /// One tag off members, up to 500, by its lower-case name.
    TagRemove(String),
    /// All tags of one member, without starting automations.
    MemberTags(RemoteId),
}

const NEW: &str = "members:new";
const NEW_TAGGED: &str = "members:new+tags";
const KNOWN: &str = "members:known";

impl Step {
    /// The group's name. Names of groups in an audience other than the connection's start with that audience.
    pub(crate) fn group(&self, elsewhere: Option<&ContainerId>) -> Cow<'static, str> {
        let name: Cow<'static, str> = match self {
            Self::New => NEW.into(),
            Self::NewTagged => NEW_TAGGED.into(),
            Self::Known => KNOWN.into(),
            Self::Profile(id) => format!("member:profile:{id}").into(),
            Self::Rename(id) => format!("member:rename:{id}").into(),
            Self::Lower(id) => format!("member:lower:{id}").into(),
            Self::Raise(id) => format!("member:raise:{id}").into(),
            Self::Revive(id) => format!("member:revive:{id}").into(),
            Self::Archive(id) => format!("member:archive:{id}").into(),
            Self::Erase(id) => format!("member:erase:{id}").into(),
            Self::TagAdd(tag) => format!("tag:+{tag}").into(),
            Self::TagRemove(tag) => format!("tag:-{tag}").into(),
            Self::MemberTags(id) => format!("tags:{id}").into(),
        };
        match elsewhere {
            Some(audience) => format!("{audience}/{name}").into(),
            None => name,
        }
    }

    /// Reads what [`Step::group`] wrote.
    pub(crate) fn parse(group: &str, elsewhere: Option<&ContainerId>) -> Option<Self> {
        let name = match elsewhere {
            Some(audience) => group.strip_prefix(audience.as_str())?.strip_prefix('/')?,
            None => group,
        };
        if let Some(tag) = name.strip_prefix("tag:+") {
            return Some(Self::TagAdd(tag.to_owned()));
        }
        if let Some(tag) = name.strip_prefix("tag:-") {
            return Some(Self::TagRemove(tag.to_owned()));
        }
        if let Some(id) = name.strip_prefix("tags:") {
            return Some(Self::MemberTags(id.into()));
        }
        let (kind, id) = match name {
            NEW => return Some(Self::New),
            NEW_TAGGED => return Some(Self::NewTagged),
            KNOWN => return Some(Self::Known),
            _ => name.strip_prefix("member:")?.split_once(':')?,
        };
        let of: fn(RemoteId) -> Self = match kind {
            "profile" => Self::Profile,
            "rename" => Self::Rename,
            "lower" => Self::Lower,
            "raise" => Self::Raise,
            "revive" => Self::Revive,
            "archive" => Self::Archive,
            "erase" => Self::Erase,
            _ => return None,
        };
        Some(of(id.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_group_reads_back_what_it_says(tag in "\\PC{1,20}", id in "[0-9a-f]{32}", kind in 0..13, far: bool) {
            let id = RemoteId::new(id);
            let step = match kind {
                0 => Step::New,
                1 => Step::Known,
                2 => Step::Profile(id),
                3 => Step::Rename(id),
                4 => Step::Lower(id),
                5 => Step::Raise(id),
                6 => Step::Revive(id),
                7 => Step::Archive(id),
                8 => Step::TagAdd(tag),
                9 => Step::TagRemove(tag),
                10 => Step::NewTagged,
                11 => Step::Erase(id),
                _ => Step::MemberTags(id),
            };
            let audience = ContainerId::from_static("a1b2");
            let elsewhere = far.then_some(&audience);
            prop_assert_eq!(Step::parse(&step.group(elsewhere), elsewhere), Some(step));
        }
    }
}
