//! Where calls go, how they are signed, and when none goes out.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::SecretString;
use sync_core::{AccountId, Credentials, ErrorKind, Exchange as _, Grant, Lane, Repeat};
use sync_http::{grant_from_key, system_random};
use url::Url;

use crate::support::{ACME, KEY, World, answer, key_grant, read, scope, write};

#[test]
fn a_call_goes_to_the_grants_data_centre_with_the_key_as_password() {
    let world = World::new([answer(200, "{}")]);
    world.send(read().param("count", 10)).unwrap();
    let seen = world.transport.seen.lock().unwrap();
    assert_eq!(seen[0].request.uri(), "https://us19.api.example.com/3.0/things?count=10");
    assert_eq!(seen[0].header("authorization"), format!("Basic {}", BASE64_STANDARD.encode(format!("anyone:{KEY}"))));
}

#[test]
fn a_token_goes_as_bearer_and_an_unknown_data_centre_to_the_fallback() {
    let world = World::new([answer(200, "{}")]);
    let credentials = Credentials::Token { access: SecretString::from("tok"), refresh: None, expires_at: None };
    world.grants.put(&scope(), Grant { credentials, vars: BTreeMap::new(), ..key_grant() });
    world.send(read()).unwrap();
    let seen = world.transport.seen.lock().unwrap();
    assert_eq!(seen[0].request.uri(), "https://api.example.com/3.0/things");
    assert_eq!(seen[0].header("authorization"), "Bearer tok");
}

#[test]
fn a_configured_base_url_takes_the_place_of_the_descriptors() {
    let world = World::new([answer(200, "{}")]);
    let url = Url::parse("http://127.0.0.1:9/acme/").unwrap();
    let client = world.builder().with_base_url(&"acme".into(), "api", url).build().unwrap();
    let exchange = client.exchange(&scope(), &ACME);
    world.clock.run(exchange.send(read(), world.within(Lane::Interactive))).unwrap();
    assert_eq!(world.transport.seen.lock().unwrap()[0].request.uri(), "http://127.0.0.1:9/acme/things");
}

#[test]
fn a_base_url_that_shows_secrets_to_the_network_is_refused() {
    for (url, fits) in [
        ("http://example.com/", false),
        ("ftp://example.com/", false),
        ("https://user@example.com/", false),
        ("https://example.com/?x=1", false),
        ("https://example.com/x", true),
        ("http://localhost:1/", true),
    ] {
        let builder = World::new([]).builder().with_base_url(&"acme".into(), "api", Url::parse(url).unwrap());
        let built = builder.build();
        assert_eq!(built.is_ok(), fits, "{url}");
        if let Err(error) = built {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains("acme"));
        }
    }
}

#[test]
fn without_a_connection_nothing_is_sent() {
    let world = World::new([]);
    world.grants.grants.lock().unwrap().clear();
    let error = world.send(read()).unwrap_err();
    assert_eq!((error.kind(), world.transport.count()), (ErrorKind::NotConnected, 0));
    assert!(error.remedy().is_some());
}

#[test]
fn a_refused_key_opens_the_circuit_until_somebody_reconnects() {
    let world = World::new([answer(401, "{}"), answer(200, "{}")]);
    let client = world.client();
    let exchange = client.exchange(&scope(), &ACME);
    let send = || world.clock.run(exchange.send(read(), world.within(Lane::Interactive)));
    assert_eq!(send().unwrap_err().kind(), ErrorKind::AuthRevoked);
    assert!(world.grants.grant(&scope()).dead_since.is_some());
    for _ in 0..5 {
        assert_eq!(send().unwrap_err().kind(), ErrorKind::AuthRevoked);
    }
    assert_eq!(world.transport.count(), 1);

    let grant = grant_from_key(&ACME, &SecretString::from("an0ther-us20")).unwrap();
    let grant = world.clock.run(client.connect(&scope(), grant)).unwrap();
    assert_eq!((grant.generation, grant.account), (5, None));
    assert!(send().is_ok());
}

#[test]
fn a_key_that_was_replaced_meanwhile_is_used_instead_of_burying_it() {
    let world = World::by_rule_with_grants(|grants, _, idx| {
        if idx > 0 {
            return answer(200, "{}");
        }
        let credentials = Credentials::ApiKey(SecretString::from("n3w-key-us19"));
        grants.put(&scope(), Grant { generation: 9, credentials, ..key_grant() });
        answer(401, "{}")
    });
    assert!(world.send(write()).is_ok());
    assert_eq!(world.transport.count(), 2);
    assert!(world.grants.grant(&scope()).dead_since.is_none());
}

#[test]
fn a_write_needs_a_verified_account_and_a_read_does_not() {
    let world = World::new([answer(200, "{}"), answer(200, "{}")]);
    world.grants.put(&scope(), Grant { account: None, ..key_grant() });
    let error = world.send(write()).unwrap_err();
    assert_eq!((error.kind(), world.transport.count()), (ErrorKind::NotConnected, 0));
    world.send(read()).unwrap();
    world.send(write().repeat(Repeat::Read)).unwrap();
}

#[test]
fn a_write_never_reaches_another_account_than_the_verified_one() {
    let world = World::by_rule(|_, _| answer(200, "{}"));
    let exchange = world.exchange().expect_generation(3, AccountId::from("acc-1"));
    let send = || world.clock.run(exchange.send(write(), world.within(Lane::Interactive)));
    assert!(send().is_ok());
    // A refresh raises the generation and leaves the account.
    world.grants.put(&scope(), Grant { generation: 4, ..key_grant() });
    assert!(send().is_ok());
    // A reconnect to another account in mid-run.
    for account in [None, Some(AccountId::from("acc-2"))] {
        world.grants.put(&scope(), Grant { generation: 5, account, ..key_grant() });
        assert_eq!(send().unwrap_err().kind(), ErrorKind::NotConnected);
    }
    // An older generation than the verified one comes from a store that was restored.
    world.grants.put(&scope(), Grant { generation: 2, ..key_grant() });
    assert_eq!(send().unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(world.transport.count(), 2);
}

#[test]
fn verifying_an_account_raises_the_generation_once() {
    let world = World::new([]);
    let client = world.client();
    let key = grant_from_key(&ACME, &SecretString::from(KEY)).unwrap();
    let seen = world.clock.run(client.connect(&scope(), key)).unwrap();
    let account = AccountId::from("acc-7");
    let verify = |seen: &Grant| world.clock.run(client.verified(&scope(), seen, account.clone()));
    let grant = verify(&seen).unwrap();
    assert_eq!((grant.generation, grant.account.as_ref()), (seen.generation + 1, Some(&account)));
    assert_eq!(verify(&seen).unwrap().generation, grant.generation);
}

#[test]
fn an_account_is_recorded_after_a_refresh_and_not_after_a_reconnect() {
    let world = World::new([]);
    let client = world.builder().with_random(Arc::new(system_random())).build().unwrap();
    let connect = || {
        let key = grant_from_key(&ACME, &SecretString::from(KEY)).unwrap();
        world.clock.run(client.connect(&scope(), key)).unwrap()
    };
    let account = AccountId::from("acc-7");
    let verify = |seen: &Grant| world.clock.run(client.verified(&scope(), seen, account.clone()));
    let seen = connect();
    world.grants.put(&scope(), Grant { generation: seen.generation + 2, ..seen.clone() });
    assert_eq!(verify(&seen).unwrap().generation, seen.generation + 3);
    connect();
    assert_eq!(verify(&seen).unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(world.grants.grant(&scope()).account, None);
}

#[test]
fn a_key_tells_its_data_centre_and_a_wrong_one_is_refused_without_showing_it() {
    let grant = grant_from_key(&ACME, &SecretString::from(format!("  {KEY}\n"))).unwrap();
    assert_eq!(grant.vars["dc"], "us19");
    assert!(grant_from_key(&ACME, &SecretString::from("nodashes")).unwrap().vars.is_empty());
    for bad in ["", "  ", "s3cret key-us1", "s3cretkey-us1/evil", "s3cretkeyé-us1", "s3cretkey-"] {
        let error = grant_from_key(&ACME, &SecretString::from(bad)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{bad:?}");
        assert!(!format!("{error:?} {error} {:?}", error.remedy()).contains("s3cret"));
    }
}

#[test]
fn an_id_from_outside_can_not_leave_the_endpoint() {
    let world = World::new([]);
    let error = world.send(read().segments(["..", "..", "admin"])).unwrap_err();
    assert_eq!((error.kind(), world.transport.count()), (ErrorKind::Invalid, 0));
}
