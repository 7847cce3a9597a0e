//! Runs one command in the open: its line, its output, its time; and adds up what its tests say.

use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
    thread,
};

use crate::Result;

/// Tests counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Left out by an attribute or a filter.
    pub(crate) skipped: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let env = command.get_envs().filter_map(|(name, value)| Some(format!("{}={:?} ", name.to_str()?, value?)));
    let args = command.get_args().map(|arg| format!(" {}", arg.to_string_lossy()));
    env.chain(["cargo".to_owned()]).chain(args).collect()
}

/// Runs a command that must succeed.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    println!("    {}", line(command));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` failed ({status})", line(command))),
        Err(error) => Err(format!("`{}` did not start: {error}", line(command))),
    }
}

/// Runs a test command that must succeed, lets its output through and counts its tests.
pub(crate) fn tests(command: &mut Command) -> Result<Totals> {
    let line = line(command);
    println!("    {line}");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{line}` did not start: {error}"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let totals = thread::scope(|scope| {
        let err = scope.spawn(|| err.map(|err| copy(err, std::io::stderr())).unwrap_or_default());
        let mut totals = out.map(|out| copy(out, std::io::stdout())).unwrap_or_default();
        totals.add(err.join().unwrap_or_default());
        totals
    });
    let status = child.wait().map_err(|error| format!("`{line}` was lost: {error}"))?;
    if status.success() { Ok(totals) } else { Err(format!("`{line}` failed ({status}); tests: {totals}")) }
}

fn copy(from: impl Read, mut to: impl Write) -> Totals {
    let mut from = BufReader::new(from);
    let mut totals = Totals::default();
    let mut bytes = Vec::new();
    while from.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
        // A closed terminal is no reason to stop counting.
        let _ = to.write_all(&bytes).and_then(|()| to.flush());
        totals.add(summary(&String::from_utf8_lossy(&bytes)).unwrap_or_default());
        bytes.clear();
    }
    totals
}

/// The counts in a closing line of `cargo test` or `cargo nextest`.
fn summary(line: &str) -> Option<Totals> {
    let line = without_colour(line);
    let line = line.trim_start();
    if !line.starts_with("test result:") && !line.starts_with("Summary [") {
        return None;
    }
    let words: Vec<&str> = line.split([' ', ',', ';', ':', '(', ')', '\n']).filter(|word| !word.is_empty()).collect();
    let mut totals = Totals::default();
    for pair in words.windows(2) {
        if let [count, what] = pair
            && let Ok(count) = count.parse::<u64>()
        {
            match *what {
                "passed" => totals.passed += count,
                "failed" | "timed" => totals.failed += count,
                "skipped" | "ignored" => totals.skipped += count,
                _ => {}
            }
        }
    }
    Some(totals)
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_of_cargo_test_is_counted() {
        let line = "test result: ok. 12 passed; 1 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.01s\n";
        assert_eq!(summary(line), Some(Totals { passed: 12, failed: 1, skipped: 2 }));
    }

    #[test]
    fn the_closing_line_of_nextest_is_counted_with_colours() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   1.234s] \u{1b}[1m25\u{1b}[0m tests run: \u{1b}[1m24\u{1b}[0m passed (1 slow), 1 failed, 3 skipped";
        assert_eq!(summary(line), Some(Totals { passed: 24, failed: 1, skipped: 3 }));
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(summary("3 passed the door"), None);
    }

    #[test]
    fn output_is_passed_on_byte_for_byte_and_added_up() {
        let text = "test result: ok. 1 passed; 0 failed\n\u{e4}\ntest result: ok. 2 passed; 0 failed";
        let mut seen = Vec::new();
        assert_eq!(copy(text.as_bytes(), &mut seen), Totals { passed: 3, failed: 0, skipped: 0 });
        assert_eq!(seen, text.as_bytes());
    }
}
