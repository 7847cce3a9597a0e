//! The demo, whole.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use serde_json::{Value, json};
use support::{World, account};
use sync_testkit::PostgresServer;

/// The bookkeeper's part: nothing stands there twice, and nothing of hers was touched.
fn the_books_are_in_order(books: &Value) {
    let (before, after) = (&books["before"], &books["after"]);
    assert!(books["plan"]["details"]["totals"].as_array().unwrap().len() > 8, "{}", books["plan"]);
    assert!(books["firstSync"]["details"]["outcomes"]["linked"].as_u64().unwrap() > 60, "{}", books["firstSync"]);
    for run in ["firstSync", "answered", "nextDays", "again"] {
        assert_eq!((&books[run]["success"], &books[run]["failed"]), (&json!(true), &json!(0)), "{run}: {}", books[run]);
    }
    assert_eq!(books["againMessage"], "Everything is already synced!");
    assert_eq!((&before["byHand"], &after["byHand"]), (&json!(30), &json!(31)));
    assert_eq!((&after["doubled"], &after["sameNumber"], &after["mails"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!((&before["recoded"], &after["recoded"]), (&json!(20), &json!(20)));
    assert_eq!((&before["closed"], &before["closedDigest"]), (&after["closed"], &after["closedDigest"]));
    let [one_there, questions] = [&books["nextDays"]["details"]["outcomes"]["created"], &books["questions"]];
    assert_eq!(one_there, 4, "two further invoices, a credit and its refund: {}", books["nextDays"]);
    assert!(questions.as_array().unwrap().len() >= 7, "{questions}");
    assert!(books["undo"]["details"]["planned"]["remove"].as_u64().unwrap() > 0, "{}", books["undo"]);
    assert!(books["story"].to_string().contains("0 doubled"));
}

#[test]
fn the_demo_tells_its_story_and_keeps_what_it_was_asked_to_keep() {
    let world = World::new(account([]));
    let told = world.run(&["demo", "--keep", "kept", "--json"]).exits(0).json();
    assert_eq!(told["success"], true);
    assert_eq!(told["customers"]["added"], 10_000);
    assert_eq!(told["customers"]["consenting"], 4_600);
    let (before, after) = (&told["before"], &told["after"]);
    assert_eq!((&before["unsubscribed"], &after["unsubscribed"]), (&json!(412), &json!(412)));
    assert_eq!((&after["cleaned"], &after["mailsSent"], &after["automationsStarted"]), (&json!(63), &json!(0), &json!(0)));
    assert_eq!(before["marketerTags"], after["marketerTags"]);
    assert!(told["firstSync"]["synced"].as_u64().unwrap() > 1_000, "{}", told["firstSync"]);
    assert!((1..=72).contains(&told["nextDay"]["synced"].as_u64().unwrap()), "{}", told["nextDay"]);
    assert_eq!(told["againMessage"], "Everything is already synced!");

    // The captain's half: out, merged, asked about, answered, and in order.
    let calendar = &told["calendar"];
    assert_eq!(calendar["firstSync"]["details"]["outcomes"]["created"], 445);
    let outcomes = &calendar["nextDay"]["details"]["outcomes"];
    assert_eq!((&outcomes["updated"], &outcomes["question"]), (&json!(1), &json!(3)), "{outcomes}");
    assert!(calendar["questions"].to_string().contains("boat Manta is in the yard that day"));
    assert_eq!(calendar["answered"]["success"], true, "{}", calendar["answered"]);
    assert_eq!(calendar["againMessage"], "Everything is already synced!");
    assert!(calendar["story"][0].as_str().unwrap().starts_with("0 invitations sent, 0 mails sent"));
    the_books_are_in_order(&told["books"]);

    // The canary is in the shop's own table, and nowhere else.
    let kept = world.path("kept");
    let database = std::fs::read(kept.join("sync.db")).unwrap();
    let needle = b"CANARY-7f3a91c2";
    let found = database.windows(needle.len()).filter(|window| window == needle).count();
    assert_eq!(found, 1);

    // The ordinary commands go on from there.
    let mut runs = world.command(&["runs", "mailchimp", "--json"]);
    runs.current_dir(&kept);
    assert_eq!(world.finish(runs).exits(0).json().as_array().unwrap().len(), 4);
    let mut runs = world.command(&["runs", "xero", "--json"]);
    runs.current_dir(&kept);
    assert_eq!(world.finish(runs).exits(0).json().as_array().unwrap().len(), 6);
    world.run(&["demo", "--keep", "kept"]).exits(2).says("not empty");
}

#[test]
fn the_demo_tells_the_same_story_on_postgresql_and_the_ordinary_commands_go_on_from_there() {
    let Some(server) = PostgresServer::shared() else { return };
    let (world, url) = (World::new(account([])), server.url());
    let told = world.run(&["demo", "--database", &url, "--json"]).exits(0).json();
    assert_eq!((&told["success"], &told["customers"]["added"]), (&json!(true), &json!(10_000)));
    let (before, after) = (&told["before"], &told["after"]);
    assert_eq!((&before["unsubscribed"], &after["unsubscribed"]), (&json!(412), &json!(412)));
    assert_eq!((&after["cleaned"], &after["mailsSent"], &after["automationsStarted"]), (&json!(63), &json!(0), &json!(0)));
    assert_eq!(before["marketerTags"], after["marketerTags"]);
    assert_eq!(told["againMessage"], "Everything is already synced!");
    let calendar = &told["calendar"];
    assert_eq!(calendar["firstSync"]["details"]["outcomes"]["created"], 445);
    assert_eq!(calendar["nextDay"]["details"]["outcomes"]["question"], 3);
    assert_eq!((&calendar["answered"]["success"], &calendar["againMessage"]), (&json!(true), &told["againMessage"]));
    the_books_are_in_order(&told["books"]);

    world.run(&["demo", "--database", &url]).exits(2).says("there is a store in this schema of the database already");
    // The schema has another key than this folder's: nothing opens it, and nobody makes a new one.
    let ran = world.run(&["runs", "mailchimp", "--database", &url]);
    assert!(ran.code != 0 && !world.path("sync.key").exists(), "{ran:?}");
}
