//! What feeds showed, and what they told gone.

use sync_core::{ContainerId, Remote, RemoteId, ResourceName, RunId};
use sync_engine::{Change, Mark, Seen, Store};

use super::{StoreHarness, commit, leased, make::*};

const INVOICES: ResourceName = ResourceName::from_static("invoices");
const AUDIENCE: ContainerId = ContainerId::from_static("audience");
const OTHER: ContainerId = ContainerId::from_static("other");

async fn by_remote(store: &dyn Store, container: Option<&ContainerId>, of: &[&str]) -> Vec<Option<Remote>> {
    store.seen_by_remote(&SCOPE(), &RUN, &CONTACTS, container, &ids(of)).await.must("seen")
}

type Place = (RemoteId, Option<ContainerId>);

async fn gone(store: &dyn Store) -> Vec<Place> {
    store.gone_page(&SCOPE(), &RUN, &CONTACTS, None, 9).await.must("gone")
}

fn within(container: Option<ContainerId>, seen: Seen) -> Seen {
    Seen { remote: Remote { container, ..seen.remote }, ..seen }
}

pub(super) async fn records_are_seen_by_their_ids(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    assert_eq!(by_remote(&*store, Some(&AUDIENCE), &["r1", "r1"]).await, [None, None], "nothing was seen at all");
    let rows = vec![seen("r1", "old@x"), seen("r2", "b@x"), within(None, seen("r3", "c@x")), seen("r1", "a@x")];
    store.append_seen(&lease, &RUN, rows).await.must("append");
    let other_run = RunId::from("run-2");
    store.append_seen(&lease, &other_run, vec![seen("r4", "d@x")]).await.must("append");
    let store = harness.open().await;
    let found = by_remote(&*store, Some(&AUDIENCE), &["r2", "x", "r1", "r2", "r3", "r4"]).await;
    let (r1, r2) = (Some(remote("r1", "a@x")), Some(remote("r2", "b@x")));
    assert_eq!(found, [r2.clone(), None, r1, r2, None, None], "one answer for each, in order");
    let r3 = Some(Remote { container: None, ..remote("r3", "c@x") });
    assert_eq!(by_remote(&*store, None, &["r1", "r3"]).await, [None, r3]);
    assert!(by_remote(&*store, None, &[]).await.is_empty());
    let other = store.seen_by_remote(&SCOPE(), &RUN, &INVOICES, Some(&AUDIENCE), &ids(&["r1"])).await.must("seen");
    assert_eq!(other, [None], "another resource");
    store.clear_scratch(&lease, &RUN, false).await.must("clear");
    assert_eq!(by_remote(&*store, Some(&AUDIENCE), &["r1"]).await, [None]);
}

pub(super) async fn what_is_gone_and_what_is_seen_replace_each_other(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let append_gone = async |ids_gone: &[&str]| {
        store.append_marks(&lease, &RUN, &CONTACTS, Some(&AUDIENCE), &ids(ids_gone), Mark::Gone).await.must("append");
    };
    store.append_seen(&lease, &RUN, vec![seen("r1", "a@x"), seen("r2", "b@x")]).await.must("append");
    append_gone(&["r1", "r3", "r1"]).await;
    append_gone(&[]).await;
    let places = |of: &[&str]| of.iter().map(|id| (RemoteId::from(*id), Some(AUDIENCE))).collect::<Vec<_>>();
    assert_eq!(gone(&*store).await, places(&["r1", "r3"]));
    let r2 = Some(remote("r2", "b@x"));
    assert_eq!(by_remote(&*store, Some(&AUDIENCE), &["r1", "r2", "r3"]).await, [None, r2.clone(), None]);
    assert_eq!(store.seen_page(&SCOPE(), &RUN, None, 9).await.must("seen"), [remote("r2", "b@x")]);
    let key = texts(&["a@x"]);
    let by_key = store.seen_by_key(&SCOPE(), &RUN, &CONTACTS, Some(&AUDIENCE), &key).await.must("seen");
    assert_eq!(by_key, [vec![]], "what is gone has no key");
    commit(&*store, &lease, ["1", "2"].map(|n| Change::PutLink(link(n, Some(&format!("r{n}"))))).to_vec()).await;
    let unseen = store.unseen_links(&SCOPE(), &ACCOUNT, &RUN, &CONTACTS, Some(&AUDIENCE), None, 9).await.must("links");
    assert_eq!(unseen, [link("1", Some("r1"))], "what is gone is not seen");

    store.append_seen(&lease, &RUN, vec![seen("r3", "c@x"), seen("r1", "d@x")]).await.must("append");
    assert!(gone(&*store).await.is_empty());
    let expected = [Some(remote("r1", "d@x")), r2, Some(remote("r3", "c@x"))];
    assert_eq!(by_remote(&*store, Some(&AUDIENCE), &["r1", "r2", "r3"]).await, expected);
    append_gone(&["r2"]).await;
    store.append_plan(&lease, &RUN, vec![planned(1, "1", vec![])]).await.must("append");
    store.clear_scratch(&lease, &RUN, false).await.must("clear");
    assert!(gone(&*store).await.is_empty());
}

pub(super) async fn what_is_as_agreed_is_there_and_shows_nothing(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let mark = async |of: &[&str], mark: Mark| {
        store.append_marks(&lease, &RUN, &CONTACTS, Some(&AUDIENCE), &ids(of), mark).await.must("append");
    };
    let unseen = async || {
        let links = store.unseen_links(&SCOPE(), &ACCOUNT, &RUN, &CONTACTS, Some(&AUDIENCE), None, 9).await.must("links");
        links.into_iter().map(|link| link.local.to_string()).collect::<Vec<_>>()
    };
    commit(&*store, &lease, ["1", "2", "3"].map(|n| Change::PutLink(link(n, Some(&format!("r{n}"))))).to_vec()).await;
    store.append_seen(&lease, &RUN, vec![seen("r1", "a@x"), seen("r3", "c@x")]).await.must("append");
    mark(&["r1", "r2"], Mark::AsAgreed).await;
    assert!(unseen().await.is_empty(), "all three are there");
    assert_eq!(by_remote(&*store, Some(&AUDIENCE), &["r1", "r2"]).await, [None, None]);
    assert_eq!(store.seen_page(&SCOPE(), &RUN, None, 9).await.must("seen"), [remote("r3", "c@x")]);
    let key = texts(&["a@x"]);
    let by_key = store.seen_by_key(&SCOPE(), &RUN, &CONTACTS, Some(&AUDIENCE), &key).await.must("seen");
    assert_eq!(by_key, [vec![]]);
    assert!(gone(&*store).await.is_empty());
    // Whatever a feed shows last counts.
    mark(&["r2"], Mark::Gone).await;
    store.append_seen(&lease, &RUN, vec![seen("r1", "d@x")]).await.must("append");
    assert_eq!(unseen().await, ["2"]);
    assert_eq!(by_remote(&*store, Some(&AUDIENCE), &["r1"]).await, [Some(remote("r1", "d@x"))]);
    mark(&["r2"], Mark::AsAgreed).await;
    assert!(unseen().await.is_empty() && gone(&*store).await.is_empty());
}

pub(super) async fn gone_records_come_in_pages(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let append = async |resource: &ResourceName, container: Option<&ContainerId>, of: &[&str]| {
        store.append_marks(&lease, &RUN, resource, container, &ids(of), Mark::Gone).await.must("append");
    };
    append(&CONTACTS, Some(&OTHER), &["r2", "é"]).await;
    append(&CONTACTS, Some(&AUDIENCE), &["r10", "r2"]).await;
    append(&CONTACTS, None, &["r2"]).await;
    append(&INVOICES, None, &["r0"]).await;
    let store = harness.open().await;
    let (mut all, mut after): (Vec<Place>, Option<Place>) = Default::default();
    loop {
        let place = after.as_ref().map(|(id, container)| (id, container.as_ref()));
        let page = store.gone_page(&SCOPE(), &RUN, &CONTACTS, place, 2).await.must("gone");
        assert!(page.len() <= 2);
        all.extend(page.iter().cloned());
        match page.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    let row = |id: &str, container| (RemoteId::from(id), container);
    let expected = [
        row("r10", Some(AUDIENCE)),
        row("r2", None),
        row("r2", Some(AUDIENCE)),
        row("r2", Some(OTHER)),
        row("é", Some(OTHER)),
    ];
    assert_eq!(all, expected);
    let invoices = store.gone_page(&SCOPE(), &RUN, &INVOICES, None, 9).await.must("gone");
    assert_eq!(invoices, [row("r0", None)]);
}

pub(super) async fn a_record_is_seen_in_each_of_its_containers(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let rows = vec![seen("r1", "a@x"), within(Some(OTHER), seen("r1", "b@x")), within(None, seen("r1", "c@x"))];
    store.append_seen(&lease, &RUN, rows).await.must("append");
    store.append_seen(&lease, &RUN, vec![seen("r2", "d@x")]).await.must("append");
    let mine = |container: Option<ContainerId>, email: &str| Remote { container, ..remote("r1", email) };
    assert_eq!(by_remote(&*store, Some(&AUDIENCE), &["r1"]).await, [Some(mine(Some(AUDIENCE), "a@x"))]);
    assert_eq!(by_remote(&*store, Some(&OTHER), &["r1"]).await, [Some(mine(Some(OTHER), "b@x"))]);
    let page = store.seen_page(&SCOPE(), &RUN, None, 1).await.must("seen");
    let all = [mine(None, "c@x"), mine(Some(AUDIENCE), "a@x"), mine(Some(OTHER), "b@x")];
    assert_eq!(page, all, "the containers of an id stay together");
    let next = store.seen_page(&SCOPE(), &RUN, Some((&CONTACTS, &"r1".into())), 1).await.must("seen");
    assert_eq!(next, [remote("r2", "d@x")]);

    // Moved from one to the other: gone here, and still seen there.
    store.append_marks(&lease, &RUN, &CONTACTS, Some(&AUDIENCE), &ids(&["r1"]), Mark::Gone).await.must("append");
    assert_eq!(by_remote(&*store, Some(&AUDIENCE), &["r1"]).await, [None]);
    assert_eq!(by_remote(&*store, Some(&OTHER), &["r1"]).await, [Some(mine(Some(OTHER), "b@x"))]);
    assert_eq!(gone(&*store).await, [("r1".into(), Some(AUDIENCE))]);
    commit(&*store, &lease, vec![Change::PutLink(link("1", Some("r1")))]).await;
    let unseen = store.unseen_links(&SCOPE(), &ACCOUNT, &RUN, &CONTACTS, Some(&AUDIENCE), None, 9).await.must("links");
    assert_eq!(unseen, [link("1", Some("r1"))], "seen elsewhere is not seen here");
}
