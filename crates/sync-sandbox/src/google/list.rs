//! `events.list`: in full, in part, and what changed.
//! Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events/list> and
//! <https://developers.google.com/workspace/calendar/api/guides/sync>.

use std::ops::Bound;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{
    World,
    calendar::{self, Calendar, Document, Event, Life, Role},
    filter::{Filter, NOT_INCREMENTAL},
    input::Query,
    problem::Problem,
    read, times,
    token::{self, PageToken, SyncToken},
};
use crate::{answer, mask::Mask};

type Answer = Result<Response<Bytes>, Problem>;

pub(super) const PARAMETERS: &[&str] = &[
    "eventTypes",
    "iCalUID",
    "maxResults",
    "orderBy",
    "pageToken",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "showDeleted",
    "showHiddenInvitations",
    "singleEvents",
    "syncToken",
    "timeMax",
    "timeMin",
    "timeZone",
    "updatedMin",
];

/// Parameters that must stay the same from the first page of a full listing to the last incremental one.
const STEADY: &[&str] = &["eventTypes", "showHiddenInvitations", "singleEvents", "timeZone"];

/// Page size unless asked, and at most. Source: the reference's `maxResults`.
const DEFAULT_PAGE: usize = 250;
const MAX_PAGE: usize = 2500;

pub(super) fn page_size(query: &Query, world: &World) -> Result<usize, Problem> {
    let asked = query.count("maxResults")?.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE);
    Ok(world.quirks.page_cap.map_or(asked, |cap| asked.min(cap.max(1))))
}

/// A place in a listing.
pub(super) struct Place {
    token: PageToken,
}

impl Place {
    /// Where the query's page token points, or the beginning.
    pub(super) fn of(query: &Query, calendar: &Calendar, what: &str) -> Result<Self, Problem> {
        let mut asked = what.to_owned();
        for name in STEADY.iter().chain(NOT_INCREMENTAL) {
            for value in query.all(name) {
                asked.push_str(&format!("&{name}={value}"));
            }
        }
        let asked = token::hash(&asked);
        let Some(text) = query.text("pageToken") else {
            let (calendar, up_to) = (calendar.id.clone(), calendar.last_change);
            return Ok(Self { token: PageToken { calendar, asked, after: None, up_to, page: 1, at: String::new() } });
        };
        match token::open::<PageToken>("p", text) {
            Some(token) if token.calendar == calendar.id && token.asked == asked => Ok(Self { token }),
            _ => Err(Problem::invalid("Invalid page token value.").at("parameter", "pageToken")),
        }
    }

    /// The token of the page after this one, which ends here.
    fn next(&self, at: impl Into<String>) -> String {
        let mut token = self.token.clone();
        token.page += 1;
        token.at = at.into();
        token::seal("p", &token)
    }

    /// A page out of a whole, by number.
    pub(super) fn cut<T>(&self, items: Vec<T>, size: usize) -> (Vec<T>, Option<String>) {
        let from = self.token.at.parse::<usize>().unwrap_or(0);
        let to = from.saturating_add(size);
        let next = (items.len() > to).then(|| self.next(to.to_string()));
        (items.into_iter().skip(from).take(size).collect(), next)
    }

    fn is_empty_page(&self, world: &World) -> bool {
        world.quirks.empty_page_every.is_some_and(|every| self.token.page.is_multiple_of(every.max(2)))
    }
}

/// The members of a list beside its items.
pub(super) fn head(calendar: &Calendar, role: Role, query: &Query, world: &World) -> Map<String, Value> {
    let latest = calendar.changes(calendar.last_change.saturating_sub(1), calendar.last_change).next();
    let updated = latest.map_or(world.created, |(_, event)| event.updated);
    let mut head = Map::new();
    head.insert("kind".into(), json!("calendar#events"));
    head.insert("etag".into(), json!(calendar::etag(calendar.last_change.max(calendar.version))));
    head.insert("summary".into(), json!(calendar.summary));
    head.insert("description".into(), json!(calendar.description.as_deref().unwrap_or_default()));
    head.insert("updated".into(), json!(times::stamp(updated)));
    head.insert("timeZone".into(), json!(query.text("timeZone").unwrap_or(&calendar.zone_name)));
    head.insert("accessRole".into(), json!(role.as_str()));
    head.insert("defaultReminders".into(), json!([{"method": "popup", "minutes": 30}]));
    head
}

/// Refuses a sync token that is no longer good.
fn sync_token(world: &World, calendar: &Calendar, query: &Query, asked: &str) -> Result<Option<SyncToken>, Problem> {
    let Some(text) = query.text("syncToken") else { return Ok(None) };
    if let Some(name) = NOT_INCREMENTAL.iter().find(|name| query.text(name).is_some()) {
        let message = format!("Sync token cannot be used with other query restrictions: {name}");
        return Err(Problem::bad_request_saying(message).at("parameter", *name));
    }
    if query.flag("showDeleted")? == Some(false) {
        let message = "Cannot set showDeleted to false when a sync token is used.";
        return Err(Problem::bad_request_saying(message).at("parameter", "showDeleted"));
    }
    let wrong = || Problem::invalid("Invalid sync token value.").at("parameter", "syncToken");
    let token: SyncToken =
        token::open("s", text).filter(|token: &SyncToken| token.calendar == calendar.id).ok_or_else(wrong)?;
    let life = SignedDuration::from_hours(24 * i64::from(world.quirks.sync_token_days));
    if token.epoch != calendar.epoch || world.now.duration_since(token.issued) > life {
        return Err(if world.quirks.old_sync_token_is_400 { wrong() } else { Problem::full_sync() });
    }
    if token.asked != asked {
        return Err(Problem::ours(400, "other parameters than those of the listing that gave the sync token"));
    }
    Ok(Some(token))
}

/// Hash of the parameters that belong to a sync token.
fn steady(query: &Query) -> String {
    let mut asked = String::new();
    for name in STEADY {
        for value in query.all(name) {
            asked.push_str(&format!("&{name}={value}"));
        }
    }
    token::hash(&asked)
}

/// How items are written.
struct Writer<'a> {
    calendar: &'a Calendar,
    zone: Option<TimeZone>,
    mask: Mask,
}

impl Writer<'_> {
    fn event(&self, event: &Event) -> String {
        if self.zone.is_none() && self.mask == Mask::All { event.text().to_owned() } else { self.document(event.document()) }
    }

    fn document(&self, mut document: Document) -> String {
        if let Some(zone) = &self.zone {
            calendar::show_in(&mut document, &self.calendar.zone_name, zone);
        }
        self.mask.apply(Value::Object(document)).to_string()
    }
}

/// A deleted event, of which only the id is sure. Source: the reference's `status`.
fn bare(id: &str, event: &Event) -> Document {
    let bare = json!({"kind": "calendar#event", "etag": event.etag(), "id": id, "status": "cancelled"});
    bare.as_object().cloned().unwrap_or_default()
}

/// `events.list`.
pub(super) fn list(world: &World, calendar: &Calendar, role: Role, query: &str) -> Answer {
    let query = Query::parse(query, PARAMETERS)?;
    let asked = steady(&query);
    let since = sync_token(world, calendar, &query, &asked)?;
    let filter = Filter::read(&query, world)?;
    let mut place = Place::of(&query, calendar, "list")?;
    if query.text("pageToken").is_none() {
        place.token.after = since.as_ref().map(|token| token.after);
    } else if place.token.after != since.as_ref().map(|token| token.after) {
        return Err(Problem::invalid("Invalid page token value.").at("parameter", "pageToken"));
    }
    let size = page_size(&query, world)?;
    let mask = query.mask()?;
    let writer = Writer { calendar, zone: read::zone(&query)?, mask: mask.child("items").cloned().unwrap_or(Mask::All) };
    let (items, next) = if place.is_empty_page(world) {
        (Vec::new(), Some(place.next(place.token.at.clone())))
    } else if filter.is_expanded || query.text("orderBy").is_some() {
        let all = sorted(calendar, &filter, &place, query.text("orderBy"))?;
        let (page, next) = place.cut(all, size);
        (page.into_iter().map(|document| writer.document(document)).collect(), next)
    } else if let Some(after) = place.token.after {
        changed(&place, &filter, &writer, after, size)
    } else {
        whole(&place, &filter, &writer, size)
    };
    let mut head = head(calendar, role, &query, world);
    match next {
        Some(next) => drop(head.insert("nextPageToken".into(), json!(next))),
        // A listing that was narrowed otherwise than by time has no sync token.
        None if NOT_INCREMENTAL.iter().any(|name| !name.starts_with("time") && query.text(name).is_some()) => {}
        None => {
            let token = SyncToken {
                calendar: calendar.id.clone(),
                epoch: calendar.epoch,
                asked,
                after: place.token.up_to,
                issued: world.now,
            };
            head.insert("nextSyncToken".into(), json!(token::seal("s", &token)));
        }
    }
    let Value::Object(mut head) = mask.apply(Value::Object(head)) else { return Err(Problem::bad_request()) };
    head.remove("items");
    let mut body = Value::Object(head).to_string();
    if mask.child("items").is_some() {
        body.pop();
        if body.len() > 1 {
            body.push(',');
        }
        body.push_str("\"items\":[");
        body.push_str(&items.join(","));
        body.push_str("]}");
    }
    Ok(answer::with_type(StatusCode::OK, "application/json; charset=utf-8", body))
}

/// A page of everything, by id: what changes meanwhile comes with the next changes.
fn whole(place: &Place, filter: &Filter, writer: &Writer<'_>, size: usize) -> (Vec<String>, Option<String>) {
    let from = match place.token.at.as_str() {
        "" => Bound::Unbounded,
        at => Bound::Excluded(at),
    };
    let mut items = Vec::new();
    let mut at = "";
    for (id, event) in writer.calendar.events.range::<str, _>((from, Bound::Unbounded)) {
        if !filter.fits(event) {
            continue;
        }
        if items.len() == size {
            return (items, Some(place.next(at)));
        }
        items.push(writer.event(event));
        at = id;
    }
    (items, None)
}

/// A page of changes, from the earliest.
fn changed(place: &Place, filter: &Filter, writer: &Writer<'_>, after: u64, size: usize) -> (Vec<String>, Option<String>) {
    let from = place.token.at.parse().unwrap_or(after);
    let mut items = Vec::new();
    let mut at = from;
    for (id, event) in writer.calendar.changes(from, place.token.up_to) {
        if items.len() == size {
            return (items, Some(place.next(at.to_string())));
        }
        let is_bare = event.life != Life::Live && event.master.is_none() && !filter.has_deleted;
        items.push(if is_bare { writer.document(bare(id, event)) } else { writer.event(event) });
        at = event.version;
    }
    (items, None)
}

/// Everything that fits, expanded and in order.
fn sorted(calendar: &Calendar, filter: &Filter, place: &Place, by: Option<&str>) -> Result<Vec<Document>, Problem> {
    let mut found: Vec<(i64, Document)> = Vec::new();
    let before = filter.to.and_then(|to| Timestamp::from_second(to).ok());
    let mut add = |id: &str, event: &Event| -> Result<(), Problem> {
        if event.is_series && filter.is_expanded && event.life == Life::Live {
            for one in read::occurrences(calendar, id, &event.document(), before)? {
                let is_changed = one.get("id").and_then(Value::as_str).is_some_and(|id| calendar.events.contains_key(id));
                let Ok((start, end)) = times::range(&one, &calendar.zone_name, false) else { continue };
                let (start, end) = (start.instant(&calendar.zone).as_second(), end.instant(&calendar.zone).as_second());
                let fits = filter.from.is_none_or(|from| end > from) && filter.to.is_none_or(|to| start < to);
                // A changed occurrence is an event of its own and comes by itself.
                if fits && !is_changed {
                    found.push((start, one));
                }
            }
            return Ok(());
        }
        if event.life != Life::Live && event.master.is_none() && filter.is_incremental && !filter.has_deleted {
            found.push((0, bare(id, event)));
            return Ok(());
        }
        let key = if by == Some("updated") { event.updated.as_millisecond() } else { event.span.0 };
        found.push((key, event.document()));
        Ok(())
    };
    match place.token.after {
        Some(after) => {
            for (id, event) in calendar.changes(after, place.token.up_to) {
                add(id, event)?;
            }
        }
        None => {
            for (id, event) in &calendar.events {
                if filter.fits(event) {
                    add(id, event)?;
                }
            }
        }
    }
    if !filter.is_incremental {
        found.sort_by_key(|(key, _)| *key);
    }
    Ok(found.into_iter().map(|(_, document)| document).collect())
}
