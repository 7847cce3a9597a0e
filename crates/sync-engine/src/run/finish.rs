//! The end of a run: consent is handed over, the result is made and kept, the scratch is dropped.

use sync_core::{Counts, Details, LocalId, OutcomeKind, ResourceName, Stop, SyncResult};

use super::{End, deliver_facts, halt, report, session::Session};
use crate::{Change, ConnectionStatus, RunRow, RunState};

pub(crate) async fn finish(s: &Session<'_>, end: End) -> SyncResult {
    let mut lines: Vec<String> = Vec::new();
    // As it is kept: without labels and the provider's words, which are the record's content.
    let mut plain: Vec<String> = Vec::new();
    let lost = end.halt.as_ref().is_some_and(|halt| halt.error.kind() == sync_core::ErrorKind::LeaseLost);
    if !s.is_dry()
        && !lost
        && let Err(error) = deliver_facts(s).await
    {
        tracing::warn!(%error, "consent facts wait for the next run");
    }
    let mut details = Details::default();
    details.run_id = Some(s.run.clone());
    let mut failed = 0;
    let mut synced = 0;
    let more;
    {
        let causes: Vec<(String, ResourceName, Option<LocalId>)>;
        {
            let mut report = s.report();
            synced += report.synced();
            failed += report.count(OutcomeKind::Failed);
            details.newly_waiting = report.newly_waiting;
            details.consent_facts = report.consent_facts;
            details.notes = report.notes.clone();
            details.totals = report.totals();
            details.irreversible = report.n_final;
            // What was planned is news only where it did not go.
            if s.is_dry() || end.halt.is_some() {
                details.planned = report.planned.counts();
            }
            let mut counts = Counts::default();
            for (kind, count) in &report.counts {
                counts.add(kind.as_str(), *count);
            }
            details.outcomes = counts;
            details.skipped = report.skipped.clone();
            let (shown, rest) = report.causes();
            more = rest;
            causes = shown.iter().map(|cause| (String::new(), cause.resource.clone(), cause.example.clone())).collect();
        }
        let mut labels = Vec::with_capacity(causes.len());
        for (_, resource, example) in &causes {
            labels.push(label(s, resource, example.as_ref()).await);
        }
        let mut report = s.report();
        let (shown, _) = report.causes();
        for (cause, label) in shown.iter().zip(labels) {
            let nouns =
                s.input.descriptor.resource(cause.resource.as_str()).map_or(("item", "items"), |resource| resource.nouns);
            lines.push(report::line(cause, label.as_deref(), nouns));
            plain.push(report::plain_line(cause, nouns));
        }
    }
    if more > 0 {
        lines.push(format!("… and {more} more (run {})", s.run));
        plain.push(format!("… and {more} more (run {})", s.run));
    }
    let n_grouped = lines.len();
    for (resource, halt) in &end.failed {
        lines.push(format!("{} sync failed: {}", capitalised(s, resource), halt::line(halt)));
    }
    for (resource, needed) in &end.blocked {
        lines.push(format!("{} are blocked: they need {}, which failed", capitalised(s, resource), plural(s, needed)));
    }
    if let Some(halt) = &end.halt {
        let line = halt::line(halt);
        // A fault of a single resource's own data reads as such.
        let line = match (halt.stop, s.ask.resources.as_slice()) {
            (Stop::Fault, [only]) => format!("{} sync failed: {line}", capitalised(s, &only.resource.name)),
            _ => line,
        };
        lines.push(line);
        details.stopped = Some(halt.stop);
        details.resume_at = halt.resume_at;
    }
    if end.unsettled.items > 0 && end.halt.is_none() {
        let until = end.unsettled.until.map(|until| until.round(jiff::Unit::Second).unwrap_or(until));
        lines.push(format!(
            "{} items wait: the answer of an earlier call was lost. They are looked at again after {}.",
            end.unsettled.items,
            until.map(|until| until.to_string()).unwrap_or_default()
        ));
        details.stopped = Some(Stop::Later);
        details.resume_at = end.unsettled.until;
    }
    if let Some(passed) = &end.passed {
        let n_planned = s.report().planned.total();
        details.plan_hash = (n_planned > 0).then(|| passed.hash.clone());
        details.calls = (n_planned > 0).then_some(passed.calls);
    }
    if !s.is_dry() && !lost {
        standing(s, &mut details).await;
    }
    let is_done = end.halt.is_none() && end.unsettled.items == 0;
    let success = is_done && failed == 0 && end.failed.is_empty() && end.blocked.is_empty();
    plain.extend(lines.iter().skip(n_grouped).cloned());
    if !lost {
        let kept = SyncResult::counted(success, synced, failed, plain, details.clone());
        keep(s, &end, &kept, is_done).await;
    }
    SyncResult::counted(success, synced, failed, lines, details)
}

/// What stands after the run, whichever run put it there.
async fn standing(s: &Session<'_>, details: &mut Details) {
    let Ok(counts) = s.engine.store.item_counts(&s.scope, None).await else { return };
    details.skipped.clear();
    for kind in
        [OutcomeKind::Skipped, OutcomeKind::Question, OutcomeKind::Blocked, OutcomeKind::Pending, OutcomeKind::Failed]
    {
        let standing: u64 = counts.iter().filter(|count| count.kind == kind).map(|count| count.count).sum();
        // An unknown id fails and leaves nothing that stands.
        let n = if kind == OutcomeKind::Failed { standing.max(details.outcomes.of(kind.as_str())) } else { standing };
        details.outcomes.0.remove(kind.as_str());
        details.outcomes.add(kind.as_str(), n);
    }
    for count in counts.iter().filter(|count| count.kind == OutcomeKind::Skipped) {
        *details.skipped.entry(count.code.clone()).or_default() += count.count;
    }
}

/// The run and the connection's health, as far as the lease still allows it; the result stands either way.
async fn keep(s: &Session<'_>, end: &End, result: &SyncResult, is_done: bool) {
    let now = s.now();
    let started_at = s.engine.store.run(&s.scope, &s.run).await.ok().flatten().map_or(now, |run| run.started_at);
    let mut changes = vec![Change::Run(Box::new(RunRow {
        id: s.run.clone(),
        request: s.input.request.clone(),
        state: if is_done { RunState::Done } else { RunState::Stopped },
        started_at,
        ended_at: Some(now),
        result: Some(result.clone()),
        plan_hash: end.passed.as_ref().map(|passed| passed.hash.clone()),
    }))];
    if let Some(halt) = end.halt.as_ref().filter(|halt| halt.stop == Stop::Reconnect) {
        // The newest row: the run may have approved its first plan meanwhile.
        if let Ok(Some(mut connection)) = s.engine.store.connection(&s.scope).await
            && !matches!(connection.status, ConnectionStatus::Reconnect { .. })
        {
            connection.status = ConnectionStatus::Reconnect { since: now, reason: halt.error.message().to_owned() };
            changes.push(Change::Connection(Box::new(connection)));
        }
    }
    let lease = s.lease();
    if let Err(error) = s.engine.store.commit(&lease, changes).await {
        tracing::warn!(%error, run = %s.run, "the run's record could not be kept");
    }
    if let Err(error) = s.engine.store.clear_scratch(&lease, &s.run, false).await {
        tracing::warn!(%error, run = %s.run, "the run's scratch could not be dropped");
    }
}

async fn label(s: &Session<'_>, resource: &ResourceName, example: Option<&LocalId>) -> Option<String> {
    let collection = s.ask.resources.iter().find(|ask| ask.resource.name == *resource)?.collection.clone();
    let id = example?.clone();
    let labels = s.engine.records.reading().labels(&s.scope.organization, &collection, &[id]).await.ok()?;
    labels.into_iter().next().flatten()
}

fn plural(s: &Session<'_>, resource: &ResourceName) -> &'static str {
    s.input.descriptor.resource(resource.as_str()).map_or("items", |resource| resource.nouns.1)
}

fn capitalised(s: &Session<'_>, resource: &ResourceName) -> String {
    let plural = plural(s, resource);
    let mut letters = plural.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
