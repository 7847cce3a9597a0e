//! The port, answered from memory.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use async_trait::async_trait;
use jiff::Timestamp;
use sync_core::{
    AccountId, Channel, ConsentFact, ContainerId, Error, ErrorKind, InstallationId, LocalId, OrganizationId, OutcomeKind,
    QuestionId, Remote, RemoteId, ResourceName, Result, Role, RunId, Scope, code,
};

use super::super::{
    Acquired, Answer, CallRow, Change, ConnectionRow, Erased, Item, ItemCount, Lease, LeaseInfo, Link, LinkCount, LinkHead,
    LinkState, OutcomeRow, PartState, PlannedOp, PlannedRow, Pruned, Question, ReadyPart, Retention, RunRow, Seen, Store,
    StoredCursor, Suppression,
};
use super::{
    MemoryStore, apply, history, lease_lost,
    state::{Data, FactRow, LeaseRow, LinkKey, Plan, Planned, address_hash, timestamp},
};

impl MemoryStore {
    /// Reads what a scope holds; `T::default()` when there is nothing.
    fn read<T: Default>(&self, scope: &Scope, read: impl FnOnce(&Data) -> T) -> Result<T> {
        Ok(self.state().scopes.get(scope).map(read).unwrap_or_default())
    }

    fn read_plan<T: Default>(&self, scope: &Scope, run: &RunId, read: impl FnOnce(&Plan) -> T) -> Result<T> {
        self.read(scope, |data| data.plans.get(run).map(read).unwrap_or_default())
    }
}

/// The links of one account, resource and role in order of their local ids, after an id.
fn links_after<'a>(
    data: &'a Data,
    account: &AccountId,
    resource: &ResourceName,
    role: &Role,
    after: Option<&LocalId>,
) -> impl Iterator<Item = &'a Link> {
    let key = |local: &LocalId| -> LinkKey { (account.clone(), resource.clone(), role.clone(), local.clone()) };
    let start = match after {
        Some(local) => Bound::Excluded(key(local)),
        None => Bound::Included(key(&LocalId::from_static(""))),
    };
    let (account, resource, role) = (account.clone(), resource.clone(), role.clone());
    let range = data.links.range((start, Bound::Unbounded));
    range
        .map(|(_, link)| link)
        .take_while(move |link| link.account == account && link.resource == resource && link.role == role)
}

fn newest<K: Ord>(rows: &mut [(K, &RunRow)]) {
    rows.sort_by(|a, b| b.0.cmp(&a.0));
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
        let now_ms = self.now_ms();
        let mut state = self.state();
        let stored = &mut state.scopes.entry(scope.clone()).or_default().lease;
        if let Some(row) = stored.as_ref().filter(|row| row.expires_ms > now_ms) {
            return Ok(Acquired::Held(row.info(scope, now_ms)?));
        }
        let epoch = stored.as_ref().map_or(0, |row| row.epoch) + 1;
        let expires_ms = now_ms.saturating_add(length_ms);
        let lease = Lease { scope: scope.clone(), epoch, owner: owner.to_owned(), expires_at: timestamp(expires_ms)? };
        *stored = Some(LeaseRow { epoch, owner: owner.to_owned(), since_ms: now_ms, expires_ms });
        Ok(Acquired::Lease(lease))
    }

    async fn renew(&self, lease: &mut Lease, length_ms: i64) -> Result<()> {
        let expires_ms = self.now_ms().saturating_add(length_ms);
        let mut state = self.state();
        let row = self.leased(&mut state, lease)?.lease.as_mut().ok_or_else(lease_lost)?;
        lease.expires_at = timestamp(expires_ms)?;
        row.expires_ms = expires_ms;
        Ok(())
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let mut state = self.state();
        let row = state.scopes.get_mut(&lease.scope).and_then(|data| data.lease.as_mut());
        if let Some(row) = row.filter(|row| row.epoch == lease.epoch) {
            row.expires_ms = 0;
        }
        Ok(())
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

    async fn append_gone(
        &self,
        lease: &Lease,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
    ) -> Result<()> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        let plans = &mut self.leased(&mut state, lease)?.plans;
        plans.entry(run.clone()).or_insert_with(|| Plan::new(now_ms)).add_gone(resource, container, ids);
        Ok(())
    }

    async fn append_plan(&self, lease: &Lease, run: &RunId, operations: Vec<PlannedOp>) -> Result<()> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        let plans = &mut self.leased(&mut state, lease)?.plans;
        let last = plans.get(run).and_then(|plan| plan.operations.keys().next_back().copied()).unwrap_or(0);
        let mut seqs = std::iter::once(last).chain(operations.iter().map(|op| op.seq));
        if !seqs.by_ref().is_sorted_by(|a, b| a < b) {
            return Err(Error::new(ErrorKind::Internal, "numbers of a plan's operations must rise").with_context("run", run));
        }
        let plan = plans.entry(run.clone()).or_insert_with(|| Plan::new(now_ms));
        plan.operations.extend(
            operations.into_iter().map(|op| (op.seq, Planned { states: vec![PartState::Ready; op.parts.len()], op })),
        );
        Ok(())
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
        let key = |id: &LocalId| (account.clone(), resource.clone(), role.clone(), id.clone());
        let state = self.state();
        let data = state.scopes.get(scope);
        Ok(ids.iter().map(|id| data.and_then(|data| data.links.get(&key(id)).cloned())).collect())
    }

    async fn links_by_remote(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Link>>> {
        let state = self.state();
        let mut by_remote: HashMap<&RemoteId, &Link> = HashMap::new();
        let links = state.scopes.get(scope).into_iter().flat_map(|data| data.links.values());
        let rank = |link: &Link| (link.state != LinkState::Live, link.local.clone(), link.role.clone());
        for link in links.filter(|link| link.account == *account && link.resource == *resource) {
            if let Some(remote) = &link.remote {
                let best = by_remote.entry(remote).or_insert(link);
                if rank(link) < rank(best) {
                    *best = link;
                }
            }
        }
        Ok(ids.iter().map(|id| by_remote.get(id).map(|link| (*link).clone())).collect())
    }

    async fn holders_of_keys(
        &self,
        scope: &Scope,
        account: &AccountId,
        resource: &ResourceName,
        role: &Role,
        keys: &[String],
    ) -> Result<Vec<Vec<LocalId>>> {
        let state = self.state();
        let mut holders: HashMap<&str, Vec<LocalId>> = keys.iter().map(|key| (key.as_str(), Vec::new())).collect();
        let mut hold = |key: Option<&String>, local: &LocalId| {
            if let Some(holders) = key.and_then(|key| holders.get_mut(key.as_str())) {
                holders.push(local.clone());
            }
        };
        if let Some(data) = state.scopes.get(scope) {
            for link in links_after(data, account, resource, role, None) {
                if matches!(link.state, LinkState::Open | LinkState::Live) {
                    hold(link.key.as_ref(), &link.local);
                }
            }
            for item in data.items.values().filter(|item| item.resource == *resource) {
                if item.outcome.kind == OutcomeKind::Question || item.outcome.code == code::SHARED_KEY {
                    hold(item.key.as_ref(), &item.local);
                }
            }
        }
        for locals in holders.values_mut() {
            locals.sort();
            locals.dedup();
        }
        Ok(keys.iter().map(|key| holders.get(key.as_str()).cloned().unwrap_or_default()).collect())
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
        let head = |link: &Link| LinkHead {
            local: link.local.clone(),
            remote: link.remote.clone(),
            state: link.state,
            hash: link.hash,
        };
        self.read(scope, |data| links_after(data, account, resource, role, after).take(limit).map(head).collect())
    }

    async fn link_counts(&self, scope: &Scope, account: &AccountId) -> Result<Vec<LinkCount>> {
        self.read(scope, |data| {
            let mut counts: BTreeMap<_, u64> = BTreeMap::new();
            for link in data.links.values().filter(|link| link.account == *account) {
                *counts.entry((&link.resource, &link.role, &link.container, link.state)).or_default() += 1;
            }
            let count = |((resource, role, container, state), count): ((&ResourceName, &Role, &Option<_>, _), u64)| {
                LinkCount { resource: resource.clone(), role: role.clone(), container: container.clone(), state, count }
            };
            counts.into_iter().map(count).collect()
        })
    }

    async fn seen_by_key(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        keys: &[String],
    ) -> Result<Vec<Vec<Remote>>> {
        let none = || vec![Vec::new(); keys.len()];
        let found = self.read_plan(scope, run, |plan| Some(plan.seen_by_key(resource, container, keys)))?;
        Ok(found.unwrap_or_else(none))
    }

    async fn seen_by_remote(
        &self,
        scope: &Scope,
        run: &RunId,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
    ) -> Result<Vec<Option<Remote>>> {
        let found = self.read_plan(scope, run, |plan| Some(plan.seen_by_remote(resource, container, ids)))?;
        Ok(found.unwrap_or_else(|| vec![None; ids.len()]))
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
        let state = self.state();
        let plan = state.scopes.get(scope).and_then(|data| data.plans.get(run));
        let n_open = |seq: &u64| {
            let states = plan.and_then(|plan| plan.operations.get(seq)).map(|op| op.states.iter());
            states.into_iter().flatten().filter(|state| **state != PartState::Done).count()
        };
        Ok(seqs.iter().map(|seq| u32::try_from(n_open(seq)).unwrap_or(u32::MAX)).collect())
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
        let state = self.state();
        let data = state.scopes.get(scope);
        let item = |id: &LocalId| data?.items.get(&(resource.clone(), id.clone())).cloned();
        Ok(ids.iter().map(item).collect())
    }

    async fn items_due(
        &self,
        scope: &Scope,
        resource: &ResourceName,
        now: Timestamp,
        grants: &[&str],
        after: Option<&LocalId>,
        limit: usize,
    ) -> Result<Vec<Item>> {
        let is_due = |item: &&Item| {
            item.resource == *resource
                && after.is_none_or(|after| item.local > *after)
                && (item.due.is_some_and(|due| due.as_millisecond() <= now.as_millisecond())
                    || item.needs_grant.as_ref().is_some_and(|grant| grants.contains(&grant.as_str())))
        };
        self.read(scope, |data| data.items.values().filter(is_due).take(limit).cloned().collect())
    }

    async fn items(&self, scope: &Scope, after: Option<(&ResourceName, &LocalId)>, limit: usize) -> Result<Vec<Item>> {
        self.read(scope, |data| {
            let items = data.items.values();
            let items = items.filter(|item| after.is_none_or(|after| (&item.resource, &item.local) > after));
            items.take(limit).cloned().collect()
        })
    }

    async fn item_counts(&self, scope: &Scope, since_run: Option<&RunId>) -> Result<Vec<ItemCount>> {
        self.read(scope, |data| {
            let mut counts: BTreeMap<(OutcomeKind, &str), u64> = BTreeMap::new();
            for item in data.items.values().filter(|item| since_run.is_none_or(|run| item.run == *run)) {
                *counts.entry((item.outcome.kind, &item.outcome.code)).or_default() += 1;
            }
            counts.into_iter().map(|((kind, code), count)| ItemCount { kind, code: code.to_owned(), count }).collect()
        })
    }

    async fn retry_items(&self, scope: &Scope, ids: Option<&[LocalId]>, now: Timestamp) -> Result<u64> {
        let mut state = self.state();
        let items = state.scopes.get_mut(scope).into_iter().flat_map(|data| data.items.values_mut());
        let failed = items.filter(|item| item.outcome.kind == OutcomeKind::Failed);
        let mut n_items = 0;
        for item in failed.filter(|item| ids.is_none_or(|ids| ids.contains(&item.local))) {
            item.due = Some(now);
            n_items += 1;
        }
        Ok(n_items)
    }

    async fn run(&self, scope: &Scope, run: &RunId) -> Result<Option<RunRow>> {
        self.read(scope, |data| data.runs.get(run).cloned())
    }

    async fn runs(&self, scope: &Scope, before: Option<Timestamp>, limit: usize) -> Result<Vec<RunRow>> {
        self.read(scope, |data| {
            let mut rows: Vec<_> =
                data.runs.values().map(|row| ((row.started_at.as_millisecond(), row.id.as_str()), row)).collect();
            rows.retain(|((started_ms, _), _)| before.is_none_or(|before| *started_ms < before.as_millisecond()));
            newest(&mut rows);
            rows.into_iter().take(limit).map(|(_, row)| row.clone()).collect()
        })
    }

    async fn outcomes(&self, scope: &Scope, run: &RunId, after: u64, limit: usize) -> Result<Vec<(u64, OutcomeRow)>> {
        self.read(scope, |data| {
            let rows = data.outcomes.range((Bound::Excluded(after), Bound::Unbounded));
            let rows = rows.filter(|(_, (of, _))| of == run);
            rows.take(limit).map(|(number, (_, row))| (*number, row.clone())).collect()
        })
    }

    async fn trail(&self, scope: &Scope, id: &str, limit: usize) -> Result<Vec<(RunId, OutcomeRow)>> {
        self.read(scope, |data| {
            let rows = data.outcomes.values().rev().filter(|(_, row)| {
                row.local.as_ref().is_some_and(|local| local.as_str() == id)
                    || row.remote.as_ref().is_some_and(|remote| remote.as_str() == id)
            });
            rows.take(limit).cloned().collect()
        })
    }

    async fn links_of(&self, scope: &Scope, id: &str) -> Result<Vec<Link>> {
        self.read(scope, |data| {
            let links = data.links.values().filter(|link| {
                link.local.as_str() == id || link.remote.as_ref().is_some_and(|remote| remote.as_str() == id)
            });
            links.cloned().collect()
        })
    }

    async fn questions(&self, scope: &Scope, open: bool, after: Option<&QuestionId>, limit: usize) -> Result<Vec<Question>> {
        self.read(scope, |data| {
            let place = |question: &Question| (question.asked_at.as_millisecond(), question.id.clone());
            let after = after.map(|id| data.questions.get(id).map(place));
            let mut rows: Vec<&Question> = data.questions.values().filter(|row| !open || row.answer.is_none()).collect();
            // After a question that is gone there is nothing: the caller starts over.
            rows.retain(|row| after.as_ref().is_none_or(|after| after.as_ref().is_some_and(|after| place(row) > *after)));
            rows.sort_by_key(|row| place(row));
            rows.into_iter().take(limit).cloned().collect()
        })
    }

    async fn questions_by_id(&self, scope: &Scope, ids: &[QuestionId]) -> Result<Vec<Option<Question>>> {
        let state = self.state();
        let data = state.scopes.get(scope);
        Ok(ids.iter().map(|id| data.and_then(|data| data.questions.get(id).cloned())).collect())
    }

    async fn answer(&self, scope: &Scope, id: &QuestionId, answer: Answer) -> Result<()> {
        history::answer(self.state().scopes.get_mut(scope), id, answer)
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
