//! The wire types, as Xero spells them.
//!
//! What an answer is about (its list, a record's id) has no default: an answer without it is none. Everything else may be
//! missing, null, or, for objects, an empty list.

mod books;
mod contact;
mod document;
mod payment;
mod read;

use serde::Deserialize;
use serde_json::Value;

use self::read::or_default;
pub(crate) use self::{
    books::{
        Account, Accounts, BrandingTheme, BrandingThemes, Currencies, Currency, Organisation, Organisations, TaxRate,
        TaxRates, TrackingCategories, TrackingCategory,
    },
    contact::{Address, Contact, ContactWrite, Contacts, ContactsWrite, Phone},
    document::{
        AllocationWrite, AllocationsWrite, Document, DocumentWrite, Documents, DocumentsWrite, IdWrite, Line, LineTracking,
        Named,
    },
    payment::{Payment, PaymentDelete, PaymentWrite, Payments, PaymentsWrite},
};

/// What a failed element comes with instead of an id.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

/// One tenant in reach: `GET /connections`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tenant {
    /// Of the connection between the app and the tenant.
    pub(crate) id: String,
    pub(crate) tenant_id: String,
    #[serde(default)]
    pub(crate) tenant_type: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) tenant_name: String,
}

/// What went wrong with one element of a write. `Description` is what one page of the documentation has instead.
#[derive(Deserialize, Clone)]
pub(crate) struct Complaint {
    #[serde(default, rename = "Message", alias = "Description", deserialize_with = "or_default")]
    pub(crate) message: String,
}

/// The members by which an element of a write tells that it failed. Which of them there are differs by kind.
pub(crate) trait Element {
    /// Xero's id; `None` for the one that stands for none.
    fn id(&self) -> Option<&str>;
    /// `OK`, `WARNING`, `ERROR`, or nothing.
    fn status(&self) -> Option<&str>;
    /// Why it failed.
    fn complaints(&self) -> &[Complaint];

    /// True when Xero did not do it. Flags named `HasErrors` and the like come with both, and are not asked.
    fn has_failed(&self) -> bool {
        self.status().is_some_and(|status| status.eq_ignore_ascii_case("ERROR")) || !self.complaints().is_empty()
    }
}

/// An id that is one.
pub(crate) fn real_id(id: &str) -> Option<&str> {
    Some(id).filter(|id| !id.is_empty() && *id != NO_ID)
}

/// The error of most refusals: one shape for the whole call, elements inside where it was about some.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Exception {
    pub(crate) error_number: Option<i64>,
    #[serde(rename = "Type")]
    pub(crate) kind: Option<String>,
    pub(crate) message: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) elements: Vec<FailedElement>,
    /// The other shape, of 401 and 403.
    pub(crate) title: Option<String>,
    pub(crate) status: Option<Value>,
    pub(crate) detail: Option<String>,
}

/// One element of an [`Exception`].
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct FailedElement {
    #[serde(deserialize_with = "or_default")]
    pub(crate) validation_errors: Vec<Complaint>,
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;
    use serde::Serialize;

    use super::{read::number, *};

    #[test]
    fn nothing_may_be_null_or_a_list_and_numbers_may_be_texts() {
        let contact: Contact = serde_json::from_str(
            r#"{"ContactID":"a","Name":null,"Phones":null,"Balances":[],"IsSupplier":"true","IsCustomer":false}"#,
        )
        .unwrap();
        assert!(contact.is_supplier && !contact.is_customer && contact.phones.is_empty());
        let contact: Contact =
            serde_json::from_str(r#"{"Balances":{"AccountsReceivable":{"Outstanding":"12.50"}}}"#).unwrap();
        assert_eq!(contact.balances.accounts_receivable.outstanding, "12.5".parse().unwrap());
        let contact: Contact = serde_json::from_str(r#"{"Balances":{"AccountsReceivable":{"Outstanding":0.1}}}"#).unwrap();
        assert_eq!(contact.balances.accounts_receivable.outstanding.to_string(), "0.1");
    }

    #[test]
    fn an_element_failed_when_it_says_so_in_either_way() {
        let of = |text: &str| serde_json::from_str::<Contact>(text).unwrap().has_failed();
        assert!(of(r#"{"StatusAttributeString":"ERROR"}"#));
        assert!(of(r#"{"HasValidationErrors":true,"ValidationErrors":[{"Message":"x"}]}"#));
        assert!(of(r#"{"StatusAttributeString":"OK","ValidationErrors":[{"Description":"x"}]}"#));
        assert!(!of(r#"{"StatusAttributeString":"WARNING","Warnings":[{"Message":"x"}],"ValidationErrors":[]}"#));
        assert!(!of(r#"{"ContactID":"a","HasValidationErrors":false}"#));
    }

    #[test]
    fn the_zero_id_is_none() {
        assert_eq!((real_id(NO_ID), real_id(""), real_id("a")), (None, None, Some("a")));
    }

    #[test]
    fn money_is_written_as_it_is() {
        #[derive(Serialize)]
        struct Money(#[serde(serialize_with = "number")] Decimal);
        for text in ["0", "100", "0.1", "-12.34", "9999999999.99", "1234567.0001"] {
            let written = serde_json::to_string(&Money(text.parse().unwrap())).unwrap();
            assert_eq!(written, text);
        }
        assert_eq!(serde_json::to_string(&Money("1.50".parse().unwrap())).unwrap(), "1.5");
        assert!(serde_json::to_string(&Money("1234567890123456.789".parse().unwrap())).is_err());
    }
}
