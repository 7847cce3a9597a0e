//! Opening a store in a schema of a PostgreSQL database.

pub mod outbox;

use std::{fmt, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use sync_core::{Error, ErrorKind, Result};

use crate::{
    SqlStore, StoreKey,
    db::{
        Db,
        postgres::{Postgres, Words},
    },
    error::database,
};

/// Which database, and which schema of it.
#[derive(Clone)]
#[must_use]
pub struct PostgresOptions {
    source: Source,
    schema: String,
    max_connections: u32,
    acquire_timeout: Duration,
}

#[derive(Clone)]
enum Source {
    Url(SecretString),
    Pool(PgPool),
}

/// The schema unless another one is told.
const SCHEMA: &str = "integration_sync";

/// Bytes of a name, at most: more are cut off without a word.
/// Source: <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>, `NAMEDATALEN` - 1.
const MAX_NAME: usize = 63;

/// A connection that lay idle for longer is asked whether it is still there.
const ASK_AFTER: Duration = Duration::from_secs(5);

impl PostgresOptions {
    /// The database of a URL: `postgres://user:password@host:5432/database?sslmode=verify-full`.
    pub fn url(url: impl Into<SecretString>) -> Self {
        Self::of(Source::Url(url.into()))
    }

    /// The database of a pool that the host has anyway. It stays the host's to close. Nothing is set on its connections but
    /// inside transactions; tables are named with their schema.
    pub fn pool(pool: PgPool) -> Self {
        Self::of(Source::Pool(pool))
    }

    fn of(source: Source) -> Self {
        Self { source, schema: SCHEMA.to_owned(), max_connections: 8, acquire_timeout: Duration::from_secs(30) }
    }

    /// The schema that holds the store's tables; `integration_sync` unless told. It is made where it isn't there. Several
    /// stores share a database by a schema each.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// How many connections this process opens at most; 8 unless told. A host's pool has its own limit.
    pub fn max_connections(mut self, n_connections: u32) -> Self {
        self.max_connections = n_connections.max(2);
        self
    }

    /// How long a statement waits for a free connection; 30 seconds unless told. A host's pool has its own limit.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Whether there is a store in the schema.
    ///
    /// # Errors
    /// As [`SqlStore::connect`].
    pub async fn has_store(&self) -> Result<bool> {
        const THERE: &str = "select 1 from pg_class t join pg_namespace s on s.oid = t.relnamespace \
            where s.nspname = $1 and t.relname = 'schema_version'";
        let pool = self.open().await.map_err(|error| error.with_context("schema", &self.schema))?;
        let found = sqlx::query(THERE).bind(&self.schema).fetch_optional(&pool).await.map_err(database)?;
        if matches!(self.source, Source::Url(_)) {
            pool.close().await;
        }
        Ok(found.is_some())
    }

    async fn open(&self) -> Result<PgPool> {
        let url = match &self.source {
            Source::Pool(pool) => return Ok(pool.clone()),
            Source::Url(url) => url.expose_secret(),
        };
        let connect: PgConnectOptions = url.parse().map_err(|_| {
            // The cause is left out: it may quote the password.
            Error::new(ErrorKind::Config, "the database's address can't be read")
                .with_remedy("Write it as postgres://user:password@host:5432/database.")
        })?;
        let connect = match connect.get_application_name() {
            Some(_) => connect,
            None => connect.application_name("integration-sync"),
        };
        let pool = PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.acquire_timeout)
            // A question to the server before each statement would take as long as the statement.
            .test_before_acquire(false)
            .before_acquire(|conn, about| {
                Box::pin(async move {
                    if about.idle_for > ASK_AFTER {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            });
        pool.connect_with(connect.disable_statement_logging()).await.map_err(database)
    }
}

/// Shows neither the address nor what is in it.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl SqlStore {
    /// Connects to a database, makes the schema where it isn't there, and brings it up to date. Any number of processes may
    /// use one schema at once.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the address, the sign-in or the rights are wrong, or the schema is newer than this build;
    /// [`ErrorKind::WrongKey`] when it was made with another key; [`ErrorKind::Store`] when the server can't be reached. Each
    /// says what to do, and none shows the password.
    pub async fn connect(options: PostgresOptions, key: StoreKey) -> Result<Self> {
        let schema = options.schema.as_str();
        if schema.is_empty() || schema.len() > MAX_NAME || schema.contains('\0') {
            return Err(Error::new(ErrorKind::Config, "this can't be the name of a schema")
                .with_context("schema", schema)
                .with_remedy(format!("Choose a name of 1 to {MAX_NAME} bytes.")));
        }
        let named = |error: Error| error.with_context("schema", schema);
        let pool = options.open().await.map_err(named)?;
        let server = pool.connect_options();
        let place = match server.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", server.get_host(), server.get_port()),
        };
        let name = format!("schema {schema} of {} at {place}", server.get_database().unwrap_or(server.get_username()));
        let is_hosts = matches!(options.source, Source::Pool(_));
        let db = Db::Postgres(Postgres { pool, words: Words::new(schema).into(), is_hosts });
        Self::opened(db, name, key).await.map_err(named)
    }
}
