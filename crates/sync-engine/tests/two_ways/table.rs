//! One test for each row: local against its face, remote against its face, and what follows.

use std::sync::atomic::Ordering;

use sync_core::{OnRemoteDelete, OnRemoteNew, Value};

use crate::{
    diary::World,
    support::{of, tags},
};

#[tokio::test]
async fn same_here_and_same_there_does_nothing() {
    let (world, _) = World::agreed().await;
    world.settle().await;
}

#[tokio::test]
async fn changed_here_and_same_there_updates_there() {
    let (world, id) = World::agreed().await;
    world.desk.edit("reef", "title", "Deep reef");
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "updated")), (1, 1), "{result:?}");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"));
    world.settle().await;
}

#[tokio::test]
async fn same_here_and_changed_there_updates_here() {
    let (world, id) = World::agreed().await;
    world.diary.edit(&id, "title", "Wreck");
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.desk.text("reef", "title").as_deref(), Some("Wreck"));
    let writes = world.desk.writes.lock().unwrap().clone();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].fields.iter().count(), 1, "only what changed is written");
    assert_eq!(writes[0].origin.integration.as_str(), "diary");
    world.settle().await;
}

#[tokio::test]
async fn changed_to_the_same_on_both_sides_writes_the_base_only() {
    let (world, id) = World::agreed().await;
    world.desk.edit("reef", "title", "Wreck");
    world.diary.edit(&id, "title", "Wreck");
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 0), "{result:?}");
    assert!(world.desk.writes.lock().unwrap().is_empty());
    world.settle().await;
    // The base has it: the next change there is a change.
    world.diary.edit(&id, "title", "Reef");
    world.sync().await;
    assert_eq!(world.desk.text("reef", "title").as_deref(), Some("Reef"));
}

#[tokio::test]
async fn changed_in_other_fields_on_both_sides_merges_and_updates_both() {
    let (world, id) = World::agreed().await;
    world.desk.edit("reef", "title", "Deep reef");
    world.diary.edit(&id, "start", "10:00");
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.desk.text("reef", "title").as_deref(), Some("Deep reef"));
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"));
    assert_eq!(world.diary.text(&id, "start").as_deref(), Some("10:00"));
    world.settle().await;
}

#[tokio::test]
async fn changed_in_the_same_field_on_both_sides_is_a_conflict_and_asked() {
    let (world, id) = World::agreed().await;
    world.desk.edit("reef", "start", "08:00");
    world.diary.edit(&id, "start", "10:00");
    let result = world.sync().await;
    assert_eq!((result.success, result.synced, of(&result, "question")), (true, 0, 1), "{result:?}");
    let question = world.questions().await.pop().unwrap();
    assert_eq!(question.code, "conflict");
    assert_eq!(question.evidence["fields"][0]["here"], serde_json::json!({"text": "08:00"}));
    assert_eq!(question.evidence["fields"][0]["there"], serde_json::json!({"text": "10:00"}));
    // Asked once, and nothing is written until it is answered.
    let result = world.sync().await;
    assert_eq!((result.synced, world.questions().await.len()), (0, 1));
    world.answer("theirs").await;
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    world.settle().await;
}

#[tokio::test]
async fn a_conflict_can_be_answered_for_this_side() {
    let (world, id) = World::agreed().await;
    world.desk.edit("reef", "start", "08:00");
    world.diary.edit(&id, "start", "10:00");
    world.sync().await;
    world.answer("ours").await;
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.diary.text(&id, "start").as_deref(), Some("08:00"));
    world.settle().await;
}

#[tokio::test]
async fn an_answer_counts_for_what_was_asked_and_not_for_what_changed_since() {
    let (world, id) = World::agreed().await;
    world.desk.edit("reef", "start", "08:00");
    world.diary.edit(&id, "start", "10:00");
    world.sync().await;
    world.answer("theirs").await;
    world.diary.edit(&id, "start", "23:00");
    let result = world.sync().await;
    assert_eq!(result.synced, 0, "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("08:00"));
    assert_eq!(world.questions().await.len(), 1, "another question");
}

#[tokio::test]
async fn new_here_is_matched_or_else_made_there() {
    let (world, _) = World::agreed().await;
    world.desk.put("night", &[("title", "Night"), ("date", "2027-05-02"), ("start", "20:00")]);
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "created")), (1, 1), "{result:?}");
    assert_eq!(world.diary.live(), 2);
    world.settle().await;
}

#[tokio::test]
async fn new_there_is_ignored_by_default() {
    let (world, _) = World::agreed().await;
    world.diary.put("dentist", &[("title", "Dentist"), ("date", "2027-05-03")]);
    let result = world.sync().await;
    assert_eq!((result.success, result.synced, of(&result, "question")), (true, 0, 0), "{result:?}");
    assert_eq!(world.desk.ids(), ["reef"]);
}

#[tokio::test]
async fn new_there_is_made_here_where_the_policy_says_so_and_once() {
    let (world, _) = World::agreed().await;
    world.rules(|rules| rules.on_remote_new = OnRemoteNew::Create);
    world.diary.put("charter", &[("title", "Charter"), ("date", "2027-05-03")]);
    let result = world.sync().await;
    assert_eq!((result.success, result.synced, of(&result, "created")), (true, 1, 1), "{result:?}");
    assert_eq!(world.desk.ids(), ["made-2", "reef"]);
    world.settle().await;
    // Linked from now on, in both directions.
    world.desk.edit("made-2", "title", "Big charter");
    world.sync().await;
    assert_eq!(world.diary.text("charter", "title").as_deref(), Some("Big charter"));
    world.diary.edit("charter", "date", "2027-06-01");
    world.sync().await;
    assert_eq!(world.desk.text("made-2", "date").as_deref(), Some("2027-06-01"));
    assert_eq!(world.desk.ids().len(), 2);
}

#[tokio::test]
async fn new_there_is_asked_about_where_the_policy_says_so() {
    let (world, _) = World::agreed().await;
    world.rules(|rules| rules.on_remote_new = OnRemoteNew::Ask);
    world.diary.put("charter", &[("title", "Charter"), ("date", "2027-05-03")]);
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question")), (0, 1), "{result:?}");
    world.answer("create").await;
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.desk.text("made-2", "title").as_deref(), Some("Charter"));
    world.settle().await;
}

#[tokio::test]
async fn new_here_and_found_there_with_other_fields_is_a_question() {
    let (world, _) = World::agreed().await;
    world.rules(|rules| rules.match_on = vec!["title".into()]);
    world.settle().await;
    world.diary.put("theirs", &[("title", "Night"), ("date", "2027-05-02"), ("start", "21:00")]);
    world.desk.put("night", &[("title", "Night"), ("date", "2027-05-02"), ("start", "20:00")]);
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question")), (0, 1), "{result:?}");
    let evidence = world.questions().await.pop().unwrap().evidence;
    assert_eq!(evidence["here"]["start"], serde_json::json!({"text": "20:00"}));
    assert_eq!(evidence["remote"][0]["score"], 66, "title and date agree, the start does not: {evidence}");
    world.answer("link:theirs").await;
    // It is the same trip; whose start counts is the next question.
    let result = world.sync().await;
    assert_eq!((result.synced, world.questions().await.len()), (0, 1), "{result:?}");
    world.answer("ours").await;
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.diary.text("theirs", "start").as_deref(), Some("20:00"));
    assert_eq!(world.diary.live(), 2, "no twin");
    world.settle().await;
}

#[tokio::test]
async fn deleted_here_and_same_there_is_removed_there() {
    let (world, id) = World::agreed().await;
    world.desk.delete("reef");
    let result = world.sync().await;
    assert_eq!((result.success, of(&result, "removed")), (true, 1), "{result:?}");
    assert_eq!(world.diary.text(&id, "title"), None);
    world.settle().await;
}

#[tokio::test]
async fn same_here_and_deleted_there_is_flagged() {
    let (world, id) = World::agreed().await;
    world.diary.delete(&id);
    let result = world.sync().await;
    assert_eq!((result.success, result.synced, of(&result, "question")), (true, 0, 1), "{result:?}");
    assert_eq!(world.desk.ids(), ["reef"], "a captain who tidies his diary deletes no trip");
    let question = world.questions().await.pop().unwrap();
    let keys: Vec<&str> = question.options.iter().map(|option| option.key.as_str()).collect();
    assert_eq!(keys, ["create", "cancel-here", "delete-here", "leave"]);
    world.answer("cancel-here").await;
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.desk.text("reef", "status").as_deref(), Some("cancelled"));
    world.settle().await;
}

#[tokio::test]
async fn deleted_there_follows_the_policy_of_the_settings() {
    for (policy, is_here, is_there) in [
        (OnRemoteDelete::Detach, true, false),
        (OnRemoteDelete::Recreate, true, true),
        (OnRemoteDelete::Delete, false, false),
        (OnRemoteDelete::Cancel, true, false),
    ] {
        let (world, id) = World::agreed().await;
        world.rules(|rules| rules.on_remote_delete = policy);
        world.diary.delete(&id);
        let result = world.sync().await;
        assert!(result.success, "{policy:?}: {result:?}");
        assert_eq!(world.desk.ids().len() == 1, is_here, "{policy:?}");
        assert_eq!(world.diary.live() == 1, is_there, "{policy:?}");
        if policy == OnRemoteDelete::Cancel {
            assert_eq!(world.desk.text("reef", "status").as_deref(), Some("cancelled"));
        }
        world.settle().await;
        if policy == OnRemoteDelete::Detach {
            world.desk.edit("reef", "title", "Deep reef");
            world.settle().await;
            assert_eq!(world.diary.live(), 0, "let go of for good");
        }
    }
}

#[tokio::test]
async fn deleted_on_both_sides_drops_the_link() {
    let (world, id) = World::agreed().await;
    world.desk.delete("reef");
    world.diary.delete(&id);
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 0), "{result:?}");
    let links = sync_engine::Store::links_of(&world.store, &world.request().scope(), "reef").await.unwrap();
    assert!(links.is_empty(), "{links:?}");
    world.settle().await;
}

#[tokio::test]
async fn changed_here_and_deleted_there_the_edit_beats_the_delete() {
    let (world, id) = World::agreed().await;
    world.desk.edit("reef", "title", "Deep reef");
    world.diary.delete(&id);
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.diary.text(&world.diary.id_of("Deep reef"), "start").as_deref(), Some("09:00"));
    world.settle().await;
}

#[tokio::test]
async fn deleted_here_and_changed_there_the_edit_beats_the_delete() {
    let (world, id) = World::agreed().await;
    world.desk.delete("reef");
    world.diary.edit(&id, "start", "10:00");
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    let made = world.desk.ids();
    assert_eq!(made.len(), 1);
    assert_eq!(world.desk.text(&made[0], "start").as_deref(), Some("10:00"));
    assert_eq!(world.diary.live(), 1);
    world.settle().await;
}

#[tokio::test]
async fn out_of_scope_here_is_kept_there_by_default() {
    let (world, id) = World::agreed().await;
    world.rules(|rules| {
        let test = sync_core::FilterTest::AnyOf(vec!["Manta".to_owned()]);
        rules.filter = Some(sync_core::Filter { field: "boat".into(), test });
    });
    world.desk.edit("reef", "boat", "Dory");
    let result = world.sync().await;
    assert_eq!((result.success, result.synced, of(&result, "skipped")), (true, 0, 1), "{result:?}");
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Reef"));
}

#[tokio::test]
async fn merged_away_there_is_linked_with_the_survivor() {
    let (world, id) = World::agreed().await;
    world.diary.put("survivor", &[("title", "Reef"), ("date", "2027-05-01"), ("start", "09:00"), ("boat", "Manta")]);
    world.diary.merge(&id, "survivor");
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    world.desk.edit("reef", "title", "Deep reef");
    world.sync().await;
    assert_eq!(world.diary.text("survivor", "title").as_deref(), Some("Deep reef"));
}

#[tokio::test]
async fn merged_away_into_one_that_another_record_has_is_a_question() {
    let (world, id) = World::agreed().await;
    world.desk.put("night", &[("title", "Night"), ("date", "2027-05-02")]);
    world.sync().await;
    let other = world.diary.id_of("Night");
    world.settle().await;
    world.diary.merge(&id, &other);
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question")), (0, 1), "{result:?}");
}

#[tokio::test]
async fn sets_keep_what_each_side_added() {
    let (world, id) = World::agreed().await;
    world.desk.set("reef", "crew", tags(&["ana"]));
    world.sync().await;
    world.desk.set("reef", "crew", tags(&["ana", "ben"]));
    world.diary.set(&id, "crew", tags(&["ana", "cora"]));
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.desk.value("reef", "crew"), Some(tags(&["ana", "ben", "cora"])));
    world.settle().await;
    world.diary.set(&id, "crew", tags(&["ben", "cora"]));
    world.sync().await;
    assert_eq!(world.desk.value("reef", "crew"), Some(tags(&["ben", "cora"])));
    world.settle().await;
}

#[tokio::test]
async fn what_one_side_owns_the_other_does_not_change() {
    let (world, id) = World::agreed().await;
    world.diary.edit(&id, "boat", "Dory");
    world.diary.edit(&id, "weather", "windy");
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(world.desk.text("reef", "boat").as_deref(), Some("Manta"), "the host's");
    assert_eq!(world.desk.text("reef", "weather").as_deref(), Some("windy"), "the provider's");
    world.desk.edit("reef", "weather", "calm");
    world.sync().await;
    assert_eq!(world.diary.text(&id, "weather").as_deref(), Some("windy"));
}

#[tokio::test]
async fn a_blank_never_overwrites_a_value() {
    let (world, id) = World::agreed().await;
    world.diary.set(&id, "title", Value::text(""));
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 0), "{result:?}");
    assert_eq!(world.desk.text("reef", "title").as_deref(), Some("Reef"));
}

#[tokio::test]
async fn fields_of_a_group_are_a_conflict_together() {
    let (world, id) = World::agreed().await;
    world.desk.edit("reef", "date", "2027-06-01");
    world.diary.edit(&id, "start", "10:00");
    let result = world.sync().await;
    assert_eq!((result.synced, of(&result, "question")), (0, 1), "{result:?}");
    world.answer("ours").await;
    world.sync().await;
    assert_eq!(world.diary.text(&id, "date").as_deref(), Some("2027-06-01"));
    assert_eq!(world.diary.text(&id, "start").as_deref(), Some("09:00"));
    world.settle().await;
}

#[tokio::test]
async fn a_change_of_what_is_not_synced_moves_the_version_alone() {
    let (world, id) = World::agreed().await;
    world.diary.touch(&id);
    world.settle().await;
    world.desk.edit("reef", "title", "Deep reef");
    world.diary.calls.lock().unwrap().clear();
    let result = world.sync().await;
    assert!(result.success, "{result:?}");
    assert_eq!(*world.diary.calls.lock().unwrap(), ["pull", "push update 1"], "written at the version that is there");
}

#[tokio::test]
async fn a_host_without_a_change_feed_is_merged_as_well() {
    let world = World::with(false).await;
    world.desk.put("reef", &[("title", "Reef"), ("date", "2027-05-01"), ("start", "09:00")]);
    world.sync().await;
    world.settle().await;
    let id = world.diary.id_of("Reef");
    world.desk.edit("reef", "title", "Deep reef");
    world.diary.edit(&id, "start", "10:00");
    let result = world.sync().await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.desk.text("reef", "start").as_deref(), Some("10:00"));
    assert_eq!(world.diary.text(&id, "title").as_deref(), Some("Deep reef"));
    world.settle().await;
    assert!(!world.diary.expired.load(Ordering::Relaxed));
}
