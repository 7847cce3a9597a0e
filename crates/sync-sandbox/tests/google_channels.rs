//! Push notifications. G and R as in `google_events.rs`.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, http::HeaderMap, routing::post};
use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use support::google::{ID, Lab, TRIPS, event, events, of, reason, trip};
use sync_core::{Clock, SystemClock};
use sync_sandbox::{Google, Sandbox, SandboxOptions, serve};

fn lab() -> Lab {
    Lab::with(of(&[trip(ID)]), SandboxOptions::default())
}

fn watch(id: &str) -> Value {
    json!({"id": id, "type": "web_hook", "address": "https://hooks.example.org/google?x=1", "token": "s3cret"})
}

fn header<'r>(request: &'r Request<Bytes>, name: &str) -> &'r str {
    request.headers()[name].to_str().expect("text")
}

fn states(lab: &Lab) -> Vec<(String, String)> {
    let sent = lab.sandbox.take_outbound();
    let of = |request: &Request<Bytes>, name| header(request, name).to_owned();
    sent.iter().map(|one| (of(one, "x-goog-resource-state"), of(one, "x-goog-message-number"))).collect()
}

// G/push, "Receiving notifications"; R/events/watch.
#[test]
fn a_channel_says_hello_and_then_tells_of_changes_without_a_body() {
    let lab = lab();
    let (status, channel) = lab.post(&events("/watch"), watch("c0ffee00-1"));
    assert_eq!((status, channel["kind"].as_str(), channel["token"].as_str()), (200, Some("api#channel"), Some("s3cret")));
    let week = lab.clock.now().as_millisecond() + 604_800_000;
    assert_eq!(channel["expiration"], week.to_string(), "a week unless asked");
    let sent = lab.sandbox.take_outbound();
    assert_eq!((sent.len(), sent[0].uri().to_string()), (1, "https://hooks.example.org/google?x=1".to_owned()));
    for (name, value) in [
        ("x-goog-channel-id", "c0ffee00-1"),
        ("x-goog-channel-token", "s3cret"),
        ("x-goog-resource-state", "sync"),
        ("x-goog-message-number", "1"),
        ("x-goog-resource-id", channel["resourceId"].as_str().expect("an id")),
        ("x-goog-channel-expiration", "Sun, 08 Mar 2026 12:00:00 GMT"),
    ] {
        assert_eq!(header(&sent[0], name), value);
    }
    assert!(sent[0].body().is_empty());
    lab.get(&events(""));
    assert_eq!(states(&lab), [], "reading changes nothing");
    lab.person("delete", ID);
    lab.act(json!({"do": "many", "actions": [
        {"do": "create", "calendar": TRIPS, "body": trip("trip0001")},
        {"do": "shift", "calendar": TRIPS, "event": "trip0001", "minutes": 15},
        {"do": "create", "calendar": TRIPS, "body": trip("trip0002")},
    ]}));
    let expected = [("exists", "2"), ("exists", "4")].map(|(state, number)| (state.to_owned(), number.to_owned()));
    assert_eq!(states(&lab), expected, "numbers rise, with gaps");
}

#[test]
fn a_channel_tells_of_its_own_calendar_until_it_expires_or_is_stopped() {
    let lab = lab();
    let mut short = watch("short");
    short["params"] = json!({"ttl": "60"});
    let (_, long) = lab.post(&events("/watch"), watch("long"));
    lab.post(&events("/watch"), short);
    lab.sandbox.take_outbound();
    lab.act(json!({"do": "create", "calendar": "captain@example.com", "body": trip("trip0009")}));
    assert_eq!(states(&lab).len(), 0, "another calendar");
    lab.person("touch", ID);
    assert_eq!(states(&lab).len(), 2);
    lab.clock.advance(Duration::from_secs(60));
    lab.person("touch", ID);
    assert_eq!(states(&lab).len(), 1);
    let stop = json!({"id": "long", "resourceId": long["resourceId"]});
    assert_eq!(lab.post("/calendar/v3/channels/stop", json!({"id": "long", "resourceId": "other"})).0, 404);
    assert_eq!(lab.post("/calendar/v3/channels/stop", stop.clone()).0, 204);
    assert_eq!(lab.post("/calendar/v3/channels/stop", stop).0, 404, "it is gone");
    lab.person("touch", ID);
    assert_eq!(states(&lab).len(), 0);
}

// G/push, "Making watch requests": a unique id of at most 64 characters, an address with https.
#[test]
fn channels_that_make_no_sense_are_refused() {
    let lab = lab();
    lab.post(&events("/watch"), watch("taken"));
    let with = |name: &str, value: Value| {
        let mut body = watch("fresh");
        body[name] = value;
        body
    };
    for (body, why) in [
        (watch("taken"), "channelIdNotUnique"),
        (with("address", json!("http://hooks.example.org/")), "push.webhookUrlNotHttps"),
        (with("type", json!("mail")), "invalid"),
        (with("id", json!("i".repeat(65))), "invalid"),
        (with("id", Value::Null), "required"),
        (with("token", json!("t".repeat(257))), "invalid"),
        (with("expiration", json!("1000")), "invalid"),
        (with("params", json!({"ttl": "soon"})), "invalid"),
    ] {
        let (status, body) = lab.post(&events("/watch"), body);
        assert_eq!((status, reason(&body)), (400, why), "{body}");
    }
    let far = with("params", json!({"ttl": "99999999"}));
    let (_, body) = lab.post(&events("/watch"), far);
    let month = lab.clock.now().as_millisecond() + 30 * 86_400_000;
    assert_eq!(body["expiration"], month.to_string(), "not longer than the service likes");
}

#[test]
fn an_unshared_calendar_tells_nothing() {
    let lab = lab();
    lab.post(&events("/watch"), watch("c1"));
    lab.sandbox.take_outbound();
    lab.act(json!({"do": "unshare", "calendar": TRIPS, "user": "captain@example.com"}));
    lab.person("touch", ID);
    assert_eq!(states(&lab), []);
    assert_eq!(lab.get(&event(ID)).0, 404);
}

/// The headers of what came in, and how often it is refused at first.
type Inbox = Arc<Mutex<(Vec<HeaderMap>, usize)>>;

fn inbox(n_refused: usize) -> (Inbox, Router) {
    let inbox = Inbox::default();
    inbox.lock().expect("no panic").1 = n_refused;
    let shared = Arc::clone(&inbox);
    let router = Router::new().route(
        "/hook",
        post(move |headers: HeaderMap| async move {
            let mut inbox = shared.lock().expect("no panic");
            if inbox.1 > 0 {
                inbox.1 -= 1;
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            inbox.0.push(headers);
            StatusCode::NO_CONTENT
        }),
    );
    (inbox, router)
}

// G/push, "Responding to notifications": 500, 502, 503 and 504 are tried again.
#[tokio::test]
async fn a_served_sandbox_calls_back_to_this_machine_and_nowhere_else() {
    let (inbox, router) = inbox(1);
    let hooks = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let hook = format!("http://{}/hook", hooks.local_addr().expect("an address"));
    let receiver = tokio::spawn(async move { axum::serve(hooks, router).await });
    let clock = SystemClock::new(|duration| Box::pin(tokio::time::sleep(duration)));
    let sandbox = Sandbox::new(Google::new(of(&[trip(ID)])), SandboxOptions::default(), Arc::new(clock));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(sandbox.clone(), listener, async {
        let _ = stopped.await;
    }));
    let ask =
        |path: String, body: Value| support::google::request(http::Method::POST, &path, support::google::TOKEN, Some(body));
    for (id, address) in [("here", hook.as_str()), ("there", "https://hooks.example.org/")] {
        let body = json!({"id": id, "type": "web_hook", "address": address, "token": "s3cret"});
        let answer = support::whole(sandbox.handle(ask(events("/watch"), body)).await);
        assert_eq!(answer.status(), 200);
    }
    sandbox.act(&json!({"do": "shift", "calendar": TRIPS, "event": ID, "minutes": 60})).expect("done");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let log = sandbox.log(false);
        if log["delivered"] == 2 && log["undelivered"] == 2 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{log}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = stop.send(());
    serving.await.expect("no panic").expect("it served");
    receiver.abort();
    let inbox = inbox.lock().expect("no panic");
    let mut seen: Vec<&str> =
        inbox.0.iter().map(|headers| headers["x-goog-resource-state"].to_str().expect("text")).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["exists", "sync"]);
    assert!(inbox.0.iter().all(|headers| headers["x-goog-channel-token"] == "s3cret" && headers["content-length"] == "0"));
}
