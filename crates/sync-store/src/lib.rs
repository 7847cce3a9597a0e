//! `Store`, `Grants`, `Counters` and embedded `Records` on SQLite.
//!
//! [`SqliteStore`] keeps what runs must remember in one file; credentials in it are sealed with a [`StoreKey`].
//! [`EmbeddedRecords`] keeps the records of hosts without tables of their own.

mod error;
mod key;
mod migrate;
mod records;
mod seal;
mod sqlite;

pub use key::StoreKey;
pub use records::{EmbeddedRecords, Upserted};
pub use sqlite::{SqliteOptions, SqliteStore};
