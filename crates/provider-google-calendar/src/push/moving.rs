//! Events that move to another calendar: made there with everything that they have, then deleted where they were. Google's
//! own `events.move` does not take the narrowest scope. The link stays, and so does the id wherever it is the marker.

use serde_json::{Map, Value};
use sync_core::{ContainerId, Error, ErrorKind, PartRef, Receipt, Remote, RemoteId, Result};

use super::{Pushing, Told, revival::settled};
use crate::{
    client,
    error::parse,
    find::{self, Seen},
    id,
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
        let body = match self.moved_body(part, before, from).await? {
            Ok(body) => body,
            Err(receipt) => return Ok(receipt),
        };
        let id = id::event_id(&part.op.marker, 0);
        let made = match self.one(part, Step::Insert, &id, client::insert(self.calendar, &body, self.handler.shown)).await {
            Told::Trouble(error) => return Err(error),
            Told::Taken => self.made_before(part, id).await?,
            told => settled(told),
        };
        if !matches!(made, Receipt::Done { .. }) {
            return Ok(made);
        }
        match self.cx.send(client::delete(from, &before.id, None)?).await {
            Ok(_) => Ok(made),
            Err(error) => Ok(Receipt::Uncertain(error)),
        }
    }

    /// The event as it is, with what the record says over it. Without the old one, what the record says.
    async fn moved_body(
        &self,
        part: &PartRef<'_>,
        before: &Remote,
        from: &ContainerId,
    ) -> Result<std::result::Result<Map<String, Value>, Receipt>> {
        let ours = match self.insert_body(part, &id::event_id(&part.op.marker, 0)) {
            Ok(ours) => ours,
            Err(error) => return Ok(Err(Receipt::Refused(error))),
        };
        let old: Map<String, Value> = match self.cx.send(client::whole_event(from, &before.id)).await {
            Ok(answer) => parse(&answer, "events.get")?,
            Err(error) if error.kind() == ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(error),
        };
        if old.get("attendees").and_then(Value::as_array).is_some_and(|guests| !guests.is_empty()) {
            return Ok(Err(Receipt::Refused(
                Error::new(ErrorKind::Refused, "the event has guests, whom a move to another calendar would lose")
                    .with_remedy(
                        "Move the event by hand in Google Calendar, or take the guests out. It goes with the next sync.",
                    ),
            )));
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
        Ok(Ok(body))
    }

    /// The id is taken where it goes: made by an attempt whose answer was lost, or deleted there once.
    async fn made_before(&self, part: &PartRef<'_>, id: RemoteId) -> Result<Receipt> {
        let mut seen = find::look(self.handler, self.cx, self.calendar, std::slice::from_ref(&id)).await?;
        Ok(match seen.pop() {
            Some(Seen::Live(event)) => match self.taken(part, id, &event) {
                Receipt::Taken(Some(id)) => self.done(part, id, &event),
                taken => taken,
            },
            Some(Seen::Cancelled) => self.bring_back(part, id).await,
            _ => Receipt::Moved,
        })
    }
}
