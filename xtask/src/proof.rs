//! `cargo xtask sim` and `cargo xtask evidence`: optimised programs of `sync-tests`.

use crate::{
    Result,
    cargo::{cargo, everything},
    run,
};

/// Starts one of them.
pub(crate) fn start(program: &str, args: &[&str]) -> Result<()> {
    let words = ["run", "--quiet", "--profile", "sim", "--package", "sync-tests", "--bin", program, "--"];
    // Tests that it starts are built like those of `ci`.
    run::check(cargo(&[&words, args].concat()).env("SYNC_TEST_WORKSPACE", everything()?.join(" ")))
}
