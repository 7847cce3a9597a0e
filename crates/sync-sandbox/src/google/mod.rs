//! Google Calendar API v3 and Google's authorization server.
//!
//! Reference: <https://developers.google.com/workspace/calendar/api/v3/reference>. Where that leaves a rule open,
//! [`GoogleQuirks`] chooses.

mod access;
mod act;
mod batch;
mod calendar;
mod calendars;
mod channels;
#[cfg(test)]
mod description;
mod event;
mod filter;
mod input;
mod list;
mod oauth;
mod problem;
mod quirks;
mod quota;
mod read;
mod routes;
mod seed;
mod series;
mod state;
mod times;
mod token;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

pub use quirks::{GoogleQuirks, GoogleQuotas, Revival};
pub use seed::{CalendarSeed, ConsentSeed, GoogleClientSeed, GoogleSeed, GoogleTokenSeed, GoogleUserSeed};

use self::{
    act::Trouble,
    calendar::{Calendar, Role},
    channels::Channel,
    oauth::OAuth,
    problem::Problem,
    quota::Meter,
    routes::{Route, route},
};
use crate::{Double, web};

/// Google as a few people with calendars see it.
///
/// All base URLs are the sandbox's own: the paths `/calendar/v3/…`, `/batch/calendar/v3` and
/// `/oauth2/v2/userinfo` of `www.googleapis.com`, `/o/oauth2/v2/auth` of `accounts.google.com`, `/token` and `/revoke` of
/// `oauth2.googleapis.com`.
///
/// Its operations, as [`Fault`](crate::Fault)s and the log name them: `calendars.{get,insert,patch,delete}`,
/// `calendarList.{list,get}`, `events.{list,get,insert,patch,update,delete,move,instances,watch}`, `channels.stop`, `batch`,
/// `userinfo.get`, `oauth.{authorize,decide,token,revoke}`. Calls inside a batch are counted in the state, under `operations`.
///
/// Actions of people on the other side are objects `{"do": …, "calendar": …, "event": …}`: `create` (`body`), `edit`
/// (`body`, as a patch), `shift` (`minutes`), `move-to` (`to`), `copy`, `delete`, `restore`, `purge`, `touch`,
/// `split-series` (`event` names the first occurrence of the new series, `body`); for calendars `create-calendar`
/// (`summary`, `user`), `delete-calendar`, `rename-calendar` (`summary`), `set-zone` (`zone`), `share` (`user`, `role`),
/// `unshare` (`user`), `expire-sync-tokens` (`with_400`); for the person `consent` (as in the seed), `ask-consent`,
/// `revoke` (`user`, `client`), `expire-access-tokens`, `deny-refresh` (`error`, `subtype`), `allow-refresh`; and
/// `trouble` (`operation`, `status`, `reason`, …), `no-trouble`, `drop-channels`, `many` (`actions`).
pub struct Google {
    seed: Arc<GoogleSeed>,
    oauth: OAuth,
    calendars: BTreeMap<String, Calendar>,
    channels: Vec<Channel>,
    meter: Meter,
    troubles: Vec<Trouble>,
    world: World,
}

/// What all calls share.
struct World {
    now: Timestamp,
    created: Timestamp,
    quirks: GoogleQuirks,
    quotas: GoogleQuotas,
    /// The last version given; each change of anything gets the next.
    version: u64,
    n_ids: u64,
    refused: Vec<String>,
    mails_sent: u64,
    invitations: u64,
    n_notifications: u64,
    /// Requests of the provider's own that wait to be sent.
    outbound: Vec<Request<Bytes>>,
    /// Calls by operation, those in batches included.
    operations: BTreeMap<&'static str, u64>,
}

impl World {
    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// An id that the service chooses: 26 characters of base32hex.
    fn fresh_id(&mut self, what: &str) -> String {
        self.n_ids += 1;
        token::hash(&format!("{what} {}", self.n_ids))[..26].to_owned()
    }
}

impl Google {
    /// A world as its seed says. What of it makes no sense (an event without a time, an unknown zone) is left out and
    /// stands under `refused` in the state.
    pub fn new(seed: GoogleSeed) -> Self {
        Self::from_seed(Arc::new(seed))
    }

    fn from_seed(seed: Arc<GoogleSeed>) -> Self {
        let mut this = Self {
            oauth: OAuth::new(&seed),
            calendars: BTreeMap::new(),
            channels: Vec::new(),
            meter: Meter::default(),
            troubles: Vec::new(),
            world: World {
                now: seed.created,
                created: seed.created,
                quirks: seed.quirks,
                quotas: seed.quotas,
                version: 1000,
                n_ids: 0,
                refused: Vec::new(),
                mails_sent: 0,
                invitations: 0,
                n_notifications: 0,
                outbound: Vec::new(),
                operations: BTreeMap::new(),
            },
            seed: Arc::clone(&seed),
        };
        for user in &seed.users {
            let primary = CalendarSeed::new(&user.email, &user.email, &user.email).with_zone(&user.time_zone);
            this.plant(&primary);
        }
        for calendar in &seed.calendars {
            this.plant(calendar);
        }
        this
    }

    fn plant(&mut self, of: &CalendarSeed) {
        if !self.calendars.contains_key(&of.id) {
            let owners = self.seed.users.iter().find(|user| user.email == of.owner).map(|user| user.time_zone.clone());
            let zone_name = of.time_zone.clone().or(owners).unwrap_or_else(|| "UTC".into());
            let Some(zone) = times::zone(&zone_name) else {
                self.world.refused.push(format!("seed: no zone `{zone_name}`"));
                return;
            };
            let calendar = Calendar::new(of.id.clone(), of.summary.clone(), of.owner.clone(), zone_name, zone);
            self.calendars.insert(of.id.clone(), calendar);
        }
        let Some(calendar) = self.calendars.get_mut(&of.id) else { return };
        calendar.made_by.clone_from(&of.made_by);
        for (user, role) in &of.shared_with {
            match Role::parse(role) {
                Some(role) => drop(calendar.roles.insert(user.clone(), role)),
                None => self.world.refused.push(format!("seed: no role `{role}`")),
            }
        }
        for event in &of.events {
            if let Err(problem) = act::create(&mut self.world, calendar, &of.owner, event.clone()) {
                self.world.refused.push(format!("seed: an event of {}: {}", of.id, problem.message));
            }
        }
        calendar.told = calendar.last_change;
    }

    /// Notes what this double refused although the real one may take it.
    fn refuse(&mut self, problem: Problem) -> Response<Bytes> {
        if problem.is_ours {
            self.world.refused.push(problem.message.clone());
        }
        problem.response()
    }

    /// Refuses a call that costs so many units, if it is over quota. A call without a good token costs nobody anything.
    fn over(&mut self, headers: &HeaderMap, query: Option<&str>, units: u64) -> Option<Problem> {
        let access = web::bearer(headers).and_then(|token| self.oauth.access.get(token))?;
        let named = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == "quotaUser");
        let user = named.map_or_else(|| access.user.clone(), |(_, user)| user.into_owned());
        let status = self.world.quirks.quota_status;
        self.meter.take(&self.world.quotas, status, (&access.client, &user), units, self.world.now).err()
    }

    /// One call of the API, alone or in a batch.
    fn api(&mut self, request: &Request<Bytes>, name: &'static str, ids: &[String]) -> Result<Response<Bytes>, Problem> {
        *self.world.operations.entry(name).or_default() += 1;
        let access = self.access(request.headers(), name)?;
        if let Some(problem) = self.trouble(name, ids) {
            return Err(problem);
        }
        let (headers, body) = (request.headers(), request.body());
        let query = request.uri().query().unwrap_or_default();
        let id = |n: usize| ids.get(n).map(String::as_str).unwrap_or_default();
        match name {
            "calendars.insert" => return calendars::insert(self, &access, query, body),
            "calendarList.list" => return calendars::list(self, &access, query),
            "channels.stop" => return channels::stop(&mut self.channels, &access, query, body),
            _ => {}
        }
        let needed = match name {
            "calendars.delete" | "calendars.patch" => Role::Owner,
            "events.insert" | "events.patch" | "events.update" | "events.delete" | "events.move" => Role::Writer,
            _ => Role::Reader,
        };
        let (key, role) = self.reach(&access, name, id(0), needed)?;
        if name == "calendars.delete" {
            return calendars::delete(self, &key, query);
        }
        if name == "events.move" {
            let destination = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "destination");
            let to = destination.ok_or_else(|| Problem::required("Required parameter: destination"))?.1;
            let (to, _) = self.reach(&access, name, &to, Role::Writer)?;
            return self.transfer(&key, &to, id(1), query);
        }
        let world = &mut self.world;
        let calendar = self.calendars.get_mut(&key).ok_or_else(Problem::not_found)?;
        match name {
            "calendars.get" => calendars::get(calendar, query),
            "calendars.patch" => calendars::patch(world, calendar, query, body),
            "calendarList.get" => calendars::list_get(calendar, role, &access.user, query),
            "events.list" => list::list(world, calendar, role, query),
            "events.get" => read::get(calendar, id(1), query, headers),
            "events.instances" => read::instances(world, calendar, role, id(1), query),
            "events.insert" => write::insert(world, calendar, &access.user, query, body),
            "events.patch" => write::patch(world, calendar, id(1), query, headers, body),
            "events.update" => write::update(world, calendar, id(1), query, headers, body),
            "events.delete" => write::delete(world, calendar, id(1), query, headers),
            "events.watch" => channels::watch(world, &mut self.channels, calendar, &access, query, body),
            _ => Err(Problem::ours(404, format!("operation `{name}` is not modelled"))),
        }
    }

    /// Moves an event to another calendar.
    fn transfer(&mut self, from: &str, to: &str, event: &str, query: &str) -> Result<Response<Bytes>, Problem> {
        if from == to {
            return Err(Problem::invalid("The source and the destination calendar are the same."));
        }
        let mut origin = self.calendars.remove(from).ok_or_else(Problem::not_found)?;
        let answer = match self.calendars.get_mut(to) {
            Some(to) => write::transfer(&mut self.world, &mut origin, to, event, query),
            None => Err(Problem::not_found()),
        };
        self.calendars.insert(from.to_owned(), origin);
        answer
    }
}

impl Double for Google {
    fn operation(&self, request: &Request<Bytes>) -> &'static str {
        match route(request.method(), request.uri().path()) {
            Route::Api { name, .. } | Route::SignIn(name) => name,
            Route::Batch => "batch",
            Route::UserInfo => "userinfo.get",
            Route::OtherMethod | Route::Unknown => "unknown",
        }
    }

    fn handle(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        self.world.now = now;
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        let answer = match route(request.method(), path) {
            Route::SignIn(name @ ("oauth.authorize" | "oauth.decide")) => {
                let shown = match name {
                    "oauth.authorize" => self.oauth.page(query, now),
                    _ => self.oauth.said(request.body(), now),
                };
                return shown.unwrap_or_else(|blocked| {
                    if blocked.why.starts_with("Sandbox:") {
                        self.world.refused.push(blocked.why.clone());
                    }
                    blocked.page()
                });
            }
            Route::SignIn("oauth.token") => return self.oauth.token(request, now),
            Route::SignIn(_) => return self.oauth.revoke(request),
            Route::Batch => self.batch(request),
            Route::UserInfo => self.user_info(request),
            Route::Api { name, ids } => self.api(request, name, &ids),
            Route::OtherMethod => Err(Problem::ours(405, format!("{} {path} is not modelled", request.method()))),
            Route::Unknown => Err(Problem::ours(404, format!("no such path: {path}"))),
        };
        self.tell();
        answer.unwrap_or_else(|problem| self.refuse(problem))
    }

    fn over_quota(&mut self, request: &Request<Bytes>, _in_flight: usize, now: Timestamp) -> Option<Response<Bytes>> {
        self.world.now = now;
        self.meter.is_on = true;
        // The parts of a batch are refused one by one.
        let Route::Api { name, .. } = route(request.method(), request.uri().path()) else { return None };
        self.over(request.headers(), request.uri().query(), quota::units(name)).map(|problem| problem.response())
    }

    fn failure(&self, status: StatusCode) -> Response<Bytes> {
        Problem::of_status(status).response()
    }

    fn outbound(&mut self) -> Vec<Request<Bytes>> {
        std::mem::take(&mut self.world.outbound)
    }

    fn state(&self) -> Value {
        state::of(self, true)
    }

    fn summary(&self) -> Value {
        state::of(self, false)
    }

    fn act(&mut self, action: &Value, now: Timestamp) -> Result<Value, String> {
        self.world.now = now;
        let done = act::act(self, action);
        self.tell();
        done.map(|event| json!({"done": true, "event": event}))
    }

    fn reset(&mut self) {
        *self = Self::from_seed(Arc::clone(&self.seed));
    }
}

impl fmt::Debug for Google {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Google").field("n_calendars", &self.calendars.len()).finish_non_exhaustive()
    }
}

/// Scopes by name, for people who look.
fn names(scopes: &BTreeSet<String>) -> Vec<&str> {
    scopes.iter().map(|scope| scope.strip_prefix(access::SCOPE).unwrap_or(scope)).collect()
}
