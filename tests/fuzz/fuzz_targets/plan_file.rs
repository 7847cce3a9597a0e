//! Plan files, as they come back from people: read or refused, and whatever is written is read back and sealed.

#![no_main]

use sync_core::{Hash, PlanHash};
use sync_dispatch::{PlanFile, PlanHead, PlanLine, PlanWriter};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    match PlanFile::read(data) {
        Ok(file) => assert_eq!(file.operations(), file.head.operations),
        Err(error) => sync_fuzz::sound(&error),
    }
    written(data);
});

/// The lines that are a head and operations are written as a plan: it reads back, and without its last byte it does not.
fn written(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Some(mut head) = lines.next().and_then(|line| serde_json::from_slice::<PlanHead>(line).ok()) else { return };
    let lines: Vec<PlanLine> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let mut digests: Vec<&str> = lines.iter().map(|line| line.digest.as_str()).collect();
    digests.sort_unstable();
    // A plan holds an operation once.
    let n_lines = digests.len();
    digests.dedup();
    if digests.len() < n_lines {
        return;
    }
    let mut hash = Hash::start();
    digests.iter().for_each(|digest| hash.text(digest));
    head.hash = PlanHash::new(hash.finish().to_string());
    head.operations = n_lines as u64;
    let is_ours = head.format == "sync-plan" && head.version == 1;
    let write = || {
        let mut writer = PlanWriter::begin(Vec::new(), &head)?;
        for line in &lines {
            writer.line(line)?;
        }
        writer.end()
    };
    let Ok(mut bytes) = write() else { panic!("a plan can't be written") };
    match PlanFile::read(bytes.as_slice()) {
        Ok(file) => assert!(is_ours && file.head == head && file.operations() == head.operations),
        Err(error) => assert!(!is_ours, "a plan that was written is not read: {error}"),
    }
    // A changed byte is found, wherever it is; the line end at the file's end alone may differ.
    let at = data.iter().map(|byte| usize::from(*byte)).sum::<usize>() % (bytes.len() - 1);
    bytes[at] ^= 1;
    assert!(PlanFile::read(bytes.as_slice()).is_err(), "byte {at} was changed");
    bytes.truncate(at);
    assert!(PlanFile::read(bytes.as_slice()).is_err(), "cut off after {at} bytes");
}
