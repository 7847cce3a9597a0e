//! Who may know whom. Dependencies point downwards only.

use crate::{
    Result, cargo,
    tree::{Needed, Tree},
};

/// The members that a library may depend on, apart from tests. `provider-*` stands for all providers.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("sync-core", &[]),
    ("sync-engine", &["sync-core"]),
    ("sync-http", &["sync-core"]),
    ("sync-sandbox", &["sync-core"]),
    ("sync-store", &["sync-core", "sync-engine"]),
    ("provider-*", &["sync-core"]),
    ("sync-testkit", &["sync-core", "sync-engine", "sync-http", "sync-sandbox"]),
    ("sync-dispatch", &["sync-core", "sync-engine", "sync-http", "sync-store", "provider-*"]),
    ("sync-server", &["sync-core", "sync-engine", "sync-http", "sync-dispatch"]),
    ("sync-cli", &["sync-core", "sync-engine", "sync-http", "sync-store", "sync-dispatch", "sync-sandbox", "sync-server"]),
];

/// Packages that do I/O: `sync-core` must not reach them, however deep.
const CLIENTS: &[&str] = &["reqwest", "tokio", "hyper", "rustls", "sqlx", "sqlx-core"];

pub(super) fn dependencies_point_down(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, manifest) in tree.manifests() {
        let Some(name) = path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml")) else { continue };
        let Some((_, may_know)) = MAY_KNOW.iter().find(|(of, _)| matches(of, name)) else {
            found.push(format!("{path}: say in MAY_KNOW of xtask/src/tidy/layers.rs what `{name}` may depend on"));
            continue;
        };
        for dependency in manifest.dependencies() {
            let other = dependency.name.as_str();
            let ours = MAY_KNOW.iter().any(|(of, _)| matches(of, other));
            let both_providers = name.starts_with("provider-") && other.starts_with("provider-") && name != other;
            let allowed = dependency.needed == Needed::Tests || may_know.iter().any(|of| matches(of, other));
            if both_providers {
                found.push(format!("{path}: remove `{other}`: no provider knows another"));
            } else if ours && !allowed {
                found.push(format!("{path}: remove `{other}`: `{name}` may know {may_know:?} only; tests may know more"));
            }
        }
    }
    found
}

/// "A host that enables one provider compiles none of the others."
pub(super) fn dispatch_takes_providers_and_store_by_feature(tree: &Tree) -> Vec<String> {
    let path = "crates/sync-dispatch/Cargo.toml";
    let Some((_, manifest)) = tree.manifests().find(|(of, _)| *of == path) else {
        return vec![format!("{path}: is missing")];
    };
    let must_be_optional = |name: &str| name.starts_with("provider-") || name == "sync-store";
    let found = manifest.dependencies().into_iter().filter(|dependency| {
        dependency.needed == Needed::Always && must_be_optional(&dependency.name) && !dependency.optional
    });
    found.map(|dependency| format!("{path}: make `{}` optional and name it in a feature", dependency.name)).collect()
}

/// What `sync-core` needs, one package a line: `name version`.
pub(super) fn core_tree() -> Result<String> {
    let edges = ["--edges", "normal,build", "--all-features", "--prefix", "depth", "--no-dedupe"];
    Ok(tree_of("sync-core", &cargo::output(&[&["tree", "--package", "sync-core"], &edges[..]].concat())?))
}

/// The tree of one package among those that `cargo tree --prefix depth` printed, without the depths. Where cargo unifies
/// the features of a workspace, it prints the trees of all members whichever was asked for.
fn tree_of(package: &str, printed: &str) -> String {
    let lines = printed.lines().map(|line| {
        let name = line.trim_start_matches(|c: char| c.is_ascii_digit());
        (line.len() - name.len() == 1 && line.starts_with('0'), name)
    });
    let is_it = |name: &str| name.split(' ').next() == Some(package);
    let from = lines.skip_while(|(is_root, name)| !(*is_root && is_it(name)));
    let own = from.enumerate().take_while(|(idx, (is_root, _))| *idx == 0 || !is_root);
    own.map(|(_, (_, name))| format!("{name}\n")).collect()
}

pub(super) fn core_reaches_no_client(core_tree: &str) -> Vec<String> {
    let names: Vec<&str> = core_tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    if !names.contains(&"sync-core") {
        return vec!["`cargo tree --package sync-core` does not name sync-core".to_owned()];
    }
    let reached = CLIENTS.iter().filter(|client| names.contains(client));
    reached.map(|client| format!("crates/sync-core/Cargo.toml: it reaches `{client}`: the core does no I/O")).collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_may_know_the_core_and_in_tests_more() {
        let tree = Tree::of(&[(
            "crates/provider-a/Cargo.toml",
            "[dependencies]\nsync-core.workspace = true\nserde.workspace = true\n[dev-dependencies]\nsync-http.workspace = true\n",
        )]);
        assert_eq!(dependencies_point_down(&tree), [""; 0]);
    }

    #[test]
    fn a_provider_that_knows_engine_or_another_provider_is_found() {
        let tree = Tree::of(&[(
            "crates/provider-a/Cargo.toml",
            "[dependencies]\nsync-engine.workspace = true\n[dev-dependencies]\nprovider-b.workspace = true\n",
        )]);
        let found = dependencies_point_down(&tree);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`sync-engine`") && found[1].contains("no provider knows another"), "{found:?}");
    }

    #[test]
    fn a_crate_without_a_place_is_asked_about() {
        let found = dependencies_point_down(&Tree::of(&[("crates/sync-new/Cargo.toml", "")]));
        assert!(found[0].contains("MAY_KNOW"), "{found:?}");
    }

    #[test]
    fn a_provider_that_is_always_compiled_is_found() {
        let manifest = "[dependencies]\nprovider-a.workspace = true\nprovider-b = { workspace = true, optional = true }\n";
        let found =
            dispatch_takes_providers_and_store_by_feature(&Tree::of(&[("crates/sync-dispatch/Cargo.toml", manifest)]));
        assert_eq!(found, ["crates/sync-dispatch/Cargo.toml: make `provider-a` optional and name it in a feature"]);
    }

    #[test]
    fn the_tree_of_one_package_is_told_from_its_neighbours() {
        let printed = "0a v1\n1reqwest v1\n\n0sync-core v1 (path)\n1http v1\n10deep v1\n\n0z v1\n1tokio v1\n";
        assert_eq!(tree_of("sync-core", printed), "sync-core v1 (path)\nhttp v1\ndeep v1\n\n");
        assert_eq!(tree_of("sync-core", "0a v1\n1sync-core v1\n"), "");
    }

    #[test]
    fn a_client_under_the_core_is_found() {
        assert_eq!(core_reaches_no_client("sync-core v0.1.0 (path)\nhttp v1.0.0\n"), [""; 0]);
        let found = core_reaches_no_client("sync-core v0.1.0 (path)\nreqwest v0.13.0\nreqwest v0.13.0 (*)\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(core_reaches_no_client("").len(), 1);
    }
}
