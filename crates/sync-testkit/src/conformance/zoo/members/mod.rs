//! The broken connectors.

mod reading;
mod saying;
mod trouble;
mod writing;

use std::sync::atomic::{AtomicUsize, Ordering};

use sync_core::{Error, ErrorKind, Next, Page, Receipt, Result};

use super::Member;

/// A member for a case.
macro_rules! member {
    ($of:literal, $group:ident :: $case:ident, $how:expr) => {
        Member { group: stringify!($group), case: stringify!($case), of: $of, how: $how }
    };
}
use member;

/// All of them.
pub fn members() -> impl Iterator<Item = &'static Member> {
    [saying::MEMBERS, reading::MEMBERS, writing::MEMBERS, trouble::MEMBERS].into_iter().flatten()
}

/// Cases that no broken connector fails, and why.
pub const UNCAUGHT: &[(&str, &str, &str)] = &[];

/// Another number each time.
fn nth() -> usize {
    static N: AtomicUsize = AtomicUsize::new(0);
    N.fetch_add(1, Ordering::Relaxed)
}

/// Any error of reading, taken for a listing of nothing.
fn nothing_there(page: Result<Page>) -> Result<Page> {
    let nothing = || Page::new(Vec::new(), Next::Done(sync_core::Cursor::from_static("none")), sync_core::Complete::Full);
    Ok(page.unwrap_or_else(|_| nothing()))
}

/// Whatever came back, taken for a success.
fn all_done(receipts: Result<Vec<Receipt>>, n: usize) -> Result<Vec<Receipt>> {
    let done = || Receipt::done("made-up".into());
    Ok(receipts.map_or_else(|_| (0..n).map(|_| done()).collect(), |receipts| receipts.into_iter().map(|_| done()).collect()))
}

/// The error without a word on what it means or what to do.
fn bare(kind: ErrorKind, error: &Error) -> Error {
    Error::new(kind, error.message().to_owned())
        .with_retry(error.retry())
        .with_effect(error.effect())
        .with_owner(error.owner())
}
