//! Trips and course sessions: two boats, night dives, a storm, a day in the yard, a year with both changes of the clocks.

use jiff::{
    ToSpan,
    civil::{Date, Time, time},
};
use rust_decimal::Decimal;
use sync_core::{
    LocalId, Record,
    model::{Event, EventStatus, Model as _},
};

use super::seed::{Document, Rng, Trips};

/// One trip or session of the sample.
#[derive(Clone, PartialEq)]
pub struct Outing {
    /// The id, such as `T-0042` or `S-0007`.
    pub id: LocalId,
    /// What the shop knows.
    pub event: Event,
}

/// Prints no content.
impl std::fmt::Debug for Outing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outing").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Outing {
    /// As the store keeps it.
    pub fn into_row(self) -> (LocalId, Record) {
        (self.id, self.event.into_record())
    }
}

/// One trip a day, the boats by turns, around a day.
pub(super) fn trips(document: &Document, today: Date) -> Vec<Outing> {
    let sample = &document.trips;
    let mut rng = Rng::new(document.seed ^ 0x7472_6970);
    (0..sample.total)
        .map(|i| {
            let day = offset(today, i64::try_from(i).unwrap_or(0) - sample.past);
            let boat = sample.boats.get(i % sample.boats.len().max(1)).cloned().unwrap_or_default();
            let is_night = i % 9 == 4;
            let (start, end) = if is_night { (time(20, 30, 0, 0), time(0, 30, 0, 0)) } else { day_trip(&mut rng) };
            let capacity = if boat == sample.yard_boat { 12 } else { 8 };
            // Every fifth has no bookings yet, so that its time can be moved without asking anybody.
            let booked = if i % 5 == 0 { 0 } else { 1 + rng.below(capacity - 1) };
            let site = rng.text(&sample.sites);
            let is_stormy = day == offset(today, sample.storm_after);
            Outing {
                id: LocalId::new(format!("T-{:04}", i + 1)),
                event: Event {
                    title: Some(if is_night { format!("Night dive: {site}") } else { site }),
                    date: Some(day),
                    start_time: Some(start),
                    end_time: Some(end),
                    zone: Some(sample.zone.clone()),
                    location: Some(rng.text(&sample.meeting_points)),
                    boat: Some(boat),
                    booked: Some(Decimal::from(booked)),
                    capacity: Some(Decimal::from(capacity)),
                    status: Some(if is_stormy { EventStatus::Cancelled } else { EventStatus::Scheduled }),
                    ..Event::default()
                },
            }
        })
        .collect()
}

/// Sessions of courses, one or two a week from now on.
pub(super) fn sessions(document: &Document, today: Date) -> Vec<Outing> {
    let sample = &document.trips;
    let mut rng = Rng::new(document.seed ^ 0x7365_7373);
    (0..sample.sessions)
        .map(|i| Outing {
            id: LocalId::new(format!("S-{:04}", i + 1)),
            event: Event {
                title: Some(rng.text(&sample.courses)),
                date: Some(offset(today, 2 + i64::try_from(i).unwrap_or(0) * 5)),
                start_time: Some(time(17, 30, 0, 0)),
                // How long it takes is all that the shop writes down.
                duration: Some(Decimal::from(150)),
                zone: Some(sample.zone.clone()),
                location: Some("Pool, Calle del Mar 4".to_owned()),
                instructor: Some(rng.text(&sample.instructors)),
                booked: Some(Decimal::from(1 + rng.below(6))),
                capacity: Some(Decimal::from(6)),
                status: Some(EventStatus::Scheduled),
                ..Event::default()
            },
        })
        .collect()
}

/// The day on which a boat is in the yard.
pub(super) fn yard_day(sample: &Trips, today: Date) -> Date {
    offset(today, sample.yard_after)
}

fn day_trip(rng: &mut Rng) -> (Time, Time) {
    if rng.percent(60) { (time(9, 0, 0, 0), time(13, 0, 0, 0)) } else { (time(14, 30, 0, 0), time(18, 30, 0, 0)) }
}

fn offset(day: Date, days: i64) -> Date {
    day.saturating_add(days.days())
}
