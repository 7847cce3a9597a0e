//! Gate: what a plan comes to, and whether it may go. Dry run, first-plan approval and breaker are this one place.

use sync_core::{
    Error, ErrorKind, Facts, PlanDigest, PlanHash, Stop,
    zoo::{self, Defect},
};

use super::{ask::ResourceAsk, halt::Halt, observe::Observed, session::Session};
use crate::{Change, ConnectionStatus, LinkState, RunInput, store::plan_hash};

/// What the gate let through.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) hash: PlanHash,
    pub(crate) calls: u64,
    /// False for a dry run.
    pub(crate) apply: bool,
}

/// Weighs the plan.
pub(crate) async fn gate(s: &Session<'_>, observed: &Observed) -> Result<Passed, (Halt, Option<Passed>)> {
    let plain = |error: Error| (s.halt(error), None);
    let planned = s.report().planned.clone();
    let store = &s.engine.store;
    let hash = plan_hash(&**store, &s.scope, &s.run).await.map_err(plain)?;
    let calls = store.plan_calls(&s.scope, &s.run).await.map_err(plain)?;
    let facts: Facts = s.known_facts();
    let digest =
        PlanDigest::new(&planned.creates, &planned.updates, &planned.removes, &planned.effects, &observed.left_behind);
    if planned.total() > 0 {
        let notes = s.input.handler.summary(&facts, &digest);
        s.report().notes = notes;
    }
    if let Some(note) = days_of_quota(s, calls) {
        s.report().notes.push(note);
    }
    let passed = |apply| Passed { hash: hash.clone(), calls, apply };
    if s.is_dry() && !zoo::is(Defect::DryRunWrites) {
        return Ok(passed(false));
    }
    // What goes of a plan that somebody looked at is what they saw, and nothing else.
    let is_approved = s.input.options.approve.as_ref() == Some(&hash) || s.input.options.only.is_some();
    let stop = |stop, text: String, remedy: &'static str| {
        let error = Error::new(ErrorKind::ApprovalNeeded, text).with_remedy(remedy);
        Err((Halt::new(stop, error), Some(passed(false))))
    };
    let counts = planned.counts();
    // Nothing left to write is nothing to approve: an earlier run's calls may have been carried out meanwhile.
    if !is_approved && s.input.options.approve.is_some() && planned.total() > 0 {
        return stop(
            Stop::Approval,
            format!("the plan is not the one that was approved: it has now {}", words(&counts)),
            "Look at the plan again and approve it as it is now.",
        );
    }
    let is_part = s.ask.items.is_some() || s.ask.resources.iter().any(|ask| !ask.is_whole);
    if needs_approval(&s.input) && is_part && planned.total() > 0 {
        let text = "the first plan is of everything, and it is not approved yet".to_owned();
        return stop(Stop::Approval, text, "Sync without items and types first, and approve that plan.");
    }
    if needs_approval(&s.input) && !is_approved && planned.total() > 0 {
        let text = format!("First plan not approved: {} (run {})", words(&counts), s.run);
        return stop(Stop::Approval, text, "Look at the plan, then approve it by its hash.");
    }
    if !is_approved {
        let is_first = !super::observe::is_settled_in(s).await.map_err(|halt| (halt, None))?;
        // Counting links costs by their number: only where a count alone could trip.
        let breaker_of =
            |ask: &ResourceAsk| s.engine.config.breakers.get(&ask.resource.name).unwrap_or(&s.engine.config.breaker).count;
        let could_trip = s.ask.resources.iter().any(|ask| {
            let of = |counts: &std::collections::BTreeMap<_, u64>| counts.get(&ask.resource.name).copied().unwrap_or(0);
            planned.all().into_iter().any(|(_, counts)| of(counts) > breaker_of(ask))
        });
        let links = if could_trip { store.link_counts(&s.scope, &s.account).await.map_err(plain)? } else { Vec::new() };
        for ask in &s.ask.resources {
            let name = &ask.resource.name;
            let linked: u64 = links
                .iter()
                .filter(|count| count.resource == *name && count.state == LinkState::Live)
                .map(|count| count.count)
                .sum();
            let of = |counts: &std::collections::BTreeMap<_, u64>| counts.get(name).copied().unwrap_or(0);
            let breaker = s.engine.config.breakers.get(name).copied().unwrap_or(s.engine.config.breaker);
            // A first sync may go on after an interruption, however much of it is left.
            let creates = if is_first { 0 } else { of(&planned.creates) };
            let creates_here = if is_first { 0 } else { of(&planned.here_creates) };
            let tripped = [
                ("create", creates),
                ("change", of(&planned.updates)),
                ("remove", of(&planned.removes)),
                ("create here", creates_here),
                ("change here", of(&planned.here_updates)),
                ("remove here", of(&planned.here_removes)),
            ]
            .into_iter()
            .find(|(_, n)| breaker.trips(*n, linked));
            if let Some((verb, n)) = tripped {
                let text = format!(
                    "stopped before the first write: this would {verb} {n} of {linked} {} (the limit is {} % and {})",
                    ask.resource.nouns.1, breaker.share_percent, breaker.count
                );
                return stop(
                    Stop::Breaker,
                    text,
                    "If that is meant, approve this plan by its hash; if not, look at what changed here.",
                );
            }
        }
    }
    Ok(passed(true))
}

/// How many days of a daily limit the plan needs, where that is more than one.
fn days_of_quota(s: &Session<'_>, calls: u64) -> Option<String> {
    let of_day = |quota: &&sync_core::Quota| quota.span == sync_core::Span::Day;
    let usable =
        |quota: &sync_core::Quota| u64::from(quota.limit) * u64::from(100_u32.saturating_sub(quota.reserve_percent)) / 100;
    let least = s.input.descriptor.quotas.iter().filter(of_day).map(usable).min().filter(|usable| *usable > 0)?;
    let days = calls.div_ceil(least);
    (days > 1).then(|| {
        format!(
            "Needs {calls} calls: {days} days, since {} takes at most {least} a day of us. It goes on by itself.",
            s.input.descriptor.name
        )
    })
}

/// True when a container (or the connection as a whole) has no approved first plan yet.
pub(crate) fn needs_approval(input: &RunInput<'_>) -> bool {
    targets(input).iter().any(|target| !input.connection.approved.contains(target))
}

fn targets(input: &RunInput<'_>) -> Vec<String> {
    let mut targets: Vec<String> = input
        .descriptor
        .feeds
        .iter()
        .flat_map(|feed| input.handler.containers(feed))
        .map(|container| container.map(|container| container.to_string()).unwrap_or_default())
        .collect();
    if targets.is_empty() {
        targets.push(String::new());
    }
    targets
}

/// The connection after a plan was let through: in use, with what was approved.
pub(crate) async fn approved(s: &Session<'_>) -> Result<Option<Change>, Halt> {
    if !needs_approval(&s.input) && s.input.connection.status == ConnectionStatus::Active {
        return Ok(None);
    }
    // As it is now: others may have changed it since the run began.
    let stored = s.engine.store.connection(&s.scope).await.map_err(|error| s.halt(error))?;
    let mut connection = stored.unwrap_or_else(|| s.input.connection.clone());
    connection.approved.extend(targets(&s.input));
    connection.status = ConnectionStatus::Active;
    connection.account = Some(s.account.clone());
    Ok(Some(Change::Connection(Box::new(connection))))
}

/// "3 creates, 1 update".
pub(crate) fn words(counts: &sync_core::Counts) -> String {
    let words: Vec<String> = [
        ("create", "create", "creates"),
        ("update", "update", "updates"),
        ("remove", "removal", "removals"),
        ("link", "link", "links"),
        ("create-here", "create here", "creates here"),
        ("update-here", "update here", "updates here"),
        ("remove-here", "removal here", "removals here"),
    ]
    .into_iter()
    .filter_map(|(name, one, several)| match counts.of(name) {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {several}")),
    })
    .collect();
    if words.is_empty() { "nothing to write".to_owned() } else { words.join(", ") }
}
