//! What can be wrong with a database or its key, each with its error; and what keeps secrets secret.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used)]

use std::{path::Path, time::Duration};

use sqlx::{Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use sync_core::{Channel, ConsentState, Credentials, Error, ErrorKind, Grant, Grants, Scope};
use sync_engine::{Acquired, Change, Store, Suppression};
use sync_store::{SqlStore, SqliteOptions, StoreKey};
use tempfile::TempDir;

const SECRET: &str = "a-very-secret-api-key-us6";
const ADDRESS: &str = "ada@example.com";

fn scope() -> Scope {
    Scope::new("blue-manta", "mailchimp")
}

fn grant(generation: u64) -> Grant {
    Grant {
        generation,
        credentials: Credentials::ApiKey(SECRET.to_owned().into()),
        vars: [("dc".to_owned(), "us6".to_owned())].into(),
        scopes: Vec::new(),
        account: None,
        dead_since: None,
    }
}

async fn open(directory: &TempDir, key: &StoreKey) -> Result<SqlStore, Error> {
    SqlStore::open(directory.path().join("sync.db"), key.clone()).await
}

/// The database itself, as no part of the store opens it.
async fn raw(directory: &TempDir) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(directory.path().join("sync.db"))).await.unwrap()
}

async fn suppress(store: &SqlStore, address: &str) {
    let Acquired::Lease(lease) = store.acquire(&scope(), "test", 60_000).await.unwrap() else { panic!("the lease is held") };
    let suppression = Suppression { at: jiff::Timestamp::UNIX_EPOCH, state: ConsentState::Denied };
    let change = Change::Suppress { channel: Channel::Email, address: address.into(), suppression };
    store.commit(&lease, vec![change]).await.unwrap();
    store.release(&lease).await.unwrap();
}

async fn is_suppressed(store: &SqlStore, address: &str) -> bool {
    store.suppressed(&scope().organization, Channel::Email, &[address.to_owned()]).await.unwrap()[0].is_some()
}

#[track_caller]
fn refused<T>(result: Result<T, Error>, kind: ErrorKind) -> Error {
    let Err(error) = result else { panic!("this should have been refused") };
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.remedy().is_some(), "no remedy: {error}");
    error
}

#[tokio::test]
async fn a_database_opens_with_its_own_key_alone() {
    let (directory, key) = (TempDir::new().unwrap(), StoreKey::generate().unwrap());
    let store = open(&directory, &key).await.unwrap();
    let installation = store.installation().await.unwrap();
    store.close().await;
    let error = refused(open(&directory, &StoreKey::generate().unwrap()).await, ErrorKind::WrongKey);
    assert!(error.to_string().contains(key.ids().next().unwrap()), "the error doesn't say which key is needed: {error}");
    assert_eq!(open(&directory, &key).await.unwrap().installation().await.unwrap(), installation);
}

#[tokio::test]
async fn a_newer_key_seals_and_the_older_one_still_reads() {
    let (directory, old, new) = (TempDir::new().unwrap(), StoreKey::generate().unwrap(), StoreKey::generate().unwrap());
    let store = open(&directory, &old).await.unwrap();
    store.swap(&scope(), None, Some(grant(1))).await.unwrap();
    suppress(&store, ADDRESS).await;
    store.close().await;

    let both = new.clone().with_older(&old);
    let store = open(&directory, &both).await.unwrap();
    assert!(store.load(&scope()).await.unwrap().is_some());
    assert!(is_suppressed(&store, "Ada@Example.com").await);
    suppress(&store, "bob@example.com").await;
    assert_eq!((store.reseal().await.unwrap(), store.reseal().await.unwrap()), (1, 0));
    assert!(store.load(&scope()).await.unwrap().is_some());
    store.close().await;

    refused(open(&directory, &old).await, ErrorKind::WrongKey);
    // The suppression of the older key can't be hashed anew, and losing it would let mail through.
    refused(open(&directory, &new).await, ErrorKind::WrongKey);
    let store = open(&directory, &both).await.unwrap();
    assert!(is_suppressed(&store, ADDRESS).await && is_suppressed(&store, "bob@example.com").await);
}

#[tokio::test]
async fn a_grant_that_was_moved_to_another_row_does_not_open() {
    let (directory, key) = (TempDir::new().unwrap(), StoreKey::generate().unwrap());
    let store = open(&directory, &key).await.unwrap();
    store.swap(&scope(), None, Some(grant(1))).await.unwrap();
    let theirs = Scope::new("other", "mailchimp");
    store.swap(&theirs, None, Some(grant(1))).await.unwrap();
    let swap =
        "update credential set api_key = (select api_key from credential where org = 'blue-manta') where org = 'other'";
    sqlx::query(swap).execute(&mut raw(&directory).await).await.unwrap();
    refused(store.load(&theirs).await, ErrorKind::WrongKey);
    assert!(store.load(&scope()).await.unwrap().is_some());
    let column = "update credential set access = api_key, api_key = null where org = 'blue-manta'";
    sqlx::query(column).execute(&mut raw(&directory).await).await.unwrap();
    refused(store.load(&scope()).await, ErrorKind::WrongKey);
}

#[tokio::test]
async fn neither_secrets_nor_suppressed_addresses_are_in_the_files() {
    let (directory, key) = (TempDir::new().unwrap(), StoreKey::generate().unwrap());
    let store = open(&directory, &key).await.unwrap();
    store.swap(&scope(), None, Some(grant(1))).await.unwrap();
    suppress(&store, ADDRESS).await;
    let mut n_bytes = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        n_bytes += bytes.len();
        for needle in [SECRET, ADDRESS] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_bytes()), "{needle} can be read");
        }
    }
    assert!(n_bytes > 4_096, "the files are empty");
    assert!(!format!("{store:?}").contains(SECRET));
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let (directory, key) = (TempDir::new().unwrap(), StoreKey::generate().unwrap());
    open(&directory, &key).await.unwrap().close().await;
    let newer = "insert into schema_version (version, at_ms) values (999, 0)";
    sqlx::query(newer).execute(&mut raw(&directory).await).await.unwrap();
    refused(open(&directory, &key).await, ErrorKind::Config);
    let row = sqlx::query("select max(version) from schema_version").fetch_one(&mut raw(&directory).await).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 999);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (directory, key) = (TempDir::new().unwrap(), StoreKey::generate().unwrap());
    let path = directory.path().join("sync.db");
    let text = "not a database, but somebody's letters. ".repeat(200);
    std::fs::write(&path, &text).unwrap();
    refused(open(&directory, &key).await, ErrorKind::Corrupt);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_database_is_told_from_a_sound_one() {
    let (directory, key) = (TempDir::new().unwrap(), StoreKey::generate().unwrap());
    let store = open(&directory, &key).await.unwrap();
    assert!(store.integrity().await.unwrap().is_empty());
    assert!(store.schema_version().await.unwrap() >= 2);
    let clock = store.database_clock().await.unwrap();
    assert!(jiff::Timestamp::now().duration_since(clock).as_secs().abs() < 60);
    store.close().await;
    let path = directory.path().join("sync.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // All pages but the first, which holds the header and the schema.
    bytes[4_096..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    match open(&directory, &key).await {
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
        Ok(store) => assert!(!store.integrity().await.unwrap().is_empty()),
    }
}

#[tokio::test]
async fn a_database_that_another_program_holds_is_reported_as_locked() {
    let (directory, key) = (TempDir::new().unwrap(), StoreKey::generate().unwrap());
    let options = SqliteOptions::default().busy_timeout(Duration::from_millis(20));
    let path = directory.path().join("sync.db");
    let store = SqlStore::open_with(&path, key.clone(), options.clone()).await.unwrap();
    let mut other = raw(&directory).await;
    sqlx::query("begin immediate").execute(&mut other).await.unwrap();
    let error = refused(store.swap(&scope(), None, Some(grant(1))).await, ErrorKind::Store);
    assert!(error.to_string().contains("locked"), "{error}");
    refused(SqlStore::open_with(&path, key, options).await, ErrorKind::Store);
    assert!(store.load(&scope()).await.unwrap().is_none(), "reading goes on, and nothing was written");
    sqlx::query("rollback").execute(&mut other).await.unwrap();
    store.swap(&scope(), None, Some(grant(1))).await.unwrap();
}

#[tokio::test]
async fn a_place_that_can_not_be_written_to_is_a_matter_of_configuration() {
    let (directory, key) = (TempDir::new().unwrap(), StoreKey::generate().unwrap());
    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for path in [directory.path().join("missing/sync.db"), file.join("sync.db"), directory.path().to_owned()] {
        refused(SqlStore::open(&path, key.clone()).await, ErrorKind::Config);
    }
    let options = SqliteOptions::default().create(false);
    refused(SqlStore::open_with(directory.path().join("none.db"), key, options).await, ErrorKind::Config);
    assert!(!Path::new(&directory.path().join("none.db")).exists());
}

#[tokio::test]
async fn two_that_open_a_new_database_at_once_make_one() {
    let (directory, key) = (TempDir::new().unwrap(), StoreKey::generate().unwrap());
    let (first, second) = tokio::join!(open(&directory, &key), open(&directory, &key));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.installation().await.unwrap(), second.installation().await.unwrap());
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, key) = (TempDir::new().unwrap(), StoreKey::generate().unwrap());
    let store = open(&directory, &key).await.unwrap();
    store.swap(&scope(), None, Some(grant(1))).await.unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
    }
}
