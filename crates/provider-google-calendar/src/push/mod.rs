//! Writing: one call for the parts of one calendar, one receipt for each. What answers leave open (an id that is taken, a
//! version that moved under a deletion) is looked at before it is told.

mod moving;
mod revival;

use http::Response;
use serde_json::{Map, Value};
use sync_core::{
    Call, ContainerId, Context, Effect, Error, ErrorKind, Facts, PartRef, Push, Receipt, Record, RemoteId, Result, Version,
};

use crate::{
    batch,
    body::Draft,
    check, client,
    error::{bad_answer, calendar_gone, copy, parse_written},
    find::{self, Seen},
    handler::Handler,
    id,
    mapping::{self, Reader},
    model::Event,
    prepare::{self, Plan, Step, group},
};

type Answer = Result<Response<bytes::Bytes>>;

/// One wire call.
pub(crate) async fn push(handler: &Handler, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
    let Push { set, facts, .. } = &request;
    let Some(first) = set.parts.first() else { return Ok(Vec::new()) };
    let calendar = handler.calendar(first.op)?;
    let pushing = Pushing { handler, cx, calendar: &calendar, facts };
    if set.group == group(&calendar, Step::Move) {
        // The engine sends groups of one; should it ever send more, the others are not dropped silently.
        let mut receipts = vec![pushing.relocate(first).await?];
        receipts.extend(set.parts.iter().skip(1).map(|_| Receipt::Moved));
        return Ok(receipts);
    }
    if set.group != group(&calendar, Step::Patch) {
        return Err(Error::new(ErrorKind::Internal, "a call was asked for that Google Calendar's parts do not know"));
    }
    pushing.all(set.parts).await
}

/// What all calls of a push share.
struct Pushing<'a> {
    handler: &'a Handler,
    cx: &'a Context<'a>,
    calendar: &'a ContainerId,
    facts: &'a Facts,
}

/// A part on its way.
struct Going {
    part: usize,
    step: Step,
    id: RemoteId,
    call: Call,
}

/// What an answer comes to.
enum Told {
    Receipt(Receipt),
    /// The id is taken: it may be ours, and deleted.
    Taken,
    /// It can't be brought back under this id.
    Dead,
    /// The version moved: it may have been deleted.
    MovedAway,
    /// Trouble that is not the item's.
    Trouble(Error),
}

impl Pushing<'_> {
    async fn all(&self, parts: &[PartRef<'_>]) -> Result<Vec<Receipt>> {
        let mut receipts: Vec<Option<Receipt>> = parts.iter().map(|_| None).collect();
        let mut going = Vec::with_capacity(parts.len());
        for (idx, (part, slot)) in parts.iter().zip(&mut receipts).enumerate() {
            match self.going(idx, part) {
                Ok(Ok(one)) => going.push(one),
                Ok(Err(receipt)) => *slot = Some(receipt),
                Err(error) if is_the_items(&error) => *slot = Some(Receipt::Refused(error)),
                Err(error) => return Err(error),
            }
        }
        self.revived_before(parts, &mut going, &mut receipts).await?;
        let told = self.send(parts, &going).await?;
        let mut open: Vec<(Going, Told)> = Vec::new();
        let mut trouble: Vec<(usize, Error)> = Vec::new();
        let has_other = told.iter().any(|told| !matches!(told, Told::Trouble(_)));
        for (one, told) in going.into_iter().zip(told) {
            match told {
                Told::Receipt(receipt) => set(&mut receipts, one.part, receipt),
                Told::Trouble(error) => trouble.push((one.part, error)),
                told => open.push((one, told)),
            }
        }
        if !has_other && let Some((_, error)) = trouble.first() {
            return Err(copy(error));
        }
        for (part, error) in trouble {
            set(&mut receipts, part, in_between(error));
        }
        self.look_at(parts, open, &mut receipts).await;
        Ok(receipts.into_iter().map(|receipt| receipt.unwrap_or_else(|| Receipt::Uncertain(unanswered()))).collect())
    }

    /// Decides on a part again: what it was prepared as, from the same operation and facts.
    fn going(&self, idx: usize, part: &PartRef<'_>) -> Result<std::result::Result<Going, Receipt>> {
        let op = part.op;
        let known = part.remote.or(op.before.as_ref().map(|before| &before.id));
        let step = match prepare::plan(self.handler, self.facts, op)? {
            Plan::Do(step) => step,
            Plan::Skip(skip) => return Ok(Err(Receipt::Skipped(skip))),
            Plan::Nothing => {
                let id = known.cloned().unwrap_or_else(|| id::event_id(&op.marker, 0));
                return Ok(Err(Receipt::Done { id, version: part.version.cloned(), after: None, facts: None }));
            }
        };
        let Some(id) = (match step {
            Step::Insert => Some(id::event_id(&op.marker, 0)),
            _ => known.cloned(),
        }) else {
            return Err(Error::new(ErrorKind::Internal, "an event is written that nobody knows the id of"));
        };
        let version = part.version.or(op.before.as_ref().and_then(|before| before.version.as_ref()));
        let shown = self.handler.shown;
        let call = match step {
            Step::Insert => client::insert(self.calendar, &self.draft(part)?.insert(&id, &op.marker, &op.resource)?, shown)?,
            Step::Patch => client::patch(self.calendar, &id, version, &self.draft(part)?.patch(&op.changed)?, shown)?,
            Step::Revive => self.revive_call(part, &id)?,
            Step::Delete => client::delete(self.calendar, &id, version)?,
            Step::Move => return Err(Error::new(ErrorKind::Internal, "a move goes in a call of its own")),
        };
        Ok(Ok(Going { part: idx, step, id, call }))
    }

    fn draft<'d>(&'d self, part: &PartRef<'d>) -> Result<Draft<'d>> {
        let zone = check::zone(self.handler, self.facts, self.calendar)?;
        Draft::of(&self.handler.settings, &part.op.fields, zone)
    }

    fn insert_body(&self, part: &PartRef<'_>, id: &RemoteId) -> Result<Map<String, Value>> {
        self.draft(part)?.insert(id, &part.op.marker, &part.op.resource)
    }

    async fn send(&self, parts: &[PartRef<'_>], going: &[Going]) -> Result<Vec<Told>> {
        let answers: Vec<Option<Answer>> = match going {
            [] => return Ok(Vec::new()),
            [one] => vec![Some(self.cx.send(one.call.clone()).await)],
            several => {
                let calls: Vec<Call> = several.iter().map(|one| one.call.clone()).collect();
                let answer = self.cx.send(batch::batch("events.batch", &calls)?).await?;
                let told = batch::answers(&answer, calls.len()).into_iter().zip(&calls);
                told.map(|(answer, call)| answer.map(|answer| (call.classify)(&answer).map(|()| answer))).collect()
            }
        };
        let told = going.iter().zip(answers).map(|(one, answer)| match (answer, parts.get(one.part)) {
            (Some(answer), Some(part)) => self.told(part, one.step, &one.id, answer),
            _ => Told::Receipt(Receipt::Uncertain(unanswered())),
        });
        Ok(told.collect())
    }

    fn told(&self, part: &PartRef<'_>, step: Step, id: &RemoteId, answer: Answer) -> Told {
        let error = match answer {
            Ok(_) if step == Step::Delete => return Told::Receipt(Receipt::done(id.clone())),
            Ok(answer) => return self.written(part, step, &answer),
            Err(error) => error,
        };
        match (error.kind(), step) {
            (ErrorKind::Taken, _) => Told::Taken,
            (ErrorKind::Moved, Step::Delete) => Told::MovedAway,
            (ErrorKind::Forbidden | ErrorKind::NotFound, Step::Revive) => Told::Dead,
            // Whether the event is gone or its calendar, the look tells that follows a move.
            (ErrorKind::Moved, _) | (ErrorKind::NotFound, Step::Patch) => Told::Receipt(Receipt::Moved),
            // Only the calendar can be missing.
            (ErrorKind::NotFound, _) if error.provider_code() != Some("deleted") => Told::Trouble(calendar_gone(&error)),
            (ErrorKind::NotFound, _) => Told::Receipt(Receipt::Moved),
            (ErrorKind::Forbidden, Step::Patch | Step::Delete) if is_about_one_event(&error) => {
                Told::Receipt(Receipt::Refused(error))
            }
            _ if is_the_items(&error) => Told::Receipt(Receipt::Refused(error)),
            _ => Told::Trouble(error),
        }
    }

    fn written(&self, part: &PartRef<'_>, step: Step, answer: &Response<bytes::Bytes>) -> Told {
        let event: Event = match parse_written(answer, "events.write") {
            Ok(event) => event,
            Err(error) => return Told::Receipt(Receipt::Uncertain(error)),
        };
        match (event.id.as_deref().filter(|id| !id.is_empty()), step) {
            (None, _) => Told::Receipt(Receipt::Uncertain(unanswered())),
            // A deleted event can be written to and stays deleted.
            (Some(_), Step::Revive) if event.is_cancelled() => Told::Dead,
            (Some(_), _) if event.is_cancelled() => Told::Receipt(Receipt::Moved),
            (Some(id), _) => Told::Receipt(self.done(part, id.into(), &event)),
        }
    }

    fn done(&self, part: &PartRef<'_>, id: RemoteId, event: &Event) -> Receipt {
        let reader = Reader { handler: self.handler, calendar: self.calendar };
        let after = reader.remote(part.op.resource.clone(), event).map(Box::new);
        Receipt::Done { id, version: event.etag.as_deref().map(Version::new), after, facts: None }
    }

    /// Looks at what answers left open: one call for all. Where that fails, what is known is told, and the engine looks.
    async fn look_at(&self, parts: &[PartRef<'_>], open: Vec<(Going, Told)>, receipts: &mut [Option<Receipt>]) {
        let (dead, asked): (Vec<_>, Vec<_>) = open.into_iter().partition(|(_, told)| matches!(told, Told::Dead));
        let ids: Vec<RemoteId> = asked.iter().map(|(one, _)| one.id.clone()).collect();
        let mut seen = find::look(self.handler, self.cx, self.calendar, &ids).await.unwrap_or_default().into_iter();
        for (one, told) in asked {
            let Some(part) = parts.get(one.part) else { continue };
            let receipt = match (told, seen.next()) {
                (Told::Taken, Some(Seen::Cancelled)) => self.bring_back(part, one.id).await,
                (Told::Taken, Some(Seen::Live(event))) => self.taken(part, one.id, &event),
                (Told::Taken, None) => Receipt::Taken(Some(one.id)),
                (Told::MovedAway, Some(Seen::Cancelled | Seen::Absent)) => Receipt::done(one.id),
                _ => Receipt::Moved,
            };
            set(receipts, one.part, receipt);
        }
        for (one, _) in dead {
            let Some(part) = parts.get(one.part) else { continue };
            set(receipts, one.part, self.next_generation(part, one.id).await);
        }
    }

    /// What is there under an id of ours. As we would make it, with our marker: made by an attempt whose answer was lost.
    /// Anything else is told as taken; without our marker it is no proof of anything.
    fn taken(&self, part: &PartRef<'_>, id: RemoteId, event: &Event) -> Receipt {
        match mapping::marker(event) {
            Some(marker) if marker != part.op.marker => Receipt::Taken(None),
            Some(_) if self.is_as_written(part, &id, event) => self.done(part, id, event),
            _ => Receipt::Taken(Some(id)),
        }
    }

    /// True when an event reads as what a new one of this record would.
    fn is_as_written(&self, part: &PartRef<'_>, id: &RemoteId, event: &Event) -> bool {
        let sent = self.as_sent(part, id);
        sent.is_some() && sent == self.read(part, event) && mapping::kind(event).as_ref() == Some(&part.op.resource)
    }

    /// What a new event of this record reads as.
    fn as_sent(&self, part: &PartRef<'_>, id: &RemoteId) -> Option<Record> {
        let body = self.insert_body(part, id).ok().map(Value::Object)?;
        self.read(part, &serde_json::from_value::<Event>(body).ok()?)
    }

    fn read(&self, part: &PartRef<'_>, event: &Event) -> Option<Record> {
        let reader = Reader { handler: self.handler, calendar: self.calendar };
        reader.remote(part.op.resource.clone(), event).map(|remote| remote.fields)
    }
}

fn set(receipts: &mut [Option<Receipt>], part: usize, receipt: Receipt) {
    if let Some(slot) = receipts.get_mut(part) {
        *slot = Some(receipt);
    }
}

/// Refused for what the item contains.
fn is_the_items(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Refused | ErrorKind::Invalid => true,
        // Answers that call a request malformed; our own defects have no provider's code.
        ErrorKind::Internal => error.provider_code().is_some(),
        _ => false,
    }
}

/// True for a refusal that may be about this event alone: somebody else owns it, or has locked it.
fn is_about_one_event(error: &Error) -> bool {
    let is_calendars = [
        "insufficientPermissions",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "requiredAccessLevel",
        "accessNotConfigured",
        "SERVICE_DISABLED",
        "notACalendarUser",
        "forbiddenForServiceAccounts",
    ];
    error.provider_code().is_none_or(|code| !is_calendars.contains(&code))
}

/// Trouble that struck some parts of a call and not others: it is looked at again once the call has settled. What was
/// refused for good is told so.
fn in_between(error: Error) -> Receipt {
    let is_final = matches!(error.kind(), ErrorKind::Config | ErrorKind::Forbidden | ErrorKind::AuthRevoked);
    if is_final && error.effect() == Effect::None { Receipt::Refused(error) } else { Receipt::Uncertain(error) }
}

/// The answer has nothing about this event.
fn unanswered() -> Error {
    bad_answer("Google's answer does not mention this event").with_effect(Effect::Unknown)
}
