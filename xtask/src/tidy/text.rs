//! What may not stand in a text, and how long it may be.

use crate::tree::Tree;

/// Longest a source file should be, in lines.
const LONG: usize = 500;
/// Longest a source file may be, in lines.
const TOO_LONG: usize = 600;

/// Words for an open end; written apart, so that this file does not hold them.
const OPEN_ENDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

/// Starts of paths that exist on one machine only.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Lines of tools that belong in no file.
const TRACES: &[&str] = &[concat!("co-auth", "ored-by"), concat!("sig", "ned-off-by:"), concat!("generated ", "with [")];

/// All numbered lines, with their file.
fn lines(tree: &Tree) -> impl Iterator<Item = (&str, usize, &str)> {
    tree.files().flat_map(|(path, text)| text.lines().enumerate().map(move |(line_idx, line)| (path, line_idx + 1, line)))
}

pub(super) fn open_ends_have_a_link(tree: &Tree) -> Vec<String> {
    let open = lines(tree).filter(|(_, _, line)| {
        OPEN_ENDS.iter().any(|word| has_word(line, word)) && !line.contains("https://") && !line.contains("issues/")
    });
    open.map(|(path, number, _)| format!("{path}:{number}: an open end needs the link of its issue, or to be closed"))
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line.split_at(at).0, line.split_at(at + word.len()).1);
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    })
}

pub(super) fn no_trace_of_a_machine(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, number, line) in lines(tree) {
        let lower = line.to_lowercase();
        if TRACES.iter().any(|trace| lower.contains(trace)) {
            found.push(format!("{path}:{number}: remove the line that a tool left"));
        }
        let of_a_machine = |start: &&&str| {
            line.match_indices(**start).any(|(at, _)| {
                let before = line.split_at(at).0;
                before.is_empty() || before.ends_with([' ', '"', '\'', '`', '(', '=', ':', '<'])
            })
        };
        if let Some(start) = MACHINE_PATHS.iter().find(of_a_machine) {
            found.push(format!("{path}:{number}: make the path under {start} relative: other machines lack it"));
        }
    }
    found
}

pub(super) fn tests_are_neither_ignored_nor_meant_to_panic(tree: &Tree) -> Vec<String> {
    let odd = lines(tree).filter(|(path, _, line)| {
        let line = line.trim_start();
        path.ends_with(".rs") && (line.starts_with("#[ignore") || line.starts_with("#[should_panic"))
    });
    odd.map(|(path, number, _)| format!("{path}:{number}: a test runs always and asserts what it expects")).collect()
}

/// Source files that should be split: no finding yet.
pub(super) fn long_files(tree: &Tree) -> Vec<String> {
    longer_than(tree, LONG)
        .filter(|(_, length)| *length <= TOO_LONG)
        .map(|(path, length)| too_long(path, length, LONG))
        .collect()
}

pub(super) fn files_are_short(tree: &Tree) -> Vec<String> {
    longer_than(tree, TOO_LONG).map(|(path, length)| too_long(path, length, TOO_LONG)).collect()
}

fn longer_than(tree: &Tree, limit: usize) -> impl Iterator<Item = (&str, usize)> {
    let sources = tree.files().filter(|(path, _)| path.ends_with(".rs"));
    sources.map(|(path, text)| (path, text.lines().count())).filter(move |(_, length)| *length > limit)
}

fn too_long(path: &str, length: usize, limit: usize) -> String {
    format!("{path}: {length} lines, more than {limit}: split it by subject")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(line: &str) -> Tree {
        Tree::of(&[("crates/a/src/lib.rs", line)])
    }

    #[test]
    fn an_open_end_needs_a_link() {
        let word = OPEN_ENDS[0];
        assert_eq!(open_ends_have_a_link(&rust(&format!("// {word}: later"))).len(), 1);
        assert_eq!(open_ends_have_a_link(&rust(&format!("// {word}(https://example.org/issues/1): later"))), [""; 0]);
        assert_eq!(open_ends_have_a_link(&rust(&format!("let {word}S = 1;"))), [""; 0]);
    }

    #[test]
    fn a_path_of_one_machine_is_found_and_a_part_of_an_address_is_not() {
        let path = MACHINE_PATHS[0];
        assert_eq!(no_trace_of_a_machine(&rust(&format!("open(\"{path}x\")"))).len(), 1);
        assert_eq!(no_trace_of_a_machine(&rust(&format!("https://example.org{path}x"))), [""; 0]);
    }

    #[test]
    fn a_line_that_a_tool_left_is_found() {
        assert_eq!(no_trace_of_a_machine(&rust(&format!("{}: x", TRACES[0].to_uppercase()))).len(), 1);
    }

    #[test]
    fn an_ignored_test_is_found() {
        assert_eq!(tests_are_neither_ignored_nor_meant_to_panic(&rust("    #[ignore = \"slow\"]")).len(), 1);
        assert_eq!(tests_are_neither_ignored_nor_meant_to_panic(&rust("#[test]")), [""; 0]);
    }

    #[test]
    fn a_long_file_is_warned_about_and_a_longer_one_refused() {
        let tree = |n_lines: usize| rust(&"x\n".repeat(n_lines));
        assert_eq!((long_files(&tree(LONG)).len(), files_are_short(&tree(LONG)).len()), (0, 0));
        assert_eq!((long_files(&tree(LONG + 1)).len(), files_are_short(&tree(LONG + 1)).len()), (1, 0));
        assert_eq!((long_files(&tree(TOO_LONG + 1)).len(), files_are_short(&tree(TOO_LONG + 1)).len()), (0, 1));
    }
}
