//! Calls of invoices, bills and credit notes.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use super::{Answer, Call};
use crate::{
    answer,
    xero::{
        World, allocations,
        bulk::{self, Refused, write},
        company::Company,
        document::{Detail, Document, Kind, Status, show_allocation},
        id::Id,
        input::{Element, Member, Query},
        listing::list,
        members,
        problem::Problem,
        writing::{self, Mode},
    },
};

/// How invoices and credit notes differ in calls.
struct Form {
    plural: &'static str,
    is_credit: bool,
    members: &'static [Member],
    names: &'static bulk::Names,
    /// Parameters of the listing.
    filters: &'static [&'static str],
    number_kind: Kind,
}

const INVOICES: Form = Form {
    plural: "Invoices",
    is_credit: false,
    members: members::INVOICE,
    names: &bulk::INVOICE,
    filters: &[
        "where",
        "order",
        "IDs",
        "InvoiceNumbers",
        "ContactIDs",
        "Statuses",
        "page",
        "pageSize",
        "includeArchived",
        "createdByMyApp",
        "unitdp",
        "summaryOnly",
        "searchTerm",
    ],
    number_kind: Kind::Sale,
};

const CREDIT_NOTES: Form = Form {
    plural: "CreditNotes",
    is_credit: true,
    members: members::CREDIT_NOTE,
    names: &bulk::CREDIT_NOTE,
    filters: &["where", "order", "page", "pageSize", "unitdp"],
    number_kind: Kind::SaleCredit,
};

impl Call<'_> {
    pub(super) fn invoices(&self, company: &mut Company, world: &mut World) -> Answer {
        if self.name == "invoices.email" {
            self.query(&[])?;
            return self.email(company, world);
        }
        self.documents(company, world, &INVOICES)
    }

    pub(super) fn credit_notes(&self, company: &mut Company, world: &mut World) -> Answer {
        match self.name {
            "creditNotes.allocate" => self.allocate(company, world),
            "creditNotes.unallocate" => {
                self.query(&[])?;
                let gone =
                    allocations::delete(company, world, self.id(0)?, self.id(1)?).map_err(|refused| match refused {
                        Refused::Words(words) => Problem::invalid(words.join(" ")),
                        Refused::Call(problem) => problem,
                    })?;
                // The answer is the allocation by itself.
                Ok(answer::json(StatusCode::OK, &gone.ok_or_else(Problem::not_found)?))
            }
            _ => self.documents(company, world, &CREDIT_NOTES),
        }
    }

    fn documents(&self, company: &mut Company, world: &mut World, form: &Form) -> Answer {
        match self.name.split_once('.').map(|(_, action)| action) {
            Some("list") => {
                let query = self.query(form.filters)?;
                let records = documents(company, &query, world.app.as_deref(), form.is_credit)?;
                let places = query.unit_places()?;
                let listed = list(&query, self.request.headers(), company, records.into_iter(), |one, detail| {
                    one.show(company, detail, places)
                })?;
                self.answer(world, form.plural, listed)
            }
            Some("get") => {
                let places = self.query(&["unitdp"])?.unit_places()?;
                let by_id = Id::parse(self.word(0)).and_then(|id| company.documents.get(&id));
                let by_number = || {
                    let id = company.document_by_number(form.number_kind, self.word(0))?;
                    company.documents.get(&id)
                };
                let found = by_id.filter(|one| one.kind.is_credit() == form.is_credit).or_else(by_number);
                let shown = found.ok_or_else(Problem::not_found)?.show(company, Detail::Full, places);
                self.items(world, form.plural, vec![shown])
            }
            action => {
                let query =
                    self.query(if action == Some("update") { &["unitdp"] } else { &["summarizeErrors", "unitdp"] })?;
                let places = query.unit_places()?;
                let elements = self.elements(form.plural, form.members)?;
                let mode = match action {
                    Some("create") => Mode::Create,
                    Some("upsert") => Mode::Upsert,
                    _ => Mode::Update(self.id(0)?),
                };
                let save = |company: &mut Company, world: &mut World, one: &Element| {
                    writing::save(company, world, one, mode, form.is_credit, places)
                };
                let show = |company: &Company, id: Id| {
                    company.documents.get(&id).map_or(Value::Null, |one| one.show(company, Detail::Full, places))
                };
                let items = write(company, world, &query, form.names, &elements, save, show)?;
                self.items(world, form.plural, items)
            }
        }
    }

    /// `PUT /CreditNotes/{id}/Allocations`.
    fn allocate(&self, company: &mut Company, world: &mut World) -> Answer {
        let query = self.query(&["summarizeErrors"])?;
        let credit = self.id(0)?;
        if !company.documents.get(&credit).is_some_and(|one| one.kind.is_credit()) {
            return Err(Problem::not_found());
        }
        let elements = self.elements("Allocations", allocations::MEMBERS)?;
        let save =
            |company: &mut Company, world: &mut World, one: &Element| allocations::create(company, world, credit, one);
        let show = |company: &Company, id: Id| {
            let note = company.documents.get(&credit);
            let made = note.and_then(|note| note.allocations.iter().find(|one| one.id == id));
            made.map_or(Value::Null, |one| show_allocation(one, company))
        };
        let items = write(company, world, &query, &bulk::ALLOCATION, &elements, save, show)?;
        self.items(world, "Allocations", items)
    }

    /// `POST /Invoices/{id}/Email`: a mail to a customer.
    fn email(&self, company: &mut Company, world: &mut World) -> Answer {
        let id = self.id(0)?;
        let invoice = company.documents.get(&id).filter(|one| !one.kind.is_credit()).ok_or_else(Problem::not_found)?;
        let is_open = matches!(invoice.status, Status::Submitted | Status::Authorised | Status::Paid);
        if !is_open || !invoice.kind.is_sale() {
            return Err(Problem::invalid("Invoice not of valid status for emailing"));
        }
        if company.contacts.get(&invoice.contact).is_none_or(|contact| contact.email().is_empty()) {
            return Err(Problem::invalid("The contact has no email address"));
        }
        let mut sent = invoice.as_ref().clone();
        sent.is_sent = true;
        world.mails_sent += 1;
        company.put_document(sent, world.quirks.void_frees_number);
        Ok(answer::empty(StatusCode::NO_CONTENT))
    }
}

/// Documents that pass the lists of a query.
fn documents<'c>(
    company: &'c Company,
    query: &Query,
    app: Option<&str>,
    is_credit: bool,
) -> Result<Vec<&'c Document>, Problem> {
    let (ids, contacts) = (query.ids("IDs")?, query.ids("ContactIDs")?);
    let numbers: Option<Vec<String>> =
        query.list("InvoiceNumbers").map(|numbers| numbers.into_iter().map(str::to_lowercase).collect());
    let statuses = match query.list("Statuses") {
        None => None,
        Some(words) => {
            let read = |word: &str| Status::parse(word).ok_or_else(|| Problem::query(format!("'{word}' is no status")));
            Some(words.into_iter().map(read).collect::<Result<Vec<_>, _>>()?)
        }
    };
    let is_mine = query.flag("createdByMyApp")?.unwrap_or_default();
    let term = query.text("searchTerm").map(str::to_lowercase);
    let passes = |one: &&Document| {
        one.kind.is_credit() == is_credit
            && ids.as_ref().is_none_or(|ids| ids.contains(&one.id))
            && contacts.as_ref().is_none_or(|ids| ids.contains(&one.contact))
            && numbers.as_ref().is_none_or(|numbers| numbers.contains(&one.number.to_lowercase()))
            && statuses.as_ref().is_none_or(|statuses| statuses.contains(&one.status))
            && (!is_mine || one.made_by.as_deref() == app)
            && term
                .as_ref()
                .is_none_or(|term| [&one.number, &one.reference].iter().any(|text| text.to_lowercase().contains(term)))
    };
    // What is asked for by id or number is found without looking at everything.
    if let Some(ids) = &ids {
        return Ok(ids.iter().filter_map(|id| company.documents.get(id)).map(Arc::as_ref).filter(passes).collect());
    }
    Ok(company.documents.values().map(Arc::as_ref).filter(passes).collect())
}
