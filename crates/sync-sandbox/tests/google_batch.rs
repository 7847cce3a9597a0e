//! The batch endpoint, quotas and calls that fail. G and R as in `google_events.rs`.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use support::google::{ID, Lab, TOKEN, event, events, of, reason, seed, trip};
use sync_sandbox::{GoogleQuirks, GoogleQuotas, SandboxOptions};

/// One part: its id, method, path, more header lines, body.
type Part<'a> = (&'a str, &'a str, String, &'a str, Option<Value>);

fn batch(lab: &Lab, parts: &[Part<'_>]) -> (u16, Vec<(String, u16, Value)>) {
    let mut body = String::new();
    for (id, method, path, headers, json) in parts {
        body.push_str("--the_boundary\r\nContent-Type: application/http\r\n");
        body.push_str(&format!("Content-ID: <{id}>\r\n\r\n{method} {path} HTTP/1.1\r\n{headers}"));
        if let Some(json) = json {
            let json = json.to_string();
            body.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}", json.len()));
        }
        body.push_str("\r\n");
    }
    body.push_str("--the_boundary--\r\n");
    let request = Request::builder()
        .method(Method::POST)
        .uri("https://www.googleapis.com/batch/calendar/v3")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "multipart/mixed; boundary=the_boundary")
        .body(Bytes::from(body))
        .expect("a request");
    let response = lab.reply(request);
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
    let text = String::from_utf8(response.into_body().to_vec()).expect("text");
    let Some((_, boundary)) = kind.split_once("boundary=") else { return (status, Vec::new()) };
    let answers = text
        .split(&format!("--{boundary}"))
        .filter(|part| part.contains("HTTP/1.1"))
        .map(|part| {
            let id = part.split_once("Content-ID: <").and_then(|(_, rest)| rest.split_once('>')).expect("an id").0;
            let (_, inner) = part.split_once("HTTP/1.1 ").expect("a status line");
            let (_, body) = inner.split_once("\r\n\r\n").expect("a body");
            let body = if body.trim().is_empty() { Value::Null } else { serde_json::from_str(body).expect("JSON") };
            (id.to_owned(), inner[..3].parse().expect("a status"), body)
        })
        .collect();
    (status, answers)
}

fn insert<'a>(content_id: &'a str, id: &str) -> Part<'a> {
    (content_id, "POST", events("?sendUpdates=none"), "", Some(trip(id)))
}

fn by_id(answers: Vec<(String, u16, Value)>) -> BTreeMap<String, (u16, Value)> {
    answers.into_iter().map(|(id, status, body)| (id, (status, body))).collect()
}

// G/batch: parts of application/http, answers with `response-` before the Content-ID, order of no meaning; G/errors: each
// part has its own outcome.
#[test]
fn each_part_has_its_own_outcome_under_its_own_id() {
    let lab = Lab::with(of(&[trip(ID), trip("trip0001")]), SandboxOptions::default());
    let (_, before) = lab.get(&event(ID));
    let etag = format!("If-Match: {}\r\n", before["etag"].as_str().expect("an etag"));
    let (status, answers) = batch(
        &lab,
        &[
            insert("a", "trip0002"),
            insert("b", ID),
            ("c", "PATCH", event(ID), &etag, Some(json!({"summary": "x"}))),
            ("d", "PATCH", event("trip0001"), "If-Match: \"1\"\r\n", Some(json!({"summary": "x"}))),
            ("e", "GET", event("nobody"), "", None),
            ("f", "DELETE", event("trip0002"), "", None),
        ],
    );
    assert_eq!(status, 200);
    let order: Vec<&str> = answers.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(order, ["response-f", "response-e", "response-d", "response-c", "response-b", "response-a"]);
    let answers = by_id(answers);
    let of = |id: &str| answers[&format!("response-{id}")].clone();
    for (id, status, why) in [("b", 409, "duplicate"), ("d", 412, "conditionNotMet"), ("e", 404, "notFound")] {
        assert_eq!((of(id).0, reason(&of(id).1)), (status, why), "{id}");
    }
    assert_eq!((of("a").0, of("c").1["summary"].as_str(), of("f")), (200, Some("x"), (204, Value::Null)));
    assert_eq!(lab.sandbox.calls("batch"), 1);
    assert_eq!(lab.sandbox.summary()["operations"]["events.insert"], 2);
}

// G/errors, 409 `conflict`: "a requested item in the batch operation conflicts with an operation that is being executed".
#[test]
fn two_writes_of_one_event_in_one_batch_conflict() {
    let lab = Lab::with(of(&[trip(ID)]), SandboxOptions::default());
    let patch = |id, summary: &str| (id, "PATCH", event(ID), "", Some(json!({"summary": summary})));
    let (_, answers) = batch(&lab, &[patch("a", "first"), patch("b", "second")]);
    let answers = by_id(answers);
    assert_eq!((answers["response-a"].0, answers["response-b"].0), (200, 409));
    assert_eq!(reason(&answers["response-b"].1), "conflict");
}

// G/batch: "limited to 1000 calls in a single batch request"; older pages say 50 (GitHub googleapis/google-api-dotnet-client
// issue 1621).
#[test]
fn a_batch_has_a_largest_size_and_must_be_whole() {
    let mut quirks = GoogleQuirks::default();
    (quirks.max_batch, quirks.batch_in_order) = (2, true);
    let lab = Lab::with(seed().with_quirks(quirks), SandboxOptions::default());
    let (status, answers) = batch(&lab, &[insert("a", "trip0001"), insert("b", "trip0002")]);
    assert_eq!((status, answers[0].0.as_str()), (200, "response-a"));
    assert_eq!(batch(&lab, &[insert("a", "trip0003"), insert("b", "trip0004"), insert("c", "trip0005")]).0, 400);
    let cut = |kind: &str, body: &'static str| {
        let request = Request::builder()
            .method(Method::POST)
            .uri("https://www.googleapis.com/batch/calendar/v3")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", kind);
        lab.reply(request.body(Bytes::from_static(body.as_bytes())).expect("a request")).status().as_u16()
    };
    let part = "--b\r\nContent-Type: application/http\r\n\r\nGET /calendar/v3/calendars/primary HTTP/1.1\r\n";
    assert_eq!(cut("multipart/mixed; boundary=b", part), 400, "no end");
    assert_eq!(cut("application/json", "{}"), 400);
    assert_eq!(cut("multipart/mixed; boundary=\"b\"", "--b--"), 400, "nothing in it");
}

#[test]
fn a_part_without_a_good_token_is_refused_by_itself() {
    let lab = Lab::new();
    let own = "Authorization: Bearer somebody\r\n";
    let (status, answers) = batch(&lab, &[insert("a", "trip0001"), ("b", "POST", events(""), own, Some(trip("trip0002")))]);
    let answers = by_id(answers);
    assert_eq!((status, answers["response-a"].0, answers["response-b"].0), (200, 200, 401));
}

fn limited(quotas: GoogleQuotas) -> Lab {
    Lab::with(of(&[trip(ID)]).with_quotas(quotas), SandboxOptions::default().with_quotas())
}

// G/quota: units a minute by project and by user, a sliding window, 403 or 429 with `usageLimits`; R/events/patch: a patch
// costs three.
#[test]
fn a_user_has_so_many_units_in_any_minute_and_a_patch_costs_three() {
    let mut quotas = GoogleQuotas::default();
    quotas.user_per_minute = 7;
    let lab = limited(quotas);
    let get = || lab.get(&event(ID)).0;
    let patch = || lab.patch(&event(ID), json!({"summary": "x"}));
    assert_eq!((patch().0, patch().0, get()), (200, 200, 200));
    let (status, body) = patch();
    assert_eq!((status, reason(&body)), (403, "userRateLimitExceeded"));
    assert_eq!(body["error"]["errors"][0]["domain"], "usageLimits");
    lab.clock.advance(Duration::from_secs(59));
    assert_eq!(get(), 403, "the window slides");
    lab.clock.advance(Duration::from_secs(1));
    assert_eq!(get(), 200);
    assert_eq!((lab.count("over_quota"), lab.count("units")), (2, 8));
    assert_eq!(lab.sandbox.log(false)["over_quota"], 2);
    let other = lab.get(&(event(ID) + "?quotaUser=another"));
    assert_eq!(other.0, 200, "quotaUser names whom it counts for");
}

#[test]
fn a_project_has_a_quota_of_its_own_and_429_is_the_other_answer() {
    let (mut quotas, mut quirks) = (GoogleQuotas::default(), GoogleQuirks::default());
    quotas.project_per_minute = 1;
    quirks.quota_status = 429;
    let lab = Lab::with(seed().with_quotas(quotas).with_quirks(quirks), SandboxOptions::default().with_quotas());
    assert_eq!(lab.get(&events("")).0, 200);
    let (status, body) = lab.get(&events(""));
    assert_eq!((status, reason(&body)), (429, "rateLimitExceeded"));
}

// G/batch: "a set of n requests batched together counts toward your usage limit as n requests"; GitHub
// googleapis/google-api-ruby-client issue 210: single items of a burst come back with 403.
#[test]
fn each_part_of_a_batch_counts() {
    let mut quotas = GoogleQuotas::default();
    quotas.user_per_minute = 2;
    let lab = limited(quotas);
    let (status, answers) = batch(&lab, &[insert("a", "trip0001"), insert("b", "trip0002"), insert("c", "trip0003")]);
    let answers = by_id(answers);
    let statuses: Vec<u16> = answers.values().map(|(status, _)| *status).collect();
    assert_eq!((status, statuses), (200, vec![200, 200, 403]));
    assert_eq!(lab.count("over_quota"), 1);
}

#[test]
fn a_call_can_be_made_to_fail_alone_and_in_a_batch() {
    let lab = Lab::new();
    lab.act(json!({"do": "trouble", "operation": "events.insert", "status": 403, "reason": "quotaExceeded",
                   "message": "Calendar usage limits exceeded.", "after": 1, "times": 1}));
    let (_, answers) = batch(&lab, &[insert("a", "trip0001"), insert("b", "trip0002"), insert("c", "trip0003")]);
    let answers = by_id(answers);
    assert_eq!((answers["response-a"].0, answers["response-c"].0), (200, 200));
    assert_eq!((answers["response-b"].0, reason(&answers["response-b"].1)), (403, "quotaExceeded"));
    lab.act(
        json!({"do": "trouble", "operation": "events.patch", "event": "trip0001", "status": 500, "reason": "backendError"}),
    );
    assert_eq!(lab.patch(&event("trip0003"), json!({"summary": "x"})).0, 200);
    assert_eq!(lab.patch(&event("trip0001"), json!({"summary": "x"})).0, 500);
    lab.act(json!({"do": "no-trouble"}));
    assert_eq!(lab.patch(&event("trip0001"), json!({"summary": "x"})).0, 200);
}

#[test]
fn injected_statuses_have_the_providers_shape() {
    for (status, why) in [
        (400, "badRequest"),
        (401, "authError"),
        (403, "forbidden"),
        (404, "notFound"),
        (409, "conflict"),
        (410, "fullSyncRequired"),
        (412, "conditionNotMet"),
        (429, "rateLimitExceeded"),
        (500, "backendError"),
        (503, "backendError"),
    ] {
        let fault = format!("{status}:nth=1").parse().expect("a fault");
        let lab = Lab::with(seed(), SandboxOptions::default().with_fault(fault));
        let (code, body) = lab.get(&events(""));
        assert_eq!((code, reason(&body), body["error"]["code"].as_u64()), (status, why, Some(status.into())));
        assert_eq!(lab.get(&events("")).0, 200);
    }
}
