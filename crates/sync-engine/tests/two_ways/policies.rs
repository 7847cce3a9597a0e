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

/// Three trips of a series and one that is of none, all there, with a guard on their times.
async fn weekly() -> (World, Vec<String>) {
    let world = World::new().await;
    guarded(&world);
    world.rules(|rules| {
        rules.fields.insert("series".into());
        rules.series = Some("series".into());
    });
    for (id, date) in [("w1", "2027-05-02"), ("w2", "2027-05-09"), ("w3", "2027-05-16"), ("other", "2027-05-16")] {
        world.desk.put(id, &[("title", id), ("date", date), ("start", "09:00"), ("boat", "Manta")]);
        if id != "other" {
            world.desk.edit(id, "series", "sundays");
        }
    }
    assert!(world.sync().await.success);
    world.settle().await;
    let there = ["other", "w1", "w2", "w3"].map(|title| world.diary.id_of(title)).to_vec();
    (world, there)
}

#[tokio::test]
async fn this_and_all_following_moved_by_a_person_is_one_question() {
    let (world, there) = weekly().await;
    for id in &there {
        world.diary.edit(id, "start", "10:30");
    }
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question")), (0, 4), "{result:?}");
    let questions = world.questions().await;
    let sizes: Vec<usize> = questions.iter().map(|question| question.locals.len()).collect();
    assert_eq!((questions.len(), sizes.iter().sum::<usize>()), (2, 4), "{questions:?}");
    let series = questions.iter().find(|question| question.locals.len() == 3).unwrap();
    assert!(series.prompt.contains("3 trips of a series"), "{}", series.prompt);
    let last = &series.evidence["records"][2];
    let here = &last["fields"][0]["here"]["text"];
    assert_eq!((&last["id"], here), (&serde_json::json!("w3"), &serde_json::json!("09:00")), "{}", series.evidence);
    // Asked once, and one answer is for all of them, for none but them, and for no later change.
    assert_eq!(world.sync().await.details.unwrap().newly_waiting, 0);
    let accept = sync_engine::Answer { key: "accept".into(), by: "Ana".into(), at: jiff::Timestamp::UNIX_EPOCH };
    sync_engine::Store::answer(&world.store, &world.request().scope(), &series.id, accept).await.unwrap();
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 3), "{result:?}");
    let starts = |world: &World| ["w1", "w2", "w3", "other"].map(|id| world.desk.text(id, "start").unwrap());
    assert_eq!(starts(&world), ["10:30", "10:30", "10:30", "09:00"]);
    world.diary.edit(&there[2], "start", "12:00");
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question")), (0, 2), "moved as far again, and not agreed to: {result:?}");
    assert_eq!(starts(&world)[1], "10:30");
}

#[tokio::test]
async fn trips_of_a_series_that_were_moved_differently_are_asked_about_apart() {
    let (world, there) = weekly().await;
    world.diary.edit(&there[1], "start", "10:30");
    world.diary.edit(&there[2], "start", "08:00");
    let result = world.sync().await;
    assert_eq!(of(&result, "question"), 2, "{result:?}");
    let questions = world.questions().await;
    assert_eq!(questions.len(), 2);
    assert!(questions.iter().all(|question| question.locals.len() == 1 && !question.prompt.contains("series")));
}

#[tokio::test]
async fn a_trip_that_joins_a_question_later_waits_for_the_same_answer() {
    let (world, there) = weekly().await;
    world.diary.edit(&there[1], "start", "10:30");
    world.sync().await;
    world.diary.edit(&there[2], "start", "10:30");
    world.sync().await;
    let questions = world.questions().await;
    assert_eq!((questions.len(), questions[0].locals.len()), (1, 2), "{questions:?}");
    world.answer("put-back").await;
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 2), "{result:?}");
    assert_eq!(world.diary.text(&there[2], "start").as_deref(), Some("09:00"));
    // The same move after an answer is a new question.
    world.diary.edit(&there[3], "start", "10:30");
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question")), (0, 1), "{result:?}");
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
    assert_eq!((result.success, of(&result, "pending")), (true, 1), "{result:?}");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Reef"), "nobody saw that");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("09:00"));
}

#[tokio::test]
async fn what_a_person_saw_of_a_first_plan_goes_although_other_records_changed_since() {
    let world = World::new().await;
    let mut row = sync_engine::Store::connection(&world.store, &world.request().scope()).await.unwrap().unwrap();
    (row.approved, row.status) = (Default::default(), sync_engine::ConnectionStatus::Setup);
    let revision = row.revision;
    row.revision += 1;
    assert!(sync_engine::Store::put_connection(&world.store, &row, Some(revision)).await.unwrap());
    for id in ["reef", "wreck", "night"] {
        world.desk.put(id, &[("title", id), ("date", "2027-05-01")]);
    }
    let plan = world.run(world.request().dry_run(), RunOptions::new()).await.details.unwrap();
    let scope = world.request().scope();
    let rows = sync_engine::Store::plan_page(&world.store, &scope, &plan.run_id.unwrap(), 0, 10).await.unwrap();
    let digests = rows.iter().map(|row| row.planned.digest.clone()).collect();
    world.desk.edit("wreck", "title", "Wreck by night");
    world.desk.put("cave", &[("title", "Cave"), ("date", "2027-05-03")]);
    let filter = sync_engine::PlanFilter { digests, strict: false };
    // Unseen, the whole waits for a person.
    let result = world.run(world.request(), RunOptions::new()).await;
    assert_eq!(result.details.as_ref().unwrap().stopped, Some(Stop::Approval), "{result:?}");
    let strict = sync_engine::PlanFilter { strict: true, ..filter.clone() };
    let result = world.run(world.request(), RunOptions::new().only(strict)).await;
    assert_eq!(result.details.as_ref().unwrap().stopped, Some(Stop::Approval), "{result:?}");
    assert_eq!(world.diary.live(), 0);
    // Nothing of it left to go approves nothing.
    let empty = sync_engine::PlanFilter::default();
    let result = world.run(world.request(), RunOptions::new().only(empty)).await;
    assert_eq!((result.synced, of(&result, "pending")), (0, 4), "{result:?}");
    let result = world.run(world.request(), RunOptions::new()).await;
    assert_eq!(result.details.as_ref().unwrap().stopped, Some(Stop::Approval), "{result:?}");
    let result = world.run(world.request(), RunOptions::new().only(filter)).await;
    assert_eq!((result.success, result.synced, of(&result, "pending")), (true, 2, 2), "{result:?}");
    assert_eq!(world.diary.live(), 2);
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 2), "{result:?}");
    world.settle().await;
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
    assert_eq!((result.synced, result.failed, of(&result, "pending")), (1, 0, 1), "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.diary.live(), 1, "the changed one did not go");
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    world.settle().await;
}
