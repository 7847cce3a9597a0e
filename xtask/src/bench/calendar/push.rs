//! Events end to end: a first push, its echoes, nothing changed, and changes on both sides.

use std::time::Duration;

use serde_json::json;

use super::{
    super::{
        Scale,
        child::Measured,
        report::{Figure, Limit, mib},
        shop::{Double, is_call},
        site::{act, expect},
        start,
    },
    BATCH, LISTING, PER_BATCH,
    harbour::{CALENDAR, Harbour, double},
    trips::Trips,
};
use crate::Result;

/// Calls of a run besides those that carry events: asking the feed, a refreshed sign-in, and room for what it looks at.
const CONSTANT: usize = 5;

/// So many trips change here, and as many others there.
const N_CHANGED: usize = 500;

pub(in super::super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let trips = Trips::new(scale.of(50_000));
    let base = start::providers()?;
    let double = double("calendar-push", Duration::ZERO, false)?;
    let harbour = Harbour::open("calendar-push", trips, &double)?;
    let mut figures = first(&harbour, &double, trips, &base)?;
    figures.extend(unchanged(&harbour, &double, trips)?);
    figures.extend(changed(&harbour, &double, trips, scale.of(N_CHANGED))?);
    Ok(figures)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn first(harbour: &Harbour, double: &Double, trips: Trips, base: &Measured) -> Result<Vec<Figure>> {
    let hash = harbour.plan()?;
    let before = double.log()?;
    let (measured, result) = harbour.sync(Some(&hash))?;
    let after = double.log()?;
    expect(&result, trips.n)?;
    let n = trips.n as f64;
    let all = Limit::AtMost((trips.n.div_ceil(PER_BATCH) + CONSTANT) as f64);
    Ok(vec![
        Figure::new("calendar push: all calls", after.since(&before, is_call), "calls", all),
        Figure::new("calendar push: processor time an event", measured.cpu.as_secs_f64() * 1e6 / n, "µs", Limit::None),
        Figure::new(
            "calendar push: peak memory above a start",
            mib(measured.peak_bytes.saturating_sub(base.peak_bytes)),
            "MiB",
            Limit::None,
        ),
        Figure::new("calendar push: events a second", n / measured.wall.as_secs_f64(), "/s", Limit::None),
    ])
}

/// The first run after the push pages through its echoes, the second finds nothing.
fn unchanged(harbour: &Harbour, double: &Double, trips: Trips) -> Result<Vec<Figure>> {
    let start = double.log()?;
    let (echoes, result) = harbour.sync(None)?;
    expect(&result, 0)?;
    let before = double.log()?;
    let (nothing, result) = harbour.sync(None)?;
    let after = double.log()?;
    expect(&result, 0)?;
    let writes = |operation: &str| operation == BATCH || operation.starts_with("events.") && operation != LISTING;
    let calls = before.since(&start, is_call);
    let per_second = trips.n as f64 / echoes.wall.as_secs_f64();
    Ok(vec![
        Figure::new("calendar echoes: all calls", calls, "calls", Limit::None),
        Figure::new("calendar echoes: events a second", per_second, "/s", Limit::None),
        Figure::new("calendar unchanged: writes", after.since(&start, writes), "calls", Limit::AtMost(0.0)),
        Figure::new("calendar unchanged: requests", after.since(&before, is_call), "calls", Limit::AtMost(1.0)),
        Figure::new("calendar unchanged: time of the process", millis(nothing.wall), "ms", Limit::AtMost(150.0)),
        Figure::new("calendar unchanged: processor time", millis(nothing.cpu), "ms", Limit::None),
    ])
}

/// People move some events, the shop renames others, at the same time. Cost follows change: each local change is a call
/// of its own in batches, all remote ones come in one page.
fn changed(harbour: &Harbour, double: &Double, trips: Trips, n: usize) -> Result<Vec<Figure>> {
    let step = trips.n / n / 2;
    harbour.put((0..n).map(|k| 2 * k * step).map(|i| (i, trips.renamed(i))))?;
    let moved = harbour.event_ids((0..n).map(|k| (2 * k + 1) * step))?;
    let shift = |event| json!({"do": "shift", "calendar": CALENDAR, "event": event, "minutes": 30});
    act(double.url(), moved.into_iter().map(shift).collect())?;

    let before = double.log()?;
    let (measured, result) = harbour.sync(None)?;
    let after = double.log()?;
    expect(&result, 2 * n)?;
    let calls = |of: &str| after.since(&before, |operation| operation == of);
    let batches = Limit::AtMost(n.div_ceil(PER_BATCH) as f64);
    let all = Limit::AtMost((n.div_ceil(PER_BATCH) + CONSTANT) as f64);
    let name = |what: &str| format!("calendar, 2 × {n} changed: {what}");
    Ok(vec![
        Figure::new(name("batches"), calls(BATCH), "calls", batches),
        Figure::new(name("all calls"), after.since(&before, is_call), "calls", all),
        Figure::new(name("time"), millis(measured.wall), "ms", Limit::None),
        Figure::new(name("processor time"), millis(measured.cpu), "ms", Limit::None),
    ])
}
