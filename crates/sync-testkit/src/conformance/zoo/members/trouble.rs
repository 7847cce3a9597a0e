//! Connectors that deal wrongly with what goes wrong.

use std::time::Duration;

use http::Method;
use sync_core::{Effect, Error, ErrorKind, Repeat, Retry};

use super::{
    super::{How, Member, Trick},
    all_done, bare, member, nothing_there,
};

/// What happens on the way is of no effect, whatever it is.
fn without_effect(error: Error) -> Error {
    error.with_effect(Effect::None)
}

pub(super) static MEMBERS: &[Member] = &[
    member!("mailchimp", failure::a_write_whose_time_ran_out_is_of_unknown_fate_and_not_resent, How::Error(without_effect)),
    member!(
        "mailchimp",
        failure::a_write_that_was_cut_off_is_of_unknown_fate_and_not_resent,
        How::Trick(Trick::SendsAgainOnHope)
    ),
    member!("mailchimp", failure::a_write_answered_with_noise_is_of_unknown_fate, How::Receipts(all_done)),
    member!("mailchimp", failure::a_write_met_by_an_outage_is_of_unknown_fate, How::Error(without_effect)),
    member!("mailchimp", failure::a_write_answered_with_a_web_page_is_no_success, How::Receipts(all_done)),
    member!("mailchimp", failure::a_success_that_carries_an_error_is_an_error, How::Receipts(all_done)),
    member!("mailchimp", failure::an_empty_answer_is_no_empty_listing, How::Page(|_, page| nothing_there(page))),
    member!(
        "mailchimp",
        failure::a_read_that_makes_no_sense_is_a_bad_answer_without_effect,
        How::Page(|_, page| nothing_there(page))
    ),
    member!("mailchimp", failure::a_read_is_repeated_until_it_comes, How::Call(|call| call.repeat = Repeat::Never)),
    member!("mailchimp", failure::a_read_that_never_comes_is_told_as_what_it_is, How::Page(|_, page| nothing_there(page))),
    member!("mailchimp", failure::without_a_connection_a_write_goes_again, How::Trick(Trick::HasNoTime)),
    member!(
        "mailchimp",
        failure::a_write_that_cannot_be_sent_at_all_has_no_effect,
        How::Error(|error| error.with_effect(Effect::Unknown))
    ),
    member!(
        "mailchimp",
        failure::a_slow_answer_is_still_an_answer,
        How::Call(|call| {
            if call.method != Method::GET {
                call.timeout = Some(Duration::from_secs(1));
            }
        })
    ),
    member!(
        "mailchimp",
        refusal::a_dead_grant_is_told_at_once_and_then_nothing_is_sent,
        How::Error(|error| bare(ErrorKind::Internal, &error))
    ),
    member!(
        "mailchimp",
        refusal::a_missing_right_is_told_and_not_asked_for_again,
        How::Error(|error| bare(ErrorKind::Internal, &error))
    ),
    member!(
        "mailchimp",
        refusal::a_missing_place_is_told_and_never_an_empty_listing,
        How::Page(|_, page| nothing_there(page))
    ),
    member!("mailchimp", refusal::a_conflict_is_one_items_matter_and_goes_once, How::Receipts(all_done)),
    member!("mailchimp", refusal::a_malformed_request_is_no_success_and_goes_once, How::Receipts(all_done)),
    member!("mailchimp", refusal::a_redirect_is_not_followed, How::Page(|_, page| nothing_there(page))),
    member!(
        "mailchimp",
        refusal::too_fast_is_told_as_such_and_slows_down,
        How::Error(|error| error.with_retry(Retry::Never))
    ),
    member!("mailchimp", refusal::a_pause_that_was_asked_for_is_kept, How::Trick(Trick::HasNoTime)),
    member!("mailchimp", refusal::a_pause_until_a_date_is_kept, How::Trick(Trick::HasNoTime)),
    member!("mailchimp", refusal::a_long_pause_is_told_and_not_slept, How::Error(|error| error.with_retry(Retry::Backoff))),
    member!(
        "mailchimp",
        refusal::an_error_that_needs_a_person_says_what_to_do,
        How::Error(|error| bare(error.kind(), &error))
    ),
    member!("mailchimp", refusal::the_providers_own_words_go_with_the_error, How::Error(|error| bare(error.kind(), &error))),
    member!("mailchimp", refusal::items_of_a_call_that_was_refused_as_a_whole_are_not_told_as_done, How::Receipts(all_done)),
];
