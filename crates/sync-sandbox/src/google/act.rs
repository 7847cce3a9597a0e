//! What people do on the other side.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Google, World,
    calendar::{Calendar, Document, Found, Life, Role},
    event, input,
    oauth::Denial,
    problem::Problem,
    seed::ConsentSeed,
    times::{self, When},
    token, write,
};

/// One action, as the body of `POST /_sandbox/act`: `{"do": "shift", "calendar": "…", "event": "…", "minutes": 60}`.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Action {
    /// Several, in order; stops at the first that fails.
    Many { actions: Vec<Value> },
    /// Somebody makes an event; the answer names its id.
    Create { calendar: String, body: Map<String, Value> },
    /// Somebody changes an event, or one occurrence of a series.
    Edit { calendar: String, event: String, body: Map<String, Value> },
    /// Somebody drags an event to another time of the same length.
    Shift { calendar: String, event: String, minutes: i64 },
    /// Somebody puts an event into another calendar.
    MoveTo { calendar: String, event: String, to: String },
    /// Somebody duplicates an event, with all that it carries; the answer names the copy's id.
    Copy { calendar: String, event: String },
    /// Somebody deletes an event, a series, or one occurrence.
    Delete { calendar: String, event: String },
    /// Somebody takes an event out of the bin.
    Restore { calendar: String, event: String },
    /// The bin is emptied of this event.
    Purge { calendar: String, event: String },
    /// The service touches an event: another etag, nothing else.
    /// Source: GitHub phw198/OutlookGoogleCalendarSync issues 1145 and 1593.
    Touch { calendar: String, event: String },
    /// Somebody changes "this and all following"; the answer names the new series' id.
    SplitSeries {
        calendar: String,
        event: String,
        #[serde(default)]
        body: Map<String, Value>,
    },
    /// Somebody makes a calendar; the answer names its id.
    CreateCalendar {
        summary: String,
        #[serde(default)]
        user: Option<String>,
    },
    /// Its owner deletes a calendar.
    DeleteCalendar { calendar: String },
    /// Its owner renames a calendar.
    RenameCalendar { calendar: String, summary: String },
    /// Its owner changes a calendar's zone.
    SetZone { calendar: String, zone: String },
    /// Its owner shares a calendar.
    Share { calendar: String, user: String, role: String },
    /// Its owner shares it no longer.
    Unshare { calendar: String, user: String },
    /// Sync tokens of a calendar are too old at once.
    ExpireSyncTokens {
        calendar: String,
        #[serde(default)]
        with_400: bool,
    },
    /// From now on a person decides by himself on the consent page.
    Consent {
        #[serde(default)]
        user: Option<String>,
        #[serde(default)]
        untick: Vec<String>,
        #[serde(default)]
        denies: bool,
    },
    /// From now on the consent page is shown.
    AskConsent,
    /// A person removes an app's access, or that of all apps, in the settings of the account.
    Revoke {
        user: String,
        #[serde(default)]
        client: Option<String>,
    },
    /// All access tokens run out.
    ExpireAccessTokens,
    /// A policy refuses each refresh. Source: <https://developers.google.com/identity/protocols/oauth2#expiration>.
    DenyRefresh {
        error: String,
        #[serde(default)]
        subtype: Option<String>,
    },
    /// It does so no longer.
    AllowRefresh,
    /// A call fails, alone or in a batch.
    Trouble(Trouble),
    /// No call fails any more.
    NoTrouble,
    /// Channels end before their time.
    DropChannels,
}

/// A call that fails, alone or in a batch, where a [`Fault`](crate::Fault) sees only the whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trouble {
    operation: String,
    /// Only with this event.
    #[serde(default)]
    event: Option<String>,
    status: u16,
    reason: String,
    #[serde(default)]
    message: Option<String>,
    /// This many calls go well before.
    #[serde(default)]
    after: u64,
    /// So many calls fail; else all.
    #[serde(default)]
    times: Option<u64>,
}

impl Google {
    /// The trouble that meets this call, if any.
    pub(super) fn trouble(&mut self, operation: &str, ids: &[String]) -> Option<Problem> {
        let fits = |trouble: &Trouble| {
            trouble.operation == operation && trouble.event.as_ref().is_none_or(|event| ids.get(1) == Some(event))
        };
        let trouble = self.troubles.iter_mut().find(|trouble| fits(trouble) && trouble.times != Some(0))?;
        if trouble.after > 0 {
            trouble.after -= 1;
            return None;
        }
        if let Some(times) = &mut trouble.times {
            *times -= 1;
        }
        let message = trouble.message.clone().unwrap_or_else(|| trouble.reason.clone());
        let is_limit = trouble.reason.ends_with("Exceeded");
        let problem = Problem::new(trouble.status, trouble.reason.clone(), message);
        Some(if is_limit { problem.of_limits() } else { problem })
    }

    fn calendar(&mut self, id: &str) -> Result<(&mut World, &mut Calendar), String> {
        let known = self.calendars.keys().cloned().collect::<Vec<_>>().join(", ");
        let calendar = self.calendars.get_mut(id).ok_or_else(|| format!("no calendar {id}; there are {known}"))?;
        Ok((&mut self.world, calendar))
    }

    fn user(&self, named: Option<String>) -> String {
        named.or_else(|| self.seed.users.first().map(|user| user.email.clone())).unwrap_or_default()
    }
}

/// Makes an event as the seed or a person has it: somebody else's, too, or a deleted one.
pub(super) fn create(world: &mut World, calendar: &mut Calendar, user: &str, mut body: Document) -> Result<String, Problem> {
    input::check(&body, event::MEMBERS, "")?;
    event::without_nulls(&mut body);
    let id = match body.get("id").and_then(Value::as_str) {
        Some(id) => id.to_owned(),
        None => world.fresh_id("event"),
    };
    event::check_id(&id)?;
    if calendar.events.contains_key(id.as_str()) {
        return Err(Problem::duplicate());
    }
    let document = write::create(world, calendar, user, &id, body)?;
    calendar.put(world, &id, document, world.now);
    Ok(id)
}

fn said(problem: Problem) -> String {
    problem.message
}

fn live(calendar: &Calendar, id: &str) -> Result<Document, String> {
    match calendar.find(id) {
        Some(Found::Stored { document, life: Life::Live, .. } | Found::Occurrence { document, .. }) => Ok(document),
        Some(_) => Err(format!("event {id} is deleted")),
        None => Err(format!("calendar {} has no event {id}", calendar.id)),
    }
}

fn edit(world: &mut World, calendar: &mut Calendar, id: &str, patch: &Document) -> Result<(), String> {
    let before = live(calendar, id)?;
    input::check(patch, event::MEMBERS, "").map_err(said)?;
    let mut after = before.clone();
    let mut patch = patch.clone();
    patch.retain(|name, _| !event::OWN.contains(&name.as_str()));
    event::merge(&mut after, &patch);
    let after = write::edit(calendar, &before, after).map_err(said)?;
    write::store(world, calendar, id, &before, after);
    Ok(())
}

fn shifted(calendar: &Calendar, document: &Document, minutes: i64) -> Result<Document, String> {
    let (start, end) = times::range(document, &calendar.zone_name, false).map_err(said)?;
    let shift = |when: When| match when {
        When::At { at, zone } => {
            let at = at.checked_add(jiff::SignedDuration::from_mins(minutes)).map_err(|error| error.to_string())?;
            Ok(When::At { at, zone }.show(&calendar.zone))
        }
        When::Day(_) => Err("an all-day event has no minutes".to_owned()),
    };
    let (start, end) = (shift(start)?, shift(end)?);
    Ok(json!({"start": start, "end": end}).as_object().cloned().unwrap_or_default())
}

/// Ends a series before one of its occurrences and begins another there.
fn split(world: &mut World, calendar: &mut Calendar, id: &str, patch: &Document) -> Result<String, String> {
    let first = live(calendar, id)?;
    let master_id =
        first.get("recurringEventId").and_then(Value::as_str).ok_or("this is no occurrence of a series")?.to_owned();
    let master = live(calendar, &master_id)?;
    let original = When::read(first.get("originalStartTime"), "original", &calendar.zone_name, false).map_err(said)?;
    let until = match &original {
        When::Day(day) => day.yesterday().map_err(|error| error.to_string())?.strftime("%Y%m%d").to_string(),
        When::At { at, .. } => {
            let last = at.checked_sub(jiff::SignedDuration::from_secs(1)).map_err(|error| error.to_string())?;
            last.strftime("%Y%m%dT%H%M%SZ").to_string()
        }
    };
    let rules = master.get("recurrence").and_then(Value::as_array).cloned().unwrap_or_default();
    let ended: Vec<Value> = rules
        .iter()
        .filter_map(Value::as_str)
        .map(|line| match line.strip_prefix("RRULE:") {
            None => json!(line),
            Some(rule) => {
                let rest = rule.split(';').filter(|part| !part.starts_with("UNTIL=") && !part.starts_with("COUNT="));
                json!(format!("RRULE:{};UNTIL={until}", rest.collect::<Vec<_>>().join(";")))
            }
        })
        .collect();
    let mut rest = first;
    rest.retain(|name, _| !event::OWN.contains(&name.as_str()));
    rest.insert("recurrence".into(), rules.into());
    event::merge(&mut rest, patch);
    let new = token::hash(&format!("{master_id} {until}"))[..26].to_owned();
    rest.insert("id".into(), json!(new));
    let owner = calendar.owner.clone();
    create(world, calendar, &owner, rest).map_err(said)?;
    let patch = json!({"recurrence": ended}).as_object().cloned().unwrap_or_default();
    edit(world, calendar, &master_id, &patch)?;
    Ok(new)
}

/// Does it; returns the id of what was made.
pub(super) fn act(this: &mut Google, action: &Value) -> Result<Option<String>, String> {
    let action: Action = serde_json::from_value(action.clone()).map_err(|error| format!("no such action: {error}"))?;
    match action {
        Action::Many { actions } => {
            for action in &actions {
                act(this, action)?;
            }
        }
        Action::Create { calendar, body } => {
            let (world, calendar) = this.calendar(&calendar)?;
            let owner = calendar.owner.clone();
            return create(world, calendar, &owner, body).map(Some).map_err(said);
        }
        Action::Edit { calendar, event, body } => {
            let (world, calendar) = this.calendar(&calendar)?;
            edit(world, calendar, &event, &body)?;
        }
        Action::Shift { calendar, event, minutes } => {
            let (world, calendar) = this.calendar(&calendar)?;
            let patch = shifted(calendar, &live(calendar, &event)?, minutes)?;
            edit(world, calendar, &event, &patch)?;
        }
        Action::MoveTo { calendar, event, to } => {
            let query: String =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("destination", &to).finish();
            this.transfer(&calendar, &to, &event, &query).map_err(said)?;
        }
        Action::Copy { calendar, event } => {
            let (world, calendar) = this.calendar(&calendar)?;
            let mut copy = live(calendar, &event)?;
            copy.retain(|name, _| !event::OWN.contains(&name.as_str()));
            let owner = calendar.owner.clone();
            return create(world, calendar, &owner, copy).map(Some).map_err(said);
        }
        Action::Delete { calendar, event } => {
            let (world, calendar) = this.calendar(&calendar)?;
            let document = live(calendar, &event)?;
            write::remove(world, calendar, &event, document);
        }
        Action::Restore { calendar, event } => {
            let (world, calendar) = this.calendar(&calendar)?;
            let Some(Found::Stored { document, life: Life::Cancelled, .. }) = calendar.find(&event) else {
                return Err(format!("event {event} is not in the bin"));
            };
            let document = write::whole(calendar, document);
            let mut after = document.clone();
            after.insert("status".into(), json!("confirmed"));
            let after = write::edit(calendar, &document, after).map_err(said)?;
            write::store(world, calendar, &event, &document, after);
        }
        Action::Purge { calendar, event } => {
            let (_, calendar) = this.calendar(&calendar)?;
            if !calendar.purge(&event) {
                return Err(format!("event {event} is not in the bin"));
            }
        }
        Action::Touch { calendar, event } => {
            let (world, calendar) = this.calendar(&calendar)?;
            let document = live(calendar, &event)?;
            calendar.put(world, &event, document, world.now);
        }
        Action::SplitSeries { calendar, event, body } => {
            let (world, calendar) = this.calendar(&calendar)?;
            return split(world, calendar, &event, &body).map(Some);
        }
        other => return in_account(this, other),
    }
    Ok(None)
}

/// What concerns calendars, consent and the service itself.
fn in_account(this: &mut Google, action: Action) -> Result<Option<String>, String> {
    match action {
        Action::CreateCalendar { summary, user } => {
            let user = this.user(user);
            let zone_name = this.calendars.get(&user).map(|primary| primary.zone_name.clone()).unwrap_or_default();
            let zone = times::zone(&zone_name).ok_or_else(|| format!("no user {user}"))?;
            let id = format!("{}@group.calendar.google.com", token::hash(&this.world.fresh_id("calendar")));
            this.calendars.insert(id.clone(), Calendar::new(id.clone(), summary, user, zone_name, zone));
            return Ok(Some(id));
        }
        Action::DeleteCalendar { calendar } => {
            this.calendar(&calendar)?;
            this.calendars.remove(&calendar);
        }
        Action::RenameCalendar { calendar, summary } => {
            let (world, calendar) = this.calendar(&calendar)?;
            calendar.summary = summary;
            calendar.version = world.next_version();
        }
        Action::SetZone { calendar, zone: name } => {
            let zone = times::zone(&name).ok_or_else(|| format!("no zone {name}"))?;
            let (world, calendar) = this.calendar(&calendar)?;
            calendar.set_zone(&name, zone);
            calendar.version = world.next_version();
        }
        Action::Share { calendar, user, role } => {
            let role = Role::parse(&role).ok_or_else(|| format!("no role {role}; there are reader, writer, owner"))?;
            this.calendar(&calendar)?.1.roles.insert(user, role);
        }
        Action::Unshare { calendar, user } => {
            let (_, calendar) = this.calendar(&calendar)?;
            calendar.roles.remove(&user).ok_or_else(|| format!("it is not shared with {user}"))?;
            // What somebody saw before is no base for what he sees after.
            calendar.epoch += 1;
        }
        Action::ExpireSyncTokens { calendar, with_400 } => {
            this.calendar(&calendar)?.1.epoch += 1;
            this.world.quirks.old_sync_token_is_400 = with_400;
        }
        Action::Consent { user, untick, denies } => this.oauth.consent = Some(ConsentSeed { user, untick, denies }),
        Action::AskConsent => this.oauth.consent = None,
        Action::Revoke { user, client } => this.oauth.forget(&user, client.as_deref()),
        Action::ExpireAccessTokens => this.oauth.expire_access(),
        Action::DenyRefresh { error, subtype } => this.oauth.denial = Some(Denial { error, subtype }),
        Action::AllowRefresh => this.oauth.denial = None,
        Action::Trouble(trouble) => this.troubles.push(trouble),
        Action::NoTrouble => this.troubles.clear(),
        Action::DropChannels => this.channels.clear(),
        _ => return Err("no such action".into()),
    }
    Ok(None)
}
