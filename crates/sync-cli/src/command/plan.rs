//! `plan`: in words, as one document, or one operation a line to be looked at and applied.

use std::{
    error::Error as _,
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, BufWriter, IsTerminal as _},
    path::{Path, PathBuf},
};

use sync_core::{Error, ErrorKind, Owner, Result, RunId, Scope};
use sync_dispatch::PlanHead;

use super::{
    sync::{Run, request, say, show, show_as},
    totals,
};
use crate::{
    app::{App, Make, Workbench},
    args::PlanArgs,
    exit::Exit,
    output::{Output, count, thousands},
};

/// Where the operations go, one a line.
enum Lines<'a> {
    Nowhere,
    Stdout,
    File(&'a Path),
}

/// Says what a sync would do.
pub(super) async fn run(app: &App, args: &PlanArgs) -> Result<Exit> {
    let scope = app.scope(&args.run.integration)?;
    let bench = app.open_with(Make::No, args.run.may.har.as_deref()).await?;
    let done = plan_in(app, &bench, &scope, args, None).await;
    bench.close().await;
    done
}

/// The plan of a sync, or of what takes a run back.
pub(super) async fn plan_in(
    app: &App,
    bench: &Workbench,
    scope: &Scope,
    args: &PlanArgs,
    undo: Option<&RunId>,
) -> Result<Exit> {
    let lines = match &args.out {
        Some(path) => Lines::File(path),
        None if args.text || args.csv || app.out.is_json() => Lines::Nowhere,
        None if args.jsonl || !io::stdout().is_terminal() => Lines::Stdout,
        None => Lines::Nowhere,
    };
    let settings = match lines {
        Lines::Nowhere => None,
        _ => {
            bench.connection(scope).await?;
            Some(bench.dispatcher.settings_digest(scope).await?)
        }
    };
    let run = Run::begin(app, bench, scope, &args.run.may);
    let grants = run.grants();
    let mut options = run.options();
    options.undo = undo.cloned();
    let result = run.dispatch(&request(scope, &args.run).dry_run(), &options).await;
    drop(run);
    let details = result.details.as_ref();
    if args.csv && result.errors.is_none() {
        totals::csv(details.map_or(&[], |details| &details.totals), io::stdout())?;
        return Ok(Exit::of_result(&result));
    }
    let made = details.filter(|details| details.stopped.is_none()).and_then(|details| details.run_id.as_ref());
    let (Some(settings), Some(id)) = (settings, made) else {
        return Ok(match undo {
            None => show(app.out, bench, scope, &result, true),
            Some(run) => show_as(app.out, bench, scope, &result, true, &super::undo::command(scope, run)),
        });
    };
    let head = bench.dispatcher.plan(scope, id, &settings, &grants).await?.undoing(undo.cloned());
    let exit = Exit::of_result(&result);
    match lines {
        Lines::File(path) => {
            to_file(bench, scope, &head, path).await?;
            if app.out.is_json() {
                return Ok(show(app.out, bench, scope, &result, true));
            }
            say(app.out, None, &result);
            tell(app.out, &head);
            app.out.say(format!(
                "{} written to {}. Carry it out with: {}",
                count(head.operations, "operation is", "operations are"),
                path.display(),
                apply(scope, &head, &path.display().to_string())
            ));
        }
        _ => {
            let written = bench.dispatcher.write_plan(scope, &head, BufWriter::new(io::stdout())).await;
            match written {
                // Who reads has seen enough.
                Err(error) if is_closed(&error) => return Ok(exit),
                written => written?,
            };
            let aside = app.out.aside();
            say(aside, None, &result);
            tell(aside, &head);
            aside.say(format!("Carry it out with: {}", apply(scope, &head, "FILE")));
        }
    }
    Ok(exit)
}

fn apply(scope: &Scope, head: &PlanHead, file: &str) -> String {
    let grants: String = head.grants.iter().map(|effect| format!(" --grant {effect}")).collect();
    format!("syncctl apply {file} --org {}{grants}", scope.organization)
}

/// Writes a file that is there whole or not at all. It holds what records hold: others may not read it.
async fn to_file(bench: &Workbench, scope: &Scope, head: &PlanHead, path: &Path) -> Result<()> {
    let cannot = |error: io::Error| {
        Error::new(ErrorKind::Config, format!("{} can't be written: {error}", path.display()))
            .with_owner(Owner::EndUserData)
            .with_source(error)
            .with_remedy("Name a file that you may write.")
    };
    let mut part = OsString::from(path.as_os_str());
    part.push(".part");
    let part = PathBuf::from(part);
    let file = private(&part).map_err(cannot)?;
    let written = async {
        let writer = bench.dispatcher.write_plan(scope, head, BufWriter::new(file)).await?;
        let file = writer.into_inner().map_err(|error| cannot(error.into_error()))?;
        file.sync_all().map_err(cannot)?;
        std::fs::rename(&part, path).map_err(cannot)
    };
    let written = written.await;
    if written.is_err() {
        // What is left of it is of no use; that it can't be removed is no further fault.
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn is_closed(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

/// What a plan costs and sets off.
fn tell(out: Output, head: &PlanHead) {
    if head.irreversible > 0 {
        let what = count(head.irreversible, "operation", "operations");
        out.say(format!("  {what} can't be taken back (\"reversible\":false)"));
    }
    for effect in &head.effects {
        let what = count(effect.operations, "operation", "operations");
        out.say(format!("  sets off: {} ({what}: {})", effect.description, effect.name));
    }
    let counted: Vec<_> = head.limits.iter().filter(|limit| limit.left.is_some()).collect();
    for limit in &counted {
        let (needs, left) = (limit.needs.unwrap_or_default(), limit.left.unwrap_or_default());
        let more = needs.saturating_sub(left).div_ceil(limit.limit.max(1));
        out.say(format!(
            "  needs {} of {} that are left of {} a {}{}{}",
            thousands(needs),
            thousands(left),
            thousands(limit.limit),
            limit.per,
            if limit.budget.is_empty() { String::new() } else { format!(" for {}", limit.budget) },
            if more > 0 {
                format!(": {} more at least", count(more, &limit.per, &format!("{}s", limit.per)))
            } else {
                String::new()
            },
        ));
    }
    if counted.is_empty() && !head.cost.is_empty() {
        out.say("  the provider has no quota that runs out");
    }
}
