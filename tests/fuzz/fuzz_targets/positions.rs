//! Cursors and page tokens that the store gives back damaged, of other settings or of another version: asked for anew or
//! read, never a panic, whatever the page that follows holds.

#![no_main]

use std::sync::LazyLock;

use sync_fuzz::Place;

static PLACES: LazyLock<[Place; 5]> = LazyLock::new(|| {
    let [contacts, invoices, payments] = sync_fuzz::xero();
    [contacts, invoices, payments, sync_fuzz::mailchimp(), sync_fuzz::google_calendar()]
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    sync_fuzz::position(&PLACES[usize::from(*first) % 5], rest);
});
