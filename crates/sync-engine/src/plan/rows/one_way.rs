//! What is here, what is there, and where a record goes.

use super::*;

#[test]
fn what_is_only_here_is_made_there() {
    assert_eq!(push("a=1 b=2").told(), "create new-here, there: a b");
    assert_eq!(push("a=1").gone().told(), "create new-here, there: a");
    assert_eq!(push("a=1 theirs=x").told(), "create new-here, there: a theirs", "what is theirs goes with the create alone");
    assert_eq!(both("a=1").told(), "create new-here, there: a");
    assert_eq!(both("a=1").gone().told(), "create new-here, there: a");
    assert_eq!(both("a=1").with(|row| row.direction = Direction::Pull).told(), "nothing", "a run that only pulls");
    let op = push("a=1").operation();
    assert_eq!((op.before, op.container, op.marker), (None, None, Marker::new("m")));
    // The link's create has no answer yet: nothing is known to be there.
    assert_eq!(push("a=1").agreed(record("a=1")).state(LinkState::Open).told(), "create new-here, there: a");
}

#[test]
fn what_is_found_there_is_linked_and_what_differs_is_written() {
    assert_eq!(push("a=1 b=2").seen(record("a=1 b=3")).told(), "update matched, there: b");
    assert_eq!(push("a=1").seen(record("a=1")).told(), "update matched");
    assert_eq!(push("theirs=1").seen(record("theirs=2")).told(), "update matched", "of what is theirs nothing is");
    assert_eq!(both("a=1").seen(record("a=1")).told(), "update matched");
    let settled = |policy| both("a=1").seen(record("a=2 b=3")).with(|row| row.rules.on_match = policy);
    assert_eq!(settled(ConflictPolicy::LocalWins).told(), "update matched, there: a, update here: b");
    assert_eq!(settled(ConflictPolicy::RemoteWins).told(), "update matched, update here: a b");
    assert_eq!(settled(ConflictPolicy::Ask).told(), "conflict: a");
    let op = settled(ConflictPolicy::LocalWins).operation();
    assert_eq!(op.before.map(|before| before.id.as_str().to_owned()).as_deref(), Some("r"));
}

#[test]
fn what_was_deleted_here_is_taken_away_there_once() {
    let row = || push("").agreed(record("a=1")).deleted();
    assert_eq!(row().told(), "remove deleted-here");
    assert_eq!(row().gone().told(), "nothing");
    assert_eq!(row().state(LinkState::Removed).told(), "nothing");
    assert_eq!(row().state(LinkState::Open).told(), "nothing");
    assert_eq!(push("").deleted().told(), "nothing");
    let both = || both("").agreed(record("a=1")).deleted();
    assert_eq!(both().told(), "remove deleted-here");
    assert_eq!(both().gone().told(), "drop");
    assert_eq!(both().seen(record("a=1")).told(), "remove deleted-here");
    assert_eq!(both().seen(record("a=1 theirs=2")).told(), "remove deleted-here", "what they alone decide is no edit");
    assert_eq!(both().seen(record("a= b=")).told(), "remove deleted-here", "a blank is no edit");
    assert_eq!(both().seen(record("a=2 b=3")).told(), "create edit-beats-delete, create here: a b");
    assert_eq!(both().seen(record("a=2")).with(|row| row.can_create_here = false).told(), "left there");
    assert_eq!(both().seen(record("a=2")).with(|row| row.direction = Direction::Push).told(), "left there");
    assert_eq!(both().with(|row| row.direction = Direction::Pull).told(), "nothing");
    assert_eq!(both().seen(record("a=1")).with(|row| row.direction = Direction::Pull).told(), "nothing");
    assert_eq!(both().state(LinkState::Gone).seen(record("a=2")).told(), "nothing");
    let archived = both().seen(record("a=2")).with(|row| {
        if let RemoteSide::Seen(seen) = &mut row.remote {
            seen.state = RemoteState::Archived;
        }
    });
    assert_eq!(archived.told(), "left there", "what was put away there is nothing to bring back");
}

#[test]
fn what_is_made_here_goes_by_its_id_there_whatever_it_says() {
    let row = |fields| both("").agreed(record("a=1")).deleted().seen(record(fields));
    let (one, other) = (row("a=2 b=").operation(), row("a=3").operation());
    assert_eq!((one.local.as_str(), &one.id), ("remote:r", &other.id));
    let here = one.here.unwrap();
    assert_eq!((here.verb, here.expect, here.fields), (LocalVerb::Create, None, record("a=2")));
}

#[test]
fn what_left_the_filter_stays_there_or_is_put_away() {
    let row = |policy, fields: &str| {
        let mut row = push("").agreed(record("a=1"));
        row.rules.out_of_scope = policy;
        row.local = LocalSide::OutOfScope((!fields.is_empty()).then(|| record(fields)));
        row
    };
    assert_eq!(row(OutOfScope::Keep, "").told(), "out of scope");
    assert_eq!(row(OutOfScope::Keep, "a=2").told(), "out of scope", "it stays as it is");
    assert_eq!(row(OutOfScope::Archive, "").told(), "remove out-of-scope");
    assert_eq!(row(OutOfScope::Archive, "").gone().told(), "out of scope");
    assert_eq!(row(OutOfScope::Archive, "").state(LinkState::Removed).told(), "out of scope");
    assert_eq!(row(OutOfScope::Archive, "").with(|row| row.link = None).told(), "out of scope");
    let pull =
        row(OutOfScope::Archive, "").with(|row| (row.rules.direction, row.direction) = (Direction::Both, Direction::Pull));
    assert_eq!(pull.told(), "nothing");
}

#[test]
fn what_was_deleted_there_waits_or_goes_by_its_policy() {
    let row = || push("a=1").agreed(record("a=1")).gone();
    assert_eq!(row().told(), "gone there");
    assert_eq!(row().state(LinkState::Gone).told(), "gone there");
    assert_eq!(row().with(|row| row.remote = RemoteSide::Unread).state(LinkState::Gone).told(), "gone there");
    assert_eq!(row().on_delete(OnRemoteDelete::Recreate).told(), "create new-here, there: a");
    let both = |local: &str| both(local).agreed(record("a=1")).gone();
    assert_eq!(both("a=1").told(), "gone there");
    assert_eq!(both("a=1").on_delete(OnRemoteDelete::Recreate).told(), "create new-here, there: a");
    assert_eq!(both("a=1").on_delete(OnRemoteDelete::Detach).told(), "detach");
    assert_eq!(both("a=1").on_delete(OnRemoteDelete::Cancel).told(), "remove deleted-there, cancel here");
    assert_eq!(both("a=1").on_delete(OnRemoteDelete::Delete).told(), "remove deleted-there, delete here");
    let pushes = |row: &mut Row| row.direction = Direction::Push;
    let pulls = |row: &mut Row| row.direction = Direction::Pull;
    assert_eq!(both("a=1").on_delete(OnRemoteDelete::Cancel).with(pushes).told(), "gone there");
    assert_eq!(both("a=1").on_delete(OnRemoteDelete::Delete).with(pushes).told(), "gone there");
    assert_eq!(both("a=1").on_delete(OnRemoteDelete::Recreate).with(pulls).told(), "gone there");
    // An edit that is news beats it.
    assert_eq!(both("a=2 b=").told(), "create edit-beats-delete, there: a");
    assert_eq!(both("a=2").with(pulls).told(), "gone there");
    assert_eq!(both("a=2").state(LinkState::Gone).told(), "gone there");
    assert_eq!(both("a=2").link(|link| link.base = None).told(), "gone there", "against what would it be news?");
    let op = both("a=1").on_delete(OnRemoteDelete::Cancel).operation();
    let here = op.here.unwrap();
    assert_eq!((here.before, here.expect), (record("a=1"), Some("v1".into())));
    assert_eq!(op.before.map(|before| before.id), Some("r".into()));
}

#[test]
fn what_we_took_away_comes_back_in_full_when_it_changes_here() {
    let row = |local: &str| push(local).agreed(record("a=1 b=2")).state(LinkState::Removed);
    assert_eq!(row("a=1 b=2").told(), "nothing");
    assert_eq!(row("a=1 b=3").told(), "update changed-here, there: a b");
    let removed = row("a=2").operation().before.unwrap();
    assert_eq!((removed.state, removed.fields), (RemoteState::Archived, record("a=1 b=2")));
    let elsewhere = row("a=2").with(|row| row.target.container = Some("new".into()));
    assert_eq!(elsewhere.told(), "create new-here, there: a");
    assert_eq!(elsewhere.operation().container, Some("new".into()));
    let same = row("a=2").with(|row| row.target.container = Some("x".into())).link(|link| link.container = Some("x".into()));
    assert_eq!(same.told(), "update changed-here, there: a");
    let mut tagged = push("").tagged().agreed(Record::new().with("tags", tags(&["old", "kept"]))).state(LinkState::Removed);
    tagged.local = LocalSide::Live(Record::new().with("tags", tags(&["kept", "new"])));
    assert_eq!(tagged.told(), "update changed-here, there: tags, tags +kept new -old");
}

#[test]
fn what_changed_here_is_written_and_what_did_not_is_left() {
    let row = |local: &str| push(local).agreed(record("a=1 b=2"));
    assert_eq!(row("a=1 b=2").told(), "nothing");
    assert_eq!(row("a=9 b=2").told(), "update changed-here, there: a");
    assert_eq!(row("a= b=2").told(), "heal", "a blank overwrites nothing");
    assert_eq!(row("a=1 b=2").link(|link| link.hash = None).told(), "heal");
    assert_eq!(row("a=1 b=2 theirs=x").told(), "heal", "what is theirs is not written again");
    let erased = |local: &str| row(local).link(|link| link.base = None).seen(record("a=1 b=2"));
    assert_eq!(erased("a=1 b=2").told(), "heal");
    assert_eq!(erased("a=1 b=3").told(), "update changed-here, there: b");
    // What they changed meanwhile is not looked at: this connection only pushes.
    assert_eq!(row("a=1 b=2").seen(record("a=7 b=8")).told(), "nothing");
}

#[test]
fn what_is_mapped_otherwise_or_lies_elsewhere_is_written_in_full() {
    for row in [|| push("a=1 b=").agreed(record("a=1")), || both("a=1 b=").agreed(record("a=1"))] {
        assert!(["nothing", "heal"].contains(&row().told().as_str()));
        let mapped = row().with(|row| row.rules.mapping = "new".to_owned());
        assert_eq!(mapped.told(), "update changed-here, there: a");
        let moved =
            row().with(|row| row.target.container = Some("new".into())).link(|link| link.container = Some("old".into()));
        assert_eq!(moved.told(), "update changed-here, there: a");
        assert_eq!(moved.operation().container, Some("new".into()));
        let same = row().with(|row| row.target.container = Some("x".into())).link(|link| link.container = Some("x".into()));
        assert!(["nothing", "heal"].contains(&same.told().as_str()));
    }
    let pull = both("a=1").agreed(record("a=1")).with(|row| row.rules.mapping = "new".to_owned());
    assert_eq!(pull.with(|row| row.direction = Direction::Pull).told(), "heal");
    // What is taken from there is not written there.
    let merged =
        both("a=1 b=2").agreed(record("a=1 b=2")).seen(record("a=3 b=2")).with(|row| row.rules.mapping = "new".into());
    assert_eq!(merged.told(), "update merged, there: b, update here: a");
}

#[test]
fn a_record_goes_where_it_lies_or_where_it_belongs() {
    let container = |row: Row| row.operation().container.map(|container| container.as_str().to_owned());
    let row = |local: &str| push(local).agreed(record("a=1")).with(|row| row.target.container = Some("new".into()));
    let lies_in = |link: &mut Link| link.container = Some("old".into());
    assert_eq!(container(row("a=2")).as_deref(), Some("new"), "of one that lies nowhere nothing else is known");
    assert_eq!(container(row("").link(lies_in).deleted()).as_deref(), Some("old"), "it is taken away where it is");
    let gone = row("a=2").link(lies_in).gone().on_delete(OnRemoteDelete::Recreate);
    assert_eq!(container(gone).as_deref(), Some("new"), "made anew where it belongs");
    let lost = row("a=2").link(lies_in).with(|row| row.target.container = None);
    assert_eq!(container(lost).as_deref(), Some("old"), "nobody says where else");
    let anew = |target: Option<&str>| {
        let row = row("a=2").link(lies_in).state(LinkState::Gone).gone().on_delete(OnRemoteDelete::Recreate);
        row.with(|row| row.target.container = target.map(Into::into))
    };
    assert_eq!(anew(Some("new")).operation().verb, sync_core::Verb::Create);
    assert_eq!(container(anew(Some("new"))).as_deref(), Some("new"), "where it lay counts no more");
    assert_eq!(container(anew(None)).as_deref(), Some("old"), "unless nobody says where else");
    let pulled = both("a=1").agreed(record("a=1")).seen(record("a=2")).link(lies_in);
    let pulled = pulled.with(|row| row.target.container = Some("old".into()));
    assert_eq!(container(pulled).as_deref(), Some("old"));
}

#[test]
fn several_that_could_be_it_are_nobodys_to_decide() {
    let several = || vec![Remote::live(NAME, "r1", Record::new()), Remote::live(NAME, "r2", Record::new())];
    let row = push("a=1").with(|row| row.remote = RemoteSide::Many(several()));
    assert_eq!(row.told(), "create new-here, there: a", "whoever asks comes before");
}
