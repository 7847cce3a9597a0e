//! `undo`: the plan that takes a run back, shown and carried out like any other.

use sync_core::{Error, ErrorKind, Owner, PlanHash, Result, RunId, Scope};

use super::{
    plan,
    sync::{Run, request, show_as},
};
use crate::{
    app::{App, Make},
    args::UndoArgs,
    exit::Exit,
};

/// Says how a run is taken back, or does it.
pub(super) async fn run(app: &App, args: &UndoArgs) -> Result<Exit> {
    let scope = app.scope(&args.plan.run.integration)?;
    if !args.plan.run.items.is_empty() || args.plan.run.direction.is_some() {
        return Err(Error::new(ErrorKind::Config, "a run is taken back whole")
            .with_owner(Owner::EndUserData)
            .with_remedy("Leave out --item and --direction; --types narrows it."));
    }
    let of = RunId::new(args.of.clone());
    let bench = app.open_with(Make::No, args.plan.run.may.har.as_deref()).await?;
    let done = async {
        bench.known_run(&scope, &of).await?;
        let Some(hash) = &args.approve else { return plan::plan_in(app, &bench, &scope, &args.plan, Some(&of)).await };
        let run = Run::begin(app, &bench, &scope, &args.plan.run.may);
        let options = run.options().undo(of.clone()).approve(Some(PlanHash::new(hash.clone())));
        let result = run.dispatch(&request(&scope, &args.plan.run), &options).await;
        drop(run);
        Ok(show_as(app.out, &bench, &scope, &result, false, &command(&scope, &of)))
    };
    let done = done.await;
    bench.close().await;
    done
}

/// What is called to take a run back.
pub(super) fn command(scope: &Scope, of: &RunId) -> String {
    format!("syncctl undo {} {of} --org {}", scope.integration, scope.organization)
}
