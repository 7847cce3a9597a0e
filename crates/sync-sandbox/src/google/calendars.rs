//! Calendars themselves, and the list that each person has of them.
//! Source: <https://developers.google.com/workspace/calendar/api/v3/reference/calendars> and
//! <https://developers.google.com/workspace/calendar/api/v3/reference/calendarList>.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::{
    Google, World,
    access::Access,
    calendar::{Calendar, Role, etag},
    input::{self, Kind, Query},
    problem::Problem,
    times, token,
};
use crate::answer;

type Answer = Result<Response<Bytes>, Problem>;

pub(super) const MEMBERS: &[(&str, Kind)] = &[
    ("summary", Kind::Text),
    ("description", Kind::Text),
    ("location", Kind::Text),
    ("timeZone", Kind::Text),
    ("id", Kind::ReadOnly),
    ("etag", Kind::ReadOnly),
    ("kind", Kind::ReadOnly),
    ("dataOwner", Kind::ReadOnly),
    ("conferenceProperties", Kind::ReadOnly),
    ("autoAcceptInvitations", Kind::NotModelled),
    ("labelProperties", Kind::NotModelled),
    ("workingHours", Kind::NotModelled),
];

/// Page size of the calendar list unless asked, and at most. Source: the reference's `maxResults`.
const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 250;

/// Secondary calendars that a person may make "in a short period".
/// Source: <https://support.google.com/a/answer/2905486>.
const MAX_CALENDARS: usize = 60;

fn resource(calendar: &Calendar) -> Value {
    let mut shown = json!({
        "kind": "calendar#calendar", "etag": etag(calendar.version), "id": calendar.id, "summary": calendar.summary,
        "timeZone": calendar.zone_name,
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
    });
    add_details(&mut shown, calendar);
    shown
}

fn add_details(shown: &mut Value, calendar: &Calendar) {
    for (name, value) in [("description", &calendar.description), ("location", &calendar.location)] {
        if let Some(value) = value {
            shown[name] = json!(value);
        }
    }
    if !calendar.is_primary() {
        shown["dataOwner"] = json!(calendar.owner);
    }
}

fn entry(calendar: &Calendar, role: Role, user: &str) -> Value {
    let mut shown = json!({
        "kind": "calendar#calendarListEntry", "etag": etag(calendar.version), "id": calendar.id,
        "summary": calendar.summary, "timeZone": calendar.zone_name, "accessRole": role.as_str(), "selected": true,
        "colorId": "14", "backgroundColor": "#9fe1e7", "foregroundColor": "#000000",
        "defaultReminders": [{"method": "popup", "minutes": 30}],
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
    });
    if calendar.id == user {
        shown["primary"] = json!(true);
    }
    add_details(&mut shown, calendar);
    shown
}

fn shown(value: Value, query: &Query) -> Answer {
    let mut response = answer::json(StatusCode::OK, &query.mask()?.apply(value.clone()));
    if let Some(tag) = value["etag"].as_str().and_then(|tag| tag.parse().ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// `calendars.get`.
pub(super) fn get(calendar: &Calendar, query: &str) -> Answer {
    shown(resource(calendar), &Query::parse(query, &[])?)
}

/// `calendars.insert`: the caller owns it, and the app that he uses has made it.
pub(super) fn insert(this: &mut Google, access: &Access, query: &str, body: &Bytes) -> Answer {
    let query = Query::parse(query, &[])?;
    let body = input::body(body)?;
    input::check(&body, MEMBERS, "")?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let summary =
        text("summary").filter(|summary| !summary.is_empty()).ok_or_else(|| Problem::required("Missing title."))?;
    let n_own = this.calendars.values().filter(|calendar| calendar.owner == access.user && !calendar.is_primary()).count();
    if n_own >= MAX_CALENDARS {
        return Err(Problem::limit(403, "quotaExceeded", "Calendar usage limits exceeded."));
    }
    let of_user = this.calendars.get(&access.user).map(|primary| primary.zone_name.clone());
    let zone_name = text("timeZone").map(str::to_owned).or(of_user).unwrap_or_else(|| "UTC".into());
    let zone = times::zone(&zone_name).ok_or_else(|| Problem::invalid("Invalid time zone value."))?;
    let id = format!("{}@group.calendar.google.com", token::hash(&this.world.fresh_id("calendar")));
    let mut calendar = Calendar::new(id.clone(), summary.to_owned(), access.user.clone(), zone_name, zone);
    calendar.description = text("description").map(str::to_owned);
    calendar.location = text("location").map(str::to_owned);
    calendar.made_by = Some(access.client.clone());
    calendar.version = this.world.next_version();
    let answer = shown(resource(&calendar), &query);
    this.calendars.insert(id, calendar);
    answer
}

/// `calendars.patch`.
pub(super) fn patch(world: &mut World, calendar: &mut Calendar, query: &str, body: &Bytes) -> Answer {
    let query = Query::parse(query, &[])?;
    let body = input::body(body)?;
    input::check(&body, MEMBERS, "")?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if let Some(name) = text("timeZone") {
        let zone = times::zone(name).ok_or_else(|| Problem::invalid("Invalid time zone value."))?;
        calendar.set_zone(name, zone);
    }
    if let Some(summary) = text("summary") {
        calendar.summary = summary.to_owned();
    }
    if body.contains_key("description") {
        calendar.description = text("description").map(str::to_owned);
    }
    if body.contains_key("location") {
        calendar.location = text("location").map(str::to_owned);
    }
    calendar.version = world.next_version();
    shown(resource(calendar), &query)
}

/// `calendars.delete`: secondary ones only.
pub(super) fn delete(this: &mut Google, id: &str, query: &str) -> Answer {
    Query::parse(query, &[])?;
    if this.calendars.get(id).is_some_and(Calendar::is_primary) {
        return Err(Problem::new(403, "forbidden", "Cannot delete the primary calendar."));
    }
    this.calendars.remove(id);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// `calendarList.get`.
pub(super) fn list_get(calendar: &Calendar, role: Role, user: &str, query: &str) -> Answer {
    shown(entry(calendar, role, user), &Query::parse(query, &[])?)
}

/// `calendarList.list`.
pub(super) fn list(this: &Google, access: &Access, query: &str) -> Answer {
    const PARAMETERS: &[&str] = &["maxResults", "minAccessRole", "pageToken", "showDeleted", "showHidden"];
    let query = Query::parse(query, PARAMETERS)?;
    let _no_effect = (query.flag("showDeleted")?, query.flag("showHidden")?);
    let least = query.one_of("minAccessRole", &["freeBusyReader", "owner", "reader", "writer"])?.and_then(Role::parse);
    let size = query.count("maxResults")?.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE);
    let size = this.world.quirks.page_cap.map_or(size, |cap| size.min(cap.max(1)));
    let from = match query.text("pageToken") {
        None => 0,
        Some(text) => token::open::<usize>("l", text)
            .ok_or_else(|| Problem::invalid("Invalid page token value.").at("parameter", "pageToken"))?,
    };
    let seen: Vec<(&Calendar, Role)> = this
        .calendars
        .values()
        .filter_map(|calendar| Some((calendar, *calendar.roles.get(&access.user)?)))
        .filter(|(_, role)| least.is_none_or(|least| *role >= least))
        .collect();
    let items: Vec<Value> =
        seen.iter().skip(from).take(size).map(|(calendar, role)| entry(calendar, *role, &access.user)).collect();
    let latest = seen.iter().map(|(calendar, _)| calendar.version).max().unwrap_or(1);
    let mut list = json!({"kind": "calendar#calendarList", "etag": etag(latest), "items": items});
    if seen.len() > from + size {
        list["nextPageToken"] = json!(token::seal("l", &(from + size)));
    } else {
        // Changes of the calendar list itself are not modelled: this token opens nothing.
        list["nextSyncToken"] = json!(token::seal("ls", &latest));
    }
    shown(list, &query)
}
