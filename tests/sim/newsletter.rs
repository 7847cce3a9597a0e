//! A dive shop's customers and its Mailchimp audience.

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
            record.set("consent.email", self.consent(ConsentState::Denied));
        }
        with(&self.model, |model| {
            model.lineage.edit(Side::Here, name, "first_name", &value, None);
            model.gone_here.remove(name);
        });
        self.world.shop.put(ORG, &Collection::CUSTOMERS, name, record);
    }

    fn consent(&self, state: ConsentState) -> Value {
        Value::Consent(Consent::new(state).at(self.world.clock.now()))
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
            _ if draw.chance(0.6) => ("consent.email", self.consent(ConsentState::Denied)),
            _ => ("consent.email", self.consent(ConsentState::Granted)),
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
        builder.config(Self::INTEGRATION, json!({"members_per_call": 3, "page_size": 5}))
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
        let (audience, rows) = (self.audience(), self.rows());
        let members = self.members(&audience);
        let mut broken = Vec::new();
        let mut n_of: BTreeMap<&str, u64> = BTreeMap::new();
        for (email, member) in &members {
            if member["status"] != "archived" {
                *n_of.entry(name(email)).or_default() += 1;
            }
        }
        broken.extend(n_of.iter().filter(|(_, n)| **n > 1).map(|(name, n)| format!("law 1: {name} is {n} times there")));
        let gone = with(&self.model, |model| model.gone_here.clone());
        let ids: Vec<LocalId> = rows.keys().cloned().chain(gone.into_iter().map(LocalId::new)).collect();
        let resource = ResourceName::from_static("contacts");
        let items = dispatcher.store().items_by_local(&self.world.scope, &resource, &ids).await.unwrap_or_default();
        let stands: BTreeMap<LocalId, String> =
            items.into_iter().flatten().map(|item| (item.local.clone(), item.outcome.code.to_string())).collect();
        // Whoever looks into a failure wants to know what was agreed on.
        let mut linked: BTreeMap<LocalId, String> = BTreeMap::new();
        for id in &ids {
            let links = dispatcher.store().links_of(&self.world.scope, id.as_str()).await.unwrap_or_default();
            linked.insert(id.clone(), serde_json::to_string(&links).unwrap_or_default());
        }
        with(&self.model, |model| {
            model.n_excused += stands.len() as u64;
            for (id, row) in &rows {
                let line = model.customer(&audience, row, &members, stands.get(id));
                broken
                    .extend(line.map(|line| format!("{line} (stands: {:?}; linked: {:?})", stands.get(id), linked.get(id))));
            }
            for name in &model.gone_here {
                let member =
                    members.iter().find(|(email, member)| self::name(email) == name && member["status"] == "subscribed");
                // Who was there before us and was never linked is none of ours.
                let was_there = |email: &String| model.signed_up.contains_key(&(audience.clone(), email.clone()));
                if let Some((email, _)) = member
                    && !model.left.contains(name)
                    && !was_there(email)
                    && !stands.contains_key(&LocalId::new(name.clone()))
                {
                    broken.push(format!("law 2: {email} was deleted here and is subscribed there"));
                }
            }
        });
        for list in [AUDIENCE, OTHER_AUDIENCE] {
            let members = self.members(list);
            with(&self.model, |model| broken.extend(model.consent(list, &members)));
        }
        let told: BTreeSet<String> = self
            .world
            .shop
            .facts(ORG)
            .into_iter()
            .filter(|fact| fact.state <= ConsentState::Denied)
            .map(|fact| fact.address.to_lowercase())
            .collect();
        for (email, member) in &members {
            let is_refusal = matches!(member["status"].as_str(), Some("unsubscribed" | "cleaned"));
            let place = (audience.clone(), email.clone());
            let by_person = with(&self.model, |model| model.refused.contains(&place) && !model.said_here.contains(&place));
            // Put away there, what they had said before is hidden.
            let is_hidden = with(&self.model, |model| model.away.contains(name(email)));
            if is_refusal && by_person && !is_hidden && !told.contains(email) {
                broken.push(format!("law 2: {email} said no, and the host was not told"));
            }
        }
        broken
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

impl Model {
    /// What is wrong with a customer.
    fn customer(
        &self,
        audience: &str,
        row: &Record,
        members: &Map<String, Json>,
        stands: Option<&String>,
    ) -> Option<String> {
        let email = row.text("email").unwrap_or_default().to_lowercase();
        let name = name(&email);
        let consent = row.value("consent.email").and_then(Value::as_consent).map(|consent| consent.state);
        let may_go = consent == Some(ConsentState::Granted);
        if self.away.contains(name) || self.left.contains(name) {
            return None;
        }
        let Some(member) = members.get(&email) else {
            return (may_go && stands.is_none()).then(|| format!("law 2: {email} is not there"));
        };
        let status = member["status"].as_str().unwrap_or_default();
        if !may_go && matches!(status, "subscribed" | "pending") {
            let signed_up = self.signed_up.get(&(audience.to_owned(), email.clone()));
            // Who signed up himself after the host's no stays: the later word counts, by the dates on both sides, or, where
            // their clock is behind, since the refusal was seen before.
            let dated = member["timestamp_opt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            let said_at = row.value("consent.email").and_then(Value::as_consent).and_then(|consent| consent.at);
            if signed_up.is_some_and(|signed| said_at.is_some_and(|said| Some(*signed).max(dated) > Some(said))) {
                return None;
            }
            return Some(format!("law 9: {email} said no here and is {status} there (signed up: {signed_up:?})"));
        }
        if !may_go || stands.is_some() || status != "subscribed" {
            // Who has another address since is renamed there, and what was said under the old one goes along: a program lifts
            // neither an unsubscribe nor a bounce.
            let has_refused = self.refused.iter().any(|(_, refused)| self::name(refused) == name);
            let is_missing = may_go && stands.is_none() && !has_refused;
            return is_missing.then(|| format!("law 2: {email} is {status} there"));
        }
        let (here, there) = (row.text("first_name").unwrap_or_default(), member["merge_fields"]["FNAME"].as_str());
        let there = there.unwrap_or_default();
        // A marketer's later change may stand; an older value of ours may not.
        let is_marketers =
            self.lineage.knows(name, "first_name", there) && self.lineage.covers(name, "first_name", there, here);
        if here != there && !is_marketers && !self.is_of_theirs(name, there) {
            return Some(format!("law 2: the name of {email} is {here:?} here and {there:?} there"));
        }
        let there: BTreeSet<&str> = member["tags"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let ours: BTreeSet<&str> =
            row.value("tags").and_then(Value::as_set).into_iter().flatten().map(String::as_str).collect();
        if !ours.is_subset(&there) {
            return Some(format!("law 2: tags of {email} are {there:?} there and should have {ours:?}"));
        }
        let mut more = there.difference(&ours).filter(|tag| OURS.contains(tag));
        if more.next().is_some() && !self.forgotten.contains(name) {
            return Some(format!("law 2: tags of {email} are {there:?} there and {ours:?} here"));
        }
        None
    }

    /// True when a marketer wrote this name: where only this side counts, it may stand until the next change here.
    fn is_of_theirs(&self, name: &str, value: &str) -> bool {
        self.lineage.is_by(Side::There, name, "first_name", value)
    }

    /// Law 9, and law 2 for what is a marketer's.
    fn consent(&self, list: &str, members: &Map<String, Json>) -> Vec<String> {
        let mut broken = Vec::new();
        for (email, member) in members {
            let status = member["status"].as_str().unwrap_or_default();
            let signed_up = self.signed_up.contains_key(&(list.to_owned(), email.clone()));
            let place = (list.to_owned(), email.clone());
            let refused = self.refused.contains(&place) || self.barred.contains(&place);
            if refused && !signed_up && matches!(status, "subscribed" | "pending" | "transactional") {
                broken.push(format!("law 9: {email} said no and is {status} in {list}"));
            }
            let tags: BTreeSet<&str> = member["tags"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            let lost =
                self.foreign.iter().find(|(of, whose, tag)| of == list && whose == email && !tags.contains(tag.as_str()));
            if let Some((.., tag)) = lost
                && !self.away.contains(name(email))
            {
                broken.push(format!("law 2: the marketer's tag {tag} of {email} is gone in {list}"));
            }
        }
        broken
    }
}
