//! The port, answered from SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use sync_core::{
    AccountId, Channel, ConsentFact, ContainerId, InstallationId, LocalId, OrganizationId, QuestionId, Remote, RemoteId,
    ResourceName, Result, Role, RunId, Scope,
};
use sync_engine::{
    Acquired, Answer, CallRow, Change, ConnectionRow, Due, Erased, Item, ItemCount, Lease, LeaseInfo, Link, LinkCount,
    LinkHead, Mark, OutcomeRow, PlannedOp, PlannedRow, Pruned, Question, ReadyPart, Retention, RunRow, Seen, Store,
    StoredCursor, Suppression,
};

use super::SqlStore;

#[async_trait]
impl Store for SqlStore {
    async fn installation(&self) -> Result<InstallationId> {
        Ok(self.inner.installation.clone())
    }

    async fn connection(&self, scope: &Scope) -> Result<Option<ConnectionRow>> {
        self.one_connection(scope).await
    }

    async fn connections(
        &self,
        organization: Option<&OrganizationId>,
        after: Option<&Scope>,
        limit: usize,
    ) -> Result<Vec<ConnectionRow>> {
        self.page_of_connections(organization, after, limit).await
    }

    async fn put_connection(&self, row: &ConnectionRow, expected: Option<u64>) -> Result<bool> {
        self.put_one_connection(row, expected).await
    }

    async fn acquire(&self, scope: &Scope, owner: &str, length_ms: i64) -> Result<Acquired> {
        self.acquire_lease(scope, owner, length_ms).await
    }

    async fn renew(&self, lease: &mut Lease, length_ms: i64) -> Result<()> {
        self.renew_lease(lease, length_ms).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.release_lease(lease).await
    }

    async fn lease(&self, scope: &Scope) -> Result<Option<LeaseInfo>> {
        self.lease_info(scope).await
    }

    async fn commit(&self, lease: &Lease, changes: Vec<Change>) -> Result<()> {
        self.commit_changes(lease, changes).await
    }

    async fn append_seen(&self, lease: &Lease, run: &RunId, rows: Vec<Seen>) -> Result<()> {
        self.add_seen(lease, run, &rows).await
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
        self.add_marks(lease, run, (resource, container), ids, mark).await
    }

    async fn append_plan(&self, lease: &Lease, run: &RunId, operations: Vec<PlannedOp>) -> Result<()> {
        self.add_to_plan(lease, run, &operations).await
    }

    async fn clear_scratch(&self, lease: &Lease, run: &RunId, plan: bool) -> Result<()> {
        self.drop_scratch(lease, run, plan).await
    }

    async fn links_by_local(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        ids: &[LocalId],
    ) -> Result<Vec<Option<Link>>> {
        self.local_links((scope, account, resource), role, ids).await
    }

    async fn links_by_remote(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Link>>> {
        self.remote_links((scope, account, resource), ids).await
    }

    async fn holders_of_keys(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        keys: &[String],
    ) -> Result<Vec<Vec<LocalId>>> {
        self.key_holders((scope, account, resource), role, keys).await
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
        self.heads((scope, account, resource), role, after, limit).await
    }

    async fn link_counts(&self, scope: &Scope, account: &AccountId) -> Result<Vec<LinkCount>> {
        self.counts_of_links(scope, account).await
    }

    async fn seen_by_key(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        keys: &[String],
    ) -> Result<Vec<Vec<Remote>>> {
        self.seen_with_keys((scope, run), resource, container, keys).await
    }

    async fn seen_by_remote(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Remote>>> {
        self.seen_with_ids((scope, run), resource, container, ids).await
    }

    async fn gone_page(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        after: Option<(&RemoteId, Option<&ContainerId>)>,
        limit: usize,
    ) -> Result<Vec<(RemoteId, Option<ContainerId>)>> {
        self.page_of_gone((scope, run), resource, after, limit).await
    }

    async fn seen_page(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&ResourceName, &RemoteId)>,
        limit: usize,
    ) -> Result<Vec<Remote>> {
        self.page_of_seen(scope, run, after, limit).await
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
        self.page_of_unseen_links((scope, account, resource), run, container, after, limit).await
    }

    async fn plan_page(&self, scope: &Scope, run: &RunId, after: u64, limit: usize) -> Result<Vec<PlannedRow>> {
        self.page_of_plan(scope, run, after, limit).await
    }

    async fn plan_digests(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&str, u64)>,
        limit: usize,
    ) -> Result<Vec<(String, u64)>> {
        self.page_of_digests(scope, run, after, limit).await
    }

    async fn plan_twins(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u64>)>> {
        self.twins_in_plan(scope, run, resource, after, limit).await
    }

    async fn plan_repeats(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        limit: usize,
    ) -> Result<Vec<(LocalId, Vec<u64>)>> {
        self.repeats_in_plan(scope, run, resource, limit).await
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
        self.page_of_ready_parts((scope, run), (resource, stage), after, limit).await
    }

    async fn parts(&self, scope: &Scope, run: &RunId, parts: &[(u64, u32)]) -> Result<Vec<ReadyPart>> {
        self.some_parts(scope, run, parts).await
    }

    async fn ready_stages(&self, scope: &Scope, run: &RunId, resource: &ResourceName) -> Result<Vec<u8>> {
        self.stages_with_ready_parts(scope, run, resource).await
    }

    async fn open_parts(&self, scope: &Scope, run: &RunId, seqs: &[u64]) -> Result<Vec<u32>> {
        self.counts_of_open_parts(scope, run, seqs).await
    }

    async fn plan_calls(&self, scope: &Scope, run: &RunId) -> Result<u64> {
        self.calls_of_plan(scope, run).await
    }

    async fn open_calls(&self, scope: &Scope) -> Result<Vec<CallRow>> {
        self.unanswered_calls(scope).await
    }

    async fn cursor(&self, scope: &Scope, stream: &str) -> Result<Option<StoredCursor>> {
        self.one_cursor(scope, stream).await
    }

    async fn items_by_local(&self, scope: &Scope, resource: &ResourceName, ids: &[LocalId]) -> Result<Vec<Option<Item>>> {
        self.local_items(scope, resource, ids).await
    }

    async fn items_due(
        &self,
        scope: &Scope,
        resource: &ResourceName,
        due: &Due<'_>,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<Item>> {
        self.due_items((scope, resource), due, after, limit).await
    }

    async fn items(&self, scope: &Scope, after: Option<(&ResourceName, &LocalId)>, limit: usize) -> Result<Vec<Item>> {
        self.page_of_items(scope, after, limit).await
    }

    async fn item_counts(&self, scope: &Scope, since_run: Option<&RunId>) -> Result<Vec<ItemCount>> {
        self.counts_of_items(scope, since_run).await
    }

    async fn retry_items(&self, scope: &Scope, ids: Option<&[LocalId]>, now: Timestamp) -> Result<u64> {
        self.retry_failed(scope, ids, now).await
    }

    async fn run(&self, scope: &Scope, run: &RunId) -> Result<Option<RunRow>> {
        self.one_run(scope, run).await
    }

    async fn runs(&self, scope: &Scope, before: Option<Timestamp>, limit: usize) -> Result<Vec<RunRow>> {
        self.page_of_runs(scope, before, limit).await
    }

    async fn outcomes(&self, scope: &Scope, run: &RunId, after: u64, limit: usize) -> Result<Vec<(u64, OutcomeRow)>> {
        self.page_of_outcomes(scope, run, after, limit).await
    }

    async fn trail(&self, scope: &Scope, id: &str, limit: usize) -> Result<Vec<(RunId, OutcomeRow)>> {
        self.trail_of(scope, id, limit).await
    }

    async fn links_of(&self, scope: &Scope, id: &str) -> Result<Vec<Link>> {
        self.all_links_of(scope, id).await
    }

    async fn questions(&self, scope: &Scope, open: bool, after: Option<&QuestionId>, limit: usize) -> Result<Vec<Question>> {
        self.page_of_questions(scope, open, after, limit).await
    }

    async fn questions_by_id(&self, scope: &Scope, ids: &[QuestionId]) -> Result<Vec<Option<Question>>> {
        self.some_questions(scope, ids).await
    }

    async fn answer(&self, scope: &Scope, id: &QuestionId, answer: Answer) -> Result<()> {
        self.answer_question(scope, id, &answer).await
    }

    async fn suppressed(
        &self,
        organization: &OrganizationId,
        channel: Channel,
        addresses: &[String],
    ) -> Result<Vec<Option<Suppression>>> {
        self.suppressions(organization, channel, addresses).await
    }

    async fn facts_pending(&self, scope: &Scope, limit: usize) -> Result<Vec<ConsentFact>> {
        self.pending_facts(scope, limit).await
    }

    async fn facts_taken(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        self.take_facts(scope, ids).await
    }

    async fn prune(&self, now: Timestamp, retention: &Retention, limit: usize) -> Result<Pruned> {
        self.prune_old(now, retention, limit).await
    }

    async fn forget(&self, scope: &Scope, resource: &ResourceName, local: &LocalId) -> Result<Erased> {
        self.forget_record(scope, resource, local).await
    }

    async fn claim_digest(&self, organization: &OrganizationId, day: &str) -> Result<bool> {
        self.claim_digest_of(organization, day).await
    }
}
