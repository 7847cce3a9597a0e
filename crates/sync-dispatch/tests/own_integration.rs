//! The example of a host's own integration in the suite that all providers pass.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use own_integration::PhoneBook;
use serde_json::{Map, Value as Json, json};
use sync_core::{
    AccountId, Exchange, FieldName, Integration, Record, RemoteId, Resource, Scope, Transport, TransportError,
    TransportLimits, Value,
};
use sync_dispatch::{MemoryStore, http::Client};
use sync_testkit::{
    SeededRandom, Shop, SimClock,
    conformance::{Act, Harness, Webhook},
};

#[path = "../examples/own_integration.rs"]
#[allow(dead_code)]
mod own_integration;

const KEY: &str = "kitchen-key-0123456789";
const CLUB: &str = "club-1";

sync_testkit::conformance_suite!(Bench::default());

/// The service, in memory.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<BTreeMap<String, Map<String, Json>>>>);

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Book")
    }
}

impl Book {
    fn answer(&self, request: &Request<Bytes>) -> (StatusCode, Json) {
        let path = request.uri().path();
        let Some(id) = path.strip_prefix("/people/") else {
            return (StatusCode::OK, json!({"id": CLUB, "name": "Dive club"}));
        };
        let mut people = self.0.lock().unwrap();
        let body: Map<String, Json> = serde_json::from_slice(request.body()).unwrap_or_default();
        let is_there = people.contains_key(id);
        match *request.method() {
            Method::PUT if is_there => return (StatusCode::PRECONDITION_FAILED, json!({"code": "exists"})),
            Method::PUT => {
                people.insert(id.to_owned(), body);
            }
            _ if !is_there => return (StatusCode::NOT_FOUND, json!({"code": "nobody"})),
            Method::PATCH => people.get_mut(id).unwrap().extend(body),
            Method::DELETE => {
                people.remove(id);
                return (StatusCode::NO_CONTENT, Json::Null);
            }
            _ => {}
        }
        let mut person = people[id].clone();
        person.insert("id".to_owned(), json!(id));
        (StatusCode::OK, person.into())
    }
}

#[async_trait]
impl Transport for Book {
    async fn send(&self, request: Request<Bytes>, _: TransportLimits) -> Result<Response<Bytes>, TransportError> {
        let (status, body) = self.answer(&request);
        Ok(response(status, &body))
    }
}

fn response(status: StatusCode, body: &Json) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

struct Bench {
    clock: SimClock,
    book: Book,
}

impl Default for Bench {
    fn default() -> Self {
        Self { clock: SimClock::skipping(), book: Book::default() }
    }
}

#[async_trait]
impl Harness for Bench {
    fn integration(&self) -> Arc<dyn Integration> {
        Arc::new(PhoneBook)
    }

    fn page_size(&self) -> usize {
        1
    }

    fn settings(&self) -> Json {
        json!({})
    }

    fn account(&self) -> AccountId {
        CLUB.into()
    }

    fn vars(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn clock(&self) -> SimClock {
        self.clock.clone()
    }

    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.book.clone())
    }

    async fn exchange(&self, transport: Arc<dyn Transport>) -> Arc<dyn Exchange> {
        let descriptor = PhoneBook.descriptor();
        let store = Arc::new(MemoryStore::new(Arc::new(self.clock.clone())));
        let client = Client::builder(store.clone(), store)
            .with_transport(transport)
            .with_clock(Arc::new(self.clock.clone()))
            .with_random(Arc::new(SeededRandom::new(7)))
            .build()
            .unwrap();
        let scope = Scope::new("conformance", descriptor.id);
        let grant = sync_dispatch::http::grant_from_key(descriptor, &KEY.to_owned().into()).unwrap();
        let grant = client.connect(&scope, grant).await.unwrap();
        client.verified(&scope, &grant, self.account()).await.unwrap();
        Arc::new(client.exchange(&scope, descriptor))
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.to_owned()]
    }

    fn failure(&self, status: StatusCode) -> Response<Bytes> {
        response(status, &json!({"code": "no", "message": "no room for Firstname Lastname 0000"}))
    }

    fn record(&self, _: &Resource, n: usize) -> Record {
        let record = Record::new().with("name", Value::text(format!("Firstname Lastname {n:04}")));
        record.with("phone", Value::text(format!("+34 600 000 {n:04}")))
    }

    fn edit(&self, _: &Resource, record: &Record) -> (Record, Vec<FieldName>) {
        let name = format!("{} the Second", record.text("name").unwrap());
        (record.clone().with("name", Value::text(name)), vec!["name".into()])
    }

    async fn plant(&self, _: &Resource, records: &[Record]) -> Vec<RemoteId> {
        let mut people = self.book.0.lock().unwrap();
        let mut ids = Vec::new();
        for record in records {
            let id = format!("planted-{}", people.len());
            let person = ["name", "phone"].map(|field| (field.to_owned(), json!(record.text(field))));
            people.insert(id.clone(), person.into_iter().collect());
            ids.push(id.into());
        }
        ids
    }

    async fn act(&self, _: &Resource, id: &RemoteId, act: Act) -> bool {
        let mut people = self.book.0.lock().unwrap();
        match act {
            Act::Edit => people.get_mut(id.as_str()).unwrap().insert("phone".to_owned(), json!("+34 999 changed")).is_some(),
            Act::Delete => people.remove(id.as_str()).is_some(),
            _ => false,
        }
    }

    async fn withdraw_choice(&self) -> bool {
        false
    }

    async fn count(&self, _: &Resource) -> usize {
        self.book.0.lock().unwrap().len()
    }

    async fn n_surprises(&self) -> u64 {
        0
    }

    fn webhook(&self) -> Option<Webhook> {
        None
    }
}

#[test]
fn it_is_one_of_a_dispatchers_integrations() {
    let records = sync_core::HostRecords::ReadOnly(Arc::new(Shop::with_feed()));
    let dispatcher = own_integration::dispatcher(records).unwrap();
    assert!(dispatcher.descriptors().any(|descriptor| descriptor.id == "phone-book"));
}
