//! The account, its audiences, their merge fields and webhooks.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{
    World,
    audience::Audience,
    input::{self, Kind, Query},
    listing::collection,
    member::{self, Status, links},
    merge::{self, MergeField},
    problem::Problem,
    seed::{AccountSeed, MergeFieldSeed},
};
use crate::{answer, mask::Mask};

type Answer = Result<Response<Bytes>, Problem>;

/// `GET /`.
pub(super) fn root(world: &World, account: &AccountSeed, n_subscribers: usize, query: &str) -> Answer {
    let mask = Query::parse(query, &["fields", "exclude_fields"])?.mask()?;
    let body = json!({
        "account_id": account.id, "login_id": account.login_id, "account_name": account.name, "email": account.email,
        "first_name": "", "last_name": "", "username": account.email, "avatar_url": "", "role": account.role,
        "member_since": member::time(world.created), "pricing_plan_type": "monthly", "first_payment": "",
        "account_timezone": account.time_zone, "account_industry": "",
        "contact": {"company": account.name, "addr1": "", "addr2": "", "city": "", "state": "", "zip": "", "country": ""},
        "pro_enabled": false, "last_login": member::time(world.created), "total_subscribers": n_subscribers,
        "industry_stats": {"open_rate": 0, "bounce_rate": 0, "click_rate": 0},
        "_links": links(&world.root, &[("self", "GET", "/"), ("lists", "GET", "/lists")]),
    });
    Ok(answer::json(StatusCode::OK, &mask.apply(body)))
}

/// `GET /ping`.
pub(super) fn ping(query: &str) -> Answer {
    Query::parse(query, &[])?;
    Ok(answer::json(StatusCode::OK, &json!({"health_status": "Everything's Chimpy!"})))
}

fn render(world: &World, audience: &Audience, has_total_contacts: bool) -> Value {
    let of = |status| audience.n_with(status);
    let latest = |status: Status| -> String {
        audience
            .changed_between(None, None)
            .rev()
            .filter_map(|seat| audience.get(seat))
            .find(|member| member.status == status)
            .map(|member| member::time(member.changed))
            .unwrap_or_default()
    };
    let mut stats = json!({
        "member_count": of(Status::Subscribed), "unsubscribe_count": of(Status::Unsubscribed),
        "cleaned_count": of(Status::Cleaned), "member_count_since_send": of(Status::Subscribed),
        "unsubscribe_count_since_send": of(Status::Unsubscribed), "cleaned_count_since_send": of(Status::Cleaned),
        "campaign_count": 0, "campaign_last_sent": "", "merge_field_count": audience.merge_fields.len(),
        "avg_sub_rate": 0, "avg_unsub_rate": 0, "target_sub_rate": 0, "open_rate": 0, "click_rate": 0,
        "last_sub_date": latest(Status::Subscribed), "last_unsub_date": latest(Status::Unsubscribed),
    });
    if has_total_contacts {
        let all = [Status::Subscribed, Status::Unsubscribed, Status::Cleaned, Status::Pending, Status::Transactional];
        stats["total_contacts"] = json!(all.into_iter().map(of).sum::<usize>());
    }
    let path = format!("/lists/{}", audience.id);
    json!({
        "id": audience.id, "web_id": audience.web_id, "name": audience.name,
        "contact": {
            "company": "", "address1": "", "address2": "", "city": "", "state": "", "zip": "", "country": "", "phone": "",
        },
        "permission_reminder": "", "use_archive_bar": false,
        "campaign_defaults": {"from_name": "", "from_email": "", "subject": "", "language": "en"},
        "notify_on_subscribe": "", "notify_on_unsubscribe": "", "date_created": member::time(audience.created),
        "list_rating": 0, "email_type_option": false, "subscribe_url_short": "", "subscribe_url_long": "",
        "beamer_address": "", "visibility": "prv", "double_optin": audience.double_optin, "has_welcome": false,
        "marketing_permissions": false, "modules": [], "stats": stats,
        "_links": links(&world.root, &[
            ("self", "GET", &path), ("parent", "GET", "/lists"), ("batch-sub-unsub-members", "POST", &path),
            ("merge-fields", "GET", &format!("{path}/merge-fields")), ("members", "GET", &format!("{path}/members")),
            ("segments", "GET", &format!("{path}/segments")), ("webhooks", "GET", &format!("{path}/webhooks")),
        ]),
    })
}

/// `GET /lists`.
pub(super) fn lists<'a>(world: &World, audiences: impl Iterator<Item = &'a Audience>, query: &str) -> Answer {
    let query = Query::parse(query, &["fields", "exclude_fields", "count", "offset", "email", "include_total_contacts"])?;
    let ((count, offset), mask) = (query.page()?, query.mask()?);
    let has_total_contacts = query.flag("include_total_contacts")?;
    let holds = |audience: &&Audience| query.text("email").is_none_or(|email| audience.by_email(email).is_some());
    let all: Vec<&Audience> = audiences.filter(holds).collect();
    let lists: Vec<Value> =
        all.iter().skip(offset).take(count).map(|audience| render(world, audience, has_total_contacts)).collect();
    let body = json!({
        "lists": lists, "total_items": all.len(),
        "constraints": {"may_create": false, "max_instances": all.len(), "current_total_instances": all.len()},
        "_links": links(&world.root, &[("self", "GET", "/lists"), ("parent", "GET", "/")]),
    });
    Ok(answer::json(StatusCode::OK, &mask.apply(body)))
}

/// `GET /lists/{list_id}`.
pub(super) fn list(world: &World, audience: &Audience, query: &str) -> Answer {
    let query = Query::parse(query, &["fields", "exclude_fields", "include_total_contacts"])?;
    let body = render(world, audience, query.flag("include_total_contacts")?);
    Ok(answer::json(StatusCode::OK, &query.mask()?.apply(body)))
}

fn field_links(world: &World, audience: &Audience, id: u32) -> Value {
    let path = format!("/lists/{}/merge-fields", audience.id);
    links(&world.root, &[("self", "GET", &format!("{path}/{id}")), ("parent", "GET", &path)])
}

/// `GET /lists/{list_id}/merge-fields`.
pub(super) fn merge_fields(world: &World, audience: &Audience, query: &str) -> Answer {
    let query = Query::parse(query, &["fields", "exclude_fields", "count", "offset", "type", "required"])?;
    let ((count, offset), mask) = (query.page()?, query.mask()?);
    let kind = query.one_of("type", merge::TYPES)?;
    let required = query.text("required").map(|_| query.flag("required")).transpose()?;
    let all: Vec<&MergeField> = audience
        .merge_fields
        .iter()
        .filter(|field| kind.is_none_or(|kind| field.seed.kind == kind))
        .filter(|field| required.is_none_or(|required| field.seed.required == required))
        .collect();
    let item_mask = mask.child("merge_fields").unwrap_or(&Mask::All);
    let fields: Vec<Value> = all
        .iter()
        .skip(offset)
        .take(count)
        .map(|field| item_mask.apply(field.render(&audience.id, field_links(world, audience, field.id))))
        .collect();
    Ok(collection(
        "merge_fields",
        &fields,
        Some(&audience.id),
        all.len(),
        &mask,
        links(
            &world.root,
            &[
                ("self", "GET", &format!("/lists/{}/merge-fields", audience.id)),
                ("parent", "GET", &format!("/lists/{}", audience.id)),
            ],
        ),
    ))
}

/// Longest tag of a merge field, in characters.
/// Source: <https://mailchimp.com/help/manage-audience-signup-form-fields/>: "up to 10 characters".
const MAX_MERGE_TAG_CHARS: usize = 10;

/// `POST /lists/{list_id}/merge-fields`.
pub(super) fn create_merge_field(world: &mut World, audience: &mut Audience, query: &str, body: &Bytes) -> Answer {
    Query::parse(query, &[])?;
    let body = input::body(body)?;
    input::check(
        &body,
        &[
            ("tag", Kind::Text),
            ("name", Kind::Text),
            ("type", Kind::OneOf(merge::TYPES)),
            ("required", Kind::Flag),
            ("default_value", Kind::Text),
            ("public", Kind::Flag),
            ("display_order", Kind::Whole),
            ("options", Kind::Object),
            ("help_text", Kind::Text),
        ],
        "",
    )?;
    let name = input::required(&body, "name", "")?.as_str().unwrap_or_default();
    let kind = input::required(&body, "type", "")?.as_str().unwrap_or_default();
    let id = audience.merge_fields.iter().map(|field| field.id + 1).max().unwrap_or(1);
    let tag = input::text(&body, "tag").map_or_else(|| format!("MMERGE{id}"), str::to_uppercase);
    if tag.chars().count() > MAX_MERGE_TAG_CHARS {
        return Err(Problem::schema("tag", "Merge Max Tag Length is 10 characters."));
    }
    if audience.merge_fields.iter().any(|field| field.seed.tag == tag) {
        return Err(Problem::bad_request(format!("A Merge Field with the tag \"{tag}\" already exists for this list.")));
    }
    let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
    let mut seed = MergeFieldSeed::new(tag, name, kind);
    seed.required = flag("required");
    seed.public = flag("public");
    seed.default_value = input::text(&body, "default_value").unwrap_or_default().to_owned();
    let options = body.get("options").and_then(Value::as_object);
    let choices = options.and_then(|options| options.get("choices")).and_then(Value::as_array);
    seed.choices = choices.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if matches!(kind, "radio" | "dropdown") && seed.choices.is_empty() {
        return Err(Problem::schema("options.choices", "This value should not be blank."));
    }
    let mut field = MergeField::new(id, seed);
    field.help_text = input::text(&body, "help_text").unwrap_or_default().to_owned();
    if let Some(format) = options.and_then(|options| input::text(options, "date_format")) {
        format.clone_into(&mut field.date_format);
    }
    let rendered = field.render(&audience.id, field_links(world, audience, id));
    audience.merge_fields.push(field);
    Ok(answer::json(StatusCode::OK, &rendered))
}

const EVENTS: &[&str] = &["subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign"];
const SOURCES: &[&str] = &["user", "admin", "api"];

/// `GET /lists/{list_id}/webhooks`.
pub(super) fn webhooks(world: &World, audience: &Audience, query: &str) -> Answer {
    Query::parse(query, &[])?;
    let webhooks: Vec<&Value> = audience.webhooks.values().collect();
    Ok(collection(
        "webhooks",
        &webhooks,
        Some(&audience.id),
        webhooks.len(),
        &Mask::All,
        links(
            &world.root,
            &[
                ("self", "GET", &format!("/lists/{}/webhooks", audience.id)),
                ("parent", "GET", &format!("/lists/{}", audience.id)),
            ],
        ),
    ))
}

/// `POST /lists/{list_id}/webhooks`. The address is not called: a double does no I/O.
pub(super) fn create_webhook(world: &mut World, audience: &mut Audience, query: &str, body: &Bytes) -> Answer {
    Query::parse(query, &[])?;
    let body = input::body(body)?;
    input::check(&body, &[("url", Kind::Text), ("events", Kind::Object), ("sources", Kind::Object)], "")?;
    let url = input::required(&body, "url", "")?.as_str().unwrap_or_default();
    let bare = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
    // Addresses that differ only in their query are taken for the same.
    // Source: GitHub mailchimp/mailchimp-client-lib-codegen issue 11.
    if audience.webhooks.values().any(|hook| hook["url"].as_str().map(bare) == Some(bare(url))) {
        return Err(Problem::bad_request("Sorry, you can't set up multiple WebHooks for one URL"));
    }
    let flags = |name: &str, known: &[&str]| -> Result<Value, Problem> {
        let given = body.get(name).and_then(Value::as_object);
        if let Some(given) = given {
            let kinds: Vec<(&str, Kind)> = known.iter().map(|name| (*name, Kind::Flag)).collect();
            input::check(given, &kinds, &format!("{name}."))?;
        }
        let of = |flag: &str| given.and_then(|given| given.get(flag)).and_then(Value::as_bool).unwrap_or(false);
        Ok(known.iter().map(|flag| ((*flag).to_owned(), Value::Bool(of(flag)))).collect())
    };
    let id = format!("{:010x}", world.ids.number());
    let path = format!("/lists/{}/webhooks", audience.id);
    let hook = json!({
        "id": id, "url": url, "events": flags("events", EVENTS)?, "sources": flags("sources", SOURCES)?,
        "list_id": audience.id,
        "_links": links(&world.root, &[("self", "GET", &format!("{path}/{id}")), ("parent", "GET", &path)]),
    });
    audience.webhooks.insert(id, hook.clone());
    Ok(answer::json(StatusCode::OK, &hook))
}

/// `DELETE /lists/{list_id}/webhooks/{webhook_id}`.
pub(super) fn delete_webhook(audience: &mut Audience, id: &str, query: &str) -> Answer {
    Query::parse(query, &[])?;
    audience.webhooks.remove(id).ok_or_else(Problem::not_found)?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
