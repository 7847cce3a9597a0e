//! Dates and times as Xero writes and reads them.
//! Source: <https://developer.xero.com/documentation/api/accounting/requests-and-responses>.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    fmt::rfc2822::DateTimeParser,
    tz::TimeZone,
};
use serde_json::Value;

/// A time: `/Date(1551462703288+0000)/`.
pub(super) fn stamp(at: Timestamp) -> Value {
    Value::String(format!("/Date({}+0000)/", at.as_millisecond()))
}

/// A time without an offset, as `DateTimeUTC` of an answer has it.
pub(super) fn bare_stamp(at: Timestamp) -> Value {
    Value::String(format!("/Date({})/", at.as_millisecond()))
}

/// A day: midnight UTC of the organisation's calendar day.
pub(super) fn day(day: Date) -> Value {
    stamp(midnight(day))
}

/// The same as a text without a zone.
pub(super) fn day_text(day: Date) -> Value {
    Value::String(day.strftime("%Y-%m-%dT00:00:00").to_string())
}

/// A time to the second, as `UpdatedDateUTCString` has it.
pub(super) fn iso(at: Timestamp) -> Value {
    Value::String(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// As messages write a day: `31-Jul-2013`.
pub(super) fn words(day: Date) -> String {
    day.strftime("%d-%b-%Y").to_string()
}

fn midnight(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Reads a day: `2026-11-22`, with a time behind it that does not matter, or `/Date(…)/`.
pub(super) fn read_day(text: &str) -> Option<Date> {
    if let Some(ms) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        let digits = ms.split_once('+').map_or(ms, |(digits, _)| digits);
        let at = Timestamp::from_millisecond(digits.parse().ok()?).ok()?;
        return Some(at.to_zoned(TimeZone::UTC).date());
    }
    let (date, rest) = text.split_at_checked(10)?;
    if !(rest.is_empty() || rest.starts_with('T')) {
        return None;
    }
    date.parse().ok()
}

/// `If-Modified-Since`, cut to the second. What can't be read does not count, as users found out.
/// Sources: the page's "Modified After"; GitHub XeroAPI/xero-node issue 272, XeroAPI/Xero-Java issue 166.
pub(super) fn modified_since(text: &str) -> Option<Timestamp> {
    let with_offset = text.parse::<Timestamp>().ok();
    let in_utc = || text.parse::<DateTime>().ok().filter(|_| text.contains('T'));
    let as_header = || DateTimeParser::new().parse_timestamp(text).ok();
    let at = with_offset
        .or_else(|| in_utc().and_then(|time| time.to_zoned(TimeZone::UTC).ok()).map(|zoned| zoned.timestamp()))
        .or_else(as_header)?;
    Timestamp::from_second(at.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn days_are_midnights_in_utc() {
        let twentieth = jiff::civil::date(2018, 10, 20);
        assert_eq!(day(twentieth), json!("/Date(1539993600000+0000)/"));
        assert_eq!(day_text(twentieth), json!("2018-10-20T00:00:00"));
        for text in ["2018-10-20", "2018-10-20T13:00:00", "/Date(1539993600000+0000)/", "/Date(1539993600000)/"] {
            assert_eq!(read_day(text), Some(twentieth), "{text}");
        }
        for text in ["20181020", "20-10-2018", "2018-10-20 13:00", "soon"] {
            assert_eq!(read_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_watermark_is_read_to_the_second_or_not_at_all() {
        let second: Timestamp = "2026-02-06T12:17:43Z".parse().expect("a time");
        for text in
            ["2026-02-06T12:17:43", "2026-02-06T12:17:43.202", "2026-02-06T12:17:43Z", "Fri, 06 Feb 2026 12:17:43 GMT"]
        {
            assert_eq!(modified_since(text), Some(second), "{text}");
        }
        for text in ["2026-02-06", "06/02/2026", "1770380263", ""] {
            assert_eq!(modified_since(text), None, "{text}");
        }
    }
}
