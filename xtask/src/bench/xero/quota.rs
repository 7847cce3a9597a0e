//! A first push within Xero's limits, in virtual time.

use std::{sync::Arc, time::Duration};

use jiff::civil::Date;
use serde_json::{Map, Value as Json};
use sync_core::{Clock as _, Collection, LocalId, Record, Ref, Value};
use sync_engine::MemoryStore;
use sync_sandbox::{InProcess, Sandbox, SandboxOptions, Xero, XeroSeed, XeroTenantSeed, XeroTokenSeed};
use sync_testkit::{Shop, SimClock, sim::Rig};

use super::{
    super::{
        Scale, quota,
        report::{Figure, Limit},
        site::ORGANIZATION,
    },
    AT_ONCE, WRITES,
    desk::{COMPANY, SETTINGS, TOKEN},
    sales::Sales,
};
use crate::Result;

/// How long the double takes for an answer.
const LATENCY: Duration = Duration::from_millis(300);

/// Calls in any minute.
/// Source: <https://developer.xero.com/documentation/guides/oauth2/limits/>.
const PER_MINUTE: u64 = 60;
const WINDOW: Duration = Duration::from_secs(60);

pub(in super::super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    let clock = SimClock::new();
    let time = Arc::new(clock.clone());
    let sales =
        Sales { n: if scale.quick { 1_000 } else { 5_000 }, today: clock.now().to_zoned(jiff::tz::TimeZone::UTC).date() };
    let company = XeroTenantSeed::new(COMPANY);
    let tenant = company.id();
    let seed = XeroSeed::new("bookkeeper@example.com", company).with_token(XeroTokenSeed::new(TOKEN));
    let options = SandboxOptions::default().with_quotas().with_latency(LATENCY);
    let sandbox = Sandbox::new(Xero::new(seed), options, time.clone());
    let shop = Arc::new(Shop::with_feed());
    stock(&shop, sales)?;
    let store = Arc::new(MemoryStore::new(time));
    let transport = Arc::new(InProcess(sandbox.clone()));
    let rig = Rig::new(provider_xero::REGISTRATION, clock.clone(), store, shop, transport);
    let settings: Map<String, Json> = SETTINGS.iter().filter_map(|setting| setting.split_once('=')).map(setting).collect();
    let connected = async {
        rig.connect_by_token(ORGANIZATION, TOKEN, settings.into()).await?;
        rig.choose(ORGANIZATION, &tenant).await
    };
    clock.block_on(connected).map_err(|error| format!("{error:?}"))?;

    let mut before = None;
    let pushed = quota::push(&clock, &rig, || before = Some(sandbox.log(false)))?;
    let log = sandbox.log(false);
    let before = before.unwrap_or_default();
    let calls = calls(&log) - calls(&before);
    let n_made = ["contacts", "documents", "payments"]
        .map(|of| sandbox.state()["tenants"][COMPANY][of].as_object().map_or(0, Map::len));
    if !pushed.result.success || n_made != [sales.n; 3] {
        return Err(format!("{n_made:?} records were made instead of {} of each: {:?}", sales.n, pushed.result));
    }
    let took = pushed.took(&sandbox, &WRITES)?;
    let least = WINDOW * u32::try_from(calls.saturating_sub(1) / PER_MINUTE).unwrap_or(u32::MAX);
    let most = least.as_secs_f64() * 1.02 + WINDOW.as_secs_f64();
    let refused = sandbox.summary()["over_quota"].as_u64().ok_or("the double counts no refusals")?;
    let name = |what: &str| format!("xero quota, {}: {what}", sales.records());
    Ok(vec![
        Figure::new(name("calls"), calls as f64, "calls", Limit::None),
        Figure::new(name("least time"), least.as_secs_f64(), "s", Limit::None),
        Figure::new(name("virtual time"), took.as_secs_f64(), "s", Limit::AtMost(most)),
        Figure::new(name("calls refused over quota"), refused as f64, "calls", Limit::AtMost(0.0)),
        Figure::new(
            name("calls at once"),
            log["peak_in_flight"].as_u64().unwrap_or_default() as f64,
            "calls",
            Limit::AtMost(AT_ONCE as f64),
        ),
        Figure::new(name("runs"), pushed.n_runs as f64, "runs", Limit::None),
    ])
}

fn calls(log: &Json) -> u64 {
    let operations = log["by_operation"].as_object().into_iter().flatten();
    operations.filter_map(|(_, tally)| tally["calls"].as_u64()).sum()
}

fn setting((name, value): (&str, &str)) -> (String, Json) {
    (name.to_owned(), serde_json::from_str(value).ok().filter(Json::is_object).unwrap_or_else(|| value.into()))
}

/// The sales as records, the same that `syncctl import` makes of the files.
fn stock(shop: &Shop, sales: Sales) -> Result<()> {
    for i in 0..sales.n {
        let (invoice, payment) = (sales.invoice(i), sales.payment(i));
        let id = |json: &Json| json["id"].as_str().unwrap_or_default().to_owned();
        let customer = Record::new()
            .with("first_name", Value::text(format!("First{}", i % 977)))
            .with("last_name", Value::text(format!("Last{i}")))
            .with("email", Value::text(format!("customer{i}@example.com")));
        let of = invoice["customer"].as_str().unwrap_or_default();
        shop.put(ORGANIZATION, &Collection::CUSTOMERS, of, customer);
        let lines = invoice["lines"].as_array().into_iter().flatten().map(record).collect::<Result<_>>()?;
        let mut ours = record(&invoice)?.with("lines", Value::List(lines));
        ours.set("customer", Value::Ref(Ref::Local { collection: Collection::CUSTOMERS, id: LocalId::new(of) }));
        shop.put(ORGANIZATION, &Collection::INVOICES, &id(&invoice), ours);
        let on = Value::Ref(Ref::Local { collection: Collection::INVOICES, id: LocalId::new(id(&invoice)) });
        let mut ours = record(&payment)?;
        let amount = ours.value("amount").cloned().unwrap_or(Value::Null);
        ours.set("allocations", Value::List(vec![Record::new().with("invoice", on).with("amount", amount)]));
        shop.put(ORGANIZATION, &Collection::PAYMENTS, &id(&payment), ours);
    }
    Ok(())
}

/// The plain fields of a JSON object.
fn record(json: &Json) -> Result<Record> {
    let mut record = Record::new();
    for (name, value) in json.as_object().into_iter().flatten() {
        let value = match value {
            Json::Number(number) => {
                Value::Decimal(number.to_string().parse().map_err(|_| format!("{number} is no amount"))?)
            }
            Json::String(text) if name == "date" => Value::Date(text.parse::<Date>().map_err(|error| error.to_string())?),
            Json::String(text) if !matches!(&**name, "id" | "customer" | "invoice") => Value::text(text.as_str()),
            _ => continue,
        };
        record.set(name.as_str(), value);
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_over_limits_is_measured_in_virtual_time() {
        // The case itself refuses a push that did not make every record.
        let figures = run(Scale { quick: true }).unwrap();
        assert!(figures.iter().any(|figure| figure.name.ends_with("calls refused over quota") && figure.value == 0.0));
    }
}
