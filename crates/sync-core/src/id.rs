//! Identifiers: one newtype for each thing, so that they cannot be mixed up.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::model::{Contact, Event, Invoice, InvoiceLine, Model, Payment};

/// Text ids. Those with a list of `words` keep none of these as a text of their own: records and links come by the hundred
/// thousand, and their names are few.
macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident $(in $words:expr)?;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Cow<'static, str>);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Texts::<Self>(PhantomData))
            }
        }

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
                $(if let Some(word) = word($words, text) {
                    return Self::from_static(word);
                })?
                Self::new(text)
            }
        }
    )*};
}

/// The word that a text is.
fn word(words: &[&'static [&'static str]], text: &str) -> Option<&'static str> {
    words.iter().copied().flatten().copied().find(|word| *word == text)
}

/// Reads a text into an id.
struct Texts<T>(PhantomData<T>);

impl<T: From<String> + for<'a> From<&'a str>> de::Visitor<'_> for Texts<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from(text))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<T, E> {
        Ok(T::from(text))
    }
}

/// Names of collections, and of the resources that go by the same.
const TABLES: &[&str] = &["contacts", "customers", "invoices", "payments", "trips", "training-sessions"];

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
    Collection in &[TABLES];
    /// A kind of record at one provider.
    ResourceName in &[TABLES];
    /// Which of several counterparts of one record a link is: [`Role::MAIN`] unless the provider names another.
    Role in &[&["main"]];
    /// A field of a record, such as `email` or `extra.level`.
    FieldName in &[Contact::FIELDS, Event::FIELDS, Invoice::FIELDS, InvoiceLine::FIELDS, Payment::FIELDS, &["invoice"]];
}

/// What stands in the constants that others are based on. Written out: of a value that a function makes, a constant can't
/// leave parts behind.
impl ResourceName {
    pub(crate) const NONE: Self = Self(Cow::Borrowed(""));
}

impl Collection {
    pub(crate) const NONE: Self = Self(Cow::Borrowed(""));
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

    /// The record that makes up for a change of one that could not be changed any more; the first has the number 2.
    pub fn amendment(number: u32) -> Self {
        Self::new(format!("{AMENDMENT}{number}"))
    }

    /// The number of an amendment.
    pub fn amendment_number(&self) -> Option<u32> {
        self.as_str().strip_prefix(AMENDMENT)?.parse().ok()
    }
}

/// What the roles of amendments start with.
const AMENDMENT: &str = "amendment-";

/// One organization's use of one integration: what connections, leases, links, cursors and runs belong to.
///
/// Whose it is can't be left out:
///
/// ```compile_fail,E0061
/// let scope = sync_core::Scope::new("mailchimp");
/// ```
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_known_is_no_text_of_its_own_and_any_other_is_kept() {
        let fields: Vec<FieldName> = serde_json::from_str(r#"["email","extra.level","em\u0061il"]"#).unwrap();
        assert!(matches!(&fields[0].0, Cow::Borrowed("email")));
        assert!(matches!(&fields[1].0, Cow::Owned(_)));
        assert_eq!(fields[0], fields[2], "escaped or not");
        assert_eq!(serde_json::to_string(&fields).unwrap(), r#"["email","extra.level","email"]"#);
        assert!(matches!(Role::from("main").0, Cow::Borrowed(_)));
        assert_eq!(serde_json::from_value::<LocalId>(serde_json::json!("7")).unwrap().as_str(), "7");
        assert!(serde_json::from_str::<LocalId>("7").is_err());
    }
}
