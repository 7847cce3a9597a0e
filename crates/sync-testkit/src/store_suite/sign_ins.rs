//! OAuth clients, sign-ins that wait, push channels, marks.

use futures_util::future::join_all;
use secrecy::ExposeSecret;
use sync_core::{OwnClient, PendingSignIn, Scope, Watching, channel_id};
use sync_engine::{ChannelRow, Moved};

use super::{StoreHarness, make::*};

fn other() -> Scope {
    Scope::new("other", "mailchimp")
}

fn client(id: &str) -> OwnClient {
    OwnClient { id: id.to_owned(), secret: format!("secret of {id}").into() }
}

fn pending(id: &str, expires: i64) -> PendingSignIn {
    let body = format!("verifier of {id}").into();
    PendingSignIn { id: id.to_owned(), scope: SCOPE(), expires_at: at(expires), body, is_used: false }
}

fn channel(secret: &str, container: Option<&str>, generation: u64) -> ChannelRow {
    ChannelRow {
        id: channel_id(secret),
        scope: SCOPE(),
        feed: "events".into(),
        container: container.map(Into::into),
        generation,
        url: "https://host.example.com/hooks/mailchimp".into(),
        secret: secret.to_owned().into(),
        watching: None,
        since: at(0),
    }
}

pub(super) async fn an_organizations_own_client_is_its_own(harness: &impl StoreHarness) {
    let store = harness.open().await;
    assert!(store.own_client(&SCOPE()).await.must("read").is_none());
    store.put_own_client(&SCOPE(), Some(&client("first"))).await.must("put");
    store.put_own_client(&SCOPE(), Some(&client("second"))).await.must("put");
    let store = harness.open().await;
    let stored = store.own_client(&SCOPE()).await.must("read").must("a client");
    assert_eq!((stored.id.as_str(), stored.secret.expose_secret()), ("second", "secret of second"));
    assert!(!format!("{stored:?}").contains("secret of"));
    assert!(store.own_client(&other()).await.must("read").is_none(), "another tenant's client");
    store.put_own_client(&SCOPE(), None).await.must("put");
    assert!(store.own_client(&SCOPE()).await.must("read").is_none());
}

pub(super) async fn a_sign_in_is_used_once(harness: &impl StoreHarness) {
    let store = harness.open().await;
    store.put_sign_in(&pending("a", 600), at(0)).await.must("put");
    let store = harness.open().await;
    let stored = store.sign_in("a").await.must("read").must("a sign-in");
    assert_eq!((stored.scope, stored.expires_at, stored.is_used), (SCOPE(), at(600), false));
    assert_eq!(stored.body.expose_secret(), "verifier of a");
    assert!(!store.use_sign_in(&other(), "a").await.must("use"), "it is another tenant's");
    let scope = SCOPE();
    let uses = join_all((0..16).map(|_| store.use_sign_in(&scope, "a"))).await;
    assert_eq!(uses.into_iter().filter(|first| matches!(first, Ok(true))).count(), 1);
    assert!(store.sign_in("a").await.must("read").must("a sign-in").is_used, "it says so to who comes back again");
    assert!(!store.use_sign_in(&scope, "b").await.must("use"));
    assert!(store.sign_in("b").await.must("read").is_none());
}

pub(super) async fn sign_ins_that_lapsed_are_forgotten(harness: &impl StoreHarness) {
    let store = harness.open().await;
    store.put_sign_in(&pending("old", 100), at(0)).await.must("put");
    store.put_sign_in(&pending("new", 700), at(100)).await.must("put");
    assert!(store.sign_in("old").await.must("read").is_some(), "not yet");
    store.put_sign_in(&pending("newer", 900), at(101)).await.must("put");
    assert!(store.sign_in("old").await.must("read").is_none());
    assert!(store.sign_in("new").await.must("read").is_some());
}

pub(super) async fn a_channel_has_its_place_alone(harness: &impl StoreHarness) {
    let store = harness.open().await;
    let row = channel("one", Some("boat"), 1);
    assert!(store.put_channel(&row).await.must("put"));
    let watching = Watching { state: "resource".into(), renew_at: Some(at(90)) };
    assert!(store.put_channel(&ChannelRow { watching: Some(watching.clone()), ..row.clone() }).await.must("put"));
    assert!(!store.put_channel(&channel("two", Some("boat"), 1)).await.must("put"), "somebody else starts it");
    for next in [channel("two", Some("boat"), 2), channel("three", None, 1), channel("four", Some("car"), 1)] {
        assert!(store.put_channel(&next).await.must("put"));
    }
    let foreign = ChannelRow { scope: other(), ..channel("five", Some("boat"), 1) };
    assert!(store.put_channel(&foreign).await.must("put"), "another tenant has places of its own");

    let store = harness.open().await;
    let rows = store.channels(&SCOPE()).await.must("read");
    let secrets: Vec<&str> = rows.iter().map(|row| row.secret.expose_secret()).collect();
    assert_eq!(secrets, ["three", "one", "two", "four"]);
    assert_eq!((rows[1].watching.as_ref(), rows[2].watching.as_ref()), (Some(&watching), None));
    store.drop_channel(&SCOPE(), &foreign.id).await.must("drop");
    assert_eq!(store.channels(&other()).await.must("read").len(), 1, "another tenant's channel was dropped");
    store.drop_channel(&SCOPE(), &row.id).await.must("drop");
    assert_eq!(store.channels(&SCOPE()).await.must("read").len(), 3);
}

pub(super) async fn channels_are_found_by_their_id(harness: &impl StoreHarness) {
    let store = harness.open().await;
    let row = channel("one", Some("boat"), 3);
    store.put_channel(&row).await.must("put");
    let found = store.channel(&"mailchimp".into(), &row.id).await.must("read").must("a channel");
    assert_eq!((found.scope, found.feed, found.container, found.generation), (SCOPE(), row.feed, row.container, 3));
    assert_eq!((found.url, found.since), (row.url, row.since));
    assert!(store.channel(&"xero".into(), &row.id).await.must("read").is_none());
    assert!(store.channel(&"mailchimp".into(), "one").await.must("read").is_none(), "a secret is no id");
}

pub(super) async fn marks_are_one_until_they_are_read(harness: &impl StoreHarness) {
    let store = harness.open().await;
    for (scope, feed, seconds) in [(SCOPE(), "events", 5), (SCOPE(), "events", 9), (other(), "a", 7), (SCOPE(), "a", 8)] {
        store.mark_moved(&scope, feed, at(seconds)).await.must("mark");
    }
    let store = harness.open().await;
    let moved = store.moved(None, 10).await.must("read");
    let mark = |scope: Scope, feed: &str, since, marks| Moved { scope, feed: feed.into(), since: at(since), marks };
    let all = [mark(SCOPE(), "a", 8, 1), mark(SCOPE(), "events", 5, 2), mark(other(), "a", 7, 1)];
    assert_eq!(moved, all);
    assert_eq!(store.moved(Some((&SCOPE(), "a")), 1).await.must("read"), all[1..2]);

    store.mark_moved(&SCOPE(), "events", at(20)).await.must("mark");
    store.clear_moved(&all[1]).await.must("clear");
    let left = store.moved(None, 10).await.must("read");
    assert_eq!(left[1], mark(SCOPE(), "events", 5, 3), "news that came meanwhile were lost");
    store.clear_moved(&left[1]).await.must("clear");
    assert_eq!(store.moved(None, 10).await.must("read").len(), 2);
}
