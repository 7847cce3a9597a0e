//! Both sides changed, or only one of them, and who counts.

use super::*;

#[test]
fn what_was_flagged_is_not_written_while_it_is_not_known_to_be_there() {
    let row = || both("a=2").agreed(record("a=1")).state(LinkState::Gone);
    assert_eq!(row().told(), "gone there");
    assert_eq!(row().on_delete(OnRemoteDelete::Detach).told(), "nothing");
    assert_eq!(row().state(LinkState::Removed).on_delete(OnRemoteDelete::Detach).told(), "update changed-here, there: a");
    // It came back there.
    assert_eq!(row().seen(record("a=1")).told(), "update changed-here, there: a");
    assert_eq!(both("a=1").agreed(record("a=1")).state(LinkState::Gone).seen(record("a=1")).told(), "heal");
}

#[test]
fn what_was_let_go_of_is_left_alone() {
    let row = || both("a=2").agreed(record("a=1")).state(LinkState::Detached);
    assert_eq!(row().told(), "nothing");
    assert_eq!(row().seen(record("a=3")).told(), "nothing");
    assert_eq!(row().deleted().told(), "nothing");
}

#[test]
fn both_sides_are_merged_field_by_field() {
    let row = |local: &str, seen: &str| both(local).agreed(record("a=1 b=2")).seen(record(seen));
    assert_eq!(row("a=1 b=2", "a=1 b=2").told(), "nothing");
    assert_eq!(row("a=9 b=2", "a=1 b=2").told(), "update changed-here, there: a");
    assert_eq!(row("a=1 b=2", "a=1 b=9").told(), "update changed-there, update here: b");
    assert_eq!(row("a=9 b=2", "a=1 b=9").told(), "update merged, there: a, update here: b");
    assert_eq!(row("a=9 b=2", "a=9 b=2").told(), "heal");
    assert_eq!(row("a=9 b=2", "a=8 b=2").told(), "conflict: a");
    assert_eq!(row("a=1 b=2", "a= b=2").told(), "nothing", "a blank overwrites nothing");
    let policy = |policy| row("a=9 b=2", "a=8 b=2").with(|row| row.rules.conflicts = vec![("a".into(), policy)]);
    assert_eq!(policy(ConflictPolicy::LocalWins).told(), "update settled, there: a");
    assert_eq!(policy(ConflictPolicy::RemoteWins).told(), "update settled, update here: a");
    assert_eq!(
        row("a=9 b=2", "a=8 b=2").with(|row| row.rules.conflicts = vec![("b".into(), ConflictPolicy::LocalWins)]).told(),
        "conflict: a"
    );
    let here = row("a=1 b=2", "a=1 b=9").operation().here.unwrap();
    assert_eq!((here.fields, here.before, here.expect), (record("b=9"), record("b=2"), Some("v1".into())));
}

#[test]
fn a_run_that_may_not_write_a_side_leaves_what_differs_open() {
    let row = |local: &str, seen: &str| both(local).agreed(record("a=1 b=2")).seen(record(seen));
    let pushes = |row: &mut Row| row.direction = Direction::Push;
    let pulls = |row: &mut Row| row.direction = Direction::Pull;
    assert_eq!(row("a=9 b=2", "a=1 b=2").with(pulls).told(), "heal, open: a");
    assert_eq!(row("a=1 b=2", "a=1 b=9").with(pushes).told(), "heal, open: b");
    assert_eq!(row("a=9 b=2", "a=1 b=9").with(pushes).told(), "update changed-here, there: a, open: b");
    assert_eq!(row("a=9 b=2", "a=1 b=9").with(pulls).told(), "update changed-there, update here: b, open: a");
    // What is left open is agreed on as it was.
    let Decision::Heal { fields, .. } = row("a=9 b=2", "a=1 b=2").with(pulls).decide() else { panic!("heal") };
    assert_eq!(fields, record("a=1 b=2"));
    let Decision::Heal { fields, .. } = row("a=1 b=2 day=x", "a=1 b=2").with(pulls).decide() else { panic!("heal") };
    assert_eq!(fields, record("a=1 b=2"));
    let op = row("a=9 b=2", "a=1 b=9").with(pulls).operation();
    assert_eq!(op.fields, record("a=1 b=9"));
}

#[test]
fn owners_are_respected_and_settings_narrow_them() {
    let row = |local: &str, seen: &str| both(local).agreed(record("ours=1 theirs=1")).seen(record(seen));
    assert_eq!(row("ours=2 theirs=1", "ours=1 theirs=1").told(), "update changed-here, there: ours");
    assert_eq!(row("ours=1 theirs=2", "ours=1 theirs=1").told(), "heal", "what is theirs is not written there");
    assert_eq!(row("ours=1 theirs=1", "ours=1 theirs=2").told(), "update changed-there, update here: theirs");
    assert_eq!(row("ours=1 theirs=1", "ours=2 theirs=1").told(), "heal, open: ours", "what is ours is not taken from there");
    assert_eq!(row("ours=3 theirs=1", "ours=2 theirs=1").told(), "update changed-here, there: ours");
    let put_back = |settle| row("ours=1 theirs=1", "ours=2 theirs=1").with(|row| row.settle = Some(settle));
    assert_eq!(put_back(Settle::PutBack).told(), "update put-back, there: ours");
    assert_eq!(put_back(Settle::Audit).told(), "update changed-here, there: ours");
    assert_eq!(put_back(Settle::Accept).told(), "heal, open: ours");
    assert_eq!(put_back(Settle::PutBack).with(|row| row.direction = Direction::Pull).told(), "heal, open: ours");
    // Where the host says nothing, there is nothing to put back.
    assert_eq!(
        both("").agreed(Record::new()).seen(record("ours=2")).with(|row| row.settle = Some(Settle::Audit)).told(),
        "heal"
    );
    let narrowed = |owner| {
        let row = both("a=1").agreed(record("a=1")).seen(record("a=2"));
        row.with(|row| row.rules.owners = vec![("a".into(), owner)])
    };
    assert_eq!(narrowed(FieldOwner::Local).told(), "heal, open: a");
    assert_eq!(narrowed(FieldOwner::Remote).told(), "update changed-there, update here: a");
    let mut pushed = push("a=2").agreed(record("a=1"));
    pushed.rules.owners = vec![("a".into(), FieldOwner::Remote)];
    assert_eq!(pushed.told(), "heal");
    // Just brought together, they say nothing: ours is all that there is.
    assert_eq!(both("theirs=1").seen(Record::new()).told(), "update matched, there: theirs");
    assert_eq!(both("theirs=1").seen(record("theirs=2")).told(), "update matched, update here: theirs");
    // A connection that only pulls sends nothing.
    let pulled = Row::new(Direction::Pull, record("a=2")).agreed(record("a=1")).seen(record("a=1"));
    assert_eq!(pulled.told(), "heal");
}

#[test]
fn an_audit_of_a_connection_that_only_pushes_shows_what_drifted() {
    let row = |settle| push("a=1").agreed(record("a=1")).seen(record("a=2")).with(|row| row.settle = settle);
    assert_eq!(row(None).told(), "nothing");
    assert_eq!(row(Some(Settle::Audit)).told(), "update changed-here, there: a");
}

#[test]
fn what_belongs_together_is_one_conflict_and_goes_as_one() {
    let row = |local: &str, seen: &str| both(local).agreed(record("day=1 hour=1")).seen(record(seen));
    assert_eq!(row("day=2 hour=1", "day=1 hour=2").told(), "conflict: day hour");
    assert_eq!(row("day=2 hour=1", "day=1 hour=1").told(), "update changed-here, there: day");
    let settle = |settle| row("day=2 hour=1", "day=1 hour=2").with(|row| row.settle = Some(settle));
    assert_eq!(settle(Settle::LocalWins).told(), "update settled, there: day hour");
    assert_eq!(settle(Settle::RemoteWins).told(), "update settled, update here: day hour");
    assert_eq!(settle(Settle::PutBack).told(), "update put-back, there: day hour");
    assert_eq!(settle(Settle::Accept).told(), "conflict: day hour");
    // Both changed the day alike: only the hour is news.
    assert_eq!(row("day=2 hour=1", "day=2 hour=2").told(), "update changed-there, update here: hour");
    assert_eq!(row("day=2 hour=3", "day=2 hour=2").told(), "conflict: hour");
    // What both sides agreed to have otherwise stays so when the rest changes.
    let apart = |local: &str, seen: &str| row(local, seen).base(|base| base.remote = Some(record("day=1 hour=9")));
    assert_eq!(apart("day=2 hour=1", "day=1 hour=9").told(), "update changed-here, there: day");
    assert_eq!(apart("day=1 hour=1", "day=2 hour=9").told(), "update changed-there, update here: day");
}

#[test]
fn the_newest_wins_where_both_sides_tell_times() {
    let time = |second| Value::Time { at: at(second), zone: None };
    let row = |here: Option<i64>, there: Option<i64>| {
        let mut row = both("").agreed(record("a=1")).seen(record("a=3"));
        let local = record("a=2");
        row.local = LocalSide::Live(match here {
            Some(second) => local.with("changed_at", time(second)),
            None => local,
        });
        if let RemoteSide::Seen(seen) = &mut row.remote {
            seen.changed_at = there.map(at);
        }
        row.rules.changed_at = Some("changed_at".into());
        row.rules.fields.insert("changed_at".into());
        row.rules.conflicts = vec![("a".into(), ConflictPolicy::Newest)];
        row
    };
    assert_eq!(row(Some(1), Some(2)).told(), "update settled, update here: a");
    assert_eq!(row(Some(2), Some(1)).told(), "update settled, there: a");
    assert_eq!(row(Some(2), Some(2)).told(), "update settled, there: a", "of two that are as new ours counts");
    assert_eq!(row(None, Some(1)).told(), "conflict: a");
    assert_eq!(row(Some(1), None).told(), "conflict: a");
}

#[test]
fn a_guarded_change_there_waits_for_a_person() {
    let guard =
        |fields: &[&str], when: Option<Filter>| Guard { fields: fields.iter().map(|field| (*field).into()).collect(), when };
    let row = |local: &str, seen: &str, guards| {
        both(local).agreed(record("a=1 b=2 ours=1")).seen(record(seen)).with(|row| row.rules.guards = guards)
    };
    let changed = |guards| row("a=1 b=2 ours=1", "a=9 b=2 ours=1", guards);
    assert_eq!(changed(vec![guard(&["a"], None)]).told(), "guarded: a");
    assert_eq!(changed(vec![guard(&["b"], None)]).told(), "update changed-there, update here: a");
    let accepted = changed(vec![guard(&["a"], None)]).with(|row| row.settle = Some(Settle::Accept));
    assert_eq!(accepted.told(), "update changed-there, update here: a");
    let theirs = changed(vec![guard(&["a"], None)]).with(|row| row.settle = Some(Settle::RemoteWins));
    assert_eq!(theirs.told(), "update changed-there, update here: a");
    let put_back = changed(vec![guard(&["a"], None)]).with(|row| row.settle = Some(Settle::PutBack));
    assert_eq!(put_back.told(), "update put-back, there: a");
    let only = |text: &str| Some(Filter { field: "b".into(), test: FilterTest::AnyOf(vec![text.to_owned()]) });
    assert_eq!(changed(vec![guard(&["a"], only("2"))]).told(), "guarded: a");
    assert_eq!(changed(vec![guard(&["a"], only("3"))]).told(), "update changed-there, update here: a");
    // Of a record as it is there.
    assert_eq!(row("a=1 b=2 ours=1", "a=9 b=3 ours=1", vec![guard(&["a"], only("3"))]).told(), "guarded: a");
    // A field of ours that is guarded is asked about and not passed over.
    assert_eq!(row("a=1 b=2 ours=1", "a=1 b=2 ours=9", vec![guard(&["ours"], None)]).told(), "guarded: ours");
    let Decision::Ask(asked) = changed(vec![guard(&["a"], None)]).decide() else { panic!("asked") };
    assert_eq!((asked.ours, asked.theirs, asked.fields), (record("a=1"), record("a=9"), BTreeSet::from(["a".into()])));
}

#[test]
fn a_contested_field_of_ours_is_not_written_over_unasked() {
    let row = |local: &str, seen: &str| {
        let row = both(local).agreed(record("ours=1")).seen(record(seen));
        row.with(|row| row.rules.contested = vec!["ours".into()])
    };
    assert_eq!(row("ours=2", "ours=3").told(), "conflict: ours");
    assert_eq!(row("ours=2", "ours=1").told(), "update changed-here, there: ours");
    assert_eq!(row("ours=1", "ours=3").told(), "heal, open: ours");
    let matched = both("ours=2").seen(record("ours=3")).with(|row| row.rules.contested = vec!["ours".into()]);
    assert_eq!(matched.told(), "update matched, there: ours", "nothing was agreed on that could be contested");
}

#[test]
fn a_link_whose_create_has_no_answer_says_nothing_of_what_was_agreed_on() {
    let row = || both("a=2").agreed(record("a=1")).seen(record("a=1"));
    assert_eq!(row().told(), "update changed-here, there: a");
    assert_eq!(row().state(LinkState::Open).told(), "conflict: a");
    assert_eq!(row().link(|link| link.remote = None).told(), "conflict: a");
}

#[test]
fn what_is_written_here_alone_stays_there_where_it_lies() {
    let row = |local: &str| {
        let row = both(local).agreed(record("a=1 b=1")).seen(record("a=2 b=1"));
        let row = row.link(|link| link.container = Some("old".into()));
        row.with(|row| (row.target.container, row.direction) = (Some("new".into()), Direction::Both))
    };
    let container = |row: Row| row.operation().container.map(|container| container.as_str().to_owned());
    let pulled = || row("a=1 b=1").with(|row| row.direction = Direction::Pull);
    assert_eq!(pulled().told(), "update changed-there, update here: a");
    assert_eq!(container(pulled()).as_deref(), Some("old"));
    assert!(row("a=1 b=2").told().contains("there: b, update here: a"), "{}", row("a=1 b=2").told());
    assert_eq!(container(row("a=1 b=2")).as_deref(), Some("new"), "what is written there goes where it belongs");
}

#[test]
fn a_merge_says_which_side_changed() {
    use crate::plan::merge;
    let changed = |local: &str, seen: &str| {
        let row = both(local).agreed(record("a=1"));
        let policy = Policy {
            resource: &RESOURCE,
            rules: &row.rules,
            fields: &row.rules.fields,
            direction: row.direction,
            can_create_here: true,
        };
        let seen = Remote::live(NAME, "r", record(seen));
        let base = row.link.as_ref().and_then(|link| link.base.as_ref());
        let merge = merge(policy, None, &record(local), base, Some(&seen));
        (merge.is_changed_here, merge.is_changed_there)
    };
    assert_eq!(changed("a=1", "a=1"), (false, false));
    assert_eq!(changed("a=2", "a=1"), (true, false));
    assert_eq!(changed("a=1", "a=2"), (false, true));
    assert_eq!(changed("a=2", "a=2"), (true, true), "to the same, and yet changed");
}
