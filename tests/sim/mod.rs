//! Random histories: people on both sides, processes that are killed and frozen, a wire that loses and garbles, and
//! afterwards the laws.
//!
//! A history is drawn from a seed ([`steps::draw`]) and played against one provider's [`Place`]. It runs in one thread
//! under virtual time, so the same seed is the same history. What should be at rest is told by a model of its own
//! ([`lineage`]) that knows what people wrote and saw, and nothing of the engine.

pub mod calendar;
pub mod creates;
mod game;
pub mod laws;
pub mod ledger;
pub mod lineage;
pub mod newsletter;
pub mod steps;
pub mod sweep;
pub mod world;

use std::{fmt, panic::AssertUnwindSafe, time::Duration};

use sync_core::{Stop, SyncRequest};
use sync_dispatch::{Dispatcher, RunOptions};
use sync_testkit::{
    SeededRandom,
    crash::{Crash, Process, Strike, side_by_side},
};

pub use self::game::sync;
use self::{
    game::Game,
    steps::{Job, Run, Step, Worker, index},
    world::{Place, Start, World, lock},
};

/// What was played, for the record: a simulation in which nothing happens proves nothing.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Histories.
    pub histories: u64,
    /// Runs of the engine, those of the end among them.
    pub runs: u64,
    /// Things that people did.
    pub edits: u64,
    /// Calls on the wire.
    pub calls: u64,
    /// Processes that were killed.
    pub kills: u64,
    /// Processes that were frozen.
    pub freezes: u64,
    /// Answers that people gave.
    pub answers: u64,
    /// Calls that a fault met.
    pub faults: u64,
    /// Records that were not judged, since they stand as a question or a failure.
    pub excused: u64,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.runs += other.runs;
        self.edits += other.edits;
        self.calls += other.calls;
        self.kills += other.kills;
        self.freezes += other.freezes;
        self.answers += other.answers;
        self.faults += other.faults;
        self.excused += other.excused;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} histories: {} runs, {} edits, {} answers, {} calls, {} faults, {} kills, {} freezes; {} records not judged",
            self.histories,
            self.runs,
            self.edits,
            self.answers,
            self.calls,
            self.faults,
            self.kills,
            self.freezes,
            self.excused
        )
    }
}

/// How a history ended.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// What was wrong at rest, a line each.
    pub broken: Vec<String>,
    /// What was played.
    pub tally: Tally,
    /// What happened, where it was asked for.
    pub diary: Vec<String>,
}

/// A history that broke a law, as short as it could be made.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The integration.
    pub integration: &'static str,
    /// How the whole history broke laws.
    pub broken: Vec<String>,
    /// The shortened history.
    pub steps: Vec<Step>,
    /// How that one does.
    pub shrunken: Played,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} of {} breaks laws:", self.seed, self.integration)?;
        self.broken.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(f, "the shortest history that was found:")?;
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step}"))?;
        self.shrunken.broken.iter().try_for_each(|line| writeln!(f, "  => {line}"))?;
        self.shrunken.diary.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// Plays the history of a seed.
///
/// # Errors
/// When it breaks a law: the history, made shorter.
pub fn check<P: Place>(seed: u64) -> Result<Tally, Box<Failure>> {
    let steps = steps::draw(seed);
    let played = play::<P>(seed, &steps, false);
    if played.broken.is_empty() {
        return Ok(played.tally);
    }
    let steps = shrink::<P>(seed, steps, &played.broken);
    let shrunken = play::<P>(seed, &steps, true);
    Err(Box::new(Failure { seed, integration: P::INTEGRATION, broken: played.broken, steps, shrunken }))
}

/// A provider that histories can be played with.
#[derive(Debug, Clone, Copy)]
pub struct Player {
    /// The integration.
    pub integration: &'static str,
    /// Plays the history of a seed.
    pub check: fn(u64) -> Result<Tally, Box<Failure>>,
    /// Sweeps over all its crash points, with worlds of these seeds.
    pub sweep: fn(std::ops::Range<u64>) -> sync_testkit::crash::Sweep,
    /// The same over database files, at one point in so many.
    pub sweep_files: fn(std::ops::Range<u64>, usize) -> sync_testkit::crash::Sweep,
}

const fn player<P: Place>() -> Player {
    Player { integration: P::INTEGRATION, check: check::<P>, sweep: sweep::in_memory::<P>, sweep_files: sweep::in_file::<P> }
}

/// All of them.
pub const PLAYERS: &[Player] =
    &[player::<calendar::Calendar>(), player::<newsletter::Newsletter>(), player::<ledger::Ledger>()];

/// Plays so many seeds, on several threads; the first failures, at most `most`. Each is told as soon as it is found.
pub fn play_all(
    player: Player,
    seeds: std::ops::Range<u64>,
    n_threads: u64,
    most: usize,
    tell: impl Fn(&Failure) + Sync,
) -> (Tally, Vec<Failure>) {
    use std::sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    };
    let next = AtomicU64::new(seeds.start);
    let ended = Mutex::new((Tally::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..n_threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || lock(&ended).1.len() >= most {
                        return;
                    }
                    match (player.check)(seed) {
                        Ok(tally) => lock(&ended).0.add(tally),
                        Err(failure) => {
                            tell(&failure);
                            lock(&ended).1.push(*failure);
                        }
                    }
                }
            });
        }
    });
    let (tally, mut failures) = ended.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    failures.sort_by_key(|failure| failure.seed);
    (tally, failures)
}

/// How a line begins: what is wrong, without of whom and how often.
fn law(line: &str) -> String {
    let words = line.split(' ').filter(|word| !word.contains(|c: char| c.is_ascii_digit() || c == '"' || c == '@'));
    line.split(' ').take(2).chain(words.skip(1).take(6)).collect::<Vec<_>>().join(" ")
}

/// Makes a history shorter while it breaks one of the same laws.
fn shrink<P: Place>(seed: u64, mut steps: Vec<Step>, broken: &[String]) -> Vec<Step> {
    /// Most tries, so that a failure is told within seconds.
    const MAX_TRIES: usize = 400;
    let breaks = |steps: &[Step]| {
        let played = play::<P>(seed, steps, false);
        played.broken.iter().any(|line| broken.iter().any(|known| law(known) == law(line)))
    };
    let mut n_tries = 0;
    'again: while n_tries < MAX_TRIES {
        for form in steps::simpler(&steps) {
            n_tries += 1;
            if breaks(&form) {
                steps = form;
                continue 'again;
            }
            if n_tries >= MAX_TRIES {
                break;
            }
        }
        break;
    }
    steps
}

/// Plays a history.
pub fn play<P: Place>(seed: u64, steps: &[Step], with_diary: bool) -> Played {
    let played = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let place = P::start(&Start::of(seed));
        if with_diary {
            place.world().keep_diary();
        }
        let mut player = Game { place: &place, seed, n_processes: 0, tally: Tally::default(), broken: Vec::new() };
        place.world().clock.clone().block_on(player.play(steps));
        let Game { mut tally, broken, .. } = player;
        tally.histories = 1;
        tally.calls = place.world().sandbox.log(false)["calls"].as_u64().unwrap_or(0);
        tally.faults = n_faults(place.world());
        tally.excused = place.excused();
        Played { broken, tally, diary: place.world().diary() }
    }));
    played.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|&words| words.to_owned())).unwrap_or_default();
        Played { broken: vec![format!("panic: {words}")], ..Played::default() }
    })
}

fn n_faults(world: &World) -> u64 {
    let log = world.sandbox.log(false);
    let operations = log["by_operation"].as_object();
    let faults = operations.into_iter().flat_map(|all| all.values()).filter_map(|tally| tally["faults"].as_object());
    faults.flat_map(|faults| faults.values()).filter_map(serde_json::Value::as_u64).sum()
}

/// What a place keeps for its model, behind one lock.
pub(crate) fn with<T, R>(model: &std::sync::Mutex<T>, f: impl FnOnce(&mut T) -> R) -> R {
    f(&mut lock(model))
}
