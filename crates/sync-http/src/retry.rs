//! Whether and when a call is sent again: pure decisions, and the budget that keeps an outage from being multiplied.

use std::{sync::Mutex, time::Duration};

use http::{HeaderMap, header::RETRY_AFTER};
use jiff::Timestamp;
use sync_core::{
    Effect, Error, Random, Repeat, Retry, TransportFault,
    zoo::{self, Defect},
};

use crate::time::until;

/// How often and how soon a call is sent again, where that is safe at all.
///
/// | what is known | sent again |
/// | --- | --- |
/// | no connection: certainly nothing was sent | every call |
/// | an answer that can be retried and did nothing | every call |
/// | an answer that can be retried, of unknown effect | [`Repeat::Read`] and [`Repeat::Answered`] |
/// | cut off or timed out after bytes may have been sent | [`Repeat::Read`] |
///
/// Pauses grow exponentially with full jitter, unless the provider says when (`Retry-After`, seconds or date).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Most attempts, the first included.
    pub max_attempts: u32,
    /// Ceiling of the first pause; doubles with each.
    pub base: Duration,
    /// Ceiling of any pause that we choose.
    pub cap: Duration,
    /// Longest pause that is slept: a longer one is returned as [`Retry::After`].
    pub longest_pause: Duration,
    /// What the shared budget holds: each retry takes [`Self::RETRY_COST`], each success gives 1 back.
    pub budget: u32,
}

impl RetryPolicy {
    /// What one retry takes from the shared budget. With it an outage is met with at most `budget / RETRY_COST` retries
    /// at once and one for each five successes after that. The figures are smithy-rs's
    /// (<https://github.com/smithy-lang/smithy-rs/blob/main/rust-runtime/aws-smithy-runtime/src/client/retries/token_bucket.rs>).
    pub const RETRY_COST: u32 = 5;

    /// One attempt, whatever happens.
    #[must_use]
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// With another number of attempts.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// With other ceilings of pauses.
    #[must_use]
    pub fn pauses(mut self, base: Duration, cap: Duration) -> Self {
        self.base = base;
        self.cap = cap;
        self
    }

    /// With another shared budget.
    #[must_use]
    pub fn budget(mut self, budget: u32) -> Self {
        self.budget = budget;
        self
    }

    /// The pause before the attempt that follows attempt `attempt` (from 1).
    pub(crate) fn pause(&self, attempt: u32, told: Option<Duration>, random: &dyn Random) -> Duration {
        // Told pauses get jitter on top: all who were told the same moment would come back in it.
        match told {
            Some(told) => told.saturating_add(fraction(random, self.base)),
            None => {
                let doubled = self.base.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
                fraction(random, doubled.min(self.cap))
            }
        }
    }
}

impl Default for RetryPolicy {
    /// Four attempts, pauses of at most 1, 2 and 4 seconds, none longer than a minute slept, 100 retries at once.
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(20),
            longest_pause: Duration::from_secs(60),
            budget: 500,
        }
    }
}

/// A random part of a duration, in milliseconds' steps.
fn fraction(random: &dyn Random, of: Duration) -> Duration {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    let millis = u64::try_from(of.as_millis()).unwrap_or(u64::MAX);
    let part = (u128::from(u64::from_le_bytes(bytes)) * (u128::from(millis) + 1)) >> 64;
    Duration::from_millis(u64::try_from(part).unwrap_or(millis))
}

/// What is known about an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// There is no whole answer.
    Fault(TransportFault),
    /// An answer came, and was classified.
    Answered,
}

/// Whether the same call may go out again.
pub(crate) fn may_repeat(repeat: Repeat, known: Known, error: &Error) -> bool {
    match known {
        Known::Fault(TransportFault::Unreachable) => true,
        Known::Fault(TransportFault::CutOff | TransportFault::TimedOut) => {
            repeat == Repeat::Read || zoo::is(Defect::SendsAgainOnHope)
        }
        Known::Fault(TransportFault::TooLarge) => false,
        Known::Answered => {
            error.retry() != Retry::Never
                && (error.effect() == Effect::None || matches!(repeat, Repeat::Read | Repeat::Answered))
        }
    }
}

/// The delay that an answer asks for: `Retry-After` in seconds or as a date.
pub(crate) fn told(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()?;
    Some(until(now, at))
}

/// Retries that all calls to one provider share.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    left: Mutex<u32>,
    full: u32,
}

impl RetryBudget {
    pub(crate) fn new(full: u32) -> Self {
        Self { left: Mutex::new(full), full }
    }

    /// Takes one retry; false when there is none left.
    pub(crate) fn take(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let rest = left.checked_sub(RetryPolicy::RETRY_COST);
        if let Some(rest) = rest {
            *left = rest;
        }
        rest.is_some()
    }

    /// A call succeeded.
    pub(crate) fn refill(&self) {
        let mut left = self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *left = left.saturating_add(1).min(self.full);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use sync_core::{ErrorKind, SystemRandom};

    use super::*;

    fn error(retry: Retry, effect: Effect) -> Error {
        Error::new(ErrorKind::Unavailable, "x").with_retry(retry).with_effect(effect)
    }

    #[test]
    fn the_table_of_repeats_holds_in_every_cell() {
        use Known::{Answered, Fault};
        use Repeat::{Answered as A, Never as N, Read as R};
        use TransportFault as T;
        let none = error(Retry::Backoff, Effect::None);
        let unknown = error(Retry::Backoff, Effect::Unknown);
        let never = error(Retry::Never, Effect::None);
        let cells = [
            (Fault(T::Unreachable), &none, [(R, true), (A, true), (N, true)]),
            (Fault(T::CutOff), &unknown, [(R, true), (A, false), (N, false)]),
            (Fault(T::TimedOut), &unknown, [(R, true), (A, false), (N, false)]),
            (Fault(T::TooLarge), &unknown, [(R, false), (A, false), (N, false)]),
            (Answered, &none, [(R, true), (A, true), (N, true)]),
            (Answered, &unknown, [(R, true), (A, true), (N, false)]),
            (Answered, &never, [(R, false), (A, false), (N, false)]),
        ];
        for (known, error, row) in cells {
            for (repeat, expected) in row {
                assert_eq!(may_repeat(repeat, known, error), expected, "{known:?} {repeat:?} {error:?}");
            }
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_all_three_forms_of_date() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().unwrap();
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(30)),
            ("Sun Nov  6 08:49:37 1994", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
            ("99999999999999999999999", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
            assert_eq!(told(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn an_outage_empties_the_budget_and_successes_refill_it_slowly() {
        let budget = RetryBudget::new(12);
        assert_eq!((budget.take(), budget.take(), budget.take()), (true, true, false));
        (0..3).for_each(|_| budget.refill());
        assert_eq!((budget.take(), budget.take()), (true, false));
    }

    #[test]
    fn pauses_have_full_jitter_below_a_growing_ceiling() {
        let policy = RetryPolicy::default();
        let lowest = SystemRandom::new(|buffer| buffer.fill(0));
        let highest = SystemRandom::new(|buffer| buffer.fill(0xff));
        for (attempt, ceiling_s) in [(1, 1), (2, 2), (3, 4), (6, 20), (40, 20)] {
            assert_eq!(policy.pause(attempt, None, &lowest), Duration::ZERO);
            assert_eq!(policy.pause(attempt, None, &highest), Duration::from_secs(ceiling_s));
        }
    }

    proptest! {
        #[test]
        fn a_told_pause_is_never_cut_short(seed in any::<[u8; 8]>(), told_s in 0_u64..1_000_000, attempt in 1_u32..64) {
            #[derive(Debug)]
            struct Fixed([u8; 8]);
            impl Random for Fixed {
                fn fill(&self, buffer: &mut [u8]) {
                    buffer.copy_from_slice(&self.0);
                }
            }
            let told = Duration::from_secs(told_s);
            prop_assert!(RetryPolicy::default().pause(attempt, Some(told), &Fixed(seed)) >= told);
        }
    }
}
