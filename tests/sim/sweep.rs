//! A process dies at every point at which it changes anything, whatever the provider, the direction and the store.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sqlx::Connection as _;
use sync_core::{Clock as _, SyncRequest};
use sync_dispatch::Dispatcher;
use sync_engine::Store;
use sync_store::{SqlStore, StoreKey};
use sync_testkit::{
    SeededRandom, SimClock,
    crash::{self, Crash, Sweep, World as _},
};
use tokio::runtime::Runtime;

use super::{
    laws, sync,
    world::{Place, Start},
};

/// What a process is at when it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// It connects, and syncs for the first time.
    First,
    /// It syncs what people changed on both sides since.
    Later,
}

/// A world whose processes can die.
pub struct Mortal<P> {
    place: P,
    crash: Crash,
    n_processes: AtomicU64,
    file: Option<File>,
}

/// A database file, and where its store waits for more than the world's time.
struct File {
    folder: tempfile::TempDir,
    runtime: Runtime,
}

impl File {
    const NAME: &str = "sync.db";

    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
        Self { folder: tempfile::tempdir().unwrap_or_else(|error| panic!("{error}")), runtime }
    }

    fn open(&self) -> Arc<dyn Store> {
        let store = self
            .runtime
            .block_on(async { SqlStore::open(self.folder.path().join(Self::NAME), StoreKey::generate()?).await });
        Arc::new(store.unwrap_or_else(|error| panic!("{error:?}")))
    }

    /// Leases go by the database's clock, which the world's does not move.
    async fn end_leases(&self) -> Result<(), sqlx::Error> {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.folder.path().join(Self::NAME));
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
        sqlx::query("update run_lease set expires_ms = 0").execute(&mut connection).await?;
        connection.close().await
    }
}

impl<P> fmt::Debug for Mortal<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mortal").field("crash", &self.crash).finish_non_exhaustive()
    }
}

/// How many things people do between the first sync and the later one.
const N_EDITS: u64 = 14;

impl<P: Place> Mortal<P> {
    /// A world in memory.
    pub fn in_memory(seed: u64, direction: &'static str, scene: Scene) -> Self {
        let start = Start { seed, direction: Some(direction), clock: SimClock::new() };
        Self::begin(P::start(&start), None, scene, seed)
    }

    /// The same over a database file.
    pub fn in_file(seed: u64, direction: &'static str, scene: Scene) -> Self {
        let start = Start { seed, direction: Some(direction), clock: SimClock::skipping() };
        let place = P::start(&start);
        let file = File::new();
        place.world().keep_in(file.open());
        Self::begin(place, Some(file), scene, seed)
    }

    fn begin(place: P, file: Option<File>, scene: Scene, seed: u64) -> Self {
        let world = Self { place, crash: Crash::never(), n_processes: AtomicU64::new(seed), file };
        if scene == Scene::Later {
            for _ in 0..4 {
                let is_at_rest = world.drive(world.work());
                world.clock().advance(Duration::from_secs(16 * 60));
                if is_at_rest {
                    break;
                }
            }
            let draw = SeededRandom::new(seed);
            for _ in 0..N_EDITS {
                world.place.edit(&SeededRandom::new(draw.next()));
            }
        }
        world
    }

    fn process(&self, crash: &Crash) -> Dispatcher {
        let number = self.n_processes.fetch_add(1, Ordering::Relaxed);
        self.place.world().process(&self.place, crash, number << 20, 0)
    }

    async fn once(&self, dispatcher: &Dispatcher) -> bool {
        let scope = &self.place.world().scope;
        self.place.connect(dispatcher).await;
        let result = sync(dispatcher, SyncRequest::new(scope.organization.clone(), scope.integration.clone())).await;
        laws::is_at_rest(&result)
    }
}

#[async_trait]
impl<P: Place> crash::World for Mortal<P> {
    fn clock(&self) -> SimClock {
        self.place.world().clock.clone()
    }

    fn crash(&self) -> Crash {
        self.crash.clone()
    }

    async fn work(&self) -> bool {
        let dispatcher = self.process(&self.crash);
        let is_at_rest = self.once(&dispatcher).await;
        // Push channels, and what the provider has told through them.
        for message in self.place.world().sandbox.take_outbound() {
            let _ = dispatcher.inbound(P::INTEGRATION, &message).await;
        }
        let done = dispatcher.run_due(self.clock().now(), 100).await;
        is_at_rest && done.is_ok()
    }

    async fn broken_laws(&self) -> Vec<String> {
        let world = self.place.world();
        let dispatcher = self.process(&Crash::never());
        // The first run after a push pages once through its own echoes; the last one finds nothing.
        self.once(&dispatcher).await;
        world.clock.advance(Duration::from_secs(16 * 60));
        world.wire.take_log();
        let mut broken = Vec::new();
        if !self.once(&dispatcher).await {
            broken.push("law 3: one more run did something".to_owned());
        }
        broken.extend(laws::at_rest(&self.place, &dispatcher).await);
        broken.extend(self.place.broken(&dispatcher).await);
        broken
    }

    async fn rested(&self) {
        if let Some(file) = &self.file {
            file.end_leases().await.unwrap_or_else(|error| panic!("{error}"));
        }
    }

    fn drive<F: Future>(&self, work: F) -> F::Output {
        match &self.file {
            Some(file) => file.runtime.block_on(work),
            None => self.clock().block_on(work),
        }
    }
}

/// Sweeps a provider in all its directions and scenes, in memory; each with several worlds.
pub fn in_memory<P: Place>(seeds: std::ops::Range<u64>) -> Sweep {
    swept_by::<P>(seeds, |seed, direction, scene| crash::sweep(|| Mortal::<P>::in_memory(seed, direction, scene)))
}

/// The same over database files, at one point in `every`.
pub fn in_file<P: Place>(seeds: std::ops::Range<u64>, every: usize) -> Sweep {
    swept_by::<P>(seeds, |seed, direction, scene| {
        // Another place to begin at for each, so that a sample does not meet the same kinds of points each time.
        let first = 1 + seed.wrapping_mul(31).wrapping_add(direction.len() as u64) % every.max(1) as u64;
        crash::sweep_every(|| Mortal::<P>::in_file(seed, direction, scene), first, every)
    })
}

fn swept_by<P: Place>(seeds: std::ops::Range<u64>, mut sweep: impl FnMut(u64, &'static str, Scene) -> Sweep) -> Sweep {
    let mut swept = Sweep::default();
    for direction in P::DIRECTIONS {
        for scene in [Scene::First, Scene::Later] {
            for seed in seeds.clone() {
                let one = sweep(seed, direction, scene);
                if let Some((points, law)) = one.broken.first() {
                    println!(
                        "{} {direction} {scene:?} seed {seed}: {} broken, first at {points:?}: {law}",
                        P::INTEGRATION,
                        one.broken.len()
                    );
                }
                swept.add(one);
            }
        }
    }
    swept
}
