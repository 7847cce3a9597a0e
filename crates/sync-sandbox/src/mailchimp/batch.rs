//! `POST /lists/{list_id}`: up to 500 members at once.
//! Source: <https://mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe/>.

use std::collections::HashSet;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::{
    World,
    audience::{Audience, Seat},
    input::{self, Kind, Query},
    member::{Key, Shape, View, links},
    problem::Problem,
    seed::BatchTags,
    write::{self, Form, Write},
};
use crate::{answer, mask::Mask};

/// "Up to 500 members may be added or updated with each API call."
pub(super) const MAX_MEMBERS: usize = 500;

#[derive(Debug, Serialize)]
struct Refused {
    email_address: String,
    error: String,
    error_code: &'static str,
    field: String,
    field_message: String,
}

impl Refused {
    fn new(email: &str, problem: Problem) -> Self {
        let (field, field_message) = problem.errors.into_iter().next().unwrap_or_default();
        Self { email_address: email.to_owned(), error: problem.detail, error_code: "ERROR_GENERIC", field, field_message }
    }
}

#[derive(Serialize)]
struct Done<'a> {
    new_members: Vec<View<'a>>,
    updated_members: Vec<View<'a>>,
    errors: &'a [Refused],
    total_created: usize,
    total_updated: usize,
    error_count: usize,
    _links: Value,
}

struct Options {
    update_existing: bool,
    sync_tags: bool,
    skip_merge: bool,
    skip_duplicates: bool,
}

enum Fate {
    New(Seat),
    Updated(Seat),
    Ignored,
}

pub(super) fn post(
    world: &mut World,
    audience: &mut Audience,
    query: &str,
    body: &Bytes,
) -> Result<Response<Bytes>, Problem> {
    let query = Query::parse(query, &["skip_merge_validation", "skip_duplicate_check"])?;
    let body = input::body(body)?;
    input::check(&body, &[("members", Kind::List), ("update_existing", Kind::Flag), ("sync_tags", Kind::Flag)], "")?;
    let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
    let options = Options {
        update_existing: flag("update_existing"),
        sync_tags: flag("sync_tags"),
        skip_merge: query.flag("skip_merge_validation")?,
        skip_duplicates: query.flag("skip_duplicate_check")?,
    };
    let items = input::required(&body, "members", "")?.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.len() > MAX_MEMBERS {
        return Err(Problem::schema("members", "Schema describes array with at most 500 items"));
    }
    let form = Form::Batch { tags: world.quirks.batch_tags != BatchTags::Refused };
    // The whole body is checked before anything is written.
    let writes = items
        .iter()
        .enumerate()
        .map(|(n, item)| {
            let at = format!("members.item:{n}.");
            let item = item.as_object().ok_or_else(|| Problem::schema(&at, "Schema describes object"))?;
            let write = Write::parse(item, form, &at)?;
            let email = write
                .email
                .ok_or_else(|| Problem::schema(format!("{at}email_address"), "This value should not be blank."))?;
            Ok((email, write, at))
        })
        .collect::<Result<Vec<_>, Problem>>()?;

    let mut seen = HashSet::with_capacity(writes.len());
    let (mut new, mut updated, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (email, write, at) in &writes {
        if !seen.insert(Key::of_email(email)) {
            if !options.skip_duplicates {
                let problem = Problem::bad_request(format!("{email} is in this request more than once"));
                errors.push(Refused::new(email, problem));
            }
            continue;
        }
        match one(world, audience, email, write, &options, at) {
            Ok(Fate::New(seat)) => new.push(seat),
            Ok(Fate::Updated(seat)) => updated.push(seat),
            Ok(Fate::Ignored) => {}
            Err(refused) => errors.push(refused),
        }
    }

    let show = |seats: &[Seat]| -> Vec<View<'_>> {
        let view = |member| View { member, audience, root: &world.root, mask: &Mask::All, shape: Shape::Batch };
        seats.iter().filter_map(|seat| audience.get(*seat)).map(view).collect()
    };
    let done = Done {
        new_members: show(&new),
        updated_members: show(&updated),
        errors: &errors,
        total_created: new.len(),
        total_updated: updated.len(),
        error_count: errors.len(),
        _links: links(&world.root, &[("self", "POST", &format!("/lists/{}", audience.id)), ("parent", "GET", "/lists")]),
    };
    Ok(answer::json(StatusCode::OK, &done))
}

fn one(
    world: &mut World,
    audience: &mut Audience,
    email: &str,
    write: &Write<'_>,
    options: &Options,
    at: &str,
) -> Result<Fate, Refused> {
    let generic = |problem| Refused::new(email, problem);
    let fate = match audience.by_email(email) {
        None => {
            let status =
                write.status.ok_or_else(|| generic(Problem::schema("status", "This value should not be blank.")))?;
            Fate::New(write::create(world, audience, write, status, options.skip_merge, at).map_err(generic)?)
        }
        Some(_) if !options.update_existing => {
            return Err(Refused {
                email_address: email.to_owned(),
                // Source: GitHub brandonseydel/MailChimp.Net issue 336 and many recorded answers.
                error: format!(
                    "{email} is already a list member, do you want to update? please provide update_existing:true in the request body"
                ),
                error_code: "ERROR_CONTACT_EXISTS",
                field: String::new(),
                field_message: String::new(),
            });
        }
        Some(_) if write.status.is_none() && !world.quirks.batch_without_status_is_neutral => {
            return Err(generic(Problem::schema("status", "This value should not be blank.")));
        }
        Some(seat) => match write::update(world, audience, seat, write, options.skip_merge, at) {
            Ok(()) => Fate::Updated(seat),
            Err(problem) if problem.title == "Member In Compliance State" && world.quirks.batch_hides_compliance => {
                return Ok(Fate::Ignored);
            }
            Err(problem) => return Err(generic(problem)),
        },
    };
    if let Fate::New(seat) | Fate::Updated(seat) = fate {
        tag(world, audience, seat, write, options);
    }
    Ok(fate)
}

fn tag(world: &mut World, audience: &mut Audience, seat: Seat, write: &Write<'_>, options: &Options) {
    let Some(names) = &write.tags else { return };
    if !options.sync_tags && world.quirks.batch_tags != BatchTags::Always {
        return;
    }
    let wanted: Vec<u32> = names.iter().map(|name| audience.segment_for(name, &mut world.ids, world.now)).collect();
    if options.sync_tags {
        let present: Vec<u32> =
            audience.get(seat).map(|member| member.tags.iter().map(|(tag, _)| *tag).collect()).unwrap_or_default();
        for tag in present.into_iter().filter(|tag| !wanted.contains(tag)) {
            audience.untag(seat, tag, world.now);
        }
    }
    for tag in wanted {
        if audience.tag(seat, tag, world.now) {
            world.automation();
        }
    }
}
