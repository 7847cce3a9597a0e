//! Records that share a key which the provider knows once: families with one address.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use sync_core::{FieldName, LocalId, Outcome, Skip, Value, code};

use super::super::{
    ask::ResourceAsk,
    halt::Halt,
    questions::{self, answer},
    session::later,
};
use super::{Candidate, Planner, Why};
use crate::{Change, LinkState, plan::LocalSide};

/// When a left-out record is decided again after its address was given up: the run that gives it up must be over.
const FREED_AFTER: Duration = Duration::from_secs(60);

impl Planner<'_, '_> {
    /// Resolves groups of records that share a key: those that pages brought up, and twins among what was planned.
    pub(crate) async fn finish(&mut self) -> Result<(), Halt> {
        let s = self.s;
        let mut after: Option<String> = None;
        loop {
            self.keep_going().await?;
            let twins = s
                .engine
                .store
                .plan_twins(&s.scope, &s.run, &self.ask.resource.name, after.as_deref(), s.engine.config.page)
                .await
                .map_err(|error| s.halt(error))?;
            let Some((last, _)) = twins.last() else { break };
            after = Some(last.clone());
            for (key, seqs) in twins {
                let ids = self.drop_planned(&seqs, None).await?;
                self.groups.entry(key).or_default().extend(ids);
            }
        }
        self.resolve_groups(Why::Changed).await?;
        // A member of a group may have been planned by itself before: the later look counts.
        loop {
            let repeats = s
                .engine
                .store
                .plan_repeats(&s.scope, &s.run, &self.ask.resource.name, s.engine.config.page)
                .await
                .map_err(|error| s.halt(error))?;
            if repeats.is_empty() {
                break;
            }
            for (_, seqs) in repeats {
                self.drop_planned(seqs.split_last().map_or(&[], |(_, earlier)| earlier), None).await?;
            }
        }
        Ok(())
    }

    /// Resolves the groups that pages brought up.
    pub(crate) async fn resolve_groups(&mut self, why: Why) -> Result<(), Halt> {
        for (key, ids) in std::mem::take(&mut self.groups) {
            self.keep_going().await?;
            self.resolve(key, ids.into_iter().collect(), why).await?;
        }
        self.flush().await
    }

    async fn keep_going(&self) -> Result<(), Halt> {
        self.s.check_cancel()?;
        self.s.keep_lease().await
    }

    /// Records that were left out because another has their address are decided again soon after it gives the address up.
    pub(super) async fn freed_keys(&mut self, candidates: &[Candidate]) -> Result<(), Halt> {
        let s = self.s;
        let given_up = |candidate: &&Candidate| {
            let link = candidate.link.as_ref().filter(|link| link.state == LinkState::Live)?;
            let key = link.key.clone()?;
            let keeps = matches!(candidate.side, LocalSide::Live(_)) && candidate.key.as_ref() == Some(&key);
            (!keeps).then_some((candidate.id.clone(), key))
        };
        let freed: Vec<_> = candidates.iter().filter_map(|candidate| given_up(&candidate)).collect();
        if freed.is_empty() || s.is_dry() {
            return Ok(());
        }
        let keys: Vec<String> = freed.iter().map(|(_, key)| key.clone()).collect();
        let role = crate::run::local::default_role(s, self.ask);
        let name = &self.ask.resource.name;
        let holders =
            s.engine.store.holders_of_keys(&s.scope, &s.account, name, &role, &keys).await.map_err(|error| s.halt(error))?;
        let others: Vec<LocalId> = freed
            .iter()
            .zip(holders)
            .flat_map(|((id, _), holders)| holders.into_iter().filter(move |holder| holder != id))
            .collect();
        let items = s.engine.store.items_by_local(&s.scope, name, &others).await.map_err(|error| s.halt(error))?;
        // After this run: the address is free there only once it was given up there too.
        let due = later(s.now(), FREED_AFTER);
        for item in items.into_iter().flatten().filter(|item| item.outcome.code == code::SHARED_KEY) {
            self.changes.push(Change::PutItem(crate::Item { due: Some(due), hash: None, ..item }));
        }
        Ok(())
    }

    /// Groups that a record went along with and left are decided again: what went there for it alone goes.
    pub(super) async fn left_groups(&mut self, candidates: &[Candidate]) -> Result<(), Halt> {
        let s = self.s;
        let left = |candidate: &Candidate| {
            let item = candidate.item.as_ref().filter(|item| item.outcome.code == code::SHARED_KEY)?;
            let key = item.key.clone()?;
            let stays = matches!(candidate.side, LocalSide::Live(_)) && candidate.key.as_ref() == Some(&key);
            (!stays).then_some(key)
        };
        let keys: Vec<String> = candidates.iter().filter_map(left).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let role = crate::run::local::default_role(s, self.ask);
        let name = &self.ask.resource.name;
        let holders =
            s.engine.store.holders_of_keys(&s.scope, &s.account, name, &role, &keys).await.map_err(|error| s.halt(error))?;
        for (key, holders) in keys.into_iter().zip(holders) {
            self.groups.entry(key).or_default().extend(holders);
        }
        Ok(())
    }

    /// Takes operations out of the plan again; returns their records.
    pub(super) async fn drop_planned(&mut self, seqs: &[u64], of: Option<&HashSet<&LocalId>>) -> Result<Vec<LocalId>, Halt> {
        let s = self.s;
        let mut ids = Vec::new();
        let mut changes = Vec::new();
        for seq in seqs {
            let rows =
                s.engine.store.plan_page(&s.scope, &s.run, seq.saturating_sub(1), 1).await.map_err(|error| s.halt(error))?;
            let Some(row) = rows.into_iter().next().filter(|row| row.planned.seq == *seq) else { continue };
            if of.is_some_and(|ids| !ids.contains(&row.planned.operation.local)) {
                continue;
            }
            self.uncount(&row)?;
            ids.push(row.planned.operation.local.clone());
            changes.push(Change::DropOperation { run: s.run.clone(), seq: *seq });
        }
        s.commit(changes).await?;
        Ok(ids)
    }

    /// Decides about records that share one key.
    async fn resolve(&mut self, key: String, mut ids: Vec<LocalId>, why: Why) -> Result<(), Halt> {
        ids.sort();
        let s = self.s;
        let locals = crate::run::local::read_ids(s, self.ask, &ids).await?;
        let mut members = self.candidates(locals).await?;
        members.retain(|member| member.key.as_deref() == Some(key.as_str()));
        self.match_remote(&mut members, why).await?;
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
    pub(super) fn apply(self, member: &mut Candidate, ask: &ResourceAsk) {
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
