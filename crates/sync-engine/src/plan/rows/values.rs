//! Sets, lines and consent, and what is known of the other side.

use super::*;

#[test]
fn who_left_the_filter_and_withdrew_is_not_left_subscribed() {
    use ConsentState as C;
    let row = |here, there| {
        let agreed = Record::new().with(CONSENT, consent(there, 1));
        let mut row = push("").consenting().agreed(agreed);
        row.local = LocalSide::OutOfScope(Some(Record::new().with(CONSENT, consent(here, 2))));
        row
    };
    assert_eq!(row(C::Denied, C::Granted).told(), "update changed-here, there: consent.email");
    assert_eq!(row(C::Denied, C::Denied).told(), "out of scope");
    assert_eq!(row(C::Unknown, C::Granted).told(), "out of scope", "that is no refusal");
    assert_eq!(row(C::Granted, C::Pending).told(), "out of scope");
    assert_eq!(row(C::Denied, C::Granted).state(LinkState::Removed).told(), "out of scope");
    let unmapped = row(C::Denied, C::Granted).with(|row| row.rules.fields.retain(|field| field.as_str() != CONSENT));
    assert_eq!(unmapped.told(), "out of scope");
}

#[test]
fn elements_of_sets_are_added_and_removed_by_both_sides() {
    let row = |direction, here: &[&str], agreed: (&[&str], &[&str]), there: Option<&[&str]>| {
        let of = |elements: &[&str]| Record::new().with("tags", tags(elements));
        let mut row =
            Row::new(direction, of(here)).tagged().agreed(of(agreed.0)).base(|base| base.remote = Some(of(agreed.1)));
        if let Some(there) = there {
            row = row.seen(of(there));
        }
        row
    };
    let same: (&[&str], &[&str]) = (&["x"], &["x"]);
    let told = |here: &[&str], there: &[&str]| row(Direction::Both, here, same, Some(there)).told();
    assert_eq!(told(&["x"], &["x"]), "nothing");
    assert_eq!(told(&["x", "y"], &["x"]), "update changed-here, there: tags, tags +y -");
    assert_eq!(told(&[], &["x"]), "update changed-here, there: tags, tags + -x");
    assert_eq!(told(&["x"], &["x", "z"]), "update changed-there, update here: tags");
    assert_eq!(told(&["x"], &[]), "update changed-there, update here: tags");
    assert_eq!(told(&["x", "y"], &["x", "z"]), "update merged, there: tags, tags +y -, update here: tags");
    assert_eq!(told(&["x", "y"], &["x", "y"]), "heal", "who has it already is given nothing");
    assert_eq!(told(&[], &[]), "heal");
    let unread = row(Direction::Both, &["x", "y"], same, None);
    assert_eq!(unread.told(), "update changed-here, there: tags, tags +y -");
    let merged = row(Direction::Both, &["x", "y"], same, Some(&["x", "z"])).operation().here.unwrap().fields;
    assert_eq!(merged.value("tags"), Some(&tags(&["x", "y", "z"])));
    let pushes = |row: &mut Row| row.direction = Direction::Push;
    let pulls = |row: &mut Row| row.direction = Direction::Pull;
    assert_eq!(row(Direction::Both, &["x", "y"], same, Some(&["x"])).with(pulls).told(), "heal, open: tags");
    assert_eq!(row(Direction::Both, &["x"], same, Some(&["x", "z"])).with(pushes).told(), "heal, open: tags");
    // What only they have of old is theirs: neither taken nor taken away.
    assert_eq!(row(Direction::Both, &["x"], (&["x"], &["x", "vip"]), Some(&["x", "vip"])).told(), "nothing");
    let owned = row(Direction::Both, &["x"], same, Some(&["x", "z"]))
        .with(|row| row.rules.owners = vec![("tags".into(), FieldOwner::Local)]);
    assert!(["heal", "nothing"].contains(&owned.told().as_str()), "{}", owned.told());
    // A connection that only pushes knows what it put there.
    assert_eq!(row(Direction::Push, &["y"], same, None).told(), "update changed-here, there: tags, tags +y -x");
    assert_eq!(row(Direction::Push, &["x"], same, None).told(), "nothing");
}

#[test]
fn of_lines_the_members_that_are_compared_count() {
    let row = |direction, here: Value, there: Value| {
        let of = |lines: Value| Record::new().with("lines", lines);
        Row::new(direction, of(here)).agreed(of(lines(&[("dive", "200")]))).seen(of(there))
    };
    let agreed = || lines(&[("dive", "200")]);
    assert_eq!(row(Direction::Both, agreed(), lines(&[("dive", "260")])).told(), "nothing");
    assert_eq!(
        row(Direction::Both, agreed(), lines(&[("dives", "200")])).told(),
        "update changed-there, update here: lines"
    );
    assert_eq!(
        row(Direction::Both, agreed(), lines(&[("dive", "200"), ("gear", "1")])).told(),
        "update changed-there, update here: lines"
    );
    assert_eq!(
        row(Direction::Push, lines(&[("dive", "200"), ("gear", "1")]), agreed()).told(),
        "update changed-here, there: lines"
    );
    let op = row(Direction::Push, lines(&[("gear", "1")]), agreed()).operation();
    let agreed = &op.agreed[&FieldName::new("lines")];
    assert_eq!((agreed.here.len(), agreed.there.len(), op.agreed.len()), (1, 1, 1));
}

#[test]
fn consent_is_held_down_and_lowered_there() {
    use ConsentState as C;
    let of = |state, second| Record::new().with(CONSENT, consent(state, second));
    let row = |direction, here: (C, i64), agreed: (C, i64), there: Option<(C, i64)>| {
        let mut row = Row::new(direction, of(here.0, here.1)).consenting().agreed(of(agreed.0, agreed.1));
        if let Some((state, second)) = there {
            row = row.seen(of(state, second));
        }
        row
    };
    for direction in [Direction::Push, Direction::Both] {
        let told = |here, agreed, there| row(direction, here, agreed, there).told();
        let written = "update changed-here, there: consent.email";
        assert_eq!(told((C::Granted, 1), (C::Granted, 1), None), "nothing");
        assert_eq!(told((C::Granted, 2), (C::Granted, 1), None), "heal", "said once more, it is no other consent");
        let refused = told((C::Granted, 5), (C::Denied, 2), Some((C::Denied, 9)));
        assert_eq!(refused, written, "a refusal that we wrote there is as old as it is here, whatever their clock says");
        assert_eq!(told((C::Denied, 2), (C::Granted, 1), None), written, "who withdraws here is out there");
        assert_eq!(told((C::Denied, 2), (C::Granted, 1), Some((C::Granted, 1))), written);
        assert_eq!(told((C::Denied, 2), (C::Granted, 1), Some((C::Granted, 3))), "heal", "they signed up there since");
        assert_eq!(told((C::Denied, 2), (C::Granted, 1), Some((C::Denied, 3))), "heal");
        assert_eq!(told((C::Granted, 5), (C::Denied, 1), Some((C::Denied, 1))), written, "a newer opt-in asks there");
        assert_ne!(
            told((C::Granted, 1), (C::Granted, 1), Some((C::Denied, 3))),
            written,
            "nobody is raised above a refusal"
        );
    }
    let silent = row(Direction::Push, (C::Granted, 1), (C::Granted, 1), None).seen(Record::new());
    assert_eq!(silent.told(), "nothing", "who shows no consent says nothing against it");
    let suppressed = Suppression { at: at(3), state: C::Denied };
    let new = Row::new(Direction::Push, of(C::Granted, 1)).consenting().with(|row| row.suppression = Some(suppressed));
    let fields = new.operation().fields;
    assert_eq!(fields.value(CONSENT).and_then(Value::as_consent).map(|consent| consent.state), Some(C::Denied));
    let pulls = row(Direction::Both, (C::Denied, 2), (C::Granted, 1), Some((C::Granted, 1)))
        .with(|row| row.direction = Direction::Pull);
    assert_eq!(pulls.told(), "heal, open: consent.email");
}

#[test]
fn what_is_known_of_the_other_side_comes_from_the_base_or_from_what_was_read() {
    let base = |base: &mut Base| {
        base.remote = Some(record("a=One"));
        base.version = Some("7".into());
        base.state = RemoteState::Voided;
        base.native = Some(serde_json::json!({"etag": 1}));
    };
    let row = || push("a=2").agreed(record("a=1")).base(base).link(|link| link.container = Some("c".into()));
    let known = row().operation().before.unwrap();
    assert_eq!((known.id.as_str(), known.version, known.state), ("r", Some("7".into()), RemoteState::Voided));
    assert_eq!((known.fields, known.container), (record("a=One"), Some("c".into())));
    assert_eq!(known.native, Some(serde_json::json!({"etag": 1})));
    let read = row().seen(record("a=3")).operation().before.unwrap();
    assert_eq!((read.fields, read.native), (record("a=3"), Some(serde_json::json!({"etag": 1}))));
    let known = crate::plan::known_there(row().link.as_ref().unwrap()).unwrap();
    assert_eq!((known.id.as_str(), known.fields), ("r", record("a=One")));
}

#[test]
fn an_echo_of_what_was_agreed_on_is_no_news() {
    let row = |local: &str| both(local).agreed(record("a=1")).base(|base| base.version = Some("7".into()));
    let seen = |row: Row, version: &str, state: RemoteState, fields: &str| {
        row.seen(record(fields)).with(|row| {
            if let RemoteSide::Seen(seen) = &mut row.remote {
                (seen.version, seen.state) = (Some(version.into()), state);
            }
        })
    };
    assert_eq!(seen(row("a=1"), "7", RemoteState::Live, "a=1").told(), "nothing");
    assert_eq!(seen(row("a=1"), "8", RemoteState::Live, "a=1").told(), "heal", "a version is agreed on, too");
    assert_eq!(seen(row("a=1"), "7", RemoteState::Archived, "a=1").told(), "heal");
    assert_eq!(seen(row("a=1"), "7", RemoteState::Live, "a=1 b=").told(), "nothing");
    assert_eq!(row("a=1").link(|link| link.hash = None).told(), "heal");
    assert_eq!(row("a=1").link(|link| link.base = None).seen(record("a=1")).told(), "heal");
}

#[test]
fn a_digest_is_over_all_that_is_written() {
    use crate::plan::operation_digest;
    let op = both("a=9 b=2").agreed(record("a=1 b=2")).seen(record("a=1 b=3")).operation();
    let digest = operation_digest(&op);
    let changes: [fn(&mut sync_core::Operation); 8] = [
        |op| op.id = "other".into(),
        |op| op.container = Some("c".into()),
        |op| op.changed.extend(["day".into()]),
        |op| {
            drop(
                op.sets
                    .insert("tags".into(), sync_core::SetChange { add: ["x".to_owned()].into(), remove: BTreeSet::new() }),
            )
        },
        |op| {
            drop(
                op.sets
                    .insert("tags".into(), sync_core::SetChange { add: BTreeSet::new(), remove: ["x".to_owned()].into() }),
            )
        },
        |op| op.here.as_mut().unwrap().fields = record("b=4"),
        |op| op.here.as_mut().unwrap().expect = None,
        |op| op.before = None,
    ];
    let mut digests = vec![digest];
    for change in changes {
        let mut other = op.clone();
        change(&mut other);
        digests.push(operation_digest(&other));
    }
    let n_all = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), n_all);
}

#[test]
fn values_are_the_same_by_what_they_mean() {
    use crate::plan::same;
    let is_same = |a: Value, b: Value| same(Some(&a), Some(&b));
    let time = |zone: Option<&str>, second| Value::Time { at: at(second), zone: zone.map(str::to_owned) };
    assert!(same(None, None) && same(None, Some(&Value::text(""))) && same(Some(&Value::text(" ")), None));
    assert!(is_same(Value::text(" a"), Value::text("a ")) && !is_same(Value::text("a"), Value::text("b")));
    assert!(is_same(time(Some("Europe/Madrid"), 1), time(None, 1)) && !is_same(time(None, 1), time(None, 2)));
    let list = |of: &[&str]| Value::List(of.iter().map(|text| record(text)).collect());
    assert!(is_same(list(&["a=1 b=", "a=2"]), list(&["a=1", "a=2 "])), "members that are blank are absent");
    assert!(!is_same(list(&["a=1"]), list(&["a=2"])) && !is_same(list(&["a=1", "a=2"]), list(&["a=1"])));
    assert!(!is_same(list(&["a=1", "a=3"]), list(&["a=1", "a=2"])) && !is_same(Value::text("1"), time(None, 1)));
}

#[test]
fn a_consent_that_was_raised_there_since_is_the_persons() {
    use crate::plan::diff::consent_differs;
    let of = |state, second| Consent::new(state).at(at(second));
    let (ours, theirs) = (of(ConsentState::Denied, 5), of(ConsentState::Granted, 9));
    let agreed = |second| (Some(of(ConsentState::Granted, 1)), Some(of(ConsentState::Granted, second)));
    assert!(consent_differs(Some(&ours), &agreed(9), Some(&theirs)), "nobody raised it: their clock is ahead");
    assert!(!consent_differs(Some(&ours), &agreed(2), Some(&theirs)), "raised again, after the no");
    assert!(consent_differs(Some(&of(ConsentState::Denied, 10)), &agreed(2), Some(&theirs)), "and before it");
}

#[test]
fn a_consent_there_that_is_lower_than_ours_differs_although_nothing_changed_here() {
    use crate::plan::diff::consent_differs;
    let of = |state, second| Consent::new(state).at(at(second));
    let (ours, theirs) = (of(ConsentState::Pending, 5), of(ConsentState::Denied, 1));
    assert!(consent_differs(Some(&ours), &(Some(ours.clone()), Some(ours.clone())), Some(&theirs)));
}
