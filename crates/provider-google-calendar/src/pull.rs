//! The feed of a calendar's events: pages, and the cursor, which holds Google's sync token.
//!
//! A full pass is bounded by the window's start; changes that Google tells afterwards are not, and are held against the
//! window here. A full pass shows nothing of what was deleted: what it does not show is a candidate, never a proof.
//! Source: <https://developers.google.com/workspace/calendar/api/guides/sync>.

use serde::{Deserialize, Serialize};
use sync_core::{
    Change, Complete, Context, Cursor, Error, ErrorKind, From, Hash, Next, Page, PageToken, Pull, RemoteId, Result,
};

use crate::{
    client::{self, Listing},
    error::{bad_answer, calendar_gone, expired, parse},
    handler::Handler,
    mapping::{self, Reader},
    model::{Event, Events},
    window::Window,
};

/// Where a listing stands. As JSON, since tokens may hold any character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    /// A digest of what decides what is handed over: other settings mean a new full pass.
    of: String,
    /// The bound of a full pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// The sync token of a delta.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sync: Option<String>,
    /// The next page; `None` for a cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<String>,
}

/// One page.
///
/// # Errors
/// [`ErrorKind::CursorExpired`] for a position that is too old, of other settings, or none of ours.
pub(crate) async fn pull(handler: &Handler, cx: &Context<'_>, request: Pull<'_>) -> Result<Page> {
    let calendar = handler.read_calendar(request.container)?;
    let window = Window::at(&handler.settings, cx.now);
    let of = digest(handler);
    let at = match request.from {
        From::Start => Position { of, from: Some(window.starts_at().to_string()), sync: None, page: None },
        From::Cursor(cursor) => Position::read(cursor.as_str(), &of).filter(Position::is_cursor).ok_or_else(expired)?,
        From::Page(token) => Position::read(token.as_str(), &of).filter(Position::is_page).ok_or_else(expired)?,
    };
    let listing = Listing {
        shown: handler.shown,
        count: handler.config.page_size,
        from: at.from.clone(),
        sync_token: at.sync.as_deref(),
        page_token: at.page.as_deref(),
    };
    let answer = cx.send(client::events(&calendar, &listing)).await;
    let answer = answer.map_err(|error| told(error, matches!(request.from, From::Start)))?;
    let events: Events = parse(&answer, "events.list")?;
    let is_delta = at.sync.is_some();
    let next = match (events.next_page_token, events.next_sync_token) {
        (Some(page), _) => Next::More(PageToken::new(Position { page: Some(page), ..at }.text()?)),
        (None, Some(sync)) => Next::Done(Cursor::new(Position { sync: Some(sync), from: None, page: None, ..at }.text()?)),
        (None, None) => return Err(bad_answer("a page of Google Calendar names neither the next one nor how to go on")),
    };
    let reader = Reader { handler, calendar: &calendar };
    let items = events.items.unwrap_or_default();
    let changes = items.iter().filter_map(|event| change(&reader, window, is_delta, event)).collect();
    let complete = if is_delta { Complete::Delta } else { Complete::Full };
    Ok(Page::new(changes, next, complete))
}

/// What an event is handed over as.
fn change(reader: &Reader<'_>, window: Window, is_delta: bool, event: &Event) -> Option<Change> {
    let settings = &reader.handler.settings;
    let is_over = mapping::when(event, None).is_some_and(|when| window.is_past(&when));
    if is_over {
        return None;
    }
    let is_exception = event.recurring_event_id.is_some();
    if event.is_cancelled() {
        // Of a deleted event only the id is certain. Exceptions that were taken out of a series are its own affair.
        let id = event.id.as_deref().filter(|id| !id.is_empty())?;
        let counts = is_delta && (settings.foreign || !is_exception);
        return counts.then(|| Change::Gone { resource: None, id: RemoteId::new(id) });
    }
    let resource = match mapping::marker(event) {
        Some(_) => mapping::kind(event)?,
        None if settings.foreign => settings.foreign_as.resource(),
        None => return None,
    };
    Some(Change::Upsert(Box::new(reader.remote(resource, event)?)))
}

/// What an answer means to a listing. A sync token in a wrong form is refused with 400 instead of 410.
fn told(error: Error, is_start: bool) -> Error {
    match error.kind() {
        ErrorKind::NotFound if error.provider_code() == Some("deleted") && !is_start => expired(),
        ErrorKind::NotFound => calendar_gone(&error),
        ErrorKind::Refused if !is_start && is_bad_request(&error) => expired(),
        _ => error,
    }
}

fn is_bad_request(error: &Error) -> bool {
    let is = |wanted: &str, known: &[&str]| {
        error.context().iter().find(|(key, _)| *key == wanted).is_none_or(|(_, value)| known.contains(&value.as_str()))
    };
    is("status", &["400"]) && is("location", &["syncToken", "pageToken"])
}

fn digest(handler: &Handler) -> String {
    let settings = &handler.settings;
    let mut hash = Hash::start();
    hash.text(&format!("{} {:?} {} {:?}", settings.foreign, settings.foreign_as, settings.past_days, handler.shown));
    hash.finish().to_string()
}

impl Position {
    fn read(text: &str, of: &str) -> Option<Self> {
        let at: Self = serde_json::from_str(text).ok()?;
        (at.of == of).then_some(at)
    }

    fn is_cursor(&self) -> bool {
        self.sync.is_some() && self.page.is_none() && self.from.is_none()
    }

    fn is_page(&self) -> bool {
        self.page.is_some() && self.sync.is_some() != self.from.is_some()
    }

    fn text(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::new(ErrorKind::Internal, "a position could not be written").with_source(error))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::handler::tests::handler;

    #[test]
    fn other_settings_of_what_is_read_mean_a_full_pass() {
        let of = |settings| digest(&handler(settings));
        assert_eq!(of(json!({})), of(json!({"direction": "both", "title": "Trip: {title}"})));
        for other in [json!({"foreign": true}), json!({"past_days": 31}), json!({"text": "{description}"})] {
            assert_ne!(of(json!({})), of(other));
        }
    }

    #[test]
    fn a_strange_position_is_none() {
        for text in
            ["", "x", "1", "null", "{}", "[]", "{\"of\":\"a\"}", "{\"of\":\"b\",\"sync\":\"x\"}", "{\"of\":\"a\",\"x\":1}"]
        {
            let read = Position::read(text, "a");
            assert!(read.is_none_or(|at| !at.is_cursor() && !at.is_page()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn positions_read_back_whatever_the_tokens_hold(sync in ".*", page in ".*") {
            let cursor = Position { of: "a".into(), from: None, sync: Some(sync.clone()), page: None };
            prop_assert_eq!(Position::read(&cursor.text().unwrap(), "a"), Some(cursor.clone()));
            prop_assert!(cursor.is_cursor() && !cursor.is_page());
            let delta = Position { page: Some(page), ..cursor };
            prop_assert_eq!(Position::read(&delta.text().unwrap(), "a"), Some(delta.clone()));
            prop_assert!(delta.is_page() && !delta.is_cursor());
        }
    }
}
