//! A payment.
//! Source: the schema `Payment` of Xero's API description.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{company::Company, dates, document::Kind, id::Id, money};

/// A payment of an invoice, or a refund of a credit note.
#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) id: Id,
    pub(super) document: Id,
    pub(super) kind: Kind,
    pub(super) account: Id,
    pub(super) date: Date,
    /// In the document's currency.
    pub(super) amount: Decimal,
    /// In the account's.
    pub(super) bank_amount: Decimal,
    pub(super) rate: Decimal,
    pub(super) reference: String,
    pub(super) is_reconciled: bool,
    pub(super) is_deleted: bool,
    pub(super) batch: Option<Id>,
    pub(super) updated: Timestamp,
}

impl Payment {
    fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Sale => "ACCRECPAYMENT",
            Kind::Bill => "ACCPAYPAYMENT",
            Kind::SaleCredit => "ARCREDITPAYMENT",
            Kind::BillCredit => "APCREDITPAYMENT",
        }
    }

    pub(super) fn show(&self, company: &Company) -> Value {
        let mut shown = json!({
            "PaymentID": self.id.json(), "Date": dates::day(self.date), "Amount": money::json(self.amount),
            "BankAmount": money::json(self.bank_amount), "CurrencyRate": money::json(self.rate),
            "Reference": self.reference, "PaymentType": self.kind(), "IsReconciled": self.is_reconciled,
            "Status": if self.is_deleted { "DELETED" } else { "AUTHORISED" }, "HasAccount": true,
            "HasValidationErrors": false, "UpdatedDateUTC": dates::stamp(self.updated),
            "UpdatedDateUTCString": dates::iso(self.updated),
        });
        if let Some(account) = company.accounts.get(&self.account) {
            shown["Account"] = json!({"AccountID": account.id.json(), "Code": account.code, "Name": account.name});
        }
        // A refund's credit note stands under `Invoice`, as in the example of GET /Payments.
        if let Some(document) = company.documents.get(&self.document) {
            shown["Invoice"] = document.stub(company);
        }
        if let Some(batch) = self.batch {
            shown["BatchPaymentID"] = batch.json();
        }
        shown
    }

    /// As its document shows it.
    pub(super) fn stub(&self) -> Value {
        let mut shown = json!({
            "PaymentID": self.id.json(), "Date": dates::day(self.date), "Amount": money::json(self.amount),
            "Reference": self.reference, "CurrencyRate": money::json(self.rate), "HasAccount": false,
            "HasValidationErrors": false,
        });
        if let Some(batch) = self.batch {
            shown["BatchPaymentID"] = batch.json();
        }
        shown
    }
}
