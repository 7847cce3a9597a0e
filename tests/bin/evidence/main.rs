//! Gathers evidence and writes `EVIDENCE.md`: see `cargo xtask evidence`.
//!
//! What was gathered is kept in `target/evidence.json` after each portion, so that it may stop at any seed and resume.

mod page;
mod state;

use std::{
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use sync_tests::sim::{PLAYERS, creates, play_all};

use self::state::{Kills, State, Swept};

/// How many histories of each provider are aimed at.
const AIM: u64 = 1_000_000;
/// How many histories are played between two notes of where it stands.
const PORTION: u64 = 5_000;
/// How many records the worlds of the creates have.
const TRIPS_A_WORLD: u64 = 1_000;

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
    threads: u64,
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked { from: None, histories: AIM, minutes: u64::MAX, creates: 1_000_000, kills: 0, threads: 2 };
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
            "--threads" => asked.threads = number,
            _ => {
                return Err(format!(
                    "unknown: {name}; there are --from, --histories, --minutes, --creates, --kills, --threads"
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
    while state.creates.wanted < asked.creates {
        state.creates.add(creates::with_lost_answers(state.creates.wanted, TRIPS_A_WORLD));
        if state.creates.wanted.is_multiple_of(50 * TRIPS_A_WORLD) {
            println!("creates: {:?}", state.creates);
            note(&state)?;
        }
    }
    note(&state)?;
    if asked.kills > 0 && state.kills.is_none_or(|kills| kills.n < asked.kills) {
        state.kills = Some(kills(&root, asked.kills)?);
        note(&state)?;
    }
    if state.refreshes.is_none() {
        state.refreshes = Some(is_green(&root, &["-p", "sync-dispatch", "--features", "sqlite", "refresh"]));
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
            return Ok(());
        }
    }
}

fn commit(root: &Path) -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(root).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// The real thing: processes over HTTP and a database file, killed by the operating system.
fn kills(root: &Path, n: u64) -> Result<Kills, String> {
    let output = Command::new("cargo")
        .args(["test", "--quiet", "-p", "sync-cli", "--test", "kill", "--", "--nocapture"])
        .env("SYNC_TEST_KILLS", n.to_string())
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find(|line| line.contains("processes were killed"));
    let mut numbers = line.into_iter().flat_map(|line| line.split(' ')).filter_map(|word| word.parse().ok());
    let (n, rounds) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    println!("kills: {n} of {rounds}, {}", output.status);
    Ok(Kills { n, rounds, held: output.status.success() })
}

fn is_green(root: &Path, args: &[&str]) -> bool {
    let status = Command::new("cargo").args(["test", "--quiet"]).args(args).current_dir(root).status();
    status.is_ok_and(|status| status.success())
}
