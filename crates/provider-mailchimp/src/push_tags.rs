//! Tags: by tag for many members, or for one member without starting automations.

use std::collections::HashMap;

use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value, json};
use sync_core::{Error, ErrorKind, Facts, Operation, PartRef, Receipt, RemoteId, Result};

use crate::{
    address::{key, member_id},
    client,
    error::{audience_gone, is_name_taken, parse, parse_written, tag_refused},
    model::{MemberTag, MemberTags, NewSegment, Segment, SegmentChange, SegmentChanged, TagSearch},
    prepare::written_address,
    push::{Pushing, done},
    tags::{self, TagChange},
};

/// The member of the facts that holds the ids of tags, by lower-case name.
pub(crate) const FACT: &str = "tags";

/// One tag onto or off up to 500 members. A tag that isn't there yet is made with its first members, and its id is
/// learned for the calls that follow.
pub(crate) async fn change(pushing: &Pushing<'_>, parts: &[PartRef<'_>], tag: &str, add: bool) -> Result<Vec<Receipt>> {
    let sent: Vec<&str> = parts.iter().filter_map(|part| written_address(part.op)).map(str::trim).collect();
    if sent.is_empty() {
        return Ok(parts.iter().map(|part| receipt(part, &HashMap::new())).collect());
    }
    let known = pushing.facts.value(FACT).and_then(|tags| tags.get(tag)).and_then(Value::as_u64);
    let changed = match known {
        Some(id) => change_known(pushing, id, &sent, add).await?,
        None => None,
    };
    let (errors, mut learned) = match changed {
        Some(changed) => (changed.errors, None),
        // It isn't there, so nobody has it.
        None if !add => (Vec::new(), None),
        None => {
            let (id, changed) = create(pushing, &spelled(pushing, parts, tag), tag, &sent).await?;
            (changed.errors, Some(Facts::of(FACT, json!({tag: id}))))
        }
    };
    let refused: HashMap<String, String> = errors
        .into_iter()
        .flat_map(|refused| refused.email_addresses.into_iter().map(move |address| (key(&address), refused.error.clone())))
        .collect();
    let mut receipts: Vec<Receipt> = parts.iter().map(|part| receipt(part, &refused)).collect();
    let first_done = receipts.iter_mut().find_map(|receipt| match receipt {
        Receipt::Done { facts, .. } => Some(facts),
        _ => None,
    });
    if let Some(facts) = first_done {
        *facts = learned.take();
    }
    Ok(receipts)
}

/// The tags of one member, with the word that starts no automation.
pub(crate) async fn write_member(pushing: &Pushing<'_>, op: &Operation, id: &RemoteId) -> Result<Response<Bytes>> {
    let change = TagChange::of(&pushing.handler.settings, op)?;
    let of = |tags: &'static str| move |name| MemberTag { name, status: tags };
    let tags = change
        .add
        .values()
        .map(String::as_str)
        .map(of("active"))
        .chain(change.remove.values().map(String::as_str).map(of("inactive")))
        .collect();
    let call = client::write_member_tags(pushing.audience, id, &MemberTags { tags, is_syncing: true })?;
    pushing.cx.send(call).await
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
    let changed = changed.ok_or_else(|| Error::new(ErrorKind::Moved, "a tag came and went while it was written"))?;
    Ok((id, changed))
}

/// The tag as the host spells it.
fn spelled(pushing: &Pushing<'_>, parts: &[PartRef<'_>], tag: &str) -> String {
    let names = parts.iter().filter_map(|part| TagChange::of(&pushing.handler.settings, part.op).ok());
    let found = names.into_iter().find_map(|mut change| change.add.remove(tag));
    found.unwrap_or_else(|| tag.to_owned())
}

fn receipt(part: &PartRef<'_>, refused: &HashMap<String, String>) -> Receipt {
    let Some(address) = written_address(part.op) else {
        return Receipt::Refused(
            Error::new(ErrorKind::Invalid, "the customer has no e-mail address to tag")
                .with_remedy("Give the customer an e-mail address, then sync again."),
        );
    };
    match refused.get(&key(address)) {
        Some(words) => Receipt::Refused(tag_refused(words)),
        None => done(member_id(address)),
    }
}

/// Facts about tags, from the audience's static segments.
pub(crate) fn fact(segments: impl IntoIterator<Item = Segment>) -> Facts {
    let ids: Map<String, Value> =
        segments.into_iter().map(|segment| (tags::key(&segment.name), json!(segment.id))).collect();
    Facts::of(FACT, Value::Object(ids))
}
