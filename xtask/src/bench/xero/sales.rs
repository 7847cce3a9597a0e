//! The sales that are measured with, the same in every run but for the day on which they start: each customer has an invoice
//! of two lines, and each invoice a payment.

use std::fmt::Write as _;

use jiff::{ToSpan as _, civil::Date};
use serde_json::{Value, json};

/// They lie on so many days before today.
const N_DAYS: i64 = 60;

/// So many customers, invoices and payments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sales {
    pub(super) n: usize,
    pub(super) today: Date,
}

impl Sales {
    /// Up to the system's today.
    pub(super) fn new(n: usize) -> Self {
        Self { n, today: jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date() }
    }

    /// Of all three kinds together.
    pub(super) fn records(self) -> usize {
        3 * self.n
    }

    /// Customers as a file for `syncctl import`.
    pub(super) fn customers(self) -> String {
        let mut text = "id,first name,last name,email\n".to_owned();
        for i in 0..self.n {
            let _ = writeln!(text, "c{i:06},First{},Last{i},customer{i}@example.com", i % 977);
        }
        text
    }

    /// Invoices as JSON Lines, numbered from a first one on.
    pub(super) fn invoices(self) -> String {
        (0..self.n).map(|i| self.invoice(i).to_string() + "\n").collect()
    }

    /// Payments as JSON Lines.
    pub(super) fn payments(self) -> String {
        (0..self.n).map(|i| self.payment(i).to_string() + "\n").collect()
    }

    pub(super) fn invoice(self, i: usize) -> Value {
        let dives = 40 + i % 97;
        json!({"id": format!("i{i:06}"), "number": format!("D-{i:06}"), "customer": format!("c{i:06}"), "date": self.day(i),
            "currency": "EUR", "amounts": "inclusive", "total": dives + 15, "lines": [
                {"key": "1", "description": format!("Two dives, group {}", i % 7), "quantity": 2, "unit_amount": f64::from(u32::try_from(dives).unwrap_or(0)) / 2.0},
                {"key": "2", "description": "Gear", "quantity": 1, "unit_amount": 15, "line_type": "gear"}]})
    }

    pub(super) fn payment(self, i: usize) -> Value {
        json!({"id": format!("p{i:06}"), "invoice": format!("i{i:06}"), "date": self.day(i), "currency": "EUR",
            "amount": 40 + i % 97 + 15, "method": "card", "reference": format!("ch_{i:06}")})
    }

    fn day(self, i: usize) -> Date {
        self.today.saturating_sub((i64::try_from(i).unwrap_or(0) % N_DAYS).days())
    }

    /// The same invoices as the bookkeeper wrote them.
    pub(super) fn written_there(self) -> Vec<Value> {
        let written = |i| {
            let ours = self.invoice(i);
            let lines = ours["lines"].as_array().into_iter().flatten().map(|line| {
                json!({"Description": line["description"], "Quantity": line["quantity"], "UnitAmount": line["unit_amount"],
                    "AccountCode": "200"})
            });
            json!({"Type": "ACCREC", "InvoiceNumber": ours["number"], "Contact": {"Name": format!("Customer {}", i % 500)},
                "Date": ours["date"], "DueDate": ours["date"], "LineAmountTypes": "Inclusive", "CurrencyCode": "EUR",
                "Status": "AUTHORISED", "LineItems": lines.collect::<Vec<_>>()})
        };
        (0..self.n).map(written).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoices_lines_come_to_its_total_and_its_payment_pays_it() {
        let sales = Sales { n: 200, today: jiff::civil::date(2026, 3, 1) };
        for i in 0..sales.n {
            let (invoice, payment) = (sales.invoice(i), sales.payment(i));
            let lines = invoice["lines"].as_array().unwrap();
            let sum: f64 =
                lines.iter().map(|line| line["quantity"].as_f64().unwrap() * line["unit_amount"].as_f64().unwrap()).sum();
            assert_eq!((Some(sum), &payment["amount"]), (invoice["total"].as_f64(), &invoice["total"]));
        }
        assert_eq!(sales.invoices().lines().count() + sales.payments().lines().count(), 400);
    }
}
