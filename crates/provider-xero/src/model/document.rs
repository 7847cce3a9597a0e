//! Invoices and credit notes.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    Complaint, ContactWrite, Element, Payment,
    read::{decimal, maybe_decimal, maybe_number, maybe_truth, number, object, or_default},
    real_id,
};

/// The envelope of invoices or credit notes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Documents {
    #[serde(rename = "Invoices", alias = "CreditNotes")]
    pub(crate) documents: Vec<Document>,
    #[serde(default, rename = "DateTimeUTC")]
    pub(crate) at: Option<String>,
}

/// An invoice or a credit note: the same but for the names of a few members. Has no `Debug`: it is record content.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Document {
    #[serde(rename = "InvoiceID", alias = "CreditNoteID", deserialize_with = "or_default")]
    pub(crate) id: String,
    #[serde(rename = "Type", deserialize_with = "or_default")]
    pub(crate) kind: String,
    #[serde(rename = "InvoiceNumber", alias = "CreditNoteNumber", deserialize_with = "or_default")]
    pub(crate) number: String,
    #[serde(deserialize_with = "object")]
    pub(crate) contact: Named,
    #[serde(deserialize_with = "or_default")]
    pub(crate) line_items: Vec<Line>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) date: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) due_date: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) line_amount_types: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) reference: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) currency_code: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) status: String,
    #[serde(deserialize_with = "maybe_truth")]
    pub(crate) sent_to_contact: Option<bool>,
    #[serde(deserialize_with = "maybe_decimal")]
    pub(crate) total: Option<Decimal>,
    #[serde(deserialize_with = "maybe_decimal")]
    pub(crate) amount_due: Option<Decimal>,
    #[serde(deserialize_with = "decimal")]
    pub(crate) amount_paid: Decimal,
    #[serde(deserialize_with = "decimal")]
    pub(crate) amount_credited: Decimal,
    #[serde(deserialize_with = "maybe_decimal")]
    pub(crate) remaining_credit: Option<Decimal>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) payments: Vec<Payment>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) allocations: Vec<Allocation>,
    #[serde(rename = "UpdatedDateUTC", deserialize_with = "or_default")]
    pub(crate) updated: String,
    status_attribute_string: Option<String>,
    #[serde(deserialize_with = "or_default")]
    validation_errors: Vec<Complaint>,
}

impl Element for Document {
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

/// Another record, as far as it is named.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Named {
    #[serde(
        rename = "ContactID",
        alias = "InvoiceID",
        alias = "CreditNoteID",
        alias = "AccountID",
        alias = "BatchPaymentID",
        deserialize_with = "or_default"
    )]
    pub(crate) id: String,
    #[serde(rename = "Code", deserialize_with = "or_default")]
    pub(crate) code: String,
}

/// What part of a credit note was set against which invoice.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Allocation {
    #[serde(deserialize_with = "object")]
    pub(crate) invoice: Named,
    #[serde(deserialize_with = "maybe_truth")]
    pub(crate) is_deleted: Option<bool>,
}

/// One line of a document. What is read of it is written back, where it is a line that others keep.
#[derive(Deserialize, Serialize, Default, Clone)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Line {
    #[serde(rename = "LineItemID", deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) id: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    #[serde(deserialize_with = "maybe_decimal", serialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub(crate) quantity: Option<Decimal>,
    #[serde(deserialize_with = "maybe_decimal", serialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub(crate) unit_amount: Option<Decimal>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) item_code: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) account_code: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) tax_type: String,
    #[serde(deserialize_with = "maybe_decimal", serialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub(crate) tax_amount: Option<Decimal>,
    #[serde(deserialize_with = "maybe_decimal", serialize_with = "maybe_number", skip_serializing)]
    pub(crate) line_amount: Option<Decimal>,
    #[serde(deserialize_with = "maybe_decimal", serialize_with = "maybe_number", skip_serializing_if = "Option::is_none")]
    pub(crate) discount_rate: Option<Decimal>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(crate) tracking: Vec<LineTracking>,
}

/// A tracking option on a line.
#[derive(Deserialize, Serialize, Default, Clone)]
#[serde(default)]
pub(crate) struct LineTracking {
    #[serde(rename = "TrackingCategoryID", deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) category: String,
    #[serde(rename = "TrackingOptionID", deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) option: String,
}

/// What may be written of an invoice or credit note. Only what is set is sent. That it was sent to a customer is never
/// among it.
#[derive(Serialize, Default)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DocumentWrite {
    #[serde(rename = "InvoiceID", skip_serializing_if = "Option::is_none")]
    pub(crate) invoice_id: Option<String>,
    #[serde(rename = "CreditNoteID", skip_serializing_if = "Option::is_none")]
    pub(crate) credit_note_id: Option<String>,
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contact: Option<ContactWrite>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invoice_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credit_note_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line_amount_types: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    #[serde(rename = "BrandingThemeID", skip_serializing_if = "Option::is_none")]
    pub(crate) branding_theme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) currency_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) line_items: Vec<Line>,
}

/// Body of a write of documents.
#[derive(Serialize, Default)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DocumentsWrite<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) invoices: Vec<&'a DocumentWrite>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) credit_notes: Vec<&'a DocumentWrite>,
}

/// Body of `PUT /CreditNotes/{id}/Allocations`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AllocationsWrite {
    pub(crate) allocations: Vec<AllocationWrite>,
}

/// One of [`AllocationsWrite`].
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AllocationWrite {
    pub(crate) invoice: IdWrite,
    #[serde(serialize_with = "number")]
    pub(crate) amount: Decimal,
    pub(crate) date: String,
}

/// Names another record by id. Anything more would change that record.
#[derive(Serialize, Default)]
pub(crate) struct IdWrite {
    #[serde(rename = "InvoiceID", skip_serializing_if = "Option::is_none")]
    pub(crate) invoice: Option<String>,
    #[serde(rename = "CreditNoteID", skip_serializing_if = "Option::is_none")]
    pub(crate) credit_note: Option<String>,
    #[serde(rename = "AccountID", skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
}
