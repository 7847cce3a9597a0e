//! A first push to a double that takes half a second for each answer, against a bare reqwest loop.

use std::{path::Path, process::Command, time::Duration};

use serde_json::Value;

use super::{
    Scale,
    contacts::Contacts,
    peer,
    report::{Figure, Limit},
    shop::{API_KEY, Double, Shop},
};
use crate::Result;

const LATENCY: Duration = Duration::from_millis(500);

/// The call that takes new members.
const CALL: &str = "lists.batch";

pub(super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let contacts = Contacts::new(scale.n_contacts());
    let double = Double::start(LATENCY, true)?;
    let shop = Shop::open("latency", contacts, &double)?;
    let hash = shop.plan()?;
    let (_, result) = shop.sync(Some(&hash))?;
    if result["synced"].as_u64() != Some(contacts.n as u64) {
        return Err(format!("not all contacts went: {result}"));
    }
    let log = double.log()?;
    let ours = log.span(&[CALL])?;
    let at_once = log.peak_in_flight();
    let bodies = shop.write("bodies.txt", &lines(&double.entries()?, CALL, json)?)?;
    drop(double);

    let double = Double::start(LATENCY, false)?;
    bare_loop(&double, &bodies, at_once, API_KEY, &[])?;
    let theirs = double.log()?.span(&[CALL])?;
    Ok(vec![
        Figure::new("half a second a call: calls at once", at_once as f64, "calls", Limit::None),
        Figure::new("half a second a call: first to last call", ours.as_secs_f64(), "s", Limit::None),
        Figure::new("half a second a call: bare loop", theirs.as_secs_f64(), "s", Limit::None),
        Figure::new(
            "half a second a call: against the bare loop",
            ours.as_secs_f64() / theirs.as_secs_f64(),
            "times",
            Limit::AtMost(1.15),
        ),
    ])
}

/// Sends the calls of a file with so many at once, in a process of its own.
pub(super) fn bare_loop(double: &Double, bodies: &Path, at_once: u64, key: &str, headers: &[String]) -> Result<()> {
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let mut peer = Command::new(program);
    peer.arg("bench-peer").arg(double.url()).arg(bodies).arg(at_once.to_string()).args(headers).env("BENCH_KEY", key);
    let answer = peer.output().map_err(|error| format!("{peer:?} did not start: {error}"))?;
    if answer.status.success() {
        return Ok(());
    }
    Err(format!("the peer failed: {}", String::from_utf8_lossy(&answer.stderr)))
}

/// The type of a body, which the log does not keep.
pub(super) fn json(_: &str) -> Option<String> {
    Some("application/json".to_owned())
}

/// The calls of one kind as the peer reads them.
pub(super) fn lines(entries: &[Value], operation: &str, type_of: fn(&str) -> Option<String>) -> Result<String> {
    let mut text = String::new();
    for entry in entries.iter().filter(|entry| entry["operation"] == operation) {
        let (Some(method), Some(path), Some(body)) =
            (entry["method"].as_str(), entry["path"].as_str(), entry["body"].as_str())
        else {
            return Err("the sandbox kept no bodies".to_owned());
        };
        let query = entry["query"].as_str().map(|query| format!("?{query}")).unwrap_or_default();
        let content_type = type_of(body).ok_or_else(|| format!("the type of a body of {operation} is unknown"))?;
        text += &peer::line(method, &format!("{path}{query}"), &content_type, body);
    }
    if text.is_empty() { Err(format!("the sandbox saw no {operation}")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_calls_of_a_kind_are_sent_again() {
        let entries = [
            json!({"operation": "lists.read", "method": "GET", "path": "/3.0/lists/a"}),
            json!({"operation": CALL, "method": "POST", "path": "/3.0/lists/a", "query": "x=1", "body": "{}"}),
            json!({"operation": CALL, "method": "PUT", "path": "/3.0/lists/a", "body": "{\"n\":1}"}),
        ];
        let line = |method, path, body| peer::line(method, path, "application/json", body);
        let wanted = line("POST", "/3.0/lists/a?x=1", "{}") + &line("PUT", "/3.0/lists/a", "{\"n\":1}");
        assert_eq!(lines(&entries, CALL, super::json).unwrap(), wanted);
    }

    #[test]
    fn a_log_without_bodies_is_an_error() {
        assert!(lines(&[json!({"operation": CALL, "path": "/3.0/lists/a"})], CALL, super::json).is_err());
        assert!(lines(&[], CALL, super::json).is_err());
    }
}
