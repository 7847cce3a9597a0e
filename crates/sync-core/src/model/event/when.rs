//! From days and clocks to spans of time, and back.

use jiff::{
    SignedDuration, ToSpan, Zoned,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{Event, invalid};
use crate::Result;

/// Longest span that a `duration` may name, in minutes: a year. Ours: a longer one is a slip of the pen.
const MAX_MINUTES: i64 = 366 * 24 * 60;

/// What an event that doesn't say is taken to mean.
#[derive(Debug, Clone, Copy)]
pub struct EventDefaults<'a> {
    /// The IANA name of the zone.
    pub zone: &'a str,
    /// How long it takes, in minutes.
    pub minutes: u32,
}

/// When an event takes place.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// On whole days, the last one included.
    AllDay {
        /// The first day.
        first: Date,
        /// The last day.
        last: Date,
    },
    /// From one moment to another, which no longer belongs to it.
    Timed {
        /// When it starts, in the place's zone.
        start: Zoned,
        /// When it ends, in the same zone.
        end: Zoned,
    },
}

impl Event {
    /// When it takes place.
    ///
    /// - Without a `start_time` it takes whole days, unless `all_day` says no; with `all_day` clocks don't count.
    /// - It ends at `end_time` on `end_date`. Without an `end_date` that is on the first day; an `end_time` before the
    ///   `start_time` is then a night dive, which ends on the next day.
    /// - Without an `end_time` it ends after `duration`; without that at the end of an `end_date` that lies after the first
    ///   day; without that after the default length.
    /// - A clock that the zone skips (the hour lost in spring) is read as if clocks had not been changed yet: 02:30 is
    ///   03:30. A clock that comes twice (the hour gained in autumn) is the first of the two. Where that would turn start
    ///   and end round, the length on the clock is kept.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] where there is no date, the zone is unknown, or the end is not after the start.
    pub fn when(&self, defaults: EventDefaults<'_>) -> Result<When> {
        let first = self.date.ok_or_else(|| invalid("the event has no date", "Give the event a date."))?;
        if self.end_date.is_some_and(|last| last < first) {
            return Err(ends_before());
        }
        if self.all_day.unwrap_or(self.start_time.is_none()) {
            return Ok(When::AllDay { first, last: self.end_date.unwrap_or(first) });
        }
        let time = self.start_time.ok_or_else(|| {
            invalid(
                "the event takes part of a day and has no start time",
                "Give the event a start time, or let it take the whole day.",
            )
        })?;
        let zone = time_zone(self.zone.as_deref().map(str::trim).filter(|zone| !zone.is_empty()).unwrap_or(defaults.zone))?;
        let begins = first.to_datetime(time);
        let start = zoned(&zone, begins)?;
        let ends = match (self.end_time, self.duration, self.end_date) {
            (Some(end), _, end_date) => self.ends(first, time, end, end_date)?,
            (None, Some(minutes), _) => return timed(start, whole_seconds(minutes)?),
            (None, None, Some(last)) if last > first => next_day(last)?.to_datetime(Time::midnight()),
            (None, None, _) => return timed(start, SignedDuration::from_mins(i64::from(defaults.minutes.max(1)))),
        };
        let end = zoned(&zone, ends)?;
        if end > start {
            return Ok(When::Timed { start, end });
        }
        // Only clocks that the zone skips or repeats can turn them round.
        timed(start, begins.duration_until(ends))
    }

    fn ends(&self, first: Date, start: Time, end: Time, end_date: Option<Date>) -> Result<DateTime> {
        let ends = match end_date {
            Some(last) => last.to_datetime(end),
            None if end < start => next_day(first)?.to_datetime(end),
            None => first.to_datetime(end),
        };
        if ends <= first.to_datetime(start) { Err(ends_before()) } else { Ok(ends) }
    }

    /// Takes over when something takes place, as the fields that say so in full: nothing is left to be implied. The
    /// duration goes, since the end says it.
    pub fn set_when(&mut self, when: &When) {
        self.duration = None;
        match when {
            When::AllDay { first, last } => {
                self.all_day = Some(true);
                (self.date, self.end_date) = (Some(*first), Some(*last));
                (self.start_time, self.end_time) = (None, None);
            }
            When::Timed { start, end } => {
                self.all_day = Some(false);
                (self.date, self.end_date) = (Some(start.date()), Some(end.date()));
                (self.start_time, self.end_time) = (Some(start.time()), Some(end.time()));
                self.zone = start.time_zone().iana_name().map(str::to_owned);
            }
        }
    }
}

impl When {
    /// The same moments on the clocks of another zone. Whole days stay the days that they are.
    #[must_use]
    pub fn in_zone(self, zone: &TimeZone) -> Self {
        match self {
            Self::Timed { start, end } => {
                Self::Timed { start: start.with_time_zone(zone.clone()), end: end.with_time_zone(zone.clone()) }
            }
            days @ Self::AllDay { .. } => days,
        }
    }

    /// The day on which it starts, where it takes place.
    pub fn first_day(&self) -> Date {
        match self {
            Self::AllDay { first, .. } => *first,
            Self::Timed { start, .. } => start.date(),
        }
    }

    /// The day on which it ends, where it takes place.
    pub fn last_day(&self) -> Date {
        match self {
            Self::AllDay { last, .. } => *last,
            Self::Timed { end, .. } => end.date(),
        }
    }
}

/// A zone by its IANA name, in any case.
///
/// # Errors
/// [`crate::ErrorKind::Invalid`] when there is none of this name.
pub fn time_zone(name: &str) -> Result<TimeZone> {
    let zone = TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some_and(|name| name != "Etc/Unknown"));
    zone.ok_or_else(|| {
        invalid("there is no time zone of this name", "Give the event a zone of the IANA database, such as Europe/Madrid.")
    })
}

fn zoned(zone: &TimeZone, at: DateTime) -> Result<Zoned> {
    zone.to_zoned(at).map_err(|_| too_far())
}

fn next_day(day: Date) -> Result<Date> {
    day.checked_add(1.day()).map_err(|_| too_far())
}

fn timed(start: Zoned, length: SignedDuration) -> Result<When> {
    let end = start.checked_add(length).map_err(|_| too_far())?;
    if end <= start {
        return Err(ends_before());
    }
    Ok(When::Timed { start, end })
}

fn whole_seconds(minutes: Decimal) -> Result<SignedDuration> {
    let is_sound = minutes > Decimal::ZERO && minutes <= Decimal::from(MAX_MINUTES);
    let seconds = is_sound.then(|| (minutes * Decimal::from(60)).round().to_i64()).flatten().filter(|seconds| *seconds > 0);
    seconds.map(SignedDuration::from_secs).ok_or_else(|| {
        invalid("the event's duration is not between nothing and a year", "Correct the duration, which counts minutes.")
    })
}

fn ends_before() -> crate::Error {
    invalid("the event does not end after it starts", "Correct the end of the event, or leave it out.")
}

fn too_far() -> crate::Error {
    invalid("the event lies outside the years that a calendar knows", "Correct the date of the event.")
}

#[cfg(test)]
mod tests {
    use jiff::civil;
    use proptest::prelude::*;

    use super::*;

    const MADRID: EventDefaults<'static> = EventDefaults { zone: "Europe/Madrid", minutes: 60 };

    fn event(date: &str, start: &str, end: &str) -> Event {
        let time = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        Event { date: Some(date.parse().unwrap()), start_time: time(start), end_time: time(end), ..Event::default() }
    }

    /// Start and end with their offsets.
    fn span(event: &Event) -> (String, String) {
        match event.when(MADRID).unwrap() {
            When::Timed { start, end } => {
                let show = |at: &Zoned| at.strftime("%Y-%m-%dT%H:%M%:z").to_string();
                (show(&start), show(&end))
            }
            When::AllDay { first, last } => (first.to_string(), last.to_string()),
        }
    }

    fn is(event: &Event, start: &str, end: &str) {
        assert_eq!(span(event), (start.to_owned(), end.to_owned()));
    }

    #[test]
    fn a_trip_is_a_date_a_time_and_a_zone() {
        is(&event("2026-12-03", "09:00", "12:00"), "2026-12-03T09:00+01:00", "2026-12-03T12:00+01:00");
        is(&event("2026-07-03", "09:00", "12:00"), "2026-07-03T09:00+02:00", "2026-07-03T12:00+02:00");
        let there = Event { zone: Some("indian/maldives".into()), ..event("2026-12-03", "09:00", "12:00") };
        is(&there, "2026-12-03T09:00+05:00", "2026-12-03T12:00+05:00");
    }

    #[test]
    fn without_a_start_it_takes_the_whole_day_and_the_last_day_belongs_to_it() {
        is(&event("2026-12-05", "", ""), "2026-12-05", "2026-12-05");
        let safari = Event { end_date: Some(civil::date(2026, 12, 7)), ..event("2026-12-05", "", "") };
        is(&safari, "2026-12-05", "2026-12-07");
        let whatever_the_clock = Event { all_day: Some(true), ..event("2026-12-05", "09:00", "08:00") };
        is(&whatever_the_clock, "2026-12-05", "2026-12-05");
    }

    #[test]
    fn a_night_dive_ends_on_the_next_day() {
        is(&event("2026-12-31", "20:30", "01:00"), "2026-12-31T20:30+01:00", "2027-01-01T01:00+01:00");
        is(&event("2026-12-31", "20:30", "00:00"), "2026-12-31T20:30+01:00", "2027-01-01T00:00+01:00");
    }

    #[test]
    fn an_end_before_the_start_on_dates_that_were_given_is_refused() {
        let same_day = Event { end_date: Some(civil::date(2026, 12, 3)), ..event("2026-12-03", "20:00", "01:00") };
        let day_before = Event { end_date: Some(civil::date(2026, 12, 2)), ..event("2026-12-03", "20:00", "21:00") };
        let days = Event { end_date: Some(civil::date(2026, 12, 2)), ..event("2026-12-03", "", "") };
        for event in [same_day, day_before, days, event("2026-12-03", "09:00", "09:00")] {
            assert!(event.when(MADRID).unwrap_err().remedy().is_some());
        }
    }

    #[test]
    fn a_missing_end_is_the_duration_else_the_last_day_else_the_default() {
        let long = Event { duration: Some("150.5".parse().unwrap()), ..event("2026-12-03", "09:00", "") };
        is(&long, "2026-12-03T09:00+01:00", "2026-12-03T11:30+01:00");
        let days = Event { end_date: Some(civil::date(2026, 12, 5)), ..event("2026-12-03", "09:00", "") };
        is(&days, "2026-12-03T09:00+01:00", "2026-12-06T00:00+01:00");
        is(&event("2026-12-03", "09:00", ""), "2026-12-03T09:00+01:00", "2026-12-03T10:00+01:00");
        for wrong in ["0", "-5", "0.001", "99999999999"] {
            let event = Event { duration: Some(wrong.parse().unwrap()), ..event("2026-12-03", "09:00", "") };
            assert!(event.when(MADRID).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_hour_lost_in_spring_is_read_as_if_clocks_were_not_changed_yet() {
        is(&event("2026-03-29", "02:30", "04:00"), "2026-03-29T03:30+02:00", "2026-03-29T04:00+02:00");
        // 02:30 becomes 03:30, and an end at 03:00 would lie before it: half an hour stays half an hour.
        is(&event("2026-03-29", "02:30", "03:00"), "2026-03-29T03:30+02:00", "2026-03-29T04:00+02:00");
        is(&event("2026-03-28", "22:00", "02:30"), "2026-03-28T22:00+01:00", "2026-03-29T03:30+02:00");
    }

    #[test]
    fn the_hour_gained_in_autumn_is_the_first_of_the_two() {
        is(&event("2026-10-25", "02:30", "04:00"), "2026-10-25T02:30+02:00", "2026-10-25T04:00+01:00");
        is(&event("2026-10-25", "01:00", "02:15"), "2026-10-25T01:00+02:00", "2026-10-25T02:15+02:00");
        // A duration is time that passes.
        let two_hours = Event { duration: Some(Decimal::from(120)), ..event("2026-10-25", "02:00", "") };
        is(&two_hours, "2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00");
    }

    #[test]
    fn a_zone_that_does_not_exist_is_said_without_its_name() {
        for zone in ["Europe/CANARY", "CET+CANARY", "../../CANARY", "Etc/Unknown", "\u{0}"] {
            let event = Event { zone: Some(zone.into()), ..event("2026-12-03", "09:00", "") };
            let error = event.when(MADRID).unwrap_err();
            assert!(error.message().contains("zone") && !format!("{error:?}").contains("CANARY"), "{zone}");
        }
        assert!(event("2026-12-03", "09:00", "").when(EventDefaults { zone: "", minutes: 60 }).is_err());
    }

    #[test]
    fn the_edges_of_the_calendar_are_errors_and_no_panics() {
        for (date, start, end) in
            [("9999-12-31", "23:00", "01:00"), ("9999-12-31", "23:59", ""), ("-009999-01-01", "00:00", "")]
        {
            let _ = event(date, start, end).when(MADRID);
        }
        let last = Event { duration: Some(Decimal::from(MAX_MINUTES)), ..event("9999-12-30", "09:00", "") };
        assert!(last.when(MADRID).is_err());
    }

    #[test]
    fn another_zone_shows_other_clocks_for_the_same_moments() {
        let when = event("2026-12-03", "09:00", "12:00").when(MADRID).unwrap();
        let mut shown = Event::default();
        shown.set_when(&when.clone().in_zone(&time_zone("Atlantic/Canary").unwrap()));
        assert_eq!((shown.start_time, shown.zone.as_deref()), (Some(civil::time(8, 0, 0, 0)), Some("Atlantic/Canary")));
        assert_eq!((when.first_day(), when.last_day()), (civil::date(2026, 12, 3), civil::date(2026, 12, 3)));
    }

    proptest! {
        /// What was read of a calendar and is written again is the same span, whatever the clocks do in between. Only the
        /// second of two equal clocks can't be told from the first.
        #[test]
        fn what_is_taken_over_means_the_same(day in 0_i32..3_000, start in 0_i32..1440, minutes in 1_i64..4_000) {
            let date = civil::date(2026, 1, 1).checked_add(day.days()).unwrap();
            let at = date.to_datetime(civil::time((start / 60) as i8, (start % 60) as i8, 0, 0));
            let start = time_zone("Europe/Madrid").unwrap().to_zoned(at).unwrap();
            let end = start.checked_add(minutes.minutes()).unwrap();
            let is_second = |at: &Zoned| at.time_zone().to_zoned(at.datetime()).unwrap() != *at;
            prop_assume!(!is_second(&start) && !is_second(&end) && end.datetime() > start.datetime());
            let when = When::Timed { start, end };
            let mut event = Event::default();
            event.set_when(&when);
            prop_assert_eq!(event.when(MADRID).unwrap(), when);
        }
    }
}
