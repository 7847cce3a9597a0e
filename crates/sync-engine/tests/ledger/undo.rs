//! Taking a run back: a plan like any other.

use std::sync::Arc;

use sync_core::{Collection, Value, code};
use sync_engine::RunOptions;

use crate::{
    books::{CONTACTS, INVOICES, PAYMENTS},
    support::of,
    world::{World, amount, hash_of, run_of},
};

fn live(world: &World) -> [usize; 3] {
    [CONTACTS, INVOICES, PAYMENTS].map(|of| world.books.live(&of).len())
}

async fn pushed() -> (World, sync_core::RunId) {
    let world = World::new().await;
    world.customer("c", "Ada", "ada@example.com");
    world.invoice("i", "c", "100");
    world.payment("p", "i", "40");
    let run = run_of(&world.settled().await);
    (world, run)
}

#[tokio::test]
async fn a_run_is_taken_back_in_reverse_and_nothing_of_it_is_made_again_until_it_changes_here() {
    let (world, run) = pushed().await;
    let shown = world.run(world.request().dry_run(), RunOptions::new().undo(run.clone())).await;
    assert_eq!(live(&world), [1, 1, 1], "a plan writes nothing");
    let options = RunOptions::new().undo(run).approve(Some(hash_of(&shown)));
    let result = world.run(world.request(), options).await;
    assert_eq!((result.success, result.synced), (true, 3), "{result:?}");
    assert_eq!(live(&world), [0, 0, 0]);
    let order: Vec<String> = world.books.calls.lock().unwrap().clone();
    assert_eq!(order, ["payments:remove 1", "invoices:remove 1", "contacts:remove 1"]);
    world.settled().await;
    assert_eq!(live(&world), [0, 0, 0]);
    world.customer("c", "Ada Lovelace", "ada@example.com");
    world.sync().await;
    assert!(world.books.calls.lock().unwrap().iter().any(|call| call.starts_with("contacts:")));
}

#[tokio::test]
async fn what_changed_since_stays_and_is_said() {
    let (world, run) = pushed().await;
    let id = world.books.live(&CONTACTS).remove(0).0;
    world.books.edit(CONTACTS, &id, |fields| {
        fields.set("email", Value::text("new@example.com"));
    });
    world.bill("i", "100");
    let result = world.run(world.request(), RunOptions::new().undo(run)).await;
    assert_eq!(of(&result, "removed"), 2, "{result:?}");
    assert_eq!(live(&world), [1, 0, 0]);
    assert_eq!(result.details.unwrap().notes, ["1 contact not taken back: changed since."]);
    let trail = sync_engine::Store::trail(&world.store, &world.request().scope(), "c", 10).await.unwrap();
    assert!(trail.iter().any(|(_, row)| row.outcome.code == code::STAYS), "{trail:?}");
}

#[tokio::test]
async fn a_change_is_taken_back_to_what_was_there_before_and_not_planned_again() {
    let (world, _) = pushed().await;
    world.shop.edit(Collection::CUSTOMERS, "c", |record| {
        record.set("name", Value::text("Ada Lovelace"));
    });
    let run = run_of(&world.settled().await);
    world.run(world.request(), RunOptions::new().undo(run)).await;
    let name = |world: &World| world.books.live(&CONTACTS).remove(0).1.text("name").unwrap().to_owned();
    assert_eq!(name(&world), "Ada");
    world.settled().await;
    assert_eq!(name(&world), "Ada");
    assert_eq!(world.shop.record(&Collection::CUSTOMERS, "c").unwrap().text("name"), Some("Ada Lovelace"));
}

#[tokio::test]
async fn an_amendment_is_taken_back_and_the_next_one_makes_up_for_the_whole_difference() {
    let (world, _) = pushed().await;
    world.bill("i", "120");
    let run = run_of(&world.settled().await);
    assert_eq!(live(&world)[1], 2);
    let result = world.run(world.request(), RunOptions::new().undo(run)).await;
    assert_eq!((result.success, live(&world)[1]), (true, 1), "{result:?}");
    world.settled().await;
    assert_eq!(live(&world)[1], 1);
    world.bill("i", "130");
    world.settled().await;
    let totals: Vec<_> = world.books.live(&INVOICES).into_iter().map(|(_, fields)| fields.value("total").cloned()).collect();
    assert!(totals.contains(&Some(amount("30"))), "{totals:?}");
}

#[tokio::test]
async fn only_operations_that_a_person_saw_are_taken_back() {
    let (world, run) = pushed().await;
    let only = sync_engine::PlanFilter::default();
    let mut options = RunOptions::new().undo(run);
    options.only = Some(Arc::new(only));
    let result = world.run(world.request(), options).await;
    assert_eq!(live(&world), [1, 1, 1], "{result:?}");
}
