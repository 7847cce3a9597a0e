//! A scripted transport, a virtual clock, grants and counters in memory.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use sync_core::{
    AccountId, AuthScheme, Call, Cancel, Clock, CredentialField, Credentials, Descriptor, Effect, Endpoint, Error,
    ErrorKind, Exchange, Grant, Kind, Lane, OAuthClientAuth, OAuthServer, Quota, QuotaScope, Random, Result, Retry, Scope,
    Span, SystemRandom, Transport, TransportError, TransportFault, TransportLimits, Within,
};
use sync_http::{AuthorizedExchange, Client, ClientBuilder, OAuthClient};

pub(crate) use crate::memory::{MemoryCounters, MemoryGrants};

pub(crate) const KEY: &str = "k3y0123456789abcdef-us19";
pub(crate) const CLIENT_SECRET: &str = "cl1ent-s3cret-value";
const SETTLE: Duration = Duration::from_secs(120);

pub(crate) fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

// --- time -----------------------------------------------------------------------------------------------------------

/// Time that passes only when everybody sleeps.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Time>);

#[derive(Debug)]
struct Time {
    now: Timestamp,
    sleepers: BTreeMap<(Timestamp, usize), Waker>,
    next: usize,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Time { now: start(), sleepers: BTreeMap::new(), next: 0 })))
    }

    pub(crate) fn pass(&self, duration: Duration) {
        let mut time = self.0.lock().unwrap();
        time.now += SignedDuration::try_from(duration).unwrap();
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Duration::try_from(self.now().duration_since(start())).unwrap()
    }

    fn wake_next(&self) -> bool {
        let mut time = self.0.lock().unwrap();
        let Some(((at, _), waker)) = time.sleepers.pop_first() else { return false };
        time.now = time.now.max(at);
        drop(time);
        waker.wake();
        true
    }

    /// Runs a future, letting time pass whenever it waits for nothing else.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        struct Flag(AtomicBool);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            if !flag.0.swap(false, Ordering::SeqCst) {
                assert!(self.wake_next(), "everybody waits and nobody sleeps");
            }
        }
    }
}

impl Clock for Port {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = Arc::clone(&self.0);
        let until = clock.now() + SignedDuration::try_from(duration).unwrap();
        let mut place = None;
        Box::pin(std::future::poll_fn(move |cx| {
            let mut time = clock.0.lock().unwrap();
            if time.now >= until {
                return Poll::Ready(());
            }
            let key = *place.get_or_insert_with(|| {
                time.next += 1;
                (until, time.next)
            });
            time.sleepers.insert(key, cx.waker().clone());
            Poll::Pending
        }))
    }
}

impl TestClock {
    pub(crate) fn now(&self) -> Timestamp {
        self.0.lock().unwrap().now
    }
}

/// The clock as a port.
#[derive(Debug, Clone)]
pub(crate) struct Port(pub(crate) Arc<TestClock>);

// --- bytes ----------------------------------------------------------------------------------------------------------

pub(crate) enum Step {
    Answer(u16, &'static [(&'static str, &'static str)], String),
    Fault(TransportFault),
    /// Takes this long, then goes on with the next.
    Slow(Duration, Box<Step>),
}

pub(crate) fn answer(status: u16, body: &str) -> Step {
    Step::Answer(status, &[], body.to_owned())
}

pub(crate) fn answer_with(status: u16, headers: &'static [(&'static str, &'static str)], body: &str) -> Step {
    Step::Answer(status, headers, body.to_owned())
}

pub(crate) fn slow(millis: u64, step: Step) -> Step {
    Step::Slow(Duration::from_millis(millis), Box::new(step))
}

pub(crate) struct Seen {
    pub(crate) at: Duration,
    pub(crate) request: Request<Bytes>,
    pub(crate) limits: TransportLimits,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.request.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn body(&self) -> &str {
        std::str::from_utf8(self.request.body()).unwrap()
    }
}

type Respond = Box<dyn Fn(&Request<Bytes>, usize) -> Step + Send + Sync>;

/// Answers from a script, then by a rule, and keeps what it was sent.
pub(crate) struct Scripted {
    clock: Arc<TestClock>,
    script: Mutex<VecDeque<Step>>,
    rule: Respond,
    pub(crate) seen: Mutex<Vec<Seen>>,
    flying: AtomicUsize,
    pub(crate) most_flying: AtomicUsize,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    pub(crate) fn new(clock: &Arc<TestClock>, script: impl IntoIterator<Item = Step>) -> Arc<Self> {
        let rule: Respond = Box::new(|request, _| panic!("no answer is left for {} {}", request.method(), request.uri()));
        Arc::new(Self::made(clock, script.into_iter().collect(), rule))
    }

    pub(crate) fn by_rule(
        clock: &Arc<TestClock>,
        rule: impl Fn(&Request<Bytes>, usize) -> Step + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self::made(clock, VecDeque::new(), Box::new(rule)))
    }

    fn made(clock: &Arc<TestClock>, script: VecDeque<Step>, rule: Respond) -> Self {
        Self {
            clock: Arc::clone(clock),
            script: Mutex::new(script),
            rule,
            seen: Mutex::default(),
            flying: AtomicUsize::new(0),
            most_flying: AtomicUsize::new(0),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn times(&self) -> Vec<Duration> {
        self.seen.lock().unwrap().iter().map(|seen| seen.at).collect()
    }
}

#[async_trait]
impl Transport for Scripted {
    async fn send(
        &self,
        request: Request<Bytes>,
        limits: TransportLimits,
    ) -> std::result::Result<Response<Bytes>, TransportError> {
        let idx = self.count();
        let step = self.script.lock().unwrap().pop_front();
        let mut step = step.unwrap_or_else(|| (self.rule)(&request, idx));
        self.seen.lock().unwrap().push(Seen { at: self.clock.elapsed(), request, limits });
        let flying = self.flying.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_flying.fetch_max(flying, Ordering::SeqCst);
        let result = loop {
            match step {
                Step::Slow(duration, next) => {
                    Port(Arc::clone(&self.clock)).sleep(duration).await;
                    step = *next;
                }
                Step::Fault(fault) => break Err(TransportError { fault, message: "as the script says".to_owned() }),
                Step::Answer(status, headers, body) => {
                    let mut response = Response::builder().status(status);
                    for (name, value) in headers {
                        response = response.header(*name, *value);
                    }
                    break Ok(response.body(Bytes::from(body)).unwrap());
                }
            }
        };
        self.flying.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

// --- a provider -----------------------------------------------------------------------------------------------------

const KEY_AUTH: AuthScheme = AuthScheme::ApiKey {
    fields: &[CredentialField { name: "api_key", label: "API key", help: "It is under Account > Keys." }],
    basic_user: Some("anyone"),
    var_from_suffix: Some(("dc", '-')),
};

pub(crate) const OAUTH: OAuthServer = OAuthServer {
    endpoint: "login",
    authorize_path: "/oauth2/authorize",
    token_endpoint: "login",
    token_path: "/oauth2/token",
    revoke_path: Some("/oauth2/revoke"),
    metadata: Some(("/oauth2/metadata", "OAuth", &[("dc", "dc"), ("api_endpoint", "api_endpoint")])),
    scopes: &["read", "write"],
    client_auth: OAuthClientAuth::Form,
    pkce: true,
    loopback_host: "127.0.0.1",
    authorize_params: &[("access_type", "offline")],
    expires: true,
};

const ENDPOINTS: &[Endpoint] = &[
    Endpoint { name: "api", url: "https://{dc}.api.example.com/3.0", fallback: Some("https://api.example.com/3.0") },
    Endpoint { name: "login", url: "https://login.example.com", fallback: None },
];

pub(crate) const fn quota(budget: &'static str, scope: QuotaScope, span: Span, limit: u32, reserve_percent: u32) -> Quota {
    Quota { budget, scope, span, limit, reserve_percent, remaining_header: Some("x-remaining"), source: "test" }
}

pub(crate) const BASE: Descriptor = Descriptor {
    id: "acme",
    name: "Acme",
    description: "test",
    kind: Kind::Sync,
    sync_types: &[],
    supports_direction: false,
    feeds: &[],
    resources: &[],
    endpoints: ENDPOINTS,
    quotas: &[],
    auth: &[KEY_AUTH, AuthScheme::OAuth(OAUTH)],
    call_timeout: Duration::from_secs(30),
    settle: SETTLE,
    concurrency: 4,
    effects: &[],
};

pub(crate) static ACME: Descriptor = BASE;

/// Status first, then the body: a 200 must be JSON.
pub(crate) fn classify(answer: &Response<Bytes>) -> Result<()> {
    match answer.status().as_u16() {
        200 if serde_json::from_slice::<serde_json::Value>(answer.body()).is_ok() => Ok(()),
        200 => Err(Error::new(ErrorKind::BadAnswer, "Acme answered no JSON").with_effect(Effect::Unknown)),
        401 => Err(Error::new(ErrorKind::AuthRevoked, "Acme refused the key")),
        409 => Err(Error::new(ErrorKind::Taken, "taken")),
        429 => Err(Error::new(ErrorKind::RateLimited, "Acme asked us to slow down")),
        503 => Err(Error::new(ErrorKind::Unavailable, "Acme is down").with_effect(Effect::None)),
        502 => Err(Error::new(ErrorKind::Unavailable, "Acme broke").with_effect(Effect::Unknown).with_retry(Retry::Backoff)),
        _ => Err(Error::new(ErrorKind::Refused, "Acme refused it")),
    }
}

pub(crate) fn read() -> Call {
    Call::get("things.list", "api", classify).segments(["things"])
}

pub(crate) fn write() -> Call {
    Call::new("things.create", "api", Method::POST, classify).segments(["things"]).body_of("application/json", "{}")
}

pub(crate) fn scope() -> Scope {
    Scope::new("org-1", "acme")
}

pub(crate) fn key_grant() -> Grant {
    Grant {
        generation: 3,
        credentials: Credentials::ApiKey(SecretString::from(KEY)),
        vars: BTreeMap::from([("dc".to_owned(), "us19".to_owned())]),
        scopes: vec![],
        account: Some(AccountId::from("acc-1")),
        dead_since: None,
    }
}

pub(crate) fn token_grant(expires_in: Duration) -> Grant {
    Grant {
        credentials: Credentials::Token {
            access: SecretString::from("access-0-s3cret"),
            refresh: Some(SecretString::from("refresh-0-s3cret")),
            expires_at: Some(start() + SignedDuration::try_from(expires_in).unwrap()),
        },
        ..key_grant()
    }
}

/// Counts where something must be unique, and jitters nowhere.
fn count(buffer: &mut [u8]) {
    static N: AtomicUsize = AtomicUsize::new(0);
    buffer.fill(0);
    if buffer.len() == 32 {
        let n = N.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        buffer.iter_mut().zip(n).for_each(|(to, from)| *to = from);
    }
}

// --- the world ------------------------------------------------------------------------------------------------------

/// Everything around a client.
pub(crate) struct World {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) transport: Arc<Scripted>,
    pub(crate) grants: Arc<MemoryGrants>,
    pub(crate) counters: Arc<MemoryCounters>,
    pub(crate) cancel: Cancel,
    time_left: Cell<Duration>,
}

impl World {
    pub(crate) fn new(script: impl IntoIterator<Item = Step>) -> Self {
        let clock = TestClock::new();
        let transport = Scripted::new(&clock, script);
        Self::with(clock, transport)
    }

    pub(crate) fn by_rule(rule: impl Fn(&Request<Bytes>, usize) -> Step + Send + Sync + 'static) -> Self {
        let clock = TestClock::new();
        let transport = Scripted::by_rule(&clock, rule);
        Self::with(clock, transport)
    }

    /// A rule that sees the stored grants too.
    pub(crate) fn by_rule_with_grants(
        rule: impl Fn(&MemoryGrants, &Request<Bytes>, usize) -> Step + Send + Sync + 'static,
    ) -> Self {
        let grants = Arc::new(MemoryGrants::default());
        let seen_by_rule = Arc::clone(&grants);
        let clock = TestClock::new();
        let transport = Scripted::by_rule(&clock, move |request, idx| rule(&seen_by_rule, request, idx));
        Self::of(clock, transport, grants)
    }

    fn with(clock: Arc<TestClock>, transport: Arc<Scripted>) -> Self {
        Self::of(clock, transport, Arc::default())
    }

    fn of(clock: Arc<TestClock>, transport: Arc<Scripted>, grants: Arc<MemoryGrants>) -> Self {
        grants.put(&scope(), key_grant());
        Self {
            clock,
            transport,
            grants,
            counters: Arc::default(),
            cancel: Cancel::new(),
            time_left: Cell::new(Duration::from_secs(600)),
        }
    }

    pub(crate) fn time_left(self, left: Duration) -> Self {
        self.time_left.set(left);
        self
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        let random: Arc<dyn Random> = Arc::new(SystemRandom::new(count));
        Client::builder(self.grants.clone(), self.counters.clone())
            .with_transport(self.transport.clone())
            .with_clock(Arc::new(Port(self.clock.clone())))
            .with_random(random)
            .with_sign_ins(self.grants.clone())
            .with_oauth_client(&"acme".into(), OAuthClient::new("client-1", CLIENT_SECRET))
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn exchange(&self) -> AuthorizedExchange {
        self.client().exchange(&scope(), &ACME)
    }

    pub(crate) fn within(&self, lane: Lane) -> Within<'_> {
        let left = SignedDuration::try_from(self.time_left.get()).unwrap();
        Within { deadline: start() + left, cancel: &self.cancel, lane }
    }

    /// Sends one call to the end.
    pub(crate) fn send(&self, call: Call) -> Result<Response<Bytes>> {
        let exchange = self.exchange();
        self.clock.run(exchange.send(call, self.within(Lane::Interactive)))
    }
}
