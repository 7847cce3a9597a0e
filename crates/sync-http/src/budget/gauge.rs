//! One limit among those who share it: what is taken, and when it comes back.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

use crate::time::later;

/// How a call ended, as far as limits care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nothing was sent.
    Unsent,
    /// It was answered.
    Answered,
    /// We gave up on it: the provider may still be at it for this long.
    MayRun(Duration),
}

/// What is taken of one limit.
#[derive(Debug)]
pub(crate) enum Gauge {
    /// Calls under way at once.
    Slots {
        /// Under way.
        taken: u32,
        /// Given up on; free again then.
        settling: Vec<Timestamp>,
    },
    /// Cost in a sliding window. What a call cost is given back one span after its *answer*: the provider counted it
    /// somewhere between its first byte and then, so no window of the provider's ever holds more than the limit.
    Window {
        /// The window's length.
        span: Duration,
        /// Cost of calls under way.
        flying: u32,
        /// Cost of answered calls, and when each leaves the window; in order.
        past: VecDeque<(Timestamp, u32)>,
    },
}

impl Gauge {
    pub(crate) fn slots() -> Self {
        Self::Slots { taken: 0, settling: Vec::new() }
    }

    pub(crate) fn window(span: Duration) -> Self {
        Self::Window { span, flying: 0, past: VecDeque::new() }
    }

    /// Forgets what has come back by now.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        match self {
            Self::Slots { settling, .. } => settling.retain(|until| *until > now),
            Self::Window { past, .. } => {
                while past.front().is_some_and(|(until, _)| *until <= now) {
                    past.pop_front();
                }
            }
        }
    }

    /// What is taken.
    pub(crate) fn used(&self) -> u32 {
        match self {
            Self::Slots { taken, settling } => taken.saturating_add(u32::try_from(settling.len()).unwrap_or(u32::MAX)),
            Self::Window { flying, past, .. } => past.iter().fold(*flying, |used, (_, cost)| used.saturating_add(*cost)),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.used() == 0
    }

    /// When there is room for `cost` below `ceiling`, should nothing else happen; `None` when that hangs on calls that
    /// are under way.
    pub(crate) fn room_at(&self, cost: u32, ceiling: u32) -> Option<Timestamp> {
        let mut used = self.used();
        match self {
            Self::Slots { settling, .. } => {
                let mut settling = settling.clone();
                settling.sort_unstable();
                settling.into_iter().find(|_| {
                    used -= 1;
                    used + cost <= ceiling
                })
            }
            Self::Window { past, .. } => past
                .iter()
                .find(|(_, freed)| {
                    used = used.saturating_sub(*freed);
                    used.saturating_add(cost) <= ceiling
                })
                .map(|(until, _)| *until),
        }
    }

    pub(crate) fn take(&mut self, cost: u32) {
        match self {
            Self::Slots { taken, .. } => *taken = taken.saturating_add(cost),
            Self::Window { flying, .. } => *flying = flying.saturating_add(cost),
        }
    }

    pub(crate) fn end(&mut self, cost: u32, ended: Ended, now: Timestamp) {
        match self {
            Self::Slots { taken, settling } => {
                *taken = taken.saturating_sub(cost);
                if let Ended::MayRun(settle) = ended {
                    settling.push(later(now, settle));
                }
            }
            Self::Window { span, flying, past } => {
                *flying = flying.saturating_sub(cost);
                if ended != Ended::Unsent {
                    past.push_back((later(now, *span), cost));
                }
            }
        }
    }

    /// The provider says that this much is used: what others used counts as ours until it has surely left the window.
    pub(crate) fn correct(&mut self, used: u32, now: Timestamp) {
        let ours = self.used();
        if let Self::Window { span, past, .. } = self
            && used > ours
        {
            past.push_back((later(now, *span), used - ours));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_window_counts_from_the_answer() {
        let mut gauge = Gauge::window(Duration::from_secs(60));
        gauge.take(2);
        assert_eq!(gauge.room_at(1, 2), None);
        gauge.end(2, Ended::Answered, at(10));
        assert_eq!(gauge.room_at(1, 2), Some(at(70)));
        gauge.expire(at(69));
        assert_eq!(gauge.used(), 2);
        gauge.expire(at(70));
        assert_eq!(gauge.used(), 0);
    }

    #[test]
    fn a_call_that_may_still_run_keeps_its_slot() {
        let mut gauge = Gauge::slots();
        gauge.take(1);
        gauge.end(1, Ended::MayRun(Duration::from_secs(120)), at(0));
        assert_eq!((gauge.used(), gauge.room_at(1, 1)), (1, Some(at(120))));
    }

    #[test]
    fn what_was_never_sent_costs_nothing() {
        let mut gauge = Gauge::window(Duration::from_secs(1));
        gauge.take(5);
        gauge.end(5, Ended::Unsent, at(0));
        assert!(gauge.is_idle());
    }

    #[test]
    fn a_correction_only_raises() {
        let mut gauge = Gauge::window(Duration::from_secs(60));
        gauge.take(5);
        gauge.correct(3, at(0));
        assert_eq!(gauge.used(), 5);
        gauge.correct(9, at(0));
        assert_eq!(gauge.used(), 9);
    }
}
