//! Which wire calls an operation is made of. What there is to do is decided here and nowhere else: a part is decided on
//! again when it goes, from the same operation and facts.

use sync_core::{
    ContainerId, Error, ErrorKind, Facts, Operation, Owner, Part, Prepare, Prepared, Remote, RemoteState, Result, Safety,
    Skip, Verb,
    model::{Event, EventDefaults, Model, When},
};

use crate::{
    body::Draft,
    check,
    descriptor::{MAX_PARTS, PATCH_COST},
    handler::Handler,
    id,
    window::{self, Window},
};

/// What is done with one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Made under the record's marker.
    Insert,
    /// Changed where it is.
    Patch,
    /// Brought back after a deletion.
    Revive,
    /// Made in another calendar and deleted where it was. The record's link stays.
    Move,
    /// Deleted.
    Delete,
}

/// What an operation comes to.
#[derive(Debug)]
pub(crate) enum Plan {
    Do(Step),
    /// Nothing of it shows there.
    Nothing,
    Skip(Skip),
}

/// Prepares an operation.
pub(crate) fn prepare(handler: &Handler, request: Prepare<'_>) -> Result<Prepared> {
    let Prepare { facts, op, .. } = request;
    let step = match plan(handler, facts, op)? {
        Plan::Do(step) => step,
        Plan::Nothing => return Ok(Prepared::Parts(Vec::new())),
        Plan::Skip(skip) => return Ok(Prepared::Skip(skip)),
    };
    let calendar = handler.calendar(op)?;
    // One group for all that is done in a calendar: Google wants writes to it one after another.
    let most = if step == Step::Move { 1 } else { handler.config.batch_size.min(MAX_PARTS) };
    let cost = if matches!(step, Step::Patch | Step::Revive) { PATCH_COST } else { 1 };
    let part = Part::new(0, group(&calendar, step), most, Safety::ClientId).serial().budget("", cost);
    Ok(Prepared::Parts(vec![part]))
}

/// The name of the calls that do this.
pub(crate) fn group(calendar: &ContainerId, step: Step) -> String {
    let kind = if step == Step::Move { "move" } else { "events" };
    format!("{kind}:{calendar}")
}

/// Decides what there is to do.
///
/// # Errors
/// [`ErrorKind::Invalid`] when an event can't say what the record says.
pub(crate) fn plan(handler: &Handler, facts: &Facts, op: &Operation) -> Result<Plan> {
    if !id::is_legal(op.marker.as_str()) {
        return Err(Error::new(ErrorKind::Internal, "a marker that can't be the id of an event"));
    }
    let calendar = handler.calendar(op)?;
    let settings = &handler.settings;
    let window = Window::read(facts);
    let before = op.before.as_deref();
    let was = before.and_then(|before| when_there(handler, before));
    let is_past = |when: &When| window.is_some_and(|window| window.is_past(when));
    if op.verb == Verb::Remove {
        let is_over = was.as_ref().is_some_and(is_past);
        return Ok(if is_over { Plan::Skip(window::past(settings)) } else { Plan::Do(Step::Delete) });
    }
    if op.verb == Verb::Update && op.changed.is_empty() {
        return Ok(Plan::Nothing);
    }
    let draft = Draft::of(settings, &op.fields, check::zone(handler, facts, &calendar)?)?;
    let is_there = before.is_some_and(|before| before.state == RemoteState::Live);
    if is_past(was.as_ref().filter(|_| is_there).unwrap_or(&draft.when)) {
        return Ok(Plan::Skip(window::past(settings)));
    }
    if !is_there && window.is_some_and(|window| window.is_far(&draft.when)) {
        return Ok(Plan::Skip(window::far(settings, &draft.when)));
    }
    let step = match (op.verb, before) {
        (_, Some(before)) if !is_there => {
            known(before)?;
            Step::Revive
        }
        (Verb::Create, _) => Step::Insert,
        (_, Some(before)) if before.container.as_ref().is_some_and(|old| *old != calendar) => Step::Move,
        _ => Step::Patch,
    };
    // Refused while it can still be said which field is wrong, not when it is on its way.
    let body = match step {
        Step::Patch => draft.patch(&op.changed)?,
        _ => draft.revive(&op.marker, &op.resource)?,
    };
    Ok(if body.is_empty() { Plan::Nothing } else { Plan::Do(step) })
}

/// What is voided or merged elsewhere has no meaning here.
fn known(before: &Remote) -> Result<()> {
    match before.state {
        RemoteState::Live | RemoteState::Archived => Ok(()),
        _ => Err(Error::new(ErrorKind::Internal, "Google Calendar has no events in this state")),
    }
}

/// When the event there takes place, as far as is known.
fn when_there(handler: &Handler, before: &Remote) -> Option<When> {
    let event = Event::from_record(&before.fields).ok()?;
    event.when(EventDefaults { zone: "UTC", minutes: handler.settings.default_minutes }).ok()
}

/// The zone of records that name none is not known.
pub(crate) fn no_zone() -> Error {
    Error::new(ErrorKind::Config, "the time zone of the calendar is not known")
        .with_owner(Owner::EndUserData)
        .with_remedy("Choose a zone under Settings > Google Calendar > Time zone.")
}
