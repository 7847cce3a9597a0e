//! The whole way through a provider that is compiled in, against its double.

#![cfg(feature = "mailchimp")]
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use support::{ORG, Shop};
use sync_core::{
    Consent, ConsentFact, ConsentSink, ConsentState, EffectGrants, HostRecords, OrganizationId, Record, Result, Scope, Stop,
    SyncRequest, Value,
};
use sync_dispatch::{
    Configured, ConnectOptions, ConnectionStatus, Dispatcher, MemoryStore, RunOptions, endpoint_answer,
    http::{Limits, system_clock},
};
use sync_sandbox::{AudienceSeed, InProcess, Mailchimp, MailchimpSeed, MemberSeed, Sandbox, SandboxOptions};

const KEY: &str = "0123456789abcdef0123456789abcdef-us19";

#[derive(Default)]
struct Sink(Mutex<Vec<ConsentFact>>);

#[async_trait]
impl ConsentSink for Sink {
    async fn record(&self, _: &OrganizationId, facts: &[ConsentFact]) -> Result<()> {
        self.0.lock().unwrap().extend_from_slice(facts);
        Ok(())
    }
}

fn customer(email: &str, consents: bool) -> Record {
    let record = Record::new().with("email", Value::text(email)).with("first_name", Value::text("Ada"));
    match consents {
        true => {
            let at = "2026-01-31T10:00:00Z".parse().unwrap();
            record.with("consent.email", Value::Consent(Consent::new(ConsentState::Granted).at(at)))
        }
        false => record,
    }
}

#[tokio::test]
async fn customers_go_from_the_hosts_table_to_the_audience_and_unsubscribes_come_back() {
    let audience =
        AudienceSeed::new("a1b2c3d4e5", "Newsletter").with_member(MemberSeed::new("left@example.com", "unsubscribed"));
    let clock = Arc::new(system_clock());
    let double = Mailchimp::new(MailchimpSeed::new(KEY).with_audience(audience));
    let sandbox = Sandbox::new(double, SandboxOptions::default(), clock.clone());
    let shop = Arc::new(Shop::default());
    let sink = Arc::new(Sink::default());
    let store = Arc::new(MemoryStore::new(clock));
    let dispatcher = Dispatcher::builder(store, HostRecords::ReadOnly(shop.clone()))
        .consent(sink.clone())
        .transport(Arc::new(InProcess(sandbox.clone())))
        .limits(Limits::Off)
        .build()
        .unwrap();
    for n in 0..30 {
        shop.put_record("customers", &format!("c{n:02}"), customer(&format!("c{n}@example.com"), true));
    }
    shop.put_record("customers", "d1", customer("never@example.com", false));
    shop.put_record("customers", "d2", customer("left@example.com", true));

    let scope = Scope::new(ORG, "mailchimp");
    let connected = dispatcher.connect_with_key(&scope, KEY.to_owned().into(), ConnectOptions::new()).await.unwrap();
    assert_eq!(connected.status, ConnectionStatus::Setup);
    let audiences = dispatcher.choices(&scope, "audiences", None).await.unwrap();
    assert!(audiences[0].label.starts_with("Newsletter"), "{audiences:?}");
    let wrong = dispatcher.configure(&scope, json!({"audience": "gone"})).await.unwrap();
    assert!(matches!(wrong, Configured::Refused(problems) if problems[0].setting == "audience"));
    let settings = json!({"audience": audiences[0].value, "merge_fields": {"FNAME": "first_name"}});
    assert_eq!(dispatcher.configure(&scope, settings).await.unwrap(), Configured::Stored);

    let request = || SyncRequest::new(ORG, "mailchimp");
    let first = dispatcher.dispatch(request()).await;
    let details = first.details.unwrap();
    assert_eq!(details.stopped, Some(Stop::Approval), "{:?}", first.errors);
    assert_eq!(sandbox.calls("lists.batch"), 0, "nothing is written before the plan is approved");

    let options = RunOptions::new().approve(details.plan_hash).grants(EffectGrants::none());
    let applied = dispatcher.dispatch_with(request(), options).await;
    assert!(applied.success, "{applied:?}");
    assert_eq!(applied.synced, 30, "{applied:?}");
    assert_eq!(sandbox.calls("lists.batch"), 1);
    assert_eq!(sink.0.lock().unwrap().iter().map(|fact| fact.state).collect::<Vec<_>>(), [ConsentState::Denied]);

    // The first run after a push pages once through its own echoes.
    dispatcher.dispatch(request()).await;
    let again = dispatcher.dispatch(request()).await;
    let answer = endpoint_answer(&dispatcher.capabilities("mailchimp"), &again);
    assert_eq!(answer.message.as_deref(), Some("Everything is already synced!"), "{again:?}");
    let health = dispatcher.check(&scope).await.unwrap();
    assert_eq!((health.status, health.problems), (ConnectionStatus::Active, vec![]));
}
