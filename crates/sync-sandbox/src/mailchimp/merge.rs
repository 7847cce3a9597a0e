//! Merge fields: definitions and the values that members have for them.
//! Source: <https://mailchimp.com/developer/marketing/docs/merge-fields/>.

use serde_json::{Map, Value, json};

use super::{World, problem::Problem, seed::MergeFieldSeed};

/// The types of the reference: <https://mailchimp.com/developer/marketing/api/list-merges/add-merge-field/>.
pub(super) const TYPES: &[&str] =
    &["text", "number", "address", "phone", "date", "url", "imageurl", "radio", "dropdown", "birthday", "zip"];

/// A text value is cut at 255 bytes.
const MAX_TEXT_BYTES: usize = 255;

#[derive(Debug, Clone)]
pub(super) struct MergeField {
    pub(super) id: u32,
    pub(super) seed: MergeFieldSeed,
    pub(super) help_text: String,
    pub(super) date_format: String,
}

impl MergeField {
    pub(super) fn new(id: u32, seed: MergeFieldSeed) -> Self {
        Self { id, seed, help_text: String::new(), date_format: "MM/DD/YYYY".into() }
    }

    pub(super) fn render(&self, list: &str, links: Value) -> Value {
        let options = match self.seed.kind.as_str() {
            "text" => json!({"size": 25}),
            "address" => json!({"default_country": 164}),
            "phone" => json!({"phone_format": "none"}),
            "date" | "birthday" => json!({"date_format": self.date_format}),
            "radio" | "dropdown" => json!({"choices": self.seed.choices}),
            _ => json!({}),
        };
        json!({
            "merge_id": self.id, "tag": self.seed.tag, "name": self.seed.name, "type": self.seed.kind,
            "required": self.seed.required, "default_value": self.seed.default_value, "public": self.seed.public,
            "display_order": self.id + 1, "options": options, "help_text": self.help_text, "list_id": list, "_links": links,
        })
    }

    /// The value as it is stored, or why it is refused.
    fn accept(&self, value: &Value) -> Result<Value, &'static str> {
        if let Value::Object(parts) = value {
            return if self.seed.kind == "address" { address(parts) } else { Err("Please enter a value") };
        }
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return Err("Please enter a value"),
        };
        if text.is_empty() {
            return Ok(Value::String(text));
        }
        match self.seed.kind.as_str() {
            "number" => match (value, text.trim().parse::<f64>()) {
                (Value::Number(_), _) => Ok(value.clone()),
                (_, Ok(number)) if number.is_finite() => Ok(json!(number)),
                _ => Err("Please enter a number"),
            },
            "address" => Err("Please enter a complete address"),
            "date" => date(&text).map(Value::String).ok_or("Please enter a valid date"),
            "birthday" => birthday(&text).then_some(Value::String(text)).ok_or("Please enter the month and day"),
            "zip" => (text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit()))
                .then_some(Value::String(text))
                .ok_or("Please enter a 5-digit ZIP code"),
            "radio" | "dropdown" => {
                self.seed.choices.contains(&text).then_some(Value::String(text)).ok_or("Please enter a valid choice")
            }
            "url" | "imageurl" => (text.starts_with("http://") || text.starts_with("https://"))
                .then_some(Value::String(text))
                .ok_or("Please enter a complete URL"),
            "phone" => Ok(Value::String(text)),
            _ => Ok(Value::String(cut(text))),
        }
    }
}

fn cut(mut text: String) -> String {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

fn address(parts: &Map<String, Value>) -> Result<Value, &'static str> {
    let known = ["addr1", "addr2", "city", "state", "zip", "country"];
    let all_text = parts.iter().all(|(name, part)| known.contains(&name.as_str()) && part.is_string());
    let is_there = |name: &&str| parts.get(*name).and_then(Value::as_str).is_some_and(|part| !part.is_empty());
    if all_text && ["addr1", "city", "state", "zip"].iter().all(is_there) {
        let part = |name: &str, other: &str| parts.get(name).and_then(Value::as_str).unwrap_or(other).to_owned();
        Ok(json!({
            "addr1": part("addr1", ""), "addr2": part("addr2", ""), "city": part("city", ""), "state": part("state", ""),
            "zip": part("zip", ""), "country": part("country", "US"),
        }))
    } else {
        Err("Please enter a complete address")
    }
}

/// `YYYY-MM-DD`, `YYYY/MM/DD`, `DD-MM-YYYY` or `MM/DD/YYYY`, stored as the first.
fn date(text: &str) -> Option<String> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let parts: Vec<&str> = text.split(separator).collect();
    let &[first, second, third] = parts.as_slice() else { return None };
    let (year, month, day) = match (first.len(), separator) {
        (4, _) => (first, second, third),
        (_, '-') => (third, second, first),
        _ => (third, first, second),
    };
    let date = jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    (year.len() == 4).then(|| date.to_string())
}

fn birthday(text: &str) -> bool {
    text.split_once('/').is_some_and(|(month, day)| {
        let of = |part: &str| part.parse::<i8>().ok();
        // A leap year, so that February 29 is a birthday.
        month.len() == 2
            && day.len() == 2
            && matches!((of(month), of(day)), (Some(month), Some(day)) if jiff::civil::Date::new(2024, month, day).is_ok())
    })
}

/// Checks the values given for a member. Unknown tags are dropped, as the real service drops them, and noted.
pub(super) fn accept(
    fields: &[MergeField],
    given: Option<&Map<String, Value>>,
    existing: &[(u32, Value)],
    skip_required: bool,
    at: &str,
    world: &mut World,
) -> Result<Vec<(u32, Value)>, Problem> {
    let mut accepted = Vec::with_capacity(given.map_or(0, Map::len));
    let mut errors = Vec::new();
    for (tag, value) in given.into_iter().flatten() {
        // Source: GitHub ibericode/mailchimp-for-wordpress issue 545, mailchimp/mc-magento issue 497.
        if !(value.is_string() || value.is_number() || value.is_object()) {
            return Err(Problem::schema(
                format!("{at}merge_fields"),
                "Data did not match any of the schemas described in anyOf.",
            ));
        }
        match fields.iter().find(|field| field.seed.tag == *tag) {
            None => world.refuse(format!("merge field `{tag}` is not defined")),
            Some(field) => match field.accept(value) {
                Ok(value) => accepted.push((field.id, value)),
                Err(message) => errors.push((tag.clone(), message.to_owned())),
            },
        }
    }
    if !skip_required {
        for field in fields.iter().filter(|field| field.seed.required) {
            let of =
                |values: &[(u32, Value)]| values.iter().find(|(id, _)| *id == field.id).map(|(_, value)| !is_blank(value));
            if !of(&accepted).or_else(|| of(existing)).unwrap_or(false)
                && !errors.iter().any(|(tag, _)| *tag == field.seed.tag)
            {
                errors.push((field.seed.tag.clone(), "Please enter a value".to_owned()));
            }
        }
    }
    if errors.is_empty() { Ok(accepted) } else { Err(Problem::merge(errors)) }
}

fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str) -> MergeField {
        MergeField::new(1, MergeFieldSeed::new("X", "X", kind).with_choices(&["red", "blue"]))
    }

    // The table of <https://mailchimp.com/developer/marketing/docs/merge-fields/#add-merge-data-to-contacts>.
    #[test]
    fn each_type_takes_the_formats_of_the_documentation() {
        for (kind, given, stored) in [
            ("number", json!(3), json!(3)),
            ("number", json!("3.5"), json!(3.5)),
            ("radio", json!("red"), json!("red")),
            ("dropdown", json!("blue"), json!("blue")),
            ("date", json!("2026-12-05"), json!("2026-12-05")),
            ("date", json!("2026/12/05"), json!("2026-12-05")),
            ("date", json!("05-12-2026"), json!("2026-12-05")),
            ("date", json!("12/05/2026"), json!("2026-12-05")),
            ("birthday", json!("02/29"), json!("02/29")),
            ("zip", json!("30308"), json!("30308")),
            ("phone", json!("+34 600 000 000"), json!("+34 600 000 000")),
            ("url", json!("https://example.com"), json!("https://example.com")),
            ("text", json!(7), json!("7")),
            ("text", json!(""), json!("")),
        ] {
            assert_eq!(field(kind).accept(&given), Ok(stored), "{kind} {given}");
        }
    }

    #[test]
    fn each_type_refuses_what_does_not_fit() {
        for (kind, given) in [
            ("number", json!("many")),
            ("radio", json!("green")),
            ("date", json!("tomorrow")),
            ("date", json!("2026-02-30")),
            ("birthday", json!("1990-02-28")),
            ("birthday", json!("13/01")),
            ("zip", json!("0830")),
            ("url", json!("example.com")),
            ("address", json!("Main Street 1")),
            ("address", json!({"addr1": "Main Street 1", "city": "Cadiz"})),
            ("address", json!({"addr1": "a", "city": "b", "state": "c", "zip": 5})),
            ("text", json!({"a": "b"})),
        ] {
            assert!(field(kind).accept(&given).is_err(), "{kind} {given}");
        }
    }

    #[test]
    fn a_text_is_cut_at_255_bytes_between_characters() {
        let stored = field("text").accept(&json!("é".repeat(200))).expect("a text");
        assert_eq!(stored, json!("é".repeat(127)));
    }
}
