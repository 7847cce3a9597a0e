//! A dive shop and its captain's Google calendar, in memory and under virtual time.

use std::{pin::Pin, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::{Map, Value as Json, json};
use sync_core::{Clock, Collection, EffectGrants, Record, SyncRequest, SyncResult, Value};
use sync_engine::{Answer, EngineConfig, MemoryStore, Question, RunOptions, Store};
use sync_sandbox::{CalendarSeed, Google, GoogleSeed, GoogleTokenSeed, InProcess, Sandbox, SandboxOptions};
use sync_testkit::{FaultTransport, Shop, SimClock, sim::Rig};

use crate::ORG;

/// The captain's login.
pub const CAPTAIN: &str = "captain@shop.example.com";
/// The calendar that is synced with.
pub const CALENDAR: &str = "trips@group.calendar.google.com";
/// The calendar of the second boat.
pub const SECOND: &str = "dory@group.calendar.google.com";
/// Somebody else, and a calendar of theirs.
pub const OWNER: &str = "owner@shop.example.com";
/// The calendar of somebody else.
pub const SHARED: &str = "boat@group.calendar.google.com";
const TOKEN: &str = "ya29.end-to-end-0123456789";
const ZONE: &str = "Europe/Madrid";

/// The table of trips.
pub const TRIPS: Collection = Collection::from_static("trips");
/// The table of course sessions.
pub const SESSIONS: Collection = Collection::from_static("training-sessions");

/// One world. Clones share it.
#[derive(Clone, Debug)]
pub struct Harbour {
    /// Time, for all.
    pub clock: SimClock,
    /// The other side.
    pub sandbox: Sandbox,
    /// What goes wrong between the two.
    pub wire: FaultTransport,
    /// The host.
    pub shop: Arc<Shop>,
    /// All of it together.
    pub rig: Rig,
}

/// A clock that is wrong.
#[derive(Debug)]
struct Skewed {
    clock: SimClock,
    ahead: SignedDuration,
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        self.clock.now().saturating_add(self.ahead).unwrap_or(Timestamp::MAX)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep(duration)
    }
}

impl Harbour {
    /// A world whose connection has these settings beside the calendar. Faults and ids go by the seed.
    ///
    /// # Panics
    /// When it can't be connected.
    pub fn new(settings: Json, seed: u64) -> Self {
        Self::skewed(settings, seed, SignedDuration::ZERO)
    }

    /// The same, with a calendar whose clock is ahead of ours by so much.
    ///
    /// # Panics
    /// When it can't be connected.
    pub fn skewed(settings: Json, seed: u64, ahead: SignedDuration) -> Self {
        let clock = SimClock::skipping();
        let calendar = |id, name| CalendarSeed::new(id, name, CAPTAIN).with_zone(ZONE);
        let account = GoogleSeed::new(CAPTAIN)
            .with_calendar(calendar(CALENDAR, "Trips"))
            .with_calendar(calendar(SECOND, "Dory"))
            .with_calendar(CalendarSeed::new(SHARED, "Boat", OWNER).with_zone(ZONE))
            .with_token(GoogleTokenSeed::new(TOKEN, CAPTAIN));
        let time = Arc::new(clock.clone());
        let theirs = Arc::new(Skewed { clock: clock.clone(), ahead });
        let sandbox = Sandbox::new(Google::new(account), SandboxOptions::default(), theirs);
        let wire = FaultTransport::new(Arc::new(InProcess(sandbox.clone())), time.clone(), seed);
        let shop = Arc::new(Shop::with_feed());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(time));
        let transport = Arc::new(wire.clone());
        let rig =
            Rig::new(provider_google_calendar::REGISTRATION, clock.clone(), store, shop.clone(), transport).with_seed(seed);
        let harbour = Self { clock, sandbox, wire, shop, rig };
        let mut all = json!({"calendar": CALENDAR, "direction": "both"});
        for (name, value) in settings.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        let connected = harbour.rig.connect_by_token(ORG, TOKEN, all);
        harbour.clock.block_on(connected).unwrap_or_else(|error| panic!("{error:?}"));
        harbour
    }

    /// With another configuration of the engine.
    #[must_use]
    pub fn with_engine(mut self, engine: EngineConfig) -> Self {
        self.rig = self.rig.with_engine(engine);
        self
    }

    /// So many days from the world's today.
    pub fn day(&self, days: i64) -> Date {
        self.clock.now().to_zoned(TimeZone::UTC).date().saturating_add(days.days())
    }

    /// A trip on a day from now, from nine to one.
    pub fn trip(&self, title: &str, days: i64) -> Record {
        Record::new()
            .with("title", Value::text(title))
            .with("date", Value::Date(self.day(days)))
            .with("start_time", Value::text("09:00"))
            .with("end_time", Value::text("13:00"))
            .with("zone", Value::text(ZONE))
            .with("location", Value::text("Harbour, pier 2"))
            .with("boat", Value::text("Manta"))
            .with("booked", Value::Decimal(0.into()))
            .with("capacity", Value::Decimal(12.into()))
            .with("status", Value::text("scheduled"))
            .with("notes_medical", Value::text(crate::CANARY))
    }

    /// Stores a trip.
    pub fn put(&self, id: &str, record: Record) {
        self.shop.put(ORG, &TRIPS, id, record);
    }

    /// Changes a field of a trip.
    pub fn edit(&self, id: &str, field: &str, value: Value) {
        self.shop.edit(ORG, &TRIPS, id, |record| {
            record.set(field, value);
        });
    }

    /// A field of a trip, as text.
    pub fn text(&self, id: &str, field: &str) -> Option<String> {
        self.shop.rows(ORG, &TRIPS).get(id)?.text(field).map(str::to_owned)
    }

    /// Runs once, and approves what waits for approval.
    pub fn agree(&self) -> SyncResult {
        self.clock.advance(Duration::from_secs(1));
        self.clock.block_on(self.rig.agree(ORG, &EffectGrants::none()))
    }

    /// Runs once, as it is.
    pub fn sync(&self) -> SyncResult {
        self.clock.advance(Duration::from_secs(1));
        self.clock.block_on(self.rig.sync(ORG))
    }

    /// Runs this.
    pub fn run(&self, request: &SyncRequest, options: &RunOptions) -> SyncResult {
        self.clock.advance(Duration::from_secs(1));
        self.clock.block_on(self.rig.run(request, options))
    }

    /// Runs until nothing waits for a lost answer any more.
    pub fn sync_through(&self) -> SyncResult {
        for _ in 0..30 {
            let result = self.sync();
            let waits = result.details.as_ref().is_some_and(|details| details.resume_at.is_some());
            if !waits {
                return result;
            }
            self.clock.advance(Duration::from_secs(180));
        }
        self.sync()
    }

    /// Does what people do on the other side.
    ///
    /// # Panics
    /// When it can't be done.
    pub fn act(&self, action: Json) -> Json {
        self.sandbox.act(&action).unwrap_or_else(|why| panic!("{action}: {why}"))
    }

    /// The captain drags an event.
    pub fn shift(&self, title: &str, minutes: i64) {
        self.act(json!({"do": "shift", "calendar": CALENDAR, "event": self.id_of(title), "minutes": minutes}));
    }

    /// The captain deletes an event.
    pub fn delete(&self, title: &str) {
        self.act(json!({"do": "delete", "calendar": CALENDAR, "event": self.id_of(title)}));
    }

    /// The events of a calendar that are not deleted, by id.
    pub fn events(&self, calendar: &str) -> Map<String, Json> {
        let state = self.sandbox.state();
        let events = state["calendars"][calendar]["events"].as_object().cloned().unwrap_or_default();
        events
            .into_iter()
            .map(|(id, event)| (id, if event["document"].is_object() { event["document"].clone() } else { event }))
            .filter(|(_, event)| event["status"] != "cancelled")
            .collect()
    }

    /// The event with this title.
    ///
    /// # Panics
    /// When there is none.
    pub fn event(&self, title: &str) -> Json {
        let events = self.events(CALENDAR);
        let found = events.into_iter().find(|(_, event)| event["summary"] == title);
        found.unwrap_or_else(|| panic!("no event {title}")).1
    }

    /// Its id.
    pub fn id_of(&self, title: &str) -> String {
        self.event(title)["id"].as_str().unwrap_or_default().to_owned()
    }

    /// What waits for an answer.
    pub fn questions(&self) -> Vec<Question> {
        let scope = self.rig.scope(ORG);
        self.clock.block_on(self.rig.store().questions(&scope, true, None, 100)).unwrap_or_default()
    }

    /// Answers the only question.
    ///
    /// # Panics
    /// When there is another number of them.
    pub fn answer(&self, key: &str) {
        let questions = self.questions();
        let [question] = questions.as_slice() else { panic!("{} questions", questions.len()) };
        let answer = Answer { key: key.to_owned(), by: "owner".to_owned(), at: self.clock.now() };
        let scope = self.rig.scope(ORG);
        let answered = self.clock.block_on(self.rig.store().answer(&scope, &question.id, answer));
        answered.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// A run that finds nothing to write and asks for changes, once a calendar.
    ///
    /// # Panics
    /// When it is otherwise.
    pub fn settle(&self) {
        let result = self.sync();
        assert!(result.success, "{result:?}");
        self.wire.take_log();
        let result = self.sync();
        assert!(result.success && result.synced == 0, "{result:?}");
        let sent = self.wire.take_log();
        assert!(sent.iter().all(|sent| !sent.is_write()) && sent.len() <= 2, "{} calls", sent.len());
    }

    /// What the sandbox refused because it doesn't know it.
    pub fn refused(&self) -> Vec<Json> {
        self.sandbox.summary()["refused"].as_array().cloned().unwrap_or_default()
    }
}
