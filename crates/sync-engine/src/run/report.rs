//! What a run came to, with memory bounded by the number of distinct causes.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use sync_core::{Counts, LocalId, Outcome, OutcomeKind, ResourceName, Tally, TallyKey, Total};

/// Most distinct causes that are kept apart.
const MAX_CAUSES: usize = 200;
/// Most totals that are kept apart: five years of months by a hundred accounts.
const MAX_TALLIES: usize = 6_000;
/// What stands for the rest.
const OTHERS: &str = "others";
/// Most error lines of a result.
pub(crate) const MAX_LINES: usize = 20;

/// Counts and causes.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) counts: BTreeMap<OutcomeKind, u64>,
    pub(crate) skipped: BTreeMap<String, u64>,
    pub(crate) newly_waiting: u64,
    pub(crate) consent_facts: u64,
    pub(crate) planned: Planned,
    pub(crate) notes: Vec<String>,
    /// Operations of the plan that cannot be taken back.
    pub(crate) n_final: u64,
    /// What the plan comes to in money, and over how many operations.
    tallies: BTreeMap<TallyKey, (u64, Decimal)>,
    causes: Vec<Cause>,
    n_uncounted: u64,
}

/// Numbers of a plan.
#[derive(Debug, Default, Clone)]
pub(crate) struct Planned {
    pub(crate) creates: BTreeMap<ResourceName, u64>,
    pub(crate) updates: BTreeMap<ResourceName, u64>,
    pub(crate) removes: BTreeMap<ResourceName, u64>,
    pub(crate) links: BTreeMap<ResourceName, u64>,
    pub(crate) effects: BTreeMap<String, u64>,
    pub(crate) here_creates: BTreeMap<ResourceName, u64>,
    pub(crate) here_updates: BTreeMap<ResourceName, u64>,
    pub(crate) here_removes: BTreeMap<ResourceName, u64>,
}

impl Planned {
    /// All operations.
    pub(crate) fn total(&self) -> u64 {
        self.all().into_iter().flat_map(|(_, counts)| counts.values()).sum()
    }

    /// The counts by verb.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (name, of_name) in self.all() {
            counts.add(name, of_name.values().sum());
        }
        counts
    }

    /// Counts by resource, each with the name that it has in results.
    pub(crate) fn all(&self) -> [(&'static str, &BTreeMap<ResourceName, u64>); 7] {
        [
            ("create", &self.creates),
            ("update", &self.updates),
            ("remove", &self.removes),
            ("link", &self.links),
            ("create-here", &self.here_creates),
            ("update-here", &self.here_updates),
            ("remove-here", &self.here_removes),
        ]
    }
}

/// Failures with the same reason.
#[derive(Debug)]
pub(crate) struct Cause {
    pub(crate) resource: ResourceName,
    pub(crate) outcome: Outcome,
    pub(crate) count: u64,
    pub(crate) example: Option<LocalId>,
}

impl Report {
    /// Counts an outcome.
    pub(crate) fn add(&mut self, resource: &ResourceName, local: Option<&LocalId>, outcome: &Outcome) {
        *self.counts.entry(outcome.kind).or_default() += 1;
        match outcome.kind {
            OutcomeKind::Skipped => *self.skipped.entry(outcome.code.clone().into_owned()).or_default() += 1,
            OutcomeKind::Failed | OutcomeKind::Blocked => self.cause(resource, local, outcome),
            _ => {}
        }
    }

    /// Adds what an operation of the plan comes to, or takes it out again. Keys beyond the first [`MAX_TALLIES`] are added up
    /// by what and currency alone.
    pub(crate) fn tally(&mut self, tallies: Vec<Tally>, is_in: bool) {
        for Tally { key, amount } in tallies {
            let key = if self.tallies.len() < MAX_TALLIES || self.tallies.contains_key(&key) {
                key
            } else {
                let rest = || OTHERS.to_owned();
                TallyKey { month: rest(), account: rest(), tax: rest(), ..key }
            };
            let (count, sum) = self.tallies.entry(key).or_default();
            *count = count.saturating_add_signed(if is_in { 1 } else { -1 });
            *sum = sum.saturating_add(if is_in { amount } else { -amount });
        }
        self.tallies.retain(|_, (count, _)| *count > 0);
    }

    /// What the plan comes to in money.
    pub(crate) fn totals(&self) -> Vec<Total> {
        let total = |(key, (count, amount)): (&TallyKey, &(u64, Decimal))| Total {
            tally: Tally { key: key.clone(), amount: *amount },
            operations: *count,
        };
        self.tallies.iter().map(total).collect()
    }

    /// Counts records that are as they were.
    pub(crate) fn add_unchanged(&mut self, n: u64) {
        *self.counts.entry(OutcomeKind::Unchanged).or_default() += n;
    }

    fn cause(&mut self, resource: &ResourceName, local: Option<&LocalId>, outcome: &Outcome) {
        let same = |cause: &&mut Cause| {
            cause.resource == *resource
                && cause.outcome.code == outcome.code
                && cause.outcome.provider_code == outcome.provider_code
                && cause.outcome.message == outcome.message
        };
        if let Some(cause) = self.causes.iter_mut().find(same) {
            cause.count += 1;
        } else if self.causes.len() < MAX_CAUSES {
            self.causes.push(Cause {
                resource: resource.clone(),
                outcome: outcome.clone(),
                count: 1,
                example: local.cloned(),
            });
        } else {
            self.n_uncounted += 1;
        }
    }

    /// How many outcomes of a kind there were.
    pub(crate) fn count(&self, kind: OutcomeKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// How many items were written.
    pub(crate) fn synced(&self) -> u64 {
        self.counts.iter().filter(|(kind, _)| kind.is_synced()).map(|(_, count)| count).sum()
    }

    /// The causes, the commonest first, and how many failures are in none of the first [`MAX_LINES`].
    pub(crate) fn causes(&mut self) -> (&[Cause], u64) {
        self.causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        let shown = self.causes.len().min(MAX_LINES);
        let more = self.causes.iter().skip(shown).map(|cause| cause.count).sum::<u64>() + self.n_uncounted;
        (self.causes.get(..shown).unwrap_or_default(), more)
    }
}

/// The line of a cause: what wasn't done, why, in whose words, who must do what.
pub(crate) fn line(cause: &Cause, label: Option<&str>, nouns: (&str, &str)) -> String {
    let example = match (label, &cause.example) {
        (Some(label), _) => label.to_owned(),
        (None, Some(id)) => format!("{} {id}", nouns.0),
        (None, None) => nouns.0.to_owned(),
    };
    let mut line = if cause.count == 1 {
        format!("{example}: {}", cause.outcome.message)
    } else {
        format!("{} {}: {} (such as {example})", cause.count, nouns.1, cause.outcome.message)
    };
    if let Some(words) = cause.outcome.provider_message.as_deref().filter(|words| !words.is_empty()) {
        line.push_str(&format!(": \"{words}\""));
    }
    if let Some(remedy) = &cause.outcome.remedy {
        line.push_str(&format!(". {remedy}"));
    }
    line
}

/// The same without what belongs to the record: its label and the provider's words.
pub(crate) fn plain_line(cause: &Cause, nouns: (&str, &str)) -> String {
    let mut outcome = cause.outcome.clone();
    outcome.provider_message = None;
    let bare = Cause { resource: cause.resource.clone(), outcome, count: cause.count, example: cause.example.clone() };
    line(&bare, None, nouns)
}
