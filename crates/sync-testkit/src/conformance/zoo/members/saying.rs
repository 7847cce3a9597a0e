//! Connectors that say wrong things of themselves.

use std::time::Duration;

use serde_json::json;
use sync_core::{
    AccountId, AuthScheme, Channel, Collection, Endpoint, Error, ErrorKind, Feed, FieldSelection, Matching, Problem, Quota,
    Resource, ResourceName, SideEffect, Span, SyncType, UpdateNeeds,
};

use super::{
    super::{How, Member, Trick},
    member, nth,
};

const SOMETHING: ResourceName = ResourceName::from_static("no-such-resource");

static THINGS: [SyncType; 1] = [SyncType { name: "things", resource: SOMETHING, fields: FieldSelection::All }];

static ALL: [Feed; 1] = [Feed { name: "all", covers: &[SOMETHING], carries_consent: false, budget: "" }];

static LATER: Resource = Resource {
    name: SOMETHING,
    nouns: ("thing", "things"),
    known_by: &[],
    collection: Collection::from_static("things"),
    model: "thing",
    fields: &[],
    groups: &[],
    consent: Some((Channel::Email, "consent.email", "email")),
    update_needs: UpdateNeeds::Nothing,
    matching: Matching::Taken,
    find_max: 1,
    depends_on: &[SOMETHING],
    pullable: false,
};

pub(super) static MEMBERS: &[Member] = &[
    member!(
        "mailchimp",
        describe::the_id_is_lower_case_with_dashes_and_the_texts_are_filled,
        How::Descriptor(|it| it.id = "Mail Chimp")
    ),
    member!(
        "mailchimp",
        describe::names_are_unique,
        How::Descriptor(|it| {
            it.effects = &[
                SideEffect { name: "mail", description: "sends a mail" },
                SideEffect { name: "mail", description: "sends another one" },
            ];
        })
    ),
    member!(
        "mailchimp",
        describe::sync_types_name_resources_and_their_fields,
        How::Descriptor(|it| {
            it.sync_types = &THINGS;
        })
    ),
    member!(
        "mailchimp",
        describe::every_field_of_every_resource_goes_with_a_sync_type,
        How::Descriptor(|it| it.sync_types = &[])
    ),
    member!(
        "mailchimp",
        describe::feeds_cover_resources_that_exist,
        How::Descriptor(|it| {
            it.feeds = &ALL;
        })
    ),
    member!(
        "mailchimp",
        describe::resources_depend_on_earlier_ones_and_can_be_looked_up,
        How::Descriptor(|it| {
            it.resources = std::slice::from_ref(&LATER);
        })
    ),
    member!(
        "mailchimp",
        describe::endpoints_are_https_urls_once_their_variables_are_filled,
        How::Descriptor(|it| {
            it.endpoints = &[Endpoint { name: "api", url: "http://api.example.com", fallback: None }];
        })
    ),
    member!(
        "mailchimp",
        describe::quotas_have_a_limit_a_reserve_and_a_source,
        How::Descriptor(|it| {
            it.quotas = &[Quota {
                budget: "",
                scope: sync_core::QuotaScope::Account,
                span: Span::Minute,
                limit: 10,
                reserve_percent: 0,
                remaining_header: None,
                source: "somebody said so",
            }];
        })
    ),
    member!("mailchimp", describe::times_and_concurrency_are_set, How::Descriptor(|it| it.settle = Duration::ZERO)),
    member!(
        "mailchimp",
        describe::ways_to_sign_in_are_complete,
        How::Descriptor(|it| {
            it.auth = &[AuthScheme::ApiKey { fields: &[], basic_user: None, var_from_suffix: None }];
        })
    ),
    member!(
        "mailchimp",
        describe::effects_are_described_for_people,
        How::Descriptor(|it| {
            it.effects = &[SideEffect { name: "mail", description: "mail" }];
        })
    ),
    member!(
        "mailchimp",
        describe::the_settings_schema_is_an_object_that_takes_nothing_unknown,
        How::Schema(|schema| {
            schema["additionalProperties"] = json!(true);
        })
    ),
    member!(
        "mailchimp",
        open::a_setting_that_is_unknown_is_refused_by_its_name,
        How::Settings(|settings| {
            settings.as_object_mut().map(|settings| settings.remove("no_such_setting"));
        })
    ),
    member!(
        "mailchimp",
        open::a_setting_of_the_wrong_type_is_refused_by_its_name,
        How::Settings(|settings| {
            let is_wrong = |value: &serde_json::Value| [json!({"a": 1}), json!("neither"), json!([1])].contains(value);
            settings.as_object_mut().into_iter().for_each(|settings| settings.retain(|_, value| !is_wrong(value)));
        })
    ),
    member!(
        "google-calendar",
        open::a_setting_with_choices_of_its_own_takes_no_other,
        How::Settings(|settings| {
            let is_wrong = |value: &serde_json::Value| value == "no-such-value";
            settings.as_object_mut().into_iter().for_each(|settings| settings.retain(|_, value| !is_wrong(value)));
        })
    ),
    member!("mailchimp", open::no_settings_at_all_open_or_are_refused_and_never_panic, How::Settings(|_| ())),
    member!(
        "mailchimp",
        open::rules_ask_for_known_fields_and_for_those_that_they_go_by,
        How::Rules(|rules| rules.fields.clear())
    ),
    member!(
        "mailchimp",
        open::other_settings_of_a_mapping_have_another_digest,
        How::Rules(|rules| rules.mapping = nth().to_string())
    ),
    member!(
        "mailchimp",
        open::targets_and_containers_are_pure_and_agree,
        How::Target(|target| target.container = Some("elsewhere".into()))
    ),
    member!(
        "mailchimp",
        check::the_account_comes_first_and_costs_few_calls,
        How::Check(|checked| {
            checked.map(|mut checked| {
                checked.accounts.insert(0, (AccountId::from_static("another"), "Another".to_owned()));
                checked
            })
        })
    ),
    member!(
        "mailchimp",
        check::the_account_is_told_without_account_and_without_settings,
        How::Check(|checked| {
            checked.map(|mut checked| {
                checked.accounts.clear();
                checked
            })
        })
    ),
    member!(
        "mailchimp",
        check::settings_that_fit_have_no_problems,
        How::Check(|checked| {
            checked.map(|mut checked| {
                let text = || "hm".to_owned();
                checked.problems.push(Problem { setting: text(), message: text(), remedy: text() });
                checked
            })
        })
    ),
    member!(
        "mailchimp",
        check::settings_that_are_missing_are_a_problem_and_no_error,
        How::Check(|checked| {
            checked.map(|mut checked| {
                checked.problems.clear();
                checked
            })
        })
    ),
    member!(
        "mailchimp",
        check::a_choice_that_has_gone_is_one_problem,
        How::Check(|checked| {
            checked.and_then(|checked| match checked.problems.first() {
                Some(problem) => Err(Error::new(ErrorKind::Config, problem.message.clone())),
                None => Ok(checked),
            })
        })
    ),
    member!(
        "mailchimp",
        check::every_word_of_the_schema_has_choices,
        How::Choices(|choices| { choices.map(|choices| [choices.clone(), choices].concat()) })
    ),
    member!(
        "mailchimp",
        check::the_settings_in_use_are_among_the_choices,
        How::Choices(|choices| choices.map(|_| Vec::new()))
    ),
    member!("mailchimp", check::a_query_narrows_choices_whatever_its_case, How::Trick(Trick::IgnoresTheQuery)),
    member!(
        "mailchimp",
        check::choices_of_an_unknown_word_are_not_found,
        How::Choices(|choices| Ok(choices.unwrap_or_default()))
    ),
    member!("google-calendar", inbound::a_webhook_that_nobody_signed_is_refused, How::Trick(Trick::TakesAnybodysWebhook)),
    member!("google-calendar", inbound::a_webhook_that_was_changed_is_refused, How::Trick(Trick::TakesAnybodysWebhook)),
    member!(
        "google-calendar",
        inbound::a_webhook_that_comes_again_is_known_by_its_key,
        How::Inbound(|inbound| {
            inbound.map(|mut inbound| {
                inbound.dedupe = sync_core::DedupeKey(nth().to_string());
                inbound
            })
        })
    ),
    member!("mailchimp", inbound::a_push_channel_starts_and_stops_or_is_said_to_be_unknown, How::Trick(Trick::LooksFirst)),
    member!("mailchimp", secrets::debug_shows_neither_secrets_nor_content, How::Trick(Trick::PrintsARecord)),
    member!("mailchimp", secrets::errors_show_neither_secrets_nor_content, How::Trick(Trick::QuotesARecordInErrors)),
    member!("mailchimp", secrets::refusals_before_sending_show_no_content, How::Trick(Trick::QuotesWhatItRefuses)),
    member!("mailchimp", secrets::no_url_holds_secrets_or_content, How::Trick(Trick::QuotesARecordInUrls)),
    member!(
        "mailchimp",
        secrets::secrets_go_in_the_authorization_header_and_nowhere_else,
        How::Trick(Trick::ShowsItsSecretTwice)
    ),
    member!(
        "mailchimp",
        secrets::logs_at_their_most_talkative_show_neither_secrets_nor_content,
        How::Trick(Trick::LogsItsSecret)
    ),
];
