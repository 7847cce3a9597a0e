//! Connectors that read wrongly.

use sync_core::{
    Change, Complete, Consent, ConsentState, Error, ErrorKind, Found, From, Record, Remote, RemoteState, Value,
};

use super::{
    super::{How, Member, Trick},
    member, nth,
};

pub(super) static MEMBERS: &[Member] = &[
    member!("mailchimp", pull::every_page_is_followed_and_no_token_is_given_twice, How::Trick(Trick::StopsAfterOnePage)),
    member!(
        "mailchimp",
        pull::a_page_holds_no_more_than_was_configured_and_costs_at_most_two_calls,
        How::Trick(Trick::JoinsPages)
    ),
    member!(
        "mailchimp",
        pull::a_full_listing_says_so_and_a_delta_too,
        How::Page(|_, page| {
            page.map(|mut page| {
                page.complete = Complete::Full;
                page
            })
        })
    ),
    member!(
        "mailchimp",
        pull::a_token_can_be_stored_and_asked_again,
        How::Page(|from, page| {
            page.map(|mut page| {
                if matches!(from, From::Page(_)) && nth().is_multiple_of(2) {
                    page.changes.reverse();
                }
                page
            })
        })
    ),
    member!("mailchimp", pull::a_cursor_or_token_of_somebody_else_asks_for_a_full_pass, How::Trick(Trick::TakesAnyCursor)),
    member!("mailchimp", pull::a_delta_shows_what_changed_and_little_else, How::Trick(Trick::ReadsAllEachTime)),
    member!("mailchimp", pull::a_delta_without_news_is_empty_and_costs_little, How::Trick(Trick::ReadsAllEachTime)),
    member!(
        "mailchimp",
        pull::what_changed_in_the_second_of_the_cursor_is_not_lost,
        How::Page(|from, page| {
            page.map(|mut page| {
                if matches!(from, From::Cursor(_)) {
                    page.changes.clear();
                }
                page
            })
        })
    ),
    member!(
        "mailchimp",
        pull::a_change_in_mid_listing_pushes_nobody_over_the_edge,
        How::Page(|from, page| {
            page.map(|mut page| {
                if matches!(from, From::Page(_)) {
                    page.changes.clear();
                }
                page
            })
        })
    ),
    member!(
        "mailchimp",
        pull::a_record_is_shown_with_its_id_keys_container_and_consent,
        How::Shown(|remote| remote.keys.clear())
    ),
    member!(
        "mailchimp",
        pull::what_is_archived_there_is_shown_as_archived,
        How::Shown(|remote| remote.state = RemoteState::Live)
    ),
    member!(
        "google-calendar",
        pull::what_is_deleted_there_is_gone_or_at_least_not_shown,
        How::Page(|_, page| {
            page.map(|mut page| {
                for change in &mut page.changes {
                    if let Change::Gone { id, .. } = change {
                        *change = Change::Upsert(Box::new(Remote::live("trips".into(), id.clone(), Record::new())));
                    }
                }
                page
            })
        })
    ),
    member!(
        "mailchimp",
        pull::refusals_and_bounces_flow_back,
        How::Shown(|remote| {
            remote.fields.set("consent.email", Value::Consent(Consent::new(ConsentState::Granted)));
        })
    ),
    member!(
        "mailchimp",
        find::a_record_is_found_by_its_id_as_the_feed_shows_it,
        How::Shown(|remote| remote.fields = Record::new())
    ),
    member!(
        "google-calendar",
        find::answers_come_one_per_key_in_order_and_in_one_call,
        How::Find(|found| {
            found.map(|mut found| {
                found.reverse();
                found
            })
        })
    ),
    member!(
        "mailchimp",
        find::what_is_not_there_is_absent_and_no_error,
        How::Find(|found| match found {
            Ok(found) if found.contains(&Found::Absent) => Err(Error::new(ErrorKind::NotFound, "there is none")),
            other => other,
        })
    ),
    member!("mailchimp", find::a_record_is_found_by_what_identifies_it, How::Trick(Trick::FindsNobodyByContent)),
    member!(
        "xero",
        find::a_record_here_has_keys_of_its_counterpart_where_evidence_is_weighed,
        How::Trick(Trick::GivesNoKeys)
    ),
    member!("mailchimp", find::asking_for_nothing_sends_nothing, How::Trick(Trick::LooksFirst)),
    member!("mailchimp", find::markers_are_looked_up_or_said_to_be_unknown, How::Trick(Trick::LooksFirst)),
    member!("mailchimp", find::another_providers_resource_is_refused, How::Trick(Trick::LooksFirst)),
    member!(
        "mailchimp",
        find::an_id_with_odd_characters_stays_one_id,
        How::Call(|call| {
            for text in [&mut call.path, &mut call.query] {
                *text = text.replace("%26", "&");
            }
        })
    ),
];
