//! Tags: by tag for many members, or for one member without starting automations.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{Map, Value, json};
use sync_core::{ContainerId, Error, ErrorKind, Facts, Operation, PartRef, Receipt, Record, Remote, RemoteId, Result};

use crate::{
    address::{key, member_id},
    check, client,
    descriptor::CONTACTS,
    error::{audience_gone, is_name_taken, parse, parse_written, tag_refused},
    handler::Handler,
    model::{MemberTag, MemberTags, NewSegment, Segment, SegmentChange, SegmentChanged, TagSearch},
    prepare::written_address,
    push::Pushing,
    tag_change::TagChange,
    tags,
};

/// The member of the facts that holds the ids of tags, by lower-case name. Another audience than the connection's has a
/// member of its own.
const FACT: &str = "tags";

/// The member of the facts that names the audiences whose tags were read: only there is a tag without id none.
const READ: &str = "tags_read";

/// A part that goes: its address, the tag as it is spelled, and what is written once it is done.
struct Going<'a> {
    part: usize,
    address: &'a str,
    name: String,
    native: Option<Value>,
}

/// One tag onto or off up to 500 members. A tag that isn't there yet is made with its first members, and its id is
/// learned for the calls that follow.
pub(crate) async fn change(pushing: &Pushing<'_>, parts: &[PartRef<'_>], tag: &str, add: bool) -> Result<Vec<Receipt>> {
    let mut receipts: Vec<Receipt> = Vec::with_capacity(parts.len());
    let mut going: Vec<Going<'_>> = Vec::with_capacity(parts.len());
    for (part, one) in parts.iter().enumerate() {
        // What goes is decided below.
        receipts.push(Receipt::Moved);
        match ready(pushing, part, one.op, tag, add) {
            Ok(Some(one)) => going.push(one),
            // The settings changed since it was planned: it is decided again.
            Ok(None) => {}
            Err(error) => receipts[part] = Receipt::Refused(error),
        }
    }
    let Some(first) = going.first() else { return Ok(receipts) };
    let addresses: Vec<&str> = going.iter().map(|going| going.address).collect();
    let (changed, mut learned) =
        if add { put(pushing, &addresses, tag, &first.name).await? } else { take(pushing, &addresses, tag).await? };
    let refused: HashMap<String, String> = changed
        .errors
        .into_iter()
        .flat_map(|refused| refused.email_addresses.into_iter().map(move |address| (key(&address), refused.error.clone())))
        .collect();
    for Going { part, address, native, .. } in going {
        receipts[part] = match refused.get(&key(address)) {
            Some(words) => Receipt::Refused(tag_refused(words)),
            None => written(pushing, member_id(address), native, learned.take()),
        };
    }
    Ok(receipts)
}

/// `None` when the operation does not ask for it, by the settings as they are now.
fn ready<'a>(pushing: &Pushing<'_>, part: usize, op: &'a Operation, tag: &str, add: bool) -> Result<Option<Going<'a>>> {
    let mut change = TagChange::of(&pushing.handler.settings, op)?;
    let names = if add { &mut change.add } else { &mut change.remove };
    let Some(name) = names.remove(tag) else { return Ok(None) };
    let address = written_address(op).map(str::trim).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "the customer has no e-mail address to tag")
            .with_remedy("Give the customer an e-mail address. The tags go with the next sync.")
    })?;
    Ok(Some(Going { part, address, name, native: change.native }))
}

/// The tags of one member, with the word that starts no automation.
pub(crate) async fn write_member(pushing: &Pushing<'_>, op: &Operation, id: &RemoteId) -> Result<Receipt> {
    let change = match TagChange::of(&pushing.handler.settings, op) {
        Ok(change) if change.is_empty() => return Ok(Receipt::Moved),
        Ok(change) => change,
        Err(error) => return Ok(Receipt::Refused(error)),
    };
    let of = |status: &'static str| move |name| MemberTag { name, status };
    let add = change.add.values().map(String::as_str).map(of("active"));
    let tags = add.chain(change.remove.values().map(String::as_str).map(of("inactive"))).collect();
    let call = client::write_member_tags(pushing.audience, id, &MemberTags { tags, is_syncing: true })?;
    let sent = pushing.cx.send(call).await;
    pushing.receipt(op, sent, |_| Ok(written(pushing, id.clone(), change.native, None)))
}

/// Done; what we wrote is kept, and nothing else is known of the record.
fn written(pushing: &Pushing<'_>, id: RemoteId, native: Option<Value>, learned: Option<Facts>) -> Receipt {
    let mut receipt = Receipt::done(id.clone());
    if let Receipt::Done { after, facts, .. } = &mut receipt {
        *facts = learned;
        *after = native.map(|native| {
            let mut remote = Remote::live(CONTACTS, id, Record::new());
            remote.container = Some(pushing.audience.clone());
            remote.native = Some(native);
            Box::new(remote)
        });
    }
    receipt
}

/// The tag onto members.
async fn put(pushing: &Pushing<'_>, addresses: &[&str], tag: &str, name: &str) -> Result<(SegmentChanged, Option<Facts>)> {
    let (id, learned) = id_of(pushing, tag).await?;
    let changed = match id {
        Some(id) => change_known(pushing, id, addresses, true).await?,
        None => None,
    };
    if let Some(changed) = changed {
        return Ok((changed, learned));
    }
    let (id, changed) = create(pushing, name, tag, addresses).await?;
    let mut facts = learned.unwrap_or_default();
    facts.learn(ids(pushing.handler, pushing.audience, [(tag.to_owned(), json!(id))].into_iter().collect()));
    Ok((changed, Some(facts)))
}

/// The tag off members. Done without a change only where the audience's tags were read and it is none of them.
async fn take(pushing: &Pushing<'_>, addresses: &[&str], tag: &str) -> Result<(SegmentChanged, Option<Facts>)> {
    let nobody = || SegmentChanged { errors: Vec::new() };
    let (id, learned) = id_of(pushing, tag).await?;
    let Some(id) = id else { return Ok((nobody(), learned)) };
    if let Some(changed) = change_known(pushing, id, addresses, false).await? {
        return Ok((changed, learned));
    }
    // It went, or it came back under another id.
    let read = read(pushing).await?;
    match known(pushing, &read, tag) {
        Some(other) if other != id => match change_known(pushing, other, addresses, false).await? {
            Some(changed) => Ok((changed, Some(read))),
            None => Err(came_and_went()),
        },
        Some(_) => Err(came_and_went()),
        None => Ok((nobody(), Some(read))),
    }
}

/// The tag's id; `None` where it is proven that there is none. Reads the audience's tags unless the run did.
async fn id_of(pushing: &Pushing<'_>, tag: &str) -> Result<(Option<u64>, Option<Facts>)> {
    if let Some(id) = known(pushing, pushing.facts, tag) {
        return Ok((Some(id), None));
    }
    if pushing.facts.value(READ).and_then(|read| read.get(pushing.audience.as_str())).is_some() {
        return Ok((None, None));
    }
    let read = read(pushing).await?;
    Ok((known(pushing, &read, tag), Some(read)))
}

fn known(pushing: &Pushing<'_>, facts: &Facts, tag: &str) -> Option<u64> {
    facts.value(&fact_name(pushing.handler, pushing.audience))?.get(tag)?.as_u64()
}

async fn read(pushing: &Pushing<'_>) -> Result<Facts> {
    let segments = check::segments(pushing.handler, pushing.cx, pushing.audience).await?;
    Ok(fact(pushing.handler, pushing.audience, segments))
}

/// `None` when the tag isn't there any more.
async fn change_known(pushing: &Pushing<'_>, id: u64, addresses: &[&str], add: bool) -> Result<Option<SegmentChanged>> {
    let none: &[&str] = &[];
    let body = SegmentChange {
        members_to_add: if add { addresses } else { none },
        members_to_remove: if add { none } else { addresses },
    };
    match pushing.cx.send(client::change_segment(pushing.audience, id, &body)?).await {
        Ok(answer) => parse_written(&answer, "lists.segments.change").map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the tag with these members. Where somebody was faster, theirs is used.
async fn create(pushing: &Pushing<'_>, name: &str, tag: &str, addresses: &[&str]) -> Result<(u64, SegmentChanged)> {
    let call = client::create_segment(pushing.audience, &NewSegment { name, static_segment: addresses })?;
    let error = match pushing.cx.send(call).await {
        Ok(answer) => {
            let made: Segment = parse_written(&answer, "lists.segments.create")?;
            return Ok((made.id, SegmentChanged { errors: Vec::new() }));
        }
        Err(error) => error,
    };
    if !is_name_taken(&error) {
        return Err(audience_gone(error));
    }
    let answer = pushing.cx.send(client::tag_search(pushing.audience, name)).await.map_err(audience_gone)?;
    let found: TagSearch = parse(&answer, "lists.tag_search")?;
    let Some(id) = found.tags.iter().find(|found| tags::key(&found.name) == tag).map(|found| found.id) else {
        // A segment of another kind has the name: no call can make this tag.
        return Err(error);
    };
    let changed = change_known(pushing, id, addresses, true).await?;
    let changed = changed.ok_or_else(came_and_went)?;
    Ok((id, changed))
}

fn came_and_went() -> Error {
    Error::new(ErrorKind::Moved, "a tag came and went while it was written")
}

/// Facts about tags, from all the static segments of an audience.
pub(crate) fn fact(handler: &Handler, audience: &ContainerId, segments: impl IntoIterator<Item = Segment>) -> Facts {
    let by_name = segments.into_iter().map(|segment| (tags::key(&segment.name), json!(segment.id))).collect();
    let mut facts = ids(handler, audience, by_name);
    facts.learn(Facts::of(READ, json!({audience.as_str(): true})));
    facts
}

fn ids(handler: &Handler, audience: &ContainerId, by_name: Map<String, Value>) -> Facts {
    Facts::of(&fact_name(handler, audience), Value::Object(by_name))
}

fn fact_name(handler: &Handler, audience: &ContainerId) -> Cow<'static, str> {
    let is_own = handler.settings.audience.as_ref() == Some(audience);
    if is_own { FACT.into() } else { format!("{FACT}/{audience}").into() }
}
