//! What people do, at the desk and in the books.

use jiff::{civil::Date, tz::TimeZone};
use sync_core::{
    Clock as _,
    model::{Invoice, Model as _, TaxMode},
};

use super::*;
use crate::books::{line, lines};

impl Ledger {
    fn today(&self) -> Date {
        self.world.clock.now().to_zoned(TimeZone::UTC).date()
    }

    fn act(&self, action: &Json) -> Option<Json> {
        self.world.sandbox.act(action).ok()
    }

    pub(super) fn make(&self, draw: &SeededRandom) -> Option<String> {
        match draw.below(10) {
            0..=1 => self.make_customer(),
            2..=5 => self.make_invoice(draw),
            _ => self.make_payment(draw),
        }
    }

    pub(super) fn make_customer(&self) -> Option<String> {
        let n = with(&self.model, |model| model.customers.len());
        if n >= MAX_CUSTOMERS {
            return None;
        }
        let name = format!("c{n:02}");
        let fields = FIELDS.map(|field| (field, self.value(&name, field)));
        let mut record = Record::new().with("first_name", Value::text("Diver"));
        with(&self.model, |model| {
            for (field, value) in fields {
                model.lineage.edit(Side::Here, &name, field, &value, None);
                record.set(field, Value::text(value));
            }
            record.set("notes_medical", Value::text(crate::CANARY));
            model.customers.push(name.clone());
        });
        self.world.shop.put(ORG, &Collection::CUSTOMERS, &name, record);
        Some(format!("here: {name} is made"))
    }

    /// A value that nobody wrote before.
    fn value(&self, name: &str, field: &str) -> String {
        let n = self.world.fresh();
        if field == "email" { format!("{name}.v{n}@example.com") } else { format!("{name} v{n}") }
    }

    fn make_invoice(&self, draw: &SeededRandom) -> Option<String> {
        let n = with(&self.model, |model| model.invoices.len());
        let (customer, _) = one_of(self.rows(&Collection::CUSTOMERS), draw).filter(|_| n < MAX_INVOICES)?;
        let name = format!("i{n:02}");
        let amount = amount(draw);
        let invoice = Invoice {
            number: Some(format!("D-{name}")),
            customer: Some(Ref::Local { collection: Collection::CUSTOMERS, id: customer.clone().into() }),
            date: Some(self.today()),
            currency: Some("EUR".into()),
            amounts: Some(TaxMode::Inclusive),
            lines: vec![line("1", "Two dives", amount), line("2", "Mask", 10)],
            total: Some((amount + 10).into()),
            ..Invoice::default()
        };
        self.world.shop.put(ORG, &Collection::INVOICES, &name, invoice.into_record());
        with(&self.model, |model| model.invoices.push(name.clone()));
        Some(format!("here: {name} of {customer} over {} is made", amount + 10))
    }

    /// What is not paid yet of an invoice, as the host knows it.
    fn open_here(&self, invoice: &str, without: Option<&str>) -> i64 {
        let payments = self.rows(&Collection::PAYMENTS);
        let of = payments.iter().filter(|(id, record)| record.text("on") == Some(invoice) && without != Some(id.as_str()));
        let paid: i64 = of.map(|(_, record)| units_here(record, "amount")).sum();
        self.rows(&Collection::INVOICES).get(invoice).map_or(0, |record| units_here(record, "total")) - paid
    }

    fn make_payment(&self, draw: &SeededRandom) -> Option<String> {
        let n = with(&self.model, |model| model.payments.len());
        let (invoice, record) = one_of(self.rows(&Collection::INVOICES), draw).filter(|_| n < MAX_PAYMENTS)?;
        let open = self.open_here(&invoice, None);
        if open <= 0 || record.value("cancelled_at").is_some() {
            return None;
        }
        let name = format!("p{n:02}");
        let amount = if draw.chance(0.6) { open } else { 1 + i64::try_from(draw.below(open.unsigned_abs())).unwrap_or(0) };
        let record = Record::new()
            .with("date", Value::Date(self.today()))
            .with("currency", Value::text("EUR"))
            .with("method", Value::text("card"))
            .with("reference", Value::text(format!("ch_{name}")))
            // The host's own note of what it pays, beside the fields that are synced.
            .with("on", Value::text(invoice.clone()));
        self.world.shop.put(ORG, &Collection::PAYMENTS, &name, paying(record, &invoice, amount));
        with(&self.model, |model| model.payments.push(name.clone()));
        Some(format!("here: {name} pays {amount} of {invoice}"))
    }

    pub(super) fn edit_here(&self, draw: &SeededRandom) -> Option<String> {
        match draw.below(10) {
            0..=2 => {
                let (name, all) = one_of(self.contacts_here(), draw)?;
                let (field, saw) = (FIELDS[index(draw.below(2))], all.first()?.clone());
                let value = self.value(&name, field);
                with(&self.model, |model| {
                    let known = saw.fields.get(field).map(String::as_str);
                    model.lineage.edit(Side::Here, &name, field, &value, known);
                });
                let said = format!("here: {field} of {name} is {value}");
                self.world.shop.edit(ORG, &Collection::CUSTOMERS, &saw.id, |record| {
                    record.set(field, Value::text(value));
                });
                Some(said)
            }
            3..=5 => {
                let (name, record) = one_of(self.rows(&Collection::INVOICES), draw)?;
                let paid = units_here(&record, "total") - self.open_here(&name, None);
                let amount = amount(draw).max(paid - 10);
                self.edit_invoice(&name, |record| {
                    record.set("lines", lines(vec![line("1", "Two dives", amount), line("2", "Mask", 10)]));
                    record.set("total", Value::Decimal((amount + 10).into()));
                });
                Some(format!("here: {name} is over {} now", amount + 10))
            }
            6 => {
                let (name, _) = one_of(self.rows(&Collection::INVOICES), draw)?;
                let note = format!("note {}", self.world.fresh());
                self.edit_invoice(&name, |record| {
                    record.set("reference", Value::text(note));
                });
                with(&self.model, |model| model.noted.remove(&name));
                Some(format!("here: {name} has another note"))
            }
            7 => {
                let (name, record) = one_of(self.rows(&Collection::INVOICES), draw)?;
                // Who paid gets it back first.
                if self.open_here(&name, None) < units_here(&record, "total") {
                    return None;
                }
                let at = Value::Time { at: self.world.clock.now(), zone: None };
                self.edit_invoice(&name, |record| {
                    record.set("cancelled_at", at);
                });
                Some(format!("here: {name} is called off"))
            }
            _ => {
                let (name, record) = one_of(self.rows(&Collection::PAYMENTS), draw)?;
                let invoice = record.text("on")?.to_owned();
                let open = self.open_here(&invoice, Some(&name));
                if open <= 0 {
                    return None;
                }
                let amount = 1 + i64::try_from(draw.below(open.unsigned_abs())).unwrap_or(0);
                self.world.shop.edit(ORG, &Collection::PAYMENTS, &name, |record| {
                    *record = paying(record.clone(), &invoice, amount);
                });
                Some(format!("here: {name} pays {amount} of {invoice} now"))
            }
        }
    }

    fn edit_invoice(&self, name: &str, edit: impl FnOnce(&mut Record)) {
        self.world.shop.edit(ORG, &Collection::INVOICES, name, edit);
    }

    pub(super) fn delete_here(&self, draw: &SeededRandom) -> Option<String> {
        let (invoices, payments) = (self.rows(&Collection::INVOICES), self.rows(&Collection::PAYMENTS));
        let (of, name) = match draw.below(4) {
            0 => {
                let is_free = |id: &String| {
                    let of = Value::Ref(Ref::Local { collection: Collection::CUSTOMERS, id: id.clone().into() });
                    !invoices.values().any(|record| record.value("customer") == Some(&of))
                };
                let (name, all) = one_of(self.contacts_here(), draw)?;
                let shown = all.first().filter(|shown| is_free(&shown.id))?.clone();
                with(&self.model, |model| {
                    shown.fields.iter().for_each(|(field, value)| model.lineage.excuse(&name, field, value));
                });
                (Collection::CUSTOMERS, shown.id)
            }
            1 => {
                let (name, _) = one_of(invoices, draw)?;
                if payments.values().any(|record| record.text("on") == Some(&name)) {
                    return None;
                }
                (Collection::INVOICES, name)
            }
            _ => (Collection::PAYMENTS, one_of(payments, draw)?.0),
        };
        self.world.shop.delete(ORG, &of, &name);
        with(&self.model, |model| model.gone_here.insert(name.clone()));
        Some(format!("here: {name} is deleted"))
    }

    /// The bookkeeper sees money of the shop's on the bank statement, and records what is not there yet.
    pub(super) fn pay_by_hand(&self, draw: &SeededRandom) -> Option<String> {
        let (name, record) = one_of(self.rows(&Collection::PAYMENTS), draw)?;
        let invoice = record.text("on")?;
        let is_it = |one: &Json| one["Reference"].as_str().is_some_and(|text| of_payment(text) == Some(&name));
        if self.payments_there().iter().any(is_it) {
            return None;
        }
        let amount = units_here(&record, "amount");
        let act = json!({"do": "record-payment", "invoice": format!("D-{invoice}"), "amount": amount,
            "account": "091", "reference": format!("hand {name}")});
        let id = self.act(&act)?["id"].as_str()?.to_owned();
        let made = self.payments_there().into_iter().find(|one| one["PaymentID"] == id.as_str())?;
        with(&self.model, |model| model.by_hand.insert(name.clone(), (id, millis(&made["UpdatedDateUTC"]))));
        Some(format!("there: {name} is recorded by hand: {amount} of {invoice}"))
    }

    pub(super) fn edit_there(&self, draw: &SeededRandom) -> Option<String> {
        let documents = || one_of(self.documents(), draw).filter(|(name, _)| !name.contains('/'));
        match draw.below(12) {
            0..=3 => {
                let (name, all) = one_of(self.contacts_there(), draw)?;
                let (field, saw) = (FIELDS[index(draw.below(2))], all.first()?.clone());
                let value = self.value(&name, field);
                let body = match field {
                    "email" => json!({"EmailAddress": value}),
                    _ => json!({"LastName": value, "Name": format!("Diver {value}")}),
                };
                self.act(&json!({"do": "edit-contact", "contact": saw.id, "body": body}))?;
                // Xero keeps no versions: a write that is carried out later than it was read writes over what came between.
                let is_overtaken = self.world.sandbox.n_late() > 0;
                with(&self.model, |model| {
                    let known = saw.fields.get(field).map(String::as_str);
                    model.lineage.edit(Side::There, &name, field, &value, known);
                    if is_overtaken {
                        model.lineage.excuse(&name, field, &value);
                    }
                });
                Some(format!("there: {field} of {name} is {value}"))
            }
            4 => {
                let (name, _) = documents()?;
                self.act(&json!({"do": "void-invoice", "invoice": format!("D-{name}")}))?;
                with(&self.model, |model| model.gone_there.insert(name.clone()));
                Some(format!("there: {name} is voided"))
            }
            5 => {
                let (name, all) = documents()?;
                let due = format!("2026-12-{:02}", 1 + draw.below(28));
                self.act(&json!({"do": "edit-invoice", "invoice": format!("D-{name}"), "body": {"DueDate": due}}))?;
                // Xero shows no such change of a document that is paid in part as one: an audit alone finds it.
                let is_paid_on = all.first().is_some_and(|one| units(&one["AmountDue"]) != units(&one["Total"]));
                with(&self.model, |model| model.is_drifted |= is_paid_on);
                Some(format!("there: {name} is due on {due}"))
            }
            6 => {
                let (name, _) = documents()?;
                let note = format!("theirs {}", self.world.fresh());
                self.act(&json!({"do": "edit-invoice", "invoice": format!("D-{name}"), "body": {"Reference": note}}))?;
                with(&self.model, |model| model.noted.insert(name.clone()));
                Some(format!("there: {name} has the note {note}"))
            }
            7 => {
                let (name, _) = documents()?;
                let action = if draw.chance(0.5) {
                    json!({"do": "recode-line", "invoice": format!("D-{name}"), "account": "260"})
                } else {
                    json!({"do": "touch-invoice", "invoice": format!("D-{name}")})
                };
                self.act(&action)?;
                Some(format!("there: {name}: {}", action["do"]))
            }
            8 => {
                let payments = self.payments_there();
                let payment = payments.get(index(draw.below(payments.len() as u64)))?;
                let name = of_payment(payment["Reference"].as_str()?)?.to_owned();
                self.act(&json!({"do": "delete-payment", "payment": payment["PaymentID"]}))?;
                with(&self.model, |model| model.gone_there.insert(name.clone()));
                Some(format!("there: {name} is taken back"))
            }
            9 => {
                let payments = self.payments_there();
                let payment = payments.get(index(draw.below(payments.len() as u64)))?;
                let id = payment["PaymentID"].as_str()?.to_owned();
                let made_at = millis(&payment["UpdatedDateUTC"]);
                self.act(&json!({"do": "reconcile-payment", "payment": id}))?;
                with(&self.model, |model| *model.made_at.entry(id).or_insert(made_at));
                Some(format!("there: {} is reconciled", payment["Reference"]))
            }
            10 => {
                let action = match draw.below(3) {
                    0 => json!({"do": "lock", "date": self.today()}),
                    1 => json!({"do": "unlock"}),
                    _ => json!({"do": "lock", "date": "2020-12-31", "end_of_year": true}),
                };
                self.act(&action)?;
                Some(format!("there: {action}"))
            }
            _ => {
                self.act(&json!({"do": "expire-access-tokens"}))?;
                Some("there: access tokens expire".to_owned())
            }
        }
    }
}

/// The shop's payment that a reference names, ours or written by hand.
pub(super) fn of_payment(reference: &str) -> Option<&str> {
    let rest = reference.strip_prefix("ch_").or_else(|| reference.strip_prefix("hand "))?;
    rest.split(' ').next()
}

fn paying(mut record: Record, invoice: &str, amount: i64) -> Record {
    let on = Value::Ref(Ref::Local { collection: Collection::INVOICES, id: invoice.into() });
    let amount = Value::Decimal(amount.into());
    record.set("allocations", Value::List(vec![Record::new().with("invoice", on).with("amount", amount.clone())]));
    record.set("amount", amount);
    record
}

fn amount(draw: &SeededRandom) -> i64 {
    20 + i64::try_from(draw.below(200)).unwrap_or(0)
}

fn one_of<T: Clone>(all: BTreeMap<String, T>, draw: &SeededRandom) -> Option<(String, T)> {
    let at = index(draw.below(all.len() as u64));
    all.into_iter().nth(at)
}
