//! The world around a double: latency, quotas, faults, log.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use sync_core::Clock;

use crate::{
    Double, Fault, FaultKind, answer, clock, control,
    fault::{Faults, RetryAfter},
    log::{Entry, Log},
    rng::Rng,
};

/// How a sandbox behaves.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SandboxOptions {
    /// Seed of the faults.
    pub seed: u64,
    /// Time between a request and its answer. The call is done at once and holds its connection for this long.
    pub latency: Duration,
    /// Refuse what is over the provider's quotas.
    pub enforce_quotas: bool,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Keep request bodies in the log.
    pub keep_bodies: bool,
}

impl SandboxOptions {
    /// With this seed of the faults.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With this latency.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// With quotas enforced.
    #[must_use]
    pub fn with_quotas(mut self) -> Self {
        self.enforce_quotas = true;
        self
    }

    /// With one more fault.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// With request bodies kept in the log.
    #[must_use]
    pub fn with_bodies(mut self) -> Self {
        self.keep_bodies = true;
        self
    }
}

/// What a caller gets.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reply {
    /// A whole answer.
    Answer(Response<Bytes>),
    /// A broken connection, after the first bytes of an answer or without any.
    Cut {
        /// The answer whose body breaks off, and after how many bytes.
        begun: Option<(Response<Bytes>, usize)>,
    },
    /// No connection.
    Unreachable,
    /// An answer whose body is repeated without end.
    Endless(Response<Bytes>),
}

impl Reply {
    fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(response) | Self::Endless(response) => Some(response.status().as_u16()),
            Self::Cut { begun } => begun.as_ref().map(|(response, _)| response.status().as_u16()),
            Self::Unreachable => None,
        }
    }

    fn date(&mut self, now: Timestamp) {
        match self {
            Self::Answer(response) | Self::Endless(response) => date(response, now),
            Self::Cut { begun: Some((response, _)) } => date(response, now),
            Self::Cut { begun: None } | Self::Unreachable => {}
        }
    }

    fn n_bytes(&self) -> usize {
        match self {
            Self::Answer(response) | Self::Endless(response) => response.body().len(),
            Self::Cut { begun } => begun.as_ref().map_or(0, |(_, sent)| *sent),
            Self::Unreachable => 0,
        }
    }
}

/// Every answer of a server with a clock says when it was made (<https://www.rfc-editor.org/rfc/rfc9110#name-date>).
fn date(response: &mut Response<Bytes>, now: Timestamp) {
    if let Ok(date) = HeaderValue::from_str(&clock::http_date(now)) {
        response.headers_mut().entry(header::DATE).or_insert(date);
    }
}

/// A double in its world. Clones share it.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Mutex<Inner>>,
    clock: Arc<dyn Clock>,
}

struct Inner {
    double: Box<dyn Double>,
    options: SandboxOptions,
    faults: Faults,
    rng: Rng,
    /// When each running call ends. A call that its caller gave up still holds its connection.
    busy: Vec<Timestamp>,
    late: Vec<Late>,
    log: Log,
}

/// A call that is done later.
struct Late {
    due: Timestamp,
    request: Request<Bytes>,
    answer: Slot,
}

type Slot = Arc<Mutex<Option<Response<Bytes>>>>;

/// How a call goes on.
struct Step {
    wait: Duration,
    end: End,
}

enum End {
    Reply(Reply),
    Late { due: Timestamp, answer: Slot },
}

/// A slow commit happens this long after the caller's timeout, unless its `lag` says otherwise: soon enough that every
/// provider's settling time covers it.
const LAG_AFTER_TIMEOUT: Duration = Duration::from_secs(5);

/// The timeout that is assumed where the caller's is not known (over HTTP): 60 s, longer than most clients wait.
const ASSUMED_TIMEOUT: Duration = Duration::from_secs(60);

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Puts a double into its world.
    pub fn new(double: impl Double + 'static, options: SandboxOptions, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            double: Box::new(double),
            faults: Faults::new(options.faults.clone()),
            rng: Rng::new(options.seed),
            options,
            busy: Vec::new(),
            late: Vec::new(),
            log: Log::default(),
        };
        Self { inner: Arc::new(Mutex::new(inner)), clock }
    }

    /// Handles one request, after the latency. A caller that drops the future has given up: what was done stays done,
    /// and what is done late is still done.
    pub async fn handle(&self, request: Request<Bytes>) -> Reply {
        self.handle_within(request, ASSUMED_TIMEOUT).await
    }

    pub(crate) async fn handle_within(&self, request: Request<Bytes>, timeout: Duration) -> Reply {
        if request.uri().path().starts_with(control::PREFIX) {
            return Reply::Answer(control::handle(self, &request));
        }
        let step = self.now_and_inner(|inner, now| inner.accept(request, now, timeout));
        if !step.wait.is_zero() {
            self.clock.sleep(step.wait).await;
        }
        match step.end {
            End::Reply(reply) => reply,
            End::Late { due, answer } => {
                self.lock().settle(self.clock.now().max(due));
                let done = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
                done.map_or(Reply::Cut { begun: None }, Reply::Answer)
            }
        }
    }

    /// Everything the double holds.
    pub fn state(&self) -> Value {
        self.now_and_inner(|inner, _| inner.double.state())
    }

    /// What the double holds, without records.
    pub fn summary(&self) -> Value {
        self.now_and_inner(|inner, _| inner.double.summary())
    }

    /// Does what a person on the other side would do.
    ///
    /// # Errors
    /// The action is unknown or cannot be done, in words.
    pub fn act(&self, action: &Value) -> Result<Value, String> {
        self.now_and_inner(|inner, now| inner.double.act(action, now))
    }

    /// How many calls are still to be carried out, whatever their callers believe.
    pub fn n_late(&self) -> usize {
        self.now_and_inner(|inner, _| inner.late.len())
    }

    /// Takes what the provider wants to send by itself, such as notifications to channels, for the caller to deliver.
    pub fn take_outbound(&self) -> Vec<Request<Bytes>> {
        self.now_and_inner(|inner, _| inner.double.outbound())
    }

    /// Calls by operation and, when asked for, the latest requests.
    pub fn log(&self, entries: bool) -> Value {
        let kept = &mut self.lock().log;
        if entries {
            return serde_json::to_value(&*kept).unwrap_or_default();
        }
        // There may be thousands, only to be thrown away.
        let requests = std::mem::take(&mut kept.entries);
        let mut log = serde_json::to_value(&*kept).unwrap_or_default();
        kept.entries = requests;
        if let Some(members) = log.as_object_mut() {
            members.remove("entries");
        }
        log
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: &str) -> u64 {
        self.lock().log.by_operation.get(operation).map_or(0, |tally| tally.calls)
    }

    /// The double as it was seeded, an empty log, the faults from their start. Calls to be done late are forgotten.
    pub fn reset(&self) {
        let mut inner = self.lock();
        inner.double.reset();
        inner.faults.rewind();
        inner.rng = Rng::new(inner.options.seed);
        inner.busy.clear();
        inner.late.clear();
        inner.log = Log::default();
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.lock().faults = Faults::new(faults);
    }

    pub(crate) fn note_delivery(&self, is_delivered: bool) {
        let log = &mut self.lock().log;
        *(if is_delivered { &mut log.delivered } else { &mut log.undelivered }) += 1;
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_and_inner<T>(&self, f: impl FnOnce(&mut Inner, Timestamp) -> T) -> T {
        let mut inner = self.lock();
        let now = self.clock.now();
        inner.settle(now);
        f(&mut inner, now)
    }
}

impl Inner {
    /// Does the late calls that are due by now.
    fn settle(&mut self, now: Timestamp) {
        while let Some(next) =
            self.late.iter().enumerate().filter(|(_, late)| late.due <= now).min_by_key(|(_, late)| late.due)
        {
            let late = self.late.remove(next.0);
            let mut done = self.double.handle(&late.request, late.due);
            date(&mut done, late.due);
            *late.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        }
    }

    fn accept(&mut self, request: Request<Bytes>, now: Timestamp, timeout: Duration) -> Step {
        let operation = self.double.operation(&request);
        self.busy.retain(|end| *end > now);
        let in_flight = self.busy.len();
        let mut wait = self.options.latency;
        let mut until = clock::later(now, wait);
        let refused = if self.options.enforce_quotas { self.double.over_quota(&request, in_flight, now) } else { None };
        if let Some(refused) = refused {
            self.log.over_quota += 1;
            let reply = Reply::Answer(refused);
            self.note(&request, operation, now, until, None, &reply);
            return Step { wait, end: End::Reply(reply) };
        }
        self.log.peak_in_flight = self.log.peak_in_flight.max(in_flight + 1);
        let fault = self.faults.decide(operation, request.method(), &mut self.rng);
        if let Some(kind @ FaultKind::SlowCommit { lag }) = &fault {
            wait = lag.unwrap_or(timeout + LAG_AFTER_TIMEOUT);
            until = clock::later(now, wait);
            self.busy.push(until);
            self.note(&request, operation, now, until, Some(kind), &Reply::Cut { begun: None });
            let answer = Slot::default();
            self.late.push(Late { due: until, request, answer: Arc::clone(&answer) });
            return Step { wait, end: End::Late { due: until, answer } };
        }
        if until > now {
            self.busy.push(until);
        }
        let mut reply = self.reply(&request, now, fault.as_ref());
        reply.date(now);
        self.note(&request, operation, now, until, fault.as_ref(), &reply);
        Step { wait, end: End::Reply(reply) }
    }

    fn reply(&mut self, request: &Request<Bytes>, now: Timestamp, fault: Option<&FaultKind>) -> Reply {
        match fault {
            None => Reply::Answer(self.double.handle(request, now)),
            Some(FaultKind::ReplyLost | FaultKind::SlowCommit { .. }) => {
                let _lost = self.double.handle(request, now);
                Reply::Cut { begun: None }
            }
            Some(FaultKind::Cut) => Reply::Cut { begun: None },
            Some(FaultKind::Unreachable) => Reply::Unreachable,
            Some(FaultKind::Truncated) => {
                let response = self.double.handle(request, now);
                let half = response.body().len() / 2;
                Reply::Cut { begun: Some((response, half)) }
            }
            Some(FaultKind::Garbage) => {
                let mut response = self.double.handle(request, now);
                let noise: Vec<u8> = (0..32).flat_map(|_| self.rng.next().to_le_bytes()).collect();
                *response.body_mut() = noise.into();
                *response.status_mut() = StatusCode::OK;
                Reply::Answer(response)
            }
            Some(FaultKind::Endless) => {
                let mut response = self.double.handle(request, now);
                *response.status_mut() = StatusCode::OK;
                if response.body().is_empty() {
                    *response.body_mut() = Bytes::from_static(b"{\"endless\":");
                }
                Reply::Endless(response)
            }
            Some(FaultKind::Wrong200) => {
                let mut response = self.double.failure(StatusCode::INTERNAL_SERVER_ERROR);
                *response.status_mut() = StatusCode::OK;
                Reply::Answer(response)
            }
            Some(FaultKind::Html { status }) => Reply::Answer(answer::html(
                StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
                "<html><head><title>Request Blocked</title></head><body><h1>Request Blocked</h1></body></html>",
            )),
            Some(FaultKind::Status { status, retry, committed }) => {
                if *committed {
                    let _lost = self.double.handle(request, now);
                }
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let mut response = self.double.failure(status);
                let retry = retry.and_then(|retry| match retry {
                    RetryAfter::Seconds(seconds) => Some(HeaderValue::from(seconds)),
                    RetryAfter::Date(seconds) => {
                        HeaderValue::from_str(&clock::http_date(clock::later(now, Duration::from_secs(seconds)))).ok()
                    }
                });
                if let Some(retry) = retry {
                    response.headers_mut().insert(header::RETRY_AFTER, retry);
                }
                Reply::Answer(response)
            }
            Some(FaultKind::ReorderedPages) => {
                let response = self.double.handle(request, now);
                Reply::Answer(if request.method() == Method::GET { self.reorder(response) } else { response })
            }
            Some(FaultKind::Duplicate) => {
                let _first = self.double.handle(request, now);
                Reply::Answer(self.double.handle(request, now))
            }
        }
    }

    fn reorder(&mut self, response: Response<Bytes>) -> Response<Bytes> {
        let (parts, body) = response.into_parts();
        let Ok(Value::Object(mut members)) = serde_json::from_slice(&body) else {
            return Response::from_parts(parts, body);
        };
        for member in members.values_mut() {
            if let Value::Array(items) = member {
                self.rng.shuffle(items);
            }
        }
        Response::from_parts(parts, serde_json::to_vec(&json!(members)).map_or(body, Bytes::from))
    }

    fn note(
        &mut self,
        request: &Request<Bytes>,
        operation: &'static str,
        at: Timestamp,
        until: Timestamp,
        fault: Option<&FaultKind>,
        reply: &Reply,
    ) {
        let uri = request.uri();
        let is_sign_in = operation.starts_with("oauth.");
        let entry = Entry {
            at,
            operation,
            method: request.method().to_string(),
            path: uri.path().to_owned(),
            query: uri.query().filter(|_| !is_sign_in).unwrap_or_default().to_owned(),
            status: reply.status(),
            fault: fault.map(FaultKind::name),
            body: (self.options.keep_bodies && !is_sign_in).then(|| String::from_utf8_lossy(request.body()).into_owned()),
        };
        self.log.add(entry, until, request.body().len(), reply.n_bytes());
    }
}
