//! The webhook entry, as a host has it: whatever comes is answered, and nothing is taken without its secret.

#![no_main]

use std::sync::LazyLock;

use sync_fuzz::Entry;

static ENTRY: LazyLock<Entry> = LazyLock::new(Entry::new);

libfuzzer_sys::fuzz_target!(|data: &[u8]| ENTRY.take(data));
