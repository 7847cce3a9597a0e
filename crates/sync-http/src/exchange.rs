//! One connection's way out: the one loop over attempts in the whole program.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use secrecy::SecretString;
use sync_core::{
    AccountId, Call, Credentials, Descriptor, Effect, Error, ErrorKind, Exchange, Grant, Owner, Repeat, Result, Retry,
    Scope, TransportError, TransportFault, TransportLimits, Within,
    zoo::{self, Defect},
};
use tracing::Instrument as _;

use crate::{
    budget::{Ended, Payer, Permit, cancelled},
    client::{Inner, Shared},
    endpoint,
    oauth::client_id,
    retry::{Known, may_repeat, told},
    session::{has_secret, secret, sign},
    telemetry,
    time::{self, later, until},
};

/// One connection's authorised way to its provider.
///
/// Writes go out only with a token of a grant whose account was verified (see [`crate::Client::verified`]); with
/// [`Self::expect_generation`] it must be that account, too.
#[derive(Clone)]
pub struct AuthorizedExchange {
    inner: Arc<Inner>,
    shared: Arc<Shared>,
    scope: Scope,
    descriptor: &'static Descriptor,
    expected: Option<(u64, AccountId)>,
}

impl fmt::Debug for AuthorizedExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedExchange")
            .field("scope", &self.scope)
            .field("descriptor", &self.descriptor.id)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

/// An attempt that led to nothing.
enum Failed {
    /// Nothing was sent, and sending again won't help now.
    Before(Error),
    /// It was sent, or the sending was tried.
    After { error: Error, known: Known, status: Option<StatusCode>, grant: Box<Grant> },
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Before(error)
    }
}

impl AuthorizedExchange {
    pub(crate) fn new(inner: Arc<Inner>, scope: Scope, descriptor: &'static Descriptor) -> Self {
        let shared = inner.shared(descriptor);
        Self { inner, shared, scope, descriptor, expected: None }
    }

    /// Refuses writes unless the token is of this grant generation, or of a later one that reaches the same account: a
    /// refresh raises the generation and leaves the account, a reconnect takes the account away until it is verified.
    #[must_use]
    pub fn expect_generation(mut self, generation: u64, account: AccountId) -> Self {
        self.expected = Some((generation, account));
        self
    }

    async fn run(&self, call: &Call, within: &Within<'_>) -> Result<Response<Bytes>> {
        let policy = &self.inner.retry;
        let mut attempt = 0;
        let mut may_have_happened = false;
        let mut last: Option<Error> = None;
        let mut refused: Option<SecretString> = None;
        loop {
            attempt += 1;
            let failed = match self.attempt(call, within, attempt, refused.as_ref()).await {
                Ok(answer) => {
                    self.shared.retries.refill();
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            let conclude = |error: Error, may_have_happened: bool| {
                let effect = match call.repeat {
                    Repeat::Read => Effect::None,
                    _ if may_have_happened => Effect::Unknown,
                    _ => error.effect(),
                };
                let error = error.with_effect(effect);
                let named = error.context().iter().any(|(key, _)| *key == "operation");
                let error = if named { error } else { error.with_context("operation", call.operation) };
                error.with_context("attempt", attempt)
            };
            let (error, known, status, grant) = match failed {
                Failed::Before(error) => {
                    // What the provider said last tells more than that the time ran out on the way to the next attempt.
                    let error = if error.kind() == ErrorKind::Timeout { last.unwrap_or(error) } else { error };
                    return Err(conclude(error, may_have_happened));
                }
                Failed::After { error, known, status, grant } => (error, known, status, grant),
            };
            may_have_happened |= error.effect() == Effect::Unknown;

            if known == Known::Answered
                && (error.kind() == ErrorKind::AuthRevoked || status == Some(StatusCode::UNAUTHORIZED))
            {
                let may_go_again = error.effect() == Effect::None || call.repeat != Repeat::Never;
                if refused.is_none() && may_go_again {
                    match self.has_another_secret(&grant).await {
                        Ok(true) => {
                            refused = secret(&grant).cloned();
                            last = Some(error);
                            continue;
                        }
                        Ok(false) => {}
                        // The store's trouble says nothing about what earlier attempts did.
                        Err(trouble) => return Err(conclude(trouble, may_have_happened)),
                    }
                }
                if error.kind() == ErrorKind::AuthRevoked
                    && let Some(secret) = secret(&grant)
                    && let Err(trouble) = self.inner.bury(&self.scope, secret).await
                {
                    // What the provider said stands all the same; the next call that it refuses notes it down.
                    tracing::warn!(integration = self.descriptor.id, %trouble, "a dead grant could not be noted down");
                }
                return Err(conclude(error, may_have_happened));
            }

            if !may_repeat(call.repeat, known, &error) || attempt >= policy.max_attempts {
                return Err(conclude(error, may_have_happened));
            }
            let told = match error.retry() {
                Retry::After(delay) => Some(delay),
                _ => None,
            };
            let pause = policy.pause(attempt, told, self.inner.random.as_ref());
            let resumes = later(self.inner.clock.now(), pause);
            let is_too_late = resumes > self.latest_start(call, within);
            if is_too_late || told.unwrap_or_default() > policy.longest_pause || !self.shared.retries.take() {
                return Err(conclude(error, may_have_happened));
            }
            telemetry::retried(self.descriptor, call, &error);
            tracing::debug!(kind = error.kind().as_str(), pause_ms = pause.as_millis(), "sync_http: sending again");
            if !time::sleep(self.inner.clock.as_ref(), within.cancel, pause).await {
                return Err(conclude(cancelled(), may_have_happened));
            }
            last = Some(error);
        }
    }

    /// After a 401: true when there is or can be another secret than the refused one.
    async fn has_another_secret(&self, used: &Grant) -> Result<bool> {
        if matches!(used.credentials, Credentials::Token { refresh: Some(_), .. }) {
            return Ok(true);
        }
        let Some(refused) = secret(used) else { return Ok(false) };
        let stored = self.inner.grants.load(&self.scope).await?;
        Ok(stored.is_some_and(|stored| !has_secret(&stored, refused)))
    }

    /// The last moment at which an attempt makes sense: with less time than this the answer would hardly come.
    fn latest_start(&self, call: &Call, within: &Within<'_>) -> jiff::Timestamp {
        let floor = (self.timeout(call) / 10).min(Duration::from_secs(1));
        jiff::SignedDuration::try_from(floor)
            .ok()
            .and_then(|floor| within.deadline.checked_sub(floor).ok())
            .unwrap_or(within.deadline)
    }

    fn timeout(&self, call: &Call) -> Duration {
        call.timeout.unwrap_or(self.descriptor.call_timeout)
    }

    async fn attempt(
        &self,
        call: &Call,
        within: &Within<'_>,
        attempt: u32,
        refused: Option<&SecretString>,
    ) -> std::result::Result<Response<Bytes>, Failed> {
        let latest = self.latest_start(call, within);
        self.may_start(within, latest)?;
        let grant = self.inner.fresh_grant(&self.scope, self.descriptor, refused, within).await?;
        self.assert_account(call, &grant)?;
        let request = self.request(call, &grant)?;
        let account = grant.account.clone();
        let hosts = || self.inner.oauth_client(self.descriptor).map_or("", |client| client.id());
        let app = client_id(&grant).map_or_else(|| hosts().to_owned(), str::to_owned);
        let payer = Payer {
            scope: &self.scope,
            app: &app,
            account: account.as_ref().map(AccountId::as_str),
            budget: call.budget,
            cost: call.cost,
        };
        let permit = self.shared.ledger.acquire(&payer, within, latest).await?;
        if let Err(error) = self.may_start(within, latest) {
            permit.end(Ended::Unsent);
            return Err(error.into());
        }
        let left = until(self.inner.clock.now(), within.deadline);
        let limits = TransportLimits { timeout: self.timeout(call).min(left), max_answer: call.max_answer };
        let span = tracing::Span::current();
        span.record("attempt", attempt);
        let sent = self.inner.transport.send(request, limits).await;
        match sent {
            Ok(answer) => {
                permit.end(Ended::Answered);
                span.record("status", answer.status().as_u16());
                telemetry::attempted(self.descriptor, call, answer.status().as_str().to_owned());
                self.shared.ledger.learn(&payer, answer.headers()).await;
                self.judge(call, &payer, answer, grant)
            }
            Err(fault) => {
                span.record("status", telemetry::fault(fault.fault));
                telemetry::attempted(self.descriptor, call, telemetry::fault(fault.fault).to_owned());
                self.end(permit, fault.fault);
                let known = Known::Fault(fault.fault);
                Err(Failed::After { error: self.no_answer(call, fault), known, status: None, grant: Box::new(grant) })
            }
        }
    }

    fn may_start(&self, within: &Within<'_>, latest: jiff::Timestamp) -> Result<()> {
        if within.cancel.is_cancelled() {
            return Err(cancelled());
        }
        if self.inner.clock.now() > latest {
            return Err(Error::new(ErrorKind::Timeout, "the time for this call was used up before it was sent")
                .with_remedy("Nothing needs to be done: the next run sends it."));
        }
        Ok(())
    }

    /// A call that was given up on keeps its slot while the provider may still be at it.
    fn end(&self, permit: Permit, fault: TransportFault) {
        permit.end(match fault {
            TransportFault::Unreachable => Ended::Unsent,
            TransportFault::CutOff | TransportFault::TimedOut => Ended::MayRun(self.descriptor.settle),
            TransportFault::TooLarge => Ended::Answered,
        });
    }

    /// Law: each write asserts that its token reaches the account that was verified.
    fn assert_account(&self, call: &Call, grant: &Grant) -> Result<()> {
        if call.repeat == Repeat::Read || zoo::is(Defect::WritesWithStaleGeneration) {
            return Ok(());
        }
        let fits = match &self.expected {
            Some((generation, account)) => grant.generation >= *generation && grant.account.as_ref() == Some(account),
            None => grant.account.is_some(),
        };
        if fits {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotConnected,
            format!("the connection to {} was made anew, and its account is not verified yet", self.descriptor.name),
        )
        .with_retry(Retry::Backoff)
        .with_owner(Owner::Nobody)
        .with_remedy("Sync again: the account is verified first."))
    }

    fn request(&self, call: &Call, grant: &Grant) -> Result<Request<Bytes>> {
        let base = self.inner.base(self.descriptor, call.endpoint, &grant.vars)?;
        let mut request = Request::new(call.body.clone());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = endpoint::join(&base, &call.path_and_query())?;
        let headers = request.headers_mut();
        for (name, value) in &call.headers {
            headers.append(name.clone(), value.clone());
        }
        if let Some((name, key)) = &call.key {
            let value = HeaderValue::from_str(key.as_str())
                .map_err(|error| Error::new(ErrorKind::Internal, "a call's key can't be a header").with_source(error))?;
            headers.insert(name.clone(), value);
        }
        headers.insert(AUTHORIZATION, sign(self.descriptor, grant)?);
        Ok(request)
    }

    fn judge(
        &self,
        call: &Call,
        payer: &Payer<'_>,
        answer: Response<Bytes>,
        grant: Grant,
    ) -> std::result::Result<Response<Bytes>, Failed> {
        let Err(mut error) = (call.classify)(&answer) else { return Ok(answer) };
        if error.retry() != Retry::Never
            && let Some(delay) = told(answer.headers(), self.inner.clock.now())
        {
            error = error.with_retry(Retry::After(delay));
        }
        if matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::QuotaExhausted)
            && let Retry::After(delay) = error.retry()
        {
            self.shared.ledger.pause(payer, delay);
        }
        if let (true, Some(secret)) = (zoo::is(Defect::QuotesTheToken), secret(&grant)) {
            error = error.with_context("signed-with", secrecy::ExposeSecret::expose_secret(secret));
        }
        if !error.context().iter().any(|(key, _)| *key == "status") {
            error = error.with_context("status", answer.status().as_u16());
        }
        Err(Failed::After { error, known: Known::Answered, status: Some(answer.status()), grant: Box::new(grant) })
    }

    /// What it means that there is no whole answer.
    fn no_answer(&self, call: &Call, fault: TransportError) -> Error {
        let name = self.descriptor.name;
        let (kind, message, effect) = match fault.fault {
            TransportFault::Unreachable => (ErrorKind::Unavailable, format!("{name} can't be reached"), Effect::None),
            TransportFault::CutOff => (ErrorKind::Unavailable, format!("the answer of {name} was cut off"), Effect::Unknown),
            TransportFault::TimedOut => (ErrorKind::Timeout, format!("{name} did not answer in time"), Effect::Unknown),
            TransportFault::TooLarge => {
                let message = format!("{name} answered more than {} bytes", call.max_answer);
                (ErrorKind::BadAnswer, message, Effect::Unknown)
            }
        };
        Error::new(kind, message).with_effect(effect).with_source(fault)
    }
}

#[async_trait]
impl Exchange for AuthorizedExchange {
    async fn send(&self, call: Call, within: Within<'_>) -> Result<Response<Bytes>> {
        let span = telemetry::call_span(self.descriptor, &call, within.lane);
        let began = self.inner.clock.now();
        let result = self.run(&call, &within).instrument(span.clone()).await;
        let outcome = result.as_ref().map_or_else(|error| error.kind().as_str(), |_| "ok");
        span.record("outcome", outcome);
        telemetry::called(self.descriptor, &call, outcome, until(began, self.inner.clock.now()));
        result
    }
}
