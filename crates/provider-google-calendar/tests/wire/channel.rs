//! Push channels.

use serde_json::json;
use sync_core::{ErrorKind, Watching, channel_id};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{body_json, method, path},
};

use crate::support::{EVENTS, HOOK, connected, ok, problem};

#[tokio::test]
async fn a_channel_is_named_by_its_secret_and_renewed_before_its_end() {
    let shop = connected(json!({})).await;
    let body = json!({"id": channel_id("s3cret"), "type": "web_hook", "address": "https://hooks.example.org/g",
        "token": "s3cret", "params": {"ttl": "604800"}});
    let start = Mock::given(method("POST")).and(path(format!("{EVENTS}/watch"))).and(body_json(body));
    // 2026-11-29T12:00:00Z.
    let answer = ok(json!({"id": channel_id("s3cret"), "resourceId": "r-1", "expiration": "1795953600000"}));
    shop.mount(start.respond_with(answer).expect(1)).await;
    let watching = shop.watch(HOOK, "s3cret").await.unwrap();
    assert_eq!(watching.renew_at, Some("2026-11-28T12:00:00Z".parse().unwrap()));
    assert!(!watching.state.contains("s3cret"));

    let body = json!({"id": channel_id("s3cret"), "resourceId": "r-1"});
    let stop = Mock::given(method("POST")).and(path("/calendar/v3/channels/stop")).and(body_json(body));
    shop.mount(stop.respond_with(ResponseTemplate::new(204)).expect(1)).await;
    assert_eq!(shop.stop(&watching).await.unwrap().renew_at, None);
}

#[tokio::test]
async fn a_channel_that_ended_by_itself_is_stopped() {
    let shop = connected(json!({})).await;
    let watching = Watching { state: json!({"id": "c", "resourceId": "r"}).to_string(), renew_at: None };
    shop.mount(Mock::given(method("POST")).respond_with(problem(404, "notFound")).expect(1)).await;
    shop.stop(&watching).await.unwrap();
    let corrupt = Watching { state: "x".to_owned(), renew_at: None };
    assert_eq!(shop.stop(&corrupt).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn an_address_that_google_does_not_call_is_told_and_the_sign_in_stays() {
    let shop = connected(json!({})).await;
    for (status, reason, kind) in
        [(401, "webhookUrlUnauthorized", ErrorKind::Config), (400, "webhookUrlNotHttps", ErrorKind::Refused)]
    {
        shop.mount(Mock::given(method("POST")).respond_with(problem(status, reason)).up_to_n_times(1).expect(1)).await;
        let error = shop.watch(HOOK, "s3cret").await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.remedy().unwrap().contains("https"));
    }
}
