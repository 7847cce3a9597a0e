//! Calls a minute and a day, by organisation and by app.
//! Source: <https://developer.xero.com/documentation/guides/oauth2/limits/>.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};
use jiff::{SignedDuration, Timestamp};

use super::{id::Id, problem::Problem, quirks::XeroLimits, seed::XeroTier};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const DAY_S: i64 = 86_400;

/// After a connection of an app in a high tier, how long only the calls at once and those of the app count: "Rapid Sync".
pub(super) const RAPID: SignedDuration = SignedDuration::from_mins(30);

/// Calls of the last minute.
#[derive(Debug, Default)]
struct Minute(VecDeque<Timestamp>);

impl Minute {
    /// How many calls count at this time.
    fn count(&mut self, now: Timestamp, is_fixed: bool) -> u64 {
        let begin = Timestamp::from_second(now.as_second() - now.as_second().rem_euclid(60)).unwrap_or(now);
        let is_old = |at: Timestamp| if is_fixed { at < begin } else { now.duration_since(at) >= MINUTE };
        while self.0.front().is_some_and(|at| is_old(*at)) {
            self.0.pop_front();
        }
        self.0.len() as u64
    }

    /// Seconds until a call is free again.
    fn wait(&self, now: Timestamp, is_fixed: bool) -> i64 {
        if is_fixed {
            return 60 - now.as_second().rem_euclid(60);
        }
        let oldest = self.0.front().copied().unwrap_or(now);
        let left = MINUTE - now.duration_since(oldest);
        left.as_secs() + i64::from(left.subsec_nanos() > 0)
    }
}

/// Calls of one day, which begins at an hour of the organisation's own.
#[derive(Debug, Default, Clone, Copy)]
struct Day {
    number: i64,
    calls: u64,
}

/// Who calls, as limits see it.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) client: String,
    pub(super) tenant: Id,
    pub(super) tier: XeroTier,
    pub(super) day_begins_s: u32,
    /// The first minutes of a connection that may hurry.
    pub(super) is_rapid: bool,
    pub(super) is_minute_fixed: bool,
}

/// What was spent.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) n_refused: u64,
    minutes: BTreeMap<(String, Id), Minute>,
    apps: BTreeMap<String, Minute>,
    days: BTreeMap<(String, Id), Day>,
}

/// What is left, as headers tell it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    day: u64,
    minute: u64,
    app: u64,
}

impl Meter {
    fn day(&mut self, terms: &Terms, now: Timestamp) -> &mut Day {
        let number = (now.as_second() - i64::from(terms.day_begins_s)).div_euclid(DAY_S);
        let day = self.days.entry((terms.client.clone(), terms.tenant)).or_default();
        if day.number != number {
            *day = Day { number, calls: 0 };
        }
        day
    }

    fn per_day(limits: &XeroLimits, terms: &Terms) -> u64 {
        limits.per_day.unwrap_or(if terms.tier == XeroTier::Starter { 1_000 } else { 5_000 })
    }

    fn left(&mut self, limits: &XeroLimits, terms: &Terms, now: Timestamp) -> Left {
        let day = self.day(terms, now).calls;
        let minute = self.minutes.entry((terms.client.clone(), terms.tenant)).or_default();
        let minute = minute.count(now, terms.is_minute_fixed);
        let app = self.apps.entry(terms.client.clone()).or_default().count(now, terms.is_minute_fixed);
        Left {
            day: Self::per_day(limits, terms).saturating_sub(day),
            minute: limits.per_minute.saturating_sub(minute),
            app: limits.app_per_minute.saturating_sub(app),
        }
    }

    /// Refuses a call that is over a limit.
    pub(super) fn refuse(
        &mut self,
        limits: &XeroLimits,
        terms: &Terms,
        in_flight: usize,
        now: Timestamp,
    ) -> Option<Response<Bytes>> {
        let left = self.left(limits, terms, now);
        let fixed = terms.is_minute_fixed;
        let minute =
            |meter: &Self| meter.minutes.get(&(terms.client.clone(), terms.tenant)).map_or(1, |one| one.wait(now, fixed));
        let (problem, wait) = if in_flight >= limits.in_flight {
            // The limits page names Retry-After for minutes and days only.
            ("concurrent", None)
        } else if left.app == 0 {
            ("appminute", Some(self.apps.get(&terms.client).map_or(1, |one| one.wait(now, fixed))))
        } else if left.day == 0 && !terms.is_rapid {
            let since = (now.as_second() - i64::from(terms.day_begins_s)).rem_euclid(DAY_S);
            ("day", Some(DAY_S - since))
        } else if left.minute == 0 && !terms.is_rapid {
            ("minute", Some(minute(self)))
        } else {
            return None;
        };
        self.n_refused += 1;
        let mut response = Problem::limit().response();
        left.show(&mut response);
        response.headers_mut().insert(HeaderName::from_static("x-rate-limit-problem"), HeaderValue::from_static(problem));
        if let Some(wait) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        Some(response)
    }

    /// Counts a call.
    pub(super) fn spend(&mut self, limits: &XeroLimits, terms: &Terms, now: Timestamp) -> Left {
        if !terms.is_rapid {
            self.day(terms, now).calls += 1;
            self.minutes.entry((terms.client.clone(), terms.tenant)).or_default().0.push_back(now);
        }
        self.apps.entry(terms.client.clone()).or_default().0.push_back(now);
        self.left(limits, terms, now)
    }

    /// Somebody else's calls of this day.
    pub(super) fn spend_day(&mut self, terms: &Terms, calls: u64, now: Timestamp) {
        self.day(terms, now).calls += calls;
    }
}

impl Left {
    /// The headers of every answer.
    pub(super) fn show(self, response: &mut Response<Bytes>) {
        let headers = response.headers_mut();
        for (name, left) in [
            ("x-daylimit-remaining", self.day),
            ("x-minlimit-remaining", self.minute),
            ("x-appminlimit-remaining", self.app),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(left));
        }
    }
}
