//! Vocabulary, contract and ports of the integration-sync engine.
//!
//! This crate holds values and traits and does no I/O. Three groups of people implement its traits:
//!
//! - a **provider** implements [`Integration`] (application level, knows no organization) and one of
//!   [`SyncHandler`], [`Deliverer`] or [`Messenger`] (connection level);
//! - a **host** implements [`Records`] over its own tables, [`WritableRecords`] where a provider may write back,
//!   and [`ConsentSink`] where consent flows back;
//! - the **engine**'s own crates implement the remaining ports ([`Exchange`], [`Grants`], [`Counters`], …).

mod call;
mod consent;
mod descriptor;
mod error;
mod facts;
mod handler;
mod hash;
mod id;
pub mod model;
mod natural_key;
mod operation;
mod outcome;
mod ports;
mod refs;
mod remote;
mod request;
mod result;
mod rules;
pub mod settings;
mod sign_in;
mod signal;
mod status;
mod tally;
mod value;
pub mod words;
#[doc(hidden)]
pub mod zoo;

pub use call::{Call, Classify, Repeat};
pub use consent::{Channel, Consent, ConsentFact, ConsentState};
pub use descriptor::{
    AuthScheme, CredentialField, Descriptor, Endpoint, Feed, FieldSelection, FieldSpec, Kind, Matching, OAuthClientAuth,
    OAuthServer, Quota, QuotaScope, Resource, SideEffect, Span, SyncType, UpdateNeeds,
};
pub use error::{Effect, Error, ErrorKind, Owner, Result, Retry};
pub use facts::{Facts, Grants as EffectGrants};
pub use handler::{
    Amendment, BuildIntegration, Check, Checked, Choice, Choices, Connection, Context, Deliverer, Delivery, Find, FindBy,
    From, Integration, KeysOf, Lane, LeaveAccount, Leaving, MakeChoice, MakesChoice, Making, Message, Messenger, Next,
    Opened, Page, PlanDigest, Prepare, Prepared, Problem, Pull, Push, Registration, SyncHandler, Watch, Watching,
};
pub use hash::{Hash, Hasher};
pub use id::{
    AccountId, CallKey, Collection, ContainerId, Cursor, FieldName, InstallationId, IntegrationId, LocalId, Marker,
    OperationId, OrganizationId, PageToken, PlanHash, QuestionId, RemoteId, ResourceName, Role, RunId, Scope, Version,
};
pub use natural_key::NaturalKey;
pub use operation::{
    AgreedLines, Amends, CallSet, Here, Operation, Part, PartRef, Reason, Receipt, Safety, Serial, SetChange, Skip, Verb,
};
pub use outcome::{Outcome, OutcomeKind, code};
pub use ports::{
    Cancel, Clock, ConsentSink, CounterKey, Counters, Credentials, Exchange, FieldSet, Grant, Grants, HostRecords, Local,
    LocalFrom, LocalNext, LocalPage, LocalReceipt, LocalState, LocalVerb, LocalWrite, Notice, NoticeKind, Notifier, Origin,
    OwnClient, PendingSignIn, Random, Records, SignIns, Swapped, SystemClock, SystemRandom, Transport, TransportError,
    TransportFault, TransportLimits, Within, WritableRecords,
};
pub use refs::Refs;
pub use remote::{Change, Complete, Found, Remote, RemoteState};
pub use request::{Direction, ItemRef, SyncRequest};
pub use result::{Capabilities, Counts, Details, Stop, SyncResult};
pub use rules::{
    Amend, ConflictPolicy, Evidence, Filter, FilterTest, Guard, Near, NoEvidence, OnRefusal, OnRemoteDelete, OnRemoteNew,
    OutOfScope, Rules, SharedKey, Target, Verdict,
};
pub use sign_in::{EndSign, SignInEnd, SignInWords};
pub use signal::{DedupeKey, Inbound, Signal, WebhookKeys, channel_id};
pub use status::by_status;
pub use tally::{Tally, TallyKey, Total};
pub use value::{FieldKind, FieldOwner, Record, Ref, Value};
