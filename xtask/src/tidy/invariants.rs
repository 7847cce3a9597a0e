//! Every `**Invariant:**` in ARCHITECTURE.md names a test that exists.

use crate::tree::Tree;

const FILE: &str = "ARCHITECTURE.md";
const MARK: &str = "**Invariant:**";

pub(super) fn each_names_its_test(tree: &Tree) -> Vec<String> {
    let Some(text) = tree.text(FILE) else {
        return vec![format!("{FILE}: is missing: it holds the invariants and their tests")];
    };
    let invariants = invariants(text);
    if invariants.is_empty() {
        return vec![format!("{FILE}: has no `{MARK}` sentence")];
    }
    let mut found = Vec::new();
    for (number, invariant) in invariants {
        let names: Vec<&str> = invariant.split('`').skip(1).step_by(2).filter(|name| is_test_path(tree, name)).collect();
        if names.is_empty() {
            found.push(format!(
                "{FILE}:{number}: the invariant names no test: add `crate_name::path::test_name` or `file.rs::test_name` in backticks"
            ));
        }
        let gone = names.iter().filter(|name| !exists(tree, name));
        found.extend(
            gone.map(|name| format!("{FILE}:{number}: there is no test `{name}`: correct the name or write the test")),
        );
    }
    found
}

/// The sentences, with their line: each goes to the next empty line, list item or invariant.
fn invariants(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (line_idx, line) in text.lines().enumerate() {
        let starts = line.contains(MARK);
        if starts {
            found.push((line_idx + 1, line.to_owned()));
            open = true;
        } else if line.trim().is_empty() || line.trim_start().starts_with(['-', '*', '#', '|']) {
            open = false;
        } else if open && let Some((_, sentence)) = found.last_mut() {
            sentence.push(' ');
            sentence.push_str(line.trim());
        }
    }
    found
}

/// True for `file.rs::name` and for a path that starts with a crate's name and ends in a function's: others, such as
/// `Store::commit`, only explain.
fn is_test_path(tree: &Tree, name: &str) -> bool {
    let Some((first, rest)) = name.split_once("::") else { return false };
    let last = rest.rsplit("::").next().unwrap_or(rest);
    let is_function = !last.is_empty() && last.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_function && (first.ends_with(".rs") || folder(tree, first).is_some())
}

/// The folder of the crate with this name.
fn folder(tree: &Tree, name: &str) -> Option<String> {
    let name = name.replace('_', "-");
    let manifest = tree.manifests().find(|(_, manifest)| manifest.value("package", "name") == Some(name.as_str()));
    manifest.map(|(path, _)| path.trim_end_matches("Cargo.toml").to_owned())
}

fn exists(tree: &Tree, name: &str) -> bool {
    let Some((first, rest)) = name.split_once("::") else { return false };
    let last = rest.rsplit("::").next().unwrap_or(rest);
    let folder = folder(tree, first);
    tree.files().any(|(path, text)| {
        let here = match &folder {
            Some(folder) => path.starts_with(folder.as_str()),
            None => path == first || path.ends_with(&format!("/{first}")),
        };
        here && path.ends_with(".rs") && has_test(path, text, last)
    })
}

/// True when the file has the function with a test attribute shortly before it. The suites of the test kit are plain
/// functions that a macro makes tests of.
fn has_test(path: &str, text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let is_it = |line: &str| {
        let rest = line.split_once("fn ").map(|(_, rest)| rest);
        rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    lines.iter().enumerate().filter(|(_, line)| is_it(line)).any(|(line_idx, _)| {
        let before = lines.iter().take(line_idx + 1).rev().take(6);
        path.starts_with("crates/sync-testkit/") || before.into_iter().any(|line| is_test_attribute(line.trim()))
    })
}

fn is_test_attribute(line: &str) -> bool {
    line.starts_with("#[") && (line.contains("test]") || line.contains("::test("))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(architecture: &str) -> Vec<String> {
        each_names_its_test(&Tree::of(&[
            (FILE, architecture),
            ("crates/sync-core/Cargo.toml", "[package]\nname = \"sync-core\"\n"),
            ("crates/sync-core/src/a.rs", "#[test]\nfn one_holds() {}\n\n\n\n\n\n\nfn helper() {}\n"),
            ("tests/tests/end.rs", "#[tokio::test]\nasync fn two_holds() {}\n"),
        ]))
    }

    #[test]
    fn an_invariant_with_its_test_is_tidy() {
        assert_eq!(found("**Invariant:** so it is.\n(`sync_core::a::tests::one_holds`, see `Store::commit`)\n"), [""; 0]);
        assert_eq!(found("- **Invariant:** so it is: `end.rs::two_holds`\n- more\n"), [""; 0]);
    }

    #[test]
    fn an_invariant_without_a_test_is_found() {
        assert_eq!(found("**Invariant:** so it is, see `Store::commit`.\n\n`end.rs::two_holds`\n").len(), 1);
    }

    #[test]
    fn a_test_that_is_not_there_is_found() {
        let found = found("**Invariant:** a `sync_core::a::gone`.\n\n**Invariant:** b `sync-core::two_holds`.\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("ARCHITECTURE.md:1") && found[1].contains("ARCHITECTURE.md:3"), "{found:?}");
    }

    #[test]
    fn a_function_that_is_no_test_does_not_count() {
        assert_eq!(found("**Invariant:** a `sync_core::a::helper`.\n").len(), 1);
    }

    #[test]
    fn no_file_and_no_invariant_are_found() {
        assert_eq!(each_names_its_test(&Tree::default()).len(), 1);
        assert_eq!(found("All is well.\n").len(), 1);
    }
}
