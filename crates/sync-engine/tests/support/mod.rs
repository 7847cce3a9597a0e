//! A shop, a clock and a provider in memory, small enough to see through.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

mod clock;
mod letters;
mod under_way;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use sync_core::{
    Call, Clock as _, Collection, Consent, ConsentFact, ConsentSink, ConsentState, Cursor, Error, ErrorKind, Exchange,
    FieldSet, HostRecords, Local, LocalFrom, LocalId, LocalNext, LocalPage, LocalState, OrganizationId, PlanHash, Record,
    Records, RemoteId, RemoteState, ResourceName, Result, SideEffect, SyncRequest, SyncResult, Value, Within,
};
use sync_engine::{ConnectionRow, ConnectionStatus, Engine, EngineConfig, MemoryStore, RunInput, RunOptions, Store};

pub use self::clock::{Counting, ManualClock};
#[allow(unused_imports)] // Not every file of tests needs all of it.
pub use self::letters::{DESCRIPTOR, Fault, Letters, Member};

pub const MAIL: SideEffect = SideEffect { name: "confirmation-mail", description: "people are asked to confirm" };
pub const CONTACTS: ResourceName = ResourceName::from_static("contacts");

/// The host's table.
#[derive(Debug, Default)]
pub struct Shop {
    pub rows: Mutex<BTreeMap<LocalId, Record>>,
    log: Mutex<Vec<LocalId>>,
    pub has_feed: bool,
    /// Records that the next look at what changed shows first, as they were before.
    stale: Mutex<Vec<(LocalId, Record)>>,
    pub facts: Mutex<Vec<ConsentFact>>,
}

impl Shop {
    pub fn put(&self, id: &str, record: Record) {
        self.rows.lock().unwrap().insert(id.into(), record);
        self.log.lock().unwrap().push(id.into());
    }

    pub fn edit(&self, id: &str, edit: impl FnOnce(&mut Record)) {
        edit(self.rows.lock().unwrap().get_mut(&LocalId::new(id)).unwrap());
        self.log.lock().unwrap().push(id.into());
    }

    pub fn show_first(&self, id: &str, record: Record) {
        self.stale.lock().unwrap().push((id.into(), record));
    }

    pub fn delete(&self, id: &str) {
        self.rows.lock().unwrap().remove(&LocalId::new(id));
        self.log.lock().unwrap().push(id.into());
    }

    fn local(&self, id: &LocalId, fields: &FieldSet) -> Local {
        let state = match self.rows.lock().unwrap().get(id) {
            Some(record) => {
                let mut record = record.clone();
                record.retain(|field| fields.contains(field));
                LocalState::Live(record)
            }
            None => LocalState::Deleted,
        };
        Local { id: id.clone(), version: None, state }
    }
}

#[async_trait]
impl Records for Shop {
    async fn changes(
        &self,
        _: &OrganizationId,
        _: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        let end = self.log.lock().unwrap().len();
        let done = LocalNext::Done(self.has_feed.then(|| Cursor::new(end.to_string())));
        let stale = std::mem::take(&mut *self.stale.lock().unwrap());
        if let (LocalFrom::Cursor(cursor), false) = (from, stale.is_empty()) {
            let show = |(id, mut record): (LocalId, Record)| {
                record.retain(|field| fields.contains(field));
                Local { id, version: None, state: LocalState::Live(record) }
            };
            let items = stale.into_iter().map(show).collect();
            return Ok(LocalPage { items, next: LocalNext::More(format!("since:{cursor}").into()) });
        }
        let since = match from {
            LocalFrom::Cursor(cursor) => Some(cursor.as_str()),
            LocalFrom::Page(token) => token.as_str().strip_prefix("since:"),
            LocalFrom::Start => None,
        };
        if let Some(cursor) = since {
            let at: usize = cursor.parse().unwrap();
            let ids: BTreeSet<LocalId> = self.log.lock().unwrap()[at..].iter().cloned().collect();
            return Ok(LocalPage { items: ids.iter().map(|id| self.local(id, fields)).collect(), next: done });
        }
        let after = if let LocalFrom::Page(token) = from { Some(LocalId::new(token.as_str())) } else { None };
        let ids: Vec<LocalId> = self
            .rows
            .lock()
            .unwrap()
            .keys()
            .filter(|id| after.as_ref().is_none_or(|after| *id > after))
            .take(limit)
            .cloned()
            .collect();
        let next = if ids.len() == limit { LocalNext::More(ids.last().unwrap().as_str().into()) } else { done };
        Ok(LocalPage { items: ids.iter().map(|id| self.local(id, fields)).collect(), next })
    }

    async fn read(&self, _: &OrganizationId, _: &Collection, fields: &FieldSet, ids: &[LocalId]) -> Result<Vec<Local>> {
        Ok(ids.iter().map(|id| self.local(id, fields)).collect())
    }

    async fn labels(&self, _: &OrganizationId, _: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        Ok(ids.iter().map(|id| Some(format!("Customer {id}"))).collect())
    }
}

#[async_trait]
impl ConsentSink for Shop {
    async fn record(&self, _: &OrganizationId, facts: &[ConsentFact]) -> Result<()> {
        self.facts.lock().unwrap().extend_from_slice(facts);
        Ok(())
    }
}

struct NoExchange;

#[async_trait]
impl Exchange for NoExchange {
    async fn send(&self, _: Call, _: Within<'_>) -> Result<http::Response<Bytes>> {
        Err(Error::new(ErrorKind::Internal, "this provider lives in memory"))
    }
}

/// All of it together.
pub struct World {
    pub clock: Arc<ManualClock>,
    pub store: MemoryStore,
    pub shop: Arc<Shop>,
    pub letters: Letters,
    pub engine: Engine,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Shop { has_feed: true, ..Shop::default() }, EngineConfig::default()).await
    }

    pub async fn with(shop: Shop, config: EngineConfig) -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::new(clock.clone());
        let shop = Arc::new(shop);
        let engine = Engine::new(
            Arc::new(store.clone()),
            HostRecords::ReadOnly(shop.clone()),
            Some(shop.clone()),
            clock.clone(),
            Arc::new(Counting::default()),
            config,
        );
        let world = Self { clock, store, shop, letters: Letters::new(), engine };
        let row = ConnectionRow {
            scope: world.request().scope(),
            revision: 0,
            status: ConnectionStatus::Setup,
            account: Some("account-1".into()),
            account_name: Some("Shop".into()),
            settings: serde_json::json!({}),
            approved: BTreeSet::new(),
            standing_grants: Vec::new(),
            created_at: world.clock.now(),
            checked_at: None,
            next_run_at: None,
        };
        assert!(world.store.put_connection(&row, None).await.unwrap());
        world
    }

    pub fn request(&self) -> SyncRequest {
        SyncRequest::new("blue-manta", "letters")
    }

    pub async fn run(&self, request: SyncRequest, options: RunOptions) -> SyncResult {
        let connection = self.store.connection(&request.scope()).await.unwrap().unwrap();
        self.engine
            .run(RunInput {
                descriptor: &DESCRIPTOR,
                handler: &self.letters,
                exchange: &NoExchange,
                connection: &connection,
                request: &request,
                options: &options,
            })
            .await
    }

    pub async fn sync(&self) -> SyncResult {
        self.run(self.request(), RunOptions::new()).await
    }

    /// Looks at the first plan and approves it.
    pub async fn approve(&self) -> SyncResult {
        let plan = self.sync().await;
        let hash: Option<PlanHash> = plan.details.unwrap().plan_hash;
        self.run(self.request(), RunOptions::new().approve(hash)).await
    }

    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.letters.calls.lock().unwrap())
    }
}

pub fn customer(email: &str) -> Record {
    Record::new()
        .with("email", Value::text(email))
        .with("first_name", Value::text(email.split('@').next().unwrap()))
        .with(
            "consent.email",
            Value::Consent(Consent::new(ConsentState::Granted).at(Timestamp::from_second(1_700_000_000).unwrap())),
        )
        .with("tags", Value::Set(BTreeSet::new()))
        .with("notes_medical", Value::text("CANARY"))
}

pub fn consent(state: ConsentState, second: i64) -> Value {
    Value::Consent(Consent::new(state).at(Timestamp::from_second(second).unwrap()))
}

pub fn tags(tags: &[&str]) -> Value {
    Value::Set(tags.iter().map(|tag| (*tag).to_owned()).collect())
}

pub fn of(result: &SyncResult, name: &str) -> u64 {
    result.details.as_ref().unwrap().outcomes.of(name)
}

pub fn remote_id(id: &str) -> RemoteId {
    id.into()
}

pub fn archived() -> RemoteState {
    RemoteState::Archived
}
