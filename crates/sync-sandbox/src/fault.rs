//! Faults: what goes wrong, when, and how it is written.

use std::{fmt, str::FromStr, time::Duration};

use http::Method;

use crate::rng::Rng;

/// Something that goes wrong, and when.
///
/// As text: the kind, then any number of options, parted by `:`.
///
/// | kind | what happens |
/// | --- | --- |
/// | `reply-lost` | the call is done, then the connection breaks without an answer |
/// | `slow-commit` | the call is done only after the caller's time is up; option `lag=20s`: done so long after its arrival |
/// | `cut` | the connection breaks before the call is done |
/// | `unreachable` | in process: no connection at all; over HTTP like `cut` |
/// | `truncated` | the call is done, half of the answer's body arrives, then the connection breaks |
/// | `garbage` | the call is done, the answer's body is noise |
/// | `endless` | the call is done, the answer's body never ends |
/// | `wrong-200` | the call is not done; status 200 with an error for a body |
/// | `html` | the call is not done; an HTML page with status 503, or another: `status=403` |
/// | `400` … `599` | the call is not done; that status in the provider's shape. Options: `retry-after=7` (seconds) or `retry-date=7` (the same as a date), `commit`: the call *is* done |
/// | `reordered-pages` | the items of a listing's page come in another order |
/// | `duplicate` | the call is done twice, the second answer arrives |
///
/// | option | when it happens |
/// | --- | --- |
/// | `0.3` | with this probability; without it always |
/// | `nth=3` | at the third call that fits (counted from 1), once |
/// | `every=5` | at each fifth call that fits |
/// | `times=2` | at most so many times |
/// | `op=lists.batch`, `op=lists.members.*` | only for this operation, or those that begin so |
/// | `writes`, `reads` | only for calls that may change something, or only for the others |
///
/// Examples: `reply-lost:0.3`, `429:nth=3:op=lists.batch`, `502:0.1:writes:commit`, `slow-commit:nth=1:lag=40s`. Where
/// several faults fit a call, the first one given happens.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// With this probability, 0 to 1.
    pub chance: Option<f64>,
    /// At this call, counted from 1 among those that fit.
    pub nth: Option<u64>,
    /// At each so many-th call among those that fit.
    pub every: Option<u64>,
    /// At most so many times.
    pub times: Option<u64>,
    /// Only for this operation; a `*` at the end stands for any rest.
    pub operation: Option<String>,
    /// Only for writes (`true`) or reads (`false`).
    pub writes: Option<bool>,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Done, then cut without an answer.
    ReplyLost,
    /// Done after the caller's time is up.
    SlowCommit {
        /// So long after arrival; else shortly after the caller's timeout.
        lag: Option<Duration>,
    },
    /// Cut before it is done.
    Cut,
    /// No connection.
    Unreachable,
    /// Done, then cut in the middle of the body.
    Truncated,
    /// Done, with noise for a body.
    Garbage,
    /// Done, with a body that never ends.
    Endless,
    /// Not done; 200 with an error in it.
    Wrong200,
    /// Not done; an HTML page.
    Html {
        /// Its status.
        status: u16,
    },
    /// An error status.
    Status {
        /// The status.
        status: u16,
        /// A `Retry-After` header.
        retry: Option<RetryAfter>,
        /// True when the call is done all the same.
        committed: bool,
    },
    /// The items of a page in another order.
    ReorderedPages,
    /// Done twice.
    Duplicate,
}

/// The two forms of `Retry-After` (<https://www.rfc-editor.org/rfc/rfc9110#name-retry-after>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// A date so many seconds ahead.
    Date(u64),
}

impl FaultKind {
    /// Its name in logs.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::ReplyLost => "reply-lost".into(),
            Self::SlowCommit { .. } => "slow-commit".into(),
            Self::Cut => "cut".into(),
            Self::Unreachable => "unreachable".into(),
            Self::Truncated => "truncated".into(),
            Self::Garbage => "garbage".into(),
            Self::Endless => "endless".into(),
            Self::Wrong200 => "wrong-200".into(),
            Self::Html { .. } => "html".into(),
            Self::Status { status, .. } => status.to_string(),
            Self::ReorderedPages => "reordered-pages".into(),
            Self::Duplicate => "duplicate".into(),
        }
    }
}

impl Fault {
    /// This fault at every call.
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, chance: None, nth: None, every: None, times: None, operation: None, writes: None }
    }

    fn fits(&self, operation: &str, method: &Method) -> bool {
        let named = match self.operation.as_deref() {
            None => true,
            Some(pattern) => match pattern.strip_suffix('*') {
                Some(start) => operation.starts_with(start),
                None => operation == pattern,
            },
        };
        named && self.writes.is_none_or(|writes| writes != (method == Method::GET || method == Method::HEAD))
    }
}

/// Why a text is no fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultError(String);

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FaultError {}

const KINDS: &str = "reply-lost, slow-commit, cut, unreachable, truncated, garbage, endless, wrong-200, html, a status \
                     from 400 to 599, reordered-pages, duplicate";

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let kind = match name {
            "reply-lost" => FaultKind::ReplyLost,
            "slow-commit" => FaultKind::SlowCommit { lag: None },
            "cut" => FaultKind::Cut,
            "unreachable" => FaultKind::Unreachable,
            "truncated" => FaultKind::Truncated,
            "garbage" => FaultKind::Garbage,
            "endless" => FaultKind::Endless,
            "wrong-200" => FaultKind::Wrong200,
            "html" => FaultKind::Html { status: 503 },
            "reordered-pages" => FaultKind::ReorderedPages,
            "duplicate" => FaultKind::Duplicate,
            _ => match name.parse() {
                Ok(status) if (400..=599).contains(&status) => FaultKind::Status { status, retry: None, committed: false },
                _ => return Err(FaultError(format!("unknown fault `{name}`; there are {KINDS}"))),
            },
        };
        let mut fault = Self::new(kind);
        for part in parts {
            fault.option(part).map_err(|why| FaultError(format!("fault `{text}`: option `{part}` {why}")))?;
        }
        Ok(fault)
    }
}

impl Fault {
    fn option(&mut self, part: &str) -> Result<(), String> {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (name, &mut self.kind) {
            ("nth", _) => self.nth = Some(count(value)?),
            ("every", _) => self.every = Some(count(value)?),
            ("times", _) => self.times = Some(count(value)?),
            ("op", _) if !value.is_empty() => self.operation = Some(value.to_owned()),
            ("writes", _) => self.writes = Some(true),
            ("reads", _) => self.writes = Some(false),
            ("lag", FaultKind::SlowCommit { lag }) => *lag = Some(duration(value)?),
            ("status", FaultKind::Html { status }) => {
                *status = value
                    .parse()
                    .ok()
                    .filter(|status| (200..=599).contains(status))
                    .ok_or("needs a status from 200 to 599")?;
            }
            ("retry-after", FaultKind::Status { retry, .. }) => *retry = Some(RetryAfter::Seconds(seconds(value)?)),
            ("retry-date", FaultKind::Status { retry, .. }) => *retry = Some(RetryAfter::Date(seconds(value)?)),
            ("commit", FaultKind::Status { committed, .. }) => *committed = true,
            _ => {
                let chance = part.parse::<f64>().ok().filter(|chance| (0.0..=1.0).contains(chance));
                self.chance = Some(chance.ok_or("is not known here, nor a probability from 0 to 1")?);
            }
        }
        Ok(())
    }
}

fn count(value: &str) -> Result<u64, String> {
    value.parse().ok().filter(|count| *count > 0).ok_or_else(|| "needs a number from 1".into())
}

fn seconds(value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| "needs a number of seconds".into())
}

fn duration(value: &str) -> Result<Duration, String> {
    let (number, unit): (_, fn(u64) -> Duration) = if let Some(number) = value.strip_suffix("ms") {
        (number, Duration::from_millis)
    } else if let Some(number) = value.strip_suffix('s') {
        (number, Duration::from_secs)
    } else {
        return Err("needs a time such as 20s or 500ms".into());
    };
    number.parse().map(unit).map_err(|_| "needs a time such as 20s or 500ms".into())
}

/// The faults with what they have seen so far.
#[derive(Debug)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    n_seen: u64,
    n_fired: u64,
}

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self { rules: faults.into_iter().map(|fault| Rule { fault, n_seen: 0, n_fired: 0 }).collect() }
    }

    /// The same faults from their start.
    pub(crate) fn rewind(&mut self) {
        for rule in &mut self.rules {
            rule.n_seen = 0;
            rule.n_fired = 0;
        }
    }

    /// What goes wrong with this call, if anything. Each rule counts each call that fits, whoever fires.
    pub(crate) fn decide(&mut self, operation: &str, method: &Method, rng: &mut Rng) -> Option<FaultKind> {
        let mut fired = None;
        for Rule { fault, n_seen, n_fired } in &mut self.rules {
            if !fault.fits(operation, method) {
                continue;
            }
            *n_seen += 1;
            let due = fault.nth.is_none_or(|nth| *n_seen == nth)
                && fault.every.is_none_or(|every| n_seen.is_multiple_of(every))
                && fault.times.is_none_or(|times| *n_fired < times)
                && fault.chance.is_none_or(|chance| rng.chance(chance));
            if due && fired.is_none() {
                *n_fired += 1;
                fired = Some(fault.kind.clone());
            }
        }
        fired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(text: &str, calls: &[(&str, Method)]) -> Vec<bool> {
        let mut faults = Faults::new(vec![text.parse().expect(text)]);
        let mut rng = Rng::new(1);
        calls.iter().map(|(operation, method)| faults.decide(operation, method, &mut rng).is_some()).collect()
    }

    #[test]
    fn faults_read_as_documented() {
        let fault: Fault = "502:0.1:writes:commit:retry-after=7".parse().expect("a fault");
        assert_eq!(fault.kind, FaultKind::Status { status: 502, retry: Some(RetryAfter::Seconds(7)), committed: true });
        assert_eq!((fault.chance, fault.writes), (Some(0.1), Some(true)));
        let fault: Fault = "slow-commit:nth=1:lag=40s".parse().expect("a fault");
        assert_eq!(fault.kind, FaultKind::SlowCommit { lag: Some(Duration::from_secs(40)) });
    }

    #[test]
    fn a_wrong_text_says_what_is_wrong() {
        for (text, word) in [
            ("fire", "unknown fault `fire`"),
            ("429:0.3:nth=0", "`nth=0` needs a number from 1"),
            ("cut:2.0", "`2.0` is not known here"),
            ("cut:commit", "`commit` is not known here"),
            ("slow-commit:lag=4", "needs a time such as 20s"),
            ("200", "unknown fault `200`"),
        ] {
            let error = text.parse::<Fault>().expect_err(text).to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn nth_counts_only_the_calls_that_fit() {
        let calls = [
            ("lists.batch", Method::POST),
            ("lists.members.list", Method::GET),
            ("lists.batch", Method::POST),
            ("lists.batch", Method::POST),
        ];
        assert_eq!(fired("429:nth=2:op=lists.batch", &calls), [false, false, true, false]);
        assert_eq!(fired("429:every=2:writes", &calls), [false, false, true, false]);
        assert_eq!(fired("429:op=lists.*:times=2", &calls), [true, true, false, false]);
        assert_eq!(fired("429:reads", &calls), [false, true, false, false]);
    }

    #[test]
    fn a_probability_is_met_and_repeats_with_its_seed() {
        let calls = vec![("x", Method::GET); 10_000];
        let first = fired("cut:0.3", &calls);
        let n_fired = first.iter().filter(|fired| **fired).count();
        assert!((2_800..3_200).contains(&n_fired), "{n_fired}");
        assert_eq!(first, fired("cut:0.3", &calls));
    }
}
