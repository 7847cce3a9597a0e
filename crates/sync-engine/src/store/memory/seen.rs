//! What a feed showed in a run, in memory.

use std::{
    collections::{HashMap, HashSet},
    ops::Bound,
};

use sync_core::{ContainerId, Remote, RemoteId, ResourceName};

use super::{
    super::{Link, LinkState, Mark, Seen},
    state::{Data, Plan, SeenKey, Shown},
};

impl Plan {
    pub(super) fn add_seen(&mut self, rows: Vec<Seen>) {
        let key = |seen: &Seen| -> SeenKey {
            (seen.remote.resource.clone(), seen.remote.id.clone(), seen.remote.container.clone())
        };
        self.seen.extend(rows.into_iter().map(|seen| (key(&seen), Shown::Record(Box::new(seen)))));
    }

    pub(super) fn add_marks(
        &mut self,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
        mark: Mark,
    ) {
        let key = |id: &RemoteId| (resource.clone(), id.clone(), container.cloned());
        self.seen.extend(ids.iter().map(|id| (key(id), Shown::Mark(mark))));
    }

    pub(super) fn seen_by_key(
        &self,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        keys: &[String],
    ) -> Vec<Vec<Remote>> {
        let mut found: HashMap<&str, Vec<Remote>> = keys.iter().map(|key| (key.as_str(), Vec::new())).collect();
        for seen in self.seen.values().filter_map(Shown::record) {
            let remote = &seen.remote;
            if remote.resource == *resource
                && remote.container.as_ref() == container
                && let Some(found) = seen.key.as_ref().and_then(|key| found.get_mut(key.as_str()))
            {
                found.push(remote.clone());
            }
        }
        keys.iter().map(|key| found.get(key.as_str()).cloned().unwrap_or_default()).collect()
    }

    /// The natural keys of what feeds showed.
    pub(super) fn seen_keys(&self, resource: &ResourceName) -> HashSet<&str> {
        let of_it = self.seen.values().filter_map(Shown::record).filter(|seen| seen.remote.resource == *resource);
        of_it.filter_map(|seen| seen.key.as_deref()).collect()
    }

    pub(super) fn seen_by_remote(
        &self,
        resource: &ResourceName,
        container: Option<&ContainerId>,
        ids: &[RemoteId],
    ) -> Vec<Option<Remote>> {
        let remote = |id: &RemoteId| {
            let seen = self.seen.get(&(resource.clone(), id.clone(), container.cloned()))?;
            seen.record().map(|seen| seen.remote.clone())
        };
        ids.iter().map(remote).collect()
    }

    pub(super) fn seen_page(&self, after: Option<(&ResourceName, &RemoteId)>, limit: usize) -> Vec<Remote> {
        let rows = self.seen.values().filter_map(Shown::record).map(|seen| &seen.remote);
        let mut rows = rows.filter(|row| after.is_none_or(|after| (&row.resource, &row.id) > after));
        let mut page: Vec<Remote> = rows.by_ref().take(limit).cloned().collect();
        // The next page starts after the last id, so that all its containers belong to this one.
        if let Some((resource, id)) = page.last().map(|last| (last.resource.clone(), last.id.clone())) {
            page.extend(rows.take_while(|row| row.resource == resource && row.id == id).cloned());
        }
        page
    }

    pub(super) fn gone_page(
        &self,
        resource: &ResourceName,
        after: Option<(&RemoteId, Option<&ContainerId>)>,
        limit: usize,
    ) -> Vec<(RemoteId, Option<ContainerId>)> {
        let start = match after {
            Some((id, container)) => Bound::Excluded((resource.clone(), id.clone(), container.cloned())),
            None => Bound::Included((resource.clone(), RemoteId::from_static(""), None)),
        };
        let rows = self.seen.range((start, Bound::Unbounded)).take_while(|((of, ..), _)| of == resource);
        let gone = rows.filter(|(_, shown)| is_gone(shown)).map(|((_, id, container), _)| (id.clone(), container.clone()));
        gone.take(limit).collect()
    }

    /// True when a feed showed that it is there.
    fn shows(&self, link: &Link) -> bool {
        let Some(remote) = link.remote.clone() else { return false };
        self.seen.get(&(link.resource.clone(), remote, link.container.clone())).is_some_and(|shown| !is_gone(shown))
    }
}

fn is_gone(shown: &Shown) -> bool {
    matches!(shown, Shown::Mark(Mark::Gone))
}

impl Data {
    /// Live links that satisfy `of` and whose records no feed showed to the plan.
    pub(super) fn unseen(&self, plan: Option<&Plan>, of: impl Fn(&Link) -> bool, limit: usize) -> Vec<Link> {
        let is_unseen = |link: &&Link| {
            link.state == LinkState::Live && link.remote.is_some() && of(link) && plan.is_none_or(|plan| !plan.shows(link))
        };
        let mut rows: Vec<&Link> = self.links.values().filter(is_unseen).collect();
        rows.sort_by(|a, b| (&a.local, &a.role).cmp(&(&b.local, &b.role)));
        // A record's roles stay together, since the next page starts after its id.
        let Some(last) = limit.checked_sub(1) else { return Vec::new() };
        let last = rows.get(last).map(|link| &link.local);
        let n_rows = last.map_or(rows.len(), |last| rows.partition_point(|link| link.local <= *last));
        rows.into_iter().take(n_rows).cloned().collect()
    }
}
