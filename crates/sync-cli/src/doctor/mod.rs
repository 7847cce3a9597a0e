//! `doctor`: looks for what is wrong, and names the fix of each finding.

mod connections;
mod machine;
mod runs;
#[cfg(test)]
mod tests;

use serde::Serialize;
use sync_core::{Error, Result};

use crate::{
    app::{App, Make, Workbench},
    args::DoctorArgs,
    config::Database,
    exit::Exit,
    output::count,
    place::Place,
};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// In order.
    Fine,
    /// It works, and should be looked at.
    Warning,
    /// It does not work.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    /// A stable code, such as `key`.
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    /// What was seen.
    pub(crate) message: String,
    /// What to do, unless it is fine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
    /// True when a connection needs a person.
    #[serde(skip)]
    pub(crate) needs_person: bool,
}

impl Finding {
    pub(crate) fn fine(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Fine, message: message.into(), fix: None, needs_person: false }
    }

    pub(crate) fn warning(code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        let severity = Severity::Warning;
        Self { code, severity, message: message.into(), fix: Some(fix.into()), needs_person: false }
    }

    pub(crate) fn error(code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        let severity = Severity::Error;
        Self { code, severity, message: message.into(), fix: Some(fix.into()), needs_person: false }
    }

    /// A failure as a finding.
    pub(crate) fn of_error(code: &'static str, error: &Error) -> Self {
        Self::error(code, error.to_string(), error.remedy().unwrap_or("Run it again with --verbose for more."))
    }

    /// Marks that a person must act at a connection.
    pub(crate) fn by_a_person(mut self) -> Self {
        self.needs_person = true;
        self
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    success: bool,
    findings: &'a [Finding],
    exit_code: u8,
}

/// Looks at everything and prints what it found.
pub(crate) async fn run(app: &App, args: &DoctorArgs) -> Result<Exit> {
    let findings = examine(app, args).await;
    let exit = exit(&findings);
    app.out.document(&Document { success: exit == Exit::Done, findings: &findings, exit_code: exit.code() });
    for finding in &findings {
        let mark = match finding.severity {
            Severity::Fine => "ok     ",
            Severity::Warning => "warning",
            Severity::Error => "ERROR  ",
        };
        app.out.say(format!("{mark}  {}: {}", finding.code, finding.message));
        if let Some(fix) = &finding.fix {
            app.out.say(format!("         {fix}"));
        }
    }
    let n_found = findings.iter().filter(|finding| finding.severity > Severity::Fine).count() as u64;
    app.out.say(match n_found {
        0 => "Everything is in order.".to_owned(),
        n => format!("{} to look at.", count(n, "thing", "things")),
    });
    Ok(exit)
}

fn exit(findings: &[Finding]) -> Exit {
    let mut errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    match errors.next() {
        None => Exit::Done,
        Some(first) if first.needs_person && errors.all(|finding| finding.needs_person) => Exit::NeedsPerson,
        Some(_) => Exit::Usage,
    }
}

/// All findings, also those that are fine.
pub(crate) async fn examine(app: &App, args: &DoctorArgs) -> Vec<Finding> {
    let mut findings = machine::key(&app.config);
    if let Database::File(path) = &app.config.database {
        findings.extend(machine::disk(path, args.min_free));
    }
    let bench = match app.open(Make::No).await {
        Ok(bench) => bench,
        Err(error) => {
            findings.push(Finding::of_error("database", &error));
            return findings;
        }
    };
    for looked in [database(&bench, args.deep).await, place(app, &bench, args.moved).await] {
        findings.push(looked.unwrap_or_else(|error| Finding::of_error("database", &error)));
    }
    match bench.all_connections().await {
        Err(error) => findings.push(Finding::of_error("connections", &error)),
        Ok(rows) => {
            for row in &rows {
                findings.extend(runs::look(&bench, &row.scope).await);
            }
            if !args.offline {
                findings.extend(machine::clock(app, &rows).await);
                for row in &rows {
                    findings.extend(connections::look(&bench, row).await);
                }
            }
            if rows.is_empty() {
                findings.push(Finding::fine("connections", "there is none yet"));
            }
        }
    }
    bench.close().await;
    findings
}

async fn database(bench: &Workbench, deep: bool) -> Result<Finding> {
    let version = bench.store.schema_version().await?;
    if bench.store.server_id().await?.is_some() {
        let name = bench.store.name();
        return Ok(Finding::fine("database", format!("{name} opens with its key; schema version {version}")));
    }
    if !deep {
        return Ok(Finding::fine("database", format!("opens with its key; schema {version}")));
    }
    let broken = bench.store.integrity().await?;
    Ok(match broken.first() {
        None => Finding::fine("database", format!("opens with its key and is sound; schema {version}")),
        Some(first) => Finding::error(
            "database",
            format!("it is damaged in {}; the first: {first}", count(broken.len() as u64, "place", "places")),
            "Stop writing to it, keep a copy, and restore the last backup.",
        ),
    })
}

async fn place(app: &App, bench: &Workbench, moved: bool) -> Result<Finding> {
    let here = Place::here(&app.config.database, &bench.store).await?;
    let remembered = Place::remembered(&bench.records).await?;
    match remembered {
        Some(there) if there != here && !moved => Ok(Finding::error(
            "installation",
            format!("the database was made at {} on another machine or in another folder", there.path),
            "If it was moved, say so: syncctl doctor --moved. If it is a copy, don't sync from it: it would write as if it \
             were the original. Disconnect its integrations with syncctl disconnect, or start with a new database.",
        )),
        Some(there) if there == here => Ok(Finding::fine("installation", "the database is where it was made")),
        _ => {
            here.remember(&bench.records).await?;
            Ok(Finding::fine("installation", "this place is remembered as the database's"))
        }
    }
}
