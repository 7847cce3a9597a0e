//! Events that move to another calendar: made there with everything that they have, then deleted where they were. Google's
//! own `events.move` does not take the narrowest scope. The link stays, and so does the id wherever it is the marker.

use serde_json::{Map, Value};
use sync_core::{Direction, Effect, Error, ErrorKind, PartRef, Receipt, RemoteId, Result, Retry, Version};

use super::{Pushing, Told, revival::settled};
use crate::{
    client,
    error::parse,
    find::{self, Seen},
    id, mapping,
    model::Event,
    prepare::Step,
};

/// Members that an insert takes and that people may have set. What else an event shows is Google's, or names guests.
/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events>.
const KEPT: &[&str] = &[
    "attachments",
    "colorId",
    "description",
    "extendedProperties",
    "guestsCanInviteOthers",
    "guestsCanModify",
    "guestsCanSeeOtherGuests",
    "location",
    "recurrence",
    "reminders",
    "source",
    "transparency",
    "visibility",
];

impl Pushing<'_> {
    /// Moves one event. Doing it again after a lost answer finds it made, and deletes what is left.
    pub(super) async fn relocate(&self, part: &PartRef<'_>) -> Result<Receipt> {
        let Some((before, from)) = part.op.before.as_deref().and_then(|before| Some((before, before.container.as_ref()?)))
        else {
            return Err(Error::new(ErrorKind::Internal, "a move from nowhere"));
        };
        let id = id::event_id(&part.op.marker, 0);
        let old: Map<String, Value> = match self.cx.send(client::whole_event(from, &before.id)).await {
            Ok(answer) => parse(&answer, "events.get")?,
            Err(error) if error.kind() == ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(error),
        };
        let is_there = old.get("status").and_then(Value::as_str) != Some("cancelled");
        let version = old.get("etag").and_then(Value::as_str).filter(|_| is_there).map(Version::new);
        let known = part.version.or(before.version.as_ref());
        if version.as_ref().is_some_and(|version| known.is_some_and(|known| known != version)) {
            return self.call_off(part, id).await;
        }
        let body = match self.moved_body(part, &id, old) {
            Ok(body) => body,
            Err(receipt) => return Ok(receipt),
        };
        let made = match self.one(part, Step::Insert, &id, client::insert(self.calendar, &body, self.handler.shown)).await {
            Told::Trouble(error) => return Err(error),
            Told::Taken => self.made_before(part, id.clone()).await?,
            told => settled(told),
        };
        match made {
            Receipt::Done { .. } => {}
            // It may lie in both calendars: done again as a whole, it goes on from here.
            Receipt::Uncertain(error) => return Err(error.with_effect(Effect::Unknown)),
            made => return Ok(made),
        }
        match self.cx.send(client::delete(from, &before.id, version.as_ref())?).await {
            Ok(_) => Ok(made),
            Err(error) if error.kind() == ErrorKind::Moved => self.call_off(part, id).await,
            Err(error) if error.retry() == Retry::Never => Ok(Receipt::Uncertain(error)),
            Err(error) => Err(error.with_effect(Effect::Unknown)),
        }
    }

    /// People changed the event where it was, so it is decided on again. What an attempt made where it goes must not stay.
    async fn call_off(&self, part: &PartRef<'_>, id: RemoteId) -> Result<Receipt> {
        let mut seen = find::look(self.handler, self.cx, self.calendar, std::slice::from_ref(&id)).await?;
        let Some(Seen::Live(event)) = seen.pop() else { return Ok(Receipt::Moved) };
        if mapping::marker(&event).as_ref() != Some(&part.op.marker) {
            return Ok(Receipt::Moved);
        }
        // Where the host alone counts, what people made of it is written over, there as anywhere.
        let counts = self.handler.settings.direction != Direction::Push;
        if counts && !self.is_as_written(part, &id, &event) {
            return Ok(Receipt::Refused(
                Error::new(ErrorKind::Refused, "the event lies in two calendars and was changed in both")
                    .with_remedy("Delete one of the two in Google Calendar. The other one counts from the next sync on."),
            ));
        }
        let version = event.etag.as_deref().map(Version::new);
        match self.cx.send(client::delete(self.calendar, &id, version.as_ref())?).await {
            Ok(_) => Ok(Receipt::Moved),
            Err(error) => Err(error.with_effect(Effect::Unknown)),
        }
    }

    /// The event as it is, with what the record says over it. Without the old one, what the record says.
    fn moved_body(
        &self,
        part: &PartRef<'_>,
        id: &RemoteId,
        old: Map<String, Value>,
    ) -> std::result::Result<Map<String, Value>, Receipt> {
        let ours = self.insert_body(part, id).map_err(Receipt::Refused)?;
        if old.get("attendees").and_then(Value::as_array).is_some_and(|guests| !guests.is_empty()) {
            return Err(Receipt::Refused(
                Error::new(ErrorKind::Refused, "the event has guests, whom a move to another calendar would lose")
                    .with_remedy(
                        "Move the event by hand in Google Calendar, or take the guests out. It goes with the next sync.",
                    ),
            ));
        }
        let mut body: Map<String, Value> = old.into_iter().filter(|(name, _)| KEPT.contains(&name.as_str())).collect();
        for (name, value) in ours {
            match (body.get_mut(&name).and_then(|old| old.get_mut("private")), value.get("private")) {
                (Some(Value::Object(old)), Some(Value::Object(new))) => old.extend(new.clone()),
                _ => {
                    body.insert(name, value);
                }
            }
        }
        Ok(body)
    }

    /// The id is taken where it goes: made by an attempt whose answer was lost, or deleted there once.
    async fn made_before(&self, part: &PartRef<'_>, id: RemoteId) -> Result<Receipt> {
        let mut seen = find::look(self.handler, self.cx, self.calendar, std::slice::from_ref(&id)).await?;
        Ok(match seen.pop() {
            Some(Seen::Live(event)) => match self.taken(part, id, &event) {
                Receipt::Taken(Some(id)) => self.made_and_changed(part, id, &event),
                taken => taken,
            },
            Some(Seen::Cancelled) => self.bring_back(part, id).await,
            _ => Receipt::Moved,
        })
    }

    /// What was made is agreed on, and not what people made of it since: that is news, which the engine looks for.
    pub(super) fn made_and_changed(&self, part: &PartRef<'_>, id: RemoteId, event: &Event) -> Receipt {
        let sent = self.as_sent(part, &id);
        let mut made = self.done(part, id, event);
        if let (Receipt::Done { after: Some(after), .. }, Some(sent)) = (&mut made, sent) {
            after.fields = sent;
        }
        made
    }
}
