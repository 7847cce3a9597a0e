//! Whether and when a call goes out again.

use std::time::Duration;

use http::HeaderName;
use sync_core::{CallKey, Effect, ErrorKind, Repeat, Retry, TransportFault};
use sync_http::RetryPolicy;

use crate::support::{World, answer, answer_with, read, slow, write};
use sync_core::Exchange as _;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_write_is_never_resent_after_a_timeout_or_a_cut() {
    for fault in [TransportFault::TimedOut, TransportFault::CutOff] {
        for repeat in [Repeat::Never, Repeat::Answered] {
            let world = World::new([crate::support::Step::Fault(fault)]);
            let error = world.send(write().repeat(repeat)).unwrap_err();
            assert_eq!((world.transport.count(), error.effect()), (1, Effect::Unknown), "{fault:?} {repeat:?}");
            let expected = if fault == TransportFault::TimedOut { ErrorKind::Timeout } else { ErrorKind::Unavailable };
            assert_eq!(error.kind(), expected);
        }
    }
}

#[test]
fn a_read_is_resent_after_a_timeout_and_a_cut() {
    use crate::support::Step::Fault;
    let world = World::new([Fault(TransportFault::TimedOut), Fault(TransportFault::CutOff), answer(200, "{}")]);
    assert!(world.send(read()).is_ok());
    assert_eq!(world.transport.count(), 3);
}

#[test]
fn a_write_that_never_left_is_resent() {
    use crate::support::Step::Fault;
    let world = World::new([Fault(TransportFault::Unreachable), answer(200, "{}")]);
    assert!(world.send(write()).is_ok());
}

#[test]
fn an_answer_of_unknown_effect_ends_a_write_that_may_not_be_repeated() {
    let world = World::new([answer(502, "<html>")]);
    let error = world.send(write()).unwrap_err();
    assert_eq!((world.transport.count(), error.effect()), (1, Effect::Unknown));
    let world = World::new([answer(502, "<html>"), answer(200, "{}")]);
    assert!(world.send(write().repeat(Repeat::Answered)).is_ok());
    assert_eq!(world.transport.count(), 2);
}

#[test]
fn an_answer_that_did_nothing_lets_every_write_go_again() {
    let world = World::new([answer(503, ""), answer(429, ""), answer(200, "{}")]);
    assert!(world.send(write()).is_ok());
}

#[test]
fn every_attempt_carries_the_same_key() {
    let world = World::new([answer(502, ""), answer(503, ""), answer(200, "{}")]);
    let call = write().repeat(Repeat::Answered).key(HeaderName::from_static("idempotency-key"), CallKey::from("call-77"));
    world.send(call).unwrap();
    let seen = world.transport.seen.lock().unwrap();
    assert_eq!(seen.iter().map(|seen| seen.header("idempotency-key")).collect::<Vec<_>>(), ["call-77"; 3]);
}

#[test]
fn what_may_have_happened_once_stays_unknown_whatever_comes_after() {
    use crate::support::Step::Fault;
    let policy = RetryPolicy::default().max_attempts(2);
    for last in [Fault(TransportFault::Unreachable), answer(400, "{}"), answer(503, "")] {
        let world = World::new([answer(502, ""), last]);
        let exchange = world.builder().with_retry(policy.clone()).build().unwrap();
        let exchange = exchange.exchange(&crate::support::scope(), &crate::support::ACME);
        let within = world.within(sync_core::Lane::Interactive);
        let error = world.clock.run(exchange.send(write().repeat(Repeat::Answered), within)).unwrap_err();
        assert_eq!((world.transport.count(), error.effect()), (2, Effect::Unknown), "{error}");
    }
}

#[test]
fn a_store_that_fails_after_a_refusal_does_not_hide_that_an_earlier_attempt_may_have_happened() {
    use std::sync::atomic::Ordering::SeqCst;
    // Each of two attempts reads the grant; the third read asks whether there is another key by now.
    let world = World::new([answer(502, ""), answer(401, "")]);
    world.grants.fail_load.store(3, SeqCst);
    let error = world.send(write().repeat(Repeat::Answered)).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Store, Effect::Unknown));

    // What fails is noting down that the grant is dead: the refusal stands.
    let world = World::new([answer(502, ""), answer(401, "")]);
    world.grants.fail_swaps.store(1, SeqCst);
    let error = world.send(write().repeat(Repeat::Answered)).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::AuthRevoked, Effect::Unknown));
}

#[test]
fn retry_after_in_seconds_and_as_a_date_is_obeyed() {
    for headers in [&[("retry-after", "17")] as &'static [_], &[("retry-after", "Sun, 01 Mar 2026 12:00:17 GMT")]] {
        let world = World::new([answer_with(429, headers, ""), answer(200, "{}")]);
        assert!(world.send(write()).is_ok());
        assert_eq!(world.transport.times(), [Duration::ZERO, 17 * SECOND]);
    }
}

#[test]
fn a_long_retry_after_is_returned_and_not_slept() {
    let world = World::new([answer_with(503, &[("retry-after", "61")], "")]);
    let error = world.send(read()).unwrap_err();
    assert_eq!(error.retry(), Retry::After(61 * SECOND));
    assert_eq!((world.transport.count(), world.clock.elapsed()), (1, Duration::ZERO));

    let world = World::new([answer_with(503, &[("retry-after", "20")], "")]).time_left(15 * SECOND);
    assert_eq!(world.send(read()).unwrap_err().retry(), Retry::After(20 * SECOND));
    assert_eq!(world.clock.elapsed(), Duration::ZERO);
}

#[test]
fn no_attempt_starts_that_could_outlast_the_deadline() {
    let world = World::new([answer(200, "{}")]).time_left(7 * SECOND);
    world.send(read()).unwrap();
    assert_eq!(world.transport.seen.lock().unwrap()[0].limits.timeout, 7 * SECOND);

    let world = World::new([]).time_left(Duration::from_millis(900));
    let error = world.send(write()).unwrap_err();
    assert_eq!((error.kind(), error.effect(), world.transport.count()), (ErrorKind::Timeout, Effect::None, 0));
}

#[test]
fn when_the_time_runs_out_between_attempts_the_providers_error_is_told() {
    let world = World::new([slow(9_500, answer(503, ""))]).time_left(10 * SECOND);
    let error = world.send(read()).unwrap_err();
    assert_eq!((error.kind(), world.transport.count()), (ErrorKind::Unavailable, 1));
}

#[test]
fn nothing_is_sent_once_somebody_wishes_to_stop() {
    let world = World::new([]);
    world.cancel.cancel();
    assert_eq!(world.send(read()).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(world.transport.count(), 0);
}

#[test]
fn a_wish_to_stop_ends_a_pause_between_attempts() {
    let world = World::by_rule(|_, _| answer_with(503, &[("retry-after", "40")], ""));
    let exchange = world.exchange();
    let stop = async {
        sync_core::Clock::sleep(&crate::support::Port(world.clock.clone()), 3 * SECOND).await;
        world.cancel.cancel();
    };
    let sending = exchange.send(read(), world.within(sync_core::Lane::Interactive));
    let (result, ()) = world.clock.run(futures_util::future::join(sending, stop));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(world.clock.elapsed() <= 4 * SECOND);
}

#[test]
fn attempts_are_bounded_and_an_outage_is_not_multiplied() {
    let world = World::by_rule(|_, _| answer(503, ""));
    assert_eq!(world.send(read()).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(world.transport.count(), 4);

    // A budget of 20 pays four retries, whoever makes them.
    let world = World::by_rule(|_, _| answer(503, ""));
    let client = world.builder().with_retry(RetryPolicy::default().budget(20)).build().unwrap();
    let exchange = client.exchange(&crate::support::scope(), &crate::support::ACME);
    for _ in 0..50 {
        let _ = world.clock.run(exchange.send(read(), world.within(sync_core::Lane::Interactive)));
    }
    assert_eq!(world.transport.count(), 54);
}

#[test]
fn html_and_garbage_are_judged_by_the_calls_own_classification() {
    let world = World::new([answer(200, "<html>Request Blocked</html>")]);
    let error = world.send(read()).unwrap_err();
    assert_eq!((error.kind(), world.transport.count()), (ErrorKind::BadAnswer, 1));
    assert!(error.context().contains(&("status", "200".to_owned())));
    assert!(error.context().contains(&("operation", "things.list".to_owned())));
}

#[test]
fn an_answer_that_is_too_large_ends_the_call() {
    let world = World::new([crate::support::Step::Fault(TransportFault::TooLarge)]);
    let error = world.send(write()).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::BadAnswer, Effect::Unknown));
    let world = World::new([crate::support::Step::Fault(TransportFault::TooLarge)]);
    assert_eq!(world.send(read()).unwrap_err().effect(), Effect::None);
}
