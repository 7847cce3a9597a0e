//! One request to a provider, described; `sync-http` sends it.

use std::{borrow::Cow, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{CallKey, Error, ErrorKind, Result};

/// Tells an answer's meaning: `Ok` when the call did what it should, else the classified error. Retry and effect of
/// that error steer the retry loop of `sync-http`.
pub type Classify = fn(&Response<Bytes>) -> Result<()>;

/// Whether a call may be sent again when it is not known what the first attempt did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A read: always, also after a timeout.
    Read,
    /// A write that may be repeated after an *answer* of unknown effect (a 5xx), but not after a timeout: the first
    /// attempt may still be running, and the engine looks again once it has settled.
    Answered,
    /// A write that is never sent twice.
    Never,
}

/// Unreserved characters of RFC 3986 stay, all else is escaped: a path segment or query part is exactly what was meant.
const ESCAPE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One request to an endpoint of the descriptor. Build it with [`Call::get`] and friends.
#[derive(Clone)]
#[non_exhaustive]
pub struct Call {
    /// A stable name for spans, metrics and archives, such as `lists.members.list`.
    pub operation: &'static str,
    /// The name of a [`crate::Endpoint`] of the descriptor.
    pub endpoint: &'static str,
    /// The method.
    pub method: Method,
    /// The path below the endpoint's URL, escaped; starts with `/`.
    pub path: String,
    /// The query, escaped, without `?`.
    pub query: String,
    /// Further headers. Authorization is added on the way out.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
    /// The name of a [`crate::Quota`] family of the descriptor that pays for it, in addition to quotas named `""`.
    pub budget: &'static str,
    /// What it costs there.
    pub cost: u32,
    /// Whether it may be sent again.
    pub repeat: Repeat,
    /// The provider's idempotency header and its value, fixed before the first attempt.
    pub key: Option<(HeaderName, CallKey)>,
    /// Longest wait for the answer; the descriptor's `call_timeout` when `None`.
    pub timeout: Option<Duration>,
    /// Largest answer that is read, in bytes.
    pub max_answer: usize,
    /// Tells what the answer means.
    pub classify: Classify,
}

/// Largest answer that is read unless a call says otherwise: 32 MiB, above every provider's page of 1,000 records.
const MAX_ANSWER_BYTES: usize = 32 << 20;

impl Call {
    /// A call of any method.
    pub fn new(operation: &'static str, endpoint: &'static str, method: Method, classify: Classify) -> Self {
        let repeat = if method == Method::GET || method == Method::HEAD { Repeat::Read } else { Repeat::Never };
        Self {
            operation,
            endpoint,
            method,
            path: String::new(),
            query: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            budget: "",
            cost: 1,
            repeat,
            key: None,
            timeout: None,
            max_answer: MAX_ANSWER_BYTES,
            classify,
        }
    }

    /// A read.
    pub fn get(operation: &'static str, endpoint: &'static str, classify: Classify) -> Self {
        Self::new(operation, endpoint, Method::GET, classify)
    }

    /// Adds path segments, each escaped.
    #[must_use]
    pub fn segments<'a>(mut self, segments: impl IntoIterator<Item = &'a str>) -> Self {
        for segment in segments {
            self.path.push('/');
            self.path.extend(utf8_percent_encode(segment, ESCAPE));
        }
        self
    }

    /// Adds a query parameter, escaped.
    #[must_use]
    pub fn param(mut self, name: &str, value: impl fmt::Display) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.extend(utf8_percent_encode(name, ESCAPE));
        self.query.push('=');
        self.query.extend(utf8_percent_encode(&value.to_string(), ESCAPE));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sends this as JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the value can't be written as JSON.
    pub fn json(self, body: &impl serde::Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(body)
            .map_err(|error| Error::new(ErrorKind::Internal, "a request body could not be written").with_source(error))?;
        Ok(self.body_of("application/json", bytes))
    }

    /// Sends these bytes with this content type.
    #[must_use]
    pub fn body_of(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.push((http::header::CONTENT_TYPE, HeaderValue::from_static(content_type)));
        self.body = body.into();
        self
    }

    /// Names the budget that pays and the cost.
    #[must_use]
    pub fn budget(mut self, budget: &'static str, cost: u32) -> Self {
        self.budget = budget;
        self.cost = cost;
        self
    }

    /// Says whether it may be sent again.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Gives the idempotency header.
    #[must_use]
    pub fn key(mut self, header: HeaderName, key: CallKey) -> Self {
        self.key = Some((header, key));
        self
    }

    /// Gives the longest wait for the answer.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Gives the largest answer that is read, in bytes.
    #[must_use]
    pub fn max_answer(mut self, bytes: usize) -> Self {
        self.max_answer = bytes;
        self
    }

    /// Path and query, as they go out.
    pub fn path_and_query(&self) -> Cow<'_, str> {
        if self.query.is_empty() { Cow::Borrowed(&self.path) } else { Cow::Owned(format!("{}?{}", self.path, self.query)) }
    }
}

/// Prints neither query nor body nor header values: they may hold record content.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("operation", &self.operation)
            .field("endpoint", &self.endpoint)
            .field("method", &self.method)
            .field("repeat", &self.repeat)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_parameters_are_escaped_once() {
        let call =
            Call::get("x", "api", |_| Ok(())).segments(["lists", "a/b #&+?é"]).param("since", "2026-01-01T00:00:00+00:00");
        assert_eq!(call.path_and_query(), "/lists/a%2Fb%20%23%26%2B%3F%C3%A9?since=2026-01-01T00%3A00%3A00%2B00%3A00");
    }

    #[test]
    fn a_read_may_be_repeated_and_a_write_may_not_unless_it_says_so() {
        assert_eq!(Call::get("x", "api", |_| Ok(())).repeat, Repeat::Read);
        assert_eq!(Call::new("x", "api", Method::POST, |_| Ok(())).repeat, Repeat::Never);
    }
}
