//! `sandbox`: the doubles as commands.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Child,
};

use serde_json::Value;
use support::{World, account};

/// The address that a double prints when it listens.
fn address(child: &mut Child) -> Value {
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    loop {
        assert!(reader.read_line(&mut text).unwrap() > 0, "{text}");
        if let Ok(json) = serde_json::from_str(&text) {
            return json;
        }
    }
}

/// The body of an answer.
fn ask(url: &str, method: &str, path: &str, body: &str) -> Value {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let n = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {n}\r\n\r\n{body}")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn the_double_of_google_calendar_runs_as_a_command() {
    let world = World::new(account([]));
    let mut child = world.start(&["sandbox", "--provider", "google-calendar", "--port", "0", "--json"]);
    let address = address(&mut child);
    let url = address["api"].as_str().unwrap();
    let state = ask(url, "GET", "/_sandbox/state?summary=true", "");
    assert_eq!((state["provider"].as_str(), &state["refused"]), (Some("google-calendar"), &serde_json::json!([])));
    assert_eq!(state["calendars"]["captain@example.com"]["counts"]["live"], 2, "the captain's own");
    let form = format!(
        "client_id={}&client_secret={}&grant_type=refresh_token&refresh_token=none",
        address["clientId"].as_str().unwrap(),
        address["clientSecret"].as_str().unwrap()
    );
    let refused = ask(address["token"].as_str().unwrap(), "POST", "/token", &form);
    assert_eq!(refused["error"], "invalid_grant", "the client is known: {refused}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_double_of_xero_runs_as_a_command() {
    let world = World::new(account([]));
    let mut child = world.start(&["sandbox", "--provider", "xero", "--port", "0", "--json"]);
    let address = address(&mut child);
    let url = address["api"].as_str().unwrap();
    let state = ask(url, "GET", "/_sandbox/state?summary=true", "");
    assert_eq!((state["provider"].as_str(), &state["refused"]), (Some("xero"), &serde_json::json!([])));
    assert_eq!(state["tenants"]["Blue Manta Diving"]["counts"]["archived_contacts"], 4, "merged by the bookkeeper");
    let form = format!(
        "client_id={}&client_secret={}&grant_type=refresh_token&refresh_token=none",
        address["clientId"].as_str().unwrap(),
        address["clientSecret"].as_str().unwrap()
    );
    let refused = ask(address["identity"].as_str().unwrap(), "POST", "/connect/token", &form);
    assert_eq!(refused["error"], "invalid_grant", "the client is known: {refused}");
    child.kill().unwrap();
    child.wait().unwrap();
}
