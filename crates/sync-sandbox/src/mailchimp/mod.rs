//! Mailchimp Marketing API 3.0.
//!
//! Reference: <https://mailchimp.com/developer/marketing/api/>. Where that leaves a rule open, [`Quirks`] chooses.

mod account;
mod act;
mod audience;
mod batch;
mod input;
mod listing;
mod member;
mod members;
mod merge;
mod oauth;
mod problem;
mod seed;
mod segments;
mod state;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;

pub use seed::{
    AccountSeed, AudienceSeed, BatchTags, MailchimpSeed, MemberSeed, MergeFieldSeed, OAuthClientSeed, Quirks, RefusalSeed,
};

use self::{
    audience::Audience,
    member::{Member, Status, Stop},
    merge::MergeField,
    oauth::OAuth,
    problem::Problem,
};
use crate::{
    Double,
    routes::{Found, Row, find},
    web,
};

/// One Mailchimp account.
///
/// Its operations, as [`Fault`](crate::Fault)s and the log name them: `root.read`, `ping.read`, `lists.list`, `lists.read`,
/// `lists.batch`, `lists.merge_fields.{list,create}`, `lists.members.{list,create,read,upsert,update,archive}`,
/// `lists.members.delete_permanent`, `lists.members.tags.{list,write}`, `lists.segments.{list,create,read,update,delete}`,
/// `lists.segments.change` (members onto and off a tag), `lists.segments.members.list`, `lists.tag_search`,
/// `lists.webhooks.{list,create,delete}`, `oauth.{authorize,decide,token,metadata}`.
///
/// Actions of people on the other side are objects `{"do": …, "list": …, …}`: with `email`, `unsubscribe` (and `reason`),
/// `unsubscribe-by-admin`, `subscribe`, `confirm`, `clean`, `archive`, `delete-permanent`, `edit` (`field`, `value`),
/// `change-email` (`to`), `tag` and `untag` (`name`); for the audience `delete-tag` (`name`), `merge-field` (`field`, as in
/// the seed), `delete-merge-field` (`tag`), `double-optin` (`on`), `rename-audience` (`name`), `delete-audience`; without a
/// list `revoke`, `add-key` (`key`), `many` (`actions`).
pub struct Mailchimp {
    seed: Arc<MailchimpSeed>,
    api_keys: BTreeSet<String>,
    oauth: OAuth,
    audiences: BTreeMap<String, Audience>,
    world: World,
}

/// What all calls share.
struct World {
    /// In seconds: no answer shows time any finer.
    now: i64,
    created: i64,
    /// Start of `_links`.
    root: String,
    ids: Ids,
    effects: Effects,
    has_automations: bool,
    quirks: Quirks,
    refusals: BTreeMap<String, RefusalSeed>,
    refused: Vec<String>,
    n_problems: u64,
}

/// What happened to people.
#[derive(Debug, Default)]
struct Effects {
    confirmation_mails: u64,
    automations: u64,
}

/// Ids in order, so that each run gives the same.
#[derive(Debug)]
struct Ids(u32);

impl Ids {
    fn number(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

impl World {
    /// Notes what this double refused or dropped although the real one may take it.
    fn refuse(&mut self, what: impl Into<String>) {
        self.refused.push(what.into());
    }

    /// Something happened that automations listen for.
    fn automation(&mut self) {
        if self.has_automations {
            self.effects.automations += 1;
        }
    }
}

/// "10 simultaneous connections" a user, all keys and apps together.
/// Source: <https://mailchimp.com/developer/marketing/docs/fundamentals/#api-limits>.
const MAX_IN_FLIGHT: usize = 10;

/// Operations: method, path below `/3.0` with `*` for an id, name.
const ROUTES: &[Row] = &[
    ("GET", &[], "root.read"),
    ("GET", &["ping"], "ping.read"),
    ("GET", &["lists"], "lists.list"),
    ("GET", &["lists", "*"], "lists.read"),
    ("POST", &["lists", "*"], "lists.batch"),
    ("GET", &["lists", "*", "merge-fields"], "lists.merge_fields.list"),
    ("POST", &["lists", "*", "merge-fields"], "lists.merge_fields.create"),
    ("GET", &["lists", "*", "members"], "lists.members.list"),
    ("POST", &["lists", "*", "members"], "lists.members.create"),
    ("GET", &["lists", "*", "members", "*"], "lists.members.read"),
    ("PUT", &["lists", "*", "members", "*"], "lists.members.upsert"),
    ("PATCH", &["lists", "*", "members", "*"], "lists.members.update"),
    ("DELETE", &["lists", "*", "members", "*"], "lists.members.archive"),
    ("POST", &["lists", "*", "members", "*", "actions", "delete-permanent"], "lists.members.delete_permanent"),
    ("GET", &["lists", "*", "members", "*", "tags"], "lists.members.tags.list"),
    ("POST", &["lists", "*", "members", "*", "tags"], "lists.members.tags.write"),
    ("GET", &["lists", "*", "segments"], "lists.segments.list"),
    ("POST", &["lists", "*", "segments"], "lists.segments.create"),
    ("GET", &["lists", "*", "segments", "*"], "lists.segments.read"),
    ("PATCH", &["lists", "*", "segments", "*"], "lists.segments.update"),
    ("DELETE", &["lists", "*", "segments", "*"], "lists.segments.delete"),
    ("POST", &["lists", "*", "segments", "*"], "lists.segments.change"),
    ("GET", &["lists", "*", "segments", "*", "members"], "lists.segments.members.list"),
    ("GET", &["lists", "*", "tag-search"], "lists.tag_search"),
    ("GET", &["lists", "*", "webhooks"], "lists.webhooks.list"),
    ("POST", &["lists", "*", "webhooks"], "lists.webhooks.create"),
    ("DELETE", &["lists", "*", "webhooks", "*"], "lists.webhooks.delete"),
];

/// What a path calls.
enum Route {
    Api { name: &'static str, ids: Vec<String> },
    OtherMethod,
    SignIn(&'static str),
    Unknown,
}

fn route(method: &Method, path: &str) -> Route {
    match (method.as_str(), path) {
        ("GET", "/oauth2/authorize") => return Route::SignIn("oauth.authorize"),
        ("POST", "/oauth2/authorize") => return Route::SignIn("oauth.decide"),
        ("POST", "/oauth2/token") => return Route::SignIn("oauth.token"),
        ("GET", "/oauth2/metadata") => return Route::SignIn("oauth.metadata"),
        _ => {}
    }
    let Some(below) = path.strip_prefix("/3.0") else { return Route::Unknown };
    match find(ROUTES, method, below.split('/').filter(|segment| !segment.is_empty())) {
        Found::Operation { name, ids } => Route::Api { name, ids },
        Found::OtherMethod => Route::OtherMethod,
        Found::Unknown => Route::Unknown,
    }
}

impl Mailchimp {
    /// An account as its seed says. What of it makes no sense (a status or merge field that is not known) is left out and
    /// stands under `refused` in the state.
    pub fn new(seed: MailchimpSeed) -> Self {
        Self::from_seed(Arc::new(seed))
    }

    fn from_seed(seed: Arc<MailchimpSeed>) -> Self {
        let created = seed.created.as_second();
        let mut this = Self {
            api_keys: seed.api_keys.iter().cloned().collect(),
            oauth: OAuth::new(seed.oauth_clients.clone()),
            audiences: BTreeMap::new(),
            world: World {
                now: created,
                created,
                root: format!("https://{}.api.mailchimp.com/3.0", seed.account.data_center),
                ids: Ids(1000),
                effects: Effects::default(),
                has_automations: seed.automations,
                quirks: seed.quirks,
                refusals: seed.refusals.clone(),
                refused: Vec::new(),
                n_problems: 0,
            },
            seed: Arc::clone(&seed),
        };
        for audience in &seed.audiences {
            let audience = plant(&mut this.world, audience);
            this.audiences.insert(audience.id.clone(), audience);
        }
        this
    }

    fn is_signed_in(&self, request: &Request<Bytes>) -> Result<(), Problem> {
        let denied = || Problem::of_status(StatusCode::UNAUTHORIZED);
        let Some(value) = request.headers().get(header::AUTHORIZATION) else {
            return Err(Problem::new(401, "API Key Missing", "Your request did not include an API key."));
        };
        let (scheme, secret) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(denied)?;
        let secret = secret.trim();
        let is_known = match scheme.to_ascii_lowercase().as_str() {
            // Any user name; the key is the password.
            "basic" => basic_password(secret).is_some_and(|key| self.api_keys.contains(&key)),
            "bearer" => self.api_keys.contains(secret) || self.oauth.tokens.contains(secret),
            _ => false,
        };
        // A host of another data centre does not know the key.
        let is_right_host = web::host(request)
            .and_then(|host| host.strip_suffix(".api.mailchimp.com"))
            .is_none_or(|data_center| data_center == self.seed.account.data_center);
        if is_known && is_right_host { Ok(()) } else { Err(denied()) }
    }

    fn call(&mut self, request: &Request<Bytes>, name: &str, ids: &[String]) -> Result<Response<Bytes>, Problem> {
        // Source: the same page, 426. A sandbox on loopback has no TLS.
        if request.uri().scheme_str() == Some("http") && !web::is_loopback(request) {
            return Err(Problem::of_status(StatusCode::UPGRADE_REQUIRED));
        }
        self.is_signed_in(request)?;
        if let Some(error) = request.headers().get("x-trigger-error") {
            return Err(triggered(error.to_str().unwrap_or_default()));
        }
        // Source: <https://mailchimp.com/developer/marketing/docs/errors/>, 403: "their user level doesn't allow access".
        let may_write = matches!(self.seed.account.role.as_str(), "owner" | "admin" | "manager");
        if *request.method() != Method::GET && !may_write {
            return Err(Problem::of_status(StatusCode::FORBIDDEN));
        }
        if request.headers().contains_key("x-http-method-override") {
            return Err(Problem::ours(400, "X-HTTP-Method-Override is not modelled"));
        }
        let query = request.uri().query().unwrap_or_default();
        let body = request.body();
        let Self { seed, audiences, world, .. } = self;
        let takes_none =
            matches!(*request.method(), Method::GET | Method::DELETE) || name == "lists.members.delete_permanent";
        if takes_none && !matches!(body.as_ref(), b"" | b"{}") {
            return Err(Problem::ours(400, "a body where none is expected"));
        }
        let id = |n: usize| ids.get(n).map(String::as_str).unwrap_or_default();
        match name {
            "root.read" => {
                let n_subscribers = audiences.values().map(|audience| audience.n_with(Status::Subscribed)).sum();
                return account::root(world, &seed.account, n_subscribers, query);
            }
            "ping.read" => return account::ping(query),
            "lists.list" => return account::lists(world, audiences.values(), query),
            _ => {}
        }
        let audience = audiences.get_mut(id(0)).ok_or_else(Problem::not_found)?;
        match name {
            "lists.read" => account::list(world, audience, query),
            "lists.batch" => batch::post(world, audience, query, body),
            "lists.merge_fields.list" => account::merge_fields(world, audience, query),
            "lists.merge_fields.create" => account::create_merge_field(world, audience, query, body),
            "lists.members.list" => listing::members(world, audience, query),
            "lists.members.create" => members::post(world, audience, query, body),
            "lists.members.read" => members::read(world, audience, id(1), query),
            "lists.members.upsert" => members::put(world, audience, id(1), query, body),
            "lists.members.update" => members::patch(world, audience, id(1), query, body),
            "lists.members.archive" => members::archive(world, audience, id(1), query),
            "lists.members.delete_permanent" => members::delete_permanent(audience, id(1), query),
            "lists.members.tags.list" => members::tags(world, audience, id(1), query),
            "lists.members.tags.write" => members::post_tags(world, audience, id(1), query, body),
            "lists.segments.list" => segments::list(world, audience, query),
            "lists.segments.create" => segments::create(world, audience, query, body),
            "lists.segments.read" => segments::read(world, audience, id(1), query),
            "lists.segments.update" => segments::update(world, audience, id(1), query, body),
            "lists.segments.delete" => segments::delete(audience, id(1), query),
            "lists.segments.change" => segments::batch(world, audience, id(1), query, body),
            "lists.segments.members.list" => segments::members(world, audience, id(1), query),
            "lists.tag_search" => segments::search(audience, query),
            "lists.webhooks.list" => account::webhooks(world, audience, query),
            "lists.webhooks.create" => account::create_webhook(world, audience, query, body),
            "lists.webhooks.delete" => account::delete_webhook(audience, id(1), query),
            _ => Err(Problem::ours(404, format!("operation `{name}` is not modelled"))),
        }
    }
}

/// Errors that a client may ask for.
/// Source: <https://mailchimp.com/developer/marketing/docs/errors/>, `X-Trigger-Error`.
fn triggered(name: &str) -> Problem {
    let status = match name {
        "APIKeyMissing" | "APIKeyInvalid" => 401,
        "Forbidden" => 403,
        "ResourceNotFound" => 404,
        "MethodNotAllowed" => 405,
        "TooManyRequests" => 429,
        "InternalServerError" => 500,
        _ => return Problem::ours(400, format!("error `{name}` cannot be triggered")),
    };
    Problem::of_status(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST))
}

/// The password of HTTP Basic.
fn basic_password(encoded: &str) -> Option<String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

fn plant(world: &mut World, seed: &AudienceSeed) -> Audience {
    let now = world.now;
    let mut audience =
        Audience::new(seed.id.clone(), world.ids.number(), seed.name.clone(), seed.double_optin, world.created);
    audience.merge_fields = (1..).zip(&seed.merge_fields).map(|(id, field)| MergeField::new(id, field.clone())).collect();
    for name in &seed.tags {
        audience.segment_for(name, &mut world.ids, now);
    }
    for of in &seed.members {
        let Some(status) = Status::parse(&of.status) else {
            world.refuse(format!("seed: no status `{}`", of.status));
            continue;
        };
        let changed = of.last_changed.map_or(now, Timestamp::as_second);
        let mut member = Member::new(&of.email, world.ids.number(), &seed.id, status, changed);
        member.source = "Import";
        member.vip = of.vip;
        member.language.clone_from(&of.language);
        member.stop = match status {
            Status::Unsubscribed if !of.by_admin => Some(Stop::Person),
            Status::Cleaned => Some(Stop::Bounce),
            _ => None,
        };
        for (tag, value) in &of.merge_fields {
            match audience.merge_fields.iter().find(|field| field.seed.tag == *tag) {
                Some(field) => member.merge.push((field.id, value.clone())),
                None => world.refuse(format!("seed: no merge field `{tag}`")),
            }
        }
        for name in &of.tags {
            let segment = audience.segment_for(name, &mut world.ids, now);
            if !member.tags.iter().any(|(tag, _)| *tag == segment) {
                member.tags.push((segment, changed));
            }
        }
        if let Some(earlier) = audience.by_email(&of.email) {
            audience.forget(earlier);
            audience.forgotten.remove(&member.key);
        }
        audience.insert(member);
    }
    audience
}

impl Double for Mailchimp {
    fn operation(&self, request: &Request<Bytes>) -> &'static str {
        match route(request.method(), request.uri().path()) {
            Route::Api { name, .. } | Route::SignIn(name) => name,
            Route::OtherMethod | Route::Unknown => "unknown",
        }
    }

    fn handle(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        self.world.now = now.as_second();
        let answer = match route(request.method(), request.uri().path()) {
            Route::SignIn("oauth.authorize") => {
                return self.oauth.page(request.uri().query().unwrap_or_default(), &self.seed.account);
            }
            Route::SignIn("oauth.decide") => return self.oauth.decide(request.body()),
            Route::SignIn("oauth.token") => return self.oauth.token(request.body()),
            Route::SignIn(_) => return self.oauth.metadata(request, &self.seed.account),
            Route::Api { name, ids } => self.call(request, name, &ids),
            Route::OtherMethod => {
                let what = format!("{} {} is not modelled", request.method(), request.uri().path());
                Err(Problem { is_ours: true, detail: what, ..Problem::of_status(StatusCode::METHOD_NOT_ALLOWED) })
            }
            Route::Unknown => Err(Problem::ours(404, format!("no such path: {}", request.uri().path()))),
        };
        answer.unwrap_or_else(|problem| {
            if problem.is_ours {
                self.world.refuse(problem.detail.clone());
            }
            self.world.n_problems += 1;
            problem.response(self.world.n_problems)
        })
    }

    fn over_quota(&mut self, request: &Request<Bytes>, in_flight: usize, _now: Timestamp) -> Option<Response<Bytes>> {
        let is_api = request.uri().path().starts_with("/3.0");
        (is_api && in_flight >= MAX_IN_FLIGHT).then(|| self.failure(StatusCode::TOO_MANY_REQUESTS))
    }

    fn failure(&self, status: StatusCode) -> Response<Bytes> {
        Problem::of_status(status).response(0)
    }

    /// Webhooks are kept, not called.
    fn outbound(&mut self) -> Vec<Request<Bytes>> {
        Vec::new()
    }

    fn state(&self) -> Value {
        state::of(self, true)
    }

    fn summary(&self) -> Value {
        state::of(self, false)
    }

    fn act(&mut self, action: &Value, now: Timestamp) -> Result<Value, String> {
        self.world.now = now.as_second();
        act::act(self, action)
    }

    fn reset(&mut self) {
        *self = Self::from_seed(Arc::clone(&self.seed));
    }
}

impl fmt::Debug for Mailchimp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailchimp").field("n_audiences", &self.audiences.len()).finish_non_exhaustive()
    }
}
