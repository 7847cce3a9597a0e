//! Connecting, looking after a connection, and ending it.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{Fake, World};
use sync_core::{ErrorKind, Grants as _, Scope};
use sync_dispatch::{Configured, ConnectOptions, ConnectionStatus};
use sync_engine::Store as _;

#[tokio::test]
async fn a_key_that_works_is_stored_with_its_account_in_setup() {
    let world = World::new();
    let connected = world.connect().await;
    assert_eq!(connected.account.unwrap().as_str(), "acc-1");
    assert_eq!(connected.account_name.as_deref(), Some("Blue Manta Books"));
    assert_eq!(connected.status, ConnectionStatus::Setup);
    assert!(!connected.same_account);
    let grant = world.store.load(&world.scope()).await.unwrap().unwrap();
    assert_eq!((grant.generation, grant.account.unwrap().as_str()), (1, "acc-1"));
    assert!(world.row().await.checked_at.is_some());
}

#[tokio::test]
async fn a_key_that_does_not_work_is_not_stored_and_leaves_the_old_one() {
    let world = World::new();
    let error = world.try_connect("bad-key", ConnectOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthRevoked);
    assert!(world.store.load(&world.scope()).await.unwrap().is_none());
    assert!(world.store.connection(&world.scope()).await.unwrap().is_none());

    world.connect().await;
    assert!(world.try_connect("bad-key", ConnectOptions::new()).await.is_err());
    let grant = world.store.load(&world.scope()).await.unwrap().unwrap();
    assert!(grant.dead_since.is_none(), "the working key goes on");
    assert_eq!(grant.generation, 1);
}

/// History 197 of a newsletter: the run that it died in lost its lease before it could say so.
#[tokio::test]
async fn a_sign_in_that_is_found_dead_marks_the_connection() {
    let world = World::new();
    world.activate().await;
    let mut grant = world.store.load(&world.scope()).await.unwrap().unwrap();
    let generation = grant.generation;
    (grant.generation, grant.dead_since) = (generation + 1, Some(sync_core::Clock::now(&world.clock)));
    world.store.swap(&world.scope(), Some(generation), Some(grant)).await.unwrap();
    let result = world.dispatcher.dispatch(world.request()).await;
    assert_eq!(result.details.unwrap().stopped, Some(sync_core::Stop::Reconnect));
    let status = world.row().await.status;
    assert!(matches!(status, ConnectionStatus::Reconnect { .. }), "{status:?}");
    world.connect().await;
    assert!(world.dispatcher.dispatch(world.request()).await.success);
}

#[tokio::test]
async fn no_error_of_a_connect_holds_the_key() {
    let world = World::new();
    for key in ["wrong-canary-key", "spaced canary", ""] {
        let error = world.try_connect(key, ConnectOptions::new()).await.unwrap_err();
        assert!(!format!("{error} {error:?} {:?}", error.remedy()).contains("canary"), "{key}");
    }
}

#[tokio::test]
async fn the_same_account_again_keeps_settings_and_approval() {
    let world = World::new();
    world.try_connect("good-key", ConnectOptions::new().settings(json!({"list": "vip"}))).await.unwrap();
    world.mark_active().await;
    world.dispatcher.grant_effect(&world.scope(), "mail", "ada").await.unwrap();

    let again = world.try_connect("good-key", ConnectOptions::new()).await.unwrap();
    assert!(again.same_account);
    assert_eq!(again.status, ConnectionStatus::Active);
    let row = world.row().await;
    assert_eq!(row.settings, json!({"list": "vip"}));
    assert_eq!(row.standing_grants.len(), 1);
    let grant = world.store.load(&world.scope()).await.unwrap().unwrap();
    assert_eq!(grant.generation, 2, "each sign-in is a generation of its own");
}

#[tokio::test]
async fn another_account_starts_in_setup_without_the_old_ones_allowances() {
    let world = World::new();
    world.try_connect("good-key", ConnectOptions::new().settings(json!({"list": "vip"}))).await.unwrap();
    world.mark_active().await;
    world.dispatcher.grant_effect(&world.scope(), "mail", "ada").await.unwrap();

    let other = world.try_connect("other-key", ConnectOptions::new()).await.unwrap();
    assert!(!other.same_account);
    assert_eq!(other.status, ConnectionStatus::Setup);
    let row = world.row().await;
    assert!(row.approved.is_empty() && row.standing_grants.is_empty() && row.settings.is_null());
}

#[tokio::test]
async fn a_sign_in_that_reaches_several_accounts_asks_which() {
    let world = World::new();
    let connected = world.try_connect("two-key", ConnectOptions::new()).await.unwrap();
    assert_eq!((connected.account, connected.accounts.len()), (None, 2));
    let result = world.dispatcher.dispatch(world.request()).await;
    let error = &result.errors.unwrap()[0];
    assert!(error.starts_with("Ledger integration not active: no account was chosen"), "{error}");

    let wrong = world.dispatcher.choose_account(&world.scope(), ConnectOptions::new().account("acc-9")).await.unwrap_err();
    assert_eq!(wrong.remedy(), Some("Choose one of: acc-1, acc-2."));
    let chosen = world.dispatcher.choose_account(&world.scope(), ConnectOptions::new().account("acc-2")).await.unwrap();
    assert_eq!(chosen.account.unwrap().as_str(), "acc-2");
}

#[tokio::test]
async fn a_sign_in_that_reaches_no_account_is_refused() {
    let error = World::new().try_connect("no-key", ConnectOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn two_organizations_on_one_account_are_refused_unless_confirmed() {
    let world = World::new();
    world.connect().await;
    let other = Scope::new("red-ray", "ledger");
    let key = || "good-key".to_owned().into();
    let refused = world.dispatcher.connect_with_key(&other, key(), ConnectOptions::new()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Taken);
    assert!(!refused.to_string().contains("blue-manta"), "who the other is, is nobody's business");
    assert!(world.store.load(&other).await.unwrap().is_none());

    let confirmed = ConnectOptions::new().confirm_shared_account();
    world.dispatcher.connect_with_key(&other, key(), confirmed).await.unwrap();

    world.dispatcher.disconnect(&world.scope()).await.unwrap();
    let third = Scope::new("green-turtle", "ledger");
    let still = world.dispatcher.connect_with_key(&third, key(), ConnectOptions::new()).await.unwrap_err();
    assert_eq!(still.kind(), ErrorKind::Taken, "the confirmed one is still there");
}

#[tokio::test]
async fn a_connect_while_a_run_is_under_way_says_who_runs() {
    let world = World::new();
    world.connect().await;
    let held = world.store.acquire(&world.scope(), "nightly job", 60_000).await.unwrap();
    let error = world.try_connect("other-key", ConnectOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseHeld);
    assert!(error.message().contains("nightly job"), "{error}");
    assert_eq!(world.row().await.account.unwrap().as_str(), "acc-1");
    drop(held);
}

#[tokio::test]
async fn settings_are_stored_only_when_they_are_right() {
    let world = World::new();
    world.connect().await;
    let configure = async |settings| world.dispatcher.configure(&world.scope(), settings).await.unwrap();

    let Configured::Refused(problems) = configure(json!({"lst": "vip"})).await else { panic!("stored") };
    assert_eq!(problems[0].setting, "lst");
    let Configured::Refused(problems) = configure(json!({"list": "gone"})).await else { panic!("stored") };
    assert_eq!(problems[0].remedy, "Choose another list.");
    assert!(world.row().await.settings.is_null());

    assert_eq!(configure(json!({"list": "vip"})).await, Configured::Stored);
    assert_eq!(world.row().await.settings, json!({"list": "vip"}));
}

#[tokio::test]
async fn choices_come_from_the_provider_even_when_settings_are_broken() {
    let world = World::new();
    world.connect().await;
    let mut row = world.row().await;
    row.settings = json!({"removed": 1});
    world.put(row).await;
    let choices = world.dispatcher.choices(&world.scope(), "lists", None).await.unwrap();
    assert_eq!(choices.iter().map(|choice| choice.value.as_str()).collect::<Vec<_>>(), ["main", "vip"]);
    assert_eq!(world.dispatcher.choices(&world.scope(), "boats", None).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_a_setting_shall_name_can_be_made() {
    let world = World::new();
    world.connect().await;
    assert_eq!(world.dispatcher.makes(&"ledger".into()).map(|makes| makes.of), Some("lists"));
    let made = world.dispatcher.make_choice(&world.scope(), "Divers", &json!({"list": "new"})).await.unwrap();
    assert_eq!(made.value, "made-Divers");
    assert_eq!(world.service.n_records("made"), 1);

    let other = World::with(|builder| builder.built_integration(Fake::of(&support::OPEN)));
    let folder = Scope::new(support::ORG, "folder");
    other.dispatcher.connect(&folder, ConnectOptions::new()).await.unwrap();
    let refused = other.dispatcher.make_choice(&folder, "x", &json!({})).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_check_finds_a_sign_in_that_was_withdrawn_there() {
    let world = World::new();
    world.connect().await;
    assert!(world.dispatcher.check(&world.scope()).await.unwrap().error.is_none());

    world.service.state().keys.remove("good-key");
    let health = world.dispatcher.check(&world.scope()).await.unwrap();
    assert!(matches!(health.status, ConnectionStatus::Reconnect { .. }), "{health:?}");
    assert!(health.error.unwrap().contains("Connect Ledger again"));
    let result = world.dispatcher.dispatch(world.request()).await;
    assert!(result.errors.unwrap()[0].starts_with("Ledger integration not active: "));

    world.service.state().keys.insert("good-key".to_owned(), vec![("acc-1".to_owned(), "Books".to_owned())]);
    assert_eq!(world.connect().await.status, ConnectionStatus::Setup);
}

#[tokio::test]
async fn a_check_finds_a_sign_in_that_reaches_another_account() {
    let world = World::new();
    world.connect().await;
    world.service.state().keys.insert("good-key".to_owned(), vec![("acc-7".to_owned(), "Others".to_owned())]);
    let health = world.dispatcher.check(&world.scope()).await.unwrap();
    assert!(matches!(health.status, ConnectionStatus::Reconnect { .. }), "{health:?}");
}

#[tokio::test]
async fn a_check_tells_the_problems_of_settings() {
    let world = World::new();
    world.try_connect("good-key", ConnectOptions::new().settings(json!({"list": "gone"}))).await.unwrap();
    let health = world.dispatcher.check(&world.scope()).await.unwrap();
    assert_eq!(health.problems[0].setting, "list");
    assert_eq!(health.status, ConnectionStatus::Setup);
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_is_no_dead_connection() {
    let world = World::new();
    world.connect().await;
    world.service.state().instead.insert("/me".to_owned(), (503, None));
    assert_eq!(world.dispatcher.check(&world.scope()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(world.row().await.status, ConnectionStatus::Setup);
}

#[tokio::test]
async fn a_disconnect_drops_the_secrets_and_keeps_the_row() {
    let world = World::new();
    world.connect().await;
    let disconnected = world.dispatcher.disconnect(&world.scope()).await.unwrap();
    assert!(!disconnected.revoked, "a key can't be revoked from here");
    assert!(world.store.load(&world.scope()).await.unwrap().is_none());
    assert!(matches!(world.row().await.status, ConnectionStatus::Disconnected { .. }));
    assert_eq!(world.row().await.account.unwrap().as_str(), "acc-1");
}

#[tokio::test]
async fn side_effects_are_granted_by_name_and_taken_back() {
    let world = World::new();
    world.connect().await;
    let unknown = world.dispatcher.grant_effect(&world.scope(), "fireworks", "ada").await.unwrap_err();
    assert_eq!(unknown.remedy(), Some("Use one of: mail."));
    world.dispatcher.grant_effect(&world.scope(), "mail", "ada").await.unwrap();
    world.dispatcher.grant_effect(&world.scope(), "mail", "bob").await.unwrap();
    let grants = world.row().await.standing_grants;
    assert_eq!(grants.iter().map(|grant| grant.by.as_str()).collect::<Vec<_>>(), ["bob"]);
    world.dispatcher.revoke_effect(&world.scope(), "mail").await.unwrap();
    assert!(world.row().await.standing_grants.is_empty());
}

#[tokio::test]
async fn a_connect_that_was_cut_off_between_its_rows_writes_nowhere() {
    let world = World::new();
    world.connect().await;
    let mut row = world.row().await;
    row.account = Some("acc-9".into());
    world.put(row).await;
    let result = world.dispatcher.dispatch(world.request()).await;
    assert!(result.errors.unwrap()[0].contains("the sign-in was not finished"));
    assert!(world.service.writes().is_empty());
}

#[tokio::test]
async fn what_this_build_lacks_is_named_when_connecting() {
    let world = World::new();
    let connect = async |id: &str| {
        let scope = Scope::new(support::ORG, id);
        world.dispatcher.connect_with_key(&scope, "k".to_owned().into(), ConnectOptions::new()).await.unwrap_err()
    };
    assert!(connect("quickbooks").await.remedy().unwrap().contains("feature `quickbooks`"));
    assert_eq!(connect("xerox").await.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_integration_without_a_sign_in_connects_and_syncs_without_a_grant() {
    let world = World::with(|builder| builder.built_integration(Fake::of(&support::OPEN)));
    let scope = Scope::new(support::ORG, "folder");
    let connected = world.dispatcher.connect(&scope, ConnectOptions::new()).await.unwrap();
    assert_eq!(connected.account.unwrap().as_str(), "folder-1");
    let result = world.dispatcher.dispatch(sync_core::SyncRequest::new(support::ORG, "folder")).await;
    assert!(result.success, "{result:?}");
    let error = world.dispatcher.connect(&world.scope(), ConnectOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
