//! Plan, second half: records are brought together with what the store and the provider know, decided about, and put
//! into the plan.

use std::collections::{BTreeMap, HashMap, HashSet};

use sync_core::{
    ErrorKind, FieldName, Find, FindBy, Found, Hash, Local, LocalId, LocalState, Marker, Matching, NaturalKey, Operation,
    Outcome, OutcomeKind, Owner, Prepare, Prepared, QuestionId, Reason, Record, Remote, Role, Skip, Target, Value, Verb,
    code,
};

use super::{
    ask::ResourceAsk,
    halt::Halt,
    local::default_role,
    questions::{self, answer},
    session::{Session, Settled},
};
use crate::{
    Base, Change, Item, Link, LinkState, PlannedOp, PlannedPart, ProgressEvent, Suppression,
    plan::{self, Decision, LocalSide, Policy, RemoteSide},
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
    /// Records planned because they were due, so that they are not planned twice.
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
        if why == Why::Due {
            self.taken.extend(candidates.iter().map(|candidate| candidate.id.clone()));
        }
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
                        Some(filter) if !filter.admits(&record) => (LocalSide::OutOfScope, Some(hash)),
                        _ => (LocalSide::Live(record), Some(hash)),
                    }
                }
                LocalState::OutOfScope => (LocalSide::OutOfScope, None),
                LocalState::Deleted => (LocalSide::Deleted, None),
            };
            let (key, target) = match &side {
                LocalSide::Live(record) => (self.key_of(record), s.input.handler.target(name, record)),
                _ => (None, s.input.handler.target(name, &Record::new())),
            };
            candidates.push(Candidate {
                id: local.id,
                side,
                hash,
                key,
                target,
                link: None,
                item: None,
                remote: RemoteSide::Unread,
                suppression: None,
                answer: None,
            });
        }
        let ids: Vec<LocalId> = candidates.iter().map(|candidate| candidate.id.clone()).collect();
        let roles: HashSet<Role> = candidates.iter().map(|candidate| candidate.target.role.clone()).collect();
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
        }
        if let Some((channel, _, address_field)) = self.ask.resource.consent {
            let addresses: Vec<String> = candidates
                .iter()
                .map(|candidate| match &candidate.side {
                    LocalSide::Live(record) => record.text(address_field).unwrap_or_default().to_owned(),
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
    fn key_of(&self, record: &Record) -> Option<String> {
        let field = self.ask.rules.match_on.first()?;
        let key = NaturalKey::of(field.clone(), record.text(field.as_str())?)?;
        Some(key.value().to_owned())
    }

    /// Finds counterparts of records without a link, and of single items that were asked for.
    async fn match_remote(&self, candidates: &mut [Candidate], why: Why) -> Result<(), Halt> {
        let s = self.s;
        let name = &self.ask.resource.name;
        let is_new = |candidate: &Candidate| {
            matches!(candidate.side, LocalSide::Live(_)) && candidate.link.as_ref().is_none_or(|link| link.remote.is_none())
        };
        if self.has_seen {
            let mut by_container: HashMap<Option<sync_core::ContainerId>, Vec<usize>> = HashMap::new();
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
        // Single items are looked up, linked or not: no feed was read for them. New records are where the provider would
        // make a twin.
        let must_look = |candidate: &Candidate| {
            let unread = candidate.remote == RemoteSide::Unread && matches!(candidate.side, LocalSide::Live(_));
            unread
                && (why == Why::Asked
                    || why == Why::Again
                    || (self.ask.resource.matching == Matching::Find && is_new(candidate)))
        };
        let by_id: Vec<usize> = indexes(candidates, |candidate| must_look(candidate) && !is_new(candidate));
        for chunk in by_id.chunks(self.ask.resource.find_max.max(1)) {
            let ids: Vec<_> = chunk.iter().filter_map(|idx| candidates.get(*idx)?.link.as_ref()?.remote.clone()).collect();
            let container = chunk.first().and_then(|idx| candidates.get(*idx)?.link.as_ref()?.container.clone());
            let found = self.find(container.as_ref(), FindBy::Ids(&ids)).await?;
            place(candidates, chunk, found, true);
        }
        if self.ask.resource.matching == Matching::Find {
            let by_marker = indexes(candidates, |candidate| must_look(candidate) && is_new(candidate));
            for chunk in by_marker.chunks(self.ask.resource.find_max.max(1)) {
                let markers: Vec<Marker> =
                    chunk.iter().filter_map(|idx| Some(s.marker(&self.ask.collection, &candidates.get(*idx)?.id))).collect();
                let container = chunk.first().and_then(|idx| candidates.get(*idx)?.target.container.clone());
                let found = self.find(container.as_ref(), FindBy::Markers(&markers)).await?;
                place(candidates, chunk, found, false);
            }
        }
        let by_key = indexes(candidates, |candidate| must_look(candidate) && is_new(candidate) && candidate.key.is_some());
        let Some(field) = self.ask.rules.match_on.first() else { return Ok(()) };
        for chunk in by_key.chunks(self.ask.resource.find_max.max(1)) {
            let keys: Vec<NaturalKey> = chunk
                .iter()
                .filter_map(|idx| NaturalKey::of(field.clone(), candidates.get(*idx)?.key.as_deref()?))
                .collect();
            let container = chunk.first().and_then(|idx| candidates.get(*idx)?.target.container.clone());
            let found = self.find(container.as_ref(), FindBy::Keys(&keys)).await?;
            place(candidates, chunk, found, false);
        }
        if why == Why::Asked || why == Why::Again {
            self.take_consent(candidates).await?;
        }
        Ok(())
    }

    /// What was looked up tells about consent as a feed would.
    async fn take_consent(&self, candidates: &[Candidate]) -> Result<(), Halt> {
        let (mut remotes, mut links) = (Vec::new(), Vec::new());
        for candidate in candidates {
            if let RemoteSide::Seen(remote) = &candidate.remote {
                remotes.push((**remote).clone());
                links.push(candidate.link.clone());
            }
        }
        let container = remotes.first().and_then(|remote| remote.container.clone());
        let changes =
            super::observe::consent_changes(self.s, self.ask.resource, container.as_ref(), &remotes, &links).await?;
        self.s.commit(changes).await
    }

    async fn find(&self, container: Option<&sync_core::ContainerId>, by: FindBy<'_>) -> Result<Vec<Found>, Halt> {
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
    async fn answers(&self, candidates: &mut [Candidate]) -> Result<(), Halt> {
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
    async fn shared(&mut self, candidates: &[Candidate]) -> Result<Vec<bool>, Halt> {
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

    /// Decides about one record and puts the decision where it belongs.
    pub(crate) async fn decide(&mut self, mut candidate: Candidate) -> Result<(), Halt> {
        let s = self.s;
        if let RemoteSide::Many(found) = &candidate.remote {
            match chosen(candidate.answer.as_deref(), found) {
                Chosen::Link(remote) => candidate.remote = RemoteSide::Seen(remote),
                Chosen::Create => candidate.remote = RemoteSide::Unread,
                Chosen::Leave => return self.left_alone(&candidate),
                Chosen::Nothing => return self.ask_which(&candidate, found).await,
            }
        }
        let marker = s.marker(&self.ask.collection, &candidate.id);
        if let RemoteSide::Seen(found) = &candidate.remote
            && candidate.link.as_ref().is_none_or(|link| link.remote.is_none())
            && !self.ask.rules.match_is_proof
            && found.marker.as_ref() != Some(&marker)
        {
            let one = std::slice::from_ref(&**found);
            match chosen(candidate.answer.as_deref(), one) {
                Chosen::Link(_) => {}
                Chosen::Create => candidate.remote = RemoteSide::Unread,
                Chosen::Leave => return self.left_alone(&candidate),
                Chosen::Nothing => return self.ask_which(&candidate, one).await,
            }
        }
        let mut rules = None;
        if candidate.answer.as_deref() == Some(answer::CREATE)
            && candidate.item.as_ref().is_some_and(|item| item.outcome.code == code::GONE_THERE)
        {
            let mut recreate = self.ask.rules.clone();
            recreate.on_remote_delete = sync_core::OnRemoteDelete::Recreate;
            rules = Some(recreate);
        }
        let decision = plan::decide(
            self.policy(rules.as_ref().unwrap_or(&self.ask.rules)),
            &candidate.id,
            &candidate.target,
            &marker,
            &candidate.side,
            &candidate.remote,
            candidate.link.as_ref(),
            candidate.suppression.as_ref(),
        );
        match decision {
            Decision::Nothing => {
                s.report().add_unchanged(1);
                self.drop_item(&candidate);
            }
            Decision::Heal { fields } => self.heal(&candidate, fields),
            Decision::OutOfScope => {
                let skip = Skip::new(code::OUT_OF_SCOPE, "it is outside the filter of this connection");
                self.item(&candidate, Outcome::from(&skip), None);
            }
            Decision::GoneThere => {
                if candidate.answer.as_deref() == Some(answer::LEAVE) {
                    return self.left_alone(&candidate);
                }
                let changes = questions::gone_there(s, self.ask, &candidate.id).await?;
                self.push(changes);
            }
            Decision::Remote(operation) => self.operation(&candidate, *operation).await?,
        }
        Ok(())
    }

    async fn ask_which(&mut self, candidate: &Candidate, found: &[Remote]) -> Result<(), Halt> {
        let changes = questions::ambiguous(
            self.s,
            self.ask,
            &candidate.id,
            candidate.hash,
            candidate.key.clone(),
            found,
            candidate.item.as_ref(),
        )
        .await?;
        self.push(changes);
        Ok(())
    }

    fn left_alone(&mut self, candidate: &Candidate) -> Result<(), Halt> {
        let skip = Skip::new("left-alone", "somebody decided to leave it as it is");
        self.item(candidate, Outcome::from(&skip), None);
        Ok(())
    }

    /// Puts an operation into the plan, unless the provider or a missing grant says no.
    async fn operation(&mut self, candidate: &Candidate, operation: Operation) -> Result<(), Halt> {
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
            .remedy(Owner::Nobody, format!("Sync all types of {} once.", self.ask.resource.nouns.1));
            self.item(candidate, outcome, None);
            return Ok(());
        }
        let is_link = operation.reason == Reason::Matched && operation.changed.is_empty();
        let parts = if is_link {
            Vec::new()
        } else {
            let facts = s.facts().await?;
            match s.input.handler.prepare(Prepare::new(&facts, &s.grants, &operation)) {
                Ok(Prepared::Parts(parts)) => parts,
                Ok(Prepared::Skip(skip)) => {
                    let needs_grant = skip.needs_grant.as_deref().map(str::to_owned);
                    self.item(candidate, Outcome::from(&skip), needs_grant);
                    return Ok(());
                }
                Ok(_) => return Ok(()),
                Err(error) if error.kind().is_systemic() => return Err(s.halt(error)),
                Err(error) => {
                    let attempts = candidate.item.as_ref().map_or(0, |item| item.attempts);
                    let mut outcome = Outcome::failed(&error);
                    outcome.until = s.next_try(&error, attempts);
                    self.item(candidate, outcome, None);
                    return Ok(());
                }
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
        if parts.is_empty() && operation.reason != Reason::Matched {
            self.heal(candidate, operation.fields);
            return Ok(());
        }
        self.count(&operation, &parts, 1);
        self.seq += 1;
        let moves_key = matches!(operation.reason, Reason::Matched | Reason::NewHere)
            || self.ask.rules.match_on.first().is_some_and(|field| operation.changed.contains(field));
        self.ops.push(PlannedOp {
            seq: self.seq,
            digest: plan::operation_digest(&operation).to_string(),
            key: if moves_key { candidate.key.clone() } else { None },
            hash: if self.ask.is_whole { candidate.hash } else { None },
            parts: parts.iter().map(PlannedPart::of).collect(),
            operation,
        });
        Ok(())
    }

    /// Counts an operation in the plan, or out of it.
    fn count(&self, operation: &Operation, parts: &[sync_core::Part], n: i64) {
        let mut report = self.s.report();
        let planned = &mut report.planned;
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
    pub(crate) fn uncount(&self, row: &crate::PlannedRow) {
        let mut report = self.s.report();
        let planned = &mut report.planned;
        let operation = &row.planned.operation;
        let counts = match operation.verb {
            _ if row.planned.parts.is_empty() => &mut planned.links,
            Verb::Create => &mut planned.creates,
            Verb::Update => &mut planned.updates,
            Verb::Remove => &mut planned.removes,
        };
        let count = counts.entry(operation.resource.clone()).or_default();
        *count = count.saturating_sub(1);
    }

    /// Nothing to write: the base is brought up to date.
    fn heal(&mut self, candidate: &Candidate, fields: Record) {
        self.s.report().add_unchanged(1);
        self.drop_item(candidate);
        if let Some(link) = &candidate.link
            && !self.s.is_dry()
        {
            let mut link = link.clone();
            let remote = match &candidate.remote {
                RemoteSide::Seen(remote) => Some(remote.fields.clone()),
                _ => link.base.as_ref().map(|base| base.remote.as_ref().unwrap_or(&base.local).clone()),
            };
            let before = link.base.take();
            link.base = Some(Base {
                remote: remote.filter(|remote| *remote != fields),
                local: fields,
                version: before.as_ref().and_then(|base| base.version.clone()),
                state: before.as_ref().map_or(sync_core::RemoteState::Live, |base| base.state.clone()),
                native: before.and_then(|base| base.native),
                mapping: self.ask.rules.mapping.clone(),
            });
            link.hash = candidate.hash.filter(|_| self.ask.is_whole);
            self.changes.push(Change::PutLink(link));
        }
    }

    fn drop_item(&mut self, candidate: &Candidate) {
        if candidate.item.is_some() && !self.s.is_dry() {
            self.changes.push(Change::DropItem { resource: self.ask.resource.name.clone(), local: candidate.id.clone() });
        }
    }

    fn item(&mut self, candidate: &Candidate, outcome: Outcome, needs_grant: Option<String>) {
        let changes = self.s.settle_item(Settled {
            remote: candidate.link.as_ref().and_then(|link| link.remote.as_ref()),
            hash: candidate.hash,
            key: candidate.key.clone().filter(|_| outcome.code == code::SHARED_KEY),
            standing: candidate.item.as_ref(),
            needs_grant,
            ..Settled::new(&self.ask.resource.name, &candidate.id, outcome)
        });
        self.push(changes);
    }

    fn push(&mut self, changes: Vec<Change>) {
        if !self.s.is_dry() {
            self.changes.extend(changes);
        }
    }

    async fn flush(&mut self) -> Result<(), Halt> {
        let ops = std::mem::take(&mut self.ops);
        if !ops.is_empty() {
            let s = self.s;
            s.engine.store.append_plan(&s.lease(), &s.run, ops).await.map_err(|error| s.halt(error))?;
            s.progress(ProgressEvent::Planned { operations: s.report().planned.total() });
        }
        let changes = std::mem::take(&mut self.changes);
        self.s.commit(changes).await
    }

    /// Resolves groups of records that share a key: those that pages brought up, and twins among what was planned.
    pub(crate) async fn finish(&mut self) -> Result<(), Halt> {
        let s = self.s;
        let mut after: Option<String> = None;
        loop {
            let twins = s
                .engine
                .store
                .plan_twins(&s.scope, &s.run, &self.ask.resource.name, after.as_deref(), s.engine.config.page)
                .await
                .map_err(|error| s.halt(error))?;
            let Some((last, _)) = twins.last() else { break };
            after = Some(last.clone());
            for (key, seqs) in twins {
                let ids = self.hold(&seqs).await?;
                self.groups.entry(key).or_default().extend(ids);
            }
        }
        for (key, ids) in std::mem::take(&mut self.groups) {
            // Members of the group that were planned one by one are taken out of the plan again.
            self.resolve(key, ids.into_iter().collect()).await?;
        }
        self.flush().await
    }

    /// Takes operations out of the plan again; returns their records.
    async fn hold(&mut self, seqs: &[u64]) -> Result<Vec<LocalId>, Halt> {
        let s = self.s;
        let mut ids = Vec::new();
        let mut changes = Vec::new();
        for seq in seqs {
            let rows =
                s.engine.store.plan_page(&s.scope, &s.run, seq.saturating_sub(1), 1).await.map_err(|error| s.halt(error))?;
            let Some(row) = rows.into_iter().next().filter(|row| row.planned.seq == *seq) else { continue };
            self.uncount(&row);
            ids.push(row.planned.operation.local.clone());
            changes.push(Change::Part(crate::PartRow {
                run: s.run.clone(),
                seq: *seq,
                part_idx: None,
                state: crate::PartState::Held,
            }));
        }
        s.commit(changes).await?;
        Ok(ids)
    }

    /// Decides about records that share one key.
    async fn resolve(&mut self, key: String, mut ids: Vec<LocalId>) -> Result<(), Halt> {
        ids.sort();
        let s = self.s;
        let locals = super::local::read_ids(s, self.ask, &ids).await?;
        let mut members = self.candidates(locals).await?;
        members.retain(|member| member.key.as_deref() == Some(key.as_str()));
        self.match_remote(&mut members, Why::Changed).await?;
        if members.len() < 2 {
            for member in members {
                self.decide(member).await?;
            }
            return self.flush().await;
        }
        let holder = members.iter().position(|member| {
            member
                .link
                .as_ref()
                .is_some_and(|link| link.state == LinkState::Live && link.key.as_deref() == Some(key.as_str()))
        });
        let question = questions::id(s, self.ask, code::SHARED_KEY, &key);
        let answered = s
            .engine
            .store
            .questions_by_id(&s.scope, std::slice::from_ref(&question))
            .await
            .map_err(|error| s.halt(error))?
            .pop()
            .flatten()
            .and_then(|question| question.answer);
        let (winner, is_union) = match (answered.as_ref().map(|answer| answer.key.as_str()), self.ask.rules.shared_key) {
            (Some(answer::LEAVE), _) => (holder, false),
            (Some(answer::UNION), _) => (holder.or(Some(0)), true),
            (Some(picked), _) => {
                let picked =
                    picked.strip_prefix(answer::USE).and_then(|id| members.iter().position(|m| m.id.as_str() == id));
                (holder.or(picked).or(Some(0)), false)
            }
            (None, sync_core::SharedKey::Oldest) => (holder.or(Some(0)), false),
            (None, sync_core::SharedKey::UnionOfTags) => (holder.or(Some(0)), true),
            (None, sync_core::SharedKey::Ask) => {
                let waiting: Vec<_> = members
                    .iter()
                    .enumerate()
                    .filter(|(idx, _)| Some(*idx) != holder)
                    .map(|(_, member)| (member.id.clone(), member.hash, member.item.clone()))
                    .collect();
                let changes = questions::shared_key(s, self.ask, question, &key, &waiting, holder.is_none()).await?;
                self.push(changes);
                if let Some(holder) = holder {
                    self.decide(members.swap_remove(holder)).await?;
                }
                return self.flush().await;
            }
        };
        let union = is_union.then(|| self.union_of(&members));
        for (idx, mut member) in members.into_iter().enumerate() {
            if Some(idx) == winner {
                if let Some(union) = union.clone() {
                    union.apply(&mut member, self.ask);
                }
                self.decide(member).await?;
            } else {
                let message = if is_union {
                    "goes there with another record that has the same address"
                } else {
                    "another record with the same address goes"
                };
                let skip = Skip::new(code::SHARED_KEY, message);
                self.item(&member, Outcome::from(&skip), None);
            }
        }
        self.flush().await
    }

    fn union_of(&self, members: &[Candidate]) -> Union {
        let mut union = Union { sets: BTreeMap::new(), consent: None };
        for member in members {
            let LocalSide::Live(record) = &member.side else { continue };
            for (field, value) in record.iter() {
                if let Value::Set(set) = value {
                    union.sets.entry(field.clone()).or_default().extend(set.iter().cloned());
                }
            }
            if let Some((_, field, _)) = self.ask.resource.consent {
                let consent = record.value(field).and_then(Value::as_consent).cloned();
                let consent = consent.unwrap_or_else(|| sync_core::Consent::new(sync_core::ConsentState::Unknown));
                union.consent = match union.consent.take() {
                    Some(lowest) if lowest.state <= consent.state => Some(lowest),
                    _ => Some(consent),
                };
            }
        }
        union
    }
}

/// What a group goes with: everybody's elements, and the lowest consent.
#[derive(Clone)]
struct Union {
    sets: BTreeMap<FieldName, std::collections::BTreeSet<String>>,
    consent: Option<sync_core::Consent>,
}

impl Union {
    fn apply(self, member: &mut Candidate, ask: &ResourceAsk) {
        let LocalSide::Live(record) = &mut member.side else { return };
        for (field, set) in self.sets {
            record.set(field, Value::Set(set));
        }
        if let (Some((_, field, _)), Some(consent)) = (ask.resource.consent, self.consent) {
            record.set(field, Value::Consent(consent));
        }
        // The hash stays that of the record itself, so that a scan sees it as unchanged; a change of another member
        // brings the group up again by its own hash.
    }
}

enum Chosen {
    Link(Box<Remote>),
    Create,
    Leave,
    Nothing,
}

fn chosen(key: Option<&str>, found: &[Remote]) -> Chosen {
    match key {
        Some(answer::CREATE) => Chosen::Create,
        Some(answer::LEAVE) => Chosen::Leave,
        Some(key) => key
            .strip_prefix(answer::LINK)
            .and_then(|id| found.iter().find(|remote| remote.id.as_str() == id))
            .map_or(Chosen::Nothing, |remote| Chosen::Link(Box::new(remote.clone()))),
        None => Chosen::Nothing,
    }
}

fn indexes(candidates: &[Candidate], mut test: impl FnMut(&Candidate) -> bool) -> Vec<usize> {
    candidates.iter().enumerate().filter(|(_, candidate)| test(candidate)).map(|(idx, _)| idx).collect()
}

/// Places what was found. `linked`: it was looked up by the id of its link, and absent means gone.
fn place(candidates: &mut [Candidate], idxs: &[usize], found: Vec<Found>, linked: bool) {
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
