//! What one process remembers between calls. Losing it costs a look too many, never a mail or a run too many.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use sync_core::{DedupeKey, IntegrationId, OrganizationId, Scope};

/// How many webhooks are remembered: some hours of a busy process, in about a megabyte.
const MAX_SEEN: usize = 10_000;

#[derive(Default)]
pub(crate) struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    pruned_at: Option<Timestamp>,
    prune_not_before: Option<Timestamp>,
    /// Checks that failed, and when they may be tried again.
    checks: HashMap<Scope, Timestamp>,
    /// Connections with news whose run was stopped, and when it may be tried again.
    pulls: HashMap<Scope, Timestamp>,
    /// When a connection's push channels are looked at next, and the revision at which they were; none after a failure.
    watches: HashMap<Scope, (Option<u64>, Timestamp)>,
    /// Feeds for which their providers have no push channels.
    unwatchable: HashSet<(IntegrationId, String)>,
    digests: HashMap<OrganizationId, Digest>,
    seen: HashSet<(String, DedupeKey)>,
    seen_order: VecDeque<(String, DedupeKey)>,
}

#[derive(Clone, Default)]
struct Digest {
    day: String,
    attempts: u32,
    not_before: Option<Timestamp>,
    is_over: bool,
}

/// The day of a digest.
pub(crate) fn day(now: Timestamp) -> String {
    now.strftime("%Y-%m-%d").to_string()
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when pruning is due. A process that has just started prunes first thing.
    pub(crate) fn prune_due(&self, now: Timestamp, every: SignedDuration) -> Option<Timestamp> {
        let state = self.state();
        let since = state.pruned_at.map_or(Timestamp::UNIX_EPOCH, |at| super::later(at, every));
        (since <= now && state.prune_not_before.is_none_or(|not_before| not_before <= now)).then_some(since)
    }

    pub(crate) fn pruned(&self, now: Timestamp) {
        self.state().pruned_at = Some(now);
    }

    pub(crate) fn prune_failed(&self, not_before: Timestamp) {
        self.state().prune_not_before = Some(not_before);
    }

    pub(crate) fn may_check(&self, scope: &Scope, now: Timestamp) -> bool {
        self.state().checks.get(scope).is_none_or(|not_before| *not_before <= now)
    }

    pub(crate) fn check_failed(&self, scope: &Scope, not_before: Timestamp) {
        self.state().checks.insert(scope.clone(), not_before);
    }

    pub(crate) fn may_pull(&self, scope: &Scope, now: Timestamp) -> bool {
        self.state().pulls.get(scope).is_none_or(|not_before| *not_before <= now)
    }

    pub(crate) fn pull_rests(&self, scope: &Scope, not_before: Timestamp) {
        self.state().pulls.insert(scope.clone(), not_before);
    }

    /// Since when a look at a connection's push channels is due. One that has changed since the last look is due at once,
    /// as is one that this process has never looked at.
    pub(crate) fn watch_due(&self, scope: &Scope, revision: u64, now: Timestamp) -> Option<Timestamp> {
        match self.state().watches.get(scope) {
            Some((seen, at)) if seen.is_none_or(|seen| seen == revision) => (*at <= now).then_some(*at),
            _ => Some(now),
        }
    }

    pub(crate) fn watch_rests(&self, scope: &Scope, revision: u64, not_before: Timestamp) {
        self.state().watches.insert(scope.clone(), (Some(revision), not_before));
    }

    pub(crate) fn watch_failed(&self, scope: &Scope, not_before: Timestamp) {
        self.state().watches.insert(scope.clone(), (None, not_before));
    }

    /// Something happened: look at once.
    pub(crate) fn watch_now(&self, scope: &Scope) {
        self.state().watches.remove(scope);
    }

    pub(crate) fn is_unwatchable(&self, integration: &IntegrationId, feed: &str) -> bool {
        self.state().unwatchable.contains(&(integration.clone(), feed.to_owned()))
    }

    pub(crate) fn unwatchable(&self, integration: &IntegrationId, feed: &str) {
        self.state().unwatchable.insert((integration.clone(), feed.to_owned()));
    }

    /// Since when a look at the organization's digest is due: the start of the day, or when it was put off to.
    pub(crate) fn digest_due(&self, organization: &OrganizationId, now: Timestamp) -> Option<Timestamp> {
        let start = now.to_zoned(TimeZone::UTC).start_of_day().map_or(now, |start| start.timestamp());
        match self.state().digests.get(organization) {
            Some(digest) if digest.day == day(now) => {
                let since = digest.not_before.unwrap_or(start);
                (!digest.is_over && since <= now).then_some(since)
            }
            _ => Some(start),
        }
    }

    /// Under which name the organization's digest is claimed: another one after each hand-over that failed.
    pub(crate) fn digest_claim(&self, organization: &OrganizationId, now: Timestamp) -> String {
        let day = day(now);
        match self.state().digests.get(organization).filter(|digest| digest.day == day) {
            Some(digest) if digest.attempts > 0 => format!("{day}+{}", digest.attempts),
            _ => day,
        }
    }

    /// Nothing waits for anybody now, or nobody can tell: look again then, unless an earlier time was set.
    pub(crate) fn digest_rests(&self, organization: &OrganizationId, now: Timestamp, not_before: Timestamp) {
        self.change_digest(organization, now, |digest| {
            digest.not_before = digest.not_before.filter(|at| *at > now).or(Some(not_before));
        });
    }

    /// Handed over, by this process or another.
    pub(crate) fn digest_over(&self, organization: &OrganizationId, now: Timestamp) {
        self.change_digest(organization, now, |digest| digest.is_over = true);
    }

    /// The hand-over failed: again then, unless it failed too often today.
    pub(crate) fn digest_failed(&self, organization: &OrganizationId, now: Timestamp, not_before: Timestamp, max: u32) {
        self.change_digest(organization, now, |digest| {
            digest.attempts += 1;
            digest.not_before = Some(not_before);
            digest.is_over = digest.attempts >= max;
        });
    }

    fn change_digest(&self, organization: &OrganizationId, now: Timestamp, change: impl FnOnce(&mut Digest)) {
        let mut state = self.state();
        let digest = state.digests.entry(organization.clone()).or_default();
        let day = day(now);
        if digest.day != day {
            *digest = Digest { day, ..Digest::default() };
        }
        change(digest);
    }

    pub(crate) fn has_seen(&self, integration: &str, key: &DedupeKey) -> bool {
        self.state().seen.contains(&(integration.to_owned(), key.clone()))
    }

    pub(crate) fn saw(&self, integration: &str, key: DedupeKey) {
        let mut state = self.state();
        let entry = (integration.to_owned(), key);
        if state.seen.insert(entry.clone()) {
            state.seen_order.push_back(entry);
        }
        while state.seen_order.len() > MAX_SEEN {
            if let Some(oldest) = state.seen_order.pop_front() {
                state.seen.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_digest_is_due_once_a_day_and_again_after_a_failure() {
        let memory = Memory::default();
        let shop = OrganizationId::from("shop");
        let morning = at("2026-11-22T08:00:00Z");
        assert_eq!(memory.digest_due(&shop, morning), Some(at("2026-11-22T00:00:00Z")));
        assert_eq!(memory.digest_claim(&shop, morning), "2026-11-22");

        memory.digest_failed(&shop, morning, at("2026-11-22T09:00:00Z"), 2);
        assert_eq!(memory.digest_due(&shop, morning), None);
        assert_eq!(memory.digest_due(&shop, at("2026-11-22T09:00:00Z")), Some(at("2026-11-22T09:00:00Z")));
        assert_eq!(memory.digest_claim(&shop, morning), "2026-11-22+1");

        memory.digest_failed(&shop, morning, morning, 2);
        assert_eq!(memory.digest_due(&shop, at("2026-11-22T23:00:00Z")), None, "it failed too often today");
        assert!(memory.digest_due(&shop, at("2026-11-23T00:00:00Z")).is_some(), "tomorrow is another day");
        assert_eq!(memory.digest_claim(&shop, at("2026-11-23T00:00:00Z")), "2026-11-23");
    }

    #[test]
    fn the_oldest_webhooks_are_forgotten_first() {
        let memory = Memory::default();
        for n in 0..=MAX_SEEN {
            memory.saw("x", DedupeKey(n.to_string()));
        }
        assert!(!memory.has_seen("x", &DedupeKey("0".into())));
        assert!(memory.has_seen("x", &DedupeKey("1".into())));
        assert!(!memory.has_seen("y", &DedupeKey("1".into())), "another integration's delivery is another");
    }
}
