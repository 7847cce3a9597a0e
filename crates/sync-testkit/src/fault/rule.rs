//! What goes wrong, and when.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

/// What goes wrong with one exchange of bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// No connection: nothing was sent.
    Unreachable,
    /// The connection breaks before the other side does anything.
    CutBefore,
    /// The other side does it, and the connection breaks before the answer comes.
    CutAfter,
    /// Nothing is done, and nothing comes until the caller's time runs out.
    TimedOutBefore,
    /// It is done, and nothing comes until the caller's time runs out.
    TimedOutAfter,
    /// Nothing comes until the caller's time runs out; it is done so much later.
    TimedOutThenDone(Duration),
    /// It is done, and the answer comes after this time, if the caller waits that long.
    Slow(Duration),
    /// Nothing is done; this is the answer.
    Answer(Box<Response<Bytes>>),
    /// It is done, and this is the answer all the same.
    AnswerAfter(Box<Response<Bytes>>),
    /// It is done; the answer's body is noise, with the status and headers of a success.
    Garbage,
    /// It is done; half of the answer's body is missing.
    Truncated,
    /// It is done; the answer is larger than the caller reads.
    Endless,
}

impl Fault {
    /// An answer of a status, without a body, and nothing is done.
    pub fn status(status: StatusCode) -> Self {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = status;
        Self::Answer(Box::new(answer))
    }

    /// A 429 that names the pause in seconds, and nothing is done.
    pub fn too_fast(retry_after_s: u64) -> Self {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        Self::Answer(Box::new(answer))
    }

    /// A web page with this status, as proxies and firewalls give it, and nothing is done.
    pub fn html(status: StatusCode) -> Self {
        let page =
            Bytes::from_static(b"<!DOCTYPE html><html><head><title>Blocked</title></head><body>Blocked</body></html>");
        let mut answer = Response::new(page);
        *answer.status_mut() = status;
        let headers: &mut HeaderMap = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        Self::Answer(Box::new(answer))
    }

    /// Its name in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::CutBefore => "cut-before",
            Self::CutAfter => "cut-after",
            Self::TimedOutBefore => "timed-out-before",
            Self::TimedOutAfter => "timed-out-after",
            Self::TimedOutThenDone(_) => "timed-out-then-done",
            Self::Slow(_) => "slow",
            Self::Answer(_) => "answer",
            Self::AnswerAfter(_) => "answer-after",
            Self::Garbage => "garbage",
            Self::Truncated => "truncated",
            Self::Endless => "endless",
        }
    }
}

/// Which requests a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// All.
    All,
    /// `GET` and `HEAD`.
    Reads,
    /// All others.
    Writes,
}

/// When a fault strikes: at each request that fits, with a probability, after some were let through, so many times.
#[derive(Debug, Clone)]
#[must_use]
pub struct FaultRule {
    pub(crate) fault: Fault,
    pub(crate) on: On,
    pub(crate) path: Option<String>,
    pub(crate) chance: f64,
    pub(crate) skip: u64,
    pub(crate) times: u64,
}

impl FaultRule {
    /// This fault at every request.
    pub fn always(fault: Fault) -> Self {
        Self { fault, on: On::All, path: None, chance: 1.0, skip: 0, times: u64::MAX }
    }

    /// This fault at the next request.
    pub fn once(fault: Fault) -> Self {
        Self::always(fault).times(1)
    }

    /// Only at such requests.
    pub fn on(mut self, on: On) -> Self {
        self.on = on;
        self
    }

    /// Only at requests whose path has this text.
    pub fn path(mut self, part: impl Into<String>) -> Self {
        self.path = Some(part.into());
        self
    }

    /// With this probability.
    pub fn chance(mut self, probability: f64) -> Self {
        self.chance = probability;
        self
    }

    /// Not at the first so many requests that fit.
    pub fn skip(mut self, n_requests: u64) -> Self {
        self.skip = n_requests;
        self
    }

    /// At most so many times.
    pub fn times(mut self, n_times: u64) -> Self {
        self.times = n_times;
        self
    }

    pub(crate) fn fits(&self, request: &Request<Bytes>) -> bool {
        let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
        let on = match self.on {
            On::All => true,
            On::Reads => is_read,
            On::Writes => !is_read,
        };
        on && self.path.as_ref().is_none_or(|part| request.uri().path().contains(part.as_str()))
    }
}
