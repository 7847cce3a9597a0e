//! The feed and look-ups.

use serde_json::{Value as Json, json};
use sync_core::{
    Change, Complete, ConsentState as C, Cursor, ErrorKind, FindBy, Found, From, Marker, NaturalKey, Next, Page, PageToken,
    RemoteState, Value,
};
use wiremock::{
    Mock,
    matchers::{method, path, query_param, query_param_is_missing},
};

use crate::support::{ADA, ADA_ID, AUDIENCE, configured, connected, member, ok, problem};

fn listing() -> wiremock::MockBuilder {
    Mock::given(method("GET")).and(path(format!("/3.0/lists/{AUDIENCE}/members")))
}

fn page(total: usize, members: &[Json]) -> wiremock::ResponseTemplate {
    // The mock server adds today's date, which would be trusted.
    ok(json!({"members": members, "list_id": AUDIENCE, "total_items": total}))
        .insert_header("date", "Sun, 01 Mar 2026 12:00:00 GMT")
}

fn states(page: &Page) -> Vec<(C, bool)> {
    page.changes
        .iter()
        .map(|change| match change {
            Change::Upsert(remote) => {
                let consent = remote.fields.value("consent.email").and_then(Value::as_consent).unwrap();
                (consent.state, remote.state == RemoteState::Archived)
            }
            Change::Gone { .. } => panic!("gone"),
        })
        .collect()
}

fn more(page: &Page) -> &PageToken {
    match &page.next {
        Next::More(token) => token,
        Next::Done(cursor) => panic!("done: {cursor}"),
    }
}

fn done(page: &Page) -> &Cursor {
    match &page.next {
        Next::Done(cursor) => cursor,
        Next::More(token) => panic!("more: {token}"),
    }
}

#[tokio::test]
async fn a_full_pass_reads_all_statuses_and_then_the_archive() {
    let shop = configured(json!({"page_size": 2}), json!({})).await;
    let all = || listing().and(query_param("count", "2")).and(query_param_is_missing("status"));
    let first = page(3, &[member(ADA, "subscribed"), member("b@example.com", "unsubscribed")]);
    shop.mount(all().and(query_param("offset", "0")).respond_with(first).expect(1)).await;
    shop.mount(all().and(query_param("offset", "2")).respond_with(page(3, &[member("c@example.com", "cleaned")])).expect(1))
        .await;
    let archived = listing().and(query_param("status", "archived")).and(query_param("offset", "0"));
    shop.mount(archived.respond_with(page(1, &[member("d@example.com", "archived")])).expect(1)).await;

    let first = shop.pull(From::Start).await.unwrap();
    assert_eq!(states(&first), [(C::Granted, false), (C::Denied, false)]);
    let second = shop.pull(From::Page(more(&first))).await.unwrap();
    assert_eq!(states(&second), [(C::Undeliverable, false)]);
    let third = shop.pull(From::Page(more(&second))).await.unwrap();
    assert_eq!(states(&third), [(C::Unknown, true)]);
    assert!([&first, &second, &third].iter().all(|page| page.complete == Complete::Full));
    done(&third);
    let sent = shop.sent().await;
    assert!(sent.iter().all(|(_, path, _)| path.contains("fields=") && !path.contains("stats")), "{sent:?}");
}

#[tokio::test]
async fn a_delta_asks_for_changes_in_whole_seconds_and_in_order() {
    let shop = connected(json!({})).await;
    shop.mount(listing().and(query_param_is_missing("since_last_changed")).respond_with(page(0, &[])).expect(2)).await;
    let half = shop.pull(From::Start).await.unwrap();
    let full = shop.pull(From::Page(more(&half))).await.unwrap();
    let since = listing()
        .and(query_param("since_last_changed", "2026-03-01T11:59:00+00:00"))
        .and(query_param("sort_field", "last_changed"))
        .and(query_param("sort_dir", "ASC"));
    shop.mount(since.respond_with(page(1, &[member(ADA, "unsubscribed")])).expect(2)).await;
    let delta = shop.pull(From::Cursor(done(&full))).await.unwrap();
    assert_eq!((states(&delta), delta.complete), (vec![(C::Denied, false)], Complete::Delta));
    let archived = shop.pull(From::Page(more(&delta))).await.unwrap();
    done(&archived);
}

#[tokio::test]
async fn echoes_of_a_large_push_are_paged_through_once() {
    let shop = configured(json!({"page_size": 2}), json!({})).await;
    let mut echo = member(ADA, "subscribed");
    echo["last_changed"] = json!("2026-03-01T12:00:00+00:00");
    let echoes = listing().and(query_param("since_last_changed", "2026-03-01T11:59:00+00:00"));
    shop.mount(echoes.respond_with(page(2, &[echo.clone(), echo])).expect(2)).await;
    let nothing = listing().and(query_param("since_last_changed", "2026-03-01T12:00:00+00:00"));
    shop.mount(nothing.respond_with(page(0, &[])).expect(2)).await;

    let start = Cursor::new(format!("{}.{}.0", shop.now.as_second(), shop.now.as_second() - 60));
    let echoed = shop.pull(From::Cursor(&start)).await.unwrap();
    let echoed = shop.pull(From::Page(more(&echoed))).await.unwrap();
    let quiet = shop.pull(From::Cursor(done(&echoed))).await.unwrap();
    assert!(quiet.changes.is_empty());
    let quiet = shop.pull(From::Page(more(&quiet))).await.unwrap();
    assert!(quiet.changes.is_empty());
}

#[tokio::test]
async fn a_bad_cursor_or_token_asks_for_a_full_pass() {
    let shop = connected(json!({})).await;
    for from in [From::Cursor(&"&#+ /".into()), From::Page(&"&#+ /".into())] {
        assert_eq!(shop.pull(from).await.unwrap_err().kind(), ErrorKind::CursorExpired);
    }
    assert!(shop.sent().await.is_empty());
}

#[tokio::test]
async fn a_feed_of_an_audience_that_is_gone_is_a_setting_to_correct() {
    let shop = connected(json!({})).await;
    shop.mount(listing().respond_with(problem(404, "Resource Not Found", "x")).expect(1)).await;
    assert_eq!(shop.pull(From::Start).await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn members_are_found_by_id_and_by_address() {
    let shop = connected(json!({})).await;
    let read = Mock::given(method("GET")).and(path(format!("/3.0/lists/{AUDIENCE}/members/{ADA_ID}")));
    shop.mount(read.respond_with(ok(member(ADA, "archived"))).expect(2)).await;
    let key = NaturalKey::of("email", " Ada.Lovelace@Example.com").unwrap();
    for by in [FindBy::Ids(&[ADA_ID.into()]), FindBy::Keys(&[key])] {
        let found = shop.find(by).await.unwrap();
        assert!(matches!(&found[..], [Found::One(remote)] if remote.state == RemoteState::Archived), "{found:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_absent_and_an_outage_is_an_error() {
    let shop = connected(json!({})).await;
    shop.mount(Mock::given(method("GET")).respond_with(problem(404, "Resource Not Found", "x")).up_to_n_times(1).expect(1))
        .await;
    assert_eq!(shop.find(FindBy::Ids(&[ADA_ID.into()])).await.unwrap(), [Found::Absent]);
    assert_eq!(shop.find(FindBy::Ids(&[ADA_ID.into()])).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_empty_answer_is_no_proof_of_anything() {
    let shop = connected(json!({})).await;
    shop.mount(Mock::given(method("GET")).respond_with(ok(json!({}))).expect(2)).await;
    assert_eq!(shop.find(FindBy::Ids(&[ADA_ID.into()])).await.unwrap_err().kind(), ErrorKind::BadAnswer);
    assert_eq!(shop.pull(From::Start).await.unwrap_err().kind(), ErrorKind::BadAnswer);
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_said() {
    let shop = connected(json!({})).await;
    let name = NaturalKey::of("last_name", "Lovelace").unwrap();
    for by in [FindBy::Markers(&[Marker::new("x")]), FindBy::Keys(&[name])] {
        assert_eq!(shop.find(by).await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert_eq!(shop.find(FindBy::Ids(&[])).await.unwrap(), []);
    let two = [ADA_ID.into(), ADA_ID.into()];
    assert_eq!(shop.find(FindBy::Ids(&two)).await.unwrap_err().kind(), ErrorKind::Internal);
}
