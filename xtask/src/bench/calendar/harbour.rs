//! A shop with trips in a folder of its own, and the double of Google Calendar that it syncs with.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use sync_core::{Collection, Marker, OrganizationId};
use sync_dispatch::{
    Store as _,
    store::{SqlStore, StoreKey},
};

use super::{
    super::{
        child::{Measured, measure},
        shop::{Double, document},
        start::syncctl,
    },
    trips::{Trips, ZONE},
};
use crate::{Result, cargo};

/// The calendar.
pub(super) const CALENDAR: &str = "trips@group.calendar.google.com";
/// A token for the bare loop; the shop signs in.
pub(super) const TOKEN: &str = "ya29.bench-0123456789";

const CAPTAIN: &str = "captain@example.com";
const CLIENT: &str = "bench-client";
const SECRET: &str = "bench-secret";
const SHOP: &str = "shop";
const INTEGRATION: &str = "google-calendar";
const DATABASE: &str = "bench.db";
const KEY: &str = "bench.key";

/// Records that are stored at once.
const CHUNK: usize = 10_000;

/// A double with one empty calendar, whose owner agrees to everything.
pub(super) fn double(name: &str, latency: Duration, keep_bodies: bool) -> Result<Double> {
    let seed = json!({
        "users": [{"email": CAPTAIN, "time_zone": ZONE}],
        "calendars": [
            {"id": CALENDAR, "summary": "Trips", "owner": CAPTAIN, "time_zone": ZONE, "made_by": CLIENT},
        ],
        "oauth_clients": [{"id": CLIENT, "secret": SECRET}],
        "tokens": [{"token": TOKEN, "user": CAPTAIN}],
        "consent": {},
    });
    let path = folder(&format!("{name}-seed"))?.join("google.json");
    fs::write(&path, seed.to_string()).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = path.to_string_lossy();
    Double::with(&["--provider", INTEGRATION, "--document", &file], latency, keep_bodies)
}

/// A folder of this name, made anew.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = cargo::root().join("target").join("bench").join(name);
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    fs::create_dir_all(&folder).map_err(failed)?;
    Ok(folder)
}

/// A shop's folder, emptied at the start and removed at the end.
#[derive(Debug)]
pub(super) struct Harbour {
    folder: PathBuf,
    url: String,
    runtime: tokio::runtime::Runtime,
}

impl Drop for Harbour {
    fn drop(&mut self) {
        // What is left over is removed with the next start.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Harbour {
    /// A shop with these trips, connected to the double both ways; quotas are off.
    pub(super) fn open(name: &str, trips: Trips, double: &Double) -> Result<Self> {
        let folder = folder(name)?;
        let config =
            format!("database = \"{DATABASE}\"\nkey_file = \"{KEY}\"\norganization = \"{SHOP}\"\nlimits = \"off\"\n");
        fs::write(folder.join("syncctl.toml"), config).map_err(|error| format!("{}: {error}", folder.display()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
        let harbour = Self { folder, url: double.url().to_owned(), runtime };
        harbour.put((0..trips.n).map(|i| (i, trips.record(i))))?;
        harbour.connect()?;
        Ok(harbour)
    }

    /// Stores records under the ids of these trips.
    pub(super) fn put(&self, rows: impl Iterator<Item = (usize, sync_core::Record)>) -> Result<()> {
        let mut rows = rows.map(|(i, record)| (Trips::id(i), record));
        self.with_store(async |store| {
            let records = store.records();
            loop {
                let chunk: Vec<_> = rows.by_ref().take(CHUNK).collect();
                if chunk.is_empty() {
                    return Ok(());
                }
                records.upsert(&OrganizationId::new(SHOP), &Collection::TRIPS, chunk).await?;
            }
        })
    }

    /// The ids of the events of these trips.
    pub(super) fn event_ids(&self, trips: impl Iterator<Item = usize>) -> Result<Vec<String>> {
        let installation = self.with_store(async |store| store.installation().await)?;
        let organization = OrganizationId::new(SHOP);
        let id = |i| Marker::of(&installation, &organization, &Collection::TRIPS, &Trips::id(i)).to_string();
        Ok(trips.map(id).collect())
    }

    fn with_store<T>(&self, work: impl AsyncFnOnce(&SqlStore) -> sync_core::Result<T>) -> Result<T> {
        let done = self.runtime.block_on(async {
            let key = StoreKey::from_file_or_create(self.folder.join(KEY))?;
            let store = SqlStore::open(self.folder.join(DATABASE), key).await?;
            let done = work(&store).await;
            store.close().await;
            done
        });
        done.map_err(|error| format!("the shop's database: {error:?}"))
    }

    /// Signs in: `syncctl` names the consent page, and the double's captain agrees at once.
    fn connect(&self) -> Result<()> {
        let calendar = format!("calendar={CALENDAR}");
        let mut command = self.command(&["connect", INTEGRATION, "--setting", &calendar, "--setting", "direction=both"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{command:?} did not start: {error}"))?;
        let mut told = String::new();
        let mut page = None;
        let mut lines = BufReader::new(child.stderr.take().ok_or("there is no standard error")?).lines();
        for line in lines.by_ref() {
            let line = line.map_err(|error| format!("{command:?}: {error}"))?;
            if line.trim().starts_with("http") {
                page = Some(line.trim().to_owned());
                break;
            }
            told += &line;
        }
        if let Some(page) = page {
            self.runtime.block_on(visit(&page))?;
        }
        told.extend(lines.map_while(std::result::Result::ok));
        let status = child.wait().map_err(|error| format!("{command:?}: {error}"))?;
        if status.success() {
            return Ok(());
        }
        let stdout = child.stdout.take().map(|mut out| out.read_to_string(&mut told));
        Err(format!("{command:?} failed ({status}, {stdout:?})\n{told}"))
    }

    /// The captain does all this.
    pub(super) fn act(&self, actions: Vec<Value>) -> Result<()> {
        let url = format!("{}/_sandbox/act", self.url);
        let body = json!({"do": "many", "actions": actions}).to_string();
        self.runtime.block_on(async {
            let sent = client()?.post(&url).header("content-type", "application/json").body(body).send().await;
            let answer = sent.map_err(|error| format!("{url}: {error}"))?;
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            if status.is_success() { Ok(()) } else { Err(format!("{url}: {status} {text}")) }
        })
    }

    /// The hash of the plan as it stands now.
    pub(super) fn plan(&self) -> Result<String> {
        let plan = document(&self.run(&["plan", INTEGRATION])?)?;
        plan["details"]["planHash"].as_str().map(str::to_owned).ok_or_else(|| format!("there is no plan: {plan}"))
    }

    /// Syncs; with a hash, the plan that it approves.
    pub(super) fn sync(&self, approve: Option<&str>) -> Result<(Measured, Value)> {
        let mut args = vec!["sync", INTEGRATION];
        args.extend(approve.map(|hash| ["--approve", hash]).into_iter().flatten());
        let measured = self.run(&args)?;
        let result = document(&measured)?;
        Ok((measured, result))
    }

    /// Compares both sides in full.
    pub(super) fn audit(&self) -> Result<(Measured, Value)> {
        let measured = self.run(&["audit", INTEGRATION])?;
        let result = document(&measured)?;
        Ok((measured, result))
    }

    fn run(&self, args: &[&str]) -> Result<Measured> {
        measure(&mut self.command(args))
    }

    /// `syncctl` in the folder.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(syncctl());
        command.args(args).arg("--json").current_dir(&self.folder);
        for endpoint in ["API", "ACCOUNTS", "TOKEN"] {
            command.env(format!("SYNCCTL_GOOGLE_CALENDAR_{endpoint}_URL"), &self.url);
        }
        command.env("SYNCCTL_GOOGLE_CALENDAR_CLIENT_ID", CLIENT).env("SYNCCTL_GOOGLE_CALENDAR_CLIENT_SECRET", SECRET);
        command
    }

    /// A file of the shop's folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.folder).join(name)
    }
}

fn client() -> Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())
}

/// Opens a page as a browser does, and goes where it is sent.
async fn visit(page: &str) -> Result<()> {
    let answer = client()?.get(page).send().await.map_err(|error| format!("the consent page: {error}"))?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("the consent page: {}", answer.status())) }
}

/// A figure of a run that did something else than it should means nothing.
pub(super) fn expect(result: &Value, synced: usize) -> Result<()> {
    if result["success"] == true && result["synced"].as_u64() == Some(synced as u64) {
        return Ok(());
    }
    Err(format!("expected {synced} events to be synced, but the run says {result}"))
}
