//! Push channels, marks and sign-ins in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use sync_core::{IntegrationId, OwnClient, PendingSignIn, Result, Scope, SignIns};

use super::{
    super::{ChannelRow, Moved, PushChannels},
    MemoryStore,
};

/// What signing in and watching leave behind.
#[derive(Debug, Clone, Default)]
pub(super) struct Doors {
    clients: BTreeMap<Scope, OwnClient>,
    sign_ins: BTreeMap<String, PendingSignIn>,
    channels: BTreeMap<(Scope, String), ChannelRow>,
    moved: BTreeMap<(Scope, String), Moved>,
}

#[async_trait]
impl SignIns for MemoryStore {
    async fn own_client(&self, scope: &Scope) -> Result<Option<OwnClient>> {
        Ok(self.state().doors.clients.get(scope).cloned())
    }

    async fn put_own_client(&self, scope: &Scope, client: Option<&OwnClient>) -> Result<()> {
        let clients = &mut self.state().doors.clients;
        match client {
            Some(client) => clients.insert(scope.clone(), client.clone()),
            None => clients.remove(scope),
        };
        Ok(())
    }

    async fn put_sign_in(&self, pending: &PendingSignIn, forget_before: Timestamp) -> Result<()> {
        let sign_ins = &mut self.state().doors.sign_ins;
        sign_ins.retain(|_, pending| pending.expires_at >= forget_before);
        sign_ins.insert(pending.id.clone(), pending.clone());
        Ok(())
    }

    async fn sign_in(&self, id: &str) -> Result<Option<PendingSignIn>> {
        Ok(self.state().doors.sign_ins.get(id).cloned())
    }

    async fn use_sign_in(&self, scope: &Scope, id: &str) -> Result<bool> {
        let mut state = self.state();
        let pending = state.doors.sign_ins.get_mut(id).filter(|pending| pending.scope == *scope && !pending.is_used);
        Ok(pending.map(|pending| pending.is_used = true).is_some())
    }
}

#[async_trait]
impl PushChannels for MemoryStore {
    async fn put_channel(&self, row: &ChannelRow) -> Result<bool> {
        let channels = &mut self.state().doors.channels;
        let place = |row: &ChannelRow| (row.scope.clone(), row.feed.clone(), row.container.clone(), row.generation);
        if channels.values().any(|other| other.id != row.id && place(other) == place(row)) {
            return Ok(false);
        }
        channels.insert((row.scope.clone(), row.id.clone()), row.clone());
        Ok(true)
    }

    async fn channels(&self, scope: &Scope) -> Result<Vec<ChannelRow>> {
        let state = self.state();
        let mut rows: Vec<_> = state.doors.channels.values().filter(|row| row.scope == *scope).cloned().collect();
        rows.sort_by(|a, b| (&a.feed, &a.container, a.generation).cmp(&(&b.feed, &b.container, b.generation)));
        Ok(rows)
    }

    async fn channel(&self, integration: &IntegrationId, id: &str) -> Result<Option<ChannelRow>> {
        let state = self.state();
        let mut rows = state.doors.channels.values();
        Ok(rows.find(|row| row.scope.integration == *integration && row.id == id).cloned())
    }

    async fn drop_channel(&self, scope: &Scope, id: &str) -> Result<()> {
        self.state().doors.channels.remove(&(scope.clone(), id.to_owned()));
        Ok(())
    }

    async fn mark_moved(&self, scope: &Scope, feed: &str, at: Timestamp) -> Result<()> {
        let new = || Moved { scope: scope.clone(), feed: feed.to_owned(), since: at, marks: 0 };
        self.state().doors.moved.entry((scope.clone(), feed.to_owned())).or_insert_with(new).marks += 1;
        Ok(())
    }

    async fn moved(&self, after: Option<(&Scope, &str)>, limit: usize) -> Result<Vec<Moved>> {
        let state = self.state();
        let rows = state.doors.moved.values();
        let is_after = |row: &&Moved| after.is_none_or(|after| (&row.scope, row.feed.as_str()) > after);
        Ok(rows.filter(is_after).take(limit).cloned().collect())
    }

    async fn clear_moved(&self, read: &Moved) -> Result<()> {
        let moved = &mut self.state().doors.moved;
        let key = (read.scope.clone(), read.feed.clone());
        if moved.get(&key).is_some_and(|stored| stored.marks == read.marks) {
            moved.remove(&key);
        }
        Ok(())
    }
}
