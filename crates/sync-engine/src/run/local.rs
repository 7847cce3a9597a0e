//! Plan, first half: which local records are decided about: what changed since the cursor, or the ordered scan of all,
//! and standing items whose time has come.

use std::collections::{HashSet, VecDeque};

use sync_core::{
    Cursor, ErrorKind, Hash, Local, LocalFrom, LocalId, LocalNext, LocalState, Outcome, OutcomeKind, Owner, Record,
    RemoteId, ResourceName, Role, code,
    zoo::{self, Defect},
};

use super::{
    ask::{ItemAsk, ResourceAsk},
    halt::Halt,
    planner::{Planner, Why},
    refs,
    session::Session,
};
use crate::{Change, Due, Item, LinkHead, LinkState, ProgressEvent, StoredCursor, plan::local_hash, store::usable};

/// The digest of everything under which a local cursor holds: under other settings all records are looked at again.
fn filter(s: &Session<'_>, ask: &ResourceAsk) -> String {
    let mut hash = Hash::start();
    hash.text(s.account.as_str());
    hash.text(&s.input.connection.settings.to_string());
    ask.rules.fields.iter().for_each(|field| hash.text(field.as_str()));
    hash.text(default_role(s, ask).as_str());
    hash.finish().to_string()
}

/// The role that links of a scan have.
pub(crate) fn default_role(s: &Session<'_>, ask: &ResourceAsk) -> Role {
    s.input.handler.target(&ask.resource.name, &Record::new()).role
}

/// Plans everything that changed in one resource. Returns the cursor to store once all of it is applied or recorded.
pub(crate) async fn plan_resource(s: &Session<'_>, planner: &mut Planner<'_, '_>) -> Result<Option<Change>, Halt> {
    let ask = planner.ask;
    let filter = filter(s, ask);
    let stored = s.engine.store.cursor(&s.scope, &ask.stream).await.map_err(|error| s.halt(error))?;
    let usable = if s.is_audit() { None } else { usable(stored, &filter) };
    // A host without a change feed leaves no position, only that everything was looked at under these settings.
    let was_decided = usable.is_some();
    let cursor = usable.filter(|cursor| *cursor != NO_POSITION);
    let next = match cursor {
        Some(cursor) => {
            planner.may_repeat = true;
            match changed(s, planner, &cursor).await {
                Err(halt) if halt.error.kind() == ErrorKind::CursorExpired => scan(s, planner).await?,
                other => other?,
            }
        }
        None => {
            // Other settings, or the first time: what was left out before is decided again.
            planner.decide_standing = !was_decided;
            scan(s, planner).await?
        }
    };
    due_items(s, planner).await?;
    planner.finish().await?;
    let stored = StoredCursor { cursor: next.unwrap_or(NO_POSITION), filter, at: s.now() };
    Ok(Some(Change::Cursor { stream: ask.stream.clone(), cursor: Some(stored) }))
}

/// Cursors of other settings, which this run writes against: were those settings to come back, what it leaves behind would be
/// taken for theirs. They are dropped before the first write.
pub(crate) async fn overtaken_cursors(s: &Session<'_>) -> Result<Vec<Change>, Halt> {
    let mut changes = Vec::new();
    for ask in &s.ask.resources {
        for stream in ask.streams() {
            let stored = s.engine.store.cursor(&s.scope, &stream).await.map_err(|error| s.halt(error))?;
            if stored.is_some_and(|stored| stored.filter != filter(s, ask)) {
                changes.push(Change::Cursor { stream, cursor: None });
            }
        }
    }
    Ok(changes)
}

/// The cursor of a host that has none.
const NO_POSITION: Cursor = Cursor::from_static("");

/// What changed since the cursor.
async fn changed(s: &Session<'_>, planner: &mut Planner<'_, '_>, cursor: &Cursor) -> Result<Option<Cursor>, Halt> {
    let mut token = None;
    loop {
        s.check_cancel()?;
        s.keep_lease().await?;
        let from = token.as_ref().map_or(LocalFrom::Cursor(cursor), LocalFrom::Page);
        let page = read_page(s, planner.ask, from).await?;
        compared(s, planner, page.items.len());
        planner.take(page.items, Why::Changed).await?;
        match page.next {
            LocalNext::More(next) => token = Some(next),
            LocalNext::Done(cursor) => return Ok(cursor),
        }
    }
}

/// All records in the order of their ids, joined with the links in the same order: equal hashes need no further look,
/// and a link without a record is a deletion, once `read` confirms it.
async fn scan(s: &Session<'_>, planner: &mut Planner<'_, '_>) -> Result<Option<Cursor>, Halt> {
    let ask = planner.ask;
    let mut heads = Heads::new(s, ask);
    let mut token = None;
    let mut last: Option<LocalId> = None;
    loop {
        s.check_cancel()?;
        s.keep_lease().await?;
        let page = read_page(s, ask, token.as_ref().map_or(LocalFrom::Start, LocalFrom::Page)).await?;
        compared(s, planner, page.items.len());
        let mut differing = Vec::new();
        let mut missing = Vec::new();
        for local in page.items {
            if last.as_ref().is_some_and(|last| *last >= local.id) {
                return Err(s.halt(
                    sync_core::Error::new(
                        ErrorKind::Internal,
                        format!("records of {} do not come in bytewise order of their ids", ask.collection),
                    )
                    .with_owner(Owner::HostDeveloper)
                    .with_remedy(
                        "Order pages from the start by id, bytewise (in SQL: order by id collate \"C\" or binary).",
                    ),
                ));
            }
            last = Some(local.id.clone());
            let mut head = None;
            while let Some(next) = heads.peek().await? {
                if next.local > local.id {
                    break;
                }
                let next = heads.pop();
                match next {
                    Some(next) if next.local == local.id => head = Some(next),
                    Some(next) => missing.push(next.local),
                    None => break,
                }
            }
            if planner.is_unchanged(&local, head.as_ref()) {
                s.report().add_unchanged(1);
            } else {
                differing.push(local);
            }
        }
        planner.take(differing, Why::Changed).await?;
        missing_records(s, planner, missing).await?;
        match page.next {
            LocalNext::More(_) if zoo::is(Defect::DropsThePageToken) => return Ok(None),
            LocalNext::More(next) => token = Some(next),
            LocalNext::Done(cursor) => {
                let mut rest = Vec::new();
                while let Some(head) = heads.peek().await? {
                    rest.push(head.local.clone());
                    heads.pop();
                    if rest.len() >= s.engine.config.page {
                        missing_records(s, planner, std::mem::take(&mut rest)).await?;
                    }
                }
                missing_records(s, planner, rest).await?;
                deleted_items(s, planner).await?;
                return Ok(cursor);
            }
        }
    }
}

/// Linked records that a scan didn't show are read by id: only what is missing there too is deleted.
async fn missing_records(s: &Session<'_>, planner: &mut Planner<'_, '_>, ids: Vec<LocalId>) -> Result<(), Halt> {
    if ids.is_empty() {
        return Ok(());
    }
    let locals = read_ids(s, planner.ask, &ids).await?;
    planner.take(locals, Why::Changed).await
}

/// Standing items of records without a link that are deleted: a scan shows neither, and nothing else would tell.
async fn deleted_items(s: &Session<'_>, planner: &mut Planner<'_, '_>) -> Result<(), Halt> {
    standing_items(s, planner, |_| true, |local| local.state == LocalState::Deleted).await
}

/// Standing items of the host's records are decided again, where they and their records pass these tests.
async fn standing_items(
    s: &Session<'_>,
    planner: &mut Planner<'_, '_>,
    is_wanted: impl Fn(&Item) -> bool,
    is_due: impl Fn(&Local) -> bool,
) -> Result<(), Halt> {
    let name = &planner.ask.resource.name;
    let mut after: Option<(ResourceName, LocalId)> = None;
    loop {
        s.check_cancel()?;
        s.keep_lease().await?;
        let place = after.as_ref().map(|(resource, local)| (resource, local));
        let items = s.engine.store.items(&s.scope, place, s.engine.config.page).await.map_err(|error| s.halt(error))?;
        let Some(last) = items.last() else { return Ok(()) };
        after = Some((last.resource.clone(), last.local.clone()));
        let is_ours = |item: &Item| item.resource == *name && item.local.as_remote().is_none() && is_wanted(item);
        let ids: Vec<LocalId> = items.into_iter().filter(is_ours).map(|item| item.local).collect();
        let mut locals = read_ids(s, planner.ask, &ids).await?;
        locals.retain(&is_due);
        planner.take(locals, Why::Due).await?;
    }
}

/// Standing items whose time has come, whose question was answered, whose side effect was granted, that others were in the
/// way of, or of which a feed showed news under their key.
pub(super) async fn due_items(s: &Session<'_>, planner: &mut Planner<'_, '_>) -> Result<(), Halt> {
    let grants: Vec<String> = s.grants.iter().map(str::to_owned).collect();
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let mut after = None;
    loop {
        s.check_cancel()?;
        s.keep_lease().await?;
        let due = Due::at(&s.run, s.now()).granting(&grants).blocked(planner.frees_blocked);
        let items = s
            .engine
            .store
            .items_due(&s.scope, &planner.ask.resource.name, &due, after.as_ref(), s.engine.config.page)
            .await
            .map_err(|error| s.halt(error))?;
        let Some(last) = items.last() else { return refused_items(s, planner).await };
        after = Some(last.local.clone());
        let (only_there, ids): (Vec<LocalId>, Vec<LocalId>) =
            items.into_iter().map(|item| item.local).partition(|id| id.as_remote().is_some());
        let locals = read_ids(s, planner.ask, &ids).await?;
        planner.take(locals, Why::Due).await?;
        super::remote::due(s, planner, only_there.iter().filter_map(LocalId::as_remote).collect()).await?;
    }
}

/// Standing failures that nothing else brings up, of records that refer to what this run writes: a payment that was more
/// than was open fits once its invoice comes to more.
async fn refused_items(s: &Session<'_>, planner: &mut Planner<'_, '_>) -> Result<(), Halt> {
    if planner.ask.resource.depends_on.is_empty() || !planner.frees_blocked {
        return Ok(());
    }
    let is_left = |item: &Item| item.outcome.kind == OutcomeKind::Failed && item.due.is_none();
    let refers = |local: &Local| {
        let to = local.state.record().map(refs::locals).unwrap_or_default();
        to.iter().any(|(of, id)| refs::resource_of(s, of).is_some_and(|to| s.slice_of(&to.name, id).is_some()))
    };
    standing_items(s, planner, is_left, refers).await
}

/// Single items: they and their standing items, by id. An unknown id is that item's error.
pub(crate) async fn plan_items(s: &Session<'_>, planner: &mut Planner<'_, '_>, items: &[&ItemAsk]) -> Result<(), Halt> {
    let ask = planner.ask;
    let mut ids: Vec<LocalId> = Vec::new();
    let mut only_there: Vec<RemoteId> = Vec::new();
    let remote: Vec<RemoteId> = items.iter().filter(|item| item.remote).map(|item| RemoteId::new(item.id.clone())).collect();
    let links = s
        .engine
        .store
        .links_by_remote(&s.scope, &s.account, &ask.resource.name, &remote)
        .await
        .map_err(|error| s.halt(error))?;
    for (id, link) in remote.iter().zip(links) {
        match link {
            Some(link) => ids.push(link.local),
            // Asked for by name, so it is made here where the settings let records be made here at all.
            None if ask.is_two_way() => only_there.push(id.clone()),
            None => unknown(s, ask, &LocalId::new(id.as_str()), "no record here is linked with this id"),
        }
    }
    let found = super::remote::look_up(s, ask, &only_there).await?;
    for (id, found) in only_there.iter().zip(&found) {
        if found.is_none() {
            unknown(s, ask, &LocalId::of_remote(id), "there is no such record there");
        }
    }
    planner.take_new(found.into_iter().flatten().collect(), true).await?;
    ids.extend(items.iter().filter(|item| !item.remote).map(|item| LocalId::new(item.id.clone())));
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    for ids in ids.chunks(s.engine.config.page) {
        let mut known = Vec::new();
        let locals = read_ids(s, ask, ids).await?;
        let links = s
            .engine
            .store
            .links_by_local(&s.scope, &s.account, &ask.resource.name, &default_role(s, ask), ids)
            .await
            .map_err(|error| s.halt(error))?;
        for (local, link) in locals.into_iter().zip(links) {
            if local.state == LocalState::Deleted && link.is_none() {
                unknown(s, ask, &local.id, "there is no such record");
            } else {
                known.push(local);
            }
        }
        planner.take(known, Why::Asked).await?;
    }
    planner.finish().await
}

/// What single items need: the records that they refer to and that have no counterpart yet, and what these need in turn.
pub(crate) async fn needs(s: &Session<'_>) -> Result<Vec<ItemAsk>, Halt> {
    let Some(items) = s.ask.items.as_ref().filter(|_| s.may_have_slices()) else { return Ok(Vec::new()) };
    let mut needs: Vec<ItemAsk> = Vec::new();
    // What others refer to comes first, so what needs something is always looked at before it.
    for (idx, ask) in s.ask.resources.iter().enumerate().rev() {
        let ids: Vec<LocalId> = items
            .iter()
            .chain(&needs)
            .filter(|item| item.resource_idx == idx && !item.remote)
            .map(|item| LocalId::new(item.id.clone()))
            .collect();
        for ids in ids.chunks(s.engine.config.page) {
            let locals = read_ids(s, ask, ids).await?;
            let mut wanted: Vec<_> = locals.iter().filter_map(|local| local.state.record()).flat_map(refs::locals).collect();
            wanted.sort();
            wanted.dedup();
            let known = refs::linked(s, wanted.clone()).await?;
            for (collection, id) in wanted.into_iter().filter(|(collection, id)| known.remote(collection, id).is_none()) {
                let place = s.ask.resources.iter().position(|ask| ask.collection == collection);
                let Some(resource_idx) = place.filter(|place| *place <= idx) else { continue };
                let is_there = |item: &ItemAsk| item.resource_idx == resource_idx && !item.remote && item.id == id.as_str();
                if !items.iter().chain(&needs).any(is_there) {
                    needs.push(ItemAsk { resource_idx, remote: false, id: id.as_str().to_owned() });
                }
            }
        }
    }
    Ok(needs)
}

fn unknown(s: &Session<'_>, ask: &ResourceAsk, id: &LocalId, message: &str) {
    let outcome = Outcome::new(OutcomeKind::Failed, code::UNKNOWN_ITEM, message)
        .remedy(Owner::HostDeveloper, format!("Ask for ids of {}.", ask.collection));
    // An id that nobody knows leaves nothing behind: no standing item, no history.
    s.report().add(&ask.resource.name, Some(id), &outcome);
}

async fn read_page(s: &Session<'_>, ask: &ResourceAsk, from: LocalFrom<'_>) -> Result<sync_core::LocalPage, Halt> {
    let limit = if zoo::is(Defect::ReadsAllAtOnce) { usize::MAX } else { s.engine.config.page };
    s.engine
        .records
        .reading()
        .changes(&s.scope.organization, &ask.collection, &ask.rules.fields, from, limit)
        .await
        .map_err(|error| s.halt(error))
}

/// Records by id, as the host answers; an answer of the wrong length is the host's defect and no ground for deletions.
pub(crate) async fn read_ids(s: &Session<'_>, ask: &ResourceAsk, ids: &[LocalId]) -> Result<Vec<Local>, Halt> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let locals = s
        .engine
        .records
        .reading()
        .read(&s.scope.organization, &ask.collection, &ask.rules.fields, ids)
        .await
        .map_err(|error| s.halt(error))?;
    if locals.len() != ids.len() || locals.iter().zip(ids).any(|(local, id)| local.id != *id) {
        return Err(s.halt(
            sync_core::Error::new(
                ErrorKind::Internal,
                format!("`read` of {} did not answer every id in order", ask.collection),
            )
            .with_owner(Owner::HostDeveloper)
            .with_remedy("Answer one entry per id, in order; a missing record is `Deleted`."),
        ));
    }
    Ok(locals)
}

fn compared(s: &Session<'_>, planner: &mut Planner<'_, '_>, n: usize) {
    planner.n_compared += n as u64;
    s.progress(ProgressEvent::Compared { records: planner.n_compared });
}

impl Planner<'_, '_> {
    /// True when a record is as it was last agreed on.
    fn is_unchanged(&self, local: &Local, head: Option<&LinkHead>) -> bool {
        let (LocalState::Live(record), Some(head)) = (&local.state, head) else { return false };
        // What a run made and another took back counts as it was left.
        matches!(head.state, LinkState::Live | LinkState::Removed)
            && self.ask.rules.filter.as_ref().is_none_or(|filter| filter.admits(record))
            && head.hash == Some(local_hash(record, &self.ask.rules))
            && !zoo::is(Defect::WritesWhatIsTheSame)
    }
}

/// Heads of links, read ahead by pages.
struct Heads<'s, 'a> {
    s: &'s Session<'a>,
    ask: &'s ResourceAsk,
    role: Role,
    buffer: VecDeque<LinkHead>,
    after: Option<LocalId>,
    is_done: bool,
}

impl<'s, 'a> Heads<'s, 'a> {
    fn new(s: &'s Session<'a>, ask: &'s ResourceAsk) -> Self {
        Self { s, ask, role: default_role(s, ask), buffer: VecDeque::new(), after: None, is_done: false }
    }

    async fn peek(&mut self) -> Result<Option<&LinkHead>, Halt> {
        if self.buffer.is_empty() && !self.is_done {
            let limit = self.s.engine.config.page;
            let page = self
                .s
                .engine
                .store
                .link_heads(&self.s.scope, &self.s.account, &self.ask.resource.name, &self.role, self.after.as_ref(), limit)
                .await
                .map_err(|error| self.s.halt(error))?;
            self.is_done = page.len() < limit;
            self.after = page.last().map(|head| head.local.clone()).or(self.after.take());
            self.buffer = page.into();
        }
        Ok(self.buffer.front())
    }

    fn pop(&mut self) -> Option<LinkHead> {
        self.buffer.pop_front()
    }
}
