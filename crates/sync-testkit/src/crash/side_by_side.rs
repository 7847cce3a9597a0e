//! Several processes at once.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use sync_core::Clock;

use super::Crash;
use crate::{SeededRandom, SimClock};

/// What runs beside others, until it ends or dies.
pub struct Process<'a> {
    crash: Crash,
    /// `None` once it ended or died.
    work: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    asleep: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl fmt::Debug for Process<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("crash", &self.crash).finish_non_exhaustive()
    }
}

impl<'a> Process<'a> {
    /// This work, which passes these points.
    pub fn new(crash: Crash, work: impl Future<Output = ()> + Send + 'a) -> Self {
        Self { crash, work: Some(Box::pin(work)), asleep: None }
    }

    /// A turn of it; false once there is nothing left of it.
    fn turn(&mut self, clock: &SimClock, cx: &mut Context<'_>) -> bool {
        if let Some(asleep) = &mut self.asleep {
            if asleep.as_mut().poll(cx).is_pending() {
                return true;
            }
            self.asleep = None;
        }
        let Some(work) = &mut self.work else { return false };
        if work.as_mut().poll(cx).is_ready() || self.crash.struck().is_some() {
            // Dropped where it stands.
            self.work = None;
            return false;
        }
        if let Some(time) = self.crash.take_freeze() {
            self.asleep = Some(clock.sleep(time));
            cx.waker().wake_by_ref();
        }
        true
    }
}

/// Runs processes side by side until all have ended or died. In which order they take their turns goes by the seed.
pub async fn side_by_side(clock: &SimClock, seed: u64, mut processes: Vec<Process<'_>>) {
    let random = SeededRandom::new(seed);
    poll_fn(|cx| {
        let n = processes.len();
        let first = usize::try_from(random.below(n as u64)).unwrap_or(0);
        let mut is_alive = false;
        for idx in 0..n {
            if let Some(process) = processes.get_mut((first + idx) % n.max(1)) {
                is_alive |= process.turn(clock, cx);
            }
        }
        if is_alive { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, PoisonError},
        time::Duration,
    };

    use super::*;
    use crate::crash::Strike;

    fn order(strikes: &[(u64, Strike)], seed: u64) -> (Vec<&'static str>, i64) {
        let (clock, said) = (SimClock::new(), Mutex::new(Vec::new()));
        let began = clock.now();
        let say = |word| said.lock().unwrap_or_else(PoisonError::into_inner).push(word);
        let (one, two) = (Crash::struck_by(strikes.iter().copied()).with_turns(seed), Crash::never().with_turns(seed + 1));
        let (first, second) = (one.clone(), two.clone());
        clock.block_on(side_by_side(
            &clock,
            seed,
            vec![
                Process::new(one, async move {
                    first.around("x", async { say("a") }).await;
                    first.around("x", async { say("b") }).await;
                }),
                Process::new(two, async move {
                    second.around("y", async { say("c") }).await;
                    second.around("y", async { say("d") }).await;
                }),
            ],
        ));
        let took = clock.now().duration_since(began).as_secs();
        (said.into_inner().unwrap_or_else(PoisonError::into_inner), took)
    }

    #[test]
    fn processes_take_turns_by_seed() {
        let orders: std::collections::BTreeSet<_> = (0..50).map(|seed| order(&[], seed).0).collect();
        assert!(orders.len() >= 4, "{orders:?}");
        assert_eq!(order(&[], 7), order(&[], 7));
    }

    #[test]
    fn a_frozen_process_goes_on_later_and_a_killed_one_never() {
        let hour = Strike::Freeze(Duration::from_secs(3600));
        let (said, took) = order(&[(2, hour)], 1);
        assert_eq!((said.last(), took), (Some(&"b"), 3600), "{said:?}");
        assert_eq!(order(&[(2, Strike::Die)], 1).0.iter().filter(|word| **word == "b").count(), 0);
    }
}
