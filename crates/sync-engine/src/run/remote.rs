//! Plan, from the other side: what feeds showed to be changed, new or gone there, where both sides count.

use std::collections::BTreeMap;

use sync_core::{
    ContainerId, Error, ErrorKind, Find, FindBy, Found, Hash, Local, LocalId, LocalState, Outcome, Owner, PlanHash, Remote,
    RemoteId, RemoteState, ResourceName, Skip, Stop, code,
    zoo::{self, Defect},
};

use super::{
    ask::ResourceAsk,
    halt::Halt,
    local::read_ids,
    observe::{Observed, links_at},
    planner::{Planner, Why, is_watched},
    session::{Session, Settled},
};
use crate::{
    Change, Link, LinkState,
    plan::{self, RemoteSide},
};

/// Plans everything that changed there in one resource.
pub(crate) async fn plan_resource(s: &Session<'_>, planner: &mut Planner<'_, '_>, observed: &Observed) -> Result<(), Halt> {
    let ask = planner.ask;
    planner.may_repeat = true;
    seen(s, planner).await?;
    gone_by_feed(s, planner).await?;
    for (_, container) in observed.full_passes.iter().filter(|(resource, _)| *resource == ask.resource.name) {
        unseen(s, planner, container.as_ref()).await?;
    }
    Ok(())
}

/// Everything that the feeds showed.
async fn seen(s: &Session<'_>, planner: &mut Planner<'_, '_>) -> Result<(), Halt> {
    let name = &planner.ask.resource.name;
    let mut after: (ResourceName, RemoteId) = (name.clone(), RemoteId::from_static(""));
    loop {
        s.check_cancel()?;
        s.keep_lease().await?;
        let place = Some((&after.0, &after.1));
        let page =
            s.engine.store.seen_page(&s.scope, &s.run, place, s.engine.config.page).await.map_err(|error| s.halt(error))?;
        let n_rows = page.len();
        let remotes: Vec<Remote> = page.into_iter().take_while(|remote| remote.resource == *name).collect();
        let is_end = remotes.len() < n_rows || n_rows < s.engine.config.page;
        if let Some(last) = remotes.last() {
            after.1 = last.id.clone();
        }
        take_seen(s, planner, remotes).await?;
        if is_end {
            return Ok(());
        }
    }
}

/// Remote records that were read: linked ones that differ from the base are decided with the host's record, others are
/// new there.
pub(crate) async fn take_seen(s: &Session<'_>, planner: &mut Planner<'_, '_>, remotes: Vec<Remote>) -> Result<(), Halt> {
    let ask = planner.ask;
    let mut by_container: BTreeMap<Option<ContainerId>, Vec<Remote>> = BTreeMap::new();
    for remote in remotes {
        by_container.entry(remote.container.clone()).or_default().push(remote);
    }
    for (container, remotes) in by_container {
        let ids: Vec<RemoteId> = remotes.iter().map(|remote| remote.id.clone()).collect();
        let mut links = links_at(s, ask, None, &ids).await?;
        // Moved into another container there: the link goes along.
        for link in links.iter_mut().flatten() {
            if link.container != container && container.is_some() {
                link.container.clone_from(&container);
            }
        }
        let mut changed: Vec<(LocalId, Remote)> = Vec::new();
        let mut versions = Vec::new();
        let mut new = Vec::new();
        let mut watched = Vec::new();
        for (remote, link) in remotes.into_iter().zip(links) {
            let Some(link) = link else {
                new.push(remote);
                continue;
            };
            if is_watched(&link.role) {
                watched.push((link, remote));
                continue;
            }
            match link.state {
                LinkState::Live | LinkState::Gone => match unlike_base(s, ask, &link, &remote) {
                    Unlike::Content => changed.push((link.local.clone(), remote)),
                    Unlike::Version => versions.extend(at_version(link, &remote)),
                    Unlike::Nothing => {}
                },
                // A call about it is open, we took it away ourselves, or somebody let go of it.
                LinkState::Open | LinkState::Removed | LinkState::Detached => {}
            }
        }
        if !s.is_dry() {
            s.commit(versions).await?;
        }
        for (link, remote) in watched {
            if matches!(remote.state, RemoteState::Voided | RemoteState::Archived) && link.state == LinkState::Live {
                amendment_gone(s, ask, link).await?;
            }
        }
        take_changed(s, planner, changed).await?;
        planner.take_new(new, false).await?;
    }
    Ok(())
}

/// What made up for a change was taken away there: nobody books the difference any more, so a person is told.
async fn amendment_gone(s: &Session<'_>, ask: &ResourceAsk, link: Link) -> Result<(), Halt> {
    let message = format!("what made up for its change ({}) was taken away there", link.role);
    let skip = Skip::new(code::AMENDMENT_GONE, message)
        .remedy(Owner::EndUserData, "Book the difference there by hand, or change the record here once more.");
    let mut changes = s.settle_item(Settled {
        remote: link.remote.as_ref(),
        ..Settled::new(&ask.resource.name, &link.local, Outcome::from(&skip))
    });
    if !s.is_dry() {
        changes.push(Change::PutLink(Link { state: LinkState::Gone, ..link }));
    }
    s.commit(changes).await
}

enum Unlike {
    Nothing,
    Version,
    Content,
}

/// True when a remote record is where and as its link's base has it: nothing follows from it.
pub(crate) fn is_as_agreed(s: &Session<'_>, ask: &ResourceAsk, link: &Link, remote: &Remote) -> bool {
    (remote.container.is_none() || link.container == remote.container)
        && matches!(unlike_base(s, ask, link, remote), Unlike::Nothing)
}

/// Our own writes come back in the feed: they are told by what they say.
fn unlike_base(s: &Session<'_>, ask: &ResourceAsk, link: &Link, remote: &Remote) -> Unlike {
    let Some(base) = link.base.as_ref().filter(|_| link.state == LinkState::Live) else { return Unlike::Content };
    match plan::says_the_same(ask.policy(s, &ask.rules), base, remote) {
        true if base.version == remote.version => Unlike::Nothing,
        true => Unlike::Version,
        false => Unlike::Content,
    }
}

/// The link with the version that is there now: what changed isn't ours to sync.
fn at_version(mut link: Link, remote: &Remote) -> Option<Change> {
    let base = link.base.as_mut()?;
    base.version.clone_from(&remote.version);
    if remote.native.is_some() {
        base.native.clone_from(&remote.native);
    }
    Some(Change::PutLink(link))
}

async fn take_changed(s: &Session<'_>, planner: &mut Planner<'_, '_>, changed: Vec<(LocalId, Remote)>) -> Result<(), Halt> {
    let mut merged = Vec::new();
    let (ids, remotes): (Vec<LocalId>, Vec<Remote>) = changed.into_iter().unzip();
    let locals = read_ids(s, planner.ask, &ids).await?;
    let mut sides: Vec<(Local, RemoteSide)> = Vec::new();
    for (local, remote) in locals.into_iter().zip(remotes) {
        match &remote.state {
            RemoteState::MergedInto(survivor) => merged.push((local, survivor.clone())),
            _ => sides.push((local, RemoteSide::Seen(Box::new(remote)))),
        }
    }
    for (local, survivor) in merged {
        if let Some(side) = planner.survivor(&local.id, &survivor).await? {
            sides.push((local, side));
        }
    }
    planner.take_sides(sides, Why::There).await
}

/// What feeds told to be gone.
async fn gone_by_feed(s: &Session<'_>, planner: &mut Planner<'_, '_>) -> Result<(), Halt> {
    let ask = planner.ask;
    let mut after: Option<(RemoteId, Option<ContainerId>)> = None;
    loop {
        let place = after.as_ref().map(|(id, container)| (id, container.as_ref()));
        let page = s
            .engine
            .store
            .gone_page(&s.scope, &s.run, &ask.resource.name, place, s.engine.config.page)
            .await
            .map_err(|error| s.halt(error))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.clone());
        let ids: Vec<RemoteId> = page.iter().map(|(id, _)| id.clone()).collect();
        let links = links_at(s, ask, None, &ids).await?;
        let links = links.into_iter().flatten().filter(|link| link.state == LinkState::Live).collect();
        confirm(s, planner, links).await?;
    }
}

/// Links that a full pass did not show are candidates for deletion; that is proven one by one.
async fn unseen(s: &Session<'_>, planner: &mut Planner<'_, '_>, container: Option<&ContainerId>) -> Result<(), Halt> {
    suspiciously_empty(s, planner.ask, container).await?;
    let mut after: Option<LocalId> = None;
    loop {
        let links = s
            .engine
            .store
            .unseen_links(
                &s.scope,
                &s.account,
                &s.run,
                &planner.ask.resource.name,
                container,
                after.as_ref(),
                s.engine.config.page,
            )
            .await
            .map_err(|error| s.halt(error))?;
        let Some(last) = links.last() else { return Ok(()) };
        after = Some(last.local.clone());
        confirm(s, planner, links).await?;
    }
}

/// A side that shows far less than it did is not believed: before anything is asked or marked, a person is.
async fn suspiciously_empty(s: &Session<'_>, ask: &ResourceAsk, container: Option<&ContainerId>) -> Result<(), Halt> {
    let name = &ask.resource.name;
    let breaker = s.engine.config.breakers.get(name).copied().unwrap_or(s.engine.config.breaker);
    let mut n_unseen: u64 = 0;
    let mut after: Option<LocalId> = None;
    loop {
        let links = s
            .engine
            .store
            .unseen_links(&s.scope, &s.account, &s.run, name, container, after.as_ref(), s.engine.config.page)
            .await
            .map_err(|error| s.halt(error))?;
        n_unseen += links.len() as u64;
        match links.last() {
            Some(last) if links.len() >= s.engine.config.page => after = Some(last.local.clone()),
            _ => break,
        }
    }
    if n_unseen <= breaker.count || s.is_dry() || zoo::is(Defect::SkipsTheBreaker) {
        return Ok(());
    }
    let counts = s.engine.store.link_counts(&s.scope, &s.account).await.map_err(|error| s.halt(error))?;
    let linked: u64 = counts
        .iter()
        .filter(|count| count.resource == *name && count.state == LinkState::Live && count.container.as_ref() == container)
        .map(|count| count.count)
        .sum();
    if !breaker.trips(n_unseen, linked) {
        return Ok(());
    }
    let mut hash = Hash::start();
    hash.text("unseen");
    hash.text(name.as_str());
    hash.text(container.map_or("", |container| container.as_str()));
    hash.text(&n_unseen.to_string());
    let hash = PlanHash::new(hash.finish().to_string());
    if s.input.options.approve.as_ref() == Some(&hash) {
        return Ok(());
    }
    let error = Error::new(
        ErrorKind::ApprovalNeeded,
        format!(
            "stopped before the first write: {} shows {n_unseen} of {linked} linked {} no more (the limit is {} % and {})",
            s.input.descriptor.name, ask.resource.nouns.1, breaker.share_percent, breaker.count
        ),
    )
    .with_remedy(format!(
        "Look there. If they are meant to be gone, approve {hash}: each is then proven and treated by your settings."
    ));
    Err(Halt::new(Stop::Breaker, error))
}

/// Looks linked records up that may be gone.
async fn confirm(s: &Session<'_>, planner: &mut Planner<'_, '_>, links: Vec<Link>) -> Result<(), Halt> {
    let ask = planner.ask;
    let mut by_container: BTreeMap<Option<ContainerId>, Vec<Link>> = BTreeMap::new();
    for link in links {
        by_container.entry(link.container.clone()).or_default().push(link);
    }
    for (container, links) in by_container {
        for chunk in links.chunks(ask.resource.find_max.max(1)) {
            s.check_cancel()?;
            s.keep_lease().await?;
            let ids: Vec<RemoteId> = chunk.iter().filter_map(|link| link.remote.clone()).collect();
            let request = Find::new(&ask.resource.name, container.as_ref(), FindBy::Ids(&ids));
            let found = s.input.handler.find(&s.context(), request).await.map_err(|error| s.halt(error))?;
            if found.len() != ids.len() {
                return Err(s.halt(Error::new(ErrorKind::Internal, "`find` did not answer every key")));
            }
            let locals: Vec<LocalId> = chunk.iter().map(|link| link.local.clone()).collect();
            let locals = read_ids(s, ask, &locals).await?;
            let mut sides = Vec::new();
            let mut still_there = Vec::new();
            for ((link, found), local) in chunk.iter().zip(found).zip(locals) {
                if is_watched(&link.role) {
                    if matches!(found, Found::Absent | Found::Gone) {
                        amendment_gone(s, ask, link.clone()).await?;
                    }
                    continue;
                }
                match found {
                    _ if zoo::is(Defect::BelievesAnEmptyPage) => sides.push((local, RemoteSide::Gone)),
                    Found::Absent | Found::Gone => sides.push((local, RemoteSide::Gone)),
                    Found::One(remote) if !matches!(unlike_base(s, ask, link, &remote), Unlike::Nothing) => {
                        still_there.push((local.id, *remote));
                    }
                    _ => {}
                }
            }
            take_changed(s, planner, still_there).await?;
            planner.take_sides(sides, Why::There).await?;
        }
    }
    Ok(())
}

/// Records that are only there and wait for an answer or their time.
pub(crate) async fn due(s: &Session<'_>, planner: &mut Planner<'_, '_>, ids: Vec<RemoteId>) -> Result<(), Halt> {
    let ask = planner.ask;
    for chunk in ids.chunks(ask.resource.find_max.max(1)) {
        let remotes = look_up(s, ask, chunk).await?;
        let gone: Vec<LocalId> = chunk
            .iter()
            .zip(&remotes)
            .filter(|(_, remote)| remote.is_none())
            .map(|(id, _)| LocalId::of_remote(id))
            .collect();
        let changes = gone.into_iter().map(|local| Change::DropItem { resource: ask.resource.name.clone(), local });
        if !s.is_dry() {
            s.commit(changes.collect()).await?;
        }
        planner.take_new(remotes.into_iter().flatten().collect(), false).await?;
    }
    Ok(())
}

/// Remote records by id, wherever in the account's containers they lie.
pub(crate) async fn look_up(s: &Session<'_>, ask: &ResourceAsk, ids: &[RemoteId]) -> Result<Vec<Option<Remote>>, Halt> {
    let mut remotes: Vec<Option<Remote>> = ids.iter().map(|_| None).collect();
    let mut containers: Vec<Option<ContainerId>> = Vec::new();
    for feed in s.input.descriptor.feeds.iter().filter(|feed| feed.covers.contains(&ask.resource.name)) {
        containers.extend(s.input.handler.containers(feed));
    }
    for container in containers {
        let open: Vec<usize> = (0..ids.len()).filter(|idx| remotes.get(*idx).is_some_and(Option::is_none)).collect();
        let asked: Vec<RemoteId> = open.iter().filter_map(|idx| ids.get(*idx).cloned()).collect();
        if asked.is_empty() {
            break;
        }
        s.keep_lease().await?;
        let request = Find::new(&ask.resource.name, container.as_ref(), FindBy::Ids(&asked));
        let found = s.input.handler.find(&s.context(), request).await.map_err(|error| s.halt(error))?;
        for (idx, found) in open.into_iter().zip(found) {
            if let (Found::One(mut remote), Some(slot)) = (found, remotes.get_mut(idx)) {
                remote.container = remote.container.or_else(|| container.clone());
                *slot = Some(*remote);
            }
        }
    }
    Ok(remotes)
}

/// A record that is not there, for a remote record that has no counterpart here.
pub(crate) fn nobody(id: LocalId) -> Local {
    Local { id, version: None, state: LocalState::Deleted }
}
