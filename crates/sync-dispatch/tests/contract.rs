//! The wire contract, one test per row.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{Fake, ORG, PAGER, World};
use sync_core::{Direction, Stop, SyncRequest, SyncResult};
use sync_dispatch::{ConnectOptions, ConnectionStatus, ENABLED, RunOptions, endpoint_answer};

fn error(result: &SyncResult) -> String {
    assert!(!result.success, "{result:?}");
    result.errors.as_ref().unwrap().join("\n")
}

fn stop(result: &SyncResult) -> Option<Stop> {
    result.details.as_ref().and_then(|details| details.stopped)
}

async fn dispatch(world: &World, id: &str) -> SyncResult {
    world.dispatcher.dispatch(SyncRequest::new(ORG, id)).await
}

#[tokio::test]
async fn an_unknown_integration_lists_what_is_enabled() {
    let world = World::new();
    let result = dispatch(&world, "fax").await;
    let mut enabled: Vec<_> = ENABLED.iter().map(|registration| registration.descriptor.id).collect();
    enabled.push("ledger");
    enabled.sort_unstable();
    let enabled = enabled.join(", ");
    assert_eq!(error(&result), format!("Sync not implemented for integration: fax (enabled: {enabled})"));
    assert_eq!(stop(&result), Some(Stop::Request));
    assert_eq!((result.synced, result.failed), (0, 0));
}

async fn is_not_compiled_in(id: &str) {
    if ENABLED.iter().any(|registration| registration.descriptor.id == id) {
        println!("skipped: {id} is compiled in");
        return;
    }
    let result = dispatch(&World::new(), id).await;
    let error = error(&result);
    assert!(error.starts_with(&format!("Sync not implemented for integration: {id} (enabled: ")), "{error}");
    assert!(error.contains(&format!("feature `{id}`")), "{error}");
}

#[tokio::test]
async fn google_calendar_not_compiled_in_names_its_feature() {
    is_not_compiled_in("google-calendar").await;
}

#[tokio::test]
async fn xero_not_compiled_in_names_its_feature() {
    is_not_compiled_in("xero").await;
}

#[tokio::test]
async fn quickbooks_not_compiled_in_names_its_feature() {
    is_not_compiled_in("quickbooks").await;
}

#[tokio::test]
async fn zapier_not_compiled_in_names_its_feature() {
    is_not_compiled_in("zapier").await;
}

#[cfg(not(feature = "mailchimp"))]
#[tokio::test]
async fn mailchimp_not_compiled_in_names_its_feature() {
    is_not_compiled_in("mailchimp").await;
}

#[cfg(feature = "mailchimp")]
#[tokio::test]
async fn mailchimp_not_connected_says_what_to_do() {
    let result = dispatch(&World::new(), "mailchimp").await;
    assert_eq!(error(&result), "Mailchimp integration not active: Connect Mailchimp, then sync");
}

async fn syncs_in_real_time(id: &str) {
    let world = World::new();
    let result = dispatch(&world, id).await;
    assert_eq!(
        serde_json::to_value(&result).unwrap(),
        json!({"success": true, "synced": 0, "failed": 0,
               "details": {"message": "Communication integrations sync messages in real-time"}})
    );
}

#[tokio::test]
async fn twilio_syncs_in_real_time() {
    syncs_in_real_time("twilio").await;
}

#[tokio::test]
async fn whatsapp_syncs_in_real_time() {
    syncs_in_real_time("whatsapp").await;
}

#[tokio::test]
async fn a_hosts_own_real_time_integration_answers_its_own_words() {
    let world = World::with(|builder| builder.built_integration(Fake::of(&PAGER)));
    let result = dispatch(&world, "pager").await;
    assert_eq!(result, SyncResult::nothing("Pages go out as they are written"));
}

#[tokio::test]
async fn not_connected_says_what_to_do() {
    let result = dispatch(&World::new(), "ledger").await;
    assert_eq!(error(&result), "Ledger integration not active: Connect Ledger, then sync");
    assert_eq!(stop(&result), Some(Stop::Reconnect));
}

#[tokio::test]
async fn disconnected_says_since_when() {
    let world = World::new();
    world.connect().await;
    world.dispatcher.disconnect(&world.scope()).await.unwrap();
    assert_eq!(
        error(&dispatch(&world, "ledger").await),
        "Ledger integration not active: it was disconnected on 2026-11-22. Connect Ledger again, then sync"
    );
}

#[tokio::test]
async fn a_dead_sign_in_says_why() {
    let world = World::new();
    world.connect().await;
    let mut row = world.row().await;
    row.status = ConnectionStatus::Reconnect { since: row.created_at, reason: "the key was withdrawn".to_owned() };
    world.put(row).await;
    assert_eq!(
        error(&dispatch(&world, "ledger").await),
        "Ledger integration not active: the key was withdrawn. Connect Ledger again, then sync"
    );
    assert!(world.service.writes().is_empty());
}

#[tokio::test]
async fn broken_settings_are_one_error_of_the_connection() {
    let world = World::new();
    world.connect().await;
    let mut row = world.row().await;
    row.settings = json!({"lst": 1});
    world.put(row).await;
    let result = dispatch(&world, "ledger").await;
    assert!(error(&result).starts_with("Ledger sync failed: the connection's settings can't be read"), "{result:?}");
    assert_eq!(stop(&result), Some(Stop::Settings));
}

#[tokio::test]
async fn a_panic_is_a_result_and_says_nothing_of_its_words() {
    let world = World::new();
    world.connect().await;
    let mut row = world.row().await;
    row.settings = json!({"panic": true});
    world.put(row).await;
    let result = dispatch(&world, "ledger").await;
    assert!(error(&result).starts_with("Internal error in the sync of Ledger"), "{result:?}");
    assert!(!format!("{result:?}").contains("canary"));
    assert_eq!(stop(&result), Some(Stop::Fault));
}

#[tokio::test]
async fn in_setup_the_first_plan_waits_for_approval() {
    let world = World::new();
    world.connect().await;
    world.shop.put("customers", "c1", "Ada");
    world.shop.put("customers", "c2", "Grace");
    let first = dispatch(&world, "ledger").await;
    assert!(error(&first).starts_with("First plan not approved: 2 creates"), "{first:?}");
    assert_eq!(stop(&first), Some(Stop::Approval));
    assert_eq!(world.service.n_records("contacts"), 0);

    let plan = first.details.unwrap().plan_hash;
    assert!(plan.is_some());
    let applied = world.dispatcher.dispatch_with(world.request(), RunOptions::new().approve(plan)).await;
    assert!(applied.success, "{applied:?}");
    assert_eq!((applied.synced, world.service.n_records("contacts")), (2, 2));
    assert_eq!(world.row().await.status, ConnectionStatus::Active);
}

#[tokio::test]
async fn a_second_sync_finds_everything_synced() {
    let world = World::new();
    world.shop.put("customers", "c1", "Ada");
    world.activate().await;
    let n_writes = world.service.writes().len();
    let result = dispatch(&world, "ledger").await;
    assert_eq!((result.success, result.synced, result.failed), (true, 0, 0), "{result:?}");
    assert_eq!(world.service.writes().len(), n_writes);
    let answer = endpoint_answer(&world.dispatcher.capabilities("ledger"), &result);
    assert_eq!(answer.message.as_deref(), Some("Everything is already synced!"));
}

#[tokio::test]
async fn a_dry_run_sends_nothing_and_tells_the_plan() {
    let world = World::new();
    world.activate().await;
    world.shop.put("customers", "c1", "Ada");
    let result = world.dispatcher.dispatch(world.request().dry_run()).await;
    assert!(result.success, "{result:?}");
    assert_eq!(result.details.unwrap().planned.of("create"), 1);
    assert!(world.service.writes().is_empty());
}

#[tokio::test]
async fn a_partial_failure_counts_both_and_groups_the_reasons() {
    let world = World::new();
    world.activate().await;
    for id in ["c1", "c2", "c3"] {
        world.shop.put("customers", id, "Ada");
    }
    world.service.state().refused.extend(["c2".to_owned(), "c3".to_owned()]);
    let result = dispatch(&world, "ledger").await;
    assert_eq!((result.success, result.synced, result.failed), (false, 1, 2), "{result:?}");
    let errors = result.errors.as_ref().unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains('2') && errors[0].contains("the ledger refused the record"), "{errors:?}");
    assert!(errors[0].contains("Give it a longer name."), "{errors:?}");
    let answer = endpoint_answer(&world.dispatcher.capabilities("ledger"), &result);
    assert_eq!(answer.message.as_deref(), Some("Successfully synced 1 items, 2 failed"));
}

#[tokio::test]
async fn error_lines_are_at_most_twenty_and_count_the_rest() {
    let world = World::new();
    world.activate().await;
    for n in 0..30 {
        world.shop.put("customers", &format!("c{n:02}"), "x");
        world.service.state().refused.insert(format!("c{n:02}"));
    }
    let result = dispatch(&world, "ledger").await;
    assert_eq!(result.failed, 30, "{result:?}");
    assert!(result.errors.unwrap().len() <= 21);
}

#[tokio::test]
async fn one_resource_fails_as_a_whole_and_the_independent_one_still_runs() {
    let world = World::new();
    world.activate().await;
    world.shop.put("customers", "c1", "Ada");
    world.shop.put("notes", "n1", "Bring fins");
    world.shop.put("payments", "p1", "Deposit");
    world.shop.break_table("customers");
    let result = dispatch(&world, "ledger").await;
    let error = error(&result);
    assert!(error.contains("Contacts sync failed: the table is locked. Unlock it."), "{error}");
    assert!(error.contains("Payments are blocked: they need contacts"), "{error}");
    assert_eq!((world.service.n_records("notes"), world.service.n_records("payments")), (1, 0), "{result:?}");
}

#[tokio::test]
async fn no_direction_given_pushes_where_only_push_is_possible() {
    let world = World::new();
    world.shop.put("customers", "c1", "Ada");
    world.activate().await;
    assert_eq!(world.service.n_records("contacts"), 1);
}

#[tokio::test]
async fn pull_on_a_push_only_integration_is_an_error_for_the_developer() {
    let world = World::new();
    world.activate().await;
    let result = world.dispatcher.dispatch(world.request().direction(Direction::Pull)).await;
    let error = error(&result);
    assert!(error.to_lowercase().contains("direction"), "{error}");
    assert_eq!(stop(&result), Some(Stop::Request));
}

#[tokio::test]
async fn an_unknown_type_lists_those_that_there_are() {
    let world = World::new();
    world.activate().await;
    let result = world.dispatcher.dispatch(world.request().types(["boats"])).await;
    assert!(error(&result).contains("contacts"), "{result:?}");
    assert_eq!(stop(&result), Some(Stop::Request));
}

#[tokio::test]
async fn items_are_named_by_type_and_id_and_nothing_else_goes() {
    let world = World::new();
    world.activate().await;
    world.shop.put("customers", "c1", "Ada");
    world.shop.put("customers", "c2", "Grace");
    let result = world.dispatcher.dispatch(world.request().items(["contacts:c1"])).await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(world.service.n_records("contacts"), 1);
}

#[tokio::test]
async fn a_plain_id_counts_only_where_one_type_can_be_meant() {
    let world = World::new();
    world.activate().await;
    world.shop.put("customers", "c1", "Ada");
    let ambiguous = world.dispatcher.dispatch(world.request().items(["c1"])).await;
    assert!(!ambiguous.success, "{ambiguous:?}");
    assert_eq!(world.service.n_records("contacts"), 0);
    let result = world.dispatcher.dispatch(world.request().types(["contacts"]).items(["c1"])).await;
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
}

#[tokio::test]
async fn an_unknown_id_is_that_items_error() {
    let world = World::new();
    world.activate().await;
    world.shop.put("customers", "c1", "Ada");
    let result = world.dispatcher.dispatch(world.request().items(["contacts:c1", "contacts:c9"])).await;
    assert_eq!((result.success, result.synced, result.failed), (false, 1, 1), "{result:?}");
    assert!(error(&result).contains("c9"), "{result:?}");
}

#[tokio::test]
async fn what_must_wait_says_when_it_goes_on_and_goes_on_then() {
    let world = World::new();
    world.activate().await;
    world.shop.put("customers", "c1", "Ada");
    world.service.state().instead.insert("/contacts".to_owned(), (429, Some("3600")));
    let result = dispatch(&world, "ledger").await;
    assert!(!result.success, "{result:?}");
    let resume_at = result.details.as_ref().unwrap().resume_at.expect("a time");
    assert_eq!(stop(&result), Some(Stop::Later));
    assert_eq!(world.row().await.next_run_at, Some(resume_at), "it goes on by itself");

    world.service.state().instead.clear();
    world.clock.forward(std::time::Duration::from_secs(3_700));
    let again = dispatch(&world, "ledger").await;
    assert_eq!((again.success, again.synced), (true, 1), "{again:?}");
}

#[tokio::test]
async fn a_run_under_way_is_told_with_who_runs() {
    let world = World::new();
    world.activate().await;
    sync_engine::Store::acquire(&world.store, &world.scope(), "nightly job", 60_000).await.unwrap();
    let result = dispatch(&world, "ledger").await;
    assert_eq!(stop(&result), Some(Stop::LeaseHeld), "{result:?}");
    assert!(error(&result).contains("nightly job"), "{result:?}");
}

#[tokio::test]
async fn one_organization_never_sees_anothers_connection() {
    let world = World::new();
    world.activate().await;
    let result = world.dispatcher.dispatch(SyncRequest::new("red-ray", "ledger")).await;
    assert!(error(&result).contains("not active"));
    world.try_connect("good-key", ConnectOptions::new()).await.unwrap();
}

#[tokio::test]
async fn the_history_of_a_run_carries_the_hosts_labels() {
    let world = World::new();
    world.activate().await;
    world.shop.put("customers", "c1", "Ada");
    world.service.state().refused.insert("c1".to_owned());
    let result = dispatch(&world, "ledger").await;
    let run = result.details.unwrap().run_id.unwrap();
    let outcomes = world.dispatcher.outcomes(&world.scope(), &run, 0, 10).await.unwrap();
    assert_eq!(outcomes[0].1.label.as_deref(), Some("Ada (c1)"));
    assert!(!format!("{outcomes:?}").contains("Ada"));
    let why = world.dispatcher.why(&world.scope(), "c1").await.unwrap();
    assert_eq!(why.standing[0].label.as_deref(), Some("Ada (c1)"));
    assert_eq!(why.trail.len(), 1);

    world.service.state().refused.clear();
    assert_eq!(world.dispatcher.retry(&world.scope(), None).await.unwrap(), 1);
    let again = dispatch(&world, "ledger").await;
    assert_eq!((again.success, again.synced), (true, 1), "{again:?}");
    let why = world.dispatcher.why(&world.scope(), "r-c1").await.unwrap();
    assert_eq!(why.links[0].row.local.as_str(), "c1");

    let (customers, grants) = (sync_core::Collection::CUSTOMERS, sync_core::EffectGrants::none());
    let forgotten = world.dispatcher.forget(&ORG.into(), &customers, &"c1".into(), &grants).await.unwrap();
    assert_eq!(forgotten.erased.len(), 1, "{forgotten:?}");
}

#[tokio::test]
async fn nothing_known_of_an_id_is_an_error_that_says_so() {
    let world = World::new();
    world.connect().await;
    let error = world.dispatcher.why(&world.scope(), "c404").await.unwrap_err();
    assert_eq!(error.kind(), sync_core::ErrorKind::NotFound);
    assert!(world.dispatcher.outcomes(&world.scope(), &"r404".into(), 0, 10).await.is_err());
}
