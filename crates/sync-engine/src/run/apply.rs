//! Apply: resource by resource in dependency order, stage by stage, in batches; one store commit per answered call.

use std::{
    collections::{HashSet, VecDeque},
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use sync_core::{
    Error, ErrorKind, LocalId, Outcome, OutcomeKind, Reason, RemoteId, RunId, Serial, code,
    zoo::{self, Defect},
};

use super::{
    ask::ResourceAsk,
    base::{Agreed, amended_base, next_base},
    call::{self, Again, Sent},
    halt::Halt,
    planner::{Planner, Why},
    recover,
    session::{Session, Settled, later},
    slices,
};
use crate::{Change, Link, LinkState, PlannedPart, PlannedRow, ReadyPart};

/// Applies the run's plan.
pub(crate) async fn apply(s: &Session<'_>, seq: &mut u64) -> Result<(), Halt> {
    for (idx, ask) in s.ask.resources.iter().enumerate() {
        let n_links = s.report().planned.links.get(&ask.resource.name).copied().unwrap_or(0);
        if n_links > 0 {
            link_only(s, idx, 0).await?;
        }
    }
    if !s.has_slices() {
        return apply_slice(s, seq, None).await;
    }
    // What belongs together goes together: a stop between two slices leaves nothing half done.
    for slice in 0..=s.last_slice() {
        apply_slice(s, seq, Some(slice)).await?;
    }
    Ok(())
}

async fn apply_slice(s: &Session<'_>, seq: &mut u64, slice: Option<u32>) -> Result<(), Halt> {
    // What is taken back goes in reverse: what refers to others first.
    let mut order: Vec<usize> = (0..s.ask.resources.len()).collect();
    if s.input.options.undo.is_some() {
        order.reverse();
    }
    for idx in order {
        let first_seq = *seq;
        let again = drain(s, idx, &s.run, None, slice).await?;
        let Some(ask) = s.ask.resources.get(idx) else { continue };
        if again.is_empty() || zoo::is(Defect::IgnoresMoved) {
            continue;
        }
        for (id, _) in &again {
            s.note_weighed_again(&ask.resource.name, id);
        }
        // What moved or was taken there is read, planned and written again, once.
        let mut planner = Planner::new(s, ask, *seq, false);
        planner.is_again = true;
        planner.may_repeat = true;
        planner.slice_now = slice;
        let because = |of: Again| again.iter().filter(move |(_, why)| *why == of).map(|(local, _)| local.clone()).collect();
        (planner.put_back, planner.taken) = (because(Again::Refused), because(Again::Taken));
        for records in again.chunks(s.engine.config.page) {
            let ids: Vec<LocalId> = records.iter().map(|(id, _)| id.clone()).collect();
            // A record that is only there is looked up there.
            let (only_there, ids): (Vec<LocalId>, Vec<LocalId>) = ids.into_iter().partition(|id| id.as_remote().is_some());
            let locals = super::local::read_ids(s, ask, &ids).await?;
            planner.take(locals, Why::Again).await?;
            let only_there: Vec<RemoteId> = only_there.iter().filter_map(LocalId::as_remote).collect();
            super::remote::due(s, &mut planner, only_there).await?;
        }
        planner.resolve_groups(Why::Again).await?;
        *seq = planner.seq;
        if planner.again_links > 0 {
            link_only(s, idx, first_seq).await?;
        }
        let still = drain(s, idx, &s.run, None, slice).await?;
        let mut changes = Vec::new();
        for (id, why) in &still {
            changes.extend(s.settle_item(Settled::new(&ask.resource.name, id, gave_up(s, *why))));
        }
        s.commit(changes).await?;
    }
    Ok(())
}

/// What becomes of a record that was planned twice and still didn't go.
fn gave_up(s: &Session<'_>, why: Again) -> Outcome {
    match why {
        Again::Moved => Outcome::new(OutcomeKind::Failed, code::KEEPS_MOVING, "it changed there twice while it was written")
            .until(later(s.now(), s.engine.config.retry_after)),
        Again::Refused => {
            Outcome::new(OutcomeKind::Failed, code::REFUSED_HERE, "it can neither be written here nor put back there")
                .until(later(s.now(), s.engine.config.retry_after))
        }
        Again::Taken => {
            let error = Error::new(ErrorKind::Taken, "its address or name belongs to another record there")
                .with_remedy("Correct one of the two, here or there; after a change there, retry it.");
            Outcome::failed(&error)
        }
    }
}

/// Operations without a call: records that are the same on both sides are linked.
async fn link_only(s: &Session<'_>, resource_idx: usize, from: u64) -> Result<(), Halt> {
    let Some(ask) = s.ask.resources.get(resource_idx) else { return Ok(()) };
    let mut after = from;
    loop {
        s.check_cancel()?;
        s.keep_lease().await?;
        let rows =
            s.engine.store.plan_page(&s.scope, &s.run, after, s.engine.config.page).await.map_err(|error| s.halt(error))?;
        let Some(last) = rows.last() else { break };
        after = last.planned.seq;
        let mut changes = Vec::new();
        let is_link = |row: &&PlannedRow| row.states.is_empty() && row.planned.operation.resource == ask.resource.name;
        let amended = rows.iter().filter(is_link).map(|row| &row.planned.operation);
        let mains = call::main_links(s, ask, amended).await?;
        for row in rows.iter().filter(is_link) {
            changes.extend(link_changes(s, row, ask, &mains));
        }
        s.commit(changes).await?;
    }
    Ok(())
}

fn link_changes(s: &Session<'_>, row: &PlannedRow, ask: &ResourceAsk, mains: &[Link]) -> Vec<Change> {
    let operation = &row.planned.operation;
    let Some(before) = &operation.before else { return Vec::new() };
    s.note_adopted(&operation.resource, &operation.local);
    let main = operation.amends.as_ref().and_then(|amends| {
        let main = mains.iter().find(|main| main.local == operation.local)?;
        let base = amended_base(ask, main.base.as_ref()?, &amends.fields);
        Some(Change::PutLink(Link { hash: row.planned.hash, base: Some(base), ..main.clone() }))
    });
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
        base: Some(next_base(
            ask,
            None,
            Agreed {
                fields: &operation.fields,
                shown: Some(&before.fields),
                matched: Some(&before.fields),
                written: None,
                open: &operation.open,
                version: before.version.clone(),
                state: before.state.clone(),
                native: before.native.clone(),
            },
        )),
        call: None,
    };
    let mut changes = vec![Change::PutLink(link)];
    changes.extend(main);
    let code = operation.linked_as.clone().unwrap_or(code::DONE.into());
    changes.extend(s.settle_item(Settled {
        remote: Some(&before.id),
        ..Settled::new(&operation.resource, &operation.local, Outcome::new(OutcomeKind::Linked, code, ""))
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
    slice: Option<u32>,
) -> Result<Vec<(LocalId, Again)>, Halt> {
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
        drain_stage(s, resource_idx, run, stage, stages_from.is_some(), slice, &mut again).await?;
        done_stage = Some(stage);
    }
}

async fn drain_stage(
    s: &Session<'_>,
    resource_idx: usize,
    run: &RunId,
    stage: u8,
    only_begun: bool,
    slice: Option<u32>,
    again: &mut Vec<(LocalId, Again)>,
) -> Result<(), Halt> {
    let Some(ask) = s.ask.resources.get(resource_idx) else { return Ok(()) };
    let limit = s.engine.config.window.max(1);
    let mark = slice.map(slices::mark);
    let mut after: Option<(String, u64, u32)> = mark.clone().map(|mark| (mark, 0, 0));
    let mut is_done = false;
    // Parts of a group that may go on in the next page wait for it, so that no call goes out half full.
    let mut carry: Vec<ReadyPart> = Vec::new();
    let mut queue: VecDeque<Vec<ReadyPart>> = VecDeque::new();
    let mut busy: HashSet<String> = HashSet::new();
    // Groups of which the first call was answered.
    let mut led: HashSet<String> = HashSet::new();
    let mut busy_ops: HashSet<u64> = HashSet::new();
    let mut under_way = FuturesUnordered::new();
    let mut answered = VecDeque::new();
    let concurrency = s.input.descriptor.concurrency.max(1);
    let mut halt: Option<Halt> = None;
    loop {
        // As many as can go now, and one call ahead: what waits is held in memory.
        while halt.is_none() && queue.len() < concurrency.saturating_sub(under_way.len()).max(1) && !is_done {
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
            let mut page = page;
            if let Some(mark) = &mark {
                let n = page.len();
                page.retain(|part| part.part.group.starts_with(mark.as_str()));
                is_done |= page.len() < n;
            }
            after = page.last().map(|part| (part.part.group.clone(), part.seq, part.part_idx)).or(after);
            if only_begun {
                page.retain(ReadyPart::is_begun);
                let facts = s.known_facts();
                let (rest, stale) = page.into_iter().partition(|part| recover::still_holds(s, &facts, part));
                page = rest;
                let stale: Vec<ReadyPart> = stale;
                let held = stale.iter().flat_map(|part| call::hold(part, run)).collect();
                if let Err(stop) = beside(&mut under_way, &mut answered, s.commit(held)).await {
                    halt = Some(stop);
                    break;
                }
                again.extend(stale.into_iter().map(|part| (part.operation.local, Again::Moved)));
            }
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
                set.first().is_none_or(|part| !waits(&part.part, &led) || !busy.contains(&part.part.group))
                    && !set.iter().any(|part| busy_ops.contains(&part.seq))
            };
            let Some(idx) = queue.iter().position(is_free) else { break };
            let Some(set) = queue.remove(idx) else { break };
            if let Err(stop) = beside(&mut under_way, &mut answered, ready_to_send(s)).await {
                halt = Some(stop);
                break;
            }
            let group = set.first().map(|part| part.part.group.clone()).unwrap_or_default();
            if set.first().is_some_and(|part| waits(&part.part, &led)) {
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
                        if split.is_empty() {
                            led.insert(group);
                        }
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

/// True when a part's call may not go beside another one of its group.
fn waits(part: &PlannedPart, led: &HashSet<String>) -> bool {
    match part.serial {
        Serial::No => false,
        Serial::First => !led.contains(&part.group),
        Serial::Always => true,
    }
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
    /// True when no other part of its operation is open.
    pub(crate) fn is_last(&self) -> bool {
        self.n_open <= 1
    }

    /// True when a part of its operation is done.
    pub(crate) fn is_begun(&self) -> bool {
        self.n_open < self.n_parts
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
