//! A store in memory: for tests, the simulator, and hosts that want to try things out.

mod apply;
mod channels;
mod grants;
mod history;
mod lease;
mod links;
mod plan;
mod port;
mod seen;
mod state;
mod waiting;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sync_core::{
    Clock, Error, ErrorKind, InstallationId, Result,
    zoo::{self, Defect},
};

use self::state::{Data, State};
use super::Lease;

/// A [`super::Store`] in memory. Its clones share what they hold; [`MemoryStore::snapshot`] makes a copy that doesn't.
///
/// ```
/// use std::{future::ready, sync::Arc};
/// use sync_core::SystemClock;
/// use sync_engine::MemoryStore;
///
/// let store = MemoryStore::new(Arc::new(SystemClock::new(|_| Box::pin(ready(())))));
/// let before_the_crash = store.snapshot();
/// # drop(before_the_crash);
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    installation: InstallationId,
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    /// An empty store. Its leases go by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, installation: InstallationId::from_static("memory"), state: Arc::default() }
    }

    /// With another installation id than `memory`.
    #[must_use]
    pub fn with_installation(mut self, installation: impl Into<InstallationId>) -> Self {
        self.installation = installation.into();
        self
    }

    /// A deep copy, as the store is now: what is left when the process is killed here.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self {
            clock: Arc::clone(&self.clock),
            installation: self.installation.clone(),
            state: Arc::new(Mutex::new(self.state().clone())),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// What a scope holds, if the lease is still good.
    fn leased<'a>(&self, state: &'a mut State, lease: &Lease) -> Result<&'a mut Data> {
        let now_ms = self.now_ms();
        let good = |data: &&mut Data| {
            zoo::is(Defect::TakesHeldLeases)
                || data.lease.as_ref().is_some_and(|row| row.epoch == lease.epoch && row.expires_ms > now_ms)
        };
        state.scopes.get_mut(&lease.scope).filter(good).ok_or_else(lease_lost)
    }
}

fn lease_lost() -> Error {
    Error::new(ErrorKind::LeaseLost, "the lease of this run is over: nothing more is written")
        .with_remedy("Nothing to do: whoever holds the lease goes on, and so does the next run.")
}

/// Prints no content.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("n_scopes", &self.state().scopes.len()).finish_non_exhaustive()
    }
}
