//! `runs`, `why`, `retry` and `forget`.

use jiff::Timestamp;
use sync_core::{Collection, EffectGrants, ErrorKind, LocalId, Outcome, Result, RunId, Scope};
use sync_dispatch::{RemotePart, Why};

use super::sync::name;
use crate::{
    app::{App, Make, Workbench},
    args::{ForgetArgs, RetryArgs, RunsArgs, WhyArgs},
    exit::Exit,
    output::{Output, count, thousands},
};

/// Lists runs, or the outcomes of one.
pub(super) async fn runs(app: &App, args: &RunsArgs) -> Result<Exit> {
    let scope = app.scope(&args.integration)?;
    let bench = app.open(Make::No).await?;
    let done = match &args.run {
        Some(run) => outcomes(app, &bench, &scope, &RunId::new(run.clone()), args.limit).await,
        None => list(app, &bench, &scope, args.limit).await,
    };
    bench.close().await;
    done
}

async fn list(app: &App, bench: &Workbench, scope: &Scope, limit: usize) -> Result<Exit> {
    bench.connection(scope).await?;
    let runs = bench.dispatcher.runs(scope, None, limit).await?;
    app.out.document(&runs);
    let state = |run: &sync_engine::RunRow| match &run.result {
        None => "under way, or killed".to_owned(),
        Some(result) if result.success => "in order".to_owned(),
        Some(result) => match result.details.as_ref().and_then(|details| details.stopped) {
            Some(stop) => serde_json::to_value(stop)
                .ok()
                .and_then(|stop| stop.as_str().map(|stop| format!("stopped: {stop}")))
                .unwrap_or_default(),
            None => "with failures".to_owned(),
        },
    };
    app.out.table(
        &["Run", "Began", "Took", "Dry run", "Synced", "Failed", "State"],
        runs.iter().map(|run| {
            let of =
                |count: fn(&sync_core::SyncResult) -> u64| run.result.as_ref().map(count).map(thousands).unwrap_or_default();
            vec![
                run.id.as_str().to_owned(),
                time(run.started_at),
                run.ended_at.map(|end| took(run.started_at, end)).unwrap_or_default(),
                if run.request.dry_run { "yes".to_owned() } else { String::new() },
                of(|result| result.synced),
                of(|result| result.failed),
                state(run),
            ]
        }),
    );
    if runs.is_empty() {
        app.out.say(format!("There was no run of {} yet.", name(scope)));
    }
    Ok(Exit::Done)
}

async fn outcomes(app: &App, bench: &Workbench, scope: &Scope, run: &RunId, limit: usize) -> Result<Exit> {
    let rows = bench.dispatcher.outcomes(scope, run, 0, limit).await?;
    app.out.document(&rows.iter().map(|(_, row)| row).collect::<Vec<_>>());
    app.out.table(
        &["Item", "Name", "Outcome", "Why, and what to do"],
        rows.iter().map(|(_, labelled)| {
            let id = labelled.row.local.as_ref().map(LocalId::as_str).or(labelled.row.remote.as_ref().map(|id| id.as_str()));
            vec![
                id.unwrap_or_default().to_owned(),
                labelled.label.clone().unwrap_or_default(),
                format!("{} ({})", labelled.row.outcome.kind, labelled.row.outcome.code),
                words(&labelled.row.outcome),
            ]
        }),
    );
    if rows.len() == limit {
        app.out.say(format!("The first {}; show more with --limit.", count(limit as u64, "item", "items")));
    }
    Ok(Exit::Done)
}

/// Says what became of one record.
pub(super) async fn why(app: &App, args: &WhyArgs) -> Result<Exit> {
    let organization = app.config.organization()?;
    let bench = app.open(Make::No).await?;
    let done = async {
        let mut found: Vec<(Scope, Why)> = Vec::new();
        let mut unknown = None;
        for scope in bench.scopes(&organization, args.integration.as_deref()).await? {
            match bench.dispatcher.why(&scope, &args.id).await {
                Ok(why) => found.push((scope, why)),
                Err(error) if error.kind() == ErrorKind::NotFound => unknown = Some(error),
                Err(error) => return Err(error),
            }
        }
        match (found.is_empty(), unknown) {
            (true, Some(error)) => Err(error),
            _ => Ok(found),
        }
    };
    let found = done.await;
    bench.close().await;
    let found = found?;
    app.out.document(
        &found
            .iter()
            .map(|(scope, why)| serde_json::json!({"integration": scope.integration, "why": why}))
            .collect::<Vec<_>>(),
    );
    for (scope, why) in &found {
        tell(app, scope, why);
    }
    Ok(Exit::Done)
}

fn tell(app: &App, scope: &Scope, why: &Why) {
    let out = app.out;
    out.say(format!("{}:", name(scope)));
    for link in &why.links {
        let label = link.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        let there = link.row.remote.as_ref().map_or("no answer yet", |remote| remote.as_str());
        let state = serde_json::to_value(link.row.state).ok();
        let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or_default();
        out.say(format!("  {}{label} is {there} there, {state}", link.row.local));
    }
    for item in &why.standing {
        let row = &item.row;
        out.say(format!(
            "  stands since {}: {} ({}). {}",
            time(row.since),
            row.outcome.kind,
            row.outcome.code,
            words(&row.outcome)
        ));
        if let Some(due) = row.due {
            out.say(format!("    looked at again at {}", time(due)));
        }
    }
    for labelled in &why.questions {
        let question = &labelled.question;
        match &question.answer {
            Some(answer) => {
                out.say(format!(
                    "  asked on {}: {} {} answered {} on {}",
                    time(question.asked_at),
                    question.prompt,
                    answer.by,
                    answer.key,
                    time(answer.at)
                ));
            }
            None => {
                let keys: Vec<&str> = question.options.iter().map(|option| option.key.as_str()).collect();
                out.say(format!("  waits for an answer since {}: {}", time(question.asked_at), question.prompt));
                out.say(format!(
                    "    syncctl answer {} {} ANSWER --org {} (one of: {})",
                    scope.integration,
                    question.id,
                    scope.organization,
                    keys.join(", ")
                ));
            }
        }
    }
    out.table(
        &["When", "Run", "Outcome", "Why, and what to do"],
        why.trail.iter().map(|(run, row)| {
            vec![
                time(row.at),
                run.as_str().to_owned(),
                format!("{} ({})", row.outcome.kind, row.outcome.code),
                words(&row.outcome),
            ]
        }),
    );
}

/// Lets failed items go with the next sync.
pub(super) async fn retry(app: &App, args: &RetryArgs) -> Result<Exit> {
    let scope = app.scope(&args.integration)?;
    let bench = app.open(Make::No).await?;
    let ids: Vec<LocalId> = args.items.iter().map(|id| LocalId::new(id.clone())).collect();
    let done = async {
        bench.connection(&scope).await?;
        bench.dispatcher.retry(&scope, (!ids.is_empty()).then_some(ids.as_slice())).await
    };
    let n_items = done.await;
    bench.close().await;
    let n_items = n_items?;
    app.out.document(&serde_json::json!({"success": true, "items": n_items}));
    app.out.say(format!("{} with the next sync.", count(n_items, "item goes", "items go")));
    Ok(Exit::Done)
}

/// Erases what is known about a person.
pub(super) async fn forget(app: &App, args: &ForgetArgs) -> Result<Exit> {
    let organization = app.config.organization()?;
    let bench = app.open(Make::No).await?;
    let id = LocalId::new(args.id.clone());
    let done = async {
        // Deleted first: what is left to do at the providers is planned from what is here then.
        let n_deleted = match args.delete {
            true => bench.records.delete(&organization, &Collection::CUSTOMERS, std::slice::from_ref(&id)).await?,
            false => 0,
        };
        let grants = EffectGrants::of(args.grants.iter().cloned());
        let forgotten = bench.dispatcher.forget(&organization, &Collection::CUSTOMERS, &id, &grants).await?;
        Ok((forgotten, n_deleted))
    };
    let done = done.await;
    bench.close().await;
    let (forgotten, n_deleted) = done?;
    let erased: Vec<_> = forgotten
        .erased
        .iter()
        .map(|(scope, resource, erased)| {
            serde_json::json!({"integration": scope.integration, "resource": resource, "erased": erased})
        })
        .collect();
    app.out.document(&serde_json::json!({
        "success": true, "erased": erased, "deleted": n_deleted > 0, "remote": forgotten.remote
    }));
    if erased.is_empty() && n_deleted == 0 {
        app.out.say(format!("Nothing was kept about {id}."));
    }
    for (scope, resource, erased) in &forgotten.erased {
        app.out.say(format!(
            "{} {resource}: {} and {} erased, the words of {}, {}.",
            name(scope),
            count(erased.bases, "copy", "copies"),
            count(erased.operations, "plan line", "plan lines"),
            count(erased.outcomes, "outcome", "outcomes"),
            count(erased.questions, "question", "questions"),
        ));
    }
    if n_deleted > 0 {
        app.out.say(format!("The record {id} is deleted here."));
    }
    forgotten.remote.iter().for_each(|part| tell_remote(app.out, part, &id, args));
    app.out.say("Links and the list of addresses that are never mailed again stay.");
    Ok(Exit::Done)
}

/// What lies at a provider of an erased record, and how it goes.
fn tell_remote(out: Output, part: &RemotePart, id: &LocalId, args: &ForgetArgs) {
    let RemotePart { scope, resource, plan, .. } = part;
    let place = name(scope);
    let details = plan.details.as_ref();
    if !plan.success {
        let why = plan.errors.iter().flatten().next().map_or("", String::as_str);
        out.note(format!("What lies at {place} could not be planned: {why}"));
        return;
    }
    if details.is_none_or(|details| details.planned.of("remove") == 0) {
        out.say(format!(
            "At {place} nothing is taken away: the record is still here, and a sync writes it again. Delete it too \
             (--delete), and the sync after that takes it away there."
        ));
        return;
    }
    out.say(format!("Left to do at {place}, with the next sync:"));
    for note in details.iter().flat_map(|details| &details.notes) {
        out.say(format!("  {note}"));
    }
    let grants: String = args.grants.iter().map(|effect| format!(" --grant {effect}")).collect();
    let sync = format!("syncctl sync {} --org {} --item {resource}:{id}{grants}", scope.integration, scope.organization);
    out.say(format!("  now, and this record alone: {sync}"));
}

/// What an outcome says, in one line.
fn words(outcome: &Outcome) -> String {
    let provider = outcome.provider_message.as_ref().map(|words| format!("it says: {words}"));
    let parts = [Some(outcome.message.clone()), provider, outcome.remedy.clone()];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" — ")
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn took(from: Timestamp, to: Timestamp) -> String {
    let ms = to.duration_since(from).as_millis();
    if ms < 10_000 { format!("{:.1} s", ms as f64 / 1_000.0) } else { format!("{} s", ms / 1_000) }
}
