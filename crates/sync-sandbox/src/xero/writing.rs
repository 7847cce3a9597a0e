//! Writing invoices, bills and credit notes.
//! Sources: <https://developer.xero.com/documentation/api/accounting/invoices>,
//! <https://developer.xero.com/documentation/api/accounting/creditnotes>.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::{
    World,
    bulk::Refused,
    company::Company,
    contacts, dates,
    document::{Document, Kind as Of, LineAmounts, Status},
    hooks::Category,
    id::Id,
    input::{Element, text, too_long},
    line::{Line, Terms},
    members::INVOICE,
    money,
};

/// Which document is meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mode {
    /// PUT: a new one.
    Create,
    /// POST: the one that matches by id or, of a sale, by number; else a new one.
    Upsert,
    /// POST to the path of one.
    Update(Id),
}

/// What may change although something is paid, and does not count as a change.
/// Source: the page's "Updating an invoice"; GitHub XeroAPI/Xero-NetStandard issue 84.
const LATE: &[&str] = &["DueDate", "SentToContact", "ExpectedPaymentDate", "PlannedPaymentDate"];

/// What may change of a bill that is paid, since 2026-03-19. Source: <https://developer.xero.com/changelog>.
const LATE_OF_BILLS: &[&str] = &["InvoiceNumber", "BrandingThemeID", "Url"];

/// What only names the document.
const NAMES: &[&str] = &["InvoiceID", "CreditNoteID", "Type"];

/// The members that differ between invoices and credit notes.
fn id_of(element: &Element) -> Option<Id> {
    Id::read(element.get("InvoiceID")).or_else(|| Id::read(element.get("CreditNoteID"))).filter(|id| id.is_some())
}

fn number_of(element: &Element) -> Option<&str> {
    text(element, "InvoiceNumber").or_else(|| text(element, "CreditNoteNumber")).filter(|number| !number.is_empty())
}

fn meant(company: &Company, element: &Element, mode: Mode, is_credit: bool) -> Result<Option<Id>, Refused> {
    let known = |id: Id| company.documents.get(&id).is_some_and(|one| one.kind.is_credit() == is_credit);
    let id = match mode {
        Mode::Create => return Ok(None),
        Mode::Update(id) => Some(id),
        Mode::Upsert => id_of(element),
    };
    if let Some(id) = id {
        let what =
            if is_credit { "Credit note with the specified CreditNoteID" } else { "Invoice with the specified InvoiceID" };
        return if known(id) { Ok(Some(id)) } else { Err(format!("{what} could not be found").into()) };
    }
    // Numbers of bills repeat, so that they mean nobody.
    let kind = text(element, "Type").and_then(Of::parse).unwrap_or(if is_credit { Of::SaleCredit } else { Of::Sale });
    Ok(number_of(element).filter(|_| kind.is_sale()).and_then(|number| company.document_by_number(kind, number)))
}

/// Makes or changes a document.
pub(super) fn save(
    company: &mut Company,
    world: &mut World,
    element: &Element,
    mode: Mode,
    is_credit: bool,
    places: u32,
) -> Result<Id, Refused> {
    match meant(company, element, mode, is_credit)? {
        None => create(company, world, element, is_credit, places),
        Some(id) => {
            let Some(before) = company.documents.get(&id).cloned() else { return Err("could not be found".into()) };
            change(company, world, element, before.as_ref(), places)
        }
    }
}

fn create(company: &mut Company, world: &mut World, element: &Element, is_credit: bool, places: u32) -> Result<Id, Refused> {
    let Some(kind) = text(element, "Type").and_then(Of::parse) else {
        return Err("Type must be specified".into());
    };
    let mut wrong = too_long(element, INVOICE);
    let status = text(element, "Status").and_then(Status::parse).unwrap_or(Status::Draft);
    if !matches!(status, Status::Draft | Status::Submitted | Status::Authorised) {
        let what = if is_credit { "Credit note" } else { "Invoice" };
        wrong.push(format!("{what} not of valid status for creation"));
    }
    let today = company.today(world.now);
    let mut document = Document {
        id: world.fresh_id("document"),
        kind,
        number: number_of(element).unwrap_or_default().to_owned(),
        reference: String::new(),
        contact: Id::ZERO,
        date: today,
        due: None,
        status,
        amounts: LineAmounts::Exclusive,
        lines: Vec::new(),
        currency: company.base.clone(),
        rate: Decimal::ONE,
        sub_total: Decimal::ZERO,
        tax: Decimal::ZERO,
        total: Decimal::ZERO,
        paid: Decimal::ZERO,
        credited: Decimal::ZERO,
        payments: Vec::new(),
        allocations: Vec::new(),
        fully_paid_on: None,
        is_sent: false,
        is_reminded: false,
        theme: None,
        others: Map::new(),
        made_by: world.app.clone(),
        updated: world.now,
    };
    if kind.is_sale() && company.document_by_number(kind, &document.number).is_some() {
        // Source: the example of a refused invoice in Xero's API description.
        wrong.push(if is_credit { "Credit Note # must be unique.".into() } else { "Invoice # must be unique.".to_owned() });
    }
    let contact = whose(company, element, &mut wrong);
    if let Ok(Some(id)) = contact {
        document.contact = id;
        let default = company.contacts.get(&id).and_then(|one| one.others.get("DefaultCurrency")).and_then(Value::as_str);
        document.currency = default.unwrap_or(&company.base).to_owned();
    }
    fill(company, world, &mut document, element, places, &mut wrong);
    check(company, &document, &mut wrong);
    if !wrong.is_empty() {
        return Err(Refused::Words(wrong));
    }
    // Source: <https://developer.xero.com/documentation/api/accounting/invoices>: a name that nobody has makes a contact;
    // what else is sent of a contact changes it.
    document.contact = touch_contact(company, world, element, contact)?;
    if document.number.is_empty() && kind.is_sale() {
        document.number = company.next_number(kind);
    }
    let id = document.id;
    company.put_document(document, world.quirks.void_frees_number);
    world.tell(company.id, Category::of(kind), id, true);
    Ok(id)
}

/// Whom an element means by its contact: somebody, or nobody yet.
fn whose(company: &Company, element: &Element, wrong: &mut Vec<String>) -> Result<Option<Id>, ()> {
    let Some(sent) = element.get("Contact").and_then(Value::as_object) else {
        wrong.push("A Contact must be specified for this type of transaction".into());
        return Err(());
    };
    match contacts::meant(company, sent) {
        Ok(Some(id)) => {
            let contact = company.contacts.get(&id);
            if contact.is_none_or(|contact| !contact.is_active) {
                // Source: <https://developer.xero.com/documentation/api/accounting/types#contact-status-types>.
                wrong.push("The contact is archived and cannot be used in transactions".into());
            }
            Ok(Some(id))
        }
        Ok(None) if text(sent, "Name").is_some() => Ok(None),
        Ok(None) => {
            wrong.push("A Contact must be specified for this type of transaction".into());
            Err(())
        }
        Err(Refused::Words(words)) => {
            wrong.extend(words);
            Err(())
        }
        Err(Refused::Call(_)) => Err(()),
    }
}

/// Makes the contact that is only named, or changes the one that is sent with more than its id.
fn touch_contact(
    company: &mut Company,
    world: &mut World,
    element: &Element,
    contact: Result<Option<Id>, ()>,
) -> Result<Id, Refused> {
    let sent = element.get("Contact").and_then(Value::as_object);
    let is_more =
        sent.is_some_and(|sent| sent.keys().any(|name| !matches!(name.as_str(), "ContactID" | "ContactNumber" | "Name")));
    match (contact, sent) {
        (Ok(Some(id)), Some(sent)) if is_more => {
            let mut change = sent.clone();
            // Persons that are not sent are gone.
            // Source: <https://developer.xero.com/documentation/api/accounting/invoices>, "Contact".
            change.entry("ContactPersons").or_insert_with(|| Value::Array(Vec::new()));
            contacts::save(company, world, &change, contacts::Mode::Update(id))
        }
        (Ok(None), Some(sent)) => contacts::save(company, world, sent, contacts::Mode::Create),
        (Ok(Some(id)), _) => Ok(id),
        _ => Err("A Contact must be specified for this type of transaction".into()),
    }
}

/// Sets what is sent.
fn fill(
    company: &Company,
    world: &mut World,
    document: &mut Document,
    element: &Element,
    places: u32,
    wrong: &mut Vec<String>,
) {
    let day = |name: &str| text(element, name).and_then(dates::read_day);
    if let Some(date) = day("Date") {
        document.date = date;
    }
    if let Some(due) = day("DueDate") {
        document.due = Some(due);
    }
    if let Some(amounts) = text(element, "LineAmountTypes").and_then(LineAmounts::parse) {
        document.amounts = amounts;
    }
    // A bill has no reference of its own. Source: the field `Reference`: "ACCREC only".
    if let Some(reference) = text(element, "Reference").filter(|_| document.kind != Of::Bill) {
        document.reference = reference.to_owned();
    }
    if let Some(code) = text(element, "CurrencyCode") {
        document.currency = code.to_owned();
    }
    if !company.has_currency(&document.currency) {
        // Source: <https://developer.xero.com/documentation/api/accounting/currencies>.
        wrong.push(format!("Organisation is not subscribed to currency {}", document.currency));
    }
    document.rate = match element.get("CurrencyRate").and_then(money::read) {
        Some(rate) if document.currency != company.base => money::round(rate, 6),
        _ if element.contains_key("CurrencyCode") || document.lines.is_empty() => company.rate(&document.currency),
        _ => document.rate,
    };
    if let Some(is_sent) = element.get("SentToContact").and_then(Value::as_bool) {
        document.is_sent = is_sent;
    }
    if let Some(theme) = Id::read(element.get("BrandingThemeID")) {
        if company.themes.iter().any(|(id, _)| *id == theme) {
            document.theme = Some(theme);
        } else {
            wrong.push("The branding theme could not be found".into());
        }
    }
    for name in ["Url", "ExpectedPaymentDate", "PlannedPaymentDate"] {
        match element.get(name) {
            Some(Value::String(sent)) => {
                let value =
                    dates::read_day(sent).filter(|_| name != "Url").map_or_else(|| Value::String(sent.clone()), dates::day);
                document.others.insert(name.to_owned(), value);
            }
            Some(_) => drop(document.others.remove(name)),
            None => {}
        }
    }
    let terms = Terms { kind: document.kind, status: document.status, amounts: document.amounts, places };
    if let Some(sent) = element.get("LineItems").and_then(Value::as_array) {
        document.lines = lines(company, world, &document.lines, sent, terms, wrong);
    }
    document.add_up();
}

/// Lines with a known id change, those without are added, those that are not sent are gone.
/// Source: <https://developer.xero.com/documentation/api/accounting/invoices>, "Updating line items".
fn lines(
    company: &Company,
    world: &mut World,
    before: &[Line],
    sent: &[Value],
    terms: Terms,
    wrong: &mut Vec<String>,
) -> Vec<Line> {
    let (mut kept, mut new) = (Vec::new(), Vec::new());
    for element in sent.iter().filter_map(Value::as_object) {
        let id = Id::read(element.get("LineItemID")).filter(|id| id.is_some());
        let known = id.and_then(|id| before.iter().find(|line| line.id == id));
        if id.is_some() && known.is_none() && !before.is_empty() {
            wrong.push("The line item with the specified LineItemID could not be found".into());
        }
        let line = Line::read(element, known, terms, company, world, wrong);
        if known.is_some() { kept.push(line) } else { new.push(line) }
    }
    if world.quirks.new_lines_first && !before.is_empty() {
        new.append(&mut kept);
        return new;
    }
    kept.append(&mut new);
    kept
}

/// What must be right of the whole.
fn check(company: &Company, document: &Document, wrong: &mut Vec<String>) {
    if let Some(locked) = company.locked(document.date) {
        wrong.push(locked);
    }
    if document.status == Status::Draft {
        return;
    }
    if document.lines.is_empty() {
        wrong.push("One or more line items must be specified".into());
    }
    // Source: the field `DueDate`: required to authorise.
    if document.due.is_none() && !document.kind.is_credit() {
        wrong.push("The due date must be specified".into());
    }
    if document.total < Decimal::ZERO {
        wrong.push("The total amount of the document must be greater than or equal to zero".into());
    }
}

fn change(
    company: &mut Company,
    world: &mut World,
    element: &Element,
    before: &Document,
    places: u32,
) -> Result<Id, Refused> {
    let asked = text(element, "Status").and_then(Status::parse).unwrap_or(before.status);
    let what = if before.kind.is_credit() { "Credit note" } else { "Invoice" };
    // Source: stackoverflow.com question 52517629.
    let not_valid = || format!("{what} not of valid status for modification");
    if let Some(kind) = text(element, "Type").filter(|kind| *kind != before.kind.as_str()) {
        return Err(format!("The type of a document cannot be changed to {kind}").into());
    }
    if before.has_applied() {
        return change_late(company, world, element, before, asked);
    }
    if !before.status.may_become(asked) {
        return Err(not_valid().into());
    }
    let mut wrong = too_long(element, INVOICE);
    wrong.extend(company.locked(before.date));
    let mut document = before.clone();
    document.status = asked;
    // Voiding and deleting take nothing else along.
    if matches!(asked, Status::Voided | Status::Deleted) {
        if !wrong.is_empty() {
            return Err(Refused::Words(wrong));
        }
        return Ok(store(company, world, document, true));
    }
    if let Some(number) = number_of(element) {
        let taken = company.document_by_number(document.kind, number).is_some_and(|id| id != document.id);
        if taken && document.kind.is_sale() {
            wrong.push(format!("{what} # must be unique."));
        }
        document.number = number.to_owned();
    }
    let contact =
        if element.contains_key("Contact") { whose(company, element, &mut wrong) } else { Ok(Some(before.contact)) };
    fill(company, world, &mut document, element, places, &mut wrong);
    check(company, &document, &mut wrong);
    wrong.sort();
    wrong.dedup();
    if !wrong.is_empty() {
        return Err(Refused::Words(wrong));
    }
    if element.contains_key("Contact") {
        document.contact = touch_contact(company, world, element, contact)?;
    }
    Ok(store(company, world, document, true))
}

/// What may change of a document that something was paid of.
fn change_late(
    company: &mut Company,
    world: &mut World,
    element: &Element,
    before: &Document,
    asked: Status,
) -> Result<Id, Refused> {
    let may = |name: &str| {
        NAMES.contains(&name)
            || (name == "Status" && asked == before.status)
            || (name == "InvoiceNumber" && number_of(element) == Some(&before.number))
            || (before.status == Status::Authorised && LATE.contains(&name))
            || (before.kind == Of::Bill && (LATE.contains(&name) || LATE_OF_BILLS.contains(&name)))
    };
    if !element.keys().all(|name| may(name)) {
        let mut wrong =
            vec!["This document cannot be edited as it has a payment or credit note allocated to it.".to_owned()];
        if before.status != Status::Authorised || asked != before.status {
            wrong.insert(0, "Invoice not of valid status for modification".into());
        }
        return Err(Refused::Words(wrong));
    }
    if let Some(locked) = company.locked(before.date) {
        return Err(locked.into());
    }
    let mut document = before.clone();
    let mut wrong = Vec::new();
    let is_change = element.keys().any(|name| LATE_OF_BILLS.contains(&name.as_str()));
    fill(company, world, &mut document, element, 4, &mut wrong);
    if let Some(number) = number_of(element) {
        document.number = number.to_owned();
    }
    if !wrong.is_empty() {
        return Err(Refused::Words(wrong));
    }
    // Source: <https://developer.xero.com/documentation/guides/oauth2/limits/> and the requests page: these do not touch
    // UpdatedDateUTC.
    Ok(store(company, world, document, is_change))
}

fn store(company: &mut Company, world: &mut World, mut document: Document, is_change: bool) -> Id {
    let (id, kind) = (document.id, document.kind);
    if is_change {
        document.updated = world.now;
    }
    company.put_document(document, world.quirks.void_frees_number);
    world.tell(company.id, Category::of(kind), id, false);
    id
}

/// The days that a change of a document touches.
pub(super) fn is_open(company: &Company, day: Date) -> Result<(), Refused> {
    company.locked(day).map_or(Ok(()), |locked| Err(locked.into()))
}
