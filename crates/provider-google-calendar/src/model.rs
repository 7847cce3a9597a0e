//! What Google sends, as it spells it. Members may be missing or null: a partial answer leaves out what is empty.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

/// An event. <https://developers.google.com/workspace/calendar/api/v3/reference/events#resource>
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) start: Option<EventTime>,
    pub(crate) end: Option<EventTime>,
    pub(crate) updated: Option<String>,
    pub(crate) recurring_event_id: Option<String>,
    pub(crate) extended_properties: Option<ExtendedProperties>,
}

impl Event {
    /// True for what was deleted.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.status.as_deref() == Some("cancelled")
    }

    /// One of our properties.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        let private = self.extended_properties.as_ref()?.private.as_ref()?;
        private.get(name)?.as_deref().filter(|value| !value.is_empty())
    }
}

/// Prints no content.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

/// Properties that programs keep with an event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExtendedProperties {
    pub(crate) private: Option<BTreeMap<String, Option<String>>>,
}

/// A day, or a moment.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EventTime {
    pub(crate) date: Option<String>,
    pub(crate) date_time: Option<String>,
    pub(crate) time_zone: Option<String>,
}

/// A page of events.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Events {
    pub(crate) summary: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) access_role: Option<String>,
    pub(crate) items: Option<Vec<Event>>,
    pub(crate) next_page_token: Option<String>,
    pub(crate) next_sync_token: Option<String>,
}

/// A calendar, also as an entry of a person's list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Calendar {
    pub(crate) id: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) summary_override: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) access_role: Option<String>,
    pub(crate) data_owner: Option<String>,
    pub(crate) primary: Option<bool>,
}

/// A page of a person's list of calendars.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Calendars {
    pub(crate) items: Option<Vec<Calendar>>,
    pub(crate) next_page_token: Option<String>,
}

/// Who signed in.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct UserInfo {
    pub(crate) email: Option<String>,
}

/// A push channel.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Channel {
    pub(crate) resource_id: Option<String>,
    /// Milliseconds since 1970, as a text.
    pub(crate) expiration: Option<String>,
}

/// A refused call.
#[derive(Default, Deserialize)]
pub(crate) struct Failure {
    pub(crate) error: Option<Problem>,
}

/// Why: the older layer in `errors`, the newer one in `status` and `details`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) code: Option<u16>,
    pub(crate) message: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) errors: Vec<Cause>,
    pub(crate) details: Vec<Cause>,
}

/// One reason.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Cause {
    pub(crate) reason: Option<String>,
    pub(crate) location: Option<String>,
}
