//! Time, processor time and peak memory of a child process, read from outside.

use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::machine::after;
use crate::Result;

/// How often `/proc` is looked at: peak memory may miss what happens in the last of these.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Ticks a second in `/proc/PID/stat` (USER_HZ), the same on all common Linux machines.
/// Source: time(7), "The software clock, HZ, and jiffies" (<https://man7.org/linux/man-pages/man7/time.7.html>).
const TICKS_PER_SECOND: u64 = 100;

/// What a finished child used and said.
#[derive(Debug)]
pub(super) struct Measured {
    /// From start to end.
    pub(super) wall: Duration,
    /// User and system time of all its threads.
    pub(super) cpu: Duration,
    /// Most memory that was resident at once (VmHWM), in bytes.
    pub(super) peak_bytes: u64,
    /// Its standard output.
    pub(super) output: String,
}

/// Runs a child to its end. It must succeed.
pub(super) fn measure(command: &mut Command) -> Result<Measured> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{command:?} did not start: {error}"))?;
    let mut stdout = child.stdout.take();
    let output = thread::spawn(move || {
        let mut text = String::new();
        stdout.as_mut().map(|stdout| stdout.read_to_string(&mut text)).transpose().map(|_| text)
    });
    let folder = format!("/proc/{}", child.id());
    let mut peak_bytes = 0;
    // A child that has ended keeps its times until it is waited for; its memory is gone by then.
    let (wall, cpu) = loop {
        let read =
            |file: &str| fs::read_to_string(format!("{folder}/{file}")).map_err(|error| format!("{folder}/{file}: {error}"));
        peak_bytes = peak_bytes.max(peak(&read("status")?).unwrap_or(0));
        let (ended, cpu) = times(&read("stat")?).ok_or_else(|| format!("{folder}/stat reads otherwise than expected"))?;
        if ended {
            break (start.elapsed(), cpu);
        }
        thread::sleep(LOOK_EVERY);
    };
    let status = child.wait().map_err(|error| format!("{command:?} was lost: {error}"))?;
    let output = output.join().map_err(|_| "the output was lost")?.map_err(|error| format!("its output: {error}"))?;
    if status.success() {
        Ok(Measured { wall, cpu, peak_bytes, output })
    } else {
        Err(format!("{command:?} failed ({status})\n{output}"))
    }
}

/// Peak resident memory, in bytes, of `/proc/PID/status`.
fn peak(status: &str) -> Option<u64> {
    let kib: u64 = after(status, "VmHWM")?.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Whether the process has ended, and its processor time, of `/proc/PID/stat`.
/// Source: proc_pid_stat(5) (<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>): fields 3, 14 and 15; the
/// second is a name in parentheses that may hold blanks.
fn times(stat: &str) -> Option<(bool, Duration)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ended = matches!(*fields.first()?, "Z" | "X");
    let ticks = ticks(14)? + ticks(15)?;
    Some((ended, Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_past_a_name_with_blanks() {
        let stat = "42 (a (b) c) Z 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0";
        assert_eq!(times(stat), Some((true, Duration::from_secs(2))));
        assert_eq!(times(&stat.replace('Z', "S")), Some((false, Duration::from_secs(2))));
        assert_eq!(times("42 (a) S 1"), None);
    }

    #[test]
    fn the_peak_is_read_in_bytes() {
        assert_eq!(peak("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS: 1 kB\n"), Some(2 * 1024 * 1024));
        assert_eq!(peak("Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_is_measured_to_its_end() {
        let measured = measure(&mut crate::cargo::cargo(&["--version"])).unwrap();
        assert!(measured.output.starts_with("cargo "), "{measured:?}");
        assert!(
            measured.peak_bytes > 0 && measured.wall > Duration::ZERO && measured.cpu < measured.wall * 64,
            "{measured:?}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_that_fails_is_an_error() {
        assert!(measure(&mut crate::cargo::cargo(&["no-such-command"])).unwrap_err().contains("failed"));
    }
}
