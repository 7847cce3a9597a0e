//! The port, answered from memory.

use async_trait::async_trait;
use jiff::Timestamp;
use sync_core::{
    AccountId, Channel, ConsentFact, ContainerId, InstallationId, LocalId, OrganizationId, QuestionId, Remote, RemoteId,
    ResourceName, Result, Role, RunId, Scope,
    zoo::{self, Defect},
};

use super::super::{
    Acquired, Answer, CallRow, Change, ConnectionRow, Due, Erased, Item, ItemCount, Lease, LeaseInfo, Link, LinkCount,
    LinkHead, Mark, OutcomeRow, PlannedOp, PlannedRow, Pruned, Question, ReadyPart, Retention, RunRow, Seen, Store,
    StoredCursor, Suppression,
};
use super::{
    MemoryStore, apply, history,
    state::{Data, FactRow, Plan, address_hash, timestamp},
    waiting,
};

impl MemoryStore {
    /// Reads what a scope holds, or that it holds nothing.
    fn read<T>(&self, scope: &Scope, read: impl FnOnce(&Data) -> T) -> Result<T> {
        let state = self.state();
        let anybodys = || state.scopes.values().next().filter(|_| zoo::is(Defect::ReadsAnybodysRows));
        match state.scopes.get(scope).or_else(anybodys) {
            Some(data) => Ok(read(data)),
            None => Ok(read(&Data::default())),
        }
    }

    fn read_plan<T>(&self, scope: &Scope, run: &RunId, read: impl FnOnce(&Plan) -> T) -> Result<T> {
        self.read(scope, |data| match data.plans.get(run) {
            Some(plan) => read(plan),
            None => read(&Plan::new(0)),
        })
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn installation(&self) -> Result<InstallationId> {
        Ok(self.installation.clone())
    }

    async fn connection(&self, scope: &Scope) -> Result<Option<ConnectionRow>> {
        self.read(scope, |data| data.connection.clone())
    }

    async fn connections(
        &self,
        organization: Option<&OrganizationId>,
        after: Option<&Scope>,
        limit: usize,
    ) -> Result<Vec<ConnectionRow>> {
        let state = self.state();
        let rows = state.scopes.values().filter_map(|data| data.connection.as_ref());
        let rows = rows.filter(|row| organization.is_none_or(|organization| row.scope.organization == *organization));
        Ok(rows.filter(|row| after.is_none_or(|after| row.scope > *after)).take(limit).cloned().collect())
    }

    async fn put_connection(&self, row: &ConnectionRow, expected: Option<u64>) -> Result<bool> {
        let mut state = self.state();
        let stored = &mut state.scopes.entry(row.scope.clone()).or_default().connection;
        if stored.as_ref().map(|row| row.revision) != expected {
            return Ok(false);
        }
        *stored = Some(ConnectionRow { revision: expected.unwrap_or(0) + 1, ..row.clone() });
        Ok(true)
    }

    async fn acquire(&self, scope: &Scope, owner: &str, length_ms: i64) -> Result<Acquired> {
        self.acquire_lease(scope, owner, length_ms)
    }

    async fn renew(&self, lease: &mut Lease, length_ms: i64) -> Result<()> {
        self.renew_lease(lease, length_ms)
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.release_lease(lease)
    }

    async fn lease(&self, scope: &Scope) -> Result<Option<LeaseInfo>> {
        let now_ms = self.now_ms();
        self.read(scope, |data| data.lease.as_ref().map(|row| row.info(scope, now_ms)))?.transpose()
    }

    async fn commit(&self, lease: &Lease, changes: Vec<Change>) -> Result<()> {
        let mut state = self.state();
        apply::check(self.leased(&mut state, lease)?, &lease.scope, &changes)?;
        apply::apply(&mut state, &self.installation, &lease.scope, changes);
        Ok(())
    }

    async fn append_seen(&self, lease: &Lease, run: &RunId, rows: Vec<Seen>) -> Result<()> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        let plans = &mut self.leased(&mut state, lease)?.plans;
        plans.entry(run.clone()).or_insert_with(|| Plan::new(now_ms)).add_seen(rows);
        Ok(())
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
        let now_ms = self.now_ms();
        let mut state = self.state();
        let plans = &mut self.leased(&mut state, lease)?.plans;
        plans.entry(run.clone()).or_insert_with(|| Plan::new(now_ms)).add_marks(resource, container, ids, mark);
        Ok(())
    }

    async fn append_plan(&self, lease: &Lease, run: &RunId, operations: Vec<PlannedOp>) -> Result<()> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        let plans = &mut self.leased(&mut state, lease)?.plans;
        let plan = plans.entry(run.clone()).or_insert_with(|| Plan::new(now_ms));
        plan.add(operations).map_err(|error| error.with_context("run", run))
    }

    async fn clear_scratch(&self, lease: &Lease, run: &RunId, plan: bool) -> Result<()> {
        let mut state = self.state();
        let plans = &mut self.leased(&mut state, lease)?.plans;
        if plan {
            plans.remove(run);
        } else if let Some(plan) = plans.get_mut(run) {
            plan.seen.clear();
        }
        Ok(())
    }

    async fn links_by_local(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        ids: &[LocalId],
    ) -> Result<Vec<Option<Link>>> {
        self.read(scope, |data| data.links_by_local((account, resource, role), ids))
    }

    async fn links_by_remote(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Link>>> {
        self.read(scope, |data| data.links_by_remote(account, resource, ids))
    }

    async fn holders_of_keys(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        keys: &[String],
    ) -> Result<Vec<Vec<LocalId>>> {
        self.read(scope, |data| data.holders_of_keys((account, resource, role), keys))
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
        self.read(scope, |data| data.link_heads((account, resource, role), after, limit))
    }

    async fn link_counts(&self, scope: &Scope, account: &AccountId) -> Result<Vec<LinkCount>> {
        self.read(scope, |data| data.link_counts(account))
    }

    async fn seen_by_key(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        keys: &[String],
    ) -> Result<Vec<Vec<Remote>>> {
        self.read_plan(scope, run, |plan| plan.seen_by_key(resource, container, keys))
    }

    async fn seen_by_remote(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Remote>>> {
        self.read_plan(scope, run, |plan| plan.seen_by_remote(resource, container, ids))
    }

    async fn gone_page(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        after: Option<(&RemoteId, Option<&ContainerId>)>,
        limit: usize,
    ) -> Result<Vec<(RemoteId, Option<ContainerId>)>> {
        self.read_plan(scope, run, |plan| plan.gone_page(resource, after, limit))
    }

    async fn seen_page(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&ResourceName, &RemoteId)>,
        limit: usize,
    ) -> Result<Vec<Remote>> {
        self.read_plan(scope, run, |plan| plan.seen_page(after, limit))
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
        self.read(scope, |data| {
            let of = |link: &Link| {
                link.account == *account
                    && link.resource == *resource
                    && link.container.as_ref() == container
                    && after.is_none_or(|after| link.local > *after)
            };
            data.unseen(data.plans.get(run), of, limit)
        })
    }

    async fn plan_page(&self, scope: &Scope, run: &RunId, after: u64, limit: usize) -> Result<Vec<PlannedRow>> {
        self.read_plan(scope, run, |plan| plan.page(after, limit))
    }

    async fn plan_digests(
        &self,
        scope: &Scope,
        run: &RunId,
        after: Option<(&str, u64)>,
        limit: usize,
    ) -> Result<Vec<(String, u64)>> {
        self.read_plan(scope, run, |plan| plan.digests(after, limit))
    }

    async fn plan_twins(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u64>)>> {
        self.read_plan(scope, run, |plan| plan.twins(resource, after, limit))
    }

    async fn plan_repeats(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        limit: usize,
    ) -> Result<Vec<(LocalId, Vec<u64>)>> {
        self.read_plan(scope, run, |plan| plan.repeats(resource, limit))
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
        self.read_plan(scope, run, |plan| plan.ready_parts(resource, stage, after, limit))
    }

    async fn parts(&self, scope: &Scope, run: &RunId, parts: &[(u64, u32)]) -> Result<Vec<ReadyPart>> {
        self.read_plan(scope, run, |plan| plan.parts(parts))
    }

    async fn ready_stages(&self, scope: &Scope, run: &RunId, resource: &ResourceName) -> Result<Vec<u8>> {
        self.read_plan(scope, run, |plan| plan.ready_stages(resource))
    }

    async fn open_parts(&self, scope: &Scope, run: &RunId, seqs: &[u64]) -> Result<Vec<u32>> {
        self.read_plan(scope, run, |plan| plan.open_parts(seqs))
    }

    async fn plan_calls(&self, scope: &Scope, run: &RunId) -> Result<u64> {
        self.read_plan(scope, run, |plan| plan.calls())
    }

    async fn open_calls(&self, scope: &Scope) -> Result<Vec<CallRow>> {
        self.read(scope, |data| {
            let mut calls: Vec<CallRow> = data.calls.values().cloned().collect();
            calls.sort_by_key(|call| call.opened_at.as_millisecond());
            calls
        })
    }

    async fn cursor(&self, scope: &Scope, stream: &str) -> Result<Option<StoredCursor>> {
        self.read(scope, |data| data.cursors.get(stream).cloned())
    }

    async fn items_by_local(&self, scope: &Scope, resource: &ResourceName, ids: &[LocalId]) -> Result<Vec<Option<Item>>> {
        self.read(scope, |data| data.items_by_local(resource, ids))
    }

    async fn items_due(
        &self,
        scope: &Scope,
        resource: &ResourceName,
        due: &Due<'_>,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<Item>> {
        self.read(scope, |data| data.items_due(resource, due, after, limit))
    }

    async fn items(&self, scope: &Scope, after: Option<(&ResourceName, &LocalId)>, limit: usize) -> Result<Vec<Item>> {
        self.read(scope, |data| data.items_after(after, limit))
    }

    async fn item_counts(&self, scope: &Scope, since_run: Option<&RunId>) -> Result<Vec<ItemCount>> {
        self.read(scope, |data| data.item_counts(since_run))
    }

    async fn retry_items(&self, scope: &Scope, ids: Option<&[LocalId]>, now: Timestamp) -> Result<u64> {
        Ok(self.state().scopes.get_mut(scope).map_or(0, |data| data.retry_items(ids, now)))
    }

    async fn run(&self, scope: &Scope, run: &RunId) -> Result<Option<RunRow>> {
        self.read(scope, |data| data.runs.get(run).cloned())
    }

    async fn runs(&self, scope: &Scope, before: Option<Timestamp>, limit: usize) -> Result<Vec<RunRow>> {
        self.read(scope, |data| data.runs_before(before, limit))
    }

    async fn outcomes(&self, scope: &Scope, run: &RunId, after: u64, limit: usize) -> Result<Vec<(u64, OutcomeRow)>> {
        self.read(scope, |data| data.outcomes_after(run, after, limit))
    }

    async fn trail(&self, scope: &Scope, id: &str, limit: usize) -> Result<Vec<(RunId, OutcomeRow)>> {
        self.read(scope, |data| data.trail(id, limit))
    }

    async fn links_of(&self, scope: &Scope, id: &str) -> Result<Vec<Link>> {
        self.read(scope, |data| data.links_of(id))
    }

    async fn questions(&self, scope: &Scope, open: bool, after: Option<&QuestionId>, limit: usize) -> Result<Vec<Question>> {
        self.read(scope, |data| data.questions_after(open, after, limit))
    }

    async fn questions_by_id(&self, scope: &Scope, ids: &[QuestionId]) -> Result<Vec<Option<Question>>> {
        self.read(scope, |data| data.questions_by_id(ids))
    }

    async fn answer(&self, scope: &Scope, id: &QuestionId, answer: Answer) -> Result<()> {
        waiting::answer(self.state().scopes.get_mut(scope), id, answer)
    }

    async fn suppressed(
        &self,
        organization: &OrganizationId,
        channel: Channel,
        addresses: &[String],
    ) -> Result<Vec<Option<Suppression>>> {
        let state = self.state();
        let stored = |address: &String| {
            let hash = address_hash(&self.installation, organization, channel, address)?;
            state.suppressions.get(&(organization.clone(), channel, hash)).cloned()
        };
        Ok(addresses.iter().map(stored).collect())
    }

    async fn facts_pending(&self, scope: &Scope, limit: usize) -> Result<Vec<ConsentFact>> {
        self.read(scope, |data| {
            let pending = data.facts.iter().filter(|row| row.taken_ms.is_none());
            pending.take(limit).map(|row| row.fact.clone()).collect()
        })
    }

    async fn facts_taken(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        let facts = state.scopes.get_mut(scope).into_iter().flat_map(|data| &mut data.facts);
        let taken = |row: &&mut FactRow| row.taken_ms.is_none() && ids.contains(&row.fact.id);
        facts.filter(taken).for_each(|row| row.taken_ms = Some(now_ms));
        Ok(())
    }

    async fn prune(&self, now: Timestamp, retention: &Retention, limit: usize) -> Result<Pruned> {
        Ok(history::prune(&mut self.state(), now, retention, limit))
    }

    async fn forget(&self, scope: &Scope, resource: &ResourceName, local: &LocalId) -> Result<Erased> {
        let now = timestamp(self.now_ms())?;
        let mut state = self.state();
        Ok(state.scopes.get_mut(scope).map(|data| history::forget(data, resource, local, now)).unwrap_or_default())
    }

    async fn claim_digest(&self, organization: &OrganizationId, day: &str) -> Result<bool> {
        Ok(self.state().digests.insert((organization.clone(), day.to_owned())))
    }
}
