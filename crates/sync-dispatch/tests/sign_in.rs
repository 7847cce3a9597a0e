//! Signing in at the provider: there, back, and the end of it.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::World;
use sync_core::{Credentials, ErrorKind, Grants as _, Result, Scope};
use sync_dispatch::{ConnectOptions, Connected, ConnectionStatus};
use sync_http::GrantHistory;
use url::Url;

/// Goes to the consent page; the query to come back with.
async fn consent(world: &World, scope: &Scope) -> String {
    let redirect: Url = "https://host.example/callback".parse().unwrap();
    let url = world.dispatcher.begin_connect(scope, &redirect, "cookie", &[]).await.unwrap();
    assert_eq!(url.host_str(), Some("ledger.example"));
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    format!("code=abc&state={state}")
}

async fn sign_in(world: &World, scope: &Scope) -> Result<Connected> {
    let query = consent(world, scope).await;
    world.dispatcher.finish_connect(&query, "cookie", ConnectOptions::new().confirm_shared_account()).await
}

fn n_revoked(world: &World) -> usize {
    world.service.state().calls.iter().filter(|call| call.contains("revoke")).count()
}

#[tokio::test]
async fn oauth_connects_in_the_browser_that_began_and_once() {
    let world = World::new();
    let query = consent(&world, &world.scope()).await;
    let finish = async |browser: &str| world.dispatcher.finish_connect(&query, browser, ConnectOptions::new()).await;
    assert_eq!(finish("another cookie").await.unwrap_err().kind(), ErrorKind::Forbidden);
    let connected = finish("cookie").await.unwrap();
    assert_eq!((connected.scope, connected.account.unwrap().as_str()), (world.scope(), "acc-1"));
    let grant = world.store.load(&world.scope()).await.unwrap().unwrap();
    assert!(matches!(grant.credentials, Credentials::Token { .. }));

    let replayed = finish("cookie").await.unwrap_err();
    assert_eq!(replayed.kind(), ErrorKind::Forbidden);
    assert!(replayed.message().contains("ended already"), "{replayed}");
    assert_eq!(world.store.load(&world.scope()).await.unwrap().unwrap().generation, 1);
}

#[tokio::test]
async fn a_sign_in_survives_a_restart_of_the_host_and_lapses_after_ten_minutes() {
    let world = World::new();
    let query = consent(&world, &world.scope()).await;
    let restarted = world.again(|builder| builder);
    world.clock.forward(std::time::Duration::from_secs(599));
    restarted.finish_connect(&query, "cookie", ConnectOptions::new()).await.unwrap();

    let query = consent(&world, &world.scope()).await;
    world.clock.forward(std::time::Duration::from_secs(600));
    let late = world.dispatcher.finish_connect(&query, "cookie", ConnectOptions::new()).await.unwrap_err();
    assert!(late.message().contains("too much time"), "{late}");
}

#[tokio::test]
async fn what_was_unticked_is_named_in_words_and_nothing_is_stored() {
    let world = World::new();
    world.service.state().granted = Some("other".to_owned());
    let error = sign_in(&world, &world.scope()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(error.message(), "Ledger was not allowed to be used for: see and change the books");
    assert!(error.remedy().unwrap().contains("ticked"));
    assert!(world.store.load(&world.scope()).await.unwrap().is_none());
    assert_eq!(n_revoked(&world), 0, "that could end other connections");
}

#[tokio::test]
async fn a_sign_in_is_revoked_there_only_when_no_other_connection_lives_by_it() {
    let world = World::new();
    let other = Scope::new("red-ray", "ledger");
    sign_in(&world, &world.scope()).await.unwrap();
    sign_in(&world, &other).await.unwrap();
    assert!(!world.dispatcher.disconnect(&other).await.unwrap().revoked);
    assert_eq!(n_revoked(&world), 0);
    assert!(world.dispatcher.disconnect(&world.scope()).await.unwrap().revoked);
    assert_eq!(n_revoked(&world), 1);
}

#[tokio::test]
async fn a_connection_by_another_client_or_by_key_does_not_keep_a_sign_in_alive() {
    let world = World::new();
    let (own, by_key) = (Scope::new("red-ray", "ledger"), Scope::new("green-turtle", "ledger"));
    world.dispatcher.set_oauth_client(&own, Some(("own-1".into(), "own-secret".to_owned().into()))).await.unwrap();
    sign_in(&world, &world.scope()).await.unwrap();
    sign_in(&world, &own).await.unwrap();
    let options = ConnectOptions::new().confirm_shared_account();
    world.dispatcher.connect_with_key(&by_key, "good-key".to_owned().into(), options).await.unwrap();
    let client = async |scope: &Scope| GrantHistory::of(&world.store.load(scope).await.unwrap().unwrap()).client.unwrap();
    assert_eq!((client(&own).await, client(&world.scope()).await), ("own-1".to_owned(), "client-1".to_owned()));
    assert!(world.dispatcher.disconnect(&world.scope()).await.unwrap().revoked);
}

#[tokio::test]
async fn a_connection_whose_account_nobody_knows_yet_may_live_by_the_same_sign_in() {
    let world = World::new();
    let other = Scope::new("red-ray", "ledger");
    sign_in(&world, &world.scope()).await.unwrap();
    world.service.state().keys.insert(
        "token-1".to_owned(),
        vec![("acc-1".to_owned(), "Books".to_owned()), ("acc-2".to_owned(), "Old Books".to_owned())],
    );
    assert_eq!(sign_in(&world, &other).await.unwrap().account, None);
    assert!(!world.dispatcher.disconnect(&world.scope()).await.unwrap().revoked);
}

#[tokio::test]
async fn a_dead_sign_in_is_told_with_its_likely_reason_and_asks_the_server_no_more() {
    let world = World::new();
    world.service.state().expires_in = Some(3_600);
    sign_in(&world, &world.scope()).await.unwrap();
    world.mark_active().await;
    world.shop.put("customers", "c1", "Ada");
    world.clock.forward_days(7);
    world.service.state().instead.insert("/oauth/token".to_owned(), (400, None));
    world.service.state().error =
        json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."});

    let result = world.dispatcher.dispatch(world.request()).await;
    let errors = result.errors.unwrap().join("\n");
    assert!(errors.contains("The likely reason: the ledger ends trials after 7 days. Buy the ledger."), "{errors}");
    let ConnectionStatus::Reconnect { reason, .. } = world.row().await.status else { panic!("{:?}", world.row().await) };
    assert!(reason.contains("after 7 days"), "{reason}");

    let n_tokens = || world.service.state().calls.iter().filter(|call| call.contains("/oauth/token")).count();
    let before = n_tokens();
    world.dispatcher.check(&world.scope()).await.unwrap();
    let again = world.dispatcher.dispatch(world.request()).await;
    assert!(again.errors.unwrap()[0].contains("after 7 days"));
    assert_eq!(n_tokens(), before, "the circuit is open");
}

#[tokio::test]
async fn a_key_needs_no_client_and_a_blank_client_is_refused() {
    let world = World::new();
    let set = async |id: &str, secret: &str| {
        world.dispatcher.set_oauth_client(&world.scope(), Some((id.to_owned(), secret.to_owned().into()))).await
    };
    assert_eq!(set("", "secret").await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(set("id", " ").await.unwrap_err().kind(), ErrorKind::Invalid);
    set(" own-1\n", "secret").await.unwrap();
    assert_eq!(world.dispatcher.oauth_client_id(&world.scope()).await.unwrap().as_deref(), Some("own-1"));
    world.dispatcher.set_oauth_client(&world.scope(), None).await.unwrap();
    assert_eq!(world.dispatcher.oauth_client_id(&world.scope()).await.unwrap().as_deref(), Some("client-1"));
}
