//! A first push to books that take 300 ms for each answer, against a bare reqwest loop with as many calls at once.

use std::time::Duration;

use serde_json::json;
use sync_sandbox::XeroTenantSeed;

use super::{
    super::{
        Scale,
        latency::{self, bare_loop, lines},
        report::{Figure, Limit},
        site::{self, expect},
    },
    AT_ONCE, WRITES,
    desk::{COMPANY, Desk, TOKEN, double},
    sales::Sales,
};
use crate::Result;

const LATENCY: Duration = Duration::from_millis(300);

pub(in super::super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let sales = Sales::new(scale.of(10_000));
    let slow = double("xero-latency", json!({}), LATENCY, true)?;
    let desk = Desk::open("xero-latency", site::DATABASE, sales, &slow, &[])?;
    let hash = desk.plan()?;
    let (_, result) = desk.sync(Some(&hash))?;
    expect(&result, sales.records())?;
    let log = slow.log()?;
    // Slice by slice, its kinds take turns: together they are the time.
    let ours = log.span(&WRITES)?;
    let entries = slow.entries()?;
    drop(slow);

    // Invoices name contacts, and payments invoices, that the double made: the loop writes to none that has them, and what
    // it is answered is no matter of its time.
    let tenant = XeroTenantSeed::new(COMPANY).id();
    let headers = [format!("xero-tenant-id={tenant}"), "accept=application/json".to_owned()];
    let mut theirs = Duration::ZERO;
    for operation in WRITES {
        let slow = double("xero-latency", json!({}), LATENCY, false)?;
        let bodies = desk.write("bodies.txt", &lines(&entries, operation, latency::json)?)?;
        bare_loop(&slow, &bodies, AT_ONCE, TOKEN, &headers)?;
        theirs += slow.log()?.span(&[operation])?;
    }
    let name = |what: &str| format!("xero at 300 ms: {what}");
    Ok(vec![
        Figure::new(name("first to last call"), ours.as_secs_f64(), "s", Limit::None),
        Figure::new(name("bare loop"), theirs.as_secs_f64(), "s", Limit::None),
        Figure::new(name("against the bare loop"), ours.as_secs_f64() / theirs.as_secs_f64(), "times", Limit::AtMost(1.15)),
    ])
}
