//! What people do in Xero itself.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    World, Xero,
    bulk::Refused,
    company::Company,
    contacts, dates,
    document::{Document, Kind, Status},
    hooks::Category,
    id::Id,
    input::{self, Element},
    limits::Terms,
    members, money, payments,
    problem::Problem,
    seed::{XeroConsentSeed, XeroTenantSeed, XeroWebhookSeed},
    tenant_id, writing,
};

/// One action, as the body of `POST /_sandbox/act`: `{"do": "record-payment", "invoice": "A-1", "amount": 40}`. Invoices are
/// named by number or id, contacts by name, number or id, accounts by code, organisations by name or id (`tenant`, where
/// there are several).
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Action {
    /// Several, in order; stops at the first that fails.
    Many { actions: Vec<Value> },
    /// The bookkeeper makes a contact; the answer names its id.
    CreateContact { tenant: Option<String>, body: Element },
    /// The bookkeeper changes a contact.
    EditContact { tenant: Option<String>, contact: String, body: Element },
    /// The bookkeeper archives a contact.
    ArchiveContact { tenant: Option<String>, contact: String },
    /// The bookkeeper merges a contact into another, which gets all its documents.
    MergeContacts { tenant: Option<String>, contact: String, into: String },
    /// The bookkeeper writes an invoice or a bill; the answer names its id.
    CreateInvoice { tenant: Option<String>, body: Element },
    /// The bookkeeper changes an invoice, whatever calls may do.
    EditInvoice { tenant: Option<String>, invoice: String, body: Element },
    /// The bookkeeper books a line on another account.
    RecodeLine {
        tenant: Option<String>,
        invoice: String,
        #[serde(default)]
        line: usize,
        account: String,
    },
    /// The bookkeeper voids an invoice.
    VoidInvoice { tenant: Option<String>, invoice: String },
    /// The service touches an invoice: another `UpdatedDateUTC`, nothing else.
    TouchInvoice { tenant: Option<String>, invoice: String },
    /// The bookkeeper records a payment by hand: all that is due unless an amount is named.
    RecordPayment {
        tenant: Option<String>,
        invoice: String,
        amount: Option<Value>,
        date: Option<String>,
        account: Option<String>,
        #[serde(default)]
        reference: String,
        #[serde(default)]
        is_reconciled: bool,
    },
    /// The bookkeeper takes a payment back.
    DeletePayment { tenant: Option<String>, payment: String },
    /// The bookkeeper reconciles a payment with the bank statement.
    ReconcilePayment { tenant: Option<String>, payment: String },
    /// The adviser locks everything up to a day.
    Lock {
        tenant: Option<String>,
        date: Date,
        #[serde(default)]
        end_of_year: bool,
    },
    /// The adviser takes the locks away.
    Unlock { tenant: Option<String> },
    /// The adviser archives an account.
    ArchiveAccount { tenant: Option<String>, account: String },
    /// Somebody removes an app, or all, from an organisation in Xero's settings.
    Disconnect { tenant: Option<String>, client: Option<String> },
    /// From now on a person decides by himself on the consent page.
    Consent {
        #[serde(default)]
        user: Option<String>,
        #[serde(default)]
        tenants: Vec<String>,
        #[serde(default)]
        denies: bool,
    },
    /// From now on the consent page is shown.
    AskConsent,
    /// All access tokens run out.
    ExpireAccessTokens,
    /// Each refresh is refused.
    DenyRefresh {
        #[serde(default = "invalid_grant")]
        error: String,
    },
    /// It is no longer.
    AllowRefresh,
    /// So many of the day's calls are gone.
    SpendDay { tenant: Option<String>, calls: u64 },
    /// A call fails.
    Trouble(Trouble),
    /// No call fails any more.
    NoTrouble,
    /// The developer sets up a webhook: the intent to receive is asked for.
    Webhook {
        url: String,
        key: String,
        #[serde(default)]
        categories: Vec<String>,
    },
    /// The developer takes it away.
    NoWebhook,
}

fn invalid_grant() -> String {
    "invalid_grant".into()
}

/// A call that fails before anything is done.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trouble {
    operation: String,
    status: u16,
    /// A validation error's words, of status 400.
    #[serde(default)]
    message: Option<String>,
    /// This many calls go well before.
    #[serde(default)]
    after: u64,
    /// So many calls fail; else all.
    #[serde(default)]
    times: Option<u64>,
}

impl Xero {
    /// The trouble that meets this call, if any.
    pub(super) fn trouble(&mut self, operation: &str) -> Option<Problem> {
        let trouble = self.troubles.iter_mut().find(|one| one.operation == operation && one.times != Some(0))?;
        if trouble.after > 0 {
            trouble.after -= 1;
            return None;
        }
        if let Some(times) = &mut trouble.times {
            *times -= 1;
        }
        match &trouble.message {
            Some(message) if trouble.status == 400 => Some(Problem::invalid(message.clone())),
            _ => Some(Problem::of_status(http::StatusCode::from_u16(trouble.status).unwrap_or_default())),
        }
    }

    /// The organisation that an action means.
    fn company(&mut self, named: Option<&str>) -> Result<(&mut Company, &mut World), String> {
        let id = match named {
            Some(named) => self.oauth.tenant_named(named).ok_or_else(|| format!("no organisation {named}"))?,
            None => self.seed.tenants.first().map(|tenant| tenant_id(&tenant.name)).ok_or("there is no organisation")?,
        };
        let company = self.companies.get_mut(&id).ok_or("there is no organisation")?;
        Ok((company, &mut self.world))
    }
}

fn said(refused: Refused) -> String {
    match refused {
        Refused::Words(words) => words.join(" "),
        Refused::Call(problem) => problem.message,
    }
}

fn checked(body: &Element, known: &[input::Member]) -> Result<(), String> {
    input::check(body, known, "body").map_err(|problem| problem.message)
}

fn contact(company: &Company, named: &str) -> Result<Id, String> {
    let by_id = Id::parse(named).filter(|id| company.contacts.contains_key(id));
    let found = by_id.or_else(|| company.contact_by_number(named)).or_else(|| company.contact_by_name(named));
    found.ok_or_else(|| format!("no contact {named}"))
}

fn document<'c>(company: &'c Company, named: &str) -> Result<&'c Document, String> {
    let by_id = Id::parse(named).and_then(|id| company.documents.get(&id));
    let by_number = || {
        let kinds = [Kind::Sale, Kind::SaleCredit].into_iter();
        let id = kinds.filter_map(|kind| company.document_by_number(kind, named)).next()?;
        company.documents.get(&id)
    };
    by_id.or_else(by_number).map(AsRef::as_ref).ok_or_else(|| format!("no invoice {named}"))
}

/// Stores what a person changed.
fn put(company: &mut Company, world: &mut World, mut document: Document) {
    let (id, kind) = (document.id, document.kind);
    document.updated = world.now;
    company.put_document(document, world.quirks.void_frees_number);
    world.tell(company.id, Category::of(kind), id, false);
}

/// Does it; returns the id of what was made.
pub(super) fn act(this: &mut Xero, action: &Value) -> Result<Option<Id>, String> {
    let action: Action = serde_json::from_value(action.clone()).map_err(|error| format!("no such action: {error}"))?;
    match action {
        Action::Many { actions } => {
            for action in &actions {
                act(this, action)?;
            }
        }
        Action::CreateContact { tenant, body } => {
            checked(&body, super::contact::MEMBERS)?;
            let (company, world) = this.company(tenant.as_deref())?;
            return contacts::save(company, world, &body, contacts::Mode::Create).map(Some).map_err(said);
        }
        Action::EditContact { tenant, contact: named, body } => {
            checked(&body, super::contact::MEMBERS)?;
            let (company, world) = this.company(tenant.as_deref())?;
            let id = contact(company, &named)?;
            contacts::save(company, world, &body, contacts::Mode::Update(id)).map_err(said)?;
        }
        Action::ArchiveContact { tenant, contact: named } => {
            let (company, world) = this.company(tenant.as_deref())?;
            let id = contact(company, &named)?;
            let body = Map::from_iter([("ContactStatus".to_owned(), json!("ARCHIVED"))]);
            contacts::save(company, world, &body, contacts::Mode::Update(id)).map_err(said)?;
        }
        Action::MergeContacts { tenant, contact: named, into } => {
            let (company, world) = this.company(tenant.as_deref())?;
            let (from, into) = (contact(company, &named)?, contact(company, &into)?);
            merge(company, world, from, into)?;
        }
        Action::Lock { tenant, date, end_of_year } => {
            let (company, _) = this.company(tenant.as_deref())?;
            *(if end_of_year { &mut company.year_lock } else { &mut company.period_lock }) = Some(date);
        }
        Action::Unlock { tenant } => {
            let (company, _) = this.company(tenant.as_deref())?;
            (company.period_lock, company.year_lock) = (None, None);
        }
        Action::ArchiveAccount { tenant, account } => {
            let (company, world) = this.company(tenant.as_deref())?;
            let now = world.now;
            let found = company.accounts.values_mut().find(|one| one.code == account);
            let found = found.ok_or_else(|| format!("no account {account}"))?;
            (found.is_archived, found.updated) = (true, now);
        }
        other => return on_document(this, other),
    }
    Ok(None)
}

/// What concerns invoices and payments.
fn on_document(this: &mut Xero, action: Action) -> Result<Option<Id>, String> {
    match action {
        Action::CreateInvoice { tenant, body } => {
            checked(&body, members::INVOICE)?;
            let (company, world) = this.company(tenant.as_deref())?;
            return writing::save(company, world, &body, writing::Mode::Create, false, 4).map(Some).map_err(said);
        }
        Action::EditInvoice { tenant, invoice, body } => {
            checked(&body, members::INVOICE)?;
            let (company, world) = this.company(tenant.as_deref())?;
            let id = document(company, &invoice)?.id;
            writing::save(company, world, &body, writing::Mode::Update(id), false, 4).map_err(said)?;
        }
        Action::RecodeLine { tenant, invoice, line, account } => {
            let (company, world) = this.company(tenant.as_deref())?;
            let account = company.account_by_code(&account).ok_or_else(|| format!("no account {account}"))?.clone();
            let mut document = document(company, &invoice)?.clone();
            let line = document.lines.get_mut(line).ok_or("there is no such line")?;
            line.account = Some(account.id);
            line.account_code = account.code;
            put(company, world, document);
        }
        Action::VoidInvoice { tenant, invoice } => {
            let (company, world) = this.company(tenant.as_deref())?;
            let mut document = document(company, &invoice)?.clone();
            if document.has_applied() || document.status != Status::Authorised {
                return Err(format!("{invoice} can't be voided"));
            }
            document.status = Status::Voided;
            put(company, world, document);
        }
        Action::TouchInvoice { tenant, invoice } => {
            let (company, world) = this.company(tenant.as_deref())?;
            let document = document(company, &invoice)?.clone();
            put(company, world, document);
        }
        Action::RecordPayment { tenant, invoice, amount, date, account, reference, is_reconciled } => {
            let (company, world) = this.company(tenant.as_deref())?;
            let document = document(company, &invoice)?;
            let amount = amount.as_ref().map_or(Some(document.due_amount()), money::read).ok_or("no amount")?;
            let bank = company.accounts.values().filter(|one| one.is_bank()).map(|one| one.code.clone()).min();
            let whose = if document.kind.is_credit() { "CreditNote" } else { "Invoice" };
            let mut element = json!({
                whose: {format!("{whose}ID"): document.id.json()}, "Account": {"Code": account.or(bank)},
                "Amount": money::json(amount), "Reference": reference, "IsReconciled": is_reconciled,
            });
            if let Some(date) = date {
                element["Date"] = json!(date);
            }
            let element = element.as_object().cloned().unwrap_or_default();
            return payments::create(company, world, &element).map(Some).map_err(said);
        }
        Action::DeletePayment { tenant, payment } => {
            let (company, world) = this.company(tenant.as_deref())?;
            let id = Id::parse(&payment).filter(|id| company.payments.contains_key(id));
            payments::unapply(company, world, id.ok_or_else(|| format!("no payment {payment}"))?);
        }
        Action::ReconcilePayment { tenant, payment } => {
            let (company, world) = this.company(tenant.as_deref())?;
            let id = Id::parse(&payment).ok_or_else(|| format!("no payment {payment}"))?;
            let mut found = company.payments.get(&id).ok_or_else(|| format!("no payment {payment}"))?.as_ref().clone();
            (found.is_reconciled, found.updated) = (true, world.now);
            company.payments.insert(id, found.into());
        }
        other => return in_account(this, other),
    }
    Ok(None)
}

/// What concerns consent, limits and the service itself.
fn in_account(this: &mut Xero, action: Action) -> Result<Option<Id>, String> {
    match action {
        Action::Disconnect { tenant, client } => {
            let id = this.company(tenant.as_deref())?.0.id;
            if this.oauth.disconnect(id, client.as_deref()) == 0 {
                return Err("it is not connected".into());
            }
        }
        Action::Consent { user, tenants, denies } => this.oauth.consent = Some(XeroConsentSeed { user, tenants, denies }),
        Action::AskConsent => this.oauth.consent = None,
        Action::ExpireAccessTokens => this.oauth.expire_access(),
        Action::DenyRefresh { error } => this.oauth.denial = Some(error),
        Action::AllowRefresh => this.oauth.denial = None,
        Action::SpendDay { tenant, calls } => {
            let id = this.company(tenant.as_deref())?.0.id;
            let day_begins_s =
                this.seed.tenants.iter().find(|one| tenant_id(&one.name) == id).map_or(0, |one| one.day_begins_s);
            for connection in this.oauth.connections.iter().filter(|one| one.tenant == id) {
                let terms = Terms {
                    client: connection.client.clone(),
                    tenant: id,
                    tier: super::XeroTier::Core,
                    day_begins_s,
                    is_rapid: false,
                    is_minute_fixed: false,
                };
                this.meter.spend_day(&terms, calls, this.world.now);
            }
        }
        Action::Trouble(trouble) => this.troubles.push(trouble),
        Action::NoTrouble => this.troubles.clear(),
        Action::Webhook { url, key, categories } => {
            this.hooks.hook = Some(XeroWebhookSeed { url, key, categories });
            let entropy = this.world.fresh_id("entropy").to_string();
            this.world.outbound.extend(this.hooks.intent(&entropy));
        }
        Action::NoWebhook => this.hooks.hook = None,
        _ => return Err("no such action".into()),
    }
    Ok(None)
}

/// All documents of one contact become another's; the first is archived and points to the other.
/// Source: the field `MergedToContactID` of Xero's API description.
fn merge(company: &mut Company, world: &mut World, from: Id, into: Id) -> Result<(), String> {
    if from == into {
        return Err("a contact can't be merged into itself".into());
    }
    let theirs: Vec<Document> = company.documents_of(from).cloned().collect();
    for mut document in theirs {
        document.contact = into;
        put(company, world, document);
    }
    for id in [from, into] {
        let Some(mut contact) = company.contacts.get(&id).map(|one| one.as_ref().clone()) else { continue };
        contact.updated = world.now;
        if id == from {
            contact.is_active = false;
            contact.merged_into = Some(into);
        }
        company.put_contact(contact);
        world.tell(company.id, Category::Contact, id, false);
    }
    Ok(())
}

/// Makes an organisation as its seed says.
pub(super) fn plant(this: &mut Xero, seed: &XeroTenantSeed) {
    let created = this.seed.created;
    let mut company = Company::new(seed, created);
    let world = &mut this.world;
    let mut refused = Vec::new();
    let mut note = |what: &str, n: usize, words: String| refused.push(format!("seed: {what} {n} of {}: {words}", seed.name));
    let days = seed.invoices.iter().chain(&seed.credit_notes).chain(&seed.payments).map(|element| day_of(element, created));
    let latest = days.max().unwrap_or(created);
    world.now = created;
    for (n, element) in seed.contacts.iter().enumerate() {
        let done = checked(element, super::contact::MEMBERS)
            .and_then(|()| contacts::save(&mut company, world, element, contacts::Mode::Create).map_err(said));
        if let Err(words) = done {
            note("contact", n, words);
        }
    }
    for (n, element) in seed.invoices.iter().enumerate() {
        world.now = day_of(element, created);
        let done = checked(element, members::INVOICE)
            .and_then(|()| writing::save(&mut company, world, element, writing::Mode::Create, false, 4).map_err(said));
        if let Err(words) = done {
            note("invoice", n, words);
        }
    }
    for (n, element) in seed.credit_notes.iter().enumerate() {
        world.now = day_of(element, created);
        let done = checked(element, members::CREDIT_NOTE)
            .and_then(|()| writing::save(&mut company, world, element, writing::Mode::Create, true, 4).map_err(said));
        if let Err(words) = done {
            note("credit note", n, words);
        }
    }
    for (n, element) in seed.payments.iter().enumerate() {
        world.now = day_of(element, created);
        let done =
            checked(element, payments::MEMBERS).and_then(|()| payments::create(&mut company, world, element).map_err(said));
        if let Err(words) = done {
            note("payment", n, words);
        }
    }
    // What people did since came after all that; so did the locks.
    world.now = latest;
    (company.period_lock, company.year_lock) = (seed.period_lock_date, seed.end_of_year_lock_date);
    world.refused.extend(refused);
    let id = company.id;
    this.companies.insert(id, company);
    for (n, action) in seed.acts.iter().enumerate() {
        let mut action = action.clone();
        if let Some(members) = action.as_object_mut() {
            members.entry("tenant").or_insert_with(|| json!(seed.name));
        }
        if let Err(words) = act(this, &action) {
            this.world.refused.push(format!("seed: act {n} of {}: {words}", seed.name));
        }
    }
}

/// When a record of the seed was written: on its own day, at noon.
fn day_of(element: &Element, created: Timestamp) -> Timestamp {
    let day = input::text(element, "Date").and_then(dates::read_day);
    let noon = day.and_then(|day| day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).ok());
    noon.map_or(created, |zoned| zoned.timestamp())
}
