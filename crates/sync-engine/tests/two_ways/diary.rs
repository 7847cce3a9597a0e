//! A diary that people edit, with versions, a feed with tombstones and ids that we choose; and the world around it.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use sync_core::{
    Call, Check, Checked, Collection, ContainerId, Context, Descriptor, Direction, Effect, Error, ErrorKind, Exchange, Feed,
    FieldKind, FieldOwner, FieldSelection, FieldSpec, Find, FindBy, Found, HostRecords, Kind, Matching, NaturalKey, Next,
    Page, Part, PlanHash, Prepare, Prepared, Pull, Push, Receipt, Record, Remote, RemoteId, RemoteState, Resource,
    ResourceName, Result, Role, Rules, Safety, SyncHandler, SyncRequest, SyncResult, SyncType, Target, UpdateNeeds, Value,
    Verb, Version, Within,
};
use sync_engine::{
    ConnectionRow, ConnectionStatus, Engine, EngineConfig, MemoryStore, Question, RunInput, RunOptions, Store,
};

use crate::{
    desk::Desk,
    support::{Counting, ManualClock},
};

pub const TRIPS: ResourceName = ResourceName::from_static("trips");

pub static DESCRIPTOR: Descriptor = Descriptor {
    id: "diary",
    name: "Diary",
    description: "Trips in a diary",
    kind: Kind::Sync,
    sync_types: &[SyncType { name: "trips", resource: TRIPS, fields: FieldSelection::All }],
    supports_direction: true,
    feeds: &[Feed { name: "entries", covers: &[TRIPS], carries_consent: false, budget: "" }],
    resources: &[Resource {
        name: TRIPS,
        nouns: ("trip", "trips"),
        known_by: &["title"],
        collection: Collection::from_static("trips"),
        model: "event",
        fields: &[
            FieldSpec { name: "boat", kind: FieldKind::Scalar, owner: FieldOwner::Local },
            FieldSpec { name: "weather", kind: FieldKind::Scalar, owner: FieldOwner::Remote },
            FieldSpec { name: "crew", kind: FieldKind::OwnedSet, owner: FieldOwner::Both },
        ],
        groups: &[&["date", "start"]],
        consent: None,
        update_needs: UpdateNeeds::Nothing,
        matching: Matching::Taken,
        find_max: 3,
        depends_on: &[],
        pullable: true,
    }],
    endpoints: &[],
    quotas: &[],
    auth: &[],
    call_timeout: Duration::from_secs(60),
    settle: Duration::from_secs(60),
    concurrency: 2,
    effects: &[],
};

#[derive(Debug, Clone)]
pub struct Entry {
    pub fields: Record,
    /// The book that it lies in.
    pub book: String,
    pub marker: Option<sync_core::Marker>,
    pub etag: u64,
    pub changed: u64,
    pub gone: bool,
    pub merged_into: Option<String>,
}

/// The diary: entries by id.
#[derive(Debug)]
pub struct Diary {
    pub entries: Mutex<BTreeMap<String, Entry>>,
    tick: AtomicU64,
    pub calls: Mutex<Vec<String>>,
    pub lose_answer: AtomicBool,
    /// The next update is carried out, and then repeated on the way: it meets what it has made of the entry.
    pub meets_itself: AtomicBool,
    pub expired: AtomicBool,
    pub hides: AtomicBool,
    /// The feed shows everything twice, and the newest first.
    pub repeats: AtomicBool,
    pub rules: Mutex<Rules>,
    /// The book that trips belong into.
    pub book: Mutex<String>,
}

impl Diary {
    fn new() -> Self {
        let fields = ["title", "date", "start", "boat", "weather", "crew", "status", "changed_at"];
        let mut rules = Rules::new(fields.into_iter().map(Into::into).collect());
        rules.direction = Direction::Both;
        rules.changed_at = Some("changed_at".into());
        Self {
            entries: Mutex::default(),
            tick: AtomicU64::new(0),
            calls: Mutex::default(),
            lose_answer: AtomicBool::new(false),
            meets_itself: AtomicBool::new(false),
            expired: AtomicBool::new(false),
            hides: AtomicBool::new(false),
            repeats: AtomicBool::new(false),
            rules: Mutex::new(rules),
            book: Mutex::new("main".to_owned()),
        }
    }

    pub fn book(&self) -> String {
        self.book.lock().unwrap().clone()
    }

    fn next(&self) -> u64 {
        self.tick.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A person's new entry.
    pub fn put(&self, id: &str, fields: &[(&str, &str)]) {
        let tick = self.next();
        let fields = fields.iter().map(|(name, value)| ((*name).into(), Value::text(*value))).collect();
        let book = self.book();
        let entry = Entry { fields, book, marker: None, etag: tick, changed: tick, gone: false, merged_into: None };
        self.entries.lock().unwrap().insert(id.to_owned(), entry);
    }

    /// The id of the entry with this title.
    pub fn id_of(&self, title: &str) -> String {
        let entries = self.entries.lock().unwrap();
        entries.iter().find(|(_, entry)| !entry.gone && entry.fields.text("title") == Some(title)).unwrap().0.clone()
    }

    pub fn edit(&self, id: &str, field: &str, value: &str) {
        self.set(id, field, Value::text(value));
    }

    pub fn set(&self, id: &str, field: &str, value: Value) {
        let tick = self.next();
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(id).unwrap();
        entry.fields.set(field, value);
        (entry.etag, entry.changed) = (tick, tick);
    }

    /// Something that isn't synced changes: only the version moves.
    pub fn touch(&self, id: &str) {
        let tick = self.next();
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(id).unwrap();
        (entry.etag, entry.changed) = (tick, tick);
    }

    pub fn delete(&self, id: &str) {
        let tick = self.next();
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(id).unwrap();
        (entry.etag, entry.changed, entry.gone) = (tick, tick, true);
    }

    pub fn merge(&self, id: &str, into: &str) {
        let tick = self.next();
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(id).unwrap();
        (entry.etag, entry.changed, entry.merged_into) = (tick, tick, Some(into.to_owned()));
    }

    pub fn text(&self, id: &str, field: &str) -> Option<String> {
        let entries = self.entries.lock().unwrap();
        entries.get(id).filter(|entry| !entry.gone)?.fields.text(field).map(str::to_owned)
    }

    pub fn live(&self) -> usize {
        self.entries.lock().unwrap().values().filter(|entry| !entry.gone).count()
    }

    fn remote(&self, id: &str, entry: &Entry) -> Remote {
        let mut remote = Remote::live(TRIPS, id, entry.fields.clone());
        remote.container = Some(entry.book.as_str().into());
        remote.version = Some(Version::new(entry.etag.to_string()));
        remote.marker.clone_from(&entry.marker);
        remote.changed_at = Some(jiff::Timestamp::from_second(1_800_000_000 + entry.changed as i64).unwrap());
        remote.keys = entry.fields.text("title").and_then(|title| NaturalKey::of("title", title)).into_iter().collect();
        if let Some(into) = &entry.merged_into {
            remote.state = RemoteState::MergedInto(into.as_str().into());
        }
        remote
    }

    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }

    fn push_one(&self, part: &sync_core::PartRef<'_>) -> Receipt {
        let tick = self.next();
        let mut entries = self.entries.lock().unwrap();
        let op = part.op;
        let id = part.remote.map_or_else(|| op.marker.as_str().to_owned(), ToString::to_string);
        let known = entries.get(&id);
        match op.verb {
            Verb::Create => {
                if known.is_some_and(|entry| !entry.gone) {
                    return Receipt::Taken(Some(id.as_str().into()));
                }
                let mut fields = op.fields.clone();
                fields.remove("changed_at");
                let marker = Some(op.marker.clone());
                let book = op.container.as_ref().unwrap().to_string();
                let entry = Entry { fields, book, marker, etag: tick, changed: tick, gone: false, merged_into: None };
                entries.insert(id.clone(), entry);
            }
            Verb::Update => {
                let Some(entry) = entries.get_mut(&id).filter(|entry| !entry.gone) else { return Receipt::Moved };
                // What goes into another book is made there anew, whatever it was before.
                let stays = op.container.as_ref().is_some_and(|book| book.as_str() == entry.book);
                if stays && part.version.is_some_and(|version| version.as_str() != entry.etag.to_string()) {
                    return Receipt::Moved;
                }
                for field in &op.changed {
                    if let Some(change) = op.sets.get(field) {
                        let mut set =
                            entry.fields.value(field.as_str()).and_then(Value::as_set).cloned().unwrap_or_default();
                        set.extend(change.add.iter().cloned());
                        set.retain(|one| !change.remove.contains(one));
                        entry.fields.set(field.clone(), Value::Set(set));
                    } else if let Some(value) = op.fields.value(field.as_str()) {
                        entry.fields.set(field.clone(), value.clone());
                    }
                }
                entry.book = op.container.as_ref().unwrap().to_string();
                (entry.etag, entry.changed) = (tick, tick);
                if self.meets_itself.swap(false, Ordering::Relaxed) {
                    return Receipt::Moved;
                }
            }
            Verb::Remove => {
                if let Some(entry) = entries.get_mut(&id) {
                    (entry.gone, entry.etag, entry.changed) = (true, tick, tick);
                }
                return Receipt::Done { id: id.as_str().into(), version: None, after: None, facts: None };
            }
        }
        let after = entries.get(&id).map(|entry| Box::new(self.remote(&id, entry)));
        let version = after.as_ref().and_then(|after| after.version.clone());
        Receipt::Done { id: id.as_str().into(), version, after, facts: None }
    }
}

#[async_trait]
impl SyncHandler for Diary {
    fn rules(&self, _: &ResourceName) -> Rules {
        self.rules.lock().unwrap().clone()
    }

    fn target(&self, _: &ResourceName, _: &Record) -> Target {
        Target { role: Role::new("main"), container: Some(self.book().into()) }
    }

    fn containers(&self, _: &Feed) -> Vec<Option<ContainerId>> {
        vec![Some(self.book().into())]
    }

    async fn check(&self, _: &Context<'_>, _: Check) -> Result<Checked> {
        let mut checked = Checked::default();
        checked.accounts.push(("captain".into(), "Captain".into()));
        Ok(checked)
    }

    async fn pull(&self, _: &Context<'_>, request: Pull<'_>) -> Result<Page> {
        self.note("pull");
        let from = match request.from {
            sync_core::From::Cursor(_) if self.expired.swap(false, Ordering::Relaxed) => {
                return Err(Error::new(ErrorKind::CursorExpired, "410"));
            }
            sync_core::From::Cursor(cursor) => cursor.as_str().parse::<u64>().unwrap(),
            _ => 0,
        };
        let is_full = from == 0;
        let entries = self.entries.lock().unwrap();
        let mut changes: Vec<sync_core::Change> = entries
            .iter()
            .filter(|(_, entry)| request.container.is_none_or(|book| book.as_str() == entry.book))
            .filter(|(_, entry)| entry.changed > from && !(is_full && (entry.gone || self.hides.load(Ordering::Relaxed))))
            .map(|(id, entry)| match entry.gone {
                true => sync_core::Change::Gone { resource: None, id: id.as_str().into() },
                false => sync_core::Change::Upsert(Box::new(self.remote(id, entry))),
            })
            .collect();
        if self.repeats.load(Ordering::Relaxed) {
            changes = changes.iter().rev().chain(&changes).cloned().collect();
        }
        let complete = if is_full { sync_core::Complete::Full } else { sync_core::Complete::Delta };
        Ok(Page::new(changes, Next::Done(self.tick.load(Ordering::Relaxed).max(1).to_string().into()), complete))
    }

    async fn find(&self, _: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        let ids: Vec<String> = match request.by {
            FindBy::Ids(ids) => ids.iter().map(ToString::to_string).collect(),
            FindBy::Markers(markers) => markers.iter().map(|marker| marker.as_str().to_owned()).collect(),
            _ => return Err(Error::new(ErrorKind::Unsupported, "no keys here")),
        };
        self.note(format!("find {}", ids.len()));
        let entries = self.entries.lock().unwrap();
        let is_in = |entry: &&Entry| request.container.is_none_or(|book| book.as_str() == entry.book);
        let one = |id: &String| match entries.get(id).filter(is_in) {
            Some(entry) if entry.gone => Found::Gone,
            Some(entry) => Found::One(Box::new(self.remote(id, entry))),
            None => Found::Absent,
        };
        Ok(ids.iter().map(one).collect())
    }

    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared> {
        let op = request.op;
        let part = |group: &'static str| Prepared::Parts(vec![Part::new(0, group, 3, Safety::ClientId)]);
        Ok(match op.verb {
            Verb::Create => part("create"),
            Verb::Update if op.changed.is_empty() => Prepared::Parts(Vec::new()),
            Verb::Update => part("update"),
            Verb::Remove => part("remove"),
        })
    }

    async fn push(&self, _: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
        self.note(format!("push {} {}", request.set.group, request.set.parts.len()));
        let receipts = request.set.parts.iter().map(|part| self.push_one(part)).collect();
        if self.lose_answer.swap(false, Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Timeout, "no answer").with_effect(Effect::Unknown));
        }
        Ok(receipts)
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
    pub desk: Arc<Desk>,
    pub diary: Diary,
    pub engine: Engine,
}

impl World {
    pub async fn new() -> Self {
        Self::with(true).await
    }

    pub async fn with(has_feed: bool) -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::new(clock.clone());
        let desk = Arc::new(Desk::new(has_feed));
        let engine = Engine::new(
            Arc::new(store.clone()),
            HostRecords::Writable(desk.clone()),
            None,
            clock.clone(),
            Arc::new(Counting::default()),
            EngineConfig::default(),
        );
        let world = Self { clock, store, desk, diary: Diary::new(), engine };
        let row = ConnectionRow {
            scope: world.request().scope(),
            revision: 0,
            status: ConnectionStatus::Active,
            account: Some("captain".into()),
            account_name: Some("Captain".into()),
            settings: serde_json::json!({}),
            approved: ["main".to_owned()].into(),
            standing_grants: Vec::new(),
            created_at: sync_core::Clock::now(&*world.clock),
            checked_at: None,
            next_run_at: None,
        };
        assert!(world.store.put_connection(&row, None).await.unwrap());
        world
    }

    pub fn rules(&self, edit: impl FnOnce(&mut Rules)) {
        edit(&mut self.diary.rules.lock().unwrap());
    }

    pub fn request(&self) -> SyncRequest {
        SyncRequest::new("blue-manta", "diary")
    }

    pub async fn run(&self, request: SyncRequest, options: RunOptions) -> SyncResult {
        self.clock.advance(Duration::from_secs(1));
        let connection = self.store.connection(&request.scope()).await.unwrap().unwrap();
        self.engine
            .run(RunInput {
                descriptor: &DESCRIPTOR,
                handler: &self.diary,
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

    /// One trip, `reef`, on both sides and agreed on; returns its id there.
    pub async fn agreed() -> (Self, String) {
        let world = Self::new().await;
        world.desk.put("reef", &[("title", "Reef"), ("date", "2027-05-01"), ("start", "09:00"), ("boat", "Manta")]);
        let result = world.sync().await;
        assert!(result.success, "{result:?}");
        let id = world.diary.id_of("Reef");
        world.settle().await;
        (world, id)
    }

    /// A run that finds nothing to write.
    pub async fn settle(&self) {
        let result = self.sync().await;
        assert!(result.success, "{:?}", result.errors);
        self.diary.calls.lock().unwrap().clear();
        let result = self.sync().await;
        assert!(result.success && result.synced == 0, "{result:?}");
        assert_eq!(*self.diary.calls.lock().unwrap(), ["pull"], "a run without news asks the feed and nothing else");
    }

    pub async fn questions(&self) -> Vec<Question> {
        self.store.questions(&self.request().scope(), true, None, 100).await.unwrap()
    }

    pub async fn answer(&self, key: &str) {
        let question = self.questions().await.pop().unwrap();
        let answer =
            sync_engine::Answer { key: key.to_owned(), by: "owner".to_owned(), at: sync_core::Clock::now(&*self.clock) };
        self.store.answer(&self.request().scope(), &question.id, answer).await.unwrap();
    }

    pub fn plan_hash(result: &SyncResult) -> Option<PlanHash> {
        result.details.as_ref().unwrap().plan_hash.clone()
    }

    pub fn remote(id: &str) -> RemoteId {
        id.into()
    }
}
