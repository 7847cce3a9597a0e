//! When an event is.
//! Source: <https://developers.google.com/workspace/calendar/api/concepts/events-calendars> and the reference's
//! `start` and `end`.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde_json::{Map, Value, json};

use super::problem::Problem;

/// A start or an end.
#[derive(Debug, Clone)]
pub(super) enum When {
    Day(Date),
    At {
        at: Timestamp,
        /// Of the event; else the calendar's.
        zone: String,
    },
}

/// Time zones by name. An unknown one is nobody's default.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

impl When {
    /// Reads `start` or `end` (`which`) for a calendar in this zone.
    pub(super) fn read(value: Option<&Value>, which: &str, default_zone: &str, needs_zone: bool) -> Result<Self, Problem> {
        let Some(members) = value.and_then(Value::as_object) else {
            return Err(Problem::required(format!("Missing {which} time.")));
        };
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let named = text("timeZone");
        if named.is_some_and(|name| zone(name).is_none()) {
            return Err(Problem::invalid(format!("Invalid time zone definition for {which} time.")));
        }
        match (text("date"), text("dateTime")) {
            (Some(day), None) => match day.parse() {
                Ok(day) if is_day(members) => Ok(Self::Day(day)),
                _ => Err(Problem::invalid(format!("Invalid value for: {which} date"))),
            },
            (None, Some(time)) => {
                let no_zone = || Problem::required(format!("Missing time zone definition for {which} time."));
                if needs_zone && named.is_none() {
                    return Err(no_zone());
                }
                let at = match (time.parse::<Timestamp>(), time.parse::<DateTime>()) {
                    (Ok(at), _) => at,
                    (Err(_), Ok(local)) => {
                        let tz = named.and_then(zone).ok_or_else(no_zone)?;
                        let at = local.to_zoned(tz).map_err(|_| Problem::bad_request())?;
                        at.timestamp()
                    }
                    (Err(_), Err(_)) => return Err(Problem::new(400, "badRequest", "Bad Request")),
                };
                // Fractions of a second are dropped.
                let at = Timestamp::from_second(at.as_second()).map_err(|_| Problem::bad_request())?;
                Ok(Self::At { at, zone: named.unwrap_or(default_zone).to_owned() })
            }
            // A patch that changes an all-day event to a timed one leaves both, unless it deletes the other.
            (Some(_), Some(_)) => Err(Problem::invalid(format!("Invalid {which} time."))),
            (None, None) => Err(Problem::required(format!("Missing {which} time."))),
        }
    }

    /// As answers show it: in the zone of the calendar or of the request, whatever the event's own.
    /// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events/list>, `timeZone`.
    pub(super) fn show(&self, shown_in: &TimeZone) -> Value {
        match self {
            Self::Day(day) => json!({"date": day.to_string()}),
            Self::At { at, zone } => json!({"dateTime": date_time(*at, shown_in), "timeZone": zone}),
        }
    }

    /// The instant, for days the start of the day in this zone.
    pub(super) fn instant(&self, calendar_zone: &TimeZone) -> Timestamp {
        match self {
            Self::Day(day) => calendar_zone.to_zoned((*day).into()).map_or(Timestamp::MIN, |start| start.timestamp()),
            Self::At { at, .. } => *at,
        }
    }
}

fn is_day(members: &Map<String, Value>) -> bool {
    members.get("date").and_then(Value::as_str).is_some_and(|text| text.len() == 10)
}

/// With the zone's offset; `Z` where there is none.
pub(super) fn date_time(at: Timestamp, shown_in: &TimeZone) -> String {
    let shown = at.to_zoned(shown_in.clone());
    let format = if shown.offset().is_zero() { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
    shown.strftime(format).to_string()
}

/// With milliseconds, as `updated` has it.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Both ends, checked against one another.
pub(super) fn range(members: &Map<String, Value>, default_zone: &str, needs_zone: bool) -> Result<(When, When), Problem> {
    let start = When::read(members.get("start"), "start", default_zone, needs_zone)?;
    let end = When::read(members.get("end"), "end", default_zone, needs_zone)?;
    let is_empty = match (&start, &end) {
        (When::Day(start), When::Day(end)) => start >= end,
        // An event without length is one; a day without length is none.
        (When::At { at: start, .. }, When::At { at: end, .. }) => start > end,
        _ => return Err(Problem::invalid("Start and end times must either both be date or both be dateTime.")),
    };
    if is_empty { Err(Problem::empty_range()) } else { Ok((start, end)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<(When, When), String> {
        let members = value.as_object().expect("an object").clone();
        range(&members, "Europe/Madrid", false).map_err(|problem| problem.reason.into_owned())
    }

    #[test]
    fn times_are_shown_in_the_zone_that_is_asked_for() {
        let at = "2026-12-03T09:00:00+01:00";
        let (start, _) =
            read(json!({"start": {"dateTime": at, "timeZone": "Europe/Madrid"}, "end": {"dateTime": at}})).expect("times");
        let new_york = zone("America/New_York").expect("a zone");
        assert_eq!(start.show(&new_york), json!({"dateTime": "2026-12-03T03:00:00-05:00", "timeZone": "Europe/Madrid"}));
        assert_eq!(start.show(&TimeZone::UTC)["dateTime"], "2026-12-03T08:00:00Z");
    }

    #[test]
    fn ranges_that_make_no_sense_are_refused() {
        let day = |day: &str| json!({"date": day});
        let time = |time: &str| json!({"dateTime": time});
        for (start, end, reason) in [
            (day("2026-12-03"), day("2026-12-03"), "timeRangeEmpty"),
            (time("2026-12-03T09:00:00Z"), time("2026-12-03T08:00:00Z"), "timeRangeEmpty"),
            (time("2026-12-03T09:00:00Z"), day("2026-12-04"), "invalid"),
            (time("2026-12-03T09:00:00"), time("2026-12-03T10:00:00"), "required"),
            (
                json!({"dateTime": "2026-12-03T09:00:00Z", "timeZone": "Europe/Atlantis"}),
                time("2026-12-03T10:00:00Z"),
                "invalid",
            ),
            (json!({"date": "2026-12-03", "dateTime": "2026-12-03T09:00:00Z"}), day("2026-12-04"), "invalid"),
            (day("2026-13-03"), day("2026-12-04"), "invalid"),
        ] {
            assert_eq!(read(json!({"start": start, "end": end})).expect_err("refused"), reason, "{start} {end}");
        }
        assert_eq!(read(json!({"start": day("2026-12-03")})).expect_err("refused"), "required");
    }
}
