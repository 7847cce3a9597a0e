//! Consent page, way back, first token.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use sync_core::{AuthScheme, Credentials, Descriptor, ErrorKind, OAuthServer, Retry, TransportFault};
use sync_http::{Client, PendingConnect, system_random};
use url::Url;

use crate::support::{ACME, BASE, CLIENT_SECRET, OAUTH, Step, World, answer, scope, start, token_grant};

/// Like Mailchimp: tokens never expire, no PKCE.
static ETERNAL: Descriptor = Descriptor {
    auth: {
        const AUTH: &[AuthScheme] = &[AuthScheme::OAuth(OAuthServer { expires: false, pkce: false, scopes: &[], ..OAUTH })];
        AUTH
    },
    ..BASE
};

const TOKENS: &str =
    r#"{"access_token":"acc3ss","refresh_token":"r3fresh","expires_in":1800,"scope":"read write","token_type":"bearer"}"#;
const METADATA: &str = r#"{"dc":"us19","api_endpoint":"https://us19.api.example.com","login":{"email":"ada@example.com"}}"#;
const NONCE: &str = "browser-nonce";

fn redirect() -> Url {
    Url::parse("https://host.example/oauth/callback").unwrap()
}

fn begin(client: &Client, descriptor: &'static Descriptor) -> (BTreeMap<String, String>, PendingConnect) {
    let (url, pending) = client.authorize(&scope(), descriptor, &redirect(), NONCE).unwrap();
    assert!(url.as_str().starts_with("https://login.example.com/oauth2/authorize?"), "{url}");
    (url.query_pairs().into_owned().collect(), pending)
}

fn way_back(params: &BTreeMap<String, String>) -> String {
    format!("?code=c0de&state={}", params["state"])
}

#[test]
fn a_connect_ends_with_a_grant_that_knows_its_variables() {
    let world = World::new([answer(200, TOKENS), answer(200, METADATA)]);
    let client = world.client();
    let (params, pending) = begin(&client, &ACME);
    assert_eq!(params["client_id"], "client-1");
    assert_eq!(params["redirect_uri"], redirect().as_str());
    assert_eq!((params["scope"].as_str(), params["access_type"].as_str()), ("read write", "offline"));
    assert_eq!((params["response_type"].as_str(), params["code_challenge_method"].as_str()), ("code", "S256"));

    let grant = world.clock.run(client.finish(&ACME, pending, &format!("{}&realmId=77", way_back(&params)), NONCE)).unwrap();
    assert_eq!((grant.vars["dc"].as_str(), grant.vars["realmId"].as_str()), ("us19", "77"));
    assert_eq!((grant.account, grant.dead_since, grant.scopes.len()), (None, None, 2));
    let Credentials::Token { access, refresh, expires_at } = grant.credentials else { panic!("no token") };
    assert_eq!((access.expose_secret(), refresh.unwrap().expose_secret()), ("acc3ss", "r3fresh"));
    assert_eq!(expires_at, Some(start() + jiff::SignedDuration::from_mins(30)));

    let seen = world.transport.seen.lock().unwrap();
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(seen[0].body().as_bytes()).into_owned().collect();
    assert_eq!((form["grant_type"].as_str(), form["code"].as_str()), ("authorization_code", "c0de"));
    assert_eq!((form["client_secret"].as_str(), form["redirect_uri"].as_str()), (CLIENT_SECRET, redirect().as_str()));
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    assert_eq!(params["code_challenge"], challenge);
    assert_eq!(seen[1].header("authorization"), "OAuth acc3ss");
}

#[test]
fn a_server_whose_tokens_never_expire_says_so_in_its_own_way() {
    let world = World::new([answer(200, r#"{"access_token":"acc3ss","expires_in":0,"scope":null}"#), answer(200, METADATA)]);
    let client = world.client();
    let (params, pending) = begin(&client, &ETERNAL);
    assert!(!params.contains_key("code_challenge") && !params.contains_key("scope"));
    let grant = world.clock.run(client.finish(&ETERNAL, pending, &way_back(&params), NONCE)).unwrap();
    assert!(matches!(grant.credentials, Credentials::Token { refresh: None, expires_at: None, .. }));
    assert_eq!(grant.vars["dc"], "us19");
}

#[test]
fn a_way_back_that_is_forged_late_or_of_another_browser_exchanges_nothing() {
    let world = World::new([]);
    let client = world.client();
    let (params, pending) = begin(&client, &ACME);
    let good = way_back(&params);
    for (query, nonce) in [
        ("?code=c0de", NONCE),
        ("?code=c0de&state=forged", NONCE),
        (good.as_str(), "another-browser"),
        ("", NONCE),
        (&format!("?state={}", params["state"]), NONCE),
    ] {
        let error = world.clock.run(client.finish(&ACME, pending.clone(), query, nonce)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{query}");
    }
    world.clock.pass(Duration::from_secs(600));
    let error = world.clock.run(client.finish(&ACME, pending, &good, NONCE)).unwrap_err();
    assert_eq!((error.kind(), world.transport.count()), (ErrorKind::Forbidden, 0));
}

#[test]
fn a_person_who_says_no_is_told_how_to_begin_again() {
    let world = World::new([]);
    let client = world.client();
    let (params, pending) = begin(&client, &ACME);
    let query = format!("?error=access_denied&state={}", params["state"]);
    let error = world.clock.run(client.finish(&ACME, pending, &query, NONCE)).unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Forbidden, Some("access_denied")));
    assert!(error.remedy().unwrap().contains("Acme"));
}

#[test]
fn a_code_goes_out_again_only_when_it_never_left() {
    let fault = |fault| Step::Fault(fault);
    let world = World::new([fault(TransportFault::Unreachable), answer(200, TOKENS), answer(200, METADATA)]);
    let client = world.client();
    let (params, pending) = begin(&client, &ACME);
    assert!(world.clock.run(client.finish(&ACME, pending, &way_back(&params), NONCE)).is_ok());

    let world = World::new([fault(TransportFault::TimedOut)]);
    let client = world.client();
    let (params, pending) = begin(&client, &ACME);
    let error = world.clock.run(client.finish(&ACME, pending, &way_back(&params), NONCE)).unwrap_err();
    assert_eq!((world.transport.count(), error.retry()), (1, Retry::Never));
    assert!(error.remedy().unwrap().contains("again"));
}

#[test]
fn an_answer_without_sense_shows_neither_token_nor_code() {
    for (status, body, kind) in [
        (200, r#"{"access_t0ken":"acc3ss"#, ErrorKind::BadAnswer),
        (200, "<html>acc3ss</html>", ErrorKind::BadAnswer),
        (400, r#"{"error":"invalid_grant"}"#, ErrorKind::AuthRevoked),
        (401, r#"{"error":"invalid_client"}"#, ErrorKind::Config),
        (400, r#"{"error":"acc3ss acc3ss"}"#, ErrorKind::BadAnswer),
        (502, "acc3ss", ErrorKind::Unavailable),
    ] {
        let world = World::new([answer(status, body)]);
        let client = world.client();
        let (params, pending) = begin(&client, &ACME);
        let error = world.clock.run(client.finish(&ACME, pending, &way_back(&params), NONCE)).unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
        let shown = format!("{error:?} {error} {:?} {:?}", error.remedy(), std::error::Error::source(&error));
        for secret in ["acc3ss", "c0de", CLIENT_SECRET] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn variables_from_the_address_bar_can_not_choose_our_host() {
    let world = World::new([answer(200, TOKENS), answer(200, METADATA)]);
    let client = world.client();
    let (params, pending) = begin(&client, &ACME);
    let query = format!("{}&dc=evil&x=evil.example%2F", way_back(&params));
    let grant = world.clock.run(client.finish(&ACME, pending, &query, NONCE)).unwrap();
    assert_eq!(grant.vars["dc"], "us19");
    assert!(!grant.vars.contains_key("x"));
}

#[test]
fn metadata_that_fails_for_a_moment_is_asked_for_again() {
    let world = World::new([answer(200, TOKENS), answer(503, ""), answer(200, METADATA)]);
    let client = world.client();
    let (params, pending) = begin(&client, &ACME);
    assert!(world.clock.run(client.finish(&ACME, pending, &way_back(&params), NONCE)).is_ok());
}

#[test]
fn what_is_kept_meanwhile_survives_storage_and_shows_nothing() {
    let world = World::new([answer(200, TOKENS), answer(200, METADATA)]);
    let client = world.builder().with_random(Arc::new(system_random())).build().unwrap();
    let (params, pending) = begin(&client, &ACME);
    let stored = serde_json::to_string(&pending).unwrap();
    assert!(!stored.contains(&params["state"]) && !stored.contains(NONCE));
    let pending: PendingConnect = serde_json::from_str(&stored).unwrap();
    assert_eq!((pending.scope(), format!("{pending:?}").contains(&params["state"])), (&scope(), false));
    assert!(world.clock.run(client.finish(&ACME, pending, &way_back(&params), NONCE)).is_ok());
}

#[test]
fn without_an_oauth_client_the_configuration_is_named() {
    let world = World::new([]);
    let client = Client::builder(world.grants.clone(), world.counters.clone())
        .with_transport(world.transport.clone())
        .build()
        .unwrap();
    let error = client.authorize(&scope(), &ACME, &redirect(), NONCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.remedy().unwrap().contains("client id"));
}

#[test]
fn revoking_tells_the_provider_once_and_a_dead_token_is_revoked_already() {
    for (status, body) in [(200, ""), (400, r#"{"error":"invalid_grant"}"#)] {
        let world = World::new([answer(status, body)]);
        world.clock.run(world.client().revoke(&ACME, &token_grant(Duration::ZERO))).unwrap();
        let seen = world.transport.seen.lock().unwrap();
        assert_eq!(seen[0].request.uri(), "https://login.example.com/oauth2/revoke");
        assert!(seen[0].body().contains("token=refresh-0-s3cret"));
    }
}
