//! Mailchimp in the suite that all providers pass: over the sandbox in process, and over HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use provider_mailchimp::REGISTRATION;
use serde_json::{Value as Json, json};
use sync_core::{
    AccountId, Clock as _, Consent, ConsentState, Exchange, FieldName, Integration, Record, RemoteId, Resource, Transport,
    Value,
};
use sync_sandbox::{AudienceSeed, InProcess, Mailchimp, MailchimpSeed, Sandbox, SandboxOptions};
use sync_testkit::{
    SimClock,
    conformance::{Act, Harness, Profile, Webhook, zoo},
    wire::over_http,
};

const KEY: &str = "c0nf0rmancekey0123456789abcdef00-us19";
const AUDIENCE: &str = "a1b2c3d4e5";

mod in_process {
    use super::*;

    sync_testkit::conformance_suite!(Bench::in_process());
}

mod over_http {
    use super::*;

    sync_testkit::conformance_suite!(Bench::over_http().await);
}

mod slow_and_limited {
    use super::*;

    sync_testkit::conformance_suite!(Bench::in_process(), Profile::SlowAndLimited);
}

mod broken_wire {
    use super::*;

    sync_testkit::conformance_suite!(Bench::in_process(), Profile::Broken);
}

#[test]
fn every_connector_that_is_broken_on_purpose_is_caught() {
    zoo::all_are_caught("mailchimp", Bench::in_process);
}

struct Bench {
    clock: SimClock,
    sandbox: Sandbox,
    transport: Arc<dyn Transport>,
}

impl Bench {
    fn in_process() -> Self {
        let clock = SimClock::skipping();
        let audience = AudienceSeed::new(AUDIENCE, "Newsletter").with_tag("a marketer's tag");
        let seed = MailchimpSeed::new(KEY).with_audience(audience);
        let sandbox = Sandbox::new(Mailchimp::new(seed), SandboxOptions::default(), Arc::new(clock.clone()));
        let transport = Arc::new(InProcess(sandbox.clone()));
        Self { clock, sandbox, transport }
    }

    async fn over_http() -> Self {
        let bench = Self::in_process();
        let transport = over_http(&bench.sandbox).await;
        Self { transport, ..bench }
    }

    fn members(&self) -> serde_json::Map<String, Json> {
        self.sandbox.state()["lists"][AUDIENCE]["members"].as_object().cloned().unwrap_or_default()
    }

    fn email_of(&self, id: &RemoteId) -> Option<String> {
        let members = self.members();
        members.into_iter().find(|(_, member)| member["id"] == id.as_str()).map(|(email, _)| email)
    }

    fn do_there(&self, action: &str, email: &str, more: Json) -> bool {
        let mut act = json!({"do": action, "list": AUDIENCE, "email": email});
        for (name, value) in more.as_object().into_iter().flatten() {
            act[name] = value.clone();
        }
        self.sandbox.act(&act).unwrap_or_else(|why| panic!("{act}: {why}"));
        true
    }
}

#[async_trait]
impl Harness for Bench {
    fn integration(&self) -> Arc<dyn Integration> {
        let config = json!({"page_size": self.page_size(), "members_per_call": 4});
        (REGISTRATION.build)(config).unwrap()
    }

    fn page_size(&self) -> usize {
        3
    }

    fn settings(&self) -> Json {
        json!({"audience": AUDIENCE, "merge_fields": {"FNAME": "first_name", "LNAME": "last_name"}})
    }

    fn account(&self) -> AccountId {
        sync_sandbox::AccountSeed::default().id.into()
    }

    fn vars(&self) -> BTreeMap<String, String> {
        [("dc".to_owned(), "us19".to_owned())].into()
    }

    fn clock(&self) -> SimClock {
        self.clock.clone()
    }

    fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    async fn exchange(&self, transport: Arc<dyn Transport>) -> Arc<dyn Exchange> {
        sync_testkit::sim::exchange(&REGISTRATION, KEY, self.account(), &self.clock, transport).await.unwrap()
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.to_owned(), KEY.trim_end_matches("-us19").to_owned()]
    }

    fn failure(&self, status: StatusCode) -> Response<Bytes> {
        // The documented titles where there is one: <https://mailchimp.com/developer/marketing/docs/errors/>.
        let title = match status.as_u16() {
            400 => "Invalid Resource",
            401 => "API Key Invalid",
            403 => "Forbidden",
            404 => "Resource Not Found",
            405 => "Method Not Allowed",
            429 => "TooManyRequests",
            500 => "InternalServerError",
            _ => "Something Else",
        };
        let detail = "person-0000@example.com (Firstname0000) can't be written: Lastname0000";
        let body =
            json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail, "instance": "x"});
        let mut answer = Response::new(Bytes::from(body.to_string()));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json; charset=utf-8"));
        answer
    }

    fn record(&self, _: &Resource, n: usize) -> Record {
        let agreed = "2026-01-15T09:00:00Z".parse().unwrap();
        let tags = BTreeSet::from([format!("course number {n}"), "deep diver".to_owned()]);
        Record::new()
            .with("email", Value::text(format!("person-{n:04}@example.com")))
            .with("first_name", Value::text(format!("Firstname{n:04}")))
            .with("last_name", Value::text(format!("Lastname{n:04}")))
            .with("tags", Value::Set(tags))
            .with("consent.email", Value::Consent(Consent::new(ConsentState::Granted).at(agreed)))
    }

    fn edit(&self, _: &Resource, record: &Record) -> (Record, Vec<FieldName>) {
        let was = record.text("first_name").unwrap().to_owned();
        (record.clone().with("first_name", Value::text(format!("{was} the Second"))), vec!["first_name".into()])
    }

    async fn plant(&self, _: &Resource, records: &[Record]) -> Vec<RemoteId> {
        let mut ids = Vec::new();
        for record in records {
            let email = record.text("email").unwrap();
            self.do_there("subscribe", email, json!({}));
            self.do_there("edit", email, json!({"field": "FNAME", "value": record.text("first_name")}));
            self.do_there("edit", email, json!({"field": "LNAME", "value": record.text("last_name")}));
            for tag in record.value("tags").and_then(Value::as_set).into_iter().flatten() {
                self.do_there("tag", email, json!({"name": tag}));
            }
            ids.push(self.members()[email]["id"].as_str().unwrap().into());
        }
        ids
    }

    async fn act(&self, _: &Resource, id: &RemoteId, act: Act) -> bool {
        let email = self.email_of(id).unwrap_or_else(|| panic!("there is no {id}"));
        match act {
            Act::Edit => {
                let value = format!("Changed there at {}", self.clock.now().as_second());
                self.do_there("edit", &email, json!({"field": "LNAME", "value": value}))
            }
            Act::AddElement { element, .. } => self.do_there("tag", &email, json!({"name": element})),
            Act::Archive => self.do_there("archive", &email, json!({})),
            Act::Delete => self.do_there("delete-permanent", &email, json!({})),
            Act::Refuse => self.do_there("unsubscribe", &email, json!({})),
            Act::Bounce => self.do_there("clean", &email, json!({})),
            _ => false,
        }
    }

    async fn withdraw_choice(&self) -> bool {
        self.sandbox.act(&json!({"do": "delete-audience", "list": AUDIENCE})).unwrap();
        true
    }

    async fn count(&self, _: &Resource) -> usize {
        self.members().len()
    }

    async fn n_surprises(&self) -> u64 {
        let state = self.sandbox.summary();
        state["mails_sent"].as_u64().unwrap() + state["automations_started"].as_u64().unwrap()
    }

    fn webhook(&self) -> Option<Webhook> {
        None
    }
}
