//! Collections: members by status and time, and the frame that all collections share.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::{
    World,
    audience::{Audience, Seat},
    input::Query,
    member::{self, Member, Shape, Status, View, links},
    problem::Problem,
};
use crate::{answer, mask::Mask};

/// `GET /lists/{list_id}/members`.
pub(super) fn members(world: &mut World, audience: &Audience, query: &str) -> Result<Response<Bytes>, Problem> {
    let query = Query::parse(
        query,
        &[
            "fields",
            "exclude_fields",
            "count",
            "offset",
            "status",
            "since_last_changed",
            "before_last_changed",
            "since_timestamp_opt",
            "before_timestamp_opt",
            "email_type",
            "vip_only",
            "unique_email_id",
            "sort_field",
            "sort_dir",
        ],
    )?;
    let ((count, offset), mask) = (query.page()?, query.mask()?);
    let status = query.one_of("status", member::READ)?.and_then(Status::parse);
    let (since, before) = (query.time("since_last_changed", world), query.time("before_last_changed", world));
    let (since_opt, before_opt) = (query.time("since_timestamp_opt", world), query.time("before_timestamp_opt", world));
    let vip_only = query.flag("vip_only")?;
    let (email_type, unique) = (query.text("email_type"), query.text("unique_email_id"));
    let sort = query.one_of("sort_field", &["timestamp_opt", "timestamp_signup", "last_changed"])?;
    let descending = query.one_of("sort_dir", &["ASC", "DESC"])? == Some("DESC");
    // Archived members are shown only when asked for. Source: GitHub brandonseydel/MailChimp.Net issue 529.
    let is_wanted = |member: &Member| {
        status.map_or(member.status != Status::Archived, |status| member.status == status)
            && since.is_none_or(|since| member.changed > since)
            && before.is_none_or(|before| member.changed < before)
            && since_opt.is_none_or(|since| member.timestamp_opt.is_some_and(|opt| opt > since))
            && before_opt.is_none_or(|before| member.timestamp_opt.is_some_and(|opt| opt < before))
            && (!vip_only || member.vip)
            && email_type.is_none_or(|kind| member.email_type == kind)
            && unique.is_none_or(|id| format!("{:010x}", member.web_id) == id)
    };
    let is_plain = since_opt.is_none() && before_opt.is_none() && !vip_only && email_type.is_none() && unique.is_none();
    let known_total = (is_plain && since.is_none() && before.is_none()).then(|| match status {
        Some(status) => audience.n_with(status),
        None => member::READ
            .iter()
            .filter_map(|status| Status::parse(status))
            .filter(|status| *status != Status::Archived)
            .map(|status| audience.n_with(status))
            .sum(),
    });
    let mut total = 0;
    let mut page = Vec::new();
    let mut take = |member| {
        if total >= offset && page.len() < count {
            page.push(member);
        }
        total += 1;
        // With a known total the rest need not be looked at.
        known_total.is_none() || page.len() < count
    };
    match sort {
        Some("timestamp_opt") => {
            let mut sorted: Vec<&Member> = audience.members().map(|(_, member)| member).filter(|m| is_wanted(m)).collect();
            sorted.sort_by_key(|member| member.timestamp_opt);
            if descending {
                sorted.reverse();
            }
            let _ = sorted.into_iter().all(&mut take);
        }
        Some("timestamp_signup") => {
            let wanted = |seat| audience.get(seat).filter(|member| is_wanted(member));
            let _ = if descending {
                audience.by_signup().rev().filter_map(wanted).all(&mut take)
            } else {
                audience.by_signup().filter_map(wanted).all(&mut take)
            };
        }
        Some(_) => {
            let wanted = |seat| audience.get(seat).filter(|member| is_wanted(member));
            let seats = audience.changed_between(since, before);
            let _ = if descending {
                seats.rev().filter_map(wanted).all(&mut take)
            } else {
                seats.filter_map(wanted).all(&mut take)
            };
        }
        // Unsorted a narrow window is read from the index and put in order of arrival.
        None if since.is_some() || before.is_some() => {
            let mut seats: Vec<Seat> = audience.changed_between(since, before).collect();
            seats.sort_unstable();
            let _ = seats.into_iter().filter_map(|seat| audience.get(seat)).filter(|m| is_wanted(m)).all(&mut take);
        }
        None => {
            let _ = audience.members().map(|(_, member)| member).filter(|member| is_wanted(member)).all(&mut take);
        }
    }
    let total = known_total.unwrap_or(total);
    let item_mask = mask.child("members").unwrap_or(&Mask::All);
    let views: Vec<_> = page
        .into_iter()
        .map(|member| View { member, audience, root: &world.root, mask: item_mask, shape: Shape::Full })
        .collect();
    Ok(collection(
        "members",
        &views,
        Some(&audience.id),
        total,
        &mask,
        links(
            &world.root,
            &[
                ("self", "GET", &format!("/lists/{}/members", audience.id)),
                ("parent", "GET", &format!("/lists/{}", audience.id)),
            ],
        ),
    ))
}

/// A collection whose items are already masked.
pub(super) fn collection<T: Serialize>(
    name: &'static str,
    items: &[T],
    list_id: Option<&str>,
    total: usize,
    mask: &Mask,
    links: Value,
) -> Response<Bytes> {
    struct Collection<'a, T>(&'static str, &'a [T], Option<&'a str>, usize, &'a Mask, Value);
    impl<T: Serialize> Serialize for Collection<'_, T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let Self(name, items, list_id, total, mask, links) = self;
            let mut map = serializer.serialize_map(None)?;
            if mask.child(name).is_some() {
                map.serialize_entry(name, items)?;
            }
            if let Some(list_id) = list_id
                && mask.child("list_id").is_some()
            {
                map.serialize_entry("list_id", list_id)?;
            }
            if mask.child("total_items").is_some() {
                map.serialize_entry("total_items", total)?;
            }
            if mask.child("_links").is_some() {
                map.serialize_entry("_links", links)?;
            }
            map.end()
        }
    }
    answer::json(StatusCode::OK, &Collection(name, items, list_id, total, mask, links))
}
