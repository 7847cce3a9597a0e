//! Plays random histories: see `cargo xtask sim`.

use std::{process::ExitCode, time::Instant};

use sync_tests::sim::{PLAYERS, play_all};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let number = |name: &str, default| value(name).and_then(|value| value.parse().ok()).unwrap_or(default);
    let (first, n_runs, n_threads) = (number("--seed", 1), number("--runs", 1_000), number("--threads", 1));
    let most = usize::try_from(number("--failures", 1)).unwrap_or(1);
    let provider = value("--provider").map(String::as_str);
    let players: Vec<_> = PLAYERS.iter().filter(|it| provider.is_none_or(|wanted| wanted == it.integration)).collect();
    if players.is_empty() {
        let names: Vec<_> = PLAYERS.iter().map(|player| player.integration).collect();
        eprintln!("error: no such provider; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    // A history that panics is told like any other.
    std::panic::set_hook(Box::new(|_| {}));
    let mut is_whole = true;
    for player in players {
        let began = Instant::now();
        let (tally, failures) = play_all(*player, first..first + n_runs, n_threads, most, |failure| println!("{failure}"));
        is_whole &= failures.is_empty();
        let (took, n_played) = (began.elapsed().as_secs_f64(), tally.histories + failures.len() as u64);
        println!("{}: from seed {first}: {tally}", player.integration);
        println!(
            "{}: {} failed; {took:.1} s on {n_threads} threads: {:.0} histories a second, {:.0} runs of the engine a second",
            player.integration,
            failures.len(),
            n_played as f64 / took,
            tally.runs as f64 / took
        );
        // What bounds it: nothing waits, so it is what each run does.
        let n_runs = tally.runs.max(1) as f64;
        println!(
            "{}: a history is {:.1} runs, and a run takes {:.2} ms of a core for {:.1} calls",
            player.integration,
            n_runs / tally.histories.max(1) as f64,
            took * 1_000.0 * n_threads as f64 / n_runs,
            tally.calls as f64 / n_runs
        );
    }
    if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
