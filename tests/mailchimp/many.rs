//! A thousand organizations in one store, all at work at once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use sync_core::{Collection, EffectGrants, Value};
use sync_engine::{MemoryStore, Store};
use sync_sandbox::{AudienceSeed, MailchimpSeed};
use sync_store::{SqlStore, StoreKey};
use sync_testkit::SimClock;
use sync_tests::{KEY, Town, customer, number};

/// How many run side by side: neighbours take turns at each of their calls.
const AT_ONCE: usize = 50;

fn organization(n: u64) -> String {
    format!("shop-{n:04}")
}

fn audience(n: u64) -> String {
    format!("a{n:09}")
}

/// Runs all of them side by side; how many went well.
async fn all(town: &Town, n_organizations: u64) -> usize {
    let one = |n: u64| {
        let rig = town.rig.clone();
        async move { rig.agree(&organization(n), &EffectGrants::none()).await.success }
    };
    let ended: Vec<bool> = stream::iter(0..n_organizations).map(one).buffer_unordered(AT_ONCE).collect().await;
    ended.into_iter().filter(|success| *success).count()
}

/// All of them have customers of the same ids and addresses, and see what is their own.
async fn stay_apart(store: Arc<dyn Store>, clock: SimClock, n_organizations: u64) {
    let mut account = MailchimpSeed::new(KEY);
    for n in 0..n_organizations {
        account = account.with_audience(AudienceSeed::new(audience(n), format!("Audience {n}")));
    }
    let town = Town::with(account, 303, clock, store, |transport| transport);
    for n in 0..n_organizations {
        let organization = organization(n);
        for name in ["ada", "ben"] {
            let record =
                customer(name, &[&organization]).with("first_name", Value::text(format!("{name} of {organization}")));
            town.shop.put(&organization, &Collection::CUSTOMERS, name, record);
        }
        town.rig.connect(&organization, KEY, json!({"audience": audience(n)})).await.unwrap();
    }
    let n_all = usize::try_from(n_organizations).unwrap();
    assert_eq!(all(&town, n_organizations).await, n_all);
    // In every third of them somebody leaves, in every second one somebody gets another name.
    let leaves = |n: u64| n.is_multiple_of(3);
    for n in 0..n_organizations {
        if leaves(n) {
            let act = json!({"do": "unsubscribe", "list": audience(n), "email": "ada@example.com"});
            town.sandbox.act(&act).unwrap();
        }
        if n.is_multiple_of(2) {
            town.shop.edit(&organization(n), &Collection::CUSTOMERS, "ben", |record| {
                record.set("first_name", Value::text(format!("Benjamin of {}", organization(n))));
            });
        }
    }
    town.clock.advance(Duration::from_secs(60));
    assert_eq!(all(&town, n_organizations).await, n_all);

    let lists = town.sandbox.state()["lists"].take();
    let mut remotes = BTreeSet::new();
    for n in 0..n_organizations {
        let (organization, list) = (organization(n), &lists[audience(n)]["members"]);
        assert_eq!(list.as_object().unwrap().len(), 2, "{organization}");
        let ben = if n.is_multiple_of(2) { "Benjamin" } else { "ben" };
        for (name, first_name) in [("ada", "ada"), ("ben", ben)] {
            let member = &list[format!("{name}@example.com")];
            assert_eq!(member["merge_fields"]["FNAME"], format!("{first_name} of {organization}"));
            assert_eq!(member["tags"], json!([organization]));
        }
        // Who left one of them has left none of the others.
        let facts = town.shop.facts(&organization);
        assert_eq!(facts.len(), usize::from(leaves(n)), "{organization}");
        assert!(facts.iter().all(|fact| fact.source.ends_with(&audience(n))), "{organization} is told of another's");
        let (store, scope) = (town.rig.store(), town.rig.scope(&organization));
        let channel = sync_core::Channel::Email;
        let known = store.suppressed(&scope.organization, channel, &["ada@example.com".to_owned()]).await.unwrap();
        assert_eq!(known[0].is_some(), leaves(n), "{organization}");
        let connections = store.connections(Some(&scope.organization), None, 10).await.unwrap();
        assert_eq!(connections.iter().map(|row| &row.scope).collect::<Vec<_>>(), [&scope]);
        for name in ["ada", "ben"] {
            let links = store.links_of(&scope, name).await.unwrap();
            assert_eq!(links.len(), 1, "{organization}: {name}");
            assert_eq!(links[0].container.as_ref().map(|container| container.as_str()), Some(audience(n).as_str()));
            remotes.insert((links[0].container.clone(), links[0].remote.clone()));
        }
        assert!(store.runs(&scope, None, 10).await.unwrap().len() <= 4, "{organization} is shown another's runs");
    }
    assert_eq!(remotes.len(), 2 * n_all);
}

#[test]
fn a_thousand_organizations_at_once_stay_apart() {
    let clock = SimClock::new();
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    clock.clone().block_on(stay_apart(store, clock, number("SYNC_TEST_ORGANIZATIONS").unwrap_or(1_000)));
}

#[tokio::test]
async fn a_thousand_organizations_in_one_file_stay_apart() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqlStore::open(directory.path().join("sync.db"), StoreKey::generate().unwrap()).await.unwrap();
    stay_apart(Arc::new(store), SimClock::skipping(), number("SYNC_TEST_ORGANIZATIONS").unwrap_or(1_000)).await;
}
