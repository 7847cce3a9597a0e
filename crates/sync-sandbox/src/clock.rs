//! Time as headers and answers spell it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// This much later; the end of time where that is too late.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// The date format of HTTP headers (<https://www.rfc-editor.org/rfc/rfc9110#name-date-time-formats>).
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
