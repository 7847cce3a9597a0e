//! The contract: application level and connection level.

use async_trait::async_trait;
use bytes::Bytes;
use sync_core::{
    AccountId, Check, Checked, Choice, Choices, Connection, ContainerId, Context, Descriptor, Error, ErrorKind, Facts, Feed,
    FieldSet, Find, Found, Inbound, Integration, Opened, Operation, Owner, Page, PlanDigest, Prepare, Prepared, Pull, Push,
    Receipt, Record, ResourceName, Result, Role, Rules, SyncHandler, Target, Watch, Watching, WebhookKeys,
};

use crate::{
    calendars, channel, check, client::Shown, config::GoogleCalendarConfig, descriptor::DESCRIPTOR, find, prepare, pull,
    push, schema::settings_schema, settings::GoogleCalendarSettings, summary,
};

/// Google Calendar, at application level.
#[derive(Debug)]
pub(crate) struct GoogleCalendar {
    config: GoogleCalendarConfig,
}

impl GoogleCalendar {
    pub(crate) fn new(config: GoogleCalendarConfig) -> Self {
        Self { config }
    }
}

impl Integration for GoogleCalendar {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn open(&self, connection: Connection) -> Result<Opened> {
        let settings: GoogleCalendarSettings = connection.settings()?;
        settings.validate()?;
        Ok(Opened::Sync(Box::new(Handler::new(self.config.clone(), settings, connection.account))))
    }

    fn inbound(&self, keys: &dyn WebhookKeys, request: &http::Request<Bytes>) -> Result<Inbound> {
        channel::inbound(keys, request)
    }

    fn settings_schema(&self) -> serde_json::Value {
        settings_schema()
    }
}

/// One organization's connection.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) config: GoogleCalendarConfig,
    pub(crate) settings: GoogleCalendarSettings,
    pub(crate) account: Option<AccountId>,
    /// The fields that the settings map.
    pub(crate) fields: FieldSet,
    /// What is read of events.
    pub(crate) shown: Shown,
}

impl Handler {
    fn new(config: GoogleCalendarConfig, settings: GoogleCalendarSettings, account: Option<AccountId>) -> Self {
        let shown = Shown { description: settings.tells_description() };
        Self { config, fields: settings.rules().fields, settings, account, shown }
    }

    /// The calendar that an operation is about: its link's, else the one that the settings choose.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when none is chosen.
    pub(crate) fn calendar(&self, op: &Operation) -> Result<ContainerId> {
        let chosen = || self.settings.calendar_of(&op.resource, &op.fields);
        op.container.clone().or_else(chosen).ok_or_else(no_calendar)
    }

    /// The calendar whose feed or events are read.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when none is chosen.
    pub(crate) fn read_calendar(&self, container: Option<&ContainerId>) -> Result<ContainerId> {
        container.cloned().or_else(|| self.settings.own_calendar()).ok_or_else(no_calendar)
    }
}

#[async_trait]
impl SyncHandler for Handler {
    fn rules(&self, _resource: &ResourceName) -> Rules {
        self.settings.rules()
    }

    fn target(&self, resource: &ResourceName, fields: &Record) -> Target {
        Target { role: Role::MAIN, container: self.settings.calendar_of(resource, fields) }
    }

    fn containers(&self, _feed: &Feed) -> Vec<Option<ContainerId>> {
        self.settings.calendars().into_iter().map(Some).collect()
    }

    async fn check(&self, cx: &Context<'_>, check: Check) -> Result<Checked> {
        check::check(self, cx, check).await
    }

    async fn choices(&self, cx: &Context<'_>, request: Choices<'_>) -> Result<Vec<Choice>> {
        calendars::choices(self, cx, request).await
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

    async fn watch(&self, cx: &Context<'_>, request: Watch<'_>) -> Result<Watching> {
        channel::watch(self, cx, request).await
    }

    fn summary(&self, facts: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
        summary::summary(&self.settings, facts, plan)
    }
}

/// Nothing can be synced without a calendar.
pub(crate) fn no_calendar() -> Error {
    Error::new(ErrorKind::Config, "no Google calendar is chosen")
        .with_owner(Owner::EndUserData)
        .with_remedy("Choose one under Settings > Google Calendar > Calendar.")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A connection with these settings.
    pub(crate) fn handler(settings: serde_json::Value) -> Handler {
        let settings: GoogleCalendarSettings = serde_json::from_value(settings).unwrap();
        settings.validate().unwrap();
        Handler::new(GoogleCalendarConfig::default(), settings, Some("ada@example.com".into()))
    }
}
