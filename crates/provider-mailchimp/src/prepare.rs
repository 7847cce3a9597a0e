//! Which wire calls an operation is made of, or why it stays undone.

use sync_core::{
    Consent, EffectGrants, Error, ErrorKind, Facts, Operation, Owner, Part, Prepare, Prepared, RemoteId, RemoteState,
    Result, Safety, Skip, Value, Verb,
};

use crate::{
    address::{Address, member_id},
    check::{double_optin, has_welcome},
    consent::{self, StatusChange},
    descriptor::{AUTOMATION, CONFIRMATION_MAIL, CONSENT, DESCRIPTOR, EMAIL, PERMANENT_DELETION},
    handler::Handler,
    merge::{self, Which},
    model::{MemberWrite, Status},
    settings::{DoubleOptin, KnownMembers},
    step::Step,
    tag_change::TagChange,
};

/// A status that goes up is never asked for twice without looking in between: who unsubscribed since stays out.
const LOOK_AGAIN: Safety = Safety::LookUp { settle: DESCRIPTOR.settle };

/// Whose parts these are, and what may be done.
struct Making<'a> {
    handler: &'a Handler,
    facts: &'a Facts,
    grants: &'a EffectGrants,
    op: &'a Operation,
    parts: Vec<Part>,
}

/// Why an operation makes no parts.
enum Stop {
    Skip(Skip),
    Error(Error),
}

impl From<Skip> for Stop {
    fn from(skip: Skip) -> Self {
        Self::Skip(skip)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The parts of an operation.
///
/// # Errors
/// [`ErrorKind::Invalid`] names the field and the remedy.
pub(crate) fn prepare(handler: &Handler, request: Prepare<'_>) -> Result<Prepared> {
    let Prepare { facts, grants, op, .. } = request;
    let mut making = Making { handler, facts, grants, op, parts: Vec::new() };
    let made = match op.verb {
        Verb::Create => making.create(),
        Verb::Update => making.update(),
        Verb::Remove => {
            making.remove();
            Ok(())
        }
    };
    match made {
        Ok(()) => {
            making.parts.sort_by_key(|part| part.stage);
            Ok(Prepared::Parts(making.parts))
        }
        Err(Stop::Skip(skip)) => Ok(Prepared::Skip(skip)),
        Err(Stop::Error(error)) => Err(error),
    }
}

impl Making<'_> {
    fn create(&mut self) -> Result<(), Stop> {
        let status = new_status(self.handler, self.facts, self.op)?;
        self.handler.audience(self.op)?;
        // The call that adds members has no word against automations.
        let may_ride = self.handler.settings.tags_in_create && self.grants.allow(AUTOMATION);
        let write = new_member(self.handler, self.facts, self.op, may_ride)?;
        let step = if write.tags.is_empty() { Step::New } else { Step::NewTagged };
        let part = Part::new(0, self.group(&step), self.handler.config.members_per_call, Safety::ClientId);
        let mut part = self.allowed(status, part)?;
        if step == Step::NewTagged {
            part.effects = if status == Status::Pending { &[CONFIRMATION_MAIL, AUTOMATION] } else { &[AUTOMATION] };
        }
        self.parts.push(part);
        if step == Step::NewTagged { Ok(()) } else { self.tags(2) }
    }

    fn update(&mut self) -> Result<(), Stop> {
        let op = self.op;
        self.handler.audience(op)?;
        let change = status_change(self.handler, self.facts, op);
        let known = known_id(op);
        if op.is_changed(EMAIL) && written_address(op).is_none() {
            // Nobody can be written to without an address, but an unsubscribe needs only the member.
            return match (change, known) {
                (StatusChange::Lower, Some(id)) => {
                    self.single(0, Step::Lower(id), Safety::Repeatable);
                    Ok(())
                }
                _ => Err(no_address().into()),
            };
        }
        let address = sound_address(op)?;
        let id = known.unwrap_or_else(|| address.id());
        match change {
            StatusChange::StaysArchived => return Err(stays_archived().into()),
            StatusChange::Revive(status) => {
                merge::values(&self.handler.settings, self.facts, op, Which::All)?;
                let part = Part::new(0, self.group(&Step::Revive(id)), 1, LOOK_AGAIN);
                self.parts.push(self.allowed(status, part)?);
                return self.tags(2);
            }
            // Marketing ends before anything else is written.
            StatusChange::Lower => self.single(0, Step::Lower(id.clone()), Safety::Repeatable),
            StatusChange::Raise(status) => {
                let part = Part::new(1, self.group(&Step::Raise(address.id())), 1, LOOK_AGAIN);
                self.parts.push(self.allowed(status, part)?);
            }
            StatusChange::None => {}
        }
        let values = merge::values(&self.handler.settings, self.facts, op, Which::Changed)?;
        // The id changes with the address, so what speaks of the old id goes first; and what an interrupted withdrawal left
        // open is finished before anybody looks at what it did.
        let stage = u8::from(change == StatusChange::Lower);
        if id != address.id() {
            self.single(stage, Step::Rename(id), Safety::Repeatable);
        } else if !values.is_empty() || op.is_changed(EMAIL) {
            match self.handler.settings.known_members {
                KnownMembers::Single => self.single(stage, Step::Profile(id), Safety::Repeatable),
                KnownMembers::Batch => {
                    let group = self.group(&Step::Known);
                    self.parts.push(Part::new(stage, group, self.handler.config.members_per_call, Safety::Repeatable));
                }
            }
        }
        self.tags(2)
    }

    fn remove(&mut self) {
        let archived = self.op.before.as_ref().is_some_and(|before| before.state == RemoteState::Archived);
        let Some(id) = known_id(self.op).or_else(|| written_address(self.op).map(member_id)) else { return };
        if self.grants.allow(PERMANENT_DELETION) {
            let part = Part::new(0, self.group(&Step::Erase(id)), 1, Safety::Repeatable);
            self.parts.push(part.effects(&[PERMANENT_DELETION]));
        } else if !archived {
            self.single(0, Step::Archive(id), Safety::Repeatable);
        }
    }

    /// One call per tag for 500 members where automations may start, else one call per member that starts none.
    fn tags(&mut self, stage: u8) -> Result<(), Stop> {
        let change = TagChange::of(&self.handler.settings, self.op)?;
        if change.is_empty() {
            return Ok(());
        }
        let address = sound_address(self.op)?;
        if !self.grants.allow(AUTOMATION) {
            self.single(stage, Step::MemberTags(address.id()), Safety::Repeatable);
            return Ok(());
        }
        let adds = change.add.into_keys().map(Step::TagAdd);
        for step in adds.chain(change.remove.into_keys().map(Step::TagRemove)) {
            let group = self.group(&step);
            let part = Part::new(stage, group, self.handler.config.members_per_call, Safety::Repeatable);
            self.parts.push(part.first_alone().effects(&[AUTOMATION]));
        }
        Ok(())
    }

    /// The part with the side effects of a status, or why it may not go.
    fn allowed(&self, status: Status, part: Part) -> Result<Part, Skip> {
        match status {
            Status::Pending if !self.grants.allow(CONFIRMATION_MAIL) => Err(consent::needs_confirmation()),
            Status::Pending => Ok(part.effects(&[CONFIRMATION_MAIL])),
            Status::Subscribed if has_welcome(self.facts) && !self.grants.allow(AUTOMATION) => {
                Err(consent::needs_automation())
            }
            Status::Subscribed if has_welcome(self.facts) => Ok(part.effects(&[AUTOMATION])),
            _ => Ok(part),
        }
    }

    fn single(&mut self, stage: u8, step: Step, safety: Safety) {
        self.parts.push(Part::new(stage, self.group(&step), 1, safety));
    }

    fn group(&self, step: &Step) -> std::borrow::Cow<'static, str> {
        step.group(self.handler.elsewhere(self.op))
    }
}

/// The status of a new member.
///
/// # Errors
/// Why the person stays out.
pub(crate) fn new_status(handler: &Handler, facts: &Facts, op: &Operation) -> Result<Status, Skip> {
    if written_address(op).is_none() {
        return Err(no_address());
    }
    let double_optin = asks_to_confirm(handler, facts);
    consent::of_new(local_consent(op), double_optin, handler.settings.without_consent)
}

/// What is asked for about the status of a known member.
pub(crate) fn status_change(handler: &Handler, facts: &Facts, op: &Operation) -> StatusChange {
    consent::of_known(local_consent(op), op.is_changed(CONSENT), op.before.as_deref(), asks_to_confirm(handler, facts))
}

/// A new member as it is sent, with its tags inside or not.
///
/// # Errors
/// [`ErrorKind::Invalid`] names the field and the remedy.
pub(crate) fn new_member(handler: &Handler, facts: &Facts, op: &Operation, tagged: bool) -> Result<MemberWrite> {
    let address = sound_address(op)?;
    // Who is skipped never gets here: `prepare` said so.
    let status = new_status(handler, facts, op).map_err(|skip| Error::new(ErrorKind::Refused, skip.message))?;
    let tags = if tagged { TagChange::of(&handler.settings, op)?.add.into_values().collect() } else { Vec::new() };
    Ok(MemberWrite {
        email_address: Some(address.as_str().to_owned()),
        status: Some(status),
        merge_fields: merge::values(&handler.settings, facts, op, Which::All)?,
        tags,
        ..MemberWrite::default()
    })
}

/// The address as the host has it, else, where the host wasn't asked for it, as the remote record has it.
pub(crate) fn written_address(op: &Operation) -> Option<&str> {
    match op.fields.value(EMAIL) {
        Some(_) => op.fields.text(EMAIL),
        None if op.is_changed(EMAIL) => None,
        None => op.before.as_ref().and_then(|before| before.fields.text(EMAIL)),
    }
}

/// The address, if a mail can go there.
///
/// # Errors
/// [`ErrorKind::Invalid`], without quoting it.
pub(crate) fn sound_address(op: &Operation) -> Result<Address> {
    let address = written_address(op).and_then(Address::parse).filter(|address| !address.is_forgotten());
    address.ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "the customer's e-mail address is none")
            .with_remedy("Correct the customer's e-mail address. The contact goes with the next sync.")
    })
}

/// The id of the member before the operation, where one is known.
pub(crate) fn known_id(op: &Operation) -> Option<RemoteId> {
    op.before.as_ref().map(|before| before.id.clone())
}

fn asks_to_confirm(handler: &Handler, facts: &Facts) -> bool {
    handler.settings.double_optin == DoubleOptin::Always || double_optin(facts)
}

fn local_consent(op: &Operation) -> Option<&Consent> {
    op.fields.value(CONSENT).and_then(Value::as_consent)
}

fn no_address() -> Skip {
    Skip::new("no-address", "has no e-mail address")
        .remedy(Owner::EndUserData, "Give the customer an e-mail address. The contact goes with the next sync.")
}

fn stays_archived() -> Skip {
    Skip::new("archived", "is archived in Mailchimp, and stays so").remedy(
        Owner::EndUserData,
        "Unarchive the contact in Mailchimp if it shall take part again, then retry it: it goes with the sync after that.",
    )
}
