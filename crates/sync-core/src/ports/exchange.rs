//! The way out: `Exchange` is one connection's authorised way, `Transport` moves bytes.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::{Call, Lane, Result};

/// One connection's authorised way to its provider. Made by `sync-http`; a provider can reach nothing else.
#[async_trait]
pub trait Exchange: Send + Sync {
    /// Sends one request to an endpoint of the descriptor. Signs in, waits for budgets, retries what may be retried, and
    /// returns an answer that `call.classify` took for a success.
    ///
    /// # Errors
    /// What `call.classify` made of the last answer, or why there was none. The effect of the error tells whether a
    /// write may have happened.
    async fn send(&self, call: Call, within: Within<'_>) -> Result<http::Response<Bytes>>;
}

/// The bounds of one call.
#[derive(Debug, Clone, Copy)]
pub struct Within<'a> {
    /// Nothing is started that could outlast this.
    pub deadline: Timestamp,
    /// Set when the caller wants to stop.
    pub cancel: &'a Cancel,
    /// How urgent it is.
    pub lane: Lane,
}

/// A wish to stop, shared by its clones. What is under way is finished and recorded; nothing new is started.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Nobody wishes to stop yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wishes to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True when somebody wishes to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Moves bytes: reqwest in life, the sandbox in process in the simulator, a fault injector in tests.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends one request to an absolute URL and reads the whole answer. Follows no redirects.
    ///
    /// # Errors
    /// Why there is no whole answer.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: TransportLimits,
    ) -> std::result::Result<http::Response<Bytes>, TransportError>;
}

/// The bounds of one exchange of bytes.
#[derive(Debug, Clone, Copy)]
pub struct TransportLimits {
    /// Longest time from the first byte out to the last byte in.
    pub timeout: Duration,
    /// Largest body that is read, in bytes.
    pub max_answer: usize,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub struct TransportError {
    /// What happened.
    pub fault: TransportFault,
    /// In words; no URL query, no header, no body.
    pub message: String,
}

/// What went wrong in moving bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportFault {
    /// No connection: certainly nothing was sent.
    Unreachable,
    /// The connection broke after bytes may have been sent.
    CutOff,
    /// The time ran out after bytes may have been sent.
    TimedOut,
    /// The answer is larger than allowed.
    TooLarge,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TransportError {}
