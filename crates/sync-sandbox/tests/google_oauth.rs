//! Google's authorization server. O stands for <https://developers.google.com/identity/protocols/oauth2>.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::google::{CAPTAIN, CLIENT, Lab, events, read, reason, seed};
use sync_sandbox::{ConsentSeed, GoogleClientSeed, GoogleSeed, GoogleUserSeed, SandboxOptions};
use url::{Url, form_urlencoded};

const BACK: &str = "http://127.0.0.1:7777/callback";
const EVENTS: &str = "https://www.googleapis.com/auth/calendar.events";
const LIST: &str = "https://www.googleapis.com/auth/calendar.calendarlist.readonly";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// What an app asks, with these parameters instead of or beside the usual ones; an empty one is left out.
fn asking(changes: &[(&str, &str)]) -> String {
    let challenge = challenge(VERIFIER);
    let scope = format!("{EVENTS} {LIST}");
    let mut pairs: BTreeMap<&str, &str> = BTreeMap::from([
        ("access_type", "offline"),
        ("client_id", CLIENT),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("prompt", "consent"),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", scope.as_str()),
        ("state", "st&te"),
    ]);
    pairs.extend(changes.iter().copied());
    let pairs: Vec<(&str, &str)> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    encoded(&pairs)
}

/// The address that a person is sent back to, by its parameters; else the page.
fn authorize(lab: &Lab, query: &str) -> Result<BTreeMap<String, String>, (u16, String)> {
    let uri = format!("https://accounts.google.com/o/oauth2/v2/auth?{query}");
    sent_back(lab, Request::builder().uri(uri).body(Bytes::new()).expect("a request"))
}

fn sent_back(lab: &Lab, request: Request<Bytes>) -> Result<BTreeMap<String, String>, (u16, String)> {
    let response = lab.reply(request);
    match response.headers().get("location") {
        Some(location) => {
            let url = Url::parse(location.to_str().expect("text")).expect("an address");
            assert!(url.as_str().starts_with(BACK));
            Ok(url.query_pairs().into_owned().collect())
        }
        None => Err((response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())),
    }
}

fn post(lab: &Lab, path: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
    let request = Request::builder().method(Method::POST).uri(format!("https://oauth2.googleapis.com{path}"));
    read(lab.reply(request.body(Bytes::from(encoded(pairs))).expect("a request")))
}

fn exchange(lab: &Lab, code: &str, changes: &[(&str, &str)]) -> (u16, Value) {
    let mut pairs: BTreeMap<&str, &str> = BTreeMap::from([
        ("client_id", CLIENT),
        ("client_secret", "secret"),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("grant_type", "authorization_code"),
        ("redirect_uri", BACK),
    ]);
    pairs.extend(changes.iter().copied());
    let pairs: Vec<(&str, &str)> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    post(lab, "/token", &pairs)
}

fn refresh(lab: &Lab, token: &str) -> (u16, Value) {
    let pairs =
        [("client_id", CLIENT), ("client_secret", "secret"), ("grant_type", "refresh_token"), ("refresh_token", token)];
    post(lab, "/token", &pairs)
}

/// A lab whose captain says yes by himself.
fn willing(seed: GoogleSeed) -> Lab {
    Lab::with(seed.with_consent(ConsentSeed::default()), SandboxOptions::default())
}

/// All the way: the answer of the token endpoint.
fn connect(lab: &Lab, changes: &[(&str, &str)]) -> Value {
    let back = authorize(lab, &asking(changes)).expect("sent back");
    let (status, tokens) = exchange(lab, &back["code"], &[]);
    assert_eq!(status, 200, "{tokens}");
    tokens
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn calls(lab: &Lab, token: &str) -> u16 {
    lab.send_as(token, Method::GET, &events(""), None).0
}

fn counted(lab: &Lab, name: &str) -> u64 {
    lab.sandbox.summary()["oauth"][name].as_u64().expect("a number")
}

// O/web-server: steps 1 to 5.
#[test]
fn a_code_becomes_tokens_that_open_the_calendar() {
    let lab = willing(seed());
    let back = authorize(&lab, &asking(&[])).expect("sent back");
    assert_eq!((back["state"].as_str(), back["scope"].as_str()), ("st&te", format!("{LIST} {EVENTS}").as_str()));
    let (status, tokens) = exchange(&lab, &back["code"], &[]);
    assert_eq!((status, tokens["expires_in"].as_u64(), text(&tokens, "token_type")), (200, Some(3599), "Bearer"));
    assert_eq!(text(&tokens, "scope"), format!("{LIST} {EVENTS}"));
    assert_eq!(calls(&lab, text(&tokens, "access_token")), 200);
    lab.clock.advance(Duration::from_secs(3598));
    assert_eq!(calls(&lab, text(&tokens, "access_token")), 200);
    lab.clock.advance(Duration::from_secs(1));
    let (status, body) = lab.send_as(text(&tokens, "access_token"), Method::GET, &events(""), None);
    assert_eq!((status, reason(&body)), (401, "authError"));
    let (status, fresh) = refresh(&lab, text(&tokens, "refresh_token"));
    assert_eq!((status, fresh.get("refresh_token")), (200, None), "a refresh token does not rotate");
    assert_eq!(calls(&lab, text(&fresh, "access_token")), 200);
    assert_eq!((counted(&lab, "exchanges"), counted(&lab, "refreshes")), (1, 1));
}

// O/web-server, "prompt", "access_type": a refresh token comes with the first consent, and with each that is asked again.
#[test]
fn a_refresh_token_comes_only_with_a_consent() {
    let lab = willing(seed());
    let has = |tokens: &Value| tokens.get("refresh_token").is_some();
    assert!(!has(&connect(&lab, &[("access_type", "online"), ("prompt", "")])));
    assert!(!has(&connect(&lab, &[("prompt", "")])), "he agreed before");
    assert!(has(&connect(&lab, &[])));
    let lab = willing(seed());
    assert!(has(&connect(&lab, &[("prompt", "")])), "the first consent");
}

// O/native-app, "code_verifier"; RFC 7636, appendix B for the verifier.
#[test]
fn a_code_is_bound_to_its_verifier_its_address_and_one_use() {
    assert_eq!(challenge(VERIFIER), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    for (change, error) in [
        (("code_verifier", "another"), "invalid_grant"),
        (("code_verifier", ""), "invalid_grant"),
        (("redirect_uri", "http://127.0.0.1:7777/other"), "redirect_uri_mismatch"),
        (("grant_type", "password"), "unsupported_grant_type"),
        (("client_secret", "wrong"), "invalid_client"),
        (("client_id", "nobody"), "invalid_client"),
    ] {
        let lab = willing(seed());
        let back = authorize(&lab, &asking(&[])).expect("sent back");
        let (status, body) = exchange(&lab, &back["code"], &[change]);
        assert_eq!((status, text(&body, "error")), (if error == "invalid_client" { 401 } else { 400 }, error), "{change:?}");
    }
    let lab = willing(seed());
    let back = authorize(&lab, &asking(&[])).expect("sent back");
    assert_eq!(exchange(&lab, &back["code"], &[]).0, 200);
    assert_eq!(text(&exchange(&lab, &back["code"], &[]).1, "error"), "invalid_grant", "used twice");
    let late = authorize(&lab, &asking(&[])).expect("sent back");
    lab.clock.advance(Duration::from_secs(600));
    assert_eq!(text(&exchange(&lab, &late["code"], &[]).1, "error"), "invalid_grant", "too late");
    let plain = authorize(&lab, &asking(&[("code_challenge", ""), ("code_challenge_method", "")])).expect("sent back");
    assert_eq!(exchange(&lab, &plain["code"], &[("code_verifier", "")]).0, 200, "PKCE is not required of everybody");
}

// O/web-server, "Authorization errors".
#[test]
fn a_request_that_makes_no_sense_shows_a_page_and_sends_nobody_back() {
    let strict = GoogleClientSeed::new("strict", "s").with_redirect("https://shop.example.com/oauth");
    let lab = willing(seed().with_oauth_client(strict));
    for (change, error) in [
        (("client_id", "nobody"), "invalid_client"),
        (("redirect_uri", "https://evil.example.net/"), "redirect_uri_mismatch"),
        (("client_id", "strict"), "redirect_uri_mismatch"),
        (("scope", ""), "invalid_request"),
        (("scope", "https://www.googleapis.com/auth/mail"), "invalid_scope"),
        (("response_type", "token"), "unsupported_response_type"),
        (("access_type", "forever"), "invalid_request"),
        (("colour", "red"), "invalid_request"),
    ] {
        let (status, page) = authorize(&lab, &asking(&[change])).expect_err("a page");
        assert!(status == 400 && page.contains(error), "{change:?}: {page}");
    }
    assert_eq!(lab.refused().len(), 2, "the unknown parameter and the response type that is not modelled");
}

// O/resources/granular-permissions: people untick scopes; the answer's `scope` says what is left.
#[test]
fn a_person_unticks_denies_and_chooses_an_account() {
    let crew = "crew@example.com";
    let lab = Lab::with(seed().with_user(GoogleUserSeed::new(crew)), SandboxOptions::default());
    let (status, page) = authorize(&lab, &asking(&[("login_hint", crew)])).expect_err("a page");
    assert_eq!(status, 200);
    assert!(
        page.contains("type=\"checkbox\" name=\"granted\"") && page.contains("View and edit events on all your calendars")
    );
    assert!(page.contains(&format!("<option value=\"{crew}\" selected>")) && page.contains(CAPTAIN));
    assert!(page.contains("value=\"st&amp;te\""), "what the app sent is escaped");
    let say = |answers: &str| {
        let request = Request::builder().method(Method::POST).uri("https://accounts.google.com/o/oauth2/v2/auth");
        sent_back(&lab, request.body(Bytes::from(format!("{}&{answers}", asking(&[])))).expect("a request"))
    };
    let unticked = say(&format!("allow=yes&user={crew}&{}", encoded(&[("granted", EVENTS)]))).expect("sent back");
    assert_eq!(unticked["scope"], EVENTS);
    let (_, tokens) = exchange(&lab, &unticked["code"], &[]);
    assert_eq!(text(&tokens, "scope"), EVENTS);
    let list = lab.send_as(text(&tokens, "access_token"), Method::GET, "/calendar/v3/users/me/calendarList", None);
    assert_eq!((list.0, reason(&list.1)), (403, "insufficientPermissions"));
    let primary = lab.send_as(text(&tokens, "access_token"), Method::GET, "/calendar/v3/calendars/primary/events", None);
    assert_eq!(primary.1["summary"], crew);
    for no in [format!("allow=no&{}", encoded(&[("granted", EVENTS)])), "allow=yes".into()] {
        let back = say(&no).expect("sent back");
        assert_eq!((back["error"].as_str(), back["state"].as_str(), back.get("code")), ("access_denied", "st&te", None));
    }
}

#[test]
fn a_test_decides_by_seed_by_action_or_in_the_address() {
    let lab = Lab::new();
    let back = authorize(&lab, &asking(&[("sandbox_approve", CAPTAIN), ("sandbox_untick", LIST)])).expect("sent back");
    assert_eq!(back["scope"], EVENTS);
    lab.act(json!({"do": "consent", "untick": [EVENTS]}));
    assert_eq!(authorize(&lab, &asking(&[])).expect("sent back")["scope"], LIST);
    lab.act(json!({"do": "consent", "denies": true}));
    assert_eq!(authorize(&lab, &asking(&[])).expect("sent back")["error"], "access_denied");
    lab.act(json!({"do": "ask-consent"}));
    assert_eq!(authorize(&lab, &asking(&[])).expect_err("a page").0, 200);
}

// O#expiration: revoked, unused for six months, 7 days in testing, more than 100 of them.
#[test]
fn refresh_tokens_die_in_several_ways() {
    let dead = |lab: &Lab, token: &str| {
        let (status, body) = refresh(lab, token);
        assert_eq!((status, text(&body, "error")), (400, "invalid_grant"), "{body}");
    };
    let lab = willing(seed());
    let token = text(&connect(&lab, &[]), "refresh_token").to_owned();
    lab.act(json!({"do": "revoke", "user": CAPTAIN}));
    dead(&lab, &token);

    let idle = text(&connect(&lab, &[]), "refresh_token").to_owned();
    for _ in 0..3 {
        lab.clock.advance(Duration::from_secs(100 * 86_400));
        assert_eq!(refresh(&lab, &idle).0, 200, "use keeps it alive");
    }
    lab.clock.advance(Duration::from_secs(183 * 86_400));
    dead(&lab, &idle);

    let mut testing = seed();
    testing.oauth_clients = vec![GoogleClientSeed::new(CLIENT, "secret").testing()];
    let lab = willing(testing);
    let tokens = connect(&lab, &[]);
    assert_eq!(tokens["refresh_token_expires_in"], 604_799);
    lab.clock.advance(Duration::from_secs(7 * 86_400 - 1));
    assert_eq!(refresh(&lab, text(&tokens, "refresh_token")).0, 200);
    lab.clock.advance(Duration::from_secs(1));
    dead(&lab, text(&tokens, "refresh_token"));

    let lab = willing(seed());
    let tokens: Vec<Value> = (0..101).map(|_| connect(&lab, &[])).collect();
    dead(&lab, text(&tokens[0], "refresh_token"));
    assert_eq!(refresh(&lab, text(&tokens[1], "refresh_token")).0, 200);
    assert_eq!(counted(&lab, "failed_refreshes"), 1);
    dead(&lab, "nonsense");
}

// O#expiration: "admin_policy_enforced", session control with `invalid_rapt`.
#[test]
fn a_policy_refuses_refreshes_until_it_is_lifted() {
    let lab = willing(seed());
    let token = text(&connect(&lab, &[]), "refresh_token").to_owned();
    lab.act(json!({"do": "deny-refresh", "error": "invalid_grant", "subtype": "invalid_rapt"}));
    let (status, body) = refresh(&lab, &token);
    assert_eq!((status, text(&body, "error"), text(&body, "error_subtype")), (400, "invalid_grant", "invalid_rapt"));
    lab.act(json!({"do": "allow-refresh"}));
    assert_eq!(refresh(&lab, &token).0, 200);
}

// O/web-server#tokenrevoke: one token revoked, everything that the user gave the app is.
#[test]
fn one_revoked_token_ends_all_that_the_app_has_of_this_user() {
    let other = GoogleClientSeed::new("other-app", "secret");
    let lab = willing(seed().with_oauth_client(other));
    let (first, second) = (connect(&lab, &[]), connect(&lab, &[]));
    let back = authorize(&lab, &asking(&[("client_id", "other-app")])).expect("sent back");
    let (_, elsewhere) = exchange(&lab, &back["code"], &[("client_id", "other-app")]);
    assert_eq!(post(&lab, "/revoke", &[("token", text(&first, "access_token"))]), (200, json!({})));
    assert_eq!(calls(&lab, text(&second, "access_token")), 401);
    assert_eq!(text(&refresh(&lab, text(&second, "refresh_token")).1, "error"), "invalid_grant");
    assert_eq!(calls(&lab, text(&elsewhere, "access_token")), 200, "another app keeps its own");
    let (status, body) = post(&lab, "/revoke", &[("token", text(&first, "refresh_token"))]);
    assert_eq!((status, text(&body, "error")), (400, "invalid_token"));
    assert_eq!(counted(&lab, "revocations"), 1);
}

#[test]
fn the_app_may_sign_in_by_header_and_ask_who_it_was() {
    let lab = willing(seed());
    let back = authorize(&lab, &asking(&[("scope", &format!("openid email {EVENTS}"))])).expect("sent back");
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:secret"));
    let form = encoded(&[
        ("grant_type", "authorization_code"),
        ("code", back["code"].as_str()),
        ("code_verifier", VERIFIER),
        ("redirect_uri", BACK),
    ]);
    let request = Request::builder()
        .method(Method::POST)
        .uri("https://oauth2.googleapis.com/token")
        .header("authorization", format!("Basic {basic}"))
        .body(Bytes::from(form))
        .expect("a request");
    let (status, tokens) = read(lab.reply(request));
    assert_eq!(status, 200);
    let claims = text(&tokens, "id_token").split('.').nth(1).expect("three parts");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON");
    assert_eq!((text(&claims, "email"), text(&claims, "aud")), (CAPTAIN, CLIENT));
}

// O/resources/granular-permissions: who signed in has no box; GitHub requests/requests-oauthlib issue 387: `email` comes
// back as `userinfo.email` beside `openid`. userinfo.get:
// <https://googleapis.github.io/google-api-python-client/docs/dyn/oauth2_v2.userinfo.html>.
#[test]
fn who_signed_in_is_told_to_those_who_asked() {
    let lab = willing(seed());
    lab.act(json!({"do": "consent", "untick": ["email", LIST]}));
    let tokens = connect(&lab, &[("scope", &format!("email {EVENTS} {LIST}"))]);
    assert_eq!(text(&tokens, "scope"), format!("{EVENTS} https://www.googleapis.com/auth/userinfo.email openid"));
    let ask = |token: &str| lab.send_as(token, Method::GET, "/oauth2/v2/userinfo?fields=email", None);
    assert_eq!(ask(text(&tokens, "access_token")), (200, json!({"email": CAPTAIN})));
    lab.act(json!({"do": "consent"}));
    let plain = connect(&lab, &[("scope", EVENTS)]);
    let (status, body) = ask(text(&plain, "access_token"));
    assert_eq!((status, reason(&body)), (403, "insufficientPermissions"));
    assert_eq!(ask("nobody").0, 401);
    let boxes = Lab::new();
    let (_, page) = authorize(&boxes, &asking(&[("scope", &format!("openid email {EVENTS}"))])).expect_err("a page");
    assert_eq!(page.matches("type=\"checkbox\"").count(), 1);
}

#[test]
fn no_token_and_no_code_is_in_the_state_or_the_log() {
    let lab = Lab::with(seed().with_consent(ConsentSeed::default()), SandboxOptions::default().with_bodies());
    let back = authorize(&lab, &asking(&[])).expect("sent back");
    let (_, tokens) = exchange(&lab, &back["code"], &[]);
    let shown = format!("{}{}{:?}", lab.sandbox.state(), lab.sandbox.log(true), lab.sandbox);
    for secret in [back["code"].as_str(), text(&tokens, "access_token"), text(&tokens, "refresh_token"), VERIFIER] {
        assert!(!secret.is_empty() && !shown.contains(secret));
    }
    let allowed = &lab.sandbox.summary()["oauth"]["allowed"][0];
    assert_eq!((text(allowed, "user"), allowed["scopes"].as_array().map(Vec::len)), (CAPTAIN, Some(2)));
}
