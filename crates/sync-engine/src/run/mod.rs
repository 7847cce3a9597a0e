//! One run: lease, recover, observe, plan, gate, apply, report. The only place that orders effects.

mod apply;
mod arrived;
mod ask;
mod base;
mod call;
mod finish;
mod gate;
mod halt;
mod here;
mod local;
mod notes;
mod observe;
mod only;
mod planner;
mod questions;
mod recover;
mod refs;
mod remote;
mod report;
mod session;
mod slices;
mod undo;

use std::collections::BTreeSet;

use sync_core::{
    AccountId, Check, Error, ErrorKind, LocalId, ResourceName, RunId, Stop, Swapped, SyncResult,
    zoo::{self, Defect},
};

use self::{
    ask::Ask,
    gate::Passed,
    halt::Halt,
    planner::Planner,
    session::{Session, lease_length, millis},
};
use crate::{Acquired, Change, RunInput, RunRow, RunState, Store, engine::Inner};

/// How a run ended.
#[derive(Debug, Default)]
struct End {
    halt: Option<Halt>,
    passed: Option<Passed>,
    unsettled: recover::Unsettled,
    /// Resources that failed as a whole, and those that could not go because of them.
    failed: Vec<(ResourceName, Halt)>,
    blocked: Vec<(ResourceName, ResourceName)>,
}

/// Carries out one request.
pub(crate) async fn run(engine: &Inner, input: RunInput<'_>) -> SyncResult {
    let ask = match Ask::of(input.descriptor, input.handler, input.request, input.options.audit) {
        Ok(ask) => ask,
        Err(text) => return SyncResult::refused(text).stopped(Stop::Request),
    };
    let scope = input.request.scope();
    let store = &engine.store;
    let refused = |error: Error| {
        let halt = Halt::of(error, engine.clock.now());
        let mut result = SyncResult::refused(halt::line(&halt)).stopped(halt.stop);
        result.details.get_or_insert_default().resume_at = halt.resume_at;
        result
    };
    let run = RunId::new(engine.random.id());
    let owner = input.options.owner.clone().unwrap_or_else(|| format!("run {run}"));
    let asked_at = engine.clock.now();
    let lease = match store.acquire(&scope, &owner, millis(lease_length(engine, &input))).await {
        Ok(Acquired::Lease(lease)) => lease,
        Ok(Acquired::Held(held)) => {
            let second = |at: jiff::Timestamp| at.round(jiff::Unit::Second).unwrap_or(at);
            let text = format!(
                "A sync of {} with {} is running already: {} holds the lease since {}. It is free at {} at the latest.",
                scope.organization,
                input.descriptor.name,
                held.owner,
                second(held.since),
                second(held.expires_at)
            );
            let mut result = SyncResult::refused(text).stopped(Stop::LeaseHeld);
            result.details.get_or_insert_default().resume_at = Some(held.expires_at);
            return result;
        }
        Err(error) => return refused(error),
    };
    let installation = match store.installation().await {
        Ok(installation) => installation,
        Err(error) => {
            let _ = store.release(&lease).await;
            return refused(error);
        }
    };
    let account = input.connection.account.clone().unwrap_or_else(|| AccountId::from_static(""));
    let mut session = Session::new(engine, input, &ask, account, run, installation, lease, asked_at);
    let end = match verify_account(&mut session).await {
        Ok(()) => go(&session).await,
        Err(halt) => End { halt: Some(halt), ..End::default() },
    };
    let result = finish::finish(&session, end).await;
    // A lease that can't be given back ends by itself.
    let _ = store.release(&session.lease()).await;
    result
}

/// The account is verified once per generation of the grant: nobody's books are written into another's.
async fn verify_account(s: &mut Session<'_>) -> Result<(), Halt> {
    let store = &s.engine.store;
    let grant = store.load(&s.scope).await.map_err(|error| s.halt(error))?;
    let verified = grant.as_ref().and_then(|grant| grant.account.clone());
    let account = match (verified, &s.input.connection.account) {
        (Some(verified), _) => verified,
        // A host's own integration without a grant has the account that it was registered with.
        (None, Some(account)) if grant.is_none() => account.clone(),
        (None, _) => {
            let checked = s.input.handler.check(&s.context(), Check::Account).await.map_err(|error| s.halt(error))?;
            let Some((account, _)) = checked.accounts.into_iter().next() else {
                return Err(Halt::new(
                    Stop::Reconnect,
                    Error::new(ErrorKind::NotConnected, "the connection reaches no account")
                        .with_remedy("Connect again and choose an account."),
                ));
            };
            if let Some(mut grant) = grant {
                let generation = grant.generation;
                grant.generation += 1;
                grant.account = Some(account.clone());
                let swapped = store.swap(&s.scope, Some(generation), Some(grant)).await.map_err(|error| s.halt(error))?;
                if matches!(swapped, Swapped::Lost(_)) {
                    return Err(Halt::new(
                        Stop::Later,
                        Error::new(ErrorKind::Moved, "somebody connected again while the account was verified")
                            .with_remedy("Sync again."),
                    ));
                }
            }
            account
        }
    };
    let is_anothers = s.input.connection.account.as_ref().is_some_and(|known| *known != account);
    if is_anothers && !zoo::is(Defect::TrustsAnyAccount) {
        return Err(Halt::new(
            Stop::Settings,
            Error::new(ErrorKind::Forbidden, "the grant reaches another account than the one that was connected")
                .with_remedy("Connect again: links to the old account sleep, and the new one starts with a first plan."),
        ));
    }
    s.account = account;
    Ok(())
}

async fn go(s: &Session<'_>) -> End {
    let mut end = End::default();
    match steps(s, &mut end).await {
        Ok(()) => {}
        Err(halt) => end.halt = Some(halt),
    }
    end
}

async fn steps(s: &Session<'_>, end: &mut End) -> Result<(), Halt> {
    s.commit(vec![Change::Run(Box::new(RunRow {
        id: s.run.clone(),
        request: s.input.request.clone(),
        state: RunState::Running,
        started_at: s.now(),
        ended_at: None,
        result: None,
        plan_hash: None,
    }))])
    .await?;
    s.progress(crate::ProgressEvent::Started { run: &s.run });
    end.unsettled = recover::recover(s).await?;

    if let Some(run) = &s.input.options.undo {
        return undo::undo(s, run, end).await;
    }
    let wrote_before = s.may_have_slices() && last_run_wrote(s).await?;
    let needs = local::needs(s).await?;
    // Single items are looked up; no feed is read for them, and no cursor moves.
    let observed = match s.ask.items {
        None => observe::observe(s).await?,
        Some(_) => observe::Observed::default(),
    };
    let mut seq = 0;
    let mut cursors = Vec::new();
    let mut failed: BTreeSet<&ResourceName> = BTreeSet::new();
    for (idx, ask) in s.ask.resources.iter().enumerate() {
        if let Some(needed) = ask.resource.depends_on.iter().find(|needed| failed.contains(needed)) {
            end.blocked.push((ask.resource.name.clone(), needed.clone()));
            failed.insert(&ask.resource.name);
            continue;
        }
        let mut planner = Planner::new(s, ask, seq, observed.has_seen);
        planner.saw_all = observed.saw_all;
        planner.frees_blocked = seq > 0 || end.unsettled.recovered > 0 || wrote_before;
        let planned = match &s.ask.items {
            None => whole(s, &mut planner, &observed).await.map(|cursor| cursors.extend(cursor)),
            Some(items) => {
                let of_it: Vec<_> = items.iter().chain(&needs).filter(|item| item.resource_idx == idx).collect();
                let is_need = |item: &&ask::ItemAsk| needs.iter().any(|need| std::ptr::eq(need, *item));
                planner.needed = of_it.iter().copied().filter(is_need).map(|item| LocalId::new(item.id.clone())).collect();
                local::plan_items(s, &mut planner, &of_it).await
            }
        };
        seq = planner.seq;
        match planned {
            Ok(()) => {}
            Err(halt) if s.ask.resources.len() > 1 && matches!(halt.stop, Stop::Fault | Stop::Settings) => {
                failed.insert(&ask.resource.name);
                end.failed.push((ask.resource.name.clone(), halt));
            }
            Err(halt) => return Err(halt),
        }
    }
    let total = s.report().planned.total();
    match gate::gate(s, &observed).await {
        Ok(passed) => end.passed = Some(passed),
        Err((halt, passed)) => {
            end.passed = passed;
            return Err(halt);
        }
    }
    if !end.passed.as_ref().is_some_and(|passed| passed.apply) {
        return Ok(());
    }
    let total = match &s.input.options.only {
        Some(filter) => only::keep_only(s, filter).await?,
        None => total,
    };
    let in_use = total > 0 || !gate::needs_approval(&s.input);
    if zoo::is(Defect::MovesCursorEarly) {
        s.commit(std::mem::take(&mut cursors)).await?;
    }
    if total > 0 {
        let mut changes = local::overtaken_cursors(s).await?;
        changes.extend(gate::approved(s).await?);
        s.commit(changes).await?;
        apply::apply(s, &mut seq).await?;
    }
    // Cursors move last, over ranges of which every item is applied or recorded.
    if in_use && s.ask.items.is_none() && end.failed.is_empty() && end.blocked.is_empty() {
        // What waits for a call to settle is planned by a later run, which may need to match with all that the feed shows.
        if end.unsettled.items == 0 {
            cursors.extend(observed.cursors);
            if s.ask.resources.iter().all(|ask| ask.is_whole) {
                cursors.push(observe::settled_in(s));
            }
        }
        s.commit(cursors).await?;
    }
    Ok(())
}

/// True where the last run wrote something, or died: what others wait for may be there since they were looked at.
async fn last_run_wrote(s: &Session<'_>) -> Result<bool, Halt> {
    /// How many runs are looked at; only dry ones come between.
    const MAX_RUNS: usize = 10;
    let runs = s.engine.store.runs(&s.scope, None, MAX_RUNS).await.map_err(|error| s.halt(error))?;
    let last = runs.into_iter().find(|row| row.id != s.run && !row.request.dry_run);
    Ok(last.is_some_and(|row| row.result.is_none_or(|result| result.synced > 0)))
}

/// Plans one resource: what changed there, where both sides count, and what changed here, where this run may write there.
async fn whole(
    s: &Session<'_>,
    planner: &mut Planner<'_, '_>,
    observed: &observe::Observed,
) -> Result<Option<Change>, Halt> {
    let ask = planner.ask;
    if ask.is_two_way() {
        remote::plan_resource(s, planner, observed).await?;
    }
    if ask.direction == sync_core::Direction::Pull && !s.is_audit() {
        // What changed here is left to a run that may write there.
        local::due_items(s, planner).await?;
        planner.finish().await?;
        return Ok(None);
    }
    local::plan_resource(s, planner).await
}

/// Hands facts to the host until it has taken all; what it doesn't take stays queued.
async fn deliver_facts(s: &Session<'_>) -> Result<u64, Error> {
    const PAGE: usize = 500;
    let Some(sink) = &s.engine.consent else { return Ok(0) };
    let store: &dyn Store = &*s.engine.store;
    let mut taken = 0;
    loop {
        let facts = store.facts_pending(&s.scope, PAGE).await?;
        if facts.is_empty() {
            return Ok(taken);
        }
        sink.record(&s.scope.organization, &facts).await?;
        let ids: Vec<String> = facts.iter().map(|fact| fact.id.clone()).collect();
        store.facts_taken(&s.scope, &ids).await?;
        taken += facts.len() as u64;
    }
}
