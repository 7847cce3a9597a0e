//! The crate a host depends on: registry, routing, [`Dispatcher`].
//!
//! A host picks providers as Cargo features, implements [`Records`](sync_core::Records) over its own tables, and calls
//! [`Dispatcher::dispatch`]. It gets the same request, the same result and the same guarantees for every provider:
//!
//! ```
//! use std::sync::Arc;
//!
//! use sync_dispatch::{
//!     Dispatcher, MemoryStore,
//!     core::{HostRecords, Records, SyncRequest},
//!     http,
//! };
//!
//! # async fn sync(records: Arc<dyn Records>) -> sync_dispatch::core::Result<()> {
//! let store = Arc::new(MemoryStore::new(Arc::new(http::system_clock())));
//! let dispatcher = Dispatcher::builder(store, HostRecords::ReadOnly(records))
//!     .without_consent_sink()
//!     .build()?;
//! let result = dispatcher.dispatch(SyncRequest::new("blue-manta", "mailchimp")).await;
//! assert!(!result.success, "nobody has connected Mailchimp yet");
//! # Ok(())
//! # }
//! ```
//!
//! | feature | brings |
//! | --- | --- |
//! | `mailchimp` | the provider of that name; `all-providers` brings all there are |
//! | `sqlite`, `postgres` | the store in a file, or in a PostgreSQL database; re-exported as `store` |
//! | `rustls` (default), `native-tls` | TLS to PostgreSQL, and of the transport that is used unless the host brings its own |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod connect;
mod dispatcher;
mod due;
mod ended;
mod health;
mod history;
mod inbound;
mod outbound;
mod plan;
mod registry;
mod schema;
mod session;
mod settings;
mod text;
mod wire;

pub use builder::DispatcherBuilder;
pub use connect::{ConnectOptions, Connected};
pub use dispatcher::Dispatcher;
pub use due::{Did, Due};
pub use health::{Disconnected, Health};
pub use history::{Forgotten, Labelled, LabelledQuestion, RemotePart, Why};
pub use plan::{
    Applied, FieldChange, MovedRecord, PlanCost, PlanEffect, PlanFile, PlanHead, PlanLimit, PlanLine, PlanWriter, Side,
};
pub use registry::{ENABLED, IntegrationInfo, KNOWN, Known};
pub use settings::Configured;
pub use wire::{EndpointAnswer, SyncDetails, endpoint_answer};

pub use sync_core as core;
pub use sync_engine::{
    Breaker, ConnectionRow, ConnectionStatus, EngineConfig, MemoryStore, Progress, ProgressEvent, Retention, RunOptions,
    RunRow, Store,
};
pub use sync_http as http;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres"))))]
pub use sync_store as store;
