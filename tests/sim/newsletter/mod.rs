//! A dive shop's customers and its Mailchimp audience.

mod judge;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use sync_core::{Clock as _, Collection, Consent, ConsentState, LocalId, Record, ResourceName, Value};
use sync_dispatch::{ConnectOptions, Dispatcher, DispatcherBuilder, LabelledQuestion};
use sync_engine::ConnectionStatus;
use sync_sandbox::Mailchimp;
use sync_testkit::SeededRandom;

use super::{
    lineage::{Lineage, Side},
    steps::index,
    with,
    world::{Place, Start, World},
};
use crate::{AUDIENCE, KEY, ORG, OTHER_AUDIENCE, Town, customer, member};

const MAX_RECORDS: usize = 7;
/// Members that are told at once.
const PAGE: usize = 5;
const OURS: [&str; 3] = ["diver", "guest", "instructor"];

/// The world.
#[derive(Debug)]
pub struct Newsletter {
    world: World,
    settings: Mutex<Json>,
    model: Mutex<Model>,
}

#[derive(Debug, Default)]
struct Model {
    lineage: Lineage,
    /// Customers that were made, by name, with their ids.
    made: Vec<(String, LocalId)>,
    gone_here: BTreeSet<String>,
    /// When the host last said no, by name: a record that is made again with an older consent doesn't take that back.
    denied_here: BTreeMap<String, Timestamp>,
    /// Who said no, by audience and address, and did not sign up there again since.
    refused: BTreeSet<(String, String)>,
    /// Who said no there when the host had said so already: it need not be told.
    said_here: BTreeSet<(String, String)>,
    /// Whose refusal the host was told before the audience was switched, by audience and address.
    barred: BTreeSet<(String, String)>,
    /// Who signed up by himself, by audience and address, and when.
    signed_up: BTreeMap<(String, String), Timestamp>,
    /// Members whom people there put away.
    away: BTreeSet<String>,
    /// Tags of a marketer's, by audience, member's address and tag.
    foreign: BTreeSet<(String, String, String)>,
    /// Customers about whom the engine forgot what it had agreed on.
    forgotten: BTreeSet<String>,
    /// Customers about whom a person decided.
    left: BTreeSet<String>,
    n_excused: u64,
}

/// Whose address it is: what stands before the first `x` or the sign.
fn name(email: &str) -> &str {
    email.split(['@', 'x']).next().unwrap_or_default()
}

impl Newsletter {
    fn audience(&self) -> String {
        with(&self.settings, |settings| settings["audience"].as_str().unwrap_or_default().to_owned())
    }

    fn rows(&self) -> BTreeMap<LocalId, Record> {
        self.world.shop.rows(ORG, &Collection::CUSTOMERS)
    }

    fn members(&self, audience: &str) -> Map<String, Json> {
        self.world.sandbox.state()["lists"][audience]["members"].as_object().cloned().unwrap_or_default()
    }

    fn pick_here(&self, draw: &SeededRandom) -> Option<(LocalId, Record)> {
        let rows: Vec<_> = self.rows().into_iter().collect();
        rows.get(index(draw.below(rows.len() as u64))).cloned()
    }

    fn pick_there(&self, draw: &SeededRandom) -> Option<(String, String, Json)> {
        let audience = if draw.chance(0.85) { self.audience() } else { OTHER_AUDIENCE.to_owned() };
        let members: Vec<_> = self.members(&audience).into_iter().collect();
        let (email, member) = members.get(index(draw.below(members.len() as u64))).cloned()?;
        Some((audience, email, member))
    }

    /// True when the host says of this address that it wants no mail.
    fn says_no(&self, email: &str) -> bool {
        let rows = self.rows();
        let of_it = rows.values().find(|row| row.text("email").is_some_and(|own| own.eq_ignore_ascii_case(email)));
        let consent = of_it.and_then(|row| row.value("consent.email")).and_then(Value::as_consent);
        consent.is_some_and(|consent| consent.state == ConsentState::Denied)
    }

    /// Somebody said no there, or can't be reached.
    fn refuses(&self, audience: &str, email: &str) {
        let is_known = self.says_no(email);
        with(&self.model, |model| {
            let place = (audience.to_owned(), email.to_owned());
            model.signed_up.remove(&place);
            if is_known {
                model.said_here.insert(place.clone());
            } else {
                model.said_here.remove(&place);
            }
            model.refused.insert(place);
        });
    }

    fn act(&self, action: &str, audience: &str, email: &str, more: Json) -> Option<()> {
        let mut act = json!({"do": action, "list": audience, "email": email});
        for (name, value) in more.as_object().into_iter().flatten() {
            act[name] = value.clone();
        }
        self.world.sandbox.act(&act).ok().map(drop)
    }

    fn make(&self, draw: &SeededRandom) -> Option<String> {
        let n_made = with(&self.model, |model| model.made.len());
        if n_made >= MAX_RECORDS {
            return None;
        }
        let name = format!("c{n_made:02}");
        self.put(&name, draw);
        with(&self.model, |model| model.made.push((name.clone(), LocalId::new(name.clone()))));
        Some(format!("here: {name} is made"))
    }

    fn put(&self, name: &str, draw: &SeededRandom) {
        let tags: Vec<&str> = OURS.into_iter().filter(|_| draw.chance(0.4)).collect();
        let value = format!("{name} v{}", self.world.fresh());
        let mut record = customer(name, &tags).with("first_name", Value::text(value.clone()));
        if draw.chance(0.15) {
            record.set("consent.email", self.says(name, ConsentState::Denied));
        }
        with(&self.model, |model| {
            model.lineage.edit(Side::Here, name, "first_name", &value, None);
            model.gone_here.remove(name);
        });
        self.world.shop.put(ORG, &Collection::CUSTOMERS, name, record);
    }

    /// The host's word on somebody, of now.
    fn says(&self, name: &str, state: ConsentState) -> Value {
        let now = self.world.clock.now();
        if state == ConsentState::Denied {
            with(&self.model, |model| model.denied_here.insert(name.to_owned(), now));
        }
        Value::Consent(Consent::new(state).at(now))
    }

    fn edit_here(&self, draw: &SeededRandom) -> Option<String> {
        let (id, record) = self.pick_here(draw)?;
        let email = record.text("email").unwrap_or_default().to_owned();
        let name = name(&email).to_owned();
        let (field, value) = match draw.below(8) {
            0..=2 => {
                let value = format!("{name} v{}", self.world.fresh());
                let saw = record.text("first_name");
                with(&self.model, |model| model.lineage.edit(Side::Here, &name, "first_name", &value, saw));
                ("first_name", Value::text(value))
            }
            3..=5 => {
                let tags = OURS.into_iter().filter(|_| draw.chance(0.5)).map(str::to_owned).collect();
                ("tags", Value::Set(tags))
            }
            6 => {
                // What was said about an address is not known of another one, and who was there before stays there.
                let is_known = |model: &mut Model| {
                    model.refused.iter().chain(model.signed_up.keys()).any(|(_, known)| self::name(known) == name)
                };
                if with(&self.model, is_known) {
                    return None;
                }
                ("email", Value::text(format!("{name}x{}@example.com", self.world.fresh())))
            }
            _ if draw.chance(0.6) => ("consent.email", self.says(&name, ConsentState::Denied)),
            _ => ("consent.email", self.says(&name, ConsentState::Granted)),
        };
        let said = format!(
            "here: {field} of {name} is {:?}",
            value.as_consent().map_or_else(|| format!("{:?}", value.as_set()), |consent| format!("{:?}", consent.state))
        );
        self.world.shop.edit(ORG, &Collection::CUSTOMERS, id.as_str(), |record| {
            record.set(field, value);
        });
        Some(said)
    }

    fn edit_there(&self, draw: &SeededRandom) -> Option<String> {
        let (audience, email, member) = self.pick_there(draw)?;
        let status = member["status"].as_str().unwrap_or_default();
        let kind = draw.below(12);
        match kind {
            // Who left can't leave again.
            0..=1 if status == "unsubscribed" => return None,
            0..=1 => {
                self.act("unsubscribe", &audience, &email, json!({}))?;
                self.refuses(&audience, &email);
            }
            2 => {
                self.act("clean", &audience, &email, json!({}))?;
                self.refuses(&audience, &email);
            }
            3 => {
                self.act("subscribe", &audience, &email, json!({}))?;
                with(&self.model, |model| {
                    model.refused.remove(&(audience.clone(), email.clone()));
                    model.signed_up.insert((audience.clone(), email.clone()), self.world.clock.now());
                    model.away.remove(name(&email))
                });
            }
            4..=6 => {
                let tag = format!("mk-{}", draw.below(3));
                self.act("tag", &audience, &email, json!({"name": tag}))?;
                with(&self.model, |model| model.foreign.insert((audience.clone(), email.clone(), tag)));
            }
            7 => {
                let foreign = with(&self.model, |model| {
                    model.foreign.iter().find(|(list, of, _)| *list == audience && *of == email).cloned()
                });
                let foreign = foreign?;
                self.act("untag", &audience, &email, json!({"name": foreign.2}))?;
                with(&self.model, |model| model.foreign.remove(&foreign));
            }
            8..=9 => {
                let value = format!("{} v{}", name(&email), self.world.fresh());
                self.act("edit", &audience, &email, json!({"field": "FNAME", "value": value}))?;
                let saw = member["merge_fields"]["FNAME"].as_str();
                with(&self.model, |model| model.lineage.edit(Side::There, name(&email), "first_name", &value, saw));
            }
            _ => {
                if status == "archived" {
                    return None;
                }
                self.act("archive", &audience, &email, json!({}))?;
                with(&self.model, |model| model.away.insert(name(&email).to_owned()));
            }
        }
        Some(format!("there: {email} in {audience}, {status}: {kind}"))
    }
}

#[async_trait]
impl Place for Newsletter {
    const INTEGRATION: &'static str = "mailchimp";

    const DIRECTIONS: &'static [&'static str] = &["push"];

    const LEFT_TO_PEOPLE: &'static [&'static str] = &[];

    const STANDING_CALLS: usize = 0;

    // Some have had two addresses.
    const ECHO_PAGES: usize = 2 * MAX_RECORDS / PAGE;

    fn start(start: &Start) -> Self {
        let seed = start.seed;
        let draw = SeededRandom::new(seed ^ 0x3E7);
        let mut members = Vec::new();
        let mut model = Model::default();
        for n in 0..MAX_RECORDS {
            let name = format!("c{n:02}");
            let email = format!("{name}@example.com");
            match draw.below(10) {
                0 => {
                    members.push(member(&name, "unsubscribed"));
                    model.refused.insert((AUDIENCE.to_owned(), email));
                }
                1 => {
                    members.push(member(&name, "cleaned"));
                    model.refused.insert((AUDIENCE.to_owned(), email));
                }
                2..=3 => {
                    members.push(member(&name, "subscribed").with_tag("mk-0"));
                    model.foreign.insert((AUDIENCE.to_owned(), email.clone(), "mk-0".to_owned()));
                    model.signed_up.insert((AUDIENCE.to_owned(), email), Timestamp::MIN);
                }
                _ => {}
            }
        }
        members.push(member("zoe", "subscribed"));
        model.signed_up.insert((AUDIENCE.to_owned(), "zoe@example.com".to_owned()), Timestamp::MIN);
        let place = Self {
            world: World::new(Self::INTEGRATION, Mailchimp::new(Town::seed(members)), start),
            settings: Mutex::new(json!({"audience": AUDIENCE})),
            model: Mutex::new(model),
        };
        for _ in 0..1 + draw.below(5) {
            place.make(&draw);
        }
        place
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn build(&self, builder: DispatcherBuilder) -> DispatcherBuilder {
        builder.config(Self::INTEGRATION, json!({"members_per_call": 3, "page_size": PAGE}))
    }

    async fn connect(&self, dispatcher: &Dispatcher) {
        let scope = &self.world.scope;
        let row = dispatcher.store().connection(scope).await.ok().flatten();
        let lives = row.is_some_and(|row| {
            row.account.is_some() && matches!(row.status, ConnectionStatus::Active | ConnectionStatus::Setup)
        });
        if lives {
            return;
        }
        let settings = with(&self.settings, |settings| settings.clone());
        let options = ConnectOptions::new().settings(settings);
        let connected = dispatcher.connect_with_key(scope, KEY.to_owned().into(), options).await;
        self.world.note(|| format!("connected: {:?}", connected.map(|connected| connected.status)));
    }

    fn edit(&self, draw: &SeededRandom) -> Option<String> {
        match draw.below(100) {
            0..=44 => self.edit_here(draw),
            45..=79 => self.edit_there(draw),
            80..=88 => self.make(draw),
            89..=94 => {
                let (id, record) = self.pick_here(draw)?;
                let name = name(record.text("email").unwrap_or_default()).to_owned();
                self.world.shop.delete(ORG, &Collection::CUSTOMERS, id.as_str());
                with(&self.model, |model| {
                    let first = record.text("first_name").unwrap_or_default();
                    model.lineage.excuse(&name, "first_name", first);
                    model.gone_here.insert(name.clone());
                });
                Some(format!("here: {name} is deleted"))
            }
            _ => {
                let gone = with(&self.model, |model| model.gone_here.iter().next().cloned())?;
                self.put(&gone, draw);
                Some(format!("here: {gone} is made again"))
            }
        }
    }

    fn settings(&self, _: &SeededRandom) -> Json {
        let other = if self.audience() == AUDIENCE { OTHER_AUDIENCE } else { AUDIENCE };
        json!({"audience": other})
    }

    fn configured(&self, new: Json) {
        let audience = new["audience"].as_str().unwrap_or_default().to_owned();
        with(&self.settings, |settings| *settings = new);
        // Who is no member there yet and is known to have said no must not become one.
        let members = self.members(&audience);
        let told = self.world.shop.facts(ORG).into_iter().filter(|fact| fact.state <= ConsentState::Denied);
        let told = told.map(|fact| fact.address.to_lowercase()).filter(|address| !members.contains_key(address));
        with(&self.model, |model| {
            let still = |address: &String| model.refused.iter().any(|(_, refused)| refused == address);
            let barred: Vec<_> = told.filter(still).map(|address| (audience.clone(), address)).collect();
            model.barred.extend(barred);
        });
    }

    fn answered(&self, question: &LabelledQuestion, key: &str) {
        if key != "create" {
            with(&self.model, |model| model.left.extend(question.question.locals.iter().map(|id| id.to_string())));
        }
    }

    fn someone(&self, draw: &SeededRandom) -> Option<(Collection, LocalId)> {
        let made = with(&self.model, |model| model.made.clone());
        let (name, id) = made.get(index(draw.below(made.len() as u64)))?.clone();
        // Whoever asks may forget it.
        with(&self.model, |model| model.forgotten.insert(name));
        Some((Collection::CUSTOMERS, id))
    }

    async fn broken(&self, dispatcher: &Dispatcher) -> Vec<String> {
        self.judged(dispatcher).await
    }

    fn awaits_first_plan(&self, approved: &BTreeSet<String>) -> bool {
        !approved.contains(&self.audience())
    }

    fn is_two_way(&self) -> bool {
        false
    }

    fn picture(&self) -> String {
        format!("{:?} {} {:?}", self.rows(), self.world.sandbox.state(), self.world.shop.facts(ORG).len())
    }

    fn excused(&self) -> u64 {
        with(&self.model, |model| model.n_excused)
    }
}
