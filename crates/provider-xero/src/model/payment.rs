//! Payments.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    Complaint, Element, IdWrite, Named,
    read::{maybe_decimal, number, object, or_default, truth},
    real_id,
};

/// The envelope of payments.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Payments {
    pub(crate) payments: Vec<Payment>,
    #[serde(default, rename = "DateTimeUTC")]
    pub(crate) at: Option<String>,
}

/// One payment. Has no `Debug`: it is record content.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Payment {
    #[serde(rename = "PaymentID", deserialize_with = "or_default")]
    pub(crate) id: String,
    #[serde(deserialize_with = "object")]
    pub(crate) invoice: PaidDocument,
    #[serde(deserialize_with = "object")]
    pub(crate) credit_note: PaidDocument,
    #[serde(deserialize_with = "object")]
    pub(crate) account: Named,
    #[serde(deserialize_with = "or_default")]
    pub(crate) date: String,
    #[serde(deserialize_with = "maybe_decimal")]
    pub(crate) amount: Option<Decimal>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) reference: String,
    #[serde(deserialize_with = "truth")]
    pub(crate) is_reconciled: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) status: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) payment_type: String,
    #[serde(rename = "BatchPaymentID", deserialize_with = "or_default")]
    pub(crate) batch_payment_id: String,
    #[serde(deserialize_with = "object")]
    pub(crate) batch_payment: Named,
    #[serde(rename = "UpdatedDateUTC", deserialize_with = "or_default")]
    pub(crate) updated: String,
    status_attribute_string: Option<String>,
    #[serde(deserialize_with = "or_default")]
    validation_errors: Vec<Complaint>,
}

impl Element for Payment {
    fn id(&self) -> Option<&str> {
        real_id(&self.id)
    }

    fn status(&self) -> Option<&str> {
        self.status_attribute_string.as_deref()
    }

    fn complaints(&self) -> &[Complaint] {
        &self.validation_errors
    }
}

/// The document that a payment is on.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct PaidDocument {
    #[serde(rename = "InvoiceID", alias = "CreditNoteID", deserialize_with = "or_default")]
    pub(crate) id: String,
    #[serde(deserialize_with = "object")]
    pub(crate) contact: Named,
    #[serde(deserialize_with = "or_default")]
    pub(crate) currency_code: String,
}

/// What is written of a new payment.
#[derive(Serialize, Default)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PaymentWrite {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invoice: Option<IdWrite>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credit_note: Option<IdWrite>,
    pub(crate) account: IdWrite,
    pub(crate) date: String,
    #[serde(serialize_with = "number")]
    pub(crate) amount: Decimal,
    pub(crate) reference: String,
}

/// Body of `PUT /Payments`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PaymentsWrite<'a> {
    pub(crate) payments: Vec<&'a PaymentWrite>,
}

/// Body of `POST /Payments/{id}`: any other member is refused.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PaymentDelete {
    pub(crate) status: &'static str,
}
