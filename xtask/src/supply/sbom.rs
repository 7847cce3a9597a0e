//! The bill of materials: CycloneDX 1.5 of all packages that a build may hold, in `target/sbom.cdx.json`. The same for the
//! same `Cargo.lock`.
//! Source: <https://cyclonedx.org/docs/1.5/json/>.

use std::{collections::BTreeMap, collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::{
    Result,
    cargo::{output, root},
};

/// Writes it.
pub(super) fn run() -> Result<()> {
    let json = output(&["metadata", "--format-version", "1", "--locked", "--all-features"])?;
    let metadata: Value = serde_json::from_str(&json).map_err(|error| format!("cargo metadata: {error}"))?;
    let lock = fs::read_to_string(root().join("Cargo.lock")).map_err(|error| format!("Cargo.lock: {error}"))?;
    let bill = bill(&metadata, &checksums(&lock))?;
    let text = serde_json::to_string_pretty(&bill).map_err(|error| error.to_string())?;
    let folder = root().join("target");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join("sbom.cdx.json"), text + "\n"))
        .map_err(|e| e.to_string())?;
    let n =
        |scope: &str| bill["components"].as_array().map_or(0, |all| all.iter().filter(|it| it["scope"] == scope).count());
    println!(
        "    target/sbom.cdx.json: {} components in builds, {} for tests and tools alone",
        n("required"),
        n("excluded")
    );
    Ok(())
}

/// SHA-256 of each package that was downloaded, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let packages = lock.split("[[package]]").skip(1);
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.map(|text| text.trim_matches('"').to_owned())
    };
    packages
        .filter_map(|package| Some(((value(package, "name")?, value(package, "version")?), value(package, "checksum")?)))
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The document.
fn bill(metadata: &Value, checksums: &BTreeMap<(String, String), String>) -> Result<Value> {
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).iter().map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (text(&node["id"]), node)).collect();
    let members: BTreeSet<&str> = list(&metadata["workspace_members"]).iter().map(text).collect();
    if members.is_empty() || nodes.is_empty() {
        return Err("`cargo metadata` names no members or no dependencies".to_owned());
    }
    let is_shipped = |id: &&&str| packages.get(*id).is_some_and(|it| text(&it["manifest_path"]).contains("/crates/"));
    let built = reached(members.iter().filter(is_shipped).copied(), &nodes);
    let mut components: Vec<(String, Value)> = packages
        .iter()
        .filter(|(id, _)| nodes.contains_key(*id))
        .map(|(id, package)| {
            let scope = if built.contains(id) { "required" } else { "excluded" };
            (purl(package), component(package, scope, checksums))
        })
        .collect();
    components.sort_by(|a, b| a.0.cmp(&b.0));
    let refs = |ids: Vec<&str>| -> Vec<String> {
        let mut refs: Vec<String> = ids.iter().filter_map(|id| packages.get(id)).map(|package| purl(package)).collect();
        refs.sort();
        refs.dedup();
        refs
    };
    let mut dependencies: Vec<(String, Value)> = nodes
        .iter()
        .filter_map(|(id, node)| {
            let of = purl(packages.get(id)?);
            let on = refs(needed(node).collect());
            Some((of.clone(), json!({"ref": of, "dependsOn": on})))
        })
        .collect();
    dependencies.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "integration-sync", "name": "integration-sync"}},
        "components": components.into_iter().map(|(_, it)| it).collect::<Vec<_>>(),
        "dependencies": dependencies.into_iter().map(|(_, it)| it).collect::<Vec<_>>(),
    }))
}

/// What a package needs to be built and to run; what its tests need is left out.
fn needed(node: &Value) -> impl Iterator<Item = &str> {
    let is_needed = |dep: &&Value| list(&dep["dep_kinds"]).iter().any(|kind| text(&kind["kind"]) != "dev");
    list(&node["deps"]).iter().filter(is_needed).map(|dep| text(&dep["pkg"]))
}

fn reached<'a>(from: impl Iterator<Item = &'a str>, nodes: &BTreeMap<&'a str, &'a Value>) -> BTreeSet<&'a str> {
    let (mut seen, mut open) = (BTreeSet::new(), from.collect::<Vec<_>>());
    while let Some(id) = open.pop() {
        if seen.insert(id)
            && let Some(node) = nodes.get(id)
        {
            open.extend(needed(node));
        }
    }
    seen
}

/// A package's name among all ecosystems. Source: <https://github.com/package-url/purl-spec>, type `cargo`.
fn purl(package: &Value) -> String {
    // A build's metadata (`+spec-1.1.0`) holds the one character that a version must escape.
    format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]).replace('+', "%2B"))
}

fn component(package: &Value, scope: &str, checksums: &BTreeMap<(String, String), String>) -> Value {
    let (name, version) = (text(&package["name"]), text(&package["version"]));
    let mut component = json!({
        "type": "library", "bom-ref": purl(package), "purl": purl(package), "name": name, "version": version, "scope": scope,
    });
    if let Some(license) = package["license"].as_str() {
        // Old manifests write `/` for OR.
        let expression = license.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ");
        component["licenses"] = json!([{"expression": expression}]);
    }
    if let Some(sum) = checksums.get(&(name.to_owned(), version.to_owned())) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Value {
        let package = |id: &str, path: &str, license: &str| json!({"id": id, "name": id, "version": "1.0.0+x", "license": license, "manifest_path": path});
        let dep = |id: &str, kind: Value| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        json!({
            "packages": [package("ours", "/r/crates/ours/Cargo.toml", "MIT"), package("tool", "/r/xtask/Cargo.toml", "MIT"),
                package("used", "/x", "MIT/Apache-2.0"), package("deep", "/x", "ISC"), package("tested", "/x", "MIT")],
            "workspace_members": ["ours", "tool"],
            "resolve": {"nodes": [
                {"id": "ours", "deps": [dep("used", Value::Null), dep("tested", json!("dev"))]},
                {"id": "tool", "deps": []},
                {"id": "used", "deps": [dep("deep", json!("build"))]},
                {"id": "deep", "deps": []}, {"id": "tested", "deps": []},
            ]},
        })
    }

    #[test]
    fn what_is_built_is_told_from_what_tests_and_tools_need() {
        let lock = "[[package]]\nname = \"used\"\nversion = \"1.0.0+x\"\nsource = \"r\"\nchecksum = \"abc\"\n";
        let bill = bill(&metadata(), &checksums(lock)).unwrap();
        let scopes: BTreeMap<&str, &str> =
            list(&bill["components"]).iter().map(|it| (text(&it["name"]), text(&it["scope"]))).collect();
        let expected =
            [("deep", "required"), ("ours", "required"), ("tested", "excluded"), ("tool", "excluded"), ("used", "required")];
        assert_eq!(scopes, BTreeMap::from(expected));
        let used = list(&bill["components"]).iter().find(|it| it["name"] == "used").unwrap();
        assert_eq!(used["purl"], "pkg:cargo/used@1.0.0%2Bx");
        assert_eq!(used["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(used["hashes"][0]["content"], "abc");
        let ours = list(&bill["dependencies"]).iter().find(|it| it["ref"] == "pkg:cargo/ours@1.0.0%2Bx").unwrap();
        assert_eq!(ours["dependsOn"], json!(["pkg:cargo/used@1.0.0%2Bx"]), "what tests need is no part of it");
    }

    #[test]
    fn no_metadata_is_no_bill() {
        assert!(bill(&json!({}), &BTreeMap::new()).is_err());
    }
}
