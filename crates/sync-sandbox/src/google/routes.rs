//! Which path calls what.

use http::Method;
use percent_encoding::percent_decode_str;

/// Operations: method, path below `/calendar/v3` with `*` for an id, name.
pub(super) const ROUTES: &[(&str, &[&str], &str)] = &[
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
    let segments: Vec<&str> = below.split('/').collect();
    let fits = |pattern: &[&str]| {
        pattern.len() == segments.len()
            && pattern.iter().zip(&segments).all(|(want, have)| if *want == "*" { !have.is_empty() } else { want == have })
    };
    let mut has_path = false;
    for (with, pattern, name) in ROUTES {
        if !fits(pattern) {
            continue;
        }
        if *with != method.as_str() {
            has_path = true;
            continue;
        }
        let ids = pattern
            .iter()
            .zip(&segments)
            .filter(|(want, _)| **want == "*")
            .map(|(_, id)| percent_decode_str(id).decode_utf8_lossy().into_owned())
            .collect();
        return Route::Api { name, ids };
    }
    if has_path { Route::OtherMethod } else { Route::Unknown }
}
