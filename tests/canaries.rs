//! Secrets and medical notes through every path: logs at their finest, errors, `Debug`, JSON, archives, panics. None shows any.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    fmt::Debug,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::json;
use sync_core::{
    Collection, Credentials, EffectGrants, FieldSet, HostRecords, Local, LocalFrom, LocalId, LocalPage, OrganizationId,
    Records, Registration, Result, SyncRequest, Value,
};
use sync_dispatch::{Dispatcher, http::Archive};
use sync_engine::RunOptions;
use sync_testkit::{Fault, FaultRule, FaultTransport, On, Shop, SimClock, sim::Rig};
use sync_tests::{
    Books, CANARY, Harbour, ORG, SESSIONS, Town,
    harbour::CALENDAR,
    sim::{
        newsletter::Newsletter,
        world::{Place as _, Start},
    },
};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

/// The tables that any of the worlds has.
const TABLES: [Collection; 5] =
    [Collection::CUSTOMERS, Collection::INVOICES, Collection::PAYMENTS, sync_tests::harbour::TRIPS, SESSIONS];

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Runs this with all that it logs written down.
    fn of<T>(work: impl FnOnce() -> T) -> (T, String) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_writer(log.clone())
            .finish();
        let done = tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("sync_http"), "nothing was logged, so nothing was looked at");
        (done, text)
    }
}

/// One world's parts.
struct World {
    registration: Registration,
    clock: SimClock,
    rig: Rig,
    shop: Arc<Shop>,
    wire: FaultTransport,
}

/// Something changes here, so that there is something to write.
type Edit<'a> = &'a dyn Fn(usize);

/// What goes wrong, in turn.
fn faults() -> Vec<Fault> {
    let statuses = [400, 403, 404, 409, 412, 429, 500, 503, 401].map(|status| StatusCode::from_u16(status).unwrap());
    let mut faults = vec![Fault::Garbage, Fault::Truncated, Fault::CutAfter, Fault::TimedOutAfter, Fault::Unreachable];
    faults.extend([Fault::html(StatusCode::BAD_GATEWAY), Fault::too_fast(3_600)]);
    faults.extend(statuses.map(Fault::status));
    faults
}

impl World {
    /// A busy time: runs, dry runs, audits, under all faults. All that it shows: (for support and people, for developers).
    fn busy(&self, edit: Edit<'_>) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.har");
        let archive = Archive::create(&file, Arc::new(self.wire.clone()), Arc::new(self.clock.clone())).unwrap();
        let store = self.rig.store().clone();
        let rig = Rig::new(self.registration, self.clock.clone(), store.clone(), self.shop.clone(), Arc::new(archive))
            .with_seed(5);
        let (scope, request) = (rig.scope(ORG), rig.request(ORG));
        let (mut shown, mut debugged) = (String::new(), String::new());
        let mut show = |thing: &dyn Debug| debugged += &format!("{thing:?} {thing:#?}\n");
        let mut results = Vec::new();
        self.clock.block_on(async {
            results.push(rig.agree(ORG, &EffectGrants::none()).await);
            for (n, fault) in faults().into_iter().enumerate() {
                edit(n);
                for on in [On::Writes, On::All] {
                    self.wire.add(FaultRule::always(fault.clone()).on(on));
                    results.push(rig.sync(ORG).await);
                    self.wire.heal();
                }
                let options = if n % 2 == 0 { RunOptions::new() } else { RunOptions::new().audit() };
                results.push(rig.run(&request.clone().dry_run(), &options).await);
                show(&store.open_calls(&scope).await);
                self.clock.advance(Duration::from_secs(20 * 60));
                results.push(rig.agree(ORG, &EffectGrants::none()).await);
            }
            for run in store.runs(&scope, None, 100).await.unwrap() {
                show(&store.plan_page(&scope, &run.id, 0, 100).await);
                show(&store.outcomes(&scope, &run.id, 0, 100).await);
                show(&run);
            }
            show(&store.items(&scope, None, 100).await);
            show(&store.questions(&scope, false, None, 100).await);
            show(&store.connection(&scope).await);
            show(&store.load(&scope).await);
            for (id, _) in TABLES.iter().flat_map(|of| self.shop.rows(ORG, of)) {
                show(&store.links_of(&scope, id.as_str()).await);
            }
        });
        show(&(&rig, &store, &self.shop, &self.wire, request));
        show(&self.wire.log());
        assert!(results.iter().any(|result| !result.success) && results.iter().any(|result| result.success));
        for result in &results {
            show(result);
            shown += &serde_json::to_string(result).unwrap();
        }
        shown += &std::fs::read_to_string(&file).unwrap();
        (shown, debugged)
    }

    /// The grant's secrets.
    fn secrets(&self) -> Vec<String> {
        let grant = self.clock.block_on(self.rig.store().load(&self.rig.scope(ORG))).unwrap().unwrap();
        match grant.credentials {
            Credentials::ApiKey(key) => vec![key.expose_secret().to_owned()],
            Credentials::Token { access, .. } => vec![access.expose_secret().to_owned()],
            _ => Vec::new(),
        }
    }

    /// `content`: words of records, which only support and people may see.
    fn shows_nothing(&self, edit: Edit<'_>, content: &[&str]) {
        let mut canaries = self.secrets();
        canaries.push(CANARY.to_owned());
        let ((shown, debugged), log) = Log::of(|| self.busy(edit));
        for (i, canary) in canaries.iter().enumerate() {
            for (of, text) in [("results and archive", &shown), ("Debug", &debugged), ("the log", &log)] {
                assert!(canary.len() >= 8 && !text.contains(canary.as_str()), "canary {i} is shown in {of}");
            }
        }
        for word in content {
            for (of, text) in [("Debug", &debugged), ("the log", &log)] {
                let place = text.find(word).map(|at| text.get(at.saturating_sub(600)..at + word.len()));
                assert!(place.is_none(), "{word} of a record is shown in {of}: {place:?}");
            }
        }
    }
}

#[test]
fn a_newsletter_shows_neither_key_nor_notes() {
    let town = Town::new([], 401);
    town.open(&["adalovelace", "benjaminfoo"]);
    let Town { clock, rig, shop, wire, .. } = town.clone();
    let edit = |n: usize| {
        town.edit("c0000", |record| {
            record.set("first_name", Value::text(format!("Firstname{n}")));
        });
    };
    let world = World { registration: provider_mailchimp::REGISTRATION, clock, rig, shop, wire };
    world.shows_nothing(&edit, &["adalovelace@example.com", "benjaminfoo@example.com", "Firstname"]);
}

#[test]
fn a_calendar_shows_neither_token_nor_notes() {
    let harbour = Harbour::new(json!({}), 402);
    harbour.put("reef", harbour.trip("Titlereef", 5));
    harbour.put("wreck", harbour.trip("Titlewreck", 6));
    let Harbour { clock, rig, shop, wire, .. } = harbour.clone();
    let edit = |n: usize| {
        harbour.edit("reef", "title", Value::text(format!("Titlereef {n}")));
        // Both change the same: somebody is asked.
        if n == 3
            && let Some(event) = harbour.events(CALENDAR).values().find(|event| event["summary"] == "Titlewreck")
        {
            harbour
                .act(json!({"do": "edit", "calendar": CALENDAR, "event": event["id"], "body": {"location": "Theirplace"}}));
            harbour.edit("wreck", "location", Value::text("Ourplace"));
        }
    };
    let world = World { registration: provider_google_calendar::REGISTRATION, clock, rig, shop, wire };
    world.shows_nothing(&edit, &["Titlereef", "Titlewreck", "Theirplace", "Ourplace"]);
}

#[test]
fn a_ledger_shows_neither_token_nor_notes() {
    let books = Books::new(json!({}));
    books.customer("1", "Adalina", "Lovelacely");
    books.shop.edit(ORG, &Collection::CUSTOMERS, "1", |record| {
        record.set("notes_medical", Value::text(CANARY));
    });
    let Books { clock, rig, shop, wire, .. } = books.clone();
    let edit = |n: usize| books.put(&format!("i{n}"), books.invoice("1", &format!("D-{n}"), 60));
    let world = World { registration: provider_xero::REGISTRATION, clock, rig, shop, wire };
    world.shows_nothing(&edit, &["Adalina", "Lovelacely", "Two dives"]);
}

/// A host that panics, with a record in its words.
struct Panics;

#[async_trait]
impl Records for Panics {
    async fn changes(
        &self,
        _: &OrganizationId,
        _: &Collection,
        _: &FieldSet,
        _: LocalFrom<'_>,
        _: usize,
    ) -> Result<LocalPage> {
        panic!("{CANARY}")
    }

    async fn read(&self, _: &OrganizationId, _: &Collection, _: &FieldSet, _: &[LocalId]) -> Result<Vec<Local>> {
        panic!("{CANARY}")
    }

    async fn labels(&self, _: &OrganizationId, _: &Collection, _: &[LocalId]) -> Result<Vec<Option<String>>> {
        panic!("{CANARY}")
    }
}

#[test]
fn a_panic_shows_nothing_of_its_words() {
    let place = Newsletter::start(&Start::of(1));
    let world = place.world();
    let builder = Dispatcher::builder(world.store(), HostRecords::ReadOnly(Arc::new(Panics)))
        .clock(Arc::new(world.clock.clone()))
        .transport(Arc::new(world.wire.clone()))
        .consent(world.shop.clone());
    let dispatcher = place.build(builder).build().unwrap();
    let work = || {
        world.clock.block_on(async {
            place.connect(&dispatcher).await;
            let scope = &world.scope;
            dispatcher.dispatch(SyncRequest::new(scope.organization.clone(), scope.integration.clone())).await
        })
    };
    // What the host's own hook prints is the host's.
    std::panic::set_hook(Box::new(|_| {}));
    let (result, log) = Log::of(|| catch_unwind(AssertUnwindSafe(work)).expect("it does not panic out"));
    drop(std::panic::take_hook());
    assert!(!result.success);
    for (of, text) in [("JSON", serde_json::to_string(&result).unwrap()), ("Debug", format!("{result:?}")), ("the log", log)]
    {
        assert!(!text.contains(CANARY), "{of} shows the words of a panic");
    }
}
