//! OAuth 2.0 authorization code flow, by the descriptor's `OAuthServer`: begin, way back, exchange, refresh, revoke.

mod answer;
mod begin;
mod client;
mod exchange;
mod history;
mod refresh;
mod revoke;
mod scopes;
mod token;
mod way_back;

pub use begin::SignIn;
pub use history::GrantHistory;
pub(crate) use history::client_id;
pub use scopes::missing_scopes;
pub use way_back::WayBack;
