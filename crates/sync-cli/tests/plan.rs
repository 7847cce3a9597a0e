//! Plans as files, and audits.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use serde_json::{Value, json};
use support::{Ran, World, account, customers, untagged};
use sync_core::Hash;
use sync_sandbox::MemberSeed;

/// The lines of a plan.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A shop that is connected and synced, with three changes waiting.
fn changed(n: usize) -> World {
    let world = World::new(account([]));
    world.import(&untagged(n));
    world.connect();
    world.first_sync().exits(0);
    world.import(&three_changes(n));
    world
}

fn three_changes(n: usize) -> String {
    untagged(n)
        .replace("Number 2,", "Number Two,")
        .replace("Number 3,", "Number Three,")
        .replace("Number 4,", "Number Four,")
}

#[track_caller]
fn plan(world: &World) -> Vec<Value> {
    world.run(&["plan", "mailchimp", "--out", "plan.jsonl"]).exits(0);
    lines(&std::fs::read_to_string(world.path("plan.jsonl")).unwrap())
}

/// Writes lines with hashes that fit them, as somebody who knows the format would.
fn forge(world: &World, lines: &[Value]) {
    let (head, operations) = lines.split_first().unwrap();
    let operations = &operations[..operations.len() - 1];
    let mut digests: Vec<&str> = operations.iter().map(|line| line["digest"].as_str().unwrap()).collect();
    digests.sort_unstable();
    let mut hash = Hash::start();
    digests.iter().for_each(|digest| hash.text(digest));
    let hash = hash.finish().to_string();
    let mut head = head.clone();
    head["hash"] = json!(hash);
    head["operations"] = json!(operations.len());
    let mut sum = Hash::start();
    let mut text = String::new();
    for line in std::iter::once(&head).chain(operations) {
        let line = line.to_string();
        sum.text(&line);
        text.push_str(&line);
        text.push('\n');
    }
    let end = json!({"end": {"operations": operations.len(), "hash": hash, "sum": sum.finish().to_string()}});
    world.write("plan.jsonl", format!("{text}{end}\n"));
}

/// Calls that may have written something.
fn writes(world: &World) -> usize {
    let log = world.sandbox.log(true);
    log["entries"].as_array().unwrap().iter().filter(|entry| entry["method"] != "GET").count()
}

#[track_caller]
fn writes_nothing(world: &World, args: &[&str], code: i32) -> Ran {
    let before = writes(world);
    let ran = world.run(args).exits(code);
    assert_eq!(writes(world), before, "{ran:?}");
    ran
}

#[test]
fn a_plan_in_a_pipe_is_a_head_an_operation_a_line_and_an_end() {
    let world = changed(6);
    let ran = world.run(&["plan", "mailchimp"]).exits(0).says("syncctl apply FILE --org blue-manta");
    let lines = lines(&ran.stdout);
    assert_eq!(lines.len(), 5, "{ran:?}");
    let (head, end) = (&lines[0], &lines[4]["end"]);
    assert_eq!((&head["format"], &head["version"]), (&json!("sync-plan"), &json!(1)));
    assert_eq!((&head["organization"], &head["integration"]), (&json!("blue-manta"), &json!("mailchimp")));
    assert_eq!(
        (&head["operations"], &head["planned"], &head["irreversible"]),
        (&json!(3), &json!({"update": 3}), &json!(0))
    );
    assert_eq!((&end["operations"], &end["hash"]), (&json!(3), &head["hash"]));
    assert_eq!(head["cost"], json!([{"budget": "", "calls": 1, "units": 1}]), "{head}");
    assert_eq!(head["limits"][0]["per"], "at-once");
    assert_eq!(head["limits"][0]["left"], Value::Null, "what is not known is said to be so");
    let second = lines[1..4].iter().find(|line| line["id"] == "C-0002").unwrap();
    assert_eq!(
        (&second["there"], &second["here"], &second["reason"]),
        (&json!("update"), &Value::Null, &json!("changed-here"))
    );
    let change = json!({"field": "last_name", "side": "there", "before": "Number 2", "after": "Number Two"});
    assert_eq!(second["changes"], json!([change]), "{second}");
    assert_eq!((&second["reversible"], &second["label"]), (&json!(true), &json!("Guest Number Two (C-0002)")), "{second}");
    // The same for those who ask for words, or for one document.
    world.run(&["plan", "mailchimp", "--text"]).exits(0).says("planned: 3 update");
    assert_eq!(world.run(&["plan", "mailchimp", "--json"]).json()["details"]["planHash"], head["hash"]);
}

#[test]
fn a_plan_is_applied_from_its_file_and_then_there_is_nothing_left() {
    let world = changed(6);
    plan(&world);
    let applied = world.run(&["apply", "plan.jsonl", "--json"]).exits(0).json();
    assert_eq!(
        (&applied["synced"], &applied["asPlanned"], &applied["moved"]),
        (&json!(3), &json!(3), &json!(0)),
        "{applied}"
    );
    let again = world.run(&["apply", "plan.jsonl"]).exits(0);
    assert!(again.stdout.contains("3 operations are not needed any more"), "{again:?}");
    world.run(&["sync", "mailchimp"]).exits(0).says("Everything is already synced!");
}

#[test]
fn a_first_plan_is_approved_by_its_file() {
    let world = World::new(account([]));
    world.import(&customers(60));
    world.connect();
    let lines = plan(&world);
    assert_eq!(lines[0]["planned"], json!({"create": 60}));
    let applied = world.run(&["apply", "plan.jsonl", "--json"]).exits(0).json();
    assert_eq!(applied["synced"], 60, "{applied}");
    assert_eq!(world.members("subscribed"), 60);
}

#[test]
fn of_a_first_plan_goes_what_is_still_as_it_was() {
    let world = World::new(account([]));
    world.import(&untagged(5));
    world.connect();
    plan(&world);
    world.import(&untagged(6).replace("Number 2,", "Number Zwei,"));
    writes_nothing(&world, &["sync", "mailchimp"], 5);
    writes_nothing(&world, &["apply", "plan.jsonl", "--strict"], 5).says("Nothing was written");
    assert_eq!(world.members("subscribed"), 0);
    let ran = world.run(&["apply", "plan.jsonl"]).exits(1).says("1 operation changed since");
    assert!(ran.stdout.contains("1 operation is not in the plan"), "{ran:?}");
    assert_eq!(world.members("subscribed"), 4);
    world.run(&["why", "C-0002"]).exits(0).says("plan-moved");
    assert_eq!(world.run(&["sync", "mailchimp", "--json"]).exits(0).json()["synced"], 2);
}

#[test]
fn a_first_plan_of_which_nothing_is_as_it_was_approves_nothing() {
    let world = World::new(account([]));
    world.import(&untagged(2));
    world.connect();
    plan(&world);
    world.import(&untagged(2).replace("Number ", "Nr "));
    writes_nothing(&world, &["apply", "plan.jsonl"], 1).says("2 operations changed since");
    writes_nothing(&world, &["sync", "mailchimp"], 5).says("not approved");
}

#[test]
fn what_the_breaker_stops_goes_by_a_plan_that_somebody_saw() {
    let world = World::new(account([]));
    world.import(&untagged(80));
    world.connect();
    world.first_sync().exits(0);
    world.import(&untagged(80).replace("Number ", "Nr "));
    world.run(&["sync", "mailchimp"]).exits(5).says("stopped before the first write");
    plan(&world);
    // One of them changes once more: the others were seen, and go.
    world.import(&untagged(80).replace("Number ", "Nr ").replace("Nr 7,", "No 7,"));
    let applied = world.run(&["apply", "plan.jsonl", "--json"]).exits(1).json();
    assert_eq!((&applied["synced"], &applied["moved"]), (&json!(79), &json!(1)), "{applied}");
}

#[test]
fn a_record_that_changed_since_is_left_and_the_rest_goes() {
    let world = changed(6);
    plan(&world);
    world.import(&three_changes(6).replace("Number Two,", "Number Zwei,").replace("Number 5,", "Number Five,"));
    let applied = world.run(&["apply", "plan.jsonl", "--json"]).exits(1).json();
    assert_eq!((&applied["synced"], &applied["asPlanned"]), (&json!(2), &json!(2)), "{applied}");
    assert_eq!((&applied["moved"], &applied["notInPlan"]), (&json!(1), &json!(1)), "{applied}");
    assert_eq!((&applied["success"], &applied["failed"]), (&json!(true), &json!(0)), "nothing failed");
    assert_eq!(
        applied["movedRecords"],
        json!([{"label": "Guest Number Zwei (C-0002)", "resource": "contacts", "id": "C-0002"}])
    );
    world.run(&["why", "C-0002"]).exits(0).says("plan-moved");
    // What was left goes with the next sync, and stands no more.
    assert_eq!(world.run(&["sync", "mailchimp", "--json"]).exits(0).json()["synced"], 2);
    world.run(&["audit", "mailchimp"]).exits(0);
}

#[test]
fn strict_writes_nothing_when_anything_changed_since() {
    let world = changed(6);
    plan(&world);
    world.import(&three_changes(6).replace("Number Two,", "Number Zwei,"));
    writes_nothing(&world, &["apply", "plan.jsonl", "--strict"], 5).says("Nothing was written");
    world.import(&three_changes(6));
    world.run(&["apply", "plan.jsonl", "--strict", "--json"]).exits(0);
    assert_eq!(world.run(&["sync", "mailchimp", "--json"]).exits(0).json()["synced"], 0);
}

#[test]
fn a_file_that_was_edited_is_refused() {
    let world = changed(6);
    let text = plan(&world).iter().map(|line| format!("{line}\n")).collect::<String>();
    let original = std::fs::read_to_string(world.path("plan.jsonl")).unwrap();
    let digest = lines(&original)[1]["digest"].as_str().unwrap().to_owned();
    let line = original.lines().nth(2).unwrap();
    for (what, edited) in [
        ("a field", original.replace("Number Two", "Mallory")),
        ("a digest", original.replace(&digest, &"0".repeat(32))),
        ("a line too few", original.replace(&format!("{line}\n"), "")),
        ("a line too many", original.replacen(line, &format!("{line}\n{line}"), 1)),
        ("the head", original.replacen("\"grants\":[]", "\"grants\":[\"automation\"]", 1)),
        ("something after the end", format!("{original}{{}}\n")),
        ("no operation", original.replacen(line, "[]", 1)),
        ("members in another order", text),
    ] {
        assert_ne!(edited, original, "{what}");
        world.write("plan.jsonl", &edited);
        let ran = writes_nothing(&world, &["apply", "plan.jsonl"], 2);
        assert!(ran.stderr.contains("was changed after it was written"), "{what}: {ran:?}");
    }
}

#[test]
fn a_forged_file_can_write_nothing_of_its_own() {
    let world = changed(6);
    let mut lines = plan(&world);
    let place = lines.iter().position(|line| line["id"] == "C-0002").unwrap();
    lines[place]["changes"][0]["after"] = json!("Mallory");
    forge(&world, &lines);
    world.run(&["apply", "plan.jsonl"]).exits(0);
    let names = world.sandbox.state().to_string();
    assert!(names.contains("Number Two") && !names.contains("Mallory"), "what goes comes from the records");

    world.import(&three_changes(6).replace("Number Two,", "Number Zwei,"));
    let mut lines = plan(&world);
    lines[1]["digest"] = json!("0".repeat(32));
    lines[1]["changes"][0]["after"] = json!("Mallory");
    forge(&world, &lines);
    writes_nothing(&world, &["apply", "plan.jsonl"], 1).says("1 operation changed since");
    assert!(!world.sandbox.state().to_string().contains("Mallory"));
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let world = changed(6);
    plan(&world);
    let whole = std::fs::read(world.path("plan.jsonl")).unwrap();
    let n_last = whole.len() - 1 - whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    // Without its last line, and in the middle of lines.
    for n_kept in [whole.len() - n_last, whole.len() - 5, whole.len() / 2, whole.len() / 3] {
        world.write("plan.jsonl", &whole[..n_kept]);
        writes_nothing(&world, &["apply", "plan.jsonl"], 2).says("the plan is not whole");
    }
    for other in [&b""[..], b"hello\n", b"{\"format\":\"x\",\"version\":1}\n", &[0xff, 0xfe, b'\n']] {
        world.write("plan.jsonl", other);
        writes_nothing(&world, &["apply", "plan.jsonl"], 2).says("this is no plan");
    }
    world.run(&["apply", "nothing.jsonl"]).exits(2).says("nothing.jsonl can't be read");
}

#[test]
fn a_plan_of_somebody_else_or_of_other_settings_is_refused() {
    let world = changed(6);
    let original = plan(&world);
    let edit = |member: &str, value: Value| {
        let mut lines = original.clone();
        lines[0][member] = value;
        forge(&world, &lines);
    };
    for (member, value, words) in [
        ("organization", json!("red-manta"), "of the organization red-manta"),
        ("account", json!("another"), "another Mailchimp account"),
        ("settings", json!("0".repeat(32)), "settings of Mailchimp were changed"),
        ("integration", json!("mailshrimp"), "there is no integration mailshrimp"),
        ("version", json!(2), "version 2 of the format"),
        ("grants", json!(["automation"]), "Allow the same with --grant"),
    ] {
        edit(member, value);
        writes_nothing(&world, &["apply", "plan.jsonl"], 2).says(words);
    }
    forge(&world, &original);
    writes_nothing(&world, &["apply", "plan.jsonl", "--grant", "automation"], 2).says("Allow the same with --grant");
    world.run(&["settings", "mailchimp", "--set", "same_address=oldest"]).exits(0);
    writes_nothing(&world, &["apply", "plan.jsonl"], 2).says("settings of Mailchimp were changed");
}

#[test]
fn a_plan_of_another_account_is_refused() {
    let world = changed(6);
    plan(&world);
    let mut seed = account([]);
    seed.account.id = "another".into();
    let other = World::new(seed);
    other.import(&three_changes(6));
    other.connect();
    other.write("plan.jsonl", std::fs::read(world.path("plan.jsonl")).unwrap());
    writes_nothing(&other, &["apply", "plan.jsonl"], 2).says("another Mailchimp account");
}

#[test]
fn what_cannot_be_taken_back_says_so_and_mails_are_named() {
    let world = changed(6);
    let all = three_changes(6);
    let kept: String = all.lines().filter(|line| !line.starts_with("C-0006")).map(|line| format!("{line}\n")).collect();
    world.import(&kept);
    world.run(&["forget", "C-0006", "--delete"]).exits(0);
    let lines = plan(&world);
    assert_eq!(lines[0]["irreversible"], 1, "{}", lines[0]);
    let gone = lines.iter().find(|line| line["id"] == "C-0006").unwrap();
    assert_eq!(
        (&gone["there"], &gone["reason"], &gone["reversible"]),
        (&json!("remove"), &json!("deleted-here"), &json!(false))
    );
    assert!(gone["irreversibleBecause"].as_str().unwrap().contains("taken away"), "{gone}");

    // Who is asked to confirm is mailed.
    let world = World::new(account([]));
    world.import(&untagged(2));
    world.connect();
    world.run(&["settings", "mailchimp", "--set", "double_optin=always"]).exits(0);
    world.run(&["plan", "mailchimp", "--out", "plan.jsonl", "--grant", "confirmation-mail"]).exits(0).says("sets off:");
    let lines = self::lines(&std::fs::read_to_string(world.path("plan.jsonl")).unwrap());
    assert_eq!(
        (&lines[0]["effects"][0]["name"], &lines[0]["effects"][0]["operations"]),
        (&json!("confirmation-mail"), &json!(2))
    );
    assert_eq!(
        (&lines[1]["effects"], &lines[1]["reversible"]),
        (&json!(["confirmation-mail"]), &json!(false)),
        "{}",
        lines[1]
    );
    world.run(&["apply", "plan.jsonl"]).exits(2).says("confirmation-mail");
    assert_eq!(world.members("pending"), 0);
    world.run(&["apply", "plan.jsonl", "--grant", "confirmation-mail"]).exits(0);
    assert_eq!(world.members("pending"), 2);
}

#[test]
fn an_audit_says_what_differs_and_where_and_writes_nothing() {
    let world = World::new(account([]));
    world.import(&untagged(5));
    world.connect();
    world.first_sync().exits(0);
    writes_nothing(&world, &["audit", "mailchimp"], 0).says("Nothing differs");
    world.import(&untagged(6).replace("Number 2,", "Number Two,"));
    let ran = writes_nothing(&world, &["audit", "mailchimp"], 1).says("2 records differ from Mailchimp");
    assert!(ran.stdout.contains("contacts Guest Number Two (C-0002) differs"), "{ran:?}");
    assert!(ran.stdout.contains("last_name is \"Number 2\" there and \"Number Two\" here"), "{ran:?}");
    assert!(ran.stdout.contains("contacts Guest Number 6 (C-0006) is here, and not there"), "{ran:?}");
    let document = writes_nothing(&world, &["audit", "mailchimp", "--json", "--limit", "1"], 1).json();
    assert_eq!((&document["differs"], &document["exitCode"]), (&json!(2), &json!(1)));
    assert_eq!(document["differences"].as_array().unwrap().len(), 1, "{document}");
    world.run(&["sync", "mailchimp"]).exits(0);
    world.run(&["audit", "mailchimp"]).exits(0);
}

#[test]
fn why_answers_for_ids_here_and_there() {
    let world = World::new(account([MemberSeed::new("guest.9@example.com", "unsubscribed")]));
    world.import(&untagged(3));
    world.connect();
    world.first_sync().exits(0);
    let here = world.run(&["why", "C-0002", "--json"]).exits(0).json();
    let remote = here[0]["why"]["links"][0]["remote"].as_str().unwrap().to_owned();
    for id in [remote.clone(), format!("remote:{remote}"), format!("remote:contacts:{remote}"), "contacts:C-0002".to_owned()]
    {
        let there = world.run(&["why", &id, "--json"]).exits(0).json();
        assert_eq!(there[0]["why"], here[0]["why"], "{id}");
    }
    assert_eq!(here[0]["why"]["trail"][0][1]["outcome"]["kind"], "created", "{here}");
    world.run(&["why", &remote]).exits(0).says("C-0002").says("created");
    world.run(&["why", "remote:nobody"]).exits(2).says("nothing is known");
}

#[test]
fn why_shows_the_question_that_a_record_waits_for() {
    let world = World::new(account([]));
    world.import("id,email,first name,newsletter\n1,home@example.com,Ana,yes\n2,home@example.com,Ben,yes\n");
    world.connect();
    world.run(&["sync", "mailchimp"]);
    let why = world.run(&["why", "1", "--json"]).exits(0).json();
    let question = &why[0]["why"]["questions"][0];
    assert_eq!(question["code"], "shared-key", "{why}");
    let ran = world.run(&["why", "1"]).exits(0);
    assert!(ran.stdout.contains("syncctl answer mailchimp"), "{ran:?}");
}
