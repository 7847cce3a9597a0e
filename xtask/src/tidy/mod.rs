//! `cargo xtask tidy`: rules that no compiler checks. Each check is a function from the tree to sentences that name
//! the file and the fix.

mod invariants;
mod layers;
mod manifests;
mod points;
mod providers;
mod text;

use crate::{Result, cargo, tree::Tree};

type Check = fn(&Tree) -> Vec<String>;

const CHECKS: &[Check] = &[
    providers::one_set,
    layers::dependencies_point_down,
    layers::dispatch_takes_providers_and_store_by_feature,
    manifests::lints_and_package_data_are_inherited,
    manifests::versions_live_in_the_root,
    manifests::unsafe_code_is_forbidden,
    manifests::msrv_is_the_pinned_toolchain,
    manifests::packages_come_from_the_public_registry,
    text::open_ends_have_a_link,
    text::no_trace_of_a_machine,
    text::tests_are_neither_ignored_nor_meant_to_panic,
    text::files_are_short,
    invariants::each_names_its_test,
    points::each_change_is_a_crash_point,
];

/// All findings. `core_tree` is what `sync-core` needs, one package a line.
fn findings(tree: &Tree, core_tree: &str) -> Vec<String> {
    let mut found: Vec<String> = CHECKS.iter().flat_map(|check| check(tree)).collect();
    found.extend(layers::core_reaches_no_client(core_tree));
    found
}

/// Runs all checks on the sources as they are.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(&cargo::root())?;
    for warning in text::long_files(&tree) {
        println!("    warning: {warning}");
    }
    let found = findings(&tree, &layers::core_tree()?);
    if found.is_empty() {
        return Ok(());
    }
    Err(found.iter().fold(format!("{} things are untidy:", found.len()), |text, finding| text + "\n  " + finding))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_are_tidy() {
        if let Err(untidy) = run() {
            panic!("{untidy}");
        }
    }

    #[test]
    fn an_empty_tree_is_not_tidy() {
        let found = findings(&Tree::default(), "");
        let says = |word: &str| found.iter().any(|finding| finding.contains(word));
        for file in ["README.md", "ARCHITECTURE.md", "registry.rs", "rust-toolchain.toml", "cargo tree"] {
            assert!(says(file), "{file} is missing in {found:?}");
        }
    }
}
