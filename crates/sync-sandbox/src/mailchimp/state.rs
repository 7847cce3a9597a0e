//! The account as tests and people look at it.

use serde_json::{Map, Value, json};

use super::{
    Mailchimp,
    audience::Audience,
    member::{self, Member, READ, Status},
};

pub(super) fn of(this: &Mailchimp, has_members: bool) -> Value {
    let lists: Map<String, Value> =
        this.audiences.values().map(|audience| (audience.id.clone(), list(audience, has_members))).collect();
    json!({
        "provider": "mailchimp",
        "lists": lists,
        "mails_sent": this.world.effects.confirmation_mails,
        "automations_started": this.world.effects.automations,
        "refused": this.world.refused,
    })
}

fn list(audience: &Audience, has_members: bool) -> Value {
    let counts: Map<String, Value> =
        READ.iter().filter_map(|name| Some(((*name).to_owned(), json!(audience.n_with(Status::parse(name)?))))).collect();
    let mut shown = json!({
        "name": audience.name,
        "double_optin": audience.double_optin,
        "counts": counts,
        "n_forgotten": audience.forgotten.len(),
        "merge_fields": audience.merge_fields.iter().map(|field| field.seed.tag.as_str()).collect::<Vec<_>>(),
        "tags": audience
            .segments
            .values()
            .map(|segment| (segment.name.clone(), json!({"id": segment.id, "members": segment.members.len()})))
            .collect::<Map<_, _>>(),
        "webhooks": audience.webhooks.values().collect::<Vec<_>>(),
    });
    if has_members {
        shown["members"] = audience
            .members()
            .map(|(_, member)| (member.email.to_lowercase(), one(audience, member)))
            .collect::<Map<_, _>>()
            .into();
    }
    shown
}

fn one(audience: &Audience, member: &Member) -> Value {
    let merge: Map<String, Value> = audience
        .merge_fields
        .iter()
        .filter_map(|field| {
            let (_, value) = member.merge.iter().find(|(id, _)| *id == field.id)?;
            Some((field.seed.tag.clone(), value.clone()))
        })
        .collect();
    let tags: Vec<&str> = member.tags.iter().filter_map(|(id, _)| Some(audience.segments.get(id)?.name.as_str())).collect();
    json!({
        "email_address": member.email,
        "id": member.key.to_string(),
        "contact_id": member.contact.to_string(),
        "status": member.status.as_str(),
        "in_compliance_state": member.stop.is_some(),
        "merge_fields": merge,
        "tags": tags,
        "language": member.language,
        "vip": member.vip,
        "timestamp_opt": member.timestamp_opt.map(member::time),
        "last_changed": member::time(member.changed),
    })
}
