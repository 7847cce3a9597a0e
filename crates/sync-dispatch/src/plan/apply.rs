//! Applying a plan that somebody looked at: it is planned again, and of that only what is in the file goes.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;
use sync_core::{
    EffectGrants, Error, ErrorKind, LocalId, Owner, ResourceName, Result, RunId, Scope, SyncRequest, SyncResult, code,
};
use sync_engine::{PlanFilter, RunOptions};

use super::{PAGE, PlanFile, digest, file::fingerprint};
use crate::{Dispatcher, Labelled};

/// Most records that are named.
const MAX_NAMED: usize = 20;

/// What came of a plan that was applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Applied {
    /// The sync that it was applied by.
    #[serde(flatten)]
    pub result: SyncResult,
    /// Operations of the file that were still as planned; what became of them is in the result.
    pub as_planned: u64,
    /// Operations of the file that are no longer to be done as planned: their records changed since.
    pub moved: u64,
    /// Operations of the file that nothing is to be done for any more.
    pub not_needed: u64,
    /// Operations that are not in the file: their records changed after it was written, and go with the next sync.
    pub not_in_plan: u64,
    /// The first of those that moved.
    pub moved_records: Vec<Labelled<MovedRecord>>,
}

/// A record whose operation is no longer as it was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MovedRecord {
    /// The kind of record.
    pub resource: ResourceName,
    /// The host's id, or `remote:` and the provider's.
    pub id: LocalId,
}

impl Applied {
    fn of(result: SyncResult) -> Self {
        Self { result, as_planned: 0, moved: 0, not_needed: 0, not_in_plan: 0, moved_records: Vec::new() }
    }
}

impl Dispatcher {
    /// Applies a plan: plans again as it was asked for, and carries out what is in the file by its digest. What changed
    /// since, or came into the plan later, comes out as pending with [`code::PLAN_MOVED`], and the rest goes on; with
    /// `strict`, nothing goes then. What the file says in words is not used, so that an edited one can write nothing of
    /// its own.
    ///
    /// A plan that waits for a person (the first one, and one that the breaker stops) is approved by the file: what goes
    /// is what somebody saw.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the plan is another organization's, integration's or account's, was made with other
    /// settings, or with other side effects than `options` allow. Nothing is done then.
    pub async fn apply(&self, scope: &Scope, plan: &PlanFile, options: RunOptions, strict: bool) -> Result<Applied> {
        self.fits(scope, plan, &options.grants).await?;
        if plan.operations() == 0 {
            return Ok(Applied::of(SyncResult::nothing("The plan has no operations")));
        }
        let head = &plan.head;
        let mut request = SyncRequest::new(scope.organization.clone(), scope.integration.clone());
        request.types.clone_from(&head.types);
        request.item_ids.clone_from(&head.items);
        request.direction = head.direction;
        let mut options = options.approve(None);
        options.undo.clone_from(&head.undo);
        options.only = Some(match strict {
            true => Arc::new(PlanFilter { strict, ..(*plan.filter).clone() }),
            false => Arc::clone(&plan.filter),
        });
        let result = self.dispatch_with(request, options).await;
        self.count_applied(scope, plan, result).await
    }

    /// Refuses a plan that isn't of this connection as it is.
    async fn fits(&self, scope: &Scope, plan: &PlanFile, grants: &EffectGrants) -> Result<()> {
        let head = &plan.head;
        let refused = |message: String, remedy: &str| {
            Err(Error::new(ErrorKind::Invalid, message).with_owner(Owner::EndUserData).with_remedy(remedy.to_owned()))
        };
        if head.organization != scope.organization {
            return refused(
                format!("the plan is of the organization {}, not of {}", head.organization, scope.organization),
                "Apply it for the organization that it is of, or plan for this one.",
            );
        }
        if head.integration != scope.integration {
            return refused(
                format!("the plan is of {}, not of {}", head.integration, scope.integration),
                "Apply it to the integration that it is of.",
            );
        }
        let connection = self.connection(scope).await?;
        let name = self.0.registry.name(&scope.integration);
        if head.account != connection.account {
            return refused(
                format!("the plan is of another {name} account than the one that is connected"),
                "Connect the account that it is of, or plan for this one.",
            );
        }
        if head.settings != digest(&connection) {
            return refused(
                format!("the settings of {name} were changed since the plan was made"),
                "Plan again and look at it as it is now.",
            );
        }
        let planned: BTreeSet<&str> = head.grants.iter().map(String::as_str).collect();
        let given: BTreeSet<&str> = grants.iter().collect();
        if planned != given {
            let words = |effects: &BTreeSet<&str>| match effects.is_empty() {
                true => "none".to_owned(),
                false => effects.iter().copied().collect::<Vec<_>>().join(", "),
            };
            return refused(
                format!(
                    "the plan was made with other side effects allowed ({}) than now ({})",
                    words(&planned),
                    words(&given)
                ),
                "Allow the same with --grant, or plan again: a file allows nothing by itself.",
            );
        }
        Ok(())
    }

    async fn count_applied(&self, scope: &Scope, plan: &PlanFile, result: SyncResult) -> Result<Applied> {
        let mut applied = Applied::of(result);
        let mut moved = Vec::new();
        let details = applied.result.details.as_ref();
        let Some(run) = details.filter(|details| details.stopped.is_none()).and_then(|details| details.run_id.clone())
        else {
            return Ok(applied);
        };
        applied.as_planned = self.still_planned(scope, &run, plan).await?;
        let mut after = 0;
        loop {
            let rows = self.0.store.outcomes(scope, &run, after, PAGE).await?;
            let Some((last, _)) = rows.last() else { break };
            after = *last;
            for (_, row) in rows.into_iter().filter(|(_, row)| row.outcome.code == code::PLAN_MOVED) {
                let Some(local) = row.local else { continue };
                if !plan.records.contains(&fingerprint(row.resource.as_str(), local.as_str())) {
                    applied.not_in_plan += 1;
                    continue;
                }
                applied.moved += 1;
                if moved.len() < MAX_NAMED {
                    moved.push((row.resource, local));
                }
            }
        }
        let labels = self.labels(scope, moved.iter().cloned()).await;
        let labelled = |(resource, id): (ResourceName, LocalId)| Labelled {
            label: labels.get(&(resource.clone(), id.clone())).cloned(),
            row: MovedRecord { resource, id },
        };
        applied.moved_records = moved.into_iter().map(labelled).collect();
        applied.not_needed = plan.operations().saturating_sub(applied.as_planned + applied.moved);
        Ok(applied)
    }

    /// How many operations of the file the run's plan has too.
    async fn still_planned(&self, scope: &Scope, run: &RunId, plan: &PlanFile) -> Result<u64> {
        let mut n_found = 0;
        let mut after: Option<(String, u64)> = None;
        loop {
            let place = after.as_ref().map(|(digest, seq)| (digest.as_str(), *seq));
            let page = self.0.store.plan_digests(scope, run, place, PAGE * 10).await?;
            let Some(last) = page.last().cloned() else { return Ok(n_found) };
            n_found += page.iter().filter(|(digest, _)| plan.filter.digests.contains(digest)).count() as u64;
            after = Some(last);
        }
    }
}
