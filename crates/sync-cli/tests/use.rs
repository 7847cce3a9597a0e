//! The ordinary way: import, connect, plan, sync, look.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
};

use serde_json::json;
use support::{AUDIENCE, KEY, World, account, customers};
use sync_sandbox::{MemberSeed, MergeFieldSeed, OAuthClientSeed, RefusalSeed};

#[test]
fn the_whole_way_from_a_file_to_the_audience_and_back() {
    let world = World::new(account([]));
    world.import(&customers(12)).says("12 customers imported").says("12 agreed");
    world.connect().says("Connected blue-manta to Mailchimp").says("Newsletter");

    let plan = world.run(&["plan", "mailchimp", "--json"]).json();
    assert_eq!(plan["details"]["planned"], json!({"create": 12}), "{plan}");
    assert_eq!(world.members("subscribed"), 0, "a plan sends nothing");

    let stopped = world.run(&["sync", "mailchimp"]).exits(5).says("--approve");
    assert!(stopped.stdout.contains("To carry this plan out"), "{stopped:?}");
    let done = world.first_sync().exits(0).json();
    assert_eq!((&done["success"], &done["synced"], &done["failed"]), (&json!(true), &json!(12), &json!(0)));
    assert_eq!(done["message"], "Successfully synced 12 items");
    assert_eq!(done["exitCode"], 0);
    assert_eq!(world.members("subscribed"), 12);

    let again = world.run(&["sync", "mailchimp"]).exits(0);
    assert!(again.stdout.starts_with("Everything is already synced!"), "{again:?}");

    let mut changed = customers(13);
    changed = changed.replace("Number 3,", "Number Three,");
    world.import(&changed).says("1 new, 1 changed, 11 as they were");
    let next = world.run(&["sync", "mailchimp", "--json"]).exits(0).json();
    assert_eq!(next["synced"], 2, "{next}");
    assert_eq!(world.members("subscribed"), 13);
    world.nothing_was_refused();
}

#[test]
fn without_a_consent_column_nobody_goes() {
    let world = World::new(account([]));
    world.write("customers.csv", customers(3));
    world
        .run(&["import", "customers", "customers.csv"])
        .exits(0)
        .says("nobody is treated as having agreed")
        .says("These columns look like one: newsletter");
    world.connect();
    let result = world.run(&["sync", "mailchimp", "--json"]).json();
    assert_eq!(result["synced"], 0);
    assert_eq!(result["details"]["skipped"], json!({"no-consent": 3}), "{result}");
    assert_eq!(world.members("subscribed"), 0);
}

#[test]
fn runs_why_and_retry_answer_from_what_was_stored() {
    let seed = account([]).with_refusal("guest.2@example.com", RefusalSeed::LooksFake);
    let world = World::new(seed);
    world.import(&customers(3));
    world.connect();
    let failed = world.first_sync().exits(1).json();
    assert_eq!((&failed["success"], &failed["synced"], &failed["failed"]), (&json!(false), &json!(2), &json!(1)));
    assert!(failed["errors"][0].is_string(), "{failed}");

    let runs = world.run(&["runs", "mailchimp", "--json"]).exits(0).json();
    assert_eq!(runs[0]["result"]["failed"], 1, "{runs}");
    let id = runs[0]["id"].as_str().unwrap();
    let outcomes = world.run(&["runs", "mailchimp", "--run", id, "--json"]).exits(0).json();
    assert!(outcomes.as_array().unwrap().iter().any(|row| row["local"] == "C-0002"), "{outcomes}");

    let why = world.run(&["why", "C-0002", "--json"]).exits(0).json();
    assert_eq!(why[0]["integration"], "mailchimp");
    assert_eq!(why[0]["why"]["standing"][0]["outcome"]["kind"], "failed", "{why}");
    world.run(&["why", "C-0002"]).exits(0).says("looks fake");
    world.run(&["why", "C-9999"]).exits(2).says("C-9999");

    let retry = world.run(&["retry", "mailchimp", "--json"]).exits(0).json();
    assert_eq!(retry, json!({"success": true, "items": 1}));
}

#[test]
fn families_are_asked_about_once_and_an_answer_is_carried_out() {
    let world = World::new(account([]));
    let family =
        "id,email,first name,newsletter\n1,home@example.com,Ana,yes\n2,home@example.com,Ben,yes\n3,c@example.com,Cid,yes\n";
    world.import(family);
    world.connect();
    let first = world.first_sync().exits(0).json();
    assert_eq!(first["synced"], 1, "{first}");
    let questions = world.run(&["questions", "--json"]).exits(0).json();
    let question = &questions[0]["question"];
    assert_eq!((questions.as_array().unwrap().len(), &question["code"]), (1, &json!("shared-key")));
    let id = question["id"].as_str().unwrap();
    let key = question["options"][0]["key"].as_str().unwrap();
    world.run(&["questions"]).exits(0).says(id).says(key);
    world.run(&["answer", "mailchimp", id, "nonsense"]).exits(2).says(key);
    world.run(&["answer", "mailchimp", "ffffffffff", key]).exits(2).says("syncctl questions");
    world.run(&["answer", "mailchimp", &id[..6], key]).exits(0);
    world.run(&["questions"]).exits(0).says("Nothing waits");
    let next = world.run(&["sync", "mailchimp", "--json"]).json();
    assert_eq!(next["synced"], 1, "{next}");
    assert_eq!(world.members("subscribed"), 2);
}

#[test]
fn a_person_is_forgotten_and_the_record_deleted() {
    let world = World::new(account([]));
    world.import(&customers(2));
    world.connect();
    world.first_sync().exits(0);
    world.run(&["forget", "C-0001"]).exits(0).says("At Mailchimp nothing is taken away");
    let forgotten = world.run(&["forget", "C-0001", "--delete", "--json"]).exits(0).json();
    assert_eq!(forgotten["deleted"], true);
    assert_eq!(forgotten["remote"][0]["plan"]["details"]["planned"], serde_json::json!({"remove": 1}), "{forgotten}");
    let next = world.run(&["sync", "mailchimp", "--json"]).exits(0).json();
    assert_eq!(next["synced"], 1, "{next}");
    assert_eq!(world.members("archived"), 1);
    world.run(&["forget", "C-0404"]).exits(0).says("Nothing was kept");
    // For good, with the grant, and by the command that was shown.
    let ran = world.run(&["forget", "C-0002", "--delete", "--grant", "permanent-deletion"]).exits(0);
    assert!(ran.stdout.contains("erases 1 contact"), "{ran:?}");
    let shown = "syncctl sync mailchimp --org blue-manta --item contacts:C-0002 --grant permanent-deletion";
    let ran = ran.says(shown);
    assert_eq!(world.members("subscribed"), 1, "nothing was done yet: {ran:?}");
    world.run(&shown.split(' ').skip(1).collect::<Vec<_>>()).exits(0);
    assert_eq!((world.members("subscribed"), world.members("archived")), (0, 1));
    assert!(!world.sandbox.state().to_string().contains("guest.2@example.com"));
}

#[test]
fn settings_are_shown_changed_checked_and_refused() {
    let mut seed = account([]);
    seed.audiences[0].merge_fields.push(MergeFieldSeed::new("LANG", "Language", "text").required());
    let world = World::new(seed);
    // The required field is named, and nothing is stored until it is mapped.
    world.run_with_key(&["connect", "mailchimp"]).exits(3).says("LANG");
    world
        .run(&["settings", "mailchimp", "--set", "audience=newsletter", "--set", "merge_fields.LANG=language"])
        .exits(0)
        .says("Stored");
    let shown = world.run(&["settings", "mailchimp", "--json"]).exits(0).json();
    assert_eq!(shown["settings"]["audience"], AUDIENCE, "a choice may be given by its label");
    assert_eq!(shown["settings"]["merge_fields"], json!({"FNAME": "first_name", "LNAME": "last_name", "LANG": "language"}));
    world.run(&["settings", "mailchimp", "--set", "audience=ffffffffff"]).exits(3).says("audience");
    world.run(&["settings", "mailchimp", "--set", "audiense=x"]).exits(2).says("same_address");
    world.run(&["settings", "mailchimp", "--choices", "audiences"]).exits(0).says("Newsletter");
    world.run(&["settings", "mailchimp", "--allow", "automation"]).exits(0);
    let allowed = world.run(&["settings", "mailchimp", "--json"]).exits(0).json();
    assert_eq!(allowed["standingGrants"][0]["effect"], "automation");
    world.run(&["settings", "mailchimp", "--allow", "fireworks"]).exits(2).says("automation");
}

#[test]
fn several_audiences_must_be_chosen_from() {
    let seed = account([]).with_audience(sync_sandbox::AudienceSeed::new("ffff000011", "Press"));
    let world = World::new(seed);
    world.run_with_key(&["connect", "mailchimp"]).exits(3).says("Press").says("Newsletter").says("--setting audience=");
    let chosen = world.run_with_key(&["connect", "mailchimp", "--setting", "audience=press", "--json"]).exits(0).json();
    assert_eq!(chosen["settings"]["audience"], "ffff000011", "{chosen}");
}

#[test]
fn people_who_left_stay_left_and_the_shop_learns_of_it() {
    let world = World::new(account([
        MemberSeed::new("guest.1@example.com", "unsubscribed"),
        MemberSeed::new("guest.2@example.com", "cleaned"),
    ]));
    world.import(&customers(3));
    world.connect();
    // Consent flows back with the first run, whether or not its plan was approved.
    let stopped = world.run(&["sync", "mailchimp", "--json"]).exits(5).json();
    assert_eq!(stopped["details"]["consentFacts"], 2, "{stopped}");
    let first = world.first_sync().exits(0).json();
    assert_eq!(first["failed"], 0, "{first}");
    assert_eq!((world.members("unsubscribed"), world.members("cleaned"), world.members("subscribed")), (1, 1, 1));
}

#[test]
fn signing_in_with_the_browser_connects_too() {
    let world = World::new(account([]).with_oauth_client(OAuthClientSeed::new("client-1", "client-secret")));
    let mut command = world.command(&["connect", "mailchimp", "--oauth", "--json"]);
    command.env("SYNCCTL_MAILCHIMP_CLIENT_ID", "client-1").env("SYNCCTL_MAILCHIMP_CLIENT_SECRET", "client-secret");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let consent = loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "no page to open");
        if let Some(page) = line.trim().strip_prefix(&format!("http://127.0.0.1:{}", world.port)) {
            break page.to_owned();
        }
    };
    // The browser: the page is opened, the person allows, and the way back is followed.
    let query = consent.split_once('?').unwrap().1;
    assert!(http(world.port, &format!("GET {consent} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).contains("Allow"));
    let form = format!("{query}&allow=yes");
    let answer = http(
        world.port,
        &format!(
            "POST /oauth2/authorize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ),
    );
    let back =
        answer.lines().find_map(|line| line.to_lowercase().starts_with("location:").then(|| line[9..].trim().to_owned()));
    let back = back.unwrap_or_else(|| panic!("{answer}"));
    let (port, path) = back.strip_prefix("http://127.0.0.1:").unwrap().split_once('/').unwrap();
    assert!(http(port.parse().unwrap(), &format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n")).contains("You can close"));
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let connected: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(connected["settings"]["audience"], AUDIENCE, "{connected}");
    world.import(&customers(1));
    world.first_sync().exits(0);
}

/// One request, and all of its answer.
fn http(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn disconnect_keeps_the_links_and_a_reconnect_adopts_them() {
    let world = World::new(account([]));
    world.import(&customers(2));
    world.connect();
    world.first_sync().exits(0);
    world.run(&["disconnect", "mailchimp"]).exits(0).says("Links and history stay");
    world.run(&["sync", "mailchimp"]).exits(3).says("integration not active");
    world.connect();
    let again = world.run(&["sync", "mailchimp", "--json"]).exits(0).json();
    assert_eq!(again["synced"], 0, "{again}");
    assert_eq!(world.members("subscribed"), 2);
}

#[test]
fn an_archive_for_support_holds_no_secret_and_no_address() {
    let world = World::new(account([]));
    world.import(&customers(2));
    world.connect();
    let plan = world.run(&["plan", "mailchimp", "--json"]).json();
    let hash = plan["details"]["planHash"].as_str().unwrap();
    world.run(&["sync", "mailchimp", "--approve", hash, "--har", "run.har"]).exits(0);
    let text = std::fs::read_to_string(world.path("run.har")).unwrap();
    let har: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(har["log"]["version"], "1.2");
    assert!(har["log"]["entries"].as_array().unwrap().len() >= 2);
    let basic = "Basic ";
    assert!(!text.contains(KEY) && !text.contains(&format!("{basic}Y")) && !text.contains("guest.1@example.com"));
}

#[test]
fn the_double_runs_as_a_command_and_takes_a_sync() {
    let world = World::new(account([]));
    let mut child = world.start(&["sandbox", "--port", "0", "--empty", "--json"]);
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    let address: serde_json::Value = loop {
        assert!(std::io::BufRead::read_line(&mut reader, &mut text).unwrap() > 0, "{text}");
        if let Ok(json) = serde_json::from_str(&text) {
            break json;
        }
    };
    let mut connect = world.command(&["connect", "mailchimp", "--json"]);
    connect.env("SYNCCTL_MAILCHIMP_API_URL", address["api"].as_str().unwrap());
    connect.env("SYNCCTL_MAILCHIMP_API_KEY", address["apiKey"].as_str().unwrap());
    let connected = world.finish(connect).exits(0).json();
    assert_eq!(connected["success"], true, "{connected}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn invoices_and_payments_are_imported_and_a_bad_line_is_told_with_its_field() {
    let world = World::new(account([]));
    let invoice = |id: u32, total: &str| {
        let lines = json!([{"description": "Two dives", "quantity": 2, "unit_amount": "90.00"}]);
        json!({"id": format!("B-{id}"), "number": format!("D-{id}"), "date": "2026-05-17", "lines": lines, "total": total})
    };
    world.write("invoices.jsonl", format!("{}\n{}\n", invoice(1, "180.00"), invoice(2, "a lot")));
    let refused = world.run(&["import", "invoices", "invoices.jsonl"]).exits(2);
    refused.says("line 2").says("total").says("a number such as 180.00");
    let done = world.run(&["import", "invoices", "invoices.jsonl", "--skip-bad", "--json"]).exits(0).json();
    assert_eq!((&done["added"], &done["bad"]), (&json!(1), &json!(1)), "{done}");
    world.write("payments.csv", "id,invoice,date,amount,how\nP-1,B-1,2026-05-17,180,card\n");
    world
        .run(&["import", "payments", "payments.csv", "--map", "how=method"])
        .exits(0)
        .says("1 payment imported")
        .says("method");
    world.run(&["import", "payments", "payments.csv", "--map", "how=methd"]).exits(2).says("method");
    world.run(&["import", "payments", "payments.csv", "--consent-column", "how"]).exits(2).says("--consent-column");
}
