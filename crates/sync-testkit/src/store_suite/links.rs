//! Links.

use sync_core::{ErrorKind, LocalId, OutcomeKind, RemoteId, Role, RunId, Scope, code};
use sync_engine::{Change, Link, LinkState, Mark, Store};

use super::{StoreHarness, commit, leased, make::*, refused};

async fn by_local(store: &dyn Store, locals: &[&str]) -> Vec<Option<Link>> {
    store.links_by_local(&SCOPE(), &ACCOUNT, &CONTACTS, &MAIN, &ids(locals)).await.must("links")
}

fn drop_link(local: &str) -> Change {
    Change::DropLink { account: ACCOUNT, resource: CONTACTS, local: local.into(), role: MAIN }
}

pub(super) async fn a_link_is_opened_once(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    commit(&*store, &lease, vec![Change::OpenLink(link("1", None)), Change::PutLink(link("2", Some("r2")))]).await;
    for local in ["1", "2"] {
        refused(store.commit(&lease, vec![Change::OpenLink(link(local, None))]).await, ErrorKind::Taken);
    }
    let twice = vec![Change::OpenLink(link("3", None)), Change::OpenLink(link("3", None))];
    refused(store.commit(&lease, twice).await, ErrorKind::Taken);
    let other_role = Link { role: Role::from("amendment-2"), ..link("1", None) };
    commit(&*store, &lease, vec![Change::OpenLink(other_role)]).await;
    assert_eq!(by_local(&*store, &["1", "2", "3"]).await, [Some(link("1", None)), Some(link("2", Some("r2"))), None]);
}

pub(super) async fn a_link_that_is_gone_is_opened_again(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let in_state = |local: &str, state| Link { state, ..link(local, Some("r")) };
    let puts = vec![
        Change::PutLink(in_state("1", LinkState::Gone)),
        Change::PutLink(in_state("2", LinkState::Removed)),
        Change::PutLink(in_state("3", LinkState::Live)),
    ];
    commit(&*store, &lease, puts).await;
    let reopened = vec![
        Change::OpenLink(link("1", None)),
        Change::OpenLink(link("2", None)),
        drop_link("3"),
        Change::OpenLink(link("3", None)),
    ];
    commit(&*store, &lease, reopened).await;
    assert_eq!(by_local(&*store, &["1", "2", "3"]).await, ["1", "2", "3"].map(|local| Some(link(local, None))));
}

pub(super) async fn a_refused_commit_leaves_nothing(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    commit(&*store, &lease, vec![Change::PutLink(link("9", Some("r9")))]).await;
    store.append_plan(&lease, &RUN, vec![planned(1, "1", vec![part(0, "g", 1)])]).await.must("append");
    let changes = vec![
        Change::PutLink(link("1", Some("r1"))),
        Change::OpenCall(call("call", &[(1, 0)], 0)),
        Change::PutItem(item("1", OutcomeKind::Failed, "x")),
        Change::Outcome { run: RUN, row: outcome_row(Some("1"), None, 0) },
        Change::Fact(fact("f", None)),
        Change::Ask(question("q", &["1"], 0)),
        Change::OpenLink(link("9", None)),
        Change::Run(Box::new(run("run-1", 0))),
    ];
    refused(store.commit(&lease, changes).await, ErrorKind::Taken);
    let store = harness.open().await;
    assert_eq!(by_local(&*store, &["1"]).await, [None]);
    assert!(store.open_calls(&SCOPE()).await.must("calls").is_empty());
    assert!(store.items(&SCOPE(), None, 9).await.must("items").is_empty());
    assert!(store.outcomes(&SCOPE(), &RUN, 0, 9).await.must("outcomes").is_empty());
    assert!(store.facts_pending(&SCOPE(), 9).await.must("facts").is_empty());
    assert!(store.questions(&SCOPE(), false, None, 9).await.must("questions").is_empty());
    assert_eq!(store.run(&SCOPE(), &RUN).await.must("run"), None);
    assert_eq!(store.ready_parts(&SCOPE(), &RUN, &CONTACTS, 0, None, 9).await.must("parts").len(), 1);
}

pub(super) async fn changes_of_one_commit_keep_their_order(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let failed = || item("1", OutcomeKind::Failed, "x");
    let changes = vec![
        Change::PutLink(link("1", Some("first"))),
        drop_link("1"),
        Change::PutLink(link("1", Some("second"))),
        drop_link("2"),
        Change::PutLink(link("2", Some("r2"))),
        Change::PutLink(link("3", Some("r3"))),
        drop_link("3"),
        Change::PutItem(failed()),
        Change::DropItem { resource: CONTACTS, local: "1".into() },
        Change::PutItem(item("2", OutcomeKind::Failed, "x")),
        Change::DropItem { resource: CONTACTS, local: "2".into() },
        Change::PutItem(failed()),
    ];
    commit(&*store, &lease, changes).await;
    let found = by_local(&*store, &["1", "2", "3"]).await;
    assert_eq!(found, [Some(link("1", Some("second"))), Some(link("2", Some("r2"))), None]);
    assert_eq!(store.items(&SCOPE(), None, 9).await.must("items"), [failed()]);
}

pub(super) async fn links_are_found_by_either_id(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let in_audience = Link { role: Role::from("old"), state: LinkState::Gone, ..link("0", Some("r1")) };
    let elsewhere = Link { account: "other".into(), ..link("1", Some("r1")) };
    let all = [link("1", Some("r1")), in_audience.clone(), elsewhere.clone(), link("2", None)];
    commit(&*store, &lease, all.iter().cloned().map(Change::PutLink).collect()).await;
    assert_eq!(
        by_local(&*store, &["2", "x", "1", "2"]).await,
        [Some(link("2", None)), None, Some(link("1", Some("r1"))), Some(link("2", None))]
    );
    let found = store.links_by_remote(&SCOPE(), &ACCOUNT, &CONTACTS, &ids(&["x", "r1"])).await.must("links");
    assert_eq!(found, [None, Some(link("1", Some("r1")))], "one that is live comes before one that is gone");
    assert!(store.links_by_local(&SCOPE(), &ACCOUNT, &CONTACTS, &MAIN, &[]).await.must("links").is_empty());
    assert_eq!(store.links_of(&SCOPE(), "r1").await.must("links"), [link("1", Some("r1")), in_audience, elsewhere.clone()]);
    assert_eq!(store.links_of(&SCOPE(), "1").await.must("links"), [link("1", Some("r1")), elsewhere]);
    let counts = store.link_counts(&SCOPE(), &ACCOUNT).await.must("counts");
    let counts: Vec<_> = counts.iter().map(|row| (row.role.as_str(), row.state, row.count)).collect();
    assert_eq!(counts, [("main", LinkState::Open, 1), ("main", LinkState::Live, 1), ("old", LinkState::Gone, 1)]);
}

pub(super) async fn a_scan_comes_in_bytewise_order(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let mut locals = ["10", "9", "a", "B", "é", "z", "Z", "a b", "%", "'"].map(String::from);
    let puts = locals.iter().map(|local| Change::PutLink(link(local, Some(local))));
    let other = Link { role: Role::from("other"), ..link("9", Some("x")) };
    commit(&*store, &lease, puts.chain([Change::PutLink(other)]).collect()).await;
    locals.sort();
    let mut scanned = Vec::new();
    let mut after: Option<LocalId> = None;
    loop {
        let page = store.link_heads(&SCOPE(), &ACCOUNT, &CONTACTS, &MAIN, after.as_ref(), 3).await.must("heads");
        scanned.extend(page.iter().map(|head| head.local.to_string()));
        assert!(page.iter().all(|head| head.hash == link(head.local.as_str(), Some("r")).hash));
        match page.last() {
            Some(head) => after = Some(head.local.clone()),
            None => break,
        }
    }
    assert_eq!(scanned, locals);
}

pub(super) async fn holders_of_keys_are_links_and_items_that_wait(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let key = || Some("family@example.com".to_owned());
    let linked = |local: &str, state| Change::PutLink(Link { key: key(), state, ..link(local, Some(local)) });
    let waits = |local: &str, kind, code| Change::PutItem(sync_engine::Item { key: key(), ..item(local, kind, code) });
    let changes = vec![
        linked("5", LinkState::Live),
        linked("3", LinkState::Open),
        linked("8", LinkState::Gone),
        linked("9", LinkState::Removed),
        linked("7", LinkState::Detached),
        waits("1", OutcomeKind::Question, "ambiguous-match"),
        waits("2", OutcomeKind::Skipped, code::SHARED_KEY),
        waits("4", OutcomeKind::Skipped, "no-consent"),
        waits("5", OutcomeKind::Question, "ambiguous-match"),
    ];
    commit(&*store, &lease, changes).await;
    let keys = texts(&["nobody@example.com", "family@example.com"]);
    let holders = store.holders_of_keys(&SCOPE(), &ACCOUNT, &CONTACTS, &MAIN, &keys).await.must("holders");
    assert_eq!(holders, [vec![], ids::<LocalId>(&["1", "2", "3", "5"])]);
}

pub(super) async fn unseen_links_are_live_and_in_their_container(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let elsewhere = Link { container: Some("other".into()), ..link("4", Some("r4")) };
    let nowhere = Link { container: None, ..link("5", Some("r5")) };
    let gone = Link { state: LinkState::Gone, ..link("6", Some("r6")) };
    let second_role = Link { role: Role::from("second"), ..link("2", Some("r2b")) };
    let all = [link("1", Some("r1")), link("2", Some("r2")), link("3", Some("r3")), elsewhere, nowhere.clone(), gone];
    let puts = all.into_iter().chain([second_role, link("7", None), link("8", Some("r8"))]);
    commit(&*store, &lease, puts.map(Change::PutLink).collect()).await;
    store.append_seen(&lease, &RUN, vec![seen("r1", "a"), seen("r8", "b")]).await.must("append");
    let unseen = async |run: &str, container: Option<&str>, after: Option<&str>, limit| {
        let container = container.map(Into::into);
        let after = after.map(LocalId::from);
        let run = RunId::from(run);
        let page = store.unseen_links(&SCOPE(), &ACCOUNT, &run, &CONTACTS, container.as_ref(), after.as_ref(), limit).await;
        page.must("links").into_iter().filter_map(|link| link.remote).collect::<Vec<RemoteId>>()
    };
    assert_eq!(unseen("run-1", Some("audience"), None, 9).await, ids::<RemoteId>(&["r2", "r2b", "r3"]));
    let page = unseen("run-1", Some("audience"), None, 1).await;
    assert_eq!(page, ids::<RemoteId>(&["r2", "r2b"]), "a record's roles stay together");
    assert_eq!(unseen("run-1", Some("audience"), Some("2"), 9).await, ids::<RemoteId>(&["r3"]));
    assert_eq!(unseen("run-1", None, None, 9).await, ids::<RemoteId>(&["r5"]));
    assert_eq!(unseen("run-2", Some("audience"), None, 9).await.len(), 5, "another run saw nothing");
    assert!(unseen("run-1", Some("audience"), None, 0).await.is_empty());
}

pub(super) async fn a_link_that_was_let_go_of_is_neither_missed_nor_replaced(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let detached = Link { state: LinkState::Detached, ..link("1", Some("r1")) };
    commit(&*store, &lease, vec![Change::PutLink(detached.clone()), Change::PutLink(link("2", Some("r2")))]).await;
    let store = harness.open().await;
    assert_eq!(by_local(&*store, &["1"]).await, [Some(detached.clone())]);
    let audience = Some("audience".into());
    let unseen = store.unseen_links(&SCOPE(), &ACCOUNT, &RUN, &CONTACTS, audience.as_ref(), None, 9).await.must("links");
    assert_eq!(unseen, [link("2", Some("r2"))]);
    let counts = store.link_counts(&SCOPE(), &ACCOUNT).await.must("counts");
    let counts: Vec<_> = counts.iter().map(|row| (row.state, row.count)).collect();
    assert_eq!(counts, [(LinkState::Live, 1), (LinkState::Detached, 1)]);
    refused(store.commit(&lease, vec![Change::OpenLink(link("1", None))]).await, ErrorKind::Taken);
    // It comes after one that is live, whatever their local ids.
    commit(&*store, &lease, vec![Change::PutLink(link("9", Some("r1")))]).await;
    let found = store.links_by_remote(&SCOPE(), &ACCOUNT, &CONTACTS, &ids(&["r1"])).await.must("links");
    assert_eq!(found, [Some(link("9", Some("r1")))]);
    commit(&*store, &lease, vec![drop_link("1"), Change::OpenLink(link("1", None))]).await;
    assert_eq!(by_local(&*store, &["1"]).await, [Some(link("1", None))]);
}

pub(super) async fn other_tenants_are_never_seen(harness: &impl StoreHarness) {
    let (store, ours) = leased(harness).await;
    let changes = || {
        vec![
            Change::PutLink(link("1", Some("r1"))),
            Change::PutItem(item("1", OutcomeKind::Failed, "x")),
            Change::Outcome { run: RUN, row: outcome_row(Some("1"), Some("r1"), 0) },
            Change::OpenCall(call("call", &[], 0)),
            Change::Ask(question("q", &["1"], 0)),
            Change::Fact(fact("f", Some("1"))),
            Change::Run(Box::new(run("run-1", 0))),
            Change::Cursor {
                stream: "local".into(),
                cursor: Some(sync_engine::StoredCursor { cursor: "1".into(), filter: "f".into(), at: at(0) }),
            },
        ]
    };
    commit(&*store, &ours, changes()).await;
    store.append_seen(&ours, &RUN, vec![seen("r1", "a")]).await.must("append");
    store.append_marks(&ours, &RUN, &CONTACTS, None, &ids(&["r9"]), Mark::Gone).await.must("append");
    store.append_plan(&ours, &RUN, vec![planned(1, "1", vec![part(0, "g", 1)])]).await.must("append");
    for theirs in [Scope::new("other", "mailchimp"), Scope::new("blue-manta", "xero")] {
        let s = &theirs;
        let local = ids::<LocalId>(&["1"]);
        assert_eq!(store.links_by_local(s, &ACCOUNT, &CONTACTS, &MAIN, &local).await.must("links"), [None]);
        assert_eq!(store.links_by_remote(s, &ACCOUNT, &CONTACTS, &ids(&["r1"])).await.must("links"), [None]);
        assert!(store.links_of(s, "1").await.must("links").is_empty());
        assert!(store.link_heads(s, &ACCOUNT, &CONTACTS, &MAIN, None, 9).await.must("heads").is_empty());
        assert!(store.link_counts(s, &ACCOUNT).await.must("counts").is_empty());
        assert!(store.items(s, None, 9).await.must("items").is_empty());
        assert!(store.item_counts(s, None).await.must("counts").is_empty());
        assert_eq!(store.retry_items(s, None, at(1)).await.must("retry"), 0);
        assert!(store.outcomes(s, &RUN, 0, 9).await.must("outcomes").is_empty());
        assert!(store.trail(s, "1", 9).await.must("trail").is_empty());
        assert!(store.open_calls(s).await.must("calls").is_empty());
        assert_eq!(store.cursor(s, "local").await.must("cursor"), None);
        assert_eq!(store.run(s, &RUN).await.must("run"), None);
        assert!(store.runs(s, None, 9).await.must("runs").is_empty());
        assert!(store.questions(s, false, None, 9).await.must("questions").is_empty());
        refused(store.answer(s, &"q".into(), answer("oldest", 1)).await, ErrorKind::NotFound);
        assert!(store.facts_pending(s, 9).await.must("facts").is_empty());
        assert!(store.seen_page(s, &RUN, None, 9).await.must("seen").is_empty());
        let container = Some("audience".into());
        let found = store.seen_by_remote(s, &RUN, &CONTACTS, container.as_ref(), &ids(&["r1"])).await.must("seen");
        assert_eq!(found, [None]);
        assert!(store.gone_page(s, &RUN, &CONTACTS, None, 9).await.must("gone").is_empty());
        assert!(store.plan_page(s, &RUN, 0, 9).await.must("plan").is_empty());
        assert!(store.ready_parts(s, &RUN, &CONTACTS, 0, None, 9).await.must("parts").is_empty());
        assert_eq!(store.forget(s, &CONTACTS, &"1".into()).await.must("forget"), Default::default());
        let lease = lease(&*store, s).await;
        commit(&*store, &lease, changes()).await;
        commit(&*store, &lease, vec![drop_link("1"), Change::DropItem { resource: CONTACTS, local: "1".into() }]).await;
        store.append_plan(&lease, &RUN, vec![planned(1, "1", vec![part(0, "g", 1)])]).await.must("append");
        store.clear_scratch(&lease, &RUN, true).await.must("clear");
        store.facts_taken(s, &texts(&["f"])).await.must("take");
    }
    assert_eq!(by_local(&*store, &["1"]).await, [Some(link("1", Some("r1")))]);
    assert_eq!(store.items(&SCOPE(), None, 9).await.must("items").len(), 1);
    assert_eq!(store.plan_page(&SCOPE(), &RUN, 0, 9).await.must("plan").len(), 1);
    assert_eq!(store.facts_pending(&SCOPE(), 9).await.must("facts").len(), 1);
}
