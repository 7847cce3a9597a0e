//! One world: a host, a provider, a store, time. Its processes come and go.

use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, header};
use jiff::{SignedDuration, Timestamp};
use sync_core::{Clock, Collection, HostRecords, LocalId, Scope};
use sync_dispatch::{ConnectOptions, Dispatcher, DispatcherBuilder, LabelledQuestion};
use sync_engine::{ConnectionStatus, EngineConfig, MemoryStore, Store};
use sync_sandbox::{Double, InProcess, Reply, Sandbox, SandboxOptions};
use sync_testkit::{
    FaultTransport, SeededRandom, Shop, SimClock,
    crash::{Crash, CrashRecords, CrashSink, CrashStore, CrashTransport},
};

use crate::ORG;

/// A provider in a world, with the people on both sides, and the model of what should be.
#[async_trait]
pub trait Place: Send + Sync + Sized {
    /// The integration.
    const INTEGRATION: &'static str;

    /// The directions in which it syncs.
    const DIRECTIONS: &'static [&'static str];

    /// Codes of failures that may be left at rest, since what people did on both sides goes together no more.
    const LEFT_TO_PEOPLE: &'static [&'static str];

    /// Most calls of a run that finds nothing new, for what stands: looked at again by each run.
    const STANDING_CALLS: usize;

    /// Most further pages of a feed that tells everything again: what was written a moment ago comes back.
    const ECHO_PAGES: usize;

    /// A world that begins like this.
    fn start(start: &Start) -> Self;

    /// What all worlds have.
    fn world(&self) -> &World;

    /// What this provider needs of a dispatcher.
    fn build(&self, builder: DispatcherBuilder) -> DispatcherBuilder;

    /// Somebody signs in, unless the connection lives.
    async fn connect(&self, dispatcher: &Dispatcher);

    /// Somebody changes something on either side; in words.
    fn edit(&self, draw: &SeededRandom) -> Option<String>;

    /// Settings as somebody might change them.
    fn settings(&self, draw: &SeededRandom) -> serde_json::Value;

    /// These are the settings from now on.
    fn configured(&self, settings: serde_json::Value);

    /// Somebody answered.
    fn answered(&self, question: &LabelledQuestion, key: &str);

    /// A record that could be forgotten: where it is kept, and its id.
    fn someone(&self, draw: &SeededRandom) -> Option<(Collection, LocalId)>;

    /// What is wrong now that everything has come to rest, a line each.
    async fn broken(&self, dispatcher: &Dispatcher) -> Vec<String>;

    /// True while nothing was approved where the settings go to: until then the feed is read from its start.
    fn awaits_first_plan(&self, approved: &BTreeSet<String>) -> bool;

    /// True where both sides are read: then an audit must find nothing that a sync leaves.
    fn is_two_way(&self) -> bool;

    /// What people on either side would see, for dry runs: it must not change.
    fn picture(&self) -> String;

    /// How many records the model did not judge, since they stand as a question or failure.
    fn excused(&self) -> u64;
}

/// How a world begins.
#[derive(Debug, Clone)]
pub struct Start {
    /// By which everything else is drawn.
    pub seed: u64,
    /// The direction; drawn when `None`.
    pub direction: Option<&'static str>,
    /// Time.
    pub clock: SimClock,
}

impl Start {
    /// A world of this seed.
    pub fn of(seed: u64) -> Self {
        Self { seed, direction: None, clock: SimClock::new() }
    }
}

/// What all worlds have. Outlives their processes.
pub struct World {
    /// Time.
    pub clock: SimClock,
    store: Mutex<Arc<dyn Store>>,
    /// The host.
    pub shop: Arc<Shop>,
    /// The provider.
    pub sandbox: Sandbox,
    /// What went over the wire.
    pub wire: FaultTransport,
    /// Whose connection it is.
    pub scope: Scope,
    engine: EngineConfig,
    /// Numbers for what people write: each once.
    written: Mutex<u64>,
    /// How many processes there were.
    pub(super) n_processes: AtomicU64,
    /// True once something was forgotten: what both sides last agreed on about it is known no more.
    pub(super) has_forgotten: AtomicBool,
    /// What happened, in words; kept only when somebody wants to read it.
    diary: Mutex<Option<Vec<String>>>,
}

impl World {
    /// A world of this seed around a double.
    pub fn new(integration: &'static str, double: impl Double + 'static, start: &Start) -> Self {
        let (seed, clock) = (start.seed, start.clock.clone());
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let draw = SeededRandom::new(seed ^ 0xC10C);
        // The provider's clock is right, or up to an hour off.
        let theirs = if draw.chance(0.3) { i64::try_from(draw.below(7_200)).unwrap_or(0) - 3_600 } else { 0 };
        let theirs = Arc::new(Skewed { clock: clock.clone(), ahead: SignedDuration::from_secs(theirs) });
        let latency = Duration::from_millis(20 + draw.below(200));
        let options = SandboxOptions::default().with_seed(seed).with_latency(latency).with_quotas();
        let sandbox = Sandbox::new(double, options, theirs);
        let memory = MemoryStore::new(Arc::clone(&time));
        let mut engine = EngineConfig::default();
        engine.page = [1, 2, 3, 1_000].get(super::steps::index(draw.below(4))).copied().unwrap_or(3);
        engine.window = engine.page.max(2);
        Self {
            store: Mutex::new(Arc::new(memory)),
            shop: Arc::new(if draw.chance(0.75) { Shop::with_feed() } else { Shop::without_feed() }),
            wire: FaultTransport::new(Arc::new(InProcess(sandbox.clone())), time, seed),
            sandbox,
            clock,
            scope: Scope::new(ORG, integration),
            engine,
            written: Mutex::new(0),
            n_processes: AtomicU64::new(0),
            has_forgotten: AtomicBool::new(false),
            diary: Mutex::new(None),
        }
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&lock(&self.store))
    }

    /// From now on it is kept in another store, which knows nothing yet, or is the same one opened again.
    pub fn keep_in(&self, store: Arc<dyn Store>) {
        *lock(&self.store) = store;
    }

    /// A new process, with its points, its ids by this seed, and a clock that is ahead by so much.
    ///
    /// # Panics
    /// When it can't be built.
    pub fn process<P: Place>(&self, place: &P, crash: &Crash, seed: u64, ahead_ms: i64) -> Dispatcher {
        self.n_processes.fetch_add(1, Ordering::Relaxed);
        let store: Arc<dyn Store> = Arc::new(CrashStore::new(self.store(), crash.clone()));
        let records = Arc::new(CrashRecords::new(Arc::clone(&self.shop) as _, crash.clone()));
        let transport = CrashTransport::new(Arc::new(self.wire.clone()), crash.clone());
        let clock = Skewed { clock: self.clock.clone(), ahead: SignedDuration::from_millis(ahead_ms) };
        let builder = Dispatcher::builder(store, HostRecords::Writable(records))
            .clock(Arc::new(clock))
            .random(Arc::new(SeededRandom::new(seed)))
            .transport(Arc::new(transport))
            .consent(Arc::new(CrashSink::new(Arc::clone(&self.shop) as _, crash.clone())))
            .engine(self.engine.clone());
        place.build(builder).build().unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Somebody signs in, unless the connection lives.
    pub async fn sign_in(&self, dispatcher: &Dispatcher, settings: serde_json::Value, back: &str) {
        let scope = &self.scope;
        let row = dispatcher.store().connection(scope).await.ok().flatten();
        let grant = dispatcher.store().load(scope).await.ok().flatten();
        let is_dead = grant.is_some_and(|grant| grant.dead_since.is_some());
        let lives = !is_dead
            && row.is_some_and(|row| {
                row.account.is_some() && matches!(row.status, ConnectionStatus::Active | ConnectionStatus::Setup)
            });
        if lives {
            return;
        }
        let connected = async {
            let back = back.parse().map_err(|error| format!("{error}"))?;
            let page = dispatcher.begin_connect(scope, &back, "cookie", &[]).await.map_err(|error| error.to_string())?;
            let request = Request::get(page.as_str()).body(Bytes::new()).map_err(|error| error.to_string())?;
            let Reply::Answer(answer) = self.sandbox.handle(request).await else { return Err("no page".to_owned()) };
            let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let query = location.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
            let options = ConnectOptions::new().settings(settings);
            dispatcher.finish_connect(&query, "cookie", options).await.map_err(|error| error.to_string())
        };
        let connected = connected.await;
        self.note(|| format!("connected: {:?}", connected.map(|connected| connected.status)));
    }

    /// A number that was not used before.
    pub fn fresh(&self) -> u64 {
        let mut written = lock(&self.written);
        *written += 1;
        *written
    }

    /// From now on what happens is written down.
    pub fn keep_diary(&self) {
        *lock(&self.diary) = Some(Vec::new());
    }

    /// Writes down what happens.
    pub fn note(&self, text: impl FnOnce() -> String) {
        if let Some(diary) = &mut *lock(&self.diary) {
            let at = self.clock.now().strftime("%d %H:%M:%S%.3f");
            diary.push(format!("{at} {}", text()));
        }
    }

    /// Writes down what went over the wire since its log was last taken.
    pub fn note_wire(&self) {
        /// Most characters of a body: batches and listings repeat themselves.
        const MAX_BODY: usize = 600;
        if lock(&self.diary).is_none() {
            return;
        }
        for sent in self.wire.log() {
            let body: String =
                String::from_utf8_lossy(&sent.body).replace(['\r', '\n'], " ").chars().take(MAX_BODY).collect();
            self.note(|| format!("    {} {} {:?} {body}", sent.method, sent.uri, sent.fault));
        }
    }

    /// What happened.
    pub fn diary(&self) -> Vec<String> {
        lock(&self.diary).clone().unwrap_or_default()
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// A poisoned lock: somebody panicked, and that is told already.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A clock that is wrong.
#[derive(Debug)]
pub struct Skewed {
    /// The right one.
    pub clock: SimClock,
    /// How far this one is ahead.
    pub ahead: SignedDuration,
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        self.clock.now().saturating_add(self.ahead).unwrap_or(Timestamp::MAX)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep(duration)
    }
}
