//! The transport around another one.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use sync_core::{Clock, Transport, TransportError, TransportFault, TransportLimits};

use super::{Fault, FaultRule};
use crate::{SeededRandom, clock::later};

/// Injects faults between a client and another transport, by rules and by seed, and remembers what was sent. Clones share
/// everything. The same seed, rules and requests give the same faults.
///
/// ```
/// use std::sync::Arc;
/// use sync_core::Transport;
/// use sync_testkit::{Fault, FaultRule, FaultTransport, On, SimClock};
///
/// fn flaky(world: Arc<dyn Transport>, seed: u64) -> FaultTransport {
///     FaultTransport::new(world, Arc::new(SimClock::new()), seed)
///         .with_rule(FaultRule::always(Fault::CutAfter).on(On::Writes).chance(0.3))
/// }
/// ```
#[derive(Clone)]
pub struct FaultTransport {
    inner: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

struct State {
    random: SeededRandom,
    rules: Vec<Counted>,
    late: Vec<Late>,
    log: Vec<Sent>,
    /// How many entries were taken out of the log before its first.
    n_taken: usize,
}

struct Counted {
    rule: FaultRule,
    n_fits: u64,
    n_struck: u64,
}

/// A request that is carried out after its caller gave up.
struct Late {
    due: Timestamp,
    request: Request<Bytes>,
    limits: TransportLimits,
}

/// One request as it went out. Has a body, so nothing of it is printed.
#[derive(Clone)]
#[non_exhaustive]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub uri: Uri,
    /// The headers, the authorization among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// What went wrong, if anything.
    pub fault: Option<&'static str>,
    /// The status of the answer that the caller got; `None` where there was none.
    pub status: Option<StatusCode>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .field("fault", &self.fault)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Sent {
    /// True for what can change something.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET && self.method != Method::HEAD
    }
}

impl fmt::Debug for FaultTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultTransport").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl FaultTransport {
    /// Around this transport, without any fault yet.
    pub fn new(inner: Arc<dyn Transport>, clock: Arc<dyn Clock>, seed: u64) -> Self {
        let state =
            State { random: SeededRandom::new(seed), rules: Vec::new(), late: Vec::new(), log: Vec::new(), n_taken: 0 };
        Self { inner, clock, state: Arc::new(Mutex::new(state)) }
    }

    /// With one more rule. The first rule that strikes counts.
    #[must_use]
    pub fn with_rule(self, rule: FaultRule) -> Self {
        self.add(rule);
        self
    }

    /// Adds a rule.
    pub fn add(&self, rule: FaultRule) {
        self.state().rules.push(Counted { rule, n_fits: 0, n_struck: 0 });
    }

    /// Takes all rules away. What is to be done late is still done.
    pub fn heal(&self) {
        self.state().rules.clear();
    }

    /// What was sent, in order.
    pub fn log(&self) -> Vec<Sent> {
        self.state().log.clone()
    }

    /// What was sent so far; the log is empty afterwards.
    pub fn take_log(&self) -> Vec<Sent> {
        let mut state = self.state();
        state.n_taken += state.log.len();
        std::mem::take(&mut state.log)
    }

    /// How many faults struck.
    pub fn n_struck(&self) -> u64 {
        self.state().rules.iter().map(|counted| counted.n_struck).sum()
    }

    /// Carries out what is due late by now.
    pub async fn settle(&self) {
        loop {
            let now = self.clock.now();
            let next = {
                let mut state = self.state();
                let at = state.late.iter().position(|late| late.due <= now);
                at.map(|at| state.late.remove(at))
            };
            let Some(late) = next else { return };
            // Nobody hears the answer.
            let _ = self.inner.send(late.request, late.limits).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, request: &Request<Bytes>) -> (usize, Option<Fault>) {
        let at = self.clock.now();
        let mut state = self.state();
        let fault = state.decide(request);
        state.log.push(Sent {
            at,
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            body: request.body().clone(),
            fault: fault.as_ref().map(Fault::name),
            status: None,
        });
        (state.n_taken + state.log.len() - 1, fault)
    }

    async fn run_out(&self, limits: TransportLimits) -> TransportError {
        self.clock.sleep(limits.timeout).await;
        error(TransportFault::TimedOut, "no answer within the time")
    }

    async fn broken(
        &self,
        fault: Fault,
        request: Request<Bytes>,
        limits: TransportLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        match fault {
            Fault::Unreachable => Err(error(TransportFault::Unreachable, "no connection")),
            Fault::CutBefore => Err(error(TransportFault::CutOff, "the connection broke")),
            Fault::CutAfter => {
                let _ = self.inner.send(request, limits).await;
                Err(error(TransportFault::CutOff, "the connection broke"))
            }
            Fault::TimedOutBefore => Err(self.run_out(limits).await),
            Fault::TimedOutAfter => {
                let _ = self.inner.send(request, limits).await;
                Err(self.run_out(limits).await)
            }
            Fault::TimedOutThenDone(lag) => {
                let due = later(later(self.clock.now(), limits.timeout), lag);
                self.state().late.push(Late { due, request, limits });
                Err(self.run_out(limits).await)
            }
            Fault::Slow(time) => {
                let answer = self.inner.send(request, limits).await;
                self.clock.sleep(time.min(limits.timeout)).await;
                if time >= limits.timeout {
                    Err(error(TransportFault::TimedOut, "no answer within the time"))
                } else {
                    answer
                }
            }
            Fault::Answer(answer) => Ok(*answer),
            Fault::AnswerAfter(answer) => {
                let _ = self.inner.send(request, limits).await;
                Ok(*answer)
            }
            Fault::Garbage => {
                let mut answer = self.inner.send(request, limits).await?;
                let noise: Vec<u8> = {
                    let state = self.state();
                    (0..16).flat_map(|_| state.random.next().to_le_bytes()).collect()
                };
                *answer.body_mut() = noise.into();
                Ok(answer)
            }
            Fault::Truncated => {
                let mut answer = self.inner.send(request, limits).await?;
                let half = answer.body().len() / 2;
                *answer.body_mut() = answer.body().slice(..half);
                Ok(answer)
            }
            Fault::Endless => {
                let _ = self.inner.send(request, limits).await;
                Err(error(TransportFault::TooLarge, "the answer is larger than allowed"))
            }
        }
    }
}

impl State {
    /// What goes wrong with this request. Each rule counts each request that fits, whichever strikes.
    fn decide(&mut self, request: &Request<Bytes>) -> Option<Fault> {
        let Self { random, rules, .. } = self;
        let mut struck = None;
        for counted in rules.iter_mut().filter(|counted| counted.rule.fits(request)) {
            counted.n_fits += 1;
            let rule = &counted.rule;
            let is_due = counted.n_fits > rule.skip && counted.n_struck < rule.times;
            if is_due && struck.is_none() && (rule.chance >= 1.0 || random.chance(rule.chance)) {
                counted.n_struck += 1;
                struck = Some(rule.fault.clone());
            }
        }
        struck
    }
}

#[async_trait]
impl Transport for FaultTransport {
    async fn send(&self, request: Request<Bytes>, limits: TransportLimits) -> Result<Response<Bytes>, TransportError> {
        self.settle().await;
        let (at, fault) = self.accept(&request);
        let answer = match fault {
            None => self.inner.send(request, limits).await,
            Some(fault) => self.broken(fault, request, limits).await,
        };
        let mut state = self.state();
        if let Some(at) = at.checked_sub(state.n_taken)
            && let Some(sent) = state.log.get_mut(at)
        {
            sent.status = answer.as_ref().ok().map(Response::status);
        }
        drop(state);
        answer
    }
}

fn error(fault: TransportFault, message: &str) -> TransportError {
    TransportError { fault, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::{On, SimClock};

    const LIMITS: TransportLimits = TransportLimits { timeout: Duration::from_secs(60), max_answer: 1 << 20 };

    #[derive(Debug, Default)]
    struct Counter(AtomicU64);

    #[async_trait]
    impl Transport for Counter {
        async fn send(&self, _: Request<Bytes>, _: TransportLimits) -> Result<Response<Bytes>, TransportError> {
            let n = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            Ok(Response::new(Bytes::from(format!("answer {n:010}"))))
        }
    }

    fn request(method: Method) -> Request<Bytes> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_static("https://example.com/a/b");
        request
    }

    struct Lab {
        clock: SimClock,
        world: Arc<Counter>,
        transport: FaultTransport,
    }

    fn lab(seed: u64) -> Lab {
        let (clock, world) = (SimClock::new(), Arc::new(Counter::default()));
        let transport = FaultTransport::new(world.clone(), Arc::new(clock.clone()), seed);
        Lab { clock, world, transport }
    }

    impl Lab {
        fn send(&self, method: Method) -> Result<Response<Bytes>, TransportFault> {
            self.clock.block_on(self.transport.send(request(method), LIMITS)).map_err(|error| error.fault)
        }

        fn n_done(&self) -> u64 {
            self.world.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn each_fault_does_what_its_name_says() {
        let page = Fault::html(StatusCode::BAD_GATEWAY);
        for (fault, n_done, expected) in [
            (Fault::Unreachable, 0, Err(TransportFault::Unreachable)),
            (Fault::CutBefore, 0, Err(TransportFault::CutOff)),
            (Fault::CutAfter, 1, Err(TransportFault::CutOff)),
            (Fault::TimedOutBefore, 0, Err(TransportFault::TimedOut)),
            (Fault::TimedOutAfter, 1, Err(TransportFault::TimedOut)),
            (Fault::Slow(Duration::from_secs(61)), 1, Err(TransportFault::TimedOut)),
            (Fault::Slow(Duration::from_secs(5)), 1, Ok(200)),
            (Fault::too_fast(7), 0, Ok(429)),
            (page, 0, Ok(502)),
            (Fault::Garbage, 1, Ok(200)),
            (Fault::Truncated, 1, Ok(200)),
            (Fault::Endless, 1, Err(TransportFault::TooLarge)),
        ] {
            let lab = lab(1);
            let name = fault.name();
            lab.transport.add(FaultRule::once(fault));
            let answer = lab.send(Method::POST);
            let status = answer.as_ref().map(|answer| answer.status().as_u16()).map_err(|fault| *fault);
            assert_eq!((status, lab.n_done()), (expected, n_done), "{name}");
            assert!(answer.is_err() || answer.unwrap().body() != "answer 0000000001" || name == "slow", "{name}");
            assert!(lab.send(Method::POST).is_ok(), "only once: {name}");
        }
    }

    #[test]
    fn what_is_done_late_is_done_after_the_caller_gave_up_and_before_the_next_request() {
        let lab = lab(1);
        lab.transport.add(FaultRule::once(Fault::TimedOutThenDone(Duration::from_secs(30))));
        assert!(lab.send(Method::POST).is_err());
        lab.clock.block_on(lab.transport.settle());
        assert_eq!(lab.n_done(), 0, "not yet");
        lab.clock.advance(Duration::from_secs(30));
        assert!(lab.send(Method::GET).is_ok());
        assert_eq!(lab.n_done(), 2);
    }

    #[test]
    fn rules_choose_by_method_path_turn_and_number() {
        let lab = lab(1);
        lab.transport.add(FaultRule::always(Fault::CutBefore).on(On::Writes).path("/b").skip(1).times(2));
        let sent: Vec<bool> = [Method::POST, Method::GET, Method::POST, Method::PUT, Method::POST]
            .into_iter()
            .map(|method| lab.send(method).is_ok())
            .collect();
        assert_eq!(sent, [true, true, false, false, true]);
        assert_eq!(lab.transport.n_struck(), 2);
        lab.transport.add(FaultRule::always(Fault::CutBefore).path("/c"));
        assert!(lab.send(Method::GET).is_ok());
    }

    #[test]
    fn a_seed_repeats_its_faults() {
        let struck = |seed| -> Vec<bool> {
            let lab = lab(seed);
            lab.transport.add(FaultRule::always(Fault::CutAfter).chance(0.3));
            (0..1_000).map(|_| lab.send(Method::POST).is_err()).collect()
        };
        let first = struck(42);
        let n_struck = first.iter().filter(|struck| **struck).count();
        assert!((250..350).contains(&n_struck), "{n_struck}");
        assert_eq!(first, struck(42));
        assert_ne!(first, struck(43));
    }

    #[test]
    fn the_log_holds_what_was_sent_and_prints_no_content() {
        let lab = lab(1);
        lab.transport.add(FaultRule::once(Fault::CutBefore));
        let mut asked = request(Method::POST);
        *asked.body_mut() = Bytes::from_static(b"CANARY");
        let _ = lab.clock.block_on(lab.transport.send(asked, LIMITS));
        let log = lab.transport.take_log();
        assert_eq!((log.len(), log[0].body.as_ref(), log[0].fault), (1, b"CANARY".as_slice(), Some("cut-before")));
        assert!(!format!("{log:?}").contains("CANARY"));
        assert!(lab.transport.log().is_empty());
    }
}
