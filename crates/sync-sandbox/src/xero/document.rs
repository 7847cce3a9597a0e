//! Invoices, bills and their credit notes.
//! Sources: the schemas `Invoice` and `CreditNote` of Xero's API description,
//! <https://developer.xero.com/documentation/api/accounting/invoices>.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{company::Company, dates, id::Id, line::Line, money};

/// Who owes whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Sale,
    Bill,
    SaleCredit,
    BillCredit,
}

impl Kind {
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Sale, Self::Bill, Self::SaleCredit, Self::BillCredit].into_iter().find(|kind| kind.as_str() == text)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "ACCREC",
            Self::Bill => "ACCPAY",
            Self::SaleCredit => "ACCRECCREDIT",
            Self::BillCredit => "ACCPAYCREDIT",
        }
    }

    pub(super) fn is_sale(self) -> bool {
        matches!(self, Self::Sale | Self::SaleCredit)
    }

    pub(super) fn is_credit(self) -> bool {
        matches!(self, Self::SaleCredit | Self::BillCredit)
    }
}

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Draft,
    Submitted,
    Authorised,
    Paid,
    Voided,
    Deleted,
}

impl Status {
    pub(super) const WORDS: &[&str] = &["DRAFT", "SUBMITTED", "AUTHORISED", "PAID", "VOIDED", "DELETED"];

    pub(super) fn parse(text: &str) -> Option<Self> {
        let all = [Self::Draft, Self::Submitted, Self::Authorised, Self::Paid, Self::Voided, Self::Deleted];
        all.into_iter().find(|status| status.as_str() == text)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Submitted => "SUBMITTED",
            Self::Authorised => "AUTHORISED",
            Self::Paid => "PAID",
            Self::Voided => "VOIDED",
            Self::Deleted => "DELETED",
        }
    }

    /// Whether a call may ask for this move.
    /// Source: <https://developer.xero.com/documentation/api/accounting/types#invoice-status-codes>.
    pub(super) fn may_become(self, other: Self) -> bool {
        match self {
            Self::Draft => matches!(other, Self::Draft | Self::Submitted | Self::Authorised | Self::Deleted),
            Self::Submitted => matches!(other, Self::Draft | Self::Submitted | Self::Authorised | Self::Deleted),
            Self::Authorised => matches!(other, Self::Authorised | Self::Voided),
            Self::Paid | Self::Voided | Self::Deleted => false,
        }
    }
}

/// How amounts of lines and tax go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineAmounts {
    Exclusive,
    Inclusive,
    NoTax,
}

impl LineAmounts {
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Exclusive, Self::Inclusive, Self::NoTax].into_iter().find(|one| one.as_str() == text)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "Exclusive",
            Self::Inclusive => "Inclusive",
            Self::NoTax => "NoTax",
        }
    }
}

/// A part of a credit note that pays an invoice.
#[derive(Debug, Clone)]
pub(super) struct Allocation {
    pub(super) id: Id,
    pub(super) credit: Id,
    pub(super) invoice: Id,
    pub(super) amount: Decimal,
    pub(super) date: Date,
}

/// An invoice, a bill or a credit note.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) id: Id,
    pub(super) kind: Kind,
    pub(super) number: String,
    pub(super) reference: String,
    pub(super) contact: Id,
    pub(super) date: Date,
    pub(super) due: Option<Date>,
    pub(super) status: Status,
    pub(super) amounts: LineAmounts,
    pub(super) lines: Vec<Line>,
    pub(super) currency: String,
    /// Units of the currency for one of the base.
    pub(super) rate: Decimal,
    pub(super) sub_total: Decimal,
    pub(super) tax: Decimal,
    pub(super) total: Decimal,
    pub(super) paid: Decimal,
    /// Of an invoice: what credit notes paid. Of a credit note: what of it was used so.
    pub(super) credited: Decimal,
    pub(super) payments: Vec<Id>,
    pub(super) allocations: Vec<Allocation>,
    pub(super) fully_paid_on: Option<Date>,
    pub(super) is_sent: bool,
    pub(super) is_reminded: bool,
    pub(super) theme: Option<Id>,
    /// Members that nothing depends on, such as `Url`.
    pub(super) others: Map<String, Value>,
    /// The app that made it; nothing: a person.
    pub(super) made_by: Option<String>,
    pub(super) updated: Timestamp,
}

/// How much of a document is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// With lines, as single reads, pages and answers to writes have it.
    Full,
    /// Without lines, as a listing without pages has it.
    Listed,
    /// Lightweight members only: `summaryOnly`.
    Summary,
}

impl Document {
    /// What remains to be paid, or of a credit note to be used: nothing of what was voided, as in the description's example.
    pub(super) fn due_amount(&self) -> Decimal {
        match self.status {
            Status::Voided | Status::Deleted => Decimal::ZERO,
            _ => self.total - self.paid - self.credited,
        }
    }

    pub(super) fn has_applied(&self) -> bool {
        !self.payments.is_empty() || !self.allocations.is_empty()
    }

    /// Sums its lines. Tax was rounded line by line.
    pub(super) fn add_up(&mut self) {
        let lines: Decimal = self.lines.iter().map(|line| line.amount).sum();
        self.tax = self.lines.iter().map(|line| line.tax).sum();
        (self.sub_total, self.total) = match self.amounts {
            LineAmounts::Inclusive => (lines - self.tax, lines),
            LineAmounts::Exclusive => (lines, lines + self.tax),
            LineAmounts::NoTax => (lines, lines),
        };
    }

    /// Becomes paid, or is no longer, as its balance says. The date is that of the last payment or credit.
    pub(super) fn settle(&mut self, on: Date) {
        match (self.status, self.due_amount().is_zero()) {
            (Status::Authorised, true) if self.has_applied() => {
                self.status = Status::Paid;
                self.fully_paid_on = Some(on);
            }
            (Status::Paid, false) => {
                self.status = Status::Authorised;
                self.fully_paid_on = None;
            }
            _ => {}
        }
    }

    pub(super) fn show(&self, company: &Company, detail: Detail, places: u32) -> Value {
        let mut shown = Map::new();
        let mut set = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
        set("Type", json!(self.kind.as_str()));
        set("Reference", json!(self.reference));
        set("Contact", self.contact_stub(company));
        set("Date", dates::day(self.date));
        set("DateString", dates::day_text(self.date));
        if let Some(due) = self.due {
            set("DueDate", dates::day(due));
            set("DueDateString", dates::day_text(due));
        }
        set("Status", json!(self.status.as_str()));
        set("LineAmountTypes", json!(self.amounts.as_str()));
        set("SubTotal", money::json(self.sub_total));
        set("TotalTax", money::json(self.tax));
        set("Total", money::json(self.total));
        set("CurrencyCode", json!(self.currency));
        set("CurrencyRate", money::json(self.rate));
        set("UpdatedDateUTC", dates::stamp(self.updated));
        set("UpdatedDateUTCString", dates::iso(self.updated));
        set("HasErrors", json!(false));
        set("HasAttachments", json!(false));
        set("SentToContact", json!(self.is_sent));
        if let Some(theme) = self.theme {
            set("BrandingThemeID", theme.json());
        }
        if let Some(on) = self.fully_paid_on {
            set("FullyPaidOnDate", dates::day(on));
        }
        for (name, value) in &self.others {
            set(name, value.clone());
        }
        if self.kind.is_credit() {
            set("CreditNoteID", self.id.json());
            set("ID", self.id.json());
            set("CreditNoteNumber", json!(self.number));
            set("RemainingCredit", money::json(self.due_amount()));
        } else {
            set("InvoiceID", self.id.json());
            set("InvoiceNumber", json!(self.number));
            set("IsDiscounted", json!(self.lines.iter().any(Line::is_discounted)));
            set("AmountDue", money::json(self.due_amount()));
            set("AmountPaid", money::json(self.paid));
            set("AmountCredited", money::json(self.credited));
        }
        if detail != Detail::Summary {
            set("Payments", self.payments.iter().filter_map(|id| company.payments.get(id)).map(|one| one.stub()).collect());
            set(
                "LineItems",
                match detail {
                    Detail::Full => self.lines.iter().map(|line| line.show(places)).collect(),
                    _ => json!([]),
                },
            );
            if self.kind.is_credit() {
                set("Allocations", self.allocations.iter().map(|one| show_allocation(one, company)).collect());
            } else {
                set("Prepayments", json!([]));
                set("Overpayments", json!([]));
                set("CreditNotes", self.allocations.iter().filter_map(|one| credit_stub(one, company)).collect());
            }
        }
        Value::Object(shown)
    }

    fn contact_stub(&self, company: &Company) -> Value {
        let name = company.contacts.get(&self.contact).map(|contact| contact.name.clone()).unwrap_or_default();
        json!({
            "ContactID": self.contact.json(), "Name": name, "Addresses": [], "Phones": [], "ContactGroups": [],
            "ContactPersons": [], "HasValidationErrors": false,
        })
    }

    /// As a payment shows what it paid.
    pub(super) fn stub(&self, company: &Company) -> Value {
        json!({
            "Type": self.kind.as_str(), "InvoiceID": self.id.json(), "InvoiceNumber": self.number, "Payments": [],
            "CreditNotes": [], "Prepayments": [], "Overpayments": [], "HasErrors": false, "IsDiscounted": false,
            "Contact": self.contact_stub(company), "LineItems": [], "CurrencyCode": self.currency,
        })
    }
}

pub(super) fn show_allocation(one: &Allocation, company: &Company) -> Value {
    let number = company.documents.get(&one.invoice).map(|invoice| invoice.number.clone()).unwrap_or_default();
    json!({
        "AllocationID": one.id.json(), "Amount": money::json(one.amount), "Date": dates::day(one.date), "IsDeleted": false,
        "Invoice": {"InvoiceID": one.invoice.json(), "InvoiceNumber": number, "Payments": [], "CreditNotes": [],
                    "Prepayments": [], "Overpayments": [], "HasErrors": false, "IsDiscounted": false, "LineItems": []},
    })
}

/// As an invoice shows what paid it.
fn credit_stub(one: &Allocation, company: &Company) -> Option<Value> {
    let credit = company.documents.get(&one.credit)?;
    Some(json!({
        "CreditNoteID": one.credit.json(), "CreditNoteNumber": credit.number, "ID": one.credit.json(), "HasErrors": false,
        "AppliedAmount": money::json(one.amount), "Date": dates::day(one.date), "LineItems": [],
        "Total": money::json(credit.total),
    }))
}
