//! What comes in from a provider: verified first, parsed afterwards.

use bytes::Bytes;

use crate::{AccountId, Hash, RemoteId, ResourceName};

/// The secrets against which a webhook is verified.
pub trait WebhookKeys: Send + Sync {
    /// The keys that are valid for this scope (an app, an account, a channel), the newest first.
    fn keys(&self, scope: &str) -> Vec<Bytes>;
}

/// A verified webhook: how to answer, what it is, and what it hints at. A hint is never applied, only looked at.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inbound {
    /// The answer to give.
    pub reply: http::Response<Bytes>,
    /// The same for the same delivery.
    pub dedupe: DedupeKey,
    /// What to look at, per account. A [`Signal::Channel`] knows no account: there it is the empty text.
    pub signals: Vec<(AccountId, Signal)>,
}

impl Inbound {
    /// What verification made of a request.
    pub fn new(reply: http::Response<Bytes>, dedupe: DedupeKey, signals: Vec<(AccountId, Signal)>) -> Self {
        Self { reply, dedupe, signals }
    }
}

/// Tells deliveries of the same event apart from new ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DedupeKey(pub String);

/// A hint from the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// These records changed.
    Changed {
        /// Their kind.
        resource: ResourceName,
        /// Their ids.
        ids: Vec<RemoteId>,
    },
    /// This feed has news.
    FeedMoved(&'static str),
    /// What this push channel watches has news. The store knows whose feed it is.
    Channel {
        /// The channel's id: [`channel_id`] of the secret that it was started with.
        channel: String,
    },
    /// The grant was withdrawn there.
    Revoked,
}

/// The id of the push channel that was started with this secret: 32 hexadecimal characters, from which the secret can't be
/// computed. A provider that lets us choose a channel's id passes this one on; messages of the channel are verified with
/// [`WebhookKeys::keys`] of it, and become a [`Signal::Channel`] with it.
pub fn channel_id(secret: &str) -> String {
    let mut hash = Hash::start();
    hash.text("push channel");
    hash.text(secret);
    hash.finish().to_string()
}
