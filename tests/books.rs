//! A dive shop and its books in Xero, in memory and under virtual time.

use std::{sync::Arc, time::Duration};

use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::{Value as Json, json};
use sync_core::{
    Clock as _, Collection, EffectGrants, LocalId, Outcome, Record, Ref, SyncRequest, SyncResult, Value,
    model::{Invoice, InvoiceLine, Model, TaxMode},
};
use sync_engine::{Answer, EngineConfig, MemoryStore, Question, RunOptions, Store};
use sync_sandbox::{InProcess, Sandbox, SandboxOptions, Xero, XeroSeed, XeroTenantSeed, XeroTokenSeed};
use sync_testkit::{FaultTransport, Shop, SimClock, sim::Rig};

use crate::ORG;

/// The company.
pub const COMPANY: &str = "Blue Manta Diving";
const TOKEN: &str = "eyJ-end-to-end-0123456789";

/// One world. Clones share it.
#[derive(Clone, Debug)]
pub struct Books {
    /// Time, for all.
    pub clock: SimClock,
    /// The other side.
    pub sandbox: Sandbox,
    /// What goes wrong between the two.
    pub wire: FaultTransport,
    /// The host.
    pub shop: Arc<Shop>,
    /// All of it together.
    pub rig: Rig,
}

impl Books {
    /// A world whose company starts as this says, and whose connection has these settings beside the usual ones. Faults and
    /// ids go by the seed.
    ///
    /// # Panics
    /// When it can't be connected.
    pub fn of(company: XeroTenantSeed, settings: Json, seed: u64) -> Self {
        let clock = SimClock::skipping();
        let tenant = company.id();
        let account = XeroSeed::new("desk@shop.example.com", company).with_token(XeroTokenSeed::new(TOKEN));
        let time = Arc::new(clock.clone());
        let sandbox = Sandbox::new(Xero::new(account), SandboxOptions::default(), time.clone());
        let wire = FaultTransport::new(Arc::new(InProcess(sandbox.clone())), time.clone(), seed);
        let shop = Arc::new(Shop::with_feed());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(time));
        let transport = Arc::new(wire.clone());
        let rig = Rig::new(provider_xero::REGISTRATION, clock.clone(), store, shop.clone(), transport).with_seed(seed);
        let books = Self { clock, sandbox, wire, shop, rig };
        let mut all = json!({"account": "200", "accounts": {"gear": "220"}, "tax_rates": {"reduced": "TAX001"},
            "payment_accounts": {"card": "091", "cash": "880", "voucher": "dont-send"}});
        for (name, value) in settings.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        let connected = async {
            books.rig.connect_by_token(ORG, TOKEN, all).await?;
            books.rig.choose(ORG, &tenant).await
        };
        let connected: sync_core::Result<()> = books.clock.block_on(connected);
        connected.unwrap_or_else(|error| panic!("{error:?}"));
        books
    }

    /// A company with nothing in its books.
    ///
    /// # Panics
    /// When it can't be connected.
    pub fn new(settings: Json) -> Self {
        Self::of(XeroTenantSeed::new(COMPANY), settings, 3)
    }

    /// With another configuration of the engine.
    #[must_use]
    pub fn with_engine(mut self, engine: EngineConfig) -> Self {
        self.rig = self.rig.with_engine(engine);
        self
    }

    /// So many days from the world's today.
    pub fn day(&self, days: i64) -> Date {
        self.clock.now().to_zoned(TimeZone::UTC).date().saturating_add(days.days())
    }

    /// Stores a customer.
    pub fn customer(&self, id: &str, first: &str, last: &str) {
        let address = format!("{}.{id}@example.com", first.to_lowercase());
        let record = Record::new()
            .with("first_name", Value::text(first))
            .with("last_name", Value::text(last))
            .with("email", Value::text(address));
        self.shop.put(ORG, &Collection::CUSTOMERS, id, record);
    }

    /// An invoice of one line for a customer, of today.
    pub fn invoice(&self, customer: &str, number: &str, amount: i64) -> Invoice {
        Invoice {
            number: Some(number.into()),
            customer: Some(Ref::Local { collection: Collection::CUSTOMERS, id: LocalId::new(customer) }),
            date: Some(self.day(0)),
            currency: Some("EUR".into()),
            amounts: Some(TaxMode::Inclusive),
            lines: vec![line("1", "Two dives", amount)],
            total: Some(amount.into()),
            ..Invoice::default()
        }
    }

    /// Stores an invoice.
    pub fn put(&self, id: &str, invoice: Invoice) {
        self.shop.put(ORG, &Collection::INVOICES, id, invoice.into_record());
    }

    /// Changes a field of an invoice.
    pub fn edit(&self, id: &str, field: &str, value: Value) {
        self.shop.edit(ORG, &Collection::INVOICES, id, |record| {
            record.set(field, value);
        });
    }

    /// Stores a payment by card on an invoice, of today.
    pub fn pay(&self, id: &str, invoice: &str, amount: i64) {
        self.pay_by(id, invoice, amount, "card");
    }

    /// Stores a payment on an invoice, of today.
    pub fn pay_by(&self, id: &str, invoice: &str, amount: i64, method: &str) {
        let amount = Value::Decimal(amount.into());
        let on = Value::Ref(Ref::Local { collection: Collection::INVOICES, id: LocalId::new(invoice) });
        let record = Record::new()
            .with("date", Value::Date(self.day(0)))
            .with("currency", Value::text("EUR"))
            .with("amount", amount.clone())
            .with("allocations", Value::List(vec![Record::new().with("invoice", on).with("amount", amount)]))
            .with("method", Value::text(method))
            .with("reference", Value::text(format!("ch_{id}")));
        self.shop.put(ORG, &Collection::PAYMENTS, id, record);
    }

    /// Runs once, and approves what waits for approval.
    pub fn agree(&self) -> SyncResult {
        self.clock.advance(Duration::from_secs(90));
        self.clock.block_on(self.rig.agree(ORG, &EffectGrants::none()))
    }

    /// Runs once, as it is.
    pub fn sync(&self) -> SyncResult {
        self.clock.advance(Duration::from_secs(90));
        self.clock.block_on(self.rig.sync(ORG))
    }

    /// Runs this.
    pub fn run(&self, request: &SyncRequest, options: &RunOptions) -> SyncResult {
        self.clock.advance(Duration::from_secs(90));
        self.clock.block_on(self.rig.run(request, options))
    }

    /// Runs until nothing waits for a lost answer any more.
    pub fn sync_through(&self) -> SyncResult {
        for _ in 0..60 {
            let result = self.sync();
            let waits = result.details.as_ref().is_some_and(|details| details.resume_at.is_some());
            if !waits {
                return result;
            }
            self.clock.advance(Duration::from_secs(180));
        }
        self.sync()
    }

    /// Does what people do on the other side.
    ///
    /// # Panics
    /// When it can't be done.
    pub fn act(&self, action: Json) -> Json {
        self.sandbox.act(&action).unwrap_or_else(|why| panic!("{action}: {why}"))
    }

    /// The company as it is.
    pub fn company(&self) -> Json {
        self.sandbox.state()["tenants"][COMPANY].clone()
    }

    /// All records of a kind: `contacts`, `documents`, `payments`.
    pub fn all(&self, of: &str) -> Vec<Json> {
        self.company()[of].as_object().map(|all| all.values().cloned().collect()).unwrap_or_default()
    }

    /// The document of this number.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn document(&self, number: &str) -> Json {
        let is_it = |one: &Json| one["InvoiceNumber"] == number || one["CreditNoteNumber"] == number;
        let mut found: Vec<Json> = self.all("documents").into_iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "documents called {number}");
        found.remove(0)
    }

    /// The contact of this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn contact(&self, name: &str) -> Json {
        let found = self.all("contacts").into_iter().find(|one| one["Name"] == name);
        found.unwrap_or_else(|| panic!("no contact {name}"))
    }

    /// Payments that count.
    pub fn payments(&self) -> Vec<Json> {
        self.all("payments").into_iter().filter(|one| one["Status"] == "AUTHORISED").collect()
    }

    /// What stands about a record.
    pub fn outcome(&self, resource: &'static str, id: &str) -> Option<Outcome> {
        let scope = self.rig.scope(ORG);
        let ids = [LocalId::new(id)];
        let store = self.rig.store();
        let items = self.clock.block_on(store.items_by_local(&scope, &resource.into(), &ids)).unwrap_or_default();
        items.into_iter().next().flatten().map(|item| item.outcome)
    }

    /// What waits for an answer.
    pub fn questions(&self) -> Vec<Question> {
        let scope = self.rig.scope(ORG);
        self.clock.block_on(self.rig.store().questions(&scope, true, None, 100)).unwrap_or_default()
    }

    /// Answers the only question.
    ///
    /// # Panics
    /// When there is another number of them.
    pub fn answer(&self, key: &str) {
        let questions = self.questions();
        let [question] = questions.as_slice() else { panic!("{} questions", questions.len()) };
        let answer = Answer { key: key.to_owned(), by: "owner".to_owned(), at: self.clock.now() };
        let scope = self.rig.scope(ORG);
        let answered = self.clock.block_on(self.rig.store().answer(&scope, &question.id, answer));
        answered.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// A run that writes nothing and asks each feed for changes.
    ///
    /// # Panics
    /// When it is otherwise.
    pub fn settle(&self) {
        let result = self.sync();
        assert!(result.success, "{result:?}");
        self.wire.take_log();
        let result = self.sync();
        assert!(result.success && result.synced == 0, "{result:?}");
        let sent = self.wire.take_log();
        assert!(sent.iter().all(|sent| !sent.is_write()) && sent.len() <= 4, "{} calls", sent.len());
    }

    /// Nobody was sent anything, and no call was refused because it is unknown or over a limit.
    ///
    /// # Panics
    /// When it is otherwise.
    pub fn nobody_was_sent_anything(&self) {
        let state = self.sandbox.summary();
        assert_eq!((&state["mails_sent"], &state["reminders_sent"]), (&json!(0), &json!(0)));
        assert_eq!(state["over_quota"], 0);
        assert_eq!(state["refused"], json!([]));
        assert!(self.all("documents").iter().all(|one| one["SentToContact"] != true));
    }
}

/// A line of one thing.
pub fn line(key: &str, description: &str, amount: i64) -> InvoiceLine {
    InvoiceLine {
        key: Some(key.into()),
        description: Some(description.into()),
        quantity: Some(1.into()),
        unit_amount: Some(amount.into()),
        ..InvoiceLine::default()
    }
}

/// Lines as an invoice's field.
pub fn lines(lines: Vec<InvoiceLine>) -> Value {
    let record = Invoice { lines, ..Invoice::default() }.into_record();
    record.value("lines").cloned().unwrap_or(Value::Null)
}
