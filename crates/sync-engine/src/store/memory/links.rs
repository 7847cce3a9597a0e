//! Links in memory: reads.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use sync_core::{AccountId, LocalId, OutcomeKind, RemoteId, ResourceName, Role, code};

use super::{
    super::{Link, LinkCount, LinkHead, LinkState},
    state::{Data, LinkKey},
};

impl Data {
    pub(super) fn links_by_local(
        &self,
        (account, resource, role): (&AccountId, &ResourceName, &Role),
        ids: &[LocalId],
    ) -> Vec<Option<Link>> {
        let key = |id: &LocalId| (account.clone(), resource.clone(), role.clone(), id.clone());
        ids.iter().map(|id| self.links.get(&key(id)).cloned()).collect()
    }

    pub(super) fn links_by_remote(
        &self,
        account: &AccountId,
        resource: &ResourceName,
        ids: &[RemoteId],
    ) -> Vec<Option<Link>> {
        let mut by_remote: HashMap<&RemoteId, &Link> = HashMap::new();
        let rank = |link: &Link| (link.state != LinkState::Live, link.local.clone(), link.role.clone());
        for link in self.links.values().filter(|link| link.account == *account && link.resource == *resource) {
            if let Some(remote) = &link.remote {
                let best = by_remote.entry(remote).or_insert(link);
                if rank(link) < rank(best) {
                    *best = link;
                }
            }
        }
        ids.iter().map(|id| by_remote.get(id).map(|link| (*link).clone())).collect()
    }

    pub(super) fn holders_of_keys(&self, of: (&AccountId, &ResourceName, &Role), keys: &[String]) -> Vec<Vec<LocalId>> {
        let mut holders: HashMap<&str, Vec<LocalId>> = keys.iter().map(|key| (key.as_str(), Vec::new())).collect();
        let mut hold = |key: Option<&String>, local: &LocalId| {
            if let Some(holders) = key.and_then(|key| holders.get_mut(key.as_str())) {
                holders.push(local.clone());
            }
        };
        for link in self.links_after(of, None) {
            if matches!(link.state, LinkState::Open | LinkState::Live) {
                hold(link.key.as_ref(), &link.local);
            }
        }
        for item in self.items.values().filter(|item| item.resource == *of.1) {
            if item.outcome.kind == OutcomeKind::Question || item.outcome.code == code::SHARED_KEY {
                hold(item.key.as_ref(), &item.local);
            }
        }
        for locals in holders.values_mut() {
            locals.sort();
            locals.dedup();
        }
        keys.iter().map(|key| holders.get(key.as_str()).cloned().unwrap_or_default()).collect()
    }

    pub(super) fn link_heads(
        &self,
        of: (&AccountId, &ResourceName, &Role),
        after: Option<&LocalId>,
        limit: usize,
    ) -> Vec<LinkHead> {
        let head = |link: &Link| LinkHead {
            local: link.local.clone(),
            remote: link.remote.clone(),
            state: link.state,
            hash: link.hash,
        };
        self.links_after(of, after).take(limit).map(head).collect()
    }

    pub(super) fn link_counts(&self, account: &AccountId) -> Vec<LinkCount> {
        let mut counts: BTreeMap<_, u64> = BTreeMap::new();
        for link in self.links.values().filter(|link| link.account == *account) {
            *counts.entry((&link.resource, &link.role, &link.container, link.state)).or_default() += 1;
        }
        let count = |((resource, role, container, state), count): ((&ResourceName, &Role, &Option<_>, _), u64)| LinkCount {
            resource: resource.clone(),
            role: role.clone(),
            container: container.clone(),
            state,
            count,
        };
        counts.into_iter().map(count).collect()
    }

    pub(super) fn links_of(&self, id: &str) -> Vec<Link> {
        let is_its =
            |link: &&Link| link.local.as_str() == id || link.remote.as_ref().is_some_and(|remote| remote.as_str() == id);
        self.links.values().filter(is_its).cloned().collect()
    }

    /// The links of one account, resource and role in order of their local ids, after an id.
    fn links_after(
        &self,
        (account, resource, role): (&AccountId, &ResourceName, &Role),
        after: Option<&LocalId>,
    ) -> impl Iterator<Item = &Link> {
        let key = |local: &LocalId| -> LinkKey { (account.clone(), resource.clone(), role.clone(), local.clone()) };
        let start = match after {
            Some(local) => Bound::Excluded(key(local)),
            None => Bound::Included(key(&LocalId::from_static(""))),
        };
        let (account, resource, role) = (account.clone(), resource.clone(), role.clone());
        let range = self.links.range((start, Bound::Unbounded));
        range
            .map(|(_, link)| link)
            .take_while(move |link| link.account == account && link.resource == resource && link.role == role)
    }
}
