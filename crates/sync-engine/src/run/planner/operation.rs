//! A decision becomes an operation of the plan: the provider says what it is made of, what it waits for is looked at, and it
//! is counted.

use sync_core::{
    LocalVerb, Operation, Outcome, OutcomeKind, Owner, Prepare, Prepared, Reason, Skip, Verb, code,
    zoo::{self, Defect},
};

use super::super::{halt::Halt, here::planned_parts, questions, slices};
use super::{Candidate, Planner, amend::Ready, fingerprint};
use crate::{
    LinkState, PlannedOp,
    plan::{self, LocalSide},
};

impl Planner<'_, '_> {
    /// Puts an operation into the plan, unless the provider or a missing grant says no.
    pub(super) async fn operation(&mut self, candidate: &Candidate, operation: Operation) -> Result<(), Halt> {
        let s = self.s;
        let needs_rest = operation.verb == Verb::Create
            && !self.ask.is_whole
            && self.ask.rules.match_on.first().is_some_and(|field| !self.ask.fields.contains(field.as_str()));
        if needs_rest {
            let outcome = Outcome::new(
                OutcomeKind::Blocked,
                code::BLOCKED,
                "its record isn't there yet, and only a part of it was asked for",
            )
            // The next run for all of it looks again.
            .until(s.now())
            .remedy(Owner::Nobody, format!("Sync all types of {} once.", self.ask.resource.nouns.1));
            self.item_without_hash(candidate, outcome);
            return Ok(());
        }
        let operation = self.known_better(candidate, operation);
        // Nothing to write there: it links, or only this side is written.
        let is_here_alone = operation.here.as_ref().is_some_and(|here| {
            operation.changed.is_empty() && (operation.verb == Verb::Update || here.verb != LocalVerb::Update)
        });
        let is_link = operation.reason == Reason::Matched && operation.changed.is_empty();
        let (operation, parts) = if is_link || is_here_alone {
            (operation, Vec::new())
        } else {
            match self.prepared(candidate, operation).await? {
                Ready::Go(operation, parts) => (*operation, parts),
                Ready::Said => return Ok(()),
            }
        };
        // The firewall: whatever a provider prepares, nothing reaches people without a grant.
        if let Some(effect) = parts.iter().flat_map(|part| part.effects).find(|effect| !s.grants.allow(**effect)) {
            let skip = Skip::new(code::NEEDS_GRANT, format!("it would set something off: {}", effect.description))
                .remedy(Owner::EndUserData, format!("Grant \"{}\" for this sync.", effect.name))
                .needs_grant(*effect);
            self.item(candidate, Outcome::from(&skip), Some(effect.name.to_owned()));
            return Ok(());
        }
        if let Some(outcome) = self.waits_for(&operation, !parts.is_empty()).await? {
            self.item_without_hash(candidate, outcome);
            return Ok(());
        }
        let is_further = operation.amends.is_some();
        if parts.is_empty() && operation.reason != Reason::Matched && operation.here.is_none() && !is_further {
            match operation.verb {
                Verb::Remove => self.taken_away(candidate),
                _ => self.heal(candidate, operation.fields, &operation.open),
            }
            return Ok(());
        }
        if let Some(here) = &operation.here {
            s.writing()?;
            // The host has said no to exactly this, and nobody has answered yet.
            let refused = questions::refused_id(s, self.ask, &operation.local, &here.fields);
            let is_standing = candidate.item.as_ref().is_some_and(|item| item.question.as_ref() == Some(&refused));
            if is_standing && candidate.answer.is_none() {
                return Ok(());
            }
        }
        // Known to be gone, so that it can be made again.
        if operation.verb == Verb::Create
            && operation.here.is_none()
            && !is_further
            && candidate.link.as_ref().is_some_and(|link| link.state == LinkState::Live)
        {
            s.note_replaced(&operation.resource, &operation.local);
        }
        self.remove_amendments(candidate, &operation, &parts).await?;
        self.plan(candidate, operation, parts, 0);
        Ok(())
    }

    /// The operation with what is known about it beyond the decision.
    fn known_better(&self, candidate: &Candidate, mut operation: Operation) -> Operation {
        if operation.verb == Verb::Create {
            operation.taken.clone_from(&candidate.taken);
        }
        if operation.reason == Reason::NewHere && self.needed.contains(&operation.local) {
            operation.reason = Reason::Needed;
        }
        // There before us: the two belong together, and each stays as it is.
        if let (Some(code), Reason::Matched, LocalSide::Live(record)) =
            (candidate.linked_as, operation.reason, &candidate.side)
        {
            operation.linked_as = Some(code.into());
            operation.fields = record.clone();
            operation.changed.clear();
            operation.sets.clear();
            operation.here = None;
        }
        operation
    }

    /// Asks the provider what an operation is made of.
    async fn prepared(&mut self, candidate: &Candidate, operation: Operation) -> Result<Ready, Halt> {
        let s = self.s;
        let facts = s.facts().await?;
        let (next, is_amended) = self.next_amendment(&operation).await?;
        match s.input.handler.prepare(Prepare::new(&facts, &s.grants, &operation).amendment(next, is_amended)) {
            Ok(Prepared::Parts(parts)) => Ok(Ready::Go(Box::new(operation), parts)),
            Ok(Prepared::Amend(amendment)) if operation.verb == Verb::Update => {
                self.amended(candidate, operation, *amendment).await
            }
            Ok(Prepared::Skip(skip)) => {
                let needs_grant = skip.needs_grant.as_deref().map(str::to_owned);
                self.item(candidate, Outcome::from(&skip), needs_grant);
                Ok(Ready::Said)
            }
            Ok(_) => Ok(Ready::Said),
            Err(error) => {
                self.refused(candidate, error)?;
                Ok(Ready::Said)
            }
        }
    }

    /// What the provider says no to before anything was sent.
    pub(super) fn refused(&mut self, candidate: &Candidate, error: sync_core::Error) -> Result<(), Halt> {
        let s = self.s;
        if error.kind().is_systemic() || zoo::is(Defect::OneBadItemEndsAll) {
            return Err(s.halt(error));
        }
        let attempts = candidate.item.as_ref().map_or(0, |item| item.attempts);
        let mut outcome = Outcome::failed(&error);
        outcome.until = s.next_try(&error, attempts);
        self.item(candidate, outcome, None);
        Ok(())
    }

    /// Puts an operation into the plan, its parts not before a stage.
    pub(crate) fn plan(
        &mut self,
        candidate: &Candidate,
        mut operation: Operation,
        parts: Vec<sync_core::Part>,
        from_stage: u8,
    ) {
        let s = self.s;
        operation.is_final = parts.iter().any(|part| part.is_final);
        let digest = plan::operation_digest(&operation).to_string();
        // Planned once more in mid-apply, and no longer what a person saw.
        if self.is_again && s.input.options.only.as_ref().is_some_and(|only| !only.digests.contains(&digest)) {
            self.item_without_hash(candidate, super::super::only::moved(s));
            return;
        }
        self.seq += 1;
        if !self.is_again {
            self.count(&operation, &parts, true);
        } else if parts.is_empty() && operation.here.is_none() {
            self.again_links += 1;
        }
        if self.may_repeat {
            self.planned.insert(fingerprint(&operation.local), self.seq);
        }
        let moves_key = matches!(operation.reason, Reason::Matched | Reason::NewHere)
            || self.ask.rules.match_on.first().is_some_and(|field| operation.changed.contains(field));
        let mut planned = planned_parts(&parts, &operation, self.ask);
        if s.has_slices() {
            let slice = self.slice_now.unwrap_or_else(|| self.slice(&operation.fields));
            if operation.verb != Verb::Remove {
                s.note_planned(&operation.resource, &operation.local, slice);
            }
            planned.iter_mut().for_each(|part| part.group = slices::within(slice, &part.group));
        }
        planned.iter_mut().for_each(|part| part.stage = part.stage.max(from_stage));
        self.ops.push(PlannedOp {
            seq: self.seq,
            digest,
            key: if moves_key && operation.amends.is_none() { candidate.key.clone() } else { None },
            hash: if self.ask.is_whole { self.hash_after(candidate, &operation) } else { None },
            parts: planned,
            operation,
        });
    }

    /// The hash of the host's record once the operation was carried out; `None` where only the host can tell.
    fn hash_after(&self, candidate: &Candidate, operation: &Operation) -> Option<sync_core::Hash> {
        let Some(here) = &operation.here else { return candidate.hash };
        let (LocalVerb::Update, LocalSide::Live(record)) = (here.verb, &candidate.side) else { return None };
        let mut record = record.clone();
        for (field, value) in here.fields.iter() {
            record.set(field.clone(), value.clone());
        }
        Some(plan::local_hash(&record, &self.ask.rules))
    }

    /// Counts an operation in the plan, or out of it.
    pub(super) fn count(&self, operation: &Operation, parts: &[sync_core::Part], is_in: bool) {
        let tallies =
            if parts.is_empty() { Vec::new() } else { self.s.input.handler.tally(&self.s.known_facts(), operation) };
        let mut report = self.s.report();
        report.tally(tallies, is_in);
        if operation.is_final || parts.iter().any(|part| part.is_final) {
            report.n_final = report.n_final.saturating_add_signed(if is_in { 1 } else { -1 });
        }
        let planned = &mut report.planned;
        let n = if is_in { 1 } else { -1 };
        if let Some(here) = &operation.here {
            let counts = match here.verb {
                LocalVerb::Create => &mut planned.here_creates,
                LocalVerb::Delete | LocalVerb::Cancel => &mut planned.here_removes,
                _ => &mut planned.here_updates,
            };
            let count = counts.entry(operation.resource.clone()).or_default();
            *count = count.saturating_add_signed(n);
            if parts.is_empty() {
                return;
            }
        }
        let counts = match operation.verb {
            _ if parts.is_empty() => &mut planned.links,
            Verb::Create => &mut planned.creates,
            Verb::Update => &mut planned.updates,
            Verb::Remove => &mut planned.removes,
        };
        let count = counts.entry(operation.resource.clone()).or_default();
        *count = count.saturating_add_signed(n);
        for effect in parts.iter().flat_map(|part| part.effects) {
            let count = planned.effects.entry(effect.name.to_owned()).or_default();
            *count = count.saturating_add_signed(n);
        }
    }

    /// Takes planned operations out of the counts again: their parts are held.
    pub(crate) fn uncount(&self, row: &crate::PlannedRow) -> Result<(), Halt> {
        if self.is_again {
            return Ok(());
        }
        let operation = &row.planned.operation;
        self.s.forget_planned(&operation.resource, &operation.local);
        let mut parts = Vec::new();
        let n_there = row.planned.parts.len() - usize::from(operation.here.is_some());
        if n_there > 0 {
            // The same parts as when it was counted: preparing is deterministic.
            let facts = self.s.known_facts();
            if let Ok(Prepared::Parts(again)) = self.s.input.handler.prepare(Prepare::new(&facts, &self.s.grants, operation))
            {
                parts = again;
            }
        }
        self.count(operation, &parts, false);
        Ok(())
    }
}
