//! What time asks for, and webhooks.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use support::{Inbox, World};
use sync_core::{Clock as _, NoticeKind, QuestionId, RunId, Stop, SyncRequest, SyncResult};
use sync_dispatch::{ConnectionStatus, Due};
use sync_engine::{Acquired, Change, Question, RunRow, RunState, Store as _};

impl World {
    async fn kinds(&self) -> Vec<&'static str> {
        let kind = |due: &Due| match due {
            Due::Run { .. } => "run",
            Due::Pull { .. } => "pull",
            Due::Watch { .. } => "watch",
            Due::Check { .. } => "check",
            Due::Digest { .. } => "digest",
            Due::Retention { .. } => "retention",
            _ => "other",
        };
        self.dispatcher.due(self.clock.now(), 100).await.unwrap().iter().map(kind).collect()
    }

    async fn run_due(&self) -> Vec<sync_dispatch::Did> {
        self.dispatcher.run_due(self.clock.now(), 100).await.unwrap()
    }

    async fn commit(&self, changes: Vec<Change>) {
        let Acquired::Lease(lease) = self.store.acquire(&self.scope(), "test", 60_000).await.unwrap() else { panic!() };
        self.store.commit(&lease, changes).await.unwrap();
        self.store.release(&lease).await.unwrap();
    }

    async fn past_run(&self, id: &str, started_at: Timestamp, stop: Stop) {
        let result = SyncResult::refused("it failed").stopped(stop);
        self.commit(vec![Change::Run(Box::new(RunRow {
            id: RunId::new(id),
            request: SyncRequest::new(support::ORG, "ledger"),
            state: RunState::Stopped,
            started_at,
            ended_at: Some(started_at),
            result: Some(result),
            plan_hash: None,
        }))])
        .await;
    }
}

fn told(inbox: &Inbox) -> Vec<NoticeKind> {
    inbox.told.lock().unwrap().iter().flat_map(|(_, notices)| notices.iter().map(|notice| notice.kind)).collect()
}

#[tokio::test]
async fn a_fresh_connection_is_checked_after_a_week_and_not_before() {
    let world = World::new();
    world.connect().await;
    world.run_due().await;
    world.clock.forward_days(6);
    assert!(!world.kinds().await.contains(&"check"));
    world.clock.forward_days(1);
    assert!(world.kinds().await.contains(&"check"));
    world.run_due().await;
    assert!(!world.kinds().await.contains(&"check"), "it was just checked");
}

#[tokio::test]
async fn a_check_that_could_not_be_made_rests_for_an_hour() {
    let world = World::new();
    world.connect().await;
    world.clock.forward_days(7);
    world.service.state().instead.insert("/me".to_owned(), (400, None));
    let did = world.run_due().await;
    assert!(did.iter().any(|did| matches!(did.due, Due::Check { .. }) && did.error.is_some()), "{did:?}");
    assert!(!world.kinds().await.contains(&"check"));
    world.clock.forward(std::time::Duration::from_secs(3_600));
    assert!(world.kinds().await.contains(&"check"));
}

#[tokio::test]
async fn what_panics_keeps_nothing_else_from_its_turn() {
    let world = World::new();
    world.connect().await;
    let mut row = world.row().await;
    row.settings = json!({"panic": true});
    world.put(row).await;
    world.clock.forward_days(8);
    let did = world.run_due().await;
    let check = did.iter().find(|did| matches!(did.due, Due::Check { .. })).unwrap();
    assert_eq!(check.error.as_ref().unwrap().kind(), sync_core::ErrorKind::Internal);
    assert!(did.iter().any(|did| matches!(did.due, Due::Retention { .. }) && did.error.is_none()), "{did:?}");
    assert!(!world.kinds().await.contains(&"check"), "it rests");
}

#[tokio::test]
async fn schedules_are_off_in_setup() {
    let world = World::new();
    world.connect().await;
    world.dispatcher.schedule(&world.scope(), Some(world.clock.now())).await.unwrap();
    assert!(!world.kinds().await.contains(&"run"));
    world.mark_active().await;
    assert!(world.kinds().await.contains(&"run"));
}

#[tokio::test]
async fn a_scheduled_run_goes_once() {
    let world = World::new();
    world.connect().await;
    world.mark_active().await;
    world.dispatcher.schedule(&world.scope(), Some(world.clock.now())).await.unwrap();
    let did = world.run_due().await;
    let run = did.iter().find(|did| matches!(did.due, Due::Run { .. })).unwrap();
    assert!(run.result.as_ref().unwrap().success, "{run:?}");
    assert_eq!(world.row().await.next_run_at, None);
    assert!(!world.kinds().await.contains(&"run"));
}

#[tokio::test]
async fn a_scheduled_run_that_meets_another_comes_back_later() {
    let world = World::new();
    world.connect().await;
    world.mark_active().await;
    world.dispatcher.schedule(&world.scope(), Some(world.clock.now())).await.unwrap();
    let Acquired::Lease(_held) = world.store.acquire(&world.scope(), "another", 600_000).await.unwrap() else { panic!() };
    world.run_due().await;
    assert!(world.row().await.next_run_at.unwrap() > world.clock.now());
}

#[tokio::test]
async fn due_tells_the_longest_due_first_and_keeps_to_its_limit() {
    let world = World::new();
    world.connect().await;
    world.mark_active().await;
    world.clock.forward_days(8);
    world.dispatcher.schedule(&world.scope(), Some(world.clock.now())).await.unwrap();
    assert_eq!(world.kinds().await, ["retention", "check", "digest", "run"]);
    assert_eq!(world.dispatcher.due(world.clock.now(), 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn retention_runs_once_a_day() {
    let world = World::new();
    assert_eq!(world.kinds().await, ["retention"]);
    world.past_run("old", "2024-01-01T00:00:00Z".parse().unwrap(), Stop::Fault).await;
    world.run_due().await;
    assert!(world.dispatcher.runs(&world.scope(), None, 10).await.unwrap().is_empty(), "it is older than 400 days");
    assert!(world.kinds().await.is_empty());
    world.clock.forward_days(1);
    assert_eq!(world.kinds().await, ["retention"]);
}

#[tokio::test]
async fn a_dead_connection_is_told_once_a_day_with_what_waits() {
    let world = World::new();
    world.connect().await;
    world.service.state().keys.clear();
    world.dispatcher.check(&world.scope()).await.unwrap();
    world.run_due().await;
    world.run_due().await;
    assert_eq!(told(&world.inbox), [NoticeKind::Reconnect]);
    let message = world.inbox.told.lock().unwrap()[0].1[0].message.clone();
    assert!(message.starts_with("Ledger must be connected again: "), "{message}");
    world.clock.forward_days(1);
    world.run_due().await;
    assert_eq!(told(&world.inbox).len(), 2);
}

#[tokio::test]
async fn two_processes_hand_over_one_digest() {
    let world = World::new();
    world.connect().await;
    world.service.state().keys.clear();
    world.dispatcher.check(&world.scope()).await.unwrap();
    let store = world.store.clone();
    let inbox = world.inbox.clone();
    let other = World::with(move |_| {
        sync_dispatch::Dispatcher::builder(std::sync::Arc::new(store), sync_core::HostRecords::ReadOnly(world.shop.clone()))
            .clock(std::sync::Arc::new(world.clock.clone()))
            .transport(world.service.clone())
            .notifier(inbox)
            .without_consent_sink()
            .built_integration(support::Fake::of(&support::LEDGER))
    });
    let now = "2026-11-22T10:00:00Z".parse().unwrap();
    world.dispatcher.run_due(now, 100).await.unwrap();
    other.dispatcher.run_due(now, 100).await.unwrap();
    assert_eq!(world.inbox.told.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_digest_that_could_not_be_handed_over_is_handed_over_again() {
    let world = World::new();
    world.connect().await;
    world.service.state().keys.clear();
    world.dispatcher.check(&world.scope()).await.unwrap();
    *world.inbox.fails.lock().unwrap() = true;
    world.run_due().await;
    *world.inbox.fails.lock().unwrap() = false;
    world.run_due().await;
    assert!(told(&world.inbox).is_empty(), "not at once");
    world.clock.forward(std::time::Duration::from_secs(15 * 60));
    world.run_due().await;
    assert_eq!(told(&world.inbox), [NoticeKind::Reconnect]);
}

#[tokio::test]
async fn three_failed_runs_in_a_row_are_told_and_two_are_not() {
    let world = World::new();
    world.connect().await;
    let at = |hour: u32| format!("2026-11-22T0{hour}:00:00Z").parse::<Timestamp>().unwrap();
    world.past_run("r1", at(1), Stop::Fault).await;
    world.past_run("r2", at(2), Stop::Settings).await;
    let notices = async || world.dispatcher.notices(&support::ORG.into(), world.clock.now()).await.unwrap();
    assert!(notices().await.is_empty());
    world.past_run("r3", at(3), Stop::Fault).await;
    let notices = notices().await;
    assert_eq!(notices[0].kind, NoticeKind::FailingRuns);
    assert!(notices[0].message.contains("r3"), "{:?}", notices[0]);
    assert_eq!(notices[0].since, at(1));
}

#[tokio::test]
async fn runs_that_had_to_wait_are_no_failures() {
    let world = World::new();
    world.connect().await;
    for (n, stop) in [Stop::Later, Stop::LeaseHeld, Stop::Cancelled, Stop::Approval].into_iter().enumerate() {
        world.past_run(&format!("r{n}"), format!("2026-11-22T0{n}:00:00Z").parse().unwrap(), stop).await;
    }
    assert!(world.dispatcher.notices(&support::ORG.into(), world.clock.now()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_tripped_breaker_is_told() {
    let world = World::new();
    world.connect().await;
    world.past_run("r1", world.clock.now(), Stop::Breaker).await;
    let notices = world.dispatcher.notices(&support::ORG.into(), world.clock.now()).await.unwrap();
    assert_eq!(notices[0].kind, NoticeKind::Breaker);
}

#[tokio::test]
async fn questions_are_told_when_they_are_older_than_a_week() {
    let world = World::new();
    world.connect().await;
    world
        .commit(vec![Change::Ask(Question {
            id: QuestionId::new("q1"),
            resource: "contacts".into(),
            locals: vec!["c1".into()],
            code: "shared-key".to_owned(),
            prompt: "Which one?".to_owned(),
            evidence: json!({}),
            options: Vec::new(),
            asked_at: world.clock.now(),
            answer: None,
        })])
        .await;
    let kinds = async || {
        let notices = world.dispatcher.notices(&support::ORG.into(), world.clock.now()).await.unwrap();
        notices.iter().map(|notice| (notice.kind, notice.message.clone())).collect::<Vec<_>>()
    };
    assert!(kinds().await.is_empty());
    world.clock.forward_days(7);
    let kinds = kinds().await;
    assert_eq!(kinds[0].0, NoticeKind::Questions);
    assert!(kinds[0].1.starts_with("1 question about Ledger"), "{}", kinds[0].1);
}

fn webhook(signature: &str, body: &serde_json::Value) -> Request<Bytes> {
    Request::post("/hooks/ledger").header("x-signature", signature).body(Bytes::from(body.to_string())).unwrap()
}

#[tokio::test]
async fn a_webhook_queues_the_connections_of_its_account() {
    let world = World::new();
    world.connect().await;
    world.mark_active().await;
    let body = json!({"delivery": "d1", "account": "acc-1"});
    let reply = world.dispatcher.inbound("ledger", &webhook("hook-secret", &body)).await;
    assert_eq!((reply.status(), &reply.body()[..]), (StatusCode::OK, &b"taken"[..]));
    assert!(world.kinds().await.contains(&"pull"));
    let did = world.run_due().await;
    let pull = did.iter().find(|did| matches!(did.due, Due::Pull { .. })).unwrap();
    assert!(pull.result.as_ref().unwrap().success, "{pull:?}");
    assert!(!world.kinds().await.contains(&"pull"), "it was read");
}

#[tokio::test]
async fn a_hint_outlives_the_process_that_took_it() {
    let world = World::new();
    world.connect().await;
    world.mark_active().await;
    let body = json!({"delivery": "d1", "account": "acc-1"});
    world.dispatcher.inbound("ledger", &webhook("hook-secret", &body)).await;
    let restarted = world.again(|builder| builder);
    let due = restarted.due(world.clock.now(), 100).await.unwrap();
    assert!(due.iter().any(|due| matches!(due, Due::Pull { .. })), "{due:?}");
}

#[tokio::test]
async fn hints_are_one_until_they_are_read_and_none_that_comes_meanwhile_is_lost() {
    let world = World::new();
    world.connect().await;
    world.mark_active().await;
    for delivery in ["d1", "d2", "d3"] {
        let body = json!({"delivery": delivery, "account": "acc-1"});
        world.dispatcher.inbound("ledger", &webhook("hook-secret", &body)).await;
    }
    assert_eq!(world.kinds().await.iter().filter(|kind| **kind == "pull").count(), 1);

    let Acquired::Lease(held) = world.store.acquire(&world.scope(), "another", 60_000).await.unwrap() else { panic!() };
    world.run_due().await;
    assert!(!world.kinds().await.contains(&"pull"), "it rests while another run is under way");
    world.store.release(&held).await.unwrap();
    world.clock.forward(std::time::Duration::from_secs(60));
    assert!(world.kinds().await.contains(&"pull"), "the hint is still there");
    world.run_due().await;
    assert!(!world.kinds().await.contains(&"pull"));
}

#[tokio::test]
async fn a_webhook_that_comes_twice_queues_once() {
    let world = World::new();
    world.connect().await;
    world.mark_active().await;
    let body = json!({"delivery": "d1", "account": "acc-1"});
    world.dispatcher.inbound("ledger", &webhook("hook-secret", &body)).await;
    world.run_due().await;
    let reply = world.dispatcher.inbound("ledger", &webhook("hook-secret", &body)).await;
    assert_eq!(reply.status(), StatusCode::OK, "a copy gets the same reply");
    assert!(!world.kinds().await.contains(&"pull"));
}

#[tokio::test]
async fn a_webhook_of_another_account_or_in_setup_queues_nothing() {
    let world = World::new();
    world.connect().await;
    let body = json!({"delivery": "d1", "account": "acc-1"});
    world.dispatcher.inbound("ledger", &webhook("hook-secret", &body)).await;
    world.mark_active().await;
    assert!(!world.kinds().await.contains(&"pull"), "in setup nothing runs by itself");
    let body = json!({"delivery": "d2", "account": "acc-2"});
    world.dispatcher.inbound("ledger", &webhook("hook-secret", &body)).await;
    assert!(!world.kinds().await.contains(&"pull"));
}

#[tokio::test]
async fn a_forged_webhook_is_refused_and_changes_nothing() {
    let world = World::new();
    world.connect().await;
    world.mark_active().await;
    let body = json!({"delivery": "d1", "account": "acc-1"});
    let forged = world.dispatcher.inbound("ledger", &webhook("guess", &body)).await;
    assert_eq!(forged.status(), StatusCode::UNAUTHORIZED);
    assert!(!world.kinds().await.contains(&"pull"));
    let unknown = world.dispatcher.inbound("nobody", &webhook("hook-secret", &body)).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let unreadable = Request::post("/").header("x-signature", "hook-secret").body(Bytes::from_static(b"{")).unwrap();
    assert_eq!(world.dispatcher.inbound("ledger", &unreadable).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_withdrawal_told_by_webhook_is_looked_at_before_it_is_believed() {
    let world = World::new();
    world.connect().await;
    let body = json!({"delivery": "d1", "account": "acc-1", "event": "revoked"});
    world.dispatcher.inbound("ledger", &webhook("hook-secret", &body)).await;
    assert_eq!(world.row().await.status, ConnectionStatus::Setup);
    assert!(world.kinds().await.contains(&"check"));
    world.run_due().await;
    assert_eq!(world.row().await.status, ConnectionStatus::Setup, "the provider still takes the key");
}
