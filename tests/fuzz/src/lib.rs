//! What the targets share: a provider's handler over answers that come from the fuzzer, and what must hold whatever they are.

mod ask;
#[cfg(feature = "host")]
mod entry;
mod places;
mod script;

pub use ask::{answers, position};
#[cfg(feature = "host")]
pub use entry::Entry;
pub use places::{Place, google_calendar, mailchimp, xero};
pub use script::Script;

use sync_core::Error;

/// A word that stands in answers of the corpus where record content does: no error says it.
pub const CANARY: &str = "zq9canary";

/// What holds of errors about a file: they may name what stands in it, for the person whose file it is.
///
/// # Panics
/// When it does not.
pub fn sound_file(error: &Error) {
    assert!(error.remedy().is_some(), "an error about a file says what to do: {error}");
}

/// What holds of every error, whatever the answer was: one line, and no content in what goes to logs.
///
/// # Panics
/// When it does not.
pub fn sound(error: &Error) {
    let (line, debug) = (error.to_string(), format!("{error:?}"));
    assert!(!line.chars().any(char::is_control), "an error is one line: {line:?}");
    assert!(line.len() < 2_000, "an error is short: {line:?}");
    // A code is the provider's own word, and short: what the fuzzer puts there is no content.
    let says = |text: &str| text.replace(error.provider_code().unwrap_or_default(), "").contains(CANARY);
    assert!(!says(&line) && !says(&debug), "an error repeats content: {debug}");
}
