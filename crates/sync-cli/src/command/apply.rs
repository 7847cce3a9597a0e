//! `apply`: a plan that somebody looked at is carried out, but for what changed since.

use std::{fs::File, io::BufReader, path::Path};

use serde::Serialize;
use sync_core::{Error, ErrorKind, Owner, Result, Scope};
use sync_dispatch::{Applied, Labelled, PlanFile, endpoint_answer};

use super::{
    record,
    sync::{Run, say},
};
use crate::{
    app::{App, Make, Workbench},
    args::ApplyArgs,
    exit::Exit,
    output::{Output, count, thousands},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    applied: &'a Applied,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    exit_code: u8,
}

/// Carries a plan out.
pub(super) async fn run(app: &App, args: &ApplyArgs) -> Result<Exit> {
    let plan = read(&args.file)?;
    let scope = app.scope(plan.head.integration.as_str())?;
    let bench = app.open_with(Make::No, args.may.har.as_deref()).await?;
    let done = apply_in(app, &bench, &scope, &plan, args).await;
    bench.close().await;
    done
}

fn read(path: &Path) -> Result<PlanFile> {
    let file = File::open(path).map_err(|error| {
        Error::new(ErrorKind::Config, format!("{} can't be read: {error}", path.display()))
            .with_owner(Owner::EndUserData)
            .with_source(error)
            .with_remedy("Name a file that `syncctl plan --out FILE` wrote.")
    })?;
    PlanFile::read(BufReader::new(file))
}

async fn apply_in(app: &App, bench: &Workbench, scope: &Scope, plan: &PlanFile, args: &ApplyArgs) -> Result<Exit> {
    let run = Run::begin(app, bench, scope, &args.may);
    let options = run.options();
    let apply = async || bench.dispatcher.apply(scope, plan, options.clone(), args.strict).await;
    let applied = run.patiently(apply, |applied| applied.as_ref().ok().map(|applied| &applied.result)).await;
    drop(run);
    let applied = applied?;
    let result = &applied.result;
    let capabilities = bench.dispatcher.capabilities(scope.integration.as_str());
    let answer = endpoint_answer(&capabilities, result);
    let exit = match Exit::of_result(result) {
        Exit::Done if applied.moved > 0 => Exit::ItemsFailed,
        exit => exit,
    };
    app.out.document(&Document { applied: &applied, message: answer.message.as_deref(), exit_code: exit.code() });
    if app.out.is_json() {
        return Ok(exit);
    }
    say(app.out, answer.message.as_deref(), result);
    if exit == Exit::Approval {
        app.out.say("Nothing was written. Plan again, and look at it as it is now.");
    } else {
        tell(app.out, &applied);
    }
    Ok(exit)
}

fn tell(out: Output, applied: &Applied) {
    let lines = [
        (applied.as_planned, "as it was planned", "as they were planned"),
        (applied.not_needed, "is not needed any more", "are not needed any more"),
        (
            applied.not_in_plan,
            "is not in the plan and was left for the next sync",
            "are not in the plan and were left for the next sync",
        ),
        (applied.moved, "changed since the plan was made and was left", "changed since the plan was made and were left"),
    ];
    for (n, one, many) in lines.into_iter().filter(|(n, ..)| *n > 0) {
        out.say(format!("  {} {}", count(n, "operation", "operations"), if n == 1 { one } else { many }));
    }
    for Labelled { label, row } in &applied.moved_records {
        out.say(format!("    {}", record(&row.resource, row.id.as_str(), label.as_deref())));
    }
    let rest = applied.moved.saturating_sub(applied.moved_records.len() as u64);
    if rest > 0 {
        out.say(format!("    … and {} more", thousands(rest)));
    }
}
