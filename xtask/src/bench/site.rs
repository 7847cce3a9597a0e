//! A host's folder: its configuration, its database, and `syncctl` as it is run there against a double.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{
    child::{Measured, measure},
    start::syncctl,
};
use crate::{Result, cargo};

/// The file of the database, where no server is asked for.
pub(super) const DATABASE: &str = "bench.db";
/// The file of the key.
pub(super) const KEY: &str = "bench.key";
/// The only organization.
pub(super) const ORGANIZATION: &str = "shop";

/// A folder that is emptied at the start and removed at the end.
#[derive(Debug)]
pub(super) struct Site {
    folder: PathBuf,
    integration: &'static str,
    env: Vec<(String, String)>,
    grants: &'static [&'static str],
}

impl Drop for Site {
    fn drop(&mut self) {
        // What is left over is removed with the next start.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Site {
    /// Over this database, with what the environment says about the integration (`API_URL`, …). Quotas are off.
    pub(super) fn open(name: &str, database: &str, integration: &'static str, env: &[(&str, &str)]) -> Result<Self> {
        let folder = folder(name)?;
        let prefix = format!("SYNCCTL_{}", integration.replace('-', "_").to_uppercase());
        let env = env.iter().map(|(key, value)| (format!("{prefix}_{key}"), (*value).to_owned())).collect();
        let site = Self { folder, integration, env, grants: &[] };
        let config =
            format!("database = {database:?}\nkey_file = {KEY:?}\norganization = {ORGANIZATION:?}\nlimits = \"off\"\n");
        site.write("syncctl.toml", &config)?;
        Ok(site)
    }

    /// What runs may cause.
    pub(super) fn with_grants(mut self, grants: &'static [&'static str]) -> Self {
        self.grants = grants;
        self
    }

    /// Writes a file of the folder.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// Imports records of a collection from this text.
    pub(super) fn import(&self, collection: &str, file: &str, text: &str, args: &[&str]) -> Result<Measured> {
        let file = self.write(file, text)?;
        self.run(&[&["import", collection, &file.to_string_lossy()], args].concat())
    }

    /// Connects with a key.
    pub(super) fn connect(&self, settings: &[&str]) -> Result<()> {
        self.run(&connect_args(self.integration, settings)).map(|_| ())
    }

    /// Signs in: `syncctl` names the consent page, and the person behind the double agrees at once.
    pub(super) fn sign_in(&self, settings: &[&str]) -> Result<()> {
        let mut command = self.command(&connect_args(self.integration, settings));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{command:?} did not start: {error}"))?;
        let mut told = String::new();
        let mut lines = BufReader::new(child.stderr.take().ok_or("there is no standard error")?).lines();
        for line in lines.by_ref() {
            let line = line.map_err(|error| format!("{command:?}: {error}"))?;
            if line.trim().starts_with("http") {
                // As a browser does, which goes where it is sent.
                get(line.trim())?;
                break;
            }
            told += &line;
        }
        told.extend(lines.map_while(std::result::Result::ok));
        let status = child.wait().map_err(|error| format!("{command:?}: {error}"))?;
        if status.success() {
            return Ok(());
        }
        let stdout = child.stdout.take().map(|mut out| out.read_to_string(&mut told));
        Err(format!("{command:?} failed ({status}, {stdout:?})\n{told}"))
    }

    /// The hash of the plan as it stands now.
    pub(super) fn plan(&self) -> Result<String> {
        let plan = document(&self.run(&self.granted("plan"))?)?;
        plan["details"]["planHash"].as_str().map(str::to_owned).ok_or_else(|| format!("there is no plan: {plan}"))
    }

    /// Syncs; with a hash, the plan that it approves.
    pub(super) fn sync(&self, approve: Option<&str>) -> Result<(Measured, Value)> {
        let mut args = self.granted("sync");
        args.extend(approve.map(|hash| ["--approve", hash]).into_iter().flatten());
        let measured = self.run(&args)?;
        let result = document(&measured)?;
        Ok((measured, result))
    }

    /// Compares both sides in full.
    pub(super) fn audit(&self) -> Result<(Measured, Value)> {
        let measured = self.run(&["audit", self.integration])?;
        let result = document(&measured)?;
        Ok((measured, result))
    }

    fn granted<'a>(&self, command: &'a str) -> Vec<&'a str> {
        let mut args = vec![command, self.integration];
        args.extend(self.grants.iter().flat_map(|grant| ["--grant", grant]));
        args
    }

    /// Runs `syncctl` in the folder.
    pub(super) fn run(&self, args: &[&str]) -> Result<Measured> {
        measure(&mut self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(syncctl());
        command.args(args).arg("--json").current_dir(&self.folder);
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }

    /// A file of the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.folder).join(name)
    }
}

fn connect_args<'a>(integration: &'a str, settings: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["connect", integration];
    args.extend(settings.iter().flat_map(|setting| ["--setting", setting]));
    args
}

/// A folder of this name, made anew.
pub(super) fn folder(name: &str) -> Result<PathBuf> {
    let folder = cargo::root().join("target").join("bench").join(name);
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    fs::create_dir_all(&folder).map_err(failed)?;
    Ok(folder)
}

/// A double's document, in a file.
pub(super) fn seed_file(name: &str, seed: &Value) -> Result<String> {
    let path = folder(&format!("{name}-seed"))?.join("seed.json");
    fs::write(&path, seed.to_string()).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path.to_string_lossy().into_owned())
}

/// What a command printed.
pub(super) fn document(measured: &Measured) -> Result<Value> {
    serde_json::from_str(&measured.output).map_err(|error| format!("no JSON document: {error}\n{}", measured.output))
}

/// A figure of a run that did something else than it should means nothing.
pub(super) fn expect(result: &Value, synced: usize) -> Result<()> {
    if result["success"] == true && result["synced"].as_u64() == Some(synced as u64) {
        return Ok(());
    }
    Err(format!("expected {synced} records to be synced, but the run says {result}"))
}

/// The answer of a page.
pub(super) fn get(url: &str) -> Result<String> {
    ask(url, reqwest::Client::get)
}

/// People on the other side do all this.
pub(super) fn act(base: &str, actions: Vec<Value>) -> Result<()> {
    let body = json!({"do": "many", "actions": actions}).to_string();
    let url = format!("{base}/_sandbox/act");
    ask(&url, |client, url| client.post(url).header("content-type", "application/json").body(body)).map(|_| ())
}

fn ask<'a>(url: &'a str, request: impl FnOnce(&reqwest::Client, &'a str) -> reqwest::RequestBuilder) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        let answer = request(&client, url).send().await.map_err(|error| format!("{url}: {error}"))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{url}: {error}"))?;
        if status.is_success() { Ok(text) } else { Err(format!("{url}: {status} {text}")) }
    })
}
