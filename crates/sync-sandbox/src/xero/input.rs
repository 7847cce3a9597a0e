//! Parameters and bodies, checked: what is not known is refused.

use bytes::Bytes;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{dates, id::Id, money, problem::Problem};

/// One element of a body.
pub(super) type Element = Map<String, Value>;

/// The query of a call.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query, of which only these parameters are known. Names are compared without case, as the service does.
    pub(super) fn parse(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let is_known = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        match pairs.iter().find(|(name, _)| !is_known(name)) {
            Some((name, _)) => Err(Problem::ours(400, format!("unknown query parameter `{name}`"))),
            None => Ok(Self(pairs)),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.text(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(other) => Err(Problem::query(format!("'{other}' is not a valid value for {name}"))),
        }
    }

    pub(super) fn count(&self, name: &str) -> Result<Option<usize>, Problem> {
        match self.text(name).map(str::parse::<usize>) {
            None => Ok(None),
            Some(Ok(count)) => Ok(Some(count)),
            Some(Err(_)) => Err(Problem::query(format!("{name} must be a number"))),
        }
    }

    /// Values of a comma-separated list.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&str>> {
        self.text(name).map(|text| text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect())
    }

    /// Ids of a comma-separated list.
    pub(super) fn ids(&self, name: &str) -> Result<Option<Vec<Id>>, Problem> {
        let Some(parts) = self.list(name) else { return Ok(None) };
        let read = |part: &str| Id::parse(part).ok_or_else(|| Problem::query(format!("'{part}' in {name} is no id")));
        parts.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// Places of unit amounts: 2 unless 4 are asked for.
    /// Source: the parameter `unitdp` of Xero's API description.
    pub(super) fn unit_places(&self) -> Result<u32, Problem> {
        match self.text("unitdp") {
            None | Some("2") => Ok(2),
            Some("4") => Ok(4),
            Some(other) => Err(Problem::ours(400, format!("unitdp={other}: the documentation has 2 and 4"))),
        }
    }
}

/// What a member of a body may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A text of at most so many characters.
    Text(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    Flag,
    Whole,
    Amount,
    Day,
    Id,
    Object(&'static [Member]),
    List(&'static [Member]),
    /// Set by the service: what is sent is ignored.
    ReadOnly,
    /// Known to the real service, not modelled here.
    NotModelled,
}

/// A member of a body.
pub(super) type Member = (&'static str, Kind);

/// Longest text where the description has no length.
pub(super) const LONG: usize = 4_000;

/// The elements of a body: those under the plural, or the body itself.
/// Source: <https://developer.xero.com/documentation/api/accounting/requests-and-responses>, "POST and PUT requests".
pub(super) fn elements(bytes: &Bytes, plural: &str, known: &[Member]) -> Result<Vec<Element>, Problem> {
    let not_read = || Problem::post_data("The request body could not be read as JSON");
    let whole: Value = serde_json::from_slice(bytes).map_err(|_| not_read())?;
    let Value::Object(mut members) = whole else {
        return Err(Problem::post_data("The request body is no object"));
    };
    let listed = match members.remove(plural) {
        Some(_) if !members.is_empty() => {
            let others = members.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(Problem::ours(400, format!("beside `{plural}` there is {others}")));
        }
        Some(listed) => listed,
        None => Value::Object(members),
    };
    let listed = match listed {
        Value::Array(items) => items,
        Value::Object(one) => vec![Value::Object(one)],
        _ => return Err(Problem::post_data(format!("{plural} is no list"))),
    };
    let mut read = Vec::with_capacity(listed.len());
    for item in listed {
        let Value::Object(element) = item else {
            return Err(Problem::post_data(format!("an element of {plural} is no object")));
        };
        check(&element, known, plural)?;
        read.push(element);
    }
    if read.is_empty() {
        return Err(Problem::post_data(format!("{plural} has no elements")));
    }
    Ok(read)
}

/// Checks an object's members against those that are known: their names and types. `null` is as good as left out.
pub(super) fn check(object: &Element, known: &[Member], at: &str) -> Result<(), Problem> {
    for (name, value) in object {
        let path = format!("{at}.{name}");
        let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
            return Err(Problem::ours(400, format!("unknown body field `{path}`")));
        };
        check_one(value, *kind, &path)?;
    }
    Ok(())
}

fn check_one(value: &Value, kind: Kind, at: &str) -> Result<(), Problem> {
    let wrong = || Err(Problem::post_data(format!("Error converting value {value}. Path '{at}'.")));
    match (kind, value) {
        (Kind::ReadOnly, _) | (_, Value::Null) => Ok(()),
        (Kind::NotModelled, Value::Array(items)) if items.is_empty() => Ok(()),
        (Kind::NotModelled, _) => Err(Problem::ours(400, format!("body field `{at}` is not modelled"))),
        (Kind::Text(_), Value::String(_)) | (Kind::Flag, Value::Bool(_)) => Ok(()),
        (Kind::Word(words), Value::String(text)) if words.contains(&text.as_str()) => Ok(()),
        (Kind::Whole, value) if value.is_i64() => Ok(()),
        (Kind::Amount, value) if money::read(value).is_some() => Ok(()),
        (Kind::Day, Value::String(text)) if dates::read_day(text).is_some() => Ok(()),
        (Kind::Id, Value::String(text)) if Id::parse(text).is_some() => Ok(()),
        (Kind::Object(known), Value::Object(members)) => check(members, known, at),
        (Kind::List(known), Value::Array(items)) => items.iter().try_for_each(|item| match item {
            Value::Object(members) => check(members, known, &format!("{at}[]")),
            _ => wrong(),
        }),
        _ => wrong(),
    }
}

/// Texts that are longer than their fields, in words.
pub(super) fn too_long(object: &Element, known: &[Member]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, kind) in known {
        match (kind, object.get(*name)) {
            (Kind::Text(most), Some(Value::String(text))) if text.chars().count() > *most => {
                found.push(format!("The {name} must be at most {most} characters long."));
            }
            (Kind::Object(known), Some(Value::Object(inner))) => found.extend(too_long(inner, known)),
            (Kind::List(known), Some(Value::Array(items))) => {
                found.extend(items.iter().filter_map(Value::as_object).flat_map(|inner| too_long(inner, known)));
            }
            _ => {}
        }
    }
    found
}

/// A text that is there.
pub(super) fn text<'v>(object: &'v Element, name: &str) -> Option<&'v str> {
    object.get(name).and_then(Value::as_str)
}
