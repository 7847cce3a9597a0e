//! `cargo xtask sim` and `cargo xtask evidence`: optimised programs of `sync-tests`.

use crate::{Result, cargo::cargo, run};

/// Starts one of them.
pub(crate) fn start(program: &str, args: &[&str]) -> Result<()> {
    let words = ["run", "--quiet", "--profile", "sim", "--package", "sync-tests", "--bin", program, "--"];
    run::check(&mut cargo(&[&words, args].concat()))
}
