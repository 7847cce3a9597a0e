//! A double of Google Calendar and of Google's sign-in.

use serde::Serialize;
use serde_json::json;
use sync_core::Result;
use sync_sandbox::{CalendarSeed, Google, GoogleClientSeed, GoogleSeed};

use super::{document, listen_as_asked, serve_until_stopped, wrong_document};
use crate::{args::SandboxArgs, exit::Exit, output::Output};

/// As the user names it.
pub(super) const PROVIDER: &str = "google-calendar";

/// The app that the double knows. Google's own ids end in `.apps.googleusercontent.com`.
pub(in crate::command) const CLIENT_ID: &str = "sandbox-client";
pub(in crate::command) const CLIENT_SECRET: &str = "sandbox-secret";

/// Who has an account there.
pub(in crate::command) const CAPTAIN: &str = "captain@example.com";

/// Where the double can be reached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    /// The URL of everything, and of the endpoints `api`, `accounts` and `token`.
    url: String,
    api: String,
    accounts: String,
    token: String,
    client_id: String,
    client_secret: String,
}

/// Runs the double until it is stopped.
pub(super) async fn run(args: &SandboxArgs, out: Output) -> Result<Exit> {
    let seed = seed(args)?;
    let client = seed.oauth_clients.first().map_or((CLIENT_ID, CLIENT_SECRET), |client| (&client.id, &client.secret));
    let (client_id, client_secret) = (client.0.to_owned(), client.1.to_owned());
    let (listener, port) = listen_as_asked(args).await?;
    let url = format!("http://127.0.0.1:{port}");
    let address =
        Address { api: url.clone(), accounts: url.clone(), token: url.clone(), url: url.clone(), client_id, client_secret };
    out.document(&address);
    out.say(format!("A double of Google Calendar listens on {url}. Stop it with Ctrl-C."));
    out.say("To use it:");
    for endpoint in ["API", "ACCOUNTS", "TOKEN"] {
        out.say(format!("  export SYNCCTL_GOOGLE_CALENDAR_{endpoint}_URL={url}"));
    }
    out.say(format!(
        "  export SYNCCTL_GOOGLE_CALENDAR_CLIENT_ID={} SYNCCTL_GOOGLE_CALENDAR_CLIENT_SECRET={}",
        address.client_id, address.client_secret
    ));
    out.say("  syncctl connect google-calendar --org ORGANIZATION");
    out.say("To do what a captain does:");
    out.say(format!(
        "  curl {url}/_sandbox/act -d '{{\"do\": \"shift\", \"calendar\": \"ID\", \"event\": \"ID\", \"minutes\": 60}}'"
    ));
    serve_until_stopped(Google::new(seed), args, listener, &url, out).await
}

fn seed(args: &SandboxArgs) -> Result<GoogleSeed> {
    const MEMBERS: &str = "users, calendars and oauth_clients";
    if let Some(text) = document(args, MEMBERS)? {
        return GoogleSeed::from_json(&text).map_err(|error| wrong_document(args, &error.to_string(), MEMBERS));
    }
    let seed = GoogleSeed::new(CAPTAIN).with_oauth_client(GoogleClientSeed::new(CLIENT_ID, CLIENT_SECRET));
    if args.empty {
        return Ok(seed);
    }
    // The captain has a life: a series and an invitation, which no sync may touch.
    let own = CalendarSeed::new(CAPTAIN, CAPTAIN, CAPTAIN)
        .with_event(json!({
            "id": "dinner0series", "summary": "Dinner", "recurrence": ["RRULE:FREQ=WEEKLY"],
            "start": {"dateTime": "2026-01-02T20:00:00+01:00", "timeZone": "Europe/Madrid"},
            "end": {"dateTime": "2026-01-02T22:00:00+01:00", "timeZone": "Europe/Madrid"},
        }))
        .with_event(json!({
            "id": "harbour0meeting", "summary": "Harbour council", "organizer": {"email": "harbour@example.org"},
            "start": {"date": "2026-12-01"}, "end": {"date": "2026-12-02"},
        }));
    Ok(seed.with_calendar(own))
}
