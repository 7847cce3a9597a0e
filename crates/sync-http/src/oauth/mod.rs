//! OAuth 2.0 authorization code flow, by the descriptor's `OAuthServer`: connect, refresh, revoke.

mod answer;
mod connect;
mod refresh;
mod token;

pub use connect::PendingConnect;
