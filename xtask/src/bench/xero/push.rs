//! Sales end to end: a first push of customers, invoices and payments, its echoes, and nothing changed.

use std::time::Duration;

use serde_json::json;

use super::{
    super::{
        Scale,
        report::{Figure, Limit, mib},
        shop::is_call,
        site::{self, expect},
        start,
    },
    PER_CALL, WRITES,
    desk::{Desk, double},
    sales::Sales,
};
use crate::Result;

/// Calls of a run besides those that carry records: the account and its settings, three feeds, a refreshed sign-in.
const CONSTANT: usize = 20;

pub(in super::super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let sales = Sales::new(scale.of(10_000));
    let base = start::providers()?;
    let double = double("xero-push", json!({}), Duration::ZERO, false)?;
    let desk = Desk::open("xero-push", site::DATABASE, sales, &double, &[])?;
    let hash = desk.plan()?;
    let before = double.log()?;
    let (measured, result) = desk.sync(Some(&hash))?;
    let pushed = double.log()?;
    expect(&result, sales.records())?;
    let (echoes, result) = desk.sync(None)?;
    expect(&result, 0)?;
    let settled = double.log()?;
    let (nothing, result) = desk.sync(None)?;
    expect(&result, 0)?;
    let after = double.log()?;

    let n = sales.records() as f64;
    let writes = |operation: &str| WRITES.contains(&operation);
    let at_most = Limit::AtMost((sales.records().div_ceil(PER_CALL) + CONSTANT) as f64);
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(vec![
        Figure::new("xero push: all calls", pushed.since(&before, is_call), "calls", at_most),
        Figure::new("xero push: calls that write", pushed.since(&before, writes), "calls", Limit::None),
        Figure::new("xero push: processor time a record", measured.cpu.as_secs_f64() * 1e6 / n, "µs", Limit::None),
        Figure::new(
            "xero push: peak memory above a start",
            mib(measured.peak_bytes.saturating_sub(base.peak_bytes)),
            "MiB",
            Limit::AtMost(64.0),
        ),
        Figure::new("xero push: records a second", n / measured.wall.as_secs_f64(), "/s", Limit::None),
        Figure::new("xero echoes: all calls", settled.since(&pushed, is_call), "calls", Limit::None),
        Figure::new("xero echoes: records a second", n / echoes.wall.as_secs_f64(), "/s", Limit::None),
        Figure::new("xero unchanged: writes", after.since(&pushed, writes), "calls", Limit::AtMost(0.0)),
        // A valid token costs no request, each feed and the company's locks one.
        Figure::new("xero unchanged: requests", after.since(&settled, is_call), "calls", Limit::None),
        Figure::new(
            "xero unchanged: requests for a token",
            after.since(&settled, |operation| operation.starts_with("oauth.")),
            "calls",
            Limit::AtMost(0.0),
        ),
        Figure::new("xero unchanged: time of the process", millis(nothing.wall), "ms", Limit::None),
    ])
}
