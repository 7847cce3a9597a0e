//! The contract: application level and connection level.

use async_trait::async_trait;
use bytes::Bytes;
use sync_core::{
    AccountId, Check, Checked, Choice, Choices, Connection, Context, Descriptor, Error, ErrorKind, Facts, Find, Found,
    Inbound, Integration, KeysOf, NaturalKey, Opened, Operation, Page, PlanDigest, Prepare, Prepared, Pull, Push, Receipt,
    ResourceName, Result, Rules, SyncHandler, Tally, Watch, Watching, WebhookKeys,
};

use crate::{
    check, choices, config::XeroConfig, descriptor::DESCRIPTOR, error::no_tenant, find, mapping, prepare, pull, push,
    schema::settings_schema, settings::XeroSettings, summary, webhook,
};

/// Xero, at application level.
#[derive(Debug)]
pub(crate) struct Xero {
    config: XeroConfig,
}

impl Xero {
    pub(crate) fn new(config: XeroConfig) -> Self {
        Self { config }
    }
}

impl Integration for Xero {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn open(&self, connection: Connection) -> Result<Opened> {
        let settings: XeroSettings = connection.settings()?;
        settings.validate()?;
        Ok(Opened::Sync(Box::new(Handler { config: self.config.clone(), settings, account: connection.account })))
    }

    fn inbound(&self, keys: &dyn WebhookKeys, request: &http::Request<Bytes>) -> Result<Inbound> {
        webhook::inbound(keys, request)
    }

    fn settings_schema(&self) -> serde_json::Value {
        settings_schema()
    }
}

/// One organization's connection.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) config: XeroConfig,
    pub(crate) settings: XeroSettings,
    pub(crate) account: Option<AccountId>,
}

impl Handler {
    /// The organisation that the connection is about.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when none is chosen.
    pub(crate) fn tenant(&self) -> Result<&AccountId> {
        self.account.as_ref().ok_or_else(no_tenant)
    }
}

#[async_trait]
impl SyncHandler for Handler {
    fn rules(&self, resource: &ResourceName) -> Rules {
        self.settings.rules(resource)
    }

    fn keys(&self, request: KeysOf<'_>) -> Vec<NaturalKey> {
        mapping::keys(&request)
    }

    fn tally(&self, facts: &Facts, op: &Operation) -> Vec<Tally> {
        prepare::tally(self, facts, op)
    }

    async fn check(&self, cx: &Context<'_>, check: Check) -> Result<Checked> {
        check::check(self, cx, check).await
    }

    async fn choices(&self, cx: &Context<'_>, request: Choices<'_>) -> Result<Vec<Choice>> {
        choices::choices(self, cx, request).await
    }

    async fn pull(&self, cx: &Context<'_>, request: Pull<'_>) -> Result<Page> {
        pull::pull(self, cx, request).await
    }

    async fn find(&self, cx: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        find::find(self, cx, request).await
    }

    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared> {
        prepare::prepare(self, request)
    }

    async fn push(&self, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
        push::push(self, cx, request).await
    }

    async fn watch(&self, _cx: &Context<'_>, _request: Watch<'_>) -> Result<Watching> {
        Err(Error::new(ErrorKind::Unsupported, "Xero's webhooks are set up once for the app, not for each organisation"))
    }

    fn summary(&self, facts: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
        summary::summary(facts, plan)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A connection with these settings.
    pub(crate) fn handler(settings: serde_json::Value) -> Handler {
        let settings: XeroSettings = serde_json::from_value(settings).unwrap();
        settings.validate().unwrap();
        Handler { config: XeroConfig::default(), settings, account: Some("t1".into()) }
    }
}
