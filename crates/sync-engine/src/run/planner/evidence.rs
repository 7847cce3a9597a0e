//! Evidence: by what a record without a link is recognised there. Keys are looked up, what many have is left out, and what
//! belongs to another record of ours is nobody else's.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use jiff::civil::Date;
use sync_core::{
    Evidence, FindBy, Found, KeysOf, NaturalKey, Near, Record, Remote, RemoteId, RemoteState, ResourceName, Value, Verdict,
};

use super::super::{halt::Halt, notes::fingerprint, observe::links_at, session::lock};
use super::{Candidate, Planner, gather};
use crate::{
    LinkState,
    plan::{LocalSide, RemoteSide},
};

impl Planner<'_, '_> {
    /// Weighs what is there against records without a link.
    pub(super) async fn weigh(&self, candidates: &mut [Candidate], open: &[usize]) -> Result<(), Halt> {
        let s = self.s;
        let rules = &self.ask.rules;
        let seen = self.seen_keys().await?;
        let mut keys: HashMap<usize, Vec<NaturalKey>> = HashMap::new();
        let mut n_here: HashMap<NaturalKey, usize> = HashMap::new();
        for idx in open {
            let Some(LocalSide::Live(record)) = candidates.get(*idx).map(|candidate| &candidate.side) else { continue };
            let of_it = s.input.handler.keys(KeysOf::new(&self.ask.resource.name, record, &self.refs));
            of_it.iter().for_each(|key| *n_here.entry(key.clone()).or_default() += 1);
            keys.insert(*idx, of_it);
        }
        let too_many = |n: usize| rules.no_evidence.more_than.is_some_and(|most| n > most);
        let counts = |key: &NaturalKey| {
            rules.evidence.iter().any(|evidence| evidence.keys.contains(key.field()))
                && !rules.no_evidence.covers(key.field().as_str(), key.value())
                && !too_many(n_here.get(key).copied().unwrap_or(0))
                && seen.as_ref().is_none_or(|seen| seen.contains(&fingerprint(key)))
        };
        // What is known by its keys is looked up by these alone, in the container where it would go.
        let mut by_key: BTreeMap<NaturalKey, Vec<Remote>> = BTreeMap::new();
        for (container, chunk) in self.by_container(candidates, open, gather::to) {
            let wanted: BTreeSet<NaturalKey> =
                chunk.iter().filter_map(|idx| keys.get(idx)).flatten().filter(|key| counts(key)).cloned().collect();
            let wanted: Vec<NaturalKey> = wanted.into_iter().filter(|key| !by_key.contains_key(key)).collect();
            for wanted in wanted.chunks(self.ask.resource.find_max.max(1)) {
                let found = self.find(container.as_ref(), FindBy::Keys(wanted)).await?;
                for (key, found) in wanted.iter().zip(found) {
                    let remotes = match found {
                        Found::One(remote) => vec![*remote],
                        Found::Many(remotes) => remotes,
                        Found::Absent | Found::Gone => Vec::new(),
                    };
                    by_key.insert(key.clone(), remotes);
                }
            }
        }
        by_key.retain(|_, remotes| !too_many(remotes.len()));
        let ids: Vec<RemoteId> =
            by_key.values().flatten().map(|remote| remote.id.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let links = links_at(s, self.ask, None, &ids).await?;
        let held: HashSet<&RemoteId> = ids
            .iter()
            .zip(&links)
            .filter(|(_, link)| link.as_ref().is_some_and(|link| link.state == LinkState::Live))
            .map(|(id, _)| id)
            .collect();
        for idx in open {
            let (Some(candidate), Some(keys)) = (candidates.get_mut(*idx), keys.get(idx)) else { continue };
            if candidate.remote != RemoteSide::Unread {
                continue;
            }
            let LocalSide::Live(record) = &candidate.side else { continue };
            let marker = s.marker(&self.ask.collection, &candidate.id);
            let mut shared: BTreeMap<&RemoteId, (&Remote, Vec<&NaturalKey>)> = BTreeMap::new();
            for (key, remote) in keys
                .iter()
                .filter_map(|key| Some((key, by_key.get(key)?)))
                .flat_map(|(key, of)| of.iter().map(move |one| (key, one)))
            {
                let is_others = held.contains(&remote.id)
                    || remote.marker.as_ref().is_some_and(|other| *other != marker)
                    || remote.state != RemoteState::Live;
                if is_others {
                    candidate.taken.push(key.clone());
                } else {
                    shared.entry(&remote.id).or_insert((remote, Vec::new())).1.push(key);
                }
            }
            let (side, verdict) = weighed(&rules.evidence, record, &shared);
            if candidate.answer.as_deref() == Some(super::super::questions::answer::CREATE) {
                candidate.taken.extend(shared.values().flat_map(|(_, keys)| keys.iter().map(|key| (*key).clone())));
            }
            candidate.taken.sort();
            candidate.taken.dedup();
            candidate.remote = side;
            candidate.is_proven = matches!(verdict, Some(Verdict::Same | Verdict::There(_)));
            candidate.linked_as = match verdict {
                Some(Verdict::There(code)) => Some(code),
                _ => None,
            };
        }
        Ok(())
    }

    /// The keys of everything there is, where a feed showed it all in this run: what isn't among them need not be looked up.
    async fn seen_keys(&self) -> Result<Option<Arc<HashSet<u64>>>, Halt> {
        let s = self.s;
        let name = &self.ask.resource.name;
        if !self.saw_all {
            return Ok(None);
        }
        if let Some(seen) = lock(&s.notes.seen_keys).get(name) {
            return Ok(Some(Arc::clone(seen)));
        }
        let mut seen = HashSet::new();
        let mut after: (ResourceName, RemoteId) = (name.clone(), RemoteId::from_static(""));
        loop {
            let place = Some((&after.0, &after.1));
            let page = s.engine.store.seen_page(&s.scope, &s.run, place, s.engine.config.page).await;
            let page = page.map_err(|error| s.halt(error))?;
            let n_rows = page.len();
            let of_it: Vec<Remote> = page.into_iter().take_while(|remote| remote.resource == *name).collect();
            seen.extend(of_it.iter().flat_map(|remote| remote.keys.iter().map(fingerprint)));
            let is_end = of_it.len() < n_rows || n_rows < s.engine.config.page;
            if let Some(last) = of_it.last() {
                after.1 = last.id.clone();
            }
            if is_end {
                break;
            }
        }
        let seen = Arc::new(seen);
        lock(&s.notes.seen_keys).insert(name.clone(), Arc::clone(&seen));
        Ok(Some(seen))
    }
}

/// The strongest evidence that anything there has, and who has it.
fn weighed(
    evidence: &[Evidence],
    record: &Record,
    shared: &BTreeMap<&RemoteId, (&Remote, Vec<&NaturalKey>)>,
) -> (RemoteSide, Option<Verdict>) {
    for evidence in evidence {
        let has_all = |keys: &[&NaturalKey]| evidence.keys.iter().all(|name| keys.iter().any(|key| key.field() == name));
        let mut fitting: Vec<Remote> = shared
            .values()
            .filter(|(remote, keys)| has_all(keys) && is_near(evidence.near.as_ref(), record, &remote.fields))
            .map(|(remote, _)| (*remote).clone())
            .collect();
        if fitting.is_empty() {
            continue;
        }
        return match (evidence.verdict, fitting.len()) {
            (Verdict::Same | Verdict::There(_), 1) => {
                let one = fitting.pop().map_or(RemoteSide::Unread, |one| RemoteSide::Seen(Box::new(one)));
                (one, Some(evidence.verdict))
            }
            _ => (RemoteSide::Many(fitting), None),
        };
    }
    (RemoteSide::Unread, None)
}

fn is_near(near: Option<&Near>, here: &Record, there: &Record) -> bool {
    let Some(near) = near else { return true };
    let day = |record: &Record| match record.value(near.field.as_str()) {
        Some(Value::Date(day)) => Some(*day),
        _ => None,
    };
    let apart = |a: Date, b: Date| a.duration_until(b).as_hours().unsigned_abs() / 24;
    matches!((day(here), day(there)), (Some(here), Some(there)) if apart(here, there) <= u64::from(near.days))
}
