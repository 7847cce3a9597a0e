//! Taking a run back: what it did there is planned in reverse, as far as nothing has changed about it since. What stays is
//! said, item by item. The plan goes through the same gate and is applied like any other.

use std::collections::BTreeMap;

use sync_core::{
    FieldName, Find, FindBy, Found, LocalId, Operation, Outcome, OutcomeKind, Owner, Prepare, Prepared, Reason, Remote,
    RemoteState, ResourceName, RunId, Verb, code,
};

use super::{
    End, apply, ask::ResourceAsk, gate, halt::Halt, local::read_ids, observe::Observed, only, planner::Planner,
    session::Session,
};
use crate::{
    Base, Change, Link, LinkState, OutcomeRow, PartState, PlannedRow,
    plan::{operation_id, says_the_same},
};

/// Plans the reverse of a run, and applies it as far as the gate lets it.
pub(crate) async fn undo(s: &Session<'_>, run: &RunId, end: &mut End) -> Result<(), Halt> {
    let mut seq = 0;
    let mut stays = BTreeMap::new();
    // What refers to others is taken back before these.
    for ask in s.ask.resources.iter().rev() {
        let mut planner = Planner::new(s, ask, seq, false);
        plan(s, &mut planner, run, &mut stays).await?;
        seq = planner.seq;
    }
    match gate::gate(s, &Observed::default()).await {
        Ok(passed) => end.passed = Some(passed),
        Err((halt, passed)) => {
            end.passed = passed;
            return Err(halt);
        }
    }
    for ((resource, why), n) in stays {
        let nouns = s.input.descriptor.resource(resource.as_str()).map_or(("item", "items"), |resource| resource.nouns);
        let noun = if n == 1 { nouns.0 } else { nouns.1 };
        s.report().notes.push(format!("{n} {noun} not taken back: {why}."));
    }
    if !end.passed.as_ref().is_some_and(|passed| passed.apply) {
        return Ok(());
    }
    if let Some(filter) = &s.input.options.only {
        only::keep_only(s, filter).await?;
    }
    apply::apply(s, &mut seq).await
}

/// What stays, by kind and reason.
type Stays = BTreeMap<(ResourceName, String), u64>;

async fn plan(s: &Session<'_>, planner: &mut Planner<'_, '_>, run: &RunId, stays: &mut Stays) -> Result<(), Halt> {
    let ask = planner.ask;
    let mut after = 0;
    loop {
        s.check_cancel()?;
        s.keep_lease().await?;
        let rows = s.engine.store.plan_page(&s.scope, run, after, s.engine.config.page).await;
        let rows = rows.map_err(|error| s.halt(error))?;
        let Some(last) = rows.last() else { break };
        after = last.planned.seq;
        let done: Vec<PlannedRow> = rows
            .into_iter()
            .filter(|row| row.planned.operation.resource == ask.resource.name && row.states.contains(&PartState::Done))
            .collect();
        for chunk in done.chunks(ask.resource.find_max.max(1)) {
            take(s, planner, chunk, stays).await?;
        }
    }
    planner.finish().await
}

async fn take(s: &Session<'_>, planner: &mut Planner<'_, '_>, rows: &[PlannedRow], stays: &mut Stays) -> Result<(), Halt> {
    let ask = planner.ask;
    let store = &s.engine.store;
    let mut links: Vec<Option<Link>> = Vec::with_capacity(rows.len());
    for row in rows {
        let operation = &row.planned.operation;
        let ids = std::slice::from_ref(&operation.local);
        let link = store.links_by_local(&s.scope, &s.account, &ask.resource.name, &operation.role, ids).await;
        links.push(link.map_err(|error| s.halt(error))?.pop().flatten());
    }
    let mut found: BTreeMap<sync_core::RemoteId, Found> = BTreeMap::new();
    let mut by_container: BTreeMap<Option<sync_core::ContainerId>, Vec<sync_core::RemoteId>> = BTreeMap::new();
    for link in links.iter().flatten().filter(|link| link.state == LinkState::Live) {
        if let Some(id) = &link.remote {
            by_container.entry(link.container.clone()).or_default().push(id.clone());
        }
    }
    for (container, ids) in by_container {
        let request = Find::new(&ask.resource.name, container.as_ref(), FindBy::Ids(&ids));
        let answers = s.input.handler.find(&s.context(), request).await.map_err(|error| s.halt(error))?;
        found.extend(ids.into_iter().zip(answers));
    }
    let ids: Vec<LocalId> = rows.iter().map(|row| row.planned.operation.local.clone()).collect();
    let facts = s.facts().await?;
    for ((row, link), id) in rows.iter().zip(links).zip(ids) {
        let remote = link.as_ref().and_then(|link| link.remote.as_ref()).and_then(|id| found.remove(id));
        let reversed = match reverse(s, planner, row, link.as_ref(), remote).await? {
            Ok(operation) => match s.input.handler.prepare(Prepare::new(&facts, &s.grants, &operation)) {
                Ok(Prepared::Parts(parts)) if !parts.is_empty() => Ok((operation, parts)),
                Ok(Prepared::Skip(skip)) => Err(skip.message),
                Err(error) if error.kind().is_systemic() => return Err(s.halt(error)),
                Err(error) => Err(error.message().to_owned()),
                Ok(_) => Err(format!("{} can't take it back", s.input.descriptor.name)),
            },
            Err(why) => Err(why),
        };
        match reversed {
            Ok((operation, parts)) => {
                let locals = read_ids(s, ask, std::slice::from_ref(&id)).await?;
                for candidate in planner.candidates(locals).await? {
                    planner.plan(&candidate, operation.clone(), parts.clone(), 0);
                }
            }
            Err(why) => stay(s, ask, &id, why, stays).await?,
        }
    }
    planner.flush().await
}

/// The operation that takes another back, or why that stays.
async fn reverse(
    s: &Session<'_>,
    planner: &Planner<'_, '_>,
    row: &PlannedRow,
    link: Option<&Link>,
    remote: Option<Found>,
) -> Result<Result<Operation, String>, Halt> {
    let name = s.input.descriptor.name;
    let done = &row.planned.operation;
    let no = |why: &str| Ok(Err(why.to_owned()));
    let n_there = row.states.len() - usize::from(done.here.is_some());
    if n_there == 0 {
        return no("they were only written here");
    }
    if row.states.iter().take(n_there).any(|state| *state != PartState::Done) {
        return no("not all of it was done");
    }
    if done.verb == Verb::Remove {
        return no(&format!("what was taken away in {name} is not made again"));
    }
    let Some(link) = link.filter(|link| link.state == LinkState::Live) else {
        return no(&format!("they are no longer in {name}"));
    };
    let Some(base) = &link.base else { return no("nothing is known any more of what was agreed on") };
    let mut remote = match remote {
        Some(Found::One(remote)) if remote.state == RemoteState::Live => remote,
        _ => return no(&format!("they are no longer in {name}")),
    };
    super::refs::localize(s, [&mut remote.fields]).await?;
    if !is_as_left(planner, done, base, &remote) {
        return no("changed since");
    }
    let mut reversed = Operation {
        reason: Reason::Undone,
        here: None,
        open: Default::default(),
        sets: Default::default(),
        before: Some(remote.clone()),
        container: remote.container.clone().or_else(|| link.container.clone()),
        ..done.clone()
    };
    if done.verb == Verb::Create {
        reversed.verb = Verb::Remove;
        reversed.changed.clear();
        if let Some(amends) = &mut reversed.amends {
            // The main record is again as it was agreed on before.
            std::mem::swap(&mut amends.fields, &mut amends.before);
        }
    } else {
        let Some(before) = done.before.as_ref() else { return no("nothing is known of what they were before") };
        reversed.fields = base.local.clone();
        let mut changed: Vec<&FieldName> = Vec::new();
        for field in done.changed.iter().filter(|field| !done.sets.contains_key(*field)) {
            if let Some(value) = before.fields.value(field.as_str()).filter(|value| !value.is_blank()) {
                reversed.fields.set(field.clone(), value.clone());
                changed.push(field);
            }
        }
        reversed.changed = changed.into_iter().cloned().collect();
        if reversed.changed.is_empty() {
            return no("they had no value before");
        }
    }
    reversed.id = operation_id(&reversed.resource, &reversed.local, &reversed.role, reversed.verb, &reversed.fields);
    Ok(Ok(reversed))
}

/// True when a record is there as the operation left it, and nothing was agreed on about it since.
fn is_as_left(planner: &Planner<'_, '_>, done: &Operation, base: &Base, remote: &Remote) -> bool {
    let was_written = |field: &FieldName| {
        let kind = planner.ask.resource.field(field.as_str()).kind;
        crate::plan::same_as(kind, base.local.value(field.as_str()), done.fields.value(field.as_str()))
    };
    done.changed.iter().all(was_written) && says_the_same(planner.policy(&planner.ask.rules), base, remote)
}

/// It stays as it is: said once, and no standing item.
async fn stay(s: &Session<'_>, ask: &ResourceAsk, id: &LocalId, why: String, stays: &mut Stays) -> Result<(), Halt> {
    let outcome = Outcome::new(OutcomeKind::Skipped, code::STAYS, why.clone())
        .remedy(Owner::EndUserData, format!("Take it back in {} by hand.", s.input.descriptor.name));
    s.report().add(&ask.resource.name, Some(id), &outcome);
    let row =
        OutcomeRow { resource: ask.resource.name.clone(), local: Some(id.clone()), remote: None, outcome, at: s.now() };
    if !s.is_dry() {
        s.commit(vec![Change::Outcome { run: s.run.clone(), row }]).await?;
    }
    *stays.entry((ask.resource.name.clone(), why)).or_default() += 1;
    Ok(())
}
