//! A dive shop's trips and its captain's Google calendar.

mod judge;
mod people;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use async_trait::async_trait;
use jiff::{Timestamp, ToSpan as _, civil::DateTime, tz::TimeZone};
use serde_json::{Value as Json, json};
use sync_core::{Collection, LocalId, Record, ResourceName, Value};
use sync_dispatch::{Dispatcher, DispatcherBuilder, LabelledQuestion, http::OAuthClient};
use sync_engine::{Link, LinkState};
use sync_sandbox::{CalendarSeed, ConsentSeed, Google, GoogleClientSeed, GoogleSeed};
use sync_testkit::SeededRandom;

use self::people::when_here;
use super::{
    lineage::{Edit, Lineage, Side},
    steps::index,
    with,
    world::{Place, Start, World},
};
use crate::{
    ORG,
    harbour::{CALENDAR, CAPTAIN, SECOND, SESSIONS, TRIPS},
};

const ZONE: &str = "Europe/Madrid";
const TABLES: [Collection; 2] = [TRIPS, SESSIONS];
/// What people change on both sides.
const FIELDS: [&str; 3] = ["title", "location", "when"];
/// Most records that people make.
const MAX_RECORDS: usize = 7;
const CANCELLED: &str = "Cancelled: ";

/// The world.
#[derive(Debug)]
pub struct Calendar {
    world: World,
    settings: Mutex<Json>,
    model: Mutex<Model>,
}

#[derive(Debug, Default)]
struct Model {
    lineage: Lineage,
    /// Records that people here made: name, table and id.
    made_here: Vec<(String, Collection, LocalId)>,
    /// Events that people there made by themselves.
    made_there: BTreeSet<String>,
    /// Copies that people there made, by id: nobody's.
    copies: BTreeSet<String>,
    /// What a person here saw who deleted it.
    gone_here: BTreeMap<String, BTreeMap<&'static str, String>>,
    /// What a person there saw who deleted it.
    gone_there: BTreeMap<String, BTreeMap<&'static str, String>>,
    /// Records about which the engine forgot what it had agreed on.
    forgotten: BTreeSet<String>,
    /// Records about which somebody said to leave them as they are, or to do away with them.
    left: BTreeSet<String>,
    /// Records about which somebody said that they are to be made again.
    wanted: BTreeSet<String>,
    n_excused: u64,
}

/// A record as one side shows it.
#[derive(Debug, Clone)]
struct Shown {
    /// Where: table and id, or calendar and id.
    place: (String, String),
    fields: BTreeMap<&'static str, String>,
    is_cancelled: bool,
    boat: Option<String>,
}

/// The name that a title begins with, such as `T03`.
fn name(title: &str) -> Option<&str> {
    let name = title.strip_prefix(CANCELLED).unwrap_or(title).split(' ').next()?;
    let is_name = name.len() == 3 && name.starts_with(['T', 'S', 'F']);
    is_name.then_some(name)
}

impl Calendar {
    /// What the host shows, by name. Twins are both there.
    fn here(&self) -> BTreeMap<String, Vec<Shown>> {
        let mut all: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
        for table in TABLES {
            for (id, record) in self.world.shop.rows(ORG, &table) {
                let title = record.text("title").unwrap_or_default();
                let Some(name) = name(title) else { continue };
                let mut fields = BTreeMap::from([("title", title.to_owned())]);
                fields.insert("location", record.text("location").unwrap_or_default().to_owned());
                fields.insert("when", when_here(&record).unwrap_or_default());
                all.entry(name.to_owned()).or_default().push(Shown {
                    place: (table.to_string(), id.to_string()),
                    fields,
                    is_cancelled: record.text("status") == Some("cancelled"),
                    boat: record.text("boat").map(str::to_owned),
                });
            }
        }
        all
    }

    /// What the calendars show, by name, without copies.
    fn there(&self) -> BTreeMap<String, Vec<Shown>> {
        let copies = with(&self.model, |model| model.copies.clone());
        let mut all: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
        let state = self.world.sandbox.state();
        for calendar in [CALENDAR, SECOND] {
            for (id, event) in state["calendars"][calendar]["events"].as_object().into_iter().flatten() {
                let summary = event["summary"].as_str().unwrap_or_default();
                let Some(name) = name(summary).filter(|_| !copies.contains(id)) else { continue };
                if event["status"] == "cancelled" {
                    continue;
                }
                let title = summary.strip_prefix(CANCELLED).unwrap_or(summary);
                let start = event["start"]["dateTime"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
                let mut fields = BTreeMap::from([("title", title.to_owned())]);
                fields.insert("location", event["location"].as_str().unwrap_or_default().to_owned());
                fields.insert("when", start.map(|at| at.to_string()).unwrap_or_default());
                let text = event["description"].as_str().unwrap_or_default();
                all.entry(name.to_owned()).or_default().push(Shown {
                    place: (calendar.to_owned(), id.clone()),
                    fields,
                    is_cancelled: summary.starts_with(CANCELLED),
                    boat: text.lines().find_map(|line| line.strip_prefix("Boat: ")).map(str::to_owned),
                });
            }
        }
        all
    }
}

impl Model {
    /// Somebody deletes what he sees: it was thrown away knowingly.
    fn gone(&mut self, side: Side, name: &str, fields: BTreeMap<&'static str, String>) {
        for (field, value) in &fields {
            self.lineage.excuse(name, field, value);
        }
        let gone = if side == Side::Here { &mut self.gone_here } else { &mut self.gone_there };
        gone.insert(name.to_owned(), fields);
    }
}

#[async_trait]
impl Place for Calendar {
    const INTEGRATION: &'static str = "google-calendar";

    const DIRECTIONS: &'static [&'static str] = &["push", "both", "pull"];

    const LEFT_TO_PEOPLE: &'static [&'static str] = &[];

    const STANDING_CALLS: usize = 0;

    const ECHO_PAGES: usize = 0;

    fn start(start: &Start) -> Self {
        let seed = start.seed;
        let calendar = |id, name| CalendarSeed::new(id, name, CAPTAIN).with_zone(ZONE).made_by("client-1");
        let account = GoogleSeed::new(CAPTAIN)
            .with_calendar(calendar(CALENDAR, "Trips"))
            .with_calendar(calendar(SECOND, "Dory"))
            .with_oauth_client(GoogleClientSeed::new("client-1", "client-secret"))
            .with_consent(ConsentSeed::default());
        let draw = SeededRandom::new(seed ^ 0xCA1);
        let mut settings = json!({"calendar": CALENDAR, "zone": ZONE});
        let drawn = ["both", "both", "both", "both", "both", "both", "both", "push", "push", "pull"][index(draw.below(10))];
        let direction = start.direction.unwrap_or(drawn);
        settings["direction"] = json!(direction);
        if draw.chance(0.3) {
            settings["calendars_by"] = json!({"field": "boat", "calendars": {"Dory": SECOND}});
        }
        if draw.chance(0.2) {
            settings["training_calendar"] = json!(SECOND);
        }
        let policy = ["ask", "ask", "local-wins", "remote-wins"][index(draw.below(4))];
        settings["conflicts"] = json!({"title": policy, "location": policy, "date": policy, "start_time": policy});
        if draw.chance(0.3) || direction == "pull" {
            settings["on_remote_new"] = json!("create");
            settings["foreign"] = json!(true);
        }
        if draw.chance(0.3) {
            settings["on_remote_delete"] = json!(["detach", "recreate"][index(draw.below(2))]);
        }
        if draw.chance(0.2) {
            settings["booked_moves"] = json!("write");
        }
        let place = Self {
            world: World::new(Self::INTEGRATION, Google::new(account), start),
            settings: Mutex::new(settings),
            model: Mutex::default(),
        };
        for _ in 0..1 + draw.below(4) {
            place.make(&draw);
        }
        if direction == "pull" {
            place.make_there();
        }
        place
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn build(&self, builder: DispatcherBuilder) -> DispatcherBuilder {
        let builder = builder.oauth_client(Self::INTEGRATION, OAuthClient::new("client-1", "client-secret".to_owned()));
        match "https://shop.example/hooks".parse() {
            Ok(url) => builder.webhooks(url),
            Err(_) => builder,
        }
    }

    async fn connect(&self, dispatcher: &Dispatcher) {
        let settings = with(&self.settings, |settings| settings.clone());
        self.world.sign_in(dispatcher, settings, "http://127.0.0.1:4000/callback").await;
    }

    fn edit(&self, draw: &SeededRandom) -> Option<String> {
        match draw.below(100) {
            0..=25 => self.edit_here(draw),
            26..=51 => self.edit_there(draw),
            52..=61 => self.edit_own(draw),
            62..=70 => self.make(draw),
            71..=77 => self.delete_here(draw),
            78..=84 => self.delete_there(draw),
            85..=87 => self.restore_here(draw),
            _ => self.touch(draw),
        }
    }

    fn settings(&self, draw: &SeededRandom) -> Json {
        let mut settings = with(&self.settings, |settings| settings.clone());
        match draw.below(3) {
            0 if settings["foreign"] != true => {
                let other = if settings["calendar"] == CALENDAR { SECOND } else { CALENDAR };
                settings["calendar"] = json!(other);
            }
            1 => settings["booked_moves"] = json!(if draw.chance(0.5) { "ask" } else { "write" }),
            _ => settings["default_minutes"] = json!(60 + draw.below(60)),
        }
        settings
    }

    fn configured(&self, new: Json) {
        with(&self.settings, |settings| *settings = new);
    }

    fn answered(&self, question: &LabelledQuestion, key: &str) {
        let question = &question.question;
        let (here, there) = (self.here(), self.there());
        for local in &question.locals {
            let is_it = |all: &&Shown| all.place.1 == local.as_str() || local.as_str() == format!("remote:{}", all.place.1);
            let named = |shown: &BTreeMap<String, Vec<Shown>>| {
                shown.iter().find(|(_, all)| all.iter().any(|one| is_it(&one))).map(|(name, _)| name.clone())
            };
            let made = with(&self.model, |model| {
                model.made_here.iter().find(|(.., id)| id == local).map(|(name, ..)| name.clone())
            });
            let Some(name) = named(&here).or_else(|| named(&there)).or(made) else { continue };
            let (ours, theirs) = (here.get(&name).and_then(|all| all.first()), there.get(&name).and_then(|all| all.first()));
            with(&self.model, |model| match key {
                "ours" | "put-back" | "theirs" | "accept" => {
                    for field in FIELDS {
                        let of = |shown: Option<&Shown>| shown.and_then(|shown| shown.fields.get(field)).cloned();
                        let (Some(ours), Some(theirs)) = (of(ours), of(theirs)) else { continue };
                        match key {
                            "ours" | "put-back" => model.lineage.chose(&name, field, &ours, &theirs),
                            _ => model.lineage.chose(&name, field, &theirs, &ours),
                        }
                    }
                }
                "create" => {
                    model.wanted.insert(name.clone());
                }
                "again" => {}
                // Left, cancelled or deleted here, or linked with something: a person took it into his own hands.
                _ => {
                    model.left.insert(name.clone());
                }
            });
        }
    }

    fn someone(&self, draw: &SeededRandom) -> Option<(Collection, LocalId)> {
        let made = with(&self.model, |model| model.made_here.clone());
        let (name, table, id) = made.get(index(draw.below(made.len() as u64)))?.clone();
        // Whoever asks may forget it.
        with(&self.model, |model| model.forgotten.insert(name));
        Some((table, id))
    }

    async fn broken(&self, dispatcher: &Dispatcher) -> Vec<String> {
        self.judged(dispatcher).await
    }

    fn awaits_first_plan(&self, approved: &BTreeSet<String>) -> bool {
        with(&self.settings, |settings| settings["calendar"].as_str().is_none_or(|calendar| !approved.contains(calendar)))
    }

    fn is_two_way(&self) -> bool {
        with(&self.settings, |settings| settings["direction"] == "both")
    }

    fn picture(&self) -> String {
        format!("{:?} {:?}", self.here(), self.there())
    }

    fn excused(&self) -> u64 {
        with(&self.model, |model| model.n_excused)
    }
}
