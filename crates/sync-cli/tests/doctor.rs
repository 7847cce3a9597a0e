//! Each finding of the doctor, caused.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{AUDIENCE, Ran, World, account, customers, untagged};
use sync_sandbox::SandboxOptions;
use sync_testkit::PostgresServer;

/// The findings with this code.
fn findings(ran: &Ran, code: &str) -> Vec<Value> {
    let document = ran.json();
    let all = document["findings"].as_array().unwrap();
    all.iter().filter(|finding| finding["code"] == code).cloned().collect()
}

/// The one finding with this code is this bad, and names a fix unless it is fine.
#[track_caller]
fn is(ran: &Ran, code: &str, severity: &str) {
    let found = findings(ran, code);
    assert!(found.iter().any(|finding| finding["severity"] == severity), "{code} {severity}: {ran:?}");
    for finding in found.iter().filter(|finding| finding["severity"] != "fine") {
        assert!(finding["fix"].as_str().is_some_and(|fix| fix.len() > 10), "{finding}");
    }
}

fn connected() -> World {
    let world = World::new(account([]));
    world.import(&customers(2));
    world.connect();
    world
}

#[test]
fn a_sound_installation_has_nothing_to_look_at() {
    let world = connected();
    let ran = world.run(&["doctor", "--json", "--deep"]).exits(0);
    for code in ["key", "disk", "database", "installation", "runs", "clock", "connection"] {
        is(&ran, code, "fine");
    }
    assert_eq!(ran.json()["success"], true);
    world.run(&["doctor"]).exits(0).says("Everything is in order.");
}

#[test]
fn a_key_that_is_missing_wrong_or_open_to_others_is_found() {
    let world = connected();
    let key = std::fs::read(world.path("sync.key")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(world.path("sync.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
        is(&world.run(&["doctor", "--json", "--offline"]).exits(0), "key-readable", "warning");
    }
    world.write("sync.key", "no key\n");
    is(&world.run(&["doctor", "--json", "--offline"]).exits(2), "key", "error");
    world.write("sync.key", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
    is(&world.run(&["doctor", "--json", "--offline"]).exits(2), "database", "error");
    std::fs::remove_file(world.path("sync.key")).unwrap();
    is(&world.run(&["doctor", "--json", "--offline"]).exits(2), "key", "error");
    world.write("sync.key", key);
    world.run(&["doctor", "--offline"]).exits(0);
}

#[test]
fn a_database_that_is_missing_or_none_is_found() {
    let world = World::new(account([]));
    is(&world.run(&["doctor", "--json"]).exits(2), "database", "error");
    world.import(&customers(1));
    world.write("sync.db", "this is no database, but it is long enough to be looked at as if it were one");
    is(&world.run(&["doctor", "--json", "--offline"]).exits(2), "database", "error");
}

#[test]
fn a_disk_without_room_is_found() {
    let world = connected();
    let ran = world.run(&["doctor", "--json", "--offline", "--min-free", "1000000000000"]).exits(2);
    is(&ran, "disk", "error");
}

#[test]
fn a_copied_database_is_found_and_a_moved_one_can_be_said_to_be() {
    let world = connected();
    std::fs::create_dir(world.path("copy")).unwrap();
    for name in ["sync.db", "sync.key", "syncctl.toml"] {
        std::fs::copy(world.path(name), world.path("copy").join(name)).unwrap();
    }
    let in_copy = |args: &[&str]| {
        let mut command = world.command(args);
        command.current_dir(world.path("copy"));
        world.finish(command)
    };
    is(&in_copy(&["doctor", "--json", "--offline"]).exits(2), "installation", "error");
    in_copy(&["plan", "mailchimp"]).says("made elsewhere");
    is(&in_copy(&["doctor", "--json", "--offline", "--moved"]).exits(0), "installation", "fine");
    is(&in_copy(&["doctor", "--json", "--offline"]).exits(0), "installation", "fine");
}

/// A server that says that it is 2020.
fn behind_the_times() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nDate: Wed, 01 Jan 2020 00:00:00 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    });
    port
}

#[test]
fn a_clock_that_is_wrong_is_found() {
    let world = connected();
    let text = std::fs::read_to_string(world.path("syncctl.toml")).unwrap();
    world.write("syncctl.toml", text.replace(&world.port.to_string(), &behind_the_times().to_string()));
    let ran = world.run(&["doctor", "--json"]);
    is(&ran, "clock", "error");
}

#[test]
fn a_revoked_key_needs_a_person() {
    let world = connected();
    world.sandbox.act(&json!({"do": "revoke"})).unwrap();
    is(&world.run(&["doctor", "--json"]).exits(3), "connection", "error");
}

#[test]
fn a_choice_that_has_gone_needs_a_person() {
    let world = connected();
    world.sandbox.act(&json!({"do": "delete-audience", "list": AUDIENCE})).unwrap();
    let ran = world.run(&["doctor", "--json"]).exits(3);
    assert!(!findings(&ran, "settings").is_empty() || !findings(&ran, "connection").is_empty(), "{ran:?}");
}

#[test]
fn a_killed_run_leaves_a_lease_and_open_calls_that_are_found() {
    let world = World::with(account([]), SandboxOptions::default().with_latency(Duration::from_millis(900)));
    world.configure("[engine]\ncall_timeout_s = 2\nlease_margin_s = 1\nsettle_s = 1\n");
    world.import(&untagged(600));
    world.connect();
    let plan = world.run(&["plan", "mailchimp", "--json"]).json();
    let hash = plan["details"]["planHash"].as_str().unwrap().to_owned();
    let mut run = world.start(&["sync", "mailchimp", "--approve", &hash]);
    let until = Instant::now() + Duration::from_secs(20);
    while world.sandbox.calls("lists.batch") == 0 {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(10));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let ran = world.run(&["doctor", "--json", "--offline"]).exits(0);
    is(&ran, "lease", "warning");
    is(&ran, "open-calls", "warning");
    assert!(findings(&ran, "lease")[0]["message"].as_str().unwrap().contains("is gone"), "{ran:?}");
    // Once its time is over, the lease is free, and the run is known never to have ended.
    std::thread::sleep(Duration::from_millis(3_500));
    let ran = world.run(&["doctor", "--json", "--offline"]).exits(0);
    assert!(findings(&ran, "lease")[0]["message"].as_str().unwrap().contains("never ended"), "{ran:?}");
}

#[test]
fn a_database_on_a_server_is_looked_at_and_one_that_is_gone_is_named_without_its_password() {
    let Some(server) = PostgresServer::shared() else { return };
    let (world, schema) = (World::new(account([])), server.schema());
    let database = |url: &str| world.configure(&format!("database = {url:?}\nschema = {schema:?}"));
    database(&server.url());
    world.run(&["runs", "mailchimp"]).exits(2).says("there is no store in this schema");
    world.import(&customers(2));
    world.connect();
    world.first_sync().exits(0);
    assert_eq!(world.members("subscribed"), 2);
    let ran = world.run(&["doctor", "--json", "--deep"]).exits(0);
    for code in ["key", "database", "installation", "runs", "clock", "connection"] {
        is(&ran, code, "fine");
    }
    assert!(findings(&ran, "database")[0]["message"].as_str().unwrap().contains(&schema), "{ran:?}");

    // In another folder, with the same key: the same store, and no copy.
    let beside = World::new(account([]));
    beside.configure(&format!("database = {:?}\nschema = {schema:?}", server.url()));
    beside.write("sync.key", std::fs::read(world.path("sync.key")).unwrap());
    is(&beside.run(&["doctor", "--json", "--offline"]), "installation", "fine");

    let mut gone = world.command(&["doctor", "--json", "--offline"]);
    gone.env("SYNCCTL_DATABASE", "postgres://shop:pass-word@127.0.0.1:1/shop");
    let ran = world.finish(gone);
    is(&ran, "database", "error");
    assert!(!format!("{ran:?}").contains("pass-word"));
    database("postgres://shop:pass-word@127.0.0.1:1/shop");
    let ran = world.run(&["doctor"]).exits(2).says("PGPASSWORD");
    assert!(!format!("{ran:?}").contains("pass-word"));
}
