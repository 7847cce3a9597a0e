//! The trips that are measured with, the same in every run but for the day on which they start.

use jiff::{ToSpan as _, civil::Date};
use sync_core::{LocalId, Record, Value};

/// The zone of all of them.
pub(super) const ZONE: &str = "Europe/Madrid";

/// They lie on so many days, all of which the provider's window lets through: it ends after 18 months.
const N_DAYS: i64 = 500;

/// The first one is so many days from today, so that none is over before the last run.
const LEAD_DAYS: i64 = 2;

/// A list of trips.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trips {
    pub(super) n: usize,
    pub(super) today: Date,
}

impl Trips {
    /// From the system's today.
    pub(super) fn new(n: usize) -> Self {
        Self { n, today: jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date() }
    }

    pub(super) fn id(i: usize) -> LocalId {
        LocalId::new(format!("t{i:07}"))
    }

    /// One trip. Nobody has booked, so that moving it asks nobody.
    pub(super) fn record(self, i: usize) -> Record {
        let hour = 7 + i % 11;
        let days = LEAD_DAYS + i64::try_from(i).unwrap_or(0) % N_DAYS;
        Record::new()
            .with("title", Value::text(format!("Reef {} and back, group {i}", i % 97)))
            .with("date", Value::Date(self.today.saturating_add(days.days())))
            .with("start_time", Value::text(format!("{hour:02}:00")))
            .with("end_time", Value::text(format!("{:02}:30", hour + 4)))
            .with("zone", Value::text(ZONE))
            .with("location", Value::text(format!("Harbour, pier {}", i % 7)))
            .with("boat", Value::text(if i.is_multiple_of(2) { "Manta" } else { "Dory" }))
            .with("booked", Value::Decimal(0.into()))
            .with("capacity", Value::Decimal(12.into()))
            .with("status", Value::text("scheduled"))
    }

    /// The same under another title.
    pub(super) fn renamed(self, i: usize) -> Record {
        let mut record = self.record(i);
        record.set("title", Value::text(format!("Wreck {} and back, group {i}", i % 97)));
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trips_lie_within_the_window_and_differ_in_their_titles() {
        let trips = Trips { n: 2_000, today: jiff::civil::date(2026, 3, 1) };
        let last = trips.today.saturating_add(17.months());
        let titles: std::collections::BTreeSet<_> = (0..trips.n)
            .map(|i| {
                let record = trips.record(i);
                let Some(Value::Date(date)) = record.value("date") else { panic!("a trip without a date") };
                assert!(*date > trips.today && *date < last, "{date}");
                record.text("title").unwrap().to_owned()
            })
            .collect();
        assert_eq!(titles.len(), trips.n);
        assert_ne!(trips.record(3), trips.renamed(3));
    }
}
