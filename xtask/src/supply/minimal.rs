//! Minimal versions: the oldest versions that our requirements admit are ones that we compile with.
//!
//! Done in a copy of the sources, whose requirements are `=` their own lower bound, so that neither `Cargo.lock` nor an
//! unstable flag is needed; what others require stays as it is locked, and no release of today changes the outcome.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Result,
    cargo::{cargo, root},
    run,
    tree::Tree,
};

/// What hosts build: everything they can get, on the embedded store.
const CHECKED: &[&str] = &["check", "--lib", "--package", "sync-dispatch", "--features", "all-providers,sqlite"];

/// Compiles the copy.
pub(super) fn run() -> Result<()> {
    let copy = root().join("target/minimal-versions");
    let tree = Tree::read(&root())?;
    let manifest = tree.text("Cargo.toml").ok_or("Cargo.toml is missing")?;
    let (exact, n_exact) = exact(manifest);
    println!("    {n_exact} requirements at their lower bounds, in target/minimal-versions");
    for (path, text) in tree.files().filter(|(path, _)| is_source(path)) {
        let text = if path == "Cargo.toml" { exact.as_str() } else { text };
        write(&copy.join(path), text)?;
    }
    if let Some(why) = unfetched(&copy)? {
        println!("    skipped: the old versions can't be fetched here: {why}");
        return Ok(());
    }
    // What is locked at its lower bound already is not compiled twice.
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    run::check(cargo(CHECKED).current_dir(&copy).env("CARGO_TARGET_DIR", target))
        .map_err(|error| format!("{error}\na requirement in the root's Cargo.toml is older than what we need: raise it"))
}

/// Why old versions can't be fetched, where that is the network's fault: who works offline is not held up.
fn unfetched(copy: &Path) -> Result<Option<String>> {
    let out = cargo(&["fetch", "--quiet"]).current_dir(copy).output();
    let out = out.map_err(|error| format!("`cargo fetch` did not start: {error}"))?;
    if out.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&out.stderr);
    match is_of_network(&text) {
        true => Ok(text.lines().last().map(str::to_owned)),
        false => Err(format!("no versions satisfy the lower bounds together: raise those that are named:\n{text}")),
    }
}

/// True for what cargo says where it reaches no registry, or the registry doesn't have a file.
fn is_of_network(text: &str) -> bool {
    ["failed to download", "failed to query replaced source", "spurious network error", "resolve host", "failed to get `"]
        .iter()
        .any(|words| text.contains(words))
        && !text.contains("failed to select a version")
}

/// What a build reads: manifests, sources and what they include.
fn is_source(path: &str) -> bool {
    let is_ours = ["crates/", "xtask/", "tests/"].iter().any(|folder| path.starts_with(folder));
    (is_ours && !path.starts_with("tests/fuzz/"))
        || ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "README.md", "ARCHITECTURE.md"].contains(&path)
}

/// A file that is as it shall be is left alone, so that a second run compiles nothing. The lock file always starts as ours.
fn write(path: &Path, text: &str) -> Result<()> {
    if fs::read(path).is_ok_and(|is| is == text.as_bytes()) {
        return Ok(());
    }
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    fs::write(path, text).map_err(failed)
}

/// The root manifest with `=` before each version of `[workspace.dependencies]`, and how many that are.
fn exact(manifest: &str) -> (String, usize) {
    let (mut text, mut n, mut is_there) = (String::with_capacity(manifest.len()), 0, false);
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_there = line == "[workspace.dependencies]";
        }
        let version = (is_there && !line.starts_with('#')).then(|| version(line)).flatten();
        match version {
            Some((before, version, after)) => {
                n += 1;
                text += &format!("{before}={}{after}\n", full(version));
            }
            None => text += &format!("{line}\n"),
        }
    }
    (text, n)
}

/// The version of a line `name = "1.2"` or `name = { version = "1.2", … }`, and what stands around it.
fn version(line: &str) -> Option<(&str, &str, &str)> {
    let (_, value) = line.split_once(" = ")?;
    let from = match value.starts_with('"') {
        true => line.find('"')?,
        false => line.find("version = \"")? + "version = ".len(),
    } + 1;
    let (before, rest) = line.split_at(from);
    let (version, after) = rest.split_at(rest.find('"')?);
    version.starts_with(|c: char| c.is_ascii_digit()).then_some((before, version, after))
}

/// With all three numbers: `=1.2` would admit every patch.
fn full(version: &str) -> String {
    let missing = 2_usize.saturating_sub(version.matches('.').count());
    format!("{version}{}", ".0".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_set_to_their_lower_bound() {
        let manifest = "[workspace.package]\nversion = \"0.1.0\"\n[workspace.dependencies]\na = \"1\"\n# b = \"1\"\n\
            b = { version = \"0.2.3\", features = [\"x\"] }\nc = { path = \"crates/c\" }\nd = \"=0.52.1\"\n[profile.dev]\ndebug = \"1\"\n";
        let (text, n) = exact(manifest);
        assert_eq!(n, 2);
        assert!(text.contains("a = \"=1.0.0\"\n") && text.contains("version = \"=0.2.3\", features"), "{text}");
        let kept = ["version = \"0.1.0\"\n", "# b = \"1\"\n", "path = \"crates/c\"", "d = \"=0.52.1\"", "debug = \"1\"\n"];
        assert!(kept.iter().all(|kept| text.contains(kept)), "{text}");
    }

    #[test]
    fn who_is_offline_is_not_told_that_a_requirement_is_wrong() {
        let offline = "error: failed to download from `https://x/`\nCaused by:\n  [6] Couldn't resolve host name";
        assert!(is_of_network(offline));
        let wrong = "error: failed to select a version for the requirement `a = \"=0.0.1\"`";
        assert!(!is_of_network(wrong) && !is_of_network("error: invalid manifest"));
    }

    #[test]
    fn the_roots_own_requirements_are_all_found() {
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let outside = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        let expected = outside
            .lines()
            .filter(|line| {
                line.contains(" = ") && !line.starts_with('#') && !line.contains("path = ") && !line.contains("\"=")
            })
            .count();
        assert_eq!(exact(&manifest).1, expected);
    }
}
