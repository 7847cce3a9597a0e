//! A process dies at every point at which it changes anything.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use sync_core::{EffectGrants, Value};
use sync_engine::{MemoryStore, Store};
use sync_sandbox::MemberSeed;
use sync_testkit::{
    Shop, SimClock,
    crash::{Crash, CrashSink, CrashStore, CrashTransport, Sweep, World, sweep, sweep_twice},
};
use sync_tests::{Laws, ORG, Town, agreed, customer, member, number};

/// A town whose processes can die.
struct Mortal {
    town: Town,
    crash: Crash,
    laws: Laws,
    grants: EffectGrants,
}

impl Mortal {
    fn new(grants: EffectGrants) -> Self {
        let crash = Crash::never();
        let clock = SimClock::new();
        let memory = MemoryStore::new(Arc::new(clock.clone()));
        let store: Arc<dyn Store> = Arc::new(CrashStore::new(Arc::new(memory), crash.clone()));
        let wire = crash.clone();
        let town = Town::with(Town::seed(members()), 401, clock, store, move |transport| {
            Arc::new(CrashTransport::new(transport, wire))
        });
        let shop: Arc<Shop> = town.shop.clone();
        let sink = Arc::new(CrashSink::new(shop, crash.clone()));
        let rig = town.rig.clone().with_sink(sink).with_config(json!({"members_per_call": 3, "page_size": 5}));
        let town = Town { rig, ..town };
        for (n, name) in NAMES.into_iter().enumerate() {
            let tags: &[&str] = if n % 3 == 0 {
                &["diver"]
            } else if n % 3 == 1 {
                &["diver", "guest"]
            } else {
                &[]
            };
            town.shop.put(ORG, &"customers".into(), &id(n), customer(name, tags));
        }
        let laws = Laws::new().refused(["ben", "cleo"]).foreign_tag("ada", "a marketer's tag");
        Self { town, crash, laws, grants }
    }

    /// After a first push and an hour, with changes on both sides.
    fn later(grants: EffectGrants) -> Self {
        let mut world = Self::new(grants.clone());
        let town = &world.town;
        town.clock.block_on(async {
            town.rig.connect(ORG, sync_tests::KEY, settings()).await.unwrap();
            assert!(town.rig.agree(ORG, &grants).await.success);
        });
        town.clock.advance(std::time::Duration::from_secs(3600));
        town.clock.block_on(town.rig.sync(ORG));
        town.edit(&id(3), |record| {
            record.set("first_name", Value::text("Daniel"));
        });
        town.edit(&id(4), |record| {
            record.set("email", Value::text("evelyn@example.com"));
            record.set("tags", Value::Set(["guest".to_owned(), "instructor".to_owned()].into()));
        });
        town.edit(&id(5), |record| {
            record.set("tags", Value::Set(["instructor".to_owned()].into()));
        });
        town.edit(&id(6), |record| {
            record.set("consent.email", agreed(sync_core::ConsentState::Denied, "2026-03-01T12:30:00Z"));
        });
        town.shop.delete(ORG, &"customers".into(), &id(7));
        town.shop.put(ORG, &"customers".into(), "c9001", customer("nora", &["diver"]));
        town.act("unsubscribe", "ida", json!({}));
        town.act("tag", "dan", json!({"name": "a marketer's tag"}));
        world.laws = Laws::new()
            .refused(["ben", "cleo", "ida"])
            .foreign_tag("ada", "a marketer's tag")
            .foreign_tag("dan", "a marketer's tag");
        world
    }
}

const NAMES: [&str; 12] = ["ada", "ben", "cleo", "dan", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "leo"];

fn id(n: usize) -> String {
    format!("c{n:04}")
}

fn members() -> Vec<MemberSeed> {
    vec![
        member("ada", "subscribed").with_tag("a marketer's tag"),
        member("ben", "unsubscribed"),
        member("cleo", "cleaned"),
        member("zoe", "subscribed"),
    ]
}

fn settings() -> serde_json::Value {
    json!({"audience": sync_tests::AUDIENCE})
}

#[async_trait]
impl World for Mortal {
    fn clock(&self) -> SimClock {
        self.town.clock.clone()
    }

    fn crash(&self) -> Crash {
        self.crash.clone()
    }

    async fn work(&self) -> bool {
        if self.town.rig.connect(ORG, sync_tests::KEY, settings()).await.is_err() {
            return false;
        }
        let result = self.town.rig.agree(ORG, &self.grants).await;
        let waits = result.details.as_ref().is_some_and(|details| details.outcomes.of("pending") > 0);
        result.success && result.synced == 0 && !waits
    }

    async fn broken_laws(&self) -> Vec<String> {
        self.laws.broken(&self.town).await
    }
}

fn report(of: &str, swept: &Sweep) {
    println!("{of}: {swept}");
    for (point, n) in &swept.by_name {
        println!("  {n:>4} {point}");
    }
    swept.assert_held();
}

#[test]
fn killed_anywhere_in_a_first_push_it_ends_well() {
    let swept = sweep(|| Mortal::new(EffectGrants::none()));
    assert!(swept.n_crashes > 60, "{}", swept.n_crashes);
    report("first push", &swept);
}

#[test]
fn killed_anywhere_in_a_first_push_with_grants_it_ends_well() {
    report("first push, tags by segment", &sweep(|| Mortal::new(EffectGrants::of(["automation", "confirmation-mail"]))));
}

#[test]
fn killed_anywhere_in_a_later_run_it_ends_well() {
    let swept = sweep(|| Mortal::later(EffectGrants::none()));
    assert!(swept.n_crashes > 20, "{}", swept.n_crashes);
    report("later run", &swept);
}

#[test]
fn killed_again_while_it_recovers_it_ends_well() {
    let seed = number("SYNC_TEST_SEED").unwrap_or(11);
    let n_pairs = number("SYNC_TEST_RUNS").unwrap_or(60);
    println!("seed {seed}, {n_pairs} pairs each");
    report("first push, twice", &sweep_twice(|| Mortal::new(EffectGrants::none()), n_pairs, seed));
    report("later run, twice", &sweep_twice(|| Mortal::later(EffectGrants::none()), n_pairs, seed + 1));
}
