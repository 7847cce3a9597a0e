//! Lost, late and senseless answers: what a caller is told, and what is sent again.

use std::time::Duration;

use http::StatusCode;
use sync_core::{Effect, Error, ErrorKind, From, Resource, Retry};

use super::push::create;
use crate::{
    Fault, FaultRule, On,
    conformance::{
        Harness, Verdict,
        bench::{Bench, Told},
    },
};

/// The error of a read that a fault strikes each time. `None` where nothing has a feed.
pub(super) async fn read_error(bench: &Bench<'_>, fault: Fault) -> Option<Error> {
    let resource = bench.resources().iter().find(|resource| bench.feed(resource).is_some())?;
    bench.forget();
    bench.wire.add(FaultRule::always(fault));
    let pulled = bench.pull(resource, From::Start).await;
    bench.wire.heal();
    Some(pulled.expect_err("the read should have failed"))
}

/// A create that a fault strikes each time. Returns what was told and how many writes went out.
pub(super) async fn write_under(bench: &mut Bench<'_>, resource: &Resource, n: usize, fault: Fault) -> (Told, usize) {
    bench.forget();
    bench.wire.add(FaultRule::always(fault).on(On::Writes));
    let told = create(bench, resource, n).await;
    bench.wire.heal();
    let n_writes = bench.n_writes();
    bench.forget();
    (told, n_writes)
}

fn assert_unknown(told: &Told, kinds: &[ErrorKind]) {
    let error = match told {
        Told::Failed(error) => {
            assert_eq!(error.effect(), Effect::Unknown, "it may have happened: {error:?}");
            error
        }
        Told::Uncertain(error) => error,
        other => panic!("nobody can know what happened, but it is told as {other:?}"),
    };
    assert!(kinds.contains(&error.kind()), "{error:?}");
}

/// A write of unknown fate: told so, not sent again where it may still run, and done again without a twin.
async fn fate_unknown(harness: &dyn Harness, faults: &[Fault], kinds: &[ErrorKind], most_writes: usize) -> Verdict {
    for fault in faults {
        let mut bench = Bench::new(harness).await;
        for (i, resource) in bench.resources().iter().enumerate() {
            let n = i + harness.count(resource).await;
            let before = harness.count(resource).await;
            let (told, n_writes) = write_under(&mut bench, resource, n, fault.clone()).await;
            assert_unknown(&told, kinds);
            assert!((1..=most_writes).contains(&n_writes), "{}: {n_writes} writes went out", fault.name());
            bench.clock.advance(bench.descriptor().settle + bench.descriptor().call_timeout);
            match create(&mut bench, resource, n).await {
                Told::Done(_) | Told::Taken | Told::Moved => {}
                other => panic!("{}: the second try is told as {other:?}", fault.name()),
            }
            assert_eq!(harness.count(resource).await, before + 1, "{}: doubled or lost", fault.name());
        }
    }
    Verdict::Held
}

pub(super) async fn a_write_whose_time_ran_out_is_of_unknown_fate_and_not_resent(harness: &dyn Harness) -> Verdict {
    fate_unknown(harness, &[Fault::TimedOutBefore, Fault::TimedOutAfter], &[ErrorKind::Timeout], 1).await
}

pub(super) async fn a_write_that_was_cut_off_is_of_unknown_fate_and_not_resent(harness: &dyn Harness) -> Verdict {
    fate_unknown(harness, &[Fault::CutBefore, Fault::CutAfter], &[ErrorKind::Unavailable], 1).await
}

pub(super) async fn a_write_answered_with_noise_is_of_unknown_fate(harness: &dyn Harness) -> Verdict {
    fate_unknown(harness, &[Fault::Garbage, Fault::Truncated, Fault::Endless], &[ErrorKind::BadAnswer], 1).await
}

pub(super) async fn a_write_met_by_an_outage_is_of_unknown_fate(harness: &dyn Harness) -> Verdict {
    let outages = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE];
    let faults = outages.map(|status| Fault::AnswerAfter(Box::new(harness.failure(status))));
    // The first attempt made it; where attempts are repeated, a later one may say so.
    for fault in faults {
        let mut bench = Bench::new(harness).await;
        for resource in bench.resources() {
            let n = harness.count(resource).await;
            let (told, _) = write_under(&mut bench, resource, n, fault.clone()).await;
            assert_unknown(&told, &[ErrorKind::Unavailable]);
            create(&mut bench, resource, n).await;
            assert_eq!(harness.count(resource).await, n + 1);
        }
    }
    Verdict::Held
}

pub(super) async fn a_write_answered_with_a_web_page_is_no_success(harness: &dyn Harness) -> Verdict {
    for status in [StatusCode::OK, StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE] {
        let mut bench = Bench::new(harness).await;
        for resource in bench.resources() {
            let n = harness.count(resource).await;
            let (told, _) = write_under(&mut bench, resource, n, Fault::html(status)).await;
            assert_unknown(&told, &[ErrorKind::BadAnswer, ErrorKind::Unavailable]);
        }
    }
    Verdict::Held
}

pub(super) async fn a_success_that_carries_an_error_is_an_error(harness: &dyn Harness) -> Verdict {
    let mut answer = harness.failure(StatusCode::INTERNAL_SERVER_ERROR);
    *answer.status_mut() = StatusCode::OK;
    let fault = Fault::Answer(Box::new(answer));
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let n = harness.count(resource).await;
        let (told, _) = write_under(&mut bench, resource, n, fault.clone()).await;
        assert!(told.error().is_some(), "an error with status 200 passes for {told:?}");
    }
    if let Some(error) = read_error(&bench, fault).await {
        assert_ne!(error.kind(), ErrorKind::NotFound, "an error is not an absence");
    }
    Verdict::Held
}

pub(super) async fn an_empty_answer_is_no_empty_listing(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for body in ["", "{}", "null", "[]", "{\"error\":\"x\"}", "true"] {
        let mut answer = http::Response::new(bytes::Bytes::from_static(body.as_bytes()));
        answer
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json; charset=utf-8"));
        let Some(error) = read_error(&bench, Fault::Answer(Box::new(answer))).await else {
            return Verdict::Spared("nothing has a feed");
        };
        assert_eq!(error.kind(), ErrorKind::BadAnswer, "{body:?}");
    }
    Verdict::Held
}

pub(super) async fn a_read_that_makes_no_sense_is_a_bad_answer_without_effect(harness: &dyn Harness) -> Verdict {
    for fault in [Fault::Garbage, Fault::Truncated, Fault::Endless, Fault::html(StatusCode::OK)] {
        let bench = Bench::new(harness).await;
        let Some(error) = read_error(&bench, fault.clone()).await else { return Verdict::Spared("nothing has a feed") };
        assert_eq!(error.kind(), ErrorKind::BadAnswer, "{}", fault.name());
        assert_eq!(error.effect(), Effect::None, "a read has no effect: {}", fault.name());
    }
    Verdict::Held
}

pub(super) async fn a_read_is_repeated_until_it_comes(harness: &dyn Harness) -> Verdict {
    let faults = [
        Fault::CutAfter,
        Fault::TimedOutAfter,
        Fault::Unreachable,
        Fault::Answer(Box::new(harness.failure(StatusCode::INTERNAL_SERVER_ERROR))),
        Fault::Answer(Box::new(harness.failure(StatusCode::SERVICE_UNAVAILABLE))),
        Fault::Answer(Box::new(harness.failure(StatusCode::TOO_MANY_REQUESTS))),
        Fault::html(StatusCode::BAD_GATEWAY),
    ];
    let bench = Bench::new(harness).await;
    let Some(resource) = bench.resources().iter().find(|resource| bench.feed(resource).is_some()) else {
        return Verdict::Spared("nothing has a feed");
    };
    for fault in faults {
        bench.forget();
        bench.wire.add(FaultRule::once(fault.clone()));
        let page = bench.pull(resource, From::Start).await;
        assert!(page.is_ok(), "{}: {:?}", fault.name(), page.err());
        let log = bench.wire.log();
        assert!(log.len() >= 2 && log[0].uri == log[1].uri, "{}: the same request goes again", fault.name());
    }
    Verdict::Held
}

pub(super) async fn a_read_that_never_comes_is_told_as_what_it_is(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for (fault, kind) in [
        (Fault::TimedOutBefore, ErrorKind::Timeout),
        (Fault::CutBefore, ErrorKind::Unavailable),
        (Fault::Unreachable, ErrorKind::Unavailable),
        (Fault::Answer(Box::new(harness.failure(StatusCode::INTERNAL_SERVER_ERROR))), ErrorKind::Unavailable),
        (Fault::html(StatusCode::SERVICE_UNAVAILABLE), ErrorKind::Unavailable),
    ] {
        let Some(error) = read_error(&bench, fault.clone()).await else { return Verdict::Spared("nothing has a feed") };
        assert_eq!((error.kind(), error.effect()), (kind, Effect::None), "{}", fault.name());
        assert_ne!(error.retry(), Retry::Never, "{}: it passes by itself", fault.name());
        let n_sent = bench.n_sent();
        assert!((2..=10).contains(&n_sent), "{}: {n_sent} attempts", fault.name());
    }
    Verdict::Held
}

pub(super) async fn without_a_connection_a_write_goes_again(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let n = harness.count(resource).await;
        bench.forget();
        bench.wire.add(FaultRule::once(Fault::Unreachable).on(On::Writes));
        create(&mut bench, resource, n).await.done();
        assert_eq!(bench.n_writes(), 2, "certainly nothing was sent");
        let log = bench.wire.log();
        let writes: Vec<_> = log.iter().filter(|sent| sent.is_write()).collect();
        assert_eq!((&writes[0].uri, &writes[0].body), (&writes[1].uri, &writes[1].body), "the same bytes go again");
        assert_eq!(harness.count(resource).await, n + 1);
    }
    Verdict::Held
}

pub(super) async fn a_write_that_cannot_be_sent_at_all_has_no_effect(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let n = harness.count(resource).await;
        let (told, _) = write_under(&mut bench, resource, n, Fault::Unreachable).await;
        let Told::Failed(error) = told else { panic!("{told:?}") };
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::None));
        assert_ne!(error.retry(), Retry::Never);
    }
    Verdict::Held
}

pub(super) async fn a_slow_answer_is_still_an_answer(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let n = harness.count(resource).await;
        let slow = bench.descriptor().call_timeout.saturating_sub(Duration::from_secs(1));
        let (told, n_writes) = write_under(&mut bench, resource, n, Fault::Slow(slow)).await;
        told.done();
        assert_eq!(n_writes, 1);
    }
    Verdict::Held
}
