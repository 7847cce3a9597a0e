//! Money received and refunded.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;

use super::{
    Model,
    field::{EXTRA, date, flag, instant, list, number, reference, text, words},
};
use crate::{FieldName, Record, Ref, Result, Value};

words! {
    /// Which way the money went.
    PaymentKind {
        /// The customer paid.
        Received = "received",
        /// The customer was paid back.
        Refund = "refund",
    }
}

words! {
    /// Whether a payment counts.
    PaymentStatus {
        /// Announced, and not there yet.
        Pending = "pending",
        /// It counts.
        Settled = "settled",
        /// It was taken back and counts no more.
        Void = "void",
    }
}

/// Money that went from or to a customer.
#[derive(Clone, Default, PartialEq)]
pub struct Payment {
    /// Which way it went. Field `kind`; left out: received.
    pub kind: Option<PaymentKind>,
    /// From whom or to whom. Field `customer`, a reference into `customers`.
    pub customer: Option<Ref>,
    /// Its day. Field `date`.
    pub date: Option<Date>,
    /// The currency of all its amounts. Field `currency`.
    pub currency: Option<String>,
    /// How much, never negative. Field `amount`.
    pub amount: Option<Decimal>,
    /// What it pays. Field `allocations`, a list.
    pub allocations: Vec<Allocation>,
    /// The host's word for how it was paid, such as `card`: accounts are chosen by it. Field `method`.
    pub method: Option<String>,
    /// The processor's reference. Field `reference`.
    pub reference: Option<String>,
    /// What the processor kept of it. Field `fee`.
    pub fee: Option<Decimal>,
    /// Whether it was paid ahead. Field `deposit`.
    pub deposit: Option<bool>,
    /// Whether it counts. Field `status`.
    pub status: Option<PaymentStatus>,
    /// The provider's own word for that. Field `status_word`.
    pub status_word: Option<String>,
    /// When it changed, by the clock of whoever holds it. Field `changed_at`.
    pub changed_at: Option<Timestamp>,
    /// Whatever else there is. Fields `extra.…`.
    pub extra: BTreeMap<String, Value>,
}

/// What part of a payment pays which document.
#[derive(Clone, Default, PartialEq)]
pub struct Allocation {
    /// The document. Member `invoice`, a reference into `invoices`.
    pub invoice: Option<Ref>,
    /// How much of it. Member `amount`; left out: all that the other allocations leave.
    pub amount: Option<Decimal>,
    /// Whatever else there is. Members under their own names.
    pub extra: BTreeMap<String, Value>,
}

impl Allocation {
    fn into_record(self) -> Record {
        let fields = [("invoice", self.invoice.map(Value::Ref)), ("amount", self.amount.map(Value::Decimal))];
        let mut record: Record =
            fields.into_iter().filter_map(|(name, value)| Some((FieldName::from_static(name), value?))).collect();
        for (name, value) in self.extra {
            record.set(FieldName::new(name), value);
        }
        record
    }

    fn from_record(record: &Record) -> Result<Self> {
        let mut allocation = Self::default();
        for (field, value) in record.iter() {
            match field.as_str() {
                "invoice" => allocation.invoice = reference(field, value)?,
                "amount" => allocation.amount = number(field, value)?,
                name => {
                    allocation.extra.insert(name.to_owned(), value.clone());
                }
            }
        }
        Ok(allocation)
    }
}

/// Prints no content.
impl std::fmt::Debug for Payment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payment").field("n_allocations", &self.allocations.len()).finish_non_exhaustive()
    }
}

/// Prints no content.
impl std::fmt::Debug for Allocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allocation").finish_non_exhaustive()
    }
}

impl Model for Payment {
    const NAME: &'static str = "payment";
    const FIELDS: &'static [&'static str] = &[
        "kind",
        "customer",
        "date",
        "currency",
        "amount",
        "allocations",
        "method",
        "reference",
        "fee",
        "deposit",
        "status",
        "status_word",
        "changed_at",
    ];

    fn into_record(self) -> Record {
        let texts = [
            ("kind", self.kind.map(|kind| kind.as_str().to_owned())),
            ("currency", self.currency),
            ("method", self.method),
            ("reference", self.reference),
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("status_word", self.status_word),
        ];
        let numbers = [("amount", self.amount), ("fee", self.fee)];
        let allocations: Vec<Record> = self.allocations.into_iter().map(Allocation::into_record).collect();
        let mut record: Record = texts
            .into_iter()
            .filter_map(|(field, text)| Some((field, Value::Text(text?))))
            .chain(numbers.into_iter().filter_map(|(field, number)| Some((field, Value::Decimal(number?)))))
            .chain(self.customer.map(|to| ("customer", Value::Ref(to))))
            .chain(self.date.map(|date| ("date", Value::Date(date))))
            .chain(self.deposit.map(|deposit| ("deposit", Value::Bool(deposit))))
            .chain(self.changed_at.map(|at| ("changed_at", Value::Time { at, zone: None })))
            .chain((!allocations.is_empty()).then_some(("allocations", Value::List(allocations))))
            .map(|(field, value)| (FieldName::from_static(field), value))
            .collect();
        for (name, value) in self.extra {
            record.set(FieldName::new(format!("{EXTRA}{name}")), value);
        }
        record
    }

    fn from_record(record: &Record) -> Result<Self> {
        let mut payment = Self::default();
        for (field, value) in record.iter() {
            match field.as_str() {
                "kind" => payment.kind = PaymentKind::read(field, value)?,
                "customer" => payment.customer = reference(field, value)?,
                "date" => payment.date = date(field, value)?,
                "currency" => payment.currency = text(field, value)?,
                "amount" => payment.amount = number(field, value)?,
                "allocations" => {
                    payment.allocations = list(field, value)?.iter().map(Allocation::from_record).collect::<Result<_>>()?;
                }
                "method" => payment.method = text(field, value)?,
                "reference" => payment.reference = text(field, value)?,
                "fee" => payment.fee = number(field, value)?,
                "deposit" => payment.deposit = flag(field, value)?,
                "status" => payment.status = PaymentStatus::read(field, value)?,
                "status_word" => payment.status_word = text(field, value)?,
                "changed_at" => payment.changed_at = instant(field, value)?,
                name => {
                    let name = name.strip_prefix(EXTRA).unwrap_or(name);
                    payment.extra.insert(name.to_owned(), value.clone());
                }
            }
        }
        Ok(payment)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil;
    use proptest::prelude::*;

    use super::*;
    use crate::{Collection, LocalId};

    fn invoice(id: &str) -> Ref {
        Ref::Local { collection: Collection::INVOICES, id: LocalId::new(id) }
    }

    fn full() -> Payment {
        Payment {
            kind: Some(PaymentKind::Refund),
            customer: Some(Ref::Local { collection: Collection::CUSTOMERS, id: LocalId::from_static("7") }),
            date: Some(civil::date(2026, 11, 22)),
            currency: Some("EUR".into()),
            amount: Some(Decimal::new(4000, 2)),
            allocations: vec![Allocation {
                invoice: Some(invoice("9")),
                amount: Some(Decimal::new(4000, 2)),
                extra: [("note".to_owned(), Value::text("x"))].into(),
            }],
            method: Some("card".into()),
            reference: Some("pi_1".into()),
            fee: Some(Decimal::new(58, 2)),
            deposit: Some(true),
            status: Some(PaymentStatus::Settled),
            status_word: Some("AUTHORISED".into()),
            changed_at: Some(Timestamp::UNIX_EPOCH),
            extra: [("till".to_owned(), Value::text("2"))].into(),
        }
    }

    #[test]
    fn a_payment_survives_the_round_trip_with_every_field() {
        let record = full().into_record();
        assert_eq!(record.iter().count(), Payment::FIELDS.len() + 1);
        let read: Record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert_eq!(Payment::from_record(&read).unwrap(), full());
        assert!(!format!("{:?}", full()).contains("pi_1"));
    }

    #[test]
    fn words_that_we_do_not_know_survive_the_round_trip() {
        let record = Record::new().with("kind", Value::text("transfer")).with("status", Value::text("bounced"));
        assert_eq!(Payment::from_record(&record).unwrap().into_record(), record);
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named_without_its_value() {
        let allocation = Value::List(vec![Record::new().with("invoice", Value::text("CANARY"))]);
        for (field, value, named) in [
            ("amount", Value::text("CANARY"), "amount"),
            ("allocations", allocation, "invoice"),
            ("date", Value::text("CANARY"), "date"),
        ] {
            let error = Payment::from_record(&Record::new().with(field, value)).unwrap_err();
            assert!(error.message().contains(named) && !format!("{error:?}").contains("CANARY"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_amounts_survive_the_round_trip(amount in 0_i64..10_000_000_000, scale in 0_u32..4, reference in ".*") {
            let payment =
                Payment { amount: Some(Decimal::new(amount, scale)), reference: Some(reference), ..Payment::default() };
            prop_assert_eq!(Payment::from_record(&payment.clone().into_record()).unwrap(), payment);
        }
    }
}
