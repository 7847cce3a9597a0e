//! What people do on the other side.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Mailchimp,
    audience::{Audience, Seat},
    member::{Key, Member, Status, Stop},
    merge::MergeField,
    seed::MergeFieldSeed,
    write,
};

/// One action, as the body of `POST /_sandbox/act`: `{"do": "unsubscribe", "list": "…", "email": "…"}`.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Action {
    /// Several, in order; stops at the first that fails.
    Many { actions: Vec<Value> },
    /// The person unsubscribes by the link in a mail.
    Unsubscribe {
        list: String,
        email: String,
        #[serde(default)]
        reason: String,
    },
    /// The account's own people unsubscribe somebody.
    UnsubscribeByAdmin { list: String, email: String },
    /// The person signs up by Mailchimp's own form: new, again, or after having been erased.
    Subscribe { list: String, email: String },
    /// The person confirms by the link in the confirmation mail.
    Confirm { list: String, email: String },
    /// Mail comes back.
    Clean { list: String, email: String },
    /// A marketer edits a merge field.
    Edit { list: String, email: String, field: String, value: Value },
    /// A marketer or the person changes the address.
    ChangeEmail { list: String, email: String, to: String },
    /// A marketer adds a tag.
    Tag { list: String, email: String, name: String },
    /// A marketer takes a tag away.
    Untag { list: String, email: String, name: String },
    /// A marketer deletes a tag.
    DeleteTag { list: String, name: String },
    /// A marketer archives a member.
    Archive { list: String, email: String },
    /// A marketer erases a member.
    DeletePermanent { list: String, email: String },
    /// A marketer adds a merge field, or changes the one with this tag.
    MergeField { list: String, field: MergeFieldSeed },
    /// A marketer removes a merge field with all its values.
    DeleteMergeField { list: String, tag: String },
    /// A marketer switches double opt-in.
    DoubleOptin { list: String, on: bool },
    /// A marketer renames an audience.
    RenameAudience { list: String, name: String },
    /// A marketer deletes an audience.
    DeleteAudience { list: String },
    /// All API keys and tokens are revoked.
    Revoke,
    /// Another API key is made.
    AddKey { key: String },
}

pub(super) fn act(this: &mut Mailchimp, action: &Value) -> Result<Value, String> {
    let action: Action = serde_json::from_value(action.clone()).map_err(|error| format!("no such action: {error}"))?;
    match action {
        Action::Many { actions } => {
            for action in &actions {
                act(this, action)?;
            }
        }
        Action::Unsubscribe { list, email, reason } => change(this, &list, &email, |member, _| {
            member.status = Status::Unsubscribed;
            member.stop = Some(Stop::Person);
            member.reason = reason;
        })?,
        Action::UnsubscribeByAdmin { list, email } => change(this, &list, &email, |member, now| {
            write::set_status(member, Status::Unsubscribed, now);
        })?,
        Action::Subscribe { list, email } => subscribe(this, &list, &email)?,
        Action::Confirm { list, email } => {
            let (audience, seat) = find(this, &list, &email)?;
            if audience.get(seat).is_none_or(|member| member.status != Status::Pending) {
                return Err(format!("{email} is not pending"));
            }
            change(this, &list, &email, |member, now| {
                member.stop = None;
                write::set_status(member, Status::Subscribed, now);
            })?;
            this.world.automation();
        }
        Action::Clean { list, email } => {
            change(this, &list, &email, |member, now| write::set_status(member, Status::Cleaned, now))?;
        }
        Action::Edit { list, email, field, value } => {
            let audience = this.audiences.get(&list).ok_or_else(|| no_list(this, &list))?;
            let of = audience.merge_fields.iter().find(|known| known.seed.tag == field);
            let id = of.ok_or_else(|| format!("audience {list} has no merge field {field}"))?.id;
            change(this, &list, &email, |member, _| {
                member.merge.retain(|(known, _)| *known != id);
                member.merge.push((id, value));
            })?;
        }
        Action::ChangeEmail { list, email, to } => {
            let now = this.world.now;
            let (audience, seat) = find(this, &list, &email)?;
            if audience.by_email(&to).is_some_and(|other| other != seat) {
                return Err(format!("{to} is a member already"));
            }
            audience.rename(seat, &to);
            audience.update(seat, now, |_| {});
        }
        Action::Tag { list, email, name } => {
            let now = this.world.now;
            find(this, &list, &email)?;
            let Some(audience) = this.audiences.get_mut(&list) else { return Err(format!("no audience {list}")) };
            let Some(seat) = audience.by_email(&email) else { return Err(format!("no member {email}")) };
            let segment = audience.segment_for(&name, &mut this.world.ids, now);
            audience.tag(seat, segment, now);
        }
        Action::Untag { list, email, name } => {
            let now = this.world.now;
            let (audience, seat) = find(this, &list, &email)?;
            let segment = audience.segment_named(&name).ok_or_else(|| format!("no tag {name}"))?;
            audience.untag(seat, segment, now);
        }
        Action::DeleteTag { list, name } => {
            let audience = audience(this, &list)?;
            let segment = audience.segment_named(&name).ok_or_else(|| format!("no tag {name}"))?;
            audience.drop_segment(segment);
        }
        Action::Archive { list, email } => change(this, &list, &email, |member, _| member.status = Status::Archived)?,
        Action::DeletePermanent { list, email } => {
            let (audience, seat) = find(this, &list, &email)?;
            audience.forget(seat);
        }
        Action::MergeField { list, field } => {
            let audience = audience(this, &list)?;
            match audience.merge_fields.iter_mut().find(|known| known.seed.tag == field.tag) {
                Some(known) => known.seed = field,
                None => {
                    let id = audience.merge_fields.iter().map(|known| known.id + 1).max().unwrap_or(1);
                    audience.merge_fields.push(MergeField::new(id, field));
                }
            }
        }
        Action::DeleteMergeField { list, tag } => {
            let audience = audience(this, &list)?;
            let n_before = audience.merge_fields.len();
            audience.merge_fields.retain(|field| field.seed.tag != tag);
            if audience.merge_fields.len() == n_before {
                return Err(format!("audience {list} has no merge field {tag}"));
            }
        }
        Action::DoubleOptin { list, on } => audience(this, &list)?.double_optin = on,
        Action::RenameAudience { list, name } => audience(this, &list)?.name = name,
        Action::DeleteAudience { list } => {
            this.audiences.remove(&list).ok_or_else(|| no_list(this, &list))?;
        }
        Action::Revoke => {
            this.api_keys.clear();
            this.oauth.tokens.clear();
        }
        Action::AddKey { key } => {
            this.api_keys.insert(key);
        }
    }
    Ok(json!({"done": true}))
}

fn no_list(this: &Mailchimp, list: &str) -> String {
    format!("no audience {list}; there are {}", this.audiences.keys().cloned().collect::<Vec<_>>().join(", "))
}

fn audience<'a>(this: &'a mut Mailchimp, list: &str) -> Result<&'a mut Audience, String> {
    let why = no_list(this, list);
    this.audiences.get_mut(list).ok_or(why)
}

fn find<'a>(this: &'a mut Mailchimp, list: &str, email: &str) -> Result<(&'a mut Audience, Seat), String> {
    let audience = audience(this, list)?;
    let seat = audience.by_email(email).ok_or_else(|| format!("audience {list} has no member {email}"))?;
    Ok((audience, seat))
}

fn change(this: &mut Mailchimp, list: &str, email: &str, change: impl FnOnce(&mut Member, i64)) -> Result<(), String> {
    let now = this.world.now;
    let (audience, seat) = find(this, list, email)?;
    audience.update(seat, now, |member| change(member, now));
    Ok(())
}

/// A signup by the hosted form: the one way back after an unsubscribe, a bounce or an erasure.
/// Source: <https://mailchimp.com/help/resubscribe-a-contact/>.
fn subscribe(this: &mut Mailchimp, list: &str, email: &str) -> Result<(), String> {
    let now = this.world.now;
    let web_id = this.world.ids.number();
    let audience = audience(this, list)?;
    let status = if audience.double_optin { Status::Pending } else { Status::Subscribed };
    audience.forgotten.remove(&Key::of_email(email));
    match audience.by_email(email) {
        Some(seat) => audience.update(seat, now, |member| {
            member.stop = None;
            member.reason.clear();
            write::set_status(member, status, now);
        }),
        None => {
            let mut member = Member::new(email, web_id, list, status, now);
            member.source = "Hosted Signup Form";
            audience.insert(member);
        }
    }
    match status {
        Status::Pending => this.world.effects.confirmation_mails += 1,
        _ => this.world.automation(),
    }
    Ok(())
}
