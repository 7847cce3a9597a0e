//! Push channels, and the marks that they leave.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use sync_core::{ContainerId, IntegrationId, Result, Scope, Watching};

/// A push channel: what a provider calls when a feed has news.
#[derive(Debug, Clone)]
pub struct ChannelRow {
    /// Its id: [`sync_core::channel_id`] of the secret.
    pub id: String,
    /// Whose, with which provider.
    pub scope: Scope,
    /// The feed that it watches.
    pub feed: String,
    /// The container, where the feed is read by container.
    pub container: Option<ContainerId>,
    /// Rises with each channel of the same feed and container.
    pub generation: u64,
    /// Where it calls.
    pub url: String,
    /// What it shows there, sealed at rest.
    pub secret: SecretString,
    /// What the provider said when it was started; `None` while nobody knows whether it was.
    pub watching: Option<Watching>,
    /// When it was asked for.
    pub since: Timestamp,
}

/// A mark that a feed has news. Marks of one feed are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Whose, with which provider.
    pub scope: Scope,
    /// The feed.
    pub feed: String,
    /// When it was marked first.
    pub since: Timestamp,
    /// Rises with each mark: news that come while a run is under way are not taken for those that it read.
    pub marks: u64,
}

/// Where push channels and marks are kept. Unlike a run's changes they need no lease: a provider calls when it likes.
#[async_trait]
pub trait PushChannels: Send + Sync {
    /// Stores a channel under its id. `false`, and nothing is stored, when another one has the same feed, container and
    /// generation: somebody else starts it.
    async fn put_channel(&self, row: &ChannelRow) -> Result<bool>;

    /// A connection's channels, in order of feed, container and generation.
    async fn channels(&self, scope: &Scope) -> Result<Vec<ChannelRow>>;

    /// The channel of this id. Names no organization: a provider's message brings the id alone.
    async fn channel(&self, integration: &IntegrationId, id: &str) -> Result<Option<ChannelRow>>;

    /// Forgets a channel.
    async fn drop_channel(&self, scope: &Scope, id: &str) -> Result<()>;

    /// Marks a feed.
    async fn mark_moved(&self, scope: &Scope, feed: &str, at: Timestamp) -> Result<()>;

    /// Marks in order of scope and feed, after such a pair.
    async fn moved(&self, after: Option<(&Scope, &str)>, limit: usize) -> Result<Vec<Moved>>;

    /// Takes a mark away, unless the feed was marked again since it was read.
    async fn clear_moved(&self, read: &Moved) -> Result<()>;
}
