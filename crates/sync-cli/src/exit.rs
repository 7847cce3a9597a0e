//! Exit codes: what a script can do next.

use std::process::ExitCode;

use sync_core::{Error, ErrorKind, Retry, Stop, SyncResult};

/// What the program's exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done; after a sync, everything that could go went.
    Done,
    /// 1: some items failed; the others went. Of an audit: something differs.
    ItemsFailed,
    /// 2: wrong use or configuration, or a fault that waiting does not cure.
    Usage,
    /// 3: a connection needs a person: connect, choose again, or correct its settings.
    NeedsPerson,
    /// 4: try again later; the time is printed where it is known.
    Later,
    /// 5: stopped for approval; nothing was written.
    Approval,
}

/// The codes, for `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done; after a sync, everything that could go went
  1  some items failed; the others went
  2  wrong use or configuration, or a fault that waiting does not cure
  3  a connection needs a person: connect it, choose again, or correct its settings
  4  try again later; the time is printed where it is known
  5  stopped for approval; nothing was written";

/// The codes of an audit, for `--help`.
pub(crate) const AUDIT_EXIT_CODES: &str = "\
Exit codes:
  0  nothing differs
  1  something differs
  2  wrong use or configuration, or a fault that waiting does not cure
  3  a connection needs a person: connect it, choose again, or correct its settings
  4  try again later; the time is printed where it is known";

impl Exit {
    /// The code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::ItemsFailed => 1,
            Self::Usage => 2,
            Self::NeedsPerson => 3,
            Self::Later => 4,
            Self::Approval => 5,
        }
    }

    /// The code of an error.
    pub(crate) fn of_error(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::NotConnected | ErrorKind::AuthRevoked | ErrorKind::Forbidden => Self::NeedsPerson,
            ErrorKind::ApprovalNeeded => Self::Approval,
            ErrorKind::Cancelled => Self::Later,
            _ if error.retry() != Retry::Never => Self::Later,
            _ => Self::Usage,
        }
    }

    /// The code of a sync.
    pub(crate) fn of_result(result: &SyncResult) -> Self {
        match result.details.as_ref().and_then(|details| details.stopped) {
            Some(Stop::Request | Stop::Fault) => Self::Usage,
            Some(Stop::Reconnect | Stop::Settings) => Self::NeedsPerson,
            Some(Stop::Approval | Stop::Breaker) => Self::Approval,
            Some(Stop::LeaseHeld | Stop::Later | Stop::Cancelled) => Self::Later,
            _ if result.success => Self::Done,
            _ => Self::ItemsFailed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_to_stop_has_its_code() {
        let of = |stop| Exit::of_result(&SyncResult::refused("x").stopped(stop)).code();
        assert_eq!([Stop::Request, Stop::Fault].map(of), [2, 2]);
        assert_eq!([Stop::Reconnect, Stop::Settings].map(of), [3, 3]);
        assert_eq!([Stop::LeaseHeld, Stop::Later, Stop::Cancelled].map(of), [4, 4, 4]);
        assert_eq!([Stop::Approval, Stop::Breaker].map(of), [5, 5]);
        assert_eq!(Exit::of_result(&SyncResult::refused("x")).code(), 1);
        assert_eq!(Exit::of_result(&SyncResult::nothing("x")).code(), 0);
    }

    #[test]
    fn errors_that_pass_say_later_and_wrong_use_says_so() {
        let of = |kind| Exit::of_error(&Error::new(kind, "x")).code();
        assert_eq!([ErrorKind::Store, ErrorKind::LeaseHeld, ErrorKind::Unavailable].map(of), [4, 4, 4]);
        assert_eq!([ErrorKind::Config, ErrorKind::NotFound, ErrorKind::WrongKey, ErrorKind::Corrupt].map(of), [2, 2, 2, 2]);
        assert_eq!([ErrorKind::NotConnected, ErrorKind::AuthRevoked].map(of), [3, 3]);
        let full = Error::new(ErrorKind::Store, "the disk is full").with_retry(Retry::Never);
        assert_eq!(Exit::of_error(&full).code(), 2);
    }

    #[test]
    fn the_help_names_every_code() {
        for exit in [Exit::Done, Exit::ItemsFailed, Exit::Usage, Exit::NeedsPerson, Exit::Later, Exit::Approval] {
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", exit.code())));
        }
    }
}
