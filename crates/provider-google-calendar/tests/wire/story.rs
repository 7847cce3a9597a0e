//! The sandbox's Google behind the real way out.

use std::sync::Arc;

use provider_google_calendar::REGISTRATION;
use serde_json::{Value as Json, json};
use sync_core::{
    CallKey, CallSet, Cancel, Change, Check, Clock as _, Connection, Context, Cursor, EffectGrants, Error, Exchange, Facts,
    Find, FindBy, Found, From, Lane, Next, Opened, Operation, PartRef, Prepare, Prepared, Pull, Push, Receipt, Refs, Remote,
    SyncHandler,
};
use sync_sandbox::{CalendarSeed, Google, GoogleSeed, GoogleTokenSeed, InProcess, Sandbox, SandboxOptions};
use sync_testkit::SimClock;

use crate::support::{CALENDAR, TRIPS};

pub(crate) const TOKEN: &str = "ya29.story";
pub(crate) const ADA: &str = "ada@example.com";

/// One connection to a sandbox.
pub(crate) struct Story {
    pub(crate) clock: SimClock,
    pub(crate) sandbox: Sandbox,
    pub(crate) exchange: Arc<dyn Exchange>,
    pub(crate) handler: Box<dyn SyncHandler>,
    pub(crate) facts: Facts,
    pub(crate) cancel: Cancel,
    pub(crate) grants: EffectGrants,
}

impl Story {
    pub(crate) async fn new(settings: Json) -> Self {
        Self::of(settings, |seed| seed).await
    }

    pub(crate) async fn of(settings: Json, seed: impl FnOnce(GoogleSeed) -> GoogleSeed) -> Self {
        let calendar = CalendarSeed::new(CALENDAR, "Trips", ADA).with_zone("Europe/Madrid");
        let seed = seed(GoogleSeed::new(ADA).with_calendar(calendar).with_token(GoogleTokenSeed::new(TOKEN, ADA)));
        Self::in_world(settings, seed).await
    }

    pub(crate) async fn in_world(mut settings: Json, seed: GoogleSeed) -> Self {
        let clock = SimClock::skipping();
        let sandbox = Sandbox::new(Google::new(seed), SandboxOptions::default(), Arc::new(clock.clone()));
        let transport = Arc::new(InProcess(sandbox.clone()));
        let exchange =
            sync_testkit::sim::exchange_by_token(&REGISTRATION, TOKEN, ADA.into(), &clock, transport).await.unwrap();
        if settings.get("calendar").is_none() {
            settings["calendar"] = json!(CALENDAR);
        }
        let connection = Connection::new("shop".into(), settings).with_account(Some(ADA.into()));
        let opened = (REGISTRATION.build)(json!({"page_size": 3})).unwrap().open(connection).unwrap();
        let Opened::Sync(handler) = opened else { panic!("not a sync") };
        let (cancel, grants) = (Cancel::new(), EffectGrants::none());
        let mut story = Self { clock, sandbox, exchange, handler, facts: Facts::new(), cancel, grants };
        if let Ok(checked) = story.handler.check(&story.context(), Check::Settings).await {
            story.facts = checked.facts;
        }
        story
    }

    pub(crate) fn context(&self) -> Context<'_> {
        let now = self.clock.now();
        let deadline = now.checked_add(jiff::SignedDuration::from_hours(2)).unwrap();
        Context::new(&*self.exchange, now, deadline, &self.cancel, Lane::Interactive, &self.grants)
    }

    pub(crate) fn there(&self, action: Json) -> Json {
        self.sandbox.act(&action).unwrap_or_else(|why| panic!("{action}: {why}"))
    }

    pub(crate) async fn push(&self, ops: &[Operation]) -> Result<Vec<Receipt>, Error> {
        let Prepared::Parts(parts) = self.handler.prepare(Prepare::new(&self.facts, &self.grants, &ops[0]))? else {
            panic!("not prepared")
        };
        let (refs, key) = (Refs::new(), CallKey::from_static("key"));
        let refs: Vec<PartRef<'_>> = ops
            .iter()
            .map(|op| {
                let before = op.before.as_deref();
                let version = before.and_then(|before| before.version.as_ref());
                PartRef { op, part_idx: 0, remote: before.map(|before| &before.id), version, refs: &refs }
            })
            .collect();
        let push = Push::new(CallSet { group: &parts[0].group, parts: &refs }, &key, &self.facts);
        self.handler.push(&self.context(), push).await
    }

    pub(crate) async fn done(&self, op: &Operation) -> Remote {
        match self.push(std::slice::from_ref(op)).await.unwrap().remove(0) {
            Receipt::Done { after: Some(after), .. } => *after,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn list(&self, mut from: Option<Cursor>) -> Result<(Vec<Change>, Cursor), Error> {
        let feed = REGISTRATION.descriptor.feed("events").unwrap();
        let calendar = CALENDAR.into();
        let (mut changes, mut token) = (Vec::new(), None);
        loop {
            let from = match (&token, from.take()) {
                (Some(token), _) => self.pull(feed, &calendar, From::Page(token)).await?,
                (None, Some(cursor)) => self.pull(feed, &calendar, From::Cursor(&cursor)).await?,
                (None, None) => self.pull(feed, &calendar, From::Start).await?,
            };
            changes.extend(from.changes);
            match from.next {
                Next::More(next) => token = Some(next),
                Next::Done(cursor) => return Ok((changes, cursor)),
            }
        }
    }

    pub(crate) async fn pull(
        &self,
        feed: &'static sync_core::Feed,
        calendar: &sync_core::ContainerId,
        from: From<'_>,
    ) -> Result<sync_core::Page, Error> {
        self.handler.pull(&self.context(), Pull::new(feed, Some(calendar), from)).await
    }

    pub(crate) async fn find(&self, by: FindBy<'_>) -> Result<Found, Error> {
        let found = self.handler.find(&self.context(), Find::new(&TRIPS, Some(&CALENDAR.into()), by)).await?;
        Ok(found.into_iter().next().unwrap())
    }

    pub(crate) fn events(&self) -> serde_json::Map<String, Json> {
        self.sandbox.state()["calendars"][CALENDAR]["events"].as_object().cloned().unwrap_or_default()
    }

    pub(crate) fn operations(&self, name: &str) -> u64 {
        self.sandbox.summary()["operations"][name].as_u64().unwrap_or_default()
    }
}
