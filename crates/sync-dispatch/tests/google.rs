//! Google, its sign-in and its push channels, as the dispatcher meets them: everything in memory, under virtual time.

#![cfg(feature = "google-calendar")]
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use jiff::{ToSpan as _, tz::TimeZone};
use serde_json::json;
use sync_core::{Clock as _, Collection, HostRecords, Record, Scope, SyncRequest, Value};
use sync_dispatch::{
    Configured, ConnectOptions, ConnectionStatus, Dispatcher, Due, MemoryStore, RunOptions, http::OAuthClient,
};
use sync_engine::PushChannels as _;
use sync_sandbox::{ConsentSeed, Google, GoogleClientSeed, GoogleSeed, InProcess, Reply, Sandbox, SandboxOptions};
use sync_testkit::{SeededRandom, Shop, SimClock};

const ORG: &str = "blue-manta";
const CAPTAIN: &str = "captain@example.com";
const TRIPS: Collection = Collection::TRIPS;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct World {
    clock: SimClock,
    store: MemoryStore,
    shop: Arc<Shop>,
    google: Sandbox,
    dispatcher: Dispatcher,
}

impl World {
    fn new(client: GoogleClientSeed) -> Self {
        let clock = SimClock::new();
        let seed = GoogleSeed::new(CAPTAIN).with_oauth_client(client).with_consent(ConsentSeed::default());
        let google = Sandbox::new(Google::new(seed), SandboxOptions::default(), Arc::new(clock.clone()));
        let store = MemoryStore::new(Arc::new(clock.clone()));
        let shop = Arc::new(Shop::with_feed());
        let dispatcher = Dispatcher::builder(Arc::new(store.clone()), HostRecords::Writable(Arc::clone(&shop) as _))
            .clock(Arc::new(clock.clone()))
            .random(Arc::new(SeededRandom::new(7)))
            .transport(Arc::new(InProcess(google.clone())))
            .without_consent_sink()
            .oauth_client("google-calendar", OAuthClient::new("client-1", "client-secret".to_owned()))
            .webhooks("https://shop.example/hooks".parse().unwrap())
            .build()
            .unwrap();
        Self { clock, store, shop, google, dispatcher }
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.clock.block_on(work)
    }

    fn scope(&self) -> Scope {
        Scope::new(ORG, "google-calendar")
    }

    /// Signs in as the browser would; the calendar that was made.
    fn connect(&self) -> String {
        let scope = self.scope();
        let back = "http://127.0.0.1:4000/callback".parse().unwrap();
        let page = self.run(self.dispatcher.begin_connect(&scope, &back, "cookie", &[])).unwrap();
        let request = Request::get(page.as_str()).body(Bytes::new()).unwrap();
        let Reply::Answer(answer) = self.run(self.google.handle(request)) else { panic!("no answer") };
        let location = answer.headers()[header::LOCATION].to_str().unwrap();
        let query = location.split_once('?').unwrap().1;
        let connected = self.run(self.dispatcher.finish_connect(query, "cookie", ConnectOptions::new())).unwrap();
        assert_eq!(connected.account.unwrap().as_str(), CAPTAIN);
        let calendar = self.run(self.dispatcher.make_choice(&scope, "Trips", &json!({"zone": "Europe/Madrid"}))).unwrap();
        let settings = json!({"calendar": calendar.value, "direction": "both", "zone": "Europe/Madrid"});
        assert_eq!(self.run(self.dispatcher.configure(&scope, settings)).unwrap(), Configured::Stored);
        calendar.value
    }

    /// Sends one trip out, and approves the first plan; its event.
    fn first_sync(&self) -> String {
        let day = self.clock.now().to_zoned(TimeZone::UTC).date().saturating_add(40.days());
        let trip = Record::new()
            .with("title", Value::text("Reef"))
            .with("date", Value::Date(day))
            .with("start_time", Value::text("09:00"))
            .with("end_time", Value::text("13:00"))
            .with("zone", Value::text("Europe/Madrid"))
            .with("status", Value::text("scheduled"));
        self.shop.put(ORG, &TRIPS, "reef", trip);
        let plan = self.dispatch(RunOptions::new());
        let hash = plan.details.as_ref().and_then(|details| details.plan_hash.clone());
        let applied = self.dispatch(RunOptions::new().approve(hash));
        assert!(applied.success && applied.synced == 1, "{applied:?}");
        let links = self.run(self.dispatcher.why(&self.scope(), "reef")).unwrap().links;
        links[0].row.remote.as_ref().unwrap().to_string()
    }

    fn dispatch(&self, options: RunOptions) -> sync_core::SyncResult {
        self.run(self.dispatcher.dispatch_with(SyncRequest::new(ORG, "google-calendar"), options))
    }

    fn run_due(&self) -> Vec<sync_dispatch::Did> {
        let did = self.run(self.dispatcher.run_due(self.clock.now(), 100)).unwrap();
        assert!(did.iter().all(|did| did.error.is_none()), "{did:?}");
        did
    }

    /// Brings what Google sends; the replies.
    fn deliver(&self) -> Vec<Response<Bytes>> {
        let sent = self.google.take_outbound();
        sent.iter().map(|message| self.run(self.dispatcher.inbound("google-calendar", message))).collect()
    }

    fn trip(&self) -> Record {
        self.shop.rows(ORG, &TRIPS)["reef"].clone()
    }
}

fn is_pull(did: &sync_dispatch::Did) -> bool {
    matches!(did.due, Due::Pull { .. })
}

#[test]
fn what_the_captain_moves_reaches_the_shop_by_a_push_channel() {
    let world = World::new(GoogleClientSeed::new("client-1", "client-secret"));
    let calendar = world.connect();
    let event = world.first_sync();
    world.run_due();
    assert_eq!(world.google.calls("events.watch"), 1);
    let greeted = world.deliver();
    assert!(greeted.iter().all(|reply| reply.status().is_success()), "{greeted:?}");
    assert!(!world.run_due().iter().any(is_pull), "the first message says nothing");

    for _ in 0..3 {
        world.google.act(&json!({"do": "shift", "calendar": calendar, "event": event, "minutes": 20})).unwrap();
    }
    let replies = world.deliver();
    assert!(!replies.is_empty() && replies.iter().all(|reply| reply.status() == StatusCode::NO_CONTENT), "{replies:?}");
    let pulls = world.run_due().into_iter().filter(is_pull).count();
    assert_eq!((pulls, world.trip().text("start_time")), (1, Some("10:00")));
    assert!(!world.run_due().iter().any(is_pull));
}

#[test]
fn a_channel_is_renewed_before_its_week_is_over_and_stopped_with_the_connection() {
    let world = World::new(GoogleClientSeed::new("client-1", "client-secret"));
    let calendar = world.connect();
    let event = world.first_sync();
    world.run_due();
    for day in 1..=20 {
        world.clock.advance(DAY);
        world.run_due();
        world.run_due();
        world.deliver();
        world.google.act(&json!({"do": "shift", "calendar": calendar, "event": event, "minutes": 1})).unwrap();
        assert!(!world.deliver().is_empty(), "day {day}: nobody listens");
        assert!(world.run_due().iter().any(is_pull), "day {day}");
    }
    assert_eq!(world.trip().text("start_time"), Some("09:20"));
    let (started, stopped) = (world.google.calls("events.watch"), world.google.calls("channels.stop"));
    assert!((4..=6).contains(&started) && stopped == started - 1, "{started} started, {stopped} stopped");

    assert!(world.run(world.dispatcher.disconnect(&world.scope())).unwrap().revoked);
    assert_eq!(world.google.calls("channels.stop"), started);
    assert!(world.run(world.store.channels(&world.scope())).unwrap().is_empty());
    world.google.act(&json!({"do": "shift", "calendar": calendar, "event": event, "minutes": 1})).unwrap();
    assert!(world.deliver().is_empty());
}

#[test]
fn a_sign_in_of_an_app_in_testing_ends_after_a_week_and_says_why() {
    let world = World::new(GoogleClientSeed::new("client-1", "client-secret").testing());
    world.connect();
    world.first_sync();
    world.clock.advance(6 * DAY);
    assert!(world.dispatch(RunOptions::new()).success, "it lives for a week");
    world.clock.advance(DAY);
    let result = world.dispatch(RunOptions::new());
    let said = result.errors.unwrap().join("\n");
    assert!(said.contains("an app in testing out after 7 days") && said.contains("publishes it"), "{said}");
    let row = world.run(world.dispatcher.store().connection(&world.scope())).unwrap().unwrap();
    let ConnectionStatus::Reconnect { reason, .. } = row.status else { panic!("{row:?}") };
    assert!(reason.contains("after 7 days"), "{reason}");
    let before = world.google.calls("oauth.token");
    world.dispatch(RunOptions::new());
    world.run(world.dispatcher.check(&world.scope())).unwrap();
    assert_eq!(world.google.calls("oauth.token"), before, "nobody asks again");
}
