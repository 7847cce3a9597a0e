//! `cargo xtask bench [NAME…] [--quick]`: measures against the limits, prints a line per figure, writes BENCH.md: all of it,
//! or the lines of what was named.
//!
//! How things are measured:
//!
//! - The program under test is `target/release/syncctl`, as a child process. Its peak memory is `VmHWM` of
//!   `/proc/PID/status`, its processor time the user and system time of `/proc/PID/stat`, both read from outside
//!   ([`child`]), so that the program needs no code for it.
//! - The other side is `syncctl sandbox` in a process of its own, over loopback. Calls, and the time from the first of
//!   a kind to its last answer, come from the sandbox's log: one clock for us and for the peer.
//! - The peer ([`peer`]) posts the bodies that our own run posted, with as many calls at once, in a bare reqwest loop.
//! - Events go to a double of Google Calendar in the same way, sales to one of Xero; `calendar` and `xero` stand for all cases
//!   about them.
//! - Figures of a library alone are taken in this process, which is an optimised build, by the processor time of one
//!   thread. Quotas are held against virtual time, with the sandbox in this process.
//!
//! A figure that misses its limit is printed as OVER and fails nothing: its profile and reason go under "Notes" in
//! BENCH.md, which are kept when the file is written again.

mod build;
mod calendar;
mod child;
mod contacts;
mod latency;
mod machine;
pub(crate) mod peer;
mod planning;
mod postgres;
mod push;
mod quota;
mod report;
mod shop;
mod site;
mod start;
mod xero;

use std::fs;

use crate::{
    Result,
    cargo::{self, cargo},
    run as command,
};
use report::Figure;

/// What a case may ask for.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// A twentieth of the records, for a first look.
    quick: bool,
}

impl Scale {
    fn n_contacts(self) -> usize {
        self.of(100_000)
    }

    /// So many, or a twentieth.
    fn of(self, n: usize) -> usize {
        if self.quick { n / 20 } else { n }
    }
}

/// One thing to measure.
struct Case {
    name: &'static str,
    /// What it measures, for the list.
    about: &'static str,
    run: fn(Scale) -> Result<Vec<Figure>>,
}

impl Case {
    /// True for its own name and for that of its group: `calendar` is all of `calendar-…`.
    fn is(&self, name: &str) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

const CASES: &[Case] = &[
    Case {
        name: "start",
        about: "time and memory of a command that does nothing: what other figures stand on",
        run: start::run,
    },
    Case {
        name: "push",
        about: "a first push, then nothing changed, a full scan, and one in a hundred changed",
        run: push::run,
    },
    Case { name: "latency", about: "a first push to a slow provider, against a bare reqwest loop", run: latency::run },
    Case { name: "postgres", about: "the same runs over PostgreSQL and over SQLite: the ratio", run: postgres::run },
    Case { name: "planning", about: "deciding alone, without any I/O", run: planning::run },
    Case {
        name: "calendar-push",
        about: "events to a calendar, both ways: a first push, nothing changed, changes on both sides",
        run: calendar::push::run,
    },
    Case {
        name: "calendar-latency",
        about: "a first push to a slow calendar, against a bare reqwest loop",
        run: calendar::latency::run,
    },
    Case { name: "calendar-audit", about: "both sides of a calendar compared in full", run: calendar::audit::run },
    Case { name: "calendar-quota", about: "a first push within the quotas, in virtual time", run: calendar::quota::run },
    Case {
        name: "xero-push",
        about: "customers, invoices and payments to books: a first push, nothing changed",
        run: xero::push::run,
    },
    Case { name: "xero-latency", about: "a first push to slow books, against a bare reqwest loop", run: xero::latency::run },
    Case { name: "xero-pull", about: "invoices that were written there are made here", run: xero::pull::run },
    Case { name: "xero-quota", about: "a first push within Xero's limits, in virtual time", run: xero::quota::run },
    Case { name: "build", about: "one provider against all features: crates, clean build time, size", run: build::run },
];

/// Runs the chosen cases, or all.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let (chosen, scale) = choose(args)?;
    command::check(&mut cargo(&["build", "--release", "--package", "sync-cli"]))?;
    let mut figures = Vec::new();
    for case in &chosen {
        println!("\n{}: {}", case.name, case.about);
        for figure in (case.run)(scale).map_err(|error| format!("{}: {error}", case.name))? {
            println!("{figure}");
            figures.push(figure);
        }
    }
    if scale.quick {
        println!("\nBENCH.md holds no figures of a quick run");
        return Ok(());
    }
    let path = cargo::root().join("BENCH.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    let today = jiff::Zoned::now().date();
    let text = report::markdown(&figures, &machine::read(), &today.to_string(), &before, chosen.len() == CASES.len());
    fs::write(&path, text).map_err(|error| format!("BENCH.md: {error}"))
}

fn choose(args: &[&str]) -> Result<(Vec<&'static Case>, Scale)> {
    let quick = args.contains(&"--quick");
    let names: Vec<&str> = args.iter().copied().filter(|arg| *arg != "--quick").collect();
    if let Some(unknown) = names.iter().find(|name| !CASES.iter().any(|case| case.is(name))) {
        let list: Vec<String> = CASES.iter().map(|case| format!("  {:<18}{}", case.name, case.about)).collect();
        return Err(format!("no case `{unknown}`; there are\n{}", list.join("\n")));
    }
    let chosen = CASES.iter().filter(|case| names.is_empty() || names.iter().any(|name| case.is(name))).collect();
    Ok((chosen, Scale { quick }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_all_cases() {
        let (chosen, scale) = choose(&["--quick"]).unwrap();
        assert!(chosen.len() == CASES.len() && scale.quick);
    }

    #[test]
    fn a_group_is_chosen_by_what_its_names_start_with() {
        let names = |arg| choose(&[arg]).unwrap().0.iter().map(|case| case.name).collect::<Vec<_>>();
        assert_eq!(names("push"), ["push"]);
        let group = names("calendar");
        assert!(group.len() > 1 && group.iter().all(|name| name.starts_with("calendar-")), "{group:?}");
        assert!(choose(&["calendar-"]).is_err() && choose(&[""]).is_err());
    }

    #[test]
    fn an_unknown_case_lists_what_there_is() {
        let Err(error) = choose(&["nothing"]) else { panic!("an unknown case was taken") };
        assert!(error.contains("`nothing`") && CASES.iter().all(|case| error.contains(case.name)), "{error}");
    }
}
