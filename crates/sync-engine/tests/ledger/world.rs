//! All of it together, and short forms.
#![allow(dead_code)]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use rust_decimal::Decimal;
use sync_core::{
    Call, Collection, Error, ErrorKind, Exchange, HostRecords, LocalId, PlanHash, Record, Ref, Result, RunId, SyncRequest,
    SyncResult, Value, Within,
};
use sync_engine::{
    ConnectionRow, ConnectionStatus, Engine, EngineConfig, MemoryStore, Question, RunInput, RunOptions, Store,
};

use crate::{
    books::{Books, DESCRIPTOR},
    shop::Shop,
    support::{Counting, ManualClock},
};

struct NoExchange;

#[async_trait]
impl Exchange for NoExchange {
    async fn send(&self, _: Call, _: Within<'_>) -> Result<http::Response<Bytes>> {
        Err(Error::new(ErrorKind::Internal, "these books are in memory"))
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: MemoryStore,
    pub(crate) shop: Arc<Shop>,
    pub(crate) books: Books,
    engine: Engine,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(EngineConfig::default()).await
    }

    pub(crate) async fn with(config: EngineConfig) -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::new(clock.clone());
        let shop = Arc::new(Shop::default());
        let records = HostRecords::Writable(shop.clone());
        let random = Arc::new(Counting::default());
        let engine = Engine::new(Arc::new(store.clone()), records, None, clock.clone(), random, config);
        let world = Self { clock, store, shop, books: Books::new(), engine };
        let row = ConnectionRow {
            scope: world.request().scope(),
            revision: 0,
            status: ConnectionStatus::Active,
            account: Some("books".into()),
            account_name: Some("Books".into()),
            settings: serde_json::json!({}),
            approved: [String::new()].into(),
            standing_grants: Vec::new(),
            created_at: sync_core::Clock::now(&*world.clock),
            checked_at: None,
            next_run_at: None,
        };
        assert!(world.store.put_connection(&row, None).await.unwrap());
        world
    }

    pub(crate) fn request(&self) -> SyncRequest {
        SyncRequest::new("blue-manta", "ledger")
    }

    pub(crate) async fn run(&self, request: SyncRequest, options: RunOptions) -> SyncResult {
        self.clock.advance(Duration::from_secs(1));
        let connection = self.store.connection(&request.scope()).await.unwrap().unwrap();
        let input = RunInput {
            descriptor: &DESCRIPTOR,
            handler: &self.books,
            exchange: &NoExchange,
            connection: &connection,
            request: &request,
            options: &options,
        };
        self.engine.run(input).await
    }

    pub(crate) async fn sync(&self) -> SyncResult {
        self.run(self.request(), RunOptions::new()).await
    }

    /// A sync without failures, and then one that writes nothing.
    pub(crate) async fn settled(&self) -> SyncResult {
        let result = self.sync().await;
        assert!(result.success, "{:?}", result.errors);
        let again = self.sync().await;
        assert!(again.success, "{:?}", again.errors);
        self.books.calls.lock().unwrap().clear();
        let still = self.sync().await;
        assert!(still.synced == 0 && self.books.calls.lock().unwrap().is_empty(), "{still:?}");
        result
    }

    pub(crate) fn customer(&self, id: &str, name: &str, email: &str) {
        let record = Record::new().with("name", Value::text(name)).with("email", Value::text(email));
        self.shop.put(Collection::CUSTOMERS, id, record);
    }

    pub(crate) fn invoice(&self, id: &str, customer: &str, total: &str) {
        let record = Record::new()
            .with("number", Value::text(format!("D-{id}")))
            .with("customer", local(Collection::CUSTOMERS, customer));
        self.shop.put(Collection::INVOICES, id, record);
        self.bill(id, total);
    }

    /// The invoice comes to this from now on.
    pub(crate) fn bill(&self, id: &str, total: &str) {
        let line = Record::new().with("description", Value::text("Dive")).with("amount", amount(total));
        self.shop.edit(Collection::INVOICES, id, |record| {
            record.set("total", amount(total)).set("lines", Value::List(vec![line]));
        });
    }

    pub(crate) fn payment(&self, id: &str, invoice: &str, paid: &str) {
        let allocation = Record::new().with("invoice", local(Collection::INVOICES, invoice)).with("amount", amount(paid));
        let record = Record::new()
            .with("amount", amount(paid))
            .with("date", Value::Date(jiff::civil::date(2026, 11, 20)))
            .with("allocations", Value::List(vec![allocation]));
        self.shop.put(Collection::PAYMENTS, id, record);
    }

    pub(crate) async fn code(&self, of: &str, id: &str) -> Option<String> {
        let ids = [LocalId::new(id)];
        let items = self.store.items_by_local(&self.request().scope(), &of.into(), &ids).await.unwrap();
        items.into_iter().next().flatten().map(|item| item.outcome.code.into_owned())
    }

    pub(crate) async fn message(&self, of: &str, id: &str) -> String {
        let ids = [LocalId::new(id)];
        let items = self.store.items_by_local(&self.request().scope(), &of.into(), &ids).await.unwrap();
        items.into_iter().next().flatten().map(|item| item.outcome.message).unwrap_or_default()
    }

    pub(crate) async fn questions(&self) -> Vec<Question> {
        self.store.questions(&self.request().scope(), true, None, 100).await.unwrap()
    }

    pub(crate) async fn answer(&self, key: &str) {
        let question = self.questions().await.pop().unwrap();
        let at = sync_core::Clock::now(&*self.clock);
        let answer = sync_engine::Answer { key: key.to_owned(), by: "owner".to_owned(), at };
        self.store.answer(&self.request().scope(), &question.id, answer).await.unwrap();
    }
}

pub(crate) fn run_of(result: &SyncResult) -> RunId {
    result.details.as_ref().unwrap().run_id.clone().unwrap()
}

pub(crate) fn hash_of(result: &SyncResult) -> PlanHash {
    result.details.as_ref().unwrap().plan_hash.clone().unwrap()
}

pub(crate) fn amount(text: &str) -> Value {
    Value::Decimal(text.parse::<Decimal>().unwrap())
}

pub(crate) fn local(collection: Collection, id: &str) -> Value {
    Value::Ref(Ref::Local { collection, id: id.into() })
}

pub(crate) fn there(resource: &str, id: &str) -> Value {
    Value::Ref(Ref::Foreign { resource: resource.into(), id: id.into() })
}
