//! Identifiers: one newtype for each thing, so that they cannot be mixed up.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            /// Wraps a text that was made at run time.
            pub fn new(text: impl Into<String>) -> Self {
                Self(Cow::Owned(text.into()))
            }

            /// Wraps a text that is known when compiling.
            pub const fn from_static(text: &'static str) -> Self {
                Self(Cow::Borrowed(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::new(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    )*};
}

text_id! {
    /// The host's tenant. Every call that touches state carries one.
    OrganizationId;
    /// A provider as the user names it, such as `mailchimp`. Open: hosts register their own.
    IntegrationId;
    /// A record's id in the host's own table.
    LocalId;
    /// A record's id at the provider.
    RemoteId;
    /// What a provider or host calls one state of a record (an etag, a SyncToken, a row version).
    Version;
    /// An opaque position in a feed.
    Cursor;
    /// An opaque position inside one listing.
    PageToken;
    /// The remote login or company behind a connection: its fingerprint.
    AccountId;
    /// An audience or calendar in an account.
    ContainerId;
    /// One operation of one run. Stable when the same change is planned again, so that local writes are idempotent by it.
    OperationId;
    /// One execution of one request.
    RunId;
    /// One question to a person.
    QuestionId;
    /// The hash over a plan's sorted operation digests, hexadecimal.
    PlanHash;
    /// Which store this is. Part of every marker, so that a restored copy does not write as if it were the original.
    InstallationId;
    /// What ties a remote record to us: a hash of installation, organization, collection and local id, hexadecimal.
    Marker;
    /// The key of one wire call, fixed before its first attempt.
    CallKey;
    /// The host's own table, the same whichever provider it goes to.
    Collection;
    /// A kind of record at one provider.
    ResourceName;
    /// Which of several counterparts of one record a link is: [`Role::MAIN`] unless the provider names another.
    Role;
    /// A field of a record, such as `email` or `extra.level`.
    FieldName;
}

impl Collection {
    /// People and companies that buy.
    pub const CUSTOMERS: Self = Self::from_static("customers");
    /// Sales documents and credits.
    pub const INVOICES: Self = Self::from_static("invoices");
    /// Money received and refunded.
    pub const PAYMENTS: Self = Self::from_static("payments");
    /// Trips with a date.
    pub const TRIPS: Self = Self::from_static("trips");
    /// Training sessions with a date.
    pub const TRAINING_SESSIONS: Self = Self::from_static("training-sessions");
}

impl Role {
    /// The only counterpart, where a provider knows no other.
    pub const MAIN: Self = Self::from_static("main");
}

/// One organization's use of one integration: what connections, leases, links, cursors and runs belong to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// Whose.
    pub organization: OrganizationId,
    /// With which provider.
    pub integration: IntegrationId,
}

impl Scope {
    /// Names the two.
    pub fn new(organization: impl Into<OrganizationId>, integration: impl Into<IntegrationId>) -> Self {
        Self { organization: organization.into(), integration: integration.into() }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.organization, self.integration)
    }
}

impl Marker {
    /// Length of a marker in characters: 128 bits, hexadecimal. Fits Google's 44-character property keys and event ids
    /// (characters 0-9 and a-v), Xero's 50-character ContactNumber and QuickBooks' 50-character requestid.
    pub const LEN: usize = 32;

    /// The marker of one local record.
    pub fn of(
        installation: &InstallationId,
        organization: &OrganizationId,
        collection: &Collection,
        local: &LocalId,
    ) -> Self {
        let mut hash = crate::Hash::start();
        for part in [installation.as_str(), organization.as_str(), collection.as_str(), local.as_str()] {
            hash.text(part);
        }
        Self::new(hash.finish().to_string())
    }
}
impl LocalId {
    /// The name of a record that is only there, until it was made here: `remote:` and its id, as in `itemIds`.
    pub fn of_remote(id: &RemoteId) -> Self {
        Self::new(format!("remote:{id}"))
    }

    /// The remote id, where this is the name of a record that is only there.
    pub fn as_remote(&self) -> Option<RemoteId> {
        self.as_str().strip_prefix("remote:").map(RemoteId::new)
    }
}
