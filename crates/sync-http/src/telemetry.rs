//! Stable names of spans and metrics; the table is in the crate's documentation.

use std::time::Duration;

use metrics::{counter, histogram};
use sync_core::{Call, Descriptor, Error, Lane, TransportFault};

pub(crate) fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Interactive => "interactive",
        Lane::Webhook => "webhook",
        Lane::Scheduled => "scheduled",
        Lane::Backfill => "backfill",
    }
}

pub(crate) fn fault(fault: TransportFault) -> &'static str {
    match fault {
        TransportFault::Unreachable => "unreachable",
        TransportFault::CutOff => "cut-off",
        TransportFault::TimedOut => "timed-out",
        TransportFault::TooLarge => "too-large",
    }
}

/// The span of one call, with its retries.
pub(crate) fn call_span(descriptor: &Descriptor, call: &Call, in_lane: Lane) -> tracing::Span {
    tracing::info_span!(
        "sync_http.call",
        integration = descriptor.id,
        operation = call.operation,
        method = call.method.as_str(),
        endpoint = call.endpoint,
        lane = lane(in_lane),
        attempt = tracing::field::Empty,
        status = tracing::field::Empty,
        outcome = tracing::field::Empty,
    )
}

/// The span of one exchange at a token endpoint.
pub(crate) fn token_span(descriptor: &Descriptor, grant: &'static str) -> tracing::Span {
    tracing::info_span!("sync_http.token", integration = descriptor.id, grant, outcome = tracing::field::Empty)
}

pub(crate) fn attempted(descriptor: &Descriptor, call: &Call, status: String) {
    counter!("sync_http_attempts_total",
        "integration" => descriptor.id, "operation" => call.operation, "status" => status)
    .increment(1);
}

pub(crate) fn retried(descriptor: &Descriptor, call: &Call, reason: &Error) {
    counter!("sync_http_retries_total",
        "integration" => descriptor.id, "operation" => call.operation, "reason" => reason.kind().as_str())
    .increment(1);
}

pub(crate) fn called(descriptor: &Descriptor, call: &Call, outcome: &'static str, took: Duration) {
    counter!("sync_http_calls_total",
        "integration" => descriptor.id, "operation" => call.operation, "outcome" => outcome)
    .increment(1);
    histogram!("sync_http_call_seconds", "integration" => descriptor.id, "operation" => call.operation)
        .record(took.as_secs_f64());
}

pub(crate) fn waited(integration: &'static str, in_lane: Lane, took: Duration) {
    histogram!("sync_http_budget_wait_seconds", "integration" => integration, "lane" => lane(in_lane))
        .record(took.as_secs_f64());
}

pub(crate) fn refreshed(descriptor: &Descriptor, outcome: &'static str) {
    counter!("sync_http_refreshes_total", "integration" => descriptor.id, "outcome" => outcome).increment(1);
}

pub(crate) fn circuit_open(descriptor: &Descriptor) {
    counter!("sync_http_circuit_open_total", "integration" => descriptor.id).increment(1);
}
