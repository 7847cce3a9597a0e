//! A provider with feeds, containers and push channels.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sync_core::*;

use super::integration::{LEDGER, classify, read};

const EVENTS: ResourceName = ResourceName::from_static("contacts");
const COVERED: &[ResourceName] = &[EVENTS];

/// The provider.
pub static AGENDA: Descriptor = Descriptor {
    id: "agenda",
    name: "Agenda",
    description: "Both ways",
    sync_types: &[SyncType { name: "contacts", resource: EVENTS, fields: FieldSelection::All }],
    supports_direction: true,
    feeds: &[Feed { name: "events", covers: COVERED, carries_consent: false, budget: "" }],
    resources: &[Resource {
        name: EVENTS,
        nouns: ("event", "events"),
        known_by: &["title"],
        collection: Collection::CUSTOMERS,
        model: "contact",
        update_needs: UpdateNeeds::Nothing,
        matching: Matching::Taken,
        find_max: 50,
        pullable: true,
        ..Resource::PLAIN
    }],
    endpoints: LEDGER.endpoints,
    auth: LEDGER.auth,
    call_timeout: LEDGER.call_timeout,
    settle: LEDGER.settle,
    concurrency: 2,
    ..Descriptor::PLAIN
};

#[derive(Debug)]
pub struct Agenda;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    direction: Option<Direction>,
    #[serde(default)]
    calendars: Vec<String>,
}

impl Integration for Agenda {
    fn descriptor(&self) -> &'static Descriptor {
        &AGENDA
    }

    fn open(&self, connection: Connection) -> Result<Opened> {
        Ok(Opened::Sync(Box::new(Handler(connection.settings()?))))
    }

    fn inbound(&self, keys: &dyn WebhookKeys, request: &http::Request<Bytes>) -> Result<Inbound> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let channel = header("x-channel");
        if !keys.keys(channel).iter().any(|key| key.as_ref() == header("x-secret").as_bytes()) {
            return Err(Error::new(ErrorKind::Forbidden, "the secret does not fit"));
        }
        let signal = Signal::Channel { channel: channel.to_owned() };
        let mut reply = Response::new(Bytes::new());
        *reply.status_mut() = StatusCode::NO_CONTENT;
        let dedupe = DedupeKey(format!("{channel}:{}", header("x-number")));
        Ok(Inbound::new(reply, dedupe, vec![(AccountId::from_static(""), signal)]))
    }

    fn settings_schema(&self) -> Json {
        json!({"type": "object", "properties": {"direction": {"type": "string"}, "calendars": {"type": "array"}}})
    }
}

#[derive(Debug)]
struct Handler(Settings);

#[async_trait]
impl SyncHandler for Handler {
    fn rules(&self, _: &ResourceName) -> Rules {
        let mut rules = Rules::new([FieldName::from_static("name")].into());
        rules.direction = self.0.direction.unwrap_or(Direction::Push);
        rules
    }

    fn target(&self, _: &ResourceName, _: &Record) -> Target {
        Target { role: Role::MAIN, container: Some("boat".into()) }
    }

    fn containers(&self, _: &Feed) -> Vec<Option<ContainerId>> {
        self.0.calendars.iter().map(|calendar| Some(calendar.as_str().into())).collect()
    }

    async fn check(&self, cx: &Context<'_>, _: Check) -> Result<Checked> {
        let me: Json = read(cx.send(Call::get("me", "api", classify).segments(["me"])).await?)?;
        let mut checked = Checked::default();
        checked.accounts = serde_json::from_value(me["accounts"].clone()).unwrap();
        Ok(checked)
    }

    async fn pull(&self, _: &Context<'_>, _: Pull<'_>) -> Result<Page> {
        Ok(Page::new(Vec::new(), Next::Done("now".into()), Complete::Delta))
    }

    async fn find(&self, _: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        Ok((0..request.by.len()).map(|_| Found::Absent).collect())
    }

    fn prepare(&self, _: Prepare<'_>) -> Result<Prepared> {
        Ok(Prepared::Parts(Vec::new()))
    }

    async fn push(&self, _: &Context<'_>, _: Push<'_>) -> Result<Vec<Receipt>> {
        Ok(Vec::new())
    }

    async fn watch(&self, cx: &Context<'_>, request: Watch<'_>) -> Result<Watching> {
        let call = |path: &'static str, id: &str| {
            let call = Call::new("watch", "api", Method::POST, classify).segments([path]);
            call.json(&json!([{"id": id}]))
        };
        match request {
            Watch::Start { secret, .. } => {
                let id = channel_id(secret);
                cx.send(call("channels", &id)?).await?;
                Ok(Watching { state: id, renew_at: Some(cx.now + SignedDuration::from_hours(6 * 24)) })
            }
            Watch::Stop(watching) => {
                cx.send(call("stop", &watching.state)?).await?;
                Ok(watching.clone())
            }
            _ => Err(Error::new(ErrorKind::Unsupported, "channels start and stop")),
        }
    }
}
