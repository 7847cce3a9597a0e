//! HAR files that support may read.

use std::{fs, sync::Arc, time::Duration};

use serde_json::Value;
use sync_core::{Exchange as _, Lane, TransportFault};
use sync_http::Archive;

use crate::support::{
    ACME, CLIENT_SECRET, KEY, Port, Step, World, answer, answer_with, read, scope, slow, token_grant, write,
};

fn archived(world: &World, path: &std::path::Path) -> sync_http::Client {
    let clock = Arc::new(Port(world.clock.clone()));
    let archive = Archive::create(path, world.transport.clone(), clock).unwrap();
    world.builder().with_transport(Arc::new(archive)).build().unwrap()
}

fn read_har(path: &std::path::Path) -> (String, Vec<Value>) {
    let text = fs::read_to_string(path).unwrap();
    let har: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(har["log"]["version"], "1.2");
    (text, har["log"]["entries"].as_array().unwrap().clone())
}

#[test]
fn the_file_is_whole_after_each_exchange() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.har");
    let world = World::new([
        slow(250, answer_with(200, &[("content-type", "application/json")], r#"{"total":1.50}"#)),
        Step::Fault(TransportFault::TimedOut),
        answer(200, "[]"),
    ]);
    let client = archived(&world, &path);
    assert!(read_har(&path).1.is_empty());
    let exchange = client.exchange(&scope(), &ACME);
    world.clock.run(exchange.send(read().param("count", 5), world.within(Lane::Interactive))).unwrap();
    let (_, entries) = read_har(&path);
    assert_eq!(entries[0]["request"]["url"], "https://us19.api.example.com/3.0/things?count=5");
    assert_eq!((&entries[0]["time"], &entries[0]["startedDateTime"]), (&250.into(), &"2026-03-01T12:00:00Z".into()));
    assert_eq!(entries[0]["response"]["content"]["text"], r#"{"total":1.50}"#);
    world.clock.run(exchange.send(read(), world.within(Lane::Interactive))).unwrap();
    let (_, entries) = read_har(&path);
    assert_eq!(entries.len(), 3);
    assert_eq!((&entries[1]["response"]["status"], &entries[2]["response"]["status"]), (&0.into(), &200.into()));
    assert!(entries[1]["response"]["comment"].as_str().unwrap().contains("timed-out"));
}

#[test]
fn no_secret_and_no_address_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.har");
    let world = World::by_rule(|request, _| match request.uri().path() {
        "/oauth2/token" => answer(
            200,
            r#"{"access_token":"access-1-s3cret","refresh_token":"refresh-1-s3cret","expires_in":60,"odd":"0dd-s3cret"}"#,
        ),
        _ => answer_with(
            200,
            &[("set-cookie", "sid=c00kie-s3cret"), ("content-type", "application/json")],
            r#"{"email":"ada@example.com","echo":"access-1-s3cret","name":"Ada"}"#,
        ),
    });
    world.grants.put(&scope(), token_grant(Duration::ZERO));
    let client = archived(&world, &path);
    let exchange = client.exchange(&scope(), &ACME);
    let call = write()
        .param("query", "ada@example.com")
        .param("key", "qu3ry-s3cret")
        .body_of("application/json", r#"{"email_address":"ada@example.com","api_key":"b0dy-s3cret"}"#);
    world.clock.run(exchange.send(call, world.within(Lane::Interactive))).unwrap();
    let (text, entries) = read_har(&path);
    assert_eq!(entries.len(), 2);
    for secret in ["s3cret", "example.com/3.0/ada", "ada@", "ada%40", CLIENT_SECRET, KEY, "refresh-0", "c00kie"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    assert!(text.contains("Ada"), "bodies are kept for support");
    assert!(text.contains("things"));
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.har");
    archived(&World::new([]), &path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_can_not_be_written_is_named() {
    let world = World::new([]);
    let clock = Arc::new(Port(world.clock.clone()));
    let error = Archive::create(std::path::Path::new("/nowhere/run.har"), world.transport.clone(), clock).unwrap_err();
    assert!(error.message().contains("/nowhere/run.har"));
}
