//! `due`: what time asks for, once or for as long as the program runs.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sync_core::{Notice, Notifier, OrganizationId, Result, Scope, Stop, SyncResult};
use sync_dispatch::{ConnectionStatus, Did, Due, RunRow, Store as _};

use super::sync::{name, owner_signal, say};
use crate::{
    app::{App, Make, Workbench},
    args::DueArgs,
    exit::Exit,
    output::Output,
};

/// Things that are done in one go; the rest goes in the next.
const AT_ONCE: usize = 100;

/// One look may make the next thing due (a poll asks for a run): so often, at most, it is looked again at once.
const MAX_ROUNDS: usize = 10;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    done: Vec<Entry>,
    exit_code: u8,
}

/// One thing that was done, or could not be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(flatten)]
    due: Due,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<SyncResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Prints an organization's notices of the day.
struct Printer(Output);

#[async_trait]
impl Notifier for Printer {
    async fn notify(&self, organization: &OrganizationId, notices: &[Notice]) -> Result<()> {
        self.0.say(format!("{organization}: what waits for a person"));
        for notice in notices {
            self.0.say(format!("  {}", notice.message));
        }
        Ok(())
    }
}

/// Does what is due.
pub(super) async fn run(app: &App, args: &DueArgs) -> Result<Exit> {
    // A document holds results alone; who reads it asks for notices elsewhere.
    let printer = (!app.out.is_json()).then(|| Arc::new(Printer(app.out)) as Arc<dyn Notifier>);
    let bench = app.open_telling(Make::No, printer).await?;
    let done = match args.watch {
        true => watch(app.out, &bench, args).await,
        false => once(app.out, &bench, args).await,
    };
    bench.close().await;
    done
}

async fn once(out: Output, bench: &Workbench, args: &DueArgs) -> Result<Exit> {
    let done = round(bench, args).await?;
    let exit = done.iter().map(exit_of).max_by_key(|exit| weight(*exit)).unwrap_or(Exit::Done);
    done.iter().for_each(|did| tell(out, did));
    // Silent in a cron table, which mails whatever is said.
    if out.is_watched() && !done.iter().any(is_news) {
        out.note("Nothing is due.");
    }
    out.document(&Document { done: done.into_iter().map(Entry::of).collect(), exit_code: exit.code() });
    Ok(exit)
}

/// Looks again and again until it is asked to stop; what is under way then is finished.
async fn watch(out: Output, bench: &Workbench, args: &DueArgs) -> Result<Exit> {
    let mut stop = std::pin::pin!(owner_signal());
    out.note(format!("Looks every {} s at what is due. Ctrl-C ends it.", args.every.as_secs_f64()));
    loop {
        let mut is_over = false;
        let done = {
            let mut round = std::pin::pin!(round(bench, args));
            tokio::select! {
                done = &mut round => done,
                () = &mut stop => {
                    is_over = true;
                    out.note("Stopping: what is under way is finished. Press Ctrl-C again to end at once.");
                    tokio::select! {
                        done = &mut round => done,
                        () = owner_signal() => return Ok(Exit::Later),
                    }
                }
            }
        };
        match done {
            Ok(done) => {
                for did in done {
                    tell(out, &did);
                    out.line(&Entry::of(did));
                }
            }
            // A store that is away for a while comes back: who watches goes on.
            Err(error) => {
                out.error(&error);
            }
        }
        if is_over || first(&mut stop, tokio::time::sleep(args.every)).await {
            out.note("Stopped.");
            return Ok(Exit::Done);
        }
    }
}

/// True when the first is over before the second.
async fn first(one: impl Future<Output = ()>, other: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = one => true,
        () = other => false,
    }
}

/// Everything that is due now, and what that makes due.
async fn round(bench: &Workbench, args: &DueArgs) -> Result<Vec<Did>> {
    if let Some(every) = args.sync_every {
        ask_for_runs(bench, every).await?;
    }
    let mut done = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let more = bench.dispatcher.run_due(Timestamp::now(), AT_ONCE).await?;
        if more.is_empty() {
            break;
        }
        done.extend(more);
    }
    Ok(done)
}

/// Connections in use of which the last run began too long ago get one.
async fn ask_for_runs(bench: &Workbench, every: Duration) -> Result<()> {
    let now = Timestamp::now();
    let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
    for row in bench.all_connections().await? {
        if row.status != ConnectionStatus::Active || row.next_run_at.is_some_and(|at| at <= now) {
            continue;
        }
        let last = bench.store.runs(&row.scope, None, 1).await?.pop();
        // One that has to wait for a quota is not asked for before.
        let waits = |run: &RunRow| run.result.as_ref().and_then(resumes).is_some_and(|at| at > now);
        if last.is_none_or(|run| now.duration_since(run.started_at) >= every && !waits(&run)) {
            bench.dispatcher.schedule(&row.scope, Some(now)).await?;
        }
    }
    Ok(())
}

impl Entry {
    fn of(did: Did) -> Self {
        Self { error: did.error.as_ref().map(ToString::to_string), due: did.due, result: did.result }
    }
}

fn exit_of(did: &Did) -> Exit {
    match (&did.result, &did.error) {
        (_, Some(error)) => Exit::of_error(error),
        // Who else runs does what is due, too.
        (Some(result), _) if stopped(result) == Some(Stop::LeaseHeld) => Exit::Done,
        (Some(result), _) => Exit::of_result(result),
        _ => Exit::Done,
    }
}

fn resumes(result: &SyncResult) -> Option<Timestamp> {
    result.details.as_ref().and_then(|details| details.resume_at)
}

fn stopped(result: &SyncResult) -> Option<Stop> {
    result.details.as_ref().and_then(|details| details.stopped)
}

/// Which code counts where several things ended differently: the one that asks most of a person.
fn weight(exit: Exit) -> u8 {
    match exit {
        Exit::Done => 0,
        Exit::Later => 1,
        Exit::ItemsFailed => 2,
        Exit::Approval => 3,
        Exit::NeedsPerson => 4,
        Exit::Usage => 5,
    }
}

/// True for what is told: upkeep that went well is not.
fn is_news(did: &Did) -> bool {
    did.error.is_some() || did.result.is_some()
}

fn tell(out: Output, did: &Did) {
    let of = |scope: &Scope| format!("{} of {}", name(scope), scope.organization);
    let what = match &did.due {
        Due::Run { scope, .. } => format!("{}: synced as scheduled", of(scope)),
        Due::Pull { scope, .. } => format!("{}: synced, since there are news", of(scope)),
        Due::Watch { scope, .. } => format!("{}: looked after its feeds", of(scope)),
        Due::Check { scope, .. } => format!("{}: checked", of(scope)),
        Due::Digest { organization, .. } => format!("{organization}: looked for what waits for a person"),
        Due::Retention { .. } => "removed what has outlived its retention".to_owned(),
        other => format!("{other:?}"),
    };
    match (&did.error, &did.result) {
        (Some(error), _) => {
            out.note(format!("{what}: failed"));
            out.error(error);
        }
        (None, Some(result)) => {
            let written = format!("{} written, {} failed", result.synced, result.failed);
            out.say(format!("{what}: {written}"));
            say(out, None, result);
        }
        (None, None) => tracing::info!(what, "done"),
    }
}
