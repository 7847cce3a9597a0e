//! Plans and audits of a connection that writes both sides: a shop's trips and its captain's calendar.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde_json::{Value as Json, json};
use support::{ORG, World};
use sync_core::{Collection, Credentials, Grant, Grants as _, Record, Scope, Swapped, Value};
use sync_engine::{ConnectionRow, ConnectionStatus, Store as _};
use sync_sandbox::{CalendarSeed, Google, GoogleSeed, GoogleTokenSeed, SandboxOptions};
use sync_store::{SqlStore, StoreKey};

const CAPTAIN: &str = "captain@shop.example.com";
const CALENDAR: &str = "trips@group.calendar.google.com";
const TOKEN: &str = "ya29.plans-0123456789";
const TRIPS: Collection = Collection::from_static("trips");

/// A shop whose trips are in the captain's calendar already.
struct Harbour {
    world: World,
    runtime: tokio::runtime::Runtime,
}

impl Harbour {
    fn new(trips: &[&str]) -> Self {
        let account = GoogleSeed::new(CAPTAIN)
            .with_calendar(CalendarSeed::new(CALENDAR, "Trips", CAPTAIN).with_zone("Europe/Madrid"))
            .with_token(GoogleTokenSeed::new(TOKEN, CAPTAIN));
        let world = World::around(Google::new(account), SandboxOptions::default());
        let url = format!("http://127.0.0.1:{}", world.port);
        let config = format!(
            "organization = \"{ORG}\"\n[providers.google-calendar.endpoints]\napi = \"{url}\"\naccounts = \"{url}\"\n\
             token = \"{url}\"\n"
        );
        world.write("syncctl.toml", config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let harbour = Self { world, runtime };
        harbour.with_store(async |store| {
            let scope = Scope::new(ORG, "google-calendar");
            let grant = Grant {
                generation: 1,
                credentials: Credentials::Token { access: TOKEN.into(), refresh: None, expires_at: None },
                vars: BTreeMap::new(),
                scopes: vec!["https://www.googleapis.com/auth/calendar".to_owned()],
                account: Some(CAPTAIN.into()),
                dead_since: None,
            };
            assert!(matches!(store.swap(&scope, None, Some(grant)).await.unwrap(), Swapped::Stored));
            let row = ConnectionRow {
                scope,
                revision: 1,
                status: ConnectionStatus::Setup,
                account: Some(CAPTAIN.into()),
                account_name: None,
                settings: json!({"calendar": CALENDAR, "direction": "both", "on_remote_new": "create", "foreign": true}),
                approved: Default::default(),
                standing_grants: Vec::new(),
                created_at: Timestamp::now(),
                checked_at: None,
                next_run_at: None,
            };
            assert!(store.put_connection(&row, None).await.unwrap());
        });
        trips.iter().for_each(|trip| harbour.put(trip, trip));
        harbour.world.run(&["plan", "google-calendar", "--out", "first.jsonl"]).exits(0);
        let first = harbour.world.run(&["apply", "first.jsonl", "--json"]).exits(0).json();
        assert_eq!(first["synced"], trips.len(), "{first}");
        // Once through its own echoes.
        harbour.world.run(&["sync", "google-calendar"]).exits(0);
        harbour
    }

    fn with_store(&self, work: impl AsyncFnOnce(&SqlStore)) {
        let key = StoreKey::from_file_or_create(self.world.path("sync.key")).unwrap();
        self.runtime.block_on(async {
            let store = SqlStore::open(self.world.path("sync.db"), key).await.unwrap();
            work(&store).await;
            store.close().await;
        });
    }

    fn put(&self, id: &str, title: &str) {
        let day = Timestamp::now().to_zoned(TimeZone::UTC).date().saturating_add(9.days());
        let record = Record::new()
            .with("title", Value::text(title))
            .with("date", Value::Date(day))
            .with("start_time", Value::text("09:00"))
            .with("end_time", Value::text("13:00"))
            .with("zone", Value::text("Europe/Madrid"))
            .with("status", Value::text("scheduled"));
        self.with_store(async |store| {
            store.records().upsert(&ORG.into(), &TRIPS, vec![(id.into(), record)]).await.unwrap();
        });
    }

    /// The event that is the counterpart of a trip.
    fn event(&self, id: &str) -> String {
        let why = self.world.run(&["why", id, "--json"]).exits(0).json();
        why[0]["why"]["links"][0]["remote"].as_str().unwrap().to_owned()
    }

    /// The captain drags an event by an hour.
    fn shift(&self, id: &str) {
        let event = self.event(id);
        let action = json!({"do": "shift", "calendar": CALENDAR, "event": event, "minutes": 60});
        self.world.sandbox.act(&action).unwrap();
    }

    #[track_caller]
    fn plan(&self) -> Vec<Json> {
        self.world.run(&["plan", "google-calendar", "--out", "plan.jsonl"]).exits(0);
        let text = std::fs::read_to_string(self.world.path("plan.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[track_caller]
fn of<'a>(lines: &'a [Json], id: &str) -> &'a Json {
    lines.iter().find(|line| line["id"] == id).unwrap_or_else(|| panic!("{id} is missing: {lines:#?}"))
}

#[test]
fn a_plan_of_both_ways_says_what_is_written_on_which_side_and_is_applied_as_it_says() {
    let harbour = Harbour::new(&["reef", "wreck", "cave"]);
    harbour.shift("reef");
    harbour.put("reef", "Deep reef");
    harbour.shift("wreck");
    harbour.put("cave", "Blue cave");
    let lines = harbour.plan();
    let head = &lines[0];
    assert_eq!(head["planned"], json!({"update": 2, "update-here": 2}), "{head}");
    let sides = |id: &str| {
        let line = of(&lines, id);
        let changes = line["changes"].as_array().unwrap();
        let fields = changes
            .iter()
            .map(|change| format!("{}:{}", change["side"].as_str().unwrap(), change["field"].as_str().unwrap()));
        (line["there"].clone(), line["here"].clone(), fields.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(sides("reef"), (json!("update"), json!("update"), "there:title here:end_time here:start_time".to_owned()));
    assert_eq!(sides("wreck"), (Json::Null, json!("update"), "here:end_time here:start_time".to_owned()));
    assert_eq!(sides("cave"), (json!("update"), Json::Null, "there:title".to_owned()));
    let start =
        of(&lines, "wreck")["changes"].as_array().unwrap().iter().find(|change| change["field"] == "start_time").unwrap();
    assert_eq!((&start["before"], &start["after"]), (&json!("09:00"), &json!("10:00")));

    // One of them moves again, there, before the plan is applied.
    harbour.shift("wreck");
    let applied = harbour.world.run(&["apply", "plan.jsonl", "--json"]).exits(1).json();
    assert_eq!((&applied["asPlanned"], &applied["moved"]), (&json!(2), &json!(1)), "{applied}");
    assert_eq!(applied["movedRecords"][0]["id"], "wreck");
    let audit = harbour.world.run(&["audit", "google-calendar"]).exits(1);
    assert!(audit.stdout.contains("start_time is \"11:00\" there and \"09:00\" here"), "{audit:?}");
    harbour.world.run(&["sync", "google-calendar"]).exits(0);
    harbour.world.run(&["audit", "google-calendar"]).exits(0).says("Nothing differs");
}

#[test]
fn a_record_that_is_only_there_is_planned_by_its_id_there_and_why_knows_it() {
    let harbour = Harbour::new(&["reef"]);
    let day = Timestamp::now().to_zoned(TimeZone::UTC).date().saturating_add(20.days());
    let at = |hour: u8| json!({"dateTime": format!("{day}T{hour}:00:00Z")});
    let body = json!({"summary": "Sunset", "start": at(16), "end": at(18)});
    harbour.world.sandbox.act(&json!({"do": "create", "calendar": CALENDAR, "body": body})).unwrap();
    let lines = harbour.plan();
    let line = &lines[1];
    assert_eq!(
        (&line["there"], &line["here"], &line["reason"]),
        (&Json::Null, &json!("create"), &json!("new-there")),
        "{lines:#?}"
    );
    let id = line["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("remote:"), "{id}");
    harbour.world.run(&["apply", "plan.jsonl"]).exits(0);
    let why = harbour.world.run(&["why", &id, "--json"]).exits(0).json();
    assert_eq!(why[0]["why"]["links"][0]["remote"], id.trim_start_matches("remote:"), "{why}");
}

#[test]
fn a_run_is_taken_back_by_a_plan_that_is_shown_first_in_words_or_as_a_file() {
    let harbour = Harbour::new(&["reef", "wreck"]);
    harbour.put("reef", "Deep reef");
    let run = harbour.world.run(&["sync", "google-calendar", "--json"]).exits(0).json();
    let run = run["details"]["runId"].as_str().unwrap().to_owned();
    let is_deep = || harbour.world.sandbox.state().to_string().contains("Deep reef");
    assert!(is_deep());

    let shown = harbour.world.run(&["undo", "google-calendar", &run, "--text"]).exits(0);
    assert!(shown.stdout.contains("1 update") && shown.stdout.contains("--approve"), "{shown:?}");
    assert!(is_deep(), "a plan writes nothing");
    let hash = shown.stdout.split("--approve ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    harbour.world.run(&["undo", "google-calendar", &run, "--approve", &hash]).exits(0);
    assert!(!is_deep());
    let again = harbour.world.run(&["sync", "google-calendar", "--json"]).exits(0).json();
    assert_eq!((&again["synced"], is_deep()), (&json!(0), false), "{again}");

    harbour.put("wreck", "Old wreck");
    let run = harbour.world.run(&["sync", "google-calendar", "--json"]).exits(0).json();
    let run = run["details"]["runId"].as_str().unwrap().to_owned();
    harbour.world.run(&["undo", "google-calendar", &run, "--out", "undo.jsonl"]).exits(0);
    let applied = harbour.world.run(&["apply", "undo.jsonl", "--json"]).exits(0).json();
    assert_eq!((&applied["asPlanned"], &applied["synced"]), (&json!(1), &json!(1)), "{applied}");
    let none = harbour.world.run(&["undo", "google-calendar", "no-such-run"]);
    assert!(none.stderr.contains("there is no run no-such-run"), "{none:?}");
}
