//! Parameters and bodies, checked: what is not known is refused.

use bytes::Bytes;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{World, problem::Problem};
use crate::mask::Mask;

/// The query of a call.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query, of which only these parameters are known.
    pub(super) fn parse(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Problem::ours(400, format!("unknown query parameter `{name}`"))),
            None => Ok(Self(pairs)),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(Problem::schema(name, "Schema describes boolean, string found instead")),
        }
    }

    pub(super) fn one_of<'v>(&self, name: &str, values: &[&'v str]) -> Result<Option<&'v str>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match values.iter().find(|value| value.eq_ignore_ascii_case(text)) {
            Some(value) => Ok(Some(value)),
            None => Err(Problem::schema(
                name,
                format!("Data presented is not one of the accepted values: {}.", values.join(", ")),
            )),
        }
    }

    /// `count` (10 unless given, at most 1000) and `offset`.
    /// Source: <https://mailchimp.com/developer/marketing/docs/methods-parameters/#pagination>.
    pub(super) fn page(&self) -> Result<(usize, usize), Problem> {
        let number = |name: &str, default: usize| match self.text(name).map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => Err(Problem::schema(name, "Schema describes integer, string found instead")),
        };
        let (count, offset) = (number("count", 10)?, number("offset", 0)?);
        if count > 1000 {
            return Err(Problem::schema("count", "Schema describes value less than or equal to 1000"));
        }
        Ok((count, offset))
    }

    /// `fields` or `exclude_fields`, of which only one may be given.
    /// Source: <https://mailchimp.com/developer/marketing/docs/methods-parameters/#partial-responses>.
    pub(super) fn mask(&self) -> Result<Mask, Problem> {
        match (self.text("fields"), self.text("exclude_fields")) {
            (Some(_), Some(_)) => {
                Err(Problem::bad_request("The fields and exclude_fields parameters are mutually exclusive."))
            }
            (Some(fields), None) => Ok(Mask::only(fields)),
            (None, Some(fields)) => Ok(Mask::except(fields)),
            (None, None) => Ok(Mask::All),
        }
    }

    /// A time, in seconds. One that cannot be read is noted and the filter is ignored, as users of the real service report.
    /// Source: GitHub brandonseydel/MailChimp.Net issues 478 and 525.
    pub(super) fn time(&self, name: &str, world: &mut World) -> Option<i64> {
        let text = self.text(name)?;
        let time = parse_time(text);
        if time.is_none() {
            world.refuse(format!("unreadable time in `{name}`: {text}"));
        }
        time
    }
}

/// An ISO 8601 time with up to six digits of fraction, or a date and time without a zone, which is UTC.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let n_fraction = text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    if n_fraction > 6 {
        return None;
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    let time = text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(time.timestamp().as_second())
}

/// What a member of a body may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Flag,
    Whole,
    Object,
    List,
    OneOf(&'static [&'static str]),
    /// Known to the real service, not modelled here.
    NotModelled,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Text | Self::OneOf(_) => "string",
            Self::Flag => "boolean",
            Self::Whole => "integer",
            Self::Object | Self::NotModelled => "object",
            Self::List => "array",
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text | Self::OneOf(_) => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::Whole => value.is_i64() || value.is_u64(),
            Self::Object | Self::NotModelled => value.is_object(),
            Self::List => value.is_array(),
        }
    }
}

/// The body of a call, an object.
pub(super) fn body(bytes: &Bytes) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Problem::schema("", "Schema describes object, other found instead")),
        Err(_) => Err(Problem::new(
            400,
            "JSON Parse Exception",
            "We encountered an unspecified JSON parsing error. This error can be caused by a malformed request body.",
        )),
    }
}

/// Checks an object's members against those that are known. `at` is the path of the object, ending in a dot or empty.
pub(super) fn check(object: &Map<String, Value>, known: &[(&str, Kind)], at: &str) -> Result<(), Problem> {
    for (name, value) in object {
        let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
            return Err(Problem::ours(400, format!("unknown body field `{at}{name}`")));
        };
        if !kind.fits(value) {
            return Err(Problem::schema(
                format!("{at}{name}"),
                format!("Schema describes {}, {} found instead", kind.name(), kind_of(value)),
            ));
        }
        match kind {
            Kind::OneOf(values) if !value.as_str().is_some_and(|text| values.contains(&text)) => {
                return Err(Problem::schema(
                    format!("{at}{name}"),
                    format!("Data presented is not one of the accepted values: {}.", values.join(", ")),
                ));
            }
            Kind::NotModelled if value.as_object().is_some_and(|inner| !inner.is_empty()) => {
                return Err(Problem::ours(400, format!("body field `{at}{name}` is not modelled")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A member that must be there.
pub(super) fn required<'v>(object: &'v Map<String, Value>, name: &str, at: &str) -> Result<&'v Value, Problem> {
    object.get(name).ok_or_else(|| Problem::schema(format!("{at}{name}"), "This value should not be blank."))
}

pub(super) fn text<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    object.get(name).and_then(Value::as_str)
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "double",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_microsecond_and_no_finer() {
        assert_eq!(parse_time("2015-10-21T15:41:36+00:00"), Some(1_445_442_096));
        assert_eq!(parse_time("2015-10-21T15:41:36.123456Z"), Some(1_445_442_096));
        assert_eq!(parse_time("2015-10-21 15:41:36"), Some(1_445_442_096));
        assert_eq!(parse_time("2015-10-21T15:41:36.1234567Z"), None);
        assert_eq!(parse_time("2015-10-21T15:41:36 00:00"), None, "a plus that was not escaped");
    }
}
