//! Limits hold, a reserve is kept, nobody waits too long for nothing.

use std::{sync::Arc, time::Duration};

use futures_util::future::{join_all, select};
use sync_core::{
    AccountId, Clock as _, Descriptor, Effect, ErrorKind, Exchange as _, Grant, Lane, Quota, QuotaScope, Retry, Scope, Span,
    TransportFault,
};
use sync_http::{LimitOverride, Limits};

use crate::support::{BASE, Port, Step, World, answer, answer_with, key_grant, quota, read, scope, slow, write};

const SECOND: Duration = Duration::from_secs(1);

macro_rules! descriptor {
    ($name:ident, $($quota:expr),+) => {
        static $name: Descriptor = Descriptor { quotas: { const QUOTAS: &[Quota] = &[$($quota),+]; QUOTAS }, ..BASE };
    };
}

descriptor!(THREE_AT_ONCE, quota("", QuotaScope::Account, Span::Concurrent, 3, 0));
descriptor!(RESERVE, quota("", QuotaScope::Account, Span::Concurrent, 10, 20));
descriptor!(MINUTE, quota("", QuotaScope::Account, Span::Minute, 5, 0));
descriptor!(MINUTE_RESERVE, quota("", QuotaScope::Account, Span::Minute, 10, 20));
descriptor!(SECONDS, quota("", QuotaScope::App, Span::Second, 4, 0));
descriptor!(DAY, quota("", QuotaScope::Account, Span::Day, 10, 20));
descriptor!(
    FAMILIES,
    quota("", QuotaScope::Account, Span::Minute, 100, 0),
    quota("bulk", QuotaScope::Account, Span::Minute, 10, 0)
);

fn send_all(world: &World, descriptor: &'static Descriptor, lane: Lane, n: usize) -> Vec<sync_core::Result<()>> {
    let exchange = world.client().exchange(&scope(), descriptor);
    let calls = (0..n).map(|_| async { exchange.send(read(), world.within(lane)).await.map(drop) });
    world.clock.run(join_all(calls))
}

/// Most calls in any window of this length.
fn most_within(times: &[Duration], window: Duration) -> usize {
    times.iter().map(|from| times.iter().filter(|at| *at >= from && **at < *from + window).count()).max().unwrap_or(0)
}

#[test]
fn calls_at_once_never_exceed_the_limit_and_all_get_their_turn() {
    let world = World::by_rule(|_, idx| slow(100 + 37 * (idx as u64 % 5), answer(200, "{}")));
    let results = send_all(&world, &THREE_AT_ONCE, Lane::Interactive, 50);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(world.transport.most_flying.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[test]
fn the_reserve_is_kept_from_all_but_people_who_wait() {
    for (lane, most) in [(Lane::Backfill, 8), (Lane::Scheduled, 8), (Lane::Webhook, 8), (Lane::Interactive, 10)] {
        let world = World::by_rule(|_, _| slow(100, answer(200, "{}")));
        assert!(send_all(&world, &RESERVE, lane, 30).iter().all(Result::is_ok));
        assert_eq!(world.transport.most_flying.load(std::sync::atomic::Ordering::SeqCst), most, "{lane:?}");
    }
}

#[test]
fn a_slot_stays_taken_until_a_call_that_timed_out_has_settled() {
    // Three writes time out at 30 s. The provider may be at them for another 120 s.
    let world =
        World::by_rule(
            |_, idx| if idx < 3 { slow(30_000, Step::Fault(TransportFault::TimedOut)) } else { answer(200, "{}") },
        );
    let exchange = world.client().exchange(&scope(), &THREE_AT_ONCE);
    let within = || world.within(Lane::Interactive);
    let lost = world.clock.run(join_all((0..3).map(|_| exchange.send(write(), within()))));
    assert!(lost.iter().all(|result| result.as_ref().is_err_and(|error| error.effect() == Effect::Unknown)));

    let error = world.clock.run(exchange.send(write(), within())).unwrap_err();
    assert_eq!((error.kind(), error.effect(), world.transport.count()), (ErrorKind::RateLimited, Effect::None, 3));
    assert_eq!(error.retry(), Retry::After(120 * SECOND));

    world.clock.pass(61 * SECOND);
    assert!(world.clock.run(exchange.send(write(), within())).is_ok());
    assert_eq!(*world.transport.times().last().unwrap(), 150 * SECOND);
}

#[test]
fn a_call_that_is_dropped_in_flight_keeps_its_slot_too() {
    let world = World::by_rule(|_, idx| slow(if idx < 3 { 60_000 } else { 1 }, answer(200, "{}")));
    let exchange = world.client().exchange(&scope(), &THREE_AT_ONCE);
    let clock = Port(world.clock.clone());
    let three = join_all((0..3).map(|_| exchange.send(write(), world.within(Lane::Interactive))));
    world.clock.run(select(Box::pin(three), clock.sleep(SECOND)));
    let error = world.clock.run(exchange.send(write(), world.within(Lane::Interactive))).unwrap_err();
    assert_eq!((error.kind(), world.transport.count()), (ErrorKind::RateLimited, 3));
}

#[test]
fn a_call_that_is_dropped_while_it_waits_leaves_the_queue() {
    let world = World::by_rule(|_, _| slow(10_000, answer(200, "{}")));
    let exchange = world.client().exchange(&scope(), &THREE_AT_ONCE);
    let clock = Port(world.clock.clone());
    let within = || world.within(Lane::Interactive);
    let three = join_all((0..3).map(|_| exchange.send(read(), within())));
    let waits = select(Box::pin(exchange.send(read(), within())), clock.sleep(SECOND));
    world.clock.run(futures_util::future::join(three, waits));
    assert_eq!(world.transport.count(), 3);
    assert!(world.clock.run(exchange.send(read(), within())).is_ok());
}

#[test]
fn no_window_of_a_minute_or_a_second_holds_more_than_the_limit() {
    let world = World::by_rule(|_, idx| slow(10 + 90 * (idx as u64 % 3), answer(200, "{}")));
    let results = send_all(&world, &SECONDS, Lane::Backfill, 40);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(most_within(&world.transport.times(), SECOND), 4);

    let world = World::by_rule(|_, _| answer(200, "{}"));
    let results = send_all(&world, &MINUTE, Lane::Backfill, 10);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(most_within(&world.transport.times(), 60 * SECOND), 5);
}

#[test]
fn a_wait_that_would_outlast_the_deadline_or_a_minute_is_an_error_with_its_time() {
    let world = World::by_rule(|_, _| answer(200, "{}")).time_left(20 * SECOND);
    let results = send_all(&world, &MINUTE, Lane::Interactive, 6);
    let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!((errors.len(), world.transport.count(), world.clock.elapsed()), (1, 5, Duration::ZERO));
    assert_eq!((errors[0].kind(), errors[0].retry()), (ErrorKind::RateLimited, Retry::After(60 * SECOND)));
    assert!(errors[0].message().contains("Acme"), "{}", errors[0]);
}

#[test]
fn people_who_wait_find_the_reserve_of_a_minute_untouched() {
    let world = World::by_rule(|_, _| answer(200, "{}")).time_left(20 * SECOND);
    let client = world.client();
    let exchange = client.exchange(&scope(), &MINUTE_RESERVE);
    let backfill = world.clock.run(join_all((0..20).map(|_| exchange.send(read(), world.within(Lane::Backfill)))));
    assert_eq!(backfill.iter().filter(|result| result.is_ok()).count(), 8);
    let person = world.clock.run(join_all((0..3).map(|_| exchange.send(read(), world.within(Lane::Interactive)))));
    assert_eq!(person.iter().filter(|result| result.is_ok()).count(), 2);
}

#[test]
fn a_days_count_survives_a_restart() {
    let world = World::by_rule(|_, _| answer(200, "{}"));
    for _ in 0..8 {
        let exchange = world.client().exchange(&scope(), &DAY);
        world.clock.run(exchange.send(read(), world.within(Lane::Scheduled))).unwrap();
    }
    let exchange = world.client().exchange(&scope(), &DAY);
    let error = world.clock.run(exchange.send(read(), world.within(Lane::Scheduled))).unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::QuotaExhausted, Retry::After(12 * 3600 * SECOND)));
    assert!(error.remedy().unwrap().contains("Sync now"));
    for _ in 0..2 {
        world.clock.run(exchange.send(read(), world.within(Lane::Interactive))).unwrap();
    }
    assert!(world.clock.run(exchange.send(read(), world.within(Lane::Interactive))).is_err());
    world.clock.pass(13 * 3600 * SECOND);
    let world = world.time_left(24 * 3600 * SECOND);
    assert!(world.clock.run(exchange.send(read(), world.within(Lane::Scheduled))).is_ok());
}

#[test]
fn what_the_provider_says_is_left_corrects_our_count() {
    for descriptor in [&DAY, &MINUTE] {
        let world = World::by_rule(|_, _| answer_with(200, &[("x-remaining", "1")], "{}")).time_left(20 * SECOND);
        let exchange = world.client().exchange(&scope(), descriptor);
        let send = || world.clock.run(exchange.send(read(), world.within(Lane::Interactive)));
        assert!(send().is_ok());
        assert!(send().is_ok());
        assert!(send().is_err(), "{:?}", descriptor.quotas);
        assert_eq!(world.transport.count(), 2);
    }
}

#[test]
fn a_named_budget_pays_its_cost_there_and_one_call_of_the_common_one() {
    let world = World::by_rule(|_, _| answer(200, "{}")).time_left(20 * SECOND);
    let exchange = world.client().exchange(&scope(), &FAMILIES);
    let send = |call| world.clock.run(exchange.send(call, world.within(Lane::Interactive)));
    assert!(send(read().budget("bulk", 6)).is_ok());
    assert_eq!(send(read().budget("bulk", 6)).unwrap_err().kind(), ErrorKind::RateLimited);
    assert!(send(read().budget("bulk", 4)).is_ok());
    // 2 of 100 are used: the common budget saw calls, not their cost.
    assert!((0..98).all(|_| send(read()).is_ok()));
    assert!(send(read()).is_err());
    let error = send(read().budget("bulk", 11)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[test]
fn two_organizations_on_one_account_share_its_limit_and_two_accounts_do_not() {
    for (second, most) in [("acc-1", 3), ("acc-2", 6)] {
        let world = World::by_rule(|_, _| slow(100, answer(200, "{}")));
        let other = Scope::new("org-2", "acme");
        world.grants.put(&other, Grant { account: Some(AccountId::from(second)), ..key_grant() });
        let client = world.client();
        let exchanges = [client.exchange(&scope(), &THREE_AT_ONCE), client.exchange(&other, &THREE_AT_ONCE)];
        let calls = (0..20).map(|idx| exchanges[idx % 2].send(read(), world.within(Lane::Interactive)));
        assert!(world.clock.run(join_all(calls)).iter().all(Result::is_ok));
        assert_eq!(world.transport.most_flying.load(std::sync::atomic::Ordering::SeqCst), most, "{second}");
    }
}

#[test]
fn one_who_is_told_to_wait_makes_all_on_the_account_wait() {
    let world =
        World::by_rule(|_, idx| if idx == 0 { answer_with(429, &[("retry-after", "300")], "") } else { answer(200, "{}") });
    let client = world.client();
    let exchange = client.exchange(&scope(), &MINUTE);
    let send = || world.clock.run(exchange.send(read(), world.within(Lane::Interactive)));
    assert_eq!(send().unwrap_err().retry(), Retry::After(300 * SECOND));
    let error = send().unwrap_err();
    assert_eq!(
        (error.kind(), error.retry(), world.transport.count()),
        (ErrorKind::RateLimited, Retry::After(300 * SECOND), 1)
    );
    world.clock.pass(250 * SECOND);
    assert!(send().is_ok());
    assert_eq!(world.transport.times()[1], 300 * SECOND);
}

#[test]
fn limits_can_be_changed_and_switched_off() {
    let change = |limit| {
        Limits::Changed(vec![LimitOverride {
            integration: "acme".into(),
            budget: String::new(),
            scope: QuotaScope::Account,
            span: Span::Concurrent,
            limit,
        }])
    };
    for (limits, most) in [(change(Some(7)), 7), (change(None), 30), (Limits::Off, 30), (Limits::Published, 3)] {
        let world = World::by_rule(|_, _| slow(100, answer(200, "{}")));
        let client = world.builder().with_limits(limits).build().unwrap();
        let exchange = client.exchange(&scope(), &THREE_AT_ONCE);
        let calls = (0..30).map(|_| exchange.send(read(), world.within(Lane::Interactive)));
        assert!(world.clock.run(join_all(calls)).iter().all(Result::is_ok));
        assert_eq!(world.transport.most_flying.load(std::sync::atomic::Ordering::SeqCst), most);
    }
}

#[test]
fn a_person_overtakes_a_backfill_that_waits() {
    let world = World::by_rule(|_, _| slow(1_000, answer(200, "{}")));
    let client = world.client();
    let exchange = Arc::new(client.exchange(&scope(), &THREE_AT_ONCE));
    let clock = Port(world.clock.clone());
    let backfill = join_all((0..30).map(|_| exchange.send(read(), world.within(Lane::Backfill))));
    let person = async {
        clock.sleep(Duration::from_millis(500)).await;
        exchange.send(read(), world.within(Lane::Interactive)).await.unwrap();
        world.clock.elapsed()
    };
    let (_, answered) = world.clock.run(futures_util::future::join(backfill, person));
    assert_eq!(answered, 2 * SECOND);
}

#[test]
fn a_wish_to_stop_ends_the_wait_for_a_budget() {
    let world = World::by_rule(|_, _| answer(200, "{}"));
    let exchange = world.client().exchange(&scope(), &MINUTE);
    let clock = Port(world.clock.clone());
    let calls = join_all((0..6).map(|_| exchange.send(read(), world.within(Lane::Interactive))));
    let stop = async {
        clock.sleep(3 * SECOND).await;
        world.cancel.cancel();
    };
    let (results, ()) = world.clock.run(futures_util::future::join(calls, stop));
    let kinds: Vec<_> = results.into_iter().filter_map(Result::err).map(|error| error.kind()).collect();
    assert_eq!(kinds, [ErrorKind::Cancelled]);
    assert!(world.clock.elapsed() <= 5 * SECOND);
}

#[test]
fn what_a_day_has_left_is_told_and_asking_takes_nothing() {
    let world = World::by_rule(|_, _| answer(200, "{}"));
    let quotas = || world.clock.run(async { world.client().quotas(&scope(), &DAY).await.unwrap() });
    assert_eq!(quotas()[0].left.map(|(left, _)| left), Some(10));
    assert!(send_all(&world, &DAY, Lane::Interactive, 3).iter().all(Result::is_ok));
    for _ in 0..2 {
        let quota = quotas().remove(0);
        assert_eq!((quota.limit, quota.left.map(|(left, _)| left)), (10, Some(7)));
    }
}

#[test]
fn what_a_minute_has_left_is_told_and_renews() {
    let world = World::by_rule(|_, _| answer(200, "{}"));
    // Minutes are counted by each process for itself.
    let client = world.client();
    let exchange = client.exchange(&scope(), &MINUTE);
    let quota = || world.clock.run(async { client.quotas(&scope(), &MINUTE).await.unwrap() }).remove(0);
    assert_eq!((quota().limit, quota().left.map(|(left, _)| left)), (5, Some(5)));
    for _ in 0..3 {
        world.clock.run(exchange.send(read(), world.within(Lane::Interactive))).unwrap();
    }
    assert_eq!(quota().left.map(|(left, _)| left), Some(2));
    let clock = Port(world.clock.clone());
    world.clock.run(async { clock.sleep(61 * SECOND).await });
    assert_eq!(quota().left.map(|(left, _)| left), Some(5));
}
