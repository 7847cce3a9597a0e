//! The one way out: authentication, budgets, retry, redaction.
//!
//! A host makes one [`Client`] per process and asks it for one [`AuthorizedExchange`] per connection. Providers see
//! only [`sync_core::Exchange`]: they describe a request and get an answer that their own `classify` took for a
//! success. Everything between lies here, in one loop:
//!
//! 1. The grant is read; a dead one opens the circuit and nothing is sent. An OAuth token that is about to expire is
//!    refreshed first, by one exchange across all tasks and processes, and stored before it is used.
//! 2. The call waits for its budgets (see [`Limits`]): urgent lanes first, tenants in turn, the reserve kept back.
//! 3. The bytes go out through the [`sync_core::Transport`] port ([`ReqwestTransport`] in life), never later than the
//!    deadline allows.
//! 4. The answer is classified; the call is sent again only where that is safe (see [`RetryPolicy`]).
//!
//! # Names that stay stable
//!
//! | span | fields |
//! | --- | --- |
//! | `sync_http.call` | `integration`, `operation`, `method`, `endpoint`, `lane`, `attempt` (the latest), `status` (the latest), `outcome` |
//! | `sync_http.token` | `integration`, `grant` (`authorization_code`, `refresh_token`), `outcome` |
//!
//! | metric | kind | labels |
//! | --- | --- | --- |
//! | `sync_http_calls_total` | counter | `integration`, `operation`, `outcome` (`ok` or the error's kind) |
//! | `sync_http_attempts_total` | counter | `integration`, `operation`, `status` (`unreachable`, `cut-off`, `timed-out`, `too-large` where there was none) |
//! | `sync_http_retries_total` | counter | `integration`, `operation`, `reason` (the error's kind) |
//! | `sync_http_call_seconds` | histogram | `integration`, `operation` |
//! | `sync_http_budget_wait_seconds` | histogram | `integration`, `lane` |
//! | `sync_http_refreshes_total` | counter | `integration`, `outcome` (`ok`, `lost` or the error's kind) |
//! | `sync_http_circuit_open_total` | counter | `integration` |
//!
//! No span, event or metric holds a URL, a query, a header or a body.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod api_key;
mod budget;
mod client;
mod config;
mod endpoint;
mod exchange;
mod har;
mod oauth;
mod redact;
mod retry;
mod session;
mod system;
mod telemetry;
mod time;
mod transport;

pub use api_key::grant_from_key;
pub use budget::{LimitOverride, Limits, QuotaLeft};
pub use client::{Client, ClientBuilder};
pub use config::OAuthClient;
pub use exchange::AuthorizedExchange;
pub use har::Archive;
pub use oauth::{GrantHistory, SignIn, WayBack, missing_scopes};
pub use retry::RetryPolicy;
pub use system::{system_clock, system_random};
pub use transport::{ReqwestTransport, TransportConfig};
