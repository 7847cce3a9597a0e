//! A shop with contacts, and the double that it syncs with in a process of its own.

use std::{
    io::{BufRead as _, BufReader},
    ops::Deref,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{
    child::Measured,
    contacts::Contacts,
    site::{self, Site, get},
    start::syncctl,
};
use crate::Result;

/// The key that opens the double.
pub(super) const API_KEY: &str = "sandbox-us19";

/// What a first push with tags by the hundred needs.
const GRANTS: &[&str] = &["automation"];

/// A double in a process of its own; it ends with this.
#[derive(Debug)]
pub(super) struct Double {
    child: Child,
    url: String,
}

impl Drop for Double {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Double {
    /// An empty audience.
    pub(super) fn start(latency: Duration, keep_bodies: bool) -> Result<Self> {
        Self::with(&["--empty"], latency, keep_bodies)
    }

    /// What these arguments of `syncctl sandbox` say.
    pub(super) fn with(args: &[&str], latency: Duration, keep_bodies: bool) -> Result<Self> {
        let mut command = Command::new(syncctl());
        command.args(["sandbox", "--port", "0", "--json", "--latency"]);
        command.arg(format!("{}ms", latency.as_millis())).args(args);
        if keep_bodies {
            command.arg("--keep-bodies");
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?} did not start: {error}"))?;
        let stdout = child.stdout.take().ok_or("the sandbox has no output")?;
        let mut double = Self { child, url: String::new() };
        let mut text = String::new();
        for line in BufReader::new(stdout).lines() {
            text += &line.map_err(|error| format!("the sandbox's output: {error}"))?;
            if let Ok(address) = serde_json::from_str::<Value>(&text) {
                double.url = address["url"].as_str().ok_or("the sandbox names no url")?.to_owned();
                return Ok(double);
            }
        }
        Err(format!("the sandbox did not start: {text}"))
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What was asked of it so far.
    pub(super) fn log(&self) -> Result<Log> {
        let log = get(&format!("{}/_sandbox/log?entries=false", self.url))?;
        serde_json::from_str(&log).map(Log).map_err(|error| format!("the sandbox's log: {error}"))
    }

    /// What was asked of it, request by request.
    pub(super) fn entries(&self) -> Result<Vec<Value>> {
        let log = get(&format!("{}/_sandbox/log", self.url))?;
        let mut log: Value = serde_json::from_str(&log).map_err(|error| format!("the sandbox's log: {error}"))?;
        match log["entries"].take() {
            Value::Array(entries) => Ok(entries),
            _ => Err("the sandbox's log has no entries".to_owned()),
        }
    }
}

/// The double's log.
#[derive(Debug)]
pub(super) struct Log(Value);

impl Log {
    /// How often operations were called whose name a test admits.
    pub(super) fn calls(&self, of: impl Fn(&str) -> bool) -> u64 {
        let operations = self.0["by_operation"].as_object().into_iter().flatten();
        operations.filter(|(name, _)| of(name)).filter_map(|(_, tally)| tally["calls"].as_u64()).sum()
    }

    /// From the first call of these operations to the last answer.
    pub(super) fn span(&self, operations: &[&str]) -> Result<Duration> {
        let tallies = || operations.iter().map(|operation| &self.0["by_operation"][*operation]);
        let at = |tally: &Value, name: &str| tally[name].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let first = tallies().filter_map(|tally| at(tally, "first_at")).min();
        let last = tallies().filter_map(|tally| at(tally, "last_at")).max();
        let (Some(first), Some(last)) = (first, last) else {
            return Err(format!("the sandbox saw none of {}", operations.join(", ")));
        };
        Duration::try_from(last.duration_since(first)).map_err(|error| format!("{}: {error}", operations.join(", ")))
    }

    /// Calls of one kind since an earlier look.
    pub(super) fn since(&self, before: &Self, of: impl Fn(&str) -> bool + Copy) -> f64 {
        self.calls(of).saturating_sub(before.calls(of)) as f64
    }

    /// Most calls that were open at once.
    pub(super) fn peak_in_flight(&self) -> u64 {
        self.0["peak_in_flight"].as_u64().unwrap_or_default()
    }
}

/// Writes members.
pub(super) fn is_member_call(operation: &str) -> bool {
    operation == "lists.batch"
        || matches!(operation.strip_prefix("lists.members."), Some("create" | "update" | "upsert" | "archive"))
}

/// Writes tags.
pub(super) fn is_tag_call(operation: &str) -> bool {
    matches!(operation, "lists.segments.create" | "lists.segments.change" | "lists.members.tags.write")
}

/// Lists members.
pub(super) fn is_listing(operation: &str) -> bool {
    operation == "lists.members.list"
}

/// Any call.
pub(super) fn is_call(_: &str) -> bool {
    true
}

/// A shop with contacts, and the site that it runs on.
#[derive(Debug)]
pub(super) struct Shop(Site);

impl Shop {
    /// A shop with these contacts, connected to the double.
    pub(super) fn open(name: &str, contacts: Contacts, double: &Double) -> Result<Self> {
        Self::on(name, site::DATABASE, contacts, double)
    }

    /// The same over this database.
    pub(super) fn on(name: &str, database: &str, contacts: Contacts, double: &Double) -> Result<Self> {
        let api = format!("{}/3.0", double.url());
        let env = [("API_URL", &*api), ("LOGIN_URL", double.url()), ("API_KEY", API_KEY)];
        let shop = Self(Site::open(name, database, "mailchimp", &env)?.with_grants(GRANTS));
        shop.import(contacts)?;
        shop.connect(&["audience=Newsletter"])?;
        Ok(shop)
    }

    /// The list becomes what the shop has.
    pub(super) fn import(&self, contacts: Contacts) -> Result<Measured> {
        let columns = ["--consent-column", "newsletter", "--consent-date-column", "agreed"];
        self.0.import("customers", "contacts.csv", &contacts.csv(), &columns)
    }
}

impl Deref for Shop {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_and_timed_by_the_log() {
        let log = Log(serde_json::json!({"peak_in_flight": 8, "by_operation": {
            "lists.batch": {"calls": 3, "first_at": "2026-01-01T00:00:00Z", "last_at": "2026-01-01T00:00:01.5Z"},
            "lists.members.update": {"calls": 2},
            "lists.members.list": {"calls": 5},
            "lists.segments.change": {"calls": 7},
        }}));
        assert_eq!(log.calls(is_member_call), 5);
        assert_eq!((log.calls(is_listing), log.calls(is_tag_call), log.calls(is_call)), (5, 7, 17));
        assert_eq!(log.span(&["lists.batch"]).unwrap(), Duration::from_millis(1_500));
        assert!(log.span(&["ping.read"]).is_err());
        assert_eq!(log.peak_in_flight(), 8);
    }
}
