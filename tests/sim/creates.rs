//! Creates whose answers are lost.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use sync_testkit::{Fault, FaultRule, On};

use crate::{Harbour, harbour::CALENDAR};

/// What became of them.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Creates {
    /// How many records were to be made there.
    pub wanted: u64,
    /// How many there are.
    pub made: u64,
    /// How many of them are one too many.
    pub doubled: u64,
    /// How many calls lost their answer.
    pub lost: u64,
    /// How many calls wrote.
    pub calls: u64,
}

impl Creates {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.wanted += other.wanted;
        self.made += other.made;
        self.doubled += other.doubled;
        self.lost += other.lost;
        self.calls += other.calls;
    }
}

/// Makes so many trips in a calendar, losing 30 % of the answers to writing calls after the calls were carried out.
///
/// # Panics
/// When it does not come to an end.
pub fn with_lost_answers(seed: u64, n_trips: u64) -> Creates {
    let harbour = Harbour::new(json!({}), seed);
    for i in 0..n_trips {
        let days = i64::try_from(1 + i % 400).unwrap_or(1);
        harbour.put(&format!("t{i:06}"), harbour.trip(&format!("Trip {i}"), days));
    }
    harbour.wire.add(FaultRule::always(Fault::CutAfter).on(On::Writes).chance(0.3));
    let mut done = Creates { wanted: n_trips, ..Creates::default() };
    for _ in 0..n_trips.max(50) {
        let result = harbour.agree();
        for sent in harbour.wire.take_log() {
            done.calls += u64::from(sent.is_write());
            done.lost += u64::from(sent.fault.is_some());
        }
        if result.success && result.synced == 0 {
            break;
        }
        harbour.clock.advance(Duration::from_secs(16 * 60));
    }
    let mut n_of: BTreeMap<String, u64> = BTreeMap::new();
    for event in harbour.events(CALENDAR).values() {
        *n_of.entry(event["summary"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    done.made = n_of.values().sum();
    done.doubled = n_of.values().map(|n| n - 1).sum();
    done
}
