//! Figures, their limits, and BENCH.md.

use std::fmt;

/// From this line on BENCH.md is written by people and kept.
const NOTES: &str = "## Notes";

/// What a figure is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Told, not judged.
    None,
}

/// One measured number.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    pub(super) limit: Limit,
}

impl Figure {
    pub(super) fn new(name: impl Into<String>, value: f64, unit: &'static str, limit: Limit) -> Self {
        Self { name: name.into(), value, unit, limit }
    }

    /// How much of the limit is used: above 1 is over, whichever way the limit goes.
    fn ratio(&self) -> Option<f64> {
        let (used, of) = match self.limit {
            Limit::AtMost(limit) => (self.value, limit),
            Limit::AtLeast(limit) => (limit, self.value),
            Limit::None => return None,
        };
        // None of nothing is the limit itself.
        Some(if used == of { 1.0 } else { used / of })
    }

    /// Name, figure, limit, ratio, verdict.
    fn cells(&self) -> [String; 5] {
        let figure = format!("{} {}", number(self.value), self.unit);
        let limit = match self.limit {
            Limit::AtMost(limit) => format!("at most {}", number(limit)),
            Limit::AtLeast(limit) => format!("at least {}", number(limit)),
            Limit::None => "–".to_owned(),
        };
        let ratio = self.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        let verdict = self.ratio().map_or("–", |ratio| if ratio <= 1.0 { "OK" } else { "OVER" });
        [self.name.clone(), figure, limit, ratio, verdict.to_owned()]
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, figure, limit, ratio, verdict] = self.cells();
        write!(f, "{name:<44}{figure:>22}  {limit:<20}{ratio:>6}  {verdict}")
    }
}

/// Bytes in MiB.
pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// Two digits below ten, none above a thousand.
fn number(value: f64) -> String {
    match value.abs() {
        size if value.fract() == 0.0 || size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The file: machine, table, and the notes that were there. Lines of the table before that were not measured now are kept
/// with their day, unless all were.
pub(super) fn markdown(figures: &[Figure], machine: &[(&str, String)], date: &str, before: &str, all: bool) -> String {
    let mut text = "# Speed and memory\n\nWritten by `cargo xtask bench`; how each figure is taken is said at the top of \
                    `xtask/src/bench/mod.rs`.\n\n"
        .to_owned();
    for (what, value) in machine {
        text += &format!("- {what}: {value}\n");
    }
    text += "\n| what | figure | limit | ratio | | measured |\n|---|---:|---|---:|---|---|\n";
    let mut new: Vec<(&str, String)> =
        figures.iter().map(|figure| (&*figure.name, format!("| {} | {date} |\n", figure.cells().join(" | ")))).collect();
    let table = before.split(NOTES).next().unwrap_or_default();
    for line in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what ")).filter(|_| !all) {
        let name = line.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
        match new.iter().position(|(known, _)| *known == name) {
            Some(place) => text += &new.remove(place).1,
            None => text += &format!("{line}\n"),
        }
    }
    text.extend(new.into_iter().map(|(_, line)| line));
    let notes = before.split_once(NOTES).map_or("\n\nNone.\n", |(_, notes)| notes);
    text + "\n" + NOTES + notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_over_its_limit_says_so_in_both_directions() {
        let line = |limit| Figure::new("calls", 10.0, "calls", limit).to_string();
        assert!(line(Limit::AtMost(10.0)).ends_with("1.00  OK"));
        assert!(line(Limit::AtMost(5.0)).ends_with("2.00  OVER"));
        assert!(line(Limit::AtLeast(5.0)).ends_with("0.50  OK"));
        assert!(line(Limit::AtLeast(20.0)).ends_with("2.00  OVER"));
        assert!(line(Limit::None).ends_with('–'));
        let none = |value| Figure::new("writes", value, "calls", Limit::AtMost(0.0)).to_string();
        assert!(none(0.0).ends_with("1.00  OK") && none(1.0).ends_with("OVER"));
    }

    #[test]
    fn numbers_are_as_long_as_they_need_to_be() {
        assert_eq!([1.0, 1.234, 12.34, 1234.5].map(number), ["1", "1.23", "12.3", "1234"]);
    }

    #[test]
    fn the_notes_are_kept_and_so_are_lines_that_were_not_measured() {
        let figure = |name, value| Figure::new(name, value, "s", Limit::AtMost(4.0));
        let machine = [("cores", "2".into())];
        let once = markdown(&[figure("a", 2.0), figure("b", 1.0)], &machine, "2026-01-01", "", false);
        assert!(
            once.contains("- cores: 2\n") && once.contains("| a | 2 s | at most 4 | 0.50 | OK | 2026-01-01 |\n"),
            "{once}"
        );
        let noted = once.replace("None.", "Why a is slow.");
        let twice = markdown(&[figure("a", 3.0), figure("c", 3.0)], &machine, "2026-01-02", &noted, false);
        assert!(twice.ends_with("## Notes\n\nWhy a is slow.\n"), "{twice}");
        let lines: Vec<&str> = twice.lines().filter(|line| line.ends_with("-01 |") || line.ends_with("-02 |")).collect();
        let starts = ["| a | 3 s", "| b | 1 s", "| c | 3 s"];
        assert!(lines.len() == 3 && lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{lines:?}");
        assert!(!markdown(&[figure("a", 3.0)], &machine, "2026-01-03", &twice, true).contains("| b |"));
    }
}
