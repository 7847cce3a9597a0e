//! Stable names, and nothing secret in them.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex},
};

use metrics::{Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use sync_core::{Exchange as _, Lane};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::{ACME, CLIENT_SECRET, KEY, World, answer, answer_with, read, scope, token_grant, write};

/// Collects what is written.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A subscriber that writes everything down, at the finest level.
pub(crate) fn trace_to(sink: &Sink) -> impl tracing::Subscriber + Send + Sync + use<> {
    let sink = sink.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(move || sink.clone())
        .finish()
}

type Values = Arc<Mutex<BTreeMap<String, f64>>>;

#[derive(Default)]
struct Meter(Values);

struct Cell(Values, String);

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        *self.0.lock().unwrap().entry(self.1.clone()).or_default() += value as f64;
    }

    fn absolute(&self, value: u64) {
        self.0.lock().unwrap().insert(self.1.clone(), value as f64);
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        *self.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
    }
}

fn name(key: &Key) -> String {
    let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Recorder for Meter {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Cell(self.0.clone(), name(key))))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Cell(self.0.clone(), name(key))))
    }
}

#[test]
fn metrics_have_the_documented_names() {
    let meter = Meter::default();
    let world = World::new([answer_with(503, &[("retry-after", "2")], ""), answer(200, "{}")]);
    metrics::with_local_recorder(&meter, || world.send(read()).unwrap());
    let values = meter.0.lock().unwrap();
    let call = "integration=acme,operation=things.list";
    assert_eq!(values[&format!("sync_http_calls_total{{{call},outcome=ok}}")], 1.0);
    assert_eq!(values[&format!("sync_http_attempts_total{{{call},status=503}}")], 1.0);
    assert_eq!(values[&format!("sync_http_attempts_total{{{call},status=200}}")], 1.0);
    assert_eq!(values[&format!("sync_http_retries_total{{{call},reason=unavailable}}")], 1.0);
    assert_eq!(values[&format!("sync_http_call_seconds{{{call}}}")], 2.0);
    assert_eq!(values["sync_http_budget_wait_seconds{integration=acme,lane=interactive}"], 0.0);
}

#[test]
fn spans_tell_operation_attempt_and_status_and_no_secret_at_any_level() {
    let sink = Sink::default();
    let world = World::by_rule(|request, idx| match request.uri().path() {
        "/oauth2/token" => {
            answer(200, r#"{"access_token":"access-1-s3cret","refresh_token":"refresh-1-s3cret","expires_in":6000}"#)
        }
        _ if idx < 2 => answer(502, r#"{"detail":"ada@example.com exploded"}"#),
        _ => answer(400, r#"{"detail":"ada@example.com looks fake"}"#),
    });
    world.grants.put(&scope(), token_grant(std::time::Duration::ZERO));
    let client = world.client();
    let exchange = client.exchange(&scope(), &ACME);
    let call = write()
        .repeat(sync_core::Repeat::Answered)
        .param("query", "ada@example.com")
        .body_of("application/json", r#"{"email":"ada@example.com"}"#);
    let within = world.within(Lane::Interactive);
    let error = tracing::subscriber::with_default(trace_to(&sink), || {
        tracing::trace!(?client, ?exchange, ?call, ?within, "what everything prints of itself");
        let error = world.clock.run(exchange.send(call, within)).unwrap_err();
        tracing::trace!(%error, ?error, grant = ?world.grants.grant(&scope()), "what came of it");
        error
    });
    let text = sink.text();
    for expected in ["sync_http.call", "sync_http.token", "operation=\"things.create\"", "attempt=2", "status=400"] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    for secret in ["s3cret", "ada@", "ada%40", CLIENT_SECRET, KEY] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    assert!(!format!("{error} {error:?}").contains("ada"));
}
