//! syncctl: the engine as a program.
//!
//! The library beside the program holds what tests and benches use too: the importer and the sample shop.

mod app;
mod args;
mod command;
mod config;
mod doctor;
mod exit;
pub mod import;
mod output;
mod place;
pub mod shop;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; everything else is wrong use.
            let _ = error.print();
            return if error.use_stderr() { exit::Exit::Usage.into() } else { exit::Exit::Done.into() };
        }
    };
    log(cli.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the program can't start: {error}");
            return exit::Exit::Usage.into();
        }
    };
    runtime.block_on(command::run(cli)).into()
}

/// What happens, on standard error: `RUST_LOG` decides, else `--verbose`.
fn log(verbose: u8) {
    let usual = match verbose {
        0 => "error",
        1 => "warn,sync_cli=debug,sync_dispatch=debug,sync_engine=info,sync_http=info",
        _ => "info,sync_cli=trace,sync_dispatch=trace,sync_engine=debug,sync_http=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).init();
}
