//! A host's own integration: a dive club's phone book, pushed to. It passes the suite that all providers pass
//! (`tests/own_integration.rs`).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, header::IF_NONE_MATCH};
use sync_dispatch::{Dispatcher, MemoryStore, core::*};

const PEOPLE: ResourceName = ResourceName::from_static("people");
const FIELDS: [&str; 2] = ["name", "phone"];
const KEY: CredentialField = CredentialField { name: "key", label: "Key", help: "It hangs in the club's kitchen." };

static PHONE_BOOK: Descriptor = Descriptor {
    id: "phone-book",
    name: "Phone book",
    description: "Push customers to the club's phone book",
    sync_types: &[SyncType { name: "people", resource: PEOPLE, fields: FieldSelection::All }],
    resources: &[Resource {
        name: PEOPLE,
        nouns: ("person", "people"),
        known_by: &["name"],
        collection: Collection::CUSTOMERS,
        model: "contact",
        fields: &[FieldSpec::scalar(FIELDS[0], FieldOwner::Local), FieldSpec::scalar(FIELDS[1], FieldOwner::Local)],
        // Who is there is not put there twice, and PATCH leaves what it doesn't name.
        matching: Matching::Taken,
        update_needs: UpdateNeeds::Nothing,
        ..Resource::PLAIN
    }],
    endpoints: &[Endpoint { name: "api", url: "https://phones.example", fallback: None }],
    auth: &[AuthScheme::ApiKey { fields: &[KEY], basic_user: None, var_from_suffix: None }],
    ..Descriptor::PLAIN
};

/// Both levels: a connection has nothing of its own to remember.
#[derive(Debug)]
pub struct PhoneBook;

impl Integration for PhoneBook {
    fn descriptor(&self) -> &'static Descriptor {
        &PHONE_BOOK
    }

    fn open(&self, connection: Connection) -> Result<Opened> {
        connection.no_settings()?;
        Ok(Opened::Sync(Box::new(Self)))
    }
}

/// Statuses mean the usual; a code and words are the book's own.
fn classify(answer: &Response<Bytes>) -> Result<()> {
    by_status(answer).map_err(|error| {
        let words = serde_json::from_slice::<serde_json::Value>(answer.body()).unwrap_or_default();
        error.with_provider(words["code"].as_str().unwrap_or_default(), words["message"].as_str().unwrap_or_default())
    })
}

/// Whoever has an entry; the club has one, too.
#[derive(serde::Deserialize)]
struct Person {
    id: String,
    name: Option<String>,
    phone: Option<String>,
}

fn remote(Person { id, name, phone }: Person) -> Remote {
    let text = |(field, text): (&'static str, Option<String>)| Some((FieldName::from_static(field), Value::text(text?)));
    Remote::live(PEOPLE, id, FIELDS.into_iter().zip([name, phone]).filter_map(text).collect())
}

#[async_trait]
impl SyncHandler for PhoneBook {
    fn rules(&self, _: &ResourceName) -> Rules {
        Rules::new(FIELDS.map(FieldName::from_static).into())
    }

    async fn check(&self, cx: &Context<'_>, _: Check) -> Result<Checked> {
        let club: Person = cx.answer(Call::get("club.get", "api", classify).segments(["club"])).await?;
        Ok(Checked::account(club.id, club.name.unwrap_or_default()))
    }

    async fn find(&self, cx: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for id in request.chosen_ids(&PEOPLE)? {
            let asked = cx.answer(Call::get("people.get", "api", classify).segments(["people", id])).await;
            found.push(Found::of(asked.map(remote))?);
        }
        Ok(found)
    }

    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared> {
        let op = request.op;
        let is_idle = op.changed_texts()?.is_empty() && op.verb == Verb::Update;
        // Under an id of ours a create that goes twice is none the second time; the others say what shall be.
        let safety = if op.verb == Verb::Create { Safety::ClientId } else { Safety::Repeatable };
        Ok(Prepared::Parts(if is_idle { Vec::new() } else { vec![Part::new(0, op.verb.as_str(), 1, safety)] }))
    }

    async fn push(&self, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
        let [PartRef { op, remote: known, .. }] = request.set.parts else { return Ok(Vec::new()) };
        let id = known.cloned().unwrap_or_else(|| op.marker.as_str().into());
        let call = |operation, method| Call::new(operation, "api", method, classify).segments(["people", id.as_str()]);
        let call = match request.set.group {
            "create" => call("people.put", Method::PUT).header(IF_NONE_MATCH, HeaderValue::from_static("*")),
            "update" => call("people.patch", Method::PATCH),
            "remove" => call("people.delete", Method::DELETE),
            _ => return Err(Error::new(ErrorKind::Internal, "the phone book has no such call")),
        };
        let sent = match op.verb {
            Verb::Remove => cx.send(call).await.map(|_| None),
            _ => cx.answer(call.json(&op.changed_texts()?)?).await.map(|person| Some(remote(person))),
        };
        Ok(vec![Receipt::of(op, id, sent)?])
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

fn main() {}
