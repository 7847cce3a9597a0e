//! One line's cells become a customer.

use std::{borrow::Cow, collections::BTreeSet};

use jiff::{Timestamp, civil::Date, fmt::strtime, tz::TimeZone};
use serde_json::Value as Json;
use sync_core::{
    Channel, Consent, ConsentState, LocalId, Record, Value,
    model::{Address, Contact, Model, Phone},
};

use super::{bad::BadReason, column::Field};

/// How consent is read.
#[derive(Debug, Clone)]
pub struct ConsentRules {
    /// Words that mean yes; compared without case.
    pub yes: BTreeSet<String>,
    /// Words that mean an explicit no. What is in neither list means that nobody knows.
    pub no: BTreeSet<String>,
    /// How dates are written, as `strftime` says it; ISO 8601 and `17.05.2026` where `None`.
    pub date_format: Option<String>,
    /// No consent can be younger.
    pub now: Timestamp,
}

impl ConsentRules {
    /// The usual words for yes, and none for an explicit no.
    pub fn new(now: Timestamp) -> Self {
        let yes = ["yes", "true", "1", "x"].map(str::to_owned).into();
        Self { yes, no: BTreeSet::new(), date_format: None, now }
    }

    fn state(&self, word: &str) -> ConsentState {
        let word = word.trim().to_lowercase();
        if self.yes.contains(&word) {
            ConsentState::Granted
        } else if self.no.contains(&word) {
            ConsentState::Denied
        } else {
            ConsentState::Unknown
        }
    }

    fn date(&self, text: &str) -> Result<Timestamp, BadReason> {
        let text = text.trim();
        let at = match &self.date_format {
            Some(format) => with_format(format, text),
            None => text
                .parse::<Timestamp>()
                .ok()
                .or_else(|| text.parse::<jiff::civil::DateTime>().ok().and_then(at_utc))
                .or_else(|| text.parse::<Date>().ok().and_then(|date| at_utc(date.at(0, 0, 0, 0))))
                .or_else(|| with_format("%d.%m.%Y", text))
                .or_else(|| with_format("%d.%m.%Y %H:%M", text))
                .or_else(|| with_format("%d.%m.%Y %H:%M:%S", text)),
        };
        match at {
            None => Err(BadReason::NotADate),
            Some(at) if at > self.now => Err(BadReason::InTheFuture),
            Some(at) => Ok(at),
        }
    }
}

/// A date without a zone counts from its first moment in UTC: an opt-in never looks younger than it is by a day.
fn at_utc(civil: jiff::civil::DateTime) -> Option<Timestamp> {
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn with_format(format: &str, text: &str) -> Option<Timestamp> {
    let broken = strtime::parse(format, text).ok()?;
    broken
        .to_timestamp()
        .ok()
        .or_else(|| broken.to_datetime().ok().and_then(at_utc))
        .or_else(|| broken.to_date().ok().and_then(|date| at_utc(date.at(0, 0, 0, 0))))
}

/// A customer in the making.
#[derive(Default)]
pub(crate) struct Draft {
    id: Option<String>,
    contact: Contact,
    address: Address,
    consent: Option<String>,
    consent_at: Option<String>,
    consent_source: Option<String>,
}

/// Why a draft is no customer, and which field is to blame.
pub(crate) type Fault = (Option<Field>, BadReason);

impl Draft {
    /// Adds a cell.
    pub(crate) fn put(&mut self, field: &Field, text: Cow<'_, str>) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let owned = || Some(text.to_owned());
        match field {
            Field::Id => self.id = owned(),
            Field::Email => self.contact.email = owned(),
            Field::FirstName => self.contact.first_name = owned(),
            Field::LastName => self.contact.last_name = owned(),
            Field::Name => self.contact.name = owned(),
            Field::Company => self.contact.company = owned(),
            Field::TaxNumber => self.contact.tax_number = owned(),
            Field::Language => self.contact.language = owned(),
            Field::Phone(kind) => {
                self.contact.phones.push(Phone { kind: kind.map(str::to_owned), number: text.to_owned() });
            }
            Field::AddressLine => self.address.lines.push(text.to_owned()),
            Field::City => self.address.city = owned(),
            Field::Region => self.address.region = owned(),
            Field::PostalCode => self.address.postal_code = owned(),
            Field::Country => {
                let code = text.len() == 2 && text.is_ascii();
                self.address.country = Some(if code { text.to_ascii_uppercase() } else { text.to_owned() });
            }
            Field::Tags => {
                // One separator for the whole cell: a tag may hold the other ones.
                let separator = [';', '|', ','].into_iter().find(|c| text.contains(*c)).unwrap_or(';');
                let tags = text.split(separator).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned);
                self.contact.tags.extend(tags);
            }
            Field::Consent => self.consent = owned(),
            Field::ConsentDate => self.consent_at = owned(),
            Field::ConsentSource => self.consent_source = owned(),
            Field::Extra(name) => {
                self.contact.extra.insert(name.clone(), Value::text(text));
            }
            Field::Model(_) | Field::LeftOut => {}
        }
    }

    /// Adds a JSON member.
    pub(crate) fn put_json(&mut self, field: &Field, json: &Json) -> Result<(), Fault> {
        let wrong = |wanted| Err((Some(field.clone()), BadReason::WrongType { wanted }));
        match (field, json) {
            (_, Json::Null) => {}
            (_, Json::String(text)) => self.put(field, Cow::Borrowed(text)),
            (Field::Extra(name), json) => {
                let value = match json {
                    Json::Bool(yes) => Value::Bool(*yes),
                    Json::Number(number) => match number.to_string().parse() {
                        Ok(number) => Value::Decimal(number),
                        Err(_) => Value::Json(json.clone()),
                    },
                    json => Value::Json(json.clone()),
                };
                self.contact.extra.insert(name.clone(), value);
            }
            (_, Json::Number(number)) => self.put(field, Cow::Owned(number.to_string())),
            (Field::Consent, Json::Bool(yes)) => self.consent = Some(yes.to_string()),
            (Field::Tags, Json::Array(tags)) => {
                for tag in tags {
                    let Json::String(tag) = tag else { return wrong("a list of texts") };
                    if !tag.trim().is_empty() {
                        self.contact.tags.insert(tag.trim().to_owned());
                    }
                }
            }
            (Field::Phone(_), Json::Array(_)) => match serde_json::from_value::<Vec<Phone>>(json.clone()) {
                Ok(phones) => self.contact.phones.extend(phones),
                Err(_) => return wrong("a list of {kind, number}"),
            },
            (Field::AddressLine, Json::Object(_)) => match serde_json::from_value(json.clone()) {
                Ok(address) => self.contact.addresses.push(address),
                Err(_) => return wrong("an address {lines, city, region, postal_code, country}"),
            },
            (Field::LeftOut, _) => {}
            _ => return wrong("a text"),
        }
        Ok(())
    }

    /// The customer. Without rules for consent, consent stays unsaid.
    pub(crate) fn finish(mut self, rules: Option<&ConsentRules>) -> Result<(LocalId, Record), Fault> {
        let Some(id) = self.id else { return Err((Some(Field::Id), BadReason::NoId)) };
        if self.address != Address::default() {
            self.contact.addresses.push(self.address);
        }
        if let Some(rules) = rules {
            let state = rules.state(self.consent.as_deref().unwrap_or_default());
            let mut consent = Consent::new(state);
            // The date and source of something that was never said mean nothing.
            if state != ConsentState::Unknown {
                consent.source = self.consent_source;
                if let Some(at) = self.consent_at {
                    consent.at = Some(rules.date(&at).map_err(|reason| (Some(Field::ConsentDate), reason))?);
                }
            }
            self.contact.consent.insert(Channel::Email, consent);
        }
        Ok((LocalId::new(id), self.contact.into_record()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> ConsentRules {
        ConsentRules::new("2026-06-01T00:00:00Z".parse().unwrap())
    }

    fn draft(cells: &[(Field, &str)]) -> Draft {
        let mut draft = Draft::default();
        cells.iter().for_each(|(field, text)| draft.put(field, Cow::Borrowed(text)));
        draft
    }

    fn contact(cells: &[(Field, &str)]) -> Contact {
        let mut all = vec![(Field::Id, "1")];
        all.extend_from_slice(cells);
        Contact::from_record(&draft(&all).finish(Some(&rules())).unwrap().1).unwrap()
    }

    fn consent(cells: &[(Field, &str)]) -> Consent {
        contact(cells).consent[&Channel::Email].clone()
    }

    #[test]
    fn only_the_words_for_yes_are_consent() {
        for yes in ["yes", " YES ", "true", "1", "X"] {
            assert_eq!(consent(&[(Field::Consent, yes)]).state, ConsentState::Granted, "{yes}");
        }
        for other in ["no", "false", "0", "maybe", "yes please", ""] {
            assert_eq!(consent(&[(Field::Consent, other)]).state, ConsentState::Unknown, "{other}");
        }
    }

    #[test]
    fn a_word_for_no_is_a_refusal_only_where_it_was_named() {
        let rules = ConsentRules { no: ["unsubscribed".to_owned()].into(), ..rules() };
        let (_, record) = draft(&[(Field::Id, "1"), (Field::Consent, "Unsubscribed")]).finish(Some(&rules)).unwrap();
        assert_eq!(record.value("consent.email").unwrap().as_consent().unwrap().state, ConsentState::Denied);
    }

    #[test]
    fn without_a_consent_column_nothing_is_said_about_consent() {
        let (_, record) = draft(&[(Field::Id, "1"), (Field::Email, "a@example.com")]).finish(None).unwrap();
        assert_eq!(record.value("consent.email"), None);
    }

    #[test]
    fn consent_keeps_its_date_and_source() {
        let consent =
            consent(&[(Field::Consent, "yes"), (Field::ConsentDate, "2024-05-17"), (Field::ConsentSource, "web form")]);
        assert_eq!(consent.at.unwrap().to_string(), "2024-05-17T00:00:00Z");
        assert_eq!(consent.source.as_deref(), Some("web form"));
    }

    #[test]
    fn dates_are_read_in_the_usual_forms_and_nothing_is_guessed() {
        let at = |text: &str| rules().date(text).map(|at| at.to_string());
        assert_eq!(at("2024-05-17T10:30:00+02:00").unwrap(), "2024-05-17T08:30:00Z");
        assert_eq!(at("2024-05-17 10:30").unwrap(), "2024-05-17T10:30:00Z");
        assert_eq!(at("17.05.2024").unwrap(), "2024-05-17T00:00:00Z");
        assert_eq!(at("17.05.2024 10:30").unwrap(), "2024-05-17T10:30:00Z");
        assert_eq!(at("05/17/2024"), Err(BadReason::NotADate));
        assert_eq!(at("yesterday"), Err(BadReason::NotADate));
        let american = ConsentRules { date_format: Some("%m/%d/%Y".into()), ..rules() };
        assert_eq!(american.date("05/17/2024").unwrap().to_string(), "2024-05-17T00:00:00Z");
    }

    #[test]
    fn a_consent_from_the_future_is_refused() {
        assert_eq!(rules().date("2030-01-01"), Err(BadReason::InTheFuture));
    }

    #[test]
    fn tags_are_split_at_one_separator() {
        let tags = |text: &str| contact(&[(Field::Tags, text)]).tags.into_iter().collect::<Vec<_>>();
        assert_eq!(tags("diver; level:rescue ;;"), ["diver", "level:rescue"]);
        assert_eq!(tags("diver|a;b"), ["b", "diver|a"]);
        assert_eq!(tags("diver, guest"), ["diver", "guest"]);
    }

    #[test]
    fn phones_and_the_parts_of_an_address_come_together() {
        let contact = contact(&[
            (Field::Phone(Some("mobile")), "+34 600 000 000"),
            (Field::Phone(None), "  "),
            (Field::AddressLine, "1 Quay"),
            (Field::City, "Palma"),
            (Field::Country, "es"),
        ]);
        assert_eq!(contact.phones.len(), 1);
        assert_eq!(contact.addresses[0].lines, ["1 Quay"]);
        assert_eq!(contact.addresses[0].country.as_deref(), Some("ES"));
    }

    #[test]
    fn a_customer_needs_an_id() {
        let (field, reason) = draft(&[(Field::Id, "  "), (Field::Email, "a@example.com")]).finish(None).unwrap_err();
        assert_eq!((field, reason), (Some(Field::Id), BadReason::NoId));
    }

    #[test]
    fn json_members_keep_their_types_and_wrong_ones_are_named() {
        let mut draft = Draft::default();
        draft.put_json(&Field::Id, &serde_json::json!(42)).unwrap();
        draft.put_json(&Field::Tags, &serde_json::json!(["a", " b "])).unwrap();
        draft.put_json(&Field::Extra("dives".into()), &serde_json::json!(12)).unwrap();
        draft.put_json(&Field::Consent, &serde_json::json!(true)).unwrap();
        assert!(draft.put_json(&Field::Email, &serde_json::json!({"a": 1})).is_err());
        let (id, record) = draft.finish(Some(&rules())).unwrap();
        assert_eq!(id.as_str(), "42");
        assert_eq!(record.value("tags").unwrap().as_set().unwrap().len(), 2);
        assert!(matches!(record.value("extra.dives"), Some(Value::Decimal(_))));
    }
}
