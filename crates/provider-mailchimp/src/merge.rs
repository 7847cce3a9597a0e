//! Values of merge fields: checked and formatted by the audience's own definitions before anything is sent.

use jiff::{civil::Date, tz::TimeZone};
use serde_json::{Map, Value as Json, json};
use sync_core::{
    Error, ErrorKind, Facts, Operation, Record, Result, Retry, Value,
    model::{Address, Phone},
};

use crate::{error::LOOK_AGAIN_AFTER, settings::MailchimpSettings};

/// Longest text, in bytes: Mailchimp cuts what is longer, so it is cut here, at a whole character.
/// Source: <https://mailchimp.com/developer/marketing/docs/merge-fields/>.
const MAX_TEXT_BYTES: usize = 255;

/// The member of the facts that holds the definitions.
pub(crate) const FACT: &str = "merge_fields";

/// Which values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All: the member is new, or comes back.
    All,
    /// What differs from the base: edits made there to other fields stay.
    Changed,
}

/// The merge fields of an operation. Blank values are left out, since a blank never overwrites.
///
/// # Errors
/// [`ErrorKind::Invalid`] names field and remedy: a value that the audience can't hold, or a required one that is missing.
pub(crate) fn values(
    settings: &MailchimpSettings,
    facts: &Facts,
    op: &Operation,
    which: Which,
) -> Result<Map<String, Json>> {
    let definitions = facts.value(FACT).and_then(Json::as_object);
    let mut values = Map::new();
    for (tag, field) in settings.mapping() {
        if which == Which::Changed && !op.is_changed(field) {
            continue;
        }
        let definition = definitions.and_then(|definitions| definitions.get(tag));
        if definitions.is_some() && definition.is_none() {
            // Only a default mapping gets here with a field that the audience lost: `check` reports a chosen one.
            continue;
        }
        let definition = Definition::read(definition);
        let value = match op.fields.value(field).filter(|value| !value.is_blank()) {
            Some(value) => definition.format(tag, field, value)?,
            None => None,
        };
        match value {
            Some(value) => {
                values.insert(tag.to_owned(), value);
            }
            None if definition.required && which == Which::All && !settings.skip_merge_validation => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("the audience requires the merge field {tag}, and the customer has no complete {field}"),
                )
                .with_retry(Retry::After(LOOK_AGAIN_AFTER))
                .with_remedy(format!(
                    "Fill in {field}, or let incomplete contacts go under Settings > Mailchimp: the contact goes with the next \
                     sync. Where {tag} is made optional in Mailchimp instead, it goes within a day."
                )));
            }
            None => {}
        }
    }
    Ok(values)
}

/// The fields that a member's merge fields stand for, as far as they are plain values.
pub(crate) fn fields(settings: &MailchimpSettings, values: &Json, into: &mut Record) {
    for (tag, field) in settings.mapping() {
        if matches!(field, "phones" | "addresses") {
            // One merge field can't tell the host's whole list.
            continue;
        }
        let value = match values.get(tag) {
            Some(Json::String(text)) if !text.trim().is_empty() => Value::text(text.clone()),
            Some(Json::Number(number)) => match number.to_string().parse() {
                Ok(number) => Value::Decimal(number),
                Err(_) => continue,
            },
            _ => continue,
        };
        into.set(field, value);
    }
}

/// The part of a definition that values depend on, borrowed from the facts.
struct Definition<'a> {
    kind: &'a str,
    required: bool,
    choices: &'a [Json],
}

impl<'a> Definition<'a> {
    fn read(json: Option<&'a Json>) -> Self {
        let member = |name: &str| json.and_then(|json| json.get(name));
        let choices = member("options").and_then(|options| options.get("choices")).and_then(Json::as_array);
        Self {
            kind: member("type").and_then(Json::as_str).unwrap_or("text"),
            required: member("required").and_then(Json::as_bool).unwrap_or(false),
            choices: choices.map_or(&[], Vec::as_slice),
        }
    }

    /// The value in the form that the definition asks for; `None` when nothing is left to send.
    /// Source of the forms: <https://mailchimp.com/developer/marketing/docs/merge-fields/>.
    fn format(&self, tag: &str, field: &str, value: &Value) -> Result<Option<Json>> {
        let wants = |what: &str| {
            Error::new(ErrorKind::Invalid, format!("the merge field {tag} takes {what}, which {field} does not hold"))
                .with_retry(Retry::After(LOOK_AGAIN_AFTER))
                .with_remedy(format!(
                    "Correct {field}, or the mapping of {tag} under Settings > Mailchimp > Merge fields: the contact goes with \
                     the next sync. Where {tag} is changed in Mailchimp instead, it goes within a day."
                ))
        };
        let text = || text_of(value).ok_or_else(|| wants("a text"));
        Ok(match self.kind {
            "number" => Some(number_of(value).ok_or_else(|| wants("a number"))?),
            "date" => Some(json!(date_of(value).ok_or_else(|| wants("a date"))?.to_string())),
            "birthday" => Some(json!(birthday_of(value).ok_or_else(|| wants("a birthday"))?)),
            "address" => match address_of(value).ok_or_else(|| wants("an address"))? {
                // Half an address is refused as a whole.
                address if is_complete(&address) => Some(address_json(&address)),
                _ => None,
            },
            "phone" => Some(json!(cut(&phone_of(value).ok_or_else(|| wants("a telephone number"))?))),
            "dropdown" | "radio" => {
                let text = text()?;
                let chosen = self.choices.iter().filter_map(Json::as_str).find(|choice| same(choice, &text));
                match chosen {
                    Some(choice) => Some(json!(choice)),
                    None => return Err(wants("one of its choices")),
                }
            }
            "zip" => {
                let text = text()?;
                if text.len() != 5 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(wants("a ZIP code of five digits"));
                }
                Some(json!(text))
            }
            "url" | "imageurl" => {
                let text = text()?;
                if !text.starts_with("http://") && !text.starts_with("https://") {
                    return Err(wants("an address that starts with http:// or https://"));
                }
                Some(json!(text))
            }
            _ => Some(text()?).map(|text| cut(&text).to_owned()).filter(|text| !text.is_empty()).map(Json::from),
        })
    }
}

fn same(choice: &str, text: &str) -> bool {
    choice.trim().to_lowercase() == text.trim().to_lowercase()
}

/// The first [`MAX_TEXT_BYTES`] bytes, less what would be half a character.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end()
}

fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::Text(text) => text.trim().to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Decimal(number) => number.normalize().to_string(),
        Value::Date(date) => date.to_string(),
        Value::Time { .. } => date_of(value)?.to_string(),
        Value::Set(set) => set.iter().cloned().collect::<Vec<_>>().join(", "),
        Value::Json(_) => match address_of(value).filter(|address| !address.lines.is_empty() || address.city.is_some()) {
            Some(address) => address_line(&address),
            None => phone_of(value)?,
        },
        _ => return None,
    })
}

fn number_of(value: &Value) -> Option<Json> {
    let text = match value {
        Value::Decimal(number) => number.normalize().to_string(),
        Value::Text(text) => text.trim().parse::<rust_decimal::Decimal>().ok()?.normalize().to_string(),
        _ => return None,
    };
    serde_json::from_str(&text).ok()
}

fn date_of(value: &Value) -> Option<Date> {
    match value {
        Value::Date(date) => Some(*date),
        Value::Time { at, zone } => {
            let zone = zone.as_deref().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
            Some(at.to_zoned(zone).date())
        }
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// `MM/DD`.
fn birthday_of(value: &Value) -> Option<String> {
    if let Some(date) = date_of(value) {
        return Some(format!("{:02}/{:02}", date.month(), date.day()));
    }
    let (month, day) = value.as_text()?.trim().split_once('/')?;
    let (month, day): (i8, i8) = (month.parse().ok()?, day.parse().ok()?);
    // 2024 was a leap year: the 29th of February is a birthday.
    Date::new(2024, month, day).ok()?;
    Some(format!("{month:02}/{day:02}"))
}

fn phone_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::Text(text) => text.clone(),
        Value::Decimal(number) => number.normalize().to_string(),
        Value::Json(json) => {
            let phones: Vec<Phone> = serde_json::from_value(json.clone()).ok()?;
            let mobile = phones.iter().find(|phone| phone.kind.as_deref() == Some("mobile"));
            mobile.or(phones.first())?.number.clone()
        }
        _ => return None,
    };
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The first complete address, else the first.
fn address_of(value: &Value) -> Option<Address> {
    let Value::Json(json) = value else { return None };
    let addresses: Vec<Address> = match json {
        Json::Array(_) => serde_json::from_value(json.clone()).ok()?,
        _ => vec![serde_json::from_value(json.clone()).ok()?],
    };
    let complete = addresses.iter().position(is_complete).unwrap_or(0);
    addresses.into_iter().nth(complete)
}

fn filled(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn is_complete(address: &Address) -> bool {
    filled(address.lines.first()).is_some()
        && [&address.city, &address.region, &address.postal_code].into_iter().all(|part| filled(part.as_ref()).is_some())
}

fn address_json(address: &Address) -> Json {
    let mut json = Map::new();
    let parts = [
        ("addr1", filled(address.lines.first())),
        ("addr2", filled(address.lines.get(1))),
        ("city", filled(address.city.as_ref())),
        ("state", filled(address.region.as_ref())),
        ("zip", filled(address.postal_code.as_ref())),
        ("country", filled(address.country.as_ref())),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            json.insert(name.to_owned(), Json::from(part));
        }
    }
    Json::Object(json)
}

fn address_line(address: &Address) -> String {
    let parts = [&address.postal_code, &address.city, &address.region, &address.country];
    let lines = address.lines.iter().map(|line| line.trim());
    let rest = parts.into_iter().filter_map(|part| filled(part.as_ref()));
    lines.filter(|line| !line.is_empty()).chain(rest).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(definition: Json, value: Value) -> Result<Option<Json>> {
        Definition::read(Some(&definition)).format("TAG", "extra.x", &value)
    }

    fn of(kind: &str, value: Value) -> Option<Json> {
        format(json!({"type": kind}), value).unwrap()
    }

    fn refused(kind: &str, value: Value) -> Error {
        format(json!({"type": kind}), value).unwrap_err()
    }

    #[test]
    fn each_type_gets_its_form() {
        let date: Date = "2026-02-09".parse().unwrap();
        let noon = Value::Time { at: "2026-02-09T23:30:00Z".parse().unwrap(), zone: Some("Europe/Madrid".into()) };
        assert_eq!(of("text", Value::text(" Ada ")), Some(json!("Ada")));
        assert_eq!(of("number", Value::Decimal("12.50".parse().unwrap())), Some(json!(12.5)));
        assert_eq!(of("number", Value::text("7")), Some(json!(7)));
        assert_eq!(of("date", Value::Date(date)), Some(json!("2026-02-09")));
        assert_eq!(of("date", noon), Some(json!("2026-02-10")), "the day where it was said");
        assert_eq!(of("birthday", Value::Date(date)), Some(json!("02/09")));
        assert_eq!(of("birthday", Value::text("2/29")), Some(json!("02/29")));
        assert_eq!(of("phone", Value::Json(json!([{"number": "1"}, {"kind": "mobile", "number": "2"}]))), Some(json!("2")));
        assert_eq!(of("zip", Value::text("12345")), Some(json!("12345")));
        assert_eq!(of("url", Value::text("https://example.com")), Some(json!("https://example.com")));
    }

    #[test]
    fn what_a_type_cannot_hold_names_field_and_tag_and_not_the_value() {
        for (kind, value) in [
            ("number", Value::text("secret")),
            ("date", Value::text("secret")),
            ("birthday", Value::text("13/01")),
            ("zip", Value::text("secret")),
            ("url", Value::text("secret")),
            ("address", Value::text("secret")),
            ("dropdown", Value::text("secret")),
        ] {
            let error = refused(kind, value);
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let said = format!("{error} {}", error.remedy().unwrap());
            assert!(said.contains("TAG") && said.contains("extra.x") && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn a_choice_is_spelled_as_the_audience_spells_it() {
        let definition = json!({"type": "dropdown", "options": {"choices": ["Open Water", "Rescue"]}});
        assert_eq!(format(definition.clone(), Value::text("rescue ")).unwrap(), Some(json!("Rescue")));
        assert!(format(definition, Value::text("Master")).is_err());
    }

    #[test]
    fn an_address_is_complete_or_absent() {
        let full =
            json!({"lines": ["1 Quay", "Pier 2"], "city": "Palma", "region": "PM", "postal_code": "07001", "country": "ES"});
        let half = json!({"lines": ["1 Quay"], "city": "Palma"});
        let sent =
            json!({"addr1": "1 Quay", "addr2": "Pier 2", "city": "Palma", "state": "PM", "zip": "07001", "country": "ES"});
        assert_eq!(of("address", Value::Json(json!([half, full]))), Some(sent), "the first complete one");
        assert_eq!(of("address", Value::Json(json!([half]))), None);
        assert_eq!(of("text", Value::Json(json!([half]))), Some(json!("1 Quay, Palma")));
    }

    #[test]
    fn plain_values_come_back_under_our_names() {
        let settings: MailchimpSettings =
            serde_json::from_value(json!({"merge_fields": {"FNAME": "first_name", "AGE": "extra.age", "PHONE": "phones"}}))
                .unwrap();
        let mut record = Record::new();
        fields(&settings, &json!({"FNAME": "Ada", "AGE": 7, "PHONE": "1", "LNAME": "x"}), &mut record);
        assert_eq!(record, Record::new().with("first_name", Value::text("Ada")).with("extra.age", Value::Decimal(7.into())));
        fields(&settings, &json!([]), &mut Record::new());
    }

    proptest! {
        #[test]
        fn texts_fit_and_stay_texts(text in "\\PC{0,300}") {
            let cut = cut(&text);
            prop_assert!(cut.len() <= MAX_TEXT_BYTES && text.starts_with(cut));
        }
    }
}
