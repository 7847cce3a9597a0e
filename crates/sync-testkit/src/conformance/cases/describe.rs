//! The descriptor is sound.

use std::collections::BTreeSet;

use sync_core::{AuthScheme, Descriptor, FieldSelection, Kind, QuotaScope, Span};

use crate::conformance::{Harness, Verdict};

fn descriptor(harness: &dyn Harness) -> &'static Descriptor {
    harness.integration().descriptor()
}

fn assert_unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for name in names {
        assert!(!name.is_empty(), "a name of {what} is empty");
        assert!(seen.insert(name), "two {what} are called {name}");
    }
}

fn is_kebab(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

pub(super) async fn the_id_is_lower_case_with_dashes_and_the_texts_are_filled(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    assert!(is_kebab(descriptor.id), "{}", descriptor.id);
    assert!(!descriptor.name.trim().is_empty() && !descriptor.description.trim().is_empty());
    assert_eq!(descriptor.kind, Kind::Sync, "this suite is for integrations that sync records");
    Verdict::Held
}

pub(super) async fn names_are_unique(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    assert_unique("sync types", descriptor.sync_types.iter().map(|sync_type| sync_type.name));
    assert_unique("resources", descriptor.resources.iter().map(|resource| resource.name.as_str()));
    assert_unique("feeds", descriptor.feeds.iter().map(|feed| feed.name));
    assert_unique("endpoints", descriptor.endpoints.iter().map(|endpoint| endpoint.name));
    assert_unique("effects", descriptor.effects.iter().map(|effect| effect.name));
    for resource in descriptor.resources {
        assert_unique("fields", resource.fields.iter().map(|field| field.name));
        assert!(!resource.nouns.0.is_empty() && !resource.nouns.1.is_empty(), "{} has no nouns", resource.name);
    }
    Verdict::Held
}

pub(super) async fn sync_types_name_resources_and_their_fields(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    assert!(!descriptor.sync_types.is_empty());
    for sync_type in descriptor.sync_types {
        let resource = descriptor.resource(sync_type.resource.as_str());
        let resource = resource.unwrap_or_else(|| panic!("{} names no resource", sync_type.name));
        let fields: &[&str] = match sync_type.fields {
            FieldSelection::All => &[],
            FieldSelection::Only(fields) | FieldSelection::Except(fields) => fields,
        };
        for field in fields {
            assert!(resource.fields.iter().any(|spec| spec.name == *field), "{} has no {field}", resource.name);
        }
    }
    Verdict::Held
}

pub(super) async fn every_field_of_every_resource_goes_with_a_sync_type(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    for resource in descriptor.resources {
        for field in resource.fields {
            let goes = descriptor
                .sync_types
                .iter()
                .any(|sync_type| sync_type.resource == resource.name && sync_type.fields.contains(field.name));
            assert!(goes, "no sync type takes {} of {}", field.name, resource.name);
        }
    }
    Verdict::Held
}

pub(super) async fn feeds_cover_resources_that_exist(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    for feed in descriptor.feeds {
        assert!(!feed.covers.is_empty(), "the feed {} covers nothing", feed.name);
        for name in feed.covers {
            let resource = descriptor.resource(name.as_str());
            let resource = resource.unwrap_or_else(|| panic!("the feed {} covers {name}, which there isn't", feed.name));
            assert!(!feed.carries_consent || resource.consent.is_some(), "{name} carries no consent");
        }
        assert!(has_budget(descriptor, feed.budget), "no quota is called {:?}", feed.budget);
    }
    Verdict::Held
}

pub(super) fn has_budget(descriptor: &Descriptor, budget: &str) -> bool {
    budget.is_empty() || descriptor.quotas.iter().any(|quota| quota.budget == budget)
}

pub(super) async fn resources_depend_on_earlier_ones_and_can_be_looked_up(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    let mut before: BTreeSet<&str> = BTreeSet::new();
    for resource in descriptor.resources {
        for needed in resource.depends_on {
            assert!(before.contains(needed.as_str()), "{} needs {needed}, which does not come before it", resource.name);
        }
        before.insert(resource.name.as_str());
        assert!(resource.find_max >= 1, "{} can't be looked up", resource.name);
        if let Some((channel, consent, address)) = resource.consent {
            assert_eq!(consent, format!("consent.{channel}"), "the field of consent is called by its channel");
            for field in [consent, address] {
                assert!(resource.fields.iter().any(|spec| spec.name == field), "{} has no {field}", resource.name);
            }
        }
    }
    Verdict::Held
}

/// What stands for a variable when a URL is checked.
const ANY: &str = "x1";

pub(super) async fn endpoints_are_https_urls_once_their_variables_are_filled(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    assert!(!descriptor.endpoints.is_empty());
    for endpoint in descriptor.endpoints {
        let urls = [Some(endpoint.url), endpoint.fallback];
        for url in urls.into_iter().flatten() {
            let filled = filled(url);
            let uri: http::Uri = filled.parse().unwrap_or_else(|error| panic!("{}: {filled}: {error}", endpoint.name));
            assert_eq!(uri.scheme_str(), Some("https"), "{}", endpoint.name);
            assert!(uri.host().is_some_and(|host| host.contains('.')), "{}", endpoint.name);
            assert!(uri.query().is_none() && !filled.ends_with('/'), "paths lie below {}", endpoint.name);
        }
        if let Some(fallback) = endpoint.fallback {
            assert!(!fallback.contains('{'), "the fallback of {} needs variables too", endpoint.name);
        }
    }
    Verdict::Held
}

fn filled(url: &str) -> String {
    let mut filled = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}').unwrap_or_else(|| panic!("{url}: a variable does not end"));
        filled.push_str(before);
        filled.push_str(ANY);
        rest = after;
    }
    filled + rest
}

pub(super) async fn quotas_have_a_limit_a_reserve_and_a_source(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    for quota in descriptor.quotas {
        assert!(quota.limit > 0, "{}", quota.source);
        assert!(quota.reserve_percent < 100, "{}: nothing is left", quota.source);
        assert!(quota.source.contains("https://"), "{:?} names no page", quota.source);
        if quota.span == Span::Concurrent && quota.budget.is_empty() {
            let ours = u64::from(quota.limit) * u64::from(100 - quota.reserve_percent) / 100;
            assert!(
                descriptor.concurrency as u64 <= ours.max(1),
                "more writes at once than the quota and its reserve allow"
            );
        }
        assert!(quota.scope != QuotaScope::App || quota.span != Span::Concurrent, "nobody can count this across processes");
    }
    Verdict::Held
}

pub(super) async fn times_and_concurrency_are_set(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    assert!(descriptor.concurrency >= 1);
    assert!(!descriptor.call_timeout.is_zero());
    assert!(!descriptor.settle.is_zero(), "a call that was given up on may still be carried out");
    Verdict::Held
}

pub(super) async fn ways_to_sign_in_are_complete(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    assert!(!descriptor.auth.is_empty());
    for scheme in descriptor.auth {
        match scheme {
            AuthScheme::ApiKey { fields, .. } => {
                assert!(!fields.is_empty());
                for field in *fields {
                    assert!(!field.label.is_empty() && !field.help.is_empty(), "{} is not explained", field.name);
                }
            }
            AuthScheme::OAuth(server) => {
                for endpoint in [server.endpoint, server.token_endpoint] {
                    assert!(descriptor.endpoint(endpoint).is_some(), "there is no endpoint {endpoint}");
                }
                let paths = [Some(server.authorize_path), Some(server.token_path), server.revoke_path];
                assert!(paths.into_iter().flatten().all(|path| path.starts_with('/')));
            }
            _ => {}
        }
    }
    Verdict::Held
}

pub(super) async fn effects_are_described_for_people(harness: &dyn Harness) -> Verdict {
    let descriptor = descriptor(harness);
    for effect in descriptor.effects {
        assert!(is_kebab(effect.name), "{}", effect.name);
        assert!(effect.description.contains(' '), "{} is not described", effect.name);
    }
    Verdict::Held
}

pub(super) async fn the_settings_schema_is_an_object_that_takes_nothing_unknown(harness: &dyn Harness) -> Verdict {
    let schema = harness.integration().settings_schema();
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["additionalProperties"], false, "unknown settings are refused");
    let properties = schema["properties"].as_object().expect("properties");
    for (name, property) in properties {
        assert!(property["title"].as_str().is_some_and(|title| !title.is_empty()), "{name} has no title");
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(required.as_str().is_some_and(|name| properties.contains_key(name)), "{required} is required and unknown");
    }
    for setting in harness.settings().as_object().expect("settings").keys() {
        assert!(properties.contains_key(setting), "the schema does not know {setting}");
    }
    Verdict::Held
}
