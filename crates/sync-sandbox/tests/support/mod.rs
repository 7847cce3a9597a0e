//! A clock that moves when everybody waits, and short ways to call a Mailchimp.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod google;
pub(crate) mod openapi;
pub(crate) mod xero;
pub(crate) mod yaml;

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sync_core::Clock;
use sync_sandbox::{AudienceSeed, Mailchimp, MailchimpSeed, MemberSeed, Reply, Sandbox, SandboxOptions};

pub(crate) const KEY: &str = "0123456789abcdef-us19";
pub(crate) const LIST: &str = "a1b2c3d4e5";
pub(crate) const START: &str = "2026-03-01T12:00:00Z";

#[derive(Debug, Default)]
struct Times {
    now: Timestamp,
    wanted: Vec<Timestamp>,
}

/// Time stands still until [`TestClock::run`] finds that its future waits; then it jumps to the next wanted time.
#[derive(Debug, Clone)]
pub(crate) struct TestClock(Arc<Mutex<Times>>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Times { now: START.parse().expect("a time"), wanted: Vec::new() })))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut times = self.0.lock().expect("no panic");
        times.now += SignedDuration::try_from(by).expect("a short time");
    }

    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            self.0.lock().expect("no panic").wanted.clear();
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            let mut times = self.0.lock().expect("no panic");
            times.now = *times.wanted.iter().min().expect("it waits for a time");
        }
    }
}

struct Sleep {
    clock: TestClock,
    until: Timestamp,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let mut times = self.clock.0.lock().expect("no panic");
        if times.now >= self.until {
            return Poll::Ready(());
        }
        times.wanted.push(self.until);
        Poll::Pending
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.lock().expect("no panic").now
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let until = self.now() + SignedDuration::try_from(duration).expect("a short time");
        Box::pin(Sleep { clock: self.clone(), until })
    }
}

/// A sandboxed Mailchimp with its clock.
pub(crate) struct Lab {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: TestClock,
}

/// ada subscribed, bob unsubscribed himself, cleo bounced, dan archived, eve pending, fay transactional, gus unsubscribed
/// by the admin.
pub(crate) fn audience() -> AudienceSeed {
    AudienceSeed::new(LIST, "Newsletter")
        .with_member(MemberSeed::new("ada@example.com", "subscribed").with_field("FNAME", "Ada").with_tag("VIP list"))
        .with_member(MemberSeed::new("bob@example.com", "unsubscribed"))
        .with_member(MemberSeed::new("cleo@example.com", "cleaned"))
        .with_member(MemberSeed::new("dan@example.com", "archived"))
        .with_member(MemberSeed::new("eve@example.com", "pending"))
        .with_member(MemberSeed::new("fay@example.com", "transactional"))
        .with_member({
            let mut gus = MemberSeed::new("gus@example.com", "unsubscribed");
            gus.by_admin = true;
            gus
        })
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(MailchimpSeed::new(KEY).with_audience(audience()), SandboxOptions::default())
    }

    pub(crate) fn of(audience: AudienceSeed) -> Self {
        Self::with(MailchimpSeed::new(KEY).with_audience(audience), SandboxOptions::default())
    }

    pub(crate) fn with(seed: MailchimpSeed, options: SandboxOptions) -> Self {
        let clock = TestClock::new();
        let sandbox = Sandbox::new(Mailchimp::new(seed), options, Arc::new(clock.clone()));
        Self { sandbox, clock }
    }

    pub(crate) fn reply(&self, request: Request<Bytes>) -> Reply {
        self.clock.run(self.sandbox.handle(request))
    }

    pub(crate) fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let response = whole(self.reply(request(method, path, body)));
        let body = response.into_parts();
        let json = if body.1.is_empty() { Value::Null } else { serde_json::from_slice(&body.1).expect("JSON") };
        (body.0.status.as_u16(), json)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, None)
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::POST, path, Some(body))
    }

    pub(crate) fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::PUT, path, Some(body))
    }

    pub(crate) fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::PATCH, path, Some(body))
    }

    pub(crate) fn delete(&self, path: &str) -> (u16, Value) {
        self.send(Method::DELETE, path, None)
    }

    /// One member as the state shows it.
    pub(crate) fn member(&self, email: &str) -> Value {
        self.sandbox.state()["lists"][LIST]["members"][email].clone()
    }

    pub(crate) fn status(&self, email: &str) -> String {
        self.member(email)["status"].as_str().unwrap_or("absent").to_owned()
    }

    pub(crate) fn mails(&self) -> u64 {
        self.sandbox.summary()["mails_sent"].as_u64().expect("a number")
    }

    pub(crate) fn automations(&self) -> u64 {
        self.sandbox.summary()["automations_started"].as_u64().expect("a number")
    }

    pub(crate) fn refused(&self) -> Vec<String> {
        serde_json::from_value(self.sandbox.summary()["refused"].clone()).expect("texts")
    }

    pub(crate) fn act(&self, action: Value) {
        self.sandbox.act(&action).expect("an action that can be done");
    }

    /// Acts on this address in the only list.
    pub(crate) fn person(&self, what: &str, email: &str) {
        self.act(json!({"do": what, "list": LIST, "email": email}));
    }
}

pub(crate) fn request(method: Method, path: &str, body: Option<Value>) -> Request<Bytes> {
    let uri = if path.starts_with('/') { format!("https://us19.api.mailchimp.com{path}") } else { path.to_owned() };
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    Request::builder()
        .method(method)
        .uri(uri)
        .header("authorization", format!("Bearer {KEY}"))
        .body(body)
        .expect("a request")
}

pub(crate) fn whole(reply: Reply) -> Response<Bytes> {
    match reply {
        Reply::Answer(response) => response,
        other => panic!("no whole answer: {other:?}"),
    }
}

/// A path below the list.
pub(crate) fn at(tail: &str) -> String {
    format!("/3.0/lists/{LIST}{tail}")
}

/// The hash of an address.
pub(crate) fn hash(email: &str) -> String {
    use md5::{Digest, Md5};
    Md5::digest(email.to_lowercase().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn member_path(email: &str) -> String {
    at(&format!("/members/{}", hash(email)))
}
