//! What a command costs that does nothing: subtracted from the memory of a run.

use std::{path::PathBuf, process::Command};

use super::{
    Scale,
    child::{Measured, measure},
    report::{Figure, Limit, mib},
};
use crate::{Result, cargo};

/// How often it is repeated; the middle one counts.
const N_RUNS: usize = 11;

pub(super) fn run(_: Scale) -> Result<Vec<Figure>> {
    let base = providers()?;
    Ok(vec![
        Figure::new("start: time", base.wall.as_secs_f64() * 1000.0, "ms", Limit::None),
        Figure::new("start: processor time", base.cpu.as_secs_f64() * 1000.0, "ms", Limit::None),
        Figure::new("start: peak memory", mib(base.peak_bytes), "MiB", Limit::None),
    ])
}

/// `syncctl providers`, the middle of several runs by peak memory.
pub(super) fn providers() -> Result<Measured> {
    let mut runs = Vec::new();
    for _ in 0..N_RUNS {
        runs.push(measure(Command::new(syncctl()).args(["providers", "--json"]))?);
    }
    runs.sort_by_key(|run| run.peak_bytes);
    let middle = runs.swap_remove(N_RUNS / 2);
    if middle.output.is_empty() { Err("`syncctl providers --json` printed nothing".to_owned()) } else { Ok(middle) }
}

/// The program under test.
pub(super) fn syncctl() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cargo::root().join("target"), PathBuf::from);
    target.join("release").join(format!("syncctl{}", std::env::consts::EXE_SUFFIX))
}
