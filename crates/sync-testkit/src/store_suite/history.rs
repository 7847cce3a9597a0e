//! Runs, outcomes, cursors, and what becomes of old rows.

use jiff::SignedDuration;
use sync_core::{LocalId, OutcomeKind, RunId, SyncResult};
use sync_engine::{
    Change, Erased, Item, Link, Mark, OutcomeRow, PartState, Pruned, Retention, RunRow, RunState, StoredCursor, Suppression,
};

use super::{StoreHarness, commit, leased, make::*};

pub(super) async fn outcomes_come_in_order_and_leave_a_trail(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let rows = [
        ("run-1", outcome_row(Some("1"), Some("r1"), 30)),
        ("run-1", outcome_row(Some("2"), None, 10)),
        ("run-2", outcome_row(Some("1"), None, 20)),
        ("run-1", outcome_row(None, Some("r1"), 5)),
        ("run-1", outcome_row(Some("r1"), Some("1"), 6)),
    ];
    let add = |(run, row): &(&str, OutcomeRow)| Change::Outcome { run: (*run).into(), row: row.clone() };
    commit(&*store, &lease, rows[..3].iter().map(add).collect()).await;
    commit(&*store, &lease, rows[3..].iter().map(add).collect()).await;
    let first = store.outcomes(&SCOPE(), &RUN, 0, 2).await.must("outcomes");
    assert_eq!(first.iter().map(|(_, row)| row).collect::<Vec<_>>(), [&rows[0].1, &rows[1].1]);
    let rest = store.outcomes(&SCOPE(), &RUN, first[1].0, 9).await.must("outcomes");
    assert_eq!(rest.iter().map(|(_, row)| row).collect::<Vec<_>>(), [&rows[3].1, &rows[4].1]);
    let trail = store.trail(&SCOPE(), "r1", 9).await.must("trail");
    assert_eq!(trail, [4, 3, 0].map(|i| (RunId::from(rows[i].0), rows[i].1.clone())), "the newest first, each once");
    assert_eq!(store.trail(&SCOPE(), "1", 2).await.must("trail").len(), 2);
    assert!(store.trail(&SCOPE(), "x", 2).await.must("trail").is_empty());
}

pub(super) async fn runs_come_newest_first(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let rows = [run("b", 10), run("a", 10), run("c", 30), run("d", 20)];
    commit(&*store, &lease, rows.iter().cloned().map(|row| Change::Run(Box::new(row))).collect()).await;
    let done = RunRow {
        state: RunState::Done,
        ended_at: Some(at(40)),
        result: Some(SyncResult::nothing("Nothing to do")),
        plan_hash: Some("h".into()),
        ..run("c", 30)
    };
    commit(&*store, &lease, vec![Change::Run(Box::new(done.clone()))]).await;
    let store = harness.open().await;
    assert_eq!(store.run(&SCOPE(), &"c".into()).await.must("run"), Some(done));
    let page = async |before: Option<i64>, limit| {
        let rows = store.runs(&SCOPE(), before.map(at), limit).await.must("runs");
        rows.into_iter().map(|row| row.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 9).await, ["c", "d", "b", "a"]);
    assert_eq!(page(Some(30), 2).await, ["d", "b"]);
    assert_eq!(page(Some(10), 9).await, [""; 0]);
}

pub(super) async fn a_cursor_moves_with_its_filter(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let moved = |cursor: Option<(&str, &str)>| Change::Cursor {
        stream: "remote:members:audience".into(),
        cursor: cursor.map(|(cursor, filter)| StoredCursor { cursor: cursor.into(), filter: filter.into(), at: at(3) }),
    };
    commit(&*store, &lease, vec![moved(Some(("1", "f")))]).await;
    commit(&*store, &lease, vec![moved(Some(("2&+/", "g")))]).await;
    let store = harness.open().await;
    let stored = store.cursor(&SCOPE(), "remote:members:audience").await.must("cursor");
    assert_eq!(stored, Some(StoredCursor { cursor: "2&+/".into(), filter: "g".into(), at: at(3) }));
    assert_eq!(store.cursor(&SCOPE(), "remote:members").await.must("cursor"), None);
    commit(&*store, &lease, vec![moved(None)]).await;
    assert_eq!(store.cursor(&SCOPE(), "remote:members:audience").await.must("cursor"), None);
}

pub(super) async fn what_is_old_is_pruned(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let (old, new) = (RUN, RunId::from("run-2"));
    const DAY: i64 = 86_400;
    let mut changes = vec![Change::Run(Box::new(run("run-1", 0))), Change::Run(Box::new(run("run-2", 400 * DAY)))];
    changes.extend((0..3).map(|i| Change::Outcome { run: old.clone(), row: outcome_row(Some("1"), None, i) }));
    changes.push(Change::Outcome { run: new.clone(), row: outcome_row(Some("1"), None, 400 * DAY) });
    changes.extend(["f1", "f2"].map(|id| Change::Fact(fact(id, None))));
    commit(&*store, &lease, changes).await;
    for run in [&old, &new] {
        let plan = (1..=3).map(|seq| planned(seq, &seq.to_string(), vec![part(0, "g", 1), part(0, "g", 1)]));
        store.append_plan(&lease, run, plan.collect()).await.must("append");
        store.append_seen(&lease, run, vec![seen("r1", "a")]).await.must("append");
        store.append_marks(&lease, run, &CONTACTS, None, &ids(&["r2"]), Mark::Gone).await.must("append");
    }
    commit(&*store, &lease, vec![Change::OpenCall(call("call", &[(2, 1)], 0))]).await;
    store.facts_taken(&SCOPE(), &texts(&["f1"])).await.must("take");

    let retention = Retention::default();
    let prune = async |now, limit| store.prune(now, &retention, limit).await.must("prune");
    assert_eq!(prune(at(89 * DAY), 100).await, Pruned::default(), "nothing is old yet");
    assert_eq!(prune(at(91 * DAY), 1).await, Pruned { operations: 1, ..Pruned::default() });
    assert_eq!(prune(at(91 * DAY), 100).await, Pruned { operations: 1, ..Pruned::default() });
    assert_eq!(prune(at(91 * DAY), 100).await, Pruned::default(), "an operation whose call has no answer stays");
    assert_eq!(store.parts(&SCOPE(), &old, &[(2, 1)]).await.must("parts").len(), 1);
    assert_eq!(store.plan_page(&SCOPE(), &new, 0, 9).await.must("plan").len(), 3);
    let closing = [
        Change::CloseCall("call".into()),
        Change::Part(sync_engine::PartRow { run: old.clone(), seq: 2, part_idx: Some(1), state: PartState::Done }),
    ];
    commit(&*store, &lease, closing.to_vec()).await;
    assert_eq!(prune(at(91 * DAY), 100).await, Pruned { operations: 1, ..Pruned::default() });
    assert!(store.seen_page(&SCOPE(), &old, None, 9).await.must("seen").is_empty(), "scratch goes with its plan");
    assert_eq!(store.seen_page(&SCOPE(), &new, None, 9).await.must("seen").len(), 1);
    assert!(store.gone_page(&SCOPE(), &old, &CONTACTS, None, 9).await.must("gone").is_empty());
    assert_eq!(store.gone_page(&SCOPE(), &new, &CONTACTS, None, 9).await.must("gone").len(), 1);

    let first = prune(at(401 * DAY), 2).await;
    assert_eq!(first, Pruned { outcomes: 2, ..Pruned::default() }, "a run goes after its outcomes");
    assert_eq!(prune(at(401 * DAY), 2).await, Pruned { outcomes: 1, runs: 1, ..Pruned::default() });
    assert_eq!(store.runs(&SCOPE(), None, 9).await.must("runs").len(), 1);
    let century = at(0) + SignedDuration::from_hours(24 * 36_500);
    let all = prune(century, 100).await;
    assert_eq!((all.operations, all.outcomes, all.facts), (3, 1, 1), "a fact that was not taken stays");
    assert_eq!(store.facts_pending(&SCOPE(), 9).await.must("facts").len(), 1);
}

pub(super) async fn a_forgotten_record_leaves_ids_alone(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let waits = |local: &str| Item { question: Some("q".into()), ..item(local, OutcomeKind::Question, "shared-key") };
    let suppression = Suppression { at: at(0), state: sync_core::ConsentState::Denied };
    let changes = vec![
        Change::PutLink(link("1", Some("r1"))),
        Change::PutLink(link("2", Some("r2"))),
        Change::Outcome { run: RUN, row: outcome_row(Some("1"), Some("r1"), 0) },
        Change::Outcome { run: RUN, row: outcome_row(None, Some("r1"), 1) },
        Change::Outcome { run: RUN, row: outcome_row(Some("2"), Some("r2"), 2) },
        Change::Ask(question("q", &["2", "1"], 0)),
        Change::Ask(question("other", &["2"], 0)),
        Change::PutItem(waits("1")),
        Change::PutItem(waits("2")),
        Change::Fact(fact("taken", Some("1"))),
        Change::Fact(fact("waits", Some("1"))),
        Change::Suppress { channel: sync_core::Channel::Email, address: "ada@example.com".into(), suppression },
    ];
    commit(&*store, &lease, changes).await;
    store.facts_taken(&SCOPE(), &texts(&["taken"])).await.must("take");
    let plan = ["1", "2", "1"].iter().zip(1..).map(|(local, seq)| planned(seq, local, vec![part(0, "g", 1)]));
    store.append_plan(&lease, &RUN, plan.collect()).await.must("append");
    store.append_seen(&lease, &RUN, vec![seen("r1", "a"), seen("r2", "b")]).await.must("append");
    commit(&*store, &lease, vec![Change::OpenCall(call("call", &[(3, 0)], 0))]).await;

    let erased = store.forget(&SCOPE(), &CONTACTS, &"1".into()).await.must("forget");
    assert_eq!(erased, Erased { bases: 1, operations: 1, outcomes: 2, questions: 1 });
    let store = harness.open().await;
    let links = store.links_by_local(&SCOPE(), &ACCOUNT, &CONTACTS, &MAIN, &ids(&["1", "2"])).await.must("links");
    assert_eq!(links, [Some(Link { base: None, key: None, ..link("1", Some("r1")) }), Some(link("2", Some("r2")))]);
    let seqs: Vec<_> =
        store.plan_page(&SCOPE(), &RUN, 0, 9).await.must("plan").into_iter().map(|row| row.planned.seq).collect();
    assert_eq!(seqs, [2, 3], "an operation whose call has no answer stays");
    assert_eq!(store.seen_page(&SCOPE(), &RUN, None, 9).await.must("seen"), [remote("r2", "b")]);
    let outcomes = store.outcomes(&SCOPE(), &RUN, 0, 9).await.must("outcomes");
    let words: Vec<_> = outcomes.iter().map(|(_, row)| row.outcome.provider_message.is_some()).collect();
    assert_eq!(words, [false, false, true]);
    assert!(outcomes.iter().take(2).all(|(_, row)| row.outcome.message.is_empty() && row.outcome.code == "done"));
    let left = store.questions(&SCOPE(), false, None, 9).await.must("questions");
    assert_eq!(left, [question("other", &["2"], 0)]);
    let items = store.items_by_local(&SCOPE(), &CONTACTS, &ids::<LocalId>(&["1", "2"])).await.must("items");
    let items: Vec<Item> = items.into_iter().flatten().collect();
    assert_eq!((items[0].key.as_deref(), items[0].outcome.message.as_str()), (None, ""));
    assert!(items[1].key.is_some() && !items[1].outcome.message.is_empty());
    assert!(items.iter().all(|item| item.question.is_none() && item.due.is_some()), "they are decided again");
    assert_eq!(store.facts_pending(&SCOPE(), 9).await.must("facts"), [fact("waits", Some("1"))]);
    let suppressed = store.suppressed(&"blue-manta".into(), sync_core::Channel::Email, &texts(&["ada@example.com"])).await;
    assert!(suppressed.must("suppressed")[0].is_some(), "a suppression outlives the record");
    assert_eq!(store.forget(&SCOPE(), &CONTACTS, &"1".into()).await.must("forget"), Erased::default());
}

pub(super) async fn all_is_there_after_opening_again(harness: &impl StoreHarness) {
    let (store, held) = leased(harness).await;
    let installation = store.installation().await.must("installation");
    commit(&*store, &held, vec![Change::PutLink(link("1", Some("r1"))), Change::Ask(question("q", &["1"], 0))]).await;
    store.append_plan(&held, &RUN, vec![planned(1, "1", vec![part(0, "g", 1)])]).await.must("append");
    drop(store);
    let store = harness.open().await;
    assert_eq!(store.installation().await.must("installation"), installation);
    let links = store.links_by_local(&SCOPE(), &ACCOUNT, &CONTACTS, &MAIN, &ids(&["1"])).await.must("links");
    assert_eq!(links, [Some(link("1", Some("r1")))]);
    assert_eq!(store.plan_page(&SCOPE(), &RUN, 0, 9).await.must("plan").len(), 1);
    let info = store.lease(&SCOPE()).await.must("lease").must("somebody holds it");
    assert_eq!((info.epoch, info.expires_at), (held.epoch, held.expires_at), "a lease outlives its process");
    store.commit(&held, vec![]).await.must("its holder goes on");
}
