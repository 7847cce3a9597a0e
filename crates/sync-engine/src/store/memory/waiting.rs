//! Items and questions in memory: what waits, and what makes it due.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sync_core::{Error, ErrorKind, LocalId, OutcomeKind, QuestionId, ResourceName, Result, RunId};

use super::{
    super::{Answer, Due, Item, ItemCount, Question},
    state::Data,
};

impl Data {
    pub(super) fn items_by_local(&self, resource: &ResourceName, ids: &[LocalId]) -> Vec<Option<Item>> {
        ids.iter().map(|id| self.items.get(&(resource.clone(), id.clone())).cloned()).collect()
    }

    pub(super) fn items_due(
        &self,
        resource: &ResourceName,
        due: &Due<'_>,
        after: Option<&LocalId>,
        limit: usize,
    ) -> Vec<Item> {
        let shown = self.plans.get(due.run).map(|plan| plan.seen_keys(resource)).unwrap_or_default();
        let is_due = |item: &&Item| {
            let is_older = item.run != *due.run;
            item.resource == *resource
                && after.is_none_or(|after| item.local > *after)
                && (item.due.is_some_and(|at| at.as_millisecond() <= due.now.as_millisecond())
                    || item.needs_grant.as_ref().is_some_and(|grant| due.grants.contains(&grant.as_str()))
                    || (is_older && due.blocked && item.outcome.kind == OutcomeKind::Blocked)
                    || (is_older && item.key.as_ref().is_some_and(|key| shown.contains(key.as_str()))))
        };
        self.items.values().filter(is_due).take(limit).cloned().collect()
    }

    pub(super) fn items_after(&self, after: Option<(&ResourceName, &LocalId)>, limit: usize) -> Vec<Item> {
        let items = self.items.values();
        let items = items.filter(|item| after.is_none_or(|after| (&item.resource, &item.local) > after));
        items.take(limit).cloned().collect()
    }

    pub(super) fn item_counts(&self, since_run: Option<&RunId>) -> Vec<ItemCount> {
        let mut counts: BTreeMap<(OutcomeKind, &str), u64> = BTreeMap::new();
        for item in self.items.values().filter(|item| since_run.is_none_or(|run| item.run == *run)) {
            *counts.entry((item.outcome.kind, &item.outcome.code)).or_default() += 1;
        }
        counts.into_iter().map(|((kind, code), count)| ItemCount { kind, code: code.to_owned(), count }).collect()
    }

    pub(super) fn retry_items(&mut self, ids: Option<&[LocalId]>, now: Timestamp) -> u64 {
        let is_asked_for = |item: &Item| match ids {
            None => item.outcome.kind == OutcomeKind::Failed,
            Some(ids) => {
                let may_be_cured = [OutcomeKind::Failed, OutcomeKind::Skipped, OutcomeKind::Blocked];
                may_be_cured.contains(&item.outcome.kind) && ids.contains(&item.local)
            }
        };
        let mut n_items = 0;
        for item in self.items.values_mut().filter(|item| is_asked_for(item)) {
            item.due = Some(now);
            n_items += 1;
        }
        n_items
    }

    pub(super) fn questions_after(&self, open: bool, after: Option<&QuestionId>, limit: usize) -> Vec<Question> {
        let place = |question: &Question| (question.asked_at.as_millisecond(), question.id.clone());
        let after = after.map(|id| self.questions.get(id).map(place));
        let mut rows: Vec<&Question> = self.questions.values().filter(|row| !open || row.answer.is_none()).collect();
        // After a question that is gone there is nothing: the caller starts over.
        rows.retain(|row| after.as_ref().is_none_or(|after| after.as_ref().is_some_and(|after| place(row) > *after)));
        rows.sort_by_key(|row| place(row));
        rows.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn questions_by_id(&self, ids: &[QuestionId]) -> Vec<Option<Question>> {
        ids.iter().map(|id| self.questions.get(id).cloned()).collect()
    }
}

pub(super) fn answer(data: Option<&mut Data>, id: &QuestionId, answer: Answer) -> Result<()> {
    let unknown = || Error::new(ErrorKind::NotFound, "there is no such question").with_context("question", id);
    let data = data.ok_or_else(unknown)?;
    let question = data.questions.get_mut(id).ok_or_else(unknown)?;
    if question.options.iter().all(|option| option.key != answer.key) {
        let offered = question.options.iter().map(|option| option.key.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::new(ErrorKind::Invalid, "the question does not offer this answer")
            .with_context("question", id)
            .with_remedy(format!("Choose one of: {offered}.")));
    }
    for item in data.items.values_mut().filter(|item| item.question.as_ref() == Some(id)) {
        item.due = Some(answer.at);
    }
    question.answer = Some(answer);
    Ok(())
}
