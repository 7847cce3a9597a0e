//! Connectors that are broken on purpose, made of any sound one: for each case of the suite one that fails it.
//!
//! ```ignore
//! // provider-xero/tests/conformance.rs: every row of the table that names this provider.
//! sync_testkit::conformance::zoo::all_are_caught("xero", || Bench::in_process());
//! ```

mod connector;
mod dressed;
mod members;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use serde_json::Value as Json;
use sync_core::{
    Call, Checked, Choice, Descriptor, Error, Found, From, Inbound, Operation, Page, Part, PartRef, Prepared, Receipt,
    Remote, Result, Rules, Target,
};

pub(super) use self::dressed::Dressed;
pub use self::members::{UNCAUGHT, members};
use super::{Harness, Profile, Verdict};

/// A connector that is broken in one way, and the case that catches it.
#[derive(Debug)]
pub struct Member {
    /// The case's group.
    pub group: &'static str,
    /// The case's name.
    pub case: &'static str,
    /// Of which provider's connector it is made: one that the case does not spare.
    pub of: &'static str,
    /// How it is broken.
    pub(super) how: How,
}

/// Where a connector is broken, and what it does there.
#[derive(Debug)]
pub(super) enum How {
    /// What it says of itself.
    Descriptor(fn(&mut Descriptor)),
    /// What it says of its settings.
    Schema(fn(&mut Json)),
    /// The settings as it reads them.
    Settings(fn(&mut Json)),
    Rules(fn(&mut Rules)),
    Target(fn(&mut Target)),
    Check(fn(Result<Checked>) -> Result<Checked>),
    Choices(fn(Result<Vec<Choice>>) -> Result<Vec<Choice>>),
    Page(fn(From<'_>, Result<Page>) -> Result<Page>),
    /// What it shows of a record in feeds.
    Shown(fn(&mut Remote)),
    Find(fn(Result<Vec<Found>>) -> Result<Vec<Found>>),
    /// The operation as it understands it.
    Operation(fn(&mut Operation)),
    Part(fn(&Operation, &mut Part)),
    Prepared(fn(&Operation, Result<Prepared>) -> Result<Prepared>),
    /// What it makes of one answer.
    Receipt(fn(&PartRef<'_>, Receipt) -> Receipt),
    /// What it makes of all of them; the second is how many there are to be.
    Receipts(fn(Result<Vec<Receipt>>, usize) -> Result<Vec<Receipt>>),
    /// What it makes of errors of reading and writing.
    Error(fn(Error) -> Error),
    /// The call as it describes it.
    Call(fn(&mut Call)),
    Inbound(fn(Result<Inbound>) -> Result<Inbound>),
    Trick(Trick),
}

/// What takes more than a changed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trick {
    StopsAfterOnePage,
    JoinsPages,
    TakesAnyCursor,
    ReadsAllEachTime,
    IgnoresTheQuery,
    FindsNobodyByContent,
    /// Doesn't say what a record would be found by.
    GivesNoKeys,
    /// Asks the provider something first, whatever it is about.
    LooksFirst,
    IgnoresGrants,
    SaysItIsRemoved,
    /// Heeds neither deadline nor a wish to stop.
    HasAllTheTime,
    /// Gives a call no time for a second attempt.
    HasNoTime,
    SendsAgainOnHope,
    PrintsARecord,
    QuotesARecordInErrors,
    QuotesWhatItRefuses,
    QuotesARecordInUrls,
    ShowsItsSecretTwice,
    LogsItsSecret,
    TakesAnybodysWebhook,
}

/// Runs a member's case over its broken connector.
fn is_caught(member: &'static Member, harness: &dyn Harness) -> bool {
    let dressed = Dressed { inner: harness, broken: Some(member), profile: Profile::Calm };
    let run = AssertUnwindSafe(|| verdict(member, &dressed));
    catch_unwind(run).is_err()
}

fn verdict(member: &Member, harness: &dyn Harness) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(super::run_case(member.group, member.case, harness))
}

/// Every member of the table that is made of this provider's connector is caught by its case, which the sound connector
/// passes.
///
/// # Panics
/// When one is not caught.
pub fn all_are_caught<H: Harness>(of: &str, harness: impl Fn() -> H) {
    let mut passed = Vec::new();
    let mut n_caught = 0;
    for member in members().filter(|member| member.of == of) {
        let name = format!("{}::{}", member.group, member.case);
        match verdict(member, &harness()) {
            Verdict::Held if is_caught(member, &harness()) => n_caught += 1,
            Verdict::Held => passed.push(name),
            Verdict::Spared(why) => passed.push(format!("{name} (spared: {why})")),
        }
    }
    println!("{n_caught} broken connectors of {of} are caught");
    assert!(n_caught > 0, "no member is made of {of}");
    assert!(passed.is_empty(), "no case catches: {passed:#?}");
}

/// An answer of nothing.
fn nothing() -> http::Response<Bytes> {
    http::Response::new(Bytes::new())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::CASES, *};

    #[test]
    fn every_case_is_failed_by_a_broken_connector_or_says_why_not() {
        let cases: BTreeSet<(&str, &str)> = CASES.iter().map(|case| (case.group, case.name)).collect();
        let caught: BTreeSet<(&str, &str)> = members().map(|member| (member.group, member.case)).collect();
        let listed: BTreeSet<(&str, &str)> = UNCAUGHT.iter().map(|(group, case, _)| (*group, *case)).collect();
        let open: Vec<_> = cases.difference(&caught).filter(|case| !listed.contains(*case)).collect();
        assert!(open.is_empty(), "nobody fails {open:?}");
        assert!(caught.union(&listed).all(|case| cases.contains(case)), "a case that there is not");
        assert!(caught.is_disjoint(&listed), "listed, and caught all the same");
        assert!(caught.len() >= 120, "{} cases are failed by somebody", caught.len());
    }
}
