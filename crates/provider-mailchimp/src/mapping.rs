//! Members as remote records.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sync_core::{Consent, ConsentState, ContainerId, NaturalKey, Record, Remote, RemoteState, Value};

use crate::{
    address::{is_forgotten, member_id},
    descriptor::{CONSENT, CONTACTS, EMAIL, TAGS},
    merge,
    model::Member,
    settings::MailchimpSettings,
    tags,
};

/// The member as a remote record; `None` for what has no address of a person (erased people, contacts by telephone only).
pub(crate) fn remote(settings: &MailchimpSettings, audience: &ContainerId, member: &Member) -> Option<Remote> {
    let email = member.email_address.trim();
    if email.is_empty() || is_forgotten(email) {
        return None;
    }
    let archived = member.status == "archived";
    let id = if member.id.is_empty() { member_id(email) } else { member.id.as_str().into() };
    let mut fields = Record::new().with(EMAIL, Value::text(email)).with(CONSENT, Value::Consent(consent(member)));
    merge::fields(settings, &member.merge_fields, &mut fields);
    let names: BTreeSet<String> =
        member.tags.iter().filter_map(|tag| tags::local_name(settings, &tag.name)).map(str::to_owned).collect();
    tags::fields(settings, &names, &mut fields);
    if settings.own_tags() {
        fields.set(TAGS, Value::Set(names));
    }
    let mut remote = Remote::live(CONTACTS, id, fields);
    remote.container = Some(audience.clone());
    if archived {
        remote.state = RemoteState::Archived;
    }
    remote.keys = NaturalKey::of(EMAIL, email).into_iter().collect();
    remote.changed_at = time(&member.last_changed);
    Some(remote)
}

/// The record as the answer to a write shows it. What tags stand for is left out, since they go in calls of their own.
pub(crate) fn after(settings: &MailchimpSettings, audience: &ContainerId, member: &Member) -> Option<Box<Remote>> {
    let mut remote = remote(settings, audience, member)?;
    remote.fields.retain(|field| field.as_str() != TAGS && !settings.tag_rules.contains_key(field));
    Some(Box::new(remote))
}

/// What a status says about consent. The time is when the status can have been reached at the latest, so an older opt-in
/// never looks newer than a later unsubscribe.
fn consent(member: &Member) -> Consent {
    let changed = time(&member.last_changed);
    let (state, at) = match member.status.as_str() {
        "subscribed" => {
            (ConsentState::Granted, time(&member.timestamp_opt).or_else(|| time(&member.timestamp_signup)).or(changed))
        }
        "unsubscribed" => (ConsentState::Denied, changed),
        "cleaned" => (ConsentState::Undeliverable, changed),
        "pending" => (ConsentState::Pending, changed),
        // Transactional contacts were never asked; the archive hides what was before; new statuses mean nothing yet.
        _ => (ConsentState::Unknown, None),
    };
    Consent { state, source: None, at }
}

/// An instant of an answer; empty where there is none.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn member(status: &str) -> Member {
        serde_json::from_value(json!({
            "id": "2b9150605ac374d671a306b5fcee60a0",
            "email_address": "Ada.Lovelace@example.com",
            "status": status,
            "merge_fields": {"FNAME": "Ada", "LNAME": "", "SECRET": "x"},
            "timestamp_signup": "", "timestamp_opt": "2026-01-02T03:04:05+00:00", "last_changed": "2026-02-03T04:05:06+00:00",
            "tags": [{"id": 1, "name": "diver"}],
        }))
        .unwrap()
    }

    fn read(member: &Member) -> Option<Remote> {
        remote(&MailchimpSettings::default(), &"a1".into(), member)
    }

    #[test]
    fn a_member_is_read_by_the_mapping_alone() {
        let remote = read(&member("subscribed")).unwrap();
        let names: Vec<&str> = remote.fields.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(names, ["consent.email", "email", "first_name", "tags"]);
        assert_eq!(remote.keys, [NaturalKey::of(EMAIL, "ada.lovelace@example.com").unwrap()]);
        assert_eq!(remote.container, Some("a1".into()));
        assert_eq!(remote.changed_at, Some("2026-02-03T04:05:06Z".parse().unwrap()));
    }

    #[test]
    fn each_status_has_its_consent() {
        use ConsentState as C;
        for (status, state, at, archived) in [
            ("subscribed", C::Granted, Some("2026-01-02T03:04:05Z"), false),
            ("unsubscribed", C::Denied, Some("2026-02-03T04:05:06Z"), false),
            ("cleaned", C::Undeliverable, Some("2026-02-03T04:05:06Z"), false),
            ("pending", C::Pending, Some("2026-02-03T04:05:06Z"), false),
            ("transactional", C::Unknown, None, false),
            ("archived", C::Unknown, None, true),
            ("brand-new", C::Unknown, None, false),
        ] {
            let remote = read(&member(status)).unwrap();
            let consent = remote.fields.value(CONSENT).and_then(Value::as_consent).unwrap();
            assert_eq!((consent.state, consent.at), (state, at.map(|at| at.parse().unwrap())), "{status}");
            assert_eq!(remote.state == RemoteState::Archived, archived, "{status}");
        }
    }

    #[test]
    fn erased_people_and_contacts_without_address_are_ignored() {
        for address in ["", "12ab@forgotten.mailchimp.com"] {
            let mut member = member("subscribed");
            member.email_address = address.into();
            assert!(read(&member).is_none());
        }
    }

    #[test]
    fn nulls_and_odd_shapes_do_not_spoil_a_member() {
        let member: Member = serde_json::from_value(json!({
            "email_address": "ada.lovelace@example.com", "status": null, "merge_fields": [], "last_changed": null, "tags": null,
        }))
        .unwrap();
        assert_eq!(read(&member).unwrap().id.as_str(), "2b9150605ac374d671a306b5fcee60a0");
    }
}
