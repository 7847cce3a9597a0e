//! Only what a person saw goes: operations of a new plan whose digests are in the one that was looked at.

use sync_core::{Error, ErrorKind, Outcome, OutcomeKind, Owner, Stop, code};

use super::{
    halt::Halt,
    session::{Session, Settled},
};
use crate::{Change, PartRow, PartState, PlanFilter};

/// Takes out of the plan what was not in the one that was looked at. Returns how many operations are left.
pub(crate) async fn keep_only(s: &Session<'_>, filter: &PlanFilter) -> Result<u64, Halt> {
    let mut after = 0;
    let (mut n_kept, mut n_moved) = (0_u64, 0_u64);
    if filter.strict {
        let (kept, moved) = count(s, filter).await?;
        if moved > 0 || kept < filter.digests.len() as u64 {
            let n = moved.max(filter.digests.len() as u64 - kept);
            let error =
                Error::new(ErrorKind::ApprovalNeeded, format!("{n} operations changed since the plan was made: none goes"))
                    .with_remedy("Plan again and look at it as it is now, or leave out --strict.");
            return Err(Halt::new(Stop::Approval, error));
        }
    }
    loop {
        s.check_cancel()?;
        s.keep_lease().await?;
        let rows =
            s.engine.store.plan_page(&s.scope, &s.run, after, s.engine.config.page).await.map_err(|error| s.halt(error))?;
        let Some(last) = rows.last() else { break };
        after = last.planned.seq;
        let mut changes = Vec::new();
        for row in &rows {
            if filter.digests.contains(&row.planned.digest) {
                n_kept += 1;
                continue;
            }
            n_moved += 1;
            let operation = &row.planned.operation;
            if row.states.is_empty() {
                changes.push(Change::DropOperation { run: s.run.clone(), seq: row.planned.seq });
            } else {
                changes.push(Change::Part(PartRow {
                    run: s.run.clone(),
                    seq: row.planned.seq,
                    part_idx: None,
                    state: PartState::Held,
                }));
            }
            let outcome = moved(s);
            changes.extend(s.settle_item(Settled::new(&operation.resource, &operation.local, outcome)));
        }
        s.commit(changes).await?;
    }
    if n_moved > 0 {
        tracing::info!(run = %s.run, n_moved, n_kept, "operations that nobody looked at do not go");
    }
    Ok(n_kept)
}

/// What becomes of an operation that nobody has seen: nothing failed, and the next sync of everything decides it again.
pub(crate) fn moved(s: &Session<'_>) -> Outcome {
    let why = "it changed since the plan was made, or came into it later";
    Outcome::new(OutcomeKind::Pending, code::PLAN_MOVED, why)
        .remedy(Owner::EndUserData, "Plan again and look at it as it is now, or leave it to the next sync.")
        .until(s.now())
}

async fn count(s: &Session<'_>, filter: &PlanFilter) -> Result<(u64, u64), Halt> {
    let (mut kept, mut moved) = (0, 0);
    let mut after: Option<(String, u64)> = None;
    loop {
        let place = after.as_ref().map(|(digest, seq)| (digest.as_str(), *seq));
        let page = s
            .engine
            .store
            .plan_digests(&s.scope, &s.run, place, s.engine.config.page)
            .await
            .map_err(|error| s.halt(error))?;
        let Some(last) = page.last().cloned() else { return Ok((kept, moved)) };
        for (digest, _) in &page {
            *if filter.digests.contains(digest) { &mut kept } else { &mut moved } += 1;
        }
        after = Some(last);
    }
}
