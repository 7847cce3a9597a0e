//! Secrets and record content stay in.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use http::StatusCode;
use sync_core::{Error, Record, Resource, Value};
use tracing_subscriber::fmt::MakeWriter;

use super::{failure::write_under, safety::session};
use crate::{
    Fault,
    conformance::{
        Harness, Verdict,
        bench::{Allow, Bench},
    },
};

/// Texts of a record that are long enough to be told from others.
fn content(record: &Record) -> Vec<String> {
    let mut texts = Vec::new();
    for (_, value) in record.iter() {
        match value {
            Value::Text(text) => texts.push(text.clone()),
            Value::Set(set) => texts.extend(set.iter().cloned()),
            _ => {}
        }
    }
    texts.retain(|text| text.chars().count() >= 8);
    assert!(!texts.is_empty(), "the harness's records hold no text that could be told from others");
    texts
}

/// All that must not be shown: the grant's secrets and the records of a session, edited and not.
fn canaries(harness: &dyn Harness, resources: &[Resource]) -> Vec<String> {
    let mut canaries = harness.secrets();
    assert!(canaries.iter().all(|secret| secret.len() >= 8) && !canaries.is_empty());
    // What the settings say too, such as a method of payment, is no record's.
    let settings = harness.settings().to_string();
    let mut add =
        |record: &Record| canaries.extend(content(record).into_iter().filter(|text| !settings.contains(text.as_str())));
    for resource in resources {
        for n in [Allow::Nothing, Allow::Everything].map(Allow::nth) {
            let record = harness.record(resource, n);
            add(&record);
            add(&harness.edit(resource, &record).0);
        }
    }
    canaries
}

fn assert_hidden(canaries: &[String], shown: &str, of: &str) {
    let lower = shown.to_lowercase();
    for (i, canary) in canaries.iter().enumerate() {
        assert!(!lower.contains(&canary.to_lowercase()), "canary {i} is shown in {of}");
    }
}

fn assert_error_hides(canaries: &[String], error: &Error, of: &str) {
    assert_hidden(canaries, &error.to_string(), &format!("the text of an error ({of})"));
    assert_hidden(canaries, &format!("{error:?} {error:#?}"), &format!("the Debug of an error ({of})"));
    assert_hidden(canaries, error.remedy().unwrap_or_default(), &format!("the remedy of an error ({of})"));
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        assert_hidden(canaries, &format!("{cause} {cause:?}"), &format!("the cause of an error ({of})"));
        source = cause.source();
    }
}

pub(super) async fn debug_shows_neither_secrets_nor_content(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let canaries = canaries(harness, bench.resources());
    let mut shown = format!("{:?} {:#?} {:?}", bench.integration, bench.handler, bench.context());
    for resource in bench.resources() {
        let (_, remote) = bench.planted(resource, 0).await;
        let create = bench.create(resource, 0);
        let remove = bench.remove(resource, 0, &remote);
        shown += &format!("{remote:?} {create:?} {remove:?} {:?} {:?}", bench.parts(&create), bench.facts);
        shown += &format!("{:?}", bench.find(resource, &remote.id).await);
        let part = super::push::first_part(&bench, &create);
        shown += &format!("{:?}", bench.push(&part.group, &[(&create, 0)], &"k".into()).await);
    }
    for called in bench.calls() {
        shown += &format!("{called:?}");
    }
    assert_hidden(&canaries, &shown, "Debug");
    Verdict::Held
}

pub(super) async fn errors_show_neither_secrets_nor_content(harness: &dyn Harness) -> Verdict {
    let canaries = canaries(harness, harness.integration().descriptor().resources);
    let statuses = [400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 422, 429, 500, 503, 200];
    let mut faults: Vec<Fault> = statuses
        .into_iter()
        .map(|status| {
            let status = StatusCode::from_u16(status).expect("a status");
            let failing = if status.is_success() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
            let mut answer = harness.failure(failing);
            *answer.status_mut() = status;
            Fault::Answer(Box::new(answer))
        })
        .collect();
    faults.extend([Fault::Truncated, Fault::Garbage, Fault::CutAfter, Fault::TimedOutAfter, Fault::Unreachable]);
    let n_resources = harness.integration().descriptor().resources.len();
    for fault in faults {
        for idx in 0..n_resources {
            let mut bench = Bench::new(harness).await;
            let resource = &bench.resources()[idx];
            let name = fault.name();
            let (told, _) = write_under(&mut bench, resource, 0, fault.clone()).await;
            told.error().into_iter().for_each(|error| assert_error_hides(&canaries, error, name));
            if bench.feed(resource).is_some()
                && !matches!(fault, Fault::CutAfter | Fault::TimedOutAfter | Fault::Unreachable)
                && let Some(error) = failing_read(&bench, fault.clone()).await
            {
                assert_error_hides(&canaries, &error, name);
            }
        }
    }
    Verdict::Held
}

async fn failing_read(bench: &Bench<'_>, fault: Fault) -> Option<Error> {
    let resource = bench.resources().iter().find(|resource| bench.feed(resource).is_some())?;
    bench.wire.add(crate::FaultRule::always(fault));
    let error = bench.pull(resource, sync_core::From::Start).await.err();
    bench.wire.heal();
    error
}

pub(super) async fn refusals_before_sending_show_no_content(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let record = harness.record(resource, 0);
        for (field, _) in record.iter() {
            for value in [
                Value::text("CANARY broken\u{0}value CANARY"),
                Value::text(format!("CANARY{}", "x".repeat(5_000))),
                Value::Json(serde_json::json!(["CANARY"])),
            ] {
                let op = bench.create_of(resource, 0, record.clone().with(field.clone(), value));
                match bench.parts(&op) {
                    Err(error) => assert_error_hides(&["CANARY".to_owned()], &error, field.as_str()),
                    Ok(prepared) => assert_hidden(&["CANARY".to_owned()], &format!("{prepared:?}"), "parts"),
                }
            }
        }
    }
    Verdict::Held
}

pub(super) async fn no_url_holds_secrets_or_content(harness: &dyn Harness) -> Verdict {
    for allow in [Allow::Nothing, Allow::Everything] {
        let mut bench = Bench::allowing(harness, allow).await;
        let mut canaries = canaries(harness, bench.resources());
        // Names of tags and the like are no people's data and may be looked up by name.
        let sets: Vec<String> = bench
            .resources()
            .iter()
            .flat_map(|resource| (0..2).flat_map(move |n| harness.record(resource, n)))
            .filter_map(|(_, value)| value.as_set().cloned())
            .flatten()
            .collect();
        canaries.retain(|canary| !sets.contains(canary));
        session(&mut bench, allow.nth()).await;
        let urls: String = bench.wire.log().iter().map(|sent| format!("{} ", sent.uri)).collect();
        assert_hidden(&canaries, &urls, "a URL");
        let escaped: Vec<String> = canaries.iter().map(|canary| canary.replace('@', "%40").replace(' ', "%20")).collect();
        assert_hidden(&escaped, &urls, "a URL");
    }
    Verdict::Held
}

pub(super) async fn secrets_go_in_the_authorization_header_and_nowhere_else(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    session(&mut bench, 0).await;
    let secrets = harness.secrets();
    for sent in bench.wire.log() {
        assert_hidden(&secrets, &String::from_utf8_lossy(&sent.body), "a body");
        for (name, value) in &sent.headers {
            if name == http::header::AUTHORIZATION {
                assert!(value.is_sensitive(), "the header would be printed");
            } else {
                assert_hidden(&secrets, &String::from_utf8_lossy(value.as_bytes()), name.as_str());
            }
        }
    }
    Verdict::Held
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

pub(super) async fn logs_at_their_most_talkative_show_neither_secrets_nor_content(harness: &dyn Harness) -> Verdict {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(captured.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let canaries = canaries(harness, harness.integration().descriptor().resources);
    for allow in [Allow::Nothing, Allow::Everything] {
        let mut bench = Bench::allowing(harness, allow).await;
        session(&mut bench, allow.nth()).await;
        for (i, resource) in bench.resources().iter().enumerate() {
            for status in [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE] {
                write_under(&mut bench, resource, 60 + i, Fault::Answer(Box::new(harness.failure(status)))).await;
            }
        }
    }
    drop(guard);
    let log = captured.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let log = String::from_utf8_lossy(&log).into_owned();
    assert!(log.contains("sync_http"), "nothing was logged, so nothing was looked at");
    assert_hidden(&canaries, &log, "the log");
    Verdict::Held
}
