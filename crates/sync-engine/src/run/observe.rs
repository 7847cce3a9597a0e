//! Observe: feeds are read to their end, page by page, into the run's scratch; consent flows back on the way.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future;
use jiff::Timestamp;
use sync_core::{
    Change as RemoteChange, Complete, ConsentFact, ConsentState, ContainerId, Cursor, ErrorKind, Feed, Find, FindBy, Found,
    From, Hash, Next, Pull, Record, Remote, RemoteId, RemoteState, Resource, ResourceName, Value,
    zoo::{self, Defect},
};

use super::{ask::ResourceAsk, halt::Halt, session::Session};
use crate::{
    Change, Link, LinkState, Mark, ProgressEvent, Seen, StoredCursor, Suppression,
    store::{remote_stream, usable},
};

/// What observing came to.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Cursors to store once the plan was let through.
    pub(crate) cursors: Vec<Change>,
    /// Links whose counterpart was seen to be gone, by resource and local id.
    pub(crate) n_records: u64,
    /// True when the scratch holds something to match with.
    pub(crate) has_seen: bool,
    /// True when a feed was read from its start: what it did not show is not there.
    pub(crate) saw_all: bool,
    /// Containers that are no longer synced to, with their live links.
    pub(crate) left_behind: BTreeMap<ContainerId, u64>,
    /// Full passes of this run over resources where both sides count: what they did not show may be gone.
    pub(crate) full_passes: Vec<(ResourceName, Option<ContainerId>)>,
}

/// Reads the feeds that the request needs.
pub(crate) async fn observe(s: &Session<'_>) -> Result<Observed, Halt> {
    let mut observed = Observed::default();
    for feed in s.input.descriptor.feeds {
        let covers = |ask: &&ResourceAsk| feed.covers.contains(&ask.resource.name);
        let is_needed = |ask: &ResourceAsk| feed.carries_consent || ask.is_two_way();
        if !s.ask.resources.iter().filter(covers).any(is_needed) {
            continue;
        }
        let mut containers = s.input.handler.containers(feed);
        let current: BTreeSet<ContainerId> = containers.iter().flatten().cloned().collect();
        // What people refused where we were before is read before the first write to where we go now. Counting links costs
        // by their number, so it is done only then.
        if feed.carries_consent && !is_settled_in(s).await? {
            let counts = s.engine.store.link_counts(&s.scope, &s.account).await.map_err(|error| s.halt(error))?;
            for count in
                counts.iter().filter(|count| count.state == LinkState::Live && feed.covers.contains(&count.resource))
            {
                if let Some(container) = count.container.as_ref().filter(|container| !current.contains(*container)) {
                    *observed.left_behind.entry(container.clone()).or_default() += count.count;
                }
            }
            containers.splice(0..0, observed.left_behind.keys().cloned().map(Some));
        }
        for container in &containers {
            let is_left = container.as_ref().is_some_and(|container| !current.contains(container));
            read_feed(s, feed, container.as_ref(), is_left, &mut observed).await?;
        }
    }
    Ok(observed)
}

/// The row that tells where the last complete run went to.
pub(crate) const SETTLED_IN: &str = "settled-in";

/// True when a run went through to its end where this one goes to: the first sync there is over, and refusals of where we
/// were before have been read.
pub(crate) async fn is_settled_in(s: &Session<'_>) -> Result<bool, Halt> {
    let stored = s.engine.store.cursor(&s.scope, SETTLED_IN).await.map_err(|error| s.halt(error))?;
    Ok(stored.is_some_and(|stored| stored.filter == where_to(s)))
}

/// The change that remembers where this run went to.
pub(crate) fn settled_in(s: &Session<'_>) -> Change {
    let stored = StoredCursor { cursor: Cursor::from_static(""), filter: where_to(s), at: s.now() };
    Change::Cursor { stream: SETTLED_IN.to_owned(), cursor: Some(stored) }
}

fn where_to(s: &Session<'_>) -> String {
    let mut hash = Hash::start();
    hash.text(s.account.as_str());
    for feed in s.input.descriptor.feeds {
        for container in s.input.handler.containers(feed) {
            hash.text(container.as_ref().map_or("", |container| container.as_str()));
        }
    }
    hash.finish().to_string()
}

/// Links by remote id in one container. The same id may mean the same person in two audiences.
pub(crate) async fn links_at(
    s: &Session<'_>,
    ask: &ResourceAsk,
    container: Option<&ContainerId>,
    ids: &[RemoteId],
) -> Result<Vec<Option<Link>>, Halt> {
    let name = &ask.resource.name;
    let mut links = s.engine.store.links_by_remote(&s.scope, &s.account, name, ids).await.map_err(|error| s.halt(error))?;
    let Some(container) = container else { return Ok(links) };
    for (link, id) in links.iter_mut().zip(ids) {
        let is_elsewhere = link.as_ref().is_some_and(|link| link.container.as_ref() != Some(container));
        if is_elsewhere {
            let all = s.engine.store.links_of(&s.scope, id.as_str()).await.map_err(|error| s.halt(error))?;
            *link = all.into_iter().find(|link| {
                link.account == s.account
                    && link.resource == *name
                    && link.remote.as_ref() == Some(id)
                    && link.container.as_ref() == Some(container)
            });
        }
    }
    Ok(links)
}

/// The digest of what a cursor was made with.
pub(crate) fn feed_filter(s: &Session<'_>, feed: &Feed, container: Option<&ContainerId>) -> String {
    let mut hash = Hash::start();
    for part in [s.account.as_str(), feed.name, container.map_or("", |container| container.as_str())] {
        hash.text(part);
    }
    hash.finish().to_string()
}

async fn read_feed(
    s: &Session<'_>,
    feed: &'static Feed,
    container: Option<&ContainerId>,
    is_left: bool,
    observed: &mut Observed,
) -> Result<(), Halt> {
    let stream = remote_stream(feed.name, container);
    let filter = feed_filter(s, feed, container);
    let stored = s.engine.store.cursor(&s.scope, &stream).await.map_err(|error| s.halt(error))?;
    let reads_all = s.is_audit() || zoo::is(Defect::ReadsEverythingAgain);
    let mut cursor: Option<Cursor> = if reads_all { None } else { usable(stored, &filter) };
    let mut page_token = None;
    let mut is_full = cursor.is_none();
    let mut n_restarts = 0;
    let mut ahead = None;
    loop {
        s.check_cancel()?;
        s.keep_lease().await?;
        let from = match (&page_token, &cursor) {
            (Some(token), _) => From::Page(token),
            (None, Some(cursor)) => From::Cursor(cursor),
            (None, None) => From::Start,
        };
        let cx = s.context();
        let pulled = match ahead.take() {
            Some(pulled) => pulled,
            None => s.input.handler.pull(&cx, Pull::new(feed, container, from)).await,
        };
        let page = match pulled {
            Ok(page) => page,
            // The cursor is too old: a full pass finds what it would have told. Once, or a provider could keep us busy.
            Err(error) if error.kind() == ErrorKind::CursorExpired && n_restarts == 0 => {
                n_restarts += 1;
                cursor = None;
                page_token = None;
                is_full = true;
                continue;
            }
            // What was left behind and is gone has nothing more to tell.
            Err(error) if is_left && matches!(error.kind(), ErrorKind::Config | ErrorKind::NotFound) => return Ok(()),
            Err(error) => return Err(s.halt(error)),
        };
        is_full |= page.complete == Complete::Full;
        observed.n_records += page.changes.len() as u64;
        let n_records = observed.n_records;
        let taking = take_page(s, feed, container, page.changes, is_full, observed);
        match page.next {
            Next::More(token) => {
                if page_token.as_ref() == Some(&token) {
                    taking.await?;
                    return Err(s.halt(
                        sync_core::Error::new(ErrorKind::BadAnswer, "a listing names the same next page again")
                            .with_context("feed", feed.name),
                    ));
                }
                // The next page comes in while this one is taken.
                let next = s.input.handler.pull(&cx, Pull::new(feed, container, From::Page(&token)));
                let (taken, next) = future::join(taking, next).await;
                taken?;
                s.progress(ProgressEvent::Observed { records: n_records });
                (ahead, page_token) = (Some(next), Some(token));
            }
            Next::Done(cursor) => {
                taking.await?;
                s.progress(ProgressEvent::Observed { records: n_records });
                let at = s.now();
                let covered = || s.ask.resources.iter().filter(|ask| feed.covers.contains(&ask.resource.name));
                // A feed over several resources moves on only when all that it told is taken: those that were not asked
                // for, or only in one direction, would miss it.
                let is_taken = covered().count() == feed.covers.len() && !covered().any(ResourceAsk::is_narrowed);
                if is_taken || feed.carries_consent {
                    observed.cursors.push(Change::Cursor { stream, cursor: Some(StoredCursor { cursor, filter, at }) });
                }
                observed.saw_all |= is_full && !is_left;
                for ask in covered().filter(|_| is_full) {
                    if ask.is_two_way() {
                        observed.full_passes.push((ask.resource.name.clone(), container.cloned()));
                    } else if !s.is_dry() {
                        confirm_unseen(s, ask, container).await?;
                    }
                }
                return Ok(());
            }
        }
    }
}

async fn take_page(
    s: &Session<'_>,
    feed: &Feed,
    container: Option<&ContainerId>,
    changes: Vec<RemoteChange>,
    is_full: bool,
    observed: &mut Observed,
) -> Result<(), Halt> {
    let mut gone: Vec<RemoteId> = Vec::new();
    let mut by_resource: BTreeMap<usize, Vec<Remote>> = BTreeMap::new();
    for change in changes {
        match change {
            RemoteChange::Gone { id, .. } => gone.push(id),
            RemoteChange::Upsert(mut remote) => {
                remote.container = remote.container.or_else(|| container.cloned());
                if let Some(idx) = s.ask.resources.iter().position(|ask| ask.resource.name == remote.resource) {
                    by_resource.entry(idx).or_default().push(*remote);
                }
            }
        }
    }
    for (idx, remotes) in by_resource {
        let Some(ask) = s.ask.resources.get(idx) else { continue };
        let is_kept = is_full || ask.is_two_way();
        let (mut writes, mut seen) = (Vec::new(), Vec::new());
        let mut as_agreed: BTreeMap<Option<ContainerId>, Vec<RemoteId>> = BTreeMap::new();
        // A provider's page may be long: links and their bases are held for a part of it.
        let mut remotes = remotes.into_iter().peekable();
        while remotes.peek().is_some() {
            let remotes: Vec<Remote> = remotes.by_ref().take(s.engine.config.page.max(1)).collect();
            let ids: Vec<RemoteId> = remotes.iter().map(|remote| remote.id.clone()).collect();
            // Where all of it is kept and nothing tells of consent, links are no matter here.
            let links = match is_full && ask.resource.consent.is_none() && !ask.is_two_way() {
                true => vec![None; remotes.len()],
                false => links_at(s, ask, container.filter(|_| !ask.is_two_way()), &ids).await?,
            };
            writes.extend(consent_changes(s, ask.resource, container, &remotes, &links).await?);
            for (remote, link) in remotes.into_iter().zip(links) {
                let is_linked = link.is_some();
                // Nothing follows from it but that it is there.
                if ask.is_two_way() && link.is_some_and(|link| super::remote::is_as_agreed(s, ask, &link, &remote)) {
                    as_agreed.entry(remote.container).or_default().push(remote.id);
                } else if is_kept || !is_linked {
                    seen.push(Seen { key: match_key(ask, &remote), remote });
                }
            }
        }
        observed.has_seen |= !seen.is_empty();
        let (store, lease) = (&s.engine.store, s.lease());
        store.append_seen(&lease, &s.run, seen).await.map_err(|error| s.halt(error))?;
        for (place, ids) in as_agreed {
            let marked = store.append_marks(&lease, &s.run, &ask.resource.name, place.as_ref(), &ids, Mark::AsAgreed);
            marked.await.map_err(|error| s.halt(error))?;
        }
        s.commit(writes).await?;
    }
    if !gone.is_empty() {
        for ask in s.ask.resources.iter().filter(|ask| feed.covers.contains(&ask.resource.name)) {
            if ask.is_two_way() {
                let (store, lease) = (&s.engine.store, s.lease());
                let marked = store.append_marks(&lease, &s.run, &ask.resource.name, container, &gone, Mark::Gone);
                marked.await.map_err(|error| s.halt(error))?;
            } else {
                confirm_gone(s, ask, container, &gone).await?;
            }
        }
    }
    Ok(())
}

/// The value of the key that matching goes by first.
pub(crate) fn match_key(ask: &ResourceAsk, remote: &Remote) -> Option<String> {
    let field = ask.rules.match_on.first()?;
    remote.keys.iter().find(|key| key.field() == field).map(|key| key.value().to_owned())
}

/// What remote records tell about consent: facts for the host, suppressions for us, and bases brought up to date.
pub(crate) async fn consent_changes(
    s: &Session<'_>,
    resource: &Resource,
    container: Option<&ContainerId>,
    remotes: &[Remote],
    links: &[Option<crate::Link>],
) -> Result<Vec<Change>, Halt> {
    let Some((channel, consent_field, address_field)) = resource.consent else { return Ok(Vec::new()) };
    if s.is_dry() {
        return Ok(Vec::new());
    }
    let addresses: Vec<String> =
        remotes.iter().map(|remote| remote.fields.text(address_field).unwrap_or_default().to_owned()).collect();
    let suppressed =
        s.engine.store.suppressed(&s.scope.organization, channel, &addresses).await.map_err(|error| s.halt(error))?;
    let source = format!(
        "{}:{}{}",
        s.scope.integration,
        s.account,
        container.map(|container| format!(":{container}")).unwrap_or_default()
    );
    let mut changes = Vec::new();
    let mut n_facts = 0;
    for (((remote, link), address), suppression) in remotes.iter().zip(links).zip(addresses).zip(suppressed) {
        // What is archived hides what it was before.
        if address.is_empty() || remote.state != RemoteState::Live {
            continue;
        }
        let Some(consent) = remote.fields.value(consent_field).and_then(Value::as_consent) else { continue };
        let base = link.as_ref().and_then(|link| link.base.as_ref());
        let face = base.map(|base| base.face());
        let shown = face.and_then(|face| face.value(consent_field)).and_then(Value::as_consent);
        let before = shown.map(|before| before.state);
        let at: Timestamp = consent.at.or(remote.changed_at).unwrap_or_else(|| s.now());
        let is_refusal = consent.state <= ConsentState::Denied;
        // A refusal of the host's that we wrote there comes back: it is nobody's word but the host's.
        let agreed = base.and_then(|base| base.local.value(consent_field)).and_then(Value::as_consent);
        let is_live = link.as_ref().is_some_and(|link| link.state == LinkState::Live);
        let is_ours = is_refusal && is_live && agreed.is_some_and(|agreed| agreed.state == consent.state);
        // Refused and signed up again, and the base knows of neither: by the date that counts they are known to be back.
        let is_back = consent.state == ConsentState::Granted
            && before == Some(ConsentState::Granted)
            && shown != Some(consent)
            && suppression.as_ref().is_some_and(|refused| refused.at < at);
        let is_news = if is_ours {
            false
        } else if is_refusal {
            // Refused again after signing up again in between: the list must know the later time.
            suppression.as_ref().is_none_or(|known| {
                known.state > consent.state || (known.at < at && before.is_none_or(|before| before > ConsentState::Denied))
            })
        } else {
            // Confirmed, or taken back by the person.
            consent.state == ConsentState::Granted
                && (is_back
                    || before == Some(ConsentState::Pending)
                    || before.is_some_and(|before| before <= ConsentState::Denied)
                    || (before.is_none() && suppression.is_some()))
        };
        if is_news {
            let mut id = Hash::start();
            for part in [source.as_str(), channel.as_str(), &address.to_lowercase(), consent.state.as_str(), &at.to_string()]
            {
                id.text(part);
            }
            changes.push(Change::Fact(ConsentFact {
                id: id.finish().to_string(),
                channel,
                address: address.clone(),
                state: consent.state,
                source: source.clone(),
                at,
                record: link.as_ref().map(|link| link.local.clone()),
            }));
            n_facts += 1;
        }
        if is_refusal && is_news && !zoo::is(Defect::ForgetsRefusals) {
            changes.push(Change::Suppress { channel, address, suppression: Suppression { at, state: consent.state } });
        }
        if let (Some(link), Some(base)) = (link, base)
            && (is_back || before != Some(consent.state))
        {
            let mut link = link.clone();
            let mut remote_face: Record = base.face().clone();
            remote_face.set(consent_field, Value::Consent(consent.clone()));
            if let Some(base) = &mut link.base {
                base.remote = Some(remote_face);
                // A refusal ends what was agreed on: whoever signs up there again does so against what the host says.
                if is_refusal {
                    base.local.remove(consent_field);
                }
            }
            changes.push(Change::PutLink(link));
        }
    }
    s.report().consent_facts += n_facts;
    Ok(changes)
}

/// After a full pass: links that it did not show are looked up, and only what is proven gone counts as gone.
pub(crate) async fn confirm_unseen(s: &Session<'_>, ask: &ResourceAsk, container: Option<&ContainerId>) -> Result<(), Halt> {
    let mut after = None;
    loop {
        let links = s
            .engine
            .store
            .unseen_links(&s.scope, &s.account, &s.run, &ask.resource.name, container, after.as_ref(), s.engine.config.page)
            .await
            .map_err(|error| s.halt(error))?;
        let Some(last) = links.last() else { return Ok(()) };
        after = Some(last.local.clone());
        let ids: Vec<RemoteId> = links.iter().filter_map(|link| link.remote.clone()).collect();
        confirm_gone(s, ask, container, &ids).await?;
    }
}

/// Looks linked records up that a feed showed as gone, or didn't show; what is proven gone is marked and asked about.
async fn confirm_gone(
    s: &Session<'_>,
    ask: &ResourceAsk,
    container: Option<&ContainerId>,
    ids: &[RemoteId],
) -> Result<(), Halt> {
    for chunk in ids.chunks(ask.resource.find_max.max(1)) {
        let links = links_at(s, ask, container, chunk).await?;
        let mut live: Vec<_> = links.into_iter().flatten().filter(|link| link.state == LinkState::Live).collect();
        live.retain(|link| container.is_none() || link.container.as_ref() == container);
        let asked: Vec<RemoteId> = live.iter().filter_map(|link| link.remote.clone()).collect();
        if asked.is_empty() {
            continue;
        }
        s.check_cancel()?;
        s.keep_lease().await?;
        let found = s
            .input
            .handler
            .find(&s.context(), Find::new(&ask.resource.name, container, FindBy::Ids(&asked)))
            .await
            .map_err(|error| s.halt(error))?;
        let mut changes = Vec::new();
        for (mut link, found) in live.into_iter().zip(found) {
            let is_gone = matches!(found, Found::Absent | Found::Gone) || zoo::is(Defect::BelievesAnEmptyPage);
            if !is_gone || s.is_dry() {
                continue;
            }
            link.state = LinkState::Gone;
            let local = link.local.clone();
            changes.push(Change::PutLink(link));
            changes.extend(super::questions::gone_there(s, ask, &local, false).await?);
        }
        s.commit(changes).await?;
    }
    Ok(())
}
