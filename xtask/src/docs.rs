//! `cargo xtask docs`: the README's provider table, written from what the providers say about themselves.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    Result,
    cargo::{cargo, root},
    run,
};

const BEGIN: &str = "<!-- providers -->";
const END: &str = "<!-- /providers -->";
const HEAD: &str = "| integration | name | sync types | direction | feature | what it does |\n|---|---|---|---|---|---|\n";
/// In the feature's column, of a provider that has no crate yet.
const PLANNED: &str = "planned";

/// Writes the table.
pub(crate) fn write() -> Result<()> {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).map_err(|error| format!("README.md: {error}"))?;
    let fresh = with_table(&readme, &table(&providers()?)?)?;
    if fresh == readme {
        println!("    README.md is up to date");
        return Ok(());
    }
    println!("    README.md: provider table written");
    fs::write(&path, fresh).map_err(|error| format!("README.md: {error}"))
}

/// Fails when the table is not what the descriptors say.
pub(crate) fn check() -> Result<()> {
    let readme = fs::read_to_string(root().join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    if with_table(&readme, &table(&providers()?)?)? == readme {
        Ok(())
    } else {
        Err("README.md: the provider table is out of date: run `cargo xtask docs`".to_owned())
    }
}

/// Integrations whose row names a feature.
pub(crate) fn built_rows(readme: Option<&str>) -> Result<BTreeSet<String>> {
    let readme = readme.ok_or("README.md: is missing: it shows the providers")?;
    let (_, rows, _) = parts(readme)?;
    let cells = rows.lines().map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let built = cells.filter_map(|cells| match cells.as_slice() {
        ["", id, _, _, _, feature, ..] if id.starts_with('`') && *feature != PLANNED => {
            Some(id.trim_matches('`').to_owned())
        }
        _ => None,
    });
    Ok(built.collect())
}

/// What `syncctl providers --json` prints.
fn providers() -> Result<Value> {
    let mut command = cargo(&["run", "--quiet", "--package", "sync-cli", "--", "providers", "--json"]);
    let line = run::line(&command);
    let out = command.stderr(std::process::Stdio::inherit()).output().map_err(|error| format!("`{line}`: {error}"))?;
    if !out.status.success() {
        return Err(format!("`{line}` failed ({})", out.status));
    }
    serde_json::from_slice(&out.stdout).map_err(|error| format!("`{line}` printed no JSON: {error}"))
}

fn table(providers: &Value) -> Result<String> {
    let list = providers.as_array().or_else(|| providers["providers"].as_array());
    let list = list.filter(|list| !list.is_empty()).ok_or("`syncctl providers --json` lists no providers")?;
    let mut text = HEAD.to_owned();
    for provider in list {
        let id = string(provider, "id")?;
        let types = provider["syncTypes"].as_array().ok_or_else(|| lacks(id, "syncTypes"))?;
        let types: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
        let can_sync = provider["canSync"].as_bool().ok_or_else(|| lacks(id, "canSync"))?;
        let both = provider["supportsDirection"].as_bool().ok_or_else(|| lacks(id, "supportsDirection"))?;
        let direction = match (can_sync, both) {
            (false, _) => "–",
            (true, false) => "push",
            (true, true) => "push, pull, both",
        };
        let feature = if provider["built"].as_bool().ok_or_else(|| lacks(id, "built"))? {
            format!("`{}`", string(provider, "feature")?)
        } else {
            PLANNED.to_owned()
        };
        let types = if types.is_empty() { "–".to_owned() } else { types.join(", ") };
        let cells =
            [&format!("`{id}`"), string(provider, "name")?, &types, direction, &feature, string(provider, "description")?];
        text += &format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    Ok(text)
}

fn string<'a>(provider: &'a Value, key: &str) -> Result<&'a str> {
    provider[key].as_str().ok_or_else(|| lacks(provider["id"].as_str().unwrap_or("?"), key))
}

fn lacks(id: &str, key: &str) -> String {
    format!("`syncctl providers --json`: `{id}` lacks `{key}`")
}

/// Before the table, the table, after it.
fn parts(readme: &str) -> Result<(&str, &str, &str)> {
    let missing = || format!("README.md: put the lines `{BEGIN}` and `{END}` around the provider table");
    let (before, rest) = readme.split_once(BEGIN).ok_or_else(missing)?;
    let (rows, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok((before, rows, after))
}

fn with_table(readme: &str, table: &str) -> Result<String> {
    let (before, _, after) = parts(readme)?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed() -> Value {
        let row = |id: &str, can_sync: bool, types: &[&str], direction: bool, built: bool| {
            json!({"id": id, "name": id.to_uppercase(), "canSync": can_sync, "syncTypes": types,
                "supportsDirection": direction, "description": format!("Does {id}"), "feature": id, "built": built})
        };
        json!([
            row("a", true, &["x", "y"], true, true),
            row("b", true, &["x"], false, true),
            row("c", false, &[], false, false)
        ])
    }

    #[test]
    fn the_table_shows_what_the_descriptors_say() {
        let rows = table(&listed()).unwrap();
        assert_eq!(
            rows.strip_prefix(HEAD).unwrap(),
            "| `a` | A | x, y | push, pull, both | `a` | Does a |\n\
             | `b` | B | x | push | `b` | Does b |\n\
             | `c` | C | – | – | planned | Does c |\n"
        );
    }

    #[test]
    fn a_provider_that_lacks_a_member_is_named() {
        let error = table(&json!([{"id": "a", "name": "A", "canSync": true}])).unwrap_err();
        assert!(error.contains("`a` lacks `syncTypes`"), "{error}");
        assert!(table(&json!([])).is_err());
    }

    #[test]
    fn only_the_part_between_the_marks_is_written_and_twice_changes_nothing() {
        let readme = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nMore.\n");
        let once = with_table(&readme, &table(&listed()).unwrap()).unwrap();
        assert!(once.starts_with("# Title\n\n") && once.ends_with("\n\nMore.\n") && !once.contains("old"), "{once}");
        assert_eq!(with_table(&once, &table(&listed()).unwrap()).unwrap(), once);
    }

    #[test]
    fn the_rows_with_a_feature_are_the_built_ones() {
        let readme = with_table(&format!("{BEGIN}{END}"), &table(&listed()).unwrap()).unwrap();
        assert_eq!(built_rows(Some(&readme)).unwrap().into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_readme_without_marks_says_which_lines_to_add() {
        assert!(with_table("# Title\n", "").unwrap_err().contains(BEGIN));
        assert!(built_rows(None).unwrap_err().contains("README.md"));
    }
}
