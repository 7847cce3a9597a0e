//! One wire call for parts of one group.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use http::Response;
use sync_core::{
    ContainerId, Context, Effect, Error, ErrorKind, Facts, Found, Operation, Owner, PartRef, Push, Receipt, RemoteId,
    RemoteState, Result, Retry, Skip,
};

use crate::{
    address::key,
    client,
    error::{COMPLIANCE, Refusal, audience_gone, members_at_fault, parse_written, refusal},
    handler::Handler,
    mapping,
    merge::{self, Which},
    model::{Member, MemberWrite, MembersWrite, MembersWritten, Status},
    prepare::{known_id, new_member, sound_address, status_change, written_address},
    push_tags,
    step::Step,
    tag_change::TagChange,
};

/// One call, and one receipt per part.
///
/// # Errors
/// When the call as a whole failed.
pub(crate) async fn push(handler: &Handler, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
    let Push { set, facts, .. } = &request;
    let Some(first) = set.parts.first() else { return Ok(Vec::new()) };
    let pushing = Pushing { handler, cx, audience: handler.audience(first.op)?, facts };
    let step = Step::parse(set.group, handler.elsewhere(first.op))
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a call was asked for that Mailchimp's parts do not know"))?;
    match step {
        Step::New => pushing.members(set.parts, Batch::New { tagged: false }).await,
        Step::NewTagged => pushing.members(set.parts, Batch::New { tagged: true }).await,
        Step::Known => pushing.members(set.parts, Batch::Known).await,
        Step::TagAdd(tag) => push_tags::change(&pushing, set.parts, &tag, true).await,
        Step::TagRemove(tag) => push_tags::change(&pushing, set.parts, &tag, false).await,
        single => {
            // The engine sends groups of one; should it ever send more, the others are not dropped silently.
            let mut receipts = vec![pushing.member(first, &single).await?];
            receipts.extend(set.parts.iter().skip(1).map(|_| Receipt::Moved));
            Ok(receipts)
        }
    }
}

/// What all calls of a push share.
pub(crate) struct Pushing<'a> {
    pub(crate) handler: &'a Handler,
    pub(crate) cx: &'a Context<'a>,
    pub(crate) audience: &'a ContainerId,
    pub(crate) facts: &'a Facts,
}

/// Which members a call writes.
#[derive(Clone, Copy, PartialEq)]
enum Batch {
    New { tagged: bool },
    Known,
}

/// A member on its way: which part it is, its address as answers are matched by, and what is sent.
struct Going {
    part: usize,
    key: String,
    write: MemberWrite,
}

impl Pushing<'_> {
    /// Members in one call. A schema error of single members refuses the call as a whole: it then goes once more without
    /// them, so that one bad item stays one bad item.
    async fn members(&self, parts: &[PartRef<'_>], batch: Batch) -> Result<Vec<Receipt>> {
        let mut receipts: Vec<Option<Receipt>> = parts.iter().map(|_| None).collect();
        let mut going = self.going(parts, batch, &mut receipts);
        let mut answer = self.send_members(&going, batch).await;
        if let Err(error) = &answer
            && error.kind() == ErrorKind::Invalid
        {
            let at_fault: Vec<usize> = members_at_fault(error).into_iter().filter(|at| *at < going.len()).collect();
            if !at_fault.is_empty() && at_fault.len() < going.len() {
                for at in at_fault.into_iter().rev() {
                    receipts[going.remove(at).part] = Some(Receipt::Refused(copy(error)));
                }
                answer = self.send_members(&going, batch).await;
            }
        }
        match answer {
            Ok(Some(written)) => self.settle(parts, going, written, batch, &mut receipts).await?,
            Ok(None) => {}
            // A call for one member alone is refused for what that member contains.
            Err(error) if going.len() == 1 && is_about_the_item(&error) => {
                receipts[going[0].part] = Some(self.item_receipt(parts[going[0].part].op, error));
            }
            Err(error) => return Err(error),
        }
        Ok(receipts.into_iter().map(|receipt| receipt.unwrap_or_else(|| Receipt::Uncertain(unanswered()))).collect())
    }

    fn going(&self, parts: &[PartRef<'_>], batch: Batch, receipts: &mut [Option<Receipt>]) -> Vec<Going> {
        let mut keys = HashSet::new();
        let mut going = Vec::with_capacity(parts.len());
        for (part, one) in parts.iter().enumerate() {
            let write = match batch {
                Batch::New { tagged } => new_member(self.handler, self.facts, one.op, tagged),
                Batch::Known => self.profile(one.op),
            };
            let write = match write {
                Ok(write) => write,
                Err(error) => {
                    receipts[part] = Some(Receipt::Refused(error));
                    continue;
                }
            };
            let key = write.email_address.as_deref().map(key).unwrap_or_default();
            if keys.insert(key.clone()) {
                going.push(Going { part, key, write });
            } else {
                receipts[part] = Some(Receipt::Refused(
                    Error::new(ErrorKind::Refused, "another customer with this address goes in the same call").with_remedy(
                        "Give the customers addresses of their own, or decide how shared addresses are treated.",
                    ),
                ));
            }
        }
        going
    }

    async fn send_members(&self, going: &[Going], batch: Batch) -> Result<Option<MembersWritten>> {
        if going.is_empty() {
            return Ok(None);
        }
        let members: Vec<&MemberWrite> = going.iter().map(|going| &going.write).collect();
        let new = batch != Batch::Known;
        let body = MembersWrite { members, update_existing: !new, sync_tags: batch == Batch::New { tagged: true } };
        // Of known members only what changed is sent, so nothing that is missing can be required.
        let skip_validation = !new || self.handler.settings.skip_merge_validation;
        let call = client::write_members(self.audience, &body, skip_validation)?;
        let answer = self.cx.send(call).await.map_err(audience_gone)?;
        parse_written(&answer, "lists.batch").map(Some)
    }

    async fn settle(
        &self,
        parts: &[PartRef<'_>],
        going: Vec<Going>,
        written: MembersWritten,
        batch: Batch,
        receipts: &mut [Option<Receipt>],
    ) -> Result<()> {
        let by_key: HashMap<String, usize> = going.into_iter().map(|going| (going.key, going.part)).collect();
        let mut without_status = Vec::new();
        for refused in written.errors {
            let Some(part) = by_key.get(&key(&refused.email_address)).copied() else { continue };
            if batch == Batch::Known && refused.field == "status" {
                without_status.push(part);
                continue;
            }
            receipts[part] = Some(match refusal(refused) {
                Refusal::Taken => Receipt::Taken(address_id(parts[part].op)),
                Refusal::Refused(error) => Receipt::Refused(error),
            });
        }
        for member in written.new_members.iter().chain(&written.updated_members) {
            if let Some(part) = by_key.get(&key(&member.email_address)) {
                receipts[*part] = Some(self.done(parts[*part].op, member));
            }
        }
        // A known member lacks no status; one that does is not there any more. That batches without a status are taken
        // at all is not documented, so one look tells which it is.
        let is_there = match without_status.first().and_then(|part| known_id(parts[*part].op)) {
            Some(id) => matches!(self.handler.member(self.cx, self.audience, &id).await?, Found::One(_)),
            None => false,
        };
        for part in without_status {
            receipts[part] = Some(if is_there { Receipt::Refused(needs_single()) } else { Receipt::Moved });
        }
        Ok(())
    }

    /// One call about one member.
    async fn member(&self, part: &PartRef<'_>, step: &Step) -> Result<Receipt> {
        let op = part.op;
        let audience = self.audience;
        let call = match step {
            Step::Archive(id) => {
                let sent = self.cx.send(client::archive_member(audience, id)).await;
                // Archiving twice is refused like archiving what Mailchimp holds back: a look tells which it was.
                if matches!(&sent, Err(error) if error.kind() == ErrorKind::Refused) && self.is_archived(id).await? {
                    return Ok(Receipt::done(id.clone()));
                }
                return self.receipt(op, sent, |_| Ok(Receipt::done(id.clone())));
            }
            Step::Erase(id) => {
                let sent = self.cx.send(client::erase_member(audience, id)).await;
                // Nobody is erased twice: a look tells whether the first time was enough.
                if matches!(&sent, Err(error) if is_about_the_item(error))
                    && matches!(self.handler.member(self.cx, audience, id).await?, Found::Absent | Found::Gone)
                {
                    return Ok(Receipt::done(id.clone()));
                }
                return self.receipt(op, sent, |_| Ok(Receipt::done(id.clone())));
            }
            Step::MemberTags(id) => return push_tags::write_member(self, op, id).await,
            Step::Lower(id) => client::update_member(audience, id, &status(Status::Unsubscribed))?,
            Step::Raise(id) => match status_change(self.handler, self.facts, op) {
                crate::consent::StatusChange::Raise(to) => client::update_member(audience, id, &status(to))?,
                _ => return Ok(Receipt::Moved),
            },
            Step::Revive(id) => match status_change(self.handler, self.facts, op) {
                crate::consent::StatusChange::Revive(to) => return self.revive(op, id, to).await,
                _ => return Ok(Receipt::Moved),
            },
            Step::Profile(id) => match self.profile(op) {
                Ok(write) => client::update_member(audience, id, &write)?,
                Err(error) => return Ok(Receipt::Refused(error)),
            },
            Step::Rename(id) => return self.rename(op, id).await,
            Step::New | Step::NewTagged | Step::Known | Step::TagAdd(_) | Step::TagRemove(_) => {
                return Err(Error::new(ErrorKind::Internal, "a call for many members was asked for one"));
            }
        };
        let sent = self.cx.send(call).await;
        self.receipt(op, sent, |answer| {
            let member: Member = parse_written(answer, "lists.members")?;
            Ok(self.done(op, &member))
        })
    }

    /// A new address. The id follows the address, so a rename that was carried out without our knowing left nobody under
    /// the old id: the member under the new one is then brought up to date, which doubles nobody.
    async fn rename(&self, op: &Operation, id: &RemoteId) -> Result<Receipt> {
        let write = match self.profile(op) {
            Ok(write) => write,
            Err(error) => return Ok(Receipt::Refused(error)),
        };
        let mut sent = self.cx.send(client::update_member(self.audience, id, &write)?).await;
        if matches!(&sent, Err(error) if error.kind() == ErrorKind::NotFound)
            && let Some(renamed) = address_id(op)
        {
            sent = self.cx.send(client::update_member(self.audience, &renamed, &write)?).await;
        }
        self.receipt(op, sent, |answer| {
            let member: Member = parse_written(answer, "lists.members")?;
            Ok(self.done(op, &member))
        })
    }

    /// Back from the archive, perhaps under a new address: it may have been carried out without our knowing, as a rename may.
    /// Who is back already is not subscribed once more.
    async fn revive(&self, op: &Operation, id: &RemoteId, to: Status) -> Result<Receipt> {
        let write = match self.revived(op, to) {
            Ok(write) => write,
            Err(error) => return Ok(Receipt::Refused(error)),
        };
        let call = client::upsert_member(self.audience, id, &write, self.handler.settings.skip_merge_validation)?;
        let mut sent = self.cx.send(call).await;
        if matches!(&sent, Err(error) if error.kind() == ErrorKind::Taken)
            && let Some(renamed) = address_id(op).filter(|renamed| renamed != id)
            && matches!(self.handler.member(self.cx, self.audience, id).await?, Found::Absent)
        {
            let write = MemberWrite { status_if_new: None, status: None, ..write };
            sent = self.cx.send(client::update_member(self.audience, &renamed, &write)?).await;
        }
        self.receipt(op, sent, |answer| {
            let member: Member = parse_written(answer, "lists.members")?;
            Ok(self.done(op, &member))
        })
    }

    async fn is_archived(&self, id: &RemoteId) -> Result<bool> {
        Ok(match self.handler.member(self.cx, self.audience, id).await? {
            Found::One(remote) => remote.state == RemoteState::Archived,
            Found::Absent | Found::Gone => true,
            Found::Many(_) => false,
        })
    }

    /// What became of a call about one member.
    pub(crate) fn receipt(
        &self,
        op: &Operation,
        sent: Result<Response<Bytes>>,
        read: impl FnOnce(&Response<Bytes>) -> Result<Receipt>,
    ) -> Result<Receipt> {
        match sent {
            Ok(answer) => Ok(read(&answer).unwrap_or_else(Receipt::Uncertain)),
            Err(error) if is_about_the_item(&error) => Ok(self.item_receipt(op, error)),
            Err(error) => Err(error),
        }
    }

    fn item_receipt(&self, op: &Operation, error: Error) -> Receipt {
        match error.kind() {
            ErrorKind::Taken => Receipt::Taken(address_id(op)),
            // It was there when it was read: the engine looks again, and decides again.
            ErrorKind::NotFound => Receipt::Moved,
            // Who left, or can't be reached, stays out: that is counted and named, and no failure.
            _ if error.provider_code() == Some(COMPLIANCE) => {
                let skip = Skip::new("compliance-state", error.message().to_owned());
                Receipt::Skipped(skip.remedy(Owner::EndUserData, error.remedy().unwrap_or_default().to_owned()))
            }
            _ => Receipt::Refused(error),
        }
    }

    fn profile(&self, op: &Operation) -> Result<MemberWrite> {
        Ok(MemberWrite {
            email_address: Some(sound_address(op)?.as_str().to_owned()),
            merge_fields: merge::values(&self.handler.settings, self.facts, op, Which::Changed)?,
            ..MemberWrite::default()
        })
    }

    fn revived(&self, op: &Operation, to: Status) -> Result<MemberWrite> {
        Ok(MemberWrite {
            email_address: Some(sound_address(op)?.as_str().to_owned()),
            status_if_new: Some(to),
            status: Some(to),
            merge_fields: merge::values(&self.handler.settings, self.facts, op, Which::All)?,
            ..MemberWrite::default()
        })
    }

    fn done(&self, op: &Operation, member: &Member) -> Receipt {
        if member.id.is_empty() && member.email_address.is_empty() {
            return Receipt::Uncertain(unanswered());
        }
        let mut after = mapping::after(&self.handler.settings, self.audience, member);
        if let Some(after) = &mut after {
            after.native = TagChange::of(&self.handler.settings, op).ok().and_then(|change| change.native);
        }
        let told = after.as_ref().map(|after| after.id.clone());
        match told.or_else(|| address_id(op)).or_else(|| known_id(op)) {
            Some(id) => Receipt::Done { id, version: None, after, facts: None },
            None => Receipt::Uncertain(unanswered()),
        }
    }
}

/// The id by the address that the operation writes.
pub(crate) fn address_id(op: &Operation) -> Option<RemoteId> {
    written_address(op).map(crate::address::member_id)
}

/// True when other items may still go.
pub(crate) fn is_about_the_item(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Refused | ErrorKind::Invalid | ErrorKind::Taken | ErrorKind::NotFound)
}

fn status(to: Status) -> MemberWrite {
    MemberWrite { status: Some(to), ..MemberWrite::default() }
}

/// Batches are refused without a status, and with one they would assert consent.
fn needs_single() -> Error {
    Error::new(ErrorKind::Refused, "Mailchimp wants a status for each contact of a call, which is never sent for known ones")
        .with_remedy("Set known_members to single under Settings > Mailchimp. The contact goes with the sync after that.")
}

/// The answer has nothing about this member.
fn unanswered() -> Error {
    Error::new(ErrorKind::BadAnswer, "Mailchimp's answer does not mention this contact")
        .with_retry(Retry::Backoff)
        .with_effect(Effect::Unknown)
}

/// The same error for each member at fault, without its source.
fn copy(error: &Error) -> Error {
    let mut same = Error::new(error.kind(), error.message().to_owned()).with_owner(error.owner());
    if let Some(remedy) = error.remedy() {
        same = same.with_remedy(remedy.to_owned());
    }
    if let (Some(code), Some(words)) = (error.provider_code(), error.provider_message()) {
        same = same.with_provider(code, words);
    }
    same
}
