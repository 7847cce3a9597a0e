//! Rows to play with.

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;
use sync_core::{
    AccountId, Channel, ConsentFact, ConsentState, Hash, LocalId, Marker, Operation, Outcome, OutcomeKind, QuestionId,
    Reason, Record, Remote, RemoteState, ResourceName, Role, RunId, Safety, Scope, SyncRequest, Value, Verb,
};
use sync_engine::{
    Acquired, Answer, AnswerOption, Base, CallRow, Item, Lease, Link, LinkState, OutcomeRow, PlannedOp, PlannedPart,
    Question, RunRow, RunState, Seen, Store,
};

/// Unwraps in a library that may not.
pub(super) trait Must<T> {
    fn must(self, what: &str) -> T;
}

impl<T, E: std::fmt::Display> Must<T> for Result<T, E> {
    #[track_caller]
    fn must(self, what: &str) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

impl<T> Must<T> for Option<T> {
    #[track_caller]
    fn must(self, what: &str) -> T {
        match self {
            Some(value) => value,
            None => panic!("{what}: nothing there"),
        }
    }
}

#[allow(non_snake_case)] // Reads as the constant that it can't be.
pub(super) fn SCOPE() -> Scope {
    Scope::new("blue-manta", "mailchimp")
}

pub(super) const ACCOUNT: AccountId = AccountId::from_static("account");
pub(super) const CONTACTS: ResourceName = ResourceName::from_static("contacts");
pub(super) const MAIN: Role = Role::MAIN;
pub(super) const RUN: RunId = RunId::from_static("run-1");

/// How long a lease of the suite lasts, in milliseconds: longer than any test.
pub(super) const LONG_MS: i64 = 600_000;

/// A moment of the suite: these seconds after 2025-01-01.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_735_689_600 + seconds).must("a time")
}

pub(super) async fn lease(store: &dyn Store, scope: &Scope) -> Lease {
    match store.acquire(scope, "suite", LONG_MS).await.must("acquire") {
        Acquired::Lease(lease) => lease,
        Acquired::Held(info) => panic!("the lease is held by {}", info.owner),
    }
}

pub(super) fn ids<T: for<'a> From<&'a str>>(ids: &[&str]) -> Vec<T> {
    ids.iter().map(|id| T::from(id)).collect()
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) fn record(email: &str) -> Record {
    Record::new().with("email", Value::text(email)).with("tags", Value::Set(["diver".to_owned()].into()))
}

pub(super) fn link(local: &str, remote: Option<&str>) -> Link {
    let fields = record(&format!("{local}@example.com"));
    let base = Base {
        local: fields.clone(),
        remote: None,
        version: Some("v1".into()),
        state: RemoteState::Live,
        native: Some(serde_json::json!({"unknown": [1, 2]})),
        mapping: String::new(),
    };
    Link {
        account: ACCOUNT,
        resource: CONTACTS,
        local: local.into(),
        role: MAIN,
        container: Some("audience".into()),
        remote: remote.map(Into::into),
        state: if remote.is_some() { LinkState::Live } else { LinkState::Open },
        key: Some(format!("{local}@example.com")),
        hash: Some(fields.hash()),
        base: remote.map(|_| base),
        call: remote.is_none().then(|| "call-1".into()),
    }
}

pub(super) fn remote(id: &str, email: &str) -> Remote {
    Remote { container: Some("audience".into()), ..Remote::live(CONTACTS, id, record(email)) }
}

pub(super) fn seen(id: &str, email: &str) -> Seen {
    Seen { key: Some(email.to_owned()), remote: remote(id, email) }
}

pub(super) fn part(stage: u8, group: &str, max: u32) -> PlannedPart {
    let safety = Safety::LookUp { settle: Duration::from_secs(90) };
    // Parts that differ in nothing but what they set off are not alike.
    let effects = if group.len() % 2 == 1 { vec!["mail".to_owned()] } else { Vec::new() };
    PlannedPart {
        stage,
        group: group.to_owned(),
        max,
        serial: sync_core::Serial::No,
        budget: "api".into(),
        cost: 1,
        safety,
        effects,
    }
}

pub(super) fn operation(local: &str, verb: Verb) -> Operation {
    let fields = record(&format!("{local}@example.com"));
    Operation {
        id: format!("op-{local}").into(),
        resource: CONTACTS,
        local: local.into(),
        role: MAIN,
        container: Some("audience".into()),
        verb,
        changed: fields.iter().map(|(field, _)| field.clone()).collect(),
        fields,
        sets: Default::default(),
        before: (verb != Verb::Create).then(|| Box::new(remote("r", "old@example.com"))),
        marker: Marker::new("m"),
        open: Default::default(),
        here: None,
        agreed: Default::default(),
        amends: None,
        taken: Vec::new(),
        is_final: false,
        linked_as: None,
        reason: Reason::NewHere,
    }
}

pub(super) fn planned(seq: u64, local: &str, parts: Vec<PlannedPart>) -> PlannedOp {
    let operation = operation(local, Verb::Create);
    PlannedOp {
        seq,
        digest: Hash::of_text(local).to_string(),
        key: Some(format!("{local}@example.com")),
        hash: Some(operation.fields.hash()),
        operation,
        parts,
    }
}

pub(super) fn call(key: &str, parts: &[(u64, u32)], opened: i64) -> CallRow {
    CallRow {
        account: ACCOUNT,
        key: key.into(),
        run: RUN,
        resource: CONTACTS,
        group: "members".into(),
        parts: parts.to_vec(),
        digest: "digest".into(),
        safety: Safety::Key { lives: Duration::from_secs(60), settle: Duration::from_secs(5) },
        opened_at: at(opened),
        not_after: at(opened + 60),
    }
}

pub(super) fn outcome(kind: OutcomeKind, code: &'static str) -> Outcome {
    let mut outcome = Outcome::new(kind, Cow::Borrowed(code), "Ada was left out");
    outcome.provider_message = Some("ada@example.com looks fake".to_owned());
    outcome
}

pub(super) fn item(local: &str, kind: OutcomeKind, code: &'static str) -> Item {
    Item {
        resource: CONTACTS,
        local: local.into(),
        outcome: outcome(kind, code),
        key: Some(format!("{local}@example.com")),
        hash: Some(Hash::of_text(local)),
        run: RUN,
        since: at(0),
        attempts: 1,
        due: None,
        needs_grant: None,
        question: None,
    }
}

pub(super) fn outcome_row(local: Option<&str>, remote: Option<&str>, seconds: i64) -> OutcomeRow {
    OutcomeRow {
        resource: CONTACTS,
        local: local.map(Into::into),
        remote: remote.map(Into::into),
        outcome: outcome(OutcomeKind::Created, "done"),
        at: at(seconds),
    }
}

pub(super) fn question(id: &str, locals: &[&str], asked: i64) -> Question {
    let option = |key: &str| AnswerOption { key: key.to_owned(), label: format!("Choose {key}") };
    Question {
        id: QuestionId::from(id),
        resource: CONTACTS,
        locals: ids::<LocalId>(locals),
        code: "shared-key".into(),
        prompt: "Who gets the mail?".into(),
        evidence: serde_json::json!({"address": "family@example.com"}),
        options: vec![option("oldest"), option("none")],
        asked_at: at(asked),
        answer: None,
    }
}

pub(super) fn answer(key: &str, seconds: i64) -> Answer {
    Answer { key: key.to_owned(), by: "Maria".to_owned(), at: at(seconds) }
}

pub(super) fn fact(id: &str, record: Option<&str>) -> ConsentFact {
    ConsentFact {
        id: id.to_owned(),
        channel: Channel::Email,
        address: "ada@example.com".into(),
        state: ConsentState::Denied,
        source: "mailchimp:account:audience".into(),
        at: at(5),
        record: record.map(Into::into),
    }
}

pub(super) fn run(id: &str, started: i64) -> RunRow {
    RunRow {
        id: id.into(),
        request: SyncRequest::new("blue-manta", "mailchimp").items(["contacts:1"]),
        state: RunState::Running,
        started_at: at(started),
        ended_at: None,
        result: None,
        plan_hash: None,
    }
}
