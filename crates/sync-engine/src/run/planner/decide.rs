//! One record: the decision goes into the plan, the standing items or the base.

use std::collections::BTreeSet;

use sync_core::{
    FieldName, LocalVerb, OnRemoteDelete, Operation, Outcome, OutcomeKind, Owner, Prepare, Prepared, Reason, Record, Remote,
    Skip, Verb, code,
};

use super::super::{
    base::{Agreed, next_base},
    halt::Halt,
    here::planned_parts,
    questions::{self, SettledBy, answer},
    session::Settled,
};
use super::{Candidate, Planner, fingerprint};
use crate::{
    Change, LinkState, PlannedOp, ProgressEvent,
    plan::{self, Decision, LocalSide, RemoteSide, Settle, Sides},
};

impl Planner<'_, '_> {
    /// Decides about one record and puts the decision where it belongs.
    pub(crate) async fn decide(&mut self, mut candidate: Candidate) -> Result<(), Halt> {
        let s = self.s;
        if let RemoteSide::Many(found) = &candidate.remote {
            match chosen(candidate.answer.as_deref(), found) {
                Chosen::Link(remote) => candidate.remote = RemoteSide::Seen(remote),
                Chosen::Create => candidate.remote = RemoteSide::Unread,
                Chosen::Leave => return self.left_alone(&candidate),
                Chosen::Nothing => return self.ask_which(&candidate, found).await,
            }
        }
        let marker = s.marker(&self.ask.collection, &candidate.id);
        if let RemoteSide::Seen(found) = &candidate.remote
            && candidate.link.as_ref().is_none_or(|link| link.remote.is_none())
            && !self.ask.rules.match_is_proof
            && found.marker.as_ref() != Some(&marker)
        {
            let one = std::slice::from_ref(&**found);
            match chosen(candidate.answer.as_deref(), one) {
                Chosen::Link(_) => {}
                Chosen::Create => candidate.remote = RemoteSide::Unread,
                Chosen::Leave => return self.left_alone(&candidate),
                Chosen::Nothing => return self.ask_which(&candidate, one).await,
            }
        }
        if let Some(holder) = &candidate.held_by {
            let error = sync_core::Error::new(
                sync_core::ErrorKind::Taken,
                format!("its counterpart there belongs to another record ({holder})"),
            )
            .with_remedy("Correct the address of one of them; it goes with the next sync.");
            self.item(&candidate, Outcome::failed(&error), None);
            return Ok(());
        }
        let mut rules = None;
        if candidate.item.as_ref().is_some_and(|item| item.outcome.code == code::GONE_THERE)
            && let Some(on_remote_delete) = match candidate.answer.as_deref() {
                Some(answer::CREATE) => Some(OnRemoteDelete::Recreate),
                Some(answer::CANCEL) => Some(OnRemoteDelete::Cancel),
                Some(answer::DELETE) => Some(OnRemoteDelete::Delete),
                _ => None,
            }
        {
            let mut answered = self.ask.rules.clone();
            answered.on_remote_delete = on_remote_delete;
            rules = Some(answered);
            // Known to be gone: that was what the question was about.
            if candidate.remote == RemoteSide::Unread && self.ask.is_two_way() {
                candidate.remote = RemoteSide::Gone;
            }
        }
        if candidate.answer.as_deref() == Some(answer::LEAVE)
            && candidate.item.as_ref().is_some_and(|item| item.outcome.code == code::REFUSED_HERE)
        {
            return self.left_alone(&candidate);
        }
        let mut sides = Sides {
            id: &candidate.id,
            target: &candidate.target,
            marker: &marker,
            local: &candidate.side,
            version: candidate.version.as_ref(),
            remote: &candidate.remote,
            link: candidate.link.as_ref(),
            suppression: candidate.suppression.as_ref(),
            settle: self.settle_of(&candidate),
        };
        let policy = self.policy(rules.as_ref().unwrap_or(&self.ask.rules));
        let mut decision = plan::decide(policy, sides);
        // An answer counts for what was asked: what changed since is another question.
        if let Decision::Ask(asked) = &decision {
            match questions::settled(s, self.ask, &candidate.id, asked).await? {
                Some(SettledBy::Leave) => return self.left_alone(&candidate),
                Some(SettledBy::By(settle)) => {
                    sides.settle = Some(settle);
                    decision = plan::decide(policy, sides);
                }
                None => {}
            }
        }
        match decision {
            Decision::Nothing => {
                s.report().add_unchanged(1);
                self.drop_item(&candidate);
            }
            Decision::Heal { fields, open } => self.heal(&candidate, fields, &open),
            Decision::OutOfScope => {
                let skip = Skip::new(code::OUT_OF_SCOPE, "it is outside the filter of this connection");
                self.item(&candidate, Outcome::from(&skip), None);
            }
            Decision::GoneThere => {
                if candidate.answer.as_deref() == Some(answer::LEAVE) {
                    return self.left_alone(&candidate);
                }
                let mut changes = questions::gone_there(s, self.ask, &candidate.id, candidate.answer.is_some()).await?;
                // From now on the link says so too, so that an answer finds it as it is.
                if let Some(link) = candidate.link.clone().filter(|link| link.state == LinkState::Live) {
                    changes.push(Change::PutLink(crate::Link { state: LinkState::Gone, ..link }));
                }
                self.push(changes);
            }
            Decision::Detach => self.let_go(&candidate, code::GONE_THERE, "it was deleted there; the record here lives on"),
            Decision::LeftThere => {
                self.let_go(&candidate, code::EDIT_BEATS_DELETE, "deleted here, but changed there since: it is left there");
            }
            Decision::Drop => {
                s.report().add_unchanged(1);
                self.drop_item(&candidate);
                if let Some(link) = &candidate.link {
                    self.push(vec![Change::DropLink {
                        account: link.account.clone(),
                        resource: link.resource.clone(),
                        local: link.local.clone(),
                        role: link.role.clone(),
                    }]);
                }
            }
            Decision::Ask(asked) => {
                let mut changes = questions::two_sided(s, self.ask, &candidate, &asked).await?;
                // That the two belong together is known by now, whatever becomes of the fields.
                if let RemoteSide::Seen(seen) = &candidate.remote
                    && candidate.link.as_ref().is_none_or(|link| link.remote.is_none())
                {
                    changes.push(Change::PutLink(self.bare_link(&candidate, seen)));
                }
                self.push(changes);
            }
            Decision::Write(operation) => self.operation(&candidate, *operation).await?,
        }
        Ok(())
    }

    pub(super) async fn ask_which(&mut self, candidate: &Candidate, found: &[Remote]) -> Result<(), Halt> {
        let record = match &candidate.side {
            LocalSide::Live(record) => Some(record),
            _ => None,
        };
        let changes = questions::ambiguous(
            self.s,
            self.ask,
            &candidate.id,
            record,
            candidate.hash,
            candidate.key.clone(),
            found,
            candidate.item.as_ref(),
        )
        .await?;
        self.push(changes);
        Ok(())
    }

    pub(super) fn left_alone(&mut self, candidate: &Candidate) -> Result<(), Halt> {
        let skip = Skip::new("left-alone", "somebody decided to leave it as it is");
        self.item(candidate, Outcome::from(&skip), None);
        Ok(())
    }

    /// Puts an operation into the plan, unless the provider or a missing grant says no.
    pub(super) async fn operation(&mut self, candidate: &Candidate, operation: Operation) -> Result<(), Halt> {
        let s = self.s;
        let needs_rest = operation.verb == Verb::Create
            && !self.ask.is_whole
            && self.ask.rules.match_on.first().is_some_and(|field| !self.ask.fields.contains(field.as_str()));
        if needs_rest {
            let outcome = Outcome::new(
                OutcomeKind::Blocked,
                code::BLOCKED,
                "its record isn't there yet, and only a part of it was asked for",
            )
            .remedy(Owner::Nobody, format!("Sync all types of {} once.", self.ask.resource.nouns.1));
            self.item_without_hash(candidate, outcome);
            return Ok(());
        }
        // Nothing to write there: it links, or only this side is written.
        let is_here_alone = operation.here.as_ref().is_some_and(|here| {
            operation.changed.is_empty() && (operation.verb == Verb::Update || here.verb != LocalVerb::Update)
        });
        let is_link = operation.reason == Reason::Matched && operation.changed.is_empty();
        let parts = if is_link || is_here_alone {
            Vec::new()
        } else {
            let facts = s.facts().await?;
            match s.input.handler.prepare(Prepare::new(&facts, &s.grants, &operation)) {
                Ok(Prepared::Parts(parts)) => parts,
                Ok(Prepared::Skip(skip)) => {
                    let needs_grant = skip.needs_grant.as_deref().map(str::to_owned);
                    self.item(candidate, Outcome::from(&skip), needs_grant);
                    return Ok(());
                }
                Ok(_) => return Ok(()),
                Err(error) if error.kind().is_systemic() => return Err(s.halt(error)),
                Err(error) => {
                    let attempts = candidate.item.as_ref().map_or(0, |item| item.attempts);
                    let mut outcome = Outcome::failed(&error);
                    outcome.until = s.next_try(&error, attempts);
                    self.item(candidate, outcome, None);
                    return Ok(());
                }
            }
        };
        // The firewall: whatever a provider prepares, nothing reaches people without a grant.
        if let Some(effect) = parts.iter().flat_map(|part| part.effects).find(|effect| !s.grants.allow(**effect)) {
            let skip = Skip::new(code::NEEDS_GRANT, format!("it would set something off: {}", effect.description))
                .remedy(Owner::EndUserData, format!("Grant \"{}\" for this sync.", effect.name))
                .needs_grant(*effect);
            self.item(candidate, Outcome::from(&skip), Some(effect.name.to_owned()));
            return Ok(());
        }
        if parts.is_empty() && operation.reason != Reason::Matched && operation.here.is_none() {
            self.heal(candidate, operation.fields, &operation.open);
            return Ok(());
        }
        if let Some(here) = &operation.here {
            s.writing()?;
            // The host has said no to exactly this, and nobody has answered yet.
            let refused = questions::refused_id(s, self.ask, &operation.local, &here.fields);
            let is_standing = candidate.item.as_ref().is_some_and(|item| item.question.as_ref() == Some(&refused));
            if is_standing && candidate.answer.is_none() {
                return Ok(());
            }
        }
        // Known to be gone, so that it can be made again: two creates for one record can't be written down.
        if operation.verb == Verb::Create
            && operation.here.is_none()
            && let Some(link) = candidate.link.clone().filter(|link| link.state == LinkState::Live)
        {
            self.push(vec![Change::PutLink(crate::Link { state: LinkState::Gone, ..link })]);
        }
        let digest = plan::operation_digest(&operation).to_string();
        // Planned once more in mid-apply, and no longer what a person saw.
        if self.is_again && s.input.options.only.as_ref().is_some_and(|only| !only.digests.contains(&digest)) {
            self.item_without_hash(candidate, super::super::only::moved(s));
            return Ok(());
        }
        self.seq += 1;
        if !self.is_again {
            self.count(&operation, &parts, true);
        } else if parts.is_empty() && operation.here.is_none() {
            self.again_links += 1;
        }
        if self.may_repeat {
            self.planned.insert(fingerprint(&operation.local), self.seq);
        }
        let moves_key = matches!(operation.reason, Reason::Matched | Reason::NewHere)
            || self.ask.rules.match_on.first().is_some_and(|field| operation.changed.contains(field));
        self.ops.push(PlannedOp {
            seq: self.seq,
            digest,
            key: if moves_key { candidate.key.clone() } else { None },
            hash: if self.ask.is_whole { self.hash_after(candidate, &operation) } else { None },
            parts: planned_parts(&parts, &operation, self.ask),
            operation,
        });
        Ok(())
    }

    /// The hash of the host's record once the operation was carried out; `None` where only the host can tell.
    fn hash_after(&self, candidate: &Candidate, operation: &Operation) -> Option<sync_core::Hash> {
        let Some(here) = &operation.here else { return candidate.hash };
        let (LocalVerb::Update, LocalSide::Live(record)) = (here.verb, &candidate.side) else { return None };
        let mut record = record.clone();
        for (field, value) in here.fields.iter() {
            record.set(field.clone(), value.clone());
        }
        Some(plan::local_hash(&record, &self.ask.rules))
    }

    /// Counts an operation in the plan, or out of it.
    pub(super) fn count(&self, operation: &Operation, parts: &[sync_core::Part], is_in: bool) {
        let mut report = self.s.report();
        let planned = &mut report.planned;
        let n = if is_in { 1 } else { -1 };
        if let Some(here) = &operation.here {
            let counts = match here.verb {
                LocalVerb::Create => &mut planned.here_creates,
                LocalVerb::Delete | LocalVerb::Cancel => &mut planned.here_removes,
                _ => &mut planned.here_updates,
            };
            let count = counts.entry(operation.resource.clone()).or_default();
            *count = count.saturating_add_signed(n);
            if parts.is_empty() {
                return;
            }
        }
        let counts = match operation.verb {
            _ if parts.is_empty() => &mut planned.links,
            Verb::Create => &mut planned.creates,
            Verb::Update => &mut planned.updates,
            Verb::Remove => &mut planned.removes,
        };
        let count = counts.entry(operation.resource.clone()).or_default();
        *count = count.saturating_add_signed(n);
        for effect in parts.iter().flat_map(|part| part.effects) {
            let count = planned.effects.entry(effect.name.to_owned()).or_default();
            *count = count.saturating_add_signed(n);
        }
    }

    /// Takes planned operations out of the counts again: their parts are held.
    pub(crate) fn uncount(&self, row: &crate::PlannedRow) -> Result<(), Halt> {
        if self.is_again {
            return Ok(());
        }
        let operation = &row.planned.operation;
        let mut parts = Vec::new();
        let n_there = row.planned.parts.len() - usize::from(operation.here.is_some());
        if n_there > 0 {
            // The same parts as when it was counted: preparing is deterministic.
            let facts = self.s.known_facts();
            if let Ok(Prepared::Parts(again)) = self.s.input.handler.prepare(Prepare::new(&facts, &self.s.grants, operation))
            {
                parts = again;
            }
        }
        self.count(operation, &parts, false);
        Ok(())
    }

    /// Nothing to write: the base is brought up to date.
    pub(super) fn heal(&mut self, candidate: &Candidate, fields: Record, open: &BTreeSet<FieldName>) {
        self.s.report().add_unchanged(1);
        self.drop_item(candidate);
        if let Some(link) = &candidate.link
            && !self.s.is_dry()
        {
            let mut link = link.clone();
            let before = link.base.take();
            let face = before.as_ref().map(|base| base.remote.as_ref().unwrap_or(&base.local).clone());
            // Nothing was written: what is there is as it was, or as it is seen now.
            let shown = match &candidate.remote {
                RemoteSide::Seen(remote) => Some(remote.fields.clone()),
                _ => face.clone(),
            };
            // Seen in a connection where both sides count, it tells the version and the rest too.
            let seen = match &candidate.remote {
                RemoteSide::Seen(remote) if self.ask.is_two_way() => Some(&**remote),
                _ => None,
            };
            if seen.is_some() {
                link.state = LinkState::Live;
            }
            link.base = Some(next_base(
                self.ask,
                before.as_ref(),
                Agreed {
                    fields: &fields,
                    shown: shown.as_ref(),
                    matched: None,
                    open,
                    version: seen
                        .and_then(|seen| seen.version.clone())
                        .or_else(|| before.as_ref().and_then(|base| base.version.clone())),
                    state: seen
                        .map(|seen| seen.state.clone())
                        .or_else(|| before.as_ref().map(|base| base.state.clone()))
                        .unwrap_or(sync_core::RemoteState::Live),
                    native: seen
                        .and_then(|seen| seen.native.clone())
                        .or_else(|| before.as_ref().and_then(|base| base.native.clone())),
                },
            ));
            link.hash = candidate.hash.filter(|_| self.ask.is_whole);
            self.changes.push(Change::PutLink(link));
        }
    }

    /// A link without a base: the two belong together, and nothing is agreed on yet.
    fn bare_link(&self, candidate: &Candidate, seen: &Remote) -> crate::Link {
        crate::Link {
            account: self.s.account.clone(),
            resource: self.ask.resource.name.clone(),
            local: candidate.id.clone(),
            role: candidate.target.role.clone(),
            container: seen.container.clone().or_else(|| candidate.target.container.clone()),
            remote: Some(seen.id.clone()),
            state: LinkState::Live,
            key: candidate.key.clone(),
            hash: None,
            base: None,
            call: None,
        }
    }

    /// The link stays as a memory that nothing is to be planned for it.
    fn let_go(&mut self, candidate: &Candidate, code: &'static str, message: &str) {
        let skip = Skip::new(code, message);
        self.item(candidate, Outcome::from(&skip), None);
        if let Some(link) = candidate.link.clone() {
            self.push(vec![Change::PutLink(crate::Link { state: LinkState::Detached, ..link })]);
        }
    }

    /// What a policy or a person said about a record in advance.
    fn settle_of(&self, candidate: &Candidate) -> Option<Settle> {
        let refused = candidate.item.as_ref().is_some_and(|item| item.outcome.code == code::REFUSED_HERE);
        let is_put_back =
            self.put_back.contains(&candidate.id) || (refused && candidate.answer.as_deref() == Some(answer::PUT_BACK));
        if is_put_back {
            return Some(Settle::PutBack);
        }
        self.s.is_audit().then_some(Settle::Audit)
    }

    pub(super) fn drop_item(&mut self, candidate: &Candidate) {
        // A partial sync says nothing about what stands of the whole.
        if candidate.item.is_some() && !self.s.is_dry() && self.ask.is_whole {
            self.changes.push(Change::DropItem { resource: self.ask.resource.name.clone(), local: candidate.id.clone() });
        }
    }

    pub(super) fn item(&mut self, candidate: &Candidate, outcome: Outcome, needs_grant: Option<String>) {
        let changes = self.s.settle_item(Settled {
            remote: candidate.link.as_ref().and_then(|link| link.remote.as_ref()),
            hash: candidate.hash,
            key: candidate.key.clone().filter(|_| outcome.code == code::SHARED_KEY),
            standing: candidate.item.as_ref(),
            needs_grant,
            keep_standing: !self.ask.is_whole,
            ..Settled::new(&self.ask.resource.name, &candidate.id, outcome)
        });
        self.push(changes);
    }

    /// An item that is decided again when it is due, changed or not.
    pub(super) fn item_without_hash(&mut self, candidate: &Candidate, outcome: Outcome) {
        let changes = self.s.settle_item(Settled {
            standing: candidate.item.as_ref(),
            keep_standing: !self.ask.is_whole,
            ..Settled::new(&self.ask.resource.name, &candidate.id, outcome)
        });
        self.push(changes);
    }

    pub(super) fn push(&mut self, changes: Vec<Change>) {
        if !self.s.is_dry() {
            self.changes.extend(changes);
        }
    }

    pub(super) async fn flush(&mut self) -> Result<(), Halt> {
        let ops = std::mem::take(&mut self.ops);
        if !ops.is_empty() {
            let s = self.s;
            s.engine.store.append_plan(&s.lease(), &s.run, ops).await.map_err(|error| s.halt(error))?;
            s.progress(ProgressEvent::Planned { operations: s.report().planned.total() });
        }
        let changes = std::mem::take(&mut self.changes);
        self.s.commit(changes).await
    }
}

pub(super) enum Chosen {
    Link(Box<Remote>),
    Create,
    Leave,
    Nothing,
}

pub(super) fn chosen(key: Option<&str>, found: &[Remote]) -> Chosen {
    match key {
        Some(answer::CREATE) => Chosen::Create,
        Some(answer::LEAVE) => Chosen::Leave,
        Some(key) => key
            .strip_prefix(answer::LINK)
            .and_then(|id| found.iter().find(|remote| remote.id.as_str() == id))
            .map_or(Chosen::Nothing, |remote| Chosen::Link(Box::new(remote.clone()))),
        None => Chosen::Nothing,
    }
}
