//! Writing events.
//! Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events> with the pages of its methods.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{
    World,
    calendar::{Calendar, Document, Found, Life, etag},
    event,
    input::{self, Query},
    problem::Problem,
    quirks::Revival,
    times,
};
use crate::answer;

/// Parameters of the methods that write.
const PARAMETERS: &[&str] = &["sendUpdates", "sendNotifications", "conferenceDataVersion", "supportsAttachments"];

type Answer = Result<Response<Bytes>, Problem>;

/// Reads the parameters of a write; returns who gets mails.
fn parameters(query: &str) -> Result<(Query, Mails), Problem> {
    let query = Query::parse(query, PARAMETERS)?;
    if query.text("conferenceDataVersion").is_some_and(|version| version != "0") {
        return Err(Problem::ours(400, "conference data is not modelled"));
    }
    if query.flag("supportsAttachments")? == Some(true) {
        return Err(Problem::ours(400, "attachments are not modelled"));
    }
    let mails = Mails::read(&query)?;
    Ok((query, mails))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mails {
    All,
    External,
    None,
}

impl Mails {
    /// `sendUpdates`, or the `sendNotifications` that it replaced.
    fn read(query: &Query) -> Result<Self, Problem> {
        Ok(match query.one_of("sendUpdates", &["all", "externalOnly", "none"])? {
            Some("all") => Self::All,
            Some("externalOnly") => Self::External,
            Some(_) => Self::None,
            None if query.flag("sendNotifications")? == Some(true) => Self::All,
            None => Self::None,
        })
    }
}

/// Invites the guests who are new and counts the mails.
fn invite(
    world: &mut World,
    calendar: &Calendar,
    before: Option<&Document>,
    after: &Document,
    mails: Mails,
) -> Result<(), Problem> {
    let addresses = |document: &Document| -> Vec<String> {
        let guests = document.get("attendees").and_then(Value::as_array);
        guests.into_iter().flatten().filter_map(|guest| guest["email"].as_str().map(str::to_owned)).collect()
    };
    let domain = calendar.owner.rsplit('@').next().unwrap_or_default();
    let is_external = |address: &String| !address.ends_with(&format!("@{domain}"));
    let known = before.map(addresses).unwrap_or_default();
    let guests: Vec<String> = addresses(after).into_iter().filter(|address| *address != calendar.id).collect();
    let n_new = guests.iter().filter(|guest| is_external(guest) && !known.contains(guest)).count() as u64;
    // Invitations are counted even where no mail goes.
    // Source: GitHub inovex/CalendarSync issue 280, googleapis/google-api-nodejs-client issue 3422.
    if n_new > 0 && world.quotas.invitations.is_some_and(|limit| world.invitations + n_new > limit) {
        return Err(Problem::limit(403, "quotaExceeded", "Calendar usage limits exceeded."));
    }
    world.invitations += n_new;
    world.mails_sent += match mails {
        Mails::All => guests.len(),
        Mails::External => guests.iter().filter(|guest| is_external(guest)).count(),
        Mails::None => 0,
    } as u64;
    Ok(())
}

/// Refuses a write whose `If-Match` names another version.
/// Source: <https://developers.google.com/workspace/calendar/api/guides/version-resources>.
fn check_version(headers: &HeaderMap, version: u64) -> Result<(), Problem> {
    match headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()) {
        None | Some("*") => Ok(()),
        Some(asked) if asked == etag(version) => Ok(()),
        Some(_) => Err(Problem::not_met()),
    }
}

pub(super) fn shown(document: &Document, query: &Query) -> Answer {
    let mask = query.mask()?;
    let mut response = answer::json(StatusCode::OK, &mask.apply(Value::Object(document.clone())));
    if let Some(tag) = document.get("etag").and_then(Value::as_str).and_then(|tag| tag.parse().ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// `events.insert`.
pub(super) fn insert(world: &mut World, calendar: &mut Calendar, user: &str, query: &str, body: &Bytes) -> Answer {
    let (query, mails) = parameters(query)?;
    let mut body = input::body(body)?;
    input::check(&body, event::MEMBERS, "")?;
    event::without_nulls(&mut body);
    let id = match body.get("id").and_then(Value::as_str) {
        Some(id) => {
            event::check_id(id)?;
            if body.contains_key("iCalUID") {
                return Err(Problem::ours(400, "supply `id` or `iCalUID`, not both"));
            }
            id.to_owned()
        }
        None => world.fresh_id("event"),
    };
    if calendar.events.contains_key(id.as_str()) {
        return Err(Problem::duplicate());
    }
    let document = create(world, calendar, user, &id, body)?;
    invite(world, calendar, None, &document, mails)?;
    let document = calendar.put(world, &id, document, world.now);
    shown(&document, &query)
}

/// A whole new event from its body.
pub(super) fn create(
    world: &World,
    calendar: &Calendar,
    user: &str,
    id: &str,
    mut document: Document,
) -> Result<Document, Problem> {
    let organizer = document.remove("organizer").filter(|organizer| organizer["email"].is_string());
    let ical = document.remove("iCalUID").unwrap_or_else(|| json!(format!("{id}@google.com")));
    document.retain(|name, _| !event::OWN.contains(&name.as_str()));
    let now = times::stamp(world.now);
    let mut own_organizer = json!({"email": calendar.id, "displayName": calendar.summary, "self": true});
    if calendar.is_primary() {
        own_organizer = json!({"email": calendar.owner, "self": true});
    }
    let organizer = match organizer {
        Some(organizer) if organizer["email"] != json!(calendar.id) => json!({"email": organizer["email"]}),
        _ => own_organizer,
    };
    let mut creator = json!({"email": user});
    if user == calendar.id {
        creator["self"] = json!(true);
    }
    document.insert("kind".into(), json!("calendar#event"));
    document.insert("id".into(), json!(id));
    document.insert("htmlLink".into(), json!(format!("https://www.google.com/calendar/event?eid={id}")));
    document.insert("created".into(), json!(now));
    document.insert("creator".into(), creator);
    document.insert("organizer".into(), organizer);
    document.insert("iCalUID".into(), ical);
    document.insert("eventType".into(), json!("default"));
    document.insert("sequence".into(), json!(0));
    document.entry("status").or_insert_with(|| json!("confirmed"));
    event::settle(calendar, &mut document)?;
    Ok(document)
}

/// `events.patch`.
pub(super) fn patch(
    world: &mut World,
    calendar: &mut Calendar,
    id: &str,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Answer {
    change(world, calendar, id, query, headers, body, |before, body| {
        let mut after = before.clone();
        event::merge(&mut after, &body);
        after
    })
}

/// `events.update`: what the body does not name is reset.
pub(super) fn update(
    world: &mut World,
    calendar: &mut Calendar,
    id: &str,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Answer {
    change(world, calendar, id, query, headers, body, |before, mut body| {
        event::without_nulls(&mut body);
        for name in event::OWN {
            if let Some(value) = before.get(*name) {
                body.insert((*name).into(), value.clone());
            }
        }
        body.entry("status").or_insert_with(|| json!("confirmed"));
        body
    })
}

fn change(
    world: &mut World,
    calendar: &mut Calendar,
    id: &str,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
    apply: impl FnOnce(&Document, Document) -> Document,
) -> Answer {
    let (query, mails) = parameters(query)?;
    let mut body = input::body(body)?;
    input::check(&body, event::MEMBERS, "")?;
    let (before, version, life) = match calendar.find(id).ok_or_else(Problem::not_found)? {
        Found::Stored { document, version, life } => (document, version, life),
        Found::Occurrence { document, version } => (document, version, Life::Live),
    };
    let before = whole(calendar, before);
    check_version(headers, version)?;
    if body.get("id").and_then(Value::as_str).is_some_and(|other| other != id) {
        return Err(Problem::invalid("Invalid resource id value."));
    }
    let sequence = before.get("sequence").and_then(Value::as_i64).unwrap_or_default();
    if body.get("sequence").and_then(Value::as_i64).is_some_and(|sent| sent < sequence) {
        return Err(Problem::invalid(
            "Invalid sequence value. The specified sequence number is below the current sequence number of the resource. \
             Re-fetch the resource and use its sequence number on the following request.",
        ));
    }
    body.retain(|name, _| !event::OWN.contains(&name.as_str()));
    let after = apply(&before, body);
    let after = edit(calendar, &before, after)?;
    let is_back = life == Life::Cancelled && after.get("status") != Some(&json!("cancelled"));
    match (is_back, world.quirks.revival) {
        (true, Revival::Forbidden) => return Err(Problem::new(403, "forbidden", "Forbidden")),
        (true, Revival::NotFound) => return Err(Problem::not_found()),
        _ => {}
    }
    if event::is_foreign_change(&before, &after) {
        let message = "Shared properties can only be changed by the organizer of the event.";
        return Err(Problem::new(403, "forbiddenForNonOrganizer", message).of_calendar());
    }
    invite(world, calendar, Some(&before), &after, mails)?;
    let after = store(world, calendar, id, &before, after);
    shown(&after, &query)
}

/// Brings a changed event into shape.
pub(super) fn edit(calendar: &Calendar, before: &Document, mut after: Document) -> Result<Document, Problem> {
    event::settle(calendar, &mut after)?;
    // The counter of iCalendar: <https://www.rfc-editor.org/rfc/rfc5545#section-3.8.7.4>.
    let is_revision =
        event::difference(before, &after).into_iter().any(|name| matches!(name, "start" | "end" | "recurrence" | "status"));
    let sequence = before.get("sequence").and_then(Value::as_i64).unwrap_or_default();
    after.insert("sequence".into(), json!(sequence + i64::from(is_revision)));
    Ok(after)
}

/// An event with all its members: a cancelled occurrence shows few, and those of its series stand for the others.
pub(super) fn whole(calendar: &Calendar, mut document: Document) -> Document {
    let occurrence = || {
        let master_id = document.get("recurringEventId").and_then(Value::as_str)?;
        let master = calendar.events.get(master_id)?.document();
        let start = document.get("originalStartTime");
        let original = times::When::read(start, "original", &calendar.zone_name, false).ok()?;
        calendar.occurrence(master_id, &master, &original)
    };
    if !document.contains_key("start")
        && let Some(occurrence) = occurrence()
    {
        for (name, value) in occurrence {
            document.entry(name).or_insert(value);
        }
    }
    document
}

/// Stores a changed event. Reminders alone do not move `updated`. Source: the reference's `updated`.
pub(super) fn store(world: &mut World, calendar: &mut Calendar, id: &str, before: &Document, after: Document) -> Document {
    let only_reminders = event::difference(before, &after) == ["reminders"];
    let updated = match before.get("updated").and_then(Value::as_str).and_then(|text| text.parse().ok()) {
        Some(updated) if only_reminders => updated,
        _ => world.now,
    };
    calendar.put(world, id, after, updated)
}

/// `events.delete`.
pub(super) fn delete(world: &mut World, calendar: &mut Calendar, id: &str, query: &str, headers: &HeaderMap) -> Answer {
    let query = Query::parse(query, &["sendUpdates", "sendNotifications"])?;
    let mails = Mails::read(&query)?;
    let (document, version) = match calendar.find(id).ok_or_else(Problem::not_found)? {
        Found::Stored { life: Life::Live, document, version } | Found::Occurrence { document, version } => {
            (document, version)
        }
        // Source: GitHub googleapis/google-api-python-client issue 210.
        Found::Stored { .. } => return Err(Problem::deleted()),
    };
    check_version(headers, version)?;
    invite(world, calendar, Some(&document), &document, mails)?;
    remove(world, calendar, id, document);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Deletes an event; with a series its changed occurrences, too.
pub(super) fn remove(world: &mut World, calendar: &mut Calendar, id: &str, mut document: Document) {
    if document.contains_key("recurringEventId") {
        // Only these are sure to be there. Source: the reference's `status`.
        document.retain(|name, _| matches!(name.as_str(), "kind" | "id" | "recurringEventId" | "originalStartTime"));
    }
    for exception in calendar.exceptions(id) {
        let Some(mut of_it) = calendar.events.get(&exception).map(super::calendar::Event::document) else { continue };
        of_it.insert("status".into(), json!("cancelled"));
        calendar.put(world, &exception, of_it, world.now);
    }
    document.insert("status".into(), json!("cancelled"));
    calendar.put(world, id, document, world.now);
}

/// `events.move`: the event changes its calendar and keeps its id; a cancelled one stays behind.
/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events/move>.
pub(super) fn transfer(world: &mut World, from: &mut Calendar, to: &mut Calendar, id: &str, query: &str) -> Answer {
    let query = Query::parse(query, &["destination", "sendUpdates", "sendNotifications"])?;
    let Some(Found::Stored { life: Life::Live, mut document, .. }) = from.find(id) else {
        return Err(Problem::not_found());
    };
    if document.contains_key("recurringEventId") {
        return Err(Problem::new(400, "cannotChangeOrganizerOfInstance", "Cannot change the organizer of an instance."));
    }
    if to.events.contains_key(id) {
        return Err(Problem::duplicate());
    }
    remove(world, from, id, document.clone());
    document.insert("organizer".into(), json!({"email": to.id, "displayName": to.summary, "self": true}));
    super::calendar::show_in(&mut document, &to.zone_name, &to.zone);
    let document = to.put(world, id, document, world.now);
    shown(&document, &query)
}
