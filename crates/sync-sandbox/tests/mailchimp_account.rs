//! The account, signing in, audiences, merge fields, webhooks, people's actions. D stands for
//! <https://mailchimp.com/developer/marketing>.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use support::{KEY, LIST, Lab, at, audience, member_path, request, whole};
use sync_sandbox::{MailchimpSeed, MergeFieldSeed, OAuthClientSeed, SandboxOptions};

fn with_authorization(lab: &Lab, uri: &str, authorization: Option<&str>) -> (u16, Value) {
    let mut request = Request::get(uri);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let response = whole(lab.reply(request.body(Bytes::new()).expect("a request")));
    (response.status().as_u16(), serde_json::from_slice(response.body()).expect("JSON"))
}

// D/docs/fundamentals#authenticate-with-an-api-key: Basic with any user name, or Bearer.
#[test]
fn a_key_signs_in_as_basic_password_or_bearer() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let lab = Lab::new();
    let basic = |key: &str| format!("Basic {}", STANDARD.encode(format!("anystring:{key}")));
    let uri = "https://us19.api.mailchimp.com/3.0/ping";
    assert_eq!(with_authorization(&lab, uri, Some(&basic(KEY))).0, 200);
    assert_eq!(with_authorization(&lab, uri, Some(&format!("Bearer {KEY}"))).1["health_status"], "Everything's Chimpy!");
    assert_eq!(with_authorization(&lab, "https://api.mailchimp.com/3.0/ping", Some(&basic(KEY))).0, 200);
    for (uri, authorization, title) in [
        (uri, None, "API Key Missing"),
        (uri, Some("Bearer wrong-us19".to_owned()), "API Key Invalid"),
        (uri, Some(basic("wrong-us19")), "API Key Invalid"),
        ("https://us1.api.mailchimp.com/3.0/ping", Some(basic(KEY)), "API Key Invalid"),
    ] {
        let (status, body) = with_authorization(&lab, uri, authorization.as_deref());
        assert_eq!((status, body["title"].as_str()), (401, Some(title)));
    }
}

// D/docs/errors: members of the document, its content type, `X-Trigger-Error`.
#[test]
fn an_error_is_a_problem_document_and_can_be_triggered() {
    let lab = Lab::new();
    let response = whole(lab.reply(request(Method::GET, "/3.0/lists/nope", None)));
    assert_eq!(response.headers()["content-type"], "application/problem+json; charset=utf-8");
    let body: Value = serde_json::from_slice(response.body()).expect("JSON");
    for name in ["type", "title", "status", "detail", "instance"] {
        assert!(body.get(name).is_some(), "{name}");
    }
    let mut asked = request(Method::GET, "/3.0/ping", None);
    asked.headers_mut().insert("x-trigger-error", "APIKeyMissing".parse().expect("a value"));
    assert_eq!(whole(lab.reply(asked)).status(), 401);
    let broken = Request::post("/3.0/lists/a1b2c3d4e5")
        .header("authorization", format!("Bearer {KEY}"))
        .body(Bytes::from_static(b"{\"members\": ["))
        .expect("a request");
    let body: Value = serde_json::from_slice(whole(lab.reply(broken)).body()).expect("JSON");
    assert_eq!(body["title"], "JSON Parse Exception");
}

// D/docs/errors: 403, 426.
#[test]
fn a_viewer_may_not_write_and_plain_http_is_refused() {
    let mut seed = MailchimpSeed::new(KEY).with_audience(audience());
    seed.account.role = "viewer".into();
    let lab = Lab::with(seed, SandboxOptions::default());
    assert_eq!(lab.get(&at("")).0, 200);
    let (status, body) = lab.patch(&member_path("ada@example.com"), json!({"vip": true}));
    assert_eq!((status, body["title"].as_str()), (403, Some("Forbidden")));
    assert_eq!(lab.get("http://us19.api.mailchimp.com/3.0/ping").0, 426);
    assert_eq!(lab.get("http://127.0.0.1:9999/3.0/ping").0, 200);
}

// D/api/root: what names the account.
#[test]
fn the_root_names_the_account() {
    let lab = Lab::new();
    let (_, root) = lab.get("/3.0/");
    assert_eq!((root["account_name"].as_str(), root["role"].as_str()), (Some("Blue Manta Diving"), Some("owner")));
    assert_eq!(root["total_subscribers"], 1);
    assert_eq!(lab.get("/3.0?fields=account_id").1.as_object().map(serde_json::Map::len), Some(1));
}

// D/api/lists/get-lists-info: `stats`, `double_optin`, `include_total_contacts`.
#[test]
fn an_audience_shows_its_counts() {
    let lab = Lab::of(audience().with_double_optin());
    let (_, lists) = lab.get("/3.0/lists?fields=lists.id,lists.stats.member_count,total_items");
    assert_eq!(lists, json!({"lists": [{"id": LIST, "stats": {"member_count": 1}}], "total_items": 1}));
    let (_, list) = lab.get(&at("?include_total_contacts=true"));
    assert_eq!((list["double_optin"].as_bool(), list["stats"]["unsubscribe_count"].as_u64()), (Some(true), Some(2)));
    assert_eq!((list["stats"]["cleaned_count"].as_u64(), list["stats"]["total_contacts"].as_u64()), (Some(1), Some(6)));
    assert_eq!(lab.get("/3.0/lists?email=nobody@example.com&fields=total_items").1, json!({"total_items": 0}));
}

// The page "Set consent correctly" of the documentation: on a double opt-in audience `subscribed` does not trigger the
// confirmation; `pending` does.
#[test]
fn double_optin_asks_only_who_is_made_pending() {
    let lab = Lab::of(audience().with_double_optin());
    lab.post(&at("/members"), json!({"email_address": "s@example.com", "status": "subscribed"}));
    assert_eq!((lab.status("s@example.com").as_str(), lab.mails()), ("subscribed", 0));
    lab.post(&at("/members"), json!({"email_address": "p@example.com", "status": "pending"}));
    assert_eq!(lab.mails(), 1);
    lab.person("confirm", "p@example.com");
    assert_eq!((lab.status("p@example.com").as_str(), lab.mails()), ("subscribed", 1));
}

// D/api/list-merges; ten characters: <https://mailchimp.com/help/manage-audience-signup-form-fields/>.
#[test]
fn merge_fields_are_listed_and_made() {
    let lab =
        Lab::of(audience().with_merge_field(MergeFieldSeed::new("CERT", "C", "dropdown").required().with_choices(&["OWD"])));
    let (_, fields) = lab.get(&at("/merge-fields?count=100&required=true"));
    assert_eq!((fields["total_items"].as_u64(), fields["merge_fields"][0]["tag"].as_str()), (Some(1), Some("CERT")));
    assert_eq!(fields["merge_fields"][0]["options"]["choices"], json!(["OWD"]));
    let (status, made) = lab.post(&at("/merge-fields"), json!({"tag": "lasttrip", "name": "Last trip", "type": "date"}));
    assert_eq!((status, made["tag"].as_str(), made["merge_id"].as_u64()), (200, Some("LASTTRIP"), Some(6)));
    for wrong in [
        json!({"tag": "LASTTRIP", "name": "again", "type": "date"}),
        json!({"tag": "MUCHTOOLONG", "name": "long", "type": "date"}),
        json!({"tag": "X", "name": "x", "type": "colour"}),
        json!({"tag": "X", "name": "x", "type": "radio"}),
        json!({"tag": "X", "type": "text"}),
    ] {
        assert_eq!(lab.post(&at("/merge-fields"), wrong.clone()).0, 400, "{wrong}");
    }
    assert_eq!(
        lab.patch(&member_path("ada@example.com"), json!({"merge_fields": {"LASTTRIP": "12/05/2026", "CERT": "OWD"}})).0,
        200
    );
    assert_eq!(lab.member("ada@example.com")["merge_fields"]["LASTTRIP"], "2026-12-05");
}

// GitHub mailchimp/mailchimp-client-lib-codegen issue 11: addresses that differ only in the query are one.
#[test]
fn a_webhook_address_is_used_once() {
    let lab = Lab::new();
    let hook = |url: &str| json!({"url": url, "events": {"unsubscribe": true}, "sources": {"user": true, "admin": true}});
    let (status, made) = lab.post(&at("/webhooks"), hook("https://example.com/hook/s3cret"));
    assert_eq!(
        (status, made["events"]["cleaned"].as_bool(), made["sources"]["user"].as_bool()),
        (200, Some(false), Some(true))
    );
    assert_eq!(lab.post(&at("/webhooks"), hook("https://example.com/hook/s3cret?a=1")).0, 400);
    assert_eq!(lab.get(&at("/webhooks")).1["total_items"], 1);
    assert_eq!(lab.delete(&at(&format!("/webhooks/{}", made["id"].as_str().unwrap_or_default()))).0, 204);
    assert_eq!(lab.get(&at("/webhooks")).1["total_items"], 0);
}

fn form(lab: &Lab, path: &str, pairs: &[(&str, &str)]) -> http::Response<Bytes> {
    let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let request = Request::post(path).header("host", "127.0.0.1:8080").body(Bytes::from(body)).expect("a request");
    whole(lab.reply(request))
}

// D/guides/access-user-data-oauth-2; `expires_in: 0` and `scope: null`: GitHub requests/requests-oauthlib issues 169, 509.
#[test]
fn a_person_connects_an_app() {
    let seed = MailchimpSeed::new(KEY).with_audience(audience()).with_oauth_client(OAuthClientSeed::new("app", "hush"));
    let lab = Lab::with(seed, SandboxOptions::default());
    let back = "http://127.0.0.1:9000/callback";
    let page = format!("/oauth2/authorize?response_type=code&client_id=app&redirect_uri={back}&state=%22%3E%3Cx");
    let page = whole(lab.reply(Request::get(page).body(Bytes::new()).expect("a request")));
    let html = String::from_utf8_lossy(page.body()).into_owned();
    assert!(page.status() == 200 && html.contains("value=\"&quot;&gt;&lt;x\""), "{html}");
    let asked = [("response_type", "code"), ("client_id", "app"), ("redirect_uri", back), ("state", "s1")];
    let agreed = form(&lab, "/oauth2/authorize", &[&asked[..], &[("allow", "yes")]].concat());
    let location = url::Url::parse(agreed.headers()["location"].to_str().expect("text")).expect("an address");
    let answer: std::collections::HashMap<_, _> = location.query_pairs().into_owned().collect();
    assert_eq!((agreed.status().as_u16(), answer["state"].as_str()), (302, "s1"));

    let exchange = |code: &str, secret: &str| {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("client_secret", secret),
            ("redirect_uri", back),
            ("code", code),
        ];
        let response = form(&lab, "/oauth2/token", &pairs);
        (response.status().as_u16(), serde_json::from_slice::<Value>(response.body()).expect("JSON"))
    };
    assert_eq!(exchange(&answer["code"], "old").0, 401);
    let (status, token) = exchange(&answer["code"], "hush");
    assert_eq!((status, token["expires_in"].as_u64(), &token["scope"]), (200, Some(0), &Value::Null));
    assert_eq!(exchange(&answer["code"], "hush"), (400, json!({"error": "invalid_grant"})), "a code is used once");

    let token = token["access_token"].as_str().expect("a token").to_owned();
    let metadata = "http://127.0.0.1:8080/oauth2/metadata";
    let (_, known) = with_authorization(&lab, metadata, Some(&format!("OAuth {token}")));
    assert_eq!((known["dc"].as_str(), known["api_endpoint"].as_str()), (Some("us19"), Some("http://127.0.0.1:8080")));
    let (_, known) =
        with_authorization(&lab, "https://login.mailchimp.com/oauth2/metadata", Some(&format!("OAuth {token}")));
    assert_eq!(known["api_endpoint"], "https://us19.api.mailchimp.com");
    assert_eq!(with_authorization(&lab, metadata, Some(&format!("Bearer {token}"))).0, 401);

    let ping = "https://us19.api.mailchimp.com/3.0/ping";
    assert_eq!(with_authorization(&lab, ping, Some(&format!("Bearer {token}"))).0, 200);
    lab.act(json!({"do": "revoke"}));
    assert_eq!(with_authorization(&lab, ping, Some(&format!("Bearer {token}"))).1["title"], "API Key Invalid");

    let denied = form(&lab, "/oauth2/authorize", &[&asked[..], &[("allow", "no")]].concat());
    assert!(denied.headers()["location"].to_str().is_ok_and(|to| to.contains("error=access_denied")));
    let elsewhere =
        [("response_type", "code"), ("client_id", "app"), ("redirect_uri", "https://evil.example.com/"), ("allow", "yes")];
    assert_eq!(form(&lab, "/oauth2/authorize", &elsewhere).status(), 400);
}

#[test]
fn a_seed_that_makes_no_sense_shows() {
    let odd = sync_sandbox::MemberSeed::new("n@example.com", "subcribed");
    let lab = Lab::of(
        audience()
            .with_member(odd)
            .with_member(sync_sandbox::MemberSeed::new("m@example.com", "subscribed").with_field("NOPE", 1)),
    );
    assert_eq!(lab.refused(), ["seed: no status `subcribed`", "seed: no merge field `NOPE`"]);
    assert_eq!((lab.status("n@example.com").as_str(), lab.status("m@example.com").as_str()), ("absent", "subscribed"));
}

#[test]
fn people_act_on_the_other_side() {
    let lab = Lab::new();
    lab.act(json!({"do": "unsubscribe", "list": LIST, "email": "ada@example.com", "reason": "too many"}));
    assert_eq!(lab.get(&member_path("ada@example.com")).1["unsubscribe_reason"], "too many");
    lab.person("subscribe", "bob@example.com");
    lab.person("clean", "fay@example.com");
    lab.person("archive", "gus@example.com");
    lab.act(json!({"do": "many", "actions": [
        {"do": "edit", "list": LIST, "email": "bob@example.com", "field": "FNAME", "value": "Bobby"},
        {"do": "tag", "list": LIST, "email": "bob@example.com", "name": "hers"},
        {"do": "untag", "list": LIST, "email": "ada@example.com", "name": "VIP list"},
        {"do": "change-email", "list": LIST, "email": "bob@example.com", "to": "robert@example.com"},
        {"do": "merge-field", "list": LIST, "field": {"tag": "FNAME", "name": "First", "type": "text", "required": true}},
        {"do": "rename-audience", "list": LIST, "name": "News"},
    ]}));
    let robert = lab.member("robert@example.com");
    assert_eq!(
        (robert["status"].as_str(), &robert["merge_fields"], &robert["tags"]),
        (Some("subscribed"), &json!({"FNAME": "Bobby"}), &json!(["hers"]))
    );
    assert_eq!((lab.status("fay@example.com").as_str(), lab.status("gus@example.com").as_str()), ("cleaned", "archived"));
    assert_eq!(lab.post(&at("/members"), json!({"email_address": "n@example.com", "status": "subscribed"})).0, 400);
    lab.act(json!({"do": "delete-audience", "list": LIST}));
    assert_eq!(lab.get(&at("")).0, 404);
    assert!(lab.sandbox.act(&json!({"do": "fly"})).is_err());
    let error = lab.sandbox.act(&json!({"do": "confirm", "list": "zz", "email": "a"})).expect_err("no list");
    assert!(error.starts_with("no audience zz"), "{error}");
}
