//! Writing to a member: the body's fields, and who may become what.

use serde_json::{Map, Value};

use super::{
    World,
    audience::{Audience, Seat},
    input::{self, Kind},
    member::{Key, Member, Status, Stop},
    merge,
    problem::Problem,
    seed::RefusalSeed,
};

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
    let email =
        write.email.ok_or_else(|| Problem::schema(format!("{at}email_address"), "This value should not be blank."))?;
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
