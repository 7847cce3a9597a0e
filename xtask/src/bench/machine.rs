//! What the figures were measured on. Linux says it under `/proc`.

use std::fs;

/// Cores, memory, processor, kernel; what cannot be read is "unknown".
pub(super) fn read() -> Vec<(&'static str, String)> {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or_else(|_| unknown(), |n| n.to_string());
    vec![
        ("cores", cores),
        ("memory", memory(&file("/proc/meminfo")).unwrap_or_else(unknown)),
        ("processor", after(&file("/proc/cpuinfo"), "model name").unwrap_or_else(unknown)),
        (
            "kernel",
            Some(file("/proc/sys/kernel/osrelease").trim().to_owned()).filter(|k| !k.is_empty()).unwrap_or_else(unknown),
        ),
    ]
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn memory(meminfo: &str) -> Option<String> {
    let total = after(meminfo, "MemTotal")?;
    let kib: f64 = total.split_whitespace().next()?.parse().ok()?;
    Some(format!("{:.1} GiB", kib / 1024.0 / 1024.0))
}

/// The value of the first line `name : value`.
pub(super) fn after(text: &str, name: &str) -> Option<String> {
    let (_, value) = text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shown_in_gib() {
        assert_eq!(memory("MemTotal:       16384000 kB\nMemFree: 1 kB\n").unwrap(), "15.6 GiB");
        assert_eq!(memory(""), None);
    }

    #[test]
    fn the_first_processor_is_named() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Example CPU @ 2.00GHz\nprocessor\t: 1\nmodel name\t: Other\n";
        assert_eq!(after(cpuinfo, "model name").unwrap(), "Example CPU @ 2.00GHz");
    }
}
