//! Ids of events that we make: the record's marker, and after a deletion that can't be undone its next generation.

use sync_core::{Marker, RemoteId};

/// What stands between marker and number of a later generation. Legal in an id, and no hexadecimal digit.
const GENERATION: char = 'g';

/// Shortest and longest id.
/// Source: <https://developers.google.com/workspace/calendar/api/v3/reference/events/insert>, `id`.
const LENGTHS: std::ops::RangeInclusive<usize> = 5..=1024;

/// The id of a record's event in a generation.
pub(crate) fn event_id(marker: &Marker, generation: u32) -> RemoteId {
    match generation {
        0 => RemoteId::new(marker.as_str()),
        later => RemoteId::new(format!("{marker}{GENERATION}{later}")),
    }
}

/// The generation of an id that was made from this marker.
pub(crate) fn generation(marker: &str, id: &RemoteId) -> Option<u32> {
    let rest = id.as_str().strip_prefix(marker)?;
    if rest.is_empty() {
        return Some(0);
    }
    let digits = rest.strip_prefix(GENERATION)?;
    let is_plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| digits.parse().ok()).flatten()
}

/// True for what Google takes as an event's id: the lower-case letters a to v and digits.
pub(crate) fn is_legal(id: &str) -> bool {
    LENGTHS.contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARKER: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn copies_and_exceptions_do_not_pass_for_ours() {
        for id in ["", "x", "_20261203T080000Z", "g", "g0", "g01", "g-1", "gg1", "g1_20261203T080000Z", "g99999999999"] {
            assert_eq!(generation(MARKER, &RemoteId::new(format!("{MARKER}{id}"))), (id.is_empty()).then_some(0), "{id}");
        }
        assert_eq!(generation(MARKER, &"3f2504e04f8941d39a0c0305e82c3301".into()), None);
    }

    #[test]
    fn markers_are_legal_ids_and_others_may_not_be() {
        assert!(is_legal(MARKER));
        for id in ["abcd", "Abcde", "abcdw", "abc-d", "abcdé", ""] {
            assert!(!is_legal(id), "{id}");
        }
    }

    proptest! {
        #[test]
        fn a_generation_reads_back_and_its_id_is_legal(number: u32) {
            let id = event_id(&Marker::new(MARKER), number);
            prop_assert_eq!(generation(MARKER, &id), Some(number));
            prop_assert!(is_legal(id.as_str()));
        }
    }
}
