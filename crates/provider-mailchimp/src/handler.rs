//! The contract: application level and connection level.

use async_trait::async_trait;
use bytes::Bytes;
use sync_core::{
    AccountId, Check, Checked, Choice, Choices, Connection, ContainerId, Context, Descriptor, Error, ErrorKind, Facts, Feed,
    Find, FindBy, Found, Inbound, Integration, Opened, Operation, Owner, Page, PlanDigest, Prepare, Prepared, Pull, Push,
    Receipt, Record, RemoteId, ResourceName, Result, Retry, Role, Rules, SyncHandler, Target, Watch, Watching, WebhookKeys,
};

use crate::{
    address::member_id,
    check, client,
    config::MailchimpConfig,
    descriptor::{CONTACTS, DESCRIPTOR, EMAIL},
    error::parse,
    mapping,
    model::Member,
    prepare, pull, push,
    schema::settings_schema,
    settings::MailchimpSettings,
    summary,
};

/// Mailchimp, at application level.
#[derive(Debug)]
pub(crate) struct Mailchimp {
    config: MailchimpConfig,
}

impl Mailchimp {
    pub(crate) fn new(config: MailchimpConfig) -> Self {
        Self { config }
    }
}

impl Integration for Mailchimp {
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn open(&self, connection: Connection) -> Result<Opened> {
        let settings: MailchimpSettings = connection.settings()?;
        settings.validate()?;
        Ok(Opened::Sync(Box::new(Handler { config: self.config.clone(), settings, account: connection.account })))
    }

    fn inbound(&self, _keys: &dyn WebhookKeys, _request: &http::Request<Bytes>) -> Result<Inbound> {
        Err(no_webhooks())
    }

    fn settings_schema(&self) -> serde_json::Value {
        settings_schema()
    }
}

/// One organization's connection.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) config: MailchimpConfig,
    pub(crate) settings: MailchimpSettings,
    pub(crate) account: Option<AccountId>,
}

impl Handler {
    /// The audience that an operation is about.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when none is chosen.
    pub(crate) fn audience<'a>(&'a self, op: &'a Operation) -> Result<&'a ContainerId> {
        op.container.as_ref().or(self.settings.audience.as_ref()).ok_or_else(no_audience)
    }

    /// The operation's audience, where it isn't the connection's: links keep theirs when the setting changes.
    pub(crate) fn elsewhere<'a>(&self, op: &'a Operation) -> Option<&'a ContainerId> {
        op.container.as_ref().filter(|container| self.settings.audience.as_ref() != Some(container))
    }

    /// The audience whose feed or records are read.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when none is chosen.
    pub(crate) fn feed_audience<'a>(&'a self, container: Option<&'a ContainerId>) -> Result<&'a ContainerId> {
        container.or(self.settings.audience.as_ref()).ok_or_else(no_audience)
    }

    /// Looks one member up.
    pub(crate) async fn member(&self, cx: &Context<'_>, audience: &ContainerId, id: &RemoteId) -> Result<Found> {
        let answer = match cx.send(client::member(audience, id)).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Absent),
            Err(error) => return Err(error),
        };
        let member: Member = parse(&answer, "lists.members.read")?;
        if member.id.is_empty() && member.email_address.is_empty() {
            return Err(Error::new(ErrorKind::BadAnswer, "Mailchimp's answer is no member").with_retry(Retry::Backoff));
        }
        Ok(mapping::remote(&self.settings, audience, &member).map_or(Found::Gone, |remote| Found::One(Box::new(remote))))
    }
}

#[async_trait]
impl SyncHandler for Handler {
    fn rules(&self, _resource: &ResourceName) -> Rules {
        self.settings.rules()
    }

    fn target(&self, _resource: &ResourceName, _fields: &Record) -> Target {
        match &self.settings.audience {
            Some(audience) => Target { role: Role::new(audience.as_str()), container: Some(audience.clone()) },
            None => Target { role: Role::MAIN, container: None },
        }
    }

    fn containers(&self, _feed: &Feed) -> Vec<Option<ContainerId>> {
        self.settings.audience.iter().cloned().map(Some).collect()
    }

    async fn check(&self, cx: &Context<'_>, check: Check) -> Result<Checked> {
        check::check(self, cx, check).await
    }

    async fn choices(&self, cx: &Context<'_>, request: Choices<'_>) -> Result<Vec<Choice>> {
        check::choices(self, cx, request).await
    }

    async fn pull(&self, cx: &Context<'_>, request: Pull<'_>) -> Result<Page> {
        pull::pull(self, cx, request).await
    }

    async fn find(&self, cx: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        if *request.resource != CONTACTS {
            return Err(Error::new(ErrorKind::Unsupported, format!("Mailchimp has no {}", request.resource)));
        }
        let ids: Vec<RemoteId> = match request.by {
            FindBy::Ids(ids) => ids.to_vec(),
            FindBy::Keys(keys) if keys.iter().all(|key| key.field().as_str() == EMAIL) => {
                keys.iter().map(|key| member_id(key.value())).collect()
            }
            FindBy::Keys(_) => {
                return Err(Error::new(ErrorKind::Unsupported, "Mailchimp finds contacts by e-mail address alone"));
            }
            _ => return Err(Error::new(ErrorKind::Unsupported, "contacts in Mailchimp carry no marker")),
        };
        if ids.len() > 1 {
            return Err(Error::new(ErrorKind::Internal, "Mailchimp looks up one contact in a call"));
        }
        let audience = self.feed_audience(request.container)?;
        match ids.first() {
            Some(id) => Ok(vec![self.member(cx, audience, id).await?]),
            None => Ok(Vec::new()),
        }
    }

    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared> {
        prepare::prepare(self, request)
    }

    async fn push(&self, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
        push::push(self, cx, request).await
    }

    async fn watch(&self, _cx: &Context<'_>, _request: Watch<'_>) -> Result<Watching> {
        Err(no_webhooks())
    }

    fn summary(&self, facts: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
        summary::summary(facts, plan)
    }
}

/// Nothing can be synced without an audience.
pub(crate) fn no_audience() -> Error {
    Error::new(ErrorKind::Config, "no Mailchimp audience is chosen")
        .with_owner(Owner::EndUserData)
        .with_remedy("Choose one under Settings > Mailchimp > Audience.")
}

/// A webhook of Mailchimp names an audience and no account, so it can't be brought to a connection; and it is a hint
/// alone, which the feed makes good by the next run.
fn no_webhooks() -> Error {
    Error::new(ErrorKind::Unsupported, "changes in Mailchimp are read by each run; there are no webhooks")
        .with_remedy("Take Mailchimp's webhook away, or let runs come more often.")
}
