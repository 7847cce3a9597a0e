//! The engine: what a process has one of.

use std::{fmt, sync::Arc};

use sync_core::{Clock, ConsentSink, Descriptor, Exchange, HostRecords, Random, SyncHandler, SyncRequest, SyncResult};

use crate::{ConnectionRow, EngineConfig, RunOptions, Store, run};

/// Runs syncs. Cheap to clone; holds no organization.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) records: HostRecords,
    pub(crate) consent: Option<Arc<dyn ConsentSink>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) config: EngineConfig,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("store", &self.inner.store)
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

/// What one run works with.
#[derive(Clone, Copy)]
pub struct RunInput<'a> {
    /// The provider.
    pub descriptor: &'static Descriptor,
    /// Its opened connection.
    pub handler: &'a dyn SyncHandler,
    /// The connection's way out.
    pub exchange: &'a dyn Exchange,
    /// The connection.
    pub connection: &'a ConnectionRow,
    /// What is asked for.
    pub request: &'a SyncRequest,
    /// What else the caller chose.
    pub options: &'a RunOptions,
}

impl fmt::Debug for RunInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunInput").field("request", self.request).field("options", self.options).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine over these ports.
    pub fn new(
        store: Arc<dyn Store>,
        records: HostRecords,
        consent: Option<Arc<dyn ConsentSink>>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        config: EngineConfig,
    ) -> Self {
        Self { inner: Arc::new(Inner { store, records, consent, clock, random, config }) }
    }

    /// Carries out one request: takes the lease, recovers, observes, plans, gates, applies. Always answers a result: what
    /// went wrong is in its `errors` and in `details.stopped`.
    pub async fn run(&self, input: RunInput<'_>) -> SyncResult {
        run::run(&self.inner, input).await
    }
}
