//! Slices of a plan: records that belong together are written before the next begin. A slice is the first part of the names
//! of its groups, so that groups come in the order of slices.

/// Length of a slice's mark.
const LEN: usize = 10;

/// A group within a slice.
pub(crate) fn within(slice: u32, group: &str) -> String {
    format!("{}{group}", mark(slice))
}

/// What the groups of a slice start with.
pub(crate) fn mark(slice: u32) -> String {
    // As long as the largest number, so that texts are in the order of numbers.
    format!("{slice:010}")
}

/// A group as the provider named it. `may_be_sliced`: plans of this provider go in slices, though not all of them.
pub(crate) fn bare(may_be_sliced: bool, group: &str) -> &str {
    match group.split_at_checked(LEN) {
        Some((mark, rest)) if may_be_sliced && mark.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_in_the_order_of_slices_and_keep_their_names() {
        assert!(within(9, "z") < within(10, "a") && within(10, "") < within(u32::MAX, ""));
        assert_eq!(bare(true, &within(12, "payments:put")), "payments:put");
        assert_eq!(bare(true, "payments:put"), "payments:put", "what takes a run back has no slices");
        assert_eq!(bare(false, "0123456789"), "0123456789");
    }
}
