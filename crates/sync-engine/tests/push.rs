//! One run for push, end to end, against a provider in memory.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "push/people.rs"]
mod people;
mod support;

use std::time::Duration;

use support::{Fault, Shop, World, consent, customer, of, tags};
use sync_core::{ConsentState, Direction, EffectGrants, SharedKey, Stop, Value};
use sync_engine::{Answer, EngineConfig, RunOptions, Store};

async fn synced(n: usize) -> World {
    let world = World::new().await;
    for i in 0..n {
        world.shop.put(&format!("c{i:03}"), customer(&format!("c{i:03}@example.com")));
    }
    let result = world.approve().await;
    assert!(result.success, "{result:?}");
    world.calls();
    world
}

#[tokio::test]
async fn the_first_plan_waits_for_approval_and_writes_nothing() {
    let world = World::new().await;
    world.shop.put("c1", customer("ada@example.com"));
    let result = world.sync().await;
    assert!(!result.success);
    let details = result.details.unwrap();
    assert_eq!(details.stopped, Some(Stop::Approval));
    assert!(result.errors.unwrap()[0].starts_with("First plan not approved: 1 create (run "));
    assert!(details.plan_hash.is_some());
    assert_eq!(world.letters.writes.load(std::sync::atomic::Ordering::Relaxed), 0);

    let other = world.run(world.request(), RunOptions::new().approve(Some("0".into()))).await;
    assert_eq!(other.details.unwrap().stopped, Some(Stop::Approval), "another plan is not approved by a wrong hash");
}

#[tokio::test]
async fn an_approved_plan_goes_out_in_batches_and_a_second_run_plans_nothing() {
    let world = synced(7).await;
    assert_eq!(world.letters.members.lock().unwrap().len(), 7);
    let result = world.sync().await;
    assert!(result.success && result.synced == 0, "{result:?}");
    assert_eq!(world.calls(), ["pull"], "nothing changed: only the feed is asked");
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "unchanged")), (0, 0));
}

#[tokio::test]
async fn batches_are_full() {
    let world = World::new().await;
    for i in 0..7 {
        world.shop.put(&format!("c{i}"), customer(&format!("c{i}@example.com")));
    }
    world.approve().await;
    let pushes: Vec<_> = world.calls().into_iter().filter(|call| call.starts_with("push")).collect();
    assert_eq!(pushes, ["push new 3", "push new 3", "push new 1"]);
}

#[tokio::test]
async fn only_what_changed_goes_out_and_tags_go_by_tag() {
    let world = synced(5).await;
    world.shop.edit("c001", |record| {
        record.set("first_name", Value::text("Ada"));
    });
    for id in ["c002", "c003"] {
        world.shop.edit(id, |record| {
            record.set("tags", tags(&["diver"]));
        });
    }
    let result = world.sync().await;
    assert_eq!(result.synced, 3, "{result:?}");
    let pushes: Vec<_> = world.calls().into_iter().filter(|call| call.starts_with("push")).collect();
    assert_eq!(pushes, ["push known 1", "push tag:+diver 2"]);
    world.letters.person("c002@example.com", |fields| {
        fields.set("tags", tags(&["diver", "vip"]));
    });
    world.shop.edit("c002", |record| {
        record.set("tags", tags(&[]));
    });
    world.sync().await;
    let members = world.letters.members.lock().unwrap();
    assert_eq!(members["c002@example.com"].fields.value("tags"), Some(&tags(&["vip"])), "a foreign tag stays");
}

#[tokio::test]
async fn calls_of_a_group_go_side_by_side_once_its_first_was_answered() {
    let world = synced(24).await;
    for i in 0..24 {
        world.shop.edit(&format!("c{i:03}"), |record| {
            record.set("tags", tags(&["diver"]));
        });
    }
    world.letters.calls.lock().unwrap().clear();
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 24), "{result:?}");
    let most = |group: &str| world.letters.under_way.most(group);
    assert_eq!(most("tag:+diver"), 4, "as many as the provider takes at once");
    let calls = world.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("push tag:+diver")).count(), 8, "{calls:?}");
    // Calls that need each other stay one after another.
    for i in 0..24 {
        world.shop.edit(&format!("c{i:03}"), |record| {
            record.set("tags", tags(&[]));
        });
    }
    assert!(world.sync().await.success);
    assert_eq!(most("tag:-diver"), 1);
}

#[tokio::test]
async fn the_first_call_of_a_group_goes_alone() {
    let world = synced(9).await;
    for i in 0..9 {
        world.shop.edit(&format!("c{i:03}"), |record| {
            record.set("tags", tags(&["diver"]));
        });
    }
    // The first is refused as a whole for now: what the others need is not there, and none goes beside it.
    world.letters.faults.lock().unwrap().push(support::Fault::Limited);
    let result = world.sync().await;
    assert!(!result.success, "{result:?}");
    let tagged = world.calls().iter().filter(|call| call.starts_with("push tag:+diver")).count();
    assert_eq!(tagged, 1, "{:?}", world.calls());
}

#[tokio::test]
async fn a_blank_never_overwrites_a_value() {
    let world = synced(1).await;
    world.shop.edit("c000", |record| {
        record.set("first_name", Value::text(""));
    });
    let result = world.sync().await;
    assert_eq!(result.synced, 0);
    assert!(!world.calls().iter().any(|call| call.starts_with("push")));
    assert_eq!(of(&world.sync().await, "unchanged"), 0, "healed: the next run does not look at it again");
}

#[tokio::test]
async fn only_mapped_fields_leave_the_host() {
    let world = synced(1).await;
    assert!(
        !format!(
            "{:?}",
            world
                .letters
                .members
                .lock()
                .unwrap()
                .values()
                .map(|m| serde_json::to_string(&m.fields).unwrap())
                .collect::<Vec<_>>()
        )
        .contains("CANARY")
    );
}

#[tokio::test]
async fn a_scan_without_a_change_feed_finds_changes_and_deletions() {
    let world = World::with(Shop::default(), EngineConfig::default()).await;
    for i in 0..5 {
        world.shop.put(&format!("c{i}"), customer(&format!("c{i}@example.com")));
    }
    assert!(world.approve().await.success);
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "unchanged")), (0, 5));
    world.shop.delete("c3");
    world.shop.edit("c1", |record| {
        record.set("first_name", Value::text("New"));
    });
    let result = world.sync().await;
    assert_eq!((of(&result, "removed"), of(&result, "updated")), (1, 1), "{result:?}");
    assert!(!world.letters.members.lock().unwrap().contains_key("c3@example.com"));
    assert_eq!(world.sync().await.synced, 0);
}

#[tokio::test]
async fn a_dry_run_sends_nothing_and_leaves_the_store_as_it_was() {
    let world = synced(3).await;
    world.shop.edit("c001", |record| {
        record.set("first_name", Value::text("Ada"));
    });
    world.shop.delete("c002");
    let links = |world: &World| {
        let store = world.store.clone();
        let scope = world.request().scope();
        async move {
            (store.links_of(&scope, "c001").await.unwrap(), store.cursor(&scope, "local:customers:contacts").await.unwrap())
        }
    };
    let before = links(&world).await;
    let writes = world.letters.writes.load(std::sync::atomic::Ordering::Relaxed);
    let result = world.run(world.request().dry_run(), RunOptions::new()).await;
    assert!(result.success);
    let details = result.details.unwrap();
    assert_eq!((details.planned.of("update"), details.planned.of("remove")), (1, 1));
    assert_eq!(links(&world).await, before);
    assert_eq!(world.letters.writes.load(std::sync::atomic::Ordering::Relaxed), writes);
    assert_eq!(world.sync().await.synced, 2);
}

#[tokio::test]
async fn an_existing_member_is_matched_and_updated_not_doubled() {
    let world = World::new().await;
    world.letters.person("c1@example.com", |fields| {
        fields.set("first_name", Value::text("Old")).set("consent.email", consent(ConsentState::Granted, 1));
    });
    world.letters.person("c2@example.com", |fields| {
        fields.set("first_name", Value::text("c2")).set("consent.email", consent(ConsentState::Granted, 1));
    });
    for id in ["c1", "c2", "c3"] {
        world.shop.put(id, customer(&format!("{id}@example.com")));
    }
    let result = world.approve().await;
    assert_eq!((of(&result, "created"), of(&result, "updated"), of(&result, "linked")), (1, 1, 1), "{result:?}");
    assert_eq!(world.letters.members.lock().unwrap().len(), 3);
    assert_eq!(world.sync().await.synced, 0);
}

#[tokio::test]
async fn an_address_taken_since_the_feed_was_read_is_looked_at_and_adopted() {
    let world = synced(1).await;
    // Known there since before our cursor, and never matched: only the create tells.
    world.shop.put("c9", customer("new@example.com"));
    world.letters.members.lock().unwrap().insert(
        "new@example.com".into(),
        support::Member {
            fields: sync_core::Record::new()
                .with("email", Value::text("new@example.com"))
                .with("consent.email", consent(ConsentState::Granted, 1)),
            changed: 0,
            list: "news".into(),
        },
    );
    let result = world.sync().await;
    assert_eq!((result.synced, result.failed), (1, 0), "{result:?}");
    let calls = world.calls();
    assert!(
        calls.contains(&"push new 1".to_owned())
            && calls.contains(&"find 1".to_owned())
            && calls.contains(&"push known 1".to_owned()),
        "{calls:?}"
    );
    assert_eq!(world.sync().await.synced, 0);
}

#[tokio::test]
async fn a_lost_answer_is_pending_and_repeated_whole_once_it_has_settled() {
    for fault in [Fault::LostAfter, Fault::LostBefore] {
        let world = synced(1).await;
        for i in 1..4 {
            world.shop.put(&format!("n{i}"), customer(&format!("n{i}@example.com")));
        }
        world.letters.faults.lock().unwrap().push(fault);
        let result = world.sync().await;
        let details = result.details.as_ref().unwrap();
        assert_eq!((result.success, details.stopped, of(&result, "pending")), (false, Some(Stop::Later), 3), "{result:?}");
        let first_key = world.letters.keys_seen.lock().unwrap().last().cloned();
        let early = world.sync().await;
        assert!(!early.success && early.synced == 0, "nothing is done before it has settled: {early:?}");
        world.clock.advance(Duration::from_secs(160));
        let result = world.sync().await;
        assert!(result.success, "{result:?}");
        assert!(world.letters.keys_seen.lock().unwrap().iter().filter(|key| Some(*key) == first_key.as_ref()).count() == 2);
        assert_eq!(world.letters.members.lock().unwrap().len(), 4);
        assert_eq!(world.sync().await.synced, 0);
    }
}

#[tokio::test]
async fn one_refused_item_stays_one_and_is_named() {
    let world = World::new().await;
    for i in 0..4 {
        world.shop.put(&format!("c{i}"), customer(&format!("c{i}@example.com")));
    }
    world.letters.refuse.lock().unwrap().insert("c2@example.com".into());
    let result = world.approve().await;
    assert_eq!((result.success, result.synced, result.failed), (false, 3, 1));
    assert_eq!(result.errors.unwrap(), ["Customer c2: the address was refused: \"looks fake\". Correct it."]);
    // Unchanged, it is not tried again; corrected, it is.
    assert_eq!(world.sync().await.failed, 0);
    world.shop.edit("c2", |record| {
        record.set("email", Value::text("good@example.com"));
    });
    let result = world.sync().await;
    assert_eq!((result.synced, result.failed), (1, 0), "{result:?}");
}

#[tokio::test]
async fn a_limit_stops_early_tells_when_and_resumes() {
    let world = synced(1).await;
    for i in 0..5 {
        world.shop.put(&format!("n{i}"), customer(&format!("n{i}@example.com")));
    }
    world.letters.faults.lock().unwrap().push(Fault::Limited);
    let result = world.sync().await;
    assert!(!result.success && result.details.as_ref().unwrap().resume_at.is_some(), "{result:?}");
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.letters.members.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn a_dead_token_marks_the_connection() {
    let world = synced(1).await;
    world.shop.put("n1", customer("n1@example.com"));
    world.letters.faults.lock().unwrap().push(Fault::Revoked);
    let result = world.sync().await;
    assert_eq!(result.details.unwrap().stopped, Some(Stop::Reconnect));
    let row = world.store.connection(&world.request().scope()).await.unwrap().unwrap();
    assert!(matches!(row.status, sync_engine::ConnectionStatus::Reconnect { .. }));
}

#[tokio::test]
async fn the_breaker_stops_mass_removal_and_lets_an_approved_plan_through() {
    let world = synced(80).await;
    for i in 0..60 {
        world.shop.delete(&format!("c{i:03}"));
    }
    let result = world.sync().await;
    let details = result.details.unwrap();
    assert_eq!(details.stopped, Some(Stop::Breaker), "{:?}", result.errors);
    assert_eq!(world.letters.members.lock().unwrap().len(), 80);
    let result = world.run(world.request(), RunOptions::new().approve(details.plan_hash)).await;
    assert_eq!((result.success, result.synced), (true, 60), "{result:?}");
}

#[tokio::test]
async fn single_items_go_without_a_feed_and_unknown_ones_are_named() {
    let world = synced(3).await;
    for id in ["c000", "c001"] {
        world.shop.edit(id, |record| {
            record.set("first_name", Value::text("Ada"));
        });
    }
    let result = world.run(world.request().items(["contacts:c000", "nobody"]), RunOptions::new()).await;
    assert_eq!((result.synced, result.failed), (1, 1), "{result:?}");
    assert!(result.errors.unwrap()[0].contains("there is no such record"));
    assert!(!world.calls().contains(&"pull".to_owned()));
    assert_eq!(world.sync().await.synced, 1, "no cursor moved: the other change still goes");
}

#[tokio::test]
async fn a_second_run_at_once_is_told_who_holds_the_lease() {
    let world = synced(1).await;
    let held = world.store.acquire(&world.request().scope(), "worker 7", 60_000).await.unwrap();
    assert!(matches!(held, sync_engine::Acquired::Lease(_)));
    let result = world.sync().await;
    assert_eq!(result.details.as_ref().unwrap().stopped, Some(Stop::LeaseHeld));
    assert!(result.errors.unwrap()[0].contains("worker 7 holds the lease since"));
    world.clock.advance(Duration::from_secs(61));
    assert!(world.sync().await.success);
}

#[tokio::test]
async fn a_push_only_provider_refuses_pull_and_unknown_types() {
    let world = synced(1).await;
    let result = world.run(world.request().direction(Direction::Pull), RunOptions::new()).await;
    assert!(result.errors.unwrap()[0].contains("direction \"pull\" is not possible"));
    let result = world.run(world.request().types(["invoices"]), RunOptions::new()).await;
    assert!(result.errors.unwrap()[0].contains("(there are: contacts, tags)"));
}

#[tokio::test]
async fn a_record_deleted_there_is_asked_about_and_made_again_only_on_a_yes() {
    let world = synced(2).await;
    world.letters.members.lock().unwrap().remove("c001@example.com");
    // The feed doesn't tell; a full pass does, and the look-up proves it.
    let scope = world.request().scope();
    let mut row = world.store.connection(&scope).await.unwrap().unwrap();
    let revision = row.revision;
    row.settings = serde_json::json!({ "changed": true });
    world.store.put_connection(&row, Some(revision)).await.unwrap();
    let _ = world.sync().await;
    let lease = match world.store.acquire(&scope, "test", 1_000).await.unwrap() {
        sync_engine::Acquired::Lease(lease) => lease,
        held => panic!("{held:?}"),
    };
    world
        .store
        .commit(&lease, vec![sync_engine::Change::Cursor { stream: "remote:members:news".into(), cursor: None }])
        .await
        .unwrap();
    world.store.release(&lease).await.unwrap();
    let result = world.sync().await;
    assert_eq!(of(&result, "question"), 1, "{result:?}");
    assert!(!world.letters.members.lock().unwrap().contains_key("c001@example.com"));
    let question = world.store.questions(&scope, true, None, 10).await.unwrap().remove(0);
    let answer = Answer { key: "create".into(), by: "Ana".into(), at: sync_core::Clock::now(&*world.clock) };
    world.store.answer(&scope, &question.id, answer).await.unwrap();
    assert_eq!(world.sync().await.synced, 1);
    assert!(world.letters.members.lock().unwrap().contains_key("c001@example.com"));
}

#[tokio::test]
async fn cancelling_keeps_what_was_done() {
    let world = World::new().await;
    world.shop.put("c1", customer("c1@example.com"));
    let options = RunOptions::new();
    options.cancel.cancel();
    let result = world.run(world.request(), options).await;
    assert_eq!(result.details.unwrap().stopped, Some(Stop::Cancelled));
}

#[tokio::test]
async fn a_record_that_waits_and_changes_is_planned_once() {
    let world = World::new().await;
    world.shop.put("c1", customer("c1@example.com"));
    world.shop.put("c2", customer("c2@example.com").with("consent.email", consent(ConsentState::Unknown, 1)));
    world.approve().await;
    world.letters.refuse.lock().unwrap().insert("c3@example.com".into());
    world.shop.put("c3", customer("c3@example.com"));
    world.sync().await;
    let scope = world.request().scope();
    world.store.retry_items(&scope, None, sync_core::Clock::now(&*world.clock)).await.unwrap();
    world.letters.refuse.lock().unwrap().clear();
    world.shop.edit("c3", |record| {
        record.set("first_name", Value::text("Cleo"));
    });
    let result = world.run(world.request().dry_run(), RunOptions::new()).await;
    assert_eq!(result.details.unwrap().planned.of("create"), 1);
    assert_eq!(world.sync().await.synced, 1);
}

#[tokio::test]
async fn a_change_made_while_a_call_is_open_waits_and_is_not_lost() {
    for fault in [Fault::LostAfter, Fault::LostBefore] {
        let world = synced(2).await;
        world.shop.put("n1", customer("n1@example.com"));
        world.shop.edit("c001", |record| {
            record.set("first_name", Value::text("First"));
        });
        world.letters.faults.lock().unwrap().extend([fault, fault]);
        assert!(!world.sync().await.success);
        for id in ["n1", "c001"] {
            world.shop.edit(id, |record| {
                record.set("first_name", Value::text("Second"));
            });
        }
        world.letters.faults.lock().unwrap().clear();
        let result = world.sync().await;
        assert_eq!(
            (result.success, result.synced, result.failed),
            (false, 0, 0),
            "nothing before it has settled: {result:?}"
        );
        world.clock.advance(Duration::from_secs(300));
        let result = world.sync().await;
        assert!(result.success, "{result:?}");
        let name = |email: &str| world.letters.members.lock().unwrap()[email].fields.text("first_name").map(str::to_owned);
        assert_eq!(name("n1@example.com").as_deref(), Some("Second"));
        assert_eq!(name("c001@example.com").as_deref(), Some("Second"));
        assert_eq!(world.sync().await.synced, 0);
        assert!(world.store.items(&world.request().scope(), None, 10).await.unwrap().is_empty());
    }
}
