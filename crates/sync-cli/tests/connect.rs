//! Signing in with the browser: the page, the way back, and all that can go wrong between them.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, ChildStderr, Stdio},
};

use serde_json::{Value, json};
use support::World;
use sync_sandbox::{
    Google, GoogleClientSeed, GoogleSeed, SandboxOptions, Xero, XeroClientSeed, XeroConsentSeed, XeroSeed, XeroTenantSeed,
};
use url::{Url, form_urlencoded};

const CAPTAIN: &str = "captain@example.com";
const APP_CREATED: &str = "https://www.googleapis.com/auth/calendar.app.created";
const LIST: &str = "https://www.googleapis.com/auth/calendar.calendarlist.readonly";

/// A folder, and Google.
struct Port {
    world: World,
}

/// The program, waiting for somebody to sign in.
struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
    page: Url,
}

impl Port {
    fn new() -> Self {
        Self::with(GoogleClientSeed::new("client-1", "client-s3cret"))
    }

    fn with(client: GoogleClientSeed) -> Self {
        let seed = GoogleSeed::new(CAPTAIN).with_oauth_client(client);
        let world = World::around(Google::new(seed), SandboxOptions::default());
        let url = format!("http://127.0.0.1:{}", world.port);
        let endpoints = format!("api = \"{url}\"\naccounts = \"{url}\"\ntoken = \"{url}\"\n");
        world.write("syncctl.toml", format!("organization = \"reef\"\n[providers.google-calendar.endpoints]\n{endpoints}"));
        Self { world }
    }

    fn connect(&self, args: &[&str]) -> Waiting {
        self.connect_with(args, |command| {
            command
                .env("SYNCCTL_GOOGLE_CALENDAR_CLIENT_ID", "client-1")
                .env("SYNCCTL_GOOGLE_CALENDAR_CLIENT_SECRET", "client-s3cret");
        })
    }

    /// Starts it, and reads the page that it wants to be opened.
    fn connect_with(&self, args: &[&str], change: impl FnOnce(&mut std::process::Command)) -> Waiting {
        let args = [&["connect", "google-calendar"], args].concat();
        let mut command = self.world.command(&args);
        change(&mut command);
        Waiting::on(command)
    }

    fn request(&self, method: &str, path: &str, body: &str) -> String {
        http(self.world.port, method, path, body)
    }
}

impl Waiting {
    /// Starts it, and reads the page.
    fn on(mut command: std::process::Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let page = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "no page to open");
            assert!(!line.starts_with("error"), "{line}");
            if let Ok(page) = line.trim().parse::<Url>() {
                break page;
            }
        };
        Self { child, stderr, page }
    }

    /// What the page does when the person decides; where the browser is sent.
    fn decide(&self, port: &Port, allow: bool, untick: &[&str]) -> Url {
        let query = self.page.query().unwrap();
        let path = format!("{}?{query}", self.page.path());
        assert!(port.request("GET", &path, "").contains("wants access to your Google Account"));
        let mut form = form_urlencoded::Serializer::new(format!("{query}&allow={}", if allow { "yes" } else { "no" }));
        let asked = self.param("scope");
        for scope in asked.split(' ').filter(|scope| !untick.contains(scope)) {
            form.append_pair("granted", scope);
        }
        let answer = port.request("POST", self.page.path(), &form.finish());
        sent_to(&answer)
    }

    fn param(&self, name: &str) -> String {
        self.page.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned()
    }

    /// The port of the way back.
    fn port(&self) -> u16 {
        self.param("redirect_uri").parse::<Url>().unwrap().port().unwrap()
    }

    /// Waits until the program ends: its code, the document, and what it said.
    fn end(mut self) -> (i32, Value, String) {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        let output = self.child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), serde_json::from_str(&text).unwrap_or(Value::Null), said)
    }
}

/// One request, and all of its answer.
fn http(port: u16, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Where an answer sends the browser.
fn sent_to(answer: &str) -> Url {
    let back = answer
        .lines()
        .find_map(|line| line.to_lowercase().starts_with("location:").then(|| line["location:".len()..].trim()));
    back.unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

/// The browser follows the way back.
fn follow(back: &Url) -> String {
    http(back.port().unwrap(), "GET", &format!("{}?{}", back.path(), back.query().unwrap()), "")
}

#[test]
fn the_browser_comes_back_and_a_calendar_of_its_own_is_made() {
    let port = Port::new();
    let waiting = port.connect(&["--json"]);
    assert_eq!((waiting.param("code_challenge_method"), waiting.param("access_type")), ("S256".into(), "offline".into()));
    assert!(waiting.param("scope").starts_with(APP_CREATED), "the narrowest scope");
    let back = waiting.decide(&port, true, &[]);
    let reply = follow(&back);
    assert!(reply.contains("Connected to captain@example.com. You can close this page"), "{reply}");
    let (code, connected, said) = waiting.end();
    assert_eq!(code, 0, "{connected} {said}");
    assert_eq!((&connected["account"], &connected["scope"]["organization"]), (&json!(CAPTAIN), &json!("reef")));
    let calendar = connected["settings"]["calendar"].as_str().unwrap();
    assert!(calendar.ends_with("@group.calendar.google.com"), "{connected}");
    let shown = port.world.run(&["plan", "google-calendar", "--json"]);
    assert_eq!(shown.code, 0, "{shown:?}");
}

#[test]
fn xero_sends_people_back_to_localhost_and_one_of_its_organisations_is_chosen() {
    let consent = XeroConsentSeed::default().choosing("Blue Manta Diving").choosing("Reef School");
    let seed = XeroSeed::new("desk@shop.example.com", XeroTenantSeed::new("Blue Manta Diving"))
        .with_tenant((0..300).fold(XeroTenantSeed::new("Reef School"), |school, n| {
            school.with_contact(json!({"Name": if n == 299 { "Walk-in".to_owned() } else { format!("Diver {n}") }}))
        }))
        .with_oauth_client(XeroClientSeed::new("client-1", "client-s3cret"))
        .with_consent(consent);
    let world = World::around(Xero::new(seed), SandboxOptions::default());
    let url = format!("http://127.0.0.1:{}", world.port);
    let endpoints = format!("api = \"{url}\"\nlogin = \"{url}\"\nidentity = \"{url}\"\n");
    world.write("syncctl.toml", format!("organization = \"reef\"\n[providers.xero.endpoints]\n{endpoints}"));
    let school = XeroTenantSeed::new("Reef School").id();
    let mut command = world.command(&["connect", "xero", "--json", "--account", &school, "--setting", "account=200"]);
    command.env("SYNCCTL_XERO_CLIENT_ID", "client-1").env("SYNCCTL_XERO_CLIENT_SECRET", "client-s3cret");
    let waiting = Waiting::on(command);
    // Xero's page would refuse 127.0.0.1, and so does the double.
    assert!(waiting.param("redirect_uri").starts_with("http://localhost:"), "{}", waiting.page);
    let path = format!("{}?{}", waiting.page.path(), waiting.page.query().unwrap());
    let reply = follow(&sent_to(&http(world.port, "GET", &path, "")));
    assert!(reply.contains("You can close this page"), "{reply}");
    let (code, connected, said) = waiting.end();
    assert_eq!(code, 0, "{connected} {said}");
    assert_eq!(connected["account"], json!(school), "{connected}");

    // What the README says of files, as far as the books.
    world.write("customers.csv", "id,first name,last name\nC-1042,Ada,Lovelace\n");
    world.write(
        "invoices.jsonl",
        r#"{"id": "B-1", "number": "D-1042", "customer": "C-1042", "date": "2026-05-17", "currency": "EUR", "total": "180.00", "lines": [{"description": "Two dives", "quantity": 2, "unit_amount": "90.00", "line_type": "trip"}]}"#,
    );
    world.write(
        "payments.jsonl",
        r#"{"id": "P-1", "invoice": "B-1", "date": "2026-05-17", "currency": "EUR", "amount": "180.00", "method": "card"}"#,
    );
    for (collection, file) in
        [("customers", "customers.csv"), ("invoices", "invoices.jsonl"), ("payments", "payments.jsonl")]
    {
        world.run(&["import", collection, file]).exits(0);
    }
    world.run(&["settings", "xero", "--set", r#"payment_accounts={"card":"091"}"#]).exits(0);
    // Far behind what a list of contacts shows.
    let settings = world.run(&["settings", "xero", "--json", "--set", "walk_in_contact=walk-in"]).exits(0).json();
    assert_eq!(settings["settings"]["walk_in_contact"].as_str().map(str::len), Some(36), "an id: {settings}");
    let plan = world.run(&["sync", "xero", "--json"]).exits(5).json();
    let hash = plan["details"]["planHash"].as_str().unwrap().to_owned();
    world.run(&["sync", "xero", "--json", "--approve", &hash]).exits(0);
    let books = &world.sandbox.state()["tenants"]["Reef School"];
    let payments: Vec<&Value> = books["payments"].as_object().unwrap().values().collect();
    assert!(payments.len() == 1 && payments[0]["Amount"].as_f64() == Some(180.0), "{payments:?}");
}

#[test]
fn a_new_calendar_is_named_on_the_command_line() {
    let port = Port::new();
    let waiting = port.connect(&["--json", "--setting", "calendar=create:Boat Manta", "--setting", "zone=Europe/Madrid"]);
    follow(&waiting.decide(&port, true, &[]));
    let (code, connected, said) = waiting.end();
    assert_eq!(code, 0, "{connected} {said}");
    let state = port.world.sandbox.state().to_string();
    assert!(state.contains("Boat Manta"), "{state}");
}

#[test]
fn without_a_browser_here_the_address_is_pasted() {
    let port = Port::new();
    let mut waiting = port.connect(&["--paste", "--json"]);
    let back = waiting.decide(&port, true, &[]);
    waiting.child.stdin.as_mut().unwrap().write_all(format!("{back}\n").as_bytes()).unwrap();
    let (code, connected, said) = waiting.end();
    assert_eq!((code, &connected["account"]), (0, &json!(CAPTAIN)), "{said}");

    let mut again = port.connect(&["--paste", "--json"]);
    again.child.stdin.as_mut().unwrap().write_all(format!("{back}\n").as_bytes()).unwrap();
    let (code, refused, said) = again.end();
    assert_ne!(code, 0, "{refused} {said}");
    assert!(format!("{refused}{said}").contains("another browser"), "the first one's way back: {refused} {said}");
    let mut nonsense = port.connect(&["--paste"]);
    nonsense.child.stdin.as_mut().unwrap().write_all(b"4/0AbCdEf\n").unwrap();
    assert!(nonsense.end().2.contains("copy the whole address"));
}

#[test]
fn who_says_no_is_told_on_the_page_and_in_the_terminal() {
    let port = Port::new();
    let waiting = port.connect(&[]);
    let reply = follow(&waiting.decide(&port, false, &[]));
    assert!(reply.contains("Not connected: access to Google Calendar was not allowed."), "{reply}");
    let (code, _, said) = waiting.end();
    assert_ne!(code, 0);
    assert!(said.contains("access to Google Calendar was not allowed") && said.contains("Begin connecting"), "{said}");
}

#[test]
fn an_unticked_box_is_named_in_words_and_nothing_is_connected() {
    let port = Port::new();
    let waiting = port.connect(&["--scope", APP_CREATED, "--scope", LIST, "--scope", "email"]);
    let reply = follow(&waiting.decide(&port, true, &[LIST]));
    assert!(reply.contains("was not allowed to be used for: see the list of your calendars"), "{reply}");
    let (code, _, said) = waiting.end();
    assert!(code != 0 && said.contains("leave all boxes on its page ticked"), "{said}");
    port.world.run(&["plan", "google-calendar"]).says("no connection");
}

#[test]
fn strangers_at_the_door_end_nothing_and_a_way_back_counts_once() {
    let port = Port::new();
    let waiting = port.connect(&["--json"]);
    let door = waiting.port();
    assert!(http(door, "GET", "/favicon.ico", "").starts_with("HTTP/1.1 404"));
    assert!(http(door, "GET", "/callback?code=stolen&state=guessed", "").contains("belongs to no sign-in"));
    let back = waiting.decide(&port, true, &[]);
    assert!(follow(&back).contains("You can close this page"));
    let (code, connected, said) = waiting.end();
    assert_eq!(code, 0, "{connected} {said}");
    assert!(TcpStream::connect(("127.0.0.1", door)).is_err(), "the door is closed");
}

#[test]
fn an_address_that_is_not_registered_is_named_when_nobody_comes_back() {
    let port = Port::with(GoogleClientSeed::new("client-1", "client-s3cret").with_redirect("https://shop.example/back"));
    let waiting = port.connect(&["--timeout", "1"]);
    let path = format!("{}?{}", waiting.page.path(), waiting.page.query().unwrap());
    assert!(port.request("GET", &path, "").contains("redirect_uri_mismatch"));
    let door = waiting.port();
    let (code, _, said) = waiting.end();
    assert!(code != 0 && said.contains("nobody signed in within a second"), "{said}");
    assert!(said.contains("register it there") && said.contains(&format!("http://127.0.0.1:{door}/callback")));
}

#[cfg(unix)]
#[test]
fn the_page_is_opened_only_when_somebody_asks() {
    use std::os::unix::fs::PermissionsExt as _;
    let port = Port::new();
    let opened = port.world.path("opened");
    let script = port.world.write("browser.sh", format!("#!/bin/sh\nprintf %s \"$1\" > {}\n", opened.display()));
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    for open in [false, true] {
        let args: &[&str] = if open { &["--open"] } else { &[] };
        let waiting = port.connect_with(args, |command| {
            command
                .env("BROWSER", &script)
                .env("SYNCCTL_GOOGLE_CALENDAR_CLIENT_ID", "client-1")
                .env("SYNCCTL_GOOGLE_CALENDAR_CLIENT_SECRET", "client-s3cret");
        });
        let page = waiting.page.clone();
        follow(&waiting.decide(&port, false, &[]));
        waiting.end();
        assert_eq!(std::fs::read_to_string(&opened).ok(), open.then(|| page.to_string()));
    }
}

#[test]
fn an_organization_brings_its_own_client_which_is_kept_sealed() {
    let port = Port::with(GoogleClientSeed::new("own-client", "own-s3cret-canary"));
    port.world.run(&["connect", "google-calendar"]).says("there is no OAuth client for Google Calendar");
    let file = json!({"installed": {"client_id": "own-client", "client_secret": "own-s3cret-canary"}});
    port.world.write("client.json", file.to_string());
    let waiting = port.connect_with(&["--client-file", "client.json", "--json"], |_| {});
    assert_eq!(waiting.param("client_id"), "own-client");
    follow(&waiting.decide(&port, true, &[]));
    let (code, connected, said) = waiting.end();
    assert_eq!(code, 0, "{connected} {said}");
    for name in ["sync.db", "sync.db-wal"] {
        let Ok(bytes) = std::fs::read(port.world.path(name)) else { continue };
        let canary = b"own-s3cret-canary";
        assert!(!bytes.windows(canary.len()).any(|window| window == canary), "the secret is readable in {name}");
    }
    // From now on without the file.
    let again = port.connect_with(&["--json"], |_| {});
    assert_eq!(again.param("client_id"), "own-client");
    follow(&again.decide(&port, true, &[]));
    let (code, again, said) = again.end();
    assert_eq!((code, &again["sameAccount"]), (0, &json!(true)), "{said}");
}
