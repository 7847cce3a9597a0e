//! What Google Calendar is, as data.

use std::time::Duration;

use sync_core::{
    AuthScheme, Collection, Descriptor, EndSign, Endpoint, Feed, FieldOwner, FieldSelection, FieldSpec, Kind, Matching,
    OAuthClientAuth, OAuthServer, Quota, QuotaScope, Resource, ResourceName, SignInEnd, SignInWords, Span, SyncType,
    UpdateNeeds,
};

/// Trips.
pub(crate) const TRIPS: ResourceName = ResourceName::from_static("trips");
/// Training sessions.
pub(crate) const TRAINING_SESSIONS: ResourceName = ResourceName::from_static("training-sessions");
/// The only feed.
pub(crate) const EVENTS: &str = "events";
/// The endpoint of all calls but sign-in.
pub(crate) const API: &str = "api";

/// The fields that say when an event takes place, merged as one.
pub(crate) const WHEN: &[&str] = &["date", "start_time", "all_day", "end_date", "end_time"];

/// What a PATCH costs; any other call costs 1.
/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events/patch>: "three quota units".
pub(crate) const PATCH_COST: u32 = 3;

/// What one user may spend in a minute.
const USER_UNITS_PER_MINUTE: u32 = 600;

/// What is left of it for people who wait, and for other programs of the same user, in percent.
const RESERVE_PERCENT: u32 = 10;

/// Most calls in a batch: with PATCHes alone it still fits into what a minute leaves.
pub(crate) const MAX_PARTS: usize = (USER_UNITS_PER_MINUTE * (100 - RESERVE_PERCENT) / 100 / PATCH_COST) as usize;

const fn both(name: &'static str) -> FieldSpec {
    FieldSpec::scalar(name, FieldOwner::Both)
}

const fn local(name: &'static str) -> FieldSpec {
    FieldSpec::scalar(name, FieldOwner::Local)
}

/// What is possible; the settings' templates decide whether title and description can be read back.
const FIELDS: &[FieldSpec] = &[
    both("title"),
    both("date"),
    both("start_time"),
    both("all_day"),
    both("end_date"),
    both("end_time"),
    local("duration"),
    local("zone"),
    both("location"),
    local("boat"),
    local("instructor"),
    local("booked"),
    local("capacity"),
    local("status"),
    both("description"),
    local("series"),
    local("changed_at"),
];

const fn resource(name: ResourceName, nouns: (&'static str, &'static str), collection: Collection) -> Resource {
    Resource {
        name,
        nouns,
        known_by: &["title", "date", "start_time"],
        collection,
        model: "event",
        fields: FIELDS,
        groups: &[WHEN],
        consent: None,
        // A PATCH leaves what it doesn't name, and the version says whether that has changed.
        update_needs: UpdateNeeds::Nothing,
        // The marker is the event's id: an insert of what is there is refused.
        matching: Matching::Taken,
        find_max: 50,
        depends_on: &[],
        pullable: true,
    }
}

/// Google Calendar.
pub(crate) static DESCRIPTOR: Descriptor = Descriptor {
    id: "google-calendar",
    name: "Google Calendar",
    description: "Sync dive trips and training sessions to Google Calendar",
    kind: Kind::Sync,
    sync_types: &[
        SyncType { name: "trips", resource: TRIPS, fields: FieldSelection::All },
        SyncType { name: "training-sessions", resource: TRAINING_SESSIONS, fields: FieldSelection::All },
    ],
    supports_direction: true,
    feeds: &[Feed { name: EVENTS, covers: &[TRIPS, TRAINING_SESSIONS], carries_consent: false, budget: "" }],
    resources: &[
        resource(TRIPS, ("trip", "trips"), Collection::TRIPS),
        resource(TRAINING_SESSIONS, ("training session", "training sessions"), Collection::TRAINING_SESSIONS),
    ],
    endpoints: &[
        Endpoint { name: API, url: "https://www.googleapis.com", fallback: None },
        Endpoint { name: "accounts", url: "https://accounts.google.com", fallback: None },
        Endpoint { name: "token", url: "https://oauth2.googleapis.com", fallback: None },
    ],
    quotas: &[
        Quota {
            budget: "",
            scope: QuotaScope::Account,
            span: Span::Minute,
            limit: USER_UNITS_PER_MINUTE,
            reserve_percent: RESERVE_PERCENT,
            remaining_header: None,
            source: "https://developers.google.com/workspace/calendar/api/guides/quota: 600 a minute for each user of a project",
        },
        Quota {
            budget: "",
            scope: QuotaScope::App,
            span: Span::Minute,
            limit: 10_000,
            reserve_percent: RESERVE_PERCENT,
            remaining_header: None,
            source: "https://developers.google.com/workspace/calendar/api/guides/quota: 10,000 a minute for each project",
        },
    ],
    auth: &[AuthScheme::OAuth(OAuthServer {
        endpoint: "accounts",
        authorize_path: "/o/oauth2/v2/auth",
        token_endpoint: "token",
        token_path: "/token",
        revoke_path: Some("/revoke"),
        metadata: None,
        // The second tells whose account it is: calendars of our own making don't.
        scopes: &[CALENDAR_APP_CREATED, USERINFO_EMAIL],
        client_auth: OAuthClientAuth::Form,
        pkce: true,
        // Without the second, Google gives a refresh token with the first consent alone.
        loopback_host: "127.0.0.1",
        authorize_params: &[("access_type", "offline"), ("prompt", "consent")],
        expires: true,
    })],
    // Google publishes no time limit; a batch of 50 takes seconds.
    call_timeout: Duration::from_secs(60),
    settle: Duration::from_secs(60),
    // Calls of one calendar go one after another; boats and instructors may have calendars of their own.
    concurrency: 4,
    effects: &[],
};

/// The narrowest scope with which a calendar of its own can be synced both ways.
pub(crate) const CALENDAR_APP_CREATED: &str = "https://www.googleapis.com/auth/calendar.app.created";

/// Tells the address of the account, and nothing else.
const USERINFO_EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";

/// What the sign-in means in people's words. Reasons of ends:
/// <https://developers.google.com/identity/protocols/oauth2#expiration>.
pub(crate) const SIGN_IN: SignInWords = SignInWords {
    scopes: &[
        (CALENDAR_APP_CREATED, "make calendars of its own, and see and change the events on them"),
        ("https://www.googleapis.com/auth/calendar.events.owned", "see and change events on calendars that you own"),
        ("https://www.googleapis.com/auth/calendar.events", "see and change events on all your calendars"),
        ("https://www.googleapis.com/auth/calendar.calendarlist.readonly", "see the list of your calendars"),
        (USERINFO_EMAIL, "see your e-mail address"),
    ],
    ends: &[
        SignInEnd {
            sign: EndSign::Code("admin_policy_enforced"),
            reason: "the organization's administrator does not let this app in",
            remedy: "Ask the administrator of Google Workspace to allow the app.",
        },
        SignInEnd {
            sign: EndSign::Code("invalid_rapt"),
            reason: "the organization's administrator asks people to sign in again from time to time",
            remedy: "Ask the administrator of Google Workspace to trust the app, or sign in again each time.",
        },
        SignInEnd {
            sign: EndSign::DaysOld(7),
            reason: "Google signs users of an app in testing out after 7 days",
            remedy: "The app's developer publishes it on Google's consent screen page (status In production).",
        },
        SignInEnd {
            sign: EndSign::DaysUnused(180),
            reason: "Google ends a sign-in that was not used for six months",
            remedy: "",
        },
        SignInEnd {
            sign: EndSign::Any,
            reason: "it was withdrawn in the Google account, or newer sign-ins of the same app took its place",
            remedy: "",
        },
    ],
};

#[cfg(test)]
mod tests {
    use sync_core::model::{Event, Model};

    use super::*;

    #[test]
    fn the_fields_are_those_of_the_model() {
        let ours: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(ours, Event::FIELDS);
        assert_eq!(DESCRIPTOR.resources[0].model, Event::NAME);
        assert!(WHEN.iter().all(|field| ours.contains(field)));
    }

    #[test]
    fn the_largest_batch_fits_into_a_minute_with_its_reserve() {
        let left = USER_UNITS_PER_MINUTE * (100 - RESERVE_PERCENT) / 100;
        assert!(MAX_PARTS as u32 * PATCH_COST <= left && MAX_PARTS == 180);
    }
}
