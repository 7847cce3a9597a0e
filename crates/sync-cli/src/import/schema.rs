//! Records of the other collections: which fields they have, as data, and how what stands in a file becomes one.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde_json::{Value as Json, value::RawValue};
use sync_core::{
    Collection, LocalId, Record, Ref, Result as Checked, Value,
    model::{Currency, Event, Invoice, Model, Payment},
};

use super::bad::BadReason;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// An exact number.
    Number,
    /// A day.
    Date,
    /// An instant.
    Time,
    /// Yes or no.
    Flag,
    /// The id of a record of this collection.
    Ref(&'static str),
    /// A list of records with these members.
    List(&'static [(&'static str, Shape)]),
}

/// A collection that can be imported: its fields, and the typed view that checks them.
#[derive(Debug)]
pub struct Schema {
    /// The collection.
    pub collection: &'static str,
    /// What people call one of its records, and several.
    pub nouns: (&'static str, &'static str),
    /// Its fields by the model's names; a payment of one document may name it by `invoice`.
    pub fields: &'static [(&'static str, Shape)],
    check: fn(&mut Record) -> Checked<()>,
}

/// All of them but customers, whose columns have rules of their own.
pub const SCHEMAS: &[Schema] = &[
    Schema { collection: "invoices", nouns: ("invoice", "invoices"), fields: INVOICE, check: invoice },
    Schema { collection: "payments", nouns: ("payment", "payments"), fields: PAYMENT, check: payment },
    Schema { collection: "trips", nouns: ("trip", "trips"), fields: EVENT, check: event },
    Schema { collection: "training-sessions", nouns: ("session", "sessions"), fields: EVENT, check: event },
];

const LINE: &[(&str, Shape)] = &[
    ("key", Shape::Text),
    ("description", Shape::Text),
    ("quantity", Shape::Number),
    ("unit_amount", Shape::Number),
    ("line_type", Shape::Text),
    ("item", Shape::Text),
    ("discount_percent", Shape::Number),
    ("tax", Shape::Text),
    ("tax_amount", Shape::Number),
];

const INVOICE: &[(&str, Shape)] = &[
    ("number", Shape::Text),
    ("kind", Shape::Text),
    ("customer", Shape::Ref("customers")),
    ("date", Shape::Date),
    ("due_date", Shape::Date),
    ("currency", Shape::Text),
    ("amounts", Shape::Text),
    ("lines", Shape::List(LINE)),
    ("total", Shape::Number),
    ("reference", Shape::Text),
    ("credits", Shape::Ref("invoices")),
    ("status", Shape::Text),
    ("status_word", Shape::Text),
    ("amount_due", Shape::Number),
    ("sent", Shape::Flag),
    ("cancelled_at", Shape::Time),
    ("cancel_reason", Shape::Text),
    ("changed_at", Shape::Time),
];

const PAYMENT: &[(&str, Shape)] = &[
    ("kind", Shape::Text),
    ("customer", Shape::Ref("customers")),
    ("date", Shape::Date),
    ("currency", Shape::Text),
    ("amount", Shape::Number),
    ("allocations", Shape::List(&[("invoice", Shape::Ref("invoices")), ("amount", Shape::Number)])),
    ("invoice", Shape::Ref("invoices")),
    ("method", Shape::Text),
    ("reference", Shape::Text),
    ("fee", Shape::Number),
    ("deposit", Shape::Flag),
    ("status", Shape::Text),
    ("status_word", Shape::Text),
    ("changed_at", Shape::Time),
];

const EVENT: &[(&str, Shape)] = &[
    ("title", Shape::Text),
    ("date", Shape::Date),
    ("start_time", Shape::Text),
    ("all_day", Shape::Flag),
    ("end_date", Shape::Date),
    ("end_time", Shape::Text),
    ("duration", Shape::Number),
    ("zone", Shape::Text),
    ("location", Shape::Text),
    ("boat", Shape::Text),
    ("instructor", Shape::Text),
    ("booked", Shape::Number),
    ("capacity", Shape::Number),
    ("status", Shape::Text),
    ("description", Shape::Text),
    ("series", Shape::Text),
    ("changed_at", Shape::Time),
];

fn currency(code: Option<&str>) -> Checked<()> {
    code.map_or(Ok(()), |code| Currency::parse(code).map(|_| ()))
}

fn invoice(record: &mut Record) -> Checked<()> {
    Invoice::from_record(record).and_then(|invoice| currency(invoice.currency.as_deref()))
}

/// What pays one document has an allocation of all of it, as any other.
fn payment(record: &mut Record) -> Checked<()> {
    if let Some(invoice) = record.remove("invoice")
        && record.value("allocations").is_none()
    {
        let amount = record.value("amount").cloned().unwrap_or(Value::Null);
        record.set("allocations", Value::List(vec![Record::new().with("invoice", invoice).with("amount", amount)]));
    }
    Payment::from_record(record).and_then(|payment| currency(payment.currency.as_deref()))
}

fn event(record: &mut Record) -> Checked<()> {
    Event::from_record(record).map(|_| ())
}

/// Why a row is no record, and which field is to blame.
pub(crate) type Fault = (Option<String>, BadReason);

impl Schema {
    /// The schema of a collection; `None` for customers and for what is not known.
    pub fn of(collection: &str) -> Option<&'static Self> {
        SCHEMAS.iter().find(|schema| schema.collection == collection)
    }

    /// True when each record has a line of cells: no field holds a list without which it means nothing.
    pub(crate) fn fits_cells(&self) -> bool {
        !self.fields.iter().any(|(name, _)| *name == "lines")
    }

    /// The field that a header names, in the model's words.
    pub(crate) fn field(&self, header: &str) -> Option<&'static str> {
        let of_cell = |shape: &Shape| !matches!(shape, Shape::List(_));
        self.fields.iter().find(|(name, shape)| *name == header && of_cell(shape)).map(|(name, _)| *name)
    }

    fn shape(&self, field: &str) -> Option<Shape> {
        self.fields.iter().find(|(name, _)| *name == field).map(|(_, shape)| *shape)
    }

    /// Reads a line of JSON whose members are the model's fields and `id`; others become `extra.…`.
    pub(crate) fn read(&self, line: &str) -> Result<(LocalId, Record), Fault> {
        // As they stand in the file: an amount never goes through a float.
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(line).map_err(|error| {
            let problem = error.to_string();
            let problem = problem.split(" at line ").next().unwrap_or_default().to_owned();
            // Words about data repeat it.
            (None, if error.is_data() { BadReason::NotAnObject } else { BadReason::NotJson { problem } })
        })?;
        self.assemble(members.iter().map(|(name, raw)| (name.as_str(), raw.get())))
    }

    /// Reads the cells of a line, each with its field's name.
    pub(crate) fn read_cells<'a>(
        &self,
        cells: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(LocalId, Record), Fault> {
        let raw = cells.filter(|(_, text)| !text.trim().is_empty()).map(|(name, text)| {
            let flag = match text.trim().to_lowercase().as_str() {
                "yes" | "true" | "1" | "x" => Some("true"),
                "no" | "false" | "0" => Some("false"),
                _ => None,
            };
            let flag = flag.filter(|_| self.shape(name) == Some(Shape::Flag));
            (name, flag.map_or_else(|| Json::from(text).to_string(), str::to_owned))
        });
        let raw: Vec<(&str, String)> = raw.collect();
        self.assemble(raw.iter().map(|(name, raw)| (*name, raw.as_str())))
    }

    /// A record of members, each with its name and its value as JSON.
    fn assemble<'a>(&self, members: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(LocalId, Record), Fault> {
        let (mut id, mut record) = (None, Record::new());
        for (name, raw) in members {
            let field = name.trim();
            if field == "id" {
                let wrong = || (Some(name.to_owned()), BadReason::WrongType { wanted: "a text" });
                id = text(raw).ok_or_else(wrong)?;
                continue;
            }
            match self.shape(field) {
                Some(shape) => {
                    if let Some(value) = value(shape, raw, name)? {
                        record.set(field, value);
                    }
                }
                None => record_extra(&mut record, field, raw),
            }
        }
        let id = id.filter(|id| !id.trim().is_empty()).ok_or((Some("id".to_owned()), BadReason::NoId))?;
        (self.check)(&mut record).map_err(|error| {
            // The view's words name the field and hold no content.
            (None, BadReason::Refused { problem: error.message().to_owned() })
        })?;
        Ok((LocalId::new(id.trim()), record))
    }
}

fn record_extra(record: &mut Record, field: &str, raw: &str) {
    let name = field.strip_prefix("extra.").unwrap_or(field);
    let value = match serde_json::from_str(raw) {
        Ok(Json::Null) | Err(_) => return,
        Ok(Json::String(text)) => Value::Text(text),
        Ok(Json::Bool(flag)) => Value::Bool(flag),
        Ok(json @ Json::Number(_)) => Decimal::from_str_exact(raw).map_or(Value::Json(json), Value::Decimal),
        Ok(json) => Value::Json(json),
    };
    record.set(format!("extra.{name}"), value);
}

/// The text of a JSON text, or the digits of a number; `None` for anything else, an inner `None` for nothing.
#[allow(clippy::option_option, reason = "nothing is another thing than something wrong")]
fn text(raw: &str) -> Option<Option<String>> {
    match serde_json::from_str(raw).ok()? {
        Json::Null => Some(None),
        Json::String(text) => Some(Some(text)),
        Json::Number(_) => Some(Some(raw.to_owned())),
        _ => None,
    }
}

/// A JSON value as a field's; `None` for nothing. `path` names the field in words about what is wrong.
fn value(shape: Shape, raw: &str, path: &str) -> Result<Option<Value>, Fault> {
    let wrong = |wanted| (Some(path.to_owned()), BadReason::WrongType { wanted });
    let of_text = |wanted: &'static str, read: fn(&str) -> Option<Value>| match text(raw) {
        Some(None) => Ok(None),
        Some(Some(text)) if text.trim().is_empty() => Ok(None),
        Some(Some(text)) => read(text.trim()).map(Some).ok_or_else(|| wrong(wanted)),
        None => Err(wrong(wanted)),
    };
    match shape {
        Shape::Text => of_text("a text", |text| Some(Value::text(text))),
        Shape::Number => of_text("a number such as 180.00", |text| Decimal::from_str_exact(text).ok().map(Value::Decimal)),
        Shape::Date => of_text("a day such as 2026-05-17", |text| {
            // The parser would take whole instants, too.
            let date: Date = text.parse().ok().filter(|_| text.len() == 10)?;
            Some(Value::Date(date))
        }),
        Shape::Time => of_text("a time such as 2026-05-17T09:00:00Z", |text| {
            let at: Timestamp = text.parse().ok()?;
            Some(Value::Time { at, zone: None })
        }),
        Shape::Ref(collection) => match of_text("the id of a record", |text| Some(Value::text(text)))? {
            Some(Value::Text(id)) => {
                let to = Ref::Local { collection: Collection::from(collection), id: LocalId::new(id) };
                Ok(Some(Value::Ref(to)))
            }
            _ => Ok(None),
        },
        Shape::Flag => match serde_json::from_str(raw) {
            Ok(Json::Bool(flag)) => Ok(Some(Value::Bool(flag))),
            Ok(Json::Null) => Ok(None),
            _ => Err(wrong("true or false")),
        },
        Shape::List(members) => list(members, raw, path),
    }
}

fn list(members: &[(&'static str, Shape)], raw: &str, path: &str) -> Result<Option<Value>, Fault> {
    let wrong = || (Some(path.to_owned()), BadReason::WrongType { wanted: "a list of objects" });
    let rows: Option<Vec<BTreeMap<String, &RawValue>>> = serde_json::from_str(raw).map_err(|_| wrong())?;
    let Some(rows) = rows else { return Ok(None) };
    let mut records = Vec::with_capacity(rows.len());
    for (idx, row) in rows.into_iter().enumerate() {
        let mut record = Record::new();
        for (name, raw) in row {
            let path = format!("{path}[{idx}].{name}");
            let shape = members.iter().find(|(known, _)| *known == name).map_or(Shape::Text, |(_, shape)| *shape);
            if let Some(value) = value(shape, raw.get(), &path)? {
                record.set(name, value);
            }
        }
        records.push(record);
    }
    Ok(Some(Value::List(records)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(schema: &Schema) -> Vec<&'static str> {
        schema.fields.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn the_fields_are_those_of_the_models() {
        let of = |collection| fields_of(Schema::of(collection).unwrap());
        assert_eq!(of("invoices"), Invoice::FIELDS);
        assert_eq!(of("trips"), Event::FIELDS);
        let payment: Vec<_> = of("payments").into_iter().filter(|name| *name != "invoice").collect();
        assert_eq!(payment, Payment::FIELDS);
        let lines: Vec<_> = LINE.iter().map(|(name, _)| *name).collect();
        assert_eq!(lines, sync_core::model::InvoiceLine::FIELDS);
        assert!(Schema::of("customers").is_none());
    }

    #[test]
    fn an_invoice_is_read_with_exact_amounts_dates_and_references() {
        let line = r#"{"id": 7, "number": "D-1042", "customer": "C-1", "date": "2026-05-17", "currency": "EUR",
            "total": 12345678901234567890.12, "lines": [{"description": "Dive", "quantity": "2", "unit_amount": 90.10}],
            "till": 2, "due_date": null}"#;
        let (id, record) = Schema::of("invoices").unwrap().read(line).unwrap();
        let invoice = Invoice::from_record(&record).unwrap();
        assert_eq!((id.as_str(), invoice.date), ("7", Some(jiff::civil::date(2026, 5, 17))));
        assert_eq!(invoice.total.unwrap().to_string(), "12345678901234567890.12");
        assert_eq!(invoice.lines[0].unit_amount.unwrap().to_string(), "90.10");
        assert_eq!(invoice.customer, Some(Ref::Local { collection: Collection::CUSTOMERS, id: "C-1".into() }));
        assert_eq!(invoice.extra["till"], Value::Decimal(2.into()));
    }

    #[test]
    fn a_payment_that_names_its_document_has_an_allocation_of_all_of_it() {
        let line = r#"{"id": "P-1", "invoice": "B-1", "amount": "180.00"}"#;
        let (_, record) = Schema::of("payments").unwrap().read(line).unwrap();
        assert!(record.value("invoice").is_none(), "no provider asks for it");
        let payment = Payment::from_record(&record).unwrap();
        let to = Some(Ref::Local { collection: Collection::INVOICES, id: "B-1".into() });
        assert_eq!((payment.allocations[0].invoice.clone(), payment.allocations[0].amount), (to, payment.amount));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_wanted_and_without_its_content() {
        for (collection, line, named, wanted) in [
            ("invoices", r#"{"id": 1, "total": "CANARY"}"#, "total", "a number such as 180.00"),
            ("invoices", r#"{"id": 1, "date": "2026-05-17T00:00:00Z"}"#, "date", "a day such as"),
            ("invoices", r#"{"id": 1, "lines": [{}, {"quantity": []}]}"#, "lines[1].quantity", "a number"),
            ("invoices", r#"{"id": 1, "lines": {"CANARY": 1}}"#, "lines", "a list of objects"),
            ("invoices", r#"{"id": 1, "currency": "CANARY"}"#, "", "three letters"),
            ("payments", r#"{"id": 1, "deposit": "CANARY"}"#, "deposit", "true or false"),
            ("payments", r#"{"id": 1, "invoice": ["CANARY"]}"#, "invoice", "the id of a record"),
            ("trips", r#"{"id": 1, "start_time": "9 o'clock CANARY"}"#, "", "start_time must be a time of day"),
            ("trips", r#"{"title": "CANARY"}"#, "id", "no id"),
            ("trips", r#"["CANARY"]"#, "", "JSON"),
            ("trips", r#""CANARY""#, "", "JSON"),
        ] {
            let (field, reason) = Schema::of(collection).unwrap().read(line).unwrap_err();
            assert_eq!(field.unwrap_or_default(), named, "{line}");
            let words = format!("{reason}{reason:?}");
            assert!(words.contains(wanted) && !words.contains("CANARY"), "{line}: {words}");
        }
    }
}
