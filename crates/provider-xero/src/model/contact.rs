//! Contacts.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    Complaint, Element,
    read::{decimal, object, or_default, truth},
    real_id,
};

/// The envelope of contacts.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Contacts {
    pub(crate) contacts: Vec<Contact>,
    #[serde(default, rename = "DateTimeUTC")]
    pub(crate) at: Option<String>,
}

/// One contact. Has no `Debug`: it is record content.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Contact {
    #[serde(rename = "ContactID", deserialize_with = "or_default")]
    pub(crate) contact_id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) contact_number: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) contact_status: String,
    #[serde(rename = "MergedToContactID", deserialize_with = "or_default")]
    pub(crate) merged_to: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) first_name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) last_name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) email_address: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) tax_number: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) phones: Vec<Phone>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) addresses: Vec<Address>,
    #[serde(deserialize_with = "truth")]
    pub(crate) is_supplier: bool,
    #[serde(deserialize_with = "truth")]
    pub(crate) is_customer: bool,
    #[serde(deserialize_with = "object")]
    pub(crate) balances: Balances,
    #[serde(rename = "UpdatedDateUTC", deserialize_with = "or_default")]
    pub(crate) updated: String,
    status_attribute_string: Option<String>,
    #[serde(deserialize_with = "or_default")]
    validation_errors: Vec<Complaint>,
}

impl Element for Contact {
    fn id(&self) -> Option<&str> {
        real_id(&self.contact_id)
    }

    fn status(&self) -> Option<&str> {
        self.status_attribute_string.as_deref()
    }

    fn complaints(&self) -> &[Complaint] {
        &self.validation_errors
    }
}

/// What a contact owes and is owed.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Balances {
    #[serde(deserialize_with = "object")]
    pub(crate) accounts_receivable: Balance,
    #[serde(deserialize_with = "object")]
    pub(crate) accounts_payable: Balance,
}

/// One side of [`Balances`].
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Balance {
    #[serde(deserialize_with = "decimal")]
    pub(crate) outstanding: Decimal,
}

/// A telephone number in up to three pieces.
#[derive(Deserialize, Serialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Phone {
    #[serde(deserialize_with = "or_default")]
    pub(crate) phone_type: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) phone_number: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) phone_area_code: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) phone_country_code: String,
}

/// A postal address.
#[derive(Deserialize, Serialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Address {
    #[serde(deserialize_with = "or_default")]
    pub(crate) address_type: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) address_line1: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) address_line2: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) address_line3: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) address_line4: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) city: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) region: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) postal_code: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) country: String,
}

/// What may be written of a contact. Only what is set is sent, and what isn't sent stays.
#[derive(Serialize, Default)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ContactWrite {
    #[serde(rename = "ContactID", skip_serializing_if = "Option::is_none")]
    pub(crate) contact_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contact_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contact_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tax_number: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) phones: Vec<Phone>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) addresses: Vec<Address>,
}

/// Body of a write of contacts.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ContactsWrite<'a> {
    pub(crate) contacts: Vec<&'a ContactWrite>,
}
