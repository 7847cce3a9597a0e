//! Push channels: started, renewed, stopped; what they tell; and the poll behind them.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use support::{AGENDA, Agenda, ORG, World};
use sync_core::{Clock as _, ErrorKind, Scope};
use sync_dispatch::{ConnectOptions, ConnectionStatus, Did, Dispatcher, DispatcherBuilder, Due};
use sync_engine::{Acquired, ChannelRow, PushChannels as _, Store as _};

const HOOKS: &str = "https://host.example/hooks/";

/// A world whose connection reads the feeds of two calendars.
struct Office {
    world: World,
}

fn agenda(builder: DispatcherBuilder) -> DispatcherBuilder {
    builder.built_integration(Arc::new(Agenda)).webhooks(HOOKS.parse().unwrap())
}

fn settings(direction: &str, calendars: &[&str]) -> Value {
    json!({"direction": direction, "calendars": calendars})
}

impl Office {
    async fn new() -> Self {
        Self::with("both", agenda).await
    }

    async fn with(direction: &str, change: impl FnOnce(DispatcherBuilder) -> DispatcherBuilder) -> Self {
        let office = Self { world: World::with(change) };
        office.connect(settings(direction, &["boat", "school"])).await;
        let mut row = office.row().await;
        row.status = ConnectionStatus::Active;
        row.approved.insert(String::new());
        office.world.put(row).await;
        office
    }

    fn scope(&self) -> Scope {
        Scope::new(ORG, AGENDA.id)
    }

    async fn connect(&self, settings: Value) {
        let options = ConnectOptions::new().settings(settings);
        self.world.dispatcher.connect_with_key(&self.scope(), "good-key".to_owned().into(), options).await.unwrap();
    }

    async fn row(&self) -> sync_dispatch::ConnectionRow {
        self.world.store.connection(&self.scope()).await.unwrap().unwrap()
    }

    async fn channels(&self) -> Vec<ChannelRow> {
        self.world.store.channels(&self.scope()).await.unwrap()
    }

    async fn run_due(&self) -> Vec<Did> {
        self.world.dispatcher.run_due(self.world.clock.now(), 100).await.unwrap()
    }

    async fn is_due(&self, dispatcher: &Dispatcher, wanted: fn(&Due) -> bool) -> bool {
        dispatcher.due(self.world.clock.now(), 100).await.unwrap().iter().any(wanted)
    }

    async fn pull_is_due(&self) -> bool {
        self.is_due(&self.world.dispatcher, |due| matches!(due, Due::Pull { .. })).await
    }

    /// Calls of a path, oldest first.
    fn calls(&self, path: &str) -> usize {
        self.world.service.state().calls.iter().filter(|call| **call == format!("POST /{path}")).count()
    }

    /// A message as the provider sends it.
    async fn tell(&self, id: &str, secret: &str, number: u32) -> StatusCode {
        let message = Request::post(format!("{HOOKS}agenda"))
            .header("x-channel", id)
            .header("x-secret", secret)
            .header("x-number", number.to_string())
            .body(Bytes::new())
            .unwrap();
        self.world.dispatcher.inbound("agenda", &message).await.status()
    }
}

#[tokio::test]
async fn a_connection_that_reads_feeds_gets_a_channel_for_each_container_once() {
    let office = Office::new().await;
    office.run_due().await;
    office.run_due().await;
    let channels = office.channels().await;
    let places: Vec<_> = channels.iter().map(|row| row.container.as_ref().unwrap().as_str()).collect();
    assert_eq!((places, office.calls("channels")), (vec!["boat", "school"], 2));
    assert!(channels.iter().all(|row| row.watching.is_some() && row.url == "https://host.example/hooks/agenda"));
    assert_ne!(channels[0].secret.expose_secret(), channels[1].secret.expose_secret());
    let told = office.world.service.state().records["channels"].clone();
    assert!(channels.iter().all(|row| told.contains_key(&row.id)), "{told:?}");
    assert!(!format!("{channels:?}").contains(channels[0].secret.expose_secret()));
}

#[tokio::test]
async fn a_connection_that_only_pushes_or_is_in_setup_gets_none() {
    let office = Office::with("push", agenda).await;
    office.run_due().await;
    assert_eq!((office.calls("channels"), office.row().await.next_run_at), (0, None));

    let office = Office::new().await;
    let mut row = office.row().await;
    row.status = ConnectionStatus::Setup;
    office.world.put(row).await;
    office.run_due().await;
    assert_eq!(office.calls("channels"), 0);
}

#[tokio::test]
async fn without_a_public_address_there_is_the_poll_alone() {
    let office = Office::with("both", |builder| builder.built_integration(Arc::new(Agenda))).await;
    let began = office.world.clock.now();
    office.run_due().await;
    assert_eq!(office.calls("channels"), 0);
    assert_eq!(office.row().await.next_run_at, Some(began + Duration::from_secs(6 * 3_600)));
    office.world.clock.forward(Duration::from_secs(6 * 3_600));
    let did = office.run_due().await;
    assert!(did.iter().any(|did| matches!(did.due, Due::Run { .. }) && did.result.as_ref().unwrap().success), "{did:?}");
    office.run_due().await;
    assert!(office.row().await.next_run_at.unwrap() > office.world.clock.now(), "and so on");
}

#[tokio::test]
async fn a_host_that_schedules_itself_or_wants_no_poll_is_left_alone() {
    let office = Office::with("both", |builder| agenda(builder).poll_every(None)).await;
    office.run_due().await;
    assert_eq!(office.row().await.next_run_at, None);

    let office = Office::new().await;
    let tomorrow = office.world.clock.now() + Duration::from_secs(24 * 3_600);
    office.world.dispatcher.schedule(&office.scope(), Some(tomorrow)).await.unwrap();
    office.run_due().await;
    assert_eq!(office.row().await.next_run_at, Some(tomorrow));
}

#[tokio::test]
async fn a_message_of_a_channel_marks_its_feed_and_the_next_run_reads_it() {
    let office = Office::new().await;
    office.run_due().await;
    let channel = &office.channels().await[0];
    let secret = channel.secret.expose_secret().to_owned();
    assert!(!office.pull_is_due().await);
    assert_eq!(office.tell(&channel.id, &secret, 2).await, StatusCode::NO_CONTENT);
    assert!(office.pull_is_due().await);
    for number in 3..40 {
        office.tell(&channel.id, &secret, number).await;
    }
    let did = office.run_due().await;
    let pulls: Vec<_> = did.iter().filter(|did| matches!(did.due, Due::Pull { .. })).collect();
    assert_eq!(pulls.len(), 1, "a burst is one run");
    assert!(pulls[0].result.as_ref().unwrap().success, "{pulls:?}");
    assert!(!office.pull_is_due().await);
}

#[tokio::test]
async fn a_message_without_the_secret_of_a_channel_of_this_integration_is_refused() {
    let office = Office::new().await;
    office.run_due().await;
    let channels = office.channels().await;
    let [one, two] = [&channels[0], &channels[1]];
    for (id, secret) in [
        (one.id.as_str(), "guess"),
        (one.id.as_str(), two.secret.expose_secret()),
        ("0000", one.secret.expose_secret()),
        (one.id.as_str(), ""),
    ] {
        assert_eq!(office.tell(id, secret, 2).await, StatusCode::UNAUTHORIZED, "{id}");
    }
    let elsewhere = Request::post("/").header("x-signature", one.secret.expose_secret()).body(Bytes::new()).unwrap();
    assert_eq!(office.world.dispatcher.inbound("ledger", &elsewhere).await.status(), StatusCode::UNAUTHORIZED);
    assert!(!office.pull_is_due().await);
}

#[tokio::test]
async fn a_channel_is_renewed_with_overlap() {
    let office = Office::new().await;
    office.run_due().await;
    let old = office.channels().await;
    office.world.clock.forward_days(6);
    // The stop fails: both run side by side, and either is heard.
    office.world.service.state().instead.insert("/stop".to_owned(), (503, None));
    office.run_due().await;
    assert_eq!((office.calls("channels"), office.channels().await.len()), (4, 4));
    assert_eq!(office.tell(&old[0].id, old[0].secret.expose_secret(), 9).await, StatusCode::NO_CONTENT);

    office.world.service.state().instead.clear();
    office.world.clock.forward(Duration::from_secs(3_600));
    office.run_due().await;
    let new = office.channels().await;
    assert_eq!((office.calls("channels"), new.len()), (4, 2));
    assert!(new.iter().all(|row| row.generation == 2));
    assert_eq!(office.tell(&old[0].id, old[0].secret.expose_secret(), 10).await, StatusCode::UNAUTHORIZED);
    let stopped = office.world.service.state().records["stop"].clone();
    assert!(old.iter().all(|row| stopped.contains_key(&row.id)), "{stopped:?}");
}

#[tokio::test]
async fn two_processes_start_one_channel_each_place() {
    let office = Office::new().await;
    let other = office.world.again(|builder| agenda(builder).random(Arc::new(sync_http::system_random())));
    let now = office.world.clock.now();
    let (one, two) = tokio::join!(office.world.dispatcher.run_due(now, 100), other.run_due(now, 100));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!((office.calls("channels"), office.channels().await.len()), (2, 2));
}

#[tokio::test]
async fn a_start_that_was_cut_off_is_made_up_for_and_what_it_may_have_started_is_heard_meanwhile() {
    let office = Office::with("both", agenda).await;
    office.world.service.state().instead.insert("/channels".to_owned(), (500, None));
    let did = office.run_due().await;
    assert!(did.iter().any(|did| matches!(did.due, Due::Watch { .. }) && did.error.is_some()), "{did:?}");
    let begun = office.channels().await;
    assert_eq!(begun.iter().filter(|row| row.watching.is_none()).count(), 2, "it may have happened");
    assert_eq!(office.tell(&begun[0].id, begun[0].secret.expose_secret(), 1).await, StatusCode::NO_CONTENT);

    office.world.service.state().instead.clear();
    office.world.clock.forward(Duration::from_secs(3_600));
    office.run_due().await;
    let now = office.channels().await;
    assert!(now.len() == 2 && now.iter().all(|row| row.watching.is_some() && row.generation == 2), "{now:?}");
}

#[tokio::test]
async fn settings_and_a_new_address_move_the_channels() {
    let office = Office::new().await;
    office.run_due().await;
    office.connect(settings("both", &["school", "car"])).await;
    office.run_due().await;
    let places: Vec<_> = office.channels().await.iter().map(|row| row.container.clone().unwrap().to_string()).collect();
    assert_eq!(places, ["car", "school"]);

    let moved = office.world.again(|builder| agenda(builder).webhooks("https://new.example/h".parse().unwrap()));
    moved.run_due(office.world.clock.now(), 100).await.unwrap();
    let urls: Vec<_> = office.channels().await.into_iter().map(|row| row.url).collect();
    assert_eq!(urls, ["https://new.example/h/agenda", "https://new.example/h/agenda"]);

    office.connect(settings("push", &["school"])).await;
    office.run_due().await;
    assert!(office.channels().await.is_empty(), "nothing is read any more");
}

#[tokio::test]
async fn a_disconnect_stops_them_even_when_the_provider_can_not_be_told() {
    for status in [200, 503] {
        let office = Office::new().await;
        office.run_due().await;
        let channel = office.channels().await.remove(0);
        if status != 200 {
            office.world.service.state().instead.insert("/stop".to_owned(), (status, None));
        }
        office.world.dispatcher.disconnect(&office.scope()).await.unwrap();
        assert!(office.channels().await.is_empty() && office.calls("stop") >= 2);
        assert_eq!(office.tell(&channel.id, channel.secret.expose_secret(), 5).await, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_new_sign_in_starts_them_anew_and_another_account_forgets_them() {
    let office = Office::new().await;
    office.run_due().await;
    office.connect(settings("both", &["boat", "school"])).await;
    office.run_due().await;
    assert!(office.channels().await.iter().all(|row| row.generation == 2), "the old ones may have ended");

    let options = ConnectOptions::new();
    let other = "other-key".to_owned().into();
    office.world.dispatcher.connect_with_key(&office.scope(), other, options).await.unwrap();
    assert!(office.channels().await.is_empty());
}

#[tokio::test]
async fn news_of_a_dead_connection_wait_until_somebody_connects_again() {
    let office = Office::new().await;
    office.run_due().await;
    let channel = office.channels().await.remove(0);
    let mut row = office.row().await;
    row.status = ConnectionStatus::Reconnect { since: office.world.clock.now(), reason: "expired".to_owned() };
    office.world.put(row).await;
    office.tell(&channel.id, channel.secret.expose_secret(), 2).await;
    assert!(!office.pull_is_due().await);
    office.connect(settings("both", &["boat", "school"])).await;
    assert!(office.pull_is_due().await);
}

#[tokio::test]
async fn a_connection_that_runs_already_keeps_its_news() {
    let office = Office::new().await;
    office.run_due().await;
    let channel = office.channels().await.remove(0);
    office.tell(&channel.id, channel.secret.expose_secret(), 2).await;
    let Acquired::Lease(_held) = office.world.store.acquire(&office.scope(), "another", 3_600_000).await.unwrap() else {
        panic!()
    };
    office.run_due().await;
    office.world.clock.forward(Duration::from_secs(60));
    assert!(office.pull_is_due().await);
}

#[test]
fn an_address_that_providers_can_not_reach_safely_is_refused() {
    let world = |url: &str| {
        let store = sync_dispatch::MemoryStore::new(Arc::new(support::TestClock::at("2026-11-22T10:00:00Z")));
        let records = sync_core::HostRecords::ReadOnly(Arc::new(support::Shop::default()));
        Dispatcher::builder(Arc::new(store), records).without_consent_sink().webhooks(url.parse().unwrap()).build()
    };
    for url in ["http://host.example/hooks", "https://host.example/hooks?x=1", "ftp://host.example/"] {
        assert_eq!(world(url).unwrap_err().kind(), ErrorKind::Config, "{url}");
    }
    assert!(world("http://127.0.0.1:8080/hooks").is_ok() && world("https://host.example").is_ok());
}
