//! Manifests: what is inherited, where versions live, which toolchain.

use crate::tree::{Manifest, Tree};

/// Package data that the root says once.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "repository", "publish"];

/// The only source that a clone needs.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn lints_and_package_data_are_inherited(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, manifest) in tree.manifests() {
        if manifest.value("lints", "workspace") != Some("true") {
            found.push(format!("{path}: add `[lints]` with `workspace = true`"));
        }
        for key in INHERITED {
            if manifest.value("package", &format!("{key}.workspace")) != Some("true") {
                found.push(format!("{path}: write `{key}.workspace = true` under `[package]`"));
            }
        }
    }
    found
}

pub(super) fn versions_live_in_the_root(tree: &Tree) -> Vec<String> {
    let each = tree.manifests().flat_map(|(path, manifest)| {
        let own = manifest.dependencies().into_iter().filter(|dependency| !dependency.from_workspace);
        own.map(|dependency| {
            let name = dependency.name;
            format!("{path}: move the version of `{name}` to the root's [workspace.dependencies], write `{name}.workspace = true`")
        })
        .collect::<Vec<_>>()
    });
    each.collect()
}

/// With `lints_and_package_data_are_inherited` this holds for every target of every package: a lint that is forbidden
/// can't be allowed again.
pub(super) fn unsafe_code_is_forbidden(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, manifest) in tree.roots() {
        let section = if manifest.section("package").is_empty() { "workspace.lints.rust" } else { "lints.rust" };
        if manifest.value(section, "unsafe_code") != Some("forbid") {
            found.push(format!("{path}: write `unsafe_code = \"forbid\"` under [{section}]"));
        }
    }
    if tree.text("Cargo.toml").is_none() {
        found.push("Cargo.toml: is missing".to_owned());
    }
    found
}

pub(super) fn msrv_is_the_pinned_toolchain(tree: &Tree) -> Vec<String> {
    let read = |path: &str, section: &str, key: &str| {
        tree.text(path).and_then(|text| Manifest::parse(text).value(section, key).map(str::to_owned))
    };
    let msrv = read("Cargo.toml", "workspace.package", "rust-version");
    let channel = read("rust-toolchain.toml", "toolchain", "channel");
    match (msrv, channel) {
        (Some(msrv), Some(channel)) if minor(&msrv) == minor(&channel) => Vec::new(),
        (msrv, channel) => vec![format!(
            "Cargo.toml: rust-version is {msrv:?}, but rust-toolchain.toml pins {channel:?}: make them equal, so that the oldest \
             supported compiler is the one that CI builds with"
        )],
    }
}

fn minor(version: &str) -> Vec<&str> {
    version.split('.').take(2).collect()
}

pub(super) fn packages_come_from_the_public_registry(tree: &Tree) -> Vec<String> {
    let Some(lock) = tree.text("Cargo.lock") else { return vec!["Cargo.lock: is missing: commit it".to_owned()] };
    let sources = lock.lines().filter_map(|line| line.strip_prefix("source = ")).map(|source| source.trim_matches('"'));
    let mut odd: Vec<&str> = sources.filter(|source| *source != REGISTRY).collect();
    odd.dedup();
    let mut found: Vec<String> =
        odd.iter().map(|source| format!("Cargo.lock: a package comes from {source}: take a released one")).collect();
    let config = tree.text(".cargo/config.toml").unwrap_or_default();
    if config.lines().any(|line| line.starts_with("[source") || line.starts_with("[registr")) {
        found.push(".cargo/config.toml: remove the package source: it is a matter of the machine".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIDY: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
        license.workspace = true\nrepository.workspace = true\npublish.workspace = true\n[lints]\nworkspace = true\n\
        [dependencies]\nserde.workspace = true\n";

    #[test]
    fn a_manifest_that_inherits_is_tidy() {
        let tree = Tree::of(&[("crates/a/Cargo.toml", TIDY)]);
        assert_eq!(lints_and_package_data_are_inherited(&tree), [""; 0]);
        assert_eq!(versions_live_in_the_root(&tree), [""; 0]);
    }

    #[test]
    fn lints_or_an_edition_of_its_own_are_found() {
        let own = TIDY.replace("[lints]\nworkspace = true", "").replace("edition.workspace = true", "edition = \"2021\"");
        let found = lints_and_package_data_are_inherited(&Tree::of(&[("tests/Cargo.toml", &own)]));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_version_in_a_member_is_found() {
        let own = TIDY.replace("serde.workspace = true", "serde = \"1\"");
        let found = versions_live_in_the_root(&Tree::of(&[("crates/a/Cargo.toml", &own)]));
        assert!(found.len() == 1 && found[0].contains("`serde`"), "{found:?}");
    }

    #[test]
    fn unsafe_code_is_forbidden_in_every_workspace() {
        let tree = |level: &str| {
            Tree::of(&[
                ("Cargo.toml", &format!("[workspace]\n[workspace.lints.rust]\nunsafe_code = \"{level}\"\n")),
                (
                    "tests/fuzz/Cargo.toml",
                    &format!("[package]\nname = \"f\"\n[workspace]\n[lints.rust]\nunsafe_code = \"{level}\"\n"),
                ),
            ])
        };
        assert_eq!(unsafe_code_is_forbidden(&tree("forbid")), [""; 0]);
        assert_eq!(unsafe_code_is_forbidden(&tree("deny")).len(), 2);
        assert_eq!(lints_and_package_data_are_inherited(&tree("forbid")), [""; 0], "a workspace apart inherits nothing");
    }

    #[test]
    fn msrv_and_toolchain_agree_to_the_minor_version() {
        let tree = |channel: &str| {
            Tree::of(&[
                ("Cargo.toml", "[workspace.package]\nrust-version = \"1.95\"\n"),
                ("rust-toolchain.toml", &format!("[toolchain]\nchannel = \"{channel}\"\n")),
            ])
        };
        assert_eq!(msrv_is_the_pinned_toolchain(&tree("1.95.0")), [""; 0]);
        assert_eq!(msrv_is_the_pinned_toolchain(&tree("1.96.0")).len(), 1);
        assert_eq!(msrv_is_the_pinned_toolchain(&tree("stable")).len(), 1);
    }

    #[test]
    fn another_package_source_is_found() {
        let lock = |source: &str| format!("[[package]]\nname = \"a\"\nsource = \"{source}\"\n");
        assert_eq!(packages_come_from_the_public_registry(&Tree::of(&[("Cargo.lock", &lock(REGISTRY))])), [""; 0]);
        let tree =
            Tree::of(&[("Cargo.lock", &lock("git+https://example.org/a")), (".cargo/config.toml", "[source.crates-io]\n")]);
        assert_eq!(packages_come_from_the_public_registry(&tree).len(), 2);
    }
}
