//! Changes of documents that do not take them any more; and documents that changed on both sides.

use std::sync::atomic::Ordering;

use sync_core::{Amend, Collection, Filter, FilterTest, Guard, Value, code};

use crate::{
    books::INVOICES,
    world::{World, amount, run_of},
};

async fn paid() -> World {
    let world = World::new().await;
    world.customer("c", "Ada", "ada@example.com");
    world.invoice("i", "c", "100");
    world.payment("p", "i", "100");
    world.settled().await;
    world
}

fn totals(world: &World) -> Vec<(String, Value)> {
    let field = |(_, fields): (String, sync_core::Record)| {
        (fields.text("number").unwrap_or_default().to_owned(), fields.value("total").unwrap().clone())
    };
    world.books.live(&INVOICES).into_iter().map(field).collect()
}

#[tokio::test]
async fn what_was_paid_is_not_edited_a_further_document_makes_up_for_the_change_once() {
    let world = paid().await;
    world.bill("i", "120");
    let result = world.settled().await;
    assert_eq!(result.synced, 1, "{result:?}");
    assert_eq!(totals(&world), [("D-i".into(), amount("100")), ("D-i/2".into(), amount("20"))]);
    let (scope, run) = (world.request().scope(), run_of(&result));
    let rows = sync_engine::Store::plan_page(&world.store, &scope, &run, 0, 10).await.unwrap();
    let operation = rows.into_iter().next().unwrap().planned.operation;
    assert_eq!(operation.amends.unwrap().words, "it is paid: D-i/2 is made for the difference");
    // The next change is made up for from what was agreed on by then.
    world.bill("i", "110");
    world.settled().await;
    assert_eq!(totals(&world).last(), Some(&("D-i/3".to_owned(), amount("-10"))));
}

#[tokio::test]
async fn an_amendment_whose_answer_was_lost_is_found_and_not_doubled() {
    let world = paid().await;
    world.bill("i", "120");
    world.books.lose_answer.store(true, Ordering::Relaxed);
    assert!(!world.sync().await.success);
    world.clock.advance(std::time::Duration::from_secs(600));
    world.settled().await;
    assert_eq!(totals(&world).len(), 2);
}

#[tokio::test]
async fn by_policy_a_person_is_asked_before_an_amendment() {
    let world = paid().await;
    world.books.rules.lock().unwrap().get_mut(&INVOICES).unwrap().amend = Amend::Ask;
    world.bill("i", "120");
    world.sync().await;
    assert_eq!((world.code("invoices", "i").await.as_deref(), totals(&world).len()), (Some(code::AMEND), 1));
    world.answer("adjust").await;
    world.settled().await;
    assert_eq!(totals(&world).len(), 2);
}

#[tokio::test]
async fn what_is_deleted_here_takes_its_amendments_along() {
    let world = paid().await;
    world.bill("i", "120");
    world.settled().await;
    world.shop.delete(Collection::PAYMENTS, "p");
    world.shop.delete(Collection::INVOICES, "i");
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert!(totals(&world).is_empty(), "{:?}", totals(&world));
}

#[tokio::test]
async fn an_amendment_that_is_voided_there_is_reported_and_never_merged() {
    let world = paid().await;
    world.bill("i", "120");
    world.settled().await;
    let amendment = world.books.live(&INVOICES).into_iter().find(|(_, fields)| fields.text("number") == Some("D-i/2"));
    world.books.void(INVOICES, &amendment.unwrap().0);
    let result = world.sync().await;
    assert_eq!(result.synced, 0, "{result:?}");
    assert_eq!(world.code("invoices", "i").await.as_deref(), Some(code::AMENDMENT_GONE));
    assert_eq!(world.shop.record(&Collection::INVOICES, "i").unwrap().value("total"), Some(&amount("120")));
}

#[tokio::test]
async fn an_account_that_was_changed_there_is_no_change_of_lines() {
    let world = World::new().await;
    world.customer("c", "Ada", "ada@example.com");
    world.invoice("i", "c", "100");
    world.settled().await;
    let id = world.books.live(&INVOICES).remove(0).0;
    world.books.edit(INVOICES, &id, |fields| {
        let mut lines = fields.value("lines").and_then(Value::as_list).unwrap().to_vec();
        lines[0].set("account", Value::text("260"));
        fields.set("lines", Value::List(lines));
    });
    let result = world.settled().await;
    assert_eq!(result.synced, 0);
    assert!(world.questions().await.is_empty());
}

#[tokio::test]
async fn lines_that_changed_on_both_sides_are_asked_about() {
    for (contested, questions) in [(true, 1), (false, 0)] {
        let world = World::new().await;
        if contested {
            world.books.rules.lock().unwrap().get_mut(&INVOICES).unwrap().contested = vec!["lines".into()];
        }
        world.customer("c", "Ada", "ada@example.com");
        world.invoice("i", "c", "100");
        world.settled().await;
        let id = world.books.live(&INVOICES).remove(0).0;
        world.books.edit(INVOICES, &id, |fields| {
            let mut lines = fields.value("lines").and_then(Value::as_list).unwrap().to_vec();
            lines[0].set("amount", amount("90"));
            fields.set("lines", Value::List(lines));
        });
        world.bill("i", "130");
        world.sync().await;
        assert_eq!(world.questions().await.len(), questions, "contested: {contested}");
        let total = world.books.live(&INVOICES).remove(0).1.value("total").cloned();
        assert_eq!(total, Some(amount(if contested { "100" } else { "130" })));
        if contested {
            world.answer("ours").await;
            world.settled().await;
            assert_eq!(world.books.live(&INVOICES).remove(0).1.value("total"), Some(&amount("130")));
        }
    }
}

#[tokio::test]
async fn a_total_that_changed_there_after_it_was_sent_is_asked_about_and_others_are_not() {
    let world = World::new().await;
    let when = Some(Filter { field: "sent".into(), test: FilterTest::AnyOf(vec!["true".into()]) });
    world.books.rules.lock().unwrap().get_mut(&INVOICES).unwrap().guards =
        vec![Guard { fields: vec!["total".into()], when }];
    world.customer("c", "Ada", "ada@example.com");
    world.invoice("i", "c", "100");
    world.invoice("j", "c", "100");
    world.settled().await;
    for (id, fields) in world.books.live(&INVOICES) {
        let is_sent = fields.text("number") == Some("D-i");
        world.books.edit(INVOICES, &id, |fields| {
            fields.set("total", amount("95")).set("sent", Value::Bool(is_sent));
        });
    }
    world.sync().await;
    assert_eq!(world.code("invoices", "i").await.as_deref(), Some(code::GUARDED));
    assert_eq!(world.code("invoices", "j").await, None);
    world.answer("accept").await;
    world.sync().await;
    assert_eq!(world.shop.record(&Collection::INVOICES, "i").unwrap().value("total"), Some(&amount("95")));
    assert_eq!(world.shop.record(&Collection::INVOICES, "j").unwrap().value("total"), Some(&amount("100")));
}
