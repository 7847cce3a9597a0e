//! The public API of the crates that hosts write against, as committed text: a change shows in the diff of a review.
//!
//! rustdoc's JSON is not stable yet, so the pinned compiler is told to give it all the same, and the crate that reads it is
//! pinned to the same form. `RUSTC_BOOTSTRAP` is set for rustdoc alone, by standing in for it: set for all of cargo it
//! would be told to build scripts, and every dependency be built again.

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    process::{Command, ExitCode},
};

use public_api::Builder;

use crate::{
    Result,
    cargo::{cargo, root},
    run,
};

/// Set where this program stands in for rustdoc: the real one.
const REAL: &str = "XTASK_RUSTDOC";

/// The crates, and the features with which all of their API is there.
const CRATES: &[(&str, &str)] = &[("sync-core", ""), ("sync-dispatch", "all-providers,sqlite")];

/// Runs rustdoc in its place, when cargo started this program as rustdoc.
pub(crate) fn stand_in() -> Option<ExitCode> {
    let mut rustdoc = Command::new(env::var_os(REAL)?);
    let status = rustdoc.args(env::args_os().skip(1)).env_remove(REAL).env("RUSTC_BOOTSTRAP", "1").status();
    Some(if status.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Compares the snapshots with what is there, or writes them.
pub(super) fn run(bless: bool) -> Result<()> {
    let differences: Vec<String> = CRATES
        .iter()
        .map(|(name, features)| {
            let is = api(name, features)?;
            let path = root().join("crates").join(name).join("public-api.txt");
            snapshot(&path, &is, bless)
        })
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the public API is not what its snapshot says. Is it meant to change, and does the change break hosts? Then \
         `cargo xtask supply --bless`, and say so in the commit.\n{}",
        differences.join("\n")
    ))
}

/// The items of a crate's API, one a line.
fn api(name: &str, features: &str) -> Result<String> {
    let rustdoc = env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into());
    let this = env::current_exe().map_err(|error| format!("this program's own path is not known: {error}"))?;
    let mut args = vec!["rustdoc", "--quiet", "--package", name, "--lib"];
    if !features.is_empty() {
        args.extend(["--features", features]);
    }
    args.extend(["--", "-Z", "unstable-options", "--output-format", "json"]);
    run::check(cargo(&args).env("RUSTDOC", this).env(REAL, rustdoc))?;
    let json = target()?.join("doc").join(name.replace('-', "_")).with_extension("json");
    let api = Builder::from_rustdoc_json(json)
        // What every type has says nothing about ours.
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .map_err(|error| format!("the API of {name} can't be read: {error}"))?;
    Ok(api.items().map(|item| format!("{item}\n")).collect())
}

/// Where cargo builds: `target`, unless the machine says otherwise.
fn target() -> Result<std::path::PathBuf> {
    let json = crate::cargo::output(&["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: serde_json::Value = serde_json::from_str(&json).map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(metadata["target_directory"].as_str().ok_or("cargo metadata names no target directory")?.into())
}

/// Writes a snapshot, or tells how it differs.
fn snapshot(path: &Path, is: &str, bless: bool) -> Result<Option<String>> {
    let name = path.strip_prefix(root()).unwrap_or(path).display();
    if bless {
        println!("    {name}: {} items", is.lines().count());
        return fs::write(path, is).map(|()| None).map_err(|error| format!("{name}: {error}"));
    }
    let was =
        fs::read_to_string(path).map_err(|error| format!("{name}: {error}; `cargo xtask supply --bless` writes it"))?;
    println!("    {name}: {} items", was.lines().count());
    Ok(difference(&was, is).map(|lines| format!("{name}:\n{lines}")))
}

/// The lines that are gone and those that are new. Items stand in one order, so no line only moves.
fn difference(was: &str, is: &str) -> Option<String> {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (was.lines().collect(), is.lines().collect());
    let gone = old.difference(&new).map(|line| (*line, '-'));
    let added = new.difference(&old).map(|line| (*line, '+'));
    let mut lines: Vec<(&str, char)> = gone.chain(added).collect();
    lines.sort_by_key(|(line, sign)| (*line, *sign == '+'));
    match lines.is_empty() {
        true if was == is => None,
        true => Some("  the same items in another order".to_owned()),
        false => Some(lines.iter().map(|(line, sign)| format!("  {sign} {line}")).collect::<Vec<_>>().join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_changed_shows_as_it_was_and_as_it_is() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("fn a()\nfn b()\n", "fn a(u8)\nfn b()\n").as_deref(), Some("  - fn a()\n  + fn a(u8)"));
        assert_eq!(difference("a\n", "a\nb\n").as_deref(), Some("  + b"));
        assert!(difference("a\nb\n", "b\na\n").is_some_and(|text| text.contains("order")));
    }

    #[test]
    fn a_snapshot_that_differs_fails_and_blessing_renews_it() {
        let folder = env::temp_dir().join(format!("xtask-api-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("public-api.txt");
        assert!(snapshot(&path, "a\n", false).unwrap_err().contains("--bless"));
        assert_eq!(snapshot(&path, "a\n", true), Ok(None));
        assert_eq!(snapshot(&path, "a\n", false), Ok(None));
        assert!(snapshot(&path, "b\n", false).unwrap().is_some_and(|text| text.contains("- a") && text.contains("+ b")));
        fs::remove_dir_all(&folder).unwrap();
    }
}
