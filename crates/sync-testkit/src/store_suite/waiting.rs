//! Items, questions, consent.

use sync_core::{Channel, ConsentState, ErrorKind, LocalId, OutcomeKind, QuestionId, RunId};
use sync_engine::{Change, Due, Item, ItemCount, Question, Seen, Suppression};

use super::{StoreHarness, commit, leased, make::*, refused};

pub(super) async fn items_are_due_by_time_or_grant(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let waits = |local: &str, due: Option<i64>, grant: Option<&str>| Item {
        due: due.map(at),
        needs_grant: grant.map(str::to_owned),
        ..item(local, OutcomeKind::Pending, "unsettled")
    };
    let all = [
        waits("5", Some(10), None),
        waits("1", Some(20), None),
        waits("2", None, Some("mails")),
        waits("3", Some(10), Some("mails")),
        waits("4", None, None),
    ];
    commit(&*store, &lease, all.iter().cloned().map(Change::PutItem).collect()).await;
    let due = async |now, grants: &[&str], after: Option<&str>, limit| {
        let after = after.map(LocalId::from);
        let items = store
            .items_due(&SCOPE(), &CONTACTS, &Due::at(&RUN, at(now)).granting(grants), after.as_ref(), limit)
            .await
            .must("items");
        items.into_iter().map(|item| item.local).collect::<Vec<_>>()
    };
    assert_eq!(due(9, &[], None, 9).await, ids::<LocalId>(&[]));
    assert_eq!(due(10, &[], None, 9).await, ids::<LocalId>(&["3", "5"]));
    assert_eq!(due(10, &["calls", "mails"], None, 9).await, ids::<LocalId>(&["2", "3", "5"]));
    assert_eq!(due(20, &["mails"], Some("1"), 2).await, ids::<LocalId>(&["2", "3"]));
    let found = store.items_by_local(&SCOPE(), &CONTACTS, &ids(&["3", "x", "5"])).await.must("items");
    assert_eq!(found, [Some(all[3].clone()), None, Some(all[0].clone())]);
    let page = store.items(&SCOPE(), Some((&CONTACTS, &"3".into())), 9).await.must("items");
    assert_eq!(page, [all[4].clone(), all[0].clone()]);
}

pub(super) async fn items_are_due_by_what_came(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let stands = |local: &str, kind, key: &str| Item {
        run: "run-0".into(),
        due: (kind == OutcomeKind::Blocked).then(|| at(99)),
        key: Some(key.to_owned()),
        ..item(local, kind, "stands")
    };
    let all = [
        stands("1", OutcomeKind::Skipped, "a@x"),
        stands("2", OutcomeKind::Blocked, "b@x"),
        stands("3", OutcomeKind::Skipped, "c@x"),
        // What this run has just decided is not due by what it came by.
        Item { run: RUN, ..stands("4", OutcomeKind::Skipped, "a@x") },
        Item { run: RUN, ..stands("5", OutcomeKind::Blocked, "b@x") },
    ];
    commit(&*store, &lease, all.iter().cloned().map(Change::PutItem).collect()).await;
    let due = async |due: Due<'_>, after: Option<&str>, limit| {
        let after = after.map(LocalId::from);
        let items = store.items_due(&SCOPE(), &CONTACTS, &due, after.as_ref(), limit).await.must("items");
        items.into_iter().map(|item| item.local).collect::<Vec<_>>()
    };
    assert_eq!(due(Due::at(&RUN, at(9)), None, 9).await, ids::<LocalId>(&[]));
    assert_eq!(due(Due::at(&RUN, at(9)).blocked(true), None, 9).await, ids::<LocalId>(&["2"]));
    let shown = [seen("m1", "a@x"), seen("m2", "c@x"), Seen { key: None, ..seen("m3", "b@x") }];
    store.append_seen(&lease, &RUN, shown.to_vec()).await.must("seen");
    assert_eq!(due(Due::at(&RUN, at(9)), None, 9).await, ids::<LocalId>(&["1", "3"]));
    assert_eq!(due(Due::at(&RUN, at(9)).blocked(true), Some("1"), 1).await, ids::<LocalId>(&["2"]));
    let other: RunId = "run-2".into();
    assert_eq!(due(Due::at(&other, at(9)), None, 9).await, ids::<LocalId>(&[]), "another run's feeds");
}

pub(super) async fn failures_are_retried(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let other_run = Item { run: "run-0".into(), ..item("3", OutcomeKind::Failed, "refused") };
    let puts = vec![
        Change::PutItem(item("1", OutcomeKind::Failed, "refused")),
        Change::PutItem(item("2", OutcomeKind::Skipped, "no-consent")),
        Change::PutItem(other_run),
        Change::PutItem(item("4", OutcomeKind::Failed, "timeout")),
        Change::PutItem(item("5", OutcomeKind::Question, "shared-key")),
    ];
    commit(&*store, &lease, puts).await;
    let count = |kind, code: &str, count| ItemCount { kind, code: code.to_owned(), count };
    let counts = store.item_counts(&SCOPE(), None).await.must("counts");
    let expected = [
        count(OutcomeKind::Skipped, "no-consent", 1),
        count(OutcomeKind::Question, "shared-key", 1),
        count(OutcomeKind::Failed, "refused", 2),
        count(OutcomeKind::Failed, "timeout", 1),
    ];
    assert_eq!(counts, expected);
    assert_eq!(
        store.item_counts(&SCOPE(), Some(&"run-0".into())).await.must("counts"),
        [expected[2].clone()].map(|row| ItemCount { count: 1, ..row })
    );
    // Of those that are named, what was left out may go by now too; a question waits for its answer.
    let some = ids::<LocalId>(&["1", "2", "5"]);
    assert_eq!(store.retry_items(&SCOPE(), Some(&some), at(7)).await.must("retry"), 2);
    let due = store.items_due(&SCOPE(), &CONTACTS, &Due::at(&RUN, at(7)), None, 9).await.must("items");
    let retried = [item("1", OutcomeKind::Failed, "refused"), item("2", OutcomeKind::Skipped, "no-consent")];
    assert_eq!(due, retried.map(|item| Item { due: Some(at(7)), ..item }));
    assert_eq!(store.retry_items(&SCOPE(), None, at(8)).await.must("retry"), 3);
}

pub(super) async fn an_answer_makes_its_items_due(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let asks =
        |local: &str, id: &str| Item { question: Some(id.into()), ..item(local, OutcomeKind::Question, "shared-key") };
    let changes = vec![
        Change::Ask(question("q1", &["1", "2"], 0)),
        Change::Ask(question("q2", &["3"], 0)),
        Change::PutItem(asks("1", "q1")),
        Change::PutItem(asks("2", "q1")),
        Change::PutItem(asks("3", "q2")),
    ];
    commit(&*store, &lease, changes).await;
    refused(store.answer(&SCOPE(), &"q9".into(), answer("oldest", 5)).await, ErrorKind::NotFound);
    refused(store.answer(&SCOPE(), &"q1".into(), answer("whatever", 5)).await, ErrorKind::Invalid);
    assert!(store.items_due(&SCOPE(), &CONTACTS, &Due::at(&RUN, at(99)), None, 9).await.must("items").is_empty());
    store.answer(&SCOPE(), &"q1".into(), answer("oldest", 5)).await.must("answer");
    assert!(store.items_due(&SCOPE(), &CONTACTS, &Due::at(&RUN, at(4)), None, 9).await.must("items").is_empty());
    let due = store.items_due(&SCOPE(), &CONTACTS, &Due::at(&RUN, at(5)), None, 9).await.must("items");
    assert_eq!(due.into_iter().map(|item| item.local).collect::<Vec<_>>(), ids::<LocalId>(&["1", "2"]));
}

pub(super) async fn a_question_keeps_its_answer(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let asked = vec![
        Change::Ask(question("b", &["1"], 10)),
        Change::Ask(question("a", &["1"], 10)),
        Change::Ask(question("c", &["1"], 5)),
    ];
    commit(&*store, &lease, asked).await;
    store.answer(&SCOPE(), &"a".into(), answer("oldest", 20)).await.must("answer");
    store.answer(&SCOPE(), &"a".into(), answer("none", 21)).await.must("a later answer replaces");
    let again = Question { prompt: "Who, really?".into(), ..question("a", &["1", "2"], 99) };
    commit(&*store, &lease, vec![Change::Ask(again.clone())]).await;
    let answered = Question { asked_at: at(10), answer: Some(answer("none", 21)), ..again };
    let found = store.questions_by_id(&SCOPE(), &ids(&["x", "a"])).await.must("questions");
    assert_eq!(found, [None, Some(answered)]);
    let page = async |open, after: Option<&str>, limit| {
        let after = after.map(QuestionId::from);
        let page = store.questions(&SCOPE(), open, after.as_ref(), limit).await.must("questions");
        page.into_iter().map(|question| question.id).collect::<Vec<_>>()
    };
    assert_eq!(page(false, None, 9).await, ids::<QuestionId>(&["c", "a", "b"]));
    assert_eq!(page(true, None, 9).await, ids::<QuestionId>(&["c", "b"]));
    assert_eq!(page(false, Some("c"), 1).await, ids::<QuestionId>(&["a"]));
    assert_eq!(page(true, Some("a"), 9).await, ids::<QuestionId>(&["b"]));
    assert_eq!(page(false, Some("x"), 9).await, ids::<QuestionId>(&[]));
}

pub(super) async fn a_suppression_only_moves_on(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let put = |address: &str, seconds, state| Change::Suppress {
        channel: Channel::Email,
        address: address.to_owned(),
        suppression: Suppression { at: at(seconds), state },
    };
    let (denied, bounced) = (ConsentState::Denied, ConsentState::Undeliverable);
    commit(&*store, &lease, vec![put("Ada@Example.com", 10, denied), put(" ", 10, denied)]).await;
    commit(&*store, &lease, vec![put("ada@example.com", 5, bounced), put("ada@example.com", 10, bounced)]).await;
    commit(&*store, &lease, vec![put("bob@example.com", 5, denied), put("bob@example.com", 6, bounced)]).await;
    let store = harness.open().await;
    let ask = async |organization: &str, channel, addresses: &[&str]| {
        store.suppressed(&organization.into(), channel, &texts(addresses)).await.must("suppressed")
    };
    let found = ask("blue-manta", Channel::Email, &["eve@example.com", " ada@example.COM", "bob@example.com", ""]).await;
    let row = |seconds, state| Some(Suppression { at: at(seconds), state });
    assert_eq!(found, [None, row(10, denied), row(6, bounced), None]);
    assert_eq!(ask("other", Channel::Email, &["ada@example.com"]).await, [None], "another tenant's list");
    assert_eq!(ask("blue-manta", Channel::Sms, &["ada@example.com"]).await, [None], "another channel");
    let lift = Change::Lift { channel: Channel::Email, address: "ADA@example.com".into() };
    commit(&*store, &lease, vec![lift]).await;
    assert_eq!(ask("blue-manta", Channel::Email, &["ada@example.com"]).await, [None]);
}

pub(super) async fn facts_wait_until_they_are_taken(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let facts = ["z", "a", "z", "m"].map(|id| Change::Fact(fact(id, Some("1"))));
    commit(&*store, &lease, facts.to_vec()).await;
    let pending = async |limit| {
        let facts = store.facts_pending(&SCOPE(), limit).await.must("facts");
        facts.into_iter().map(|fact| fact.id).collect::<Vec<_>>()
    };
    assert_eq!(pending(9).await, ["z", "a", "m"]);
    assert_eq!(pending(2).await, ["z", "a"]);
    assert_eq!(store.facts_pending(&SCOPE(), 1).await.must("facts"), [fact("z", Some("1"))]);
    store.facts_taken(&SCOPE(), &texts(&["z", "unknown"])).await.must("take");
    commit(&*store, &lease, vec![Change::Fact(fact("z", None))]).await;
    assert_eq!(pending(9).await, ["a", "m"], "a fact that was taken is there once");
}
