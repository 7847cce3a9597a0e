//! Recover: calls that may have happened are repeated under their key, or given back to planning, which looks before it
//! writes; operations that an interrupted run began are finished.

use std::collections::HashMap;

use jiff::Timestamp;
use sync_core::{
    Facts, LocalId, Outcome, OutcomeKind, Owner, Prepare, Prepared, Safety, Verb, code,
    zoo::{self, Defect},
};

use super::{
    apply, arrived, call,
    halt::Halt,
    here,
    session::{Session, Settled, later},
    slices,
};
use crate::{CallRow, Change, LinkState, PartRow, PartState, ReadyPart, RunState};

/// What is still open after recovering: how many items, and when the first can be looked at.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    pub(crate) items: u64,
    pub(crate) until: Option<Timestamp>,
    /// Calls that are open no more.
    pub(crate) recovered: u64,
}

/// Looks at what an earlier run left open. A dry run only counts it.
pub(crate) async fn recover(s: &Session<'_>) -> Result<Unsettled, Halt> {
    let mut unsettled = Unsettled::default();
    let calls = s.engine.store.open_calls(&s.scope).await.map_err(|error| s.halt(error))?;
    // Another account's calls sleep until it is connected again.
    for row in calls.into_iter().filter(|row| row.account == s.account) {
        let is_here = s.ask.resources.iter().any(|ask| here::group(ask) == slices::bare(s.may_have_slices(), &row.group));
        let settle = match row.safety {
            // A write to the host is done when it answers, and the same again is no second one.
            _ if is_here => std::time::Duration::ZERO,
            Safety::Key { settle, .. } | Safety::LookUp { settle } => s.settle(Some(settle)),
            _ => s.settle(None),
        };
        let settled_at = if zoo::is(Defect::LooksUpTooSoon) { row.opened_at } else { later(row.not_after, settle) };
        if s.now() < settled_at || s.is_dry() {
            unsettled.items += row.parts.len() as u64;
            let parts = s.engine.store.parts(&s.scope, &row.run, &row.parts).await.map_err(|error| s.halt(error))?;
            for part in &parts {
                s.leave_until(&row.resource, &part.operation.local, settled_at);
            }
            unsettled.until = Some(unsettled.until.map_or(settled_at, |until| until.min(settled_at)));
            continue;
        }
        recover_call(s, row, is_here).await?;
        unsettled.recovered += 1;
    }
    if !s.is_dry() {
        finish_begun(s).await?;
    }
    Ok(unsettled)
}

async fn recover_call(s: &Session<'_>, row: CallRow, is_here: bool) -> Result<(), Halt> {
    let place = s.ask.resources.iter().position(|ask| ask.resource.name == row.resource);
    let Some((resource_idx, ask)) = place.and_then(|idx| Some((idx, s.ask.resources.get(idx)?))) else { return Ok(()) };
    s.check_cancel()?;
    s.keep_lease().await?;
    let mut parts = s.engine.store.parts(&s.scope, &row.run, &row.parts).await.map_err(|error| s.halt(error))?;
    let order = |part: &ReadyPart| row.parts.iter().position(|place| *place == (part.seq, part.part_idx));
    parts.sort_by_key(order);
    // What may have been made is looked for under the key that it was made with, whatever that is by now.
    let keys: HashMap<LocalId, String> = parts
        .iter()
        .filter(|part| part.operation.verb == Verb::Create)
        .filter_map(|part| Some((part.operation.local.clone(), part.key.clone()?)))
        .collect();
    let may_repeat = match row.safety {
        Safety::ClientId | Safety::Repeatable | Safety::AtLeastOnce => true,
        Safety::Key { lives, .. } => s.now() < later(row.opened_at, lives),
        Safety::LookUp { .. } | Safety::None => false,
    };
    // The plan it was made from must be there in full (the same members in the same order under the same key), and must
    // mean the same under today's settings and grants: nobody's one-time grant lives on in a recovery.
    if may_repeat && parts.len() == row.parts.len() && !parts.is_empty() {
        let facts = s.facts().await?;
        if parts.iter().all(|part| still_holds(s, &facts, part)) {
            let known = parts.clone();
            let sent = call::resend(s, resource_idx, row, parts).await?;
            let is_again = |part: &&ReadyPart| sent.again.iter().any(|(local, _)| *local == part.operation.local);
            let again: Vec<&ReadyPart> = known.iter().filter(is_again).collect();
            // The first of the two may have been carried out, whatever became of it since.
            s.commit(again.iter().filter_map(|part| call::overwritten(s, &part.operation)).collect()).await?;
            arrived::agree(s, ask, &again).await?;
            return make_due(s, resource_idx, &sent.again, &keys).await;
        }
    }
    if !is_here {
        arrived::agree(s, ask, &parts.iter().collect::<Vec<_>>()).await?;
    }
    let mut changes = vec![Change::CloseCall(row.key.clone())];
    let there = parts.iter().filter(|part| !here::is_here(part));
    changes.extend(there.filter_map(|part| call::overwritten(s, &part.operation)));
    for part in &parts {
        let operation = &part.operation;
        for part_idx in [Some(part.part_idx), None] {
            changes.push(Change::Part(PartRow { run: row.run.clone(), seq: part.seq, part_idx, state: PartState::Held }));
        }
        let link = s
            .engine
            .store
            .links_by_local(
                &s.scope,
                &s.account,
                &operation.resource,
                &operation.role,
                std::slice::from_ref(&operation.local),
            )
            .await
            .map_err(|error| s.halt(error))?
            .pop()
            .flatten();
        if link.is_some_and(|link| link.state == LinkState::Open) {
            changes.push(Change::DropLink {
                account: s.account.clone(),
                resource: operation.resource.clone(),
                local: operation.local.clone(),
                role: operation.role.clone(),
            });
        }
        let outcome = if row.safety == Safety::None {
            Outcome::new(
                OutcomeKind::Failed,
                code::UNSETTLED,
                "the answer was lost, and nothing can prove whether it happened",
            )
            .remedy(Owner::EndUserData, format!("Look for it in {}; retry only if it isn't there.", s.input.descriptor.name))
        } else {
            // Planning looks before it writes.
            Outcome::new(OutcomeKind::Pending, code::UNSETTLED, "the answer was lost; it is looked up now").until(s.now())
        };
        let key = keys.get(&operation.local).cloned();
        changes.extend(s.settle_item(Settled { key, ..Settled::new(&ask.resource.name, &operation.local, outcome) }));
    }
    s.commit(changes).await
}

/// Operations whose first parts are done go on where they stopped.
async fn finish_begun(s: &Session<'_>) -> Result<(), Halt> {
    let runs = s.engine.store.runs(&s.scope, None, LOOK_BACK).await.map_err(|error| s.halt(error))?;
    // Those that ended early, the newest first; what came before the last one that went through was settled by it.
    let early =
        runs.into_iter().filter(|run| run.id != s.run && !run.request.dry_run).take_while(|run| run.state != RunState::Done);
    for run in early {
        for resource_idx in 0..s.ask.resources.len() {
            let Some(ask) = s.ask.resources.get(resource_idx) else { continue };
            let stages =
                s.engine.store.ready_stages(&s.scope, &run.id, &ask.resource.name).await.map_err(|error| s.halt(error))?;
            if stages.iter().any(|stage| *stage > 0) {
                s.facts().await?;
                let again = apply::drain(s, resource_idx, &run.id, Some(1), None).await?;
                make_due(s, resource_idx, &again, &HashMap::new()).await?;
            }
        }
    }
    Ok(())
}

/// How many runs back begun operations are looked for.
const LOOK_BACK: usize = 10;

/// True when a part is what preparing its operation makes of it today, and nothing that it sets off lacks a grant.
pub(crate) fn still_holds(s: &Session<'_>, facts: &Facts, part: &ReadyPart) -> bool {
    if here::is_here(part) {
        return s.engine.records.writing().is_some();
    }
    match s.input.handler.prepare(Prepare::new(facts, &s.grants, &part.operation)) {
        Ok(Prepared::Parts(parts)) => parts.get(part.part_idx as usize).is_some_and(|today| {
            today.group == slices::bare(s.may_have_slices(), &part.part.group)
                && today.stage == part.part.stage
                && today.effects.iter().all(|effect| s.grants.allow(*effect))
        }),
        _ => false,
    }
}

async fn make_due(
    s: &Session<'_>,
    resource_idx: usize,
    ids: &[(LocalId, call::Again)],
    keys: &HashMap<LocalId, String>,
) -> Result<(), Halt> {
    let Some(ask) = s.ask.resources.get(resource_idx) else { return Ok(()) };
    let mut changes = Vec::new();
    for (id, _) in ids {
        let outcome = Outcome::new(OutcomeKind::Pending, code::UNSETTLED, "it is looked up now").until(s.now());
        let key = keys.get(id).cloned();
        changes.extend(s.settle_item(Settled { key, ..Settled::new(&ask.resource.name, id, outcome) }));
    }
    s.commit(changes).await
}
