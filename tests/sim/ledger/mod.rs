//! A dive shop's customers, invoices and payments, and its bookkeeper's Xero.

mod judge;
mod people;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use sync_core::{Collection, LocalId, Record, Ref, ResourceName, Value};
use sync_dispatch::{Dispatcher, DispatcherBuilder, LabelledQuestion, http::OAuthClient};
use sync_engine::LinkState;
use sync_sandbox::{Xero, XeroClientSeed, XeroConsentSeed, XeroSeed, XeroTenantSeed};
use sync_testkit::SeededRandom;

use super::{
    lineage::{Edit, Lineage, Side},
    steps::index,
    with,
    world::{Place, Start, World},
};
use crate::{ORG, books::COMPANY};

/// What people change of a contact on both sides.
const FIELDS: [&str; 2] = ["last_name", "email"];
/// Most records of each kind that people make.
const MAX_CUSTOMERS: usize = 3;
const MAX_INVOICES: usize = 4;
const MAX_PAYMENTS: usize = 4;

/// The world.
#[derive(Debug)]
pub struct Ledger {
    world: World,
    settings: Mutex<Json>,
    model: Mutex<Model>,
}

#[derive(Debug, Default)]
struct Model {
    lineage: Lineage,
    /// Names of records that people here made; they are their ids too.
    customers: Vec<String>,
    invoices: Vec<String>,
    payments: Vec<String>,
    /// Records that people here deleted.
    gone_here: BTreeSet<String>,
    /// Records that the bookkeeper voided, archived or took back.
    gone_there: BTreeSet<String>,
    /// Documents whose words the bookkeeper changed.
    noted: BTreeSet<String>,
    /// True once something changed there that no feed tells of.
    is_drifted: bool,
    /// The shop's payments that the bookkeeper recorded by hand: name, id there, and when, by Xero's clock in
    /// milliseconds.
    by_hand: BTreeMap<String, (String, i64)>,
    /// When a payment was made, by id, for those that were touched since.
    made_at: BTreeMap<String, i64>,
    /// Records about which somebody decided.
    left: BTreeSet<String>,
    /// Records about which somebody said that they are others than those there.
    wanted: BTreeSet<String>,
    n_excused: u64,
}

/// A contact as one side shows it.
#[derive(Debug, Clone)]
struct Shown {
    /// Its id on that side.
    id: String,
    fields: BTreeMap<&'static str, String>,
}

/// A day of the service's, in milliseconds.
fn millis(date: &Json) -> i64 {
    let digits = date.as_str().and_then(|date| date.strip_prefix("/Date(")).unwrap_or_default();
    digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

/// Whole units of money.
fn units(amount: &Json) -> i64 {
    amount.as_f64().map_or(0, |amount| amount.round() as i64)
}

fn units_here(record: &Record, field: &str) -> i64 {
    let amount = record.value(field).and_then(Value::as_decimal).map(|amount| amount.normalize().to_string());
    amount.and_then(|amount| amount.parse().ok()).unwrap_or(0)
}

/// The customer that a last name begins with, such as `c03`.
fn customer_of(last_name: &str) -> Option<&str> {
    last_name.split(' ').next().filter(|name| name.len() == 3 && name.starts_with('c'))
}

impl Ledger {
    fn rows(&self, of: &Collection) -> BTreeMap<String, Record> {
        self.world.shop.rows(ORG, of).into_iter().map(|(id, record)| (id.to_string(), record)).collect()
    }

    /// Everything of a kind there: `contacts`, `documents`, `payments`.
    fn there(&self, of: &str) -> Vec<Json> {
        let state = self.world.sandbox.state();
        state["tenants"][COMPANY][of].as_object().map(|all| all.values().cloned().collect()).unwrap_or_default()
    }

    fn contacts_here(&self) -> BTreeMap<String, Vec<Shown>> {
        let mut all: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
        for (id, record) in self.rows(&Collection::CUSTOMERS) {
            let text = |field: &str| record.text(field).unwrap_or_default().to_owned();
            let Some(name) = customer_of(record.text("last_name").unwrap_or_default()) else { continue };
            let fields = FIELDS.map(|field| (field, text(field))).into();
            all.entry(name.to_owned()).or_default().push(Shown { id, fields });
        }
        all
    }

    /// Contacts in use, by the customer's name.
    fn contacts_there(&self) -> BTreeMap<String, Vec<Shown>> {
        let mut all: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
        for contact in self.there("contacts") {
            let text = |member: &str| contact[member].as_str().unwrap_or_default().to_owned();
            let (last_name, email) = (text("LastName"), text("EmailAddress"));
            let Some(name) = customer_of(&last_name).map(str::to_owned) else { continue };
            if contact["ContactStatus"] == "ACTIVE" {
                let fields = BTreeMap::from([("last_name", last_name), ("email", email)]);
                all.entry(name).or_default().push(Shown { id: text("ContactID"), fields });
            }
        }
        all
    }

    /// Documents that count, by their number without `D-`; amendments by theirs, such as `i01/2`.
    fn documents(&self) -> BTreeMap<String, Vec<Json>> {
        let mut all: BTreeMap<String, Vec<Json>> = BTreeMap::new();
        for document in self.there("documents") {
            let number = document["InvoiceNumber"].as_str().or(document["CreditNoteNumber"].as_str()).unwrap_or_default();
            let Some(name) = number.strip_prefix("D-").map(str::to_owned) else { continue };
            if !matches!(document["Status"].as_str(), Some("VOIDED" | "DELETED")) {
                all.entry(name).or_default().push(document);
            }
        }
        all
    }

    /// Payments that count.
    fn payments_there(&self) -> Vec<Json> {
        self.there("payments").into_iter().filter(|one| one["Status"] == "AUTHORISED").collect()
    }

    fn is(&self, direction: &str) -> bool {
        with(&self.settings, |settings| settings["invoices"]["direction"] == direction)
    }

    fn resources() -> [(&'static str, Collection); 3] {
        [("contacts", Collection::CUSTOMERS), ("invoices", Collection::INVOICES), ("payments", Collection::PAYMENTS)]
    }
}

#[async_trait]
impl Place for Ledger {
    const INTEGRATION: &'static str = "xero";

    const DIRECTIONS: &'static [&'static str] = &["push", "both"];

    // What Xero refuses for good is told to the people: more was paid than was due, since both sides took money.
    const LEFT_TO_PEOPLE: &'static [&'static str] = &["refused"];

    // Documents of what stands are looked up, against accounts, rates and locks as they are now.
    const STANDING_CALLS: usize = 8;

    const ECHO_PAGES: usize = 0;

    fn start(start: &Start) -> Self {
        let draw = SeededRandom::new(start.seed ^ 0x4E0);
        let account = XeroSeed::new("desk@shop.example.com", XeroTenantSeed::new(COMPANY))
            .with_oauth_client(XeroClientSeed::new("client-1", "client-secret"))
            .with_consent(XeroConsentSeed::default());
        let drawn = ["both", "both", "push"][index(draw.below(3))];
        let part = json!({"direction": start.direction.unwrap_or(drawn)});
        let mut settings = json!({"account": "200", "payment_accounts": {"card": "091"}, "contacts": part,
            "invoices": part, "payments": part});
        let policy = ["ask", "ask", "local-wins", "remote-wins"][index(draw.below(4))];
        settings["conflicts"] = json!({"last_name": policy, "email": policy});
        if draw.chance(0.3) {
            settings["amend"] = json!("ask");
        }
        if draw.chance(0.3) {
            settings["locked"] = json!("date-first-open-day");
        }
        let place = Self {
            world: World::new(Self::INTEGRATION, Xero::new(account), start),
            settings: Mutex::new(settings),
            model: Mutex::default(),
        };
        place.make_customer();
        for _ in 0..1 + draw.below(4) {
            place.make(&draw);
        }
        place
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn build(&self, builder: DispatcherBuilder) -> DispatcherBuilder {
        builder.oauth_client(Self::INTEGRATION, OAuthClient::new("client-1", "client-secret".to_owned()))
    }

    async fn connect(&self, dispatcher: &Dispatcher) {
        let settings = with(&self.settings, |settings| settings.clone());
        self.world.sign_in(dispatcher, settings, "https://shop.example/callback").await;
    }

    fn edit(&self, draw: &SeededRandom) -> Option<String> {
        match draw.below(100) {
            0..=34 => self.make(draw),
            35..=59 => self.edit_here(draw),
            60..=64 => self.delete_here(draw),
            65..=79 => self.pay_by_hand(draw),
            _ => self.edit_there(draw),
        }
    }

    fn settings(&self, draw: &SeededRandom) -> Json {
        let mut settings = with(&self.settings, |settings| settings.clone());
        match draw.below(3) {
            0 => settings["amend"] = json!(if draw.chance(0.5) { "ask" } else { "adjust" }),
            1 => settings["locked"] = json!(if draw.chance(0.5) { "hold" } else { "date-first-open-day" }),
            _ => settings["account"] = json!(if draw.chance(0.5) { "200" } else { "210" }),
        }
        settings
    }

    fn configured(&self, new: Json) {
        with(&self.settings, |settings| *settings = new);
    }

    fn answered(&self, question: &LabelledQuestion, key: &str) {
        let (here, there) = (self.contacts_here(), self.contacts_there());
        for local in &question.question.locals {
            let name = local.to_string();
            let sides = here.get(&name).and_then(|all| all.first()).zip(there.get(&name).and_then(|all| all.first()));
            with(&self.model, |model| match (key, sides) {
                ("ours" | "put-back", Some((ours, theirs))) => {
                    for field in FIELDS {
                        model.lineage.chose(&name, field, &ours.fields[field], &theirs.fields[field]);
                    }
                }
                ("theirs" | "accept", Some((ours, theirs))) => {
                    for field in FIELDS {
                        model.lineage.chose(&name, field, &theirs.fields[field], &ours.fields[field]);
                    }
                }
                ("create", _) => drop(model.wanted.insert(name)),
                ("again", _) => {}
                // Left, voided or deleted here, or linked with something: a person took it into his own hands.
                _ => drop(model.left.insert(name)),
            });
        }
    }

    fn someone(&self, draw: &SeededRandom) -> Option<(Collection, LocalId)> {
        let (_, of) = Self::resources()[index(draw.below(3))].clone();
        let made = with(&self.model, |model| match &of {
            of if *of == Collection::CUSTOMERS => model.customers.clone(),
            of if *of == Collection::INVOICES => model.invoices.clone(),
            _ => model.payments.clone(),
        });
        made.get(index(draw.below(made.len() as u64))).map(|name| (of, LocalId::new(name.clone())))
    }

    async fn broken(&self, dispatcher: &Dispatcher) -> Vec<String> {
        self.judged(dispatcher).await
    }

    fn awaits_first_plan(&self, approved: &BTreeSet<String>) -> bool {
        !approved.contains("")
    }

    fn is_two_way(&self) -> bool {
        // What the bookkeeper writes over of ours stays until it changes here, and an audit says so.
        self.is("both") && with(&self.model, |model| model.noted.is_empty() && !model.is_drifted)
    }

    fn picture(&self) -> String {
        let rows = Self::resources().map(|(_, of)| self.rows(&of));
        format!("{rows:?} {}", self.world.sandbox.state()["tenants"])
    }

    fn excused(&self) -> u64 {
        with(&self.model, |model| model.n_excused)
    }
}
