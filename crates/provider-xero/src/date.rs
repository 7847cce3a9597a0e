//! Xero's dates: `/Date(1539993600000+0000)/` out, `2018-10-20` in.
//!
//! A document's date is midnight UTC of a calendar day: it is read as a day and never moved between zones.
//! Source: <https://developer.xero.com/documentation/api/accounting/requests-and-responses#dates> (read 2026-11-22).

use jiff::{Timestamp, civil::Date, civil::DateTime, tz::TimeZone};

/// A moment. The offset behind the milliseconds says where the server was, and changes nothing.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        // The sign of the number itself may be a minus.
        let end = inner.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-')).map_or(inner.len(), |(at, _)| at);
        return Timestamp::from_millisecond(inner.get(..end)?.parse().ok()?).ok();
    }
    // ISO forms, with and without a zone: without one it is UTC.
    let utc = |text: &str| text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    text.parse::<Timestamp>().ok().or_else(|| utc(text))
}

/// A day.
pub(crate) fn day(text: &str) -> Option<Date> {
    moment(text).map(|at| at.to_zoned(TimeZone::UTC).date()).or_else(|| text.parse().ok())
}

/// A moment as `If-Modified-Since` takes it: UTC, to the second.
pub(crate) fn modified_since(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_a_date_are_read_as_the_day_that_they_say() {
        for text in [
            "/Date(1539993600000+0000)/",
            "/Date(1539993600000)/",
            "/Date(1539993600000+1300)/",
            "2018-10-20",
            "2018-10-20T00:00:00",
            "2018-10-20T00:00:00Z",
        ] {
            assert_eq!(day(text), Some(jiff::civil::date(2018, 10, 20)), "{text}");
        }
        assert_eq!(day("/Date(-2208988800000)/"), Some(jiff::civil::date(1900, 1, 1)));
        for text in ["", "/Date()/", "/Date(x)/", "/Date(1", "yesterday", "/Date(99999999999999999999)/"] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_keeps_its_milliseconds() {
        assert_eq!(moment("/Date(1573755038314)/").map(|at| at.as_millisecond()), Some(1_573_755_038_314));
        assert_eq!(moment("2026-07-16T01:02:03.5Z"), moment("2026-07-16T01:02:03.5"));
        assert_eq!(modified_since(moment("/Date(1573755038314)/").unwrap()), "2019-11-14T18:10:38");
    }
}
