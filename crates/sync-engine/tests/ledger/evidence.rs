//! By what records that were there before us are recognised.

use sync_core::{Collection, Evidence, Near, NoEvidence, Record, Value, Verdict, code};

use crate::{
    books::{CONTACTS, INVOICES, PAYMENTS},
    world::{World, amount, there},
};

fn evidence(keys: &[&str], verdict: Verdict) -> Evidence {
    Evidence { keys: keys.iter().map(|key| (*key).into()).collect(), near: None, verdict }
}

async fn world() -> World {
    let world = World::new().await;
    let mut all = world.books.rules.lock().unwrap();
    let contacts = all.get_mut(&CONTACTS).unwrap();
    contacts.evidence = vec![
        evidence(&["tax_number"], Verdict::Same),
        evidence(&["email", "name"], Verdict::Same),
        evidence(&["email"], Verdict::Ask),
        evidence(&["name"], Verdict::Ask),
    ];
    contacts.no_evidence = NoEvidence { values: vec![("email".into(), "walkin@*".into())], more_than: Some(3) };
    contacts.on_match = sync_core::ConflictPolicy::LocalWins;
    let payments = all.get_mut(&PAYMENTS).unwrap();
    let near = Some(Near { field: "date".into(), days: 7 });
    payments.evidence = vec![Evidence { near, ..evidence(&["settles"], Verdict::Ask) }];
    drop(all);
    world
}

fn person(name: &str, email: &str) -> Record {
    Record::new().with("name", Value::text(name)).with("email", Value::text(email))
}

#[tokio::test]
async fn name_and_address_together_are_proof() {
    let world = world().await;
    world.books.put(CONTACTS, "a", person("Ada", "ADA@example.com"));
    world.customer("c", "ada", "ada@example.com");
    world.settled().await;
    assert_eq!(world.books.live(&CONTACTS).len(), 1);
    assert!(world.questions().await.is_empty());
}

#[tokio::test]
async fn a_name_alone_is_a_question_and_another_one_gets_a_name_of_its_own() {
    let world = world().await;
    world.books.put(CONTACTS, "m", person("Maria Garcia", "maria@example.org"));
    world.customer("c", "Maria Garcia", "garcia@example.com");
    world.sync().await;
    assert_eq!(world.code("contacts", "c").await.as_deref(), Some(code::AMBIGUOUS));
    let options = world.questions().await.remove(0).options;
    assert_eq!(options[0].label, "it is Maria Garcia (m)", "as people know it");
    world.answer("create").await;
    world.settled().await;
    let names: Vec<String> =
        world.books.live(&CONTACTS).iter().map(|(_, fields)| fields.text("name").unwrap().to_owned()).collect();
    assert_eq!(names, ["Maria Garcia (2)", "Maria Garcia"]);
}

#[tokio::test]
async fn what_belongs_to_another_of_ours_is_no_candidate_and_its_name_is_taken() {
    let world = world().await;
    world.customer("c", "Maria Garcia", "garcia@example.com");
    world.settled().await;
    world.customer("d", "Maria Garcia", "maria@example.com");
    world.settled().await;
    assert!(world.questions().await.is_empty());
    assert_eq!(world.books.live(&CONTACTS).len(), 2);
    assert!(world.books.live(&CONTACTS).iter().any(|(_, fields)| fields.text("name") == Some("Maria Garcia (2)")));
}

#[tokio::test]
async fn an_address_that_many_have_is_no_evidence() {
    let world = world().await;
    world.books.put(CONTACTS, "w", person("Till", "walkin@example.com"));
    for n in 0..4 {
        world.books.put(CONTACTS, &format!("f{n}"), person(&format!("Family {n}"), "family@example.com"));
    }
    world.customer("a", "Ada", "walkin@example.com");
    world.customer("b", "Bea", "family@example.com");
    world.settled().await;
    assert!(world.questions().await.is_empty());
    assert_eq!(world.books.live(&CONTACTS).len(), 7);
}

async fn with_hand_made_payment(day: i8) -> World {
    let world = world().await;
    world.customer("c", "Ada", "ada@example.com");
    world.invoice("i", "c", "100");
    world.settled().await;
    let invoice = world.books.live(&INVOICES).remove(0).0;
    let allocation = Record::new().with("invoice", there("invoices", &invoice)).with("amount", amount("40.00"));
    let payment = Record::new()
        .with("amount", amount("40"))
        .with("date", Value::Date(jiff::civil::date(2026, 11, day)))
        .with("allocations", Value::List(vec![allocation]));
    world.books.put(PAYMENTS, "hand", payment);
    world.payment("p", "i", "40");
    world
}

#[tokio::test]
async fn a_payment_that_the_bookkeeper_recorded_is_not_booked_twice() {
    let world = with_hand_made_payment(25).await;
    world.sync().await;
    assert_eq!(world.code("payments", "p").await.as_deref(), Some(code::AMBIGUOUS));
    assert_eq!(world.questions().await[0].options[0].label, "it is 40, 2026-11-25 (hand)");
    world.answer("link:hand").await;
    world.settled().await;
    assert_eq!(world.books.live(&PAYMENTS).len(), 1);
}

#[tokio::test]
async fn the_same_amount_weeks_apart_is_another_payment() {
    let world = with_hand_made_payment(1).await;
    world.settled().await;
    assert_eq!(world.books.live(&PAYMENTS).len(), 2);
}

#[tokio::test]
async fn what_was_settled_there_is_linked_under_its_own_word_and_left_as_it_is() {
    let world = with_hand_made_payment(25).await;
    world.books.rules.lock().unwrap().get_mut(&PAYMENTS).unwrap().evidence =
        vec![evidence(&["settles"], Verdict::There("settled-there"))];
    let result = world.settled().await;
    assert_eq!(crate::support::of(&result, "linked"), 1, "{result:?}");
    let trail = sync_engine::Store::trail(&world.store, &world.request().scope(), "p", 10).await.unwrap();
    assert!(trail.iter().any(|(_, row)| row.outcome.code == "settled-there"), "{trail:?}");
    let there = world.books.live(&PAYMENTS).remove(0).1;
    assert_eq!(there.value("date"), Some(&Value::Date(jiff::civil::date(2026, 11, 25))));
    let here = world.shop.record(&Collection::PAYMENTS, "p").unwrap();
    assert_eq!(here.value("date"), Some(&Value::Date(jiff::civil::date(2026, 11, 20))));
}

/// Random histories, seed 1013 of the ledger: under its new name it was somebody else's, and a person was asked.
#[tokio::test]
async fn what_a_lost_call_made_is_ours_whatever_the_host_says_by_now() {
    let world = World::new().await;
    world.customer("c", "Ada", "ada@example.com");
    world.books.lose_answer.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(!world.sync().await.success);
    world.customer("c", "Ada King", "ada@example.com");
    world.clock.advance(std::time::Duration::from_secs(600));
    world.settled().await;
    let there = world.books.live(&CONTACTS);
    assert_eq!((there.len(), there[0].1.text("name")), (1, Some("Ada King")));
    assert!(world.questions().await.is_empty());
}
