//! What a provider tells who is called directly: tokens that rotate, limits that count.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::Timestamp;
use sync_core::{
    AccountId, Call, Cancel, Clock, Credentials, Error, ErrorKind, Exchange as _, Grant, Grants, Lane, Result, Scope,
    Swapped, Transport, TransportError, TransportLimits, Within,
};
use sync_dispatch::http::{AuthorizedExchange, Client, OAuthClient, RetryPolicy};
use sync_engine::MemoryStore;
use sync_testkit::{SeededRandom, SimClock};

use super::{Broken, differs, wrong};
use crate::sim::with;

const MINUTE: Duration = Duration::from_secs(60);

/// A provider that rotates refresh tokens, takes none twice, and answers to the newest access token.
struct Issuer {
    clock: SimClock,
    status: StatusCode,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    n_exchanges: usize,
    n_refused: usize,
    calls: Vec<(Timestamp, Method)>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer")
    }
}

#[async_trait]
impl Transport for Issuer {
    async fn send(&self, request: Request<Bytes>, _: TransportLimits) -> Result<Response<Bytes>, TransportError> {
        self.clock.sleep(Duration::from_millis(400)).await;
        let is_exchange = request.uri().path().ends_with("/token");
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let (status, text) = with(&self.seen, |seen| {
            if !is_exchange {
                seen.calls.push((self.clock.now(), request.method().clone()));
                return (self.status, "{}".to_owned());
            }
            let n = seen.n_exchanges;
            if !body.contains(&format!("refresh_token=refresh-{n}-s3cret")) {
                seen.n_refused += 1;
                return (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#.to_owned());
            }
            seen.n_exchanges += 1;
            let n = n + 1;
            let tokens = serde_json::json!({"access_token": format!("access-{n}-s3cret"), "token_type": "Bearer",
                "refresh_token": format!("refresh-{n}-s3cret"), "expires_in": 1800});
            (StatusCode::OK, tokens.to_string())
        });
        let mut answer = Response::new(Bytes::from(text));
        *answer.status_mut() = status;
        *answer.headers_mut() = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Ok(answer)
    }
}

/// Grants that let others go first before they change anything.
#[derive(Debug)]
struct Polite(MemoryStore);

#[async_trait]
impl Grants for Polite {
    async fn load(&self, scope: &Scope) -> Result<Option<Grant>> {
        self.0.load(scope).await
    }

    async fn swap(&self, scope: &Scope, expected: Option<u64>, grant: Option<Grant>) -> Result<Swapped> {
        tokio::task::yield_now().await;
        self.0.swap(scope, expected, grant).await
    }
}

/// A connection and who it is made to.
struct Line {
    clock: SimClock,
    issuer: Arc<Issuer>,
    grants: Arc<Polite>,
    scope: Scope,
}

impl Line {
    /// A connection whose token runs out after so long.
    fn new(lives: Duration, status: StatusCode) -> Self {
        let clock = SimClock::new();
        let issuer = Arc::new(Issuer { clock: clock.clone(), status, seen: Mutex::default() });
        let grants = Arc::new(Polite(MemoryStore::new(Arc::new(clock.clone()))));
        let line = Self { clock, issuer, grants, scope: Scope::new("blue-manta", "xero") };
        line.sign_in(lives, Some("tenant-1".into()));
        line
    }

    /// Somebody signs in; the account is verified at once where one is named.
    fn sign_in(&self, lives: Duration, account: Option<AccountId>) {
        let credentials = Credentials::Token {
            access: "access-0-s3cret".to_owned().into(),
            refresh: Some("refresh-0-s3cret".to_owned().into()),
            expires_at: Some(self.clock.now() + lives),
        };
        let vars = BTreeMap::from([("tenant".to_owned(), "tenant-1".to_owned())]);
        let grant = Grant { generation: 0, credentials, vars, scopes: Vec::new(), account: None, dead_since: None };
        let signed_in = self.clock.block_on(async {
            let client = self.client();
            let grant = client.connect(&self.scope, grant).await?;
            if let Some(account) = account {
                client.verified(&self.scope, &grant, account).await?;
            }
            Ok::<_, Error>(())
        });
        signed_in.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// A process.
    fn client(&self) -> Client {
        Client::builder(self.grants.clone(), Arc::new(self.grants.0.clone()))
            .with_transport(self.issuer.clone())
            .with_clock(Arc::new(self.clock.clone()))
            .with_random(Arc::new(SeededRandom::new(1)))
            .with_retry(RetryPolicy::never())
            .with_oauth_client(&"xero".into(), OAuthClient::new("client-1", "client-s3cret".to_owned()))
            .build()
            .unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn exchange(&self) -> AuthorizedExchange {
        self.client().exchange(&self.scope, provider_xero::REGISTRATION.descriptor)
    }

    async fn send(&self, exchange: &AuthorizedExchange, method: Method, lane: Lane, patience: Duration) -> Result<()> {
        let cancel = Cancel::new();
        let call = Call::new("contacts.list", "api", method, classify).segments(["Contacts"]);
        let within = Within { deadline: self.clock.now() + patience, cancel: &cancel, lane };
        exchange.send(call, within).await.map(|_| ())
    }

    /// How many of these calls, made at once, went well.
    fn all(&self, exchanges: &[AuthorizedExchange], lane: Lane, patience: Duration) -> usize {
        let calls = exchanges.iter().map(|exchange| self.send(exchange, Method::GET, lane, patience));
        self.clock.block_on(join_all(calls)).iter().filter(|result| result.is_ok()).count()
    }
}

fn classify(answer: &Response<Bytes>) -> Result<()> {
    if answer.status().is_success() { Ok(()) } else { Err(Error::new(ErrorKind::Invalid, "it says no")) }
}

pub(super) fn published_limits_hold() -> Broken {
    let line = Line::new(10 * MINUTE, StatusCode::OK);
    let exchange = line.exchange();
    line.all(&vec![exchange; 150], Lane::Interactive, 10 * MINUTE);
    let calls = with(&line.issuer.seen, |seen| seen.calls.clone());
    let in_a_minute = |from: &Timestamp| calls.iter().filter(|(at, _)| (*from..*from + MINUTE).contains(at)).count();
    let most = calls.iter().map(|(from, _)| in_a_minute(from)).max().unwrap_or(0);
    wrong(most > 60, format!("law 10: {most} calls in a minute where 60 are allowed"))
}

pub(super) fn a_reserve_is_kept_for_people_who_wait() -> Broken {
    let line = Line::new(10 * MINUTE, StatusCode::OK);
    let exchange = line.exchange();
    line.all(&vec![exchange.clone(); 80], Lane::Backfill, Duration::from_secs(10));
    differs("law 10: calls of people who wait", &line.all(&[exchange], Lane::Interactive, Duration::from_secs(2)), &1)
}

/// Two processes whose token has run out.
fn two_refresh(line: &Line) -> usize {
    line.all(&[line.exchange(), line.exchange()], Lane::Interactive, 2 * MINUTE)
}

pub(super) fn two_processes_refresh_once() -> Broken {
    let line = Line::new(Duration::from_secs(1), StatusCode::OK);
    let mut broken = differs("calls that went well", &two_refresh(&line), &2);
    let (n_exchanges, n_refused) = with(&line.issuer.seen, |seen| (seen.n_exchanges, seen.n_refused));
    broken.extend(differs("law 11: exchanges, and refused ones", &(n_exchanges, n_refused), &(1, 0)));
    broken
}

pub(super) fn who_loses_a_refresh_goes_on_with_the_winners_token() -> Broken {
    let line = Line::new(Duration::from_secs(1), StatusCode::OK);
    let mut broken = differs("law 11: calls that went well", &two_refresh(&line), &2);
    let stored = line.clock.block_on(line.grants.load(&line.scope)).ok().flatten();
    broken.extend(wrong(stored.is_none_or(|grant| grant.dead_since.is_some()), "law 11: the connection is gone"));
    broken
}

pub(super) fn the_second_refresh_knows_of_the_first() -> Broken {
    let line = Line::new(Duration::from_secs(1), StatusCode::OK);
    let mut broken = Broken::new();
    for nth in ["first", "second"] {
        let n_well = line.all(&[line.exchange()], Lane::Interactive, 2 * MINUTE);
        broken.extend(differs(&format!("law 11: calls after the {nth} refresh"), &n_well, &1));
        line.clock.advance(40 * MINUTE);
    }
    broken
}

pub(super) fn a_write_asks_whose_account_it_is() -> Broken {
    let line = Line::new(10 * MINUTE, StatusCode::OK);
    let verified = line.clock.block_on(line.grants.load(&line.scope)).ok().flatten();
    let exchange = line.exchange().expect_generation(verified.map_or(0, |grant| grant.generation), "tenant-1".into());
    // Somebody connects anew, and nobody has looked yet what that reaches.
    line.sign_in(10 * MINUTE, None);
    let sent = line.clock.block_on(line.send(&exchange, Method::POST, Lane::Interactive, MINUTE));
    wrong(sent.is_ok(), "law 12: it was written to an account that nobody verified")
}

pub(super) fn an_error_shows_no_secret() -> Broken {
    let line = Line::new(10 * MINUTE, StatusCode::BAD_REQUEST);
    let sent = line.clock.block_on(line.send(&line.exchange(), Method::GET, Lane::Interactive, MINUTE));
    let shown = sent.err().map(|error| format!("{error} {error:?}")).unwrap_or_default();
    let mut broken = wrong(shown.is_empty(), "there was no error");
    broken.extend(wrong(shown.contains("s3cret"), "law 14: an error shows a token"));
    broken
}
