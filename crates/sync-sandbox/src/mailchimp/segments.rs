//! Static segments, which are tags, and the search for them.
//! Source: <https://mailchimp.com/developer/marketing/api/list-segments/>.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    World,
    audience::{Audience, Seat, Segment},
    input::{self, Kind, Query},
    listing::collection,
    member::{self, Shape, Status, View, links},
    problem::Problem,
};
use crate::{answer, mask::Mask};

type Answer = Result<Response<Bytes>, Problem>;

/// "A maximum of 500 members can be sent."
const MAX_MEMBERS: usize = 500;

fn render(world: &World, audience: &Audience, segment: &Segment) -> Value {
    let is_active = |seat: &&Seat| audience.get(**seat).is_some_and(|member| member.status == Status::Subscribed);
    let path = format!("/lists/{}/segments", audience.id);
    json!({
        "id": segment.id,
        "name": segment.name,
        "member_count": segment.members.iter().filter(is_active).count(),
        "type": "static",
        "created_at": member::time(segment.created),
        "updated_at": member::time(segment.updated),
        "options": {"match": "any", "conditions": []},
        "list_id": audience.id,
        "_links": links(&world.root, &[("self", "GET", &format!("{path}/{}", segment.id)), ("parent", "GET", &path)]),
    })
}

fn find<'a>(audience: &'a Audience, id: &str) -> Result<&'a Segment, Problem> {
    id.parse().ok().and_then(|id: u32| audience.segments.get(&id)).ok_or_else(Problem::not_found)
}

/// `GET /lists/{list_id}/segments`.
pub(super) fn list(world: &mut World, audience: &Audience, query: &str) -> Answer {
    let query = Query::parse(query, &["fields", "exclude_fields", "count", "offset", "type"])?;
    let ((count, offset), mask) = (query.page()?, query.mask()?);
    let kind = query.one_of("type", &["saved", "static", "fuzzy"])?;
    // Only static ones are modelled.
    let n_total = if kind.is_none_or(|kind| kind == "static") { audience.segments.len() } else { 0 };
    let item_mask = mask.child("segments").unwrap_or(&Mask::All);
    let segments: Vec<Value> = audience
        .segments
        .values()
        .take(n_total)
        .skip(offset)
        .take(count)
        .map(|segment| item_mask.apply(render(world, audience, segment)))
        .collect();
    Ok(collection(
        "segments",
        &segments,
        Some(&audience.id),
        n_total,
        &mask,
        links(
            &world.root,
            &[
                ("self", "GET", &format!("/lists/{}/segments", audience.id)),
                ("parent", "GET", &format!("/lists/{}", audience.id)),
            ],
        ),
    ))
}

const BODY: &[(&str, Kind)] = &[("name", Kind::Text), ("static_segment", Kind::List), ("options", Kind::NotModelled)];

/// `POST /lists/{list_id}/segments`.
pub(super) fn create(world: &mut World, audience: &mut Audience, query: &str, body: &Bytes) -> Answer {
    Query::parse(query, &[])?;
    let body = input::body(body)?;
    input::check(&body, BODY, "")?;
    let name = input::required(&body, "name", "")?.as_str().unwrap_or_default();
    // Source: GitHub brandonseydel/MailChimp.Net issue 160.
    let Some(emails) = body.get("static_segment") else {
        return Err(Problem::new(
            400,
            "Invalid Resource",
            "Must provide either an \"options\" field or a \"static_segment\" field",
        ));
    };
    if audience.segment_named(name).is_some() {
        return Err(Problem::bad_request("Sorry, that tag already exists."));
    }
    let seats = present(audience, &emails_of(emails, "static_segment")?);
    let id = audience.segment_for(name, &mut world.ids, world.now);
    add(world, audience, id, &seats);
    show(world, audience, id)
}

fn show(world: &World, audience: &Audience, id: u32) -> Answer {
    let segment = audience.segments.get(&id).ok_or_else(Problem::not_found)?;
    Ok(answer::json(StatusCode::OK, &render(world, audience, segment)))
}

/// `GET /lists/{list_id}/segments/{segment_id}`.
pub(super) fn read(world: &mut World, audience: &Audience, id: &str, query: &str) -> Answer {
    let mask = Query::parse(query, &["fields", "exclude_fields"])?.mask()?;
    Ok(answer::json(StatusCode::OK, &mask.apply(render(world, audience, find(audience, id)?))))
}

/// `PATCH /lists/{list_id}/segments/{segment_id}`: another name, or other members altogether.
pub(super) fn update(world: &mut World, audience: &mut Audience, id: &str, query: &str, body: &Bytes) -> Answer {
    Query::parse(query, &[])?;
    let body = input::body(body)?;
    input::check(&body, BODY, "")?;
    let name = input::required(&body, "name", "")?.as_str().unwrap_or_default();
    let id = find(audience, id)?.id;
    if audience.segment_named(name).is_some_and(|other| other != id) {
        return Err(Problem::bad_request("Sorry, that tag already exists."));
    }
    let wanted = body.get("static_segment").map(|emails| emails_of(emails, "static_segment")).transpose()?;
    if let Some(segment) = audience.segments.get_mut(&id) {
        name.clone_into(&mut segment.name);
        segment.updated = world.now;
    }
    if let Some(wanted) = wanted {
        let seats = present(audience, &wanted);
        let gone: Vec<Seat> =
            find(audience, &id.to_string())?.members.iter().copied().filter(|seat| !seats.contains(seat)).collect();
        for seat in gone {
            audience.untag(seat, id, world.now);
        }
        add(world, audience, id, &seats);
    }
    show(world, audience, id)
}

/// `DELETE /lists/{list_id}/segments/{segment_id}`.
pub(super) fn delete(audience: &mut Audience, id: &str, query: &str) -> Answer {
    Query::parse(query, &[])?;
    let id = find(audience, id)?.id;
    audience.drop_segment(id);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// `POST /lists/{list_id}/segments/{segment_id}`: adds and removes members.
pub(super) fn batch(world: &mut World, audience: &mut Audience, id: &str, query: &str, body: &Bytes) -> Answer {
    Query::parse(query, &[])?;
    let body = input::body(body)?;
    input::check(&body, &[("members_to_add", Kind::List), ("members_to_remove", Kind::List)], "")?;
    let id = find(audience, id)?.id;
    let emails = |name: &str| body.get(name).map_or(Ok(Vec::new()), |emails| emails_of(emails, name));
    let (to_add, to_remove) =
        (present(audience, &emails("members_to_add")?), present(audience, &emails("members_to_remove")?));
    let added = add(world, audience, id, &to_add);
    let removed: Vec<Seat> = to_remove.into_iter().filter(|seat| audience.untag(*seat, id, world.now)).collect();
    if world.quirks.tags_move_last_changed {
        for seat in added.iter().chain(&removed) {
            audience.update(*seat, world.now, |_| {});
        }
    }
    let show = |seats: &[Seat]| -> Vec<View<'_>> {
        let view = |member| View { member, audience, root: &world.root, mask: &Mask::All, shape: Shape::Batch };
        seats.iter().filter_map(|seat| audience.get(*seat)).map(view).collect()
    };
    let path = format!("/lists/{}/segments/{id}", audience.id);
    let done = Done {
        members_added: show(&added),
        members_removed: show(&removed),
        errors: [],
        total_added: added.len(),
        total_removed: removed.len(),
        error_count: 0,
        _links: links(&world.root, &[("self", "POST", &path), ("parent", "GET", &path)]),
    };
    Ok(answer::json(StatusCode::OK, &done))
}

#[derive(Serialize)]
struct Done<'a> {
    members_added: Vec<View<'a>>,
    members_removed: Vec<View<'a>>,
    errors: [Value; 0],
    total_added: usize,
    total_removed: usize,
    error_count: usize,
    _links: Value,
}

fn emails_of<'v>(emails: &'v Value, name: &str) -> Result<Vec<&'v str>, Problem> {
    let emails = emails.as_array().map(Vec::as_slice).unwrap_or_default();
    if emails.len() > MAX_MEMBERS {
        return Err(Problem::schema(name, "Schema describes array with at most 500 items"));
    }
    emails.iter().map(|email| email.as_str().ok_or_else(|| Problem::schema(name, "Schema describes string"))).collect()
}

/// "Any emails provided that are not present on the list will be ignored."
fn present(audience: &Audience, emails: &[&str]) -> Vec<Seat> {
    let is_there = |seat: &Seat| audience.get(*seat).is_some_and(|member| member.status != Status::Archived);
    emails.iter().filter_map(|email| audience.by_email(email)).filter(is_there).collect()
}

/// Adds members; gives back those that were not there.
fn add(world: &mut World, audience: &mut Audience, id: u32, seats: &[Seat]) -> Vec<Seat> {
    let now = world.now;
    let added: Vec<Seat> = seats.iter().copied().filter(|seat| audience.tag(*seat, id, now)).collect();
    for _ in &added {
        world.automation();
    }
    added
}

/// `GET /lists/{list_id}/segments/{segment_id}/members`.
pub(super) fn members(world: &mut World, audience: &Audience, id: &str, query: &str) -> Answer {
    let query = Query::parse(
        query,
        &["fields", "exclude_fields", "count", "offset", "include_cleaned", "include_transactional", "include_unsubscribed"],
    )?;
    let ((count, offset), mask) = (query.page()?, query.mask()?);
    let segment = find(audience, id)?;
    let mut statuses = vec![Status::Subscribed];
    for (name, status) in [
        ("include_cleaned", Status::Cleaned),
        ("include_transactional", Status::Transactional),
        ("include_unsubscribed", Status::Unsubscribed),
    ] {
        if query.flag(name)? {
            statuses.push(status);
        }
    }
    let shown: Vec<_> = segment
        .members
        .iter()
        .filter_map(|seat| audience.get(*seat))
        .filter(|member| statuses.contains(&member.status))
        .collect();
    let item_mask = mask.child("members").unwrap_or(&Mask::All);
    let page: Vec<_> = shown
        .iter()
        .skip(offset)
        .take(count)
        .map(|member| View { member, audience, root: &world.root, mask: item_mask, shape: Shape::OfSegment })
        .collect();
    let path = format!("/lists/{}/segments/{}", audience.id, segment.id);
    Ok(collection(
        "members",
        &page,
        None,
        shown.len(),
        &mask,
        links(&world.root, &[("self", "GET", &format!("{path}/members")), ("parent", "GET", &path)]),
    ))
}

/// `GET /lists/{list_id}/tag-search`: tags whose name starts so.
pub(super) fn search(audience: &Audience, query: &str) -> Answer {
    let query = Query::parse(query, &["name"])?;
    let start = query.text("name").unwrap_or_default().to_lowercase();
    let tags: Vec<Value> = audience
        .segments
        .values()
        .filter(|segment| segment.name.to_lowercase().starts_with(&start))
        .map(|segment| json!({"id": segment.id, "name": segment.name}))
        .collect();
    Ok(answer::json(StatusCode::OK, &json!({"total_items": tags.len(), "tags": tags})))
}
