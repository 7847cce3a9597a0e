//! What the provider holds, as a handler reads it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ContainerId, ErrorKind, Marker, NaturalKey, Record, RemoteId, ResourceName, Result, Version};

/// One record at the provider.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Remote {
    /// Its kind.
    pub resource: ResourceName,
    /// Its id there.
    pub id: RemoteId,
    /// Where in the account it lies, where the provider has containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerId>,
    /// Its version there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Whether it is in use.
    pub state: RemoteState,
    /// Our marker, where it carries one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<Marker>,
    /// What identifies it by content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<NaturalKey>,
    /// When it changed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    /// What we understand of it: the fields as the provider has them.
    pub fields: Record,
    /// What we don't, without which an update would destroy it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<serde_json::Value>,
}

impl Remote {
    /// A live record with this id and these fields.
    pub fn live(resource: ResourceName, id: impl Into<RemoteId>, fields: Record) -> Self {
        Self {
            resource,
            id: id.into(),
            container: None,
            version: None,
            state: RemoteState::Live,
            marker: None,
            keys: Vec::new(),
            changed_at: None,
            fields,
            native: None,
        }
    }
}

/// Prints no record content: of `native` only that it is there.
impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("resource", &self.resource)
            .field("id", &self.id)
            .field("container", &self.container)
            .field("version", &self.version)
            .field("state", &self.state)
            .field("marker", &self.marker)
            .field("keys", &self.keys)
            .field("changed_at", &self.changed_at)
            .field("fields", &self.fields)
            .field("has_native", &self.native.is_some())
            .finish()
    }
}

/// Whether a remote record is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RemoteState {
    /// In use.
    Live,
    /// Put away; can come back.
    Archived,
    /// Voided: kept, but of no value.
    Voided,
    /// Merged into another record.
    MergedInto(RemoteId),
}

/// One entry of a feed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It is there, as said.
    Upsert(Box<Remote>),
    /// It is gone.
    Gone {
        /// Its kind, where the feed tells it.
        resource: Option<ResourceName>,
        /// Its id.
        id: RemoteId,
    },
}

/// What a listing covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complete {
    /// What changed since the cursor.
    Delta,
    /// Everything there is; what is not in it when its last page is read is a *candidate* for deletion, never a proof.
    Full,
}

/// What a look-up found for one key.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// There is no such record.
    Absent,
    /// There was one, and it was deleted.
    Gone,
    /// This one.
    One(Box<Remote>),
    /// Several: a question, never a guess.
    Many(Vec<Remote>),
}

impl Found {
    /// What came of asking for one record by its id.
    ///
    /// # Errors
    /// All but [`ErrorKind::NotFound`], which says that it is absent.
    pub fn of(asked: Result<Remote>) -> Result<Self> {
        match asked {
            Ok(remote) => Ok(Self::One(Box::new(remote))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::Absent),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn debug_shows_neither_fields_nor_native() {
        let mut remote = Remote::live("contacts".into(), "1", Record::new().with("name", Value::text("Ada")));
        remote.native = Some(serde_json::json!({"tags": ["Ada"]}));
        assert!(!format!("{remote:?}").contains("Ada"));
    }
}
