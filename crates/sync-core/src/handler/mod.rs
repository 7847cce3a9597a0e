//! The provider contract, on two levels: the application level knows no organization, the connection level cannot see
//! another one.

mod request;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    AccountId, Call, CallKey, Cancel, ContainerId, Descriptor, Effect, EffectGrants, Error, ErrorKind, Exchange, Facts,
    Feed, FieldName, Found, Inbound, NaturalKey, Operation, OrganizationId, Owner, Receipt, Record, RemoteId, Repeat,
    ResourceName, Result, Retry, Role, Rules, SignInWords, Tally, Target, WebhookKeys, Within, settings::schema,
};

pub use self::request::{
    Amendment, Check, Checked, Choice, Choices, Find, FindBy, From, KeysOf, Next, Page, PlanDigest, Prepare, Prepared,
    Problem, Pull, Push, Watch, Watching,
};

/// A provider, at application level. Knows no organization.
///
/// What many providers don't have has a default, which refuses. So a wrapper around another integration could forget to hand
/// something on: write `#[deny(clippy::missing_trait_methods)]` at its `impl`.
pub trait Integration: fmt::Debug + Send + Sync + 'static {
    /// What it is: data.
    fn descriptor(&self) -> &'static Descriptor;

    /// Opens one organization's connection. Parses the settings, once.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names the setting at fault and what would be right.
    fn open(&self, connection: Connection) -> Result<Opened>;

    /// Verifies a webhook over its raw bytes, and only then parses it. Unless it is written, there are none: all are refused.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] when the signature doesn't fit, [`ErrorKind::Unsupported`] where there are no webhooks.
    fn inbound(&self, _keys: &dyn WebhookKeys, _request: &http::Request<Bytes>) -> Result<Inbound> {
        Err(Error::new(ErrorKind::Unsupported, format!("{} has no webhooks", self.descriptor().name)))
    }

    /// The JSON schema of a connection's settings. A setting that names something at the provider carries
    /// `x-choices`, the word for [`Choices::of`]. Unless it is written, there are no settings, and none are stored
    /// ([`Connection::no_settings`]).
    fn settings_schema(&self) -> serde_json::Value {
        schema::object(self.descriptor().name, &[], [])
    }
}

/// An opened connection, by kind.
#[derive(Debug)]
#[non_exhaustive]
pub enum Opened {
    /// Records are synced.
    Sync(Box<dyn SyncHandler>),
    /// Events are delivered.
    Outbox(Box<dyn Deliverer>),
    /// Messages go out as they are made.
    RealTime(Box<dyn Messenger>),
}

/// What a provider learns about the organization that it works for. Holds no secret.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Connection {
    /// Whose connection it is.
    pub organization: OrganizationId,
    /// The remote account, once it is known.
    pub account: Option<AccountId>,
    /// What the provider told on the way back from consent and in the grant's metadata (`realmId`, `dc`).
    pub vars: BTreeMap<String, String>,
    settings: serde_json::Value,
}

impl Connection {
    /// A connection of this organization with these settings.
    pub fn new(organization: OrganizationId, settings: serde_json::Value) -> Self {
        Self { organization, account: None, vars: BTreeMap::new(), settings }
    }

    /// With the remote account.
    #[must_use]
    pub fn with_account(mut self, account: Option<AccountId>) -> Self {
        self.account = account;
        self
    }

    /// With the grant's variables.
    #[must_use]
    pub fn with_vars(mut self, vars: BTreeMap<String, String>) -> Self {
        self.vars = vars;
        self
    }

    /// The settings, as the provider's own type. No settings at all read as an empty table.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the name of the setting at fault.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T> {
        let wrong = |why: String| {
            Error::new(ErrorKind::Config, format!("the connection's settings can't be read: {why}"))
                .with_owner(Owner::EndUserData)
                .with_remedy("Correct this setting of the connection, then sync again.")
        };
        let settings = match &self.settings {
            serde_json::Value::Null => serde_json::Value::Object(serde_json::Map::new()),
            settings @ serde_json::Value::Object(_) => settings.clone(),
            _ => return Err(wrong("they are no table".to_owned())),
        };
        // The path names the setting, which serde's own words leave out where a value has the wrong type.
        serde_path_to_error::deserialize(settings).map_err(|error| wrong(error.to_string()))
    }

    /// That there are no settings, for a provider that knows none.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the name of one that there is.
    pub fn no_settings(&self) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct NoSettings {}
        self.settings().map(|NoSettings {}| ())
    }
}

/// What a handler works with during one call.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Context<'a> {
    exchange: &'a dyn Exchange,
    /// Nothing is started that could outlast this: never later than the lease's end.
    pub deadline: Timestamp,
    /// When this call to the handler began.
    pub now: Timestamp,
    /// Set when the caller wants to stop.
    pub cancel: &'a Cancel,
    /// How urgent it is.
    pub lane: Lane,
    /// Side effects that a person allowed.
    pub grants: &'a EffectGrants,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("deadline", &self.deadline).field("lane", &self.lane).finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    /// A context around one connection's exchange.
    pub fn new(
        exchange: &'a dyn Exchange,
        now: Timestamp,
        deadline: Timestamp,
        cancel: &'a Cancel,
        lane: Lane,
        grants: &'a EffectGrants,
    ) -> Self {
        Self { exchange, deadline, now, cancel, lane, grants }
    }

    /// Sends one request. Waiting for budgets, retries and sign-in happen inside; the answer was classified as a success.
    ///
    /// # Errors
    /// What `call.classify` made of the last answer, or why there was none.
    pub async fn send(&self, call: Call) -> Result<http::Response<Bytes>> {
        self.exchange.send(call, Within { deadline: self.deadline, cancel: self.cancel, lane: self.lane }).await
    }

    /// Sends one request, and reads the answer as JSON.
    ///
    /// # Errors
    /// Like [`Context::send`], and [`ErrorKind::BadAnswer`] without the answer's content; what a write did is then unknown.
    pub async fn answer<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        let (operation, repeat) = (call.operation, call.repeat);
        let answer = self.send(call).await?;
        serde_json::from_slice(answer.body()).map_err(|error| {
            // The error's own words may quote the answer.
            Error::new(ErrorKind::BadAnswer, "an answer can't be read")
                .with_retry(Retry::Backoff)
                .with_effect(if repeat == Repeat::Read { Effect::None } else { Effect::Unknown })
                .with_context("operation", operation)
                .with_context("line", error.line())
                .with_context("column", error.column())
        })
    }
}

/// How urgent a run is: lanes share budgets in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// A person waits. May use the reserve.
    #[default]
    Interactive,
    /// A webhook hinted at news.
    Webhook,
    /// Time asked for it.
    Scheduled,
    /// History.
    Backfill,
}

/// A provider, at connection level, where records are synced. No method loops over attempts, sleeps, or keeps state
/// between calls: what must be remembered is in cursors, facts and links.
///
/// What decides what is written, and where, has no default: [`rules`](Self::rules), [`check`](Self::check),
/// [`find`](Self::find), [`prepare`](Self::prepare), [`push`](Self::push). The others have one for a provider to which
/// records are pushed: one place, no feeds, no choices, no money. A default refuses, or says nothing that a run would act on.
/// So a wrapper around another handler could forget to hand something on: write `#[deny(clippy::missing_trait_methods)]` at its
/// `impl`.
#[async_trait]
pub trait SyncHandler: fmt::Debug + Send + Sync + 'static {
    /// The policies that the connection's settings chose for a resource. Pure.
    fn rules(&self, resource: &ResourceName) -> Rules;

    /// Where a record goes: its only counterpart, in no container, unless it is written. Pure.
    fn target(&self, _resource: &ResourceName, _fields: &Record) -> Target {
        Target { role: Role::MAIN, container: None }
    }

    /// The containers whose feeds are read, for one feed; a single `None` where the provider has no containers, and unless it
    /// is written. Pure.
    fn containers(&self, _feed: &Feed) -> Vec<Option<ContainerId>> {
        vec![None]
    }

    /// Looks at the connection: accounts in reach, problems of settings, and the facts that `prepare` needs.
    ///
    /// With [`Check::Account`] only the account is told. Works without an account. A setting whose choice has gone is a
    /// [`Problem`], not an error.
    ///
    /// # Errors
    /// When the provider can't be asked.
    async fn check(&self, cx: &Context<'_>, check: Check) -> Result<Checked>;

    /// What a setting may name at the provider: accounts, audiences, calendars, tags. Unless it is written, no word is known.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown word, and when the provider can't be asked.
    async fn choices(&self, _cx: &Context<'_>, _request: Choices<'_>) -> Result<Vec<Choice>> {
        Err(Error::new(ErrorKind::NotFound, "there is nothing to choose from"))
    }

    /// One page of one feed: at most two wire calls. Unless it is written, a feed that the descriptor names can't be read: that
    /// is an error, and no empty page.
    ///
    /// # Errors
    /// [`ErrorKind::CursorExpired`] asks for a full pass from the start.
    async fn pull(&self, _cx: &Context<'_>, _request: Pull<'_>) -> Result<Page> {
        Err(Error::new(ErrorKind::Unsupported, "there is no feed to read"))
    }

    /// Looks records up, at most the resource's `find_max` at once; one answer per key, in order.
    ///
    /// # Errors
    /// When the provider can't be asked. A record that isn't there is [`Found::Absent`], not an error.
    async fn find(&self, cx: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>>;

    /// What the host's record would be found by at the provider, the same as [`crate::Remote::keys`] says it of its
    /// counterpart: what [`Rules::evidence`] weighs. Empty where a resource is matched by [`Rules::match_on`] alone. Pure.
    ///
    /// Unless it is written, these are the fields that the evidence names, so that no evidence is asked for and then not looked
    /// for: what is there already would be made once more. A key that is no field needs a method of its own.
    fn keys(&self, request: KeysOf<'_>) -> Vec<NaturalKey> {
        let rules = self.rules(request.resource);
        let names: BTreeSet<&FieldName> = rules.evidence.iter().flat_map(|evidence| &evidence.keys).collect();
        names.into_iter().filter_map(|name| NaturalKey::of(name.clone(), request.fields.text(name.as_str())?)).collect()
    }

    /// Which wire calls an operation is made of, or why it stays undone. Pure and deterministic; an empty list of parts
    /// means that nothing differs at the provider.
    ///
    /// An update that the provider's record does not take any more may be answered with what makes up for it
    /// ([`Prepared::Amend`]); the engine asks again, with the operation that follows from it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the record can't be expressed there, with the field and the remedy.
    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared>;

    /// One wire call for parts of one group. One receipt per part, in order. Removing what isn't there is done.
    ///
    /// # Errors
    /// When the call as a whole failed; its effect tells whether anything may have happened.
    async fn push(&self, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>>;

    /// Starts, renews or stops a push channel.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the provider has none, and unless it is written.
    async fn watch(&self, _cx: &Context<'_>, _request: Watch<'_>) -> Result<Watching> {
        Err(Error::new(ErrorKind::Unsupported, "there are no push channels"))
    }

    /// What an operation of a plan adds to the totals that an accountant looks at; empty where no money is in it, and unless
    /// it is written. Pure.
    fn tally(&self, _facts: &Facts, _op: &Operation) -> Vec<Tally> {
        Vec::new()
    }

    /// What the plan means at the provider in an owner's words, beyond its counts: the bill, the mails. Nothing, unless it is
    /// written. Pure.
    fn summary(&self, _facts: &Facts, _plan: &PlanDigest<'_>) -> Vec<String> {
        Vec::new()
    }
}

/// A provider to whose hooks events are delivered. The engine owns schedule, order and dead letters.
#[async_trait]
pub trait Deliverer: fmt::Debug + Send + Sync + 'static {
    /// Delivers one event to one hook, once.
    ///
    /// # Errors
    /// When nothing can be said about the delivery.
    async fn deliver(&self, cx: &Context<'_>, hook: &str, key: &CallKey, event: &Bytes) -> Result<Delivery>;
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// The hook took it.
    Accepted,
    /// Try again then.
    RetryAt(Timestamp),
    /// The hook is gone for good.
    Gone,
    /// The hook will never take this event.
    Refused,
}

/// A provider by which messages go out as they are made.
#[async_trait]
pub trait Messenger: fmt::Debug + Send + Sync + 'static {
    /// Sends one message, once. A lost answer is an error with an unknown effect and is never resent by itself.
    ///
    /// # Errors
    /// When it was refused, or when its fate is unknown.
    async fn send(&self, cx: &Context<'_>, message: &Message) -> Result<RemoteId>;
}

/// A message.
#[derive(Clone)]
#[non_exhaustive]
pub struct Message {
    /// To whom.
    pub to: String,
    /// What.
    pub text: String,
    /// The same for the same message: never sent twice.
    pub key: CallKey,
}

/// Prints neither number nor text.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A provider as a constant: what it is and how its configuration becomes an [`Integration`].
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    /// What it is.
    pub descriptor: &'static Descriptor,
    /// Builds it from its application-level configuration; null stands for the defaults.
    pub build: fn(serde_json::Value) -> Result<Arc<dyn Integration>>,
    /// What its sign-in means in people's words.
    pub sign_in: &'static SignInWords,
    /// What it can make where a setting has nothing to name yet.
    pub makes: Option<&'static MakesChoice>,
    /// How one account is let go of, where a sign-in reaches several and its end would end them all.
    pub leaves: Option<LeaveAccount>,
}

/// Lets go of one account that a sign-in reaches; the others stay in reach. Leaving what was left already is done.
pub type LeaveAccount = for<'a> fn(&'a Context<'a>, &'a AccountId) -> Leaving<'a>;

/// An account that is being let go of.
pub type Leaving<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Something that a setting names and that can be made, such as a calendar of our own.
#[derive(Clone, Copy)]
pub struct MakesChoice {
    /// The word of the schema's `x-choices`.
    pub of: &'static str,
    /// The value that stands for it among the choices until it is made.
    pub value: &'static str,
    /// How it is called unless a person says otherwise.
    pub name: &'static str,
    /// Makes it, under a name, with the connection's settings as they are so far. Not safe to repeat.
    pub make: MakeChoice,
}

/// Makes something that a setting names.
pub type MakeChoice = for<'a> fn(&'a Context<'a>, name: &'a str, settings: &'a serde_json::Value) -> Making<'a>;

/// A choice that is being made.
pub type Making<'a> = Pin<Box<dyn Future<Output = Result<Choice>> + Send + 'a>>;

impl fmt::Debug for MakesChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MakesChoice").field("of", &self.of).field("value", &self.value).finish_non_exhaustive()
    }
}

impl Registration {
    /// The registration of a configuration type.
    pub const fn of<C: BuildIntegration>() -> Self {
        Self {
            descriptor: C::DESCRIPTOR,
            build: |config| {
                let config = if config.is_null() { serde_json::Value::Object(serde_json::Map::new()) } else { config };
                // The path names the entry, which serde's own words leave out where a value has the wrong type.
                serde_path_to_error::deserialize::<_, C>(config)
                    .map_err(|error| {
                        Error::new(
                            ErrorKind::Config,
                            format!("the configuration of {} can't be read: {error}", C::DESCRIPTOR.id),
                        )
                        .with_remedy("Correct this entry of the configuration and start again.")
                    })?
                    .build()
            },
            sign_in: &C::SIGN_IN,
            makes: C::MAKES,
            leaves: C::LEAVES,
        }
    }
}

/// A provider's application-level configuration.
pub trait BuildIntegration: DeserializeOwned + 'static {
    /// What it is.
    const DESCRIPTOR: &'static Descriptor;

    /// What its sign-in means in people's words.
    const SIGN_IN: SignInWords = SignInWords::NONE;

    /// What it can make where a setting has nothing to name yet.
    const MAKES: Option<&'static MakesChoice> = None;

    /// How one account is let go of, where a sign-in reaches several and its end would end them all.
    const LEAVES: Option<LeaveAccount> = None;

    /// Builds the integration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] names the entry at fault.
    fn build(self) -> Result<Arc<dyn Integration>>;
}

const _: fn(&dyn Integration, &dyn SyncHandler, &dyn Deliverer, &dyn Messenger) = |_, _, _, _| {};
