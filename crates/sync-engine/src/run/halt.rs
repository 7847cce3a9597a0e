//! Why a run ends early.

use std::time::Duration;

use jiff::Timestamp;
use sync_core::{Error, ErrorKind, Retry, Stop};

/// Why a run ends early.
#[derive(Debug)]
pub(crate) struct Halt {
    pub(crate) stop: Stop,
    pub(crate) error: Error,
    pub(crate) resume_at: Option<Timestamp>,
}

/// When to come back after a fault without a time of its own.
const RESUME_AFTER: Duration = Duration::from_secs(5 * 60);

impl Halt {
    /// A stop of this kind.
    pub(crate) fn new(stop: Stop, error: Error) -> Self {
        Self { stop, error, resume_at: None }
    }

    /// The stop that an error means.
    pub(crate) fn of(error: Error, now: Timestamp) -> Self {
        use ErrorKind as K;
        let stop = match error.kind() {
            K::RateLimited | K::QuotaExhausted | K::Unavailable | K::Timeout | K::LeaseLost | K::BadAnswer => Stop::Later,
            K::NotConnected | K::AuthRevoked => Stop::Reconnect,
            K::Config | K::Forbidden | K::NotFound | K::WrongKey => Stop::Settings,
            K::Cancelled => Stop::Cancelled,
            K::LeaseHeld => Stop::LeaseHeld,
            K::ApprovalNeeded => Stop::Approval,
            _ => Stop::Fault,
        };
        let resume_at = (stop == Stop::Later).then(|| {
            let delay = match error.retry() {
                Retry::After(delay) => delay,
                Retry::Backoff | Retry::Never => RESUME_AFTER,
            };
            now.saturating_add(delay).unwrap_or(now)
        });
        Self { stop, error, resume_at }
    }
}

/// The line of a stop in the result: what happened, the provider's words, what to do, when it goes on.
pub(crate) fn line(halt: &Halt) -> String {
    let mut line = halt.error.message().to_owned();
    if let Some(words) = halt.error.provider_message() {
        line.push_str(&format!(": \"{words}\""));
    }
    if let Some(remedy) = halt.error.remedy() {
        line.push_str(". ");
        line.push_str(remedy);
    }
    if let Some(at) = halt.resume_at {
        let end = if line.ends_with(['.', '!', '?']) { "" } else { "." };
        line.push_str(&format!("{end} Goes on after {}.", at.round(jiff::Unit::Second).unwrap_or(at)));
    }
    line
}
