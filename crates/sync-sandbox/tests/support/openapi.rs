//! Xero's descriptions of its APIs, and how answers compare with them.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

/// In the schemas, not in our answers: end of the path, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("APIKey", "no keys are shown"),
    ("Attachments", "not modelled"),
    ("BatchPayment", "payments of batches name its id"),
    ("BatchPayments", "not modelled"),
    ("BankAccountDetails", "shown where it is sent"),
    ("BankAccountNumber", "shown for bank accounts"),
    ("BankAccountType", "shown for bank accounts"),
    ("BatchPaymentID", "shown for payments of batches"),
    ("BrandingTheme", "not modelled"),
    ("BrandingThemeID", "shown where it is set"),
    ("CISDeduction", "of the United Kingdom's building trade"),
    ("CISRate", "of the United Kingdom's building trade"),
    ("Code", "a payment shows its account's"),
    ("CompanyNumber", "shown where it is sent"),
    ("ContactNumber", "shown where it is set"),
    ("AccountNumber", "shown where it is set"),
    ("AccountsReceivableTaxType", "shown where it is sent"),
    ("AccountsPayableTaxType", "shown where it is sent"),
    ("CreditNote", "a payment shows it under Invoice"),
    ("CreditNoteNumber", "shown for credit notes"),
    ("CurrencyCode", "shown for bank accounts"),
    ("DefaultCurrency", "shown where it is sent"),
    ("Details", "not modelled"),
    ("Discount", "not modelled"),
    ("DiscountAmount", "shown where there is one"),
    ("DiscountRate", "shown where there is one"),
    ("EmailAddress", "shown where it is sent"),
    ("EmployerIdentificationNumber", "of the United States"),
    ("EndOfYearLockDate", "shown where it is locked"),
    ("PeriodLockDate", "shown where it is locked"),
    ("ExpectedPaymentDate", "shown where it is sent"),
    ("FirstName", "shown where it is sent"),
    ("FullyPaidOnDate", "shown where it is paid"),
    ("HasErrors", "shown where it matters"),
    ("HasValidationErrors", "shown where it matters"),
    ("InvoiceAddresses", "of the United States"),
    ("InvoiceNumber", "shown inside the invoice"),
    ("Item", "not modelled"),
    ("ItemCode", "not modelled"),
    ("LastName", "shown where it is sent"),
    ("LineOfBusiness", "not modelled"),
    ("LogoUrl", "no logos"),
    ("MergedToContactID", "shown where it is merged"),
    ("Narrative", "not modelled"),
    ("Overpayment", "not modelled"),
    ("Particulars", "not modelled"),
    ("PaymentTerms", "shown where it is sent"),
    ("PlannedPaymentDate", "shown where it is sent"),
    ("Prepayment", "not modelled"),
    ("PurchasesDefaultAccountCode", "shown where it is sent"),
    ("PurchasesDefaultLineAmountType", "shown where it is sent"),
    ("RegistrationNumber", "none"),
    ("RepeatingInvoiceID", "not modelled"),
    ("ReportingCodeName", "not modelled"),
    ("SalesDefaultAccountCode", "shown where it is sent"),
    ("SalesDefaultLineAmountType", "shown where it is sent"),
    ("SalesTaxCodeId", "of the United States"),
    ("StatusAttributeString", "shown where errors are not summarized"),
    ("SystemAccount", "shown for system accounts"),
    ("TaxBreakdown", "of the United States"),
    ("Taxability", "of the United States"),
    ("TaxNumber", "shown where it is sent"),
    ("TaxNumberType", "of the United States"),
    ("TotalDiscount", "not modelled"),
    ("TrackingCategoryName", "not modelled"),
    ("TrackingCategoryOption", "not modelled"),
    ("TrackingCategoryID", "of an option its category's"),
    ("TrackingOptionID", "of a category none"),
    ("Option", "of a category none"),
    ("Url", "shown where it is sent"),
    ("ValidationErrors", "shown where there are any"),
    ("Warnings", "no warnings are modelled"),
    ("Website", "not modelled"),
    ("XeroNetworkKey", "not modelled"),
    ("AppliedAmount", "shown inside invoices"),
    ("DueDate", "credit notes have none"),
    ("Amount", "of a batch its total"),
    ("Payments", "shown in full reads"),
    ("pagination", "shown with pages"),
];

/// In the description's examples, not in its schemas.
const ADDED: &[&str] = &[
    "DateString",
    "DueDateString",
    "ID",
    "HasErrors",
    "HasValidationErrors",
    "CreditNoteNumber",
    "IsDeleted",
    "IsArchived",
    "IsActive",
    "AccountID",
    "StatusAttributeString",
    "authEventId",
    "ValidationErrors",
];

/// A description.
pub(crate) struct Spec(pub(crate) Value);

impl Spec {
    pub(crate) fn read(name: &str) -> Option<Self> {
        let path = format!("{}/../../../shared/specs/xero/{name}", env!("CARGO_MANIFEST_DIR"));
        match fs::read_to_string(path) {
            Ok(text) => Some(Self(super::yaml::read(&text))),
            Err(_) => {
                println!("skipped: {name} is not here");
                None
            }
        }
    }

    pub(crate) fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str() {
            Some(name) => {
                let name = name.trim_start_matches("#/").replace('/', ".");
                let found = name.split('.').fold(&self.0, |at, part| &at[part]);
                assert!(!found.is_null(), "{name} is not described");
                found
            }
            None => schema,
        }
    }

    /// Names of the query parameters and headers of an operation.
    pub(crate) fn parameters(&self, operation: &Value) -> BTreeSet<String> {
        let all = operation["parameters"].as_array().into_iter().flatten();
        all.map(|one| self.resolve(one)["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Compares a value with its schema; `is_answer` also asks for members that are missing.
    pub(crate) fn compare(&self, schema: &Value, value: &Value, at: &str, is_answer: bool, wrong: &mut BTreeSet<String>) {
        let schema = self.resolve(schema);
        let kind = schema["type"].as_str().unwrap_or("object");
        let fits = match kind {
            "string" => value.is_string() && has_format(schema, value.as_str().unwrap_or_default()),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{at}: type {other}"),
        };
        if !fits {
            wrong.insert(format!("{at}: {value} is no {kind} {}", schema["format"]));
            return;
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            wrong.insert(format!("{at}: {value} is none of {words:?}"));
        }
        for item in value.as_array().into_iter().flatten() {
            self.compare(&schema["items"], item, &format!("{at}[]"), is_answer, wrong);
        }
        let (Some(members), Some(known)) = (value.as_object(), schema["properties"].as_object()) else { return };
        for (name, member) in members {
            match known.get(name) {
                Some(schema) => self.compare(schema, member, &format!("{at}.{name}"), is_answer, wrong),
                None if ADDED.contains(&name.as_str()) => {}
                None => drop(wrong.insert(format!("{at}.{name} is not described"))),
            }
        }
        // What stands inside another record is a stub.
        let n_dots = at.matches('.').count();
        let is_whole = n_dots == 0 || (n_dots == 1 && at.ends_with("[]")) || (n_dots == 2 && at.ends_with(".LineItems[]"));
        for name in known.keys().filter(|name| is_answer && is_whole && !members.contains_key(*name)) {
            if !LEFT_OUT.iter().any(|(left, _)| left == name) {
                wrong.insert(format!("{at}.{name} is described and missing"));
            }
        }
    }
}

fn has_format(schema: &Value, text: &str) -> bool {
    match schema["format"].as_str() {
        Some("uuid") => text.len() == 36,
        _ if schema["x-is-msdate-time"] == true || schema["x-is-msdate"] == true => {
            text.starts_with("/Date(") || text.parse::<jiff::civil::Date>().is_ok()
        }
        _ => true,
    }
}
