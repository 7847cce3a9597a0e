//! Connections, grants, counters.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use secrecy::ExposeSecret;
use sync_core::{CounterKey, Credentials, Grant, OrganizationId, Scope, Swapped};
use sync_engine::{Change, ConnectionRow, ConnectionStatus, StandingGrant};

use super::{StoreHarness, commit, leased, make::*, refused};

fn connection(scope: Scope) -> ConnectionRow {
    ConnectionRow {
        scope,
        revision: 7,
        status: ConnectionStatus::Reconnect { since: at(1), reason: "expired".into() },
        account: Some(ACCOUNT),
        account_name: Some("Blue Manta".into()),
        settings: serde_json::json!({"audience": "a"}),
        approved: ["audience".to_owned()].into(),
        standing_grants: vec![StandingGrant { effect: "mails".into(), by: "Maria".into(), at: at(2) }],
        created_at: at(0),
        checked_at: None,
        next_run_at: Some(at(9)),
    }
}

fn grant(generation: u64, refresh: Option<&str>) -> Grant {
    let credentials = match refresh {
        None => Credentials::ApiKey("key".to_owned().into()),
        Some(refresh) => Credentials::Token {
            access: "access".to_owned().into(),
            refresh: Some(refresh.to_owned().into()),
            expires_at: Some(at(60)),
        },
    };
    Grant {
        generation,
        credentials,
        vars: BTreeMap::from([("dc".to_owned(), "us6".to_owned())]),
        scopes: vec!["contacts".into()],
        account: Some(ACCOUNT),
        dead_since: None,
    }
}

pub(super) async fn a_connection_is_stored_by_revision(harness: &impl StoreHarness) {
    let (store, lease) = leased(harness).await;
    let row = connection(SCOPE());
    assert_eq!(store.connection(&SCOPE()).await.must("read"), None);
    assert!(!store.put_connection(&row, Some(1)).await.must("put"), "there is none of revision 1");
    assert!(store.put_connection(&row, None).await.must("put"));
    assert!(!store.put_connection(&row, None).await.must("put"), "there is one already");
    let stored = store.connection(&SCOPE()).await.must("read").must("a connection");
    assert_eq!(stored, ConnectionRow { revision: 1, ..row.clone() });
    let changed = ConnectionRow { status: ConnectionStatus::Active, ..stored };
    assert!(store.put_connection(&changed, Some(1)).await.must("put"));
    assert!(!store.put_connection(&changed, Some(1)).await.must("put"), "somebody else was first");
    commit(&*store, &lease, vec![Change::Connection(Box::new(row.clone()))]).await;
    assert_eq!(store.connection(&SCOPE()).await.must("read"), Some(ConnectionRow { revision: 3, ..row.clone() }));
    let foreign = connection(Scope::new("other", "mailchimp"));
    let foreign_put = store.commit(&lease, vec![Change::Connection(Box::new(foreign.clone()))]).await;
    refused(foreign_put, sync_core::ErrorKind::Internal);
    assert_eq!(store.connection(&foreign.scope).await.must("read"), None);
}

pub(super) async fn connections_come_in_order_of_their_scope(harness: &impl StoreHarness) {
    let store = harness.open().await;
    let scopes = [("b", "xero"), ("a", "xero"), ("b", "mailchimp"), ("c", "xero")].map(|(org, of)| Scope::new(org, of));
    for scope in &scopes {
        assert!(store.put_connection(&connection(scope.clone()), None).await.must("put"));
    }
    let page = async |organization: Option<&OrganizationId>, after: Option<&Scope>, limit| {
        let rows = store.connections(organization, after, limit).await.must("read");
        rows.into_iter().map(|row| row.scope).collect::<Vec<_>>()
    };
    let [b_xero, a_xero, b_mailchimp, c_xero] = scopes;
    let all = [&a_xero, &b_mailchimp, &b_xero, &c_xero].map(Clone::clone);
    assert_eq!(page(None, None, 10).await, all);
    assert_eq!(page(None, Some(&b_mailchimp), 1).await, std::slice::from_ref(&b_xero));
    assert_eq!(page(Some(&"b".into()), None, 10).await, [b_mailchimp.clone(), b_xero.clone()]);
    assert_eq!(page(Some(&"b".into()), Some(&b_mailchimp), 10).await, [b_xero]);
}

pub(super) async fn a_grant_is_swapped_by_generation(harness: &impl StoreHarness) {
    let store = harness.open().await;
    assert!(store.load(&SCOPE()).await.must("load").is_none());
    let lost = store.swap(&SCOPE(), Some(1), Some(grant(2, None))).await.must("swap");
    assert!(matches!(lost, Swapped::Lost(None)), "there is none of generation 1");
    assert!(matches!(store.swap(&SCOPE(), None, Some(grant(1, None))).await.must("swap"), Swapped::Stored));
    match store.swap(&SCOPE(), None, Some(grant(9, None))).await.must("swap") {
        Swapped::Lost(Some(now)) => assert_eq!(now.generation, 1),
        other => panic!("somebody else was first, and yet: {other:?}"),
    }
    assert!(matches!(store.swap(&SCOPE(), Some(1), Some(grant(2, Some("refresh")))).await.must("swap"), Swapped::Stored));

    let store = harness.open().await;
    let stored = store.load(&SCOPE()).await.must("load").must("a grant");
    let expected = grant(2, Some("refresh"));
    assert_eq!(
        (stored.generation, stored.vars, stored.scopes, stored.account, stored.dead_since),
        (expected.generation, expected.vars, expected.scopes, expected.account, expected.dead_since)
    );
    match stored.credentials {
        Credentials::Token { access, refresh, expires_at } => {
            assert_eq!(access.expose_secret(), "access");
            assert_eq!(refresh.as_ref().map(ExposeSecret::expose_secret), Some("refresh"));
            assert_eq!(expires_at, Some(at(60)));
        }
        other => panic!("these are not the credentials that were stored: {other:?}"),
    }
    assert!(store.load(&Scope::new("other", "mailchimp")).await.must("load").is_none(), "another tenant's grant");
    assert!(matches!(store.swap(&SCOPE(), Some(2), None).await.must("swap"), Swapped::Stored));
    assert!(store.load(&SCOPE()).await.must("load").is_none());
}

pub(super) async fn one_of_many_swaps_wins(harness: &impl StoreHarness) {
    let store = harness.open().await;
    store.swap(&SCOPE(), None, Some(grant(1, None))).await.must("swap");
    let scope = SCOPE();
    let races = (0..64).map(|i| store.swap(&scope, Some(1), Some(grant(2, Some(if i % 2 == 0 { "even" } else { "odd" })))));
    let results = join_all(races).await;
    let n_stored = results.into_iter().filter(|result| matches!(result, Ok(Swapped::Stored))).count();
    assert_eq!(n_stored, 1, "a refresh was stored more than once");
}

pub(super) async fn counters_stay_within_their_limit(harness: &impl StoreHarness) {
    let store = harness.open().await;
    let key = CounterKey("account:day".into());
    assert_eq!(store.take(&key, at(0), 3, 2).await.must("take"), (0, false));
    assert_eq!(store.take(&key, at(0), 2, 5).await.must("take"), (2, true));
    assert_eq!(store.take(&key, at(0), 3, 5).await.must("take"), (5, true));
    assert_eq!(store.take(&key, at(0), 1, 5).await.must("take"), (5, false));
    assert_eq!(store.take(&key, at(86_400), 1, 5).await.must("take"), (1, true));
    store.correct(&key, at(0), 3).await.must("correct");
    assert_eq!(store.take(&key, at(0), 0, 5).await.must("take"), (5, true), "a correction never lowers");
    store.correct(&key, at(86_400), 5).await.must("correct");
    let store = harness.open().await;
    assert_eq!(store.take(&key, at(86_400), 1, 5).await.must("take"), (5, false));
    let key = CounterKey("raced".into());
    let takes = join_all((0..32).map(|_| store.take(&key, at(0), 1, 20))).await;
    assert_eq!(takes.into_iter().filter(|take| take.as_ref().is_ok_and(|(_, taken)| *taken)).count(), 20);
}

pub(super) async fn a_digest_is_claimed_once(harness: &impl StoreHarness) {
    let store = harness.open().await;
    let claims = join_all((0..8).map(|_| async { store.claim_digest(&"a".into(), "2025-01-01").await.must("claim") })).await;
    assert_eq!(claims.into_iter().filter(|first| *first).count(), 1);
    assert!(store.claim_digest(&"b".into(), "2025-01-01").await.must("claim"));
    assert!(store.claim_digest(&"a".into(), "2025-01-02").await.must("claim"));
}
