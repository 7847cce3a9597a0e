//! Every point in turn.

use std::{collections::BTreeMap, fmt, time::Duration};

use async_trait::async_trait;

use super::Crash;
use crate::{SeededRandom, SimClock};

/// One world in which a process can die: the store, the host and the provider outlive it, all else is made anew by each
/// call of [`World::work`].
#[async_trait]
pub trait World: Send + Sync {
    /// The world's time.
    fn clock(&self) -> SimClock;

    /// The points of this world's processes.
    fn crash(&self) -> Crash;

    /// What a process does from its start: everything that is to be brought about. True when nothing was left to do.
    async fn work(&self) -> bool;

    /// The laws, when everything has settled: what is wrong, one line each.
    async fn broken_laws(&self) -> Vec<String>;

    /// What goes by another clock than the world's, such as leases by a database's, is over: called when time has passed.
    async fn rested(&self) {}

    /// Carries out what processes do. A world that waits for more than its clock has a runtime of its own.
    fn drive<F: Future>(&self, work: F) -> F::Output
    where
        Self: Sized,
    {
        self.clock().block_on(work)
    }
}

/// What a sweep saw.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Sweep {
    /// How many times a process died.
    pub n_crashes: u64,
    /// How often it died where.
    pub by_name: BTreeMap<String, u64>,
    /// What was broken: the points at which processes died, and how the laws were broken then.
    pub broken: Vec<(Vec<u64>, String)>,
}

impl Sweep {
    /// Adds what another sweep saw.
    pub fn add(&mut self, other: Self) {
        self.n_crashes += other.n_crashes;
        for (name, n) in other.by_name {
            *self.by_name.entry(name).or_default() += n;
        }
        self.broken.extend(other.broken);
    }

    /// Panics unless processes died and every law held.
    ///
    /// # Panics
    /// With the first broken laws and the points to repeat them with.
    pub fn assert_held(&self) {
        assert!(self.n_crashes > 0, "no process ever died");
        assert!(self.broken.is_empty(), "{self}");
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} crashes at {} kinds of points", self.n_crashes, self.by_name.len())?;
        writeln!(f, "{} broken", self.broken.len())?;
        for (points, law) in self.broken.iter().take(20) {
            writeln!(f, "  killed at {points:?}: {law}")?;
        }
        Ok(())
    }
}

/// Longer than any lease, call and settling time together: what comes after it finds everything at rest.
const REST: Duration = Duration::from_secs(15 * 60);

/// How often a process is started again before the world must have come to rest.
const MAX_RESTARTS: usize = 6;

/// Kills a process at each point of its work, once; starts it again until it ends by itself, and checks the laws.
pub fn sweep<W: World>(make: impl Fn() -> W) -> Sweep {
    sweep_every(make, 1, 1)
}

/// The same at one point in `every`, from `first` on: a sample, for worlds that are slow to make.
pub fn sweep_every<W: World>(make: impl Fn() -> W, first: u64, every: usize) -> Sweep {
    let mut swept = Sweep::default();
    for point in (first..).step_by(every.max(1)) {
        if !one(&make(), &[point], &mut swept) {
            break;
        }
    }
    swept
}

/// Kills a process at a point, and the one that follows it at another, `n_pairs` times, by seed.
pub fn sweep_twice<W: World>(make: impl Fn() -> W, n_pairs: u64, seed: u64) -> Sweep {
    let random = SeededRandom::new(seed);
    let mut swept = Sweep::default();
    let n_points = {
        let world = make();
        world.crash().restart(None);
        world.drive(world.work());
        world.crash().n_passed()
    };
    for _ in 0..n_pairs {
        let points = [1 + random.below(n_points), 1 + random.below(n_points)];
        one(&make(), &points, &mut swept);
    }
    swept
}

/// False when the first process did not die.
fn one<W: World>(world: &W, points: &[u64], swept: &mut Sweep) -> bool {
    let (clock, crash) = (world.clock(), world.crash());
    for (i, point) in points.iter().enumerate() {
        crash.restart(Some(*point));
        world.drive(crash.run(world.work()));
        match crash.struck() {
            Some(name) => {
                swept.n_crashes += 1;
                *swept.by_name.entry(name).or_default() += 1;
            }
            None if i == 0 => return false,
            None => {}
        }
        clock.advance(REST);
        world.drive(world.rested());
    }
    for _ in 0..MAX_RESTARTS {
        crash.restart(None);
        let is_at_rest = world.drive(world.work());
        clock.advance(REST);
        if is_at_rest {
            break;
        }
    }
    let broken = world.drive(world.broken_laws());
    swept.broken.extend(broken.into_iter().map(|law| (points.to_vec(), law)));
    true
}
