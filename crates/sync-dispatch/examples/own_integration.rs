//! A host's own integration: a dive club's phone book, pushed to. It passes the suite that all providers pass
//! (`tests/own_integration.rs`).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderValue, Method, Response, header::IF_NONE_MATCH};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use sync_dispatch::{Dispatcher, MemoryStore, core::*};

const PEOPLE: ResourceName = ResourceName::from_static("people");
const FIELDS: [&str; 2] = ["name", "phone"];

static PHONE_BOOK: Descriptor = Descriptor {
    id: "phone-book",
    name: "Phone book",
    description: "Push customers to the club's phone book",
    kind: Kind::Sync,
    sync_types: &[SyncType { name: "people", resource: PEOPLE, fields: FieldSelection::All }],
    supports_direction: false,
    feeds: &[],
    resources: &[Resource {
        name: PEOPLE,
        nouns: ("person", "people"),
        known_by: &["name", "email"],
        collection: Collection::CUSTOMERS,
        model: "contact",
        fields: &[
            FieldSpec { name: FIELDS[0], kind: FieldKind::Scalar, owner: FieldOwner::Local },
            FieldSpec { name: FIELDS[1], kind: FieldKind::Scalar, owner: FieldOwner::Local },
        ],
        groups: &[],
        consent: None,
        update_needs: UpdateNeeds::Nothing,
        matching: Matching::Taken,
        find_max: 1,
        depends_on: &[],
        pullable: false,
    }],
    endpoints: &[Endpoint { name: "api", url: "https://phones.example", fallback: None }],
    quotas: &[],
    auth: &[AuthScheme::ApiKey {
        fields: &[CredentialField { name: "key", label: "Key", help: "It hangs in the club's kitchen." }],
        basic_user: None,
        var_from_suffix: None,
    }],
    call_timeout: Duration::from_secs(10),
    settle: Duration::from_secs(10),
    concurrency: 2,
    effects: &[],
};

/// The application level: no organization yet.
#[derive(Debug)]
pub struct PhoneBook;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {}

impl Integration for PhoneBook {
    fn descriptor(&self) -> &'static Descriptor {
        &PHONE_BOOK
    }

    fn open(&self, connection: Connection) -> Result<Opened> {
        let Settings {} = connection.settings()?;
        Ok(Opened::Sync(Box::new(Handler)))
    }

    fn inbound(&self, _: &dyn WebhookKeys, _: &http::Request<bytes::Bytes>) -> Result<Inbound> {
        Err(unsupported())
    }

    fn settings_schema(&self) -> Json {
        json!({"type": "object", "additionalProperties": false, "properties": {}})
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "the phone book has no such thing")
}

/// What an answer means: whether it goes again, whether anything may have happened, who must act.
fn classify(answer: &Response<bytes::Bytes>) -> Result<()> {
    let (kind, retry, effect, remedy) = match answer.status().as_u16() {
        200..=299 => return Ok(()),
        300..=399 => (ErrorKind::BadAnswer, Retry::Never, Effect::Unknown, "Ask the club."),
        401 => (ErrorKind::AuthRevoked, Retry::Never, Effect::None, "Connect the phone book again."),
        403 => (ErrorKind::Forbidden, Retry::Never, Effect::None, "Ask the club for the right to write."),
        404 | 410 => (ErrorKind::NotFound, Retry::Never, Effect::None, "Sync again."),
        409 | 412 => (ErrorKind::Taken, Retry::Never, Effect::None, "Look in the phone book."),
        429 => (ErrorKind::RateLimited, Retry::Backoff, Effect::None, "Nothing needs to be done."),
        500.. => (ErrorKind::Unavailable, Retry::Backoff, Effect::Unknown, "Nothing needs to be done."),
        _ => (ErrorKind::Refused, Retry::Never, Effect::None, "Correct the record."),
    };
    let error = Error::new(kind, "the phone book says no").with_retry(retry).with_effect(effect).with_remedy(remedy);
    let words = serde_json::from_slice::<Json>(answer.body()).unwrap_or_default();
    Err(error.with_provider(words["code"].as_str().unwrap_or_default(), words["message"].as_str().unwrap_or_default()))
}

/// The connection level.
#[derive(Debug)]
struct Handler;

/// A person as the book answers.
fn person(answer: &Response<bytes::Bytes>) -> Result<Remote> {
    #[derive(Deserialize)]
    struct Person {
        id: RemoteId,
        name: Option<String>,
        phone: Option<String>,
    }
    let Person { id, name, phone } = serde_json::from_slice(answer.body()).map_err(|error| {
        Error::new(ErrorKind::BadAnswer, "the answer is no person").with_effect(Effect::Unknown).with_source(error)
    })?;
    let fields = FIELDS.into_iter().zip([name, phone]).filter_map(|(field, text)| Some((field, text?)));
    Ok(Remote::live(PEOPLE, id, fields.map(|(field, text)| (FieldName::from_static(field), Value::text(text))).collect()))
}

#[async_trait]
impl SyncHandler for Handler {
    fn rules(&self, _: &ResourceName) -> Rules {
        Rules::new(FIELDS.map(FieldName::from_static).into())
    }

    fn target(&self, _: &ResourceName, _: &Record) -> Target {
        Target { role: Role::MAIN, container: None }
    }

    fn containers(&self, _: &Feed) -> Vec<Option<ContainerId>> {
        vec![None]
    }

    async fn check(&self, cx: &Context<'_>, _: Check) -> Result<Checked> {
        let answer = cx.send(Call::get("club.get", "api", classify).segments(["club"])).await?;
        let club: Json = serde_json::from_slice(answer.body())
            .map_err(|error| Error::new(ErrorKind::BadAnswer, "the answer is no club").with_source(error))?;
        let text = |name: &str| club[name].as_str().unwrap_or_default().to_owned();
        let mut checked = Checked::default();
        checked.accounts.push((text("id").into(), text("name")));
        Ok(checked)
    }

    async fn choices(&self, _: &Context<'_>, _: Choices<'_>) -> Result<Vec<Choice>> {
        Err(Error::new(ErrorKind::NotFound, "there is nothing to choose"))
    }

    async fn pull(&self, _: &Context<'_>, _: Pull<'_>) -> Result<Page> {
        Err(unsupported())
    }

    async fn find(&self, cx: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        // The id of what is ours is our marker.
        let ids: Vec<&str> = match request.by {
            FindBy::Ids(ids) => ids.iter().map(RemoteId::as_str).collect(),
            FindBy::Markers(markers) => markers.iter().map(Marker::as_str).collect(),
            _ => return Err(unsupported()),
        };
        let mut found = Vec::new();
        for id in ids {
            if *request.resource != PEOPLE {
                return Err(unsupported());
            }
            match cx.send(Call::get("people.get", "api", classify).segments(["people", id])).await {
                Ok(answer) => found.push(Found::One(Box::new(person(&answer)?))),
                Err(error) if error.kind() == ErrorKind::NotFound => found.push(Found::Absent),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn keys(&self, _: KeysOf<'_>) -> Vec<NaturalKey> {
        Vec::new()
    }

    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared> {
        let op = request.op;
        let is_no_text = |value: &Value| value.as_text().is_none() && !value.is_blank();
        if let Some((field, value)) = op.fields.iter().find(|(_, value)| is_no_text(value)) {
            let error = Error::new(ErrorKind::Invalid, format!("{field} is {value:?}, and the book takes text"));
            return Err(error.with_remedy("Correct the record here."));
        }
        // Under an id of ours a create that goes twice is none the second time; the others say what shall be.
        let safety = if op.verb == Verb::Create { Safety::ClientId } else { Safety::Repeatable };
        let is_idle = op.verb == Verb::Update && op.changed.is_empty();
        Ok(Prepared::Parts(if is_idle { Vec::new() } else { vec![Part::new(0, op.verb.as_str(), 1, safety)] }))
    }

    async fn push(&self, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
        let [part] = request.set.parts else { return Ok(Vec::new()) };
        let op = part.op;
        let id = part.remote.cloned().unwrap_or_else(|| RemoteId::new(op.marker.as_str()));
        let fields = op.changed.iter().map(|field| (field.to_string(), json!(op.fields.text(field.as_str()))));
        let body: Map<String, Json> = fields.collect();
        let call = |operation, method| Call::new(operation, "api", method, classify).segments(["people", id.as_str()]);
        let sent = match request.set.group {
            "create" => {
                let call = call("people.put", Method::PUT).header(IF_NONE_MATCH, HeaderValue::from_static("*"));
                cx.send(call.json(&body)?).await
            }
            "update" => cx.send(call("people.patch", Method::PATCH).json(&body)?).await,
            "remove" => cx.send(call("people.delete", Method::DELETE)).await,
            _ => return Err(Error::new(ErrorKind::Internal, "the phone book has no such call")),
        };
        Ok(vec![match sent {
            Ok(_) if op.verb == Verb::Remove => Receipt::Done { id, version: None, after: None, facts: None },
            Ok(answer) => Receipt::Done { id, version: None, after: Some(Box::new(person(&answer)?)), facts: None },
            Err(error) if error.kind() == ErrorKind::NotFound && op.verb == Verb::Remove => {
                Receipt::Done { id, version: None, after: None, facts: None }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Receipt::Moved,
            Err(error) if error.kind() == ErrorKind::Taken => Receipt::Taken(Some(id)),
            Err(error) if error.kind() == ErrorKind::Refused => Receipt::Refused(error),
            Err(error) => return Err(error),
        }])
    }

    async fn watch(&self, _: &Context<'_>, _: Watch<'_>) -> Result<Watching> {
        Err(unsupported())
    }

    fn tally(&self, _: &Facts, _: &Operation) -> Vec<Tally> {
        Vec::new()
    }

    fn summary(&self, _: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
        vec![format!("adds {} people to the phone book", plan.creates.values().sum::<u64>())]
    }
}

/// The book among the integrations of a dispatcher.
///
/// # Errors
/// When something is missing.
pub fn dispatcher(records: HostRecords) -> Result<Dispatcher> {
    let store = Arc::new(MemoryStore::new(Arc::new(sync_dispatch::http::system_clock())));
    // Nothing in a phone book is consent; with Mailchimp beside it the host would name its sink.
    Dispatcher::builder(store, records).without_consent_sink().built_integration(Arc::new(PhoneBook)).build()
}

#[allow(dead_code)]
fn main() {
    println!("{}", PHONE_BOOK.description);
}
