//! `cargo xtask ci`: what must hold before a change goes in. Stops at the first step that fails.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    Result,
    cargo::{self, cargo, has_nextest},
    docs, features,
    run::{self, Totals},
    tidy,
};

/// A step: its name, and what it does; it answers the tests that it ran.
type Step = (&'static str, fn() -> Result<Totals>);

/// The lints, the tests and the docs build with the same features, so that they share what they compile.
const STEPS: &[Step] = &[
    ("format", || {
        run::check(&mut cargo(&["fmt", "--all", "--", "--check"]))?;
        run::check(&mut cargo(&["fmt", "--manifest-path", "tests/fuzz/Cargo.toml", "--", "--check"])).map(none)
    }),
    ("tidy", || tidy::run().map(none)),
    ("lints", || run::check(&mut everything(&["clippy"], &["--all-targets", "--", "-D", "warnings"])?).map(none)),
    ("tests", || {
        let (runner, targets) = test_runner();
        let mut command = everything(runner, targets)?;
        if std::env::var_os(RUNS.0).is_none() {
            command.env(RUNS.0, RUNS.1);
        }
        run::tests(&mut command)
    }),
    ("doc tests", || run::tests(&mut everything(&["test", "--doc"], &[])?)),
    ("docs", || run::check(everything(&["doc", "--no-deps"], &[])?.env("RUSTDOCFLAGS", "-D warnings")).map(none)),
    ("features", features::run),
    ("docs --check", || docs::check().map(none)),
];

/// How many random histories of each of the three providers are played: over 10,000 together. A run of the tests by hand plays
/// a few.
const RUNS: (&str, &str) = ("SYNC_TEST_RUNS", "3400");

/// A command over the whole workspace with all features.
fn everything(before: &[&str], after: &[&str]) -> Result<Command> {
    let all = cargo::everything()?;
    Ok(cargo(&before.iter().copied().chain(all.iter().map(String::as_str)).chain(after.iter().copied()).collect::<Vec<_>>()))
}

/// What runs tests, doc tests apart: the words before and after the choice of packages.
pub(crate) fn test_runner() -> (&'static [&'static str], &'static [&'static str]) {
    if has_nextest() {
        (&["nextest", "run"], &["--no-tests=pass"])
    } else {
        (&["test"], &["--lib", "--bins", "--tests", "--examples"])
    }
}

fn none((): ()) -> Totals {
    Totals::default()
}

/// Runs all steps.
pub(crate) fn run() -> Result<()> {
    let mut done: Vec<(&str, Duration, Totals)> = Vec::new();
    for (step_idx, (name, step)) in STEPS.iter().enumerate() {
        println!("\n[{}/{}] {name}", step_idx + 1, STEPS.len());
        let start = Instant::now();
        match step() {
            Ok(totals) => {
                println!("    {name}: ok in {}", seconds(start.elapsed()));
                done.push((name, start.elapsed(), totals));
            }
            Err(error) => {
                println!("{}", table(&done));
                return Err(format!("{name} failed after {}\n{error}", seconds(start.elapsed())));
            }
        }
    }
    println!("{}", table(&done));
    Ok(())
}

fn table(done: &[(&str, Duration, Totals)]) -> String {
    let (mut text, mut time, mut totals) = (String::from("\n"), Duration::ZERO, Totals::default());
    for (name, took, tests) in done {
        let tests_text = if *tests == Totals::default() { String::new() } else { format!("  {tests}") };
        text += &format!("{name:<14}{:>9}{tests_text}\n", seconds(*took));
        time += *took;
        totals.add(*tests);
    }
    text + &format!("{:<14}{:>9}\ntests: {totals}", "together", seconds(time))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_table_adds_up_times_and_tests() {
        let tests = Totals { passed: 3, failed: 0, skipped: 1 };
        let done = [("format", Duration::from_millis(500), Totals::default()), ("tests", Duration::from_secs(2), tests)];
        let table = table(&done);
        assert!(table.contains("format            0.5 s\n"), "{table}");
        assert!(table.contains("together          2.5 s"), "{table}");
        assert!(table.ends_with("tests: 3 passed, 0 failed, 1 skipped"), "{table}");
    }

    #[test]
    fn a_command_over_everything_names_the_workspace_once() {
        let command = everything(&["clippy"], &["--", "-D", "warnings"]).unwrap();
        let line = run::line(&command);
        assert!(line.starts_with("cargo clippy --workspace --features ") && line.ends_with(" -- -D warnings"), "{line}");
    }
}
