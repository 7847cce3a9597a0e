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

const STEPS: &[Step] = &[
    ("licences, bans, sources", |_| deny()),
    ("public API", api::run),
    ("minimal versions", |_| minimal::run()),
    ("bill of materials", |_| sbom::run()),
];

/// Runs all steps. With `bless`, the snapshots of the public API are written anew.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let bless = match args {
        [] => false,
        ["--bless"] => true,
        other => return Err(format!("supply takes --bless alone, not {}", other.join(" "))),
    };
    let mut table = String::new();
    let mut all = Duration::ZERO;
    for (step_idx, (name, step)) in STEPS.iter().enumerate() {
        println!("\n[{}/{}] {name}", step_idx + 1, STEPS.len());
        let start = Instant::now();
        step(bless).map_err(|error| format!("{name}: {error}"))?;
        all += start.elapsed();
        table += &format!("{name:<24}{:>8.1} s\n", start.elapsed().as_secs_f64());
    }
    println!("\n{table}{:<24}{:>8.1} s", "together", all.as_secs_f64());
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
    // Both are workspaces that people build.
    for manifest in ["Cargo.toml", "tests/fuzz/Cargo.toml"] {
        let mut command = cargo(&["deny", "--locked", "--log-level", "error", "--manifest-path"]);
        command.arg(root.join(manifest)).arg("--config").arg(root.join("deny.toml"));
        command.args(["check", "--hide-inclusion-graph"]);
        // What only one of the two has is not superfluous.
        command.args(["--allow", "license-not-encountered", "licenses", "bans", "sources"]);
        run::check(&mut command)?;
    }
    Ok(())
}
