//! Creates whose answers are lost.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value as Json, json};
use sync_core::SyncResult;
use sync_sandbox::XeroTenantSeed;
use sync_testkit::{Fault, FaultRule, FaultTransport, On, SimClock};

use crate::{Books, Harbour, books::COMPANY, harbour::CALENDAR};

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
    /// Counts records there by what each has only once.
    fn count<'a>(&mut self, names: impl Iterator<Item = &'a Json>) {
        let mut n_of: BTreeMap<String, u64> = BTreeMap::new();
        for name in names {
            *n_of.entry(name.as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        self.made += n_of.values().sum::<u64>();
        self.doubled += n_of.values().map(|n| n - 1).sum::<u64>();
    }

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
pub fn in_a_calendar(seed: u64, n_trips: u64) -> Creates {
    let harbour = Harbour::new(json!({}), seed);
    for i in 0..n_trips {
        let days = i64::try_from(1 + i % 400).unwrap_or(1);
        harbour.put(&format!("t{i:06}"), harbour.trip(&format!("Trip {i}"), days));
    }
    let mut done = Creates { wanted: n_trips, ..Creates::default() };
    sync_through(&harbour.wire, &harbour.clock, || harbour.agree(), &mut done);
    done.count(harbour.events(CALENDAR).values().map(|event| &event["summary"]));
    done
}

/// The same in books: so many customers, each with an invoice that is paid in two parts.
pub fn in_books(seed: u64, n_customers: u64) -> Creates {
    let books = Books::of(XeroTenantSeed::new(COMPANY), json!({}), seed);
    for i in 0..n_customers {
        books.customer(&format!("c{i:05}"), "Diver", &format!("Number {i}"));
        books.put(&format!("i{i:05}"), books.invoice(&format!("c{i:05}"), &format!("D-{i}"), 60));
        books.pay(&format!("p{i:05}"), &format!("i{i:05}"), 20);
        books.pay(&format!("q{i:05}"), &format!("i{i:05}"), 40);
    }
    let mut done = Creates { wanted: 4 * n_customers, ..Creates::default() };
    sync_through(&books.wire, &books.clock, || books.agree(), &mut done);
    done.count(books.all("contacts").iter().map(|contact| &contact["Name"]));
    done.count(books.all("documents").iter().map(|document| &document["InvoiceNumber"]));
    done.count(books.payments().iter().map(|payment| &payment["Reference"]));
    done
}

/// Syncs until nothing is left to do, losing answers on the way.
fn sync_through(wire: &FaultTransport, clock: &SimClock, sync: impl Fn() -> SyncResult, done: &mut Creates) {
    /// Most runs: each loses the answers of fewer records than the one before.
    const MAX_RUNS: usize = 400;
    wire.add(FaultRule::always(Fault::CutAfter).on(On::Writes).chance(0.3));
    for _ in 0..MAX_RUNS {
        let result = sync();
        for sent in wire.take_log() {
            done.calls += u64::from(sent.is_write());
            done.lost += u64::from(sent.fault.is_some());
        }
        if result.success && result.synced == 0 && result.details.is_none_or(|details| details.resume_at.is_none()) {
            break;
        }
        clock.advance(Duration::from_secs(16 * 60));
    }
}
