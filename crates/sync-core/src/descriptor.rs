//! What a provider says about itself: data, so that generic code asks instead of knowing.

use std::time::Duration;

use crate::{Channel, Collection, FieldKind, FieldOwner, FieldSet, ResourceName};

/// A provider: identity, kind, sync types, feeds, resources, endpoints, quotas, auth.
#[derive(Debug)]
pub struct Descriptor {
    /// The integration's id, such as `mailchimp`. Also the Cargo feature's name.
    pub id: &'static str,
    /// The name that people read, such as `Mailchimp`.
    pub name: &'static str,
    /// The public text of the capabilities.
    pub description: &'static str,
    /// What kind of integration it is: the dispatcher matches on it.
    pub kind: Kind,
    /// The public sync types, in the order in which they are shown.
    pub sync_types: &'static [SyncType],
    /// True when a request may choose the direction.
    pub supports_direction: bool,
    /// The remote change streams.
    pub feeds: &'static [Feed],
    /// The kinds of records, in dependency order: what others refer to comes first.
    pub resources: &'static [Resource],
    /// Where it can be reached.
    pub endpoints: &'static [Endpoint],
    /// Published limits.
    pub quotas: &'static [Quota],
    /// Ways to sign in, the preferred one first.
    pub auth: &'static [AuthScheme],
    /// Longest time that one call may take before we give up on it.
    pub call_timeout: Duration,
    /// How long after giving up on a write the provider may still carry it out: nothing about it is looked up earlier.
    pub settle: Duration,
    /// How many write calls may be under way at once for one connection.
    pub concurrency: usize,
    /// Side effects that its writes can have.
    pub effects: &'static [SideEffect],
}

impl Descriptor {
    /// The base of a simple one, as in `Descriptor { id: "phone-book", …, ..Descriptor::PLAIN }`: records are pushed, one call
    /// at a time, and nothing reaches people. It has no name, no resources, no endpoints and no way to sign in.
    ///
    /// Times are long rather than short, since a short [`settle`](Self::settle) looks for what may still be made: whoever knows
    /// how long the provider lets a call run gives them.
    pub const PLAIN: Self = Self {
        id: "",
        name: "",
        description: "",
        kind: Kind::Sync,
        sync_types: &[],
        supports_direction: false,
        feeds: &[],
        resources: &[],
        endpoints: &[],
        quotas: &[],
        auth: &[],
        call_timeout: Duration::from_secs(60),
        settle: Duration::from_secs(5 * 60),
        concurrency: 1,
        effects: &[],
    };

    /// A resource by name.
    pub fn resource(&self, name: &str) -> Option<&'static Resource> {
        self.resources.iter().find(|resource| resource.name.as_str() == name)
    }

    /// A feed by name.
    pub fn feed(&self, name: &str) -> Option<&'static Feed> {
        self.feeds.iter().find(|feed| feed.name == name)
    }

    /// An endpoint by name.
    pub fn endpoint(&self, name: &str) -> Option<&'static Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// A sync type by its public name.
    pub fn sync_type(&self, name: &str) -> Option<&'static SyncType> {
        self.sync_types.iter().find(|sync_type| sync_type.name == name)
    }
}

/// What kind of integration it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Records are synced: observe, plan, apply.
    Sync,
    /// Events are delivered to hooks.
    Outbox,
    /// Messages go out as they are made; a sync has nothing to do and answers this message.
    RealTime {
        /// The dispatcher's answer.
        message: &'static str,
    },
}

/// A public name for a resource and a set of its fields.
#[derive(Debug)]
pub struct SyncType {
    /// The public name, such as `tags`.
    pub name: &'static str,
    /// The resource.
    pub resource: ResourceName,
    /// Which of its fields.
    pub fields: FieldSelection,
}

/// A static choice among a resource's fields.
#[derive(Debug, Clone, Copy)]
pub enum FieldSelection {
    /// All of them.
    All,
    /// These alone.
    Only(&'static [&'static str]),
    /// All but these.
    Except(&'static [&'static str]),
}

impl FieldSelection {
    /// True when the field is chosen.
    pub fn contains(&self, field: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(fields) => fields.contains(&field),
            Self::Except(fields) => !fields.contains(&field),
        }
    }

    /// The chosen ones among mapped fields.
    pub fn of(&self, mapped: &FieldSet) -> FieldSet {
        mapped.iter().filter(|field| self.contains(field.as_str())).cloned().collect()
    }
}

/// A remote change stream.
#[derive(Debug)]
pub struct Feed {
    /// Its name, such as `members`.
    pub name: &'static str,
    /// The resources whose records come in it.
    pub covers: &'static [ResourceName],
    /// True when a connection that only pushes must read it all the same, since consent flows back through it.
    pub carries_consent: bool,
    /// True when a page of it costs one call of this budget.
    pub budget: &'static str,
}

/// A kind of record at one provider.
#[derive(Debug)]
pub struct Resource {
    /// Its name, such as `contacts`.
    pub name: ResourceName,
    /// What people call one and several, such as `contact`, `contacts`.
    pub nouns: (&'static str, &'static str),
    /// Fields by which people know one, the most telling first.
    pub known_by: &'static [&'static str],
    /// The host's table that it maps to unless settings say otherwise.
    pub collection: Collection,
    /// The typed view, such as `contact`.
    pub model: &'static str,
    /// Its fields. A field that isn't listed is a both-sided scalar (`extra.*` and host-defined ones).
    pub fields: &'static [FieldSpec],
    /// Fields that are merged as one, such as the day and the hours of an event: changed on both sides in any of them is
    /// a conflict about all of them.
    pub groups: &'static [&'static [&'static str]],
    /// The channel and the field that hold consent and address, where records carry consent.
    pub consent: Option<(Channel, &'static str, &'static str)>,
    /// What must be read freshly just before an update.
    pub update_needs: UpdateNeeds,
    /// How a record without a link finds its counterpart.
    pub matching: Matching,
    /// Most keys in one `find`.
    pub find_max: usize,
    /// Resources that its records refer to.
    pub depends_on: &'static [ResourceName],
    /// Whether the provider's records can be created here from remote ones.
    pub pullable: bool,
}

impl Resource {
    /// The base of a simple one, as in `Resource { name: PEOPLE, …, ..Resource::PLAIN }`: it refers to nothing, is pushed alone,
    /// and no field of it is consent, so that it is none by which people get messages.
    ///
    /// It trusts the provider with nothing: before a create the record is looked for, and before an update it is read.
    pub const PLAIN: Self = Self {
        name: ResourceName::NONE,
        nouns: ("", ""),
        known_by: &[],
        collection: Collection::NONE,
        model: "",
        fields: &[],
        groups: &[],
        consent: None,
        update_needs: UpdateNeeds::Full,
        matching: Matching::Find,
        find_max: 1,
        depends_on: &[],
        pullable: false,
    };

    /// The kind and owner of a field.
    pub fn field(&self, name: &str) -> FieldSpec {
        self.fields.iter().find(|field| field.name == name).copied().unwrap_or(FieldSpec::scalar("", FieldOwner::Both))
    }
}

/// What is possible for one field.
#[derive(Debug, Clone, Copy)]
pub struct FieldSpec {
    /// The field's name.
    pub name: &'static str,
    /// How it is compared and merged.
    pub kind: FieldKind,
    /// Whose value counts, unless the connection's settings narrow it.
    pub owner: FieldOwner,
}

impl FieldSpec {
    /// A field with one value.
    pub const fn scalar(name: &'static str, owner: FieldOwner) -> Self {
        Self { name, kind: FieldKind::Scalar, owner }
    }
}

/// What must be read freshly just before an update, since listings carry stale versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateNeeds {
    /// Nothing: the call names what changes and leaves the rest.
    Nothing,
    /// The version.
    Version,
    /// The whole record.
    Full,
}

/// How a record without a link finds its counterpart before a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// The provider refuses a twin and says so: create, and look only where it answers "taken".
    Taken,
    /// The provider would make a twin: `find` by marker and natural keys first.
    Find,
}

/// Where a provider can be reached.
#[derive(Debug)]
pub struct Endpoint {
    /// Its name, such as `api`.
    pub name: &'static str,
    /// The URL under which all paths lie; `{dc}` and the like are filled from the grant's variables.
    pub url: &'static str,
    /// The URL when a variable is not known.
    pub fallback: Option<&'static str>,
}

/// A published limit.
#[derive(Debug)]
pub struct Quota {
    /// The budget that it limits; `""` limits every call.
    pub budget: &'static str,
    /// Among whom it is shared.
    pub scope: QuotaScope,
    /// Over which time.
    pub span: Span,
    /// How much is published: cost units per span, or calls under way at once.
    pub limit: u32,
    /// How much of it we leave for others and for interactive runs, in percent.
    pub reserve_percent: u32,
    /// The answer header that tells what is left, where there is one.
    pub remaining_header: Option<&'static str>,
    /// Where the number comes from.
    pub source: &'static str,
}

/// Among whom a limit is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuotaScope {
    /// All organizations of this OAuth client.
    App,
    /// All connections to one remote account.
    Account,
    /// One connection.
    Connection,
}

/// Over which time a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Span {
    /// Calls under way at once.
    Concurrent,
    /// Per second.
    Second,
    /// Per minute.
    Minute,
    /// Per day; counted durably.
    Day,
}

/// A way to sign in.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthScheme {
    /// Something the user copies from the provider's pages.
    ApiKey {
        /// What is asked for.
        fields: &'static [CredentialField],
        /// The user name of HTTP Basic; the key goes as password. `None`: `Authorization: Bearer`.
        basic_user: Option<&'static str>,
        /// A variable that is the part of the key after its last such separator: name and separator.
        var_from_suffix: Option<(&'static str, char)>,
    },
    /// OAuth 2.0 authorization code flow.
    OAuth(OAuthServer),
}

/// One thing a user is asked for when connecting by key.
#[derive(Debug)]
pub struct CredentialField {
    /// Its name, such as `api_key`.
    pub name: &'static str,
    /// What the prompt says.
    pub label: &'static str,
    /// Where to find it.
    pub help: &'static str,
}

/// An OAuth 2.0 server.
#[derive(Debug)]
pub struct OAuthServer {
    /// Name of the endpoint where consent is given; `authorize_path` lies below it.
    pub endpoint: &'static str,
    /// Path of the consent page.
    pub authorize_path: &'static str,
    /// Name of the endpoint of token, revoke and metadata calls.
    pub token_endpoint: &'static str,
    /// Path of the token call.
    pub token_path: &'static str,
    /// Path of the revoke call, where there is one.
    pub revoke_path: Option<&'static str>,
    /// Path of a call that tells the grant's variables, its authorization word, and the variables it holds as
    /// (variable, JSON member).
    #[expect(clippy::type_complexity, reason = "a constant that is written as a literal")]
    pub metadata: Option<(&'static str, &'static str, &'static [(&'static str, &'static str)])>,
    /// Scopes to ask for.
    pub scopes: &'static [&'static str],
    /// How the client shows who it is.
    pub client_auth: OAuthClientAuth,
    /// Whether PKCE (S256) is used.
    pub pkce: bool,
    /// The host of a way back that ends at a port of the person's own machine: `127.0.0.1`, as RFC 8252 advises (section
    /// 8.3, <https://www.rfc-editor.org/rfc/rfc8252#section-8.3>), where the provider takes it.
    pub loopback_host: &'static str,
    /// Further parameters of the consent page.
    pub authorize_params: &'static [(&'static str, &'static str)],
    /// False when tokens live until they are revoked: `expires_in` is then ignored and nothing is refreshed.
    pub expires: bool,
}

/// How an OAuth client shows who it is at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthClientAuth {
    /// HTTP Basic.
    Basic,
    /// Members of the form.
    Form,
}

/// Something that a write sets off beyond the record, and that reaches people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SideEffect {
    /// Its name in grants, such as `confirmation-mail`.
    pub name: &'static str,
    /// What happens, for people, such as "Mailchimp mails each person a request to confirm".
    pub description: &'static str,
}
