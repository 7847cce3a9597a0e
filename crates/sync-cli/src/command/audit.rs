//! `audit`: both sides are compared in full, and nothing is written.

use serde::Serialize;
use sync_core::{Result, Scope, SyncResult};
use sync_dispatch::{FieldChange, PlanLine, Side};

use super::{
    record,
    sync::{Run, name, request, say},
};
use crate::{
    app::{App, Make, Workbench},
    args::AuditArgs,
    exit::Exit,
    output::{Output, count, thousands},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    result: &'a SyncResult,
    /// How many records differ.
    differs: u64,
    /// The first of them.
    differences: &'a [PlanLine],
    exit_code: u8,
}

/// Compares.
pub(super) async fn run(app: &App, args: &AuditArgs) -> Result<Exit> {
    let scope = app.scope(&args.run.integration)?;
    let bench = app.open_with(Make::No, args.run.may.har.as_deref()).await?;
    let done = audit_in(app, &bench, &scope, args).await;
    bench.close().await;
    done
}

async fn audit_in(app: &App, bench: &Workbench, scope: &Scope, args: &AuditArgs) -> Result<Exit> {
    let run = Run::begin(app, bench, scope, &args.run.may);
    let result = run.dispatch(&request(scope, &args.run).dry_run(), &run.options().audit()).await;
    drop(run);
    let details = result.details.as_ref();
    let stopped = details.is_none_or(|details| details.stopped.is_some());
    let n_planned = details.map_or(0, |details| details.planned.total());
    let n_asked = details.map_or(0, |details| details.outcomes.of("question"));
    let mut found: Vec<PlanLine> = Vec::new();
    if let Some(run) = details.and_then(|details| details.run_id.as_ref()).filter(|_| !stopped) {
        let mut after = 0;
        while found.len() < args.limit {
            let page = bench.dispatcher.plan_page(scope, run, after, args.limit - found.len()).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            found.extend(page.into_iter().map(|(_, line)| line));
        }
    }
    let exit = match Exit::of_result(&result) {
        Exit::Done if n_planned + n_asked > 0 => Exit::ItemsFailed,
        exit => exit,
    };
    let differs = n_planned + n_asked;
    app.out.document(&Document { result: &result, differs, differences: &found, exit_code: exit.code() });
    if app.out.is_json() || stopped {
        say(app.out, None, &result);
        return Ok(exit);
    }
    if differs == 0 && exit == Exit::Done {
        app.out.say(format!("Nothing differs: a sync with {} would write nothing.", name(scope)));
        return Ok(exit);
    }
    app.out.say(format!("{} from {}:", count(differs, "record differs", "records differ"), name(scope)));
    for line in &found {
        tell(app.out, line);
    }
    let rest = n_planned.saturating_sub(found.len() as u64);
    if rest > 0 {
        app.out.say(format!("  … and {} more; show more with --limit.", thousands(rest)));
    }
    if n_asked > 0 {
        app.out.say(format!("  {} for a person to decide", count(n_asked, "record is", "records are")));
    }
    for line in result.errors.iter().flatten() {
        app.out.note(format!("  {line}"));
    }
    Ok(exit)
}

fn tell(out: Output, line: &PlanLine) {
    let record = record(&line.resource, &line.id, line.label.as_deref());
    let what = match (line.there.as_deref(), line.here.as_deref()) {
        (Some("create"), _) => "is here, and not there",
        (Some("remove"), _) => "is gone here, and still there",
        (Some("link"), None) => "is on both sides, and not linked yet",
        (_, Some("create")) => "is there, and not here",
        (_, Some("delete" | "cancel")) => "is gone there, and still here",
        _ => "differs",
    };
    out.say(format!("  {record} {what} ({})", line.reason));
    if what == "differs" {
        for change in &line.changes {
            out.say(format!("    {}", field(change)));
        }
    }
}

/// `last_name is "Ruiz" there and "Ruíz" here`.
fn field(change: &FieldChange) -> String {
    let (there, here) = match change.side {
        Side::There => (&change.before, &change.after),
        Side::Here => (&change.after, &change.before),
    };
    let words = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "nothing".to_owned(),
        value => value.to_string(),
    };
    format!("{} is {} there and {} here", change.field, words(there), words(here))
}
