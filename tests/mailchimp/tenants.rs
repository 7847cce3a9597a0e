//! Two organizations in one process.

use std::sync::Arc;

use serde_json::json;
use sync_core::{Collection, EffectGrants};
use sync_testkit::{Fault, FaultRule, sim::Rig};
use sync_tests::{AUDIENCE, KEY, OTHER_AUDIENCE, Town, customer};

#[test]
fn two_organizations_at_once_do_not_see_each_other() {
    let town = Town::new([], 301);
    let rig: &Rig = &town.rig;
    for (organization, audience, names) in
        [("blue-manta", AUDIENCE, ["ada", "ben", "carl"]), ("red-sea", OTHER_AUDIENCE, ["ada", "dora", "emil"])]
    {
        for (n, name) in names.into_iter().enumerate() {
            town.shop.put(organization, &Collection::CUSTOMERS, &format!("c{n}"), customer(name, &[organization]));
        }
        town.clock.block_on(rig.connect(organization, KEY, json!({"audience": audience}))).unwrap();
    }
    let none = EffectGrants::none();
    let (blue, red) = town.clock.block_on(async {
        let both = [rig.agree("blue-manta", &none), rig.agree("red-sea", &none)];
        let [blue, red] = both;
        futures_join(blue, red).await
    });
    assert!(blue.success && red.success, "{blue:?} {red:?}");
    let names = |audience: &str| town.statuses(audience).into_keys().collect::<Vec<_>>();
    assert_eq!(names(AUDIENCE), ["ada", "ben", "carl"]);
    assert_eq!(names(OTHER_AUDIENCE), ["ada", "dora", "emil"]);
    // One leaves one of the two: the other organization is told nothing.
    town.sandbox.act(&json!({"do": "unsubscribe", "list": OTHER_AUDIENCE, "email": "ada@example.com"})).unwrap();
    town.clock.block_on(async { futures_join(rig.sync("blue-manta"), rig.sync("red-sea")).await });
    assert_eq!((town.shop.facts("blue-manta").len(), town.shop.facts("red-sea").len()), (0, 1));
    let tags = |audience: &str| town.members(audience)["ada@example.com"]["tags"].clone();
    assert_eq!((tags(AUDIENCE), tags(OTHER_AUDIENCE)), (json!(["blue-manta"]), json!(["red-sea"])));
}

#[test]
fn a_second_run_for_the_same_organization_says_who_is_at_it() {
    let town = Town::new([], 302);
    town.open(&["ada", "ben"]);
    town.wire.add(FaultRule::always(Fault::Slow(std::time::Duration::from_secs(2))));
    let rig = Arc::new(town.rig.clone());
    let (first, second) =
        town.clock.block_on(async { futures_join(rig.sync(sync_tests::ORG), rig.sync(sync_tests::ORG)).await });
    let stopped = [first, second].map(|result| result.details.unwrap().stopped);
    assert!(stopped.contains(&Some(sync_core::Stop::LeaseHeld)), "{stopped:?}");
}

async fn futures_join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    std::future::poll_fn(|cx| {
        if of_a.is_none()
            && let std::task::Poll::Ready(output) = a.as_mut().poll(cx)
        {
            of_a = Some(output);
        }
        if of_b.is_none()
            && let std::task::Poll::Ready(output) = b.as_mut().poll(cx)
        {
            of_b = Some(output);
        }
        match (of_a.take(), of_b.take()) {
            (Some(a), Some(b)) => std::task::Poll::Ready((a, b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                std::task::Poll::Pending
            }
        }
    })
    .await
}
