//! What a newsletter's audience tells.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use sync_core::{Clock as _, ConsentState, Scope, Stop, Transport, TransportError, TransportLimits, Value};
use sync_engine::{EngineConfig, MemoryStore, RunOptions, Store};
use sync_sandbox::RefusalSeed;
use sync_testkit::{Fault, FaultRule, On, Sent, SimClock};

use super::{Broken, differs, meddling::Meddling, wrong};
use crate::{AUDIENCE, ORG, OTHER_AUDIENCE, Town, agreed, customer, member};

/// The writes that went out.
fn writes(town: &Town) -> Vec<Sent> {
    town.wire.take_log().into_iter().filter(Sent::is_write).collect()
}

/// A town with these customers in its audience.
fn at_rest(names: &[&str]) -> Town {
    let town = Town::new([], 1);
    town.open(names);
    town.agree();
    town.sync();
    town.wire.take_log();
    town
}

fn rename(town: &Town, id: &str, name: &str) {
    town.edit(id, |record| {
        record.set("first_name", Value::text(name));
    });
}

/// Runs until nothing waits for a lost answer.
fn persist(town: &Town) {
    for _ in 0..4 {
        town.agree();
        town.clock.advance(Duration::from_secs(10 * 60));
    }
}

pub(super) fn a_write_that_was_cut_off_goes_out_once() -> Broken {
    let town = Town::new([], 1);
    town.open(&["ada", "ben"]);
    town.wire.add(FaultRule::always(Fault::CutAfter).on(On::Writes));
    town.agree();
    differs("law 1: writes of one run", &writes(&town).len(), &1)
}

/// Looks into the store at the moment at which a write is on the wire.
struct Watched {
    inner: Arc<dyn Transport>,
    store: Arc<dyn Store>,
    seen: Arc<Mutex<Broken>>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Watched {
    async fn send(&self, request: Request<Bytes>, limits: TransportLimits) -> Result<Response<Bytes>, TransportError> {
        let scope = Scope::new(ORG, "mailchimp");
        let is_write = request.method() != http::Method::GET;
        if is_write && self.store.open_calls(&scope).await.unwrap_or_default().is_empty() {
            crate::sim::with(&self.seen, |seen| seen.push("law 7: a write is on its way, and nothing says so".to_owned()));
        }
        self.inner.send(request, limits).await
    }
}

pub(super) fn a_write_is_written_down_before_it_leaves() -> Broken {
    let (clock, seen) = (SimClock::new(), Arc::<Mutex<Broken>>::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let watch = |inner| -> Arc<dyn Transport> { Arc::new(Watched { inner, store: store.clone(), seen: seen.clone() }) };
    let town = Town::with(Town::seed([]), 1, clock, store.clone(), watch);
    town.open(&["ada"]);
    town.agree();
    crate::sim::with(&seen, std::mem::take)
}

pub(super) fn a_lost_call_is_left_alone_while_it_may_run() -> Broken {
    /// How long after we gave up the call is carried out.
    const LATE: Duration = Duration::from_secs(100);
    let town = at_rest(&["ada"]);
    rename(&town, "c0000", "Ada B");
    town.wire.add(FaultRule::once(Fault::TimedOutThenDone(LATE)).on(On::Writes));
    town.sync();
    let given_up = town.clock.now();
    for _ in 0..3 {
        town.sync();
        town.clock.advance(Duration::from_secs(10));
    }
    persist(&town);
    let early = |sent: &Sent| sent.at > given_up && sent.at < given_up + LATE;
    let mut broken = wrong(writes(&town).iter().any(early), "law 1: it is sent again while the first may still be running");
    broken.extend(differs("law 2: name", &town.member("ada")["merge_fields"]["FNAME"], &json!("Ada B")));
    broken
}

pub(super) fn an_open_call_is_repeated_as_it_was() -> Broken {
    let town = Town::new([], 1);
    town.open(&["ada", "ben", "cleo"]);
    town.wire.add(FaultRule::once(Fault::CutAfter).on(On::Writes));
    persist(&town);
    let bodies: Vec<Bytes> = writes(&town).into_iter().take(2).map(|sent| sent.body).collect();
    match bodies.as_slice() {
        [first, again] => wrong(first != again, "law 1: an open call was repeated as another one"),
        _ => vec!["it was not repeated".to_owned()],
    }
}

pub(super) fn two_runs_at_once_are_one() -> Broken {
    let town = at_rest(&["ada", "ben"]);
    rename(&town, "c0001", "Benjamin");
    town.wire.add(FaultRule::always(Fault::Slow(Duration::from_secs(2))));
    let both = town.clock.block_on(async { futures_util::join!(town.rig.sync(ORG), town.rig.sync(ORG)) });
    let stopped = [both.0, both.1].map(|result| result.details.and_then(|details| details.stopped));
    wrong(!stopped.contains(&Some(Stop::LeaseHeld)), format!("law 1: two runs at once: {stopped:?}"))
}

pub(super) fn a_record_that_was_saved_unchanged_is_not_written() -> Broken {
    let town = at_rest(&["ada", "ben"]);
    town.edit("c0000", |_| ());
    town.sync();
    differs("law 3: writes of what did not change", &writes(&town).len(), &0)
}

/// One changed, and one said no: something to write, and something to leave out.
fn dry_run() -> Town {
    let town = at_rest(&["ada"]);
    rename(&town, "c0000", "Ada B");
    let denied = agreed(ConsentState::Denied, "2025-06-01T10:00:00Z");
    town.shop.put(ORG, &"customers".into(), "c0001", customer("ben", &[]).with("consent.email", denied));
    town.clock.block_on(town.rig.run(&town.rig.request(ORG).dry_run(), &RunOptions::new()));
    town
}

pub(super) fn a_dry_run_leaves_the_other_side_alone() -> Broken {
    differs("law 4: writes", &writes(&dry_run()).len(), &0)
}

pub(super) fn a_dry_run_leaves_nothing_behind() -> Broken {
    let town = dry_run();
    let items = town.clock.block_on(town.rig.store().items(&town.rig.scope(ORG), None, 10)).unwrap_or_default();
    wrong(!items.is_empty(), "law 4: a dry run left items behind")
}

pub(super) fn a_run_without_news_costs_the_same_however_many_there_are() -> Broken {
    /// A look at the feed, and one at the settings.
    const MOST: usize = 4;
    let town = Town::new((0..60).map(|n| member(&format!("zoe{n}"), "subscribed")), 1);
    let town = Town { rig: town.rig.clone().with_config(json!({"page_size": 5})), ..town };
    town.open(&["ada"]);
    persist(&town);
    town.wire.take_log();
    town.sync();
    let n_calls = town.wire.take_log().len();
    wrong(n_calls > MOST, format!("law 5: a run without news made {n_calls} calls"))
}

pub(super) fn a_change_that_did_not_arrive_goes_with_the_next_run() -> Broken {
    let town = at_rest(&["ada"]);
    rename(&town, "c0000", "Ada B");
    town.wire.add(FaultRule::always(Fault::Unreachable).on(On::Writes));
    town.sync();
    town.wire.heal();
    persist(&town);
    differs("law 2: name", &town.member("ada")["merge_fields"]["FNAME"], &json!("Ada B"))
}

pub(super) fn everybody_arrives_whatever_the_page() -> Broken {
    let mut engine = EngineConfig::default();
    (engine.page, engine.window) = (3, 3);
    let town = Town::new([], 1);
    let town = Town { rig: town.rig.clone().with_engine(engine), ..town };
    town.open(&["ada", "ben", "cleo", "dan", "eve", "fay", "gus", "hal"]);
    persist(&town);
    differs("law 2: members", &town.members(AUDIENCE).len(), &8)
}

pub(super) fn what_was_refused_there_stands_here() -> Broken {
    let account = Town::seed([]).with_refusal("ben@example.com", RefusalSeed::LooksFake);
    let town = Town::of(account, 1);
    town.open(&["ada", "ben"]);
    town.agree();
    let items = town.clock.block_on(town.rig.store().items(&town.rig.scope(ORG), None, 10)).unwrap_or_default();
    differs("law 7: what stands", &items.len(), &1)
}

pub(super) fn who_signed_up_meanwhile_is_looked_at() -> Broken {
    let (clock, people) = (SimClock::new(), Meddling::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let town = Town::with(Town::seed([]), 1, clock, store, |inner| people.around(inner));
    town.open(&["ada"]);
    let hash = town.sync().details.and_then(|details| details.plan_hash);
    let there = town.clone();
    people.next(move || {
        there.act("subscribe", "ada", json!({}));
        there.act("edit", "ada", json!({"field": "FNAME", "value": "From before"}));
    });
    town.clock.block_on(town.rig.run(&town.rig.request(ORG), &RunOptions::new().approve(hash)));
    differs("law 2: name", &town.member("ada")["merge_fields"]["FNAME"], &json!("ada"))
}

pub(super) fn who_said_no_in_one_audience_is_not_put_into_another() -> Broken {
    let town = at_rest(&["ada", "ben"]);
    town.act("unsubscribe", "ada", json!({}));
    town.sync();
    let moved = town.rig.set(ORG, |settings| settings["audience"] = json!(OTHER_AUDIENCE));
    let moved = town.clock.block_on(moved);
    persist(&town);
    let mut broken = wrong(moved.is_err(), format!("{moved:?}"));
    let statuses = town.statuses(OTHER_AUDIENCE);
    broken.extend(differs("ben", &statuses.get("ben").map(String::as_str), &Some("subscribed")));
    broken.extend(wrong(statuses.contains_key("ada"), "law 9: ada said no and is in the other audience"));
    broken
}

pub(super) fn a_grant_of_another_account_writes_nothing() -> Broken {
    let town = at_rest(&["ada"]);
    let (scope, store) = (town.rig.scope(ORG), town.rig.store());
    let changed = town.clock.block_on(async {
        let Some(grant) = store.load(&scope).await? else { return Ok(()) };
        let others = sync_core::Grant { account: Some("another".into()), generation: grant.generation + 1, ..grant.clone() };
        store.swap(&scope, Some(grant.generation), Some(others)).await.map(|_| ())
    });
    rename(&town, "c0000", "Ada B");
    town.sync();
    let mut broken = wrong(changed.is_err(), format!("{changed:?}"));
    broken.extend(differs("law 12: writes into another account", &writes(&town).len(), &0));
    broken
}
