//! Every call of a port that changes anything is a crash point: the wrappers of the test kit number it by name.

use crate::tree::Tree;

/// A port, where it is declared, and the wrapper with the points.
struct Port {
    name: &'static str,
    declared: &'static str,
    wrapper: &'static str,
    wrapped: &'static str,
    /// Methods that only read: dying there is dying before whatever comes next.
    reads: &'static [&'static str],
}

const PORTS: &[Port] = &[
    Port {
        name: "Store",
        declared: "crates/sync-engine/src/store/mod.rs",
        wrapper: "CrashStore",
        wrapped: "crates/sync-testkit/src/crash/store.rs",
        reads: &[
            "installation",
            "connection",
            "connections",
            "lease",
            "links_by_local",
            "links_by_remote",
            "holders_of_keys",
            "link_heads",
            "link_counts",
            "seen_by_key",
            "seen_by_remote",
            "gone_page",
            "seen_page",
            "unseen_links",
            "plan_page",
            "plan_digests",
            "plan_twins",
            "plan_repeats",
            "ready_parts",
            "parts",
            "ready_stages",
            "open_parts",
            "plan_calls",
            "open_calls",
            "cursor",
            "items_by_local",
            "items_due",
            "items",
            "item_counts",
            "run",
            "runs",
            "outcomes",
            "trail",
            "links_of",
            "questions",
            "questions_by_id",
            "suppressed",
            "facts_pending",
        ],
    },
    Port {
        name: "PushChannels",
        declared: "crates/sync-engine/src/store/channels.rs",
        wrapper: "CrashStore",
        wrapped: "crates/sync-testkit/src/crash/doors.rs",
        reads: &["channels", "channel", "moved"],
    },
    Port {
        name: "SignIns",
        declared: "crates/sync-core/src/ports/",
        wrapper: "CrashStore",
        wrapped: "crates/sync-testkit/src/crash/doors.rs",
        reads: &["own_client", "sign_in"],
    },
    Port {
        name: "Grants",
        declared: "crates/sync-core/src/ports/",
        wrapper: "CrashStore",
        wrapped: "crates/sync-testkit/src/crash/store.rs",
        reads: &["load"],
    },
    Port {
        name: "Counters",
        declared: "crates/sync-core/src/ports/",
        wrapper: "CrashStore",
        wrapped: "crates/sync-testkit/src/crash/store.rs",
        reads: &[],
    },
    Port {
        name: "Transport",
        declared: "crates/sync-core/src/ports/",
        wrapper: "CrashTransport",
        wrapped: "crates/sync-testkit/src/crash/transport.rs",
        reads: &[],
    },
    Port {
        name: "WritableRecords",
        declared: "crates/sync-core/src/ports/",
        wrapper: "CrashRecords",
        wrapped: "crates/sync-testkit/src/crash/host.rs",
        reads: &["can", "find"],
    },
    Port {
        name: "ConsentSink",
        declared: "crates/sync-core/src/ports/",
        wrapper: "CrashSink",
        wrapped: "crates/sync-testkit/src/crash/sink.rs",
        reads: &[],
    },
];

pub(super) fn each_change_is_a_crash_point(tree: &Tree) -> Vec<String> {
    PORTS.iter().flat_map(|port| findings(tree, port)).collect()
}

fn findings(tree: &Tree, port: &Port) -> Vec<String> {
    let Port { name, declared, wrapper, wrapped, reads } = port;
    let methods = tree
        .files()
        .filter(|(path, _)| path.starts_with(declared))
        .find_map(|(_, text)| block(text, &format!("pub trait {name}")));
    let Some(methods) = methods.map(methods_of) else { return vec![format!("{declared}: there is no port `{name}`")] };
    let points = tree.text(wrapped).and_then(|text| block(text, &format!("impl {name} for {wrapper}")));
    let Some(points) = points.map(methods_of) else {
        return vec![format!("{wrapped}: `{wrapper}` does not wrap the port `{name}`")];
    };
    let mut found = Vec::new();
    for (method, _) in methods.iter().filter(|(method, _)| !reads.contains(&method.as_str())) {
        let is_point = points.iter().any(|(known, body)| known == method && body.contains(".around(\""));
        if !is_point {
            found.push(format!(
                "{wrapped}: `{name}::{method}` is no crash point: call it within `Crash::around`, or name it among those \
                 that only read in xtask/src/tidy/points.rs"
            ));
        }
    }
    let gone = reads.iter().filter(|read| !methods.iter().any(|(method, _)| method == *read));
    found.extend(gone.map(|read| format!("xtask/src/tidy/points.rs: `{name}` has no method `{read}`")));
    found
}

/// The block that begins with this head, to its closing brace at the start of a line.
fn block<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    let is_whole = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let (at, _) = text.match_indices(head).find(|(at, _)| text.get(at + head.len()..).is_some_and(is_whole))?;
    let block = text.get(at..)?;
    Some(block.find("\n}").and_then(|end| block.get(..end)).unwrap_or(block))
}

/// The methods of a block, with their text.
fn methods_of(block: &str) -> Vec<(String, String)> {
    let mut methods: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        let is_method = line.starts_with("    fn ") || line.starts_with("    async fn ");
        if is_method && let Some(name) = line.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next()) {
            methods.push((name.to_owned(), String::new()));
        }
        if let Some((_, body)) = methods.last_mut() {
            body.push_str(line);
            body.push('\n');
        }
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: Port = Port { name: "P", declared: "core.rs", wrapper: "CrashP", wrapped: "crash.rs", reads: &["load"] };

    fn found(port: &str, wrapper: &str) -> Vec<String> {
        findings(&Tree::of(&[("core.rs", port), ("crash.rs", wrapper)]), &PORT)
    }

    #[test]
    fn what_changes_something_is_a_point_and_what_reads_need_not_be() {
        let port = "pub trait P {\n    async fn load(&self);\n    async fn swap(&self);\n}\n";
        let wrapped = "impl P for CrashP {\n    async fn load(&self) {}\n    async fn swap(&self) {\n        self.crash.around(\"p.swap\", x).await\n    }\n}\n";
        assert_eq!(found(port, wrapped), [""; 0]);
        let bare = wrapped.replace(".around(", ".round(");
        assert!(found(port, &bare)[0].contains("`P::swap` is no crash point"));
        let unread = port.replace("load", "look");
        assert_eq!(found(&unread, wrapped).len(), 2, "a new method, and one that is gone");
    }

    #[test]
    fn a_port_without_a_wrapper_is_found() {
        assert_eq!(found("pub trait P {\n}\n", "").len(), 1);
        assert_eq!(found("pub trait Parts {\n}\n", "").len(), 1);
    }
}
