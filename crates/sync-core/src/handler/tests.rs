//! What a provider that writes only what it must is like.

use std::task::{Poll, Waker};

use http::Response;
use serde_json::{Value as Json, json};

use super::*;
use crate::{Evidence, FieldSet, ResourceName, Value, Verdict, by_status};

const PEOPLE: ResourceName = ResourceName::from_static("people");

static PHONE_BOOK: Descriptor = Descriptor { id: "phone-book", name: "Phone book", ..Descriptor::PLAIN };
static FEED: Feed = Feed { name: "people", covers: &[PEOPLE], carries_consent: false, budget: "" };

#[derive(Debug)]
struct PhoneBook;

impl Integration for PhoneBook {
    fn descriptor(&self) -> &'static Descriptor {
        &PHONE_BOOK
    }

    fn open(&self, connection: Connection) -> Result<Opened> {
        connection.no_settings()?;
        Ok(Opened::Sync(Box::new(Handler(Vec::new()))))
    }
}

/// With this evidence.
#[derive(Debug)]
struct Handler(Vec<Evidence>);

#[async_trait]
impl SyncHandler for Handler {
    fn rules(&self, _: &ResourceName) -> Rules {
        let mut rules = Rules::new(FieldSet::new());
        rules.evidence = self.0.clone();
        rules
    }

    async fn check(&self, _: &Context<'_>, _: Check) -> Result<Checked> {
        Ok(Checked::account("club-1", "Dive club"))
    }

    async fn find(&self, _: &Context<'_>, _: Find<'_>) -> Result<Vec<Found>> {
        Ok(Vec::new())
    }

    fn prepare(&self, _: Prepare<'_>) -> Result<Prepared> {
        Ok(Prepared::Parts(Vec::new()))
    }

    async fn push(&self, _: &Context<'_>, _: Push<'_>) -> Result<Vec<Receipt>> {
        Ok(Vec::new())
    }
}

/// Answers everything alike.
struct Says(&'static str);

#[async_trait]
impl Exchange for Says {
    async fn send(&self, _: Call, _: Within<'_>) -> Result<Response<Bytes>> {
        Ok(Response::new(Bytes::from_static(self.0.as_bytes())))
    }
}

struct NoKeys;

impl WebhookKeys for NoKeys {
    fn keys(&self, _: &str) -> Vec<Bytes> {
        Vec::new()
    }
}

/// What comes of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn with<T>(says: &'static str, ask: impl FnOnce(&Context<'_>) -> T) -> T {
    let (cancel, grants, at) = (Cancel::new(), EffectGrants::none(), Timestamp::UNIX_EPOCH);
    ask(&Context::new(&Says(says), at, at, &cancel, Lane::Scheduled, &grants))
}

fn kind<T: fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn what_is_not_written_refuses() {
    let handler = Handler(Vec::new());
    with("", |cx| {
        assert_eq!(kind(now(handler.choices(cx, Choices::new("lists", None)))), ErrorKind::NotFound);
        assert_eq!(kind(now(handler.pull(cx, Pull::new(&FEED, None, From::Start)))), ErrorKind::Unsupported);
        let start = Watch::Start { feed: &FEED, container: None, url: "https://host.example/hook", secret: "s" };
        assert_eq!(kind(now(handler.watch(cx, start))), ErrorKind::Unsupported);
    });
    assert_eq!(kind(PhoneBook.inbound(&NoKeys, &http::Request::new(Bytes::new()))), ErrorKind::Unsupported);
}

#[test]
fn without_settings_of_its_own_a_provider_takes_none() {
    let open = |settings: Json| PhoneBook.open(Connection::new("blue-manta".into(), settings));
    assert!(open(Json::Null).is_ok() && open(json!({})).is_ok());
    let error = open(json!({"list": "x"})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("list"), "{error}");
    let schema = PhoneBook.settings_schema();
    assert_eq!((&schema["additionalProperties"], &schema["properties"]), (&json!(false), &json!({})));
}

#[test]
fn without_places_of_its_own_a_provider_has_one() {
    let handler = Handler(Vec::new());
    assert_eq!(handler.target(&PEOPLE, &Record::new()), Target { role: Role::MAIN, container: None });
    assert_eq!(handler.containers(&FEED), [None]);
}

#[test]
fn what_counts_as_evidence_is_looked_for() {
    let ada = Record::new().with("name", Value::text("Ada  Byron")).with("email", Value::text("Ada@example.com"));
    let request = KeysOf { resource: &PEOPLE, fields: &ada, refs: &crate::Refs::new() };
    assert_eq!(Handler(Vec::new()).keys(request), []);
    let evidence = |keys: &[&str]| Evidence {
        keys: keys.iter().copied().map(FieldName::from).collect(),
        near: None,
        verdict: Verdict::Ask,
    };
    let handler = Handler(vec![evidence(&["email", "name"]), evidence(&["email"]), evidence(&["phone"])]);
    let expected = [("email", "ada@example.com"), ("name", "ada byron")];
    assert_eq!(handler.keys(request), expected.map(|(field, text)| NaturalKey::of(field, text).unwrap()));
}

#[test]
fn an_answer_that_cannot_be_read_is_told_without_its_words_and_with_what_a_write_may_have_done() {
    let get = || Call::get("people.get", "api", by_status);
    let put = || Call::new("people.put", "api", http::Method::PUT, by_status);
    assert_eq!(with("[1]", |cx| now(cx.answer::<Vec<u8>>(get()))).unwrap(), [1]);
    for (call, effect) in [(get(), Effect::None), (put(), Effect::Unknown)] {
        let error = with("[\"Ada\"]", |cx| now(cx.answer::<Vec<u8>>(call))).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::BadAnswer, effect));
        assert!(!format!("{error} {error:?}").contains("Ada"), "{error}");
    }
}

#[test]
fn under_an_id_of_ours_records_are_found_by_id_and_by_marker() {
    let ids: [RemoteId; 2] = ["a".into(), "b".into()];
    assert_eq!(Find::new(&PEOPLE, None, FindBy::Ids(&ids)).chosen_ids(&PEOPLE).unwrap(), ["a", "b"]);
    let marker = [crate::Marker::new("m")];
    assert_eq!(Find::new(&PEOPLE, None, FindBy::Markers(&marker)).chosen_ids(&PEOPLE).unwrap(), ["m"]);
    let key = [NaturalKey::of("name", "Ada").unwrap()];
    assert_eq!(kind(Find::new(&PEOPLE, None, FindBy::Keys(&key)).chosen_ids(&PEOPLE)), ErrorKind::Unsupported);
    let other = ResourceName::from_static("boats");
    assert_eq!(kind(Find::new(&other, None, FindBy::Ids(&ids)).chosen_ids(&PEOPLE)), ErrorKind::Unsupported);
}
