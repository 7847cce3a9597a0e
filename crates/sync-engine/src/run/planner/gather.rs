//! What the store and the provider know about a page of records.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use sync_core::{
    ContainerId, ErrorKind, Find, FindBy, Found, Local, LocalId, LocalState, Marker, Matching, NaturalKey, QuestionId,
    Record, RemoteId, Role, code,
};

use super::super::{halt::Halt, local::default_role, observe::links_at, questions::answer};
use super::{Candidate, Planner, Why};
use crate::{
    Link, LinkState,
    plan::{self, LocalSide, RemoteSide},
};

impl Planner<'_, '_> {
    /// Brings records together with links, standing items and suppressions.
    pub(crate) async fn candidates(&self, locals: Vec<Local>) -> Result<Vec<Candidate>, Halt> {
        let s = self.s;
        let name = &self.ask.resource.name;
        let store = &s.engine.store;
        let mut candidates = Vec::with_capacity(locals.len());
        for local in locals {
            let (side, hash) = match local.state {
                LocalState::Live(record) => {
                    let hash = plan::local_hash(&record, &self.ask.rules);
                    match &self.ask.rules.filter {
                        Some(filter) if !filter.admits(&record) => (LocalSide::OutOfScope(Some(record)), Some(hash)),
                        _ => (LocalSide::Live(record), Some(hash)),
                    }
                }
                LocalState::OutOfScope => (LocalSide::OutOfScope(None), None),
                LocalState::Deleted => (LocalSide::Deleted, None),
            };
            let (key, target) = match &side {
                LocalSide::Live(record) => (self.key_of(record), s.input.handler.target(name, record)),
                _ => (None, s.input.handler.target(name, &Record::new())),
            };
            candidates.push(Candidate {
                id: local.id,
                version: local.version,
                side,
                hash,
                key,
                target,
                link: None,
                item: None,
                remote: RemoteSide::Unread,
                suppression: None,
                answer: None,
                held_by: None,
                is_proven: false,
                linked_as: None,
                taken: Vec::new(),
            });
        }
        let ids: Vec<LocalId> = candidates.iter().map(|candidate| candidate.id.clone()).collect();
        let roles: BTreeSet<Role> = candidates.iter().map(|candidate| candidate.target.role.clone()).collect();
        for role in roles {
            let links =
                store.links_by_local(&s.scope, &s.account, name, &role, &ids).await.map_err(|error| s.halt(error))?;
            for (candidate, link) in candidates.iter_mut().zip(links) {
                if candidate.target.role == role {
                    candidate.link = link;
                }
            }
        }
        let items = store.items_by_local(&s.scope, name, &ids).await.map_err(|error| s.halt(error))?;
        for (candidate, item) in candidates.iter_mut().zip(items) {
            candidate.item = item;
            // Taken away before, and a call without an answer may have brought it back: it is taken away again. Gone there, and
            // what was to make it anew did not go: it is decided on again, and waits for no answer.
            let is_unsure = candidate.item.as_ref().is_some_and(|item| item.outcome.code == code::UNSETTLED);
            if let Some(link) = &mut candidate.link
                && is_unsure
                && match link.state {
                    LinkState::Removed => candidate.side == LocalSide::Deleted,
                    LinkState::Gone => matches!(candidate.side, LocalSide::Live(_)),
                    _ => false,
                }
            {
                link.state = LinkState::Live;
            }
        }
        if let Some((channel, _, address_field)) = self.ask.resource.consent {
            let addresses: Vec<String> = candidates
                .iter()
                .map(|candidate| match &candidate.side {
                    LocalSide::Live(record) | LocalSide::OutOfScope(Some(record)) => {
                        record.text(address_field).unwrap_or_default().to_owned()
                    }
                    _ => String::new(),
                })
                .collect();
            let suppressed =
                store.suppressed(&s.scope.organization, channel, &addresses).await.map_err(|error| s.halt(error))?;
            for (candidate, suppression) in candidates.iter_mut().zip(suppressed) {
                candidate.suppression = suppression;
            }
        }
        Ok(candidates)
    }

    /// The value of the key by which the record is found there.
    pub(super) fn key_of(&self, record: &Record) -> Option<String> {
        let field = self.ask.rules.match_on.first()?;
        let key = NaturalKey::of(field.clone(), record.text(field.as_str())?)?;
        Some(key.value().to_owned())
    }

    /// Finds counterparts of records without a link, and of single items that were asked for.
    pub(super) async fn match_remote(&mut self, candidates: &mut [Candidate], why: Why) -> Result<(), Halt> {
        self.look_there(candidates, why).await?;
        self.forget_dates(candidates);
        let mut remotes: Vec<_> =
            candidates.iter_mut().flat_map(|candidate| super::needs::seen_of(&mut candidate.remote)).collect();
        self.localize(&mut remotes, why == Why::Asked).await?;
        self.held_by_others(candidates).await
    }

    async fn look_there(&self, candidates: &mut [Candidate], why: Why) -> Result<(), Halt> {
        let s = self.s;
        let name = &self.ask.resource.name;
        if self.has_seen {
            let mut by_container: BTreeMap<Option<ContainerId>, Vec<usize>> = BTreeMap::new();
            for (idx, candidate) in candidates.iter().enumerate() {
                if is_new(candidate) && candidate.key.is_some() {
                    by_container.entry(candidate.target.container.clone()).or_default().push(idx);
                }
            }
            for (container, idxs) in by_container {
                let keys: Vec<String> = idxs.iter().filter_map(|idx| candidates.get(*idx)?.key.clone()).collect();
                let seen = s
                    .engine
                    .store
                    .seen_by_key(&s.scope, &s.run, name, container.as_ref(), &keys)
                    .await
                    .map_err(|error| s.halt(error))?;
                for (idx, mut found) in idxs.into_iter().zip(seen) {
                    let Some(candidate) = candidates.get_mut(idx) else { continue };
                    let marker = s.marker(&self.ask.collection, &candidate.id);
                    if let Some(own) = found.iter().position(|remote| remote.marker.as_ref() == Some(&marker)) {
                        found = vec![found.swap_remove(own)];
                    }
                    match found.len() {
                        0 => {}
                        1 => {
                            candidate.remote = found.pop().map_or(RemoteSide::Unread, |one| RemoteSide::Seen(Box::new(one)))
                        }
                        _ => candidate.remote = RemoteSide::Many(found),
                    }
                }
            }
        }
        if self.ask.is_two_way() {
            self.linked_sides(candidates).await?;
        }
        self.picked(candidates).await?;
        // Single items are looked up, linked or not: no feed was read for them. New records are where the provider would
        // make a twin.
        let must_look = |candidate: &Candidate| {
            // What is taken away there needs its version of today, once it turned out to have moved.
            let counts = matches!(candidate.side, LocalSide::Live(_)) || self.ask.is_two_way() || why == Why::Again;
            let unread = candidate.remote == RemoteSide::Unread && counts;
            // What stands may have changed there when nobody looked. Where it lies and no longer belongs, no feed is read.
            let is_unsure = self.ask.is_two_way()
                && candidate.link.as_ref().is_some_and(|link| {
                    let is_elsewhere = candidate.target.container.is_some() && link.container != candidate.target.container;
                    is_live(link) && (candidate.item.is_some() || is_elsewhere)
                });
            // Nothing tells what it was; but a no of the host's goes whatever it was.
            let has_no_base = candidate.link.as_ref().is_some_and(|link| is_live(link) && link.base.is_none())
                && (self.ask.is_two_way() || !self.refuses(candidate));
            unread
                && (why == Why::Asked
                    || is_unsure
                    || has_no_base
                    || self.withdraws(candidate)
                    || why == Why::Again
                    || (self.ask.resource.matching == Matching::Find && is_new(candidate))
                    || (!self.saw_all && is_new(candidate) && self.refuses(candidate)))
        };
        let by_id: Vec<usize> = indexes(candidates, |candidate| {
            must_look(candidate) && candidate.link.as_ref().is_some_and(|link| link.remote.is_some())
        });
        let chunks = self.by_container(candidates, &by_id, |candidate| candidate.link.as_ref()?.container.as_ref());
        let looks = chunks.iter().map(|(container, chunk)| {
            let links = chunk.iter().filter_map(|idx| candidates.get(*idx)?.link.as_ref());
            let ids: Vec<RemoteId> = links.filter_map(|link| link.remote.clone()).collect();
            async move { self.find(container.as_ref(), FindBy::Ids(&ids)).await }
        });
        let found = self.all(looks.collect()).await?;
        for ((_, chunk), found) in chunks.iter().zip(found) {
            place(candidates, chunk, found, true);
        }
        // Where nothing but our marker tells it, what is taken there is looked up by that.
        let by_marker = why == Why::Again && self.ask.rules.match_on.is_empty();
        if self.ask.resource.matching == Matching::Find || by_marker {
            let by_marker = indexes(candidates, |candidate| must_look(candidate) && is_new(candidate));
            for (container, chunk) in self.by_container(candidates, &by_marker, to) {
                let markers: Vec<Marker> =
                    chunk.iter().filter_map(|idx| Some(s.marker(&self.ask.collection, &candidates.get(*idx)?.id))).collect();
                let found = self.find(container.as_ref(), FindBy::Markers(&markers)).await?;
                place(candidates, &chunk, found, false);
            }
        }
        self.by_former_key(candidates).await?;
        let by_key = indexes(candidates, |candidate| must_look(candidate) && is_new(candidate) && candidate.key.is_some());
        self.look_by_key(candidates, &by_key, |candidate| candidate.key.as_deref()).await?;
        if !self.ask.rules.evidence.is_empty() {
            // Where a feed showed everything, only what has a key of ours is looked up.
            let is_shown = |candidate: &Candidate| self.saw_all && candidate.remote == RemoteSide::Unread;
            let open = indexes(candidates, |candidate| (must_look(candidate) || is_shown(candidate)) && is_new(candidate));
            self.weigh(candidates, &open).await?;
        }
        if why == Why::Asked || why == Why::Again || !by_id.is_empty() {
            self.take_consent(candidates).await?;
        }
        if why != Why::Again && !self.ask.is_two_way() {
            self.hear_refusals_alone(candidates);
        }
        Ok(())
    }

    /// Finds counterparts by a key of the kind that matching goes by first.
    async fn look_by_key(
        &self,
        candidates: &mut [Candidate],
        idxs: &[usize],
        key: impl Fn(&Candidate) -> Option<&str>,
    ) -> Result<(), Halt> {
        let Some(field) = self.ask.rules.match_on.first() else { return Ok(()) };
        let chunks = self.by_container(candidates, idxs, to);
        let looks = chunks.iter().map(|(container, chunk)| {
            let of_chunk = chunk.iter().filter_map(|idx| candidates.get(*idx));
            let keys: Vec<NaturalKey> =
                of_chunk.filter_map(|candidate| NaturalKey::of(field.clone(), key(candidate)?)).collect();
            async move { self.find(container.as_ref(), FindBy::Keys(&keys)).await }
        });
        let found = self.all(looks.collect()).await?;
        for ((_, chunk), found) in chunks.iter().zip(found) {
            place(candidates, chunk, found, false);
        }
        Ok(())
    }

    /// What a call without an answer made lies there under the key that it was made with. Where that has changed here since,
    /// nothing else would find it, and it would be made once more.
    async fn by_former_key(&self, candidates: &mut [Candidate]) -> Result<(), Halt> {
        fn former_key(candidate: &Candidate) -> Option<&str> {
            key_of_lost(candidate).filter(|key| candidate.key.as_deref() != Some(*key))
        }
        let open = indexes(candidates, |candidate| {
            is_new(candidate) && candidate.remote == RemoteSide::Unread && former_key(candidate).is_some()
        });
        self.look_by_key(candidates, &open, former_key).await
    }

    /// Chunks of candidates that are looked up at once: a look-up is in one container.
    pub(super) fn by_container(
        &self,
        candidates: &[Candidate],
        idxs: &[usize],
        of: impl Fn(&Candidate) -> Option<&ContainerId>,
    ) -> Vec<(Option<ContainerId>, Vec<usize>)> {
        let mut places: BTreeMap<Option<ContainerId>, Vec<usize>> = BTreeMap::new();
        for idx in idxs {
            places.entry(candidates.get(*idx).and_then(&of).cloned()).or_default().push(*idx);
        }
        let most = self.ask.resource.find_max.max(1);
        places
            .into_iter()
            .flat_map(|(container, idxs)| {
                idxs.chunks(most).map(|chunk| (container.clone(), chunk.to_vec())).collect::<Vec<_>>()
            })
            .collect()
    }

    /// The counterparts that people picked for records without a link.
    async fn picked(&self, candidates: &mut [Candidate]) -> Result<(), Halt> {
        let pick = |candidate: &Candidate| {
            let is_open =
                candidate.remote == RemoteSide::Unread && candidate.link.as_ref().is_none_or(|link| link.remote.is_none());
            let id = candidate.answer.as_deref().filter(|_| is_open)?.strip_prefix(answer::LINK)?;
            Some(RemoteId::new(id))
        };
        let idxs = indexes(candidates, |candidate| pick(candidate).is_some());
        for (container, chunk) in self.by_container(candidates, &idxs, to) {
            let ids: Vec<RemoteId> = chunk.iter().filter_map(|idx| pick(candidates.get(*idx)?)).collect();
            let found = self.find(container.as_ref(), FindBy::Ids(&ids)).await?;
            place(candidates, &chunk, found, false);
        }
        Ok(())
    }

    /// What this run's feeds showed of records that are linked.
    async fn linked_sides(&self, candidates: &mut [Candidate]) -> Result<(), Halt> {
        let s = self.s;
        let is_open = |candidate: &Candidate| candidate.remote == RemoteSide::Unread && candidate.link.is_some();
        let mut by_container: BTreeMap<Option<ContainerId>, Vec<(usize, RemoteId)>> = BTreeMap::new();
        for idx in indexes(candidates, is_open) {
            let Some(candidate) = candidates.get_mut(idx) else { continue };
            if self.gone.contains(&candidate.id) {
                candidate.remote = RemoteSide::Gone;
                // As it was when that was news: it is decided about once more, not as one that was flagged before.
                if let Some(link) = candidate.link.as_mut().filter(|link| link.state == LinkState::Gone) {
                    link.state = LinkState::Live;
                }
                continue;
            }
            let Some(link) = &candidate.link else { continue };
            if let (true, Some(remote)) = (self.has_seen, &link.remote) {
                by_container.entry(link.container.clone()).or_default().push((idx, remote.clone()));
            }
        }
        for (container, places) in by_container {
            let ids: Vec<RemoteId> = places.iter().map(|(_, id)| id.clone()).collect();
            let seen = s
                .engine
                .store
                .seen_by_remote(&s.scope, &s.run, &self.ask.resource.name, container.as_ref(), &ids)
                .await
                .map_err(|error| s.halt(error))?;
            for ((idx, _), seen) in places.into_iter().zip(seen) {
                if let (Some(candidate), Some(seen)) = (candidates.get_mut(idx), seen) {
                    candidate.remote = RemoteSide::Seen(Box::new(seen));
                }
            }
        }
        Ok(())
    }

    /// Looks up several at once, as many as the provider takes; in order.
    pub(super) async fn all<F: Future<Output = Result<Vec<Found>, Halt>>>(
        &self,
        looks: Vec<F>,
    ) -> Result<Vec<Vec<Found>>, Halt> {
        stream::iter(looks).buffered(self.s.input.descriptor.concurrency.max(1)).try_collect().await
    }

    /// Counterparts that were found for records without a link, and that another record is linked with.
    async fn held_by_others(&self, candidates: &mut [Candidate]) -> Result<(), Halt> {
        let s = self.s;
        let found = indexes(candidates, |candidate| {
            matches!(candidate.remote, RemoteSide::Seen(_))
                && candidate.link.as_ref().is_none_or(|link| link.remote.is_none())
        });
        let remote = |candidate: &Candidate| match &candidate.remote {
            RemoteSide::Seen(remote) => Some((remote.id.clone(), remote.container.clone())),
            _ => None,
        };
        let mut places: BTreeMap<Option<ContainerId>, Vec<(usize, RemoteId)>> = BTreeMap::new();
        for idx in found {
            if let Some((id, container)) = candidates.get(idx).and_then(remote) {
                places.entry(container).or_default().push((idx, id));
            }
        }
        let mut links = Vec::new();
        for (container, of_it) in places {
            let ids: Vec<RemoteId> = of_it.iter().map(|(_, id)| id.clone()).collect();
            let held = links_at(s, self.ask, container.as_ref(), &ids).await?;
            links.extend(of_it.into_iter().map(|(idx, _)| idx).zip(held));
        }
        for (idx, link) in links {
            if let (Some(candidate), Some(link)) = (candidates.get_mut(idx), link)
                && link.local != candidate.id
                && link.state == LinkState::Live
            {
                candidate.held_by = Some(link.local);
            }
        }
        Ok(())
    }

    pub(super) async fn find(&self, container: Option<&ContainerId>, by: FindBy<'_>) -> Result<Vec<Found>, Halt> {
        let s = self.s;
        s.check_cancel()?;
        s.keep_lease().await?;
        let found = s
            .input
            .handler
            .find(&s.context(), Find::new(&self.ask.resource.name, container, by))
            .await
            .map_err(|error| s.halt(error))?;
        if found.len() != by.len() {
            return Err(s.halt(sync_core::Error::new(ErrorKind::Internal, "`find` did not answer every key")));
        }
        Ok(found)
    }

    /// Answers to questions that candidates wait for.
    pub(super) async fn answers(&self, candidates: &mut [Candidate]) -> Result<(), Halt> {
        let asked: Vec<(usize, QuestionId)> = candidates
            .iter()
            .enumerate()
            .filter_map(|(idx, candidate)| Some((idx, candidate.item.as_ref()?.question.clone()?)))
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let ids: Vec<QuestionId> = asked.iter().map(|(_, id)| id.clone()).collect();
        let questions =
            self.s.engine.store.questions_by_id(&self.s.scope, &ids).await.map_err(|error| self.s.halt(error))?;
        for ((idx, _), question) in asked.into_iter().zip(questions) {
            if let Some(candidate) = candidates.get_mut(idx) {
                candidate.answer = question.and_then(|question| question.answer).map(|answer| answer.key);
            }
        }
        Ok(())
    }

    /// Which candidates share their key with records that are linked or stand, and are resolved as a group. Twins within
    /// the plan are found when it is complete.
    pub(super) async fn shared(&mut self, candidates: &[Candidate]) -> Result<Vec<bool>, Halt> {
        let s = self.s;
        let mut shared = vec![false; candidates.len()];
        let keyed: Vec<usize> =
            indexes(candidates, |candidate| candidate.key.is_some() && matches!(candidate.side, LocalSide::Live(_)));
        let keys: Vec<String> = keyed.iter().filter_map(|idx| candidates.get(*idx)?.key.clone()).collect();
        let role = default_role(s, self.ask);
        let holders = s
            .engine
            .store
            .holders_of_keys(&s.scope, &s.account, &self.ask.resource.name, &role, &keys)
            .await
            .map_err(|error| s.halt(error))?;
        for ((idx, key), holders) in keyed.iter().zip(&keys).zip(holders) {
            let Some(candidate) = candidates.get(*idx) else { continue };
            let others = holders.iter().any(|holder| *holder != candidate.id);
            if others {
                let group = self.groups.entry(key.clone()).or_default();
                group.insert(candidate.id.clone());
                group.extend(holders);
                if let Some(is_shared) = shared.get_mut(*idx) {
                    *is_shared = true;
                }
            }
        }
        Ok(shared)
    }
}

/// True for a record of the host's that has no counterpart yet.
pub(super) fn is_new(candidate: &Candidate) -> bool {
    matches!(candidate.side, LocalSide::Live(_)) && candidate.link.as_ref().is_none_or(|link| link.remote.is_none())
}

/// True for a link with a counterpart that is there, as far as anybody knows.
pub(super) fn is_live(link: &Link) -> bool {
    link.remote.is_some() && link.state == LinkState::Live
}

/// The key under which a call without an answer may have made a record's counterpart.
pub(super) fn key_of_lost(candidate: &Candidate) -> Option<&str> {
    candidate.item.as_ref().filter(|item| item.outcome.code == code::UNSETTLED)?.key.as_deref()
}

pub(super) fn indexes(candidates: &[Candidate], mut test: impl FnMut(&Candidate) -> bool) -> Vec<usize> {
    candidates.iter().enumerate().filter(|(_, candidate)| test(candidate)).map(|(idx, _)| idx).collect()
}

/// Where a candidate goes.
pub(super) fn to(candidate: &Candidate) -> Option<&ContainerId> {
    candidate.target.container.as_ref()
}

/// Places what was found. `linked`: it was looked up by the id of its link, and absent means gone.
pub(super) fn place(candidates: &mut [Candidate], idxs: &[usize], found: Vec<Found>, linked: bool) {
    for (idx, found) in idxs.iter().zip(found) {
        let Some(candidate) = candidates.get_mut(*idx) else { continue };
        match found {
            Found::One(remote) => candidate.remote = RemoteSide::Seen(remote),
            Found::Many(remotes) => candidate.remote = RemoteSide::Many(remotes),
            Found::Absent | Found::Gone if linked => candidate.remote = RemoteSide::Gone,
            Found::Absent | Found::Gone => {}
        }
    }
}
