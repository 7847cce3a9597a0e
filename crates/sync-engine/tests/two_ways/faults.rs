//! What goes wrong between the two sides.

use std::{sync::atomic::Ordering, time::Duration};

use sync_core::{ConflictPolicy, OnRemoteDelete, OnRemoteNew};
use sync_engine::RunOptions;

use crate::{diary::World, support::of};

#[tokio::test]
async fn a_write_here_whose_answer_is_lost_is_repeated_and_not_doubled() {
    let (world, _) = World::agreed().await;
    world.rules(|rules| rules.on_remote_new = OnRemoteNew::Create);
    world.diary.put("charter", &[("title", "Charter"), ("date", "2027-05-03")]);
    world.desk.fails.store(1, Ordering::Relaxed);
    let result = world.sync().await;
    assert!(!result.success, "{result:?}");
    assert_eq!(world.desk.ids().len(), 2, "it was written, but nobody knows");
    // Meanwhile it changes there: what was written first is what both sides agreed on.
    world.diary.edit("charter", "title", "Big charter");
    world.clock.advance(Duration::from_secs(300));
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.desk.ids().len(), 2);
    assert_eq!(world.desk.text("made-2", "title").as_deref(), Some("Big charter"));
    world.settle().await;
}

#[tokio::test]
async fn an_update_here_whose_answer_is_lost_is_finished() {
    let (world, id) = World::agreed().await;
    world.diary.edit(&id, "start", "10:00");
    world.desk.edit("reef", "title", "Deep reef");
    world.desk.fails.store(1, Ordering::Relaxed);
    assert!(!world.sync().await.success);
    world.clock.advance(Duration::from_secs(300));
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"));
    world.settle().await;
}

#[tokio::test]
async fn a_lost_answer_there_is_healed_and_the_other_side_is_written_afterwards() {
    let (world, id) = World::agreed().await;
    world.diary.edit(&id, "start", "10:00");
    world.desk.edit("reef", "title", "Deep reef");
    world.diary.lose_answer.store(true, Ordering::Relaxed);
    assert!(!world.sync().await.success);
    world.clock.advance(Duration::from_secs(600));
    for _ in 0..2 {
        let result = world.sync().await;
        assert!(result.errors.is_none(), "{result:?}");
    }
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"));
    assert_eq!(world.diary.live(), 1);
    world.settle().await;
}

/// The id is ours: what the lost call made is agreed on. Histories 843, 1284, 1411 and 1544 of a calendar.
#[tokio::test]
async fn what_people_change_in_what_a_lost_call_made_is_news_and_no_conflict() {
    let (world, _) = World::agreed().await;
    world.desk.put("night", &[("title", "Night"), ("date", "2027-05-02")]);
    world.diary.lose_answer.store(true, Ordering::Relaxed);
    assert!(!world.sync().await.success);
    world.diary.edit(&world.diary.id_of("Night"), "title", "Night dive");
    world.clock.advance(Duration::from_secs(600));
    let result = world.sync().await;
    assert!(result.success && world.questions().await.is_empty(), "{result:?}");
    assert_eq!(world.desk.text("night", "title").as_deref(), Some("Night dive"));
    world.settle().await;
}

/// Nobody could tell afterwards: both sides say the same by then. Histories 2188, 3146, 6539, 6780 and 13858 of a calendar.
#[tokio::test]
async fn what_a_policy_writes_over_is_told_whatever_becomes_of_the_answer_or_the_other_side() {
    for case in ["lost", "repeated", "moved here"] {
        let (world, id) = World::agreed().await;
        world.rules(|rules| rules.conflicts = vec![("start".into(), ConflictPolicy::LocalWins)]);
        world.desk.edit("reef", "start", "08:00");
        world.diary.edit(&id, "start", "10:00");
        match case {
            "lost" => world.diary.lose_answer.store(true, Ordering::Relaxed),
            "repeated" => world.diary.meets_itself.store(true, Ordering::Relaxed),
            _ => {
                // Both sides are to be written, and this one changes meanwhile.
                world.diary.edit(&id, "title", "Deep reef");
                world.desk.edits.lock().unwrap().push(("reef".to_owned(), "boat", "Dory".to_owned()));
            }
        }
        world.sync().await;
        world.clock.advance(Duration::from_secs(600));
        assert!(world.sync().await.success);
        assert_eq!(world.diary.text(&id, "start").as_deref(), Some("08:00"));
        let trail = sync_engine::Store::trail(&world.store, &world.request().scope(), "reef", 100).await.unwrap();
        assert!(trail.iter().any(|(_, row)| row.outcome.code == "conflict-settled"), "{case}: {trail:?}");
        world.settle().await;
    }
}

/// Random kills: what a lost call wrote was taken for somebody's change there, and a person was asked which of two changes
/// of the shop's counts.
#[tokio::test]
async fn what_a_lost_call_wrote_there_is_no_change_of_somebody_elses() {
    let (world, id) = World::agreed().await;
    world.desk.edit("reef", "title", "Deep reef");
    world.diary.lose_answer.store(true, Ordering::Relaxed);
    assert!(!world.sync().await.success);
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"), "it arrived, but nobody knows");
    world.desk.edit("reef", "title", "Deeper reef");
    world.clock.advance(Duration::from_secs(600));
    let result = world.sync().await;
    assert_eq!((result.success, of(&result, "question")), (true, 0), "{result:?}");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deeper reef"));
    // Changed back to what was agreed on before the call, it goes, too.
    world.desk.edit("reef", "title", "Wreck");
    world.diary.lose_answer.store(true, Ordering::Relaxed);
    assert!(!world.sync().await.success);
    world.desk.edit("reef", "title", "Deeper reef");
    world.clock.advance(Duration::from_secs(600));
    assert!(world.sync().await.success);
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deeper reef"));
    world.settle().await;
}

#[tokio::test]
async fn a_record_that_changes_here_while_it_is_written_is_decided_again() {
    let (world, id) = World::agreed().await;
    world.diary.edit(&id, "start", "10:00");
    world.desk.edits.lock().unwrap().push(("reef".to_owned(), "title", "Deep reef".to_owned()));
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.desk.text("reef", "title").as_deref(), Some("Deep reef"), "not overwritten");
    world.settle().await;
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"));
}

/// That the old counterpart is gone is written down with the intent to make the new one, not before. History 286 of a
/// calendar.
#[tokio::test]
async fn a_run_that_ends_before_it_makes_anew_what_was_deleted_there_leaves_that_to_the_next() {
    let (world, id) = World::agreed().await;
    world.rules(|rules| rules.on_remote_delete = OnRemoteDelete::Detach);
    world.diary.delete(&id);
    world.desk.edit("reef", "title", "Deep reef");
    // Planned, and nobody lets it go.
    let nothing = sync_engine::PlanFilter::default();
    assert_eq!(world.run(world.request(), RunOptions::new().only(nothing)).await.synced, 0);
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "the edit beats the delete: {result:?}");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"));
    world.settle().await;
}

#[tokio::test]
async fn an_expired_cursor_is_a_full_pass_that_finds_deletions_by_difference() {
    let (world, id) = World::agreed().await;
    world.desk.put("night", &[("title", "Night"), ("date", "2027-05-02")]);
    world.sync().await;
    world.settle().await;
    let night = world.diary.id_of("Night");
    world.diary.delete(&id);
    world.diary.edit(&night, "title", "Night dive");
    world.diary.expired.store(true, Ordering::Relaxed);
    let result = world.sync().await;
    assert_eq!((result.success, result.synced, of(&result, "question")), (true, 1, 1), "{result:?}");
    assert_eq!(world.desk.text("night", "title").as_deref(), Some("Night dive"));
}

#[tokio::test]
async fn a_full_pass_that_shows_less_than_there_is_deletes_nothing() {
    let (world, _) = World::agreed().await;
    world.diary.hides.store(true, Ordering::Relaxed);
    world.diary.expired.store(true, Ordering::Relaxed);
    let result = world.sync().await;
    assert_eq!((result.success, of(&result, "question"), of(&result, "removed")), (true, 0, 0), "{result:?}");
    world.diary.hides.store(false, Ordering::Relaxed);
    world.settle().await;
}

#[tokio::test]
async fn what_a_feed_shows_twice_and_out_of_order_is_taken_once() {
    let (world, id) = World::agreed().await;
    world.rules(|rules| rules.on_remote_new = OnRemoteNew::Create);
    world.desk.put("night", &[("title", "Night"), ("date", "2027-05-02")]);
    world.sync().await;
    let night = world.diary.id_of("Night");
    world.diary.repeats.store(true, Ordering::Relaxed);
    world.diary.edit(&id, "start", "10:00");
    world.diary.put("charter", &[("title", "Charter"), ("date", "2027-05-03")]);
    world.diary.delete(&night);
    let result = world.sync().await;
    assert_eq!((result.success, result.synced, of(&result, "question")), (true, 2, 1), "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.desk.ids(), ["made-3", "night", "reef"]);
    world.settle().await;
}

#[tokio::test]
async fn a_copy_with_our_marker_is_foreign() {
    let (world, id) = World::agreed().await;
    world.rules(|rules| rules.on_remote_new = OnRemoteNew::Create);
    let copy = world.diary.entries.lock().unwrap().get(&id).unwrap().clone();
    world.diary.entries.lock().unwrap().insert("copy".to_owned(), copy);
    world.diary.touch("copy");
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 0), "{result:?}");
    assert_eq!(world.desk.ids(), ["reef"]);
}

#[tokio::test]
async fn what_a_lost_store_knew_is_found_again_by_its_marker() {
    let (world, id) = World::agreed().await;
    // As after a restore from a backup: the links are lost, the sides are as they were.
    let scope = world.request().scope();
    let lease = match sync_engine::Store::acquire(&world.store, &scope, "test", 60_000).await.unwrap() {
        sync_engine::Acquired::Lease(lease) => lease,
        other => panic!("{other:?}"),
    };
    let links = sync_engine::Store::links_of(&world.store, &scope, "reef").await.unwrap();
    let drop = links
        .iter()
        .map(|link| sync_engine::Change::DropLink {
            account: link.account.clone(),
            resource: link.resource.clone(),
            local: link.local.clone(),
            role: link.role.clone(),
        })
        .chain([
            sync_engine::Change::Cursor { stream: "remote:entries:main".to_owned(), cursor: None },
            sync_engine::Change::Cursor { stream: "local:trips:trips".to_owned(), cursor: None },
        ])
        .collect();
    sync_engine::Store::commit(&world.store, &lease, drop).await.unwrap();
    sync_engine::Store::release(&world.store, &lease).await.unwrap();
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.diary.live(), 1, "adopted, not doubled");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Reef"));
    world.settle().await;
}
