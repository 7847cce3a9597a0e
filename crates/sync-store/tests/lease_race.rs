//! Real processes over one database race for a lease: who holds it counts one further. No count is lost, and none is doubled.

#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use sync_core::Scope;
use sync_engine::{Acquired, Change, Store, StoredCursor};
use sync_store::{SqlStore, StoreKey};

const PROCESSES: u64 = 4;
const TURNS: u64 = 25;

/// Where a process of the race finds the key, and the file where there is no server. Without it there is no race.
const PLACE: &str = "SYNC_LEASE_RACE_PLACE";
/// The server's address, and the schema.
const DATABASE: [&str; 2] = ["SYNC_LEASE_RACE_DATABASE", "SYNC_LEASE_RACE_SCHEMA"];

type Database = [String; 2];

fn scope() -> Scope {
    Scope::new("blue-manta", "mailchimp")
}

async fn open(place: &Path, database: Option<&Database>) -> SqlStore {
    let key = StoreKey::from_file_or_create(place.join("sync.key")).unwrap();
    match database {
        #[cfg(feature = "postgres")]
        Some([url, schema]) => {
            let options = sync_store::PostgresOptions::url(url.as_str()).schema(schema);
            SqlStore::connect(options, key).await.unwrap()
        }
        #[cfg(feature = "sqlite")]
        None => SqlStore::open(place.join("sync.db"), key).await.unwrap(),
        #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
        _ => panic!("this build has no such store"),
    }
}

async fn counted(store: &SqlStore) -> u64 {
    let cursor = store.cursor(&scope(), "count").await.unwrap();
    cursor.map_or(0, |stored| stored.cursor.as_str().parse().unwrap())
}

async fn race(database: Option<Database>) {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path(), database.as_ref()).await;
    let start = |_| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_of_the_race", "--nocapture"])
            .env(PLACE, place.path())
            .envs(DATABASE.into_iter().zip(database.iter().flatten()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let processes: Vec<_> = (0..PROCESSES).map(start).collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success(), "a process of the race failed");
    }
    assert_eq!(counted(&store).await, PROCESSES * TURNS);
    let last = store.lease(&scope()).await.unwrap().unwrap();
    assert_eq!(last.epoch, PROCESSES * TURNS, "an epoch was given twice, or one was skipped");
}

/// One process: no test of its own.
#[tokio::test]
async fn a_process_of_the_race() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    let database = DATABASE.map(|name| std::env::var(name).ok());
    let database = if let [Some(url), Some(schema)] = database { Some([url, schema]) } else { None };
    let store = open(&place, database.as_ref()).await;
    let owner = std::process::id().to_string();
    let mut n_turns = 0;
    while n_turns < TURNS {
        let Acquired::Lease(lease) = store.acquire(&scope(), &owner, 600_000).await.unwrap() else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let cursor = (counted(&store).await + 1).to_string().into();
        let cursor = StoredCursor { cursor, filter: String::new(), at: jiff::Timestamp::UNIX_EPOCH };
        store.commit(&lease, vec![Change::Cursor { stream: "count".into(), cursor: Some(cursor) }]).await.unwrap();
        store.release(&lease).await.unwrap();
        n_turns += 1;
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn processes_that_race_for_a_lease_of_a_file_hold_it_one_after_another() {
    race(None).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn processes_that_race_for_a_lease_on_postgresql_hold_it_one_after_another() {
    let Some(server) = sync_testkit::PostgresServer::shared() else { return };
    race(Some([server.url(), server.schema()])).await;
}
