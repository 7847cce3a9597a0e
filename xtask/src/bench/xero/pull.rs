//! Invoices that the bookkeeper wrote are made here: a company with a history is connected both ways.

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
    desk::{Desk, double},
    sales::Sales,
};
use crate::Result;

/// Documents in a page. Source: <https://developer.xero.com/documentation/api/efficient-data-retrieval>: up to 1,000.
const PER_PAGE: usize = 1_000;

/// Customers of all these invoices.
const N_CUSTOMERS: usize = 500;

/// Calls of a run besides pages of invoices: the account and its settings, and the other feeds.
const CONSTANT: usize = 20;

pub(in super::super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let sales = Sales::new(scale.of(50_000));
    let base = start::providers()?;
    let contacts: Vec<_> = (0..N_CUSTOMERS).map(|i| json!({"Name": format!("Customer {i}")})).collect();
    let company = json!({"contacts": contacts, "invoices": sales.written_there()});
    let double = double("xero-pull", company, Duration::ZERO, false)?;
    let both = r#"{"direction":"both","on_remote_new":"create"}"#;
    let settings = [format!("contacts={both}"), format!("invoices={both}")];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let desk = Desk::open("xero-pull", site::DATABASE, Sales { n: 0, ..sales }, &double, &settings)?;
    let before = double.log()?;
    let hash = desk.plan()?;
    let planned = double.log()?;
    let (measured, result) = desk.sync(Some(&hash))?;
    let pulled = double.log()?;
    expect(&result, sales.n + N_CUSTOMERS)?;

    let n = sales.n as f64;
    let listing = |operation: &str| operation == "invoices.list";
    let name = |what: &str| format!("xero pull of {}: {what}", sales.n);
    let pages = sales.n.div_ceil(PER_PAGE) + 1;
    Ok(vec![
        Figure::new(name("pages of invoices"), pulled.since(&planned, listing), "calls", Limit::AtMost(pages as f64)),
        Figure::new(name("all calls"), pulled.since(&planned, is_call), "calls", Limit::AtMost((pages + CONSTANT) as f64)),
        Figure::new(name("calls of the plan before"), planned.since(&before, is_call), "calls", Limit::None),
        Figure::new(name("invoices a second of processor"), n / measured.cpu.as_secs_f64(), "/s", Limit::AtLeast(10_000.0)),
        Figure::new(name("invoices a second"), n / measured.wall.as_secs_f64(), "/s", Limit::None),
        Figure::new(
            name("peak memory above a start"),
            mib(measured.peak_bytes.saturating_sub(base.peak_bytes)),
            "MiB",
            Limit::AtMost(64.0),
        ),
    ])
}
