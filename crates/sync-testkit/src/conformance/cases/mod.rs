//! The cases.

mod check;
mod consent;
mod describe;
mod failure;
mod find;
mod inbound;
mod open;
mod prepare;
mod pull;
mod push;
mod refusal;
mod safety;
mod secrets;

use std::{future::Future, pin::Pin};

use super::{Harness, Verdict};

/// One case of the suite.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// What it is about.
    pub group: &'static str,
    /// What is promised, as a sentence.
    pub name: &'static str,
    /// Looks whether it holds; panics when it doesn't.
    pub run: CaseFn,
}

/// Looks whether a case holds.
pub type CaseFn = for<'h> fn(&'h dyn Harness) -> Pin<Box<dyn Future<Output = Verdict> + 'h>>;

/// Hands all cases to a macro: `$then! { [$args] group { name, … } … }`.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_case {
    ($then:path [$($args:tt)*]) => {
        $then! { [$($args)*]
            describe {
                the_id_is_lower_case_with_dashes_and_the_texts_are_filled,
                names_are_unique,
                sync_types_name_resources_and_their_fields,
                every_field_of_every_resource_goes_with_a_sync_type,
                feeds_cover_resources_that_exist,
                resources_depend_on_earlier_ones_and_can_be_looked_up,
                endpoints_are_https_urls_once_their_variables_are_filled,
                quotas_have_a_limit_a_reserve_and_a_source,
                times_and_concurrency_are_set,
                ways_to_sign_in_are_complete,
                effects_are_described_for_people,
                the_settings_schema_is_an_object_that_takes_nothing_unknown,
            }
            open {
                a_setting_that_is_unknown_is_refused_by_its_name,
                a_setting_of_the_wrong_type_is_refused_by_its_name,
                a_setting_with_choices_of_its_own_takes_no_other,
                no_settings_at_all_open_or_are_refused_and_never_panic,
                rules_ask_for_known_fields_and_for_those_that_they_go_by,
                other_settings_of_a_mapping_have_another_digest,
                targets_and_containers_are_pure_and_agree,
            }
            check {
                the_account_comes_first_and_costs_few_calls,
                the_account_is_told_without_account_and_without_settings,
                settings_that_fit_have_no_problems,
                settings_that_are_missing_are_a_problem_and_no_error,
                a_choice_that_has_gone_is_one_problem,
                every_word_of_the_schema_has_choices,
                the_settings_in_use_are_among_the_choices,
                a_query_narrows_choices_whatever_its_case,
                choices_of_an_unknown_word_are_not_found,
            }
            pull {
                every_page_is_followed_and_no_token_is_given_twice,
                a_page_holds_no_more_than_was_configured_and_costs_at_most_two_calls,
                a_full_listing_says_so_and_a_delta_too,
                a_token_can_be_stored_and_asked_again,
                a_cursor_or_token_of_somebody_else_asks_for_a_full_pass,
                a_delta_shows_what_changed_and_little_else,
                a_delta_without_news_is_empty_and_costs_little,
                what_changed_in_the_second_of_the_cursor_is_not_lost,
                a_change_in_mid_listing_pushes_nobody_over_the_edge,
                a_record_is_shown_with_its_id_keys_container_and_consent,
                what_is_archived_there_is_shown_as_archived,
                what_is_deleted_there_is_gone_or_at_least_not_shown,
                refusals_and_bounces_flow_back,
            }
            find {
                a_record_is_found_by_its_id_as_the_feed_shows_it,
                answers_come_one_per_key_in_order_and_in_one_call,
                what_is_not_there_is_absent_and_no_error,
                a_record_is_found_by_what_identifies_it,
                a_record_here_has_keys_of_its_counterpart_where_evidence_is_weighed,
                asking_for_nothing_sends_nothing,
                markers_are_looked_up_or_said_to_be_unknown,
                another_providers_resource_is_refused,
                an_id_with_odd_characters_stays_one_id,
            }
            prepare {
                the_same_operation_is_always_made_of_the_same_parts,
                parts_are_ordered_and_complete,
                budgets_and_effects_are_those_of_the_descriptor,
                without_a_grant_no_part_has_an_effect,
                a_skip_for_want_of_a_grant_names_one_that_helps,
                nothing_changed_is_nothing_written,
                equal_work_shares_a_call,
                a_create_is_never_held_for_repeatable,
                a_record_without_what_identifies_it_is_left_out_in_words,
                a_value_of_the_wrong_type_is_refused_and_never_a_panic,
            }
            push {
                what_was_made_is_there_as_it_was_written,
                what_exists_is_taken_and_nothing_is_doubled,
                a_taken_record_names_the_one_that_is_there,
                receipts_come_one_per_part_in_order,
                an_update_leaves_alone_what_people_changed_there,
                elements_of_others_stay_in_a_set,
                what_was_removed_is_gone_or_archived,
                removing_what_people_deleted_is_done,
                changing_what_people_deleted_makes_nothing_and_is_no_success,
                one_bad_item_stays_one_bad_item,
                a_call_of_nothing_sends_nothing,
                a_group_of_nobodys_is_refused_and_sends_nothing,
                what_an_answer_tells_is_what_a_look_up_finds,
            }
            consent {
                nobody_is_made_with_more_than_was_agreed_to_here,
                who_said_no_there_stays_so_whatever_is_written,
                a_newer_opt_in_asks_and_never_subscribes_by_itself,
                a_refusal_here_arrives_there,
                what_waits_for_a_confirmation_sends_no_mail_without_a_grant,
                without_grants_nothing_reaches_people,
                who_was_archived_after_a_refusal_does_not_come_back_subscribed,
            }
            safety {
                every_call_names_an_endpoint_a_budget_and_an_operation,
                writes_are_never_described_as_reads,
                paths_and_queries_are_escaped,
                a_key_is_the_same_whenever_a_call_goes_again,
                an_id_that_we_choose_is_the_same_whenever_a_call_goes_again,
                what_is_said_to_be_repeatable_can_be_done_twice,
                who_wants_to_stop_is_heard_before_anything_is_sent,
                nothing_starts_after_the_deadline,
                a_call_takes_no_longer_than_was_declared,
            }
            failure {
                a_write_whose_time_ran_out_is_of_unknown_fate_and_not_resent,
                a_write_that_was_cut_off_is_of_unknown_fate_and_not_resent,
                a_write_answered_with_noise_is_of_unknown_fate,
                a_write_met_by_an_outage_is_of_unknown_fate,
                a_write_answered_with_a_web_page_is_no_success,
                a_success_that_carries_an_error_is_an_error,
                an_empty_answer_is_no_empty_listing,
                a_read_that_makes_no_sense_is_a_bad_answer_without_effect,
                a_read_is_repeated_until_it_comes,
                a_read_that_never_comes_is_told_as_what_it_is,
                without_a_connection_a_write_goes_again,
                a_write_that_cannot_be_sent_at_all_has_no_effect,
                a_slow_answer_is_still_an_answer,
            }
            refusal {
                a_dead_grant_is_told_at_once_and_then_nothing_is_sent,
                a_missing_right_is_told_and_not_asked_for_again,
                a_missing_place_is_told_and_never_an_empty_listing,
                a_conflict_is_one_items_matter_and_goes_once,
                a_malformed_request_is_no_success_and_goes_once,
                a_redirect_is_not_followed,
                too_fast_is_told_as_such_and_slows_down,
                a_pause_that_was_asked_for_is_kept,
                a_pause_until_a_date_is_kept,
                a_long_pause_is_told_and_not_slept,
                an_error_that_needs_a_person_says_what_to_do,
                the_providers_own_words_go_with_the_error,
                items_of_a_call_that_was_refused_as_a_whole_are_not_told_as_done,
            }
            secrets {
                debug_shows_neither_secrets_nor_content,
                errors_show_neither_secrets_nor_content,
                refusals_before_sending_show_no_content,
                no_url_holds_secrets_or_content,
                secrets_go_in_the_authorization_header_and_nowhere_else,
                logs_at_their_most_talkative_show_neither_secrets_nor_content,
            }
            inbound {
                a_webhook_that_nobody_signed_is_refused,
                a_webhook_that_was_changed_is_refused,
                a_webhook_that_comes_again_is_known_by_its_key,
                a_push_channel_starts_and_stops_or_is_said_to_be_unknown,
            }
        }
    };
}

macro_rules! table {
    ([] $($group:ident { $($name:ident,)* })*) => {
        /// All cases.
        pub const CASES: &[Case] = &[$($(
            Case {
                group: stringify!($group),
                name: stringify!($name),
                run: |harness| Box::pin($group::$name(harness)),
            },
        )*)*];
    };
}

crate::__for_each_case! { table [] }

/// Makes one test of each case. Takes an expression that makes a fresh [`Harness`](crate::conformance::Harness), which may
/// `.await`; and a [`Profile`](crate::conformance::Profile) of the wire, calm unless it says otherwise.
#[macro_export]
macro_rules! conformance_suite {
    ($harness:expr) => {
        $crate::conformance_suite! { $harness, $crate::conformance::Profile::Calm }
    };
    ($harness:expr, $profile:expr) => {
        $crate::__for_each_case! { $crate::__conformance_tests [$harness, $profile] }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ([$harness:expr, $profile:expr] $($group:ident { $($name:ident,)* })*) => {
        $(
            mod $group {
                use super::*;

                $(
                    #[test]
                    fn $name() {
                        $crate::conformance::run(async {
                            let harness = $harness;
                            let (group, name) = (stringify!($group), stringify!($name));
                            $crate::conformance::run_case_under($profile, group, name, &harness).await
                        });
                    }
                )*
            }
        )*
    };
}
