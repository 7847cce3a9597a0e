//! Grants and counters in memory.

use async_trait::async_trait;
use jiff::Timestamp;
use sync_core::{CounterKey, Counters, Grant, Grants, Result, Scope, Swapped};

use super::MemoryStore;

#[async_trait]
impl Grants for MemoryStore {
    async fn load(&self, scope: &Scope) -> Result<Option<Grant>> {
        Ok(self.state().scopes.get(scope).and_then(|data| data.grant.clone()))
    }

    async fn swap(&self, scope: &Scope, expected: Option<u64>, grant: Option<Grant>) -> Result<Swapped> {
        let mut state = self.state();
        let stored = &mut state.scopes.entry(scope.clone()).or_default().grant;
        if stored.as_ref().map(|grant| grant.generation) == expected {
            *stored = grant;
            Ok(Swapped::Stored)
        } else {
            Ok(Swapped::Lost(stored.clone().map(Box::new)))
        }
    }
}

#[async_trait]
impl Counters for MemoryStore {
    async fn take(&self, key: &CounterKey, window: Timestamp, amount: u32, limit: u32) -> Result<(u32, bool)> {
        let mut state = self.state();
        let key = (key.0.clone(), window.as_millisecond());
        let used = state.counters.get(&key).copied().unwrap_or(0);
        match used.checked_add(amount).filter(|sum| *sum <= limit) {
            Some(sum) => {
                state.counters.insert(key, sum);
                Ok((sum, true))
            }
            None => Ok((used, false)),
        }
    }

    async fn correct(&self, key: &CounterKey, window: Timestamp, used: u32) -> Result<()> {
        let mut state = self.state();
        let counter = state.counters.entry((key.0.clone(), window.as_millisecond())).or_default();
        *counter = used.max(*counter);
        Ok(())
    }
}
