//! The calls of the API, one by one.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    World, bulk,
    bulk::{Refused, write},
    company::Company,
    contact, contacts,
    document::{Detail, Document, Status},
    id::Id,
    input::{self, Element, Query},
    listing::{Listed, envelope, list},
    payment::Payment,
    payments,
    problem::Problem,
    settings, writing,
};
use crate::answer;

type Answer = Result<Response<Bytes>, Problem>;

/// A call that was let in.
pub(super) struct Call<'a> {
    pub(super) request: &'a Request<Bytes>,
    pub(super) name: &'static str,
    pub(super) ids: &'a [String],
    pub(super) users: &'a [String],
    pub(super) created: Timestamp,
    /// The name of the app, which answers repeat.
    pub(super) app_name: &'a str,
}

impl Call<'_> {
    fn query(&self, known: &[&str]) -> Result<Query, Problem> {
        Query::parse(self.request.uri().query().unwrap_or_default(), known)
    }

    fn elements(&self, plural: &str, known: &[input::Member]) -> Result<Vec<Element>, Problem> {
        input::elements(self.request.body(), plural, known)
    }

    fn word(&self, n: usize) -> &str {
        self.ids.get(n).map(String::as_str).unwrap_or_default()
    }

    fn id(&self, n: usize) -> Result<Id, Problem> {
        Id::parse(self.word(n)).ok_or_else(Problem::not_found)
    }

    fn answer(&self, world: &mut World, plural: &str, listed: Listed) -> Answer {
        let id = world.fresh_id("answer");
        Ok(answer::json(StatusCode::OK, &envelope(id, self.app_name, world.now, plural, listed)))
    }

    fn items(&self, world: &mut World, plural: &str, items: Vec<Value>) -> Answer {
        self.answer(world, plural, Listed { items, pagination: None })
    }

    /// The one of these that a path names.
    fn one_of(&self, world: &mut World, plural: &str, items: Vec<Value>, key: &str) -> Answer {
        self.query(&[])?;
        let wanted = self.word(0).to_lowercase();
        let found = items.into_iter().find(|item| item[key].as_str().is_some_and(|id| id.to_lowercase() == wanted));
        self.items(world, plural, vec![found.ok_or_else(Problem::not_found)?])
    }

    pub(super) fn run(&self, company: &mut Company, world: &mut World) -> Answer {
        match self.name.split_once('.').map(|(resource, _)| resource) {
            Some("contacts") => self.contacts(company, world),
            Some("invoices") => self.invoices(company, world),
            Some("payments") => self.payments(company, world),
            _ => self.settings(company, world),
        }
    }

    fn settings(&self, company: &mut Company, world: &mut World) -> Answer {
        let plain = &["where", "order"];
        match self.name {
            "organisation.get" => {
                self.query(&[])?;
                self.items(world, "Organisations", vec![settings::organisation(company, self.created)])
            }
            "organisation.actions" => {
                self.query(&[])?;
                self.items(world, "Actions", settings::actions(company))
            }
            "accounts.list" => {
                let fields = [
                    "AccountID",
                    "Code",
                    "Name",
                    "Type",
                    "Class",
                    "Status",
                    "TaxType",
                    "SystemAccount",
                    "EnablePaymentsToAccount",
                ];
                let items = settings::accounts(company, self.request.headers());
                let listed = settings::plain(&self.query(plain)?, items, &fields)?;
                self.answer(world, "Accounts", listed)
            }
            "accounts.get" => {
                let items = company.accounts.values().map(|account| account.show()).collect();
                self.one_of(world, "Accounts", items, "AccountID")
            }
            "accounts.create" => {
                let query = self.query(&[])?;
                let elements = self.elements("Accounts", settings::ACCOUNT)?;
                // "One account per request": GitHub XeroAPI/Xero-Net issue 285 says what becomes of the others.
                let first = elements.get(..1).unwrap_or_default();
                let show = |company: &Company, id| company.accounts.get(&id).map_or(Value::Null, |account| account.show());
                let items = write(company, world, &query, &bulk::ACCOUNT, first, settings::create_account, show)?;
                self.items(world, "Accounts", items)
            }
            "accounts.update" => {
                let (query, id) = (self.query(&[])?, self.id(0)?);
                let elements = self.elements("Accounts", settings::ACCOUNT)?;
                let show = |company: &Company, id| company.accounts.get(&id).map_or(Value::Null, |account| account.show());
                let save = |company: &mut Company, world: &mut World, one: &Element| {
                    settings::update_account(company, world, id, one)
                };
                let items = write(company, world, &query, &bulk::ACCOUNT, &elements, save, show)?;
                self.items(world, "Accounts", items)
            }
            "taxRates.list" => {
                let items = company.tax_rates.iter().map(|rate| rate.show()).collect();
                let listed = settings::plain(&self.query(plain)?, items, &["Name", "TaxType", "Status"])?;
                self.answer(world, "TaxRates", listed)
            }
            "taxRates.get" => {
                let items = company.tax_rates.iter().map(|rate| rate.show()).collect();
                self.one_of(world, "TaxRates", items, "TaxType")
            }
            "currencies.list" => {
                let listed = settings::plain(&self.query(plain)?, settings::currencies(company), &["Code", "Description"])?;
                self.answer(world, "Currencies", listed)
            }
            "currencies.create" => {
                self.query(&[])?;
                let elements = self.elements("Currencies", settings::CURRENCY)?;
                let [element] = &elements[..] else { return Err(Problem::ours(400, "one currency at a time is modelled")) };
                let code = settings::create_currency(company, element).map_err(|refused| match refused {
                    Refused::Words(words) => Problem::invalid(words.join(" ")),
                    Refused::Call(problem) => problem,
                })?;
                let items = settings::currencies(company).into_iter().filter(|one| one["Code"] == code.as_str()).collect();
                self.items(world, "Currencies", items)
            }
            "trackingCategories.list" => {
                let query = self.query(&["where", "order", "includeArchived"])?;
                let has_archived = query.flag("includeArchived")?.unwrap_or_default();
                let shown = company.tracking.iter().filter(|one| has_archived || !one.is_archived).map(|one| one.show());
                let listed = settings::plain(&query, shown.collect(), &["TrackingCategoryID", "Name", "Status"])?;
                self.answer(world, "TrackingCategories", listed)
            }
            "trackingCategories.get" => {
                let items = company.tracking.iter().map(|one| one.show()).collect();
                self.one_of(world, "TrackingCategories", items, "TrackingCategoryID")
            }
            "brandingThemes.list" => {
                self.query(&[])?;
                self.items(world, "BrandingThemes", settings::themes(company, self.created))
            }
            "brandingThemes.get" => {
                self.one_of(world, "BrandingThemes", settings::themes(company, self.created), "BrandingThemeID")
            }
            "users.list" => {
                let listed = settings::plain(
                    &self.query(plain)?,
                    settings::users(self.users, self.created),
                    &["UserID", "EmailAddress"],
                )?;
                self.answer(world, "Users", listed)
            }
            "users.get" => self.one_of(world, "Users", settings::users(self.users, self.created), "UserID"),
            other => Err(Problem::ours(404, format!("operation `{other}` is not modelled"))),
        }
    }

    fn contacts(&self, company: &mut Company, world: &mut World) -> Answer {
        let today = company.today(world.now);
        let show = move |company: &Company, id: Id| {
            company.contacts.get(&id).map_or(Value::Null, |one| one.show(company, Detail::Full, today))
        };
        match self.name {
            "contacts.list" => {
                let query = self.query(&[
                    "where",
                    "order",
                    "IDs",
                    "page",
                    "pageSize",
                    "includeArchived",
                    "summaryOnly",
                    "searchTerm",
                ])?;
                let ids = query.ids("IDs")?;
                let has_archived = query.flag("includeArchived")?.unwrap_or_default();
                let term = query.text("searchTerm").map(str::to_lowercase);
                let records = company.contacts.values().map(Arc::as_ref).filter(|one| {
                    (has_archived || one.is_active)
                        && ids.as_ref().is_none_or(|ids| ids.contains(&one.id))
                        && term.as_ref().is_none_or(|term| matches_term(one, term))
                });
                let listed =
                    list(&query, self.request.headers(), company, records, |one, detail| one.show(company, detail, today))?;
                self.answer(world, "Contacts", listed)
            }
            "contacts.get" => {
                self.query(&[])?;
                let by_id = Id::parse(self.word(0)).filter(|id| company.contacts.contains_key(id));
                let id = by_id.or_else(|| company.contact_by_number(self.word(0))).ok_or_else(Problem::not_found)?;
                self.items(world, "Contacts", vec![show(company, id)])
            }
            _ => {
                let query = self.query(&["summarizeErrors"])?;
                let elements = self.elements("Contacts", contact::MEMBERS)?;
                let mode = match self.name {
                    "contacts.create" => contacts::Mode::Create,
                    "contacts.upsert" => contacts::Mode::Upsert,
                    _ => contacts::Mode::Update(self.id(0)?),
                };
                if let contacts::Mode::Update(id) = mode
                    && !company.contacts.contains_key(&id)
                {
                    return Err(Problem::not_found());
                }
                let save =
                    |company: &mut Company, world: &mut World, one: &Element| contacts::save(company, world, one, mode);
                let items = write(company, world, &query, &bulk::CONTACT, &elements, save, show)?;
                self.items(world, "Contacts", items)
            }
        }
    }

    fn invoices(&self, company: &mut Company, world: &mut World) -> Answer {
        match self.name {
            "invoices.list" => {
                let query = self.query(&[
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
                ])?;
                let records = documents(company, &query, world.app.as_deref(), false)?;
                let places = query.unit_places()?;
                let listed = list(&query, self.request.headers(), company, records.into_iter(), |one, detail| {
                    one.show(company, detail, places)
                })?;
                self.answer(world, "Invoices", listed)
            }
            "invoices.get" => {
                let places = self.query(&["unitdp"])?.unit_places()?;
                let by_id =
                    Id::parse(self.word(0)).and_then(|id| company.documents.get(&id)).filter(|one| !one.kind.is_credit());
                let by_number = || {
                    let id = company.document_by_number(super::document::Kind::Sale, self.word(0))?;
                    company.documents.get(&id)
                };
                let found = by_id.or_else(by_number).ok_or_else(Problem::not_found)?;
                let shown = found.show(company, Detail::Full, places);
                self.items(world, "Invoices", vec![shown])
            }
            "invoices.email" => {
                self.query(&[])?;
                self.email(company, world)
            }
            _ => {
                let query = self.query(&["summarizeErrors", "unitdp"])?;
                let places = query.unit_places()?;
                let elements = self.elements("Invoices", writing::INVOICE)?;
                let mode = match self.name {
                    "invoices.create" => writing::Mode::Create,
                    "invoices.upsert" => writing::Mode::Upsert,
                    _ => writing::Mode::Update(self.id(0)?),
                };
                let save = |company: &mut Company, world: &mut World, one: &Element| {
                    writing::save(company, world, one, mode, false, places)
                };
                let show = |company: &Company, id| show_document(company, id, places);
                let items = write(company, world, &query, &bulk::INVOICE, &elements, save, show)?;
                self.items(world, "Invoices", items)
            }
        }
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

    fn payments(&self, company: &mut Company, world: &mut World) -> Answer {
        let show = |company: &Company, id: Id| company.payments.get(&id).map_or(Value::Null, |one| one.show(company));
        match self.name {
            "payments.list" => {
                let query = self.query(&["where", "order", "page", "pageSize"])?;
                let records = company.payments.values().map(Arc::as_ref);
                let listed = list(&query, self.request.headers(), company, records, |one: &Payment, _| one.show(company))?;
                self.answer(world, "Payments", listed)
            }
            "payments.get" => {
                self.query(&[])?;
                let id = self.id(0)?;
                let shown = company.payments.get(&id).ok_or_else(Problem::not_found)?.show(company);
                self.items(world, "Payments", vec![shown])
            }
            "payments.delete" => {
                self.query(&[])?;
                let id = self.id(0)?;
                if !company.payments.contains_key(&id) {
                    return Err(Problem::not_found());
                }
                let Ok(Value::Object(element)) = serde_json::from_slice(self.request.body()) else {
                    return Err(Problem::post_data("The request body could not be read as JSON"));
                };
                let save =
                    |company: &mut Company, world: &mut World, one: &Element| payments::delete(company, world, id, one);
                let query = self.query(&[])?;
                let items = write(company, world, &query, &bulk::PAYMENT, &[element], save, show)?;
                self.items(world, "Payments", items)
            }
            name => {
                let query = self.query(if name == "payments.create" { &["summarizeErrors"] } else { &[] })?;
                let elements = self.elements("Payments", payments::MEMBERS)?;
                if name == "payments.createOne" && elements.len() > 1 {
                    return Err(Problem::ours(400, "POST /Payments is described for one payment"));
                }
                let items = write(company, world, &query, &bulk::PAYMENT, &elements, payments::create, show)?;
                self.items(world, "Payments", items)
            }
        }
    }
}

fn matches_term(contact: &contact::Contact, term: &str) -> bool {
    let other = |name: &str| contact.others.get(name).and_then(Value::as_str).unwrap_or_default();
    [&contact.name, &contact.number, &contact.account_number, other("FirstName"), other("LastName"), contact.email()]
        .iter()
        .any(|text| text.to_lowercase().contains(term))
}

pub(super) fn show_document(company: &Company, id: Id, places: u32) -> Value {
    company.documents.get(&id).map_or(Value::Null, |one| one.show(company, Detail::Full, places))
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
