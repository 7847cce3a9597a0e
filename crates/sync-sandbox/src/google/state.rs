//! Google as tests and people look at it. Tokens and codes are not shown.

use serde_json::{Map, Value, json};

use super::{
    Google,
    calendar::{Calendar, Life},
    names,
};

pub(super) fn of(this: &Google, has_events: bool) -> Value {
    let calendars: Map<String, Value> =
        this.calendars.values().map(|calendar| (calendar.id.clone(), one(calendar, has_events))).collect();
    let counts = this.oauth.counts;
    let channels: Vec<Value> = this
        .channels
        .iter()
        .map(|channel| {
            json!({"id": channel.id, "calendar": channel.calendar, "messages": channel.number,
                   "expires": channel.expires.to_string()})
        })
        .collect();
    json!({
        "provider": "google-calendar",
        "users": this.seed.users.iter().map(|user| user.email.as_str()).collect::<Vec<_>>(),
        "calendars": calendars,
        "mails_sent": this.world.mails_sent,
        "invitations": this.world.invitations,
        "notifications": this.world.n_notifications,
        "channels": channels,
        "operations": this.world.operations,
        "over_quota": this.meter.n_refused,
        "units": this.meter.n_units,
        "oauth": {
            "pages": counts.pages,
            "codes": counts.codes,
            "exchanges": counts.exchanges,
            "refreshes": counts.refreshes,
            "failed_refreshes": counts.failed_refreshes,
            "revocations": counts.revocations,
            "refresh_tokens": this.oauth.n_refresh_tokens(),
            "allowed": this
                .oauth
                .allowed()
                .map(|(user, client, scopes)| json!({"user": user, "client": client, "scopes": names(scopes)}))
                .collect::<Vec<_>>(),
        },
        "refused": this.world.refused,
    })
}

fn one(calendar: &Calendar, has_events: bool) -> Value {
    let n_with = |life: Life| calendar.events.values().filter(|event| event.life == life).count();
    let mut shown = json!({
        "summary": calendar.summary,
        "timeZone": calendar.zone_name,
        "owner": calendar.owner,
        "made_by": calendar.made_by,
        "roles": calendar.roles.iter().map(|(user, role)| (user.clone(), json!(role.as_str()))).collect::<Map<_, _>>(),
        "counts": {
            "live": n_with(Life::Live), "cancelled": n_with(Life::Cancelled), "purged": n_with(Life::Purged),
        },
    });
    if has_events {
        shown["events"] = calendar
            .events
            .iter()
            .map(|(id, event)| (id.to_string(), Value::Object(event.document())))
            .collect::<Map<_, _>>()
            .into();
    }
    shown
}
