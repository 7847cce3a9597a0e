//! The system's time and randomness: the only place that names the runtime's timer.

use sync_core::{SystemClock, SystemRandom};

/// The system's clock, waiting with tokio's timer.
pub fn system_clock() -> SystemClock {
    SystemClock::new(|duration| Box::pin(tokio::time::sleep(duration)))
}

/// The operating system's randomness.
///
/// Filling panics where the operating system has none to give: ids and states that can be guessed are worse.
pub fn system_random() -> SystemRandom {
    SystemRandom::new(|buffer| {
        let filled = getrandom::fill(buffer);
        assert!(filled.is_ok(), "the operating system gives no randomness");
    })
}

#[cfg(test)]
mod tests {
    use sync_core::Random as _;

    use super::*;

    #[test]
    fn two_ids_differ() {
        assert_ne!(system_random().id(), system_random().id());
    }
}
