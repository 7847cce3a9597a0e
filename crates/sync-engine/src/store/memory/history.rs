//! History in memory: runs and outcomes, erasure and retention.

use std::ops::Bound;

use jiff::Timestamp;
use sync_core::{LocalId, Outcome, QuestionId, RemoteId, ResourceName, RunId};

use super::super::{Erased, OutcomeRow, Pruned, Retention, RunRow};
use super::state::{Data, State};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Days after which a counter's window is of no use to anybody: beyond the longest quota, a month.
const COUNTER_DAYS: i64 = 40;

impl Data {
    /// Runs, the newest first.
    pub(super) fn runs_before(&self, before: Option<Timestamp>, limit: usize) -> Vec<RunRow> {
        let place = |row: &RunRow| (row.started_at.as_millisecond(), row.id.clone());
        let is_before =
            |row: &&RunRow| before.is_none_or(|before| row.started_at.as_millisecond() < before.as_millisecond());
        let mut rows: Vec<&RunRow> = self.runs.values().filter(is_before).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(place(row)));
        rows.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn outcomes_after(&self, run: &RunId, after: u64, limit: usize) -> Vec<(u64, OutcomeRow)> {
        let rows = self.outcomes.range((Bound::Excluded(after), Bound::Unbounded)).filter(|(_, (of, _))| of == run);
        rows.take(limit).map(|(number, (_, row))| (*number, row.clone())).collect()
    }

    pub(super) fn trail(&self, id: &str, limit: usize) -> Vec<(RunId, OutcomeRow)> {
        let rows = self.outcomes.values().rev().filter(|(_, row)| {
            row.local.as_ref().is_some_and(|local| local.as_str() == id)
                || row.remote.as_ref().is_some_and(|remote| remote.as_str() == id)
        });
        rows.take(limit).cloned().collect()
    }
}

pub(super) fn forget(data: &mut Data, resource: &ResourceName, local: &LocalId, now: Timestamp) -> Erased {
    let mut erased = Erased::default();
    let mut remotes: Vec<RemoteId> = Vec::new();
    for link in data.links.values_mut().filter(|link| link.resource == *resource && link.local == *local) {
        erased.bases += u64::from(link.base.take().is_some());
        link.key = None;
        remotes.extend(link.remote.clone());
    }
    for plan in data.plans.values_mut() {
        let n_before = plan.operations.len();
        plan.operations.retain(|_, planned| {
            let operation = &planned.op.operation;
            operation.resource != *resource || operation.local != *local || planned.is_sent()
        });
        erased.operations += (n_before - plan.operations.len()) as u64;
        plan.seen.retain(|(of, id, _), _| of != resource || !remotes.contains(id));
    }
    for (_, row) in data.outcomes.values_mut().filter(|(_, row)| row.resource == *resource) {
        let about = match (&row.local, &row.remote) {
            (Some(id), _) => id == local,
            (None, Some(id)) => remotes.contains(id),
            (None, None) => false,
        };
        if about {
            erased.outcomes += u64::from(blank(&mut row.outcome));
        }
    }
    let asked: Vec<QuestionId> = data
        .questions
        .values()
        .filter(|question| question.resource == *resource && question.locals.contains(local))
        .map(|question| question.id.clone())
        .collect();
    for item in data.items.values_mut() {
        if item.resource == *resource && item.local == *local {
            blank(&mut item.outcome);
            item.key = None;
        }
        if item.question.as_ref().is_some_and(|id| asked.contains(id)) {
            item.question = None;
            item.due = Some(now);
        }
    }
    erased.questions = asked.len() as u64;
    asked.iter().for_each(|id| drop(data.questions.remove(id)));
    data.facts.retain(|row| row.taken_ms.is_none() || row.fact.record.as_ref() != Some(local));
    erased
}

/// Takes the words out of an outcome; true where there were any.
fn blank(outcome: &mut Outcome) -> bool {
    let had = !outcome.message.is_empty() || outcome.remedy.is_some() || outcome.provider_message.is_some();
    outcome.message.clear();
    outcome.remedy = None;
    outcome.provider_message = None;
    had
}

pub(super) fn prune(state: &mut State, now: Timestamp, retention: &Retention, limit: usize) -> Pruned {
    let before = |days: u32| now.as_millisecond().saturating_sub(i64::from(days).saturating_mul(DAY_MS));
    let (plans, outcomes, facts) =
        (before(retention.plans_days), before(retention.outcomes_days), before(retention.facts_days));
    let mut pruned = Pruned::default();
    for data in state.scopes.values_mut() {
        prune_plans(data, plans, limit, &mut pruned);
        let began_ms = |run: &RunId, at_ms| data.runs.get(run).map_or(at_ms, |row| row.started_at.as_millisecond());
        let old = data.outcomes.iter().filter(|(_, (run, row))| began_ms(run, row.at.as_millisecond()) < outcomes);
        let old: Vec<u64> = old.map(|(number, _)| *number).take(limit.saturating_sub(pruned.outcomes as usize)).collect();
        pruned.outcomes += old.len() as u64;
        old.iter().for_each(|number| drop(data.outcomes.remove(number)));
        let old = data.runs.values().filter(|row| {
            row.started_at.as_millisecond() < outcomes
                && data.plans.get(&row.id).is_none_or(|plan| plan.operations.is_empty() && plan.seen.is_empty())
                && data.outcomes.values().all(|(run, _)| *run != row.id)
        });
        let old: Vec<_> = old.map(|row| row.id.clone()).take(limit.saturating_sub(pruned.runs as usize)).collect();
        pruned.runs += old.len() as u64;
        old.iter().for_each(|run| drop(data.runs.remove(run)));
        let n_left = limit.saturating_sub(pruned.facts as usize);
        let mut n_facts = 0;
        data.facts.retain(|row| {
            let goes = n_facts < n_left && row.taken_ms.is_some_and(|taken_ms| taken_ms < facts);
            n_facts += usize::from(goes);
            !goes
        });
        pruned.facts += n_facts as u64;
    }
    let oldest_window = now.as_millisecond().saturating_sub(COUNTER_DAYS * DAY_MS);
    state.counters.retain(|(_, window), _| *window >= oldest_window);
    pruned
}

/// Operations go first, the plan when it has none left. One whose call has no answer stays, and its plan with it.
fn prune_plans(data: &mut Data, before_ms: i64, limit: usize, pruned: &mut Pruned) {
    let runs = &data.runs;
    data.plans.retain(|run, plan| {
        let started_ms = runs.get(run).map_or(plan.created_ms, |row| row.started_at.as_millisecond());
        if started_ms >= before_ms {
            return true;
        }
        let n_left = limit.saturating_sub(pruned.operations as usize);
        let old = plan.operations.iter().filter(|(_, planned)| !planned.is_sent()).map(|(seq, _)| *seq);
        let old: Vec<u64> = old.take(n_left).collect();
        pruned.operations += old.len() as u64;
        old.iter().for_each(|seq| drop(plan.operations.remove(seq)));
        !plan.operations.is_empty()
    });
}
