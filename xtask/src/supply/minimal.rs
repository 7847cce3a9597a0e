//! Minimal versions: the oldest versions that our requirements admit are ones that we compile with.
//!
//! Done in a copy of the sources, whose requirements are `=` their own lower bound, so that neither `Cargo.lock` nor an
//! unstable flag is needed; what others require stays as it is locked, and no release of today changes the outcome.

use std::{fs, path::Path};

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
    run::check(cargo(CHECKED).current_dir(&copy))
        .map_err(|error| format!("{error}\na requirement in the root's Cargo.toml is older than what we need: raise it"))
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
