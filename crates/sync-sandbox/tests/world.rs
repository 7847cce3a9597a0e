//! Faults, quotas, latency, log and control, in process and over HTTP.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{KEY, LIST, Lab, TestClock, at, audience, member_path, request};
use sync_core::{SystemClock, Transport, TransportFault, TransportLimits};
use sync_sandbox::{Fault, InProcess, Mailchimp, MailchimpSeed, Reply, Sandbox, SandboxOptions, serve};

fn lab(options: SandboxOptions) -> Lab {
    Lab::with(MailchimpSeed::new(KEY).with_audience(audience()), options)
}

fn with_fault(text: &str) -> Lab {
    lab(SandboxOptions::default().with_fault(text.parse::<Fault>().expect("a fault")))
}

fn upsert() -> http::Request<Bytes> {
    let body = json!({"email_address": "new@example.com", "status_if_new": "pending"});
    request(Method::PUT, &member_path("new@example.com"), Some(body))
}

const LIMITS: TransportLimits = TransportLimits { timeout: Duration::from_secs(30), max_answer: 1 << 20 };

fn send(lab: &Lab, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportFault> {
    let transport = InProcess(lab.sandbox.clone());
    lab.clock.run(transport.send(request, LIMITS)).map_err(|error| error.fault)
}

#[test]
fn each_fault_does_what_it_says() {
    for (fault, seen, is_done) in [
        ("reply-lost", Err(TransportFault::CutOff), true),
        ("cut", Err(TransportFault::CutOff), false),
        ("unreachable", Err(TransportFault::Unreachable), false),
        ("truncated", Err(TransportFault::CutOff), true),
        ("endless", Err(TransportFault::TooLarge), true),
        ("garbage", Ok(200), true),
        ("wrong-200", Ok(200), false),
        ("html:status=403", Ok(403), false),
        ("401", Ok(401), false),
        ("429:retry-after=7", Ok(429), false),
        ("502:commit", Ok(502), true),
        ("503", Ok(503), false),
    ] {
        let lab = with_fault(fault);
        let got = send(&lab, upsert());
        if let Ok(response) = &got {
            let is_json = serde_json::from_slice::<Value>(response.body()).is_ok();
            assert_eq!(is_json, !matches!(fault, "garbage" | "html:status=403"), "{fault}");
            assert_eq!(response.headers().contains_key("retry-after"), fault.starts_with("429"), "{fault}");
        }
        assert_eq!(got.map(|response| response.status().as_u16()), seen, "{fault}");
        assert_eq!(lab.status("new@example.com") == "pending", is_done, "{fault}");
    }
}

#[test]
fn a_wrong_200_carries_the_providers_error() {
    let lab = with_fault("wrong-200");
    let response = send(&lab, upsert()).expect("an answer");
    let body: Value = serde_json::from_slice(response.body()).expect("JSON");
    assert_eq!((response.status(), body["status"].as_u64()), (StatusCode::OK, Some(500)));
}

#[test]
fn retry_after_comes_in_both_forms() {
    let seconds = send(&with_fault("429:retry-after=7"), upsert()).expect("an answer");
    assert_eq!(seconds.headers()["retry-after"], "7");
    let date = send(&with_fault("503:retry-date=90"), upsert()).expect("an answer");
    assert_eq!(date.headers()["retry-after"], "Sun, 01 Mar 2026 12:01:30 GMT");
}

#[test]
fn a_slow_commit_is_done_after_the_callers_time_is_up() {
    let lab = with_fault("slow-commit:nth=1");
    assert_eq!(send(&lab, upsert()).map(|_| ()), Err(TransportFault::TimedOut));
    assert_eq!(lab.status("new@example.com"), "absent");
    lab.clock.advance(Duration::from_secs(4));
    assert_eq!(lab.status("new@example.com"), "absent");
    lab.clock.advance(Duration::from_secs(1));
    assert_eq!(lab.status("new@example.com"), "pending");
    assert_eq!(lab.member("new@example.com")["last_changed"], "2026-03-01T12:00:35+00:00");
}

#[test]
fn who_waits_long_enough_gets_the_slow_answer() {
    let lab = with_fault("slow-commit:lag=20s");
    assert_eq!(send(&lab, upsert()).expect("an answer").status(), 200);
}

#[test]
fn a_duplicate_is_done_twice() {
    let lab = with_fault("duplicate");
    let body = json!({"email_address": "new@example.com", "status": "subscribed"});
    let (status, answer) = lab.post(&at("/members"), body);
    assert_eq!((status, answer["title"].as_str()), (400, Some("Member Exists")));
    assert_eq!(lab.status("new@example.com"), "subscribed");
}

#[test]
fn reordered_pages_hold_the_same_items() {
    let ids = |lab: &Lab| -> Vec<String> {
        let (_, body) = lab.get(&at("/members?fields=members.id"));
        body["members"].as_array().into_iter().flatten().map(|m| m["id"].to_string()).collect()
    };
    let (straight, mut mixed) = (ids(&Lab::new()), ids(&with_fault("reordered-pages")));
    assert_ne!(straight, mixed);
    let mut sorted = straight.clone();
    sorted.sort();
    mixed.sort();
    assert_eq!(sorted, mixed);
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let faults = |seed: u64| -> Vec<bool> {
        let fault = "cut:0.5".parse().expect("a fault");
        let lab = lab(SandboxOptions::default().with_seed(seed).with_fault(fault));
        (0..64).map(|_| matches!(lab.reply(request(Method::GET, "/3.0/ping", None)), Reply::Cut { .. })).collect()
    };
    assert_eq!(faults(1), faults(1));
    assert_ne!(faults(1), faults(2));
}

// <https://mailchimp.com/developer/marketing/docs/fundamentals/#api-limits>: 10 simultaneous connections, else 429. A call
// that its caller gave up still holds its connection.
#[test]
fn the_eleventh_call_in_flight_is_refused_where_quotas_are_enforced() {
    let options = SandboxOptions::default().with_latency(Duration::from_millis(500)).with_quotas();
    let lab = lab(options);
    let ping = || lab.sandbox.handle(request(Method::GET, "/3.0/ping", None));
    let statuses = |n: usize| -> Vec<u16> {
        let replies = lab.clock.run(futures_util::future::join_all((0..n).map(|_| ping())));
        replies.into_iter().map(|reply| support::whole(reply).status().as_u16()).collect()
    };
    let seen = statuses(11);
    assert_eq!(seen.iter().filter(|status| **status == 200).count(), 10);
    assert_eq!(seen.last(), Some(&429));
    assert_eq!(statuses(10), [200; 10], "time has passed");
    let log = lab.sandbox.log(false);
    assert_eq!((log["peak_in_flight"].as_u64(), log["over_quota"].as_u64()), (Some(10), Some(1)));
    let refusal = support::whole(lab.clock.run(futures_util::future::join_all((0..11).map(|_| ping()))).remove(10));
    let body: Value = serde_json::from_slice(refusal.body()).expect("JSON");
    assert_eq!((body["title"].as_str(), refusal.headers().get("retry-after")), (Some("TooManyRequests"), None));
}

#[test]
fn latency_is_waited_by_the_clock() {
    let lab = lab(SandboxOptions::default().with_latency(Duration::from_millis(250)));
    let before = sync_core::Clock::now(&lab.clock);
    lab.get("/3.0/ping");
    assert_eq!(sync_core::Clock::now(&lab.clock).duration_since(before).as_millis(), 250);
}

#[test]
fn the_log_counts_by_operation_status_and_fault() {
    let mut options = SandboxOptions::default().with_bodies();
    options.faults = vec!["reply-lost:op=lists.members.*:writes".parse().expect("a fault")];
    let lab = lab(options);
    lab.get(&at("/members?count=5"));
    let _ = lab.reply(upsert());
    lab.get(&at("/nothing"));
    let log = lab.sandbox.log(true);
    assert_eq!(log["by_operation"]["lists.members.list"]["statuses"], json!({"200": 1}));
    assert_eq!(log["by_operation"]["lists.members.upsert"]["faults"], json!({"reply-lost": 1}));
    assert_eq!(log["by_operation"]["unknown"]["calls"], 1);
    assert_eq!((log["entries"][0]["query"].as_str(), log["entries"][1]["status"].as_u64()), (Some("count=5"), None));
    assert!(log["entries"][1]["body"].as_str().is_some_and(|body| body.contains("status_if_new")));
    assert_eq!(lab.sandbox.calls("lists.members.list"), 1);
}

#[test]
fn control_shows_acts_resets_and_changes_faults() {
    let lab = Lab::new();
    let unsubscribe = json!({"do": "unsubscribe", "list": LIST, "email": "ada@example.com"});
    assert_eq!(lab.post("/_sandbox/act", unsubscribe), (200, json!({"done": true})));
    assert_eq!(lab.get("/_sandbox/state").1["lists"][LIST]["members"]["ada@example.com"]["status"], "unsubscribed");
    assert!(lab.get("/_sandbox/state?summary=true").1["lists"][LIST].get("members").is_none());
    assert_eq!(lab.post("/_sandbox/act", json!({"do": "nothing"})).0, 400);
    assert_eq!(lab.post("/_sandbox/faults", json!(["503"])).0, 200);
    assert_eq!(lab.get("/3.0/ping").0, 503);
    assert_eq!(lab.get("/_sandbox/log?entries=false").1["calls"], 1);
    assert_eq!(lab.post("/_sandbox/faults", json!(["fire"])).0, 400);
    assert_eq!(lab.post("/_sandbox/faults", json!([])).0, 200);
    assert_eq!(lab.post("/_sandbox/reset", json!({})).0, 200);
    assert_eq!(lab.status("ada@example.com"), "subscribed");
    assert_eq!(lab.get("/_sandbox/log").1["calls"], 0);
    assert_eq!(lab.get("/_sandbox/what").0, 404);
}

// 100,000 members: what a call costs must follow what it touches. 400,000 calls over a linear scan would take minutes.
#[test]
fn a_large_audience_stays_fast() {
    let mut audience = sync_sandbox::AudienceSeed::new(LIST, "Newsletter");
    audience.members =
        (0..100_000).map(|n| sync_sandbox::MemberSeed::new(format!("m{n}@example.com"), "subscribed")).collect();
    let lab = Lab::of(audience);
    lab.clock.advance(Duration::from_secs(60));
    for n in 0..2_000 {
        assert_eq!(lab.patch(&member_path(&format!("m{}@example.com", n * 50)), json!({"vip": true})).0, 200);
    }
    let query = "since_last_changed=2026-03-01T12:00:30Z&sort_field=last_changed&count=1000&offset=1000&fields=members.id,total_items";
    let (_, page) = lab.get(&at(&format!("/members?{query}")));
    assert_eq!((page["total_items"].as_u64(), page["members"].as_array().map(Vec::len)), (Some(2_000), Some(1_000)));
}

fn over_http<T>(fault: &str, f: impl AsyncFnOnce(String, Sandbox) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let clock = SystemClock::new(|duration| Box::pin(tokio::time::sleep(duration)));
        let seed = MailchimpSeed::new(KEY).with_audience(audience());
        let mut options = SandboxOptions::default();
        if !fault.is_empty() {
            options = options.with_fault(fault.parse().expect("a fault"));
        }
        let sandbox = Sandbox::new(Mailchimp::new(seed), options, Arc::new(clock));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let root = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve(sandbox.clone(), listener, async {
            let _ = stopped.await;
        }));
        let result = f(root, sandbox).await;
        stop.send(()).expect("it runs");
        server.await.expect("no panic").expect("no error");
        result
    })
}

async fn put(root: &str) -> reqwest::Result<reqwest::Response> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    client
        .put(format!("{root}{}", member_path("new@example.com")))
        .bearer_auth(KEY)
        .body(json!({"email_address": "new@example.com", "status_if_new": "subscribed"}).to_string())
        .send()
        .await
}

fn has_new(sandbox: &Sandbox) -> bool {
    !sandbox.state()["lists"][LIST]["members"]["new@example.com"].is_null()
}

#[test]
fn it_answers_over_http() {
    over_http("", async |root, sandbox| {
        let response = put(&root).await.expect("an answer");
        assert_eq!(response.status(), 200);
        let body: Value = serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
        assert_eq!(body["status"], "subscribed");
        assert!(has_new(&sandbox));
    });
}

#[test]
fn broken_connections_break_over_http() {
    for (fault, is_done) in [("reply-lost", true), ("cut", false)] {
        over_http(fault, async |root, sandbox| {
            assert!(put(&root).await.is_err(), "{fault}: not even a head arrives");
            assert_eq!(has_new(&sandbox), is_done, "{fault}");
        });
    }
    over_http("truncated", async |root, sandbox| {
        let response = put(&root).await.expect("a head");
        assert_eq!(response.status(), 200);
        assert!(response.bytes().await.is_err(), "the body breaks off");
        assert!(has_new(&sandbox));
    });
}

#[test]
fn an_endless_body_does_not_end_over_http() {
    over_http("endless", async |root, _| {
        let mut response = put(&root).await.expect("a head");
        let mut n_read = 0;
        while n_read < 8 << 20 {
            n_read += response.chunk().await.expect("more").expect("more").len();
        }
    });
}

#[test]
fn clones_and_clocks_are_shared() {
    let clock = TestClock::new();
    let sandbox = Sandbox::new(Mailchimp::new(MailchimpSeed::new(KEY)), SandboxOptions::default(), Arc::new(clock.clone()));
    let other = sandbox.clone();
    let _ = clock.run(sandbox.handle(request(Method::GET, "/3.0/ping", None)));
    assert_eq!(other.calls("ping.read"), 1);
}
