//! The window in which events are written: facts of a look at the connection, since preparing has no clock.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde_json::json;
use sync_core::{Facts, Skip, model::When};

use crate::settings::GoogleCalendarSettings;

/// The member of the facts that holds the window.
const FACT: &str = "window";

/// From which day to which day. Days in UTC: edges need no zone, and the same day gives the same facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// What ended before is neither written nor deleted.
    pub(crate) from: Date,
    /// What starts after is not written yet.
    pub(crate) until: Date,
}

impl Window {
    /// The window of a moment.
    pub(crate) fn at(settings: &GoogleCalendarSettings, now: Timestamp) -> Self {
        let today = now.to_zoned(TimeZone::UTC).date();
        Self {
            from: today.saturating_sub(i64::from(settings.past_days).days()),
            until: today.saturating_add(i64::from(settings.future_months).months()),
        }
    }

    /// As facts.
    pub(crate) fn facts(self) -> Facts {
        Facts::of(FACT, json!({"from": self.from.to_string(), "until": self.until.to_string()}))
    }

    /// Out of facts; `None` where nobody looked.
    pub(crate) fn read(facts: &Facts) -> Option<Self> {
        let fact = facts.value(FACT)?;
        let day = |name: &str| fact.get(name)?.as_str()?.parse().ok();
        Some(Self { from: day("from")?, until: day("until")? })
    }

    /// True for what was over before the window.
    pub(crate) fn is_past(self, when: &When) -> bool {
        when.last_day() < self.from
    }

    /// True for what begins after the window.
    pub(crate) fn is_far(self, when: &When) -> bool {
        when.first_day() > self.until
    }

    /// The start of the window, as a bound for a listing.
    pub(crate) fn starts_at(self) -> Timestamp {
        midnight(self.from).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// An event that is over is left alone.
pub(crate) fn past(settings: &GoogleCalendarSettings) -> Skip {
    let days = settings.past_days;
    Skip::new("past", format!("it was over more than {days} days ago, and past events are neither written nor deleted"))
}

/// An event that is far ahead waits.
pub(crate) fn far(settings: &GoogleCalendarSettings, when: &When) -> Skip {
    let months = settings.future_months;
    let skip = Skip::new("far-ahead", format!("it starts more than {months} months ahead; it goes when it comes closer"));
    let enters = when.first_day().saturating_sub(i64::from(months).months());
    match midnight(enters) {
        Some(at) => skip.until(at),
        None => skip,
    }
}

fn midnight(day: Date) -> Option<Timestamp> {
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn day(text: &str) -> When {
        let day: Date = text.parse().unwrap();
        When::AllDay { first: day, last: day }
    }

    fn window(now: &str) -> Window {
        Window::at(&GoogleCalendarSettings::default(), now.parse().unwrap())
    }

    #[test]
    fn the_window_reaches_from_30_days_back_to_18_months_ahead() {
        let window = window("2026-11-22T23:59:59Z");
        assert_eq!(window, Window { from: date(2026, 10, 23), until: date(2028, 5, 22) });
        assert_eq!(Window::read(&window.facts()), Some(window));
        assert_eq!(Window::read(&Facts::new()), None);
        assert!(!window.is_past(&day("2026-10-23")) && window.is_past(&day("2026-10-22")));
        assert!(!window.is_far(&day("2028-05-22")) && window.is_far(&day("2028-05-23")));
    }

    #[test]
    fn a_clock_an_hour_off_moves_the_edges_by_a_day_at_most() {
        assert_eq!(window("2026-11-22T10:00:00Z"), window("2026-11-22T11:00:00Z"));
        assert_eq!(window("2026-11-23T00:30:00Z").from, date(2026, 10, 24));
    }

    #[test]
    fn what_is_far_ahead_is_looked_at_again_when_it_comes_closer() {
        let skip = far(&GoogleCalendarSettings::default(), &day("2028-06-01"));
        assert_eq!(skip.until, Some("2026-12-01T00:00:00Z".parse().unwrap()));
        assert!(!window("2026-12-01T00:00:00Z").is_far(&day("2028-06-01")));
        assert_eq!(past(&GoogleCalendarSettings::default()).until, None);
    }
}
