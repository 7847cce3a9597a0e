//! Apply: resource by resource in dependency order, stage by stage, in batches; one store commit per answered call.

use std::{
    collections::{HashSet, VecDeque},
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use sync_core::{LocalId, Outcome, OutcomeKind, Reason, RunId};

use super::{
    call::{self, Sent},
    halt::Halt,
    planner::{Planner, Why},
    session::{Session, Settled},
};
use crate::{Base, Change, Link, LinkState, PlannedRow, ReadyPart};

/// Applies the run's plan.
pub(crate) async fn apply(s: &Session<'_>, seq: &mut u64) -> Result<(), Halt> {
    for idx in 0..s.ask.resources.len() {
        link_only(s, idx).await?;
        let again = drain(s, idx, &s.run, None).await?;
        // What moved or was taken there is read, planned and written again, once.
        let Some(ask) = s.ask.resources.get(idx) else { continue };
        let mut planner = Planner::new(s, ask, *seq, false);
        for ids in again.chunks(s.engine.config.page) {
            let locals = super::local::read_ids(s, ask, ids).await?;
            planner.take(locals, Why::Again).await?;
        }
        *seq = planner.seq;
        if !again.is_empty() {
            link_only(s, idx).await?;
            let still = drain(s, idx, &s.run, None).await?;
            let mut changes = Vec::new();
            for id in &still {
                let outcome = Outcome::new(
                    OutcomeKind::Failed,
                    sync_core::code::KEEPS_MOVING,
                    "it changed there twice while it was written",
                )
                .until(super::session::later(s.now(), s.engine.config.retry_after));
                changes.extend(s.settle_item(Settled::new(&ask.resource.name, id, outcome)));
            }
            s.commit(changes).await?;
        }
    }
    Ok(())
}

/// Operations without a call: records that are the same on both sides are linked.
async fn link_only(s: &Session<'_>, resource_idx: usize) -> Result<(), Halt> {
    let Some(ask) = s.ask.resources.get(resource_idx) else { return Ok(()) };
    if s.report().planned.links.get(&ask.resource.name).copied().unwrap_or(0) == 0 {
        return Ok(());
    }
    let mut after = 0;
    loop {
        s.check_cancel()?;
        s.keep_lease().await?;
        let rows =
            s.engine.store.plan_page(&s.scope, &s.run, after, s.engine.config.page).await.map_err(|error| s.halt(error))?;
        let Some(last) = rows.last() else { break };
        after = last.planned.seq;
        let mut changes = Vec::new();
        for row in rows.iter().filter(|row| row.states.is_empty() && row.planned.operation.resource == ask.resource.name) {
            changes.extend(link_changes(s, row, &ask.rules.mapping));
        }
        s.commit(changes).await?;
    }
    // Linked now; a second call for what was planned again must not count them twice.
    s.report().planned.links.remove(&ask.resource.name);
    Ok(())
}

fn link_changes(s: &Session<'_>, row: &PlannedRow, mapping: &str) -> Vec<Change> {
    let operation = &row.planned.operation;
    let Some(before) = &operation.before else { return Vec::new() };
    let link = Link {
        account: s.account.clone(),
        resource: operation.resource.clone(),
        local: operation.local.clone(),
        role: operation.role.clone(),
        container: operation.container.clone(),
        remote: Some(before.id.clone()),
        state: LinkState::Live,
        key: row.planned.key.clone(),
        hash: row.planned.hash,
        base: Some(Base {
            remote: Some(before.fields.clone()).filter(|remote| *remote != operation.fields),
            local: operation.fields.clone(),
            version: before.version.clone(),
            state: before.state.clone(),
            native: before.native.clone(),
            mapping: mapping.to_owned(),
        }),
        call: None,
    };
    let mut changes = vec![Change::PutLink(link)];
    changes.extend(s.settle_item(Settled {
        remote: Some(&before.id),
        ..Settled::new(&operation.resource, &operation.local, Outcome::new(OutcomeKind::Linked, sync_core::code::DONE, ""))
    }));
    changes
}

/// Sends everything that is ready of one resource in a plan. `stages_from`: only later stages, of operations that an
/// interrupted run began. Returns the records that must be planned again.
pub(crate) async fn drain(
    s: &Session<'_>,
    resource_idx: usize,
    run: &RunId,
    stages_from: Option<u8>,
) -> Result<Vec<LocalId>, Halt> {
    let Some(ask) = s.ask.resources.get(resource_idx) else { return Ok(Vec::new()) };
    let name = &ask.resource.name;
    let mut again = Vec::new();
    let mut done_stage: Option<u8> = None;
    loop {
        let stages = s.engine.store.ready_stages(&s.scope, run, name).await.map_err(|error| s.halt(error))?;
        let next = stages
            .into_iter()
            .find(|stage| done_stage.is_none_or(|done| *stage > done) && stages_from.is_none_or(|from| *stage >= from));
        let Some(stage) = next else { return Ok(again) };
        drain_stage(s, resource_idx, run, stage, stages_from.is_some(), &mut again).await?;
        done_stage = Some(stage);
    }
}

async fn drain_stage(
    s: &Session<'_>,
    resource_idx: usize,
    run: &RunId,
    stage: u8,
    only_begun: bool,
    again: &mut Vec<LocalId>,
) -> Result<(), Halt> {
    let Some(ask) = s.ask.resources.get(resource_idx) else { return Ok(()) };
    let limit = s.engine.config.window.max(1);
    let mut after: Option<(String, u64, u32)> = None;
    let mut is_done = false;
    // Parts of a group that may go on in the next page wait for it, so that no call goes out half full.
    let mut carry: Vec<ReadyPart> = Vec::new();
    let mut queue: VecDeque<Vec<ReadyPart>> = VecDeque::new();
    let mut busy: HashSet<String> = HashSet::new();
    let mut busy_ops: HashSet<u64> = HashSet::new();
    let mut under_way = FuturesUnordered::new();
    let mut answered = VecDeque::new();
    let concurrency = s.input.descriptor.concurrency.max(1);
    let mut halt: Option<Halt> = None;
    loop {
        while halt.is_none() && queue.len() < concurrency && !is_done {
            let place = after.as_ref().map(|(group, seq, part_idx)| (group.as_str(), *seq, *part_idx));
            let reading = s.engine.store.ready_parts(&s.scope, run, &ask.resource.name, stage, place, limit);
            let page = match beside(&mut under_way, &mut answered, reading).await {
                Ok(page) => page,
                Err(error) => {
                    halt = Some(s.halt(error));
                    break;
                }
            };
            is_done = page.len() < limit;
            after = page.last().map(|part| (part.part.group.clone(), part.seq, part.part_idx)).or(after);
            let page = page.into_iter().filter(|part| !only_begun || part.is_begun());
            for part in page {
                let starts_new = carry
                    .last()
                    .is_some_and(|last| last.part.group != part.part.group || carry.len() >= last.part.max.max(1) as usize);
                if starts_new {
                    queue.push_back(std::mem::take(&mut carry));
                }
                carry.push(part);
            }
            if is_done && !carry.is_empty() {
                queue.push_back(std::mem::take(&mut carry));
            }
        }
        while halt.is_none() && under_way.len() < concurrency {
            // Two parts of one operation never go at once: the last to be done makes the base.
            let is_free = |set: &Vec<ReadyPart>| {
                set.first().is_none_or(|part| !part.part.serial || !busy.contains(&part.part.group))
                    && !set.iter().any(|part| busy_ops.contains(&part.seq))
            };
            let Some(idx) = queue.iter().position(is_free) else { break };
            let Some(set) = queue.remove(idx) else { break };
            if let Err(stop) = beside(&mut under_way, &mut answered, ready_to_send(s)).await {
                halt = Some(stop);
                break;
            }
            let group = set.first().map(|part| part.part.group.clone()).unwrap_or_default();
            if set.first().is_some_and(|part| part.part.serial) {
                busy.insert(group.clone());
            }
            let seqs: Vec<u64> = set.iter().filter(|part| part.n_parts > 1).map(|part| part.seq).collect();
            busy_ops.extend(&seqs);
            under_way.push(async move { (group, seqs, call::send(s, resource_idx, run, set).await) });
        }
        let next = match answered.pop_front() {
            Some(next) => Some(next),
            None => under_way.next().await,
        };
        match next {
            None if halt.is_some() => break,
            None if queue.is_empty() && is_done => break,
            None => continue,
            Some((group, seqs, sent)) => {
                busy.remove(&group);
                seqs.iter().for_each(|seq| {
                    busy_ops.remove(seq);
                });
                match sent {
                    Ok(Sent { again: more, split }) => {
                        again.extend(more);
                        for set in split.into_iter().rev() {
                            queue.push_front(set);
                        }
                    }
                    // What is under way is finished and recorded; nothing new is started.
                    Err(stop) => halt = halt.or(Some(stop)),
                }
            }
        }
    }
    halt.map_or(Ok(()), Err)
}

/// Awaits `other` while what is under way goes on: a call that stood still might hold what `other` waits for, such as the
/// store's last connection.
async fn beside<F: Future, T>(
    under_way: &mut FuturesUnordered<F>,
    answered: &mut VecDeque<F::Output>,
    other: impl Future<Output = T>,
) -> T {
    let mut other = pin!(other);
    poll_fn(|cx| {
        if let Poll::Ready(done) = other.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        while let Poll::Ready(Some(answer)) = under_way.poll_next_unpin(cx) {
            answered.push_back(answer);
        }
        Poll::Pending
    })
    .await
}

async fn ready_to_send(s: &Session<'_>) -> Result<(), Halt> {
    s.check_cancel()?;
    s.keep_lease().await
}

impl ReadyPart {
    /// True when an earlier part of its operation is done: what is open are this part and later ones.
    fn is_begun(&self) -> bool {
        self.part_idx > 0 && self.n_open <= self.n_parts.saturating_sub(self.part_idx)
    }
}

/// True when an operation only links.
pub(crate) fn is_match(reason: Reason) -> bool {
    reason == Reason::Matched
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn calls_under_way_go_on_while_the_store_is_awaited() {
        let connection = Arc::new(Semaphore::new(1));
        let mut under_way = FuturesUnordered::new();
        let taken = Arc::clone(&connection);
        under_way.push(async move {
            let _held = taken.acquire().await;
            tokio::task::yield_now().await;
            "answered"
        });
        // The call has the only connection, and stands still in the middle of its work.
        assert!(futures_util::poll!(under_way.next()).is_pending());
        let mut answered = VecDeque::new();
        let page = beside(&mut under_way, &mut answered, async { connection.acquire().await.is_ok() });
        assert!(tokio::time::timeout(std::time::Duration::from_secs(10), page).await.unwrap());
        assert_eq!(answered, ["answered"]);
    }
}
