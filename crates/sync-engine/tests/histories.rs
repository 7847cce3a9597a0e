//! Longer histories: what one run leaves for the next.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{Fault, World, consent, customer, of, tags};
use sync_core::{ConsentState, EffectGrants, SharedKey, Stop, Value};
use sync_engine::{Answer, RunOptions, Store};

async fn synced(ids: &[&str]) -> World {
    let world = World::new().await;
    for id in ids {
        world.shop.put(id, customer(&format!("{id}@example.com")));
    }
    assert!(world.approve().await.success);
    world.calls();
    world
}

fn there(world: &World, email: &str, field: &str) -> Option<Value> {
    world.letters.members.lock().unwrap().get(email).and_then(|member| member.fields.value(field).cloned())
}

fn state(world: &World, email: &str) -> Option<ConsentState> {
    there(world, email, "consent.email").and_then(|value| value.as_consent().map(|consent| consent.state))
}

#[tokio::test]
async fn a_sync_of_tags_alone_swallows_nothing_else() {
    let world = synced(&["c1"]).await;
    world.shop.edit("c1", |record| {
        record.set("first_name", Value::text("New")).set("tags", tags(&["vip"]));
        record.set("consent.email", consent(ConsentState::Denied, 1_790_000_000));
    });
    let result = world.run(world.request().types(["tags"]), RunOptions::new()).await;
    assert_eq!(result.synced, 1, "{result:?}");
    assert_eq!(there(&world, "c1@example.com", "first_name"), Some(Value::text("c1")));
    assert_eq!(world.sync().await.synced, 1);
    assert_eq!(there(&world, "c1@example.com", "first_name"), Some(Value::text("New")));
    assert_eq!(state(&world, "c1@example.com"), Some(ConsentState::Denied));
}

#[tokio::test]
async fn a_sync_of_contacts_alone_leaves_the_tags_for_later() {
    let world = World::new().await;
    world.shop.put("c0", customer("c0@example.com"));
    assert!(world.approve().await.success);
    world.shop.put("c1", customer("c1@example.com").with("tags", tags(&["vip"])));
    assert_eq!(world.run(world.request().types(["contacts"]), RunOptions::new()).await.synced, 1);
    assert_eq!(there(&world, "c1@example.com", "tags"), None);
    assert_eq!(world.sync().await.synced, 1);
    assert_eq!(there(&world, "c1@example.com", "tags"), Some(tags(&["vip"])));
}

#[tokio::test]
async fn who_signed_up_there_again_stays_subscribed_and_a_second_refusal_is_told() {
    let world = synced(&["c1"]).await;
    let person = |state, second| {
        world.letters.person("c1@example.com", |fields| {
            fields.set("consent.email", consent(state, second));
        });
    };
    person(ConsentState::Denied, 1_750_000_000);
    world.sync().await;
    person(ConsentState::Granted, 1_760_000_000);
    world.sync().await;
    world.shop.edit("c1", |record| {
        record.set("first_name", Value::text("Renamed"));
    });
    assert_eq!(world.sync().await.synced, 1);
    assert_eq!(state(&world, "c1@example.com"), Some(ConsentState::Granted));
    person(ConsentState::Denied, 1_770_000_000);
    world.sync().await;
    let told: Vec<_> = world.shop.facts.lock().unwrap().iter().map(|fact| fact.state).collect();
    assert_eq!(told, [ConsentState::Denied, ConsentState::Granted, ConsentState::Denied]);
}

/// The provider dates what we wrote by its own clock, which may be ahead of the host's.
#[tokio::test]
async fn a_withdrawal_here_is_not_undone_by_a_clock_that_is_ahead_there() {
    let world = synced(&["c1"]).await;
    world.letters.person("c1@example.com", |fields| {
        fields.set("consent.email", consent(ConsentState::Granted, 1_790_000_000));
        fields.set("first_name", Value::text("Theirs"));
    });
    world.shop.edit("c1", |record| {
        record.set("tags", tags(&["vip"]));
    });
    // What is seen after this write is agreed on, with the provider's time of it.
    assert_eq!(world.sync().await.synced, 1);
    world.shop.edit("c1", |record| {
        record.set("consent.email", consent(ConsentState::Denied, 1_780_000_000));
    });
    assert_eq!(world.sync().await.synced, 1);
    assert_eq!(state(&world, "c1@example.com"), Some(ConsentState::Denied));
}

/// Told of the refusal, the host says no too; the person has signed up there again since.
#[tokio::test]
async fn who_signed_up_again_is_not_unsubscribed_by_the_hosts_memory_of_the_refusal() {
    let world = synced(&["c1"]).await;
    let person = |state, second| {
        world.letters.person("c1@example.com", |fields| {
            fields.set("consent.email", consent(state, second));
        });
    };
    person(ConsentState::Denied, 1_750_000_000);
    world.sync().await;
    person(ConsentState::Granted, 1_760_000_000);
    world.shop.edit("c1", |record| {
        record.set("consent.email", consent(ConsentState::Denied, 1_750_000_000));
    });
    world.sync().await;
    assert_eq!(state(&world, "c1@example.com"), Some(ConsentState::Granted));
}

/// The refusal was seen before there was a link; what was agreed on keeps the date of the sign-up that took it back. History
/// 324 of a newsletter.
#[tokio::test]
async fn who_signed_up_again_before_the_first_sync_is_not_unsubscribed_by_a_later_change_here() {
    let world = World::new().await;
    world.shop.put("c1", customer("c1@example.com"));
    let person = |state, second| {
        world.letters.person("c1@example.com", |fields| {
            fields.set("consent.email", consent(state, second));
        });
    };
    person(ConsentState::Denied, 1_750_000_000);
    assert_eq!(world.sync().await.details.unwrap().stopped, Some(Stop::Approval));
    person(ConsentState::Granted, 1_760_000_000);
    assert_eq!(world.approve().await.synced, 1);
    world.shop.edit("c1", |record| {
        record.set("tags", tags(&["vip"]));
    });
    assert_eq!(world.sync().await.synced, 1);
    assert_eq!(state(&world, "c1@example.com"), Some(ConsentState::Granted));
}

/// Histories 147, 420, 475 and 499 of a newsletter.
#[tokio::test]
async fn who_was_made_by_a_lost_call_and_has_another_address_since_is_found_and_not_doubled() {
    let world = synced(&["c1"]).await;
    for (id, is_repeated) in [("c2", true), ("c3", false)] {
        let address = format!("{id}@example.com");
        let mut record = customer(&address);
        if !is_repeated {
            record.set("consent.email", consent(ConsentState::Pending, 1_700_000_000));
        }
        world.shop.put(id, record);
        world.letters.faults.lock().unwrap().push(Fault::LostAfter);
        let granted = RunOptions::new().grants(EffectGrants::of(["confirmation-mail"]));
        assert!(!world.run(world.request(), granted).await.success);
        assert!(world.letters.members.lock().unwrap().contains_key(&address));
        let moved = format!("{id}-moved@example.com");
        world.shop.edit(id, |record| {
            record.set("email", Value::text(moved.clone()));
        });
        world.clock.advance(Duration::from_secs(600));
        let result = world.sync().await;
        assert_eq!((result.success, of(&result, "updated")), (true, 1), "{id}: {result:?}");
        let members = world.letters.members.lock().unwrap();
        assert!(members.contains_key(&moved) && !members.contains_key(&address), "{id}: {members:?}");
    }
}

/// Histories 1096, 1411, 1543 and 2187 of a newsletter: the change was taken for news before the call had settled, and the
/// rest of the operation then went as it was decided before.
#[tokio::test]
async fn a_change_made_while_an_operation_stands_still_is_not_lost_with_its_last_part() {
    let world = synced(&["c1"]).await;
    world.shop.put("c2", customer("c2@example.com").with("tags", tags(&["vip"])));
    world.letters.faults.lock().unwrap().push(Fault::LostBefore);
    assert!(!world.sync().await.success);
    world.shop.edit("c2", |record| {
        record.set("first_name", Value::text("Renamed"));
    });
    assert_eq!(of(&world.sync().await, "pending"), 1);
    world.clock.advance(Duration::from_secs(600));
    assert!(world.sync().await.success);
    assert_eq!(there(&world, "c2@example.com", "first_name"), Some(Value::text("Renamed")));
    assert_eq!(there(&world, "c2@example.com", "tags"), Some(tags(&["vip"])));
}

/// Of a record of which only a part was to be synced, no more than that was agreed on. Histories 3192, 4940 and 9154 of a
/// newsletter.
#[tokio::test]
async fn the_rest_of_a_record_is_not_taken_for_done_by_finishing_a_part_of_it() {
    let world = synced(&["c1"]).await;
    world.shop.put("c2", customer("c2@example.com").with("tags", tags(&["vip"])));
    world.letters.faults.lock().unwrap().push(Fault::LostBefore);
    assert!(!world.run(world.request().types(["contacts"]), RunOptions::new()).await.success);
    world.clock.advance(Duration::from_secs(600));
    assert!(world.sync().await.success);
    assert_eq!(there(&world, "c2@example.com", "tags"), Some(tags(&["vip"])));
    // And that part is agreed on. Histories 115 and 3276.
    let only = |names: &[&str]| {
        world.shop.edit("c2", |record| {
            record.set("tags", tags(names));
        });
    };
    only(&["vip", "diver"]);
    world.letters.faults.lock().unwrap().push(Fault::LostAfter);
    assert!(!world.run(world.request().types(["tags"]), RunOptions::new()).await.success);
    only(&["vip"]);
    world.clock.advance(Duration::from_secs(600));
    assert!(world.sync().await.success);
    assert_eq!(there(&world, "c2@example.com", "tags"), Some(tags(&["vip"])));
}

/// What our own lost call made is dated by the provider, whose clock may be ahead. History 649 of a newsletter.
#[tokio::test]
async fn who_withdraws_here_while_the_making_there_has_no_answer_is_not_left_subscribed() {
    let world = synced(&["c1"]).await;
    world.shop.put("c2", customer("c2@example.com"));
    world.letters.faults.lock().unwrap().push(Fault::LostAfter);
    assert!(!world.sync().await.success);
    world.letters.person("c2@example.com", |fields| {
        fields.set("consent.email", consent(ConsentState::Granted, 1_790_000_000));
    });
    world.shop.edit("c2", |record| {
        record.set("consent.email", consent(ConsentState::Denied, 1_780_000_000));
    });
    world.clock.advance(Duration::from_secs(600));
    assert!(world.sync().await.success);
    assert_eq!(state(&world, "c2@example.com"), Some(ConsentState::Denied));
}

/// A refusal that we wrote is the host's, however the provider dates it. History 2572 of a newsletter.
#[tokio::test]
async fn who_agrees_here_again_is_not_held_down_by_the_echo_of_the_withdrawal_here() {
    let world = synced(&["c1"]).await;
    let says = |state, second| {
        world.shop.edit("c1", |record| {
            record.set("consent.email", consent(state, second));
        });
    };
    says(ConsentState::Denied, 1_750_000_000);
    *world.letters.dates.lock().unwrap() = Some(1_790_000_000);
    assert_eq!(world.sync().await.synced, 1);
    world.letters.person("c1@example.com", |fields| {
        fields.set("consent.email", consent(ConsentState::Denied, 1_790_000_000));
    });
    world.sync().await;
    assert!(world.shop.facts.lock().unwrap().is_empty(), "the host knows its own word");
    says(ConsentState::Granted, 1_780_000_000);
    assert_eq!(world.sync().await.synced, 1);
    assert_eq!(state(&world, "c1@example.com"), Some(ConsentState::Pending), "asked to confirm");
}

/// History 2572 of a newsletter.
#[tokio::test]
async fn who_agrees_here_again_while_the_withdrawal_has_no_answer_is_asked_to_confirm() {
    let world = World::new().await;
    let record = customer("c1@example.com").with("tags", tags(&["vip"]));
    world.shop.put("c1", record.with("consent.email", consent(ConsentState::Denied, 1_750_000_000)));
    world.letters.person("c1@example.com", |fields| {
        fields.set("consent.email", consent(ConsentState::Granted, 1_700_000_000));
    });
    world.letters.faults.lock().unwrap().push(Fault::LostBefore);
    *world.letters.dates.lock().unwrap() = Some(1_790_000_000);
    assert!(!world.approve().await.success);
    world.shop.edit("c1", |record| {
        record.set("consent.email", consent(ConsentState::Granted, 1_780_000_000));
    });
    world.clock.advance(Duration::from_secs(600));
    assert!(world.sync().await.success);
    assert_eq!(state(&world, "c1@example.com"), Some(ConsentState::Pending));
}

#[tokio::test]
async fn an_interrupted_first_sync_goes_on_without_another_approval() {
    let world = World::new().await;
    for i in 0..90 {
        world.shop.put(&format!("c{i:02}"), customer(&format!("c{i:02}@example.com")));
    }
    let plan = world.sync().await.details.unwrap().plan_hash;
    world.letters.faults.lock().unwrap().push(Fault::Limited);
    let result = world.run(world.request(), RunOptions::new().approve(plan)).await;
    assert_eq!(result.details.as_ref().unwrap().stopped, Some(Stop::Later), "{result:?}");
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.letters.members.lock().unwrap().len(), 90);
}

#[tokio::test]
async fn a_record_shown_twice_goes_as_it_was_shown_last() {
    let world = synced(&["c1"]).await;
    world.shop.put("c2", customer("c2@example.com"));
    world.shop.show_first("c2", customer("c2@example.com"));
    world.shop.edit("c2", |record| {
        record.set("consent.email", consent(ConsentState::Denied, 1_790_000_000));
    });
    let result = world.sync().await;
    assert_eq!((result.synced, result.details.as_ref().unwrap().skipped.get("no-consent")), (0, Some(&1)), "{result:?}");
    assert!(!world.letters.members.lock().unwrap().contains_key("c2@example.com"));
}

#[tokio::test]
async fn a_new_sibling_does_not_hold_up_the_one_who_is_there() {
    let world = synced(&["c1"]).await;
    *world.letters.shared.lock().unwrap() = Some(SharedKey::Oldest);
    world.shop.edit("c1", |record| {
        record.set("first_name", Value::text("Renamed"));
    });
    world.shop.put("c2", customer("c1@example.com"));
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    let pushed: Vec<_> = world.calls().into_iter().filter(|call| call.starts_with("push")).collect();
    assert_eq!(pushed, ["push known 1"]);
}

#[tokio::test]
async fn a_sibling_gets_the_address_that_is_given_up() {
    let world = synced(&["c1"]).await;
    *world.letters.shared.lock().unwrap() = Some(SharedKey::Oldest);
    world.shop.put("c2", customer("c1@example.com"));
    assert_eq!(world.sync().await.details.unwrap().skipped.get("shared-key"), Some(&1));
    world.shop.delete("c1");
    world.sync().await;
    world.clock.advance(Duration::from_secs(61));
    let result = world.sync().await;
    assert_eq!(of(&result, "created"), 1, "{result:?}");
}

#[tokio::test]
async fn another_audience_has_its_own_consent_and_its_own_first_plan() {
    let world = synced(&["c1", "c2"]).await;
    world.letters.person("c1@example.com", |fields| {
        fields.set("consent.email", consent(ConsentState::Denied, 1_750_000_000));
    });
    *world.letters.list.lock().unwrap() = "second".into();
    let result = world.sync().await;
    assert_eq!(result.details.as_ref().unwrap().stopped, Some(Stop::Approval), "{result:?}");
    assert_eq!(world.shop.facts.lock().unwrap().len(), 1, "what was refused in the old one is read first");
    let item = world.run(world.request().items(["c2"]), RunOptions::new()).await;
    assert_eq!(item.details.unwrap().stopped, Some(Stop::Approval), "an item does not open the new one");
}

#[tokio::test]
async fn a_one_time_grant_does_not_live_on_in_a_recovery() {
    let world = synced(&["c1"]).await;
    let mut record = customer("back@example.com");
    record.set("consent.email", consent(ConsentState::Granted, 1_790_000_000));
    world.letters.person("back@example.com", |fields| {
        fields.set("consent.email", consent(ConsentState::Denied, 1_750_000_000));
    });
    world.sync().await;
    world.letters.members.lock().unwrap().remove("back@example.com");
    world.shop.put("c2", record);
    world.letters.faults.lock().unwrap().push(Fault::LostBefore);
    let granted = RunOptions::new().grants(EffectGrants::of(["confirmation-mail"]));
    assert!(!world.run(world.request(), granted.clone()).await.success);
    world.clock.advance(Duration::from_secs(600));
    let result = world.sync().await;
    assert_eq!((result.synced, result.details.as_ref().unwrap().skipped.get("needs-grant")), (0, Some(&1)), "{result:?}");
    assert!(!world.letters.members.lock().unwrap().contains_key("back@example.com"));
    assert_eq!(world.run(world.request(), granted).await.synced, 1);
}

/// History 323 of a calendar, 419 of a newsletter.
#[tokio::test]
async fn who_is_deleted_here_while_the_making_there_has_no_answer_is_told_of() {
    let world = synced(&["c1"]).await;
    world.shop.put("c2", customer("c2@example.com").with("consent.email", consent(ConsentState::Pending, 1_700_000_000)));
    world.letters.faults.lock().unwrap().push(Fault::LostAfter);
    let granted = RunOptions::new().grants(EffectGrants::of(["confirmation-mail"]));
    assert!(!world.run(world.request(), granted).await.success);
    assert!(world.letters.members.lock().unwrap().contains_key("c2@example.com"));
    world.shop.delete("c2");
    world.clock.advance(Duration::from_secs(600));
    // Without the grant the call is not repeated: whether anything there is ours, nobody can tell any more.
    let result = world.sync().await;
    assert_eq!(result.details.as_ref().unwrap().skipped.get("left-there"), Some(&1), "{result:?}");
    for _ in 0..2 {
        let result = world.sync().await;
        assert!(result.success, "{result:?}");
        let items = world.store.items(&world.request().scope(), None, 9).await.unwrap();
        assert_eq!(items.iter().map(|item| item.outcome.code.as_ref()).collect::<Vec<_>>(), ["left-there"]);
    }
}

/// The attempt before made it, on the way. History 8730 of a newsletter.
#[tokio::test]
async fn who_is_deleted_here_while_their_place_there_is_taken_is_told_of() {
    let world = synced(&["c1"]).await;
    world.shop.put("c2", customer("c2@example.com"));
    // The feed is read before they are there, and the host forgets them before the place is looked at again.
    world.letters.members.lock().unwrap().insert(
        "c2@example.com".to_owned(),
        support::Member { fields: customer("c2@example.com"), changed: 0, list: "news".to_owned() },
    );
    *world.letters.deletes.lock().unwrap() = Some((world.shop.clone(), "c2".to_owned()));
    let result = world.sync().await;
    assert_eq!(result.details.as_ref().unwrap().skipped.get("left-there"), Some(&1), "{result:?}");
}

/// History 318 of a newsletter.
#[tokio::test]
async fn who_was_left_out_and_is_deleted_under_other_settings_stands_no_longer() {
    let world = synced(&["c1"]).await;
    world.shop.put("c2", customer("c2@example.com").with("consent.email", consent(ConsentState::Denied, 1_700_000_000)));
    let scope = world.request().scope();
    assert_eq!(world.sync().await.details.unwrap().skipped.get("no-consent"), Some(&1));
    assert_eq!(world.store.items(&scope, None, 9).await.unwrap().len(), 1);
    world.shop.delete("c2");
    // Everything is looked at again, and a scan does not show what is no more.
    let mut row = world.store.connection(&scope).await.unwrap().unwrap();
    let revision = row.revision;
    (row.revision, row.settings) = (revision + 1, serde_json::json!({"other": true}));
    assert!(world.store.put_connection(&row, Some(revision)).await.unwrap());
    assert!(world.sync().await.success);
    assert_eq!(world.store.items(&scope, None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn who_left_the_filter_and_withdraws_is_unsubscribed_there() {
    let world = synced(&["c1"]).await;
    *world.letters.only.lock().unwrap() = Some("diver".into());
    world.shop.edit("c1", |record| {
        record.set("first_name", Value::text("Renamed"));
        record.set("consent.email", consent(ConsentState::Denied, 1_790_000_000));
    });
    assert_eq!(world.sync().await.synced, 1);
    assert_eq!(state(&world, "c1@example.com"), Some(ConsentState::Denied));
    assert_eq!(there(&world, "c1@example.com", "first_name"), Some(Value::text("c1")), "nothing else goes");
}

#[tokio::test]
async fn a_second_deletion_there_is_a_second_question() {
    let world = synced(&["c1"]).await;
    let scope = world.request().scope();
    for n in 1..=2 {
        world.letters.members.lock().unwrap().remove("c1@example.com");
        let result = world.run(world.request().items(["c1"]), RunOptions::new()).await;
        assert_eq!(of(&result, "question"), 1, "{n}: {result:?}");
        let question = world.store.questions(&scope, true, None, 9).await.unwrap().remove(0);
        let answer = Answer { key: "create".into(), by: "Ana".into(), at: sync_core::Clock::now(&*world.clock) };
        world.store.answer(&scope, &question.id, answer).await.unwrap();
        let result = world.sync().await;
        assert_eq!(result.synced, 1, "{n}: {result:?}");
        assert!(world.letters.members.lock().unwrap().contains_key("c1@example.com"));
    }
}

#[tokio::test]
async fn what_is_kept_of_a_run_holds_no_record_content() {
    let world = World::new().await;
    world.shop.put("c1", customer("c1@example.com"));
    world.letters.refuse.lock().unwrap().insert("c1@example.com".into());
    let result = world.approve().await;
    assert!(result.errors.unwrap()[0].contains("Customer c1"));
    let run = world.store.runs(&world.request().scope(), None, 1).await.unwrap().remove(0);
    let kept = serde_json::to_string(&run.result).unwrap();
    assert!(
        kept.contains("the address was refused") && !kept.contains("Customer c1") && !kept.contains("looks fake"),
        "{kept}"
    );
}
