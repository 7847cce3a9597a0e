//! Leases in memory, by the store's own clock.

use sync_core::{
    Result, Scope,
    zoo::{self, Defect},
};

use super::{
    super::{Acquired, Lease},
    MemoryStore, lease_lost,
    state::{LeaseRow, timestamp},
};

impl MemoryStore {
    pub(super) fn acquire_lease(&self, scope: &Scope, owner: &str, length_ms: i64) -> Result<Acquired> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        let stored = &mut state.scopes.entry(scope.clone()).or_default().lease;
        if let Some(row) = stored.as_ref().filter(|row| row.expires_ms > now_ms && !zoo::is(Defect::TakesHeldLeases)) {
            return Ok(Acquired::Held(row.info(scope, now_ms)?));
        }
        let epoch = stored.as_ref().map_or(0, |row| row.epoch) + 1;
        let expires_ms = now_ms.saturating_add(length_ms);
        let lease = Lease { scope: scope.clone(), epoch, owner: owner.to_owned(), expires_at: timestamp(expires_ms)? };
        *stored = Some(LeaseRow { epoch, owner: owner.to_owned(), since_ms: now_ms, expires_ms });
        Ok(Acquired::Lease(lease))
    }

    pub(super) fn renew_lease(&self, lease: &mut Lease, length_ms: i64) -> Result<()> {
        let expires_ms = self.now_ms().saturating_add(length_ms);
        let mut state = self.state();
        let row = self.leased(&mut state, lease)?.lease.as_mut().ok_or_else(lease_lost)?;
        lease.expires_at = timestamp(expires_ms)?;
        row.expires_ms = expires_ms;
        Ok(())
    }

    pub(super) fn release_lease(&self, lease: &Lease) -> Result<()> {
        let mut state = self.state();
        let row = state.scopes.get_mut(&lease.scope).and_then(|data| data.lease.as_mut());
        if let Some(row) = row.filter(|row| row.epoch == lease.epoch) {
            row.expires_ms = 0;
        }
        Ok(())
    }
}
