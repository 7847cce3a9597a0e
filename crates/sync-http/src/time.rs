//! Small helpers over the `Clock` port.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sync_core::{Cancel, Clock};

/// Longest sleep before a wish to stop is looked at again.
const CANCEL_LOOK: Duration = Duration::from_secs(1);

/// From `now` until `then`; zero when that has passed.
pub(crate) fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// This much later, or the end of time.
pub(crate) fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// Sleeps, and wakes early when somebody wishes to stop; true when the whole time has passed.
pub(crate) async fn sleep(clock: &dyn Clock, cancel: &Cancel, duration: Duration) -> bool {
    let end = later(clock.now(), duration);
    loop {
        if cancel.is_cancelled() {
            return false;
        }
        let left = until(clock.now(), end);
        if left.is_zero() {
            return true;
        }
        clock.sleep(left.min(CANCEL_LOOK)).await;
    }
}
