//! Recurring events: rules, occurrences, ids of occurrences.
//! Source: RFC 5545, section 3.3.10, and the reference's `recurrence`, `recurringEventId` and `originalStartTime`.

use jiff::{
    Span, Timestamp,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};

use super::{problem::Problem, times::When};

/// A recurrence as far as this double can expand it.
#[derive(Debug, Clone)]
pub(super) struct Series {
    freq: Freq,
    interval: i64,
    count: Option<usize>,
    until: Option<Until>,
    by_day: Vec<Weekday>,
    except: Vec<Until>,
    /// What is stored and returned, but not expanded.
    not_modelled: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freq {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Day(Date),
    At(Timestamp),
    Local(DateTime),
}

/// Most occurrences of a series that are looked at.
pub(super) const MAX_OCCURRENCES: usize = 5_000;

fn wrong() -> Problem {
    Problem::invalid("Invalid recurrence rule.")
}

fn until(text: &str) -> Option<Until> {
    if let Some(utc) = text.strip_suffix('Z') {
        let local = DateTime::strptime("%Y%m%dT%H%M%S", utc).ok()?;
        return Some(Until::At(local.to_zoned(TimeZone::UTC).ok()?.timestamp()));
    }
    if text.contains('T') {
        return DateTime::strptime("%Y%m%dT%H%M%S", text).ok().map(Until::Local);
    }
    Date::strptime("%Y%m%d", text).ok().map(Until::Day)
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

impl Series {
    /// Reads the lines of `recurrence`.
    /// Source of what is refused: GitHub derekantrican/GAS-ICS-Sync issue 466; RFC 5545.
    pub(super) fn read<'l>(lines: impl IntoIterator<Item = &'l str>, is_all_day: bool) -> Result<Self, Problem> {
        let mut this = Self {
            freq: Freq::Daily,
            interval: 1,
            count: None,
            until: None,
            by_day: Vec::new(),
            except: Vec::new(),
            not_modelled: None,
        };
        let mut n_rules = 0;
        for line in lines {
            let (head, value) = line.split_once(':').ok_or_else(wrong)?;
            let name = head.split(';').next().unwrap_or_default();
            match name {
                "RRULE" => {
                    n_rules += 1;
                    this.rule(value, is_all_day)?;
                }
                "EXDATE" => {
                    for text in value.split(',') {
                        this.except.push(until(text).ok_or_else(wrong)?);
                    }
                }
                "RDATE" | "EXRULE" => this.not_modelled = Some(name.to_owned()),
                _ => return Err(wrong()),
            }
        }
        if n_rules != 1 {
            this.not_modelled = Some(format!("{n_rules} rules"));
        }
        Ok(this)
    }

    fn rule(&mut self, rule: &str, is_all_day: bool) -> Result<(), Problem> {
        let mut has_freq = false;
        for part in rule.split(';').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            match name {
                "FREQ" => {
                    has_freq = true;
                    self.freq = match value {
                        "DAILY" => Freq::Daily,
                        "WEEKLY" => Freq::Weekly,
                        "MONTHLY" => Freq::Monthly,
                        "YEARLY" => Freq::Yearly,
                        _ => return Err(wrong()),
                    };
                }
                "INTERVAL" => self.interval = value.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?,
                "COUNT" => self.count = Some(value.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?),
                "UNTIL" => self.until = Some(until(value).ok_or_else(wrong)?),
                "BYDAY" if value.split(',').all(|day| weekday(day).is_some()) => {
                    self.by_day = value.split(',').filter_map(weekday).collect();
                }
                "WKST" if value == "MO" => {}
                "BYDAY" | "WKST" | "BYMONTHDAY" | "BYMONTH" | "BYSETPOS" | "BYYEARDAY" | "BYWEEKNO" | "BYHOUR"
                | "BYMINUTE" | "BYSECOND" => self.not_modelled = Some(part.to_owned()),
                _ => return Err(wrong()),
            }
        }
        if !self.by_day.is_empty() && self.freq != Freq::Weekly {
            self.not_modelled = Some("BYDAY other than weekly".into());
        }
        let fits = match self.until {
            None => true,
            Some(Until::Day(_)) => is_all_day,
            Some(Until::At(_)) => !is_all_day,
            Some(Until::Local(_)) => false,
        };
        if !has_freq || !fits || (self.until.is_some() && self.count.is_some()) {
            return Err(wrong());
        }
        Ok(())
    }

    /// Whether it ends by itself.
    pub(super) fn is_bounded(&self) -> bool {
        self.not_modelled.is_none() && (self.count.is_some() || self.until.is_some())
    }

    /// The starts of its occurrences, in order, up to this instant and at most [`MAX_OCCURRENCES`].
    pub(super) fn starts(&self, first: &When, zone: &TimeZone, before: Timestamp) -> Result<Vec<When>, Problem> {
        if let Some(what) = &self.not_modelled {
            return Err(Problem::ours(400, format!("a recurrence with {what} can't be expanded")));
        }
        let (local, own) = match first {
            When::Day(day) => (DateTime::from(*day), None),
            When::At { at, zone: name } => {
                let tz = super::times::zone(name).unwrap_or_else(|| zone.clone());
                (at.to_zoned(tz.clone()).datetime(), Some((tz, name)))
            }
        };
        let mut starts = Vec::new();
        let mut n_seen = 0;
        for step in 0.. {
            let Some(days) = self.step(local.date(), step) else { break };
            for day in days {
                let start = match &own {
                    None => When::Day(day),
                    Some((tz, name)) => {
                        let Ok(at) = day.to_datetime(local.time()).to_zoned(tz.clone()) else { return Ok(starts) };
                        When::At { at: at.timestamp(), zone: (*name).clone() }
                    }
                };
                let at = start.instant(zone);
                let is_over = self.count.is_some_and(|count| n_seen >= count)
                    || match self.until {
                        Some(Until::Day(last)) => day > last,
                        Some(Until::At(last)) => at > last,
                        _ => false,
                    };
                if is_over || at >= before || starts.len() >= MAX_OCCURRENCES {
                    return Ok(starts);
                }
                n_seen += 1;
                if !self.except.iter().any(|except| is_same(*except, &start, day.to_datetime(local.time()))) {
                    starts.push(start);
                }
            }
        }
        Ok(starts)
    }

    /// The days of the n-th interval.
    fn step(&self, first: Date, n: i64) -> Option<Vec<Date>> {
        let by = n.checked_mul(self.interval)?;
        match self.freq {
            Freq::Daily => Some(vec![first.checked_add(Span::new().try_days(by).ok()?).ok()?]),
            Freq::Weekly => {
                let same = first.checked_add(Span::new().try_weeks(by).ok()?).ok()?;
                if self.by_day.is_empty() {
                    return Some(vec![same]);
                }
                let monday = same.checked_sub(Span::new().try_days(same.weekday().to_monday_zero_offset()).ok()?).ok()?;
                let mut days = Vec::new();
                for offset in 0..7_i64 {
                    let day = monday.checked_add(Span::new().try_days(offset).ok()?).ok()?;
                    if day >= first && self.by_day.contains(&day.weekday()) {
                        days.push(day);
                    }
                }
                Some(days)
            }
            // A month without such a day has no occurrence.
            Freq::Monthly => {
                let there = first.checked_add(Span::new().try_months(by).ok()?).ok()?;
                Some(if there.day() == first.day() { vec![there] } else { vec![] })
            }
            Freq::Yearly => {
                let there = first.checked_add(Span::new().try_years(by).ok()?).ok()?;
                Some(if there.day() == first.day() { vec![there] } else { vec![] })
            }
        }
    }
}

fn is_same(except: Until, start: &When, local: DateTime) -> bool {
    match (except, start) {
        (Until::Day(day), _) => local.date() == day,
        (Until::At(wanted), When::At { at, .. }) => wanted == *at,
        (Until::Local(wanted), _) => local == wanted,
        (Until::At(_), When::Day(_)) => false,
    }
}

/// Id of an occurrence: the series' id and its original start.
pub(super) fn id(master: &str, start: &When) -> String {
    match start {
        When::Day(day) => format!("{master}_{}", day.strftime("%Y%m%d")),
        When::At { at, .. } => format!("{master}_{}", at.strftime("%Y%m%dT%H%M%SZ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(lines: &[&str], start: &When, before: &str) -> Vec<String> {
        let series = Series::read(lines.iter().copied(), matches!(start, When::Day(_))).expect("a rule");
        let starts = series.starts(start, &TimeZone::UTC, before.parse().expect("a time")).expect("occurrences");
        starts.iter().map(|start| id("m", start)).collect()
    }

    fn at(text: &str) -> When {
        When::At { at: text.parse().expect("a time"), zone: "Europe/Madrid".into() }
    }

    #[test]
    fn occurrences_keep_their_local_time_over_the_change_of_the_clocks() {
        let start = at("2026-03-27T09:00:00+01:00");
        assert_eq!(
            ids(&["RRULE:FREQ=DAILY;COUNT=4", "EXDATE;TZID=Europe/Madrid:20260328T090000"], &start, "2027-01-01T00:00:00Z"),
            ["m_20260327T080000Z", "m_20260329T070000Z", "m_20260330T070000Z"]
        );
    }

    #[test]
    fn weeks_months_and_ends_are_understood() {
        let day = When::Day("2026-01-31".parse().expect("a day"));
        let far = "2030-01-01T00:00:00Z";
        assert_eq!(ids(&["RRULE:FREQ=MONTHLY;COUNT=3"], &day, far), ["m_20260131", "m_20260331", "m_20260531"]);
        let tuesday = When::Day("2026-02-03".parse().expect("a day"));
        assert_eq!(
            ids(&["RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU;UNTIL=20260220"], &tuesday, far),
            ["m_20260203", "m_20260216", "m_20260217"]
        );
        assert_eq!(ids(&["RRULE:FREQ=YEARLY"], &tuesday, "2028-01-01T00:00:00Z").len(), 2);
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        for (line, is_all_day) in [
            ("RRULE:FREQ=HOURLY2", false),
            ("RRULE:COUNT=3", false),
            ("RRULE:FREQ=DAILY;COUNT=3;UNTIL=20260301T000000Z", false),
            ("RRULE:FREQ=DAILY;UNTIL=20260301", false),
            ("RRULE:FREQ=DAILY;UNTIL=20260301T000000Z", true),
            ("DTSTART:20260301", true),
            ("nothing", true),
        ] {
            assert_eq!(Series::read([line], is_all_day).expect_err(line).reason, "invalid", "{line}");
        }
    }
}
