//! `syncctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    sync_cli::main()
}
