//! A first push to a calendar that takes 300 ms for each answer, against a bare reqwest loop. Both write to one calendar,
//! one call after another.

use std::time::Duration;

use super::{
    super::{
        Scale,
        latency::{bare_loop, lines},
        report::{Figure, Limit},
        site::expect,
    },
    BATCH,
    harbour::{Harbour, TOKEN, double},
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
    let ours = slow.log()?.span(&[BATCH])?;
    let bodies = harbour.write("bodies.txt", &lines(&slow.entries()?, BATCH, multipart)?)?;
    drop(slow);

    let slow = double("calendar-latency", LATENCY, false)?;
    bare_loop(&slow, &bodies, AT_ONCE, TOKEN, &[])?;
    let theirs = slow.log()?.span(&[BATCH])?;
    let name = |what: &str| format!("calendar at 300 ms: {what}");
    Ok(vec![
        Figure::new(name("first to last call"), ours.as_secs_f64(), "s", Limit::None),
        Figure::new(name("bare loop"), theirs.as_secs_f64(), "s", Limit::None),
        Figure::new(name("against the bare loop"), ours.as_secs_f64() / theirs.as_secs_f64(), "times", Limit::AtMost(1.15)),
    ])
}

/// A batch names its boundary in its first line.
fn multipart(body: &str) -> Option<String> {
    let boundary = body.lines().next()?.strip_prefix("--")?;
    Some(format!("multipart/mixed; boundary={boundary}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_sent_again_with_its_boundary() {
        let body = "--b1\r\nContent-Type: application/http\r\n\r\nPOST /x\r\n--b1--\r\n";
        assert_eq!(multipart(body).unwrap(), "multipart/mixed; boundary=b1");
        assert_eq!(multipart("no parts"), None);
    }
}
