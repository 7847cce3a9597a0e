//! Xero: the accounting API 2.0, the identity service, and Xero's authorization server.
//!
//! References: <https://developer.xero.com/documentation/api/accounting/overview>,
//! <https://github.com/XeroAPI/Xero-OpenAPI>. Where they leave a rule open, [`XeroQuirks`] chooses.

mod access;
mod act;
mod allocations;
mod batches;
mod bulk;
mod calls;
mod chart;
mod company;
mod contact;
mod contacts;
mod dates;
mod document;
mod filter;
mod groups;
mod hooks;
mod id;
mod input;
mod keys;
mod limits;
mod line;
mod listing;
mod members;
mod money;
mod oauth;
mod payment;
mod payments;
mod problem;
mod quirks;
mod routes;
mod seed;
mod settings;
mod state;
mod writing;

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

pub use quirks::{XeroLimits, XeroQuirks};
pub use seed::{
    CurrencySeed, TrackingSeed, XeroClientSeed, XeroConsentSeed, XeroScopes, XeroSeed, XeroTenantSeed, XeroTier,
    XeroTokenSeed, XeroWebhookSeed,
};

use self::{
    act::Trouble,
    calls::Call,
    company::Company,
    document::Status,
    hooks::{Category, Event, Hooks},
    id::Id,
    keys::{Keys, Known},
    limits::{Meter, RAPID, Terms},
    oauth::OAuth,
    problem::Problem,
    routes::{Route, route},
};
use crate::{Double, web};

/// Largest body. Source: <https://developer.xero.com/documentation/guides/oauth2/limits/>: 10 MB.
const MAX_BODY: usize = 10_000_000;

/// Days after its due date on which a reminder goes out.
/// Source: <https://central.xero.com/s/article/Set-up-invoice-reminders>, the usual setting.
const REMINDER_DAYS: i32 = 7;

/// Xero as a bookkeeper sees it.
///
/// All base URLs are the sandbox's own: the paths `/api.xro/2.0/…` and `/connections` of `api.xero.com`,
/// `/identity/connect/authorize` of `login.xero.com`, `/connect/token` and `/connect/revocation` of `identity.xero.com`.
///
/// Its operations, as [`Fault`](crate::Fault)s and the log name them: `organisation.{get,actions}`,
/// `accounts.{list,get,create,update}`, `taxRates.{list,get}`, `currencies.{list,create}`, `trackingCategories.{list,get}`,
/// `brandingThemes.{list,get}`, `users.{list,get}`, `contacts.{list,get,create,upsert,update}`,
/// `invoices.{list,get,create,upsert,update,email}`, `creditNotes.{list,get,create,upsert,update,allocate,unallocate}`,
/// `payments.{list,get,create,createOne,delete}`, `batchPayments.{list,get,create,delete}`,
/// `contactGroups.{list,get,create,update,join,leave,empty}`,
/// `connections.{list,delete}`, `oauth.{authorize,decide,token,revoke}`. `create` is a PUT, `upsert` and `update` are POSTs.
pub struct Xero {
    seed: Arc<XeroSeed>,
    oauth: OAuth,
    companies: BTreeMap<Id, Company>,
    meter: Meter,
    keys: Keys,
    hooks: Hooks,
    troubles: Vec<Trouble>,
    world: World,
}

/// What all calls share.
struct World {
    now: Timestamp,
    quirks: XeroQuirks,
    n_ids: u64,
    /// The app that calls; nothing: a person acts.
    app: Option<String>,
    refused: Vec<String>,
    mails_sent: u64,
    reminders_sent: u64,
    n_notifications: u64,
    /// What changed in this call.
    events: Vec<Event>,
    /// Requests of the provider's own that wait to be sent.
    outbound: Vec<Request<Bytes>>,
    operations: BTreeMap<&'static str, u64>,
}

impl World {
    fn fresh_id(&mut self, what: &str) -> Id {
        self.n_ids += 1;
        Id::of(&format!("{what} {}", self.n_ids))
    }
}

/// The id of an organisation, which follows from its name.
fn tenant_id(name: &str) -> Id {
    Id::of(&format!("tenant {name}"))
}

impl Xero {
    /// A world as its seed says. What of it makes no sense (a payment of nothing, an unknown account) is left out and stands
    /// under `refused` in the state.
    pub fn new(seed: XeroSeed) -> Self {
        Self::from_seed(Arc::new(seed))
    }

    fn from_seed(seed: Arc<XeroSeed>) -> Self {
        let mut this = Self {
            oauth: OAuth::new(&seed),
            companies: BTreeMap::new(),
            meter: Meter::default(),
            keys: Keys::default(),
            hooks: Hooks::default(),
            troubles: Vec::new(),
            world: World {
                now: seed.created,
                quirks: seed.quirks,
                n_ids: 0,
                app: None,
                refused: Vec::new(),
                mails_sent: 0,
                reminders_sent: 0,
                n_notifications: 0,
                events: Vec::new(),
                outbound: Vec::new(),
                operations: BTreeMap::new(),
            },
            seed: Arc::clone(&seed),
        };
        for tenant in &seed.tenants {
            act::plant(&mut this, tenant);
        }
        this.world.events.clear();
        this.hooks.hook.clone_from(&seed.webhook);
        this
    }

    /// Notes what this double refused although the real one may take it.
    fn refuse(&mut self, problem: Problem) -> Response<Bytes> {
        if problem.is_ours {
            self.world.refused.push(problem.message.clone());
        }
        problem.response()
    }

    /// How limits see a call; nothing for one without a good token and an organisation.
    fn terms(&self, request: &Request<Bytes>, now: Timestamp) -> Option<Terms> {
        let access = web::bearer(request.headers()).and_then(|token| self.oauth.access.get(token))?;
        let tenant = access::tenant(request.headers())?;
        let seeded = self.seed.tenants.iter().find(|one| tenant_id(&one.name) == tenant)?;
        let tier = self.oauth.client(&access.client).map(|client| client.tier).unwrap_or_default();
        let connected = self.oauth.connections.iter().find(|one| one.client == access.client && one.tenant == tenant);
        let is_new = connected.is_some_and(|one| now.duration_since(one.created) < RAPID);
        Some(Terms {
            client: access.client.clone(),
            tenant,
            tier,
            day_begins_s: seeded.day_begins_s,
            is_rapid: is_new && tier == XeroTier::Plus,
            is_minute_fixed: self.world.quirks.minute_is_fixed,
        })
    }

    /// One call of the accounting API.
    fn api(&mut self, request: &Request<Bytes>, name: &'static str, ids: &[String]) -> Result<Response<Bytes>, Problem> {
        *self.world.operations.entry(name).or_default() += 1;
        let caller = self.caller(request.headers(), name)?;
        if request.body().len() > MAX_BODY {
            return Err(Problem::post_data("The request body is larger than 10 MB"));
        }
        // The service answers in XML unless it is asked for JSON.
        let accept = request.headers().get(http::header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !accept.contains("application/json") {
            return Err(Problem::ours(406, "without `Accept: application/json` the service answers in XML"));
        }
        let known = self.keys.look_up(&caller.client, request, self.world.now)?;
        if let Known::Replay(response) = known {
            return Ok(response);
        }
        if let Some(problem) = self.trouble(name) {
            return Err(problem);
        }
        let Some(mut company) = self.companies.remove(&caller.tenant) else { return Err(Problem::forbidden()) };
        let app_name = self.oauth.client(&caller.client).map(|client| client.name.clone()).unwrap_or_default();
        self.world.app = Some(caller.client);
        let call = Call { request, name, ids, users: &self.seed.users, created: self.seed.created, app_name: &app_name };
        let answer = call.run(&mut company, &mut self.world);
        self.world.app = None;
        self.companies.insert(caller.tenant, company);
        let response = answer.unwrap_or_else(|problem| self.refuse(problem));
        if let Known::New { key, request } = known {
            self.keys.keep(key, request, &response, self.world.now);
        }
        Ok(response)
    }

    /// Sends events and reminders that are due.
    fn tick(&mut self, now: Timestamp) {
        self.world.now = now;
        for company in self.companies.values_mut() {
            let today = company.today(now);
            let is_due = |one: &document::Document| {
                one.status == Status::Authorised
                    && !one.is_reminded
                    && one
                        .due
                        .and_then(|due| due.checked_add(jiff::Span::new().days(REMINDER_DAYS)).ok())
                        .is_some_and(|day| day <= today)
            };
            let due: Vec<Id> =
                company.sent.iter().copied().filter(|id| company.documents.get(id).is_some_and(|one| is_due(one))).collect();
            for id in due {
                let Some(invoice) = company.documents.get_mut(&id) else { continue };
                let has_mail = company.contacts.get(&invoice.contact).is_some_and(|contact| !contact.email().is_empty());
                Arc::make_mut(invoice).is_reminded = true;
                self.world.reminders_sent += u64::from(has_mail);
            }
        }
    }

    fn tell(&mut self) {
        let mut events = std::mem::take(&mut self.world.events);
        for event in events.iter_mut().filter(|event| event.category == Category::CreditNote) {
            let credit = self.companies.values().find_map(|company| company.documents.get(&event.resource));
            event.data = credit.map(|one| json!({"Type": one.kind.as_str(), "Status": one.status.as_str()}));
        }
        if events.is_empty() {
            return;
        }
        let entropy = self.world.fresh_id("entropy").to_string();
        if let Some(request) = self.hooks.pack(events, &entropy) {
            self.world.n_notifications += 1;
            self.world.outbound.push(request);
        }
    }
}

impl Double for Xero {
    fn operation(&self, request: &Request<Bytes>) -> &'static str {
        match route(request.method(), request.uri().path()) {
            Route::Api { name, .. } | Route::Connections { name, .. } | Route::SignIn(name) => name,
            Route::OtherMethod | Route::Unknown => "unknown",
        }
    }

    fn handle(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        self.tick(now);
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
            Route::Connections { id: None, .. } => self.list_connections(request),
            Route::Connections { id: Some(id), .. } => self.delete_connection(request, &id),
            Route::Api { name, ids } => {
                let answer = self.api(request, name, &ids);
                let mut response = answer.unwrap_or_else(|problem| self.refuse(problem));
                if let Some(terms) = self.terms(request, now) {
                    self.meter.spend(&self.seed.limits, &terms, now).show(&mut response);
                }
                self.tell();
                return response;
            }
            // "501: the method is not implemented".
            Route::OtherMethod => Err(Problem::ours(501, format!("{} {path} is not modelled", request.method()))),
            Route::Unknown => Err(Problem::ours(404, format!("no such path: {path}"))),
        };
        answer.unwrap_or_else(|problem| self.refuse(problem))
    }

    fn over_quota(&mut self, request: &Request<Bytes>, in_flight: usize, now: Timestamp) -> Option<Response<Bytes>> {
        self.world.now = now;
        let Route::Api { .. } = route(request.method(), request.uri().path()) else { return None };
        let terms = self.terms(request, now)?;
        self.meter.refuse(&self.seed.limits, &terms, in_flight, now)
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
        self.tick(now);
        let done = act::act(self, action);
        self.tell();
        done.map(|id| json!({"done": true, "id": id.map(Id::json)}))
    }

    fn reset(&mut self) {
        *self = Self::from_seed(Arc::clone(&self.seed));
    }
}

impl fmt::Debug for Xero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xero").field("n_tenants", &self.companies.len()).finish_non_exhaustive()
    }
}
