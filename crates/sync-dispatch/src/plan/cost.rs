//! What a plan costs, against the limits that it counts against.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::{QuotaScope, ResourceName, Span};
use sync_engine::PlannedOp;
use sync_http::QuotaLeft;

/// What the writes of a plan cost in one budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlanCost {
    /// The budget; the empty text is the provider's common one.
    pub budget: String,
    /// How many calls.
    pub calls: u64,
    /// What they cost there.
    pub units: u64,
}

/// A limit that a plan counts against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlanLimit {
    /// The budget that it limits; the empty text means all calls.
    pub budget: String,
    /// Among whom it is shared: `app`, `account` or `connection`.
    pub among: String,
    /// Over which time: `second`, `minute` or `day`; `at-once` for calls under way.
    pub per: String,
    /// How much there is.
    pub limit: u64,
    /// How much of it the plan needs; `None` for a limit of calls under way.
    pub needs: Option<u64>,
    /// How much is left now: of a day as all processes counted it, of a minute or second as this one did and as the
    /// provider told. `None` for a limit of calls under way, and where nobody knows.
    pub left: Option<u64>,
    /// Until when that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What decides how many calls parts make: the resource, the stage, the group and how many go together; and who pays.
type Place = (ResourceName, u8, String, u32, String, u32);

/// Adds up calls. Memory by the number of groups that hold several parts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    alone: BTreeMap<String, (u64, u64)>,
    grouped: HashMap<Place, u64>,
}

impl Tally {
    pub(super) fn add(&mut self, planned: &PlannedOp) {
        let n_there = planned.parts.len() - usize::from(planned.operation.here.is_some());
        for part in planned.parts.iter().take(n_there) {
            if part.max <= 1 {
                let (calls, units) = self.alone.entry(part.budget.clone()).or_default();
                *calls += 1;
                *units += u64::from(part.cost);
                continue;
            }
            let resource = planned.operation.resource.clone();
            let place = (resource, part.stage, part.group.clone(), part.max, part.budget.clone(), part.cost);
            *self.grouped.entry(place).or_default() += 1;
        }
    }

    pub(super) fn costs(self) -> Vec<PlanCost> {
        let mut costs = self.alone;
        for ((.., max, budget, cost), n_parts) in self.grouped {
            let n_calls = n_parts.div_ceil(u64::from(max));
            let (calls, units) = costs.entry(budget).or_default();
            *calls += n_calls;
            *units += n_calls * u64::from(cost);
        }
        costs.into_iter().map(|(budget, (calls, units))| PlanCost { budget, calls, units }).collect()
    }
}

/// The limits that these costs count against.
pub(super) fn limits(costs: &[PlanCost], quotas: &[QuotaLeft]) -> Vec<PlanLimit> {
    let limit = |quota: &QuotaLeft| {
        let paid = |cost: &&PlanCost| quota.budget.is_empty() || quota.budget == cost.budget;
        // A call of another family counts once against the limit of all calls.
        let needs = |cost: &PlanCost| if cost.budget == quota.budget { cost.units } else { cost.calls };
        PlanLimit {
            budget: quota.budget.to_owned(),
            among: match quota.scope {
                QuotaScope::App => "app",
                QuotaScope::Account => "account",
                _ => "connection",
            }
            .to_owned(),
            per: match quota.span {
                Span::Concurrent => "at-once",
                Span::Second => "second",
                Span::Minute => "minute",
                _ => "day",
            }
            .to_owned(),
            limit: u64::from(quota.limit),
            needs: (quota.span != Span::Concurrent).then(|| costs.iter().filter(paid).map(needs).sum()),
            left: quota.left.map(|(left, _)| u64::from(left)),
            until: quota.left.map(|(_, until)| until),
        }
    };
    quotas.iter().map(limit).filter(|limit| limit.needs != Some(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(budget: &str, calls: u64, units: u64) -> PlanCost {
        PlanCost { budget: budget.to_owned(), calls, units }
    }

    fn needs(quotas: &[QuotaLeft]) -> Vec<(String, Option<u64>, Option<u64>)> {
        let costs = [cost("", 2, 2), cost("writes", 10, 30)];
        limits(&costs, quotas).into_iter().map(|limit| (limit.per, limit.needs, limit.left)).collect()
    }

    #[test]
    fn a_limit_of_one_family_counts_its_cost_and_the_common_one_counts_calls() {
        let until = Timestamp::UNIX_EPOCH;
        let quota = |budget, span, left| QuotaLeft::new(budget, QuotaScope::Account, span, 100, left);
        let day = Some((40, until));
        assert_eq!(needs(&[quota("writes", Span::Day, day)]), [("day".to_owned(), Some(30), Some(40))]);
        assert_eq!(needs(&[quota("", Span::Minute, None)]), [("minute".to_owned(), Some(12), None)]);
        assert_eq!(needs(&[quota("", Span::Concurrent, None)]), [("at-once".to_owned(), None, None)]);
        assert_eq!(needs(&[quota("reports", Span::Day, day)]), [], "a limit that it does not touch");
    }
}
