//! A transport with crash points.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use sync_core::{Transport, TransportError, TransportLimits};

use super::Crash;

/// A transport with a crash point before and after each call: after it, the provider has done it and nobody knows.
pub struct CrashTransport {
    inner: Arc<dyn Transport>,
    crash: Crash,
}

impl CrashTransport {
    /// Around this transport.
    pub fn new(inner: Arc<dyn Transport>, crash: Crash) -> Self {
        Self { inner, crash }
    }
}

impl fmt::Debug for CrashTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashTransport").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for CrashTransport {
    async fn send(&self, request: Request<Bytes>, limits: TransportLimits) -> Result<Response<Bytes>, TransportError> {
        self.crash.around("wire.send", self.inner.send(request, limits)).await
    }
}
