//! Contacts: made, changed, archived. None is ever deleted, since Xero has no such call.

use sync_core::{Operation, Owner, Part, Prepared, RemoteState, Result, Skip, Verb};

use crate::{descriptor::KEYED, handler::Handler, mapping::contact, model::ContactWrite, push::Step};

/// Prepares an operation on a contact.
pub(crate) fn prepare(handler: &Handler, op: &Operation) -> Result<Prepared> {
    let before = op.before.as_deref();
    let state = before.map(|before| &before.state);
    let step = match op.verb {
        Verb::Create => {
            contact::create(op)?;
            Step::CreateContacts
        }
        Verb::Remove if state == Some(&RemoteState::Archived) => return Ok(Prepared::Parts(Vec::new())),
        Verb::Remove => Step::ArchiveContacts,
        Verb::Update => {
            if state == Some(&RemoteState::Archived) && !contact::comes_back(op) {
                return Ok(Prepared::Skip(stays_archived()));
            }
            let Some(before) = before else { return Ok(Prepared::Parts(Vec::new())) };
            if says_nothing(&contact::update(op, &before.id)?) {
                return Ok(Prepared::Parts(Vec::new()));
            }
            Step::UpdateContacts
        }
    };
    Ok(Prepared::Parts(vec![Part::new(0, step.group(), handler.config.batch_size, KEYED)]))
}

/// True when there is nothing in it but whom it is about.
fn says_nothing(write: &ContactWrite) -> bool {
    let texts = [&write.name, &write.first_name, &write.last_name, &write.email_address, &write.tax_number];
    texts.iter().all(|text| text.is_none())
        && write.contact_status.is_none()
        && write.phones.is_empty()
        && write.addresses.is_empty()
}

fn stays_archived() -> Skip {
    Skip::new("archived", "the contact is archived in Xero, and stays so").remedy(
        Owner::EndUserData,
        "Restore the contact in Xero if it shall take part again, then retry it: it goes with the sync after that.",
    )
}
