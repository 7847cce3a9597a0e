//! The wrapper that breaks a connector.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use serde_json::Value as Json;
use sync_core::{
    Call, CallSet, Cancel, Change, Check, Checked, Choice, Choices, Complete, Connection, ContainerId, Context, DedupeKey,
    Descriptor, Effect, EffectGrants, Error, ErrorKind, Exchange, Facts, Feed, Find, FindBy, Found, From, Inbound,
    Integration, KeysOf, NaturalKey, Next, Opened, Operation, Page, PartRef, PlanDigest, Prepare, Prepared, Pull, Push,
    Receipt, Record, ResourceName, Result, Rules, SyncHandler, Tally, Target, Verb, Watch, Watching, WebhookKeys, Within,
};

use super::{How, Trick, nothing};
use crate::clock::later;

/// What both levels of a broken connector share.
#[derive(Clone)]
struct Broken {
    how: &'static How,
    /// What a record of the harness says.
    text: String,
    /// The grant's secret.
    secret: String,
    descriptor: &'static Descriptor,
}

impl Broken {
    fn does(&self, trick: Trick) -> bool {
        matches!(self.how, How::Trick(made) if *made == trick)
    }

    /// The error as the connector tells it.
    fn told(&self, error: Error) -> Error {
        match self.how {
            How::Error(tell) => tell(error),
            _ if self.does(Trick::QuotesARecordInErrors) => error.with_context("record", &self.text),
            _ => error,
        }
    }
}

pub(super) struct BrokenIntegration {
    inner: Arc<dyn Integration>,
    broken: Broken,
}

impl BrokenIntegration {
    pub(super) fn new(inner: Arc<dyn Integration>, how: &'static How, text: String, secret: String) -> Self {
        let mut descriptor = inner.descriptor();
        if let How::Descriptor(change) = how {
            let mut changed = copy(descriptor);
            change(&mut changed);
            descriptor = Box::leak(Box::new(changed));
        }
        Self { inner, broken: Broken { how, text, secret, descriptor } }
    }
}

/// All that a descriptor says is static, so that it can be said once more.
fn copy(of: &Descriptor) -> Descriptor {
    Descriptor {
        id: of.id,
        name: of.name,
        description: of.description,
        kind: of.kind,
        sync_types: of.sync_types,
        supports_direction: of.supports_direction,
        feeds: of.feeds,
        resources: of.resources,
        endpoints: of.endpoints,
        quotas: of.quotas,
        auth: of.auth,
        call_timeout: of.call_timeout,
        settle: of.settle,
        concurrency: of.concurrency,
        effects: of.effects,
    }
}

impl fmt::Debug for BrokenIntegration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokenIntegration").field("inner", &self.inner).finish_non_exhaustive()
    }
}

// What isn't handed on would be the contract's default, and break what it shall not.
#[deny(clippy::missing_trait_methods)]
impl Integration for BrokenIntegration {
    fn descriptor(&self) -> &'static Descriptor {
        self.broken.descriptor
    }

    fn open(&self, connection: Connection) -> Result<Opened> {
        let connection = match self.broken.how {
            How::Settings(read) => {
                let mut settings = connection.settings::<Json>().unwrap_or_else(|_| serde_json::json!({}));
                read(&mut settings);
                Connection::new(connection.organization.clone(), settings)
                    .with_account(connection.account.clone())
                    .with_vars(connection.vars.clone())
            }
            _ => connection,
        };
        match self.inner.open(connection)? {
            Opened::Sync(inner) => Ok(Opened::Sync(Box::new(BrokenHandler { inner, broken: self.broken.clone() }))),
            other => Ok(other),
        }
    }

    fn inbound(&self, keys: &dyn WebhookKeys, request: &http::Request<Bytes>) -> Result<Inbound> {
        match self.broken.how {
            How::Trick(Trick::TakesAnybodysWebhook) => Ok(Inbound::new(nothing(), DedupeKey("x".to_owned()), Vec::new())),
            How::Inbound(take) => take(self.inner.inbound(keys, request)),
            _ => self.inner.inbound(keys, request),
        }
    }

    fn settings_schema(&self) -> Json {
        let mut schema = self.inner.settings_schema();
        if let How::Schema(change) = self.broken.how {
            change(&mut schema);
        }
        schema
    }
}

struct BrokenHandler {
    inner: Box<dyn SyncHandler>,
    broken: Broken,
}

impl fmt::Debug for BrokenHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.broken.does(Trick::PrintsARecord) { self.broken.text.as_str() } else { "" };
        f.debug_struct("BrokenHandler").field("inner", &self.inner).field("last", &shown).finish()
    }
}

/// The way out of a broken connector.
struct Out<'a> {
    cx: Context<'a>,
    broken: &'a Broken,
}

impl<'a> Out<'a> {
    /// The connector's context, with this way out.
    fn context(&self) -> Context<'_> {
        Context::new(self, self.cx.now, self.cx.deadline, self.cx.cancel, self.cx.lane, self.cx.grants)
    }
}

#[async_trait]
impl Exchange for Out<'_> {
    async fn send(&self, mut call: Call, _: Within<'_>) -> Result<Response<Bytes>> {
        if let How::Call(describe) = self.broken.how {
            describe(&mut call);
        }
        if self.broken.does(Trick::QuotesARecordInUrls) {
            call = call.param("q", &self.broken.text);
        }
        if self.broken.does(Trick::ShowsItsSecretTwice)
            && let Ok(secret) = HeaderValue::from_str(&self.broken.secret)
        {
            call = call.header(HeaderName::from_static("x-key"), secret);
        }
        if self.broken.does(Trick::LogsItsSecret) {
            tracing::info!("signed with {}", self.broken.secret);
        }
        let again = call.clone();
        match self.cx.send(call).await {
            Err(error) if self.broken.does(Trick::SendsAgainOnHope) && error.effect() == Effect::Unknown => {
                self.cx.send(again).await
            }
            other => other,
        }
    }
}

impl BrokenHandler {
    /// `heedless` is a wish to stop that nobody has.
    fn out<'a>(&'a self, cx: &Context<'a>, heedless: &'a Cancel) -> Out<'a> {
        let mut cx = *cx;
        if self.broken.does(Trick::HasAllTheTime) {
            (cx.deadline, cx.cancel) = (later(cx.deadline, Duration::from_secs(24 * 60 * 60)), heedless);
        }
        if self.broken.does(Trick::HasNoTime) {
            // A second is the least that an attempt needs.
            cx.deadline = later(cx.now, Duration::from_millis(1_001));
        }
        Out { cx, broken: &self.broken }
    }

    /// The operation as it is understood.
    fn understood(&self, op: &Operation) -> Operation {
        let mut op = op.clone();
        if let How::Operation(understand) = self.broken.how {
            understand(&mut op);
        }
        op
    }

    /// Asks the provider something, whatever for.
    async fn look_first(&self, cx: &Context<'_>) {
        if self.broken.does(Trick::LooksFirst) {
            // What it says is no matter.
            drop(self.inner.check(cx, Check::Account).await);
        }
    }

    async fn page(&self, cx: &Context<'_>, request: Pull<'_>) -> Result<Page> {
        let from_start = || Pull::new(request.feed, request.container, From::Start);
        let mut page = match self.inner.pull(cx, request).await {
            Err(error) if self.broken.does(Trick::TakesAnyCursor) && error.kind() == ErrorKind::CursorExpired => {
                self.inner.pull(cx, from_start()).await?
            }
            Ok(_) if self.broken.does(Trick::ReadsAllEachTime) && matches!(request.from, From::Cursor(_)) => {
                let page = self.inner.pull(cx, from_start()).await?;
                Page::new(page.changes, page.next, Complete::Delta)
            }
            other => other?,
        };
        let stops = self.broken.does(Trick::StopsAfterOnePage);
        while let Next::More(token) = &page.next
            && (stops || self.broken.does(Trick::JoinsPages))
        {
            let token = token.clone();
            let next = self.inner.pull(cx, Pull::new(request.feed, request.container, From::Page(&token))).await?;
            page.changes.extend(next.changes.into_iter().filter(|_| !stops));
            page.next = next.next;
        }
        Ok(page)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl SyncHandler for BrokenHandler {
    fn rules(&self, resource: &ResourceName) -> Rules {
        let mut rules = self.inner.rules(resource);
        if let How::Rules(change) = self.broken.how {
            change(&mut rules);
        }
        rules
    }

    fn target(&self, resource: &ResourceName, fields: &Record) -> Target {
        let mut target = self.inner.target(resource, fields);
        if let How::Target(change) = self.broken.how {
            change(&mut target);
        }
        target
    }

    fn containers(&self, feed: &Feed) -> Vec<Option<ContainerId>> {
        self.inner.containers(feed)
    }

    async fn check(&self, cx: &Context<'_>, check: Check) -> Result<Checked> {
        let heedless = Cancel::new();
        let out = self.out(cx, &heedless);
        let checked = self.inner.check(&out.context(), check).await;
        match self.broken.how {
            How::Check(tell) => tell(checked),
            _ => checked,
        }
    }

    async fn choices(&self, cx: &Context<'_>, request: Choices<'_>) -> Result<Vec<Choice>> {
        let (of, query) = (request.of, request.query.filter(|_| !self.broken.does(Trick::IgnoresTheQuery)));
        self.look_first(cx).await;
        let choices = self.inner.choices(cx, Choices::new(of, query)).await;
        match self.broken.how {
            How::Choices(tell) => tell(choices),
            _ => choices,
        }
    }

    async fn pull(&self, cx: &Context<'_>, request: Pull<'_>) -> Result<Page> {
        let heedless = Cancel::new();
        let out = self.out(cx, &heedless);
        let from = request.from;
        let mut page = self.page(&out.context(), request).await.map_err(|error| self.broken.told(error));
        if let (How::Shown(change), Ok(page)) = (self.broken.how, &mut page) {
            for shown in &mut page.changes {
                if let Change::Upsert(remote) = shown {
                    change(remote);
                }
            }
        }
        match self.broken.how {
            How::Page(tell) => tell(from, page),
            _ => page,
        }
    }

    async fn find(&self, cx: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        let heedless = Cancel::new();
        let out = self.out(cx, &heedless);
        self.look_first(cx).await;
        if let (FindBy::Keys(keys), true) = (request.by, self.broken.does(Trick::FindsNobodyByContent)) {
            return Ok(keys.iter().map(|_| Found::Absent).collect());
        }
        let found = self.inner.find(&out.context(), request).await;
        match self.broken.how {
            How::Find(tell) => tell(found),
            _ => found,
        }
    }

    fn keys(&self, request: KeysOf<'_>) -> Vec<NaturalKey> {
        if self.broken.does(Trick::GivesNoKeys) { Vec::new() } else { self.inner.keys(request) }
    }

    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared> {
        let op = self.understood(request.op);
        let all = EffectGrants::of(self.broken.descriptor.effects.iter().map(|effect| effect.name));
        let grants = if self.broken.does(Trick::IgnoresGrants) { &all } else { request.grants };
        let again = Prepare::new(request.facts, grants, &op).amendment(request.amendment, request.is_amended);
        let mut prepared = self.inner.prepare(again);
        if let (How::Part(change), Ok(Prepared::Parts(parts))) = (self.broken.how, &mut prepared) {
            parts.iter_mut().for_each(|part| change(&op, part));
        }
        if self.broken.does(Trick::QuotesWhatItRefuses) {
            let values: Vec<String> = op.fields.iter().filter_map(|(_, value)| Some(value.as_text()?.to_owned())).collect();
            prepared = prepared.map_err(|error| error.with_context("record", values.join(" ")));
        }
        match self.broken.how {
            How::Prepared(tell) => tell(&op, prepared),
            _ => prepared,
        }
    }

    async fn push(&self, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
        let heedless = Cancel::new();
        let out = self.out(cx, &heedless);
        self.look_first(cx).await;
        let parts = request.set.parts;
        if self.broken.does(Trick::SaysItIsRemoved) && parts.iter().all(|part| part.op.verb == Verb::Remove) {
            return Ok(parts.iter().map(|part| done(part)).collect());
        }
        let ops: Vec<Operation> = parts.iter().map(|part| self.understood(part.op)).collect();
        let parts: Vec<PartRef<'_>> = parts.iter().zip(&ops).map(|(part, op)| PartRef { op, ..part.clone() }).collect();
        let set = CallSet { group: request.set.group, parts: &parts };
        let pushed = self.inner.push(&out.context(), Push::new(set, request.key, request.facts)).await;
        let pushed = pushed.map_err(|error| self.broken.told(error));
        match self.broken.how {
            How::Receipt(tell) => {
                pushed.map(|receipts| receipts.into_iter().zip(&parts).map(|(receipt, part)| tell(part, receipt)).collect())
            }
            How::Receipts(tell) => tell(pushed, parts.len()),
            How::Error(_) => pushed.map(|receipts| receipts.into_iter().map(|receipt| self.refused(receipt)).collect()),
            How::Trick(Trick::QuotesARecordInErrors) => {
                pushed.map(|receipts| receipts.into_iter().map(|receipt| self.refused(receipt)).collect())
            }
            _ => pushed,
        }
    }

    async fn watch(&self, cx: &Context<'_>, request: Watch<'_>) -> Result<Watching> {
        self.look_first(cx).await;
        self.inner.watch(cx, request).await
    }

    fn tally(&self, facts: &Facts, op: &Operation) -> Vec<Tally> {
        self.inner.tally(facts, op)
    }

    fn summary(&self, facts: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
        self.inner.summary(facts, plan)
    }
}

impl BrokenHandler {
    /// A receipt with its error as the connector tells it.
    fn refused(&self, receipt: Receipt) -> Receipt {
        match receipt {
            Receipt::Refused(error) => Receipt::Refused(self.broken.told(error)),
            Receipt::Uncertain(error) => Receipt::Uncertain(self.broken.told(error)),
            other => other,
        }
    }
}

/// Done, as far as anybody is told.
pub(super) fn done(part: &PartRef<'_>) -> Receipt {
    let id = part.remote.cloned().unwrap_or_else(|| "made-up".into());
    Receipt::Done { id, version: part.version.cloned(), after: None, facts: None }
}
