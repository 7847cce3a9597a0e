//! Deciding, record by record. Pure: no I/O, no clock, no randomness.
//!
//! [`decide`] matches on what the local side, the remote side and the base are, and says what to do. Where both sides may
//! be written, [`merge`] does so field by field.

mod consent;
mod decide;
mod diff;
#[cfg(test)]
mod laws;
mod merge;
#[cfg(test)]
mod rows;
mod two_ways;

pub use consent::ratchet;
pub(crate) use decide::known_there;
pub use decide::{Asked, Decision, LocalSide, Policy, RemoteSide, Sides, decide, local_hash};
pub use diff::{Difference, diff};
pub(crate) use diff::{same, same_as};
pub use merge::{Merge, Settle, merge};
pub use two_ways::{is_as_in_base, make_here, says_the_same};

use sync_core::{Hash, LocalId, Operation, OperationId, Record, ResourceName, Role, Verb};

/// The hash over everything that an operation would write, and what it was decided on.
pub fn operation_digest(operation: &Operation) -> Hash {
    let mut hash = Hash::start();
    hash.text(operation.id.as_str());
    hash.text(operation.container.as_ref().map_or("", |container| container.as_str()));
    for field in &operation.changed {
        hash.text(field.as_str());
    }
    for (field, change) in &operation.sets {
        hash.text(field.as_str());
        change.add.iter().for_each(|element| hash.text(element));
        hash.text("-");
        change.remove.iter().for_each(|element| hash.text(element));
    }
    if let Some(here) = &operation.here {
        hash.text("here");
        hash.text(here.verb.as_str());
        hash.text(&here.fields.hash().to_string());
        hash.text(here.expect.as_ref().map_or("", |version| version.as_str()));
    }
    if let Some(amends) = &operation.amends {
        hash.text("amends");
        hash.text(&amends.fields.hash().to_string());
    }
    if let Some(before) = &operation.before {
        hash.text(before.id.as_str());
        hash.text(before.version.as_ref().map_or("", |version| version.as_str()));
    }
    hash.finish()
}

/// The id of an operation: the same when the same change is planned again.
pub fn operation_id(resource: &ResourceName, local: &LocalId, role: &Role, verb: Verb, fields: &Record) -> OperationId {
    let mut hash = Hash::start();
    for part in [resource.as_str(), local.as_str(), role.as_str(), verb.as_str(), &fields.hash().to_string()] {
        hash.text(part);
    }
    OperationId::new(hash.finish().to_string())
}
