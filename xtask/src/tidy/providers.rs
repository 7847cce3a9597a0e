//! Provider folders, features, the registry table, the README's table and conformance files name one set.

use std::collections::BTreeSet;

use crate::{docs, tree::Tree};

const FEATURES: &str = "crates/sync-dispatch/Cargo.toml";
const REGISTRY: &str = "crates/sync-dispatch/src/registry.rs";

/// The folders `crates/provider-*` are what all others must name.
pub(super) fn one_set(tree: &Tree) -> Vec<String> {
    let folders: BTreeSet<String> =
        tree.crates("provider-").map(|name| name.trim_start_matches("provider-").to_owned()).collect();
    let mut found = Vec::new();
    if folders.is_empty() {
        found.push("crates/: there is no provider-* folder".to_owned());
    }
    let mut compare = |file: &str, what: &str, named: Result<BTreeSet<String>, String>| match named {
        Err(missing) => found.push(missing),
        Ok(named) => {
            let missing =
                folders.difference(&named).map(|name| format!("{file}: add {what} of `{name}`: its folder is there"));
            let gone = named.difference(&folders).map(|name| format!("{file}: remove {what} of `{name}`: it has no folder"));
            found.extend(missing.chain(gone));
        }
    };
    compare(FEATURES, "the feature", features(tree));
    compare(FEATURES, "in `all-providers` the feature", all_providers(tree));
    compare(REGISTRY, "the cfg'd line", registry(tree));
    compare("README.md", "the row", docs::built_rows(tree.text("README.md")));
    compare("crates/provider-*/tests/conformance.rs", "the suite", conformance(tree, &folders));
    found
}

/// Features `NAME = ["dep:provider-NAME", …]`.
fn features(tree: &Tree) -> Result<BTreeSet<String>, String> {
    let manifest = tree.text(FEATURES).ok_or(format!("{FEATURES}: is missing"))?;
    let manifest = crate::tree::Manifest::parse(manifest);
    let features = manifest.section("features").iter();
    Ok(features
        .filter(|(name, value)| value.contains(&format!("\"dep:provider-{name}\"")))
        .map(|(name, _)| name.clone())
        .collect())
}

fn all_providers(tree: &Tree) -> Result<BTreeSet<String>, String> {
    let manifest = crate::tree::Manifest::parse(tree.text(FEATURES).unwrap_or_default());
    let all = manifest.value("features", "all-providers").ok_or(format!("{FEATURES}: add the feature `all-providers`"))?;
    Ok(all.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Lines `provider_name::REGISTRATION`, each right after its `#[cfg(feature = "name")]`.
fn registry(tree: &Tree) -> Result<BTreeSet<String>, String> {
    let text = tree.text(REGISTRY).ok_or(format!("{REGISTRY}: is missing: the table ENABLED lives there"))?;
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut named = BTreeSet::new();
    for pair in lines.windows(2) {
        if let [cfg, line] = pair
            && let Some(name) = line.strip_prefix("provider_").and_then(|rest| rest.split_once("::REGISTRATION"))
        {
            let name = name.0.replace('_', "-");
            if *cfg != format!("#[cfg(feature = \"{name}\")]") {
                return Err(format!("{REGISTRY}: put `#[cfg(feature = \"{name}\")]` on the line before `{line}`"));
            }
            named.insert(name);
        }
    }
    Ok(named)
}

/// Providers whose conformance file calls the suite.
fn conformance(tree: &Tree, folders: &BTreeSet<String>) -> Result<BTreeSet<String>, String> {
    let calls = |name: &&String| {
        let file = tree.text(&format!("crates/provider-{name}/tests/conformance.rs"));
        file.is_some_and(|text| text.contains("sync_testkit::"))
    };
    Ok(folders.iter().filter(calls).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "<!-- providers -->\n| a |\n|---|\n| `a-b` | A | x | push | `a-b` | y |\n| `c` | C | x | push | planned | y |\n<!-- /providers -->\n";
    const MANIFEST: &str =
        "[features]\nall-providers = [\"a-b\"]\na-b = [\"dep:provider-a-b\"]\nsqlite = [\"dep:sync-store\"]\n";
    const TABLE: &str =
        "const ENABLED: &[Registration] = &[\n  #[cfg(feature = \"a-b\")]\n  provider_a_b::REGISTRATION,\n];\n";

    fn tree(readme: &str, manifest: &str, table: &str) -> Tree {
        Tree::of(&[
            ("README.md", readme),
            (FEATURES, manifest),
            (REGISTRY, table),
            ("crates/provider-a-b/Cargo.toml", ""),
            ("crates/provider-a-b/tests/conformance.rs", "sync_testkit::conformance_suite!(harness);"),
        ])
    }

    #[test]
    fn one_set_everywhere_is_tidy() {
        assert_eq!(one_set(&tree(README, MANIFEST, TABLE)), [""; 0]);
    }

    #[test]
    fn each_place_that_lacks_a_provider_is_named() {
        let found = one_set(&Tree::of(&[
            ("README.md", "<!-- providers -->\n<!-- /providers -->\n"),
            (FEATURES, "[features]\nall-providers = []\n"),
            (REGISTRY, ""),
            ("crates/provider-a-b/Cargo.toml", ""),
        ]));
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found.iter().all(|finding| finding.contains("`a-b`")), "{found:?}");
    }

    #[test]
    fn a_name_without_a_folder_is_told_to_go() {
        let manifest = format!("{MANIFEST}zed = [\"dep:provider-zed\"]\n");
        let found = one_set(&tree(README, &manifest, TABLE));
        assert_eq!(found, [format!("{FEATURES}: remove the feature of `zed`: it has no folder")]);
    }

    #[test]
    fn a_registry_line_needs_its_cfg() {
        let found = one_set(&tree(README, MANIFEST, "provider_x::A,\nprovider_a_b::REGISTRATION,\n"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("#[cfg(feature = \"a-b\")]"), "{found:?}");
    }
}
