//! The `cargo` that started us, and what it knows about the workspace.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::Result;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map(Path::to_path_buf).unwrap_or(here)
}

/// A cargo command in the root, without input.
pub(crate) fn cargo(args: &[impl AsRef<std::ffi::OsStr>]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}

/// What a cargo command prints. Its complaints go to our own standard error.
pub(crate) fn output(args: &[&str]) -> Result<String> {
    let line = format!("cargo {}", args.join(" "));
    let out = cargo(args).stderr(Stdio::inherit()).output().map_err(|error| format!("`{line}` did not start: {error}"))?;
    if !out.status.success() {
        return Err(format!("`{line}` failed ({})", out.status));
    }
    String::from_utf8(out.stdout).map_err(|_| format!("`{line}` printed something that is not UTF-8"))
}

/// True when `cargo nextest` is installed.
pub(crate) fn has_nextest() -> bool {
    cargo(&["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Sorted, with `default` if there is one.
    pub(crate) features: Vec<String>,
    pub(crate) has_lib: bool,
    /// True for those in `crates/`: what hosts use.
    pub(crate) in_crates: bool,
}

impl Member {
    /// The features that can be built here, apart from `default`.
    pub(crate) fn usable_features(&self) -> impl Iterator<Item = &str> {
        self.features
            .iter()
            .map(String::as_str)
            .filter(|feature| *feature != "default" && !NEEDS_A_LIBRARY.contains(feature))
    }
}

/// Features that need a library of the system with its headers. The checks ask for no more than Rust and a C compiler,
/// so "all features" leaves them out; `features` checks each where the library is found.
pub(crate) const NEEDS_A_LIBRARY: &[&str] = &["native-tls"];

/// True when the library behind those features is here. On Windows and Apple systems `native-tls` needs none but the
/// system's own.
/// Source: openssl-sys, "Automatic" (<https://docs.rs/openssl/latest/openssl/#automatic>).
pub(crate) fn has_openssl() -> bool {
    let found = || Command::new("pkg-config").args(["--exists", "openssl"]).status().is_ok_and(|status| status.success());
    cfg!(any(windows, target_vendor = "apple")) || std::env::var_os("OPENSSL_DIR").is_some() || found()
}

/// Arguments that choose the whole workspace with all features.
pub(crate) fn everything() -> Result<Vec<String>> {
    Ok(everything_of(&members()?))
}

fn everything_of(members: &[Member]) -> Vec<String> {
    let features: Vec<String> = members
        .iter()
        .flat_map(|member| member.usable_features().map(|feature| format!("{}/{feature}", member.name)))
        .collect();
    vec!["--workspace".to_owned(), "--features".to_owned(), features.join(",")]
}

/// The members, by name.
pub(crate) fn members() -> Result<Vec<Member>> {
    let json = output(&["metadata", "--format-version", "1", "--no-deps"])?;
    members_of(&serde_json::from_str(&json).map_err(|error| format!("`cargo metadata` printed no JSON: {error}"))?)
}

fn members_of(metadata: &Value) -> Result<Vec<Member>> {
    let packages = metadata["packages"].as_array().ok_or("`cargo metadata` lists no packages")?;
    let mut members: Vec<Member> = packages
        .iter()
        .map(|package| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let features = package["features"].as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
            let targets = package["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
            Member {
                name: text(&package["name"]),
                features,
                has_lib: targets.iter().any(|t| t["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == "lib"))),
                in_crates: text(&package["manifest_path"]).replace('\\', "/").contains("/crates/"),
            }
        })
        .collect();
    for member in &mut members {
        member.features.sort();
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_read_from_metadata() {
        let metadata = json!({"packages": [
            {"name": "xtask", "features": {}, "targets": [{"kind": ["bin"]}], "manifest_path": "/r/xtask/Cargo.toml"},
            {"name": "a", "features": {"x": [], "default": ["x"]}, "targets": [{"kind": ["lib"]}], "manifest_path": "/r/crates/a/Cargo.toml"},
        ]});
        let members = members_of(&metadata).unwrap();
        assert_eq!(
            members[0],
            Member { name: "a".into(), features: vec!["default".into(), "x".into()], has_lib: true, in_crates: true }
        );
        assert!(!members[1].has_lib && !members[1].in_crates);
    }

    #[test]
    fn everything_leaves_out_what_needs_a_library() {
        let features = ["default", "mailchimp", "native-tls", "sqlite"].map(str::to_owned).to_vec();
        let member = Member { name: "a".into(), features, has_lib: true, in_crates: true };
        assert_eq!(everything_of(&[member]), ["--workspace", "--features", "a/mailchimp,a/sqlite"]);
    }

    #[test]
    fn the_root_holds_the_workspace_manifest() {
        assert!(root().join("rust-toolchain.toml").is_file());
    }
}
