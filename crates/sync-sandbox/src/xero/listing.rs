//! Listings: filters, order, pages.
//! Source: <https://developer.xero.com/documentation/api/accounting/requests-and-responses>, "Retrieving data".

use std::cmp::Ordering;

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    company::Company,
    contact::Contact,
    dates,
    document::{Detail, Document},
    filter::{Field, Filter},
    id::Id,
    input::Query,
    payment::Payment,
    problem::Problem,
    settings::since,
};

/// Largest and usual page. Source: the page, "Paging".
const MAX_PAGE: usize = 1_000;
const PAGE: usize = 100;

/// Most records of an answer. Source: <https://developer.xero.com/documentation/guides/oauth2/limits/>.
const MAX_RECORDS: usize = 100_000;

/// A record that can be listed.
pub(super) trait Row {
    /// Members that filters and orders may name.
    const FIELDS: &'static [&'static str];

    fn id(&self) -> Id;
    fn updated(&self) -> Timestamp;
    fn field(&self, company: &Company, name: &str) -> Field;
}

impl Row for Contact {
    const FIELDS: &'static [&'static str] = &[
        "ContactID",
        "Name",
        "EmailAddress",
        "ContactNumber",
        "AccountNumber",
        "ContactStatus",
        "UpdatedDateUTC",
        "FirstName",
        "LastName",
    ];

    fn id(&self) -> Id {
        self.id
    }

    fn updated(&self) -> Timestamp {
        self.updated
    }

    fn field(&self, _: &Company, name: &str) -> Field {
        match name {
            "ContactID" => Field::Guid(self.id),
            "Name" => self.name.as_str().into(),
            "ContactNumber" => some(&self.number),
            "AccountNumber" => some(&self.account_number),
            "ContactStatus" => if self.is_active { "ACTIVE" } else { "ARCHIVED" }.into(),
            "UpdatedDateUTC" => Field::Time(self.updated),
            other => some(self.others.get(other).and_then(Value::as_str).unwrap_or_default()),
        }
    }
}

impl Row for Document {
    const FIELDS: &'static [&'static str] = &[
        "InvoiceID",
        "CreditNoteID",
        "InvoiceNumber",
        "CreditNoteNumber",
        "Reference",
        "Type",
        "Status",
        "Date",
        "DueDate",
        "AmountDue",
        "AmountPaid",
        "Total",
        "CurrencyCode",
        "UpdatedDateUTC",
        "Contact.ContactID",
        "Contact.Name",
        "Contact.ContactNumber",
    ];

    fn id(&self) -> Id {
        self.id
    }

    fn updated(&self) -> Timestamp {
        self.updated
    }

    fn field(&self, company: &Company, name: &str) -> Field {
        let contact =
            |of: fn(&Contact) -> &str| company.contacts.get(&self.contact).map_or(Field::Null, |one| some(of(one)));
        match name {
            "InvoiceID" | "CreditNoteID" => Field::Guid(self.id),
            "InvoiceNumber" | "CreditNoteNumber" => some(&self.number),
            "Reference" => some(&self.reference),
            "Type" => self.kind.as_str().into(),
            "Status" => self.status.as_str().into(),
            "Date" => self.date.into(),
            "DueDate" => self.due.into(),
            "AmountDue" => Field::Number(self.due_amount()),
            "AmountPaid" => Field::Number(self.paid),
            "Total" => Field::Number(self.total),
            "CurrencyCode" => self.currency.as_str().into(),
            "UpdatedDateUTC" => Field::Time(self.updated),
            "Contact.ContactID" => Field::Guid(self.contact),
            "Contact.Name" => contact(|one| &one.name),
            "Contact.ContactNumber" => contact(|one| &one.number),
            _ => Field::Null,
        }
    }
}

impl Row for Payment {
    const FIELDS: &'static [&'static str] = &[
        "PaymentID",
        "Date",
        "Amount",
        "Reference",
        "Status",
        "IsReconciled",
        "UpdatedDateUTC",
        "Invoice.InvoiceID",
        "Invoice.InvoiceNumber",
        "Account.AccountID",
        "Account.Code",
    ];

    fn id(&self) -> Id {
        self.id
    }

    fn updated(&self) -> Timestamp {
        self.updated
    }

    fn field(&self, company: &Company, name: &str) -> Field {
        match name {
            "PaymentID" => Field::Guid(self.id),
            "Date" => self.date.into(),
            "Amount" => Field::Number(self.amount),
            "Reference" => some(&self.reference),
            "Status" => if self.is_deleted { "DELETED" } else { "AUTHORISED" }.into(),
            "IsReconciled" => Field::Flag(self.is_reconciled),
            "UpdatedDateUTC" => Field::Time(self.updated),
            "Invoice.InvoiceID" => Field::Guid(self.document),
            "Invoice.InvoiceNumber" => company.documents.get(&self.document).map_or(Field::Null, |one| some(&one.number)),
            "Account.AccountID" => Field::Guid(self.account),
            "Account.Code" => company.accounts.get(&self.account).map_or(Field::Null, |one| some(&one.code)),
            _ => Field::Null,
        }
    }
}

fn some(text: &str) -> Field {
    if text.is_empty() { Field::Null } else { Field::Text(text.to_owned()) }
}

/// A page, or everything.
pub(super) struct Listed {
    pub(super) items: Vec<Value>,
    pub(super) pagination: Option<Value>,
}

/// Lists records. `always_paged` marks what has lines even without a page.
pub(super) fn list<'r, R: Row + 'r>(
    query: &Query,
    headers: &HeaderMap,
    company: &Company,
    records: impl Iterator<Item = &'r R>,
    show: impl Fn(&R, Detail) -> Value,
) -> Result<Listed, Problem> {
    let since = since(headers);
    let filter =
        query.text("where").filter(|text| !text.trim().is_empty()).map(|text| Filter::parse(text, R::FIELDS)).transpose()?;
    let mut found: Vec<&R> = records
        .filter(|record| since.is_none_or(|since| record.updated() >= since))
        .filter(|record| filter.as_ref().is_none_or(|filter| filter.passes(&|name: &str| record.field(company, name))))
        .collect();
    if found.len() > MAX_RECORDS {
        return Err(Problem::query("The request would return more than 100000 records. Please use paging or filters."));
    }
    sort(&mut found, query.text("order").unwrap_or_default(), company)?;
    let is_summary = query.flag("summaryOnly")?.unwrap_or_default();
    let page_size = query.count("pageSize")?.map(|size| size.clamp(1, MAX_PAGE));
    let page = query.count("page")?.map(|page| page.max(1)).or((is_summary || page_size.is_some()).then_some(1));
    let Some(page) = page else {
        return Ok(Listed { items: found.iter().map(|one| show(one, Detail::Listed)).collect(), pagination: None });
    };
    let page_size = page_size.unwrap_or(PAGE);
    let detail = if is_summary { Detail::Summary } else { Detail::Full };
    let items = found.iter().skip((page - 1) * page_size).take(page_size).map(|one| show(one, detail)).collect();
    let pagination = json!({
        "page": page, "pageSize": page_size, "pageCount": found.len().div_ceil(page_size), "itemCount": found.len(),
    });
    Ok(Listed { items, pagination: Some(pagination) })
}

/// Sorts by `order`; without one by ids, which nobody can rely on.
fn sort<R: Row>(found: &mut [&R], order: &str, company: &Company) -> Result<(), Problem> {
    let mut keys = Vec::new();
    for part in order.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, direction) = part.split_once(char::is_whitespace).unwrap_or((part, "ASC"));
        let name = R::FIELDS
            .iter()
            .find(|known| known.eq_ignore_ascii_case(name))
            .ok_or_else(|| Problem::query(format!("No property or field '{name}' exists")))?;
        let is_down = match direction.trim().to_ascii_uppercase().as_str() {
            "ASC" => false,
            "DESC" => true,
            other => return Err(Problem::query(format!("'{other}' is no direction of an order"))),
        };
        keys.push((*name, is_down));
    }
    if let [("UpdatedDateUTC", is_down)] = keys[..] {
        found.sort_by_key(|one| (one.updated(), one.id()));
        if is_down {
            found.reverse();
        }
        return Ok(());
    }
    found.sort_by(|one, other| {
        for (name, is_down) in &keys {
            let order = one.field(company, name).compare(&other.field(company, name)).unwrap_or(Ordering::Equal);
            let order = if *is_down { order.reverse() } else { order };
            if order.is_ne() {
                return order;
            }
        }
        one.id().cmp(&other.id())
    });
    Ok(())
}

/// An answer with everything around what is listed.
pub(super) fn envelope(id: Id, app: &str, now: Timestamp, plural: &str, listed: Listed) -> Value {
    let mut body = Map::new();
    body.insert("Id".into(), id.json());
    body.insert("Status".into(), json!("OK"));
    body.insert("ProviderName".into(), json!(app));
    body.insert("DateTimeUTC".into(), dates::bare_stamp(now));
    if let Some(pagination) = listed.pagination {
        body.insert("pagination".into(), pagination);
    }
    body.insert(plural.into(), listed.items.into());
    Value::Object(body)
}
