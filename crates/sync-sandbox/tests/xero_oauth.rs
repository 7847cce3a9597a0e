//! Xero's authorization server and its connections. A stands for
//! <https://developer.xero.com/documentation/guides/oauth2/auth-flow/>, S for
//! <https://developer.xero.com/documentation/guides/oauth2/scopes/>, spec for Xero's description of the identity service
//! (<https://github.com/XeroAPI/Xero-OpenAPI>).

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::xero::{BOOKKEEPER, CLIENT, Lab, SHOP, read, seed_of, shop};
use sync_sandbox::{SandboxOptions, XeroClientSeed, XeroConsentSeed, XeroScopes, XeroSeed, XeroTenantSeed, XeroTier};
use url::{Url, form_urlencoded};

const BACK: &str = "https://shop.example.com/callback";
const SCOPES: &str = "offline_access accounting.contacts accounting.invoices accounting.payments accounting.settings.read";
const SISTER: &str = "Blue Manta Gear";

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// What an app asks, with these parameters instead of or beside the usual ones; an empty one is left out.
fn asking(changes: &[(&str, &str)]) -> String {
    let mut pairs = BTreeMap::from([
        ("client_id", CLIENT),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", SCOPES),
        ("state", "st&te"),
    ]);
    pairs.extend(changes.iter().copied());
    let pairs: Vec<(&str, &str)> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    encoded(&pairs)
}

/// The address that a person is sent back to, by its parameters; else the page.
fn authorize(lab: &Lab, query: &str) -> Result<BTreeMap<String, String>, (u16, String)> {
    let uri = format!("https://login.xero.com/identity/connect/authorize?{query}");
    sent_back(lab, Request::builder().uri(uri).body(Bytes::new()).expect("a request"))
}

fn sent_back(lab: &Lab, request: Request<Bytes>) -> Result<BTreeMap<String, String>, (u16, String)> {
    let response = lab.reply(request);
    match response.headers().get("location") {
        Some(location) => {
            let url = Url::parse(location.to_str().expect("text")).expect("an address");
            Ok(url.query_pairs().into_owned().collect())
        }
        None => Err((response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())),
    }
}

fn post_as(lab: &Lab, client: &str, path: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("https://identity.xero.com{path}"))
        .header("authorization", format!("Basic {}", STANDARD.encode(client)));
    read(lab.reply(request.body(Bytes::from(encoded(pairs))).expect("a request")))
}

fn post(lab: &Lab, path: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
    post_as(lab, &format!("{CLIENT}:secret"), path, pairs)
}

fn exchange(lab: &Lab, code: &str, changes: &[(&str, &str)]) -> (u16, Value) {
    let mut pairs = BTreeMap::from([("code", code), ("grant_type", "authorization_code"), ("redirect_uri", BACK)]);
    pairs.extend(changes.iter().copied());
    let pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
    post(lab, "/connect/token", &pairs)
}

fn refresh(lab: &Lab, token: &str) -> (u16, Value) {
    post(lab, "/connect/token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
}

/// A lab whose bookkeeper says yes by himself, and who has a second organisation.
fn willing() -> Lab {
    with(seed_of(shop()).with_consent(XeroConsentSeed::default()))
}

fn with(seed: XeroSeed) -> Lab {
    let mut seed = seed.with_tenant(XeroTenantSeed::new(SISTER));
    seed.tokens.clear();
    Lab::with(seed, SandboxOptions::default())
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

fn call(lab: &Lab, token: &str, path: &str, tenant: Option<&str>) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(tenant.map(|tenant| ("xero-tenant-id", tenant)));
    lab.send_with(Method::GET, path, &headers, None)
}

fn connections(lab: &Lab, token: &str) -> Vec<Value> {
    let (status, answer) = call(lab, token, "/connections", None);
    assert_eq!(status, 200, "{answer}");
    answer.as_array().expect("a bare list").clone()
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("claims")
}

// A, steps 1 to 5; spec, GET /Connections.
#[test]
fn a_consent_gives_tokens_and_a_connection() {
    let lab = willing();
    let back = authorize(&lab, &asking(&[])).expect("sent back");
    assert_eq!(back["state"], "st&te");
    let (status, tokens) = exchange(&lab, &back["code"], &[]);
    assert_eq!((status, &tokens["expires_in"], text(&tokens, "token_type")), (200, &json!(1800), "Bearer"));
    let access = text(&tokens, "access_token");
    let found = connections(&lab, access);
    let [one] = &found[..] else { panic!("one organisation: {found:?}") };
    assert_eq!((text(one, "tenantName"), text(one, "tenantType")), (SHOP, "ORGANISATION"));
    assert_eq!(one["authEventId"], claims(access)["authentication_event_id"]);
    let (_, mine) = call(&lab, access, &format!("/connections?authEventId={}", text(one, "authEventId")), None);
    assert_eq!(mine.as_array().map(Vec::len), Some(1));
    let (_, others) = call(&lab, access, "/connections?authEventId=7f2b9a3e-0f0e-4d57-8d1c-0a2f6f1f4c11", None);
    assert_eq!(others.as_array().map(Vec::len), Some(0));
    assert_eq!(call(&lab, access, "Contacts", Some(text(one, "tenantId"))).0, 200);
    assert_eq!(exchange(&lab, &back["code"], &[]), (400, json!({"error": "invalid_grant"})), "a code is good once");
}

// A: "The code expires after 5 minutes"; the redirect address must be the same.
#[test]
fn a_code_is_short_lived_and_tied_to_its_request() {
    let lab = willing();
    let code = |query: &str| authorize(&lab, query).expect("sent back")["code"].clone();
    let late = code(&asking(&[]));
    lab.clock.advance(Duration::from_secs(300));
    assert_eq!(exchange(&lab, &late, &[]).0, 400);
    assert_eq!(exchange(&lab, &code(&asking(&[])), &[("redirect_uri", "https://shop.example.com/other")]).0, 400);
    let good = code(&asking(&[]));
    let as_other = post_as(&lab, "OTHER:secret", "/connect/token", &[("grant_type", "authorization_code"), ("code", &good)]);
    assert_eq!(as_other, (400, json!({"error": "invalid_client"})));
    let wrong = post_as(
        &lab,
        &format!("{CLIENT}:guess"),
        "/connect/token",
        &[("grant_type", "authorization_code"), ("code", &good)],
    );
    assert_eq!(wrong, (400, json!({"error": "invalid_client"})));
    let nobody = post_as(&lab, ":", "/connect/token", &[("grant_type", "authorization_code"), ("code", &good)]);
    assert_eq!(nobody, (400, json!({"error": "unauthorized_client"})));
    assert_eq!(exchange(&lab, &good, &[]).0, 200);
    assert_eq!(exchange(&lab, "none", &[("grant_type", "password")]), (400, json!({"error": "unsupported_grant_type"})));
}

// PKCE: <https://developer.xero.com/documentation/guides/oauth2/pkce-flow/>, S256 and a verifier of 43 to 128 characters.
#[test]
fn a_challenge_asks_for_its_verifier() {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let lab = willing();
    let query = asking(&[("code_challenge", &challenge), ("code_challenge_method", "S256")]);
    let code = || authorize(&lab, &query).expect("sent back")["code"].clone();
    assert_eq!(exchange(&lab, &code(), &[]).0, 400);
    assert_eq!(exchange(&lab, &code(), &[("code_verifier", "short")]).0, 400);
    assert_eq!(exchange(&lab, &code(), &[("code_verifier", verifier)]).0, 200);
    let (status, page) =
        authorize(&lab, &asking(&[("code_challenge", &challenge), ("code_challenge_method", "plain")])).expect_err("a page");
    assert_eq!((status, page.contains("invalid_request")), (400, true));
}

// A: "must be https; http for localhost only, not for 127.0.0.1"; S: one wrong scope fails the whole consent.
#[test]
fn requests_that_make_no_sense_are_stopped_with_a_page() {
    let lab = willing();
    for (changes, error) in [
        ([("client_id", "OTHER")], "unauthorized_client"),
        ([("redirect_uri", "http://127.0.0.1:7777/callback")], "unauthorized_client"),
        ([("redirect_uri", "http://shop.example.com/callback")], "unauthorized_client"),
        ([("response_type", "token")], "unsupported_response_type"),
        ([("scope", "accounting.contacts accounting.everything")], "invalid_scope"),
        ([("scope", "")], "invalid_scope"),
        ([("scope", "accounting.transactions offline_access")], "invalid_scope"),
        ([("colour", "red")], "invalid_request"),
    ] {
        let (status, page) = authorize(&lab, &asking(&changes)).expect_err("a page");
        assert!(status == 400 && page.contains(error), "{changes:?}: {page}");
    }
    authorize(&lab, &asking(&[("redirect_uri", "http://localhost:7777/callback")])).expect("sent back");
    assert_eq!(lab.refused().len(), 1, "only the unknown parameter is the sandbox's own");
}

// S, timeline: broad scopes for older apps until 2027-09-13.
#[test]
fn scopes_are_those_of_the_app() {
    let asks = |scopes: XeroScopes, scope: &str| {
        let mut seed = seed_of(shop()).with_consent(XeroConsentSeed::default());
        seed.oauth_clients = vec![XeroClientSeed::new(CLIENT, "secret").with_scopes(scopes)];
        let lab = with(seed);
        let before = authorize(&lab, &asking(&[("scope", scope)])).is_ok();
        lab.clock.advance(Duration::from_secs(600 * 86_400));
        (before, authorize(&lab, &asking(&[("scope", scope)])).is_ok())
    };
    assert_eq!(asks(XeroScopes::Broad, "accounting.transactions"), (true, false));
    assert_eq!(asks(XeroScopes::Broad, "accounting.invoices"), (false, false));
    assert_eq!(asks(XeroScopes::Both, "accounting.transactions accounting.invoices"), (true, false));
    assert_eq!(asks(XeroScopes::Granular, "accounting.invoices"), (true, true));
}

// A, "Refreshing": a new pair each time; the token before may be tried again for 30 minutes; 60 days unused.
#[test]
fn refresh_tokens_rotate_with_a_grace_for_lost_answers() {
    let lab = willing();
    let first = text(&connect(&lab, &[]), "refresh_token").to_owned();
    let (status, tokens) = refresh(&lab, &first);
    assert_eq!(status, 200);
    let second = text(&tokens, "refresh_token").to_owned();
    assert_ne!(first, second);
    lab.clock.advance(Duration::from_secs(29 * 60));
    let (status, again) = refresh(&lab, &first);
    assert_eq!(status, 200, "the answer was lost: {again}");
    let third = text(&again, "refresh_token").to_owned();
    assert_eq!(refresh(&lab, &second).0, 400, "the answer that was lost is worth nothing");
    lab.clock.advance(Duration::from_secs(60));
    assert_eq!(refresh(&lab, &first), (400, json!({"error": "invalid_grant"})), "30 minutes are over");
    let (status, tokens) = refresh(&lab, &third);
    assert_eq!(status, 200);
    let fourth = text(&tokens, "refresh_token").to_owned();
    lab.clock.advance(Duration::from_secs(59 * 86_400));
    let (status, tokens) = refresh(&lab, &fourth);
    assert_eq!(status, 200, "59 days are fine");
    lab.clock.advance(Duration::from_secs(60 * 86_400));
    assert_eq!(refresh(&lab, text(&tokens, "refresh_token")).0, 400);
    let without = connect(&lab, &[("scope", "accounting.contacts")]);
    assert!(without.get("refresh_token").is_none(), "without offline_access");
}

#[test]
fn access_tokens_live_half_an_hour() {
    let lab = willing();
    let tokens = connect(&lab, &[]);
    let access = text(&tokens, "access_token");
    let tenant = connections(&lab, access)[0]["tenantId"].as_str().expect("an id").to_owned();
    lab.clock.advance(Duration::from_secs(1_799));
    assert_eq!(call(&lab, access, "Contacts", Some(&tenant)).0, 200);
    lab.clock.advance(Duration::from_secs(1));
    let (status, answer) = call(&lab, access, "Contacts", Some(&tenant));
    assert_eq!((status, text(&answer, "Title"), &answer["Status"]), (401, "Unauthorized", &json!(401)));
    assert!(text(&answer, "Detail").starts_with("TokenExpired"), "{answer}");
    assert_eq!(call(&lab, "none", "Contacts", Some(&tenant)).1["Detail"], "AuthenticationUnsuccessful");
}

// A, "tenants"; spec, DELETE /Connections/{id}: 204, and 404 for what is not there.
#[test]
fn one_grant_reaches_several_organisations_until_they_are_disconnected() {
    let lab = with(seed_of(shop()).with_consent(XeroConsentSeed::default().choosing(SHOP).choosing(SISTER)));
    let tokens = connect(&lab, &[]);
    let access = text(&tokens, "access_token");
    let found = connections(&lab, access);
    assert_eq!(found.len(), 2);
    let [shop, sister] = [0, 1].map(|n| text(&found[n], "tenantId").to_owned());
    assert_eq!(call(&lab, access, "Organisation", Some(&sister)).1["Organisations"][0]["Name"], SISTER);
    assert_eq!(call(&lab, access, "Contacts", Some(&sister)).1["Contacts"], json!([]), "books are apart");
    let bearer = format!("Bearer {access}");
    let path = format!("/connections/{}", text(&found[1], "id"));
    for status in [204, 404] {
        assert_eq!(lab.send_with(Method::DELETE, &path, &[("authorization", &bearer)], None).0, status);
    }
    let (status, answer) = call(&lab, access, "Contacts", Some(&sister));
    assert_eq!((status, text(&answer, "Title"), text(&answer, "Detail")), (403, "Forbidden", "AuthenticationUnsuccessful"));
    assert_eq!(call(&lab, access, "Contacts", Some(&shop)).0, 200, "the other stays");
    // The owner of the organisation removes the app in Xero: the token is good, the organisation is not.
    lab.act(json!({"do": "disconnect", "tenant": SHOP}));
    assert_eq!(call(&lab, access, "Contacts", Some(&shop)).0, 403);
    assert_eq!(refresh(&lab, text(&tokens, "refresh_token")).0, 200);
    // Connected again it is the same connection, changed.
    lab.clock.advance(Duration::from_secs(60));
    let again = connections(&lab, text(&connect(&lab, &[]), "access_token"));
    assert_eq!(again.len(), 2);
    assert_eq!(call(&lab, access, "Contacts", Some("nonsense")).0, 403);
}

// A, "revocation": all of that user's connections go with the grant.
#[test]
fn a_revocation_takes_everything() {
    let lab = willing();
    let tokens = connect(&lab, &[]);
    let (status, answer) = post(&lab, "/connect/revocation", &[("token", text(&tokens, "refresh_token"))]);
    assert_eq!((status, answer), (200, json!("")));
    assert_eq!(refresh(&lab, text(&tokens, "refresh_token")).0, 400);
    assert_eq!(call(&lab, text(&tokens, "access_token"), "/connections", None).0, 401);
    assert_eq!(lab.sandbox.summary()["connections"], json!([]));
    assert_eq!(post(&lab, "/connect/revocation", &[("token", "none")]).0, 200);
    assert_eq!(post_as(&lab, "OTHER:x", "/connect/revocation", &[("token", "none")]).0, 400);
}

// S, the table of scopes.
#[test]
fn a_scope_opens_what_it_names() {
    let lab = willing();
    let tokens = connect(&lab, &[("scope", "accounting.contacts.read accounting.settings.read accounting.payments")]);
    let access = text(&tokens, "access_token");
    let tenant = connections(&lab, access)[0]["tenantId"].as_str().expect("an id").to_owned();
    for (path, status) in [("Contacts", 200), ("Accounts", 200), ("Payments", 200), ("Invoices", 401)] {
        let (code, answer) = call(&lab, access, path, Some(&tenant));
        assert_eq!(code, status, "{path}: {answer}");
    }
    let bearer = format!("Bearer {access}");
    let headers = [("authorization", bearer.as_str()), ("xero-tenant-id", tenant.as_str())];
    let (status, answer) = lab.send_with(Method::PUT, "Contacts", &headers, Some(&json!({"Name": "Eve"})));
    assert_eq!((status, text(&answer, "Detail")), (401, "AuthorizationUnsuccessful"));
}

// <https://developer.xero.com/pricing>: 5 connections in the lowest tier.
#[test]
fn connections_are_capped_by_tier() {
    let mut seed = seed_of(shop());
    seed.tokens.clear();
    seed.oauth_clients = vec![XeroClientSeed::new(CLIENT, "secret").with_tier(XeroTier::Starter)];
    let mut consent = XeroConsentSeed::default();
    for n in 1..=6 {
        let name = format!("Company {n}");
        seed = seed.with_tenant(XeroTenantSeed::new(&name));
        consent = consent.choosing(name);
    }
    let lab = Lab::with(seed.with_consent(consent), SandboxOptions::default());
    let (status, page) = authorize(&lab, &asking(&[])).expect_err("a page");
    assert!(status == 400 && page.contains("maximum number of connections"));
}

#[test]
fn a_person_decides_on_the_page() {
    let lab = with(seed_of(shop()));
    let (status, page) = authorize(&lab, &asking(&[])).expect_err("a page");
    assert!(status == 200 && page.contains(SHOP) && page.contains("view and manage your contacts"), "{page}");
    let decide = |allow: &str| {
        let mut body = asking(&[]);
        body.push_str(&format!("&{}", encoded(&[("allow", allow), ("tenant", SISTER), ("user", BOOKKEEPER)])));
        let uri = "https://login.xero.com/identity/connect/authorize";
        sent_back(&lab, Request::builder().method(Method::POST).uri(uri).body(Bytes::from(body)).expect("a request"))
    };
    assert_eq!(decide("no").expect("sent back")["error"], "access_denied");
    let code = decide("yes").expect("sent back")["code"].clone();
    let (_, tokens) = exchange(&lab, &code, &[]);
    assert_eq!(connections(&lab, text(&tokens, "access_token"))[0]["tenantName"], SISTER);
    lab.act(json!({"do": "deny-refresh"}));
    assert_eq!(refresh(&lab, text(&tokens, "refresh_token")).0, 400);
    lab.act(json!({"do": "allow-refresh"}));
    assert_eq!(refresh(&lab, text(&tokens, "refresh_token")).0, 200);
}
