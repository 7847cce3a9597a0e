//! The shop's document, and the numbers that look like chance.

use jiff::civil::Date;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) organization: String,
    pub(crate) seed: u64,
    pub(crate) today: Date,
    pub(crate) customers: Customers,
    scripts: std::collections::BTreeMap<String, usize>,
    names: Vec<Names>,
    pub(crate) places: Places,
    pub(crate) consent: Consent,
    pub(crate) tags: Tags,
    pub(crate) audience: Audience,
    pub(crate) trips: Trips,
    pub(crate) bookings: BookingNumbers,
    pub(crate) books: Books,
}

/// What was sold and paid.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BookingNumbers {
    pub(crate) total: usize,
    pub(crate) days: u16,
    pub(crate) gear_added: usize,
    pub(crate) refunded: usize,
    pub(crate) no_shows: usize,
    pub(crate) till_sales: usize,
    pub(crate) courses: Vec<String>,
    pub(crate) gear: Vec<String>,
}

/// The company in Xero.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Books {
    pub(crate) contacts: usize,
    pub(crate) years: u8,
    pub(crate) invoices: usize,
    pub(crate) bills: usize,
    pub(crate) locked_to: Date,
    pub(crate) walk_in: String,
    pub(crate) entered: usize,
    pub(crate) mistyped: usize,
    pub(crate) recoded: usize,
    pub(crate) paid_by_hand: usize,
    pub(crate) deposits_by_hand: usize,
    pub(crate) merged: usize,
    pub(crate) suppliers: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trips {
    pub(crate) total: usize,
    pub(crate) sessions: usize,
    pub(crate) zone: String,
    pub(crate) past: i64,
    pub(crate) storm_after: i64,
    pub(crate) yard_after: i64,
    pub(crate) yard_boat: String,
    pub(crate) boats: Vec<String>,
    pub(crate) sites: Vec<String>,
    pub(crate) meeting_points: Vec<String>,
    pub(crate) courses: Vec<String>,
    pub(crate) instructors: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Customers {
    pub(crate) total: usize,
    pub(crate) opted_in: usize,
    pub(crate) without_email: usize,
    pub(crate) families: usize,
    pub(crate) walk_ins: usize,
    pub(crate) maria_garcias: usize,
    pub(crate) canary: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Names {
    script: String,
    pub(crate) languages: Vec<String>,
    pub(crate) first: Vec<String>,
    pub(crate) last: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Places {
    /// Town, postal code, country.
    pub(crate) towns: Vec<(String, String, String)>,
    pub(crate) streets: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Consent {
    pub(crate) sources: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tags {
    pub(crate) roles: Vec<String>,
    pub(crate) levels: Vec<String>,
    pub(crate) trips: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audience {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) subscribed: usize,
    pub(crate) unsubscribed: usize,
    pub(crate) cleaned: usize,
    pub(crate) archived: usize,
    pub(crate) strangers: Strangers,
    pub(crate) subscribed_without_local_consent: usize,
    pub(crate) required_field: RequiredField,
    pub(crate) marketer_tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Strangers {
    pub(crate) subscribed: usize,
    pub(crate) unsubscribed: usize,
    pub(crate) cleaned: usize,
    pub(crate) archived: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequiredField {
    pub(crate) tag: String,
    pub(crate) name: String,
}

impl Document {
    /// Names of one script, by the scripts' shares.
    pub(crate) fn names(&self, rng: &mut Rng) -> Option<&Names> {
        let mut at = rng.below(self.scripts.values().sum());
        let script = self.scripts.iter().find_map(|(script, share)| match at.checked_sub(*share) {
            Some(rest) => {
                at = rest;
                None
            }
            None => Some(script),
        })?;
        self.names.iter().find(|names| names.script == *script)
    }

    /// Names in Latin letters.
    pub(crate) fn latin(&self) -> Option<&Names> {
        self.names.iter().find(|names| names.script == "latin")
    }
}

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): small, and the same on every machine and in every version.
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 for 0. The bias of the remainder is far below what a sample shows.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// One of these texts, as an own one; empty when there is none.
    pub(crate) fn text(&mut self, from: &[String]) -> String {
        self.pick(from).cloned().unwrap_or_default()
    }

    /// Brings them into another order.
    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for i in (1..all.len()).rev() {
            all.swap(i, self.below(i + 1));
        }
    }
}
