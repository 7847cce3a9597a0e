//! The laws that are the same for every provider, looked at from outside.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use sync_core::{Outcome, OutcomeKind, Scope, SyncRequest, SyncResult};
use sync_dispatch::{Dispatcher, RunOptions};
use sync_engine::{Item, RunState};

use super::world::{Place, World};
use crate::CANARY;

/// Most calls of a run that finds nothing: one for each feed and container, and one to look at the settings.
const MAX_IDLE_CALLS: usize = 4;

/// Most calls beyond that where nothing was approved yet: what is left behind and what is new, from their start.
const MAX_FIRST_PAGES: usize = 6;

/// True when a run found nothing to do and nothing waits for time.
pub(crate) fn is_at_rest(result: &SyncResult) -> bool {
    let details = result.details.as_ref();
    let waits = details.is_some_and(|details| details.outcomes.of("pending") > 0 || details.resume_at.is_some());
    result.success && result.synced == 0 && !waits
}

/// A result in few words.
pub(crate) fn brief(result: &SyncResult) -> String {
    let details = result.details.clone().unwrap_or_default();
    format!(
        "success {}, synced {}, failed {}, stopped {:?}, planned {:?}, outcomes {:?}, errors {:?}",
        result.success, result.synced, result.failed, details.stopped, details.planned.0, details.outcomes.0, result.errors
    )
}

/// How many writes went out since the log was last taken.
pub(crate) fn n_writes(world: &World) -> usize {
    world.wire.take_log().iter().filter(|sent| is_write(sent)).count()
}

/// True for what can change a record. Signing in changes none, and a batch may consist of reads alone.
fn is_write(sent: &sync_testkit::Sent) -> bool {
    let is_of_writes = || {
        let body = String::from_utf8_lossy(&sent.body);
        body.lines().any(|line| ["POST /", "PUT /", "PATCH /", "DELETE /"].iter().any(|verb| line.starts_with(verb)))
    };
    let path = sent.uri.path();
    sent.is_write() && !path.ends_with("/token") && (!path.starts_with("/batch/") || is_of_writes())
}

/// What a dry run must leave as it is, by name.
pub(crate) async fn kept(dispatcher: &Dispatcher, scope: &Scope) -> BTreeMap<String, String> {
    let store = dispatcher.store();
    let mut kept = BTreeMap::new();
    let row = store.connection(scope).await.ok().flatten();
    let account = row.as_ref().and_then(|row| row.account.clone());
    kept.insert("approved".to_owned(), format!("{:?}", row.map(|row| (row.approved, row.settings.to_string()))));
    kept.insert("calls".to_owned(), format!("{:?}", store.open_calls(scope).await));
    kept.insert("items".to_owned(), format!("{:?}", store.items(scope, None, 1_000).await));
    kept.insert("questions".to_owned(), format!("{:?}", store.questions(scope, false, None, 1_000).await));
    for id in store.items(scope, None, 1_000).await.into_iter().flatten().map(|item| item.local) {
        kept.insert(format!("links of {id}"), format!("{:?}", store.links_of(scope, id.as_str()).await));
    }
    if let Some(account) = account {
        kept.insert("links".to_owned(), format!("{:?}", store.link_counts(scope, &account).await));
    }
    kept
}

/// What differs, by name.
pub(crate) fn difference(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> String {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    names
        .filter(differs)
        .map(|name| format!("{name}: {:?} -> {:?}", before.get(name), after.get(name)))
        .collect::<Vec<_>>()
        .join("; ")
}

/// What is wrong at rest: laws 3, 5, 7, 9, 10, 14. The last run must have found nothing.
pub(crate) async fn at_rest<P: Place>(place: &P, dispatcher: &Dispatcher) -> Vec<String> {
    let world = place.world();
    let (scope, store) = (&world.scope, dispatcher.store());
    let mut broken = Vec::new();
    match store.open_calls(scope).await {
        Ok(calls) if calls.is_empty() => {}
        other => broken.push(format!("law 7: calls are open at rest: {other:?}")),
    }
    let items = store.items(scope, None, 1_000).await.unwrap_or_default();
    for item in &items {
        match item.outcome.kind {
            OutcomeKind::Pending => broken.push(format!("law 7: {} is pending at rest: {:?}", item.local, item.outcome)),
            OutcomeKind::Failed if P::LEFT_TO_PEOPLE.contains(&item.outcome.code.as_ref()) => {}
            // What it needs is held, and that is said of it.
            OutcomeKind::Blocked if items.iter().any(|other| is_held::<P>(other) && is_named(&item.outcome, other)) => {}
            OutcomeKind::Failed | OutcomeKind::Blocked => {
                broken.push(format!("law 2: {} is left {:?} at rest: {:?}", item.local, item.outcome.kind, item.outcome));
            }
            _ => {}
        }
        let asks = item.outcome.kind == OutcomeKind::Question;
        if asks && item.question.is_none() {
            broken.push(format!("law 16: {} waits for an answer that nobody can give", item.local));
        }
    }
    match store.runs(scope, None, 1).await {
        Ok(runs) if runs.first().is_some_and(|run| run.state == RunState::Done) => {}
        other => broken.push(format!("law 7: the last run did not end: {other:?}")),
    }
    let sent = world.wire.take_log();
    let n_writes = sent.iter().filter(|sent| is_write(sent)).count();
    if n_writes > 0 {
        broken.push(format!("law 3: a run that found nothing made {n_writes} writing calls"));
    }
    // Signing in again is another matter.
    let n_calls = sent.iter().filter(|sent| !sent.uri.path().ends_with("/token")).count();
    let approved = store.connection(scope).await.ok().flatten().map(|row| row.approved).unwrap_or_default();
    let awaits = place.awaits_first_plan(&approved);
    let first = if awaits { MAX_FIRST_PAGES } else { 0 };
    let standing = if items.is_empty() { 0 } else { P::STANDING_CALLS };
    if n_calls > MAX_IDLE_CALLS + first + standing + P::ECHO_PAGES {
        let paths: Vec<_> = sent.iter().map(|sent| format!("{} {}", sent.method, sent.uri.path())).collect();
        broken.push(format!("law 5: a run that found nothing made {n_calls} calls: {}", paths.join(", ")));
    }
    let summary = world.sandbox.summary();
    for effect in ["mails_sent", "reminders_sent", "invitations", "automations_started"] {
        let n_sent = summary[effect].as_u64().unwrap_or(0);
        if n_sent > 0 {
            broken.push(format!("law 9: {effect} is {n_sent}"));
        }
    }
    // Limits by minute are kept by each process for itself: a new one learns from its first answer that others used them up.
    let n_over = world.sandbox.log(false)["over_quota"].as_u64().unwrap_or(0);
    let n_processes = world.n_processes.load(Ordering::Relaxed);
    if n_over > n_processes {
        broken.push(format!("law 10: {n_over} calls of {n_processes} processes were over a quota"));
    }
    if summary["refused"].as_array().is_some_and(|refused| !refused.is_empty()) {
        broken.push(format!("sandbox: it was asked for what it does not know: {}", summary["refused"]));
    }
    if world.sandbox.state().to_string().contains(CANARY) {
        broken.push("law 14: medical notes went out".to_owned());
    }
    // What both sides have in full says the same as what was told bit by bit.
    let request = SyncRequest::new(scope.organization.clone(), scope.integration.clone());
    let audit = dispatcher.dispatch_with(request, RunOptions::new().audit()).await;
    let n_differ = audit.details.as_ref().map_or(0, |details| details.planned.total());
    // Of what was forgotten nobody knows which side changed.
    let is_known = !world.has_forgotten.load(Ordering::Relaxed);
    if place.is_two_way() && is_known && items.is_empty() && (n_differ > 0 || !audit.success) {
        let planned = planned(dispatcher, scope, &audit).await.join("; ");
        broken.push(format!("law 3: an audit finds differences at rest: {}: {planned}", brief(&audit)));
    }
    broken
}

/// True for what waits for people who know why.
fn is_held<P: Place>(item: &Item) -> bool {
    let is_left = item.outcome.kind == OutcomeKind::Failed && P::LEFT_TO_PEOPLE.contains(&item.outcome.code.as_ref());
    is_left || matches!(item.outcome.kind, OutcomeKind::Skipped | OutcomeKind::Blocked | OutcomeKind::Question)
}

/// True where an outcome names another item.
fn is_named(outcome: &Outcome, item: &Item) -> bool {
    outcome.message.contains(&format!(":{},", item.local))
}

/// What a run planned, an operation each.
async fn planned(dispatcher: &Dispatcher, scope: &Scope, result: &SyncResult) -> Vec<String> {
    let Some(run) = result.details.as_ref().and_then(|details| details.run_id.as_ref()) else { return Vec::new() };
    let rows = dispatcher.store().plan_page(scope, run, 0, 1_000).await.unwrap_or_default();
    let told = |row: &sync_engine::PlannedRow| {
        let operation = &row.planned.operation;
        let here = operation.here.as_ref().map(|here| here.fields.iter().map(|(field, _)| field).collect::<Vec<_>>());
        format!("{} {}: {:?} there, {here:?} here", operation.reason.as_str(), operation.local, operation.changed)
    };
    rows.iter().map(told).collect()
}
