//! Sales documents and credits.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;

use super::{
    Model,
    field::{EXTRA, date, flag, instant, list, number, reference, text, words},
    money::Currency,
};
use crate::{FieldName, Record, Ref, Result, Value};

words! {
    /// What a document is.
    InvoiceKind {
        /// Something was sold.
        Sale = "sale",
        /// Something sold is given back.
        Credit = "credit",
    }
}

words! {
    /// Where a document stands, as far as all providers agree on it.
    InvoiceStatus {
        /// Not issued yet.
        Draft = "draft",
        /// Issued, and nothing was paid.
        Open = "open",
        /// Issued, and something was paid.
        PartPaid = "part-paid",
        /// Nothing is left to pay.
        Paid = "paid",
        /// Of no value any more.
        Void = "void",
    }
}

words! {
    /// What the amounts of lines say about tax.
    TaxMode {
        /// Tax is in them.
        Inclusive = "inclusive",
        /// Tax comes on top.
        Exclusive = "exclusive",
        /// There is no tax.
        NoTax = "no-tax",
    }
}

/// A sales document or a credit.
#[derive(Clone, Default, PartialEq)]
pub struct Invoice {
    /// The number that people know it by. Field `number`.
    pub number: Option<String>,
    /// Sale or credit. Field `kind`; left out: a sale.
    pub kind: Option<InvoiceKind>,
    /// Who it is for. Field `customer`, a reference into `customers`.
    pub customer: Option<Ref>,
    /// Its day. Field `date`.
    pub date: Option<Date>,
    /// When it must be paid. Field `due_date`.
    pub due_date: Option<Date>,
    /// The currency of all its amounts. Field `currency`.
    pub currency: Option<String>,
    /// What amounts say about tax. Field `amounts`.
    pub amounts: Option<TaxMode>,
    /// What was sold. Field `lines`, a list.
    pub lines: Vec<InvoiceLine>,
    /// What it comes to with tax, to the cent. Field `total`.
    pub total: Option<Decimal>,
    /// A further word that the customer knows, such as the booking. Field `reference`.
    pub reference: Option<String>,
    /// What a credit gives back. Field `credits`, a reference into `invoices`.
    pub credits: Option<Ref>,
    /// Where it stands. Field `status`.
    pub status: Option<InvoiceStatus>,
    /// The provider's own word for where it stands. Field `status_word`.
    pub status_word: Option<String>,
    /// What is left to pay: the ledger's own figure, never a sum of ours. Field `amount_due`.
    pub amount_due: Option<Decimal>,
    /// Whether the customer was sent it. Field `sent`.
    pub sent: Option<bool>,
    /// When it was called off. Field `cancelled_at`.
    pub cancelled_at: Option<Timestamp>,
    /// Why it was called off. Field `cancel_reason`.
    pub cancel_reason: Option<String>,
    /// When it changed, by the clock of whoever holds it. Field `changed_at`.
    pub changed_at: Option<Timestamp>,
    /// Whatever else there is. Fields `extra.…`.
    pub extra: BTreeMap<String, Value>,
}

/// One line of a document.
#[derive(Clone, Default, PartialEq)]
pub struct InvoiceLine {
    /// What the host knows it by; stable while the line lives. Member `key`.
    pub key: Option<String>,
    /// What was sold. Member `description`.
    pub description: Option<String>,
    /// How many. Member `quantity`; left out: 1.
    pub quantity: Option<Decimal>,
    /// The price of one, with up to [`super::UNIT_PLACES`] decimals. Member `unit_amount`.
    pub unit_amount: Option<Decimal>,
    /// The host's word for what kind of thing it is, such as `trip` or `rental`: accounts are chosen by it. Member
    /// `line_type`.
    pub line_type: Option<String>,
    /// The host's word for the article. Member `item`.
    pub item: Option<String>,
    /// A discount in percent. Member `discount_percent`.
    pub discount_percent: Option<Decimal>,
    /// The host's word for a tax rate. Member `tax`.
    pub tax: Option<String>,
    /// The tax of the line, where the host says it to the cent. Member `tax_amount`.
    pub tax_amount: Option<Decimal>,
    /// Whatever else there is. Members under their own names.
    pub extra: BTreeMap<String, Value>,
}

impl InvoiceLine {
    /// The names of its members.
    pub const FIELDS: &'static [&'static str] =
        &["key", "description", "quantity", "unit_amount", "line_type", "item", "discount_percent", "tax", "tax_amount"];

    /// Quantity times unit amount less the discount, rounded to what can be paid; `None` without a unit amount, and where
    /// the product is too large to be written.
    pub fn amount(&self, currency: Currency) -> Option<Decimal> {
        let gross = self.quantity.unwrap_or(Decimal::ONE).checked_mul(self.unit_amount?)?;
        let share = Decimal::ONE_HUNDRED.checked_sub(self.discount_percent.unwrap_or(Decimal::ZERO))?;
        Some(currency.round(gross.checked_mul(share)?.checked_div(Decimal::ONE_HUNDRED)?))
    }

    fn into_record(self) -> Record {
        let texts = [
            ("key", self.key),
            ("description", self.description),
            ("line_type", self.line_type),
            ("item", self.item),
            ("tax", self.tax),
        ];
        let numbers = [
            ("quantity", self.quantity),
            ("unit_amount", self.unit_amount),
            ("discount_percent", self.discount_percent),
            ("tax_amount", self.tax_amount),
        ];
        let mut record: Record = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, Value::Text(text?))))
            .chain(numbers.into_iter().filter_map(|(name, number)| Some((name, Value::Decimal(number?)))))
            .map(|(name, value)| (FieldName::from_static(name), value))
            .collect();
        for (name, value) in self.extra {
            record.set(FieldName::new(name), value);
        }
        record
    }

    /// Reads a line.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] names the member whose type is wrong.
    pub fn from_record(record: &Record) -> Result<Self> {
        let mut line = Self::default();
        for (field, value) in record.iter() {
            match field.as_str() {
                "key" => line.key = text(field, value)?,
                "description" => line.description = text(field, value)?,
                "quantity" => line.quantity = number(field, value)?,
                "unit_amount" => line.unit_amount = number(field, value)?,
                "line_type" => line.line_type = text(field, value)?,
                "item" => line.item = text(field, value)?,
                "discount_percent" => line.discount_percent = number(field, value)?,
                "tax" => line.tax = text(field, value)?,
                "tax_amount" => line.tax_amount = number(field, value)?,
                name => {
                    line.extra.insert(name.to_owned(), value.clone());
                }
            }
        }
        Ok(line)
    }
}

impl Invoice {
    /// The sum of its lines before tax is added: what `total` is where amounts include tax or there is none. `None` where a
    /// line has no amount.
    pub fn sum(&self, currency: Currency) -> Option<Decimal> {
        self.lines.iter().try_fold(Decimal::ZERO, |sum, line| sum.checked_add(line.amount(currency)?))
    }
}

/// Prints no content.
impl std::fmt::Debug for Invoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invoice").field("n_lines", &self.lines.len()).finish_non_exhaustive()
    }
}

/// Prints no content.
impl std::fmt::Debug for InvoiceLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InvoiceLine").finish_non_exhaustive()
    }
}

impl Model for Invoice {
    const NAME: &'static str = "invoice";
    const FIELDS: &'static [&'static str] = &[
        "number",
        "kind",
        "customer",
        "date",
        "due_date",
        "currency",
        "amounts",
        "lines",
        "total",
        "reference",
        "credits",
        "status",
        "status_word",
        "amount_due",
        "sent",
        "cancelled_at",
        "cancel_reason",
        "changed_at",
    ];

    fn into_record(self) -> Record {
        let texts = [
            ("number", self.number),
            ("kind", self.kind.map(|kind| kind.as_str().to_owned())),
            ("currency", self.currency),
            ("amounts", self.amounts.map(|amounts| amounts.as_str().to_owned())),
            ("reference", self.reference),
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("status_word", self.status_word),
            ("cancel_reason", self.cancel_reason),
        ];
        let refs = [("customer", self.customer), ("credits", self.credits)];
        let dates = [("date", self.date), ("due_date", self.due_date)];
        let numbers = [("total", self.total), ("amount_due", self.amount_due)];
        let times = [("cancelled_at", self.cancelled_at), ("changed_at", self.changed_at)];
        let lines: Vec<Record> = self.lines.into_iter().map(InvoiceLine::into_record).collect();
        let mut record: Record = texts
            .into_iter()
            .filter_map(|(field, text)| Some((field, Value::Text(text?))))
            .chain(refs.into_iter().filter_map(|(field, to)| Some((field, Value::Ref(to?)))))
            .chain(dates.into_iter().filter_map(|(field, date)| Some((field, Value::Date(date?)))))
            .chain(numbers.into_iter().filter_map(|(field, number)| Some((field, Value::Decimal(number?)))))
            .chain(times.into_iter().filter_map(|(field, at)| Some((field, Value::Time { at: at?, zone: None }))))
            .chain(self.sent.map(|sent| ("sent", Value::Bool(sent))))
            .chain((!lines.is_empty()).then_some(("lines", Value::List(lines))))
            .map(|(field, value)| (FieldName::from_static(field), value))
            .collect();
        for (name, value) in self.extra {
            record.set(FieldName::new(format!("{EXTRA}{name}")), value);
        }
        record
    }

    fn from_record(record: &Record) -> Result<Self> {
        let mut invoice = Self::default();
        for (field, value) in record.iter() {
            match field.as_str() {
                "number" => invoice.number = text(field, value)?,
                "kind" => invoice.kind = InvoiceKind::read(field, value)?,
                "customer" => invoice.customer = reference(field, value)?,
                "date" => invoice.date = date(field, value)?,
                "due_date" => invoice.due_date = date(field, value)?,
                "currency" => invoice.currency = text(field, value)?,
                "amounts" => invoice.amounts = TaxMode::read(field, value)?,
                "lines" => {
                    invoice.lines = list(field, value)?.iter().map(InvoiceLine::from_record).collect::<Result<_>>()?;
                }
                "total" => invoice.total = number(field, value)?,
                "reference" => invoice.reference = text(field, value)?,
                "credits" => invoice.credits = reference(field, value)?,
                "status" => invoice.status = InvoiceStatus::read(field, value)?,
                "status_word" => invoice.status_word = text(field, value)?,
                "amount_due" => invoice.amount_due = number(field, value)?,
                "sent" => invoice.sent = flag(field, value)?,
                "cancelled_at" => invoice.cancelled_at = instant(field, value)?,
                "cancel_reason" => invoice.cancel_reason = text(field, value)?,
                "changed_at" => invoice.changed_at = instant(field, value)?,
                name => {
                    let name = name.strip_prefix(EXTRA).unwrap_or(name);
                    invoice.extra.insert(name.to_owned(), value.clone());
                }
            }
        }
        Ok(invoice)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil;
    use proptest::prelude::*;

    use super::*;
    use crate::{Collection, LocalId};

    fn amount(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn full() -> Invoice {
        Invoice {
            number: Some("D-1042".into()),
            kind: Some(InvoiceKind::Sale),
            customer: Some(Ref::Local { collection: Collection::CUSTOMERS, id: LocalId::from_static("7") }),
            date: Some(civil::date(2026, 11, 22)),
            due_date: Some(civil::date(2026, 12, 22)),
            currency: Some("EUR".into()),
            amounts: Some(TaxMode::Inclusive),
            lines: vec![InvoiceLine {
                key: Some("1".into()),
                description: Some("Two dives".into()),
                quantity: Some(amount("2")),
                unit_amount: Some(amount("33.3333")),
                line_type: Some("trip".into()),
                item: Some("DIVE".into()),
                discount_percent: Some(amount("10")),
                tax: Some("standard".into()),
                tax_amount: Some(amount("12.60")),
                extra: [("boat".to_owned(), Value::text("Manta"))].into(),
            }],
            total: Some(amount("60.00")),
            reference: Some("B-77".into()),
            credits: Some(Ref::Foreign { resource: "invoices".into(), id: "x".into() }),
            status: Some(InvoiceStatus::PartPaid),
            status_word: Some("AUTHORISED".into()),
            amount_due: Some(amount("20.00")),
            sent: Some(true),
            cancelled_at: Some(Timestamp::UNIX_EPOCH),
            cancel_reason: Some("storm".into()),
            changed_at: Some(Timestamp::UNIX_EPOCH),
            extra: [("branch".to_owned(), Value::text("North"))].into(),
        }
    }

    #[test]
    fn an_invoice_survives_the_round_trip_with_every_field() {
        let record = full().into_record();
        assert_eq!(record.iter().count(), Invoice::FIELDS.len() + 1);
        let json = serde_json::to_string(&record).unwrap();
        let read: Record = serde_json::from_str(&json).unwrap();
        assert_eq!((&read, read.hash()), (&record, record.hash()));
        assert_eq!(Invoice::from_record(&read).unwrap(), full());
    }

    #[test]
    fn words_that_we_do_not_know_survive_the_round_trip() {
        let record = Record::new()
            .with("status", Value::text("on-hold"))
            .with("kind", Value::text("pro-forma"))
            .with("amounts", Value::text("margin"));
        let invoice = Invoice::from_record(&record).unwrap();
        assert_eq!(invoice.status, Some(InvoiceStatus::Other("on-hold".into())));
        assert_eq!(invoice.into_record(), record);
    }

    #[test]
    fn a_line_is_rounded_once_after_its_discount() {
        let line = full().lines.remove(0);
        assert_eq!(line.amount(Currency::parse("EUR").unwrap()), Some(amount("60.00")));
        assert_eq!(line.amount(Currency::parse("JPY").unwrap()), Some(amount("60")));
        assert_eq!(InvoiceLine::default().amount(Currency::parse("EUR").unwrap()), None);
        let huge = InvoiceLine { quantity: Some(Decimal::MAX), unit_amount: Some(Decimal::MAX), ..InvoiceLine::default() };
        assert_eq!(huge.amount(Currency::parse("EUR").unwrap()), None);
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named_without_its_value() {
        let line = Value::List(vec![Record::new().with("quantity", Value::text("CANARY"))]);
        for (field, value, named) in [
            ("customer", Value::text("CANARY"), "customer"),
            ("lines", Value::text("CANARY"), "lines"),
            ("lines", line, "quantity"),
            ("total", Value::text("CANARY"), "total"),
            ("sent", Value::text("CANARY"), "sent"),
        ] {
            let error = Invoice::from_record(&Record::new().with(field, value)).unwrap_err();
            assert!(error.message().contains(named) && error.remedy().is_some(), "{error}");
            assert!(!format!("{error:?}").contains("CANARY"));
        }
        assert!(!format!("{:?}", full()).contains("D-1042"));
    }

    proptest! {
        #[test]
        fn any_prices_survive_the_round_trip(unit in -1_000_000_i64..1_000_000, scale in 0_u32..7, note in ".*") {
            let line = InvoiceLine {
                unit_amount: Some(Decimal::new(unit, scale)),
                extra: [("note".to_owned(), Value::Text(note))].into(),
                ..InvoiceLine::default()
            };
            let invoice = Invoice { lines: vec![line], ..Invoice::default() };
            let json = serde_json::to_string(&invoice.clone().into_record()).unwrap();
            let read: Record = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(Invoice::from_record(&read).unwrap(), invoice);
        }
    }
}
