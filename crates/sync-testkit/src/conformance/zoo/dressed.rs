//! A harness over another: of its connector, broken, or over a worse wire.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};
use sync_core::{AccountId, Exchange, FieldName, Integration, Record, RemoteId, Resource, Transport};

use super::{
    super::{Act, Harness, Profile, Webhook, profile::Noise},
    Member,
    connector::BrokenIntegration,
};
use crate::SimClock;

/// The harness with something put between.
pub(crate) struct Dressed<'h> {
    pub(crate) inner: &'h dyn Harness,
    pub(crate) broken: Option<&'static Member>,
    pub(crate) profile: Profile,
}

#[async_trait]
impl Harness for Dressed<'_> {
    fn integration(&self) -> Arc<dyn Integration> {
        let inner = self.inner.integration();
        let Some(member) = self.broken else { return inner };
        let resources = inner.descriptor().resources;
        let record = resources.first().map(|resource| self.inner.record(resource, 0)).unwrap_or_default();
        let mut texts = record.iter().filter_map(|(_, value)| value.as_text());
        let text = texts.find(|text| text.chars().count() >= 8).unwrap_or_default().to_owned();
        let secret = self.inner.secrets().into_iter().next().unwrap_or_default();
        Arc::new(BrokenIntegration::new(inner, &member.how, text, secret))
    }

    async fn exchange(&self, transport: Arc<dyn Transport>) -> Arc<dyn Exchange> {
        let transport = match self.profile {
            Profile::Calm => transport,
            profile => Arc::new(Noise::new(transport, self.inner.clock(), profile)),
        };
        self.inner.exchange(transport).await
    }

    fn page_size(&self) -> usize {
        self.inner.page_size()
    }

    fn settings(&self) -> serde_json::Value {
        self.inner.settings()
    }

    fn account(&self) -> AccountId {
        self.inner.account()
    }

    fn vars(&self) -> BTreeMap<String, String> {
        self.inner.vars()
    }

    fn clock(&self) -> SimClock {
        self.inner.clock()
    }

    fn transport(&self) -> Arc<dyn Transport> {
        self.inner.transport()
    }

    fn secrets(&self) -> Vec<String> {
        self.inner.secrets()
    }

    fn failure(&self, status: StatusCode) -> Response<Bytes> {
        self.inner.failure(status)
    }

    fn record(&self, resource: &Resource, n: usize) -> Record {
        self.inner.record(resource, n)
    }

    fn edit(&self, resource: &Resource, record: &Record) -> (Record, Vec<FieldName>) {
        self.inner.edit(resource, record)
    }

    async fn plant(&self, resource: &Resource, records: &[Record]) -> Vec<RemoteId> {
        self.inner.plant(resource, records).await
    }

    async fn act(&self, resource: &Resource, id: &RemoteId, act: Act) -> bool {
        self.inner.act(resource, id, act).await
    }

    async fn withdraw_choice(&self) -> bool {
        self.inner.withdraw_choice().await
    }

    async fn count(&self, resource: &Resource) -> usize {
        self.inner.count(resource).await
    }

    async fn n_surprises(&self) -> u64 {
        self.inner.n_surprises().await
    }

    fn webhook(&self) -> Option<Webhook> {
        self.inner.webhook()
    }
}
