//! A first push to a calendar that takes 300 ms for each answer, against a bare reqwest loop. Both write to one calendar,
//! one call after another.

use std::{fs, time::Duration};

use serde_json::Value;

use super::{
    super::{
        Scale,
        latency::bare_loop,
        peer,
        report::{Figure, Limit},
    },
    BATCH,
    harbour::{Harbour, TOKEN, double, expect},
    trips::Trips,
};
use crate::Result;

const LATENCY: Duration = Duration::from_millis(300);

/// Calls at once: writes to one calendar are serial.
/// Source: <https://developers.google.com/workspace/calendar/api/guides/quota>, "Use random delays", "Operational limits".
const AT_ONCE: u64 = 1;

pub(in super::super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let trips = Trips::new(scale.of(10_000));
    let slow = double("calendar-latency", LATENCY, true)?;
    let harbour = Harbour::open("calendar-latency", trips, &slow)?;
    let hash = harbour.plan()?;
    let (_, result) = harbour.sync(Some(&hash))?;
    expect(&result, trips.n)?;
    let ours = slow.log()?.span(BATCH)?;
    let bodies = harbour.path("bodies.txt");
    fs::write(&bodies, lines(&slow.entries()?)?).map_err(|error| format!("{}: {error}", bodies.display()))?;
    drop(slow);

    let slow = double("calendar-latency", LATENCY, false)?;
    bare_loop(&slow, &bodies, AT_ONCE, TOKEN)?;
    let theirs = slow.log()?.span(BATCH)?;
    let name = |what: &str| format!("calendar at 300 ms: {what}");
    Ok(vec![
        Figure::new(name("first to last call"), ours.as_secs_f64(), "s", Limit::None),
        Figure::new(name("bare loop"), theirs.as_secs_f64(), "s", Limit::None),
        Figure::new(name("against the bare loop"), ours.as_secs_f64() / theirs.as_secs_f64(), "times", Limit::AtMost(1.15)),
    ])
}

/// The batches as the peer reads them. The log has no headers; the boundary stands in a body's first line.
fn lines(entries: &[Value]) -> Result<String> {
    let mut text = String::new();
    for entry in entries.iter().filter(|entry| entry["operation"] == BATCH) {
        let (Some(path), Some(body)) = (entry["path"].as_str(), entry["body"].as_str()) else {
            return Err("the sandbox kept no bodies".to_owned());
        };
        let first = body.lines().next().and_then(|line| line.strip_prefix("--"));
        let boundary = first.ok_or("a batch starts with no boundary")?;
        text += &peer::line(path, &format!("multipart/mixed; boundary={boundary}"), body);
    }
    if text.is_empty() { Err("the sandbox saw no batch".to_owned()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::LISTING, *};

    #[test]
    fn batches_are_posted_again_with_their_boundary() {
        let body = "--b1\r\nContent-Type: application/http\r\n\r\nPOST /x\r\n--b1--\r\n";
        let entries = [
            json!({"operation": LISTING, "path": "/calendar/v3/calendars/c/events"}),
            json!({"operation": BATCH, "path": "/batch/calendar/v3", "body": body}),
        ];
        assert_eq!(lines(&entries).unwrap(), peer::line("/batch/calendar/v3", "multipart/mixed; boundary=b1", body));
    }

    #[test]
    fn a_log_without_bodies_is_an_error() {
        assert!(lines(&[json!({"operation": BATCH, "path": "/batch/calendar/v3"})]).is_err());
        assert!(lines(&[json!({"operation": BATCH, "path": "/x", "body": "no parts"})]).is_err());
        assert!(lines(&[]).is_err());
    }
}
