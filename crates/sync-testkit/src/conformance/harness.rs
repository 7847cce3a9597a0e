//! What a provider must be able to stage.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use sync_core::{AccountId, Exchange, FieldName, Integration, Record, RemoteId, Resource, Transport, WebhookKeys};

use crate::SimClock;

/// A provider on the bench: its integration, a double that plays the service, and hands to act on the other side.
///
/// The double is fresh for each case, has no latency and its time is [`Harness::clock`]. Faults are none of the harness's
/// business: the suite puts them between the exchange and the double.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The integration, configured with pages of [`Harness::page_size`] records.
    fn integration(&self) -> Arc<dyn Integration>;

    /// How many records a page holds: few, so that a handful of records makes several pages.
    fn page_size(&self) -> usize;

    /// Settings of a connection with which every resource can be synced.
    fn settings(&self) -> serde_json::Value;

    /// The account that the connection reaches, as `check` tells it.
    fn account(&self) -> AccountId;

    /// The grant's variables, where the connection has any.
    fn vars(&self) -> BTreeMap<String, String>;

    /// Time, for both sides. Sleeps end at once ([`SimClock::skipping`]).
    fn clock(&self) -> SimClock;

    /// The way to the double.
    fn transport(&self) -> Arc<dyn Transport>;

    /// The connection's exchange as in life (`sync-http`'s client, its defaults), over this transport.
    async fn exchange(&self, transport: Arc<dyn Transport>) -> Arc<dyn Exchange>;

    /// The grant's secrets: nothing but an `authorization` header may hold them.
    fn secrets(&self) -> Vec<String>;

    /// An error answer in the provider's own shape. Its words hold [`Harness::record`]'s content of record 0, as real ones
    /// quote what they refuse.
    fn failure(&self, status: StatusCode) -> Response<Bytes>;

    /// The n-th record as the host would have it, with all fields that the settings map: complete, consenting where the
    /// resource has consent (with a time before the clock's start), and creatable without any side effect. Texts are of
    /// eight or more characters, so that they can be told from others in a log.
    fn record(&self, resource: &Resource, n: usize) -> Record;

    /// A record after an edit by the host, and which fields that changed. [`Act::Edit`] must not touch them.
    fn edit(&self, resource: &Resource, record: &Record) -> (Record, Vec<FieldName>);

    /// Puts records there, as people there do; their ids in order.
    async fn plant(&self, resource: &Resource, records: &[Record]) -> Vec<RemoteId>;

    /// Does what a person there does to one record; false where the provider knows no such thing.
    async fn act(&self, resource: &Resource, id: &RemoteId, act: Act) -> bool;

    /// Takes away what the settings name (an audience, an account); false where they name nothing that can go.
    async fn withdraw_choice(&self) -> bool;

    /// How many records there are there, whatever their state.
    async fn count(&self, resource: &Resource) -> usize;

    /// How many messages people have got because of what was written.
    async fn n_surprises(&self) -> u64;

    /// A webhook that verifies, where the provider sends some.
    fn webhook(&self) -> Option<Webhook>;
}

/// What a person does to one record there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Changes a mapped field.
    Edit,
    /// Adds an element to a set with owned elements.
    AddElement {
        /// The field.
        field: FieldName,
        /// The element.
        element: String,
    },
    /// Puts it away.
    Archive,
    /// Deletes it for good.
    Delete,
    /// The person says no to all further messages.
    Refuse,
    /// Messages to the person come back.
    Bounce,
}

/// A webhook as the provider sends it.
pub struct Webhook {
    /// The keys that it is verified by.
    pub keys: Arc<dyn WebhookKeys>,
    /// The request.
    pub request: Request<Bytes>,
    /// A request that is just as well signed and says something else.
    pub other: Request<Bytes>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}
