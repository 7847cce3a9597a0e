//! Titles and texts made of fields.

use serde::Deserialize;
use sync_core::{
    FieldName, Record, Value,
    model::{Event, Model},
};

/// What the names of the host's further fields start with.
const EXTRA: &str = "extra.";

/// A text with fields in it, such as `{title} ({boat})`. Braces can't be written otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    source: String,
    lines: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(FieldName),
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(source: String) -> Result<Self, Self::Error> {
        let lines = source.lines().map(pieces).collect::<Result<_, _>>()?;
        Ok(Self { source, lines })
    }
}

fn pieces(line: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        let Some((name, after)) = from.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
            return Err("a brace is not closed, or was never opened".to_owned());
        };
        if !is_field(name) {
            let known = Event::FIELDS.join(", ");
            return Err(format!("there is no field {{{name}}} (there are {known}, and your own as extra.NAME)"));
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(Piece::Field(FieldName::new(name)));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

fn is_field(name: &str) -> bool {
    Event::FIELDS.contains(&name) || name.strip_prefix(EXTRA).is_some_and(|rest| !rest.is_empty() && !rest.contains('{'))
}

impl Template {
    /// What was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The fields that it names.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &FieldName> {
        self.lines.iter().flatten().filter_map(|piece| match piece {
            Piece::Field(field) => Some(field),
            Piece::Text(_) => None,
        })
    }

    /// True when it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(Vec::is_empty)
    }

    /// True when it has several lines.
    pub(crate) fn is_long(&self) -> bool {
        self.lines.len() > 1
    }

    /// One line: what is blank vanishes.
    pub(crate) fn line(&self, record: &Record) -> String {
        let mut text = String::new();
        for piece in self.lines.iter().flatten() {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Field(field) => text.push_str(&shown(record, field).unwrap_or_default()),
            }
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Lines: one with a blank in it is left out.
    pub(crate) fn text(&self, record: &Record) -> String {
        let line = |pieces: &Vec<Piece>| {
            let parts = pieces.iter().map(|piece| match piece {
                Piece::Text(fixed) => Some(fixed.clone()),
                Piece::Field(field) => shown(record, field),
            });
            parts.collect::<Option<Vec<_>>>().map(|parts| parts.concat())
        };
        self.lines.iter().filter_map(line).collect::<Vec<_>>().join("\n").trim().to_owned()
    }

    /// True when the field can be told from the text: it is the only one, between fixed words.
    pub(crate) fn tells(&self, field: &str) -> bool {
        !self.is_long() && self.fields().count() == 1 && self.fields().all(|named| named.as_str() == field)
    }

    /// The field's value in a text. Where a person took the fixed words away, all of it.
    pub(crate) fn read<'a>(&self, text: &'a str) -> &'a str {
        let (mut start, mut end, mut seen) = ("", "", false);
        for piece in self.lines.iter().flatten() {
            match piece {
                Piece::Field(_) => seen = true,
                Piece::Text(fixed) if seen => end = fixed,
                Piece::Text(fixed) => start = fixed,
            }
        }
        let inner = text.trim();
        let inner = inner.strip_prefix(start.trim_start()).and_then(|inner| inner.strip_suffix(end.trim_end()));
        inner.unwrap_or(text).trim()
    }
}

/// A field as people read it; `None` when it is blank or has no form that they could.
fn shown(record: &Record, field: &FieldName) -> Option<String> {
    let value = record.value(field.as_str()).filter(|value| !value.is_blank())?;
    match value {
        Value::Text(text) => Some(text.trim().to_owned()),
        Value::Decimal(number) => Some(number.normalize().to_string()),
        Value::Date(date) => Some(date.to_string()),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Set(set) => Some(set.iter().cloned().collect::<Vec<_>>().join(", ")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    fn template(source: &str) -> Template {
        Template::try_from(source.to_owned()).unwrap()
    }

    fn record() -> Record {
        Record::new()
            .with("title", Value::text("Reef trip"))
            .with("boat", Value::text("Manta"))
            .with("booked", Value::Decimal(Decimal::new(60, 1)))
            .with("location", Value::text(" "))
    }

    #[test]
    fn fields_are_filled_in_and_blanks_vanish_from_a_line() {
        assert_eq!(template("{title} ({boat})").line(&record()), "Reef trip (Manta)");
        assert_eq!(template("{title}   at {location}").line(&record()), "Reef trip at");
    }

    #[test]
    fn a_line_with_a_blank_in_it_is_left_out_of_a_text() {
        let text = template("Boat: {boat}\nMeeting point: {location}\n\nBooked: {booked}/{capacity}\nBooked: {booked}");
        assert_eq!(text.text(&record()), "Boat: Manta\n\nBooked: 6");
        assert_eq!(template("").text(&record()), "");
    }

    #[test]
    fn an_unknown_field_and_a_lonely_brace_are_refused() {
        for (source, word) in [("{titel}", "{titel}"), ("{title", "brace"), ("title}", "brace"), ("{extra.}", "extra.")] {
            let error = Template::try_from(source.to_owned()).unwrap_err();
            assert!(error.contains(word), "{source}: {error}");
        }
        assert!(Template::try_from("{extra.level}".to_owned()).is_ok());
    }

    #[test]
    fn only_a_single_field_can_be_read_back() {
        assert!(template("{title}").tells("title") && template("Trip: {title}!").tells("title"));
        for source in ["{title} {boat}", "{boat}", "Trip", "{title}{title}", "{title}\nmore"] {
            assert!(!template(source).tells("title"), "{source}");
        }
        assert_eq!(template("Trip: {title}!").read(" Trip: Reef! "), "Reef");
        assert_eq!(template("Trip: {title}!").read("Night dive"), "Night dive");
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back(title in "[a-zA-Z0-9(][a-zA-Z0-9 :()]{0,20}[a-zA-Z0-9)]", start in "[a-z: ]{0,6}", end in "[a-z! ]{0,6}") {
            let template = template(&format!("{start}{{title}}{end}"));
            let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
            let line = template.line(&Record::new().with("title", Value::text(title.clone())));
            // Fixed words that white space folds differently are told by their words alone.
            prop_assume!(!start.contains("  ") && !end.contains("  "));
            prop_assert_eq!(template.read(&line), title);
        }
    }
}
