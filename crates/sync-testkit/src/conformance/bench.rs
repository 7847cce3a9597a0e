//! One connection on the bench: the handler, its exchange with everything that passes noted down, and short ways to use
//! them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::Response;
use sync_core::{
    Call, CallKey, CallSet, Cancel, Change, Check, Complete, Connection, ContainerId, Context, Cursor, Descriptor,
    EffectGrants, Error, ErrorKind, Exchange, Facts, Feed, Find, FindBy, Found, From, Integration, Lane, NaturalKey, Next,
    Opened, Operation, PageToken, Part, PartRef, Prepare, Prepared, Pull, Push, Receipt, Record, Refs, Remote, RemoteId,
    Resource, Result, Skip, SyncHandler, Within,
};

use super::Harness;
use crate::{FaultTransport, SimClock, clock::later};

/// A connection under test. What is sent meets the suite's faults and is noted down.
pub(crate) struct Bench<'h> {
    pub(crate) harness: &'h dyn Harness,
    pub(crate) integration: Arc<dyn Integration>,
    pub(crate) handler: Box<dyn SyncHandler>,
    pub(crate) clock: SimClock,
    /// Between the exchange and the double.
    pub(crate) wire: FaultTransport,
    exchange: Noting,
    pub(crate) cancel: Cancel,
    pub(crate) grants: EffectGrants,
    pub(crate) facts: Facts,
}

/// Whether people allowed side effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allow {
    Nothing,
    Everything,
}

impl Allow {
    /// A number of its own, for records that must differ between the two.
    pub(crate) fn nth(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Everything => 1,
        }
    }
}

/// One call as the handler described it.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    pub(crate) call: Call,
}

struct Noting {
    inner: Arc<dyn Exchange>,
    calls: Mutex<Vec<Called>>,
}

#[async_trait]
impl Exchange for Noting {
    async fn send(&self, call: Call, within: Within<'_>) -> Result<Response<Bytes>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Called { call: call.clone() });
        self.inner.send(call, within).await
    }
}

/// A feed read to its end.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) pages: Vec<Vec<Change>>,
    pub(crate) tokens: Vec<PageToken>,
    pub(crate) completes: Vec<Complete>,
    pub(crate) cursor: Cursor,
}

impl Listing {
    /// The last word about each record.
    pub(crate) fn folded(&self) -> BTreeMap<RemoteId, Option<Remote>> {
        let mut folded = BTreeMap::new();
        for change in self.pages.iter().flatten() {
            match change {
                Change::Upsert(remote) => folded.insert(remote.id.clone(), Some((**remote).clone())),
                Change::Gone { id, .. } => folded.insert(id.clone(), None),
            };
        }
        folded
    }
}

/// What became of an operation.
#[derive(Debug)]
pub(crate) enum Told {
    Done(RemoteId),
    Moved,
    Taken,
    Refused(Error),
    Skipped(Skip),
    Uncertain(Error),
    Failed(Error),
}

impl Told {
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Self::Refused(error) | Self::Uncertain(error) | Self::Failed(error) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn done(&self) -> RemoteId {
        match self {
            Self::Done(id) => id.clone(),
            other => panic!("it should have been done: {other:?}"),
        }
    }
}

/// A listing with more pages than this does not end.
const MAX_PAGES: usize = 1_000;

/// Time for one step of a test: longer than all attempts of a call together.
const PATIENCE: Duration = Duration::from_secs(2 * 60 * 60);

impl<'h> Bench<'h> {
    /// Opens the connection and reads its facts. The notes start empty afterwards.
    pub(crate) async fn new(harness: &'h dyn Harness) -> Self {
        Self::allowing(harness, Allow::Nothing).await
    }

    pub(crate) async fn allowing(harness: &'h dyn Harness, allow: Allow) -> Self {
        let mut bench = Self::opened(harness, connection(harness), allow).await;
        let checked = bench.handler.check(&bench.context(), Check::Settings).await;
        bench.facts = checked.unwrap_or_else(|error| panic!("the connection can't be checked: {error:?}")).facts;
        bench.forget();
        bench
    }

    /// Opens a connection without asking anything.
    pub(crate) async fn opened(harness: &'h dyn Harness, connection: Connection, allow: Allow) -> Self {
        let integration = harness.integration();
        let handler = match integration.open(connection) {
            Ok(Opened::Sync(handler)) => handler,
            Ok(other) => panic!("the suite is for integrations that sync records, this one is {other:?}"),
            Err(error) => panic!("the harness's settings are refused: {error:?}"),
        };
        let clock = harness.clock();
        let wire = FaultTransport::new(harness.transport(), Arc::new(clock.clone()), 1);
        let inner = harness.exchange(Arc::new(wire.clone())).await;
        let effects = integration.descriptor().effects.iter().map(|effect| effect.name);
        let grants = match allow {
            Allow::Nothing => EffectGrants::none(),
            Allow::Everything => EffectGrants::of(effects),
        };
        let exchange = Noting { inner, calls: Mutex::default() };
        let facts = Facts::new();
        Self { harness, integration, handler, clock, wire, exchange, cancel: Cancel::new(), grants, facts }
    }

    pub(crate) fn descriptor(&self) -> &'static Descriptor {
        self.integration.descriptor()
    }

    pub(crate) fn resources(&self) -> &'static [Resource] {
        self.descriptor().resources
    }

    pub(crate) fn context(&self) -> Context<'_> {
        let now = sync_core::Clock::now(&self.clock);
        Context::new(&self.exchange, now, later(now, PATIENCE), &self.cancel, Lane::Scheduled, &self.grants)
    }

    /// A context whose time is over.
    pub(crate) fn context_too_late(&self) -> Context<'_> {
        let now = sync_core::Clock::now(&self.clock);
        Context::new(&self.exchange, now, now, &self.cancel, Lane::Scheduled, &self.grants)
    }

    /// Calls as the handler described them, since the last look.
    pub(crate) fn calls(&self) -> Vec<Called> {
        std::mem::take(&mut *self.exchange.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Drops all notes.
    pub(crate) fn forget(&self) {
        self.calls();
        self.wire.take_log();
    }

    pub(crate) fn n_sent(&self) -> usize {
        self.wire.log().len()
    }

    pub(crate) fn n_writes(&self) -> usize {
        self.wire.log().iter().filter(|sent| sent.is_write()).count()
    }

    /// The feed that covers a resource.
    pub(crate) fn feed(&self, resource: &Resource) -> Option<&'static Feed> {
        self.descriptor().feeds.iter().find(|feed| feed.covers.contains(&resource.name))
    }

    /// The container in which records of a resource lie.
    pub(crate) fn container(&self, resource: &Resource) -> Option<ContainerId> {
        self.handler.target(&resource.name, &self.harness.record(resource, 0)).container
    }

    pub(crate) async fn pull(&self, resource: &Resource, from: From<'_>) -> Result<sync_core::Page> {
        let feed = self.feed(resource).unwrap_or_else(|| panic!("{} has no feed", resource.name));
        let container = self.container(resource);
        self.handler.pull(&self.context(), Pull::new(feed, container.as_ref(), from)).await
    }

    pub(crate) async fn list(&self, resource: &Resource, from: From<'_>) -> Listing {
        self.list_with(resource, from, async |_| {}).await
    }

    /// Reads a feed to its end; `between` is done after each page but the last.
    pub(crate) async fn list_with(
        &self,
        resource: &Resource,
        from: From<'_>,
        mut between: impl AsyncFnMut(usize),
    ) -> Listing {
        let (mut pages, mut tokens, mut completes) = (Vec::new(), Vec::<PageToken>::new(), Vec::new());
        loop {
            let from = tokens.last().map_or(from, From::Page);
            let page = self.pull(resource, from).await.unwrap_or_else(|error| panic!("the feed can't be read: {error:?}"));
            pages.push(page.changes);
            completes.push(page.complete);
            match page.next {
                Next::More(token) => tokens.push(token),
                Next::Done(cursor) => return Listing { pages, tokens, completes, cursor },
            }
            assert!(pages.len() < MAX_PAGES, "the listing does not end");
            between(pages.len()).await;
        }
    }

    pub(crate) async fn find_by(&self, resource: &Resource, by: FindBy<'_>) -> Result<Vec<Found>> {
        let container = self.container(resource);
        self.handler.find(&self.context(), Find::new(&resource.name, container.as_ref(), by)).await
    }

    /// One record by id.
    pub(crate) async fn find(&self, resource: &Resource, id: &RemoteId) -> Found {
        let found = self.find_by(resource, FindBy::Ids(std::slice::from_ref(id))).await;
        let mut found = found.unwrap_or_else(|error| panic!("a look-up failed: {error:?}"));
        assert_eq!(found.len(), 1, "one answer per key");
        found.remove(0)
    }

    /// One record by id, that must be there.
    pub(crate) async fn remote(&self, resource: &Resource, id: &RemoteId) -> Remote {
        match self.find(resource, id).await {
            Found::One(remote) => *remote,
            other => panic!("there should be one record, but it is {other:?}"),
        }
    }

    /// The key that twins are found by.
    pub(crate) fn key(&self, resource: &Resource, record: &Record) -> Option<NaturalKey> {
        let field = self.handler.rules(&resource.name).match_on.first().cloned()?;
        let text = record.text(field.as_str())?;
        NaturalKey::of(field.clone(), text)
    }

    /// Puts a record there as people there do, and reads it.
    pub(crate) async fn planted(&self, resource: &Resource, n: usize) -> (Record, Remote) {
        let record = self.harness.record(resource, n);
        let ids = self.harness.plant(resource, std::slice::from_ref(&record)).await;
        let remote = self.remote(resource, &ids[0]).await;
        self.forget();
        (record, remote)
    }

    pub(crate) fn parts(&self, op: &Operation) -> Result<Prepared> {
        self.handler.prepare(Prepare::new(&self.facts, &self.grants, op))
    }

    /// Sends one call for one part of each of these operations.
    pub(crate) async fn push(&self, group: &str, of: &[(&Operation, usize)], key: &CallKey) -> Result<Vec<Receipt>> {
        self.push_in(&self.context(), group, of, key).await
    }

    pub(crate) async fn push_in(
        &self,
        context: &Context<'_>,
        group: &str,
        of: &[(&Operation, usize)],
        key: &CallKey,
    ) -> Result<Vec<Receipt>> {
        let refs = Refs::new();
        let parts: Vec<PartRef<'_>> = of
            .iter()
            .map(|(op, part_idx)| PartRef {
                op,
                part_idx: *part_idx,
                remote: op.before.as_ref().map(|before| &before.id),
                version: op.before.as_ref().and_then(|before| before.version.as_ref()),
                refs: &refs,
            })
            .collect();
        self.handler.push(context, Push::new(CallSet { group, parts: &parts }, key, &self.facts)).await
    }

    /// Carries an operation out, part by part, as far as it goes.
    pub(crate) async fn apply(&mut self, op: &Operation) -> Told {
        let parts = match self.parts(op) {
            Ok(Prepared::Parts(parts)) => parts,
            Ok(Prepared::Skip(skip)) => return Told::Skipped(skip),
            Ok(other) => panic!("the suite does not know {other:?}"),
            Err(error) => return Told::Refused(error),
        };
        let mut told = match &op.before {
            Some(before) => Told::Done(before.id.clone()),
            None => Told::Failed(Error::new(ErrorKind::Internal, "an operation without a part and without a record")),
        };
        for (idx, part) in parts.iter().enumerate() {
            told = self.apply_part(op, idx, part).await;
            if !matches!(told, Told::Done(_)) {
                break;
            }
        }
        told
    }

    pub(crate) async fn apply_part(&mut self, op: &Operation, idx: usize, part: &Part) -> Told {
        // Of its own for each kind of record, since their operations are numbered alike.
        let key = CallKey::new(format!("{}-{}-{idx}", op.resource, op.id));
        match self.push(&part.group, &[(op, idx)], &key).await {
            Ok(receipts) => {
                assert_eq!(receipts.len(), 1, "one receipt per part");
                receipts.into_iter().map(|receipt| self.told(receipt)).next().unwrap_or(Told::Moved)
            }
            Err(error) => Told::Failed(error),
        }
    }

    fn told(&mut self, receipt: Receipt) -> Told {
        match receipt {
            Receipt::Done { id, facts, .. } => {
                self.facts.learn(facts.unwrap_or_default());
                Told::Done(id)
            }
            Receipt::Moved => Told::Moved,
            Receipt::Taken(_) => Told::Taken,
            Receipt::Refused(error) => Told::Refused(error),
            Receipt::Skipped(skip) => Told::Skipped(skip),
            Receipt::Uncertain(error) => Told::Uncertain(error),
            other => panic!("the suite does not know {other:?}"),
        }
    }
}

/// The harness's connection.
pub(crate) fn connection(harness: &dyn Harness) -> Connection {
    Connection::new("conformance".into(), harness.settings()).with_account(Some(harness.account())).with_vars(harness.vars())
}
