//! Leases. A lease of no length is over at once, so nothing here waits.

use futures_util::future::join_all;
use sync_core::{ErrorKind, Scope};
use sync_engine::{Acquired, Change, Mark};

use super::{StoreHarness, leased, make::*, refused};

pub(super) async fn a_lease_keeps_others_out_until_it_is_given_back(harness: &impl StoreHarness) {
    let (store, mut held) = leased(harness).await;
    assert_eq!(held.epoch, 1);
    match store.acquire(&SCOPE(), "somebody", LONG_MS).await.must("acquire") {
        Acquired::Held(info) => {
            assert_eq!((info.owner.as_str(), info.epoch), ("suite", 1));
            assert!(info.since <= info.now && info.now < info.expires_at);
        }
        Acquired::Lease(_) => panic!("two hold one lease"),
    }
    let other = lease(&*store, &Scope::new("other", "mailchimp")).await;
    assert_eq!(other.epoch, 1, "another tenant's lease is another lease");

    let before = held.expires_at;
    store.renew(&mut held, 2 * LONG_MS).await.must("renew");
    assert!(held.expires_at > before);
    let info = store.lease(&SCOPE()).await.must("lease").must("somebody holds it");
    assert_eq!(info.expires_at, held.expires_at);

    store.release(&held).await.must("release");
    let info = store.lease(&SCOPE()).await.must("lease").must("somebody held it");
    assert!(info.expires_at <= info.now);
    refused(store.renew(&mut held, LONG_MS).await, ErrorKind::LeaseLost);
    assert_eq!(lease(&*store, &SCOPE()).await.epoch, 2, "epochs never repeat");
}

pub(super) async fn a_lease_that_is_over_is_taken_over_and_refused(harness: &impl StoreHarness) {
    let store = harness.open().await;
    let Acquired::Lease(mut old) = store.acquire(&SCOPE(), "frozen", 0).await.must("acquire") else {
        panic!("the lease was free");
    };
    refused(store.commit(&old, vec![]).await, ErrorKind::LeaseLost);
    refused(store.renew(&mut old, LONG_MS).await, ErrorKind::LeaseLost);
    let new = lease(&*store, &SCOPE()).await;
    assert_eq!(new.epoch, old.epoch + 1);
    refused(store.commit(&old, vec![Change::PutLink(link("1", Some("r1")))]).await, ErrorKind::LeaseLost);
    store.release(&old).await.must("release");
    store.commit(&new, vec![]).await.must("the new holder's lease was given back by the old one");
    let links = store.links_by_local(&SCOPE(), &ACCOUNT, &CONTACTS, &MAIN, &ids(&["1"])).await.must("links");
    assert_eq!(links, [None]);
}

pub(super) async fn one_of_many_acquirers_wins(harness: &impl StoreHarness) {
    let store = harness.open().await;
    let scope = SCOPE();
    for round in 1..=4 {
        let races = join_all((0..16).map(|_| store.acquire(&scope, "racer", LONG_MS))).await;
        let winners = races.into_iter().filter_map(|result| match result.must("acquire") {
            Acquired::Lease(lease) => Some(lease),
            Acquired::Held(_) => None,
        });
        let winners: Vec<_> = winners.collect();
        assert_eq!(winners.iter().map(|lease| lease.epoch).collect::<Vec<_>>(), [round]);
        for lease in winners {
            store.release(&lease).await.must("release");
        }
    }
}

pub(super) async fn every_write_of_a_run_needs_its_lease(harness: &impl StoreHarness) {
    let (store, held) = leased(harness).await;
    store.append_seen(&held, &RUN, vec![seen("r1", "a")]).await.must("append");
    store.append_plan(&held, &RUN, vec![planned(1, "1", vec![part(0, "g", 1)])]).await.must("append");
    store.release(&held).await.must("release");
    refused(store.append_seen(&held, &RUN, vec![seen("r2", "a")]).await, ErrorKind::LeaseLost);
    refused(store.append_marks(&held, &RUN, &CONTACTS, None, &ids(&["r1"]), Mark::Gone).await, ErrorKind::LeaseLost);
    refused(store.append_plan(&held, &RUN, vec![planned(2, "2", vec![])]).await, ErrorKind::LeaseLost);
    refused(store.clear_scratch(&held, &RUN, true).await, ErrorKind::LeaseLost);
    refused(store.commit(&held, vec![Change::Run(Box::new(run("run-1", 0)))]).await, ErrorKind::LeaseLost);
    assert_eq!(store.seen_page(&SCOPE(), &RUN, None, 9).await.must("seen").len(), 1);
    assert_eq!(store.plan_page(&SCOPE(), &RUN, 0, 9).await.must("plan").len(), 1);
    assert_eq!(store.run(&SCOPE(), &RUN).await.must("run"), None);
}
