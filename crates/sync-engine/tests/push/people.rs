//! Who said no, and who shares an address.

use super::*;

#[tokio::test]
async fn refusals_flow_back_once_and_are_never_raised_again() {
    let world = synced(2).await;
    world.letters.person("c000@example.com", |fields| {
        fields.set("consent.email", consent(ConsentState::Denied, 1_750_000_000));
    });
    let result = world.sync().await;
    assert_eq!(result.details.as_ref().unwrap().consent_facts, 1, "{result:?}");
    {
        let facts = world.shop.facts.lock().unwrap();
        assert_eq!(
            (facts.len(), facts[0].state, facts[0].record.as_ref().map(|id| id.as_str())),
            (1, ConsentState::Denied, Some("c000"))
        );
    }
    // The shop renames her, and its own data still says that she agreed.
    world.shop.edit("c000", |record| {
        record.set("first_name", Value::text("Renamed"));
    });
    assert_eq!(world.sync().await.synced, 1);
    let state = world.letters.members.lock().unwrap()["c000@example.com"]
        .fields
        .value("consent.email")
        .unwrap()
        .as_consent()
        .unwrap()
        .state;
    assert_eq!(state, ConsentState::Denied);
    assert_eq!(world.shop.facts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn who_refused_is_not_taken_in_again_under_a_new_record() {
    let world = World::new().await;
    world.letters.person("gone@example.com", |fields| {
        fields.set("consent.email", consent(ConsentState::Denied, 1_750_000_000));
    });
    world.shop.put("c0", customer("first@example.com"));
    world.approve().await;
    world.letters.members.lock().unwrap().remove("gone@example.com");
    world.shop.put("c1", customer("gone@example.com"));
    let result = world.sync().await;
    assert_eq!((result.synced, result.details.as_ref().unwrap().skipped.get("no-consent")), (0, Some(&1)), "{result:?}");
    // She agrees again, later: asked to confirm, and only with a grant.
    world.shop.edit("c1", |record| {
        record.set("consent.email", consent(ConsentState::Granted, 1_790_000_000));
    });
    let result = world.sync().await;
    assert_eq!(result.details.as_ref().unwrap().skipped.get("needs-grant"), Some(&1), "{result:?}");
    let result = world.run(world.request(), RunOptions::new().grants(EffectGrants::of(["confirmation-mail"]))).await;
    assert_eq!(result.synced, 1, "{result:?}");
}

#[tokio::test]
async fn families_are_asked_about_once_and_the_answer_is_remembered() {
    let world = synced(1).await;
    for id in ["f1", "f2"] {
        world.shop.put(id, customer("family@example.com"));
    }
    let result = world.sync().await;
    assert_eq!((result.success, result.synced, of(&result, "question")), (true, 0, 2), "{result:?}");
    let scope = world.request().scope();
    let questions = world.store.questions(&scope, true, None, 10).await.unwrap();
    assert_eq!(questions.len(), 1);
    assert_eq!(of(&world.sync().await, "question"), 2, "asked once, still waiting");
    let answer = Answer { key: "use:f2".into(), by: "Ana".into(), at: sync_core::Clock::now(&*world.clock) };
    world.store.answer(&scope, &questions[0].id, answer).await.unwrap();
    let result = world.sync().await;
    assert_eq!((result.synced, result.details.as_ref().unwrap().skipped.get("shared-key")), (1, Some(&1)), "{result:?}");
    world.shop.edit("f1", |record| {
        record.set("first_name", Value::text("Other"));
    });
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question")), (0, 0), "{result:?}");
}

#[tokio::test]
async fn families_as_a_union_have_everybodys_tags_also_later() {
    let world = synced(1).await;
    *world.letters.shared.lock().unwrap() = Some(SharedKey::UnionOfTags);
    world.shop.put("f1", customer("family@example.com").with("tags", tags(&["a"])));
    world.shop.put("f2", customer("family@example.com").with("tags", tags(&["b"])));
    let result = world.sync().await;
    assert_eq!(result.synced, 1, "{result:?}");
    let tags_there =
        |world: &World| world.letters.members.lock().unwrap()["family@example.com"].fields.value("tags").cloned();
    assert_eq!(tags_there(&world), Some(tags(&["a", "b"])));
    world.shop.edit("f2", |record| {
        record.set("tags", tags(&["b", "c"]));
    });
    assert_eq!(world.sync().await.synced, 1);
    assert_eq!(tags_there(&world), Some(tags(&["a", "b", "c"])));
    world.shop.edit("f1", |record| {
        record.set("first_name", Value::text("Ana"));
    });
    world.sync().await;
    assert_eq!(tags_there(&world), Some(tags(&["a", "b", "c"])), "the winner's own change takes nobody's tags away");
    // A tag of the marketer's own is nobody's to take away.
    world.letters.person("family@example.com", |fields| {
        fields.set("tags", tags(&["a", "b", "c", "vip"]));
    });
    world.shop.edit("f2", |record| {
        record.set("email", Value::text("moved@example.com"));
    });
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 2), "{result:?}");
    assert_eq!(tags_there(&world), Some(tags(&["a", "vip"])), "who left takes their tags along");
    assert_eq!(world.sync().await.synced, 0);
}

#[tokio::test]
async fn who_was_deleted_leaves_no_tags_behind_with_the_family() {
    let world = synced(1).await;
    *world.letters.shared.lock().unwrap() = Some(SharedKey::UnionOfTags);
    for (id, tag) in [("f1", "a"), ("f2", "b"), ("f3", "c")] {
        world.shop.put(id, customer("family@example.com").with("tags", tags(&[tag])));
    }
    assert_eq!(world.sync().await.synced, 1);
    world.shop.delete("f3");
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    let there = world.letters.members.lock().unwrap()["family@example.com"].fields.value("tags").cloned();
    assert_eq!(there, Some(tags(&["a", "b"])));
    assert_eq!(world.sync().await.synced, 0);
}
