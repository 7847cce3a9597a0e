//! The commands.

mod apply;
mod audit;
mod connect;
mod demo;
mod due;
mod history;
mod import;
mod plan;
mod prompt;
mod providers;
mod questions;
mod sandbox;
mod settings;
mod sync;
mod totals;
mod undo;

pub(crate) use sync::host;

use sync_core::{ResourceName, Result};

use crate::{
    app::{App, known_providers},
    args::{Cli, Command},
    config::{Config, environment},
    doctor,
    exit::Exit,
    output::Output,
};

/// A record as people call it, with its id.
fn record(resource: &ResourceName, id: &str, label: Option<&str>) -> String {
    match label {
        Some(label) if label.contains(id) => format!("{resource} {label}"),
        Some(label) => format!("{resource} {label} ({id})"),
        None => format!("{resource} {id}"),
    }
}

/// Runs one command.
pub(crate) async fn run(cli: Cli) -> Exit {
    let out = Output::new(cli.global.json);
    match dispatch(cli, out).await {
        Ok(exit) => exit,
        Err(error) => {
            tracing::debug!(?error, "the command failed");
            out.error(&error)
        }
    }
}

async fn dispatch(cli: Cli, out: Output) -> Result<Exit> {
    // These two need neither configuration nor database.
    match &cli.command {
        Command::Demo(args) => return demo::run(args, cli.global.database.clone(), out).await,
        Command::Sandbox(args) => return sandbox::run(args, out).await,
        _ => {}
    }
    let config = Config::load(cli.global.flags(), &environment, &known_providers())?;
    let app = App { config, out };
    match cli.command {
        Command::Demo(_) | Command::Sandbox(_) => Ok(Exit::Done),
        Command::Providers => providers::run(&app),
        Command::Connect(args) => connect::connect(&app, &args).await,
        Command::Settings(args) => settings::run(&app, &args).await,
        Command::Disconnect(args) => connect::disconnect(&app, &args.integration).await,
        Command::Import(args) => import::run(&app, &args).await,
        Command::Plan(args) => plan::run(&app, &args).await,
        Command::Apply(args) => apply::run(&app, &args).await,
        Command::Undo(args) => undo::run(&app, &args).await,
        Command::Audit(args) => audit::run(&app, &args).await,
        Command::Sync(args) => sync::sync(&app, &args).await,
        Command::Due(args) => due::run(&app, &args).await,
        Command::Runs(args) => history::runs(&app, &args).await,
        Command::Why(args) => history::why(&app, &args).await,
        Command::Questions(args) => questions::list(&app, &args).await,
        Command::Answer(args) => questions::answer(&app, &args).await,
        Command::Retry(args) => history::retry(&app, &args).await,
        Command::Forget(args) => history::forget(&app, &args).await,
        Command::Doctor(args) => doctor::run(&app, &args).await,
    }
}
