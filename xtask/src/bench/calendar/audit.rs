//! Both sides of a calendar compared in full: every event is listed and read, every record of the shop too, and nothing is
//! written.

use std::time::Duration;

use super::{
    super::{
        Scale,
        report::{Figure, Limit, mib},
        site::expect,
        start,
    },
    harbour::{Harbour, double},
    trips::Trips,
};
use crate::Result;

pub(in super::super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let trips = Trips::new(scale.of(1_000_000));
    let base = start::providers()?;
    let double = double("calendar-audit", Duration::ZERO, false)?;
    let harbour = Harbour::open("calendar-audit", trips, &double)?;
    let hash = harbour.plan()?;
    let (_, result) = harbour.sync(Some(&hash))?;
    expect(&result, trips.n)?;

    let before = double.log()?;
    let (measured, result) = harbour.audit()?;
    let after = double.log()?;
    let unchanged = result["details"]["outcomes"]["unchanged"].as_u64();
    if result["success"] != true || result["differs"] != 0 || unchanged != Some(trips.n as u64) {
        return Err(format!("the audit did not find {} equal records: {result}", trips.n));
    }
    let calls = after.calls(|_| true) - before.calls(|_| true);
    let n = trips.n as f64;
    let per_second = |time: Duration| n / time.as_secs_f64();
    let name = |what: &str| format!("calendar audit of {}: {what}", trips.n);
    Ok(vec![
        Figure::new(name("records a second"), per_second(measured.wall), "/s", Limit::AtLeast(20_000.0)),
        Figure::new(name("records a second of processor"), per_second(measured.cpu), "/s", Limit::None),
        Figure::new(
            name("peak memory above a start"),
            mib(measured.peak_bytes.saturating_sub(base.peak_bytes)),
            "MiB",
            Limit::AtMost(64.0),
        ),
        Figure::new(name("calls"), calls as f64, "calls", Limit::None),
    ])
}
