//! Virtual time.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use sync_core::Clock;

/// A clock that stands still until somebody moves it. Its clones share the time.
///
/// There are two ways to get past a sleep:
///
/// - [`SimClock::block_on`] runs a future on the caller's thread; whenever nothing can go on, time jumps to the next
///   moment that anybody waits for. For everything that is in memory: engine, sandbox in process, `MemoryStore`.
/// - A clock made with [`SimClock::skipping`] jumps by itself as soon as a sleep is waited for. For tests on a runtime,
///   beside sockets and databases, where nobody can know whether the others wait too.
///
/// ```
/// use std::time::Duration;
/// use sync_core::Clock;
/// use sync_testkit::SimClock;
///
/// let clock = SimClock::new();
/// let began = clock.now();
/// clock.block_on(clock.sleep(Duration::from_secs(3600)));
/// assert_eq!(clock.now().duration_since(began).as_secs(), 3600);
/// ```
#[derive(Clone)]
pub struct SimClock(Arc<Mutex<Times>>);

struct Times {
    now: Timestamp,
    skipping: bool,
    last_id: u64,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
}

/// 2026-03-01T12:00:00Z: far from every turn of a day or year.
const START_SECOND: i64 = 1_772_366_400;

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimClock").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl SimClock {
    /// A clock at 2026-03-01T12:00:00Z.
    pub fn new() -> Self {
        Self::with(false)
    }

    /// A clock at the same time, whose sleeps end at once and move it on.
    pub fn skipping() -> Self {
        Self::with(true)
    }

    fn with(skipping: bool) -> Self {
        let now = Timestamp::from_second(START_SECOND).unwrap_or(Timestamp::UNIX_EPOCH);
        Self(Arc::new(Mutex::new(Times { now, skipping, last_id: 0, sleepers: BTreeMap::new() })))
    }

    /// Moves time on.
    pub fn advance(&self, by: Duration) {
        let mut times = self.times();
        times.now = later(times.now, by);
        times.wake();
    }

    /// Runs a future to its end; whenever it can't go on, time jumps to the next moment that is waited for.
    ///
    /// # Panics
    /// When the future waits for something that is not time: nothing would ever wake it.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        struct Flag(AtomicBool);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Release);
            }
        }
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            while flag.0.swap(false, Ordering::AcqRel) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                    return output;
                }
            }
            let mut times = self.times();
            let next = times.sleepers.keys().next().map(|(until, _)| *until);
            let Some(next) = next else { panic!("the future waits for something that nobody does") };
            times.now = times.now.max(next);
            times.wake();
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn wake(&mut self) {
        while let Some(first) = self.sleepers.first_entry()
            && first.key().0 <= self.now
        {
            first.remove().wake();
        }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.times().now
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut times = self.times();
        times.last_id += 1;
        let (until, id) = (later(times.now, duration), times.last_id);
        Box::pin(Sleep { clock: self.clone(), until, id, polled: false })
    }
}

struct Sleep {
    clock: SimClock,
    until: Timestamp,
    id: u64,
    polled: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (until, id, polled) = (self.until, self.id, self.polled);
        self.polled = true;
        let mut times = self.clock.times();
        if times.now >= until {
            return Poll::Ready(());
        }
        if times.skipping && polled {
            times.now = until;
            times.wake();
            return Poll::Ready(());
        }
        if times.skipping {
            // Whatever else is ready goes first.
            cx.waker().wake_by_ref();
        }
        times.sleepers.insert((until, id), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let key = (self.until, self.id);
        self.clock.times().sleepers.remove(&key);
    }
}

/// This much later; the end of time where that is too late.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};

    use super::*;

    #[test]
    fn sleeps_end_in_the_order_of_their_times() {
        let clock = SimClock::new();
        let began = clock.now();
        let order: Vec<u64> = clock.block_on(async {
            let all: FuturesUnordered<_> =
                [30, 10, 20].into_iter().map(|s| clock.sleep(Duration::from_secs(s)).map(move |()| s)).collect();
            all.collect().await
        });
        assert_eq!(order, [10, 20, 30]);
        assert_eq!(clock.now().duration_since(began).as_secs(), 30);
    }

    #[test]
    fn a_sleep_that_nobody_waits_for_does_not_hold_time_back() {
        let clock = SimClock::new();
        let began = clock.now();
        clock.block_on(async {
            let mut short = clock.sleep(Duration::from_secs(1)).fuse();
            let mut long = clock.sleep(Duration::from_secs(100)).fuse();
            futures_util::select_biased! { () = long => panic!("too soon"), () = short => {} }
        });
        assert_eq!(clock.now().duration_since(began).as_secs(), 1);
        assert!(clock.times().sleepers.is_empty());
    }

    #[test]
    fn a_skipping_clock_prefers_what_is_ready() {
        let clock = SimClock::skipping();
        let began = clock.now();
        let left = futures_util::future::select(std::future::ready(()), clock.sleep(Duration::from_secs(9)));
        drop(left.now_or_never());
        assert_eq!(clock.now(), began);
        SimClock::new().block_on(clock.sleep(Duration::from_secs(9)));
        assert_eq!(clock.now().duration_since(began).as_secs(), 9);
    }
}
