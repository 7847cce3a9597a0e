//! Members, one at a time.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    World,
    audience::{Audience, Seat},
    input::{self, Kind, Query},
    member::{self, Key, Member, Shape, Status, Stop, View, links},
    merge,
    problem::Problem,
    seed::RefusalSeed,
};
use crate::{answer, mask::Mask};

type Answer = Result<Response<Bytes>, Problem>;

/// What can be written. Source: `status` of
/// <https://mailchimp.com/developer/marketing/api/list-members/add-or-update-list-member/>.
const WRITTEN: &[&str] = &["subscribed", "unsubscribed", "cleaned", "pending", "transactional"];
/// The same for PATCH, whose reference has no `transactional`.
const PATCHED: &[&str] = &["subscribed", "unsubscribed", "cleaned", "pending"];

/// A member's body, checked.
#[derive(Debug, Default)]
pub(super) struct Write<'v> {
    pub(super) email: Option<&'v str>,
    pub(super) status: Option<Status>,
    pub(super) status_if_new: Option<Status>,
    pub(super) merge: Option<&'v Map<String, Value>>,
    pub(super) tags: Option<Vec<&'v str>>,
    email_type: Option<&'v str>,
    language: Option<&'v str>,
    vip: Option<bool>,
    location: Option<(f64, f64)>,
    ip_signup: Option<&'v str>,
    timestamp_signup: Option<i64>,
    ip_opt: Option<&'v str>,
    timestamp_opt: Option<i64>,
}

/// Which body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Create,
    Upsert,
    Update,
    Batch { tags: bool },
}

impl<'v> Write<'v> {
    pub(super) fn parse(body: &'v Map<String, Value>, form: Form, at: &str) -> Result<Self, Problem> {
        let statuses = if form == Form::Update { PATCHED } else { WRITTEN };
        let mut known = vec![
            ("email_address", Kind::Text),
            ("email_type", Kind::OneOf(&["html", "text"])),
            ("status", Kind::OneOf(statuses)),
            ("merge_fields", Kind::Object),
            ("interests", Kind::NotModelled),
            ("language", Kind::Text),
            ("vip", Kind::Flag),
            ("location", Kind::Object),
            ("ip_signup", Kind::Text),
            ("timestamp_signup", Kind::Text),
            ("ip_opt", Kind::Text),
            ("timestamp_opt", Kind::Text),
        ];
        match form {
            Form::Create | Form::Batch { tags: true } => known.push(("tags", Kind::List)),
            Form::Upsert => known.push(("status_if_new", Kind::OneOf(WRITTEN))),
            Form::Update | Form::Batch { tags: false } => {}
        }
        input::check(body, &known, at)?;
        let status = |name: &str| input::text(body, name).and_then(Status::parse);
        let tags = match body.get("tags").and_then(Value::as_array) {
            None => None,
            Some(tags) => Some(
                tags.iter()
                    .map(|tag| tag.as_str().ok_or_else(|| Problem::schema(format!("{at}tags"), "Schema describes string")))
                    .collect::<Result<_, _>>()?,
            ),
        };
        let time = |name: &str| match input::text(body, name) {
            None | Some("") => Ok(None),
            Some(text) => input::parse_time(text)
                .map(Some)
                .ok_or_else(|| Problem::schema(format!("{at}{name}"), "This value is not a valid datetime.")),
        };
        let location = body.get("location").and_then(Value::as_object).map(|parts| {
            let part = |name: &str| parts.get(name).and_then(Value::as_f64).unwrap_or(0.0);
            (part("latitude"), part("longitude"))
        });
        Ok(Self {
            email: input::text(body, "email_address").map(str::trim),
            status: status("status"),
            status_if_new: status("status_if_new"),
            merge: body.get("merge_fields").and_then(Value::as_object),
            tags,
            email_type: input::text(body, "email_type"),
            language: input::text(body, "language"),
            vip: body.get("vip").and_then(Value::as_bool),
            location,
            ip_signup: input::text(body, "ip_signup"),
            timestamp_signup: time("timestamp_signup")?,
            ip_opt: input::text(body, "ip_opt"),
            timestamp_opt: time("timestamp_opt")?,
        })
    }

    fn apply(&self, member: &mut Member, merge: Vec<(u32, Value)>) {
        fn set(target: &mut String, value: Option<&str>) {
            if let Some(value) = value {
                value.clone_into(target);
            }
        }
        for (id, value) in merge {
            match member.merge.iter_mut().find(|(known, _)| *known == id) {
                Some((_, old)) => *old = value,
                None => member.merge.push((id, value)),
            }
        }
        set(&mut member.email_type, self.email_type);
        set(&mut member.language, self.language);
        set(&mut member.ip_signup, self.ip_signup);
        set(&mut member.ip_opt, self.ip_opt);
        member.vip = self.vip.unwrap_or(member.vip);
        member.location = self.location.or(member.location);
        member.timestamp_signup = self.timestamp_signup.or(member.timestamp_signup);
        member.timestamp_opt = self.timestamp_opt.or(member.timestamp_opt);
    }
}

/// Refuses an address that is none, or that the seed refuses.
fn acceptable(email: &str, world: &World) -> Result<(), Problem> {
    let invalid = || Problem::new(400, "Invalid Resource", "Please provide a valid email address.");
    let (local, domain) = email.rsplit_once('@').ok_or_else(invalid)?;
    if local.is_empty() || !domain.contains('.') || email.contains(char::is_whitespace) || local.contains('@') {
        return Err(invalid());
    }
    let lower = email.to_lowercase();
    let refusal = world.refusals.get(&lower).or_else(|| world.refusals.get(&format!("@{}", domain.to_lowercase())));
    match refusal {
        None => Ok(()),
        Some(RefusalSeed::LooksFake) => Err(Problem::new(
            400,
            "Invalid Resource",
            format!("{email} looks fake or invalid, please enter a real email address."),
        )),
        Some(RefusalSeed::TooManySignups) => Err(Problem::new(
            400,
            "Invalid Resource",
            format!("{email} has signed up to a lot of lists very recently; we're not allowing more signups for now"),
        )),
    }
}

/// Makes a member by API.
pub(super) fn create(
    world: &mut World,
    audience: &mut Audience,
    write: &Write<'_>,
    status: Status,
    skip_merge: bool,
    at: &str,
) -> Result<Seat, Problem> {
    let email = write.email.ok_or_else(|| Problem::schema(format!("{at}email_address"), "This value should not be blank."))?;
    acceptable(email, world)?;
    if audience.forgotten.contains(&Key::of_email(email)) {
        return Err(Problem::forgotten(email));
    }
    let merge = merge::accept(&audience.merge_fields, write.merge, &[], skip_merge, at, world)?;
    let mut member = Member::new(email, world.ids.number(), &audience.id, status, world.now);
    if status == Status::Cleaned {
        member.stop = Some(Stop::Bounce);
    }
    write.apply(&mut member, merge);
    match status {
        Status::Pending => world.effects.confirmation_mails += 1,
        Status::Subscribed => world.automation(),
        _ => {}
    }
    Ok(audience.insert(member))
}

/// Changes a member by API.
pub(super) fn update(
    world: &mut World,
    audience: &mut Audience,
    seat: Seat,
    write: &Write<'_>,
    skip_merge: bool,
    at: &str,
) -> Result<(), Problem> {
    let Some(member) = audience.get(seat) else { return Err(Problem::not_found()) };
    if let Some(status) = write.status {
        may_become(member, status)?;
    }
    let renamed = write.email.filter(|email| *email != member.email);
    if let Some(email) = renamed {
        acceptable(email, world)?;
        if audience.by_email(email).is_some_and(|other| other != seat) {
            return Err(Problem::exists(email));
        }
        if audience.forgotten.contains(&Key::of_email(email)) {
            return Err(Problem::forgotten(email));
        }
    }
    let merge = merge::accept(&audience.merge_fields, write.merge, &member.merge, skip_merge, at, world)?;
    let was = member.status;
    if let Some(email) = renamed {
        audience.rename(seat, email);
    }
    let now = world.now;
    audience.update(seat, now, |member| {
        write.apply(member, merge);
        if let Some(status) = write.status {
            set_status(member, status, now);
        }
    });
    match write.status {
        // Asked again, the mail is not sent again.
        // Source: <https://mailchimp.com/developer/release-notes/>, 2020-08-19, "Preventing multiple confirmation emails".
        Some(Status::Pending) if was != Status::Pending => world.effects.confirmation_mails += 1,
        Some(Status::Subscribed) if was != Status::Subscribed => world.automation(),
        _ => {}
    }
    Ok(())
}

/// Whether the API may give a member this status. Nobody but the person lifts their own unsubscribe, save that they may be
/// asked to confirm; nobody lifts a bounce.
fn may_become(member: &Member, status: Status) -> Result<(), Problem> {
    let raises = !matches!(status, Status::Unsubscribed | Status::Cleaned);
    match (member.stop, status) {
        (Some(Stop::Person), Status::Pending) => Ok(()),
        (Some(_), _) if raises => Err(Problem::compliance(&member.email)),
        _ => Ok(()),
    }
}

pub(super) fn set_status(member: &mut Member, status: Status, now: i64) {
    member.status = status;
    match status {
        Status::Cleaned => member.stop = Some(Stop::Bounce),
        Status::Subscribed => member.timestamp_opt = Some(now),
        Status::Unsubscribed if member.reason.is_empty() => member.reason = "N/A (Unsubscribed by admin)".into(),
        _ => {}
    }
}

/// `GET /lists/{list_id}/members`.
pub(super) fn list(world: &mut World, audience: &Audience, query: &str) -> Answer {
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
        Some("timestamp_opt" | "timestamp_signup") => {
            let mut sorted: Vec<&Member> = audience.members().map(|(_, member)| member).filter(|m| is_wanted(m)).collect();
            sorted.sort_by_key(|member| {
                if sort == Some("timestamp_opt") { member.timestamp_opt } else { member.timestamp_signup }
            });
            if descending {
                sorted.reverse();
            }
            let _ = sorted.into_iter().all(&mut take);
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
    Ok(collection("members", &views, Some(&audience.id), total, &mask, links(&world.root, &[
        ("self", "GET", &format!("/lists/{}/members", audience.id)),
        ("parent", "GET", &format!("/lists/{}", audience.id)),
    ])))
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
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeMap;
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
    Ok(collection("tags", &tags, None, member.tags.len(), &mask, links(&world.root, &[
        ("self", "GET", &format!("{path}/tags")),
        ("parent", "GET", &path),
    ])))
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
