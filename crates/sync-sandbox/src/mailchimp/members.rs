//! Members, one at a time.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{
    World,
    audience::{Audience, Seat},
    input::{self, Kind, Query},
    listing::collection,
    member::{self, Shape, Status, View, links},
    problem::Problem,
    write::{Form, Write, create, update},
};
use crate::{answer, mask::Mask};

type Answer = Result<Response<Bytes>, Problem>;

/// `GET /lists/{list_id}/members/{subscriber_hash}`.
pub(super) fn read(world: &mut World, audience: &Audience, name: &str, query: &str) -> Answer {
    let query = Query::parse(query, &["fields", "exclude_fields"])?;
    let mask = query.mask()?;
    show(world, audience, audience.named(name).ok_or_else(Problem::not_found)?, &mask)
}

fn show(world: &World, audience: &Audience, seat: Seat, mask: &Mask) -> Answer {
    let member = audience.get(seat).ok_or_else(Problem::not_found)?;
    Ok(answer::json(StatusCode::OK, &View { member, audience, root: &world.root, mask, shape: Shape::Full }))
}

/// `POST /lists/{list_id}/members`.
pub(super) fn post(world: &mut World, audience: &mut Audience, query: &str, body: &Bytes) -> Answer {
    let skip_merge = Query::parse(query, &["skip_merge_validation"])?.flag("skip_merge_validation")?;
    let body = input::body(body)?;
    let write = Write::parse(&body, Form::Create, "")?;
    let email = input::required(&body, "email_address", "")?.as_str().unwrap_or_default().trim();
    input::required(&body, "status", "")?;
    if audience.by_email(email).is_some() {
        return Err(Problem::exists(email));
    }
    let seat = create(world, audience, &write, write.status.unwrap_or(Status::Pending), skip_merge, "")?;
    for name in write.tags.iter().flatten() {
        let segment = audience.segment_for(name, &mut world.ids, world.now);
        if audience.tag(seat, segment, world.now) {
            world.automation();
        }
    }
    show(world, audience, seat, &Mask::All)
}

/// `PUT /lists/{list_id}/members/{subscriber_hash}`.
pub(super) fn put(world: &mut World, audience: &mut Audience, name: &str, query: &str, body: &Bytes) -> Answer {
    let skip_merge = Query::parse(query, &["skip_merge_validation"])?.flag("skip_merge_validation")?;
    let body = input::body(body)?;
    let write = Write::parse(&body, Form::Upsert, "")?;
    let seat = match audience.named(name) {
        Some(seat) => {
            update(world, audience, seat, &write, skip_merge, "")?;
            seat
        }
        None => {
            let email = input::required(&body, "email_address", "")?.as_str().unwrap_or_default().trim();
            input::required(&body, "status_if_new", "")?;
            // The hash of an address in mixed case finds nobody, yet the address is there.
            // Source: GitHub amro/gibbon issue 239, VingtCinq/python-mailchimp issue 182.
            if audience.by_email(email).is_some() {
                return Err(Problem::exists(email));
            }
            create(world, audience, &write, write.status_if_new.unwrap_or(Status::Pending), skip_merge, "")?
        }
    };
    show(world, audience, seat, &Mask::All)
}

/// `PATCH /lists/{list_id}/members/{subscriber_hash}`.
pub(super) fn patch(world: &mut World, audience: &mut Audience, name: &str, query: &str, body: &Bytes) -> Answer {
    let skip_merge = Query::parse(query, &["skip_merge_validation"])?.flag("skip_merge_validation")?;
    let body = input::body(body)?;
    let write = Write::parse(&body, Form::Update, "")?;
    let seat = audience.named(name).ok_or_else(Problem::not_found)?;
    update(world, audience, seat, &write, skip_merge, "")?;
    show(world, audience, seat, &Mask::All)
}

/// `DELETE /lists/{list_id}/members/{subscriber_hash}`: archives.
pub(super) fn archive(world: &mut World, audience: &mut Audience, name: &str, query: &str) -> Answer {
    Query::parse(query, &[])?;
    let seat = audience.named(name).ok_or_else(Problem::not_found)?;
    // Source: a recorded answer in GitHub grouparoo/grouparoo,
    // plugins/@grouparoo/mailchimp/__tests__/fixtures/export-profile.js.
    if audience.get(seat).is_some_and(|member| member.status == Status::Archived) {
        return Err(Problem::new(405, "Method Not Allowed", "This list member cannot be removed. Please contact support."));
    }
    audience.update(seat, world.now, |member| member.status = Status::Archived);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// `POST /lists/{list_id}/members/{subscriber_hash}/actions/delete-permanent`; takes the hash only.
pub(super) fn delete_permanent(audience: &mut Audience, name: &str, query: &str) -> Answer {
    Query::parse(query, &[])?;
    let seat = audience.by_hash(name).ok_or_else(Problem::not_found)?;
    audience.forget(seat);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// `GET /lists/{list_id}/members/{subscriber_hash}/tags`.
pub(super) fn tags(world: &mut World, audience: &Audience, name: &str, query: &str) -> Answer {
    let query = Query::parse(query, &["fields", "exclude_fields", "count", "offset"])?;
    let ((count, offset), mask) = (query.page()?, query.mask()?);
    let seat = audience.named(name).ok_or_else(Problem::not_found)?;
    let member = audience.get(seat).ok_or_else(Problem::not_found)?;
    let item_mask = mask.child("tags").unwrap_or(&Mask::All);
    let tags: Vec<Value> = member
        .tags
        .iter()
        .skip(offset)
        .take(count)
        .filter_map(|(id, added)| {
            let segment = audience.segments.get(id)?;
            Some(item_mask.apply(json!({"id": id, "name": segment.name, "date_added": member::time(*added)})))
        })
        .collect();
    let path = format!("/lists/{}/members/{}", audience.id, member.key);
    Ok(collection(
        "tags",
        &tags,
        None,
        member.tags.len(),
        &mask,
        links(&world.root, &[("self", "GET", &format!("{path}/tags")), ("parent", "GET", &path)]),
    ))
}

/// Longest name of a tag, in characters.
/// Source: <https://mailchimp.com/help/create-use-tags/>: "up to 100 characters".
const MAX_TAG_CHARS: usize = 100;

/// `POST /lists/{list_id}/members/{subscriber_hash}/tags`; takes the hash only.
pub(super) fn post_tags(world: &mut World, audience: &mut Audience, name: &str, query: &str, body: &Bytes) -> Answer {
    Query::parse(query, &[])?;
    let body = input::body(body)?;
    input::check(&body, &[("tags", Kind::List), ("is_syncing", Kind::Flag)], "")?;
    let seat = audience.by_hash(name).ok_or_else(Problem::not_found)?;
    let mut changes = Vec::new();
    for (n, tag) in input::required(&body, "tags", "")?.as_array().into_iter().flatten().enumerate() {
        let at = format!("tags.item:{n}.");
        let tag = tag.as_object().ok_or_else(|| Problem::schema(&at, "Schema describes object"))?;
        input::check(tag, &[("name", Kind::Text), ("status", Kind::OneOf(&["active", "inactive"]))], &at)?;
        let name = input::required(tag, "name", &at)?.as_str().unwrap_or_default();
        if name.trim().is_empty() || name.chars().count() > MAX_TAG_CHARS {
            return Err(Problem::schema(format!("{at}name"), "This value should have 1 to 100 characters."));
        }
        changes.push((name, input::required(tag, "status", &at)? == "active"));
    }
    let is_syncing = body.get("is_syncing").and_then(Value::as_bool).unwrap_or(false);
    let mut has_changed = false;
    for (name, is_active) in changes {
        if is_active {
            let segment = audience.segment_for(name, &mut world.ids, world.now);
            if audience.tag(seat, segment, world.now) {
                has_changed = true;
                if !is_syncing {
                    world.automation();
                }
            }
        } else if let Some(segment) = audience.segment_named(name) {
            has_changed |= audience.untag(seat, segment, world.now);
        }
    }
    if has_changed && world.quirks.tags_move_last_changed {
        audience.update(seat, world.now, |_| {});
    }
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
