//! Plan, second half: records are brought together with what the store and the provider know, decided about, and put
//! into the plan.

mod decide;
mod gather;
mod shared;

use std::collections::{BTreeMap, HashSet};

use sync_core::{Hash, Local, LocalId, Outcome, OutcomeKind, Target, code};

use super::{ask::ResourceAsk, halt::Halt, session::Session};
use crate::{
    Change, Item, Link, PlannedOp, Suppression,
    plan::{LocalSide, Policy, RemoteSide},
};

/// Why a record is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It changed, or may have.
    Changed,
    /// Its time has come.
    Due,
    /// It was asked for by id.
    Asked,
    /// It changed there between reading and writing; not again after this.
    Again,
}

/// Makes the plan of one resource.
pub(crate) struct Planner<'s, 'a> {
    pub(crate) s: &'s Session<'a>,
    pub(crate) ask: &'s ResourceAsk,
    /// True when standing items are decided again although their record is unchanged.
    pub(crate) decide_standing: bool,
    /// True when the scratch holds something to match with.
    pub(crate) has_seen: bool,
    /// Records compared so far, for progress.
    pub(crate) n_compared: u64,
    /// The last sequence number of the run's plan.
    pub(crate) seq: u64,
    /// Groups of records with one key, to be resolved when all pages are in.
    groups: BTreeMap<String, HashSet<LocalId>>,
    /// Records with a standing item that were decided about, so that they are not decided twice when they are due.
    taken: HashSet<LocalId>,
    ops: Vec<PlannedOp>,
    changes: Vec<Change>,
}

/// A record with all that is known about it.
pub(crate) struct Candidate {
    pub(crate) id: LocalId,
    pub(crate) side: LocalSide,
    pub(crate) hash: Option<Hash>,
    pub(crate) key: Option<String>,
    pub(crate) target: Target,
    pub(crate) link: Option<Link>,
    pub(crate) item: Option<Item>,
    pub(crate) remote: RemoteSide,
    suppression: Option<Suppression>,
    answer: Option<String>,
}

impl<'s, 'a> Planner<'s, 'a> {
    pub(crate) fn new(s: &'s Session<'a>, ask: &'s ResourceAsk, seq: u64, has_seen: bool) -> Self {
        Self {
            s,
            ask,
            decide_standing: false,
            has_seen,
            n_compared: 0,
            seq,
            groups: BTreeMap::new(),
            taken: HashSet::new(),
            ops: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub(crate) fn was_taken(&self, id: &LocalId) -> bool {
        self.taken.contains(id)
    }

    fn policy<'p>(&'p self, rules: &'p sync_core::Rules) -> Policy<'p> {
        Policy { resource: self.ask.resource, rules, fields: &self.ask.fields }
    }

    /// Decides about a page of records.
    pub(crate) async fn take(&mut self, locals: Vec<Local>, why: Why) -> Result<(), Halt> {
        if locals.is_empty() {
            return Ok(());
        }
        let mut candidates = self.candidates(locals).await?;
        // Standing, unchanged and not due: it was decided, and nothing has changed about it.
        if why == Why::Changed && !self.decide_standing {
            let now = self.s.now();
            candidates.retain(|candidate| {
                let stands = candidate.item.as_ref().is_some_and(|item| {
                    item.hash.is_some()
                        && item.hash == candidate.hash
                        && item.due.is_none_or(|due| due > now)
                        && !item.needs_grant.as_deref().is_some_and(|effect| self.s.grants.allow_named(effect))
                });
                !stands
            });
        }
        self.leave_unsettled(&mut candidates);
        let has_item = |candidate: &&Candidate| candidate.item.is_some();
        self.taken.extend(candidates.iter().filter(has_item).map(|candidate| candidate.id.clone()));
        self.match_remote(&mut candidates, why).await?;
        self.answers(&mut candidates).await?;
        let shared = self.shared(&candidates).await?;
        for (candidate, is_shared) in candidates.into_iter().zip(shared) {
            if is_shared {
                continue;
            }
            self.decide(candidate).await?;
        }
        self.flush().await
    }

    /// Records of calls that may still be carried out wait, whatever they are by now; they are compared afterwards.
    fn leave_unsettled(&mut self, candidates: &mut Vec<Candidate>) {
        let s = self.s;
        let name = &self.ask.resource.name;
        let (left, rest) = std::mem::take(candidates)
            .into_iter()
            .partition::<Vec<_>, _>(|candidate| s.left_until(name, &candidate.id).is_some());
        *candidates = rest;
        for candidate in left {
            if let Some(until) = s.left_until(name, &candidate.id) {
                let message =
                    "the answer of its last call was lost; it is looked at again when the provider must be done with it";
                self.item_without_hash(
                    &candidate,
                    Outcome::new(OutcomeKind::Pending, code::UNSETTLED, message).until(until),
                );
            }
        }
    }
}
