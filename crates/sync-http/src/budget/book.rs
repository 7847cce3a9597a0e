//! Who waits for what, and who is next: no I/O, no waiting, one call at a time.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use sync_core::{Lane, Scope};
use tokio::sync::Notify;

use super::gauge::{Ended, Gauge};

/// A limit (by its place in the descriptor) and who shares it.
pub(crate) type GaugeKey = (usize, Arc<str>);

/// A budget that the provider itself has closed for a while, and for whom.
pub(crate) type PauseKey = (&'static str, Arc<str>);

/// One limit that a call must find room in.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    pub(crate) key: GaugeKey,
    pub(crate) cost: u32,
    /// How far this call may fill it.
    pub(crate) ceiling: u32,
    /// What to make where there is none yet.
    pub(crate) make: fn() -> Gauge,
}

/// Lane, then start tag (fair among scopes), then arrival.
pub(crate) type Turn = (Lane, u64, u64);

/// Where a waiting call stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may go.
    Granted,
    /// It waits; with when there will be room in what it needs, as far as that is known.
    Waits {
        /// Room by then, at the earliest.
        room_at: Option<Timestamp>,
        /// The first limit without room, if any: else others are before it.
        short: Option<usize>,
    },
}

struct Waiter {
    needs: Vec<Need>,
    pauses: Vec<PauseKey>,
    granted: bool,
    wake: Arc<Notify>,
}

/// Everything about the limits of one provider in this process.
#[derive(Default)]
pub(crate) struct Book {
    gauges: HashMap<GaugeKey, Gauge>,
    pauses: HashMap<PauseKey, Timestamp>,
    waiting: BTreeMap<Turn, Waiter>,
    /// Start-time fair queueing, per lane: a scope's next call is tagged after its last one, but never before the call
    /// that was granted last, so that silence earns no credit.
    tags: HashMap<(Lane, Scope), u64>,
    served: HashMap<Lane, u64>,
    arrivals: u64,
}

/// More gauges or tags than this and the idle ones are dropped.
const IDLE_KEPT: usize = 1024;

impl Book {
    /// Queues a call.
    pub(crate) fn enqueue(
        &mut self,
        scope: &Scope,
        lane: Lane,
        needs: Vec<Need>,
        pauses: Vec<PauseKey>,
    ) -> (Turn, Arc<Notify>) {
        let served = self.served.get(&lane).copied().unwrap_or(0);
        let next = self.tags.entry((lane, scope.clone())).or_insert(served);
        let tag = (*next).max(served);
        *next = tag + 1;
        self.arrivals += 1;
        let turn = (lane, tag, self.arrivals);
        let wake = Arc::new(Notify::new());
        self.waiting.insert(turn, Waiter { needs, pauses, granted: false, wake: Arc::clone(&wake) });
        (turn, wake)
    }

    /// Grants whatever has room, in turn. A call that lacks room in one limit holds that limit alone, so that another
    /// tenant's call, which needs it not, goes on.
    pub(crate) fn pump(&mut self, now: Timestamp) {
        self.pauses.retain(|_, until| *until > now);
        self.gauges.values_mut().for_each(|gauge| gauge.expire(now));
        if self.gauges.len() > IDLE_KEPT {
            self.gauges.retain(|_, gauge| !gauge.is_idle());
        }
        let mut held: HashSet<GaugeKey> = HashSet::new();
        for (turn, waiter) in &mut self.waiting {
            if waiter.granted
                || waiter.pauses.iter().any(|key| self.pauses.contains_key(key))
                || waiter.needs.iter().any(|need| held.contains(&need.key))
            {
                continue;
            }
            let gauges = &self.gauges;
            let short = |need: &&Need| {
                gauges.get(&need.key).is_some_and(|gauge| gauge.used().saturating_add(need.cost) > need.ceiling)
            };
            let before = held.len();
            held.extend(waiter.needs.iter().filter(short).map(|need| need.key.clone()));
            if held.len() > before {
                continue;
            }
            for need in &waiter.needs {
                self.gauges.entry(need.key.clone()).or_insert_with(need.make).take(need.cost);
            }
            waiter.granted = true;
            waiter.wake.notify_one();
            let served = self.served.entry(turn.0).or_default();
            *served = (*served).max(turn.1);
        }
        if self.tags.len() > IDLE_KEPT {
            let served = &self.served;
            self.tags.retain(|(lane, _), tag| *tag > served.get(lane).copied().unwrap_or(0));
        }
    }

    /// Where a queued call stands.
    pub(crate) fn standing(&self, turn: &Turn) -> Standing {
        let Some(waiter) = self.waiting.get(turn) else { return Standing::Waits { room_at: None, short: None } };
        if waiter.granted {
            return Standing::Granted;
        }
        let mut room_at = waiter.pauses.iter().filter_map(|key| self.pauses.get(key)).max().copied();
        let mut first_short = None;
        let mut unknown = false;
        for need in &waiter.needs {
            let Some(gauge) = self.gauges.get(&need.key) else { continue };
            if gauge.used().saturating_add(need.cost) <= need.ceiling {
                continue;
            }
            first_short.get_or_insert(need.key.0);
            match gauge.room_at(need.cost, need.ceiling) {
                Some(at) => room_at = room_at.max(Some(at)),
                None => unknown = true,
            }
        }
        // With a known time for one limit and none for another, the known one is still the earliest possible moment.
        if unknown && room_at.is_none() {
            return Standing::Waits { room_at: None, short: first_short };
        }
        Standing::Waits { room_at, short: first_short }
    }

    /// Takes a granted call out of the queue; its needs stay taken until [`Self::end`].
    pub(crate) fn leave_granted(&mut self, turn: &Turn) -> Vec<Need> {
        self.waiting.remove(turn).map(|waiter| waiter.needs).unwrap_or_default()
    }

    /// Takes a call out of the queue, and gives back what it was granted meanwhile.
    pub(crate) fn give_up(&mut self, turn: &Turn, now: Timestamp) {
        if let Some(waiter) = self.waiting.remove(turn)
            && waiter.granted
        {
            self.end(&waiter.needs, Ended::Unsent, now);
        }
        self.pump(now);
    }

    /// A call ended.
    pub(crate) fn end(&mut self, needs: &[Need], ended: Ended, now: Timestamp) {
        for need in needs {
            if let Some(gauge) = self.gauges.get_mut(&need.key) {
                gauge.end(need.cost, ended, now);
            }
        }
        self.pump(now);
    }

    /// The provider told how much of a limit is used.
    pub(crate) fn correct(&mut self, need: &Need, used: u32, now: Timestamp) {
        self.gauges.entry(need.key.clone()).or_insert_with(need.make).correct(used, now);
    }

    /// How much of a limit is taken.
    pub(crate) fn used(&mut self, key: &GaugeKey, now: Timestamp) -> u32 {
        self.gauges.get_mut(key).map_or(0, |gauge| {
            gauge.expire(now);
            gauge.used()
        })
    }

    /// The provider told to come back then.
    pub(crate) fn pause(&mut self, key: PauseKey, until: Timestamp) {
        let at = self.pauses.entry(key).or_insert(until);
        *at = (*at).max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(holder: &str, ceiling: u32) -> Need {
        Need { key: (0, Arc::from(holder)), cost: 1, ceiling, make: Gauge::slots }
    }

    /// Queues calls of (scope, lane), then frees one slot at a time; returns the order in which scopes were served.
    fn order(calls: &[(&str, Lane)]) -> Vec<String> {
        let now = Timestamp::UNIX_EPOCH;
        let mut book = Book::default();
        let (first, _) = book.enqueue(&Scope::new("holder", "x"), Lane::Interactive, vec![need("app", 1)], vec![]);
        book.pump(now);
        let mut under_way = book.leave_granted(&first);
        let mut turns: Vec<_> = calls
            .iter()
            .map(|(scope, lane)| {
                (book.enqueue(&Scope::new(*scope, "x"), *lane, vec![need("app", 1)], vec![]).0, (*scope).to_owned())
            })
            .collect();
        let mut served = Vec::new();
        while !turns.is_empty() {
            book.end(&under_way, Ended::Answered, now);
            let idx = turns.iter().position(|(turn, _)| book.standing(turn) == Standing::Granted).unwrap();
            let (turn, scope) = turns.remove(idx);
            under_way = book.leave_granted(&turn);
            served.push(scope);
        }
        served
    }

    #[test]
    fn urgent_lanes_go_first() {
        let calls = [("d", Lane::Backfill), ("c", Lane::Scheduled), ("b", Lane::Webhook), ("a", Lane::Interactive)];
        assert_eq!(order(&calls), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_tenant_with_a_thousand_calls_does_not_starve_one_with_two() {
        let mut calls = vec![("big", Lane::Backfill); 1000];
        calls.extend([("small", Lane::Backfill); 2]);
        let served = order(&calls);
        assert!(served.iter().take(4).filter(|scope| *scope == "small").count() == 2, "{:?}", &served[..6]);
    }

    #[test]
    fn a_call_without_room_holds_only_the_limit_it_lacks() {
        let now = Timestamp::UNIX_EPOCH;
        let mut book = Book::default();
        let busy = vec![need("one", 1)];
        let (first, _) = book.enqueue(&Scope::new("one", "x"), Lane::Interactive, busy.clone(), vec![]);
        book.pump(now);
        assert_eq!(book.standing(&first), Standing::Granted);
        let (waits, _) = book.enqueue(&Scope::new("one", "x"), Lane::Interactive, busy, vec![]);
        let (other, _) = book.enqueue(&Scope::new("two", "x"), Lane::Backfill, vec![need("two", 1)], vec![]);
        book.pump(now);
        assert!(matches!(book.standing(&waits), Standing::Waits { short: Some(0), .. }));
        assert_eq!(book.standing(&other), Standing::Granted);
    }

    #[test]
    fn a_call_that_is_dropped_while_granted_gives_back_what_it_took() {
        let now = Timestamp::UNIX_EPOCH;
        let mut book = Book::default();
        let scope = Scope::new("a", "x");
        let (first, _) = book.enqueue(&scope, Lane::Interactive, vec![need("app", 1)], vec![]);
        let (second, _) = book.enqueue(&scope, Lane::Interactive, vec![need("app", 1)], vec![]);
        book.pump(now);
        book.give_up(&first, now);
        assert_eq!(book.standing(&second), Standing::Granted);
    }
}
