//! Lost replies, storms, refusals: nothing is doubled, nothing is lost.

use std::time::Duration;

use http::StatusCode;
use sync_core::SyncResult;
use sync_testkit::{Fault, FaultRule, On};
use sync_tests::{AUDIENCE, Laws, ORG, Town, customer, member, number};

/// Runs until all is there, at most so often; time passes in between as the results ask for.
fn persist(town: &Town, most_runs: usize) -> (SyncResult, usize) {
    for n_runs in 1..=most_runs {
        let result = town.agree();
        town.clock.advance(Duration::from_secs(10 * 60));
        if result.success {
            // What was sent again while recovering is looked at once more.
            town.agree();
            return (result, n_runs);
        }
    }
    panic!("it is not done after {most_runs} runs: {:?}", town.sync());
}

fn people(n: usize) -> impl Iterator<Item = (String, sync_core::Record)> {
    (0..n).map(|n| (format!("c{n:05}"), customer(&format!("person{n}"), &[])))
}

#[test]
fn three_thousand_creates_with_three_in_ten_replies_lost_make_three_thousand_members() {
    let seed = 101;
    println!("seed {seed}");
    let town = Town::new([], seed);
    let town = Town { rig: town.rig.clone().with_config(serde_json::json!({"members_per_call": 60})), ..town };
    town.connect(ORG, people(3_000));
    town.wire.add(FaultRule::always(Fault::CutAfter).on(On::Writes).chance(0.3));
    let (_, n_runs) = persist(&town, 200);
    assert!(town.wire.n_struck() > 10, "{} replies were lost", town.wire.n_struck());
    assert!(n_runs > 5);
    town.wire.heal();
    let members = town.members(AUDIENCE);
    assert_eq!(members.len(), 3_000);
    assert_eq!(town.clock.block_on(Laws::new().broken(&town)), [""; 0]);
}

#[test]
fn calls_that_are_carried_out_long_after_we_gave_up_double_nothing() {
    let seed = 102;
    println!("seed {seed}");
    let town = Town::new([member("person3", "unsubscribed")], seed);
    let town = Town { rig: town.rig.clone().with_config(serde_json::json!({"members_per_call": 10})), ..town };
    town.connect(ORG, people(60));
    town.wire.add(FaultRule::always(Fault::TimedOutThenDone(Duration::from_secs(100))).on(On::Writes).chance(0.4));
    persist(&town, 100);
    assert!(town.wire.n_struck() > 2);
    town.wire.heal();
    assert_eq!(town.members(AUDIENCE).len(), 60);
    let laws = Laws::new().refused(["person3"]);
    assert_eq!(town.clock.block_on(laws.broken(&town)), [""; 0]);
}

#[test]
fn a_storm_of_429_and_5xx_is_waited_out() {
    let seed = 103;
    println!("seed {seed}");
    let town = Town::new([], seed);
    let town = Town { rig: town.rig.clone().with_config(serde_json::json!({"members_per_call": 20})), ..town };
    town.connect(ORG, people(200));
    for fault in [
        Fault::too_fast(5),
        Fault::too_fast(300),
        Fault::status(StatusCode::TOO_MANY_REQUESTS),
        Fault::status(StatusCode::INTERNAL_SERVER_ERROR),
        Fault::html(StatusCode::BAD_GATEWAY),
        Fault::status(StatusCode::SERVICE_UNAVAILABLE),
        Fault::Unreachable,
    ] {
        town.wire.add(FaultRule::always(fault).chance(0.12));
    }
    persist(&town, 100);
    assert!(town.wire.n_struck() > 10, "{}", town.wire.n_struck());
    town.wire.heal();
    assert_eq!(town.members(AUDIENCE).len(), 200);
    assert_eq!(town.clock.block_on(Laws::new().broken(&town)), [""; 0]);
}

#[test]
fn noise_for_answers_is_neither_believed_nor_fatal() {
    let seed = 104;
    println!("seed {seed}");
    let town = Town::new([member("person0", "subscribed")], seed);
    let town = Town { rig: town.rig.clone().with_config(serde_json::json!({"members_per_call": 10})), ..town };
    town.connect(ORG, people(80));
    for fault in [Fault::Garbage, Fault::Truncated, Fault::Endless, Fault::html(StatusCode::OK), Fault::CutBefore] {
        town.wire.add(FaultRule::always(fault).chance(0.06));
    }
    persist(&town, 100);
    assert!(town.wire.n_struck() > 3, "{}", town.wire.n_struck());
    town.wire.heal();
    assert_eq!(town.members(AUDIENCE).len(), 80);
    assert_eq!(town.clock.block_on(Laws::new().broken(&town)), [""; 0]);
}

#[test]
fn many_seeds_of_all_faults_at_once_break_no_law() {
    let first = number("SYNC_TEST_SEED").unwrap_or(200);
    let n_seeds = number("SYNC_TEST_RUNS").unwrap_or(24);
    println!("seeds from {first}, {n_seeds} of them");
    for seed in first..first + n_seeds {
        let town = Town::new([member("person1", "unsubscribed"), member("person2", "subscribed")], seed);
        let town = Town { rig: town.rig.clone().with_config(serde_json::json!({"members_per_call": 3})), ..town };
        town.connect(ORG, (0..14).map(|n| (format!("c{n:05}"), customer(&format!("person{n}"), &["diver"]))));
        for fault in [
            Fault::CutAfter,
            Fault::CutBefore,
            Fault::TimedOutAfter,
            Fault::TimedOutThenDone(Duration::from_secs(90)),
            Fault::too_fast(20),
            Fault::status(StatusCode::INTERNAL_SERVER_ERROR),
            Fault::Garbage,
        ] {
            town.wire.add(FaultRule::always(fault).chance(0.05));
        }
        persist(&town, 100);
        for (id, name) in [("c00004", "Edited"), ("c00002", "Edited too")] {
            town.edit(id, |record| {
                record.set("first_name", sync_core::Value::text(name));
            });
        }
        town.shop.delete(ORG, &"customers".into(), "c00005");
        town.edit("c00006", |record| {
            record.set("email", sync_core::Value::text("renamed@example.com"));
        });
        persist(&town, 100);
        town.wire.heal();
        town.clock.advance(Duration::from_secs(3600));
        town.sync();
        let laws = Laws::new().refused(["person1"]);
        assert_eq!(town.clock.block_on(laws.broken(&town)), [""; 0], "seed {seed}");
    }
}
