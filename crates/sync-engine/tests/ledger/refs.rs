//! References, and the order that follows from them.

use sync_core::{Collection, OnRemoteNew, Record, Ref, Value};
use sync_engine::{EngineConfig, RunOptions};

use crate::{
    books::{CONTACTS, INVOICES, PAYMENTS},
    support::of,
    world::{World, amount, there},
};

#[tokio::test]
async fn contacts_go_before_invoices_and_these_before_payments() {
    let world = World::new().await;
    world.payment("p", "i", "40");
    world.invoice("i", "c", "100");
    world.customer("c", "Ada", "ada@example.com");
    let result = world.settled().await;
    assert_eq!(result.synced, 3);
    let paid = world.books.live(&PAYMENTS).remove(0).1;
    let invoice = world.books.live(&INVOICES).remove(0);
    let allocation = &paid.value("allocations").and_then(Value::as_list).unwrap()[0];
    assert_eq!(allocation.value("invoice"), Some(&there("invoices", &invoice.0)), "references in lists are translated");
    assert_eq!(invoice.1.value("amount_due"), Some(&amount("60")));
}

#[tokio::test]
async fn what_waits_names_what_it_waits_for_and_the_rest_goes() {
    let world = World::new().await;
    world.customer("bad", "Nobody", "nobody@example.com");
    world.customer("good", "Ada", "ada@example.com");
    world.invoice("b", "bad", "100");
    world.invoice("g", "good", "50");
    world.payment("bp", "b", "10");
    *world.books.refuses.lock().unwrap() = Some("Nobody".into());
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "blocked"), result.failed), (2, 2, 1), "{result:?}");
    assert!(world.message("invoices", "b").await.contains("customers:bad"));
    assert!(world.message("payments", "bp").await.contains("invoices:b"));
    // What has no chance is not even planned.
    world.payment("lost", "nowhere", "10");
    let result = world.sync().await;
    assert!(world.message("payments", "lost").await.contains("invoices:nowhere"), "{result:?}");
    *world.books.refuses.lock().unwrap() = None;
    world.shop.delete(Collection::PAYMENTS, "lost");
    // What was refused goes again when somebody says so; what waited for it follows in the same run.
    let scope = world.request().scope();
    sync_engine::Store::retry_items(&world.store, &scope, None, sync_core::Clock::now(&*world.clock)).await.unwrap();
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "blocked")), (3, 0), "{result:?}");
    assert_eq!(world.books.live(&INVOICES).len(), 2);
    assert_eq!(world.books.live(&PAYMENTS).len(), 1);
}

#[tokio::test]
async fn what_waits_goes_with_the_run_after_the_one_that_wrote_what_it_waits_for() {
    let world = World::new().await;
    world.customer("c", "Nobody", "nobody@example.com");
    world.invoice("i", "c", "100");
    *world.books.refuses.lock().unwrap() = Some("Nobody".into());
    assert_eq!(of(&world.sync().await, "blocked"), 1);
    *world.books.refuses.lock().unwrap() = None;
    // Asked for by name, the contact goes alone.
    let result = world.run(world.request().items(["contacts:c"]), RunOptions::new()).await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    world.run(world.request().dry_run(), RunOptions::new()).await;
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "blocked")), (1, 0), "{result:?}");
    assert_eq!(world.books.live(&INVOICES).len(), 1);
}

#[tokio::test]
async fn a_single_item_takes_along_what_it_needs() {
    let world = World::new().await;
    world.customer("c", "Ada", "ada@example.com");
    world.customer("other", "Bea", "bea@example.com");
    world.invoice("i", "c", "100");
    world.payment("p", "i", "40");
    let result = world.run(world.request().items(["payments:p"]), RunOptions::new()).await;
    assert_eq!((result.success, result.synced), (true, 3), "{result:?}");
    assert_eq!(world.books.live(&CONTACTS).len(), 1, "nobody else goes");
    let scope = world.request().scope();
    let run = crate::world::run_of(&result);
    let plan = sync_engine::Store::plan_page(&world.store, &scope, &run, 0, 10).await.unwrap();
    let needed = |reason| plan.iter().filter(|row| row.planned.operation.reason == reason).count();
    assert_eq!((needed(sync_core::Reason::Needed), needed(sync_core::Reason::NewHere)), (2, 1));
}

#[tokio::test]
async fn what_comes_from_there_refers_to_the_hosts_records() {
    let world = World::new().await;
    world.customer("c", "Ada", "ada@example.com");
    world.settled().await;
    let contact = world.books.live(&CONTACTS).remove(0).0;
    world.books.rules.lock().unwrap().get_mut(&INVOICES).unwrap().on_remote_new = OnRemoteNew::Create;
    let fields = Record::new()
        .with("number", Value::text("X-1"))
        .with("customer", there("contacts", &contact))
        .with("total", amount("10"));
    world.books.put(INVOICES, "x1", fields);
    let result = world.settled().await;
    assert_eq!(result.synced, 1);
    let made = world.shop.record(&Collection::INVOICES, "made-1").unwrap();
    assert_eq!(made.value("customer"), Some(&crate::world::local(Collection::CUSTOMERS, "c")));
}

fn hand_made(world: &World) {
    world.books.put(CONTACTS, "k", Record::new().with("name", Value::text("Kay")));
    let invoice = Record::new().with("customer", there("contacts", "k")).with("total", amount("30"));
    world.books.put(INVOICES, "h", invoice);
    let allocation = Record::new().with("invoice", there("invoices", "h")).with("amount", amount("30"));
    let payment = Record::new().with("amount", amount("30")).with("allocations", Value::List(vec![allocation]));
    world.books.put(PAYMENTS, "hp", payment);
}

#[tokio::test]
async fn a_payment_of_an_invoice_that_is_only_there_pulls_the_invoice_first() {
    let world = World::new().await;
    world.settled().await;
    hand_made(&world);
    // The feeds have shown the invoice and its contact before, when nothing was to be made here.
    world.settled().await;
    for of in [CONTACTS, INVOICES, PAYMENTS] {
        world.books.rules.lock().unwrap().get_mut(&of).unwrap().on_remote_new = OnRemoteNew::Create;
    }
    world.books.edit(PAYMENTS, "hp", |fields| {
        fields.set("note", Value::text("seen again"));
    });
    let result = world.settled().await;
    assert_eq!(result.synced, 3, "{result:?}");
    let payment = world.shop.record(&Collection::PAYMENTS, &world.shop.ids(&Collection::PAYMENTS)[0]).unwrap();
    let mut to = Vec::new();
    payment.each_ref(&mut |one| to.push(one.clone()));
    let invoice = world.shop.ids(&Collection::INVOICES).remove(0);
    assert_eq!(to, [Ref::Local { collection: Collection::INVOICES, id: invoice.as_str().into() }]);
}

#[tokio::test]
async fn where_policy_does_not_admit_the_invoice_its_payment_waits_by_name() {
    let world = World::new().await;
    world.settled().await;
    hand_made(&world);
    world.books.rules.lock().unwrap().get_mut(&PAYMENTS).unwrap().on_remote_new = OnRemoteNew::Create;
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "blocked")), (0, 1), "{result:?}");
    assert!(world.message("payments", "remote:hp").await.contains("remote:invoices:h"));
    assert!(world.shop.ids(&Collection::PAYMENTS).is_empty());
}

#[tokio::test]
async fn a_plan_goes_in_slices_so_that_no_stop_leaves_a_paid_invoice_open() {
    let mut config = EngineConfig::default();
    config.slice = 2;
    let world = World::with(config).await;
    for n in 0..5 {
        world.customer(&format!("c{n}"), &format!("Diver {n}"), &format!("d{n}@example.com"));
        world.invoice(&format!("i{n}"), &format!("c{n}"), "100");
        world.payment(&format!("p{n}"), &format!("i{n}"), "100");
    }
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 15), "{result:?}");
    let one = ["contacts:create", "invoices:create", "payments:create"];
    let calls: Vec<String> =
        world.books.calls.lock().unwrap().iter().map(|call| call.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(calls, [one, one, one].concat(), "each slice is whole before the next begins");
}

#[tokio::test]
async fn the_plan_tells_what_it_comes_to_and_what_cannot_be_taken_back() {
    let world = World::new().await;
    world.customer("c", "Ada", "ada@example.com");
    world.invoice("i", "c", "100.50");
    world.invoice("j", "c", "9.50");
    world.payment("p", "i", "40");
    let details = world.run(world.request().dry_run(), RunOptions::new()).await.details.unwrap();
    let totals: Vec<String> = details
        .totals
        .iter()
        .map(|total| format!("{} {} of {}", total.tally.key.what, total.tally.amount, total.operations))
        .collect();
    assert_eq!(totals, ["invoice 110.00 of 2", "payment 40 of 1"]);
    assert_eq!(details.irreversible, 1);
}
