//! Conflict policies, guards, refusals, directions, single items, breakers, audits.

use std::sync::atomic::Ordering;

use sync_core::{ConflictPolicy, Direction, Filter, FilterTest, Guard, OnRefusal, OnRemoteNew, Stop, Value};
use sync_engine::RunOptions;

use crate::{
    diary::{TRIPS, World},
    support::of,
};

#[tokio::test]
async fn a_conflict_is_settled_by_the_fields_policy_and_the_loser_is_kept() {
    for (policy, winner) in [(ConflictPolicy::LocalWins, "08:00"), (ConflictPolicy::RemoteWins, "10:00")] {
        let (world, id) = World::agreed().await;
        world.rules(|rules| rules.conflicts = vec![("start".into(), policy)]);
        world.desk.edit("reef", "start", "08:00");
        world.diary.edit(&id, "start", "10:00");
        let result = world.sync().await;
        assert_eq!((result.success, result.synced), (true, 1), "{policy:?}: {result:?}");
        assert_eq!(world.desk.text("reef", "start").as_deref(), Some(winner), "{policy:?}");
        assert_eq!(world.diary.text(&id, "start").as_deref(), Some(winner), "{policy:?}");
        let run = result.details.unwrap().run_id.unwrap();
        let scope = world.request().scope();
        let plan = sync_engine::Store::plan_page(&world.store, &scope, &run, 0, 10).await.unwrap();
        let operation = &plan[0].planned.operation;
        let loser = match policy {
            ConflictPolicy::LocalWins => operation.before.as_ref().unwrap().fields.text("start"),
            _ => operation.here.as_ref().unwrap().before.text("start"),
        };
        assert_eq!(loser, Some(if winner == "08:00" { "10:00" } else { "08:00" }), "{policy:?}");
        world.settle().await;
    }
}

#[tokio::test]
async fn the_newest_wins_where_both_sides_tell_times_and_else_a_person_is_asked() {
    for (here, winner) in [(Some(1_700_000_000), Some("10:00")), (Some(1_900_000_000), Some("08:00")), (None, None)] {
        let (world, id) = World::agreed().await;
        world.rules(|rules| rules.conflicts = vec![("start".into(), ConflictPolicy::Newest)]);
        world.desk.edit("reef", "start", "08:00");
        if let Some(second) = here {
            let at = jiff::Timestamp::from_second(second).unwrap();
            world.desk.set("reef", "changed_at", Value::Time { at, zone: None });
        }
        world.diary.edit(&id, "start", "10:00");
        let result = world.sync().await;
        assert_eq!(of(&result, "question"), u64::from(winner.is_none()), "{result:?}");
        if let Some(winner) = winner {
            assert_eq!(world.desk.text("reef", "start").as_deref(), Some(winner));
            assert_eq!(world.diary.text(&id, "start").as_deref(), Some(winner));
            world.settle().await;
        }
    }
}

fn guarded(world: &World) {
    world.rules(|rules| {
        let when = Some(Filter { field: "boat".into(), test: FilterTest::Present(true) });
        rules.guards = vec![Guard { fields: vec!["date".into(), "start".into()], when }];
    });
}

#[tokio::test]
async fn a_guarded_change_there_is_asked_about_and_written_once_accepted() {
    let (world, id) = World::agreed().await;
    guarded(&world);
    world.diary.edit(&id, "start", "10:00");
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question")), (0, 1), "{result:?}");
    assert_eq!(world.questions().await[0].code, "guarded");
    world.answer("accept").await;
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    world.settle().await;
}

#[tokio::test]
async fn a_guarded_change_there_can_be_put_back() {
    let (world, id) = World::agreed().await;
    guarded(&world);
    world.diary.edit(&id, "start", "10:00");
    world.sync().await;
    world.answer("put-back").await;
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.diary.text(&id, "start").as_deref(), Some("09:00"));
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("09:00"));
    world.settle().await;
}

#[tokio::test]
async fn a_change_that_is_left_alone_is_not_asked_about_again() {
    let (world, id) = World::agreed().await;
    guarded(&world);
    world.diary.edit(&id, "start", "10:00");
    world.sync().await;
    world.answer("leave").await;
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question")), (0, 0), "{result:?}");
    world.diary.expired.store(true, Ordering::Relaxed);
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question"), world.questions().await.len()), (0, 0, 0), "{result:?}");
}

#[tokio::test]
async fn a_refusal_of_the_host_is_a_question_in_its_own_words() {
    let (world, id) = World::agreed().await;
    world.desk.refuses.store(true, Ordering::Relaxed);
    world.diary.edit(&id, "start", "10:00");
    world.desk.edit("reef", "title", "Deep reef");
    let result = world.sync().await;
    assert_eq!((result.success, of(&result, "question")), (true, 1), "{result:?}");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"), "the other field went");
    let question = world.questions().await.pop().unwrap();
    assert!(question.prompt.contains("boat Manta is out that day"), "{}", question.prompt);
    // Never tried again by itself.
    world.sync().await;
    assert_eq!(world.desk.writes.lock().unwrap().len(), 1);
    world.answer("put-back").await;
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.diary.text(&id, "start").as_deref(), Some("09:00"));
    world.settle().await;
}

#[tokio::test]
async fn a_refused_change_goes_once_the_host_takes_it() {
    let (world, id) = World::agreed().await;
    world.desk.refuses.store(true, Ordering::Relaxed);
    world.diary.edit(&id, "start", "10:00");
    world.sync().await;
    world.desk.refuses.store(false, Ordering::Relaxed);
    world.answer("again").await;
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    world.settle().await;
}

#[tokio::test]
async fn by_policy_a_refused_change_is_put_back_there_in_the_same_run() {
    let (world, id) = World::agreed().await;
    world.rules(|rules| rules.on_refusal = OnRefusal::PutBack);
    world.desk.refuses.store(true, Ordering::Relaxed);
    world.diary.edit(&id, "start", "10:00");
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.diary.text(&id, "start").as_deref(), Some("09:00"));
    world.settle().await;
}

#[tokio::test]
async fn a_request_narrows_the_direction_and_the_rest_waits_for_the_next_run() {
    let (world, id) = World::agreed().await;
    world.desk.edit("reef", "title", "Deep reef");
    world.diary.edit(&id, "start", "10:00");
    let result = world.run(world.request().direction(Direction::Push), RunOptions::new()).await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"));
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("09:00"));
    world.desk.edit("reef", "title", "Deeper reef");
    let result = world.run(world.request().direction(Direction::Pull), RunOptions::new()).await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"));
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deeper reef"));
    world.settle().await;
}

#[tokio::test]
async fn a_request_can_not_widen_the_direction() {
    let (world, _) = World::agreed().await;
    world.rules(|rules| rules.direction = Direction::Push);
    let result = world.run(world.request().direction(Direction::Both), RunOptions::new()).await;
    assert!(!result.success);
    assert!(result.errors.as_ref().unwrap()[0].contains("setting"), "{:?}", result.errors);
}

#[tokio::test]
async fn a_connection_that_only_pulls_writes_nothing_there() {
    let (world, id) = World::agreed().await;
    world.rules(|rules| rules.direction = Direction::Pull);
    world.desk.edit("reef", "title", "Deep reef");
    world.diary.edit(&id, "start", "10:00");
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Reef"));
}

#[tokio::test]
async fn single_items_of_the_other_side_are_looked_up_without_a_feed() {
    let (world, id) = World::agreed().await;
    world.diary.edit(&id, "start", "10:00");
    world.diary.put("charter", &[("title", "Charter"), ("date", "2027-05-03")]);
    world.diary.calls.lock().unwrap().clear();
    let items = [format!("remote:trips:{id}"), "remote:trips:charter".to_owned()];
    let result = world.run(world.request().items(items), RunOptions::new()).await;
    assert_eq!((result.success, result.synced), (true, 2), "{result:?}");
    assert!(!world.diary.calls.lock().unwrap().contains(&"pull".to_owned()));
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.desk.text("made-2", "title").as_deref(), Some("Charter"));
    let result = world.run(world.request().items(["remote:trips:nobody"]), RunOptions::new()).await;
    assert_eq!((result.success, result.failed), (false, 1), "{result:?}");
    world.settle().await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_written_on_both_sides_and_changes_nothing() {
    let (world, id) = World::agreed().await;
    world.rules(|rules| rules.on_remote_new = OnRemoteNew::Create);
    world.diary.edit(&id, "start", "10:00");
    world.diary.put("charter", &[("title", "Charter"), ("date", "2027-05-03")]);
    world.desk.put("night", &[("title", "Night"), ("date", "2027-05-02")]);
    let result = world.run(world.request().dry_run(), RunOptions::new()).await;
    let planned = result.details.unwrap().planned;
    assert_eq!((planned.of("create"), planned.of("update-here"), planned.of("create-here")), (1, 1, 1), "{planned:?}");
    assert_eq!((world.desk.ids().len(), world.diary.live()), (2, 2));
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 3), "{result:?}");
    world.settle().await;
}

#[tokio::test]
async fn an_audit_compares_everything_and_writes_nothing() {
    let (world, id) = World::agreed().await;
    world.diary.edit(&id, "boat", "Dory");
    world.settle().await;
    // Tampered with where no feed told: the version is the same, and the host's log is silent.
    world.diary.entries.lock().unwrap().get_mut(&id).unwrap().fields.set("title", Value::text("Wreck"));
    world.settle().await;
    let result = world.run(world.request(), RunOptions::new().audit()).await;
    let details = result.details.unwrap();
    assert_eq!((result.success, result.synced, details.planned.of("update-here")), (true, 0, 1), "{details:?}");
    assert_eq!(world.desk.text("reef", "title").as_deref(), Some("Reef"));
    world.settle().await;
}

#[tokio::test]
async fn an_audit_of_a_connection_that_only_pushes_shows_what_drifted_there() {
    let (world, id) = World::agreed().await;
    world.rules(|rules| rules.direction = Direction::Push);
    assert!(world.sync().await.success);
    world.diary.edit(&id, "title", "Wreck");
    world.diary.edit(&id, "boat", "Dory");
    let details = world.run(world.request(), RunOptions::new().audit()).await.details.unwrap();
    assert_eq!((details.planned.of("update"), details.planned.of("update-here")), (1, 0), "{details:?}");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Wreck"), "nothing was written");
}

#[tokio::test]
async fn a_record_that_moves_while_its_plan_is_applied_does_not_go_unseen() {
    let (world, id) = World::agreed().await;
    world.diary.edit(&id, "start", "10:00");
    let plan = world.run(world.request().dry_run(), RunOptions::new()).await.details.unwrap();
    let scope = world.request().scope();
    let rows = sync_engine::Store::plan_page(&world.store, &scope, &plan.run_id.unwrap(), 0, 10).await.unwrap();
    let filter =
        sync_engine::PlanFilter { digests: rows.iter().map(|row| row.planned.digest.clone()).collect(), strict: false };
    // Between the decision and the write somebody here changes the trip.
    world.desk.edits.lock().unwrap().push(("reef".to_owned(), "title", "Deep reef".to_owned()));
    let result = world.run(world.request(), RunOptions::new().only(filter)).await;
    assert_eq!((result.success, result.failed), (false, 1), "{result:?}");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Reef"), "nobody saw that");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("09:00"));
}

#[tokio::test]
async fn a_side_that_shows_nothing_any_more_stops_the_run_before_anything_is_asked() {
    let world = World::new().await;
    for i in 0..80 {
        world.desk.put(&format!("trip-{i:02}"), &[("title", &format!("Trip {i}")), ("date", "2027-05-01")]);
    }
    assert!(world.sync().await.success);
    world.settle().await;
    world.diary.hides.store(true, Ordering::Relaxed);
    world.diary.entries.lock().unwrap().values_mut().for_each(|entry| entry.gone = true);
    world.diary.expired.store(true, Ordering::Relaxed);
    let result = world.sync().await;
    let details = result.details.clone().unwrap();
    assert_eq!((result.success, details.stopped), (false, Some(Stop::Breaker)), "{result:?}");
    assert!(world.questions().await.is_empty());
    assert!(result.errors.as_ref().unwrap()[0].contains("80 of 80"), "{:?}", result.errors);
    assert_eq!(TRIPS.as_str(), "trips");
}

#[tokio::test]
async fn only_operations_that_a_person_saw_go_and_others_are_moved_items() {
    let (world, id) = World::agreed().await;
    world.desk.put("night", &[("title", "Night"), ("date", "2027-05-02")]);
    world.diary.edit(&id, "start", "10:00");
    let plan = world.run(world.request().dry_run(), RunOptions::new()).await.details.unwrap();
    let scope = world.request().scope();
    let rows = sync_engine::Store::plan_page(&world.store, &scope, &plan.run_id.unwrap(), 0, 10).await.unwrap();
    let digests = rows.iter().map(|row| row.planned.digest.clone()).collect();
    // After the look, one of them changes.
    world.desk.edit("night", "title", "Night dive");
    let filter = sync_engine::PlanFilter { digests, strict: false };
    let items = rows.iter().map(|row| format!("trips:{}", row.planned.operation.local));
    let items: Vec<String> = items.collect();
    let strict = sync_engine::PlanFilter { strict: true, ..filter.clone() };
    let result = world.run(world.request().items(items.clone()), RunOptions::new().only(strict)).await;
    assert_eq!((result.success, result.synced), (false, 0), "{result:?}");
    let result = world.run(world.request().items(items), RunOptions::new().only(filter)).await;
    assert_eq!((result.synced, result.failed), (1, 1), "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.diary.live(), 1, "the changed one did not go");
    assert!(result.errors.as_ref().unwrap()[0].contains("changed since"), "{:?}", result.errors);
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    world.settle().await;
}
