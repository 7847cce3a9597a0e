//! Whatever Google Calendar answers: no panic, one answer per question, errors that say no content.

#![no_main]

use std::sync::LazyLock;

use sync_fuzz::Place;

static PLACE: LazyLock<Place> = LazyLock::new(sync_fuzz::google_calendar);

libfuzzer_sys::fuzz_target!(|data: &[u8]| sync_fuzz::answers(&PLACE, data));
