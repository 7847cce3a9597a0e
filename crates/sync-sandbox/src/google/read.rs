//! Reading single events and the occurrences of a series.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    World,
    calendar::{self, Calendar, Document, Found, Life},
    input::Query,
    list::{self, Place},
    problem::Problem,
    times, write,
};
use crate::answer;

type Answer = Result<Response<Bytes>, Problem>;

/// The zone that answers are shown in, where another than the calendar's is asked for.
pub(super) fn zone(query: &Query) -> Result<Option<jiff::tz::TimeZone>, Problem> {
    match query.text("timeZone") {
        None => Ok(None),
        Some(name) => match times::zone(name) {
            Some(zone) => Ok(Some(zone)),
            None => Err(Problem::invalid("Invalid value for: Invalid time zone").at("parameter", "timeZone")),
        },
    }
}

/// `events.get`: deleted events are shown, too.
/// Source: GitHub googleapis/google-api-java-client issue 1535, and the reference's `status`.
pub(super) fn get(calendar: &Calendar, id: &str, query: &str, headers: &HeaderMap) -> Answer {
    let query = Query::parse(query, &["timeZone"])?;
    let (Found::Stored { mut document, version, .. } | Found::Occurrence { mut document, version }) =
        calendar.find(id).ok_or_else(Problem::not_found)?;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known == Some(calendar::etag(version).as_str()) {
        return Ok(answer::empty(StatusCode::NOT_MODIFIED));
    }
    if let Some(zone) = zone(&query)? {
        calendar::show_in(&mut document, &calendar.zone_name, &zone);
    }
    write::shown(&document, &query)
}

/// `events.instances`.
/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events/instances>.
pub(super) fn instances(world: &World, calendar: &Calendar, role: calendar::Role, id: &str, query: &str) -> Answer {
    const PARAMETERS: &[&str] =
        &["maxResults", "originalStart", "pageToken", "showDeleted", "timeMax", "timeMin", "timeZone"];
    let query = Query::parse(query, PARAMETERS)?;
    let Some(Found::Stored { document: master, life: Life::Live, .. }) = calendar.find(id) else {
        return Err(Problem::not_found());
    };
    if !master.contains_key("recurrence") {
        return Err(Problem::invalid("The event is not recurring."));
    }
    let (from, to) = (query.time("timeMin")?, query.time("timeMax")?);
    let zone = zone(&query)?;
    let has_deleted = query.flag("showDeleted")? == Some(true);
    let original = query.text("originalStart");
    let items: Vec<Document> = occurrences(calendar, id, &master, to)?
        .into_iter()
        .filter(|one| has_deleted || one.get("status") != Some(&json!("cancelled")))
        .filter(|one| {
            let span = times::range(one, &calendar.zone_name, false)
                .ok()
                .map(|(start, end)| (start.instant(&calendar.zone), end.instant(&calendar.zone)));
            span.is_none_or(|(start, end)| from.is_none_or(|from| end > from) && to.is_none_or(|to| start < to))
        })
        .filter(|one| {
            original.is_none_or(|wanted| {
                let start = one.get("originalStartTime");
                start.is_some_and(|start| start["dateTime"] == json!(wanted) || start["date"] == json!(wanted))
            })
        })
        .map(|mut one| {
            if let Some(zone) = &zone {
                calendar::show_in(&mut one, &calendar.zone_name, zone);
            }
            one
        })
        .collect();
    let place = Place::of(&query, calendar, &format!("instances {id}"))?;
    let (page, next) = place.cut(items, list::page_size(&query, world)?);
    let mut events = list::head(calendar, role, &query, world);
    events.insert("items".into(), page.into_iter().map(Value::Object).collect());
    if let Some(next) = next {
        events.insert("nextPageToken".into(), json!(next));
    }
    Ok(answer::json(StatusCode::OK, &query.mask()?.apply(Value::Object(events))))
}

/// The occurrences of a series that start before this time, changed ones as they are now.
pub(super) fn occurrences(
    calendar: &Calendar,
    id: &str,
    master: &Document,
    before: Option<Timestamp>,
) -> Result<Vec<Document>, Problem> {
    let is_endless = before.is_none() && calendar.events.get(id).is_some_and(|event| event.span.1 == i64::MAX);
    if is_endless {
        return Err(Problem::ours(400, "a series without an end is expanded only up to `timeMax`"));
    }
    let starts = calendar.starts(master, before.unwrap_or(Timestamp::MAX))?;
    let one = |start: &times::When| {
        let of_it = super::series::id(id, start);
        match calendar.events.get(of_it.as_str()) {
            Some(changed) => Some(changed.document()),
            None => calendar.occurrence(id, master, start),
        }
    };
    Ok(starts.iter().filter_map(one).collect())
}
