//! Which path calls what.

use http::Method;

use crate::routes::{Found, Row, find};

/// Operations: method, path below `/calendar/v3` with `*` for an id, name.
pub(super) const ROUTES: &[Row] = &[
    ("POST", &["calendars"], "calendars.insert"),
    ("GET", &["calendars", "*"], "calendars.get"),
    ("PATCH", &["calendars", "*"], "calendars.patch"),
    ("DELETE", &["calendars", "*"], "calendars.delete"),
    ("GET", &["users", "me", "calendarList"], "calendarList.list"),
    ("GET", &["users", "me", "calendarList", "*"], "calendarList.get"),
    ("POST", &["channels", "stop"], "channels.stop"),
    ("GET", &["calendars", "*", "events"], "events.list"),
    ("POST", &["calendars", "*", "events"], "events.insert"),
    ("POST", &["calendars", "*", "events", "watch"], "events.watch"),
    ("GET", &["calendars", "*", "events", "*"], "events.get"),
    ("PATCH", &["calendars", "*", "events", "*"], "events.patch"),
    ("PUT", &["calendars", "*", "events", "*"], "events.update"),
    ("DELETE", &["calendars", "*", "events", "*"], "events.delete"),
    ("GET", &["calendars", "*", "events", "*", "instances"], "events.instances"),
    ("POST", &["calendars", "*", "events", "*", "move"], "events.move"),
];

/// What a path calls.
pub(super) enum Route {
    Api {
        name: &'static str,
        ids: Vec<String>,
    },
    Batch,
    /// Who signed in.
    UserInfo,
    SignIn(&'static str),
    OtherMethod,
    Unknown,
}

pub(super) fn route(method: &Method, path: &str) -> Route {
    match (method.as_str(), path) {
        ("GET", "/o/oauth2/v2/auth") => return Route::SignIn("oauth.authorize"),
        ("POST", "/o/oauth2/v2/auth") => return Route::SignIn("oauth.decide"),
        ("POST", "/token") => return Route::SignIn("oauth.token"),
        ("POST", "/revoke") => return Route::SignIn("oauth.revoke"),
        ("GET", "/oauth2/v2/userinfo") => return Route::UserInfo,
        ("POST", "/batch/calendar/v3") => return Route::Batch,
        _ => {}
    }
    let Some(below) = path.strip_prefix("/calendar/v3/") else { return Route::Unknown };
    match find(ROUTES, method, below.split('/')) {
        Found::Operation { name, ids } => Route::Api { name, ids },
        Found::OtherMethod => Route::OtherMethod,
        Found::Unknown => Route::Unknown,
    }
}
