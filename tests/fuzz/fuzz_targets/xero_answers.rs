//! Whatever Xero answers: no panic, one answer per question, errors that say no content.

#![no_main]

use std::sync::LazyLock;

use sync_fuzz::Place;

static PLACES: LazyLock<[Place; 3]> = LazyLock::new(sync_fuzz::xero);

// The first byte says what it is about: a contact, an invoice or a payment.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    sync_fuzz::answers(&PLACES[usize::from(*first) % 3], rest);
});
