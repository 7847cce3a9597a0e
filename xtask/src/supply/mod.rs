//! `cargo xtask supply`: what comes into a build, and what goes out of it. Needs `cargo-deny`; `.ci/run` installs it.

mod api;
mod minimal;
mod sbom;

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    Result,
    cargo::{self, cargo},
    run,
};

pub(crate) use api::stand_in as stand_in_for_rustdoc;

/// A step and its name.
type Step = (&'static str, fn(bool) -> Result<()>);

const STEPS: &[Step] =
    &[("deny", |_| deny()), ("api", api::run), ("minimal", |_| minimal::run()), ("sbom", |_| sbom::run())];

/// Runs the steps that are named, or all. With `--bless`, the snapshots of the public API are written anew.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let bless = args.contains(&"--bless");
    let named: Vec<&str> = args.iter().copied().filter(|arg| *arg != "--bless").collect();
    if let Some(unknown) = named.iter().find(|name| STEPS.iter().all(|(step, _)| step != *name)) {
        let known: Vec<&str> = STEPS.iter().map(|(step, _)| *step).collect();
        return Err(format!("supply has no step {unknown}: name some of {}", known.join(", ")));
    }
    let mut table = String::new();
    let mut all = Duration::ZERO;
    for (name, step) in STEPS.iter().filter(|(step, _)| named.is_empty() || named.contains(step)) {
        println!("\n{name}");
        let start = Instant::now();
        step(bless).map_err(|error| format!("{name}: {error}"))?;
        all += start.elapsed();
        table += &format!("{name:<14}{:>9.1} s\n", start.elapsed().as_secs_f64());
    }
    println!("\n{table}{:<14}{:>9.1} s", "together", all.as_secs_f64());
    Ok(())
}

/// `deny.toml`, without the advisories: their database is not part of a clone.
fn deny() -> Result<()> {
    let is_here = cargo(&["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !is_here.is_ok_and(|status| status.success()) {
        return Err(
            "cargo-deny is missing: `cargo install --locked cargo-deny`, in the version that .ci/run names".to_owned()
        );
    }
    let root = cargo::root();
    // Both are workspaces that people build. The lock file of the fuzzing targets follows the crates that they are about.
    for (manifest, locked) in [("Cargo.toml", &["--locked"][..]), ("tests/fuzz/Cargo.toml", &[])] {
        let mut command = cargo(&["deny", "--log-level", "error"]);
        command.args(locked).arg("--manifest-path").arg(root.join(manifest)).arg("--config").arg(root.join("deny.toml"));
        command.args(["check", "--hide-inclusion-graph"]);
        // What only one of the two has is not superfluous.
        command.args(["--allow", "license-not-encountered", "licenses", "bans", "sources"]);
        run::check(&mut command)?;
    }
    Ok(())
}
