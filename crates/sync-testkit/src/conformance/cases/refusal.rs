//! Answers that say no: what each status comes to, and whether it goes again.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use sync_core::{Clock as _, Effect, Error, ErrorKind, From, Retry};

use super::{
    failure::{read_error, write_under},
    push::create,
};
use crate::{
    Fault, FaultRule, On,
    conformance::{
        Harness, Verdict,
        bench::{Bench, Told},
    },
};

fn answer(harness: &dyn Harness, status: StatusCode) -> Fault {
    Fault::Answer(Box::new(harness.failure(status)))
}

/// What a status comes to, for a read and for a write, with the attempts that each took.
struct Both {
    read: Option<(Error, usize)>,
    writes: Vec<(Told, usize)>,
}

async fn both(harness: &dyn Harness, status: StatusCode) -> Both {
    // A bench each: a dead grant opens the circuit.
    let bench = Bench::new(harness).await;
    let read = read_error(&bench, answer(harness, status)).await.map(|error| (error, bench.n_sent()));
    let mut writes = Vec::new();
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let n = harness.count(resource).await;
        writes.push(write_under(&mut bench, resource, n, answer(harness, status)).await);
        assert_eq!(harness.count(resource).await, n);
    }
    Both { read, writes }
}

/// A refusal of one item: told as such, without effect, not sent again.
fn assert_refused(told: &Told, n_writes: usize) {
    match told {
        Told::Moved | Told::Taken | Told::Skipped(_) => {}
        Told::Refused(error) => assert_eq!(error.retry(), Retry::Never, "{error:?}"),
        Told::Failed(error) => {
            assert_eq!((error.retry(), error.effect()), (Retry::Never, Effect::None), "{error:?}");
        }
        Told::Done(_) | Told::Uncertain(_) => panic!("a refusal passes for {told:?}"),
    }
    assert_eq!(n_writes, 1, "a refusal is not asked for again");
}

pub(super) async fn a_dead_grant_is_told_at_once_and_then_nothing_is_sent(harness: &dyn Harness) -> Verdict {
    let both = both(harness, StatusCode::UNAUTHORIZED).await;
    let told = both.writes.iter().filter_map(|(told, n)| told.error().map(|error| (error, n)));
    for (error, n_sent) in both.read.iter().map(|(error, n)| (error, n)).chain(told) {
        assert_eq!(error.kind(), ErrorKind::AuthRevoked, "{error:?}");
        assert_eq!((error.retry(), error.effect()), (Retry::Never, Effect::None));
        assert!(error.remedy().is_some(), "a person must connect again");
        assert!(*n_sent <= 2, "{n_sent} attempts with a dead grant");
    }
    let bench = Bench::new(harness).await;
    let Some(resource) = bench.resources().iter().find(|resource| bench.feed(resource).is_some()) else {
        return Verdict::Held;
    };
    read_error(&bench, answer(harness, StatusCode::UNAUTHORIZED)).await;
    bench.forget();
    let error = bench.pull(resource, From::Start).await.expect_err("the circuit is open");
    assert_eq!((error.kind(), bench.n_sent()), (ErrorKind::AuthRevoked, 0));
    Verdict::Held
}

pub(super) async fn a_missing_right_is_told_and_not_asked_for_again(harness: &dyn Harness) -> Verdict {
    let both = both(harness, StatusCode::FORBIDDEN).await;
    let allowed = [ErrorKind::Forbidden, ErrorKind::RateLimited, ErrorKind::QuotaExhausted, ErrorKind::Refused];
    for error in both.read.iter().map(|(error, _)| error).chain(both.writes.iter().filter_map(|(told, _)| told.error())) {
        assert!(allowed.contains(&error.kind()), "{error:?}");
        assert_eq!(error.effect(), Effect::None);
        assert!(error.kind() != ErrorKind::Forbidden || error.remedy().is_some());
    }
    Verdict::Held
}

pub(super) async fn a_missing_place_is_told_and_never_an_empty_listing(harness: &dyn Harness) -> Verdict {
    let both = both(harness, StatusCode::NOT_FOUND).await;
    if let Some((error, n_sent)) = &both.read {
        assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::NotFound | ErrorKind::CursorExpired), "{error:?}");
        assert_eq!(*n_sent, 1);
    }
    for (told, n_writes) in &both.writes {
        assert_refused(told, *n_writes);
    }
    Verdict::Held
}

pub(super) async fn a_conflict_is_one_items_matter_and_goes_once(harness: &dyn Harness) -> Verdict {
    for status in [StatusCode::CONFLICT, StatusCode::PRECONDITION_FAILED, StatusCode::GONE] {
        let both = both(harness, status).await;
        for (told, n_writes) in &both.writes {
            assert_refused(told, *n_writes);
        }
        if let Some((error, n_sent)) = &both.read {
            assert_eq!((error.effect(), *n_sent), (Effect::None, 1), "{status}: {error:?}");
        }
    }
    Verdict::Held
}

pub(super) async fn a_malformed_request_is_no_success_and_goes_once(harness: &dyn Harness) -> Verdict {
    for status in [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::METHOD_NOT_ALLOWED] {
        let both = both(harness, status).await;
        for (told, n_writes) in &both.writes {
            assert_refused(told, *n_writes);
        }
        if let Some((error, n_sent)) = &both.read {
            assert_eq!((error.effect(), *n_sent), (Effect::None, 1), "{status}: {error:?}");
        }
    }
    Verdict::Held
}

pub(super) async fn a_redirect_is_not_followed(harness: &dyn Harness) -> Verdict {
    let mut away = Response::new(bytes::Bytes::new());
    *away.status_mut() = StatusCode::FOUND;
    away.headers_mut().insert(header::LOCATION, HeaderValue::from_static("https://elsewhere.example.com/"));
    let bench = Bench::new(harness).await;
    let Some(error) = read_error(&bench, Fault::Answer(Box::new(away))).await else {
        return Verdict::Spared("nothing has a feed");
    };
    assert_eq!(error.kind(), ErrorKind::BadAnswer, "{error:?}");
    assert!(
        bench.wire.log().iter().all(|sent| sent.uri.host() != Some("elsewhere.example.com")),
        "the token went elsewhere"
    );
    Verdict::Held
}

pub(super) async fn too_fast_is_told_as_such_and_slows_down(harness: &dyn Harness) -> Verdict {
    let both = both(harness, StatusCode::TOO_MANY_REQUESTS).await;
    let told = both.writes.iter().filter_map(|(told, n)| told.error().map(|error| (error, n)));
    let mut n_seen = 0;
    for (error, n_sent) in both.read.iter().map(|(error, n)| (error, n)).chain(told) {
        assert!(matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::QuotaExhausted), "{error:?}");
        assert_eq!(error.effect(), Effect::None, "what is refused for speed did nothing");
        assert_ne!(error.retry(), Retry::Never);
        assert!((2..=10).contains(n_sent), "{n_sent} attempts");
        n_seen += 1;
    }
    assert!(n_seen > 0);
    Verdict::Held
}

fn wait(seconds: u64, harness: &dyn Harness) -> Fault {
    let mut answer = harness.failure(StatusCode::TOO_MANY_REQUESTS);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    Fault::Answer(Box::new(answer))
}

pub(super) async fn a_pause_that_was_asked_for_is_kept(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let n = harness.count(resource).await;
        bench.forget();
        bench.wire.add(FaultRule::once(wait(17, harness)).on(On::Writes));
        create(&mut bench, resource, n).await.done();
        bench.wire.heal();
        let times: Vec<_> = bench.wire.log().iter().filter(|sent| sent.is_write()).map(|sent| sent.at).collect();
        assert_eq!(times.len(), 2);
        assert!(times[1].duration_since(times[0]).as_secs() >= 17, "the second attempt came too soon");
    }
    Verdict::Held
}

pub(super) async fn a_pause_until_a_date_is_kept(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let Some(resource) = bench.resources().iter().find(|resource| bench.feed(resource).is_some()) else {
        return Verdict::Spared("nothing has a feed");
    };
    let until = crate::clock::later(bench.clock.now(), Duration::from_secs(23));
    // The date format of HTTP: <https://www.rfc-editor.org/rfc/rfc9110#name-date-time-formats>.
    let date = until.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut answer = harness.failure(StatusCode::TOO_MANY_REQUESTS);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_str(&date).expect("a header"));
    bench.wire.add(FaultRule::once(Fault::Answer(Box::new(answer))));
    bench.pull(resource, From::Start).await.expect("it comes in the end");
    let times: Vec<_> = bench.wire.log().iter().map(|sent| sent.at).collect();
    assert!(times[1].duration_since(times[0]).as_secs() >= 22, "the second attempt came too soon");
    Verdict::Held
}

pub(super) async fn a_long_pause_is_told_and_not_slept(harness: &dyn Harness) -> Verdict {
    let mut bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let n = harness.count(resource).await;
        let began = bench.clock.now();
        let (told, n_writes) = write_under(&mut bench, resource, n, wait(3_600, harness)).await;
        let Told::Failed(error) = told else { panic!("{told:?}") };
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(3_600)));
        assert_eq!((n_writes, error.effect()), (1, Effect::None));
        assert!(bench.clock.now().duration_since(began).as_secs() < 60, "it was slept");
        // The pause holds for all calls of this budget.
        bench.clock.advance(Duration::from_secs(3_700));
    }
    Verdict::Held
}

pub(super) async fn an_error_that_needs_a_person_says_what_to_do(harness: &dyn Harness) -> Verdict {
    use StatusCode as S;
    let statuses =
        [S::BAD_REQUEST, S::UNAUTHORIZED, S::FORBIDDEN, S::NOT_FOUND, S::CONFLICT, S::GONE, S::PRECONDITION_FAILED];
    for status in statuses {
        let both = both(harness, status).await;
        let told = both.writes.iter().filter_map(|(told, _)| told.error());
        for error in both.read.iter().map(|(error, _)| error).chain(told) {
            let is_persons = matches!(
                error.owner(),
                sync_core::Owner::EndUserReconnect | sync_core::Owner::EndUserData | sync_core::Owner::HostDeveloper
            );
            let is_ours = matches!(error.kind(), ErrorKind::Internal | ErrorKind::NotFound);
            assert!(!is_persons || is_ours || error.remedy().is_some(), "{status}: {error:?}");
        }
    }
    Verdict::Held
}

pub(super) async fn the_providers_own_words_go_with_the_error(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let failure = harness.failure(StatusCode::FORBIDDEN);
    let body = String::from_utf8_lossy(failure.body()).into_owned();
    let Some(error) = read_error(&bench, Fault::Answer(Box::new(failure))).await else {
        return Verdict::Spared("nothing has a feed");
    };
    let words = error.provider_message().expect("the provider's words");
    assert!(!words.is_empty() && words.split_whitespace().all(|word| body.contains(word.trim_matches(':'))), "other words");
    assert!(error.provider_code().is_some_and(|code| !code.is_empty()));
    assert!(!error.to_string().contains(words), "the words may hold record content: they are not shown in logs");
    Verdict::Held
}

pub(super) async fn items_of_a_call_that_was_refused_as_a_whole_are_not_told_as_done(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let ops: Vec<_> = (0..3).map(|n| bench.create(resource, n)).collect();
        let part = super::push::first_part(&bench, &ops[0]);
        let of: Vec<_> = ops.iter().take(part.max).map(|op| (op, 0)).collect();
        for status in [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::INTERNAL_SERVER_ERROR] {
            bench.wire.add(FaultRule::always(answer(harness, status)).on(On::Writes));
            let pushed = bench.push(&part.group, &of, &"k".into()).await;
            bench.wire.heal();
            if let Ok(receipts) = pushed {
                assert_eq!(receipts.len(), of.len());
                let done = receipts.iter().any(|receipt| matches!(receipt, sync_core::Receipt::Done { .. }));
                assert!(!done, "{status}");
            }
        }
    }
    Verdict::Held
}
