//! Who calls, and what he may do.
//! Source: <https://developers.google.com/workspace/calendar/api/auth> and the scopes of each method's page.

use std::collections::BTreeSet;

use http::HeaderMap;
use jiff::Timestamp;

use super::{
    Google,
    calendar::{Calendar, Role},
    problem::Problem,
};
use crate::web;

/// What all scopes of Calendar begin with.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/";

/// Scopes that an app can ask for here, without their beginning.
pub(super) const SCOPES: &[(&str, &str)] = &[
    ("calendar", "See, edit, share, and permanently delete all the calendars you can access using Google Calendar"),
    ("calendar.readonly", "See and download any calendar you can access using your Google Calendar"),
    ("calendar.events", "View and edit events on all your calendars"),
    ("calendar.events.readonly", "View events on all your calendars"),
    ("calendar.events.owned", "See, create, change, and delete events on Google calendars you own"),
    ("calendar.events.owned.readonly", "See the events on Google calendars you own"),
    ("calendar.app.created", "Make secondary Google calendars, and see, create, change, and delete events on them"),
    (
        "calendar.calendars",
        "See and change the properties of Google calendars you have access to, and create secondary calendars",
    ),
    (
        "calendar.calendars.readonly",
        "See the title, description, default time zone, and other properties of Google calendars",
    ),
    ("calendar.calendarlist", "See, add, and remove Google calendars you're subscribed to"),
    ("calendar.calendarlist.readonly", "See the list of Google calendars you're subscribed to"),
];

/// Scopes that are no part of Calendar.
pub(super) const OTHER_SCOPES: &[&str] = &[
    "openid",
    "email",
    "profile",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
];

/// An access token's reach.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) user: String,
    pub(super) client: String,
    pub(super) scopes: BTreeSet<String>,
    /// Never, of a token from the seed.
    pub(super) expires: Option<Timestamp>,
}

impl Access {
    fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own.strip_prefix(SCOPE) == Some(scope))
    }
}

/// Scopes that each open an operation.
pub(super) fn scopes_for(operation: &str) -> &'static [&'static str] {
    match operation {
        "events.list" | "events.get" | "events.instances" | "events.watch" => &[
            "calendar",
            "calendar.readonly",
            "calendar.events",
            "calendar.events.readonly",
            "calendar.events.owned",
            "calendar.events.owned.readonly",
            "calendar.app.created",
        ],
        "events.insert" | "events.patch" | "events.update" | "events.delete" => {
            &["calendar", "calendar.events", "calendar.events.owned", "calendar.app.created"]
        }
        "events.move" => &["calendar", "calendar.events", "calendar.events.owned"],
        "calendars.get" => {
            &["calendar", "calendar.readonly", "calendar.calendars", "calendar.calendars.readonly", "calendar.app.created"]
        }
        "calendars.insert" | "calendars.patch" | "calendars.delete" => {
            &["calendar", "calendar.calendars", "calendar.app.created"]
        }
        "calendarList.list" => &["calendar", "calendar.readonly", "calendar.calendarlist", "calendar.calendarlist.readonly"],
        "calendarList.get" => &[
            "calendar",
            "calendar.readonly",
            "calendar.calendarlist",
            "calendar.calendarlist.readonly",
            "calendar.app.created",
        ],
        // `channels.stop`: whatever opens a watch.
        _ => &[
            "calendar",
            "calendar.readonly",
            "calendar.events",
            "calendar.events.readonly",
            "calendar.events.owned",
            "calendar.events.owned.readonly",
            "calendar.app.created",
            "calendar.calendarlist",
            "calendar.calendarlist.readonly",
        ],
    }
}

impl Google {
    /// Whose token it is.
    pub(super) fn signed_in(&self, headers: &HeaderMap) -> Result<&Access, Problem> {
        web::bearer(headers)
            .and_then(|token| self.oauth.access.get(token))
            .filter(|access| access.expires.is_none_or(|expires| self.world.now < expires))
            .ok_or_else(Problem::unauthorized)
    }

    /// Whose token it is, if it is good for this operation.
    pub(super) fn access(&self, headers: &HeaderMap, operation: &str) -> Result<Access, Problem> {
        let access = self.signed_in(headers)?;
        if !scopes_for(operation).iter().any(|scope| access.has(scope)) {
            return Err(Problem::scope());
        }
        let user = self.seed.users.iter().find(|user| user.email == access.user);
        if user.is_some_and(|user| !user.has_calendar) {
            // Source: GitHub webhookdb/webhookdb issue 624.
            let message = "The user must be signed up for Google Calendar.";
            return Err(Problem::new(403, "notACalendarUser", message).of_calendar());
        }
        Ok(access.clone())
    }

    /// The calendar that this caller means by an id, if he may use it so.
    pub(super) fn reach(&self, access: &Access, operation: &str, id: &str, needed: Role) -> Result<(String, Role), Problem> {
        let id = if id == "primary" { access.user.as_str() } else { id };
        let calendar = self.calendars.get(id).ok_or_else(Problem::not_found)?;
        let role = *calendar.roles.get(&access.user).ok_or_else(Problem::not_found)?;
        let opens = |scope: &&str| {
            access.has(scope)
                && match *scope {
                    "calendar.app.created" => calendar.made_by.as_ref() == Some(&access.client),
                    "calendar.events.owned" | "calendar.events.owned.readonly" => role == Role::Owner,
                    _ => true,
                }
        };
        if !scopes_for(operation).iter().any(opens) {
            // What an app did not make is not there for `calendar.app.created`.
            let only_made = scopes_for(operation).iter().filter(|scope| access.has(scope)).eq(&["calendar.app.created"]);
            return Err(if only_made { Problem::not_found() } else { Problem::scope() });
        }
        if role < needed {
            return Err(Problem::role(needed.as_str()));
        }
        Ok((id.to_owned(), role))
    }
}

/// Who of a calendar's people may see it.
pub(super) fn sees(calendar: &Calendar, user: &str) -> bool {
    calendar.roles.contains_key(user)
}
