//! Crash points of sign-ins and push channels.

use async_trait::async_trait;
use jiff::Timestamp;
use sync_core::{IntegrationId, OwnClient, PendingSignIn, Result, Scope, SignIns};
use sync_engine::{ChannelRow, Moved, PushChannels};

use super::CrashStore;

#[async_trait]
impl SignIns for CrashStore {
    async fn own_client(&self, scope: &Scope) -> Result<Option<OwnClient>> {
        self.inner.own_client(scope).await
    }

    async fn put_own_client(&self, scope: &Scope, client: Option<&OwnClient>) -> Result<()> {
        self.crash.around("store.put_own_client", self.inner.put_own_client(scope, client)).await
    }

    async fn put_sign_in(&self, pending: &PendingSignIn, forget_before: Timestamp) -> Result<()> {
        self.crash.around("store.put_sign_in", self.inner.put_sign_in(pending, forget_before)).await
    }

    async fn sign_in(&self, id: &str) -> Result<Option<PendingSignIn>> {
        self.inner.sign_in(id).await
    }

    async fn use_sign_in(&self, scope: &Scope, id: &str) -> Result<bool> {
        self.crash.around("store.use_sign_in", self.inner.use_sign_in(scope, id)).await
    }
}

#[async_trait]
impl PushChannels for CrashStore {
    async fn put_channel(&self, row: &ChannelRow) -> Result<bool> {
        self.crash.around("store.put_channel", self.inner.put_channel(row)).await
    }

    async fn channels(&self, scope: &Scope) -> Result<Vec<ChannelRow>> {
        self.inner.channels(scope).await
    }

    async fn channel(&self, integration: &IntegrationId, id: &str) -> Result<Option<ChannelRow>> {
        self.inner.channel(integration, id).await
    }

    async fn drop_channel(&self, scope: &Scope, id: &str) -> Result<()> {
        self.crash.around("store.drop_channel", self.inner.drop_channel(scope, id)).await
    }

    async fn mark_moved(&self, scope: &Scope, feed: &str, at: Timestamp) -> Result<()> {
        self.crash.around("store.mark_moved", self.inner.mark_moved(scope, feed, at)).await
    }

    async fn moved(&self, after: Option<(&Scope, &str)>, limit: usize) -> Result<Vec<Moved>> {
        self.inner.moved(after, limit).await
    }

    async fn clear_moved(&self, read: &Moved) -> Result<()> {
        self.crash.around("store.clear_moved", self.inner.clear_moved(read)).await
    }
}
