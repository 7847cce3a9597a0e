//! Numbered crash points: the process dies before or after each call that changes anything.
//!
//! [`CrashStore`], [`CrashTransport`] and [`CrashSink`] stand between the engine and the world. Before and after each of
//! their calls lies a point; points are numbered in the order in which a run comes by. At the chosen one the run is
//! dropped where it stands, as if the process had been killed: what the store holds and what the provider did stay,
//! everything in memory is gone. [`sweep`] does this for every point there is.
//!
//! A process can also be frozen at a point, for longer than its lease lasts, and several can run side by side:
//! [`side_by_side`] lets them take turns at their points, by seed.

mod doors;
mod host;
mod side_by_side;
mod sink;
mod store;
mod sweep;
mod transport;

use std::{
    collections::BTreeMap,
    future::{Future, pending, poll_fn},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use crate::SeededRandom;

pub use host::CrashRecords;
pub use side_by_side::{Process, side_by_side};
pub use sink::CrashSink;
pub use store::CrashStore;
pub use sweep::{Sweep, World, sweep, sweep_every, sweep_twice};
pub use transport::CrashTransport;

/// Where the process dies. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Crash(Arc<Mutex<State>>);

/// What happens to a process at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// It is killed.
    Die,
    /// Nothing of it goes on for so long, as when its machine is suspended. Only where it runs by [`side_by_side`].
    Freeze(Duration),
}

#[derive(Debug, Default)]
struct State {
    strikes: BTreeMap<u64, Strike>,
    passed: u64,
    struck: Option<String>,
    /// A freeze that nobody saw to yet.
    frozen: Option<Duration>,
    /// By what it lets others go first at its points.
    turns: Option<SeededRandom>,
    by_name: BTreeMap<String, u64>,
}

impl Crash {
    /// The process lives; points are counted.
    pub fn never() -> Self {
        Self::default()
    }

    /// The process dies at this point, counted from 1.
    pub fn at(point: u64) -> Self {
        Self::struck_by([(point, Strike::Die)])
    }

    /// This happens to the process at these points, counted from 1.
    pub fn struck_by(strikes: impl IntoIterator<Item = (u64, Strike)>) -> Self {
        let crash = Self::default();
        crash.state().strikes.extend(strikes);
        crash
    }

    /// The process lets others go first at its points, by this seed.
    #[must_use]
    pub fn with_turns(self, seed: u64) -> Self {
        self.state().turns = Some(SeededRandom::new(seed));
        self
    }

    /// A new process: points are counted from the start, and it dies at this one, or never.
    pub fn restart(&self, at: Option<u64>) {
        let strikes = at.map(|point| (point, Strike::Die)).into_iter().collect();
        *self.state() = State { strikes, ..State::default() };
    }

    /// How many points were passed.
    pub fn n_passed(&self) -> u64 {
        self.state().passed
    }

    /// How often each kind of point was passed.
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        self.state().by_name.clone()
    }

    /// The point at which the process died, such as `store.commit:after`; `None` while it lives.
    pub fn struck(&self) -> Option<String> {
        self.state().struck.clone()
    }

    /// Runs what a process does. `None` when it died; the future is then dropped where it stands.
    pub async fn run<F: Future>(&self, process: F) -> Option<F::Output> {
        let mut process = std::pin::pin!(process);
        // Points are passed while the process is polled, and nowhere else.
        poll_fn(|cx| match process.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.struck().is_some() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// A point. Returns if the process lives on, and never otherwise.
    pub(crate) async fn point(&self, name: &'static str, side: &'static str) {
        let dies = {
            let mut state = self.state();
            state.passed += 1;
            *state.by_name.entry(format!("{name}:{side}")).or_default() += 1;
            let strike = state.strikes.get(&state.passed).copied();
            if let Some(Strike::Freeze(time)) = strike {
                state.frozen = Some(time);
            }
            let dies = state.struck.is_some() || strike == Some(Strike::Die);
            if dies && state.struck.is_none() {
                state.struck = Some(format!("{name}:{side}"));
            }
            dies
        };
        if dies {
            pending::<()>().await;
        }
        self.turn().await;
    }

    /// Lets others go first, a few times; a frozen process goes no further before it was seen to.
    pub(crate) async fn turn(&self) {
        /// Most turns that are left to others in a row.
        const MAX_TURNS: u64 = 4;
        let mut left = {
            let state = self.state();
            let least = u64::from(state.frozen.is_some());
            state.turns.as_ref().map_or(0, |turns| turns.below(MAX_TURNS)).max(least)
        };
        poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// For how long it is frozen from now on; once for each freeze.
    pub(crate) fn take_freeze(&self) -> Option<Duration> {
        self.state().frozen.take()
    }

    /// A call between two points.
    pub(crate) async fn around<F: Future>(&self, name: &'static str, call: F) -> F::Output {
        self.point(name, "before").await;
        let output = call.await;
        self.point(name, "after").await;
        output
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_process_dies_at_its_point_and_nothing_after_it_happens() {
        for (at, expected) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)] {
            let crash = Crash::at(at);
            let mut done = 0;
            let ended = crash
                .run(async {
                    crash.around("x", async { done += 1 }).await;
                    crash.around("x", async { done += 1 }).await;
                })
                .now_or_never()
                .expect("it ends");
            assert_eq!((done, ended.is_some()), (expected, at == 5), "{at}");
            assert_eq!(crash.struck().is_some(), at < 5);
        }
    }

    #[test]
    fn points_have_names_and_a_restart_counts_anew() {
        let crash = Crash::at(2);
        assert!(crash.run(crash.around("x", async {})).now_or_never().expect("it ends").is_none());
        assert_eq!(crash.struck().as_deref(), Some("x:after"));
        crash.restart(None);
        assert!(crash.run(crash.around("y", async {})).now_or_never().expect("it ends").is_some());
        assert_eq!(crash.by_name(), [("y:after".to_owned(), 1), ("y:before".to_owned(), 1)].into());
    }
}
