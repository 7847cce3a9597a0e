//! Sentences of results.

use sync_core::{Error, Stop, SyncResult};

/// An error as a line of a result: what happened, then what to do. The provider's words stay out.
pub(crate) fn line(error: &Error) -> String {
    match error.remedy() {
        Some(remedy) => format!("{}. {remedy}", error.message().trim_end_matches('.')),
        None => error.message().to_owned(),
    }
}

/// A result that is one refusal.
pub(crate) fn refused(stop: Stop, text: impl Into<String>) -> SyncResult {
    SyncResult::refused(text).stopped(stop)
}

/// `1 item`, `2 items`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests {
    use sync_core::ErrorKind;

    use super::*;

    #[test]
    fn a_line_names_the_fix() {
        let error = Error::new(ErrorKind::Config, "the audience is gone").with_remedy("Choose another.");
        assert_eq!(line(&error), "the audience is gone. Choose another.");
        assert_eq!(line(&Error::new(ErrorKind::Store, "the disk is full")), "the disk is full");
    }
}
