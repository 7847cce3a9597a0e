//! Opening a store in one SQLite file.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use sync_core::{Error, ErrorKind, Result};

use crate::{
    SqlStore, StoreKey,
    db::{Db, query, sqlite::Sqlite},
    error::database,
};

/// How the database is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How long a write waits for another process; 10 seconds unless told.
    pub busy_timeout: Duration,
    /// How many connections read at once; 2 unless told.
    pub readers: u32,
    /// Whether a file that isn't there is made; it is, unless told.
    pub create: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(10), readers: 2, create: true }
    }
}

impl SqliteOptions {
    /// With how long a write waits for another process.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// With whether a file that isn't there is made.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }
}

impl SqlStore {
    /// Opens a database, makes it where it isn't there, and brings it up to date.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the directory can't be written to, or the database is newer than this build;
    /// [`ErrorKind::Corrupt`] when the file is no database; [`ErrorKind::WrongKey`] when it was made with another key;
    /// [`ErrorKind::Store`] when it is locked, or the disk is full. Each says what to do.
    pub async fn open(path: impl AsRef<Path>, key: StoreKey) -> Result<Self> {
        Self::open_with(path, key, SqliteOptions::default()).await
    }

    /// Opens a database in this way.
    ///
    /// # Errors
    /// As [`SqlStore::open`].
    pub async fn open_with(path: impl AsRef<Path>, key: StoreKey, options: SqliteOptions) -> Result<Self> {
        let path = path.as_ref();
        let named = |error: Error| error.with_context("path", path.display());
        let (writer, readers) = pools(path, &options).await.map_err(named)?;
        let db = Db::Sqlite(Sqlite { writer, readers });
        Self::opened(db, path.display().to_string(), key).await.map_err(named)
    }

    /// What is wrong with the database, by SQLite's own check; nothing when it is sound. Reads the whole file. PostgreSQL's
    /// pages are its administrator's to check: nothing is said of them.
    ///
    /// # Errors
    /// When the check itself fails.
    pub async fn integrity(&self) -> Result<Vec<String>> {
        #[cfg(feature = "postgres")]
        if matches!(self.readers(), Db::Postgres(_)) {
            return Ok(Vec::new());
        }
        let rows = query("pragma integrity_check").fetch_all(self.readers()).await.map_err(database)?;
        let lines = rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect::<Result<Vec<_>>>()?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }
}

async fn pools(path: &Path, options: &SqliteOptions) -> Result<(SqlitePool, SqlitePool)> {
    if options.create {
        create_private(path)?;
    } else if !path.exists() {
        return Err(Error::new(ErrorKind::Config, "there is no database").with_remedy("Check the path, or create it first."));
    }
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: a create's intent must be on disk before its first byte leaves (NORMAL may lose the last commits of a WAL
        // with the power; <https://www.sqlite.org/pragma.html#pragma_synchronous>). It costs one fsync for each wire call.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(options.busy_timeout)
        .foreign_keys(true)
        // Pages of 4 KiB. Look-ups are spread over all of an index, so that the same pages are written by many commits: a
        // longer log folds them into the file once.
        .pragma("wal_autocheckpoint", "8000")
        .row_buffer_size(512)
        .disable_statement_logging();
    let pool = || SqlitePoolOptions::new().test_before_acquire(false).idle_timeout(None).max_lifetime(None);
    let writer = pool().max_connections(1).acquire_timeout(options.busy_timeout + Duration::from_secs(20));
    let writer = writer.connect_with(cached(connect.clone(), WRITER_CACHE_KIB)).await.map_err(database)?;
    let readers = pool().max_connections(options.readers.max(1));
    let connect = cached(connect, READER_CACHE_KIB).create_if_missing(false).pragma("query_only", "on");
    Ok((writer, readers.connect_lazy_with(connect)))
}

/// How much of the file a connection holds in memory. Readers go through a plan and links in order, and the system's own
/// cache is behind them; the writer comes back to the same pages of its indexes.
const WRITER_CACHE_KIB: u32 = 6 * 1024;
const READER_CACHE_KIB: u32 = 1024;

fn cached(connect: SqliteConnectOptions, kib: u32) -> SqliteConnectOptions {
    // Negative: not pages but KiB (<https://www.sqlite.org/pragma.html#pragma_cache_size>).
    connect.pragma("cache_size", format!("-{kib}"))
}

/// Makes the file so that nobody else can read it: it holds personal data.
fn create_private(path: &Path) -> Result<()> {
    let mut file = std::fs::OpenOptions::new();
    file.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(path).map(drop).map_err(|error| {
        Error::new(ErrorKind::Config, "the database can't be opened for writing")
            .with_remedy("Check that its directory exists and that this user may write to the directory and the file.")
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use sync_core::{LocalId, Scope};
    use sync_engine::{Acquired, Change, LinkState, Store};

    use super::*;

    fn link(local: &str) -> sync_engine::Link {
        sync_engine::Link {
            account: "account".into(),
            resource: "contacts".into(),
            local: local.into(),
            role: sync_core::Role::MAIN,
            container: None,
            remote: None,
            state: LinkState::Open,
            key: Some(format!("{local}@example.com")),
            hash: None,
            base: None,
            call: None,
        }
    }

    fn file(store: &SqlStore) -> &Sqlite {
        match store.readers() {
            Db::Sqlite(file) => file,
            #[cfg(feature = "postgres")]
            Db::Postgres(_) => panic!("this store is in a file"),
        }
    }

    async fn opened(directory: &tempfile::TempDir) -> SqlStore {
        SqlStore::open(directory.path().join("sync.db"), StoreKey::generate().unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_commit_and_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = opened(&directory).await;
        let scope = Scope::new("a", "b");
        let Acquired::Lease(lease) = store.acquire(&scope, "test", 600_000).await.unwrap() else { panic!("it is free") };
        store.commit(&lease, vec![Change::OpenLink(link("first"))]).await.unwrap();
        let pages = |n_pages: &'static str| {
            let store = store.clone();
            async move {
                sqlx::query(n_pages).execute(&file(&store).writer).await.unwrap();
            }
        };
        // The writer's own limit stands for the disk's.
        pages("pragma max_page_count = 1").await;
        let many: Vec<Change> = (0..5_000).map(|i| Change::OpenLink(link(&format!("{i:05}")))).collect();
        let error = store.commit(&lease, many.clone()).await.unwrap_err();
        assert_eq!((error.kind(), error.remedy().is_some()), (ErrorKind::Store, true), "{error}");
        assert!(error.to_string().contains("disk is full"), "{error}");
        pages("pragma max_page_count = 1000000").await;
        let count = async || {
            let counts = store.link_counts(&scope, &"account".into()).await.unwrap();
            counts.iter().map(|row| row.count).sum::<u64>()
        };
        assert_eq!(count().await, 1);
        store.commit(&lease, many).await.unwrap();
        assert_eq!(count().await, 5_001);
    }

    /// Reads of a run must not slow down as a store fills: each is answered from an index, none by a scan.
    #[tokio::test]
    async fn reads_of_a_run_use_their_indexes() {
        let directory = tempfile::tempdir().unwrap();
        let store = opened(&directory).await;
        let mut seen = 0;
        for (sql, index) in crate::store::hot() {
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!("explain query plan {sql}")));
            let rows = rows.fetch_all(&file(&store).readers).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| sqlx::Row::get::<String, _>(row, 3)).collect();
            assert!(plan.iter().any(|line| line.contains(index)), "{index} is not used: {plan:?}");
            assert!(!plan.iter().any(|line| line.starts_with("SCAN l") || line.starts_with("SCAN n")), "a scan: {plan:?}");
            seen += 1;
        }
        assert!(seen > 3);
    }

    #[tokio::test]
    async fn a_dropped_commit_leaves_nothing_and_frees_the_writer() {
        let directory = tempfile::tempdir().unwrap();
        let store = opened(&directory).await;
        let scope = Scope::new("a", "b");
        let Acquired::Lease(lease) = store.acquire(&scope, "test", 600_000).await.unwrap() else { panic!("it is free") };
        for n_polls in 0..40 {
            let many = (0..300).map(|i| Change::PutLink(link(&format!("{n_polls}-{i}")))).collect();
            let mut commit = std::pin::pin!(store.commit(&lease, many));
            // Dropped while it is under way, at another point each time.
            for _ in 0..n_polls {
                if futures_util::poll!(commit.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let ids: Vec<LocalId> = (0..40).flat_map(|n| [format!("{n}-0"), format!("{n}-299")]).map(LocalId::from).collect();
        let (account, resource, role) = ("account".into(), "contacts".into(), sync_core::Role::MAIN);
        let links = store.links_by_local(&scope, &account, &resource, &role, &ids).await.unwrap();
        assert!(links.chunks(2).all(|pair| pair[0].is_some() == pair[1].is_some()), "half of a commit is there");
        store.commit(&lease, vec![Change::PutLink(link("last"))]).await.unwrap();
    }
}
