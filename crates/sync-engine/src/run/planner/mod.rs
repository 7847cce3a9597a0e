//! Plan, second half: records are brought together with what the store and the provider know, decided about, and put
//! into the plan.

mod amend;
mod consent;
mod decide;
mod evidence;
mod gather;
mod needs;
mod only_there;
mod operation;
mod shared;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sync_core::{Hash, Local, LocalId, NaturalKey, Outcome, OutcomeKind, Refs, Target, Version, code};

pub(crate) use self::amend::is_watched;
use super::{ask::ResourceAsk, halt::Halt, notes::fingerprint, session::Session};
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
    /// It changed there, or is gone.
    There,
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
    groups: BTreeMap<String, BTreeSet<LocalId>>,
    /// Operations of this run by a fingerprint of their record, where a record may be shown more than once.
    planned: HashMap<u64, u64>,
    /// True while records may be shown more than once.
    pub(crate) may_repeat: bool,
    /// True for records that are planned again in mid-apply: they are no part of the plan that was approved.
    pub(crate) is_again: bool,
    /// True when the feed was read from its start in this run: what it did not show is not there.
    pub(crate) saw_all: bool,
    /// True when records that others wait for may have come to be there since these were looked at.
    pub(crate) frees_blocked: bool,
    /// Operations without a call among those planned again.
    pub(crate) again_links: u64,
    /// Records whose counterpart this run has proven to be gone. Memory by their number; a breaker comes before many.
    gone: HashSet<LocalId>,
    /// Records that the host refused and that are put back there.
    pub(crate) put_back: HashSet<LocalId>,
    /// Records that were to be made, and whose place there was taken: perhaps by an attempt of ours.
    pub(crate) taken: HashSet<LocalId>,
    /// Records that nobody asked for by name, and that others need.
    pub(crate) needed: HashSet<LocalId>,
    /// The slice in which everything goes, where it is known.
    pub(crate) slice_now: Option<u32>,
    /// Operations that start with nothing to wait for.
    n_roots: u64,
    /// Counterparts of what the page's records refer to.
    refs: Refs,
    /// Questions about several records of a series, as far as this run asked them.
    asked_of_series: HashMap<sync_core::QuestionId, crate::Question>,
    ops: Vec<PlannedOp>,
    changes: Vec<Change>,
}

/// A record with all that is known about it.
pub(crate) struct Candidate {
    pub(crate) id: LocalId,
    pub(crate) side: LocalSide,
    /// The host's version of it.
    pub(crate) version: Option<Version>,
    pub(crate) hash: Option<Hash>,
    pub(crate) key: Option<String>,
    pub(crate) target: Target,
    pub(crate) link: Option<Link>,
    pub(crate) item: Option<Item>,
    pub(crate) remote: RemoteSide,
    suppression: Option<Suppression>,
    pub(crate) answer: Option<String>,
    /// The other record that is linked with the counterpart that was found.
    held_by: Option<LocalId>,
    /// True when the evidence for the counterpart leaves no doubt.
    is_proven: bool,
    /// The code under which it is linked and left as it is.
    linked_as: Option<&'static str>,
    /// Keys of it that others have there.
    taken: Vec<NaturalKey>,
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
            planned: HashMap::new(),
            may_repeat: false,
            is_again: false,
            saw_all: false,
            frees_blocked: false,
            again_links: 0,
            gone: HashSet::new(),
            put_back: HashSet::new(),
            taken: HashSet::new(),
            needed: HashSet::new(),
            slice_now: None,
            n_roots: 0,
            refs: Refs::new(),
            asked_of_series: HashMap::new(),
            ops: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub(crate) fn policy<'p>(&'p self, rules: &'p sync_core::Rules) -> Policy<'p> {
        self.ask.policy(self.s, rules)
    }

    /// Decides about a page of records.
    pub(crate) async fn take(&mut self, locals: Vec<Local>, why: Why) -> Result<(), Halt> {
        self.take_sides(locals.into_iter().map(|local| (local, RemoteSide::Unread)).collect(), why).await
    }

    /// Decides about records of which the other side may have been read already.
    pub(crate) async fn take_sides(&mut self, sides: Vec<(Local, RemoteSide)>, why: Why) -> Result<(), Halt> {
        if sides.is_empty() {
            return Ok(());
        }
        // Shown twice on one page: the last look counts.
        let mut seen = HashSet::new();
        let mut sides: Vec<_> = sides.into_iter().rev().filter(|(local, _)| seen.insert(local.id.clone())).collect();
        sides.reverse();
        let mut remotes: Vec<_> = sides.iter_mut().flat_map(|(_, side)| needs::seen_of(side)).collect();
        self.localize(&mut remotes, false).await?;
        let (locals, remotes): (Vec<Local>, Vec<RemoteSide>) = sides.into_iter().unzip();
        self.forget_planned(&locals).await?;
        let mut candidates = self.candidates(locals).await?;
        for (candidate, remote) in candidates.iter_mut().zip(remotes) {
            if remote == RemoteSide::Gone {
                self.gone.insert(candidate.id.clone());
            }
            candidate.remote = remote;
        }
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
        self.answers(&mut candidates).await?;
        self.read_refs(&candidates).await?;
        self.match_remote(&mut candidates, why).await?;
        self.freed_keys(&candidates).await?;
        self.left_groups(&candidates).await?;
        let shared = self.shared(&candidates).await?;
        for (candidate, is_shared) in candidates.into_iter().zip(shared) {
            if is_shared {
                continue;
            }
            self.decide(candidate).await?;
        }
        self.flush().await
    }

    /// What was planned for records that are looked at again: the later look counts, whatever it comes to.
    async fn forget_planned(&mut self, locals: &[Local]) -> Result<(), Halt> {
        if self.planned.is_empty() {
            return Ok(());
        }
        let seqs: Vec<u64> = locals.iter().filter_map(|local| self.planned.get(&fingerprint(&local.id)).copied()).collect();
        let ids: HashSet<&LocalId> = locals.iter().map(|local| &local.id).collect();
        self.drop_planned(&seqs, Some(&ids)).await?;
        Ok(())
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
