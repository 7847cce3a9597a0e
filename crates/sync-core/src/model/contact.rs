//! People and companies.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Model,
    field::{EXTRA, text, wrong},
};
use crate::{Channel, Consent, FieldName, Record, Result, Value};

/// A person or company that buys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contact {
    /// The e-mail address. Field `email`.
    pub email: Option<String>,
    /// Given name. Field `first_name`.
    pub first_name: Option<String>,
    /// Family name. Field `last_name`.
    pub last_name: Option<String>,
    /// The name as shown, where it isn't given and family name. Field `name`.
    pub name: Option<String>,
    /// The company. Field `company`.
    pub company: Option<String>,
    /// Tax number. Field `tax_number`.
    pub tax_number: Option<String>,
    /// Language, as a BCP 47 tag. Field `language`.
    pub language: Option<String>,
    /// Telephone numbers. Field `phones`.
    pub phones: Vec<Phone>,
    /// Addresses. Field `addresses`.
    pub addresses: Vec<Address>,
    /// Consent by channel. Fields `consent.email`, `consent.sms`, `consent.whatsapp`.
    pub consent: BTreeMap<Channel, Consent>,
    /// Tags. Field `tags`.
    pub tags: BTreeSet<String>,
    /// Whatever else the host has. Fields `extra.…`.
    pub extra: BTreeMap<String, Value>,
}

/// A telephone number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    /// What it is for: `mobile`, `work`, `home`, `fax` or the host's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The number, as written.
    pub number: String,
}

/// A postal address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// What it is for: `billing`, `delivery` or the host's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Street and number, one entry per line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// State, province or region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Country, as an ISO 3166-1 alpha-2 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// What the fields of consent start with.
const CONSENT: &str = "consent.";

impl Contact {
    /// The name to show: `name`, else given and family name, else the company, else the e-mail address.
    pub fn display_name(&self) -> Option<String> {
        let person =
            [self.first_name.as_deref(), self.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        self.name
            .clone()
            .or_else(|| (!person.is_empty()).then_some(person))
            .or_else(|| self.company.clone())
            .or_else(|| self.email.clone())
    }
}

impl Model for Contact {
    const NAME: &'static str = "contact";
    const FIELDS: &'static [&'static str] = &[
        "email",
        "first_name",
        "last_name",
        "name",
        "company",
        "tax_number",
        "language",
        "phones",
        "addresses",
        "consent.email",
        "consent.sms",
        "consent.whatsapp",
        "tags",
    ];

    fn into_record(self) -> Record {
        let mut record = Record::new();
        let texts = [
            ("email", self.email),
            ("first_name", self.first_name),
            ("last_name", self.last_name),
            ("name", self.name),
            ("company", self.company),
            ("tax_number", self.tax_number),
            ("language", self.language),
        ];
        for (field, text) in texts {
            if let Some(text) = text {
                record.set(FieldName::from_static(field), Value::Text(text));
            }
        }
        // Lists of plain texts always have a JSON form.
        if !self.phones.is_empty() {
            record.set(FieldName::from_static("phones"), Value::Json(serde_json::json!(self.phones)));
        }
        if !self.addresses.is_empty() {
            record.set(FieldName::from_static("addresses"), Value::Json(serde_json::json!(self.addresses)));
        }
        for (channel, consent) in self.consent {
            record.set(FieldName::new(format!("{CONSENT}{channel}")), Value::Consent(consent));
        }
        if !self.tags.is_empty() {
            record.set(FieldName::from_static("tags"), Value::Set(self.tags));
        }
        for (name, value) in self.extra {
            record.set(FieldName::new(format!("{EXTRA}{name}")), value);
        }
        record
    }

    fn from_record(record: &Record) -> Result<Self> {
        let mut contact = Self::default();
        for (field, value) in record.iter() {
            match field.as_str() {
                "email" => contact.email = text(field, value)?,
                "first_name" => contact.first_name = text(field, value)?,
                "last_name" => contact.last_name = text(field, value)?,
                "name" => contact.name = text(field, value)?,
                "company" => contact.company = text(field, value)?,
                "tax_number" => contact.tax_number = text(field, value)?,
                "language" => contact.language = text(field, value)?,
                "phones" => contact.phones = list(field, value)?,
                "addresses" => contact.addresses = list(field, value)?,
                "tags" => match value {
                    Value::Set(tags) => contact.tags = tags.clone(),
                    Value::Null => {}
                    _ => return Err(wrong(field, "a set of texts")),
                },
                name if name.starts_with(CONSENT) => {
                    let channel = match &name[CONSENT.len()..] {
                        "email" => Channel::Email,
                        "sms" => Channel::Sms,
                        "whatsapp" => Channel::Whatsapp,
                        _ => return Err(wrong(field, "consent for email, sms or whatsapp")),
                    };
                    match value {
                        Value::Consent(consent) => {
                            contact.consent.insert(channel, consent.clone());
                        }
                        Value::Null => {}
                        _ => return Err(wrong(field, "a consent")),
                    }
                }
                name => {
                    let name = name.strip_prefix(EXTRA).unwrap_or(name);
                    contact.extra.insert(name.to_owned(), value.clone());
                }
            }
        }
        Ok(contact)
    }
}

fn list<T: serde::de::DeserializeOwned>(field: &FieldName, value: &Value) -> Result<Vec<T>> {
    match value {
        Value::Json(json) => serde_json::from_value(json.clone()).map_err(|_| wrong(field, "a list in the documented form")),
        Value::Null => Ok(Vec::new()),
        _ => Err(wrong(field, "a list")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ConsentState;

    fn full() -> Contact {
        Contact {
            email: Some("ada@example.com".into()),
            first_name: Some("Ada".into()),
            last_name: Some("Lovelace".into()),
            name: None,
            company: Some("Engines".into()),
            tax_number: Some("B-1".into()),
            language: Some("en".into()),
            phones: vec![Phone { kind: Some("mobile".into()), number: "+34 600 000 000".into() }],
            addresses: vec![Address { lines: vec!["1 Quay".into()], country: Some("ES".into()), ..Address::default() }],
            consent: [(Channel::Email, Consent::new(ConsentState::Granted).from_source("web"))].into(),
            tags: ["diver".to_owned()].into(),
            extra: [("level".to_owned(), Value::text("rescue"))].into(),
        }
    }

    #[test]
    fn a_contact_survives_the_round_trip() {
        assert_eq!(Contact::from_record(&full().into_record()).unwrap(), full());
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named() {
        let record = Record::new().with("email", Value::Bool(true));
        assert!(Contact::from_record(&record).unwrap_err().message().contains("email"));
    }

    #[test]
    fn the_display_name_falls_back_to_what_there_is() {
        assert_eq!(full().display_name().as_deref(), Some("Ada Lovelace"));
        assert_eq!(Contact::default().display_name(), None);
    }

    proptest! {
        #[test]
        fn any_texts_survive_the_round_trip(email in ".*", first in ".*", tag in ".*", extra in ".*") {
            let contact = Contact {
                email: Some(email),
                first_name: Some(first),
                tags: [tag].into(),
                extra: [("note".to_owned(), Value::Text(extra))].into(),
                ..Contact::default()
            };
            prop_assert_eq!(Contact::from_record(&contact.clone().into_record()).unwrap(), contact);
        }
    }
}
