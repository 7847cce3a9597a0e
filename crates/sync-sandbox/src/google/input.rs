//! Parameters, partial answers and bodies, checked: what is not known is refused.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::problem::Problem;
use crate::mask::Mask;

/// Parameters that every call takes. Source: the same page of each method, "Standard query parameters".
const COMMON: &[&str] = &["alt", "fields", "key", "prettyPrint", "quotaUser"];

/// Longest `quotaUser`, in characters. Source: <https://cloud.google.com/apis/docs/system-parameters>.
const MAX_QUOTA_USER: usize = 40;

/// The query of a call.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query, of which only these parameters are known.
    pub(super) fn parse(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        if let Some((name, _)) =
            pairs.iter().find(|(name, _)| !known.contains(&name.as_str()) && !COMMON.contains(&name.as_str()))
        {
            return Err(Problem::ours(400, format!("unknown query parameter `{name}`")));
        }
        let this = Self(pairs);
        if this.text("alt").is_some_and(|alt| alt != "json") {
            return Err(Problem::ours(400, "only `alt=json` is modelled"));
        }
        if this.text("quotaUser").is_some_and(|user| user.chars().count() > MAX_QUOTA_USER) {
            return Err(Problem::invalid("Invalid value for: quotaUser").at("parameter", "quotaUser"));
        }
        Ok(this)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                Err(Problem::invalid(format!("Invalid value for: {other} is not a valid boolean")).at("parameter", name))
            }
        }
    }

    /// A whole number from 1.
    pub(super) fn count(&self, name: &'static str) -> Result<Option<usize>, Problem> {
        match self.text(name).map(str::parse::<usize>) {
            None => Ok(None),
            Some(Ok(count)) if count > 0 => Ok(Some(count)),
            Some(_) => {
                Err(Problem::new(400, "invalidParameter", "Invalid value: must be within the range: [1, 2147483647]")
                    .at("parameter", name))
            }
        }
    }

    pub(super) fn one_of(&self, name: &'static str, values: &[&'static str]) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match values.iter().find(|value| **value == text) {
            Some(value) => Ok(Some(value)),
            None => Err(Problem::new(
                400,
                "invalidParameter",
                format!("Invalid string value: '{text}'. Allowed values: [{}]", values.join(", ")),
            )
            .at("parameter", name)),
        }
    }

    /// A time with an offset, as RFC 3339 has it.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        match self.text(name).map(str::parse::<Timestamp>) {
            None => Ok(None),
            Some(Ok(time)) => Ok(Some(time)),
            Some(Err(_)) => Err(Problem::bad_request().at("parameter", name)),
        }
    }

    /// `fields`, as in `items(id,start/dateTime),nextPageToken`.
    /// Source: <https://developers.google.com/workspace/calendar/api/guides/performance#partial-response>.
    pub(super) fn mask(&self) -> Result<Mask, Problem> {
        let Some(fields) = self.text("fields") else { return Ok(Mask::All) };
        let wrong =
            || Problem::new(400, "invalidParameter", format!("Invalid field selection {fields}")).at("parameter", "fields");
        if fields == "*" {
            return Ok(Mask::All);
        }
        let mut paths = Vec::new();
        let rest = selection(fields, "", &mut paths).ok_or_else(wrong)?;
        if rest.is_empty() && !paths.is_empty() { Ok(Mask::only(&paths.join(","))) } else { Err(wrong()) }
    }
}

/// Reads a comma-separated selection up to its end or a closing bracket; returns what follows.
fn selection<'t>(mut text: &'t str, prefix: &str, paths: &mut Vec<String>) -> Option<&'t str> {
    loop {
        let end = text.find([',', '(', ')']).unwrap_or(text.len());
        let name = text[..end].trim().replace('/', ".");
        if name.is_empty() {
            return None;
        }
        let path = match name.as_str() {
            "*" => prefix.trim_end_matches('.').to_owned(),
            name => format!("{prefix}{}", name.trim_end_matches(".*")),
        };
        text = &text[end..];
        if let Some(inner) = text.strip_prefix('(') {
            text = selection(inner, &format!("{path}."), paths)?.strip_prefix(')')?;
        } else {
            paths.push(path);
        }
        match text.strip_prefix(',') {
            Some(next) => text = next,
            None => return Some(text),
        }
    }
}

/// The body of a call, an object.
pub(super) fn body(bytes: &Bytes) -> Result<Map<String, Value>, Problem> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Problem::new(400, "parseError", "Parse Error")),
    }
}

/// What a member of a body may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Flag,
    Whole,
    Object(&'static [(&'static str, Kind)]),
    /// An object with texts under any name.
    Texts,
    List(&'static Kind),
    /// Set by the service: what is sent is ignored.
    ReadOnly,
    /// Known to the real service, not modelled here.
    NotModelled,
}

/// Checks an object's members against those that are known. `null` fits everything: it deletes.
pub(super) fn check(object: &Map<String, Value>, known: &[(&str, Kind)], at: &str) -> Result<(), Problem> {
    for (name, value) in object {
        let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
            return Err(Problem::ours(400, format!("unknown body field `{at}{name}`")));
        };
        check_one(value, *kind, &format!("{at}{name}"))?;
    }
    Ok(())
}

fn check_one(value: &Value, kind: Kind, at: &str) -> Result<(), Problem> {
    let wrong = || Err(Problem::new(400, "badRequest", format!("Invalid value for: {at}")));
    match (kind, value) {
        (Kind::ReadOnly, _) | (_, Value::Null) | (Kind::Text, Value::String(_)) | (Kind::Flag, Value::Bool(_)) => Ok(()),
        (Kind::Whole, value) if value.is_i64() => Ok(()),
        (Kind::Object(known), Value::Object(members)) => check(members, known, &format!("{at}.")),
        (Kind::Texts, Value::Object(members)) if members.values().all(|value| value.is_string() || value.is_null()) => {
            Ok(())
        }
        (Kind::List(kind), Value::Array(items)) => {
            items.iter().try_for_each(|item| check_one(item, *kind, &format!("{at}[]")))
        }
        (Kind::NotModelled, _) => Err(Problem::ours(400, format!("body field `{at}` is not modelled"))),
        _ => wrong(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mask(fields: &str) -> Result<Mask, Problem> {
        let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("fields", fields).finish();
        Query::parse(&query, &[])?.mask()
    }

    #[test]
    fn partial_answers_are_selected_by_brackets_and_slashes() {
        let answer = json!({"items": [{"id": "a", "start": {"dateTime": "x", "timeZone": "y"}, "etag": "1"}],
                            "nextPageToken": "p", "kind": "k"});
        let picked = mask("items(id,start/dateTime),nextPageToken").expect("a selection").apply(answer.clone());
        assert_eq!(picked, json!({"items": [{"id": "a", "start": {"dateTime": "x"}}], "nextPageToken": "p"}));
        assert_eq!(mask("items(*),kind").expect("a selection"), Mask::only("items,kind"));
        assert_eq!(mask("*").expect("a selection").apply(answer.clone()), answer);
        for wrong in ["items(id", "items)", "", "a,,b"] {
            assert!(mask(wrong).is_err(), "{wrong}");
        }
    }
}
