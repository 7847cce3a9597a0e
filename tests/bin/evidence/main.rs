//! Gathers evidence and writes `EVIDENCE.md`: see `cargo xtask evidence`.
//!
//! What was gathered is kept in `target/evidence.json` after each portion, so that it may stop at any seed and resume.

mod page;
mod state;

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, ExitCode, Output},
    time::{Duration, Instant},
};

use sync_tests::sim::{
    PLAYERS,
    creates::{self, Creates},
    play_all,
};

use self::state::{Conformance, Kills, State, Swept};

/// How many histories of each provider are aimed at.
const AIM: u64 = 1_000_000;
/// How many histories are played between two notes of where it stands.
const PORTION: u64 = 5_000;
/// How many records are made in one world of the creates.
const A_WORLD: u64 = 1_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was asked for on the command line.
struct Asked {
    from: Option<u64>,
    histories: u64,
    minutes: u64,
    creates: u64,
    kills: u64,
    tests: u64,
    threads: u64,
}

fn asked() -> Result<Asked, String> {
    let mut asked =
        Asked { from: None, histories: AIM, minutes: u64::MAX, creates: 1_000_000, kills: 0, tests: 1, threads: 2 };
    let args: Vec<String> = std::env::args().skip(1).collect();
    for pair in args.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} wants a number", pair.join(" "))) };
        let number: u64 = value.parse().map_err(|_| format!("{name} wants a number, not {value}"))?;
        match name.as_str() {
            "--from" => asked.from = Some(number),
            "--histories" => asked.histories = number,
            "--minutes" => asked.minutes = number,
            "--creates" => asked.creates = number,
            "--kills" => asked.kills = number,
            "--tests" => asked.tests = number,
            "--threads" => asked.threads = number,
            _ => {
                return Err(format!(
                    "unknown: {name}; there are --from, --histories, --minutes, --creates, --kills, --tests, --threads"
                ));
            }
        }
    }
    Ok(asked)
}

fn run() -> Result<(), String> {
    let asked = asked()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (kept, page) = (root.join("target/evidence.json"), root.join("EVIDENCE.md"));
    let mut state = State::read(&kept);
    state.commit = commit(&root);
    let note = |state: &State| -> Result<(), String> {
        state.write(&kept)?;
        std::fs::write(&page, page::of(state)).map_err(|error| format!("{}: {error}", page.display()))
    };
    // A history or a point that panics is told like any other.
    std::panic::set_hook(Box::new(|_| {}));
    let is_swept = !state.sweeps.is_empty();
    for player in PLAYERS.iter().filter(|_| !is_swept) {
        let began = Instant::now();
        let swept = (player.sweep)(0..4);
        println!("{}: {swept}", player.integration);
        let (broken, seconds) = (swept.broken.len() as u64, began.elapsed().as_secs_f64());
        state.sweeps.insert(player.integration.to_owned(), Swept { by_name: swept.by_name, broken, seconds });
    }
    note(&state)?;
    type Make = fn(u64, u64) -> Creates;
    let kinds: [(&str, Make, u64); 2] =
        [("google-calendar", creates::in_a_calendar, A_WORLD), ("xero", creates::in_books, A_WORLD / 4)];
    for (name, make, n) in kinds {
        loop {
            let made = state.creates.entry(name.to_owned()).or_default();
            // Together they are as many as were asked for.
            if made.wanted >= asked.creates / kinds.len() as u64 {
                break;
            }
            made.add(make(made.wanted, n));
            if made.wanted.is_multiple_of(20 * A_WORLD) {
                println!("{name}, creates: {made:?}");
                note(&state)?;
            }
        }
    }
    note(&state)?;
    if asked.kills > 0 && state.kills.is_none_or(|kills| kills.n < asked.kills) {
        state.kills = Some(kills(&root, asked.kills)?);
        note(&state)?;
    }
    if asked.tests > 0 {
        if state.refreshes.is_none() {
            state.refreshes = Some(test(&root, &["refresh_race"], &[])?.status.success());
            note(&state)?;
        }
        if state.merged.is_none() {
            state.merged = merged(&root)?;
            note(&state)?;
        }
        state.conformance = conformance(&root)?;
        note(&state)?;
    }
    let until = Instant::now() + Duration::from_secs(asked.minutes.saturating_mul(60).min(u64::from(u32::MAX)));
    let first = asked.from.unwrap_or(0);
    loop {
        let is_open = |next: u64| next < first + asked.histories && Instant::now() < until;
        let mut went_on = false;
        for player in PLAYERS {
            let played = state.histories.entry(player.integration.to_owned()).or_default();
            if asked.from.is_some_and(|from| from > played.next) {
                played.next = first;
            }
            if !is_open(played.next) {
                continue;
            }
            let end = (played.next + PORTION).min(first + asked.histories);
            let began = Instant::now();
            let (tally, failures) =
                play_all(*player, played.next..end, asked.threads, usize::MAX, |failure| println!("{failure}"));
            played.took(tally, &failures, end, began.elapsed().as_secs_f64(), asked.threads);
            println!("{}: to seed {end}, {} failed", player.integration, failures.len());
            note(&state)?;
            went_on = true;
        }
        if !went_on {
            break;
        }
    }
    for player in PLAYERS {
        if state.files.contains_key(player.integration) {
            continue;
        }
        let began = Instant::now();
        let swept = (player.sweep_files)(0..1, 1);
        println!("{} over files: {swept}", player.integration);
        let (broken, seconds) = (swept.broken.len() as u64, began.elapsed().as_secs_f64());
        state.files.insert(player.integration.to_owned(), Swept { by_name: swept.by_name, broken, seconds });
        note(&state)?;
    }
    Ok(())
}

fn commit(root: &Path) -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(root).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// Runs tests of the workspace as `cargo xtask ci` builds them: these targets, and what goes behind the dashes.
fn test(root: &Path, targets: &[&str], args: &[&str]) -> Result<Output, String> {
    test_with(root, targets, args, &[])
}

fn test_with(root: &Path, targets: &[&str], args: &[&str], env: &[(&str, String)]) -> Result<Output, String> {
    let everything = std::env::var("SYNC_TEST_WORKSPACE").unwrap_or_else(|_| "--workspace".to_owned());
    let mut command = Command::new("cargo");
    command.arg("test").args(everything.split(' ')).current_dir(root).envs(env.iter().cloned());
    for target in targets {
        command.args(["--test", target]);
    }
    if targets.is_empty() {
        command.arg("--lib");
    }
    command.arg("--").arg("--nocapture").args(args);
    command.output().map_err(|error| format!("cargo: {error}"))
}

/// The laws of merging over a million records; nothing where they did not hold.
fn merged(root: &Path) -> Result<Option<u64>, String> {
    const RECORDS: u64 = 1_000_000;
    let output = test_with(root, &[], &["plan::laws::"], &[("SYNC_TEST_RECORDS", RECORDS.to_string())])?;
    let ran = String::from_utf8_lossy(&output.stdout).contains("plan::laws::a_second_merge_plans_nothing ... ok");
    Ok((output.status.success() && ran).then_some(RECORDS))
}

/// The real thing: processes over HTTP and a database file, killed by the operating system.
fn kills(root: &Path, n: u64) -> Result<Kills, String> {
    let output = test_with(root, &["kill"], &[], &[("SYNC_TEST_KILLS", n.to_string())])?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find(|line| line.contains("processes were killed"));
    let mut numbers = line.into_iter().flat_map(|line| line.split(' ')).filter_map(|word| word.parse().ok());
    let (n, rounds) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    println!("kills: {n} of {rounds}, {}", output.status);
    Ok(Kills { n, rounds, held: output.status.success() })
}

/// Whose conformance suites they are: cargo runs packages in the order of their names.
const SUITES: &[&str] = &["google-calendar", "mailchimp", "xero"];

/// What the conformance suite says of each provider.
fn conformance(root: &Path) -> Result<BTreeMap<String, Conformance>, String> {
    let output = test(root, &["conformance"], &["--test-threads", "1"])?;
    let said = String::from_utf8_lossy(&output.stdout);
    // A suite's result stands where it ends.
    let suites: Vec<&str> = said.split("test result: ").collect();
    let mut all = BTreeMap::new();
    for (name, pair) in SUITES.iter().zip(suites.windows(2)) {
        let [suite, end] = pair else { continue };
        let mut found = Conformance::default();
        for (_, why) in suite.lines().filter_map(|line| line.split_once("spared: ")) {
            *found.spared.entry(why.to_owned()).or_default() += 1;
        }
        let mut numbers = end.split([' ', ';']).filter_map(|word| word.parse::<u64>().ok());
        let (passed, failed) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        (found.held, found.failed) = (passed.saturating_sub(found.spared.values().sum()), failed);
        all.insert((*name).to_owned(), found);
    }
    Ok(all)
}
