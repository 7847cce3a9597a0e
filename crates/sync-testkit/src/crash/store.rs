//! A store with crash points.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use sync_core::{
    AccountId, Channel, ConsentFact, ContainerId, CounterKey, Counters, Grant, Grants, InstallationId, LocalId,
    OrganizationId, QuestionId, Remote, RemoteId, ResourceName, Result, Role, RunId, Scope, Swapped,
};
use sync_engine::{
    Acquired, Answer, CallRow, Change, ConnectionRow, Due, Erased, Item, ItemCount, Lease, LeaseInfo, Link, LinkCount,
    LinkHead, Mark, OutcomeRow, PlannedOp, PlannedRow, Pruned, Question, ReadyPart, Retention, RunRow, Seen, Store,
    StoredCursor, Suppression,
};

use super::Crash;

/// A store with a crash point before and after each call that changes it. What only reads has none: dying there is dying
/// before whatever comes next.
pub struct CrashStore {
    pub(super) inner: Arc<dyn Store>,
    pub(super) crash: Crash,
}

impl CrashStore {
    /// Around this store.
    pub fn new(inner: Arc<dyn Store>, crash: Crash) -> Self {
        Self { inner, crash }
    }
}

impl fmt::Debug for CrashStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Grants for CrashStore {
    async fn load(&self, scope: &Scope) -> Result<Option<Grant>> {
        self.inner.load(scope).await
    }

    async fn swap(&self, scope: &Scope, expected: Option<u64>, grant: Option<Grant>) -> Result<Swapped> {
        self.crash.around("store.swap", self.inner.swap(scope, expected, grant)).await
    }
}

#[async_trait]
impl Counters for CrashStore {
    async fn take(&self, key: &CounterKey, window: Timestamp, amount: u32, limit: u32) -> Result<(u32, bool)> {
        self.crash.around("store.take", self.inner.take(key, window, amount, limit)).await
    }

    async fn correct(&self, key: &CounterKey, window: Timestamp, used: u32) -> Result<()> {
        self.crash.around("store.correct", self.inner.correct(key, window, used)).await
    }
}

#[async_trait]
impl Store for CrashStore {
    async fn installation(&self) -> Result<InstallationId> {
        self.inner.installation().await
    }

    async fn connection(&self, scope: &Scope) -> Result<Option<ConnectionRow>> {
        self.inner.connection(scope).await
    }

    async fn connections(
        &self,
        organization: Option<&OrganizationId>,
        after: Option<&Scope>,
        limit: usize,
    ) -> Result<Vec<ConnectionRow>> {
        self.inner.connections(organization, after, limit).await
    }

    async fn put_connection(&self, row: &ConnectionRow, expected: Option<u64>) -> Result<bool> {
        self.crash.around("store.put_connection", self.inner.put_connection(row, expected)).await
    }

    async fn acquire(&self, scope: &Scope, owner: &str, length_ms: i64) -> Result<Acquired> {
        self.crash.around("store.acquire", self.inner.acquire(scope, owner, length_ms)).await
    }

    async fn renew(&self, lease: &mut Lease, length_ms: i64) -> Result<()> {
        self.crash.around("store.renew", self.inner.renew(lease, length_ms)).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.crash.around("store.release", self.inner.release(lease)).await
    }

    async fn lease(&self, scope: &Scope) -> Result<Option<LeaseInfo>> {
        self.inner.lease(scope).await
    }

    async fn commit(&self, lease: &Lease, changes: Vec<Change>) -> Result<()> {
        self.crash.around("store.commit", self.inner.commit(lease, changes)).await
    }

    async fn append_seen(&self, lease: &Lease, run: &RunId, rows: Vec<Seen>) -> Result<()> {
        self.crash.around("store.append_seen", self.inner.append_seen(lease, run, rows)).await
    }

    async fn append_marks(
        &self,
        lease: &Lease,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
        mark: Mark,
    ) -> Result<()> {
        self.crash.around("store.append_marks", self.inner.append_marks(lease, run, resource, container, ids, mark)).await
    }

    async fn append_plan(&self, lease: &Lease, run: &RunId, operations: Vec<PlannedOp>) -> Result<()> {
        self.crash.around("store.append_plan", self.inner.append_plan(lease, run, operations)).await
    }

    async fn clear_scratch(&self, lease: &Lease, run: &RunId, plan: bool) -> Result<()> {
        self.crash.around("store.clear_scratch", self.inner.clear_scratch(lease, run, plan)).await
    }

    async fn links_by_local(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        ids: &[LocalId],
    ) -> Result<Vec<Option<Link>>> {
        self.inner.links_by_local(scope, account, resource, role, ids).await
    }

    async fn links_by_remote(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Link>>> {
        self.inner.links_by_remote(scope, account, resource, ids).await
    }

    async fn holders_of_keys(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        keys: &[String],
    ) -> Result<Vec<Vec<LocalId>>> {
        self.inner.holders_of_keys(scope, account, resource, role, keys).await
    }

    async fn link_heads(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<LinkHead>> {
        self.inner.link_heads(scope, account, resource, role, after, limit).await
    }

    async fn link_counts(&self, scope: &Scope, account: &AccountId) -> Result<Vec<LinkCount>> {
        self.inner.link_counts(scope, account).await
    }

    async fn seen_by_key(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        keys: &[String],
    ) -> Result<Vec<Vec<Remote>>> {
        self.inner.seen_by_key(scope, run, resource, container, keys).await
    }

    async fn seen_by_remote(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Remote>>> {
        self.inner.seen_by_remote(scope, run, resource, container, ids).await
    }

    async fn gone_page(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        after: Option<(&RemoteId, Option<&ContainerId>)>,
        limit: usize,
    ) -> Result<Vec<(RemoteId, Option<ContainerId>)>> {
        self.inner.gone_page(scope, run, resource, after, limit).await
    }

    async fn seen_page(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&ResourceName, &RemoteId)>,
        limit: usize,
    ) -> Result<Vec<Remote>> {
        self.inner.seen_page(scope, run, after, limit).await
    }

    async fn unseen_links(
        &self,
        scope: &Scope,
        account: &AccountId,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<Link>> {
        self.inner.unseen_links(scope, account, run, resource, container, after, limit).await
    }

    async fn plan_page(&self, scope: &Scope, run: &RunId, after: u64, limit: usize) -> Result<Vec<PlannedRow>> {
        self.inner.plan_page(scope, run, after, limit).await
    }

    async fn plan_digests(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&str, u64)>,
        limit: usize,
    ) -> Result<Vec<(String, u64)>> {
        self.inner.plan_digests(scope, run, after, limit).await
    }

    async fn plan_twins(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u64>)>> {
        self.inner.plan_twins(scope, run, resource, after, limit).await
    }

    async fn plan_repeats(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        limit: usize,
    ) -> Result<Vec<(LocalId, Vec<u64>)>> {
        self.inner.plan_repeats(scope, run, resource, limit).await
    }

    async fn ready_parts(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        stage: u8,
        after: Option<(&str, u64, u32)>,
        limit: usize,
    ) -> Result<Vec<ReadyPart>> {
        self.inner.ready_parts(scope, run, resource, stage, after, limit).await
    }

    async fn parts(&self, scope: &Scope, run: &RunId, parts: &[(u64, u32)]) -> Result<Vec<ReadyPart>> {
        self.inner.parts(scope, run, parts).await
    }

    async fn ready_stages(&self, scope: &Scope, run: &RunId, resource: &ResourceName) -> Result<Vec<u8>> {
        self.inner.ready_stages(scope, run, resource).await
    }

    async fn open_parts(&self, scope: &Scope, run: &RunId, seqs: &[u64]) -> Result<Vec<u32>> {
        self.inner.open_parts(scope, run, seqs).await
    }

    async fn plan_calls(&self, scope: &Scope, run: &RunId) -> Result<u64> {
        self.inner.plan_calls(scope, run).await
    }

    async fn open_calls(&self, scope: &Scope) -> Result<Vec<CallRow>> {
        self.inner.open_calls(scope).await
    }

    async fn cursor(&self, scope: &Scope, stream: &str) -> Result<Option<StoredCursor>> {
        self.inner.cursor(scope, stream).await
    }

    async fn items_by_local(&self, scope: &Scope, resource: &ResourceName, ids: &[LocalId]) -> Result<Vec<Option<Item>>> {
        self.inner.items_by_local(scope, resource, ids).await
    }

    async fn items_due(
        &self,
        scope: &Scope,
        resource: &ResourceName,
        due: &Due<'_>,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<Item>> {
        self.inner.items_due(scope, resource, due, after, limit).await
    }

    async fn items(&self, scope: &Scope, after: Option<(&ResourceName, &LocalId)>, limit: usize) -> Result<Vec<Item>> {
        self.inner.items(scope, after, limit).await
    }

    async fn item_counts(&self, scope: &Scope, since_run: Option<&RunId>) -> Result<Vec<ItemCount>> {
        self.inner.item_counts(scope, since_run).await
    }

    async fn retry_items(&self, scope: &Scope, ids: Option<&[LocalId]>, now: Timestamp) -> Result<u64> {
        self.crash.around("store.retry_items", self.inner.retry_items(scope, ids, now)).await
    }

    async fn run(&self, scope: &Scope, run: &RunId) -> Result<Option<RunRow>> {
        self.inner.run(scope, run).await
    }

    async fn runs(&self, scope: &Scope, before: Option<Timestamp>, limit: usize) -> Result<Vec<RunRow>> {
        self.inner.runs(scope, before, limit).await
    }

    async fn outcomes(&self, scope: &Scope, run: &RunId, after: u64, limit: usize) -> Result<Vec<(u64, OutcomeRow)>> {
        self.inner.outcomes(scope, run, after, limit).await
    }

    async fn trail(&self, scope: &Scope, id: &str, limit: usize) -> Result<Vec<(RunId, OutcomeRow)>> {
        self.inner.trail(scope, id, limit).await
    }

    async fn links_of(&self, scope: &Scope, id: &str) -> Result<Vec<Link>> {
        self.inner.links_of(scope, id).await
    }

    async fn questions(&self, scope: &Scope, open: bool, after: Option<&QuestionId>, limit: usize) -> Result<Vec<Question>> {
        self.inner.questions(scope, open, after, limit).await
    }

    async fn questions_by_id(&self, scope: &Scope, ids: &[QuestionId]) -> Result<Vec<Option<Question>>> {
        self.inner.questions_by_id(scope, ids).await
    }

    async fn answer(&self, scope: &Scope, id: &QuestionId, answer: Answer) -> Result<()> {
        self.crash.around("store.answer", self.inner.answer(scope, id, answer)).await
    }

    async fn suppressed(
        &self,
        organization: &OrganizationId,
        channel: Channel,
        addresses: &[String],
    ) -> Result<Vec<Option<Suppression>>> {
        self.inner.suppressed(organization, channel, addresses).await
    }

    async fn facts_pending(&self, scope: &Scope, limit: usize) -> Result<Vec<ConsentFact>> {
        self.inner.facts_pending(scope, limit).await
    }

    async fn facts_taken(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        self.crash.around("store.facts_taken", self.inner.facts_taken(scope, ids)).await
    }

    async fn prune(&self, now: Timestamp, retention: &Retention, limit: usize) -> Result<Pruned> {
        self.crash.around("store.prune", self.inner.prune(now, retention, limit)).await
    }

    async fn forget(&self, scope: &Scope, resource: &ResourceName, local: &LocalId) -> Result<Erased> {
        self.crash.around("store.forget", self.inner.forget(scope, resource, local)).await
    }

    async fn claim_digest(&self, organization: &OrganizationId, day: &str) -> Result<bool> {
        self.crash.around("store.claim_digest", self.inner.claim_digest(organization, day)).await
    }
}
