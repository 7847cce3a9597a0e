//! Records that are only there: matched with the host's, made here, asked about, or left alone, as the settings say; and
//! records that were merged into others there.

use sync_core::{
    Collection, Find, FindBy, Found, LocalId, OnRemoteNew, Outcome, OutcomeKind, Owner, Reason, Remote, RemoteId,
    RemoteState, Skip, code,
};

use super::super::{
    halt::Halt,
    local::read_ids,
    observe::links_at,
    questions::{self, answer},
    remote::nobody,
};
use super::{Candidate, Planner};
use crate::{
    Change, Item, LinkState,
    plan::{self, Decision, LocalSide, RemoteSide, Sides},
};

impl Planner<'_, '_> {
    /// Decides about remote records without a link. `is_asked`: somebody asked for them by id.
    pub(crate) async fn take_new(&mut self, remotes: Vec<Remote>, is_asked: bool) -> Result<(), Halt> {
        let s = self.s;
        // One that carries our marker is ours: the host's record finds it, or it was taken away here.
        let mut remotes: Vec<Remote> =
            remotes.into_iter().filter(|remote| remote.marker.is_none() && remote.state == RemoteState::Live).collect();
        let is_of_no_use = self.ask.rules.direction == sync_core::Direction::Push && !is_asked;
        if remotes.is_empty()
            || is_of_no_use
            || (self.ask.rules.on_remote_new == OnRemoteNew::Ignore && !is_asked && !self.matches_keys())
        {
            return Ok(());
        }
        self.localize(&mut remotes.iter_mut().collect::<Vec<_>>(), is_asked).await?;
        let ids: Vec<LocalId> = remotes.iter().map(|remote| LocalId::of_remote(&remote.id)).collect();
        let name = &self.ask.resource.name;
        let mut items = s.engine.store.items_by_local(&s.scope, name, &ids).await.map_err(|error| s.halt(error))?;
        let here = self.by_key(&remotes).await?;
        for ((remote, item), here) in remotes.drain(..).zip(items.drain(..)).zip(here) {
            self.decide_new(remote, item, here, is_asked).await?;
        }
        self.flush().await
    }

    fn matches_keys(&self) -> bool {
        !self.ask.rules.match_on.is_empty() && self.s.engine.records.writing().is_some()
    }

    /// The host's records that have the same key, for each remote record.
    async fn by_key(&self, remotes: &[Remote]) -> Result<Vec<Vec<LocalId>>, Halt> {
        let s = self.s;
        let mut here: Vec<Vec<LocalId>> = remotes.iter().map(|_| Vec::new()).collect();
        let (Some(field), Some(records)) = (self.ask.rules.match_on.first(), s.engine.records.writing()) else {
            return Ok(here);
        };
        let keyed: Vec<_> = remotes
            .iter()
            .enumerate()
            .filter_map(|(idx, remote)| Some((idx, remote.keys.iter().find(|key| key.field() == field)?.clone())))
            .collect();
        if keyed.is_empty() {
            return Ok(here);
        }
        let keys: Vec<_> = keyed.iter().map(|(_, key)| key.clone()).collect();
        let collection: &Collection = &self.ask.collection;
        let found = records.find(&s.scope.organization, collection, &keys).await.map_err(|error| s.halt(error))?;
        for ((idx, _), ids) in keyed.into_iter().zip(found) {
            if let Some(slot) = here.get_mut(idx) {
                *slot = ids;
            }
        }
        Ok(here)
    }

    async fn decide_new(
        &mut self,
        remote: Remote,
        item: Option<Item>,
        here: Vec<LocalId>,
        is_asked: bool,
    ) -> Result<(), Halt> {
        let s = self.s;
        let mut candidate = self.only_there(remote, item);
        let RemoteSide::Seen(remote) = candidate.remote.clone() else { return Ok(()) };
        if let Some(question) = candidate.item.as_ref().and_then(|item| item.question.clone()) {
            candidate.answer = questions::answer_of(s, &question).await?;
        }
        let picked = candidate.answer.as_deref().and_then(|key| key.strip_prefix(answer::USE)).map(LocalId::new);
        let makes_new = candidate.answer.as_deref() == Some(answer::CREATE);
        let matched = match here.as_slice() {
            _ if makes_new => None,
            [] => None,
            [one] => Some(one.clone()),
            several => match picked {
                Some(picked) if several.contains(&picked) => Some(picked),
                _ if candidate.answer.as_deref() == Some(answer::LEAVE) => return self.left_alone(&candidate),
                _ => {
                    let changes = questions::which_here(s, self.ask, &candidate, &remote, several).await?;
                    self.push(changes);
                    return Ok(());
                }
            },
        };
        if let Some(id) = matched {
            self.drop_item(&candidate);
            return self.match_here(id, remote).await;
        }
        if !self.policy(&self.ask.rules).writes_here() {
            return Ok(());
        }
        match (self.ask.rules.on_remote_new, candidate.answer.as_deref()) {
            _ if is_asked || makes_new => {}
            (_, Some(answer::LEAVE)) => return self.left_alone(&candidate),
            (OnRemoteNew::Create, _) => {}
            (OnRemoteNew::Ask, _) => {
                let changes = questions::new_there(s, self.ask, &candidate, &remote).await?;
                self.push(changes);
                return Ok(());
            }
            (OnRemoteNew::Ignore, _) => return Ok(()),
        }
        if !self.policy(&self.ask.rules).can_create_here {
            let message = format!("new {} can't be made here from there", self.ask.resource.nouns.1);
            let skip = Skip::new(code::NEW_THERE, message).remedy(Owner::HostDeveloper, "Make it here by hand.");
            self.item(&candidate, Outcome::from(&skip), None);
            return Ok(());
        }
        let marker = s.marker(&self.ask.collection, &candidate.id);
        let sides = Sides {
            id: &candidate.id,
            target: &candidate.target,
            marker: &marker,
            local: &candidate.side,
            version: None,
            remote: &candidate.remote,
            link: None,
            suppression: None,
            settle: None,
        };
        if let Decision::Write(operation) = plan::make_here(self.policy(&self.ask.rules), sides, &remote, Reason::NewThere) {
            self.operation(&candidate, *operation).await?;
        }
        Ok(())
    }

    fn only_there(&self, remote: Remote, item: Option<Item>) -> Candidate {
        let mut target = self.s.input.handler.target(&self.ask.resource.name, &remote.fields);
        target.container = remote.container.clone().or(target.container);
        Candidate {
            id: LocalId::of_remote(&remote.id),
            version: None,
            side: LocalSide::Deleted,
            hash: None,
            key: None,
            target,
            link: None,
            item,
            remote: RemoteSide::Seen(Box::new(remote)),
            suppression: None,
            answer: None,
            held_by: None,
            is_proven: false,
            linked_as: None,
            taken: Vec::new(),
        }
    }

    /// A remote record with the key of one of the host's: decided as a match, if the host's has no counterpart yet.
    async fn match_here(&mut self, id: LocalId, remote: Box<Remote>) -> Result<(), Halt> {
        let s = self.s;
        let locals = read_ids(s, self.ask, std::slice::from_ref(&id)).await?;
        let mut candidates = self.candidates(locals).await?;
        let Some(mut candidate) = candidates.pop() else { return Ok(()) };
        let is_free = candidate.link.as_ref().is_none_or(|link| link.remote.is_none());
        if !is_free || !matches!(candidate.side, LocalSide::Live(_)) {
            return Ok(());
        }
        candidate.remote = RemoteSide::Seen(remote);
        let mut one = vec![candidate];
        self.answers(&mut one).await?;
        for candidate in one {
            Box::pin(self.decide(candidate)).await?;
        }
        Ok(())
    }

    /// What a record is compared with whose counterpart was merged into another: the survivor, if nobody else has it.
    pub(crate) async fn survivor(&mut self, local: &LocalId, survivor: &RemoteId) -> Result<Option<RemoteSide>, Halt> {
        let s = self.s;
        let mut candidates = self.candidates(vec![nobody(local.clone())]).await?;
        let Some(candidate) = candidates.pop() else { return Ok(None) };
        let Some(link) = candidate.link.clone() else { return Ok(None) };
        let holder = links_at(s, self.ask, None, std::slice::from_ref(survivor)).await?.pop().flatten();
        if let Some(holder) = holder.filter(|holder| holder.local != *local && holder.state == LinkState::Live) {
            let changes = questions::merged_away(s, self.ask, &candidate, survivor, &holder.local).await?;
            self.push(changes);
            return Ok(None);
        }
        let by = FindBy::Ids(std::slice::from_ref(survivor));
        let request = Find::new(&self.ask.resource.name, link.container.as_ref(), by);
        let found = s.input.handler.find(&s.context(), request).await.map_err(|error| s.halt(error))?;
        match found.into_iter().next() {
            Some(Found::One(remote)) => {
                if !s.is_dry() {
                    s.commit(vec![Change::PutLink(crate::Link { remote: Some(survivor.clone()), ..link })]).await?;
                }
                Ok(Some(RemoteSide::Seen(remote)))
            }
            _ => {
                let outcome = Outcome::new(
                    OutcomeKind::Failed,
                    code::GONE_THERE,
                    "its counterpart was merged into a record that isn't there",
                );
                self.item(&candidate, outcome, None);
                Ok(None)
            }
        }
    }
}
