//! The wire between a connection and its provider, as it may be.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::RETRY_AFTER};
use sync_core::{Clock as _, Transport, TransportError, TransportFault, TransportLimits};

use crate::SimClock;

/// What the wire is like, beside what a case does to it. Whatever is lost, a case sees what it would see on a good day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Nothing goes wrong.
    #[default]
    Calm,
    /// Answers take their time, and many requests come too fast or at a bad moment: 429 with and without a pause, 503.
    SlowAndLimited,
    /// Connections can't be made or break, and time runs out.
    Broken,
}

impl Profile {
    /// True for a case whose own subject is what a wire does: it is the only one that breaks it.
    pub(super) fn spares(self, group: &str) -> bool {
        self != Self::Calm && matches!(group, "failure" | "refusal")
    }
}

/// Nearer to the connection than the faults and the log of a case, so that those are as without it.
pub(super) struct Noise {
    pub(super) inner: Arc<dyn Transport>,
    pub(super) clock: SimClock,
    pub(super) profile: Profile,
    n_requests: AtomicU64,
}

impl Noise {
    pub(super) fn new(inner: Arc<dyn Transport>, clock: SimClock, profile: Profile) -> Self {
        Self { inner, clock, profile, n_requests: AtomicU64::new(0) }
    }

    /// An answer before anything was done.
    fn refusal(status: StatusCode, pause_s: Option<u64>) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = status;
        answer.headers_mut().extend(pause_s.map(|pause_s| (RETRY_AFTER, HeaderValue::from(pause_s))));
        answer
    }

    /// Every second request goes through, so that no call runs out of attempts.
    fn strikes(&self) -> Option<u64> {
        let n = self.n_requests.fetch_add(1, Ordering::Relaxed);
        n.is_multiple_of(2).then_some(n / 2)
    }
}

impl fmt::Debug for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noise").field("inner", &self.inner).field("profile", &self.profile).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Noise {
    async fn send(&self, request: Request<Bytes>, limits: TransportLimits) -> Result<Response<Bytes>, TransportError> {
        let is_read = request.method() == http::Method::GET;
        match (self.profile, self.strikes()) {
            (Profile::SlowAndLimited, Some(n)) => {
                self.clock.sleep(Duration::from_millis(300)).await;
                Ok(match n % 3 {
                    0 => Self::refusal(StatusCode::TOO_MANY_REQUESTS, Some(2)),
                    1 => Self::refusal(StatusCode::TOO_MANY_REQUESTS, None),
                    // A write that meets a 503 may have been carried out.
                    _ if is_read => Self::refusal(StatusCode::SERVICE_UNAVAILABLE, None),
                    _ => Self::refusal(StatusCode::TOO_MANY_REQUESTS, Some(1)),
                })
            }
            (Profile::Broken, Some(n)) => Err(match n % 3 {
                // A write that is cut off or runs out of time may have been carried out.
                1 if is_read => error(TransportFault::CutOff),
                2 if is_read => {
                    self.clock.sleep(limits.timeout).await;
                    error(TransportFault::TimedOut)
                }
                _ => error(TransportFault::Unreachable),
            }),
            _ => self.inner.send(request, limits).await,
        }
    }
}

fn error(fault: TransportFault) -> TransportError {
    TransportError { fault, message: "the wire is like that".to_owned() }
}
