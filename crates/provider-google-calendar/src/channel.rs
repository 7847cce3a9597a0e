//! Push channels: started and stopped, and what they say. A message has no body and no signature: the secret that the
//! channel was started with comes back in a header.
//! Source: <https://developers.google.com/workspace/calendar/api/guides/push>.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq as _;
use sync_core::{
    AccountId, Context, DedupeKey, Error, ErrorKind, Inbound, Result, Signal, Watch, Watching, WebhookKeys, channel_id,
};

use crate::{client, error::parse, handler::Handler, model};

/// How long a channel lives, in seconds: Google's own default.
/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events/watch>, `params.ttl`: 604800.
const LIFE_S: u32 = 604_800;

/// How long before its end a channel is renewed, at most; half its life where that is shorter. A new one runs beside it
/// until then.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(24);

/// What is needed to stop a channel.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    id: String,
    resource_id: String,
}

/// Starts or stops a channel. There is no renewal: a new one is started, then the old one is stopped.
pub(crate) async fn watch(handler: &Handler, cx: &Context<'_>, request: Watch<'_>) -> Result<Watching> {
    match request {
        Watch::Start { container, url, secret, .. } => {
            let calendar = handler.read_calendar(container)?;
            let id = channel_id(secret);
            let body = json!({"id": id, "type": "web_hook", "address": url, "token": secret,
                "params": {"ttl": LIFE_S.to_string()}});
            let started: model::Channel = parse(&cx.send(client::watch(&calendar, &body)?).await?, "events.watch")?;
            let resource_id =
                started.resource_id.ok_or_else(|| crate::error::bad_answer("Google's answer is no channel"))?;
            let ends = started.expiration.as_deref().and_then(|ms| Timestamp::from_millisecond(ms.parse().ok()?).ok());
            let state = serde_json::to_string(&State { id, resource_id })
                .map_err(|error| Error::new(ErrorKind::Internal, "a channel could not be written").with_source(error))?;
            Ok(Watching { state, renew_at: Some(renewal(cx.now, ends)) })
        }
        Watch::Stop(watching) => {
            let state: State = serde_json::from_str(&watching.state)
                .map_err(|_| Error::new(ErrorKind::Corrupt, "the state of a push channel can't be read"))?;
            let body = json!({"id": state.id, "resourceId": state.resource_id});
            cx.send(client::stop(&body)?).await?;
            Ok(Watching { state: watching.state.clone(), renew_at: None })
        }
        _ => Err(Error::new(ErrorKind::Unsupported, "Google Calendar's channels start and stop, and do nothing else")),
    }
}

fn renewal(now: Timestamp, ends: Option<Timestamp>) -> Timestamp {
    let default = now.saturating_add(SignedDuration::from_secs(i64::from(LIFE_S))).unwrap_or(now);
    let ends = ends.filter(|ends| *ends > now).unwrap_or(default);
    let life = ends.duration_since(now);
    ends.saturating_sub(RENEW_BEFORE.min(life / 2)).unwrap_or(now)
}

/// Takes a message: verified first, then read. It says that something changed and not what.
pub(crate) fn inbound(keys: &dyn WebhookKeys, request: &Request<Bytes>) -> Result<Inbound> {
    let headers = request.headers();
    let (Some(channel), Some(token)) = (header(headers, "x-goog-channel-id"), header(headers, "x-goog-channel-token"))
    else {
        return Err(forged());
    };
    let is_known = keys.keys(channel).iter().any(|key| key.as_ref().ct_eq(token.as_bytes()).into());
    if !is_known || request.method() != Method::POST || !request.body().is_empty() {
        return Err(forged());
    }
    let number = header(headers, "x-goog-message-number").unwrap_or_default();
    // The first message only says that the channel is there.
    let signals = match header(headers, "x-goog-resource-state") {
        Some("sync") => Vec::new(),
        _ => vec![(AccountId::from_static(""), Signal::Channel { channel: channel.to_owned() })],
    };
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    Ok(Inbound::new(reply, DedupeKey(format!("{channel}:{number}")), signals))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
}

fn forged() -> Error {
    Error::new(ErrorKind::Forbidden, "the message is not from a push channel of ours")
        .with_remedy("Nothing needs to be done: nobody listens to it. Channels that were stopped may call for a while.")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Keys;

    impl WebhookKeys for Keys {
        fn keys(&self, scope: &str) -> Vec<Bytes> {
            if scope == "channel-1" { vec!["newer".into(), "s3cret".into()] } else { Vec::new() }
        }
    }

    fn message(headers: &[(&'static str, &'static str)]) -> Request<Bytes> {
        let mut request = Request::post("https://hooks.example.org/g");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Bytes::new()).unwrap()
    }

    const CHANNEL: (&str, &str) = ("X-Goog-Channel-ID", "channel-1");
    const TOKEN: (&str, &str) = ("X-Goog-Channel-Token", "s3cret");
    const SEVENTH: (&str, &str) = ("X-Goog-Message-Number", "7");

    #[test]
    fn a_message_with_the_secret_hints_at_its_channel() {
        for state in ["exists", "not_exists", "something-new"] {
            let state = ("X-Goog-Resource-State", state);
            let inbound = inbound(&Keys, &message(&[CHANNEL, TOKEN, SEVENTH, state])).unwrap();
            assert_eq!(inbound.dedupe, DedupeKey("channel-1:7".into()));
            let expected = Signal::Channel { channel: "channel-1".into() };
            assert_eq!(inbound.signals, [(AccountId::from_static(""), expected)]);
            assert_eq!(inbound.reply.status(), 204);
        }
    }

    #[test]
    fn the_first_message_of_a_channel_says_nothing() {
        let sync = ("X-Goog-Resource-State", "sync");
        let inbound = inbound(&Keys, &message(&[CHANNEL, TOKEN, ("X-Goog-Message-Number", "1"), sync])).unwrap();
        assert!(inbound.signals.is_empty() && inbound.reply.status().is_success());
    }

    #[test]
    fn nothing_is_read_before_the_secret_fits() {
        let wrong = ("X-Goog-Channel-Token", "s3cret ");
        let other = ("X-Goog-Channel-ID", "channel-2");
        for headers in [vec![], vec![CHANNEL], vec![TOKEN], vec![CHANNEL, wrong], vec![other, TOKEN]] {
            let error = inbound(&Keys, &message(&headers)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Forbidden);
        }
        let mut with_body = message(&[CHANNEL, TOKEN]);
        *with_body.body_mut() = "x".into();
        assert!(inbound(&Keys, &with_body).is_err());
        let mut get = message(&[CHANNEL, TOKEN]);
        *get.method_mut() = Method::GET;
        assert!(inbound(&Keys, &get).is_err());
    }

    #[test]
    fn a_channel_is_renewed_before_its_end_whatever_its_life() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let at = |ends: Option<&str>| renewal(now, ends.map(|ends| ends.parse().unwrap())).to_string();
        assert_eq!(at(Some("2026-11-29T00:00:00Z")), "2026-11-28T00:00:00Z");
        assert_eq!(at(Some("2026-11-22T01:00:00Z")), "2026-11-22T00:30:00Z");
        assert_eq!(at(None), "2026-11-28T00:00:00Z");
        assert_eq!(at(Some("2026-11-21T00:00:00Z")), "2026-11-28T00:00:00Z");
    }
}
