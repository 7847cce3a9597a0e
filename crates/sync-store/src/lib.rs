//! `Store`, `Grants`, `Counters`, `SignIns`, `PushChannels` and embedded `Records` on SQLite and PostgreSQL.
//!
//! [`SqlStore`] keeps what runs must remember in one database; credentials in it are sealed with a [`StoreKey`].
//! [`EmbeddedRecords`] keeps the records of hosts without tables of their own.
//!
//! | feature | brings |
//! | --- | --- |
//! | `sqlite` (default) | `SqlStore::open`: one file, one writer |
//! | `postgres` | `SqlStore::connect`: a schema of a PostgreSQL database, for any number of processes; `outbox` |
//! | `rustls`, `native-tls` | TLS of connections to PostgreSQL |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod db;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod error;
mod key;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod migrate;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod records;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod seal;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod store;

pub use key::StoreKey;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use postgres::{PostgresOptions, outbox};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use records::{EmbeddedRecords, Upserted};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use sqlite::SqliteOptions;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use store::SqlStore;

/// A store in one SQLite file.
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub type SqliteStore = SqlStore;
