//! Changes that the record there does not take any more: a further record makes up for them, shown as one decision.

use sync_core::{
    Amend, Amendment, Amends, Find, FindBy, Found, Matching, Operation, Part, Prepare, Prepared, Reason, Role, Verb,
};

use super::super::{
    halt::Halt,
    questions::{self, answer},
};
use super::{Candidate, Planner};
use crate::{
    Link, LinkState,
    plan::{known_there, operation_id},
};

/// What became of an operation that the provider looked at.
pub(super) enum Ready {
    /// It goes, with these parts.
    Go(Box<Operation>, Vec<Part>),
    /// It stays undone; what became of it is said already.
    Said,
}

impl Planner<'_, '_> {
    /// The amendments of a record, as they stand.
    async fn amendments(&self, operation: &Operation) -> Result<Vec<(u32, Link)>, Halt> {
        let s = self.s;
        let links = s.engine.store.links_of(&s.scope, operation.local.as_str()).await.map_err(|error| s.halt(error))?;
        let is_ours =
            |link: &Link| link.account == s.account && link.resource == operation.resource && link.local == operation.local;
        let mut found: Vec<(u32, Link)> =
            links.into_iter().filter(is_ours).filter_map(|link| Some((link.role.amendment_number()?, link))).collect();
        found.sort_by_key(|(number, _)| *number);
        Ok(found)
    }

    /// The number of the next amendment of a record, and whether some count already. What has no lines has none.
    pub(super) async fn next_amendment(&self, operation: &Operation) -> Result<(u32, bool), Halt> {
        if operation.verb != Verb::Update || operation.agreed.is_empty() {
            return Ok((FIRST, false));
        }
        let known = self.amendments(operation).await?;
        let next = known.last().map_or(FIRST, |(number, _)| number.saturating_add(1).max(FIRST));
        Ok((next, known.iter().any(|(_, link)| link.state == LinkState::Live)))
    }

    /// Plans the further record instead of the change. What is to be written here goes as an operation of its own, after it.
    pub(super) async fn amended(
        &mut self,
        candidate: &Candidate,
        operation: Operation,
        amendment: Amendment,
    ) -> Result<Ready, Halt> {
        let s = self.s;
        let facts = s.known_facts();
        if self.ask.rules.amend == Amend::Ask {
            match questions::amend(s, self.ask, candidate, &amendment).await? {
                Ok(key) if key == answer::ADJUST => {}
                Ok(_) => {
                    self.left_alone(candidate)?;
                    return Ok(Ready::Said);
                }
                Err(changes) => {
                    self.push(changes);
                    return Ok(Ready::Said);
                }
            }
        }
        let mut agreed = operation.fields.clone();
        if let Some(here) = &operation.here {
            // Not written here yet: that is agreed on when it is.
            for (field, _) in here.fields.iter() {
                match here.before.value(field.as_str()) {
                    Some(value) => agreed.set(field.clone(), value.clone()),
                    None => {
                        agreed.remove(field.as_str());
                        &mut agreed
                    }
                };
            }
            let mut rest = operation.clone();
            rest.open.extend(std::mem::take(&mut rest.changed));
            rest.sets.clear();
            rest.reason = Reason::ChangedThere;
            self.plan(candidate, rest, Vec::new(), LAST_STAGE);
        }
        let role = amendment.role;
        let base = candidate.link.as_ref().and_then(|link| link.base.as_ref());
        let agreed_before = base.map(|base| base.local.clone()).unwrap_or_default();
        let further = Operation {
            id: operation_id(&operation.resource, &operation.local, &role, Verb::Create, &amendment.fields),
            resource: operation.resource.clone(),
            local: operation.local.clone(),
            container: operation.container.clone(),
            verb: Verb::Create,
            changed: amendment.fields.iter().map(|(field, _)| field.clone()).collect(),
            fields: amendment.fields,
            sets: Default::default(),
            before: None,
            marker: s.marker_of(&self.ask.collection, &operation.local, &role),
            role,
            open: Default::default(),
            agreed: Default::default(),
            amends: Some(Box::new(Amends { words: amendment.words, fields: agreed, before: agreed_before })),
            taken: Vec::new(),
            is_final: false,
            linked_as: None,
            here: None,
            reason: Reason::Amended,
        };
        // One whose answer was lost is there already.
        if self.ask.resource.matching == Matching::Find
            && let Some(found) = self.find_own(&further).await?
        {
            let mut link = further;
            link.changed.clear();
            link.verb = Verb::Update;
            link.before = Some(found);
            return Ok(Ready::Go(Box::new(link), Vec::new()));
        }
        match s.input.handler.prepare(Prepare::new(&facts, &s.grants, &further)) {
            Ok(Prepared::Parts(parts)) => Ok(Ready::Go(Box::new(further), parts)),
            Ok(Prepared::Skip(skip)) => {
                let needs_grant = skip.needs_grant.as_deref().map(str::to_owned);
                self.item(candidate, sync_core::Outcome::from(&skip), needs_grant);
                Ok(Ready::Said)
            }
            Ok(_) => Err(s.halt(sync_core::Error::new(
                sync_core::ErrorKind::Internal,
                "an amendment was to be made up for by another amendment",
            ))),
            Err(error) => {
                self.refused(candidate, error)?;
                Ok(Ready::Said)
            }
        }
    }

    async fn find_own(&self, operation: &Operation) -> Result<Option<Box<sync_core::Remote>>, Halt> {
        let markers = [operation.marker.clone()];
        let by = FindBy::Markers(&markers);
        let s = self.s;
        let request = Find::new(&self.ask.resource.name, operation.container.as_ref(), by);
        let found = s.input.handler.find(&s.context(), request).await.map_err(|error| s.halt(error))?;
        Ok(match found.into_iter().next() {
            Some(Found::One(remote)) => Some(remote),
            _ => None,
        })
    }

    /// What is taken away takes what was made up for it along.
    pub(super) async fn remove_amendments(
        &mut self,
        candidate: &Candidate,
        main: &Operation,
        parts: &[Part],
    ) -> Result<(), Halt> {
        let s = self.s;
        // Called off here, it is taken away there by an update.
        let is_called_off = main.verb == Verb::Update && !parts.is_empty() && parts.iter().all(|part| part.is_final);
        if (main.verb != Verb::Remove && !is_called_off) || main.role.amendment_number().is_some() {
            return Ok(());
        }
        for (_, link) in self.amendments(main).await? {
            let (LinkState::Live, Some(_)) = (link.state, &link.remote) else { continue };
            let operation = Operation {
                id: operation_id(&main.resource, &main.local, &link.role, Verb::Remove, &main.fields),
                verb: Verb::Remove,
                changed: Default::default(),
                role: link.role.clone(),
                before: known_there(&link),
                amends: None,
                marker: s.marker_of(&self.ask.collection, &main.local, &link.role),
                here: None,
                ..main.clone()
            };
            let facts = s.known_facts();
            if let Ok(Prepared::Parts(parts)) = s.input.handler.prepare(Prepare::new(&facts, &s.grants, &operation))
                && !parts.is_empty()
            {
                self.plan(candidate, operation, parts, 0);
            }
        }
        Ok(())
    }
}

/// The number of a record's first amendment.
const FIRST: u32 = 2;

/// After everything that is written there.
const LAST_STAGE: u8 = u8::MAX;

/// True for a link that is watched, and never merged with the host's record.
pub(crate) fn is_watched(role: &Role) -> bool {
    role.amendment_number().is_some()
}
