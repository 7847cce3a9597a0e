//! The first sync meets an audience that is not empty.

use serde_json::json;
use sync_core::{EffectGrants, Stop};
use sync_engine::RunOptions;
use sync_tests::{AUDIENCE, Laws, ORG, Town, agreed, customer, member};

#[test]
fn a_first_push_adds_who_agreed_and_leaves_everybody_else_as_they_are() {
    let town = Town::new(
        [
            member("ada", "subscribed").with_tag("a marketer's tag"),
            member("bob", "unsubscribed"),
            member("cleo", "cleaned"),
            member("zoe", "subscribed"),
        ],
        1,
    );
    town.open(&["ada", "bob", "cleo", "dan", "eve"]);
    town.shop.put(ORG, &"customers".into(), "c9000", customer("fay", &[]).with("consent.email", never_asked()));

    let first = town.sync();
    assert_eq!(first.details.as_ref().unwrap().stopped, Some(Stop::Approval), "{first:?}");
    assert_eq!(town.n_writes(), 0, "nothing is written before somebody agreed");

    let result = town.agree();
    assert!(result.success, "{result:?}");
    let statuses = town.statuses(AUDIENCE);
    let expected = [
        ("ada", "subscribed"),
        ("bob", "unsubscribed"),
        ("cleo", "cleaned"),
        ("dan", "subscribed"),
        ("eve", "subscribed"),
        ("zoe", "subscribed"),
    ];
    assert_eq!(statuses, expected.map(|(name, status)| (name.to_owned(), status.to_owned())).into());
    assert_eq!(result.details.unwrap().skipped.get("no-consent"), Some(&1), "fay was never asked");

    let laws = Laws::new().refused(["bob", "cleo"]).foreign_tag("ada", "a marketer's tag");
    assert_eq!(town.clock.block_on(laws.broken(&town)), [""; 0]);
    assert_eq!(town.member("zoe")["merge_fields"]["FNAME"], "From before", "who is none of ours is not touched");
}

fn never_asked() -> sync_core::Value {
    agreed(sync_core::ConsentState::Unknown, "2025-06-01T10:00:00Z")
}

#[test]
fn a_plan_says_what_it_does_and_an_approval_holds_for_that_plan_alone() {
    let town = Town::new([member("ada", "subscribed")], 2);
    town.open(&["ada", "ben"]);
    let plan = town.sync().details.unwrap();
    let hash = plan.plan_hash.clone().expect("a plan has a hash");
    let notes = plan.notes.join("; ");
    assert!(notes.contains("adds 1 contact to audience Newsletter (1 now)"), "{notes}");
    assert!(notes.contains("sends 0 confirmation mails"), "{notes}");
    // Somebody comes in between.
    town.shop.put(ORG, &"customers".into(), "c0002", customer("carl", &[]));
    let options = RunOptions::new().approve(Some(hash.clone()));
    let other = town.clock.block_on(town.rig.run(&town.rig.request(ORG), &options));
    assert_eq!(other.details.unwrap().stopped, Some(Stop::Approval));
    assert_eq!(town.n_writes(), 0);
    assert!(town.agree().success);
    assert_eq!(town.members(AUDIENCE).len(), 3);
}

#[test]
fn a_dry_run_writes_nothing_anywhere() {
    let town = Town::new([member("bob", "unsubscribed")], 3);
    town.open(&["ada", "bob"]);
    let request = town.rig.request(ORG).dry_run();
    let result = town.clock.block_on(town.rig.run(&request, &RunOptions::new()));
    assert!(result.success, "{result:?}");
    assert_eq!(result.details.unwrap().planned.of("create"), 1, "bob said no there");
    assert_eq!(town.n_writes(), 0);
    assert!(town.shop.facts(ORG).is_empty(), "a dry run reports no consent");
    let account = sync_sandbox::AccountSeed::default().id.into();
    let links = async { town.rig.store().link_counts(&town.rig.scope(ORG), &account).await };
    assert!(town.clock.block_on(links).unwrap().is_empty());
}

#[test]
fn an_audience_that_has_gone_is_one_problem_and_not_five_thousand() {
    let town = Town::new([], 4);
    town.open(&["ada", "ben", "carl"]);
    assert!(town.agree().success);
    town.sandbox.act(&json!({"do": "delete-audience", "list": AUDIENCE})).unwrap();
    town.edit("c0001", |record| {
        record.set("first_name", sync_core::Value::text("Benedict"));
    });
    let result = town.sync();
    let errors = result.errors.clone().unwrap_or_default();
    assert_eq!((errors.len(), result.failed), (1, 0), "{result:?}");
    assert!(errors[0].contains("audience"), "{errors:?}");
    assert_eq!(result.details.unwrap().stopped, Some(Stop::Settings));
}

#[test]
fn a_setting_without_an_audience_asks_for_one() {
    let town = Town::new([], 5);
    let connected = town.rig.connect(ORG, sync_tests::KEY, json!({}));
    town.clock.block_on(connected).unwrap();
    town.shop.put(ORG, &"customers".into(), "c1", customer("ada", &[]));
    let result = town.agree();
    assert!(!result.success);
    assert_eq!(result.details.unwrap().stopped, Some(Stop::Settings));
    assert!(result.errors.unwrap()[0].contains("audience"));
}

#[test]
fn a_wrong_key_says_connect_again_and_nothing_is_sent_after_it() {
    let town = Town::new([], 6);
    town.open(&["ada"]);
    town.sandbox.act(&json!({"do": "revoke"})).unwrap();
    let result = town.agree();
    assert_eq!(result.details.as_ref().unwrap().stopped, Some(Stop::Reconnect), "{result:?}");
    town.wire.take_log();
    let again = town.sync();
    assert_eq!(again.details.unwrap().stopped, Some(Stop::Reconnect));
    assert_eq!(town.wire.log().len(), 0, "the circuit is open");
}

#[test]
fn double_opt_in_waits_for_a_grant_and_then_asks_each_once() {
    let account = Town::seed([]);
    let mut account = account;
    account.audiences[0].double_optin = true;
    let town = Town::of(account, 7);
    town.open(&["ada", "ben"]);
    let result = town.agree();
    assert!(result.success, "{result:?}");
    assert_eq!((town.members(AUDIENCE).len(), town.n_surprises()), (0, 0));
    assert_eq!(result.details.unwrap().skipped.get("needs-confirmation-mail"), Some(&2));
    let grants = EffectGrants::of(["confirmation-mail"]);
    let result = town.clock.block_on(town.rig.agree(ORG, &grants));
    assert!(result.success && result.synced == 2, "{result:?}");
    assert_eq!(town.statuses(AUDIENCE)["ada"], "pending");
    assert_eq!(town.n_surprises(), 2, "each is asked once");
    town.clock.block_on(town.rig.agree(ORG, &grants));
    assert_eq!(town.n_surprises(), 2);
}
