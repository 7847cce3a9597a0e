//! Checks and chores of this workspace: `cargo xtask help`.

#[cfg(feature = "bench")]
mod bench;
mod cargo;
mod ci;
mod docs;
mod features;
mod proof;
mod run;
#[cfg(feature = "supply")]
mod supply;
mod tidy;
mod tree;

use std::process::ExitCode;

/// What went wrong, as a sentence that names the fix where there is one.
type Result<T> = std::result::Result<T, String>;

const HELP: &str = "\
cargo xtask COMMAND

  ci               everything that must hold: format, tidy, lints, tests, doc tests, docs, features, docs --check
  tidy             rules that no compiler checks: layers, manifests, texts, invariants
  features         each library by itself and each feature alone; sync-dispatch with none, one and all
  docs [--check]   writes the README's provider table from the descriptors, or checks that it is up to date
  bench [NAME…]    measures against the limits, prints figures, writes BENCH.md; --quick: a twentieth of the records
  supply [STEP…]   deny: licences, bans and sources; api: the public API against its snapshots (--bless renews them);
                   minimal: the oldest versions that are admitted; sbom: a bill of materials in target/sbom.cdx.json
  sim --seed N --runs M [--provider P] [--threads T] [--failures F]
                   plays random histories; a failing seed is printed with a shorter history
  evidence [--from SEED] [--histories N] [--minutes M] [--kills K] [--creates C]
                   goes on with histories, sweeps, kills and creates where it stopped, and writes EVIDENCE.md
  help             this text
";

/// Starts itself again with what reads a public API.
#[cfg(not(feature = "supply"))]
fn supply(args: &[&str]) -> Result<()> {
    let again = ["run", "--quiet", "--package", "xtask", "--features", "supply", "--", "supply"];
    run::check(&mut cargo::cargo(&[&again, args].concat()))
}

#[cfg(feature = "supply")]
fn supply(args: &[&str]) -> Result<()> {
    supply::run(args)
}

/// Starts itself again, optimised and with what measuring needs.
#[cfg(not(feature = "bench"))]
fn bench(args: &[&str]) -> Result<()> {
    let again = ["run", "--quiet", "--release", "--package", "xtask", "--features", "bench", "--", "bench"];
    run::check(&mut cargo::cargo(&[&again, args].concat()))
}

#[cfg(feature = "bench")]
fn bench(args: &[&str]) -> Result<()> {
    bench::run(args)
}

fn main() -> ExitCode {
    #[cfg(feature = "supply")]
    if let Some(code) = supply::stand_in_for_rustdoc() {
        return code;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["ci"] => ci::run(),
        ["tidy"] => tidy::run(),
        ["features"] => features::run().map(drop),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["supply", rest @ ..] => supply(rest),
        ["bench", rest @ ..] => bench(rest),
        ["sim", rest @ ..] => proof::start("sim", rest),
        ["evidence", rest @ ..] => proof::start("evidence", rest),
        #[cfg(feature = "bench")]
        ["bench-peer", rest @ ..] => bench::peer::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown: {}\n\n{HELP}", other.join(" "))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
