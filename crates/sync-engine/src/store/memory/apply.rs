//! Changes of a commit: checked as a whole, then applied.

use std::collections::HashMap;

use sync_core::{Error, ErrorKind, InstallationId, OrganizationId, Result, Scope};

use super::super::{Change, Link, LinkState, PartRow, PartState};
use super::state::{Data, FactRow, LinkKey, State, address_hash};

/// Refuses a commit before anything of it is applied.
pub(super) fn check(data: &Data, scope: &Scope, changes: &[Change]) -> Result<()> {
    // What earlier changes of the same commit make of a link: taken, or free.
    let mut taken: HashMap<LinkKey, bool> = HashMap::new();
    for change in changes {
        match change {
            Change::OpenLink(link) => {
                let key = key_of(link);
                let stored = || data.links.get(&key).is_some_and(|link| holds(link.state));
                if taken.get(&key).copied().unwrap_or_else(stored) {
                    return Err(Error::new(
                        ErrorKind::Taken,
                        "this record has a counterpart already, or a create on its way",
                    )
                    .with_context("resource", &link.resource)
                    .with_context("local", &link.local));
                }
                taken.insert(key, holds(link.state));
            }
            Change::PutLink(link) => {
                taken.insert(key_of(link), holds(link.state));
            }
            Change::DropLink { account, resource, local, role } => {
                taken.insert((account.clone(), resource.clone(), role.clone(), local.clone()), false);
            }
            Change::Connection(row) if row.scope != *scope => {
                return Err(Error::new(ErrorKind::Internal, "a commit may only change its own scope's connection"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// True for a state that keeps another create from being written down.
fn holds(state: LinkState) -> bool {
    matches!(state, LinkState::Open | LinkState::Live | LinkState::Detached)
}

pub(super) fn key_of(link: &Link) -> LinkKey {
    (link.account.clone(), link.resource.clone(), link.role.clone(), link.local.clone())
}

/// Applies what [`check`] let through.
pub(super) fn apply(state: &mut State, installation: &InstallationId, scope: &Scope, changes: Vec<Change>) {
    let mut n_outcomes = state.n_outcomes;
    let data = state.scopes.entry(scope.clone()).or_default();
    let mut addresses = Vec::new();
    for change in changes {
        match change {
            Change::OpenLink(link) | Change::PutLink(link) => {
                data.links.insert(key_of(&link), link);
            }
            Change::DropLink { account, resource, local, role } => {
                data.links.remove(&(account, resource, role, local));
            }
            Change::OpenCall(call) => {
                for (seq, part_idx) in &call.parts {
                    let sent = PartState::Sent;
                    let row = PartRow { run: call.run.clone(), seq: *seq, part_idx: Some(*part_idx), state: sent };
                    mark(data, &row);
                }
                data.calls.insert(call.key.clone(), call);
            }
            Change::CloseCall(key) => {
                data.calls.remove(&key);
            }
            Change::DropOperation { run, seq } => {
                if let Some(plan) = data.plans.get_mut(&run) {
                    plan.operations.remove(&seq);
                }
            }
            Change::Part(row) => mark(data, &row),
            Change::PutItem(item) => {
                data.items.insert((item.resource.clone(), item.local.clone()), item);
            }
            Change::DropItem { resource, local } => {
                data.items.remove(&(resource, local));
            }
            Change::Outcome { run, row } => {
                n_outcomes += 1;
                data.outcomes.insert(n_outcomes, (run, row));
            }
            Change::Cursor { stream, cursor: Some(cursor) } => {
                data.cursors.insert(stream, cursor);
            }
            Change::Cursor { stream, cursor: None } => {
                data.cursors.remove(&stream);
            }
            Change::Ask(mut question) => {
                if let Some(asked) = data.questions.get(&question.id) {
                    question.asked_at = asked.asked_at;
                    question.answer = asked.answer.clone();
                }
                data.questions.insert(question.id.clone(), question);
            }
            Change::Fact(fact) => {
                if data.facts.iter().all(|row| row.fact.id != fact.id) {
                    data.facts.push(FactRow { fact, taken_ms: None });
                }
            }
            Change::Suppress { channel, address, suppression } => addresses.push((channel, address, Some(suppression))),
            Change::Lift { channel, address } => addresses.push((channel, address, None)),
            Change::Run(row) => {
                data.runs.insert(row.id.clone(), *row);
            }
            Change::Connection(mut row) => {
                row.revision = data.connection.as_ref().map_or(0, |row| row.revision) + 1;
                data.connection = Some(*row);
            }
        }
    }
    state.n_outcomes = n_outcomes;
    for (channel, address, suppression) in addresses {
        suppress(state, installation, &scope.organization, (channel, &address), suppression);
    }
}

fn mark(data: &mut Data, row: &PartRow) {
    let Some(planned) = data.plans.get_mut(&row.run).and_then(|plan| plan.operations.get_mut(&row.seq)) else { return };
    match row.part_idx {
        Some(part_idx) => {
            if let Some(state) = planned.states.get_mut(part_idx as usize) {
                *state = row.state;
            }
        }
        None => planned.states.iter_mut().filter(|state| **state == PartState::Ready).for_each(|state| *state = row.state),
    }
}

fn suppress(
    state: &mut State,
    installation: &InstallationId,
    organization: &OrganizationId,
    (channel, address): (sync_core::Channel, &str),
    suppression: Option<super::super::Suppression>,
) {
    let Some(hash) = address_hash(installation, organization, channel, address) else { return };
    let key = (organization.clone(), channel, hash);
    match suppression {
        None => {
            state.suppressions.remove(&key);
        }
        Some(suppression) => {
            let stored = state.suppressions.get(&key).map(|stored| stored.at.as_millisecond());
            if stored.is_none_or(|at_ms| at_ms < suppression.at.as_millisecond()) {
                state.suppressions.insert(key, suppression);
            }
        }
    }
}
