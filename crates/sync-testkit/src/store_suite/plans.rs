//! Plans and scratch.

use sync_core::{ErrorKind, LocalId, Role, RunId};
use sync_engine::{Change, PartRow, PartState, PlannedOp, PlannedRow, ReadyPart};

use super::{StoreHarness, commit, leased, make::*, refused};

fn three() -> Vec<PlannedOp> {
    vec![
        planned(1, "1", vec![part(0, "members", 2), part(1, "tag:b", 500)]),
        planned(2, "2", vec![part(0, "members", 2), part(1, "tag:a", 500), part(1, "tag:b", 500)]),
        planned(5, "3", vec![part(0, "members", 2)]),
    ]
}

fn mark(seq: u64, part_idx: Option<u32>, state: PartState) -> Change {
    Change::Part(PartRow { run: RUN, seq, part_idx, state })
}

fn places(parts: &[ReadyPart]) -> Vec<(&str, u64, u32)> {
    parts.iter().map(|part| (part.part.group.as_str(), part.seq, part.part_idx)).collect()
}

pub(super) async fn a_plan_reads_back_what_was_added(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    store.append_plan(&lease, &RUN, three()).await.must("append");
    commit(&*store, &lease, vec![mark(2, Some(1), PartState::Held)]).await;
    let page = store.plan_page(&SCOPE(), &RUN, 0, 2).await.must("plan");
    let row = |op: &PlannedOp, states: &[PartState]| PlannedRow { planned: op.clone(), states: states.to_vec() };
    use PartState::{Held, Ready};
    assert_eq!(page, [row(&three()[0], &[Ready, Ready]), row(&three()[1], &[Ready, Held, Ready])]);
    assert_eq!(store.plan_page(&SCOPE(), &RUN, 2, 9).await.must("plan"), [row(&three()[2], &[Ready])]);
    assert!(store.plan_page(&SCOPE(), &RunId::from("run-2"), 0, 9).await.must("plan").is_empty());

    let mut digests: Vec<(String, u64)> = three().into_iter().map(|op| (op.digest, op.seq)).collect();
    digests.sort();
    let first = store.plan_digests(&SCOPE(), &RUN, None, 2).await.must("digests");
    assert_eq!(first, digests[..2]);
    let after = Some((first[1].0.as_str(), first[1].1));
    assert_eq!(store.plan_digests(&SCOPE(), &RUN, after, 9).await.must("digests"), digests[2..]);
}

pub(super) async fn numbers_of_a_plan_rise(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    store.append_plan(&lease, &RUN, three()).await.must("append");
    for seq in [5, 3] {
        refused(store.append_plan(&lease, &RUN, vec![planned(seq, "4", vec![])]).await, ErrorKind::Internal);
    }
    let twice = vec![planned(6, "4", vec![]), planned(6, "5", vec![])];
    refused(store.append_plan(&lease, &RUN, twice).await, ErrorKind::Internal);
    store.append_plan(&lease, &"run-2".into(), vec![planned(1, "4", vec![])]).await.must("another run starts anew");
    assert_eq!(store.plan_page(&SCOPE(), &RUN, 0, 9).await.must("plan").len(), 3);
}

pub(super) async fn parts_are_ready_in_order(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    store.append_plan(&lease, &RUN, three()).await.must("append");
    assert_eq!(store.ready_stages(&SCOPE(), &RUN, &CONTACTS).await.must("stages"), [0, 1]);
    let ready =
        async |stage, after, limit| store.ready_parts(&SCOPE(), &RUN, &CONTACTS, stage, after, limit).await.must("parts");
    assert_eq!(places(&ready(0, None, 9).await), [("members", 1, 0), ("members", 2, 0), ("members", 5, 0)]);
    assert_eq!(places(&ready(1, None, 9).await), [("tag:a", 2, 1), ("tag:b", 1, 1), ("tag:b", 2, 2)]);
    assert_eq!(places(&ready(1, Some(("tag:a", 2, 1)), 1).await), [("tag:b", 1, 1)]);
    let first = ready(1, None, 1).await;
    let op = &three()[1];
    let expected = ReadyPart {
        seq: 2,
        part_idx: 1,
        n_open: 3,
        n_parts: 3,
        part: op.parts[1].clone(),
        operation: op.operation.clone(),
        key: op.key.clone(),
        hash: op.hash,
    };
    assert_eq!(first, [expected]);

    let changes = vec![
        mark(1, Some(0), PartState::Done),
        mark(2, Some(0), PartState::Done),
        mark(5, None, PartState::Held),
        mark(2, None, PartState::Held),
        mark(9, None, PartState::Done),
        mark(1, Some(9), PartState::Done),
    ];
    commit(&*store, &lease, changes).await;
    assert_eq!(store.ready_stages(&SCOPE(), &RUN, &CONTACTS).await.must("stages"), [1]);
    let left = ready(1, None, 9).await;
    assert_eq!(places(&left), [("tag:b", 1, 1)]);
    assert_eq!(left.iter().map(|part| part.n_open).collect::<Vec<_>>(), [1]);
    assert_eq!(store.open_parts(&SCOPE(), &RUN, &[7, 2, 1]).await.must("counts"), [0, 2, 1]);
    let mut parts = store.parts(&SCOPE(), &RUN, &[(2, 2), (1, 0), (7, 0), (1, 5)]).await.must("parts");
    parts.sort_by_key(|part| part.seq);
    assert_eq!(places(&parts), [("members", 1, 0), ("tag:b", 2, 2)]);
    assert_eq!(parts.iter().map(|part| part.n_open).collect::<Vec<_>>(), [1, 2], "what is held is not done");
}

pub(super) async fn an_open_call_marks_its_parts_until_it_is_closed(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    store.append_plan(&lease, &RUN, three()).await.must("append");
    let later = call("a-later", &[(5, 0)], 20);
    commit(&*store, &lease, vec![Change::OpenCall(later.clone()), Change::OpenCall(call("z", &[(2, 0), (1, 0)], 10))]).await;
    let store = harness.open().await;
    let open = store.open_calls(&SCOPE()).await.must("calls");
    assert_eq!(open, [call("z", &[(2, 0), (1, 0)], 10), later.clone()], "the oldest first, parts in order");
    assert!(store.ready_parts(&SCOPE(), &RUN, &CONTACTS, 0, None, 9).await.must("parts").is_empty());
    let states: Vec<_> =
        store.plan_page(&SCOPE(), &RUN, 0, 1).await.must("plan").into_iter().flat_map(|row| row.states).collect();
    assert_eq!(states, [PartState::Sent, PartState::Ready]);
    let closing = vec![Change::CloseCall("z".into()), mark(1, Some(0), PartState::Done), mark(2, Some(0), PartState::Ready)];
    commit(&*store, &lease, closing).await;
    assert_eq!(store.open_calls(&SCOPE()).await.must("calls"), [later]);
    let ready = store.ready_parts(&SCOPE(), &RUN, &CONTACTS, 0, None, 9).await.must("parts");
    assert_eq!(places(&ready), [("members", 2, 0)]);
}

pub(super) async fn twins_and_repeats_are_found(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let with_key = |seq, local: &str, key: &str| PlannedOp { key: Some(key.into()), ..planned(seq, local, vec![]) };
    let mut second_role = with_key(6, "1", "c");
    second_role.operation.role = Role::from("second");
    let plan = vec![
        with_key(1, "1", "b"),
        with_key(2, "2", "a"),
        with_key(3, "3", "b"),
        with_key(4, "4", "a"),
        with_key(5, "1", "d"),
        second_role,
        PlannedOp { key: None, ..planned(7, "7", vec![]) },
    ];
    store.append_plan(&lease, &RUN, plan).await.must("append");
    let twins = async |after, limit| store.plan_twins(&SCOPE(), &RUN, &CONTACTS, after, limit).await.must("twins");
    assert_eq!(twins(None, 9).await, [("a".to_owned(), vec![2, 4]), ("b".to_owned(), vec![1, 3])]);
    assert_eq!(twins(None, 1).await, [("a".to_owned(), vec![2, 4])]);
    assert_eq!(twins(Some("a"), 9).await, [("b".to_owned(), vec![1, 3])]);
    let repeats = async || store.plan_repeats(&SCOPE(), &RUN, &CONTACTS, 9).await.must("repeats");
    assert_eq!(repeats().await, [(LocalId::from("1"), vec![1, 5])], "another role is another operation");
    commit(&*store, &lease, vec![Change::DropOperation { run: RUN, seq: 1 }]).await;
    assert!(repeats().await.is_empty());
    assert_eq!(twins(None, 9).await, [("a".to_owned(), vec![2, 4])]);
    assert_eq!(store.plan_page(&SCOPE(), &RUN, 0, 99).await.must("plan").len(), 6);
}

pub(super) async fn scratch_is_cleared_apart(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    store.append_plan(&lease, &RUN, three()).await.must("append");
    let rows = vec![seen("r2", "a@x"), seen("r1", "b@x"), seen("r3", "a@x"), seen("r1", "a@x")];
    store.append_seen(&lease, &RUN, rows).await.must("append");
    store.append_seen(&lease, &RUN, vec![seen("r3", "c@x")]).await.must("append");
    let keys = texts(&["c@x", "a@x", "nobody"]);
    let audience = Some("audience".into());
    let found = store.seen_by_key(&SCOPE(), &RUN, &CONTACTS, audience.as_ref(), &keys).await.must("seen");
    assert_eq!(found, [vec![remote("r3", "c@x")], vec![remote("r1", "a@x"), remote("r2", "a@x")], vec![]]);
    let elsewhere = store.seen_by_key(&SCOPE(), &RUN, &CONTACTS, None, &keys).await.must("seen");
    assert!(elsewhere.iter().all(Vec::is_empty));
    let page = store.seen_page(&SCOPE(), &RUN, Some((&CONTACTS, &"r1".into())), 1).await.must("seen");
    assert_eq!(page, [remote("r2", "a@x")]);
    store.clear_scratch(&lease, &RUN, false).await.must("clear");
    assert!(store.seen_page(&SCOPE(), &RUN, None, 9).await.must("seen").is_empty());
    assert_eq!(store.plan_page(&SCOPE(), &RUN, 0, 9).await.must("plan").len(), 3);
    store.clear_scratch(&lease, &RUN, true).await.must("clear");
    assert!(store.plan_page(&SCOPE(), &RUN, 0, 9).await.must("plan").is_empty());
    assert!(store.ready_stages(&SCOPE(), &RUN, &CONTACTS).await.must("stages").is_empty());
    store.append_plan(&lease, &RUN, three()).await.must("a cleared plan starts anew");
}

pub(super) async fn calls_are_counted_by_group(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    assert_eq!(store.plan_calls(&SCOPE(), &RUN).await.must("calls"), 0);
    store.append_plan(&lease, &RUN, three()).await.must("append");
    // Three members by twos, one call for each tag.
    assert_eq!(store.plan_calls(&SCOPE(), &RUN).await.must("calls"), 4);
    let own = |seq: u64| planned(seq, &seq.to_string(), vec![part(0, "members", 2), part(1, &format!("tags:{seq}"), 1)]);
    store.append_plan(&lease, &RUN, (6..=9).map(own).collect()).await.must("append");
    commit(&*store, &lease, vec![Change::DropOperation { run: RUN, seq: 9 }]).await;
    // Six members now, and three calls of one part.
    assert_eq!(store.plan_calls(&SCOPE(), &RUN).await.must("calls"), 3 + 2 + 3);
    let ready = store.ready_parts(&SCOPE(), &RUN, &CONTACTS, 1, Some(("tag:b", 1, 1)), 9).await.must("parts");
    assert_eq!(places(&ready), [("tag:b", 2, 2), ("tags:6", 6, 1), ("tags:7", 7, 1), ("tags:8", 8, 1)]);
    let page = store.plan_page(&SCOPE(), &RUN, 6, 1).await.must("plan");
    assert_eq!(page.into_iter().map(|row| row.planned).collect::<Vec<_>>(), [own(7)]);
    let sent = store.parts(&SCOPE(), &RUN, &[(8, 1), (8, 0)]).await.must("parts");
    assert_eq!(places(&sent), [("tags:8", 8, 1), ("members", 8, 0)]);
}
