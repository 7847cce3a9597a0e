//! The same over a database, which outlives the process.

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::json;
use sync_core::{EffectGrants, Value};
use sync_engine::Store;
use sync_store::{PostgresOptions, SqlStore, StoreKey};
use sync_testkit::{Fault, FaultRule, On, PostgresServer, SimClock, sim::Rig};
use sync_tests::{AUDIENCE, KEY, Laws, ORG, Town, customer, member};

/// A key as `syncctl` makes one, fixed so that a store can be opened again.
fn key(dir: &Path) -> StoreKey {
    StoreKey::from_file_or_create(dir.join("key")).unwrap()
}

/// A file in this directory, or a server's schema.
async fn open(dir: &Path, server: Option<&PostgresOptions>) -> Arc<SqlStore> {
    Arc::new(match server {
        None => SqlStore::open(dir.join("sync.db"), key(dir)).await.unwrap(),
        Some(options) => SqlStore::connect(options.clone(), key(dir)).await.unwrap(),
    })
}

/// The town over this store, as another process finds it.
fn reopened(town: &Town, store: Arc<dyn Store>) -> Town {
    let rig = Rig::new(
        provider_mailchimp::REGISTRATION,
        town.clock.clone(),
        store,
        town.shop.clone(),
        Arc::new(town.wire.clone()),
    );
    Town { rig, ..town.clone() }
}

#[tokio::test]
async fn a_database_file_remembers_across_processes_and_lost_replies() {
    let dir = tempfile::tempdir().unwrap();
    remembers(dir.path(), None).await;

    // Nothing of it can be read without the key, and nothing of the notes is in it.
    let file = std::fs::read(dir.path().join("sync.db")).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!holds(KEY) && !holds(sync_tests::CANARY));
    assert!(holds("ada@example.com"), "the look into the file sees what is there");
}

#[tokio::test]
async fn a_postgresql_schema_remembers_across_processes_and_lost_replies() {
    let Some(server) = PostgresServer::shared() else { return };
    let dir = tempfile::tempdir().unwrap();
    remembers(dir.path(), Some(&PostgresOptions::url(server.url()).schema(server.schema()))).await;
}

async fn remembers(dir: &Path, server: Option<&PostgresOptions>) {
    let store = open(dir, server).await;
    let account = Town::seed([member("ben", "unsubscribed"), member("zoe", "subscribed")]);
    let town = Town::with(account, 501, SimClock::skipping(), store.clone(), |transport| transport);
    for (n, name) in ["ada", "ben", "carl", "dan", "eve"].into_iter().enumerate() {
        town.shop.put(ORG, &"customers".into(), &format!("c{n:04}"), customer(name, &["diver"]));
    }
    town.rig.connect(ORG, KEY, json!({"audience": AUDIENCE})).await.unwrap();
    // The first reply is lost: what became of the call is in the file alone.
    town.wire.add(FaultRule::once(Fault::CutAfter).on(On::Writes));
    let result = town.rig.agree(ORG, &EffectGrants::none()).await;
    assert!(!result.success && result.details.unwrap().resume_at.is_some());
    assert_eq!(town.statuses(AUDIENCE).len(), 6, "it was carried out");
    store.close().await;

    let store = open(dir, server).await;
    let town = reopened(&town, store.clone());
    for _ in 0..4 {
        town.clock.advance(Duration::from_secs(10 * 60));
        town.rig.agree(ORG, &EffectGrants::none()).await;
    }
    let laws = Laws::new().refused(["ben"]);
    assert_eq!(laws.broken(&town).await, [""; 0]);

    town.edit("c0002", |record| {
        record.set("first_name", Value::text("Carlos"));
        record.set("tags", Value::Set(["instructor".to_owned()].into()));
    });
    town.shop.delete(ORG, &"customers".into(), "c0003");
    let result = town.rig.sync(ORG).await;
    assert!(result.success && result.synced == 2, "{result:?}");
    assert_eq!(town.member("dan")["status"], "archived");
    assert_eq!(laws.broken(&town).await, [""; 0]);
    store.close().await;
}
