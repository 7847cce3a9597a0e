//! Budgets: no published limit is exceeded by our own doing, a reserve stays for people who wait, nobody starves.
//!
//! Limits by second, minute and concurrency are kept per process; limits by day are counted durably.

mod book;
mod gauge;
mod left;

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::select;
use http::HeaderMap;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use sync_core::{
    Clock, CounterKey, Counters, Descriptor, Error, ErrorKind, IntegrationId, Lane, Quota, QuotaScope, Result, Retry, Scope,
    Span, Within,
    zoo::{self, Defect},
};

pub(crate) use self::gauge::Ended;
pub use self::left::QuotaLeft;
use self::{
    book::{Book, Need, PauseKey, Standing, Turn},
    gauge::Gauge,
};
use crate::{
    telemetry,
    time::{later, until},
};

/// Which limits are kept.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Limits {
    /// The published ones of the descriptors.
    #[default]
    Published,
    /// The published ones, with these changes.
    Changed(Vec<LimitOverride>),
    /// None at all: for benchmarks against a sandbox.
    Off,
}

/// Another number than the published one: tiers differ.
#[derive(Debug, Clone)]
pub struct LimitOverride {
    /// The integration.
    pub integration: IntegrationId,
    /// The budget of the quota; `""` for those that every call pays.
    pub budget: String,
    /// Among whom it is shared.
    pub scope: QuotaScope,
    /// Over which time it counts.
    pub span: Span,
    /// The limit; `None`: there is none.
    pub limit: Option<u32>,
}

/// Longest wait inside a call: a run never sleeps longer, it returns when to come back.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Longest sleep before a wish to stop is looked at again.
const CANCEL_LOOK: Duration = Duration::from_secs(1);

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The limits of one provider, as this process keeps them.
pub(crate) struct Ledger {
    descriptor: &'static Descriptor,
    clock: Arc<dyn Clock>,
    counters: Arc<dyn Counters>,
    /// Each quota with its limit; `None` where it is switched off.
    quotas: Vec<(&'static Quota, Option<u32>)>,
    off: bool,
    book: Mutex<Book>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("integration", &self.descriptor.id).finish_non_exhaustive()
    }
}

/// Who pays for a call.
#[derive(Debug, Clone)]
pub(crate) struct Payer<'a> {
    pub(crate) scope: &'a Scope,
    /// The OAuth client, or a word for having none.
    pub(crate) app: &'a str,
    /// The remote account, once it was verified.
    pub(crate) account: Option<&'a str>,
    pub(crate) budget: &'static str,
    pub(crate) cost: u32,
}

impl Payer<'_> {
    /// The name of those who share a limit with this payer.
    fn holder(&self, scope: QuotaScope) -> Arc<str> {
        let connection = || format!("connection:{}", self.scope);
        Arc::from(match scope {
            QuotaScope::App => format!("app:{}", self.app),
            // Two connections to one account share its limits as soon as both are verified.
            QuotaScope::Account => self.account.map_or_else(connection, |account| format!("account:{account}")),
            _ => connection(),
        })
    }

    fn cost_of(&self, quota: &Quota) -> u32 {
        match quota.span {
            Span::Concurrent => 1,
            _ if quota.budget == self.budget => self.cost.max(1),
            _ => 1,
        }
    }

    fn pauses(&self) -> PauseKey {
        (self.budget, self.holder(QuotaScope::Account))
    }
}

/// How far a lane may fill a limit.
fn ceiling(quota: &Quota, limit: u32, lane: Lane) -> u32 {
    if lane == Lane::Interactive || zoo::is(Defect::SpendsTheReserve) {
        return limit;
    }
    let reserve = u64::from(limit) * u64::from(quota.reserve_percent.min(100)) / 100;
    limit.saturating_sub(u32::try_from(reserve).unwrap_or(limit)).max(1)
}

impl Ledger {
    pub(crate) fn new(
        descriptor: &'static Descriptor,
        limits: &Limits,
        clock: Arc<dyn Clock>,
        counters: Arc<dyn Counters>,
    ) -> Self {
        let limit_of = |quota: &Quota| match limits {
            Limits::Changed(changes) => changes
                .iter()
                .rev()
                .find(|change| {
                    change.integration.as_str() == descriptor.id
                        && change.budget == quota.budget
                        && change.scope == quota.scope
                        && change.span == quota.span
                })
                .map_or(Some(quota.limit), |change| change.limit),
            _ => Some(quota.limit),
        };
        Self {
            descriptor,
            clock,
            counters,
            quotas: descriptor.quotas.iter().map(|quota| (quota, limit_of(quota))).collect(),
            off: matches!(limits, Limits::Off),
            book: Mutex::default(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The quotas that a call pays, with their limits.
    fn paid(&self, budget: &'static str) -> impl Iterator<Item = (usize, &'static Quota, u32)> {
        self.quotas.iter().enumerate().filter_map(move |(idx, (quota, limit))| {
            let pays = quota.budget.is_empty() || quota.budget == budget;
            limit.filter(|_| pays).map(|limit| (idx, *quota, limit))
        })
    }

    fn needs(&self, payer: &Payer<'_>, lane: Lane) -> Result<Vec<Need>> {
        let mut needs = Vec::new();
        for (idx, quota, limit) in self.paid(payer.budget) {
            let make: fn() -> Gauge = match quota.span {
                Span::Concurrent => Gauge::slots,
                Span::Second => || Gauge::window(SECOND),
                Span::Minute => || Gauge::window(MINUTE),
                _ => continue,
            };
            let cost = payer.cost_of(quota);
            if cost > limit {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("one call costs {cost}, the {} is {limit}", self.name(quota)),
                )
                .with_remedy("Raise this limit in the configuration, or sync fewer items at once."));
            }
            // A call that costs more than the reserve leaves may still go when it is alone.
            needs.push(Need {
                key: (idx, payer.holder(quota.scope)),
                cost,
                ceiling: ceiling(quota, limit, lane).max(cost),
                make,
            });
        }
        Ok(needs)
    }

    /// Waits for room in every limit that the call pays, and takes it.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        payer: &Payer<'_>,
        within: &Within<'_>,
        latest: Timestamp,
    ) -> Result<Permit> {
        let mut permit = Permit { ledger: Arc::clone(self), needs: Vec::new(), settle: self.descriptor.settle, open: false };
        if self.off || zoo::is(Defect::IgnoresQuotas) {
            return Ok(permit);
        }
        let began = self.clock.now();
        let latest = latest.min(later(began, LONGEST_WAIT));
        let needs = self.needs(payer, within.lane)?;
        let (turn, wake) = self.book().enqueue(payer.scope, within.lane, needs, vec![payer.pauses()]);
        let ticket = Ticket { ledger: self, turn, granted: false };
        loop {
            let now = self.clock.now();
            let standing = {
                let mut book = self.book();
                book.pump(now);
                book.standing(&turn)
            };
            let Standing::Waits { room_at, short } = standing else { break };
            if within.cancel.is_cancelled() {
                return Err(cancelled());
            }
            if now >= latest || room_at.is_some_and(|at| at > latest) {
                return Err(self.full(short, room_at.map(|at| until(now, at))));
            }
            let nap = until(now, room_at.unwrap_or(latest).min(latest)).min(CANCEL_LOOK).max(Duration::from_millis(1));
            select(pin!(wake.notified()), self.clock.sleep(nap)).await;
        }
        permit.needs = ticket.take();
        permit.open = true;
        telemetry::waited(self.descriptor.id, within.lane, until(began, self.clock.now()));
        self.count_day(payer, within.lane, permit).await
    }

    /// Counts the call in the durable limits.
    async fn count_day(&self, payer: &Payer<'_>, lane: Lane, permit: Permit) -> Result<Permit> {
        for (_, quota, limit) in self.paid(payer.budget).filter(|(_, quota, _)| quota.span == Span::Day) {
            let now = self.clock.now();
            let (start, end) = day(now);
            let key = self.counter(quota, payer);
            let top = ceiling(quota, limit, lane);
            let taken = self.counters.take(&key, start, payer.cost_of(quota), top).await;
            let error = match taken {
                Ok((_, true)) => continue,
                Ok((_, false)) => {
                    let mut error = Error::new(ErrorKind::QuotaExhausted, format!("the {} is used up", self.name(quota)))
                        .with_retry(Retry::After(until(now, end)))
                        .with_remedy("Nothing needs to be done: it goes on when the day's count starts anew.");
                    if top < limit {
                        error = error.with_remedy(
                            "The rest of the day's quota is kept for people who wait: \"Sync now\" may use it. Otherwise it goes \
                             on when the day's count starts anew.",
                        );
                    }
                    error
                }
                Err(error) => error,
            };
            permit.end(Ended::Unsent);
            return Err(error);
        }
        Ok(permit)
    }

    /// Learns from an answer's headers what is left.
    pub(crate) async fn learn(&self, payer: &Payer<'_>, headers: &HeaderMap) {
        if self.off {
            return;
        }
        for (idx, quota, limit) in self.paid(payer.budget) {
            let left = quota.remaining_header.and_then(|name| headers.get(name)?.to_str().ok()?.trim().parse::<u32>().ok());
            let Some(left) = left else { continue };
            let used = limit.saturating_sub(left);
            let now = self.clock.now();
            let make: fn() -> Gauge = match quota.span {
                Span::Day => {
                    // A count that can't be corrected is no reason to fail a call that succeeded.
                    let corrected = self.counters.correct(&self.counter(quota, payer), day(now).0, used).await;
                    if let Err(error) = corrected {
                        tracing::warn!(integration = self.descriptor.id, %error, "a day's count could not be corrected");
                    }
                    continue;
                }
                Span::Second => || Gauge::window(SECOND),
                Span::Minute => || Gauge::window(MINUTE),
                _ => continue,
            };
            let need = Need { key: (idx, payer.holder(quota.scope)), cost: 0, ceiling: limit, make };
            self.book().correct(&need, used, now);
        }
    }

    /// The provider told this payer to stay away for a while: others on the same budget and account stay away too.
    pub(crate) fn pause(&self, payer: &Payer<'_>, told: Duration) {
        if !self.off {
            self.book().pause(payer.pauses(), later(self.clock.now(), told));
        }
    }

    fn counter(&self, quota: &Quota, payer: &Payer<'_>) -> CounterKey {
        CounterKey(format!("{}/{}/{}", self.descriptor.id, quota.budget, payer.holder(quota.scope)))
    }

    /// "limit of 60 calls a minute for each account of Xero".
    fn name(&self, quota: &Quota) -> String {
        let (before, after) = match quota.span {
            Span::Concurrent => ("limit of calls at once", ""),
            Span::Second => ("limit", " a second"),
            Span::Minute => ("limit", " a minute"),
            _ => ("limit", " a day"),
        };
        let whom = match quota.scope {
            QuotaScope::App => "all organizations together",
            QuotaScope::Account => "this account",
            _ => "this connection",
        };
        let budget = if quota.budget.is_empty() { String::new() } else { format!(" for {}", quota.budget) };
        format!("{}'s {before}{after}{budget} of {whom}", self.descriptor.name)
    }

    fn full(&self, short: Option<usize>, wait: Option<Duration>) -> Error {
        let message = match short.and_then(|idx| self.quotas.get(idx)) {
            Some((quota, _)) => format!("the {} is used up", self.name(quota)),
            None if wait.is_some() => format!("{} asked us to wait", self.descriptor.name),
            None => format!("too many calls to {} wait already", self.descriptor.name),
        };
        Error::new(ErrorKind::RateLimited, message)
            .with_retry(wait.map_or(Retry::Backoff, Retry::After))
            .with_remedy("Nothing needs to be done: it goes on by itself.")
    }
}

/// Start and end of the day that counts: UTC.
fn day(now: Timestamp) -> (Timestamp, Timestamp) {
    let start = now.to_zoned(TimeZone::UTC).start_of_day().map_or(now, |start| start.timestamp());
    (start, start.checked_add(24.hours()).unwrap_or(Timestamp::MAX))
}

pub(crate) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "stopped as asked").with_remedy("Sync again to go on.")
}

/// A place in the queue; dropping it gives it up.
struct Ticket<'a> {
    ledger: &'a Ledger,
    turn: Turn,
    granted: bool,
}

impl Ticket<'_> {
    fn take(mut self) -> Vec<Need> {
        self.granted = true;
        self.ledger.book().leave_granted(&self.turn)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.granted {
            self.ledger.book().give_up(&self.turn, self.ledger.clock.now());
        }
    }
}

/// The right to send one call. Dropped without [`Permit::end`], the call counts as one that may still run.
#[derive(Debug)]
pub(crate) struct Permit {
    ledger: Arc<Ledger>,
    needs: Vec<Need>,
    settle: Duration,
    open: bool,
}

impl Permit {
    pub(crate) fn end(mut self, ended: Ended) {
        self.close(ended);
    }

    fn close(&mut self, ended: Ended) {
        if std::mem::take(&mut self.open) {
            let now = self.ledger.clock.now();
            self.ledger.book().end(&self.needs, ended, now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.close(Ended::MayRun(self.settle));
    }
}
