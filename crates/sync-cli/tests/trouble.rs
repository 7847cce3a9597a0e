//! Wrong use, bad input, and a world that does not play along.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::{
    io::Read as _,
    time::{Duration, Instant},
};

use serde_json::json;
use support::{KEY, World, account, customers, untagged};
use sync_sandbox::SandboxOptions;

#[test]
fn help_tells_the_exit_codes_and_wrong_use_is_2() {
    let world = World::new(account([]));
    world.run(&["--help"]).exits(0).says("stopped for approval; nothing was written");
    world.run(&["sync", "--help"]).exits(0).says("--approve");
    world.run(&[]).exits(2);
    world.run(&["sink"]).exits(2).says("sync");
    world.run(&["sync", "mailchimp", "--nonsense"]).exits(2);
}

#[test]
fn all_seven_integrations_are_listed_with_their_public_texts() {
    let world = World::new(account([]));
    let list = world.run(&["providers", "--json"]).exits(0).json();
    let ids: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["google-calendar", "xero", "quickbooks", "mailchimp", "zapier", "twilio", "whatsapp"]);
    assert_eq!(
        list[3],
        json!({
            "id": "mailchimp", "name": "Mailchimp", "canSync": true, "syncTypes": ["contacts", "tags"],
            "supportsDirection": false, "description": "Push customer contacts and tags to Mailchimp audience",
            "feature": "mailchimp", "built": true
        })
    );
    world.run(&["providers"]).exits(0).says("Real-time SMS messaging - no sync needed");
}

#[test]
fn what_is_not_there_is_named_with_what_there_is() {
    let world = World::new(account([]));
    world.run(&["sync", "mailchump"]).exits(2).says("mailchimp, zapier");
    world.run(&["sync", "mailchimp"]).exits(2).says("there is no database");
    world.connect();
    world.run(&["sync", "mailchimp", "--org", "other"]).exits(3).says("Connect Mailchimp");
    world.run(&["runs", "mailchimp", "--org", "other"]).exits(3).says("blue-manta");
    world.run(&["sync", "quickbooks"]).exits(2).says("quickbooks").says("mailchimp");
    world.run(&["sync", "mailchimp", "--types", "contcts"]).exits(2).says("contacts");
    world.run(&["sync", "mailchimp", "--direction", "pull"]).exits(2).says("push");
    world.run(&["runs", "mailchimp", "--run", "nope"]).exits(2).says("nope");
    let error = world.run(&["sync", "mailchump", "--json"]).exits(2).json();
    assert_eq!(
        (&error["success"], &error["error"]["kind"], &error["exitCode"]),
        (&json!(false), &json!("not-found"), &json!(2))
    );
}

#[test]
fn malformed_files_name_line_and_column_and_import_nothing() {
    let world = World::new(account([]));
    let mut large = b"id,name\n1,".to_vec();
    large.extend(std::iter::repeat_n(b'x', 10 << 20));
    let mut broken = "id,name\n1,José\n2,Ünal\n3,Jos".as_bytes().to_vec();
    broken.push(0xE9);
    let cases: [(&[u8], &str); 5] = [
        (b"id,name\n1,Ada,too many\n", "line 2, column 7: 3 cells, but the header has 2"),
        (b"id,name\n1,Ada\n2,\"open\n3,Bob\n", "line 3, column 3: a quote opens here and never closes"),
        (&large, "line 2, column 3: a cell of more than 1024 KiB"),
        (&broken, "line 4, column 6 (name): bytes that are not UTF-8 text"),
        (b"id,name\n1,Ada\n1,Bob\n", "line 3, column 1 (id): the id stands in line 2 already"),
    ];
    for (content, says) in cases {
        world.write("bad.csv", content);
        world.run(&["import", "customers", "bad.csv"]).exits(2).says(says).says("Nothing was imported");
    }
    assert!(!world.path("sync.db").exists(), "nothing was imported, so nothing was made");
    world.run(&["import", "customers", "none.csv"]).exits(2).says("none.csv");
    world.write("bad.csv", "mail,name\na@example.com,Ada\n");
    world.run(&["import", "customers", "bad.csv"]).exits(2).says("--id-column").says("mail, name");
}

#[test]
fn with_skip_bad_the_rest_is_imported_and_the_bad_lines_are_in_a_file() {
    let world = World::new(account([]));
    world.write("c.csv", "id,name\n1,Ada\n2,\"open\n3,Bob\n1,Twin\n");
    let done = world.run(&["import", "customers", "c.csv", "--skip-bad", "--json"]).exits(0).json();
    assert_eq!((&done["added"], &done["bad"]), (&json!(2), &json!(2)), "{done}");
    let bad = std::fs::read_to_string(world.path("c.bad.csv")).unwrap();
    assert_eq!(bad.lines().count(), 3);
    assert!(bad.contains("2,3,open-quote,") || bad.contains("3,3,open-quote,"), "{bad}");
}

#[test]
fn a_dry_run_of_an_import_shows_the_columns_and_makes_nothing() {
    let world = World::new(account([]));
    world.write("c.csv", "Kundennummer;Vorname;E-Mail\n1;J\u{f6}rg;j@example.com\n");
    let shown = world.run(&["import", "customers", "c.csv", "--dry-run", "--json"]).exits(0).json();
    assert_eq!(shown["columns"][1], json!({"header": "Vorname", "field": "first_name"}), "{shown}");
    assert_eq!(shown["format"], json!({"table": {"delimiter": ";"}}));
    assert!(!world.path("sync.db").exists());
}

#[test]
fn wrong_keys_and_broken_databases_are_told_apart_and_lose_nothing() {
    let world = World::new(account([]));
    world.import(&customers(2));
    let key = std::fs::read(world.path("sync.key")).unwrap();
    std::fs::remove_file(world.path("sync.key")).unwrap();
    world.run(&["questions"]).exits(2).says("key file");
    assert!(!world.path("sync.key").exists(), "a new key would not fit the database");
    world.write("sync.key", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
    world.run(&["questions"]).exits(2).says("not the key");
    world.write("sync.key", key);
    let good = std::fs::read(world.path("sync.db")).unwrap();
    world.write("sync.db", "this is no database, but it is long enough to be looked at as if it were one");
    world.run(&["questions"]).exits(2).says("not a database");
    world.write("sync.db", good);
    world.import(&customers(2)).says("2 as they were");
}

#[test]
fn a_refused_or_missing_key_needs_a_person() {
    let world = World::new(account([]));
    world.run(&["connect", "mailchimp"]).exits(2).says("--api-key-file").says("SYNCCTL_MAILCHIMP_API_KEY");
    world.write("wrong.txt", "ffffffffffffffffffffffffffffffff-us19\n");
    let refused = world.run(&["connect", "mailchimp", "--api-key-file", "wrong.txt"]).exits(3);
    assert!(!refused.stderr.contains("ffffffff"), "{refused:?}");
    world.write("right.txt", format!("{KEY}\n"));
    world.run(&["connect", "mailchimp", "--api-key-file", "right.txt"]).exits(0);
    world.import(&customers(1));
    world.sandbox.act(&json!({"do": "revoke"})).unwrap();
    world.run(&["sync", "mailchimp"]).exits(3).says("Connect Mailchimp again");
    world.run(&["sync", "mailchimp"]).exits(3).says("integration not active");
}

#[test]
fn a_provider_that_is_away_says_later_and_the_database_stays_whole() {
    let mut world = World::new(account([]));
    world.import(&customers(1));
    world.connect();
    world.stop();
    let away = world.run(&["sync", "mailchimp", "--json"]).exits(4).json();
    assert_eq!(away["success"], false, "{away}");
    assert_eq!(away["exitCode"], 4);
}

#[test]
fn a_lying_server_is_reported_and_never_a_panic() {
    for fault in ["html", "garbage", "truncated", "wrong-200", "endless"] {
        let world = World::new(account([]));
        world.configure("[engine]\ncall_timeout_s = 3\nsettle_s = 1\nlease_margin_s = 1\n");
        world.import(&customers(1));
        world.connect();
        world.sandbox.set_faults(vec![fault.parse().unwrap()]);
        let ran = world.run(&["sync", "mailchimp", "--json"]);
        assert!((1..=4).contains(&ran.code), "{fault}: {ran:?}");
        assert_eq!(ran.json()["success"], false, "{fault}");
        assert!(!ran.stderr.contains("panicked"), "{fault}: {ran:?}");
    }
}

/// Short leases, so that a killed run's is soon free.
const QUICK: &str = "[engine]\ncall_timeout_s = 2\nlease_margin_s = 1\nsettle_s = 1\n";

/// Waits until the double has met a call of an operation.
fn wait_for(world: &World, operation: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while world.sandbox.calls(operation) == 0 {
        assert!(Instant::now() < until, "no call of {operation}: {}", world.sandbox.log(false));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn slow(latency_ms: u64) -> World {
    let world = World::with(account([]), SandboxOptions::default().with_latency(Duration::from_millis(latency_ms)));
    world.configure(QUICK);
    world.import(&untagged(600));
    world.connect();
    world
}

#[test]
fn of_two_syncs_at_once_the_second_says_who_holds_the_lease_or_waits() {
    let world = slow(700);
    let plan = world.run(&["plan", "mailchimp", "--json"]).json();
    let hash = plan["details"]["planHash"].as_str().unwrap().to_owned();
    let mut first = world.start(&["sync", "mailchimp", "--approve", &hash, "--json"]);
    wait_for(&world, "lists.batch");
    let pid = first.id().to_string();
    let second = world.run(&["sync", "mailchimp"]).exits(4);
    assert!(second.stderr.contains(&pid) && second.stderr.contains("since"), "{second:?}");
    let waited = world.run(&["sync", "mailchimp", "--wait", "--json"]).exits(0).json();
    assert_eq!(waited["synced"], 0, "{waited}");
    assert!(first.wait().unwrap().success());
    assert_eq!(world.members("subscribed"), 600);
}

#[test]
fn after_kill_9_it_says_when_the_lease_is_free_and_nobody_is_there_twice() {
    let world = slow(900);
    let plan = world.run(&["plan", "mailchimp", "--json"]).json();
    let hash = plan["details"]["planHash"].as_str().unwrap().to_owned();
    let mut first = world.start(&["sync", "mailchimp", "--approve", &hash]);
    wait_for(&world, "lists.batch");
    first.kill().unwrap();
    first.wait().unwrap();
    let mut rest = String::new();
    first.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
    let held = world.run(&["sync", "mailchimp", "--json"]).exits(4).json();
    let line = held["errors"][0].as_str().unwrap();
    assert!(line.contains("free") || line.contains("until"), "{line}");
    // With --wait it goes on by itself once the lease is free; calls that have to settle say when.
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let ran = world.run(&["sync", "mailchimp", "--wait", "--json"]);
        if ran.code == 0 {
            break;
        }
        // The rest of a first plan is another plan, which a person approves again.
        if ran.code == 5 {
            let rest = ran.json();
            let hash = rest["details"]["planHash"].as_str().unwrap_or_else(|| panic!("{ran:?}"));
            world.run(&["sync", "mailchimp", "--wait", "--json", "--approve", hash]);
        }
        assert!(ran.code == 4 || ran.code == 5, "{ran:?}");
        assert!(Instant::now() < until, "{ran:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(world.members("subscribed"), 600);
    let again = world.run(&["sync", "mailchimp", "--json"]).exits(0).json();
    assert_eq!(again["synced"], 0, "{again}");
}
