//! What time asks for, once and as a service.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{World, account, untagged};

/// A shop that is connected and synced, with one change waiting.
fn changed() -> World {
    let world = World::new(account([]));
    world.import(&untagged(3));
    world.connect();
    world.first_sync().exits(0);
    world.import(&untagged(3).replace("Number 2,", "Number Two,"));
    world
}

fn says_two(world: &World) -> bool {
    world.sandbox.state().to_string().contains("Number Two")
}

#[test]
fn nothing_is_due_and_nothing_is_said() {
    let world = changed();
    let ran = world.run(&["due"]).exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "cron mails whatever is said");
    assert!(!says_two(&world));
    // A run that is not old enough is not repeated.
    world.run(&["due", "--sync-every", "1h"]).exits(0);
    assert!(!says_two(&world));
}

#[test]
fn a_connection_that_did_not_sync_for_long_does_and_says_so() {
    let world = changed();
    world.run(&["due", "--sync-every", "0s"]).exits(0).says("Mailchimp of blue-manta: synced as scheduled: 1 written");
    assert!(says_two(&world));
    world.import(&untagged(3));
    let document = world.run(&["due", "--sync-every", "0s", "--json"]).exits(0).json();
    let run = document["done"].as_array().unwrap().iter().find(|done| done["what"] == "run").unwrap();
    assert_eq!((&run["result"]["synced"], &document["exitCode"]), (&Value::from(1), &Value::from(0)), "{document}");
}

#[test]
fn a_first_plan_that_nobody_approved_is_not_run_by_time() {
    let world = World::new(account([]));
    world.import(&untagged(2));
    world.connect();
    world.run(&["due", "--sync-every", "0s"]).exits(0);
    assert_eq!(world.members("subscribed"), 0);
}

#[test]
fn what_fails_is_said_and_has_an_exit_code() {
    let mut world = changed();
    world.stop();
    let ran = world.run(&["due", "--sync-every", "0s"]);
    assert!(ran.code != 0 && !ran.stderr.is_empty(), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn as_a_service_it_syncs_until_it_is_asked_to_stop() {
    use rustix::process::{Pid, Signal, kill_process};

    let world = changed();
    let child = world.start(&["due", "--watch", "--every", "100ms", "--sync-every", "0s", "--json"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !says_two(&world) {
        assert!(Instant::now() < deadline, "nothing was synced");
        std::thread::sleep(Duration::from_millis(50));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["what"] == "run" && line["result"]["synced"] == 1), "{text}");
    // The lease was given back: nothing was cut off.
    world.run(&["sync", "mailchimp"]).exits(0);
}
