//! `cargo xtask features`: every library by itself and with each feature alone, since a workspace build hides a
//! missing feature behind its neighbours' and behind dev-dependencies.

use crate::{
    Result,
    cargo::{Member, NEEDS_A_LIBRARY, cargo, has_openssl, members},
    ci::test_runner,
    run::{self, Totals},
};

/// The crate whose features hosts choose from: it is linted and tested as well, with none and with one.
const DISPATCH: &str = "sync-dispatch";

/// Runs all checks and answers the tests that they ran. "All" is what the workspace's own lints and tests build.
pub(crate) fn run() -> Result<Totals> {
    let members = members()?;
    let libraries = || members.iter().filter(|member| member.in_crates && member.has_lib);
    for args in libraries().flat_map(|member| checks(member, has_openssl())) {
        run::check(&mut cargo(&args))?;
    }
    if !has_openssl() {
        println!("    skipped: {NEEDS_A_LIBRARY:?}: the library they need (OpenSSL, with headers) is not here");
    }
    let dispatch = members.iter().find(|member| member.name == DISPATCH).ok_or("there is no crate sync-dispatch")?;
    let provider = one_provider(dispatch, &members)?;
    let mut totals = Totals::default();
    for features in
        [&["-p", DISPATCH, "--no-default-features"][..], &["-p", DISPATCH, "--no-default-features", "--features", provider]]
    {
        run::check(&mut cargo(&[&["clippy"], features, &["--all-targets", "--", "-D", "warnings"]].concat()))?;
        let (runner, targets) = test_runner();
        totals.add(run::tests(&mut cargo(&[runner, features, targets].concat()))?);
    }
    Ok(totals)
}

/// The checks of one library: without features, and with each alone.
fn checks(member: &Member, has_library: bool) -> Vec<Vec<String>> {
    let base = ["check", "--lib", "-p", &member.name, "--no-default-features"].map(str::to_owned).to_vec();
    let needs_library =
        member.features.iter().map(String::as_str).filter(|feature| has_library && NEEDS_A_LIBRARY.contains(feature));
    let alone = member.usable_features().chain(needs_library).map(|feature| {
        let mut args = base.clone();
        args.extend(["--features".to_owned(), feature.to_owned()]);
        args
    });
    [base.clone()].into_iter().chain(alone).collect()
}

/// The first feature that is a provider's.
fn one_provider<'a>(dispatch: &'a Member, members: &[Member]) -> Result<&'a str> {
    let is_provider = |feature: &String| members.iter().any(|member| member.name == format!("provider-{feature}"));
    dispatch
        .features
        .iter()
        .find(|feature| is_provider(feature))
        .map(String::as_str)
        .ok_or_else(|| "no feature of sync-dispatch is named as a provider: add `NAME = [\"dep:provider-NAME\"]`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, features: &[&str]) -> Member {
        let features = features.iter().map(|&feature| feature.to_owned()).collect();
        Member { name: name.into(), features, has_lib: true, in_crates: true }
    }

    #[test]
    fn each_feature_is_checked_alone_and_default_is_not_one() {
        let lines = |has_library| -> Vec<String> {
            let member = member("a", &["default", "native-tls", "x"]);
            checks(&member, has_library).iter().map(|args| args.join(" ")).collect()
        };
        let base = "check --lib -p a --no-default-features";
        assert_eq!(lines(false), [base.to_owned(), format!("{base} --features x")]);
        assert_eq!(lines(true), [base.to_owned(), format!("{base} --features x"), format!("{base} --features native-tls")]);
    }

    #[test]
    fn the_one_provider_is_found_by_its_folder() {
        let dispatch = member(DISPATCH, &["all-providers", "mailchimp", "sqlite"]);
        assert_eq!(one_provider(&dispatch, &[member("provider-mailchimp", &[])]).unwrap(), "mailchimp");
        assert!(one_provider(&dispatch, &[]).is_err());
    }
}
