//! A consent sink with crash points.

use std::sync::Arc;

use async_trait::async_trait;
use sync_core::{ConsentFact, ConsentSink, OrganizationId, Result};

use super::Crash;

/// The host's consent sink, with a crash point before and after each call.
pub struct CrashSink {
    inner: Arc<dyn ConsentSink>,
    crash: Crash,
}

impl CrashSink {
    /// Around this sink.
    pub fn new(inner: Arc<dyn ConsentSink>, crash: Crash) -> Self {
        Self { inner, crash }
    }
}

impl std::fmt::Debug for CrashSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrashSink").finish_non_exhaustive()
    }
}

#[async_trait]
impl ConsentSink for CrashSink {
    async fn record(&self, organization: &OrganizationId, facts: &[ConsentFact]) -> Result<()> {
        self.crash.around("host.consent", self.inner.record(organization, facts)).await
    }
}
