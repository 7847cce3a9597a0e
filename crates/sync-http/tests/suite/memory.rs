//! Grants, sign-ins and counters in memory.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;
use sync_core::{
    CounterKey, Counters, Error, ErrorKind, Grant, Grants, OwnClient, PendingSignIn, Result, Scope, SignIns, Swapped,
};

#[derive(Default)]
pub(crate) struct MemoryGrants {
    pub(crate) grants: Mutex<HashMap<Scope, Grant>>,
    pub(crate) clients: Mutex<HashMap<Scope, OwnClient>>,
    pub(crate) sign_ins: Mutex<HashMap<String, PendingSignIn>>,
    pub(crate) fail_swaps: AtomicUsize,
    /// How many reads go well before one fails; none fails at 0.
    pub(crate) fail_load: AtomicUsize,
}

impl MemoryGrants {
    pub(crate) fn grant(&self, scope: &Scope) -> Grant {
        self.grants.lock().unwrap()[scope].clone()
    }

    pub(crate) fn put(&self, scope: &Scope, grant: Grant) {
        self.grants.lock().unwrap().insert(scope.clone(), grant);
    }
}

#[async_trait]
impl Grants for MemoryGrants {
    async fn load(&self, scope: &Scope) -> Result<Option<Grant>> {
        if self.fail_load.load(Ordering::SeqCst) > 0 && self.fail_load.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Err(Error::new(ErrorKind::Store, "the store is locked"));
        }
        Ok(self.grants.lock().unwrap().get(scope).cloned())
    }

    async fn swap(&self, scope: &Scope, expected: Option<u64>, grant: Option<Grant>) -> Result<Swapped> {
        if self.fail_swaps.load(Ordering::SeqCst) > 0
            && grant.as_ref().is_some_and(|grant| !grant.vars.contains_key("sync-http.refreshing-until"))
        {
            self.fail_swaps.fetch_sub(1, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::Store, "the store is locked"));
        }
        let mut grants = self.grants.lock().unwrap();
        let stored = grants.get(scope).cloned();
        if stored.as_ref().map(|grant| grant.generation) != expected {
            return Ok(Swapped::Lost(stored.map(Box::new)));
        }
        match grant {
            Some(grant) => grants.insert(scope.clone(), grant),
            None => grants.remove(scope),
        };
        Ok(Swapped::Stored)
    }
}

#[async_trait]
impl SignIns for MemoryGrants {
    async fn own_client(&self, scope: &Scope) -> Result<Option<OwnClient>> {
        Ok(self.clients.lock().unwrap().get(scope).cloned())
    }

    async fn put_own_client(&self, scope: &Scope, client: Option<&OwnClient>) -> Result<()> {
        let mut clients = self.clients.lock().unwrap();
        match client {
            Some(client) => clients.insert(scope.clone(), client.clone()),
            None => clients.remove(scope),
        };
        Ok(())
    }

    async fn put_sign_in(&self, pending: &PendingSignIn, forget_before: Timestamp) -> Result<()> {
        let mut sign_ins = self.sign_ins.lock().unwrap();
        sign_ins.retain(|_, pending| pending.expires_at >= forget_before);
        sign_ins.insert(pending.id.clone(), pending.clone());
        Ok(())
    }

    async fn sign_in(&self, id: &str) -> Result<Option<PendingSignIn>> {
        Ok(self.sign_ins.lock().unwrap().get(id).cloned())
    }

    async fn use_sign_in(&self, scope: &Scope, id: &str) -> Result<bool> {
        let mut sign_ins = self.sign_ins.lock().unwrap();
        let pending = sign_ins.get_mut(id).filter(|pending| pending.scope == *scope && !pending.is_used);
        Ok(pending.map(|pending| pending.is_used = true).is_some())
    }
}

#[derive(Default)]
pub(crate) struct MemoryCounters(pub(crate) Mutex<HashMap<(CounterKey, Timestamp), u32>>);

#[async_trait]
impl Counters for MemoryCounters {
    async fn take(&self, key: &CounterKey, window: Timestamp, amount: u32, limit: u32) -> Result<(u32, bool)> {
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry((key.clone(), window)).or_default();
        let fits = *count + amount <= limit;
        if fits {
            *count += amount;
        }
        Ok((*count, fits))
    }

    async fn correct(&self, key: &CounterKey, window: Timestamp, used: u32) -> Result<()> {
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry((key.clone(), window)).or_default();
        *count = (*count).max(used);
        Ok(())
    }
}
