//! Tokens that expire: one exchange per expiry, stored before used, never lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use sync_core::{AccountId, Credentials, ErrorKind, Exchange as _, Grant, Lane, TransportFault};
use sync_http::GrantHistory;

use crate::support::{MemoryGrants, Step, World, answer, key_grant, read, scope, slow, start, token_grant, write};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn access(grant: &Grant) -> String {
    match &grant.credentials {
        Credentials::Token { access, .. } => access.expose_secret().to_owned(),
        _ => String::new(),
    }
}

fn refresh_token(grant: &Grant) -> String {
    match &grant.credentials {
        Credentials::Token { refresh: Some(refresh), .. } => refresh.expose_secret().to_owned(),
        _ => String::new(),
    }
}

fn tokens(n: usize) -> String {
    format!(
        r#"{{"access_token":"access-{n}-s3cret","refresh_token":"refresh-{n}-s3cret","token_type":"Bearer","expires_in":3600}}"#
    )
}

/// A rotating server: every exchange must bring the latest refresh token, every call a token that is stored already.
fn rotating(exchanges: Arc<AtomicUsize>) -> World {
    let world = World::by_rule_with_grants(move |grants, request, _| {
        if request.uri().path() == "/oauth2/token" {
            let body = String::from_utf8(request.body().to_vec()).unwrap();
            let n = exchanges.load(Ordering::SeqCst);
            if !body.contains(&format!("refresh_token=refresh-{n}-s3cret")) {
                return answer(400, r#"{"error":"invalid_grant"}"#);
            }
            exchanges.fetch_add(1, Ordering::SeqCst);
            return slow(400, answer(200, &tokens(n + 1)));
        }
        let stored = access(&grants.grant(&scope()));
        let sent = request.headers()["authorization"].to_str().unwrap();
        assert_eq!(sent, format!("Bearer {stored}"), "used before it was stored");
        if stored == format!("access-{}-s3cret", exchanges.load(Ordering::SeqCst)) {
            answer(200, "{}")
        } else {
            answer(401, "{}")
        }
    });
    world.grants.put(&scope(), token_grant(HOUR));
    world
}

#[test]
fn sixty_four_tasks_refresh_once() {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let world = rotating(exchanges.clone());
    world.clock.pass(HOUR);
    let world = world.time_left(3 * HOUR);
    let exchange = world.exchange();
    let results = world.clock.run(join_all((0..64).map(|_| exchange.send(read(), world.within(Lane::Interactive)))));
    assert!(results.iter().all(Result::is_ok));
    assert_eq!((exchanges.load(Ordering::SeqCst), world.transport.count()), (1, 65));
    assert_eq!(refresh_token(&world.grants.grant(&scope())), "refresh-1-s3cret");
    assert_eq!(
        world.grants.grant(&scope()).vars.keys().collect::<Vec<_>>(),
        ["dc", "sync-http.client", "sync-http.refreshed-at"]
    );
}

#[test]
fn eight_processes_with_eight_tasks_each_refresh_once() {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let world = rotating(exchanges.clone());
    world.clock.pass(HOUR);
    let world = world.time_left(3 * HOUR);
    let processes: Vec<_> = (0..8).map(|_| world.exchange()).collect();
    let calls = (0..64).map(|idx| processes[idx % 8].send(read(), world.within(Lane::Interactive)));
    let results = world.clock.run(join_all(calls));
    assert!(results.iter().all(Result::is_ok));
    assert_eq!((exchanges.load(Ordering::SeqCst), world.transport.count()), (1, 65));
}

#[test]
fn a_token_is_refreshed_a_margin_before_it_expires_and_not_earlier() {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let world = rotating(exchanges.clone()).time_left(3 * HOUR);
    let exchange = world.exchange();
    let send = || world.clock.run(exchange.send(read(), world.within(Lane::Interactive))).unwrap();
    world.clock.pass(HOUR - 121 * SECOND);
    send();
    assert_eq!(exchanges.load(Ordering::SeqCst), 0);
    world.clock.pass(2 * SECOND);
    send();
    send();
    assert_eq!(exchanges.load(Ordering::SeqCst), 1);
}

#[test]
fn a_refresh_keeps_the_account_so_that_a_run_goes_on_writing() {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let world = rotating(exchanges.clone());
    world.clock.pass(HOUR);
    let world = world.time_left(3 * HOUR);
    let exchange = world.exchange().expect_generation(3, AccountId::from("acc-1"));
    world.clock.run(exchange.send(write(), world.within(Lane::Interactive))).unwrap();
    let grant = world.grants.grant(&scope());
    assert_eq!((grant.generation, grant.account.unwrap().as_str()), (5, "acc-1"));
}

#[test]
fn after_a_401_there_is_one_refresh_and_one_retry_also_for_a_write() {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let world = rotating(exchanges.clone());
    world.grants.put(
        &scope(),
        Grant {
            credentials: Credentials::Token {
                access: SecretString::from("revoked-s3cret"),
                refresh: Some(SecretString::from("refresh-0-s3cret")),
                expires_at: None,
            },
            ..key_grant()
        },
    );
    let exchange = world.exchange();
    let results = world.clock.run(join_all((0..5).map(|_| exchange.send(write(), world.within(Lane::Interactive)))));
    assert!(results.iter().all(Result::is_ok));
    assert_eq!((exchanges.load(Ordering::SeqCst), world.transport.count()), (1, 5 + 1 + 5));
}

#[test]
fn a_fresh_token_that_is_refused_too_is_a_dead_grant() {
    let world =
        World::by_rule(
            |request, _| {
                if request.uri().path() == "/oauth2/token" { answer(200, &tokens(1)) } else { answer(401, "{}") }
            },
        );
    world.grants.put(&scope(), token_grant(HOUR));
    assert_eq!(world.send(read()).unwrap_err().kind(), ErrorKind::AuthRevoked);
    assert_eq!(world.transport.count(), 3);
    assert_eq!(world.send(read()).unwrap_err().kind(), ErrorKind::AuthRevoked);
    assert_eq!(world.transport.count(), 3);
}

#[test]
fn a_refused_token_does_not_bury_the_grant_of_somebody_who_reconnected_meanwhile() {
    let world = World::by_rule_with_grants(|grants: &MemoryGrants, request, idx| match request.uri().path() {
        "/oauth2/token" => answer(200, &tokens(1)),
        _ => {
            if idx > 1 {
                let new = Credentials::Token { access: SecretString::from("reconnected"), refresh: None, expires_at: None };
                grants.put(&scope(), Grant { generation: 40, credentials: new, ..key_grant() });
            }
            answer(401, "{}")
        }
    });
    world.grants.put(&scope(), token_grant(HOUR));
    assert_eq!(world.send(read()).unwrap_err().kind(), ErrorKind::AuthRevoked);
    assert_eq!(world.grants.grant(&scope()).dead_since, None);
}

#[test]
fn invalid_grant_opens_the_circuit() {
    let world = World::by_rule(|_, _| answer(400, r#"{"error":"invalid_grant","error_description":"gone"}"#));
    world.grants.put(&scope(), token_grant(Duration::ZERO));
    let error = world.send(read()).unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::AuthRevoked, Some("invalid_grant")));
    assert!(world.grants.grant(&scope()).dead_since.is_some());
    assert_eq!(world.send(read()).unwrap_err().kind(), ErrorKind::AuthRevoked);
    assert_eq!(world.transport.count(), 1);
}

#[test]
fn invalid_grant_is_no_verdict_when_somebody_reconnected_meanwhile() {
    let world = World::by_rule_with_grants(|grants: &MemoryGrants, request, _| {
        if request.uri().path() != "/oauth2/token" {
            return answer(200, "{}");
        }
        let new = Credentials::Token { access: SecretString::from("reconnected"), refresh: None, expires_at: None };
        grants.put(&scope(), Grant { generation: 40, credentials: new, ..key_grant() });
        answer(400, r#"{"error":"invalid_grant"}"#)
    });
    world.grants.put(&scope(), token_grant(Duration::ZERO));
    assert!(world.send(read()).is_ok());
    assert_eq!(world.transport.seen.lock().unwrap()[1].header("authorization"), "Bearer reconnected");
    assert!(world.grants.grant(&scope()).dead_since.is_none());
}

#[test]
fn a_server_that_rotates_nothing_leaves_the_refresh_token() {
    let world = World::by_rule(|request, _| {
        let tokens = r#"{"access_token":"a1","expires_in":3599,"scope":"read","token_type":"Bearer"}"#;
        answer(200, if request.uri().path() == "/oauth2/token" { tokens } else { "{}" })
    });
    world.grants.put(&scope(), token_grant(Duration::ZERO));
    world.send(read()).unwrap();
    let grant = world.grants.grant(&scope());
    assert_eq!((refresh_token(&grant), access(&grant)), ("refresh-0-s3cret".to_owned(), "a1".to_owned()));
    assert_eq!(grant.scopes, ["read"]);
}

#[test]
fn a_refresh_that_fails_for_now_lets_a_valid_token_go_on() {
    for failure in [503, 429, 200] {
        let world = World::by_rule(move |request, _| {
            if request.uri().path() == "/oauth2/token" { answer(failure, "<html>") } else { answer(200, "{}") }
        });
        world.grants.put(&scope(), token_grant(60 * SECOND));
        assert!(world.send(write()).is_ok(), "{failure}");
        world.clock.pass(61 * SECOND);
        assert!(world.send(write()).unwrap_err().retry() != sync_core::Retry::Never);
        assert!(world.grants.grant(&scope()).dead_since.is_none());
    }
}

#[test]
fn a_lost_refresh_answer_is_asked_for_again_with_the_same_token() {
    let world = World::by_rule(|request, idx| match request.uri().path() {
        "/oauth2/token" if idx == 0 => Step::Fault(TransportFault::TimedOut),
        "/oauth2/token" => answer(200, &tokens(1)),
        _ => answer(200, "{}"),
    });
    world.grants.put(&scope(), token_grant(Duration::ZERO));
    assert!(world.send(read()).is_ok());
    let seen = world.transport.seen.lock().unwrap();
    assert_eq!(seen[0].body(), seen[1].body());
}

#[test]
fn a_rotated_token_is_stored_even_when_the_store_stumbles() {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let world = rotating(exchanges.clone());
    world.clock.pass(HOUR);
    let world = world.time_left(3 * HOUR);
    world.grants.fail_swaps.store(3, Ordering::SeqCst);
    assert!(world.send(read()).is_ok());
    assert_eq!(refresh_token(&world.grants.grant(&scope())), "refresh-1-s3cret");
}

#[test]
fn the_claim_of_a_process_that_died_lapses() {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let world = rotating(exchanges.clone());
    let mut grant = token_grant(Duration::ZERO);
    let lapses = start() + jiff::SignedDuration::from_secs(25);
    grant.vars.insert("sync-http.refreshing-until".to_owned(), lapses.to_string());
    world.grants.put(&scope(), grant);
    assert!(world.send(read()).is_ok());
    assert_eq!(exchanges.load(Ordering::SeqCst), 1);
    assert!(world.clock.elapsed() >= 25 * SECOND);
}

#[test]
fn a_token_that_runs_out_without_a_refresh_token_needs_a_person() {
    let world = World::new([]);
    let credentials = Credentials::Token { access: SecretString::from("x"), refresh: None, expires_at: Some(start()) };
    world.grants.put(&scope(), Grant { credentials, ..key_grant() });
    assert_eq!(world.send(read()).unwrap_err().kind(), ErrorKind::AuthRevoked);
    assert_eq!(world.transport.count(), 0);
}

#[test]
fn a_disconnect_in_mid_refresh_stays_a_disconnect() {
    let world = World::by_rule_with_grants(|grants: &MemoryGrants, _, _| {
        grants.grants.lock().unwrap().clear();
        answer(200, &tokens(1))
    });
    world.grants.put(&scope(), token_grant(Duration::ZERO));
    assert_eq!(world.send(read()).unwrap_err().kind(), ErrorKind::NotConnected);
    assert!(world.grants.grants.lock().unwrap().is_empty());
}

#[test]
fn a_slow_process_that_holds_the_living_token_raises_what_a_faster_one_buried() {
    // The server rotates: the first exchange used the token up, and its answer came late.
    let world = World::by_rule_with_grants(|grants: &MemoryGrants, request, idx| {
        if request.uri().path() != "/oauth2/token" {
            return answer(200, "{}");
        }
        assert_eq!(idx, 0, "there is one exchange");
        // Meanwhile our claim lapsed, and another process was told `invalid_grant`.
        let stored = grants.grant(&scope());
        let mut dead = Grant { generation: stored.generation + 2, dead_since: Some(start()), ..stored };
        dead.vars.remove("sync-http.refreshing-until");
        grants.put(&scope(), dead);
        answer(200, &tokens(1))
    });
    world.grants.put(&scope(), token_grant(Duration::ZERO));
    assert!(world.send(read()).is_ok());
    let grant = world.grants.grant(&scope());
    assert_eq!(
        (grant.dead_since, access(&grant), refresh_token(&grant)),
        (None, "access-1-s3cret".into(), "refresh-1-s3cret".into())
    );
}

#[test]
fn a_dead_grant_remembers_how_it_ended_and_how_long_it_lived() {
    let world = World::by_rule(|request, idx| match request.uri().path() {
        "/oauth2/token" if idx == 0 => answer(200, &tokens(1)),
        "/oauth2/token" => answer(400, r#"{"error":"invalid_grant","error_subtype":"invalid_rapt"}"#),
        _ => answer(200, "{}"),
    })
    .time_left(3 * HOUR);
    world.grants.put(&scope(), token_grant(Duration::ZERO));
    world.send(read()).unwrap();
    world.clock.pass(HOUR);
    let error = world.send(read()).unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::AuthRevoked, Some("invalid_grant")));
    let history = GrantHistory::of(&world.grants.grant(&scope()));
    assert_eq!((history.end.as_deref(), history.client.as_deref()), (Some("invalid_rapt"), Some("client-1")));
    assert_eq!(history.refreshed_at, Some(start()));
}
