//! One record: the decision goes into the plan, the standing items or the base.

use std::collections::BTreeSet;

use sync_core::{
    FieldName, OnRemoteDelete, Outcome, OutcomeKind, Owner, Record, Remote, Skip, code,
    zoo::{self, Defect},
};

use super::super::{
    base::{Agreed, next_base},
    halt::Halt,
    questions::{self, SettledBy, answer},
    session::Settled,
};
use super::{Candidate, Planner};
use crate::{
    Change, LinkState, ProgressEvent,
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
            && !candidate.is_proven
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
            match questions::settled(s, self.ask, &candidate, asked).await? {
                Some(SettledBy::Leave) => return self.left_alone(&candidate),
                Some(SettledBy::By(settle)) => {
                    sides.settle = Some(settle);
                    decision = plan::decide(policy, sides);
                }
                None => {}
            }
        }
        match decision {
            Decision::Nothing if may_be_left_there(&candidate, self.taken.contains(&candidate.id)) => {
                let message = "it was deleted here while the call that makes it there had no answer, and may be there";
                let remedy = "Look for it there, and take it away if it is there.";
                let skip = Skip::new(code::LEFT_THERE, message).remedy(Owner::EndUserData, remedy);
                self.item(&candidate, Outcome::from(&skip), None);
            }
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
                let mut changes = questions::two_sided(s, self.ask, &candidate, &asked, &mut self.asked_of_series).await?;
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

    /// Nothing to write: the base is brought up to date.
    pub(super) fn heal(&mut self, candidate: &Candidate, fields: Record, open: &BTreeSet<FieldName>) {
        self.s.report().add_unchanged(1);
        self.drop_item(candidate);
        if let Some(link) = &candidate.link
            && !self.s.is_dry()
        {
            let mut link = link.clone();
            let before = link.base.take();
            let face = before.as_ref().map(|base| base.face().clone());
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
                    written: None,
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

    /// Nothing to take away any more: somebody did it there.
    pub(super) fn taken_away(&mut self, candidate: &Candidate) {
        self.s.report().add_unchanged(1);
        self.drop_item(candidate);
        if let Some(link) = candidate.link.clone().filter(|_| !self.s.is_dry()) {
            self.changes.push(Change::PutLink(crate::Link { state: LinkState::Removed, ..link }));
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
        // There before us: linked, and nothing is asked about what differs.
        if candidate.linked_as.is_some() {
            return Some(Settle::LocalWins);
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
            // A question about something else than its key holds no key.
            key: candidate.key.clone().filter(|_| outcome.kind != OutcomeKind::Question || outcome.code == code::SHARED_KEY),
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
        if !self.s.is_dry() || zoo::is(Defect::DryRunRemembers) {
            self.changes.extend(changes);
        }
    }

    pub(crate) async fn flush(&mut self) -> Result<(), Halt> {
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

/// True for a record that is deleted here, whose making there was never answered: whether anything there is ours, nobody
/// can tell any more.
fn may_be_left_there(candidate: &Candidate, was_taken: bool) -> bool {
    let is_linked = candidate.link.as_ref().is_some_and(|link| link.remote.is_some());
    let is_unanswered =
        candidate.item.as_ref().is_some_and(|item| matches!(item.outcome.code.as_ref(), code::UNSETTLED | code::LEFT_THERE));
    candidate.side == LocalSide::Deleted && !is_linked && (is_unanswered || was_taken)
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
