//! A first push within the quotas, in virtual time: engine, `sync-http`, provider and sandbox in this process.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use sync_core::{Clock as _, Collection};
use sync_engine::MemoryStore;
use sync_sandbox::{CalendarSeed, Google, GoogleQuotas, GoogleSeed, GoogleTokenSeed, InProcess, Sandbox, SandboxOptions};
use sync_testkit::{Shop, SimClock, sim::Rig};

use super::{
    super::{
        Scale, quota,
        report::{Figure, Limit},
        site::ORGANIZATION,
    },
    BATCH,
    harbour::{CALENDAR, TOKEN},
    trips::{Trips, ZONE},
};
use crate::Result;

const OWNER: &str = "captain@example.com";

/// How long the double takes for an answer.
const LATENCY: Duration = Duration::from_millis(300);

/// A quota counts over this long.
/// Source: <https://developers.google.com/workspace/calendar/api/guides/quota>: per minute, over a sliding window.
const WINDOW: Duration = Duration::from_secs(60);

pub(in super::super) fn run(scale: Scale) -> Result<Vec<Figure>> {
    // Ten windows and a half; a twentieth would fit into one window.
    let n = if scale.quick { 1_500 } else { 6_300 };
    let clock = SimClock::new();
    let time = Arc::new(clock.clone());
    let seed = GoogleSeed::new(OWNER)
        .with_calendar(CalendarSeed::new(CALENDAR, "Trips", OWNER).with_zone(ZONE))
        .with_token(GoogleTokenSeed::new(TOKEN, OWNER));
    let options = SandboxOptions::default().with_quotas().with_latency(LATENCY);
    let sandbox = Sandbox::new(Google::new(seed), options, time.clone());
    let shop = Arc::new(Shop::with_feed());
    let trips = Trips { n, today: clock.now().to_zoned(jiff::tz::TimeZone::UTC).date() };
    for i in 0..n {
        shop.put(ORGANIZATION, &Collection::TRIPS, Trips::id(i).as_str(), trips.record(i));
    }
    let store = Arc::new(MemoryStore::new(time));
    let transport = Arc::new(InProcess(sandbox.clone()));
    let rig = Rig::new(provider_google_calendar::REGISTRATION, clock.clone(), store, shop, transport);
    let settings = json!({"calendar": CALENDAR, "direction": "both"});
    clock.block_on(rig.connect_by_token(ORGANIZATION, TOKEN, settings)).map_err(|error| format!("{error:?}"))?;

    let mut units = 0;
    let pushed = quota::push(&clock, &rig, || units = self::units(&sandbox))?;
    let n_made = sandbox.summary()["operations"]["events.insert"].as_u64();
    if !pushed.result.success || n_made != Some(n as u64) {
        return Err(format!("{n_made:?} events were made instead of {n}: {:?}", pushed.result));
    }
    let took = pushed.took(&sandbox, &[BATCH])?;
    let least = least(n as u64, GoogleQuotas::default().user_per_minute);
    let name = |what: &str| format!("calendar quota, {n}: {what}");
    let refused = sandbox.summary()["over_quota"].as_u64().ok_or("the double counts no refusals")?;
    let spent = self::units(&sandbox) - units;
    Ok(vec![
        Figure::new(name("virtual time"), took.as_secs_f64(), "s", Limit::None),
        Figure::new(name("least time"), least.as_secs_f64(), "s", Limit::None),
        Figure::new(name("against the least time"), took.as_secs_f64() / least.as_secs_f64(), "times", Limit::AtMost(1.05)),
        Figure::new(name("calls refused over quota"), refused as f64, "calls", Limit::AtMost(0.0)),
        Figure::new(name("units besides inserts"), spent as f64 - n as f64, "units", Limit::None),
        Figure::new(name("runs"), pushed.n_runs as f64, "runs", Limit::None),
    ])
}

/// The least time in which so many units can be spent: no window holds more than the limit, so each further `limit` units
/// start a window later than those before them. What the last window takes after its start counts for nothing.
fn least(n_units: u64, limit: u64) -> Duration {
    let n_windows = n_units.saturating_sub(1) / limit;
    WINDOW * u32::try_from(n_windows).unwrap_or(u32::MAX)
}

fn units(sandbox: &Sandbox) -> u64 {
    sandbox.summary()["units"].as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_time_is_a_window_for_each_limit_that_went_before() {
        assert_eq!([1, 600, 601, 1_200, 1_201].map(|n| least(n, 600).as_secs()), [0, 0, 60, 60, 120]);
    }

    #[test]
    fn a_push_over_quotas_is_measured_in_virtual_time() {
        // The case itself refuses a push that did not make every event.
        let figures = run(Scale { quick: true }).unwrap();
        assert!(figures.iter().any(|figure| figure.name.ends_with("calls refused over quota") && figure.value == 0.0));
    }
}
