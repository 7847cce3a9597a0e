//! What happens after the first sync, on both sides.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use sync_core::{Collection, ConsentState, Stop, Value};
use sync_testkit::{Fault, FaultRule, On, Shop, sim::Rig};
use sync_tests::{AUDIENCE, Laws, ORG, OTHER_AUDIENCE, Town, agreed, customer, member};

fn synced(names: &[&str], seed: u64) -> Town {
    let town = Town::new([], seed);
    town.open(names);
    let result = town.agree();
    assert!(result.success, "{result:?}");
    town.clock.advance(std::time::Duration::from_secs(3600));
    town.wire.take_log();
    town
}

#[test]
fn an_unsubscribe_there_flows_back_once_and_stays() {
    let town = synced(&["ada", "ben", "carl"], 11);
    town.act("unsubscribe", "ben", json!({}));
    town.clock.advance(std::time::Duration::from_secs(60));
    assert!(town.sync().success);
    let facts = town.shop.facts(ORG);
    let told: Vec<_> = facts.iter().map(|fact| (fact.address.as_str(), fact.state, fact.record.clone())).collect();
    assert_eq!(told, [("ben@example.com", ConsentState::Denied, Some("c0001".into()))]);
    // The host did not hear, and goes on editing.
    town.edit("c0001", |record| {
        record.set("first_name", Value::text("Benedict"));
    });
    assert!(town.sync().success);
    assert_eq!(town.member("ben")["status"], "unsubscribed");
    assert_eq!(town.shop.facts(ORG).len(), 1, "told once");
    let laws = Laws::new().refused(["ben"]);
    assert_eq!(town.clock.block_on(laws.broken(&town)), [""; 0]);
}

#[test]
fn who_left_is_not_brought_back_as_another_customer() {
    let town = synced(&["ada", "ben"], 12);
    town.act("unsubscribe", "ben", json!({}));
    assert!(town.sync().success);
    // Deleted here, erased there, and entered again with the old opt-in.
    town.shop.delete(ORG, &"customers".into(), "c0001");
    assert!(town.sync().success);
    town.shop.put(ORG, &"customers".into(), "c7777", customer("ben", &[]));
    assert!(town.sync().success);
    assert_ne!(town.statuses(AUDIENCE)["ben"], "subscribed");
    assert_eq!(town.n_surprises(), 0);
}

#[test]
fn a_refusal_here_ends_the_subscription_there() {
    let town = synced(&["ada", "ben"], 13);
    town.edit("c0000", |record| {
        record.set("consent.email", agreed(ConsentState::Denied, "2026-03-01T12:30:00Z"));
    });
    let result = town.sync();
    assert!(result.success && result.synced == 1, "{result:?}");
    assert_eq!(town.member("ada")["status"], "unsubscribed");
}

#[test]
fn a_new_address_renames_the_member_and_doubles_nobody() {
    let town = synced(&["ada", "ben"], 14);
    let contact = town.member("ada")["contact_id"].clone();
    town.edit("c0000", |record| {
        record.set("email", Value::text("ada.lovelace@example.com"));
    });
    let result = town.sync();
    assert!(result.success, "{result:?}");
    assert_eq!(town.members(AUDIENCE).len(), 2);
    assert_eq!(town.member("ada.lovelace")["contact_id"], contact, "the same contact with its history");
    assert_eq!(town.clock.block_on(Laws::new().broken(&town)), [""; 0]);
}

#[test]
fn a_deletion_here_archives_there_and_an_edit_there_is_kept() {
    let town = synced(&["ada", "ben", "carl"], 15);
    town.act("edit", "ben", json!({"field": "PHONE", "value": "555 0100"}));
    town.act("tag", "ben", json!({"name": "a marketer's tag"}));
    town.shop.delete(ORG, &"customers".into(), "c0002");
    town.edit("c0001", |record| {
        record.set("tags", Value::Set(["instructor".to_owned()].into()));
    });
    let result = town.sync();
    assert!(result.success && result.synced == 2, "{result:?}");
    assert_eq!(town.member("carl")["status"], "archived");
    assert_eq!(town.member("ben")["merge_fields"]["PHONE"], "555 0100");
    let laws = Laws::new().foreign_tag("ben", "a marketer's tag");
    assert_eq!(town.clock.block_on(laws.broken(&town)), [""; 0]);
}

#[test]
fn nothing_changed_is_one_look_and_no_write() {
    let town = synced(&["ada", "ben", "carl"], 16);
    town.sync();
    town.clock.advance(std::time::Duration::from_secs(3600));
    town.wire.take_log();
    let result = town.sync();
    assert!(result.success && result.synced == 0);
    let log = town.wire.take_log();
    assert!(log.len() <= 2 && log.iter().all(|sent| !sent.is_write()), "{log:?}");
}

#[test]
fn a_switch_of_audience_reads_the_old_ones_refusals_first_and_waits_for_a_yes() {
    let town = synced(&["ada", "ben", "carl"], 17);
    // Nobody ran since; the old audience knows what we don't.
    town.act("unsubscribe", "ben", json!({}));
    let set = town.rig.set(ORG, |settings| settings["audience"] = json!(OTHER_AUDIENCE));
    town.clock.block_on(set).unwrap();
    let first = town.sync();
    let details = first.details.clone().unwrap();
    assert_eq!(details.stopped, Some(Stop::Approval), "{first:?}");
    assert_eq!(town.n_writes(), 0);
    assert!(town.members(OTHER_AUDIENCE).is_empty());
    assert!(details.notes.iter().any(|note| note.contains('3')), "who stays behind is said: {:?}", details.notes);
    let facts = town.shop.facts(ORG);
    assert!(facts.iter().any(|fact| fact.address == "ben@example.com" && fact.state == ConsentState::Denied), "{facts:?}");
    let result = town.agree();
    assert!(result.success, "{result:?}");
    let names: Vec<String> = town.statuses(OTHER_AUDIENCE).into_keys().collect();
    assert_eq!(names, ["ada", "carl"], "who said no in the old audience is not put into the new one");
    assert_eq!(town.members(AUDIENCE).len(), 3, "the old audience stays as it is");
    assert_eq!(town.n_surprises(), 0);
}

#[test]
fn refused_addresses_are_failures_of_their_own_in_the_providers_words() {
    let account =
        Town::seed([member("zoe", "subscribed")]).with_refusal("ben@example.com", sync_sandbox::RefusalSeed::LooksFake);
    let town = Town::of(account, 18);
    town.open(&["ada", "ben", "carl"]);
    let result = town.agree();
    assert_eq!((result.success, result.synced, result.failed), (false, 2, 1), "{result:?}");
    let errors = result.errors.unwrap();
    assert!(errors.iter().any(|line| line.contains("looks fake")), "{errors:?}");
    assert_eq!(town.statuses(AUDIENCE).len(), 3);
    // It is corrected here, and goes.
    town.edit("c0001", |record| {
        record.set("email", Value::text("ben.real@example.com"));
    });
    let result = town.sync();
    assert!(result.success && result.synced == 1, "{result:?}");
}

#[test]
fn families_with_one_address_are_asked_about_and_never_doubled() {
    let town = Town::new([], 19);
    let family = |name: &str| customer("family", &["diver"]).with("first_name", Value::text(name));
    town.connect(
        ORG,
        [("c1".to_owned(), family("Ana")), ("c2".to_owned(), family("Beto")), ("c3".into(), customer("ada", &[]))],
    );
    let result = town.agree();
    assert!(result.success, "{result:?}");
    assert_eq!(town.statuses(AUDIENCE).into_keys().collect::<Vec<_>>(), ["ada"]);
    let scope = town.rig.scope(ORG);
    let asked = town.clock.block_on(town.rig.store().questions(&scope, true, None, 10)).unwrap();
    assert_eq!(asked.len(), 1, "asked once");
    assert_eq!(asked[0].locals.len(), 2);
}

#[test]
fn of_a_host_without_a_change_feed_who_stands_is_not_looked_up_in_each_run() {
    let town = Town::new([], 77);
    let shop = Arc::new(Shop::without_feed());
    let store = town.rig.store().clone();
    let wire = Arc::new(town.wire.clone());
    let rig = Rig::new(provider_mailchimp::REGISTRATION, town.clock.clone(), store, shop.clone(), wire);
    let town = Town { rig, shop, ..town };
    for n in 0..30 {
        let mut record = customer(&format!("p{n:02}"), &[]);
        record.set("consent.email", agreed(ConsentState::Denied, "2026-01-01T10:00:00Z"));
        town.shop.put(ORG, &Collection::CUSTOMERS, &format!("c{n:04}"), record);
    }
    town.open(&["ada"]);
    assert!(town.agree().success);
    town.clock.advance(Duration::from_secs(3600));
    assert!(town.sync().success);
    town.clock.advance(Duration::from_secs(3600));
    town.wire.take_log();
    let result = town.sync();
    assert!(result.success && result.synced == 0, "{result:?}");
    let n_calls = town.wire.take_log().len();
    assert!(n_calls <= 2, "{n_calls} calls although nothing changed");
}

#[test]
fn who_is_not_linked_and_comes_back_there_is_looked_at_again() {
    let town = Town::new([member("ben", "archived")], 78);
    town.open(&["ada", "ben"]);
    let result = town.agree();
    assert!(result.success, "{result:?}");
    let scope = town.rig.scope(ORG);
    let items = town.clock.block_on(town.rig.store().items(&scope, None, 10)).unwrap();
    assert_eq!(items.iter().map(|item| item.outcome.code.to_string()).collect::<Vec<_>>(), ["needs-confirmation-mail"]);
    town.clock.advance(Duration::from_secs(3600));
    town.act("subscribe", "ben", json!({}));
    town.clock.advance(Duration::from_secs(60));
    let result = town.sync();
    assert_eq!((result.success, result.synced), (true, 1), "{result:?}");
    assert_eq!(town.member("ben")["merge_fields"]["FNAME"], "ben");
    assert_eq!(town.clock.block_on(Laws::new().broken(&town)), [""; 0]);
}

/// Random histories, seed 8529: nothing told what the member was, and the new opt-in counted as carried out.
#[test]
fn who_was_forgotten_and_opts_in_again_here_is_looked_up_and_asked_to_confirm() {
    let town = synced(&["ada", "ben"], 79);
    let consent = |state, at: &str| {
        let consent = agreed(state, at);
        town.edit("c0001", |record| {
            record.set("consent.email", consent);
        });
    };
    consent(ConsentState::Denied, "2026-03-01T12:30:00Z");
    assert!(town.sync().success);
    assert_eq!(town.member("ben")["status"], "unsubscribed");
    let scope = town.rig.scope(ORG);
    let (resource, id) = ("contacts".into(), "c0001".into());
    town.clock.block_on(town.rig.store().forget(&scope, &resource, &id)).unwrap();
    consent(ConsentState::Granted, "2026-03-02T12:30:00Z");
    assert!(town.sync().success);
    let items = town.clock.block_on(town.rig.store().items(&scope, None, 10)).unwrap();
    assert_eq!(items.iter().map(|item| item.outcome.code.to_string()).collect::<Vec<_>>(), ["needs-confirmation-mail"]);
}

/// Random histories, seed 8920: when the feed told of it, both sides had said the same.
#[test]
fn who_said_no_there_a_moment_before_the_host_says_so_is_told_to_the_host() {
    let town = Town::new([], 80);
    // What is pushed is more than a page, so the feed tells of the last second only later.
    let town = Town { rig: town.rig.clone().with_config(json!({"page_size": 2})), ..town };
    town.open(&["ada", "ben", "carl"]);
    assert!(town.agree().success && town.sync().success);
    town.act("unsubscribe", "ben", json!({}));
    town.edit("c0001", |record| {
        record.set("consent.email", agreed(ConsentState::Denied, "2026-03-01T12:30:00Z"));
    });
    assert!(town.sync().success);
    town.clock.advance(Duration::from_secs(3600));
    assert!(town.sync().success);
    let facts = town.shop.facts(ORG);
    let told: Vec<_> = facts.iter().map(|fact| (fact.address.as_str(), fact.state)).collect();
    assert_eq!(told, [("ben@example.com", ConsentState::Denied)]);
}

/// Random histories, seed 6424: nobody was left under the old address, and the new one was taken.
#[test]
fn who_comes_back_under_a_new_address_by_a_call_without_an_answer_is_known_again() {
    let town = synced(&["ada", "ben"], 81);
    town.shop.delete(ORG, &Collection::CUSTOMERS, "c0001");
    assert!(town.sync().success);
    assert_eq!(town.member("ben")["status"], "archived");
    town.shop.put(ORG, &Collection::CUSTOMERS, "c0001", customer("benedict", &["diver"]));
    town.wire.add(FaultRule::once(Fault::CutAfter).on(On::Writes));
    assert!(!town.sync().success);
    town.clock.advance(Duration::from_secs(3600));
    let result = town.sync();
    assert!(result.success, "{result:?}");
    let statuses: Vec<_> = town.statuses(AUDIENCE).into_iter().collect();
    assert_eq!(statuses, [("ada", "subscribed"), ("benedict", "subscribed")].map(|(name, is)| (name.into(), is.into())));
    let scope = town.rig.scope(ORG);
    assert!(town.clock.block_on(town.rig.store().items(&scope, None, 10)).unwrap().is_empty());
}

/// Random histories, seeds 13833 and 14016: the base was older than the refusal, and the next run unsubscribed them.
#[test]
fn who_refuses_and_signs_up_again_while_a_call_has_no_answer_stays_subscribed() {
    let town = Town::new([], 82);
    town.wire.add(FaultRule::once(Fault::CutAfter).on(On::Writes).skip(1));
    town.open(&["ada"]);
    assert!(!town.agree().success);
    town.act("unsubscribe", "ada", json!({}));
    town.clock.advance(Duration::from_secs(10));
    town.sync();
    town.act("subscribe", "ada", json!({}));
    for _ in 0..3 {
        town.clock.advance(Duration::from_secs(3600));
        let result = town.sync();
        assert!(result.success, "{result:?}");
        assert_eq!(town.member("ada")["status"], "subscribed");
    }
}
