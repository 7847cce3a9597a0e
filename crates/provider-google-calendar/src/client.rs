//! The calls that the sync needs: method, path, query, body.

use http::{HeaderValue, Method, header::IF_MATCH};
use serde_json::{Map, Value};
use sync_core::{
    Call, ContainerId, Error, ErrorKind, RemoteId, Repeat, Result, Version,
    zoo::{self, Defect},
};

use crate::{
    descriptor::{API, PATCH_COST},
    error::{classify, classify_gone},
};

/// What is read of an event beside what the settings map. Guests, notes and links of others never enter the process.
const EVENT_MEMBERS: &str = "id,etag,status,summary,location,start,end,updated,recurringEventId,extendedProperties/private";

/// Calendars in a page of a person's list.
/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/calendarList/list>, `maxResults`: at most 250.
const LIST_PAGE: u32 = 250;

/// Whether an event's text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) description: bool,
}

impl Shown {
    fn members(self) -> String {
        format!("{EVENT_MEMBERS}{}", if self.description { ",description" } else { "" })
    }
}

/// What a page of events is asked for.
pub(crate) struct Listing<'a> {
    pub(crate) shown: Shown,
    pub(crate) count: u32,
    /// Only what ends later; in a full pass alone.
    pub(crate) from: Option<String>,
    pub(crate) sync_token: Option<&'a str>,
    pub(crate) page_token: Option<&'a str>,
}

/// A page of events: series as series, with their exceptions.
/// <https://developers.google.com/workspace/calendar/api/v3/reference/events/list>
pub(crate) fn events(calendar: &ContainerId, listing: &Listing<'_>) -> Call {
    let fields = format!("timeZone,nextPageToken,nextSyncToken,items({})", listing.shown.members());
    let mut call = read("events.list")
        .segments(["calendar", "v3", "calendars", calendar.as_str(), "events"])
        .param("maxResults", listing.count)
        .param("singleEvents", "false")
        .param("fields", fields)
        .param("prettyPrint", "false");
    if let Some(from) = &listing.from {
        call = call.param("timeMin", from);
    }
    if let Some(token) = listing.sync_token {
        call = call.param("syncToken", token);
    }
    if let Some(token) = listing.page_token {
        call = call.param("pageToken", token);
    }
    call
}

/// What a calendar says of itself to whoever may read its events: works with every scope that can sync it.
/// <https://developers.google.com/workspace/calendar/api/v3/reference/events/list>
pub(crate) fn calendar_look(calendar: &ContainerId) -> Call {
    read("events.look")
        .segments(["calendar", "v3", "calendars", calendar.as_str(), "events"])
        .param("maxResults", 1)
        .param("fields", "summary,timeZone,accessRole")
}

/// One event; deleted ones are still shown.
/// <https://developers.google.com/workspace/calendar/api/v3/reference/events/get>
pub(crate) fn event(calendar: &ContainerId, id: &RemoteId, shown: Shown) -> Call {
    read("events.get").segments(event_path(calendar, id)).param("fields", shown.members()).param("prettyPrint", "false")
}

/// One event with everything that it has, for a move to another calendar.
pub(crate) fn whole_event(calendar: &ContainerId, id: &RemoteId) -> Call {
    read("events.get").segments(event_path(calendar, id))
}

/// A new event under an id of ours. Repeating it is safe: what exists is refused.
/// <https://developers.google.com/workspace/calendar/api/v3/reference/events/insert>
pub(crate) fn insert(calendar: &ContainerId, body: &Map<String, Value>, shown: Shown) -> Result<Call> {
    let path = ["calendar", "v3", "calendars", calendar.as_str(), "events"];
    write("events.insert", Method::POST, shown).segments(path).json(body)
}

/// What changes of an event, if it is still the one that was read.
/// <https://developers.google.com/workspace/calendar/api/v3/reference/events/patch>,
/// <https://developers.google.com/workspace/calendar/api/guides/version-resources>
pub(crate) fn patch(
    calendar: &ContainerId,
    id: &RemoteId,
    version: Option<&Version>,
    body: &Map<String, Value>,
    shown: Shown,
) -> Result<Call> {
    let call = write("events.patch", Method::PATCH, shown).segments(event_path(calendar, id)).budget("", PATCH_COST);
    only_if(call, version)?.json(body)
}

/// An event away, if it is still the one that was read. Repeating it is safe.
/// <https://developers.google.com/workspace/calendar/api/v3/reference/events/delete>
pub(crate) fn delete(calendar: &ContainerId, id: &RemoteId, version: Option<&Version>) -> Result<Call> {
    let call = Call::new("events.delete", API, Method::DELETE, classify_gone)
        .repeat(Repeat::Answered)
        .segments(event_path(calendar, id))
        .param("sendUpdates", "none");
    only_if(call, version)
}

/// A calendar. <https://developers.google.com/workspace/calendar/api/v3/reference/calendars/get>
pub(crate) fn calendar(id: &str) -> Call {
    read("calendars.get").segments(["calendar", "v3", "calendars", id]).param("fields", "id,summary,dataOwner")
}

/// The calendars of the person that may be written to.
/// <https://developers.google.com/workspace/calendar/api/v3/reference/calendarList/list>
pub(crate) fn calendar_list(page_token: Option<&str>) -> Call {
    let members = "id,summary,summaryOverride,timeZone,accessRole,primary";
    let call = read("calendar_list.list")
        .segments(["calendar", "v3", "users", "me", "calendarList"])
        .param("minAccessRole", "writer")
        .param("maxResults", LIST_PAGE)
        .param("fields", format!("nextPageToken,items({members})"));
    match page_token {
        Some(token) => call.param("pageToken", token),
        None => call,
    }
}

/// A new calendar. <https://developers.google.com/workspace/calendar/api/v3/reference/calendars/insert>
pub(crate) fn insert_calendar(body: &Map<String, Value>) -> Result<Call> {
    // Twice would be two calendars.
    let call = Call::new("calendars.insert", API, Method::POST, classify).repeat(Repeat::Never);
    call.segments(["calendar", "v3", "calendars"]).json(body)
}

/// Who signed in. `userinfo.get` of <https://www.googleapis.com/discovery/v1/apis/oauth2/v2/rest>.
pub(crate) fn user_info() -> Call {
    read("userinfo.get").segments(["oauth2", "v2", "userinfo"]).param("fields", "email")
}

/// A push channel. <https://developers.google.com/workspace/calendar/api/v3/reference/events/watch>
pub(crate) fn watch(calendar: &ContainerId, body: &Value) -> Result<Call> {
    let call = Call::new("events.watch", API, Method::POST, classify).repeat(Repeat::Never);
    call.segments(["calendar", "v3", "calendars", calendar.as_str(), "events", "watch"]).json(body)
}

/// The end of a push channel. <https://developers.google.com/workspace/calendar/api/v3/reference/channels/stop>
pub(crate) fn stop(body: &Value) -> Result<Call> {
    let call = Call::new("channels.stop", API, Method::POST, classify_gone).repeat(Repeat::Answered);
    call.segments(["calendar", "v3", "channels", "stop"]).json(body)
}

fn event_path<'a>(calendar: &'a ContainerId, id: &'a RemoteId) -> [&'a str; 6] {
    ["calendar", "v3", "calendars", calendar.as_str(), "events", id.as_str()]
}

fn read(operation: &'static str) -> Call {
    Call::get(operation, API, classify)
}

/// Nobody is told by mail. What Google answers is the event as it is then.
fn write(operation: &'static str, method: Method, shown: Shown) -> Call {
    Call::new(operation, API, method, classify)
        .repeat(Repeat::Answered)
        .param("sendUpdates", if zoo::is(Defect::SendsUpdates) { "all" } else { "none" })
        .param("fields", shown.members())
        .param("prettyPrint", "false")
}

fn only_if(call: Call, version: Option<&Version>) -> Result<Call> {
    let Some(version) = version.filter(|_| !zoo::is(Defect::WritesOverWhatMoved)) else { return Ok(call) };
    let value = HeaderValue::from_str(version.as_str())
        .map_err(|error| Error::new(ErrorKind::Internal, "an event's version can't be a header").with_source(error))?;
    Ok(call.header(IF_MATCH, value))
}
