//! The project's text files, read once, and the little that we need of their manifests.

use std::{collections::BTreeMap, fs, io, path::Path};

use crate::Result;

/// Folders that hold no sources of ours. In a worktree `.git` is a file.
const NOT_OURS: &[&str] = &[".git", "target"];

/// Path from the root, with `/`, to text.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads all text files under a folder. What is not UTF-8 is left out.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.read_folder(root, "").map_err(|error| format!("the sources could not be read: {error}"))?;
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            if kind.is_dir() && !name.starts_with("target-") {
                self.read_folder(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file()
                && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
            {
                self.files.insert(path, text);
            }
        }
        Ok(())
    }

    /// A made tree, for tests.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned())).collect() }
    }

    /// A file's text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// All files.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The members' manifests, by path.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = (&str, Manifest)> {
        self.all_manifests().filter(|(path, manifest)| *path != "Cargo.toml" && !manifest.is_root())
    }

    /// The manifests of workspaces: the root's, and of those apart from it.
    pub(crate) fn roots(&self) -> impl Iterator<Item = (&str, Manifest)> {
        self.all_manifests().filter(|(_, manifest)| manifest.is_root())
    }

    fn all_manifests(&self) -> impl Iterator<Item = (&str, Manifest)> {
        let manifests = self.files().filter(|(path, _)| path.rsplit('/').next() == Some("Cargo.toml"));
        manifests.map(|(path, text)| (path, Manifest::parse(text)))
    }

    /// The names of the folders directly under `crates/` that start so.
    pub(crate) fn crates(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.files.keys().filter_map(move |path| {
            let name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
            (name.starts_with(prefix) && !name.contains('/')).then_some(name)
        })
    }
}

/// A manifest as sections of keys and values. Enough of TOML for manifests as `cargo` writes them.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    sections: Vec<(String, Vec<(String, String)>)>,
}

/// What a dependency is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed {
    Always,
    Tests,
    Build,
}

/// A dependency as written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) needed: Needed,
    /// Version or path come from the root.
    pub(crate) from_workspace: bool,
    pub(crate) optional: bool,
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Self {
        let mut manifest = Self::default();
        let mut lines = text.lines().map(without_comment);
        while let Some(line) = lines.next() {
            let line = line.trim();
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
                && !line.contains('=')
            {
                manifest.sections.push((section.trim_matches(['[', ']']).to_owned(), Vec::new()));
            } else if let Some((key, value)) = line.split_once('=') {
                let mut value = value.trim().to_owned();
                while open_brackets(&value)
                    && let Some(more) = lines.next()
                {
                    value = format!("{value} {}", more.trim());
                }
                if manifest.sections.is_empty() {
                    manifest.sections.push((String::new(), Vec::new()));
                }
                if let Some((_, entries)) = manifest.sections.last_mut() {
                    entries.push((key.trim().trim_matches('"').to_owned(), value));
                }
            }
        }
        manifest
    }

    /// True for a workspace's root.
    fn is_root(&self) -> bool {
        self.sections.iter().any(|(section, _)| section == "workspace")
    }

    /// The entries of a section.
    pub(crate) fn section(&self, name: &str) -> &[(String, String)] {
        self.sections.iter().find(|(section, _)| section == name).map(|(_, entries)| entries.as_slice()).unwrap_or_default()
    }

    /// The value of a key, without quotes.
    pub(crate) fn value(&self, section: &str, key: &str) -> Option<&str> {
        self.section(section).iter().find(|(k, _)| k == key).map(|(_, value)| value.trim_matches('"'))
    }

    /// All dependencies.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let mut found = Vec::new();
        for (section, entries) in &self.sections {
            let name = section.rsplit_once("'.").map_or(section.as_str(), |(_, rest)| rest);
            let (table, of) = name.split_once('.').unwrap_or((name, ""));
            let needed = match table {
                "dependencies" => Needed::Always,
                "dev-dependencies" => Needed::Tests,
                "build-dependencies" => Needed::Build,
                _ => continue,
            };
            if of.is_empty() {
                found.extend(entries.iter().map(|(key, value)| Dependency {
                    name: key.trim_end_matches(".workspace").to_owned(),
                    needed,
                    from_workspace: key.ends_with(".workspace") || has(value, "workspace"),
                    optional: has(value, "optional"),
                }));
            } else {
                let says = |key: &str| entries.iter().any(|(k, value)| k == key && value == "true");
                found.push(Dependency {
                    name: of.to_owned(),
                    needed,
                    from_workspace: says("workspace"),
                    optional: says("optional"),
                });
            }
        }
        found
    }
}

/// True when an inline table holds `key = true`.
fn has(table: &str, key: &str) -> bool {
    let Some((_, rest)) = table.split_once(key) else { return false };
    rest.trim_start().strip_prefix('=').is_some_and(|rest| rest.trim_start().starts_with("true"))
}

fn without_comment(line: &str) -> &str {
    let mut in_text = false;
    let end = line.char_indices().find(|&(_, c)| {
        in_text ^= c == '"';
        c == '#' && !in_text
    });
    end.map_or(line, |(at, _)| line.split_at(at).0)
}

fn open_brackets(value: &str) -> bool {
    let count = |of: &[char]| value.matches(of).count();
    count(&['[', '{']) > count(&[']', '}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_a_dependency_are_read() {
        let manifest = Manifest::parse(
            "[package]\nname = \"a\" # the name\n[dependencies]\nb.workspace = true\nc = \"1\"\n\
             d = { workspace = true, optional = true, features = [\n  \"x\", # why\n  \"y\",\n] }\n\
             [target.'cfg(unix)'.dev-dependencies]\ne = { version = \"2\" }\n\
             [build-dependencies.f]\nworkspace = true\n",
        );
        assert_eq!(manifest.value("package", "name"), Some("a"));
        let of = |name: &str, needed, from_workspace, optional| Dependency {
            name: name.into(),
            needed,
            from_workspace,
            optional,
        };
        assert_eq!(
            manifest.dependencies(),
            [
                of("b", Needed::Always, true, false),
                of("c", Needed::Always, false, false),
                of("d", Needed::Always, true, true),
                of("e", Needed::Tests, false, false),
                of("f", Needed::Build, true, false),
            ]
        );
    }

    #[test]
    fn a_hash_in_a_text_is_no_comment() {
        let manifest = Manifest::parse("[package]\ndescription = \"a # b\" # c\n");
        assert_eq!(manifest.value("package", "description"), Some("a # b"));
    }

    #[test]
    fn crates_are_the_folders_with_a_manifest() {
        let tree =
            Tree::of(&[("crates/provider-a/Cargo.toml", ""), ("crates/provider-a/tests/x/Cargo.toml", ""), ("b.rs", "")]);
        assert_eq!(tree.crates("provider-").collect::<Vec<_>>(), ["provider-a"]);
    }
}
