//! The main job, end to end: a first push, a look at its echoes, nothing changed, a full scan, and some changes.

use std::time::Duration;

use super::{
    Scale,
    child::Measured,
    contacts::{Contacts, PER_CALL},
    report::{Figure, Limit, mib},
    shop::{Double, Log, Shop, is_call, is_listing, is_member_call, is_tag_call},
    site::expect,
    start,
};
use crate::Result;

pub(super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let contacts = Contacts::new(scale.n_contacts());
    let base = start::providers()?;
    let double = Double::start(Duration::ZERO, false)?;
    let shop = Shop::open("push", contacts, &double)?;
    let mut figures = first(&shop, &double, contacts, &base)?;
    figures.extend(unchanged(&shop, &double, contacts, &base)?);
    figures.extend(changed(&shop, &double, contacts)?);
    Ok(figures)
}

fn first(shop: &Shop, double: &Double, contacts: Contacts, base: &Measured) -> Result<Vec<Figure>> {
    let hash = shop.plan()?;
    let before = double.log()?;
    let (measured, result) = shop.sync(Some(&hash))?;
    let after = double.log()?;
    expect(&result, contacts.n)?;

    let n = contacts.n as f64;
    let refused = result["failed"].as_u64().unwrap_or_default() as usize;
    let wall = measured.wall.as_secs_f64();
    let calls = |of: fn(&str) -> bool| after.since(&before, of);
    let at_most = |limit: usize| Limit::AtMost(limit as f64);
    Ok(vec![
        Figure::new(
            "first push: calls with members",
            calls(is_member_call),
            "calls",
            at_most(contacts.n.div_ceil(PER_CALL) + refused + 5),
        ),
        Figure::new("first push: calls with tags", calls(is_tag_call), "calls", at_most(contacts.tag_calls())),
        // The audience is empty, which takes a look to know; archived members are in a listing of their own.
        Figure::new("first push: listing calls", calls(is_listing), "calls", at_most(2)),
        Figure::new("first push: all calls", calls(is_call), "calls", Limit::None),
        Figure::new(
            "first push: processor time a contact",
            measured.cpu.as_secs_f64() * 1e6 / n,
            "µs",
            Limit::AtMost(100.0),
        ),
        Figure::new(
            "first push: peak memory above a start",
            mib(measured.peak_bytes.saturating_sub(base.peak_bytes)),
            "MiB",
            Limit::AtMost(64.0),
        ),
        Figure::new("first push: time", wall, "s", Limit::None),
        Figure::new("first push: contacts a second", n / wall, "/s", Limit::None),
    ])
}

/// Two runs after the push: one pages through the push's own echoes, the other finds nothing. Then a scan of all records,
/// which a changed setting asks for.
fn unchanged(shop: &Shop, double: &Double, contacts: Contacts, base: &Measured) -> Result<Vec<Figure>> {
    let start = double.log()?;
    let (echoes, _) = shop.sync(None)?;
    let before = double.log()?;
    let (nothing, result) = shop.sync(None)?;
    let after = double.log()?;
    expect(&result, 0)?;

    shop.run(&["settings", "mailchimp", "--set", "same_address=oldest"])?;
    let (scan, result) = shop.sync(None)?;
    let scanned = double.log()?;
    expect(&result, 0)?;
    let unchanged = result["details"]["outcomes"]["unchanged"].as_u64().unwrap_or_default();
    if unchanged != contacts.n as u64 {
        return Err(format!("the scan compared {unchanged} records instead of {}", contacts.n));
    }

    let n = contacts.n as f64;
    let writes = |log: &Log| log.calls(|operation| is_member_call(operation) || is_tag_call(operation)) as f64;
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    // What a run costs that scans nothing is taken off.
    let per_second = |all: Duration, less: Duration| n / all.saturating_sub(less).as_secs_f64().max(1e-3);
    Ok(vec![
        Figure::new("run after the push: listing calls", before.since(&start, is_listing), "calls", Limit::None),
        Figure::new("run after the push: time", echoes.wall.as_secs_f64(), "s", Limit::None),
        Figure::new("nothing changed: writes", writes(&scanned) - writes(&start), "calls", Limit::AtMost(0.0)),
        Figure::new("nothing changed: requests", after.since(&before, is_call), "calls", Limit::AtMost(3.0)),
        Figure::new("nothing changed: time of the process", millis(nothing.wall), "ms", Limit::AtMost(100.0)),
        Figure::new("nothing changed: processor time", millis(nothing.cpu), "ms", Limit::None),
        Figure::new("full scan: records a second", per_second(scan.wall, nothing.wall), "/s", Limit::AtLeast(100_000.0)),
        Figure::new("full scan: records a second of processor", per_second(scan.cpu, nothing.cpu), "/s", Limit::None),
        Figure::new(
            "full scan: peak memory above a start",
            mib(scan.peak_bytes.saturating_sub(base.peak_bytes)),
            "MiB",
            Limit::None,
        ),
    ])
}

fn changed(shop: &Shop, double: &Double, contacts: Contacts) -> Result<Vec<Figure>> {
    shop.import(contacts.changed())?;
    let before = double.log()?;
    let (measured, result) = shop.sync(None)?;
    let after = double.log()?;
    expect(&result, contacts.n_changed())?;
    let all = 2 + contacts.changed_tag_calls() + 5;
    Ok(vec![
        Figure::new("1 % changed: calls with members", after.since(&before, is_member_call), "calls", Limit::AtMost(2.0)),
        Figure::new("1 % changed: all calls", after.since(&before, is_call), "calls", Limit::AtMost(all as f64)),
        Figure::new("1 % changed: time", measured.wall.as_secs_f64() * 1000.0, "ms", Limit::None),
    ])
}
