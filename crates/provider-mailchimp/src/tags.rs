//! How tags are spelled, and what they say about the host's fields.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use sync_core::{Error, ErrorKind, Record, Result, Value};

use crate::settings::{MAX_TAG_CHARS, MailchimpSettings, TagTemplate};

/// The form in which tag names are compared.
pub(crate) fn key(tag: &str) -> String {
    let tag = tag.trim();
    // The same, without a look at each character's table.
    if tag.is_ascii() { tag.to_ascii_lowercase() } else { tag.to_lowercase() }
}

/// The host's name of a tag, if it can be one of ours.
pub(crate) fn local_name<'a>(settings: &MailchimpSettings, tag: &'a str) -> Option<&'a str> {
    let tag = tag.trim();
    let split = settings.tag_prefix.len();
    let ours = tag.get(..split).is_some_and(|start| start.eq_ignore_ascii_case(&settings.tag_prefix));
    ours.then(|| tag[split..].trim()).filter(|tag| !tag.is_empty())
}

/// The fields that tags stand for by the rules. With it a value that changed takes its old tag along, wherever that came
/// from: a tag of a rule's form is the rule's.
pub(crate) fn fields(settings: &MailchimpSettings, names: &BTreeSet<String>, into: &mut Record) {
    for (field, template) in &settings.tag_rules {
        if into.value(field.as_str()).is_some() {
            continue;
        }
        let values: BTreeSet<String> = names.iter().filter_map(|name| template.value_of(name)).map(str::to_owned).collect();
        let value = match values.len() {
            0 => continue,
            _ if !template.has_value() => Value::Bool(true),
            1 => values.into_iter().next().map_or(Value::Null, Value::Text),
            _ => Value::Set(values),
        };
        into.set(field.clone(), value);
    }
}

/// The host's own tags as they are written.
pub(crate) fn own<'a>(settings: &'a MailchimpSettings, tags: &'a BTreeSet<String>) -> impl Iterator<Item = String> + 'a {
    tags.iter().map(|tag| prefixed(settings, tag)).filter(|tag| !tag.is_empty())
}

/// The names, if all of them may be written.
///
/// # Errors
/// [`ErrorKind::Invalid`] for a tag that is too long.
pub(crate) fn checked(tags: impl Iterator<Item = String>) -> Result<BTreeSet<String>> {
    let is_short = |tag: &String| tag.chars().count() <= MAX_TAG_CHARS;
    let too_long = || {
        Error::new(ErrorKind::Invalid, "a tag has more than 100 characters")
            .with_remedy("Shorten the customer's tag. The contact goes with the next sync.")
    };
    tags.map(|tag| if is_short(&tag) { Ok(tag) } else { Err(too_long()) }).collect()
}

fn prefixed(settings: &MailchimpSettings, tag: &str) -> String {
    let tag = tag.trim();
    if tag.is_empty() { String::new() } else { format!("{}{tag}", settings.tag_prefix) }
}

/// The tags that a rule makes of a value.
pub(crate) fn made_of(settings: &MailchimpSettings, template: &TagTemplate, value: Option<&Value>) -> Vec<String> {
    let Some(value) = value.filter(|value| !value.is_blank()) else { return Vec::new() };
    if !template.has_value() {
        let holds = *value != Value::Bool(false);
        return holds.then(|| prefixed(settings, &template.tag(""))).into_iter().collect();
    }
    let texts = match value {
        Value::Text(text) => vec![text.trim().to_owned()],
        Value::Bool(yes) => vec![yes.to_string()],
        Value::Decimal(number) => vec![number.normalize().to_string()],
        Value::Date(date) => vec![date.to_string()],
        Value::Time { at, zone } => {
            let zone = zone.as_deref().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
            vec![at.to_zoned(zone).date().to_string()]
        }
        Value::Set(set) => set.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect(),
        // References and structures have no short form.
        _ => Vec::new(),
    };
    texts.iter().map(|text| prefixed(settings, &template.tag(text))).filter(|tag| !tag.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(settings: serde_json::Value) -> MailchimpSettings {
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn tags_of_a_rules_form_tell_the_value_there() {
        let settings =
            settings(json!({"tag_rules": {"extra.level": "level:{value}!", "extra.pro": "pro", "extra.c": "c:{value}"}}));
        let names = ["Level:open!", "pro", "c:1", "c:2", "other"].map(str::to_owned).into();
        let mut record = Record::new();
        super::fields(&settings, &names, &mut record);
        let both = Value::Set(["1".to_owned(), "2".to_owned()].into());
        assert_eq!(
            record,
            Record::new()
                .with("extra.level", Value::text("open"))
                .with("extra.pro", Value::Bool(true))
                .with("extra.c", both)
        );
    }

    #[test]
    fn only_tags_with_the_prefix_can_be_ours() {
        let settings = settings(json!({"tag_prefix": "shop:"}));
        assert_eq!(local_name(&settings, "Shop:VIP"), Some("VIP"));
        assert_eq!(local_name(&settings, "VIP"), None);
    }
}
