//! What a host compiles: one provider against all features.

use std::{collections::BTreeSet, fs, time::Instant};

use super::{
    Scale,
    report::{Figure, Limit, mib},
};
use crate::{
    Result,
    cargo::{self, cargo, members},
    run as command,
};

/// The provider that the example uses.
const PROVIDER: &str = "mailchimp";
/// The example of `sync-dispatch` that stands for a host.
const EXAMPLE: &str = "embed";

pub(super) fn run(_: Scale) -> Result<Vec<Figure>> {
    let members = members()?;
    let dispatch = members.iter().find(|member| member.name == "sync-dispatch").ok_or("there is no crate sync-dispatch")?;
    let one = PROVIDER;
    let all: Vec<&str> = dispatch.usable_features().collect();

    let mut figures = Vec::new();
    for (name, features) in [(one, format!("{one},sqlite,rustls")), ("all features", all.join(","))] {
        let choice = ["--package", "sync-dispatch", "--no-default-features", "--features", features.as_str()];
        let (seconds, bytes) = clean_build(&choice)?;
        let figure = |what: &str, value, unit| Figure::new(format!("build, {name}: {what}"), value, unit, Limit::None);
        figures.push(figure("crates", n_crates(&choice)? as f64, "crates"));
        figures.push(figure("clean release build", seconds, "s"));
        figures.push(figure("stripped binary of the example", mib(bytes), "MiB"));
    }
    Ok(figures)
}

/// How many packages a choice compiles for its library.
fn n_crates(choice: &[&str]) -> Result<usize> {
    let tree = cargo::output(&[&["tree", "--edges", "normal,build", "--prefix", "none"], choice].concat())?;
    Ok(distinct(&tree))
}

fn distinct(tree: &str) -> usize {
    tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect::<BTreeSet<_>>().len()
}

/// Seconds of a release build of the example host into an empty folder, which is removed again, and its size.
fn clean_build(choice: &[&str]) -> Result<(f64, u64)> {
    let folder = cargo::root().join("target").join("bench-build");
    let remove = || match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", folder.display())),
        _ => Ok(()),
    };
    remove()?;
    let start = Instant::now();
    let mut build = cargo(&[&["build", "--quiet", "--release", "--example", EXAMPLE], choice].concat());
    command::check(build.env("CARGO_TARGET_DIR", &folder).env("CARGO_PROFILE_RELEASE_STRIP", "symbols"))?;
    let took = start.elapsed().as_secs_f64();
    let binary = folder.join("release").join("examples").join(format!("{EXAMPLE}{}", std::env::consts::EXE_SUFFIX));
    let size = fs::metadata(&binary).map_err(|error| format!("{}: {error}", binary.display()))?.len();
    remove()?;
    Ok((took, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_counts_once_however_often_it_is_named() {
        assert_eq!(distinct("a v1.0.0\nb v1.0.0\nb v1.0.0 (*)\nb v2.0.0\n\n"), 3);
    }
}
