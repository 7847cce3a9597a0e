//! `sync`, and what the commands that run something share.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use sync_core::{Cancel, EffectGrants, PlanHash, Result, Scope, Stop, SyncRequest, SyncResult};
use sync_dispatch::{RunOptions, endpoint_answer};

use super::{prompt, totals};
use crate::{
    app::{App, Make, Workbench, integration_name},
    args::{MayArgs, RunArgs, SyncArgs},
    exit::Exit,
    output::{Bar, Output, count, thousands},
};

/// How often a held lease is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A result as JSON: the public one, with the exit code and the sentence of the endpoint.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    result: &'a SyncResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    exit_code: u8,
}

/// Syncs.
pub(super) async fn sync(app: &App, args: &SyncArgs) -> Result<Exit> {
    let scope = app.scope(&args.run.integration)?;
    let bench = app.open_with(Make::No, args.run.may.har.as_deref()).await?;
    let done = sync_in(app, &bench, &scope, args).await;
    bench.close().await;
    done
}

async fn sync_in(app: &App, bench: &Workbench, scope: &Scope, args: &SyncArgs) -> Result<Exit> {
    let dry_run = args.dry_run;
    let mut request = request(scope, &args.run);
    request.dry_run = dry_run;
    let run = Run::begin(app, bench, scope, &args.run.may);
    let options = run.options().approve(args.approve.as_deref().map(PlanHash::new));
    let mut result = run.dispatch(&request, &options).await;
    // At a terminal, a plan that waits for approval is asked about at once.
    if let Some(hash) = waits_for_approval(&result).filter(|_| !dry_run && !app.out.is_json() && prompt::can_ask()) {
        show(app.out, bench, scope, &result, dry_run);
        if !prompt::confirm("Carry this plan out?")? {
            return Ok(Exit::Approval);
        }
        result = run.dispatch(&request, &options.approve(Some(hash))).await;
    }
    drop(run);
    Ok(show(app.out, bench, scope, &result, dry_run))
}

/// What is asked for.
pub(super) fn request(scope: &Scope, args: &RunArgs) -> SyncRequest {
    let mut request = SyncRequest::new(scope.organization.clone(), scope.integration.clone());
    request.direction = args.direction;
    request.types.clone_from(&args.types);
    if !args.items.is_empty() {
        request = request.items(args.items.iter().cloned());
    }
    request
}

/// A run at the command line: with a bar, and with a way to stop it.
pub(super) struct Run<'a> {
    bench: &'a Workbench,
    scope: &'a Scope,
    may: &'a MayArgs,
    out: Output,
    bar: Arc<Bar>,
    cancel: Cancel,
    watch: tokio::task::JoinHandle<()>,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.watch.abort();
        self.bar.finish();
    }
}

impl<'a> Run<'a> {
    pub(super) fn begin(app: &App, bench: &'a Workbench, scope: &'a Scope, may: &'a MayArgs) -> Self {
        let cancel = Cancel::new();
        let watch = tokio::spawn(cancel_on_signal(cancel.clone(), app.out));
        Self { bench, scope, may, out: app.out, bar: Arc::new(Bar::new(app.out)), cancel, watch }
    }

    pub(super) fn options(&self) -> RunOptions {
        RunOptions::new()
            .grants(self.grants())
            .progress(Arc::clone(&self.bar) as _)
            .cancel(self.cancel.clone())
            .owner(owner())
    }

    pub(super) fn grants(&self) -> EffectGrants {
        EffectGrants::of(self.may.grants.iter().cloned())
    }

    /// One dispatch, or several with `--wait`.
    pub(super) async fn dispatch(&self, request: &SyncRequest, options: &RunOptions) -> SyncResult {
        self.patiently(
            async || self.bench.dispatcher.dispatch_with(request.clone(), options.clone()).await,
            |result| Some(result),
        )
        .await
    }

    /// Runs; with `--wait`, again whenever somebody else's run has ended.
    pub(super) async fn patiently<T>(&self, run: impl AsyncFn() -> T, result: impl Fn(&T) -> Option<&SyncResult>) -> T {
        loop {
            let done = run().await;
            let stopped = result(&done).and_then(|result| result.details.as_ref()).and_then(|details| details.stopped);
            if stopped != Some(Stop::LeaseHeld) || !self.may.wait {
                self.bar.finish();
                return done;
            }
            self.bar.message("another run is under way; waiting for it");
            self.out.note("Another run is under way; waiting for it to end …");
            loop {
                if self.cancel.is_cancelled() {
                    return done;
                }
                match self.bench.dispatcher.lease(self.scope).await {
                    Ok(Some(lease)) if lease.expires_at > lease.now => tokio::time::sleep(LOOK_EVERY).await,
                    _ => break,
                }
            }
        }
    }
}

/// The first Ctrl-C asks the run to stop, the second ends the program.
async fn cancel_on_signal(cancel: Cancel, out: Output) {
    owner_signal().await;
    cancel.cancel();
    out.note("Stopping: what is under way is finished and recorded. Press Ctrl-C again to end at once.");
    owner_signal().await;
    std::process::exit(i32::from(Exit::Later.code()));
}

/// Ends when who started the program wants it to stop: Ctrl-C, or the SIGTERM of a service manager. Never, where neither
/// can be heard.
pub(super) async fn owner_signal() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}

/// Who runs, for the lease.
pub(super) fn owner() -> String {
    format!("syncctl, pid {} on {}", std::process::id(), host())
}

/// This machine's name.
pub(crate) fn host() -> String {
    #[cfg(unix)]
    let name = Some(rustix::system::uname().nodename().to_string_lossy().into_owned());
    #[cfg(not(unix))]
    let name = crate::config::environment("COMPUTERNAME");
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "this machine".to_owned())
}

fn waits_for_approval(result: &SyncResult) -> Option<PlanHash> {
    let details = result.details.as_ref()?;
    match details.stopped {
        Some(Stop::Approval | Stop::Breaker) => details.plan_hash.clone(),
        _ => None,
    }
}

/// Prints a result and tells the exit code.
pub(super) fn show(out: Output, bench: &Workbench, scope: &Scope, result: &SyncResult, dry_run: bool) -> Exit {
    let sync = format!("syncctl sync {} --org {}", scope.integration, scope.organization);
    show_as(out, bench, scope, result, dry_run, &sync)
}

/// The same for a plan that another command carries out.
pub(super) fn show_as(
    out: Output,
    bench: &Workbench,
    scope: &Scope,
    result: &SyncResult,
    dry_run: bool,
    sync: &str,
) -> Exit {
    let capabilities = bench.dispatcher.capabilities(scope.integration.as_str());
    let answer = endpoint_answer(&capabilities, result);
    let exit = Exit::of_result(result);
    out.document(&Document { result, message: answer.message.as_deref(), exit_code: exit.code() });
    if out.is_json() {
        return exit;
    }
    say(out, answer.message.as_deref(), result);
    let details = result.details.as_ref();
    match (waits_for_approval(result), details.and_then(|details| details.plan_hash.as_ref())) {
        (Some(hash), _) => out.say(format!("To carry this plan out: {sync} --approve {hash}")),
        (None, Some(hash)) if dry_run => out.say(format!("To carry this plan out: {sync} --approve {hash}")),
        _ => {}
    }
    let n_questions = details.map_or(0, |details| details.outcomes.of("question"));
    if n_questions > 0 && !dry_run {
        out.say(format!(
            "See what waits for an answer: syncctl questions {} --org {}",
            scope.integration, scope.organization
        ));
    }
    exit
}

/// A result in words, with what went wrong.
pub(super) fn say(out: Output, message: Option<&str>, result: &SyncResult) {
    if let Some(message) = message {
        out.say(message);
    }
    tell(out, result);
    for line in result.errors.iter().flatten() {
        out.note(format!("  {line}"));
    }
    if let Some(at) = result.details.as_ref().and_then(|details| details.resume_at) {
        out.note(format!("It can go on at {} ({}).", at.strftime("%Y-%m-%d %H:%M:%SZ"), from_now(at)));
    }
}

/// What a result means, in lines.
pub(super) fn tell(out: Output, result: &SyncResult) {
    let Some(details) = &result.details else { return };
    let counts = |counts: &sync_core::Counts| {
        counts.0.iter().map(|(name, n)| format!("{} {name}", thousands(*n))).collect::<Vec<_>>().join(", ")
    };
    if !details.planned.is_empty() {
        let calls = details.calls.map(|n| format!(" in {}", count(n, "call", "calls"))).unwrap_or_default();
        out.say(format!("  planned: {}{calls}", counts(&details.planned)));
    }
    if !details.outcomes.is_empty() {
        out.say(format!("  items: {}", counts(&details.outcomes)));
    }
    for (code, n) in &details.skipped {
        out.say(format!("  left out: {} {}", thousands(*n), code.replace('-', " ")));
    }
    // What went is told by its outcomes; what would go, by what it comes to.
    if !details.planned.is_empty() {
        totals::tell(out, &details.totals);
    }
    for note in &details.notes {
        out.say(format!("  {note}"));
    }
    if details.consent_facts > 0 {
        out.say(format!("  learned: {}", count(details.consent_facts, "change of consent", "changes of consent")));
    }
    if let Some(run) = &details.run_id {
        out.say(format!("  run {run}"));
    }
}

/// `in 12 s`, `in 5 min`, `now`.
fn from_now(at: Timestamp) -> String {
    match at.duration_since(Timestamp::now()).as_secs() {
        ..=0 => "now".to_owned(),
        s @ 1..120 => format!("in {s} s"),
        s => format!("in {} min", s / 60),
    }
}

/// The integration's name, for sentences.
pub(super) fn name(scope: &Scope) -> &str {
    integration_name(&scope.integration)
}
