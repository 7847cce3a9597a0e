//! Push notifications.
//! Source: <https://developers.google.com/workspace/calendar/api/guides/push> and
//! <https://developers.google.com/workspace/calendar/api/v3/reference/events/watch>.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use super::{
    Google, World,
    access::{Access, sees},
    calendar::Calendar,
    input::{self, Kind, Query},
    problem::Problem,
    token,
};
use crate::{answer, clock, web};

/// Life of a channel unless asked, in seconds. Source: the reference's `params.ttl`.
const DEFAULT_TTL_S: u64 = 604_800;

/// Longest id and token, in characters. Source: the push guide.
const MAX_ID: usize = 64;
const MAX_TOKEN: usize = 256;

pub(super) const MEMBERS: &[(&str, Kind)] = &[
    ("id", Kind::Text),
    ("type", Kind::Text),
    ("address", Kind::Text),
    ("token", Kind::Text),
    ("expiration", Kind::Text),
    ("params", Kind::Object(&[("ttl", Kind::Text)])),
    ("payload", Kind::Flag),
    ("resourceId", Kind::Text),
    ("resourceUri", Kind::ReadOnly),
    ("kind", Kind::ReadOnly),
];

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: String,
    pub(super) calendar: String,
    user: String,
    client: String,
    address: String,
    token: Option<String>,
    resource: String,
    uri: String,
    pub(super) expires: Timestamp,
    /// Number of the last message.
    pub(super) number: u64,
}

impl Channel {
    fn message(&self, state: &'static str) -> Option<Request<Bytes>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.address)
            .header("X-Goog-Channel-ID", &self.id)
            .header("X-Goog-Channel-Expiration", clock::http_date(self.expires))
            .header("X-Goog-Message-Number", self.number)
            .header("X-Goog-Resource-ID", &self.resource)
            .header("X-Goog-Resource-State", state)
            .header("X-Goog-Resource-URI", &self.uri);
        if let Some(token) = &self.token {
            request = request.header("X-Goog-Channel-Token", token);
        }
        request.body(Bytes::new()).ok()
    }
}

type Answer = Result<Response<Bytes>, Problem>;

/// `events.watch`.
pub(super) fn watch(
    world: &mut World,
    channels: &mut Vec<Channel>,
    calendar: &Calendar,
    access: &Access,
    query: &str,
    body: &Bytes,
) -> Answer {
    let query = Query::parse(query, &["eventTypes"])?;
    let body = input::body(body)?;
    input::check(&body, MEMBERS, "")?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let id = text("id").filter(|id| !id.is_empty()).ok_or_else(|| Problem::required("Missing channel id"))?;
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=');
    if id.len() > MAX_ID || !id.bytes().all(is_legal) {
        return Err(Problem::invalid("Channel id must match [A-Za-z0-9\\-_\\+/=]+ and have at most 64 characters"));
    }
    if text("token").is_some_and(|token| token.chars().count() > MAX_TOKEN) {
        return Err(Problem::invalid("Channel token is too long"));
    }
    if !matches!(text("type"), Some("web_hook" | "webhook")) {
        return Err(Problem::invalid("Unknown channel type"));
    }
    if body.get("payload") == Some(&json!(true)) {
        return Err(Problem::ours(400, "notifications have no payload"));
    }
    let address = text("address").ok_or_else(|| Problem::required("Missing channel address"))?;
    let parsed = Url::parse(address).map_err(|_| Problem::invalid("Invalid channel address"))?;
    // The sandbox calls back to this machine only, where nobody has a certificate.
    if parsed.scheme() != "https" && !web::is_loopback_url(&parsed) {
        return Err(Problem::new(400, "push.webhookUrlNotHttps", format!("WebHook callback must be HTTPS: {address}")));
    }
    channels.retain(|channel| channel.expires > world.now);
    if channels.iter().any(|channel| channel.id == id) {
        return Err(Problem::new(400, "channelIdNotUnique", format!("Channel id {id} not unique")));
    }
    let whole = |text: &str| text.parse::<i64>().map_err(|_| Problem::invalid("Invalid channel expiration"));
    let latest = clock::later(world.now, Duration::from_secs(world.quirks.max_channel_s));
    let ttl = body.get("params").and_then(|params| params["ttl"].as_str());
    let expires = match (text("expiration"), ttl) {
        (Some(ms), _) => Timestamp::from_millisecond(whole(ms)?).map_err(|_| Problem::invalid("Invalid expiration"))?,
        (None, Some(seconds)) => {
            let seconds = u64::try_from(whole(seconds)?).map_err(|_| Problem::invalid("Invalid ttl"))?;
            clock::later(world.now, Duration::from_secs(seconds))
        }
        (None, None) => clock::later(world.now, Duration::from_secs(DEFAULT_TTL_S)),
    };
    if expires <= world.now {
        return Err(Problem::invalid("Channel expiration must be in the future"));
    }
    let channel = Channel {
        id: id.to_owned(),
        calendar: calendar.id.clone(),
        user: access.user.clone(),
        client: access.client.clone(),
        address: address.to_owned(),
        token: text("token").map(str::to_owned),
        resource: token::hash(&format!("{} {}", access.user, calendar.id))[..27].to_owned(),
        uri: format!(
            "https://www.googleapis.com/calendar/v3/calendars/{}/events?alt=json",
            percent_encoding::utf8_percent_encode(&calendar.id, percent_encoding::NON_ALPHANUMERIC)
        ),
        expires: expires.min(latest),
        number: 1,
    };
    let mut shown = json!({
        "kind": "api#channel", "id": channel.id, "resourceId": channel.resource, "resourceUri": channel.uri,
        "expiration": channel.expires.as_millisecond().to_string(),
    });
    if let Some(token) = &channel.token {
        shown["token"] = json!(token);
    }
    world.outbound.extend(channel.message("sync"));
    world.n_notifications += 1;
    channels.push(channel);
    Ok(answer::json(StatusCode::OK, &query.mask()?.apply(shown)))
}

/// `channels.stop`.
pub(super) fn stop(channels: &mut Vec<Channel>, access: &Access, query: &str, body: &Bytes) -> Answer {
    Query::parse(query, &[])?;
    let body = input::body(body)?;
    input::check(&body, MEMBERS, "")?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let at = channels.iter().position(|channel| {
        channel.id == text("id")
            && channel.resource == text("resourceId")
            && channel.user == access.user
            && channel.client == access.client
    });
    match at {
        Some(at) => {
            channels.remove(at);
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
        None => Err(Problem::new(404, "notFound", format!("Channel '{}' not found for project", text("id")))),
    }
}

impl Google {
    /// Tells the channels what changed since they were told last: one message each, whose number tells of how many changes
    /// it stands for.
    pub(super) fn tell(&mut self) {
        let now = self.world.now;
        self.channels.retain(|channel| channel.expires > now);
        for calendar in self.calendars.values_mut().filter(|calendar| calendar.told < calendar.last_change) {
            let n_changes = calendar.changes(calendar.told, calendar.last_change).count() as u64;
            calendar.told = calendar.last_change;
            for channel in self.channels.iter_mut().filter(|channel| channel.calendar == calendar.id) {
                if !sees(calendar, &channel.user) {
                    continue;
                }
                channel.number += n_changes.max(1);
                self.world.outbound.extend(channel.message("exists"));
                self.world.n_notifications += 1;
            }
        }
    }
}
