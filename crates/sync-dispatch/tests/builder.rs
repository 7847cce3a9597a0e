//! What a dispatcher is built from, and what it says about itself.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use serde_json::json;
use support::{CONSENTING, Fake, LEDGER, OAUTH_ONLY, OUTBOX, PAGER, Shop, World};
use sync_core::{Error, ErrorKind, HostRecords};
use sync_dispatch::{Dispatcher, DispatcherBuilder, ENABLED, KNOWN, MemoryStore, http::OAuthClient};

fn builder() -> DispatcherBuilder {
    let store = MemoryStore::new(Arc::new(support::TestClock::at("2026-11-22T10:00:00Z")));
    Dispatcher::builder(Arc::new(store), HostRecords::ReadOnly(Arc::new(Shop::default())))
}

fn fault(builder: DispatcherBuilder) -> Error {
    builder.build().unwrap_err()
}

#[test]
fn a_missing_consent_sink_is_named_unless_it_is_waived() {
    let error = fault(builder().built_integration(Fake::of(&CONSENTING)));
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("consent sink"), "{error}");
    builder().without_consent_sink().built_integration(Fake::of(&CONSENTING)).build().unwrap();
}

#[tokio::test]
async fn a_missing_oauth_client_is_named_when_somebody_connects() {
    let dispatcher = builder().without_consent_sink().built_integration(Fake::of(&OAUTH_ONLY)).build().unwrap();
    let scope = sync_core::Scope::new(support::ORG, "diary");
    let redirect = "https://host.example/callback".parse().unwrap();
    let error = dispatcher.begin_connect(&scope, &redirect, "cookie", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.remedy().unwrap().contains("client id and secret"), "{:?}", error.remedy());
    assert_eq!(dispatcher.oauth_client_id(&scope).await.unwrap(), None);

    let own = ("own-1".to_owned(), "own-secret".to_owned().into());
    dispatcher.set_oauth_client(&scope, Some(own)).await.unwrap();
    let url = dispatcher.begin_connect(&scope, &redirect, "cookie", &[]).await.unwrap();
    assert!(url.as_str().contains("client_id=own-1"), "{url}");
}

#[test]
fn two_integrations_with_one_id_are_refused() {
    let twice = builder().without_consent_sink().built_integration(Fake::of(&LEDGER)).built_integration(Fake::of(&LEDGER));
    assert!(fault(twice).message().contains("ledger is registered twice"));
}

#[test]
fn an_integration_that_nothing_could_drive_is_refused() {
    let error = fault(builder().without_consent_sink().built_integration(Fake::of(&OUTBOX)));
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_base_url_for_an_unknown_endpoint_names_those_that_there_are() {
    let url: url::Url = "http://127.0.0.1:1".parse().unwrap();
    let with = |endpoint: &str| {
        builder().without_consent_sink().built_integration(Fake::of(&LEDGER)).base_url("ledger", endpoint, url.clone())
    };
    assert_eq!(fault(with("apy")).remedy(), Some("Use one of: api."));
    with("api").build().unwrap();
    let unknown = builder().without_consent_sink().base_url("quickbooks", "api", url.clone());
    assert!(fault(unknown).remedy().unwrap().contains("feature `quickbooks`"));
}

#[test]
fn capabilities_of_every_row_have_the_public_texts() {
    let world = World::with(|builder| builder.built_integration(Fake::of(&PAGER)));
    let json = |id: &str| serde_json::to_value(world.dispatcher.capabilities(id)).unwrap();
    assert_eq!(
        json("ledger"),
        json!({"canSync": true, "syncTypes": ["contacts", "notes", "payments"], "supportsDirection": false,
               "description": "Push contacts, notes and payments to the ledger"})
    );
    assert_eq!(json("pager")["canSync"], false);
    assert_eq!(
        json("nonsense"),
        json!({"canSync": false, "syncTypes": [], "supportsDirection": false,
               "description": "Sync not available for this integration"})
    );
    assert_eq!(
        json("twilio"),
        json!({"canSync": false, "syncTypes": [], "supportsDirection": false,
               "description": "Real-time SMS messaging - no sync needed"})
    );
    assert_eq!(json("whatsapp")["description"], "Real-time WhatsApp messaging - no sync needed");
    let built: Vec<_> = ENABLED.iter().map(|registration| registration.descriptor.id).collect();
    for id in ["google-calendar", "xero", "quickbooks", "zapier"].into_iter().filter(|id| !built.contains(id)) {
        let capabilities = json(id);
        assert_eq!((&capabilities["canSync"], &capabilities["syncTypes"]), (&json!(false), &json!([])));
        let description = capabilities["description"].as_str().unwrap();
        assert!(description.starts_with("Sync not available for this integration"), "{description}");
        assert!(description.contains(&format!("feature `{id}`")), "{description}");
    }
}

#[test]
fn all_seven_are_listed_with_their_feature_and_then_the_hosts_own() {
    let world = World::new();
    let list = world.dispatcher.integrations();
    let ids: Vec<_> = list.iter().map(|info| info.id.as_str()).collect();
    assert_eq!(ids[..7], KNOWN.iter().map(|known| known.id).collect::<Vec<_>>()[..]);
    assert_eq!(ids[7..], ["ledger"]);
    for info in &list[..7] {
        assert_eq!(info.feature, Some(info.id.as_str()));
        let is_built = ENABLED.iter().any(|registration| registration.descriptor.id == info.id.as_str());
        assert_eq!(info.built, is_built);
    }
    assert_eq!((list[7].built, list[7].feature), (true, None));
    let xero = serde_json::to_value(&list[1]).unwrap();
    assert_eq!(xero["capabilities"]["syncTypes"], json!(["invoices", "payments", "contacts"]));
    assert_eq!(xero["capabilities"]["supportsDirection"], true);
}

#[test]
fn debug_of_a_dispatcher_and_its_builder_shows_no_secret() {
    let with = builder().without_consent_sink().built_integration(Fake::of(&LEDGER));
    let with = with.oauth_client("ledger", OAuthClient::new("id", "canary".to_owned()));
    assert!(!format!("{with:?}").contains("canary"));
    assert!(!format!("{:?}", with.build().unwrap()).contains("canary"));
}
