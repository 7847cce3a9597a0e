//! What a record refers to: looked up by the page, pulled first where it is only there, and waited for by name.

use std::collections::BTreeMap;

use sync_core::{OnRemoteNew, Operation, Outcome, Record, Refs, Remote, RemoteId, ResourceName};

use super::super::{halt::Halt, refs, remote};
use super::{Candidate, Planner};
use crate::plan::{LocalSide, RemoteSide};

impl Planner<'_, '_> {
    /// Reads the counterparts of everything that a page of records refers to.
    pub(super) async fn read_refs(&mut self, candidates: &[Candidate]) -> Result<(), Halt> {
        let record = |candidate: &Candidate| match &candidate.side {
            LocalSide::Live(record) => refs::locals(record),
            _ => Vec::new(),
        };
        let wanted: Vec<_> = candidates.iter().flat_map(record).collect();
        self.refs = if wanted.is_empty() { Refs::new() } else { refs::linked(self.s, wanted).await? };
        Ok(())
    }

    /// Remote records with their references as the host has them; what is only there is pulled first, where policy admits.
    pub(super) async fn localize(&mut self, remotes: &mut [&mut Remote], is_asked: bool) -> Result<(), Halt> {
        let s = self.s;
        if remotes.iter().all(|remote| refs::foreign(&remote.fields).is_empty()) {
            return Ok(());
        }
        refs::localize(s, remotes.iter_mut().map(|remote| &mut remote.fields)).await?;
        if !self.policy(&self.ask.rules).writes_here() {
            return Ok(());
        }
        let mut missing: BTreeMap<ResourceName, Vec<RemoteId>> = BTreeMap::new();
        for (resource, id) in remotes.iter().flat_map(|remote| refs::foreign(&remote.fields)) {
            if resource != self.ask.resource.name && !s.is_planned_there(&resource, &id) {
                missing.entry(resource).or_default().push(id);
            }
        }
        for (resource, mut ids) in missing {
            let Some(ask) = s.ask.resources.iter().find(|ask| ask.resource.name == resource) else { continue };
            let is_let = ask.rules.on_remote_new == OnRemoteNew::Create || is_asked;
            let comes_first = self.ask.resource.depends_on.contains(&resource);
            if !is_let || !comes_first {
                continue;
            }
            ids.sort();
            ids.dedup();
            let mut first = Planner::new(s, ask, self.seq, false);
            first.is_again = self.is_again;
            for ids in ids.chunks(ask.resource.find_max.max(1)) {
                let found = remote::look_up(s, ask, ids).await?;
                Box::pin(first.take_new(found.into_iter().flatten().collect(), is_asked)).await?;
            }
            self.seq = first.seq;
        }
        Ok(())
    }

    /// Why an operation can't go yet: something that it refers to is neither there nor in this plan.
    pub(super) async fn waits_for(&self, operation: &Operation, writes_there: bool) -> Result<Option<Outcome>, Halt> {
        let s = self.s;
        if writes_there && operation.verb != sync_core::Verb::Remove {
            let open: Vec<_> = refs::locals(&operation.fields)
                .into_iter()
                .filter(|(collection, id)| {
                    let is_planned =
                        refs::resource_of(s, collection).is_some_and(|resource| s.slice_of(&resource.name, id).is_some());
                    self.refs.remote(collection, id).is_none() && !is_planned
                })
                .collect();
            if !open.is_empty() {
                let known = refs::linked(s, open.clone()).await?;
                if let Some((collection, id)) = open.iter().find(|(collection, id)| known.remote(collection, id).is_none()) {
                    return Ok(Some(refs::blocked(s, collection.as_str(), id.as_str())));
                }
            }
        }
        if let Some(here) = &operation.here {
            let waits = refs::foreign(&here.fields).into_iter().find(|(resource, id)| !s.is_planned_there(resource, id));
            if let Some((resource, id)) = waits {
                return Ok(Some(refs::blocked(s, &format!("remote:{resource}"), id.as_str())));
            }
        }
        Ok(None)
    }

    /// The slice of a plan that an operation goes in: that of the last thing which it refers to, else the next free place.
    pub(super) fn slice(&mut self, fields: &Record) -> u32 {
        let s = self.s;
        let of_refs = refs::locals(fields)
            .into_iter()
            .filter_map(|(collection, id)| s.slice_of(&refs::resource_of(s, &collection)?.name, &id))
            .max();
        of_refs.unwrap_or_else(|| {
            self.n_roots += 1;
            u32::try_from((self.n_roots - 1) / s.engine.config.slice.max(1)).unwrap_or(u32::MAX)
        })
    }
}

/// The remote record of a side that was read.
pub(super) fn seen_of(side: &mut RemoteSide) -> Vec<&mut Remote> {
    match side {
        RemoteSide::Seen(remote) => vec![&mut **remote],
        RemoteSide::Many(remotes) => remotes.iter_mut().collect(),
        RemoteSide::Unread | RemoteSide::Gone => Vec::new(),
    }
}
