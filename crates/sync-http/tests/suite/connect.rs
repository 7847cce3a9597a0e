//! Consent page, way back, first token.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use sync_core::{
    AuthScheme, Credentials, Descriptor, ErrorKind, Grant, OAuthServer, OwnClient, Result, Retry, SignIns as _,
    TransportFault,
};
use sync_http::{Client, GrantHistory, SignIn, missing_scopes, system_random};
use url::Url;

use crate::support::{ACME, BASE, CLIENT_SECRET, OAUTH, Step, World, answer, read, scope, start, token_grant};

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

/// Begins a sign-in; the consent page's parameters.
fn begin(world: &World, client: &Client, descriptor: &'static Descriptor) -> BTreeMap<String, String> {
    let (scope, redirect) = (scope(), redirect());
    let url = world.clock.run(client.authorize(descriptor, &SignIn::new(&scope, &redirect, NONCE))).unwrap();
    assert!(url.as_str().starts_with("https://login.example.com/oauth2/authorize?"), "{url}");
    url.query_pairs().into_owned().collect()
}

/// Comes back from it.
fn end(world: &World, client: &Client, descriptor: &'static Descriptor, query: &str, nonce: &str) -> Result<Grant> {
    world.clock.run(async { client.finish(descriptor, client.way_back(query, nonce).await?).await })
}

fn way_back(params: &BTreeMap<String, String>) -> String {
    format!("?code=c0de&state={}", params["state"])
}

#[test]
fn a_connect_ends_with_a_grant_that_knows_its_variables() {
    let world = World::new([answer(200, TOKENS), answer(200, METADATA)]);
    let client = world.client();
    let params = begin(&world, &client, &ACME);
    assert_eq!(params["client_id"], "client-1");
    assert_eq!(params["redirect_uri"], redirect().as_str());
    assert_eq!((params["scope"].as_str(), params["access_type"].as_str()), ("read write", "offline"));
    assert_eq!((params["response_type"].as_str(), params["code_challenge_method"].as_str()), ("code", "S256"));

    let grant = end(&world, &client, &ACME, &format!("{}&realmId=77", way_back(&params)), NONCE).unwrap();
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
    let params = begin(&world, &client, &ETERNAL);
    assert!(!params.contains_key("code_challenge") && !params.contains_key("scope"));
    let grant = end(&world, &client, &ETERNAL, &way_back(&params), NONCE).unwrap();
    assert!(matches!(grant.credentials, Credentials::Token { refresh: None, expires_at: None, .. }));
    assert_eq!(grant.vars["dc"], "us19");
}

#[test]
fn a_way_back_that_is_forged_late_or_of_another_browser_exchanges_nothing() {
    let world = World::new([]);
    let client = world.client();
    let params = begin(&world, &client, &ACME);
    let good = way_back(&params);
    for (query, nonce, why) in [
        ("?code=c0de", NONCE, "names no sign-in"),
        ("?code=c0de&state=", NONCE, "names no sign-in"),
        ("?code=c0de&state=forged", NONCE, "no sign-in that was begun here"),
        (good.as_str(), "another-browser", "another browser"),
        ("", NONCE, "names no sign-in"),
    ] {
        let error = end(&world, &client, &ACME, query, nonce).unwrap_err();
        let kind = if why == "another browser" { ErrorKind::Forbidden } else { ErrorKind::NotFound };
        assert_eq!(error.kind(), kind, "{query}");
        assert!(error.message().contains(why) && error.remedy().is_some(), "{error}");
    }
    world.clock.pass(Duration::from_secs(600));
    let error = end(&world, &client, &ACME, &good, NONCE).unwrap_err();
    assert_eq!((error.kind(), world.transport.count()), (ErrorKind::Forbidden, 0));
    assert!(error.message().contains("too much time"), "{error}");
}

#[test]
fn a_sign_in_is_ended_once_whatever_it_brings() {
    let world = World::new([answer(200, TOKENS), answer(200, METADATA)]);
    let client = world.client();
    let params = begin(&world, &client, &ACME);
    assert!(end(&world, &client, &ACME, &way_back(&params), NONCE).is_ok());
    let again = end(&world, &client, &ACME, &way_back(&params), NONCE).unwrap_err();
    assert!(again.message().contains("ended already"), "{again}");
    assert_eq!((again.kind(), world.transport.count()), (ErrorKind::Forbidden, 2));

    let params = begin(&world, &client, &ACME);
    let no_code = end(&world, &client, &ACME, &format!("?state={}", params["state"]), NONCE).unwrap_err();
    assert!(no_code.message().contains("no code"), "{no_code}");
    let again = end(&world, &client, &ACME, &way_back(&params), NONCE).unwrap_err();
    assert!(again.message().contains("ended already"), "{again}");
}

#[test]
fn one_of_two_who_come_back_at_once_gets_in() {
    let world = World::new([answer(200, TOKENS), answer(200, METADATA)]);
    let client = world.client();
    let params = begin(&world, &client, &ACME);
    let query = way_back(&params);
    let both = world.clock.run(join_all((0..2).map(|_| client.way_back(&query, NONCE))));
    assert_eq!(both.iter().filter(|back| back.is_ok()).count(), 1);
}

#[test]
fn a_stranger_can_not_use_a_sign_in_up() {
    let world = World::new([answer(200, TOKENS), answer(200, METADATA)]);
    let client = world.client();
    let params = begin(&world, &client, &ACME);
    assert!(end(&world, &client, &ACME, &way_back(&params), "another-browser").is_err());
    assert!(end(&world, &client, &ACME, &way_back(&params), NONCE).is_ok());
}

#[test]
fn what_the_person_unticked_is_missing_from_the_grant() {
    let tokens = TOKENS.replace("read write", "read");
    let world = World::new([answer(200, &tokens), answer(200, METADATA)]);
    let client = world.client();
    let params = begin(&world, &client, &ACME);
    let back = world.clock.run(client.way_back(&way_back(&params), NONCE)).unwrap();
    let asked = back.asked().to_vec();
    let grant = world.clock.run(client.finish(&ACME, back)).unwrap();
    assert_eq!(missing_scopes(&asked, &grant.scopes), ["write"]);
}

#[test]
fn other_scopes_can_be_asked_for_and_nonsense_can_not() {
    let world = World::new([]);
    let client = world.client();
    let (scope, redirect) = (scope(), redirect());
    let authorize = |scopes: &[&str]| {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        world.clock.run(client.authorize(&ACME, &SignIn::new(&scope, &redirect, NONCE).scopes(&scopes)))
    };
    let url = authorize(&["events", "lists"]).unwrap();
    assert!(url.query_pairs().any(|(name, value)| name == "scope" && value == "events lists"), "{url}");
    assert_eq!(authorize(&["two words"]).unwrap_err().kind(), ErrorKind::Invalid);
    for address in ["http://host.example/callback", "https://host.example/callback#part"] {
        let address = Url::parse(address).unwrap();
        let error = world.clock.run(client.authorize(&ACME, &SignIn::new(&scope, &address, NONCE))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{address}");
    }
}

#[test]
fn an_organizations_own_client_signs_in_and_stays_with_its_grant() {
    let world = World::new([answer(200, TOKENS), answer(200, METADATA), answer(200, TOKENS), answer(200, "{}")]);
    let client = world.client();
    let own = OwnClient { id: "own-1".into(), secret: "own-s3cret".to_owned().into() };
    world.clock.run(world.grants.put_own_client(&scope(), Some(&own))).unwrap();
    let params = begin(&world, &client, &ACME);
    assert_eq!(params["client_id"], "own-1");
    let grant = end(&world, &client, &ACME, &way_back(&params), NONCE).unwrap();
    assert_eq!(GrantHistory::of(&grant).client.as_deref(), Some("own-1"));
    world.grants.put(&scope(), Grant { account: Some("acc-1".into()), ..grant });
    world.clock.pass(Duration::from_secs(1800));

    // Another client can't refresh it: that would kill it.
    world.clock.run(world.grants.put_own_client(&scope(), None)).unwrap();
    let error = world.time_left(2 * Duration::from_secs(3600)).send(read()).unwrap_err();
    assert_eq!((error.kind(), error.context()[0].1.as_str()), (ErrorKind::Config, "own-1"), "{error}");
}

#[test]
fn a_sign_in_that_waits_is_refreshed_by_its_own_client() {
    let world = World::new([answer(200, TOKENS), answer(200, "{}")]).time_left(Duration::from_secs(7200));
    let mut grant = token_grant(Duration::ZERO);
    grant.vars.insert("sync-http.client".into(), "own-1".into());
    world.grants.put(&scope(), grant);
    let own = OwnClient { id: "own-1".into(), secret: "own-s3cret".to_owned().into() };
    world.clock.run(world.grants.put_own_client(&scope(), Some(&own))).unwrap();
    world.send(read()).unwrap();
    let seen = world.transport.seen.lock().unwrap();
    assert!(seen[0].body().contains("client_id=own-1") && seen[0].body().contains("own-s3cret"));
}

#[test]
fn a_person_who_says_no_is_told_how_to_begin_again() {
    let world = World::new([]);
    let client = world.client();
    let params = begin(&world, &client, &ACME);
    let query = format!("?error=access_denied&state={}", params["state"]);
    let error = end(&world, &client, &ACME, &query, NONCE).unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Forbidden, Some("access_denied")));
    assert!(error.remedy().unwrap().contains("Acme"));
}

#[test]
fn what_the_consent_page_says_is_told_with_what_to_do() {
    for (code, kind, remedy) in [
        ("admin_policy_enforced", ErrorKind::Forbidden, "administrator"),
        ("server_error", ErrorKind::Unavailable, "some minutes"),
        ("invalid_scope", ErrorKind::Config, "registration"),
    ] {
        let world = World::new([]);
        let client = world.client();
        let params = begin(&world, &client, &ACME);
        let query = format!("?error={code}&state={}", params["state"]);
        let error = end(&world, &client, &ACME, &query, NONCE).unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, Retry::Never), "{code}");
        assert!(error.remedy().unwrap().contains(remedy), "{error:?} {:?}", error.remedy());
    }
}

#[test]
fn a_code_that_was_used_and_an_address_that_is_not_registered_say_so() {
    for (code, kind, words) in [
        ("invalid_grant", ErrorKind::AuthRevoked, "A code works once"),
        ("redirect_uri_mismatch", ErrorKind::Config, "https://host.example/oauth/callback"),
        ("deleted_client", ErrorKind::Config, "register another"),
    ] {
        let world = World::new([answer(400, &format!(r#"{{"error":"{code}","error_description":"Bad Request"}}"#))]);
        let client = world.client();
        let params = begin(&world, &client, &ACME);
        let error = end(&world, &client, &ACME, &way_back(&params), NONCE).unwrap_err();
        assert_eq!((error.kind(), error.provider_code()), (kind, Some(code)));
        assert!(error.remedy().unwrap().contains(words), "{:?}", error.remedy());
    }
}

#[test]
fn a_code_goes_out_again_only_when_it_never_left() {
    let fault = |fault| Step::Fault(fault);
    let world = World::new([fault(TransportFault::Unreachable), answer(200, TOKENS), answer(200, METADATA)]);
    let client = world.client();
    let params = begin(&world, &client, &ACME);
    assert!(end(&world, &client, &ACME, &way_back(&params), NONCE).is_ok());

    let world = World::new([fault(TransportFault::TimedOut)]);
    let client = world.client();
    let params = begin(&world, &client, &ACME);
    let error = end(&world, &client, &ACME, &way_back(&params), NONCE).unwrap_err();
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
        let params = begin(&world, &client, &ACME);
        let error = end(&world, &client, &ACME, &way_back(&params), NONCE).unwrap_err();
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
    let params = begin(&world, &client, &ACME);
    let query = format!("{}&dc=evil&x=evil.example%2F", way_back(&params));
    let grant = end(&world, &client, &ACME, &query, NONCE).unwrap();
    assert_eq!(grant.vars["dc"], "us19");
    assert!(!grant.vars.contains_key("x"));
}

#[test]
fn metadata_that_fails_for_a_moment_is_asked_for_again() {
    let world = World::new([answer(200, TOKENS), answer(503, ""), answer(200, METADATA)]);
    let client = world.client();
    let params = begin(&world, &client, &ACME);
    assert!(end(&world, &client, &ACME, &way_back(&params), NONCE).is_ok());
}

#[test]
fn what_is_kept_meanwhile_shows_nothing() {
    let world = World::new([answer(200, TOKENS), answer(200, METADATA)]);
    let client = world.builder().with_random(Arc::new(system_random())).build().unwrap();
    let params = begin(&world, &client, &ACME);
    let (id, stored) = world.grants.sign_ins.lock().unwrap().iter().next().map(|(id, it)| (id.clone(), it.clone())).unwrap();
    let body = stored.body.expose_secret();
    assert!(!id.contains(&params["state"]) && !body.contains(&params["state"]) && !body.contains(NONCE));
    assert!(!format!("{stored:?}").contains(body));
    assert!(end(&world, &client, &ACME, &way_back(&params), NONCE).is_ok());
}

#[test]
fn without_an_oauth_client_the_configuration_is_named() {
    let world = World::new([]);
    let client = Client::builder(world.grants.clone(), world.counters.clone())
        .with_transport(world.transport.clone())
        .build()
        .unwrap();
    let (scope, redirect) = (scope(), redirect());
    let error = world.clock.run(client.authorize(&ACME, &SignIn::new(&scope, &redirect, NONCE))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.remedy().unwrap().contains("client id"));
}

#[test]
fn revoking_tells_the_provider_once_and_a_dead_token_is_revoked_already() {
    for (status, body) in
        [(200, ""), (400, r#"{"error":"invalid_grant"}"#), (400, r#"{"error":"invalid_token","error_description":"gone"}"#)]
    {
        let world = World::new([answer(status, body)]);
        world.clock.run(world.client().revoke(&scope(), &ACME, &token_grant(Duration::ZERO))).unwrap();
        let seen = world.transport.seen.lock().unwrap();
        assert_eq!(seen[0].request.uri(), "https://login.example.com/oauth2/revoke");
        assert!(seen[0].body().contains("token=refresh-0-s3cret"));
    }
}
