//! Units a minute, by app and by user, over a sliding window.
//! Source: <https://developers.google.com/workspace/calendar/api/guides/quota>.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::{problem::Problem, quirks::GoogleQuotas};

const WINDOW: SignedDuration = SignedDuration::from_secs(60);

#[derive(Debug, Default)]
struct Window {
    spent: VecDeque<(Timestamp, u64)>,
    total: u64,
}

impl Window {
    fn has_room(&mut self, now: Timestamp, units: u64, limit: u64) -> bool {
        while let Some((at, old)) = self.spent.front().copied()
            && now.duration_since(at) >= WINDOW
        {
            self.spent.pop_front();
            self.total -= old;
        }
        self.total + units <= limit
    }

    fn spend(&mut self, now: Timestamp, units: u64) {
        self.spent.push_back((now, units));
        self.total += units;
    }
}

/// What was spent.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// True once quotas are enforced: the parts of a batch are then counted one by one.
    pub(super) is_on: bool,
    /// Calls refused, alone or in a batch.
    pub(super) n_refused: u64,
    pub(super) n_units: u64,
    projects: BTreeMap<String, Window>,
    users: BTreeMap<(String, String), Window>,
}

/// What a call costs. Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events/patch>: "each
/// patch request consumes three quota units".
pub(super) fn units(operation: &str) -> u64 {
    if operation == "events.patch" { 3 } else { 1 }
}

impl Meter {
    /// Takes what a call costs, or refuses it.
    pub(super) fn take(
        &mut self,
        limits: &GoogleQuotas,
        status: u16,
        (client, user): (&str, &str),
        units: u64,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let of_user = self.users.entry((client.to_owned(), user.to_owned())).or_default();
        if !of_user.has_room(now, units, limits.user_per_minute) {
            self.n_refused += 1;
            return Err(Problem::limit(status, "userRateLimitExceeded", "User Rate Limit Exceeded"));
        }
        let of_project = self.projects.entry(client.to_owned()).or_default();
        if !of_project.has_room(now, units, limits.project_per_minute) {
            self.n_refused += 1;
            return Err(Problem::limit(status, "rateLimitExceeded", "Rate Limit Exceeded"));
        }
        of_user.spend(now, units);
        of_project.spend(now, units);
        self.n_units += units;
        Ok(())
    }
}
